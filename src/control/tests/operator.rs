//! What an operator asks and when he is answered: scenarios 37, 84; and that every snapshot is returned.

use super::*;

#[test]
fn scenario_37_the_operators_word_is_installed_when_it_is_answered() {
    let mut world = World::settled();
    world.hosts[B].manner = Manner::Answers(200);
    world.run(1_000);
    let told = world.ask(member_set("sip-a", AdminState::Offline)).unwrap().unwrap();
    assert_eq!((world.active().as_deref(), told.epoch), (Some("sip-b"), world.snapshot().epoch.0));
    let Data::Members(rows) = told.data else { panic!() };
    assert_eq!((rows[A].admin, rows[A].role), (AdminState::Offline, Role::None));
    assert_eq!(world.snapshot().members[A].lost_before, world.snapshot().pools[0].generation);
    world.ask(member_set("sip-a", AdminState::Enabled)).unwrap().unwrap();
    world.run(2_000);
    assert_eq!(world.active().as_deref(), Some("sip-b"), "no automatic takeover");
    world.ask(force("sip-a")).unwrap().unwrap();
    world.ask(member_set("sip-a", AdminState::Draining)).unwrap().unwrap();
    assert_eq!(world.active().as_deref(), Some("sip-b"));
    assert!(world.snapshot().members[A].lost_before < world.snapshot().pools[0].generation, "its TCP survives");
}

#[test]
fn a_change_is_answered_when_the_last_worker_has_it_or_patience_ends() {
    let mut world = World::settled();
    world.sleep(1, true);
    assert!(world.ask(member_set("sip-a", AdminState::Draining)).is_none());
    world.run(100);
    assert!(world.answers.is_empty());
    world.sleep(1, false);
    assert_eq!(world.answers.len(), 1);
    world.answers.clear();
    world.sleep(1, true);
    let refused = world.ask_and_wait(member_set("sip-a", AdminState::Enabled), 6_000).unwrap_err();
    assert_eq!(refused.code, Code::NoAnswer);
    world.sleep(1, false);
}

#[test]
fn every_snapshot_is_returned_and_epochs_only_grow() {
    let mut world = World::settled();
    for round in 0..30 {
        let word = if round % 2 == 0 { AdminState::Draining } else { AdminState::Enabled };
        world.sleep(1, round % 3 == 0);
        world.ask(member_set("sip-b", word));
        world.sleep(1, false);
        world.run(100);
    }
    assert!(world.epochs.is_sorted() && world.epochs.len() > 30);
    assert_eq!(world.controller.snapshots_outstanding(), 1, "only the latest is out");
    world.give(Input::Stop);
    assert!(world.stopped);
    assert_eq!(world.controller.snapshots_outstanding(), 0);
}

#[test]
fn at_the_end_nobody_is_left_without_an_answer() {
    let mut world = World::settled();
    world.sleep(1, true);
    assert!(world.ask(Request::ProbeNow { member: "sip-a".into() }).is_none());
    assert!(world.ask(member_set("sip-b", AdminState::Draining)).is_none());
    assert!(world.ask(Request::FlowsClear { filter: FlowSelection::default() }).is_none());
    world.give(Input::Stop);
    assert_eq!(world.answers.len(), 3);
    assert!(world.answers.values().all(|answer| answer.as_ref().is_err_and(|error| error.code == Code::Stopping)));
    assert_eq!(world.ask(Request::Members {}).unwrap().unwrap_err().code, Code::Stopping);
    assert!(!world.stopped);
    world.run(5_000);
    assert!(world.stopped, "it does not wait for ever");
    assert_eq!(world.logged("1 workers did not stop"), 1);
}

#[test]
fn unknown_names_are_refused_with_the_known_ones() {
    let mut world = World::settled();
    let flows = |filter| Request::Flows { filter, limit: 10 };
    let member = FlowSelection { member: Some("x".into()), ..FlowSelection::default() };
    let service = FlowSelection { virtual_server: Some("x".into()), ..FlowSelection::default() };
    let rows = [
        (member_set("x", AdminState::Draining), Code::UnknownMember, "sip-a, sip-b"),
        (Request::ProbeNow { member: "x".into() }, Code::UnknownMember, "sip-a, sip-b"),
        (force("x"), Code::UnknownMember, "sip-a, sip-b"),
        (Request::PoolAuto { pool: "x".into() }, Code::UnknownPool, "pair-1"),
        (Request::ExcludeList { pool: "x".into() }, Code::UnknownPool, "pair-1"),
        (flows(member), Code::UnknownMember, "sip-a, sip-b"),
        (flows(service), Code::UnknownVirtualServer, "sip-1"),
    ];
    for (request, code, known) in rows {
        let error = world.ask(request.clone()).unwrap().unwrap_err();
        assert_eq!(error.code, code, "{request:?}");
        assert!(error.message.contains(known), "{}", error.message);
    }
    world.ask(member_set("sip-b", AdminState::Offline)).unwrap().unwrap();
    assert_eq!(world.ask(force("sip-b")).unwrap().unwrap_err().code, Code::Refused);
}

