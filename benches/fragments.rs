//! Cost of a datagram in three pieces: read, gathered, decided about as a whole, and every piece translated; frames are in
//! plain memory.
//!
//! `cargo bench --no-default-features --bench fragments`. Beside it `benches/ip_frag/ip_frag.c`: what DPDK's library takes
//! to put such a datagram together and apart again.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fairlead::flow::fragments::{Arrival, Datagram, Fragments, Span};
use fairlead::time::{Duration, Instant};
use fairlead::wire::build::Build;
use fairlead::wire::facts::Fragment;
use fairlead::wire::{Endpoint, Kind, Packet, Rewrite, Tuple, fragment, ipv4};
use std::hint::black_box;

const PIECES: usize = 3;
const PEERS: usize = 4_096;

/// Datagrams of 4,000 bytes from many peers to one address, in pieces.
fn datagrams() -> Vec<[Vec<u8>; PIECES]> {
    let vip = Endpoint::new([10, 20, 0, 100].into(), 5060);
    let made = |at: usize| {
        let from = Endpoint::new(std::net::Ipv4Addr::from(0xac10_0500 + at as u32), 5060);
        let pieces = Build::udp(from, vip).id(at as u16).payload(&[b'x'; 4_000]).fragments(1_480);
        pieces.try_into().expect("three pieces")
    };
    (0..PEERS).map(made).collect()
}

/// Takes the pieces in; the last one makes the datagram whole.
fn gather(fragments: &mut Fragments, pieces: &[Vec<u8>; PIECES], now: Instant) {
    for bytes in pieces {
        let headers = Packet::parse(bytes).expect("a piece");
        let Kind::Fragment(Fragment { id, offset, more, .. }) = headers.kind else { panic!("a piece") };
        let datagram = Datagram { src: headers.src(), dst: headers.dst(), protocol: headers.protocol, id };
        let span = Span { offset, length: headers.end - headers.l4, more };
        if let Arrival::Completes(_, whole) = fragments.arrive(&datagram, span, now, |_, _| ()) {
            fragments.take(whole, |place| {
                black_box(place);
            });
        }
    }
}

/// What the worker does to a datagram that is whole, but for the decision itself (see `turn`).
fn translate(pieces: &mut [Vec<u8>; PIECES]) {
    let whole = fragment::whole(pieces.iter().map(Vec::as_slice)).expect("it is whole");
    let from = whole.tuple().expect("it has ports");
    let to = Tuple { dst: Endpoint::new([10, 20, 0, 11].into(), 5060), ..from };
    let rewrite = Rewrite::between(&from, &to).with_id(7);
    for bytes in pieces {
        let mut headers = Packet::parse(bytes).expect("a piece");
        if matches!(headers.kind, Kind::Fragment(Fragment { offset: 0, .. })) {
            headers.kind = whole.kind;
        }
        rewrite.apply(bytes, &headers);
        ipv4::decrement_ttl(&mut bytes[usize::from(headers.l3)..]);
    }
}

fn in_three_pieces(c: &mut Criterion) {
    let made = datagrams();
    let mut group = c.benchmark_group("datagram_in_three_pieces");
    group.throughput(Throughput::Elements(1));
    for (name, translated) in [("gathered", false), ("gathered and translated", true)] {
        let mut fragments = Fragments::new(2_048, Duration::from_secs(10), 7);
        let (mut at, mut now, mut scratch) = (0, Instant::from_millis(1), made[0].clone());
        group.bench_function(name, |b| {
            b.iter(|| {
                at = (at + 1) % PEERS;
                now += Duration::from_micros(1);
                gather(&mut fragments, &made[at], now);
                if translated {
                    // Packet only: the payload is not looked at, and copying it would be what is measured.
                    for (to, from) in scratch.iter_mut().zip(&made[at]) {
                        to[..64].copy_from_slice(&from[..64]);
                    }
                    translate(&mut scratch);
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, in_three_pieces);
criterion_main!(benches);
