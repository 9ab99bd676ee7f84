//! `fairlead exclude list`, `exclude add` and `exclude remove`

use super::arguments::{OfPool, OfPrefix};
use super::kit::*;
use super::question::Question;
use crate::admin::Request;
use clap::Subcommand;

/// `exclude ...`
#[derive(Debug, Subcommand)]
pub enum Exclude {
    /// List a pool's exclusion group
    List(OfPool),
    /// Add a prefix to the exclusion group, live, for new flows
    Add(OfPrefix),
    /// Remove a prefix from the exclusion group, live, for new flows
    Remove(OfPrefix),
}

impl Exclude {
    pub(super) fn question(self) -> Question {
        let (once, request) = match self {
            Exclude::List(OfPool { once, pool }) => (once, Request::ExcludeList { pool }),
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
