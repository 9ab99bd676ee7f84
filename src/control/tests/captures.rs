//! Captures: what may be asked, and how many there are at once.

use super::*;
use crate::admin::capture::{CaptureAsked, Capturing};
use crate::admin::request::{EventSelection, Peer};
use crate::events::EventName;

fn ask(bench: &mut Bench, asked: CaptureAsked) -> Result<Capturing, (Code, String)> {
    match bench.ask(Request::Capture(Box::new(asked))).expect("it is answered at once") {
        Ok(Answered { data: Data::Capture(capturing), .. }) => Ok(*capturing),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err((error.code, error.message)),
    }
}

fn named(member: &str) -> CaptureAsked {
    CaptureAsked { member: Some(member.into()), ..CaptureAsked::default() }
}

#[test]
fn every_worker_is_asked_and_the_client_is_told_what_interfaces_are_called() {
    let mut bench = Bench::settled();
    let capturing = ask(&mut bench, named("sip-a")).unwrap();
    let intent = bench.controller.intent();
    let names: Vec<_> = intent.interfaces.iter().map(|interface| interface.name.clone()).collect();
    assert!(names.iter().all(|name| capturing.begun.interfaces.contains(name)), "{:?}", capturing.begun);
    let largest = intent.ports.iter().map(|port| u32::from(port.mtu)).max().unwrap();
    assert_eq!((capturing.begun.capture, capturing.begun.snaplen), (1, largest + 18));
    let mut feed = capturing.feed.take().expect("frames come from somewhere");
    assert!(capturing.feed.take().is_none());
    bench.run(10);
    assert_eq!([bench.captures(0), bench.captures(1)], [[1], [1]]);
    let mut chunk = Vec::new();
    feed.read(&mut chunk, 1_000);
    assert!(chunk.is_empty() && !feed.is_over());
    feed.stop();
    bench.end_a_capture();
    assert!(feed.is_over(), "the workers are gone");
}

#[test]
fn four_are_on_at_most_until_all_workers_have_ended_one() {
    let mut bench = Bench::settled();
    let all: Vec<_> = (0..4).map(|_| ask(&mut bench, CaptureAsked::default()).unwrap()).collect();
    bench.run(10);
    let (code, message) = ask(&mut bench, CaptureAsked::default()).unwrap_err();
    assert_eq!((code, message.starts_with("4 captures are on, which is the limit")), (Code::Busy, true), "{message}");
    drop(all);
    bench.end_a_capture();
    let _fifth = ask(&mut bench, CaptureAsked::default()).unwrap();
    assert!(ask(&mut bench, CaptureAsked::default()).is_err());
}

/// Workers have ended it, and what they recorded waits for a client that does not read.
#[test]
fn a_capture_has_its_place_and_its_owner_until_its_records_are_gone() {
    let mut bench = Bench::settled();
    let asked = |_| Request::Capture(Box::default());
    let by = |pid| Some(Peer { uid: 1_000, pid });
    let mut feeds: Vec<_> = [Some(77), None, Some(9), Some(11)]
        .map(|pid| match bench.ask_as(asked(pid), by(pid)) {
            Some(Ok(Answered { data: Data::Capture(capturing), .. })) => capturing.feed.take().unwrap(),
            other => panic!("{other:?}"),
        })
        .into();
    bench.run(10);
    (0..4).for_each(|_| bench.end_a_capture());
    let (code, message) = ask(&mut bench, CaptureAsked::default()).unwrap_err();
    let whose = "(1 of user 1000, process 77; 2 of user 1000; 3 of user 1000, process 9; 4 of user 1000, process 11)";
    assert!(code == Code::Busy && message.contains(whose), "{message}");
    feeds.remove(2);
    let fifth = ask(&mut bench, CaptureAsked::default()).unwrap();
    let (_, message) = ask(&mut bench, CaptureAsked::default()).unwrap_err();
    assert!(message.contains("4 of user 1000, process 11; 5)") && !message.contains("3 of user"), "{message}");
    drop(fifth);
}

#[test]
fn the_end_of_a_capture_is_an_event_once_all_workers_have_ended_it() {
    let mut bench = Bench::settled();
    let capturing = ask(&mut bench, CaptureAsked::default()).unwrap();
    bench.run(10);
    let ended = |bench: &mut Bench| {
        let Some(Ok(Answered { data: Data::Events(rows), .. })) =
            bench.ask(Request::Events { filter: EventSelection::default(), since_s: None })
        else {
            panic!("events")
        };
        rows.into_iter().filter(|row| row.is(EventName::CaptureEnded)).map(|row| row.message).collect()
    };
    let before: Vec<String> = ended(&mut bench);
    assert!(before.is_empty());
    drop(capturing);
    bench.end_a_capture();
    assert_eq!(ended(&mut bench), ["capture 1 ended, 0 frames matched, 0 of them lost"]);
}

#[test]
fn what_cannot_be_meant_is_refused_in_words_and_no_worker_is_asked() {
    let mut bench = Bench::settled();
    let program = |program| CaptureAsked { program, ..CaptureAsked::default() };
    let rows = [
        (named("sip-x"), Code::UnknownMember, "`sip-x`"),
        (
            CaptureAsked { virtual_server: Some("x".into()), ..CaptureAsked::default() },
            Code::UnknownVirtualServer,
            "`x`",
        ),
        (CaptureAsked { reason: Some("bad luck".into()), ..CaptureAsked::default() }, Code::BadRequest, "is no reason"),
        (CaptureAsked { snaplen: Some(17), ..CaptureAsked::default() }, Code::BadRequest, "a number from 18 to 65535"),
        (program(vec![(0x28, 0, 0, 12)]), Code::BadRequest, "does not end with a return"),
        (program(vec![(0x15, 9, 0, 1), (6, 0, 0, 0)]), Code::BadRequest, "jumps out of it"),
        (program(vec![(6, 0, 0, 0); 2_049]), Code::BadRequest, "at most 2048"),
    ];
    for (asked, code, part) in rows {
        let (said, message) = ask(&mut bench, asked).unwrap_err();
        assert!(said == code && message.contains(part), "{said:?} {message}");
    }
    bench.run(10);
    assert!(bench.captures(0).is_empty());
}
