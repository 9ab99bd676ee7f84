//! Scenario 99: members that are drained, for a time or not: what happens when that is up, and what an operator is told of what is left.

use super::*;
use crate::admin::drain::DrainReport;
use crate::admin::rows::{DrainState, SettingRow};
use crate::control::OperatorState;
use crate::policy::intent::{Mode, OnDownTcp};

/// Three connections and a mapping of sip-a with each worker, nothing of sip-b.
const BUSY: &[[u64; 3]] = &[[3, 1, 0], [0, 0, 0]];
const NOTHING: &[[u64; 3]] = &[[0; 3]; 2];

fn drain(seconds: Option<u64>) -> Request {
    let admin = AdminState::Draining;
    Request::MemberSet { member: "sip-a".into(), admin, yes: false, for_s: seconds }
}

/// sip-a is active and busy, and sip-b is up.
fn both_up() -> Bench {
    let mut bench = Bench::settled();
    bench.hosts[B].manner = Manner::Answers(200);
    bench.run(1_000);
    bench.set_uses(BUSY);
    bench
}

fn report(bench: &mut Bench) -> DrainReport {
    match bench.ask(Request::DrainReport { member: "sip-a".into() }) {
        Some(Ok(Answered { data: Data::DrainReport(report), .. })) => report,
        other => panic!("{other:?}"),
    }
}

