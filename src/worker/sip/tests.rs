use super::*;

const SERVICE: Endpoint = Endpoint::new(Ipv4Addr::new(10, 20, 0, 100), 5060);
const MEMBER: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 11);

fn party(number: u32, is_from_member: bool) -> Party {
    let remote = Endpoint::new(Ipv4Addr::from(0xac10_0000 + number), 5060);
    Party { service: SERVICE, member: Some(MEMBER), remote, is_from_member }
}

fn message(line: &str, call: &str) -> Vec<u8> {
    format!("{line}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{call}\r\nCall-ID: {call}\r\nCSeq: 1 INVITE\r\n\r\n")
        .into_bytes()
}

fn sample(line: &str, call: &str) -> Sample {
    Sample::of(&message(line, call), 1).expect("all are read")
}

fn on() -> Sampling {
    let mut sampling = Sampling::default();
    assert!(sampling.exchange(Some(Box::new(Statistics::first())), Instant::ZERO).is_none());
    sampling
}

fn at(ms: u64) -> Instant {
    Instant::from_millis(ms)
}

const INVITE: &str = "INVITE sip:a@b SIP/2.0";
const OK: &str = "SIP/2.0 200 OK";

#[test]
fn one_transaction_of_so_many_is_read_and_all_of_its_messages() {
    for of in [1, 2, 10, 100] {
        let read = (0..10_000).filter(|number| {
            let call = format!("{number}@phone.example");
            let is_read = |line| Sample::of(&message(line, &call), of).is_some();
            let invite = is_read(INVITE);
            assert_eq!((is_read(OK), is_read("BYE sip:a@b SIP/2.0")), (invite, invite), "{call}");
            invite
        });
        let (read, meant) = (read.count(), 10_000 / of as usize);
        assert!(read.abs_diff(meant) <= meant / 2, "{read} of {meant}");
    }
    assert_eq!(Sample::of(&message(INVITE, "a"), 0), None);
}

#[test]
fn what_was_counted_is_returned_and_what_was_asked_is_remembered() {
    let mut sampling = on();
    sampling.count(&sample(INVITE, "a"), &party(1, false), at(100));
    let first = sampling.exchange(Some(Box::default()), at(200)).expect("it counted");
    assert_eq!(first.rows().map(|row| row.requests[Method::Invite as usize]).collect::<Vec<_>>(), [1]);
    sampling.count(&sample(OK, "a"), &party(1, true), at(350));
    let mut second = sampling.exchange(Some(first), at(400)).expect("it counted");
    assert_eq!(second.rows().map(|row| row.times.longest()).collect::<Vec<_>>(), [250_000_000]);
    second.clear();
    assert_eq!((second.rows().count(), second.refreshes().count()), (0, 0));
    // What was sent empty once is not: it was counted into by then.
    let third = sampling.exchange(None, at(500)).expect("it counted");
    assert_eq!(third.rows().count(), 1, "whoever sends one that is not empty gets the sum");
    assert!(third.memory.is_some(), "what it remembered is returned at the end");
    sampling.count(&sample(INVITE, "b"), &party(1, false), at(600));
    assert!(sampling.exchange(None, at(700)).is_none());
}

#[test]
fn members_and_services_without_end_take_no_more_rows_than_there_are() {
    let mut sampling = on();
    for number in 0..4_000_u32 {
        let member = Some(Ipv4Addr::from(0x0a00_0000 + number));
        let service = Endpoint::new(Ipv4Addr::from(0x0b00_0000 + number), 5060);
        let party = Party { service, member, ..party(number, false) };
        sampling.count(&sample(INVITE, &number.to_string()), &party, at(number.into()));
    }
    let counted = sampling.exchange(None, at(5_000)).expect("it counted");
    assert_eq!((counted.rows().count(), counted.not_counted), (ROWS, 4_000 - ROWS as u64));
}

#[test]
fn a_flood_of_transactions_takes_no_more_room_and_what_gives_way_is_counted() {
    let mut sampling = on();
    let count = 50_000;
    for number in 0..count {
        sampling.count(&sample(INVITE, &number.to_string()), &party(number, false), at(1));
    }
    let row = sampling.exchange(None, at(2)).expect("it counted").rows().next().cloned().expect("a row");
    assert_eq!(row.requests[Method::Invite as usize], u64::from(count));
    assert!(row.not_timed > 40_000 && row.unanswered == 0, "{}", row.not_timed);
}

#[test]
fn under_load_it_is_still_seen_who_is_not_answered() {
    let mut sampling = on();
    let (count, silent) = (50_000_u32, 100);
    for number in 0..count {
        let (call, now) = (number.to_string(), at(1 + u64::from(number) / 5));
        sampling.count(&sample(INVITE, &call), &party(number, false), now);
        if number >= silent {
            sampling.count(&sample(OK, &call), &party(number, true), now);
        }
    }
    let (mut unanswered, mut not_timed, mut spare) = (0, 0, Some(Box::default()));
    for _ in 0..65 {
        let mut counted = sampling.exchange(spare.take(), at(40_000)).expect("it counted");
        unanswered += counted.rows().map(|row| row.unanswered).sum::<u64>();
        not_timed += counted.rows().map(|row| row.not_timed).sum::<u64>();
        counted.clear();
        spare = Some(counted);
    }
    assert_eq!((unanswered, not_timed), (u64::from(silent), 0));
}
