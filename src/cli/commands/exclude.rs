//! `fairlead exclude list`, `exclude add` and `exclude remove`

use super::arguments::{OfPool, OfPrefix, Once};
use super::kit::*;
use super::question::Question;
use crate::admin::Request;
use clap::Subcommand;

/// `exclude ...`
#[derive(Debug, Subcommand)]
pub enum Exclude {
    /// List a pool's exclusion group, or all of them
    List {
        /// How it is shown.
        #[command(flatten)]
        once: Once,
        /// The pool [default: all]
        pool: Option<String>,
    },
    /// Add a prefix; effective at once for new flows, kept over a restart, written into the file by `save`
    Add(OfPrefix),
    /// Remove a prefix, likewise
    Remove(OfPrefix),
}

impl Exclude {
    pub(super) fn question(self) -> Question {
        let (once, request) = match self {
            Exclude::List { once, pool: Some(pool) } => (once, Request::ExcludeList { pool }),
            Exclude::List { once, pool: None } => (once, Request::ExcludeLists {}),
            Exclude::Add(OfPrefix { of: OfPool { once, pool }, prefix }) => {
                (once, Request::ExcludeAdd { pool, prefix })
            }
            Exclude::Remove(OfPrefix { of: OfPool { once, pool }, prefix }) => {
                (once, Request::ExcludeRemove { pool, prefix })
            }
        };
        once.of(request, show)
    }
}

pub(super) fn show(data: Value, _: Wall) -> Shown {
    table(data, "the exclusion group is empty", |row: &ExcludeRow| {
        [left("POOL", &row.pool), left("PREFIX", row.prefix), left("FROM", row.origin)]
    })
}
