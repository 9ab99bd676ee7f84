//! A packet passes, and its flow takes note.
//!
//! Owns what a packet does to its flow: when it was last seen, how far a TCP connection has come, and the [`CachedRoute`] by which
//! packets of one side leave without further questions.

use super::expiry::ticks;
use super::{FlowId, FlowTable, SlotHint};
use crate::flow::direction::Direction;
use crate::flow::entry::Flow;
use crate::flow::key::{Key, KeyAddress};
#[cfg(doc)]
use crate::flow::tcp::Track;
use crate::time::Instant;
use crate::wire::facts::Segment;
use crate::wire::{Kind, Packet, Rewrite};

/// How packets of one side of a flow leave, found out once and good as long as the caller's snapshot is the same and they
/// come in at the same place. What the three numbers mean is the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CachedRoute {
    /// The snapshot it is good in; 0 is none.
    pub snapshot: u32,
    /// Where packets must come in.
    pub interface: u16,
    /// Where they go out.
    pub egress: u16,
}

impl CachedRoute {
    /// Good for nothing.
    pub const NONE: CachedRoute = CachedRoute { snapshot: 0, interface: 0, egress: 0 };
}

impl<A: KeyAddress> FlowTable<A> {
    /// A packet of the flow has passed: its lifetime begins anew, by the class it now has.
    #[inline]
    pub fn touch(&mut self, id: FlowId, now: Instant) {
        if let Some(class) = self.at(id).map(Flow::class) {
            self.stamp(id.0, class, now);
        }
    }

    /// A segment of a TCP flow has passed: its state moves, and it is touched unless the segment is a stray reset, which
    /// may keep nothing alive (RFC 7857 7.1). For a flow without a state this is [`FlowTable::touch`].
    #[inline]
    pub fn follow(&mut self, id: FlowId, side: Direction, segment: &Segment, now: Instant) {
        let Some(slot) = self.slots.get_mut(id.0 as usize) else { return };
        let track = slot.flow.as_mut().and_then(|flow| flow.track.as_mut());
        let Some(track) = track else {
            return self.touch(id, now);
        };
        if track.advance(side, segment) {
            // Nearly every segment: its class stays what it is.
            let class = slot.class;
            return self.stamp(id.0, class, now);
        }
        if track.on_segment(side, segment) {
            self.touch(id, now);
        }
    }

    /// The caller has reset both ends of a TCP flow: see [`Track::abort`]. It is touched, so that it lingers as long as a
    /// reset connection does, and no longer.
    pub fn abort(&mut self, id: FlowId, now: Instant) {
        if let Some(track) = self.at_mut(id).and_then(|flow| flow.track.as_mut()) {
            track.abort();
            self.touch(id, now);
        }
    }

    /// A packet passes that changes nothing about its flow, which `hint` leads to, but when it was last seen and, of TCP, how
    /// far it has come: data on an established connection. `may` sees the cached route of its side. Says how the packet
    /// changes. `None`, and nothing happened: `may` says no, the packet is another one, or not of this flow.
    #[inline(always)]
    pub fn pass<T>(
        &mut self,
        hint: SlotHint,
        packet: &Packet<A>,
        now: Instant,
        may: impl FnOnce(CachedRoute) -> Option<T>,
    ) -> Option<(Rewrite<A>, T)> {
        let (FlowId(at), side) = hint.place();
        let slot = self.slots.get_mut(at as usize)?;
        let flow = slot.flow.as_mut()?;
        if *flow.stored(side) != Key::of_packet(packet) {
            return None;
        }
        let said = may(slot.routes[side.index()])?;
        let stays = match &packet.kind {
            Kind::Tcp(segment) => flow.track.as_mut()?.advance(side, segment),
            kind => matches!(kind, Kind::Udp),
        };
        if !stays {
            return None;
        }
        let rewrite = flow.rewrite(side);
        // Its class stays what it is.
        slot.last_seen = now;
        if ticks(now).wrapping_sub(slot.listed) >= self.relist_after[slot.class as usize] {
            self.put_off(at, now);
        }
        Some((rewrite, said))
    }

    /// The cached route of a side.
    pub fn route(&self, id: FlowId, side: Direction) -> CachedRoute {
        self.slots.get(id.0 as usize).map_or(CachedRoute::NONE, |slot| slot.routes[side.index()])
    }

    /// From now on packets of this side leave by `route`.
    pub fn cache_route(&mut self, id: FlowId, side: Direction, route: CachedRoute) {
        if let Some(slot) = self.slots.get_mut(id.0 as usize) {
            slot.routes[side.index()] = route;
        }
    }
}
