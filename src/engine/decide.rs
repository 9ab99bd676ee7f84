//! The one place where a packet is decided about.
//!
//! Owns the fork: a packet that leaves by no cached route takes its [`Path`], each in a file of its own. Nothing is decided here
//! but ARP.

use super::Engine;
use super::account::Account;
use super::events::EngineEvent;
use super::path::{Classified, Path};
use super::sums::Counted;
use super::verdict::{Departure, DropReason, IgnoreReason, PuntReason, Verdict};
use super::walk::Walk;
use crate::flow::key::Key;
use crate::policy::adjacency::{Neighbour, NextHop};
use crate::policy::intent::MemberId;
use crate::policy::snapshot::AddressClass;
use crate::time::Instant;
use crate::wire::arp::{Arp, Operation};
use crate::wire::reply::Reply;
use crate::wire::sip;
use crate::wire::{Kind, Mac, Packet, Protocol, Rewrite};
use std::net::Ipv4Addr;

impl Engine {
    /// The verdict on a packet; `classified` is what [`Engine::classify`] said of it, of the present snapshot, and `sip` what it
    /// says of itself, if [`Engine::needs_sip`].
    pub fn decide(&mut self, packet: &Packet, classified: Classified, sip: sip::Facts, now: Instant) -> Verdict {
        match self.decide_at_once::<false>(packet, classified, now) {
            Some(departure) => Verdict::Forward(departure.forward),
            None => self.decide_in_full(packet, classified, sip, now),
        }
    }

    /// A member that is not active has spoken: all datagrams of service ports are read, to find out whom they concern.
    pub fn reads_sip(&self) -> bool {
        !self.state.speakers.is_empty()
    }

    /// Who gets the packet, or its answer, depends on what it says of itself: while a member that is not active has spoken, or
    /// when one does.
    pub fn needs_sip(&self, packet: &Packet, classified: Classified) -> bool {
        let has_spoken = self.reads_sip();
        match classified.path {
            Path::ServiceIn(_) => has_spoken,
            Path::ServiceOut(at) => {
                let sender = self.snapshot.datagrams_out(at).sender;
                self.snapshot.pool(self.snapshot.member(sender).pool).active != Some(sender)
            }
            Path::Hairpin { sender, server } if matches!(packet.kind, Kind::Udp) => {
                let pool = self.snapshot.member(sender).pool;
                has_spoken || self.snapshot.pool(pool).active != Some(sender) || self.is_shared(server, packet)
            }
            Path::Inward(server) if matches!(packet.kind, Kind::Udp) => self.is_shared(server, packet),
            Path::Outward(sender) if matches!(packet.kind, Kind::Udp) => {
                let pool = self.snapshot.pool(self.snapshot.member(sender).pool);
                pool.is_shared && pool.service(Protocol::Udp, packet.src_port()).is_some()
            }
            _ => false,
        }
    }

    /// The packet is for a service of a pool with several active members.
    fn is_shared(&self, server: u16, packet: &Packet) -> bool {
        let service = self.snapshot.server(server).service(Protocol::Udp, packet.dst_port());
        service.is_some_and(|service| self.snapshot.pool(service.pool).is_shared)
    }

    /// How a datagram to the service port at this place leaves, see [`Engine::service_in`]: nearly all do at once. `None`: nothing has
    /// happened yet, and [`Engine::decide_in_full`] is next.
    #[inline(always)]
    pub fn service_in_at_once<'a, const COUNTS: bool>(
        &'a mut self,
        packet: &'a Packet,
        (at, classified): (u16, Classified),
        now: Instant,
    ) -> Option<Departure<'a>> {
        Walk::new(self, packet, classified, sip::Facts::Other, now).datagram_in_at_once::<COUNTS>(at)
    }

    /// The same of a datagram from a service port, see [`Engine::service_out`].
    #[inline(always)]
    pub fn service_out_at_once<'a, const COUNTS: bool>(
        &'a mut self,
        packet: &'a Packet,
        (at, classified): (u16, Classified),
        now: Instant,
    ) -> Option<Departure<'a>> {
        Walk::new(self, packet, classified, sip::Facts::Other, now).datagram_out_at_once::<COUNTS>(at)
    }

    /// How any other packet leaves, of those that need no flow or have none: nearly all such are forwarded. `None` as above.
    #[inline(always)]
    pub fn decide_at_once<'a, const COUNTS: bool>(
        &'a mut self,
        packet: &'a Packet,
        classified: Classified,
        now: Instant,
    ) -> Option<Departure<'a>> {
        Walk::new(self, packet, classified, sip::Facts::Other, now).at_once::<COUNTS>()
    }

    /// The verdict on a packet that is not forwarded at once.
    pub fn decide_in_full(
        &mut self,
        packet: &Packet,
        classified: Classified,
        sip: sip::Facts,
        now: Instant,
    ) -> Verdict {
        Walk::new(self, packet, classified, sip, now).verdict()
    }

    /// The verdict on a packet on which it was [`Verdict::Withhold`], now that it need not wait any longer; `sip` as for
    /// [`Engine::decide`].
    pub fn finish_withheld(
        &mut self,
        packet: &Packet,
        classified: Classified,
        sip: sip::Facts,
        now: Instant,
    ) -> Verdict {
        let walk = Walk::new(self, packet, classified, sip, now);
        Walk { withholds: false, ..walk }.verdict()
    }

    /// The verdict on a packet on which it was [`Verdict::Defer`] six seconds ago.
    pub fn finish_deferred(&mut self, packet: &Packet, classified: Classified, now: Instant) -> Verdict {
        if classified.path == Path::Invalid(DropReason::UnknownInterface) {
            return Verdict::Drop(DropReason::UnknownInterface);
        }
        Walk::new(self, packet, classified, sip::Facts::Other, now).deferred()
    }
}

