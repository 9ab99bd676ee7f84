//! The flows of one worker.
//!
//! Owns their memory, taken once; the index over both sides; and the order in which they are forgotten. One worker has
//! it alone: no lock, no atomic. Never decides whether a flow may be made, and never looks into what the caller keeps
//! in it. Read first: [`Flow`].
//!
//! Expiry keeps one list a lifetime class, oldest in front. A packet stamps its flow; the flow moves to the end of its
//! list only if it was listed a while ago (a 32nd of the lifetime), so that most packets touch no neighbour. A flow
//! therefore never dies early, and dies at most that much late.

use super::entry::Flow;
use super::index::Index;
use super::key::{HashKey, Key, KeyAddress, Tag};
use super::lifetime::{Class, Lifetimes};
use super::list::{Linked, Links, List, NIL};
use super::side::Side;
#[cfg(doc)]
use super::tcp::Track;
use super::tcp_state::Transition;
use crate::time::{Duration, Instant};
use crate::wire::Tuple;
use crate::wire::headers::Segment;
use std::hint::black_box;
use std::net::Ipv4Addr;

/// The place of a flow. Good until the flow dies; after that it may name another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(u32);

/// Why a flow was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The table holds as many as it can.
    Full,
    /// This flow has one of the keys already.
    Duplicate(FlowId),
}

/// What [`FlowTable::sweep`] shall do with a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It lives.
    Keep,
    /// It is forgotten now.
    Remove,
}

/// The most flows one table can hold: a place and a side share 31 bits of an index cell.
const LARGEST_CAPACITY: usize = 1 << 30;

/// A flow moves to the end of its list when it was listed longer ago than its lifetime shifted by this.
const RELIST_SHIFT: u32 = 5;

/// Flows that are forgotten in one go: so many waits for memory overlap.
const AT_ONCE: usize = 16;

/// The flows of one worker.
pub struct FlowTable<A: KeyAddress = Ipv4Addr> {
    key: HashKey,
    index: Index,
    slots: Box<[Slot<A>]>,
    /// Slots from here on were never used.
    fresh: u32,
    /// The first slot that was used and is free again, linked through `links.next`.
    free: u32,
    len: u32,
    lists: [List; Class::COUNT],
    lifetimes: Lifetimes,
    /// Lifetimes in nanoseconds, by class.
    nanos: [u64; Class::COUNT],
    /// After how many ticks a flow that is used moves to the end of its list, by class.
    relist_after: [u32; Class::COUNT],
    /// The class `expire` looks at first, so that none starves.
    turn: usize,
}

/// Two cache lines: a hit touches these two and no others, and a hit that is not of TCP only the first. Aligned to both, as
/// processors fetch lines in pairs.
#[repr(C, align(128))]
struct Slot<A: KeyAddress> {
    last_seen: Instant,
    /// When it took its place in its list, in ticks.
    listed: u32,
    /// The list it is in.
    class: Class,
    flow: Option<Flow<A>>,
    links: Links,
}

/// A tick is so many bits of nanoseconds: 17 ms, and 32 bits of ticks are two years, more than any lifetime.
const TICK_BITS: u32 = 24;

#[inline]
fn ticks(now: Instant) -> u32 {
    (now.nanos() >> TICK_BITS) as u32
}

impl<A: KeyAddress> Linked for Slot<A> {
    fn links(&mut self) -> &mut Links {
        &mut self.links
    }
}

impl<A: KeyAddress> FlowTable<A> {
    /// A table for at most `capacity` flows (at least 1, at most 2^30). All its memory is taken and touched here.
    pub fn new(capacity: usize, seed: u64, lifetimes: Lifetimes) -> FlowTable<A> {
        let capacity = capacity.clamp(1, LARGEST_CAPACITY);
        let vacant =
            || Slot { last_seen: Instant::ZERO, listed: 0, class: Class::Routed, flow: None, links: Links::NONE };
        FlowTable {
            key: HashKey::new(seed),
            index: Index::new(2 * capacity),
            slots: (0..capacity).map(|_| vacant()).collect(),
            fresh: 0,
            free: NIL,
            len: 0,
            lists: [List::EMPTY; Class::COUNT],
            lifetimes,
            nanos: nanos_by_class(&lifetimes),
            relist_after: relist_after(&lifetimes),
            turn: 0,
        }
    }

    /// What a tuple is looked up by.
    #[inline]
    pub fn tag(&self, tuple: &Tuple<A>) -> Tag {
        self.key.tag(&Key::of(tuple))
    }

    /// Brings the index cell of a tuple near, for a [`FlowTable::find_tagged`] that follows some packets later. An ordinary
    /// load that nothing waits for: the misses of a burst overlap.
    #[inline]
    pub fn reach_for_index(&self, tag: Tag) {
        black_box(self.index.first(tag.0));
    }

