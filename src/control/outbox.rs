//! What the controller wants done, what has happened, and the alarms that stand: the one way out for all its parts.
//!
//! Owns the outputs in their order, that what happens is stamped, kept and logged, and that an alarm which begins or ends is an event
//! once. Does none of it: whoever calls [`Outbox::pop`] does.

use super::advertise_order::AdvertiseOrder;
use super::alarms::{Alarm, Alarms};
use super::configurations::Configurations;
use super::event_log::EventLog;
use super::handover_stream::HandoverOrder;
use super::log_rate::{A_SECOND, LogRate};
use super::operator_state::OperatorState;
use super::pair_word::PairWord;
use super::program_run::ProgramRun;
use super::route_order::RouteOrder;
use super::saved_events::SavedEvents;
use crate::admin::Answer;
use crate::admin::events::{EventRow, Subject};
use crate::admin::request::Peer;
use crate::admin::rows::Wall;
use crate::config::LogLevel;
use crate::events::{AlarmCode, EventName, Severity};
use crate::handover::Remembered;
use crate::time::{Duration, Instant};
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
    /// Read the text of another appliance's file as this one may use it, with what is its own as the text `own` has it, and hand it in
    /// likewise.
    ReadPushed {
        /// To be given back.
        request_id: u64,
        /// What the file is called in messages.
        name: String,
        /// What it says.
        text: Arc<str>,
        /// What the one in force here says.
        own: Arc<str>,
    },
    /// Say this to the other appliance of the pair.
    TellPeer(Box<PairWord>),
    /// Write a line to the log.
    Log(Arc<EventRow>),
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
    /// Keep the events and switchovers likewise, and say so by [`Input::EventsSaved`](super::Input::EventsSaved).
    SaveEvents {
        /// To be given back.
        change: u64,
        /// All of them.
        events: Box<SavedEvents>,
    },
    /// Write down what workers give away, and say by [`Input::HandedOver`](super::Input::HandedOver) how that ended.
    HandOver(Box<HandoverOrder>),
    /// Forwarding stops: this is the rest of that file.
    Remember(Box<Remembered>),
    /// Run the program that is told of an event, and say by [`Input::Notified`](super::Input::Notified) how it ended.
    Notify(Box<ProgramRun>),
    /// Run a program that carries a probe, and say by [`Input::ProgramEnded`](super::Input::ProgramEnded) how it ended.
    RunProgram(Box<ProgramRun>),
    /// Have the kernel hold these addresses, and say by [`Input::Advertised`](super::Input::Advertised) what it holds then.
    Advertise(Box<AdvertiseOrder>),
    /// Follow these of the kernel's routes, and say by [`Input::KernelRoutes`](super::Input::KernelRoutes) what they are.
    FollowRoutes(Box<RouteOrder>),
    /// Serve metrics there from now on; `None`: nowhere.
    Metrics(Option<SocketAddr>),
    /// Every worker has the first snapshot.
    Ready,
    /// Nothing more will come: the threads may be joined.
    Stopped,
}

/// Outputs on their way out, what has happened, and the alarms that stand.
pub(super) struct Outbox {
    /// Of workers, which are before all else.
    commands: VecDeque<(WorkerId, Command)>,
    outputs: VecDeque<Output>,
    pub(super) alarms: Alarms,
    pub(super) events: EventLog,
    rate: LogRate,
    /// The lowest severity that is logged.
    level: LogLevel,
    /// What events are stamped with: the time, and who is behind what happens now.
    now: Instant,
    wall: Wall,
    by: Option<Peer>,
}

impl Default for Outbox {
    fn default() -> Outbox {
        Outbox::new(LogLevel::Info)
    }
}

impl Outbox {
    /// Nothing is wanted, and what is at least as grave as `level` is logged.
    pub(super) fn new(level: LogLevel) -> Outbox {
        Outbox {
            commands: VecDeque::new(),
            outputs: VecDeque::new(),
            alarms: Alarms::default(),
            events: EventLog::default(),
            rate: LogRate::default(),
            level,
            now: Instant::ZERO,
            wall: Wall::default(),
            by: None,
        }
    }

    /// It is now, by both clocks.
    pub(super) fn set_time(&mut self, now: Instant, wall: Wall) {
        (self.now, self.wall) = (now, wall);
    }

    /// What happens from now on is done by this one; `None`: by nobody.
    pub(super) fn set_actor(&mut self, by: Option<Peer>) {
        self.by = by;
    }

