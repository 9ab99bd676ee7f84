//! The schedule and the verdicts, with the clock in the test's hand.

use super::random::Random;
use super::*;
use crate::policy::Intent;
use crate::policy::health::State;
use crate::policy::ids::carry_over;
use crate::policy::intent::*;
use crate::time::{Duration, Instant};
use proptest::prelude::*;
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
    Monitor { name: name.into(), kind, interval: ms(200), timeout: ms(150), rise: 2, fall: 2, patience: ms(400) }
}

fn intent(monitors: Vec<Monitor>, require: usize) -> Intent {
    let member = |name: &str, host| Member {
        name: name.into(),
        address: Ipv4Addr::new(10, 20, 0, host),
        pool: PoolId(0),
        interface: InterfaceId(0),
    };
    let pool = Pool {
        name: "pair-1".into(),
        members: vec![A, B],
        monitors: (0..monitors.len() as u16).map(MonitorId).collect(),
        require,
        fail_back: FailBack::Never,
        on_down_tcp: OnDownTcp::Reset,
        no_member: NoMember::KeepLast,
        gap: Duration::from_secs(4),
    };
    Intent {
        ports: vec![],
        interfaces: vec![Interface {
            name: "servers".into(),
            port: PortId(0),
            vlan: None,
            addresses: vec!["10.20.0.1/24".parse().unwrap()],
            mtu: 1500,
        }]
        .into(),
        routes: vec![],
        monitors: monitors.into(),
        pools: vec![pool].into(),
        members: vec![member("sip-a", 11), member("sip-b", 12)].into(),
        virtual_servers: vec![],
        snats: vec![],
        timeouts: Timeouts::default(),
        limits: Limits::default(),
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

#[test]
fn the_first_probes_follow_each_other_at_once_and_the_others_keep_the_interval_on_a_spread_grid() {
    let mut thirds = Vec::new();
    for seed in 0..20 {
        let mut monitors = Monitors::new(&one_monitor(), seed, at(1000));
        let (starts, changes) = run(&mut monitors, at(1000), at(3000), |_, _| Some(good()));
        for member in [A, B] {
            let times = starts_of(&starts, member);
            assert!(times[0] - at(1000) < ms(1), "{times:?}");
            assert_eq!(times[1], times[0] + ms(1), "as soon as the first is answered");
            assert!(times[2] <= at(1000) + ms(201), "{times:?}");
            assert!(times[2..].windows(2).all(|pair| pair[1] - pair[0] == ms(200)), "{times:?}");
            thirds.push(times[2]);
        }
        assert!(changes.iter().all(|change| change.to == State::Up && change.at - at(1000) < ms(3)), "{changes:?}");
    }
    thirds.sort();
    thirds.dedup();
    assert!(thirds.len() > 35, "the grids are spread: {thirds:?}");
}

#[test]
fn a_member_that_does_not_answer_its_first_probe_is_judged_by_the_interval_until_it_does() {
    let mut monitors = Monitors::new(&one_monitor(), 7, at(0));
    let mut asked = 0;
    let from_the_second_on = |start: &Start, _| {
        asked += u32::from(start.member == A);
        Some(if start.member == A && asked > 1 { good() } else { closed() })
    };
    let (starts, changes) = run(&mut monitors, at(0), at(1000), from_the_second_on);
    let (a, b) = (starts_of(&starts, A), starts_of(&starts, B));
    assert!(a[1] - a[0] > ms(1) && a[2] - a[1] == ms(1), "{a:?}");
    assert!(b[1] > b[0] && b[2..].windows(2).all(|pair| pair[1] - pair[0] == ms(200)), "{b:?}");
    let up = changes.iter().find(|change| change.member == A).unwrap();
    assert_eq!((up.to, up.at), (State::Up, a[2] + ms(1)));
}

#[test]
fn thousands_of_first_probes_do_not_leave_in_one_burst() {
    let mut many = one_monitor();
    many.monitors = vec![monitor("m", MonitorKind::Icmp); 16].into();
    many.pools[0].monitors = (0..16).map(MonitorId).collect();
    let mut monitors = Monitors::new(&many, 1, at(0));
    assert_eq!(polled(&mut monitors, at(0)).len(), 1);
    assert_eq!(polled(&mut monitors, at(1)).len(), 20, "one each 50 us");
    assert_eq!(polled(&mut monitors, at(2)).len(), 11);
}

#[test]
fn a_late_turn_neither_shifts_the_grid_nor_makes_up_for_what_was_missed() {
    let (mut monitors, _) = settled();
    let first = monitors.next_due().unwrap();
    let late = first + ms(730);
    let mut asked = Vec::new();
    while let Some(start) = monitors.poll(late) {
        asked.push(start.member);
        monitors.on_outcome(start.probe, good(), late);
    }
    assert_eq!(asked.len(), 2, "one probe each: {asked:?}");
    let next = monitors.next_due().unwrap();
    assert_eq!((next - first).as_nanos() % ms(200).as_nanos(), 0);
    assert!(next > late && next <= late + ms(200));
}

#[test]
fn a_member_that_answers_is_up_within_rise_answers_and_one_that_refuses_is_down() {
    let mut monitors = Monitors::new(&one_monitor(), 7, at(0));
    let answer = |start: &Start, _| Some(if start.member == A { good() } else { closed() });
    let (_, changes) = run(&mut monitors, at(0), at(2000), answer);
    assert_eq!(changes.len(), 2, "{changes:?}");
    let a = changes.iter().find(|change| change.member == A).unwrap();
    assert_eq!((a.from, a.to, a.reason.as_str()), (State::Unknown, State::Up, "sip-options: 200 OK"));
    assert_eq!(a.at, at(2));
    let b = changes.iter().find(|change| change.member == B).unwrap();
    let reason = "sip-options: port 5060/udp is closed (ICMP port unreachable) (2 of 2)";
    assert_eq!((b.from, b.to, b.reason.as_str(), b.last_good), (State::Unknown, State::Down, reason, None));
    assert_eq!(monitors.verdict(A), &Verdict { state: State::Up, reason: "sip-options: 200 OK".into(), since: a.at });
}

#[test]
fn a_dead_member_is_down_within_700_ms_of_its_last_good_answer() {
    for (timeout, seed) in [(200, 1), (150, 2), (50, 3)].into_iter().flat_map(|(t, s)| [(t, s), (t, s + 10)]) {
        for silent in [true, false] {
            let mut asked = one_monitor();
            asked.monitors[0].timeout = ms(timeout);
            let mut monitors = Monitors::new(&asked, seed, at(0));
            let died = at(3000 + seed);
            let answer = |_: &Start, when: Instant| match (when < died, silent) {
                (true, _) => Some(good()),
                (false, true) => None,
                (false, false) => Some(closed()),
            };
            let (_, changes) = run(&mut monitors, at(0), at(6000), answer);
            let down: Vec<_> = changes.iter().filter(|change| change.to == State::Down).collect();
            assert_eq!(down.len(), 2);
            for change in down {
                let took = change.at - change.last_good.unwrap();
                assert!(took < ms(700), "timeout {timeout}, silent {silent}: {took:?}");
                assert_eq!(change.from, State::Up);
            }
        }
    }
}

#[test]
fn silence_is_told_in_words() {
    let mut monitors = Monitors::new(&one_monitor(), 7, at(0));
    run(&mut monitors, at(0), at(2000), |_, _| None);
    assert_eq!(monitors.verdict(B).reason, "sip-options: no answer in 150ms (2 of 2)");
    assert_eq!(monitors.verdict(B).state, State::Down);
}

#[test]
fn a_reason_that_tells_something_stands_before_silence_while_the_failures_last() {
    let mut monitors = Monitors::new(&one_monitor(), 7, at(0));
    let mut ends = |now: u64, outcome: Outcome| {
        monitors.hint(A);
        let start = polled(&mut monitors, at(now)).into_iter().find(|start| start.member == A).unwrap();
        monitors.on_outcome(start.probe, outcome, at(now + 150));
        rows(&monitors, A)[0].reason()
    };
    // A host that limits its port unreachables says so to one probe and nothing to the next.
    let told = "port 5060/udp is closed (ICMP port unreachable)";
    assert_eq!(ends(1_000, Outcome::Timeout), "no answer in 150ms (1 of 2)");
    assert_eq!(ends(2_000, closed()), format!("{told} (2 of 2)"));
    assert_eq!(ends(3_000, Outcome::Timeout), format!("{told} (2 of 2)"));
    assert_eq!(ends(61_000, Outcome::Timeout), format!("{told} (2 of 2)"));
    assert_eq!(ends(62_500, Outcome::Timeout), "no answer in 150ms (2 of 2)", "said a minute ago");
    assert_eq!(ends(63_000, closed()), format!("{told} (2 of 2)"));
    assert_eq!(ends(64_000, good()), "200 OK (1 of 2)");
    assert_eq!(ends(65_000, Outcome::Timeout), "no answer in 150ms (1 of 2)", "another row of failures");
}

#[test]
fn one_lost_answer_is_no_loss_and_one_answer_is_no_recovery() {
    let mut monitors = Monitors::new(&one_monitor(), 7, at(0));
    let mut asked = 0;
    let every_other_lost = |start: &Start, _| {
        asked += usize::from(start.member == A);
        (start.member == B || asked < 4 || asked % 2 == 0).then(good)
    };
    let (_, changes) = run(&mut monitors, at(0), at(4000), every_other_lost);
    assert!(changes.iter().all(|change| change.to == State::Up), "{changes:?}");

    let mut monitors = Monitors::new(&one_monitor(), 7, at(0));
    let mut asked = 0;
    let every_third_answered = |_: &Start, _| {
        asked += 1;
        (asked % 6 < 2).then(good)
    };
    let (_, changes) = run(&mut monitors, at(0), at(4000), every_third_answered);
    assert!(changes.iter().all(|change| change.to == State::Down) && changes.len() == 2, "{changes:?}");
}

#[test]
fn what_decides_nothing_is_asked_again_at_once_and_counts_neither_way() {
    let (mut monitors, now) = settled();
    let now = now + ms(60);
    monitors.hint(A);
    let first = polled(&mut monitors, now).into_iter().find(|start| start.member == A).unwrap();
    monitors.on_outcome(first.probe, closed(), now + ms(1));
    let failing = rows(&monitors, A).remove(0);
    let next = monitors.checks(A).next().unwrap().next_start().unwrap();
    let probe = polled(&mut monitors, next).into_iter().find(|start| start.member == A).unwrap().probe;
    monitors.on_outcome(probe, Outcome::Inconclusive, next + ms(900));
    let row = rows(&monitors, A).remove(0);
    assert_eq!((row.good, row.bad, row.failed, row.state), (failing.good, failing.bad, failing.failed, State::Up));
    assert_eq!((row.reason(), row.ended, monitors.inconclusive()), (failing.reason(), failing.ended, 1));
    assert!(polled(&mut monitors, next + ms(900)).iter().any(|start| start.member == A), "asked again");
}

#[test]
fn late_repeated_and_unknown_answers_change_nothing() {
    let mut monitors = Monitors::new(&one_monitor(), 7, at(0));
    let now = monitors.next_due().unwrap();
    let start = monitors.poll(now).unwrap();
    let untouched = rows(&monitors, start.member);
    assert_eq!(monitors.on_outcome(ProbeId(999), good(), now), None);
    assert_eq!(rows(&monitors, start.member), untouched);
    assert_eq!(monitors.on_outcome(start.probe, Outcome::Timeout, now + ms(150)), Some(start.member));
    let row = rows(&monitors, start.member).remove(0);
    assert_eq!((row.bad, row.good, row.last_good), (1, 0, None));
    monitors.on_outcome(start.probe, good(), now + ms(151));
    assert_eq!(rows(&monitors, start.member), vec![row]);
}

#[test]
fn an_answer_that_took_longer_than_the_timeout_is_none() {
    let mut monitors = Monitors::new(&one_monitor(), 7, at(0));
    let now = monitors.next_due().unwrap();
    let start = monitors.poll(now).unwrap();
    let slow = Outcome::Good { rtt: ms(151), at: now + ms(151), detail: "200 OK".into() };
    monitors.on_outcome(start.probe, slow, now + ms(151));
    assert_eq!(rows(&monitors, start.member)[0].reason(), "no answer in 150ms (1 of 2)");
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

#[test]
fn hints_make_one_probe_at_once_and_the_grid_begins_anew() {
    let (mut monitors, now) = settled();
    let now = now + ms(60);
    (0..5).for_each(|_| monitors.hint(A));
    assert_eq!(monitors.next_due(), Some(starts_of_last(&monitors, now)));
    let started = polled(&mut monitors, now);
    assert!(started.iter().any(|start| start.member == A), "{started:?}");
    let probe = started.iter().find(|start| start.member == A).unwrap().probe;
    monitors.on_outcome(probe, good(), now + ms(1));
    let (starts, _) = run(&mut monitors, now + ms(1), now + ms(450), |_, _| Some(good()));
    assert_eq!(starts_of(&starts, A), vec![now + ms(200), now + ms(400)]);
}

fn starts_of_last(monitors: &Monitors, now: Instant) -> Instant {
    let due = monitors.next_due().unwrap();
    assert!(due <= now, "a hinted probe is due at once");
    due
}

#[test]
fn a_hint_during_a_probe_asks_again_when_that_ends_but_not_faster_than_the_gap() {
    let (mut monitors, now) = settled();
    let now = now + ms(60);
    monitors.hint(A);
    let first = polled(&mut monitors, now).into_iter().find(|start| start.member == A).unwrap();
    monitors.hint(A);
    assert!(polled(&mut monitors, now).iter().all(|start| start.member != A), "one probe at a time");
    monitors.on_outcome(first.probe, closed(), now + ms(1));
    assert!(polled(&mut monitors, now + ms(49)).iter().all(|start| start.member != A));
    let second = polled(&mut monitors, now + ms(50)).into_iter().find(|start| start.member == A).unwrap();
    monitors.on_outcome(second.probe, closed(), now + ms(51));
    assert_eq!(states(&monitors), [State::Down, State::Up], "two failures, hastened by hints");
}

#[test]
fn a_first_failure_asks_the_companions_at_once() {
    let (mut monitors, now) = settled();
    let now = now + ms(60);
    monitors.hint(A);
    let probe = polled(&mut monitors, now).into_iter().find(|start| start.member == A).unwrap().probe;
    let also = polled(&mut monitors, now + ms(1));
    assert_eq!(also, vec![], "B keeps its cadence while A is well");
    monitors.on_outcome(probe, closed(), now + ms(1));
    assert!(polled(&mut monitors, now + ms(1)).iter().any(|start| start.member == B));
}

#[test]
fn a_hint_alone_decides_nothing() {
    let (mut monitors, _) = settled();
    monitors.hint(A);
    assert_eq!(monitors.verdict(A).state, State::Up);
}

#[test]
fn the_operator_is_served_without_waiting_for_the_gap() {
    let (mut monitors, now) = settled();
    monitors.probe_now(A);
    assert!(polled(&mut monitors, now).iter().any(|start| start.member == A));
    monitors.probe_now(MemberId(77));
    monitors.hint(MemberId(77));
    assert_eq!(monitors.verdict(MemberId(77)).state, State::Unknown);
    assert_eq!((rows(&monitors, MemberId(77)), last_good_answer(&monitors, MemberId(77))), (vec![], None));
}

/// Whatever members do, an active one is down only after `fall` failures, when its patience is at its end, and if no other was up
/// when its intervals are.
#[test]
fn an_active_member_is_never_down_too_soon() {
    let (mut hastened, mut others) = (0, 0);
    for seed in 1..60 {
        let mut random = Random::new(seed);
        let mut file = one_monitor();
        let spec = &mut file.monitors[0];
        (spec.interval, spec.timeout) = (ms(500), ms(400));
        (spec.fall, spec.patience) = (2 + seed as u32 % 3, ms([400, 1_000, 1_700][seed as usize % 3]));
        let spec = spec.clone();
        let mut monitors = Monitors::new(&file, seed, at(0));
        let mut answers: Vec<(Instant, ProbeId, Outcome)> = Vec::new();
        let mut moods = [0; 2];
        for now in (0..9_000).step_by(5).map(at) {
            if now == at(1_000) {
                monitors.watch_active(PoolId(0), Some(A), vec![B]);
            }
            if now > at(1_000) && now.nanos() % 100_000_000 == 0 {
                let change = |mood: u64, random: &mut Random| if random.below(6) == 0 { random.below(4) } else { mood };
                moods = moods.map(|mood| change(mood, &mut random));
                (0..random.below(9) / 8).for_each(|_| monitors.hint(A));
            }
            let [was, b_was] = states(&monitors);
            let (due, later) = answers.into_iter().partition(|(when, ..)| *when <= now);
            answers = later;
            for (_, probe, outcome) in Vec::into_iter(due) {
                monitors.on_outcome(probe, outcome, now);
            }
            while let Some(start) = monitors.poll(now) {
                let (after, outcome) = match moods[start.member.index()] {
                    0 | 1 => (1, good()),
                    2 => (1, closed()),
                    _ => (400, Outcome::Timeout),
                };
                answers.push((now + ms(after), start.probe, outcome));
            }
            let [is, b_is] = states(&monitors);
            if is != State::Down || was == State::Down {
                continue;
            }
            let check = rows(&monitors, A).remove(0);
            assert!(check.bad >= spec.fall, "{seed} {now:?}: {check:?}");
            assert!(now.since(check.last_good.unwrap()) >= spec.patience, "{seed} {now:?}: {check:?}");
            let is_slow = now.since(check.failing_since.unwrap()) >= spec.interval * (spec.fall - 1);
            let another_is_up = [b_was, b_is].contains(&State::Up);
            assert!(is_slow || another_is_up, "{seed} {now:?}: {check:?}");
            *if is_slow { &mut others } else { &mut hastened } += 1;
        }
    }
    assert!(hastened > 20 && others > 20, "{hastened} {others}");
}

/// Patience does not end while the appliance itself is away.
#[test]
fn the_time_in_which_the_appliance_was_away_is_no_silence_of_a_member() {
    for away in [0, 300] {
        let mut monitors = Monitors::new(&one_monitor(), 7, at(0));
        run(&mut monitors, at(0), at(2_000), |_, _| Some(good()));
        monitors.watch_active(PoolId(0), Some(A), vec![B]);
        let last_good = rows(&monitors, A)[0].last_good.unwrap();
        let answer = |start: &Start, _: Instant| Some(if start.member == A { closed() } else { good() });
        run(&mut monitors, at(2_001), last_good + ms(300), answer);
        monitors.set_away(ms(away));
        let (_, changes) = run(&mut monitors, last_good + ms(301), last_good + ms(2_000), answer);
        let down = changes.iter().find(|change| change.member == A).unwrap();
        assert_eq!((down.to, down.at), (State::Down, last_good + ms(400 + away)));
    }
}

#[test]
fn an_answer_that_comes_late_counts_before_the_silence_of_older_probes() {
    let mut monitors = Monitors::new(&one_monitor(), 7, at(0));
    run(&mut monitors, at(0), at(2_000), |_, _| Some(good()));
    monitors.watch_active(PoolId(0), Some(A), vec![B]);
    let (mut asked, mut now) = (Vec::new(), at(2_001));
    while now <= at(2_300) {
        for start in polled(&mut monitors, now) {
            match start.member == A {
                true => asked.push(start.probe),
                false => _ = monitors.on_outcome(start.probe, good(), now),
            }
        }
        now += ms(1);
    }
    assert!(asked.len() >= 3, "several are under way: {asked:?}");
    let (oldest, newest) = (asked[0], asked[asked.len() - 1]);
    monitors.on_outcome(newest, good(), now);
    monitors.on_outcome(oldest, Outcome::Timeout, now + ms(1));
    let row = rows(&monitors, A).remove(0);
    assert_eq!((row.bad, row.failed, row.last_good), (0, 1, Some(now)), "{row:?}");
    assert!(monitors.answers_since(A, newest) && !monitors.answers_since(A, ProbeId(newest.0 + 1)));
}

#[test]
fn when_very_many_are_asked_urgently_no_more_probes_are_under_way_than_ports_allow() {
    let mut many = one_monitor();
    let pool = many.pools[0].clone();
    let pools = 3_000;
    many.members = (0..2 * pools)
        .map(|at| Member { name: format!("m{at}"), pool: PoolId(at / 2), ..many.members[0].clone() })
        .collect::<Vec<_>>()
        .into();
    many.pools = (0..pools)
        .map(|at| Pool { members: vec![MemberId(2 * at), MemberId(2 * at + 1)], ..pool.clone() })
        .collect::<Vec<_>>()
        .into();
    let mut monitors = Monitors::new(&many, 1, at(0));
    (0..pools).for_each(|at| {
        monitors.watch_active(PoolId(at), Some(MemberId(2 * at)), vec![MemberId(2 * at + 1)]);
    });
    let (mut under_way, mut asked) = (0, std::collections::BTreeSet::new());
    for now in (0..3_000).step_by(10).map(at) {
        for start in polled(&mut monitors, now) {
            match start.member.0 % 2 {
                0 => _ = monitors.on_outcome(start.probe, closed(), now),
                _ => {
                    under_way += 1;
                    asked.insert(start.member);
                }
            }
        }
    }
    assert_eq!(asked.len(), usize::from(pools), "everybody was asked");
    assert!((4_000..4_096 + usize::from(pools)).contains(&under_way), "{under_way}");
}

#[test]
fn blocked_echo_counts_as_the_pool_requires_and_the_reason_names_the_check() {
    let both =
        || vec![monitor("sip-options", MonitorKind::TcpHalfOpen { port: 5060 }), monitor("ping", MonitorKind::Icmp)];
    let echo_blocked = |start: &Start, _| (start.monitor == MonitorId(0)).then(good);
    let rows = [
        (2, State::Down, "ping: no answer in 150ms (2 of 2); 1 of 2 monitors good, 2 required"),
        (1, State::Up, "sip-options: 200 OK; ping: no answer in 150ms (2 of 2)"),
    ];
    for (require, state, reason) in rows {
        let mut monitors = Monitors::new(&intent(both(), require), 3, at(0));
        run(&mut monitors, at(0), at(2000), echo_blocked);
        let verdict = monitors.verdict(A);
        assert_eq!((verdict.state, verdict.reason.as_str()), (state, reason));
    }
}

#[test]
fn the_last_good_answer_is_that_of_the_monitor_whose_failure_decided() {
    let monitors = || vec![monitor("sip-options", MonitorKind::Tcp { port: 5060 }), monitor("ping", MonitorKind::Icmp)];
    // When each monitor of A begins to fail, how many must be good, and which of them decides.
    let rows = [
        ((1_000, 60_000), 2, 0),
        ((60_000, 1_000), 2, 1),
        ((1_000, 1_700), 2, 0),
        ((1_000, 1_700), 1, 1),
        ((1_700, 1_000), 1, 0),
    ];
    for ((sip, ping), require, decides) in rows {
        let mut monitors = Monitors::new(&intent(monitors(), require), 3, at(0));
        let fails = |start: &Start| if start.monitor == MonitorId(0) { sip } else { ping };
        let answer = |start: &Start, now: Instant| {
            Some(if start.member == A && now >= at(fails(start)) { closed() } else { good() })
        };
        let (_, changes) = run(&mut monitors, at(0), at(4_000), answer);
        let down = changes.iter().find(|change| change.to == State::Down).unwrap();
        let failed = rows_of(&monitors, A, decides);
        let fails_at = [sip, ping][usize::from(decides)];
        assert_eq!((down.member, down.last_good), (A, failed.last_good), "{sip} {ping} {require}");
        assert_eq!(monitors.deciding(A).map(|check| check.monitor), Some(failed.monitor), "{sip} {ping} {require}");
        let since = failed.failing_since.unwrap();
        assert!(at(fails_at) <= since && since < at(fails_at + 200), "the first probe that failed: {since:?}");
        assert!(down.at - down.last_good.unwrap() >= ms(200), "two failures, an interval apart");
        assert_eq!(last_good_answer(&monitors, B), None, "it is up");
    }
}

fn rows_of(monitors: &Monitors, member: MemberId, monitor: u16) -> Check {
    rows(monitors, member).into_iter().find(|check| check.monitor == MonitorId(monitor)).unwrap()
}

#[test]
fn a_member_without_monitor_stays_unknown() {
    let mut monitors = Monitors::new(&intent(vec![], 0), 3, at(0));
    assert_eq!((monitors.next_due(), monitors.poll(at(9))), (None, None));
    assert_eq!(monitors.verdict(A), &Verdict { state: State::Unknown, reason: "has no monitor".into(), since: at(0) });
}

#[test]
fn a_reload_keeps_what_is_known_wherever_members_stand_and_whatever_things_are_called() {
    let (mut monitors, now) = settled();
    let known = |monitors: &Monitors| {
        let known = monitors.checks(A).map(|check| (check.state, check.reason(), check.last_good, check.sent));
        known.collect::<Vec<_>>()
    };
    let before = known(&monitors);
    let due = monitors.next_due();
    let mut turned = one_monitor();
    turned.members.reverse();
    turned.members[0].name = "renamed".into();
    turned.monitors[0].name = "renamed".into();
    let mut turned = carry_over(&one_monitor(), turned);
    monitors.reconfigure(&turned, now);
    assert_eq!(known(&monitors), before);
    assert_eq!(monitors.next_due(), due);
    assert_eq!(monitors.verdict(A).state, State::Up);

    turned.monitors[0].interval = ms(100);
    turned.monitors[0].timeout = ms(100);
    monitors.reconfigure(&turned, now);
    let (starts, changes) = run(&mut monitors, now, now + ms(1000), |_, _| Some(good()));
    let times = starts_of(&starts, A);
    assert!(changes.is_empty() && times.windows(2).all(|pair| pair[1] - pair[0] == ms(100)), "{times:?}");
}

#[test]
fn a_reload_carries_a_probe_under_way_and_forgets_another_question_or_address() {
    let (mut monitors, now) = settled();
    let now = now + ms(60);
    monitors.hint(A);
    let start = polled(&mut monitors, now).into_iter().find(|start| start.member == A).unwrap();
    monitors.reconfigure(&one_monitor(), now);
    monitors.on_outcome(start.probe, good(), now + ms(3));
    assert_eq!(rows(&monitors, A)[0].last_good, Some(now + ms(3)));

    let mut moved = one_monitor();
    moved.members[0].address = Ipv4Addr::new(10, 20, 0, 99);
    let moved = carry_over(&one_monitor(), moved);
    monitors.reconfigure(&moved, now);
    let states = |monitors: &Monitors| [A, B, MemberId(2)].map(|member| monitors.verdict(member).state);
    assert_eq!(states(&monitors), [State::Unknown, State::Up, State::Unknown]);
    assert_eq!((rows(&monitors, A), rows(&monitors, MemberId(2)).len()), (vec![], 1));

    let mut other = moved.clone();
    other.monitors[0].kind = MonitorKind::TcpHalfOpen { port: 5070 };
    monitors.reconfigure(&other, now);
    assert_eq!(states(&monitors), [State::Unknown; 3]);
}

#[test]
fn rows_tell_what_each_monitor_saw() {
    let mut monitors = Monitors::new(&one_monitor(), 7, at(0));
    assert_eq!(rows(&monitors, A)[0].reason(), "not probed yet");
    let now = starts_until(&mut monitors, A);
    let row = rows(&monitors, A).remove(0);
    assert_eq!((row.monitor, row.state, row.reason()), (MonitorId(0), State::Unknown, "200 OK (1 of 2)".into()));
    assert_eq!((row.last_rtt, row.good, row.bad, row.last_good), (Some(ms(1)), 1, 0, Some(now)));
    assert_eq!((row.sent, row.ok, row.failed), (1, 1, 0));
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

proptest! {
    /// Whatever the answers, the state is what counting by hand gives: the last run of `rise` good or `fall` bad ones.
    #[test]
    fn the_state_is_what_counting_by_hand_gives(
        answers in proptest::collection::vec(0u8..3, 1..60), rise in 1u32..5, fall in 1u32..5, seed: u64,
    ) {
        let mut asked = one_monitor();
        asked.pools[0].members = vec![A];
        asked.monitors[0].rise = rise;
        asked.monitors[0].fall = fall;
        let mut monitors = Monitors::new(&asked, seed, at(0));
        let mut expected = State::Unknown;
        let (mut in_row, mut last) = (0, None);
        let mut ended = at(0);
        for answer in answers {
            let now = monitors.next_due().unwrap().max(ended);
            let start = monitors.poll(now).unwrap();
            let before = states(&monitors);
            let (after, outcome) = match answer {
                0 => (ms(1), good()),
                1 => (ms(1), closed()),
                _ => (ms(150), Outcome::Timeout),
            };
            ended = now + after;
            monitors.on_outcome(start.probe, outcome, ended);
            let is_good = answer == 0;
            in_row = if last == Some(is_good) { in_row + 1 } else { 1 };
            last = Some(is_good);
            expected = match is_good {
                true if in_row >= rise => State::Up,
                false if in_row >= fall => State::Down,
                _ => expected,
            };
            prop_assert_eq!(monitors.verdict(A).state, expected);
            let since = monitors.verdict(A).since;
            prop_assert_eq!(since > now, before[0] != expected);
        }
    }
}
