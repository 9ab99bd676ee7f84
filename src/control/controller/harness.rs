//! What the tests of this module share: an intent, fake workers, fake members, a clock in the hand.

use super::{Controller, ControllerConfig, CounterSource, Input, Output, PortCounters, PortFacts, WorkerCounters};
use crate::control::admin::rows::{CounterRow, Wall};
use crate::control::admin::{Answer, Request};
use crate::control::config::{Configuration, CpuCores, Dpdk, Idle, LogLevel, Settings};
use crate::engine::verdict::PuntReason;
use crate::flow::Claims;
use crate::policy::adjacency::NextHop;
use crate::policy::health::{Health, MemberHealth, PoolHealth};
use crate::policy::intent::*;
use crate::policy::{Epoch, Intent, Snapshot};
use crate::time::{Duration, Instant};
use crate::wire::build::Build;
use crate::wire::{Endpoint, Headers, Kind, Mac, Protocol};
use crate::worker::mailbox::{Command, Event, FlowRow, WorkerId};
use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// Our MACs, by port.
pub(crate) const MACS: [Mac; 2] = [Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2])];

fn interface(name: &str, port: u8, address: &str) -> Interface {
    Interface {
        name: name.into(),
        port: PortId(port),
        vlan: None,
        addresses: vec![address.parse().unwrap()],
        mtu: 1500,
    }
}

fn port(name: &str) -> PortIntent {
    PortIntent { name: name.into(), device: format!("net_null_{name}"), mtu: 1500, queues: None }
}

fn member(name: &str, last: u8) -> Member {
    Member {
        name: name.into(),
        address: Ipv4Addr::new(10, 20, 0, last),
        pool: PoolId(0),
        interface: InterfaceId(1),
    }
}

fn options_every(millis: u64) -> Monitor {
    Monitor {
        name: "sip-options".into(),
        kind: MonitorKind::Sip(SipProbe {
            transport: SipTransport::Udp,
            port: 5060,
            host: None,
            user: None,
            up_codes: vec![CodeRange { first: 100, last: 399 }],
            down_codes: Vec::new(),
        }),
        interval: Duration::from_millis(millis),
        timeout: Duration::from_millis(millis * 4 / 5),
        rise: 2,
        fall: 2,
    }
}

/// The common setting of the acceptance scenarios: two arms, one pair.
pub(crate) fn two_arm() -> Intent {
    let listen = |protocol, port| Listen { protocol, port };
    Intent {
        ports: vec![port("outer"), port("inner")],
        interfaces: vec![interface("clients", 0, "192.0.2.2/24"), interface("servers", 1, "10.20.0.1/24")],
        routes: vec![Route {
            to: "0.0.0.0/0".parse().unwrap(),
            via: Ipv4Addr::new(192, 0, 2, 1),
            interface: InterfaceId(0),
        }],
        monitors: vec![options_every(200)],
        pools: vec![Pool {
            name: "pair-1".into(),
            members: vec![MemberId(0), MemberId(1)],
            monitors: vec![MonitorId(0)],
            require: 1,
            fail_back: FailBack::Never,
            on_down_tcp: OnDownTcp::Reset,
            no_member: NoMember::Reject,
        }],
        members: vec![member("sip-a", 11), member("sip-b", 12)],
        virtual_servers: vec![VirtualServer {
            name: "sip-1".into(),
            address: Ipv4Addr::new(10, 20, 0, 100),
            pool: PoolId(0),
            listen: vec![listen(Protocol::Udp, 5060), listen(Protocol::Tcp, 5060), listen(Protocol::Tcp, 5061)],
            enabled: true,
            echo: EchoPolicy::Always,
        }],
        snats: vec![Snat {
            pool: PoolId(0),
            address: Ipv4Addr::new(10, 20, 0, 100),
            exclude: vec!["172.16.1.20/32".parse().unwrap(), "172.16.2.0/24".parse().unwrap()],
            untranslated_udp_ports: Vec::new(),
        }],
        timeouts: Timeouts::default(),
        limits: Limits::default(),
    }
}

/// Nobody known, nobody active.
pub(crate) fn health_of(intent: &Intent) -> Health {
    Health {
        members: vec![MemberHealth::default(); intent.members.len()],
        pools: vec![PoolHealth::default(); intent.pools.len()],
    }
}

