//! What a frame that workers pass on costs management, by how many pools there are.
//!
//! `management POOLS...` prints a line for each kind of work: its name, and the nanoseconds of it with each number of pools. What
//! else a busy machine does is not in them: each is the least of many rounds. `scripts/bench management` asks for one pool
//! and a thousand. `management probes POOLS SECONDS` does nothing but ask all members by SIP each second for so long, and says how many
//! probes that were: what they take of instructions is counted by `valgrind --tool=callgrind --toggle-collect='*given*'`.

use fairlead::admin::Request;
use fairlead::config;
use fairlead::control::{
    Controller, CounterSource, HostDevice, Input, Machine, Output, PortCounters, PortFacts, WorkerCounters,
};
use fairlead::engine::{MemberUse, PuntReason};
use fairlead::flow::SnatPorts;
use fairlead::policy::Snapshot;
use fairlead::policy::intent::{InterfaceId, PortId};
use fairlead::time::{Duration, Instant};
use fairlead::wire::arp::Operation;
use fairlead::wire::build::Build;
use fairlead::wire::{Endpoint, Kind, Mac, Packet};
use fairlead::worker::counters::Owned;
use fairlead::worker::mailbox::{Command, Event, WorkerId};
use std::error::Error;
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// Rounds of one measurement, and frames of a round.
const ROUNDS: usize = 60;
const FRAMES: usize = 1_000;
/// Strangers who ask for us.
const STRANGERS: u32 = 900;
const US: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const MACS: [Mac; 2] = [Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2])];

/// As often as the appliance's loop looks at its mail.
const ROUND: Duration = Duration::from_millis(1);
/// What members are asked where nothing is to be due for long, and where each is asked every second.
const SELDOM: &str = "kind = \"icmp\"\ninterval = \"1h\"\ntimeout = \"1m\"\n";
const OFTEN: &str = "kind = \"sip\"\ninterval = \"1s\"\ntimeout = \"800ms\"\n";
/// Seconds of probes in one measurement, and measurements.
const SECONDS: u64 = 4;
const SPELLS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [kind, pools, seconds] = &words[..]
        && kind == "probes"
    {
        let (probes, _) = Bench::new(pools.parse()?, OFTEN)?.probes(seconds.parse()?);
        println!("{probes}");
        return Ok(());
    }
    let counts: Vec<usize> = words.iter().map(|word| word.parse()).collect::<Result<_, _>>()?;
    let mut lines: Vec<(&str, Vec<f64>)> = Vec::new();
    for pools in counts {
        let mut costs = Bench::new(pools, SELDOM)?.measured();
        costs.push(("probe_by_sip_and_its_answer", Bench::new(pools, OFTEN)?.least_of_a_probe()));
        for (at, (name, spent)) in costs.into_iter().enumerate() {
            match lines.get_mut(at) {
                Some((_, all)) => all.push(spent),
                None => lines.push((name, vec![spent])),
            }
        }
    }
    for (name, spent) in lines {
        println!("{name} {}", spent.iter().map(|nanos| format!("{nanos:.0}")).collect::<Vec<_>>().join(" "));
    }
    Ok(())
}

/// Nothing to be read.
struct Still;

impl CounterSource for Still {
    fn worker(&self, _: WorkerId) -> WorkerCounters {
        WorkerCounters::default()
    }

    fn members(&self, _: WorkerId) -> Option<Arc<MemberUse>> {
        None
    }

    fn owned(&self, _: WorkerId) -> Option<Owned> {
        None
    }

    fn port(&self, _: PortId) -> PortCounters {
        PortCounters::default()
    }

    fn latest_turn(&self, _: WorkerId) -> Option<Instant> {
        None
    }

    fn hosts(&self) -> Vec<HostDevice> {
        Vec::new()
    }

    fn host_frames_unclaimed(&self) -> u64 {
        0
    }

    fn log_lines_lost(&self) -> u64 {
        0
    }

    fn frames_unsent(&self) -> u64 {
        0
    }
}

