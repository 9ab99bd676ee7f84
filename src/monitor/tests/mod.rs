//! The schedule and the verdicts, with the clock in the test's hand: what its files share.

mod programs;
mod reload;
mod roles;
mod schedule;
mod urgency;
mod verdicts;

use super::random::Random;
use super::*;
use crate::policy::Intent;
use crate::policy::health::State;
use crate::policy::ids::carry_over;
use crate::policy::intent::*;
use crate::time::{Duration, Instant};
use std::net::Ipv4Addr;

const A: MemberId = MemberId(0);
const B: MemberId = MemberId(1);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn monitor(name: &str, kind: MonitorKind) -> Monitor {
    Monitor {
        name: name.into(),
        kind,
        address: None,
        source: None,
        interval: ms(200),
        timeout: ms(150),
        rise: 2,
        fall: 2,
        patience: ms(400),
    }
}

fn intent(monitors: Vec<Monitor>, require: usize) -> Intent {
    let member = |name: &str, host| Member::new(name, Ipv4Addr::new(10, 20, 0, host), PoolId(0), InterfaceId(0));
    let pool = Pool {
        name: "pair-1".into(),
        members: vec![A, B],
        monitors: (0..monitors.len() as u16).map(MonitorId).collect(),
        require,
        ..Pool::default()
    };
    Intent {
        ports: vec![],
        interfaces: vec![Interface {
            name: "servers".into(),
            port: PortId(0),
            vlan: None,
            addresses: vec!["10.20.0.1/24".parse().unwrap()],
            mtu: 1500,
            mss: None,
            host: None,
            floating: vec![],
            vrid: None,
        }]
        .into(),
        routes: vec![],
        monitors: monitors.into(),
        pools: vec![pool].into(),
        members: vec![member("sip-a", 11), member("sip-b", 12)].into(),
        virtual_servers: vec![].into(),
        snats: vec![],
        direct_access: DirectAccess::default(),
        timeouts: Timeouts::default(),
        limits: Limits::default(),
        sip: Default::default(),
        pair: None,
        learned: Default::default(),
        neighbours: vec![],
        lives: Default::default(),
    }
}

fn one_monitor() -> Intent {
    intent(vec![monitor("sip-options", MonitorKind::TcpHalfOpen { port: 5060 })], 1)
}

/// It counts as of when it is told.
fn good() -> Outcome {
    Outcome::Good { rtt: ms(1), at: Instant::from_nanos(u64::MAX), detail: "200 OK".into() }
}

fn closed() -> Outcome {
    Outcome::Failed { reason: "port 5060/udp is closed (ICMP port unreachable)".into() }
}

/// A member's state became another one.
#[derive(Debug)]
struct Change {
    member: MemberId,
    from: State,
    to: State,
    reason: String,
    at: Instant,
    last_good: Option<Instant>,
}

fn last_good_answer(monitors: &Monitors, member: MemberId) -> Option<Instant> {
    monitors.deciding(member).and_then(|check| check.last_good)
}

/// The changes of the members' states since they were `before`.
fn changes_since(before: [State; 2], monitors: &Monitors, now: Instant) -> Vec<Change> {
    let change = |(member, from): (MemberId, State)| {
        let Verdict { state: to, reason, .. } = monitors.verdict(member).clone();
        (from != to).then(|| Change {
            member,
            from,
            to,
            reason,
            at: now,
            last_good: last_good_answer(monitors, member),
        })
    };
    [A, B].into_iter().zip(before).filter_map(change).collect()
}

fn states(monitors: &Monitors) -> [State; 2] {
    [A, B].map(|member| monitors.verdict(member).state)
}

/// Runs the clock from event to event until `end`; `answer` says how a probe of a member and monitor begun at an instant
/// ends (one millisecond later), or with `None` that nothing comes in its timeout. Gives all starts and changes.
fn run(
    monitors: &mut Monitors,
    from: Instant,
    end: Instant,
    mut answer: impl FnMut(&Start, Instant) -> Option<Outcome>,
) -> (Vec<(Start, Instant)>, Vec<Change>) {
    let (mut starts, mut changes) = (Vec::new(), Vec::new());
    let mut answers: Vec<(Instant, ProbeId, Outcome)> = Vec::new();
    let mut now = from;
    while now <= end {
        let (due, later) = answers.into_iter().partition(|(when, ..)| *when <= now);
        answers = later;
        let before = states(monitors);
        for (_, probe, outcome) in Vec::into_iter(due) {
            monitors.on_outcome(probe, outcome, now);
        }
        while let Some(start) = monitors.poll(now) {
            let (after, outcome) =
                answer(&start, now).map_or((timeout(monitors, &start), Outcome::Timeout), |outcome| (ms(1), outcome));
            answers.push((now + after, start.probe, outcome));
            starts.push((start, now));
        }
        changes.extend(changes_since(before, monitors, now));
        let next = answers.iter().map(|(when, ..)| *when).chain(monitors.next_due()).min().unwrap();
        assert!(next > now, "the next event lies ahead");
        now = next;
    }
    (starts, changes)
}

fn timeout(monitors: &Monitors, start: &Start) -> Duration {
    monitors.checks(start.member).find(|check| check.monitor == start.monitor).unwrap().spec.timeout
}

fn rows(monitors: &Monitors, member: MemberId) -> Vec<Check> {
    monitors.checks(member).cloned().collect()
}

fn starts_of(starts: &[(Start, Instant)], member: MemberId) -> Vec<Instant> {
    starts.iter().filter(|(start, _)| start.member == member).map(|&(_, when)| when).collect()
}

/// Monitors whose members are up, and an instant at which A's probe was answered a moment ago.
fn settled() -> (Monitors, Instant) {
    let mut monitors = Monitors::new(&one_monitor(), 7, at(0));
    let (starts, _) = run(&mut monitors, at(0), at(2000), |_, _| Some(good()));
    let last = *starts_of(&starts, A).last().unwrap();
    (monitors, last.max(*starts_of(&starts, B).last().unwrap()) + ms(2))
}

fn polled(monitors: &mut Monitors, now: Instant) -> Vec<Start> {
    std::iter::from_fn(|| monitors.poll(now)).collect()
}

/// Answers the first probe of `member`; gives the instant of the answer.
fn starts_until(monitors: &mut Monitors, member: MemberId) -> Instant {
    loop {
        let now = monitors.next_due().unwrap();
        while let Some(start) = monitors.poll(now) {
            monitors.on_outcome(start.probe, good(), now + ms(1));
            if start.member == member {
                return now + ms(1);
            }
        }
    }
}
