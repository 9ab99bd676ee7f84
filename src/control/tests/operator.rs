//! What an operator asks and when he is answered: scenarios 37, 84; and that every snapshot is returned.

use super::*;
use crate::admin::request::EventSelection;

#[test]
fn the_last_probes_of_a_member_are_shown_oldest_first() {
    use crate::admin::rows::ProbeResult;
    let mut bench = Bench::settled();
    bench.hosts[A].manner = Manner::Refuses;
    bench.run(20_000);
    let Data::ProbeHistory(rows) = bench.ask(Request::ProbeHistory { member: "sip-a".into() }).unwrap().unwrap().data
    else {
        panic!()
    };
    assert_eq!(rows.len(), 32, "and no more");
    assert!(rows.iter().all(|row| row.result == ProbeResult::Failed && row.rtt_us.is_none()), "{rows:?}");
    assert!(rows.windows(2).all(|pair| pair[0].time < pair[1].time), "{rows:?}");
    bench.hosts[A].manner = Manner::Answers(200);
    bench.run(1_000);
    let Data::ProbeHistory(rows) = bench.ask(Request::ProbeHistory { member: "sip-a".into() }).unwrap().unwrap().data
    else {
        panic!()
    };
    let last = rows.last().unwrap();
    assert_eq!((last.result, last.rtt_us, last.reason.as_str()), (ProbeResult::Good, Some(300), "200 Whatever"));
    assert_eq!((last.monitor.as_str(), last.kind.as_str()), ("sip-options", "sip/udp 5060"));
    let refused = bench.ask(Request::ProbeHistory { member: "sip-x".into() }).unwrap().unwrap_err();
    assert_eq!(refused.code, Code::UnknownMember);
}

#[test]
fn scenario_37_the_operators_word_is_installed_when_it_is_answered() {
    let mut bench = Bench::settled();
    bench.hosts[B].manner = Manner::Answers(200);
    bench.run(1_000);
    let told = bench.ask(member_set("sip-a", AdminState::Offline)).unwrap().unwrap();
    assert_eq!((bench.active().as_deref(), told.epoch), (Some("sip-b"), bench.snapshot().epoch.0));
    let Data::Members(rows) = told.data else { panic!() };
    assert_eq!((rows[A].admin, rows[A].role), (AdminState::Offline, Role::None));
    assert_eq!(bench.snapshot().members[A].lost_before, bench.snapshot().pools[0].generation);
    bench.ask(member_set("sip-a", AdminState::Enabled)).unwrap().unwrap();
    bench.run(2_000);
    assert_eq!(bench.active().as_deref(), Some("sip-b"), "no automatic takeover");
    bench.ask(force("sip-a")).unwrap().unwrap();
    bench.ask(member_set("sip-a", AdminState::Draining)).unwrap().unwrap();
    assert_eq!(bench.active().as_deref(), Some("sip-b"));
    assert!(bench.snapshot().members[A].lost_before < bench.snapshot().pools[0].generation, "its TCP survives");
}

#[test]
fn scenario_37_the_only_one_up_is_taken_offline_only_with_yes_and_drained_it_keeps_the_role() {
    let mut bench = Bench::settled();
    let refused = bench.ask(member_set("sip-a", AdminState::Offline)).unwrap().unwrap_err();
    assert_eq!(refused.code, Code::Refused);
    for told in ["no other member of pool `pair-1` is up", "member drain sip-a", "member offline sip-a --yes"] {
        assert!(refused.message.contains(told), "{}", refused.message);
    }
    assert_eq!((bench.active().as_deref(), members(&mut bench)[A].admin), (Some("sip-a"), AdminState::Enabled));
    bench.ask(member_set("sip-b", AdminState::Offline)).unwrap().expect("it is not active");
    bench.ask(member_set("sip-b", AdminState::Enabled)).unwrap().unwrap();

    bench.ask(member_set("sip-a", AdminState::Draining)).unwrap().unwrap();
    bench.run(5_000);
    assert_eq!((bench.active().as_deref(), bench.logged("sip-a is active but drained")), (Some("sip-a"), 1));
    bench.hosts[B].manner = Manner::Answers(200);
    bench.run(1_000);
    assert_eq!(bench.active().as_deref(), Some("sip-b"));
    assert!(bench.snapshot().members[A].lost_before < bench.snapshot().pools[0].generation, "its TCP survives");
    let Data::Switchovers(rows) = bench.ask(Request::Switchovers {}).unwrap().unwrap().data else { panic!() };
    let row = rows.last().unwrap();
    assert_eq!((row.cause, row.lost), (Cause::Operator, None), "no monitor found it lost: {row:?}");

    bench.hosts[B].manner = Manner::Refuses;
    let Request::MemberSet { member, admin, .. } = member_set("sip-b", AdminState::Offline) else { panic!() };
    bench.run(1_000);
    bench.ask(Request::MemberSet { member, admin, yes: true, for_s: None }).unwrap().unwrap();
    assert_eq!(bench.active(), None, "taken away at once");
}