/// A controller whose members answer ARP and echo requests; its worker is a few lines.
struct Bench {
    controller: Controller,
    now: Instant,
    snapshot: Option<Arc<Snapshot>>,
    pools: usize,
    /// What members say to what was sent in the last round.
    answers: Vec<Event>,
}

impl Bench {
    /// One that is at rest: everybody is found, and nothing is due.
    fn new(pools: usize, monitor: &str) -> Result<Bench, Box<dyn Error>> {
        let file = config::parse_for(8, "bench", &file(pools, monitor))?;
        let snat_ports = SnatPorts::new(file.intent.snats.iter().map(|snat| snat.address), 1);
        let machine = Machine {
            macs: MACS.to_vec(),
            ports: vec![PortFacts::default(); 2],
            workers: 1,
            counters: Box::new(Still),
            log: config::LogLevel::Warn,
            began: Instant::ZERO,
            start: fairlead::admin::rows::Wall(0),
            saved: None,
            configurations: None,
            events: None,
            handover: None,
        };
        let now = Instant::ZERO;
        let controller = Controller::new(file, machine, snat_ports, 7, now);
        let mut bench = Bench { controller, now, snapshot: None, pools, answers: Vec::new() };
        bench.settle();
        for port in [PortId(0), PortId(1)] {
            bench.give(Input::Link { port, up: true });
        }
        while let Some(due) = bench.controller.next_deadline().filter(|due| *due < Instant::from_millis(20_000)) {
            bench.now = due.max(bench.now + ROUND);
            bench.give(Input::Tick);
        }
        let up = bench
            .snapshot
            .as_ref()
            .map_or(0, |snapshot| snapshot.pools.iter().filter(|pool| pool.active.is_some()).count());
        if up != pools {
            return Err(format!("{up} of {pools} pools have an active member").into());
        }
        Ok(bench)
    }

    fn measured(&mut self) -> Vec<(&'static str, f64)> {
        let stranger = |at: usize| {
            let number = at as u32 % STRANGERS;
            let mac = Mac([2, 9, 0, 0, (number >> 8) as u8, number as u8]);
            let frame = Build::arp_request(mac, Ipv4Addr::from(0xc000_0200 + 10 + number % 240), US);
            (PuntReason::ArpRequest, InterfaceId(0), frame.bytes())
        };
        let members = 2 * self.pools;
        let member_at = move |at: usize| at.wrapping_mul(7_919) % members;
        let answer = move |at: usize| {
            let (address, mac) = (address(member_at(at)), mac_of(address(member_at(at))));
            let frame = Build::arp_reply(mac, address, MACS[1], Ipv4Addr::new(10, 255, 255, 1));
            (PuntReason::ArpNeighbour, InterfaceId(1), frame.bytes())
        };
        let stray = move |at: usize| {
            let (from, to) =
                (Endpoint::new(address(member_at(at)), 5_060), Endpoint::new(Ipv4Addr::new(10, 255, 255, 1), 50_000));
            let frame = Build::udp(from, to).macs(mac_of(from.addr), MACS[1]).payload(b"SIP/2.0 200 OK\r\n\r\n");
            (PuntReason::Local, InterfaceId(1), frame.bytes())
        };
        vec![
            ("arp_request_of_a_stranger", self.frames(stranger)),
            ("arp_reply_of_a_member", self.frames(answer)),
            ("datagram_to_a_self_ip", self.frames(stray)),
            ("round_with_nothing", self.rounds()),
            ("switchover", self.switchovers()),
        ]
    }

    /// Nanoseconds a frame, each in a round of its own.
    fn frames(&mut self, frame: impl Fn(usize) -> (PuntReason, InterfaceId, Vec<u8>)) -> f64 {
        let mut least = f64::MAX;
        for round in 0..ROUNDS {
            let now = self.now;
            let events: Vec<Event> = (0..FRAMES)
                .map(|at| {
                    let (reason, interface, frame) = frame(round * FRAMES + at);
                    Event::Punt { worker: WorkerId(0), reason, interface, frame: frame.into_boxed_slice(), at: now }
                })
                .collect();
            let begun = std::time::Instant::now();
            for event in events {
                self.controller.handle(Input::Event(event), self.now);
                while let Some(output) = self.controller.poll_output() {
                    drop(output);
                }
            }
            least = least.min(begun.elapsed().as_nanos() as f64 / FRAMES as f64);
        }
        least
    }

