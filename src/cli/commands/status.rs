//! `fairlead status`, the one screen: alarms first, then workers, ports, virtual servers, and the last switchover.

use super::kit::*;
use super::virtual_servers::active;
use crate::admin::pair::PairReport;

pub(super) fn show(data: Value, now: Wall) -> Shown {
    let status: Status = from_value(data)?;
    let uptime = span(Duration::from_secs(status.uptime_s));
    let head = format!("{} · Fairlead {} · up {uptime} · epoch {}", status.name, status.version, status.epoch);
    let alarm = |row: &AlarmRow| {
        let word = row.severity.to_string().to_uppercase();
        paragraph(&format!("{word} for {}: {}", span(now.since(row.since)), row.message))
    };
    let alarms: String = status.alarms.iter().map(alarm).collect();
    let parts = [
        format!("{}\n{alarms}{}{}", visible(&head), pair(status.pair.as_ref(), now), awaited(status.awaited.as_ref())),
        workers(&status.workers),
        ports(&status.ports),
        virtual_servers(&status.virtual_servers, now),
        paragraph(&last(status.last_switchover.as_ref())) + &settings(status.settings),
    ];
    Ok(parts.join("\n"))
}

fn pair(report: Option<&PairReport>, now: Wall) -> String {
    let Some(PairReport { role, reason, since, .. }) = report else { return String::new() };
    paragraph(&format!("The {role} appliance of its pair for {}: {reason}", span(now.since(*since))))
}

fn awaited(row: Option<&AwaitedRow>) -> String {
    let Some(AwaitedRow { number, back_to, left_s, .. }) = row else { return String::new() };
    paragraph(&format!(
        "UNCONFIRMED for another {}: `fairlead confirm` keeps configuration {number}, else {back_to} is in force again",
        super::drain::seconds(*left_s)
    ))
}

fn workers(rows: &[WorkerRow]) -> String {
    grid(rows, |row| {
        [
            left("WORKER", row.id),
            right("CORE", row.core),
            right("BUSY", format!("{:.0}%", row.busy_percent)),
            right("RX FRAMES", count(row.rx)),
            right("TX FRAMES", count(row.tx)),
            right("DROPPED", count(row.dropped)),
            right("IGNORED", count(row.ignored)),
            right("FLOWS", count(row.flows)),
            right("FULL", format!("{:.0}%", 100.0 * row.flows as f64 / row.flows_max.max(1) as f64)),
        ]
    })
}

fn ports(rows: &[PortRow]) -> String {
    grid(rows, |row| {
        [
            left("PORT", &row.name),
            left("LINK", row.link),
            right("SPEED", speed(row.speed_mbps)),
            right("RX FRAMES", count(row.rx_frames)),
            right("TX FRAMES", count(row.tx_frames)),
            right("MISSED", count(row.rx_missed)),
            right("ERRORS", count(row.rx_errors.saturating_add(row.tx_errors))),
        ]
    })
}

fn virtual_servers(rows: &[VirtualServerRow], now: Wall) -> String {
    grid(rows, |row| {
        [
            left("VIRTUAL SERVER", &row.name),
            left("ADDRESS", row.address),
            left("STATE", row.state),
            left("ACTIVE", active(row)),
            left("CHOICE", row.choice),
            right("FOR", span(now.since(row.since))),
            prose("REASON", &row.reason),
        ]
    })
}

fn settings(number: u64) -> String {
    match number {
        0 => String::new(),
        1 => "\n1 setting by the operator differs from the file: `fairlead state show`\n".into(),
        _ => format!("\n{} settings by the operator differ from the file: `fairlead state show`\n", exact(number)),
    }
}

fn last(row: Option<&SwitchoverRow>) -> String {
    let Some(row) = row else { return "No switchover since the start.".to_owned() };
    let text = format!(
        "Last switchover {} ago ({} UTC): {} from {} to {}: {}.",
        span(Duration::from_millis(row.age_ms)),
        moment(row.time),
        row.pool,
        row.from.as_deref().unwrap_or("none"),
        row.to.as_deref().unwrap_or("none"),
        row.reason.trim_end_matches('.')
    );
    let since = |mark: u64| row.installed.map(|installed| micros(Some(installed.saturating_sub(mark))));
    match (row.last_good_answer.and_then(since), since(row.detected)) {
        (Some(whole), Some(part)) => {
            format!("{text} {whole} from the last good answer to the last worker, {part} of it after the decision.")
        }
        (None, Some(part)) => format!("{text} {part} from the decision to the last worker."),
        (_, None) => format!("{text} Not yet installed on every worker."),
    }
}
