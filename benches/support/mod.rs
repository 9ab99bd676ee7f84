//! What the benches have in common: an appliance in memory, and the frames of each path through it.
//!
//! Owns the snapshot of `dpdk-config/examples/two-arm.toml` with its first member active and every next hop known, and
//! [`Lane`]: traffic of one kind, made of real frames. Measures nothing.

#![allow(dead_code)] // Every bench uses a part of it.

pub mod port;

use fairlead::engine::{Engine, Share};
use fairlead::flow::SnatPorts;
use fairlead::policy::adjacency::{Adjacency, Neighbour, NextHop};
use fairlead::policy::health::{Health, PoolHealth};
use fairlead::policy::intent::{Intent, MemberId, PortId};
use fairlead::policy::{Epoch, Snapshot};
use fairlead::time::{Duration, Instant};
use fairlead::wire::build::Build;
use fairlead::wire::tcp::Flags;
use fairlead::wire::{Endpoint, Mac};
use fairlead::worker::mailbox::{ManagementEnd, mailbox};
use fairlead::worker::{Counters, HandOff, Shared, Worker, WorkerId, hand_offs};
use port::{BenchFrame, BenchPort, Supply};
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;

/// The port towards clients.
pub const OUTER: PortId = PortId(0);
/// The port towards the members.
pub const INNER: PortId = PortId(1);
/// Our MACs, by port.
pub const MACS: [Mac; 2] = [Mac([2, 0xfe, 0, 0, 0, 1]), Mac([2, 0xfe, 0, 0, 0, 2])];
/// The router's.
pub const ROUTER: Mac = Mac([2, 0, 0, 0, 0, 8]);
/// Every member's.
pub const MEMBERS: Mac = Mac([2, 0, 0, 0, 0, 9]);
/// The tag of the interface towards clients.
const CLIENTS_VLAN: u16 = 120;

const VIP: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 100);
const MEMBER: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 11);
const SIP: u16 = 5060;
/// A member opens from this many ports; each to many remote endpoints.
const MEMBER_PORTS: usize = 50;

/// What is meant: the example, with room for `flows` flows.
pub fn intent(flows: usize) -> Intent {
    let text = include_str!("../../dpdk-config/examples/two-arm.toml");
    let mut intent = fairlead::config::parse("two-arm.toml", text).expect("the example is good").intent;
    intent.limits.flows_per_worker = flows;
    intent
}

/// So many hosts between the peers' own, none of which is a peer: for an exclusion list.
pub fn excluded(count: u32) -> Vec<ipnet::Ipv4Net> {
    let host = |at: u32| ipnet::Ipv4Net::new(Ipv4Addr::from(0xac18_0001 + at * 0x81), 32);
    (1..=count).map(|at| host(at).expect("a host")).collect()
}

/// The snapshot of `intent`: the first member is active, every next hop is known.
pub fn snapshot(intent: &Intent, epoch: u64) -> Snapshot {
    snapshot_after(None, intent, epoch)
}

/// As [`snapshot`], as the one that follows another.
pub fn snapshot_after(before: Option<&Snapshot>, intent: &Intent, epoch: u64) -> Snapshot {
    let health = Health {
        members: vec![Default::default(); intent.members.bound()],
        pools: vec![PoolHealth { active: Some(MemberId(0)), ..Default::default() }],
        pair: Default::default(),
    };
    let mut adjacency = Adjacency::default();
    for member in intent.members.iter() {
        let hop = NextHop { interface: member.interface, address: member.address };
        adjacency.insert(hop, Neighbour::Reachable(MEMBERS));
    }
    for route in &intent.routes {
        let hop = NextHop { interface: route.interface, address: route.via };
        adjacency.insert(hop, Neighbour::Reachable(ROUTER));
    }
    Snapshot::compile_after(before, intent, &health, &adjacency, &MACS, Epoch(epoch))
}

/// An engine that reads `intent`'s snapshot.
pub fn engine(intent: &Intent) -> Engine {
    let snapshot = snapshot(intent, 1);
    let snat_ports = SnatPorts::new(snapshot.snat_addresses(), 1);
    Engine::new(Arc::new(snapshot), snat_ports, 42)
}

/// Workers on ports that never run dry, and a clock that every round moves on.
pub struct Appliance {
    /// The workers; the first one receives.
    pub workers: Vec<Worker<BenchPort>>,
    /// What comes in.
    pub supply: Rc<Supply>,
    /// Management's ends of their mailboxes.
    pub mail: Vec<ManagementEnd>,
    /// The time.
    pub now: Instant,
    /// What a round adds to it.
    pub step: Duration,
    /// The ports of SNAT addresses.
    pub snat_ports: SnatPorts,
    shared: Vec<Arc<Shared>>,
}

