//! `fairlead drill`: what a switchover would move, and how one went.

use super::kit::*;
use crate::admin::drill::{DrillPlan, DrillReport};
use crate::admin::rows::DrillState;

pub(super) fn plan(data: Value, _: Wall) -> Shown {
    let plan: DrillPlan = from_value(data)?;
    let (from, to) = (or_dash(plan.from.as_ref()), or_dash(plan.to.as_ref()));
    let mut text = paragraph(&format!("A switchover of pool {} now: {from} -> {to}: {}.", plan.pool, plan.reason));
    for row in &plan.virtual_servers {
        let listen = |of: &str| row.listen.iter().filter(|port| port.starts_with(of)).cloned().collect::<Vec<_>>();
        let datagrams = Some(listen("udp")).filter(|ports| !ports.is_empty());
        let datagrams = datagrams.map(|ports| format!("every datagram to {} at once", ports.join(", ")));
        let connections = Some(listen("tcp")).filter(|ports| !ports.is_empty());
        let connections = connections.map(|ports| format!("new connections to {}", ports.join(", ")));
        let moved = datagrams.into_iter().chain(connections).collect::<Vec<_>>().join(", and ");
        text += &paragraph(&format!("virtual server {} at {}: to {to} goes {moved}.", row.name, row.address));
    }
    text += "\n";
    text += &grid(&plan.members, |row| {
        [
            left("MEMBER", &row.name),
            left("STATE", row.state),
            left("ROLE", row.role),
            right("FLOWS", count(row.flows)),
            right("DIRECT", count(row.direct)),
            prose("REASON", &row.reason),
        ]
    });
    text += "\n";
    text += &paragraph(&format!(
        "Connections of {from} stay with it as long as it answers; when it is lost, on_down does this to those of its service ports: \
         {}. A standby that speaks to a peer gets the answers to what it asks.",
        plan.on_down_tcp
    ));
    text += &paragraph(&format!(
        "{} requests of all pools are kept unanswered in case their member dies; a drill delivers none of them again.",
        exact(plan.unanswered_requests)
    ));
    text += &paragraph(&match &plan.refused {
        Some(why) => format!("A drill --for-real would be refused: {why}"),
        None => "Nothing was moved. A drill --for-real would be accepted.".into(),
    });
    Ok(text)
}

pub(super) fn report(data: Value, _: Wall) -> Shown {
    let report: DrillReport = from_value(data)?;
    let DrillReport { pool, from, to, state, outcome, began, back_after_s, flows, from_lost, flows_back, switchovers } =
        &report;
    let mut text = paragraph(&format!(
        "drill of pool {pool}: {from} -> {to} at {} UTC, and back after {back_after_s} s: {state}: {outcome}",
        moment(*began)
    ));
    text += "\n";
    text += &grid(switchovers, |row| {
        [
            left("DECIDED (UTC)", moment(row.time)),
            left("FROM", or_dash(row.from.as_ref())),
            left("TO", or_dash(row.to.as_ref())),
            left("CAUSE", row.cause),
            right("PUBLISHED", step(row.detected, row.published)),
            right("INSTALLED", step(row.detected, row.installed)),
            prose("REASON", &row.reason),
        ]
    });
    text += "\n";
    let since = match (from_lost, state) {
        (true, _) => "; it was lost since, so they did not all stay with it",
        (false, DrillState::Running) => ", and stay with it",
        (false, _) => ", and stayed with it",
    };
    text += &paragraph(&format!("{} flows of {from} stood when it was switched over{since}.", exact(*flows)));
    if let Some(back) = flows_back {
        text += &paragraph(&format!("{} flows of {to} stood when it was switched back.", exact(*back)));
    }
    Ok(text)
}

/// How long after the decision a mark was set.
fn step(decided: u64, mark: Option<u64>) -> String {
    or_dash(mark.map(|mark| format!("+{}", micros(Some(mark.saturating_sub(decided))))))
}
