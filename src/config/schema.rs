//! The one table of every key a file may hold. It is longer than other files because it is one table.
//!
//! Owns for each key its type, default, form with bounds and unit, whether a reload applies it, and one line of
//! explanation. From its row follow the field it is read into, what is refused, the reference, and the difference a reload
//! prints. Read first: [`super::form`]. What the keys mean stands in [`super::resolve`].

use super::difference::{Compared, Compares, Key as ComparedKey};
use super::form::Kind::{
    Address, Choice, Codes, Flag, Inside, Integer, Listen, Many, Name, Network, PemPath, Protocol, Require,
    SelfAddress, Socket, Span, Station, Text, Window,
};
use super::form::{Fallback, Key, Kind, SectionRow};
use super::reader::{Entry, Form, Head, Meant, Reader, Section, Tables};
use super::report::Report;
use super::settings::{
    CpuCores, Dpdk as DpdkSettings, Idle, LogFormat, LogLevel, Notify as NotifySettings, Routes as RoutesSettings,
    Settings,
};
use super::value::Needed;
use crate::events::EventName;
use crate::netlink::RouteProtocol;
use crate::policy::intent::{
    self, AdminState, Advertise, CodeRange, DayWindow, Dscp, EchoPolicy, FailBack, Handshake, Intent, Mode, NoMember,
    OnDownTcp, OnDownUdp, PairRole, PemFile, Persistence, PortIntent, SipTransport, Unmatched, Unreachable, UpWhen,
};
use crate::policy::words::{Word, words};
use crate::wire::Mac;
use ipnet::Ipv4Net;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

words! {
    /// What a monitor asks.
    Probe {
        Icmp = "icmp",
        Tcp = "tcp",
        TcpHalfOpen = "tcp-half-open",
        Sip = "sip",
        Udp = "udp",
        Http = "http",
        Https = "https",
        External = "external",
    }
    /// An HTTP request that changes nothing at the server.
    HttpMethod {
        Get = "GET",
        Head = "HEAD",
        Options = "OPTIONS",
    }
}

/// One section: its path, how often it may stand, the struct it is read into; what it means, `built` from its keys one by
/// one or only `compared` with it; then a row for each key. A row is the name and type; the default, `(required EXAMPLE)` or
/// `(absent WORDS)`; the form; `live` if a reload applies it, `restart` if not, `apart` if it is live and
/// [`super::difference`] words its change; the explanation.
macro_rules! section {
    ($path:literal, $most:expr, $name:ident $(, $role:ident $plain:path)?; $note:literal $rows:tt) => {
        written! { $path, $most, $name, $note $rows }
        $($role! { $name, $plain, $rows })?
    };
}

macro_rules! written {
    ($path:literal, $most:expr, $name:ident, $about:literal
     { $($key:ident: $type:ty = $fallback:tt, $kind:expr, $reload:ident, $note:literal;)* }) => {
        #[doc = concat!("`", $path, "`")]
        #[derive(Debug)]
        pub(super) struct $name {
            pub(super) head: Head,
            $(pub(super) $key: <$type as Form>::Held,)*
        }

        impl Section for $name {
            const ROW: &'static SectionRow = &SectionRow {
                path: $path,
                most: $most,
                note: $about,
                keys: &[$(Key {
                    name: stringify!($key),
                    kind: $kind,
                    fallback: fallback!($fallback),
                    live: is_live!($reload),
                    note: $note,
                },)*],
            };

            fn read(entry: &mut Entry) -> $name {
                $name { $($key: entry.key::<$type>(stringify!($key)),)* head: entry.head() }
            }

            fn head(&self) -> &Head {
                &self.head
            }
        }
    };
}

macro_rules! built {
    ($name:ident, $plain:path, { $($key:ident: $type:ty = $fallback:tt, $kind:expr, $reload:ident, $note:literal;)* }) => {
        impl Meant<$plain> for $name {
            fn meant(&self) -> Option<$plain> {
                type Plain = $plain;
                Some(Plain { $($key: self.$key.meant()?,)* })
            }
        }
        compared! { $name, $plain, { $($key: $type = $fallback, $kind, $reload, $note;)* } }
    };
}

macro_rules! compared {
    ($name:ident, $plain:path, { $($key:ident: $type:ty = $fallback:tt, $kind:expr, $reload:ident, $note:literal;)* }) => {
        impl Compared for $plain {
            fn keys(&self, intent: &Intent) -> Vec<ComparedKey> {
                let keys = [$(compare!($reload, $key, self.$key.shown(intent), fallback!($fallback)),)*];
                keys.into_iter().flatten().collect()
            }
        }
    };
}

macro_rules! compare {
    (apart, $($unused:tt)*) => {
        None
    };
    ($reload:ident, $key:ident, $shown:expr, $fallback:expr) => {
        Some(ComparedKey::new(stringify!($key), $shown, &$fallback, is_live!($reload)))
    };
}

macro_rules! fallback {
    ((required $example:tt)) => {
        Fallback::Required(stringify!($example))
    };
    ((absent $words:literal)) => {
        Fallback::Derived($words)
    };
    ($value:tt) => {
        Fallback::Value(stringify!($value))
    };
}

macro_rules! is_live {
    (restart) => {
        false
    };
    ($live:ident) => {
        true
    };
}

const fn integer(least: i64, most: i64, unit: &'static str) -> Kind {
    Integer { least, most, unit }
}

const fn span(least_ms: u64, most_ms: u64, source: &'static str) -> Kind {
    Span { least: Duration::from_millis(least_ms), most: Duration::from_millis(most_ms), source }
}

const fn choice<W: Word>(later: &'static [&'static str]) -> Kind {
    Choice(W::WORDS, later)
}

const ONCE: Option<usize> = None;
const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

