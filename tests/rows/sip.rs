//! Scenario 100, statistics of SIP over UDP: what passes is counted, one transaction of so many, and leaves as if it had not been read.

use super::sharing::{W, ip, managers, taken_from, three};
use super::*;
use fairlead::policy::intent::{Mode, Persistence};
use fairlead::time::Duration;
use fairlead::wire::Endpoint;
use fairlead::wire::build::Build;
use fairlead::wire::summary::Method;
use fairlead::worker::sip::{AskedBy, CODES, Refreshes, Row, RowKey};
use fairlead::worker::{Command, Event};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// All workers count one transaction of `sample`.
fn counting(lab: &mut Lab, sample: u32) {
    lab.rig.intent.sip.sample = sample;
    lab.rig.publish();
    lab.rig.count_sip();
}

fn lab_that_counts() -> Lab {
    let mut lab = Lab::new(Layout::TwoArm);
    counting(&mut lab, 1);
    lab
}

/// What all workers have counted since the last call.
fn collected(lab: &mut Lab) -> (BTreeMap<RowKey, Row>, BTreeMap<Endpoint, Refreshes>) {
    lab.rig.command(|| Command::Sip(Some(Box::default())));
    let (mut rows, mut refreshes) = (BTreeMap::<_, Row>::new(), BTreeMap::<_, Refreshes>::new());
    for event in lab.rig.events.extract_if(.., |event| matches!(event, Event::Sip { .. })) {
        let Event::Sip { statistics: Some(statistics), .. } = event else { continue };
        for row in statistics.rows() {
            rows.entry(row.key).and_modify(|sum| sum.add(row)).or_insert_with(|| row.clone());
        }
        for seen in statistics.refreshes() {
            refreshes.entry(seen.service).and_modify(|sum| sum.add(seen)).or_insert_with(|| seen.clone());
        }
        assert_eq!(statistics.not_counted, 0);
    }
    (rows, refreshes)
}

/// The rows as `service member asked by: requests / answers`, each with what else it has.
fn counted(lab: &mut Lab) -> Vec<String> {
    collected(lab).0.values().map(shown).collect()
}

fn shown(row: &Row) -> String {
    let RowKey { service, member, asked_by } = row.key;
    let service = format!("{}:{}", service.addr, service.port);
    let asked_by = if asked_by == AskedBy::Clients { "clients" } else { "members" };
    let requests = Method::ALL.iter().map(|method| method.name().to_owned()).zip(row.requests);
    let classes = (1..=6).map(|class| format!("{class}xx"));
    let answers = CODES.iter().map(u16::to_string).chain(classes).zip(row.answers);
    let listed = |counts: Vec<(String, u64)>| {
        let seen = counts.into_iter().filter(|(_, count)| *count > 0);
        seen.map(|(name, count)| format!(" {name} {count}")).collect::<String>()
    };
    let mut text = format!("{service} {} {asked_by}:", member.map_or("-".into(), |member| member.to_string()));
    text += &format!("{} /{}", listed(requests.collect()), listed(answers.collect()));
    for (name, count) in [
        ("again", row.repeated_requests),
        ("answered again", row.repeated_answers),
        ("unanswered", row.unanswered),
        ("not timed", row.not_timed),
    ] {
        text += &if count > 0 { format!(", {name} {count}") } else { String::new() };
    }
    let ms = |nanos: u64| nanos / 1_000_000;
    match row.times.count() {
        0 => text,
        count => format!("{text}, after {}..{} ms: {count}", ms(row.times.shortest()), ms(row.times.longest())),
    }
}

/// A message of a call; `line` is its first.
fn message(line: &str, method: &str, call: &str) -> Vec<u8> {
    let via = format!("Via: SIP/2.0/UDP {PHONE};branch=z9hG4bK{call}");
    format!("{line}\r\n{via}\r\nCall-ID: {call}@h\r\nCSeq: 7 {method}\r\n\r\n").into_bytes()
}

fn phone() -> Endpoint {
    at(PHONE, 5060)
}

