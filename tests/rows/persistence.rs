//! Scenario 94: pools of several active members in which more stays together than what one endpoint sends: the messages of a SIP call,
//! or whatever one address begins.

mod lost;

use super::sharing::{ALL, MEMBER_C, W, ip, managers, spread, taken_from, three};
use super::*;
use fairlead::engine::DropReason;
use fairlead::policy::health::State;
use fairlead::policy::intent::{MemberId, Mode, Persistence};
use fairlead::time::Duration;
use fairlead::wire::Endpoint;
use fairlead::wire::build::Build;
use std::net::Ipv4Addr;

fn lab(mode: Mode, persistence: Persistence) -> Lab {
    Lab::with(|intent| {
        three(intent, mode);
        intent.pools[0].persistence = persistence;
    })
}

/// The proxy that all calls come from.
fn proxy() -> Endpoint {
    at(PHONE, 5060)
}

/// A message of a call; `line` is its first.
fn message(line: &str, call: &str) -> Vec<u8> {
    format!("{line}\r\nVia: SIP/2.0/UDP proxy.example;branch=z9hG4bK{call}\r\nCall-ID: {call}\r\n\r\n").into_bytes()
}

const INVITE: &str = "INVITE sip:a@b SIP/2.0";
const BYE: &str = "BYE sip:a@b SIP/2.0";
const OK: &str = "SIP/2.0 200 OK";

fn sent(from: Endpoint, dst: &str, line: &str, call: &str) -> Build {
    Build::udp(from, at(dst, 5060)).payload(&message(line, call))
}

fn said(src: &str, to: Endpoint, line: &str, call: &str) -> Build {
    Build::udp(at(src, 5060), to).payload(&message(line, call))
}

#[track_caller]
fn called(lab: &mut Lab, from: Endpoint, call: &str) -> Far {
    let invite = |dst: &str| sent(from, dst, INVITE, call);
    taken_from(lab, ROUTER, invite, invite, V)
}

/// A message of the call arrives at this member.
#[track_caller]
fn arrives(lab: &mut Lab, from: Endpoint, (line, call): (&str, &str), member: Far) {
    lab.forwards(ROUTER, sent(from, V, line, call), member, sent(from, ip(member), line, call));
}

/// What the members have, as `fairlead members` counts it.
fn flows(lab: &Lab) -> u64 {
    let of =
        |member: &MemberId| lab.rig.workers.iter().map(|it| it.engine().member_use().of(*member).flows).sum::<u64>();
    ALL.iter().map(of).sum()
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{number}a84b4c76e66710@phone.example")).collect()
}

#[test]
fn s94_the_calls_of_one_proxy_are_spread_and_each_stays_with_its_member() {
    for mode in [Mode::RoundRobin, Mode::LeastConnections, Mode::SourceHash] {
        let (mut lab, calls) = (lab(mode, Persistence::CallId), names(90));
        let members: Vec<Far> = calls.iter().map(|call| called(&mut lab, proxy(), call)).collect();
        assert!(spread(&members).iter().all(|count| *count >= 15), "{mode}: {:?}", spread(&members));
        for (call, member) in calls.iter().zip(members.iter().copied()) {
            let ok = |src| said(src, proxy(), OK, call);
            lab.forwards(member, ok(ip(member)), ROUTER, ok(V));
            // The other end asks, from another port of its own; and once more from the first.
            let again = |src| said(src, proxy(), BYE, call);
            lab.forwards(member, again(ip(member)), ROUTER, again(V));
            arrives(&mut lab, proxy(), (OK, call), member);
            arrives(&mut lab, at(PHONE, 5071), (BYE, call), member);
            arrives(&mut lab, proxy(), (BYE, call), member);
            if mode != Mode::LeastConnections {
                // From another address, which may be another worker's.
                arrives(&mut lab, at(VISITOR, 5060), (BYE, call), member);
            }
        }
    }
}

#[test]
fn a_call_is_known_by_its_compact_name_and_in_a_folded_line_and_case_counts() {
    let mut lab = lab(Mode::RoundRobin, Persistence::CallId);
    for call in names(20) {
        let member = called(&mut lab, proxy(), &call);
        for field in [format!("i: {call}"), format!("CALL-ID :\t{call} "), format!("i:\r\n {call}")] {
            let text = format!("{BYE}\r\nv: SIP/2.0/UDP h;branch=z\r\n{field}\r\n\r\n");
            let bye = |dst: &str| Build::udp(proxy(), at(dst, 5060)).payload(text.as_bytes());
            lab.forwards(ROUTER, bye(V), member, bye(ip(member)));
        }
    }
    let (lower, upper): (Vec<_>, Vec<_>) = names(40)
        .iter()
        .map(|call| (called(&mut lab, proxy(), call), called(&mut lab, proxy(), &call.to_uppercase())))
        .unzip();
    assert_ne!(lower, upper);
}

