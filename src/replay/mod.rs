//! Floor 6: a capture file through the appliance, offline.
//!
//! Owns [`Replay`]: an appliance built of a configuration, whose one worker is the field's, receives the packets of a file at the times that
//! stand there. Members' health is assumed, MACs are those of the file; nobody is probed or asked. Needs no root, no NIC and no clock,
//! and does the same each time. Keeps one packet at a time, and whatever the appliance keeps. Read first: `run`; then `survey` (what the
//! file shows of the link), `place` (where a frame came in), `appliance`, `fate` (what happened to it), `compare`.

mod appliance;
mod clock;
mod compare;
mod error;
mod fate;
mod frame;
mod hosts;
mod neighbours;
mod output;
mod place;
mod port;
mod run;
mod settings;
mod summary;
mod survey;

pub use error::ReplayError;
pub use run::{Progress, Replay, Source, Target};
pub use settings::{Moment, NeighbourSource, Settings};
pub use summary::{ReplayCount, ReplayDifference, ReplayMac, ReplaySummary};
