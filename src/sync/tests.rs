//! What is said is understood again, and nothing else is.

use super::message::{FLOWS, moved};
use super::*;
use crate::flow::{Direction, FlowRecord, PathKind, State as TcpState, TrackRecord};
use crate::time::{Duration, Instant};
use crate::wire::{Endpoint, Protocol, Tuple};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

fn tuple() -> impl Strategy<Value = Tuple> {
    let end = || (any::<u32>(), any::<u16>()).prop_map(|(addr, port)| Endpoint::new(Ipv4Addr::from_bits(addr), port));
    (any::<u8>(), end(), end()).prop_map(|(protocol, src, dst)| Tuple::new(Protocol::of(protocol), src, dst))
}

fn instant() -> impl Strategy<Value = Instant> {
    (0_u64..1 << 60).prop_map(Instant::from_nanos)
}

fn flow() -> impl Strategy<Value = FlowRecord> {
    (tuple(), tuple(), instant(), any::<Option<u16>>(), any::<[u32; 4]>()).prop_map(
        |(one, other, seen, port, numbers)| {
            let track = TrackRecord {
                state: TcpState::HalfClosed(Direction::Reply),
                known: 0x1f,
                end: [numbers[0], numbers[1]],
                ack: [numbers[2], numbers[3]],
            };
            FlowRecord {
                keys: [one, Tuple { protocol: one.protocol, ..other }],
                path: PathKind::Outbound,
                inside: Direction::Original,
                member: Some([10, 20, 0, 11].into()),
                opener: None,
                generation: numbers[0],
                opener_generation: 0,
                snat_port: port,
                is_counted: false,
                track: (one.protocol == Protocol::Tcp).then_some(track),
                seen,
                place: numbers[1] >> 2,
            }
        },
    )
}

fn message() -> impl Strategy<Value = Message> {
    let hello = (any::<String>(), any::<u64>(), any::<u64>());
    let topic = prop_oneof![Just(Topic::Management), Just(Topic::Configuration)];
    prop_oneof![
        hello.prop_map(|(name, process, snat_seed)| Message::Hello(Box::new(Hello { name, process, snat_seed }))),
        (topic, any::<bool>(), any::<String>()).prop_map(|(topic, last, text)| Message::Text(topic, last, text)),
        any::<bool>().prop_map(Message::Role),
        any::<u32>().prop_map(Message::Begin),
        (instant(), proptest::collection::vec(flow(), 0..20)).prop_map(|(at, records)| Message::Flows(at, records)),
        proptest::collection::vec(tuple(), 0..50).prop_map(Message::Gone),
        any::<u16>().prop_map(Message::AllSpeakers),
        any::<u32>().prop_map(Message::Copied),
        any::<u32>().prop_map(Message::Taken),
        Just(Message::Beat),
    ]
}

proptest! {
    /// And of what is cut nothing is understood, nor of what is lost, doubled or changed in a bit.
    #[test]
    fn what_is_said_is_understood(messages in proptest::collection::vec(message(), 1..6), at: prop::sample::Index, bit in 0..8_u8) {
        let mut bytes = Vec::new();
        let ends: Vec<usize> = messages.iter().zip(0..).map(|(message, number)| {
            message.put(number, &mut bytes);
            bytes.len()
        }).collect();
        let (mut from, mut known) = (0, 0);
        for (message, number) in messages.iter().zip(0..) {
            let (taken, size) = Message::take(&bytes[from..], number).unwrap().unwrap();
            prop_assert_eq!((&taken, from + size), (message, ends[number as usize]));
            // The next one in its place, as if this one were lost.
            prop_assert!(Message::take(&bytes[from..], number + 1).is_err());
            for cut in from..from + size {
                prop_assert_eq!(Message::take(&bytes[from..cut], number), Ok(None));
            }
            from += size;
        }
        let place = at.index(bytes.len());
        bytes[place] ^= 1 << bit;
        let mut from = 0;
        while let Ok(Some((taken, size))) = Message::take(&bytes[from..], known) {
            prop_assert_eq!(&taken, &messages[known as usize]);
            (from, known) = (from + size, known + 1);
        }
        prop_assert!(from <= place, "nothing is understood from the changed byte on");
    }

    /// Any bytes at all.
    #[test]
    fn foreign_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..4_000)) {
        let mut sync = Sync::new(Vec::new(), Hello::default());
        sync.connected(Instant::ZERO);
        let refused = sync.receive(&bytes, Instant::ZERO);
        prop_assert!(bytes.len() < 10 || refused.is_err() || bytes.starts_with(b"FLEADSY\n"));
    }
}