#[test]
fn probe_now_asks_at_once_and_tells_what_came() {
    let mut world = World::settled();
    let sent = world.options.len();
    let told = world.ask_and_wait(Request::ProbeNow { member: "sip-a".into() }, 2_000).unwrap();
    let Data::Probes(rows) = told.data else { panic!() };
    assert_eq!((rows.len(), rows[0].kind.as_str(), rows[0].state), (1, "sip/udp 5060", MemberState::Up));
    assert!(world.options.len() > sent);
    assert_eq!(rows[0].sent, rows[0].ok + rows[0].failed);
    world.hosts[A].manner = Manner::Mute;
    let told = world.ask_and_wait(Request::ProbeNow { member: "sip-a".into() }, 2_000).unwrap();
    let Data::Probes(rows) = told.data else { panic!() };
    assert!(rows[0].failed > 0 && rows[0].reason.contains("no answer"), "{}", rows[0].reason);
}

#[test]
fn every_table_has_its_rows() {
    let mut world = World::settled();
    let count = |data: Data| match data {
        Data::VirtualServers(rows) => rows.len(),
        Data::Probes(rows) => rows.len(),
        Data::Snat(rows) => rows.len(),
        Data::Neighbours(rows) => {
            assert!(rows.iter().all(|row| row.state == NeighbourState::Reachable), "{rows:?}");
            assert_eq!(
                rows.iter().map(|row| row.role.as_str()).collect::<Vec<_>>(),
                ["router", "member sip-a", "member sip-b"]
            );
            rows.len()
        }
        Data::Routes(rows) => rows.len(),
        Data::Ports(rows) => rows.len(),
        Data::Switchovers(rows) => rows.len(),
        Data::Latency(rows) => rows.len(),
        other => panic!("{other:?}"),
    };
    let rows = [
        (Request::VirtualServers {}, 1),
        (Request::Probes {}, 2),
        (Request::Snat {}, 3),
        (Request::Neighbours {}, 3),
        (Request::Routes {}, 3),
        (Request::Ports {}, 2),
        (Request::Switchovers {}, 1),
        (Request::Latency { reset: false }, 3),
    ];
    for (request, expected) in rows {
        assert_eq!(count(world.ask(request.clone()).unwrap().unwrap().data), expected, "{request:?}");
    }
    let counters = |world: &mut World, all| match world.ask(Request::Counters { all }).unwrap().unwrap().data {
        Data::Counters(rows) => rows,
        other => panic!("{other:?}"),
    };
    let few = counters(&mut world, false);
    assert_eq!(few.iter().find(|row| row.name == "received").map(|row| row.value), Some(21), "of both workers");
    assert!(few.iter().all(|row| row.value > 0 && row.worker.is_none()));
    let all = counters(&mut world, true);
    assert!(all.iter().any(|row| row.name == "drop_no_route" && row.worker == Some(1)));
}

#[test]
fn flows_come_from_all_workers_within_the_limit_and_a_silent_worker_holds_nobody_up() {
    let mut world = World::settled();
    let tuple = Tuple::new(Protocol::Udp, Endpoint::new(Ipv4Addr::new(172, 16, 5, 5), 5060), Endpoint::new(V, 5060));
    world.flows = vec![
        FlowRow {
            worker: WorkerId(0),
            path: "service",
            protocol: Protocol::Udp,
            opened_by: tuple,
            became: tuple,
            member: Some(Ipv4Addr::new(10, 20, 0, 11)),
            state: "open",
            idle: Duration::from_millis(3),
            expires_in: Duration::from_secs(9),
        };
        6
    ];
    let list = |limit| Request::Flows { filter: FlowSelection::default(), limit };
    for (limit, expected) in [(100, 12), (7, 7)] {
        let Data::Flows(rows) = world.ask(list(limit)).unwrap().unwrap().data else { panic!() };
        assert_eq!((rows.len(), rows[0].member.as_deref(), rows[0].idle_ms), (expected, Some("sip-a"), 3));
    }
    let clear = Request::FlowsClear { filter: FlowSelection::default() };
    let Data::Cleared(cleared) = world.ask(clear).unwrap().unwrap().data else { panic!() };
    assert_eq!(cleared.count, 12);
    world.sleep(1, true);
    let Data::Flows(rows) = world.ask_and_wait(list(100), 2_100).unwrap().data else { panic!() };
    assert_eq!((rows.len(), world.logged("1 workers did not answer")), (6, 1));
    world.sleep(0, true);
    assert_eq!(world.ask_and_wait(list(100), 2_100).unwrap_err().code, Code::NoAnswer);
}
