//! Scenarios 84 and 85: what an operator reads and clears while traffic flows, and what the log says.

use crate::told_with_a_active;
use fairlead::admin::metrics::text::{Tables, exposition};
use fairlead::admin::request::FlowSelection;
use fairlead::admin::rows::FlowRow;
use fairlead::admin::{Data, Request};
use fairlead::config::LogLevel;
use fairlead::wire::build::Build;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use testbench::world::frames::*;
use testbench::world::{Connection, File, Service, World};

fn of_member(name: &str) -> FlowSelection {
    FlowSelection { member: Some(name.into()), ..FlowSelection::default() }
}

#[test]
fn s84_every_table_is_told_in_time_and_costs_no_packet() {
    told_with_a_active(&File::two_arm(), |world| {
        let mut connections: Vec<_> = (0..50)
            .map(|number| Connection::inward(world, at(PHONE, 40_000 + number), 5060, HOST_A).open(world))
            .collect();
        let before = world.lead.tally();
        let requests = [
            Request::Status {},
            Request::Members {},
            Request::VirtualServers {},
            Request::Probes {},
            Request::Flows { filter: FlowSelection::default(), limit: 1_000 },
            Request::Snat {},
            Request::Neighbours {},
            Request::Routes {},
            Request::Ports {},
            Request::Counters { all: true },
            Request::Switchovers {},
            Request::Latency { reset: false },
        ];
        let (mut sent, mut seen) = (0, 0);
        for request_ in requests.iter().cycle().take(110) {
            let request_id = world.lead.ask(request_.clone(), world.now());
            let begin = world.now();
            let answer = loop {
                for number in 0..20 {
                    world.send(ROUTER, &request(at(PHONE, 5060 + number), V));
                    sent += 1;
                }
                world.turn();
                seen += world.look().iter().filter(|seen| seen.is_for(at(A, 5060))).count();
                if let Some(answer) = world.lead.answer(request_id) {
                    break answer;
                }
            };
            assert!(answer.is_ok(), "{request_:?}: {answer:?}");
            assert!(world.now().since(begin) < ms(100), "{request_:?}");
        }
        world.run(ms(5));
        seen += world.look().len();
        assert_eq!(seen, sent, "{:?}", world.lead.told());
        assert_eq!(world.lead.tally().dropped, before.dropped);
        connections.iter_mut().for_each(|connection| connection.goes_on(world));
    });
}

#[test]
fn s84_clearing_the_flows_of_a_member_removes_just_those() {
    told_with_a_active(&File::two_arm(), |world| {
        let mut of_a: Vec<_> = (0..40)
            .map(|number| Connection::inward(world, at(PHONE, 40_000 + number), 5060, HOST_A).open(world))
            .collect();
        let mut visits: Vec<_> = [HOST_A, HOST_B]
            .into_iter()
            .map(|member| Connection::visit(world, at(VISITOR, 50_000), member, 7000).open(world))
            .collect();
        let mut of_b = Connection::outward(world, HOST_B, 41_000, at(PEER, 80)).open(world);
        let b_before = summary(&world.flows(of_member("sip-b")));
        let all = world.flows(FlowSelection::default()).len();
        let a_before = world.flows(of_member("sip-a")).len();
        assert_eq!((a_before, b_before.len()), (40, 1), "what is routed as it is belongs to no member");
        let Ok(Data::Cleared(cleared)) = world.ask(Request::FlowsClear { filter: of_member("sip-a") }) else {
            panic!()
        };
        assert_eq!(cleared.count, a_before as u64);
        assert_eq!(world.flows(of_member("sip-a")), []);
        assert_eq!(summary(&world.flows(of_member("sip-b"))), b_before);
        assert_eq!(world.flows(FlowSelection::default()).len(), all - a_before);
        assert!(world.look().is_empty(), "nobody is told");
        of_b.goes_on(world);
        visits[1].goes_on(world);
        visits[0].goes_on(world);
        of_a.iter_mut().for_each(|connection| connection.goes_on(world));
    });
}

#[test]
fn s84_a_table_of_flows_is_as_long_as_its_limit_over_all_workers() {
    told_with_a_active(&File::two_arm(), |world| {
        for number in 0..100 {
            let client = fairlead::wire::Endpoint::new([172, 16, 5, number].into(), 40_000);
            Connection::inward(world, client, 5060, HOST_A).open(world);
        }
        let asked = world.ask(Request::Flows { filter: FlowSelection::default(), limit: 10 });
        let Ok(Data::Flows(rows)) = asked else { panic!("{asked:?}") };
        assert_eq!(rows.len(), 10);
        assert_eq!(world.flows(FlowSelection::default()).len(), 100);
    });
}

