//! What an operator asks of the recorder, and what it does by itself.
//!
//! Owns the way from the file's key, events and requests to the [`super::recorder`], and from a recording to its rows and frames.

use super::capture_feed::Names;
use super::controller::Controller;
use super::recorder::SAVES;
use super::recording_feed::RecordingFeed;
use super::waiting::Pending;
use crate::admin::answer::{AdminError, Code, Data};
use crate::admin::capture::{CaptureBegun, Capturing, FeedSlot};
use crate::admin::recorder::RecordingRow;
use crate::time::{Duration, Instant};
use crate::worker::mailbox::WorkerId;
use crate::worker::tape::KEPT;
use std::sync::Arc;

/// So long an operator waits for what is frozen: longer than workers are waited for.
const PATIENCE: Duration = Duration::from_secs(4);

impl Controller {
    /// What the file says, what has happened, what is due.
    pub(super) fn poll_recorder(&mut self, now: Instant) {
        let workers: Vec<WorkerId> = self.machine.workers().collect();
        let memory = (self.file.settings.recorder_mib as usize) << 20;
        self.recorder.resize(memory, &workers, &mut self.outputs);
        self.recorder.look(&self.outputs, now);
        let time = (now, self.wall(now));
        self.recorder.poll(|| Names::of(&self.intent), &workers, &mut self.outputs, time);
    }

    pub(super) fn recording_rows(&self) -> Vec<RecordingRow> {
        self.recorder.rows()
    }

    pub(super) fn freeze_recorder(&mut self, request_id: u64, now: Instant) -> Result<Option<Data>, AdminError> {
        if !self.recorder.is_on() {
            let message = "the recorder is off: the file has `recorder_mib = 0` under `[appliance]`: take that out, or give it memory, and \
                           reload";
            return Err(AdminError::new(Code::Refused, message));
        }
        let workers: Vec<WorkerId> = self.machine.workers().collect();
        let time = (now, self.wall(now));
        let begun = self.recorder.freeze_now(|| Names::of(&self.intent), &workers, &mut self.outputs, time);
        let Some(recording) = begun else {
            let message =
                "another recording is being frozen, or the memory for this one made ready: try again in a moment";
            return Err(AdminError::new(Code::Busy, message));
        };
        self.waiting.push(request_id, Pending::Frozen { recording }, now + PATIENCE);
        Ok(None)
    }

    pub(super) fn recording_frozen(&self, id: u64) -> Result<Data, AdminError> {
        Ok(Data::Recordings(vec![self.recording_named(id)?.row()]))
    }

    /// Who saves one keeps it, also when it has given way: so they are few.
    pub(super) fn save_recording(&mut self, id: u64) -> Result<Capturing, AdminError> {
        let recording = Arc::clone(self.recording_named(id)?);
        let Some(place) = self.recorder.begin_save() else {
            let message = format!("{SAVES} recordings are being saved, which is the limit: try again when one is");
            return Err(AdminError::new(Code::Busy, message));
        };
        let (interfaces, since) = (recording.names.interfaces(), recording.frozen);
        let begun = CaptureBegun { capture: id, snaplen: KEPT as u32, interfaces, since };
        let feed = RecordingFeed::new(recording, place, self.machine.start);
        Ok(Capturing { begun, feed: FeedSlot::new(Box::new(feed)) })
    }

    fn recording_named(&self, id: u64) -> Result<&Arc<super::recorder::Recording>, AdminError> {
        self.recorder.kept(id).ok_or_else(|| {
            let message = format!("there is no recording {id}, or it gave way to a later one: `recorder list` has all");
            AdminError::new(Code::Refused, message)
        })
    }
}
