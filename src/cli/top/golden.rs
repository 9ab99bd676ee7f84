//! Golden text: the screen as an operator sees it, drawn on a terminal in memory.

use super::draw::draw;
use super::model::Model;
use super::panel::Panel;
use super::picture::{Size, page, picture};
use super::sample::{OfMember, Sample};
use super::ui::{Act, Key, Seen, Ui};
use crate::admin::rows::{
    AlarmRow, Bucket, CounterRow, Ends, FlowRow, LatencyRow, MemberRow, PastProbeRow, ProbeResult, SipCountRow,
    SipReport, SipRow, SipSide, Spread, Status, TrafficOf, TrafficRates, TrafficRow,
};
use crate::cli::golden::samples::{NOW, ago, members, status, switchovers};
use crate::time::Duration;
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

/// `seconds` after the first one; everything is counted on from one to the next.
fn sample(seconds: u64) -> Sample {
    let status = status();
    let workers = status.workers.iter().cloned().map(|mut row| {
        row.rx += 123_456 * seconds;
        row.tx += 123_400 * seconds;
        row.dropped += if row.id == 0 { 5 * seconds * seconds } else { 0 };
        row
    });
    let ports = status.ports.iter().cloned().map(|mut row| {
        row.rx_frames += 61_728 * seconds;
        row.rx_bytes += 61_728 * 700 * seconds;
        row.tx_frames += 61_700 * seconds;
        row.tx_bytes += 61_700 * 700 * seconds;
        row
    });
    let counter = |name: &str, value, explanation: &str| CounterRow {
        name: name.into(),
        value,
        explanation: explanation.into(),
        worker: None,
    };
    let spread = |count: u64, p50_ns: u64| Spread {
        count,
        sum_ns: count * p50_ns,
        p50_ns,
        p90_ns: p50_ns * 2,
        p99_ns: p50_ns * 9,
        p999_ns: p50_ns * 70,
        max_ns: p50_ns * 1_000,
        buckets: [(4_000, count / 2), (8_000, count * 9 / 10), (1_000_000, count)]
            .map(|(up_to_ns, count)| Bucket { up_to_ns, count })
            .into(),
    };
    let latency = |worker, count, stalls| LatencyRow {
        worker,
        since: ago(3_612),
        until: ago(0),
        forwarding: spread(count, 4_127),
        loops: spread(count / 7, 812),
        stalls,
        stall_ns: 1_000_000,
        longest_ns: 4_213_000,
        longest_at: Some(ago(75)),
    };
    let frames = 1_234_567 + 123_400 * seconds;
    Sample {
        at: Duration::from_secs(seconds),
        wall: NOW,
        status: Status { uptime_s: 3_612 + seconds, workers: workers.collect(), ports: ports.collect(), ..status },
        members: members(),
        counters: vec![
            counter("received", 246_912 * seconds, "Frames received from the NICs."),
            counter("drop_no_flow", 7, "Return traffic to a virtual address that matches no flow."),
            counter("drop_host_unreachable", 40 + 5 * seconds * seconds, "The next hop does not answer ARP."),
            counter("drop_bad_udp_length", 1_234_567, "The UDP length is below 8 or disagrees with the datagram's."),
        ],
        latency: vec![latency(Some(0), frames, 3), latency(Some(1), 0, 0), latency(None, frames, 3)],
        switchovers: switchovers(),
        ..Sample::default()
    }
}

/// After a minute of samples two seconds apart.
fn model() -> Model {
    let mut model = Model::default();
    (0..=30).for_each(|step| model.take(sample(step * 2)));
    model
}

fn ui() -> Ui {
    Ui { interval: Duration::from_secs(2), ..Ui::default() }
}

fn drawn(model: &Model, ui: &Ui, now: u64, (width, height): Size) -> String {
    let picture = picture(model, ui, Duration::from_secs(now), (width, height));
    assert!(picture.lines.len() <= height);
    let mut terminal = Terminal::new(TestBackend::new(width as u16, height as u16)).unwrap();
    terminal.draw(|frame| draw(frame, &picture, true)).unwrap();
    let buffer = terminal.backend().buffer();
    let row =
        |y| (0..width).map(|x| buffer[(x as u16, y as u16)].symbol()).collect::<String>().trim_end().to_owned() + "\n";
    (0..height).map(row).collect()
}

