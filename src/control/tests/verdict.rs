//! How soon a lost active member is left, and what is not taken for a loss.

use super::*;
use crate::policy::intent::{ExternalProbe, Monitor, MonitorId, MonitorKind, UpWhen};

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

/// Who carries probes, kept from its core for so long.
fn stall(bench: &mut Bench, management: bool, millis: u64) {
    if management {
        bench.now += ms(millis);
        return;
    }
    bench.sleep(0, true);
    bench.run(millis);
    bench.sleep(0, false);
}

#[test]
fn a_stall_of_the_appliance_moves_nothing_and_one_who_died_meanwhile_is_found_1200_ms_after_it() {
    for management in [true, false] {
        for (at, millis) in [60, 150, 350, 700, 1_500, 3_000].into_iter().enumerate() {
            let mut living = bench(1_000, Manner::Answers(200));
            for _ in 0..4 {
                living.run(83);
                stall(&mut living, management, millis);
            }
            living.run(2_000);
            nothing_moved(&living);
            assert_eq!(members(&mut living)[A].state, MemberState::Up);

            let mut dead = bench(1_000, Manner::Answers(200));
            dead.run(83 * at as u64);
            dead.hosts[A].manner = [Manner::Mute, Manner::Refuses][at % 2];
            stall(&mut dead, management, millis);
            let (took, row) = switchover(&mut dead);
            assert!(took <= ms(1_200), "{took:?} after {millis} ms, management: {management}: {row:?}");
        }
    }
}

/// The worker says when a frame came in.
#[test]
fn an_answer_that_lay_unread_counts_as_of_when_it_came() {
    let mut bench = bench(1_000, Manner::Refuses);
    let failed = probes(&mut bench).failed;
    for _ in 0..10 {
        bench.run_between_probes();
        bench.give(Input::Event(Event::Hint(MemberId(0))));
        let asked = bench.now;
        bench.now += ms(450);
        bench.run(1);
        let row = members(&mut bench).swap_remove(A).probes.remove(0);
        assert!(row.last_rtt_us.unwrap() < 1_000, "{row:?}");
        let row = probes(&mut bench);
        assert_eq!((row.failed, row.state), (failed, MemberState::Up));
        assert!(bench.now.since(asked) >= ms(450));
    }
    nothing_moved(&bench);
}

/// A command is handled before mail that has come in meanwhile.
#[test]
fn nobody_is_silent_whose_answer_may_lie_unread() {
    let mut bench = bench(1_000, Manner::Refuses);
    let failed = probes(&mut bench).failed;
    bench.run_between_probes();
    bench.pause(A);
    bench.give(Input::Event(Event::Hint(MemberId(0))));
    bench.run(390);
    bench.controller.heard_until(bench.now);
    bench.resume(A);
    bench.now += ms(20);
    bench.give(Input::Tick);
    assert_eq!(probes(&mut bench).failed, failed, "its time is up, and what came in time is not read");
    bench.run(1);
    let row = probes(&mut bench);
    assert_eq!((row.failed, row.state), (failed, MemberState::Up));
    // What has been read and was no answer ends it.
    bench.run_between_probes();
    bench.hosts[A].manner = Manner::Mute;
    bench.give(Input::Event(Event::Hint(MemberId(0))));
    bench.run(399);
    bench.controller.heard_until(bench.now + ms(2));
    bench.run(2);
    assert_eq!(probes(&mut bench).failed, failed + 1);
}

fn probes(bench: &mut Bench) -> ProbeRow {
    let Data::Probes(rows) = bench.ask(Request::Probes {}).unwrap().unwrap().data else { panic!("no probes") };
    rows.into_iter().find(|row| row.member == "sip-a").unwrap()
}

