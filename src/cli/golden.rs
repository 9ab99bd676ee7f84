//! Golden text: each table from fixed rows, as an operator reads it.

mod pair;
pub(super) mod samples;

use super::client::Failure;
use super::commands::{Command, Shown, followed};
use super::parse;
use crate::admin::configurations::{
    AwaitedRow, Confirmed, HistoryRow, HistoryText, ImpactRow, LostServiceRow, Preview,
};
use crate::admin::drill::{DrillPlan, DrillReport};
use crate::admin::recorder::{RecordingCause, RecordingRow};
use crate::admin::rows::{
    AcknowledgedRow, AdminState, AlarmRow, Announced, Cause, Change, ChangeKind, Cleared, ConfigurationCause,
    ConnectionsRow, CounterRow, DrillState, Ends, EventRow, EventsPage, ExcludeRow, FlowRow, Forecast, LatencyRow,
    LearnedRow, LogLevel, Logging, MemberRow, MemberState, NeighbourRow, NeighbourState, Origin, PastProbeRow,
    ProbeResult, ProbeRow, Reloaded, Role, RouteKind, RouteRow, ServiceLoss, SipCountRow, SipRefreshRow, SipReport,
    SipRow, SipSide, SnatRow, Spread, StateLines, Status, SwitchoverRow, TrafficOf, TrafficRates, TrafficRow,
    VirtualServerRow, Wall,
};
use crate::events::{AlarmCode, EventName, Severity};
use crate::time::Duration;
use samples::{NOW, ago, members, ports, settings, status, switchovers, virtual_servers};
use serde::Serialize;
use std::net::Ipv4Addr;

fn show(words: &str, data: serde_json::Value) -> Shown {
    let line = format!("fairlead {words}");
    let program = parse::program(line.split(' ').map(Into::into)).expect(words);
    let question = match program.command {
        Command::Ask(ask) => ask.question(),
        Command::Pair(asked) => asked.question().unwrap_or_else(|_| panic!("{words} makes files")),
        Command::Recorder(asked) => asked.what.question().unwrap_or_else(|_| panic!("{words} saves")),
        _ => panic!("{words} asks nothing"),
    };
    (question.show)(data, NOW)
}

fn shown(words: &str, data: impl Serialize) -> String {
    let text = show(words, serde_json::to_value(data).unwrap()).unwrap();
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        assert!(line.chars().count() <= super::grid::WIDTH, "{line}");
        assert_eq!(line, line.trim_end());
    }
    text
}

#[test]
fn what_the_operator_has_set_is_shown_beside_the_file() {
    insta::assert_snapshot!(shown("state show", settings()));
    assert_eq!(shown("state show", [(); 0]), "nothing: the appliance is as its file says\n");
    assert!(shown("state drop", settings()).starts_with("dropped; as the file says from now on:\nKIND"));
    let lines = vec!["# a".to_owned(), "exclude = []\u{1b}".to_owned()];
    assert_eq!(shown("state lines", StateLines { lines }), "# a\nexclude = []?\n");
    let reloaded = shown("reload", Reloaded { settings: settings().into(), ..Reloaded::default() });
    assert!(
        reloaded.starts_with("configuration reloaded: no difference\nset by the operator, different from the file:\n")
    );
    let status = |settings| shown("status", Status { settings, ..status() });
    assert!(status(1).ends_with("1 setting by the operator differs from the file: `fairlead state show`\n"));
    assert!(status(12).ends_with("12 settings by the operator differ from the file: `fairlead state show`\n"));
}

#[test]
fn alarms_are_shown_with_what_to_do_and_checked_in_one_line() {
    let by = AcknowledgedRow { since: ago(60), by_uid: Some(1_000), comment: Some("known\u{1b}[2J".into()) };
    let known = AlarmRow { id: 18, acknowledged: Some(by), ..status().alarms.swap_remove(0) };
    let grave = AlarmRow {
        id: 19,
        code: "port.down".into(),
        severity: Severity::Critical,
        interface: Some("outer".into()),
        message: "port outer: the link is down".into(),
        remedy: AlarmCode::PortDown.remedy().into(),
        ..known.clone()
    };
    let grave = AlarmRow { acknowledged: None, ..grave };
    insta::assert_snapshot!(shown("alarms", [&status().alarms[0], &known, &grave]));
    assert_eq!(shown("alarms", [(); 0]), "no alarms\n");
    let check = |rows: &[&AlarmRow]| {
        let data = serde_json::to_value(rows).unwrap();
        let program = parse::program("fairlead alarms --check".split(' ').map(Into::into)).unwrap();
        let Command::Ask(ask) = program.command else { panic!() };
        let question = ask.question();
        ((question.exit.unwrap())(&data), (question.show)(data, NOW).unwrap())
    };
    assert_eq!(check(&[]), (0, "OK: no alarms\n".into()));
    assert_eq!(check(&[&known]), (0, "OK: no alarms (1 acknowledged)\n".into()));
    let (code, line) = check(&[&status().alarms[0]]);
    assert!(code == 1 && line.starts_with("WARNING: pool pair-1: sip-a and sip-b both answer"), "{line}");
    let (code, line) = check(&[&status().alarms[0], &grave, &known]);
    assert_eq!(
        (code, line.as_str()),
        (2, "CRITICAL: 2 alarms: port outer: the link is down; and 1 more (1 acknowledged)\n")
    );
    assert!(shown("alarms acknowledge 19", [&grave]).starts_with("acknowledged 19 (port.down): port outer"));
}

