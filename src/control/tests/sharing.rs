//! Scenario 92, the controller's part: a pool whose members are all active, as its operator sees it.

use super::*;
use crate::admin::rows::VirtualServerRow;
use crate::policy::intent::Mode;

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
fn scenario_92_nobody_is_forced_and_nothing_is_drilled_where_all_are_active() {
    let mut bench = bench(Mode::SourceHash);
    let drill = Request::DrillBegin { pool: "pair-1".into(), back_after_s: 1 };
    for request in [force("sip-b"), Request::PoolAuto { pool: "pair-1".into() }, drill] {
        let refused = bench.ask(request.clone()).unwrap().unwrap_err();
        assert_eq!(refused.code, Code::Refused, "{request:?}");
        let why = "pool `pair-1` is of mode \"source-hash\": all members that are up are active";
        assert!(refused.message.contains(why), "{}", refused.message);
    }
}

#[test]
fn scenario_92_the_flows_of_all_workers_are_counted_ten_times_a_second() {
    let mut bench = bench(Mode::LeastConnections);
    let sharing = bench.snapshot().pools[0].sharing.clone().unwrap();
    // Two workers have three flows of the first member each, and one of the second.
    assert_eq!(sharing.least(|_| 0, 0), Some(1));
    assert_eq!(sharing.least(|at| [0, 5][at], 0), Some(0));
    let before = sharing.counted();
    bench.run(1_000);
    assert!((9..=12).contains(&(sharing.counted() - before)), "{} times", sharing.counted() - before);
}
