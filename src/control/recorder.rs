//! The recorder: what workers have seen last, kept when something happens.
//!
//! Owns [`Recorder`]: which tapes workers write on, when they are exchanged for others, and the recordings that are kept. Memory is that of
//! the file's `recorder_mib` for the tapes that are written on, as much for each recording that is kept, and as much again for the next;
//! the tapes of one that is not kept any longer are written on again. A recording keeps the size that it was made with. Memory is made
//! ready a part a turn, before it is wanted: at a switchover there is no time for that. A worker gets no further tape before it has given
//! back the one before. Decides nothing about packets, and reads none: who saves a recording reads it in a task of its own
//! (`recording_feed`).

use super::capture_feed::Names;
use super::outbox::Outbox;
use crate::admin::events::EventRow;
use crate::admin::recorder::{RecordingCause, RecordingRow};
use crate::admin::rows::Wall;
use crate::config::LogLevel;
use crate::events::EventName;
use crate::time::{Duration, Instant};
use crate::worker::mailbox::{Command, WorkerId};
use crate::worker::tape::Tape;
use std::sync::{Arc, Weak};

/// Recordings that are kept, at most.
const MOST: usize = 4;
/// So long after what it is for a recording is frozen: what follows is on it as well.
const AFTER: Duration = Duration::from_millis(500);
/// Recordings that are saved at once, at most.
pub(super) const SAVES: usize = 2;
/// From one that was frozen for a switchover to the next.
const PAUSE: Duration = Duration::from_secs(5);
/// From any to the next that is for an alarm only: alarms come in storms, and a switchover brings some.
const ALARM_PAUSE: Duration = Duration::from_secs(60);
/// Bytes of a tape that are made ready in one turn, and how long it is until the next part.
const PART: usize = 1 << 20;
const PART_PAUSE: Duration = Duration::from_millis(1);
/// So long is waited for workers.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is kept of what all workers had seen.
pub(super) struct Recording {
    pub id: u64,
    pub frozen: Wall,
    pub cause: RecordingCause,
    pub reason: String,
    /// By worker; `None`: it did not answer in time.
    pub tapes: Vec<Option<Box<Tape>>>,
    pub names: Names,
}

/// What is to be frozen, and when.
struct Wanted {
    due: Instant,
    cause: RecordingCause,
    reason: String,
}

/// See the head of this file.
#[derive(Default)]
pub(super) struct Recorder {
    /// Bytes of a worker's tape; 0: off.
    memory: usize,
    workers: usize,
    /// Workers have had one since the start.
    is_equipped: bool,
    /// They write on tapes of this size.
    is_given: bool,
    /// They write on tapes.
    is_written: bool,
    /// By worker: tapes that it was told to exchange, and has not yet.
    owed: Vec<u32>,
    /// The last event that was looked at.
    followed: u64,
    wanted: Option<Wanted>,
    /// It is being frozen, and until when workers are waited for.
    freezing: Option<(Recording, Instant)>,
    kept: Vec<Arc<Recording>>,
    /// Whoever saves one.
    saves: Vec<Weak<()>>,
    begun: u64,
    /// When the last one was frozen, and the last one for a switchover.
    last: Option<Instant>,
    last_switchover: Option<Instant>,
    /// To be written on next: one for each worker, or not all are ready yet.
    spare: Vec<Tape>,
    /// The one that is being made ready, and when its next part is due.
    making: Option<Tape>,
    part_at: Instant,
}

impl Recording {
    /// As an operator reads of it.
    pub(super) fn row(&self) -> RecordingRow {
        let tapes = || self.tapes.iter().flatten();
        let ends = tapes().filter_map(|tape| Some((tape.frame(0)?.at, tape.frame(tape.len() - 1)?.at)));
        let span = ends.reduce(|(from, to), (oldest, newest)| (from.min(oldest), to.max(newest)));
        RecordingRow {
            id: self.id,
            frozen: self.frozen,
            cause: self.cause,
            reason: self.reason.clone(),
            frames: tapes().map(|tape| tape.len() as u64).sum(),
            passed_over: tapes().map(|tape| tape.passed_over()).sum(),
            span_ms: span.map_or(0, |(from, to)| to.since(from).as_millis() as u64),
            workers: tapes().count() as u16,
        }
    }
}

impl Recorder {
    /// What has happened until this event is over.
    pub(super) fn begin(&mut self, followed: u64) {
        self.followed = followed;
    }

    pub(super) fn is_on(&self) -> bool {
        self.memory > 0
    }

