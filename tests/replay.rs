//! Scenario 103: a capture file through an appliance built of a file. Captures are made of frames by hand; what is written is compared
//! whole, frame by frame.

use fairlead::capture_file::{Direction, Packet, Reader, Section, Writer};
use fairlead::config::{self, Configuration};
use fairlead::replay::{Moment, NeighbourSource, Replay, ReplayError, ReplaySummary, Settings, Source, Target};
use fairlead::wire::build::Build;
use fairlead::wire::tcp::Flags;
use fairlead::wire::{Mac, Packet as Facts};
use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::rc::Rc;
use std::time::Duration;
use testbench::bench::File;
use testbench::fragments::text;
use testbench::places::{A, B, PEER, PHONE, R, SYN, V, at};

const OUTER: Mac = Mac([0x00, 0x1b, 0x21, 0, 0, 1]);
const INNER: Mac = Mac([0x00, 0x1b, 0x21, 0, 0, 2]);
const ROUTER: Mac = Mac([0x00, 0x50, 0x56, 0, 2, 1]);
const HOST_A: Mac = Mac([0x00, 0x50, 0x56, 0, 0, 11]);
const HOST_B: Mac = Mac([0x00, 0x50, 0x56, 0, 0, 12]);

/// 2026-11-20 12:00:00, in nanoseconds.
const NOON: u64 = 1_795_176_000_000_000_000;
const MS: u64 = 1_000_000;

fn two_arm() -> Configuration {
    of(&File::two_arm())
}

fn of(file: &File) -> Configuration {
    config::parse("replay.toml", &file.0).unwrap_or_else(|errors| panic!("{errors}"))
}

fn plain() -> Settings {
    Settings {
        interfaces: Vec::new(),
        macs: Vec::new(),
        neighbours: NeighbourSource::Assumed,
        active: Vec::new(),
        down: Vec::new(),
        switchovers: Vec::new(),
        any_id: false,
    }
}

/// From whom to whom on the link.
fn from_router(build: Build) -> Vec<u8> {
    build.macs(ROUTER, OUTER).bytes()
}

fn from_a(build: Build) -> Vec<u8> {
    build.macs(HOST_A, INNER).bytes()
}

fn to_router(build: Build) -> Vec<u8> {
    build.macs(OUTER, ROUTER).bytes()
}

fn to_a(build: Build) -> Vec<u8> {
    build.macs(INNER, HOST_A).bytes()
}

fn to_b(build: Build) -> Vec<u8> {
    build.macs(INNER, HOST_B).bytes()
}

/// Frames of a capture and their times.
type Frames = Vec<(u64, Vec<u8>)>;

/// A pcap file of nanoseconds, whose only interface has no name.
fn pcap(frames: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut file = Vec::new();
    [0xa1b2_3c4d, 0x0004_0002, 0, 0, 262_144, 1_u32].iter().for_each(|word| file.extend(word.to_le_bytes()));
    for (at, frame) in frames {
        let [seconds, rest] = [at / 1_000_000_000, at % 1_000_000_000].map(|part| part as u32);
        let length = frame.len() as u32;
        [seconds, rest, length, length].iter().for_each(|word| file.extend(word.to_le_bytes()));
        file.extend(frame);
    }
    file
}

/// A pcapng file of interfaces with names.
fn pcapng(names: &[&str], frames: &[(u32, u64, Vec<u8>)]) -> Vec<u8> {
    let section = Section { application: "test", comment: "", snap_length: 262_144 };
    let mut writer = Writer::new(Vec::new(), &section, names.iter().copied()).unwrap();
    for (interface, at, bytes) in frames {
        let (interface, at) = (*interface, *at);
        let packet = Packet { interface, at, direction: None, drops: 0, comment: "", original_length: 0, bytes };
        writer.packet(&packet).unwrap();
    }
    writer.into_inner()
}