fn asked(method: &str, call: &str, from: Endpoint, dst: &str) -> Build {
    let line = format!("{method} sip:a@b SIP/2.0");
    Build::udp(from, at(dst, 5060)).id(77).tos(0xb8).payload(&message(&line, method, call))
}

fn answered(code: u16, method: &str, call: &str, src: &str, to: Endpoint) -> Build {
    Build::udp(at(src, 5060), to).payload(&message(&format!("SIP/2.0 {code} Said"), method, call))
}

/// The phone asks V, and A gets it.
#[track_caller]
fn ask(lab: &mut Lab, method: &str, call: &str) {
    lab.forwards(ROUTER, asked(method, call, phone(), V), HOST_A, asked(method, call, phone(), A));
}

/// A answers the phone.
#[track_caller]
fn answer(lab: &mut Lab, code: u16, method: &str, call: &str) {
    lab.forwards(HOST_A, answered(code, method, call, A, phone()), ROUTER, answered(code, method, call, V, phone()));
}

/// Each message that is sent is compared with what leaves, whole.
#[test]
fn s100_what_passes_of_sip_is_counted_by_member_and_who_asks_and_leaves_unchanged() {
    for layout in [Layout::TwoArm, Layout::TaggedServers, Layout::OnePort, Layout::PriorityTags, Layout::OneArm] {
        let mut lab = Lab::new(layout);
        counting(&mut lab, 1);
        ask(&mut lab, "INVITE", "a");
        lab.rig.now += ms(500);
        ask(&mut lab, "INVITE", "a");
        lab.rig.now += ms(20);
        answer(&mut lab, 100, "INVITE", "a");
        lab.rig.now += ms(900);
        answer(&mut lab, 180, "INVITE", "a");
        answer(&mut lab, 200, "INVITE", "a");
        lab.rig.now += ms(500);
        answer(&mut lab, 200, "INVITE", "a");
        ask(&mut lab, "ACK", "a2");
        ask(&mut lab, "PING", "b");
        lab.rig.now += ms(3);
        answer(&mut lab, 404, "PING", "b");
        let clients = format!(
            "{V}:5060 {A} clients: INVITE 2 ACK 1 other 1 / 404 1 1xx 2 2xx 2, again 1, answered again 1, after 3..520 ms: 2"
        );
        assert_eq!(counted(&mut lab), [clients], "{layout:?}");
        // What the member asks.
        let bye = |src| Build::udp(at(src, 5060), phone()).payload(&message("BYE sip:1@h SIP/2.0", "BYE", "c"));
        lab.forwards(HOST_A, bye(A), ROUTER, bye(V));
        lab.rig.now += ms(40);
        let ok = |dst| Build::udp(phone(), at(dst, 5060)).payload(&message("SIP/2.0 200 OK", "BYE", "c"));
        lab.forwards(ROUTER, ok(V), HOST_A, ok(A));
        let members = format!("{V}:5060 {A} members: BYE 1 / 2xx 1, after 40..40 ms: 1");
        assert_eq!(counted(&mut lab), [members], "{layout:?}");
    }
}

#[test]
fn nothing_is_counted_until_a_reload_says_so_and_nothing_after_another() {
    let mut lab = Lab::new(Layout::TwoArm);
    lab.rig.count_sip();
    ask(&mut lab, "INVITE", "a");
    assert_eq!(counted(&mut lab), [""; 0]);
    lab.rig.intent.sip.sample = 1;
    lab.rig.publish();
    ask(&mut lab, "INVITE", "b");
    assert_eq!(counted(&mut lab), [format!("{V}:5060 {A} clients: INVITE 1 /")]);
    lab.rig.intent.sip.sample = 0;
    lab.rig.publish();
    ask(&mut lab, "INVITE", "c");
    answer(&mut lab, 200, "INVITE", "b");
    assert_eq!(counted(&mut lab), [""; 0]);
    // Without anything to count into nothing is counted either.
    lab.rig.intent.sip.sample = 1;
    lab.rig.publish();
    lab.rig.command(|| Command::Sip(None));
    ask(&mut lab, "INVITE", "d");
    lab.rig.events.clear();
    assert_eq!(counted(&mut lab), [""; 0]);
}

