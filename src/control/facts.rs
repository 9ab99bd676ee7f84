//! What the controller knows of NICs and workers, and never changes.
//!
//! Owns the seam to whoever can read counters: the threads' shared atomics and the NICs' statistics in the field, a
//! table in a test.

use super::configurations::SavedConfigurations;
use super::operator_state::SavedState;
use super::saved_events::EventsFound;
use super::take_up::HandoverFound;
use crate::admin::rows::{CounterRow, Wall};
use crate::config::LogLevel;
use crate::engine::{DropReason, EngineEvent, IgnoreReason, MemberUse, PuntReason};
use crate::host::HostCounts;
use crate::io::PortStats;
use crate::policy::intent::{InterfaceId, PortId};
use crate::time::{Duration, Instant};
use crate::wire::Mac;
use crate::wire::toeplitz::HashOn;
use crate::worker::arrivals::Arrived;
use crate::worker::counters::{Owned, Total};
use crate::worker::mailbox::WorkerId;
use crate::worker::{CopyCount, Counters};
use std::fmt;
use std::sync::Arc;

/// How a NIC spreads what it receives, as far as its driver says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spreading {
    /// There is one queue only.
    #[default]
    OneQueue,
    /// The driver has no hash.
    Cannot,
    /// In its own way: it does not take our key and table.
    Plain,
    /// As asked.
    By(HashOn),
}

impl fmt::Display for Spreading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Spreading::OneQueue => "unsupported: one queue",
            Spreading::Cannot => "unsupported: by the driver",
            Spreading::Plain => "driver default",
            Spreading::By(HashOn::Source) => "by source",
            Spreading::By(HashOn::Destination) => "by destination",
            Spreading::By(HashOn::Both) => "symmetric",
        })
    }
}

/// A NIC as it was found at start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortFacts {
    /// The driver's name.
    pub driver: String,
    /// What its firmware calls itself; `None`: the driver does not say.
    pub firmware: Option<String>,
    /// Receive queues in use.
    pub rx_queues: u16,
    /// Transmit queues in use.
    pub tx_queues: u16,
    /// How it spreads what it receives over the queues.
    pub spreading: Spreading,
}

/// What can happen to a NIC, beside its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceEvent {
    /// It was reset, and its queues are dead.
    Reset,
    /// It was taken away.
    Removed,
}

/// What is read of a NIC now and then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortCounters {
    /// How often its link was reported to have changed.
    pub link_changes: u64,
    /// How often it was reset.
    pub resets: u64,
    /// How often it was taken away.
    pub removals: u64,
    /// Megabits a second now; `None`: the driver does not say.
    pub speed_mbps: Option<u32>,
    /// What it has counted.
    pub stats: PortStats,
    /// Of what workers received, how much arrived where it is decided about; nothing while there is one worker.
    pub arrived: Arrived,
}

/// What is read of an interface's device in the kernel now and then. Counts are since it was first made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostDevice {
    /// Whose it is.
    pub interface: InterfaceId,
    /// What the kernel calls it.
    pub name: String,
    /// What is wrong with it, in words; `None`: nothing.
    pub trouble: Option<String>,
    /// The kernel sees a carrier.
    pub carrier: bool,
    /// What has passed through it.
    pub counts: HostCounts,
}

/// What is read of a worker now and then.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorkerCounters {
    /// Of the last second, the part spent on packets, 0 to 100.
    pub busy_percent: f64,
    /// What it has counted since the start.
    pub counters: Counters,
}

impl WorkerCounters {
    /// Everything it has counted, by name; `worker` is left to the reader.
    pub fn rows(&self) -> impl Iterator<Item = CounterRow> {
        let counters = &self.counters;
        let totals = Total::ALL.iter().map(|t| counter("", t.name(), counters.total(*t), t.explanation()));
        let drops = DropReason::ALL.iter().map(|r| counter("drop_", r.name(), counters.drops(*r), r.explanation()));
        let ignored =
            IgnoreReason::ALL.iter().map(|r| counter("ignored_", r.name(), counters.ignores(*r), r.explanation()));
        let punts = PuntReason::ALL.iter().map(|r| counter("punt_", r.name(), counters.punts(*r), r.explanation()));
        let events = EngineEvent::ALL.iter().map(|r| counter("event_", r.name(), counters.events(*r), r.explanation()));
        let copies = CopyCount::ALL.iter();
        let copies = copies.map(|it| counter("redelivery_", it.name(), counters.copies(*it), it.explanation()));
        totals.chain(copies).chain(drops).chain(ignored).chain(punts).chain(events)
    }
}

pub(super) fn counter(prefix: &str, name: &str, value: u64, explanation: &str) -> CounterRow {
    CounterRow { name: format!("{prefix}{name}"), value, explanation: explanation.into(), worker: None }
}

/// Reads counters. Called seldom, from the management core; must not wait.
pub trait CounterSource: Send {
    /// A worker's.
    fn worker(&self, worker: WorkerId) -> WorkerCounters;
    /// What each member has of its traffic; `None`: that is not known.
    fn members(&self, worker: WorkerId) -> Option<Arc<MemberUse>>;
    /// What it counts by whose it is; `None`: that is not known.
    fn owned(&self, worker: WorkerId) -> Option<Owned>;
    /// A NIC's.
    fn port(&self, port: PortId) -> PortCounters;
    /// When a worker began its latest turn; `None`: that is not known.
    fn latest_turn(&self, worker: WorkerId) -> Option<Instant>;
    /// The kernel's devices.
    fn hosts(&self) -> Vec<HostDevice>;
    /// Frames for devices of the kernel's that had just been taken away.
    fn host_frames_unclaimed(&self) -> u64;
    /// Lines of the log that could not be written.
    fn log_lines_lost(&self) -> u64;
    /// Frames made by management that no worker could take.
    fn frames_unsent(&self) -> u64;
}

/// What the controller is started with, and never changes.
pub struct Machine {
    /// Our MAC on each port, in the order of the intent.
    pub macs: Vec<Mac>,
    /// What each port is, likewise.
    pub ports: Vec<PortFacts>,
    /// How many workers there are.
    pub workers: usize,
    /// Who can read counters.
    pub counters: Box<dyn CounterSource>,
    /// The lowest severity that is logged at the start.
    pub log: LogLevel,
    /// When the process started.
    pub began: Instant,
    /// What the calendar, as it is set now, says of [`Instant::ZERO`].
    pub start: Wall,
    /// What the operator had set before, and where that is kept; `None`: it is not. Taken at the start.
    pub saved: Option<SavedState>,
    /// The configurations that were in force before, and where they are kept; `None`: they are not. Taken at the start.
    pub configurations: Option<SavedConfigurations>,
    /// The events and switchovers of before, and where they are kept; `None`: they are not. Taken at the start.
    pub events: Option<EventsFound>,
    /// What the process before has left; `None`: nothing. Taken at the start.
    pub handover: Option<HandoverFound>,
}

impl Machine {
    /// That moment by the calendar as it is set now.
    pub fn wall(&self, at: Instant) -> Wall {
        self.start.plus(at.since(Instant::ZERO))
    }

    /// For how long the process has run.
    pub fn uptime(&self, now: Instant) -> Duration {
        now.since(self.began)
    }

    /// The workers.
    pub fn workers(&self) -> impl Iterator<Item = WorkerId> + use<> {
        (0..self.workers).map(|worker| WorkerId(worker as u16))
    }
}
