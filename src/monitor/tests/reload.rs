//! What a reload leaves of what is known.

use super::*;

#[test]
fn a_member_without_monitor_stays_unknown() {
    let mut monitors = Monitors::new(&intent(vec![], 0), 3, at(0));
    assert_eq!((monitors.next_due(), monitors.poll(at(9))), (None, None));
    assert_eq!(
        monitors.verdict(A),
        &Verdict { state: State::Unknown, reason: "has no monitor".into(), since: at(0), says: Says::Nothing }
    );
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
