//! A row at length.
//!
//! Owns what is said of a member, a port, a worker, a reason, an event. Lines are as wide as they are asked to be.

use super::model::Model;
use super::panel::Panel;
use super::sample::{OfMember, Sample};
use super::table::{Cell, Column, Pieces, Row, Table, Tone};
use super::trend::bars;
use super::ui::Detail;
use crate::admin::rows::{FlowRow, LatencyRow, MemberRow, PastProbeRow, PortRow, ProbeResult, SwitchoverRow};
use crate::cli::readable::{bytes, count, exact, micros, nanos, rate, span, speed};
use crate::config::{visible, wrap};
use crate::control::remedy_for_drop;
use crate::time::Duration;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Probes and clients that are listed.
const LISTED: usize = 32;
/// Width of a label.
const LABEL: usize = 14;

/// Lines under a title.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// What it is about.
    pub title: String,
    /// The lines.
    pub lines: Vec<Pieces>,
}

impl Text {
    /// Lines of at most `width` columns.
    fn new(title: impl ToString) -> Text {
        Text { title: visible(&title.to_string()), lines: Vec::new() }
    }

    /// A label and what it stands for, wrapped.
    fn say(&mut self, width: usize, label: &str, text: impl ToString, tone: Tone) {
        let room = width.saturating_sub(LABEL).max(1);
        for (at, line) in wrap(&visible(&text.to_string()), room, room).into_iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            self.lines.push(vec![(format!("{label:<LABEL$}"), Tone::Dim), (line, tone)]);
        }
    }

    fn table(&mut self, width: usize, table: &Table) {
        self.lines.push(Pieces::new());
        let widths = table.widths(width);
        self.lines.push(table.head(&widths, Tone::Head));
        self.lines.extend(table.rows.iter().map(|row| table.row(row, &widths)));
        if table.rows.is_empty() {
            self.lines.push(vec![(table.none.clone(), Tone::Dim)]);
        }
    }
}

/// What is known of it, or that it is no longer there.
pub fn of(model: &Model, detail: &Detail, width: usize) -> Text {
    let gone = || {
        let mut text = Text::new(&detail.key);
        text.say(width, "", "it is no longer there", Tone::Warn);
        text
    };
    let Some(now) = model.now() else { return gone() };
    let key = detail.key.as_str();
    let text = match detail.panel {
        Panel::Members => now.member(key).map(|row| member(row, now, model.of_member(key), width)),
        Panel::Traffic => match key.strip_prefix("port ") {
            Some(name) => now.port(name).map(|row| port(row, width)),
            None => worker(model, now, key, width),
        },
        Panel::Drops => reason(model, now, key, width),
        Panel::Latency => now.latency.iter().find(|row| of_worker(row) == key).map(|row| latency(row, width)),
        Panel::Events => event(now, key, width),
        Panel::VirtualServers => None,
    };
    text.unwrap_or_else(gone)
}

fn member(row: &MemberRow, now: &Sample, more: Option<&OfMember>, width: usize) -> Text {
    let mut text = Text::new(format!("member {} of pool {}", row.name, row.pool));
    let since = span(now.wall.since(row.since));
    text.say(width, "address", row.address, Tone::Plain);
    text.say(width, "state", format!("{} for {since}: {}", row.state, row.reason), Tone::Plain);
    text.say(width, "admin, role", format!("{}, {}", row.admin, row.role), Tone::Plain);
    let parts = [("flows", row.flows), ("TCP connections among them", row.tcp_connections), ("direct", row.direct)];
    let parts: Vec<_> = parts.iter().map(|(name, value)| format!("{} {name}", count(*value))).collect();
    text.say(width, "flows", parts.join(", "), Tone::Plain);
    if let Some(limits) = row.connections {
        let most =
            |limit: Option<u64>| limit.map_or_else(|| "no limit".into(), |limit| format!("at most {}", exact(limit)));
        let said =
            format!("{}, {}; new in a second: {}", exact(limits.now), most(limits.limit), most(limits.rate_limit));
        text.say(width, "connections", said, Tone::Plain);
    }
    if let Some(left) = row.drain_left_s {
        let left = span(Duration::from_secs(left));
        text.say(width, "drain", format!("taken offline in {left}, if another member is up then"), Tone::Warn);
    }
    for sip in now.sip.rows.iter().filter(|sip| sip.member.as_ref() == Some(&row.name)) {
        let said = format!(
            "asked by {}: first response p50 {}, p99 {}; {} unanswered",
            sip.asked_by,
            nanos(sip.first_response.p50_ns),
            nanos(sip.first_response.p99_ns),
            count(sip.unanswered)
        );
        text.say(width, "SIP", said, Tone::Plain);
    }
    text.table(width, &monitors(row));
    let Some(more) = more else {
        text.say(width, "", "asking for probes and flows ...", Tone::Dim);
        return text;
    };
    text.table(width, &talkers(more, row.address));
    text.table(width, &history(&more.probes, now));
    text
}

