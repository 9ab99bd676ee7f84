//! `fairlead latency`: how latencies are distributed, then stalls, then what the figures leave out.

use super::kit::*;

const NOTE: &str = "Forwarding latency runs from the start of the loop iteration that received a frame to the end of the \
                    one that sent it, on another worker if it was handed off. It leaves out the time a frame spent in \
                    the NICs' rings, and the time it was queued for a next hop's MAC or for reassembly.";

pub(super) fn show(data: Value, now: Wall) -> Shown {
    let rows: Vec<LatencyRow> = from_value(data)?;
    let Some(first) = rows.first() else { return Ok("no workers\n".to_owned()) };
    let note = format!(
        "Measured since {} UTC. A stall is a loop iteration longer than {}. {NOTE}",
        moment(first.since),
        nanos(first.stall_ns)
    );
    Ok(format!("{}\n{}\n{}", percentiles(&rows), stalls(&rows, now), paragraph(&note)))
}

fn percentiles(rows: &[LatencyRow]) -> String {
    let lines = rows.iter().flat_map(|row| {
        [("forwarding", &row.forwarding), ("loop", &row.loops)].map(|(name, spread)| (row.worker, name, spread))
    });
    grid(&lines.collect::<Vec<_>>(), |&(worker, name, spread)| {
        let at = |title, ns| right(title, if spread.count == 0 { "-".to_owned() } else { nanos(ns) });
        let Spread { p50_ns, p90_ns, p99_ns, p999_ns, max_ns, .. } = *spread;
        [
            left("WORKER", whose(worker)),
            left("LATENCY", name),
            right("COUNT", count(spread.count)),
            at("P50", p50_ns),
            at("P90", p90_ns),
            at("P99", p99_ns),
            at("P99.9", p999_ns),
            at("MAX", max_ns),
        ]
    })
}

fn stalls(rows: &[LatencyRow], now: Wall) -> String {
    grid(rows, |row| {
        [
            left("WORKER", whose(row.worker)),
            right("STALLS", exact(row.stalls)),
            right("LONGEST LOOP", or_dash(row.longest_at.map(|_| nanos(row.longest_ns)))),
            left("WHEN (UTC)", or_dash(row.longest_at.map(moment))),
            right("LAST REPORT", format!("{} ago", span(now.since(row.until)))),
        ]
    })
}

fn whose(worker: Option<u16>) -> String {
    worker.map_or_else(|| "all".to_owned(), |worker| worker.to_string())
}
