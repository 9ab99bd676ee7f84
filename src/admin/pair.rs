//! The rows of a pair of appliances, and whether this one is fit to be active.

use super::wall::Wall;
use super::words::{Fitness, RoleCause};
pub use crate::policy::intent::PairRole;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// What this appliance is in its pair, and what it knows of the other one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairReport {
    /// What it is.
    pub role: PairRole,
    /// Who said so.
    pub cause: RoleCause,
    /// Why, in words.
    pub reason: String,
    /// Since when.
    pub since: Wall,
    /// For so long it refuses nothing yet, as it has just become active; 0: that is over.
    pub settling_ms: u64,
    /// Its `[pair] priority`.
    pub priority: u16,
    /// What belongs to whichever of the two is active: virtual and SNAT addresses, and those under `floating`.
    pub floating: Vec<Ipv4Addr>,
    /// The other appliance; `None`: nothing is heard of it.
    pub peer: Option<PairPeerRow>,
    /// It has what the other one knows; `None`: nobody says.
    pub in_sync: Option<bool>,
    /// Changes that are on their way between the two; `None`: nobody says.
    pub lag_flows: Option<u64>,
    /// How old the oldest of them is; `None`: nobody says.
    pub lag_ms: Option<u64>,
    /// Since when both are active; `None`: they are not.
    pub split_since: Option<Wall>,
    /// Lines in keepalived's FIFO that say nothing that is known.
    pub unknown_lines: u64,
    /// How often it has become active since the start.
    pub takeovers: u64,
    /// The last time; `None`: it has not.
    pub last_takeover: Option<TakeoverRow>,
}

/// The other appliance of a pair, as it said last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairPeerRow {
    /// What it is.
    pub role: PairRole,
    /// Its `[pair] priority`.
    pub priority: u16,
    /// The address by which two of the same priority are told apart.
    pub address: Ipv4Addr,
    /// When it said so.
    pub heard: Wall,
}

/// How this appliance became active. Times are from the word on; `None`: it has not happened yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakeoverRow {
    /// When it was said that it is active.
    pub time: Wall,
    /// Who said so.
    pub cause: RoleCause,
    /// Workers were given the snapshot in which it is.
    pub published_us: Option<u64>,
    /// The last worker had it.
    pub installed_us: Option<u64>,
    /// The first of the floating addresses was announced.
    pub announced_first_us: Option<u64>,
    /// The last of them was.
    pub announced_last_us: Option<u64>,
}

/// Whether this appliance is fit to be active.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthReport {
    /// It is.
    pub state: Fitness,
    /// Why not, or not yet; empty where it is.
    pub reasons: Vec<String>,
}
