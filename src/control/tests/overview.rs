//! What the status page shows: scenario 168.

use super::*;
use crate::admin::events::Subject;
use crate::admin::overview::{ALARMS_MAX, MEMBERS_MAX, Overview, SERVERS_MAX};
use crate::config;
use crate::events::{AlarmCode, Severity};
use crate::policy::intent::Mode;

fn overview(bench: &mut Bench) -> Overview {
    match bench.ask(Request::Overview {}).expect("it waits for nobody").unwrap().data {
        Data::Overview(overview) => *overview,
        other => panic!("{other:?}"),
    }
}

#[test]
fn s168_who_looks_sees_what_the_tables_say() {
    let mut bench = Bench::new();
    bench.run(3_000);
    bench.hosts[A].manner = Manner::Mute;
    bench.run(2_000);
    bench.hosts[B].manner = Manner::Answers(200);
    bench.run(3_000);
    let seen = overview(&mut bench);
    let Some(Ok(Answered { data: Data::Status(status), .. })) = bench.ask(Request::Status {}) else {
        panic!("no status")
    };
    assert_eq!((&seen.version, &seen.name, seen.uptime_s), (&status.version, &status.name, status.uptime_s));
    assert_eq!((&seen.workers, &seen.ports, &seen.pair), (&status.workers, &status.ports, &status.pair));
    assert_eq!((&seen.virtual_servers, seen.epoch), (&status.virtual_servers, status.epoch));
    assert_eq!(seen.virtual_servers[0].active.as_deref(), Some("sip-b"));
    assert_eq!((seen.virtual_servers_count, seen.virtual_servers_up, seen.virtual_servers_disabled), (1, 1, 0));
    assert_eq!(seen.members, members(&mut bench));
    assert_eq!((seen.members_count, seen.members_up), (2, 1));
    assert_eq!(seen.switchovers.last(), status.last_switchover.as_ref());
    assert!(
        seen.switchovers.len() == 2 && seen.switchovers[1].to.as_deref() == Some("sip-b"),
        "{:?}",
        seen.switchovers
    );
    assert_eq!((seen.alarms.len() as u64, &seen.alarms), (seen.alarms_count, &status.alarms));
    assert_eq!(seen.time, bench.controller.machine.wall(bench.now));
}

#[test]
fn a_member_that_should_serve_and_is_down_comes_first_a_standby_does_not() {
    for (mode, first) in [(Mode::RoundRobin, "sip-b"), (Mode::ActiveStandby, "sip-a")] {
        let mut intent = two_arm();
        intent.pools.iter_mut().for_each(|pool| pool.mode = mode);
        let mut bench = Bench::of(&intent);
        bench.hosts[B].manner = Manner::Answers(200);
        bench.run(1_000);
        bench.hosts[B].manner = Manner::Mute;
        bench.run(3_000);
        let seen = overview(&mut bench).members;
        assert_eq!((seen[0].name.as_str(), seen.len()), (first, 2), "{mode:?}: {seen:?}");
    }
}

#[test]
fn the_gravest_alarms_come_first() {
    let mut bench = Bench::new();
    bench.run(3_000);
    bench.give(Input::Metrics(Some("the port is taken".into())));
    bench.run(1_000);
    bench.hosts[A].manner = Manner::Refuses;
    bench.hosts[B].manner = Manner::Refuses;
    bench.run(10_000);
    let severities: Vec<String> = overview(&mut bench).alarms.iter().map(|alarm| alarm.severity.to_string()).collect();
    assert!(
        severities.len() >= 2 && severities[0] == "critical" && severities.contains(&"warning".into()),
        "{severities:?}"
    );
    assert!(severities.is_sorted(), "critical, then warning: {severities:?}");
}

/// Beyond those that are listed as well: what somebody has acknowledged is not news.
#[test]
fn s168_alarms_are_counted_by_whether_somebody_knows_of_them_however_many_are_listed() {
    let mut bench = Bench::new();
    bench.run(1_000);
    let now = bench.now;
    for at in 0..150 {
        let code = if at % 3 == 0 { AlarmCode::PoolNoMember } else { AlarmCode::PoolRoles };
        bench.controller.outputs.raise(
            &format!("of {at}"),
            (code, Subject::pool(format!("pool-{at}"))),
            "trouble".into(),
            now,
        );
    }
    assert_eq!(overview(&mut bench).alarms_acknowledged, 0);
    let Data::Alarms(rows) = bench.ask(Request::Alarms {}).unwrap().unwrap().data else { panic!() };
    let (critical, others): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.severity == Severity::Critical);
    for row in others.iter().chain(critical.iter().take(10)) {
        bench.ask(Request::AlarmAcknowledge { id: row.id, comment: None }).unwrap().unwrap();
    }
    let seen = overview(&mut bench);
    assert_eq!((seen.alarms.len(), seen.alarms_count), (ALARMS_MAX, rows.len() as u64));
    assert_eq!(seen.alarms_acknowledged, others.len() as u64 + 10);
    assert_eq!(seen.alarms_critical_open, critical.len() as u64 - 10);
    assert!(seen.alarms_acknowledged > ALARMS_MAX as u64, "more than are listed");
}

#[test]
fn s168_of_4096_pools_a_few_are_shown_those_that_are_down_first_and_all_are_counted() {
    let file = config::parse_for(8, "many", &many::file(4_096)).unwrap_or_else(|errors| panic!("{errors}"));
    let mut intent = file.intent;
    let last = intent.virtual_servers.ids().last().expect("one");
    intent.virtual_servers.ids().filter(|id| *id != last).collect::<Vec<_>>().into_iter().for_each(|id| {
        intent.virtual_servers[id].enabled = false;
    });
    let seen = overview(&mut Bench::of(&intent));
    let counts = (seen.virtual_servers_count, seen.virtual_servers_up, seen.virtual_servers_disabled);
    assert_eq!(counts, (4_096, 0, 4_095));
    assert_eq!((seen.members_count, seen.members_up), (16_384, 0));
    assert_eq!((seen.virtual_servers.len(), seen.members.len()), (SERVERS_MAX, MEMBERS_MAX));
    let names: Vec<&str> = seen.virtual_servers.iter().take(3).map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["sip-4095", "sip-0", "sip-1"]);
    let of_shown = |pool: &str| seen.virtual_servers.iter().any(|server| server.pool == pool);
    assert!(seen.members.iter().all(|member| of_shown(&member.pool)), "members of what is shown come first");
    let written = serde_json::to_vec(&seen).unwrap().len();
    assert!(written < 512 * 1_024, "{written} bytes");
}
