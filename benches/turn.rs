//! Cost of a packet through the engine, without a NIC: parse, steer, decide, rewrite, on frames in plain memory.
//!
//! `cargo bench --no-default-features --bench turn`. One worker, bursts of 64; what grows is the number of peers or
//! flows. Read the figures as ratios of one run.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fairlead::engine::{Engine, Law, Verdict, steer};
use fairlead::flow::Claims;
use fairlead::policy::adjacency::{Adjacency, Neighbour, NextHop};
use fairlead::policy::intent::PortId;
use fairlead::policy::{Epoch, Snapshot};
use fairlead::time::Instant;
use fairlead::wire::build::Build;
use fairlead::wire::tcp::Flags;
use fairlead::wire::toeplitz::Secret;
use fairlead::wire::{Endpoint, Headers, Kind, Mac, ipv4};
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::Arc;

const BURST: u64 = 64;
const MACS: [Mac; 2] = [Mac([2, 0xfe, 0, 0, 0, 1]), Mac([2, 0xfe, 0, 0, 0, 2])];
/// The tag of the interface towards clients in the example file.
const CLIENTS_VLAN: u16 = 120;
const LAW: Law = Law::ours(2);
const OUTER: PortId = PortId(0);
const INNER: PortId = PortId(1);

fn engine(flows: usize) -> Engine {
    let text = include_str!("../dpdk-config/examples/two-arm.toml");
    let mut intent = fairlead::control::config::parse("two-arm.toml", text).expect("the example is good").intent;
    intent.limits.flows_per_worker = flows.max(1_000) * 2;
    let health = fairlead::policy::health::Health {
        members: vec![Default::default(); intent.members.len()],
        pools: vec![fairlead::policy::health::PoolHealth {
            active: Some(fairlead::policy::intent::MemberId(0)),
            ..Default::default()
        }],
    };
    let mut adjacency = Adjacency::default();
    for member in &intent.members {
        let hop = NextHop { interface: member.interface, address: member.address };
        adjacency.insert(hop, Neighbour::Reachable(Mac([2, 0, 0, 0, 0, 9])));
    }
    for route in &intent.routes {
        let hop = NextHop { interface: route.interface, address: route.via };
        adjacency.insert(hop, Neighbour::Reachable(Mac([2, 0, 0, 0, 0, 8])));
    }
    let world = Snapshot::compile(&intent, &health, &adjacency, &MACS, Epoch(1));
    let claims = Claims::new(world.snat_addresses(), 1);
    Engine::new(Arc::new(world), claims, 42)
}

/// One frame through everything the worker does to it but receive and transmit.
fn pass(engine: &mut Engine, frame: &mut [u8], port: PortId, now: Instant) {
    let Ok(headers) = Headers::parse(frame) else { panic!("a frame of the bench is malformed") };
    let _ = black_box(steer::owner(&headers, engine.world(), &LAW));
    match engine.decide(&headers, port, now) {
        Verdict::Forward { rewrite, .. } => {
            rewrite.apply(frame, &headers);
            ipv4::decrement_ttl(frame, &headers);
        }
        other => panic!("a frame of the bench was not forwarded: {other:?} {:?}", headers.kind),
    }
}

fn peer(at: usize) -> Endpoint {
    Endpoint::new(Ipv4Addr::from(0xac10_0500 + (at >> 14) as u32), 20_000 + (at & 0x3fff) as u16)
}

fn datagrams_to_the_service(c: &mut Criterion) {
    let mut group = c.benchmark_group("service_udp_in");
    for peers in [64, 4_096, 262_144] {
        let mut engine = engine(1_000);
        let vip = Endpoint::new(Ipv4Addr::new(10, 20, 0, 100), 5060);
        let frames: Vec<_> = (0..peers)
            .map(|at| {
                let frame = Build::udp(peer(at), vip).macs(Mac([2, 0, 0, 0, 0, 8]), MACS[0]).vlan(CLIENTS_VLAN);
                frame.payload(&[b'x'; 18]).bytes()
            })
            .collect();
        bench(&mut group, peers, &frames, |frame, now| pass(&mut engine, frame, OUTER, now));
    }
    group.finish();
}

fn segments_of_snat_flows(c: &mut Criterion) {
    let mut group = c.benchmark_group("outbound_tcp");
    for flows in [64, 4_096, 262_144] {
        let mut engine = engine(flows);
        let now = Instant::from_millis(1);
        let frame = |at: usize, flags| {
            let inside = Endpoint::new(Ipv4Addr::new(10, 20, 0, 11), 10_000 + (at % 32) as u16);
            Build::tcp(inside, peer(at / 32 * 32), flags, 1, 1).macs(Mac([2, 0, 0, 0, 0, 9]), MACS[1])
        };
        for at in 0..flows {
            pass(&mut engine, &mut frame(at, Flags::SYN).bytes(), INNER, now);
        }
        let frames: Vec<_> = (0..flows).map(|at| frame(at, Flags::ACK).bytes()).collect();
        bench(&mut group, flows, &frames, |frame, now| pass(&mut engine, frame, INNER, now));
    }
    group.finish();
}

fn bench(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    size: usize,
    frames: &[Vec<u8>],
    mut pass: impl FnMut(&mut [u8], Instant),
) {
    group.throughput(Throughput::Elements(BURST));
    let (mut at, mut now) = (0, Instant::from_millis(10));
    let mut scratch: Vec<Vec<u8>> = frames.iter().take(BURST as usize).cloned().collect();
    group.bench_with_input(BenchmarkId::from_parameter(size), &size, |b, _| {
        b.iter(|| {
            for frame in &mut scratch {
                frame.copy_from_slice(&frames[at]);
                pass(frame, now);
                at = (at + 1) % frames.len();
            }
            now += std::time::Duration::from_micros(10);
        });
    });
}

fn parse_alone(c: &mut Criterion) {
    let frame = Build::udp("172.16.5.5:5060", "10.20.0.100:5060").payload(&[b'x'; 18]).bytes();
    c.bench_function("parse", |b| {
        b.iter(|| matches!(Headers::parse(black_box(&frame)), Ok(Headers { kind: Kind::Udp { .. }, .. })));
    });
}

/// Whose a datagram is, by our own hash and by that of NICs.
fn owners(c: &mut Criterion) {
    let engine = engine(1_000);
    let vip = Endpoint::new(Ipv4Addr::new(10, 20, 0, 100), 5060);
    let frames = (0..BURST as usize).map(|at| Build::udp(peer(at * 77), vip).vlan(CLIENTS_VLAN).bytes());
    let headers: Vec<_> = frames.filter_map(|frame| Headers::parse(&frame).ok()).collect();
    let secret = Secret::draw(|| 0x9e37_79b9_7f4a_7c15);
    let laws = [("one worker", Law::ours(1)), ("our hash", LAW), ("that of NICs", Law::of_nics(2, secret.places()))];
    let mut group = c.benchmark_group("owner");
    group.throughput(Throughput::Elements(BURST));
    for (name, law) in laws {
        group.bench_function(name, |b| {
            b.iter(|| headers.iter().filter_map(|headers| steer::owner(headers, engine.world(), &law)).sum::<usize>());
        });
    }
    group.finish();
}

criterion_group!(benches, parse_alone, owners, datagrams_to_the_service, segments_of_snat_flows);
criterion_main!(benches);
