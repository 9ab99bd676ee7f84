//! How much is read so that copies can be made and ended.
//!
//! Owns [`ReadLimiter`]: how many messages a worker has read in this second, in all and for each source, and when that is too many.
//! With too many requests no more are kept, of that source or of anybody; those that are kept stay, and their answers are read. With
//! too many answers it is not known any longer which requests are unanswered: the caller drops the copies. Either lasts until a
//! second has passed in which clearly less came: at such rates copies would be gone before a verdict, and reading would cost what
//! the appliance is for. Sources share a cell by their hash, so a flood takes copies from those few who share its cell, and nobody
//! else.

use crate::time::{Duration, Instant};
use std::net::Ipv4Addr;

/// Requests that are read in a second, at most, and of them those of one source.
pub(super) const REQUESTS: Limit = Limit { all: 5_000, source: 2_000 };
/// The same of answers: a request usually has two, and where others wait all are read.
pub(super) const ANSWERS: Limit = Limit { all: 10_000, source: 5_000 };
/// In which so many are read.
const SECOND: Duration = Duration::from_secs(1);
/// Of datagrams that are not read, one in so many is looked at to see how many still come; a power of two.
const SAMPLE: u32 = 16;
/// Groups of sources; a power of two.
const CELLS: usize = 1_024;

/// Messages a second.
pub(super) struct Limit {
    pub all: u32,
    pub source: u32,
}

/// Of which messages more came than are read.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Excess {
    #[default]
    None,
    Requests,
    /// And requests are not kept either, since it could not be known when they are answered.
    Answers,
}

/// What came in one second.
#[derive(Clone, Copy, Default)]
struct Second {
    began: Instant,
    requests: u32,
    answers: u32,
}

impl Second {
    /// Another one begins, if it is time. Returns whether the one before was calm, with some distance to these limits.
    fn begin(&mut self, now: Instant, requests: u32, answers: u32) -> bool {
        let passed = now.since(self.began);
        if passed < SECOND {
            return false;
        }
        let is_below = |count: u32, limit: u32| count <= limit / 5 * 4;
        let is_calm = passed >= 2 * SECOND || is_below(self.requests, requests) && is_below(self.answers, answers);
        *self = Second { began: now, requests: 0, answers: 0 };
        is_calm
    }
}

/// The sources of one hash.
#[derive(Clone, Copy, Default)]
struct Cell {
    second: Second,
    /// Copies of requests whose answers may go there.
    waiting: u32,
    excess: Excess,
}

/// What comes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// It is read.
    Yes,
    /// It is not.
    No,
    /// It is an answer that is not read, and none to its receiver is from now on.
    NoneOfSource,
    /// It is an answer that is not read, and none to anybody is from now on.
    NoneOfAnybody,
}

/// How many have been read, and of whom nothing is.
pub(super) struct ReadLimiter {
    second: Second,
    excess: Excess,
    cells: Box<[Cell]>,
    /// Which of the cells have an excess, a bit each: asked about every request, which need not bring a cell near for that.
    exceeding: [u64; CELLS / 64],
    /// Why answers are looked at: copies that wait for them, and excesses of answers, which end by counting those that still come.
    reasons: u32,
    /// Groups with an excess.
    excesses: u32,
    /// The group that is looked at next, to see whether its excess is over.
    next: usize,
    /// Answers that have passed during such an excess.
    passed: u32,
    seed: u64,
}

impl ReadLimiter {
    /// Nothing yet; `seed` keeps strangers from choosing cells.
    pub(super) fn new(seed: u64) -> ReadLimiter {
        let cells = vec![Cell::default(); CELLS].into();
        let second = Second::default();
        let exceeding = [0; CELLS / 64];
        ReadLimiter {
            second,
            excess: Excess::None,
            cells,
            exceeding,
            reasons: 0,
            excesses: 0,
            next: 0,
            passed: 0,
            seed,
        }
    }

    /// Of requests that are not read, number `passed` is not looked at either: all but one in some.
    #[inline(always)]
    pub(super) fn passes_over_request(passed: u64) -> bool {
        !passed.is_multiple_of(u64::from(SAMPLE))
    }

    /// No request of this source, or of anybody, is read now.
    #[inline(always)]
    pub(super) fn is_over_limit(&self, source: Ipv4Addr) -> bool {
        self.is_all_over_limit() || self.excesses > 0 && self.is_exceeding(self.index(source))
    }

    /// No request of anybody is read now.
    #[inline(always)]
    fn is_all_over_limit(&self) -> bool {
        self.excess != Excess::None
    }

