//! An appliance without a NIC: workers on ports of any kind, time and neighbours given by the test.
//!
//! The rig stands in for the management core: it compiles snapshots, reads events, and knows who is alive because the
//! test says so. What is on the wire is given and taken as whole frames; each frame that comes out is checked whole.

use crate::TWO_ARM;
pub use crate::places::{A, B, E, G, INNER, OUTER, R, V};
use fairlead::config::parse;
use fairlead::control::{HandoverOrder, HandoverStream, TakeUp, Taken};
use fairlead::engine::{Connections, DropReason, Engine, EngineEvent, Forwarded, Impacts, PuntReason, Share, Steering};
use fairlead::flow::SnatPorts;
use fairlead::handover::{Contents, Here, Remembered, RememberedMember, RememberedPool};
use fairlead::io::Port;
use fairlead::policy::adjacency::{Adjacency, Neighbour, NextHop};
use fairlead::policy::health::{Generation, Health, MemberHealth, PoolHealth, Silence, State};
use fairlead::policy::ids::carry_over;
use fairlead::policy::intent::*;
use fairlead::policy::sharing::{Sharing, Target, cells};
use fairlead::policy::{Epoch, Snapshot};
use fairlead::time::{Duration, Instant};
use fairlead::wire::{Mac, Protocol, VlanId, check};
use fairlead::worker::counters::Owned;
use fairlead::worker::handing_over::giving;
use fairlead::worker::host::{HostEnd, HostFrame, KernelFrame, host_link};
use fairlead::worker::mailbox::{ManagementEnd, mailbox};
use fairlead::worker::sip::Statistics;
use fairlead::worker::{Command, Counters, Event, Shared, Worker, WorkerId, hand_offs};
use std::net::Ipv4Addr;
use std::sync::{Arc, LazyLock};

pub const MAC_OUTER: Mac = Mac([2, 0xfe, 0, 0, 0, 1]);
pub const MAC_INNER: Mac = Mac([2, 0xfe, 0, 0, 0, 2]);
pub const MAC_R: Mac = Mac([2, 0, 0, 0, 2, 1]);
pub const MAC_A: Mac = Mac([2, 0, 0, 0, 0, 11]);
pub const MAC_B: Mac = Mac([2, 0, 0, 0, 0, 12]);

pub const MEMBER_A: MemberId = MemberId(0);
pub const MEMBER_B: MemberId = MemberId(1);

/// What the ports of a rig are made of: memory, or mbufs of a real library.
pub trait TestPorts {
    /// A worker's queue on a port.
    type Port: Port;
    /// One queue for each worker on each of `ports` ports: outer list by worker. Only the first worker's receives.
    fn queues(&mut self, ports: usize, workers: usize) -> Vec<Vec<Self::Port>>;
    /// Lets a port receive a frame.
    fn inject(&mut self, port: PortId, frame: &[u8]);
    /// What a port has sent since the last call, oldest first.
    fn collect(&mut self, port: PortId) -> Vec<Vec<u8>>;
    /// How many buffers are still held once the workers are gone and what they sent is collected.
    fn held(&self) -> usize;
}

/// Ports in memory. All frames of the first port come in at the first worker; those of the others at one worker and the
/// next in turn.
#[derive(Default)]
pub struct Memory {
    pool: fairlead::io::memory::Pool,
    ends: Vec<Vec<fairlead::io::memory::FarEnd>>,
    turns: Vec<usize>,
}

impl TestPorts for Memory {
    type Port = fairlead::io::memory::MemoryPort;

    fn queues(&mut self, ports: usize, workers: usize) -> Vec<Vec<Self::Port>> {
        let mut queues: Vec<Vec<Self::Port>> = (0..workers).map(|_| Vec::new()).collect();
        for port in 0..ports {
            let (first, end) = fairlead::io::memory::MemoryPort::connected(&self.pool);
            let mut ends = vec![end];
            for mine in &mut queues[1..] {
                match port {
                    0 => mine.push(first.transmit_only()),
                    _ => {
                        let (another, end) = first.another();
                        mine.push(another);
                        ends.push(end);
                    }
                }
            }
            queues[0].push(first);
            self.ends.push(ends);
            self.turns.push(0);
        }
        queues
    }

    fn inject(&mut self, port: PortId, frame: &[u8]) {
        let (ends, turn) = (&self.ends[port.index()], &mut self.turns[port.index()]);
        assert!(ends[*turn % ends.len()].inject(frame), "the pool of the rig is spent");
        *turn += 1;
    }