    /// Nanoseconds a probe.
    fn least_of_a_probe(&mut self) -> f64 {
        let spell = |bench: &mut Bench| {
            let (probes, spent) = bench.probes(SECONDS);
            spent.as_nanos() as f64 / probes as f64
        };
        (0..SPELLS).map(|_| spell(self)).fold(f64::MAX, f64::min)
    }

    /// Lets so many seconds pass. How many probes were answered meanwhile, and what management spent.
    fn probes(&mut self, seconds: u64) -> (usize, std::time::Duration) {
        let (until, mut probes, mut spent) = (self.now + Duration::from_secs(seconds), 0, std::time::Duration::ZERO);
        while self.now < until {
            let due = self.controller.next_deadline().filter(|_| self.answers.is_empty()).unwrap_or(self.now);
            self.now = due.max(self.now + ROUND);
            let events = std::mem::take(&mut self.answers);
            probes +=
                events.iter().filter(|event| matches!(event, Event::Punt { reason: PuntReason::Local, .. })).count();
            let begun = std::time::Instant::now();
            let outputs = given(&mut self.controller, events, self.now);
            spent += begun.elapsed();
            self.answers = outputs.into_iter().filter_map(|output| self.event_of(output)).collect();
        }
        (probes, spent)
    }

    fn rounds(&mut self) -> f64 {
        let mut least = f64::MAX;
        for _ in 0..ROUNDS {
            let begun = std::time::Instant::now();
            (0..FRAMES).for_each(|_| self.controller.handle(Input::Tick, self.now));
            least = least.min(begun.elapsed().as_nanos() as f64 / FRAMES as f64);
        }
        least
    }

    /// Nanoseconds from an operator's choice until workers are given a snapshot.
    fn switchovers(&mut self) -> f64 {
        let mut least = f64::MAX;
        for round in 0..ROUNDS {
            let pool = round * 7_919 % self.pools;
            let member = if (round / self.pools.min(ROUNDS)).is_multiple_of(2) { 'b' } else { 'a' };
            let request = Request::PoolForce { pool: format!("pair-{pool}"), member: format!("{member}-{pool}") };
            let begun = std::time::Instant::now();
            self.controller.handle(Input::Asked { request_id: round as u64, request, by: None }, self.now);
            least = least.min(begun.elapsed().as_nanos() as f64);
            self.settle();
        }
        least
    }

    fn give(&mut self, input: Input) {
        self.controller.handle(input, self.now);
        self.settle();
    }

    fn settle(&mut self) {
        loop {
            let outputs: Vec<Output> = std::iter::from_fn(|| self.controller.poll_output()).collect();
            let events: Vec<Input> =
                outputs.into_iter().filter_map(|output| self.event_of(output)).map(Input::Event).collect();
            if events.is_empty() {
                return;
            }
            self.controller.handle_all(events, self.now);
        }
    }

    fn event_of(&mut self, output: Output) -> Option<Event> {
        let worker = WorkerId(0);
        match output {
            Output::ToWorker(_, Command::Install(snapshot, _)) => {
                let epoch = snapshot.epoch;
                Some(Event::Installed { worker, epoch, at: self.now, old: self.snapshot.replace(snapshot) })
            }
            Output::ToWorker(_, Command::Latency(latency)) => Some(Event::Latency { worker, latency }),
            Output::ToWorker(_, Command::Sip(statistics)) => Some(Event::Sip { worker, statistics }),
            Output::ToWorker(_, Command::Transmit { port, frame }) => {
                let (reason, frame) = answered(&frame)?;
                let interface = InterfaceId(port.0.into());
                Some(Event::Punt { worker, reason, interface, frame: frame.into(), at: self.now })
            }
            _ => None,
        }
    }
}

/// One round of management's loop; what it wants done.
#[inline(never)]
fn given(controller: &mut Controller, events: Vec<Event>, now: Instant) -> Vec<Output> {
    controller.heard_until(now);
    controller.handle_all(events.into_iter().map(Input::Event), now);
    std::iter::from_fn(|| controller.poll_output()).collect()
}