    /// Brings the flow of a tuple near, once its index cell is.
    #[inline]
    pub fn reach_for_flow(&self, tag: Tag) {
        if let Some(slot) = self.index.candidate(tag.0).and_then(|value| self.slots.get((value >> 1) as usize)) {
            // Of each of the two lines something.
            black_box((slot.listed, slot.links.next));
        }
    }

    /// The flow that a packet with this tuple belongs to, and the side that sent it.
    #[inline]
    pub fn find(&self, tuple: &Tuple<A>) -> Option<(FlowId, Side)> {
        self.find_tagged(self.tag(tuple), tuple)
    }

    /// As [`FlowTable::find`], for a tuple whose tag is known.
    #[inline]
    pub fn find_tagged(&self, tag: Tag, tuple: &Tuple<A>) -> Option<(FlowId, Side)> {
        let (key, slots) = (Key::of(tuple), &self.slots);
        let side = |value: u32| Side::BOTH[(value & 1) as usize];
        let is_it = |value: u32| {
            let flow = slots.get((value >> 1) as usize).and_then(|slot| slot.flow.as_ref());
            flow.is_some_and(|flow| *flow.stored(side(value)) == key)
        };
        let value = self.index.find(tag.0, is_it)?;
        Some((FlowId(value >> 1), side(value)))
    }

    /// Takes in a flow, complete as it is: both its sides are found from now on.
    ///
    /// # Errors
    /// [`Refused`], with nothing changed.
    pub fn insert(&mut self, flow: Flow<A>, now: Instant) -> Result<FlowId, Refused> {
        let tags = self.tags(&flow);
        for (tag, key) in tags.into_iter().flatten().zip(flow.keys()) {
            if let Some((id, _)) = self.find_tagged(tag, &key) {
                return Err(Refused::Duplicate(id));
            }
        }
        let at = self.take_slot().ok_or(Refused::Full)?;
        let class = flow.class();
        let slot = &mut self.slots[at as usize];
        *slot = Slot { last_seen: now, listed: ticks(now), class, flow: Some(flow), links: Links::NONE };
        self.lists[class as usize].push_back(&mut self.slots, at);
        for (tag, side) in tags.into_iter().flatten().zip(0..) {
            self.index.insert(tag.0, at << 1 | side);
        }
        self.len += 1;
        Ok(FlowId(at))
    }

    /// Forgets a flow. `None` if there is none. What it claimed is the caller's to give back.
    pub fn remove(&mut self, id: FlowId) -> Option<Flow<A>> {
        let slot = self.slots.get_mut(id.0 as usize)?;
        let (flow, class) = (slot.flow.take()?, slot.class);
        for (tag, side) in self.tags(&flow).into_iter().flatten().zip(0..) {
            self.index.remove(tag.0, id.0 << 1 | side);
        }
        self.lists[class as usize].unlink(&mut self.slots, id.0);
        self.slots[id.0 as usize].links.next = std::mem::replace(&mut self.free, id.0);
        self.len -= 1;
        Some(flow)
    }

    /// The flow at a place.
    #[inline]
    pub fn at(&self, id: FlowId) -> Option<&Flow<A>> {
        self.slots.get(id.0 as usize)?.flow.as_ref()
    }

    /// The flow at a place, to be changed. A change of its class takes effect at the next [`FlowTable::touch`].
    #[inline]
    pub fn at_mut(&mut self, id: FlowId) -> Option<&mut Flow<A>> {
        self.slots.get_mut(id.0 as usize)?.flow.as_mut()
    }

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
    pub fn follow(&mut self, id: FlowId, side: Side, segment: &Segment, now: Instant) -> Transition {
        let Some(slot) = self.slots.get_mut(id.0 as usize) else { return Transition::Stays };
        let track = slot.flow.as_mut().and_then(|flow| flow.track.as_mut());
        let Some(track) = track else {
            self.touch(id, now);
            return Transition::Stays;
        };
        if track.advance(side, segment) {
            // Nearly every segment: its class stays what it is.
            let class = slot.class;
            self.stamp(id.0, class, now);
            return Transition::Stays;
        }
        let transition = track.on_segment(side, segment);
        if transition != Transition::StrayReset {
            self.touch(id, now);
        }
        transition
    }

    /// The caller has reset both ends of a TCP flow: see [`Track::abort`]. It is touched, so that it lingers as long as a
    /// reset connection does, and no longer.
    pub fn abort(&mut self, id: FlowId, now: Instant) {
        if let Some(track) = self.at_mut(id).and_then(|flow| flow.track.as_mut()) {
            track.abort();
            self.touch(id, now);
        }
    }

    /// How long ago its last packet passed.
    pub fn idle(&self, id: FlowId, now: Instant) -> Duration {
        self.slots.get(id.0 as usize).map_or(Duration::ZERO, |slot| now.since(slot.last_seen))
    }

