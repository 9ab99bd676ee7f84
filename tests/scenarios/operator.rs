//! Scenarios 84 and 85: what an operator reads and clears while traffic flows, and what the log says.

use crate::with_a_active;
use fairlead::admin::metrics::scrape::QUESTIONS;
use fairlead::admin::metrics::text::exposition;
use fairlead::admin::request::{FlowSelection, PacketAsked, Transport};
use fairlead::admin::rows::{Cause, FlowRow};
use fairlead::admin::{Data, Request};
use fairlead::config::LogLevel;
use fairlead::wire::build::Build;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use testbench::bench::frames::*;
use testbench::bench::{Bench, Connection, File, Service};

fn of_member(name: &str) -> FlowSelection {
    FlowSelection { member: Some(name.into()), ..FlowSelection::default() }
}

#[test]
fn s84_every_table_is_shown_in_time_and_costs_no_packet() {
    with_a_active(&File::two_arm(), |bench| {
        let mut connections: Vec<_> = (0..50)
            .map(|number| Connection::inward(bench, at(PHONE, 40_000 + number), 5060, HOST_A).open(bench))
            .collect();
        let before = bench.lead.counters();
        let call = |address: &str| format!("{address}:5060").parse().unwrap();
        let requests = [
            Request::Status {},
            Request::Members {},
            Request::VirtualServers {},
            Request::Probes {},
            Request::Flows { filter: FlowSelection::default(), limit: 1_000 },
            Request::Explain(PacketAsked::between(Transport::Udp, call(PHONE), call(V))),
            Request::Snat {},
            Request::Neighbours {},
            Request::Routes {},
            Request::Ports {},
            Request::Counters { all: true },
            Request::Switchovers {},
            Request::Latency { reset: false },
            Request::Traffic {},
            Request::Sip {},
            Request::Overview {},
        ];
        let (mut sent, mut seen) = (0, 0);
        for request_ in requests.iter().cycle().take(110) {
            let request_id = bench.lead.ask(request_.clone(), bench.now());
            let begin = bench.now();
            let answer = loop {
                for number in 0..20 {
                    bench.send(ROUTER, &request(at(PHONE, 5060 + number), V));
                    sent += 1;
                }
                bench.turn();
                seen += bench.look().iter().filter(|seen| seen.is_for(at(A, 5060))).count();
                if let Some(answer) = bench.lead.answer(request_id) {
                    break answer;
                }
            };
            assert!(answer.is_ok(), "{request_:?}: {answer:?}");
            assert!(bench.now().since(begin) < ms(100), "{request_:?}");
        }
        bench.run(ms(5));
        seen += bench.look().len();
        assert_eq!(seen, sent, "{:?}", bench.lead.counted());
        assert_eq!(bench.lead.counters().dropped, before.dropped);
        connections.iter_mut().for_each(|connection| connection.exchange(bench));
    });
}

#[test]
fn s84_clearing_the_flows_of_a_member_removes_just_those() {
    with_a_active(&File::two_arm(), |bench| {
        let mut of_a: Vec<_> = (0..40)
            .map(|number| Connection::inward(bench, at(PHONE, 40_000 + number), 5060, HOST_A).open(bench))
            .collect();
        let mut visits: Vec<_> = [HOST_A, HOST_B]
            .into_iter()
            .map(|member| Connection::visit(bench, at(VISITOR, 50_000), member, 7000).open(bench))
            .collect();
        let mut of_b = Connection::outward(bench, HOST_B, 41_000, at(PEER, 80)).open(bench);
        let b_before = summary(&bench.flows(of_member("sip-b")));
        let all = bench.flows(FlowSelection::default()).len();
        let a_before = bench.flows(of_member("sip-a")).len();
        assert_eq!((a_before, b_before.len()), (41, 2), "whoever visits a member has a flow of its");
        let Ok(Data::Cleared(cleared)) = bench.ask(Request::FlowsClear { filter: of_member("sip-a") }) else {
            panic!()
        };
        assert_eq!(cleared.count, a_before as u64);
        assert_eq!(bench.flows(of_member("sip-a")), []);
        assert_eq!(summary(&bench.flows(of_member("sip-b"))), b_before);
        assert_eq!(bench.flows(FlowSelection::default()).len(), all - a_before);
        assert!(bench.look().is_empty(), "nobody is sent anything");
        of_b.exchange(bench);
        visits[1].exchange(bench);
        visits[0].exchange(bench);
        of_a.iter_mut().for_each(|connection| connection.exchange(bench));
    });
}

