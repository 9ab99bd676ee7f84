//! The appliance in one thread: controller and workers, connected as `app` connects them, on ports of memory.
//!
//! Owns what a process owns. Starting another one on the same links is a restart.

use super::file::File;
use fairlead::admin::events::EventRow;
use fairlead::admin::rows::Wall;
use fairlead::admin::{Answer, Request};
use fairlead::config::{self, LogLevel};
use fairlead::control::{
    Controller, CounterSource, FileRead, HandoverFound, HandoverStream, HostDevice, Input, Machine, Output, PairWord,
    PortCounters, PortFacts, SavedConfigurations, TakeUp, Taken, TakenUp, WorkerCounters, Written,
};
use fairlead::engine::{Engine, MemberUse, Share, Steering};
use fairlead::flow::SnatPorts;
use fairlead::handover::{Contents, Here, Remembered};
use fairlead::io::memory::{FarEnd, MemoryPort, Pool};
use fairlead::policy::adjacency::Adjacency;
use fairlead::policy::health::{Health, MemberHealth, PairHealth, PoolHealth};
use fairlead::policy::intent::PortId;
use fairlead::policy::{Epoch, Snapshot};
use fairlead::time::{Duration, Instant};
use fairlead::wire::Mac;
use fairlead::worker::counters::Owned;
use fairlead::worker::mailbox::{Command, ManagementEnd, mailbox};
use fairlead::worker::{Counters, Shared, Work, Worker, WorkerId, hand_offs};
use std::sync::{Arc, Weak};

/// Our MAC on each port.
pub const OURS: [Mac; 2] = [Mac([2, 0xfe, 0, 0, 0, 1]), Mac([2, 0xfe, 0, 0, 0, 2])];

/// A line of the log.
#[derive(Clone, Debug)]
pub struct Logged {
    pub at: Instant,
    pub level: LogLevel,
    pub message: String,
    /// All of it.
    pub row: Arc<EventRow>,
}

/// Reads the workers' counters, as the field does.
struct Published(Vec<Arc<Shared>>);

impl CounterSource for Published {
    fn worker(&self, worker: WorkerId) -> WorkerCounters {
        let shared = &self.0[usize::from(worker.0)];
        WorkerCounters { busy_percent: 0.0, counters: shared.read() }
    }

    fn members(&self, worker: WorkerId) -> Option<Arc<MemberUse>> {
        self.0[usize::from(worker.0)].members()
    }

