//! When the appliance itself did not look: what it did not hear then says nothing about a member.
//!
//! Owns the spans in which management was kept from its core, or a worker from its own, as far back as the oldest probe under
//! way, and [`KEPT`] at least. Reads no clock.

use crate::time::{Duration, Instant};

/// While probes or ARP requests are under way, management looks at least so often; so does a worker that is running.
pub const LOOK: Duration = Duration::from_millis(50);
/// A longer absence explains any silence.
const LONG: Duration = Duration::from_millis(200);
/// Absences are remembered for so long whatever is under way: longer than anybody waits for an answer to ARP.
pub const KEPT: Duration = Duration::from_secs(2);
/// Absences kept; the oldest give way.
const MOST: usize = 256;

/// Who was away: a worker by its number, or management.
type Who = Option<usize>;

/// The latest absences.
#[derive(Debug)]
pub struct Absences {
    /// When management looked last.
    looked: Instant,
    spans: Vec<Absence>,
    /// How long somebody was away in all, and until when that is counted.
    total: Duration,
    counted: Instant,
}

#[derive(Debug)]
struct Absence {
    who: Who,
    from: Instant,
    until: Instant,
}

impl Absences {
    /// Management is here, and has been until now.
    pub fn new(now: Instant) -> Absences {
        Absences { looked: now, spans: Vec::new(), total: Duration::ZERO, counted: now }
    }

    /// Management looks. Unless something `waits`, it may have slept.
    pub fn look(&mut self, waits: bool, now: Instant) {
        self.note(None, self.looked, now);
        if waits {
            self.add(self.looked, now);
        }
        self.looked = self.looked.max(now);
    }

    /// A worker began its latest turn at `turned`.
    pub fn see_worker(&mut self, worker: usize, turned: Instant, now: Instant) {
        self.note(Some(worker), turned, now);
        self.add(turned, now);
    }

    /// How long somebody who carries probes was away in all, while something was waited for.
    pub fn total(&self) -> Duration {
        self.total
    }

    /// No probe under way was started before `started`.
    pub fn forget_before(&mut self, started: Instant, now: Instant) {
        self.spans.retain(|span| span.until > started || now.since(span.until) < KEPT);
    }

    /// Somebody who carries probes was away between the two instants, for longer than `timeout`, or than 200 ms: silence meant
    /// nothing.
    pub fn explain(&self, started: Instant, deadline: Instant, timeout: Duration) -> bool {
        let limit = timeout.clamp(LOOK, LONG);
        let long = |span: &&Absence| span.until - span.from > limit;
        self.spans.iter().filter(long).any(|span| span.from < deadline && span.until > started)
    }

    /// Two who are away together count once.
    fn add(&mut self, from: Instant, until: Instant) {
        if until.since(from) > LOOK {
            self.total += until.since(from.max(self.counted));
            self.counted = self.counted.max(until);
        }
    }

    /// For how long somebody who carries probes was away between the two instants.
    pub fn within(&self, from: Instant, until: Instant) -> Duration {
        let mut spans: Vec<(Instant, Instant)> = self
            .spans
            .iter()
            .map(|span| (span.from.max(from), span.until.min(until)))
            .filter(|(from, until)| from < until)
            .collect();
        spans.sort_unstable();
        let (mut sum, mut counted) = (Duration::ZERO, from);
        for (from, until) in spans {
            sum += until.since(from.max(counted));
            counted = counted.max(until);
        }
        sum
    }

    fn note(&mut self, who: Who, from: Instant, until: Instant) {
        if until.since(from) <= LOOK {
            return;
        }
        match self.spans.iter_mut().find(|span| (span.who, span.from) == (who, from)) {
            Some(span) => span.until = until,
            None => {
                if self.spans.len() == MOST {
                    self.spans.remove(0);
                }
                self.spans.push(Absence { who, from, until });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn an_absence_explains_the_silence_of_probes_it_overlaps_if_it_is_long_enough() {
        let mut absences = Absences::new(at(0));
        (0..20).for_each(|turn| absences.look(true, at(turn * 50)));
        assert!(!absences.explain(at(0), at(400), ms(400)), "looked all the time");
        absences.look(true, at(1_151));
        let rows = [
            ((700, 1_100), 400, true),
            ((1_150, 1_550), 400, true),
            ((1_151, 1_551), 400, false),
            ((500, 950), 450, false),
            ((940, 990), 50, true),
            ((900, 1_000), 100, true),
            ((900, 11_000), 10_000, true),
        ];
        for ((started, deadline), timeout, expected) in rows {
            let explained = absences.explain(at(started), at(deadline), ms(timeout));
            assert_eq!(explained, expected, "{started} to {deadline}");
        }
        let mut short = Absences::new(at(0));
        short.look(true, at(150));
        assert!(!short.explain(at(0), at(400), ms(400)), "most of the time was left");
        assert!(short.explain(at(0), at(100), ms(100)));
    }

    #[test]
    fn a_stalled_worker_is_away_from_its_last_turn_until_it_turns_again() {
        let mut absences = Absences::new(at(0));
        for now in (10..=1_000).step_by(10) {
            absences.look(true, at(now));
            absences.see_worker(0, at(now), at(now));
            absences.see_worker(1, at(now.min(600)), at(now));
        }
        assert!(!absences.explain(at(100), at(600), ms(500)));
        assert!(absences.explain(at(100), at(601), ms(501)));
        assert!(absences.explain(at(990), at(1_390), ms(400)));
        assert_eq!(absences.spans.len(), 1);
        absences.see_worker(1, at(1_009), at(1_010));
        assert!(!absences.explain(at(1_000), at(1_400), ms(400)));
        absences.forget_before(at(1_010), at(2_999));
        assert_eq!(absences.spans.len(), 1);
        absences.forget_before(at(1_010), at(3_000));
        assert_eq!(absences.spans.len(), 0);
    }

    #[test]
    fn the_time_somebody_was_away_is_counted_once_and_sleep_is_none_of_it() {
        let mut absences = Absences::new(at(0));
        absences.look(true, at(50));
        absences.look(false, at(5_000));
        assert_eq!(absences.total(), ms(0), "nothing was waited for");
        absences.look(true, at(5_300));
        for now in (5_310..=5_800).step_by(10) {
            absences.look(true, at(now));
            absences.see_worker(0, at(5_200), at(now));
            absences.see_worker(1, at(5_250), at(now));
        }
        absences.see_worker(0, at(5_809), at(5_810));
        assert_eq!(absences.total(), ms(800), "from 5.0 to 5.8 s");
    }

    #[test]
    fn absences_within_a_time_count_once_where_they_overlap() {
        let mut absences = Absences::new(at(0));
        absences.look(true, at(100));
        absences.see_worker(0, at(80), at(150));
        absences.see_worker(1, at(300), at(390));
        for (from, until, expected) in [(0, 1_000, 240), (90, 140, 50), (120, 340, 70), (150, 300, 0), (400, 500, 0)] {
            assert_eq!(absences.within(at(from), at(until)), ms(expected), "{from} to {until}");
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut absences = Absences::new(at(0));
        (1..1_000).for_each(|turn| absences.look(true, at(turn * 51)));
        assert_eq!(absences.spans.len(), MOST);
    }
}
