//! Scenario 97, the controller's part: what an operator sees of connection limits, and what a reload changes of them.

use super::*;
use crate::admin::rows::ConnectionsRow;
use crate::policy::intent::VirtualServerId;

fn virtual_server(bench: &mut Bench) -> Option<ConnectionsRow> {
    match bench.ask(Request::VirtualServers {}) {
        Some(Ok(Answered { data: Data::VirtualServers(rows), .. })) => rows[0].connections,
        other => panic!("{other:?}"),
    }
}

#[test]
fn scenario_97_connections_are_shown_beside_their_limits_and_an_alarm_says_whose_is_met() {
    let mut intent = two_arm();
    intent.members[A].connection_limit = 2;
    intent.virtual_servers[0].connection_rate_limit = 50;
    let mut bench = Bench::of(&intent);
    bench.run(1_000);
    // As workers do.
    let (of_a, of_server) = {
        let limits = &bench.snapshot().connection_limits;
        (limits.member(MemberId(0)).unwrap().clone(), limits.server(VirtualServerId(0)).unwrap().clone())
    };
    of_a.add(2);
    of_server.add(3);
    (0..100).for_each(|_| assert!(of_a.room(0, bench.now.nanos()).is_err()));
    bench.run(1_100);
    assert_eq!(bench.logged("alarm: member sip-a: connection_limit = 2 is met: new connections are refused"), 1);
    let rows = members(&mut bench);
    let expected = ConnectionsRow { now: 2, limit: Some(2), rate_limit: None };
    assert_eq!((rows[A].connections, rows[B].connections), (Some(expected), None));
    let expected = ConnectionsRow { now: 3, limit: None, rate_limit: Some(50) };
    assert_eq!(virtual_server(&mut bench), Some(expected));
    bench.run(11_000);
    assert_eq!(bench.logged("alarm cleared: member sip-a: connection_limit = 2 was not met for 10 seconds"), 1);
}

#[test]
fn scenario_97_a_reload_changes_limits_and_not_what_is_counted() {
    let mut intent = two_arm();
    intent.members[A].connection_limit = 2;
    let mut bench = Bench::of(&intent);
    bench.run(1_000);
    let before = bench.snapshot().connection_limits.member(MemberId(0)).unwrap().clone();
    before.add(2);
    intent.members[A].connection_limit = 5;
    intent.virtual_servers[0].connection_limit = 9;
    let answer = reload(&mut bench, Ok(file_of(&intent))).unwrap();
    let Data::Reloaded(reloaded) = answer.data else { panic!() };
    let changes: Vec<(&str, bool)> = reloaded.changes.iter().map(|it| (it.what.as_str(), it.live)).collect();
    let expected = [("member sip-a: connection_limit", true), ("virtual server sip-1: connection_limit", true)];
    assert_eq!(changes, expected);
    bench.run(100);
    let limits = &bench.snapshot().connection_limits;
    let after = limits.member(MemberId(0)).unwrap();
    assert!(after.is_same(&before));
    assert_eq!((after.most, after.connections()), (5, 2));
    assert_eq!(limits.server(VirtualServerId(0)).unwrap().most, 9);
    // What the link and the monitors change makes no others of them.
    bench.hosts[A].manner = Manner::Mute;
    bench.run(3_000);
    assert!(bench.snapshot().connection_limits.member(MemberId(0)).unwrap().is_same(&before));
}
