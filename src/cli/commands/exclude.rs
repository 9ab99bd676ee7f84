//! `fairlead exclude list`, `exclude add` and `exclude remove`

use super::args;
use super::args::{text, typed};
use super::kit::*;
use ipnet::Ipv4Net;

pub const LIST: Command = Command {
    words: "exclude list",
    about: "List a pool's exclusion group",
    args: || vec![args::pool()],
    does: Does::Ask { request: |args| Request::ExcludeList { pool: text(args, "pool") }, show, watch: false },
};

pub const ADD: Command = Command {
    words: "exclude add",
    about: "Add a prefix to the exclusion group, live, for new flows",
    args: || vec![args::pool(), args::prefix()],
    does: Does::Ask {
        request: |args| Request::ExcludeAdd { pool: text(args, "pool"), prefix: prefix(args) },
        show,
        watch: false,
    },
};

pub const REMOVE: Command = Command {
    words: "exclude remove",
    about: "Remove a prefix from the exclusion group, live, for new flows",
    args: || vec![args::pool(), args::prefix()],
    does: Does::Ask {
        request: |args| Request::ExcludeRemove { pool: text(args, "pool"), prefix: prefix(args) },
        show,
        watch: false,
    },
};

fn prefix(args: &ArgMatches) -> Ipv4Net {
    typed(args, "prefix").unwrap_or_default()
}

fn show(data: Value, _: Wall) -> Shown {
    table(data, "the exclusion group is empty", |row: &ExcludeRow| {
        [left("POOL", &row.pool), left("PREFIX", row.prefix), left("FROM", row.origin)]
    })
}
