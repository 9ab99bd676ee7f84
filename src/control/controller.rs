//! The controller: its parts, and how what happens to one reaches the others.
//!
//! Owns the order in which things are done. Sans-I/O: everything enters by [`Controller::handle`], everything leaves by
//! [`Controller::poll_output`], time is an argument.

use super::advertising::Advertising;
use super::asked::OneWay;
use super::captures::Captures;
use super::checks::Checks;
use super::configurations::Configurations;
use super::drains::Drains;
use super::drills::Drills;
use super::exclusions::Exclusions;
use super::facts::{DeviceEvent, Machine};
use super::handing_over::HandingOver;
use super::handover_stream::Written;
use super::in_force::InForce;
use super::latency::Latencies;
use super::learning::Learning;
use super::link::Link;
use super::neighbours::NeighbourEvent;
use super::notifier::Notifier;
use super::outbox::{Outbox, Output};
use super::pair::{PairNews, Pairing, Takeover};
use super::peer_link::PairLink;
use super::pools::Pools;
use super::probing::Probing;
use super::program_run::ProgramExit;
use super::proposed::{FileRead, Reading, Transaction};
use super::publisher::{COALESCE, PACE, Publisher};
use super::recorder::Recorder;
use super::rest::Rest;
use super::route_order::RoutesRead;
use super::saves::Saves;
use super::sip::SipCounts;
use super::stopping::Stopping;
use super::switchovers::Switchovers;
use super::traffic::TrafficCounts;
use super::trend::Trend;
use super::waiting::{Outstanding, Waiting};
use crate::admin::Request;
use crate::admin::events::Subject;
use crate::admin::request::Peer;
use crate::admin::rows::{Cause, Wall};
use crate::config::{Configuration, LogLevel};
use crate::engine::PuntReason;
use crate::events::{AlarmCode, EventName};
use crate::flow::SnatPorts;
use crate::monitor::ProbeId;
use crate::policy::adjacency::NextHop;
use crate::policy::health::{Generation, Health};
use crate::policy::intent::{InterfaceId, PairRole, PoolId, PortId};
use crate::policy::{Epoch, Intent};
use crate::time::Instant;
use crate::wire::{Kind, Packet};
use crate::worker::mailbox::{Command, Event, RedeliveryCounts};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// What may happen to a controller.
pub enum Input {
    /// A worker says something.
    Event(Event),
    /// An operator wants something; it is answered by [`Output::Answer`] with the same id.
    Asked {
        /// Never used twice.
        request_id: u64,
        /// What is wanted.
        request: Request,
        /// By whom, if that is known.
        by: Option<Peer>,
    },
    /// The process was told to read its file again (SIGHUP).
    Hangup,
    /// The file was read, as [`Output::ReadFile`] asked, or a text, as [`Output::ReadText`] did.
    Reload {
        /// As asked.
        request_id: Option<u64>,
        /// What was read.
        file: FileRead,
    },
    /// The link of a NIC is up or down. To be said at the start, and when it changes; of one that is up again after it was
    /// down for a moment in which nobody looked, once more that it is up.
    Link {
        /// The NIC.
        port: PortId,
        /// Frames can travel.
        up: bool,
    },
    /// Something happened to a NIC itself.
    Device {
        /// The NIC.
        port: PortId,
        /// What.
        event: DeviceEvent,
    },
    /// A save that [`Output::SaveState`] asked for has ended.
    Saved {
        /// As asked.
        change: u64,
        /// Why it could not be done.
        outcome: Result<(), String>,
    },
    /// A save that [`Output::SaveConfigurations`] asked for has ended.
    ConfigurationsSaved {
        /// As asked.
        change: u64,
        /// Why it could not be done.
        outcome: Result<(), String>,
    },
    /// A save that [`Output::SaveEvents`] asked for has ended.
    EventsSaved {
        /// As asked.
        change: u64,
        /// Why it could not be done.
        outcome: Result<(), String>,
    },
    /// What [`Output::HandOver`] asked for is written, or why it cannot be.
    HandedOver(Result<Written, String>),
    /// The program of [`Output::Notify`] has ended.
    Notified(ProgramExit),
    /// A program has ended that [`Output::RunProgram`] asked for.
    ProgramEnded {
        /// As asked.
        probe: ProbeId,
        /// How.
        exit: ProgramExit,
    },
    /// What [`Output::Advertise`] asked for is done, and these addresses stand now; or why it is not.
    Advertised {
        /// As asked.
        number: u64,
        /// The addresses that stand.
        outcome: Result<BTreeSet<Ipv4Addr>, String>,
    },
    /// Something is known of who is active in the pair.
    Pair(PairNews),
    /// What keeps keepalived from being heard; `None`: nothing any more.
    PairTrouble(Option<String>),
    /// What the kernel has of the routes that [`Output::FollowRoutes`] asked for, whenever that changes; or why it cannot be read.
    KernelRoutes {
        /// As asked.
        number: u64,
        /// What was read.
        read: Result<RoutesRead, String>,
    },
    /// What keeps metrics from being served; `None`: nothing any more.
    Metrics(Option<String>),
    /// [`Controller::next_deadline`] has come.
    Tick,
    /// The appliance ends.
    Stop,
}

