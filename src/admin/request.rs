//! What an operator may ask, parsed and typed.
//!
//! Owns what may stand in a request line, `{"id":1,"command":"pool-force","args":{"pool":"pair-1","member":"sip-a"}}`:
//! [`Request`] and nothing else. Serde reads and writes it, and refuses what it does not know. Names are not resolved
//! here: only the controller knows what exists.

use super::answer::Answer;
pub use super::arguments::{
    CONFIRM_MAX, CONTENT_MAX, DRAIN_MAX, DRILL_MAX, FILE_MAX, FLOWS_DEFAULT, FLOWS_MAX, NAME_MAX,
};
use super::arguments::{comment, confirm_time, drain_time, drill_time, flows_default, flows_limit, prefix};
pub use super::capture::CaptureAsked;
pub use super::events::COMMENT_MAX;
use super::events::EventRow;
pub use super::words::{AdminState, TcpFlag, Transport};
use crate::config::LogLevel;
use crate::events::EventName;
use crate::policy::intent::PairRole;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use tokio::sync::{mpsc, oneshot};

/// What an operator may ask. A change is answered once every worker has installed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", content = "args", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// One screen: a [`Status`](super::rows::Status).
    Status {},
    /// The members of all pools.
    Members {},
    /// The virtual servers.
    VirtualServers {},
    /// Each monitor of each member.
    Probes {},
    /// The flows that match.
    Flows {
        /// Which; empty: all.
        #[serde(default)]
        filter: FlowSelection,
        /// At most so many rows over all workers, 1 to [`FLOWS_MAX`].
        #[serde(default = "flows_default", deserialize_with = "flows_limit")]
        limit: usize,
    },
    /// Clear the flows that match; the answer is a count.
    FlowsClear {
        /// Which; empty: all.
        #[serde(default)]
        filter: FlowSelection,
    },
    /// What would happen to a packet now, and why: an [`Explanation`](super::explain::Explanation). Nothing changes by it.
    Explain(PacketAsked),
    /// Show packets as they pass, from now on: the answer is followed by frames, not by lines, until the client has closed its side.
    Capture(Box<CaptureAsked>),
    /// The recordings of the recorder, oldest first.
    RecorderList {},
    /// Freeze what workers have seen last; the answer is that recording.
    RecorderFreeze {},
    /// The frames of a recording: the answer is followed by them as that to `capture` is.
    RecorderSave {
        /// Its number.
        id: u64,
    },
    /// SNAT addresses and the use of their ports.
    Snat {},
    /// The ARP table.
    Neighbours {},
    /// The routing table.
    Routes {},
    /// The NICs.
    Ports {},
    /// The interfaces, and their devices in the kernel.
    Interfaces {},
    /// The counters.
    Counters {
        /// Also those at zero, and each worker's own.
        #[serde(default)]
        all: bool,
    },
    /// The switchovers, oldest first.
    Switchovers {},
    /// What an operator should look at, oldest first.
    Alarms {},
    /// An operator knows of an alarm; the answer is that alarm.
    AlarmAcknowledge {
        /// Its number.
        id: u64,
        /// What he says of it, at most [`COMMENT_MAX`] bytes.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "comment")]
        comment: Option<String>,
    },
    /// What has happened, oldest first, as far as it is kept.
    Events {
        /// Which; empty: all.
        #[serde(default)]
        filter: EventSelection,
        /// Not what is longer ago than so many seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since_s: Option<u64>,
    },
    /// What has happened after a known event: an [`EventsPage`](super::events::EventsPage); where that is nothing, the answer waits
    /// for it a while.
    EventsFollow {
        /// Which; empty: all.
        #[serde(default)]
        filter: EventSelection,
        /// The number of the known one; absent: the last one, and the answer says at once which that is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
    },
    /// Forwarding latency and loop times, by worker and over all of them.
    Latency {
        /// Start a new measurement after this answer, which is the last of the old one.
        #[serde(default)]
        reset: bool,
    },
    /// What is forwarded for each virtual server and member, and their connections.
    Traffic {},
    /// What the status page shows: an [`Overview`](super::overview::Overview), which does not grow with what is served.
    Overview {},
    /// What was seen of SIP over UDP at service ports, if it is counted.
    Sip {},
    /// Set a member's admin state; the answer is the members of its pool.
    MemberSet {
        /// The member's name.
        member: String,
        /// Its admin state from now on.
        admin: AdminState,
        /// Taken offline even if it is active and no other member is up.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        yes: bool,
        /// With `draining`: seconds after which it is taken offline, if another member is up then, 1 to [`DRAIN_MAX`]; absent: never by
        /// itself.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "drain_time")]
        for_s: Option<u64>,
    },
    /// What a member that is drained has left, and for how long it is.
    DrainReport {
        /// The member's name.
        member: String,
    },
    /// Make this member the active one until `pool-auto`; the answer is the members of the pool.
    PoolForce {
        /// The pool's name.
        pool: String,
        /// The member's name.
        member: String,
    },
    /// Return to automatic selection; the answer is the members of the pool.
    PoolAuto {
        /// The pool's name.
        pool: String,
    },
    /// What a switchover of the pool would move now; nothing is moved.
    DrillPlan {
        /// The pool's name.
        pool: String,
    },
    /// Switch the pool over for practice, and back after a while; the answer is the report so far.
    DrillBegin {
        /// The pool's name.
        pool: String,
        /// Seconds until the member before is active again, 1 to [`DRILL_MAX`].
        #[serde(deserialize_with = "drill_time")]
        back_after_s: u64,
    },
    /// The report of the pool's drill that runs, or of its last one.
    DrillReport {
        /// The pool's name.
        pool: String,
    },
    /// The exclusion group of a pool's SNAT.
    ExcludeList {
        /// The pool's name.
        pool: String,
    },
    /// The exclusion groups of all pools.
    ExcludeLists {},
    /// Add a prefix to the group of a pool's SNAT; the answer is the whole group.
    ExcludeAdd {
        /// The pool's name.
        pool: String,
        /// Destinations, host bits zero.
        #[serde(deserialize_with = "prefix")]
        prefix: Ipv4Net,
    },
    /// Remove a prefix from it; the answer is the whole group.
    ExcludeRemove {
        /// The pool's name.
        pool: String,
        /// Destinations, host bits zero.
        #[serde(deserialize_with = "prefix")]
        prefix: Ipv4Net,
    },
    /// Probe a member now; answered with its probes once every monitor has a result.
    ProbeNow {
        /// The member's name.
        member: String,
    },
    /// What the latest probes of a member came to, oldest first.
    ProbeHistory {
        /// The member's name.
        member: String,
    },
    /// What this appliance is in its pair: a [`PairReport`](super::pair::PairReport).
    Pair {},
    /// It is this from now on, until somebody says something else; the answer is what it is then.
    PairRole {
        /// What.
        role: PairRole,
        /// Even if the other appliance is active and this one does not have what that one knows.
        #[serde(default)]
        yes: bool,
    },
    /// Send the configuration in force to the other appliance of the pair, which takes over what is not its own; the answer is what it has
    /// made of it, as of a reload there.
    PairPush {
        /// It is in force there for so many seconds unless `confirm` comes there, 1 to [`CONFIRM_MAX`]; absent: 300.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "confirm_time")]
        confirm_s: Option<u64>,
        /// Even if this one stands by, and the other one is active.
        #[serde(default)]
        yes: bool,
    },
    /// Whether this appliance is fit to be active: a [`HealthReport`](super::pair::HealthReport).
    Health {},
    /// Announce our addresses on the links that are up, and again as after a start; the answer is their number.
    Announce {},
    /// Change what is logged, at once and until the file's `log` changes or a restart; the answer is what is logged now.
    LogLevel {
        /// The lowest severity from now on; absent: it stays.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        level: Option<LogLevel>,
    },
    /// In what the appliance differs from its file because an operator said so.
    StateShow {},
    /// The lines by which the file would say the same.
    StateLines {},
    /// The file alone counts from now on; the answer is what was dropped.
    StateDrop {},
    /// What a file would change, and what it would do to the flows that stand. Nothing is changed.
    Diff {
        /// What messages call the file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// What the file says; absent: what the appliance's own says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<FileText>,
    },
    /// What has to be written into the file so that it says what an operator has set. Whoever asks writes it, and reloads.
    SavePlan {},
    /// Read the file again, all or nothing; the answer is the differences.
    Reload {
        /// It is in force for so many seconds unless `confirm` comes, 1 to [`CONFIRM_MAX`]; absent: for good.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "confirm_time")]
        confirm_s: Option<u64>,
        /// Refused if it would re-steer or cut more flows than this; absent: whatever it does to them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_impact: Option<u64>,
        /// Even if a pool is left without a member that is up.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        yes: bool,
    },
    /// Keep the configuration that waits for it.
    Confirm {},
    /// The configurations that were in force, oldest first.
    History {},
    /// What the file of one of them said.
    HistoryShow {
        /// Its number.
        number: u64,
    },
    /// Put one of them in force again, as `reload` does; the file is not written.
    Rollback {
        /// Its number.
        number: u64,
        /// As of `reload`.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "confirm_time")]
        confirm_s: Option<u64>,
        /// As of `reload`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_impact: Option<u64>,
        /// Even if a pool is left without a member that is up.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        yes: bool,
    },
}