fn monitors(row: &MemberRow) -> Table {
    let columns =
        vec![Column::name("MONITOR"), Column::word("STATE", 7), Column::number("RTT", 7), Column::name("LAST RESULT")];
    let rows = row.probes.iter().map(|probe| {
        let cells = vec![
            Cell::text(&probe.monitor),
            Cell::text(probe.state),
            Cell::text(micros(probe.last_rtt_us)),
            Cell::text(&probe.reason),
        ];
        Row::new(&probe.monitor, cells)
    });
    Table { columns, rows: rows.collect(), none: "no monitors".into() }
}

fn history(probes: &[PastProbeRow], now: &Sample) -> Table {
    let columns = vec![
        Column::number("PROBED AGO", 7),
        Column::name("MONITOR"),
        Column::word("RESULT", 6),
        Column::number("RTT", 7),
        Column::name("SAID"),
    ];
    let mut latest: Vec<&PastProbeRow> = probes.iter().collect();
    latest.sort_by_key(|row| std::cmp::Reverse(row.time));
    let rows = latest.into_iter().take(LISTED).map(|row| {
        let tone = if row.result == ProbeResult::Good { Tone::Good } else { Tone::Bad };
        let cells = vec![
            Cell::text(span(now.wall.since(row.time))),
            Cell::text(&row.monitor),
            Cell::text(row.result).toned(tone),
            Cell::text(micros(row.rtt_us)),
            Cell::text(&row.reason),
        ];
        Row::new(row.time, cells)
    });
    Table { columns, rows: rows.collect(), none: "no probe has ended yet".into() }
}

/// Who has most of its flows, at the other end.
fn talkers(more: &OfMember, own: Ipv4Addr) -> Table {
    let listed = more.flows.len();
    let title = match more.flows_in_all > listed as u64 {
        true => format!("MOST FLOWS ({} of {} looked at)", exact(listed as u64), exact(more.flows_in_all)),
        false => "MOST FLOWS".to_owned(),
    };
    let columns =
        vec![Column::word(title, 15), Column::number("FLOWS", 7), Column::word("PATH", 8), Column::word("LATEST", 7)];
    let mut by_peer: BTreeMap<(Ipv4Addr, &str), (u64, u64)> = BTreeMap::new();
    for row in &more.flows {
        let entry = by_peer.entry((peer(row, own), row.path.as_str())).or_insert((0, u64::MAX));
        *entry = (entry.0 + 1, entry.1.min(row.idle_ms));
    }
    let mut peers: Vec<_> = by_peer.into_iter().collect();
    peers.sort_by_key(|(_, (flows, _))| std::cmp::Reverse(*flows));
    let rows = peers.into_iter().take(10).map(|((peer, path), (flows, idle_ms))| {
        let ago = format!("{} ago", span(Duration::from_millis(idle_ms)));
        Row::new(peer, vec![Cell::text(peer), Cell::text(count(flows)), Cell::text(path), Cell::text(ago)])
    });
    Table { columns, rows: rows.collect(), none: "no flows; UDP to the service ports of a pair has none".into() }
}

