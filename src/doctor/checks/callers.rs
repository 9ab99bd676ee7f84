//! Who may call the virtual servers.

use crate::config::open_servers;
use crate::doctor::facts::Facts;
use crate::doctor::found::{Found, Looked};

/// That everybody may is usual where operators of other networks call, and no fault: one line for all of them.
pub(super) fn everybody(facts: &Facts, found: &mut Found) -> Looked {
    if let Some(open) = open_servers(facts.intent()?) {
        found.info(
            format!("everybody may send to the service ports of virtual servers: {open}"),
            "no allow in their [[virtual_server]], or one that names all networks",
            "where only some networks call, write them: allow = [\"198.51.100.0/24\"]; else let it be",
        );
    }
    Ok(())
}
