//! What the machine's memory gives, with nothing of ours around it: the least that looking a flow up can cost here.
//!
//! `GLIBC_TUNABLES=glibc.malloc.hugetlb=1 cargo bench --no-default-features --bench memory`. Two groups:
//! `places`: for 64 conversations in turn, a cell of an index is reached for, then a place of two cache lines, both anywhere in
//! tables as large as those of so many flows; then all are read. That is what a burst waits for.
//! `walk`: reads that wait for the one before, among so many kilobytes of lines: where it jumps, a cache ends (of a virtual machine
//! mostly not where it says). Packed, or each line in a page of its own: what is between the two is the cost of finding a page,
//! which a machine whose host gives it memory in small pages pays whatever pages it asks for.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use prefetch_index::prefetch_index;
use std::hint::black_box;

const BURST: usize = 64;
/// Cells of the index for each flow: two sides, three cells for two entries.
const CELLS: usize = 3;
const LINE: usize = 64;
const PAGE: usize = 4_096;

/// As large and as aligned as a flow's.
#[derive(Clone)]
#[repr(align(128))]
struct Place([u64; 16]);

/// Numbers below `below` that nothing can foresee, all different until they come round.
fn scattered(below: usize) -> Vec<u32> {
    let mut numbers: Vec<u32> = (0..below as u32).collect();
    let mut state = 1_u64;
    for last in (1..below).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        numbers.swap(last, ((state >> 33) as usize) % (last + 1));
    }
    numbers
}

fn places(c: &mut Criterion) {
    let mut group = c.benchmark_group("places");
    group.throughput(Throughput::Elements(BURST as u64));
    for flows in [10_000, 1_000_000, 10_000_000] {
        let order = scattered(flows);
        let mut index = vec![0_u64; CELLS * flows];
        let cells = scattered(flows);
        order.iter().zip(&cells).for_each(|(place, cell)| index[CELLS * *cell as usize] = u64::from(*place));
        let mut table = vec![Place([0; 16]); flows];
        let mut next = 0;
        group.bench_function(BenchmarkId::from_parameter(flows), |b| {
            b.iter(|| {
                let wanted = &cells[next..next + BURST];
                next = if next + 2 * BURST > flows { 0 } else { next + BURST };
                wanted.iter().for_each(|cell| prefetch_index(&index, CELLS * *cell as usize));
                let mut at = [0; BURST];
                for (at, cell) in at.iter_mut().zip(wanted) {
                    *at = index[CELLS * *cell as usize] as usize;
                    prefetch_index(&table, *at);
                    prefetch_index(table[*at].0.as_slice(), 8);
                }
                for at in at {
                    let Place(words) = &mut table[at];
                    words[0] = words[0].wrapping_add(words[8]).wrapping_add(1);
                }
            });
        });
    }
    group.finish();
}

/// A read that waits for the one before, among so many lines.
fn walk(c: &mut Criterion) {
    let mut group = c.benchmark_group("walk");
    for (name, apart, lines) in [
        ("packed", LINE, 4_096),
        ("packed", LINE, 16_384),
        ("packed", LINE, 32_768),
        ("packed", LINE, 65_536),
        ("packed", LINE, 524_288),
        ("a_page_each", PAGE, 4_096),
        ("a_page_each", PAGE, 16_384),
    ] {
        // Each line holds where the next one begins. In its page a line lies anywhere, or all would share a few cache sets.
        let lies = |line: u32| line as usize * apart + if apart == PAGE { line as usize * LINE % PAGE } else { 0 };
        let order = scattered(lines);
        let mut memory = vec![0_u64; lines * apart / 8];
        for pair in order.windows(2).chain([&[order[lines - 1], order[0]][..]]) {
            memory[lies(pair[0]) / 8] = lies(pair[1]) as u64 / 8;
        }
        let mut at = lies(order[0]) / 8;
        let id = BenchmarkId::new(name, format!("{} kB", lines * LINE / 1_024));
        group.bench_function(id, |b| {
            b.iter(|| {
                at = memory[at] as usize;
                black_box(at);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, places, walk);
criterion_main!(benches);
