//! How flows are forgotten, and how all of them are walked over.
//!
//! Owns one list a lifetime class, oldest in front. A packet stamps its flow; the flow moves to the end of its list only if it
//! was listed a while ago (a 32nd of the lifetime), so that most packets touch no neighbour. A flow is therefore never removed
//! early, and at most that much late.

use super::{FlowId, FlowTable, Slot};
use crate::flow::entry::Flow;
use crate::flow::key::KeyAddress;
use crate::flow::lifetime::{Lifetimes, TimeoutClass};
use crate::flow::list::{NIL, prefetch};
use crate::time::{Duration, Instant};

/// A flow moves to the end of its list when it was listed longer ago than its lifetime shifted by this.
const RELIST_SHIFT: u32 = 5;

/// Flows that are forgotten, or moved in their lists, in one go: so many waits for memory overlap.
pub(super) const AT_ONCE: usize = 16;

/// A tick is so many bits of nanoseconds: 17 ms, and 32 bits of ticks are two years, more than any lifetime.
const TICK_BITS: u32 = 24;

/// What [`FlowTable::sweep`] does with a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It stays.
    Keep,
    /// It is forgotten now.
    Remove,
}

impl<A: KeyAddress> FlowTable<A> {
    /// Shows the flows in the next `count` slots from `cursor` on, 0 to begin. Says where to continue; `None` at the end.
    /// Flows made or forgotten during a walk may be shown or not; all others are shown once.
    pub fn scan(&self, cursor: u32, count: usize, mut show: impl FnMut(FlowId, &Flow<A>)) -> Option<u32> {
        let (end, rest) = self.stretch(cursor, count);
        for at in cursor..end {
            if let Some(flow) = &self.slots[at as usize].flow {
                show(FlowId(at), flow);
            }
        }
        rest
    }

    /// As [`FlowTable::scan`], but the flows may be changed, and are forgotten where `judge` says so.
    pub fn sweep(
        &mut self,
        cursor: u32,
        count: usize,
        mut judge: impl FnMut(FlowId, &mut Flow<A>) -> Fate,
    ) -> Option<u32> {
        let (end, rest) = self.stretch(cursor, count);
        for at in cursor..end {
            if let Some(flow) = &mut self.slots[at as usize].flow
                && judge(FlowId(at), flow) == Fate::Remove
            {
                self.remove(FlowId(at));
            }
        }
        rest
    }

    /// Where a walk of `count` slots from `cursor` ends, and where the next one begins.
    fn stretch(&self, cursor: u32, count: usize) -> (u32, Option<u32>) {
        let end = cursor.saturating_add(u32::try_from(count).unwrap_or(u32::MAX)).min(self.fresh);
        (end, (end < self.fresh).then_some(end))
    }

    /// When its last packet passed.
    pub fn last_seen(&self, id: FlowId) -> Instant {
        self.slots.get(id.0 as usize).map_or(Instant::ZERO, |slot| slot.last_seen)
    }

    /// How long ago its last packet passed.
    pub fn idle(&self, id: FlowId, now: Instant) -> Duration {
        self.slots.get(id.0 as usize).map_or(Duration::ZERO, |slot| now.since(slot.last_seen))
    }

    /// Nothing has passed for so long. Where it is listed stays, so it may be forgotten later than that says.
    pub fn set_idle(&mut self, id: FlowId, idle: Duration, now: Instant) {
        if let Some(slot) = self.slots.get_mut(id.0 as usize) {
            slot.last_seen = Instant::from_nanos(now.nanos().saturating_sub(idle.as_nanos() as u64));
        }
    }

    /// How long a flow of this class is remembered after its last packet.
    pub fn lifetime(&self, class: TimeoutClass) -> Duration {
        self.lifetimes.of(class)
    }

    /// How long until it is forgotten if nothing passes.
    pub fn expires_in(&self, id: FlowId, now: Instant) -> Duration {
        let lifetime = self.slots.get(id.0 as usize).map_or(Duration::ZERO, |slot| self.lifetimes.of(slot.class));
        lifetime.saturating_sub(self.idle(id, now))
    }

    /// Forgets flows whose lifetime is over, at most `budget` of them, and hands each to `gone`. Says how many. Some are shown to
    /// `prefetch` together before, for what `gone` will need.
    pub fn expire(
        &mut self,
        now: Instant,
        budget: usize,
        mut prefetch: impl FnMut(&Flow<A>),
        mut gone: impl FnMut(Flow<A>),
    ) -> usize {
        self.relist_overdue();
        let mut removed = 0;
        for step in 0..TimeoutClass::COUNT {
            let class = TimeoutClass::ALL[(self.turn + step) % TimeoutClass::COUNT];
            while removed < budget {
                let mut due = [FlowId(NIL); AT_ONCE];
                let count = self.due(class, now, &mut due[..AT_ONCE.min(budget - removed)]);
                for flow in due[..count].iter().filter_map(|id| self.at(*id)) {
                    self.tags(flow).into_iter().flatten().for_each(|tag| self.prefetch_bucket(tag));
                    prefetch(flow);
                }
                due[..count].iter().filter_map(|id| self.remove(*id)).for_each(&mut gone);
                removed += count;
                if count == 0 {
                    break;
                }
            }
        }
        self.turn = (self.turn + 1) % TimeoutClass::COUNT;
        removed
    }

