//! All monitors of all members: when each is asked, and what the answers add up to.
//!
//! Owns one [`Check`] for each member and monitor, and each member's [`Verdict`]. Never sends, waits or reads a clock: the
//! caller takes probes from [`Monitors::poll`], carries them, and brings the outcome of each back, silence included. After a
//! failure the next probe keeps the interval; only a hint makes one come sooner, and a member's first failure is a hint about
//! the others of its pool. While an active member fails to answer, those who may take over from it are asked ten times a
//! second; and if one of them is up, the verdict about the active one is hastened as well. Read first: [`super::check`].

use super::check::{Check, Role};
use super::due::Due;
use super::outcome::{Outcome, ProbeId, Start, Verdict};
use super::random::Random;
use crate::policy::Intent;
use crate::policy::health::State;
use crate::policy::intent::{MemberId, PoolId, Says};
use crate::time::{Duration, Instant};
use std::collections::BTreeMap;

/// New checks start so far from each other: thousands at once would crowd the link and the mail.
const SPACING: Duration = Duration::from_micros(50);
/// With so many probes under way no check has more than one: when thousands of members are lost together, those that live must
/// still find a source port.
const CROWD: usize = 4_096;

/// All monitors of all members.
#[derive(Debug)]
pub struct Monitors {
    checks: Due,
    members: BTreeMap<MemberId, Sum>,
    pools: BTreeMap<PoolId, Vec<MemberId>>,
    /// The active members, and who may take over from each.
    active: BTreeMap<PoolId, (Vec<MemberId>, Vec<MemberId>)>,
    /// Of whom something has become known.
    news: Vec<MemberId>,
    random: Random,
    next_probe: u64,
}

/// What a member's checks must come to, and what they came to.
#[derive(Debug)]
struct Sum {
    pool: PoolId,
    require: usize,
    verdict: Verdict,
}

impl Monitors {
    /// Nothing is known yet, and everybody is asked at once. The grids of later probes are spread by `seed`.
    pub fn new(intent: &Intent, seed: u64, now: Instant) -> Monitors {
        let mut monitors = Monitors {
            checks: Due::default(),
            members: BTreeMap::new(),
            pools: BTreeMap::new(),
            active: BTreeMap::new(),
            news: Vec::new(),
            random: Random::new(seed),
            next_probe: 1,
        };
        monitors.reconfigure(intent, now);
        monitors
    }

    /// Takes a new intent. What is known of a member stays with each monitor that asks it the same question.
    pub fn reconfigure(&mut self, intent: &Intent, now: Instant) {
        let mut first = now;
        let mut known: BTreeMap<_, _> =
            self.checks.take().map(|check| ((check.member, check.monitor), check)).collect();
        let mut checks = Vec::new();
        for pool in intent.pools.iter() {
            for (member, monitor) in pool.members.iter().flat_map(|at| pool.monitors.iter().map(move |to| (*at, *to))) {
                let spec = &intent.monitors[monitor];
                let old = known.remove(&(member, monitor));
                let mut check = old.unwrap_or_else(|| {
                    let start = first;
                    first += SPACING;
                    Check::new(member, (monitor, spec), &mut self.random, start)
                });
                check.follow(spec, &mut self.random, now);
                checks.push(check);
            }
        }
        self.checks = Due::new(checks);
        self.pools = intent.pools.entries().map(|(id, pool)| (id, pool.members.clone())).collect();
        self.active.retain(|id, _| intent.pools.contains(*id));
        self.members.retain(|id, _| intent.members.contains(*id));
        for (id, meant) in intent.members.entries() {
            let sum =
                self.members.entry(id).or_insert_with(|| Sum { pool: meant.pool, require: 1, verdict: unknown(now) });
            (sum.pool, sum.require) = (meant.pool, intent.pools[meant.pool].require);
            self.add_up(id, now);
        }
        let pools: Vec<PoolId> = self.pools.keys().copied().collect();
        pools.into_iter().for_each(|pool| self.update_roles(pool));
    }

    /// The next probe to be started at `now`; to be called until `None`. Draws the verdicts that time alone brings.
    pub fn poll(&mut self, now: Instant) -> Option<Start> {
        while let Some((_, at)) = self.checks.first().filter(|(due, _)| *due <= now) {
            let (member, is_down) = self.checks.change(at, |check, away| (check.member, check.decide(away, now)));
            if is_down {
                self.on_change(member, now);
            }
            let probe = ProbeId(self.next_probe);
            let is_crowded = self.checks.count_under_way() >= CROWD;
            let started = self.checks.change(at, |check, _| match check.next_start() {
                Some(due) if due > now => None,
                None => None,
                Some(_) if is_crowded && check.is_waiting() => {
                    check.put_off(now);
                    None
                }
                Some(_) => {
                    check.start(probe, now);
                    Some(Start { probe, member, monitor: check.monitor })
                }
            });
            if started.is_some() {
                self.next_probe += 1;
                return started;
            }
        }
        None
    }