#[test]
fn a_check_of_alarms_without_an_appliance_is_a_line_too() {
    let program = parse::program("fairlead alarms --check".split(' ').map(Into::into)).unwrap();
    let Command::Ask(ask) = program.command else { panic!() };
    let said = ask.question().unanswered.unwrap();
    let none = || "/run/fairlead/admin.sock: nothing listens there\nany more".to_owned();
    let expected = "CRITICAL: no appliance answers at /run/fairlead/admin.sock: nothing listens there?any more\n";
    for failure in [Failure::Unreachable(none()), Failure::Silent(none())] {
        assert_eq!(said(&failure), (expected.to_owned(), 2));
    }
    let [socket, why, remedy] = ["/run/fairlead/ro.sock", ", only root may", "ask as root (sudo)"].map(str::to_owned);
    let (line, code) = said(&Failure::Forbidden { socket, why, remedy });
    assert!(
        code == 3 && line.starts_with("UNKNOWN: the appliance cannot be reached at /run/fairlead/ro.sock"),
        "{line}"
    );
}

#[test]
fn events_are_a_line_each_and_what_is_lost_is_said() {
    let row = EventRow::new(EventName::MemberSet, LogLevel::Warn, "member sip-a: set to\noffline".into());
    let row = EventRow { number: 7, time: ago(0), by_uid: Some(0), by_pid: Some(42), ..row };
    let line = "2026-11-22 13:04:05.123 WARN  member.set         member sip-a: set to?offline (uid 0, pid 42)\n";
    assert_eq!(show("events", serde_json::to_value([&row]).unwrap()).unwrap(), line);
    assert_eq!(shown("events", [(); 0]), "no such event is kept\n");
    let page = EventsPage { events: vec![row.clone()], lost: 1_234, last: 7 };
    let text = followed(&page, false);
    assert_eq!(text, format!("... 1,234 events lost: they came faster than they were read\n{line}"));
    assert_eq!(followed(&page, true), format!("{{\"lost\":1234}}\n{}\n", row.json()));
}

#[test]
fn what_waits_for_a_confirmation_is_said_with_what_to_do() {
    let reloaded = Reloaded { number: 7, confirm_within_s: Some(60), ..Reloaded::default() };
    assert!(shown("reload --confirm 60s", reloaded).ends_with(
        "configuration 7 is in force for 1m00s: `fairlead confirm` keeps it, else the one before comes back\n"
    ));
    let confirmed = |differs_from_file| shown("confirm", Confirmed { number: 7, differs_from_file });
    assert_eq!(confirmed(false), "configuration 7 is in force and confirmed\n");
    let differs = "the file on disk differs from configuration 7, which is in force: `fairlead diff` shows how, and\n\
                   `fairlead reload` applies the file\n";
    assert!(confirmed(true).ends_with(differs), "{}", confirmed(true));
    let awaited = AwaitedRow { number: 7, back_to: 6, until: ago(0), left_s: 43 };
    let text = shown("status", Status { awaited: Some(awaited), ..status() });
    let line = "UNCONFIRMED for another 43s: `fairlead confirm` keeps configuration 7, else 6 is in force again\n";
    assert!(text.contains(line), "{text}");
}