#[test]
fn a_call_that_a_member_begins_is_its_own_in_both_directions() {
    let mut lab = lab(Mode::RoundRobin, Persistence::CallId);
    for (call, host) in names(30).iter().zip([11, 12, 13].into_iter().cycle()) {
        let member = Far::Server(host);
        let invite = |src| said(src, proxy(), INVITE, call);
        lab.forwards(member, invite(ip(member)), ROUTER, invite(V));
        for line in ["SIP/2.0 180 Ringing", OK, BYE] {
            arrives(&mut lab, proxy(), (line, call), member);
        }
        // Its answer leaves as V's.
        let ok = |src| said(src, proxy(), OK, call);
        lab.forwards(member, ok(ip(member)), ROUTER, ok(V));
    }
}

#[test]
fn what_has_no_call_goes_by_its_endpoint() {
    let mut lab = lab(Mode::RoundRobin, Persistence::CallId);
    let silent: [&[u8]; 4] =
        [b"\r\n\r\n", b"", b"INVITE sip:a@b SIP/2.0\r\nCall-ID:\r\n\r\n", &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]];
    for number in 0..12_u16 {
        let from = at(PHONE, 40_000 + number);
        let first = |dst: &str| Build::udp(from, at(dst, 5060)).payload(silent[0]);
        let member = taken_from(&mut lab, ROUTER, first, first, V);
        for payload in silent {
            let datagram = |dst: &str| Build::udp(from, at(dst, 5060)).payload(payload);
            lab.forwards(ROUTER, datagram(V), member, datagram(ip(member)));
        }
    }
}

#[test]
fn only_the_calls_of_a_lost_member_move_and_a_drained_one_keeps_its_own() {
    let (mut lab, calls) = (lab(Mode::RoundRobin, Persistence::CallId), names(60));
    let members: Vec<Far> = calls.iter().map(|call| called(&mut lab, proxy(), call)).collect();
    let of = |host: u8| -> Vec<&String> {
        calls.iter().zip(&members).filter(|(_, member)| **member == Far::Server(host)).map(|(call, _)| call).collect()
    };
    lab.rig.health.members[2].state = State::Drained;
    lab.rig.share(0, &[MEMBER_A, MEMBER_B], &[]);
    for host in [11, 12, 13] {
        of(host).into_iter().for_each(|call| arrives(&mut lab, proxy(), (BYE, call), Far::Server(host)));
    }
    lab.rig.health.members[1].state = State::Down;
    lab.rig.share(0, &[MEMBER_A], &[MEMBER_B]);
    for host in [11, 13] {
        of(host).into_iter().for_each(|call| arrives(&mut lab, proxy(), (BYE, call), Far::Server(host)));
    }
    of(12).into_iter().for_each(|call| arrives(&mut lab, proxy(), (BYE, call), HOST_A));
    // It comes back: what has moved stays.
    lab.rig.health.members[1].state = State::Up;
    lab.rig.share(0, &[MEMBER_A, MEMBER_B], &[]);
    of(12).into_iter().for_each(|call| arrives(&mut lab, proxy(), (BYE, call), HOST_A));
}

/// The end of most drains: the member is switched off.
#[test]
fn the_calls_of_a_drained_member_move_when_it_dies() {
    let (mut lab, calls) = (lab(Mode::RoundRobin, Persistence::CallId), names(60));
    let members: Vec<Far> = calls.iter().map(|call| called(&mut lab, proxy(), call)).collect();
    lab.rig.health.members[0].state = State::Drained;
    lab.rig.share(0, &[MEMBER_B, MEMBER_C], &[]);
    for (call, member) in calls.iter().zip(&members) {
        arrives(&mut lab, proxy(), (BYE, call), *member);
    }
    lab.rig.share(0, &[MEMBER_B, MEMBER_C], &[MEMBER_A]);
    lab.rig.health.members[0].state = State::Drained;
    lab.rig.publish();
    for (call, member) in calls.iter().zip(&members) {
        let now = called(&mut lab, proxy(), call);
        assert!(if *member == HOST_A { now != HOST_A } else { now == *member });
    }
}