/// A file that a client has read, or what a packet says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileText(pub String);

impl fmt::Debug for FileText {
    /// How long it is: it may be very long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Request {
    /// It changes something, or has something done: nothing for who may only look. A new request has to decide.
    pub fn changes(&self) -> bool {
        match self {
            Request::Status {}
            | Request::Members {}
            | Request::VirtualServers {}
            | Request::Probes {}
            | Request::Flows { .. }
            | Request::Explain(_)
            | Request::Snat {}
            | Request::Neighbours {}
            | Request::Routes {}
            | Request::Ports {}
            | Request::Interfaces {}
            | Request::Counters { .. }
            | Request::Switchovers {}
            | Request::RecorderList {}
            | Request::Alarms {}
            | Request::Events { .. }
            | Request::EventsFollow { .. }
            | Request::Traffic {}
            | Request::Overview {}
            | Request::Sip {}
            | Request::DrainReport { .. }
            | Request::DrillPlan { .. }
            | Request::DrillReport { .. }
            | Request::ExcludeList { .. }
            | Request::ExcludeLists {}
            | Request::ProbeHistory { .. }
            | Request::StateShow {}
            | Request::Pair {}
            | Request::Health {}
            | Request::StateLines {}
            | Request::SavePlan {}
            | Request::History {}
            | Request::HistoryShow { .. } => false,
            Request::Latency { reset } => *reset,
            Request::LogLevel { level } => level.is_some(),
            // Whoever captures reads what others say.
            Request::Capture(_)
            | Request::RecorderSave { .. }
            // The oldest recording may give way.
            | Request::RecorderFreeze {}
            // All workers look at all of their flows for it, for one at a time.
            | Request::Diff { .. }
            | Request::FlowsClear { .. }
            | Request::AlarmAcknowledge { .. }
            | Request::MemberSet { .. }
            | Request::PoolForce { .. }
            | Request::PoolAuto { .. }
            | Request::DrillBegin { .. }
            | Request::ExcludeAdd { .. }
            | Request::ExcludeRemove { .. }
            | Request::ProbeNow { .. }
            | Request::Announce {}
            | Request::PairRole { .. }
            | Request::PairPush { .. }
            | Request::StateDrop {}
            | Request::Reload { .. }
            | Request::Confirm {}
            | Request::Rollback { .. } => true,
        }
    }