#[test]
fn the_history_says_which_is_in_force_and_what_each_changed() {
    let row = |number, since, cause, changes: &str, [in_force, unconfirmed]: [bool; 2]| HistoryRow {
        number,
        since: ago(since),
        cause,
        changes: changes.into(),
        in_force,
        unconfirmed,
    };
    let rows = |last: [bool; 2]| {
        let added = "monitor sip-options: interval 500ms → 200ms; monitor sip-options: timeout 400ms → 150ms\u{1b}";
        [
            row(7, 264_000, ConfigurationCause::Start, "another file at the start", [false; 2]),
            row(8, 3_612, ConfigurationCause::Reload, added, [false; 2]),
            row(9, 12, ConfigurationCause::Rollback, "back to 7: 8 was not confirmed in time", last),
        ]
    };
    insta::assert_snapshot!(shown("history", rows([true, false])));
    assert!(shown("history", rows([true, true])).contains(" unconfirmed "));
    let text = "# ours\n[appliance]\n".to_owned();
    assert_eq!(shown("history show 7", HistoryText { number: 7, text: text.as_str().into() }), text);
    let rolled_back = Reloaded { number: 9, differs_from_file: true, ..Reloaded::default() };
    let text = shown("rollback 7", rolled_back);
    assert!(text.starts_with("rolled back: no difference\nthe file on disk differs from configuration 9"), "{text}");
}

#[test]
fn a_preview_says_what_would_change_and_what_it_would_do_to_flows() {
    let row = |pool: Option<&str>, server: Option<&str>, resteered, cut, keep_source| ImpactRow {
        pool: pool.map(Into::into),
        virtual_server: server.map(Into::into),
        resteered,
        cut,
        keep_source,
        unchanged: 1_234,
    };
    let change = |what: &str, before: &str, after: &str, live| Change {
        kind: ChangeKind::Changed,
        what: what.into(),
        before: Some(before.into()),
        after: Some(after.into()),
        live,
    };
    let lost = |virtual_server: &str, why| LostServiceRow {
        virtual_server: virtual_server.into(),
        address: [10, 20, 0, 100].into(),
        service: "udp/5060".into(),
        why,
    };
    let preview = Preview {
        changes: vec![change("monitor sip-options: interval", "500ms", "200ms", true)],
        refused: None,
        resteered: 12_000,
        cut: 7,
        keep_source: 3,
        unchanged: 3_702,
        exact: true,
        impact: vec![
            row(Some("pair-1"), Some("sip-1"), 12_000, 7, 0),
            row(Some("pair-1"), None, 0, 0, 3),
            row(None, None, 0, 0, 0),
        ],
        lose_active: vec!["pair-2".into()],
        lose_services: vec![lost("sip-1", ServiceLoss::Removed), lost("sip-2", ServiceLoss::AnotherPool)],
    };
    insta::assert_snapshot!(shown("diff", &preview));
    let late = shown("diff", Preview { exact: false, ..preview.clone() });
    assert!(
        late.contains("\nat least: not every worker had looked at all of its flows in time. 12,000 flows"),
        "{late}"
    );
    let (changes, why) = (vec![change("cores: workers", "1", "1, 2", false)], "only a restart can apply this");
    let refused = Preview { changes, refused: Some(why.into()), ..Preview::default() };
    assert_eq!(
        shown("diff", refused),
        "cores: workers 1 → 1, 2  (only a restart can apply this)\n\n\
         a reload would be refused: only a restart can apply this\n"
    );
    assert_eq!(shown("diff", Preview::default()), "no difference\n");
}

#[test]
fn one_screen() {
    insta::assert_snapshot!(shown("status", status()));
    let quiet = Status { alarms: Vec::new(), last_switchover: None, ..status() };
    insta::assert_snapshot!("one_quiet_screen", shown("status", quiet));
}

#[test]
fn pool_force_warns_of_a_member_that_is_down() {
    let mut rows = members();
    let warning = "warning: sip-b is active but down: sip-options: no answer in 400ms\n";
    (rows[1].role, rows[1].reason) = (Role::Active, "sip-options: no answer in 400ms".into());
    let said = shown("pool force pair-1 sip-b", &rows);
    assert!(!said.contains("warning"), "{said}");
    assert!(said.ends_with("\nsip-b is forced: no fail-over until `fairlead pool auto pair-1`\n"), "{said}");
    assert!(!shown("pool auto pair-1", &rows).contains("no fail-over"));
    rows[1].state = MemberState::Down;
    assert!(shown("pool force pair-1 sip-b", &rows).ends_with(warning));
    assert!(!shown("members", &rows).contains("warning"));
}

#[test]
fn members_table() {
    insta::assert_snapshot!(shown("members", members()));
}

#[test]
fn virtual_servers_table() {
    insta::assert_snapshot!(shown("virtual-servers", virtual_servers()));
}

