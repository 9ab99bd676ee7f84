//! Scenario 102, captures: a packet is seen as it came and as it left, with what came of it, and nothing is different for that.

use super::*;
use fairlead::engine::DropReason;
use fairlead::policy::adjacency::NextHop;
use fairlead::policy::intent::{InterfaceId, Listen, PortId, Route};
use fairlead::time::Duration;
use fairlead::wire::Protocol;
use fairlead::wire::bpf::{Instruction, Program};
use fairlead::wire::build::Build;
use fairlead::worker::tap::{Fate, Selection, Side, TapEnd, tap};
use fairlead::worker::{Command, Event};
use std::sync::Arc;

/// Frames that a worker has room for.
const ROOM: usize = 256;

/// A frame that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    packet: (usize, u64),
    side: Side,
    fate: Fate,
    reason: Option<&'static str>,
    member: Option<String>,
    port: PortId,
    bytes: Vec<u8>,
}

/// Where all workers record.
struct Watch(Vec<TapEnd>);

impl Watch {
    fn begin(lab: &mut Lab, selection: Selection, room: usize) -> Watch {
        let selection = Arc::new(Selection { snap: 2_048, ..selection });
        let mut ends = Vec::new();
        let out = lab.rig.command(|| {
            let (tap, end) = tap(7, Arc::clone(&selection), room);
            ends.push(end);
            Command::Capture(tap)
        });
        assert_eq!(out, []);
        Watch(ends)
    }

    fn all(lab: &mut Lab) -> Watch {
        Watch::begin(lab, Selection::default(), ROOM)
    }

    /// What was recorded since the last call, by worker.
    fn seen(&mut self) -> Vec<Seen> {
        let mut all = Vec::new();
        for (worker, end) in self.0.iter_mut().enumerate() {
            while let Some(seen) = end.read(|record| Seen {
                packet: (worker, record.packet),
                side: record.side,
                fate: record.fate,
                reason: record.reason,
                member: record.member.map(|address| address.to_string()),
                port: record.port,
                bytes: record.bytes().to_vec(),
            }) {
                all.push(seen);
            }
        }
        all
    }

    fn sums(&self) -> (u64, u64) {
        self.0.iter().map(TapEnd::counts).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }
}

fn invite(dst: &str) -> Build {
    Build::udp(at(PHONE, 5060), at(dst, 5060)).payload(b"INVITE sip:b SIP/2.0\r\nVia: SIP/2.0/UDP 172.16.5.5\r\n\r\n")
}

fn ok(src: &str) -> Build {
    Build::udp(at(src, 5060), at(PHONE, 5060)).payload(b"SIP/2.0 200 OK\r\n\r\n")
}

/// IPv4 without a tag, to this address.
fn to(address: &str) -> Option<Program> {
    let address = u32::from(addr(address));
    let rows = [(0x20, 0, 0, 30), (0x15, 0, 1, address), (0x06, 0, 0, 65_535), (0x06, 0, 0, 0)];
    Program::new(&rows.map(|(code, jt, jf, k)| Instruction { code, jt, jf, k })).ok()
}

/// What the phone sends passes, and these were recorded.
fn pass_and_see(lab: &mut Lab, watch: &mut Watch) -> Vec<Seen> {
    lab.forwards(ROUTER, invite(V), HOST_A, invite(A));
    watch.seen()
}

fn frames_of_one_packet(lab: &Lab, seen: &[Seen]) {
    let [before, after] = seen else { panic!("two frames: {seen:#?}") };
    assert_eq!((before.packet, before.side, after.side), (after.packet, Side::Before, Side::After));
    assert_eq!((before.port, after.port), (lab.port(ROUTER), lab.port(HOST_A)));
    assert_eq!(before.bytes, lab.arriving(ROUTER, &invite(V)));
    assert_eq!(after.bytes, lab.leaving(HOST_A, &invite(A).ttl(63)));
    for frame in [before, after] {
        assert_eq!((frame.fate, frame.reason, frame.member.as_deref()), (Fate::Forward, None, Some(A)));
    }
}

