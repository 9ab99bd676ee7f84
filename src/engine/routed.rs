//! What is routed: visitors of a member's own address, exclusions, replies, transit.
//!
//! Owns the way out of every forwarded packet (route, next hop, TTL, MTU) and the roads on which nothing is translated.
//! A flow here is only a marker: "do not translate the reply".

use super::decide::Walk;
use super::notice::Notice;
use super::service::peer_of;
use super::verdict::{DropReason, Egress, Verdict};
use crate::flow::{Flow, NO_MEMBER, Refused, Side};
use crate::policy::adjacency::Neighbour;
use crate::policy::intent::MemberId;
use crate::wire::reply::IcmpError;
use crate::wire::{Kind, Protocol, Rewrite, Tuple};
use std::net::Ipv4Addr;

impl Walk<'_> {
    /// The packet goes on as it is.
    pub(super) fn route_unchanged(&mut self) -> Verdict {
        self.forward(Rewrite::default(), None, self.packet.dst)
    }

    /// The packet is changed and goes on towards `destination`.
    #[inline]
    pub(super) fn forward(&mut self, rewrite: Rewrite, quoted: Option<Rewrite>, destination: Ipv4Addr) -> Verdict {
        match self.world.way(destination) {
            Some(egress) if self.may_leave(egress) => {
                let rewrite = self.identified(rewrite, destination);
                Verdict::Forward { rewrite, quoted, egress: *egress }
            }
            _ => self.forward_with_care(rewrite, quoted, destination),
        }
    }

    /// The packet has a hop left and is not too large.
    #[inline]
    pub(super) fn may_leave(&self, egress: &Egress) -> bool {
        self.packet.ttl > 1 && self.packet.size <= egress.mtu
    }

    /// As [`Walk::forward`], when something stands in the way.
    #[cold]
    fn forward_with_care(&mut self, rewrite: Rewrite, quoted: Option<Rewrite>, destination: Ipv4Addr) -> Verdict {
        if self.packet.ttl <= 1 {
            return self.refuse_from_here(IcmpError::TtlExceeded, DropReason::TtlExceeded);
        }
        match self.way_out(destination) {
            Ok(egress) => Verdict::Forward { rewrite: self.identified(rewrite, destination), quoted, egress },
            Err(verdict) => verdict,
        }
    }

    /// A datagram that gets another source, and is or may yet be in pieces, gets an identification of our own.
    #[inline]
    pub(super) fn identified(&mut self, rewrite: Rewrite, destination: Ipv4Addr) -> Rewrite {
        if self.packet.is_atomic() || !rewrite.changes_source() {
            return rewrite;
        }
        let src = rewrite.source_of(self.packet.src, self.packet.dst);
        rewrite.with_id(self.state.identifications.next(src, destination, self.packet.protocol()))
    }

    /// The packet becomes `to`, and goes there.
    pub(super) fn forward_as(&mut self, from: &Tuple, to: &Tuple) -> Verdict {
        self.forward(Rewrite::between(from, to), None, to.dst.addr)
    }

    /// The way to `destination`, or what becomes of a packet for which there is none now.
    fn way_out(&mut self, destination: Ipv4Addr) -> Result<Egress, Verdict> {
        let Some(hop) = self.world.next_hop(destination) else {
            return Err(self.refuse_from_here(IcmpError::NetUnreachable, DropReason::NoRoute));
        };
        let out = self.world.interface(hop.interface);
        // All hosts of a network of ours at once: not forwarded (RFC 2644 2), and nobody is told (RFC 1812 4.3.2.7).
        if out.broadcasts(hop.address) {
            return Err(Verdict::Drop(DropReason::MartianDestination));
        }
        let too_big = self.packet.size > out.mtu;
        if too_big && self.packet.dont_fragment {
            let needed = IcmpError::FragmentationNeeded { mtu: out.mtu };
            return Err(self.refuse_from_here(needed, DropReason::TooBig));
        }
        match self.world.neighbour(hop) {
            Some(Neighbour::Reachable(mac)) => {
                if too_big {
                    self.notice(Notice::Fragmented);
                }
                Ok(Egress::of(out, mac))
            }
            Some(Neighbour::Failed) => {
                Err(self.refuse_from_here(IcmpError::HostUnreachable, DropReason::HostUnreachable))
            }
            None => Err(Verdict::Hold(hop)),
        }
    }

    /// From outside to a member's own address: never translated, nor is the reply.
    pub(super) fn visitor(&mut self, member: MemberId) -> Verdict {
        let verdict = self.route_unchanged();
        // Pieces pass one by one; the first shows whom the answer goes to.
        let tuple = self.packet.tuple().or_else(|| self.packet.piece_tuple());
        if let (Verdict::Forward { .. } | Verdict::Hold(_), Some(tuple)) = (verdict, tuple) {
            self.mark_visitor(member, tuple);
        }
        verdict
    }

    /// Remembers a visitor, so that the reply is known for one.
    fn mark_visitor(&mut self, member: MemberId, tuple: Tuple) {
        if let Some((id, side)) = self.flow_of(&tuple) {
            match self.packet.kind {
                Kind::Tcp(segment) if self.begins_anew(id, side, &segment) => self.state.forget(self.world, id),
                _ => {
                    self.refresh(id, side);
                    return self.give_visitor_ticket(id, side);
                }
            }
        }
        match (tuple.protocol, self.packet.kind) {
            // What a member sends from a service port is translated without a look at the flows; there the mark
            // stands beside the speakers.
            (Protocol::Udp, _) if self.pool_of(member).service(Protocol::Udp, tuple.dst.port).is_some() => {
                let peer = peer_of(self.pool_of(member), tuple.src);
                self.state.speakers.note_member(peer, self.reference(member), self.now);
            }
            // What goes to the exclusion group keeps its source anyway.
            (Protocol::Udp, _) if self.excludes(member, self.packet.src) => {}
            (Protocol::Udp, _) => self.mark(tuple),
            (_, Kind::Tcp(segment)) if segment.flags.opens() => self.mark(tuple),
            // A reply to an echo request is known by its type, the rest of TCP by not being a SYN.
            _ => {}
        }
    }

    fn mark(&mut self, tuple: Tuple) {
        let mut flow = Flow::routed(tuple);
        (flow.member, flow.inside) = (NO_MEMBER, Side::Answerer);
        if let Kind::Tcp(segment) = self.packet.kind {
            flow.track = Some(crate::flow::Track::opening(&segment));
        }
        if let Err(Refused::Full) = self.state.keep(self.world, flow, self.now) {
            self.notice(Notice::FlowTableFullRouted);
        }
    }

    /// From member to member: never on this road when netmasks are right; harmless all the same.
    pub(super) fn misrouted(&mut self) -> Verdict {
        self.notice(Notice::MisroutedPeer);
        self.route_unchanged()
    }
}
