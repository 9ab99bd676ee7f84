//! What a member that may be dying says, and what cannot reach it, until it is known who serves.
//!
//! Owns [`WithheldQueue`]: refusals, of which the newest stands for each client and port, and datagrams that reached nobody; a place
//! of its own in [`super::held`]. The oldest gives way. Decides nothing: `pipeline` says what happens to what is taken out.

use super::frames::Received;
use crate::engine::{DropReason, Withheld};
use crate::time::Instant;
use crate::wire::{Endpoint, Protocol};
use std::collections::{HashMap, VecDeque};

/// Frames held at once, at most; fewer where buffers are scarce.
const MOST: usize = 4_096;

/// A frame that waits.
pub(super) struct Waiting<F> {
    pub datagram: Received<F>,
    pub what: Withheld,
    since: Instant,
}

/// All that wait, oldest in front.
pub(super) struct WithheldQueue<F> {
    waiting: VecDeque<Waiting<F>>,
    /// By whom a refusal is about: its place, counted from the first that ever was held.
    newest: HashMap<(Protocol, Endpoint, u16), u64>,
    /// How many have left.
    left: u64,
    frames: usize,
    most: usize,
}

impl<F> WithheldQueue<F> {
    /// Room for `most` frames, and no more than may be held.
    pub(super) fn new(most: usize) -> WithheldQueue<F> {
        let most = most.min(MOST);
        WithheldQueue {
            waiting: VecDeque::with_capacity(most),
            newest: HashMap::with_capacity(most),
            left: 0,
            frames: 0,
            most,
        }
    }

    /// How many frames wait.
    pub(super) fn len(&self) -> usize {
        self.frames
    }

    /// Nothing waits.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes in a frame. One that is newer than another about the same client has waited as long as that one. Calls `lost` for
    /// what gives way to it, and says why. Returns it when it is more than there ever is room for.
    pub(super) fn hold(
        &mut self,
        datagram: Received<F>,
        what: Withheld,
        now: Instant,
        mut lost: impl FnMut(Received<F>, DropReason),
    ) -> Result<(), Received<F>> {
        let count = datagram.frames.count();
        if let Some(older) = self.older(&what) {
            let older = std::mem::replace(older, datagram);
            self.frames = self.frames + count - older.frames.count();
            lost(older, DropReason::UnreachableSuperseded);
            return Ok(());
        }
        while self.frames + count > self.most {
            match self.pop() {
                Some(oldest) => lost(oldest.datagram, DropReason::WithheldFull),
                None => return Err(datagram),
            }
        }
        self.push(Waiting { datagram, what, since: now });
        Ok(())
    }

