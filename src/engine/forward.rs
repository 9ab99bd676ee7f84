//! How a packet leaves.
//!
//! Owns the way out of every forwarded packet: cached route, or route and next hop; time to live, MTU, identification. Whether it
//! is translated, and to what, is decided before. A cached route is what the slow path said of a side of a flow, or of a packet
//! that has no flow, and nothing else: until another snapshot is installed, data that has one needs no question about owners,
//! lost members, routes or neighbours.

use super::events::EngineEvent;
use super::path::{Classified, Lookup};
use super::state::{Engine, State};
use super::sums::Counted;
use super::verdict::{Departure, DropReason, Egress, Forward, Verdict};
use super::walk::Walk;
use crate::flow::key::Key;
use crate::flow::{CachedRoute, SlotHint, Tag};
use crate::policy::Snapshot;
use crate::policy::adjacency::{EgressId, Neighbour};
use crate::policy::intent::{InterfaceId, PortId};
use crate::policy::multipath::Conversation;
use crate::policy::snapshot::{AddressClass, DatagramPort};
use crate::time::Instant;
use crate::wire::reply::IcmpError;
use crate::wire::{Endpoint, Kind, Packet, Ports, Protocol, Rewrite, Tuple};
use std::net::Ipv4Addr;

impl Engine {
    /// How a packet leaves whose flow has a cached route. `None`: it is to be classified and decided about, and nothing has happened
    /// yet. It is counted for whom it is if `COUNTS`, as with all that says how a packet leaves at once.
    #[inline(always)]
    pub fn by_cached_route<const COUNTS: bool>(
        &mut self,
        packet: &Packet,
        port: PortId,
        lookup: &Lookup,
        now: Instant,
    ) -> Option<Departure<'_>> {
        self.state.by_cached_route::<COUNTS>(&self.snapshot, packet, port, lookup.hint, now)
    }

    /// How a packet leaves unchanged that has no flow, if its route was kept. `None`: as above.
    #[inline(always)]
    pub fn by_kept_route<const COUNTS: bool>(
        &mut self,
        packet: &Packet,
        port: PortId,
        lookup: &Lookup,
    ) -> Option<Departure<'_>> {
        let (departure, counted) = self.state.by_kept_route(&self.snapshot, packet, port, lookup.without_flow()?)?;
        if COUNTS {
            self.state.sums.count(Counted::Account, counted, packet.size);
        }
        Some(departure)
    }

    /// The ports that the packet leaves with, where these are sure before it is decided about: whatever comes of it and has ports has
    /// these, or those that it came with. `None`: it may get others.
    ///
    /// What is outside keeps its port, and a service port is the same on both sides; between a member and another address of ours there
    /// is a flow. A SYN may begin another flow on the tuple of one that is over. All else with a cached route leaves by it, or as its flow
    /// says; nor does any of these packets make or end a flow, so that it is sure of all packets of a burst at once.
    #[inline(always)]
    pub fn ports_after(&self, packet: &Packet, port: PortId, lookup: &Lookup) -> Option<Ports> {
        match lookup.service_port() {
            Some(DatagramPort::In(_)) => self.is_outside(packet.src()).then_some(packet.ports),
            Some(DatagramPort::Out(_)) => self.is_outside(packet.dst()).then_some(packet.ports),
            None => self.state.ports_after(&self.snapshot, packet, port, lookup),
        }
    }

    /// The address is neither ours, nor virtual, nor a member's.
    #[inline(always)]
    pub(super) fn is_outside(&self, address: Ipv4Addr) -> bool {
        matches!(self.snapshot.class(address), AddressClass::Other | AddressClass::Broadcast)
    }
}

