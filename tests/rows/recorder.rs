//! Scenario 108: the recorder has what workers saw last, before and after a switchover, with what came of it.

use super::*;
use fairlead::engine::DropReason;
use fairlead::policy::intent::PortId;
use fairlead::time::{Duration, Instant};
use fairlead::wire::build::Build;
use fairlead::worker::tap::{Fate, Side};
use fairlead::worker::tape::{KEPT, Tape};
use fairlead::worker::{Command, Event};

/// A frame on a tape.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    packet: u64,
    at: Instant,
    side: Side,
    fate: Fate,
    reason: Option<&'static str>,
    port: PortId,
    bytes: Vec<u8>,
    length: u32,
}

/// All workers write on tapes with room for so many frames from now on, or on none; returns those that they wrote on until now, by worker.
fn exchange_tapes(lab: &mut Lab, recording: u64, room: Option<usize>) -> Vec<Option<Box<Tape>>> {
    let out =
        lab.rig.command(|| Command::Tape { recording, tape: room.map(|room| Tape::first(room * Tape::memory_of(1))) });
    assert_eq!(out, []);
    let mut by_worker: Vec<_> = lab.rig.workers.iter().map(|_| None).collect();
    for event in lab.rig.events.extract_if(.., |event| matches!(event, Event::Tape { .. })) {
        let Event::Tape { worker, recording: of, tape } = event else { unreachable!() };
        assert_eq!(of, recording);
        by_worker[usize::from(worker.0)] = tape;
    }
    by_worker
}

/// Likewise; says what they have written.
fn exchange(lab: &mut Lab, recording: u64, room: Option<usize>) -> Vec<Option<Vec<Kept>>> {
    let frames = |tape: Box<Tape>| (0..tape.len()).filter_map(|at| tape.frame(at)).map(kept).collect();
    exchange_tapes(lab, recording, room).into_iter().map(|tape| tape.map(frames)).collect()
}

fn kept(slot: &fairlead::worker::tape::Slot) -> Kept {
    let fairlead::worker::tape::Slot { packet, at, side, fate, reason, port, length, .. } = *slot;
    Kept { packet, at, side, fate, reason, port, bytes: slot.bytes().to_vec(), length }
}

/// The frames of all workers, in the order of their times.
fn merged(by_worker: Vec<Option<Vec<Kept>>>) -> Vec<Kept> {
    let mut all: Vec<Kept> = by_worker.into_iter().flatten().flatten().collect();
    all.sort_by_key(|frame| frame.at);
    all
}

fn options(src: &str, dst: &str) -> Build {
    Build::udp(at(src, 5060), at(dst, 5060)).payload(&[b'x'; 400])
}

#[test]
fn s108_the_frames_before_and_after_a_switchover_are_there_with_what_came_of_them() {
    let mut lab = Lab::new(Layout::TwoArm);
    assert!(exchange(&mut lab, 0, Some(64)).iter().all(Option::is_none), "it was off");
    lab.forwards(ROUTER, options(PHONE, V), HOST_A, options(PHONE, A));
    let late = Build::udp(at(PHONE, 5060), at(A, 161)).ttl(1).payload(b"x");
    lab.rejects(ROUTER, late.clone(), DropReason::TtlExceeded, Build::icmp_error(E, PHONE, 11, 0, &late));
    lab.rig.wait(Duration::from_millis(5));
    assert_eq!(lab.rig.switch_over(Some(MEMBER_B), true), []);
    lab.rig.wait(Duration::from_millis(5));
    lab.forwards(ROUTER, options(PHONE, V), HOST_B, options(PHONE, B));
    let frames = merged(exchange(&mut lab, 1, Some(64)));
    let [came_a, left_a, late_came, error, came_b, left_b] = &frames[..] else { panic!("six frames: {frames:#?}") };
    for (came, left, member, host) in [(came_a, left_a, A, HOST_A), (came_b, left_b, B, HOST_B)] {
        assert_eq!((came.side, left.side, came.packet), (Side::Before, Side::After, left.packet));
        assert_eq!((came.fate, left.fate, came.reason), (Fate::Forward, Fate::Forward, None));
        assert_eq!((came.port, left.port), (lab.port(ROUTER), lab.port(host)));
        let (sent, got) =
            (lab.arriving(ROUTER, &options(PHONE, V)), lab.leaving(host, &options(PHONE, member).ttl(63)));
        assert_eq!((&came.bytes[..], came.length as usize), (&sent[..KEPT], sent.len()));
        assert_eq!((&left.bytes[..], left.length as usize), (&got[..KEPT], got.len()));
    }
    assert_eq!((late_came.fate, late_came.reason), (Fate::Drop, Some("ttl_exceeded")));
    assert_eq!((error.fate, error.side, error.packet), (Fate::Answer, Side::After, late_came.packet));
    assert!(came_b.at > error.at);
    // The next tape begins where this one was given away, and ends when the recorder is off.
    lab.forwards(ROUTER, options(PHONE, V), HOST_B, options(PHONE, B));
    assert_eq!(merged(exchange(&mut lab, 2, None)).len(), 2);
    lab.forwards(ROUTER, options(PHONE, V), HOST_B, options(PHONE, B));
    assert!(exchange(&mut lab, 3, None).iter().all(Option::is_none));
}

