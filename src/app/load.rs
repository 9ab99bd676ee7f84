//! How busy a worker is.
//!
//! Owns the share of the last second that a worker spent on packets. The worker measures it itself, so that it is of the
//! last second whenever it is asked for, and however seldom.

use crate::time::{Duration, Instant};

/// How long is measured before the share is given.
const WINDOW: Duration = Duration::from_secs(1);

/// A measurement under way.
#[derive(Debug, Default)]
pub struct Load {
    since: Instant,
    busy: Duration,
}

impl Load {
    /// A loop iteration took from `start` to `end`, and was `busy` or idle. Once a second: the share of it that was busy,
    /// in percent.
    #[inline]
    pub fn add(&mut self, busy: bool, start: Instant, end: Instant) -> Option<f64> {
        if busy {
            self.busy += end.since(start);
        }
        let window = end.since(self.since);
        (window >= WINDOW).then(|| {
            let share = self.busy.as_secs_f64() / window.as_secs_f64();
            *self = Load { since: end, busy: Duration::ZERO };
            100.0 * share.min(1.0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Iterations of a millisecond each, of which the first `busy` of every ten are busy; the shares they gave.
    fn run(load: &mut Load, from_ms: u64, iterations: u64, busy: u64) -> Vec<f64> {
        let share = |at: u64| {
            let start = Instant::from_millis(from_ms + at);
            load.add(at % 10 < busy, start, start + Duration::from_millis(1))
        };
        (0..iterations).filter_map(share).collect()
    }

    #[test]
    fn the_share_is_of_the_last_second_and_not_of_the_whole_life() {
        let mut load = Load::default();
        assert!(run(&mut load, 0, 999, 5).is_empty());
        assert_eq!(run(&mut load, 999, 1, 0), [50.0]);
        assert_eq!(run(&mut load, 1_000, 3_000, 10), [100.0, 100.0, 100.0]);
        assert_eq!(run(&mut load, 4_000, 86_400_000 / 1_000, 0).last(), Some(&0.0), "idle, however busy it has been");
        let (start, end) = (Instant::from_millis(90_400), Instant::from_millis(94_400));
        assert_eq!(load.add(true, start, end).map(f64::round), Some(91.0), "a long iteration counts whole");
    }
}
