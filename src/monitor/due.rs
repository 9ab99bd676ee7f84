//! All checks, found by what is asked about them: whose they are, which probes are under way, when the next probe or verdict is due.
//!
//! Owns these three ways to find a check, each in logarithmic time. Every change of a check goes through [`Due::change`], so
//! that none of the ways can be left behind.

use super::check::Check;
use super::outcome::ProbeId;
use crate::policy::intent::MemberId;
use crate::time::{Duration, Instant};
use std::collections::{BTreeMap, BTreeSet};

/// The checks, in the order of the file.
#[derive(Debug, Default)]
pub struct Due {
    checks: Vec<Placed>,
    of_member: BTreeMap<MemberId, Vec<usize>>,
    under_way: BTreeMap<ProbeId, usize>,
    due: BTreeSet<(Instant, usize)>,
    away: Duration,
}

/// A check, and where it stands in the other lists.
#[derive(Debug)]
struct Placed {
    check: Check,
    probes: Vec<ProbeId>,
    next: Option<Instant>,
}

impl Due {
    /// These checks and no others.
    pub fn new(checks: impl IntoIterator<Item = Check>) -> Due {
        let mut due = Due::default();
        for (at, check) in checks.into_iter().enumerate() {
            due.of_member.entry(check.member).or_default().push(at);
            due.checks.push(Placed { check, probes: Vec::new(), next: None });
            due.change(at, |_, _| ());
        }
        due
    }

    /// The checks, which are no longer here.
    pub fn take(&mut self) -> impl Iterator<Item = Check> + use<> {
        std::mem::take(self).checks.into_iter().map(|placed| placed.check)
    }

    /// All checks, in the order of the file.
    pub fn all(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().map(|placed| &placed.check)
    }

    /// The checks of a member.
    pub fn of(&self, member: MemberId) -> impl Iterator<Item = &Check> {
        self.of_member.get(&member).into_iter().flatten().map(|at| &self.checks[*at].check)
    }

    /// Changes each check of a member.
    pub fn change_of(&mut self, member: MemberId, change: impl Fn(&mut Check)) {
        for at in self.of_member.get(&member).cloned().unwrap_or_default() {
            self.change(at, |check, _| change(check));
        }
    }

    /// The check whose probe this is.
    pub fn awaiting(&self, probe: ProbeId) -> Option<usize> {
        self.under_way.get(&probe).copied()
    }

    /// How many probes are under way.
    pub fn count_under_way(&self) -> usize {
        self.under_way.len()
    }

    /// The appliance has been away for so long in all. Verdicts that are due the later for it are found due too early, and then
    /// placed anew.
    pub fn set_away(&mut self, away: Duration) {
        self.away = away;
    }

    /// The check that is due first, and when.
    pub fn first(&self) -> Option<(Instant, usize)> {
        self.due.first().copied()
    }

    /// Changes a check; `change` is given how long the appliance has been away. Returns what `change` returns.
    pub fn change<T>(&mut self, at: usize, change: impl FnOnce(&mut Check, Duration) -> T) -> T {
        let Placed { check, probes, next } = &mut self.checks[at];
        let outcome = change(check, self.away);
        if !check.under_way().eq(probes.iter().copied()) {
            probes.iter().for_each(|probe| _ = self.under_way.remove(probe));
            probes.clear();
            probes.extend(check.under_way());
            probes.iter().for_each(|probe| _ = self.under_way.insert(*probe, at));
        }
        let new = check.next_start().into_iter().chain(check.verdict_due(self.away)).min();
        if *next != new {
            next.iter().for_each(|next| _ = self.due.remove(&(*next, at)));
            new.iter().for_each(|new| _ = self.due.insert((*new, at)));
            *next = new;
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::check::Role;
    use crate::monitor::outcome::Outcome;
    use crate::monitor::random::Random;
    use crate::policy::intent::{Monitor, MonitorId, MonitorKind};

    fn checks(random: &mut Random) -> Vec<Check> {
        let millis = Duration::from_millis;
        let monitor = |interval| Monitor {
            name: "alive".into(),
            kind: MonitorKind::Icmp,
            address: None,
            source: None,
            interval: millis(interval),
            timeout: millis(interval / 2),
            rise: 2,
            fall: 3,
            patience: millis(300),
        };
        let all = (0..20).flat_map(|member| (0..3).map(move |at| (MemberId(member), at)));
        let mut check = |(member, at): (MemberId, u16)| {
            Check::new(member, (MonitorId(at), &monitor(100 + 300 * u64::from(at))), random, Instant::from_millis(5))
        };
        all.map(&mut check).collect()
    }

    const ROLES: [Role; 4] = [Role::Standby, Role::Candidate, Role::Active, Role::Replaceable];

    #[test]
    fn whatever_happens_a_look_at_all_checks_finds_the_same() {
        let mut random = Random::new(7);
        let mut due = Due::new(checks(&mut random));
        let (mut now, mut probes, mut most) = (Instant::ZERO, 0, 0);
        for step in 0..5_000 {
            let (member, at) = (MemberId(random.below(20) as u16), random.below(60) as usize);
            match random.below(6) {
                0 => due.change_of(member, Check::hint),
                1 => due.change_of(member, Check::ask_now),
                2 => due.change_of(member, |check| check.set_role(ROLES[step % 4])),
                3 => {
                    let good = Outcome::Good { rtt: Duration::from_millis(1), at: now, detail: "200 OK".into() };
                    let outcome = if random.below(2) == 0 { good } else { Outcome::Timeout };
                    let under_way: Vec<ProbeId> = due.checks[at].check.under_way().collect();
                    if let Some(probe) = under_way.get(random.below(3) as usize) {
                        due.change(at, |check, away| check.record(*probe, outcome, away, now));
                    }
                }
                4 => {
                    due.set_away(due.away + Duration::from_millis(random.below(9)));
                    due.change(at, |check, away| check.decide(away, now));
                }
                _ => {
                    let Some((next, at)) = due.first() else { continue };
                    (now, probes) = (now.max(next), probes + 1);
                    match due.checks[at].check.next_start().is_some_and(|start| start <= now) {
                        true => due.change(at, |check, _| check.start(ProbeId(probes), now)),
                        false => _ = due.change(at, |check, away| check.decide(away, now)),
                    }
                }
            }
            let all = || due.checks.iter().map(|placed| &placed.check).enumerate();
            let starts = all().filter_map(|(at, check)| Some((check.next_start()?, at))).min();
            assert!(due.first() <= starts || starts.is_none(), "{step}");
            let placed = |(at, placed): (usize, &Placed)| Some((placed.next?, at));
            assert_eq!(due.first(), due.checks.iter().enumerate().filter_map(placed).min(), "{step}");
            let under_way = all().flat_map(|(at, check)| check.under_way().map(move |probe| (probe, at))).collect();
            assert_eq!(due.under_way, under_way, "{step}");
            most = most.max(due.checks[at].check.under_way().count());
        }
        assert!(probes > 100 && most > 2 && due.of(MemberId(7)).count() == 3, "{probes} {most}");
        let left: Vec<Check> = due.take().collect();
        assert_eq!((left.len(), due.first(), due.awaiting(ProbeId(probes))), (60, None, None));
    }
}
