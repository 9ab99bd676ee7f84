//! The tables of the panels, from what is known.
//!
//! Owns what stands in each column, its unit and its tone. Order, filter and widths are another's.

use super::model::Model;
use super::panel::Panel;
use super::sample::Sample;
use super::sip::requests_by;
use super::table::{Cell, Column, Row, Table, Tone};
use super::trend::bars;
use crate::admin::rows::{
    AdminState, LatencyRow, Link, MemberRow, MemberState, PortRow, Role, TrafficOf, TrafficRow, VirtualServerRow,
    VirtualServerState, WorkerRow,
};
use crate::cli::readable::{count, exact, nanos, rate, short, span, speed};
use crate::time::Duration;
use std::collections::BTreeMap;

/// The table of a panel; of members only those of `pool`, if one is given.
pub fn of(panel: Panel, model: &Model, pool: Option<&str>) -> Table {
    let Some(now) = model.now() else { return Table::default() };
    let mut table = match panel {
        Panel::Traffic => traffic(model, now),
        Panel::Members => members(model, now, pool),
        Panel::VirtualServers => virtual_servers(model, now),
        Panel::Drops => drops(model, now),
        Panel::Latency => latency(model, now),
        Panel::Events => events(now),
    };
    if let (Panel::Members, Some(pool)) = (panel, pool) {
        table.note(&format!("of {pool}"));
    }
    table
}

fn packets(value: Option<f64>) -> Cell {
    Cell::known(value, rate)
}

fn bits(bytes: Option<f64>) -> Cell {
    Cell::known(bytes.map(|bytes| bytes * 8.0), |bits| short(bits as u64))
}

/// Losses: nothing to see unless there are any.
fn losses(value: Option<f64>) -> Cell {
    let tone = if value.is_some_and(|value| value > 0.0) { Tone::Warn } else { Tone::Plain };
    packets(value).toned(tone)
}

fn traffic(model: &Model, now: &Sample) -> Table {
    let columns = vec![
        Column::name(Panel::Traffic.title()),
        Column::word("STATE", 9),
        Column::number("IN pkt/s", 8),
        Column::number("OUT pkt/s", 9),
        Column::number("IN bit/s", 8),
        Column::number("OUT bit/s", 9),
        Column::number("DROP/s", 7),
    ];
    let ports = now.status.ports.iter().map(|row| port(model, row));
    let workers = now.status.workers.iter().map(|row| worker(model, row));
    Table { columns, rows: ports.chain(workers).collect(), none: "no port, no worker".into() }
}

fn port(model: &Model, row: &PortRow) -> Row {
    let of = |count: fn(&PortRow) -> u64| model.rate(|sample| sample.port(&row.name).map(count));
    let state = match row.link {
        Link::Up if row.speed_mbps.is_none() => Cell::text("up"),
        Link::Up => Cell::text(format!("up {}", speed(row.speed_mbps))),
        Link::Down => Cell::text("down").toned(Tone::Bad),
    };
    let cells = vec![
        Cell::text(&row.name),
        state,
        packets(of(|row| row.rx_frames)),
        packets(of(|row| row.tx_frames)),
        bits(of(|row| row.rx_bytes)),
        bits(of(|row| row.tx_bytes)),
        losses(of(|row| row.rx_missed.saturating_add(row.rx_errors).saturating_add(row.tx_errors))),
    ];
    Row::new(format!("port {}", row.name), cells)
}

fn worker(model: &Model, row: &WorkerRow) -> Row {
    let of = |count: fn(&WorkerRow) -> u64| model.rate(|sample| sample.worker(row.id).map(count));
    let tone = if row.busy_percent >= 90.0 { Tone::Warn } else { Tone::Plain };
    let cells = vec![
        Cell::text(format!("worker {}", row.id)),
        Cell::text(format!("busy {:.0}%", row.busy_percent)).toned(tone),
        packets(of(|row| row.rx)),
        packets(of(|row| row.tx)),
        Cell::known(None, rate),
        Cell::known(None, rate),
        losses(of(|row| row.dropped)),
    ];
    Row::new(format!("worker {}", row.id), cells)
}

