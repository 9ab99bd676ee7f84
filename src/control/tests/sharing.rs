//! Scenarios 92, 95 and 96, the controller's part: a pool whose members are all active, as its operator sees it.

use super::*;
use crate::admin::rows::VirtualServerRow;
use crate::policy::intent::{Mode, Pool};

fn bench(mode: Mode) -> Bench {
    let mut intent = two_arm();
    intent.pools.iter_mut().for_each(|pool| pool.mode = mode);
    let mut bench = Bench::of(&intent);
    bench.hosts[B].manner = Manner::Answers(200);
    bench.run(1_000);
    bench
}

fn virtual_server(bench: &mut Bench) -> VirtualServerRow {
    match bench.ask(Request::VirtualServers {}) {
        Some(Ok(Answered { data: Data::VirtualServers(mut rows), .. })) => rows.swap_remove(0),
        other => panic!("{other:?}"),
    }
}

#[test]
fn scenario_92_all_members_are_active_and_the_loss_of_one_is_seen_where_it_matters() {
    let mut bench = bench(Mode::RoundRobin);
    let row = virtual_server(&mut bench);
    assert_eq!((row.active, row.active_members, row.members), (None, vec!["sip-a".into(), "sip-b".into()], 2));
    assert_eq!((row.state, row.reason.as_str()), (VirtualServerState::Up, "all 2 members take new work"));
    let rows = members(&mut bench);
    assert!(rows.iter().all(|row| row.role == Role::Active && row.udp_idle_ms.is_none()), "{rows:?}");
    bench.hosts[B].manner = Manner::Mute;
    bench.run(1_400);
    let targets: Vec<MemberId> = bench.snapshot().pools[0].targets().collect();
    assert_eq!(targets, [MemberId(0)], "found as soon as the active member of a pair would be");
    assert_eq!(bench.snapshot().members[B].lost_before, bench.snapshot().pools[0].generation);
    let row = virtual_server(&mut bench);
    assert_eq!((row.state, row.active_members), (VirtualServerState::Up, vec!["sip-a".into()]));
    assert_eq!(members(&mut bench)[B].role, Role::None);
    assert_eq!(bench.logged("pool pair-1: 1 of 2 members take new work: sip-b is down"), 1);
    let refused = bench.ask(member_set("sip-a", AdminState::Offline)).unwrap().unwrap_err();
    assert_eq!(refused.code, Code::Refused, "{}", refused.message);
    bench.hosts[B].manner = Manner::Answers(200);
    bench.run(2_000);
    assert_eq!(virtual_server(&mut bench).active_members.len(), 2);
    bench.ask(member_set("sip-a", AdminState::Draining)).unwrap().unwrap();
    assert_eq!(virtual_server(&mut bench).active_members, ["sip-b"]);
}

#[test]
fn scenario_95_a_member_of_lower_priority_is_spare_and_takes_over_as_soon_as_a_standby_would() {
    let mut intent = two_arm();
    intent.pools.iter_mut().for_each(|pool| pool.mode = Mode::RoundRobin);
    intent.members[A].priority = 10;
    let mut bench = Bench::of(&intent);
    bench.hosts[B].manner = Manner::Answers(200);
    bench.run(1_000);
    let rows = members(&mut bench);
    assert_eq!((rows[A].role, rows[B].role), (Role::Active, Role::Standby));
    let spare = "; spare: its priority 0 is not needed while higher ones have min_active = 1";
    assert!(rows[B].reason.ends_with(spare), "{}", rows[B].reason);
    let row = virtual_server(&mut bench);
    let reason = "1 of 2 members take new work: priority 10 (counted: 1, min_active: 1); spare: sip-b";
    assert_eq!((row.reason.as_str(), row.active_members), (reason, vec!["sip-a".to_string()]));
    bench.ask(member_set("sip-a", AdminState::Offline)).unwrap().unwrap();
    assert_eq!(virtual_server(&mut bench).active_members, ["sip-b"], "another one is up");
    bench.ask(member_set("sip-a", AdminState::Enabled)).unwrap().unwrap();
    bench.run(100);
    bench.hosts[A].manner = Manner::Mute;
    bench.run(1_400);
    assert_eq!(virtual_server(&mut bench).active_members, ["sip-b"]);
}

#[test]
fn scenario_96_slow_start_steps_by_the_clock_alone_and_is_told() {
    let mut intent = two_arm();
    let change = |pool: &mut Pool| (pool.mode, pool.slow_start) = (Mode::RoundRobin, Duration::from_secs(10));
    intent.pools.iter_mut().for_each(change);
    let mut bench = Bench::of(&intent);
    bench.hosts[B].manner = Manner::Answers(200);
    bench.run(1_000);
    let weights = |bench: &Bench| {
        bench.snapshot().pools[0].sharing.clone().unwrap().targets().iter().map(|it| it.weight).collect::<Vec<_>>()
    };
    assert_eq!(weights(&bench), [1, 1]);
    bench.hosts[B].manner = Manner::Mute;
    bench.run(1_400);
    bench.hosts[B].manner = Manner::Answers(200);
    bench.run(900);
    let mut seen = vec![weights(&bench)];
    let reason = members(&mut bench)[B].reason.clone();
    assert!(reason.contains("; in slow start: 5 % of its share, all of it from "), "{reason}");
    for _ in 0..1_200 {
        bench.run(10);
        let now = weights(&bench);
        if seen.last() != Some(&now) {
            seen.push(now);
        }
    }
    let mut expected: Vec<Vec<u32>> = (0..10).map(|step| vec![20, 2 * step + 1]).collect();
    expected.push(vec![1, 1]);
    assert_eq!(seen, expected);
    assert!(!members(&mut bench)[B].reason.contains("slow start"));
}

#[test]
fn scenario_92_nobody_is_forced_and_nothing_is_drilled_where_all_are_active() {
    let mut bench = bench(Mode::SourceHash);
    let drill = Request::DrillBegin { pool: "pair-1".into(), back_after_s: 1 };
    for request in [force("sip-b"), Request::PoolAuto { pool: "pair-1".into() }, drill] {
        let refused = bench.ask(request.clone()).unwrap().unwrap_err();
        assert_eq!(refused.code, Code::Refused, "{request:?}");
        let why =
            "pool `pair-1` is of mode \"source-hash\": its members share the work, and none of them is the active one";
        assert!(refused.message.contains(why), "{}", refused.message);
    }
}

#[test]
fn scenario_92_the_flows_of_all_workers_are_counted_ten_times_a_second() {
    let mut bench = bench(Mode::LeastConnections);
    let sharing = bench.snapshot().pools[0].sharing.clone().unwrap();
    // Two workers have three flows of the first member each, and one of the second.
    assert_eq!(sharing.least(|_| 0, 0, |_| true), Some(1));
    assert_eq!(sharing.least(|at| [0, 5][at], 0, |_| true), Some(0));
    let before = sharing.counted();
    bench.run(1_000);
    assert!((9..=12).contains(&(sharing.counted() - before)), "{} times", sharing.counted() - before);
}