#[test]
fn s84_flows_of_a_service_or_of_nobody_are_cleared_as_said() {
    told_with_a_active(&File::two_arm(), |world| {
        let inward = Connection::inward(world, at(PHONE, 40_001), 5061, HOST_A).open(world);
        let outward = Connection::outward(world, HOST_A, 41_000, at(PEER, 5060)).open(world);
        let service = FlowSelection { virtual_server: Some("sip-1".into()), ..FlowSelection::default() };
        let asked = world.ask(Request::FlowsClear { filter: service });
        assert!(matches!(&asked, Ok(Data::Cleared(cleared)) if cleared.count == 1), "{asked:?}");
        let left = world.flows(FlowSelection::default());
        assert_eq!((left.len(), left[0].path.as_str()), (1, "outbound"));
        let refused = world.ask(Request::FlowsClear { filter: of_member("nobody") });
        assert!(refused.is_err_and(|message| message.contains("nobody")));
        for mut connection in [inward, outward] {
            connection.goes_on(world);
        }
    });
}

/// What of a flow does not change with time.
fn summary(rows: &[FlowRow]) -> Vec<String> {
    let mut told: Vec<_> = rows
        .iter()
        .map(|row| format!("{} {} {:?} {:?}", row.path, row.protocol, row.original, row.translated))
        .collect();
    told.sort();
    told
}

#[test]
fn s84_what_is_told_of_traffic_is_true() {
    told_with_a_active(&File::two_arm(), |world| {
        Connection::inward(world, at(PHONE, 40_001), 5060, HOST_A).open(world);
        Connection::outward(world, HOST_A, 41_000, at(PEER, 5060)).open(world);
        world.forwards(
            HOST_A,
            Build::udp(at(A, 42_000), at(PEER, 53)).payload(b"?"),
            ROUTER,
            Build::udp(at(V, 42_000), at(PEER, 53)).payload(b"?"),
        );
        let told = summary(&world.flows(of_member("sip-a")));
        assert_eq!(told.len(), 3, "{told:?}");
        let client = FlowSelection { client: Some("172.16.5.5".parse().unwrap()), ..FlowSelection::default() };
        let rows = world.flows(client);
        assert_eq!(rows.len(), 1);
        assert_eq!(
            (rows[0].path.as_str(), rows[0].protocol.as_str(), rows[0].state.as_str()),
            ("service", "tcp", "established")
        );
        assert_eq!(rows[0].original.src.to_string(), "172.16.5.5:40001");
        assert_eq!(rows[0].translated.dst.to_string(), "10.20.0.11:5060");
        let Ok(Data::Snat(rows)) = world.ask(Request::Snat {}) else { panic!() };
        let used: Vec<_> = rows.iter().map(|row| (row.protocol.as_str(), row.used)).collect();
        assert!(used.contains(&("tcp", 1)) && used.contains(&("udp", 1)) && used.contains(&("icmp", 0)), "{used:?}");
        assert_eq!(world.row("sip-a").flows, 3);
    });
}

/// What the log says of switchovers.
fn lines(world: &World) -> Vec<String> {
    let said = world.lead.log.iter().filter(|line| line.message.contains("switchover"));
    said.map(|line| line.message.clone()).collect()
}

#[test]
fn s85_every_switch_is_one_line_with_time_service_both_members_reason_and_latency() {
    told_with_a_active(&File::two_arm(), |world| {
        world.members[0].udp = Service::Swallows;
        world.members[1].serve();
        world.until(secs(5), |world| world.active().as_deref() == Some("sip-b"));
        world.members[0].serve();
        world.run(secs(2));
        world.force("sip-a");
        world.auto();
        world.members[0].powered = false;
        world.members[1].retire();
        world.until(secs(5), |world| world.active().is_none());
        world.members[1].serve();
        world.until(secs(5), |world| world.active().as_deref() == Some("sip-b"));
        world.run(ms(10));
        let (rows, lines) = (world.switchovers(), lines(world));
        let name = |member: &Option<String>| member.clone().unwrap_or_else(|| "none".into());
        assert!(rows.len() >= 5, "{rows:?}");
        assert_eq!(rows.len(), lines.len(), "{lines:#?}");
        for (row, line) in rows.iter().zip(&lines) {
            let time = row.time.to_string();
            let arrow = format!("{} -> {}", name(&row.from), name(&row.to));
            assert!(line.contains(&time) && line.contains("pair-1") && line.contains(&arrow), "{line} of {row:?}");
            assert!(line.contains(&row.reason) && !row.reason.is_empty(), "{line}");
            assert!(!line.contains('\n'));
            if row.from.is_some() {
                let latency = row.detected - row.last_good_answer.expect("it once answered");
                assert!(line.contains(&format!("{latency} us")), "{line} of {row:?}");
            }
            assert!(row.installed.unwrap() >= row.published.unwrap() && row.published.unwrap() >= row.detected);
        }
        let grave = world.lead.log.iter().filter(|line| line.message.contains("switchover"));
        assert!(grave.into_iter().all(|line| line.level == LogLevel::Warn));
    });
}

