//! How long frames are in the box, and how long turns take.
//!
//! Owns [`Latency`], what was measured of one worker since it was last taken home. Reads no clock: whoever calls
//! [`Worker::turn`] says by [`Worker::note_turn`] when it began and ended, so that nothing is asked per frame. A frame
//! that was received and sent in a turn was in the box no longer than that turn; one that another worker handed over, since
//! the turn began that received it. Not seen: how long a frame lay in a NIC's ring before it was received and after it was
//! sent; how long it was held for a MAC or for the rest of its datagram (and a piece, on its way to where they gather).
//!
//! Every busy turn is recorded, none is sampled: the clock is read once a turn in any case, recording costs some
//! twenty nanoseconds a turn whatever the number of frames (and as much for each turn of another worker whose frames it took
//! over), and a sample would miss the few turns that make a p99.9.

use super::{Work, Worker};
use crate::io::{BURST, Port};
use crate::time::{Duration, Instant};
use hdrhistogram::Histogram;

/// The longest span told apart from longer ones.
const LONGEST: Duration = Duration::from_secs(10);
/// Significant digits kept of a span: it is told at most one hundredth too long.
const DIGITS: u8 = 2;
/// A turn longer than this is a stall where nobody says otherwise.
const STALL: Duration = Duration::from_millis(1);

/// Spans, and how often there was each: 1 ns to 10 s; what is longer counts as 10 s. Takes memory when it is made, never
/// later.
#[derive(Clone, Debug)]
pub struct Spans {
    histogram: Histogram<u64>,
    sum: u64,
}

impl Default for Spans {
    fn default() -> Spans {
        let most = LONGEST.as_nanos() as u64;
        let mut histogram = Histogram::new_with_bounds(1, most, DIGITS).expect("the bounds are constants that fit");
        // Touches every page now, so that none is first touched between two packets.
        histogram.reset();
        Spans { histogram, sum: 0 }
    }
}

impl Spans {
    /// `span` was seen `times` times.
    #[inline]
    pub fn record(&mut self, span: Duration, times: u64) {
        let nanos = nanos(span);
        self.histogram.saturating_record_n(nanos, times);
        self.sum = self.sum.saturating_add(nanos.saturating_mul(times));
    }

    /// Those of `other` as well.
    pub fn add(&mut self, other: &Spans) {
        self.histogram.add(&other.histogram).expect("all have the same bounds");
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// None any more.
    pub fn clear(&mut self) {
        self.histogram.reset();
        self.sum = 0;
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// All of them together, in nanoseconds.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The span that a part `quantile` (0 to 1) of them did not exceed, in nanoseconds; 0 when there was none.
    pub fn at_quantile(&self, quantile: f64) -> u64 {
        self.histogram.value_at_quantile(quantile)
    }

    /// The longest, in nanoseconds; 0 when there was none.
    pub fn longest(&self) -> u64 {
        self.histogram.max()
    }

    /// How many took `span` or less.
    pub fn up_to(&self, span: Duration) -> u64 {
        self.histogram.count_between(0, nanos(span))
    }
}

/// What was measured of one worker.
#[derive(Clone, Debug, Default)]
pub struct Latency {
    /// Of each frame sent: from the beginning of the turn that received it, here or at the worker that handed it over, to the
    /// end of the turn that sent it.
    pub in_box: Spans,
    /// Turns that did something.
    pub turns: Spans,
    /// Turns, idle ones as well, that took longer than a turn may. During an idle one frames waited in the NIC.
    pub stalls: u64,
    /// The longest turn, idle ones as well.
    pub longest: Duration,
    /// When it began.
    pub longest_at: Instant,
}

impl Latency {
    /// What `other` measured as well.
    pub fn add(&mut self, other: &Latency) {
        self.in_box.add(&other.in_box);
        self.turns.add(&other.turns);
        self.stalls += other.stalls;
        if other.longest > self.longest {
            (self.longest, self.longest_at) = (other.longest, other.longest_at);
        }
    }

    /// Nothing was measured any more.
    pub fn clear(&mut self) {
        self.in_box.clear();
        self.turns.clear();
        (self.stalls, self.longest, self.longest_at) = (0, Duration::ZERO, Instant::ZERO);
    }
}

/// The worker's own: what it measures into, and what it knew after the turn before.
pub(super) struct Timing {
    latency: Box<Latency>,
    stall: Duration,
    /// Frames sent until then.
    sent: u64,
    /// Frames taken over in this turn, by the beginning of the turn that received them.
    taken: Vec<(Instant, u64)>,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing { latency: Box::default(), stall: STALL, sent: 0, taken: Vec::with_capacity(BURST) }
    }
}

impl Timing {
    /// Goes on measuring into `fresh`, and gives what was measured so far. Neither takes memory nor copies.
    pub(super) fn exchange(&mut self, fresh: Box<Latency>) -> Box<Latency> {
        std::mem::replace(&mut self.latency, fresh)
    }

    /// Frames come from another worker whose turn began at `received`.
    #[inline]
    pub(super) fn taken_over(&mut self, received: Instant, frames: u64) {
        let full = self.taken.len() == BURST;
        match self.taken.last_mut() {
            Some((since, count)) if *since == received => *count += frames,
            // A turn takes over no more than a burst of them: nothing grows.
            _ if full => {}
            _ => self.taken.push((received, frames)),
        }
    }

