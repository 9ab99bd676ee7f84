//! The one screen of `fairlead status`.
//!
//! Owns its layout: alarms first, then workers, ports, services, and the last switchover.

use super::grid::{Column, WIDTH, render, visible};
use super::readable::{count, micros, span};
use crate::admin::rows::{PortRow, ServiceRow, Status, SwitchoverRow, Wall, WorkerRow};
use crate::config::wrap;
use crate::time::Duration;
use Column::{Left, Prose, Right};

/// The screen. `now` is what ages are counted from.
pub fn status(status: &Status, now: Wall) -> String {
    let uptime = span(Duration::from_secs(status.uptime_s));
    let mut text =
        visible(&format!("{} · Fairlead {} · up {uptime} · epoch {}", status.name, status.version, status.epoch));
    text.push('\n');
    text.push_str(&alarms(status, now));
    for part in [workers(&status.workers), ports(&status.ports), services(&status.services, now)] {
        text.push('\n');
        text.push_str(&part);
    }
    text.push('\n');
    text.push_str(&paragraph(&last(status.last_switchover.as_ref(), now)));
    text
}

/// A moment to the millisecond, as a person reads it.
pub(super) fn moment(time: Wall) -> String {
    time.to_string().replace('T', " ").chars().take(23).collect()
}

/// A link's speed.
pub(super) fn speed(mbps: Option<u32>) -> String {
    match mbps {
        None => "-".to_owned(),
        Some(mbps) if mbps >= 1000 && mbps.is_multiple_of(1000) => format!("{}G", mbps / 1000),
        Some(mbps) if mbps >= 1000 => format!("{:.1}G", f64::from(mbps) / 1000.0),
        Some(mbps) => format!("{mbps}M"),
    }
}

fn alarms(status: &Status, now: Wall) -> String {
    let line = |since: Wall, message: &str| paragraph(&format!("ALARM for {}: {message}", span(now.since(since))));
    status.alarms.iter().map(|alarm| line(alarm.since, &alarm.message)).collect()
}

fn workers(rows: &[WorkerRow]) -> String {
    let cells = |row: &WorkerRow| {
        vec![
            row.id.to_string(),
            row.core.to_string(),
            format!("{:.0}%", row.busy_percent),
            count(row.rx),
            count(row.tx),
            count(row.dropped),
            count(row.flows),
        ]
    };
    let columns = [
        Left("WORKER"),
        Right("CORE"),
        Right("BUSY"),
        Right("RX FRAMES"),
        Right("TX FRAMES"),
        Right("DROPPED"),
        Right("FLOWS"),
    ];
    render(&columns, &rows.iter().map(cells).collect::<Vec<_>>())
}

fn ports(rows: &[PortRow]) -> String {
    let cells = |row: &PortRow| {
        vec![
            row.name.clone(),
            row.link.to_string(),
            speed(row.speed_mbps),
            count(row.rx_frames),
            count(row.tx_frames),
            count(row.rx_missed),
            count(row.rx_errors.saturating_add(row.tx_errors)),
        ]
    };
    let columns = [
        Left("PORT"),
        Left("LINK"),
        Right("SPEED"),
        Right("RX FRAMES"),
        Right("TX FRAMES"),
        Right("MISSED"),
        Right("ERRORS"),
    ];
    render(&columns, &rows.iter().map(cells).collect::<Vec<_>>())
}

fn services(rows: &[ServiceRow], now: Wall) -> String {
    let cells = |row: &ServiceRow| {
        vec![
            row.name.clone(),
            row.address.to_string(),
            row.state.to_string(),
            row.active.clone().unwrap_or_else(|| "-".to_owned()),
            row.choice.to_string(),
            span(now.since(row.since)),
            row.reason.clone(),
        ]
    };
    let columns =
        [Left("SERVICE"), Left("ADDRESS"), Left("STATE"), Left("ACTIVE"), Left("CHOICE"), Right("SINCE"), Prose("WHY")];
    render(&columns, &rows.iter().map(cells).collect::<Vec<_>>())
}

fn last(row: Option<&SwitchoverRow>, now: Wall) -> String {
    let Some(row) = row else { return "No switchover since the start.".to_owned() };
    let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "nobody".to_owned());
    let mut text = format!(
        "Last switchover {} ago ({} UTC): {} from {} to {}: {}.",
        span(now.since(row.time)),
        moment(row.time),
        row.pool,
        name(&row.from),
        name(&row.to),
        row.reason.trim_end_matches('.')
    );
    let since = |mark: u64| row.installed.map(|installed| installed.saturating_sub(mark));
    match (row.last_good_answer.and_then(since), since(row.detected)) {
        (Some(whole), Some(part)) => text.push_str(&format!(
            " {} from the last good answer to the last worker, {} of it after the decision.",
            micros(Some(whole)),
            micros(Some(part))
        )),
        (None, Some(part)) => {
            text.push_str(&format!(" {} from the decision to the last worker.", micros(Some(part))));
        }
        (_, None) => text.push_str(" Not every worker has it yet."),
    }
    text
}

fn paragraph(text: &str) -> String {
    wrap(&visible(text), WIDTH, WIDTH).into_iter().map(|line| line + "\n").collect()
}
