//! `fairlead announce`

use super::kit::*;

pub(super) fn show(data: Value, _: Wall) -> Shown {
    let Announced { addresses } = from_value(data)?;
    Ok(match addresses {
        0 => "no address announced: no link is up\n".into(),
        1 => "1 address announced\n".into(),
        several => format!("{} addresses announced\n", exact(several)),
    })
}
