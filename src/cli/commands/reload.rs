//! `fairlead reload`

use super::kit::*;

pub(super) fn show(data: Value, _: Wall) -> Shown {
    let reloaded: Reloaded = from_value(data)?;
    if reloaded.changes.is_empty() {
        return Ok("configuration reloaded: no difference\n".to_owned());
    }
    Ok(reloaded.changes.iter().map(|change| visible(&change.to_string()) + "\n").collect())
}