fn alarms(bench: &mut Bench) -> Vec<String> {
    match bench.ask(Request::Status {}) {
        Some(Ok(Answered { data: Data::Status(status), .. })) => {
            status.alarms.into_iter().map(|alarm| alarm.message).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn admin(bench: &mut Bench) -> AdminState {
    members(bench)[A].admin
}

#[test]
fn s99_a_member_whose_time_to_drain_is_up_is_taken_offline_as_by_an_operator() {
    let mut bench = both_up();
    bench.ask(drain(Some(60))).unwrap().unwrap();
    assert_eq!(bench.active().as_deref(), Some("sip-b"));
    let until = Wall(1_795_352_645_000_000).plus(bench.now.since(Instant::ZERO) + Duration::from_secs(60));
    assert_eq!(
        bench.logged(&format!("member sip-a: set to draining by the operator, to be taken offline at {until}")),
        1
    );
    let row = &members(&mut bench)[A];
    assert_eq!((row.drain_until, row.drain_left_s, row.drained), (Some(until), Some(60), false));
    assert_eq!((row.flows, row.tcp_connections), (8, 6));
    bench.run(40_500);
    let DrainReport { state, connections, others, counted, until: end, left_s, outcome, .. } = report(&mut bench);
    assert_eq!((state, connections, others, counted.as_str()), (DrainState::Running, 6, 2, "SNAT mappings"));
    assert_eq!((end, left_s), (Some(until), Some(20)), "a begun second counts");
    assert_eq!(outcome, "draining: 6 TCP connections, 2 SNAT mappings");
    assert!(bench.snapshot().members[A].lost_before < bench.snapshot().pools[0].generation, "its TCP survives");
    bench.run(19_400);
    assert_eq!(admin(&mut bench), AdminState::Draining);
    bench.run(200);
    let row = &members(&mut bench)[A];
    assert_eq!((row.admin, row.drain_until, row.drain_left_s), (AdminState::Offline, None, None));
    assert_eq!(bench.snapshot().members[A].state, State::Offline);
    assert_eq!(bench.snapshot().members[A].lost_before, bench.snapshot().pools[0].generation, "its TCP is reset");
    let fate = "6 TCP connections reset, 2 SNAT mappings left to run out";
    assert_eq!(bench.logged(&format!("member sip-a: its time to drain is up: taken offline; {fate}")), 1);
    let DrainReport { state, outcome, .. } = report(&mut bench);
    assert_eq!((state, outcome), (DrainState::Offline, format!("taken offline, as its time was up: {fate}")));
    bench.ask(member_set("sip-a", AdminState::Enabled)).unwrap().unwrap();
    let DrainReport { state, outcome, .. } = report(&mut bench);
    assert_eq!((state, outcome.as_str()), (DrainState::Ended, "not drained: it is enabled"));
}

#[test]
fn s99_without_another_that_is_up_it_stays_and_an_alarm_says_so_until_one_is() {
    for mode in [Mode::ActiveStandby, Mode::RoundRobin] {
        let mut intent = two_arm();
        intent.pools.iter_mut().for_each(|pool| pool.mode = mode);
        let mut bench = Bench::of(&intent);
        bench.run(1_000);
        bench.set_uses(BUSY);
        bench.ask(drain(Some(10))).unwrap().unwrap();
        let state = |bench: &mut Bench| (report(bench).state, report(bench).left_s);
        assert_eq!(state(&mut bench), (DrainState::Active, Some(10)));
        bench.run(10_100);
        assert_eq!((admin(&mut bench), state(&mut bench)), (AdminState::Draining, (DrainState::Active, Some(0))));
        let overdue = "member sip-a: its time to drain is up, but no other member of pool pair-1 is up";
        let stands = |bench: &mut Bench| alarms(bench).iter().any(|alarm| alarm.starts_with(overdue));
        assert!(stands(&mut bench), "{:?}", alarms(&mut bench));
        bench.run(60_000);
        assert_eq!((stands(&mut bench), bench.logged(overdue)), (true, 1), "logged once");
        bench.hosts[B].manner = Manner::Answers(200);
        bench.run(1_000);
        assert_eq!((admin(&mut bench), stands(&mut bench)), (AdminState::Offline, false), "{mode}");
        assert_eq!(bench.snapshot().pools[0].targets().collect::<Vec<_>>(), [MemberId(1)]);
        assert_eq!(bench.logged("alarm cleared: member sip-a is not overdue any more"), 1);
    }
}

#[test]
fn s99_who_is_forced_is_not_taken_offline_by_an_earlier_limit() {
    let mut bench = both_up();
    bench.ask(drain(Some(60))).unwrap().unwrap();
    bench.run(10_000);
    bench.ask(Request::PoolForce { pool: "pair-1".into(), member: "sip-a".into() }).unwrap().unwrap();
    bench.run(1_000);
    assert_eq!(report(&mut bench).outcome, "keeps the active role: the operator has forced it");
    bench.run(120_000);
    assert_eq!((admin(&mut bench), members(&mut bench)[A].drain_left_s), (AdminState::Draining, None));
    assert_eq!(
        (members(&mut bench)[A].role, bench.logged("it is drained without a limit from now on")),
        (Role::Active, 1)
    );
}

#[test]
fn s99_another_word_of_the_operators_replaces_the_limit() {
    let others = [
        drain(None),
        drain(Some(600)),
        member_set("sip-a", AdminState::Enabled),
        member_set("sip-a", AdminState::Offline),
    ];
    for request in others {
        let mut bench = both_up();
        bench.ask(drain(Some(60))).unwrap().unwrap();
        bench.run(30_000);
        bench.ask(request.clone()).unwrap().unwrap();
        let after = (admin(&mut bench), members(&mut bench)[A].drain_left_s);
        let left = if request == drain(Some(600)) { Some(600) } else { None };
        assert_eq!(after.1, left, "{request:?}");
        bench.run(120_000);
        assert_eq!(admin(&mut bench), after.0, "{request:?}");
        assert_eq!(bench.logged("its time to drain is up"), 0);
    }
    // Also one that is overdue.
    let mut bench = Bench::settled();
    bench.ask(drain(Some(1))).unwrap().unwrap();
    bench.run(10_000);
    assert_eq!(alarms(&mut bench).iter().filter(|alarm| alarm.contains("time to drain is up")).count(), 1);
    bench.ask(drain(None)).unwrap().unwrap();
    assert_eq!(alarms(&mut bench).iter().filter(|alarm| alarm.contains("time to drain is up")).count(), 0);
}

#[test]
fn a_limit_belongs_to_a_drain() {
    let mut bench = both_up();
    for admin in [AdminState::Offline, AdminState::Enabled] {
        let request = Request::MemberSet { member: "sip-a".into(), admin, yes: true, for_s: Some(9) };
        let refused = bench.ask(request).unwrap().unwrap_err();
        assert_eq!(refused.code, Code::BadRequest);
        assert!(refused.message.contains(&format!("`sip-a` is to be {admin}")), "{}", refused.message);
    }
    let unknown = bench.ask(Request::DrainReport { member: "x".into() }).unwrap().unwrap_err();
    assert_eq!(unknown.code, Code::UnknownMember);
}

/// What was saved last.
fn saved(bench: &mut Bench) -> OperatorState {
    bench.give(Input::Tick);
    let (change, state) = bench.saves.pop().expect("something is being saved");
    bench.give(Input::Saved { change, outcome: Ok(()) });
    OperatorState::parse(state.text().as_bytes()).expect("it can be read")
}

#[test]
fn s99_the_limit_is_kept_over_a_restart_and_one_that_has_passed_is_due_at_once() {
    let mut bench = Bench::restarted(&two_arm(), Ok(None));
    saved(&mut bench);
    bench.run(1_000);
    assert!(bench.ask(drain(Some(60))).is_none(), "answered once it is saved");
    let kept = saved(&mut bench);
    let until = kept.members[0].until.expect("a limit");
    let row = |bench: &mut Bench| match bench.ask(Request::StateShow {}) {
        Some(Ok(Answered { data: Data::Settings(mut rows), .. })) => rows.pop().expect("a setting"),
        other => panic!("{other:?}"),
    };
    let SettingRow { setting, .. } = row(&mut bench);
    assert_eq!(setting, format!("draining until {until}, then offline"));

    // The appliance starts again after so many seconds, and both members answer.
    for (down_s, left_s) in [(20, Some(41)), (3_600, None)] {
        let mut bench = Bench::restarted(&two_arm(), Ok(Some(kept.clone())));
        let line = format!(
            "member sip-a: draining until {until}, then offline, as the operator had set it before the restart"
        );
        assert_eq!(bench.logged(&line), 1, "{:?}", bench.logs);
        bench.controller.set_calendar(Wall(1_795_352_645_000_000).plus(Duration::from_secs(down_s)));
        bench.give(Input::Tick);
        assert_eq!((admin(&mut bench), alarms(&mut bench).len()), (AdminState::Draining, 0), "nobody is up yet");
        assert_eq!(members(&mut bench)[A].drain_left_s, Some(left_s.unwrap_or(0)));
        bench.hosts[B].manner = Manner::Answers(200);
        bench.run(1_000);
        let expected = if left_s.is_some() { AdminState::Draining } else { AdminState::Offline };
        assert_eq!((admin(&mut bench), bench.active().as_deref()), (expected, Some("sip-b")));
        bench.run(60_000);
        assert_eq!(admin(&mut bench), AdminState::Offline);
    }

    // Nobody else is up: it stays, and an alarm says so, though not before the others may have been heard of.
    let mut bench = Bench::restarted(&two_arm(), Ok(Some(kept)));
    bench.controller.set_calendar(Wall(1_795_352_645_000_000).plus(Duration::from_secs(3_600)));
    let overdue =
        |bench: &mut Bench| alarms(bench).iter().filter(|alarm| alarm.contains("time to drain is up")).count();
    bench.run(4_000);
    assert_eq!(overdue(&mut bench), 0);
    bench.run(2_000);
    assert_eq!((admin(&mut bench), overdue(&mut bench)), (AdminState::Draining, 1));
}

#[test]
fn s99_an_end_that_was_executed_is_saved() {
    let mut bench = Bench::restarted(&two_arm(), Ok(None));
    saved(&mut bench);
    bench.hosts[B].manner = Manner::Answers(200);
    bench.run(1_000);
    assert!(bench.ask(drain(Some(5))).is_none());
    saved(&mut bench);
    bench.run(5_100);
    let kept = saved(&mut bench);
    assert_eq!((kept.members[0].admin, kept.members[0].until), (AdminState::Offline, None));
}

#[test]
fn s99_a_reload_keeps_the_limit_whatever_the_member_is_called_or_where_it_is() {
    let mut bench = both_up();
    bench.ask(drain(Some(60))).unwrap().unwrap();
    let mut file = two_arm();
    file.members.iter_mut().for_each(|member| member.name = member.name.replace("sip-a", "sip-x"));
    reload(&mut bench, Ok(file_of(&file))).unwrap();
    assert_eq!((members(&mut bench)[A].name.as_str(), members(&mut bench)[A].drain_left_s), ("sip-x", Some(60)));
    file.members.iter_mut().for_each(|member| {
        if member.name == "sip-x" {
            member.address = Ipv4Addr::new(10, 20, 0, 19);
        }
    });
    reload(&mut bench, Ok(file_of(&file))).unwrap();
    let moved = |bench: &mut Bench| members(bench).into_iter().find(|row| row.name == "sip-x").unwrap();
    assert_eq!(moved(&mut bench).drain_left_s, Some(60), "what the operator has set is kept with the name as well");
    bench.run(60_100);
    assert_eq!(moved(&mut bench).admin, AdminState::Offline);
}

#[test]
fn a_calendar_that_is_set_moves_the_end() {
    let mut bench = both_up();
    bench.ask(drain(Some(3_600))).unwrap().unwrap();
    bench.run(10_000);
    bench.controller.set_calendar(Wall(1_795_352_645_000_000).plus(Duration::from_secs(3_600)));
    bench.run(1_100);
    assert_eq!(admin(&mut bench), AdminState::Offline);
}

#[test]
fn s99_a_drained_member_that_has_nothing_left_is_reported_once() {
    let mut bench = both_up();
    bench.run(40_000);
    bench.ask(drain(None)).unwrap().unwrap();
    let complete = |bench: &mut Bench| {
        (report(bench).state, members(bench)[A].drained, bench.logged("member sip-a: drained completely"))
    };
    bench.run(60_000);
    assert_eq!(complete(&mut bench), (DrainState::Running, false, 0));
    bench.set_uses(&[[0, 1, 0], [0; 3]]);
    bench.run(10_000);
    assert_eq!(complete(&mut bench), (DrainState::Running, false, 0));
    // Visitors of its own address are none of it.
    bench.set_uses(&[[0, 0, 2], [0; 3]]);
    bench.run(1_100);
    assert_eq!(complete(&mut bench), (DrainState::Drained, true, 1));
    assert_eq!(report(&mut bench).outcome, "drained completely, but for 4 flows of visitors of its own address");
    bench.set_uses(BUSY);
    bench.run(5_000);
    bench.set_uses(NOTHING);
    bench.run(5_000);
    assert_eq!(complete(&mut bench), (DrainState::Drained, true, 1), "it opened something itself meanwhile");
    assert_eq!(report(&mut bench).outcome, "drained completely");
    // Drained again, it is reported again.
    bench.ask(drain(None)).unwrap().unwrap();
    bench.run(1_100);
    assert_eq!(complete(&mut bench), (DrainState::Drained, true, 2));
}

#[test]
fn s99_a_pairs_datagrams_are_in_no_flow_and_their_transactions_are_waited_for() {
    let mut bench = both_up();
    bench.run(40_000);
    bench.set_uses(NOTHING);
    bench.ask(drain(None)).unwrap().unwrap();
    bench.run(31_000);
    let DrainReport { state, udp_idle_ms, .. } = report(&mut bench);
    assert_eq!((state, udp_idle_ms), (DrainState::Running, Some(31_000)), "since it lost the role");
    bench.run(2_100);
    assert_eq!((report(&mut bench).state, bench.logged("drained completely")), (DrainState::Drained, 1));
}

#[test]
fn s99_whoever_keeps_its_work_is_not_drained_completely() {
    for (mode, words) in
        [(Mode::ActiveStandby, "keeps the active role"), (Mode::RoundRobin, "takes new work all the same")]
    {
        let mut intent = two_arm();
        intent.pools.iter_mut().for_each(|pool| pool.mode = mode);
        let mut bench = Bench::of(&intent);
        bench.set_uses(NOTHING);
        bench.run(40_000);
        bench.ask(drain(None)).unwrap().unwrap();
        bench.run(60_000);
        let DrainReport { state, outcome, .. } = report(&mut bench);
        assert_eq!((state, outcome), (DrainState::Active, format!("{words}: no other member is up")));
        assert_eq!((members(&mut bench)[A].drained, bench.logged("drained completely")), (false, 0));
    }
}

#[test]
fn what_stood_before_a_restart_may_speak_before_a_drain_is_complete() {
    let mut shared = two_arm();
    shared.pools.iter_mut().for_each(|pool| pool.mode = Mode::RoundRobin);
    let mut bench = Bench::of(&shared);
    bench.hosts[B].manner = Manner::Answers(200);
    bench.run(1_000);
    bench.set_uses(NOTHING);
    bench.ask(drain(None)).unwrap().unwrap();
    bench.run(30_000);
    assert_eq!(report(&mut bench).state, DrainState::Running);
    bench.run(2_100);
    assert_eq!(report(&mut bench).state, DrainState::Drained);
}

#[test]
fn what_happens_to_connections_is_as_the_file_says() {
    let mut intent = two_arm();
    intent.pools.iter_mut().for_each(|pool| pool.on_down_tcp = OnDownTcp::Drain);
    let mut bench = Bench::of(&intent);
    bench.hosts[B].manner = Manner::Answers(200);
    bench.run(1_000);
    bench.set_uses(BUSY);
    bench.ask(drain(Some(5))).unwrap().unwrap();
    bench.run(5_100);
    assert_eq!(bench.logged("taken offline; 6 TCP connections left to themselves while it answers, by on_down"), 1);
}
