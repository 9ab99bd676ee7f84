//! Answers as text: one function for each table.
//!
//! Owns which columns are shown and how a row reads. Everything a row holds is in `--json`; here is what fits.

use super::grid::{Column, render, visible};
use super::readable::{bytes, count, exact, micros, span};
use super::{latency, screen};
use crate::admin::rows::{
    Cleared, CounterRow, Ends, ExcludeRow, FlowRow, Forecast, MemberRow, NeighbourRow, PortRow, ProbeRow, Reloaded,
    RouteRow, ServiceRow, SnatRow, SwitchoverRow, Wall,
};
use crate::time::Duration;
use Column::{Left, Prose, Right};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What an answer is shown as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// One screen.
    Status,
    /// Members.
    Members,
    /// Virtual servers.
    Services,
    /// Monitors of members.
    Probes,
    /// Flows.
    Flows,
    /// How many flows were forgotten.
    Cleared,
    /// SNAT addresses.
    Snat,
    /// Hosts on the link.
    Neighbours,
    /// Routes.
    Routes,
    /// NICs.
    Ports,
    /// Counters.
    Counters,
    /// Changes of active members.
    Switchovers,
    /// Time in the box, turns, stalls.
    Latency,
    /// An exclusion group.
    Excluded,
    /// What a reload changed.
    Reloaded,
}

impl Table {
    /// `data` as text. `now` is what ages are counted from.
    ///
    /// # Errors
    /// `data` is not what this version expects of the appliance.
    pub fn show(self, data: Value, now: Wall) -> Result<String, serde_json::Error> {
        Ok(match self {
            Table::Status => screen::status(&serde_json::from_value(data)?, now),
            Table::Members => rows(data, "no members", |rows| members(rows, now))?,
            Table::Services => rows(data, "no services", |rows| services(rows, now))?,
            Table::Probes => rows(data, "no probes", |rows| probes(rows, now))?,
            Table::Flows => rows(data, "no flows", flows)?,
            Table::Cleared => cleared(serde_json::from_value(data)?),
            Table::Snat => rows(data, "no SNAT", snat)?,
            Table::Neighbours => rows(data, "no neighbours", |rows| neighbours(rows, now))?,
            Table::Routes => rows(data, "no routes", routes)?,
            Table::Ports => rows(data, "no ports", ports)?,
            Table::Counters => rows(data, "no counter has moved", counters)?,
            Table::Switchovers => rows(data, "no switchover since the start", switchovers)?,
            Table::Latency => rows(data, "no workers", |rows| latency::text(rows, now))?,
            Table::Excluded => rows(data, "the exclusion group is empty", excluded)?,
            Table::Reloaded => reloaded(&serde_json::from_value(data)?),
        })
    }
}

fn rows<T: DeserializeOwned>(
    data: Value,
    none: &str,
    text: impl FnOnce(&[T]) -> String,
) -> Result<String, serde_json::Error> {
    let rows: Vec<T> = serde_json::from_value(data)?;
    Ok(if rows.is_empty() { format!("{none}\n") } else { text(&rows) })
}

fn grid<T, const N: usize>(columns: [Column; N], rows: &[T], cells: impl Fn(&T) -> [String; N]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| cells(row).into()).collect();
    render(&columns, &rows)
}

fn or_dash(text: Option<&str>) -> String {
    text.unwrap_or("-").to_owned()
}

fn members(rows: &[MemberRow], now: Wall) -> String {
    let columns = [
        Left("MEMBER"),
        Left("POOL"),
        Left("ADDRESS"),
        Left("STATE"),
        Left("ROLE"),
        Right("FLOWS"),
        Right("SINCE"),
        Prose("REASON"),
    ];
    grid(columns, rows, |row| {
        [
            row.name.clone(),
            row.pool.clone(),
            row.address.to_string(),
            row.state.to_string(),
            row.role.to_string(),
            count(row.flows),
            span(now.since(row.since)),
            row.reason.clone(),
        ]
    })
}