#[derive(Clone, Default)]
struct Buffer(Rc<RefCell<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A frame of what was written: interface, after how many nanoseconds, inbound, comment, bytes.
type Line = (String, u64, bool, String, Vec<u8>);

fn run(
    configuration: &Configuration,
    settings: &Settings,
    capture: &[u8],
    expect: Option<&[u8]>,
) -> Result<(ReplaySummary, Vec<u8>), ReplayError> {
    let buffer = Buffer::default();
    let out = buffer.clone();
    let again = |bytes: &[u8]| -> io::Result<Box<dyn Read>> { Ok(Box::new(io::Cursor::new(bytes.to_vec()))) };
    let (open, open_expected) = (|| again(capture), || again(expect.unwrap_or_default()));
    let replay = Replay {
        intent: &configuration.intent,
        settings,
        capture: Source { name: "in.pcap".into(), open: &open },
        expect: expect.map(|_| Source { name: "expected.pcapng".into(), open: &open_expected }),
        output: Some(Target {
            name: "out.pcapng".into(),
            create: Box::new(move || Ok(Box::new(out) as Box<dyn Write>)),
        }),
        comment: "replay of in.pcap".into(),
    };
    let summary = replay.run(&mut |_| {})?;
    Ok((summary, buffer.0.take()))
}

fn lines(written: &[u8]) -> Vec<Line> {
    let mut reader = Reader::new(written).unwrap();
    let mut lines = Vec::new();
    while let Some(packet) = reader.next_packet().unwrap() {
        let name = packet.described.name.clone().unwrap();
        let comment = packet.comment().unwrap().into_owned();
        let is_inbound = packet.direction == Some(Direction::Inbound);
        lines.push((name, packet.at.unwrap() - NOON, is_inbound, comment, packet.bytes.to_vec()));
    }
    lines
}

/// Runs a capture, and compares everything that is written.
#[track_caller]
fn writes(settings: &Settings, capture: &[u8], expected: &[(&str, u64, bool, &str, Vec<u8>)]) -> ReplaySummary {
    let (summary, written) = run(&two_arm(), settings, capture, None).unwrap_or_else(|why| panic!("{why}"));
    let lines = lines(&written);
    for (line, (name, at, is_inbound, comment, frame)) in lines.iter().zip(expected) {
        let mut frame = frame.clone();
        // The identification of what leaves from a virtual address is chosen by the appliance.
        if !is_inbound && Facts::parse(&frame).is_ok_and(|packet| packet.src().to_string() == V && !packet.atomic) {
            frame[18..20].copy_from_slice(&line.4[18..20]);
            fairlead::wire::build::mend_ip(&mut frame, 14);
        }
        assert_eq!(*line, ((*name).to_owned(), *at, *is_inbound, (*comment).to_owned(), frame), "{lines:#?}");
    }
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    summary
}

fn request(dst: &str) -> Build {
    Build::udp(at(PHONE, 5060), at(dst, 5060)).id(7).payload(b"INVITE sip:1@x SIP/2.0\r\n\r\n")
}

fn answer(src: &str) -> Build {
    Build::udp(at(src, 5060), at(PHONE, 5060)).id(8).payload(b"SIP/2.0 200 OK\r\n\r\n")
}

fn trap(src: &str) -> Build {
    Build::udp(at(src, 33_000), at(PEER, 162)).id(9).payload(b"trap")
}

fn noted(dst: &str) -> Build {
    Build::udp(at(PEER, 162), at(dst, 33_000)).id(10).payload(b"noted")
}

#[test]
fn s103_a_call_and_what_a_member_opens_are_replayed_with_every_frame_translated() {
    let capture = pcap(&[
        (NOON, from_router(request(V))),
        (NOON + 20 * MS, from_a(answer(A))),
        (NOON + 30 * MS, from_a(trap(A))),
        (NOON + 40 * MS + 5, from_router(noted(V))),
    ]);
    let summary = writes(
        &plain(),
        &capture,
        &[
            ("clients", 0, true, "verdict=forward member=sip-a", from_router(request(V))),
            ("servers", 0, false, "frame=1 member=sip-a", to_a(request(A).ttl(63))),
            ("servers", 20 * MS, true, "verdict=forward member=sip-a", from_a(answer(A))),
            ("clients", 20 * MS, false, "frame=2", to_router(answer(V).ttl(63))),
            ("servers", 30 * MS, true, "verdict=forward member=sip-a", from_a(trap(A))),
            ("clients", 30 * MS, false, "frame=3", to_router(trap(V).ttl(63))),
            ("clients", 40 * MS + 5, true, "verdict=forward member=sip-a", from_router(noted(V))),
            ("servers", 40 * MS + 5, false, "frame=4 member=sip-a", to_a(noted(A).ttl(63))),
        ],
    );
    assert_eq!((summary.captured, summary.received, summary.forwarded), (4, 4, 4));
    assert_eq!((summary.answered, summary.originated, summary.waiting), (0, 0, 0));
    assert!(summary.dropped.is_empty() && summary.skipped.is_empty() && summary.notes.is_empty(), "{summary:?}");
    let macs: Vec<_> = summary.macs.iter().map(|row| (row.port.as_str(), row.mac.as_str(), row.from)).collect();
    assert_eq!(macs, [("outer", "00:1b:21:00:00:01", "capture"), ("inner", "00:1b:21:00:00:02", "capture")]);
}

#[test]
fn s103_fragments_wait_for_the_last_one_and_leave_together() {
    let large = |dst: &str| Build::udp(at(PHONE, 5060), at(dst, 5060)).id(0x1234).payload(&text(3_000));
    let pieces = large(V).macs(ROUTER, OUTER).fragments(1480);
    let out = large(A).ttl(63).macs(INNER, HOST_A).fragments(1480);
    let mut frames: Vec<(u64, Vec<u8>)> =
        pieces.iter().enumerate().map(|(at, piece)| (NOON + at as u64 * MS, piece.clone())).collect();
    frames.push((NOON + 9 * MS, from_a(answer(A))));
    let expected = [
        ("clients", 0, true, "verdict=wait", pieces[0].clone()),
        ("clients", MS, true, "verdict=wait", pieces[1].clone()),
        ("clients", 2 * MS, true, "verdict=forward member=sip-a", pieces[2].clone()),
        ("servers", 2 * MS, false, "frame=3 member=sip-a", out[0].clone()),
        ("servers", 2 * MS, false, "frame=3 member=sip-a", out[1].clone()),
        ("servers", 2 * MS, false, "frame=3 member=sip-a", out[2].clone()),
        ("servers", 9 * MS, true, "verdict=forward member=sip-a", from_a(answer(A))),
        ("clients", 9 * MS, false, "frame=4", to_router(answer(V).ttl(63))),
    ];
    let summary = writes(&plain(), &pcap(&frames), &expected);
    assert_eq!((summary.forwarded, summary.waiting), (4, 0));
}

#[test]
fn s103_errors_are_translated_and_what_is_dropped_has_its_reason() {
    let error = |from: &str, about: &str| Build::icmp_error(from, PHONE, 3, 1, &request(about)).id(5);
    let mut damaged = from_router(request(V));
    damaged[24] ^= 1;
    let nobody = Build::udp(at(PHONE, 4000), at(V, 9999)).id(11).payload(b"x");
    let refused = Build::icmp_error(V, PHONE, 3, 3, &nobody);
    let capture = pcap(&[
        (NOON, from_a(error(A, A))),
        (NOON + MS, damaged.clone()),
        (NOON + 2 * MS, from_router(nobody.clone())),
        (NOON + 3 * MS, from_router(Build::udp(at("127.0.0.1", 1), at(V, 5060)))),
    ]);
    let (summary, written) = run(&two_arm(), &plain(), &capture, None).unwrap();
    let lines = lines(&written);
    let comments: Vec<_> = lines.iter().map(|line| (line.0.as_str(), line.2, line.3.as_str())).collect();
    assert_eq!(
        comments,
        [
            ("servers", true, "verdict=forward member=sip-a"),
            ("clients", false, "frame=1"),
            ("clients", true, "verdict=drop reason=bad_ip_checksum"),
            ("clients", true, "verdict=reject reason=no_listener"),
            ("clients", false, "frame=3"),
            ("clients", true, "verdict=drop reason=martian_source"),
        ]
    );
    let translated = Facts::parse(&lines[1].4).unwrap();
    assert_eq!(lines[1].4, to_router(error(V, V).ttl(63).id(translated.id(&lines[1].4))));
    let (sent, expected) = (Facts::parse(&lines[4].4).unwrap(), Facts::parse(&to_router(refused)).unwrap());
    assert_eq!((sent.src(), sent.dst(), sent.kind), (expected.src(), expected.dst(), expected.kind));
    assert_eq!(lines[2].4, damaged);
    let rows: Vec<_> = summary.dropped.iter().map(|row| (row.reason.as_str(), row.frames, row.first)).collect();
    assert_eq!(rows.len(), 3);
    for row in [("bad_ip_checksum", 1, Some(2)), ("no_listener", 1, Some(3)), ("martian_source", 1, Some(4))] {
        assert!(rows.contains(&row), "{rows:?}");
    }
    assert_eq!((summary.forwarded, summary.originated), (1, 1));
}

/// What was captured on both sides of the appliance: what came in and what it sent.
fn both_sides() -> Frames {
    let asks = Build::arp_request(INNER, "10.20.0.1", A).macs(INNER, Mac::BROADCAST).bytes();
    let probe = Build::udp(at("10.20.0.1", 5070), at(A, 5060)).payload(b"OPTIONS");
    vec![
        (NOON, asks),
        (NOON + MS, to_a(probe)),
        (NOON + 2 * MS, from_router(request(V).df())),
        (NOON + 2 * MS + 9, to_a(request(A).df().ttl(63))),
        (NOON + 3 * MS, from_a(answer(A).df())),
        (NOON + 3 * MS + 9, to_router(answer(V).df().ttl(63))),
    ]
}

#[test]
fn s103_what_the_appliance_sent_itself_is_skipped_and_is_what_is_expected() {
    let capture = pcap(&both_sides());
    let (summary, written) = run(&two_arm(), &plain(), &capture, Some(&capture)).unwrap();
    assert_eq!((summary.captured, summary.received, summary.forwarded), (6, 2, 2));
    let skipped: Vec<_> = summary.skipped.iter().map(|row| (row.reason.as_str(), row.frames, row.first)).collect();
    assert_eq!(skipped, [("sent_by_appliance", 4, Some(1))]);
    assert_eq!((summary.compared, &summary.difference), (Some(2), &None));
    // What was written is itself what can be expected.
    let (again, _) = run(&two_arm(), &plain(), &capture, Some(&written)).unwrap();
    assert_eq!((again.compared, again.difference), (Some(2), None));
}

#[test]
fn s103_the_first_difference_is_named() {
    let capture = pcap(&both_sides());
    let expect = |change: &dyn Fn(&mut Frames)| {
        let mut frames = both_sides();
        change(&mut frames);
        let (summary, _) = run(&two_arm(), &plain(), &capture, Some(&pcap(&frames))).unwrap();
        summary.difference
    };
    let last = expect(&|frames| *frames[5].1.last_mut().unwrap() ^= 1).unwrap();
    assert_eq!((last.port.as_str(), last.frame, last.expected), ("outer", Some(5), Some(6)));
    assert!(
        last.says.starts_with("byte 59 is 0x0a, expected 0x0b: sent UDP 10.20.0.100:5060 > 172.16.5.5:5060"),
        "{last:?}"
    );
    let shorter = expect(&|frames| frames.truncate(5)).unwrap();
    assert_eq!((shorter.frame, shorter.expected), (Some(5), None));
    let more = expect(&|frames| frames.push((NOON + 9 * MS, to_router(trap(V))))).unwrap();
    assert_eq!((more.frame, more.expected), (None, Some(7)));
    assert!(more.says.starts_with("expected, and not sent: UDP 10.20.0.100:33000 > 172.16.9.9:162"), "{more:?}");
    let id = |frames: &mut Frames| frames[5].1 = to_router(answer(V).df().ttl(63).id(99));
    assert!(expect(&id).is_some());
    let mut frames = both_sides();
    id(&mut frames);
    let settings = Settings { any_id: true, ..plain() };
    let (summary, _) = run(&two_arm(), &settings, &capture, Some(&pcap(&frames))).unwrap();
    assert_eq!((summary.compared, summary.difference), (Some(2), None));
    let inbound = pcap(&[(NOON, from_router(request(V)))]);
    let why = run(&two_arm(), &plain(), &capture, Some(&inbound)).unwrap_err().to_string();
    assert!(why.starts_with("--expect expected.pcapng: none of its 1 frames is one that the appliance sends"), "{why}");
}

#[test]
fn s103_a_switchover_happens_at_its_time_and_members_are_as_is_said() {
    let frames = |times: [u64; 2]| {
        let mut frames = vec![(NOON, from_a(answer(A))), (NOON, answer(B).macs(HOST_B, INNER).bytes())];
        frames.extend(times.map(|at| (NOON + at, from_router(request(V)))));
        pcap(&frames)
    };
    let receivers = |settings: Settings, times| {
        let (_, written) = run(&two_arm(), &settings, &frames(times), None).unwrap();
        let lines = lines(&written).into_iter().filter(|line| line.0 == "servers" && !line.2);
        lines.map(|line| line.4).collect::<Vec<_>>()
    };
    let both = [to_a(request(A).ttl(63)), to_b(request(B).ttl(63))];
    let switchovers = |moment| vec![(moment, "sip-b".to_owned())];
    let by_span = Settings { switchovers: switchovers(Moment::After(Duration::from_secs(60))), ..plain() };
    assert_eq!(receivers(by_span, [59_999 * MS, 60_001 * MS]), both);
    let by_stamp = Settings { switchovers: switchovers(Moment::At(NOON + 500 * MS)), ..plain() };
    assert_eq!(receivers(by_stamp, [499 * MS, 501 * MS]), both);
    let late =
        |moment| run(&two_arm(), &Settings { switchovers: switchovers(moment), ..plain() }, &frames([0, MS]), None);
    for moment in [Moment::After(Duration::from_secs(60)), Moment::At(NOON + 60_000 * MS)] {
        let why = late(moment).expect_err("it would never happen").to_string();
        assert!(why.contains("at 60 s it would be behind the end of the capture, which is 0.001 s long"), "{why}");
    }
    let (summary, _) = late(Moment::After(Duration::from_secs(1))).unwrap();
    assert!(summary.notes.iter().any(|note| note.contains("switchovers after the last packet")), "{:?}", summary.notes);
    let twice = [both[1].clone(), both[1].clone()];
    assert_eq!(receivers(Settings { active: vec!["sip-b".into()], ..plain() }, [MS, 2 * MS]), twice);
    assert_eq!(receivers(Settings { down: vec!["sip-a".into()], ..plain() }, [MS, 2 * MS]), twice);
}

#[test]
fn s103_a_frame_waits_for_arp_where_only_arp_counts() {
    let reply = Build::arp_reply(HOST_A, A, INNER, "10.20.0.1").macs(HOST_A, INNER).bytes();
    let capture = pcap(&[(NOON, from_router(request(V))), (NOON + 7 * MS, reply.clone())]);
    let settings = Settings { neighbours: NeighbourSource::Arp, ..plain() };
    let expected = [
        ("clients", 0, true, "verdict=wait", from_router(request(V))),
        ("servers", 7 * MS, true, "verdict=punt reason=arp_neighbour member=sip-a", reply),
        ("servers", 7 * MS, false, "frame=2 member=sip-a", to_a(request(A).ttl(63))),
    ];
    writes(&settings, &capture, &expected);
    // Nobody shows his MAC: one is made up, and that is said.
    let (summary, written) = run(&two_arm(), &plain(), &pcap(&[(NOON, from_router(request(V)))]), None).unwrap();
    assert_eq!((summary.forwarded, lines(&written).len()), (1, 2));
    let note = "hosts that were sent something and whose MAC the capture does not show, so that it was made up: 1";
    assert_eq!(summary.notes, [note]);
    assert_eq!(summary.macs[1].from, "made up");
    // Or it is not: it waits for as long as a MAC is asked for, and is kept for whoever takes over.
    let learned = Settings { neighbours: NeighbourSource::Learned, ..plain() };
    let (summary, _) = run(&two_arm(), &learned, &pcap(&[(NOON, from_router(request(V)))]), None).unwrap();
    assert_eq!(summary.forwarded, 0);
}

#[test]
fn s103_time_passes_between_packets_and_after_the_last_and_never_runs_backwards() {
    // A SYN to a port where nobody listens is rejected after six seconds.
    let syn = Build::tcp(at(PHONE, 40_000), at(V, 9_999), SYN, 7, 0);
    let capture =
        pcap(&[(NOON, from_router(syn)), (NOON - MS, from_router(request(V))), (NOON + MS, from_a(answer(A)))]);
    let (summary, written) = run(&two_arm(), &plain(), &capture, None).unwrap();
    let lines = lines(&written);
    assert_eq!((lines[0].3.as_str(), lines[1].1), ("verdict=wait", 0));
    let late = lines.last().unwrap();
    assert!(!late.2 && late.3 == "frame=none" && (6_000 * MS..6_200 * MS).contains(&late.1), "{late:?}");
    assert_eq!((summary.originated, summary.waiting), (1, 0));
    assert!(summary.notes[0].starts_with("frames with a time before that of an earlier one"), "{:?}", summary.notes);
    assert!((summary.span_s - 0.001).abs() < 1e-9);
}

#[test]
fn s103_interfaces_go_by_name_by_what_is_said_and_by_source() {
    let frames = [(0, NOON, from_router(request(V))), (1, NOON, from_a(answer(A)))];
    let by_name = pcapng(&["clients", "servers"], &frames);
    let otherwise = pcapng(&["eth5", "eth6"], &frames);
    let said = |pairs: &[(&str, &str)]| Settings {
        interfaces: pairs.iter().map(|(captured, name)| ((*captured).into(), (*name).into())).collect(),
        ..plain()
    };
    let counts = |settings: &Settings, capture: &[u8]| run(&two_arm(), settings, capture, None).unwrap().0.forwarded;
    assert_eq!(counts(&plain(), &by_name), 2);
    assert_eq!(counts(&plain(), &otherwise), 2);
    assert_eq!(counts(&said(&[("eth5", "clients"), ("1", "inner")]), &otherwise), 2);
    let fails = |settings: &Settings| run(&two_arm(), settings, &otherwise, None).unwrap_err().to_string();
    assert_eq!(
        fails(&said(&[("eth5", "dmz")])),
        "--interface eth5=dmz: the configuration has no interface or port `dmz`: it has clients, servers"
    );
    assert_eq!(
        fails(&said(&[("eth7", "clients")])),
        "--interface eth7=..: in.pcap has no interface `eth7`: it has eth5, eth6"
    );
    let member = |settings: Settings| fails(&settings);
    assert_eq!(
        member(Settings { down: vec!["sip-c".into()], ..plain() }),
        "--down sip-c: the configuration has no member `sip-c`: it has sip-a, sip-b"
    );
    let both = ["sip-a".to_owned(), "sip-b".to_owned()];
    let two = member(Settings { active: both.to_vec(), ..plain() });
    assert_eq!(two, "--active sip-a and --active sip-b: both are of pool pair-1, which has one active member");
    let dead = member(Settings { active: both[..1].to_vec(), down: both.to_vec(), ..plain() });
    assert_eq!(dead, "member sip-a cannot be active and down: leave out --active or --down");
    let macs = vec![("dmz".to_owned(), OUTER)];
    assert!(member(Settings { macs, ..plain() }).starts_with("--mac dmz=..: the configuration has no interface"));
    let without_route = of(&File::two_arm().with("[[route]]\nto = \"default\"\nvia = \"192.0.2.1\"\n", ""));
    let why = run(&without_route, &plain(), &otherwise, None).unwrap_err().to_string();
    let expected = "in.pcap: frame 1 from 172.16.5.5: nothing says on which interface it came in, as no network and no route leads \
                    back to 172.16.5.5: name it by --interface eth5=NAME, where NAME is one of clients, servers";
    assert_eq!(why, expected);
}

#[test]
fn s103_frames_are_given_the_tag_of_their_interface_and_the_mac_that_is_said() {
    let tagged = of(&File(File::two_arm().0.replace("port = \"outer\"", "port = \"outer\"\nvlan = 120")));
    let capture = pcap(&[(NOON, from_router(request(V))), (NOON + MS, from_a(answer(A)))]);
    let other = Mac([2, 0, 0, 0, 9, 9]);
    let settings = Settings { macs: vec![("clients".into(), other)], ..plain() };
    let (summary, written) = run(&tagged, &settings, &capture, None).unwrap();
    let lines = lines(&written);
    assert_eq!(lines[0].4, request(V).macs(ROUTER, other).vlan(120).bytes());
    assert_eq!(lines[1].4, to_a(request(A).ttl(63)));
    let sent = Facts::parse(&lines[3].4).unwrap();
    assert_eq!(lines[3].4, answer(V).ttl(63).macs(other, ROUTER).vlan(120).id(sent.id(&lines[3].4)).bytes());
    assert_eq!(summary.notes.len(), 2, "{:?}", summary.notes);
    assert_eq!((summary.macs[0].mac.as_str(), summary.macs[0].from), ("02:00:00:00:09:09", "given"));
}

#[test]
fn s103_arp_and_pings_are_answered() {
    let asks = Build::arp_request(HOST_A, A, "10.20.0.1").macs(HOST_A, Mac::BROADCAST).bytes();
    let ping = Build::echo_request(R, "192.0.2.2", 1, 1).macs(ROUTER, OUTER).bytes();
    let capture = pcap(&[(NOON, asks), (NOON, ping), (NOON, from_a(answer(A)))]);
    let (summary, written) = run(&two_arm(), &plain(), &capture, None).unwrap();
    let lines = lines(&written);
    assert_eq!(lines[0].3, "verdict=answer member=sip-a");
    assert_eq!(lines[1].4, Build::arp_reply(INNER, "10.20.0.1", HOST_A, A).macs(INNER, HOST_A).bytes());
    assert_eq!((lines[2].3.as_str(), lines[3].3.as_str()), ("verdict=answer", "frame=2"));
    assert_eq!((summary.answered, summary.forwarded), (2, 1));
}

#[test]
fn s103_a_connection_of_a_lost_member_is_reset_by_the_switchover() {
    let syn = |dst: &str| Build::tcp(at(PHONE, 40_000), at(dst, 5060), SYN, 7, 0);
    let syn_ack = |src: &str| Build::tcp(at(src, 5060), at(PHONE, 40_000), SYN.with(Flags::ACK), 99, 8);
    let ack = |dst: &str| Build::tcp(at(PHONE, 40_000), at(dst, 5060), Flags::ACK, 8, 100);
    let capture = pcap(&[
        (NOON, from_router(syn(V))),
        (NOON + MS, from_a(syn_ack(A))),
        (NOON + 2 * MS, from_router(ack(V))),
        (NOON + 2_000 * MS, answer(B).macs(HOST_B, INNER).bytes()),
    ]);
    let switchovers = vec![(Moment::After(Duration::from_secs(1)), "sip-b".to_owned())];
    let (summary, written) = run(&two_arm(), &Settings { switchovers, ..plain() }, &capture, None).unwrap();
    let resets: Vec<Line> = lines(&written).into_iter().filter(|line| line.3.starts_with("frame=none")).collect();
    assert!(!resets.is_empty() && summary.originated == resets.len() as u64, "{resets:?}");
    let to_phone = resets.iter().find(|line| line.0 == "clients").expect("the client is reset as well");
    assert!((1_000 * MS..1_100 * MS).contains(&to_phone.1), "at the switchover: {}", to_phone.1);
}

/// A capture that is not there as a whole anywhere: one datagram after the other, from 60,000 phones in turn.
struct Endless {
    left: u64,
    sent: u64,
    /// Header and frame of the packet that is being read.
    record: Vec<u8>,
    at: usize,
}

impl Endless {
    fn of(packets: u64) -> Endless {
        let from = Build::udp(at(PHONE, 0), at(V, 5060)).no_checksum();
        let record = pcap(&[(NOON, from_router(from.payload(b"REGISTER sip:x SIP/2.0\r\n\r\n")))]);
        Endless { left: packets, sent: 0, record, at: 0 }
    }

    /// The next packet: its time, and the port it comes from.
    fn next(&mut self) {
        if self.sent == 1 {
            self.record.drain(..24);
        }
        let at = NOON + self.sent * 10_000;
        let head = if self.sent == 0 { 24 } else { 0 };
        let time = [at / 1_000_000_000, at % 1_000_000_000].map(|part| (part as u32).to_le_bytes()).concat();
        self.record[head..head + 8].copy_from_slice(&time);
        let port = 1_024 + (self.sent % 60_000) as u16;
        self.record[head + 50..head + 52].copy_from_slice(&port.to_be_bytes());
        (self.left, self.sent, self.at) = (self.left - 1, self.sent + 1, 0);
    }
}

impl Read for Endless {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.sent == 0 || self.at == self.record.len() {
            if self.left == 0 {
                return Ok(0);
            }
            self.next();
        }
        let count = into.len().min(self.record.len() - self.at);
        into[..count].copy_from_slice(&self.record[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// In kB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn s103_a_million_packets_take_no_more_memory_than_a_few() {
    let configuration = two_arm();
    let settings = plain();
    let open = || -> io::Result<Box<dyn Read>> { Ok(Box::new(Endless::of(1_000_000))) };
    let replay = Replay {
        intent: &configuration.intent,
        settings: &settings,
        capture: Source { name: "endless.pcap".into(), open: &open },
        expect: None,
        output: Some(Target { name: "nowhere".into(), create: Box::new(|| Ok(Box::new(io::sink()))) }),
        comment: String::new(),
    };
    let (mut early, mut most) = (0, 0);
    let summary = replay.run(&mut |progress| {
        if progress.replays && progress.packets.is_multiple_of(65_536) {
            most = most.max(resident());
            early = if progress.packets == 65_536 { most } else { early };
        }
    });
    let summary = summary.unwrap();
    assert_eq!((summary.captured, summary.forwarded), (1_000_000, 1_000_000));
    // Other tests of this process run beside it.
    assert!(early > 0 && most < early + 65_536, "{early} kB after the first part, {most} kB at most");
}
