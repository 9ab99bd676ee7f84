//! A packet of an existing flow.
//!
//! Owns the use of a flow. Its route is cached for a side whose packet has met it here (not by the packet that makes the flow):
//! from then on, until another snapshot is installed, data of that side leaves by it.

use super::account::Account;
use super::flow_book::was_admitted;
use super::path::Path;
use super::revalidate::lost;
use super::verdict::{DropReason, Verdict};
use super::walk::Walk;
use crate::flow::{CachedRoute, Direction, FlowId, PathKind};
use crate::policy::adjacency::Mark;
use crate::policy::multipath::Conversation;
use crate::wire::{Kind, Tuple};

impl Walk<'_> {
    /// The packet belongs to a flow.
    #[inline]
    pub(super) fn on_flow(&mut self, id: FlowId, side: Direction, tuple: Tuple) -> Verdict {
        let Some(flow) = self.state.flows.at(id) else { return Verdict::Drop(DropReason::NoFlow) };
        debug_assert_eq!(flow.key(side), tuple);
        let (rewrite, from_outside) = (flow.rewrite(side), side != flow.inside);
        let is_renewed = !(from_outside && was_admitted(flow));
        if let Kind::Tcp(segment) = self.packet.kind
            && (segment.flags.rst() || lost(self.snapshot, flow).is_some())
            && let Some(verdict) = self.on_sick_flow(*flow, side, &segment)
        {
            return verdict;
        }
        let verdict = self.forward(rewrite, rewrite.changed(&tuple).dst.addr);
        if verdict.is_forwarded() && is_renewed {
            self.refresh(id, side);
            self.cache_route(id, side);
        }
        verdict
    }

    /// The flow was used.
    #[inline]
    pub(super) fn refresh(&mut self, id: FlowId, side: Direction) {
        let segment = if let Kind::Tcp(segment) = &self.packet.kind { Some(segment) } else { None };
        self.state.flows.refresh(self.snapshot, id, side, segment, self.now);
    }

    /// As [`Walk::cache_route`], for one who is routed whatever flow it met.
    pub(super) fn cache_visitors_route(&mut self, id: FlowId, side: Direction) {
        if self.state.flows.at(id).is_some_and(|flow| flow.path == PathKind::Routed) {
            self.cache_route(id, side);
        }
    }

    /// What the packet's side of the flow sends goes the same way from now on, as long as the snapshot is the same. Not so a
    /// datagram between two pairs: who takes it is asked each time.
    fn cache_route(&mut self, id: FlowId, side: Direction) {
        let between_pairs = matches!(self.classified.path, Path::Hairpin { .. });
        if !self.state.caches_routes || (between_pairs && !matches!(self.packet.kind, Kind::Tcp(_))) {
            return;
        }
        let flow = self.state.flows.at(id).filter(|flow| lost(self.snapshot, flow).is_none());
        let flow = flow.filter(|flow| !self.is_read(flow, &flow.key(side)));
        let egress = flow.and_then(|flow| {
            let (comes, leaves) = (flow.key(side), flow.translated(side));
            let egress = self.snapshot.lookup(leaves.dst.addr, || Conversation::of(&leaves, &comes))?;
            let is_marked = self.snapshot.marks && comes.src != leaves.src;
            let mark = if is_marked { self.snapshot.mark_of(comes.protocol, comes.src) } else { Mark::default() };
            Some(self.snapshot.marked(egress, mark))
        });
        let egress = egress.and_then(|egress| u16::try_from(egress.0).ok());
        if let Some((egress, counted)) =
            egress.zip(self.number(|it| Some(Account::of_flow(it.snapshot, it.state.flows.at(id)?, side))))
        {
            let interface = self.classified.interface.0;
            let route = CachedRoute { snapshot: self.state.snapshot_number, interface, egress };
            self.state.flows.cache_route(id, side, route, counted);
        }
    }
}
