//! The captures that are on.
//!
//! Owns their number, and whose they are: one is on until every worker has ended it and its client's task has dropped what was recorded,
//! for until then it has its memory.

use crate::admin::request::Peer;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

/// Those that are on.
#[derive(Default)]
pub(super) struct Captures {
    begun: u64,
    /// By number.
    open: BTreeMap<u64, Open>,
}

struct Open {
    by: Option<Peer>,
    /// How many workers have not ended it.
    missing: usize,
    /// Lives as long as the readers' ends of its rings.
    place: Weak<()>,
    matched: u64,
    lost: u64,
}

/// What a capture has seen that no worker records for any more: frames that matched, and those of them that were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sums {
    pub matched: u64,
    pub lost: u64,
}

impl Captures {
    /// How many there are.
    pub(super) fn count(&mut self) -> usize {
        self.open.retain(|_, open| open.missing > 0 || open.place.strong_count() > 0);
        self.open.len()
    }

    /// One more, at so many workers; says its number, and what is to be dropped with its rings.
    pub(super) fn begin(&mut self, workers: usize, by: Option<Peer>) -> (u64, Arc<()>) {
        self.begun += 1;
        let place = Arc::new(());
        let open = Open { by, missing: workers, place: Arc::downgrade(&place), matched: 0, lost: 0 };
        self.open.insert(self.begun, open);
        (self.begun, place)
    }

    /// A worker has ended this one, having seen so much; if it is the last one, what all have.
    pub(super) fn on_ended(&mut self, capture: u64, (matched, lost): (u64, u64)) -> Option<Sums> {
        let open = self.open.get_mut(&capture).filter(|open| open.missing > 0)?;
        open.missing -= 1;
        open.matched += matched;
        open.lost += lost;
        (open.missing == 0).then_some(Sums { matched: open.matched, lost: open.lost })
    }

    /// Whose they are, for who finds no place.
    pub(super) fn whose(&self) -> String {
        let one = |(number, open): (&u64, &Open)| match open.by {
            Some(Peer { uid, pid: Some(pid) }) => format!("{number} of user {uid}, process {pid}"),
            Some(Peer { uid, pid: None }) => format!("{number} of user {uid}"),
            None => number.to_string(),
        };
        self.open.iter().map(one).collect::<Vec<_>>().join("; ")
    }
}
