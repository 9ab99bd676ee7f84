//! Scenarios 72 to 75, 78, 79, 88 and 89: hairpins, waiting for a neighbour, what is hostile, strange or broken.

use super::*;
use fairlead::engine::{DropReason, Notice};
use fairlead::policy::adjacency::{Neighbour, NextHop};
use fairlead::policy::health::{Generation, PoolHealth, State};
use fairlead::policy::intent::{InterfaceId, MemberId};
use fairlead::wire::build::{Build, mend_ip};
use fairlead::worker::{Command, Event};

fn lab() -> Lab {
    Lab::new(Layout::TwoArm)
}

const LAYOUTS: [Layout; 5] =
    [Layout::TwoArm, Layout::TaggedServers, Layout::OnePort, Layout::PriorityTags, Layout::OneArm];

#[test]
fn s72_the_standby_calls_its_own_vip() {
    for layout in LAYOUTS {
        let mut lab = Lab::new(layout);
        let there = |src, port, dst| Build::udp(at(src, port), at(dst, 5060)).payload(b"OPTIONS");
        let worn = lab.forwards_as(HOST_B, there(B, 41000, V), HOST_A, |port| there(V, port, A));
        let back = |src, dst, port| Build::udp(at(src, 5060), at(dst, port)).payload(b"200");
        lab.forwards(HOST_A, back(A, V, worn), HOST_B, back(V, B, 41000));
        let syn = |src, port, dst| Build::tcp(at(src, port), at(dst, 5060), SYN, 1, 0);
        let worn = lab.forwards_as(HOST_B, syn(B, 41000, V), HOST_A, |port| syn(V, port, A));
        let back = |src, dst, port| Build::tcp(at(src, 5060), at(dst, port), SYN_ACK, 9, 2);
        lab.forwards(HOST_A, back(A, V, worn), HOST_B, back(V, B, 41000));
        let data = |src, port, dst| Build::tcp(at(src, port), at(dst, 5060), DATA, 2, 10).payload(b"INVITE");
        lab.forwards(HOST_B, data(B, 41000, V), HOST_A, data(V, worn, A));
    }
}

#[test]
fn s73_the_active_member_calls_its_own_vip() {
    for layout in LAYOUTS {
        let mut lab = Lab::new(layout);
        let call = |src, dst| Build::udp(at(src, 5060), at(dst, 5060)).payload(b"INVITE");
        lab.forwards(HOST_A, call(A, V), HOST_A, call(V, A));
        lab.forwards(HOST_A, call(A, V), HOST_A, call(V, A));
        let syn = |src, port, dst| Build::tcp(at(src, port), at(dst, 5060), SYN, 1, 0);
        let worn = lab.forwards_as(HOST_A, syn(A, 41000, V), HOST_A, |port| syn(V, port, A));
        let back = |src, dst, port| Build::tcp(at(src, 5060), at(dst, port), SYN_ACK, 9, 2);
        lab.forwards(HOST_A, back(A, V, worn), HOST_A, back(V, A, 41000));
    }
}

/// Two pairs: the SIP Servers, and the resource managers .31 and .32 behind W.
fn two_pairs() -> Lab {
    Lab::with(|intent| {
        intent.members.push(member("rm-1", RM1, 1));
        intent.members.push(member("rm-2", RM2, 1));
        intent.pools.push(pool("managers", &[2, 3]));
        intent.virtual_servers.push(virtual_server("rm", W, 1));
        intent.snats.push(snat(W, 1, &[]));
    })
}

const W: &str = "10.20.0.150";
const RM1: &str = "10.20.0.31";
const RM2: &str = "10.20.0.32";

#[test]
fn s74_a_server_and_a_resource_manager_meet_as_two_vips() {
    let mut lab = two_pairs();
    let invite = |src, dst| Build::udp(at(src, 5060), at(dst, 5060)).payload(b"INVITE");
    let ok = |src, dst| Build::udp(at(src, 5060), at(dst, 5060)).payload(b"SIP/2.0 200 OK");
    lab.forwards(HOST_A, invite(A, W), Far::Server(31), invite(V, RM1));
    lab.forwards(Far::Server(31), ok(RM1, V), HOST_A, ok(W, A));
    lab.rig.health.pools[1] = PoolHealth { active: Some(MemberId(3)), generation: Generation(2) };
    lab.rig.health.members[2].state = State::Down;
    lab.rig.health.members[2].may_claim = false;
    lab.rig.publish();
    lab.forwards(HOST_A, invite(A, W), Far::Server(32), invite(V, RM2));
    lab.forwards(Far::Server(32), ok(RM2, V), HOST_A, ok(W, A));
    lab.rig.switch_over(Some(MEMBER_B), true);
    lab.forwards(Far::Server(32), ok(RM2, V), HOST_B, ok(W, B));
    let syn = |src, port, dst| Build::tcp(at(src, port), at(dst, 5060), SYN, 1, 0);
    lab.forwards(HOST_B, syn(B, 41000, W), Far::Server(32), syn(V, 41000, RM2));
    let syn_ack = |src, dst| Build::tcp(at(src, 5060), at(dst, 41000), SYN_ACK, 5, 2);
    lab.forwards(Far::Server(32), syn_ack(RM2, V), HOST_B, syn_ack(W, B));
}