/// The screen after these keys; each acts on what is shown then.
fn after(model: &Model, keys: &[Key], size: Size) -> (String, Vec<Act>) {
    let mut ui = ui();
    let mut acts = Vec::new();
    for key in keys {
        let seen = picture(model, &ui, Duration::from_secs(60), size);
        acts.push(ui.on_key(*key, Seen { table: &seen.table, page: seen.page, below: seen.below }));
    }
    (drawn(model, &ui, 60, size), acts)
}

#[test]
fn s107_the_overview_fits_a_small_and_a_large_terminal() {
    insta::assert_snapshot!("overview_80x24", drawn(&model(), &ui(), 60, (80, 24)));
    insta::assert_snapshot!("overview_120x40", drawn(&model(), &ui(), 60, (120, 40)));
    insta::assert_snapshot!("overview_200x60", drawn(&model(), &ui(), 60, (200, 60)));
}

#[test]
fn s107_a_frame_for_scripts_has_everything_and_names_in_full() {
    let text = page(&model(), &ui(), Duration::from_secs(60), 100);
    insta::assert_snapshot!("once", text);
    assert!(text.contains("sip-a and sip-b both answer SIP; sip-b stays active. Look which of them is primary"));
}

#[test]
fn s107_where_traffic_is_counted_its_rates_stand_beside_members_and_virtual_servers() {
    let mut model = Model::default();
    for step in 0..2_u64 {
        let row = |of, name: &str, packets: u64| TrafficRow {
            of,
            name: name.into(),
            pool: "pair-1".into(),
            counting: true,
            packets_in: 1_000 + packets * step,
            packets_out: 2_000 + 3 * packets * step,
            bytes_in: 100 * packets * step,
            bytes_out: 1_000 * packets * step,
            per_second: TrafficRates::default(),
            connections: 0,
            connections_max: 0,
            connections_total: 0,
        };
        let traffic = vec![row(TrafficOf::VirtualServer, "sip-1", 200), row(TrafficOf::Member, "sip-a", 120)];
        model.take(Sample { traffic, ..sample(2 * step) });
    }
    let text = page(&model, &ui(), Duration::from_secs(2), 200);
    for (name, rates) in [
        ("sip-a", ["60", "180", "48.0k", "480k"]),
        ("sip-1", ["100", "300", "80.0k", "800k"]),
        // Of one that is not counted nothing is known.
        ("sip-b", ["-"; 4]),
    ] {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert!(words.windows(4).any(|four| four == rates), "{line}");
    }
}

#[test]
fn s107_where_sip_is_counted_its_rates_stand_beside_members_and_virtual_servers() {
    let mut model = Model::default();
    for step in 0..2 {
        let row = |member: Option<&str>, asked_by, requests: u64| SipRow {
            virtual_server: "sip-1".into(),
            member: member.map(Into::into),
            asked_by,
            requests: vec![SipCountRow { name: "INVITE".into(), count: requests }],
            responses: Vec::new(),
            repeated_requests: 0,
            repeated_responses: 0,
            unanswered: 0,
            not_timed: 0,
            first_response: Spread::default(),
        };
        let rows =
            vec![row(Some("sip-b"), SipSide::Clients, 10 * step), row(Some("sip-b"), SipSide::Members, 2 * step)];
        let sip = SipReport { sample: 100, rows, ..SipReport::default() };
        model.take(Sample { sip, ..sample(step * 2) });
    }
    let text = drawn(&model, &ui(), 2, (80, 24));
    // 12 more in two seconds, one of a hundred.
    let row = |name: &str| {
        text.lines().find(|line| line.starts_with(name)).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row(" sip-b"), "sip-b pair-1 up active 1.23M 617,283 600 412µs");
    assert_eq!(row(" sip-a"), "sip-a pair-1 down, draining none 0 0 0 412µs");
    assert_eq!(row(" sip-1"), "sip-1 10.20.0.100 up sip-b pair-1 12s 600");
}

