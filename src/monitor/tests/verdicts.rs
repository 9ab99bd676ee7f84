//! What answers and their absence make of a member, and how that reads.

use super::*;
use proptest::prelude::*;

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
    assert_eq!(
        monitors.verdict(A),
        &Verdict { state: State::Up, reason: "sip-options: 200 OK".into(), since: a.at, says: Says::Nothing }
    );
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
fn rows_tell_what_each_monitor_saw() {
    let mut monitors = Monitors::new(&one_monitor(), 7, at(0));
    assert_eq!(rows(&monitors, A)[0].reason(), "not probed yet");
    let now = starts_until(&mut monitors, A);
    let row = rows(&monitors, A).remove(0);
    assert_eq!((row.monitor, row.state, row.reason()), (MonitorId(0), State::Unknown, "200 OK (1 of 2)".into()));
    assert_eq!((row.last_rtt, row.good, row.bad, row.last_good), (Some(ms(1)), 1, 0, Some(now)));
    assert_eq!((row.sent, row.ok, row.failed), (1, 1, 0));
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
