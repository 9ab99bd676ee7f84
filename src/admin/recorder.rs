//! What an operator is told of the recorder.
//!
//! Owns the row of a recording. The frames of one travel as a capture's do: see [`super::capture`].

use super::rows::Wall;
use crate::policy::words::words;
use serde::{Deserialize, Serialize};

words! {
    /// Why a recording was frozen.
    RecordingCause {
        /// A pool's active member is another one.
        Switchover = "switchover",
        /// An alarm has begun.
        Alarm = "alarm",
        /// An operator has asked for it.
        Operator = "operator",
    }
}

/// What all workers had seen last when a recording was frozen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingRow {
    /// Its number.
    pub id: u64,
    /// When it was frozen.
    pub frozen: Wall,
    /// Why.
    pub cause: RecordingCause,
    /// Why, in words.
    pub reason: String,
    /// Frames on it: of each packet the one as it came and the one as it left.
    pub frames: u64,
    /// Frames that came between these and are not on it: a worker records 200,000 a second at most.
    pub passed_over: u64,
    /// From the oldest of them to the newest.
    pub span_ms: u64,
    /// How many workers have given theirs; one that did not within two seconds is missing.
    pub workers: u16,
}
