//! Our side of the links: ARP in and out, addresses announced and defended, NICs that go up and down.
//!
//! Owns the addresses that are ours, the neighbours, the announcements, and which NICs have a link. Passes on by
//! [`NeighbourEvent`]s what concerns probes and workers. Read first: [`Link::next_event`].

use super::announce::{Announcements, Place};
use super::facts::DeviceEvent;
use super::neighbours::{Given, NeighbourEvent, Neighbours};
use super::outbox::Outbox;
use crate::admin::events::Subject;
use crate::config::LogLevel;
use crate::events::{AlarmCode, EventName};
use crate::policy::adjacency::{Neighbour, NextHop};
use crate::policy::intent::{InterfaceId, Member, MemberId, NeighbourEntry, PortId};
use crate::policy::{Addresses, Intent};
use crate::probe::LOOK;
use crate::time::{Duration, Instant};
use crate::wire::Mac;
use crate::wire::arp::Operation;
use crate::wire::compose::{arp_announcement, arp_announcing_reply, arp_frame, arp_probe, ip_frame};
use crate::wire::facts::Link as Header;
use crate::worker::mailbox::{Command, WorkerId};
use ipnet::Ipv4Net;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::Ipv4Addr;

/// The worker that sends what management makes.
const SENDER: WorkerId = WorkerId(0);
/// How long an alarm about an address that two hosts claim is shown after it was last claimed.
const DUPLICATE_SHOWN: Duration = Duration::from_secs(300);
/// MACs that claim one address are told apart up to this number.
const CLAIMANTS: usize = 1_000;
/// How long after the start a link may take to come up without an alarm.
const LINK_GRACE: Duration = Duration::from_secs(5);
/// A next hop that moves again so soon is not logged.
const QUARREL: Duration = Duration::from_secs(1);

/// Our side of all links.
pub(super) struct Link {
    pub(super) addresses: Addresses,
    pub(super) neighbours: Neighbours,
    announcements: Announcements,
    members: HashMap<NextHop, MemberId>,
    /// What lies behind each router.
    routers: HashMap<NextHop, Vec<Ipv4Net>>,
    /// Members and routers by where they are, or were.
    by_mac: HashMap<(InterfaceId, Mac), NextHop>,
    /// Who claims addresses of ours.
    claims: BTreeMap<Place, Claimants>,
    /// The floating addresses of the pair are ours.
    is_active: bool,
    /// They are not announced before workers have the snapshot in which they are.
    is_silent: bool,
    /// Those that have become ours, until each was announced once.
    takeover: Takeover,
    /// MACs of the other appliance of the pair.
    peer_macs: BTreeSet<Mac>,
    /// By port.
    up: Vec<bool>,
    /// From then on a link that is down is an alarm.
    alarms_from: Instant,
}

impl Link {
    /// `is_active`: floating addresses are ours from the start.
    pub(super) fn new(intent: &Intent, macs: &[Mac], is_active: bool, seed: u64, now: Instant) -> Link {
        let mut link = Link {
            addresses: Addresses::held(intent, macs, is_active),
            neighbours: Neighbours::new(seed),
            announcements: Announcements::default(),
            members: HashMap::new(),
            routers: HashMap::new(),
            by_mac: HashMap::new(),
            claims: BTreeMap::new(),
            is_active,
            is_silent: false,
            takeover: Takeover::default(),
            peer_macs: BTreeSet::new(),
            up: vec![false; macs.len()],
            alarms_from: now + LINK_GRACE,
        };
        link.keep_neighbours(intent, now);
        link
    }

    /// Takes a new intent: what is new is announced, what is gone is forgotten.
    pub(super) fn reconfigure(&mut self, intent: &Intent, macs: &[Mac], now: Instant) {
        self.addresses = Addresses::held(intent, macs, self.is_active);
        self.announce_all(now);
        self.keep_neighbours(intent, now);
    }

    /// Floating addresses are ours from now on, or not any more. They are announced when [`Link::announce_floating`] says so.
    pub(super) fn hold_floating(&mut self, is_active: bool, intent: &Intent, macs: &[Mac], now: Instant) {
        (self.is_active, self.is_silent, self.takeover) = (is_active, is_active, Takeover::default());
        self.reconfigure(intent, macs, now);
    }

    /// Workers have the snapshot in which floating addresses are ours: they are announced.
    pub(super) fn announce_floating(&mut self, now: Instant) {
        if std::mem::take(&mut self.is_silent) {
            self.announce_all(now);
            self.takeover.left =
                self.announcements.places().filter(|(_, at)| self.addresses.is_floating(*at)).collect();
        }
    }

