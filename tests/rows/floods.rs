//! Scenario 86 and its like: what a flood of something strange must leave to everybody else.

use super::*;
use fairlead::engine::{DropReason, EngineEvent, PuntReason};
use fairlead::policy::adjacency::{Neighbour, NextHop};
use fairlead::policy::intent::{InterfaceId, PortId};
use fairlead::time::Duration;
use fairlead::wire::Mac;
use fairlead::wire::build::Build;
use fairlead::wire::tcp::Flags;

/// A table in which few flows have room.
fn small() -> (Lab, u16) {
    let lab = Lab::with(|intent| intent.limits.flows_per_worker = 64);
    let flood = 64 * 8 * lab.rig.workers.len() as u16;
    (lab, flood)
}

/// Scenario 86: what strangers forge gives way to a call, and is counted.
#[track_caller]
fn a_call_gets_through(lab: &mut Lab) {
    let mut gave_way = 0;
    for client in 1..=20 {
        let (caller, vip, own) = (at(&format!("172.16.6.{client}"), 40_001), at(V, 5060), at(A, 5060));
        let syn = |dst| Build::tcp(caller, dst, SYN, 1000, 0);
        let answer = |src| Build::tcp(src, caller, SYN_ACK, 9000, 1001);
        let ack = |dst| Build::tcp(caller, dst, ACK, 1001, 9001);
        for (from, sent, to, expected) in [
            (ROUTER, syn(vip), HOST_A, syn(own)),
            (HOST_A, answer(own), ROUTER, answer(vip)),
            (ROUTER, ack(vip), HOST_A, ack(own)),
        ] {
            let (out, moved) = lab.send(from, &sent);
            let is_room = |event: &EngineEvent| *event == EngineEvent::FlowGaveWay;
            assert!(moved.dropped.is_empty() && moved.events.iter().all(is_room), "{moved:?}");
            gave_way += moved.events.len();
            lab.expect(&out, to, expected.ttl(63));
        }
    }
    assert!(gave_way > 0, "the table was full");
}

#[test]
fn s86_a_flood_of_forged_acknowledgements_keeps_no_call_out() {
    let (mut lab, flood) = small();
    for port in 0..flood {
        lab.send(ROUTER, &Build::tcp(at(PHONE, 10_000 + port), at(V, 5060), ACK, 7, 9));
    }
    a_call_gets_through(&mut lab);
}

#[test]
fn s86_a_flood_of_connections_the_member_resets_keeps_no_call_out() {
    for (flags, ack) in [(ACK, 9), (SYN, 0)] {
        let (mut lab, flood) = small();
        for port in 0..flood {
            let client = at(PHONE, 10_000 + port);
            lab.send(ROUTER, &Build::tcp(client, at(V, 5060), flags, 7, ack));
            let reset = match flags {
                ACK => Build::tcp(at(A, 5060), client, Flags::RST, 9, 0),
                _ => Build::tcp(at(A, 5060), client, Flags::RST.with(ACK), 0, 8),
            };
            lab.send(HOST_A, &reset);
        }
        a_call_gets_through(&mut lab);
    }
}

/// Who forges his address sees no answer, but can send what a whole handshake takes, and more.
#[test]
fn s86_a_flood_of_forged_handshakes_keeps_no_call_out() {
    for with_reset in [false, true] {
        let (mut lab, flood) = small();
        for port in 0..flood {
            let client = at(PHONE, 10_000 + port);
            lab.send(ROUTER, &Build::tcp(client, at(V, 5060), SYN, 7, 0));
            lab.send(HOST_A, &Build::tcp(at(A, 5060), client, SYN_ACK, 0x8000_0000, 8));
            if with_reset {
                lab.send(ROUTER, &Build::tcp(client, at(V, 5060), Flags::RST, 8, 0));
            }
            lab.send(ROUTER, &Build::tcp(client, at(V, 5060), ACK, 8, 77));
        }
        a_call_gets_through(&mut lab);
    }
}

#[test]
fn visitors_leave_room_for_a_call() {
    let mut lab = Lab::with(|intent| intent.limits.flows_per_worker = 64);
    for port in 1000..1400 {
        lab.send(ROUTER, &Build::udp(at(VISITOR, port), at(A, 161)).payload(b"q"));
    }
    lab.rig.wait(Duration::from_secs(3600));
    let (out, _) = lab.send(ROUTER, &Build::tcp(at(PHONE, 40001), at(V, 5060), SYN, 5, 0));
    assert_eq!(out.len(), 1, "a call after an hour: {:?}", lab.rig.counted());
}

/// RFC 1191: whoever scans ports costs nobody the path MTU.
#[test]
fn s80_a_scan_of_ports_leaves_room_for_other_refusals() {
    let mut lab = Lab::with(|intent| intent.interfaces[0].mtu = 1_400);
    for port in 0..2_000 {
        lab.send(ROUTER, &Build::udp(at(PHONE, 20_000 + port), at(V, 9_999)));
    }
    assert!(lab.rig.counters().drops(DropReason::RateLimited) > 1_000);
    let big = Build::udp(at(A, 5060), at(PHONE, 5060)).df().payload(&[7; 1_472]);
    lab.rejects(HOST_A, big.clone(), DropReason::TooBig, Build::icmp_error(G, A, 3, 4, &big).rest(1_400));
}

