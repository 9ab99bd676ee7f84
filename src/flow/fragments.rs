//! Datagrams that are not complete yet.
//!
//! Owns one worker's memory of them: which fragments of a datagram have arrived, whether they overlap, and when the rest is
//! given up. Bounded in fragments and in time; the oldest give way, so that a flood of junk cannot keep a datagram out whose
//! fragments follow each other. Holds no bytes: every fragment has a place, a number below the capacity, and the caller keeps
//! what belongs there. Read first: [`Fragments::arrive`].

pub use super::key::Datagram;
use super::key::{HashKey, Index, KeyAddress};
use super::list::{Linked, Links, List, NIL};
use crate::time::{Duration, Instant};
use std::net::Ipv4Addr;

/// Fragments of one datagram, at most: 65,535 bytes over links of 576 make 119.
pub const MOST_FRAGMENTS: u16 = 128;

/// Where a fragment lies in its datagram's payload, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first byte.
    pub offset: u16,
    /// How many it has; never 0.
    pub length: u16,
    /// More fragments follow it.
    pub more: bool,
}

impl Span {
    fn end(self) -> u32 {
        u32::from(self.offset) + u32::from(self.length)
    }
}

/// What a fragment that arrives does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It waits for the rest at this place.
    Waits(u32),
    /// Its place; and with it the datagram is whole: [`Fragments::take`] it.
    Completes(u32, Whole),
    /// It is not kept, for this reason.
    Refused(Loss),
}

/// A datagram all of whose fragments are here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole(u32);

/// Why a fragment is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It is here already.
    Duplicate,
    /// Fragments of the datagram overlap or contradict each other: all of it is lost (RFC 1858, and RFC 5722 for the reason).
    Overlap,
    /// The datagram has more fragments than [`MOST_FRAGMENTS`]: all of it is lost.
    TooMany,
    /// The datagram was the oldest, and newer ones needed the room.
    GaveWay,
    /// The rest never came.
    Incomplete,
}

/// The incomplete datagrams of one worker. All memory is taken at creation.
pub struct Fragments<A = Ipv4Addr> {
    key: HashKey,
    index: Index,
    datagrams: Box<[Slot<A>]>,
    fragments: Box<[Waiting]>,
    vacant_datagrams: u32,
    vacant_places: u32,
    held: usize,
    /// All datagrams, in the order in which their first fragment came.
    order: List,
    patience: Duration,
}

struct Slot<A> {
    datagram: Option<Datagram<A>>,
    /// The fragments by their offset, linked.
    first: u32,
    last: u32,
    count: u16,
    /// Bytes that are here.
    bytes: u32,
    /// Bytes that there are, once the last fragment has come.
    total: Option<u32>,
    /// It was found to be broken: what still comes of it is lost as well.
    broken: Option<Loss>,
    born: Instant,
    links: Links,
}

impl<A> Linked for Slot<A> {
    fn links(&mut self) -> &mut Links {
        &mut self.links
    }
}

/// A fragment that waits, or a free place; `next` links it either way.
#[derive(Clone, Copy)]
struct Waiting {
    span: Span,
    next: u32,
}

impl<A: KeyAddress> Fragments<A> {
    /// Room for `capacity` fragments (at least 1, at most 2^30), which wait for `patience` at most.
    pub fn new(capacity: usize, patience: Duration, seed: u64) -> Fragments<A> {
        let capacity = capacity.clamp(1, 1 << 30);
        let after = |at: usize| if at + 1 == capacity { NIL } else { at as u32 + 1 };
        let vacant = |at: usize| Slot {
            datagram: None,
            first: NIL,
            last: NIL,
            count: 0,
            bytes: 0,
            total: None,
            broken: None,
            born: Instant::ZERO,
            links: Links { prev: NIL, next: after(at) },
        };
        let nowhere = Span { offset: 0, length: 0, more: false };
        Fragments {
            key: HashKey::new(seed),
            index: Index::new(capacity),
            datagrams: (0..capacity).map(vacant).collect(),
            fragments: (0..capacity).map(|at| Waiting { span: nowhere, next: after(at) }).collect(),
            vacant_datagrams: 0,
            vacant_places: 0,
            held: 0,
            order: List::EMPTY,
            patience,
        }
    }

    /// How many fragments wait.
    pub fn len(&self) -> usize {
        self.held
    }

    /// No fragment waits.
    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// How many fragments there can be.
    pub fn capacity(&self) -> usize {
        self.fragments.len()
    }

    /// How long a datagram waits for its rest, from now on.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// A fragment has arrived. Other fragments may be lost by that: `gone` gets the place of each, and why.
    pub fn arrive(
        &mut self,
        datagram: &Datagram<A>,
        span: Span,
        now: Instant,
        mut gone: impl FnMut(u32, Loss),
    ) -> Arrival {
        let slot = match self.place(datagram) {
            Some(slot) => slot,
            None => self.begin(*datagram, now, &mut gone),
        };
        if let Some(loss) = self.datagrams[slot as usize].broken {
            return Arrival::Refused(loss);
        }
        match self.fits(slot, span) {
            Ok(before) => self.keep(slot, before, span, &mut gone),
            Err(Loss::Duplicate) => Arrival::Refused(Loss::Duplicate),
            Err(loss) => {
                self.empty(slot, |place| gone(place, loss));
                self.datagrams[slot as usize].broken = Some(loss);
                Arrival::Refused(loss)
            }
        }
    }

    /// The places of a whole datagram's fragments, in the order of their offsets; they are free from now on.
    pub fn take(&mut self, whole: Whole, mut each: impl FnMut(u32)) {
        self.empty(whole.0, &mut each);
        self.forget(whole.0);
    }