/// What the host that a frame is for says to it.
fn answered(frame: &[u8]) -> Option<(PuntReason, Vec<u8>)> {
    let packet = Packet::parse(frame).ok()?;
    match packet.kind {
        Kind::Arp(arp) if arp.operation == Operation::Request && arp.target != arp.sender => {
            let answer = Build::arp_reply(mac_of(arp.target), arp.target, arp.sender_mac, arp.sender);
            Some((PuntReason::ArpNeighbour, answer.bytes()))
        }
        Kind::Echo { request: true } => {
            let payload = &frame[usize::from(packet.l4) + 8..usize::from(packet.end)];
            let answer = Build::echo_reply(packet.dst(), packet.src(), packet.src_port(), 0);
            let macs = answer.macs(mac_of(packet.dst()), MACS[1]);
            Some((PuntReason::Local, macs.payload(payload).bytes()))
        }
        Kind::Udp if packet.dst_port() == 5_060 => {
            let request = &frame[usize::from(packet.l4) + 8..usize::from(packet.end)];
            let (member, asker) = (Endpoint::new(packet.dst(), 5_060), Endpoint::new(packet.src(), packet.src_port()));
            let answer = Build::udp(member, asker).macs(mac_of(member.addr), MACS[1]).payload(&ok(request));
            Some((PuntReason::Local, answer.bytes()))
        }
        _ => None,
    }
}

/// 200 OK, with what RFC 3261 8.2.6.2 has copied from the request.
fn ok(request: &[u8]) -> Vec<u8> {
    let lines = request.split_inclusive(|byte| *byte == b'\n');
    let is_copied = |line: &&[u8]| {
        ["Via:", "From:", "To:", "Call-ID:", "CSeq:"].iter().any(|name| line.starts_with(name.as_bytes()))
    };
    let copied: Vec<u8> = lines.filter(is_copied).flatten().copied().collect();
    [b"SIP/2.0 200 OK\r\n", &copied[..], b"Content-Length: 0\r\n\r\n"].concat()
}

fn mac_of(address: Ipv4Addr) -> Mac {
    let [a, b, c, d] = address.octets();
    Mac([2, 1, a, b, c, d])
}

fn address(member: usize) -> Ipv4Addr {
    Ipv4Addr::from(0x0a01_0000 + member as u32 + 1)
}

/// Pools of two, asked as `monitor` says.
fn file(pools: usize, monitor: &str) -> String {
    let mut text = String::from(
        "[cores]\nmanagement = 0\nworkers = [1]\n[[port]]\nname = \"outer\"\ndevice = \"net_null0\"\n[[port]]\nname = \"inner\"\n\
         device = \"net_null1\"\n[[interface]]\nname = \"clients\"\nport = \"outer\"\naddresses = [\"192.0.2.2/24\"]\n[[interface]]\n\
         name = \"servers\"\nport = \"inner\"\naddresses = [\"10.255.255.1/8\"]\n[[route]]\nvia = \"192.0.2.1\"\n[[monitor]]\n\
         name = \"alive\"\n",
    );
    text.push_str(monitor);
    for pool in 0..pools {
        let (a, b) = (address(2 * pool), address(2 * pool + 1));
        let virtual_ip = Ipv4Addr::from(0x0ac8_0000 + pool as u32 + 1);
        let _ = write!(
            text,
            "[[pool]]\nname = \"pair-{pool}\"\nmembers = [{{ name = \"a-{pool}\", address = \"{a}\" }}, {{ name = \"b-{pool}\", \
             address = \"{b}\" }}]\nmonitors = [\"alive\"]\n[[virtual_server]]\nname = \"sip-{pool}\"\naddress = \"{virtual_ip}\"\n\
             pool = \"pair-{pool}\"\nlisten = [\"udp/5060\", \"tcp/5060\"]\n[[snat]]\npool = \"pair-{pool}\"\naddress = \
             \"{virtual_ip}\"\nexclude = [\"172.16.1.0/24\"]\n"
        );
    }
    text
}