#[test]
fn s85_the_counters_reconcile_through_a_day_of_trouble() {
    told_with_a_active(&File::two_arm(), |world| {
        for round in 0..6 {
            let (up, down) = if round % 2 == 0 { (1, 0) } else { (0, 1) };
            world.members[down].retire();
            world.members[down].powered = round % 3 != 0;
            world.members[up].serve();
            for number in 0..1_500_u16 {
                world.send(ROUTER, &request(at(PHONE, 5060 + number % 50), V));
                world.send(ROUTER, &Build::tcp(at(PHONE, 20_000 + number), at(V, 5060), SYN, 1, 0));
                world.send(ROUTER, &Build::udp(at(VISITOR, 9), at(A, 7)));
                world.send(ROUTER, &Build::udp(at(VISITOR, 9), at(V, 7)));
                world.turn();
            }
            world.run(secs(1));
        }
        world.run(secs(5));
        let told = |world: &mut World, name: &str| world.counter(name);
        let Ok(Data::Counters(rows)) = world.ask(Request::Counters { all: true }) else { panic!() };
        let sum = |prefix: &str| -> u64 {
            let those = rows.iter().filter(|row| row.worker.is_none() && row.name.starts_with(prefix));
            those.map(|row| row.value).sum()
        };
        let one = |name: &str| rows.iter().find(|row| row.worker.is_none() && row.name == name).expect(name).value;
        let came = one("received") + one("originated") + one("handed_in");
        let went = one("transmitted") + sum("drop_") + sum("punt_") + one("handed_off") + one("queued");
        assert_eq!(came, went, "{rows:#?}");
        assert!(sum("drop_") > 0 && told(world, "transmitted") > 10_000);
    });
}

/// Everything that Prometheus would read of an appliance that has seen traffic, a switchover and drops.
fn scraped(world: &mut World) -> String {
    let mut tables = Tables::default();
    let Ok(Data::Status(status)) = world.ask(Request::Status {}) else { panic!("no status") };
    tables.status = Some(*status);
    let all = [
        Request::Counters { all: true },
        Request::Members {},
        Request::Probes {},
        Request::Snat {},
        Request::Latency { reset: false },
    ];
    for request in all {
        match world.ask(request) {
            Ok(Data::Counters(rows)) => tables.counters = rows,
            Ok(Data::Members(rows)) => tables.members = rows,
            Ok(Data::Probes(rows)) => tables.probes = rows,
            Ok(Data::Snat(rows)) => tables.snat = rows,
            Ok(Data::Latency(rows)) => tables.latency = rows,
            other => panic!("{other:?}"),
        }
    }
    exposition(&tables)
}

/// What `promtool check metrics` says. As root, as `scripts/test` runs, it must be there: `scripts/setup` installs it.
fn judged_by_promtool(text: &str) {
    let mut promtool = Command::new("promtool");
    let child = promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match child.spawn() {
        Ok(child) => child,
        Err(why) => {
            let root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
            assert!(!root, "promtool cannot be started ({why}): run scripts/setup");
            return eprintln!("not checked: promtool cannot be started ({why}); it is in Debian's package prometheus");
        }
    };
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("promtool reads");
    let said = child.wait_with_output().expect("promtool ends");
    let complaints = [said.stdout, said.stderr].concat();
    assert!(said.status.success() && complaints.is_empty(), "{}\n{text}", String::from_utf8_lossy(&complaints));
}

#[test]
fn s85_metrics_keep_to_the_conventions_of_prometheus() {
    told_with_a_active(&File::two_arm(), |world| {
        Connection::inward(world, at(PHONE, 40_001), 5060, HOST_A).open(world);
        Connection::outward(world, HOST_A, 41_000, at(PEER, 5060)).open(world);
        world.send(ROUTER, &Build::udp(at(VISITOR, 9), at(V, 7)));
        world.force("sip-b");
        world.run(secs(1));
        let text = scraped(world);
        for sample in ["fairlead_dropped_frames_total{", "fairlead_last_switchover_duration_seconds{"] {
            assert!(text.contains(sample), "{sample}: {text}");
        }
        judged_by_promtool(&text);
    });
}
