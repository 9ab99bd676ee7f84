//! A bench for the controller: two workers, two members and a router that are made of a few lines each, and a clock
//! that stands still unless told to move.

use super::harness::{MACS, file_of, two_arm};
use super::{
    AdvertiseOrder, Configurations, Controller, CounterSource, EventsFound, HandoverFound, HandoverOrder, HostDevice,
    Input, Machine, OperatorState, Output, PortCounters, PortFacts, ProgramRun, RouteOrder, SavedConfigurations,
    SavedEvents, SavedState, WorkerCounters,
};
use crate::admin::request::Peer;
use crate::admin::rows::Wall;
use crate::admin::{Answer, Request};
use crate::config::{Configuration, LogLevel};
use crate::engine::verdict::PuntReason;
use crate::engine::{Engine, Excerpt, Impacts, MemberUse, Steering};
use crate::flow::SnatPorts;
use crate::handover::Remembered;
use crate::policy::adjacency::NextHop;
use crate::policy::intent::{InterfaceId, MemberId, PortId};
use crate::policy::{Epoch, Intent, Snapshot};
use crate::time::{Duration, Instant};
use crate::wire::build::Build;
use crate::wire::facts::Link;
use crate::wire::{Kind, Mac, Packet};
use crate::worker::counters::Owned;
use crate::worker::handing_over::Giver;
use crate::worker::mailbox::{Asked, Command, Event, FlowRow, WorkerId};
use crate::worker::sip::Sampling;
use crate::worker::tap::Tap;
use crate::worker::tape::Tape;
use crate::worker::{Counters, Latency};
use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Counters that stand still, and when workers fell asleep, in nanoseconds; zero while they are awake. And what members have with each
/// of them, and what each counts by whose it is.
struct Still(Arc<[AtomicU64; 2]>, Arc<Mutex<Arc<MemberUse>>>, [Owned; 2]);

impl CounterSource for Still {
    fn worker(&self, worker: WorkerId) -> WorkerCounters {
        let counters = Counters { received: 10 + u64::from(worker.0), transmitted: 9, flows: 5, ..Counters::default() };
        WorkerCounters { busy_percent: 1.5, counters }
    }

    fn members(&self, _: WorkerId) -> Option<Arc<MemberUse>> {
        Some(Arc::clone(&self.1.lock().unwrap()))
    }

    fn owned(&self, worker: WorkerId) -> Option<Owned> {
        self.2.get(usize::from(worker.0)).cloned()
    }

    fn latest_turn(&self, worker: WorkerId) -> Option<Instant> {
        let asleep = self.0[usize::from(worker.0)].load(Ordering::Relaxed);
        (asleep > 0).then(|| Instant::from_nanos(asleep))
    }

    fn port(&self, _: PortId) -> PortCounters {
        PortCounters { speed_mbps: Some(10_000), ..PortCounters::default() }
    }

    fn hosts(&self) -> Vec<HostDevice> {
        Vec::new()
    }

    fn host_frames_unclaimed(&self) -> u64 {
        0
    }

    fn log_lines_lost(&self) -> u64 {
        3
    }