section! { "appliance", ONCE, Appliance, compared Settings; "The appliance itself, towards its operator." {
    name: String = "lead-1", Name, live, "What it calls itself in logs and status.";
    recorder_mib: u32 = 16, integer(0, 4_096, "MiB"), live,
        "Memory for the frames that workers have seen last, 176 bytes for each frame as it came and each as it left, 200,000 frames a second and worker at most; four frozen recordings take as much each, and so does the next. 0: nothing is recorded. Recordings that are there keep their size until they give way to others, or to the restart.";
    admin_socket: String = "/run/fairlead/admin.sock", Text, restart,
        "Path of the admin socket, a unix stream socket of mode 0660.";
    admin_group: String = (absent "the process's own"), Text, restart,
        "The group whose users may use the admin socket, by name or number; its folder is opened to them too.";
    admin_socket_ro: String = (absent "no such socket"), Text, restart,
        "Path of a second socket of mode 0660 that answers only what changes nothing, for monitoring; everything else is refused there and named the other socket.";
    admin_group_ro: String = (absent "the process's own"), Text, restart,
        "The group whose users may use that second socket, by name or number; its folder is opened to them too.";
    state: String = (absent "the service manager's StateDirectory, else /var/lib/fairlead"), Text, restart,
        "Folder in which what the operator has set (admin states, forced choices, exclusions) is kept over a restart, and the configurations that were in force.";
    handover: String = (absent "nothing is handed over"), Text, live,
        "Path of the file, such as \"/run/fairlead/state\", in which the appliance leaves at SIGTERM what it remembers of traffic: flows, ports of SNAT addresses, speakers, calls of pools of several active members, and who is active. The next start takes it up if it is not older than 30 s and of the same start of the host, and removes it; one that does not count is moved aside (.refused). On a tmpfs; the folder must outlive the service.";
    metrics: SocketAddr = (absent "no metrics"), Socket, live,
        "Where Prometheus text is served at /metrics, over the kernel's TCP, the status page at / and its data at /status.json; /healthz answers 200 as long as the appliance answers, else 503. Plain HTTP, read-only, without a password: whoever reaches it reads names, addresses, states and their reasons, and alarms with what the programs of [notify] print and with the comments of operators, so write an address of the management network. Tried again until it can be had.";
    log: LogLevel = "info", choice::<LogLevel>(&[]), live, "The lowest severity that is logged; `fairlead log level` changes it at once.";
    log_format: LogFormat = "text", choice::<LogFormat>(&[]), restart,
        "What the log looks like: lines for people on stderr, a JSON object a line on stderr, or entries of the systemd journal with fields (MESSAGE, PRIORITY, FAIRLEAD_EVENT, FAIRLEAD_POOL and so on). Each event is one line, with a stable name from the list below.";
} }

section! { "notify", ONCE, Notify, built NotifySettings;
    "A program of yours that is told what happens: one event at a time, as a JSON object on its standard input (an EventRow of json.md). It runs as the user nobody with no rights, as the program of an external monitor does; 64 events wait for it, and what is beyond is counted and an alarm, as is that it fails." {
    command: Vec<String> = [], Many(&Text, 0, 32), live, "The program, by its whole path, and its arguments; []: nobody is told.";
    events: Vec<EventName> = ["switchover", "alarm.raised", "alarm.cleared"], Many(&choice::<EventName>(&[]), 1, 64), live,
        "Of which events it is told, by the names of the list below: all but stop, state.lost, handover.written, handover.failed, notify.failed, note and detail, which are never told.";
    timeout: Duration = "10s", span(100, 10 * MINUTE, ""), live, "It is killed when it takes longer.";
} }

section! { "cores", ONCE, Cores, built CpuCores; "Which CPU core does what." {
    management: usize = 0, integer(0, 1023, "core"), restart, "Probes, neighbours and the admin socket run here.";
    workers: Vec<usize> = [1], Many(&integer(0, 1023, "core"), 1, 64), restart,
        "One poll-mode worker is pinned to each; isolate these cores on a production box.";
    idle: Idle = "poll", choice::<Idle>(&[]), restart,
        "What a worker does when nothing arrives: poll again at once, or sleep some 50 microseconds after many empty polls (for shared machines).";
    stall_threshold: Duration = "1ms", span(1, MINUTE, ""), restart,
        "A worker's loop iteration that takes longer is counted and logged as a stall; sleeping while idle is not one. Shared machines: 20ms.";
} }

section! { "dpdk", ONCE, Dpdk, built DpdkSettings; "What DPDK is started with." {
    hugepages: bool = false, Flag, restart, "Packet memory in huge pages: true on a production box, false runs anywhere.";
    eal: Vec<String> = [], Many(&Text, 0, 64), restart, "Extra arguments for the EAL, passed through as they are.";
    mbufs: u32 = 65535, integer(1_023, 8_388_607, "packet buffers"), restart,
        "Packet buffers for all ports and workers together; a power of two less one wastes nothing.";
    memory_mib: u32 = 256, integer(64, 1_048_576, "MiB"), restart,
        "Memory DPDK takes at start, and more if `mbufs` need more: a packet buffer takes some 2.4 KB (9.3 KB at an MTU of 9000), all else 192 MiB.";
} }