    /// Floating addresses are not announced yet.
    pub(super) fn is_silent(&self) -> bool {
        self.is_silent
    }

    /// When the first and the last floating address were announced since the take-over.
    pub(super) fn announced(&self) -> (Option<Instant>, Option<Instant>) {
        (self.takeover.first, self.takeover.last)
    }

    /// The other appliance of the pair has these MACs.
    pub(super) fn set_peer_macs(&mut self, macs: impl IntoIterator<Item = Mac>) {
        self.peer_macs = macs.into_iter().collect();
    }

    /// Who claims this address, if he may be the other appliance: by its MACs, by that of the virtual router, or, where its MACs are not
    /// known, whoever does.
    pub(super) fn is_peers_claim(&self, interface: InterfaceId, address: Ipv4Addr, mac: Mac) -> bool {
        let is_virtual = || self.addresses.find(interface).is_some_and(|view| view.floating_mac == mac);
        let may_be = self.peer_macs.is_empty() || self.peer_macs.contains(&mac) || is_virtual();
        self.addresses.is_floating(address) && may_be
    }

    /// The link of a NIC came up or was lost; one that came up and was not seen to be lost was away for a moment.
    pub(super) fn on_port(&mut self, port: PortId, up: bool, intent: &Intent, out: &mut Outbox, now: Instant) {
        let Some(state) = self.up.get_mut(port.index()) else { return };
        let before = std::mem::replace(state, up);
        self.announce_all(now);
        if up && before {
            self.announce_again(port, now);
        }
        if up {
            self.neighbours.link_up(port, &self.addresses, now);
            let name = &intent.ports[port.index()].name;
            let message = format!("port {name}: the link is up");
            if !out.clear(&alarm_key(name), || message.clone()) {
                out.log_of(EventName::PortUp, LogLevel::Info, Subject::interface(name), message);
            }
        } else {
            raise_down(port, intent, out, now);
        }
    }

    /// A NIC does not work any more. Only a new start sets it up again: no driver can be reset under running workers.
    pub(super) fn on_device(&self, port: PortId, event: DeviceEvent, intent: &Intent, out: &mut Outbox, now: Instant) {
        let (name, device) = (&intent.ports[port.index()].name, &intent.ports[port.index()].device);
        let (key, code, message) = match event {
            DeviceEvent::Reset => (
                "reset",
                AlarmCode::PortReset,
                format!(
                    "port {name}: {device} was reset by its driver or by the host that lends it, and receives and sends nothing: \
                     restart Fairlead (systemctl restart fairlead)"
                ),
            ),
            DeviceEvent::Removed => (
                "removed",
                AlarmCode::PortRemoved,
                format!("port {name}: {device} was removed: put it back, and restart Fairlead"),
            ),
        };
        out.raise(&format!("{key} {name}"), (code, Subject::interface(name)), message, now);
    }

    /// All our addresses are announced once more, as after a start. Says how many.
    pub(super) fn announce_everything(&mut self, now: Instant) -> usize {
        self.announcements.again(|_| true, now)
    }

    /// Floating addresses are announced once more, as after a take-over.
    pub(super) fn announce_floating_again(&mut self, now: Instant) {
        let addresses = &self.addresses;
        self.announcements.again(|(_, address)| addresses.is_floating(*address), now);
    }

    fn announce_again(&mut self, port: PortId, now: Instant) {
        let interfaces = self.addresses.interfaces();
        self.announcements.again(|(interface, _)| interfaces[*interface].port == port, now);
    }

    /// ARP that is due; `away` as in [`Neighbours::poll`].
    pub(super) fn poll(&mut self, away: impl Fn(Instant, Instant) -> bool, now: Instant) {
        self.neighbours.poll(&self.addresses, away, now);
    }

