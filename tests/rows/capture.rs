//! Scenario 102, captures: a packet is seen as it came and as it left, with what came of it, and nothing is different for that.

use super::*;
use fairlead::engine::DropReason;
use fairlead::flow::FlowName;
use fairlead::policy::adjacency::NextHop;
use fairlead::policy::intent::{InterfaceId, Listen, MemberId, PortId, Route};
use fairlead::time::Duration;
use fairlead::wire::bpf::{Instruction, Program};
use fairlead::wire::build::Build;
use fairlead::wire::tcp::Flags;
use fairlead::wire::{Packet, Protocol};
use fairlead::worker::tap::{Fate, Only, Selection, Side, TapEnd, tap};
use fairlead::worker::{Command, Event};
use std::collections::BTreeSet;
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
    flow: Option<FlowName>,
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
                flow: record.flow,
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
fn s102_a_packet_that_nobody_can_mean_is_passed_over_until_a_file_makes_its_address() {
    let mut lab = Lab::new(Layout::TwoArm);
    let is_alone = is_alone(&mut lab);
    let of = |addresses| Only { addresses: Some(addresses), ports: None };
    let only = |address| Selection { only: of(vec![addr(address)]), ..Selection::default() };
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
    let many = like.map(|one| addr(&one)).collect();
    let many = Selection { only: of(many), ..Selection::default() };
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
    assert_eq!(pass_and_see(&mut lab, &mut watch).is_empty(), is_alone, "another file makes no difference");
    let life = lab.rig.workers[0].engine().snapshot().life;
    lab.rig.intent.snats.iter_mut().for_each(|snat| snat.address = addr("172.16.6.80"));
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
    let mut deciding = BTreeSet::new();
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

/// The flow that the packet of a frame says, as it came and as it left.
fn flow_of(watch: &mut Watch, lab: &mut Lab, from: Far, sent: &Build) -> Option<FlowName> {
    lab.send(from, sent);
    let seen = watch.seen();
    assert!(!seen.is_empty() && seen.iter().all(|frame| frame.flow == seen[0].flow), "{seen:#?}");
    seen[0].flow
}

#[test]
fn s102_packets_of_both_directions_say_their_flow_and_the_next_one_in_its_place_is_another() {
    let mut lab = Lab::new(Layout::TwoArm);
    let mut watch = Watch::all(&mut lab);
    let (client, service, member) = (at(PHONE, 40_000), at(V, 5060), at(A, 5060));
    let opened = Build::tcp(client, service, SYN, 1, 0);
    let connection = flow_of(&mut watch, &mut lab, ROUTER, &opened);
    assert!(connection.is_some());
    let (tcp, error) = (Build::tcp, Build::icmp_error);
    for (from, packet) in [
        (HOST_A, tcp(member, client, SYN_ACK, 8, 2)),
        (ROUTER, tcp(client, service, ACK, 2, 9)),
        (ROUTER, tcp(client, service, ACK, 2, 9).ttl(1)),
        (HOST_A, tcp(member, client, DATA, 9, 2)),
        (HOST_A, error(A, PHONE, 3, 4, &tcp(client, member, ACK, 2, 9))),
        (ROUTER, error(R, V, 11, 0, &tcp(service, client, DATA, 9, 2))),
    ] {
        assert_eq!(flow_of(&mut watch, &mut lab, from, &packet), connection, "{packet:?}");
    }
    // A member's, with another port outside, and from one to another member's virtual address.
    let (own, peer) = (at(B, 33_000), at(PEER, 162));
    flow_of(&mut watch, &mut lab, HOST_A, &Build::udp(at(A, 33_000), peer));
    let (out, _) = lab.send(HOST_B, &Build::udp(own, peer));
    let (port, trap) = (source_port(&out[0].1), watch.seen()[0].flow);
    assert!(trap.is_some() && trap != connection && port != 33_000);
    for (from, packet) in [
        (ROUTER, Build::udp(peer, at(V, port))),
        (HOST_B, Build::udp(own, peer)),
        (ROUTER, error(R, V, 3, 1, &Build::udp(at(V, port), peer))),
    ] {
        assert_eq!(flow_of(&mut watch, &mut lab, from, &packet), trap, "{packet:?}");
    }
    // What has none: datagrams of service ports, what is routed as it is.
    for (from, packet) in [(ROUTER, invite(V)), (HOST_A, ok(A)), (HOST_A, Build::udp(at(A, 7_004), at(CONFIG, 2020)))] {
        assert_eq!(flow_of(&mut watch, &mut lab, from, &packet), None, "{packet:?}");
    }
    // Operators see the same names in the list of flows.
    let mut names = BTreeSet::new();
    for worker in &lab.rig.workers {
        let engine = worker.engine();
        engine.scan(0, usize::MAX, |id, _, _| names.extend(engine.flows().name(id)));
    }
    assert!([connection, trap].into_iter().flatten().all(|name| names.contains(&name)), "{names:?}");
    // The connection ends, and its client opens another one on the same ports.
    flow_of(&mut watch, &mut lab, ROUTER, &tcp(client, service, Flags::RST, 3, 0));
    let again = flow_of(&mut watch, &mut lab, ROUTER, &Build::tcp(client, service, SYN, 900_000, 0));
    assert!(again.is_some() && again != connection, "{again:?}");
}

/// Of what has ports that no packet record shows.
const SCTP_PORT: u16 = 2_905;

/// What libpcap makes of `port`, IPv4 without a tag.
fn of_port(port: u16) -> Program {
    let port = u32::from(port);
    let rows = [
        (0x28, 0, 0, 12),
        (0x15, 0, 12, 0x800),
        (0x30, 0, 0, 23),
        (0x15, 2, 0, 132),
        (0x15, 1, 0, 6),
        (0x15, 0, 8, 17),
        (0x28, 0, 0, 20),
        (0x45, 6, 0, 0x1fff),
        (0xb1, 0, 0, 14),
        (0x48, 0, 0, 14),
        (0x15, 2, 0, port),
        (0x48, 0, 0, 16),
        (0x15, 0, 1, port),
        (0x06, 0, 0, 262_144),
        (0x06, 0, 0, 0),
    ];
    Program::new(&rows.map(|(code, jt, jf, k)| Instruction { code, jt, jf, k })).unwrap()
}

/// A lab, and every frame that came in and went out.
struct Story {
    lab: Lab,
    frames: Vec<Vec<u8>>,
}

impl Story {
    /// All at once: as one burst, if one worker receives.
    fn burst(&mut self, from: Far, sent: &[Build]) -> Vec<Vec<u8>> {
        let port = self.lab.port(from);
        let mut frames: Vec<_> = sent.iter().map(|one| self.lab.arriving(from, one)).collect();
        self.frames.extend_from_slice(&frames);
        let last = frames.pop().expect("a frame");
        frames.iter().for_each(|frame| self.lab.rig.ports.inject(port, frame));
        let out: Vec<_> = self.lab.raw(from, &last).0.into_iter().map(|(_, frame)| frame).collect();
        self.frames.extend_from_slice(&out);
        out
    }

    fn one(&mut self, from: Far, sent: Build) -> Vec<Vec<u8>> {
        self.burst(from, &[sent])
    }

    /// Calls between phones and the pair, and a connection to its service port.
    fn services(&mut self) {
        let from =
            |last: u8, to: &str| Build::udp(at(&format!("172.16.5.{last}"), 5060), at(to, 5060)).payload(b"INVITE");
        self.burst(ROUTER, &[from(1, V), from(2, V), invite(V).ttl(1), from(3, V)]);
        self.burst(HOST_A, &[ok(A), ok(A), ok(A).ttl(1)]);
        let (client, service) = (at(PHONE, 40_000), at(V, 5060));
        self.one(ROUTER, Build::tcp(client, service, SYN, 1, 0));
        self.one(HOST_A, Build::tcp(at(A, 5060), client, SYN_ACK, 8, 2));
        for seq in 0..3 {
            let data = Build::tcp(client, service, DATA, 2 + seq, 9).payload(b"x");
            self.burst(ROUTER, &[from(4, V), data, from(5, V)]);
        }
        self.burst(HOST_A, &[Build::tcp(at(A, 5060), client, FIN_ACK, 9, 5), ok(A)]);
    }

    /// Two members call a peer from one port, of which one gets another; a router says that the peer is not there. Returns that port.
    fn outward(&mut self, protocol: Protocol) -> u16 {
        let peer = at(PEER, 162);
        let sent = |src, dst, flags, seq| match protocol {
            Protocol::Udp => Build::udp(src, dst).payload(b"trap"),
            _ => Build::tcp(src, dst, flags, seq, if flags == SYN { 0 } else { 71 }),
        };
        self.one(HOST_A, sent(at(A, 33_000), peer, SYN, 10));
        let out = self.one(HOST_B, sent(at(B, 33_000), peer, SYN, 10));
        let port = source_port(&out[0]);
        assert_ne!(port, 33_000);
        let back = Build::tcp(peer, at(V, port), SYN_ACK, 70, 11);
        self.one(ROUTER, if protocol == Protocol::Udp { sent(peer, at(V, port), DATA, 70) } else { back });
        for round in 0..3 {
            self.burst(HOST_B, &[sent(at(B, 33_000), peer, ACK, 11), sent(at(B, 33_000), peer, ACK, 11).ttl(1), ok(B)]);
            self.burst(ROUTER, &[invite(V), sent(peer, at(V, port), ACK, 71 + round), invite(V)]);
        }
        let quoted = sent(at(V, port), peer, ACK, 11);
        self.one(ROUTER, Build::icmp_error(R, V, 3, 1, &quoted));
        self.one(HOST_B, sent(at(B, 33_001), peer, SYN, 10).payload(&text(1_200)));
        port
    }

    /// Connections that end and begin anew on the same ports, after which the port outside is another one's.
    fn reopened(&mut self, port: u16) {
        let (peer, own) = (at(PEER, 162), at(B, 33_000));
        self.burst(HOST_B, &[Build::tcp(own, peer, Flags::RST, 11, 0), Build::tcp(own, peer, SYN, 900, 0)]);
        self.burst(HOST_B, &[Build::tcp(own, peer, SYN, 900, 0), Build::tcp(own, peer, ACK, 901, 71)]);
        self.burst(ROUTER, &[Build::tcp(peer, at(V, port), Flags::RST, 71, 0), invite(V)]);
    }

    /// A member calls its own virtual address, from a port that becomes another one and from the service port.
    fn hairpins(&mut self) {
        let there = |port| Build::udp(at(B, port), at(V, 5060)).payload(b"OPTIONS");
        let datagram = source_port(&self.one(HOST_B, there(33_000))[0]);
        self.burst(HOST_B, &[there(33_000), there(33_000), ok(B)]);
        self.burst(HOST_A, &[ok(A), Build::udp(at(A, 5060), at(V, datagram)).payload(b"200"), ok(A)]);
        let sent = |flags, seq| Build::tcp(at(B, 33_000), at(V, 5060), flags, seq, if flags == SYN { 0 } else { 10 });
        let segment = source_port(&self.one(HOST_B, sent(SYN, 1))[0]);
        self.one(HOST_A, Build::tcp(at(A, 5060), at(V, segment), SYN_ACK, 9, 2));
        for _ in 0..3 {
            self.burst(HOST_B, &[sent(ACK, 2), ok(B)]);
            self.burst(HOST_A, &[Build::tcp(at(A, 5060), at(V, segment), ACK, 10, 2), ok(A)]);
        }
        self.burst(HOST_A, &[Build::udp(at(A, 5060), at(V, 5060)).payload(b"OPTIONS"), ok(A)]);
        assert!(![datagram, segment].contains(&33_000));
    }

    /// What is refused, routed as it is, or comes in fragments.
    fn others(&mut self) {
        self.burst(ROUTER, &[Build::udp(at(PHONE, 7_000), at(V, 9_999)), invite(V)]);
        self.burst(ROUTER, &[Build::tcp(at(PHONE, 7_001), at(V, 5060), ACK, 7, 7), invite(V)]);
        self.burst(ROUTER, &[Build::udp(at(VISITOR, 7_002), at(A, 161)), Build::udp(at(PHONE, 5060), at(A, 5060))]);
        self.burst(HOST_A, &[Build::udp(at(A, 161), at(VISITOR, 7_002)), Build::udp(at(A, 5060), at(V, 7_003)), ok(A)]);
        for _ in 0..3 {
            self.burst(HOST_A, &[Build::udp(at(A, 7_004), at(CONFIG, 2020)), Build::udp(at(A, 5060), at(B, 7_005))]);
        }
        let sctp = |src: &str, dst: &str| {
            Build::other(src, dst, 132).payload(&[SCTP_PORT.to_be_bytes(), [0x1f, 0x90], [0, 1], [0, 2]].concat())
        };
        for _ in 0..3 {
            self.burst(HOST_A, &[sctp(A, PEER), sctp(A, CONFIG), ok(A)]);
            self.burst(ROUTER, &[sctp(PEER, V), invite(V)]);
        }
        let mut pieces = self.lab.pieces(ROUTER, &request(V, 4_000), PIECE);
        let outward = Build::udp(at(B, 33_000), at(PEER, 162)).payload(&text(4_000));
        for (from, mut pieces) in
            [(ROUTER, std::mem::take(&mut pieces)), (HOST_B, self.lab.pieces(HOST_B, &outward, PIECE))]
        {
            pieces.reverse();
            for piece in pieces {
                let out = self.lab.raw(from, &piece).0;
                self.frames.push(piece);
                self.frames.extend(out.into_iter().map(|(_, frame)| frame));
            }
        }
    }

    fn tell(&mut self) {
        self.services();
        self.outward(Protocol::Udp);
        let port = self.outward(Protocol::Tcp);
        self.hairpins();
        self.others();
        // By another snapshot nothing is cached any more; by the one after, whoever was active is lost.
        self.lab.rig.publish();
        self.services();
        self.outward(Protocol::Udp);
        self.reopened(port);
        let out = self.lab.rig.switch_over(Some(MemberId(1)), true);
        self.frames.extend(out.into_iter().map(|(_, frame)| frame));
        self.services();
        self.hairpins();
        self.others();
    }
}

/// Packets by their ports, seen by a capture that may pass over what has none of these, and by one that looks at everything.
#[test]
fn s102_a_capture_by_port_sees_all_that_has_it_before_or_after_whatever_translation_does() {
    let captured = |selections: &[Selection]| {
        let mut story = Story { lab: Lab::new(Layout::TwoArm), frames: Vec::new() };
        let selections = selections.iter().cloned();
        let mut watches: Vec<_> = selections.map(|one| Watch::begin(&mut story.lab, one, 4_096)).collect();
        story.tell();
        let seen: Vec<Vec<Seen>> = watches.iter_mut().map(Watch::seen).collect();
        (story.frames, seen)
    };
    let (frames, _) = captured(&[]);
    let packets = frames.iter().filter_map(|frame| Packet::parse(frame).ok());
    let mut ports: BTreeSet<u16> = packets.flat_map(|packet| [packet.src_port(), packet.dst_port()]).collect();
    // Such as the beginning of an ICMP error of ours.
    ports.extend([9, 0x0303, 0x0b00, SCTP_PORT]);
    ports.remove(&0);
    assert!(ports.len() > 16, "{ports:?}");
    let numberless = |seen: &[Seen]| {
        let frame = |one: &Seen| Seen { packet: (one.packet.0, 0), ..one.clone() };
        seen.iter().map(frame).collect::<Vec<_>>()
    };
    for port in ports {
        let whole = Selection { program: Some(of_port(port)), ..Selection::default() };
        let only = of_ports(whole.program.as_ref().unwrap().ports());
        assert_eq!(only.ports, Some(vec![port]));
        let passing = Selection { only, ..whole.clone() };
        let (all, looked) = captured(&[whole]);
        let (same, passed) = captured(std::slice::from_ref(&passing));
        assert_eq!(all.len(), same.len());
        assert_eq!(numberless(&passed[0]), numberless(&looked[0]), "port {port}");
        assert_eq!(looked[0].is_empty(), [9, 0x0303, 0x0b00].contains(&port), "port {port}");
        // Beside one of another port, and of a host.
        let other = Selection { only: of_ports(Some(vec![9])), ..Selection::default() };
        let (_, passed) = captured(&[passing, other]);
        assert_eq!(numberless(&passed[0]), numberless(&looked[0]), "port {port} beside another one");
    }
}

fn of_ports(ports: Option<Vec<u16>>) -> Only {
    Only { addresses: None, ports }
}

/// As of hosts: whether those packets were looked at that cannot get the port shows by what is asked for besides.
#[test]
fn s102_a_packet_that_keeps_clear_of_a_port_is_passed_over() {
    let mut story = Story { lab: Lab::new(Layout::TwoArm), frames: Vec::new() };
    let is_alone = is_alone(&mut story.lab);
    let mut watch =
        Watch::begin(&mut story.lab, Selection { only: of_ports(Some(vec![9])), ..Selection::default() }, 4_096);
    let is_passed = |seen: &[Seen]| seen.is_empty() || !is_alone;
    let data = |src: &str, port| Build::udp(at(src, port), at(PEER, 162)).payload(b"trap");
    let excluded = Build::udp(at(A, 7_004), at(CONFIG, 2020));
    // What makes a flow or meets one for the first time is looked at, and then no more.
    for (from, packet, looked_at) in [
        (ROUTER, invite(V), 0),
        (HOST_A, ok(A), 0),
        (HOST_A, data(A, 33_000), 2),
        (HOST_B, data(B, 33_000), 2),
        (HOST_A, excluded, 1),
        (ROUTER, Build::udp(at(PHONE, 9), at(V, 5060)), 9),
        (HOST_B, Build::udp(at(B, 5070), at(V, 5060)), 9),
        (ROUTER, Build::icmp_error(R, V, 3, 1, &data(V, 33_000)), 9),
    ] {
        for round in 0..4 {
            story.one(from, packet.clone());
            let seen = watch.seen();
            assert!(
                if round < looked_at { !seen.is_empty() } else { is_passed(&seen) },
                "{packet:?}, {round}: {seen:#?}"
            );
        }
    }
    // One that is looked at does not keep the others of its burst from being passed over.
    let out = story.burst(ROUTER, &[invite(V), Build::udp(at(PHONE, 9), at(V, 5060)), invite(V)]);
    assert_eq!((out.len(), watch.seen().len() == 2), (3, is_alone));
    // Nor does it matter how many ports are meant.
    let ports = (1_000..1_040).chain([5060 + 64]).collect();
    let mut many =
        Watch::begin(&mut story.lab, Selection { only: of_ports(Some(ports)), ..Selection::default() }, 4_096);
    story.one(ROUTER, Build::udp(at(PHONE, 5_990), at(V, 5060)));
    assert!(!many.seen().is_empty(), "beyond eight, the last six bits are all that is asked");
    story.one(ROUTER, Build::udp(at(PHONE, 1_001), at(V, 5060)));
    assert!(!many.seen().is_empty());
}
