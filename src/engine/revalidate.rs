//! A packet meets a flow, and the snapshot may be another than when the flow was made.
//!
//! Owns what happens to TCP whose member was lost, and when a SYN opens a new connection on an old tuple.

use super::verdict::{DropReason, Verdict};
use super::walk::Walk;
use crate::flow::tcp::State;
use crate::flow::{Direction, Flow, FlowId, NO_MEMBER, PathKind};
use crate::policy::intent::{MemberId, OnDownTcp};
use crate::policy::{Life, Snapshot};
use crate::wire::facts::Segment;
use crate::wire::reply::Reply;

/// A member that a flow has lost, and the side it stood on.
#[derive(Clone, Copy)]
pub(super) struct Lost {
    pub(super) member: MemberId,
    side: Direction,
}

/// The member that was lost after the flow began: the one it belongs to, or the one that opened it (a hairpin).
#[inline]
pub(super) fn lost(snapshot: &Snapshot, flow: &Flow) -> Option<Lost> {
    if flow.path == PathKind::Routed {
        return None;
    }
    lost_owner(snapshot, flow).or_else(|| lost_opener(snapshot, flow))
}

/// The member that the flow belongs to was lost after it began.
#[inline]
pub(super) fn has_lost_its_member(snapshot: &Snapshot, flow: &Flow) -> bool {
    flow.path != PathKind::Routed && lost_owner(snapshot, flow).is_some()
}

#[inline]
fn lost_owner(snapshot: &Snapshot, flow: &Flow) -> Option<Lost> {
    lost_since(snapshot, flow, flow.member, flow.generation, flow.inside)
}

#[inline]
fn lost_opener(snapshot: &Snapshot, flow: &Flow) -> Option<Lost> {
    lost_since(snapshot, flow, flow.opener, flow.opener_generation, Direction::Original)
}

#[inline]
fn lost_since(snapshot: &Snapshot, flow: &Flow, id: u16, generation: u32, side: Direction) -> Option<Lost> {
    let member = snapshot.members.find(usize::from(id), Life(flow.life))?;
    (generation < member.lost_before.0).then_some(Lost { member: MemberId(id), side })
}

/// Of a connection the loss that is heeded, and what happens to it: where both ends were lost, what leaves less of it. Of one that is
/// ending by itself none is.
pub(super) fn heeded_loss(snapshot: &Snapshot, flow: &Flow) -> Option<(Lost, OnDownTcp)> {
    if flow.path == PathKind::Routed {
        return None;
    }
    let losses = [lost_owner(snapshot, flow), lost_opener(snapshot, flow)].into_iter().flatten();
    let left = |policy: OnDownTcp| match policy {
        OnDownTcp::Reset => 0,
        OnDownTcp::Drop => 1,
        OnDownTcp::Drain => 2,
    };
    let losses = losses.filter(|lost| !is_ending(flow, *lost));
    losses.map(|lost| (lost, policy(snapshot, lost))).min_by_key(|(_, policy)| left(*policy))
}

/// What happens to the lost member's connections. Draining is for a member that still answers: one that is gone from the
/// link never will.
fn policy(snapshot: &Snapshot, lost: Lost) -> OnDownTcp {
    let member = snapshot.member(lost.member);
    match snapshot.pool(member.pool).on_down_tcp {
        OnDownTcp::Drain if member.gone => OnDownTcp::Reset,
        policy => policy,
    }
}

/// The connection is ending by itself: the lost member has said goodbye, or it was reset. Nobody needs to end it.
fn is_ending(flow: &Flow, lost: Lost) -> bool {
    match flow.track.map(|track| track.state()) {
        Some(State::Closing | State::ResetBy(_)) => true,
        Some(State::HalfClosed(side)) => side == lost.side,
        _ => false,
    }
}

impl Walk<'_> {
    /// The segment is a reset, or a member of the flow's was lost. `None`: it is forwarded.
    #[cold]
    pub(super) fn on_sick_flow(&mut self, flow: Flow, side: Direction, segment: &Segment) -> Option<Verdict> {
        self.hint_at_reset(&flow, side, segment);
        let waits = if segment.flags.rst() { self.withhold_reset(&flow, side) } else { None };
        waits.or_else(|| self.meet_loss(&flow, side, segment))
    }

    /// A SYN on the tuple of a flow that is over, or whose member is: the connection is balanced afresh (scenario 28).
    #[inline]
    pub(super) fn reopens(&self, id: FlowId, side: Direction, segment: &Segment) -> bool {
        segment.flags.opens() && self.may_reopen(id, side, segment)
    }

    fn may_reopen(&self, id: FlowId, side: Direction, segment: &Segment) -> bool {
        let Some(flow) = self.state.flows.at(id) else { return false };
        lost(self.snapshot, flow).is_some()
            || flow.track.is_none_or(|track| track.may_be_replaced_by_syn(side, segment))
    }

    /// What the pool's policy does to a segment of a connection whose member was lost. `None`: it is forwarded.
    fn meet_loss(&mut self, flow: &Flow, side: Direction, segment: &Segment) -> Option<Verdict> {
        let (lost, policy) = heeded_loss(self.snapshot, flow)?;
        let says_goodbye = side == lost.side && segment.flags.fin();
        if says_goodbye || segment.flags.rst() {
            return None;
        }
        match policy {
            OnDownTcp::Drain => None,
            OnDownTcp::Drop => Some(Verdict::Drop(DropReason::MemberLost)),
            OnDownTcp::Reset => {
                // The walk over the table ends the connection on both sides (`resets`); whoever speaks before it comes there
                // gets a reset at once. The segment itself names the sequence number its sender expects (RFC 9293 3.5.2, RFC
                // 5961 3).
                Some(self.reject_with(Reply::Reset, DropReason::MemberLost))
            }
        }
    }

    /// A member that resets service connections may have closed its port.
    fn hint_at_reset(&mut self, flow: &Flow, side: Direction, segment: &Segment) {
        if segment.flags.rst() && flow.path == PathKind::Service && side == flow.inside && flow.member != NO_MEMBER {
            self.hint_at(MemberId(flow.member));
        }
    }
}
