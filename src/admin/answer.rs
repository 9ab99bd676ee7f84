//! What the controller answers.
//!
//! Owns the answer to a request and the words for what went wrong. Splitting it into lines is the server's part.

use super::capture::Capturing;
use super::configurations::{Confirmed, HistoryRow, HistoryText, Preview};
use super::drain::DrainReport;
use super::drill::{DrillPlan, DrillReport};
use super::events::{AlarmRow, EventRow, EventsPage};
use super::explain::Explanation;
use super::overview::Overview;
use super::pair::{HealthReport, PairReport};
use super::recorder::RecordingRow;
use super::rows::{
    Announced, Cleared, CounterRow, ExcludeRow, FlowRow, InterfaceRow, LatencyRow, Logging, MemberRow, NeighbourRow,
    PastProbeRow, PortRow, ProbeRow, Reloaded, RouteRow, SettingRow, SipReport, SnatRow, StateLines, Status,
    SwitchoverRow, Total, TrafficRow, VirtualServerRow,
};
use super::save::SavePlan;
use serde::{Deserialize, Serialize, Serializer};
use std::ops::Range;

/// The outcome of a request.
pub type Answer = Result<Answered, AdminError>;

/// The answer to a request that succeeded.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The epoch that every worker has installed, as of the answer.
    pub epoch: u64,
    /// What was asked for.
    pub data: Data,
}

/// What stands on one line of an answer: the object, or some of the rows.
#[derive(Debug)]
pub struct Part<'a> {
    /// The whole.
    pub data: &'a Data,
    /// Which rows.
    pub rows: Range<usize>,
}

macro_rules! answers {
    (one { $($one:ident($object:ty),)* } rows { $($many:ident($row:ty),)* } some { $($some:ident($item:ty),)* }) => {
        /// What was asked for. In JSON an object, or an array of rows.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Data {
            $(#[doc = concat!("A `", stringify!($one), "`.")] $one($object),)*
            $(#[doc = concat!("Rows of [`", stringify!($row), "`].")] $many(Vec<$row>),)*
            $(#[doc = concat!("Some rows: [`", stringify!($item), "`], and how many there are.")] $some(Vec<$item>, Total),)*
        }

        impl Data {
            /// How many rows there are, if it is rows: these may travel on several lines.
            pub fn rows(&self) -> Option<usize> {
                match self { $(Data::$one(_) => None,)* $(Data::$many(rows) => Some(rows.len()),)*
                    $(Data::$some(rows, _) => Some(rows.len()),)* }
            }

            /// How many rows there are in all, if these need not be all.
            pub fn total(&self) -> Option<Total> {
                match self {
                    $(Data::$some(_, total) => Some(*total),)*
                    _ => None,
                }
            }

        }

        impl Serialize for Part<'_> {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                match self.data {
                    $(Data::$one(object) => object.serialize(to),)*
                    $(Data::$many(rows) => rows[self.rows.clone()].serialize(to),)*
                    $(Data::$some(rows, _) => rows[self.rows.clone()].serialize(to),)*
                }
            }
        }
    };
}

answers! {
    one { Status(Box<Status>), Cleared(Cleared), Reloaded(Reloaded), Preview(Box<Preview>), Confirmed(Confirmed), HistoryText(Box<HistoryText>), SavePlan(Box<SavePlan>), Logging(Logging), StateLines(StateLines), Announced(Announced), DrillPlan(Box<DrillPlan>), DrillReport(Box<DrillReport>), DrainReport(DrainReport), Sip(Box<SipReport>), Explanation(Box<Explanation>), Capture(Box<Capturing>), EventsPage(Box<EventsPage>), Overview(Box<Overview>), Pair(Box<PairReport>), Health(HealthReport), }
    rows {
        Members(MemberRow),
        VirtualServers(VirtualServerRow),
        Probes(ProbeRow),
        ProbeHistory(PastProbeRow),
        Snat(SnatRow),
        Neighbours(NeighbourRow),
        Routes(RouteRow),
        Ports(PortRow),
        Interfaces(InterfaceRow),
        Counters(CounterRow),
        Switchovers(SwitchoverRow),
        Latency(LatencyRow),
        Excluded(ExcludeRow),
        Settings(SettingRow),
        History(HistoryRow),
        Alarms(AlarmRow),
        Events(EventRow),
        Recordings(RecordingRow),
        Traffic(TrafficRow),
    }
    some { Flows(FlowRow), }
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
    /// Not a request: an unknown command, or arguments that are missing, unknown or out of bounds.
    BadRequest,
    /// The line is longer than a request may be. The connection is closed.
    TooLarge,
    /// No member has that name.
    UnknownMember,
    /// No pool has that name.
    UnknownPool,
    /// No virtual server has that name.
    UnknownVirtualServer,
    /// The exclusion group does not hold that prefix.
    UnknownPrefix,
    /// It exists, but what is asked cannot be done now; the message says why.
    Refused,
    /// `reload`: the file has errors; the message holds all of them.
    BadFile,
    /// It changes something, and was asked at the socket for what changes nothing; the message names the other one.
    ReadOnly,
    /// Too many clients or requests at once: try again.
    Busy,
    /// The workers did not answer in time.
    NoAnswer,
    /// The appliance is shutting down.
    Stopping,
    /// A code that this version does not know. Only read, never sent.
    #[serde(other)]
    Other,
}
