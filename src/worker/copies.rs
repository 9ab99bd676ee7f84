//! Copies of requests that the active member has not answered yet.
//!
//! Owns [`Copies`]: the last of them, in memory taken at the start, found by the transaction that an answer is of. A copy is no
//! frame: it is counted apart ([`CopyCount`]), and every one that was made to its end. The oldest gives way. What is
//! read for their sake is bounded: beyond [`READS`] messages a second nothing is kept, and a worker so busy would turn all of
//! them over before anything could be decided. Decides nothing: `redelivery` says what is kept, and when it leaves.

use crate::engine::verdict::ways;
use crate::engine::{CopyAction, Recipient};
use crate::policy::intent::{PoolId, PortId};
use crate::time::{Duration, Instant};
use crate::wire::Endpoint;
use crate::wire::transaction::Transaction;
use std::collections::VecDeque;
use std::ops::Range;

/// Copies at once, at most.
const MOST: usize = 2_000;
/// Their bytes, at most.
const BYTES: usize = 2_000_000;
/// Requests, and answers, that are read in a second, at most.
const READS: u32 = 5_000;
/// The sender has given the request up by then (64·T1, RFC 3261 17.1.1.2, 17.1.2.2).
const AGE: Duration = Duration::from_secs(32);
/// In which so many are read.
const SECOND: Duration = Duration::from_secs(1);
/// Lists of copies by transaction; a power of two.
const LISTS: usize = 4_096;
/// Copies in one list, at most: transactions can be chosen by a stranger.
const LENGTH: u8 = 32;

ways! {
    /// Copies made, and how each of them ended. One counter each.
    CopyCount {
        Kept = "kept": "Copies made of SIP requests to an active member, for the member that would take over.",
        Answered = "answered": "Copies dropped because the request was answered.",
        Provisional = "provisional": "Copies dropped because the request was answered provisionally (1xx): if its member dies before the final answer, the client decides.",
        Redelivered = "delivered": "SIP requests delivered again, to the member that took over.",
        Full = "full": "Copies that gave way to newer ones, or to more requests a second than are read.",
        Expired = "expired": "Copies of requests that had not been answered for 32 seconds.",
        Discarded = "discarded": "Copies dropped because another member became active for another cause than a death that all its silence confirms, or could not be sent the request.",
        Unread = "unread": "Datagrams to a service of which no copy was made: more SIP requests came in a second than are read, or the answer would reach another worker.",
    }
}

/// What an answer is looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// The transaction it is of.
    Of(Transaction),
    /// Whoever it goes to, of a request without a transaction.
    To(Endpoint),
}

/// A request, and whom it was for.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub key: Key,
    pub sender: Endpoint,
    pub recipient: Recipient,
    /// Where it came in.
    pub port: PortId,
    /// As it came in.
    pub frame: &'a [u8],
    /// Where in the frame what the sender says begins: behind that, a repetition is the same.
    pub payload: usize,
}

struct Stored {
    key: Key,
    sender: Endpoint,
    recipient: Recipient,
    port: PortId,
    at: Instant,
    bytes: Range<usize>,
    payload: usize,
    /// The number, and one more, of the copy before in its list.
    before: u64,
    /// Its place in that list, from the oldest.
    place: u8,
    has_ended: bool,
}

/// The copies, each with a number that no other ever had.
pub(super) struct Copies {
    /// A ring: a copy lies in one piece behind the one before.
    bytes: Box<[u8]>,
    head: usize,
    /// Oldest in front. One that has ended in between stays until those in front of it have.
    copies: VecDeque<Stored>,
    /// The number of the first.
    first: u64,
    /// By list: the number, and one more, of the newest.
    newest: Box<[u64]>,
    /// How many have not ended.
    waiting: usize,
    second: Instant,
    requests: u32,
    answers: u32,
    /// Nothing is kept until then: more requests, or answers, have come than are read in a second.
    rests_until: Instant,
    seed: u64,
    counts: [u64; CopyCount::COUNT],
}

