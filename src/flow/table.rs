//! The flows of one worker.
//!
//! Owns their memory, taken once; the index over both sides; what a packet does to its flow; and the order in which flows are
//! forgotten. One worker has it alone: no lock, no atomic. Never decides whether a flow may be made, and never looks into what the caller keeps
//! in it. Read first: [`Flow`].

mod counts;
mod expiry;

pub use counts::FlowCount;
pub use expiry::Fate;

use super::entry::Flow;
use super::journal::Journal;
use super::key::{Direction, HashKey, Index, Key, KeyAddress, Tag};
use super::lifetime::{Lifetimes, TimeoutClass};
use super::list::{Linked, Links, List, NIL, prefetch};
#[cfg(doc)]
use super::tcp::Track;
use crate::time::Instant;
use crate::wire::facts::Segment;
use crate::wire::{Kind, Packet, Ports, Rewrite, Tuple};
use counts::Counts;
use expiry::{AT_ONCE, nanos_by_class, relist_after, ticks};
use std::fmt;
use std::net::Ipv4Addr;

/// The place of a flow. Good until the flow is removed; after that it may name another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(u32);

impl FlowId {
    /// The number of the place: all are below the number of slots that were ever used.
    pub const fn place(self) -> u32 {
        self.0
    }
}

/// Names a flow of a table as long as it lives, and after that no other one for a long time: the next in its place has another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowName {
    /// Where it is.
    pub place: u32,
    /// Counts the flows that this place has had, from 1; it comes round after 2^24.
    pub number: u32,
}

impl fmt::Display for FlowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.place, self.number)
    }
}

/// Where a flow very probably is: what an index cell said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotHint(u32);

impl SlotHint {
    /// Nowhere.
    pub const NONE: SlotHint = SlotHint(u32::MAX);

    /// The place, and the side whose key led there.
    #[inline(always)]
    fn place(self) -> (FlowId, Direction) {
        (FlowId(self.0 >> 1), if self.0 & 1 == 0 { Direction::Original } else { Direction::Reply })
    }
}

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

/// Why a flow was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The table holds as many as it can.
    Full,
    /// This flow has one of the keys already.
    Duplicate(FlowId),
}

/// The most flows one table can hold: a place and a side share 31 bits of an index cell.
const LARGEST_CAPACITY: usize = 1 << 30;

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
    lists: [List; TimeoutClass::COUNT],
    /// Flows that have to move to the end of their list: together, so that the waits for their neighbours overlap.
    overdue: Vec<u32>,
    /// When all of them were seen and put off.
    overdue_since: Instant,
    lifetimes: Lifetimes,
    /// Lifetimes in nanoseconds, by class.
    nanos: [u64; TimeoutClass::COUNT],
    /// After how many ticks a flow that is used moves to the end of its list, by class.
    relist_after: [u32; TimeoutClass::COUNT],
    /// The class `expire` looks at first, so that none starves.
    turn: usize,
    /// What has become of flows, while somebody wants to know.
    journal: Option<Box<Journal<A>>>,
    /// Of each place what its flow has sent, where that is counted.
    counts: Option<Counts>,
}

