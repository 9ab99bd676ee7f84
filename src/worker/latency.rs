//! How long a worker takes to forward frames, and how long its turns are.
//!
//! Owns [`Latency`], what was measured of one worker since it was last collected, and [`Timing`], which measures. Reads no clock:
//! whoever calls [`super::Worker::turn`] reports by [`super::Worker::note_turn`] when it began and ended, so the clock is never
//! read per frame. A frame that was received and sent in one turn took no longer than that turn; one that another worker handed
//! off took the time since the turn that received it began. Not seen: how long a frame lay in a NIC's ring before it was
//! received and after it was sent; how long it was held for a MAC or for the other fragments of its datagram (and a fragment, on
//! its way to the worker that reassembles).
//!
//! Every busy turn is recorded, none is sampled: the clock is read once a turn in any case, recording costs some
//! twenty nanoseconds a turn whatever the number of frames (and as much for each turn of another worker that handed frames
//! in), and a sample would miss the few turns that make a p99.9.

use crate::io::BURST;
use crate::time::{Duration, Instant};

/// The longest time told apart from longer ones.
const LONGEST: Duration = Duration::from_secs(10);
/// Significant digits kept of a time: it reads at most one hundredth too long.
const DIGITS: u8 = 2;
/// A turn longer than this is a stall unless configured otherwise.
const STALL: Duration = Duration::from_millis(1);

/// How often each length of time was seen: 1 ns to 10 s; what is longer counts as 10 s. Allocates when it is made, never later.
#[derive(Clone, Debug)]
pub struct Histogram {
    histogram: hdrhistogram::Histogram<u64>,
    sum: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        let most = LONGEST.as_nanos() as u64;
        let mut histogram =
            hdrhistogram::Histogram::new_with_bounds(1, most, DIGITS).expect("the bounds are constants that fit");
        // Touches every page now, so that none is first touched between two packets.
        histogram.reset();
        Histogram { histogram, sum: 0 }
    }
}

impl Histogram {
    /// `span` was seen `times` times.
    #[inline]
    pub fn record(&mut self, span: Duration, times: u64) {
        let nanos = nanos(span);
        // The histogram's own bound lies above: it is that of its last bucket.
        self.histogram.saturating_record_n(nanos.min(LONGEST.as_nanos() as u64), times);
        self.sum = self.sum.saturating_add(nanos.saturating_mul(times));
    }

    /// Adds those of `other`.
    pub fn add(&mut self, other: &Histogram) {
        self.histogram.add(&other.histogram).expect("all have the same bounds");
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.histogram.reset();
        self.sum = 0;
    }

    /// How many were recorded.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// Their sum, in nanoseconds.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// What a part `quantile` (0 to 1) of them did not exceed, in nanoseconds; 0 when nothing was recorded.
    pub fn at_quantile(&self, quantile: f64) -> u64 {
        self.histogram.value_at_quantile(quantile)
    }

    /// The longest, in nanoseconds; 0 when nothing was recorded.
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
    /// Of each frame sent: from the beginning of the turn that received it, here or at the worker that handed it off, to the
    /// end of the turn that sent it.
    pub forwarding: Histogram,
    /// Turns that did something.
    pub turns: Histogram,
    /// Turns that took longer than a turn may, idle ones included: frames waited in the NIC meanwhile.
    pub stalls: u64,
    /// The longest turn, idle ones included.
    pub longest: Duration,
    /// When it began.
    pub longest_at: Instant,
}

impl Latency {
    /// Adds what `other` measured.
    pub fn add(&mut self, other: &Latency) {
        self.forwarding.add(&other.forwarding);
        self.turns.add(&other.turns);
        self.stalls += other.stalls;
        if other.longest > self.longest {
            (self.longest, self.longest_at) = (other.longest, other.longest_at);
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.forwarding.clear();
        self.turns.clear();
        (self.stalls, self.longest, self.longest_at) = (0, Duration::ZERO, Instant::ZERO);
    }
}

/// What a worker measures into, and what it knew after the turn before.
pub(super) struct Timing {
    latency: Box<Latency>,
    stall: Duration,
    /// Frames sent until then.
    sent: u64,
    /// Frames handed in during this turn, by the beginning of the turn that received them.
    handed_in: Vec<(Instant, u64)>,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing { latency: Box::default(), stall: STALL, sent: 0, handed_in: Vec::with_capacity(BURST) }
    }
}

impl Timing {
    /// A turn longer than `span` is a stall.
    pub(super) fn set_stall(&mut self, span: Duration) {
        self.stall = span;
    }

    /// Measures into `fresh` from now on, and returns what was measured so far. Neither allocates nor copies.
    pub(super) fn exchange(&mut self, fresh: Box<Latency>) -> Box<Latency> {
        std::mem::replace(&mut self.latency, fresh)
    }

    /// Frames come from another worker whose turn began at `received`.
    #[inline]
    pub(super) fn handed_in(&mut self, received: Instant, frames: u64) {
        let full = self.handed_in.len() == BURST;
        match self.handed_in.last_mut() {
            Some((since, count)) if *since == received => *count += frames,
            // A turn takes in no more than a burst of them: nothing grows.
            _ if full => {}
            _ => self.handed_in.push((received, frames)),
        }
    }