/// The end of a flow that is not the member's.
fn peer(row: &FlowRow, own: Ipv4Addr) -> Ipv4Addr {
    if row.original.src.ip() == &own { *row.original.dst.ip() } else { *row.original.src.ip() }
}

fn port(row: &PortRow, width: usize) -> Text {
    let mut text = Text::new(format!("port {}", row.name));
    text.say(width, "device", format!("{} ({})", row.device, row.driver), Tone::Plain);
    let link = format!("{}, {}; {} changes of the link", row.link, speed(row.speed_mbps), exact(row.link_changes));
    text.say(width, "link", link, Tone::Plain);
    text.say(width, "MAC, MTU", format!("{}, {} bytes", row.mac, exact(row.mtu.into())), Tone::Plain);
    text.say(width, "queues", format!("{} receive, {} transmit", row.rx_queues, row.tx_queues), Tone::Plain);
    text.say(width, "received", format!("{} frames, {}", exact(row.rx_frames), bytes(row.rx_bytes)), Tone::Plain);
    text.say(width, "sent", format!("{} frames, {}", exact(row.tx_frames), bytes(row.tx_bytes)), Tone::Plain);
    let losses = format!(
        "{} that no worker took in time, {} received with errors, {} the NIC failed to send",
        exact(row.rx_missed),
        exact(row.rx_errors),
        exact(row.tx_errors)
    );
    let none = row.rx_missed | row.rx_errors | row.tx_errors == 0;
    text.say(width, "lost", losses, if none { Tone::Plain } else { Tone::Warn });
    text.say(width, "RSS", &row.rss, Tone::Plain);
    if let Some(judgement) = &row.judgement {
        text.say(width, "", judgement, Tone::Plain);
    }
    text
}

fn worker(model: &Model, now: &Sample, key: &str, width: usize) -> Option<Text> {
    let row = now.worker(key.strip_prefix("worker ")?.parse().ok()?)?;
    let mut text = Text::new(format!("worker {} on core {}", row.id, row.core));
    let per_second = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), rate);
    text.say(width, "busy", format!("{:.1} % of the last second", row.busy_percent), Tone::Plain);
    let rows = [
        ("received", row.rx, model.rate(|s| s.worker(row.id).map(|row| row.rx))),
        ("sent", row.tx, model.rate(|s| s.worker(row.id).map(|row| row.tx))),
        ("dropped", row.dropped, model.rate(|s| s.worker(row.id).map(|row| row.dropped))),
        ("ignored", row.ignored, model.rate(|s| s.worker(row.id).map(|row| row.ignored))),
    ];
    for (label, total, now) in rows {
        text.say(width, label, format!("{} frames, {} in a second", exact(total), per_second(now)), Tone::Plain);
    }
    text.say(width, "flows", exact(row.flows), Tone::Plain);
    text.say(width, "", "Ignored is background traffic of the link, which is no loss.", Tone::Dim);
    Some(text)
}

fn reason(model: &Model, now: &Sample, key: &str, width: usize) -> Option<Text> {
    let (_, row) = now.drops().find(|(reason, _)| *reason == key)?;
    let mut text = Text::new(format!("drop reason {key}"));
    text.say(width, "meaning", &row.explanation, Tone::Plain);
    let remedy = remedy_for_drop(key);
    text.say(width, "remedy", remedy.as_deref().unwrap_or("nothing to be set here: look at who sends it"), Tone::Plain);
    text.say(width, "total", format!("{} frames since the start", exact(row.value)), Tone::Plain);
    let cells = model.trend(key, width.saturating_sub(LABEL).min(60));
    text.say(
        width,
        "last minute",
        format!("{} frames", exact(cells.iter().flatten().sum::<f64>().round() as u64)),
        Tone::Plain,
    );
    text.lines.push(vec![(" ".repeat(LABEL), Tone::Plain), (bars(&cells), Tone::Plain)]);
    text.say(
        width,
        "which packets",
        "`fairlead explain` says of one packet whether it is dropped so, and why",
        Tone::Dim,
    );
    Some(text)
}