/// Scenario 22 holds while strangers invent errors.
#[test]
fn s22_invented_errors_do_not_use_up_what_members_may_say() {
    let mut lab = Lab::new(Layout::TwoArm);
    for port in 0..4_000 {
        let quoted = Build::udp(at(V, 5060), at(PHONE, 10_000 + port));
        lab.send(ROUTER, &Build::icmp_error("198.51.100.7", V, 3, 1, &quoted));
    }
    assert!(lab.rig.counters().drops(DropReason::IcmpLimited) > 0);
    let request = |dst| Build::udp(at(PHONE, 5060), at(dst, 5060)).ttl(63).payload(b"INVITE");
    let closed = Build::icmp_error(A, PHONE, 3, 3, &request(A));
    lab.forwards(HOST_A, closed, ROUTER, Build::icmp_error(V, PHONE, 3, 3, &request(V)));
}

/// A scan of a network of ours fills the queue for its own hosts only.
#[test]
fn s78_a_scan_leaves_room_for_members_whose_mac_is_missing() {
    let mut lab = Lab::new(Layout::TwoArm);
    for host in 120..=250 {
        for _ in 0..16 {
            lab.send(ROUTER, &Build::udp(at(VISITOR, 50_000), at(&format!("10.20.0.{host}"), 9)));
        }
    }
    assert!(lab.rig.counters().drops(DropReason::NeighbourQueueFull) > 0);
    let hop = NextHop { interface: InterfaceId(1), address: addr(A) };
    let known = lab.rig.adjacency.remove(&hop).unwrap();
    lab.rig.publish();
    let invite = |dst| Build::udp(at(PHONE, 5060), at(dst, 5060)).payload(b"INVITE");
    assert_eq!(lab.send(ROUTER, &invite(V)).0, []);
    lab.rig.adjacency.insert(hop, known);
    let out = lab.rig.publish();
    lab.expect(&out, HOST_A, invite(A).ttl(63));
}

/// ARP of a server that nobody knows.
fn stranger(number: u32) -> (Mac, std::net::Ipv4Addr) {
    let [_, a, b, c] = number.to_be_bytes();
    (Mac([2, 0x77, 0, a, b, c]), std::net::Ipv4Addr::from(0x0a14_0014 + number % 70))
}

/// In one second: every class of ARP that a stranger can send, each more often than management is sent of it.
#[test]
fn a_flood_of_arp_is_policed_by_class_and_leaves_members_and_routers_their_answers() {
    let mut lab = Lab::new(Layout::TwoArm);
    let (member, ours) = (MAC_A, MAC_INNER);
    let far = Far::Server(13);
    let mut asked = 0;
    for number in 0..4_000 {
        let (mac, address) = stranger(number);
        let address = &*address.to_string();
        let (out, moved) = lab.send(far, &Build::arp_request(mac, address, V));
        match moved.punted[..] {
            [PuntReason::ArpRequest] => asked += 1,
            [] => {
                assert_eq!(moved.events, [EngineEvent::ArpUnlearnt]);
                assert_eq!(out, [(PortId(1), Build::arp_reply(ours, V, mac, address).bytes())]);
            }
            _ => panic!("{moved:?}"),
        }
        lab.send(far, &Build::arp_reply(mac, address, ours, G));
        lab.send(far, &Build::arp_request(mac, V, V));
        lab.send(far, &Build::arp_reply(mac, A, Mac::BROADCAST, A));
    }
    // Each worker that ARP arrives at has budgets of its own; without RSS that is one.
    let workers = asked / 1_024;
    assert_eq!(asked, 1_024 * workers);
    assert!((1..=lab.rig.workers.len() as u64).contains(&workers), "{workers}");
    let counters = lab.rig.counters();
    let classes = [
        (PuntReason::ArpReply, DropReason::ArpReplyLimited, 2_560),
        (PuntReason::ArpConflict, DropReason::ArpConflictLimited, 256),
        (PuntReason::ArpMoved, DropReason::ArpMovedLimited, 1_024),
    ];
    for (reason, limited, budget) in classes {
        let punted = 4_000.min(budget * workers);
        assert_eq!((counters.punts(reason), counters.drops(limited)), (punted, 4_000 - punted), "{reason:?}");
    }
    for _ in 0..8_192 {
        let (_, moved) = lab.send(HOST_A, &Build::arp_reply(member, A, ours, G));
        assert_eq!(moved.punted, [PuntReason::ArpNeighbour]);
    }
    let (_, moved) = lab.send(HOST_A, &Build::udp(at(A, 5060), at(G, 50_000)).payload(b"SIP/2.0 200 OK\r\n\r\n"));
    assert_eq!(moved.punted, [PuntReason::Local]);
}

/// Before management knows where a member or a router is, and after it has failed, its ARP is counted apart from strangers' too.
#[test]
fn arp_of_a_member_or_router_that_is_not_known_yet_has_the_budget_of_those_that_are() {
    let rows = [(HOST_A, InterfaceId(1), A, G, MAC_INNER, MAC_A), (ROUTER, InterfaceId(0), R, E, MAC_OUTER, MAC_R)];
    for (far, interface, address, target, ours, mac) in rows {
        for known in [None, Some(Neighbour::Failed)] {
            let mut lab = Lab::new(Layout::TwoArm);
            let hop = NextHop { interface, address: addr(address) };
            lab.rig.adjacency.remove(&hop);
            lab.rig.adjacency.extend(known.map(|known| (hop, known)));
            lab.rig.publish();
            let sent = [Build::arp_reply(mac, address, ours, target), Build::arp_request(mac, address, target)];
            for sent in sent {
                let (_, moved) = lab.send(far, &sent);
                assert_eq!(moved.punted, [PuntReason::ArpNeighbour], "{address} {known:?}");
            }
        }
    }
}