#[test]
fn s75_member_to_member_by_mistake_is_routed_and_counted() {
    for layout in LAYOUTS {
        let mut lab = Lab::new(layout);
        let misrouted = [Notice::MisroutedPeer];
        for sent in [
            Build::udp(at(A, 40000), at(B, 7777)).payload(b"ha"),
            Build::tcp(at(A, 40000), at(B, 7777), SYN, 1, 0),
            Build::udp(at(A, 5060), at(B, 5060)),
            Build::echo_request(A, B, 1, 1),
        ] {
            lab.forwards_noting(&misrouted, HOST_A, sent.clone(), HOST_B, sent);
        }
        let back = Build::tcp(at(B, 7777), at(A, 40000), SYN_ACK, 1, 2);
        lab.forwards_noting(&misrouted, HOST_B, back.clone(), HOST_A, back);
    }
}

const HOP_A: NextHop = NextHop { interface: InterfaceId(1), address: std::net::Ipv4Addr::new(10, 20, 0, 11) };

fn wanted(lab: &Lab) -> usize {
    lab.rig.events.iter().filter(|event| matches!(event, Event::Wanted(HOP_A))).count()
}

/// A lab in which nobody knows yet where A is.
fn without_a() -> (Lab, Neighbour) {
    let mut lab = lab();
    let known = lab.rig.adjacency.remove(&HOP_A).unwrap();
    lab.rig.publish();
    (lab, known)
}

fn invite(dst: &str) -> Build {
    Build::udp(at(PHONE, 5060), at(dst, 5060)).payload(b"INVITE")
}

#[test]
fn s78_the_first_packet_waits_for_the_neighbour_and_is_not_lost() {
    let (mut lab, known) = without_a();
    let (out, moved) = lab.send(ROUTER, &invite(V));
    assert_eq!((out.len(), moved), (0, Moved { received: 1, ..Moved::default() }));
    assert_eq!((lab.rig.tally().held, wanted(&lab)), (1, 1));
    lab.send(ROUTER, &invite(V));
    assert_eq!((lab.rig.tally().held, wanted(&lab)), (2, 1), "asked once, not for every packet");
    lab.rig.adjacency.insert(HOP_A, known);
    let out = lab.rig.publish();
    assert_eq!((out.len(), lab.rig.tally().held), (2, 0));
    for one in out {
        lab.expect(&[one], HOST_A, invite(A).ttl(63));
    }
    lab.forwards(ROUTER, invite(V), HOST_A, invite(A));
}

#[test]
fn s78_s36_a_neighbour_that_never_answers_makes_its_packets_unreachable() {
    let (mut lab, known) = without_a();
    let visit = Build::udp(at(VISITOR, 50000), at(A, 161)).payload(b"get");
    lab.send(ROUTER, &visit);
    assert_eq!(lab.rig.tally().held, 1);
    let out = lab.rig.command(|| Command::GiveUp(HOP_A));
    lab.expect_own(&out, ROUTER, Build::icmp_error(E, VISITOR, 3, 1, &visit));
    let tally = lab.rig.tally();
    assert_eq!((tally.held, tally.drops(DropReason::HostUnreachable)), (0, 1));
    lab.rig.adjacency.insert(HOP_A, Neighbour::Failed);
    lab.rig.publish();
    lab.refuses(ROUTER, visit.clone(), DropReason::HostUnreachable, Build::icmp_error(E, VISITOR, 3, 1, &visit));
    lab.rig.adjacency.insert(HOP_A, known);
    lab.rig.publish();
    lab.forwards(ROUTER, visit.clone(), HOST_A, visit);
}

#[test]
fn s78_only_a_few_packets_wait() {
    let (mut lab, _) = without_a();
    for _ in 0..200 {
        lab.send(ROUTER, &invite(V));
    }
    let tally = lab.rig.tally();
    assert!((1..=64).contains(&tally.held), "{} wait", tally.held);
    assert_eq!(tally.drops(DropReason::NeighbourQueueFull), 200 - tally.held);
}

