//! Everything around the appliance, and the appliance, in one thread.

use crate::member::{Member, PORT};
use fairlead::control::admin::rows::{CounterRow, SwitchoverRow, Wall};
use fairlead::control::admin::{Answer, Data, Request};
use fairlead::control::config;
use fairlead::control::controller::{
    Controller, ControllerConfig, CounterSource, Input, Output, PortCounters, PortFacts, WorkerCounters,
};
use fairlead::engine::{Engine, Share};
use fairlead::flow::Claims;
use fairlead::io::memory::{FarEnd, MemoryPort, Pool};
use fairlead::policy::adjacency::Adjacency;
use fairlead::policy::health::{Health, MemberHealth, PoolHealth, State};
use fairlead::policy::intent::PortId;
use fairlead::policy::{Epoch, Snapshot};
use fairlead::time::Instant;
use fairlead::wire::arp::{Arp, Operation};
use fairlead::wire::build::Build;
use fairlead::wire::{Headers, Kind, Mac, check};
use fairlead::worker::mailbox::{ManagementEnd, mailbox};
use fairlead::worker::{Shared, Tally, Work, Worker, WorkerId, hand_offs};
use std::sync::{Arc, Weak};
use std::time::Duration;

const OURS: [Mac; 2] = [Mac([2, 0xfe, 0, 0, 0, 1]), Mac([2, 0xfe, 0, 0, 0, 2])];
const ROUTER: Mac = Mac([2, 0, 0, 0, 2, 1]);
const STEP: Duration = Duration::from_millis(1);

const FILE: &str = r#"
[cores]
management = 0
workers = [1]
[[port]]
name = "outer"
device = "net_null0"
[[port]]
name = "inner"
device = "net_null1"
[[interface]]
name = "clients"
port = "outer"
addresses = ["192.0.2.2/24"]
[[interface]]
name = "servers"
port = "inner"
addresses = ["10.20.0.1/24"]
[[route]]
to = "default"
via = "192.0.2.1"
[[monitor]]
name = "sip-options"
kind = "sip"
transport = "udp"
interval = "200ms"
timeout = "200ms"
rise = 2
fall = 2
[[pool]]
name = "pair-1"
mode = "active-standby"
members = [{ name = "sip-a", address = "10.20.0.11" }, { name = "sip-b", address = "10.20.0.12" }]
monitors = ["sip-options"]
[[virtual_server]]
name = "sip-1"
address = "10.20.0.100"
pool = "pair-1"
listen = ["udp/5060", "tcp/5060", "tcp/5061"]
[[snat]]
pool = "pair-1"
address = "10.20.0.100"
[limits]
flows_per_worker = 10000
rejects_per_second = 1000
"#;

/// Reads the workers' counters, as the field does.
struct Counters(Vec<Arc<Shared>>);

impl CounterSource for Counters {
    fn worker(&self, worker: WorkerId) -> WorkerCounters {
        let tally = self.0[usize::from(worker.0)].read();
        let row = |name: &str, value| CounterRow { name: name.into(), value, explanation: String::new(), worker: None };
        let rows = vec![row("received", tally.received)];
        WorkerCounters { received: tally.received, transmitted: tally.transmitted, rows, ..WorkerCounters::default() }
    }

    fn port(&self, _: PortId) -> PortCounters {
        PortCounters::default()
    }
}

/// The appliance and its surroundings.
pub struct World {
    pub members: [Member; 2],
    /// Of the frames between the appliance and the members, how many of a hundred are lost.
    pub loss_percent: u64,
    controller: Controller,
    workers: Vec<Worker<MemoryPort>>,
    mail: Vec<ManagementEnd>,
    shared: Vec<Arc<Shared>>,
    /// [outer, inner]
    wires: [FarEnd; 2],
    worlds: Vec<Weak<Snapshot>>,
    pool: Pool,
    now: Instant,
    random: u64,
    tickets: u64,
    answers: Vec<(u64, Answer)>,
    stopped: bool,
    ended: usize,
}