    fn collect(&mut self, port: PortId) -> Vec<Vec<u8>> {
        self.ends[port.index()][0].collect()
    }

    fn held(&self) -> usize {
        self.pool.in_use()
    }
}

/// The workers and what surrounds them.
pub struct Rig<T: TestPorts> {
    pub ports: T,
    pub workers: Vec<Worker<T::Port>>,
    mail: Vec<ManagementEnd>,
    shared: Vec<Arc<Shared>>,
    /// Of whoever serves the kernel's devices.
    hosts: Vec<HostEnd>,
    /// What a file says. Things are called by their places in it; health and neighbours are of the same places.
    pub intent: Intent,
    pub health: Health,
    pub adjacency: Adjacency,
    /// The intent that the workers have, which calls things as they were called before.
    installed: Intent,
    pub now: Instant,
    epoch: Epoch,
    snat_ports: SnatPorts,
    /// Everything the workers said, but for snapshots.
    pub events: Vec<Event>,
    returned: usize,
}

impl<T: TestPorts> Rig<T> {
    /// The appliance of the acceptance scenarios: two arms, A active, every neighbour known.
    pub fn two_arm(ports: T) -> Rig<T> {
        Rig::new(ports, two_arm(), 1)
    }

    /// An appliance for `intent`, with all its neighbours known as the constants above say.
    pub fn new(mut ports: T, intent: Intent, workers: usize) -> Rig<T> {
        let health = Health {
            members: vec![
                MemberHealth { state: State::Up, may_claim: true, lost_before: Generation(0), is_back: true };
                intent.members.len()
            ],
            pools: intent
                .pools
                .iter()
                .map(|pool| PoolHealth {
                    active: pool.members.first().copied().filter(|_| !pool.is_shared()),
                    generation: Generation(1),
                    sharing: pool.is_shared().then(|| sharing(&intent, pool, &pool.members)),
                    ..PoolHealth::default()
                })
                .collect(),
            pair: Default::default(),
        };
        let adjacency = neighbours(&intent);
        let snapshot = Arc::new(Snapshot::compile(&intent, &health, &adjacency, &macs(&intent), Epoch(1)));
        let snat_ports = SnatPorts::new(snapshot.snat_addresses(), 7);
        let queues = ports.queues(intent.ports.len(), workers);
        let (mut mail, mut shared, mut hosts) = (Vec::new(), Vec::new(), Vec::new());
        let hands = hand_offs(workers, 1024);
        let made = queues.into_iter().zip(hands).enumerate().map(|(at, (ports, hands))| {
            let (management, worker) = mailbox(1024);
            mail.push(management);
            shared.push(Arc::default());
            let engine = Engine::new(Arc::clone(&snapshot), snat_ports.clone(), at as u64 + 1)
                .sharing(Share { worker: at as u16, of: workers as u16 });
            let (link, end) = host_link(256);
            hosts.push(end);
            Worker::new(WorkerId(at as u16), engine, ports, hands, worker, Arc::clone(&shared[at])).with_host(link)
        });
        let workers = made.collect();
        let now = Instant::from_millis(10_000);
        Rig {
            ports,
            workers,
            mail,
            shared,
            hosts,
            installed: intent.clone(),
            intent,
            health,
            adjacency,
            now,
            epoch: Epoch(1),
            snat_ports,
            events: Vec::new(),
            returned: 0,
        }
    }

    /// Sends `frame` in at `port` and returns everything that comes out, by port; every frame is checked whole.
    pub fn pass(&mut self, port: PortId, frame: &[u8]) -> Vec<(PortId, Vec<u8>)> {
        self.ports.inject(port, frame);
        self.settle()
    }

    /// As [`Rig::pass`], when exactly one frame must come out, at `out`.
    #[track_caller]
    pub fn one(&mut self, port: PortId, frame: &[u8], out: PortId) -> Vec<u8> {
        let mut frames = self.pass(port, frame);
        assert_eq!(frames.len(), 1, "one frame was to come out; the worker counted {:?}", self.counted());
        let (at, frame) = frames.remove(0);
        assert_eq!(at, out, "the frame came out of the wrong port");
        frame
    }

