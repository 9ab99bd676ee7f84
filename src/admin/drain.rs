//! The rows of a drain: what a member that is to finish its work has left.

use super::wall::Wall;
use super::words::DrainState;
use serde::{Deserialize, Serialize};

/// A member that is drained, or was, and what it has left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainReport {
    /// Its name.
    pub member: String,
    /// Its pool's name.
    pub pool: String,
    /// How far it has come.
    pub state: DrainState,
    /// What that means, in words.
    pub outcome: String,
    /// TCP connections: those of service ports, and those that it opened outward.
    pub connections: u64,
    /// What else counts as its flows; `counted` says what that is.
    pub others: u64,
    /// What the others are, such as `UDP peers and SNAT mappings`. The UDP peers of a pair's service ports are in no flow.
    pub counted: String,
    /// Flows of those who call it at its own address. A drain is not about them: they count for nothing here.
    pub direct: u64,
    /// Milliseconds since a datagram of a service port came from it or went to it, in a pair: the drain is complete 32 s after the last;
    /// zero while it has the active role; `None`: there was none since the start, or the members share the work.
    pub udp_idle_ms: Option<u64>,
    /// When it is taken offline, if another member is up then; `None`: not by itself.
    pub until: Option<Wall>,
    /// How many seconds that is from now; zero: its time is up, and no other member is.
    pub left_s: Option<u64>,
}