#[test]
fn s102_a_packet_is_seen_as_it_came_and_as_it_left() {
    for layout in [Layout::TwoArm, Layout::TaggedServers, Layout::OnePort, Layout::OneArm] {
        let mut lab = Lab::new(layout);
        let mut watch = Watch::all(&mut lab);
        let seen = pass_and_see(&mut lab, &mut watch);
        frames_of_one_packet(&lab, &seen);
        lab.forwards(HOST_A, ok(A), ROUTER, ok(V));
        let [before, after] = &watch.seen()[..] else { panic!("two frames") };
        assert_eq!((&before.bytes, after.packet), (&lab.arriving(HOST_A, &ok(A)), before.packet));
        assert_eq!((after.port, before.member.as_deref()), (lab.port(ROUTER), Some(A)));
        assert_eq!(watch.sums(), (4, 0));
    }
}

#[test]
fn s102_a_packet_is_found_by_its_addresses_before_and_after() {
    let mut lab = Lab::new(Layout::TwoArm);
    for program in [to(V), to(A)] {
        let mut watch = Watch::begin(&mut lab, Selection { program, ..Selection::default() }, ROOM);
        let seen = pass_and_see(&mut lab, &mut watch);
        frames_of_one_packet(&lab, &seen);
        lab.forwards(HOST_A, ok(A), ROUTER, ok(V));
        assert_eq!(watch.seen(), [], "the answer is to neither");
        drop(watch);
        lab.rig.settle();
    }
}

#[test]
fn s102_everything_that_is_asked_must_hold_of_the_packet() {
    let listen = |port| vec![Listen { protocol: Protocol::Udp, port }];
    let all = Selection::default;
    let net = |text: &str| Some(text.parse().unwrap());
    let rows = [
        (Selection { client: net("172.16.5.0/24"), ..all() }, 2),
        (Selection { client: net("172.16.6.0/24"), ..all() }, 0),
        (Selection { member: Some(addr(A)), ..all() }, 2),
        (Selection { member: Some(addr(B)), ..all() }, 0),
        (Selection { service: Some((addr(V), listen(5060))), ..all() }, 2),
        (Selection { service: Some((addr(V), listen(5061))), ..all() }, 0),
        (Selection { service: Some((addr(B), listen(5060))), ..all() }, 0),
        (Selection { fate: Some(Fate::Forward), ..all() }, 2),
        (Selection { fate: Some(Fate::Drop), ..all() }, 0),
        (Selection { reason: Some("no_route".into()), ..all() }, 0),
        (Selection { side: Some(Side::Before), ..all() }, 1),
        (Selection { side: Some(Side::After), ..all() }, 1),
        (Selection { program: to(A), member: Some(addr(B)), ..all() }, 0),
    ];
    for (selection, count) in rows {
        let mut lab = Lab::new(Layout::TwoArm);
        let shown = format!("{selection:?}");
        let mut watch = Watch::begin(&mut lab, selection, ROOM);
        assert_eq!(pass_and_see(&mut lab, &mut watch).len(), count, "{shown}");
        assert_eq!(watch.sums(), (count as u64, 0), "{shown}");
    }
}

/// No capture is on, as everywhere but in the setting that has some on from the beginning.
fn is_alone(lab: &mut Lab) -> bool {
    let mut open = Vec::new();
    loop {
        let watch = Watch::all(lab);
        if watch.0.iter().all(TapEnd::is_over) {
            break;
        }
        open.push(watch);
    }
    let count = open.len();
    drop(open);
    lab.rig.settle();
    count == 4
}