    /// As [`Rig::pass`], when nothing may come out and the frame must have been dropped for `reason`.
    #[track_caller]
    pub fn dropped(&mut self, port: PortId, frame: &[u8], reason: DropReason) {
        let before = self.counters();
        let frames = self.pass(port, frame);
        assert!(frames.is_empty(), "nothing was to come out, but {} did", frames.len());
        let after = self.counters();
        assert_eq!(after.drops(reason), before.drops(reason) + 1, "{}; counted: {:?}", reason.name(), self.counted());
        assert_eq!(after.dropped.sum(), before.dropped.sum() + 1);
    }

    /// As [`Rig::pass`], when nothing may come out and the frame must have gone to management for `reason`.
    #[track_caller]
    pub fn punted(&mut self, port: PortId, frame: &[u8], reason: PuntReason) {
        let before = self.counters().punts(reason);
        assert!(self.pass(port, frame).is_empty());
        assert_eq!(self.counters().punts(reason), before + 1, "counted: {:?}", self.counted());
    }

    /// Turns every worker until nothing moves, and takes what came out.
    pub fn settle(&mut self) -> Vec<(PortId, Vec<u8>)> {
        for _ in 0..8 {
            for worker in &mut self.workers {
                worker.turn(self.now);
            }
        }
        self.read_mail();
        assert_eq!(self.counters().imbalance(), 0, "frames were lost or made up: {:?}", self.counted());
        let mut out = Vec::new();
        for port in 0..self.intent.ports.len() {
            let port = PortId(port as u8);
            for frame in self.ports.collect(port) {
                if let Err(fault) = check::whole(&frame) {
                    panic!("a frame left that is not right: {fault}\n{frame:02x?}");
                }
                out.push((port, frame));
            }
        }
        out
    }

    /// What the workers have for the kernel, by interface.
    pub fn for_kernel(&mut self) -> Vec<(InterfaceId, Vec<u8>)> {
        let pop = |end: &mut HostEnd| std::iter::from_fn(|| end.from_worker.pop().ok()).collect::<Vec<_>>();
        let frames = self.hosts.iter_mut().flat_map(pop);
        frames.map(|HostFrame { interface, bytes }| (interface, bytes.into())).collect()
    }

    /// The kernel sends a frame by the device of an interface: what comes out.
    pub fn from_kernel(&mut self, interface: InterfaceId, frame: &[u8]) -> Vec<(PortId, Vec<u8>)> {
        self.queue_from_kernel(interface, frame, Duration::ZERO);
        self.settle()
    }

    /// The kernel has sent a frame so long ago, and nobody has taken it yet.
    pub fn queue_from_kernel(&mut self, interface: InterfaceId, frame: &[u8], ago: Duration) {
        let end = interface.index() % self.hosts.len();
        let frame = HostFrame { interface, bytes: frame.into() };
        let after = Instant::from_nanos(self.now.nanos() - ago.as_nanos() as u64);
        let frame = KernelFrame { frame, after, read: self.now };
        self.hosts[end].to_worker.push(frame).expect("the ring has room");
    }

    /// Nobody serves the kernel's devices any more.
    pub fn abandon_hosts(&mut self) {
        self.hosts.clear();
    }

    /// Makes what `intent`, `health` and `adjacency` say the snapshot of every worker, and takes what that sent out.
    pub fn publish(&mut self) -> Vec<(PortId, Vec<u8>)> {
        self.epoch = Epoch(self.epoch.0 + 1);
        let input = SnapshotInput::of(&self.installed, &self.intent, &self.health, &self.adjacency);
        let snapshot = Arc::new(input.compile_after(self.workers[0].engine().snapshot(), self.epoch));
        self.snat_ports = self.snat_ports.renewed(snapshot.snat_addresses(), snapshot.life.0);
        self.installed = input.intent;
        let returned = self.returned;
        for mail in &mut self.mail {
            assert!(mail.commands.push(Command::Install(Arc::clone(&snapshot), self.snat_ports.clone())).is_ok());
        }
        let out = self.settle();
        assert_eq!(self.returned, returned + self.workers.len(), "every old snapshot is returned");
        assert_eq!(Arc::strong_count(&snapshot), 1 + self.workers.len(), "and nobody else keeps the new one");
        out
    }