#[test]
fn connections_stand_below_where_there_is_a_limit() {
    let (mut rows, mut servers) = (members(), virtual_servers());
    rows[1].connections = Some(ConnectionsRow { now: 1_234, limit: Some(20_000), rate_limit: None });
    let expected = "\nMEMBER  CONNECTIONS   LIMIT  RATE LIMIT\nsip-b         1,234  20,000           -\n";
    assert!(shown("members", rows).ends_with(expected));
    servers[0].connections = Some(ConnectionsRow { now: 0, limit: None, rate_limit: Some(500) });
    let expected = "\nVIRTUAL SERVER  CONNECTIONS  LIMIT  RATE LIMIT\nsip-1                     0      -       500/s\n";
    assert!(shown("virtual-servers", servers).ends_with(expected));
}

#[test]
fn probes_table() {
    let probe = |member: &str, kind: &str, state, reason: &str, last_rtt_us, failed| ProbeRow {
        member: member.into(),
        pool: "pair-1".into(),
        monitor: "sip-options".into(),
        kind: kind.into(),
        state,
        reason: reason.into(),
        since: ago(75),
        last_rtt_us,
        sent: 12_345,
        ok: 12_000,
        failed,
    };
    let rows = [
        probe("sip-a", "sip/udp 5060", MemberState::Down, "no answer in 400ms", Some(1240), 345),
        probe("sip-b", "sip/tls 5061", MemberState::Unknown, "connection refused (reset by the member)", None, 0),
    ];
    insta::assert_snapshot!(shown("probes", rows));
}

#[test]
fn probe_history_table() {
    let past = |seconds: u64, result, rtt_us, reason: &str| PastProbeRow {
        monitor: "sip-options".into(),
        kind: "sip/udp 5060".into(),
        time: ago(seconds),
        result,
        rtt_us,
        reason: reason.into(),
    };
    let rows = vec![
        past(2, ProbeResult::Good, Some(412), "200 OK"),
        past(1, ProbeResult::Silent, None, "no answer"),
        past(0, ProbeResult::Failed, None, "port 5060/udp is closed (ICMP port unreachable)"),
    ];
    insta::assert_snapshot!(shown("probe history sip-a", rows));
}

#[test]
fn flows_table() {
    let ends = |src: &str, dst: &str| Ends { src: src.parse().unwrap(), dst: dst.parse().unwrap() };
    let flow = |path: &str, protocol: &str, original, translated, member: Option<&str>, state: &str| FlowRow {
        worker: 0,
        flow: "0-1204.17".into(),
        path: path.into(),
        protocol: protocol.into(),
        original,
        translated,
        member: member.map(Into::into),
        state: state.into(),
        idle_ms: 412,
        expires_in_ms: 7_440_000,
        sent: None,
        answered: None,
    };
    let opened = ends("172.16.5.5:40001", "10.20.0.100:5060");
    let visit = ends("172.16.7.70:33333", "10.20.0.11:7000");
    let long = ends("100.100.100.100:65535", "200.200.200.200:65535");
    let rows = [
        flow("service", "tcp", opened, ends("172.16.5.5:40001", "10.20.0.11:5060"), Some("sip-a"), "established"),
        flow(
            "outbound",
            "udp",
            ends("10.20.0.11:53001", "172.16.1.53:53"),
            ends("10.20.0.100:53001", "172.16.1.53:53"),
            Some("sip-a"),
            "idle",
        ),
        flow("routed", "tcp", visit, visit, None, "opening"),
        flow(
            "hairpin",
            "tcp",
            long,
            ends("101.100.100.100:65535", "201.200.200.200:65535"),
            Some("sip-server-a"),
            "closing",
        ),
    ];
    let listed = |total: u64, exact: bool| serde_json::json!({ "rows": rows, "total": total, "exact": exact });
    insta::assert_snapshot!(shown("flows", listed(12_000, true)));
    let table = shown("flows", listed(4, true));
    assert!(!table.contains("more flows") && !table.contains("at least"), "{table}");
    let late = shown("flows", listed(7, false));
    assert!(late.ends_with("at least 7 flows: not every worker had looked at all of its flows in time\n"), "{late}");
}