    #[inline(always)]
    fn is_exceeding(&self, cell: usize) -> bool {
        self.exceeding[cell / 64] >> (cell % 64) & 1 != 0
    }

    /// An answer to this receiver need not be looked at: no copy waits for it, and it counts for nothing. Cheap, and right whenever it
    /// says so.
    #[inline(always)]
    pub(super) fn passes_over_answer(&mut self, receiver: Ipv4Addr) -> bool {
        if self.reasons == 0 {
            return true;
        }
        if self.excess == Excess::Answers {
            self.passed = self.passed.wrapping_add(1);
            return !self.passed.is_multiple_of(SAMPLE);
        }
        let cell = &self.cells[self.index(receiver)];
        cell.waiting == 0 && cell.excess != Excess::Answers
    }

    /// A second may have passed. While a group has an excess, one group is looked at: it may never be heard of again.
    #[inline]
    pub(super) fn begin_second(&mut self, now: Instant) {
        if self.second.begin(now, REQUESTS.all, ANSWERS.all) && self.is_all_over_limit() {
            self.reasons -= u32::from(self.excess == Excess::Answers);
            self.excess = Excess::None;
        }
        if self.excesses > 0 {
            self.next = (self.next + 1) % CELLS;
            self.cell(self.next, now);
        }
    }

    /// Whether a request of this source is read. While none is, it stands for those that were not looked at.
    pub(super) fn reads_request(&mut self, source: Ipv4Addr, now: Instant) -> bool {
        let at = self.index(source);
        let weight = if self.is_over_limit(source) { SAMPLE } else { 1 };
        let cell = self.cell(at, now);
        cell.second.requests = cell.second.requests.saturating_add(weight);
        if cell.second.requests > REQUESTS.source && cell.excess == Excess::None {
            self.begin_excess(at, Excess::Requests);
        }
        if self.is_exceeding(at) {
            return false;
        }
        self.second.requests = self.second.requests.saturating_add(weight);
        if self.second.requests > REQUESTS.all && !self.is_all_over_limit() {
            self.excess = Excess::Requests;
        }
        !self.is_all_over_limit()
    }

    /// Whether an answer to this source is read. While none is to anybody, it stands for those that were not looked at.
    pub(super) fn answer(&mut self, source: Ipv4Addr, now: Instant) -> Read {
        let weight = if self.excess == Excess::Answers { SAMPLE } else { 1 };
        let cell = self.cell(self.index(source), now);
        cell.second.answers = cell.second.answers.saturating_add(weight);
        if cell.excess == Excess::Answers {
            return Read::No;
        }
        if cell.second.answers > ANSWERS.source {
            self.begin_excess(self.index(source), Excess::Answers);
            return Read::NoneOfSource;
        }
        self.second.answers = self.second.answers.saturating_add(weight);
        match self.excess {
            Excess::Answers => Read::No,
            _ if self.second.answers <= ANSWERS.all => Read::Yes,
            _ => {
                self.excess = Excess::Answers;
                self.reasons += 1;
                Read::NoneOfAnybody
            }
        }
    }

    /// A copy more, or one less, of a request whose answer may go there.
    pub(super) fn count_waiting(&mut self, receiver: Ipv4Addr, comes: bool) {
        let waiting = &mut self.cells[self.index(receiver)].waiting;
        let change = |count: u32| if comes { count + 1 } else { count.saturating_sub(1) };
        (*waiting, self.reasons) = (change(*waiting), change(self.reasons));
    }

    /// Both have the same cell.
    pub(super) fn is_same(&self, one: Ipv4Addr, other: Ipv4Addr) -> bool {
        self.index(one) == self.index(other)
    }

    /// The group at this place, in the second that is now.
    fn cell(&mut self, at: usize, now: Instant) -> &mut Cell {
        let cell = &mut self.cells[at];
        if cell.second.begin(now, REQUESTS.source, ANSWERS.source) && cell.excess != Excess::None {
            self.reasons -= u32::from(cell.excess == Excess::Answers);
            self.excesses -= 1;
            self.exceeding[at / 64] &= !(1 << (at % 64));
            cell.excess = Excess::None;
        }
        cell
    }

    /// Of the group at this place more comes than is read; what came before may have been too much already.
    fn begin_excess(&mut self, at: usize, excess: Excess) {
        self.reasons += u32::from(excess == Excess::Answers);
        self.excesses += u32::from(!self.is_exceeding(at));
        self.exceeding[at / 64] |= 1 << (at % 64);
        self.cells[at].excess = excess;
    }