/// The controller: its parts, each of which owns its own state.
pub struct Controller {
    pub(super) file: Configuration,
    /// The same as it was read, before it followed another one.
    pub(super) raw: Arc<Configuration>,
    /// Where it stands; empty where that is not known.
    pub(super) path: String,
    /// What is kept of it, and of those before.
    pub(super) configurations: Configurations,
    /// What is shown of the one in force, and how the last reload ended.
    pub(super) in_force: InForce,
    /// How far that is saved.
    pub(super) kept: Saves,
    /// How far the events are saved, up to which one that was looked at, and when they may be again.
    pub(super) recorded: Saves,
    pub(super) recorded_last: u64,
    pub(super) record_at: Instant,
    /// The last event that those who follow were told of.
    pub(super) followed: u64,
    pub(super) notifier: Notifier,
    /// Who has asked what is not answered yet.
    pub(super) askers: BTreeMap<u64, Peer>,
    /// A change of it that is not over.
    pub(super) transaction: Option<Transaction>,
    /// The file's intent with the operator's exclusions and the kernel's routes laid over.
    pub(super) intent: Intent,
    pub(super) exclusions: Exclusions,
    pub(super) saves: Saves,
    pub(super) machine: Machine,
    pub(super) link: Link,
    pub(super) probing: Probing,
    pub(super) pools: Pools,
    /// As of the last choice.
    pub(super) health: Health,
    pub(super) publisher: Publisher,
    /// Members and routers that do not answer ARP.
    pub(super) silent: BTreeSet<NextHop>,
    pub(super) switchovers: Switchovers,
    pub(super) drains: Drains,
    pub(super) one_way: OneWay,
    pub(super) drills: Drills,
    pub(super) checks: Checks,
    pub(super) latencies: Latencies,
    pub(super) sip: SipCounts,
    pub(super) traffic: TrafficCounts,
    pub(super) trend: Trend,
    pub(super) captures: Captures,
    pub(super) recorder: Recorder,
    pub(super) advertising: Advertising,
    /// `None`: the appliance is alone.
    pub(super) pairing: Option<Pairing>,
    /// What the managements of both say to each other.
    pub(super) pair_link: PairLink,
    /// The last one.
    pub(super) takeover: Option<Takeover>,
    /// How often it has become active since the start.
    pub(super) takeovers: u64,
    pub(super) learning: Learning,
    /// When flows are counted next, if any pool goes by that.
    pub(super) loads_due: Option<Instant>,
    pub(super) waiting: Waiting,
    /// A comparison of flows that is under way: there is no other meanwhile.
    pub(super) compared: Option<Outstanding>,
    /// Why a file is being read for a request, if not to be taken over.
    pub(super) readings: BTreeMap<u64, Reading>,
    pub(super) handing_over: Option<HandingOver>,
    pub(super) stopping: Option<Stopping>,
    pub(super) outputs: Outbox,
    /// What is left of the last turn.
    pub(super) rest: Rest,
    pub(super) deadline: Option<Instant>,
    /// What was last said of the calendar.
    pub(super) calendar: Option<Wall>,
    /// What it was before it was set, until that is told.
    pub(super) calendar_was: Option<Wall>,
}

