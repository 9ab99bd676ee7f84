//! What the operator means, valid by construction.
//!
//! Owns the meaning of the configuration once every name is resolved and every contradiction refused: indices instead
//! of names, durations instead of texts. `config` makes it from a file; nothing here reads one.

mod dscp;
mod monitors;
mod pair;

pub use dscp::Dscp;
pub use monitors::*;
pub use pair::*;

use super::slots::{Id, Lives, Slots};
use super::words::words;
use crate::wire::{Mac, Protocol, VlanId};
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

macro_rules! index {
    ($(#[$doc:meta] $name:ident;)*) => {$(
        #[$doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u16);
        impl $name {
            /// The number as an index.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
        impl From<$name> for usize {
            fn from(id: $name) -> usize {
                id.index()
            }
        }
        impl Id for $name {
            fn of(number: usize) -> $name {
                $name(number as u16)
            }
        }
    )*};
}

/// Pools that a file can have.
pub const POOLS: usize = 4_096;

index! {
    /// An interface of [`Intent::interfaces`].
    InterfaceId;
    /// A pool of [`Intent::pools`].
    PoolId;
    /// A member of [`Intent::members`].
    MemberId;
    /// A monitor of [`Intent::monitors`].
    MonitorId;
    /// A virtual server of [`Intent::virtual_servers`].
    VirtualServerId;
}

/// The place of a `[[port]]` in [`Intent::ports`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId(pub u8);

impl PortId {
    /// The place as an index into a list.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Everything the file says about traffic.
#[derive(Clone, Debug, PartialEq)]
pub struct Intent {
    /// The NICs; a [`PortId`] is a place in this list.
    pub ports: Vec<PortIntent>,
    /// The L3 interfaces.
    pub interfaces: Slots<InterfaceId, Interface>,
    /// Static routes. Networks that are on-link are not among them.
    pub routes: Vec<Route>,
    /// Routes learned while running, of which each lies outside the interfaces' own networks and no two go to the same destinations; of
    /// equal ones the static route counts. Nothing of it is in the file.
    pub learned: Arc<[LearnedRoute]>,
    /// What the file says of hosts on links.
    pub neighbours: Vec<NeighbourEntry>,
    /// The monitors.
    pub monitors: Slots<MonitorId, Monitor>,
    /// The pools.
    pub pools: Slots<PoolId, Pool>,
    /// The members of all pools. An address belongs to one member only.
    pub members: Slots<MemberId, Member>,
    /// The virtual servers.
    pub virtual_servers: Slots<VirtualServerId, VirtualServer>,
    /// What members send outward: at most one row a pool.
    pub snats: Vec<Snat>,
    /// Who may reach members at their own addresses.
    pub direct_access: DirectAccess,
    /// How long an idle flow is kept.
    pub timeouts: Timeouts,
    /// Bounds.
    pub limits: Limits,
    /// What is read of SIP to be counted.
    pub sip: SipStatistics,
    /// The other appliance beside this one; `None`: there is none, and this one is always active.
    pub pair: Option<Pair>,
    /// Since when things have been there; nothing of it is in the file.
    pub lives: Lives,
}

impl Intent {
    /// Every address that what members send is translated to: virtual ones, and those given by SNAT. Some come twice.
    pub fn translated_addresses(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        let virtuals = self.virtual_servers.iter().map(|server| server.address);
        virtuals.chain(self.snats.iter().map(|snat| snat.address))
    }

    /// The MAC of floating addresses on this interface, where it is that of the virtual router (RFC 9568 7.3).
    pub fn virtual_mac(&self, interface: &Interface) -> Option<Mac> {
        let vrid = interface.vrid.filter(|_| self.pair.as_ref().is_some_and(|pair| pair.virtual_mac))?;
        Some(Mac([0x00, 0x00, 0x5e, 0x00, 0x01, u8::try_from(vrid).ok()?]))
    }
}

/// A NIC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortIntent {
    /// The operator's name for it.
    pub name: String,
    /// A PCI address, or a DPDK virtual device with its arguments.
    pub device: String,
    /// Largest IP datagram it carries, in bytes.
    pub mtu: u16,
    /// Receive queues asked for; `None`: as many as there are workers, where the driver can.
    pub queues: Option<u16>,
}

/// An L3 interface: a port, or a VLAN on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The operator's name for it.
    pub name: String,
    /// Its NIC.
    pub port: PortId,
    /// Its 802.1Q tag; `None`: untagged.
    pub vlan: Option<VlanId>,
    /// Self-IPs with the networks they are in. Never empty.
    pub addresses: Vec<Ipv4Net>,
    /// Largest IP datagram sent on it, in bytes; the port's unless said.
    pub mtu: u16,
    /// The largest segment that connections over it may offer, in bytes; `None`: what they like.
    pub mss: Option<u16>,
    /// The kernel device beside the data path that has its MAC, MTU and addresses; `None`: the kernel sees nothing of it.
    pub host: Option<String>,
    /// Addresses of the same networks that belong to whichever appliance of the pair is active.
    pub floating: Vec<Ipv4Net>,
    /// The number of the virtual router there (RFC 9568 5.2.3), which its MAC follows from.
    pub vrid: Option<u16>,
}

