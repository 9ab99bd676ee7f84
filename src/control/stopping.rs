//! The way down: workers are told to end, and waited for, but not for ever.

use super::{Controller, Output};
use crate::config::LogLevel;
use crate::time::{Duration, Instant};
use crate::worker::mailbox::{Command, WorkerId};

/// How long workers may take to end before the controller ends without them.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// The way down.
pub(super) struct Stopping {
    until: Instant,
    ended: Vec<bool>,
    done: bool,
}

impl Controller {
    pub(super) fn stop(&mut self, now: Instant) {
        if self.stopping.is_some() {
            return;
        }
        self.refuse_all_waiting();
        let workers: Vec<WorkerId> = self.publisher.workers().collect();
        self.stopping = Some(Stopping { until: now + PATIENCE, ended: vec![false; workers.len()], done: false });
        for worker in workers {
            self.outputs.push_back(Output::ToWorker(worker, Command::Stop));
        }
    }

    pub(super) fn note_end(&mut self, worker: WorkerId) {
        let Some(stopping) = &mut self.stopping else {
            return self.log(LogLevel::Error, format!("worker {} ended although nobody told it to", worker.0));
        };
        if let Some(ended) = stopping.ended.get_mut(usize::from(worker.0)) {
            *ended = true;
        }
    }

    pub(super) fn turn_down(&mut self, now: Instant) {
        let Some(stopping) = &mut self.stopping else { return };
        self.deadline = (!stopping.done).then_some(stopping.until);
        let late = stopping.ended.iter().filter(|ended| !**ended).count();
        if stopping.done || (late > 0 && now < stopping.until) {
            return;
        }
        stopping.done = true;
        self.deadline = None;
        if late > 0 {
            self.log(LogLevel::Error, format!("{late} workers did not end in {PATIENCE:?}"));
        }
        self.outputs.push_back(Output::Stopped);
    }
}