    /// What came of ARP since the last call, sent, defended or logged; to be called until `None`.
    pub(super) fn next_event(&mut self, intent: &Intent, out: &mut Outbox, now: Instant) -> Option<NeighbourEvent> {
        let event = self.neighbours.next_event()?;
        if let NeighbourEvent::Reachable(hop, mac) | NeighbourEvent::Moved { hop, to: mac, .. } = event
            && self.neighbours.is_permanent(hop)
        {
            self.by_mac.insert((hop.interface, mac), hop);
        }
        match event {
            NeighbourEvent::Send { interface, to, arp } => {
                out.trace(|| format!("ARP {:?} to {to}: {} asks for {}", arp.operation, arp.sender, arp.target));
                if let Some(from) = self.addresses.find(interface) {
                    // Also where it tells of the virtual router's MAC (RFC 9568 8.1.2).
                    let link = Header { dst: to, src: from.mac, vlan: from.vlan };
                    transmit(from.port, arp_frame(&link, &arp), out);
                }
            }
            NeighbourEvent::Reachable(hop, mac) => out.debug(|| format!("neighbour {hop} is at {mac}")),
            NeighbourEvent::Failed(hop) | NeighbourEvent::Unreachable(hop) => {
                out.debug(|| format!("neighbour {hop} does not answer ARP"));
            }
            NeighbourEvent::Forgotten(hop) => out.debug(|| format!("neighbour {hop} is forgotten")),
            // That is for the pair to settle; or it was ours when it was claimed, and is the other appliance's by now.
            NeighbourEvent::Claimed { interface, address, mac, .. }
                if self.is_peers_claim(interface, address, mac) || !self.addresses.answers(interface, address) => {}
            NeighbourEvent::Claimed { interface, address, mac, operation } => {
                self.on_claim((interface, address), (mac, operation), intent, out, now);
            }
            // Two hosts that quarrel about an address do not fill the log.
            NeighbourEvent::Moved { hop, from, to, after } if after >= QUARREL => {
                let level = if self.neighbours.is_permanent(hop) { LogLevel::Warn } else { LogLevel::Info };
                let message = format!("{} moved from {from} to {to}", self.who(hop, intent));
                out.log_of(EventName::NeighbourMoved, level, subject_of(hop, intent), message);
            }
            NeighbourEvent::Stays { hop, at, claimed } => self.on_false_move(hop, at, claimed, intent, out, now),
            NeighbourEvent::Moved { hop, from, to, .. } => out.debug(|| format!("{hop} moved from {from} to {to}")),
        }
        Some(event)
    }

    /// Sends announcements that are due, and asks each time whether somebody else has the address: a host that keeps it to itself says so
    /// only then (RFC 5227 2.1.1). It is served meanwhile: a gateway that waited for an answer would be missed.
    pub(super) fn transmit(&mut self, out: &mut Outbox, now: Instant) {
        while let Some((interface, address)) = self.announcements.poll(now) {
            self.announce(interface, address, out);
            let (from, mac) = (&self.addresses.interfaces()[interface], self.addresses.mac_of(interface, address));
            transmit(from.port, arp_probe(mac, from.vlan, address), out);
            self.takeover.on_announced((interface, address), now);
        }
    }

    /// Sends a datagram of ours.
    pub(super) fn send(&self, interface: InterfaceId, to: Mac, datagram: &[u8], out: &mut Outbox) {
        let from = &self.addresses.interfaces()[interface];
        transmit(from.port, ip_frame(to, from.mac, from.vlan, datagram), out);
    }

    /// A next hop may not be reachable any more.
    pub(super) fn reverify(&mut self, hop: NextHop, now: Instant) {
        self.neighbours.reverify(hop, &self.addresses, now);
    }

    /// Once a second: links that were never up.
    pub(super) fn check(&self, intent: &Intent, out: &mut Outbox, now: Instant) {
        for at in (0..self.up.len()).filter(|at| now >= self.alarms_from && !self.up[*at]) {
            raise_down(PortId(at as u8), intent, out, now);
        }
    }

    /// The member that a next hop is.
    pub(super) fn member(&self, hop: NextHop) -> Option<MemberId> {
        self.members.get(&hop).copied()
    }

    /// The next hop is one of a route.
    pub(super) fn is_router(&self, hop: NextHop) -> bool {
        self.routers.contains_key(&hop)
    }

    /// What lies behind a router.
    pub(super) fn networks_behind(&self, router: NextHop) -> &[Ipv4Net] {
        self.routers.get(&router).map_or(&[], Vec::as_slice)
    }

