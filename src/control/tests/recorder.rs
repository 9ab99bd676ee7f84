//! The recorder: when a recording is frozen, which are kept, and what is read of one.

use super::*;
use crate::admin::capture::{CapturePart, CaptureSide, CapturedRow};
use crate::admin::recorder::{RecordingCause, RecordingRow};
use crate::worker::tap::Side;
use crate::worker::tape::Tape;

fn set(bench: &mut Bench, recorder_mib: u32) {
    let mut file = file_of(&two_arm());
    file.settings.recorder_mib = recorder_mib;
    reload(bench, Ok(file)).unwrap();
    bench.run(10);
}

fn on() -> Bench {
    let mut bench = Bench::settled();
    set(&mut bench, 1);
    bench
}

fn list(bench: &mut Bench) -> Vec<RecordingRow> {
    let Data::Recordings(rows) = bench.ask(Request::RecorderList {}).unwrap().unwrap().data else { panic!() };
    rows
}

fn causes(bench: &mut Bench) -> Vec<(u64, RecordingCause)> {
    list(bench).into_iter().map(|row| (row.id, row.cause)).collect()
}

fn freeze(bench: &mut Bench) -> RecordingRow {
    // Until the memory for it is ready.
    bench.run(10);
    match bench.ask_and_wait(Request::RecorderFreeze {}, 10).unwrap().data {
        Data::Recordings(mut rows) => rows.remove(0),
        other => panic!("{other:?}"),
    }
}

fn refused(bench: &mut Bench, request: Request) -> (Code, String) {
    let error = bench.ask(request).expect("at once").unwrap_err();
    (error.code, error.message)
}

fn switch(bench: &mut Bench, member: &str) {
    bench.ask(force(member)).expect("workers are awake").unwrap();
}

/// A frame from the phone to this address, as UDP.
fn frame(to: Ipv4Addr) -> Vec<u8> {
    Build::udp(Endpoint::new(Ipv4Addr::new(172, 16, 5, 5), 5060), Endpoint::new(to, 5060)).payload(&[7; 200]).bytes()
}

/// The frames that whoever saves a recording is sent.
fn saved(bench: &mut Bench, id: u64) -> Vec<(CapturedRow, Vec<u8>)> {
    let Data::Capture(capturing) = bench.ask(Request::RecorderSave { id }).unwrap().unwrap().data else { panic!() };
    assert_eq!((capturing.begun.capture, capturing.begun.snaplen), (id, 128));
    let (mut feed, mut chunk) = (capturing.feed.take().expect("frames come from somewhere"), Vec::new());
    while !feed.is_over() {
        let most = chunk.len() + 1;
        feed.read(&mut chunk, most);
    }
    let (mut at, mut frames) = (0, Vec::new());
    while at < chunk.len() {
        let length = |at: usize| u32::from_le_bytes(*chunk[at..].first_chunk().unwrap()) as usize;
        let (head, bytes) = (length(at), length(at + 4));
        let part = serde_json::from_slice(&chunk[at + 8..at + 8 + head]).unwrap();
        let CapturePart::Frame(row) = part else { panic!("{part:?}") };
        frames.push((row, chunk[at + 8 + head..at + 8 + head + bytes].to_vec()));
        at += 8 + head + bytes;
    }
    assert_eq!(feed.totals().matched, frames.len() as u64);
    frames
}

#[test]
fn the_recorder_is_off_until_the_file_gives_it_memory_and_off_again() {
    let mut bench = Bench::settled();
    assert!(bench.tape(0).is_none() && list(&mut bench).is_empty());
    let (code, message) = refused(&mut bench, Request::RecorderFreeze {});
    assert!(code == Code::Refused && message.contains("recorder_mib"), "{message}");
    set(&mut bench, 1);
    for worker in 0..2 {
        assert_eq!(bench.tape(worker).map(|tape| tape.memory()), Some(Tape::memory_of(512 << 10)));
    }
    set(&mut bench, 3);
    assert_eq!(bench.tape(1).map(|tape| tape.memory()), Some(Tape::memory_of(1_536 << 10)));
    set(&mut bench, 0);
    assert!(bench.tape(0).is_none() && bench.tape(1).is_none());
    switch(&mut bench, "sip-b");
    bench.run(2_000);
    assert!(list(&mut bench).is_empty());
}

