//! `fairlead members`, and the answer to whatever changes a pool.

use super::args;
use super::kit::*;

pub const MEMBERS: Command = Command {
    words: "members",
    about: "The members of all pools: state, admin state, role, reason",
    args: args::none,
    does: Does::Ask { request: |_| Request::Members {}, show, watch: true },
};

pub(super) fn show(data: Value, now: Wall) -> Shown {
    table(data, "no members", |row: &MemberRow| {
        [
            left("MEMBER", &row.name),
            left("POOL", &row.pool),
            left("ADDRESS", row.address),
            left("STATE", row.state),
            left("ADMIN", row.admin),
            left("ROLE", row.role),
            right("FLOWS", count(row.flows)),
            right("SINCE", span(now.since(row.since))),
            prose("REASON", &row.reason),
        ]
    })
}
