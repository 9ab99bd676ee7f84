//! An active member that fails, and those that may take over from it.

use super::*;

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

/// While another member is up, an answer that is overdue is the first sign: the next probe leaves 100 ms after the one that waits, or
/// after two of the usual round trips, the rest of the burst 20 ms after each other, and then one each time again.
#[test]
fn an_answer_is_overdue_after_100_ms_or_two_round_trips() {
    for (usual, expected) in [(1, [0, 100, 120, 220, 320]), (80, [0, 160, 180, 340, 400])] {
        let mut file = one_monitor();
        let spec = &mut file.monitors[0];
        (spec.interval, spec.timeout, spec.fall) = (ms(3_000), ms(400), 3);
        let answer =
            move || Outcome::Good { rtt: ms(usual), at: Instant::from_nanos(u64::MAX), detail: "200 OK".into() };
        let mut monitors = Monitors::new(&file, 7, at(0));
        run(&mut monitors, at(0), at(8_000), |_, _| Some(answer()));
        monitors.watch_active(PoolId(0), Some(A), vec![B]);
        let until = at(8_001) + spec_of(&monitors).interval;
        let (starts, _) = run(&mut monitors, at(8_001), until, |start, _| (start.member == B).then(answer));
        let starts = starts_of(&starts, A);
        let after: Vec<u128> = starts.iter().take(5).map(|start| start.since(starts[0]).as_millis()).collect();
        assert_eq!(after, expected);
    }
}

fn spec_of(monitors: &Monitors) -> Monitor {
    rows(monitors, A).remove(0).spec
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