/// Two cache lines, and a hit touches no others: for IPv4 the first has all that says whose packet it is and whether it may
/// pass, the second how it changes. Aligned to both, as processors fetch lines in pairs.
#[repr(C, align(128))]
struct Slot<A: KeyAddress> {
    last_seen: Instant,
    /// When it took its place in its list, in ticks.
    listed: u32,
    /// The list it is in.
    class: TimeoutClass,
    /// Of [`FlowName`], the lowest byte first, in what would be padding.
    number: [u8; 3],
    /// By [`Direction::index`].
    routes: [CachedRoute; 2],
    flow: Option<Flow<A>>,
    links: Links,
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
        let vacant = || Slot {
            last_seen: Instant::ZERO,
            listed: 0,
            class: TimeoutClass::Routed,
            number: [0; 3],
            routes: [CachedRoute::NONE; 2],
            flow: None,
            links: Links::NONE,
        };
        FlowTable {
            key: HashKey::new(seed),
            index: Index::new(2 * capacity),
            slots: (0..capacity).map(|_| vacant()).collect(),
            fresh: 0,
            free: NIL,
            len: 0,
            lists: [List::EMPTY; TimeoutClass::COUNT],
            overdue: Vec::with_capacity(AT_ONCE),
            overdue_since: Instant::ZERO,
            lifetimes,
            nanos: nanos_by_class(&lifetimes),
            relist_after: relist_after(&lifetimes),
            turn: 0,
            journal: None,
            counts: None,
        }
    }

    /// What a tuple is looked up by.
    #[inline]
    pub fn tag(&self, tuple: &Tuple<A>) -> Tag {
        self.tag_of(&Key::of(tuple))
    }

    /// What a key is looked up by.
    #[inline]
    pub fn tag_of(&self, key: &Key<A>) -> Tag {
        self.key.tag(key)
    }

    /// Prefetches the index cell of a tuple, for a [`FlowTable::prefetch_entry`] that follows some packets later.
    #[inline]
    pub fn prefetch_bucket(&self, tag: Tag) {
        self.index.prefetch(tag.0);
    }

    /// Prefetches the flow of a tuple, once its index cell is near. Says where it very probably is.
    #[inline(always)]
    pub fn prefetch_entry(&self, tag: Tag) -> SlotHint {
        let Some(value) = self.index.candidate(tag.0) else { return SlotHint::NONE };
        if let Some(slot) = self.slots.get((value >> 1) as usize) {
            // Of each of the two lines something.
            prefetch(&slot.last_seen);
            prefetch(&slot.links);
        }
        SlotHint(value)
    }

    /// The flow that a packet with this tuple belongs to, and the side that sent it.
    #[inline]
    pub fn find(&self, tuple: &Tuple<A>) -> Option<(FlowId, Direction)> {
        let key = Key::of(tuple);
        self.find_key(self.tag_of(&key), &key)
    }

    /// As [`FlowTable::find`], for a key whose tag is known.
    #[inline]
    pub fn find_key(&self, tag: Tag, key: &Key<A>) -> Option<(FlowId, Direction)> {
        self.index.find(tag.0, |value| self.is_at(value, key)).map(|value| SlotHint(value).place())
    }

    /// The value of an index cell leads to the side that has this key.
    #[inline]
    fn is_at(&self, value: u32, key: &Key<A>) -> bool {
        let flow = self.slots.get((value >> 1) as usize).and_then(|slot| slot.flow.as_ref());
        flow.is_some_and(|flow| flow.stored(SlotHint(value).place().1) == key)
    }

    /// Takes in a flow, complete as it is: both its sides are found from now on.
    ///
    /// # Errors
    /// [`Refused`], with nothing changed.
    pub fn insert(&mut self, flow: Flow<A>, now: Instant) -> Result<FlowId, Refused> {
        let tags = self.tags(&flow);
        for (tag, side) in tags.into_iter().flatten().zip(Direction::BOTH) {
            if let Some((id, _)) = self.find_key(tag, flow.stored(side)) {
                return Err(Refused::Duplicate(id));
            }
        }
        self.relist_older(now);
        let at = self.take_slot().ok_or(Refused::Full)?;
        let class = flow.class();
        let slot = &mut self.slots[at as usize];
        let (listed, routes, number) = (ticks(now), [CachedRoute::NONE; 2], number_after(slot.number));
        *slot = Slot { last_seen: now, listed, class, number, routes, flow: Some(flow), links: Links::NONE };
        self.lists[class as usize].push_back(&mut self.slots, at);
        for (tag, side) in tags.into_iter().flatten().zip(0..) {
            self.index.insert(tag.0, at << 1 | side);
        }
        self.len += 1;
        if let Some(journal) = &mut self.journal {
            journal.note_new(at, &flow);
        }
        if let Some(counts) = &mut self.counts {
            counts.begin(at);
        }
        Ok(FlowId(at))
    }

    /// Forgets a flow. `None` if there is none. The port it holds is the caller's to give back.
    pub fn remove(&mut self, id: FlowId) -> Option<Flow<A>> {
        let slot = self.slots.get_mut(id.0 as usize)?;
        let (flow, class) = (slot.flow.take()?, slot.class);
        for (tag, side) in self.tags(&flow).into_iter().flatten().zip(0..) {
            self.index.remove(tag.0, id.0 << 1 | side);
        }
        self.lists[class as usize].unlink(&mut self.slots, id.0);
        self.slots[id.0 as usize].links.next = std::mem::replace(&mut self.free, id.0);
        self.len -= 1;
        if let Some(journal) = &mut self.journal {
            journal.note_gone(&flow);
        }
        Some(flow)
    }

    /// This is known of the flow at a place now, which has the same two keys, and its last packet passed at `seen`.
    pub(crate) fn replace(&mut self, id: FlowId, flow: Flow<A>, seen: Instant) {
        if let Some(slot) = self.slots.get_mut(id.0 as usize) {
            (slot.flow, slot.routes) = (Some(flow), [CachedRoute::NONE; 2]);
            self.stamp(id.0, flow.class(), seen);
        }
    }

    /// Whether changes are noted from now on; what was noted before is forgotten.
    pub fn keep_journal(&mut self, keep: bool) {
        self.journal = keep.then(|| Box::new(Journal::new()));
    }

    /// There were more changes than there is room for since the journal was begun.
    pub fn has_missed_changes(&self) -> bool {
        self.journal.as_ref().is_some_and(|journal| journal.has_missed())
    }

    /// A flow that is new, or in another state, since it was noted; it may have gone again.
    pub fn next_changed(&mut self) -> Option<FlowId> {
        self.journal.as_mut()?.next_changed().map(FlowId)
    }

    /// The first key of a flow that is no more. There may be another one by now that has it.
    pub fn next_gone(&mut self) -> Option<Tuple<A>> {
        self.journal.as_mut()?.next_gone()
    }

    /// Something else than its state has changed about a flow.
    pub fn note_changed(&mut self, id: FlowId) {
        if let Some(journal) = &mut self.journal {
            journal.note(id.0);
        }
    }

    /// What passes is counted for its flow from now on: the memory for that is taken and touched here.
    pub fn counting(self) -> FlowTable<A> {
        let counts = Some(Counts::new(self.slots.len()));
        FlowTable { counts, ..self }
    }

    /// A packet of so many bytes has left that this side of the flow at a place has sent, if that is counted.
    #[inline(always)]
    pub fn count(&mut self, id: FlowId, side: Direction, bytes: u16) {
        if let Some(counts) = &mut self.counts {
            counts.add(id.0, side, bytes);
        }
    }

    /// As [`FlowTable::count`], for the flow that `hint` has led to.
    #[inline(always)]
    pub fn count_hinted(&mut self, hint: SlotHint, bytes: u16) {
        let (id, side) = hint.place();
        self.count(id, side, bytes);
    }

    /// What each side of the flow at a place has sent, by [`Direction::index`]; `None`: it is not counted.
    pub fn counted(&self, id: FlowId) -> Option<[FlowCount; 2]> {
        self.counts.as_ref()?.of(id.0)
    }

    /// The flow at a place.
    #[inline]
    pub fn at(&self, id: FlowId) -> Option<&Flow<A>> {
        self.slots.get(id.0 as usize)?.flow.as_ref()
    }

    /// What the flow at a place is called.
    pub fn name(&self, id: FlowId) -> Option<FlowName> {
        let slot = self.slots.get(id.0 as usize).filter(|slot| slot.flow.is_some())?;
        Some(FlowName { place: id.0, number: number_of(slot.number) })
    }

    /// The flow at a place, to be changed. A change of its class takes effect at the next [`FlowTable::touch`].
    #[inline]
    pub fn at_mut(&mut self, id: FlowId) -> Option<&mut Flow<A>> {
        self.slots.get_mut(id.0 as usize)?.flow.as_mut()
    }

    /// A packet of the flow has passed: its lifetime starts again, by the class it now has.
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
        let before = track.state();
        if track.on_segment(side, segment) {
            let state_stays = track.state() == before;
            self.touch(id, now);
            if !state_stays {
                self.note_changed(id);
            }
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
    /// changes, what `may` says, and what it is counted under. `None`, and nothing happened: `may` says no, the packet is another one, or not of this flow.
    #[inline(always)]
    pub fn pass<T>(
        &mut self,
        hint: SlotHint,
        packet: &Packet<A>,
        now: Instant,
        may: impl FnOnce(CachedRoute) -> Option<T>,
    ) -> Option<(Rewrite<A>, T, u16)> {
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
        let (rewrite, counted) = (flow.rewrite(side), flow.counted.0[side.index()]);
        // Its class stays what it is.
        slot.last_seen = now;
        if ticks(now).wrapping_sub(slot.listed) >= self.relist_after[slot.class as usize] {
            self.put_off(at, now);
        }
        Some((rewrite, said, counted))
    }

    /// The ports that packets of this side leave with, and the cached route of the side, if `hint` leads to the packet's flow.
    #[inline(always)]
    pub fn ports_after(&self, hint: SlotHint, packet: &Packet<A>) -> Option<(Ports, CachedRoute)> {
        let (FlowId(at), side) = hint.place();
        let slot = self.slots.get(at as usize)?;
        let flow = slot.flow.as_ref().filter(|flow| *flow.stored(side) == Key::of_packet(packet))?;
        Some((flow.stored(side.other()).ports().swapped(), slot.routes[side.index()]))
    }

    /// The cached route of a side.
    pub fn route(&self, id: FlowId, side: Direction) -> CachedRoute {
        self.slots.get(id.0 as usize).map_or(CachedRoute::NONE, |slot| slot.routes[side.index()])
    }

    /// From now on packets of this side leave by `route`, and are counted under this number of the caller's.
    pub fn cache_route(&mut self, id: FlowId, side: Direction, route: CachedRoute, counted: u16) {
        if let Some(slot) = self.slots.get_mut(id.0 as usize)
            && let Some(flow) = &mut slot.flow
        {
            (slot.routes[side.index()], flow.counted.0[side.index()]) = (route, counted);
        }
    }

    /// From now on packets of this side are asked about again.
    pub fn forget_route(&mut self, id: FlowId, side: Direction) {
        if let Some(slot) = self.slots.get_mut(id.0 as usize) {
            slot.routes[side.index()] = CachedRoute::NONE;
        }
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
        size_of_val(&*self.slots) + self.index.bytes() + self.counts.as_ref().map_or(0, Counts::bytes)
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
        let [opener, answer] = Direction::BOTH.map(|side| flow.stored(side));
        [Some(self.key.tag(opener)), (opener != answer).then(|| self.key.tag(answer))]
    }
}

fn number_of([a, b, c]: [u8; 3]) -> u32 {
    u32::from_le_bytes([a, b, c, 0])
}

/// 0 is no flow's.
fn number_after(bytes: [u8; 3]) -> [u8; 3] {
    let number = number_of(bytes) + 1;
    let [a, b, c, over] = (if number < 1 << 24 { number } else { 1 }).to_le_bytes();
    debug_assert_eq!(over, 0);
    [a, b, c]
}

#[cfg(test)]
mod tests;
