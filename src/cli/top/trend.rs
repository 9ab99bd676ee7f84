//! What was dropped in the last minute, by reason: for a line of small bars.
//!
//! Owns the minute, and forgets what is older. Time is an argument.

use crate::time::Duration;
use std::collections::{BTreeMap, VecDeque};

/// So long it is remembered.
pub const WINDOW: Duration = Duration::from_secs(60);

/// So many, within a span that ends then.
#[derive(Clone, Copy, Debug)]
struct Step {
    until: Duration,
    over: Duration,
    count: u64,
}

/// The last minute.
#[derive(Clone, Debug, Default)]
pub struct Trend {
    since: Option<Duration>,
    reasons: BTreeMap<String, VecDeque<Step>>,
}

impl Trend {
    /// Nothing is known from before `at`.
    pub fn begin(&mut self, at: Duration) {
        *self = Trend { since: Some(at), reasons: BTreeMap::new() };
    }

    /// So many were dropped for `reason` in the span `over` that ends at `until`.
    pub fn add(&mut self, reason: &str, until: Duration, over: Duration, count: u64) {
        if count > 0 {
            self.reasons.entry(reason.to_owned()).or_default().push_back(Step { until, over, count });
        }
    }

    /// Forgets what lies more than a minute before `now`.
    pub fn forget(&mut self, now: Duration) {
        for steps in self.reasons.values_mut() {
            while steps.front().is_some_and(|step| step.until + WINDOW <= now) {
                steps.pop_front();
            }
        }
        self.reasons.retain(|_, steps| !steps.is_empty());
    }

    /// The minute before `now` in `cells` parts, the latest one last, each with how many were dropped in it; `None` where that is
    /// not known.
    pub fn cells(&self, reason: &str, now: Duration, cells: usize) -> Vec<Option<f64>> {
        let (start, width) = (now.as_secs_f64() - WINDOW.as_secs_f64(), WINDOW.as_secs_f64() / cells.max(1) as f64);
        let steps = self.reasons.get(reason);
        let cell = |place: usize| {
            let (from, to) = (start + width * place as f64, start + width * (place + 1) as f64);
            let known = self.since.is_some_and(|since| since.as_secs_f64() < to);
            let within = |step: &Step| {
                let (until, over) = (step.until.as_secs_f64(), step.over.as_secs_f64());
                let shared = (until.min(to) - (until - over).max(from)).max(0.0);
                if over > 0.0 { step.count as f64 * shared / over } else { 0.0 }
            };
            known.then(|| steps.into_iter().flatten().map(within).sum())
        };
        (0..cells).map(cell).collect()
    }
}

/// A bar for each cell, the longest for the most; nothing where nothing is known. What is not zero is never drawn as zero.
pub fn bars(cells: &[Option<f64>]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = cells.iter().flatten().copied().fold(0.0, f64::max);
    let bar = |cell: &Option<f64>| match cell {
        None => ' ',
        Some(count) if *count < 1e-9 => BARS[0],
        Some(count) => BARS[((count / most * 7.0).round() as usize).clamp(1, 7)],
    };
    cells.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_minute_is_parted_and_what_is_older_is_forgotten() {
        let mut trend = Trend::default();
        assert_eq!(trend.cells("no_flow", s(100), 3), [None; 3]);
        trend.begin(s(50));
        trend.add("no_flow", s(60), s(10), 10);
        trend.add("no_flow", s(90), s(20), 40);
        // 40..60, 60..80, 80..100: a step counts in each cell by its share.
        assert_eq!(trend.cells("no_flow", s(100), 3), [Some(10.0), Some(20.0), Some(20.0)]);
        assert_eq!(trend.cells("no_flow", s(70), 3), [None, None, Some(10.0)]);
        assert_eq!(trend.cells("too_big", s(100), 2), [Some(0.0); 2]);
        trend.forget(s(119));
        assert_eq!(trend.cells("no_flow", s(119), 1), [Some(41.0)]);
        trend.forget(s(150));
        assert!(trend.reasons.is_empty());
    }

    #[test]
    fn a_bar_is_as_long_as_its_share_and_something_is_never_nothing() {
        assert_eq!(bars(&[None, Some(0.0), Some(0.1), Some(50.0), Some(100.0)]), " ▁▂▅█");
        assert_eq!(bars(&[Some(0.0); 3]), "▁▁▁");
    }
}
