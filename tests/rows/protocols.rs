//! IP protocols without ports, and types of ICMP that are not translated: what a member sends outward never leaves with its own
//! address, unless it answers a visitor or goes to the exclusion group.

use super::*;
use fairlead::engine::DropReason;
use fairlead::policy::health::State;
use fairlead::wire::build::Build;

const GRE: u8 = 47;
const ESP: u8 = 50;
const AH: u8 = 51;
const SCTP: u8 = 132;

fn packet(protocol: u8, src: &str, dst: &str) -> Build {
    Build::other(src, dst, protocol).id(0x55).payload(&[0x30, 0x81, 0x88, 0x0b, 1, 2, 3, 4, 5, 6, 7, 8])
}

/// A timestamp message (RFC 792): type 13 asks, 14 answers.
fn timestamp(kind: u8, src: &str, dst: &str) -> Build {
    Build::icmp(src, dst, kind, 0).payload(&[0; 12])
}

#[test]
fn gre_esp_and_sctp_are_translated_by_address_for_one_member_at_a_time() {
    for layout in [Layout::TwoArm, Layout::TaggedServers, Layout::OnePort, Layout::OneArm] {
        let mut lab = Lab::new(layout);
        for protocol in [GRE, ESP, SCTP] {
            for _ in 0..2 {
                lab.forwards(HOST_A, packet(protocol, A, PEER), ROUTER, packet(protocol, V, PEER));
                lab.forwards(ROUTER, packet(protocol, PEER, V), HOST_A, packet(protocol, PEER, A));
            }
            lab.drops(HOST_B, packet(protocol, B, PEER), DropReason::ProtocolUntranslated);
            lab.forwards(HOST_B, packet(protocol, B, PHONE), ROUTER, packet(protocol, V, PHONE));
            lab.forwards(ROUTER, packet(protocol, PHONE, V), HOST_B, packet(protocol, PHONE, B));
        }
        assert_eq!(lab.rig.counters().flows, 6);
    }
}

#[test]
fn the_pair_of_addresses_goes_to_the_active_member_and_away_from_one_that_is_down() {
    let mut lab = Lab::new(Layout::TwoArm);
    lab.forwards(HOST_B, packet(GRE, B, PEER), ROUTER, packet(GRE, V, PEER));
    lab.forwards(HOST_A, packet(GRE, A, PEER), ROUTER, packet(GRE, V, PEER));
    lab.forwards(ROUTER, packet(GRE, PEER, V), HOST_A, packet(GRE, PEER, A));
    lab.drops(HOST_B, packet(GRE, B, PEER), DropReason::ProtocolUntranslated);
    lab.rig.health.members[0].state = State::Down;
    lab.rig.publish();
    lab.forwards(HOST_B, packet(GRE, B, PEER), ROUTER, packet(GRE, V, PEER));
    lab.forwards(ROUTER, packet(GRE, PEER, V), HOST_B, packet(GRE, PEER, B));
    assert_eq!(lab.rig.counters().flows, 1);
}

#[test]
fn what_cannot_be_translated_does_not_leave() {
    let mut lab = Lab::new(Layout::TwoArm);
    let all =
        || [AH, 89, 136, 255].map(|protocol| packet(protocol, A, PEER)).into_iter().chain([timestamp(13, A, PEER)]);
    for sent in all() {
        lab.drops(HOST_A, sent, DropReason::ProtocolUntranslated);
    }
    lab.drops(HOST_A, timestamp(14, A, PEER), DropReason::ProtocolUntranslated);
    let mut multicast = lab.arriving(HOST_A, &packet(112, A, "224.0.0.18"));
    lab.drops_frame(HOST_A, &multicast, DropReason::MartianDestination);
    multicast[..6].copy_from_slice(&[1, 0, 0x5e, 0, 0, 0x12]);
    assert_eq!(lab.raw(HOST_A, &multicast).0, []);
    assert_eq!(lab.rig.counters().flows, 0);
}

