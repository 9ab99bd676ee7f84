//! `fairlead exclude list`, `exclude add` and `exclude remove`

use super::kit::*;

pub(super) fn show(data: Value, _: Wall) -> Shown {
    table(data, "the exclusion group is empty", |row: &ExcludeRow| {
        [left("POOL", &row.pool), left("PREFIX", row.prefix), left("FROM", row.origin)]
    })
}