impl Controller {
    /// A controller that has published its first snapshot: no member is active until probes succeed. `snat_ports` are shared with
    /// the workers; what is left to chance is drawn from `seed`.
    ///
    /// # Panics
    /// When there are no workers, or MACs and ports are not parallel to the ports of the file: faults of the caller's.
    pub fn new(file: Configuration, machine: Machine, snat_ports: SnatPorts, seed: u64, now: Instant) -> Controller {
        let (intent, macs, workers) = (file.intent.clone(), &machine.macs, machine.workers);
        let parallel = [macs.len(), machine.ports.len()].iter().all(|count| *count == intent.ports.len());
        assert!(parallel, "one MAC and facts for each port");
        let (pools, pairing) = (Pools::new(&intent, now), intent.pair.as_ref().map(|pair| Pairing::new(pair, now)));
        let is_active = pairing.as_ref().is_none_or(|it| it.standing().role == PairRole::Active);
        let mut controller = Controller {
            raw: Arc::new(file.clone()),
            path: String::new(),
            configurations: Configurations::begin("".into(), machine.wall(now)),
            in_force: InForce::new(&"".into(), machine.wall(now)),
            kept: Saves::default(),
            recorded: Saves::default(),
            recorded_last: 0,
            record_at: Instant::ZERO,
            followed: 0,
            notifier: Notifier::default(),
            askers: BTreeMap::new(),
            transaction: None,
            exclusions: Exclusions::default(),
            saves: Saves::default(),
            link: Link::new(&intent, macs, is_active, seed ^ 0x6172_7000, now),
            probing: Probing::new(&intent, seed, now),
            health: pools.health(),
            publisher: Publisher::new(workers, now),
            silent: BTreeSet::new(),
            switchovers: Switchovers::default(),
            drains: Drains::default(),
            one_way: OneWay::default(),
            drills: Drills::default(),
            checks: Checks::new(&intent, snat_ports, macs.len(), now),
            latencies: Latencies::new(workers, now),
            sip: SipCounts::new(workers, &intent, now),
            traffic: TrafficCounts::new(now),
            trend: Trend::new(now),
            captures: Captures::default(),
            recorder: Recorder::default(),
            advertising: Advertising::new(&intent),
            pairing,
            pair_link: PairLink::default(),
            takeover: None,
            takeovers: 0,
            learning: Learning::default(),
            loads_due: None,
            waiting: Waiting::default(),
            compared: None,
            readings: BTreeMap::new(),
            handing_over: None,
            stopping: None,
            outputs: Outbox::new(machine.log),
            rest: Rest::Nothing,
            deadline: None,
            calendar: None,
            calendar_was: None,
            file,
            machine,
            intent,
            pools,
        };
        controller.start(now);
        controller
    }

    /// What was kept is restored, and the first snapshot published.
    fn start(&mut self, now: Instant) {
        self.health.pair = self.pair_health(now);
        self.outputs.set_time(now, self.machine.wall(now));
        self.restore_events(now);
        self.notifier = Notifier::new(self.outputs.events.last());
        self.recorder.begin(self.outputs.events.last());
        self.outputs.record(EventName::Start, format!("Fairlead {} starts", env!("CARGO_PKG_VERSION")));
        self.review_direct_access(now);
        self.begin_following_routes();
        self.plan_loads(now);
        self.restore(now);
        self.take_up(now);
        self.restore_configurations(now);
        self.begin_turn(now);
    }

