//! The shutdown: workers are told to end, and waited for, but not for ever.

use super::outbox::{Outbox, Output};
use crate::config::LogLevel;
use crate::time::{Duration, Instant};
use crate::worker::mailbox::{Command, WorkerId};

/// How long workers may take to end before the controller ends without them.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// A shutdown that has begun.
pub(super) struct Stopping {
    until: Instant,
    ended: Vec<bool>,
    done: bool,
}

impl Stopping {
    /// Tells every worker to end.
    pub(super) fn begin(workers: impl Iterator<Item = WorkerId>, out: &mut Outbox, now: Instant) -> Stopping {
        let ended = workers.map(|worker| out.send(worker, Command::Stop)).map(|()| false).collect();
        Stopping { until: now + PATIENCE, ended, done: false }
    }

    pub(super) fn on_stopped(&mut self, worker: WorkerId) {
        if let Some(ended) = self.ended.get_mut(usize::from(worker.0)) {
            *ended = true;
        }
    }

    /// Says [`Output::Stopped`] once all have ended, or patience has. Returned is when to come again.
    pub(super) fn poll(&mut self, out: &mut Outbox, now: Instant) -> Option<Instant> {
        let late = self.ended.iter().filter(|ended| !**ended).count();
        if self.done || (late > 0 && now < self.until) {
            return (!self.done).then_some(self.until);
        }
        self.done = true;
        if late > 0 {
            out.log(LogLevel::Error, format!("{late} workers did not stop within {PATIENCE:?}"));
        }
        out.push(Output::Stopped);
        None
    }
}