impl Appliance {
    /// An appliance that has just started configured by `intent`.
    pub fn new(intent: &Intent, workers: usize) -> Appliance {
        let snapshot = Arc::new(snapshot(intent, 1));
        let snat_ports = SnatPorts::new(snapshot.snat_addresses(), 1);
        Appliance::of(&snapshot, &snat_ports, 0, hand_offs(workers, 2_048))
    }

    /// Workers from number `first` on, with these ends of the rings between all there are, in the snapshot and with the ports
    /// that all share.
    pub fn of(
        snapshot: &Arc<Snapshot>,
        snat_ports: &SnatPorts,
        first: usize,
        hands: Vec<HandOff<BenchFrame>>,
    ) -> Appliance {
        let supply = Supply::new();
        let (mut mail, mut made, mut shared) = (Vec::new(), Vec::new(), Vec::new());
        for (at, hands) in hands.into_iter().enumerate() {
            let (management, end) = mailbox(64);
            let (id, of) = ((first + at) as u16, hands.workers() as u16);
            let engine = Engine::new(Arc::clone(snapshot), snat_ports.clone(), 42).sharing(Share { worker: id, of });
            let published = Arc::new(Shared::default());
            let ports = supply.ports(at == 0);
            made.push(Worker::new(WorkerId(id), engine, ports, hands, end, Arc::clone(&published)));
            mail.push(management);
            shared.push(published);
        }
        let (now, step) = (Instant::from_millis(1), Duration::from_micros(10));
        Appliance { workers: made, supply, mail, now, step, snat_ports: snat_ports.clone(), shared }
    }

    /// Opens these conversations of a kind, one after the other.
    pub fn open(&mut self, traffic: Traffic, conversations: impl IntoIterator<Item = usize>) {
        self.supply.in_bursts_of(1);
        for at in conversations {
            for (port, frame) in traffic.opening(at) {
                self.supply.feed(port, &Rc::new(Frames::of(&frame.bytes())));
                self.round();
            }
        }
        self.supply.in_bursts_of(fairlead::io::BURST);
    }

    /// A turn of every worker.
    #[inline]
    pub fn round(&mut self) {
        self.now += self.step;
        for worker in &mut self.workers {
            worker.turn(self.now);
        }
    }

    /// What all workers have counted.
    pub fn counters(&self) -> Counters {
        let each: Vec<Counters> = self.shared.iter().map(|shared| shared.read()).collect();
        each.iter().sum()
    }
}

/// A kind of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// Datagrams from outside to the service port.
    ServiceUdpIn,
    /// Datagrams of the active member from the service port.
    ServiceUdpOut,
    /// Segments of clients' connections to the service port.
    ServiceTcpIn,
    /// Segments of the member on those connections.
    ServiceTcpOut,
    /// Segments of connections that a member opened: source translated.
    OutboundTcp,
    /// Segments that answer those.
    ReturnTcp,
    /// Datagrams that a member opened: source translated.
    OutboundUdp,
    /// Datagrams to the exclusion group: routed.
    Excluded,
    /// Segments to a member's own address: routed.
    Visitor,
}

