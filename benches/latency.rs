//! What measuring costs a turn: two records, beside the clock that is read once a turn in any case.
//!
//! `cargo bench --no-default-features --bench latency`. Read the figures as ratios of one run.

use criterion::{Criterion, criterion_group, criterion_main};
use fairlead::time::Duration;
use fairlead::worker::Latency;
use std::hint::black_box;

/// Turns of different lengths, so that neither the cache nor the branch predictor knows the next one.
const TURNS: usize = 4_096;

fn lengths() -> Vec<Duration> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        Duration::from_nanos(300 + ((state >> 33) % 1_000).pow(2) / 50)
    };
    (0..TURNS).map(|_| next()).collect()
}

fn a_busy_turn(c: &mut Criterion) {
    let (lengths, mut latency, mut at) = (lengths(), Latency::default(), 0);
    c.bench_function("record_a_turn", |b| {
        b.iter(|| {
            let length = lengths[at % TURNS];
            latency.turns.record(length, 1);
            latency.forwarding.record(length, black_box(64));
            at += 1;
        });
    });
}

fn the_clock(c: &mut Criterion) {
    let start = std::time::Instant::now();
    c.bench_function("read_the_clock", |b| b.iter(|| black_box(start.elapsed())));
}

criterion_group!(benches, a_busy_turn, the_clock);
criterion_main!(benches);