#[test]
fn what_redelivery_keeps_is_kept_and_is_not_counted_again() {
    let mut lab = lab_that_counts();
    let since = lab.rig.now;
    ask(&mut lab, "INVITE", "a");
    lab.rig.now += ms(300);
    let mut out = lab.rig.find_dead(since, Some(MEMBER_B));
    for _ in 0..20 {
        lab.rig.now += ms(1);
        out.extend(lab.rig.settle());
    }
    lab.expect(&out, HOST_B, asked("INVITE", "a", phone(), B).ttl(63));
    let ok = |src| answered(200, "INVITE", "a", src, phone());
    lab.forwards(HOST_B, ok(B), ROUTER, ok(V));
    let rows =
        [format!("{V}:5060 {A} clients: INVITE 1 /"), format!("{V}:5060 {B} clients: / 2xx 1, after 320..320 ms: 1")];
    assert_eq!(counted(&mut lab), rows);
}

#[test]
fn what_waits_for_a_mac_is_counted_once_and_what_nobody_gets_as_nobodys() {
    let mut lab = lab_that_counts();
    let hop = *lab.rig.adjacency.keys().find(|hop| hop.address.to_string() == A).expect("A is known");
    let known = lab.rig.adjacency.remove(&hop).expect("A is known");
    lab.rig.publish();
    lab.send(ROUTER, &asked("INVITE", "a", phone(), V));
    lab.rig.adjacency.insert(hop, known);
    let out = lab.rig.publish();
    lab.expect(&out, HOST_A, asked("INVITE", "a", phone(), A).ttl(63));
    assert_eq!(counted(&mut lab), [format!("{V}:5060 {A} clients: INVITE 1 /")]);
    lab.rig.switch_over(None, true);
    lab.send(ROUTER, &asked("INVITE", "b", phone(), V));
    assert_eq!(counted(&mut lab), [format!("{V}:5060 - clients: INVITE 1 /")]);
}

/// Each row: who is to get it, and how often the file is read again before anybody knows where that is.
#[test]
fn what_a_member_sends_is_counted_once_when_it_leaves() {
    for times in [0, 1, 3] {
        let mut lab = lab_that_counts();
        let hop = *lab.rig.adjacency.keys().find(|hop| hop.address.to_string() == R).expect("the router is known");
        let known = lab.rig.adjacency.remove(&hop).expect("the router is known");
        lab.rig.publish();
        let bye = |src| Build::udp(at(src, 5060), phone()).payload(&message("BYE sip:1@h SIP/2.0", "BYE", "c"));
        let (out, _) = lab.send(HOST_A, &bye(A));
        assert!(out.is_empty());
        (0..times).for_each(|_| assert!(lab.rig.publish().is_empty()));
        assert_eq!(counted(&mut lab), [""; 0], "it has not left");
        lab.rig.adjacency.insert(hop, known);
        let out = lab.rig.publish();
        lab.expect(&out, ROUTER, bye(V).ttl(63));
        lab.rig.now += ms(8);
        let ok = |dst| Build::udp(phone(), at(dst, 5060)).payload(&message("SIP/2.0 200 OK", "BYE", "c"));
        lab.forwards(ROUTER, ok(V), HOST_A, ok(A));
        let rows = [format!("{V}:5060 {A} members: BYE 1 / 2xx 1, after 8..8 ms: 1")];
        assert_eq!(counted(&mut lab), rows, "{times}");
    }
    // Between two pools, at both.
    let mut lab = managers(Mode::RoundRobin);
    counting(&mut lab, 1);
    let invite = |src: &str, dst: &str| asked("INVITE", "a", at(src, 5060), dst);
    let known = lab.rig.adjacency.clone();
    let of_managers = |address: Ipv4Addr| (31..40).contains(&address.octets()[3]);
    lab.rig.adjacency.retain(|hop, _| !of_managers(hop.address));
    lab.rig.publish();
    assert!(lab.send(HOST_A, &invite(A, W)).0.is_empty());
    assert_eq!(counted(&mut lab), [""; 0]);
    lab.rig.adjacency = known;
    let out = lab.rig.publish();
    let rows = counted(&mut lab);
    let [sent, received] = rows.as_slice() else { panic!("{rows:?}") };
    let manager = Far::Server(received[format!("{W}:5060 10.20.0.").len()..][..2].parse().expect("a manager"));
    lab.expect(&out, manager, invite(V, ip(manager)).ttl(63));
    let rows = [format!("{V}:5060 {A} members: INVITE 1 /"), format!("{W}:5060 {} clients: INVITE 1 /", ip(manager))];
    assert_eq!([sent, received].map(String::as_str), rows.each_ref().map(String::as_str));
}