/// How much traffic each of a kind has in a second, by name; none of it while that is not counted.
struct Forwarded<'a> {
    model: &'a Model,
    /// By name: before and now.
    rows: Option<BTreeMap<&'a str, [Option<&'a TrafficRow>; 2]>>,
}

impl<'a> Forwarded<'a> {
    fn new(model: &'a Model, now: &'a Sample, of: TrafficOf) -> Forwarded<'a> {
        let before = model.before().map(|sample| sample.traffic.as_slice()).unwrap_or_default();
        let mut rows: BTreeMap<&str, [Option<&TrafficRow>; 2]> = BTreeMap::new();
        for (at, sample) in [before, &now.traffic].into_iter().enumerate() {
            for row in sample.iter().filter(|row| row.of == of && row.counting) {
                rows.entry(&row.name).or_default()[at] = Some(row);
            }
        }
        let is_counted = now.traffic.first().is_some_and(|row| row.counting);
        Forwarded { model, rows: is_counted.then_some(rows) }
    }

    fn columns(&self) -> Vec<Column> {
        let Some(_) = self.rows else { return Vec::new() };
        vec![
            Column::number("IN pkt/s", 8),
            Column::number("OUT pkt/s", 9),
            Column::number("IN bit/s", 8).if_room(),
            Column::number("OUT bit/s", 9).if_room(),
        ]
    }

    fn cells(&self, name: &str) -> Vec<Cell> {
        let Some(rows) = &self.rows else { return Vec::new() };
        let [before, now] = rows.get(name).copied().unwrap_or_default();
        let of = |count: fn(&TrafficRow) -> u64| self.model.rate_between(count(before?), count(now?));
        vec![
            packets(of(|row| row.packets_in)),
            packets(of(|row| row.packets_out)),
            bits(of(|row| row.bytes_in)),
            bits(of(|row| row.bytes_out)),
        ]
    }
}

fn members(model: &Model, now: &Sample, pool: Option<&str>) -> Table {
    let forwarded = Forwarded::new(model, now, TrafficOf::Member);
    let sip = now.sip.sample > 0;
    let mut columns = vec![
        Column::name(Panel::Members.title()),
        Column::name("POOL"),
        Column::word("STATE", 8),
        Column::word("ROLE", 7),
        Column::number("FLOWS", 7),
        Column::number("TCP", 7),
        Column::number("RTT", 7),
        Column::word("FOR", 6).if_room(),
        Column::name("REASON").if_room(),
    ];
    if sip {
        columns.insert(6, Column::number("SIP/s", 6));
    }
    columns.splice(4..4, forwarded.columns());
    let asked = requests_by(model, |row| row.member.as_deref().unwrap_or_default());
    let rows = now.members.iter().filter(|row| pool.is_none_or(|pool| row.pool == pool)).map(|row| {
        let mut cells = vec![
            Cell::text(&row.name),
            Cell::text(&row.pool),
            member_state(row),
            Cell::text(row.role).toned(if row.role == Role::Active { Tone::Good } else { Tone::Plain }),
            Cell::number(row.flows as f64, count(row.flows)),
            Cell::number(row.tcp_connections as f64, count(row.tcp_connections)),
            Cell::known(row.probes.iter().filter_map(|probe| probe.last_rtt_us).max().map(|us| us as f64), |us| {
                span(Duration::from_micros(us as u64))
            }),
            age(now.wall.since(row.since)),
            Cell::text(&row.reason),
        ];
        if sip {
            cells.insert(6, packets(asked.as_ref().map(|asked| asked.get(&row.name).copied().unwrap_or(0.0))));
        }
        cells.splice(4..4, forwarded.cells(&row.name));
        Row::new(&row.name, cells)
    });
    Table { columns, rows: rows.collect(), none: "no members".into() }
}

fn member_state(row: &MemberRow) -> Cell {
    let tone = match (row.state, row.admin) {
        (MemberState::Up, AdminState::Enabled) => Tone::Good,
        (MemberState::Up, _) | (MemberState::Unknown, _) => Tone::Warn,
        (MemberState::Down, _) => Tone::Bad,
    };
    let admin = match row.admin {
        AdminState::Enabled => String::new(),
        admin => format!(", {admin}"),
    };
    Cell::text(format!("{}{admin}", row.state)).toned(tone)
}

