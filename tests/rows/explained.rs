//! Scenario 101: what is explained of a packet is what then happens to it, in worlds that chance does not lead to.

use super::sharing::{ALL, W, three};
use super::*;
use fairlead::admin::explain::Explanation;
use fairlead::policy::adjacency::{Neighbour, NextHop};
use fairlead::policy::health::State;
use fairlead::policy::intent::{InterfaceId, Mode, OnDownUdp, Persistence, Unmatched};
use fairlead::time::Duration;
use fairlead::wire::Endpoint;
use fairlead::wire::build::Build;
use std::net::Ipv4Addr;

fn client(number: u32) -> Endpoint {
    Endpoint::new(Ipv4Addr::from(0xac10_0a00 + number), 5060)
}

fn syn(from: Endpoint, dst: &str) -> Build {
    Build::tcp(from, at(dst, 5060), SYN, 1000, 0)
}

fn datagram(from: Endpoint, dst: &str, content: &[u8]) -> Build {
    Build::udp(from, at(dst, 5060)).payload(content)
}

/// A pool of three, at two virtual addresses.
fn shared(mode: Mode, persistence: Persistence) -> Lab {
    Lab::with(|intent| {
        three(intent, mode);
        intent.pools[0].persistence = persistence;
        intent.virtual_servers.push(virtual_server("other", W, 0));
    })
}

#[track_caller]
fn says<'a>(it: &'a Explanation, step: &str) -> &'a str {
    it.steps.iter().find(|one| one.step == step).map_or_else(|| panic!("no {step} in {it:#?}"), |one| &one.says)
}

fn message(line: &str, via: &str, call: &str) -> Vec<u8> {
    format!("{line}\r\nVia: SIP/2.0/UDP {via};branch=z9hG4bK{call}\r\nCall-ID: {call}\r\n\r\n").into_bytes()
}

const INVITE: &str = "INVITE sip:a@b SIP/2.0";
const OK: &str = "SIP/2.0 200 OK";

/// Handshakes that were not finished give way to a new connection, and each lets another one be looked at.
#[test]
fn s101_all_connections_are_looked_at_that_can_give_way() {
    let mut lab = Lab::with(|intent| intent.virtual_servers[0].connection_limit = 16);
    for port in 0..15 {
        let opens = |src| Build::tcp(at(src, 41_000 + port), at(PEER, 5060), SYN, 1, 0);
        lab.forwards(HOST_A, opens(A), ROUTER, opens(V));
    }
    (0..16).for_each(|number| lab.forwards(ROUTER, syn(client(number), V), HOST_A, syn(client(number), A)));
    lab.rig.wait(Duration::from_secs(4));
    lab.rig.intent.virtual_servers[0].connection_limit = 1;
    lab.rig.publish();
    let said = lab.explained(ROUTER, &syn(client(99), V), None);
    let (_, moved) = lab.send(ROUTER, &syn(client(99), V));
    assert_eq!(said.verdict == "forward", moved.dropped.is_empty(), "{said:#?}");
    if lab.rig.workers.len() == 1 {
        assert_eq!(moved.dropped, []);
    }
}

#[test]
fn s101_who_does_not_answer_arp_is_named_with_what_to_check() {
    let hop = NextHop { interface: InterfaceId(1), address: addr(A) };
    for layout in [Layout::TwoArm, Layout::TaggedServers] {
        let mut lab = Lab::new(layout);
        lab.rig.adjacency.insert(hop, Neighbour::Failed);
        lab.rig.publish();
        for sent in [syn(client(1), V), datagram(client(1), V, b"x"), Build::udp(at(VISITOR, 9), at(A, 161))] {
            let said = lab.explained(ROUTER, &sent, None);
            assert_eq!((&*said.verdict, said.reason.as_deref()), ("reject", Some("host_unreachable")), "{said:#?}");
            assert_eq!((said.member.as_deref(), said.translated), (Some("sip-a"), None), "{said:#?}");
            assert_eq!(said.egress.as_ref().map(|egress| egress.next_hop), Some(addr(A)), "{said:#?}");
            for text in [&said.outcome, said.remedy.as_ref().unwrap()] {
                assert!(text.contains("10.20.0.11 (member sip-a) on interface"), "{text}");
            }
            assert!(says(&said, "leaves by").contains("(failed)"), "{said:#?}");
        }
        // A router is no member.
        let router = *lab.rig.adjacency.keys().find(|hop| hop.interface == InterfaceId(0)).unwrap();
        lab.rig.adjacency.insert(router, Neighbour::Failed);
        lab.rig.publish();
        let said = lab.explained(HOST_B, &Build::tcp(at(B, 41_000), at(PEER, 80), SYN, 1, 0), None);
        assert_eq!((said.reason.as_deref(), said.member.as_deref()), (Some("host_unreachable"), Some("sip-b")));
        assert!(said.remedy.as_ref().unwrap().contains(&format!("{} on interface", router.address)), "{said:#?}");
        assert!(says(&said, "addresses").contains("would become"), "{said:#?}");
    }
}

