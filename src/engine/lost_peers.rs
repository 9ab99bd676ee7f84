//! The UDP peers and calls of a lost member, where several members are active.
//!
//! Owns what happens to whoever a member keeps once that is lost, a remote endpoint by its flow, a call by its record: another member
//! takes it; or it stays with the lost one and is sent there, or dropped, until that is back (`on_down = { udp = ... }`). What comes for
//! a lost member renews nothing, what it sends itself does: whoever hears nothing of it for `[timeouts] udp` goes to another one. New
//! ones do at once. What happens to connections is decided in `revalidate`.

use super::revalidate::has_lost_its_member;
use super::verdict::{DropReason, Verdict};
use super::walk::Walk;
use crate::flow::{Direction, Flow, FlowId, PathKind};
use crate::policy::Snapshot;
use crate::policy::intent::{MemberId, OnDownUdp, PoolId};
use crate::time::Duration;
use crate::wire::{Protocol, Tuple};

/// How a datagram is taken by the member that keeps its sender, or has its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// As usual.
    Served,
    /// The member was lost, and it is sent there all the same.
    Drained,
    /// The member was lost, and nobody takes it until that is back.
    Dropped,
    /// The member was lost, and nobody takes anything: the pool's policy is for whoever it kept as for everybody.
    Orphaned,
}

/// What happens to the peers of a member that was lost. Draining is for one that may still answer: one that is gone from the link never
/// will.
pub(super) fn policy(snapshot: &Snapshot, member: MemberId) -> OnDownUdp {
    let view = snapshot.member(member);
    match snapshot.pool(view.pool).on_down_udp {
        OnDownUdp::Drain if view.gone => OnDownUdp::Reselect,
        policy => policy,
    }
}

/// The member of this flow, of which nothing was heard for `idle`, takes what its remote endpoint sends as datagrams: it was not lost since, or
/// the pool leaves the remote with it.
pub(super) fn keeps(snapshot: &Snapshot, flow: &Flow, idle: Duration) -> bool {
    if flow.path != PathKind::Service || flow.protocol() != Protocol::Udp {
        return false;
    }
    if !has_lost_its_member(snapshot, flow) {
        return true;
    }
    let member = MemberId(flow.member);
    let view = snapshot.member(member);
    let is_back = view.is_back && snapshot.pool(view.pool).on_down_udp != OnDownUdp::Reselect;
    idle < snapshot.timeouts.udp && (is_back || policy(snapshot, member) != OnDownUdp::Reselect)
}

impl Walk<'_> {
    /// How what comes for whoever the member of this flow keeps is taken.
    pub(super) fn kept(&mut self, pool: PoolId, id: FlowId) -> Kept {
        self.take_back(id);
        let Some(flow) = self.state.flows.at(id).filter(|flow| self.has_lost_its_member(flow)) else {
            return Kept::Served;
        };
        match policy(self.snapshot, MemberId(flow.member)) {
            OnDownUdp::Drop => Kept::Dropped,
            OnDownUdp::Drain => Kept::Drained,
            OnDownUdp::Reselect if self.snapshot.pool(pool).takes_new() => Kept::Served,
            OnDownUdp::Reselect => Kept::Orphaned,
        }
    }

    /// The verdict on what the member that keeps it does not take; `None`: it does.
    pub(super) fn not_taken(&mut self, pool: PoolId, kept: Kept) -> Option<Verdict> {
        match kept {
            Kept::Served | Kept::Drained => None,
            Kept::Dropped => Some(Verdict::Drop(DropReason::MemberLost)),
            Kept::Orphaned => Some(self.no_member(pool)),
        }
    }

    /// A datagram that the member of this flow takes, from `side`.
    pub(super) fn on_kept_flow(&mut self, kept: Kept, id: FlowId, side: Direction, tuple: Tuple) -> Verdict {
        match self.state.flows.at(id) {
            Some(flow) if kept == Kept::Drained => {
                let rewrite = flow.rewrite(side);
                self.forward(rewrite, rewrite.changed(&tuple).dst.addr)
            }
            _ => self.on_flow(id, side, tuple),
        }
    }

    /// If the member of the flow was lost, kept it all the same, and is back, the flow is its own as before.
    pub(super) fn take_back(&mut self, id: FlowId) {
        let Some(flow) = self.state.flows.at(id).filter(|flow| self.has_lost_its_member(flow)) else { return };
        let view = self.snapshot.member(MemberId(flow.member));
        let pool = self.snapshot.pool(view.pool);
        if view.is_back && pool.on_down_udp != OnDownUdp::Reselect {
            self.state.flows.renew(id, pool.generation.0);
        }
    }

    /// A flow that begins with a member that is lost, as more of what is left with it, has lost it as the rest has.
    pub(super) fn loses_with(&self, flow: &mut Flow, member: MemberId) {
        let view = self.snapshot.member(member);
        if !view.is_back && self.snapshot.pool(view.pool).on_down_udp != OnDownUdp::Reselect {
            flow.generation = flow.generation.min(view.lost_before.0.saturating_sub(1));
        }
    }

    /// The flow has lost its member, and another one takes what comes. That who opened it was lost, a member as well, moves nobody.
    pub(super) fn is_over(&self, pool: PoolId, flow: &Flow) -> bool {
        self.has_lost_its_member(flow)
            && self.snapshot.pool(pool).takes_new()
            && policy(self.snapshot, MemberId(flow.member)) == OnDownUdp::Reselect
    }

    pub(super) fn has_lost_its_member(&self, flow: &Flow) -> bool {
        has_lost_its_member(self.snapshot, flow)
    }
}