/// A span to the second, so that it does not flicker.
pub fn seconds(of: Duration) -> String {
    if of.as_secs() < 60 { format!("{}s", of.as_secs()) } else { span(of) }
}

fn age(span_since: Duration) -> Cell {
    Cell::number(span_since.as_secs_f64(), seconds(span_since))
}

fn virtual_servers(model: &Model, now: &Sample) -> Table {
    let forwarded = Forwarded::new(model, now, TrafficOf::VirtualServer);
    let sip = now.sip.sample > 0;
    let limited = now.status.virtual_servers.iter().any(|row| row.connections.is_some());
    let mut columns = vec![
        Column::name(Panel::VirtualServers.title()),
        Column::word("ADDRESS", 0),
        Column::word("STATE", 8),
        Column::name("ACTIVE"),
        Column::name("POOL"),
        Column::word("FOR", 6),
        Column::word("CHOICE", 6).if_room(),
        Column::name("REASON").if_room(),
    ];
    if limited {
        columns.insert(6, Column::number("CONN", 7));
    }
    if sip {
        columns.insert(6, Column::number("SIP/s", 6));
    }
    columns.splice(5..5, forwarded.columns());
    let asked = requests_by(model, |row| &row.virtual_server);
    let rows = now.status.virtual_servers.iter().map(|row| {
        let mut cells = vec![
            Cell::text(&row.name),
            Cell::text(row.address),
            server_state(row),
            Cell::text(active(row)),
            Cell::text(&row.pool),
            age(now.wall.since(row.since)),
            Cell::text(row.choice),
            Cell::text(&row.reason),
        ];
        if limited {
            cells.insert(6, Cell::known(row.connections.map(|row| row.now as f64), |now| count(now as u64)));
        }
        if sip {
            cells.insert(6, packets(asked.as_ref().map(|asked| asked.get(&row.name).copied().unwrap_or(0.0))));
        }
        cells.splice(5..5, forwarded.cells(&row.name));
        Row { leads_to: Some(row.pool.clone()), ..Row::new(&row.name, cells) }
    });
    Table { columns, rows: rows.collect(), none: "no virtual servers".into() }
}

fn server_state(row: &VirtualServerRow) -> Cell {
    Cell::text(row.state).toned(match row.state {
        VirtualServerState::Up => Tone::Good,
        VirtualServerState::Down => Tone::Bad,
        VirtualServerState::Disabled => Tone::Dim,
    })
}

/// Who is active, or how many of how many.
fn active(row: &VirtualServerRow) -> String {
    match (&row.active, row.active_members.len()) {
        (Some(name), _) => name.clone(),
        (None, 0) => "none".into(),
        (None, active) => format!("{active} of {}", row.members),
    }
}

fn drops(model: &Model, now: &Sample) -> Table {
    const CELLS: usize = 30;
    let columns = vec![
        Column::name(Panel::Drops.title()),
        Column::number("DROP/s", 7),
        Column::word("TREND, 1 min to now", CELLS),
        Column::number("TOTAL", 7),
        Column::name("MEANING").if_room(),
    ];
    let before: Option<BTreeMap<&str, u64>> =
        model.before().map(|sample| sample.drops().map(|(reason, row)| (reason, row.value)).collect());
    let rows = now.drops().map(|(reason, row)| {
        let was = before.as_ref().map(|before| before.get(reason).copied().unwrap_or(0));
        let now_rate = was.and_then(|was| model.rate_between(was, row.value));
        let cells = model.trend(reason, CELLS);
        let lately: f64 = cells.iter().flatten().sum();
        let cells = vec![
            Cell::text(reason),
            losses(now_rate),
            Cell::number(lately, bars(&cells)),
            Cell::number(row.value as f64, count(row.value)),
            Cell::text(&row.explanation),
        ];
        (now_rate, lately, row.value, Row::new(reason, cells))
    });
    let mut rows: Vec<_> = rows.collect();
    // What happens now comes first, then what happened in the last minute, then what happened most.
    rows.sort_by(|(rate_a, lately_a, total_a, _), (rate_b, lately_b, total_b, _)| {
        let rates = rate_b.unwrap_or(0.0).total_cmp(&rate_a.unwrap_or(0.0));
        rates.then(lately_b.total_cmp(lately_a)).then(total_b.cmp(total_a))
    });
    Table { columns, rows: rows.into_iter().map(|(.., row)| row).collect(), none: "nothing was dropped".into() }
}