    fn owned(&self, worker: WorkerId) -> Option<Owned> {
        self.0[usize::from(worker.0)].owned()
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

/// The appliance.
pub struct Appliance {
    /// What a reload reads.
    pub file: File,
    pub log: Vec<Logged>,
    controller: Controller,
    workers: Vec<Worker<MemoryPort>>,
    mail: Vec<ManagementEnd>,
    shared: Vec<Arc<Shared>>,
    wires: [FarEnd; 2],
    snapshots: Vec<Weak<Snapshot>>,
    buffers: Pool,
    answers: Vec<(u64, Answer)>,
    /// What its management has said to the other appliance's, and nobody has taken.
    pub said: Vec<PairWord>,
    requests: u64,
    stopped: bool,
    ended: usize,
    /// What is to be left for the next process, as far as it is written, and the rest of it.
    writing: Option<HandoverStream<Vec<u8>>>,
    rest: Option<Remembered>,
    /// All of it.
    pub left: Option<Vec<u8>>,
}

/// One host, and its time.
fn here(name: &str, now: Instant) -> Here {
    Here { boot: [5; 16], uptime: now.since(Instant::ZERO), name: name.to_owned() }
}

/// What another process has left, if it counts.
fn found(left: Option<Vec<u8>>, name: &str, now: Instant) -> Option<Result<(Contents, Duration), String>> {
    let read = |left| {
        let contents = Contents::read(left)?;
        let age = contents.age(&here(name, now))?;
        Ok((contents, age))
    };
    left.map(|left| read(left).map_err(|refusal: fairlead::handover::Refusal| refusal.to_string()))
}

impl Appliance {
    /// A process that has just started; its links are still unknown.
    pub fn start(file: &File, workers: usize, seed: u64, now: Instant) -> Appliance {
        Appliance::start_after(file, workers, seed, None, now)
    }

    /// The same with these MACs on its ports.
    pub fn start_as(macs: [Mac; 2], file: &File, workers: usize, seed: u64, now: Instant) -> Appliance {
        Appliance::begin(macs, file, (workers, seed), None, now)
    }

    /// The same where another process has left something.
    pub fn start_after(file: &File, workers: usize, seed: u64, left: Option<Vec<u8>>, now: Instant) -> Appliance {
        Appliance::begin(OURS, file, (workers, seed), left, now)
    }

    fn begin(
        macs: [Mac; 2],
        file: &File,
        (workers, seed): (usize, u64),
        left: Option<Vec<u8>>,
        now: Instant,
    ) -> Appliance {
        let configuration = config::parse_for(8, "bench.toml", &file.0).unwrap_or_else(|errors| panic!("{errors}"));
        let intent = configuration.intent.clone();
        let found = found(left, &configuration.settings.name, now);
        let counts = found.as_ref().and_then(|found| found.as_ref().ok());
        let identity = fairlead::peer::identity(&configuration).unwrap_or_else(|why| panic!("{why}"));
        let remembered = || counts.map_or(seed, |(contents, _)| contents.remembered().snat_seed);
        let snat_seed = identity.map_or_else(remembered, |identity| identity.seed());
        let snat_ports = SnatPorts::new(intent.snats.iter().map(|snat| snat.address), snat_seed);
        let health = Health {
            members: vec![MemberHealth::default(); intent.members.len()],
            pools: vec![PoolHealth::default(); intent.pools.len()],
            pair: if intent.pair.is_some() { PairHealth::STANDBY } else { PairHealth::default() },
        };
        let first = Arc::new(Snapshot::compile(&intent, &health, &Adjacency::default(), &macs, Epoch(0)));
        let buffers = Pool::default();
        let (outer, outer_end) = MemoryPort::connected(&buffers);
        let (inner, inner_end) = MemoryPort::connected(&buffers);
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
                let share = Share { worker: at as u16, of: workers as u16 };
                let engine = Engine::new(Arc::clone(&first), snat_ports.clone(), seed ^ at as u64).sharing(share);
                Worker::new(WorkerId(at as u16), engine, queues, hands, end, Arc::clone(&shared[at]))
            })
            .collect();
        let mut workers: Vec<Worker<MemoryPort>> = workers;
        let handover = found.map(|found| HandoverFound {
            place: "/run/fairlead/state".into(),
            outcome: found.map(|(contents, age)| {
                let (remembered, count) = (contents.remembered().clone(), workers.len());
                let all = TakeUp::new(contents, &intent, &first, &Steering::ours(count), count);
                let mut taken = Taken::default();
                for (at, worker) in workers.iter_mut().enumerate() {
                    worker.prepare(|engine| taken.add(&all.fill(at, engine, now, || false)));
                }
                TakenUp { remembered, age, taken, took: Duration::ZERO }
            }),
        });
        // Who sends its configuration to another one has the text of it.
        let text: Arc<str> = file.0.as_str().into();
        let kept = intent.pair.as_ref().and_then(|pair| pair.peer).map(|_| SavedConfigurations {
            place: "/var/lib/fairlead/configurations".into(),
            found: Ok(None),
            path: "/etc/fairlead/fairlead.toml".into(),
            file: Arc::clone(&text),
            in_force: text,
        });
        let machine = Machine {
            macs: macs.to_vec(),
            ports: vec![PortFacts::default(); 2],
            workers: workers.len(),
            counters: Box::new(Published(shared.clone())),
            log: LogLevel::Info,
            began: now,
            start: Wall(0),
            saved: None,
            configurations: kept,
            events: None,
            handover,
        };
        Appliance {
            file: file.clone(),
            log: Vec::new(),
            controller: Controller::new(configuration, machine, snat_ports, seed, now),
            workers,
            mail,
            shared,
            wires: [outer_end, inner_end],
            snapshots: vec![Arc::downgrade(&first)],
            buffers,
            answers: Vec::new(),
            said: Vec::new(),
            requests: 0,
            stopped: false,
            ended: 0,
            writing: None,
            rest: None,
            left: None,
        }
    }

    /// The controller, to be looked at.
    pub fn controller(&self) -> &Controller {
        &self.controller
    }

    /// How many workers it has.
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// A worker gets this.
    pub fn give(&mut self, worker: usize, command: Command) {
        assert!(self.mail[worker].commands.push(command).is_ok(), "its ring has room");
    }

    /// Flows that its workers know.
    pub fn flows(&self) -> usize {
        self.workers.iter().map(|worker| worker.engine().flows().len()).sum()
    }

    /// The other end of a port.
    pub fn wire(&self, port: PortId) -> &FarEnd {
        &self.wires[port.index()]
    }

    /// All workers' counts together.
    pub fn counters(&self) -> Counters {
        self.shared.iter().map(|shared| shared.read()).collect::<Vec<_>>().iter().sum()
    }

    /// What was counted, by name, for a message.
    pub fn counted(&self) -> Vec<(String, u64)> {
        let counted = WorkerCounters { counters: self.counters(), ..WorkerCounters::default() };
        counted.rows().filter(|row| row.value > 0).map(|row| (row.name, row.value)).collect()
    }

    pub fn handle(&mut self, input: Input, now: Instant) {
        self.controller.handle(input, now);
        self.act(now);
    }

    /// An operator asks; the answer comes under the number returned.
    pub fn ask(&mut self, request: Request, now: Instant) -> u64 {
        self.requests += 1;
        self.handle(Input::Asked { request_id: self.requests, request, by: None }, now);
        self.requests
    }

