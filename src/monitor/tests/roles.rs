//! A pair that says itself which of its members is active.

use super::*;

fn says(role: Says) -> Outcome {
    let detail = Said { words: "200 OK".into(), role };
    Outcome::Good { rtt: ms(1), at: Instant::from_nanos(u64::MAX), detail }
}

/// Both answer from the start on, and A says that it is active.
fn pair(rise: u32) -> Monitors {
    let mut file = one_monitor();
    file.monitors[0].rise = rise;
    let mut monitors = Monitors::new(&file, 7, at(0));
    let answer = |start: &Start, _: Instant| Some(says(if start.member == A { Says::Active } else { Says::Standby }));
    run(&mut monitors, at(0), at(2_000), answer);
    monitors.watch_active(PoolId(0), Some(A), vec![B]);
    run(&mut monitors, at(2_001), at(3_000), answer);
    monitors
}

fn roles(monitors: &Monitors) -> [Says; 2] {
    [A, B].map(|member| monitors.verdict(member).says)
}

#[test]
fn a_change_of_roles_is_known_one_burst_after_the_first_sign() {
    for rise in [1, 2, 5] {
        let mut monitors = pair(rise);
        assert_eq!(roles(&monitors), [Says::Active, Says::Standby]);
        let mut first = None;
        let mut now = at(3_001);
        while roles(&monitors) != [Says::Standby, Says::Active] {
            let (starts, changes) = run(&mut monitors, now, now, |start, _| {
                Some(says(if start.member == A { Says::Standby } else { Says::Active }))
            });
            // An answer takes a millisecond.
            first = first.or(starts.first().map(|(_, at)| *at));
            assert!(changes.is_empty(), "both stay up");
            now += ms(1);
            monitors_settle(&mut monitors, starts, now);
            assert!(now < at(4_000), "rise {rise}: {:?}", roles(&monitors));
        }
        // The first sign, the others asked at once, and `rise` answers 20 ms apart.
        let took = now.since(first.unwrap());
        assert!(took <= ms(60 + 20 * u64::from(rise)), "rise {rise}: {took:?}");
    }
}

/// [`run`] of one instant keeps no answers: they are given here.
fn monitors_settle(monitors: &mut Monitors, starts: Vec<(Start, Instant)>, now: Instant) {
    for (start, _) in starts {
        monitors.on_outcome(start.probe, says(if start.member == A { Says::Standby } else { Says::Active }), now);
    }
}

#[test]
fn one_answer_that_says_otherwise_changes_nothing() {
    let mut monitors = pair(2);
    let mut odd = 1;
    run(&mut monitors, at(3_001), at(6_000), |start, _| {
        let role = match start.member {
            A if std::mem::take(&mut odd) == 1 => Says::Standby,
            A => Says::Active,
            _ => Says::Standby,
        };
        Some(says(role))
    });
    assert_eq!((odd, roles(&monitors)), (0, [Says::Active, Says::Standby]));
}

#[test]
fn who_is_down_says_nothing_and_its_word_counts_at_once_when_it_is_back() {
    let mut monitors = pair(2);
    run(&mut monitors, at(3_001), at(6_000), |start, _| {
        Some(if start.member == A { closed() } else { says(Says::Active) })
    });
    assert_eq!(roles(&monitors), [Says::Nothing, Says::Active]);
    run(&mut monitors, at(6_001), at(8_000), |start, _| {
        Some(says(if start.member == A { Says::Standby } else { Says::Active }))
    });
    assert_eq!(roles(&monitors), [Says::Standby, Says::Active]);
}

#[test]
fn monitors_that_contradict_each_other_say_nothing() {
    let mut file = intent(vec![monitor("one", MonitorKind::Icmp), monitor("other", MonitorKind::Icmp)], 2);
    file.pools[0].require = 2;
    let mut monitors = Monitors::new(&file, 7, at(0));
    run(&mut monitors, at(0), at(2_000), |start, _| {
        let role = match (start.member, start.monitor) {
            (A, MonitorId(0)) => Says::Active,
            (A, _) => Says::Standby,
            (_, MonitorId(0)) => Says::Nothing,
            _ => Says::Standby,
        };
        Some(says(role))
    });
    assert_eq!(roles(&monitors), [Says::Nothing, Says::Standby]);
}
