//! Copies of requests that the active member has not answered yet.
//!
//! Owns [`Copies`]: the last of them, in memory taken at the start, found by the transaction that an answer is of. A copy is no
//! frame: it is counted apart ([`CopyCount`]), and every one that was made to its end. The oldest gives way. What is
//! read for their sake is bounded (`limiter`), what is lost is counted for the switchover it is lost for (`reports`). Decides
//! nothing: `redelivery` says what is kept, and when it leaves.

mod count;
mod limiter;
mod reports;

use super::mailbox::RedeliveryCounts;
use crate::engine::{CopyAction, Recipient};
use crate::policy::ids::POOL_IDS;
use crate::policy::intent::{MemberId, PoolId, PortId};
use crate::time::{Duration, Instant};
use crate::wire::Endpoint;
use crate::wire::transaction::Transaction;
pub use count::CopyCount;
use limiter::{Read, ReadLimiter};
use reports::Reports;
use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::ops::Range;

/// Copies at once, at most.
const MOST: usize = 2_000;
/// Their bytes, at most.
const BYTES: usize = 2_000_000;
/// The sender has given the request up by then (64·T1, RFC 3261 17.1.1.2, 17.1.2.2).
const GIVEN_UP: Duration = Duration::from_secs(32);
/// A request that waits so long, while nobody of its pool answers anything, is a sign: a server says that it is at work within
/// 200 ms (RFC 3261 8.2.6.1).
const OVERDUE: Duration = Duration::from_millis(250);
/// Copies looked at for such signs in one turn, at most.
const LOOKED_AT: usize = 32;
/// Lists of copies by transaction; a power of two.
const LISTS: usize = 4_096;
/// Copies in one list, at most: transactions can be chosen by a stranger.
const LENGTH: u8 = 32;

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
    /// Where its answer may go, if not to the sender's address.
    pub elsewhere: Option<Ipv4Addr>,
    pub recipient: Recipient,
    /// Where it came in.
    pub port: PortId,
    /// As it came in.
    pub frame: &'a [u8],
    /// Where in the frame what the sender says begins: behind that, a repetition is the same.
    pub payload: usize,
    /// How long it is kept.
    pub age: Duration,
}

struct Stored {
    key: Key,
    sender: Endpoint,
    elsewhere: Option<Ipv4Addr>,
    recipient: Recipient,
    port: PortId,
    /// When it was kept first.
    since: Instant,
    /// It is on its way to the member that took over.
    is_leaving: bool,
    /// It goes to no other one: that may have answered it meanwhile.
    is_last: bool,
    /// It is too old by then.
    until: Instant,
    bytes: Range<usize>,
    payload: usize,
    /// The number, and one more, of the copy before in its list.
    before: u64,
    /// Its place in that list, from the oldest.
    place: u8,
    has_ended: bool,
}

impl Stored {
    /// The addresses where its answer may go.
    fn receivers(&self) -> impl Iterator<Item = Ipv4Addr> + use<> {
        [Some(self.sender.addr), self.elsewhere].into_iter().flatten()
    }
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
    limiter: ReadLimiter,
    reports: Reports,
    /// By pool: when its members answered last.
    answered: Box<[Instant]>,
    /// The number of the next that is looked at once it has waited for [`OVERDUE`].
    next: u64,
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
            limiter: ReadLimiter::new(seed),
            reports: Reports::new(),
            answered: vec![Instant::ZERO; POOL_IDS].into(),
            next: 0,
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

    /// No request of this source is read now, and one datagram more to a service is not looked at.
    #[inline(always)]
    pub(super) fn passes_over_request(&mut self, source: Ipv4Addr) -> bool {
        if !self.limiter.is_over_limit(source) {
            return false;
        }
        let passed = &mut self.counts[CopyCount::Unread as usize];
        *passed += 1;
        ReadLimiter::passes_over_request(*passed)
    }

    /// An answer that goes there is not looked at: no copy waits for it.
    #[inline(always)]
    pub(super) fn passes_over_answer(&mut self, receiver: Ipv4Addr) -> bool {
        self.limiter.passes_over_answer(receiver)
    }

    /// A request of this source is read. If not, none of it, or of anybody, is until less comes; what is kept stays.
    pub(super) fn reads_request(&mut self, source: Ipv4Addr, now: Instant) -> bool {
        let was_counted = self.limiter.is_over_limit(source);
        let is_read = self.limiter.reads_request(source, now);
        self.counts[CopyCount::Unread as usize] += u64::from(!is_read && !was_counted);
        is_read
    }

    /// An answer to this receiver is read now. If not, it is not known any longer which requests are unanswered: no copy waits on whose
    /// answer may go there, or none at all.
    pub(super) fn reads_answer(&mut self, receiver: Ipv4Addr, now: Instant) -> bool {
        let read = self.limiter.answer(receiver, now);
        match read {
            Read::NoneOfSource => self.give_up(Some(receiver)),
            Read::NoneOfAnybody => self.give_up(None),
            Read::Yes | Read::No => {}
        }
        read == Read::Yes
    }

    /// Answers to this receiver, or to anybody, are not read. What is on its way leaves all the same: it goes to a member to which a copy
    /// of what it has answered is a repetition (RFC 3261 17.2.3), but to no other.
    fn give_up(&mut self, receiver: Option<Ipv4Addr>) {
        for at in 0..self.copies.len() {
            let copy = &mut self.copies[at];
            let is_meant = |address| receiver.is_none_or(|receiver| self.limiter.is_same(address, receiver));
            match copy.receivers().any(is_meant) {
                true if copy.is_leaving => copy.is_last = true,
                true => self.end(self.first + at as u64, CopyCount::Full),
                false => {}
            }
        }
        self.drop_ended();
    }

