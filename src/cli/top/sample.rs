//! What the appliance has answered at one moment.
//!
//! Owns [`Sample`], and looking up in it. Asks nothing and works nothing out.

use crate::admin::rows::{
    CounterRow, FlowRow, LatencyRow, MemberRow, PastProbeRow, PortRow, SipReport, Status, SwitchoverRow, TrafficRow,
    Wall, WorkerRow,
};
use crate::time::Duration;

/// One moment's answers.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// When the counts in it were read: by this program's own clock, since it began.
    pub at: Duration,
    /// The same by the calendar: ages are counted from here.
    pub wall: Wall,
    /// The answer to `status`.
    pub status: Status,
    /// To `members`.
    pub members: Vec<MemberRow>,
    /// To `counters`.
    pub counters: Vec<CounterRow>,
    /// To `latency`.
    pub latency: Vec<LatencyRow>,
    /// To `traffic`.
    pub traffic: Vec<TrafficRow>,
    /// To `sip`.
    pub sip: SipReport,
    /// To `switchovers`.
    pub switchovers: Vec<SwitchoverRow>,
    /// What was asked about one member besides.
    pub of_member: Option<OfMember>,
    /// What was not answered, and why: a sentence each.
    pub unanswered: Vec<String>,
}

/// More about one member.
#[derive(Clone, Debug, Default)]
pub struct OfMember {
    /// Its name.
    pub name: String,
    /// What its latest probes came to, oldest first.
    pub probes: Vec<PastProbeRow>,
    /// Some of its flows.
    pub flows: Vec<FlowRow>,
    /// How many it has.
    pub flows_in_all: u64,
}

impl Sample {
    /// A NIC, by name.
    pub fn port(&self, name: &str) -> Option<&PortRow> {
        self.status.ports.iter().find(|row| row.name == name)
    }

    /// A worker, by its place.
    pub fn worker(&self, id: u16) -> Option<&WorkerRow> {
        self.status.workers.iter().find(|row| row.id == id)
    }

    /// A member, by name.
    pub fn member(&self, name: &str) -> Option<&MemberRow> {
        self.members.iter().find(|row| row.name == name)
    }

    /// Why frames were dropped, without the counters' common beginning, and how many.
    pub fn drops(&self) -> impl Iterator<Item = (&str, &CounterRow)> {
        let summed = self.counters.iter().filter(|row| row.worker.is_none());
        summed.filter_map(|row| Some((row.name.strip_prefix("drop_")?, row)))
    }
}
