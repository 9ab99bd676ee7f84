//! What has changed of what a worker remembers, and all of it, shown as data to whoever keeps a copy elsewhere.
//!
//! Owns which flows are told, and that what is told of one is what stands there at that moment: whoever meets what is told in the order in
//! which it was told has the same in the end. Changes are noted by the flow table ([`crate::flow::FlowTable::keep_journal`]); nothing is told
//! of a packet that only passes. That a flow lives on is told once in a part of its lifetime, by walks over the table.

use super::state::Engine;
use crate::flow::{FlowId, FlowRecord, SpeakerRecord, TimeoutClass};
use crate::policy::Life;
use crate::time::{Duration, Instant};
use crate::wire::Tuple;

/// A flow that has been used is told again when so large a part of its lifetime has passed: whoever has the copy forgets it early by no more
/// than that, and not at all while it is told.
pub const TOLD_AGAIN: u32 = 4;

/// Something that whoever keeps a copy has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlowChange {
    /// The flow is there, and is this.
    Is(FlowRecord),
    /// None of those told has this first key any more.
    Gone(Tuple),
}

/// Since when flows of each class were used that a walk tells; `None`: none of that class.
pub type UsedSince = [Option<Instant>; TimeoutClass::COUNT];

impl Engine {
    /// Whether changes of flows are noted from now on; those noted before are forgotten.
    pub fn keep_journal(&mut self, keep: bool) {
        self.state.flows.keep_journal(keep);
    }

    /// More has changed than was asked for in time: all has to be told again.
    pub fn has_missed_changes(&self) -> bool {
        self.flows().has_missed_changes()
    }

    /// Tells up to `room` changes that were noted, each as it is now.
    pub fn tell_changes(&mut self, room: usize, mut tell: impl FnMut(FlowChange)) {
        let mut left = room;
        while left > 0 {
            let change = match self.state.flows.next_gone() {
                Some(key) => Some(FlowChange::Gone(key)).filter(|_| self.is_gone(&key)),
                None => match self.state.flows.next_changed() {
                    Some(id) => self.standing(id).map(FlowChange::Is),
                    None => return,
                },
            };
            if let Some(change) = change {
                left -= 1;
                tell(change);
            }
        }
    }

    /// Tells the standing flows of the next `slots` places from `cursor` on, 0 to begin, that were used as `since` says. Says where to
    /// continue; `None` at the end.
    pub fn tell_standing(
        &self,
        cursor: u32,
        slots: usize,
        since: &UsedSince,
        mut tell: impl FnMut(FlowChange),
    ) -> Option<u32> {
        self.scan(cursor, slots, |id, flow, members| {
            let is_due = || since[flow.class() as usize].is_some_and(|since| self.flows().last_seen(id) >= since);
            if flow.is_standing() && is_due() {
                tell(FlowChange::Is(self.record(id, flow, members)));
            }
        })
    }

    /// How long a flow of this class is remembered after its last packet.
    pub fn lifetime(&self, class: TimeoutClass) -> Duration {
        self.flows().lifetime(class)
    }

    /// Up to `count` speakers from the place `from` on, 0 to begin; and of those who ask where several members are active. Says of each
    /// where to continue.
    pub fn tell_speakers(&self, from: usize, count: usize, tell: impl FnMut(SpeakerRecord)) -> Option<usize> {
        self.state.speakers.show(from, count, |member| self.address_of(member), tell)
    }

    /// The same of those who ask where several members are active.
    pub fn tell_askers(&self, from: usize, count: usize, tell: impl FnMut(SpeakerRecord)) -> Option<usize> {
        self.state.askers.show(from, count, |member| self.address_of(member), tell)
    }

    /// No flow that would be told has this first key.
    fn is_gone(&self, key: &Tuple) -> bool {
        let found = self.flows().find(key).and_then(|(id, _)| self.standing(id));
        found.is_none_or(|record| record.keys[0] != *key)
    }

    /// The flow at a place, if there is one that is told.
    fn standing(&self, id: FlowId) -> Option<FlowRecord> {
        let flow = self.flows().at(id).filter(|flow| flow.is_standing())?;
        if !self.state.flows.may_live(&self.snapshot, flow) {
            return None;
        }
        let address =
            |id: u16| self.snapshot.members.find(usize::from(id), Life(flow.life)).map(|member| member.address);
        Some(self.record(id, flow, [flow.member, flow.opener].map(address)))
    }
}