/// A static route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Destinations.
    pub to: Ipv4Net,
    /// The next hop.
    pub via: Ipv4Addr,
    /// The interface whose network holds the next hop.
    pub interface: InterfaceId,
}

/// A route that was learned while running, by a routing daemon or an administrator; nothing of it is in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LearnedRoute {
    /// Destinations.
    pub to: Ipv4Net,
    /// Where they go, each with its weight, which is never zero. Never empty, in order, none twice.
    pub hops: Box<[(NextHop, u16)]>,
}

/// An address that a frame is sent to on the link: a host of the network, or a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextHop {
    /// The interface whose network holds it.
    pub interface: InterfaceId,
    /// Its address.
    pub address: Ipv4Addr,
}

/// What the file says of a host on a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeighbourEntry {
    /// The host.
    pub address: Ipv4Addr,
    /// The interface whose network holds it.
    pub interface: InterfaceId,
    /// Where it is, whatever ARP says; `None`: ARP tells.
    pub mac: Option<Mac>,
    /// ARP that moves it is believed at once.
    pub trusted: bool,
}

/// A high-availability pair of SIP Servers, or several servers that share the work.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// The operator's name for it.
    pub name: String,
    /// Its members, in the order of the file. Never empty.
    pub members: Vec<MemberId>,
    /// How they share the work.
    pub mode: Mode,
    /// What goes to one member of several active ones.
    pub persistence: Persistence,
    /// Of several active ones: while fewer of the higher [`Member::priority`] are up, those of the next lower one take part as well.
    pub min_active: usize,
    /// Of several active ones: in what time a member that has come up gets to its whole share; zero: at once.
    pub slow_start: Duration,
    /// What each member is asked.
    pub monitors: Vec<MonitorId>,
    /// How many of the monitors must be good for a member to be up.
    pub require: usize,
    /// Whether a member earlier in the list takes over again once it is up.
    pub fail_back: FailBack,
    /// How long that member must have been up.
    pub fail_back_after: Duration,
    /// When on a day, by UTC, it may take over; `None`: at any time.
    pub fail_back_window: Option<DayWindow>,
    /// What happens to the TCP connections of a member that is lost.
    pub on_down_tcp: OnDownTcp,
    /// What happens to its UDP peers, where several members are active. Those of a pair go to the active member in any case.
    pub on_down_udp: OnDownUdp,
    /// What happens to clients while no member is up.
    pub no_member: NoMember,
    /// A member that goes down so often in [`Pool::flap_window`] is chosen only if nobody else is up; 0: none is held back for that.
    pub flap_count: u32,
    /// See [`Pool::flap_count`].
    pub flap_window: Duration,
    /// For how long it must then go neither up nor down.
    pub flap_quiet: Duration,
    /// A member that was down is chosen only if nobody else is up, until the operator enables it.
    pub manual_resume: bool,
    /// How long a lost member stays the target before `no_member` rejects or drops, while another may come up.
    pub gap: Duration,
}

/// A pool without members, and of whose other keys the file holds none.
impl Default for Pool {
    fn default() -> Pool {
        Pool {
            name: String::new(),
            members: Vec::new(),
            mode: Mode::ActiveStandby,
            persistence: Persistence::Endpoint,
            min_active: 1,
            slow_start: Duration::ZERO,
            monitors: Vec::new(),
            require: 0,
            fail_back: FailBack::Never,
            fail_back_after: Duration::ZERO,
            fail_back_window: None,
            on_down_tcp: OnDownTcp::Reset,
            on_down_udp: OnDownUdp::Reselect,
            no_member: NoMember::KeepLast,
            flap_count: 0,
            flap_window: Duration::from_secs(60),
            flap_quiet: Duration::from_secs(300),
            manual_resume: false,
            gap: Duration::from_secs(4),
        }
    }
}

