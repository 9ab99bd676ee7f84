//! What a reload takes: flows and speakers whose member is no longer in the file, or whose address is nobody's any more.
//!
//! Owns their end. A reload only says who has gone; a walk over both tables, a bounded number of places between bursts,
//! forgets what it concerns, and whoever looks such a flow up meanwhile does not find it. So a reload costs no turn more
//! than any other snapshot, however many flows there are (scenario 83).

use super::roster::Roster;
use super::{State, bury};
use crate::flow::{Fate, Flow, FlowId, PathKind, Side};
use crate::policy::Snapshot;
use std::net::Ipv4Addr;

/// What has gone, and where the walk stands: over the speakers, then over the flows.
#[derive(Default)]
pub(super) struct Fallen {
    speakers: Option<u32>,
    /// The place to go on from; none while nothing has gone.
    flows: Option<u32>,
    /// Those that flows wore, and nobody does any more.
    addresses: Vec<Ipv4Addr>,
}

impl State {
    /// Another world begins: members may have come, gone, or changed places, and addresses may be nobody's any more.
    pub(super) fn follow(&mut self, old: &Snapshot, new: &Snapshot) {
        self.settle(|address| new.wears(address));
        if !members(old).eq(members(new)) {
            if self.roster.is_crowded() {
                self.forget_all_fallen();
            }
            if self.roster.follow(members(new)) {
                self.fallen.begin();
            }
        }
        let gone = old.worn_addresses().filter(|address| !new.wears(*address));
        let known = self.fallen.addresses.len();
        self.fallen.addresses.extend(gone);
        if self.fallen.addresses.len() > known {
            self.fallen.begin();
        }
    }

    /// Addresses that have gone and now come again: what wore them before is forgotten first.
    pub(super) fn settle(&mut self, comes: impl Fn(Ipv4Addr) -> bool) {
        if self.fallen.addresses.iter().any(|address| comes(*address)) {
            self.forget_all_fallen();
        }
    }

    /// Looks at up to `budget` places and forgets the flows there that do not stand any more.
    pub(super) fn forget_fallen(&mut self, budget: usize) {
        let State { flows, speakers, claims, roster, fallen, .. } = self;
        if let Some(cursor) = fallen.speakers {
            let nobodys = |home| fallen.addresses.contains(&home);
            fallen.speakers = speakers.forget_gone(cursor, budget, |member| roster.has_gone(member), nobodys);
            return;
        }
        let Some(cursor) = fallen.flows else { return };
        fallen.flows = flows.sweep(cursor, budget, |_, flow| {
            if fallen.spares(roster, flow) {
                return Fate::Keep;
            }
            bury(claims, roster, flow);
            Fate::Remove
        });
        if fallen.flows.is_none() {
            fallen.addresses.clear();
            roster.free_gone();
        }
    }

    fn forget_all_fallen(&mut self) {
        while self.fallen.flows.is_some() {
            self.forget_fallen(usize::MAX);
        }
    }

    /// A flow that was found, unless it does not stand any more: then it is forgotten.
    #[inline]
    pub(super) fn standing(&mut self, found: (FlowId, Side)) -> Option<(FlowId, Side)> {
        match self.fallen.flows {
            None => Some(found),
            Some(_) => self.still_standing(found),
        }
    }

    #[cold]
    fn still_standing(&mut self, (id, side): (FlowId, Side)) -> Option<(FlowId, Side)> {
        if self.flows.at(id).is_some_and(|flow| self.stands(flow)) {
            return Some((id, side));
        }
        self.forget(id);
        None
    }

    /// Whom the flow belongs to is a member, and the addresses it wears are somebody's.
    #[inline]
    pub(super) fn stands(&self, flow: &Flow) -> bool {
        self.fallen.flows.is_none() || self.fallen.spares(&self.roster, flow)
    }
}

/// The addresses of the members, in their order.
pub(super) fn members(world: &Snapshot) -> impl Iterator<Item = Ipv4Addr> + '_ {
    world.members.iter().map(|member| member.address)
}

impl Fallen {
    fn begin(&mut self) {
        (self.speakers, self.flows) = (Some(u32::MAX), Some(0));
    }

    fn spares(&self, roster: &Roster, flow: &Flow) -> bool {
        if roster.has_gone(flow.member) || roster.has_gone(flow.opener) {
            return false;
        }
        let worn = |side: Side| !self.addresses.contains(&flow.key(side).dst.addr);
        match flow.path {
            PathKind::Routed => true,
            PathKind::Service | PathKind::Outbound => worn(flow.inside.other()),
            PathKind::Hairpin => worn(flow.inside) && worn(flow.inside.other()),
        }
    }
}
