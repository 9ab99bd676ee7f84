//! What has become of flows since it was last asked: for whoever keeps a copy of them elsewhere.
//!
//! Owns two bounded lists: places whose flow is new or in another state, and what flows were called that are no more. Written by the table
//! where something changes, never by a packet that only passes. What is noted is where to look, not what was there: whoever asks tells what
//! stands there then, so the order in which it is told is of no consequence. When there is no room it says so, and forgets: then everything
//! has to be told again.

use super::entry::{Flow, PathKind};
use super::key::KeyAddress;
use crate::wire::Tuple;
use std::net::Ipv4Addr;

/// Changes of each kind that there is room for: several turns' worth.
pub(super) const ROOM: usize = 4_096;
/// As much of it is for what strangers can make without end. More of that is not noted: whoever walks over the table meets it where it lasts,
/// and its copy ends when its time is up.
const FOR_STRANGERS: usize = ROOM / 4;

/// The changes of one table.
pub(super) struct Journal<A: KeyAddress = Ipv4Addr> {
    /// Taken at creation.
    changed: Vec<u32>,
    gone: Vec<Tuple<A>>,
    has_missed: bool,
}

impl<A: KeyAddress> Journal<A> {
    pub fn new() -> Journal<A> {
        Journal { changed: Vec::with_capacity(ROOM), gone: Vec::with_capacity(ROOM), has_missed: false }
    }

    /// The flow of this place is new.
    #[inline]
    pub fn note_new(&mut self, at: u32, flow: &Flow<A>) {
        if flow.is_standing() && (self.changed.len() < FOR_STRANGERS || !is_strangers(flow)) {
            self.note(at);
        }
    }

    /// The flow of this place is another one than before.
    #[inline]
    pub fn note(&mut self, at: u32) {
        // One packet may change two things.
        if self.changed.last() == Some(&at) {
            return;
        }
        match self.changed.len() < ROOM {
            true => self.changed.push(at),
            false => self.has_missed = true,
        }
    }

    /// The flow is no more.
    #[inline]
    pub fn note_gone(&mut self, flow: &Flow<A>) {
        if !flow.is_standing() || (self.gone.len() >= FOR_STRANGERS && is_strangers(flow)) {
            return;
        }
        match self.gone.len() < ROOM {
            true => self.gone.push(flow.keys()[0]),
            false => self.has_missed = true,
        }
    }

    /// A place that was noted and is not any more.
    pub fn next_changed(&mut self) -> Option<u32> {
        self.changed.pop()
    }

    /// The first key of a flow that is no more.
    pub fn next_gone(&mut self) -> Option<Tuple<A>> {
        self.gone.pop()
    }

    /// There was no room for something.
    pub fn has_missed(&self) -> bool {
        self.has_missed
    }
}

/// One datagram of anybody's has made it.
fn is_strangers<A: KeyAddress>(flow: &Flow<A>) -> bool {
    flow.path == PathKind::Service && flow.track.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Endpoint, Protocol};

    fn flow(path: PathKind, port: u16) -> Flow {
        let end = |last, port| Endpoint::new(Ipv4Addr::new(10, 20, 0, last), port);
        let key = Tuple::new(Protocol::Udp, end(11, port), end(9, 5060));
        Flow::new(path, key, key.reversed())
    }

    #[test]
    fn what_strangers_make_takes_nobody_s_room() {
        let mut journal = Journal::new();
        for port in 0..5_000 {
            journal.note_new(port, &flow(PathKind::Service, port as u16));
            journal.note_gone(&flow(PathKind::Service, port as u16));
            journal.note_new(port, &flow(PathKind::Routed, port as u16));
        }
        assert!(!journal.has_missed());
        journal.note_new(7_777, &flow(PathKind::Outbound, 1));
        journal.note_gone(&flow(PathKind::Outbound, 2));
        assert_eq!(
            (journal.next_changed(), journal.next_gone()),
            (Some(7_777), Some(flow(PathKind::Outbound, 2).keys()[0]))
        );
        assert_eq!(std::iter::from_fn(|| journal.next_changed()).count(), FOR_STRANGERS);
        assert_eq!(std::iter::from_fn(|| journal.next_gone()).count(), FOR_STRANGERS);
    }

    #[test]
    fn what_has_no_room_is_said_to_be_missed() {
        let mut journal = Journal::<Ipv4Addr>::new();
        (0..ROOM as u32).for_each(|at| journal.note(at));
        journal.note(ROOM as u32 - 1);
        assert!(!journal.has_missed(), "the last one is noted already");
        journal.note(0);
        assert!(journal.has_missed());
    }
}
