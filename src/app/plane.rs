//! The data plane: DPDK, its ports, and one pinned thread for each worker.
//!
//! Owns the order in which they are made and taken down. Decides nothing about packets.

use super::clock::Clock;
use super::first::{First, TakingUp};
use super::load::Load;
use super::log::Log;
use super::rss::Rss;
use crate::config::{Configuration, Idle};
use crate::control::{CounterSource, HostDevice, PortCounters, PortFacts, TakenUp, WorkerCounters};
use crate::dpdk::{self, DeviceEvents, Eal, EalConfig, Link, Ports};
use crate::engine::{Engine, MemberUse, Share};
use crate::flow::SnatPorts;
use crate::handover::Contents;
use crate::host::{Board, HostState, Hosts, devices};
use crate::policy::adjacency::Adjacency;
use crate::policy::health::{Health, MemberHealth, PairHealth, PoolHealth};
use crate::policy::intent::{Intent, PortId};
use crate::policy::{Epoch, Snapshot};
use crate::time::{Duration, Instant};
use crate::wire::{Mac, VlanId};
use crate::worker::counters::Owned;
use crate::worker::host::host_link;
use crate::worker::mailbox::{ManagementEnd, mailbox};
use crate::worker::{Shared, Work, Worker, WorkerId, hand_offs};
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

/// Messages a mailbox ring holds each way.
const MAIL: usize = 4_096;
/// Frames a hand-off ring holds.
const HAND_OFF: usize = 2_048;
/// Frames for the kernel, and from it, that a ring holds.
const FOR_HOST: usize = 1_024;
/// Turns without work after which a worker that may pause does.
const PATIENCE: u32 = 1_000;
/// How long it pauses.
const PAUSE: Duration = Duration::from_micros(50);

/// The running data plane.
pub struct Plane {
    /// One mailbox for each worker.
    pub mail: Vec<ManagementEnd>,
    /// Our MAC on each port.
    pub macs: Vec<Mac>,
    /// What each port is.
    pub facts: Vec<PortFacts>,
    gauges: Arc<Gauges>,
    threads: Vec<JoinHandle<()>>,
    /// Removed after the workers have ended.
    hosts: Hosts,
}

/// What management reads of the data plane while it runs.
struct Gauges {
    /// Frames of management's that no worker could take.
    unsent: Arc<AtomicU64>,
    ports: Ports,
    workers: Vec<Arc<Gauge>>,
    hosts: Arc<Board>,
}

/// What one worker publishes for management.
#[derive(Default)]
struct Gauge {
    shared: Arc<Shared>,
    /// Percent of the last second spent on packets, as the bits of an `f64`. Written by the worker, once a second.
    busy: AtomicU64,
    /// When the latest turn began, in nanoseconds since the start; zero before the first. Written by the worker each turn.
    turned: AtomicU64,
}

impl Plane {
    /// Starts DPDK, opens the ports, and starts the workers with a snapshot in which no member is active yet, and with what the process
    /// before has left, so long ago; says what of that they have taken up.
    pub fn start(
        configuration: &Configuration,
        snat_ports: &SnatPorts,
        clock: Clock,
        left: Option<(Contents, Duration)>,
    ) -> Result<(Plane, Option<TakenUp>)> {
        let (settings, intent) = (&configuration.settings, &configuration.intent);
        let cores = &settings.cores;
        let eal = Eal::init(&eal_config(configuration))?;
        let rss = Rss::plan(intent, cores.workers.len(), seed);
        let wanted = rss.configs(intent);
        let mut ports = eal.open_ports(&wanted, cores.workers.len(), settings.dpdk.mbufs)?;
        let found = ports.facts();
        let macs: Vec<_> = found.iter().map(|facts| Mac(facts.mac)).collect();
        let (steering, facts) = rss.found(&found);
        let snapshot = Arc::new(first_snapshot(intent, &macs));
        let taking_up = left.map(|(contents, age)| {
            TakingUp::plan(contents, age, (intent, &snapshot, &steering), cores.workers.len(), clock)
        });
        let (mut mail, mut threads, mut workers, mut ends) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (at, hands) in hand_offs(cores.workers.len(), HAND_OFF).into_iter().enumerate() {
            let (management, end) = mailbox(MAIL);
            let gauge = Arc::new(Gauge::default());
            let share = Share { worker: at as u16, of: cores.workers.len() as u16 };
            let engine = Engine::new(Arc::clone(&snapshot), snat_ports.clone(), seed()).sharing(share);
            let queues = ports.queues_for(at);
            let (link, host) = host_link(FOR_HOST);
            ends.push(host);
            let id = WorkerId(at as u16);
            let worker = Worker::new(id, engine, queues, hands, end, Arc::clone(&gauge.shared));
            let worker = worker.under(steering.clone()).stalled_after(cores.stall_threshold).with_host(link);
            let first = taking_up.as_ref().map(|it| it.first_of(at));
            threads.push(spawn(&eal, cores.workers[at], cores.idle, (worker, first), Arc::clone(&gauge), clock)?);
            mail.push(management);
            workers.push(gauge);
        }
        // What the links are, nobody has said yet.
        let hosts = Hosts::start(ends, devices(intent, &macs, |_| None), kept(), move || clock.now());
        let hosts = hosts.context("cannot start a thread")?;
        let gauges = Arc::new(Gauges { unsent: Arc::default(), ports, workers, hosts: hosts.board() });
        Ok((Plane { mail, macs, gauges, facts, threads, hosts }, taking_up.map(TakingUp::end)))
    }