/// A worker remembers for 32 s, and looks at a part of what it remembers each time that it is asked.
#[test]
fn requests_without_an_answer_are_counted_when_their_time_is_over() {
    let mut lab = lab_that_counts();
    ask(&mut lab, "INVITE", "a");
    ask(&mut lab, "ACK", "b");
    lab.rig.wait(Duration::from_secs(33));
    let mut unanswered = 0;
    for _ in 0..64 {
        let (rows, _) = collected(&mut lab);
        unanswered += rows.values().map(|row| row.unanswered).sum::<u64>();
    }
    assert_eq!(unanswered, 1);
}

#[test]
fn a_request_without_branch_is_not_timed() {
    let mut lab = lab_that_counts();
    let old = |dst: &str| {
        let text = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nCall-ID: old\r\nCSeq: 1 OPTIONS\r\n\r\n";
        Build::udp(phone(), at(dst, 5060)).payload(text.as_bytes())
    };
    lab.forwards(ROUTER, old(V), HOST_A, old(A));
    assert_eq!(counted(&mut lab), [format!("{V}:5060 {A} clients: OPTIONS 1 /, not timed 1")]);
}

/// A client that sends from another port than it listens at, and does not ask for answers at the former (RFC 3261 18.2.2). Where another
/// worker gets the answer, it is not known when; and what it answers is not unanswered.
#[test]
fn whose_answer_goes_to_another_port_is_timed_if_one_worker_sees_both() {
    use testbench::lab::Setting;
    let mut lab = lab_that_counts();
    let calls = 24_u32;
    for number in 0..calls {
        let call = format!("p{number}");
        let from = |port| Endpoint::new(Ipv4Addr::from(0xac10_0b00 + number), port);
        for _ in 0..2 {
            let invite = |dst| asked("INVITE", &call, from(40_000), dst);
            lab.forwards(ROUTER, invite(V), HOST_A, invite(A));
        }
        lab.rig.now += ms(9);
        let ok = |src| answered(200, "INVITE", &call, src, from(5060));
        lab.forwards(HOST_A, ok(A), ROUTER, ok(V));
    }
    let elsewhere = |dst: &str| {
        let text = "BYE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;maddr=192.0.2.9;branch=z9\r\nCSeq: 1 BYE\r\n\r\n";
        Build::udp(phone(), at(dst, 5060)).payload(text.as_bytes())
    };
    lab.forwards(ROUTER, elsewhere(V), HOST_A, elsewhere(A));
    lab.rig.wait(Duration::from_secs(33));
    let (mut timed, mut not_timed, mut unanswered, mut again) = (0, 0, 0, 0);
    for _ in 0..64 {
        for row in collected(&mut lab).0.values() {
            timed += row.times.count();
            not_timed += row.not_timed;
            unanswered += row.unanswered;
            again += row.repeated_requests;
        }
    }
    assert_eq!((timed + not_timed, unanswered, again), (u64::from(calls) + 1, 0, u64::from(calls)));
    match <super::super::Setting as Setting>::WORKERS {
        1 => assert_eq!(not_timed, 1, "the answer that goes to maddr"),
        _ => assert!(timed > 0 && not_timed > 4, "{timed}, {not_timed}"),
    }
}

