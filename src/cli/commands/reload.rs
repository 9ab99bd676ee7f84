//! `fairlead reload`

use super::kit::*;

pub(super) fn show(data: Value, now: Wall) -> Shown {
    let Reloaded { changes, settings } = from_value(data)?;
    let changes = match changes.is_empty() {
        true => "configuration reloaded: no difference\n".to_owned(),
        false => changes.iter().map(|change| visible(&change.to_string()) + "\n").collect(),
    };
    match settings.is_empty() {
        true => Ok(changes),
        false => Ok(format!(
            "{changes}set by the operator, different from the file:\n{}",
            super::state::rows(&settings, now)
        )),
    }
}
