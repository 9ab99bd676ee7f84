//! What the operator means, valid by construction.
//!
//! Owns the meaning of the configuration once every name is resolved and every contradiction refused: indices instead
//! of names, durations instead of texts. `config` makes it from a file; nothing here reads one.

use super::slots::{Id, Lives, Slots};
use super::words::words;
use crate::wire::{Mac, Protocol, VlanId};
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;
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

index! {
    /// An interface of [`Intent::interfaces`].
    InterfaceId;
    /// A pool of [`Intent::pools`].
    PoolId;
    /// A member of [`Intent::members`].
    MemberId;
    /// A monitor of [`Intent::monitors`].
    MonitorId;
    /// The place of a virtual server in [`Intent::virtual_servers`].
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
    /// What the file says of hosts on links.
    pub neighbours: Vec<NeighbourEntry>,
    /// The monitors.
    pub monitors: Slots<MonitorId, Monitor>,
    /// The pools.
    pub pools: Slots<PoolId, Pool>,
    /// The members of all pools. An address belongs to one member only.
    pub members: Slots<MemberId, Member>,
    /// The virtual servers.
    pub virtual_servers: Vec<VirtualServer>,
    /// What members send outward: at most one row a pool.
    pub snats: Vec<Snat>,
    /// How long an idle flow is kept.
    pub timeouts: Timeouts,
    /// Bounds.
    pub limits: Limits,
    /// Since when things have been there; nothing of it is in the file.
    pub lives: Lives,
}

