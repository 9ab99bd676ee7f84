//! `fairlead counters`

use super::kit::*;

pub(super) fn show(data: Value, _: Wall) -> Shown {
    table(data, "no counter has moved", |row: &CounterRow| {
        [
            left("COUNTER", &row.name),
            right("WORKER", or_dash(row.worker)),
            right("VALUE", exact(row.value)),
            prose("MEANING", &row.explanation),
        ]
    })
}
