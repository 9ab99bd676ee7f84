//! What an operator may ask, parsed and typed.
//!
//! Owns the request line: `{"id":1,"command":"pool-force","args":{"pool":"pair-1","member":"sip-a"}}`. What may stand in
//! it is [`Request`] and nothing else: serde reads and writes it, and refuses what it does not know. Names are not
//! resolved here: only the controller knows what exists.

use super::answer::{AdminError, Answer, Code};
pub use super::capture::CaptureAsked;
pub use super::events::COMMENT_MAX;
use super::events::EventRow;
pub use super::words::{AdminState, TcpFlag, Transport};
use crate::config::{LogLevel, parse_prefix, visible};
use crate::events::EventName;
use ipnet::Ipv4Net;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use tokio::sync::{mpsc, oneshot};

/// Rows that `flows` answers with when no limit is given.
pub const FLOWS_DEFAULT: usize = 1000;
/// Rows that `flows` answers with at most.
pub const FLOWS_MAX: usize = 100_000;
/// Seconds that a drill may take at most.
pub const DRILL_MAX: u64 = 3_600;
/// Seconds for which a member may be drained at most: 30 days.
pub const DRAIN_MAX: u64 = 30 * 86_400;
/// Seconds for which a configuration may wait for its confirmation at most.
pub const CONFIRM_MAX: u64 = 86_400;
/// Longest file that a request carries, in bytes: written as JSON it is longer.
pub const FILE_MAX: usize = 8 << 20;
/// Longest name of a member, a pool or a virtual server that is looked up, in bytes.
pub const NAME_MAX: usize = 255;

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
    /// SNAT addresses and the use of their ports.
    Snat {},
    /// The ARP table.
    Neighbours {},
    /// The routing table.
    Routes {},
    /// The NICs.
    Ports {},
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
    /// Add a prefix to it; the answer is the whole group.
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
            | Request::Counters { .. }
            | Request::Switchovers {}
            | Request::Alarms {}
            | Request::Events { .. }
            | Request::EventsFollow { .. }
            | Request::Sip {}
            | Request::DrainReport { .. }
            | Request::DrillPlan { .. }
            | Request::DrillReport { .. }
            | Request::ExcludeList { .. }
            | Request::ProbeHistory { .. }
            | Request::StateShow {}
            | Request::StateLines {}
            | Request::Diff { .. }
            | Request::SavePlan {}
            | Request::History {}
            | Request::HistoryShow { .. } => false,
            Request::Latency { reset } => *reset,
            Request::LogLevel { level } => level.is_some(),
            // Whoever captures reads what others say.
            Request::Capture(_)
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
        Request::Reload { confirm_s: None, max_impact: None }
    }
}

/// How much a packet that is asked about can say, in bytes.
pub const CONTENT_MAX: usize = 65_000;

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

/// A request line, parsed as far as it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Comes back with each line of the answer; 0 where the line does not say.
    pub id: u64,
    /// What is asked, or what is wrong with it.
    pub request: Result<Request, AdminError>,
}

impl Line {
    /// Reads one line, without its line feed. Never fails as a whole: the client learns what is wrong with it. `args` may
    /// be left out where every argument may.
    pub fn parse(bytes: &[u8]) -> Line {
        let mut object: Map<String, Value> = match serde_json::from_slice(bytes) {
            Ok(object) => object,
            Err(why) => return Line { id: 0, request: Err(not_an_object(&why)) },
        };
        let id = match object.remove("id") {
            None => 0,
            Some(id) => match id.as_u64() {
                Some(id) => id,
                None => return Line { id: 0, request: Err(bad_request(&format!("`id` is {id}, not a whole number"))) },
            },
        };
        let sound = names(object.entry("args").or_insert_with(|| Value::Object(Map::new())));
        let read = || Request::deserialize(Value::Object(object)).map_err(|why| why.to_string());
        Line { id, request: sound.and_then(|()| read()).map_err(|why| bad_request(&why)) }
    }
}

/// The texts among arguments, which are names mostly, are such as can be looked up.
fn names(args: &Value) -> Result<(), String> {
    match args {
        Value::String(name) if name.is_empty() => Err("a name is empty".into()),
        Value::String(name) if name.len() > NAME_MAX => {
            Err(format!("a name has {} bytes, at most {NAME_MAX} are allowed", name.len()))
        }
        // Of a file the line's own length is the limit; what a packet says has one of its own.
        Value::Object(fields) => {
            let is_name = |key: &str| key != "text" && key != "content";
            fields.iter().filter(|(key, _)| is_name(key)).try_for_each(|(_, value)| names(value))
        }
        _ => Ok(()),
    }
}

