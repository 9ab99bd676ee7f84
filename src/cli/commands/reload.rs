//! `fairlead reload`

use super::args;
use super::kit::*;

pub const RELOAD: Command = Command {
    words: "reload",
    about: "Read the file again, all or nothing; print the differences",
    args: args::none,
    does: Does::Ask { request: |_| Request::Reload {}, show, watch: false },
};

fn show(data: Value, _: Wall) -> Shown {
    let reloaded: Reloaded = from_value(data)?;
    if reloaded.changes.is_empty() {
        return Ok("configuration reloaded: no difference\n".to_owned());
    }
    Ok(reloaded.changes.iter().map(|change| visible(&change.to_string()) + "\n").collect())
}