    /// Who is behind what happens now.
    pub(super) fn actor(&self) -> Option<Peer> {
        self.by
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

    /// The next output; workers' commands come first.
    pub(super) fn pop(&mut self) -> Option<Output> {
        match self.commands.pop_front() {
            Some((worker, command)) => Some(Output::ToWorker(worker, command)),
            None => self.outputs.pop_front(),
        }
    }

    pub(super) fn pop_command(&mut self) -> Option<(WorkerId, Command)> {
        self.commands.pop_front()
    }

    /// Nothing is to be done.
    pub(super) fn is_empty(&self) -> bool {
        self.commands.is_empty() && self.outputs.is_empty()
    }

    pub(super) fn send(&mut self, worker: WorkerId, command: Command) {
        self.commands.push_back((worker, command));
    }

    /// What the calendar said when this turn began.
    pub(super) fn wall(&self) -> Wall {
        self.wall
    }

    /// This has happened: it is kept, and logged.
    pub(super) fn log(&mut self, event: EventName, level: LogLevel, message: String) {
        self.happened(event, EventRow::new(event, level, message));
    }

    /// Likewise, about something.
    pub(super) fn log_of(&mut self, event: EventName, level: LogLevel, about: Subject, message: String) {
        self.happened(event, EventRow::new(event, level, message).about(about));
    }

    /// Likewise; the row is of this name.
    pub(super) fn happened(&mut self, event: EventName, mut row: EventRow) {
        row.time = self.wall;
        (row.by_uid, row.by_pid) = self.by.map_or((None, None), |by| (Some(by.uid), by.pid));
        let row = self.events.push(row);
        // What is grave is never left out, and what the level leaves out takes no room.
        let is_free = row.level == LogLevel::Error || row.level > self.level;
        if is_free || self.rate.admits(event, self.now) {
            self.push(Output::Log(row));
        }
    }

    /// Likewise kept; somebody else has logged it.
    pub(super) fn record(&mut self, event: EventName, message: String) {
        self.events.push(EventRow { time: self.wall, ..EventRow::new(event, LogLevel::Info, message) });
    }

    /// What each part does, in words that are made only if they are logged.
    pub(super) fn debug(&mut self, message: impl FnOnce() -> String) {
        if matches!(self.level, LogLevel::Debug | LogLevel::Trace) {
            self.detail(LogLevel::Debug, message());
        }
    }

    /// Everything; likewise.
    pub(super) fn trace(&mut self, message: impl FnOnce() -> String) {
        if self.level == LogLevel::Trace {
            self.detail(LogLevel::Trace, message());
        }
    }

    fn detail(&mut self, level: LogLevel, message: String) {
        let row = EventRow { time: self.wall, ..EventRow::new(EventName::Detail, level, message) };
        self.push(Output::Log(Arc::new(row)));
    }

    /// The alarm stands until it is cleared; its first line goes to the log.
    pub(super) fn raise(&mut self, key: &str, of: (AlarmCode, Subject), message: String, now: Instant) {
        self.raise_for(key, of, message, None, now);
    }

    /// It stands for `term` if it is not raised again. Returns whether it is new.
    pub(super) fn raise_for(
        &mut self,
        key: &str,
        of: (AlarmCode, Subject),
        message: String,
        term: Option<Duration>,
        now: Instant,
    ) -> bool {
        if self.alarms.get(key).is_some_and(|alarm| alarm.of.0 != of.0) {
            self.clear(key, || format!("it is worse, or another one now: {message}"));
        }
        let (code, subject, id) = (of.0, of.1.clone(), self.events.next());
        let is_new = self.alarms.raise(key, (of, message.clone()), term, (id, now));
        if is_new {
            let (event, message) = (EventName::AlarmRaised, format!("alarm: {message}"));
            self.happened(event, EventRow::new(event, level_of(code), message).about(subject).of_alarm(code, id));
        }
        is_new
    }

    /// What the alarm under this key is about has happened again.
    pub(super) fn repeat(&mut self, key: &str, message: &str) {
        let Some(alarm) = self.alarms.get(key) else { return };
        let ((code, subject), id, event) = (alarm.of.clone(), alarm.id, EventName::AlarmRepeated);
        let row = EventRow::new(event, level_of(code), format!("alarm: {message}"));
        self.happened(event, row.about(subject).of_alarm(code, id));
    }

    /// The alarm does not stand any more; if it did, the log says so. Returns whether it did.
    pub(super) fn clear(&mut self, key: &str, message: impl FnOnce() -> String) -> bool {
        let alarm = self.alarms.clear(key);
        if let Some(alarm) = &alarm {
            self.cleared(alarm, message());
        }
        alarm.is_some()
    }

    fn cleared(&mut self, alarm: &Alarm, message: String) {
        let ((code, subject), event) = (alarm.of.clone(), EventName::AlarmCleared);
        let row = EventRow::new(event, LogLevel::Info, format!("alarm cleared: {message}"));
        let lasted_ms = Some(self.now.since(alarm.since).as_millis() as u64);
        self.happened(event, EventRow { lasted_ms, ..row.about(subject).of_alarm(code, alarm.id) });
    }

    /// Once a second: alarms whose term is over, and what was left out of the log.
    pub(super) fn review(&mut self, now: Instant) {
        for alarm in self.alarms.expire(now) {
            let message = format!("it has not been seen again: {}", alarm.message);
            self.cleared(&alarm, message);
        }
        self.tell_left_out();
    }

    /// How many lines were left out of the log since this was last told.
    pub(super) fn tell_left_out(&mut self) {
        for (name, count) in self.rate.take_left_out() {
            let message = format!(
                "{count} lines of event={name} were left out: more than {A_SECOND} a second came; `fairlead events --event {name}` has them"
            );
            self.log(EventName::LogLeftOut, LogLevel::Warn, message);
        }
    }
}

fn level_of(code: AlarmCode) -> LogLevel {
    match code.severity() {
        Severity::Critical => LogLevel::Error,
        Severity::Warning => LogLevel::Warn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(out: &mut Outbox) -> Vec<String> {
        let line =
            |output| if let Output::Log(row) = output { Some(format!("{} {}", row.level, row.fields())) } else { None };
        std::iter::from_fn(|| out.pop()).filter_map(line).collect()
    }

    #[test]
    fn an_alarm_has_the_same_code_and_number_at_both_ends_and_says_how_long_it_stood() {
        let mut out = Outbox::default();
        let of = || (AlarmCode::PortDown, Subject::interface("outer"));
        out.log(EventName::Ready, LogLevel::Info, "ready".into());
        out.raise("x", of(), "the link is down".into(), Instant::ZERO);
        out.raise("x", of(), "the link is down".into(), Instant::ZERO);
        out.set_time(Instant::from_millis(1_500), Wall(7));
        out.set_actor(Some(Peer { uid: 1_000, pid: Some(42) }));
        assert!(out.clear("x", || "the link is up".into()) && !out.clear("x", || unreachable!()));
        let about = "interface=outer alarm=port.down alarm_id=2 severity=critical";
        assert_eq!(
            lines(&mut out),
            [
                "info event=ready".to_owned(),
                format!("error event=alarm.raised {about}"),
                format!("info event=alarm.cleared {about} lasted_ms=1500 by_uid=1000 by_pid=42"),
            ]
        );
    }

    /// "Both answer" that becomes "no member is up" under one key is another alarm, and a graver one.
    #[test]
    fn an_alarm_of_another_code_under_the_same_key_ends_the_first() {
        let mut out = Outbox::default();
        let of = |code| (code, Subject::pool("pair-1"));
        out.raise("x", of(AlarmCode::PoolRoles), "both answer".into(), Instant::ZERO);
        out.raise("x", of(AlarmCode::PoolNoMember), "no member is up".into(), Instant::ZERO);
        let about = |code, id, severity| format!("pool=pair-1 alarm={code} alarm_id={id} severity={severity}");
        assert_eq!(
            lines(&mut out),
            [
                format!("warn event=alarm.raised {}", about("pool.roles", 1, "warning")),
                format!("info event=alarm.cleared {} lasted_ms=0", about("pool.roles", 1, "warning")),
                format!("error event=alarm.raised {}", about("pool.no-member", 3, "critical")),
            ]
        );
    }

    #[test]
    fn the_log_leaves_out_what_the_list_keeps_and_says_how_much() {
        let mut out = Outbox::default();
        (0..1_200).for_each(|_| out.log(EventName::NeighbourMoved, LogLevel::Info, "moved".into()));
        assert_eq!(lines(&mut out).len(), 1_000);
        assert_eq!(out.events.after(0).len(), 1_200);
        out.set_time(Instant::from_millis(1_000), Wall(1));
        out.review(Instant::from_millis(1_000));
        let Some(Output::Log(row)) = out.pop() else { panic!() };
        assert!(row.message.starts_with("200 lines of event=neighbour.moved were left out"), "{}", row.message);
    }
}