    /// Workers write on tapes of `memory` bytes in all from now on.
    pub(super) fn resize(&mut self, memory: usize, workers: &[WorkerId], outputs: &mut Outbox) {
        let each = memory / workers.len().max(1);
        if each == self.memory {
            return;
        }
        (self.memory, self.workers, self.is_given) = (each, workers.len(), false);
        self.owed.resize(workers.len(), 0);
        self.spare.clear();
        self.making = None;
        if each == 0 {
            self.wanted = None;
            self.is_written = false;
            workers.iter().for_each(|worker| self.exchange(*worker, 0, None, outputs));
        }
    }

    /// Makes a part of what is missing ready. Once there is a tape for each worker of the file's size, they are given to them.
    fn prepare(&mut self, workers: &[WorkerId], outputs: &mut Outbox, now: Instant) {
        if self.is_on() && !self.is_ready() && self.part_at <= now {
            self.part_at = now + PART_PAUSE;
            let mut tape = self.making.take().unwrap_or_else(|| Tape::unready(self.memory));
            match tape.grow(PART) {
                true => self.spare.push(tape),
                false => self.making = Some(tape),
            }
        }
        if !self.is_on() || !self.is_ready() || self.is_given || self.owed.iter().any(|owed| *owed > 0) {
            return;
        }
        // What is to be frozen is on the tapes of the size before: then they are exchanged.
        if !(self.is_written && self.wanted.is_some()) {
            for (worker, mut tape) in workers.iter().zip(std::mem::take(&mut self.spare)) {
                if !self.is_equipped {
                    tape.equip();
                }
                self.exchange(*worker, 0, Some(tape), outputs);
            }
        }
        (self.is_given, self.is_written, self.is_equipped) = (true, true, true);
    }

    fn exchange(&mut self, worker: WorkerId, recording: u64, tape: Option<Tape>, outputs: &mut Outbox) {
        if let Some(owed) = self.owed.get_mut(usize::from(worker.0)) {
            *owed += 1;
        }
        outputs.send(worker, Command::Tape { recording, tape: tape.map(Box::new) });
    }

    /// There is a tape for each worker.
    fn is_ready(&self) -> bool {
        self.spare.len() >= self.workers
    }

    /// Looks at what has happened since the last time, for what a recording is wanted.
    pub(super) fn look(&mut self, outputs: &Outbox, now: Instant) {
        let followed = std::mem::replace(&mut self.followed, outputs.events.last());
        if !self.is_on() {
            return;
        }
        for row in outputs.events.after(followed) {
            if let Some((cause, reason)) = wanted_by(row) {
                self.want(cause, reason, now);
            }
        }
    }

    fn want(&mut self, cause: RecordingCause, reason: String, now: Instant) {
        let is_for_alarm = cause == RecordingCause::Alarm;
        let is_wanted = match &self.wanted {
            Some(wanted) => wanted.cause == RecordingCause::Alarm && !is_for_alarm,
            None => !is_for_alarm || self.last.is_none_or(|last| now.since(last) >= ALARM_PAUSE),
        };
        if is_wanted {
            let before = self.last_switchover.filter(|_| !is_for_alarm);
            let due = before.map_or(now + AFTER, |last| (now + AFTER).max(last + PAUSE));
            self.wanted = Some(Wanted { due, cause, reason });
        }
    }

    /// One is frozen now, for the operator; says its number. `None`: another is being frozen, or there is no memory for it yet.
    pub(super) fn freeze_now(
        &mut self,
        names: impl Fn() -> Names,
        workers: &[WorkerId],
        outputs: &mut Outbox,
        (now, wall): (Instant, Wall),
    ) -> Option<u64> {
        if self.freezing.is_some() || !self.is_ready() || !self.is_given {
            return None;
        }
        let wanted =
            Wanted { due: now, cause: RecordingCause::Operator, reason: "the operator has asked for it".into() };
        self.freeze(wanted, names(), workers, outputs, (now, wall));
        Some(self.begun)
    }

    /// What is due.
    pub(super) fn poll(
        &mut self,
        names: impl Fn() -> Names,
        workers: &[WorkerId],
        outputs: &mut Outbox,
        (now, wall): (Instant, Wall),
    ) {
        if let Some((recording, _)) = self.freezing.take_if(|(_, until)| *until <= now) {
            self.keep(recording, outputs);
        }
        self.prepare(workers, outputs, now);
        if self.freezing.is_none()
            && self.is_ready()
            && self.is_given
            && let Some(wanted) = self.wanted.take_if(|wanted| wanted.due <= now)
        {
            self.freeze(wanted, names(), workers, outputs, (now, wall));
        }
    }

