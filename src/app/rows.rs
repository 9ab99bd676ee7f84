//! A worker's tally as the rows an operator reads.

use crate::admin::rows::CounterRow;
use crate::control::WorkerCounters;
use crate::engine::{DropReason, Notice, PuntReason};
use crate::worker::counters::Total;
use crate::worker::{Shared, Tally};

/// Everything a worker has counted.
pub fn worker_counters(shared: &Shared, busy_percent: f64) -> WorkerCounters {
    let tally = shared.read();
    WorkerCounters {
        busy_percent,
        received: tally.received,
        transmitted: tally.transmitted,
        dropped: tally.dropped.sum(),
        flows: tally.flows,
        member_flows: shared.member_flows(),
        rows: rows(&tally),
    }
}

fn rows(tally: &Tally) -> Vec<CounterRow> {
    let row = |prefix: &str, name: &str, value, explanation: &str| CounterRow {
        name: format!("{prefix}{name}"),
        value,
        explanation: explanation.to_owned(),
        worker: None,
    };
    let totals = Total::ALL.iter().map(|total| row("", total.name(), tally.total(*total), total.explanation()));
    let drops = DropReason::ALL.iter().map(|r| row("drop_", r.name(), tally.drops(*r), r.explanation()));
    let punts = PuntReason::ALL.iter().map(|r| row("punt_", r.name(), tally.punts(*r), r.explanation()));
    let events = Notice::ALL.iter().map(|r| row("event_", r.name(), tally.notices(*r), r.explanation()));
    totals.chain(drops).chain(punts).chain(events).collect()
}