    /// Something happened at `now`; then what is due is done as far as workers wait for it, and the rest by [`Controller::poll_output`].
    pub fn handle(&mut self, input: Input, now: Instant) {
        self.handle_all([input], now);
    }

    /// The same for several things; what is due is done once, after them.
    pub fn handle_all(&mut self, inputs: impl IntoIterator<Item = Input>, now: Instant) {
        self.end_turn();
        self.outputs.set_time(now, self.machine.wall(now));
        self.tell_of_calendar(now);
        for input in inputs {
            self.tell_of_switchovers();
            self.outputs.set_actor(None);
            self.on_input(input, now);
        }
        self.begin_turn(now);
    }

    fn on_input(&mut self, input: Input, now: Instant) {
        match input {
            Input::Event(event) => self.on_worker(event, now),
            Input::Asked { request_id, request, by } => {
                self.choose_what_is_due(now);
                self.askers.extend(by.map(|by| (request_id, by)));
                self.act_for(Some(request_id));
                self.ask(request_id, request, now);
            }
            Input::Hangup => self.outputs.push(Output::ReadFile { request_id: None }),
            Input::Reload { request_id, file } => {
                self.choose_what_is_due(now);
                self.act_for(request_id);
                self.on_read(request_id, file, now);
            }
            Input::Link { port, up } => self.on_link(port, up, now),
            Input::Device { port, event } => self.on_device(port, event, now),
            Input::Saved { change, outcome } => self.on_saved(change, outcome, now),
            Input::ConfigurationsSaved { change, outcome } => self.on_configurations_saved(change, outcome, now),
            Input::EventsSaved { change, outcome } => self.on_events_saved(change, outcome, now),
            Input::HandedOver(outcome) => self.on_handed_over(outcome, now),
            Input::Notified(exit) => self.notifier.on_end(&exit, &self.file.settings.notify, &mut self.outputs, now),
            Input::ProgramEnded { probe, exit } => self.probing.on_program(probe, exit),
            Input::Advertised { number, outcome } => self.on_advertised((number, outcome), now),
            Input::Pair(news) => self.hear_of_pair(news, now),
            Input::PairTrouble(trouble) => self.on_pair_trouble(trouble, now),
            Input::KernelRoutes { number, read } => self.on_routes(number, read, now),
            Input::Metrics(trouble) => self.on_metrics(trouble, now),
            Input::Tick => {}
            Input::Stop => self.stop(now),
        }
    }

    /// What happens from now on is done by whoever has asked this.
    pub(super) fn act_for(&mut self, request_id: Option<u64>) {
        let by = request_id.and_then(|request_id| self.askers.get(&request_id)).copied();
        self.outputs.set_actor(by);
    }

    /// What workers received until then has been given to [`Controller::handle`]. Until this is said for the first time, all has been
    /// that came before what is given: answers are not waited for longer than their time because mail lies unread.
    pub fn heard_until(&mut self, at: Instant) {
        self.probing.heard_until(at);
    }

    /// The last event that those who follow were told of.
    pub(super) fn followed(&self) -> u64 {
        self.followed
    }

    /// When [`Input::Tick`] is due if nothing else comes before.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// What is wanted: the file, with what operators changed laid over.
    pub fn intent(&self) -> &Intent {
        &self.intent
    }

    /// The configuration in force, as it was read.
    pub fn configuration(&self) -> &Arc<Configuration> {
        &self.raw
    }

    /// The latest epoch that every worker has installed.
    pub fn installed(&self) -> Epoch {
        self.publisher.installed()
    }

    /// Snapshots that some worker may still read.
    pub fn snapshots_outstanding(&mut self) -> usize {
        self.publisher.outstanding()
    }

    /// A gap that is over, a member that takes over again: before an operator changes anything, whose doing it is not.
    pub(super) fn choose_what_is_due(&mut self, now: Instant) {
        if self.stopping.is_none() && self.pools.next_deadline().is_some_and(|due| due <= now) {
            self.choose(Cause::Monitor, now);
        }
    }