    fn freeze(
        &mut self,
        wanted: Wanted,
        names: Names,
        workers: &[WorkerId],
        outputs: &mut Outbox,
        (now, frozen): (Instant, Wall),
    ) {
        self.begun += 1;
        self.last = Some(now);
        let Wanted { cause, reason, .. } = wanted;
        if cause == RecordingCause::Switchover {
            self.last_switchover = Some(now);
        }
        for (worker, tape) in workers.iter().zip(std::mem::take(&mut self.spare)) {
            // One that has not answered will be missing.
            match self.owed.get(usize::from(worker.0)) {
                Some(0) => self.exchange(*worker, self.begun, Some(tape), outputs),
                _ => self.spare.push(tape),
            }
        }
        self.give_way();
        let tapes = workers.iter().map(|_| None).collect();
        let recording = Recording { id: self.begun, frozen, cause, reason, tapes, names };
        self.freezing = Some((recording, now + PATIENCE));
    }

    /// A worker has given its tape away.
    pub(super) fn on_tape(&mut self, worker: WorkerId, id: u64, tape: Option<Box<Tape>>, outputs: &mut Outbox) {
        if let Some(owed) = self.owed.get_mut(usize::from(worker.0)) {
            *owed = owed.saturating_sub(1);
        }
        let Some((recording, _)) = self.freezing.as_mut().filter(|(recording, _)| recording.id == id) else {
            return tape.into_iter().for_each(|tape| self.put_aside(*tape));
        };
        if let Some(place) = recording.tapes.get_mut(usize::from(worker.0)) {
            *place = tape;
        }
        if recording.tapes.iter().all(Option::is_some)
            && let Some((recording, _)) = self.freezing.take()
        {
            self.keep(recording, outputs);
        }
    }

    /// The oldest gives way to the one that is being frozen: of a switchover's only where all are. Its tapes are written on next.
    fn give_way(&mut self) {
        if self.kept.len() < MOST {
            return;
        }
        let is_other = |kept: &Arc<Recording>| kept.cause != RecordingCause::Switchover;
        let oldest = self.kept.iter().position(is_other).unwrap_or(0);
        // Who saves it has it until then.
        if let Ok(gone) = Arc::try_unwrap(self.kept.remove(oldest)) {
            gone.tapes.into_iter().flatten().for_each(|tape| self.put_aside(*tape));
        }
    }

    fn keep(&mut self, recording: Recording, outputs: &mut Outbox) {
        let RecordingRow { id, cause, reason, frames, span_ms, .. } = recording.row();
        let message = format!(
            "recording {id} frozen, {frames} frames of {}.{:03} s ({cause}: {reason})",
            span_ms / 1_000,
            span_ms % 1_000
        );
        outputs.log(EventName::RecorderFrozen, LogLevel::Info, message);
        self.kept.push(Arc::new(recording));
    }

    /// No more than one for each worker that may be wanted, and none of another size.
    fn put_aside(&mut self, mut tape: Tape) {
        let fits = self.is_on() && tape.memory() == Tape::memory_of(self.memory);
        if fits && !self.is_ready() {
            tape.clear();
            self.spare.push(tape);
        }
    }

    /// Those that are kept, oldest first.
    pub(super) fn rows(&self) -> Vec<RecordingRow> {
        self.kept.iter().map(|recording| recording.row()).collect()
    }

    /// The one of this number, if it is kept.
    pub(super) fn kept(&self, id: u64) -> Option<&Arc<Recording>> {
        self.kept.iter().find(|recording| recording.id == id)
    }

    /// Somebody saves a recording, as long as what this returns lives; `None`: as many do as may.
    pub(super) fn begin_save(&mut self) -> Option<Arc<()>> {
        self.saves.retain(|save| save.strong_count() > 0);
        let place = (self.saves.len() < SAVES).then(Arc::default)?;
        self.saves.push(Arc::downgrade(&place));
        Some(place)
    }

    /// When something is due.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let part = (self.is_on() && !self.is_ready()).then_some(self.part_at);
        let freezing = self.freezing.as_ref().map(|(_, until)| *until);
        let wanted = self.wanted.as_ref().map(|wanted| wanted.due).filter(|_| part.is_none() && freezing.is_none());
        [part, freezing, wanted].into_iter().flatten().min()
    }
}

/// Why a recording is wanted when this happens, if one is.
fn wanted_by(row: &EventRow) -> Option<(RecordingCause, String)> {
    if row.is(EventName::Switchover) && row.cause != Some(crate::admin::rows::Cause::Start) {
        return Some((RecordingCause::Switchover, row.message.clone()));
    }
    let alarm = row.alarm.as_deref().filter(|_| row.is(EventName::AlarmRaised))?;
    Some((RecordingCause::Alarm, alarm.to_owned()))
}