#[test]
fn a_member_that_was_taken_out_is_said_to_be_at_rest_or_what_is_left() {
    let [mut one, _] = members().try_into().unwrap();
    let shown = |row: &MemberRow| shown("members", [row]).replace('\n', " ");
    let left = "sip-a is draining by the operator, which is not in the file: 0 flows, 0 direct, last service datagram 12.3s ago";
    assert!(shown(&one).contains(left), "{}", shown(&one));
    one.udp_idle_ms = Some(32_001);
    let rest = "nothing of it is left here, it may be powered off";
    assert!(!shown(&one).contains(rest), "the appliance does not say so yet");
    one.drained = true;
    assert!(shown(&one).contains(rest));
    one.udp_idle_ms = None;
    assert!(shown(&one).contains(rest));
    (one.admin, one.drained) = (AdminState::Offline, false);
    assert!(shown(&one).contains(rest));
    let of_file = MemberRow { admin_file: AdminState::Offline, ..one.clone() };
    assert!(shown(&of_file).contains(&format!("sip-a is offline by the file: {rest}")));
    let enabled = MemberRow { admin: AdminState::Enabled, ..of_file };
    assert!(shown(&enabled).ends_with("sip-a is enabled by the operator; the file has it offline "));
    let draining = AdminState::Draining;
    let limited = MemberRow { admin: draining, admin_file: draining, drain_left_s: Some(60), ..enabled };
    let said = shown(&limited);
    assert!(
        said.contains("draining by the operator for another ") && said.contains("which is not in the file"),
        "{said}"
    );
    for (flows, direct, role) in [(1, 0, Role::None), (0, 1, Role::None), (0, 0, Role::Active)] {
        assert!(!shown(&MemberRow { flows, direct, role, ..one.clone() }).contains(rest), "{flows} {direct} {role}");
    }
}

#[test]
fn a_member_that_is_drained_for_a_time_says_how_long_yet_and_when_it_is_drained_completely() {
    let [one, _] = members().try_into().unwrap();
    let rows = [
        MemberRow { drain_left_s: Some(843), flows: 1_204, tcp_connections: 1_203, ..one.clone() },
        MemberRow { drain_left_s: Some(0), role: Role::Active, udp_idle_ms: Some(0), ..one.clone() },
        MemberRow { drained: true, udp_idle_ms: Some(40_000), ..one.clone() },
        MemberRow { drained: true, udp_idle_ms: Some(40_000), direct: 2, ..one },
    ];
    let shown = rows.iter().map(|row| {
        let text = shown("members", [row]);
        let at = text.find("sip-a is ").unwrap();
        text[at..].to_owned()
    });
    insta::assert_snapshot!(shown.collect::<String>());
}

#[test]
fn small_tables() {
    let snat = |protocol: &str, used, peak, forecast, exhausted_in_s| SnatRow {
        pool: "pair-1".into(),
        address: Ipv4Addr::new(10, 20, 0, 100),
        protocol: protocol.into(),
        used,
        peak,
        free: 64_510 - used,
        forecast,
        exhausted_in_s,
        exhausted: 12,
        excluded: 2,
    };
    let rows = [
        snat("tcp", 51_017, 51_017, Forecast::Growing, Some(7_830)),
        snat("udp", 1_017, 1_020, Forecast::Steady, None),
        snat("icmp", 0, 3, Forecast::Never, None),
        snat("tcp", 64_510, 64_510, Forecast::Exhausted, Some(0)),
        snat("udp", 7, 7, Forecast::Unknown, None),
    ];
    insta::assert_snapshot!("snat_table", shown("snat", rows));

    let neighbour = |address: [u8; 4], mac: Option<&str>, state, role: &str| NeighbourRow {
        interface: "servers".into(),
        address: address.into(),
        mac: mac.map(Into::into),
        state,
        role: role.into(),
        since: ago(61),
    };
    let rows = [
        neighbour([10, 20, 0, 11], Some("02:00:00:00:00:0b"), NeighbourState::Reachable, "member sip-a"),
        neighbour([192, 0, 2, 1], None, NeighbourState::Failed, "router"),
        neighbour([192, 0, 2, 77], None, NeighbourState::Resolving, ""),
    ];
    insta::assert_snapshot!("neighbours_table", shown("neighbours", rows));

    let route = |to: &str, via: Option<[u8; 4]>, kind, next_hop| RouteRow {
        to: to.parse().unwrap(),
        via: via.map(Ipv4Addr::from),
        interface: "clients".into(),
        kind,
        next_hop,
        mac: next_hop.filter(|state| *state == NeighbourState::Reachable).map(|_| "02:00:00:00:02:01".into()),
        learned: None,
    };
    let learned = |to: &str, via, (protocol, metric): (&str, u32), (usable, used), stale| RouteRow {
        learned: Some(LearnedRow { protocol: protocol.into(), metric, weight: 1, usable, used, stale }),
        ..route(to, Some(via), RouteKind::Kernel, Some(NeighbourState::Reachable).filter(|_| used))
    };
    let rows = [
        route("0.0.0.0/0", Some([192, 0, 2, 1]), RouteKind::Static, Some(NeighbourState::Reachable)),
        route("192.0.2.0/24", None, RouteKind::Connected, None),
        learned("10.9.0.0/16", [192, 0, 2, 1], ("bgp", 20), (true, true), None),
        learned("10.9.0.0/16", [192, 0, 2, 3], ("bgp", 20), (false, false), None),
        learned("10.9.0.0/16", [192, 0, 2, 3], ("ospf", 30), (true, false), None),
        learned("10.8.0.0/16", [192, 0, 2, 1], ("77", 0), (true, true), Some(Wall(1_795_352_645_000_000))),
    ];
    insta::assert_snapshot!("routes_table", shown("routes", rows));
    insta::assert_snapshot!("interfaces_table", shown("interfaces", samples::interfaces()));

    let exclude = |prefix: &str, origin| ExcludeRow { pool: "pair-1".into(), prefix: prefix.parse().unwrap(), origin };
    let rows = [exclude("172.16.1.20/32", Origin::File), exclude("172.16.2.0/24", Origin::Operator)];
    insta::assert_snapshot!("exclude_table", shown("exclude list pair-1", rows));
}