    /// How long until it is forgotten if nothing passes.
    pub fn expires_in(&self, id: FlowId, now: Instant) -> Duration {
        let lifetime = self.slots.get(id.0 as usize).map_or(Duration::ZERO, |slot| self.lifetimes.of(slot.class));
        lifetime.saturating_sub(self.idle(id, now))
    }

    /// How many flows there are.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// There is no flow.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many flows there can be.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Bytes of memory, taken at creation.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.slots) + self.index.bytes()
    }

    /// Forgets flows whose lifetime is over, at most `budget` of them, and hands each to `gone`. Says how many.
    pub fn expire(&mut self, now: Instant, budget: usize, mut gone: impl FnMut(Flow<A>)) -> usize {
        let mut died = 0;
        for step in 0..Class::COUNT {
            let class = Class::ALL[(self.turn + step) % Class::COUNT];
            while died < budget {
                let mut due = [FlowId(NIL); AT_ONCE];
                let count = self.due(class, now, &mut due[..AT_ONCE.min(budget - died)]);
                for id in &due[..count] {
                    self.reach_for_keys(*id);
                }
                due[..count].iter().filter_map(|id| self.remove(*id)).for_each(&mut gone);
                died += count;
                if count == 0 {
                    break;
                }
            }
        }
        self.turn = (self.turn + 1) % Class::COUNT;
        died
    }

    /// Forgets the flow of a class that was idle longest, to make room (to within the 32nd of a lifetime that the lists
    /// are exact to).
    pub fn evict(&mut self, class: Class) -> Option<Flow<A>> {
        self.lists[class as usize].front().and_then(|at| self.remove(FlowId(at)))
    }

    /// Shows the flows in the next `count` slots from `cursor` on, 0 to begin. Says where to go on; `None` at the end.
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

    /// How long idle flows are kept.
    pub fn lifetimes(&self) -> &Lifetimes {
        &self.lifetimes
    }

    /// Other lifetimes, for all flows from now on.
    pub fn set_lifetimes(&mut self, lifetimes: Lifetimes) {
        self.nanos = nanos_by_class(&lifetimes);
        self.relist_after = relist_after(&lifetimes);
        self.lifetimes = lifetimes;
    }

    /// The oldest flows of a class whose time is over, as many as there is room for. Says how many.
    fn due(&self, class: Class, now: Instant, into: &mut [FlowId]) -> usize {
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

    /// Brings the index cells of a flow near, both of them.
    fn reach_for_keys(&self, id: FlowId) {
        if let Some(flow) = self.at(id) {
            self.tags(flow).into_iter().flatten().for_each(|tag| self.reach_for_index(tag));
        }
    }

    /// The flow in the slot is used now, and is of this class.
    #[inline]
    fn stamp(&mut self, at: u32, class: Class, now: Instant) {
        let Some(slot) = self.slots.get_mut(at as usize) else { return };
        slot.last_seen = now;
        let listed_for = ticks(now).wrapping_sub(slot.listed);
        if class != slot.class || listed_for >= self.relist_after[class as usize] {
            self.relist(at, class, now);
        }
    }

    #[cold]
    fn relist(&mut self, at: u32, class: Class, now: Instant) {
        let before = self.slots[at as usize].class;
        self.lists[before as usize].unlink(&mut self.slots, at);
        self.lists[class as usize].push_back(&mut self.slots, at);
        let slot = &mut self.slots[at as usize];
        slot.class = class;
        slot.listed = ticks(now);
    }

    fn take_slot(&mut self) -> Option<u32> {
        if self.free != NIL {
            let at = self.free;
            self.free = self.slots[at as usize].links.next;
            return Some(at);
        }
        let at = self.fresh;
        ((at as usize) < self.slots.len()).then(|| {
            self.fresh += 1;
            at
        })
    }

    /// The tag of each key. A flow whose two directions look alike on arrival (a member that calls its own virtual server
    /// from the service port) is found by one.
    fn tags(&self, flow: &Flow<A>) -> [Option<Tag>; 2] {
        let [opener, answer] = Side::BOTH.map(|side| flow.stored(side));
        [Some(self.key.tag(opener)), (opener != answer).then(|| self.key.tag(answer))]
    }

    /// Where a walk of `count` slots from `cursor` ends, and where the next one begins.
    fn stretch(&self, cursor: u32, count: usize) -> (u32, Option<u32>) {
        let end = cursor.saturating_add(u32::try_from(count).unwrap_or(u32::MAX)).min(self.fresh);
        (end, (end < self.fresh).then_some(end))
    }
}

fn nanos_by_class(lifetimes: &Lifetimes) -> [u64; Class::COUNT] {
    Class::ALL.map(|class| u64::try_from(lifetimes.of(class).as_nanos()).unwrap_or(u64::MAX))
}

fn relist_after(lifetimes: &Lifetimes) -> [u32; Class::COUNT] {
    nanos_by_class(lifetimes).map(|nanos| u32::try_from(nanos >> RELIST_SHIFT >> TICK_BITS).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