const fn flows_default() -> usize {
    FLOWS_DEFAULT
}

fn flows_limit<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    let limit = usize::deserialize(from)?;
    if !(1..=FLOWS_MAX).contains(&limit) {
        return Err(D::Error::custom(format!("`limit` is {limit}: write a number from 1 to {FLOWS_MAX}")));
    }
    Ok(limit)
}

fn drain_time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let seconds = Option::deserialize(from)?;
    if seconds.is_some_and(|seconds| !(1..=DRAIN_MAX).contains(&seconds)) {
        let shown = seconds.unwrap_or_default();
        return Err(D::Error::custom(format!("`for_s` is {shown}: write a number from 1 to {DRAIN_MAX}")));
    }
    Ok(seconds)
}

fn confirm_time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let seconds = Option::deserialize(from)?;
    if seconds.is_some_and(|seconds| !(1..=CONFIRM_MAX).contains(&seconds)) {
        let shown = seconds.unwrap_or_default();
        return Err(D::Error::custom(format!("`confirm_s` is {shown}: write a number from 1 to {CONFIRM_MAX}")));
    }
    Ok(seconds)
}

fn comment<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let comment: Option<String> = Option::deserialize(from)?;
    match comment.as_ref().map_or(0, String::len) {
        length if length > COMMENT_MAX => {
            Err(D::Error::custom(format!("`comment` has {length} bytes: write at most {COMMENT_MAX}")))
        }
        _ => Ok(comment),
    }
}

fn drill_time<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let seconds = u64::deserialize(from)?;
    if !(1..=DRILL_MAX).contains(&seconds) {
        return Err(D::Error::custom(format!("`back_after_s` is {seconds}: write a number from 1 to {DRILL_MAX}")));
    }
    Ok(seconds)
}

fn prefix<'de, D: Deserializer<'de>>(from: D) -> Result<Ipv4Net, D::Error> {
    let text = String::deserialize(from)?;
    parse_prefix(&text).map_err(|why| D::Error::custom(format!("`{}`: {why}", shortened(&text))))
}

