//! `fairlead virtual-servers`

use super::args;
use super::kit::*;

pub const VIRTUAL_SERVERS: Command = Command {
    words: "virtual-servers",
    about: "The virtual servers and their active members",
    args: args::none,
    does: Does::Ask { request: |_| Request::VirtualServers {}, show, watch: true },
};

fn show(data: Value, now: Wall) -> Shown {
    table(data, "no virtual servers", |row: &VirtualServerRow| {
        [
            left("VIRTUAL SERVER", &row.name),
            left("ADDRESS", row.address),
            prose("LISTEN", row.listen.join(" ")),
            left("POOL", &row.pool),
            left("STATE", row.state),
            left("ACTIVE", or_dash(row.active.as_deref())),
            left("CHOICE", row.choice),
            right("SINCE", span(now.since(row.since))),
            prose("REASON", &row.reason),
        ]
    })
}