fn of_worker(row: &LatencyRow) -> String {
    row.worker.map_or_else(|| "all workers".to_owned(), |id| format!("worker {id}"))
}

fn latency(row: &LatencyRow, width: usize) -> Text {
    let mut text = Text::new(format!("latency of {}", of_worker(row)));
    let longest = format!("longest {}", nanos(row.longest_ns));
    text.say(width, "frames", exact(row.forwarding.count), Tone::Plain);
    text.say(width, "measured", format!("for {}", span(row.until.since(row.since))), Tone::Plain);
    text.say(
        width,
        "loops",
        format!("p50 {}, p99 {}, {longest}", nanos(row.loops.p50_ns), nanos(row.loops.p99_ns)),
        Tone::Plain,
    );
    text.say(width, "stalls", format!("{} loops longer than {}", exact(row.stalls), nanos(row.stall_ns)), Tone::Plain);
    let columns = vec![Column::number("UP TO", 7), Column::number("FRAMES", 7), Column::word("SHARE", 40)];
    let mut below = 0;
    let rows = row.forwarding.buckets.iter().map(|bucket| {
        let within = bucket.count.saturating_sub(below);
        below = bucket.count;
        let share = within as f64 / row.forwarding.count.max(1) as f64;
        let bar = format!("{:>5.1}% {}", 100.0 * share, "█".repeat((share * 32.0).round() as usize));
        Row::new(bucket.up_to_ns, vec![Cell::text(nanos(bucket.up_to_ns)), Cell::text(count(within)), Cell::text(bar)])
    });
    text.table(width, &Table { columns, rows: rows.collect(), none: "no frame was forwarded".into() });
    text
}

fn event(now: &Sample, key: &str, width: usize) -> Option<Text> {
    if let Some(alarm) = now.status.alarms.iter().find(|row| format!("alarm {} {}", row.since, row.message) == key) {
        let mut text = Text::new(format!("alarm for {}", span(now.wall.since(alarm.since))));
        text.say(width, "since", format!("{} UTC", moment(&alarm.since.to_string())), Tone::Plain);
        text.say(width, "what", &alarm.message, Tone::Plain);
        return Some(text);
    }
    let row = now.switchovers.iter().find(|row| format!("switchover {} {}", row.detected, row.pool) == key)?;
    Some(switchover(row, width))
}

fn switchover(row: &SwitchoverRow, width: usize) -> Text {
    let [from, to] = [&row.from, &row.to].map(|name| name.as_deref().unwrap_or("none"));
    let mut text = Text::new(format!("switchover of {}: {from} to {to}", row.pool));
    let ago = span(Duration::from_millis(row.age_ms));
    text.say(width, "when", format!("{} UTC, {ago} ago", moment(&row.time.to_string())), Tone::Plain);
    text.say(width, "cause", row.cause, Tone::Plain);
    text.say(width, "why", &row.reason, Tone::Plain);
    let took = |mark: Option<u64>| micros(mark.and_then(|mark| Some(row.installed?.saturating_sub(mark))));
    text.say(width, "decision", format!("{} from it to the last worker", took(Some(row.detected))), Tone::Plain);
    if row.last_good_answer.is_some() {
        let said = format!("{} from the last good answer to the last worker", took(row.last_good_answer));
        text.say(width, "in all", said, Tone::Plain);
    }
    let kept = format!(
        "{} redelivered, {} too old, {} without room",
        exact(row.redelivered),
        exact(row.redelivery_too_old),
        exact(row.redelivery_no_room)
    );
    text.say(width, "SIP requests", kept, Tone::Plain);
    text
}

/// A moment to the second, as a person reads it.
pub fn moment(time: &str) -> String {
    time.replace('T', " ").chars().take(19).collect()
}