    /// Forgets the flow of a class that was idle longest, to make room (to within the 32nd of a lifetime that the lists
    /// are exact to).
    pub fn evict(&mut self, class: TimeoutClass) -> Option<Flow<A>> {
        self.relist_overdue();
        self.lists[class as usize].front().and_then(|at| self.remove(FlowId(at)))
    }

    /// The flows of a class, those idle longest in front (to within the 32nd of a lifetime that the lists are exact to).
    pub fn longest_idle(&self, class: TimeoutClass) -> impl Iterator<Item = FlowId> {
        let next = |id: &FlowId| self.slots.get(id.0 as usize).map(|slot| FlowId(slot.links.next));
        std::iter::successors(self.lists[class as usize].front().map(FlowId), move |id| {
            next(id).filter(|next| next.0 != NIL)
        })
    }

    /// Other lifetimes, for all flows from now on.
    pub fn set_lifetimes(&mut self, lifetimes: Lifetimes) {
        self.nanos = nanos_by_class(&lifetimes);
        self.relist_after = relist_after(&lifetimes);
        self.lifetimes = lifetimes;
    }

    /// The oldest flows of a class whose time is over, as many as there is room for. Says how many.
    fn due(&self, class: TimeoutClass, now: Instant, into: &mut [FlowId]) -> usize {
        let mut at = self.lists[class as usize].front().unwrap_or(NIL);
        for (count, place) in into.iter_mut().enumerate() {
            let Some(slot) = self.slots.get(at as usize) else { return count };
            if now.nanos().saturating_sub(slot.last_seen.nanos()) < self.nanos[class as usize] {
                return count;
            }
            *place = FlowId(at);
            at = slot.links.next;
        }
        into.len()
    }

    /// The flow in the slot is used now, and is of this class.
    #[inline]
    pub(super) fn stamp(&mut self, at: u32, class: TimeoutClass, now: Instant) {
        let Some(slot) = self.slots.get_mut(at as usize) else { return };
        slot.last_seen = now;
        if class != slot.class {
            self.relist_older(now);
            self.note_changed(FlowId(at));
            return self.relist(at, class, now);
        }
        if ticks(now).wrapping_sub(slot.listed) >= self.relist_after[class as usize] {
            self.put_off(at, now);
        }
    }

    /// The flow moves to the end of its list a little later, with others.
    #[cold]
    pub(super) fn put_off(&mut self, at: u32, now: Instant) {
        self.relist_older(now);
        self.overdue.push(at);
        if self.overdue.len() == AT_ONCE {
            self.relist_overdue();
        }
    }

    /// What was put off at another time than `now` moves before anything else takes its place in a list: lists stay in order.
    #[inline]
    pub(super) fn relist_older(&mut self, now: Instant) {
        if self.overdue_since != now {
            self.relist_overdue();
            self.overdue_since = now;
        }
    }

    /// All that were put off move now. Some may be gone, or have moved, since.
    fn relist_overdue(&mut self) {
        for links in self.overdue.iter().filter_map(|at| self.slots.get(*at as usize)).map(|slot| slot.links) {
            [links.prev, links.next]
                .iter()
                .filter_map(|at| self.slots.get(*at as usize))
                .for_each(|near| prefetch(&near.links));
        }
        // Whoever was seen again since takes the place that is due from then on with the next ones.
        let since = self.overdue_since;
        let mut overdue = std::mem::take(&mut self.overdue);
        for at in overdue.drain(..) {
            let Slot { listed, class, ref flow, .. } = self.slots[at as usize];
            if flow.is_some() && ticks(since).wrapping_sub(listed) >= self.relist_after[class as usize] {
                self.relist(at, class, since);
            }
        }
        self.overdue = overdue;
    }

    #[cold]
    fn relist(&mut self, at: u32, class: TimeoutClass, now: Instant) {
        let before = self.slots[at as usize].class;
        self.lists[before as usize].unlink(&mut self.slots, at);
        self.lists[class as usize].push_back(&mut self.slots, at);
        let slot = &mut self.slots[at as usize];
        slot.class = class;
        slot.listed = ticks(now);
    }
}

pub(super) fn nanos_by_class(lifetimes: &Lifetimes) -> [u64; TimeoutClass::COUNT] {
    TimeoutClass::ALL.map(|class| u64::try_from(lifetimes.of(class).as_nanos()).unwrap_or(u64::MAX))
}

pub(super) fn relist_after(lifetimes: &Lifetimes) -> [u32; TimeoutClass::COUNT] {
    nanos_by_class(lifetimes).map(|nanos| u32::try_from(nanos >> RELIST_SHIFT >> TICK_BITS).unwrap_or(u32::MAX))
}

#[inline]
pub(super) fn ticks(now: Instant) -> u32 {
    (now.nanos() >> TICK_BITS) as u32
}