impl<'a> Walk<'a> {
    #[inline(always)]
    pub(super) fn new(
        engine: &'a mut Engine,
        packet: &'a Packet,
        classified: Classified,
        sip: sip::Facts,
        now: Instant,
    ) -> Walk<'a> {
        Walk { snapshot: &engine.snapshot, state: &mut engine.state, packet, classified, sip, now, withholds: true }
    }

    /// See [`Engine::decide_at_once`].
    #[inline(always)]
    fn at_once<const COUNTS: bool>(mut self) -> Option<Departure<'a>> {
        if self.snapshot.lowers_mss && self.is_syn() {
            return None;
        }
        match self.classified.path {
            Path::Outward(sender) if self.is_routed_outward(sender) => {
                let departure = self.routed(Rewrite::default(), self.packet.dst())?;
                let counted = self.number(|_| Some(Account::from(sender)))?;
                if COUNTS {
                    self.state.sums.count(Counted::Account, counted, self.packet.size);
                }
                let (egress, lowers_mss) = (departure.forward.egress, self.snapshot.lowers_mss);
                self.state.keep_route(self.packet, &self.classified, egress, counted, lowers_mss);
                Some(departure)
            }
            Path::Transit => self.routed(Rewrite::default(), self.packet.dst()),
            _ => None,
        }
    }

    /// What it offers may have to be lowered, which is not done to what leaves at once.
    fn is_syn(&self) -> bool {
        matches!(self.packet.kind, Kind::Tcp(segment) if segment.flags.syn())
    }

    /// What a member sends to the exclusion group, and has no flow, is routed whatever it is; of a fragment more has to be known.
    #[inline(always)]
    fn is_routed_outward(&self, sender: MemberId) -> bool {
        self.packet.plain
            && self.snapshot.member(sender).exclude.holds(self.packet.dst())
            && self.state.flows.find_key(self.tag(), &Key::of_packet(self.packet)).is_none()
            && !self.is_of_a_call(sender)
    }

    /// Whether what a member sends to the exclusion group is of a call with the virtual address has to be read.
    fn is_of_a_call(&self, sender: MemberId) -> bool {
        self.snapshot.persistence_hints().is_some()
            && self.packet.tuple().is_some_and(|tuple| self.goes_by_call(sender, &tuple))
    }

    fn verdict(mut self) -> Verdict {
        self.state.speaker_answered = false;
        let verdict = self.by_path();
        self.remember_begun(&verdict);
        self.count_answered(&verdict);
        verdict
    }

    fn by_path(&mut self) -> Verdict {
        match self.classified.path {
            Path::Invalid(reason) => Verdict::Drop(reason),
            Path::Background(reason) => self.background(reason),
            Path::Arp => self.arp(),
            path if matches!(self.packet.kind, Kind::Fragment(_)) && path.whole_only() => Verdict::Reassemble,
            Path::ServiceIn(at) => self.datagram_in(at),
            Path::ServiceOut(at) => self.datagram_out(at),
            Path::Outward(sender) => self.outward(sender),
            Path::Inward(server) => self.inward(server),
            Path::Direct(member) => self.visitor(member),
            Path::Hairpin { sender, server } => self.hairpin(sender, server),
            Path::Local(sender) => self.local(sender),
            Path::Peer(..) => self.misrouted(),
            Path::Transit => self.route_unchanged(),
        }
    }

    /// From outside to a virtual address, but no datagram to a service port of a pair.
    fn inward(&mut self, at: u16) -> Verdict {
        let server = self.snapshot.server(at);
        match (self.packet.kind, self.packet.tuple()) {
            (Kind::IcmpError(quoted), _) => self.error(&quoted),
            (Kind::Echo { request: true }, _) => self.ping(server),
            (Kind::Tcp(segment), Some(tuple)) if let Some(service) = server.service(tuple.protocol, tuple.dst.port) => {
                self.segment_in(service, tuple, &segment)
            }
            (Kind::Udp, Some(tuple)) if let Some(service) = server.service(tuple.protocol, tuple.dst.port) => {
                self.shared_datagram_in(service, tuple)
            }
            (_, Some(tuple)) => self.answer_to_flow(tuple, server),
            _ => self.inward_without_ports(),
        }
    }

    /// From a member to somebody outside, but no datagram from a service port of a pair.
    fn outward(&mut self, sender: MemberId) -> Verdict {
        match (self.packet.kind, self.packet.tuple()) {
            (Kind::IcmpError(quoted), _) => self.error(&quoted),
            (kind, Some(tuple)) => self.outward_with_ports(sender, kind, tuple),
            _ => self.outward_without_ports(sender),
        }
    }

    /// From a member to a virtual address.
    fn hairpin(&mut self, sender: MemberId, at: u16) -> Verdict {
        let server = self.snapshot.server(at);
        match (self.packet.kind, self.packet.tuple()) {
            (Kind::IcmpError(quoted), _) => self.error(&quoted),
            (Kind::Echo { request: true }, _) => self.ping(server),
            (_, Some(tuple)) => self.hairpin_with_ports(sender, server, tuple),
            _ => self.reject_local(),
        }
    }

    /// ARP: what is known is answered at once; what teaches or disputes something goes to management (RFC 826, 5227), within the
    /// budget of its class. Who asks for us is answered in any case.
    fn arp(&mut self) -> Verdict {
        let Kind::Arp(arp) = self.packet.kind else { return Verdict::Ignore(IgnoreReason::Arp) };
        let mac = self.ingress().mac;
        if arp.sender_mac == mac || arp.sender_mac.is_group() || arp.sender_mac == Mac::ZERO {
            return Verdict::Ignore(IgnoreReason::Arp);
        }
        let asks_for_us = arp.operation == Operation::Request && self.answers(arp.target);
        let mac = if asks_for_us { self.snapshot.addresses.mac_of(self.classified.interface, arp.target) } else { mac };
        match self.arp_class(&arp) {
            Some(PuntReason::ArpConflict) => self.punt(PuntReason::ArpConflict),
            Some(reason) if asks_for_us && !self.state.punts.allows(reason, self.now) => {
                self.state.events.count(EngineEvent::ArpUnlearnt);
                Verdict::Answer(Reply::Arp { mac })
            }
            Some(reason) if asks_for_us => Verdict::Punt(reason),
            Some(reason) => self.punt(reason),
            None if asks_for_us => Verdict::Answer(Reply::Arp { mac }),
            None => Verdict::Ignore(IgnoreReason::Arp),
        }
    }

    /// Why management has to see ARP from another station, if it has.
    fn arp_class(&self, arp: &Arp) -> Option<PuntReason> {
        let hop = NextHop { interface: self.classified.interface, address: arp.sender };
        let ours = self.answers(arp.target);
        // What the active appliance of a pair has, its standby does not dispute.
        if matches!(self.snapshot.class(arp.sender), AddressClass::SelfIp(_) | AddressClass::Virtual(_))
            && self.snapshot.addresses.is_ours(arp.sender)
        {
            return Some(PuntReason::ArpConflict);
        }
        match (self.snapshot.neighbour(hop), arp.operation) {
            (Some(Neighbour::Reachable(known)), _) if known != arp.sender_mac => Some(PuntReason::ArpMoved),
            (Some(Neighbour::Reachable(_)), Operation::Request) => None,
            (Some(_), _) if self.snapshot.is_kept(hop) => {
                (ours || self.is_failed(hop)).then_some(PuntReason::ArpNeighbour)
            }
            (None, _) if ours && self.snapshot.is_kept(hop) => Some(PuntReason::ArpNeighbour),
            (None, Operation::Request) => ours.then_some(PuntReason::ArpRequest),
            (_, _) => (ours || self.is_failed(hop)).then_some(PuntReason::ArpReply),
        }
    }

    fn is_failed(&self, hop: NextHop) -> bool {
        self.snapshot.neighbour(hop) == Some(Neighbour::Failed)
    }

    /// The address is one of those that we answer for where the packet came in.
    fn answers(&self, address: Ipv4Addr) -> bool {
        self.snapshot.addresses.answers(self.classified.interface, address)
    }
}
