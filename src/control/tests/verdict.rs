//! How soon a lost active member is left, and what is not taken for a loss.

use super::*;
use crate::policy::intent::MonitorKind;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Monitors with the standing defaults, but for their patience; sip-a is active, and sip-b does so.
fn bench(patience: u64, standby: Manner) -> Bench {
    let mut intent = two_arm();
    let monitor = &mut intent.monitors[0];
    assert!(matches!(monitor.kind, MonitorKind::Sip(_)));
    (monitor.interval, monitor.timeout, monitor.rise, monitor.fall) = (ms(500), ms(400), 2, 3);
    monitor.patience = ms(patience);
    let mut bench = Bench::of(&intent);
    bench.run(2_000);
    bench.hosts[B].manner = standby;
    bench.run(2_000);
    assert_eq!((bench.active().as_deref(), bench.logged("switchover of pool")), (Some("sip-a"), 1));
    bench
}

/// How long it takes until sip-b is the active member, and the record of that.
fn switchover(bench: &mut Bench) -> (Duration, SwitchoverRow) {
    let from = bench.now;
    while bench.active().as_deref() != Some("sip-b") {
        assert!(bench.now.since(from) < ms(5_000), "{:?}", bench.logs);
        bench.run(1);
    }
    let Data::Switchovers(rows) = bench.ask(Request::Switchovers {}).unwrap().unwrap().data else { panic!() };
    (bench.now.since(from), rows.last().unwrap().clone())
}

fn nothing_moved(bench: &Bench) {
    assert_eq!((bench.active().as_deref(), bench.logged("switchover of pool")), (Some("sip-a"), 1), "{:?}", bench.logs);
    assert_eq!(bench.snapshot().members[A].lost_before.0, 0, "no connection is reset");
}

#[test]
fn who_dies_is_left_within_1200_ms_where_another_answers_and_never_before_patience_ends() {
    for (at, phase) in (0..500).step_by(23).enumerate() {
        let mut bench = bench(1_000, Manner::Answers(200));
        bench.run(phase);
        bench.hosts[A].manner = [Manner::Mute, Manner::Refuses, Manner::Answers(503), Manner::Dead][at % 4];
        let died = bench.now.nanos() / 1_000;
        let (took, row) = switchover(&mut bench);
        assert!(took <= ms(1_200), "{took:?} in phase {phase}: {row:?}");
        let (last_good, first_failed) = (row.last_good_answer.unwrap(), row.first_failed_probe.unwrap());
        assert!(row.detected >= last_good + 1_000_000, "{row:?}");
        assert!(last_good <= died && died <= first_failed + 1_000, "{row:?}");
        assert!(bench.logged("(3 of 3)") > 0, "{:?}", bench.logs);
    }
}

#[test]
fn with_400_ms_of_patience_it_takes_500_ms_from_the_first_sign() {
    for (at, phase) in (0..500).step_by(23).enumerate() {
        for delay in [1, 60] {
            let mut bench = bench(400, Manner::Answers(200));
            bench.run(phase);
            bench.hosts[A].manner = [Manner::Mute, Manner::Refuses, Manner::Answers(503)][at % 3];
            bench.run(delay);
            bench.give(Input::Event(Event::Hint(MemberId(0))));
            let (took, row) = switchover(&mut bench);
            assert!(took <= ms(500), "{took:?} in phase {phase}: {row:?}");
            assert!(row.detected >= row.last_good_answer.unwrap() + 400_000, "{row:?}");
        }
        // Without a sign from the wire: from when the first answer is overdue.
        let mut bench = bench(400, Manner::Answers(200));
        bench.run(phase);
        bench.hosts[A].manner = Manner::Mute;
        let (_, row) = switchover(&mut bench);
        assert!(row.detected <= row.first_failed_probe.unwrap() + 100_000 + 500_000, "{row:?}");
    }
}