section! { "routes", ONCE, Routes, built RoutesSettings;
"What routing daemons on this machine (FRR, BIRD) and the appliance tell each other. They are told of the virtual addresses with advertise: each stands as a /32 on a device of the kernel, made by Fairlead, whose connected routes they announce; dpdk-config/routing has examples. Needs CAP_NET_ADMIN. The kernel then takes these addresses for its own: what programs on this machine send to one stays on it, and ARP for one is answered at other interfaces of the kernel in the same network, unless arp_ignore = 1 there. What passes through Fairlead's ports is not concerned." {
    device: String = "fl-vips", Name, restart,
        "The device, a dummy or, where the kernel has none, an ifb; at most 15 characters. It belongs to Fairlead: addresses that somebody else gives it are removed. It is left, down and empty, when Fairlead ends.";
    stop_delay: Duration = "1s", span(0, MINUTE, ""), live,
        "At SIGTERM all addresses are withdrawn first, and if there were any, packets are forwarded for so long before the ports stop: the daemons and their peers need some time. FRR: up to 0.7 seconds. Above \"2s\" the unit's TimeoutStopSec= has to be longer.";
    from_kernel: bool = false, Flag, live,
        "Packets go by the IPv4 routes that the kernel has over the host devices of interfaces, whoever has put them there: FRR, BIRD, ip route. A [[route]] of the file wins over one of the kernel's to the same destinations, and of the kernel's the one of the smallest metric counts. A route with several next hops is used with all of them, by weight; all packets of a conversation, in both directions, take the same one, and one that does not answer ARP is left out while another does. Not taken are: destinations within the networks of the interfaces, next hops that are on none of these networks or known by IPv6 only, routes without a next hop, and those that say that packets are to be dropped (blackhole, unreachable, prohibit).";
    table: u32 = 254, integer(1, 0xffff_ffff, "a routing table"), live,
        "from_kernel: the kernel's table; 254 is main.";
    protocols: Vec<RouteProtocol> = [], Many(&Protocol, 0, 64), live,
        "from_kernel: by whom the routes are, as ip route shows it after proto; none: by anybody but the kernel itself. FRR's have the name of the protocol, its static ones are \"frr-static\"; all of BIRD's are \"bird\".";
    limit: usize = 10000, integer(1, 50_000, "routes"), live,
        "from_kernel: at most so many are taken; more are an alarm. They have at most 1024 next hops together.";
    stale_time: Duration = "10s", span(0, HOUR, ""), live,
        "from_kernel: how long a route stays that has vanished without having been deleted: with its device, or because the kernel cannot be asked. A route that is deleted is gone at once.";
} }

section! { "port", Some(32), Port, built PortIntent; "A NIC as DPDK knows it." {
    name: String = (required "outer"), Name, restart, "What interfaces and tables call it.";
    device: String = (required "0000:3b:00.1"), Text, restart,
        "A PCI address such as \"0000:3b:00.1\" (driver arguments after a comma), or a DPDK virtual device with its arguments.";
    mtu: u16 = 1500, integer(576, 9_216, "bytes"), restart, "Largest IP datagram it carries.";
    queues: u16 = (absent "one for each worker, where the driver can"), integer(1, 64, "queues"), restart,
        "Receive queues.";
} }

section! { "interface", Some(1_024), Interface, compared intent::Interface; "An L3 interface: a port, or a VLAN on it." {
    name: String = (required "clients"), Name, live, "What tables and messages call it.";
    port: String = (required "outer"), Name, live, "The name of its [[port]].";
    vlan: u16 = (absent "untagged"), integer(1, 4_094, "802.1Q tag"), live, "The VLAN on the port.";
    addresses: Vec<Ipv4Net> = (required ["192.0.2.2/24"]), Many(&SelfAddress, 1, 64), live,
        "Self-IPs, each with the length of the network it is in; the servers' default gateway is one.";
    mtu: u16 = (absent "the port's"), integer(576, 9_216, "bytes"), live, "Largest IP datagram sent on it.";
    mss: u16 = (absent "whatever the two ends offer"), integer(536, 9_176, "bytes"), live,
        "The largest TCP segment that may be offered over it: in every SYN and SYN-ACK that comes in or leaves by the interface a larger value is lowered to this (RFC 9293 3.7.1), never raised, and none is added. For paths with a smaller MTU than the link on which ICMP is filtered: MTU - 40. Between two interfaces the smaller value holds.";
    host: String = (absent "no device"), Name, live,
        "A kernel device of this name, 15 characters at most, made beside the data path with the interface's MAC, MTU and addresses: what comes for a self-IP and is not Fairlead's own, and multicast to 224.0.0.0/24, goes to the kernel there, and what the kernel sends there leaves by the interface as it is. So routing daemons, keepalived, SSH and ping work over the port. Echo requests and ARP are still answered by the data path, and the ports from 49152 on are those of probes: they are added to ip_local_reserved_ports, so that the kernel chooses none of them. Of the device, and of an interface of the kernel's that the port stands on (af_packet, af_xdp), arp_ignore becomes 8; of the latter also rp_filter 1. keepalived's devices above it (`vrrp.ID`) are kept as silent. Needs CAP_NET_ADMIN and /dev/net/tun.";
    floating: Vec<Ipv4Net> = [], Many(&SelfAddress, 0, 64), live,
        "With [pair]: addresses in the networks of `addresses` that belong to whichever appliance of the pair is active, such as the servers' default gateway. Virtual and SNAT addresses float as well; probes leave from `addresses`.";
    vrid: u16 = (absent "none"), integer(1, 255, "virtual router"), live,
        "With [pair] virtual_mac: the number of the virtual router there, that of keepalived's virtual_router_id.";
} }

section! { "route", Some(4_096), Route, compared intent::Route; "A static route. Networks of interfaces need none." {
    to: Ipv4Net = "default", Network, live, "Destinations: a network, or \"default\" for everything else.";
    via: Ipv4Addr = (required "192.0.2.1"), Address, live, "The next hop, in the network of an interface.";
} }

section! { "neighbour", Some(4_096), Neighbour, compared intent::NeighbourEntry;
    "What is known beforehand of a host on a link. Others are found by ARP, and checked when they move." {
    address: Ipv4Addr = (required "192.0.2.1"), Address, live, "The host, in the network of an interface.";
    mac: Mac = (absent "ARP tells"), Station, live,
        "Where it is: ARP is not asked and changes nothing, and if it says otherwise, that is an alarm. Whether the host lives is not seen by ARP then.";
    trusted: bool = false, Flag, live,
        "true: when ARP says that it is at another MAC, that is believed at once, without asking the old one first.";
} }

