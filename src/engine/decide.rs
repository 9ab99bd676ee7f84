//! The one place where a packet is decided about.
//!
//! Owns the fork: a packet of a flow whose route is cached leaves by it; any other takes its [`Path`], each in a file of its
//! own. Nothing is decided here but ARP.

use super::Engine;
use super::path::{Classified, Path};
use super::verdict::{DropReason, PuntReason, Verdict};
use super::walk::Walk;
use crate::flow::key::Key;
use crate::policy::adjacency::{Neighbour, NextHop};
use crate::policy::intent::MemberId;
use crate::policy::snapshot::Owner;
use crate::time::Instant;
use crate::wire::arp::{Arp, Operation};
use crate::wire::reply::Reply;
use crate::wire::{Kind, Mac, Packet};

impl Engine {
    /// The verdict on a packet; `classified` is what [`Engine::classify`] said of it, of the present snapshot.
    #[inline]
    pub fn decide(&mut self, packet: &Packet, classified: &Classified, now: Instant) -> Verdict {
        let found = match (classified.tag, packet.transport()) {
            (Some(tag), Some(protocol)) => {
                let key = Key::of_words(packet.addresses, packet.ports, protocol);
                self.state.flows.find_hinted(classified.hint, tag, &key)
            }
            _ => None,
        };
        if let Some(flow) = found
            && let Some(forward) = self.state.by_cached_route(&self.snapshot, packet, classified.interface, flow, now)
        {
            return Verdict::Forward(forward);
        }
        Walk { world: &self.snapshot, state: &mut self.state, packet, classified, found, now }.verdict()
    }

    /// The verdict on a packet on which it was [`Verdict::Defer`] six seconds ago.
    pub fn finish_deferred(&mut self, packet: &Packet, classified: &Classified, now: Instant) -> Verdict {
        if classified.path == Path::Invalid(DropReason::UnknownInterface) {
            return Verdict::Drop(DropReason::UnknownInterface);
        }
        Walk { world: &self.snapshot, state: &mut self.state, packet, classified, found: None, now }.deferred()
    }
}

impl Walk<'_> {
    /// What nearly all traffic without a flow needs is asked first, in the loop over the burst.
    #[inline]
    fn verdict(mut self) -> Verdict {
        match self.classified.path {
            Path::ServiceIn { server, service } => self.datagram_in(server, service),
            Path::ServiceOut { sender, served } => self.datagram_out(sender, served),
            Path::Transit => self.route_unchanged(),
            path => self.verdict_on(path),
        }
    }

    #[inline(never)]
    fn verdict_on(mut self, path: Path) -> Verdict {
        match path {
            Path::Invalid(reason) => Verdict::Drop(reason),
            Path::Arp => self.arp(),
            path if matches!(self.packet.kind, Kind::Fragment(_)) && path.whole_only() => Verdict::Reassemble,
            Path::Outward(sender) => self.outward(sender),
            Path::Inward(server) => self.inward(server),
            Path::Direct(member) => self.visitor(member),
            Path::Hairpin { sender, server } => self.hairpin(sender, server),
            Path::Local(sender) => self.local(sender),
            Path::Peer(..) => self.misrouted(),
            Path::ServiceIn { .. } | Path::ServiceOut { .. } | Path::Transit => self.route_unchanged(),
        }
    }

    /// From outside to a virtual address, but no datagram to a service port.
    fn inward(&mut self, at: u16) -> Verdict {
        let server = self.world.server(at);
        match (self.packet.kind, self.packet.tuple()) {
            (Kind::IcmpError(quoted), _) => self.error(&quoted),
            (Kind::Echo { request: true }, _) => self.ping(server),
            (Kind::Tcp(segment), Some(tuple)) if let Some(service) = server.service(tuple.protocol, tuple.dst.port) => {
                self.segment_in(service, tuple, &segment)
            }
            (_, Some(tuple)) => self.answer_to_flow(tuple, server),
            _ => self.reject_local(),
        }
    }

    /// From a member to somebody outside, but no datagram from a service port.
    fn outward(&mut self, sender: MemberId) -> Verdict {
        match (self.packet.kind, self.packet.tuple()) {
            (Kind::IcmpError(quoted), _) => self.error(&quoted),
            (kind, Some(tuple)) => self.outward_with_ports(sender, kind, tuple),
            _ => self.route_unchanged(),
        }
    }

    /// From a member to a virtual address.
    fn hairpin(&mut self, sender: MemberId, at: u16) -> Verdict {
        let server = self.world.server(at);
        match (self.packet.kind, self.packet.tuple()) {
            (Kind::IcmpError(quoted), _) => self.error(&quoted),
            (Kind::Echo { request: true }, _) => self.ping(server),
            (_, Some(tuple)) => self.hairpin_with_ports(sender, server, tuple),
            _ => self.reject_local(),
        }
    }

    /// ARP: what is known is answered at once; what teaches or disputes something goes to management (RFC 826, 5227).
    fn arp(&self) -> Verdict {
        let Kind::Arp(arp) = self.packet.kind else { return Verdict::Drop(DropReason::ArpNotForUs) };
        let (interface, Arp { sender_mac, sender, target, .. }) = (self.ingress(), arp);
        if sender_mac == interface.mac || sender_mac.is_group() || sender_mac == Mac::ZERO {
            return Verdict::Drop(DropReason::ArpNotForUs);
        }
        let hop = NextHop { interface: self.classified.interface, address: sender };
        let known = self.world.neighbour(hop);
        let news = known != Some(Neighbour::Reachable(sender_mac));
        let ours = self.world.addresses.answers(self.classified.interface, target);
        let disputed = matches!(self.world.owner(sender), Some(Owner::Appliance(_) | Owner::Virtual(_)));
        match arp.operation {
            Operation::Request if ours && !news && !disputed => Verdict::Answer(Reply::Arp { mac: interface.mac }),
            _ if ours || disputed || (news && known.is_some()) => Verdict::Punt(PuntReason::Arp),
            _ => Verdict::Drop(DropReason::ArpNotForUs),
        }
    }
}