#[test]
fn a_change_is_answered_when_the_last_worker_has_it_or_patience_ends() {
    let mut bench = Bench::settled();
    bench.sleep(1, true);
    assert!(bench.ask(member_set("sip-a", AdminState::Draining)).is_none());
    bench.run(100);
    assert!(bench.answers.is_empty());
    bench.sleep(1, false);
    assert_eq!(bench.answers.len(), 1);
    bench.answers.clear();
    bench.sleep(1, true);
    let refused = bench.ask_and_wait(member_set("sip-a", AdminState::Enabled), 6_000).unwrap_err();
    assert_eq!(refused.code, Code::NoAnswer);
    bench.sleep(1, false);
}

#[test]
fn every_snapshot_is_returned_and_epochs_only_grow() {
    let mut bench = Bench::settled();
    for round in 0..30 {
        let word = if round % 2 == 0 { AdminState::Draining } else { AdminState::Enabled };
        bench.sleep(1, round % 3 == 0);
        bench.ask(member_set("sip-b", word));
        bench.sleep(1, false);
        bench.run(100);
    }
    assert!(bench.epochs.is_sorted() && bench.epochs.len() > 30);
    assert_eq!(bench.controller.snapshots_outstanding(), 1, "only the latest is out");
    bench.give(Input::Stop);
    assert!(bench.stopped);
    assert_eq!(bench.controller.snapshots_outstanding(), 0);
}

#[test]
fn at_the_end_nobody_is_left_without_an_answer() {
    let mut bench = Bench::settled();
    bench.sleep(1, true);
    assert!(bench.ask(Request::ProbeNow { member: "sip-a".into() }).is_none());
    assert!(bench.ask(member_set("sip-b", AdminState::Draining)).is_none());
    assert!(bench.ask(Request::FlowsClear { filter: FlowSelection::default() }).is_none());
    bench.give(Input::Stop);
    assert_eq!(bench.answers.len(), 3);
    assert!(bench.answers.values().all(|answer| answer.as_ref().is_err_and(|error| error.code == Code::Stopping)));
    assert_eq!(bench.ask(Request::Members {}).unwrap().unwrap_err().code, Code::Stopping);
    assert!(!bench.stopped);
    bench.run(5_000);
    assert!(bench.stopped, "it does not wait for ever");
    assert_eq!(bench.logged("1 workers did not stop"), 1);
}

#[test]
fn unknown_names_are_refused_with_the_known_ones() {
    let mut bench = Bench::settled();
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
        let error = bench.ask(request.clone()).unwrap().unwrap_err();
        assert_eq!(error.code, code, "{request:?}");
        assert!(error.message.contains(known), "{}", error.message);
    }
    bench.ask(member_set("sip-b", AdminState::Offline)).unwrap().unwrap();
    assert_eq!(bench.ask(force("sip-b")).unwrap().unwrap_err().code, Code::Refused);
}

#[test]
fn probe_now_asks_at_once_and_tells_what_came() {
    let mut bench = Bench::settled();
    let sent = bench.options.len();
    let told = bench.ask_and_wait(Request::ProbeNow { member: "sip-a".into() }, 2_000).unwrap();
    let Data::Probes(rows) = told.data else { panic!() };
    assert_eq!((rows.len(), rows[0].kind.as_str(), rows[0].state), (1, "sip/udp 5060", MemberState::Up));
    assert!(bench.options.len() > sent);
    assert_eq!(rows[0].sent, rows[0].ok + rows[0].failed);
    bench.hosts[A].manner = Manner::Mute;
    let told = bench.ask_and_wait(Request::ProbeNow { member: "sip-a".into() }, 2_000).unwrap();
    let Data::Probes(rows) = told.data else { panic!() };
    assert!(rows[0].failed > 0 && rows[0].reason.contains("no answer"), "{}", rows[0].reason);
}

