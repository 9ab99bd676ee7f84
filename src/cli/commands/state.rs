//! `fairlead state show`, `state lines` and `state drop`

use super::arguments::{Once, View};
use super::kit::*;
use super::question::Question;
use crate::admin::Request;
use clap::Subcommand;

/// `state ...`
#[derive(Debug, Subcommand)]
pub enum State {
    /// List what differs from the file because an operator set it
    Show(View),
    /// Print the lines that make the file say the same
    Lines(Once),
    /// Drop all of it: the file alone counts from now on
    Drop(Once),
}

impl State {
    pub(super) fn question(self) -> Question {
        match self {
            State::Show(view) => view.of(Request::StateShow {}, show),
            State::Lines(once) => once.of(Request::StateLines {}, lines),
            State::Drop(once) => once.of(Request::StateDrop {}, dropped),
        }
    }
}

pub(super) fn show(data: Value, now: Wall) -> Shown {
    let settings: Vec<SettingRow> = from_value(data)?;
    match settings.is_empty() {
        true => Ok("nothing: the appliance is as its file says\n".to_owned()),
        false => Ok(rows(&settings, now)),
    }
}

/// As a table.
pub(super) fn rows(settings: &[SettingRow], now: Wall) -> String {
    grid(settings, |row| {
        [
            left("KIND", row.kind),
            left("POOL", &row.pool),
            left("WHAT", &row.what),
            left("SET TO", &row.setting),
            left("FILE", &row.file),
            right("FOR", span(now.since(row.since))),
        ]
    })
}

pub(super) fn lines(data: Value, _: Wall) -> Shown {
    let StateLines { lines } = from_value(data)?;
    Ok(lines.iter().map(|line| visible(line) + "\n").collect())
}

pub(super) fn dropped(data: Value, now: Wall) -> Shown {
    let rows: Vec<SettingRow> = from_value(data.clone())?;
    match rows.len() {
        0 => Ok("nothing to drop: the appliance is as its file says\n".to_owned()),
        _ => Ok(format!("dropped; as the file says from now on:\n{}", show(data, now)?)),
    }
}
