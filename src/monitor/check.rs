//! One monitor of one member: when it is asked next, and what its answers add up to.
//!
//! Owns the cadence (a jittered start, then exact intervals), the probe under way, and the counts against `rise` and
//! `fall`. Knows nothing of other checks: [`super::schedule`] adds them up.

use super::random::Random;
use super::{Outcome, ProbeId, ProbeRow};
use crate::policy::health::State;
use crate::policy::intent::{MemberId, Monitor, MonitorId};
use crate::time::{Duration, Instant};

/// Hints do not make probes of one check follow each other closer than this: what a stranger can provoke is bounded.
pub const HINT_GAP: Duration = Duration::from_millis(50);

/// One monitor of one member.
#[derive(Clone, Debug)]
pub struct Check {
    pub member: MemberId,
    pub monitor: MonitorId,
    spec: Monitor,
    due: Instant,
    hinted: bool,
    last_start: Option<Instant>,
    under_way: Option<(ProbeId, Instant)>,
    state: State,
    good: u32,
    bad: u32,
    said: String,
    last_rtt: Option<Duration>,
    last_good: Option<Instant>,
}

impl Check {
    /// A check of which nothing is known; its first probe falls somewhere in the first interval, so that many checks
    /// do not ask in step.
    pub fn new(member: MemberId, (id, monitor): (MonitorId, &Monitor), random: &mut Random, now: Instant) -> Check {
        Check {
            member,
            monitor: id,
            spec: monitor.clone(),
            due: now + jitter(monitor.interval, random),
            hinted: false,
            last_start: None,
            under_way: None,
            state: State::Unknown,
            good: 0,
            bad: 0,
            said: String::from("not probed yet"),
            last_rtt: None,
            last_good: None,
        }
    }

    /// The monitor is written so now. What is known stays as long as the same is asked; a new cadence or new counts apply
    /// from the next probe on.
    pub fn follow(&mut self, spec: &Monitor, random: &mut Random, now: Instant) {
        if self.spec.kind != spec.kind {
            *self = Check::new(self.member, (self.monitor, spec), random, now);
        } else if self.spec.interval != spec.interval {
            self.due = self.due.min(now + jitter(spec.interval, random));
        }
        self.spec = spec.clone();
    }

    /// What is known.
    pub fn state(&self) -> State {
        self.state
    }

    /// The last probe failed and the one before did not.
    pub fn faltered(&self) -> bool {
        self.bad == 1 && self.last_good.is_some()
    }

    /// When a good answer last came.
    pub fn last_good(&self) -> Option<Instant> {
        self.last_good
    }

    /// When something is to be done: the next start, or the end of patience with the probe under way.
    pub fn next_due(&self) -> Instant {
        match self.under_way {
            Some((_, started)) => started + self.spec.timeout,
            None => self.next_start(),
        }
    }

    /// The probe under way, if its time is up at `now`.
    pub fn overdue(&self, now: Instant) -> Option<ProbeId> {
        self.under_way.filter(|&(_, started)| started + self.spec.timeout <= now).map(|(probe, _)| probe)
    }

    /// `probe` is the one under way.
    pub fn awaits(&self, probe: ProbeId) -> bool {
        self.under_way.is_some_and(|(under_way, _)| under_way == probe)
    }

    /// A probe is due at `now` and none is under way.
    pub fn may_start(&self, now: Instant) -> bool {
        self.under_way.is_none() && self.next_start() <= now
    }

    /// The probe is under way from `now`. The next falls on the grid of intervals; after a hint the grid begins anew.
    pub fn start(&mut self, probe: ProbeId, now: Instant) {
        let interval = self.spec.interval.max(Duration::from_nanos(1));
        if self.hinted && now < self.due {
            self.due = now + interval;
        } else {
            let late = now.since(self.due).as_nanos() / interval.as_nanos();
            let steps = u64::try_from(late).unwrap_or(u64::MAX).saturating_add(1);
            self.due += Duration::from_nanos(nanos(interval).saturating_mul(steps));
        }
        self.hinted = false;
        self.last_start = Some(now);
        self.under_way = Some((probe, now));
    }

    /// Something says that the next answer may differ: the next probe starts at once, or as soon as the one under way
    /// has ended. Several hints make one probe.
    pub fn hint(&mut self) {
        self.hinted = true;
    }

    /// The operator wants a probe now.
    pub fn ask_now(&mut self) {
        self.hinted = true;
        self.last_start = None;
    }

    /// The probe under way ended. An answer later than the timeout is none.
    pub fn record(&mut self, outcome: Outcome, now: Instant) {
        self.under_way = None;
        match outcome {
            Outcome::Good { rtt, detail } if rtt <= self.spec.timeout => self.succeed(rtt, detail, now),
            Outcome::Good { .. } | Outcome::Timeout => self.fail(format!("no answer in {:?}", self.spec.timeout)),
            Outcome::Failed { reason } => self.fail(reason),
        }
    }

    /// Its row for an operator.
    pub fn row(&self) -> ProbeRow {
        ProbeRow {
            monitor: self.monitor,
            state: self.state,
            last_rtt: self.last_rtt,
            reason: self.said_and_counted(),
            good: self.good,
            bad: self.bad,
            last_good: self.last_good,
        }
    }

    /// The monitor's name and what the last probe brought.
    pub fn sentence(&self) -> String {
        format!("{}: {}", self.spec.name, self.said_and_counted())
    }

    fn next_start(&self) -> Instant {
        if !self.hinted {
            return self.due;
        }
        let earliest = self.last_start.map_or(Instant::ZERO, |start| start + HINT_GAP.min(self.spec.interval));
        earliest.min(self.due)
    }

    fn succeed(&mut self, rtt: Duration, detail: String, now: Instant) {
        self.good = self.good.saturating_add(1);
        self.bad = 0;
        self.said = detail;
        self.last_rtt = Some(rtt);
        self.last_good = Some(now);
        if self.good >= self.spec.rise {
            self.state = State::Up;
        }
    }

    fn fail(&mut self, reason: String) {
        self.bad = self.bad.saturating_add(1);
        self.good = 0;
        self.said = reason;
        if self.bad >= self.spec.fall {
            self.state = State::Down;
        }
    }

    fn said_and_counted(&self) -> String {
        let Monitor { rise, fall, .. } = self.spec;
        if self.bad > 0 {
            format!("{} ({} of {fall})", self.said, self.bad.min(fall))
        } else if self.good > 0 && self.state != State::Up {
            format!("{} ({} of {rise})", self.said, self.good.min(rise))
        } else {
            self.said.clone()
        }
    }
}

fn jitter(interval: Duration, random: &mut Random) -> Duration {
    Duration::from_nanos(random.below(nanos(interval)))
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
