//! What the controller wants done, and the alarms that stand: the one way out for all its parts.
//!
//! Owns the outputs in their order, and that an alarm which begins or ends is logged once. Does none of it: whoever calls
//! [`Outbox::pop`] does.

use super::alarms::Alarms;
use super::configurations::Configurations;
use super::operator_state::OperatorState;
use super::program_run::ProgramRun;
use crate::admin::Answer;
use crate::config::LogLevel;
use crate::time::Instant;
use crate::worker::mailbox::{Command, WorkerId};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

/// What a controller wants done.
pub enum Output {
    /// Give this to a worker. Must not be lost.
    ToWorker(WorkerId, Command),
    /// Answer an operator.
    Answer {
        /// As in [`Input::Asked`](super::Input::Asked).
        request_id: u64,
        /// To be sent as it is.
        answer: Answer,
    },
    /// Read the file and hand it in as [`Input::Reload`](super::Input::Reload).
    ReadFile {
        /// To be given back.
        request_id: Option<u64>,
    },
    /// Read this text as if it stood in a file, and hand it in likewise.
    ReadText {
        /// To be given back.
        request_id: u64,
        /// What the file is called in messages.
        name: String,
        /// What it says.
        text: Arc<str>,
    },
    /// Write a line to the log.
    Log {
        /// How grave it is.
        level: LogLevel,
        /// One line.
        message: String,
    },
    /// Log what is at least so grave from now on.
    LogLevel(LogLevel),
    /// Keep what the operator has set, so that it outlives a crash, and say so by [`Input::Saved`](super::Input::Saved). The next
    /// one comes after that.
    SaveState {
        /// To be given back.
        change: u64,
        /// All of it.
        state: Box<OperatorState>,
    },
    /// Keep the configurations that were in force likewise, and say so by
    /// [`Input::ConfigurationsSaved`](super::Input::ConfigurationsSaved).
    SaveConfigurations {
        /// To be given back.
        change: u64,
        /// All of them.
        all: Box<Configurations>,
    },
    /// Run a program that carries a probe, and say by [`Input::ProgramEnded`](super::Input::ProgramEnded) how it ended.
    RunProgram(Box<ProgramRun>),
    /// Serve metrics there from now on; `None`: nowhere.
    Metrics(Option<SocketAddr>),
    /// Every worker has the first snapshot.
    Ready,
    /// Nothing more will come: the threads may be joined.
    Stopped,
}

/// Outputs on their way out, and the alarms that stand.
pub(super) struct Outbox {
    outputs: VecDeque<Output>,
    pub(super) alarms: Alarms,
    /// The lowest severity that is logged.
    level: LogLevel,
}

impl Default for Outbox {
    fn default() -> Outbox {
        Outbox::new(LogLevel::Info)
    }
}

impl Outbox {
    /// Nothing is wanted, and what is at least as grave as `level` is logged.
    pub(super) fn new(level: LogLevel) -> Outbox {
        Outbox { outputs: VecDeque::new(), alarms: Alarms::default(), level }
    }

    /// The lowest severity that is logged.
    pub(super) fn level(&self) -> LogLevel {
        self.level
    }

    /// It is this from now on.
    pub(super) fn set_level(&mut self, level: LogLevel) {
        self.level = level;
        self.push(Output::LogLevel(level));
    }

    pub(super) fn push(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn pop(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(super) fn send(&mut self, worker: WorkerId, command: Command) {
        self.push(Output::ToWorker(worker, command));
    }

    pub(super) fn log(&mut self, level: LogLevel, message: String) {
        self.push(Output::Log { level, message });
    }

    /// What each part does, in words that are made only if they are logged.
    pub(super) fn debug(&mut self, message: impl FnOnce() -> String) {
        if matches!(self.level, LogLevel::Debug | LogLevel::Trace) {
            self.log(LogLevel::Debug, message());
        }
    }

    /// Everything; likewise.
    pub(super) fn trace(&mut self, message: impl FnOnce() -> String) {
        if self.level == LogLevel::Trace {
            self.log(LogLevel::Trace, message());
        }
    }

    /// The alarm stands until it is cleared; its first line goes to the log with `level`.
    pub(super) fn raise(&mut self, key: &str, level: LogLevel, message: String, now: Instant) {
        if self.alarms.raise(key, message.clone(), None, now) {
            self.log(level, format!("alarm: {message}"));
        }
    }

    /// The alarm does not stand any more; if it did, the log says so.
    pub(super) fn clear(&mut self, key: &str, message: impl FnOnce() -> String) {
        if self.alarms.clear(key) {
            self.log(LogLevel::Info, format!("alarm cleared: {}", message()));
        }
    }
}