#[test]
fn ports_table() {
    insta::assert_snapshot!(shown("ports", ports()));
}

#[test]
fn counters_table() {
    let counter = |name: &str, worker, value, explanation: &str| CounterRow {
        name: name.into(),
        value,
        explanation: explanation.into(),
        worker,
    };
    let rows = [
        counter("rx_frames", Some(0), 123_456_789, "Frames received."),
        counter(
            "drop_bad_icmp_quote",
            Some(0),
            3,
            "The packet quoted by an ICMP error is too short or its header checksum is wrong.",
        ),
        counter("probes_sent", None, 7200, "Probes sent by the management core."),
    ];
    insta::assert_snapshot!(shown("counters", rows));
}

#[test]
fn switchovers_table() {
    insta::assert_snapshot!(shown("switchovers", switchovers()));
}

#[test]
fn drill_plan() {
    let plan = DrillPlan {
        pool: "pair-1".into(),
        from: Some("sip-a".into()),
        to: Some("sip-b".into()),
        reason: "sip-b is up: sip-options: 200 OK".into(),
        refused: None,
        on_down_tcp: "reset".into(),
        unanswered_requests: 12,
        members: members(),
        virtual_servers: virtual_servers().into_iter().take(1).collect(),
    };
    insta::assert_snapshot!(shown("drill pair-1 --shadow", plan.clone()));
    let refused =
        DrillPlan { to: None, refused: Some("no other member is healthy: sip-b is down (no answer)".into()), ..plan };
    assert!(shown("drill pair-1 --shadow", refused).contains("would be refused: no other member is healthy"));
}

#[test]
fn drill_report() {
    let row = |from: &str, to: &str, seconds, detected: u64| SwitchoverRow {
        time: ago(seconds),
        from: Some(from.into()),
        to: Some(to.into()),
        cause: Cause::Drill,
        reason: format!("{to} is active for a drill: sip-options: 200 OK"),
        last_good_answer: None,
        first_failed_probe: None,
        lost: None,
        detected,
        published: Some(detected + 41),
        installed: Some(detected + 1_250),
        ..switchovers().remove(1)
    };
    let report = DrillReport {
        pool: "pair-1".into(),
        from: "sip-a".into(),
        to: "sip-b".into(),
        state: DrillState::Done,
        outcome: "sip-a is active again".into(),
        began: ago(40),
        back_after_s: 30,
        flows: 1_204,
        from_lost: false,
        flows_back: Some(17),
        switchovers: vec![row("sip-a", "sip-b", 40, 5_000_000), row("sip-b", "sip-a", 10, 35_000_000)],
    };
    insta::assert_snapshot!(shown("drill pair-1 --report", report.clone()));
    let lost = DrillReport { from_lost: true, ..report.clone() };
    assert!(shown("drill pair-1 --report", lost).contains("; it was lost since, so they did not all"));
    let running = DrillReport { state: DrillState::Running, ..report };
    assert!(shown("drill pair-1 --report", running).contains("was switched over, and stay with it."));
}

#[test]
fn latency_table() {
    let spread = |count: u64, p50_ns: u64| Spread {
        count,
        sum_ns: count * p50_ns,
        p50_ns,
        p90_ns: p50_ns * 2,
        p99_ns: p50_ns * 9,
        p999_ns: p50_ns * 70,
        max_ns: p50_ns * 1_000,
        buckets: Vec::new(),
    };
    let row = |worker, stalls, longest_ns, longest_at| LatencyRow {
        worker,
        since: ago(3_612),
        until: ago(0),
        forwarding: spread(1_234_567_890, 4_127),
        loops: spread(45_678, 812),
        stalls,
        stall_ns: 1_000_000,
        longest_ns,
        longest_at,
    };
    let idle = LatencyRow {
        until: ago(12),
        forwarding: Spread::default(),
        loops: Spread::default(),
        ..row(Some(1), 0, 0, None)
    };
    let all = LatencyRow { until: ago(12), ..row(None, 12_345, 4_213_000, Some(ago(75))) };
    insta::assert_snapshot!(shown("latency", [row(Some(0), 12_345, 4_213_000, Some(ago(75))), idle, all]));
}

