//! What the last probes of one monitor of one member came to.
//!
//! Owns a list of [`KEPT`] results, the oldest of which give way. Words that come again and again are kept once. Decides nothing.

use super::outcome::Outcome;
use crate::policy::health::ProbeResult;
use crate::time::{Duration, Instant};
use std::collections::VecDeque;
use std::sync::Arc;

/// Results kept of each monitor of each member.
pub const KEPT: usize = 32;

/// What one probe came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// When it ended.
    pub at: Instant,
    /// How.
    pub result: ProbeResult,
    /// From the question to the answer, where there was one that counts.
    pub rtt: Option<Duration>,
    /// What was said.
    pub words: Arc<str>,
}

/// The latest of them, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History(VecDeque<Past>);

impl History {
    /// A probe ended at `now`; one that was answered after `timeout` counts as silence.
    pub fn keep(&mut self, outcome: &Outcome, timeout: Duration, now: Instant) {
        let (result, rtt, words) = match outcome {
            Outcome::Good { rtt, detail, .. } if *rtt <= timeout => {
                (ProbeResult::Good, Some(*rtt), detail.words.as_str())
            }
            Outcome::Good { .. } => (ProbeResult::Silent, None, "the answer came too late"),
            Outcome::Failed { reason } => (ProbeResult::Failed, None, reason.as_str()),
            Outcome::Timeout => (ProbeResult::Silent, None, "no answer"),
            Outcome::Inconclusive { why } => (ProbeResult::Inconclusive, None, *why),
        };
        let before = self.0.back().filter(|before| &*before.words == words);
        let words = before.map_or_else(|| Arc::from(words), |before| Arc::clone(&before.words));
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(Past { at: now, result, rtt, words });
    }

    /// All that are kept, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Past> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_results_are_kept_with_their_words_once() {
        let (mut history, millis) = (History::default(), Duration::from_millis);
        let good = |rtt| Outcome::Good { rtt: millis(rtt), at: Instant::ZERO, detail: "200 OK".into() };
        for at in 0..100 {
            history.keep(&good(1), millis(400), Instant::from_millis(at));
        }
        let kept: Vec<&Past> = history.iter().collect();
        assert_eq!((kept.len(), kept[0].at, kept[31].at), (KEPT, Instant::from_millis(68), Instant::from_millis(99)));
        assert!(kept.iter().all(|past| Arc::ptr_eq(&past.words, &kept[0].words)), "one text");
        let rows = [
            (good(400), ProbeResult::Good, Some(millis(400)), "200 OK"),
            (good(401), ProbeResult::Silent, None, "the answer came too late"),
            (Outcome::Failed { reason: "closed".into() }, ProbeResult::Failed, None, "closed"),
            (Outcome::Timeout, ProbeResult::Silent, None, "no answer"),
            (Outcome::AWAY, ProbeResult::Inconclusive, None, "Fairlead itself was away"),
        ];
        for (outcome, result, rtt, words) in rows {
            history.keep(&outcome, millis(400), Instant::from_millis(200));
            let last = history.iter().next_back().unwrap();
            assert_eq!((last.result, last.rtt, &*last.words), (result, rtt, words));
        }
    }
}
