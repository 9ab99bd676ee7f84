//! What the files of the commands have in common: what a command is, and what their tables are made of.

pub(super) use crate::admin::Request;
pub(super) use crate::admin::rows::*;
pub(super) use crate::cli::grid::{Cell, grid, left, paragraph, prose, right, visible};
pub(super) use crate::cli::readable::{bytes, count, exact, micros, nanos, span, speed};
pub(super) use crate::time::Duration;
pub(super) use clap::{Arg, ArgMatches};
pub(super) use serde_json::{Value, from_value};

use serde::de::DeserializeOwned;

/// A command.
#[derive(Debug)]
pub struct Command {
    /// What is typed: one word, or two with a space between.
    pub words: &'static str,
    /// One line of help.
    pub about: &'static str,
    /// What it takes, besides what all commands take.
    pub args: fn() -> Vec<Arg>,
    /// What it does.
    pub does: Does,
}

/// What a command does.
#[derive(Debug)]
pub enum Does {
    /// Runs the appliance.
    Run,
    /// Validates a file.
    Check,
    /// Prints the completion script of a shell.
    Completion,
    /// Prints the manual page.
    Manual,
    /// Asks the appliance.
    Ask {
        /// What is asked, from what was typed.
        request: fn(&ArgMatches) -> Request,
        /// The data of the answer as text; ages are counted from the second argument. Fails if the data is not what this
        /// version expects.
        show: fn(Value, Wall) -> Shown,
        /// It changes nothing, so that it may be shown again and again.
        watch: bool,
    },
}

/// An answer as text.
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

pub(super) fn or_dash(text: Option<&str>) -> &str {
    text.unwrap_or("-")
}

/// A moment to the millisecond, as a person reads it.
pub(super) fn moment(time: Wall) -> String {
    time.to_string().replace('T', " ").chars().take(23).collect()
}
