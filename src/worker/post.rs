//! What a worker tells the management core.
//!
//! Owns the worker's ends of the mailbox rings. It never waits: a full ring refuses, and what was refused is said again
//! later (snapshots, which must come home) or counted by the caller (punts) or left unsaid (hints, which are only hints).

use super::Work;
use super::mailbox::{Command, Event, WorkerEnd, WorkerId};
use crate::engine::PuntReason;
use crate::policy::adjacency::NextHop;
use crate::policy::intent::{InterfaceId, MemberId};
use crate::time::{Duration, Instant};
use std::collections::VecDeque;

/// A hint about one member is given at most once in this time.
const HINT_PAUSE: Duration = Duration::from_millis(100);
/// Ring places kept free of punts, so that a flood of them cannot keep a snapshot from coming home.
const RESERVE: usize = 64;

/// The worker's side of the mailbox.
pub(super) struct Post {
    id: WorkerId,
    end: WorkerEnd,
    /// Events that must arrive and found the ring full.
    owed: VecDeque<Event>,
    hinted: Vec<(MemberId, Instant)>,
    said_farewell: bool,
}

impl Post {
    pub(super) fn new(id: WorkerId, end: WorkerEnd) -> Post {
        Post { id, end, owed: VecDeque::new(), hinted: Vec::new(), said_farewell: false }
    }

    /// The next command.
    pub(super) fn next(&mut self) -> Option<Command> {
        self.end.commands.pop().ok()
    }

    /// Says something that must arrive.
    pub(super) fn say(&mut self, event: Event) {
        self.owed.push_back(event);
        self.pay();
    }

    /// Says what is owed as far as there is room.
    pub(super) fn pay(&mut self) {
        while let Some(event) = self.owed.pop_front() {
            if let Err(rtrb::PushError::Full(event)) = self.end.events.push(event) {
                self.owed.push_front(event);
                return;
            }
        }
    }

    /// Says that this was the last; [`Work::Ended`] when everything owed has been said.
    pub(super) fn farewell(&mut self) -> Work {
        if !std::mem::replace(&mut self.said_farewell, true) {
            self.say(Event::Stopped(self.id));
        }
        self.pay();
        match self.owed.len() {
            0 => Work::Ended,
            owed => Work::Busy(owed),
        }
    }

    /// There is room for an event that may be large and is wanted: rows of a table.
    pub(super) fn has_room(&self) -> bool {
        self.owed.is_empty() && self.end.events.slots() > RESERVE
    }

    /// Hands a copy of a frame up; `false` when there is no room.
    pub(super) fn punt(&mut self, reason: PuntReason, interface: InterfaceId, frame: &[u8]) -> bool {
        // ARP may fill half of the ring: a storm of it must not cost the probes their answers.
        let room = match reason {
            PuntReason::Arp => self.end.events.slots() > self.end.events.buffer().capacity() / 2,
            PuntReason::Local => true,
        };
        if !room || !self.has_room() {
            return false;
        }
        let punt = Event::Punt { worker: self.id, reason, interface, frame: frame.into() };
        self.end.events.push(punt).is_ok()
    }

    /// Asks for a next hop's MAC. Not heard when the ring is full; the next frame asks again.
    pub(super) fn want(&mut self, hop: NextHop) {
        if self.has_room() {
            let _ = self.end.events.push(Event::Wanted(hop));
        }
    }

    /// Says that a member's state may have changed, unless that was said a moment ago.
    pub(super) fn hint(&mut self, member: MemberId, now: Instant) {
        self.hinted.retain(|&(_, at)| now.since(at) < HINT_PAUSE);
        let lately = self.hinted.iter().any(|&(hinted, _)| hinted == member);
        if !lately && self.has_room() && self.end.events.push(Event::Hint(member)).is_ok() {
            self.hinted.push((member, now));
        }
    }
}
