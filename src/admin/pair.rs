//! The rows of a pair of appliances, and whether this one is fit to be active.

use super::wall::Wall;
pub use super::words::SyncWord;
use super::words::{Fitness, RoleCause};
pub use crate::policy::intent::PairRole;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};

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
    /// The connection to the other one; `None`: the file names none.
    #[serde(default)]
    pub link: Option<PairLinkRow>,
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

/// The connection over which two appliances tell each other what they know. Counts are from the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairLinkRow {
    /// Where the other one listens, as the file has it.
    pub peer: SocketAddr,
    /// Where it is connected to, or from; `None`: it is not.
    pub connected: Option<SocketAddr>,
    /// What it calls itself; `None`: it is not connected.
    pub name: Option<String>,
    /// How the sync stands.
    pub state: SyncWord,
    /// Why the last connection ended, or there is none.
    pub last_error: Option<String>,
    /// Records of flows and speakers sent.
    pub records_sent: u64,
    /// The same received.
    pub records_received: u64,
    /// Bytes sent.
    pub bytes_sent: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// Full copies that were begun, in either direction.
    pub copies_begun: u64,
    /// Those that became whole.
    pub copies_whole: u64,
    /// How often more changed than could be told, so that all had to be told anew.
    pub breaks: u64,
    /// Flows of the other one's that were taken in.
    pub flows_taken: u64,
    /// Flows that it told of and that are not here.
    pub flows_left_out: u64,
    /// The first of the keys in which the two configurations differ that should be the same.
    pub differences: Vec<String>,
    /// How many there are; `None`: that is not known, or not yet.
    pub differences_count: Option<u64>,
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
