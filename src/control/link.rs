//! The controller's side of the links: ARP in and out, addresses announced and defended, NICs that go up and down.

use super::probing::Departure;
use super::{Controller, Haste, LOOK, Output};
use crate::config::LogLevel;
use crate::control::neighbours::Notice;
use crate::engine::verdict::PuntReason;
use crate::policy::adjacency::NextHop;
use crate::policy::intent::{InterfaceId, MemberId, PortId};
use crate::time::{Duration, Instant};
use crate::wire::arp::Arp;
use crate::wire::compose::{arp_announcement, arp_frame, ip_frame};
use crate::wire::{Headers, Kind, Mac};
use crate::worker::mailbox::{Command, WorkerId};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// The worker that sends what management makes.
const SENDER: WorkerId = WorkerId(0);
/// How long a duplicate address is shown after it was last claimed.
const DUPLICATE_SHOWN: Duration = Duration::from_secs(300);
/// How long after the start a link may take to come up without an alarm.
const LINK_GRACE: Duration = Duration::from_secs(5);
/// A next hop that moves again so soon is not logged.
const QUARREL: Duration = Duration::from_secs(1);

impl Controller {
    /// A worker handed up a frame.
    pub(super) fn punted(&mut self, reason: PuntReason, interface: InterfaceId, frame: &[u8], now: Instant) {
        let Ok(headers) = Headers::parse(frame) else { return };
        match (reason, headers.kind) {
            (PuntReason::Arp, Kind::Arp(arp)) => self.neighbours.on_arp(interface, &arp, &self.addresses, now),
            (PuntReason::Local, _) => {
                if let Some(datagram) = frame.get(usize::from(headers.l3)..usize::from(headers.end)) {
                    self.probing.receive(datagram, now);
                }
            }
            (PuntReason::Arp, _) => {}
        }
    }

    /// Members and routers are kept resolved.
    pub(super) fn keep_neighbours(&mut self, now: Instant) {
        let members =
            self.intent.members.iter().map(|member| NextHop { interface: member.interface, address: member.address });
        let routers = self.intent.routes.iter().map(|route| NextHop { interface: route.interface, address: route.via });
        let kept: BTreeSet<NextHop> = members.chain(routers).collect();
        self.neighbours.keep(&kept, &self.addresses, now);
    }

    pub(super) fn heed_notices(&mut self, now: Instant) {
        while let Some(notice) = self.neighbours.next_notice() {
            match notice {
                Notice::Reachable(hop, mac) => self.found(hop, mac, now),
                Notice::Moved { hop, from, to, after } => {
                    // Two hosts that quarrel about an address do not fill the log.
                    if after >= QUARREL {
                        self.log(LogLevel::Info, format!("{hop} moved from {from} to {to}"));
                    }
                    self.publisher.changed(Haste::Now, now);
                }
                Notice::Failed(hop) => self.lost(hop, now),
                Notice::Hopeless(hop) => self.give_up(hop),
                Notice::Forgotten(_) => self.publisher.changed(Haste::Soon, now),
                Notice::Claimed { interface, address, mac } => self.claimed(interface, address, mac, now),
            }
        }
    }

    pub(super) fn depart(&mut self, departures: Vec<Departure>) {
        for Departure { interface, to, datagram } in departures {
            let out = &self.addresses.interfaces()[interface];
            let (port, frame) = (out.port, ip_frame(to, out.mac, out.vlan, &datagram));
            self.transmit(port, frame);
        }
    }

    pub(super) fn announce(&mut self, now: Instant) {
        while let Some((interface, address)) = self.announcements.poll(now) {
            self.announce_one(interface, address);
        }
    }

    pub(super) fn send_arp(&mut self) {
        while let Some(out) = self.neighbours.next_outgoing() {
            self.send_one(out.interface, out.to, &out.arp);
        }
    }

    /// The link of a NIC came up or was lost. Its members are asked at once.
    pub(super) fn link(&mut self, port: PortId, up: bool, now: Instant) {
        let Some(state) = self.links.get_mut(port.index()) else { return };
        *state = up;
        self.announcements.link(port, up, &self.addresses, now);
        let name = self.intent.ports[port.index()].name.clone();
        if up {
            self.neighbours.link_up(port, &self.addresses, now);
            self.alarms.clear(&format!("link {name}"));
            self.log(LogLevel::Info, format!("port {name}: the link is up"));
        } else {
            self.raise_link(port, now);
        }
        for (id, member) in self.intent.members.entries() {
            if self.intent.interfaces[member.interface].port == port {
                self.probing.hint(id);
            }
        }
    }

