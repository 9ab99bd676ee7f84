//! What the files of the commands have in common: what their tables are made of.

pub(super) use crate::admin::rows::*;
pub(super) use crate::cli::exit::file_text;
pub(super) use crate::cli::grid::{Cell, grid, grid_over, left, paragraph, prose, right};
pub(super) use crate::cli::readable::{bytes, count, exact, micros, nanos, span, speed};
pub(super) use crate::config::visible;
pub(super) use crate::time::Duration;
pub(super) use serde_json::{Value, from_value};

use serde::de::DeserializeOwned;

/// An answer as text. Fails if the data is not what this version expects.
pub type Shown = serde_json::Result<String>;

/// Rows as a table, or a line that says there are none.
pub(super) fn table<T: DeserializeOwned, const N: usize>(
    data: Value,
    none: &str,
    cells: impl Fn(&T) -> [Cell; N],
) -> Shown {
    let rows: Vec<T> = from_value(data)?;
    Ok(if rows.is_empty() { format!("{none}\n") } else { grid(&rows, cells) })
}

/// The connections of those that have a limit; nothing where nobody has one.
pub(super) fn connections<'r>(
    title: &'static str,
    rows: impl IntoIterator<Item = (&'r String, Option<ConnectionsRow>)>,
) -> String {
    let limited = rows.into_iter().filter_map(|(name, row)| Some((name, row?)));
    let text = grid(limited, |(name, row)| {
        [
            left(title, name),
            right("CONNECTIONS", exact(row.now)),
            right("LIMIT", or_dash(row.limit.map(exact))),
            right("RATE LIMIT", or_dash(row.rate_limit.map(|limit| format!("{}/s", exact(limit))))),
        ]
    });
    if text.is_empty() { text } else { format!("\n{text}") }
}

/// What there is, or `-`.
pub(super) fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// A moment to the millisecond, as a person reads it.
pub(super) fn moment(time: Wall) -> String {
    time.to_string().replace('T', " ").chars().take(23).collect()
}
