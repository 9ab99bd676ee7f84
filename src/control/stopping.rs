//! The shutdown: workers are stopped, what the operator has set is saved, and both are waited for, but not for ever.

use super::outbox::{Outbox, Output};
use super::saves::Saves;
use crate::config::LogLevel;
use crate::events::EventName;
use crate::time::{Duration, Instant};
use crate::worker::mailbox::{Command, WorkerId};

/// How long workers may take to end, and the disk to take the last change, before the controller ends without them.
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

    /// Says [`Output::Stopped`] once all workers have ended, nothing is left to be saved and nothing is `awaited` any more, or
    /// patience has. Returns when to come again.
    pub(super) fn poll(
        &mut self,
        saves: [&Saves; 3],
        awaited: Option<Instant>,
        out: &mut Outbox,
        now: Instant,
    ) -> Option<Instant> {
        let late = self.running.len();
        let waits = late > 0 || awaited.is_some() || saves.iter().any(|saves| !saves.is_done(now));
        if self.done || (waits && now < self.until) {
            return (!self.done).then_some(awaited.map_or(self.until, |until| until.min(self.until)));
        }
        self.done = true;
        if late > 0 {
            out.log(
                EventName::WorkerSilent,
                LogLevel::Error,
                format!("{late} workers did not stop within {PATIENCE:?}"),
            );
        }
        let what = [
            ("what the operator has set", "`fairlead state show` says after the start what is in force"),
            ("the configuration in force", "the next start may be with the one before: its log says so"),
            ("the last of the events", "`fairlead events` says after the start what is kept"),
        ];
        for (saves, (what, after)) in saves.iter().zip(what).filter(|(saves, _)| !saves.is_saved()) {
            let within = if saves.is_done(now) { String::new() } else { format!(" within {PATIENCE:?}") };
            let place = saves.place.as_deref().unwrap_or_default();
            let message = format!("{what} is not saved{within} and may be lost: {place}. {after}");
            out.log(EventName::StateLost, LogLevel::Error, message);
        }
        out.push(Output::Stopped);
        None
    }
}
