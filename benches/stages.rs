//! Cost of each stage of a packet's way by itself: parse, checksum, steer and decide on every path, rewrite. And of
//! compiling a snapshot.
//!
//! `cargo bench --no-default-features --bench stages`. What they cost together, with everything around them, is in `turn`.

mod support;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fairlead::engine::{Engine, Path, Steering, Verdict};
use fairlead::time::{Duration, Instant};
use fairlead::wire::toeplitz::RssKeys;
use fairlead::wire::{Packet, Rewrite, Tuple, checksum, sip};
use std::hint::black_box;
use support::{Frames, Traffic, intent};

const PEERS: usize = 4_096;
/// Our own hash, for two workers.
const STEERING: Steering = Steering::ours(2);

fn engine(traffic: Traffic) -> Engine {
    let mut engine = support::engine(&intent(4 * PEERS));
    for at in 0..PEERS {
        for (port, frame) in traffic.opening(at).into_iter().chain([(traffic.port(), traffic.frame(at))]) {
            let headers = Packet::parse(&frame.bytes()).expect("a frame of the bench");
            let classified = engine.classify(&headers, port);
            engine.decide(&headers, classified, sip::Facts::Other, Instant::from_millis(1));
        }
    }
    engine
}

fn parse(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse");
    for traffic in [Traffic::ServiceUdpIn, Traffic::ServiceTcpIn, Traffic::ServiceUdpOut] {
        let frames = Frames::steady(traffic, 64);
        group.throughput(Throughput::Elements(64));
        group.bench_function(traffic.name(), |b| {
            let mut packet = Packet::BLANK;
            b.iter(|| (0..64).filter(|&at| packet.read(black_box(frames.at(at))).is_ok()).count());
        });
    }
    group.finish();
}

fn sums(c: &mut Criterion) {
    let mut group = c.benchmark_group("checksum");
    for length in [20, 64, 1_480] {
        let bytes = vec![0x5a_u8; length];
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(BenchmarkId::from_parameter(length), |b| b.iter(|| checksum::sum(black_box(&bytes))));
    }
    group.bench_function("by_difference", |b| {
        b.iter(|| {
            checksum::update(black_box(0x1234), checksum::delta(black_box(&[0x0a14, 0x0064]), &[0x0a14, 0x000b]))
        });
    });
    group.finish();
}

/// `decide` includes classification and the flow's lookup; `steer` is for two workers.
fn decide_and_steer(c: &mut Criterion) {
    for traffic in Traffic::ALL {
        let mut engine = engine(traffic);
        let frames = Frames::steady(traffic, PEERS);
        let headers: Vec<_> =
            (0..PEERS).map(|at| Packet::parse(frames.at(at)).expect("a frame of the bench")).collect();
        let (mut at, mut now) = (0, Instant::from_millis(10));
        let mut group = c.benchmark_group("decide");
        group.bench_function(traffic.name(), |b| {
            b.iter(|| {
                at = (at + 1) & (PEERS - 1);
                now += Duration::from_nanos(100);
                let classified = engine.classify(&headers[at], traffic.port());
                matches!(engine.decide(&headers[at], classified, sip::Facts::Other, now), Verdict::Forward(_))
            });
        });
        group.finish();
        let mut group = c.benchmark_group("steer");
        group.bench_function(traffic.name(), |b| {
            b.iter(|| {
                at = (at + 1) & (PEERS - 1);
                let path = engine.classify(&headers[at], traffic.port()).path;
                STEERING.worker(&headers[at], path, engine.snapshot())
            });
        });
        group.finish();
    }
}

/// Whose a datagram is, by our own hash and by that of NICs.
fn laws(c: &mut Criterion) {
    let engine = engine(Traffic::ServiceUdpIn);
    let frames = Frames::steady(Traffic::ServiceUdpIn, 64);
    let headers: Vec<_> = (0..64).map(|at| Packet::parse(frames.at(at)).expect("a frame of the bench")).collect();
    let keys = RssKeys::draw(|| 0x9e37_79b9_7f4a_7c15);
    let laws = [
        ("one worker", Steering::ours(1)),
        ("our hash", STEERING),
        ("that of NICs", Steering::of_nics(2, keys.indirection())),
    ];
    let mut group = c.benchmark_group("law");
    group.throughput(Throughput::Elements(64));
    for (name, steering) in laws {
        let owner = |headers: &Packet| {
            let path = Path::between(&engine.snapshot().owners(headers.src(), headers.dst()));
            steering.worker(headers, path, engine.snapshot())
        };
        group.bench_function(name, |b| b.iter(|| headers.iter().filter_map(owner).sum::<usize>()));
    }
    group.finish();
}

fn rewrite(c: &mut Criterion) {
    let mut group = c.benchmark_group("rewrite");
    for traffic in [Traffic::ServiceUdpIn, Traffic::ServiceTcpIn] {
        let mut frame = traffic.frame(0).bytes();
        let packet = Packet::parse(&frame).expect("a frame of the bench");
        let from = packet.tuple().expect("it has ports");
        let to = Tuple { dst: fairlead::wire::Endpoint::new([10, 20, 0, 11].into(), from.dst.port), ..from };
        let change = Rewrite::between(&from, &to);
        group.bench_function(traffic.name(), |b| {
            // There and back: the bits that change are the same both ways, the sums need not be right here.
            b.iter(|| {
                black_box(&change).pass_on(black_box(&mut frame), &packet);
                frame[usize::from(packet.l3) + 8] = 64;
            });
        });
    }
    group.finish();
}

/// Compiling a snapshot: the first one, and one that follows, as at a switchover; by prefixes excluded.
fn snapshots(c: &mut Criterion) {
    let mut group = c.benchmark_group("snapshots");
    for prefixes in [1, 10_000] {
        let mut intent = intent(4 * PEERS);
        intent.snats[0].exclude = support::excluded(prefixes);
        let before = support::snapshot(&intent, 1);
        group.bench_function(BenchmarkId::new("first", prefixes), |b| b.iter(|| support::snapshot(&intent, 1)));
        group.bench_function(BenchmarkId::new("following", prefixes), |b| {
            b.iter(|| support::snapshot_after(Some(&before), &intent, 2));
        });
    }
    group.finish();
}

criterion_group!(benches, parse, sums, decide_and_steer, laws, rewrite, snapshots);
criterion_main!(benches);