    /// When [`poll`](Monitors::poll) will have something, or a verdict falls. May lie in the past.
    pub fn next_due(&self) -> Option<Instant> {
        self.checks.first().map(|(due, _)| due)
    }

    /// Members of whom something has become known since this was last asked: by an outcome that was not like the one before, or by
    /// time alone.
    pub fn take_news(&mut self) -> Vec<MemberId> {
        std::mem::take(&mut self.news)
    }

    /// The appliance itself has been away for so long since the start: a time in which no member's silence counts.
    pub fn set_away(&mut self, away: Duration) {
        self.checks.set_away(away);
    }

    /// A probe ended; returns whose it was. Late and unknown ones are ignored (scenario 34).
    pub fn on_outcome(&mut self, probe: ProbeId, outcome: Outcome, now: Instant) -> Option<MemberId> {
        let at = self.checks.awaiting(probe)?;
        let (member, is_news, faltered) = self.checks.change(at, |check, away| {
            let is_news = check.record(probe, outcome, away, now);
            (check.member, is_news, check.faltered())
        });
        if faltered {
            self.ask_companions(member);
        }
        if is_news {
            self.on_change(member, now);
        }
        Some(member)
    }

    /// Something is known of a member: its verdict follows, and what the others of its pool are in it.
    fn on_change(&mut self, member: MemberId, now: Instant) {
        self.news.push(member);
        self.add_up(member, now);
        if let Some(pool) = self.members.get(&member).map(|sum| sum.pool) {
            self.update_roles(pool);
        }
    }

    /// Something on the wire says the member's state may have changed: each of its monitors asks at once. Decides
    /// nothing by itself.
    pub fn hint(&mut self, member: MemberId) {
        self.checks.change_of(member, Check::hint);
    }

    /// The operator wants the member probed: as a hint, but without a least distance to the probe before. Returns the
    /// first probe that is for him.
    pub fn probe_now(&mut self, member: MemberId) -> ProbeId {
        self.checks.change_of(member, Check::ask_now);
        ProbeId(self.next_probe)
    }

    /// Each monitor of the member has got an answer to `first` or a later probe, or to a silence.
    pub fn have_probed(&self, member: MemberId, first: ProbeId) -> bool {
        self.checks(member).all(|check| check.ended.is_some_and(|ended| ended >= first))
    }

    /// In this pool these are the active members from now on, and `candidates` may take over. Of several, each may for each other.
    pub fn watch_active(
        &mut self,
        pool: PoolId,
        active: impl IntoIterator<Item = MemberId>,
        candidates: Vec<MemberId>,
    ) {
        let active: Vec<MemberId> = active.into_iter().collect();
        match active.is_empty() {
            false => self.active.insert(pool, (active, candidates)),
            true => self.active.remove(&pool),
        };
        self.update_roles(pool);
    }

    /// Who may take over is a candidate from the first answer that the active member misses until it answers again, or another is
    /// chosen.
    fn update_roles(&mut self, pool: PoolId) {
        let active = self.active.get(&pool);
        let fails = |member: &MemberId| self.checks(*member).any(|check| check.bad > 0);
        let misses = active.is_some_and(|(active, _)| active.iter().any(fails));
        let is_up = |member: &&MemberId| self.members.get(member).is_some_and(|sum| sum.verdict.state == State::Up);
        let up = active.map_or(0, |(active, candidates)| active.iter().chain(candidates).filter(is_up).count());
        let others = |member: &MemberId| up - usize::from(is_up(&member));
        let role = |member: &MemberId| match active {
            Some((active, _)) if active.contains(member) && others(member) > 0 => Role::Replaceable,
            Some((active, _)) if active.contains(member) => Role::Active,
            Some((_, candidates)) if misses && candidates.contains(member) => Role::Candidate,
            _ => Role::Standby,
        };
        let members = self.pools.get(&pool).into_iter().flatten();
        let changed: Vec<(MemberId, Role)> = members
            .map(|member| (*member, role(member)))
            .filter(|(member, role)| self.checks(*member).any(|check| check.role() != *role))
            .collect();
        changed.into_iter().for_each(|(member, role)| self.checks.change_of(member, |check| check.set_role(role)));
    }

    /// The number of the next probe to be started.
    pub fn next_probe(&self) -> ProbeId {
        ProbeId(self.next_probe)
    }

