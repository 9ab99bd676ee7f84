//! Programs are run one at a time, by the interval: what hastens packets does not multiply them.

use super::*;

fn programs() -> Intent {
    let program = ExternalProbe { command: "/bin/ask".into(), arguments: vec![], port: None, up_when: UpWhen::Exit };
    intent(vec![monitor("ask", MonitorKind::External(program))], 1)
}

/// Each program takes so long. Both members are up after a second, A is active then and B may take over; after two seconds the
/// wire hints at both all the time, if it does; from the third on A's programs fail. Gives when programs were started after the first
/// second, and who they were for.
fn play(took: u64, hints: bool) -> (Vec<(MemberId, Instant)>, Monitors) {
    let mut monitors = Monitors::new(&programs(), 7, at(0));
    let mut running: Vec<(Instant, Start, Outcome)> = Vec::new();
    let mut starts = Vec::new();
    for now in (0..8_000).map(at) {
        if now == at(1_000) {
            assert_eq!(states(&monitors), [State::Up; 2]);
            monitors.watch_active(PoolId(0), Some(A), vec![B]);
        }
        if hints && now > at(2_000) {
            [A, B].into_iter().for_each(|member| monitors.hint(member));
        }
        let (due, later) = running.into_iter().partition(|(when, ..)| *when <= now);
        running = later;
        for (_, start, outcome) in Vec::into_iter(due) {
            monitors.on_outcome(start.probe, outcome, now);
        }
        while let Some(start) = monitors.poll(now) {
            assert!(running.iter().all(|(_, other, _)| other.member != start.member), "one at a time: {now:?}");
            let fails = now > at(3_000) && start.member == A;
            running.push((now + ms(took), start, if fails { closed() } else { good() }));
            starts.extend((now > at(1_000)).then_some((start.member, now)));
        }
    }
    (starts, monitors)
}

fn of(starts: &[(MemberId, Instant)], member: MemberId) -> Vec<Instant> {
    starts.iter().filter(|(whose, _)| *whose == member).map(|(_, when)| *when).collect()
}

#[test]
fn a_failing_member_is_not_asked_by_bursts_of_programs() {
    for took in [1, 120] {
        let (starts, monitors) = play(took, false);
        assert_eq!(states(&monitors), [State::Down, State::Up]);
        for member in [A, B] {
            // Seven seconds at 200 ms; one of B's comes sooner, when A fails for the first time.
            let count = of(&starts, member).len();
            assert!((35..=36).contains(&count), "{member:?}: {count} programs of {took} ms");
        }
    }
}

#[test]
fn what_the_wire_says_brings_a_program_forward_to_a_third_of_the_interval_at_most() {
    for took in [1, 120] {
        let (starts, monitors) = play(took, true);
        assert_eq!(states(&monitors), [State::Down, State::Up]);
        for member in [A, B] {
            let of_it = of(&starts, member);
            let least = of_it.windows(2).map(|two| two[1].since(two[0])).min().unwrap();
            // As soon as the one before has ended, where that is later.
            assert_eq!(least, ms(67.max(took)), "{member:?}");
            assert!(of_it.len() > 40, "it does bring it forward: {}", of_it.len());
        }
    }
}

#[test]
fn the_operator_has_one_run_at_once_but_never_two() {
    let (_, mut monitors) = play(1, false);
    let now = at(8_000);
    let started = polled(&mut monitors, now);
    started.iter().for_each(|start| _ = monitors.on_outcome(start.probe, good(), now + ms(1)));
    let first = monitors.probe_now(B);
    assert_eq!(polled(&mut monitors, now + ms(2)).iter().map(|start| start.probe).collect::<Vec<_>>(), [first]);
    monitors.probe_now(B);
    assert_eq!(polled(&mut monitors, now + ms(100)).iter().filter(|start| start.member == B).count(), 0);
    monitors.on_outcome(first, good(), now + ms(101));
    assert_eq!(polled(&mut monitors, now + ms(101)).iter().filter(|start| start.member == B).count(), 1);
}

/// Hints to a program's check bring it forward, and what decides nothing is none.
#[test]
fn a_program_that_decides_nothing_is_run_again_by_the_interval() {
    let (_, mut monitors) = play(1, false);
    let mut started = Vec::new();
    for now in (8_000..10_000).map(at) {
        while let Some(start) = monitors.poll(now) {
            started.extend((start.member == B).then_some(now));
            monitors.on_outcome(start.probe, Outcome::AWAY, now);
        }
    }
    assert!((10..=11).contains(&started.len()), "{started:?}");
    assert!(started.windows(2).all(|two| two[1].since(two[0]) == ms(200)), "{started:?}");
}

/// Such as one for which there is no place: it would be asked for again and again in one moment.
#[test]
fn a_new_check_whose_program_decides_nothing_waits_for_its_interval() {
    let mut monitors = Monitors::new(&programs(), 7, at(0));
    let mut started = 0;
    for now in (0..2_000).map(at) {
        for _ in 0..10 {
            let Some(start) = monitors.poll(now) else { break };
            started += 1;
            monitors.on_outcome(start.probe, Outcome::AWAY, now);
        }
    }
    assert!((2 * 10..=2 * 11).contains(&started), "{started} in ten intervals");
    assert_eq!(states(&monitors), [State::Unknown; 2]);
}
