//! `fairlead neighbours`

use super::kit::*;

pub(super) fn show(data: Value, now: Wall) -> Shown {
    table(data, "no neighbours", |row: &NeighbourRow| {
        [
            left("INTERFACE", &row.interface),
            left("ADDRESS", row.address),
            left("MAC", or_dash(row.mac.as_ref())),
            left("STATE", row.state),
            right("FOR", span(now.since(row.since))),
            prose("ROLE", &row.role),
        ]
    })
}
