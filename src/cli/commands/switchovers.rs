//! `fairlead switchovers`

use super::args;
use super::kit::*;

pub const SWITCHOVERS: Command = Command {
    words: "switchovers",
    about: "Changes of active members: cause, and how long each step took",
    args: args::none,
    does: Does::Ask { request: |_| Request::Switchovers {}, show, watch: true },
};

fn show(data: Value, _: Wall) -> Shown {
    table(data, "no switchover since the start", |row: &SwitchoverRow| {
        [
            left("TIME (UTC)", moment(row.time)),
            left("POOL", &row.pool),
            left("FROM", or_dash(row.from.as_deref())),
            left("TO", or_dash(row.to.as_deref())),
            right("DETECTED", step(row.last_good_answer, Some(row.detected))),
            right("PUBLISHED", step(Some(row.detected), row.published)),
            right("INSTALLED", step(row.published, row.installed)),
            prose("REASON", &row.reason),
        ]
    })
}

/// How long after one mark the next was set.
fn step(from: Option<u64>, to: Option<u64>) -> String {
    from.zip(to).map_or_else(|| "-".to_owned(), |(from, to)| format!("+{}", micros(Some(to.saturating_sub(from)))))
}