impl Pool {
    /// Several members are active at a time.
    pub fn is_shared(&self) -> bool {
        self.mode != Mode::ActiveStandby
    }
}

/// A part of each day, by UTC, from one minute of the day to another: `02:00-04:00`, or over midnight `23:00-01:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayWindow {
    /// The first minute of the day in it.
    pub from: u16,
    /// The first minute after it; another than `from`.
    pub to: u16,
}

impl DayWindow {
    const DAY: Duration = Duration::from_secs(86_400);

    /// How long it is from `time` of a day to the next moment inside; zero inside.
    pub fn wait(&self, time: Duration) -> Duration {
        let minutes = |count: u16| Duration::from_secs(60 * u64::from(count));
        let (from, to) = (minutes(self.from), minutes(self.to));
        let is_inside = if from < to { from <= time && time < to } else { from <= time || time < to };
        match is_inside {
            true => Duration::ZERO,
            false if time <= from => from - time,
            false => from + Self::DAY - time,
        }
    }
}

impl std::fmt::Display for DayWindow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |at: u16| format!("{:02}:{:02}", at / 60, at % 60);
        f.pad(&format!("{}-{}", text(self.from), text(self.to)))
    }
}

/// A server of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The operator's name for it. Unique over all pools.
    pub name: String,
    /// Its physical address.
    pub address: Ipv4Addr,
    /// The pool it belongs to.
    pub pool: PoolId,
    /// The interface whose network holds its address.
    pub interface: InterfaceId,
    /// Its share of the work beside the others', where several are active.
    pub weight: u32,
    /// Its group there: the highest takes what is new.
    pub priority: u16,
    /// Connections to service ports that it has at a time, at most; 0: no limit.
    pub connection_limit: u32,
    /// New ones a second, at most; 0: no limit.
    pub connection_rate_limit: u32,
    /// As the file has it, which an operator's word goes over.
    pub admin_state: AdminState,
}

impl Member {
    /// A member of whose other keys the file holds none.
    pub fn new(name: &str, address: Ipv4Addr, pool: PoolId, interface: InterfaceId) -> Member {
        Member {
            name: name.into(),
            address,
            pool,
            interface,
            weight: 1,
            priority: 0,
            connection_limit: 0,
            connection_rate_limit: 0,
            admin_state: AdminState::Enabled,
        }
    }
}

words! {
    /// What a member is let do.
    #[derive(Default, PartialOrd, Ord)]
    AdminState {
        /// Whatever its monitors allow.
        #[default]
        Enabled = "enabled",
        /// Finish what it has; no new work.
        Draining = "draining",
        /// Nothing.
        Offline = "offline",
    }
}

words! {
    /// See [`Pool::mode`].
    Mode {
        /// One is active, another takes over from it.
        ActiveStandby = "active-standby",
        /// All that are up are active: one after the other takes a new flow.
        RoundRobin = "round-robin",
        /// All that are up are active: whoever has fewest flows for its weight takes a new one.
        LeastConnections = "least-connections",
        /// All that are up are active: the client's address says which takes its flows.
        SourceHash = "source-hash",
    }

    /// See [`Pool::persistence`].
    Persistence {
        /// A connection, and the datagrams of one remote address and port.
        Endpoint = "endpoint",
        /// Whatever one remote address begins.
        Source = "source",
        /// The SIP messages of one call, over UDP; what has no Call-ID as with [`Persistence::Endpoint`].
        CallId = "call-id",
    }

    /// See [`Pool::fail_back`].
    FailBack {
        /// Only the operator, or the loss of the active member, moves it.
        Never = "never",
        /// When a member earlier in the list is up: see [`Pool::fail_back_after`] and [`Pool::fail_back_window`].
        Immediate = "immediate",
    }

    /// See [`Pool::on_down_tcp`].
    OnDownTcp {
        /// Both ends get a reset with the exact sequence number.
        Reset = "reset",
        /// Connections continue as long as the member answers them.
        Drain = "drain",
        /// Segments are dropped and counted.
        Drop = "drop",
    }

    /// See [`Pool::on_down_udp`].
    OnDownUdp {
        /// Their next datagrams go to another member.
        Reselect = "reselect",
        /// They stay with it as long as it is on the link and sends to them.
        Drain = "drain",
        /// Their datagrams are dropped and counted until it is back.
        Drop = "drop",
    }

    /// See [`Pool::no_member`].
    NoMember {
        /// Traffic keeps going to the member that was active last.
        KeepLast = "keep-last",
        /// After the gap a SYN is answered with a reset, a datagram with port unreachable.
        Reject = "reject",
        /// After the gap silence, counted.
        Drop = "drop",
    }
}