    /// The name of its command.
    pub fn command(&self) -> String {
        let written = serde_json::to_value(self).unwrap_or_default();
        written["command"].as_str().unwrap_or_default().to_owned()
    }

    /// Read the file again; what it says is in force for good.
    pub fn reload() -> Request {
        Request::Reload { confirm_s: None, max_impact: None, yes: false }
    }
}

/// A packet that is asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PacketAsked {
    /// `udp`, `tcp` or `icmp`: a datagram, a segment, an echo request.
    pub protocol: Transport,
    /// Its source. The port of an echo request is its identifier.
    pub src: SocketAddrV4,
    /// Its destination. That of an echo request has port 0.
    pub dst: SocketAddrV4,
    /// Of TCP: its control bits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<TcpFlag>,
    /// The member it comes from, by name: it comes in where that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The interface it comes in on, by name; absent: the one on the way to its source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Of UDP: what it says, at most [`CONTENT_MAX`] bytes; absent: nothing, and where that decides the answer says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<FileText>,
}

impl PacketAsked {
    /// A packet between these ends, of which nothing else is said.
    pub fn between(protocol: Transport, src: SocketAddrV4, dst: SocketAddrV4) -> PacketAsked {
        PacketAsked { protocol, src, dst, flags: Vec::new(), from: None, interface: None, content: None }
    }
}

/// Which flows are meant, by name. Everything that is set must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct FlowSelection {
    /// The outside address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Ipv4Addr>,
    /// The member's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// The virtual server's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_server: Option<String>,
}

/// Which events are meant. Everything that is set must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct EventSelection {
    /// Of one of these names; empty: of any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub event: Vec<EventName>,
    /// About this pool, or a member of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
}

impl EventSelection {
    /// This one is meant.
    pub fn wants(&self, row: &EventRow) -> bool {
        let is_named = self.event.is_empty() || self.event.iter().any(|name| row.is(*name));
        is_named && (self.pool.is_none() || self.pool == row.pool)
    }
}

/// Who asks at the admin socket, as the kernel says (SO_PEERCRED, unix(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The user.
    pub uid: u32,
    /// The process, while it lived.
    pub pid: Option<u32>,
}

/// A request on its way to the controller, with the place for its answer.
#[derive(Debug)]
pub struct Asked {
    /// What is wanted.
    pub request: Request,
    /// By whom; `None`: by Fairlead itself, or that is not known.
    pub by: Option<Peer>,
    /// Where the answer goes. Dropped unanswered, the client learns that the appliance is stopping.
    pub answer: oneshot::Sender<Answer>,
}

/// Puts `request` to the controller. `None`: it is gone.
pub(super) async fn put(controller: &mpsc::Sender<Asked>, request: Request, by: Option<Peer>) -> Option<Answer> {
    let (answer, answered) = oneshot::channel();
    controller.send(Asked { request, by, answer }).await.ok()?;
    answered.await.ok()
}
