//! `fairlead neighbours`

use super::args;
use super::kit::*;

pub const NEIGHBOURS: Command = Command {
    words: "neighbours",
    about: "ARP table",
    args: args::none,
    does: Does::Ask { request: |_| Request::Neighbours {}, show, watch: true },
};

fn show(data: Value, now: Wall) -> Shown {
    table(data, "no neighbours", |row: &NeighbourRow| {
        [
            left("INTERFACE", &row.interface),
            left("ADDRESS", row.address),
            left("MAC", or_dash(row.mac.as_deref())),
            left("STATE", row.state),
            right("SINCE", span(now.since(row.since))),
            prose("ROLE", &row.role),
        ]
    })
}