#[test]
fn traffic_is_a_table_of_what_is_forwarded_and_one_of_connections() {
    let row = |of, name: &str, times: u64| TrafficRow {
        of,
        name: name.into(),
        pool: "pair-1".into(),
        counting: true,
        packets_in: 12_345_678 * times,
        packets_out: 12_000_000 * times,
        bytes_in: 9_876_543_210 * times,
        bytes_out: 8_765_432_109 * times,
        per_second: TrafficRates {
            packets_in: 1_234 * times,
            packets_out: 999 * times,
            bytes_in: 987_654 * times,
            bytes_out: 876_543 * times,
            connections: 3 * times,
        },
        connections: 17 * times,
        connections_max: 120 * times,
        connections_total: 45_678 * times,
    };
    let rows = vec![
        row(TrafficOf::VirtualServer, "sip-1", 1),
        row(TrafficOf::Member, "sip-a", 1),
        row(TrafficOf::Member, "sip-b", 0),
    ];
    let text = shown("traffic", &rows);
    let lines: Vec<String> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let head = "PKT/s IN PKT/s OUT BIT/s IN BIT/s OUT PKT IN PKT OUT BYTES IN BYTES OUT";
    let counted = "1,234 999 7.90M 7.01M 12.3M 12.0M 9.87GB 8.76GB";
    let connections = "POOL CONNECTIONS MAX TOTAL NEW/s";
    assert_eq!(lines[0], format!("VIRTUAL SERVER {head}"));
    assert_eq!(lines[1], format!("sip-1 {counted}"));
    assert_eq!(lines[3], format!("VIRTUAL SERVER {connections}"));
    assert_eq!(lines[4], "sip-1 pair-1 17 120 45,678 3");
    assert_eq!(lines[6..9], [format!("MEMBER {head}"), format!("sip-a {counted}"), "sip-b 0 0 0 0 0 0 0B 0B".into()]);
    assert_eq!(lines[10], format!("MEMBER {connections}"));
    let member = shown("traffic", &rows[1..]);
    assert!(member.starts_with("MEMBER  "), "{member}");
    let off: Vec<TrafficRow> = rows.into_iter().map(|row| TrafficRow { counting: false, ..row }).collect();
    let off = shown("traffic", off);
    assert!(!off.contains("PKT IN") && off.contains("write [limits] traffic_counters = true"), "{off}");
    assert_eq!(shown("traffic", Vec::<TrafficRow>::new()), "no virtual server, no member\n");
}

#[test]
fn sip_tables() {
    let counts = |rows: &[(&str, u64)]| -> Vec<SipCountRow> {
        rows.iter().map(|(name, count)| SipCountRow { name: (*name).into(), count: *count }).collect()
    };
    let row =
        |member: Option<&str>, asked_by, requests: &[(&str, u64)], responses: &[(&str, u64)], p50_ms: u64| SipRow {
            virtual_server: "sip-1".into(),
            member: member.map(Into::into),
            asked_by,
            requests: counts(requests),
            responses: counts(responses),
            repeated_requests: p50_ms / 4,
            repeated_responses: 1,
            unanswered: 0,
            not_timed: 12,
            first_response: Spread {
                count: p50_ms,
                p50_ns: p50_ms * 1_000_000,
                p99_ns: p50_ms * 9_000_000,
                max_ns: p50_ms * 70_000_000,
                ..Spread::default()
            },
        };
    let requests = [("INVITE", 12_345), ("ACK", 11_900), ("BYE", 11_800), ("REGISTER", 2_345_678), ("other", 3)];
    let responses = [("401", 1_100_000), ("486", 77), ("503", 2), ("1xx", 24_000), ("2xx", 1_200_000), ("4xx", 9)];
    let refreshes = |name: &str, udp_timeout_s, keep_alives| SipRefreshRow {
        virtual_server: name.into(),
        udp_timeout_s,
        keep_alives,
        keep_alive_p50_s: 312,
        keep_alive_longest_s: 624,
        registrations: 1_200,
        registration_p50_s: 3_600,
        registration_shortest_s: 60,
        registration_longest_s: 7_200,
    };
    let report = SipReport {
        sample: 100,
        since: ago(86_400),
        rows: vec![
            row(Some("sip-b"), SipSide::Clients, &requests, &responses, 17),
            row(Some("sip-b"), SipSide::Members, &[("INVITE", 400)], &[("2xx", 380)], 212),
            row(None, SipSide::Clients, &[("OPTIONS", 7)], &[], 0),
        ],
        refreshes: vec![refreshes("sip-1", None, 0), refreshes("rm", Some(300), 4_321)],
        not_counted: 3,
        warnings: vec![
            "virtual server rm: half of the keep-alives that were seen come 312 s or more after the one before, [timeouts] udp is \
             300 s: too short by 12 s; a client loses its flow in between, and may go to another member: write a longer [timeouts] udp, or have clients send more often"
                .into(),
        ],
    };
    insta::assert_snapshot!(shown("sip", report));
    let off = shown("sip", SipReport::default());
    assert!(off.starts_with("SIP statistics are off: write [sip] sample = 100 "), "{off}");
    let quiet = shown("sip", SipReport { sample: 1, ..SipReport::default() });
    assert!(quiet.starts_with("no SIP over UDP was seen\n\nAll transactions are read, since "), "{quiet}");
}

