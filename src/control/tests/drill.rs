//! Drills: there and back, what is refused, and what comes between.

use super::roles::file as roles_file;
use super::*;
use crate::admin::drill::{DrillPlan, DrillReport};
use crate::admin::rows::DrillState;
use crate::policy::intent::{Intent, Member};

/// A third member's place among the hosts of the bench: behind the router.
const C: usize = 3;

/// Both answer, sip-a is active.
fn bench() -> Bench {
    let mut bench = Bench::settled();
    bench.hosts[B].manner = Manner::Answers(200);
    bench.run(2_000);
    assert_eq!(bench.active().as_deref(), Some("sip-a"));
    bench
}

fn begin(bench: &mut Bench, seconds: u64) -> Answer {
    bench.ask_and_wait(Request::DrillBegin { pool: "pair-1".into(), back_after_s: seconds }, 100)
}

fn report(bench: &mut Bench) -> DrillReport {
    match bench.ask(Request::DrillReport { pool: "pair-1".into() }).unwrap().unwrap().data {
        Data::DrillReport(report) => *report,
        other => panic!("{other:?}"),
    }
}

fn plan(bench: &mut Bench) -> DrillPlan {
    match bench.ask(Request::DrillPlan { pool: "pair-1".into() }).unwrap().unwrap().data {
        Data::DrillPlan(plan) => *plan,
        other => panic!("{other:?}"),
    }
}

fn refused(answer: Answer) -> String {
    answer.expect_err("refused").message
}

#[test]
fn a_drill_goes_there_and_back_and_tells_when() {
    let mut bench = bench();
    let began = bench.now;
    assert!(matches!(begin(&mut bench, 30).unwrap().data, Data::DrillReport(_)));
    assert_eq!((bench.active().as_deref(), report(&mut bench).state), (Some("sip-b"), DrillState::Running));
    bench.run(
        began.since(Instant::ZERO).as_millis() as u64 + 29_900 - bench.now.since(Instant::ZERO).as_millis() as u64,
    );
    assert_eq!(bench.active().as_deref(), Some("sip-b"), "not before its time");
    bench.run(200);
    let report = report(&mut bench);
    assert_eq!((bench.active().as_deref(), report.state), (Some("sip-a"), DrillState::Done), "{report:?}");
    assert_eq!((report.flows, report.flows_back), (6, Some(2)));
    let moves: Vec<_> =
        report.switchovers.iter().map(|row| (row.from.as_deref(), row.to.as_deref(), row.cause)).collect();
    let (a, b) = (Some("sip-a"), Some("sip-b"));
    assert_eq!(moves, [(a, b, Cause::Drill), (b, a, Cause::Drill)]);
    let gap = report.switchovers[1].detected - report.switchovers[0].detected;
    assert_eq!(gap, 30_000_000);
    for row in &report.switchovers {
        assert!(row.published >= Some(row.detected) && row.installed >= row.published, "{row:?}");
        assert_eq!((row.last_good_answer, row.first_failed_probe), (None, None), "nothing was detected: {row:?}");
    }
    assert_eq!(bench.snapshot().pools[0].silence, None, "what is unanswered is not delivered again");
    assert_eq!(bench.snapshot().members[A].lost_before.0, 0, "no connection is reset");
    bench.run(60_000);
    assert_eq!(bench.active().as_deref(), Some("sip-a"), "it is over");
    assert!(begin(&mut bench, 1).is_ok(), "and there may be another");
}

#[test]
fn what_a_switchover_would_move_is_shown_and_nothing_is_moved() {
    let mut bench = bench();
    let plan = plan(&mut bench);
    assert_eq!(
        (plan.from.as_deref(), plan.to.as_deref(), plan.refused.as_deref()),
        (Some("sip-a"), Some("sip-b"), None)
    );
    assert!(plan.reason.starts_with("sip-b is up: ") && plan.on_down_tcp == "reset", "{plan:?}");
    assert_eq!((plan.members.len(), plan.members[A].flows, plan.virtual_servers.len()), (2, 6, 1));
    bench.run(1_000);
    assert_eq!((bench.active().as_deref(), bench.logged("switchover of pool")), (Some("sip-a"), 1));
}

