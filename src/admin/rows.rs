//! The rows of the answers: what each table holds, its units and its words.
//!
//! Owns the JSON of every answer. Both ends use these types: the controller fills them, the command prints them.
//! Points in time are RFC 3339 texts in UTC ([`Wall`]); spans carry their unit in the name.

pub use super::configurations::AwaitedRow;
pub use super::events::{AcknowledgedRow, AlarmRow, EventRow, EventsPage};
pub use super::latency::{Bucket, LatencyRow, Spread};
pub use super::sip::{SipCountRow, SipRefreshRow, SipReport, SipRow};
pub use super::traffic::{TrafficRates, TrafficRow};
pub use super::wall::Wall;
pub use super::words::{
    AdminState, Advertise, Cause, Choice, ConfigurationCause, DrainState, DrillState, Fitness, Forecast, Link,
    MemberState, NeighbourState, Origin, ProbeResult, Role, RoleCause, RouteKind, ServiceLoss, SettingKind, SipSide,
    TrafficOf, VirtualServerState,
};

use super::pair::PairReport;
pub use crate::config::{Change, ChangeKind, LogLevel};
use crate::wire::Tuple;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddrV4};

/// One screen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Fairlead's version.
    pub version: String,
    /// The appliance's name.
    pub name: String,
    /// Seconds since it started.
    pub uptime_s: u64,
    /// The epoch that every worker has installed.
    pub epoch: u64,
    /// The workers.
    pub workers: Vec<WorkerRow>,
    /// The NICs.
    pub ports: Vec<PortRow>,
    /// The virtual servers.
    pub virtual_servers: Vec<VirtualServerRow>,
    /// The latest switchover, if there was one.
    pub last_switchover: Option<SwitchoverRow>,
    /// What an operator should look at.
    pub alarms: Vec<AlarmRow>,
    /// Which configuration is in force, and how the last reload ended.
    #[serde(default)]
    pub configuration: InForceRow,
    /// In how many things the appliance differs from its file because the operator said so: the rows of `state-show`.
    #[serde(default)]
    pub settings: u64,
    /// The configuration that waits for a confirmation, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaited: Option<AwaitedRow>,
    /// What it is in its pair, if it is in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pair: Option<PairReport>,
}

/// The configuration that is in force, and how the last attempt to put another one in its place ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForceRow {
    /// The first 16 hexadecimal digits of the SHA-256 of its text, all files of it included.
    pub digest: String,
    /// When a configuration was last taken over or refused. The start counts as one that was taken over.
    pub last_reload: Wall,
    /// It was taken over.
    pub last_reload_successful: bool,
}

/// A worker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkerRow {
    /// Its place in `[cores] workers`.
    pub id: u16,
    /// The core it is pinned to.
    pub core: u16,
    /// Of the last second, the part spent on packets, 0 to 100.
    pub busy_percent: f64,
    /// Frames received since the start.
    pub rx: u64,
    /// Frames sent since the start.
    pub tx: u64,
    /// Frames dropped since the start.
    pub dropped: u64,
    /// Background traffic of the link since the start, which is no loss.
    pub ignored: u64,
    /// Flows in its table now.
    pub flows: u64,
    /// How many it may have.
    #[serde(default)]
    pub flows_max: u64,
    /// Fragments that wait for the rest of their datagrams now.
    #[serde(default)]
    pub fragments: u64,
    /// How many may.
    #[serde(default)]
    pub fragments_max: u64,
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRow {
    /// Its name.
    pub name: String,
    /// Its pool's name.
    pub pool: String,
    /// Its physical address.
    pub address: Ipv4Addr,
    /// What its monitors say.
    pub state: MemberState,
    /// What the operator lets it do, else the file.
    pub admin: AdminState,
    /// What the file lets it do.
    #[serde(default)]
    pub admin_file: AdminState,
    /// What it does for its pool.
    pub role: Role,
    /// Why it is in that state.
    pub reason: String,
    /// Since when.
    pub since: Wall,
    /// Its monitors.
    pub probes: Vec<MemberProbe>,
    /// Its flows now, over all workers: TCP of service ports, and all that it opened outward; where members share the work, UDP too, and
    /// what `persistence` keeps with it: calls, or addresses.
    pub flows: u64,
    /// Those of them that are TCP connections.
    #[serde(default)]
    pub tcp_connections: u64,
    /// Flows of those who call it at its own address.
    #[serde(default)]
    pub direct: u64,
    /// Milliseconds since a datagram of a service port came from it or went to it; zero while it is active, since these have no
    /// flows; `None`: there was none since the start, or the members share the work, where each peer has a flow.
    #[serde(default)]
    pub udp_idle_ms: Option<u64>,
    /// Milliseconds since a datagram came from a service port of it whose requests are delivered again (`redeliver`); `None`: none has
    /// since the start.
    #[serde(default)]
    pub spoke_ms: Option<u64>,
    /// It is drained and has nothing left: it does not take what is new, has no flows, and in a pair 32 s have passed since the last
    /// datagram of a service port. Who calls it at its own address is not asked.
    #[serde(default)]
    pub drained: bool,
    /// When it is drained for a time: when it is taken offline, if another member is up then.
    #[serde(default)]
    pub drain_until: Option<Wall>,
    /// How many seconds that is from now; zero: its time is up, and no other member is.
    #[serde(default)]
    pub drain_left_s: Option<u64>,
    /// Its connections to service ports; `None`: it has neither a `connection_limit` nor a `connection_rate_limit`.
    #[serde(default)]
    pub connections: Option<ConnectionsRow>,
}

