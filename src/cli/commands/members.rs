//! `fairlead members`, and the commands that change one: `member` and `pool`, answered with the members concerned.

use super::kit::*;

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
