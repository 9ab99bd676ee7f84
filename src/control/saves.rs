//! When what the operator has set is saved.
//!
//! Owns the count of changes, and how far they are saved: after every change, one save at a time, tried again while it fails, and
//! once more at the end.
//! Writes no file: whoever obeys [`Output::SaveState`](super::Output::SaveState) does.

use crate::time::{Duration, Instant};

/// Until a save that failed is tried again.
const RETRY: Duration = Duration::from_secs(10);

/// What is saved and what is not.
#[derive(Debug, Default)]
pub(super) struct Saves {
    /// `None`: nothing is kept.
    pub(super) place: Option<String>,
    /// Counts the changes that are to be saved.
    changes: u64,
    /// Counts all changes.
    counted: u64,
    /// The last of them that is saved, or could not be.
    settled: u64,
    /// The one that is being saved.
    saving: Option<u64>,
    /// The last save failed: when to try again.
    retry: Option<Instant>,
}

impl Saves {
    /// Something was set or taken back.
    pub(super) fn changed(&mut self) {
        self.changes += u64::from(self.place.is_some());
        self.counted += 1;
    }

    /// How many changes there were, whether or not they are kept.
    pub(super) fn counted(&self) -> u64 {
        self.counted
    }

    /// What a request that was executed just now waits for.
    pub(super) fn latest(&self) -> u64 {
        self.changes
    }

    /// That change is saved, or could not be.
    pub(super) fn is_settled(&self, change: u64) -> bool {
        change <= self.settled
    }

    pub(super) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let is_due = self.saving.is_none() && self.settled != self.changes;
        is_due.then_some(now).or(self.retry)
    }

    /// The change to save now, if there is one.
    pub(super) fn next(&mut self, now: Instant) -> Option<u64> {
        let again = self.retry.is_some_and(|due| due <= now);
        if self.saving.is_some() || (self.settled == self.changes && !again) {
            return None;
        }
        (self.saving, self.retry) = (Some(self.changes), None);
        self.saving
    }

    /// The appliance ends: what could not be saved is tried once more, now.
    pub(super) fn hasten(&mut self, now: Instant) {
        self.retry = self.retry.map(|_| now);
    }

    /// Nothing is being saved, nor to be saved now.
    pub(super) fn is_done(&self, now: Instant) -> bool {
        self.saving.is_none() && self.next_deadline(now).is_none_or(|due| due > now)
    }

    /// All changes are saved.
    pub(super) fn is_saved(&self) -> bool {
        self.saving.is_none() && self.settled == self.changes && self.retry.is_none()
    }

    /// The save of `change` has ended, well or not.
    pub(super) fn ended(&mut self, change: u64, well: bool, now: Instant) {
        self.saving = None;
        self.settled = self.settled.max(change);
        self.retry = (!well).then(|| now + RETRY);
    }
}
