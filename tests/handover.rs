//! A million flows go from one process to the next, in how much time and memory. `scripts/test --long` runs it, on a quiet machine:
//! `cargo test --release --no-default-features --test handover -- --ignored --nocapture`.

use fairlead::control::{HandoverOrder, HandoverStream, TakeUp, Taken};
use fairlead::engine::{Engine, Steering};
use fairlead::flow::{Direction, FlowRecord, PathKind, SnatPorts};
use fairlead::handover::{Contents, Header, Here, Remembered, RememberedMember, RememberedPool, Writer};
use fairlead::io::memory::MemoryPort;
use fairlead::policy::{Epoch, Intent, Snapshot};
use fairlead::time::{Duration, Instant};
use fairlead::wire::{Endpoint, Mac, Protocol, Tuple};
use fairlead::worker::handing_over::giving;
use fairlead::worker::mailbox::{Command, Event, mailbox};
use fairlead::worker::{Work, Worker, WorkerId, hand_offs};
use std::collections::{BTreeSet, HashSet};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use testbench::rig::{neighbours, two_arm};

const FLOWS: u32 = 1_000_000;
const WORKERS: usize = 2;
const NOW: Instant = Instant::from_millis(100_000_000);
/// How long each way may take.
const MOST: Duration = Duration::from_secs(2);

fn here() -> Here {
    Here { boot: [1; 16], uptime: NOW.since(Instant::ZERO), name: "lead-1".into() }
}

/// Nine of ten from a member's own port outward, each port to many remotes; the tenth not translated.
fn flow(number: u32) -> FlowRecord {
    let (member, port) = (Ipv4Addr::new(10, 20, 0, 11), 20_000 + (number % 30_000) as u16);
    let remote = Endpoint::new(Ipv4Addr::from_bits(0xac10_0000 + number / 30_000 * 7_919 + number % 7), 9_000);
    let own = Tuple::new(Protocol::Udp, Endpoint::new(member, port), remote);
    let is_visit = number.is_multiple_of(10);
    let outside = Tuple { src: Endpoint::new([10, 20, 0, 100].into(), port), ..own };
    FlowRecord {
        keys: if is_visit { [own.reversed(), own] } else { [own, outside.reversed()] },
        path: if is_visit { PathKind::Routed } else { PathKind::Outbound },
        inside: if is_visit { Direction::Reply } else { Direction::Original },
        member: (!is_visit).then_some(member),
        opener: is_visit.then_some(member),
        generation: 1,
        opener_generation: 1,
        snat_port: (!is_visit).then_some(port),
        is_counted: false,
        track: None,
        seen: Instant::from_nanos(NOW.nanos() - u64::from(number % 100_000) * 1_000_000),
        place: number / WORKERS as u32,
    }
}

fn remembered() -> Remembered {
    let member = |last| RememberedMember {
        address: [10, 20, 0, last].into(),
        up: true,
        down: false,
        lost_before: 0,
        released: None,
        lost_role: None,
        served_until: None,
    };
    let members = vec![member(11), member(12)];
    let name = two_arm().pools[0].name.clone();
    Remembered {
        snat_seed: 7,
        pools: vec![RememberedPool { name, members, ..RememberedPool::default() }],
        ..Remembered::default()
    }
}

fn file() -> Vec<u8> {
    let header = Header { here: here(), now: NOW, epoch: 1, workers: WORKERS as u16 };
    let mut writer = Writer::begin(Vec::new(), &header).unwrap();
    for first in (0..FLOWS).step_by(1_024) {
        let part = first..(first + 1_024).min(FLOWS);
        for worker in 0..WORKERS as u32 {
            let own: Vec<_> = part.clone().filter(|number| number % WORKERS as u32 == worker).map(flow).collect();
            writer.flows(worker as u16, &own).unwrap();
        }
    }
    writer.end(&remembered()).unwrap().0
}

/// The most memory the process has ever had, in MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1_024
}

fn engines(intent: &Intent) -> (Arc<Snapshot>, Vec<Engine>) {
    let health = fairlead::control::AssumedHealth::everybody_up(intent, NOW);
    let macs = vec![Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2])];
    let snapshot = Snapshot::compile(intent, health.health(), &neighbours(intent), &macs, Epoch(1));
    let (snapshot, ports) = (Arc::new(snapshot), SnatPorts::new([[10, 20, 0, 100].into()], 7));
    let engines = (0..WORKERS as u64).map(|at| Engine::new(Arc::clone(&snapshot), ports.clone(), at + 1)).collect();
    (snapshot, engines)
}

