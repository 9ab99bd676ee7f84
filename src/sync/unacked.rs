//! What was sent and is not taken in yet: how far the other appliance is behind.
//!
//! Owns the bound on it: who is that far behind is sent nothing more, and what changes then has no room at the workers.

use crate::time::{Duration, Instant};
use std::collections::VecDeque;

/// Frames that may be on their way, with records in them: some 32 MiB at most at the other end, in its socket and here.
const FRAMES: usize = 512;

/// Frames on their way, the earliest first.
#[derive(Debug, Default)]
pub(super) struct Unacked {
    frames: VecDeque<(u32, Instant, usize)>,
    records: usize,
}

impl Unacked {
    /// A frame with so many records has been sent.
    pub fn sent(&mut self, number: u32, records: usize, now: Instant) {
        self.frames.push_back((number, now, records));
        self.records += records;
    }

    /// All up to and with this frame is taken in.
    pub fn taken(&mut self, number: u32) {
        while let Some((first, _, records)) = self.frames.front().copied()
            && first <= number
        {
            self.frames.pop_front();
            self.records -= records;
        }
    }

    /// No more may be sent.
    pub fn is_full(&self) -> bool {
        self.frames.len() >= FRAMES
    }

    /// Records on their way.
    pub fn records(&self) -> usize {
        self.records
    }

    /// For how long the earliest has been on its way.
    pub fn lag(&self, now: Instant) -> Duration {
        self.frames.front().map_or(Duration::ZERO, |(_, sent, _)| now.since(*sent))
    }
}