/// What it asks for is what management has named the addresses of: whether those were looked at shows by what it does not ask for.
#[test]
fn s102_a_packet_that_nobody_can_mean_is_passed_over_until_another_file_is_in_force() {
    let mut lab = Lab::new(Layout::TwoArm);
    let is_alone = is_alone(&mut lab);
    let life = lab.rig.workers[0].engine().snapshot().life;
    let only = |address| Selection { only: Some((life, vec![addr(address)])), ..Selection::default() };
    let mut watch = Watch::begin(&mut lab, only(PEER), ROOM);
    assert_eq!(pass_and_see(&mut lab, &mut watch).is_empty(), is_alone);
    let mut phones = Watch::begin(&mut lab, only(PHONE), ROOM);
    let seen = pass_and_see(&mut lab, &mut phones);
    frames_of_one_packet(&lab, &seen);
    drop(phones);
    lab.rig.settle();
    watch.seen();
    assert_eq!(pass_and_see(&mut lab, &mut watch).is_empty(), is_alone, "as before");
    drop(watch);
    // One whose last six bits are the telephone's; beyond eight, those bits are all that is asked.
    let like = std::iter::once("172.16.5.69".to_owned()).chain((80..87).map(|last| format!("172.16.6.{last}")));
    let many = Selection { only: Some((life, like.map(|one| addr(&one)).collect())), ..Selection::default() };
    let mut watch = Watch::begin(&mut lab, many, ROOM);
    assert_eq!(pass_and_see(&mut lab, &mut watch).is_empty(), is_alone);
    let mut ninth = Watch::begin(&mut lab, only("172.16.6.87"), ROOM);
    let seen = pass_and_see(&mut lab, &mut ninth);
    frames_of_one_packet(&lab, &seen);
    drop(ninth);
    lab.rig.settle();
    watch.seen();
    let other = "172.16.77.0/24".parse().unwrap();
    lab.rig.intent.routes.push(Route { to: other, via: addr(R), interface: InterfaceId(0) });
    lab.rig.publish();
    assert!(lab.rig.workers[0].engine().snapshot().life > life);
    let seen = pass_and_see(&mut lab, &mut watch);
    frames_of_one_packet(&lab, &seen);
}

#[test]
fn s102_what_is_dropped_is_seen_with_its_reason_and_with_what_its_sender_is_told() {
    let mut lab = Lab::new(Layout::TwoArm);
    let mut watch = Watch::all(&mut lab);
    let late = Build::udp(at(PHONE, 5060), at(A, 161)).ttl(1).payload(b"x");
    lab.rejects(ROUTER, late.clone(), DropReason::TtlExceeded, Build::icmp_error(E, PHONE, 11, 0, &late));
    let [before, after] = &watch.seen()[..] else { panic!("two frames") };
    assert_eq!((before.side, before.fate, before.reason), (Side::Before, Fate::Drop, Some("ttl_exceeded")));
    assert_eq!(before.bytes, lab.arriving(ROUTER, &late));
    assert_eq!((after.side, after.fate, after.packet), (Side::After, Fate::Answer, before.packet));
    // What cannot be read is seen all the same.
    let cut = &lab.arriving(ROUTER, &invite(V))[..20];
    lab.drops_frame(ROUTER, cut, DropReason::Truncated);
    let [seen] = &watch.seen()[..] else { panic!("one frame") };
    assert_eq!((&seen.bytes[..], seen.fate, seen.reason, &seen.member), (cut, Fate::Drop, Some("truncated"), &None));
    assert_eq!(watch.sums(), (3, 0));
}

#[test]
fn s102_what_the_appliance_answers_and_makes_itself_is_told_apart() {
    let mut lab = Lab::new(Layout::TwoArm);
    let mut watch = Watch::all(&mut lab);
    let (out, _) = lab.send(ROUTER, &Build::echo_request(PHONE, V, 7, 1).payload(b"ping"));
    let [before, after] = &watch.seen()[..] else { panic!("two frames") };
    assert_eq!([before.fate, after.fate], [Fate::Answer; 2]);
    assert_eq!((before.packet, &out[0].1), (after.packet, &after.bytes));
    let frame = lab.leaving(HOST_A, &invite(A));
    let made = || Command::Transmit { port: INNER, frame: frame.clone().into() };
    let out = lab.rig.commands([made()]);
    let [seen] = &watch.seen()[..] else { panic!("one frame") };
    assert_eq!((seen.side, seen.fate, seen.port, &seen.bytes), (Side::After, Fate::Originate, INNER, &out[0].1));
}

