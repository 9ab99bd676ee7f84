//! How often hosts are asked: alone, and all of them together.
//!
//! Owns the intervals of the timers (RFC 1122 2.3.2.1), and that requests which are due together leave spread. Knows no host.

use crate::monitor::random::Random;
use crate::time::{Duration, Instant};

/// From one request to the next: RFC 1122 2.3.2.1 recommends at most one a second for an address.
pub const RETRY: Duration = Duration::from_secs(1);
/// Requests without an answer that make a next hop fail.
pub const REQUESTS: u32 = 3;
/// How long a failure is remembered. A permanent next hop is asked again each second, or each time if there are many.
pub const NEGATIVE: Duration = Duration::from_secs(5);
/// A next hop that was heard so lately is not verified again.
pub const TRUSTED: Duration = Duration::from_secs(1);
/// The least age at which a permanent next hop is verified again, whether or not packets go there: who dies is seen as soon
/// when idle. Up to half as much is added, by chance.
pub const REFRESH_PERMANENT: Duration = TRUSTED;
/// Permanent next hops are verified so often in a second at most, all together: with more of them, each more seldom.
pub const VERIFIED_A_SECOND: u32 = 8_192;
/// The same for requests to everyone, which those get that have failed.
pub const BROADCASTS_A_SECOND: u32 = 1_024;
/// From one request to the next when many are due: beyond a short burst they are spread, or the worker that sends them would drop
/// some, and hosts that were not asked would seem silent.
const SPACING: Duration = Duration::from_nanos(1_000_000_000 / VERIFIED_A_SECOND as u64);
/// Requests that may follow each other at once.
pub const BURST: u32 = 512;
/// The least age at which the others are asked again, likewise.
pub const REFRESH: Duration = Duration::from_secs(60);

/// When the next request may leave, and how many hosts are asked for ever.
#[derive(Debug)]
pub(super) struct Cadence {
    /// When the next request is due if all are evenly spaced.
    paced: Instant,
    permanent: u32,
    random: Random,
}

impl Cadence {
    /// `seed` spreads the refreshes.
    pub(super) fn new(seed: u64) -> Cadence {
        Cadence { paced: Instant::ZERO, permanent: 0, random: Random::new(seed) }
    }

    /// So many next hops are permanent.
    pub(super) fn set_permanent(&mut self, count: usize) {
        self.permanent = u32::try_from(count).unwrap_or(u32::MAX);
    }

    /// So many requests have left that the next one must wait.
    pub(super) fn is_ahead(&self, now: Instant) -> bool {
        self.paced > now + SPACING * BURST
    }

    /// A request leaves.
    pub(super) fn step(&mut self, now: Instant) {
        self.paced = self.paced.max(now) + SPACING;
    }

    /// When one that is due at `due` may leave.
    pub(super) fn earliest(&self, due: Instant) -> Instant {
        due.max(Instant::from_nanos(self.paced.nanos().saturating_sub((SPACING * BURST).as_nanos() as u64)))
    }

    /// How long the one at `place` of many who are asked at once waits.
    pub(super) fn wait_of(place: usize) -> Duration {
        SPACING * u32::try_from(place).unwrap_or(u32::MAX).saturating_sub(BURST)
    }

    /// A next hop heard more lately than that is not asked.
    pub(super) fn least(&self, permanent: bool) -> Duration {
        match permanent {
            true => REFRESH_PERMANENT.max(Duration::from_secs(1) * self.permanent / VERIFIED_A_SECOND),
            false => REFRESH,
        }
    }

    /// From hearing a next hop to asking it again.
    pub(super) fn refresh(&mut self, permanent: bool) -> Duration {
        let refresh = self.least(permanent);
        refresh + Duration::from_nanos(self.random.below(refresh.as_nanos() as u64 / 2))
    }

    /// From one request to the next for a permanent next hop that has failed.
    pub(super) fn pause_of_failed(&self) -> Duration {
        (Duration::from_secs(1) * self.permanent / BROADCASTS_A_SECOND).clamp(RETRY, NEGATIVE)
    }
}