    fn frames_unsent(&self) -> u64 {
        4
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
    /// Its host lives and the server does not run for now: what it is asked waits.
    Paused,
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

#[derive(Default)]
struct FakeWorker {
    snapshot: Option<Arc<Snapshot>>,
    mail: VecDeque<Command>,
    latency: Box<Latency>,
    sip: Sampling,
    taps: Vec<Tap>,
    tape: Option<Box<Tape>>,
    /// It was told to give all away.
    giver: Option<Box<Giver>>,
    /// It does not look at its mail.
    asleep: bool,
}

impl FakeWorker {
    /// It has no flow to give.
    fn hold(&mut self, id: WorkerId, giver: Box<Giver>) -> Event {
        self.giver = Some(giver);
        Event::FlowsGiven(id)
    }
}

/// A controller, two workers, two members and a router; time stands still unless told to move.
pub(crate) struct Bench {
    pub(crate) controller: Controller,
    pub(crate) now: Instant,
    pub(crate) hosts: Vec<Host>,
    workers: Vec<FakeWorker>,
    asleep_since: Arc<[AtomicU64; 2]>,
    uses: Arc<Mutex<Arc<MemberUse>>>,
    /// What workers count by whose it is.
    pub owned: [Owned; 2],
    /// What arrives from hosts, and when.
    on_the_wire: Vec<(Instant, Event)>,
    /// What members that are paused have been asked.
    waiting: Vec<(usize, Vec<u8>)>,
    pub(crate) frames: Vec<(Instant, PortId, Vec<u8>)>,
    pub(crate) logs: Vec<(LogLevel, String)>,
    pub(crate) levels: Vec<LogLevel>,
    /// What the kernel was to hold; a test says what it does.
    pub(crate) advertised: Vec<AdvertiseOrder>,
    /// Which of the kernel's routes were to be followed; a test says what they are.
    pub(crate) followed_routes: Vec<RouteOrder>,
    pub(crate) metrics: Vec<Option<std::net::SocketAddr>>,
    pub(crate) said: Vec<super::PairWord>,
    pub(crate) answers: BTreeMap<u64, Answer>,
    pub(crate) given_up: Vec<NextHop>,
    pub(crate) confirmed: Vec<MemberId>,
    /// How often a worker was told to forget flows.
    pub(crate) cleared: usize,
    pub(crate) epochs: Vec<Epoch>,
    pub(crate) reads: Vec<Option<u64>>,
    /// What was to be read that is no file.
    pub(crate) texts: Vec<(u64, Arc<str>)>,
    /// What each worker says that another file would do to its flows.
    pub(crate) impacts: Impacts,
    /// What they were to compare with last.
    pub(crate) compared: Option<Arc<Snapshot>>,
    /// What was to be saved, not yet said to be.
    pub(crate) saves: Vec<(u64, OperatorState)>,
    /// The same of configurations.
    pub(crate) kept: Vec<(u64, Configurations)>,
    /// The same of events.
    pub(crate) recorded: Vec<(u64, SavedEvents)>,
    recording: Option<u64>,
    /// Why these cannot be saved.
    pub(crate) refuses_to_record: Option<String>,
    /// What was to be left for the next start, and the rest of it.
    pub(crate) ordered: Option<HandoverOrder>,
    pub(crate) remembered: Option<Remembered>,
    /// Programs that were to be told of an event.
    pub(crate) told: Vec<ProgramRun>,
    pub(crate) ready: bool,
    pub(crate) stopped: bool,
    pub(crate) flows: Vec<FlowRow>,
    /// Programs that were to be run.
    pub(crate) runs: Vec<ProgramRun>,
    pub(crate) options: Vec<(Ipv4Addr, String)>,
    requests: u64,
}

/// What was kept before the start.
type Found = (Option<SavedState>, Option<SavedConfigurations>, Option<EventsFound>);

/// From a probe to its answer.
const TRIP: Duration = Duration::from_micros(300);

/// The active member, the standby, and the router of the clients.
fn two_servers_and_a_router() -> Vec<Host> {
    let intent = two_arm();
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
    vec![member(0, Manner::Answers(200)), member(1, Manner::Refuses), router]
}

/// Two workers on two ports, and what the process before has left.
fn machine_of(counters: Still, (saved, configurations, events): Found, handover: Option<HandoverFound>) -> Machine {
    Machine {
        macs: MACS.to_vec(),
        ports: vec![PortFacts { driver: "null".into(), rx_queues: 2, tx_queues: 2, ..PortFacts::default() }; 2],
        workers: 2,
        counters: Box::new(counters),
        log: LogLevel::Info,
        began: Instant::ZERO,
        start: Wall(1_795_352_645_000_000),
        saved,
        configurations,
        events,
        handover,
    }
}

impl Bench {
    /// Links up, both members alive: sip-a answers, sip-b refuses.
    pub(crate) fn new() -> Bench {
        Bench::linked(&[PortId(0), PortId(1)])
    }

    /// The same with only these links up.
    pub(crate) fn linked(ports: &[PortId]) -> Bench {
        Bench::made(&two_arm(), ports, (None, None, None))
    }

    /// The same with another file. The hosts are those of the common setting: nobody else is on the links.
    pub(crate) fn of(intent: &Intent) -> Bench {
        Bench::made(intent, &[PortId(0), PortId(1)], (None, None, None))
    }

    /// The same after a restart: what was found is restored, and what is set is kept.
    pub(crate) fn restarted(intent: &Intent, found: Result<Option<OperatorState>, String>) -> Bench {
        let kept = SavedState { place: "/var/lib/fairlead/operator.json".into(), found };
        Bench::made(intent, &[PortId(0), PortId(1)], (Some(kept), None, None))
    }

    /// The same where configurations are kept.
    pub(crate) fn keeping(intent: &Intent, configurations: SavedConfigurations) -> Bench {
        Bench::made(intent, &[PortId(0), PortId(1)], (None, Some(configurations), None))
    }

    /// The same where events are kept, and what was set.
    pub(crate) fn recording(intent: &Intent, found: Result<Option<SavedEvents>, String>, set: OperatorState) -> Bench {
        let kept = SavedState { place: "/var/lib/fairlead/operator.json".into(), found: Ok(Some(set)) };
        let events = EventsFound { place: "/var/lib/fairlead/events.json".into(), found };
        Bench::made(intent, &[PortId(0), PortId(1)], (Some(kept), None, Some(events)))
    }

    /// The same with what the process before has left for a file that leaves something itself.
    pub(crate) fn succeeding(intent: &Intent, handover: Option<HandoverFound>) -> Bench {
        Bench::succeeding_with(file_of(intent), handover)
    }

    /// The same with more than an intent.
    pub(crate) fn succeeding_with(mut file: Configuration, handover: Option<HandoverFound>) -> Bench {
        file.settings.handover = Some("/run/fairlead/state".into());
        Bench::begun(file, &[PortId(0), PortId(1)], (None, None, None), handover)
    }

    fn made(file: &Intent, ports: &[PortId], found: Found) -> Bench {
        Bench::begun(file_of(file), ports, found, None)
    }

    fn begun(file: Configuration, ports: &[PortId], found: Found, handover: Option<HandoverFound>) -> Bench {
        let snat_ports = SnatPorts::new(file.intent.snats.iter().map(|snat| snat.address), 1);
        let asleep_since: Arc<[AtomicU64; 2]> = Arc::default();
        let uses = Arc::new(Mutex::new(Arc::new(MemberUse::counted(&[3, 1]))));
        let owned = [Owned::default(), Owned::default()];
        let counters = Still(Arc::clone(&asleep_since), Arc::clone(&uses), owned.clone());
        let machine = machine_of(counters, found, handover);
        let mut bench = Bench {
            controller: Controller::new(file, machine, snat_ports, 7, Instant::ZERO),
            now: Instant::ZERO,
            hosts: two_servers_and_a_router(),
            workers: vec![FakeWorker::default(), FakeWorker::default()],
            asleep_since,
            uses,
            owned,
            on_the_wire: Vec::new(),
            waiting: Vec::new(),
            frames: Vec::new(),
            logs: Vec::new(),
            levels: Vec::new(),
            advertised: Vec::new(),
            followed_routes: Vec::new(),
            metrics: Vec::new(),
            said: Vec::new(),
            answers: BTreeMap::new(),
            given_up: Vec::new(),
            confirmed: Vec::new(),
            cleared: 0,
            epochs: Vec::new(),
            reads: Vec::new(),
            texts: Vec::new(),
            impacts: Impacts::new(),
            compared: None,
            saves: Vec::new(),
            kept: Vec::new(),
            recorded: Vec::new(),
            recording: None,
            refuses_to_record: None,
            ordered: None,
            remembered: None,
            told: Vec::new(),
            ready: false,
            stopped: false,
            flows: Vec::new(),
            runs: Vec::new(),
            options: Vec::new(),
            requests: 0,
        };
        bench.settle();
        ports.iter().for_each(|&port| bench.give(Input::Link { port, up: true }));
        bench
    }

    /// One that has found its active member.
    pub(crate) fn settled() -> Bench {
        let mut bench = Bench::new();
        bench.run(1_000);
        bench
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

    /// Time passes until no member was probed for 60 ms.
    pub(crate) fn run_between_probes(&mut self) {
        loop {
            let asked = self.options.len();
            self.run(60);
            if self.options.len() == asked {
                break;
            }
        }
    }

    /// A host's server stops to run.
    pub(crate) fn pause(&mut self, host: usize) {
        self.hosts[host].manner = Manner::Paused;
    }

    /// It runs again, and answers all that it was asked meanwhile.
    pub(crate) fn resume(&mut self, host: usize) {
        self.hosts[host].manner = Manner::Answers(200);
        let (here, others) = std::mem::take(&mut self.waiting).into_iter().partition(|(at, _)| *at == host);
        self.waiting = others;
        for (_, frame) in Vec::<(usize, Vec<u8>)>::into_iter(here) {
            self.answer(host, &frame);
        }
    }

    /// A host answers a frame, after [`TRIP`].
    fn answer(&mut self, host: usize, frame: &[u8]) {
        let headers = Packet::parse(frame).expect("a frame of ours is whole");
        if let Some((reason, interface, bytes)) = answer_of(&self.hosts[host], &headers, frame) {
            let at = self.now + TRIP;
            self.on_the_wire.push((at, punt(reason, interface, bytes, at)));
        }
    }

    /// Asks as an operator, and gives the answer if it comes at once.
    pub(crate) fn ask(&mut self, request: Request) -> Option<Answer> {
        self.ask_as(request, None)
    }

    /// Likewise, as this user and process.
    pub(crate) fn ask_as(&mut self, request: Request, by: Option<Peer>) -> Option<Answer> {
        self.requests += 1;
        let request_id = self.requests;
        self.give(Input::Asked { request_id, request, by });
        self.answers.remove(&request_id)
    }

    /// Asks, and lets time pass until the answer is there.
    pub(crate) fn ask_and_wait(&mut self, request: Request, millis: u64) -> Answer {
        let at_once = self.ask(request);
        let request_id = self.requests;
        at_once.unwrap_or_else(|| {
            self.run(millis);
            self.answers.remove(&request_id).expect("an answer")
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

    /// What each member has with each of the two workers: connections, other flows, visitors.
    pub(crate) fn set_uses(&mut self, members: &[[u64; 3]]) {
        *self.uses.lock().unwrap() = Arc::new(MemberUse::having(members));
    }

    /// A member sends a datagram from a service port.
    pub(crate) fn speaks(&mut self, member: usize) {
        *self.uses.lock().unwrap() = Arc::new(MemberUse::spoken(MemberId(member as u16), self.now));
    }

    /// What a worker measures into.
    pub(crate) fn latency(&mut self, worker: usize) -> &mut Latency {
        &mut self.workers[worker].latency
    }

    /// What a worker counts SIP into.
    pub(crate) fn sip(&mut self, worker: usize) -> &mut Sampling {
        &mut self.workers[worker].sip
    }

    /// The captures that a worker was given and has not ended, by number.
    pub(crate) fn captures(&self, worker: usize) -> Vec<u64> {
        self.workers[worker].taps.iter().map(|tap| tap.capture).collect()
    }

    /// Both workers end the one that they were given first.
    pub(crate) fn end_a_capture(&mut self) {
        for at in 0..self.workers.len() {
            let tap = Box::new(self.workers[at].taps.remove(0));
            let event = Event::CaptureEnded { worker: WorkerId(at as u16), capture: tap.capture, tap };
            self.give(Input::Event(event));
        }
    }

    /// What a worker's recorder writes on.
    pub(crate) fn tape(&mut self, worker: usize) -> Option<&mut Tape> {
        self.workers[worker].tape.as_deref_mut()
    }

    pub(crate) fn sleep(&mut self, worker: usize, asleep: bool) {
        self.workers[worker].asleep = asleep;
        let since = if asleep { self.now.nanos() } else { 0 };
        self.asleep_since[worker].store(since, Ordering::Relaxed);
        self.settle();
    }

    /// An ARP packet from a host arrives now.
    pub(crate) fn arp(&mut self, interface: InterfaceId, frame: Vec<u8>) {
        self.give(Input::Event(punt(PuntReason::ArpNeighbour, interface, frame, self.now)));
    }

    /// Frames sent since `since` that announce an address, in order.
    pub(crate) fn announced(&self, since: Instant) -> Vec<(Instant, Ipv4Addr)> {
        let arp = |(at, _, frame): &(Instant, PortId, Vec<u8>)| match Packet::parse(frame).unwrap().kind {
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
            if let Some(change) = self.recording.take() {
                let outcome = self.refuses_to_record.clone().map_or(Ok(()), Err);
                self.controller.handle(Input::EventsSaved { change, outcome }, self.now);
                continue;
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
            Output::Answer { request_id, answer } => {
                assert!(self.answers.insert(request_id, answer).is_none(), "answered twice")
            }
            Output::ReadFile { request_id } => self.reads.push(request_id),
            Output::ReadText { request_id, text, .. } => self.texts.push((request_id, text)),
            Output::ReadPushed { request_id, text, .. } => self.texts.push((request_id, text)),
            Output::TellPeer(word) => self.said.push(*word),
            Output::Log(row) => self.logs.push((row.level, row.message.clone())),
            Output::SaveEvents { change, events } => {
                self.recorded.push((change, *events));
                self.recording = Some(change);
            }
            Output::HandOver(order) => self.ordered = Some(*order),
            Output::Remember(rest) => self.remembered = Some(*rest),
            Output::Notify(run) => self.told.push(*run),
            Output::SaveState { change, state } => self.saves.push((change, *state)),
            Output::SaveConfigurations { change, all } => self.kept.push((change, *all)),
            Output::RunProgram(run) => self.runs.push(*run),
            Output::Advertise(order) => self.advertised.push(*order),
            Output::FollowRoutes(order) => self.followed_routes.push(*order),
            Output::Metrics(address) => self.metrics.push(address),
            Output::LogLevel(level) => self.levels.push(level),
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
                Command::Install(snapshot, _) => {
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
                Command::ConfirmedUp(member) => self.confirmed.extend((at == 0).then_some(member)),
                Command::ListFlows { query, limit, .. } => {
                    let rows: Vec<FlowRow> = self.flows.iter().take(limit).cloned().collect();
                    let (first, second) = rows.split_at(rows.len() / 2);
                    events.push(Event::Flows { query, rows: first.to_vec(), matching: 3, last: false });
                    events.push(Event::Flows { query, rows: second.to_vec(), matching: 4, last: true });
                }
                Command::ClearFlows { query, .. } => {
                    self.cleared += 1;
                    events.push(Event::Cleared { query, count: self.flows.len() as u64 });
                }
                Command::Impact { query, next, until } => {
                    let whole = self.now < until;
                    self.compared = Some(Arc::clone(&next));
                    events.push(Event::Impact { query, impacts: self.impacts.clone(), whole, next });
                }
                Command::Excerpt { query, about } => {
                    let (excerpt, snapshot) = self.excerpt(at, &about);
                    events.push(Event::Excerpt { worker: id, query, excerpt, snapshot });
                }
                Command::Latency(fresh) => {
                    let latency = std::mem::replace(&mut self.workers[at].latency, fresh);
                    events.push(Event::Latency { worker: id, latency });
                }
                Command::Sip(fresh) => {
                    let statistics = self.workers[at].sip.exchange(fresh, self.now);
                    events.push(Event::Sip { worker: id, statistics });
                }
                Command::Capture(tap) => self.workers[at].taps.push(*tap),
                Command::Tape { recording, tape } => {
                    let tape = std::mem::replace(&mut self.workers[at].tape, tape);
                    events.push(Event::Tape { worker: id, recording, tape });
                }
                Command::HandOver(giver) => events.push(self.workers[at].hold(id, giver)),
                // Who has no flows has nothing to say of them.
                Command::Sync(_) => {}
                Command::Stop => {
                    self.workers[at].snapshot = None;
                    events.push(Event::Stopped(id));
                }
            }
        }
        events
    }

    /// What a worker without flows says about a packet. The last one decides, or any.
    fn excerpt(&self, at: usize, about: &Asked) -> (Option<Box<Excerpt>>, Arc<Snapshot>) {
        let snapshot = self.workers[at].snapshot.clone().expect("it has one");
        let snat_ports = SnatPorts::new(snapshot.snat_addresses(), 1);
        let engine = Engine::new(Arc::clone(&snapshot), snat_ports, 1);
        let classified = engine.classify(&about.packet, about.port);
        let excerpt = engine.excerpt(&about.packet, classified, (&about.sip, &*about.members), self.now);
        let by_any = Steering::is_anybodys(&about.packet, classified.path, &snapshot);
        ((by_any || at + 1 == self.workers.len()).then(|| Box::new(excerpt)), snapshot)
    }

    /// A frame leaves: whoever it is for answers after [`TRIP`].
    fn deliver(&mut self, port: PortId, frame: Vec<u8>) {
        let headers = Packet::parse(&frame).expect("a frame of ours is whole");
        let receiver = self.hosts.iter().position(|host| {
            let meant = headers.dst_mac() == host.mac || headers.dst_mac() == Mac::BROADCAST;
            meant
                && headers.dst() == host.address
                && self.controller.intent.interfaces[host.interface.index()].port == port
        });
        match receiver {
            Some(host) if self.hosts[host].manner == Manner::Paused && headers.kind == Kind::Udp => {
                self.waiting.push((host, frame.clone()));
            }
            Some(host) => self.answer(host, &frame),
            None => {}
        }
        if headers.kind == Kind::Udp && headers.dst_port() == 5060 {
            let text =
                String::from_utf8_lossy(&frame[usize::from(headers.l4) + 8..usize::from(headers.end)]).into_owned();
            self.options.push((headers.dst(), text));
        }
        self.frames.push((self.now, port, frame));
    }
}

fn punt(reason: PuntReason, interface: InterfaceId, frame: Vec<u8>, at: Instant) -> Event {
    Event::Punt { worker: WorkerId(1), reason, interface, at, frame: frame.into_boxed_slice() }
}

fn answer_of(host: &Host, headers: &Packet, frame: &[u8]) -> Option<(PuntReason, InterfaceId, Vec<u8>)> {
    if host.manner == Manner::Dead {
        return None;
    }
    let back = |build: Build| build.macs(host.mac, Link::of(frame).src).bytes();
    match headers.kind {
        Kind::Arp(arp) if arp.target == host.address => {
            let bytes = back(Build::arp_reply(host.mac, host.address, arp.sender_mac, arp.sender));
            Some((PuntReason::ArpNeighbour, host.interface, bytes))
        }
        Kind::Udp => {
            let (from, to) = headers.tuple().map(|tuple| (tuple.dst, tuple.src))?;
            let payload = &frame[usize::from(headers.l4) + 8..usize::from(headers.end)];
            let build = match host.manner {
                Manner::Answers(code) => Build::udp(from, to).payload(&sip_answer(payload, code)),
                Manner::Refuses => {
                    let quoted = Build::udp(to, from).payload(payload);
                    Build::icmp_error(headers.dst(), headers.src(), 3, 3, &quoted)
                }
                Manner::Mute | Manner::Paused | Manner::Dead => return None,
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
