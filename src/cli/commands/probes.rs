//! `fairlead probes` and `fairlead probe now`

use super::kit::*;

pub(super) fn show(data: Value, now: Wall) -> Shown {
    table(data, "no probes", |row: &ProbeRow| {
        [
            left("MEMBER", &row.member),
            left("MONITOR", &row.monitor),
            prose("TYPE", &row.kind),
            left("STATE", row.state),
            right("RTT", micros(row.last_rtt_us)),
            right("SENT", count(row.sent)),
            right("OK", count(row.ok)),
            right("FAILED", count(row.failed)),
            right("SINCE", span(now.since(row.since))),
            prose("LAST RESULT", &row.reason),
        ]
    })
}
