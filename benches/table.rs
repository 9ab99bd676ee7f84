//! The flow table beside other designs: what a lookup, an insertion and an expiry cost, from a thousand flows to ten million.
//!
//! `cargo bench --no-default-features --bench table`. Contenders: our table, one lookup after the other and in bursts of 64
//! with what they need reached for; hashbrown, as what Rust ships, with the same tuples for keys and values as large.
//! DPDK's `rte_hash` stands in `benches/rte_hash/rte_hash.c`. With `GLIBC_TUNABLES=glibc.malloc.hugetlb=1` all tables lie in
//! large pages.

mod support;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fairlead::flow::key::Key;
use fairlead::flow::{Flow, FlowTable, Lifetimes, PathKind};
use fairlead::time::{Duration, Instant};
use fairlead::wire::{Endpoint, Protocol, Tuple};
use std::collections::HashMap;
use std::hint::black_box;
use std::net::Ipv4Addr;

const SWEEP: [usize; 5] = [1_000, 10_000, 100_000, 1_000_000, 10_000_000];
const BURST: usize = 64;

fn flow(at: usize) -> Flow {
    let (member, peer) = (
        Endpoint::new(Ipv4Addr::new(10, 20, 0, 11), 33_000 + (at % 50) as u16),
        Endpoint::new(Ipv4Addr::from(0xac18_0000 + ((at / 50) >> 14) as u32), 20_000 + ((at / 50) & 0x3fff) as u16),
    );
    let known_as = Endpoint::new(Ipv4Addr::new(10, 20, 0, 100), member.port);
    Flow::new(PathKind::Outbound, Tuple::new(Protocol::Udp, member, peer), Tuple::new(Protocol::Udp, peer, known_as))
}

/// Keys of standing flows, of both sides in turn, in an order that has nothing to do with that of their making.
fn questions(count: usize) -> Vec<Tuple> {
    support::shuffled(count).take(1 << 20).enumerate().map(|(nth, at)| flow(at).keys()[nth & 1]).collect()
}

fn filled(count: usize) -> FlowTable {
    let mut table = FlowTable::new(count + count / 8 + 64, 7, Lifetimes::default());
    (0..count).for_each(|at| assert!(table.insert(flow(at), Instant::ZERO).is_ok()));
    table
}

fn lookups(c: &mut Criterion) {
    let mut group = c.benchmark_group("lookup");
    group.sample_size(20).throughput(Throughput::Elements(BURST as u64));
    for count in SWEEP {
        let asked = questions(count);
        let mut bursts = asked.chunks_exact(BURST).cycle();
        let table = filled(count);
        group.bench_function(BenchmarkId::new("ours", count), |b| {
            b.iter(|| bursts.next().map(|burst| burst.iter().filter(|tuple| table.find(tuple).is_some()).count()));
        });
        group.bench_function(BenchmarkId::new("ours_in_passes", count), |b| {
            b.iter(|| {
                let burst = bursts.next().expect("they cycle");
                let tags: [_; BURST] = std::array::from_fn(|at| table.tag(&burst[at]));
                tags.iter().for_each(|tag| table.prefetch_bucket(*tag));
                black_box(tags.map(|tag| table.prefetch_entry(tag)));
                burst.iter().zip(tags).filter(|(tuple, tag)| table.find_key(*tag, &Key::of(tuple)).is_some()).count()
            });
        });
        drop(table);
        let mut map: HashMap<Tuple, usize, foldhash::fast::RandomState> = HashMap::default();
        let flows: Vec<Flow> = (0..count).map(flow).collect();
        flows.iter().enumerate().for_each(|(at, flow)| map.extend(flow.keys().map(|key| (key, at))));
        group.bench_function(BenchmarkId::new("hashbrown", count), |b| {
            b.iter(|| {
                let burst = bursts.next().expect("they cycle");
                // The entry is looked at, as a packet's would be.
                burst.iter().filter(|tuple| map.get(tuple).is_some_and(|&at| black_box(flows[at].member) > 0)).count()
            });
        });
    }
    group.finish();
}

/// A flow is made, and the one that is oldest by then forgotten.
fn births_and_deaths(c: &mut Criterion) {
    let mut group = c.benchmark_group("insert_and_expire");
    group.sample_size(20).throughput(Throughput::Elements(BURST as u64));
    for count in SWEEP {
        let mut table = FlowTable::new(count + count / 8 + 256, 7, Lifetimes::default());
        let lifetime = Lifetimes::default().udp;
        let (mut at, mut now, step) = (0, Instant::ZERO, lifetime.div_f64(count as f64).max(Duration::from_nanos(1)));
        let mut burst = |table: &mut FlowTable| {
            for _ in 0..BURST {
                now += step;
                black_box(table.insert(flow(at), now).is_ok());
                at += 1;
            }
            table.expire(now, 2 * BURST, |_| (), |_| ())
        };
        (0..count / BURST + 1).for_each(|_| {
            burst(&mut table);
        });
        group.bench_function(BenchmarkId::from_parameter(count), |b| b.iter(|| burst(&mut table)));
        assert!(table.len() <= count + 4 * BURST && table.len() >= count * 9 / 10, "{} flows stand", table.len());
        println!("{count} flows: {:.1} bytes a flow", table.bytes() as f64 / table.capacity() as f64);
    }
    group.finish();
}

criterion_group!(benches, lookups, births_and_deaths);
criterion_main!(benches);