/// The address clients talk to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualServer {
    /// The operator's name for it.
    pub name: String,
    /// The virtual IP.
    pub address: Ipv4Addr,
    /// Who stands behind it.
    pub pool: PoolId,
    /// Its service ports. The member's port is the same: translation is a bijection.
    pub listen: Vec<Listen>,
    /// Who may send to them from outside. Never empty.
    pub allow: Vec<Ipv4Net>,
    /// `false`: what arrives is refused as if no member were there, never routed onward.
    pub enabled: bool,
    /// Echo requests to the address are answered: always, or only while a member is active.
    pub icmp_echo: EchoPolicy,
    /// What arrives at the address and matches no service and no flow.
    pub unmatched: Unmatched,
    /// What the active member says when nobody there takes a datagram or a new connection.
    pub unreachable: Unreachable,
    /// SIP requests over UDP of the last so long that a member has not answered when it is found dead are delivered again to the next;
    /// zero: none.
    pub redeliver: Duration,
    /// What leaves from its service ports to clients has this one; `None`: the one that its member gave it.
    pub dscp: Option<Dscp>,
    /// Connections to its service ports at a time, at most; 0: no limit.
    pub connection_limit: u32,
    /// New ones a second, at most; 0: no limit.
    pub connection_rate_limit: u32,
    /// Handshakes under way, at most; 0: no limit.
    pub half_open_limit: u32,
    /// Connections of each client at a time, at most; 0: no limit.
    pub client_connection_limit: u32,
    /// New ones of each in a second, at most; 0: no limit.
    pub client_connection_rate_limit: u32,
    /// Handshakes of each that are under way, at most; 0: no limit.
    pub client_half_open_limit: u32,
    /// When routing daemons on this machine are told of the address.
    pub advertise: Advertise,
    /// With [`Advertise::WhenActive`]: how long the address stays after the last member was lost.
    pub withdraw_delay: Duration,
}

impl VirtualServer {
    /// A virtual server of whose other keys the file holds none.
    pub fn new(name: &str, address: Ipv4Addr, pool: PoolId, listen: Vec<Listen>) -> VirtualServer {
        VirtualServer {
            name: name.into(),
            address,
            pool,
            listen,
            allow: vec![Ipv4Net::default()],
            enabled: true,
            icmp_echo: EchoPolicy::Always,
            unmatched: Unmatched::default(),
            unreachable: Unreachable::default(),
            redeliver: Duration::from_secs(4),
            dscp: None,
            connection_limit: 0,
            connection_rate_limit: 0,
            half_open_limit: 0,
            client_connection_limit: 0,
            client_connection_rate_limit: 0,
            client_half_open_limit: 0,
            advertise: Advertise::Never,
            withdraw_delay: Duration::ZERO,
        }
    }
}

impl VirtualServer {
    /// What all of its clients may have together.
    pub fn all(&self) -> NewConnections {
        NewConnections {
            most: self.connection_limit,
            per_second: self.connection_rate_limit,
            half_open: self.half_open_limit,
        }
    }

    /// What each of them may have.
    pub fn each_client(&self) -> NewConnections {
        NewConnections {
            most: self.client_connection_limit,
            per_second: self.client_connection_rate_limit,
            half_open: self.client_half_open_limit,
        }
    }
}

/// How many connections there may be. 0: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NewConnections {
    /// At a time.
    pub most: u32,
    /// New ones a second.
    pub per_second: u32,
    /// Half-open at a time.
    pub half_open: u32,
}

/// A service port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Listen {
    /// TCP (also for TLS, which is passed through) or UDP.
    pub protocol: Protocol,
    /// The port, on the virtual address and on the member.
    pub port: u16,
}

impl Listen {
    /// It is this port of this protocol.
    #[inline]
    pub fn is(&self, protocol: Protocol, port: u16) -> bool {
        self.port == port && self.protocol == protocol
    }
}

words! {
    /// When routing daemons are told of a virtual address.
    Advertise {
        /// Routers know where the address is without us.
        Never = "never",
        /// While the virtual server is enabled and has an active member that is not down.
        WhenActive = "when-active",
        /// While the appliance forwards.
        Always = "always",
    }

    /// When a virtual address answers an echo request.
    EchoPolicy {
        /// Always.
        Always = "always",
        /// Only while a member is active.
        Selective = "selective",
    }

    /// What happens to a packet to a virtual address that matches neither a service nor a flow.
    #[derive(Default)]
    Unmatched {
        /// Its sender is told. A SYN to an address that members go out with is told after six seconds, by port unreachable:
        /// a member may be about to open the same connection (RFC 5382 REQ-4).
        #[default]
        Reject = "reject",
        /// Its sender is told at once, a SYN by a reset.
        RejectNow = "reject-now",
        /// Silence, counted.
        Drop = "drop",
    }
}

