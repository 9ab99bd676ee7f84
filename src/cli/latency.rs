//! `fairlead latency` on the screen.
//!
//! Owns its layout: how spans are spread, then turns that took too long, then what the figures do not hold.

use super::grid::{Column, WIDTH, render};
use super::readable::{count, exact, nanos, span};
use super::screen::moment;
use crate::admin::rows::{LatencyRow, Spread, Wall};
use crate::config::wrap;
use Column::{Left, Right};

const NOTE: &str = "A frame was in the box from the beginning of the turn that received it to the end of the turn that sent \
                    it, another worker's if it was handed over. Not in these figures: how long it lay in the rings of \
                    the NICs, and how long it was held for a next hop's MAC or for the rest of its datagram.";

/// The tables. `now` is what ages are counted from.
pub(super) fn text(rows: &[LatencyRow], now: Wall) -> String {
    let limit = rows.first().map_or(0, |row| row.stall_ns);
    let since = rows.first().map_or(now, |row| row.since);
    let note = format!("Measured since {} UTC. A stall is a turn longer than {}. {NOTE}", moment(since), nanos(limit));
    let note: String = wrap(&note, WIDTH, WIDTH).into_iter().map(|line| line + "\n").collect();
    format!("{}\n{}\n{note}", spreads(rows), stalls(rows, now))
}

fn spreads(rows: &[LatencyRow]) -> String {
    let columns = [
        Left("WORKER"),
        Left("SPAN"),
        Right("COUNT"),
        Right("P50"),
        Right("P90"),
        Right("P99"),
        Right("P99.9"),
        Right("MAX"),
    ];
    let lines = rows.iter().flat_map(|row| {
        [("in the box", &row.in_box), ("turn", &row.turns)].map(|(name, spread)| line(row.worker, name, spread))
    });
    render(&columns, &lines.collect::<Vec<_>>())
}

fn line(worker: Option<u16>, name: &str, spread: &Spread) -> Vec<String> {
    let told = |ns: u64| if spread.count == 0 { "-".to_owned() } else { nanos(ns) };
    let spans = [spread.p50_ns, spread.p90_ns, spread.p99_ns, spread.p999_ns, spread.max_ns].map(told);
    [whose(worker), name.to_owned(), count(spread.count)].into_iter().chain(spans).collect()
}

fn stalls(rows: &[LatencyRow], now: Wall) -> String {
    let columns = [Left("WORKER"), Right("STALLS"), Right("LONGEST TURN"), Left("WHEN (UTC)"), Right("HEARD FROM")];
    let cells = |row: &LatencyRow| {
        vec![
            whose(row.worker),
            exact(row.stalls),
            row.longest_at.map_or_else(|| "-".to_owned(), |_| nanos(row.longest_ns)),
            row.longest_at.map_or_else(|| "-".to_owned(), moment),
            format!("{} ago", span(now.since(row.until))),
        ]
    };
    render(&columns, &rows.iter().map(cells).collect::<Vec<_>>())
}

fn whose(worker: Option<u16>) -> String {
    worker.map_or_else(|| "all".to_owned(), |worker| worker.to_string())
}