#[test]
fn all_messages_of_a_transaction_are_counted_or_none_whoever_sends_them() {
    let mut lab = Lab::new(Layout::TwoArm);
    counting(&mut lab, 4);
    let (mut read, calls) = (0, 120);
    for number in 0..calls {
        let call = format!("call-{number}");
        let from = Endpoint::new(Ipv4Addr::from(0xac10_0a00 + number), 5060);
        for method in ["INVITE", "BYE"] {
            lab.forwards(ROUTER, asked(method, &call, from, V), HOST_A, asked(method, &call, from, A));
            lab.forwards(ROUTER, asked(method, &call, from, V), HOST_A, asked(method, &call, from, A));
            let ok = |src| answered(200, method, &call, src, from);
            lab.forwards(HOST_A, ok(A), ROUTER, ok(V));
        }
        match counted(&mut lab).as_slice() {
            [] => {}
            [row] => {
                let all = format!("{V}:5060 {A} clients: INVITE 2 BYE 2 / 2xx 2, again 2, after 0..0 ms: 2");
                assert_eq!(*row, all, "{call}");
                read += 1;
            }
            rows => panic!("{call}: {rows:?}"),
        }
    }
    assert!((15..=45).contains(&read), "{read} of {calls}");
}

#[test]
fn what_keeps_the_members_own_address_is_not_counted() {
    let mut lab = lab_that_counts();
    let options =
        |dst: Endpoint| Build::udp(at(A, 5060), dst).payload(&message("OPTIONS sip:x SIP/2.0", "OPTIONS", "a"));
    lab.forwards(HOST_A, options(at(CONFIG, 5060)), ROUTER, options(at(CONFIG, 5060)));
    let visit = asked("OPTIONS", "b", at(VISITOR, 5060), A);
    lab.forwards(ROUTER, visit.clone(), HOST_A, visit);
    let reply = answered(200, "OPTIONS", "b", A, at(VISITOR, 5060));
    lab.forwards(HOST_A, reply.clone(), ROUTER, reply);
    assert_eq!(counted(&mut lab), [""; 0]);
}

#[test]
fn members_that_share_the_work_are_counted_each() {
    for persistence in [Persistence::Endpoint, Persistence::CallId] {
        let mut lab = Lab::with(|intent| {
            three(intent, Mode::RoundRobin);
            intent.pools[0].persistence = persistence;
        });
        // Flows and their cached routes are there already.
        let from = |number: u32| Endpoint::new(Ipv4Addr::from(0xac10_0a00 + number), 5060);
        let invite = |number: u32, dst: &str| asked("INVITE", &format!("c{number}"), from(number), dst);
        let ok = |number: u32, src: &str| answered(200, "INVITE", &format!("c{number}"), src, from(number));
        let mut members = Vec::new();
        for number in 0..12 {
            let member = taken_from(&mut lab, ROUTER, |dst| invite(number, dst), |dst| invite(number, dst), V);
            for _ in 0..2 {
                lab.forwards(member, ok(number, ip(member)), ROUTER, ok(number, V));
                lab.forwards(ROUTER, invite(number, V), member, invite(number, ip(member)));
            }
            members.push(member);
        }
        counting(&mut lab, 1);
        for (number, member) in (0..).zip(members.iter().copied()) {
            for _ in 0..3 {
                lab.forwards(ROUTER, invite(number, V), member, invite(number, ip(member)));
                lab.rig.now += ms(7);
                lab.forwards(member, ok(number, ip(member)), ROUTER, ok(number, V));
            }
        }
        let mut expected = Vec::new();
        for host in [11, 12, 13] {
            let calls = members.iter().filter(|member| **member == Far::Server(host)).count();
            if calls > 0 {
                let of = format!("{V}:5060 10.20.0.{host} clients");
                let (all, more) = (3 * calls, 2 * calls);
                expected.push(format!(
                    "{of}: INVITE {all} / 2xx {all}, again {more}, answered again {more}, after 7..7 ms: {calls}"
                ));
            }
        }
        assert_eq!(counted(&mut lab), expected, "{persistence}");
    }
}

