//! What an explanation rests on.

use crate::engine::Excerpt;
use crate::flow::SnatPorts;
use crate::policy::intent::PoolId;
use crate::policy::{Intent, Snapshot};

/// What an explanation rests on.
pub struct Setting<'a> {
    /// The names.
    pub intent: &'a Intent,
    /// What the worker reads.
    pub snapshot: &'a Snapshot,
    /// From which it allocates.
    pub snat_ports: &'a SnatPorts,
    /// What it remembers of the packet.
    pub excerpt: &'a Excerpt,
    /// Whose memory that is; `None`: nobody's.
    pub worker: Option<Worker>,
    /// Why a pool's members take what is new, in words: since when, and who says so.
    pub choice: &'a dyn Fn(PoolId) -> Option<String>,
    /// There is an appliance: MACs and neighbours are not assumed.
    pub is_live: bool,
}

/// One of the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worker {
    /// Its number, from 0.
    pub number: u16,
    /// How many there are.
    pub of: usize,
}