    /// What [`Rig::publish`] would do to the flows that stand, as the workers say. Nothing is published.
    pub fn impacts(&mut self) -> Impacts {
        let input = SnapshotInput::of(&self.installed, &self.intent, &self.health, &self.adjacency);
        let next = Arc::new(input.compile(Epoch::default()));
        let until = self.now + Duration::from_secs(8);
        let mut out = self.command(|| Command::Impact { query: 11, next: Arc::clone(&next), until });
        (0..64).for_each(|_| out.extend(self.settle()));
        assert!(out.is_empty(), "nothing is sent for that");
        let mut impacts = Impacts::new();
        let mut heard = 0;
        for event in self.events.extract_if(.., |event| matches!(event, Event::Impact { query: 11, .. })) {
            let Event::Impact { impacts: more, whole: true, .. } = event else { continue };
            heard += 1;
            more.into_iter().for_each(|(on, counts)| impacts.entry(on).or_default().add(counts));
        }
        assert_eq!((heard, Arc::strong_count(&next)), (self.workers.len(), 1), "each answers, and keeps nothing");
        impacts
    }

    /// What the workers have installed: what a file said, with ids carried over.
    pub fn installed(&self) -> &Intent {
        &self.installed
    }

    /// From which they allocate.
    pub fn snat_ports(&self) -> &SnatPorts {
        &self.snat_ports
    }

    /// Sends a command to every worker.
    pub fn command(&mut self, mut make: impl FnMut() -> Command) -> Vec<(PortId, Vec<u8>)> {
        for mail in &mut self.mail {
            assert!(mail.commands.push(make()).is_ok());
        }
        self.settle()
    }

    /// All workers have something to count SIP into from now on; whether they do is said by the snapshot.
    pub fn count_sip(&mut self) {
        let out = self.command(|| Command::Sip(Some(Box::new(Statistics::first()))));
        assert!(out.is_empty(), "nothing is sent for that");
        self.events.retain(|event| !matches!(event, Event::Sip { .. }));
    }

    /// Gives the first worker commands, which it reads in its next turns.
    pub fn give(&mut self, commands: impl IntoIterator<Item = Command>) {
        for command in commands {
            assert!(self.mail[0].commands.push(command).is_ok());
        }
    }

    /// The same, and what comes of it.
    pub fn commands(&mut self, commands: impl IntoIterator<Item = Command>) -> Vec<(PortId, Vec<u8>)> {
        self.give(commands);
        self.settle()
    }

    /// In a pool of several active members these take new work from now on, and of the others these are lost.
    pub fn share(&mut self, pool: usize, members: &[MemberId], lost: &[MemberId]) -> Vec<(PortId, Vec<u8>)> {
        let health = &mut self.health.pools[pool];
        health.sharing = Some(sharing(&self.intent, &self.intent.pools[pool], members));
        if !lost.is_empty() {
            health.generation.0 += 1;
        }
        let generation = health.generation;
        for member in lost {
            let health = &mut self.health.members[member.index()];
            (health.state, health.may_claim, health.lost_before) = (State::Down, false, generation);
            health.is_back = false;
        }
        for member in members {
            let health = &mut self.health.members[member.index()];
            (health.state, health.may_claim, health.is_back) = (State::Up, true, true);
        }
        self.publish()
    }

    /// As management does ten times a second: the flows of all workers are counted.
    pub fn count_flows(&mut self, pool: usize) {
        let sharing = self.workers[0].engine().snapshot().pools.iter().nth(pool).and_then(|pool| pool.sharing.clone());
        let uses: Vec<_> = self.workers.iter().map(|worker| Arc::clone(worker.engine().member_use())).collect();
        sharing.unwrap().count(|member| uses.iter().map(|uses| uses.of(member).flows).sum());
    }

    /// The pool's active member becomes `member`; the one before is lost if `lost` (its TCP is reset).
    pub fn switch_over(&mut self, member: Option<MemberId>, lost: bool) -> Vec<(PortId, Vec<u8>)> {
        self.change_active(member, lost, None)
    }

    /// The same by the verdict of monitors, the first of whose decisive probes was sent at `since`: of the member that was active, or
    /// of the one before if none is.
    pub fn find_dead(&mut self, since: Instant, member: Option<MemberId>) -> Vec<(PortId, Vec<u8>)> {
        let PoolHealth { active, silence, .. } = self.health.pools[0].clone();
        let since = since.since(Instant::ZERO);
        let silence = active.map_or(silence, |member| Some(Silence { member, since }));
        self.change_active(member, true, silence)
    }