    /// A turn has ended; the worker has sent `sent` frames since its start.
    #[inline]
    pub(super) fn note(&mut self, busy: bool, sent: u64, began: Instant, ended: Instant) {
        let length = ended.since(began);
        if length > self.latency.longest {
            (self.latency.longest, self.latency.longest_at) = (length, began);
        }
        self.latency.stalls += u64::from(length > self.stall);
        let frames = sent.wrapping_sub(std::mem::replace(&mut self.sent, sent));
        if busy {
            self.latency.turns.record(length, 1);
            // Of those sent, the ones handed in took longer; should some have been dropped, others pass for them.
            let mut own = frames;
            for (received, count) in self.handed_in.drain(..) {
                let count = count.min(own);
                own -= count;
                if count > 0 {
                    self.latency.forwarding.record(ended.since(received), count);
                }
            }
            if own > 0 {
                self.latency.forwarding.record(length, own);
            }
        }
        self.handed_in.clear();
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

    fn within_a_hundredth(found: u64, meant: Duration) -> bool {
        let meant = meant.as_nanos() as u64;
        (meant..=meant + meant / 100).contains(&found)
    }

    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let mut histogram = Histogram::default();
        (1..=1_000).for_each(|at| histogram.record(micros(at), 1));
        assert_eq!((histogram.count(), histogram.sum()), (1_000, 500_500_000));
        for (quantile, at) in [(0.5, 500), (0.9, 900), (0.99, 990), (0.999, 999), (1.0, 1_000)] {
            let found = histogram.at_quantile(quantile);
            assert!(within_a_hundredth(found, micros(at)), "{quantile}: {found} ns, not {at} us");
        }
        assert!(within_a_hundredth(histogram.longest(), micros(1_000)), "{}", histogram.longest());
        assert_eq!(histogram.up_to(micros(100)), 100);
    }

    #[test]
    fn what_is_beyond_the_bounds_counts_as_the_bound() {
        let mut histogram = Histogram::default();
        histogram.record(Duration::ZERO, 1);
        histogram.record(Duration::from_secs(3_600), 2);
        for seconds in [12, 18] {
            let mut little = Histogram::default();
            little.record(Duration::from_secs(seconds), 1);
            assert!(within_a_hundredth(little.at_quantile(1.0), LONGEST), "{seconds} s: {}", little.at_quantile(1.0));
            assert_eq!(little.up_to(LONGEST), 1, "{seconds} s");
        }
        assert_eq!(histogram.count(), 3);
        assert!(within_a_hundredth(histogram.at_quantile(1.0), LONGEST), "{}", histogram.at_quantile(1.0));
        assert_eq!(histogram.up_to(LONGEST), 3);
        assert_eq!(Histogram::default().at_quantile(0.999), 0);
    }

    #[test]
    fn two_together_are_what_one_would_have_recorded() {
        let (mut one, mut other, mut both) = (Histogram::default(), Histogram::default(), Histogram::default());
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
    fn a_frame_takes_as_long_as_its_turn() {
        let mut timing = Timing::default();
        let at = |us: u64| Instant::from_nanos(us * 1_000);
        timing.note(true, 32, at(10), at(20));
        timing.note(false, 32, at(20), at(21));
        timing.note(true, 32, at(21), at(25));
        timing.note(true, 33, at(25), at(125));
        let latency = timing.exchange(Box::default());
        assert_eq!((latency.forwarding.count(), latency.turns.count(), latency.stalls), (33, 3, 0));
        assert!(within_a_hundredth(latency.forwarding.at_quantile(32.0 / 33.0), micros(10)));
        assert!(within_a_hundredth(latency.forwarding.longest(), micros(100)));
        assert!(within_a_hundredth(latency.turns.at_quantile(0.3), micros(4)));
        assert_eq!((latency.longest, latency.longest_at), (micros(100), at(25)));
        timing.note(true, 35, at(125), at(135));
        assert_eq!((timing.latency.forwarding.count(), timing.latency.longest), (2, micros(10)), "it began at zero");
    }

    #[test]
    fn a_frame_that_was_handed_in_counts_from_when_it_was_received() {
        let mut timing = Timing::default();
        let at = |us: u64| Instant::from_nanos(us * 1_000);
        // Three were received here; of those of two turns of another worker one died.
        [(3, 4), (3, 3), (8, 5)].into_iter().for_each(|(us, frames)| timing.handed_in(at(us), frames));
        timing.note(true, 14, at(10), at(13));
        let forwarding = &timing.latency.forwarding;
        assert_eq!((forwarding.count(), forwarding.sum()), (14, 7 * 10_000 + 5 * 5_000 + 2 * 3_000));
        timing.note(true, 15, at(20), at(21));
        assert_eq!(timing.latency.forwarding.sum(), 102_000, "nothing is left of the turn before");
    }

    #[test]
    fn an_idle_turn_that_takes_long_is_a_stall_as_well() {
        let mut timing = Timing::default();
        let at = Instant::from_millis;
        timing.note(false, 0, at(10), at(11));
        assert_eq!(timing.latency.stalls, 0, "not longer than it may be");
        timing.note(false, 0, at(11), at(15));
        timing.note(true, 1, at(15), at(17));
        assert_eq!((timing.latency.stalls, timing.latency.longest_at), (2, at(11)));
        assert_eq!(timing.latency.turns.count(), 1);
    }
}