#[test]
fn s107_a_member_leads_to_its_probes_and_to_who_has_most_of_its_flows() {
    let probe = |seconds, result, rtt_us, reason: &str| PastProbeRow {
        monitor: "sip-options".into(),
        kind: "sip/udp 5060".into(),
        time: ago(seconds),
        result,
        rtt_us,
        reason: reason.into(),
    };
    let flow = |src: &str, dst: &str, idle_ms| {
        let ends = Ends { src: src.parse().unwrap(), dst: dst.parse().unwrap() };
        FlowRow {
            worker: 0,
            flow: "0-5.1".into(),
            path: if src.starts_with("10.20.0.12") { "outbound" } else { "service" }.into(),
            protocol: "tcp".into(),
            original: ends,
            translated: ends,
            member: Some("sip-b".into()),
            state: "established".into(),
            idle_ms,
            expires_in_ms: 7_440_000,
            sent: None,
            answered: None,
        }
    };
    let of_member = OfMember {
        name: "sip-b".into(),
        probes: vec![
            probe(3, ProbeResult::Good, Some(412), "200 OK"),
            probe(2, ProbeResult::Silent, None, "no answer"),
            probe(1, ProbeResult::Failed, None, "port 5060/udp is closed (ICMP port unreachable)\x1b[2J"),
        ],
        flows: vec![
            flow("172.16.5.5:40001", "10.20.0.100:5060", 412),
            flow("172.16.5.6:40001", "10.20.0.100:5060", 90_000),
            flow("172.16.5.5:40002", "10.20.0.100:5060", 12),
            flow("10.20.0.12:53001", "172.16.1.53:53", 7),
        ],
        flows_in_all: 1_234_567,
    };
    let mut model = model();
    model.take(Sample { of_member: Some(of_member), ..sample(62) });
    let (text, acts) = after(&model, &[Key::Tab, Key::Rows(1), Key::Enter], (80, 30));
    assert_eq!(acts.last(), Some(&Act::AskOf(Some("sip-b".into()))));
    insta::assert_snapshot!("member", text);
}

#[test]
fn s107_a_reason_leads_to_what_it_means_and_what_to_do() {
    let (text, _) = after(&model(), &[Key::Char('4'), Key::Enter], (80, 14));
    insta::assert_snapshot!("reason", text);
}

#[test]
fn s107_rows_of_other_panels_are_told_at_length_too() {
    let at = |number: char, down: i32| after(&model(), &[Key::Char(number), Key::Rows(down), Key::Enter], (80, 20)).0;
    insta::assert_snapshot!("port", at('1', 1));
    insta::assert_snapshot!("worker", at('1', 2));
    insta::assert_snapshot!("latency", at('5', 0));
    insta::assert_snapshot!("alarm", at('6', 0));
    insta::assert_snapshot!("switchover", at('6', 2));
    let pool = at('3', 0);
    assert!(pool.contains("2 MEMBER of pair-1") && pool.contains("sip-b"), "{pool}");
    let empty = at('3', 2);
    assert!(empty.contains("2 MEMBER of managers") && empty.contains("no members"), "{empty}");
}

#[test]
fn s107_a_lost_appliance_leaves_the_last_picture_and_says_since_when() {
    let mut model = model();
    model.lose(Duration::from_secs(61), "the appliance cannot be reached at /run/x: there is no such socket".into());
    let text = drawn(&model, &ui(), 73, (80, 24));
    let line = text.lines().nth(2).unwrap();
    assert!(
        line.starts_with(" NO ANSWER for 12s, asked again and again; shown is 2026-11-22 13:04:05 UTC: the"),
        "{text}"
    );
    assert!(
        text.contains("sip-b") && text.contains(" appliance cannot be reached at /run/x: there is no such socket\n"),
        "{text}"
    );
    model.take(sample(74));
    assert!(!drawn(&model, &ui(), 74, (80, 24)).contains("NO ANSWER"));
    assert!(drawn(&model, &ui(), 80, (80, 24)).contains("NO ANSWER for 6s"), "it says nothing at all");
}