#[test]
fn s102_what_waits_is_seen_when_it_begins_to_wait_and_when_it_leaves() {
    let mut lab = Lab::new(Layout::TwoArm);
    let hop = NextHop { interface: InterfaceId(1), address: addr(A) };
    let known = lab.rig.adjacency.remove(&hop).expect("it is a neighbour");
    lab.rig.publish();
    let mut watch = Watch::all(&mut lab);
    lab.send(ROUTER, &invite(V));
    let [waits] = &watch.seen()[..] else { panic!("one frame") };
    assert_eq!((waits.side, waits.fate), (Side::Before, Fate::Wait));
    lab.rig.adjacency.insert(hop, known);
    let out = lab.rig.publish();
    let [left] = &watch.seen()[..] else { panic!("one frame") };
    assert_eq!((left.packet, left.side, left.fate, &left.bytes), (waits.packet, Side::After, Fate::Forward, &out[0].1));
}

#[test]
fn s102_every_frame_that_matched_was_read_or_is_counted_as_lost() {
    let mut lab = Lab::new(Layout::TwoArm);
    let mut watch = Watch::begin(&mut lab, Selection::default(), 5);
    let mut read = 0;
    for round in 0..100 {
        lab.forwards(ROUTER, invite(V), HOST_A, invite(A));
        if round % 10 == 0 {
            read += watch.seen().len() as u64;
        }
    }
    read += watch.seen().len() as u64;
    let (matched, lost) = watch.sums();
    assert_eq!((matched, read + lost), (200, 200));
    assert!(lost > 0, "nobody waited for who reads");
}

#[test]
fn s102_a_capture_ends_when_nobody_reads_it_any_more_and_no_more_than_four_are_on() {
    let mut lab = Lab::new(Layout::TwoArm);
    let ended = |lab: &mut Lab| {
        let ended = lab.rig.events.extract_if(.., |event| matches!(event, Event::CaptureEnded { capture: 7, .. }));
        ended.count()
    };
    let workers = lab.rig.workers.len();
    let mut open = Vec::new();
    let refused = loop {
        let watch = Watch::all(&mut lab);
        match watch.0.iter().all(TapEnd::is_over) {
            true => break watch,
            false => open.push(watch),
        }
    };
    // Where captures are on from the beginning there is room for as many fewer.
    assert!((2..=4).contains(&open.len()), "{}", open.len());
    assert_eq!((ended(&mut lab), refused.sums()), (workers, (0, 0)));
    assert_eq!(pass_and_see(&mut lab, &mut open[1]).len(), 2);
    open[0].0.iter().for_each(TapEnd::stop);
    let gone = open.len() - 2;
    open.truncate(2);
    lab.rig.settle();
    assert_eq!(ended(&mut lab), (1 + gone) * workers);
    assert_eq!(open[0].seen().len(), 2, "what was recorded before is there");
    assert!(open[0].0.iter().all(TapEnd::is_over));
    assert_eq!(pass_and_see(&mut lab, &mut open[1]).len(), 2);
    assert_eq!(open[0].seen(), []);
}

/// Whichever worker holds the fragments, and whichever decides about the datagram.
#[test]
fn s102_each_fragment_is_seen_once_as_it_came_and_once_as_it_left() {
    let mut lab = Lab::new(Layout::TwoArm);
    let mut watch = Watch::all(&mut lab);
    let workers = lab.rig.workers.len();
    let mut deciding = std::collections::BTreeSet::new();
    for client in 1..=40u8 {
        let sent = |dst: &str| Build::udp(at(&format!("172.16.5.{client}"), 5060), at(dst, 5060)).payload(&text(4_000));
        lab.forwards_pieces(ROUTER, &sent(V), HOST_A, sent(A));
        let seen = watch.seen();
        let of = |side| seen.iter().filter(move |frame| frame.side == side);
        let came: Vec<_> = of(Side::Before).map(|frame| frame.bytes.clone()).collect();
        let mut expected = lab.pieces(ROUTER, &sent(V), PIECE);
        expected.sort();
        let mut sorted = came.clone();
        sorted.sort();
        assert_eq!((sorted.len(), sorted == expected), (3, true), "{client}: {came:?}");
        assert_eq!(of(Side::After).count(), 3, "{client}");
        let before = of(Side::Before).map(|frame| frame.packet.0).next().unwrap();
        let after: Vec<_> = of(Side::After).map(|frame| frame.packet.0).collect();
        assert!(after.iter().all(|worker| *worker == after[0]));
        deciding.insert((before, after[0]));
        if before == after[0] {
            let mut numbers: Vec<_> = of(Side::Before).map(|frame| frame.packet).collect();
            numbers.sort_unstable();
            let mut left: Vec<_> = of(Side::After).map(|frame| frame.packet).collect();
            left.sort_unstable();
            assert_eq!(numbers, left, "each fragment has one number");
        }
    }
    assert!(workers == 1 || deciding.iter().any(|(held, decided)| held != decided), "{deciding:?}");
}

