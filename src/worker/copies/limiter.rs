//! How much is read so that copies can be made and ended.
//!
//! Owns [`Reading`]: what a worker has read in this second, in all and for each source, and when that is too much. Then nothing is
//! read, of a source or of anybody, until a second has passed in which clearly less came: at such rates copies would be gone before
//! a verdict, and reading would cost what the appliance is for. Sources share a cell by their hash, so a flood takes copies from
//! those few who share its cell, and nobody else.

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
    /// Copies of their requests that wait for an answer.
    waiting: u32,
    rests: bool,
}

/// What comes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// It is read.
    Yes,
    /// It is not.
    No,
    /// It is not, and from now on none of its source: what is kept of it cannot be relied on.
    SourceRests,
    /// It is not, and from now on none of anybody.
    AllRest,
}

/// What has been read, and of whom nothing is.
pub(super) struct Reading {
    second: Second,
    rests: bool,
    cells: Box<[Cell]>,
    seed: u64,
}

impl Reading {
    /// Nothing yet; `seed` keeps strangers from choosing cells.
    pub(super) fn new(seed: u64) -> Reading {
        Reading { second: Second::default(), rests: false, cells: vec![Cell::default(); CELLS].into(), seed }
    }

    /// Nothing is read now, but one datagram in some: `passed` is the number of this one.
    #[inline(always)]
    pub(super) fn skips(&self, passed: u64) -> bool {
        self.rests && !passed.is_multiple_of(u64::from(SAMPLE))
    }

    /// Nothing is read now.
    #[inline(always)]
    pub(super) fn rests(&self) -> bool {
        self.rests
    }

    /// A second may have passed.
    #[inline]
    pub(super) fn begin_second(&mut self, now: Instant) {
        let is_calm = self.second.begin(now, REQUESTS.all, ANSWERS.all);
        self.rests = self.rests && !is_calm;
    }

    /// Whether a request of this source is read. While nothing is, it stands for those that were not looked at.
    pub(super) fn request(&mut self, source: Ipv4Addr, now: Instant) -> Read {
        let weight = if self.rests { SAMPLE } else { 1 };
        let cell = self.cell(source, now);
        cell.second.requests = cell.second.requests.saturating_add(weight);
        if cell.rests {
            return Read::No;
        }
        if cell.second.requests > REQUESTS.source {
            cell.rests = true;
            return Read::SourceRests;
        }
        self.second.requests = self.second.requests.saturating_add(weight);
        match (self.rests, self.second.requests > REQUESTS.all) {
            (true, _) => Read::No,
            (false, true) => self.rest(),
            (false, false) => Read::Yes,
        }
    }

    /// Whether an answer to this source is read.
    pub(super) fn answer(&mut self, source: Ipv4Addr, now: Instant) -> Read {
        let cell = self.cell(source, now);
        cell.second.answers = cell.second.answers.saturating_add(1);
        if cell.second.answers > ANSWERS.source {
            cell.rests = true;
            return Read::SourceRests;
        }
        self.second.answers = self.second.answers.saturating_add(1);
        if self.second.answers > ANSWERS.all { self.rest() } else { Read::Yes }
    }

    fn rest(&mut self) -> Read {
        self.rests = true;
        Read::AllRest
    }

    /// Some copy may be of a request by this source: cheap, and right whenever it says no.
    #[inline(always)]
    pub(super) fn awaits(&self, source: Ipv4Addr) -> bool {
        self.cells[self.index(source)].waiting > 0
    }

    /// A copy more, or one less, of a request by this source.
    pub(super) fn count_waiting(&mut self, source: Ipv4Addr, comes: bool) {
        let waiting = &mut self.cells[self.index(source)].waiting;
        *waiting = if comes { *waiting + 1 } else { waiting.saturating_sub(1) };
    }

    /// Both have the same cell.
    pub(super) fn is_same(&self, one: Ipv4Addr, other: Ipv4Addr) -> bool {
        self.index(one) == self.index(other)
    }

    fn cell(&mut self, source: Ipv4Addr, now: Instant) -> &mut Cell {
        let cell = &mut self.cells[self.index(source)];
        let is_calm = cell.second.begin(now, REQUESTS.source, ANSWERS.source);
        cell.rests = cell.rests && !is_calm;
        cell
    }

    #[inline(always)]
    fn index(&self, source: Ipv4Addr) -> usize {
        let mixed = (u64::from(source.to_bits()) ^ self.seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 54) as usize % CELLS
    }
}