#[test]
fn s107_after_a_restart_nothing_is_negative_and_rates_are_not_known() {
    let mut model = model();
    let mut fresh = sample(0);
    (fresh.at, fresh.status.uptime_s, fresh.counters) = (Duration::from_secs(62), 1, Vec::new());
    model.take(fresh);
    let text = drawn(&model, &ui(), 62, (80, 24));
    assert!(text.contains("drops -/s") && text.contains("nothing was dropped") && text.contains("up 1s"), "{text}");
    assert!(!text.contains(" -1") && !text.contains("-0"), "{text}");
}

#[test]
fn s107_what_is_typed_is_seen() {
    let (text, _) = after(&model(), &"/sip-B".chars().map(Key::Char).collect::<Vec<_>>(), (80, 24));
    assert!(text.ends_with(" filter: sip-B_ (Enter keeps it, Esc ends it)\n"), "{text}");
    assert!(text.contains("none with `sip-B` in its name") && !text.contains("managers"), "{text}");
    let (text, _) = after(&model(), &[Key::Char('4'), Key::Char('s'), Key::Char('r')], (80, 10));
    insta::assert_snapshot!("sorted", text);
    insta::assert_snapshot!("help", after(&model(), &[Key::Char('?')], (80, 40)).0);
    let paused = Ui { paused: true, ..ui() };
    assert!(drawn(&model(), &paused, 900, (80, 24)).contains(" PAUSED at 2026-11-22 13:04:05 UTC: p resumes\n"));
}

/// Many members and alarms, with long names.
fn crowded() -> Model {
    let mut sample = sample(0);
    let member = |number: usize| MemberRow {
        name: format!("site-{number:04}-sip-server-with-a-long-name"),
        ..members().remove(1)
    };
    sample.members = (0..300).map(member).collect();
    sample.status.alarms = {
        let one = sample.status.alarms[0].clone();
        vec![AlarmRow { since: ago(5), message: "pool \u{1b}[31m is bad. ".repeat(40), ..one }; 50]
    };
    sample.unanswered = vec!["the workers did not answer in time".into(); 3];
    let mut model = Model::default();
    model.take(sample);
    model
}

#[test]
fn s107_a_crowd_is_cut_with_a_sign_and_walked_to_its_end() {
    let (text, _) = after(&crowded(), &[Key::Char('2'), Key::End], (80, 24));
    assert!(text.contains("2 MEMBER 283-300/300"), "{text}");
    assert!(text.lines().any(|line| line.starts_with(">site-0299-sip")), "{text}");
    assert!(text.contains("50 ALARMS") && text.contains('…') && !text.contains('\u{1b}'), "{text}");
    let text = drawn(&crowded(), &ui(), 0, (80, 24));
    assert!(text.contains("6 EVENT +51"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn s107_no_size_and_no_keys_end_in_a_panic_or_a_line_too_wide(
        size in (0usize..210, 0usize..70),
        keys in prop::collection::vec(prop::sample::select(vec![
            Key::Char('1'), Key::Char('2'), Key::Char('3'), Key::Char('4'), Key::Char('5'), Key::Char('6'), Key::Char('s'),
            Key::Char('r'), Key::Char('/'), Key::Char('p'), Key::Char('?'), Key::Char('+'), Key::Esc, Key::Enter, Key::Tab,
            Key::BackTab, Key::Backspace, Key::Rows(1), Key::Rows(-1), Key::Pages(1), Key::Pages(-1), Key::Home, Key::End,
        ]), 0..12),
        is_crowded: bool,
    ) {
        let model = if is_crowded { crowded() } else { model() };
        let mut ui = ui();
        for key in keys {
            let seen = picture(&model, &ui, Duration::from_secs(60), size);
            prop_assert_eq!(seen.lines.len(), size.1);
            for line in &seen.lines {
                prop_assert!(line.iter().map(|(text, _)| text.chars().count()).sum::<usize>() <= size.0);
            }
            ui.on_key(key, Seen { table: &seen.table, page: seen.page, below: seen.below });
        }
        prop_assert!(Panel::ALL.contains(&ui.focus));
    }
}