#[test]
fn s108_the_newest_frames_overwrite_the_oldest() {
    let mut lab = Lab::new(Layout::TwoArm);
    exchange(&mut lab, 0, Some(6));
    let sent = |number: u16| options(PHONE, V).id(number);
    for number in 0..50 {
        lab.forwards(ROUTER, sent(number), HOST_A, options(PHONE, A).id(number));
    }
    let tapes = exchange(&mut lab, 1, None);
    let frames = tapes.iter().flatten().find(|frames| !frames.is_empty()).expect("one worker has the flow");
    let came: Vec<_> = frames.iter().filter(|frame| frame.side == Side::Before).map(|frame| &frame.bytes[..]).collect();
    let last: Vec<_> = (47..50).map(|number| lab.arriving(ROUTER, &sent(number))[..KEPT].to_vec()).collect();
    assert_eq!((frames.len(), came), (6, last.iter().map(|bytes| &bytes[..]).collect()));
}

/// Each is seen once as it came and once as it left, also where one worker holds them and another decides.
#[test]
fn s108_fragments_and_what_waits_are_recorded_once_and_what_is_dropped_again() {
    let mut lab = Lab::new(Layout::TwoArm);
    exchange(&mut lab, 0, Some(256));
    for client in 1..=8u8 {
        let sent = |dst: &str| Build::udp(at(&format!("172.16.5.{client}"), 5060), at(dst, 5060)).payload(&text(4_000));
        lab.forwards_pieces(ROUTER, &sent(V), HOST_A, sent(A));
    }
    let frames = merged(exchange(&mut lab, 1, Some(256)));
    let count = |side| frames.iter().filter(|frame| frame.side == side).count();
    assert_eq!((count(Side::Before), count(Side::After)), (24, 24), "{frames:#?}");
    let first = lab.pieces(ROUTER, &request(V, 4_000), PIECE)[0].clone();
    assert_eq!(lab.raw(ROUTER, &first).0, []);
    lab.rig.wait(Duration::from_secs(40));
    let frames = merged(exchange(&mut lab, 2, None));
    let [waits, gone] = &frames[..] else { panic!("two frames: {frames:#?}") };
    assert_eq!((waits.fate, gone.fate, gone.reason), (Fate::Wait, Fate::Drop, Some("reassembly_timeout")));
    assert_eq!((waits.packet, &waits.bytes), (gone.packet, &gone.bytes));
}

/// 200,000 frames a second at a worker, a tenth of that at once: the others are forwarded all the same, and counted.
#[test]
fn s108_more_frames_than_a_worker_may_record_are_passed_over_and_counted() {
    let mut lab = Lab::new(Layout::TwoArm);
    exchange(&mut lab, 0, Some(32_768));
    let send = |lab: &mut Lab, packets: u64| {
        (0..packets).for_each(|_| lab.forwards(ROUTER, options(PHONE, V), HOST_A, options(PHONE, A)));
    };
    send(&mut lab, 10_050);
    lab.rig.wait(Duration::from_millis(1));
    send(&mut lab, 150);
    let tapes = exchange_tapes(&mut lab, 1, None);
    let tape = tapes.iter().flatten().find(|tape| !tape.is_empty()).expect("one worker has the flow");
    assert_eq!((tape.len(), tape.passed_over()), (2 * 10_100, 50), "100 packets more in a millisecond");
    let last = tape.frame(tape.len() - 1).expect("it has frames");
    assert_eq!((last.side, last.at), (Side::After, lab.rig.now));
}
