//! How far what is left for the next start has come.
//!
//! Owns [`HandingOver`] and its deadlines. What is done when is `ending`'s.

use crate::time::{Duration, Instant};
use crate::worker::mailbox::WorkerId;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// How long workers may take to give their flows away while packets pass, before forwarding stops all the same.
pub(super) const FLOWS: Duration = Duration::from_secs(1);
/// How long all of it may take, before it is given up.
pub(super) const WHOLE: Duration = Duration::from_secs(2);

/// A hand-over that has begun.
pub(super) struct HandingOver {
    pub(super) place: PathBuf,
    /// Who has not given all flows once.
    pub(super) walking: Vec<WorkerId>,
    pub(super) begun: Instant,
    /// Since when nothing is forwarded.
    pub(super) stopped: Option<Instant>,
    pub(super) given_up: Arc<AtomicBool>,
    /// It is written, or it is known why not.
    pub(super) is_over: bool,
}

impl HandingOver {
    /// When something is to be done though nothing happens.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let due = if self.stopped.is_none() { self.begun + FLOWS } else { self.begun + WHOLE };
        (!self.is_over).then_some(due)
    }
}