impl Copies {
    /// None yet; `seed` keeps strangers from choosing lists.
    pub(super) fn new(seed: u64) -> Copies {
        Copies {
            bytes: vec![0; BYTES].into(),
            head: 0,
            copies: VecDeque::with_capacity(MOST),
            first: 0,
            newest: vec![0; LISTS].into(),
            waiting: 0,
            second: Instant::ZERO,
            requests: 0,
            answers: 0,
            rests_until: Instant::ZERO,
            seed,
            counts: [0; CopyCount::COUNT],
        }
    }

    /// None waits to be answered.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// How many wait.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.waiting
    }

    /// What was counted.
    pub(super) fn counts(&self) -> &[u64; CopyCount::COUNT] {
        &self.counts
    }

    /// Counts a request of which no copy is made.
    pub(super) fn count_unread(&mut self) {
        self.count(CopyCount::Unread);
    }

    /// Nothing is kept now, and one datagram more is not looked at.
    #[inline(always)]
    pub(super) fn rests(&mut self, now: Instant) -> bool {
        let rests = now < self.rests_until;
        self.counts[CopyCount::Unread as usize] += u64::from(rests);
        rests
    }

    /// A request may be read, if nothing is at [rest](Copies::rests). If not, nothing is kept for the rest of the second.
    pub(super) fn reads_request(&mut self, now: Instant) -> bool {
        self.begin_second(now);
        self.requests = self.requests.saturating_add(1);
        if self.requests <= READS {
            return true;
        }
        self.count(CopyCount::Unread);
        self.rests_until = self.second + SECOND;
        false
    }

    /// An answer may be read now. If not, it is not known any longer which requests are unanswered: no copy stays.
    pub(super) fn reads_answer(&mut self, now: Instant) -> bool {
        self.begin_second(now);
        self.answers = self.answers.saturating_add(1);
        if self.answers <= READS {
            return true;
        }
        self.rests_until = self.second + SECOND;
        self.clear(CopyCount::Full);
        false
    }

    fn begin_second(&mut self, now: Instant) {
        if now.since(self.second) >= SECOND {
            (self.second, self.requests, self.answers) = (now, 0, 0);
        }
    }

    /// Keeps a copy, unless there is one of the same datagram by the same sender.
    pub(super) fn keep(&mut self, request: &Request<'_>, now: Instant) {
        let said = &request.frame[request.payload..];
        let is_same = |of: &Stored, bytes: &[u8]| of.sender == request.sender && bytes[of.payload..] == *said;
        if self.list(request.key).any(|copy| is_same(copy, &self.bytes[copy.bytes.clone()])) {
            return;
        }
        self.count(CopyCount::Kept);
        let list = self.list_of(request.key);
        let before = self.newest[list];
        let place = self.at(before).map_or(0, |copy| copy.place + 1);
        if request.frame.len() > BYTES || place >= LENGTH {
            return self.count(CopyCount::Full);
        }
        let bytes = self.make_room(request.frame.len());
        self.bytes[bytes.clone()].copy_from_slice(request.frame);
        let Request { key, sender, recipient, port, payload, .. } = *request;
        let copy = Stored { key, sender, recipient, port, at: now, bytes, payload, before, place, has_ended: false };
        self.copies.push_back(copy);
        self.newest[list] = self.first + self.copies.len() as u64;
        self.waiting += 1;
    }

    /// A place for so many bytes; the oldest copies give way.
    fn make_room(&mut self, length: usize) -> Range<usize> {
        if self.copies.len() == MOST {
            self.drop_oldest(CopyCount::Full);
        }
        if BYTES - self.head < length {
            // Those from here to the end are the oldest.
            while self.copies.front().is_some_and(|oldest| oldest.bytes.start >= self.head) {
                self.drop_oldest(CopyCount::Full);
            }
            self.head = 0;
        }
        let place = self.head..self.head + length;
        while self.copies.front().is_some_and(|oldest| place.contains(&oldest.bytes.start)) {
            self.drop_oldest(CopyCount::Full);
        }
        self.head = place.end;
        place
    }

    /// Requests that this answers, of this pool, are kept no longer.
    pub(super) fn answer(&mut self, pool: PoolId, key: Key, how: CopyCount) {
        let mut number = self.newest[self.list_of(key)];
        while let Some(copy) = self.at(number) {
            let (before, is_meant) = (copy.before, copy.key == key && copy.recipient.pool == pool);
            if is_meant {
                self.end(number - 1, how);
            }
            number = before;
        }
        self.drop_ended();
    }

    /// Asks of each copy that waits what is done with it. Returns the numbers of those that leave, oldest first.
    pub(super) fn sort(&mut self, action: impl Fn(&Recipient) -> CopyAction) -> Vec<u64> {
        let mut leaving = Vec::new();
        for at in 0..self.copies.len() {
            let (number, copy) = (self.first + at as u64, &mut self.copies[at]);
            match action(&copy.recipient) {
                _ if copy.has_ended => {}
                CopyAction::Keep => {}
                CopyAction::Redeliver(recipient) => {
                    copy.recipient = recipient;
                    leaving.push(number);
                }
                CopyAction::Drop => self.end(number, CopyCount::Discarded),
            }
        }
        self.drop_ended();
        leaving
    }

    /// A copy that waits: what came in, where, and for whom it is now.
    pub(super) fn get(&self, number: u64) -> Option<(&[u8], PortId, Recipient)> {
        let copy = self.at(number + 1).filter(|copy| !copy.has_ended)?;
        Some((&self.bytes[copy.bytes.clone()], copy.port, copy.recipient))
    }

    /// Nobody waits for an answer to these any longer.
    pub(super) fn expire(&mut self, now: Instant) {
        while self.copies.front().is_some_and(|oldest| now.since(oldest.at) >= AGE) {
            self.drop_oldest(CopyCount::Expired);
        }
    }

    /// None waits any longer.
    pub(super) fn clear(&mut self, how: CopyCount) {
        while !self.copies.is_empty() {
            self.drop_oldest(how);
        }
    }

    /// The copy has ended so.
    pub(super) fn end(&mut self, number: u64, how: CopyCount) {
        let at = number.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        if let Some(copy) = at.and_then(|at| self.copies.get_mut(at)).filter(|copy| !copy.has_ended) {
            copy.has_ended = true;
            self.waiting -= 1;
            self.count(how);
        }
    }

    /// Gives up the places of those in front that have ended.
    pub(super) fn drop_ended(&mut self) {
        while self.copies.front().is_some_and(|oldest| oldest.has_ended) {
            self.drop_oldest(CopyCount::Full);
        }
    }

    fn drop_oldest(&mut self, how: CopyCount) {
        self.end(self.first, how);
        if self.copies.pop_front().is_some() {
            self.first += 1;
        }
    }

    fn list_of(&self, key: Key) -> usize {
        let key = match key {
            Key::Of(Transaction(number)) => number,
            Key::To(Endpoint { addr, port }) => u64::from(addr.to_bits()) << 16 | u64::from(port),
        };
        let mixed = u128::from(key ^ self.seed) * 0x9e37_79b9_7f4a_7c15;
        ((mixed >> 64) ^ mixed) as usize % LISTS
    }

    /// The copies with this key that wait, newest first.
    fn list(&self, key: Key) -> impl Iterator<Item = &Stored> {
        let newest = self.at(self.newest[self.list_of(key)]);
        let all = std::iter::successors(newest, |copy| self.at(copy.before));
        all.filter(move |copy| copy.key == key && !copy.has_ended)
    }

    /// The copy whose number is one less; `None` of one that is no longer there, and of 0.
    fn at(&self, number: u64) -> Option<&Stored> {
        let at = number.checked_sub(1)?.checked_sub(self.first)?;
        self.copies.get(usize::try_from(at).ok()?)
    }

    fn count(&mut self, what: CopyCount) {
        self.counts[what as usize] += 1;
    }
}

#[cfg(test)]
mod tests;
