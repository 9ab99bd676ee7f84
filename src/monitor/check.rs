//! One monitor of one member: when it is asked next, and what its answers add up to.
//!
//! Owns the cadence (the first probes back to back, then exact intervals on a grid that chance has laid), the probe under way,
//! and the counts against `rise` and `fall`. Knows nothing of other checks: `schedule` adds them up.

use super::outcome::{Outcome, ProbeId};
use super::random::Random;
use crate::policy::health::State;
use crate::policy::intent::{MemberId, Monitor, MonitorId};
use crate::time::{Duration, Instant};

/// Hints do not make probes of one check follow each other closer than this: what a stranger can provoke is bounded.
pub const HINT_GAP: Duration = Duration::from_millis(50);
/// While its active member fails to answer, who may take over is asked this often.
pub const URGENT_INTERVAL: Duration = Duration::from_millis(100);
/// For so long a reason that tells something stands before silence, while failures last: a host that limits its ICMP errors
/// says "closed" to one probe and nothing to the next.
const TOLD: Duration = Duration::from_secs(60);

/// One monitor of one member, and what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// Who is asked.
    pub member: MemberId,
    /// By what.
    pub monitor: MonitorId,
    /// The same, as the file has it.
    pub spec: Monitor,
    /// `Unknown`, `Up` or `Down`.
    pub state: State,
    /// When the state became what it is.
    pub since: Instant,
    /// Good answers in a row.
    pub good: u32,
    /// Failures in a row.
    pub bad: u32,
    /// Probes started, in all.
    pub sent: u64,
    /// How many of them were answered well.
    pub ok: u64,
    /// How many of them failed.
    pub failed: u64,
    /// How many of them said nothing, because the appliance itself was away.
    pub inconclusive: u64,
    /// Round-trip time of the last good answer.
    pub last_rtt: Option<Duration>,
    /// When the last good answer came.
    pub last_good: Option<Instant>,
    /// When the first probe of the present row of failures was sent.
    pub failing_since: Option<Instant>,
    /// The last probe that has ended.
    pub ended: Option<ProbeId>,
    said: String,
    /// When a failure last said more than silence does.
    told: Option<Instant>,
    due: Instant,
    /// When the first probe may start.
    first: Instant,
    hinted: bool,
    /// The active member has missed an answer and this one may take over: it is asked every [`URGENT_INTERVAL`], and one good answer
    /// is enough.
    pub urgent: bool,
    last_start: Option<Instant>,
    under_way: Option<ProbeId>,
    /// When that was sent, or the last one; an operator's wish does not change it.
    sent_at: Instant,
}

impl Check {
    /// A check of which nothing is known. It asks at `first`, and again at once until `rise` good answers are together: so a
    /// restart costs round trips, not intervals. The grid of later probes begins somewhere in the first interval, so that
    /// many checks do not ask in step.
    pub fn new(member: MemberId, (id, spec): (MonitorId, &Monitor), random: &mut Random, first: Instant) -> Check {
        Check {
            member,
            monitor: id,
            spec: spec.clone(),
            state: State::Unknown,
            since: first,
            good: 0,
            bad: 0,
            sent: 0,
            ok: 0,
            failed: 0,
            inconclusive: 0,
            last_rtt: None,
            last_good: None,
            failing_since: None,
            ended: None,
            said: String::from("not probed yet"),
            told: None,
            due: first + jitter(spec.interval, random),
            first,
            hinted: false,
            urgent: false,
            last_start: None,
            under_way: None,
            sent_at: first,
        }
    }

    /// The monitor is written so now. What is known stays as long as the same is asked; a new cadence or new counts apply
    /// from the next probe on.
    pub fn follow(&mut self, spec: &Monitor, random: &mut Random, now: Instant) {
        if self.spec.kind != spec.kind {
            let Check { sent, ok, failed, inconclusive, .. } = *self;
            *self =
                Check { sent, ok, failed, inconclusive, ..Check::new(self.member, (self.monitor, spec), random, now) };
        } else if self.spec.interval != spec.interval {
            self.due = self.due.min(now + jitter(spec.interval, random));
        }
        self.spec = spec.clone();
    }

