//! One monitor of one member: when it is asked next, and what its answers add up to.
//!
//! Owns the cadence (the first probes back to back, then exact intervals on a grid that chance has laid; quicker as the member's
//! [`Role`] allows), the probes under way, and when `rise` and `fall` are reached. Knows nothing of other checks: `schedule` adds
//! them up, and says the role.

use super::history::History;
use super::outcome::{Outcome, ProbeId, Said};
use super::random::Random;
use crate::policy::health::State;
use crate::policy::intent::{MemberId, Monitor, MonitorId, MonitorKind, Says};
use crate::time::{Duration, Instant};

/// Hints do not make probes of one check follow each other closer than this: what a stranger can provoke is bounded.
pub const HINT_GAP: Duration = Duration::from_millis(50);
/// While its active member fails to answer, who may take over is asked this often. So is the active one, from the first answer that
/// is overdue, if another answers.
pub const URGENT_INTERVAL: Duration = Duration::from_millis(100);
/// From one probe of a burst to the next.
const BURST_GAP: Duration = Duration::from_millis(20);
/// Probes of one check under way at once; with a timeout of more than 3.2 s they follow each other less closely.
const MOST: usize = 32;
/// For so long a reason that tells something stands before silence, while failures last: a host that limits its ICMP errors
/// says "closed" to one probe and nothing to the next.
const TOLD: Duration = Duration::from_secs(60);