/// The file whose intent is `intent`.
pub(crate) fn file_of(intent: &Intent) -> Configuration {
    let settings = Settings {
        name: "lead-1".into(),
        admin_socket: "/run/fairlead/admin.sock".into(),
        metrics: None,
        log: LogLevel::Info,
        cores: CpuCores { management: 0, workers: vec![1, 2], idle: Idle::Poll },
        dpdk: Dpdk { hugepages: false, eal: Vec::new(), mbufs: 65_535, memory_mib: 512 },
    };
    Configuration { settings, intent: intent.clone(), warnings: Vec::new() }
}

/// Counters that stand still.
struct Still;

impl CounterSource for Still {
    fn worker(&self, worker: WorkerId) -> WorkerCounters {
        let row = |name: &str, value| CounterRow { name: name.into(), value, explanation: name.into(), worker: None };
        let rows = vec![row("received", 10 + u64::from(worker.0)), row("drop_no_route", 0)];
        WorkerCounters { received: 10, transmitted: 9, dropped: 1, flows: 5, member_flows: vec![3, 1], rows, busy_percent: 1.5 }
    }

    fn port(&self, _: PortId) -> PortCounters {
        PortCounters { speed_mbps: Some(10_000), rx_frames: 20, ..PortCounters::default() }
    }
}

/// What a fake member does with a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Answers OPTIONS with this status.
    Answers(u16),
    /// Its port is closed: ICMP port unreachable.
    Refuses,
    /// Its host lives but says nothing.
    Mute,
    /// Its host is dead: not even ARP.
    Dead,
}

/// A host on a link, such as a member or a router.
pub(crate) struct Host {
    pub(crate) interface: InterfaceId,
    pub(crate) address: Ipv4Addr,
    pub(crate) mac: Mac,
    pub(crate) manner: Manner,
}

struct FakeWorker {
    snapshot: Option<Arc<Snapshot>>,
    mail: VecDeque<Command>,
    /// It does not look at its mail.
    asleep: bool,
}

/// A controller, two workers, two members and a router; time stands still unless told to move.
pub(crate) struct World {
    pub(crate) controller: Controller,
    pub(crate) now: Instant,
    pub(crate) hosts: Vec<Host>,
    workers: Vec<FakeWorker>,
    /// What arrives from hosts, and when.
    on_the_wire: Vec<(Instant, Event)>,
    pub(crate) frames: Vec<(Instant, PortId, Vec<u8>)>,
    pub(crate) logs: Vec<(LogLevel, String)>,
    pub(crate) answers: BTreeMap<u64, Answer>,
    pub(crate) given_up: Vec<NextHop>,
    pub(crate) epochs: Vec<Epoch>,
    pub(crate) reads: Vec<Option<u64>>,
    pub(crate) ready: bool,
    pub(crate) stopped: bool,
    pub(crate) flows: Vec<FlowRow>,
    pub(crate) options: Vec<(Ipv4Addr, String)>,
    tickets: u64,
}

/// From a probe to its answer.
const TRIP: Duration = Duration::from_micros(300);

impl World {
    /// Links up, both members alive: sip-a answers, sip-b refuses.
    pub(crate) fn new() -> World {
        World::of(two_arm())
    }

    pub(crate) fn of(intent: Intent) -> World {
        let member = |at: usize, manner| Host {
            interface: intent.members[at].interface,
            address: intent.members[at].address,
            mac: Mac([2, 0, 0, 0, 1, at as u8]),
            manner,
        };
        let router = Host {
            interface: InterfaceId(0),
            address: intent.routes[0].via,
            mac: Mac([2, 0, 0, 0, 2, 1]),
            manner: Manner::Mute,
        };
        let hosts = vec![member(0, Manner::Answers(200)), member(1, Manner::Refuses), router];
        let config = ControllerConfig {
            claims: Claims::new(intent.snats.iter().map(|snat| snat.address), 1),
            configuration: file_of(&intent),
            macs: MACS.to_vec(),
            ports: vec![PortFacts { driver: "null".into(), rx_queues: 2, tx_queues: 2 }; 2],
            workers: 2,
            counters: Box::new(Still),
            start: Wall(1_795_352_645_000_000),
            seed: 7,
        };
        let fake = || FakeWorker { snapshot: None, mail: VecDeque::new(), asleep: false };
        let mut world = World {
            controller: Controller::new(config, Instant::ZERO),
            now: Instant::ZERO,
            hosts,
            workers: vec![fake(), fake()],
            on_the_wire: Vec::new(),
            frames: Vec::new(),
            logs: Vec::new(),
            answers: BTreeMap::new(),
            given_up: Vec::new(),
            epochs: Vec::new(),
            reads: Vec::new(),
            ready: false,
            stopped: false,
            flows: Vec::new(),
            options: Vec::new(),
            tickets: 0,
        };
        world.settle();
        for port in [PortId(0), PortId(1)] {
            world.give(Input::Link { port, up: true });
        }
        world
    }