    #[inline(always)]
    fn index(&self, source: Ipv4Addr) -> usize {
        let mixed = (u64::from(source.to_bits()) ^ self.seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 54) as usize % CELLS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever was answered too much and is not heard of again costs nothing from then on.
    #[test]
    fn after_floods_answers_are_not_looked_at_any_longer() {
        let mut limiter = ReadLimiter::new(7);
        let receiver = |number: u32| Ipv4Addr::from(0x0a00_0000 + number);
        for number in 0..20 {
            let now = Instant::from_millis(1_000 + u64::from(number) * 2_000);
            limiter.begin_second(now);
            (0..=ANSWERS.source).for_each(|_| _ = limiter.answer(receiver(number), now));
            assert_eq!(limiter.answer(receiver(number), now), Read::No);
            assert!(!limiter.passes_over_answer(receiver(number)), "they are counted, to see when they are fewer");
        }
        (0..=5 * CELLS as u64).for_each(|turn| limiter.begin_second(Instant::from_millis(41_000 + turn)));
        assert_eq!(limiter.reasons, 0);
        assert_eq!(limiter.answer(receiver(1), Instant::from_millis(50_000)), Read::Yes);
    }

    /// A flood of one source is looked at only now and then, and others' requests always; when it has ended, so has that.
    #[test]
    fn of_a_source_with_too_many_requests_one_in_some_is_looked_at_and_of_others_all() {
        let mut limiter = ReadLimiter::new(7);
        let [flooder, other] = [1, 2].map(|last| Ipv4Addr::new(10, 0, 0, last));
        let at = |second: u64, number: u64| Instant::from_nanos(second * 1_000_000_000 + number * 10_000);
        assert!((0..REQUESTS.source).all(|number| limiter.reads_request(flooder, at(1, number.into()))));
        assert!(!limiter.is_over_limit(flooder) && !limiter.reads_request(flooder, at(1, 2_000)));
        assert_eq!((limiter.is_over_limit(flooder), limiter.is_over_limit(other), limiter.excesses), (true, false, 1));
        // One in so many, which counts for all of them, keeps it so.
        for second in 2..5 {
            let looked_at = (0..REQUESTS.source).filter(|number| !ReadLimiter::passes_over_request((*number).into()));
            let looked_at: Vec<u32> = looked_at.collect();
            assert_eq!(looked_at.len() as u32, REQUESTS.source / SAMPLE);
            assert!(looked_at.iter().all(|number| !limiter.reads_request(flooder, at(second, (*number).into()))));
            assert!(limiter.reads_request(other, at(second, 500)));
            limiter.begin_second(at(second, 600));
        }
        assert_eq!((limiter.reasons, limiter.passes_over_answer(flooder)), (0, true), "its answers cost nothing");
        (0..CELLS as u64).for_each(|turn| limiter.begin_second(at(7, turn)));
        assert_eq!((limiter.is_over_limit(flooder), limiter.excesses, limiter.exceeding), (false, 0, [0; CELLS / 64]));
        // Too much of both is one excess, and ends as one.
        (0..=REQUESTS.source).for_each(|_| _ = limiter.reads_request(flooder, at(8, 0)));
        (0..=ANSWERS.source).for_each(|_| _ = limiter.answer(flooder, at(8, 1)));
        assert_eq!((limiter.excesses, limiter.reasons), (1, 1));
        (0..CELLS as u64).for_each(|turn| limiter.begin_second(at(11, turn)));
        assert_eq!((limiter.excesses, limiter.reasons), (0, 0));
    }

    /// While it goes on, it is none the shorter for being looked at.
    #[test]
    fn a_flood_that_lasts_is_looked_at_until_a_second_in_which_clearly_less_came() {
        let mut limiter = ReadLimiter::new(7);
        let receiver = Ipv4Addr::new(10, 0, 0, 1);
        let mut reads = |second: u64, count: u32| {
            let each = 1_000_000_000 / u64::from(count);
            (0..u64::from(count))
                .filter(|number| {
                    let now = Instant::from_nanos(second * 1_000_000_000 + number * each);
                    limiter.begin_second(now);
                    limiter.answer(receiver, now) == Read::Yes
                })
                .count()
        };
        let source = ANSWERS.source;
        assert_eq!(reads(1, 2 * source), source as usize);
        for second in 2..6 {
            assert_eq!(reads(second, source - source / 10), 0, "second {second}");
        }
        assert_eq!(reads(6, source / 2), 0);
        assert!(reads(7, source / 2) > 0);
    }
}