/// The largest frame there is holds as many flows as are put into one, and no byte more than a frame may have.
#[test]
fn a_full_frame_is_understood() {
    let end = |port| Endpoint::new([10, 20, 0, 11].into(), port);
    let key = Tuple::new(Protocol::Udp, end(1), end(2));
    let flow = FlowRecord {
        keys: [key, key.reversed()],
        path: PathKind::Outbound,
        inside: Direction::Original,
        member: None,
        opener: None,
        generation: 0,
        opener_generation: 0,
        snat_port: Some(1),
        is_counted: false,
        track: None,
        seen: Instant::ZERO,
        place: 0,
    };
    let message = Message::Flows(Instant::from_millis(5), vec![flow; FLOWS]);
    let mut bytes = Vec::new();
    message.put(0, &mut bytes);
    assert!(bytes.len() <= 64 << 10);
    assert_eq!(Message::take(&bytes, 0), Ok(Some((message, bytes.len()))));
}

#[test]
fn a_moment_is_known_by_its_age() {
    let at = Instant::from_millis;
    assert_eq!(moved(at(7_000), at(9_000), at(50_000)), at(48_000));
    assert_eq!(moved(at(9_500), at(9_000), at(50_000)), at(50_000), "what is said to come is now");
    assert_eq!(moved(at(1), at(9_000_000), at(50)), Instant::ZERO);
    assert_eq!(moved(at(1_000), at(2_000), at(3_000)) + Duration::from_secs(1), at(3_000));
}

fn hello() -> Hello {
    Hello { name: "lead-2".into(), process: 2, snat_seed: 0 }
}

fn begun(messages: &[Message]) -> Vec<u8> {
    let mut bytes = b"FLEADSY\n\x01\x00".to_vec();
    messages.iter().zip(0..).for_each(|(message, number)| message.put(number, &mut bytes));
    bytes
}

#[test]
fn who_is_not_the_other_one_is_refused_in_words() {
    let refused = |bytes: &[u8]| {
        let mut sync = Sync::new(Vec::new(), Hello { process: 1, ..Hello::default() });
        sync.connected(Instant::ZERO);
        sync.receive(bytes, Instant::ZERO).map_err(|why| why.to_string())
    };
    assert_eq!(refused(b"HTTP/1.1 400"), Err("what answers is no Fairlead of a pair".into()));
    let other = "the other appliance speaks format 2 of the sync, and this version knows format 1: run the same version on both";
    assert_eq!(refused(b"FLEADSY\n\x02\x00"), Err(other.into()));
    let own = Message::Hello(Box::new(Hello { process: 1, ..Hello::default() }));
    assert_eq!(refused(&begun(&[own])), Err("it is this appliance itself: `peer` is the other one's address".into()));
    let early = "frame 0 may not come there: nobody has said who speaks";
    assert_eq!(refused(&begun(&[Message::Beat])), Err(early.into()));
    let ahead = "frame 1 may not come there: it is taken in before it was sent";
    let said = [Message::Hello(Box::new(hello())), Message::Taken(9)];
    assert_eq!(refused(&begun(&said)), Err(ahead.into()));
    assert_eq!(refused(&begun(&[Message::Hello(Box::new(hello())), Message::Beat])), Ok(()));
}

#[test]
fn whoever_is_not_heard_is_away() {
    let mut sync = Sync::new(Vec::new(), Hello { process: 1, ..Hello::default() });
    sync.connected(Instant::ZERO);
    sync.receive(&begun(&[Message::Hello(Box::new(hello()))]), Instant::from_millis(10)).unwrap();
    assert_eq!(sync.next_news(), Some(News::Up(Box::new(hello()))));
    assert_eq!(sync.poll(Instant::from_millis(900)), Ok(()));
    let silence = Duration::from_millis(901);
    assert_eq!(sync.poll(Instant::from_millis(911)), Err(Refusal::Silent { silence }));
    sync.disconnected("it is away", Instant::from_millis(911));
    assert_eq!(sync.next_news(), Some(News::Down("it is away".into())));
    assert_eq!(sync.state(Instant::from_millis(911)), State::Away);
}