    /// The next that has waited for as long as it may.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Waiting<F>> {
        let is_due = self.waiting.front().is_some_and(|first| now.since(first.since) >= first.what.patience);
        if is_due { self.pop() } else { None }
    }

    /// What `which` says, oldest first.
    pub(super) fn take(&mut self, which: impl Fn(&Withheld) -> bool) -> Vec<Waiting<F>> {
        let mut taken = Vec::new();
        for _ in 0..self.waiting.len() {
            match self.pop() {
                Some(waiting) if which(&waiting.what) => taken.push(waiting),
                Some(waiting) => self.push(waiting),
                None => break,
            }
        }
        taken
    }

    fn older(&mut self, what: &Withheld) -> Option<&mut Received<F>> {
        let number = self.newest.get(&what.about).filter(|_| !what.undelivered)?;
        let place = usize::try_from(number - self.left).ok()?;
        self.waiting.get_mut(place).map(|waiting| &mut waiting.datagram)
    }

    fn push(&mut self, waiting: Waiting<F>) {
        self.frames += waiting.datagram.frames.count();
        if !waiting.what.undelivered {
            self.newest.insert(waiting.what.about, self.left + self.waiting.len() as u64);
        }
        self.waiting.push_back(waiting);
    }

    fn pop(&mut self) -> Option<Waiting<F>> {
        let waiting = self.waiting.pop_front()?;
        self.left += 1;
        self.frames -= waiting.datagram.frames.count();
        if !waiting.what.undelivered {
            self.newest.remove(&waiting.what.about);
        }
        Some(waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::super::frames::Frames;
    use super::*;
    use crate::policy::intent::{MemberId, PortId};
    use crate::time::Duration;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn datagram(text: &'static str) -> Received<&'static str> {
        Received { frames: Frames::One(text), port: PortId(0), at: at(0) }
    }

    fn about(client: u16, undelivered: bool) -> Withheld {
        let about = (Protocol::Udp, Endpoint::new("198.51.100.7".parse().unwrap(), client), 5060);
        Withheld { member: MemberId(client % 2), about, undelivered, patience: Duration::from_secs(4) }
    }

    fn texts(taken: impl IntoIterator<Item = Waiting<&'static str>>) -> Vec<&'static str> {
        taken.into_iter().map(|waiting| *waiting.datagram.frames.first()).collect()
    }

    #[test]
    fn the_newest_refusal_stands_for_a_client_and_waits_no_longer_than_the_first() {
        let mut queue = WithheldQueue::new(16);
        let mut lost = Vec::new();
        for (text, client, millis) in [("a", 1, 0), ("b", 2, 100), ("c", 1, 3_000)] {
            let held = queue.hold(datagram(text), about(client, false), at(millis), |old, why| {
                lost.push((*old.frames.first(), why))
            });
            assert!(held.is_ok());
        }
        assert_eq!((lost, queue.len()), (vec![("a", DropReason::UnreachableSuperseded)], 2));
        assert!(queue.take_due(at(3_999)).is_none());
        assert_eq!(texts(queue.take_due(at(4_000))), ["c"]);
        assert!(queue.take_due(at(4_000)).is_none());
        assert_eq!((texts(queue.take_due(at(4_100))), queue.len()), (vec!["b"], 0));
    }

    #[test]
    fn datagrams_that_reached_nobody_all_wait_and_the_oldest_gives_way() {
        let mut queue = WithheldQueue::new(3);
        let mut lost = Vec::new();
        for text in ["a", "b", "c", "d"] {
            let give_way = |old: Received<_>, why| lost.push((*old.frames.first(), why));
            assert!(queue.hold(datagram(text), about(1, true), at(0), give_way).is_ok());
        }
        assert_eq!((lost, queue.len()), (vec![("a", DropReason::WithheldFull)], 3));
        assert_eq!((texts(queue.take(|_| true)), queue.is_empty()), (vec!["b", "c", "d"], true));
    }

    #[test]
    fn what_is_taken_leaves_the_others_in_their_order_and_known() {
        let mut queue = WithheldQueue::new(16);
        for (text, client) in [("a", 1), ("b", 2), ("c", 3), ("d", 4)] {
            let since = at(u64::from(client));
            let held = queue.hold(datagram(text), about(client, false), since, |_, _| panic!("there is room"));
            assert!(held.is_ok());
        }
        assert_eq!(texts(queue.take(|what| what.member == MemberId(0))), ["b", "d"]);
        let mut lost = Vec::new();
        let held = queue.hold(datagram("e"), about(3, false), at(9), |old, _| lost.push(*old.frames.first()));
        assert!(held.is_ok());
        assert_eq!((lost, texts(queue.take(|_| true))), (vec!["c"], vec!["a", "e"]));
    }

    #[test]
    fn one_for_which_there_is_never_room_is_returned() {
        let mut queue = WithheldQueue::new(0);
        let refused = queue.hold(datagram("a"), about(1, true), at(0), |_, _| panic!("nothing gives way"));
        assert_eq!((refused.err().map(|it| *it.frames.first()), queue.len()), (Some("a"), 0));
    }
}