/// The connections of a member, or of a virtual server, that has a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionsRow {
    /// Those that stand now, over all workers.
    pub now: u64,
    /// So many may stand at a time; `None`: there is no such limit.
    pub limit: Option<u64>,
    /// So many may begin in a second; `None`: there is no such limit.
    pub rate_limit: Option<u64>,
}

/// A monitor of a member, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberProbe {
    /// The monitor's name.
    pub monitor: String,
    /// What it says.
    pub state: MemberState,
    /// The latest round-trip time, in microseconds, until the loop iteration of the worker that received the answer; `None`: never answered.
    pub last_rtt_us: Option<u64>,
    /// What the latest probe came to, such as `200 OK`, or `no answer in 400ms`.
    pub reason: String,
}

/// A monitor of a member, at length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeRow {
    /// The member's name.
    pub member: String,
    /// Its pool's name.
    pub pool: String,
    /// The monitor's name.
    pub monitor: String,
    /// What it asks, such as `sip/udp 5060`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it says.
    pub state: MemberState,
    /// What the latest probe came to.
    pub reason: String,
    /// Since when the state stands.
    pub since: Wall,
    /// The latest round-trip time, in microseconds, until the loop iteration of the worker that received the answer; `None`: never answered.
    pub last_rtt_us: Option<u64>,
    /// Probes sent since the start.
    pub sent: u64,
    /// Those that succeeded.
    pub ok: u64,
    /// Those that did not.
    pub failed: u64,
}

/// A virtual server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualServerRow {
    /// Its name.
    pub name: String,
    /// The virtual IP.
    pub address: Ipv4Addr,
    /// Its service ports, such as `udp/5060`.
    pub listen: Vec<String>,
    /// Its pool's name.
    pub pool: String,
    /// Whether clients are served.
    pub state: VirtualServerState,
    /// The active member's name; `None` as well where several are active.
    pub active: Option<String>,
    /// The names of all active members: one at most, unless the pool's members share the work.
    #[serde(default)]
    pub active_members: Vec<String>,
    /// How many members the pool has.
    #[serde(default)]
    pub members: u64,
    /// Who chose it.
    pub choice: Choice,
    /// Why this member, or why none.
    pub reason: String,
    /// Since when.
    pub since: Wall,
    /// When routing daemons are told of its address, as the file says.
    #[serde(default = "never")]
    pub advertise: Advertise,
    /// Since when its address stands where they see it; `None`: it does not.
    #[serde(default)]
    pub advertised_since: Option<Wall>,
    /// Its connections, with whichever member; `None`: it has neither a `connection_limit` nor a `connection_rate_limit`.
    #[serde(default)]
    pub connections: Option<ConnectionsRow>,
}

fn never() -> Advertise {
    Advertise::Never
}

/// What one probe of a member came to, of the last 32 of each monitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastProbeRow {
    /// The monitor's name.
    pub monitor: String,
    /// What it asks, such as `sip/udp 5060`.
    pub kind: String,
    /// When it ended.
    pub time: Wall,
    /// What it came to.
    pub result: ProbeResult,
    /// From the question to a good answer.
    pub rtt_us: Option<u64>,
    /// What was said, such as `200 OK`.
    pub reason: String,
}

