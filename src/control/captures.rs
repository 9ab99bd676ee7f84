//! The captures that are on.
//!
//! Owns their number: one is on until every worker has ended it.

use std::collections::BTreeMap;

/// Those that are on.
#[derive(Default)]
pub(super) struct Captures {
    begun: u64,
    /// By number: how many workers have not ended it.
    open: BTreeMap<u64, usize>,
}

impl Captures {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.open.len()
    }

    /// One more, at so many workers; says its number.
    pub(super) fn begin(&mut self, workers: usize) -> u64 {
        self.begun += 1;
        self.open.insert(self.begun, workers);
        self.begun
    }

    /// A worker has ended this one.
    pub(super) fn on_ended(&mut self, capture: u64) {
        if let Some(missing) = self.open.get_mut(&capture) {
            *missing = missing.saturating_sub(1);
            if *missing == 0 {
                self.open.remove(&capture);
            }
        }
    }
}