section! { "monitor", Some(4_096), Monitor, compared intent::Monitor;
    "A way to ask a member whether it is alive. Only a real SIP answer proves that a SIP Server is the primary." {
    name: String = (required "sip-options"), Name, live, "What pools and tables call it.";
    kind: Probe = (required "sip"), choice::<Probe>(&[]), apart,
        "What is asked: an echo, a handshake, a SYN only, SIP OPTIONS, a datagram, an HTTP request, or whatever a program of yours asks.";
    transport: SipTransport = "udp", choice::<SipTransport>(&[]), apart, "sip: how the request travels.";
    port: u16 = (absent "the matching service port of the pool's virtual server; for sip without one 5060, tls 5061; for http 80, https 443"),
        integer(1, 65_535, "port"), apart, "The member's port; all kinds but icmp.";
    address: Ipv4Addr = (absent "the member's own"), Address, live,
        "Who is asked in place of each member: what stands for them, such as an address they share in another network. On a link of ours, or behind a route.";
    source: Ipv4Addr = (absent "the one in the network of whom is asked, or of the router on the way"), Address, live,
        "The self-IP that asks.";
    interval: Duration = "500ms", span(50, HOUR, ""), live, "From one probe to the next.";
    timeout: Duration = (absent "four fifths of the interval: \"400ms\" for \"500ms\""), span(10, HOUR, ""), live,
        "How long an answer may take; not above the interval.";
    rise: u32 = 2, integer(1, 100, "answers"), live, "Good answers in a row that make a member up; of a member of which nothing is known yet, the first are asked for one after the other, without waiting for the interval.";
    fall: u32 = 3, integer(1, 100, "failures"), live, "Failures in a row that make it down.";
    patience: Duration = (absent "1s, or fall times the interval if that is less"), span(50, HOUR, ""), live,
        "The active member is not down before its last good answer is so old. Another member that answers makes it be asked more often, and at the first sign against it in quick succession, so that it is down soon after that; without one it is after fall intervals.";
    up_codes: Vec<CodeRange> = ["1xx", "2xx", "3xx", "401", "405", "407"], Many(&Codes, 1, 64), apart,
        "sip, http and https: status codes that count as good: a class, a code, a range, or \"any\".";
    down_codes: Vec<CodeRange> = [], Many(&Codes, 0, 64), apart,
        "sip, http and https: status codes that count as a failure even if up_codes holds them.";
    standby_codes: Vec<CodeRange> = [], Many(&Codes, 0, 64), apart,
        "sip: status codes of a member that lives and is the standby of its pair; they count as good. Who says that it is active is chosen over who says that it is standby.";
    active_header: String = (absent "no header tells it"), Text, apart,
        "sip: a header of the active member's answers and what it contains, such as \"Server-Role: primary\"; alone, an answer without it is a standby's.";
    standby_header: String = (absent "no header tells it"), Text, apart,
        "sip: a header of a standby's answers and what it contains; stands before active_header.";
    host: String = (absent "the member's address"), Text, apart, "sip: host part of the Request-URI. http and https: what Host says.";
    user: String = (absent "none"), Text, apart, "sip: user part of the Request-URI and of To.";
    to: String = (absent "user and host"), Text, apart, "sip: the URI in To, such as \"sip:ping@sip.example\".";
    from: String = (absent "fairlead at the self-IP that asks"), Text, apart, "sip: the URI in From.";
    user_agent: String = (absent "Fairlead"), Text, apart, "sip, http and https: what User-Agent says.";
    certificate: PemFile = (absent "none is shown"), PemPath, apart,
        "sip over tls, https: the certificate, with its chain, that is shown to a server that wants one.";
    key: PemFile = (absent "it stands in the certificate's file"), PemPath, apart, "Its private key, without a passphrase.";
    verify: bool = false, Flag, apart,
        "sip over tls, https: the server's certificate must be signed by somebody known, be in date, and bear the name.";
    ca: PemFile = (absent "whom the system trusts"), PemPath, apart, "With verify: who may have signed it.";
    server_name: String = (absent "the host, if that is a name"), Text, apart,
        "sip over tls, https: the name that is sent (SNI) and, with verify, looked for.";
    handshake: Handshake = "full", choice::<Handshake>(&[]), apart,
        "sip over tls, https: whether anything is asked after it, or a server is good that answers in TLS, even where it refuses our certificate, name or version.";
    method: HttpMethod = "GET", choice::<HttpMethod>(&[]), apart, "http and https: what the request is.";
    path: String = "/", Text, apart, "http and https: what is asked for, from the first slash on.";
    command: String = (absent "none is run"), Text, apart,
        "external: the program that is run for each probe, as a whole path; it is given address and port, and nothing of our rights.";
    arguments: Vec<String> = [], Many(&Text, 0, 16), apart, "external: what it is given behind address and port.";
    up_when: UpWhen = "exit", choice::<UpWhen>(&[]), apart,
        "external: whether a program says that the member is good by ending with status 0, or by printing anything.";
    send: String = (absent "an empty datagram"), Text, apart, "udp: what is sent.";
    receive: String = (absent "any answer"), Text, apart, "udp: what the answer must contain. http and https: what must stand in its first 64 KiB, the header included.";
} }