fn not_an_object(why: &serde_json::Error) -> AdminError {
    let (example, why) = (r#"{"id":1,"command":"status"}"#, shortened(&why.to_string()));
    AdminError::new(Code::BadJson, format!("not a JSON object on one line, such as {example}: {why}"))
}

fn bad_request(why: &str) -> AdminError {
    AdminError::new(Code::BadRequest, format!("bad request: {}", shortened(why)))
}

/// A client's own text in an answer to it: of bounded length, and free of control characters.
fn shortened(text: &str) -> String {
    const MOST: usize = 500;
    let mut short: String = visible(text).chars().take(MOST).collect();
    if text.chars().nth(MOST).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str) -> (u64, Code, String) {
        let Line { id, request } = Line::parse(line.as_bytes());
        let error = request.expect_err(line);
        (id, error.code, error.message)
    }

    #[test]
    fn a_request_is_written_as_it_is_read() {
        let end = |text: &str| text.parse().unwrap();
        let member = || "sip-a".to_owned();
        let net: Ipv4Net = "172.16.1.20/32".parse().unwrap();
        let filter = FlowSelection {
            client: Some(Ipv4Addr::new(172, 16, 5, 5)),
            member: Some(member()),
            virtual_server: Some("sip-1".into()),
        };
        let rows = [
            (r#"{"command":"status","args":{}}"#, Request::Status {}),
            (r#"{"command":"virtual-servers","args":{}}"#, Request::VirtualServers {}),
            (
                r#"{"command":"flows","args":{"filter":{"client":"172.16.5.5","member":"sip-a","virtual-server":"sip-1"},"limit":7}}"#,
                Request::Flows { filter: filter.clone(), limit: 7 },
            ),
            (
                r#"{"command":"flows-clear","args":{"filter":{"client":"172.16.5.5","member":"sip-a","virtual-server":"sip-1"}}}"#,
                Request::FlowsClear { filter },
            ),
            (
                r#"{"command":"explain","args":{"protocol":"tcp","src":"172.16.5.5:40000","dst":"10.20.0.100:5061","flags":["syn"],"from":"sip-a"}}"#,
                Request::Explain(PacketAsked {
                    flags: vec![TcpFlag::Syn],
                    from: Some(member()),
                    ..PacketAsked::between(Transport::Tcp, end("172.16.5.5:40000"), end("10.20.0.100:5061"))
                }),
            ),
            (r#"{"command":"counters","args":{"all":true}}"#, Request::Counters { all: true }),
            (r#"{"command":"announce","args":{}}"#, Request::Announce {}),
            (r#"{"command":"log-level","args":{}}"#, Request::LogLevel { level: None }),
            (r#"{"command":"log-level","args":{"level":"debug"}}"#, Request::LogLevel { level: Some(LogLevel::Debug) }),
            (
                r#"{"command":"member-set","args":{"member":"sip-a","admin":"draining"}}"#,
                Request::MemberSet { member: member(), admin: AdminState::Draining, yes: false, for_s: None },
            ),
            (
                r#"{"command":"member-set","args":{"member":"sip-a","admin":"draining","for_s":1800}}"#,
                Request::MemberSet { member: member(), admin: AdminState::Draining, yes: false, for_s: Some(1_800) },
            ),
            (r#"{"command":"drain-report","args":{"member":"sip-a"}}"#, Request::DrainReport { member: member() }),
            (
                r#"{"command":"member-set","args":{"member":"sip-a","admin":"offline","yes":true}}"#,
                Request::MemberSet { member: member(), admin: AdminState::Offline, yes: true, for_s: None },
            ),
            (
                r#"{"command":"pool-force","args":{"pool":"p","member":"sip-a"}}"#,
                Request::PoolForce { pool: "p".into(), member: member() },
            ),
            (
                r#"{"command":"exclude-add","args":{"pool":"p","prefix":"172.16.1.20/32"}}"#,
                Request::ExcludeAdd { pool: "p".into(), prefix: net },
            ),
        ];
        are_written_as_read(rows);
    }

    fn are_written_as_read<const N: usize>(rows: [(&str, Request); N]) {
        for (line, request) in rows {
            assert_eq!(serde_json::to_string(&request).unwrap(), line);
            assert_eq!(Line::parse(line.as_bytes()).request, Ok(request), "{line}");
        }
    }

    #[test]
    fn a_request_about_events_and_alarms_is_written_as_it_is_read() {
        are_written_as_read([
            (r#"{"command":"alarms","args":{}}"#, Request::Alarms {}),
            (
                r#"{"command":"alarm-acknowledge","args":{"id":17,"comment":"known"}}"#,
                Request::AlarmAcknowledge { id: 17, comment: Some("known".into()) },
            ),
            (
                r#"{"command":"events-follow","args":{"filter":{"event":["member.up"],"pool":"p"},"after":7}}"#,
                Request::EventsFollow {
                    filter: EventSelection { event: vec![EventName::MemberUp], pool: Some("p".into()) },
                    after: Some(7),
                },
            ),
        ]);
    }

    #[test]
    fn a_request_about_configurations_is_written_as_it_is_read() {
        are_written_as_read([
            (r#"{"command":"reload","args":{}}"#, Request::reload()),
            (
                r#"{"command":"reload","args":{"confirm_s":60}}"#,
                Request::Reload { confirm_s: Some(60), max_impact: None },
            ),
            (
                r#"{"command":"reload","args":{"max_impact":0}}"#,
                Request::Reload { confirm_s: None, max_impact: Some(0) },
            ),
            (r#"{"command":"history","args":{}}"#, Request::History {}),
            (r#"{"command":"history-show","args":{"number":3}}"#, Request::HistoryShow { number: 3 }),
            (
                r#"{"command":"rollback","args":{"number":3,"confirm_s":60}}"#,
                Request::Rollback { number: 3, confirm_s: Some(60), max_impact: None },
            ),
            (r#"{"command":"save-plan","args":{}}"#, Request::SavePlan {}),
            (r#"{"command":"confirm","args":{}}"#, Request::Confirm {}),
            (r#"{"command":"diff","args":{}}"#, Request::Diff { name: None, text: None }),
            (
                r#"{"command":"diff","args":{"name":"new.toml","text":"[appliance]\n"}}"#,
                Request::Diff { name: Some("new.toml".into()), text: Some(FileText("[appliance]\n".into())) },
            ),
        ]);
    }

    /// It may be longer than any name.
    #[test]
    fn what_a_packet_says_is_read_as_it_is_written() {
        let end = |text: &str| text.parse().unwrap();
        let packet = PacketAsked {
            content: Some(FileText("SIP/2.0 200 OK\r\n".repeat(100))),
            ..PacketAsked::between(Transport::Udp, end("172.16.5.5:5060"), end("10.20.0.100:5060"))
        };
        let line = serde_json::to_vec(&Request::Explain(packet.clone())).unwrap();
        assert_eq!(Line::parse(&line), Line { id: 0, request: Ok(Request::Explain(packet)) });
    }

    #[test]
    fn what_need_not_be_said_may_be_left_out() {
        let flows = Request::Flows { filter: FlowSelection::default(), limit: FLOWS_DEFAULT };
        let rows = [
            (r#"{"command":"members"}"#, Request::Members {}),
            (r#"{"id":1,"command":"flows"}"#, flows.clone()),
            (r#"{"command":"flows","args":{"filter":{}}}"#, flows),
            (r#"{"command":"latency"}"#, Request::Latency { reset: false }),
            (
                r#"{"args":{"prefix":"172.16.1.20","pool":"p"},"command":"exclude-remove"}"#,
                Request::ExcludeRemove { pool: "p".into(), prefix: "172.16.1.20/32".parse().unwrap() },
            ),
        ];
        for (line, request) in rows {
            assert_eq!(Line::parse(line.as_bytes()).request, Ok(request), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_allowed() {
        let long = format!(r#"{{"command":"probe-now","args":{{"member":"{}"}}}}"#, "m".repeat(256));
        let rows = [
            ("", 0, Code::BadJson, "EOF"),
            ("nonsense", 0, Code::BadJson, "line 1 column"),
            ("[]", 0, Code::BadJson, "map"),
            (r#"{"id":9}"#, 9, Code::BadRequest, "missing field `command`"),
            (r#"{"id":-1,"command":"status"}"#, 0, Code::BadRequest, "-1"),
            (r#"{"id":9,"command":"status","args":[1]}"#, 9, Code::BadRequest, "expected"),
            (r#"{"id":9,"command":"status","arg":{}}"#, 9, Code::BadRequest, "expected \"command\" or \"args\""),
            (
                r#"{"id":9,"command":"stat\u001b[2J"}"#,
                9,
                Code::BadRequest,
                "`stat?[2J`, expected one of `status`, `members`",
            ),
            (r#"{"id":9,"command":"status","args":{"x":1}}"#, 9, Code::BadRequest, "unknown field `x`"),
            (r#"{"id":9,"command":"flows","args":{"x":1}}"#, 9, Code::BadRequest, "expected `filter` or `limit`"),
            (
                r#"{"id":9,"command":"flows","args":{"filter":{"service":"x"}}}"#,
                9,
                Code::BadRequest,
                "expected one of `client`, `member`, `virtual-server`",
            ),
            (r#"{"id":9,"command":"flows","args":{"limit":0}}"#, 9, Code::BadRequest, "from 1 to 100000"),
            (r#"{"id":9,"command":"flows","args":{"filter":{"client":"x"}}}"#, 9, Code::BadRequest, "IPv4"),
            (
                r#"{"id":9,"command":"member-set","args":{"member":"a","admin":"draining","for_s":0}}"#,
                9,
                Code::BadRequest,
                "`for_s` is 0: write a number from 1 to 2592000",
            ),
            (
                r#"{"id":9,"command":"events","args":{"filter":{"event":["member.gone"]}}}"#,
                9,
                Code::BadRequest,
                "unknown variant `member.gone`",
            ),
            (r#"{"id":9,"command":"pool-auto"}"#, 9, Code::BadRequest, "missing field `pool`"),
            (r#"{"id":9,"command":"pool-auto","args":{"pool":""}}"#, 9, Code::BadRequest, "a name is empty"),
            (
                r#"{"id":9,"command":"exclude-add","args":{"pool":"p","prefix":"10.1.0.0/8"}}"#,
                9,
                Code::BadRequest,
                "10.0.0.0/8",
            ),
            (r#"{"id":9,"command":"exclude-add","args":{"pool":"p","prefix":"ten"}}"#, 9, Code::BadRequest, "`ten`"),
            (&long, 0, Code::BadRequest, "256 bytes"),
        ];
        for (line, id, code, part) in rows {
            let (found_id, found_code, message) = refused(line);
            assert_eq!((found_id, found_code), (id, code), "{line}: {message}");
            assert!(message.contains(part), "{line}: {message}");
        }
    }
}