/// Its host says nothing at all before: no answer to a probe tells when the port opens.
#[test]
fn a_standby_whose_port_opens_later_takes_over_within_150_ms() {
    for (at, offset) in (0..400).step_by(23).enumerate() {
        let mut bench = bench(1_000, [Manner::Mute, Manner::Refuses][at % 2]);
        bench.hosts[A].manner = [Manner::Mute, Manner::Refuses][at / 2 % 2];
        bench.run(2_500 + offset);
        assert_eq!(members(&mut bench)[A].state, MemberState::Down);
        bench.hosts[B].manner = Manner::Answers(200);
        let (took, row) = switchover(&mut bench);
        assert!(took <= ms(150), "{took:?}: {row:?}");
    }
}

#[test]
fn one_that_comes_up_before_the_verdict_hastens_it() {
    for opens in [500, 700, 1_000] {
        let mut bench = bench(1_000, Manner::Mute);
        bench.run_between_probes();
        bench.hosts[A].manner = Manner::Mute;
        bench.run(opens);
        bench.hosts[B].manner = Manner::Answers(200);
        let (took, row) = switchover(&mut bench);
        // Three intervals and a timeout would be 1.9 s.
        assert!(ms(opens) + took <= ms(1_600), "{took:?} after {opens} ms: {row:?}");
    }
}

#[test]
fn a_standby_is_asked_each_100_ms_whether_or_not_it_answers() {
    let mut bench = bench(1_000, Manner::Mute);
    bench.hosts[A].manner = Manner::Mute;
    bench.run(2_000);
    let sent = bench.options.len();
    bench.run(1_000);
    let asked = bench.options[sent..].iter().filter(|(to, _)| *to == Ipv4Addr::new(10, 20, 0, 12)).count();
    assert!((9..=11).contains(&asked), "{asked}");
}

/// A dump, a collection of garbage, a live migration: nobody is better, so nothing is to be gained.
#[test]
fn a_server_that_is_busy_for_1600_ms_loses_nothing_where_no_other_answers() {
    for (at, phase) in (0..500).step_by(47).enumerate() {
        let mut bench = bench(1_000, [Manner::Mute, Manner::Refuses][at % 2]);
        let mut rejecting = bench.controller.intent().clone();
        rejecting.pools[0].no_member = [NoMember::KeepLast, NoMember::Reject][at / 2 % 2];
        reload(&mut bench, Ok(file_of(&rejecting))).unwrap();
        bench.run(phase);
        bench.pause(A);
        bench.run(1_600);
        nothing_moved(&bench);
        bench.resume(A);
        bench.run(2_000);
        nothing_moved(&bench);
        assert_eq!(members(&mut bench)[A].state, MemberState::Up);
    }
}

#[test]
fn a_server_that_is_busy_for_800_ms_loses_nothing_though_another_answers() {
    for phase in (0..500).step_by(19) {
        let mut bench = bench(1_000, Manner::Answers(200));
        bench.run(phase);
        bench.pause(A);
        bench.run(800);
        bench.resume(A);
        bench.run(2_000);
        nothing_moved(&bench);
        assert_eq!(members(&mut bench)[A].state, MemberState::Up);
    }
}

#[test]
fn flapping_moves_nothing_while_the_active_member_answers_now_and_then() {
    let mut active = bench(1_000, Manner::Answers(200));
    for round in 0..20 {
        active.hosts[A].manner = [Manner::Mute, Manner::Refuses, Manner::Answers(503)][round % 3];
        active.run(300);
        active.hosts[A].manner = Manner::Answers(200);
        active.run(300);
    }
    nothing_moved(&active);
    let mut standby = bench(1_000, Manner::Answers(200));
    for round in 0..20 {
        standby.hosts[B].manner = [Manner::Mute, Manner::Refuses][round % 2];
        standby.run(700);
        standby.hosts[B].manner = Manner::Answers(200);
        standby.run(700);
    }
    nothing_moved(&standby);
}