impl State {
    /// How a packet leaves that changes nothing about its flow, which `hint` leads to, if the route of its side is cached.
    /// `None`: nothing has happened yet.
    #[inline(always)]
    pub(super) fn by_cached_route<'a, const COUNTS: bool>(
        &mut self,
        snapshot: &'a Snapshot,
        packet: &Packet,
        port: PortId,
        hint: SlotHint,
        now: Instant,
    ) -> Option<Departure<'a>> {
        let number = self.snapshot_number;
        let (rewrite, (id, egress), counted) =
            self.flows.pass(hint, packet, now, |route| open(route, number, snapshot, packet, port))?;
        if COUNTS {
            self.sums.count(Counted::Account, counted, packet.size);
            self.flows.count_hinted(hint, packet.size);
        }
        Some(Departure { forward: Forward { rewrite: self.identified(packet, rewrite), egress: id }, egress })
    }

    /// As [`Engine::ports_after`], of what is to no service port of a pair and from none.
    #[inline(always)]
    fn ports_after(&self, snapshot: &Snapshot, packet: &Packet, port: PortId, lookup: &Lookup) -> Option<Ports> {
        let Some((ports, route)) = self.flows.ports_after(lookup.hint, packet) else {
            return self.by_kept_route(snapshot, packet, port, lookup.without_flow()?).map(|_| packet.ports);
        };
        let may_begin_another = matches!(packet.kind, Kind::Tcp(segment) if segment.flags.syn());
        let is_cached = open(route, self.snapshot_number, snapshot, packet, port).is_some();
        (is_cached && !may_begin_another).then_some(ports)
    }

    /// How a packet leaves unchanged that has no flow, if its route was kept, and what it is counted under.
    #[inline(always)]
    fn by_kept_route<'a>(
        &self,
        snapshot: &'a Snapshot,
        packet: &Packet,
        port: PortId,
        tag: Tag,
    ) -> Option<(Departure<'a>, u16)> {
        let (route, counted) = self.routes.find(tag, &Key::of_packet(packet));
        let (egress_id, egress) = open(route, self.snapshot_number, snapshot, packet, port)?;
        Some((Departure { forward: Forward { rewrite: Rewrite::default(), egress: egress_id }, egress }, counted))
    }

    /// A packet without a flow leaves unchanged by this way out, and nothing is remembered of it: so do others like it, as long as
    /// the snapshot is the same, and are counted under the same number. Where SYNs are changed, none of TCP is kept: a SYN would leave by it.
    pub(super) fn keep_route(
        &mut self,
        packet: &Packet,
        classified: &Classified,
        egress: EgressId,
        counted: u16,
        lowers_mss: bool,
    ) {
        let Some(tag) = classified.tag.filter(|_| self.caches_routes) else { return };
        if lowers_mss && matches!(packet.kind, Kind::Tcp(_)) {
            return;
        }
        let Ok(egress) = u16::try_from(egress.0) else { return };
        let route = CachedRoute { snapshot: self.snapshot_number, interface: classified.interface.0, egress };
        self.routes.keep(tag, Key::of_packet(packet), route, counted);
    }
}

/// The way out of a cached route, if it is good for a packet that came in on `port`, and the packet may leave by it.
#[inline(always)]
fn open<'a>(
    route: CachedRoute,
    number: u32,
    snapshot: &'a Snapshot,
    packet: &Packet,
    port: PortId,
) -> Option<(EgressId, &'a Egress)> {
    let (id, interface) = (EgressId(u32::from(route.egress)), InterfaceId(route.interface));
    let is_good = route.snapshot == number && snapshot.is_ingress(interface, port, packet.rx);
    if !is_good {
        return None;
    }
    let egress = snapshot.egress(id);
    may_leave(packet, egress).then_some((id, egress))
}

impl<'a> Walk<'a> {
    /// The packet leaves as it is.
    pub(super) fn route_unchanged(&mut self) -> Verdict {
        self.forward(Rewrite::default(), self.packet.dst())
    }

    /// The packet becomes `to`, and goes there.
    pub(super) fn forward_as(&mut self, from: &Tuple, to: &Tuple) -> Verdict {
        self.forward(Rewrite::between(from, to), to.dst.addr)
    }

    /// The packet is changed and leaves towards `destination`.
    pub(super) fn forward(&mut self, rewrite: Rewrite, destination: Ipv4Addr) -> Verdict {
        match self.routed(rewrite, destination) {
            Some(departure) if !self.snapshot.marks => Verdict::Forward(departure.forward),
            Some(departure) => Verdict::Forward(self.marked(departure.forward)),
            None => self.forward_or_tell(rewrite, destination),
        }
    }