    fn change_active(
        &mut self,
        member: Option<MemberId>,
        lost: bool,
        silence: Option<Silence>,
    ) -> Vec<(PortId, Vec<u8>)> {
        let before = self.health.pools[0].active;
        let generation = Generation(self.health.pools[0].generation.0 + 1);
        self.health.pools[0] = PoolHealth { active: member, generation, sharing: None, silence };
        for health in &mut self.health.members {
            health.may_claim = true;
        }
        if let Some(before) = before {
            let health = &mut self.health.members[before.index()];
            health.may_claim = false;
            if lost {
                (health.state, health.lost_before) = (State::Down, generation);
            }
        }
        self.publish()
    }

    /// Lets time pass, in steps a worker's chores can follow.
    pub fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.now = (self.now + Duration::from_secs(1)).min(end);
            self.workers.iter_mut().for_each(|worker| {
                worker.turn(self.now);
            });
        }
        self.read_mail();
    }

    /// The process is asked to leave what it remembers; all flows were given once when this returns, and packets pass as before.
    pub fn begin_to_leave(&mut self) -> HandoverStream<Vec<u8>> {
        let mut receivers = Vec::new();
        for mail in &mut self.mail {
            let (giver, receiver) = giving(Arc::default());
            assert!(mail.commands.push(Command::HandOver(giver)).is_ok());
            receivers.push(receiver);
        }
        let order = HandoverOrder {
            place: "/run/fairlead/state".into(),
            name: "rig".into(),
            epoch: self.epoch.0,
            receivers,
            given_up: Arc::default(),
        };
        let mut stream = HandoverStream::begin(Vec::new(), order, here(self.now), self.now).unwrap();
        let is_given = |event: &Event| matches!(event, Event::FlowsGiven(_));
        while self.events.iter().filter(|event| is_given(event)).count() < self.workers.len() {
            assert!(self.settle().is_empty(), "nothing is sent for that");
            stream.pump().unwrap();
        }
        self.events.retain(|event| !is_given(event));
        stream
    }

    /// The process ends: the bytes of the file.
    pub fn end(&mut self, mut stream: HandoverStream<Vec<u8>>) -> Vec<u8> {
        for mail in &mut self.mail {
            assert!(mail.commands.push(Command::Stop).is_ok());
        }
        while !stream.has_all() {
            assert!(self.settle().is_empty(), "nothing is sent for that");
            stream.pump().unwrap();
        }
        stream.end(&self.remembered()).unwrap().0
    }

    fn remembered(&self) -> Remembered {
        let Rig { installed, health, .. } = self;
        let pools = installed.pools.iter().zip(&health.pools).map(|(pool, known)| RememberedPool {
            name: pool.name.clone(),
            active: known.active.map(|place| self.intent.members[place].address),
            since: self.now.nanos(),
            generation: known.generation.0,
            members: pool.members.iter().map(|id| remembered(&installed.members[*id])).collect(),
        });
        Remembered { snat_seed: self.snat_ports.seed(), pools: pools.collect(), ..Remembered::default() }
    }

    /// The workers, which have received nothing yet, take up what another rig has left.
    pub fn take_up(&mut self, left: Vec<u8>) -> Taken {
        let contents = Contents::read(left).unwrap();
        contents.age(&here(self.now)).unwrap();
        let (count, snapshot) = (self.workers.len(), Arc::clone(self.workers[0].engine().snapshot()));
        let all = TakeUp::new(contents, &self.installed, &snapshot, &Steering::ours(count), count);
        let mut taken = Taken::default();
        for (at, worker) in self.workers.iter_mut().enumerate() {
            worker.prepare(|engine| taken.add(&all.fill(at, engine, self.now, || false)));
        }
        taken
    }

    /// All workers' counts together.
    pub fn counters(&self) -> Counters {
        self.shared.iter().map(|shared| shared.read()).collect::<Vec<_>>().iter().sum()
    }

    /// What was forwarded for a member, by all workers.
    pub fn forwarded(&self, member: MemberId) -> Forwarded {
        forwarded(self.owned().map(|owned| owned.traffic.member(member)))
    }

    /// What was forwarded of a virtual server, by all workers.
    pub fn forwarded_of(&self, server: VirtualServerId) -> Forwarded {
        forwarded(self.owned().map(|owned| owned.traffic.virtual_server(server)))
    }

    /// The connections of a member, with all workers.
    pub fn connections(&self, member: MemberId) -> Connections {
        connections(self.owned().map(|owned| owned.connections.member(member)))
    }

    /// The connections of a virtual server, with all workers.
    pub fn connections_of(&self, server: VirtualServerId) -> Connections {
        connections(self.owned().map(|owned| owned.connections.virtual_server(server)))
    }

    fn owned(&self) -> impl Iterator<Item = Owned> {
        self.shared.iter().filter_map(|shared| shared.owned())
    }

    /// How often an event happened.
    pub fn events(&self, event: EngineEvent) -> u64 {
        self.counters().events(event)
    }

    /// What was counted, by name, for a message.
    pub fn counted(&self) -> Vec<(&'static str, u64)> {
        let counters = self.counters();
        let drops = DropReason::ALL.iter().map(|r| (r.name(), counters.drops(*r)));
        let punts = PuntReason::ALL.iter().map(|r| (r.name(), counters.punts(*r)));
        let events = EngineEvent::ALL.iter().map(|r| (r.name(), counters.events(*r)));
        drops.chain(punts).chain(events).filter(|(_, count)| *count > 0).collect()
    }

    fn read_mail(&mut self) {
        for mail in &mut self.mail {
            while let Some(event) = mail.events.pop() {
                match event {
                    Event::Installed { old, .. } => self.returned += usize::from(old.is_some()),
                    event => self.events.push(event),
                }
            }
        }
    }
}