    pub fn answer(&mut self, request_id: u64) -> Option<Answer> {
        let at = self.answers.iter().position(|(answered, _)| *answered == request_id)?;
        Some(self.answers.remove(at).1)
    }

    /// A turn of everything: the controller's clock, every worker, and what they say to each other.
    pub fn turn(&mut self, now: Instant) {
        self.handle(Input::Tick, now);
        let mut ended = Vec::new();
        for (at, worker) in self.workers.iter_mut().enumerate() {
            if worker.turn(now) == Work::Ended {
                ended.push(at);
            }
            let snapshot = worker.engine().snapshot();
            if !self.snapshots.iter().any(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(snapshot))) {
                self.snapshots.push(Arc::downgrade(snapshot));
            }
        }
        self.snapshots.retain(|snapshot| snapshot.strong_count() > 0);
        assert_eq!(self.counters().imbalance(), 0, "frames were lost or made up: {:?}", self.counted());
        self.read_mail(now);
        self.write(now);
        self.ended += ended.len();
        ended.into_iter().rev().for_each(|at| drop(self.workers.remove(at)));
    }

    /// It was asked to stop, and has.
    pub fn has_stopped(&self) -> bool {
        self.stopped && self.ended == self.mail.len()
    }

    /// After the end: every buffer came back, and at most the controller's snapshot is still there.
    pub fn assert_nothing_is_left(&mut self) {
        self.workers.clear();
        for port in &self.wires {
            port.collect();
        }
        for mail in &mut self.mail {
            while mail.events.pop().is_some() {}
        }
        assert_eq!(self.buffers.in_use(), 0, "every buffer came back");
        let alive = self.snapshots.iter().filter(|snapshot| snapshot.strong_count() > 0).count();
        assert!(alive <= 1, "{alive} snapshots are still held by somebody");
    }

    /// What workers have given is written.
    fn write(&mut self, now: Instant) {
        let Some(writing) = &mut self.writing else { return };
        writing.pump().unwrap();
        if writing.has_all()
            && let (Some(writing), Some(rest)) = (self.writing.take(), self.rest.take())
        {
            let (left, counts) = writing.end(&rest).unwrap();
            let bytes = left.len() as u64;
            self.left = Some(left);
            self.handle(Input::HandedOver(Ok(Written { counts, bytes })), now);
        }
    }

    fn read_mail(&mut self, now: Instant) {
        for at in 0..self.mail.len() {
            while let Some(event) = self.mail[at].events.pop() {
                self.controller.handle(Input::Event(event), now);
            }
        }
        self.act(now);
    }

    fn act(&mut self, now: Instant) {
        while let Some(output) = self.controller.poll_output() {
            match output {
                Output::ToWorker(worker, command) => {
                    let ring = &mut self.mail[usize::from(worker.0)].commands;
                    assert!(ring.push(command).is_ok(), "a mailbox of the bench is full");
                }
                Output::Answer { request_id, answer } => self.answers.push((request_id, answer)),
                Output::Stopped => self.stopped = true,
                Output::Log(row) => {
                    self.log.push(Logged { at: now, level: row.level, message: row.message.clone(), row })
                }
                Output::ReadFile { request_id } => {
                    let (text, read) = (self.file.0.as_str().into(), config::parse_for(8, "bench.toml", &self.file.0));
                    let file = FileRead { read: read.map(Box::new), text: Arc::clone(&text), file: Some(text) };
                    self.controller.handle(Input::Reload { request_id, file }, now);
                }
                Output::ReadText { request_id, name, text } => {
                    let (request_id, read) = (Some(request_id), config::parse_for(8, &name, &text));
                    let file = FileRead { read: read.map(Box::new), text, file: Some(self.file.0.as_str().into()) };
                    self.controller.handle(Input::Reload { request_id, file }, now);
                }
                Output::ReadPushed { request_id, name, text, own } => {
                    let (text, read) = config::parse_pushed(&name, &text, &own);
                    let own = Some(self.file.0.as_str().into());
                    let file = FileRead { read: read.map(Box::new), text: text.into(), file: own };
                    self.controller.handle(Input::Reload { request_id: Some(request_id), file }, now);
                }
                Output::TellPeer(word) => self.said.push(*word),
                Output::SaveConfigurations { change, .. } => {
                    self.controller.handle(Input::ConfigurationsSaved { change, outcome: Ok(()) }, now);
                }
                Output::HandOver(order) => {
                    let here = here(&order.name, now);
                    self.writing = Some(HandoverStream::begin(Vec::new(), *order, here, now).unwrap());
                }
                Output::Remember(rest) => self.rest = Some(*rest),
                Output::LogLevel(_)
                | Output::SaveState { .. }
                | Output::SaveEvents { .. }
                | Output::Metrics(_)
                | Output::Advertise(_)
                | Output::FollowRoutes(_)
                | Output::Ready => {}
                // Nothing runs on the bench: such a probe is silent in time.
                Output::RunProgram(_) | Output::Notify(_) => {}
            }
        }
    }
}
