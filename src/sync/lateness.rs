//! How late what the other appliance tells is when it comes.
//!
//! Owns a comparison of two clocks that know nothing of each other: what came fastest lately is taken to have come at once, and all else
//! is as late as it took longer. Reads no clock.

use crate::time::{Duration, Instant};

/// What came fastest is known for so long at least, and twice as long at most: clocks run apart, by 0.1 s in twenty minutes at 100 ppm.
const KNOWN: Duration = Duration::from_secs(600);
/// What was late then says nothing any more of what comes now.
const SAID: Duration = Duration::from_secs(2);

/// Of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lateness {
    /// Of this span and of the one before: how far the clocks seemed to be apart at least, in nanoseconds.
    least: [Option<i64>; 2],
    /// When the span began.
    since: Instant,
    /// What was said last: when it came, and how late.
    last: Option<(Instant, Duration)>,
}

impl Lateness {
    /// What was sent then by the other clock has come now.
    pub fn came(&mut self, sent: Instant, now: Instant) {
        if now.since(self.since) >= KNOWN {
            (self.least, self.since) = ([None, self.least[0]], now);
        }
        let apart = (now.nanos() as i64).wrapping_sub(sent.nanos() as i64);
        self.least[0] = Some(self.least[0].map_or(apart, |least| least.min(apart)));
        let least = self.least.iter().flatten().copied().min().unwrap_or(apart);
        let late = u64::try_from(apart.saturating_sub(least)).unwrap_or_default();
        self.last = Some((now, Duration::from_nanos(late)));
    }

    /// How late the last was, if that is no matter of the past.
    pub fn now(&self, now: Instant) -> Duration {
        self.last.filter(|(at, _)| now.since(*at) < SAID).map_or(Duration::ZERO, |(_, late)| late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn what_takes_longer_than_the_fastest_is_as_late_as_that() {
        let all = [(10_000, 10_040, 0), (10_100, 10_120, 0), (10_200, 12_220, 2_000), (12_300, 12_330, 10)];
        // The other clock is an hour ahead, or some seconds behind.
        for other in [3_600_000, 0] {
            let mut lateness = Lateness::default();
            for (sent, came, late) in all {
                lateness.came(ms(sent + other), ms(came + 3_000));
                assert_eq!(lateness.now(ms(came + 3_000)), Duration::from_millis(late), "{sent}");
            }
            assert_eq!(lateness.now(ms(18_000)), Duration::ZERO, "nothing has come since");
        }
    }

    #[test]
    fn clocks_that_run_apart_make_nothing_late() {
        let mut lateness = Lateness::default();
        for second in 1..100_000_u64 {
            // 100 ppm too slow.
            let sent = Instant::from_nanos(second * 999_900_000);
            lateness.came(sent, ms(second * 1_000));
            assert!(lateness.now(ms(second * 1_000)) < Duration::from_millis(125), "after {second} s");
        }
    }

    #[test]
    fn any_clock_is_borne() {
        let mut lateness = Lateness::default();
        for nanos in [0, u64::MAX, 1 << 63, 7, (1 << 63) - 1] {
            lateness.came(Instant::from_nanos(nanos), Instant::from_nanos(u64::MAX - nanos));
        }
    }
}
