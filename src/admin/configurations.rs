//! The rows about configurations: what another one would change, which waits for a confirmation, and which were in force.

use super::wall::Wall;
use super::words::{ConfigurationCause, ServiceLoss};
use crate::config::Change;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// What another file would change. Nothing is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// What would be different, in the order of the file. Empty: nothing.
    pub changes: Vec<Change>,
    /// Why a reload would be refused, in which case nothing happens to any flow; `None`: it would not be.
    pub refused: Option<String>,
    /// Flows whose next packet would go to another member, or leave by another next hop.
    pub resteered: u64,
    /// Flows that would end.
    pub cut: u64,
    /// Flows that would stand with the source address they have, while one that begins then has another.
    pub keep_source: u64,
    /// Flows that nothing would happen to.
    pub unchanged: u64,
    /// False: not every worker had looked at all of its flows in time, and there may be more.
    pub exact: bool,
    /// The same by pool and virtual server, those first to whom most would happen.
    pub impact: Vec<ImpactRow>,
    /// Pools whose active member would be gone: the datagrams of their virtual servers, which are in no flow, would go to whoever is
    /// chosen then.
    pub lose_active: Vec<String>,
    /// Service ports that somebody serves now and the same pool would not serve any more: what comes there is lost or goes elsewhere,
    /// whether or not it is in a flow.
    #[serde(default)]
    pub lose_services: Vec<LostServiceRow>,
}

/// A service port that would not be served any more as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostServiceRow {
    /// The virtual server's name now.
    pub virtual_server: String,
    /// Its address now.
    pub address: Ipv4Addr,
    /// The port, such as `udp/5060`.
    pub service: String,
    /// Why.
    pub why: ServiceLoss,
}

impl fmt::Display for LostServiceRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} at {})", self.virtual_server, self.service, self.address)
    }
}

/// What would happen to the flows of one pool and virtual server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImpactRow {
    /// The pool of their member; `None`: they belong to none.
    pub pool: Option<String>,
    /// The virtual server they came to; `None`: their members opened them, or are called at their own addresses.
    pub virtual_server: Option<String>,
    /// See Preview.
    pub resteered: u64,
    /// See Preview.
    pub cut: u64,
    /// See Preview.
    pub keep_source: u64,
    /// See Preview.
    pub unchanged: u64,
}

/// A configuration that is in force and waits for a confirmation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitedRow {
    /// Its number.
    pub number: u64,
    /// The number of the one that is in force again without a confirmation.
    pub back_to: u64,
    /// When that is.
    pub until: Wall,
    /// In how many seconds.
    pub left_s: u64,
}

/// The answer to `confirm`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    /// The number of the configuration that is in force and confirmed.
    pub number: u64,
    /// The file is not what is in force.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub differs_from_file: bool,
}

/// A configuration that is in force, or was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryRow {
    /// By which `rollback` knows it.
    pub number: u64,
    /// Since when it was in force.
    pub since: Wall,
    /// How it came to be.
    pub cause: ConfigurationCause,
    /// What it changed, in one line.
    pub changes: String,
    /// It is in force.
    pub in_force: bool,
    /// It waits for its confirmation.
    pub unconfirmed: bool,
}

/// The answer to `history-show`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryText {
    /// The number of the configuration.
    pub number: u64,
    /// What its file said.
    pub text: Arc<str>,
}