impl Traffic {
    /// All kinds.
    pub const ALL: [Traffic; 9] = [
        Traffic::ServiceUdpIn,
        Traffic::ServiceUdpOut,
        Traffic::ServiceTcpIn,
        Traffic::ServiceTcpOut,
        Traffic::OutboundTcp,
        Traffic::ReturnTcp,
        Traffic::OutboundUdp,
        Traffic::Excluded,
        Traffic::Visitor,
    ];

    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Traffic::ServiceUdpIn => "service_udp_in",
            Traffic::ServiceUdpOut => "service_udp_out",
            Traffic::ServiceTcpIn => "service_tcp_in",
            Traffic::ServiceTcpOut => "service_tcp_out",
            Traffic::OutboundTcp => "outbound_tcp",
            Traffic::ReturnTcp => "return_tcp",
            Traffic::OutboundUdp => "outbound_udp",
            Traffic::Excluded => "excluded",
            Traffic::Visitor => "visitor",
        }
    }

    /// The port its frames come in on.
    pub const fn port(self) -> PortId {
        match self {
            Traffic::ServiceUdpIn | Traffic::ServiceTcpIn | Traffic::ReturnTcp | Traffic::Visitor => OUTER,
            _ => INNER,
        }
    }

    /// The far end of conversation number `at`. A member's own ports reach the same hosts.
    fn remote(self, at: usize) -> Endpoint {
        let peer = match self {
            Traffic::OutboundTcp | Traffic::ReturnTcp | Traffic::OutboundUdp => at / MEMBER_PORTS,
            _ => at,
        };
        Endpoint::new(Ipv4Addr::from(0xac18_0000 + (peer >> 14) as u32), 20_000 + (peer & 0x3fff) as u16)
    }

    /// The steady frame of conversation number `at`, 60 bytes long (64 or 68 on the cable).
    pub fn frame(self, at: usize) -> Build {
        let (remote, own) = (self.remote(at), Endpoint::new(MEMBER, own_port(at)));
        let (vip, member) = (Endpoint::new(VIP, SIP), Endpoint::new(MEMBER, SIP));
        match self {
            Traffic::ServiceUdpIn => outer(Build::udp(remote, vip).payload(&[b'x'; 14])),
            Traffic::ServiceUdpOut => inner(Build::udp(member, remote).payload(&[b'x'; 18])),
            Traffic::ServiceTcpIn => outer(Build::tcp(remote, vip, Flags::ACK, 1001, 9001).payload(&[b'x'; 2])),
            Traffic::ServiceTcpOut => inner(Build::tcp(member, remote, Flags::ACK, 9001, 1001).payload(&[b'x'; 6])),
            Traffic::OutboundTcp => inner(Build::tcp(own, remote, Flags::ACK, 1001, 9001).payload(&[b'x'; 6])),
            Traffic::ReturnTcp => {
                let known_as = Endpoint::new(VIP, own.port);
                outer(Build::tcp(remote, known_as, Flags::ACK, 9001, 1001).payload(&[b'x'; 2]))
            }
            Traffic::OutboundUdp => inner(Build::udp(own, remote).payload(&[b'x'; 18])),
            Traffic::Excluded => {
                let host = Endpoint::new(Ipv4Addr::new(172, 16, 2, (at % 250) as u8), 2020);
                inner(Build::tcp(own, host, Flags::ACK, 1001, 9001).payload(&[b'x'; 6]))
            }
            Traffic::Visitor => outer(Build::tcp(remote, Endpoint::new(MEMBER, 7000), Flags::ACK, 1001, 9001)),
        }
    }

    /// What comes before the steady frames of conversation number `at`, with the port each comes in on.
    pub fn opening(self, at: usize) -> Vec<(PortId, Build)> {
        let (remote, own) = (self.remote(at), Endpoint::new(MEMBER, own_port(at)));
        let (vip, member, known_as) =
            (Endpoint::new(VIP, SIP), Endpoint::new(MEMBER, SIP), Endpoint::new(VIP, own.port));
        let grant = Flags::SYN.with(Flags::ACK);
        match self {
            Traffic::ServiceTcpIn | Traffic::ServiceTcpOut => vec![
                (OUTER, outer(Build::tcp(remote, vip, Flags::SYN, 1000, 0))),
                (INNER, inner(Build::tcp(member, remote, grant, 9000, 1001))),
                (OUTER, outer(Build::tcp(remote, vip, Flags::ACK, 1001, 9001))),
            ],
            Traffic::OutboundTcp | Traffic::ReturnTcp => vec![
                (INNER, inner(Build::tcp(own, remote, Flags::SYN, 1000, 0))),
                (OUTER, outer(Build::tcp(remote, known_as, grant, 9000, 1001))),
                (INNER, inner(Build::tcp(own, remote, Flags::ACK, 1001, 9001))),
            ],
            Traffic::OutboundUdp => vec![(INNER, self.frame(at))],
            Traffic::Visitor => {
                let visited = Endpoint::new(MEMBER, 7000);
                vec![
                    (OUTER, outer(Build::tcp(remote, visited, Flags::SYN, 1000, 0))),
                    (INNER, inner(Build::tcp(visited, remote, grant, 9000, 1001))),
                    (OUTER, outer(Build::tcp(remote, visited, Flags::ACK, 1001, 9001))),
                ]
            }
            Traffic::ServiceUdpIn | Traffic::ServiceUdpOut | Traffic::Excluded => Vec::new(),
        }
    }
}

fn outer(frame: Build) -> Build {
    frame.macs(ROUTER, MACS[0]).vlan(CLIENTS_VLAN).df()
}

fn inner(frame: Build) -> Build {
    frame.macs(MEMBERS, MACS[1]).df()
}

/// The member's port in it, when the member opened it.
fn own_port(at: usize) -> u16 {
    33_000 + (at % MEMBER_PORTS) as u16
}

/// Frames of one length, one behind the other.
pub struct Frames {
    bytes: Vec<u8>,
    length: usize,
}

