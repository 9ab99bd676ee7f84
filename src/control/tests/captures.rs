//! Captures: what may be asked, and how many there are at once.

use super::*;
use crate::admin::capture::{CaptureAsked, Capturing};

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
    assert!(ask(&mut bench, CaptureAsked::default()).is_ok());
    assert!(ask(&mut bench, CaptureAsked::default()).is_err());
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
        (CaptureAsked { snaplen: Some(0), ..CaptureAsked::default() }, Code::BadRequest, "`snaplen` is 0"),
        (program(vec![(0x28, 0, 0, 12)]), Code::BadRequest, "does not end with a return"),
        (program(vec![(0x15, 9, 0, 1), (6, 0, 0, 0)]), Code::BadRequest, "jumps out of it"),
        (program(vec![(6, 0, 0, 0); 4_097]), Code::BadRequest, "at most 4096"),
    ];
    for (asked, code, part) in rows {
        let (said, message) = ask(&mut bench, asked).unwrap_err();
        assert!(said == code && message.contains(part), "{said:?} {message}");
    }
    bench.run(10);
    assert!(bench.captures(0).is_empty());
}