/// Only datagrams of one endpoint are kept together at the virtual addresses of a pool, and not by a member that was lost.
#[test]
fn s101_only_a_peer_that_a_member_keeps_enters_with_it_elsewhere() {
    let all = ["sip-a", "sip-b", "sip-c"];
    let mut lab = shared(Mode::RoundRobin, Persistence::Endpoint);
    for number in 0..9 {
        let (out, _) = lab.send(ROUTER, &syn(client(number), W));
        assert_eq!(out.len(), 1);
        let said = lab.explained(ROUTER, &syn(client(number), V), None);
        assert_eq!(said.one_of, all, "a connection goes to whose turn it is: {said:#?}");
        assert!(!says(&said, "member").contains("another virtual address"), "{said:#?}");
    }
    let sent = |dst: &str| datagram(client(77), dst, b"x");
    let (out, _) = lab.send(ROUTER, &sent(W));
    let keeper = ALL[usize::from(out[0].1[5]) - 11];
    let said = lab.explained(ROUTER, &sent(V), Some(b"x"));
    assert_eq!((said.member.as_deref(), said.one_of.len()), (Some(all[keeper.index()]), 0), "{said:#?}");
    assert!(says(&said, "member").contains("another virtual address"), "{said:#?}");
    let others: Vec<_> = ALL.into_iter().filter(|member| *member != keeper).collect();
    lab.rig.share(0, &others, &[keeper]);
    let said = lab.explained(ROUTER, &sent(V), Some(b"x"));
    let (out, _) = lab.send(ROUTER, &sent(V));
    assert_eq!(said.member.as_deref(), Some(all[usize::from(out[0].1[5]) - 11]));
    assert_eq!(said.one_of.len(), 2, "{said:#?}");
}

#[test]
fn s101_what_nothing_takes_is_said_with_what_becomes_of_it() {
    let closed = |from: Endpoint| Build::udp(from, at(V, 7));
    for (policy, words) in [
        (Unmatched::Drop, "dropped in silence (unmatched"),
        (Unmatched::Reject, "its sender is refused (unmatched"),
        (Unmatched::RejectNow, "its sender is refused (unmatched"),
    ] {
        let mut lab = Lab::with(|intent| intent.virtual_servers[0].unmatched = policy);
        let said = lab.explained(ROUTER, &closed(client(1)), None);
        assert!(says(&said, "service").contains(words), "{said:#?}");
        let opens = Build::tcp(client(1), at(V, 7), SYN, 1, 0);
        let said = lab.explained(ROUTER, &opens, None);
        let deferred = says(&said, "service").contains("in six seconds");
        assert_eq!((deferred, said.verdict == "defer"), (policy == Unmatched::Reject, policy == Unmatched::Reject));
        // A member gets no answer, whatever the file says.
        let said = lab.explained(HOST_A, &Build::udp(at(A, 40_000), at(V, 7)), None);
        assert_eq!(said.verdict, "drop");
        assert!(says(&said, "service").contains("dropped in silence"), "{said:#?}");
        let continues = Build::tcp(client(1), at(V, 7), ACK, 1, 1);
        let said = lab.explained(ROUTER, &continues, None);
        assert!(says(&said, "service").contains("whatever unmatched = "), "{said:#?}");
    }
    let mut lab = Lab::with(|intent| {
        intent.virtual_servers[0].unmatched = Unmatched::RejectNow;
        intent.limits.rejects_per_second = 1;
    });
    for number in 0..20 {
        lab.send(ROUTER, &closed(client(number)));
    }
    let said = lab.explained(ROUTER, &closed(client(1)), None);
    if said.reason.as_deref() == Some("reject_rate_limited") {
        assert!(says(&said, "service").contains("but not this time"), "{said:#?}");
    } else {
        assert!(lab.rig.workers.len() > 1, "{said:#?}");
    }
}

