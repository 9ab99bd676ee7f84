//! Scenarios 79, 88 and 89: what is spoofed, strange or malformed.

use super::*;
use fairlead::engine::DropReason;
use fairlead::wire::build::{Build, mend_ip};

fn lab() -> Lab {
    Lab::new(Layout::TwoArm)
}

fn invite(dst: &str) -> Build {
    Build::udp(at(PHONE, 5060), at(dst, 5060)).payload(b"INVITE")
}

#[test]
fn s79_spoofed_and_martian_sources_are_dropped() {
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
fn a_datagram_to_all_hosts_of_a_network_of_ours_is_not_passed_on() {
    let mut lab = lab();
    // RFC 2644 2, RFC 1812 4.2.2.11 and 5.3.5.2; and no error is sent (RFC 1812 4.3.2.7).
    lab.drops(ROUTER, Build::udp(at(PHONE, 5060), at("10.20.0.255", 5060)), DropReason::MartianDestination);
    lab.drops(HOST_A, Build::udp(at(A, 4000), at("192.0.2.255", 5060)), DropReason::MartianDestination);
    assert_eq!(lab.rig.counters().flows, 0);
}

#[test]
fn nobody_is_all_hosts_of_a_network() {
    let mut lab = lab();
    // RFC 1122 3.2.1.3 (d) and (e): never a source.
    lab.drops(ROUTER, Build::echo_request("192.0.2.255", V, 1, 1), DropReason::MartianSource);
    lab.drops(HOST_A, Build::udp(at("10.20.0.255", 9), at(V, 5060)), DropReason::MartianSource);
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
fn s88_a_source_route_is_dropped() {
    let mut lab = lab();
    for kind in [131, 137] {
        lab.drops(ROUTER, invite(V).ip_options(&[kind, 7, 4, 10, 20, 0, 11]), DropReason::SourceRoute);
    }
}

#[test]
fn s89_what_is_malformed_is_dropped_for_its_own_reason() {
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
