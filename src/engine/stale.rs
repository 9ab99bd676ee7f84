//! What a reload takes: flows whose member is no longer in the file, or whose address nothing is translated to any more.
//!
//! Owns the question whether a flow is live, and the walk that forgets those that are not: a bounded number of places
//! between bursts, begun by a reload that takes something. It may come late: what a flow refers to is found by id and life,
//! so whoever looks a stale flow up meanwhile does not find it, though its member or its address has come back (scenario
//! 83). What is said of speakers needs no walk: it is looked up by life too, and expires by itself.

use super::{State, bury};
use crate::flow::{Direction, Fate, Flow, FlowId, NO_MEMBER, PathKind};
use crate::policy::{Life, Snapshot};

/// Its members, and the addresses it is translated to, have been there since before the flow was made.
#[inline]
pub(super) fn is_live(snapshot: &Snapshot, flow: &Flow) -> bool {
    let life = Life(flow.life);
    let member = |id: u16| id == NO_MEMBER || snapshot.members.find(usize::from(id), life).is_some();
    let translated =
        |side: Direction| snapshot.translated_since(flow.key(side).dst.addr).is_some_and(|since| since <= life);
    member(flow.member)
        && match flow.path {
            PathKind::Routed => true,
            PathKind::Service | PathKind::Outbound => translated(flow.inside.other()),
            PathKind::Hairpin => member(flow.opener) && Direction::BOTH.into_iter().all(translated),
        }
}

impl State {
    /// `new` takes the place of `old`: members may have come or gone, and addresses.
    pub(super) fn follow(&mut self, old: &Snapshot, new: &Snapshot) {
        if new.life == old.life {
            return;
        }
        self.by_member.resize(new.members.bound(), 0);
        for (id, flows) in self.by_member.iter_mut().enumerate() {
            // An id that was vacant is somebody else's.
            if new.members.find(id, old.life).is_none() {
                *flows = 0;
            }
        }
        if old.loses_to(new) {
            self.stale = Some(0);
        }
    }

    /// Looks at up to `budget` places and forgets the stale flows there.
    pub(super) fn forget_stale(&mut self, snapshot: &Snapshot, budget: usize) {
        let State { flows, claims, by_member, stale, .. } = self;
        let Some(cursor) = *stale else { return };
        *stale = flows.sweep(cursor, budget, |_, flow| {
            if is_live(snapshot, flow) {
                return Fate::Keep;
            }
            bury(claims, by_member, snapshot, flow);
            Fate::Remove
        });
    }

    /// A flow that was found, unless it is stale: then it is forgotten.
    #[inline]
    pub(super) fn live(&mut self, snapshot: &Snapshot, (id, side): (FlowId, Direction)) -> Option<(FlowId, Direction)> {
        if self.flows.at(id).is_some_and(|flow| is_live(snapshot, flow)) {
            return Some((id, side));
        }
        self.forget(snapshot, id);
        None
    }
}
