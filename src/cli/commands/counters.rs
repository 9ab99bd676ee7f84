//! `fairlead counters`

use super::arguments::View;
use super::kit::*;
use super::narrow::Narrow;
use super::question::Question;
use crate::admin::Request;

pub(super) fn question(view: View, all: bool, drops: bool, during: Option<u64>) -> Question {
    Question {
        narrow: drops.then_some(Narrow::Drops),
        during,
        ..view.of(Request::Counters { all }, if drops { show_drops } else { show })
    }
}

fn show(data: Value, _: Wall) -> Shown {
    rows(data, "no counter has moved")
}

fn show_drops(data: Value, _: Wall) -> Shown {
    rows(data, "no frame was dropped")
}

fn rows(data: Value, none: &str) -> Shown {
    table(data, none, |row: &CounterRow| {
        [
            left("COUNTER", &row.name),
            right("WORKER", or_dash(row.worker)),
            right("VALUE", exact(row.value)),
            prose("MEANING", &row.explanation),
        ]
    })
}
