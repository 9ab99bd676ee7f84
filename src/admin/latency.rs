//! The rows of `latency`.
//!
//! Owns the JSON of that answer: nanoseconds, each at most one hundredth too long.

use super::wall::Wall;
use serde::{Deserialize, Serialize};

/// How long frames and loop iterations take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyRow {
    /// Its place in `[cores] workers`; `None`: all together.
    pub worker: Option<u16>,
    /// Measured from then on: the start, or the last reset.
    pub since: Wall,
    /// Measured until then: the worker's last report.
    pub until: Wall,
    /// Of each frame sent, from the beginning of the loop iteration that received it, here or at the worker that handed it
    /// off, to the end of the one that sent it. Time in a NIC's ring is not in it.
    pub forwarding: Spread,
    /// Loop iterations that did something.
    pub loops: Spread,
    /// Loop iterations, idle ones as well, longer than `stall_ns`.
    pub stalls: u64,
    /// What makes an iteration a stall, as the file has it.
    pub stall_ns: u64,
    /// The longest iteration, idle ones as well, exactly.
    pub longest_ns: u64,
    /// When it began; `None`: there was none.
    pub longest_at: Option<Wall>,
}

/// How spans are spread.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// How many there were.
    pub count: u64,
    /// All together.
    pub sum_ns: u64,
    /// Half of them took no longer; 0, as the next ones, when there was none.
    pub p50_ns: u64,
    /// 90 in 100 took no longer.
    pub p90_ns: u64,
    /// 99 in 100 took no longer.
    pub p99_ns: u64,
    /// 999 in 1000 took no longer.
    pub p999_ns: u64,
    /// The longest.
    pub max_ns: u64,
    /// How many took no longer than some fixed spans.
    pub buckets: Vec<Bucket>,
}

/// A bound of a [`Spread`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// The bound.
    pub up_to_ns: u64,
    /// How many took no longer, those of lower bounds included.
    pub count: u64,
}