#[test]
fn the_exclusion_group_gets_every_protocol_untranslated() {
    let mut lab = Lab::new(Layout::TwoArm);
    for protocol in [GRE, ESP, AH, SCTP, 89] {
        let sent = || packet(protocol, A, CONFIG);
        lab.forwards(HOST_A, sent(), ROUTER, sent());
        let back = || packet(protocol, CONFIG, A);
        lab.forwards(ROUTER, back(), HOST_A, back());
    }
    lab.forwards(HOST_A, timestamp(13, A, CONFIG), ROUTER, timestamp(13, A, CONFIG));
}

#[test]
fn a_visitor_is_answered_untranslated_in_any_protocol() {
    let mut lab = Lab::new(Layout::TwoArm);
    for protocol in [GRE, ESP, AH, SCTP, 89] {
        let (there, back) = (|| packet(protocol, VISITOR, A), || packet(protocol, A, VISITOR));
        lab.forwards(ROUTER, there(), HOST_A, there());
        lab.forwards(HOST_A, back(), ROUTER, back());
    }
    lab.forwards(ROUTER, timestamp(13, VISITOR, A), HOST_A, timestamp(13, VISITOR, A));
    lab.forwards(HOST_A, timestamp(14, A, VISITOR), ROUTER, timestamp(14, A, VISITOR));
    // It visited nobody else, and by no other protocol.
    lab.forwards(HOST_B, packet(GRE, B, VISITOR), ROUTER, packet(GRE, V, VISITOR));
    lab.drops(HOST_A, packet(88, A, VISITOR), DropReason::ProtocolUntranslated);
    // Whom the member had asked before is a visitor from now on.
    lab.forwards(HOST_A, packet(GRE, A, PEER), ROUTER, packet(GRE, V, PEER));
    lab.forwards(ROUTER, packet(GRE, PEER, A), HOST_A, packet(GRE, PEER, A));
    lab.forwards(HOST_A, packet(GRE, A, PEER), ROUTER, packet(GRE, A, PEER));
}

#[test]
fn who_sends_us_another_protocol_gets_protocol_unreachable() {
    let mut lab = Lab::new(Layout::TwoArm);
    for to in [V, E] {
        for protocol in [GRE, AH, 99] {
            let sent = packet(protocol, PEER, to);
            lab.rejects(
                ROUTER,
                sent.clone(),
                DropReason::ProtocolUnsupported,
                Build::icmp_error(to, PEER, 3, 2, &sent),
            );
        }
        lab.drops(ROUTER, timestamp(13, PEER, to), DropReason::ProtocolUnsupported);
    }
    // Members never get an error: some servers stop receiving.
    for to in [V, G] {
        lab.drops(HOST_A, packet(99, A, to), DropReason::ProtocolUnsupported);
    }
}

#[test]
fn an_error_about_a_packet_without_ports_reaches_its_sender() {
    let mut lab = Lab::new(Layout::TwoArm);
    lab.forwards(HOST_A, packet(ESP, A, PEER), ROUTER, packet(ESP, V, PEER));
    let error = |to, about| Build::icmp_error("198.51.100.7", to, 3, 4, &packet(ESP, about, PEER)).rest(1400);
    lab.forwards(ROUTER, error(V, V), HOST_A, error(A, A));
    let closed = |from, about| Build::icmp_error(from, PEER, 3, 2, &packet(ESP, PEER, about));
    lab.forwards(HOST_A, closed(A, A), ROUTER, closed(V, V));
    let about_nothing = Build::icmp_error("198.51.100.7", V, 3, 4, &packet(GRE, V, PEER));
    lab.drops(ROUTER, about_nothing, DropReason::NoFlowForError);
}

#[test]
fn fragments_of_a_packet_without_ports_are_translated_together() {
    let mut lab = Lab::new(Layout::TwoArm);
    let long = |src, dst| Build::other(src, dst, ESP).id(0x77).payload(&text(4_000));
    lab.forwards_pieces(HOST_A, &long(A, PEER), ROUTER, long(V, PEER));
    lab.forwards_pieces(ROUTER, &long(PEER, V), HOST_A, long(PEER, A));
    let visit = long(VISITOR, A);
    for piece in lab.pieces(ROUTER, &visit, PIECE) {
        let (out, moved) = lab.raw(ROUTER, &piece);
        assert_eq!((out.len(), moved.dropped.len()), (1, 0));
    }
    lab.forwards_pieces(HOST_A, &long(A, VISITOR), ROUTER, long(A, VISITOR));
}
