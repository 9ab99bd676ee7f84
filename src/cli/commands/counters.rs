//! `fairlead counters`

use super::args;
use super::kit::*;

pub const COUNTERS: Command = Command {
    words: "counters",
    about: "The counters and what each means",
    args: || vec![args::flag("all", "Include zero counters, and each worker's own")],
    does: Does::Ask { request: |args| Request::Counters { all: args.get_flag("all") }, show, watch: true },
};

fn show(data: Value, _: Wall) -> Shown {
    table(data, "no counter has moved", |row: &CounterRow| {
        [
            left("COUNTER", &row.name),
            right("WORKER", row.worker.map_or_else(|| "-".to_owned(), |worker| worker.to_string())),
            right("VALUE", exact(row.value)),
            prose("MEANING", &row.explanation),
        ]
    })
}
