//! What a worker sends to the management core.
//!
//! Owns the worker's ends of the rings of events. It never waits: what finds its ring full is sent again later if it must arrive
//! (a snapshot must be returned to who made it), counted as dropped by the caller (punts), or not sent (hints).

use super::mailbox::{Event, Lane, WorkerId};
use crate::engine::PuntReason;
use crate::policy::adjacency::NextHop;
use crate::policy::intent::{InterfaceId, MemberId};
use crate::time::{Duration, Instant};
use rtrb::Producer;
use std::collections::VecDeque;

/// A hint about one member is sent at most once in this time.
const HINT_PAUSE: Duration = Duration::from_millis(100);
/// Ids of members that there can be.
const MEMBERS: usize = 1 << 16;
/// Slots of the most urgent ring kept free of punts, so that a flood of them cannot keep a snapshot from being returned.
const RESERVE: usize = 64;

/// The rings to management, and what waits for room in the first.
pub(super) struct EventQueue {
    worker: WorkerId,
    rings: [Producer<Event>; Lane::ALL.len()],
    /// Events that must arrive and found the ring full.
    backlog: VecDeque<Event>,
    /// By member: when another hint about it may be sent, in nanoseconds since the start.
    next_hint: Box<[u64]>,
    stopped_sent: bool,
}

impl EventQueue {
    pub(super) fn new(worker: WorkerId, rings: [Producer<Event>; Lane::ALL.len()]) -> EventQueue {
        let next_hint = vec![0; MEMBERS].into();
        EventQueue { worker, rings, backlog: VecDeque::new(), next_hint, stopped_sent: false }
    }

    /// Sends what must arrive.
    pub(super) fn send(&mut self, event: Event) {
        self.backlog.push_back(event);
        self.flush();
    }

    /// Sends the backlog as far as there is room.
    pub(super) fn flush(&mut self) {
        while let Some(event) = self.backlog.pop_front() {
            if let Err(rtrb::PushError::Full(event)) = self.rings[0].push(event) {
                self.backlog.push_front(event);
                return;
            }
        }
    }

    /// Sends, once, that the worker has stopped. Returns how many events still wait for room.
    pub(super) fn send_stopped(&mut self) -> usize {
        if !std::mem::replace(&mut self.stopped_sent, true) {
            self.backlog.push_back(Event::Stopped(self.worker));
        }
        self.flush();
        self.backlog.len()
    }

    /// There is room for an event that may be large and is wanted: rows of a table.
    pub(super) fn has_room(&self) -> bool {
        self.backlog.is_empty() && self.rings[0].slots() > RESERVE
    }

    /// Sends a copy of a frame that came in `at`; `false` when there is no room.
    pub(super) fn punt(&mut self, reason: PuntReason, interface: InterfaceId, frame: &[u8], at: Instant) -> bool {
        let lane = Lane::of(reason);
        if lane == Lane::Urgent && !self.has_room() {
            return false;
        }
        let punt = Event::Punt { worker: self.worker, reason, interface, at, frame: frame.into() };
        self.try_send(lane, punt)
    }

    /// Asks for a next hop's MAC; `kept`: it is a member or a next hop of a route. Not sent when the ring is full; the next frame
    /// asks again.
    pub(super) fn request_neighbour(&mut self, hop: NextHop, kept: bool) {
        let lane = if kept { Lane::Neighbours } else { Lane::Strangers };
        self.try_send(lane, Event::Wanted(hop));
    }

    /// Reports that a member's state may have changed, unless that was reported a moment ago.
    pub(super) fn hint(&mut self, member: MemberId, now: Instant) {
        self.send_hint(member, Event::Hint(member), now);
    }

    /// Likewise that a request for it has waited for too long.
    pub(super) fn unanswered(&mut self, member: MemberId, now: Instant) {
        self.send_hint(member, Event::Unanswered(member), now);
    }

    fn send_hint(&mut self, member: MemberId, event: Event, now: Instant) {
        let may_be_sent = self.next_hint[member.index()] <= now.nanos();
        if may_be_sent && self.try_send(Lane::Neighbours, event) {
            self.next_hint[member.index()] = (now + HINT_PAUSE).nanos();
        }
    }

    fn try_send(&mut self, lane: Lane, event: Event) -> bool {
        self.rings[lane as usize].push(event).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::mailbox::{Events, mailbox};
    use super::*;

    const WORKER: WorkerId = WorkerId(1);

    fn queue(capacity: usize) -> (EventQueue, Events) {
        let (management, worker) = mailbox(capacity);
        (EventQueue::new(WORKER, worker.events), management.events)
    }

    #[test]
    fn what_must_arrive_waits_for_room_and_keeps_its_order() {
        let (mut queue, mut events) = queue(2);
        (0..4).for_each(|query| queue.send(Event::Cleared { query, count: 0 }));
        assert_eq!((queue.send_stopped(), queue.send_stopped()), (3, 3), "sent once");
        let mut arrived = Vec::new();
        while arrived.len() < 5 {
            queue.flush();
            while let Some(event) = events.pop() {
                arrived.push(match event {
                    Event::Cleared { query, .. } => Some(query),
                    Event::Stopped(WORKER) => None,
                    _ => panic!("nobody sent this"),
                });
            }
        }
        assert_eq!(arrived, [Some(0), Some(1), Some(2), Some(3), None]);
        assert_eq!((queue.send_stopped(), events.is_empty()), (0, true));
    }

    #[test]
    fn punts_leave_room_for_what_must_arrive_and_no_class_of_them_is_behind_a_less_urgent_one() {
        let (mut queue, mut events) = queue(256);
        let mut fill =
            |reason| (0..300).take_while(|_| queue.punt(reason, InterfaceId(0), b"frame", Instant::ZERO)).count();
        let strangers = [PuntReason::ArpRequest, PuntReason::ArpMoved, PuntReason::Stray].map(&mut fill);
        let rest = [PuntReason::ArpNeighbour, PuntReason::Local].map(&mut fill);
        assert_eq!((strangers, rest), ([256, 0, 0], [256, 192]));
        queue.request_neighbour(NextHop { interface: InterfaceId(0), address: [192, 0, 2, 9].into() }, false);
        queue.send(Event::Cleared { query: 0, count: 0 });
        assert!(queue.backlog.is_empty());
        let reasons: Vec<PuntReason> = std::iter::from_fn(|| events.pop())
            .filter_map(|event| if let Event::Punt { reason, .. } = event { Some(reason) } else { None })
            .collect();
        assert!(reasons.is_sorted_by_key(|reason| Lane::of(*reason) as usize));
        assert_eq!((reasons.len(), reasons[0]), (704, PuntReason::Local));
    }

    /// Each costs the same, whoever was reported before: the list of those is not walked.
    #[test]
    fn hints_about_very_many_members_are_sent_as_about_one() {
        let (mut queue, mut events) = queue(256);
        for (ms, sent) in [(0, 65_536), (99, 0), (100, 65_536)] {
            let mut count = 0;
            for member in 0..=u16::MAX {
                queue.hint(MemberId(member), Instant::from_millis(ms));
                count += std::iter::from_fn(|| events.pop()).count();
            }
            assert_eq!(count, sent, "at {ms} ms");
        }
    }

    #[test]
    fn a_hint_about_a_member_is_sent_once_in_a_tenth_of_a_second() {
        let (mut queue, mut events) = queue(256);
        for (ms, member) in [(0, 1), (99, 1), (99, 2), (100, 1)] {
            queue.hint(MemberId(member), Instant::from_millis(ms));
        }
        assert_eq!(std::iter::from_fn(|| events.pop()).count(), 3);
    }
}