    /// One that has found its active member.
    pub(crate) fn settled() -> World {
        let mut world = World::new();
        world.run(1_000);
        world
    }

    /// Something happens now, and all that follows from it without time passing.
    pub(crate) fn give(&mut self, input: Input) {
        self.controller.handle(input, self.now);
        self.settle();
    }

    /// Time passes: from one deadline to the next.
    pub(crate) fn run(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        loop {
            let arrival = self.on_the_wire.iter().map(|(at, _)| *at).min();
            let next = self.controller.next_deadline().into_iter().chain(arrival).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            let (due, later) = std::mem::take(&mut self.on_the_wire).into_iter().partition(|(at, _)| *at <= self.now);
            self.on_the_wire = later;
            let due: Vec<(Instant, Event)> = due;
            for (_, event) in due {
                self.give(Input::Event(event));
            }
            self.give(Input::Tick);
        }
        self.now = end;
    }

    /// Asks as an operator, and gives the answer if it comes at once.
    pub(crate) fn ask(&mut self, request: Request) -> Option<Answer> {
        self.tickets += 1;
        let ticket = self.tickets;
        self.give(Input::Asked { ticket, request });
        self.answers.remove(&ticket)
    }

    /// Asks, and lets time pass until the answer is there.
    pub(crate) fn ask_and_wait(&mut self, request: Request, millis: u64) -> Answer {
        let at_once = self.ask(request);
        let ticket = self.tickets;
        at_once.unwrap_or_else(|| {
            self.run(millis);
            self.answers.remove(&ticket).expect("an answer")
        })
    }

    /// The name of the active member of the first pool, as every worker has it.
    pub(crate) fn active(&self) -> Option<String> {
        let of = |worker: &FakeWorker| worker.snapshot.as_ref().and_then(|snapshot| snapshot.pools[0].active);
        assert_eq!(of(&self.workers[0]), of(&self.workers[1]), "workers agree");
        of(&self.workers[0]).map(|id| self.controller.intent.members[id.index()].name.clone())
    }

    /// What a worker reads.
    pub(crate) fn snapshot(&self) -> &Snapshot {
        self.workers[0].snapshot.as_ref().expect("a snapshot")
    }

    pub(crate) fn sleep(&mut self, worker: usize, asleep: bool) {
        self.workers[worker].asleep = asleep;
        self.settle();
    }

    /// An ARP packet from a host arrives now.
    pub(crate) fn arp(&mut self, interface: InterfaceId, frame: Vec<u8>) {
        self.give(Input::Event(punt(PuntReason::Arp, interface, frame)));
    }

    /// Frames sent since `since` that announce an address, in order.
    pub(crate) fn announced(&self, since: Instant) -> Vec<(Instant, Ipv4Addr)> {
        let arp = |(at, _, frame): &(Instant, PortId, Vec<u8>)| match Headers::parse(frame).unwrap().kind {
            Kind::Arp(arp) if arp.sender == arp.target => Some((*at, arp.sender)),
            _ => None,
        };
        self.frames.iter().filter(|(at, ..)| *at >= since).filter_map(arp).collect()
    }

    pub(crate) fn logged(&self, part: &str) -> usize {
        self.logs.iter().filter(|(_, line)| line.contains(part)).count()
    }

    fn settle(&mut self) {
        loop {
            while let Some(output) = self.controller.poll_output() {
                self.take(output);
            }
            let events: Vec<Event> = (0..self.workers.len()).flat_map(|at| self.work(at)).collect();
            if events.is_empty() {
                return;
            }
            for event in events {
                self.controller.handle(Input::Event(event), self.now);
            }
        }
    }

    fn take(&mut self, output: Output) {
        match output {
            Output::ToWorker(worker, command) => self.workers[usize::from(worker.0)].mail.push_back(command),
            Output::Answer { ticket, answer } => assert!(self.answers.insert(ticket, answer).is_none(), "answered twice"),
            Output::ReadFile { ticket } => self.reads.push(ticket),
            Output::Log { level, message } => self.logs.push((level, message)),
            Output::Ready => self.ready = true,
            Output::Stopped => self.stopped = true,
        }
    }