impl World {
    pub fn new(seed: u64, workers: usize) -> World {
        let configuration = config::parse_for(8, "simulation.toml", FILE).expect("the file is good");
        let intent = configuration.intent.clone();
        let claims = Claims::new([[10, 20, 0, 100].into()], seed);
        let health = Health { members: vec![MemberHealth::default(); 2], pools: vec![PoolHealth::default()] };
        let first = Arc::new(Snapshot::compile(&intent, &health, &Adjacency::default(), &OURS, Epoch(0)));
        let pool = Pool::default();
        let (outer, outer_end) = MemoryPort::connected(&pool);
        let (inner, inner_end) = MemoryPort::connected(&pool);
        let others: Vec<_> = (1..workers).map(|_| vec![outer.transmit_only(), inner.transmit_only()]).collect();
        let queues = std::iter::once(vec![outer, inner]).chain(others);
        let (mut mail, mut shared) = (Vec::new(), Vec::new());
        let workers: Vec<_> = queues
            .zip(hand_offs(workers, 256))
            .enumerate()
            .map(|(at, (queues, hands))| {
                let (management, end) = mailbox(1024);
                mail.push(management);
                shared.push(Arc::<Shared>::default());
                let engine = Engine::new(Arc::clone(&first), claims.clone(), seed ^ at as u64)
                    .sharing(Share { worker: at as u16, of: workers as u16 });
                Worker::new(WorkerId(at as u16), engine, queues, hands, end, Arc::clone(&shared[at]))
            })
            .collect();
        let controller = Controller::new(
            ControllerConfig {
                configuration,
                macs: OURS.to_vec(),
                ports: vec![PortFacts::default(); 2],
                workers: workers.len(),
                claims,
                counters: Box::new(Counters(shared.clone())),
                start: Wall(0),
                seed,
            },
            Instant::ZERO,
        );
        let mut members = [Member::new(11), Member::new(12)];
        members[0].serves = true;
        let mut world = World {
            members,
            loss_percent: 0,
            controller,
            workers,
            mail,
            shared,
            wires: [outer_end, inner_end],
            worlds: vec![Arc::downgrade(&first)],
            pool,
            now: Instant::ZERO,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            tickets: 0,
            answers: Vec::new(),
            stopped: false,
            ended: 0,
        };
        drop(first);
        for port in 0..2 {
            world.tell(Input::Link { port: PortId(port), up: true });
        }
        world
    }

    pub fn now(&self) -> Instant {
        self.now
    }

    /// One time in `of`.
    pub fn chance(&mut self, of: u64) -> bool {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random.is_multiple_of(of)
    }