#[test]
fn every_table_has_its_rows() {
    let mut bench = Bench::settled();
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
        assert_eq!(count(bench.ask(request.clone()).unwrap().unwrap().data), expected, "{request:?}");
    }
    let counters = |bench: &mut Bench, all| match bench.ask(Request::Counters { all }).unwrap().unwrap().data {
        Data::Counters(rows) => rows,
        other => panic!("{other:?}"),
    };
    let few = counters(&mut bench, false);
    assert_eq!(few.iter().find(|row| row.name == "received").map(|row| row.value), Some(21), "of both workers");
    assert!(few.iter().all(|row| row.value > 0 && row.worker.is_none()));
    let all = counters(&mut bench, true);
    assert!(all.iter().any(|row| row.name == "drop_no_route" && row.worker == Some(1)));
}

#[test]
fn flows_come_from_all_workers_within_the_limit_and_a_silent_worker_holds_nobody_up() {
    let mut bench = Bench::settled();
    let tuple = Tuple::new(Protocol::Udp, Endpoint::new(Ipv4Addr::new(172, 16, 5, 5), 5060), Endpoint::new(V, 5060));
    bench.flows = vec![
        FlowRow {
            worker: WorkerId(0),
            name: FlowName { place: 5, number: 1 },
            path: "service",
            protocol: Protocol::Udp,
            opened_by: tuple,
            became: tuple,
            member: Some(Ipv4Addr::new(10, 20, 0, 11)),
            state: "open",
            idle: Duration::from_millis(3),
            expires_in: Duration::from_secs(9),
            counted: None,
        };
        6
    ];
    let list = |limit| Request::Flows { filter: FlowSelection::default(), limit };
    for (limit, expected) in [(100, 12), (7, 7)] {
        let Data::Flows(rows, total) = bench.ask(list(limit)).unwrap().unwrap().data else { panic!() };
        assert_eq!(total, Total { count: 14, exact: true }, "3 and 4 of each worker");
        assert_eq!((rows.len(), rows[0].member.as_deref(), rows[0].idle_ms), (expected, Some("sip-a"), 3));
    }
    let clear = Request::FlowsClear { filter: FlowSelection::default() };
    let Data::Cleared(cleared) = bench.ask(clear).unwrap().unwrap().data else { panic!() };
    assert_eq!(cleared.count, 12);
    bench.sleep(1, true);
    let Data::Flows(rows, total) = bench.ask_and_wait(list(100), 2_100).unwrap().data else { panic!() };
    assert_eq!(total, Total { count: 7, exact: false });
    assert_eq!((rows.len(), bench.logged("1 workers did not answer")), (6, 1));
    bench.sleep(0, true);
    assert_eq!(bench.ask_and_wait(list(100), 2_100).unwrap_err().code, Code::NoAnswer);
}

/// The last worker decides, and is waited for no longer than anybody.
#[test]
fn a_packet_is_explained_by_the_worker_that_would_decide() {
    let mut bench = Bench::settled();
    let packet = || {
        let end = |text: &str| text.parse().unwrap();
        let packet = PacketAsked::between(Transport::Udp, end("172.16.5.5:5060"), end("10.20.0.100:5060"));
        Request::Explain(packet)
    };
    let explained = |answer: Answer| match answer.map(|answered| answered.data) {
        Ok(Data::Explanation(explanation)) => explanation,
        other => panic!("{other:?}"),
    };
    let said = explained(bench.ask_and_wait(packet(), 100));
    assert_eq!((said.worker, &*said.verdict, said.member.as_deref()), (Some(1), "forward", Some("sip-a")));
    bench.sleep(0, true);
    let again = explained(bench.ask_and_wait(packet(), 2_100));
    assert_eq!((again.worker, again.translated), (Some(1), said.translated), "the other one has nothing to say");
    bench.sleep(1, true);
    let refused = bench.ask_and_wait(packet(), 2_100).unwrap_err();
    assert_eq!(refused.code, Code::NoAnswer);
    assert!(refused.message.contains("2 workers did not answer within 2s"), "{}", refused.message);
}