impl Frames {
    /// The steady frames of conversations 0 to `count`, in an order that has nothing to do with that of their opening.
    pub fn steady(traffic: Traffic, count: usize) -> Frames {
        Frames::all(shuffled(count).map(|at| traffic.frame(at)), count)
    }

    /// The first frames of these conversations, one after the other.
    pub fn opening(traffic: Traffic, conversations: impl ExactSizeIterator<Item = usize>) -> Frames {
        let count = conversations.len();
        Frames::all(conversations.map(|at| traffic.opening(at).swap_remove(0).1), count)
    }

    /// So many frames, all as long as the first.
    pub fn all(frames: impl Iterator<Item = Build>, count: usize) -> Frames {
        let mut all = Frames { bytes: Vec::new(), length: 0 };
        for frame in frames {
            let bytes = frame.bytes();
            all.bytes.reserve_exact(if all.length == 0 { count * bytes.len() } else { 0 });
            all.length = bytes.len();
            all.bytes.extend_from_slice(&bytes);
        }
        all
    }

    /// One frame.
    pub fn of(bytes: &[u8]) -> Frames {
        Frames { bytes: bytes.to_vec(), length: bytes.len() }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.bytes.len() / self.length
    }

    /// How long each is, in bytes.
    pub fn length(&self) -> usize {
        self.length
    }

    /// One of them.
    pub fn at(&self, at: usize) -> &[u8] {
        &self.bytes[at * self.length..][..self.length]
    }
}

/// Calls of so many clients, as SIP has them: the requests that come in outside, and the answers of the member, in the same order.
pub fn calls(clients: usize) -> [Rc<Frames>; 2] {
    let all = |made: fn(usize) -> Build| Rc::new(Frames::all((0..clients).map(made), clients));
    [all(request), all(answer)]
}

fn caller(at: usize) -> Endpoint {
    Endpoint::new(Ipv4Addr::from(0xac18_0000 + at as u32), SIP)
}

/// Three in four are INVITEs, the others OPTIONS.
fn method(at: usize) -> &'static str {
    if at.is_multiple_of(4) { "OPTIONS" } else { "INVITE" }
}

fn request(at: usize) -> Build {
    let (method, caller) = (method(at), caller(at));
    let start = format!("{method} sip:8005550100@{VIP}:{SIP} SIP/2.0\r\n");
    outer(Build::udp(caller, Endpoint::new(VIP, SIP)).payload(&message(&start, method, at)))
}

fn answer(at: usize) -> Build {
    inner(Build::udp(Endpoint::new(MEMBER, SIP), caller(at)).payload(&message("SIP/2.0 200 OK\r\n", method(at), at)))
}

/// A message of 500 bytes.
fn message(start: &str, method: &str, at: usize) -> Vec<u8> {
    let addr = caller(at).addr;
    let fields = [
        format!("Via: SIP/2.0/UDP {addr}:{SIP};branch=z9hG4bK-524287-1---{at:016x}"),
        "Max-Forwards: 70".into(),
        format!("Contact: <sip:agent{at:05}@{addr}:{SIP}>"),
        format!("To: <sip:8005550100@{VIP}:{SIP}>"),
        format!("From: \"Agent {at:05}\"<sip:agent{at:05}@{VIP}:{SIP}>;tag=8f2c{at:08x}"),
        format!("Call-ID: 89371ODVhZmZi{at:08x}"),
        format!("CSeq: 1 {method}"),
        "Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, INFO, UPDATE".into(),
        "User-Agent: bench".into(),
        "Content-Length: 0".into(),
    ];
    let mut text = format!("{start}{}\r\nX-Padding: ", fields.join("\r\n")).into_bytes();
    text.resize(496, b'x');
    [text, b"\r\n\r\n".to_vec()].concat()
}

/// The median of some ratios, with the least and the most.
pub fn spread(mut ratios: Vec<f64>) -> String {
    ratios.sort_by(f64::total_cmp);
    let [least, median, most] = [0, ratios.len() / 2, ratios.len() - 1].map(|at| ratios[at]);
    format!("{median:.2} ({least:.2} to {most:.2})")
}

/// Numbers below `count`, each once, in an order that jumps about: steps of a generator of the group modulo a prime.
pub fn shuffled(count: usize) -> impl Iterator<Item = usize> {
    // A multiplier that is coprime to the count visits all.
    let step = (0..).map(|extra| count * 618 / 1000 + 1 + extra).find(|&step| gcd(step, count) == 1).unwrap_or(1);
    (0..count).map(move |at| (at as u128 * step as u128 % count as u128) as usize)
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