    /// The last probe failed and the one before did not.
    pub fn faltered(&self) -> bool {
        self.bad == 1 && self.last_good.is_some()
    }

    /// When the next probe starts; `None` while one is under way.
    pub fn next_start(&self) -> Option<Instant> {
        if self.under_way.is_some() {
            return None;
        }
        let after = |gap: Duration| self.last_start.map_or(Instant::ZERO, |start| start + gap.min(self.spec.interval));
        Some(match () {
            () if self.is_new() => self.first.min(self.due),
            () if self.hinted => after(HINT_GAP).min(self.due),
            () if self.urgent => after(URGENT_INTERVAL).min(self.due),
            () => self.due,
        })
    }

    /// Nothing is known yet, and nothing speaks against the member. The first failure ends it: from then on the interval
    /// counts, as for any failure.
    fn is_new(&self) -> bool {
        self.state == State::Unknown && self.bad == 0
    }

    /// The probe under way.
    pub fn under_way(&self) -> Option<ProbeId> {
        self.under_way
    }

    /// The probe is under way from `now`. The next falls on the grid of intervals; after a hint the grid starts over.
    pub fn start(&mut self, probe: ProbeId, now: Instant) {
        let interval = self.spec.interval.max(Duration::from_nanos(1));
        if now < self.due {
            // The first probes leave the grid where chance has put it.
            if !self.is_new() {
                self.due = now + interval;
            }
        } else {
            let late = now.since(self.due).as_nanos() / interval.as_nanos();
            let steps = u64::try_from(late).unwrap_or(u64::MAX).saturating_add(1);
            self.due += Duration::from_nanos(nanos(interval).saturating_mul(steps));
        }
        self.hinted = false;
        (self.last_start, self.sent_at) = (Some(now), now);
        self.under_way = Some(probe);
        self.sent += 1;
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

    /// The probe under way ended. An answer later than the timeout is none. What decides nothing is asked again at once.
    pub fn record(&mut self, outcome: Outcome, now: Instant) {
        let probe = self.under_way.take();
        if outcome == Outcome::Inconclusive {
            self.inconclusive += 1;
            return self.hint();
        }
        self.ended = probe;
        let before = self.state;
        match outcome {
            Outcome::Good { rtt, detail } if rtt <= self.spec.timeout => self.succeed(rtt, detail, now),
            Outcome::Good { .. } | Outcome::Timeout => self.stay_silent(now),
            Outcome::Inconclusive => {}
            Outcome::Failed { reason } => {
                self.told = Some(now);
                self.fail(reason);
            }
        }
        if self.state != before {
            self.since = now;
        }
    }

    fn succeed(&mut self, rtt: Duration, detail: String, now: Instant) {
        (self.good, self.bad) = (self.good.saturating_add(1), 0);
        self.ok += 1;
        (self.said, self.told) = (detail, None);
        (self.last_rtt, self.last_good, self.failing_since) = (Some(rtt), Some(now), None);
        if self.good >= self.spec.rise || self.urgent {
            self.state = State::Up;
        }
    }

    fn stay_silent(&mut self, now: Instant) {
        self.told = self.told.filter(|&told| now.since(told) < TOLD);
        let reason = match self.told {
            Some(_) => self.said.clone(),
            None => format!("no answer in {:?}", self.spec.timeout),
        };
        self.fail(reason);
    }

    fn fail(&mut self, reason: String) {
        (self.good, self.bad) = (0, self.bad.saturating_add(1));
        self.failing_since = self.failing_since.or(Some(self.sent_at));
        self.failed += 1;
        self.said = reason;
        if self.bad >= self.spec.fall {
            self.state = State::Down;
        }
    }

    /// What the last probe brought, and how many such in a row while that does not decide yet.
    pub fn reason(&self) -> String {
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
