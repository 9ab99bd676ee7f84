//! `fairlead probes`, `fairlead probe now` and `fairlead probe history`

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
            right("FOR", span(now.since(row.since))),
            prose("LAST RESULT", &row.reason),
        ]
    })
}

pub(super) fn history(data: Value, now: Wall) -> Shown {
    table(data, "no probe has ended yet", |row: &PastProbeRow| {
        [
            right("AGO", span(now.since(row.time))),
            left("MONITOR", &row.monitor),
            prose("TYPE", &row.kind),
            left("RESULT", row.result),
            right("RTT", micros(row.rtt_us)),
            prose("REASON", &row.reason),
        ]
    })
}