impl Intent {
    /// Every address that what members send is translated to: virtual ones, and those given by SNAT. Some come twice.
    pub fn translated_addresses(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        let virtuals = self.virtual_servers.iter().map(|server| server.address);
        virtuals.chain(self.snats.iter().map(|snat| snat.address))
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

/// How a member is asked whether it is alive.
#[derive(Clone, Debug, PartialEq)]
pub struct Monitor {
    /// The operator's name for it.
    pub name: String,
    /// What is asked.
    pub kind: MonitorKind,
    /// Who is asked instead of the member itself, such as its address in another network; `None`: the member.
    pub address: Option<Ipv4Addr>,
    /// The self-IP that asks; `None`: the one in the network of whom is asked, or of the router towards it.
    pub source: Option<Ipv4Addr>,
    /// From one probe to the next.
    pub interval: Duration,
    /// How long an answer may take. At most `interval`.
    pub timeout: Duration,
    /// Good answers in a row that make a member up.
    pub rise: u32,
    /// Failures in a row that make it down.
    pub fall: u32,
    /// The last good answer of an active member is at least so old when it is found down.
    pub patience: Duration,
}

impl Monitor {
    /// An answer to one says the same as an answer to the other.
    pub fn asks_the_same(&self, other: &Monitor) -> bool {
        (&self.kind, self.address, self.source) == (&other.kind, other.address, other.source)
    }
}

/// What a monitor asks.
#[derive(Clone, Debug, PartialEq)]
pub enum MonitorKind {
    /// An echo request.
    Icmp,
    /// A full TCP handshake, then a close.
    Tcp {
        /// The member's port.
        port: u16,
    },
    /// A SYN; the SYN-ACK is answered with a reset.
    TcpHalfOpen {
        /// The member's port.
        port: u16,
    },
    /// A datagram; any answer that is not an ICMP error is good.
    Udp {
        /// The member's port.
        port: u16,
        /// What is sent.
        send: Vec<u8>,
        /// What the answer must contain; empty: anything.
        receive: Vec<u8>,
    },
    /// A SIP OPTIONS request.
    Sip(SipProbe),
    /// An HTTP request.
    Http(HttpProbe),
    /// A program on this machine, which asks in its own way.
    External(ExternalProbe),
}

/// A SIP OPTIONS probe (RFC 3261 11).
#[derive(Clone, Debug, PartialEq)]
pub struct SipProbe {
    /// How it travels.
    pub transport: SipTransport,
    /// The member's port.
    pub port: u16,
    /// The host part of the Request-URI; `None`: the member's address.
    pub host: Option<String>,
    /// The user part of the Request-URI and To; `None`: none.
    pub user: Option<String>,
    /// The URI in To; `None`: user and host.
    pub to: Option<String>,
    /// The URI in From; `None`: `fairlead` at the self-IP that asks.
    pub from: Option<String>,
    /// What User-Agent says; `None`: `Fairlead`.
    pub user_agent: Option<String>,
    /// Final or provisional answers that count as good.
    pub up_codes: Vec<CodeRange>,
    /// Answers that count as a failure even if `up_codes` holds them.
    pub down_codes: Vec<CodeRange>,
    /// By what an answer tells whether the member is active in its pair.
    pub roles: Box<Roles>,
    /// How it speaks TLS, if it does.
    pub tls: Box<TlsProbe>,
}

/// A program that is run for each probe.
#[derive(Clone, Debug, PartialEq)]
pub struct ExternalProbe {
    /// Its file, from the root.
    pub command: String,
    /// What it is given behind address and port.
    pub arguments: Vec<String>,
    /// The port it is given; `None`: 0.
    pub port: Option<u16>,
    /// By what it says that the member is good.
    pub up_when: UpWhen,
}

words! {
    /// By what a program says that a member is good.
    #[derive(Default)]
    UpWhen {
        /// It ends with status 0.
        #[default]
        Exit = "exit",
        /// It prints anything.
        Output = "output",
    }
}

/// An HTTP request (RFC 9110).
#[derive(Clone, Debug, PartialEq)]
pub struct HttpProbe {
    /// The member's port.
    pub port: u16,
    /// How it speaks TLS; `None`: it does not.
    pub tls: Option<Box<TlsProbe>>,
    /// Such as `GET`.
    pub method: String,
    /// The request's target, from the first slash on.
    pub path: String,
    /// What Host says; `None`: the member's address and port.
    pub host: Option<String>,
    /// What User-Agent says; `None`: `Fairlead`.
    pub user_agent: Option<String>,
    /// Final answers that count as good.
    pub up_codes: Vec<CodeRange>,
    /// Answers that count as a failure even if `up_codes` holds them.
    pub down_codes: Vec<CodeRange>,
    /// What the answer must contain, in its header or body; empty: anything.
    pub receive: Vec<u8>,
}

impl MonitorKind {
    /// How it speaks TLS, if it does.
    pub fn tls(&self) -> Option<&TlsProbe> {
        match self {
            MonitorKind::Sip(probe) if probe.transport == SipTransport::Tls => Some(&probe.tls),
            MonitorKind::Http(probe) => probe.tls.as_deref(),
            _ => None,
        }
    }
}

/// How a probe speaks TLS.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TlsProbe {
    /// The certificate, with its chain, that is shown to a server that wants one.
    pub certificate: Option<PemFile>,
    /// Its key; `None`: it stands in the certificate's file.
    pub key: Option<PemFile>,
    /// The server's certificate is looked at: who has signed it, when it expires, and the name on it.
    pub verify: bool,
    /// Who may have signed it; `None`: whom the system trusts.
    pub ca: Option<PemFile>,
    /// The name that is sent, and looked for; `None`: the host of the Request-URI, if that is a name.
    pub server_name: Option<String>,
    /// Whether anything is asked once TLS is spoken.
    pub handshake: Handshake,
}

/// A file of certificates or keys, as it was read with the configuration.
#[derive(Clone, PartialEq)]
pub struct PemFile {
    /// Where it was.
    pub path: String,
    /// What it held.
    pub text: Vec<u8>,
}

/// The text may be a key: it is not shown.
impl std::fmt::Debug for PemFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PemFile({:?}, {} bytes)", self.path, self.text.len())
    }
}

