//! Whether workers on cores of their own hinder each other.
//!
//! `cargo bench --no-default-features --bench scaling`, with two cores that do nothing else. Rates of one worker and of two; then,
//! measured side by side, how fast each is beside the other and alone, once for the workers of one appliance and once for two
//! that share nothing: what differs is what sharing costs. With `GLIBC_TUNABLES=glibc.malloc.hugetlb=1` tables lie in large
//! pages, as they do in the program itself.

mod support;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fairlead::engine::{Path, Steering};
use fairlead::flow::SnatPorts;
use fairlead::io::BURST;
use fairlead::policy::Snapshot;
use fairlead::wire::Packet;
use fairlead::worker::{HandOff, hand_offs};
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use support::port::BenchFrame;
use support::{Appliance, Frames, Traffic, intent};

/// Two workers on two cores, each fed by a queue of its own to which a NIC brings what is its own. They share the snapshot and the
/// tables of allocated ports, and nothing else. What both do at once, beside what they do one after the other; and, as two cores
/// of one machine are never quite independent, the same of two workers that share nothing at all.
fn scaling(c: &mut Criterion) {
    let mut group = c.benchmark_group("scaling");
    for opens in [false, true] {
        let name = if opens { "new_flows" } else { "standing_flows" };
        let share = Core::pair(opens, true);
        for count in [1, 2] {
            group.throughput(Throughput::Elements((BURST * count) as u64));
            let id = BenchmarkId::new(name, count);
            group.bench_function(id, |b| b.iter_custom(|rounds| Core::run(&share[..count], rounds)));
        }
        let pairs = [share, Core::pair(opens, false)];
        let mut ratios: [Vec<f64>; 2] = Default::default();
        for _ in 0..31 {
            for (cores, ratios) in pairs.iter().zip(&mut ratios) {
                let [one, other] = [0, 1].map(|at| Core::run(&cores[at..=at], 4_000).as_secs_f64());
                ratios.push((one + other) / 2.0 / Core::run(cores, 4_000).as_secs_f64());
            }
        }
        for (what, ratios) in ["as they are", "that share nothing"].iter().zip(ratios) {
            println!("scaling/{name}: beside the other over alone, workers {what}: {}", support::spread(ratios));
        }
    }
    group.finish();
}

/// A worker in a thread of its own, with datagrams that its member sends outward.
struct Core {
    rounds: mpsc::Sender<u64>,
    spent: mpsc::Receiver<Duration>,
}

impl Core {
    const CONVERSATIONS: usize = 200_000;

    /// Both workers. `opens`: every datagram opens a flow, and is given a port; otherwise all their flows stand. `share`: they
    /// are of one appliance.
    fn pair(opens: bool, share: bool) -> Vec<Core> {
        let intent = intent(2 * Core::CONVERSATIONS);
        let made = || {
            let snapshot = Arc::new(support::snapshot(&intent, 1));
            let snat_ports = SnatPorts::new(snapshot.snat_addresses(), 1);
            (snapshot, snat_ports)
        };
        let first = made();
        let second = if share { first.clone() } else { made() };
        let hands = hand_offs(2, 2_048).into_iter().enumerate();
        hands.zip([first, second]).map(|((at, hands), shares)| Core::start(shares, at, hands, opens)).collect()
    }

    fn start(
        (snapshot, snat_ports): (Arc<Snapshot>, SnatPorts),
        at: usize,
        hands: HandOff<BenchFrame>,
        opens: bool,
    ) -> Core {
        let (rounds, asked) = mpsc::channel();
        let (says, spent) = mpsc::channel();
        std::thread::spawn(move || {
            let mut appliance = Appliance::of(&snapshot, &snat_ports, at, vec![hands]);
            let traffic = Traffic::OutboundUdp;
            let own: Vec<_> =
                support::shuffled(Core::CONVERSATIONS).filter(|&n| owner(traffic, n, &snapshot) == at).collect();
            let frames = Rc::new(Frames::all(own.iter().map(|&n| traffic.frame(n)), own.len()));
            if opens {
                // When a datagram comes again, the flow it made has just been forgotten.
                appliance.step = snapshot.timeouts.udp.mul_f64(1.1) / (own.len() / BURST) as u32;
            } else {
                appliance.open(traffic, own.iter().copied());
            }
            appliance.supply.feed(traffic.port(), &frames);
            (0..own.len() / BURST + 1).for_each(|_| {
                appliance.round();
            });
            for rounds in asked {
                let begun = Instant::now();
                (0..rounds).for_each(|_| appliance.round());
                let _ = says.send(begun.elapsed());
                let counters = appliance.counters();
                assert_eq!((counters.dropped.sum(), counters.handed_off, counters.imbalance()), (0, 0, 0));
            }
        });
        Core { rounds, spent }
    }

    /// So many rounds of all of these at once. How long the slowest took.
    fn run(cores: &[Core], rounds: u64) -> Duration {
        cores.iter().for_each(|core| core.rounds.send(rounds).expect("it waits"));
        cores.iter().map(|core| core.spent.recv().expect("it runs")).max().unwrap_or_default()
    }
}

/// Which of two workers decides about a conversation.
fn owner(traffic: Traffic, conversation: usize, snapshot: &Snapshot) -> usize {
    let frame = traffic.frame(conversation).bytes();
    let headers = Packet::parse(&frame).expect("a frame of the bench");
    let path = Path::between(&snapshot.owners(headers.src(), headers.dst()));
    Steering::ours(2).worker(&headers, path, snapshot).expect("a flow is somebody's")
}

criterion_group!(benches, scaling);
criterion_main!(benches);
