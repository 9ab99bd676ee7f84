//! All checks, found by what is asked about them: whose they are, which probe is under way, when the next is due.
//!
//! Owns these three ways to find a check, each in logarithmic time. Every change of a check goes through [`Due::change`], so
//! that none of the ways can be left behind.

use super::check::Check;
use super::outcome::ProbeId;
use crate::policy::intent::MemberId;
use crate::time::Instant;
use std::collections::{BTreeMap, BTreeSet};

/// The checks, in the order of the file.
#[derive(Debug, Default)]
pub struct Due {
    checks: Vec<Placed>,
    of_member: BTreeMap<MemberId, Vec<usize>>,
    under_way: BTreeMap<ProbeId, usize>,
    due: BTreeSet<(Instant, usize)>,
}

/// A check, and where it stands in the other lists.
#[derive(Debug)]
struct Placed {
    check: Check,
    probe: Option<ProbeId>,
    start: Option<Instant>,
}

impl Due {
    /// These checks and no others.
    pub fn new(checks: impl IntoIterator<Item = Check>) -> Due {
        let mut due = Due::default();
        for (at, check) in checks.into_iter().enumerate() {
            due.of_member.entry(check.member).or_default().push(at);
            due.checks.push(Placed { check, probe: None, start: None });
            due.change(at, |_| ());
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
            self.change(at, &change);
        }
    }

    /// The check whose probe this is.
    pub fn awaiting(&self, probe: ProbeId) -> Option<usize> {
        self.under_way.get(&probe).copied()
    }

    /// The check that is due first, and when.
    pub fn first(&self) -> Option<(Instant, usize)> {
        self.due.first().copied()
    }

    /// Changes a check. Returns what `change` returns.
    pub fn change<T>(&mut self, at: usize, change: impl FnOnce(&mut Check) -> T) -> T {
        let Placed { check, probe, start } = &mut self.checks[at];
        let outcome = change(check);
        let (new_probe, new_start) = (check.under_way(), check.next_start());
        if *probe != new_probe {
            probe.iter().for_each(|probe| _ = self.under_way.remove(probe));
            new_probe.iter().for_each(|probe| _ = self.under_way.insert(*probe, at));
            *probe = new_probe;
        }
        if *start != new_start {
            start.iter().for_each(|start| _ = self.due.remove(&(*start, at)));
            new_start.iter().for_each(|start| _ = self.due.insert((*start, at)));
            *start = new_start;
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::outcome::Outcome;
    use crate::monitor::random::Random;
    use crate::policy::intent::{Monitor, MonitorId, MonitorKind};
    use crate::time::Duration;

    fn checks(random: &mut Random) -> Vec<Check> {
        let millis = Duration::from_millis;
        let monitor = |interval| Monitor {
            name: "alive".into(),
            kind: MonitorKind::Icmp,
            interval: millis(interval),
            timeout: millis(interval / 2),
            rise: 2,
            fall: 3,
        };
        let all = (0..20).flat_map(|member| (0..3).map(move |at| (MemberId(member), at)));
        let mut check = |(member, at): (MemberId, u16)| {
            Check::new(member, (MonitorId(at), &monitor(100 + 300 * u64::from(at))), random, Instant::from_millis(5))
        };
        all.map(&mut check).collect()
    }

    #[test]
    fn whatever_happens_a_look_at_all_checks_finds_the_same() {
        let mut random = Random::new(7);
        let mut due = Due::new(checks(&mut random));
        let (mut now, mut probes) = (Instant::ZERO, 0);
        for step in 0..5_000 {
            let (member, at) = (MemberId(random.below(20) as u16), random.below(60) as usize);
            match random.below(4) {
                0 => due.change_of(member, Check::hint),
                1 => due.change_of(member, Check::ask_now),
                2 => {
                    let good = Outcome::Good { rtt: Duration::from_millis(1), detail: "200 OK".into() };
                    let outcome = if random.below(2) == 0 { good } else { Outcome::Timeout };
                    if due.checks[at].check.under_way().is_some() {
                        due.change(at, |check| check.record(outcome, now));
                    }
                }
                _ => {
                    let Some((start, at)) = due.first() else { continue };
                    (now, probes) = (now.max(start), probes + 1);
                    due.change(at, |check| check.start(ProbeId(probes), now));
                }
            }
            let all = || due.checks.iter().map(|placed| &placed.check).enumerate();
            assert_eq!(due.first(), all().filter_map(|(at, check)| Some((check.next_start()?, at))).min(), "{step}");
            let under_way = all().filter_map(|(at, check)| Some((check.under_way()?, at))).collect();
            assert_eq!(due.under_way, under_way, "{step}");
        }
        assert!(probes > 100 && due.of(MemberId(7)).count() == 3);
        let left: Vec<Check> = due.take().collect();
        assert_eq!((left.len(), due.first(), due.awaiting(ProbeId(probes))), (60, None, None));
    }
}
