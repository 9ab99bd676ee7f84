//! The frames of a recording, as whoever saves it reads them.
//!
//! Owns [`RecordingFeed`]: the frames of all workers in the order of their times. It is read by the client's own task, and keeps the
//! recording as long as it lives.

use super::capture_feed::{Shown, row};
use super::recorder::Recording;
use crate::admin::capture::{CapturePart, CaptureTotals, Feed};
use crate::admin::rows::Wall;
use crate::wire::ethernet;
use crate::worker::tape::Slot;
use std::sync::Arc;

/// See the head of this file.
pub(super) struct RecordingFeed {
    recording: Arc<Recording>,
    /// By worker: how many of its frames were read.
    read: Vec<usize>,
    start: Wall,
    is_stopped: bool,
    /// Taken as long as this lives.
    _place: Arc<()>,
}

impl RecordingFeed {
    /// `start`: what the calendar said at [`crate::time::Instant::ZERO`].
    pub(super) fn new(recording: Arc<Recording>, place: Arc<()>, start: Wall) -> RecordingFeed {
        let read = vec![0; recording.tapes.len()];
        RecordingFeed { recording, read, start, is_stopped: false, _place: place }
    }

    fn next(&self, worker: usize) -> Option<&Slot> {
        self.recording.tapes[worker].as_ref()?.frame(self.read[worker])
    }

    /// The worker that has the oldest frame which was not read.
    fn oldest(&self) -> Option<usize> {
        let all = (0..self.read.len()).filter_map(|worker| Some((self.next(worker)?.at, worker)));
        all.min().map(|(_, worker)| worker).filter(|_| !self.is_stopped)
    }
}

impl Feed for RecordingFeed {
    fn read(&mut self, into: &mut Vec<u8>, most: usize) {
        while let Some(worker) = self.oldest().filter(|_| into.len() < most) {
            if let Some(slot) = self.next(worker) {
                let names = &self.recording.names;
                let ends = ethernet::ipv4_ends(slot.bytes());
                let member = ends.and_then(|ends| ends.into_iter().find(|address| names.is_member(*address)));
                let Slot { packet, at, port, side, fate, reason, length, .. } = *slot;
                let (bytes, lost, flow) = (slot.bytes(), 0, None);
                let shown = Shown { packet, at, port, side, fate, reason, member, flow, length, lost, bytes };
                CapturePart::Frame(row(&shown, worker as u16, names, self.start)).put(bytes, into);
            }
            self.read[worker] += 1;
        }
    }

    fn stop(&mut self) {
        self.is_stopped = true;
    }

    fn is_over(&self) -> bool {
        self.oldest().is_none()
    }

    fn totals(&self) -> CaptureTotals {
        CaptureTotals { matched: self.read.iter().sum::<usize>() as u64, lost: 0 }
    }
}