#[test]
fn what_goes_between_two_pools_is_counted_at_both() {
    let mut lab = managers(Mode::RoundRobin);
    counting(&mut lab, 1);
    let invite = |src: &str, dst: &str| asked("INVITE", "a", at(src, 5060), dst);
    let manager = taken_from(&mut lab, HOST_A, |dst| invite(A, dst), |dst| invite(V, dst), W);
    lab.rig.now += ms(12);
    let ok = |src: &str, dst: &str| answered(200, "INVITE", "a", src, at(dst, 5060));
    lab.forwards(manager, ok(ip(manager), V), HOST_A, ok(W, A));
    let rows = [
        format!("{V}:5060 {A} members: INVITE 1 / 2xx 1, after 12..12 ms: 1"),
        format!("{W}:5060 {} clients: INVITE 1 / 2xx 1, after 12..12 ms: 1", ip(manager)),
    ];
    assert_eq!(counted(&mut lab), rows);
}

#[test]
fn a_datagram_in_fragments_is_counted_once() {
    let mut lab = lab_that_counts();
    let large = |dst: &str| {
        let mut payload = message("INVITE sip:a@b SIP/2.0", "INVITE", "large");
        payload.resize(3_000, b'x');
        Build::udp(phone(), at(dst, 5060)).id(0x1234).payload(&payload)
    };
    lab.forwards_pieces(ROUTER, &large(V), HOST_A, large(A));
    assert_eq!(counted(&mut lab), [format!("{V}:5060 {A} clients: INVITE 1 /")]);
}

#[test]
fn how_often_clients_keep_their_way_open_and_how_long_they_are_registered_is_seen() {
    let mut lab = lab_that_counts();
    let binding = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat();
    let pings: [&[u8]; 6] = [b"\r\n\r\n", b"", b"\r\n", &binding, b"\0\0\0\0", b"jaK"];
    for number in 0..30_u64 {
        for client in 0..10 {
            let from = at(PHONE, 40_000 + client);
            let ping = |dst: &str| Build::udp(from, at(dst, 5060)).payload(pings[(number % 6) as usize]);
            lab.forwards(ROUTER, ping(V), HOST_A, ping(A));
        }
        lab.rig.wait(Duration::from_secs(if number == 20 { 90 } else { 30 }));
    }
    let options = |call: &str, dst: &str| asked("OPTIONS", call, at(PHONE, 5071), dst);
    for call in ["o1", "o2"] {
        // The second time it is a retransmission.
        for _ in 0..2 {
            lab.forwards(ROUTER, options(call, V), HOST_A, options(call, A));
            lab.rig.now += ms(500);
        }
        lab.rig.wait(Duration::from_secs(30));
    }
    let registered = |src: &str| {
        let text = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKr\r\nCall-ID: r\r\nCSeq: 1 REGISTER\r\n\
                    Contact: <sip:1@172.16.5.5>;expires=3600\r\n\r\n";
        Build::udp(at(src, 5060), phone()).payload(text.as_bytes())
    };
    lab.forwards(HOST_A, registered(A), ROUTER, registered(V));
    let (_, refreshes) = collected(&mut lab);
    let seen = &refreshes[&at(V, 5060)];
    let second = 1_000_000;
    assert_eq!((seen.keep_alives.count(), seen.keep_alives.longest()), (10 * 29 + 1, 90 * second));
    assert_eq!((seen.keep_alives.shortest(), seen.keep_alives.at_least(1, 2)), (30 * second, 30 * second));
    assert_eq!((seen.registrations.count(), seen.registrations.longest()), (1, 3_600 * second));
}

#[test]
fn what_is_no_sip_passes_as_ever() {
    let mut lab = lab_that_counts();
    let junk: [&[u8]; 6] = [
        b"INVITE",
        b"SIP/2.0 ",
        &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42],
        b"\r\n\r\nINVITE\r\n",
        &[0xff; 900],
        b"A B SIP/2.0",
    ];
    for payload in junk {
        let sent = |dst: &str| Build::udp(phone(), at(dst, 5060)).payload(payload);
        lab.forwards(ROUTER, sent(V), HOST_A, sent(A));
        let back = |src: &str| Build::udp(at(src, 5060), phone()).payload(payload);
        lab.forwards(HOST_A, back(A), ROUTER, back(V));
    }
    assert_eq!(counted(&mut lab), [""; 0]);
}