/// What the member is in its pool now, as far as the check depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// None that would hasten anything.
    #[default]
    Standby,
    /// The active member has missed an answer and this one may take over: it is asked every [`URGENT_INTERVAL`], whether or not it has
    /// answered before, and one good answer is enough.
    Candidate,
    /// It is active, and no member is up that may take over: it is down when `fall` intervals have passed without a good answer.
    Active,
    /// It is active, and another member is up that may take over. It is asked three times as often, so that a pause begins
    /// soon after a good answer. At the first sign against it a burst of probes follows. It is down when its patience is at its end.
    Replaceable,
}

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
    /// How many of them said nothing, by a fault of the appliance's own.
    pub inconclusive: u64,
    /// Round-trip time of the last good answer.
    pub last_rtt: Option<Duration>,
    /// When the last good answer came.
    pub last_good: Option<Instant>,
    /// When the first probe of the present row of failures was sent.
    pub failing_since: Option<Instant>,
    /// What the latest probes came to.
    pub history: History,
    /// The last probe that has ended.
    pub ended: Option<ProbeId>,
    /// What the member says of its role.
    pub says: Says,
    /// What it has said otherwise since, and how often in a row.
    contrary: (Says, u32),
    /// Probes that are still to be started in quick succession, to see whether it says so again.
    confirms: u32,
    said: String,
    /// When a failure last said more than silence does.
    told: Option<Instant>,
    due: Instant,
    /// When the first probe may start.
    first: Instant,
    hinted: bool,
    role: Role,
    /// Probes of a burst that are still to be started.
    burst: u32,
    /// When the last probe was started, or put off.
    last_start: Option<Instant>,
    /// The latest probe that was answered well.
    answered: Option<ProbeId>,
    /// How long the appliance had been away in all when the last good answer came.
    away: Duration,
    /// Each with its start, oldest first.
    under_way: Vec<(ProbeId, Instant)>,
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
            history: History::default(),
            ended: None,
            says: Says::Nothing,
            contrary: (Says::Nothing, 0),
            confirms: 0,
            said: String::from("not probed yet"),
            told: None,
            due: first + jitter(spec.interval, random),
            first,
            hinted: false,
            role: Role::Standby,
            burst: 0,
            last_start: None,
            answered: None,
            away: Duration::ZERO,
            under_way: Vec::new(),
        }
    }

    /// The monitor is written so now. What is known stays as long as the same is asked; a new cadence or new counts apply
    /// from the next probe on.
    pub fn follow(&mut self, spec: &Monitor, random: &mut Random, now: Instant) {
        if !self.spec.asks_the_same(spec) {
            let Check { sent, ok, failed, inconclusive, .. } = *self;
            *self =
                Check { sent, ok, failed, inconclusive, ..Check::new(self.member, (self.monitor, spec), random, now) };
        } else if self.spec.interval != spec.interval {
            self.due = self.due.min(now + jitter(spec.interval, random));
        }
        self.spec = spec.clone();
    }

    /// The last probe failed and the one before did not, or the member says for the first time that its role is another.
    pub fn faltered(&self) -> bool {
        (self.bad == 1 && self.last_good.is_some()) || self.contrary.1 == 1
    }

    /// The member is this in its pool from now on.
    pub fn set_role(&mut self, role: Role) {
        if role == Role::Replaceable && self.role != role && self.bad > 0 {
            self.burst = self.spec.fall;
        }
        self.role = role;
    }

    /// What the member is in its pool.
    pub fn role(&self) -> Role {
        self.role
    }

    /// When the next probe starts; `None` while one must end before.
    pub fn next_start(&self) -> Option<Instant> {
        let after = |gap: Duration| self.last_start.map_or(Instant::ZERO, |start| start + gap.min(self.spec.interval));
        match (self.under_way.len(), self.pace()) {
            (1.., _) if self.is_program() => None,
            (0, _) if self.is_new() => Some(self.first.min(self.due)),
            (0, pace) => Some(pace.map_or(self.due, |gap| after(gap).min(self.due))),
            (1..MOST, pace) => pace.map(after),
            _ => None,
        }
    }

    /// How long after the last probe the next one starts; `None`: by the interval, and not before the last has ended.
    fn pace(&self) -> Option<Duration> {
        if self.is_program() {
            return self.hinted.then_some(self.spec.interval / 3);
        }
        let (hint, waits) = (self.hinted.then_some(HINT_GAP), self.is_waiting());
        if self.confirms > 0 {
            return Some(BURST_GAP);
        }
        let urgent = URGENT_INTERVAL.max(self.spec.timeout / MOST as u32);
        match self.role {
            Role::Standby | Role::Active => hint.filter(|_| !waits),
            Role::Candidate => hint.or(Some(urgent)),
            Role::Replaceable if self.hinted => hint,
            Role::Replaceable if self.burst > 0 => Some(BURST_GAP),
            Role::Replaceable if self.bad > 0 => Some(urgent),
            Role::Replaceable if waits => Some(urgent.max(2 * self.last_rtt.unwrap_or_default())),
            Role::Replaceable => Some(self.spec.interval / 3),
        }
    }

    /// A program asks, which costs more than a packet: by the interval and one at a time, whatever the role. What hints at the member
    /// brings the next run forward.
    fn is_program(&self) -> bool {
        matches!(self.spec.kind, MonitorKind::External(_))
    }

    /// Nothing is known yet, and nothing speaks against the member. The first failure ends it: from then on the interval
    /// counts, as for any failure.
    fn is_new(&self) -> bool {
        self.state == State::Unknown && self.bad == 0
    }

    /// The probes under way.
    pub fn under_way(&self) -> impl Iterator<Item = ProbeId> {
        self.under_way.iter().map(|(probe, _)| *probe)
    }

    /// A probe is under way, and the next would be another beside it.
    pub fn is_waiting(&self) -> bool {
        !self.under_way.is_empty()
    }

    /// The probe that is due at `now` is not started, because very many are under way: it is as if it had been.
    pub fn put_off(&mut self, now: Instant) {
        (self.hinted, self.last_start) = (false, Some(now));
        (self.burst, self.confirms) = (self.burst.saturating_sub(1), self.confirms.saturating_sub(1));
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
        // An answer is overdue: this is the second probe of a burst.
        if self.under_way.len() == 1 && self.bad == 0 && self.burst == 0 && self.role == Role::Replaceable {
            self.burst = self.spec.fall - 1;
        }
        (self.burst, self.confirms) = (self.burst.saturating_sub(1), self.confirms.saturating_sub(1));
        self.hinted = false;
        self.last_start = Some(now);
        self.under_way.push((probe, now));
        self.sent += 1;
    }

    /// Something says that the next answer may differ: the next probe starts at once, or as soon as the one under way
    /// has ended. Several hints make one probe, or one burst if another member could take over.
    pub fn hint(&mut self) {
        self.hinted = true;
        if self.role == Role::Replaceable {
            self.burst = self.spec.fall;
        }
    }

    /// The operator wants a probe now.
    pub fn ask_now(&mut self) {
        self.hinted = true;
        self.last_start = None;
    }

    /// A probe under way ended at `now`; the appliance had been `away` for so long in all. An answer later than the timeout is none.
    /// What decides nothing is asked again at once, a program when it is due. Says whether it may change anything for the member or
    /// its pool: the same good answer once more, from one that is up, does not.
    pub fn record(&mut self, probe: ProbeId, outcome: Outcome, away: Duration, now: Instant) -> bool {
        let Some(at) = self.under_way.iter().position(|(under_way, _)| *under_way == probe) else { return false };
        let (_, started) = self.under_way.remove(at);
        self.history.keep(&outcome, self.spec.timeout, now);
        if matches!(outcome, Outcome::Inconclusive { .. }) {
            self.inconclusive += 1;
            match self.is_program() {
                true => self.first = self.due,
                false => self.hint(),
            }
            return true;
        }
        self.ended = self.ended.max(Some(probe));
        // One that was started later was answered well: this says nothing of now.
        let is_old = self.answered > Some(probe);
        match outcome {
            Outcome::Good { rtt, at, detail } if rtt <= self.spec.timeout => {
                self.answered = self.answered.max(Some(probe));
                self.away = away;
                return self.succeed((rtt, at.min(now)), detail, now);
            }
            Outcome::Inconclusive { .. } => {}
            _ if is_old => self.failed += 1,
            Outcome::Good { .. } | Outcome::Timeout => self.stay_silent(started, now),
            Outcome::Failed { reason } => {
                self.told = Some(now);
                self.fail(reason, started);
            }
        }
        self.decide(away, now);
        true
    }

    fn succeed(&mut self, (rtt, at): (Duration, Instant), said: Said, now: Instant) -> bool {
        let is_known = said.role == self.says && self.contrary.1 == 0 && said.words == self.said;
        let is_news = self.state != State::Up || self.bad > 0 || !is_known;
        self.on_role(said.role);
        (self.good, self.bad, self.burst) = (self.good.saturating_add(1), 0, 0);
        self.ok += 1;
        (self.said, self.told) = (said.words, None);
        (self.last_rtt, self.last_good, self.failing_since) = (Some(rtt), self.last_good.max(Some(at)), None);
        if self.state != State::Up && (self.good >= self.spec.rise || self.role == Role::Candidate) {
            (self.state, self.since) = (State::Up, now);
        }
        is_news
    }

    /// What the member says of its role counts at once while it is not up, else after `rise` answers in a row.
    fn on_role(&mut self, heard: Says) {
        if heard == self.says {
            (self.contrary, self.confirms) = ((heard, 0), 0);
            return;
        }
        let times = if self.contrary.0 == heard { self.contrary.1 + 1 } else { 1 };
        if self.state != State::Up || times >= self.spec.rise {
            (self.says, self.contrary, self.confirms) = (heard, (heard, 0), 0);
        } else {
            (self.contrary, self.confirms) = ((heard, times), self.spec.rise - times);
        }
    }

    /// When the member is down by this check if no good answer comes before; `None`: too few have failed, or it is down. `away` as in
    /// [`Check::record`]: while the appliance was away, nobody lost patience.
    pub fn verdict_due(&self, away: Duration) -> Option<Instant> {
        if self.state == State::Down || self.bad < self.spec.fall {
            return None;
        }
        let patient = self.last_good.map(|at| at + self.spec.patience + away.saturating_sub(self.away));
        let intervals = self.failing_since.map(|at| at + self.spec.interval * (self.spec.fall - 1));
        match self.role {
            Role::Standby | Role::Candidate => Some(Instant::ZERO),
            Role::Active => Some(patient.max(intervals).unwrap_or_default()),
            Role::Replaceable => Some(patient.unwrap_or_default()),
        }
    }

    /// `first` or a later probe was answered well, and none has failed since.
    pub fn answers_since(&self, first: ProbeId) -> bool {
        self.bad == 0 && self.answered >= Some(first)
    }

    /// Enough probes have failed for the member to be down, now or when it is due.
    pub fn has_failed(&self) -> bool {
        self.bad >= self.spec.fall
    }

    /// The member is down from now on if that is due. Says whether it is.
    pub fn decide(&mut self, away: Duration, now: Instant) -> bool {
        let is_due = self.verdict_due(away).is_some_and(|due| due <= now);
        if is_due {
            (self.state, self.since) = (State::Down, now);
        }
        is_due
    }

    fn stay_silent(&mut self, started: Instant, now: Instant) {
        self.told = self.told.filter(|&told| now.since(told) < TOLD);
        let reason = match self.told {
            Some(_) => self.said.clone(),
            None => format!("no answer in {:?}", self.spec.timeout),
        };
        self.fail(reason, started);
    }

    fn fail(&mut self, reason: String, started: Instant) {
        // The first sign against it, unless one has come before.
        if self.bad == 0 && self.burst == 0 && self.role == Role::Replaceable {
            self.burst = self.spec.fall - 1;
        }
        (self.good, self.bad) = (0, self.bad.saturating_add(1));
        (self.contrary, self.confirms) = ((self.says, 0), 0);
        self.failing_since = Some(self.failing_since.map_or(started, |first| first.min(started)));
        self.failed += 1;
        self.said = reason;
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
