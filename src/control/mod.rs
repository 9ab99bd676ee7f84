//! The controller: what the appliance means, knows and decides outside the packet path.
//!
//! Owns the one place where the file, the operator's word, the probes and the link come together and become the next
//! snapshot. Sans-I/O: everything enters by [`Controller::handle`], everything leaves by [`Controller::poll_output`],
//! time is an argument. Never touches a packet that is forwarded. Read first: [`Controller::handle`] and
//! [`Controller::turn`]; then [`pools`] (who is active), [`publisher`] (how workers learn of it), [`requests`] (what an
//! operator may do).

mod alarms;
pub mod announce;
mod exclusions;
pub mod facts;
pub mod forecast;
mod latency;
mod link;
pub mod neighbours;
pub mod pools;
mod port_use;
mod probing;
pub mod publisher;
mod queries;
mod reload;
mod requests;
pub mod spreading;
mod stopping;
pub mod switchovers;
mod tables;

#[cfg(test)]
pub(crate) mod harness;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod world;

pub use facts::{CounterSource, PortCounters, PortFacts, WorkerCounters};
pub use spreading::Spreading;

use crate::admin::rows::Wall;
use crate::admin::{Answer, Request};
use crate::config::{Configuration, LogLevel};
use crate::flow::Claims;
use crate::policy::health::Health;
use crate::policy::intent::{MemberId, PortId};
use crate::policy::{Addresses, Epoch, Intent, Snapshot};
use crate::time::{Duration, Instant};
use crate::wire::Mac;
use crate::worker::mailbox::{Command, Event, WorkerId};
use alarms::Alarms;
use announce::Announcements;
use exclusions::Exclusions;
use latency::Latencies;
use neighbours::Neighbours;
use pools::Pools;
use port_use::PortUse;
use probing::{Probing, Surroundings};
use publisher::{Haste, Publisher};
use queries::Queries;
use requests::Waiting;
use std::collections::VecDeque;
use stopping::Stopping;
use switchovers::{Switchover, Switchovers};

/// How often alarms that only counters show are looked for.
const LOOK: Duration = Duration::from_secs(1);

/// What a controller is made of.
pub struct ControllerConfig {
    /// The file.
    pub configuration: Configuration,
    /// Our MAC on each port, in the order of the intent.
    pub macs: Vec<Mac>,
    /// What each port is, likewise.
    pub ports: Vec<PortFacts>,
    /// How many workers there are.
    pub workers: usize,
    /// The SNAT ports, shared with the workers.
    pub claims: Claims,
    /// Who can read counters.
    pub counters: Box<dyn CounterSource>,
    /// The wall clock at [`Instant::ZERO`].
    pub start: Wall,
    /// What chance is drawn from.
    pub seed: u64,
}

/// What may happen to a controller.
pub enum Input {
    /// A worker says something.
    Event(Event),
    /// An operator wants something; it is answered by [`Output::Answer`] with the same ticket.
    Asked {
        /// Never used twice while it is unanswered.
        ticket: u64,
        /// What is wanted.
        request: Request,
    },
    /// The process was told to read its file again (SIGHUP).
    Hangup,
    /// The file was read, as [`Output::ReadFile`] asked.
    Reload {
        /// As asked.
        ticket: Option<u64>,
        /// What it says, or everything that is wrong with it, in words.
        read: Result<Box<Configuration>, String>,
    },
    /// The link of a NIC is up or down. To be said at the start, and when it changes.
    Link {
        /// The NIC.
        port: PortId,
        /// Frames can travel.
        up: bool,
    },
    /// [`Controller::next_deadline`] has come.
    Tick,
    /// The appliance ends.
    Stop,
}

/// What a controller wants done.
pub enum Output {
    /// Give this to a worker. Must not be lost.
    ToWorker(WorkerId, Command),
    /// Answer an operator.
    Answer {
        /// Who asked.
        ticket: u64,
        /// What is told.
        answer: Answer,
    },
    /// Read the file and hand it in as [`Input::Reload`].
    ReadFile {
        /// To be given back.
        ticket: Option<u64>,
    },
    /// Write a line to the log.
    Log {
        /// How grave it is.
        level: LogLevel,
        /// One line, except for the errors of a file.
        message: String,
    },
    /// Every worker has the first snapshot.
    Ready,
    /// Nothing more will come: the threads may be joined.
    Stopped,
}

