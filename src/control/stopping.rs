//! The shutdown: workers are stopped and waited for, but not for ever.

use super::outbox::{Outbox, Output};
use crate::config::LogLevel;
use crate::time::{Duration, Instant};
use crate::worker::mailbox::{Command, WorkerId};

/// How long workers may take to end before the controller ends without them.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// A shutdown that has begun.
pub(super) struct Stopping {
    until: Instant,
    running: Vec<WorkerId>,
    done: bool,
}

impl Stopping {
    /// Stops every worker.
    pub(super) fn begin(workers: impl Iterator<Item = WorkerId>, out: &mut Outbox, now: Instant) -> Stopping {
        let running: Vec<WorkerId> = workers.collect();
        running.iter().for_each(|worker| out.send(*worker, Command::Stop));
        Stopping { until: now + PATIENCE, running, done: false }
    }

    pub(super) fn on_stopped(&mut self, worker: WorkerId) {
        self.running.retain(|running| *running != worker);
    }

    /// Says [`Output::Stopped`] once all have ended, or patience has. Returns when to come again.
    pub(super) fn poll(&mut self, out: &mut Outbox, now: Instant) -> Option<Instant> {
        let late = self.running.len();
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