#[test]
fn a_drill_is_refused_while_it_could_not_come_back_or_would_override_somebody() {
    let mut bench = Bench::settled();
    let why = refused(begin(&mut bench, 30));
    assert!(why.contains("no other member is healthy: sip-b is down ("), "{why}");
    assert_eq!(plan(&mut bench).refused.map(|why| why.starts_with("no other member is healthy")), Some(true));
    let mut bench = self::bench();
    bench.ask_and_wait(Request::PoolForce { pool: "pair-1".into(), member: "sip-a".into() }, 100).unwrap();
    let why = refused(begin(&mut bench, 30));
    assert!(why.contains("sip-a is forced by the operator: `fairlead pool auto pair-1` first"), "{why}");
    bench.ask_and_wait(Request::PoolAuto { pool: "pair-1".into() }, 100).unwrap();
    begin(&mut bench, 30).unwrap();
    let why = refused(begin(&mut bench, 5));
    assert!(why.contains("one runs already"), "{why}");
    let nothing = Bench::settled().ask(Request::DrillReport { pool: "pair-1".into() }).unwrap();
    assert!(refused(nothing).contains("no drill since the start"));
    let nobody = bench.ask(Request::DrillPlan { pool: "pair-9".into() }).unwrap();
    assert!(refused(nobody).contains("pair-9"));
}

#[test]
fn who_dies_in_a_drill_is_left_by_election_and_the_drill_ends() {
    let mut bench = bench();
    begin(&mut bench, 30).unwrap();
    bench.hosts[B].manner = Manner::Mute;
    bench.run(3_000);
    let report = report(&mut bench);
    assert_eq!((bench.active().as_deref(), report.state), (Some("sip-a"), DrillState::Ended), "{report:?}");
    assert!(report.outcome.starts_with("sip-b is down ("), "{report:?}");
    assert_eq!(report.switchovers.iter().map(|row| row.cause).collect::<Vec<_>>(), [Cause::Drill, Cause::Monitor]);
    bench.hosts[B].manner = Manner::Answers(200);
    bench.run(60_000);
    assert_eq!(bench.active().as_deref(), Some("sip-a"), "it does not come back by itself");
}

#[test]
fn a_member_that_is_down_when_its_time_comes_is_not_switched_back_to() {
    let mut bench = bench();
    begin(&mut bench, 5).unwrap();
    bench.hosts[A].manner = Manner::Mute;
    bench.run(6_000);
    let report = report(&mut bench);
    assert_eq!((bench.active().as_deref(), report.state), (Some("sip-b"), DrillState::Ended), "{report:?}");
    assert!(report.outcome.contains("not switched back, as sip-a is down"), "{report:?}");
}

#[test]
fn what_the_operator_sets_and_another_file_end_a_drill() {
    let mut bench = bench();
    begin(&mut bench, 30).unwrap();
    bench.ask_and_wait(Request::PoolForce { pool: "pair-1".into(), member: "sip-b".into() }, 100).unwrap();
    bench.run(60_000);
    assert_eq!((bench.active().as_deref(), report(&mut bench).state), (Some("sip-b"), DrillState::Ended), "forced");
    let mut bench = self::bench();
    begin(&mut bench, 30).unwrap();
    bench.ask_and_wait(member_set("sip-b", AdminState::Offline), 100).unwrap();
    assert_eq!((bench.active().as_deref(), report(&mut bench).state), (Some("sip-a"), DrillState::Ended), "offline");
}

/// A standby answers 503; sip-c stands third in the file. Each answers with this, and sip-a is active.
fn trio(answers: [u16; 3], change: impl Fn(&mut Intent)) -> Bench {
    let mut intent = roles_file();
    let third = Member { name: "sip-c".into(), address: Ipv4Addr::new(10, 20, 0, 13), ..intent.members[A].clone() };
    intent.pools[0].members.push(MemberId(2));
    intent.members.push(third);
    change(&mut intent);
    let mut bench = Bench::of(&intent);
    let host = Host {
        interface: bench.hosts[A].interface,
        address: Ipv4Addr::new(10, 20, 0, 13),
        mac: Mac([2, 0, 0, 0, 1, 3]),
        manner: Manner::Mute,
    };
    bench.hosts.push(host);
    bench.run(2_000);
    assert_eq!(bench.active().as_deref(), Some("sip-a"));
    for (host, code) in [A, B, C].into_iter().zip(answers) {
        bench.hosts[host].manner = Manner::Answers(code);
    }
    bench.run(2_000);
    bench
}

