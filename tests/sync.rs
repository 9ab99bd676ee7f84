//! A million flows go from one appliance to the other over TLS, in how much time and memory. `scripts/test --long` runs it, on a quiet machine:
//! `cargo test --release --no-default-features --test sync -- --ignored --nocapture`.

use fairlead::channel::{Channel, Identity, Sockets, new_identity};
use fairlead::engine::{Engine, TakingUp};
use fairlead::flow::{Direction, FlowRecord, PathKind, SnatPorts};
use fairlead::io::memory::MemoryPort;
use fairlead::policy::{Epoch, Intent, Snapshot};
use fairlead::sync::{Hello, State};
use fairlead::time::{Duration, Instant};
use fairlead::wire::{Endpoint, Mac, Protocol, Tuple};
use fairlead::worker::mailbox::{Command, ManagementEnd, mailbox};
use fairlead::worker::sync::sync_links;
use fairlead::worker::{Worker, WorkerId, hand_offs};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use testbench::rig::{neighbours, two_arm};

const FLOWS: u32 = 1_000_000;
const WORKERS: usize = 2;
/// How long a full copy may take.
const MOST: Duration = Duration::from_secs(2);

static BEGAN: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);

fn clock() -> Instant {
    Instant::from_millis(100_000_000) + BEGAN.elapsed()
}

/// From a member's own port outward, each port to many remotes.
fn flow(number: u32, now: Instant) -> FlowRecord {
    let (member, port) = (Ipv4Addr::new(10, 20, 0, 11), 20_000 + (number % 30_000) as u16);
    let remote = Endpoint::new(Ipv4Addr::from_bits(0xac10_0000 + number / 30_000 * 7_919 + number % 7), 9_000);
    let own = Tuple::new(Protocol::Udp, Endpoint::new(member, port), remote);
    let outside = Tuple { src: Endpoint::new([10, 20, 0, 100].into(), port), ..own };
    FlowRecord {
        keys: [own, outside.reversed()],
        path: PathKind::Outbound,
        inside: Direction::Original,
        member: Some(member),
        opener: None,
        generation: 1,
        opener_generation: 0,
        snat_port: Some(port),
        is_counted: false,
        track: None,
        seen: Instant::from_nanos(now.nanos() - u64::from(number % 100_000) * 1_000_000),
        place: 0,
    }
}

/// The most memory the process has ever had, in MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1_024
}

/// One appliance: its workers in one thread, the connection in another.
struct Appliance {
    workers: Vec<Worker<MemoryPort>>,
    _mail: Vec<ManagementEnd>,
    channel: Channel,
}

impl Appliance {
    fn start(intent: &Intent, places: Sockets, identity: Identity, process: u64) -> Appliance {
        let health = fairlead::control::AssumedHealth::everybody_up(intent, clock());
        let macs = vec![Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2])];
        let snapshot = Arc::new(Snapshot::compile(intent, health.health(), &neighbours(intent), &macs, Epoch(1)));
        let ports = SnatPorts::new([[10, 20, 0, 100].into()], 7);
        let (mut workers, mut mail, mut links) = (Vec::new(), Vec::new(), Vec::new());
        for ((at, hands), (end, link)) in
            hand_offs(WORKERS, 64).into_iter().enumerate().zip(sync_links(WORKERS, clock()))
        {
            let engine = Engine::new(Arc::clone(&snapshot), ports.clone(), at as u64 + 1);
            let (mut management, own) = mailbox(64);
            workers.push(Worker::new(WorkerId(at as u16), engine, vec![], hands, own, Arc::default()));
            assert!(management.commands.push(Command::Sync(Some(end))).is_ok());
            mail.push(management);
            links.push(link);
        }
        let hello = Hello { process, ..Hello::default() };
        let channel = Channel::start(places, identity, (links, hello), clock, |news| news).unwrap();
        Appliance { workers, _mail: mail, channel }
    }

    fn flows(&self) -> usize {
        self.workers.iter().map(|worker| worker.engine().flows().len()).sum()
    }

    fn is_in_sync(&self) -> bool {
        self.channel.board().state().report.state == State::InSync
    }
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
#[ignore = "measures: for a quiet machine, and built with optimisations"]
fn a_million_flows_are_copied_in_two_seconds() {
    let mut intent = two_arm();
    intent.limits.flows_per_worker = 600_000;
    let (one, other) = (new_identity("one").unwrap(), new_identity("other").unwrap());
    let identity = |own: &fairlead::channel::NewIdentity, other: &fairlead::channel::NewIdentity| {
        Identity::new(&own.certificate, &own.key, &other.certificate).unwrap()
    };
    let (first, second) = (free(), free());
    let places = Sockets { listen: first, peer: second };
    let mut active = Appliance::start(&intent, places, identity(&one, &other), 1);
    let members = HashMap::from([(Ipv4Addr::new(10, 20, 0, 11), fairlead::policy::intent::MemberId(0))]);
    let now = clock();
    for (at, worker) in active.workers.iter_mut().enumerate() {
        worker.prepare(|engine| {
            let from = TakingUp::new(members.clone(), engine.snapshot());
            for number in (0..FLOWS).rev() {
                let record = flow(number, now);
                let owner = fairlead::engine::Steering::ours(WORKERS).worker_of(record.keys[1].src);
                if owner == at {
                    engine.take_up_flow(&from, &record, now).unwrap();
                }
            }
        });
    }
    assert_eq!(active.flows() as u32, FLOWS);
    let places = Sockets { listen: second, peer: first };
    let mut standby = Appliance::start(&intent, places, identity(&other, &one), 2);
    let before = peak_mib();
    let stop = AtomicBool::new(false);
    let (took, turns) = std::thread::scope(|scope| {
        let (stop, channel) = (&stop, &active.channel);
        let workers = &mut active.workers;
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let busy = workers.iter_mut().filter_map(|worker| (!worker.turn(clock()).may_sleep()).then_some(()));
                if busy.count() == 0 {
                    std::thread::sleep(Duration::from_micros(100));
                }
            }
        });
        let (began, mut turns) = (clock(), 0_u64);
        channel.set_active(true);
        while !standby.is_in_sync() && clock().since(began) < Duration::from_secs(60) {
            turns += 1;
            let step = |idle, worker: &mut Worker<MemoryPort>| worker.turn(clock()).may_sleep() && idle;
            if standby.workers.iter_mut().fold(true, step) {
                std::thread::sleep(Duration::from_micros(100));
            }
        }
        let took = clock().since(began);
        stop.store(true, Ordering::Relaxed);
        (took, turns)
    });
    let report = standby.channel.board().state().report;
    println!(
        "{FLOWS} flows, {} MiB: copied in {took:?}, {turns} turns of those who take in, {} MiB more",
        report.bytes[1] >> 20,
        peak_mib() - before
    );
    assert_eq!((standby.flows() as u32, report.taken), (FLOWS, [u64::from(FLOWS), 0]));
    assert!(took <= MOST, "{took:?}");
}