#[test]
fn what_a_reload_changed() {
    let change = |kind, what: &str, before: Option<&str>, after: Option<&str>| Change {
        kind,
        what: what.into(),
        before: before.map(Into::into),
        after: after.map(Into::into),
        live: true,
    };
    let changes = vec![
        change(ChangeKind::Added, "pool pair-1: member", None, Some("sip-c")),
        change(ChangeKind::Removed, "route", Some("10.9.0.0/16"), None),
        change(ChangeKind::Changed, "monitor sip-options: interval", Some("500ms"), Some("200ms")),
    ];
    insta::assert_snapshot!(shown("reload", Reloaded { changes, ..Reloaded::default() }));
    let logging = |level, file| shown("log level", Logging { level, file });
    assert_eq!(logging(LogLevel::Debug, LogLevel::Info), "log level debug (the file says info)\n");
    assert_eq!(logging(LogLevel::Warn, LogLevel::Warn), "log level warn\n");
    assert_eq!(shown("reload", Reloaded::default()), "configuration reloaded: no difference\n");
}

#[test]
fn recordings_say_when_and_why_they_were_frozen_and_what_is_on_them() {
    let row = |id, cause, reason: &str| RecordingRow {
        id,
        frozen: ago(60),
        cause,
        reason: reason.into(),
        frames: 12_345,
        passed_over: 67,
        span_ms: 4_021,
        workers: 2,
    };
    let switchover = "switchover of pool pair-1: sip-a -> sip-b, cause monitor";
    let rows = [row(3, RecordingCause::Switchover, switchover), row(4, RecordingCause::Alarm, "metrics.unserved")];
    for words in ["recorder list", "recorder freeze"] {
        let text = shown(words, rows.clone());
        let lines: Vec<_> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(lines[0], "ID FROZEN AT (UTC) CAUSE FRAMES PASSED OVER SPAN REASON", "{text}");
        assert!(
            lines[1].starts_with("3 ") && lines[1].contains(" switchover 12,345 67 4.021 s switchover of pool"),
            "{text}"
        );
        assert!(lines.last().is_some_and(|line| line.ends_with(" alarm 12,345 67 4.021 s metrics.unserved")), "{text}");
    }
}

#[test]
fn nothing_to_show_is_said() {
    let rows = [
        ("members", "no members\n"),
        ("counters", "no counter has moved\n"),
        ("switchovers", "no switchover is known\n"),
        (
            "recorder list",
            "no recording: none was frozen since the start, or the recorder is off (`[appliance] recorder_mib`)\n",
        ),
        ("exclude list pair-1", "the exclusion group is empty\n"),
    ];
    for (table, text) in rows {
        assert_eq!(shown(table, [(); 0]), text);
    }
    assert_eq!(shown("announce", Announced { addresses: 0 }), "no address announced: no link is up\n");
    assert_eq!(shown("announce", Announced { addresses: 12_345 }), "12,345 addresses announced\n");
    let none = |exact| shown("flows", serde_json::json!({ "rows": [], "total": 0, "exact": exact }));
    assert_eq!(none(true), "no flows\n");
    assert!(none(false).starts_with("at least 0 flows"));
    assert_eq!(shown("flows clear --all", Cleared { count: 1 }), "1 flow cleared\n");
    assert_eq!(shown("flows clear --all", Cleared { count: 12_345 }), "12,345 flows cleared\n");
    assert!(show("members", serde_json::json!([{ "name": 7 }])).is_err());
}

#[test]
fn ages_never_run_backwards() {
    let row = VirtualServerRow { since: NOW.plus(Duration::from_secs(60)), ..virtual_servers().swap_remove(0) };
    assert!(shown("virtual-servers", [row]).contains(" 0µs "));
}