    /// What leaves under another address gets the code point that the file says. An ICMP error is no traffic of a service.
    fn marked(&self, forward: Forward) -> Forward {
        let packet = self.packet;
        if !forward.rewrite.changes_source() || matches!(packet.kind, Kind::IcmpError(_)) {
            return forward;
        }
        let tuple = packet.tuple();
        let (protocol, port) = tuple.map_or((Protocol::Other(packet.protocol), 0), |it| (it.protocol, it.src.port));
        let mark = self.snapshot.mark_of(protocol, Endpoint::new(packet.src(), port));
        Forward { egress: self.snapshot.marked(forward.egress, mark), ..forward }
    }

    /// As [`Walk::forward`], if nothing prevents it.
    #[inline(always)]
    pub(super) fn routed(&mut self, rewrite: Rewrite, destination: Ipv4Addr) -> Option<Departure<'a>> {
        let egress = self.snapshot.lookup(destination, || Conversation::of_packet(self.packet, &rewrite))?;
        self.departs(rewrite, egress)
    }

    /// The packet is changed and leaves this way, if it may.
    #[inline(always)]
    pub(super) fn departs(&mut self, rewrite: Rewrite, id: EgressId) -> Option<Departure<'a>> {
        let egress = self.snapshot.egress(id);
        may_leave(self.packet, egress).then(|| Departure { forward: self.left(rewrite, id), egress })
    }

    #[inline(always)]
    fn left(&mut self, rewrite: Rewrite, egress: EgressId) -> Forward {
        Forward { rewrite: self.state.identified(self.packet, rewrite), egress }
    }

    /// As [`Walk::forward`], when something prevents it.
    #[cold]
    fn forward_or_tell(&mut self, rewrite: Rewrite, destination: Ipv4Addr) -> Verdict {
        self.state.barred = Some(rewrite);
        if self.packet.ttl <= 1 {
            return self.reject_from_here(IcmpError::TtlExceeded, DropReason::TtlExceeded);
        }
        match self.way_out(destination, Conversation::of_packet(self.packet, &rewrite)) {
            Ok(egress) => {
                let forward = self.left(rewrite, egress);
                Verdict::Forward(self.marked(forward))
            }
            Err(verdict) => verdict,
        }
    }

    /// The way to `destination`, or the verdict on a packet for which there is none now.
    fn way_out(&mut self, destination: Ipv4Addr, conversation: Conversation) -> Result<EgressId, Verdict> {
        let Some(hop) = self.snapshot.next_hop(destination, conversation) else {
            return Err(self.reject_from_here(IcmpError::NetUnreachable, DropReason::NoRoute));
        };
        let out = self.snapshot.interface(hop.interface);
        // All hosts of a network of ours at once: not forwarded (RFC 2644 2), and nobody is told (RFC 1812 4.3.2.7).
        if out.broadcasts(hop.address) {
            return Err(Verdict::Drop(DropReason::MartianDestination));
        }
        let too_big = self.packet.size > out.mtu;
        if too_big && self.packet.dont_fragment {
            let needed = IcmpError::FragmentationNeeded { mtu: out.mtu };
            return Err(self.reject_from_here(needed, DropReason::TooBig));
        }
        match (self.snapshot.lookup(destination, || conversation), self.snapshot.neighbour(hop)) {
            (Some(egress), _) => {
                if too_big {
                    self.count_event(EngineEvent::Fragmented);
                }
                Ok(egress)
            }
            (None, Some(Neighbour::Failed)) => {
                Err(self.reject_from_here(IcmpError::HostUnreachable, DropReason::HostUnreachable))
            }
            (None, _) => Err(Verdict::Hold(hop)),
        }
    }
}

/// The packet has a hop left and is not too large.
#[inline(always)]
pub(super) fn may_leave(packet: &Packet, egress: &Egress) -> bool {
    packet.ttl > 1 && packet.size <= egress.mtu
}

impl State {
    /// A datagram that gets another source, and is or may yet be in fragments, gets an identification of our own.
    #[inline(always)]
    pub(super) fn identified(&mut self, packet: &Packet, rewrite: Rewrite) -> Rewrite {
        if packet.atomic || !rewrite.changes_source() {
            return rewrite;
        }
        let (src, dst) = rewrite.addresses_of(packet.src(), packet.dst());
        rewrite.with_id(self.identifications.next(src, dst, packet.protocol))
    }
}