    /// Counts frames of management's that no worker could take.
    pub fn unsent(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.gauges.unsent)
    }

    /// Everything that counts, the log's losses included.
    pub fn counters(&self, log: Log) -> Box<dyn CounterSource> {
        Box::new(Counting { gauges: Arc::clone(&self.gauges), log })
    }

    /// A port's cable.
    pub fn link(&self, port: PortId) -> Link {
        self.gauges.ports.link(port.index())
    }

    /// What happened to a port's device.
    pub fn device_events(&self, port: PortId) -> DeviceEvents {
        self.gauges.ports.device_events(port.index())
    }

    /// Each port receives frames of the VLANs that interfaces have on it, and frames to groups where the kernel has a device of one, where
    /// its driver would keep them out.
    pub fn pass_vlans(&self, intent: &Intent) {
        for at in 0..self.macs.len() {
            let here = || intent.interfaces.iter().filter(|interface| interface.port.index() == at);
            if here().any(|interface| interface.host.is_some()) {
                self.gauges.ports.pass_groups(at);
            }
            let virtuals: BTreeSet<[u8; 6]> =
                here().filter_map(|one| intent.virtual_mac(one)).map(|mac| mac.0).collect();
            self.gauges.ports.take_macs(at, &virtuals.into_iter().collect::<Vec<_>>());
            let tags: Vec<u16> = here().filter_map(|interface| interface.vlan).map(VlanId::get).collect();
            self.gauges.ports.pass_vlans(at, &tags);
        }
    }

    /// The kernel's devices are those of the intent's interfaces, and see the links of their ports, `links` by port.
    pub fn follow_hosts(&mut self, intent: &Intent, links: &[Link]) {
        self.hosts.follow(devices(intent, &self.macs, |port| links.get(port).map(|link| link.up)));
    }

    /// A worker's thread has ended unexpectedly.
    pub fn has_lost_a_worker(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// How long ago the worker that has waited longest began its latest turn.
    pub fn turns_since(&self, now: Instant) -> Duration {
        let turned = self.gauges.workers.iter().map(|gauge| gauge.turned.load(Ordering::Relaxed)).filter(|at| *at > 0);
        turned.min().map_or(Duration::ZERO, |at| now.since(Instant::from_nanos(at)))
    }

    /// Waits for the workers, which were told to stop, and closes the ports.
    pub fn end(self) {
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a worker panicked, which is a bug; its message is above");
            }
        }
    }
}

/// No member is active and no neighbour is known.
fn first_snapshot(intent: &Intent, macs: &[Mac]) -> Snapshot {
    let health = Health {
        members: vec![MemberHealth::default(); intent.members.len()],
        pools: vec![PoolHealth::default(); intent.pools.len()],
        // Until it is known who is active, nothing is done in anybody's name.
        pair: if intent.pair.is_some() { PairHealth::STANDBY } else { PairHealth::default() },
    };
    Snapshot::compile(intent, &health, &Adjacency::default(), macs, Epoch(0))
}

/// The kernel's devices that the process before has left with the service manager, and whatever else that gives.
fn kept() -> Vec<(String, OwnedFd)> {
    dpdk::files_given().unwrap_or_else(|error| {
        tracing::warn!("what the service manager has kept for this process is not taken: {error}");
        Vec::new()
    })
}

