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
    /// Which worker decides; `None`: any.
    pub worker: Option<u16>,
    /// Why a pool's members take what is new, in words: since when, and who says so.
    pub choice: &'a dyn Fn(PoolId) -> Option<String>,
    /// There is an appliance: MACs and neighbours are not assumed.
    pub is_live: bool,
}