/// Who gets a message of a call, or an answer, is said by the message; where that is not known it is said that it matters.
#[test]
fn s101_what_a_sip_message_says_decides_where_it_decides() {
    let all = ["sip-a", "sip-b", "sip-c"];
    for mode in [Mode::RoundRobin, Mode::SourceHash, Mode::LeastConnections] {
        let mut lab = shared(mode, Persistence::CallId);
        let from = client(5);
        for call in ["1@x", "2@x", "3@x", "4@x", "5@x"] {
            let invite = message(INVITE, "10.9.9.9", call);
            let sent = datagram(from, V, &invite);
            let blind = lab.explained(ROUTER, &sent, None);
            assert!(blind.depends_on_content && blind.one_of == all, "{mode}: {blind:#?}");
            assert!(says(&blind, "content").contains("Add --sip-file FILE, or --call-id TEXT"), "{blind:#?}");
            let said = lab.explained(ROUTER, &sent, Some(&invite));
            assert_eq!((said.depends_on_content, said.member.is_some()), (false, true), "{said:#?}");
            let (out, _) = lab.send(ROUTER, &sent);
            let member = all[usize::from(out[0].1[5]) - 11];
            assert_eq!(said.member.as_deref(), Some(member), "{mode}: {said:#?}");
            let again = lab.explained(ROUTER, &sent, Some(&invite));
            assert_eq!((again.member.as_deref(), again.one_of.len()), (Some(member), 0));
            assert!(says(&again, "member").contains("it has this call"), "{again:#?}");
            // Whoever has the call, an answer goes to who wrote the topmost Via.
            let answer = message(OK, "10.20.0.12", call);
            let said = lab.explained(ROUTER, &datagram(from, V, &answer), Some(&answer));
            assert_eq!(said.member.as_deref(), Some("sip-b"), "{said:#?}");
        }
    }
    // Of a pair nothing is read until one that is not active has spoken.
    let mut lab = Lab::new(Layout::TwoArm);
    let blind = |lab: &mut Lab| lab.explained(ROUTER, &datagram(at(PEER, 6200), V, b"x"), None);
    let said = blind(&mut lab);
    assert_eq!((said.depends_on_content, said.one_of.len()), (false, 0), "{said:#?}");
    let asks = message("OPTIONS sip:x SIP/2.0", "10.20.0.12", "7@b");
    lab.send(HOST_B, &Build::udp(at(B, 5060), at(PEER, 6200)).payload(&asks));
    let said = blind(&mut lab);
    assert!(said.depends_on_content && said.one_of == ["sip-a", "sip-b"], "{said:#?}");
    assert_eq!(said.member.as_deref(), Some("sip-a"));
}

/// A member that was taken offline is lost like one that is down: where calls are left with it, it may get what belongs to them.
#[test]
fn s101_a_member_with_calls_is_one_that_may_get_it_however_it_was_lost() {
    for state in [State::Down, State::Offline] {
        for (policy, stays) in [(OnDownUdp::Drain, true), (OnDownUdp::Reselect, false)] {
            let mut lab = shared(Mode::RoundRobin, Persistence::CallId);
            lab.rig.intent.pools[0].on_down_udp = policy;
            lab.rig.publish();
            let invite = message(INVITE, "10.9.9.9", "1@x");
            let sent = datagram(client(5), V, &invite);
            let (out, _) = lab.send(ROUTER, &sent);
            let keeper = ALL[usize::from(out[0].1[5]) - 11];
            let others: Vec<_> = ALL.into_iter().filter(|member| *member != keeper).collect();
            lab.rig.share(0, &others, &[keeper]);
            lab.rig.health.members[keeper.index()].state = state;
            lab.rig.publish();
            let name = ["sip-a", "sip-b", "sip-c"][keeper.index()].to_owned();
            let blind = lab.explained(ROUTER, &sent, None);
            assert_eq!(blind.one_of.contains(&name), stays, "{state:?} {policy:?}: {blind:#?}");
            let (out, _) = lab.send(ROUTER, &sent);
            assert_eq!(out[0].1[5] - 11 == keeper.index() as u8, stays, "{state:?} {policy:?}");
        }
    }
}

/// A worker answers one such question a turn, so that many delay no packet.
#[test]
fn s101_a_worker_answers_one_question_about_a_packet_a_turn() {
    let mut lab = shared(Mode::RoundRobin, Persistence::Endpoint);
    let (port, bytes) = (lab.port(ROUTER), lab.arriving(ROUTER, &syn(client(1), V)));
    let case = lab.rig.case(fairlead::wire::Packet::parse(&bytes).unwrap(), port, None);
    let asks: Vec<_> = (0..20).map(|_| lab.rig.asks_about(&case)).collect();
    lab.rig.give(asks);
    let answered: Vec<usize> = (0..4)
        .map(|_| {
            // Eight turns.
            lab.rig.settle();
            lab.rig.excerpts().len()
        })
        .collect();
    assert_eq!(answered, [8, 8, 4, 0]);
}
