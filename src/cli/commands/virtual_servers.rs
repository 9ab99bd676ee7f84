//! `fairlead virtual-servers`

use super::kit::*;

pub(super) fn show(data: Value, now: Wall) -> Shown {
    table(data, "no virtual servers", |row: &VirtualServerRow| {
        [
            left("VIRTUAL SERVER", &row.name),
            left("ADDRESS", row.address),
            prose("LISTEN", row.listen.join(" ")),
            left("POOL", &row.pool),
            left("STATE", row.state),
            left("ACTIVE", or_dash(row.active.as_ref())),
            left("CHOICE", row.choice),
            right("SINCE", span(now.since(row.since))),
            prose("REASON", &row.reason),
        ]
    })
}