    /// Each monitor of the member has failed often enough for it to be down, now or when its patience is at its end.
    pub fn has_failed(&self, member: MemberId) -> bool {
        self.checks(member).all(Check::has_failed)
    }

    /// Each monitor of the member has got an answer to `first` or a later probe, and enough of them good ones: it lives.
    pub fn answers_since(&self, member: MemberId, first: ProbeId) -> bool {
        let good = self.checks(member).filter(|check| check.answers_since(first)).count();
        let require =
            self.members.get(&member).map_or(1, |sum| sum.require.clamp(1, self.checks(member).count().max(1)));
        self.have_probed(member, first) && good >= require
    }

    /// Somebody waits for what this probe comes to.
    pub fn is_under_way(&self, probe: ProbeId) -> bool {
        self.checks.awaiting(probe).is_some()
    }

    /// What the probes say of a member.
    pub fn verdict(&self, member: MemberId) -> &Verdict {
        static STRANGER: Verdict =
            Verdict { state: State::Unknown, reason: String::new(), since: Instant::ZERO, says: Says::Nothing };
        self.members.get(&member).map_or(&STRANGER, |sum| &sum.verdict)
    }

    /// Of a member that is down, the monitor whose failure made it so: of those that are down, the first beyond what the pool can
    /// do without, by their last good answers. `None`: the member is not down.
    pub fn deciding(&self, member: MemberId) -> Option<&Check> {
        let sum = self.members.get(&member).filter(|sum| sum.verdict.state == State::Down)?;
        let count = self.checks(member).count();
        let mut down: Vec<&Check> = self.checks(member).filter(|check| check.state == State::Down).collect();
        down.sort_by_key(|check| check.last_good);
        down.get(count - sum.require.clamp(1, count.max(1))).copied()
    }

    /// Probes of all monitors that decided nothing, by a fault of the appliance's own.
    pub fn inconclusive(&self) -> u64 {
        self.checks.all().map(|check| check.inconclusive).sum()
    }

    /// Its monitors.
    pub fn checks(&self, member: MemberId) -> impl Iterator<Item = &Check> {
        self.checks.of(member)
    }

    /// A member that answered until now did not: the others of its pool are asked at once, so that who takes over is
    /// known by the time the failure is confirmed.
    fn ask_companions(&mut self, member: MemberId) {
        let pool = self.members.get(&member).map(|sum| sum.pool);
        let of_pool = pool.and_then(|pool| self.pools.get(&pool)).into_iter().flatten();
        of_pool.filter(|other| **other != member).for_each(|other| self.checks.change_of(*other, Check::hint));
    }

    /// Draws the member's verdict from its checks.
    fn add_up(&mut self, member: MemberId, now: Instant) {
        let Some(sum) = self.members.get(&member) else { return };
        let checks: Vec<&Check> = self.checks(member).collect();
        let (state, reason) = judge(&checks, sum.require);
        let says = if state == State::Up { role_of(&checks) } else { Says::Nothing };
        if let Some(Sum { verdict, .. }) = self.members.get_mut(&member) {
            let since = if verdict.state == state { verdict.since } else { now };
            *verdict = Verdict { state, reason, since, says };
        }
    }
}

/// The state of a member of which `require` checks must be good, and the words for it.
fn judge(checks: &[&Check], require: usize) -> (State, String) {
    if checks.is_empty() {
        return (State::Unknown, String::from("has no monitor"));
    }
    let require = require.clamp(1, checks.len());
    let count = |state| checks.iter().filter(|check| check.state == state).count();
    let (up, unknown) = (count(State::Up), count(State::Unknown));
    let state = match () {
        () if up >= require => State::Up,
        () if up + unknown < require => State::Down,
        () => State::Unknown,
    };
    let decides = |check: &&&Check| match state {
        State::Up => true,
        State::Down => check.state == State::Down,
        _ => check.state != State::Up,
    };
    let mut reason = checks
        .iter()
        .filter(decides)
        .map(|check| format!("{}: {}", check.spec.name, check.reason()))
        .collect::<Vec<_>>()
        .join("; ");
    if state == State::Down && checks.len() > 1 {
        reason += &format!("; {up} of {} monitors good, {require} required", checks.len());
    }
    (state, reason)
}

/// What its monitors hear of its role, if they do not contradict each other.
fn role_of(checks: &[&Check]) -> Says {
    let mut heard = checks.iter().filter(|check| check.state == State::Up).map(|check| check.says);
    let first = heard.find(|says| *says != Says::Nothing).unwrap_or_default();
    if heard.any(|says| says != Says::Nothing && says != first) { Says::Nothing } else { first }
}

fn unknown(now: Instant) -> Verdict {
    Verdict { state: State::Unknown, reason: String::from("not probed yet"), since: now, says: Says::Nothing }
}
