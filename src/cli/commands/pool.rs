//! `fairlead pool force` and `fairlead pool auto`

use super::kit::*;
use super::{args, members};

pub const FORCE: Command = Command {
    words: "pool force",
    about: "Make a member the active one until `pool auto`",
    args: || vec![args::pool(), args::member()],
    does: Does::Ask {
        request: |args| Request::PoolForce { pool: args::text(args, "pool"), member: args::text(args, "member") },
        show: members::show,
        watch: false,
    },
};

pub const AUTO: Command = Command {
    words: "pool auto",
    about: "Return to automatic selection",
    args: || vec![args::pool()],
    does: Does::Ask {
        request: |args| Request::PoolAuto { pool: args::text(args, "pool") },
        show: members::show,
        watch: false,
    },
};