#[test]
fn s84_a_table_of_flows_is_as_long_as_its_limit_over_all_workers() {
    with_a_active(&File::two_arm(), |bench| {
        for number in 0..100 {
            let client = fairlead::wire::Endpoint::new([172, 16, 5, number].into(), 40_000);
            Connection::inward(bench, client, 5060, HOST_A).open(bench);
        }
        let asked = bench.ask(Request::Flows { filter: FlowSelection::default(), limit: 10 });
        let Ok(Data::Flows(rows, _)) = asked else { panic!("{asked:?}") };
        assert_eq!(rows.len(), 10);
        assert_eq!(bench.flows(FlowSelection::default()).len(), 100);
    });
}

#[test]
fn s84_flows_of_a_service_or_of_nobody_are_cleared_as_said() {
    with_a_active(&File::two_arm(), |bench| {
        let inward = Connection::inward(bench, at(PHONE, 40_001), 5061, HOST_A).open(bench);
        let outward = Connection::outward(bench, HOST_A, 41_000, at(PEER, 5060)).open(bench);
        let service = FlowSelection { virtual_server: Some("sip-1".into()), ..FlowSelection::default() };
        let asked = bench.ask(Request::FlowsClear { filter: service });
        assert!(matches!(&asked, Ok(Data::Cleared(cleared)) if cleared.count == 1), "{asked:?}");
        let left = bench.flows(FlowSelection::default());
        assert_eq!((left.len(), left[0].path.as_str()), (1, "outbound"));
        let refused = bench.ask(Request::FlowsClear { filter: of_member("nobody") });
        assert!(refused.is_err_and(|message| message.contains("nobody")));
        for mut connection in [inward, outward] {
            connection.exchange(bench);
        }
    });
}

/// What of a flow does not change with time.
fn summary(rows: &[FlowRow]) -> Vec<String> {
    let mut flows: Vec<_> = rows
        .iter()
        .map(|row| format!("{} {} {:?} {:?}", row.path, row.protocol, row.original, row.translated))
        .collect();
    flows.sort();
    flows
}

#[test]
fn s84_what_is_shown_of_traffic_is_true() {
    with_a_active(&File::two_arm(), |bench| {
        Connection::inward(bench, at(PHONE, 40_001), 5060, HOST_A).open(bench);
        Connection::outward(bench, HOST_A, 41_000, at(PEER, 5060)).open(bench);
        bench.forwards(
            HOST_A,
            Build::udp(at(A, 42_000), at(PEER, 53)).payload(b"?"),
            ROUTER,
            Build::udp(at(V, 42_000), at(PEER, 53)).payload(b"?"),
        );
        let flows = summary(&bench.flows(of_member("sip-a")));
        assert_eq!(flows.len(), 3, "{flows:?}");
        let client = FlowSelection { client: Some("172.16.5.5".parse().unwrap()), ..FlowSelection::default() };
        let rows = bench.flows(client);
        assert_eq!(rows.len(), 1);
        assert_eq!(
            (rows[0].path.as_str(), rows[0].protocol.as_str(), rows[0].state.as_str()),
            ("service", "tcp", "established")
        );
        assert_eq!(rows[0].original.src.to_string(), "172.16.5.5:40001");
        assert_eq!(rows[0].translated.dst.to_string(), "10.20.0.11:5060");
        let Ok(Data::Snat(rows)) = bench.ask(Request::Snat {}) else { panic!() };
        let used: Vec<_> = rows.iter().map(|row| (row.protocol.as_str(), row.used)).collect();
        assert!(used.contains(&("tcp", 1)) && used.contains(&("udp", 1)) && used.contains(&("icmp", 0)), "{used:?}");
        assert_eq!(bench.row("sip-a").flows, 3);
    });
}

/// What the log says of switchovers.
fn lines(bench: &Bench) -> Vec<String> {
    let said = bench.lead.log.iter().filter(|line| line.message.starts_with("switchover of pool"));
    said.map(|line| line.message.clone()).collect()
}