#[test]
fn s102_what_is_dropped_while_it_waits_is_seen_with_its_reason_and_under_its_number() {
    let mut lab = Lab::new(Layout::TwoArm);
    let mut watch = Watch::all(&mut lab);
    let first = lab.pieces(ROUTER, &request(V, 4_000), PIECE)[0].clone();
    assert_eq!(lab.raw(ROUTER, &first).0, []);
    let [waits] = &watch.seen()[..] else { panic!("one frame") };
    assert_eq!((waits.fate, waits.reason), (Fate::Wait, None));
    lab.rig.wait(Duration::from_secs(40));
    let [gone] = &watch.seen()[..] else { panic!("one frame") };
    assert_eq!((gone.fate, gone.reason, gone.side), (Fate::Drop, Some("reassembly_timeout"), Side::Before));
    assert_eq!((gone.packet, &gone.bytes), (waits.packet, &first));
    // Likewise what waited for a MAC that never came.
    let hop = NextHop { interface: InterfaceId(1), address: addr(A) };
    lab.rig.adjacency.remove(&hop).expect("it is a neighbour");
    lab.rig.publish();
    lab.send(ROUTER, &invite(V));
    let [waits] = &watch.seen()[..] else { panic!("one frame") };
    assert!(waits.packet != gone.packet && waits.fate == Fate::Wait);
    lab.rig.wait(Duration::from_secs(20));
    let seen = watch.seen();
    let dropped: Vec<_> = seen.iter().filter(|frame| frame.fate == Fate::Drop).collect();
    assert_eq!((dropped.len(), dropped[0].packet), (1, waits.packet), "{seen:#?}");
    assert_eq!((dropped[0].reason, &dropped[0].bytes), (Some("host_unreachable"), &waits.bytes), "{seen:#?}");
}

#[test]
fn s102_a_frame_that_gives_way_to_another_is_dropped_and_not_the_other_one() {
    let mut lab = Lab::with(|intent| intent.limits.fragments_per_worker = 256);
    let mut watch = Watch::begin(&mut lab, Selection::default(), 4_096);
    let first = |id: u16| Build::udp(at(PHONE, 5060), at(V, 5060)).id(id).payload(&text(2_000));
    let frames: Vec<_> = (0..300).map(|id| lab.pieces(ROUTER, &first(id), PIECE)[0].clone()).collect();
    for frame in &frames {
        assert_eq!(lab.raw(ROUTER, frame).0, []);
    }
    let seen = watch.seen();
    let waiting: Vec<_> = seen.iter().filter(|frame| frame.fate == Fate::Wait).collect();
    assert!(waiting.iter().map(|frame| &frame.bytes).eq(&frames), "each begins to wait, in order");
    let dropped: Vec<_> = seen.iter().filter(|frame| frame.fate == Fate::Drop).collect();
    assert_eq!(dropped.len() as u64, lab.rig.counters().drops(DropReason::FragmentsFull));
    assert!(!dropped.is_empty() && waiting.len() + dropped.len() == seen.len());
    for (gone, oldest) in dropped.iter().zip(&waiting) {
        assert_eq!((gone.packet, &gone.bytes), (oldest.packet, &oldest.bytes), "the oldest gives way");
        assert_eq!(gone.reason, Some("reassembly_full"));
    }
}
