//! `fairlead log level`

use super::kit::*;

pub(super) fn show(data: Value, _: Wall) -> Shown {
    let Logging { level, file } = from_value(data)?;
    Ok(match level == file {
        true => format!("log level {level}\n"),
        false => format!("log level {level} (the file says {file})\n"),
    })
}