#[test]
fn a_switchover_is_recorded_half_a_second_later_with_what_came_before_and_after() {
    let mut bench = on();
    let before = bench.now;
    bench.tape(0).unwrap().forwarded(1, before, Side::Before, &frame(V));
    switch(&mut bench, "sip-b");
    bench.run(400);
    assert!(list(&mut bench).is_empty());
    let after = bench.now;
    bench.tape(1).unwrap().forwarded(1, after, Side::After, &frame(V));
    bench.run(200);
    let [row] = &list(&mut bench)[..] else { panic!("one recording") };
    assert_eq!((row.id, row.cause, row.frames, row.workers), (1, RecordingCause::Switchover, 2, 2));
    assert!(row.reason.contains("sip-a -> sip-b"), "{}", row.reason);
    assert_eq!(row.span_ms, after.since(before).as_millis() as u64);
    assert_eq!(bench.logged("recording 1 frozen, 2 frames of 0.4"), 1);
    assert!(bench.tape(0).unwrap().is_empty(), "what comes later is on another tape");
}

#[test]
fn alarms_are_recorded_once_a_minute_and_a_switchover_beside_one_is_the_cause() {
    let mut bench = on();
    let alarm =
        |bench: &mut Bench, begins: bool| bench.give(Input::Metrics(begins.then(|| "the port is taken".into())));
    alarm(&mut bench, true);
    bench.run(600);
    assert_eq!(causes(&mut bench), [(1, RecordingCause::Alarm)]);
    assert_eq!(list(&mut bench)[0].reason, "metrics.unserved");
    for _ in 0..20 {
        alarm(&mut bench, false);
        alarm(&mut bench, true);
        bench.run(1_000);
    }
    assert_eq!(causes(&mut bench).len(), 1, "a storm of alarms is one recording");
    bench.run(60_000);
    alarm(&mut bench, false);
    alarm(&mut bench, true);
    switch(&mut bench, "sip-b");
    bench.run(600);
    assert_eq!(causes(&mut bench), [(1, RecordingCause::Alarm), (2, RecordingCause::Switchover)]);
    // The next one comes at once, and is not forgotten: it waits until five seconds are over.
    switch(&mut bench, "sip-a");
    bench.run(600);
    assert_eq!(causes(&mut bench).len(), 2);
    bench.run(5_000);
    assert_eq!(causes(&mut bench).last(), Some(&(3, RecordingCause::Switchover)));
}

#[test]
fn four_recordings_are_kept_and_those_of_switchovers_longest() {
    let mut bench = on();
    switch(&mut bench, "sip-b");
    bench.run(600);
    (0..5).for_each(|_| assert_eq!(freeze(&mut bench).cause, RecordingCause::Operator));
    let kept: Vec<_> = causes(&mut bench).into_iter().map(|(id, _)| id).collect();
    assert_eq!(kept, [1, 4, 5, 6]);
    for member in ["sip-a", "sip-b", "sip-a", "sip-b"] {
        switch(&mut bench, member);
        bench.run(6_000);
    }
    let kept = causes(&mut bench);
    assert_eq!(kept.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [7, 8, 9, 10]);
    assert!(kept.iter().all(|(_, cause)| *cause == RecordingCause::Switchover));
    // What an operator has asked for is kept until the next one comes.
    assert_eq!(freeze(&mut bench).id, 11);
    assert_eq!(causes(&mut bench).last(), Some(&(11, RecordingCause::Operator)));
    switch(&mut bench, "sip-a");
    bench.run(6_000);
    assert!(causes(&mut bench).iter().all(|(id, _)| *id != 11));
}