section! { "pool", Some(intent::POOLS), Pool, compared intent::Pool;
    "A high-availability pair of SIP Servers, of which one is active; or several servers that share the work." {
    name: String = (required "pair-1"), Name, live, "What virtual servers, SNAT and commands call it.";
    mode: Mode = "active-standby", choice::<Mode>(&[]), live,
        "How members share the work: one is active and another takes over; or several are, and take new connections and new UDP peers (an address and port; another pool of this file counts as one, by its virtual address) in turn, or whoever has fewest flows for its weight, or by the client's address: all that are up, or as many groups of them as priority and min_active say (Maglev; with more than 256 such pools the tables of all are smaller, and the reload that adds the 257th or removes it changes who takes what is new). A UDP peer stays with its member while that is up and one of the two sends within [timeouts] udp, also while the member is drained; once that is lost or taken offline, on_down says what happens.";
    persistence: Persistence = "endpoint", choice::<Persistence>(&[]), live,
        "What stays with one member where several are active: a connection, or the datagrams of one address and port (endpoint); whatever one address begins, as long as it begins something within [timeouts] udp (source); the SIP messages of one Call-ID between service ports and UDP peers, in both directions, as long as one is sent within that time, and what has none as with endpoint (call-id). What is new goes to a member by a hash of the address or Call-ID, with least-connections to whoever has fewest flows; so do calls under way when a reload begins this. A pair behind a virtual address is one endpoint to the members of another pool: those need call-id.";
    min_active: usize = 1, integer(1, 64, "members"), live,
        "Where several members are active and their priorities differ: those of the highest priority take what is new; while fewer than so many of them are up, those of the next lower one take part as well, and so on. Who is held back, drained or in slow start does not count, but all that are in slow start do if nobody else is up; a member at its connection_limit counts all the same. When enough are up again, the lower ones take nothing new, and keep what they have. no_member and gap begin when nobody is up, of whatever priority.";
    slow_start: Duration = "0s", span(0, HOUR, ""), live,
        "Where several members are active: how long one that has come up, or was enabled, gets only a part of its share of what is new. The part grows in ten steps, or in fewer if they would be shorter than a second, and the first may take up to one more. With least-connections its part of the flows is as much smaller. Not at the start of the appliance or of a pool, nor for members that are up when a reload begins this; where one makes it longer, what has begun takes as long as it was to. Members that have come up together share by their weights until others join them. \"0s\": it has its share at once.";
    members: Tables<Member> = (required [{ name = "sip-a", address = "10.20.0.11" }]), Inside(Member::ROW), live,
        "The servers, the preferred one first.";
    monitors: Vec<String> = (required ["sip-options"]), Many(&Name, 1, 16), live,
        "Names of the [[monitor]] entries that probe each member.";
    require: Needed = "all", Require, live, "How many of the monitors must be good for a member to be up.";
    fail_back: FailBack = "never", choice::<FailBack>(&[]), live,
        "Whether a member earlier in the list takes over again once it is up.";
    fail_back_after: Duration = "0s", span(0, DAY, ""), live, "fail_back = \"immediate\": how long it must have been up by then.";
    fail_back_window: DayWindow = (absent "at any time"), Window, live,
        "fail_back = \"immediate\": when on a day, by UTC, it may take over.";
    on_down: Tables<OnDown> = {}, Inside(OnDown::ROW), apart, "What happens to the traffic of a member that is lost.";
    no_member: NoMember = "keep-last", choice::<NoMember>(&[]), live,
        "Where traffic goes while no member is up: on to the one that was active last; or, after gap, nowhere: clients get a reset or port unreachable, or silence.";
    gap: Duration = "4s", span(100, HOUR, ""), live,
        "How long a lost member stays the target before no_member = \"reject\" or \"drop\" begins and its connections are reset. At once if no other member is enabled.";
    flap_count: u32 = 0, integer(0, 100, "times"), live,
        "A member that goes down so often in flap_window is chosen only if nobody else is up, until it has been quiet for flap_quiet; 0: none is.";
    flap_window: Duration = "1m", span(SECOND, DAY, ""), live, "In what time flap_count is counted.";
    flap_quiet: Duration = "5m", span(SECOND, DAY, ""), live, "How long it must then go neither up nor down.";
    manual_resume: bool = false, Flag, live,
        "true: a member that was up and went down is chosen only if nobody else is up, until `fairlead member enable`.";
} }

section! { "pool.members", Some(64), Member, compared intent::Member; "A server of a pool." {
    name: String = (required "sip-a"), Name, live, "What tables and commands call it; unique over all pools.";
    address: Ipv4Addr = (required "10.20.0.11"), Address, live, "Its physical address, in the network of an interface.";
    weight: u32 = 1, integer(1, 100, "parts"), live,
        "Where several members are active: its share of what is new, relative to the weights of the others.";
    priority: u16 = 0, integer(0, 65_535, "the highest first"), live,
        "Where several members are active: its group. The members of the highest take what is new; when the others do, says min_active.";
    connection_limit: u32 = 0, integer(0, 1_000_000_000, "connections"), live,
        "Connections to service ports that the member has at a time, at most; 0: no limit. A connection is a TCP connection to a service port, from its SYN until both ends have said FIN, one has reset it, or it is forgotten; where several members are active also a UDP peer, as long as its flow lasts. UDP of a pair is in no flow and not limited, nor are calls that are kept together by Call-ID, and what members begin themselves. At the limit a new one goes to another active member that has room, also against persistence and the client's address; where none has, or one member is active, a SYN is reset (within rejects_per_second; beyond that nothing is sent, and reject_rate_limited counts it) and a datagram dropped in silence, counted as connection_limit. What stands is never touched. All workers count together: the limit is exceeded by one for each other worker at most, if they take connections at the same moment, and by connections that stood before a restart of Fairlead. A handshake that is not finished counts; at the limit one of which nothing was heard for 3 seconds gives way to a new TCP connection (a worker looks at the 16 that are idle longest, of all services), so that forged SYNs that nobody repeats keep clients out for seconds. UDP peers give way to nobody: whoever can forge addresses can fill the limit of a pool that serves UDP, so leave that to the network in front. A UDP peer that continues with another member because its own was lost is nothing new, and is not refused.";
    connection_rate_limit: u32 = 0, integer(0, 1_000_000, "connections a second"), live,
        "New connections that the member takes in a second, at most; 0: no limit. So many may begin at once if none has for a second, then one by one; over all workers, and exceeded by one for each other worker at most. What is beyond is treated as by connection_limit and counted as connection_rate_limit; what is refused does not count.";
    admin_state: AdminState = "enabled", choice::<AdminState>(&[]), live,
        "What it is let do: whatever its monitors allow (enabled); finish what it has and take nothing new, as long as another member is up (draining; BIG-IP: disabled); nothing, and what it has is lost as on_down says (offline; BIG-IP: forced offline). What `fairlead member` sets at run time goes over it, also when a reload changes it, until `fairlead state drop`; `fairlead save` writes it here.";
} }

