//! How much a worker may do of what is not its first task.
//!
//! Owns [`Allowance`]: time goes by, and each thing that is done costs some of it, however much there would be to do.

use crate::time::{Duration, Instant};

/// Time that may be saved up, for what comes in bursts.
const SAVED: i64 = 100_000_000;

/// Of things that are done so often in a second at most, and for 100 ms' worth of them at once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allowance<const A_SECOND: u64> {
    /// Nanoseconds.
    left: i64,
    /// As of this time.
    at: Instant,
}

impl<const A_SECOND: u64> Allowance<A_SECOND> {
    const COST: i64 = (1_000_000_000 / A_SECOND) as i64;

    /// It is `now`. Says whether anything may be done until the next call.
    pub fn renew(&mut self, now: Instant) -> bool {
        let gone = now.since(self.at).min(Duration::from_nanos(SAVED as u64)).as_nanos() as i64;
        (self.left, self.at) = ((self.left + gone).min(SAVED), now);
        self.left > 0
    }

    /// How many things may be done until the next call.
    pub fn left(&self) -> usize {
        usize::try_from(self.left / Self::COST).unwrap_or_default()
    }

    /// One was done.
    pub fn spend(&mut self) {
        self.left -= Self::COST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_any_second_no_more_is_done_than_there_is_time_for() {
        const A_SECOND: u64 = 250_000;
        let (mut now, mut allowance, mut done) = (Instant::from_millis(500), Allowance::<A_SECOND>::default(), 0);
        // Turns of 7 µs, in each of which 64 would be done.
        for _ in 0..1_000_000 / 7 {
            now += Duration::from_micros(7);
            allowance.renew(now);
            let most = allowance.left().min(64);
            (0..most).for_each(|_| allowance.spend());
            done += most as u64;
        }
        let all = A_SECOND + A_SECOND / 10;
        assert!((all - 64..=all).contains(&done), "{done}");
        // A quiet time earns what may be done at once, and no more, however long it was.
        assert!(allowance.renew(now + Duration::from_secs(3_600)));
        assert_eq!(allowance.left() as u64, A_SECOND / 10);
    }

    #[test]
    fn what_may_be_done_comes_back_with_time_and_is_saved_up_for_a_tenth_of_a_second() {
        let (mut allowance, at) = (Allowance::<200_000>::default(), Instant::from_millis);
        assert!(!Allowance::<200_000>::default().renew(Instant::ZERO));
        let mut done = |now: Instant, most: usize| {
            (0..most).map_while(|_| allowance.renew(now).then(|| allowance.spend())).count()
        };
        assert_eq!(done(at(10), 10_000), 2_000);
        assert_eq!(done(at(11), 10_000), 200);
        assert_eq!(done(at(60_000), 100_000), 20_000, "a tenth of a second's");
        assert_eq!(done(at(60_000), 1), 0);
    }
}