fn take_up(bytes: Vec<u8>, intent: &Intent, snapshot: &Snapshot, engines: &mut [Engine]) -> Taken {
    let contents = Contents::read(bytes).unwrap();
    let all = TakeUp::new(contents, intent, snapshot, &Steering::ours(WORKERS), WORKERS);
    let sum = Mutex::new(Taken::default());
    std::thread::scope(|scope| {
        for (at, engine) in engines.iter_mut().enumerate() {
            let (all, sum) = (&all, &sum);
            scope.spawn(move || {
                let taken = all.fill(at, engine, NOW, || false);
                sum.lock().unwrap().add(&taken);
            });
        }
    });
    sum.into_inner().unwrap()
}

/// How long it took to write all, and how long of that after forwarding stopped.
fn write(engines: Vec<Engine>, place: &std::path::Path) -> (Duration, Duration) {
    let (mut workers, mut mail, mut receivers) = (Vec::new(), Vec::new(), Vec::new());
    for ((at, engine), hands) in engines.into_iter().enumerate().zip(hand_offs(WORKERS, 64)) {
        let (management, end) = mailbox(4_096);
        workers.push(Worker::<MemoryPort>::new(WorkerId(at as u16), engine, vec![], hands, end, Arc::default()));
        mail.push(management);
        let (giver, receiver) = giving(Arc::default());
        assert!(mail[at].commands.push(Command::HandOver(giver)).is_ok());
        receivers.push(receiver);
    }
    let file = std::fs::File::create(place).unwrap();
    let order =
        HandoverOrder { place: place.into(), name: "lead-1".into(), epoch: 1, receivers, given_up: Arc::default() };
    let begun = std::time::Instant::now();
    let writer = std::thread::spawn(move || {
        let mut stream = HandoverStream::begin(file, order, here(), NOW).unwrap();
        while !stream.has_all() {
            if !stream.pump().unwrap() {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        stream.end(&remembered()).unwrap();
    });
    let mut walking: BTreeSet<WorkerId> = (0..WORKERS as u16).map(WorkerId).collect();
    while !walking.is_empty() {
        workers.iter_mut().for_each(|worker| _ = worker.turn(NOW));
        for event in mail.iter_mut().flat_map(|mail| std::iter::from_fn(|| mail.events.pop())) {
            if let Event::FlowsGiven(worker) = event {
                walking.remove(&worker);
            }
        }
    }
    let stopped = std::time::Instant::now();
    mail.iter_mut().for_each(|mail| assert!(mail.commands.push(Command::Stop).is_ok()));
    let mut running: Vec<_> = workers.iter_mut().collect();
    while !running.is_empty() {
        running.retain_mut(|worker| worker.turn(NOW) != Work::Ended);
    }
    writer.join().unwrap();
    (begun.elapsed(), stopped.elapsed())
}

#[test]
#[ignore = "measures: for a quiet machine, and built with optimisations"]
fn a_million_flows_are_written_and_taken_up_in_two_seconds_each() {
    let mut intent = two_arm();
    intent.limits.flows_per_worker = 600_000;
    let (snapshot, mut all) = engines(&intent);
    let bytes = file();
    let (size, before) = (bytes.len() >> 20, peak_mib());
    let begun = std::time::Instant::now();
    let taken = take_up(bytes, &intent, &snapshot, &mut all);
    let took = begun.elapsed();
    assert_eq!((taken.flows as u32, taken.skipped.sum()), (FLOWS, 0), "{}", taken.skipped);
    println!("{FLOWS} flows, {size} MiB: taken up by {WORKERS} workers in {took:?}, {} MiB more", peak_mib() - before);
    let place = std::path::Path::new("/dev/shm").join(format!("fairlead-handover-{}", std::process::id()));
    let before = peak_mib();
    let (whole, end) = write(all, &place);
    println!("written in {whole:?}, {end:?} of it after forwarding stopped, {} MiB more", peak_mib() - before);
    let contents = Contents::read(std::fs::read(&place).unwrap()).unwrap();
    std::fs::remove_file(&place).unwrap();
    let written: HashSet<[Tuple; 2]> = contents.flows().map(|at| contents.flow(at).keys).collect();
    assert!((0..FLOWS).all(|number| written.contains(&flow(number).keys)), "{} of them were written", written.len());
    assert_eq!(contents.flows().count() as u32, FLOWS);
    assert!(took <= MOST && whole <= MOST, "{took:?}, {whole:?}");
}