#[test]
fn a_recording_is_read_in_the_order_of_its_times_with_names_as_of_then() {
    let mut bench = on();
    let begun = bench.now;
    let at = |millis| begun + Duration::from_millis(millis);
    let member = bench.controller.intent().members[MemberId(0)].clone();
    for (worker, packet, millis, side, to) in [
        (0, 1, 1, Side::Before, V),
        (0, 1, 4, Side::After, member.address),
        (1, 1, 2, Side::Before, V),
        (1, 9, 3, Side::Before, V),
    ] {
        bench.tape(worker).unwrap().forwarded(packet, at(millis), side, &frame(to));
    }
    let row = freeze(&mut bench);
    assert_eq!((row.frames, row.span_ms), (4, 3));
    let frames = saved(&mut bench, row.id);
    let read: Vec<_> = frames.iter().map(|(row, _)| (&*row.packet, row.worker, row.side)).collect();
    use CaptureSide::{After, Before};
    assert_eq!(read, [("0-1", 0, Before), ("1-1", 1, Before), ("1-9", 1, Before), ("0-1", 0, After)]);
    let [.., (last, bytes)] = &frames[..] else { panic!() };
    assert_eq!((last.member.as_deref(), last.lost), (Some("sip-a"), 0));
    let whole = frame(member.address);
    assert_eq!((&bytes[..], last.length as usize), (&whole[..128], whole.len()));
    assert!(frames[..3].iter().all(|(row, _)| row.member.is_none()));
    let outer = bench.controller.intent().interfaces.iter().next().map(|interface| interface.name.clone());
    assert_eq!(Some(&frames[0].0.interface), outer.as_ref());
    let (code, message) = refused(&mut bench, Request::RecorderSave { id: 99 });
    assert!(code == Code::Refused && message.contains("no recording 99"), "{message}");
}

#[test]
fn a_worker_that_does_not_answer_is_missing_and_holds_nothing_up() {
    let mut bench = on();
    bench.sleep(1, true);
    assert!(bench.ask(Request::RecorderFreeze {}).is_none());
    let (code, _) = refused(&mut bench, Request::RecorderFreeze {});
    assert_eq!((code, list(&mut bench).len()), (Code::Busy, 0));
    bench.run(2_100);
    let [row] = &list(&mut bench)[..] else { panic!("one recording") };
    assert_eq!(row.workers, 1);
    bench.sleep(1, false);
    bench.run(10);
    assert_eq!((list(&mut bench).len(), freeze(&mut bench).workers), (1, 2));
}

/// Nor does it get tape after tape while it does not answer.
#[test]
fn a_worker_that_has_not_given_its_tape_back_gets_no_other() {
    let mut bench = on();
    bench.sleep(1, true);
    for workers in [1, 1] {
        assert!(bench.ask(Request::RecorderFreeze {}).is_none());
        bench.run(2_100);
        assert_eq!(list(&mut bench).last().map(|row| row.workers), Some(workers));
    }
    bench.sleep(1, false);
    bench.run(10);
    assert_eq!(freeze(&mut bench).workers, 2);
}

#[test]
fn what_an_operator_has_frozen_delays_no_switchover_s() {
    let mut bench = on();
    freeze(&mut bench);
    switch(&mut bench, "sip-b");
    bench.run(600);
    let causes: Vec<_> = causes(&mut bench).into_iter().map(|(_, cause)| cause).collect();
    assert_eq!(causes, [RecordingCause::Operator, RecordingCause::Switchover]);
}

#[test]
fn what_is_to_be_frozen_outlives_another_size() {
    let mut bench = on();
    switch(&mut bench, "sip-b");
    let at = bench.now;
    bench.tape(0).unwrap().forwarded(1, at, Side::Before, &frame(V));
    set(&mut bench, 2);
    bench.run(600);
    assert_eq!(list(&mut bench).iter().map(|row| row.frames).collect::<Vec<_>>(), [1]);
    assert_eq!(bench.tape(0).map(|tape| tape.memory()), Some(Tape::memory_of(1 << 20)));
}

#[test]
fn two_save_at_once_and_not_more() {
    let mut bench = on();
    let id = freeze(&mut bench).id;
    let saves: Vec<_> = (0..2).map(|_| bench.ask(Request::RecorderSave { id }).unwrap().unwrap()).collect();
    assert_eq!(refused(&mut bench, Request::RecorderSave { id }).0, Code::Busy);
    drop(saves);
    saved(&mut bench, id);
}
