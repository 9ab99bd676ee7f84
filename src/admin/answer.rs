//! What the controller tells.
//!
//! Owns the answer to a request and the words for what went wrong. Splitting it into lines is the server's part.

use super::rows::{
    Cleared, CounterRow, ExcludeRow, FlowRow, LatencyRow, MemberRow, NeighbourRow, PortRow, ProbeRow, Reloaded,
    RouteRow, ServiceRow, SnatRow, Status, SwitchoverRow,
};
use serde::{Deserialize, Serialize};

/// What a request comes to.
pub type Answer = Result<Told, AdminError>;

/// The good end of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The epoch that every worker has installed, as of the answer.
    pub epoch: u64,
    /// What was asked for.
    pub data: Data,
}

/// What was asked for. In JSON: an array of rows, or for the three structs an object.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Data {
    /// To `status`.
    Status(Box<Status>),
    /// To `members`; and to `member …` and `pool …`: the members of the pool afterwards.
    Members(Vec<MemberRow>),
    /// To `services`.
    Services(Vec<ServiceRow>),
    /// To `probes`, and to `probe now`: the member's.
    Probes(Vec<ProbeRow>),
    /// To `flows`.
    Flows(Vec<FlowRow>),
    /// To `flows clear`.
    Cleared(Cleared),
    /// To `snat`.
    Snat(Vec<SnatRow>),
    /// To `neighbours`.
    Neighbours(Vec<NeighbourRow>),
    /// To `routes`.
    Routes(Vec<RouteRow>),
    /// To `ports`.
    Ports(Vec<PortRow>),
    /// To `counters`.
    Counters(Vec<CounterRow>),
    /// To `switchovers`.
    Switchovers(Vec<SwitchoverRow>),
    /// To `latency`.
    Latency(Vec<LatencyRow>),
    /// To `exclude …`: the whole group afterwards.
    Excluded(Vec<ExcludeRow>),
    /// To `reload`.
    Reloaded(Reloaded),
}

/// What went wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct AdminError {
    /// For programs.
    pub code: Code,
    /// For people: names the thing, the value, the limit and the remedy.
    pub message: String,
}

impl AdminError {
    /// An error.
    pub fn new(code: Code, message: impl Into<String>) -> AdminError {
        AdminError { code, message: message.into() }
    }
}

/// What went wrong, as a word such as `unknown-member`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The line is not JSON.
    BadJson,
    /// JSON, but not a request.
    BadRequest,
    /// The line is longer than a request may be. The connection is closed.
    TooLarge,
    /// There is no such command.
    UnknownCommand,
    /// The command's arguments are missing, too many, or of the wrong kind.
    BadArguments,
    /// No member has that name.
    UnknownMember,
    /// No pool has that name.
    UnknownPool,
    /// No virtual server has that name.
    UnknownService,
    /// The exclusion group does not hold that prefix.
    UnknownPrefix,
    /// It exists, but what is asked cannot be done now; the message says why.
    Refused,
    /// `reload`: the file has errors; the message holds all of them.
    BadFile,
    /// Too many clients or requests at once: try again.
    Busy,
    /// The workers did not answer in time.
    NoAnswer,
    /// The appliance is shutting down.
    Stopping,
    /// A code that this version does not know. Never told, only read.
    #[serde(other)]
    Other,
}
