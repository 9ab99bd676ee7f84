//! `fairlead history` and `history show`

use super::kit::*;
use crate::admin::configurations::{HistoryRow, HistoryText};

pub(super) fn show(data: Value, _: Wall) -> Shown {
    table(data, "no configuration was in force", |row: &HistoryRow| {
        let state = match (row.in_force, row.unconfirmed) {
            (true, true) => "unconfirmed",
            (true, false) => "yes",
            (false, _) => "-",
        };
        [
            right("NUMBER", row.number),
            left("SINCE (UTC)", moment(row.since)),
            left("CAUSE", row.cause),
            left("IN FORCE", state),
            prose("CHANGES", &row.changes),
        ]
    })
}

/// As it was read, so that it can be written into a file; a terminal is shown what it would obey.
pub(super) fn text(data: Value, _: Wall) -> Shown {
    let HistoryText { text, .. } = from_value(data)?;
    Ok(file_text(&text).into_owned())
}
