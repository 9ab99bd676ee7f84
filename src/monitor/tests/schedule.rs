//! When members are asked: the grid, what hastens a probe, and what does not.

use super::*;

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
fn what_decides_nothing_is_asked_again_at_once_and_counts_neither_way() {
    let (mut monitors, now) = settled();
    let now = now + ms(60);
    monitors.hint(A);
    let first = polled(&mut monitors, now).into_iter().find(|start| start.member == A).unwrap();
    monitors.on_outcome(first.probe, closed(), now + ms(1));
    let failing = rows(&monitors, A).remove(0);
    let next = monitors.checks(A).next().unwrap().next_start().unwrap();
    let probe = polled(&mut monitors, next).into_iter().find(|start| start.member == A).unwrap().probe;
    monitors.on_outcome(probe, Outcome::AWAY, next + ms(900));
    let row = rows(&monitors, A).remove(0);
    assert_eq!((row.good, row.bad, row.failed, row.state), (failing.good, failing.bad, failing.failed, State::Up));
    assert_eq!((row.reason(), row.ended, monitors.inconclusive()), (failing.reason(), failing.ended, 1));
    assert!(polled(&mut monitors, next + ms(900)).iter().any(|start| start.member == A), "asked again");
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