    /// Of each NIC, whether it has a link.
    pub(super) fn links(&self) -> impl Iterator<Item = bool> + '_ {
        self.up.iter().copied()
    }

    pub(super) fn is_up(&self, port: PortId) -> bool {
        self.up[port.index()]
    }

    /// Members whose link this NIC is.
    pub(super) fn members_on(&self, port: PortId, intent: &Intent) -> impl Iterator<Item = MemberId> {
        let there = move |(_, member): &(MemberId, &Member)| intent.interfaces[member.interface].port == port;
        intent.members.entries().filter(there).map(|(id, _)| id)
    }

    /// While answers to ARP are due, it is looked for them at least each [`LOOK`]: see [`Neighbours::poll`].
    pub(super) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let look = self.neighbours.is_waiting().then(|| now + LOOK);
        [self.neighbours.next_deadline(), self.announcements.next_deadline(), look].into_iter().flatten().min()
    }

    /// Routes have been learned or withdrawn: routers are asked for, or are no longer.
    pub(super) fn follow_routes(&mut self, intent: &Intent, now: Instant) {
        self.keep_neighbours(intent, now);
    }

    /// Our addresses are announced on the links that are up.
    fn announce_all(&mut self, now: Instant) {
        let is_due = |(interface, address): &Place| {
            let is_up = self.up[self.addresses.interfaces()[*interface].port.index()];
            is_up && !(self.is_silent && self.addresses.is_floating(*address))
        };
        let places = self.addresses.all().filter(is_due).collect();
        self.announcements.set(places, now);
    }

    /// Members, routers, and who is asked in a member's place are permanent neighbours.
    fn keep_neighbours(&mut self, intent: &Intent, now: Instant) {
        self.members = intent.members.entries().map(|(id, member)| (member.hop(), id)).collect();
        self.routers.clear();
        let fixed = intent.routes.iter().map(|route| (route.hop(), route.to));
        let learned = intent.learned.iter().flat_map(|route| route.hops.iter().map(|(hop, _)| (*hop, route.to)));
        fixed.chain(learned).for_each(|(hop, to)| self.routers.entry(hop).or_default().push(to));
        let probed = intent.probed_hops();
        let permanent: BTreeSet<NextHop> =
            self.members.keys().chain(self.routers.keys()).chain(probed.values()).copied().collect();
        self.claims.retain(|(interface, address), _| self.addresses.answers(*interface, *address));
        let given = |entry: &NeighbourEntry| (entry.hop(), entry.mac.map_or(Given::Trusted, Given::At));
        let given = intent.neighbours.iter().map(given).collect();
        self.neighbours.keep(&permanent, given, &self.addresses, now);
        let placed = |hop: &NextHop| match self.neighbours.neighbour(*hop) {
            Some(Neighbour::Reachable(mac)) => Some(((hop.interface, mac), *hop)),
            _ => None,
        };
        self.by_mac = permanent.iter().filter_map(placed).collect();
    }

    /// Another host claims an address of ours: logged once in ten seconds, defended as often, never given up
    /// (RFC 5227 2.4 (c), fit for a gateway).
    fn on_claim(
        &mut self,
        place: Place,
        (mac, operation): (Mac, Operation),
        intent: &Intent,
        out: &mut Outbox,
        now: Instant,
    ) {
        let (interface, address) = place;
        let name = &intent.interfaces[interface].name;
        let known = self.known_at(interface, mac);
        // Our announcement would make it answer again: no duel.
        if let Some(router) = known.filter(|hop| operation == Operation::Reply && self.is_router(*hop)) {
            let message = format!(
                "router {router} at {mac} answers ARP for {address}, which is ours: switch proxy ARP off at its interface towards \
                 {name}, or remove the address from it if it has it itself"
            );
            let of = (AlarmCode::AddressProxyArp, Subject::interface(name).and(address));
            out.raise_for(&format!("proxy {} {address}", interface.0), of, message, Some(DUPLICATE_SHOWN), now);
            return;
        }
        let member = known.filter(|hop| self.member(*hop).is_some()).map(|hop| self.who(hop, intent));
        let claimants = self.claims.entry(place).or_default();
        let message = match claimants.hear(mac, now) {
            1 if let Some(member) = member => format!(
                "{member} uses {address} itself, which is ours: remove the address from its interfaces, or keep it out of ARP \
                 (on Linux arp_ignore = 1, arp_announce = 2)"
            ),
            1 => format!(
                "duplicate address: {mac} on interface {name} claims {address}, which is ours: find the host with that MAC \
                 and remove the address from it"
            ),
            most if most >= CLAIMANTS => format!(
                "duplicate address: at least {most} MACs on interface {name} claim {address}, which is ours, the last {mac}: \
                 find who sends this, on the switch port where that MAC is"
            ),
            several => format!(
                "duplicate address: {several} MACs on interface {name} claim {address}, which is ours, the last {mac}: find \
                 the hosts with these MACs and remove the address from them"
            ),
        };
        let key = format!("duplicate {} {address}", interface.0);
        let of = (AlarmCode::AddressDuplicate, Subject::interface(name).and(address));
        let is_new = out.raise_for(&key, of, message.clone(), Some(DUPLICATE_SHOWN), now);
        if self.announcements.may_defend(place, now) {
            if !is_new {
                out.repeat(&key, &message);
            }
            self.announce(interface, address, out);
        }
    }

    /// ARP said that a next hop has moved, and the host at its MAC answers still, or the file says where it is.
    fn on_false_move(&self, hop: NextHop, at: Mac, claimed: Mac, intent: &Intent, out: &mut Outbox, now: Instant) {
        let (who, interface) = (self.who(hop, intent), &intent.interfaces[hop.interface].name);
        if !self.neighbours.is_permanent(hop) && !self.neighbours.is_static(hop) {
            return out.debug(|| format!("{who} answers at {at}, though {claimed} claims to be it"));
        }
        if self.neighbours.is_static(hop) {
            let message = format!(
                "{who} is at {at} by the file, but {claimed} on interface {interface} claims to be it: correct [[neighbour]], or \
                 find the host with that MAC"
            );
            return raise_claim(hop, message, (intent, out), now);
        }
        let message = format!(
            "{who} answers at {at}, but {claimed} on interface {interface} claims to be it and is not believed: find the host \
             with that MAC"
        );
        raise_claim(hop, message, (intent, out), now);
    }

    /// The member or router at a MAC.
    fn known_at(&self, interface: InterfaceId, mac: Mac) -> Option<NextHop> {
        let hop = self.by_mac.get(&(interface, mac))?;
        (self.neighbours.neighbour(*hop) == Some(Neighbour::Reachable(mac))).then_some(*hop)
    }

    /// A next hop in words.
    fn who(&self, hop: NextHop, intent: &Intent) -> String {
        match self.member(hop) {
            Some(member) => format!("member {} at {hop}", intent.members[member].name),
            None if self.is_router(hop) => format!("router {hop}"),
            None => hop.to_string(),
        }
    }

    fn announce(&self, interface: InterfaceId, address: Ipv4Addr, out: &mut Outbox) {
        let (from, mac) = (&self.addresses.interfaces()[interface], self.addresses.mac_of(interface, address));
        transmit(from.port, arp_announcement(mac, from.vlan, address), out);
        // One that has moved here from the other appliance is known to its neighbours: all have to believe it.
        if self.addresses.is_floating(address) {
            transmit(from.port, arp_announcing_reply(mac, from.vlan, address), out);
        }
    }
}