    /// What an active member has refused is passed on by the workers if it answers all the same.
    pub(super) fn report_confirmed(&mut self) {
        for member in self.probing.take_confirmed() {
            let pool = self.intent.members.get(member).map(|member| member.pool);
            if pool.is_some_and(|pool| self.pools.pool(pool).active == Some(member)) {
                self.machine.workers().for_each(|worker| self.outputs.send(worker, Command::ConfirmedUp(member)));
            }
        }
    }

    fn on_redelivery_ended(&mut self, (pool, generation): (PoolId, Generation), requests: RedeliveryCounts) {
        let line = self.switchovers.on_redelivery_ended((pool, generation), requests);
        self.recorded.changed();
        let name = self.intent.pools.get(pool).map(|pool| pool.name.clone());
        let subject = Subject { pool: name, ..Subject::none() };
        if let Some(line) = line {
            self.outputs.log_of(EventName::SwitchoverRequests, LogLevel::Warn, subject, line);
        }
    }

    fn on_worker(&mut self, event: Event, now: Instant) {
        match event {
            Event::Installed { worker, epoch, at, old } => {
                let first = self.publisher.installed() == Epoch(0);
                if let Some((epoch, at)) = self.publisher.on_installed(worker, epoch, at, old) {
                    self.switchovers.on_completed(epoch, at);
                    self.note_installed(epoch, at, now);
                    self.recorded.changed();
                    if first {
                        self.log(EventName::Ready, LogLevel::Info, "ready".into());
                        self.outputs.push(Output::Ready);
                        self.advertising.on_ready();
                    }
                }
            }
            Event::Punt { reason, interface, at, frame, .. } => {
                self.on_punt(reason, interface, &frame, at.min(now), now)
            }
            Event::Wanted(hop) => self.link.neighbours.want(hop, &self.link.addresses, now),
            Event::Hint(member) => self.probing.hint_pool(member, &self.intent),
            Event::Unanswered(member) => self.on_unanswered(member, now),
            Event::Flows { query, rows, matching, last } => self.waiting.on_flows(query, rows, matching, last),
            Event::Cleared { query, count } => self.waiting.on_cleared(query, count),
            Event::Impact { query, impacts, whole, .. } => {
                self.waiting.on_impact(query, impacts, whole);
                self.compared.take_if(|one| one.is_over_with(query));
                // What is taken over then is before the rest of the turn, as any other file.
                self.answer_waiting(now);
            }
            Event::Excerpt { worker, query, excerpt, snapshot } => {
                self.waiting.on_excerpt(query, worker, excerpt, snapshot);
            }
            Event::CaptureEnded { tap, .. } => self.on_capture_ended(&tap),
            Event::Tape { worker, recording, tape } => {
                self.recorder.on_tape(worker, recording, tape, &mut self.outputs);
            }
            Event::RedeliveryEnded { pool, generation, requests } => {
                self.on_redelivery_ended((pool, generation), requests);
            }
            Event::Latency { worker, latency } => {
                self.waiting.on_latency(worker);
                self.latencies.on_latency(worker, latency, &mut self.outputs, now);
            }
            Event::Sip { worker, statistics } => {
                self.waiting.on_sip(worker);
                self.sip.on_statistics(worker, statistics);
            }
            Event::FlowsGiven(worker) => self.on_flows_given(worker),
            Event::Stopped(worker) => match &mut self.stopping {
                Some(stopping) => stopping.on_stopped(worker),
                None => {
                    let about = Subject::object(format!("worker {}", worker.0));
                    let message = format!("worker {} ended unexpectedly", worker.0);
                    self.outputs.log_of(EventName::WorkerEnded, LogLevel::Error, about, message);
                }
            },
        }
    }