section! { "pool.on_down", ONCE, OnDown; "What happens to the traffic of a member that is lost." {
    udp: OnDownUdp = "reselect", choice::<OnDownUdp>(&[]), live,
        "The next datagram of every peer of the lost member goes to another one that is up (reselect). Where several members are active, also: they go on to the lost member as long as it is on the link and sends to them within [timeouts] udp, while new peers go to others (drain); or they are dropped and counted as member_lost until it is back, or until nothing of theirs has passed for so long (drop). A member that is taken offline is lost too, as for tcp. The calls that persistence = \"call-id\" keeps together are left with it or dropped likewise; what an address begins (source) goes to another member in any case.";
    tcp: OnDownTcp = "reset", choice::<OnDownTcp>(&[]), live,
        "Reset both ends at once, let connections live while the member answers them, or drop their segments.";
} }

section! { "virtual_server", Some(16_384), VirtualServer, compared intent::VirtualServer;
    "The address clients talk to." {
    name: String = (required "sip-1"), Name, live, "What tables and messages call it.";
    address: Ipv4Addr = (required "10.20.0.100"), Address, live,
        "The virtual IP: in the network of an interface, or in a network of its own that the router sends here.";
    pool: String = (required "pair-1"), Name, live, "The name of the [[pool]] behind it.";
    listen: Vec<intent::Listen> = ["udp/5060", "tcp/5060", "tcp/5061"], Many(&Listen, 1, 64), live,
        "Service ports, the same on the member; TLS is passed through as tcp.";
    allow: Vec<Ipv4Net> = ["default"], Many(&Network, 1, 65_536), live,
        "Networks and hosts outside that may send to its service ports; \"default\": everybody. What others send there is dropped in silence and counted as virtual_server_denied, that of connections that stand included when a reload shuts them out; nothing that members send is, nor an ICMP error, nor what answers a TCP connection that a member has opened from a service port. A datagram is judged by its source alone, as UDP of a pair is in no flow: name also whom the members call by UDP from their service ports. Members of all pools always may. Ping, and ports where nothing listens, are as icmp_echo and unmatched say. While everybody may, this costs nothing.";
    enabled: bool = true, Flag, live, "false: what arrives is rejected as if no member were there, never routed onward.";
    icmp_echo: EchoPolicy = "always", choice::<EchoPolicy>(&[]), live,
        "When the address answers a ping: always, or (selective) only while a member is active.";
    unmatched: Unmatched = "reject", choice::<Unmatched>(&[]), live,
        "What happens to a packet that matches no service and no flow: rejected (a SYN after 6 seconds, RFC 5382 REQ-4), rejected at once, or dropped in silence.";
    unreachable: Unreachable = "hold", choice::<Unreachable>(&[]), live,
        "Port unreachable (or a reset of a SYN) that the active member itself sends about this service: held while another member may take over, and dropped if one does, since it would end the calls that the switchover saves; or forwarded as it comes, as it always is where several members are active.";
    redeliver: Duration = "4s", span(0, 32 * SECOND, ""), live,
        "SIP requests over UDP that clients sent in the last so long and that the active member has not answered when its monitors find it dead: delivered to the member that takes over, without waiting until the client repeats them. Not what members send to virtual addresses, and not after force, drain, offline, fail_back or a reload. \"0\": never.";
    dscp: Dscp = (absent "as its members send it"), choice::<Dscp>(&[]), live,
        "The code point (RFC 2474) that its datagrams and segments to whoever is outside its members leave with, for the networks on the way: all that members send from its service ports and that gets its address as source. The two bits of congestion notification stay, and what comes to it keeps what it has. What members send from other ports has that of [[snat]].";
    connection_limit: u32 = 0, integer(0, 1_000_000_000, "connections"), live,
        "Connections to its service ports at a time, at most, whichever member they are with; 0: no limit. What a connection is and what happens at the limit is the same as for a member's, but that no other member can help.";
    connection_rate_limit: u32 = 0, integer(0, 1_000_000, "connections a second"), live,
        "New connections to its service ports in a second, at most; 0: no limit. As a member's.";
    half_open_limit: u32 = 0, integer(0, 1_000_000, "connections"), live,
        "TCP connections to its service ports whose handshake is not finished, at most; 0: no limit. At the limit the one that was idle longest gives way to a new one at once, without a word to anybody (each worker among its own, the 256 that are idle longest of all services), counted as event_half_open_gave_way. Each worker may have its part of the limit whatever the others have, so that nobody floods one and keeps out who comes to another: twice the limit is the most there can be, or one for each worker where there are fewer. If none is found, the SYN is dropped in silence, counted as half_open_limit, and its sender repeats it. Give it at least the new connections of a second times the round trip to the farthest client, and a multiple of that for bursts.";
    client_connection_limit: u32 = 0, integer(0, 1_000_000, "connections"), live,
        "Connections to its service ports that one client, which is one address outside, has at a time, at most; 0: no limit. Beyond it a SYN is reset and a datagram dropped in silence, counted as client_limit; members calling each other are no clients. About 40,000 clients at a time can be told apart over all virtual servers that limit theirs: of one that finds no place, counted as event_client_uncounted, nothing is limited. What stood when the limit was written is not counted. Behind a NAT or a proxy many phones are one client.";
    client_connection_rate_limit: u32 = 0, integer(0, 1_000_000, "connections a second"), live,
        "New connections that one client makes in a second, at most; 0: no limit.";
    client_half_open_limit: u32 = 0, integer(0, 1_000_000, "connections"), live,
        "Connections of one client whose handshake is not finished, at most; 0: no limit. At the limit its own that was idle longest gives way, as with half_open_limit; if none can, the SYN is dropped in silence, counted as client_limit.";
    advertise: Advertise = "never", choice::<Advertise>(&[]), live,
        "When routing daemons on this machine are told of the address, as [routes] says: never; while the virtual server is up, that is enabled and with an active member that is not down (when-active); or as long as packets are forwarded (always). Of several virtual servers of one address, any that is to be advertised is enough.";
    withdraw_delay: Duration = "0s", span(0, HOUR, ""), live,
        "advertise = \"when-active\": how long the address stays after the last member was lost. \"0s\": withdrawn at once, within 100 milliseconds.";
} }