/// Both ends of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ends {
    /// Source address and port. An echo identifier stands as the port of the side that asks; the other has 0.
    pub src: SocketAddrV4,
    /// Destination address and port, likewise.
    pub dst: SocketAddrV4,
}

impl From<Tuple> for Ends {
    fn from(tuple: Tuple) -> Ends {
        Ends {
            src: SocketAddrV4::new(tuple.src.addr, tuple.src.port),
            dst: SocketAddrV4::new(tuple.dst.addr, tuple.dst.port),
        }
    }
}

/// A flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowRow {
    /// Whose table it is in.
    pub worker: u16,
    /// What it is called as long as it lives, such as `0-17.3`: the worker, a place in its table, and how many flows have had that place.
    /// Captured packets of both directions say it.
    pub flow: String,
    /// What kind of traffic: `service`, `outbound`, `hairpin` or `routed`.
    pub path: String,
    /// `tcp`, `udp` or `icmp`.
    pub protocol: String,
    /// The packet that opened it, as it was received.
    pub original: Ends,
    /// The same packet, as it was sent.
    pub translated: Ends,
    /// The member it belongs to.
    pub member: Option<String>,
    /// Its state in words, such as `established`; of a TCP connection whose opener alone was heard `opening`, and `answered` once its
    /// SYN-ACK has passed.
    pub state: String,
    /// Milliseconds since the last packet.
    pub idle_ms: u64,
    /// Milliseconds until it expires without another packet.
    pub expires_in_ms: u64,
    /// Packets and bytes that have left, in the direction of the packet that opened it; absent where `[limits] flow_counters` is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<FlowCount>,
    /// The same of the other direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<FlowCount>,
}

/// What one direction of a flow has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowCount {
    /// Packets.
    pub packets: u64,
    /// Bytes from the IP header on.
    pub bytes: u64,
}

/// How many there are of what is listed up to a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    /// So many, those that are listed among them.
    pub count: u64,
    /// `false`: at least so many; not every worker had looked at all of its own in time.
    pub exact: bool,
}

/// The answer to `flows clear`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cleared {
    /// Flows cleared.
    pub count: u64,
}

/// The ports of one SNAT address for one protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnatRow {
    /// The pool's name.
    pub pool: String,
    /// The source address given.
    pub address: Ipv4Addr,
    /// `tcp`, `udp` or `icmp` (whose ports are echo identifiers).
    pub protocol: String,
    /// Ports in use now: of those from 1024 on; of ICMP, all identifiers.
    pub used: u64,
    /// The most that were at once since the start, looked at once a second.
    pub peak: u64,
    /// Ports still free, likewise.
    pub free: u64,
    /// Whether they will run out, at the rate of the last minutes.
    pub forecast: Forecast,
    /// Seconds until none is free, at that rate; `None`: it will not come to that.
    pub exhausted_in_s: Option<u64>,
    /// Allocations that failed because none was free, since the start.
    pub exhausted: u64,
    /// Prefixes in the exclusion group.
    pub excluded: u64,
}

/// A prefix of an exclusion group, or one of the file's that the operator has removed from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExcludeRow {
    /// The pool's name.
    pub pool: String,
    /// Destinations that see the members' own addresses.
    pub prefix: Ipv4Net,
    /// Who put it there.
    pub origin: Origin,
}

/// A host on the link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighbourRow {
    /// The interface's name.
    pub interface: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Its MAC, such as `02:00:00:00:00:01`, once known.
    pub mac: Option<String>,
    /// What is known of it.
    pub state: NeighbourState,
    /// What it is to us, such as `member sip-a` or `router`; empty: nothing in particular.
    pub role: String,
    /// Since when the state stands.
    pub since: Wall,
}

/// What `announce` did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announced {
    /// Addresses of ours on links that are up.
    pub addresses: u64,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteRow {
    /// Destinations.
    pub to: Ipv4Net,
    /// The next hop; `None`: the destination itself.
    pub via: Option<Ipv4Addr>,
    /// The interface's name.
    pub interface: String,
    /// Where it comes from.
    pub kind: RouteKind,
    /// What is known of the next hop.
    pub next_hop: Option<NeighbourState>,
    /// The next hop's MAC, if it is known.
    pub mac: Option<String>,
    /// What the kernel says of it; `None`: it is no route of the kernel's.
    pub learned: Option<LearnedRow>,
}