    /// A worker handed up a frame that came in `at`.
    fn on_punt(&mut self, reason: PuntReason, interface: InterfaceId, frame: &[u8], at: Instant, now: Instant) {
        let Ok(headers) = Packet::parse(frame) else { return };
        match (reason, headers.kind) {
            (_, Kind::Arp(arp)) => self.link.neighbours.on_arp(interface, &arp, &self.link.addresses, now),
            (PuntReason::Local, _) => {
                let hop = NextHop { interface, address: headers.src() };
                self.link.neighbours.confirm(hop, headers.src_mac(frame), now);
                self.probing.receive(&headers, frame, at, now);
            }
            (PuntReason::Stray, _) => self.probing.receive(&headers, frame, at, now),
            _ => {}
        }
    }

    /// The link of a NIC came up or was lost. Its members are probed at once.
    fn on_link(&mut self, port: PortId, up: bool, now: Instant) {
        self.link.on_port(port, up, &self.intent, &mut self.outputs, now);
        for member in self.link.members_on(port, &self.intent) {
            self.probing.hint(member);
        }
    }

    /// A NIC has stopped working. Its members are probed at once.
    fn on_device(&mut self, port: PortId, event: DeviceEvent, now: Instant) {
        self.link.on_device(port, event, &self.intent, &mut self.outputs, now);
        for member in self.link.members_on(port, &self.intent) {
            self.probing.hint(member);
        }
    }

    /// Metrics cannot be served, or can again.
    fn on_metrics(&mut self, trouble: Option<String>, now: Instant) {
        match trouble {
            Some(trouble) => {
                let message = format!("no metrics: {trouble}. It is tried again every few seconds");
                self.outputs.raise("metrics", (AlarmCode::MetricsUnserved, Subject::none()), message, now);
            }
            None => _ = self.outputs.clear("metrics", || "metrics are served".into()),
        }
    }

    pub(super) fn on_link_events(&mut self, now: Instant) {
        while let Some(event) = self.link.next_event(&self.intent, &mut self.outputs, now) {
            if let NeighbourEvent::Reachable(hop, _) | NeighbourEvent::Moved { hop, .. } = event {
                self.probing.resolved(hop);
                self.on_resolved(hop);
            }
            match event {
                NeighbourEvent::Reachable(hop, _) if self.link.neighbours.is_permanent(hop) => {
                    self.publisher.changed(now);
                }
                NeighbourEvent::Moved { hop, .. } if self.link.neighbours.is_permanent(hop) => {
                    self.publisher.changed_paced(COALESCE, now);
                }
                // Hosts that come and go as they like.
                NeighbourEvent::Reachable(..) | NeighbourEvent::Moved { .. } => {
                    self.publisher.changed_paced(PACE, now);
                }
                NeighbourEvent::Forgotten(_) => self.publisher.changed_at_leisure(now),
                NeighbourEvent::Failed(hop) => self.on_unresolved(hop, now),
                NeighbourEvent::Unreachable(hop) => self.give_up(hop),
                NeighbourEvent::Claimed { interface, address, mac, .. } => {
                    self.on_claim((interface, address), mac, now)
                }
                NeighbourEvent::Send { .. } | NeighbourEvent::Stays { .. } => {}
            }
        }
    }

    fn stop(&mut self, now: Instant) {
        if self.stopping.is_none() && self.handing_over.is_none() && !self.advertising.is_ending() {
            self.refuse_all_waiting();
            self.end_transaction();
            self.outputs.tell_left_out();
            self.log(EventName::Stop, LogLevel::Info, "stopping".into());
            self.saves.hasten(now);
            self.kept.hasten(now);
            self.recorded.hasten(now);
            if !self.begin_withdrawal(now) && !self.begin_handing_over(now) {
                self.stopping = Some(Stopping::begin(self.machine.workers(), &mut self.outputs, now));
            }
        }
    }

    pub(super) fn log(&mut self, event: EventName, level: LogLevel, message: String) {
        self.outputs.log(event, level, message);
    }
}