words! {
    /// What happens to port unreachable and its like from the active member, about what clients sent to a service port.
    #[derive(Default)]
    Unreachable {
        /// It waits while another member may take over, and is dropped if one does.
        #[default]
        Hold = "hold",
        /// It is passed on.
        Forward = "forward",
    }
}

/// What the members of a pool send outward is translated to this address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snat {
    /// The pool.
    pub pool: PoolId,
    /// The source address given.
    pub address: Ipv4Addr,
    /// Destinations that see the member's own address (the exclusion group).
    pub exclude: Vec<Ipv4Net>,
    /// UDP source ports of members whose datagrams are never translated: services whose requests may arrive another
    /// way (scenario 53).
    pub no_snat_udp_ports: Vec<u16>,
    /// What leaves with that address has this one, but from service ports; `None`: the one that the member gave it.
    pub dscp: Option<Dscp>,
    /// A member's TCP met in mid-stream is taken for a connection it opened before a restart, and translated again. Not
    /// once an exclusion was taken away: what was opened under it is untranslated.
    pub resumes: bool,
}

/// Who may reach members at their own addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectAccess {
    /// These, and the exclusion groups, whatever they send; `None`: everybody, as nothing was said.
    pub allow: Option<Vec<Ipv4Net>>,
    /// Whom else some members answer, on some of their ports. Where there is one, `allow` is said.
    pub rules: Vec<AccessRule>,
}

/// Who may reach which members at which of their ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRule {
    /// They may. Never empty.
    pub from: Vec<Ipv4Net>,
    /// Reach these; empty: all.
    pub to: Vec<AccessTarget>,
    /// At these ports; empty: whatever they send.
    pub ports: Vec<Listen>,
}

/// Whom an [`AccessRule`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessTarget {
    /// All members of this pool.
    Pool(PoolId),
    /// This one.
    Member(MemberId),
}

/// How long a flow is kept after its last packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// RFC 4787 REQ-5: not below 2 minutes, 5 recommended.
    pub udp: Duration,
    /// RFC 5382 REQ-5: not below 2 hours 4 minutes.
    pub tcp_established: Duration,
    /// A connection whose handshake is not finished; RFC 5382 REQ-5: 4 minutes.
    pub tcp_opening: Duration,
    /// A connection after FINs or a reset; RFC 5382 REQ-5: 4 minutes.
    pub tcp_closing: Duration,
    /// RFC 5508 REQ-2: not below 60 seconds.
    pub icmp: Duration,
    /// How long the fragments of a datagram wait for the rest of it, counted from the first one to arrive.
    pub reassembly: Duration,
}

/// What is read of SIP to be counted, and for nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SipStatistics {
    /// One of so many transactions over UDP is read; 0: none.
    pub sample: u32,
}

/// Bounds of the data path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Flows one worker holds at most.
    pub flows_per_worker: usize,
    /// Resets and ICMP errors one worker makes of its own a second, at most.
    pub rejects_per_second: u32,
    /// ICMP errors one worker translates and passes on a second, at most.
    pub icmp_errors_per_second: u32,
    /// Frames of one class that one worker hands to the kernel's devices a second, at most.
    pub host_packets_per_second: u32,
    /// Fragments of datagrams one worker holds until the rest is there, at most.
    pub fragments_per_worker: usize,
    /// Connections of all virtual servers together, at most; 0: no limit.
    pub connection_limit: u32,
    /// New ones a second, at most; 0: no limit.
    pub connection_rate_limit: u32,
    /// Handshakes under way, at most; 0: no limit.
    pub half_open_limit: u32,
    /// What is forwarded is counted for members and virtual servers.
    pub traffic_counters: bool,
    /// Packets and bytes of each flow are counted, too.
    pub flow_counters: bool,
}

impl Limits {
    /// What is forwarded is counted for somebody.
    #[inline(always)]
    pub const fn counts_traffic(&self) -> bool {
        self.traffic_counters || self.flow_counters
    }

    /// What all virtual servers may have together.
    pub const fn new_connections(&self) -> NewConnections {
        NewConnections {
            most: self.connection_limit,
            per_second: self.connection_rate_limit,
            half_open: self.half_open_limit,
        }
    }
}
