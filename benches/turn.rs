//! Cost of a packet in the worker's loop, everything included but the NIC: frames are copied in from plain memory in bursts
//! of 64, parsed, steered, looked up, decided, rewritten, queued and counted.
//!
//! `cargo bench --no-default-features --bench turn`; `-- NAME` for a part. Groups: `paths` (every kind of traffic, 4,096
//! conversations), `flows` (by their number), `bursts` (by burst length), `new_flows`, `full_table` (a flood of new flows, and
//! what it costs existing ones), `exclusions`, `hand_off` and `hand_off_ring`, `switchover`. With
//! `GLIBC_TUNABLES=glibc.malloc.hugetlb=1` tables are in large pages, as they are in the appliance.

mod support;

use criterion::measurement::WallTime;
use criterion::{Bencher, BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fairlead::io::BURST;
use fairlead::policy::ids::carry_over;
use fairlead::policy::intent::{Intent, VirtualServer};
use fairlead::worker::mailbox::Event;
use fairlead::worker::{self, Command, Received, hand_offs};
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::{Appliance, Frames, OUTER, Traffic, intent};

const PEERS: usize = 4_096;

/// An appliance with one worker in which `count` conversations of a kind stand, and their steady frames, each of which has come
/// once: a flow's first packet after those that open it goes the long way, and what is measured is those that follow.
fn standing(intent: &Intent, traffic: Traffic, count: usize) -> (Appliance, Rc<Frames>) {
    let mut appliance = Appliance::new(intent, 1);
    appliance.open(traffic, 0..count);
    let frames = Rc::new(Frames::steady(traffic, count));
    appliance.supply.feed(traffic.port(), &frames);
    (0..count.div_ceil(BURST)).for_each(|_| appliance.round());
    (appliance, frames)
}

/// Rounds of full bursts, every frame of which leaves.
fn measure(group: &mut BenchmarkGroup<'_, WallTime>, id: BenchmarkId, appliance: &mut Appliance) {
    group.throughput(Throughput::Elements(BURST as u64));
    let (before, sent) = (appliance.counters(), appliance.supply.sent());
    group.bench_function(id, |b| b.iter(|| appliance.round()));
    // A last turn lays the sums down.
    let after = appliance.counters();
    assert_eq!(after.received - before.received, appliance.supply.sent() - sent, "every frame left");
    assert_eq!(after.imbalance(), 0);
}

fn paths(c: &mut Criterion) {
    let mut group = c.benchmark_group("paths");
    for traffic in Traffic::ALL {
        let (mut appliance, _frames) = standing(&intent(4 * PEERS), traffic, PEERS);
        measure(&mut group, BenchmarkId::from_parameter(traffic.name()), &mut appliance);
    }
    group.finish();
}

fn flows(c: &mut Criterion) {
    let mut group = c.benchmark_group("flows");
    group.sample_size(20);
    let sweep = [1_000, 10_000, 100_000, 1_000_000, 10_000_000];
    for (traffic, counts) in
        [(Traffic::OutboundUdp, &sweep[..]), (Traffic::ServiceTcpIn, &sweep[..4]), (Traffic::ServiceUdpIn, &sweep[..4])]
    {
        for &count in counts {
            let (mut appliance, _frames) = standing(&intent(count + count / 8 + 1_000), traffic, count);
            measure(&mut group, BenchmarkId::new(traffic.name(), count), &mut appliance);
        }
    }
    group.finish();
}

fn bursts(c: &mut Criterion) {
    let mut group = c.benchmark_group("bursts");
    for burst in [1, 4, 16, 64] {
        let (mut appliance, _frames) = standing(&intent(400_000), Traffic::OutboundUdp, 262_144);
        appliance.supply.in_bursts_of(burst);
        group.throughput(Throughput::Elements(burst as u64));
        group.bench_function(BenchmarkId::from_parameter(burst), |b| b.iter(|| appliance.round()));
    }
    group.finish();
}

/// Flows that were not there: looked for, admitted, kept on both sides, and forgotten when their time is over.
fn new_flows(c: &mut Criterion) {
    const LOOP: usize = 1_000_000;
    let mut group = c.benchmark_group("new_flows");
    group.sample_size(20).throughput(Throughput::Elements(BURST as u64));
    for traffic in [Traffic::ServiceTcpIn, Traffic::OutboundTcp, Traffic::OutboundUdp] {
        let intent = intent(2 * LOOP);
        let mut appliance = Appliance::new(&intent, 1);
        let frames = Rc::new(Frames::opening(traffic, 0..LOOP));
        let port = traffic.opening(0)[0].0;
        appliance.supply.feed(port, &frames);
        // When a frame comes again, the flow it made has just been forgotten.
        let lifetime = if traffic == Traffic::OutboundUdp { intent.timeouts.udp } else { intent.timeouts.tcp_opening };
        appliance.step = lifetime.mul_f64(1.1) / (LOOP / BURST) as u32;
        // Once round, so that flows die as fast as they are made.
        (0..LOOP / BURST + 1).for_each(|_| appliance.round());
        measure(&mut group, BenchmarkId::from_parameter(traffic.name()), &mut appliance);
        let standing = appliance.workers[0].engine().flows().len();
        assert!((LOOP * 8 / 10..LOOP).contains(&standing), "{standing} flows stand");
    }
    group.finish();
}

/// What packets of standing flows cost while new ones flood a table that is full: bursts of the two take turns, and only
/// those of the standing flows are timed. Beside them the same flows in a table nobody floods; at the end the ratio of the
/// two, measured side by side.
fn full_table(c: &mut Criterion) {
    let mut group = c.benchmark_group("full_table");
    group.throughput(Throughput::Elements(BURST as u64));
    let (mut sides, mut asked) = ([false, true].map(FullTable::new), false);
    for side in &mut sides {
        let name = if side.flooded { "standing_flows_in_a_flood" } else { "standing_flows_alone" };
        group.bench_function(name, |b| {
            asked = true;
            b.iter_custom(|rounds| side.time(rounds));
        });
    }
    if !asked {
        return;
    }
    let [alone, flooded] = &mut sides;
    // Long enough that caches hold what they will: every flow comes some ten times.
    let ratios = (0..15).map(|_| alone.time(16_000).as_secs_f64() / flooded.time(16_000).as_secs_f64()).collect();
    println!("full_table: rate in a flood over rate alone, 15 pairs: {}", support::spread(ratios));
    sides.iter().for_each(FullTable::check);
    group.finish();
}

/// Standing flows in a table with room for twice as many, flooded or not.
struct FullTable {
    appliance: Appliance,
    flooded: bool,
    frames: Rc<Frames>,
    /// First segments of connections: more than there is room for, so that each is new when it comes again.
    flood: Rc<Frames>,
    at: usize,
    wave: usize,
}

impl FullTable {
    const STANDING: usize = 100_000;
    const FLOOD: usize = 150_000;

    fn new(flooded: bool) -> FullTable {
        let (appliance, frames) = standing(&intent(2 * Self::STANDING), Traffic::OutboundTcp, Self::STANDING);
        let flood = Rc::new(Frames::opening(Traffic::ServiceTcpIn, 0..Self::FLOOD));
        let mut table = FullTable { appliance, flooded, frames, flood, at: 0, wave: 0 };
        if flooded {
            (0..4 * Self::STANDING / BURST).for_each(|_| table.flood_once());
        }
        table
    }

    fn flood_once(&mut self) {
        self.appliance.supply.feed_from(Traffic::ServiceTcpIn.opening(0)[0].0, &self.flood, self.wave);
        self.appliance.round();
        self.wave = (self.wave + BURST) % (Self::FLOOD - BURST);
    }

    /// What so many bursts of standing flows take.
    fn time(&mut self, rounds: u64) -> Duration {
        let mut spent = Duration::ZERO;
        for _ in 0..rounds {
            if self.flooded {
                self.flood_once();
            }
            self.appliance.supply.feed_from(Traffic::OutboundTcp.port(), &self.frames, self.at);
            self.at = (self.at + BURST) % (self.frames.count() - BURST);
            let begun = Instant::now();
            self.appliance.round();
            spent += begun.elapsed();
        }
        spent
    }

    fn check(&self) {
        let (counters, flows) = (self.appliance.counters(), self.appliance.workers[0].engine().flows());
        assert!(!self.flooded || flows.len() == flows.capacity(), "the table is full");
        assert_eq!(
            (counters.dropped.sum(), counters.imbalance()),
            (0, 0),
            "nothing that stood was lost, nothing new refused"
        );
    }
}

fn exclusions(c: &mut Criterion) {
    let mut group = c.benchmark_group("exclusions");
    for traffic in [Traffic::ServiceUdpIn, Traffic::ServiceUdpOut, Traffic::OutboundUdp] {
        for prefixes in [1, 10_000] {
            let mut intent = intent(4 * PEERS);
            intent.snats[0].exclude = support::excluded(prefixes);
            let (mut appliance, _frames) = standing(&intent, traffic, PEERS);
            measure(&mut group, BenchmarkId::new(traffic.name(), prefixes), &mut appliance);
        }
    }
    group.finish();
}

/// Two workers in one thread, the first of which receives everything: half of it is the other's.
fn hand_off(c: &mut Criterion) {
    let mut group = c.benchmark_group("hand_off");
    for workers in [1, 2] {
        let mut appliance = Appliance::new(&intent(4 * PEERS), workers);
        let frames = Rc::new(Frames::steady(Traffic::ServiceUdpIn, PEERS));
        appliance.supply.feed(Traffic::ServiceUdpIn.port(), &frames);
        group.throughput(Throughput::Elements(BURST as u64));
        group.bench_function(BenchmarkId::new("workers", workers), |b| b.iter(|| appliance.round()));
        let counters = appliance.counters();
        assert_eq!((counters.dropped.sum(), counters.imbalance()), (0, 0));
        if counters.received > 0 {
            let part = counters.handed_off as f64 / counters.received as f64;
            println!("hand_off/workers/{workers}: {part:.2} of the frames handed over");
        }
    }
    group.finish();
}

/// Frames from one thread to another through the ring between two workers, 32 at a time, in order.
fn hand_off_ring(c: &mut Criterion) {
    const AT_ONCE: u64 = 32;
    let mut group = c.benchmark_group("hand_off_ring");
    group.throughput(Throughput::Elements(AT_ONCE));
    group.bench_function("between_threads", |b| {
        b.iter_custom(|bursts| {
            let mut ends = hand_offs::<u64>(2, 2_048);
            let (mut there, mut here) = (ends.pop().expect("two"), ends.pop().expect("two"));
            let taker = std::thread::spawn(move || {
                let (mut batch, mut next) = (Vec::with_capacity(BURST), 0);
                while next < bursts * AT_ONCE {
                    there.take(&mut batch, BURST);
                    for handed_off in batch.drain(..) {
                        assert!(
                            matches!(handed_off.frames, worker::Frames::One(number) if number == next),
                            "they come in order"
                        );
                        next += 1;
                    }
                }
            });
            let (begun, mut next) = (Instant::now(), 0);
            let at = fairlead::time::Instant::ZERO;
            while next < bursts * AT_ONCE {
                (next..next + AT_ONCE)
                    .for_each(|n| here.queue(1, Received { frames: worker::Frames::One(n), port: OUTER, at }));
                // What a full ring does not take is given again: nothing is lost in a bench.
                here.flush(|_, taken| next += u64::from(taken));
            }
            assert!(taker.join().is_ok());
            begun.elapsed()
        });
    });
    group.finish();
}

/// A turn at full load in which a snapshot is installed, beside one in which none is; and one in which members have changed
/// places in the file.
fn switchover(c: &mut Criterion) {
    let mut group = c.benchmark_group("switchover");
    group.sample_size(20);
    let intent = intent(1_200_000);
    let mut reordered = intent.clone();
    reordered.members.reverse();
    let last = intent.members.len() as u16 - 1;
    reordered.pools.iter_mut().flat_map(|pool| &mut pool.members).for_each(|id| id.0 = last - id.0);
    let reordered = carry_over(&intent, reordered);
    for (name, installs, other) in [
        ("without", false, &intent),
        ("with_an_installation", true, &intent),
        ("with_members_that_change_places", true, &reordered),
    ] {
        let (mut appliance, _frames) = standing(&intent, Traffic::OutboundUdp, 1_000_000);
        let worlds = [&intent, other].map(|intent| Arc::new(support::snapshot(intent, 2)));
        let mut turn = 0;
        group.bench_function(name, |b| {
            b.iter(|| {
                turn += 1;
                if installs {
                    let snapshot = Arc::clone(&worlds[turn & 1]);
                    assert!(
                        appliance.mail[0]
                            .commands
                            .push(Command::Install(snapshot, appliance.snat_ports.clone()))
                            .is_ok()
                    );
                }
                appliance.round();
                while let Some(event) = appliance.mail[0].events.pop() {
                    assert!(matches!(event, Event::Installed { .. }));
                }
            });
        });
    }
    for (name, takes) in [("turns_after_an_installation", false), ("while_what_a_reload_took_is_forgotten", true)] {
        group.bench_function(name, |b| after_installation(b, &intent, takes));
    }
    group.finish();
}

/// The turns that follow an installation, for as long as a walk over a million flows lasts: every packet is the first of its flow
/// since. If the installation `takes` a virtual address away (nobody's: all flows are looked at, none is forgotten), the walk
/// continues beside them.
fn after_installation(b: &mut Bencher, intent: &Intent, takes: bool) {
    const LASTS: u64 = 3_900;
    let mut with = intent.clone();
    let unused = VirtualServer {
        name: "unused".into(),
        address: Ipv4Addr::new(10, 20, 0, 250),
        ..with.virtual_servers[0].clone()
    };
    with.virtual_servers.push(unused);
    let without = carry_over(&with, intent.clone());
    let worlds = [&with, if takes { &without } else { &with }].map(|intent| Arc::new(support::snapshot(intent, 2)));
    let (mut appliance, _frames) = standing(intent, Traffic::OutboundUdp, 1_000_000);
    let mut turn = LASTS;
    b.iter_custom(|turns| {
        let mut took = Duration::ZERO;
        for _ in 0..turns {
            if turn == LASTS {
                turn = 0;
                for snapshot in &worlds {
                    assert!(
                        appliance.mail[0]
                            .commands
                            .push(Command::Install(Arc::clone(snapshot), appliance.snat_ports.clone()))
                            .is_ok()
                    );
                    appliance.round();
                }
                while appliance.mail[0].events.pop().is_some() {}
            }
            turn += 1;
            let begun = Instant::now();
            appliance.round();
            took += begun.elapsed();
        }
        took
    });
}

criterion_group!(benches, paths, flows, bursts, new_flows, full_table, exclusions, hand_off, hand_off_ring, switchover);
criterion_main!(benches);