#[test]
fn what_a_lost_member_still_sends_takes_no_call_back() {
    for line in [OK, BYE] {
        let (mut lab, calls) = (lab(Mode::RoundRobin, Persistence::CallId), names(60));
        let members: Vec<Far> = calls.iter().map(|call| called(&mut lab, proxy(), call)).collect();
        lab.rig.share(0, &[MEMBER_B, MEMBER_C], &[MEMBER_A]);
        for (call, _) in calls.iter().zip(&members).filter(|(_, member)| **member == HOST_A) {
            let (out, _) = lab.send(HOST_A, &said(A, proxy(), line, call));
            lab.expect(&out, ROUTER, said(V, proxy(), line, call).ttl(63));
            let now = called(&mut lab, proxy(), call);
            assert_ne!(now, HOST_A);
            let (out, _) = lab.send(HOST_A, &said(A, proxy(), line, call));
            lab.expect(&out, ROUTER, said(V, proxy(), line, call).ttl(63));
            arrives(&mut lab, proxy(), (BYE, call), now);
        }
    }
}

#[test]
fn s94_a_message_that_does_not_leave_begins_no_call() {
    let mut lab = lab(Mode::RoundRobin, Persistence::CallId);
    for call in names(20) {
        let last_hop = sent(proxy(), V, INVITE, &call).ttl(1);
        let error = Build::icmp_error(E, PHONE, 11, 0, &last_hop);
        lab.rejects(ROUTER, last_hop, DropReason::TtlExceeded, error);
        // So it is its own who speaks in it first.
        lab.forwards(HOST_B, said(B, proxy(), OK, &call), ROUTER, said(V, proxy(), OK, &call));
        arrives(&mut lab, proxy(), (BYE, &call), HOST_B);
    }
}

/// What keeps a call with its member are messages that pass.
#[test]
fn s94_a_message_that_does_not_leave_renews_no_call() {
    let (mut lab, call) = (lab(Mode::RoundRobin, Persistence::CallId), &names(1)[0]);
    called(&mut lab, proxy(), call);
    lab.rig.wait(Duration::from_secs(299));
    let last_hop = sent(proxy(), V, BYE, call).ttl(1);
    let error = Build::icmp_error(E, PHONE, 11, 0, &last_hop);
    lab.rejects(ROUTER, last_hop, DropReason::TtlExceeded, error);
    lab.rig.wait(Duration::from_secs(299));
    lab.rig.settle();
    assert_eq!(flows(&lab), 0);
}

/// Whether what a member answers is the virtual address's says the call, and not the host it goes to.
#[test]
fn s94_hosts_that_are_excluded_or_visit_a_member_beside_are_answered_by_whom_they_called() {
    for (host, times) in [(CONFIG, 3), (VISITOR, 3)] {
        let (mut lab, calls) = (lab(Mode::RoundRobin, Persistence::CallId), names(30));
        let from = at(host, 5060);
        for (number, call) in calls.iter().enumerate() {
            let member = called(&mut lab, from, call);
            let beside = format!("beside-{number}");
            for _ in 0..times {
                let ok = |src| said(src, from, OK, call);
                lab.forwards(member, ok(ip(member)), ROUTER, ok(V));
                arrives(&mut lab, from, (BYE, call), member);
                let visit = sent(from, ip(member), INVITE, &beside);
                lab.forwards(ROUTER, visit.clone(), member, visit);
                let answered = said(ip(member), from, OK, &beside);
                lab.forwards(member, answered.clone(), ROUTER, answered);
                // And once more, after what may have been kept of the way to that host.
                lab.forwards(member, ok(ip(member)), ROUTER, ok(V));
            }
        }
    }
}

/// What a member asks an excluded host is no call of the virtual address.
#[test]
fn a_call_with_an_excluded_host_that_a_member_begins_is_its_own_in_both_directions() {
    let mut lab = lab(Mode::RoundRobin, Persistence::CallId);
    for call in names(10) {
        for (line, answer) in [(INVITE, OK), (BYE, OK)] {
            let asks = said(B, at(CONFIG, 5060), line, &call);
            lab.forwards(HOST_B, asks.clone(), ROUTER, asks);
            let answers = sent(at(CONFIG, 5060), B, answer, &call);
            lab.forwards(ROUTER, answers.clone(), HOST_B, answers);
        }
    }
}

#[test]
fn a_call_is_forgotten_after_idle_minutes_and_given_to_the_same_again() {
    let (mut lab, calls) = (lab(Mode::RoundRobin, Persistence::CallId), names(30));
    let members: Vec<Far> = calls.iter().map(|call| called(&mut lab, proxy(), call)).collect();
    assert_eq!(flows(&lab), 30);
    lab.rig.wait(Duration::from_secs(299));
    arrives(&mut lab, proxy(), (BYE, &calls[0]), members[0]);
    lab.rig.wait(Duration::from_secs(299));
    lab.rig.settle();
    assert_eq!(flows(&lab), 1, "the others are over");
    for (call, member) in calls.iter().zip(&members) {
        assert_eq!(called(&mut lab, proxy(), call), *member, "the same members take what is new");
    }
}