fn services(rows: &[ServiceRow], now: Wall) -> String {
    let columns = [
        Left("SERVICE"),
        Left("ADDRESS"),
        Prose("LISTEN"),
        Left("POOL"),
        Left("STATE"),
        Left("ACTIVE"),
        Left("CHOICE"),
        Right("SINCE"),
        Prose("REASON"),
    ];
    grid(columns, rows, |row| {
        [
            row.name.clone(),
            row.address.to_string(),
            row.listen.join(" "),
            row.pool.clone(),
            row.state.to_string(),
            or_dash(row.active.as_deref()),
            row.choice.to_string(),
            span(now.since(row.since)),
            row.reason.clone(),
        ]
    })
}

fn probes(rows: &[ProbeRow], now: Wall) -> String {
    let columns = [
        Left("MEMBER"),
        Left("MONITOR"),
        Prose("ASKS"),
        Left("STATE"),
        Right("RTT"),
        Right("SENT"),
        Right("GOOD"),
        Right("FAILED"),
        Right("SINCE"),
        Prose("LAST ANSWER"),
    ];
    grid(columns, rows, |row| {
        [
            row.member.clone(),
            row.monitor.clone(),
            row.kind.clone(),
            row.state.to_string(),
            micros(row.last_rtt_us),
            count(row.sent),
            count(row.good),
            count(row.failed),
            span(now.since(row.since)),
            row.reason.clone(),
        ]
    })
}

fn flows(rows: &[FlowRow]) -> String {
    let columns = [
        Left("PATH"),
        Left("PROTO"),
        Prose("OPENED BY"),
        Prose("BECAME"),
        Left("MEMBER"),
        Left("STATE"),
        Right("IDLE"),
    ];
    grid(columns, rows, |row| {
        [
            row.path.clone(),
            row.protocol.clone(),
            format!("{} > {}", row.opened_by.src, row.opened_by.dst),
            became(row.opened_by, row.became),
            or_dash(row.member.as_deref()),
            row.state.clone(),
            span(Duration::from_millis(row.idle_ms)),
        ]
    })
}

/// The ends that differ.
fn became(before: Ends, after: Ends) -> String {
    match (before.src != after.src, before.dst != after.dst) {
        (false, false) => "unchanged".to_owned(),
        (true, false) => format!("{} >", after.src),
        (false, true) => format!("> {}", after.dst),
        (true, true) => format!("{} > {}", after.src, after.dst),
    }
}

fn cleared(Cleared { count }: Cleared) -> String {
    match count {
        1 => "1 flow forgotten\n".to_owned(),
        many => format!("{} flows forgotten\n", exact(many)),
    }
}

fn snat(rows: &[SnatRow]) -> String {
    let columns = [
        Left("POOL"),
        Left("ADDRESS"),
        Left("PROTO"),
        Right("PORTS USED"),
        Right("PEAK"),
        Right("FREE"),
        Left("FORECAST"),
        Right("REFUSED"),
        Right("EXCLUDED"),
    ];
    grid(columns, rows, |row| {
        [
            row.pool.clone(),
            row.address.to_string(),
            row.protocol.clone(),
            exact(row.used),
            exact(row.peak),
            exact(row.free),
            forecast(row),
            exact(row.exhausted),
            exact(row.excluded),
        ]
    })
}

/// When no port will be free.
fn forecast(row: &SnatRow) -> String {
    match (row.forecast, row.exhausted_in_s) {
        (Forecast::Growing, Some(seconds)) => format!("in {}", span(Duration::from_secs(seconds))),
        (Forecast::Unknown, _) => "-".to_owned(),
        (word, _) => word.to_string(),
    }
}

fn neighbours(rows: &[NeighbourRow], now: Wall) -> String {
    let columns = [Left("INTERFACE"), Left("ADDRESS"), Left("MAC"), Left("STATE"), Right("SINCE"), Prose("WHO")];
    grid(columns, rows, |row| {
        [
            row.interface.clone(),
            row.address.to_string(),
            or_dash(row.mac.as_deref()),
            row.state.to_string(),
            span(now.since(row.since)),
            row.who.clone(),
        ]
    })
}

