//! `fairlead counters`

use super::arguments::View;
use super::kit::*;
use super::narrow::Narrow;
use super::question::Question;
use crate::admin::Request;

pub(super) fn question(view: View, all: bool, drops: bool, during: Option<u64>) -> Question {
    Question { narrow: drops.then_some(Narrow::Drops), during, ..view.of(Request::Counters { all }, show) }
}

fn show(data: Value, _: Wall) -> Shown {
    table(data, "no counter has moved", |row: &CounterRow| {
        [
            left("COUNTER", &row.name),
            right("WORKER", or_dash(row.worker)),
            right("VALUE", exact(row.value)),
            prose("MEANING", &row.explanation),
        ]
    })
}
