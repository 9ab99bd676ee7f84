//! The one table of every key a file may hold. It is longer than other files because it is one table.
//!
//! Owns for each key its form, bounds, unit, default and one line of explanation. Reading, the refusal of unknown keys,
//! defaults and the reference documentation all fall out of it; nothing else lists keys.

use super::form::{Fallback, Key, Kind, SectionRow};
use std::time::Duration;

use Fallback::{Derived, Required, Value};
use Kind::{
    Address, Choice, Codes, Flag, Inside, Integer, Listen, Many, Name, Network, Require, SelfAddress, Socket, Text,
};

const fn key(name: &'static str, kind: Kind, fallback: Fallback, note: &'static str) -> Key {
    Key { name, kind, fallback, note }
}

const fn integer(least: i64, most: i64, unit: &'static str) -> Kind {
    Integer { least, most, unit }
}

const fn span(least_ms: u64, most_ms: u64, source: &'static str) -> Kind {
    Kind::Span { least: Duration::from_millis(least_ms), most: Duration::from_millis(most_ms), source }
}

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Every section and every key.
pub(super) static SECTIONS: &[SectionRow] = &[
    SectionRow {
        path: "appliance",
        most: None,
        note: "The appliance itself, towards its operator.",
        keys: &[
            key("name", Name, Value("\"lead-1\""), "What it calls itself in logs and status."),
            key(
                "admin_socket",
                Text,
                Value("\"/run/fairlead/admin.sock\""),
                "Path of the admin socket, a unix stream socket of mode 0660.",
            ),
            key("metrics", Socket, Derived("no metrics"), "Where Prometheus text is served, over the kernel's TCP."),
            key(
                "log",
                Choice(&["error", "warn", "info", "debug", "trace"], &[]),
                Value("\"info\""),
                "The least grave events that are logged to stderr.",
            ),
        ],
    },
    SectionRow {
        path: "cores",
        most: None,
        note: "Which CPU core does what.",
        keys: &[
            key(
                "management",
                integer(0, 1023, "core"),
                Value("0"),
                "Probes, neighbours and the admin socket run here.",
            ),
            key(
                "workers",
                Many(&integer(0, 1023, "core"), 1, 64),
                Value("[1]"),
                "One poll-mode worker is pinned to each; isolate these cores on a production box.",
            ),
            key(
                "idle",
                Choice(&["poll", "pause"], &[]),
                Value("\"poll\""),
                "What a worker does when nothing arrives: ask again at once, or after many empty turns sleep some 50 microseconds (for shared machines).",
            ),
            key(
                "stall",
                span(1, MINUTE, ""),
                Value("\"1ms\""),
                "A worker's turn that takes longer is counted as a stall and told; sleeping while idle is none. Shared machines: 20ms.",
            ),
        ],
    },
    SectionRow {
        path: "dpdk",
        most: None,
        note: "What DPDK is started with.",
        keys: &[
            key(
                "hugepages",
                Flag,
                Value("false"),
                "Packet memory in huge pages: true on a production box, false runs anywhere.",
            ),
            key("eal", Many(&Text, 0, 64), Value("[]"), "Extra arguments for the EAL, passed through as they are."),
            key(
                "mbufs",
                integer(1_023, 8_388_607, "packet buffers"),
                Value("65535"),
                "Packet buffers for all ports and workers together; a power of two less one wastes nothing.",
            ),
            key(
                "memory",
                integer(64, 1_048_576, "MiB"),
                Value("256"),
                "Memory DPDK takes at start; a packet buffer needs some 2.4 KB of it.",
            ),
        ],
    },
    SectionRow {
        path: "port",
        most: Some(32),
        note: "A NIC as DPDK knows it.",
        keys: &[
            key("name", Name, Required("\"outer\""), "What interfaces and tables call it."),
            key(
                "device",
                Text,
                Required("\"0000:3b:00.1\""),
                "A PCI address such as \"0000:3b:00.1\" (driver arguments after a comma), or a DPDK virtual device with its arguments.",
            ),
            key("mtu", integer(576, 9_216, "bytes"), Value("1500"), "Largest IP datagram it carries."),
            key(
                "queues",
                integer(1, 64, "queues"),
                Derived("one for each worker, where the driver can"),
                "Receive queues.",
            ),
        ],
    },
    SectionRow {
        path: "interface",
        most: Some(1_024),
        note: "An L3 interface: a port, or a VLAN on it.",
        keys: &[
            key("name", Name, Required("\"clients\""), "What tables and messages call it."),
            key("port", Name, Required("\"outer\""), "The name of its [[port]]."),
            key("vlan", integer(1, 4_094, "802.1Q tag"), Derived("untagged"), "The VLAN on the port."),
            key(
                "addresses",
                Many(&SelfAddress, 1, 64),
                Required("[\"192.0.2.2/24\"]"),
                "Self-IPs, each with the length of the network it is in; the servers' default gateway is one.",
            ),
            key("mtu", integer(576, 9_216, "bytes"), Derived("the port's"), "Largest IP datagram sent on it."),
        ],
    },
    SectionRow {
        path: "route",
        most: Some(4_096),
        note: "A static route. Networks of interfaces need none.",
        keys: &[
            key("to", Network, Value("\"default\""), "Destinations: a network, or \"default\" for everything else."),
            key("via", Address, Required("\"192.0.2.1\""), "The next hop, in the network of an interface."),
        ],
    },
    SectionRow {
        path: "monitor",
        most: Some(256),
        note: "A way to ask a member whether it is alive. Only a real SIP answer proves that a SIP Server is the primary.",
        keys: &[
            key("name", Name, Required("\"sip-options\""), "What pools and tables call it."),
            key(
                "kind",
                Choice(&["icmp", "tcp", "tcp-half-open", "sip", "udp"], &[]),
                Required("\"sip\""),
                "What is asked: an echo, a handshake, a SYN only, SIP OPTIONS, a datagram.",
            ),
            key("transport", Choice(&["udp", "tcp", "tls"], &[]), Value("\"udp\""), "sip: how the request travels."),
            key(
                "port",
                integer(1, 65_535, "port"),
                Derived("the matching service port of the pool's virtual server; for sip without one 5060, tls 5061"),
                "The member's port; all kinds but icmp.",
            ),
            key("interval", span(50, HOUR, ""), Value("\"500ms\""), "From one probe to the next."),
            key(
                "timeout",
                span(10, HOUR, ""),
                Derived("four fifths of the interval: \"400ms\" for \"500ms\""),
                "How long an answer may take; not above the interval.",
            ),
            key("rise", integer(1, 100, "answers"), Value("2"), "Good answers in a row that make a member up."),
            key("fall", integer(1, 100, "failures"), Value("3"), "Failures in a row that make it down."),
            key(
                "up_codes",
                Many(&Codes, 1, 64),
                Value("[\"1xx\", \"2xx\", \"3xx\"]"),
                "sip: status codes that count as good: a class, a code, a range, or \"any\".",
            ),
            key(
                "down_codes",
                Many(&Codes, 0, 64),
                Value("[]"),
                "sip: status codes that count as a failure even if up_codes holds them.",
            ),
            key("host", Text, Derived("the member's address"), "sip: host part of the Request-URI."),
            key("user", Text, Derived("none"), "sip: user part of the Request-URI and of To."),
            key("send", Text, Derived("an empty datagram"), "udp: what is sent."),
            key("receive", Text, Derived("any answer"), "udp: what the answer must contain."),
        ],
    },
    SectionRow {
        path: "pool",
        most: Some(256),
        note: "A high-availability pair of SIP Servers, of which one is active.",
        keys: &[
            key("name", Name, Required("\"pair-1\""), "What virtual servers, SNAT and commands call it."),
            key(
                "mode",
                Choice(&["active-standby"], &["round-robin", "least-connections", "source-hash"]),
                Value("\"active-standby\""),
                "How members share the work. Other modes are not supported yet.",
            ),
            key(
                "members",
                Inside("pool.members"),
                Required("[{ name = \"sip-a\", address = \"10.20.0.11\" }]"),
                "The servers, the preferred one first.",
            ),
            key(
                "monitors",
                Many(&Name, 1, 16),
                Required("[\"sip-options\"]"),
                "Names of the [[monitor]] entries each member is asked.",
            ),
            key("require", Require, Value("\"all\""), "How many of the monitors must be good for a member to be up."),
            key(
                "fail_back",
                Choice(&["never", "immediate"], &[]),
                Value("\"never\""),
                "Whether a member earlier in the list takes over again once it is up.",
            ),
            key(
                "on_down",
                Inside("pool.on_down"),
                Value("{}"),
                "What happens to the traffic of a member that is lost.",
            ),
            key(
                "no_member",
                Choice(&["reject", "keep-last", "drop"], &[]),
                Value("\"reject\""),
                "What clients get while no member is up: a reset or port unreachable, the last active member, or silence.",
            ),
        ],
    },
    SectionRow {
        path: "pool.members",
        most: Some(16),
        note: "A server of a pool.",
        keys: &[
            key("name", Name, Required("\"sip-a\""), "What tables and commands call it; unique over all pools."),
            key(
                "address",
                Address,
                Required("\"10.20.0.11\""),
                "Its physical address, in the network of an interface.",
            ),
        ],
    },
    SectionRow {
        path: "pool.on_down",
        most: None,
        note: "What happens to the traffic of a member that is lost.",
        keys: &[
            key(
                "udp",
                Choice(&["reselect"], &[]),
                Value("\"reselect\""),
                "The next datagram of every peer goes to the new active member.",
            ),
            key(
                "tcp",
                Choice(&["reset", "drain", "drop"], &[]),
                Value("\"reset\""),
                "Reset both ends at once, let connections live while the member answers them, or drop their segments.",
            ),
        ],
    },
    SectionRow {
        path: "virtual_server",
        most: Some(1_024),
        note: "The address the world talks to.",
        keys: &[
            key("name", Name, Required("\"sip-1\""), "What tables and messages call it."),
            key(
                "address",
                Address,
                Required("\"10.20.0.100\""),
                "The virtual IP: in the network of an interface, or in a network of its own that the router sends here.",
            ),
            key("pool", Name, Required("\"pair-1\""), "The name of the [[pool]] behind it."),
            key(
                "listen",
                Many(&Listen, 1, 64),
                Value("[\"udp/5060\", \"tcp/5060\", \"tcp/5061\"]"),
                "Service ports, the same on the member; TLS is passed through as tcp.",
            ),
            key(
                "enabled",
                Flag,
                Value("true"),
                "false: what arrives is refused as if no member were there, never routed onward.",
            ),
            key(
                "echo",
                Choice(&["always", "when-active"], &[]),
                Value("\"always\""),
                "When the address answers a ping: always, or only while a member is active.",
            ),
            key(
                "unmatched",
                Choice(&["reject", "reject-now", "drop"], &[]),
                Value("\"reject\""),
                "What arrives and matches no service and no flow: its sender is told (a SYN after 6 seconds, RFC 5382 REQ-4), or told at once, or it is dropped in silence.",
            ),
        ],
    },
    SectionRow {
        path: "snat",
        most: Some(256),
        note: "What the members of a pool send outward wears the virtual address.",
        keys: &[
            key("pool", Name, Required("\"pair-1\""), "The name of the [[pool]]; one [[snat]] for each."),
            key(
                "address",
                Address,
                Required("\"10.20.0.100\""),
                "The source address given: the address of one of the pool's virtual servers.",
            ),
            key(
                "exclude",
                Many(&Network, 0, 65_536),
                Value("[]"),
                "Destinations that see the member's own address (the exclusion group): configuration server, DNS, log server, other SIP Servers.",
            ),
            key(
                "untranslated_udp_ports",
                Many(&integer(1, 65_535, "port"), 0, 1_024),
                Value("[]"),
                "UDP source ports of members that are never translated: services such as SNMP (161) whose requests may reach the member another way.",
            ),
        ],
    },
    SectionRow {
        path: "timeouts",
        most: None,
        note: "How long a flow is kept after its last packet, and the pieces of a datagram after the first to arrive.",
        keys: &[
            key(
                "udp",
                span(2 * MINUTE, DAY, "RFC 4787 REQ-5"),
                Value("\"5m\""),
                "UDP flows; RFC 4787 recommends 5 minutes or more.",
            ),
            key(
                "tcp_established",
                span(124 * MINUTE, 30 * DAY, "RFC 5382 REQ-5"),
                Value("\"2h4m\""),
                "TCP connections that are open.",
            ),
            key(
                "tcp_opening",
                span(1_000, DAY, ""),
                Value("\"4m\""),
                "TCP connections whose handshake is not finished; below 4m (RFC 7857 2.1) is warned of.",
            ),
            key(
                "tcp_closing",
                span(1_000, DAY, ""),
                Value("\"4m\""),
                "TCP connections after FINs or a reset; below 4m (RFC 7857 2.1) is warned of.",
            ),
            key("icmp", span(MINUTE, DAY, "RFC 5508 REQ-2"), Value("\"60s\""), "Echo requests of members."),
            key(
                "fragments",
                span(2_000, 30_000, ""),
                Value("\"10s\""),
                "Pieces of a datagram that wait for the rest of it, from the first to arrive (RFC 4787 REQ-14).",
            ),
        ],
    },
    SectionRow {
        path: "limits",
        most: None,
        note: "Bounds of the data path.",
        keys: &[
            key(
                "flows_per_worker",
                integer(1_024, 67_108_864, "flows"),
                Value("1000000"),
                "Flows one worker holds at most; about 128 bytes each, taken at start.",
            ),
            key(
                "rejects_per_second",
                integer(1, 1_000_000, "packets a second"),
                Value("250"),
                "Resets and ICMP errors one worker makes of its own, at most.",
            ),
            key(
                "icmp_errors_per_second",
                integer(1, 1_000_000, "packets a second"),
                Value("1000"),
                "ICMP errors one worker translates and passes on, at most.",
            ),
            key(
                "fragments_per_worker",
                integer(64, 1_048_576, "packet buffers"),
                Value("2048"),
                "Pieces of fragmented datagrams one worker holds until the rest is there, at most; all workers together not more than a quarter of [dpdk] mbufs.",
            ),
        ],
    },
];

/// The section with this path.
pub(super) fn section(path: &str) -> Option<&'static SectionRow> {
    SECTIONS.iter().find(|row| row.path == path)
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
                assert_eq!(
                    row.keys.iter().filter(|other| other.name == key.name).count(),
                    1,
                    "{}.{}",
                    row.path,
                    key.name
                );
            }
        }
    }

    #[test]
    fn every_table_inside_is_described() {
        for key in SECTIONS.iter().flat_map(|row| row.keys) {
            if let Inside(path) = key.kind {
                assert!(section(path).is_some(), "{path}");
            }
        }
    }
}
