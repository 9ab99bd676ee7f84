//! How a packet leaves.
//!
//! Owns the way out of every forwarded packet: route, next hop, time to live, MTU, identification. Whether it is translated,
//! and to what, is decided before.

use super::events::EngineEvent;
use super::state::State;
use super::verdict::{Departure, DropReason, Egress, Forward, Verdict};
use super::walk::Walk;
use crate::policy::adjacency::{EgressId, Neighbour};
use crate::wire::reply::IcmpError;
use crate::wire::{Packet, Rewrite, Tuple};
use std::net::Ipv4Addr;

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
            Some(departure) => Verdict::Forward(departure.forward),
            None => self.forward_or_tell(rewrite, destination),
        }
    }

    /// As [`Walk::forward`], if nothing prevents it.
    #[inline(always)]
    pub(super) fn routed(&mut self, rewrite: Rewrite, destination: Ipv4Addr) -> Option<Departure<'a>> {
        let egress = self.snapshot.lookup(destination)?;
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
        if self.packet.ttl <= 1 {
            return self.reject_from_here(IcmpError::TtlExceeded, DropReason::TtlExceeded);
        }
        match self.way_out(destination) {
            Ok(egress) => Verdict::Forward(self.left(rewrite, egress)),
            Err(verdict) => verdict,
        }
    }

    /// The way to `destination`, or the verdict on a packet for which there is none now.
    fn way_out(&mut self, destination: Ipv4Addr) -> Result<EgressId, Verdict> {
        let Some(hop) = self.snapshot.next_hop(destination) else {
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
        match (self.snapshot.lookup(destination), self.snapshot.neighbour(hop)) {
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