section! { "snat", Some(4_096), Snat, compared intent::Snat;
    "Source NAT: what the members of a pool send outward is translated to the virtual address." {
    pool: String = (required "pair-1"), Name, live, "The name of the [[pool]]; one [[snat]] for each.";
    address: Ipv4Addr = (required "10.20.0.100"), Address, live,
        "The source address given: the address of one of the pool's virtual servers.";
    exclude: Vec<Ipv4Net> = [], Many(&Network, 0, 65_536), live,
        "Destinations that see the member's own address (the exclusion group): configuration server, DNS, log server, other SIP Servers.";
    no_snat_udp_ports: Vec<u16> = [], Many(&integer(1, 65_535, "port"), 0, 1_024), live,
        "UDP source ports of members that are never translated: services such as SNMP (161) whose requests may reach the member another way.";
    dscp: Dscp = (absent "as the members send it"), choice::<Dscp>(&[]), live,
        "The code point (RFC 2474) that leaves with what is translated here: all that members send from other ports than service ports, answers in connections included. See [[virtual_server]].";
} }

section! { "direct_access", ONCE, DirectAccess, compared intent::DirectAccess;
    "Who may reach the members at their own addresses, past the virtual ones. Without this section everybody may, and each start says so."
    {
    allow: Vec<Ipv4Net> = (absent "everybody, as long as neither this nor rules is written"), Many(&Network, 0, 65_536), live,
        "Networks and hosts that may, whatever they send; the exclusion group of a pool always may. [\"0.0.0.0/0\"]: everybody. What others send to a member's own address is dropped and counted as direct_access_denied, answers to what it sent them untranslated included (no_snat_udp_ports, a pool without [[snat]], connections begun under an exclusion that was taken away), and what stands when a reload shuts it out. Members of other pools always may.";
    rules: Tables<AccessRule> = (absent "no others may"), Inside(AccessRule::ROW), live,
        "Who else may reach which members at which ports. Without allow beside it, nobody but these and the exclusion groups may.";
} }

section! { "direct_access.rules", Some(256), AccessRule;
    "A rule of [direct_access]: whoever it names may." {
    from: Vec<Ipv4Net> = (required ["172.16.7.0/24"]), Many(&Network, 1, 4_096), live, "Networks and hosts.";
    to: Vec<String> = [], Many(&Name, 0, 4_096), live, "Names of members, or of pools for all of theirs; empty: all members.";
    ports: Vec<intent::Listen> = [], Many(&Listen, 0, 64), live,
        "Ports of the members; empty: whatever is sent to them. Where ports are named, ping passes as well, and the fragments of datagrams to them, but no other protocol.";
} }

section! { "timeouts", ONCE, Timeouts, built intent::Timeouts;
    "How long a flow is kept after its last packet, and the fragments of a datagram after the first to arrive." {
    udp: Duration = "5m", span(2 * MINUTE, DAY, "RFC 4787 REQ-5"), live,
        "UDP flows; RFC 4787 recommends 5 minutes or more.";
    tcp_established: Duration = "2h4m", span(124 * MINUTE, 30 * DAY, "RFC 5382 REQ-5"), live,
        "TCP connections that are open.";
    tcp_opening: Duration = "4m", span(SECOND, DAY, ""), live,
        "TCP connections whose handshake is not finished; a value below 4m (RFC 7857 2.1) is warned about.";
    tcp_closing: Duration = "4m", span(SECOND, DAY, ""), live,
        "TCP connections after FINs or a reset; a value below 4m (RFC 7857 2.1) is warned about.";
    icmp: Duration = "60s", span(MINUTE, DAY, "RFC 5508 REQ-2"), live, "Echo requests of members.";
    reassembly: Duration = "10s", span(2 * SECOND, 30 * SECOND, ""), live,
        "Fragments that wait for the rest of their datagram, from the first to arrive (RFC 4787 REQ-14).";
} }

section! { "limits", ONCE, Limits, built intent::Limits; "Bounds of the data path." {
    flows_per_worker: usize = 1000000, integer(1_024, 67_108_864, "flows"), restart,
        "Flows one worker holds at most; 160 bytes each, taken at start.";
    rejects_per_second: u32 = 250, integer(1, 1_000_000, "packets a second"), live,
        "Resets and ICMP errors one worker sends on its own account, at most.";
    icmp_errors_per_second: u32 = 1000, integer(1, 1_000_000, "packets a second"), live,
        "ICMP errors one worker translates and passes on, at most.";
    host_packets_per_second: u32 = 10000, integer(1, 1_000_000, "packets a second"), live,
        "Where an interface has a host device: frames of each class that one worker hands to the kernel, at most. What routing daemons live by (BGP, BFD, OSPF, VRRP, multicast) is a class of its own from hosts on each link, of which one has a quarter at most, and one from hosts beyond it, as are copies of ARP and of echo replies: a flood of the rest takes nothing from it.";
    fragments_per_worker: usize = 2048, integer(64, 1_048_576, "packet buffers"), restart,
        "Fragments one worker holds until the rest of their datagrams is there, at most; all workers together not more than a quarter of [dpdk] mbufs.";
    connection_limit: u32 = 0, integer(0, 1_000_000_000, "connections"), live,
        "Connections to the service ports of all virtual servers together, at most; 0: no limit. As a virtual server's.";
    connection_rate_limit: u32 = 0, integer(0, 1_000_000, "connections a second"), live,
        "New connections to all virtual servers together in a second, at most; 0: no limit.";
    half_open_limit: u32 = 0, integer(0, 67_108_864, "connections"), live,
        "Those of all virtual servers together whose handshake is not finished, at most; 0: no limit. As a virtual server's.";
    traffic_counters: bool = false, Flag, live,
        "Packets and bytes are counted for each member and virtual server, in each direction, for `fairlead traffic`, `top` and metrics. Costs 3 to 7 instructions a packet, of 300 to 430; false costs nothing. What is counted is shown within 10 ms; connections are counted in any case.";
    flow_counters: bool = false, Flag, restart,
        "Packets and bytes are counted for each flow, in each direction, for `fairlead flows`; 32 bytes a flow more, taken at start, and some 10 instructions a packet; traffic_counters is on with it. UDP of a service with one active member is in no flow. Counts begin with the flow in this process: neither the hand-over nor the other appliance of a pair has them.";
} }