/// Anybody may come to the port while the two talk: that is no trouble of theirs, and not why they do not talk later.
#[test]
fn s188_who_is_refused_while_there_is_a_connection_is_no_reason_that_there_is_none() {
    let now = Instant::from_millis(5);
    let reason = |side: &Sync| side.report(now).last_error;
    let mut alone = Sync::new(Vec::new(), Hello { process: 1, ..Hello::default() });
    alone.stranger_failed("a stranger says nothing".into());
    assert_eq!(reason(&alone).as_deref(), Some("a stranger says nothing"), "nothing better is known");
    alone.failed("it cannot be reached".into());
    alone.stranger_failed("another one says nothing".into());
    assert_eq!(reason(&alone).as_deref(), Some("it cannot be reached"));
    let [mut one, _] = two_connected(now);
    one.failed("refused".into());
    one.stranger_failed("a stranger says nothing".into());
    assert_eq!(reason(&one), None);
    one.disconnected("it is away", now);
    one.stranger_failed("a stranger says nothing".into());
    assert_eq!(reason(&one).as_deref(), Some("it is away"));
    one.failed("it cannot be reached".into());
    assert_eq!(reason(&one).as_deref(), Some("it cannot be reached"));
    one.connected(now);
    one.disconnected("it is away again", now);
    assert_eq!(reason(&one).as_deref(), Some("it is away again"));
}

/// Each side finds in what they differ, whoever says it first, and again when one has another configuration.
#[test]
fn s146_both_know_in_what_their_configurations_differ() {
    let digests = |number| BTreeMap::from([("timeouts: udp".to_owned(), number), ("snat: exclude".to_owned(), 1)]);
    let now = Instant::from_millis(5);
    let side = |process| Sync::new(Vec::new(), Hello { process, ..Hello::default() });
    let (mut one, mut other) = (side(1), side(2));
    let talk = |one: &mut Sync, other: &mut Sync| {
        for _ in 0..2 {
            let bytes = one.output().map(std::mem::take).unwrap_or_default();
            other.receive(&bytes, now).unwrap();
            let bytes = other.output().map(std::mem::take).unwrap_or_default();
            one.receive(&bytes, now).unwrap();
        }
    };
    one.set_configuration(digests(1), now);
    one.connected(now);
    other.connected(now);
    talk(&mut one, &mut other);
    assert_eq!((one.report(now).differences, other.report(now).differences), (None, None));
    other.set_configuration(digests(2), now);
    talk(&mut one, &mut other);
    for side in [&one, &other] {
        let differ = side.report(now).differences.unwrap();
        assert_eq!((differ.keys.as_slice(), differ.count), (["timeouts: udp".to_owned()].as_slice(), 1));
    }
    one.set_configuration(digests(2), now);
    talk(&mut one, &mut other);
    for side in [&one, &other] {
        assert_eq!(side.report(now).differences.unwrap().count, 0);
    }
    let text = "word ".repeat(100_000);
    assert!(one.say(&text, now) && !one.say(&"a".repeat(LONGEST + 1), now));
    talk(&mut one, &mut other);
    assert!(std::iter::from_fn(|| other.next_news()).any(|news| news == News::Word(text.clone())));
    one.disconnected("cut", now);
    assert!(one.report(now).differences.is_none() && !one.say("word", now));
}

/// What one says is at the other.
fn carry(from: &mut Sync, to: &mut Sync, now: Instant) -> Result<(), Refusal> {
    let bytes = from.output().map(std::mem::take).unwrap_or_default();
    to.receive(&bytes, now)
}

fn two_connected(now: Instant) -> [Sync; 2] {
    let mut two = [1, 2].map(|process| Sync::new(Vec::new(), Hello { process, ..Hello::default() }));
    two.iter_mut().for_each(|side| side.connected(now));
    let [one, other] = &mut two;
    carry(one, other, now).unwrap();
    carry(other, one, now).unwrap();
    two
}

/// And no more is read then; where the connection ends, what nobody has asked for ends with it.
#[test]
fn s134_news_that_nobody_asks_for_wait_and_none_is_dropped() {
    let now = Instant::from_millis(5);
    let [mut one, mut other] = two_connected(now);
    let words: Vec<String> = (0..50_000).map(|at| format!("word {at}")).collect();
    assert!(words.iter().all(|word| one.say(word, now)));
    carry(&mut one, &mut other, now).unwrap();
    assert!(!other.wants_bytes() && other.is_busy());
    assert_eq!(other.poll(now + Duration::from_secs(9)), Ok(()), "who is not listened to is not away");
    let mut heard = Vec::new();
    while heard.len() < words.len() {
        let before = heard.len();
        while let Some(news) = other.next_news() {
            heard.extend(if let News::Word(text) = news { Some(text) } else { None });
        }
        assert!(heard.len() > before && heard.len() - before <= 64);
        other.poll(now).unwrap();
    }
    assert!(heard == words);
    assert!(other.wants_bytes() && !other.is_busy() && !other.has_news());
    for _ in 0..3 {
        words.iter().take(100).for_each(|word| _ = one.say(word, now));
        carry(&mut one, &mut other, now).unwrap();
        for side in [&mut one, &mut other] {
            side.disconnected("cut", now);
            side.connected(now);
        }
        carry(&mut one, &mut other, now).unwrap();
    }
    let told: Vec<News> = std::iter::from_fn(|| other.next_news()).collect();
    let up = News::Up(Box::new(Hello { process: 1, ..Hello::default() }));
    assert_eq!(told, [News::Down("cut".into()), up]);
}

