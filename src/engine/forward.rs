//! How a packet leaves.
//!
//! Owns the way out of every forwarded packet: route, next hop, time to live, MTU, identification. Whether it is translated,
//! and to what, is decided before.

use super::State;
use super::notice::Notice;
use super::verdict::{DropReason, Forward, Verdict};
use super::walk::Walk;
use crate::policy::adjacency::Neighbour;
use crate::policy::way::EgressId;
use crate::wire::reply::IcmpError;
use crate::wire::{Packet, Rewrite, Tuple};
use std::net::Ipv4Addr;

impl Walk<'_> {
    /// The packet leaves as it is.
    #[inline]
    pub(super) fn route_unchanged(&mut self) -> Verdict {
        self.forward(Rewrite::default(), self.packet.dst())
    }

    /// The packet becomes `to`, and goes there.
    pub(super) fn forward_as(&mut self, from: &Tuple, to: &Tuple) -> Verdict {
        self.forward(Rewrite::between(from, to), to.dst.addr)
    }

    /// The packet is changed and leaves towards `destination`.
    #[inline(always)]
    pub(super) fn forward(&mut self, rewrite: Rewrite, destination: Ipv4Addr) -> Verdict {
        match self.world.lookup(destination) {
            Some(egress) if self.may_leave(egress) => self.leave(rewrite, egress),
            _ => self.forward_or_tell(rewrite, destination),
        }
    }

    /// The packet has a hop left and is not too large.
    #[inline]
    pub(super) fn may_leave(&self, egress: EgressId) -> bool {
        self.packet.ttl > 1 && self.packet.size <= self.world.egress(egress).mtu
    }

    /// The packet is changed and leaves this way.
    #[inline]
    pub(super) fn leave(&mut self, rewrite: Rewrite, egress: EgressId) -> Verdict {
        Verdict::Forward(Forward { rewrite: self.state.identified(self.packet, rewrite), egress })
    }

    /// As [`Walk::forward`], when something stands in the way.
    #[cold]
    fn forward_or_tell(&mut self, rewrite: Rewrite, destination: Ipv4Addr) -> Verdict {
        if self.packet.ttl <= 1 {
            return self.reject_from_here(IcmpError::TtlExceeded, DropReason::TtlExceeded);
        }
        match self.way_out(destination) {
            Ok(egress) => self.leave(rewrite, egress),
            Err(verdict) => verdict,
        }
    }

    /// The way to `destination`, or the verdict on a packet for which there is none now.
    fn way_out(&mut self, destination: Ipv4Addr) -> Result<EgressId, Verdict> {
        let Some(hop) = self.world.next_hop(destination) else {
            return Err(self.reject_from_here(IcmpError::NetUnreachable, DropReason::NoRoute));
        };
        let out = self.world.interface(hop.interface);
        // All hosts of a network of ours at once: not forwarded (RFC 2644 2), and nobody is told (RFC 1812 4.3.2.7).
        if out.broadcasts(hop.address) {
            return Err(Verdict::Drop(DropReason::MartianDestination));
        }
        let too_big = self.packet.size > out.mtu;
        if too_big && self.packet.dont_fragment {
            let needed = IcmpError::FragmentationNeeded { mtu: out.mtu };
            return Err(self.reject_from_here(needed, DropReason::TooBig));
        }
        match (self.world.lookup(destination), self.world.neighbour(hop)) {
            (Some(egress), _) => {
                if too_big {
                    self.notice(Notice::Fragmented);
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

impl State {
    /// A datagram that gets another source, and is or may yet be in fragments, gets an identification of our own.
    #[inline]
    pub(super) fn identified(&mut self, packet: &Packet, rewrite: Rewrite) -> Rewrite {
        if packet.is_atomic() || !rewrite.changes_source() {
            return rewrite;
        }
        let (src, dst) = rewrite.addresses_of(packet.src(), packet.dst());
        rewrite.with_id(self.identifications.next(src, dst, packet.protocol))
    }
}