/// What stands for the members is asked in their place, from the self-IP that the file names, and by the route to it.
#[test]
fn a_monitor_may_ask_another_address_than_the_members() {
    let (beside, far) = (Ipv4Addr::new(10, 20, 0, 50), Ipv4Addr::new(172, 16, 9, 9));
    for (asked, interface, mac) in [(beside, 1, Mac([2, 0, 0, 0, 7, 7])), (far, 0, Mac([2, 0, 0, 0, 2, 1]))] {
        let mut intent = two_arm();
        intent.monitors[0].address = Some(asked);
        let mut bench = Bench::of(&intent);
        let manner = Manner::Answers(200);
        bench.hosts.push(Host { interface: InterfaceId(interface), address: asked, mac, manner });
        bench.run(2_000);
        let heard: BTreeSet<Ipv4Addr> = bench.options.iter().map(|(address, _)| *address).collect();
        assert_eq!(heard, BTreeSet::from([asked]));
        let ours = if asked == far { "192.0.2.2" } else { "10.20.0.1" };
        assert!(bench.options.iter().all(|(_, text)| text.contains(&format!("SIP/2.0/UDP {ours}:"))));
        assert!(members(&mut bench).iter().all(|row| row.state == MemberState::Up));
        let Data::Probes(rows) = bench.ask(Request::Probes {}).unwrap().unwrap().data else { panic!() };
        assert_eq!(rows[0].kind, format!("sip/udp 5060 of {asked}"));
        bench.hosts.last_mut().unwrap().manner = Manner::Refuses;
        bench.run(2_000);
        assert!(members(&mut bench).iter().all(|row| row.state == MemberState::Down));
    }
    let mut intent = two_arm();
    intent.monitors[0].source = Some(Ipv4Addr::new(192, 0, 2, 2));
    let mut bench = Bench::of(&intent);
    bench.run(1_000);
    assert!(bench.options.iter().all(|(_, text)| text.contains("SIP/2.0/UDP 192.0.2.2:")));
    assert_eq!(bench.active().as_deref(), Some("sip-a"), "by the members' link, not by the address's");
}

/// A program is run for each member; how it ends is what becomes known.
#[test]
fn a_program_of_the_operators_carries_probes() {
    use super::super::program_run::{Exit, ProgramExit};
    let mut intent = two_arm();
    let (command, arguments) = ("/usr/local/lib/fairlead/ask".into(), vec![]);
    let external = ExternalProbe { command, arguments, port: Some(5060), up_when: UpWhen::Exit };
    intent.monitors[0].kind = MonitorKind::External(external);
    let mut bench = Bench::of(&intent);
    let mut ran = 0;
    for _ in 0..60 {
        for run in std::mem::take(&mut bench.runs) {
            ran += 1;
            let status = Some(if run.arguments == ["10.20.0.12", "5060"] { 0 } else { 1 });
            let how = Exit::Status { status, output: b"as it is".to_vec() };
            let exit = ProgramExit { how, took: Duration::from_millis(3) };
            bench.give(Input::ProgramEnded { probe: run.probe, exit });
        }
        bench.run(20);
    }
    assert!(ran > 8, "{ran}");
    assert_eq!(bench.active().as_deref(), Some("sip-b"));
    let rows = members(&mut bench);
    assert_eq!(rows[A].reason, "sip-options: exit status 1: as it is (2 of 2)");
    assert_eq!(rows[B].reason, "sip-options: exit status 0: as it is");
    // Nobody says how they end any more.
    bench.run(5_000);
    assert!(members(&mut bench).iter().all(|row| row.state == MemberState::Down));
}

/// Another monitor is still well, and was answered a moment before.
#[test]
fn a_detection_is_counted_from_the_monitor_that_failed() {
    let mut both = two_arm();
    let datagram = MonitorKind::Udp { port: 5060, send: b"alive".to_vec(), receive: Vec::new() };
    both.monitors.push(Monitor {
        name: "alive".into(),
        kind: datagram,
        interval: ms(100),
        timeout: ms(80),
        ..both.monitors[0].clone()
    });
    (both.pools[0].monitors, both.pools[0].require) = (vec![MonitorId(0), MonitorId(1)], 2);
    let mut bench = Bench::of(&both);
    bench.run(2_000);
    bench.hosts[B].manner = Manner::Answers(200);
    bench.run(2_000);
    assert_eq!(bench.active().as_deref(), Some("sip-a"));
    bench.hosts[A].manner = Manner::Answers(503);
    let died = bench.now.nanos() / 1_000;
    let (_, row) = switchover(&mut bench);
    let rows = members(&mut bench).swap_remove(A).probes;
    assert_eq!(rows.iter().map(|row| row.state).collect::<Vec<_>>(), [MemberState::Down, MemberState::Up]);
    let last_good = row.last_good_answer.unwrap();
    assert!(last_good <= died && row.detected >= died + 100_000, "{row:?}");
    let found = row.lost.unwrap() - last_good;
    let shown = format!("; detected {}.{} ms after its last good answer", found / 1_000, found % 1_000 / 100);
    assert_eq!(bench.logged(&shown), 1, "{:?}", bench.logs);
}
