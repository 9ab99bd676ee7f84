//! How many instructions a packet takes, path by path: to be run under `valgrind --tool=callgrind`, which counts them.
//!
//! `scripts/instructions` builds it with the feature `instructions`, runs it, and compares the counts with the budget in
//! `benches/instructions.toml`. By hand:
//! `instructions PATH STAGE PACKETS` does so many packets of the path through the stage and says nothing: `copy` does only what all stages
//! do, `parse` reads, `pass` takes it to its end, and `counted` as well where it is counted for whom it is. Two runs that
//! differ in the number of packets, or in the stage, differ by what the packets cost.

mod support;

use fairlead::engine::{Classified, Departure, Engine, Lookup, Steering, Verdict};
use fairlead::policy::intent::PortId;
use fairlead::policy::snapshot::DatagramPort;
use fairlead::time::{Duration, Instant};
use fairlead::wire::{Endpoint, Packet, sip};
use std::hint::black_box;
use std::process::exit;
use support::{Frames, Traffic};

/// Conversations of every path: enough that none is met twice in a burst.
const CONVERSATIONS: usize = 1_000;
const BURST: usize = 64;
/// Our own hash, for two workers.
const STEERING: Steering = Steering::ours(2);

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let [path, stage, packets] = &words[..] else {
        for traffic in Traffic::ALL {
            println!("{}", traffic.name());
        }
        return;
    };
    let traffic = Traffic::ALL.into_iter().find(|traffic| traffic.name() == path);
    let (Some(traffic), Ok(packets)) = (traffic, packets.parse::<usize>()) else {
        eprintln!(
            "instructions: `{path}` is no path, or `{packets}` no number; without arguments the paths are listed"
        );
        exit(2);
    };
    let mut intent = support::intent(4 * CONVERSATIONS);
    intent.limits.traffic_counters = true;
    let mut engine = support::engine(&intent);
    for at in 0..CONVERSATIONS {
        // The first steady packet may take the slow path; what is counted comes after it.
        for (port, frame) in traffic.opening(at).into_iter().chain([(traffic.port(), traffic.frame(at))]) {
            pass::<true>(&mut engine, &mut Place::on(port), &mut frame.bytes(), Instant::from_millis(1));
        }
    }
    let frames = Frames::steady(traffic, CONVERSATIONS);
    match stage.as_str() {
        "counted" => run::<true>(&mut engine, traffic, &frames, stage, packets),
        _ => run::<false>(&mut engine, traffic, &frames, stage, packets),
    }
}

/// Every stage copies the frame, so that the difference of two is the packet's alone.
fn run<const COUNTS: bool>(engine: &mut Engine, traffic: Traffic, frames: &Frames, stage: &str, packets: usize) {
    let (mut scratch, mut place) = (frames.at(0).to_vec(), Place::on(traffic.port()));
    let mut now = Instant::from_millis(10);
    let stage = match stage {
        "copy" => 0,
        "parse" => 1,
        _ => 2,
    };
    for packet in 0..packets {
        if packet % BURST == 0 {
            now += Duration::from_micros(10);
        }
        scratch.copy_from_slice(frames.at(packet % frames.count()));
        match black_box(stage) {
            0 => {
                black_box(&mut scratch);
            }
            1 => {
                black_box(place.packet.read(black_box(&scratch)).is_ok());
            }
            _ => pass::<COUNTS>(engine, &mut place, &mut scratch, now),
        }
    }
}

/// What is known of a frame.
struct Place {
    packet: Packet,
    lookup: Lookup,
    port: PortId,
}

impl Place {
    fn on(port: PortId) -> Place {
        Place { packet: Packet::BLANK, lookup: Lookup::NOTHING, port }
    }
}

/// Parse, look up, leave by the cached route or else by the path of a service port or the slow one, apply: in the steps in which a
/// worker takes a frame of a burst, what it calls called and what is a part of its loop a part of this one.
#[inline(always)]
fn pass<const COUNTS: bool>(engine: &mut Engine, place: &mut Place, frame: &mut [u8], now: Instant) {
    assert!(place.packet.read(frame).is_ok(), "a frame of the bench is whole");
    engine.look_up(&place.packet, &mut place.lookup);
    engine.prefetch_entry(&mut place.lookup);
    match engine.by_cached_route::<COUNTS>(&place.packet, place.port, &place.lookup, now) {
        Some(departure) => send(&place.packet, frame, &departure),
        None => match place.lookup.service_port() {
            Some(DatagramPort::In(_)) => decide_service::<true, COUNTS>(engine, place, frame, now),
            Some(DatagramPort::Out(_)) => decide_service::<false, COUNTS>(engine, place, frame, now),
            None => decide::<COUNTS>(engine, place, frame, now),
        },
    }
}

/// A datagram to a service port, or from one: steer, decide, apply.
#[inline(never)]
fn decide_service<const IN: bool, const COUNTS: bool>(
    engine: &mut Engine,
    place: &Place,
    frame: &mut [u8],
    now: Instant,
) {
    let Place { packet, lookup, port } = place;
    let found = match IN {
        true => engine.service_in(packet, *port, lookup),
        false => engine.service_out(packet, *port, lookup),
    };
    let Some(found) = found else { panic!("a frame of the bench is neither a stranger's nor to one") };
    let outside = match IN {
        true => Endpoint::new(packet.src(), packet.src_port()),
        false => Endpoint::new(packet.dst(), packet.dst_port()),
    };
    black_box(STEERING.worker_of(outside));
    let departure = match IN {
        true => engine.service_in_at_once::<COUNTS>(packet, found, now),
        false => engine.service_out_at_once::<COUNTS>(packet, found, now),
    };
    match departure {
        Some(departure) => send(packet, frame, &departure),
        None => decide_in_full(engine, packet, found.1, frame, now),
    }
}

/// Leave by the kept route; or else classify, steer, decide, apply.
#[inline(never)]
fn decide<const COUNTS: bool>(engine: &mut Engine, place: &Place, frame: &mut [u8], now: Instant) {
    let Place { packet, lookup, port } = place;
    if let Some(departure) = engine.by_kept_route::<COUNTS>(packet, *port, lookup) {
        return send(packet, frame, &departure);
    }
    let classified = engine.classify_found(packet, *port, lookup);
    black_box(STEERING.worker(packet, classified.path, engine.snapshot()));
    match engine.decide_at_once::<COUNTS>(packet, classified, now) {
        Some(departure) => send(packet, frame, &departure),
        None => decide_in_full(engine, packet, classified, frame, now),
    }
}

#[inline(never)]
fn decide_in_full(engine: &mut Engine, packet: &Packet, classified: Classified, frame: &mut [u8], now: Instant) {
    match engine.decide_in_full(packet, classified, sip::Facts::Other, now) {
        Verdict::Forward(forward) => {
            send(packet, frame, &Departure { forward, egress: engine.snapshot().egress(forward.egress) });
        }
        other => panic!("a frame of the bench was not forwarded: {other:?} {:?}", packet.kind),
    }
}

#[inline(always)]
fn send(packet: &Packet, frame: &mut [u8], departure: &Departure) {
    departure.forward.rewrite.pass_on(frame, packet);
    black_box(departure.egress);
}
