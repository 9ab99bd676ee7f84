//! `fairlead reload`, `fairlead rollback` and `fairlead confirm`

use super::drain::seconds;
use super::kit::*;
use crate::admin::configurations::Confirmed;

/// What a reload has changed.
///
/// # Errors
/// When the data is none of it.
pub fn show(data: Value, now: Wall) -> Shown {
    shown(data, "configuration reloaded", now)
}

pub(super) fn rolled_back(data: Value, now: Wall) -> Shown {
    shown(data, "rolled back", now)
}

fn shown(data: Value, done: &str, now: Wall) -> Shown {
    let Reloaded { changes, settings, number, confirm_within_s, differs_from_file } = from_value(data)?;
    let mut text = match changes.is_empty() {
        true => format!("{done}: no difference\n"),
        false => changes.iter().map(|change| visible(&change.to_string()) + "\n").collect(),
    };
    if let Some(within) = confirm_within_s {
        text += &paragraph(&format!(
            "configuration {number} is in force for {}: `fairlead confirm` keeps it, else the one before comes back",
            seconds(within)
        ));
    }
    text += &differs(number, differs_from_file);
    if !settings.is_empty() {
        text += "set by the operator, different from the file:\n";
        text += &super::state::rows(&settings, now);
    }
    Ok(text)
}

pub(super) fn confirmed(data: Value, _: Wall) -> Shown {
    let Confirmed { number, differs_from_file } = from_value(data)?;
    Ok(format!("configuration {number} is in force and confirmed\n{}", differs(number, differs_from_file)))
}

/// Whoever writes the file next must know what it is compared with.
fn differs(number: u64, differs_from_file: bool) -> String {
    match differs_from_file {
        true => paragraph(&format!(
            "the file on disk differs from configuration {number}, which is in force: `fairlead diff` shows how, and \
             `fairlead reload` applies the file"
        )),
        false => String::new(),
    }
}