#[test]
fn s79_who_pretends_to_be_us_or_nobody_dies() {
    let mut lab = lab();
    for liar in [V, A, B, G, E] {
        lab.drops(ROUTER, Build::udp(at(liar, 5060), at(V, 5060)), DropReason::SpoofedSource);
        lab.drops(ROUTER, Build::tcp(at(liar, 50000), at(B, 7000), SYN, 1, 0), DropReason::SpoofedSource);
    }
    for liar in ["127.0.0.1", "127.255.0.9", "224.0.0.5", "239.1.1.1", "0.0.0.0", "0.1.2.3", "255.255.255.255"] {
        lab.drops(ROUTER, Build::udp(at(liar, 5060), at(V, 5060)), DropReason::MartianSource);
        lab.drops(ROUTER, Build::echo_request(liar, V, 1, 1), DropReason::MartianSource);
    }
    lab.drops(HOST_A, Build::udp(at(V, 5060), at(PEER, 5060)), DropReason::SpoofedSource);
}

#[test]
fn s88_options_and_type_of_service_are_preserved() {
    let mut lab = lab();
    let record_route = [7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0];
    let router_alert = [0x94, 4, 0, 0];
    for options in [&record_route[..], &router_alert] {
        let request = |dst| invite(dst).ip_options(options);
        lab.forwards(ROUTER, request(V), HOST_A, request(A));
    }
    for tos in [46 << 2, 24 << 2, 1, 2, 3, 0xff] {
        let request = |dst| invite(dst).tos(tos);
        lab.forwards(ROUTER, request(V), HOST_A, request(A));
        let call = |src| Build::tcp(at(src, 41000 + u16::from(tos)), at(PEER, 5060), SYN, 1, 0).tos(tos);
        lab.forwards(HOST_A, call(A), ROUTER, call(V));
        let visit = Build::echo_request(VISITOR, B, 1, 1).tos(tos);
        lab.forwards(ROUTER, visit.clone(), HOST_B, visit);
    }
}

#[test]
fn s88_a_source_route_dies() {
    let mut lab = lab();
    for kind in [131, 137] {
        lab.drops(ROUTER, invite(V).ip_options(&[kind, 7, 4, 10, 20, 0, 11]), DropReason::SourceRoute);
    }
}

#[test]
fn s89_what_is_malformed_dies_for_its_own_reason() {
    let mut lab = lab();
    let segment = Build::tcp(at(PHONE, 40001), at(V, 5060), SYN, 1, 0).payload(b"0123456789");
    let echo = Build::echo_request(PHONE, V, 1, 1).payload(b"0123456789");
    type Change = fn(&mut Vec<u8>);
    let cases: [(&Build, DropReason, Change); 10] = [
        (&invite(V), DropReason::BadIpChecksum, |frame| frame[24] ^= 1),
        (&invite(V), DropReason::BadIpHeaderLength, |frame| frame[14] = 0x44),
        (&invite(V), DropReason::BadIpVersion, |frame| frame[14] = 0x65),
        (&segment, DropReason::BadIpLength, |frame| frame[17] = 51 + 14),
        (&invite(V), DropReason::BadIpLength, |frame| frame[17] = 19),
        (&invite(V), DropReason::BadUdpLength, |frame| frame[39] = 15),
        (&invite(V), DropReason::BadUdpLength, |frame| frame[39] = 7),
        (&segment, DropReason::BadTcpHeader, |frame| frame[46] = 0x40),
        (&segment, DropReason::BadTcpHeader, |frame| frame[46] = 0xf0),
        (&echo, DropReason::UnknownEtherType, |frame| frame[12] = 0x86),
    ];
    for (sent, reason, damage) in cases {
        let mut frame = lab.arriving(ROUTER, sent);
        damage(&mut frame);
        if reason != DropReason::BadIpChecksum {
            mend_ip(&mut frame, 14);
        }
        lab.drops_frame(ROUTER, &frame, reason);
    }
    let frame = lab.arriving(ROUTER, &invite(V));
    for length in [0, 13, 20, 33] {
        if length > 0 {
            lab.drops_frame(ROUTER, &frame[..length], DropReason::Truncated);
        }
    }
}

#[test]
fn s89_frames_for_others_and_unknown_tags_die() {
    let mut lab = lab();
    let mut frame = lab.arriving(ROUTER, &invite(V));
    frame[5] ^= 0x40;
    lab.drops_frame(ROUTER, &frame, DropReason::NotForUs);
    let tagged = invite(V).macs(MAC_R, MAC_OUTER).vlan(77).bytes();
    lab.drops_frame(ROUTER, &tagged, DropReason::UnknownInterface);
}