/// One host, and its time.
fn forwarded(each: impl Iterator<Item = Forwarded>) -> Forwarded {
    each.fold(Forwarded::default(), |sum, more| Forwarded {
        packets_in: sum.packets_in + more.packets_in,
        packets_out: sum.packets_out + more.packets_out,
        bytes_in: sum.bytes_in + more.bytes_in,
        bytes_out: sum.bytes_out + more.bytes_out,
    })
}

fn connections(each: impl Iterator<Item = Connections>) -> Connections {
    each.fold(Connections::default(), |sum, more| Connections {
        now: sum.now + more.now,
        begun: sum.begun + more.begun,
    })
}

fn here(now: Instant) -> Here {
    Here { boot: [9; 16], uptime: now.since(Instant::ZERO), name: "rig".into() }
}

fn remembered(member: &Member) -> RememberedMember {
    RememberedMember {
        address: member.address,
        up: true,
        down: false,
        lost_before: 0,
        released: None,
        lost_role: None,
        served_until: None,
    }
}

/// The end of a row: every buffer is returned.
impl<T: TestPorts> Drop for Rig<T> {
    fn drop(&mut self) {
        self.workers.clear();
        for port in 0..self.intent.ports.len() {
            self.ports.collect(PortId(port as u8));
        }
        if !std::thread::panicking() {
            assert_eq!(self.ports.held(), 0, "buffers were not returned");
        }
    }
}

/// What management compiles a snapshot from: ids carried over from the file before, health and neighbours by them.
pub struct SnapshotInput {
    pub intent: Intent,
    health: Health,
    adjacency: Adjacency,
}

impl SnapshotInput {
    /// `file`, with health and neighbours by places in it, as the one that follows `before`.
    pub fn of(before: &Intent, file: &Intent, health: &Health, adjacency: &Adjacency) -> SnapshotInput {
        let intent = carry_over(before, file.clone());
        let members: Vec<MemberId> = intent.members.ids().collect();
        let interfaces: Vec<InterfaceId> = intent.interfaces.ids().collect();
        let mut by_id = Health {
            members: vec![MemberHealth::default(); intent.members.bound()],
            pools: vec![PoolHealth::default(); intent.pools.bound()],
            pair: health.pair,
        };
        members.iter().zip(&health.members).for_each(|(id, health)| by_id.members[id.index()] = *health);
        for (id, health) in intent.pools.ids().zip(&health.pools) {
            let active = health.active.map(|place| members[place.index()]);
            let silence = health.silence.map(|it| Silence { member: members[it.member.index()], ..it });
            let targets = |sharing: &Arc<Sharing>| {
                let renumbered = |it: &Target| Target { member: members[it.member.index()], ..*it };
                sharing.targets().iter().map(renumbered).collect()
            };
            let mode = intent.pools[id].mode;
            let sharing = health.sharing.as_ref().map(|it| Arc::new(Sharing::new(mode, targets(it), cells(1, 2))));
            by_id.pools[id.index()] = PoolHealth { active, silence, sharing, ..*health };
        }
        let hop = |hop: &NextHop| NextHop { interface: interfaces[hop.interface.index()], ..*hop };
        let adjacency = adjacency.iter().map(|(known, neighbour)| (hop(known), *neighbour)).collect();
        SnapshotInput { intent, health: by_id, adjacency }
    }

