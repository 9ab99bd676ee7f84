//! While the appliance itself is away, nothing is concluded about members or routers.

use super::*;

/// Probes of sip-a that failed, changes of the active member, and probes that decided nothing.
fn counted(bench: &mut Bench) -> (u64, usize, u64) {
    let Data::Probes(probes) = bench.ask(Request::Probes {}).unwrap().unwrap().data else { panic!("no probes") };
    let failed = probes.iter().find(|row| row.member == "sip-a").unwrap().failed;
    let Data::Switchovers(rows) = bench.ask(Request::Switchovers {}).unwrap().unwrap().data else { panic!("no rows") };
    let counters = bench.ask(Request::Counters { all: true }).unwrap().unwrap().data;
    let Data::Counters(counters) = counters else { panic!("no counters") };
    let inconclusive = counters.iter().find(|row| row.name == "probes_inconclusive").unwrap().value;
    (failed, rows.len(), inconclusive)
}

#[test]
fn a_stalled_worker_that_carries_probes_makes_no_member_down() {
    for stalled in [vec![0], vec![0, 1]] {
        let mut bench = Bench::settled();
        let (failed, switchovers, _) = counted(&mut bench);
        stalled.iter().for_each(|&worker| bench.sleep(worker, true));
        bench.run(4_000);
        assert_eq!(bench.active().as_deref(), Some("sip-a"), "while it is stalled");
        stalled.iter().for_each(|&worker| bench.sleep(worker, false));
        bench.run(1_000);
        nothing_was_concluded_and_silence_counts_again(&mut bench, (failed, switchovers));
    }
}

/// Of what passed since `failed` probes and so many switchovers were counted; then sip-a falls silent.
fn nothing_was_concluded_and_silence_counts_again(bench: &mut Bench, before: (u64, usize)) {
    assert_eq!(bench.active().as_deref(), Some("sip-a"));
    let (failed, switchovers, inconclusive) = counted(bench);
    assert_eq!((failed, switchovers), before);
    assert!(inconclusive > 0);
    assert_eq!(bench.logged("does not answer ARP"), 0, "{:?}", bench.logs);
    bench.hosts[A].manner = Manner::Mute;
    bench.run(1_000);
    assert_eq!(members(bench)[A].state, MemberState::Down, "silence counts again");
}

#[test]
fn what_passed_while_management_was_away_makes_no_member_down() {
    let mut bench = Bench::settled();
    let (failed, switchovers, _) = counted(&mut bench);
    for _ in 0..20 {
        // It goes away while probes are under way.
        bench.run_between_probes();
        bench.give(Input::Event(Event::Hint(MemberId(0))));
        bench.now += Duration::from_millis(700);
    }
    bench.run(1_000);
    nothing_was_concluded_and_silence_counts_again(&mut bench, (failed, switchovers));
}

/// With probes a minute apart there is none whose silence could explain the rest.
#[test]
fn arp_that_is_not_answered_while_the_appliance_is_away_is_no_miss() {
    let mut rare = two_arm();
    rare.monitors.iter_mut().for_each(|monitor| monitor.interval = Duration::from_secs(60));
    let mut bench = Bench::of(&rare);
    bench.run(5_000);
    bench.sleep(0, true);
    bench.run(6_000);
    bench.sleep(0, false);
    bench.run(2_000);
    assert_eq!(bench.logged("does not answer ARP"), 0, "{:?}", bench.logs);
    bench.hosts[ROUTER].manner = Manner::Dead;
    bench.run(5_000);
    assert_eq!(bench.logged("alarm: next hop 192.0.2.1 of route default is unreachable"), 1, "silence counts again");
}

#[test]
fn a_port_that_is_closed_counts_though_management_was_away() {
    let mut bench = Bench::settled();
    bench.hosts[A].manner = Manner::Refuses;
    for _ in 0..10 {
        bench.run(230);
        bench.now += Duration::from_millis(300);
    }
    assert_eq!(members(&mut bench)[A].state, MemberState::Down, "the member itself has said so");
}
