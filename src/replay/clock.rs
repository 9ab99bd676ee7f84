//! The time of the file.
//!
//! Owns the one way from a time stamp to the time that the appliance goes by. It never runs backwards: a stamp that does counts as the
//! latest one before, and is counted.

use crate::time::Instant;

/// When the first packet comes in: long after the start, so that nothing is before it.
const START: u64 = 1_000_000_000_000;

/// The file's time so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    base: u64,
    latest: u64,
    /// Packets whose stamp was before that of one before them.
    pub backwards: u64,
    /// Packets without one.
    pub unstamped: u64,
}

impl Clock {
    /// `base` is the first stamp, in nanoseconds since 1970.
    pub fn new(base: u64) -> Clock {
        Clock { base, latest: base, backwards: 0, unstamped: 0 }
    }

    /// When the next packet comes in, by its stamp.
    pub fn next(&mut self, stamp: Option<u64>) -> Instant {
        match stamp {
            Some(at) if at < self.latest => self.backwards += 1,
            Some(at) => self.latest = at,
            None => self.unstamped += 1,
        }
        self.instant(self.latest)
    }

    /// A stamp as the appliance's time; one before the first packet is that.
    pub fn instant(&self, stamp: u64) -> Instant {
        Instant::from_nanos(stamp.saturating_sub(self.base).saturating_add(START))
    }

    /// The other way round.
    pub fn stamp(&self, now: Instant) -> u64 {
        self.base.saturating_add(now.nanos().saturating_sub(START))
    }

    /// From the first packet to the latest, in seconds.
    pub fn span_s(&self) -> f64 {
        (self.latest - self.base) as f64 / 1e9
    }
}