    /// Lets time pass.
    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.now += STEP;
            self.step();
        }
    }

    /// `count` peers each send a request to the virtual address; each one's answer must wear it.
    pub fn talk(&mut self, count: usize) {
        for _ in 0..count {
            let peer = (self.random % 2_000) as u16;
            self.chance(1);
            let from = format!("172.16.5.{}:{}", peer % 250 + 1, 5_060 + peer / 250);
            let request = "INVITE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP x\r\n\r\n";
            let frame = Build::udp(from.as_str(), "10.20.0.100:5060").macs(ROUTER, OURS[0]).payload(request.as_bytes());
            self.wires[0].inject(&frame.bytes());
            self.run(STEP);
        }
        self.run(5 * STEP);
    }

    /// A member sends a request to peer number `peer`.
    pub fn member_calls(&mut self, member: usize, peer: u8) {
        let (mac, from) = (self.members[member].mac, format!("{}:{PORT}", self.members[member].address));
        let to = format!("172.16.9.{peer}:{PORT}");
        let frame = Build::udp(from.as_str(), to.as_str()).macs(mac, OURS[1]).payload(b"INVITE sip:y SIP/2.0\r\n\r\n");
        self.wires[1].inject(&frame.bytes());
        self.run(3 * STEP);
    }

    /// The peer answers to the virtual address.
    pub fn peer_answers(&mut self, peer: u8) {
        let from = format!("172.16.9.{peer}:{PORT}");
        let answer = b"SIP/2.0 200 OK\r\n\r\n";
        let frame = Build::udp(from.as_str(), "10.20.0.100:5060").macs(ROUTER, OURS[0]).payload(answer);
        self.wires[0].inject(&frame.bytes());
        self.run(3 * STEP);
    }

    /// How many requests reached each member.
    pub fn served(&self) -> (usize, usize) {
        (self.members[0].requests, self.members[1].requests)
    }

    /// An operator asks, and waits for the answer.
    pub fn ask(&mut self, request: Request) -> Result<Data, String> {
        self.tickets += 1;
        let ticket = self.tickets;
        self.tell(Input::Asked { ticket, request });
        for _ in 0..5_000 {
            if let Some(at) = self.answers.iter().position(|(answered, _)| *answered == ticket) {
                let (_, answer) = self.answers.remove(at);
                return answer.map(|told| told.data).map_err(|error| error.message);
            }
            self.run(STEP);
        }
        panic!("an operator was left without an answer for five seconds");
    }

    /// The active member, as an operator is told.
    pub fn active(&mut self) -> Option<&'static str> {
        use fairlead::control::admin::rows::Role;
        let Ok(Data::Members(rows)) = self.ask(Request::Members) else { panic!("no members") };
        let active: Vec<_> = rows.iter().filter(|row| row.role == Role::Active).collect();
        assert!(active.len() <= 1, "one pair has at most one active member");
        active.first().map(|row| if row.name == "sip-a" { "sip-a" } else { "sip-b" })
    }

    /// A member's state, as an operator is told.
    pub fn state(&mut self, name: &str) -> State {
        let Ok(Data::Members(rows)) = self.ask(Request::Members) else { panic!("no members") };
        let row = rows.into_iter().find(|row| row.name == name).expect("the member exists");
        [State::Unknown, State::Up, State::Down, State::Drained, State::Offline]
            .into_iter()
            .find(|state| fairlead::control::admin::rows::MemberState::from(*state) == row.state)
            .expect("the state has a name")
    }

    pub fn last_switchover(&mut self) -> SwitchoverRow {
        let Ok(Data::Switchovers(rows)) = self.ask(Request::Switchovers) else { panic!("no switchovers") };
        rows.into_iter().max_by_key(|row| row.detected).expect("there was one")
    }

    pub fn alarms(&mut self) -> Vec<String> {
        let Ok(Data::Status(status)) = self.ask(Request::Status) else { panic!("no status") };
        status.alarms.into_iter().map(|alarm| alarm.message).collect()
    }

    /// The end of every story: the appliance stops, and nothing is lost, kept or made up.
    pub fn farewell(&mut self) {
        self.tell(Input::Stop);
        for _ in 0..2_000 {
            if self.stopped {
                break;
            }
            self.run(STEP);
        }
        assert!(self.stopped && self.ended == self.mail.len(), "the appliance ends in time");
        self.workers.clear();
        for port in &self.wires {
            port.collect();
        }
        for mail in &mut self.mail {
            while mail.events.pop().is_ok() {}
        }
        assert_eq!(self.pool.in_use(), 0, "every buffer came back");
        let alive = self.worlds.iter().filter(|world| world.strong_count() > 0).count();
        assert!(alive <= 1, "{alive} snapshots are still held by somebody");
    }

    fn step(&mut self) {
        self.tell(Input::Tick);
        let mut ended = Vec::new();
        for (at, worker) in self.workers.iter_mut().enumerate() {
            if worker.turn(self.now) == Work::Ended {
                ended.push(at);
            }
            if let Some(world) = Some(worker.engine().world())
                && !self.worlds.iter().any(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(world)))
            {
                self.worlds.push(Arc::downgrade(world));
            }
        }
        self.worlds.retain(|world| world.strong_count() > 0);
        let sum: Tally = self.shared.iter().map(|shared| shared.read()).collect::<Vec<_>>().iter().sum();
        let in_rings = sum.handed_off - sum.taken_over;
        assert_eq!(sum.imbalance() + in_rings as i64, in_rings as i64, "frames were lost or made up");
        self.read_mail();
        self.ended += ended.len();
        ended.into_iter().rev().for_each(|at| drop(self.workers.remove(at)));
        self.carry_frames();
    }

    fn read_mail(&mut self) {
        for at in 0..self.mail.len() {
            while let Ok(event) = self.mail[at].events.pop() {
                self.controller.handle(Input::Event(event), self.now);
            }
        }
        self.act();
    }

    fn tell(&mut self, input: Input) {
        self.controller.handle(input, self.now);
        self.act();
    }

    fn act(&mut self) {
        while let Some(output) = self.controller.poll_output() {
            match output {
                Output::ToWorker(worker, command) => {
                    let ring = &mut self.mail[usize::from(worker.0)].commands;
                    assert!(ring.push(command).is_ok(), "a mailbox of the simulation is full");
                }
                Output::Answer { ticket, answer } => self.answers.push((ticket, answer)),
                Output::Stopped => self.stopped = true,
                Output::ReadFile { .. } | Output::Log { .. } | Output::Ready => {}
            }
        }
    }

    /// What the appliance has sent reaches the router and the members; what they answer comes in at the next step.
    fn carry_frames(&mut self) {
        for frame in self.wires[0].collect() {
            check::whole(&frame).expect("frames leave whole");
            if let Some(reply) = router(&frame) {
                self.wires[0].inject(&reply);
            }
        }
        for frame in self.wires[1].collect() {
            check::whole(&frame).expect("frames leave whole");
            for at in 0..2 {
                if self.loss_percent > 0 && self.chance(100 / self.loss_percent) {
                    continue;
                }
                if let Some(reply) = self.members[at].hear(&frame) {
                    self.wires[1].inject(&reply);
                }
            }
        }
    }
}

/// The router answers ARP; what comes from the members' services must wear the virtual address.
fn router(frame: &[u8]) -> Option<Vec<u8>> {
    let headers = Headers::parse(frame).expect("the appliance sends what can be read");
    match headers.kind {
        Kind::Arp(Arp { operation: Operation::Request, sender, sender_mac, target, .. })
            if target.octets() == [192, 0, 2, 1] =>
        {
            Some(Build::arp_reply(ROUTER, target, sender_mac, sender).macs(ROUTER, sender_mac).bytes())
        }
        Kind::Arp(_) => None,
        _ => {
            let seen = headers.src.octets();
            assert!(seen == [10, 20, 0, 100] || seen == [192, 0, 2, 2], "the world saw {}", headers.src);
            None
        }
    }
}