#[test]
fn s94_the_calls_of_a_pair_are_spread_over_managers_and_answered_to_whom_they_concern() {
    let mut lab = managers(Mode::RoundRobin);
    lab.rig.intent.pools[1].persistence = Persistence::CallId;
    lab.rig.publish();
    let to_managers = |line: &str, call: &str, src: &str, dst: &str| said(src, at(dst, 5060), line, call);
    let mut taken_by = Vec::new();
    for call in names(40) {
        let invite = |dst: &str| to_managers(INVITE, &call, A, dst);
        let manager = taken_from(&mut lab, HOST_A, invite, |dst| to_managers(INVITE, &call, V, dst), W);
        taken_by.push(manager);
        lab.forwards(manager, to_managers(OK, &call, ip(manager), V), HOST_A, to_managers(OK, &call, W, A));
        lab.forwards(HOST_A, to_managers(BYE, &call, A, W), manager, to_managers(BYE, &call, V, ip(manager)));
        // And the other way round, in the same call.
        lab.forwards(manager, to_managers(INVITE, &call, ip(manager), V), HOST_A, to_managers(INVITE, &call, W, A));
        lab.forwards(HOST_A, to_managers(OK, &call, A, W), manager, to_managers(OK, &call, V, ip(manager)));
    }
    let first = taken_by.iter().filter(|manager| **manager == Far::Server(31)).count();
    assert!((8..=32).contains(&first), "{first} of 40");
    // A manager calls the pair.
    for (call, host) in names(60)[40..].iter().zip([31, 32].into_iter().cycle()) {
        let manager = Far::Server(host);
        lab.forwards(manager, to_managers(INVITE, call, ip(manager), V), HOST_A, to_managers(INVITE, call, W, A));
        lab.forwards(HOST_A, to_managers(OK, call, A, W), manager, to_managers(OK, call, V, ip(manager)));
        lab.forwards(HOST_A, to_managers(BYE, call, A, W), manager, to_managers(BYE, call, V, ip(manager)));
    }
}

#[test]
fn a_reload_may_begin_and_end_it() {
    let (mut lab, calls) = (lab(Mode::RoundRobin, Persistence::Endpoint), names(20));
    let first = called(&mut lab, proxy(), &calls[0]);
    calls.iter().for_each(|call| arrives(&mut lab, proxy(), (BYE, call), first));
    lab.rig.intent.pools[0].persistence = Persistence::CallId;
    lab.rig.publish();
    let members: Vec<Far> = calls.iter().map(|call| called(&mut lab, proxy(), call)).collect();
    assert!(members.iter().any(|member| *member != first), "each goes its own way");
    lab.rig.intent.pools[0].persistence = Persistence::Endpoint;
    lab.rig.publish();
    calls.iter().for_each(|call| arrives(&mut lab, proxy(), (BYE, call), first));
}

#[test]
fn s94_what_one_address_begins_stays_with_one_member_as_long_as_that_takes_new_work() {
    let mut lab = lab(Mode::RoundRobin, Persistence::Source);
    let syn = |from: Endpoint, dst: &str| Build::tcp(from, at(dst, 5060), SYN, 1000, 0);
    let client = |number: u32, port| Endpoint::new(Ipv4Addr::from(0xac10_0a00 + number), port);
    let mut members = Vec::new();
    for number in 0..30 {
        let first = |dst: &str| syn(client(number, 40_000), dst);
        let member = taken_from(&mut lab, ROUTER, first, first, V);
        members.push(member);
        for port in 40_001..40_005 {
            let next = |dst: &str| syn(client(number, port), dst);
            lab.forwards(ROUTER, next(V), member, next(ip(member)));
        }
        let datagram = |dst: &str| sent(client(number, 5060), dst, INVITE, "c");
        lab.forwards(ROUTER, datagram(V), member, datagram(ip(member)));
    }
    assert!(spread(&members).iter().all(|count| *count >= 4), "{:?}", spread(&members));
    // One is drained: what its clients begin goes elsewhere, and together.
    lab.rig.health.members[0].state = State::Drained;
    lab.rig.share(0, &[MEMBER_B, MEMBER_C], &[]);
    for (number, before) in (0..).zip(&members) {
        let next = |dst: &str| syn(client(number, 41_000), dst);
        let member = taken_from(&mut lab, ROUTER, next, next, V);
        assert!(if *before == HOST_A { member != HOST_A } else { member == *before });
        let again = |dst: &str| syn(client(number, 41_001), dst);
        lab.forwards(ROUTER, again(V), member, again(ip(member)));
    }
}