    pub fn compile(&self, epoch: Epoch) -> Snapshot {
        Snapshot::compile(&self.intent, &self.health, &self.adjacency, &macs(&self.intent), epoch)
    }

    /// The snapshot that takes the place of `before`.
    pub fn compile_after(&self, before: &Snapshot, epoch: Epoch) -> Snapshot {
        let SnapshotInput { intent, health, adjacency } = self;
        Snapshot::compile_after(Some(before), intent, health, adjacency, &macs(intent), epoch)
    }
}

/// The common setting of the acceptance scenarios (`tests/scenarios.md`): the two-arm file, untagged, with few flows.
pub fn two_arm() -> Intent {
    static INTENT: LazyLock<Intent> = LazyLock::new(|| {
        let file = TWO_ARM.replace("vlan = 120\n", "");
        let mut intent = parse("two-arm.toml", &file).unwrap_or_else(|errors| panic!("{errors}")).intent;
        intent.limits.flows_per_worker = 10_000;
        // Rows about errors say what is sent at once.
        intent.virtual_servers.iter_mut().for_each(|server| server.unreachable = Unreachable::Forward);
        intent
    });
    INTENT.clone()
}

/// These members of a pool take its new work.
pub fn sharing(intent: &Intent, pool: &Pool, members: &[MemberId]) -> Arc<Sharing> {
    let target = |member: &MemberId| {
        let Member { address, weight, .. } = intent.members[*member];
        Target { member: *member, address, weight }
    };
    Arc::new(Sharing::new(pool.mode, members.iter().map(target).collect(), cells(1, pool.members.len())))
}

pub fn addr(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

pub fn port(name: &str) -> PortIntent {
    PortIntent { name: name.into(), device: format!("net_null_{name}"), mtu: 1500, queues: None }
}

pub fn interface(name: &str, port: PortId, vlan: Option<u16>, address: &str) -> Interface {
    Interface {
        name: name.into(),
        port,
        vlan: vlan.map(|id| VlanId::new(id).unwrap()),
        addresses: vec![address.parse().unwrap()],
        mtu: 1500,
        mss: None,
        host: None,
        floating: vec![],
        vrid: None,
    }
}

pub fn pool(name: &str, members: &[u16]) -> Pool {
    Pool { name: name.into(), members: members.iter().map(|&at| MemberId(at)).collect(), ..Pool::default() }
}

pub fn member(name: &str, address: &str, pool: u16) -> Member {
    Member::new(name, addr(address), PoolId(pool), InterfaceId(1))
}

pub fn virtual_server(name: &str, address: &str, pool: u16) -> VirtualServer {
    let listen = |protocol, port| Listen { protocol, port };
    let listen = vec![listen(Protocol::Udp, 5060), listen(Protocol::Tcp, 5060), listen(Protocol::Tcp, 5061)];
    // Rows about errors say what is sent at once.
    VirtualServer { unreachable: Unreachable::Forward, ..VirtualServer::new(name, addr(address), PoolId(pool), listen) }
}

pub fn snat(address: &str, pool: u16, exclude: &[&str]) -> Snat {
    Snat {
        pool: PoolId(pool),
        address: addr(address),
        exclude: exclude.iter().map(|net| net.parse().unwrap()).collect(),
        no_snat_udp_ports: vec![],
        dscp: None,
        resumes: true,
    }
}

/// Our MAC on each port.
fn macs(intent: &Intent) -> Vec<Mac> {
    [MAC_OUTER, MAC_INNER].into_iter().take(intent.ports.len()).collect()
}

/// Every member and every router, at the MAC that its last octet names.
pub fn neighbours(intent: &Intent) -> Adjacency {
    let members = intent.members.iter().map(|m| (m.interface, m.address));
    let routers = intent.routes.iter().map(|r| (r.interface, r.via));
    members
        .chain(routers)
        .map(|(interface, address)| {
            let mac = match address.octets() {
                [192, 0, 2, 1] => MAC_R,
                [.., last] => Mac([2, 0, 0, 0, 0, last]),
            };
            (NextHop { interface, address }, Neighbour::Reachable(mac))
        })
        .collect()
}