/// How far floating addresses that have become ours are announced.
#[derive(Default)]
struct Takeover {
    left: BTreeSet<Place>,
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Takeover {
    fn on_announced(&mut self, place: Place, now: Instant) {
        if self.left.remove(&place) {
            self.first.get_or_insert(now);
            self.last = self.left.is_empty().then_some(now);
        }
    }
}

/// The MACs that claim an address of ours.
#[derive(Default)]
struct Claimants {
    macs: HashSet<Mac>,
    last: Instant,
}

impl Claimants {
    /// One of them was heard. Returns how many there are, counted up to [`CLAIMANTS`]; those of an alarm that is over do
    /// not count.
    fn hear(&mut self, mac: Mac, now: Instant) -> usize {
        if now.since(self.last) >= DUPLICATE_SHOWN {
            self.macs.clear();
        }
        self.last = now;
        if self.macs.len() < CLAIMANTS {
            self.macs.insert(mac);
        }
        self.macs.len()
    }
}

fn transmit(port: PortId, frame: Vec<u8>, out: &mut Outbox) {
    out.send(SENDER, Command::Transmit { port, frame: frame.into_boxed_slice() });
}

fn raise_claim(hop: NextHop, message: String, (intent, out): (&Intent, &mut Outbox), now: Instant) {
    let (key, of) =
        (format!("moved {} {hop}", hop.interface.0), (AlarmCode::NeighbourClaimed, subject_of(hop, intent)));
    out.raise_for(&key, of, message, Some(DUPLICATE_SHOWN), now);
}

fn subject_of(hop: NextHop, intent: &Intent) -> Subject {
    Subject { interface: intent.interfaces.get(hop.interface).map(|one| one.name.clone()), ..Subject::object(hop) }
}

fn raise_down(port: PortId, intent: &Intent, out: &mut Outbox, now: Instant) {
    let name = &intent.ports[port.index()].name;
    let of = (AlarmCode::PortDown, Subject::interface(name));
    out.raise(&alarm_key(name), of, format!("port {name}: the link is down"), now);
}

fn alarm_key(port: &str) -> String {
    format!("link {port}")
}