/// A range of SIP status codes, both ends included, such as 200 to 299 for `2xx`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeRange {
    /// The first code.
    pub first: u16,
    /// The last code.
    pub last: u16,
}

impl CodeRange {
    /// `code` lies in the range.
    pub const fn contains(self, code: u16) -> bool {
        self.first <= code && code <= self.last
    }
}

/// What a member itself says of its role in its pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Says {
    /// Nothing, or nobody listens for it.
    #[default]
    Nothing,
    /// It is active.
    Active,
    /// It lives, and is not.
    Standby,
}

/// By what an answer tells whether the member is active in its pair. Without any rule it tells nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// Answers of a standby; they count as good.
    pub standby_codes: Vec<CodeRange>,
    /// A header of an active member's answers.
    pub active_header: Option<HeaderRule>,
    /// A header of a standby's answers.
    pub standby_header: Option<HeaderRule>,
}

/// A header that an answer has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderRule {
    /// Its name, in any case.
    pub name: String,
    /// What its value contains, in any case; empty: anything.
    pub contains: String,
}

impl Roles {
    /// What an answer with this status says; `has`: it has such a header. What speaks for a standby stands before what speaks for an
    /// active member. Where only one of the two has rules, an answer that fits none is the other's.
    pub fn says(&self, code: u16, has: impl Fn(&HeaderRule) -> bool) -> Says {
        let (active, standby) = (self.active_header.as_ref(), self.standby_header.as_ref());
        let is_standby = self.standby_codes.iter().any(|range| range.contains(code)) || standby.is_some_and(&has);
        match (active.map(&has), standby.is_some() || !self.standby_codes.is_empty()) {
            _ if is_standby => Says::Standby,
            (Some(true), _) | (None, true) => Says::Active,
            (Some(false), false) => Says::Standby,
            (Some(false), true) | (None, false) => Says::Nothing,
        }
    }
}

impl HeaderRule {
    /// `Server-Role: primary`; `None`: there is no name in front of a colon (RFC 3261 25.1, token).
    pub fn parse(text: &str) -> Option<HeaderRule> {
        let (name, contains) = text.split_once(':')?;
        let fits = |c: char| c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c);
        let name = name.trim();
        let sound = !name.is_empty() && name.chars().all(fits) && !contains.chars().any(char::is_control);
        sound.then(|| HeaderRule { name: name.into(), contains: contains.trim().into() })
    }
}

impl std::fmt::Display for HeaderRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.name, self.contains)
    }
}

words! {
    /// How a SIP probe travels.
    SipTransport {
        /// One datagram.
        Udp = "udp",
        /// One connection a probe.
        Tcp = "tcp",
        /// One TLS connection a probe; the certificate is not verified, liveness is what is asked.
        Tls = "tls",
    }
}

words! {
    /// What a TLS handshake is to a probe.
    #[derive(Default)]
    Handshake {
        /// The way to the question.
        #[default]
        Full = "full",
        /// The answer: a server that speaks TLS lives, even if it wants of us what we do not have.
        Enough = "enough",
    }
}

/// A high-availability pair of SIP Servers.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// The operator's name for it.
    pub name: String,
    /// Its members, in the order of the file. Never empty.
    pub members: Vec<MemberId>,
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
}

words! {
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
    /// A member's TCP met in mid-stream is taken for a connection it opened before a restart, and translated again. Not
    /// once an exclusion was taken away: what was opened under it is untranslated.
    pub resumes: bool,
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

/// Bounds of the data path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Flows one worker holds at most.
    pub flows_per_worker: usize,
    /// Resets and ICMP errors one worker makes of its own a second, at most.
    pub rejects_per_second: u32,
    /// ICMP errors one worker translates and passes on a second, at most.
    pub icmp_errors_per_second: u32,
    /// Fragments of datagrams one worker holds until the rest is there, at most.
    pub fragments_per_worker: usize,
}