fn latency(model: &Model, now: &Sample) -> Table {
    let columns = vec![
        Column::name(Panel::Latency.title()),
        Column::number("MEAN NOW", 8),
        Column::number("P50", 7),
        Column::number("P90", 7),
        Column::number("P99", 7),
        Column::number("P99.9", 7),
        Column::number("MAX", 7),
        Column::number("STALLS", 7),
        Column::word("MEASURED", 8).if_room(),
    ];
    let is_sum = |row: &&LatencyRow| row.worker.is_none();
    let (sums, each): (Vec<_>, Vec<_>) = now.latency.iter().partition(is_sum);
    let rows = sums.into_iter().chain(each).map(|row| {
        let spread = &row.forwarding;
        let at = |ns: u64| Cell::known((spread.count > 0).then_some(ns as f64), |ns| nanos(ns as u64));
        let name = row.worker.map_or_else(|| "all workers".to_owned(), |id| format!("worker {id}"));
        let cells = vec![
            Cell::text(&name),
            Cell::known(mean(model, row), |ns| nanos(ns as u64)),
            at(spread.p50_ns),
            at(spread.p90_ns),
            at(spread.p99_ns),
            at(spread.p999_ns),
            at(spread.max_ns),
            Cell::number(row.stalls as f64, count(row.stalls)).toned(if row.stalls > 0 {
                Tone::Warn
            } else {
                Tone::Plain
            }),
            Cell::text(format!("for {}", span(row.until.since(row.since)))),
        ];
        Row::new(name, cells)
    });
    Table { columns, rows: rows.collect(), none: "no latency was answered".into() }
}

/// Of the frames between the last two samples.
fn mean(model: &Model, row: &LatencyRow) -> Option<f64> {
    let before = model.before()?.latency.iter().find(|old| old.worker == row.worker && old.since == row.since)?;
    let frames = row.forwarding.count.checked_sub(before.forwarding.count).filter(|frames| *frames > 0)?;
    let spent = row.forwarding.sum_ns.checked_sub(before.forwarding.sum_ns)?;
    Some(spent as f64 / frames as f64)
}

fn events(now: &Sample) -> Table {
    let columns = vec![Column::word(Panel::Events.title(), 10), Column::number("AGE", 7), Column::name("WHAT")];
    let alarms = now.status.alarms.iter().map(|row| {
        let cells =
            vec![Cell::text("alarm").toned(Tone::Bad), age(now.wall.since(row.since)), Cell::text(&row.message)];
        Row::new(format!("alarm {} {}", row.since, row.message), cells)
    });
    let switchovers = now.switchovers.iter().rev().map(|row| {
        let [from, to] = [&row.from, &row.to].map(|name| name.as_deref().unwrap_or("none"));
        let text = format!("{}: {from} to {to} ({}): {}", row.pool, row.cause, row.reason);
        let cells = vec![Cell::text("switchover"), age(Duration::from_millis(row.age_ms)), Cell::text(text)];
        Row::new(format!("switchover {} {}", row.detected, row.pool), cells)
    });
    let rows = alarms.chain(switchovers).collect();
    Table { columns, rows, none: "no alarm, and no switchover since the start".into() }
}

/// Alarms in a word: `no alarm`, `1 alarm`, `2 alarms`.
pub fn alarms(now: &Sample) -> (String, Tone) {
    match now.status.alarms.len() {
        0 => ("no alarm".into(), Tone::Good),
        1 => ("1 ALARM".into(), Tone::Bad),
        several => (format!("{} ALARMS", exact(several as u64)), Tone::Bad),
    }
}