fn eal_config(configuration: &Configuration) -> EalConfig {
    let (settings, intent) = (&configuration.settings, &configuration.intent);
    EalConfig {
        main_core: settings.cores.management,
        worker_cores: settings.cores.workers.clone(),
        hugepages: settings.dpdk.hugepages,
        memory_mb: configuration.memory_mib(),
        devices: intent.ports.iter().map(|port| port.device.clone()).collect(),
        file_prefix: Some(format!("fairlead-{}", std::process::id())),
        extra: settings.dpdk.eal.clone(),
    }
}

fn spawn<P>(
    eal: &Eal,
    core: usize,
    idle: Idle,
    (mut worker, first): (Worker<P>, Option<First>),
    gauge: Arc<Gauge>,
    clock: Clock,
) -> Result<JoinHandle<()>>
where
    P: crate::io::Port + Send + 'static,
    P::Frame: Send,
{
    let eal = eal.clone();
    let run = move || {
        let all = || {
            if let Some(first) = first {
                worker.prepare(first);
            }
            work(worker, idle, &gauge, clock);
        };
        match eal.run_worker(core, all) {
            Ok(()) => {}
            Err(error) => tracing::error!("worker on core {core}: {error}"),
        }
    };
    std::thread::Builder::new().name(format!("worker-{core}")).spawn(run).context("cannot start a thread")
}

/// Turns until the worker has ended.
fn work<P: crate::io::Port>(mut worker: Worker<P>, idle: Idle, gauge: &Gauge, clock: Clock) {
    let (mut empty, mut load) = (0, Load::default());
    let mut now = clock.now();
    loop {
        gauge.turned.store(now.nanos(), Ordering::Relaxed);
        let work = worker.turn(now);
        let after = clock.now();
        worker.note_turn(work, now, after);
        if work == Work::Ended {
            return;
        }
        empty = if work.may_sleep() { empty + 1 } else { 0 };
        if let Some(percent) = load.add(work.is_busy(), now, after) {
            gauge.busy.store(percent.to_bits(), Ordering::Relaxed);
        }
        now = after;
        if empty > PATIENCE && idle == Idle::Sleep {
            std::thread::sleep(PAUSE);
            now = clock.now();
        } else if work.may_sleep() {
            std::hint::spin_loop();
        }
    }
}

/// A seed that nobody outside can guess, so that hash tables cannot be flooded on purpose.
pub fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

/// What management reads counters from.
struct Counting {
    gauges: Arc<Gauges>,
    log: Log,
}

impl CounterSource for Counting {
    fn worker(&self, worker: WorkerId) -> WorkerCounters {
        let Some(gauge) = self.gauges.workers.get(usize::from(worker.0)) else { return WorkerCounters::default() };
        let busy_percent = f64::from_bits(gauge.busy.load(Ordering::Relaxed));
        WorkerCounters { busy_percent, counters: gauge.shared.read() }
    }

    fn members(&self, worker: WorkerId) -> Option<Arc<MemberUse>> {
        self.gauges.workers.get(usize::from(worker.0))?.shared.members()
    }

    fn owned(&self, worker: WorkerId) -> Option<Owned> {
        self.gauges.workers.get(usize::from(worker.0))?.shared.owned()
    }

    fn latest_turn(&self, worker: WorkerId) -> Option<Instant> {
        let turned = self.gauges.workers.get(usize::from(worker.0))?.turned.load(Ordering::Relaxed);
        (turned > 0).then(|| Instant::from_nanos(turned))
    }

    fn port(&self, port: PortId) -> PortCounters {
        let Link { mbps: speed_mbps, changes: link_changes, .. } = self.gauges.ports.link(port.index());
        let DeviceEvents { resets, removals } = self.gauges.ports.device_events(port.index());
        PortCounters {
            link_changes,
            resets,
            removals,
            speed_mbps,
            stats: self.gauges.ports.stats(port.index()),
            arrived: self.gauges.workers.iter().map(|gauge| gauge.shared.arrivals.at(port)).sum(),
        }
    }

    fn hosts(&self) -> Vec<HostDevice> {
        let device = |state: HostState| {
            let counts = state.counts();
            HostDevice {
                interface: state.interface,
                name: state.name,
                trouble: state.trouble,
                carrier: state.carrier,
                counts,
            }
        };
        self.gauges.hosts.states().into_iter().map(device).collect()
    }

    fn host_frames_unclaimed(&self) -> u64 {
        self.gauges.hosts.unclaimed()
    }

    fn log_lines_lost(&self) -> u64 {
        self.log.lost()
    }

    fn frames_unsent(&self) -> u64 {
        self.gauges.unsent.load(Ordering::Relaxed)
    }
}