    fn work(&mut self, at: usize) -> Vec<Event> {
        let id = WorkerId(at as u16);
        let mut events = Vec::new();
        while !self.workers[at].asleep
            && let Some(command) = self.workers[at].mail.pop_front()
        {
            match command {
                Command::Install(snapshot) => {
                    let epoch = snapshot.epoch;
                    self.epochs.extend((at == 0).then_some(epoch));
                    let old = self.workers[at].snapshot.replace(snapshot);
                    assert!(old.as_ref().is_none_or(|old| old.epoch < epoch), "epochs only grow");
                    events.push(Event::Installed { worker: id, epoch, at: self.now, old });
                }
                Command::Transmit { port, frame } => {
                    assert_eq!(at, 0, "one worker sends what management makes");
                    self.deliver(port, frame.into_vec());
                }
                Command::GiveUp(hop) => self.given_up.extend((at == 0).then_some(hop)),
                Command::ListFlows { query, limit, .. } => {
                    let rows: Vec<FlowRow> = self.flows.iter().take(limit).cloned().collect();
                    let (first, second) = rows.split_at(rows.len() / 2);
                    events.push(Event::Flows { query, rows: first.to_vec(), last: false });
                    events.push(Event::Flows { query, rows: second.to_vec(), last: true });
                }
                Command::ClearFlows { query, .. } => {
                    events.push(Event::Cleared { query, count: self.flows.len() as u64 });
                }
                Command::Claims(_) => {}
                Command::Stop => {
                    self.workers[at].snapshot = None;
                    events.push(Event::Stopped(id));
                }
            }
        }
        events
    }

    /// A frame leaves: whoever it is for answers after [`TRIP`].
    fn deliver(&mut self, port: PortId, frame: Vec<u8>) {
        let headers = Headers::parse(&frame).expect("a frame of ours is whole");
        let reply = self.hosts.iter().find(|host| {
            let meant = headers.link.dst == host.mac || headers.link.dst == Mac::BROADCAST;
            meant && headers.dst == host.address && self.controller.intent.interfaces[host.interface.index()].port == port
        });
        if let Some((reason, interface, bytes)) = reply.and_then(|host| answer_of(host, &headers, &frame)) {
            self.on_the_wire.push((self.now + TRIP, punt(reason, interface, bytes)));
        }
        if let Kind::Udp { dst_port: 5060, .. } = headers.kind {
            let text = String::from_utf8_lossy(&frame[usize::from(headers.l4) + 8..usize::from(headers.end)]).into_owned();
            self.options.push((headers.dst, text));
        }
        self.frames.push((self.now, port, frame));
    }
}

fn punt(reason: PuntReason, interface: InterfaceId, frame: Vec<u8>) -> Event {
    Event::Punt { worker: WorkerId(1), reason, interface, frame: frame.into_boxed_slice() }
}

fn answer_of(host: &Host, headers: &Headers, frame: &[u8]) -> Option<(PuntReason, InterfaceId, Vec<u8>)> {
    if host.manner == Manner::Dead {
        return None;
    }
    let back = |build: Build| build.macs(host.mac, headers.link.src).bytes();
    match headers.kind {
        Kind::Arp(arp) if arp.target == host.address => {
            let bytes = back(Build::arp_reply(host.mac, host.address, arp.sender_mac, arp.sender));
            Some((PuntReason::Arp, host.interface, bytes))
        }
        Kind::Udp { src_port, dst_port } => {
            let (from, to) = (Endpoint::new(headers.dst, dst_port), Endpoint::new(headers.src, src_port));
            let payload = &frame[usize::from(headers.l4) + 8..usize::from(headers.end)];
            let build = match host.manner {
                Manner::Answers(code) => Build::udp(from, to).payload(&sip_answer(payload, code)),
                Manner::Refuses => {
                    let quoted = Build::udp(to, from).payload(payload);
                    Build::icmp_error(headers.dst, headers.src, 3, 3, &quoted)
                }
                Manner::Mute | Manner::Dead => return None,
            };
            Some((PuntReason::Local, host.interface, back(build)))
        }
        _ => None,
    }
}

/// A SIP answer as RFC 3261 8.2.6.2 makes it: the headers of the request, and a tag.
fn sip_answer(request: &[u8], code: u16) -> Vec<u8> {
    let text = String::from_utf8_lossy(request);
    let mut answer = format!("SIP/2.0 {code} Whatever\r\n");
    for line in text.lines().skip(1) {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        match name.as_str() {
            "to" | "t" => answer += &format!("{line};tag=member\r\n"),
            "via" | "v" | "from" | "f" | "call-id" | "i" | "cseq" => answer += &format!("{line}\r\n"),
            _ => {}
        }
    }
    (answer + "Content-Length: 0\r\n\r\n").into_bytes()
}