#[test]
fn a_drill_goes_to_whom_an_election_would_choose() {
    // By the file sip-b would be next.
    let mut bench = trio([200, 503, 200], |_| ());
    assert_eq!((bench.active().as_deref(), plan(&mut bench).to.as_deref()), (Some("sip-a"), Some("sip-c")));
    begin(&mut bench, 5).unwrap();
    assert_eq!(bench.active().as_deref(), Some("sip-c"));
    bench.run(6_000);
    assert_eq!((bench.active().as_deref(), report(&mut bench).state), (Some("sip-a"), DrillState::Done));

    let mut bench = trio([200, 200, 200], |intent| intent.pools[0].manual_resume = true);
    assert_eq!(plan(&mut bench).to.as_deref(), Some("sip-b"));
    bench.hosts[B].manner = Manner::Mute;
    bench.run(2_000);
    bench.hosts[B].manner = Manner::Answers(200);
    bench.run(2_000);
    assert_eq!(plan(&mut bench).to.as_deref(), Some("sip-c"), "sip-b is held back");
}

#[test]
fn a_drill_is_refused_while_nobody_else_may_be_chosen() {
    let no_drill = |bench: &mut Bench, why: &str| {
        assert_eq!(plan(bench).refused.as_deref(), Some(why));
        assert_eq!(refused(begin(bench, 5)), format!("no drill of pool `pair-1`: {why}"));
        assert_eq!(bench.active().as_deref(), Some("sip-a"));
    };
    no_drill(&mut trio([200, 503, 503], |_| ()), "sip-b says that it is standby");
    no_drill(
        &mut trio([503, 503, 503], |_| ()),
        "sip-a says that it is standby, and a drill could not switch back to it",
    );
    let mut bench = trio([200, 200, 404], |intent| intent.pools[0].manual_resume = true);
    bench.hosts[C].manner = Manner::Dead;
    bench.hosts[B].manner = Manner::Mute;
    bench.run(2_000);
    bench.hosts[B].manner = Manner::Answers(200);
    bench.run(2_000);
    no_drill(&mut bench, "sip-b is held back: it was down and stays out until `fairlead member enable sip-b`");
}

#[test]
fn who_says_in_a_drill_that_it_is_standby_ends_it() {
    let mut bench = trio([200, 200, 503], |_| ());
    begin(&mut bench, 30).unwrap();
    assert_eq!(bench.active().as_deref(), Some("sip-b"));
    bench.hosts[B].manner = Manner::Answers(503);
    bench.run(1_000);
    let report = report(&mut bench);
    assert_eq!((bench.active().as_deref(), report.state), (Some("sip-a"), DrillState::Ended), "{report:?}");
    assert!(report.outcome.starts_with("sip-b says that it is standby, and elections decide: "), "{report:?}");

    let mut bench = trio([200, 200, 503], |_| ());
    begin(&mut bench, 5).unwrap();
    bench.hosts[A].manner = Manner::Answers(503);
    bench.run(6_000);
    let report = self::report(&mut bench);
    assert_eq!((bench.active().as_deref(), report.state), (Some("sip-b"), DrillState::Ended), "{report:?}");
    assert_eq!(report.outcome, "not switched back, as sip-a says that it is standby: sip-b stays active");
}

#[test]
fn flows_stay_with_the_member_before_unless_it_is_lost_in_the_drill() {
    let mut bench = bench();
    begin(&mut bench, 10).unwrap();
    bench.run(5_000);
    assert!(!report(&mut bench).from_lost);
    bench.hosts[A].manner = Manner::Mute;
    bench.run(3_000);
    assert!(report(&mut bench).from_lost, "while it runs");
    bench.hosts[A].manner = Manner::Answers(200);
    bench.run(3_000);
    let ended = report(&mut bench);
    assert_eq!((bench.active().as_deref(), ended.state, ended.from_lost), (Some("sip-a"), DrillState::Done, true));
    begin(&mut bench, 1).unwrap();
    bench.run(2_000);
    assert_eq!((report(&mut bench).state, report(&mut bench).from_lost), (DrillState::Done, false));
    bench.hosts[A].manner = Manner::Mute;
    bench.run(3_000);
    assert!(!report(&mut bench).from_lost, "what comes later is no part of it");
}

#[test]
fn a_drill_is_done_once_every_worker_has_the_switch_back() {
    let mut bench = bench();
    begin(&mut bench, 5).unwrap();
    bench.run(4_000);
    bench.sleep(1, true);
    bench.run(2_000);
    let waits = report(&mut bench);
    assert_eq!((waits.state, waits.flows_back), (DrillState::Running, Some(2)), "one worker does not have it yet");
    bench.sleep(1, false);
    bench.run(10);
    assert_eq!((bench.active().as_deref(), report(&mut bench).state), (Some("sip-a"), DrillState::Done));
}