/// The controller.
pub struct Controller {
    file: Configuration,
    /// The file's intent with the operator's exclusions laid over.
    intent: Intent,
    macs: Vec<Mac>,
    ports: Vec<PortFacts>,
    links: Vec<bool>,
    counters: Box<dyn CounterSource>,
    claims: Claims,
    start: Wall,
    addresses: Addresses,
    neighbours: Neighbours,
    announcements: Announcements,
    probing: Probing,
    pools: Pools,
    /// As the pools were when last looked at.
    health: Health,
    publisher: Publisher,
    switchovers: Switchovers,
    exclusions: Exclusions,
    alarms: Alarms,
    port_use: PortUse,
    /// By port: whether it has been judged how it spreads.
    spreading_told: Vec<bool>,
    queries: Queries,
    latencies: Latencies,
    waiting: Vec<Waiting>,
    hints: u64,
    born: Instant,
    next_look: Instant,
    ready: bool,
    stopping: Option<Stopping>,
    outputs: VecDeque<Output>,
    deadline: Option<Instant>,
}

impl Controller {
    /// A controller that has published its first snapshot: nobody is active until probes have said so.
    ///
    /// # Panics
    /// When there are no workers, or `macs` and `ports` are not parallel to the ports of the file: faults of the caller's.
    pub fn new(config: ControllerConfig, now: Instant) -> Controller {
        let ControllerConfig { configuration, macs, ports, workers, claims, counters, start, seed } = config;
        let intent = configuration.intent.clone();
        assert_eq!(
            (macs.len(), ports.len()),
            (intent.ports.len(), intent.ports.len()),
            "one MAC and facts for each port"
        );
        let pools = Pools::new(&intent, now);
        let addresses = Addresses::new(&intent, &macs);
        let mut controller = Controller {
            links: vec![false; macs.len()],
            neighbours: Neighbours::new(seed ^ 0x6172_7000),
            announcements: Announcements::new(),
            probing: Probing::new(&intent, seed, now),
            health: pools.health(),
            publisher: Publisher::new(workers, now),
            switchovers: Switchovers::new(),
            exclusions: Exclusions::default(),
            alarms: Alarms::default(),
            port_use: PortUse::default(),
            spreading_told: vec![false; macs.len()],
            queries: Queries::new(workers),
            latencies: Latencies::new(workers, now),
            waiting: Vec::new(),
            hints: 0,
            born: now,
            next_look: now + LOOK,
            ready: false,
            stopping: None,
            outputs: VecDeque::new(),
            deadline: None,
            file: configuration,
            intent,
            macs,
            ports,
            counters,
            claims,
            start,
            addresses,
            pools,
        };
        controller.keep_neighbours(now);
        controller.turn(now);
        controller
    }

    /// Something happened at `now`; then everything that is due is done.
    pub fn handle(&mut self, input: Input, now: Instant) {
        match input {
            Input::Event(event) => self.hear(event, now),
            Input::Asked { ticket, request } => self.ask(ticket, request, now),
            Input::Hangup => self.outputs.push_back(Output::ReadFile { ticket: None }),
            Input::Reload { ticket, read } => self.reload(ticket, read, now),
            Input::Link { port, up } => self.link(port, up, now),
            Input::Tick => {}
            Input::Stop => self.stop(now),
        }
        self.turn(now);
    }