    /// Keeps a copy. If there is one of the same datagram by the same sender, that is as good as new.
    pub(super) fn keep(&mut self, request: &Request<'_>, now: Instant) {
        if let Some(number) = self.same(request) {
            let until = &mut self.copies[(number - self.first) as usize].until;
            // One on its way has longer already.
            *until = (*until).max(now + request.age);
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
        let Request { key, sender, elsewhere, recipient, port, payload, age, .. } = *request;
        let copy = Stored {
            key,
            sender,
            elsewhere,
            recipient,
            port,
            since: now,
            is_leaving: false,
            is_last: false,
            until: now + age,
            bytes,
            payload,
            before,
            place,
            has_ended: false,
        };
        copy.receivers().for_each(|receiver| self.limiter.count_waiting(receiver, true));
        self.copies.push_back(copy);
        self.newest[list] = self.first + self.copies.len() as u64;
        self.waiting += 1;
    }

    /// The number of the copy of the same datagram by the same sender.
    fn same(&self, request: &Request<'_>) -> Option<u64> {
        let said = &request.frame[request.payload..];
        let is_same = |of: &Stored| {
            let is_meant = of.key == request.key && !of.has_ended && of.sender == request.sender;
            is_meant && self.bytes[of.bytes.clone()][of.payload..] == *said
        };
        let mut number = self.newest[self.list_of(request.key)];
        while let Some(copy) = self.at(number) {
            if is_same(copy) {
                return Some(number - 1);
            }
            number = copy.before;
        }
        None
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

    /// A member of this pool has answered somebody.
    pub(super) fn note_answer(&mut self, pool: PoolId, now: Instant) {
        if let Some(answered) = self.answered.get_mut(pool.index()) {
            *answered = now;
        }
    }

    /// Calls `sign` with the member that a copy is for which has waited too long, if nobody of that pool has answered anything since it
    /// was kept. Each is looked at once, in the order they were kept, and a bounded number a turn; one on its way to another member
    /// says nothing of that.
    #[inline]
    pub(super) fn overdue(&mut self, now: Instant, mut sign: impl FnMut(MemberId)) {
        let mut count = 0;
        self.next = self.next.max(self.first);
        while count < LOOKED_AT
            && let Some(copy) = self.at(self.next + 1).filter(|copy| copy.since + OVERDUE <= now)
        {
            let answered = self.answered.get(copy.recipient.pool.index());
            if !copy.has_ended && !copy.is_leaving && answered.is_none_or(|at| *at < copy.since) {
                sign(copy.recipient.member);
            }
            self.next += 1;
            count += 1;
        }
    }

    /// Asks of each copy that waits what is done with it. Returns the numbers of those that leave, oldest first.
    pub(super) fn sort(&mut self, now: Instant, action: impl Fn(&Recipient) -> CopyAction) -> Vec<u64> {
        let mut leaving = Vec::new();
        for at in 0..self.copies.len() {
            let (number, copy) = (self.first + at as u64, &mut self.copies[at]);
            match action(&copy.recipient) {
                _ if copy.has_ended => {}
                CopyAction::Keep => {}
                // One that was repeated keeps those behind it from being counted in time.
                CopyAction::Redeliver(_) if copy.until <= now => self.end(number, CopyCount::Expired),
                CopyAction::Redeliver(_) if copy.is_last => self.end(number, CopyCount::Full),
                CopyAction::Redeliver(recipient) => {
                    (copy.recipient, copy.is_leaving) = (recipient, true);
                    // It was young enough, however long it waits for its turn.
                    copy.until = now + GIVEN_UP;
                    leaving.push(number);
                }
                CopyAction::Drop => self.end(number, CopyCount::Discarded),
            }
        }
        self.drop_ended();
        leaving
    }

    /// Somebody has taken over in this pool: what was lost since its member last answered is of that switchover.
    pub(super) fn begin_report(&mut self, pool: PoolId) {
        self.reports.begin(pool);
    }

    /// How many were delivered and lost by the switchover that has begun.
    pub(super) fn finish_report(&mut self, pool: PoolId) -> RedeliveryCounts {
        self.reports.finish(pool)
    }

    /// Another was chosen although the member lives: what it has not answered is no loss.
    pub(super) fn discard_report(&mut self, pool: PoolId) {
        self.reports.discard(pool);
    }

    /// A copy that waits: what came in, where, and for whom it is now.
    pub(super) fn get(&self, number: u64) -> Option<(&[u8], PortId, Recipient)> {
        let copy = self.at(number + 1).filter(|copy| !copy.has_ended)?;
        Some((&self.bytes[copy.bytes.clone()], copy.port, copy.recipient))
    }

    /// Those that are too old end, and a second of reading, if it is over.
    pub(super) fn expire(&mut self, now: Instant) {
        self.limiter.begin_second(now);
        while self.copies.front().is_some_and(|oldest| oldest.until <= now) {
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
            copy.receivers().for_each(|receiver| self.limiter.count_waiting(receiver, false));
            self.reports.count(copy.recipient.pool, copy.is_leaving, how);
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