/// Of what nothing is remembered any worker decides, whoever answers.
#[test]
fn a_packet_that_any_worker_would_decide_about_is_of_none() {
    let mut bench = Bench::settled();
    let end = |text: &str| text.parse().unwrap();
    let transit = || PacketAsked::between(Transport::Udp, end("172.16.5.5:5060"), end("172.16.9.9:5060"));
    for asleep in [None, Some(0)] {
        if let Some(worker) = asleep {
            bench.sleep(worker, true);
        }
        match bench.ask_and_wait(Request::Explain(transit()), 100).map(|answered| answered.data) {
            Ok(Data::Explanation(said)) => assert_eq!((said.worker, &*said.verdict), (None, "forward"), "{said:#?}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_log_level_is_changed_by_the_operator_or_the_file_and_more_is_said_at_debug_and_trace() {
    let mut bench = Bench::settled();
    let level = |bench: &mut Bench, level| match bench.ask(Request::LogLevel { level }) {
        Some(Ok(Answered { data: Data::Logging(Logging { level, file }), .. })) => (level, file),
        other => panic!("{other:?}"),
    };
    let (info, debug, trace) = (LogLevel::Info, LogLevel::Debug, LogLevel::Trace);
    assert_eq!(level(&mut bench, None), (info, info));
    bench.run(1_000);
    assert_eq!(bench.logs.iter().filter(|(level, _)| *level == debug).count(), 0, "nothing is made in vain");
    assert_eq!(level(&mut bench, Some(debug)), (debug, info));
    assert_eq!((bench.levels.as_slice(), bench.logged("log level set to debug by the operator")), (&[debug][..], 1));
    // Members: sip-b refuses each probe; sip-a begins to.
    bench.hosts[A].manner = Manner::Refuses;
    bench.run(1_000);
    for part in ["port 5060/udp is closed", "failed: "] {
        assert!(bench.logs.iter().any(|(level, line)| *level == debug && line.contains(part)), "{part}");
    }
    bench.ask(Request::Members {});
    assert!(bench.logged(": Members") > 0, "what is asked");
    assert_eq!(bench.logs.iter().filter(|(level, _)| *level == trace).count(), 0);
    level(&mut bench, Some(trace));
    bench.hosts[A].manner = Manner::Answers(200);
    bench.run(1_000);
    for part in ["sip-options of sip-a from 10.20.0.1", "in 300µs"] {
        assert!(bench.logs.iter().any(|(level, line)| *level == trace && line.contains(part)), "{part}");
    }
    // A file that says the same as before leaves it; one that says another level counts.
    reload(&mut bench, Ok(file_of(&two_arm()))).unwrap();
    assert_eq!(level(&mut bench, None), (trace, info));
    let mut file = file_of(&two_arm());
    file.settings.log = LogLevel::Warn;
    reload(&mut bench, Ok(file)).unwrap();
    assert_eq!(level(&mut bench, None), (LogLevel::Warn, LogLevel::Warn));
    assert_eq!(bench.levels, [debug, trace, LogLevel::Warn]);
}

#[test]
fn ages_are_of_time_that_passed_and_moments_of_the_calendar_whatever_is_done_to_the_calendar() {
    let mut bench = Bench::settled();
    let hours = |count: i64| Wall((1_795_352_645_000_000 + count * 3_600_000_000) as u64);
    let status = |bench: &mut Bench| match bench.ask(Request::Status {}).unwrap().unwrap().data {
        Data::Status(status) => *status,
        other => panic!("{other:?}"),
    };
    // Since the start, by a calendar that is `set` hours ahead of the first.
    let at = |bench: &Bench, set: i64| hours(set).plus(bench.now.since(Instant::ZERO));
    let start = bench.now;
    bench.run(10_000);
    bench.controller.set_calendar(hours(6));
    let (before, seen) = (status(&mut bench), at(&bench, 6));
    assert_eq!(before.last_switchover.unwrap().age_ms / 1_000, 10, "the first choice was made 10 s ago");
    let age = seen.since(before.virtual_servers[0].since);
    assert_eq!(age.as_secs(), bench.now.since(start).as_secs(), "{age:?}");
    let decided = at(&bench, 6);
    bench.ask(force("sip-b")).unwrap().unwrap();
    let last = status(&mut bench).last_switchover.unwrap();
    assert_eq!((last.time, last.age_ms), (decided, 0));
    let events = bench.ask(Request::Events { filter: EventSelection::default(), since_s: None }).unwrap().unwrap().data;
    let Data::Events(events) = events else { panic!() };
    assert_eq!(events.iter().rfind(|row| row.event == "switchover").unwrap().time, decided);
    bench.run(5_000);
    bench.controller.set_calendar(hours(-6));
    let after = status(&mut bench);
    assert_eq!(after.last_switchover.map(|last| (last.time, last.age_ms)), Some((decided, 5_000)));
    assert_eq!(at(&bench, -6).since(after.virtual_servers[0].since), Duration::from_secs(5));
}

#[test]
fn a_calendar_that_is_set_is_an_alarm_and_one_that_is_kept_right_is_none() {
    let mut bench = Bench::settled();
    let set = |bench: &mut Bench, to: Duration| {
        bench.controller.set_calendar(Wall(1_795_352_645_000_000).plus(to));
        bench.give(Input::Tick);
    };
    let stepped = |bench: &mut Bench| match bench.ask(Request::Status {}).unwrap().unwrap().data {
        Data::Status(status) => {
            let alarms = status.alarms.into_iter().filter(|alarm| alarm.code == "clock.stepped");
            alarms.map(|alarm| alarm.message).collect::<Vec<String>>()
        }
        other => panic!("{other:?}"),
    };
    // The first that is said of it is no change, and NTP moves it by a little each time.
    for ms in [3_600_000, 3_600_400, 3_600_900] {
        set(&mut bench, Duration::from_millis(ms));
        assert_eq!(stepped(&mut bench), [""; 0]);
    }
    let end = "what was logged before has the time of the old one; probes and timeouts do not go by it";
    set(&mut bench, Duration::from_millis(2_400));
    let back = format!("the clock of this box was set back by 59m 58s: {end}");
    assert_eq!((stepped(&mut bench), bench.logged(&format!("alarm: {back}"))), (vec![back], 1));
    set(&mut bench, Duration::from_millis(5_900));
    let forward = format!("the clock of this box was set forward by 3.5 s: {end}");
    assert_eq!((stepped(&mut bench), bench.logged(&format!("alarm: {forward}"))), (vec![forward], 1));
}

#[test]
fn metrics_that_cannot_be_served_are_an_alarm_until_they_are_and_follow_the_file() {
    let mut bench = Bench::settled();
    let alarms = |bench: &mut Bench| match bench.ask(Request::Status {}).unwrap().unwrap().data {
        Data::Status(status) => status.alarms.into_iter().map(|alarm| alarm.message).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    for _ in 0..3 {
        bench.give(Input::Metrics(Some("cannot listen for metrics at 10.0.0.5:9469: no such address".into())));
    }
    let alarm =
        "no metrics: cannot listen for metrics at 10.0.0.5:9469: no such address. It is tried again every few seconds";
    assert_eq!((alarms(&mut bench), bench.logged(alarm)), (vec![alarm.to_owned()], 1));
    bench.give(Input::Metrics(None));
    assert_eq!((alarms(&mut bench).len(), bench.logged("alarm cleared: metrics are served")), (0, 1));
    let mut file = file_of(&two_arm());
    file.settings.metrics = Some("127.0.0.1:9469".parse().unwrap());
    file.settings.name = "lead-2".into();
    reload(&mut bench, Ok(file.clone())).unwrap();
    assert_eq!(bench.metrics, [file.settings.metrics]);
    let Data::Status(status) = bench.ask(Request::Status {}).unwrap().unwrap().data else { panic!() };
    assert_eq!(status.name, "lead-2");
}

#[test]
fn a_virtual_server_whose_active_member_is_down_is_not_up() {
    let mut bench = Bench::settled();
    let state = |bench: &mut Bench| match bench.ask(Request::VirtualServers {}) {
        Some(Ok(Answered { data: Data::VirtualServers(rows), .. })) => rows[0].state,
        other => panic!("{other:?}"),
    };
    assert_eq!(state(&mut bench), VirtualServerState::Up);
    bench.ask(force("sip-b")).unwrap().unwrap();
    assert_eq!((bench.active().as_deref(), state(&mut bench)), (Some("sip-b"), VirtualServerState::Down));
    assert_eq!(bench.logged("sip-b forced active by the operator although it is down"), 1);
    bench.hosts[B].manner = Manner::Answers(200);
    bench.run(1_000);
    assert_eq!(state(&mut bench), VirtualServerState::Up);
    bench.hosts[B].manner = Manner::Refuses;
    bench.run(1_000);
    assert_eq!((bench.active().as_deref(), state(&mut bench)), (Some("sip-b"), VirtualServerState::Down));
}

#[test]
fn the_counters_of_the_session_in_the_readme_are_there() {
    let page = include_str!("../../../README.md");
    let table = page.split("$ fairlead counters\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a table");
    let mut bench = Bench::settled();
    let Data::Counters(rows) = bench.ask(Request::Counters { all: true }).unwrap().unwrap().data else { panic!() };
    let shown: Vec<&str> =
        table.lines().skip(1).filter_map(|line| line.split(' ').next()).filter(|name| !name.is_empty()).collect();
    assert!(shown.len() > 10, "{shown:?}");
    for name in shown {
        assert!(rows.iter().any(|row| row.name == name), "there is no counter {name}");
    }
}
