//! The rows of the status page.
//!
//! Owns the JSON of `/status.json`: one object, of bounded size however much the appliance serves.

use super::events::AlarmRow;
use super::pair::PairReport;
use super::rows::{MemberRow, PortRow, SwitchoverRow, VirtualServerRow, WorkerRow};
use super::wall::Wall;
use serde::{Deserialize, Serialize};

/// Virtual servers in it, at most.
pub const SERVERS_MAX: usize = 200;
/// Members in it, at most.
pub const MEMBERS_MAX: usize = 400;
/// Alarms in it, at most.
pub const ALARMS_MAX: usize = 100;
/// Switchovers in it, at most.
pub const SWITCHOVERS_MAX: usize = 50;

/// What the status page shows, read from the appliance at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// Fairlead's version.
    pub version: String,
    /// The appliance's name.
    pub name: String,
    /// When all of this was read, by the appliance's calendar.
    pub time: Wall,
    /// Seconds since it started.
    pub uptime_s: u64,
    /// The epoch that every worker has installed.
    pub epoch: u64,
    /// What it is in its pair; `None`: it is in none.
    pub pair: Option<PairReport>,
    /// The workers.
    pub workers: Vec<WorkerRow>,
    /// The NICs.
    pub ports: Vec<PortRow>,
    /// 200 virtual servers at most: those that are down first, else in the order of the file.
    pub virtual_servers: Vec<VirtualServerRow>,
    /// How many virtual servers there are.
    pub virtual_servers_count: u64,
    /// How many of them are up.
    pub virtual_servers_up: u64,
    /// How many of them are disabled in the file.
    pub virtual_servers_disabled: u64,
    /// 400 members at most: those that are down and no standby first, then those of the virtual servers above, else in the order of the file.
    pub members: Vec<MemberRow>,
    /// How many members there are.
    pub members_count: u64,
    /// How many of them are up. A standby that opens its port only when it takes over is not.
    pub members_up: u64,
    /// 100 alarms at most: the gravest first, then the oldest.
    pub alarms: Vec<AlarmRow>,
    /// How many alarms there are.
    pub alarms_count: u64,
    /// How many of them somebody has acknowledged.
    #[serde(default)]
    pub alarms_acknowledged: u64,
    /// How many of the others are critical.
    #[serde(default)]
    pub alarms_critical_open: u64,
    /// The last 50 switchovers at most, oldest first.
    pub switchovers: Vec<SwitchoverRow>,
    /// Why frames were dropped: each reason that has occurred, what has most of the last minute first.
    pub drops: Vec<DropRow>,
    /// What has passed in the last ten minutes.
    pub trend: TrendRow,
}

/// A reason for which frames are dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropRow {
    /// Its name, such as `no_flow`.
    pub reason: String,
    /// What it is.
    pub explanation: String,
    /// What may be done about it; `None`: nothing in general.
    pub remedy: Option<String>,
    /// Frames since the start.
    pub frames: u64,
    /// Frames in the last minute, or since the start if that was later.
    pub last_minute_frames: u64,
}

/// How much has passed, and how long it took: one number for each span of `every_ms`, oldest first, as many in each list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrendRow {
    /// Milliseconds that each number stands for.
    pub every_ms: u64,
    /// The end of the last of these spans.
    pub until: Wall,
    /// Frames a second received by all workers.
    pub received_frames_per_s: Vec<u64>,
    /// Frames a second sent.
    pub sent_frames_per_s: Vec<u64>,
    /// Frames a second dropped.
    pub dropped_frames_per_s: Vec<u64>,
    /// Bits a second received, without what a link adds to a frame.
    pub received_bits_per_s: Vec<u64>,
    /// Bits a second sent, likewise.
    pub sent_bits_per_s: Vec<u64>,
    /// Flows at the end of the span.
    pub flows: Vec<u64>,
    /// Forwarding latency, see LatencyRow, that half of the frames did not exceed, in nanoseconds; `None`: none was sent.
    pub forwarding_p50_ns: Vec<Option<u64>>,
    /// That 99 in 100 did not exceed.
    pub forwarding_p99_ns: Vec<Option<u64>>,
    /// The longest.
    pub forwarding_max_ns: Vec<Option<u64>>,
}