    /// The next thing to do; to be called until `None` after each [`Controller::handle`].
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Tick`] is due if nothing else comes before.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The latest epoch that every worker has installed.
    pub fn installed(&self) -> Epoch {
        self.publisher.installed()
    }

    /// Snapshots that some worker may still read.
    pub fn snapshots_abroad(&mut self) -> usize {
        self.publisher.abroad()
    }

    /// Everything that is due: the link first, because a probe may need a MAC; then probes, then the choice they lead to,
    /// then the snapshot that tells of it all.
    fn turn(&mut self, now: Instant) {
        if self.stopping.is_some() {
            return self.turn_down(now);
        }
        self.neighbours.poll(&self.addresses, now);
        self.heed_notices(now);
        self.probe(now);
        self.heed_notices(now);
        if self.probing.take_news() || self.pools.next_deadline().is_some_and(|due| due <= now) {
            self.choose(now);
        }
        self.announce(now);
        self.send_arp();
        self.look(now);
        self.look_at_workers(now);
        self.publish(now);
        self.answer_waiting(now);
        self.answer_queries(now);
        self.answer_latency(now);
        self.deadline = self.earliest(now);
    }

    fn hear(&mut self, event: Event, now: Instant) {
        match event {
            Event::Installed { worker, epoch, at, old } => {
                if let Some(landed) = self.publisher.on_installed(worker, epoch, at, old) {
                    self.switchovers.on_landed(landed.epoch, landed.at);
                    if !std::mem::replace(&mut self.ready, true) {
                        self.outputs.push_back(Output::Ready);
                    }
                }
            }
            Event::Punt { reason, interface, frame, .. } => self.punted(reason, interface, &frame, now),
            Event::Wanted(hop) => self.neighbours.want(hop, &self.addresses, now),
            Event::Hint(member) => self.heed_hint(member),
            Event::Flows { query, rows, last } => self.queries.on_flows(query, rows, last),
            Event::Cleared { query, count } => self.queries.on_cleared(query, count),
            Event::Latency { worker, latency } => self.take_home(worker, latency, now),
            Event::Stopped(worker) => self.note_end(worker),
        }
    }

    /// A hint hastens the probes of the member's whole pool: if it lost the role, another has it.
    fn heed_hint(&mut self, member: MemberId) {
        let Some(pool) = self.intent.members.get(member).map(|member| member.pool) else { return };
        self.hints += 1;
        for &each in &self.intent.pools[pool].members {
            self.probing.hint(each);
        }
    }

    fn probe(&mut self, now: Instant) {
        let around = Surroundings { intent: &self.intent, addresses: &self.addresses };
        let departures = self.probing.turn(&around, &mut self.neighbours, now);
        self.depart(departures);
    }

    fn choose(&mut self, now: Instant) {
        let monitors = self.probing.monitors();
        let changes = self.pools.reconsider(&self.intent, |member| monitors.verdict(member), now);
        for switched in changes.switched {
            let name = |id: MemberId| self.intent.members[id].name.clone();
            let switchover = Switchover {
                pool: self.intent.pools[switched.pool].name.clone(),
                from: switched.from.map(name),
                to: switched.to.map(name),
                reason: switched.reason,
                last_good_answer: switched.from.and_then(|from| self.probing.monitors().last_good_answer(from)),
                detected: now,
            };
            self.tell_switchover(switchover, now);
        }
        for (pool, message) in changes.raised {
            self.log(LogLevel::Warn, format!("alarm: pool {}: {message}", self.pools.pool(pool).name));
        }
        for pool in changes.cleared {
            self.log(LogLevel::Info, format!("alarm is over: pool {}", self.pools.pool(pool).name));
        }
        let health = self.pools.health();
        if health != self.health {
            self.health = health;
            self.publisher.changed(Haste::Now, now);
        }
    }

    /// Records a switchover and logs its line.
    fn tell_switchover(&mut self, switchover: Switchover, now: Instant) {
        let message = switchover.line(self.start.plus(now.since(Instant::ZERO)));
        self.outputs.push_back(Output::Log { level: LogLevel::Warn, message });
        self.switchovers.record(switchover);
    }

    fn publish(&mut self, now: Instant) {
        if !self.publisher.is_due(now) {
            return;
        }
        let epoch = self.publisher.next_epoch();
        let (before, adjacency) = (self.publisher.latest(), self.neighbours.adjacency());
        let snapshot = Snapshot::compile_after(before, &self.intent, &self.health, adjacency, &self.macs, epoch);
        for (worker, snapshot) in self.publisher.publish(snapshot, now) {
            self.outputs.push_back(Output::ToWorker(worker, Command::Install(snapshot, self.claims.clone())));
        }
        self.switchovers.on_published(epoch, now);
    }

    fn earliest(&mut self, now: Instant) -> Option<Instant> {
        [
            self.neighbours.next_deadline(),
            self.announcements.next_deadline(),
            self.probing.next_deadline(now),
            self.pools.next_deadline(),
            self.publisher.next_deadline(),
            self.queries.next_deadline(),
            self.latencies.next_deadline(),
            self.waiting.iter().map(|waiting| waiting.until).min(),
            Some(self.next_look),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn log(&mut self, level: LogLevel, message: String) {
        self.outputs.push_back(Output::Log { level, message });
    }
}