/// A few long texts are as much as many short ones.
#[test]
fn s134_texts_that_nobody_asks_for_are_bounded_in_bytes() {
    let now = Instant::from_millis(5);
    let [mut one, mut other] = two_connected(now);
    _ = other.next_news();
    let long = "a".repeat(LONGEST / 2);
    for _ in 0..3 {
        assert!(one.say(&long, now));
        carry(&mut one, &mut other, now).unwrap();
    }
    assert_eq!(
        (other.next_news(), other.next_news()),
        (Some(News::Word(long.clone())), Some(News::Word(long.clone())))
    );
    assert_eq!((other.has_news(), other.is_busy()), (false, true));
    other.poll(now).unwrap();
    assert_eq!(other.next_news(), Some(News::Word(long)));
}

#[test]
fn s134_a_connection_that_is_not_read_is_ended() {
    let now = Instant::from_millis(5);
    let [mut one, _] = two_connected(now);
    let long = "a".repeat(LONGEST);
    assert!((0..2).all(|_| one.say(&long, now)));
    assert_eq!(one.poll(now), Ok(()), "so much may wait");
    assert!(one.say(&long, now));
    let bytes = one.output().unwrap().len();
    assert_eq!(one.poll(now), Err(Refusal::NotRead { bytes }));
    assert!((0..9).all(|_| !one.say(&long, now)));
    one.set_configuration(BTreeMap::from([("timeouts: udp".to_owned(), 1)]), now);
    assert_eq!(one.output().unwrap().len(), bytes, "nothing more is kept for it");
    one.sent(bytes);
    assert_eq!(one.poll(now), Err(Refusal::NotRead { bytes: 0 }), "a text is missing");
    one.disconnected("it does not read", now);
    one.connected(now);
    assert!(one.poll(now) == Ok(()) && one.say(&long, now));
}

#[test]
fn s136_who_speaks_is_said_once() {
    let refused = |next: Hello| {
        let mut sync = Sync::new(Vec::new(), Hello { process: 1, ..Hello::default() });
        sync.connected(Instant::ZERO);
        let said = [hello(), next].map(|hello| Message::Hello(Box::new(hello)));
        let outcome = sync.receive(&begun(&said), Instant::ZERO).map_err(|why| why.to_string());
        outcome.map(|()| std::iter::from_fn(|| sync.next_news()).count())
    };
    assert_eq!(refused(hello()), Err("frame 1 may not come there: that was said before".into()));
    let other = "frame 1 may not come there: another process speaks";
    assert_eq!(refused(Hello { process: 3, ..hello() }), Err(other.into()));
    assert_eq!(refused(Hello { name: "lead-3".into(), ..hello() }), Ok(2));
}

/// Of a configuration of which one text does not have room, things are compared.
#[test]
fn s146_configurations_that_are_too_long_for_a_text_are_compared_by_thing() {
    let now = Instant::from_millis(5);
    let digests = |last: u64| {
        let thing = |at| format!("pool {at:010000}");
        let keys = (0..100).flat_map(|at| (0..20).map(move |key| (format!("{}: key {key}", thing(at)), 1 << 60)));
        keys.chain([("timeouts: udp".to_owned(), last)]).collect::<BTreeMap<String, u64>>()
    };
    let [mut one, mut other] = two_connected(now);
    one.set_configuration(digests(1), now);
    for (last, expected) in [(2, vec!["timeouts".to_owned()]), (1, Vec::new())] {
        other.set_configuration(digests(last), now);
        carry(&mut one, &mut other, now).unwrap();
        carry(&mut other, &mut one, now).unwrap();
        for side in [&one, &other] {
            assert_eq!(side.report(now).differences.map(|differ| differ.keys.clone()), Some(expected.clone()));
        }
    }
}