    /// Gives up datagrams that have waited too long, at most `budget` of them; `gone` gets each place.
    pub fn expire(&mut self, now: Instant, budget: usize, mut gone: impl FnMut(u32, Loss)) -> usize {
        for removed in 0..budget {
            match self.order.front() {
                Some(slot) if now.since(self.datagrams[slot as usize].born) >= self.patience => {
                    self.give_up(slot, Loss::Incomplete, &mut gone);
                }
                _ => return removed,
            }
        }
        budget
    }

    fn place(&self, datagram: &Datagram<A>) -> Option<u32> {
        let is_it = |at: u32| self.datagrams[at as usize].datagram.as_ref() == Some(datagram);
        self.index.find(self.key.datagram(datagram), is_it)
    }

    /// Remembers a datagram of which nothing is here; the oldest gives way if there is no room.
    fn begin(&mut self, datagram: Datagram<A>, now: Instant, gone: &mut impl FnMut(u32, Loss)) -> u32 {
        if self.vacant_datagrams == NIL
            && let Some(oldest) = self.order.front()
        {
            self.give_up(oldest, Loss::GaveWay, gone);
        }
        let at = self.vacant_datagrams;
        let slot = &mut self.datagrams[at as usize];
        self.vacant_datagrams = slot.links.next;
        (slot.datagram, slot.born) = (Some(datagram), now);
        (slot.total, slot.broken) = (None, None);
        self.order.push_back(&mut self.datagrams, at);
        self.index.insert(self.key.datagram(&datagram), at);
        at
    }

    /// The fragment after which one of this span goes ([`NIL`]: in front), unless it contradicts what is here.
    fn fits(&self, slot: u32, span: Span) -> Result<u32, Loss> {
        let of = &self.datagrams[slot as usize];
        if of.count >= MOST_FRAGMENTS {
            return Err(Loss::TooMany);
        }
        let (mut before, mut after) = (NIL, of.first);
        // Fragments mostly come in order.
        if of.last != NIL && self.fragments[of.last as usize].span.offset < span.offset {
            (before, after) = (of.last, NIL);
        }
        while after != NIL && self.fragments[after as usize].span.offset < span.offset {
            (before, after) = (after, self.fragments[after as usize].next);
        }
        let neighbour = |at: u32| (at != NIL).then(|| self.fragments[at as usize].span);
        if neighbour(after) == Some(span) {
            return Err(Loss::Duplicate);
        }
        let over = neighbour(before).is_some_and(|fragment| fragment.end() > u32::from(span.offset))
            || neighbour(after).is_some_and(|fragment| span.end() > u32::from(fragment.offset));
        // The last fragment ends where all others end at most, and there is but one.
        let contradicts = match (span.more, of.total) {
            (true, Some(total)) => span.end() >= total,
            (false, Some(_)) => true,
            (false, None) => after != NIL,
            (true, None) => false,
        };
        if over || contradicts { Err(Loss::Overlap) } else { Ok(before) }
    }

    fn keep(&mut self, slot: u32, before: u32, span: Span, gone: &mut impl FnMut(u32, Loss)) -> Arrival {
        if self.vacant_places == NIL && !self.make_room(slot, gone) {
            return Arrival::Refused(Loss::GaveWay);
        }
        let place = self.vacant_places;
        self.vacant_places = self.fragments[place as usize].next;
        self.held += 1;
        let of = &mut self.datagrams[slot as usize];
        let next = match before {
            NIL => std::mem::replace(&mut of.first, place),
            before => std::mem::replace(&mut self.fragments[before as usize].next, place),
        };
        self.fragments[place as usize] = Waiting { span, next };
        if next == NIL {
            of.last = place;
        }
        of.count += 1;
        of.bytes += u32::from(span.length);
        if !span.more {
            of.total = Some(span.end());
        }
        if of.total == Some(of.bytes) { Arrival::Completes(place, Whole(slot)) } else { Arrival::Waits(place) }
    }

    /// The oldest datagrams give way to a fragment of `slot` until there is a place; `false` when `slot` itself is the
    /// oldest: it alone fills everything.
    fn make_room(&mut self, slot: u32, gone: &mut impl FnMut(u32, Loss)) -> bool {
        while self.vacant_places == NIL {
            match self.order.front() {
                Some(oldest) => self.give_up(oldest, Loss::GaveWay, gone),
                None => return false,
            }
            if self.datagrams[slot as usize].datagram.is_none() {
                return false;
            }
        }
        true
    }

    fn give_up(&mut self, slot: u32, loss: Loss, gone: &mut impl FnMut(u32, Loss)) {
        self.empty(slot, |place| gone(place, loss));
        self.forget(slot);
    }

    /// Frees the places of a datagram's fragments, in order.
    fn empty(&mut self, slot: u32, mut each: impl FnMut(u32)) {
        let of = &mut self.datagrams[slot as usize];
        let mut at = of.first;
        (of.first, of.last, of.bytes, of.total) = (NIL, NIL, 0, None);
        self.held -= usize::from(std::mem::take(&mut of.count));
        while at != NIL {
            each(at);
            let next = std::mem::replace(&mut self.fragments[at as usize].next, self.vacant_places);
            self.vacant_places = at;
            at = next;
        }
    }

    fn forget(&mut self, slot: u32) {
        if let Some(datagram) = self.datagrams[slot as usize].datagram.take() {
            self.index.remove(self.key.datagram(&datagram), slot);
        }
        self.order.unlink(&mut self.datagrams, slot);
        self.datagrams[slot as usize].links.next = std::mem::replace(&mut self.vacant_datagrams, slot);
    }
}

#[cfg(test)]
mod tests;