section! { "sip", ONCE, Sip, built intent::SipStatistics;
    "Statistics of SIP over UDP, shown by `fairlead sip`: read in passing, and never for a decision. SIP over TCP and TLS is not read: streams are not put together." {
    sample: u32 = 0, integer(0, 1_000_000, "transactions"), live,
        "One of so many transactions is read, by a hash of the topmost Via's branch: 1 reads all; 0 reads none and costs nothing. Otherwise every datagram of a service is looked at, and takes the slow path, however few are read.";
} }

section! { "pair", ONCE, Pair, built intent::Pair;
    "The other appliance of a pair, which takes over when this one fails. Who is active has the virtual addresses, the SNAT addresses and those under `floating`; the other one stands by: it answers for its own addresses, probes from them, and forwards nothing. Without this section the appliance is alone and always active." {
    keepalived: String = (absent "keepalived is not heard"), Text, live,
        "Path of keepalived's notify FIFO, such as \"/run/fairlead/keepalived.fifo\", by which it says who is active (vrrp_notify_fifo in its global_defs). Fairlead makes it, mode 0600, before keepalived is started, and looks each second whether it is still the one at this path, and whether the kernel holds a floating address: write these under virtual_ipaddress. Without keepalived for 0.3 s the appliance is standby. dpdk-config/keepalived has an example.";
    keepalived_config: String = "/etc/keepalived/keepalived.conf", Text, live,
        "Path of keepalived's own file, which `fairlead doctor` compares with this one.";
    instance: String = (absent "any instance"), Name, live, "The vrrp_instance of keepalived whose lines in its notify FIFO count.";
    role: PairRole = "standby", choice::<PairRole>(&[]), live,
        "What the appliance is from its start until keepalived, an operator or the other appliance says so. A reload that adds the section leaves an appliance active that was alone.";
    priority: u16 = 100, integer(1, 255, "the higher"), live,
        "Where both are active for a second (split brain) and tell each other so over `peer`: the one with the lower priority yields; of equal ones, the one with the lower address. One that an operator has made active since (`fairlead pair active`) stays, and the other one yields at once. Without peer two active ones are alarm pair.split, and keepalived or an operator ends it.";
    virtual_mac: bool = false, Flag, live,
        "true: on interfaces with a vrid, floating addresses have the MAC of the virtual router, 00:00:5e:00:01:VRID (RFC 9568 7.3), on both appliances, so that no host has to learn another one at a take-over. Goes with use_vmac in keepalived.conf: one without the other is found out, as alarm host.device or by `fairlead doctor`. The port takes that MAC beside its own, or everything, where its driver can only do that.";
    settle: Duration = "3s", span(0, MINUTE, ""), live,
        "For so long after it has become active, nothing is refused (no reset, no ICMP error, no no_member = \"reject\") for what may be known to the other appliance alone, and a member's SYN-ACK from a service port to whom no flow is known waits for the client's next SYN.";
    peer: SocketAddr = (absent "neither tells the other what it knows of connections"), Socket, live,
        "Where the other appliance listens, over the kernel: at its address of a management NIC, or at a fixed one of an interface with a host device. With certificate, key and peer_certificate, all four: whoever is active tells the other one of its connections and mappings, of who is active in its pools, and of what the operator has set (admin states, forced choices, exclusions), which replaces what was set at the other one, in its `state` folder as well. A connection that is slow or away holds up nothing; 0.9 s of silence end it, and then all is told anew in the background.";
    listen: SocketAddr = (absent "every address of the kernel's, at the port of peer"), Socket, live,
        "Where the other appliance connects to. Which of the two connects follows from their certificates: write it on both, or on neither.";
    certificate: PemFile = (absent "none is shown"), PemPath, restart,
        "PEM file with this appliance's certificate, made by `fairlead pair init`. TLS 1.3, mutual: each believes the very certificate of the other one that its file names, and asks for no authority, name or date.";
    key: PemFile = (absent "none"), PemPath, restart, "Its private key, without a passphrase; made with it, mode 0600.";
    peer_certificate: PemFile = (absent "nobody is believed"), PemPath, restart,
        "PEM file with the other appliance's certificate, copied from there.";
} }

/// Every section, in the order of the reference.
pub(super) static SECTIONS: &[&SectionRow] = &[
    Appliance::ROW,
    Notify::ROW,
    Cores::ROW,
    Dpdk::ROW,
    Routes::ROW,
    Port::ROW,
    Interface::ROW,
    Route::ROW,
    Neighbour::ROW,
    Monitor::ROW,
    Pool::ROW,
    Member::ROW,
    OnDown::ROW,
    VirtualServer::ROW,
    Snat::ROW,
    DirectAccess::ROW,
    AccessRule::ROW,
    Timeouts::ROW,
    Limits::ROW,
    Sip::ROW,
    Pair::ROW,
];

macro_rules! defaults {
    ($($section:ident => $plain:path;)*) => {$(
        impl Default for $plain {
            /// What the file means by leaving its section out.
            fn default() -> $plain {
                let mut report = Report::new("", "");
                let section: $section = Reader::new(&mut report, SECTIONS, &Default::default()).once();
                section.meant().expect("every key has a default")
            }
        }
    )*};
}

defaults! {
    Timeouts => intent::Timeouts;
    Limits => intent::Limits;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_explained_once() {
        for row in SECTIONS {
            assert!(row.note.ends_with('.'), "{}", row.path);
            for key in row.keys {
                assert!(key.note.ends_with('.'), "{}.{}", row.path, key.name);
                let twins = row.keys.iter().filter(|other| other.name == key.name);
                assert_eq!(twins.count(), 1, "{}.{}", row.path, key.name);
            }
        }
    }
}