    /// Once a second: alarms that only counters show.
    pub(super) fn look(&mut self, now: Instant) {
        if now < self.next_look {
            return;
        }
        self.next_look = now + LOOK;
        self.alarms.expire(now);
        let late = now >= self.born + LINK_GRACE;
        for at in 0..self.links.len() {
            if late && !self.links[at] {
                self.raise_link(PortId(at as u8), now);
            }
        }
        self.look_at_ports(now);
        self.look_at_refusals(now);
        self.look_at_spreading();
    }

    fn raise_link(&mut self, port: PortId, now: Instant) {
        let name = &self.intent.ports[port.index()].name;
        let (key, message) = (format!("link {name}"), format!("port {name}: the link is down"));
        if self.alarms.raise(&key, message.clone(), None, now) {
            self.log(LogLevel::Warn, format!("alarm: {message}"));
        }
    }

    fn found(&mut self, hop: NextHop, mac: Mac, now: Instant) {
        self.publisher.changed(Haste::Now, now);
        let departures = self.probing.resolved(hop, mac);
        self.depart(departures);
    }

    /// A next hop does not answer ARP. For a member that is a hint: it is probed at once (scenario 36).
    fn lost(&mut self, hop: NextHop, now: Instant) {
        self.publisher.changed(Haste::Soon, now);
        self.give_up(hop);
        self.probing.unresolved(hop, now);
        if let Some(member) = self.member_at(hop) {
            self.log(LogLevel::Warn, format!("member {} does not answer ARP", self.intent.members[member].name));
            self.heed_hint(member);
        } else if self.intent.routes.iter().any(|route| route.via == hop.address) {
            self.log(LogLevel::Warn, format!("router {hop} does not answer ARP"));
        }
    }

    pub(super) fn member_at(&self, hop: NextHop) -> Option<MemberId> {
        self.intent.members.find_id(|m| (m.interface, m.address) == (hop.interface, hop.address))
    }

    fn give_up(&mut self, hop: NextHop) {
        for worker in self.publisher.workers() {
            self.outputs.push_back(Output::ToWorker(worker, Command::GiveUp(hop)));
        }
        if matches!(self.neighbours.neighbour(hop), Some(crate::policy::adjacency::Neighbour::Failed)) {
            return;
        }
        // Refused for want of room: a probe that waits for it would wait for ever.
        self.probing.forget_waiting(hop);
    }

    /// Somebody else says an address of ours is his: said once in ten seconds, defended as often, never given up
    /// (RFC 5227 2.4 (c), fit for a gateway).
    fn claimed(&mut self, interface: InterfaceId, address: Ipv4Addr, mac: Mac, now: Instant) {
        let name = &self.intent.interfaces[interface].name;
        let message = format!(
            "duplicate address: {mac} on interface {name} claims {address}, which is ours: find the host with that MAC \
             and take the address away from it"
        );
        self.alarms.raise(&format!("duplicate {address} {mac}"), message.clone(), Some(DUPLICATE_SHOWN), now);
        if self.announcements.may_defend((interface, address), now) {
            self.log(LogLevel::Warn, format!("alarm: {message}"));
            self.announce_one(interface, address);
        }
    }

    fn announce_one(&mut self, interface: InterfaceId, address: Ipv4Addr) {
        let out = &self.addresses.interfaces()[interface];
        let (port, frame) = (out.port, arp_announcement(out.mac, out.vlan, address));
        self.transmit(port, frame);
    }

    fn send_one(&mut self, interface: InterfaceId, to: Mac, arp: &Arp) {
        let Some(out) = self.addresses.find(interface) else { return };
        let (port, frame) = (out.port, arp_frame(to, out.vlan, arp));
        self.transmit(port, frame);
    }

    fn transmit(&mut self, port: PortId, frame: Vec<u8>) {
        let command = Command::Transmit { port, frame: frame.into_boxed_slice() };
        self.outputs.push_back(Output::ToWorker(SENDER, command));
    }
}
