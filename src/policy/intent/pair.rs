//! What is meant by the other appliance of a pair.

use super::super::words::words;
use std::time::Duration;

words! {
    /// Which of two appliances this one is.
    PairRole {
        /// It has the floating addresses: it answers for them, translates and forwards.
        Active = "active",
        /// The other one has them.
        Standby = "standby",
    }
}

/// The other appliance, and who is active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// keepalived's notify FIFO, by its path; `None`: keepalived decides nothing here.
    pub keepalived: Option<String>,
    /// keepalived's own file, which is compared with ours.
    pub keepalived_config: String,
    /// keepalived's instance whose lines count; `None`: any.
    pub instance: Option<String>,
    /// What this one is until somebody says so.
    pub role: PairRole,
    /// Of two that are both active, the one with the lower priority yields.
    pub priority: u16,
    /// Floating addresses have the MAC of the virtual router, on interfaces that say which that is.
    pub virtual_mac: bool,
    /// For so long after it has become active, nobody is refused for what may be the other's.
    pub settle: Duration,
}