    fn note(&mut self, work: Work, sent: u64, began: Instant, ended: Instant) {
        let length = ended.since(began);
        if length > self.latency.longest {
            (self.latency.longest, self.latency.longest_at) = (length, began);
        }
        self.latency.stalls += u64::from(length > self.stall);
        let frames = sent.wrapping_sub(std::mem::replace(&mut self.sent, sent));
        if matches!(work, Work::Busy(_)) {
            self.latency.turns.record(length, 1);
            // Of those sent, the ones taken over were in the box for longer; should some have died, the others pass for them.
            let mut own = frames;
            for (received, count) in self.taken.drain(..) {
                let count = count.min(own);
                own -= count;
                if count > 0 {
                    self.latency.in_box.record(ended.since(received), count);
                }
            }
            if own > 0 {
                self.latency.in_box.record(length, own);
            }
        }
        self.taken.clear();
    }
}

impl<P: Port> Worker<P> {
    /// The same; a turn longer than `span` is a stall.
    #[must_use]
    pub fn stalled_after(mut self, span: Duration) -> Worker<P> {
        self.timing.stall = span;
        self
    }

    /// What the turn that has just ended did, and when it began and ended. Said after each turn by who has a clock.
    #[inline]
    pub fn note_turn(&mut self, work: Work, began: Instant, ended: Instant) {
        self.timing.note(work, self.counters.transmitted, began, ended);
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(count: u64) -> Duration {
        Duration::from_micros(count)
    }

    fn within_a_hundredth(told: u64, meant: Duration) -> bool {
        let meant = meant.as_nanos() as u64;
        (meant..=meant + meant / 100).contains(&told)
    }

    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let mut spans = Spans::default();
        (1..=1_000).for_each(|at| spans.record(micros(at), 1));
        assert_eq!((spans.count(), spans.sum()), (1_000, 500_500_000));
        for (quantile, at) in [(0.5, 500), (0.9, 900), (0.99, 990), (0.999, 999), (1.0, 1_000)] {
            let told = spans.at_quantile(quantile);
            assert!(within_a_hundredth(told, micros(at)), "{quantile}: {told} ns, not {at} us");
        }
        assert!(within_a_hundredth(spans.longest(), micros(1_000)), "{}", spans.longest());
        assert_eq!(spans.up_to(micros(100)), 100);
    }

    #[test]
    fn what_is_beyond_the_bounds_counts_as_the_bound() {
        let mut spans = Spans::default();
        spans.record(Duration::ZERO, 1);
        spans.record(Duration::from_secs(3_600), 2);
        assert_eq!(spans.count(), 3);
        assert!(within_a_hundredth(spans.at_quantile(1.0), LONGEST), "{}", spans.at_quantile(1.0));
        assert_eq!(spans.up_to(LONGEST), 3);
        assert_eq!(Spans::default().at_quantile(0.999), 0);
    }

    #[test]
    fn two_together_are_what_one_would_have_recorded() {
        let (mut one, mut other, mut both) = (Spans::default(), Spans::default(), Spans::default());
        for at in 1..500_u64 {
            let into = if at % 3 == 0 { &mut one } else { &mut other };
            into.record(micros(at * at), at);
            both.record(micros(at * at), at);
        }
        one.add(&other);
        assert_eq!((&one.histogram, one.sum), (&both.histogram, both.sum));
        one.clear();
        assert_eq!((one.count(), one.sum(), one.longest()), (0, 0, 0));
    }

    #[test]
    fn a_frame_is_as_long_in_the_box_as_its_turn() {
        let mut timing = Timing::default();
        let at = |us: u64| Instant::from_nanos(us * 1_000);
        timing.note(Work::Busy(40), 32, at(10), at(20));
        timing.note(Work::Idle, 32, at(20), at(21));
        timing.note(Work::Busy(1), 32, at(21), at(25));
        timing.note(Work::Busy(1), 33, at(25), at(125));
        let latency = timing.exchange(Box::default());
        assert_eq!((latency.in_box.count(), latency.turns.count(), latency.stalls), (33, 3, 0));
        assert!(within_a_hundredth(latency.in_box.at_quantile(32.0 / 33.0), micros(10)));
        assert!(within_a_hundredth(latency.in_box.longest(), micros(100)));
        assert!(within_a_hundredth(latency.turns.at_quantile(0.3), micros(4)));
        assert_eq!((latency.longest, latency.longest_at), (micros(100), at(25)));
        timing.note(Work::Busy(2), 35, at(125), at(135));
        assert_eq!((timing.latency.in_box.count(), timing.latency.longest), (2, micros(10)), "it began anew");
    }

    #[test]
    fn a_frame_that_was_handed_over_has_been_in_the_box_since_it_was_received() {
        let mut timing = Timing::default();
        let at = |us: u64| Instant::from_nanos(us * 1_000);
        // Three were received here; of those of two turns of another worker one died.
        [(3, 4), (3, 3), (8, 5)].into_iter().for_each(|(us, frames)| timing.taken_over(at(us), frames));
        timing.note(Work::Busy(15), 14, at(10), at(13));
        let in_box = &timing.latency.in_box;
        assert_eq!((in_box.count(), in_box.sum()), (14, 7 * 10_000 + 5 * 5_000 + 2 * 3_000));
        timing.note(Work::Busy(1), 15, at(20), at(21));
        assert_eq!(timing.latency.in_box.sum(), 102_000, "nothing is left of the turn before");
    }

    #[test]
    fn an_idle_turn_that_takes_long_is_a_stall_as_well() {
        let mut timing = Timing::default();
        let at = Instant::from_millis;
        timing.note(Work::Idle, 0, at(10), at(11));
        assert_eq!(timing.latency.stalls, 0, "not longer than it may be");
        timing.note(Work::Idle, 0, at(11), at(15));
        timing.note(Work::Busy(1), 1, at(15), at(17));
        assert_eq!((timing.latency.stalls, timing.latency.longest_at), (2, at(11)));
        assert_eq!(timing.latency.turns.count(), 1);
    }
}