#[test]
fn s85_every_switch_is_one_line_with_time_service_both_members_reason_and_latency() {
    let monitors = "monitors = [\"sip-options\"]";
    let file = File::two_arm().with(monitors, &format!("{monitors}\nno_member = \"reject\"\ngap = \"200ms\""));
    with_a_active(&file, |bench| {
        bench.members[0].udp = Service::Swallows;
        bench.members[1].serve();
        bench.until(secs(5), |bench| bench.active().as_deref() == Some("sip-b"));
        bench.members[0].serve();
        bench.run(secs(2));
        bench.force("sip-a");
        bench.auto();
        bench.members[0].powered = false;
        bench.members[1].retire();
        bench.until(secs(5), |bench| bench.active().is_none());
        bench.members[1].serve();
        bench.until(secs(5), |bench| bench.active().as_deref() == Some("sip-b"));
        bench.run(ms(10));
        let (rows, lines) = (bench.switchovers(), lines(bench));
        let name = |member: &Option<String>| member.clone().unwrap_or_else(|| "none".into());
        assert!(rows.len() >= 5, "{rows:?}");
        assert_eq!(rows.len(), lines.len(), "{lines:#?}");
        for (row, line) in rows.iter().zip(&lines) {
            let arrow = format!("{} -> {}", name(&row.from), name(&row.to));
            assert!(line.contains("pair-1") && line.contains(&arrow), "{line} of {row:?}");
            assert!(line.contains(&row.reason) && !row.reason.is_empty(), "{line}");
            assert!(!line.contains('\n'));
            if row.cause == Cause::Monitor && row.from.is_some() {
                let latency = row.lost.expect("it was found lost") - row.last_good_answer.expect("it once answered");
                let shown = format!("{}.{} ms", latency / 1_000, latency % 1_000 / 100);
                assert!(line.contains(&shown), "{line} of {row:?}");
            } else {
                assert_eq!(row.last_good_answer, None, "{row:?}");
            }
            assert!(row.installed.unwrap() >= row.published.unwrap() && row.published.unwrap() >= row.detected);
        }
        let said: Vec<_> =
            bench.lead.log.iter().filter(|line| line.message.starts_with("switchover of pool")).collect();
        for (row, line) in rows.iter().zip(&said) {
            assert_eq!(line.row.time, row.time, "the line's own stamp");
            let fields = line.row.fields();
            assert!(fields.starts_with("event=switchover pool=pair-1 "), "{fields}");
            assert!(fields.ends_with(&format!(" cause={}", row.cause)), "{fields}");
            assert_eq!(line.level == LogLevel::Warn, row.cause != Cause::Start, "a first choice is no loss");
        }
    });
}

#[test]
fn s85_the_counters_reconcile_through_a_day_of_trouble() {
    with_a_active(&File::two_arm(), |bench| {
        for round in 0..6 {
            let (up, down) = if round % 2 == 0 { (1, 0) } else { (0, 1) };
            bench.members[down].retire();
            bench.members[down].powered = round % 3 != 0;
            bench.members[up].serve();
            for number in 0..1_500_u16 {
                bench.send(ROUTER, &request(at(PHONE, 5060 + number % 50), V));
                bench.send(ROUTER, &Build::tcp(at(PHONE, 20_000 + number), at(V, 5060), SYN, 1, 0));
                bench.send(ROUTER, &Build::udp(at(VISITOR, 9), at(A, 7)));
                bench.send(ROUTER, &Build::udp(at(VISITOR, 9), at(V, 7)));
                bench.turn();
            }
            bench.run(secs(1));
        }
        bench.run(secs(5));
        let counter = |bench: &mut Bench, name: &str| bench.counter(name);
        let Ok(Data::Counters(rows)) = bench.ask(Request::Counters { all: true }) else { panic!() };
        let sum = |prefix: &str| -> u64 {
            let those = rows.iter().filter(|row| row.worker.is_none() && row.name.starts_with(prefix));
            those.map(|row| row.value).sum()
        };
        let one = |name: &str| rows.iter().find(|row| row.worker.is_none() && row.name == name).expect(name).value;
        let came = one("received") + one("originated") + one("handed_in");
        let went = one("transmitted") + sum("drop_") + sum("punt_") + one("handed_off") + one("queued");
        assert_eq!(came, went, "{rows:#?}");
        assert!(sum("drop_") > 0 && counter(bench, "transmitted") > 10_000);
    });
}

/// Everything that Prometheus would read of an appliance that has seen traffic, a switchover and drops.
fn scraped(bench: &mut Bench) -> String {
    let answers = QUESTIONS.map(|request| bench.ask(request).unwrap_or_else(|why| panic!("{why:?}")));
    exposition(&answers)
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
    with_a_active(&File::two_arm(), |bench| {
        Connection::inward(bench, at(PHONE, 40_001), 5060, HOST_A).open(bench);
        Connection::outward(bench, HOST_A, 41_000, at(PEER, 5060)).open(bench);
        bench.send(ROUTER, &Build::udp(at(VISITOR, 9), at(V, 7)));
        bench.force("sip-b");
        bench.run(secs(1));
        let text = scraped(bench);
        for sample in ["fairlead_dropped_frames_total{", "fairlead_last_switchover_duration_seconds{"] {
            assert!(text.contains(sample), "{sample}: {text}");
        }
        judged_by_promtool(&text);
    });
}