/// What the kernel says of a route. One with several next hops has a row for each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LearnedRow {
    /// Who has made it, such as `bgp`; a number where that has no name.
    pub protocol: String,
    /// Of two routes to the same the smaller one counts.
    pub metric: u32,
    /// The next hop's share among those of the route.
    pub weight: u16,
    /// The kernel would send packets to the next hop: it is not dead, and its device has a link.
    pub usable: bool,
    /// Packets go by it, if its next hop answers ARP: no other route to the same is preferred, and the next hop is a router on a network
    /// of the interface.
    pub used: bool,
    /// Since when the kernel has it no longer, without having deleted it; `None`: it has.
    pub stale: Option<Wall>,
}

/// An interface, and its device in the kernel, if it has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceRow {
    /// Its name.
    pub name: String,
    /// The name of its port.
    pub port: String,
    /// Its 802.1Q tag; `None`: untagged.
    pub vlan: Option<u16>,
    /// Largest IP datagram sent on it, in bytes.
    pub mtu: u16,
    /// Self-IPs, each with the length of its network.
    pub addresses: Vec<Ipv4Net>,
    /// The device.
    pub host: Option<HostRow>,
}

/// The kernel's device of an interface. Counts are since it was first wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRow {
    /// What the kernel calls it.
    pub name: String,
    /// The kernel sees a carrier.
    pub carrier: bool,
    /// What is wrong with it.
    pub trouble: Option<String>,
    /// Frames that the kernel has taken.
    pub to_kernel_frames: u64,
    /// Their bytes.
    pub to_kernel_bytes: u64,
    /// Frames that the kernel has sent.
    pub from_kernel_frames: u64,
    /// Their bytes.
    pub from_kernel_bytes: u64,
    /// Frames that the kernel did not take: the device was gone or down.
    pub refused_frames: u64,
    /// Frames of the kernel's that no worker could take in time.
    pub lost_frames: u64,
}

/// A NIC. Counts are since the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRow {
    /// Its name.
    pub name: String,
    /// The device as the file names it.
    pub device: String,
    /// DPDK's driver.
    pub driver: String,
    /// What its firmware calls itself; `None`: the driver does not say.
    #[serde(default)]
    pub firmware: Option<String>,
    /// Its MAC.
    pub mac: String,
    /// Its link.
    pub link: Link,
    /// Changes of the link that the driver or the interface beneath has reported, those between two looks included.
    pub link_changes: u64,
    /// Resets of the device by its driver or by the host that lends it; it works again after a restart.
    pub resets: u64,
    /// Removals of the device.
    pub removals: u64,
    /// Megabits a second; `None`: the driver does not say.
    pub speed_mbps: Option<u32>,
    /// Largest IP datagram, in bytes.
    pub mtu: u16,
    /// Receive queues.
    pub rx_queues: u16,
    /// Transmit queues.
    pub tx_queues: u16,
    /// Frames received.
    pub rx_frames: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Frames the NIC dropped because no worker took them in time.
    pub rx_missed: u64,
    /// Frames received with errors.
    pub rx_errors: u64,
    /// Frames sent.
    pub tx_frames: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Frames the NIC failed to send.
    pub tx_errors: u64,
    /// How its queues are chosen: `by source`, `by destination`, `symmetric`, `driver default`, or `unsupported` with the
    /// reason.
    pub rss: String,
    /// Frames that belong to one worker, where there are several.
    pub arrived: u64,
    /// Of these, frames that another worker had to be handed.
    pub handed_off: u64,
    /// What the two say of it, in words; `None` while too little has arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judgement: Option<String>,
}

/// A counter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterRow {
    /// Its name, such as `drop_no_flow`: small letters, digits and underscores.
    pub name: String,
    /// Since the start.
    pub value: u64,
    /// What it counts.
    pub explanation: String,
    /// Whose it is; `None`: the management core's, or the sum of all workers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<u16>,
}