fn routes(rows: &[RouteRow]) -> String {
    let columns = [Left("TO"), Left("VIA"), Left("INTERFACE"), Left("KIND"), Left("NEXT HOP")];
    grid(columns, rows, |row| {
        [
            if row.to.prefix_len() == 0 { "default".to_owned() } else { row.to.to_string() },
            row.via.map_or_else(|| "-".to_owned(), |via| via.to_string()),
            row.interface.clone(),
            row.kind.to_string(),
            row.next_hop.map_or_else(|| "-".to_owned(), |state| state.to_string()),
        ]
    })
}

/// What each NIC is, then what went through it.
fn ports(rows: &[PortRow]) -> String {
    let columns = [
        Left("PORT"),
        Left("LINK"),
        Right("SPEED"),
        Right("MTU"),
        Right("QUEUES"),
        Left("MAC"),
        Left("DRIVER"),
        Prose("DEVICE"),
    ];
    let kinds = grid(columns, rows, |row| {
        [
            row.name.clone(),
            row.link.to_string(),
            screen::speed(row.speed_mbps),
            row.mtu.to_string(),
            format!("{}/{}", row.rx_queues, row.tx_queues),
            row.mac.clone(),
            row.driver.clone(),
            row.device.clone(),
        ]
    });
    format!("{kinds}\n{}\n{}", port_counts(rows), spreading(rows))
}

/// How each NIC spreads what it receives, and whether that arrives at the worker that decides about it.
fn spreading(rows: &[PortRow]) -> String {
    grid([Left("PORT"), Left("SPREAD"), Prose("ARRIVALS")], rows, |row| {
        [row.name.clone(), row.spread.clone(), row.judgement.clone().unwrap_or_else(|| "-".to_owned())]
    })
}

fn port_counts(rows: &[PortRow]) -> String {
    let columns = [
        Left("PORT"),
        Right("RX FRAMES"),
        Right("RX BYTES"),
        Right("RX MISSED"),
        Right("RX ERRORS"),
        Right("TX FRAMES"),
        Right("TX BYTES"),
        Right("TX ERRORS"),
    ];
    grid(columns, rows, |row| {
        [
            row.name.clone(),
            count(row.rx_frames),
            bytes(row.rx_bytes),
            count(row.rx_missed),
            count(row.rx_errors),
            count(row.tx_frames),
            bytes(row.tx_bytes),
            count(row.tx_errors),
        ]
    })
}

fn counters(rows: &[CounterRow]) -> String {
    grid([Left("COUNTER"), Right("WORKER"), Right("VALUE"), Prose("MEANING")], rows, |row| {
        let worker = row.worker.map_or_else(|| "-".to_owned(), |worker| worker.to_string());
        [row.name.clone(), worker, exact(row.value), row.explanation.clone()]
    })
}

fn switchovers(rows: &[SwitchoverRow]) -> String {
    let columns = [
        Left("TIME (UTC)"),
        Left("POOL"),
        Left("FROM"),
        Left("TO"),
        Right("DETECTED"),
        Right("PUBLISHED"),
        Right("INSTALLED"),
        Prose("REASON"),
    ];
    grid(columns, rows, |row| {
        [
            screen::moment(row.time),
            row.pool.clone(),
            or_dash(row.from.as_deref()),
            or_dash(row.to.as_deref()),
            step(row.last_good_answer, Some(row.detected)),
            step(Some(row.detected), row.published),
            step(row.published, row.installed),
            row.reason.clone(),
        ]
    })
}

/// How long after one mark the next was set.
fn step(from: Option<u64>, to: Option<u64>) -> String {
    from.zip(to).map_or_else(|| "-".to_owned(), |(from, to)| format!("+{}", micros(Some(to.saturating_sub(from)))))
}

fn excluded(rows: &[ExcludeRow]) -> String {
    grid([Left("POOL"), Left("PREFIX"), Left("FROM")], rows, |row| {
        [row.pool.clone(), row.prefix.to_string(), row.origin.to_string()]
    })
}

fn reloaded(reloaded: &Reloaded) -> String {
    if reloaded.changes.is_empty() {
        return "configuration reloaded: no difference\n".to_owned();
    }
    reloaded.changes.iter().map(|change| visible(&change.to_string()) + "\n").collect()
}