/// A change of a pool's active member. The seven marks are microseconds since the host started, so that their
/// differences are the spans between them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchoverRow {
    /// Milliseconds since it was decided, whatever was done to the calendar meanwhile.
    pub age_ms: u64,
    /// When it was decided.
    pub time: Wall,
    /// The pool's name.
    pub pool: String,
    /// Who was active.
    pub from: Option<String>,
    /// Who is since.
    pub to: Option<String>,
    /// What brought it about.
    pub cause: Cause,
    /// Why.
    pub reason: String,
    /// The last good answer of the one who was active to the monitors whose failure decided; `None`: there was none, or it
    /// was no monitor that decided.
    #[serde(rename = "last_good_answer_us")]
    pub last_good_answer: Option<u64>,
    /// When the first of the probes was sent that the one who was active did not answer, or refused, and that decided; `None`: it was
    /// no monitor that decided.
    #[serde(rename = "first_failed_probe_us")]
    pub first_failed_probe: Option<u64>,
    /// When the one who was active was found lost; `None`: it was not.
    #[serde(rename = "lost_us")]
    pub lost: Option<u64>,
    /// When the one who is active since was found up; `None`: it was not.
    #[serde(rename = "up_us")]
    pub up: Option<u64>,
    /// When it was decided.
    #[serde(rename = "detected_us")]
    pub detected: u64,
    /// The new snapshot was handed to the workers; `None`: not yet.
    #[serde(rename = "published_us")]
    pub published: Option<u64>,
    /// The last worker uses it; `None`: not yet.
    #[serde(rename = "installed_us")]
    pub installed: Option<u64>,
    /// SIP requests that the one who was active had not answered, delivered to the one who is since; final some two seconds later.
    pub redelivered: u64,
    /// Such requests that had been kept and were too old by then (`redeliver`).
    pub redelivery_too_old: u64,
    /// Such requests that had been kept and were gone by then, to make room for others, or since more answers came than are read.
    pub redelivery_no_room: u64,
}

/// The answer to `log-level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logging {
    /// The lowest severity that is logged now.
    pub level: LogLevel,
    /// What the file says.
    pub file: LogLevel,
}

/// Something in which the appliance differs from its file because the operator said so. It outlives a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingRow {
    /// Of what kind it is.
    pub kind: SettingKind,
    /// The pool's name.
    pub pool: String,
    /// A member's name, or a prefix.
    pub what: String,
    /// As it is, in words: `offline`, `forced active`, `not excluded`.
    pub setting: String,
    /// As the file has it.
    pub file: String,
    /// Since when.
    pub since: Wall,
}

/// The answer to `state-lines`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateLines {
    /// What to write into the file so that it says the same; comments for what it has no key for. Empty: it does.
    pub lines: Vec<String>,
}

/// The answer to `reload`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// What is different from before, in the order of the file. Empty: nothing.
    pub changes: Vec<Change>,
    /// Where the appliance still differs from the file, because the operator said so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<SettingRow>,
    /// The number of the configuration in force.
    #[serde(default)]
    pub number: u64,
    /// Within how many seconds it must be confirmed; absent: it need not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm_within_s: Option<u64>,
    /// The file is not what is in force.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub differs_from_file: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::health::State;

    #[test]
    fn a_member_row_has_the_keys_of_the_manual() {
        let row = MemberRow {
            name: "sip-a".into(),
            pool: "pair-1".into(),
            address: Ipv4Addr::new(10, 20, 0, 11),
            state: State::Up.into(),
            admin: AdminState::Enabled,
            admin_file: AdminState::Enabled,
            role: Role::Active,
            reason: "200 OK".into(),
            since: Wall(0),
            probes: vec![MemberProbe {
                monitor: "sip-options".into(),
                state: MemberState::Up,
                last_rtt_us: Some(412),
                reason: "200 OK".into(),
            }],
            flows: 3,
            tcp_connections: 1,
            direct: 2,
            udp_idle_ms: None,
            spoke_ms: Some(7),
            drained: false,
            drain_until: Some(Wall(60_000_000)),
            drain_left_s: Some(60),
            connections: Some(ConnectionsRow { now: 1, limit: Some(100), rate_limit: None }),
        };
        let text = serde_json::to_string(&row).unwrap();
        assert_eq!(
            text,
            r#"{"name":"sip-a","pool":"pair-1","address":"10.20.0.11","state":"up","admin":"enabled","admin_file":"enabled","role":"active","reason":"200 OK","since":"1970-01-01T00:00:00.000000Z","probes":[{"monitor":"sip-options","state":"up","last_rtt_us":412,"reason":"200 OK"}],"flows":3,"tcp_connections":1,"direct":2,"udp_idle_ms":null,"spoke_ms":7,"drained":false,"drain_until":"1970-01-01T00:01:00.000000Z","drain_left_s":60,"connections":{"now":1,"limit":100,"rate_limit":null}}"#
        );
        assert_eq!(serde_json::from_str::<MemberRow>(&text).unwrap(), row);
    }
}
