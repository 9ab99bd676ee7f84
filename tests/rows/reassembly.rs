//! Scenarios 65 to 71: datagrams in pieces, both ways, with and without translation.

use super::*;
use fairlead::engine::{DropReason, EngineEvent, PuntReason};
use fairlead::policy::adjacency::NextHop;
use fairlead::policy::intent::InterfaceId;
use fairlead::time::Duration;
use fairlead::wire::build::{Build, mend_ip};
use fairlead::wire::{Packet, fragment};
use fairlead::worker::{Command, Event};

const LAYOUTS: [Layout; 5] =
    [Layout::TwoArm, Layout::TaggedServers, Layout::OnePort, Layout::PriorityTags, Layout::OneArm];

fn lab() -> Lab {
    Lab::new(Layout::TwoArm)
}

#[test]
fn s65_a_large_datagram_reaches_the_active_member_as_it_was_sent() {
    for layout in LAYOUTS {
        let mut lab = Lab::new(layout);
        for length in [1473, 4_000, 65_507] {
            lab.forwards_pieces(ROUTER, &request(V, length), HOST_A, request(A, length));
            lab.forwards_pieces(HOST_A, &answer(A, length), ROUTER, answer(V, length));
        }
        let unchecked = |dst| request(dst, 4_000).no_checksum();
        lab.forwards_pieces(ROUTER, &unchecked(V), HOST_A, unchecked(A));
    }
}

#[test]
fn s65_what_a_member_opens_in_pieces_is_answered_in_pieces() {
    let mut lab = lab();
    let asks = |src| Build::udp(at(src, 33_000), at(PEER, 162)).payload(&text(5_000));
    let notification = |dst| Build::udp(at(PEER, 162), at(dst, 33_000)).payload(&text(6_000));
    lab.forwards_pieces(HOST_A, &asks(A), ROUTER, asks(V));
    lab.forwards_pieces(ROUTER, &notification(V), HOST_A, notification(A));
    assert_eq!(lab.rig.counters().flows, 1);
    let ping = |src, id| Build::echo_request(src, PEER, id, 1).payload(&text(60_000));
    let pong = |dst, id| Build::echo_reply(PEER, dst, id, 1).payload(&text(60_000));
    lab.forwards_pieces(HOST_A, &ping(A, 7), ROUTER, ping(V, 7));
    lab.forwards_pieces(ROUTER, &pong(V, 7), HOST_A, pong(A, 7));
    let (out, _) = lab.send_all(HOST_B, &lab.pieces(HOST_B, &ping(B, 7), PIECE));
    let first = fragment::whole(out.iter().map(|(_, frame)| frame.as_slice())).unwrap();
    let id = first.tuple().unwrap().src.port;
    assert_ne!(id, 7, "A has that identifier");
    lab.expect_pieces(&out, ROUTER, ping(V, id).ttl(63), PIECE);
    lab.forwards_pieces(ROUTER, &pong(V, id), HOST_B, pong(B, 7));
}

#[test]
fn s66_pieces_may_come_in_any_order_and_more_than_once() {
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for (from, sent, to, expected) in
        [(ROUTER, request(V, 4_000), HOST_A, request(A, 4_000)), (HOST_A, answer(A, 4_000), ROUTER, answer(V, 4_000))]
    {
        for (turn, order) in orders.into_iter().enumerate() {
            for pause in [0, 1, 2_000] {
                let mut lab = lab();
                let pieces = lab.pieces(from, &sent.clone().id(turn as u16), PIECE);
                let mut out = Vec::new();
                for at in order {
                    for _again in 0..2 {
                        assert_eq!(out, [], "nothing is forwarded before the datagram is complete");
                        out = lab.raw(from, &pieces[at]).0;
                        if at == order[2] {
                            break;
                        }
                    }
                    lab.rig.wait(Duration::from_millis(pause));
                }
                lab.expect_pieces(&out, to, expected.clone().id(turn as u16).ttl(63), PIECE);
                assert_eq!(lab.rig.counters().drops(DropReason::FragmentDuplicate), 2);
            }
        }
    }
}

#[test]
fn s66_the_rest_is_waited_for_ten_seconds() {
    let mut lab = lab();
    let pieces = lab.pieces(ROUTER, &request(V, 4_000), PIECE);
    assert_eq!(lab.send_all(ROUTER, &pieces[..2]).0, []);
    assert_eq!(lab.rig.counters().held, 2);
    lab.rig.wait(Duration::from_secs(9));
    assert_eq!(lab.rig.counters().held, 2);
    lab.rig.wait(Duration::from_secs(2));
    assert_eq!((lab.rig.counters().held, lab.rig.counters().drops(DropReason::FragmentIncomplete)), (0, 2));
}

/// Moves a piece to another place in its datagram.
fn moved_to(mut frame: Vec<u8>, offset: u16, more: bool) -> Vec<u8> {
    let place = (offset / 8) | u16::from(more) << 13;
    frame[20..22].copy_from_slice(&place.to_be_bytes());
    mend_ip(&mut frame, 14);
    frame
}

#[test]
fn s67_fragments_that_overlap_are_dropped_with_their_datagram() {
    let teardrops: [&[(u16, bool)]; 4] = [
        &[(0, true), (1472, false)],
        &[(1480, false), (8, true)],
        &[(0, true), (8, true), (16, true)],
        &[(1480, false), (2960, false)],
    ];
    for places in teardrops {
        let mut lab = lab();
        let piece = lab.pieces(ROUTER, &request(V, 4_000), PIECE)[0].clone();
        let frames: Vec<_> = places.iter().map(|&(offset, more)| moved_to(piece.clone(), offset, more)).collect();
        let (out, moved) = lab.send_all(ROUTER, &frames);
        assert_eq!(out, []);
        assert_eq!(moved.dropped, vec![DropReason::FragmentOverlap; places.len()], "{places:?}");
        lab.forwards_pieces(ROUTER, &request(V, 4_000).id(9), HOST_A, request(A, 4_000).id(9));
    }
}

#[test]
fn s67_a_piece_too_small_for_its_header_is_dropped() {
    let mut lab = lab();
    let segment = Build::tcp(at(PHONE, 40_001), at(V, 5060), SYN, 1, 0).payload(&text(100));
    for size in [8, 16] {
        let pieces = lab.pieces(ROUTER, &segment, size);
        lab.drops_frame(ROUTER, &pieces[0], DropReason::BadFragment);
        lab.drops_frame(ROUTER, &pieces[1], DropReason::BadFragment);
    }
    let tiny = lab.pieces(ROUTER, &request(V, 2_000), 8);
    let (out, moved) = lab.send_all(ROUTER, &tiny[..129]);
    assert_eq!((out.len(), moved.dropped), (0, vec![DropReason::FragmentTooMany; 129]));
}

#[test]
fn s68_a_flood_of_first_pieces_costs_whole_datagrams_nothing() {
    let mut lab = Lab::with(|intent| intent.limits.fragments_per_worker = 256);
    let most = 256 * lab.rig.workers.len() as u64;
    let whole = |dst, id| Build::udp(at(PHONE, 5060), at(dst, 5060)).id(id).payload(b"OPTIONS sip:v SIP/2.0\r\n\r\n");
    let junk = |source: u32, id| {
        let source = at(&std::net::Ipv4Addr::from(0xac10_0a00 + source % 251).to_string(), 5060);
        Build::udp(source, at(V, 5060)).id(id).payload(&text(1_600))
    };
    for round in 0..200_u16 {
        for number in 0..100_u16 {
            let first = lab.pieces(ROUTER, &junk(u32::from(number), round * 100 + number), PIECE)[0].clone();
            lab.rig.ports.inject(OUTER, &first);
        }
        let (out, _) = lab.send(ROUTER, &whole(V, round));
        lab.expect(&out, HOST_A, whole(A, round).ttl(63));
        assert!(lab.rig.counters().held <= most, "{}", lab.rig.counters().held);
        let large = request(V, 4_000).id(round);
        let (out, _) = lab.send_all(ROUTER, &lab.pieces(ROUTER, &large, PIECE));
        lab.expect_pieces(&out, HOST_A, request(A, 4_000).id(round).ttl(63), PIECE);
    }
    lab.rig.wait(Duration::from_secs(30));
    let counters = lab.rig.counters();
    assert_eq!(counters.held, 0, "nothing waits longer than thirty seconds");
    assert_eq!(counters.drops(DropReason::FragmentsFull) + counters.drops(DropReason::FragmentIncomplete), 20_000);
}

#[test]
fn s69_pieces_on_both_sides_of_a_switchover_reach_one_member() {
    let mut lab = lab();
    let pieces = lab.pieces(ROUTER, &request(V, 4_000), PIECE);
    assert_eq!(lab.send_all(ROUTER, &pieces[..2]).0, []);
    assert_eq!(lab.rig.switch_over(Some(MEMBER_B), true), []);
    let (out, _) = lab.raw(ROUTER, &pieces[2]);
    lab.expect_pieces(&out, HOST_B, request(B, 4_000).ttl(63), PIECE);
}

#[test]
fn s70_two_members_with_one_identification_stay_distinct() {
    let mut lab = lab();
    let peer = at(PEER, 5060);
    let of = |src, fill: u8| Build::udp(at(src, 5060), peer).id(7).payload(&[fill; 4_000]);
    let (of_a, of_b) = (lab.pieces(HOST_A, &of(A, 1), PIECE), lab.pieces(HOST_B, &of(B, 2), PIECE));
    let mixed: Vec<_> = of_a.iter().zip(&of_b).flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
    let (out, moved) = lab.send_all(HOST_A, &mixed);
    assert_eq!((out.len(), moved.dropped.len()), (6, 0));
    let ids: std::collections::BTreeSet<_> = out.iter().map(|(_, frame)| id_of(frame)).collect();
    assert_eq!(ids.len(), 2, "{ids:?}");
    for id in ids {
        let mine: Out = out.iter().filter(|(_, frame)| id_of(frame) == id).cloned().collect();
        let fill = mine[0].1[14 + 20 + 8];
        lab.expect_pieces(&mine, ROUTER, of(V, fill).ttl(63), PIECE);
    }
}

#[test]
fn s70_what_may_yet_be_cut_on_its_way_has_a_number_of_its_own() {
    let mut lab = lab();
    let mut seen = std::collections::BTreeSet::new();
    for turn in 0..200_u16 {
        for (host, own) in [(HOST_A, A), (HOST_B, B)] {
            let (out, _) = lab.send(host, &Build::udp(at(own, 5060), at(PEER, 5060 + turn % 7)).id(turn));
            assert!(seen.insert(id_of(&out[0].1)), "a number came twice");
        }
    }
    let atomic = |src| Build::udp(at(src, 5060), at(PEER, 5060)).id(7).df();
    lab.forwards(HOST_A, atomic(A), ROUTER, atomic(V));
    let routed = Build::udp(at(A, 5000), at(CONFIG, 514)).id(7);
    lab.forwards(HOST_A, routed.clone(), ROUTER, routed);
}

#[test]
fn s71_pieces_meet_wherever_they_come_in() {
    // The server port gives its workers frames in turn (see the rig), the other one all to the first.
    let mut lab = lab();
    for turn in 0..20 {
        let asks = |src| Build::udp(at(src, 33_000 + turn), at(PEER, 162)).id(7).payload(&text(5_000));
        lab.forwards_pieces(HOST_A, &asks(A), ROUTER, asks(V));
        let notification = |dst| Build::udp(at(PEER, 162), at(dst, 33_000 + turn)).id(turn).payload(&text(5_000));
        lab.forwards_pieces(ROUTER, &notification(V), HOST_A, notification(A));
    }
}

#[test]
fn a_visitors_pieces_pass_one_by_one_and_are_answered_untranslated() {
    let mut lab = lab();
    let (visitor, own) = (at(VISITOR, 50_000), at(A, 161));
    let asks = Build::udp(visitor, own).id(3).payload(&text(4_000));
    let pieces = lab.pieces(ROUTER, &asks, PIECE);
    for at in [1, 0, 2] {
        let (out, moved) = lab.raw(ROUTER, &pieces[at]);
        assert_eq!(moved, Moved { received: 1, transmitted: 1, ..Moved::default() });
        assert_same(&out[0].1, &lab.undress(HOST_A, &asks.clone().ttl(63)).fragments(PIECE)[at]);
    }
    let answer = Build::udp(own, visitor).id(4).payload(&text(100));
    lab.forwards(HOST_A, answer.clone(), ROUTER, answer);
    let answer = Build::udp(own, visitor).id(5).payload(&text(4_000));
    lab.forwards_pieces(HOST_A, &answer, ROUTER, answer.clone());
    let ping = Build::echo_request(VISITOR, A, 9, 1).id(6).payload(&text(60_000));
    let (out, moved) = lab.send_all(ROUTER, &lab.pieces(ROUTER, &ping, PIECE));
    assert_eq!((moved.dropped.len(), moved.events.len()), (0, 0));
    lab.expect_pieces(&out, HOST_A, ping.ttl(63), PIECE);
    let pong = Build::echo_reply(A, VISITOR, 9, 1).id(6).payload(&text(60_000));
    lab.forwards_pieces(HOST_A, &pong, ROUTER, pong.clone());
}

#[test]
fn the_exclusion_group_sees_the_members_own_address_in_pieces_too() {
    let mut lab = lab();
    let config = at(CONFIG, 514);
    let log = Build::udp(at(A, 40_200), config).id(3).payload(&text(4_000));
    lab.forwards_pieces(HOST_A, &log, ROUTER, log.clone());
    let ping = Build::echo_request(A, CONFIG, 9, 1).id(6).payload(&text(4_000));
    lab.forwards_pieces(HOST_A, &ping, ROUTER, ping.clone());
}

#[test]
fn a_hairpin_in_pieces_is_translated_on_both_sides() {
    let mut lab = lab();
    let call = |src, dst| Build::udp(at(src, 5060), at(dst, 5060)).payload(&text(4_000));
    lab.forwards_pieces(HOST_A, &call(A, V), HOST_A, call(V, A));
    let asks = |src, port, dst| Build::udp(at(src, port), at(dst, 5060)).payload(&text(4_000));
    lab.forwards_pieces(HOST_B, &asks(B, 41_000, V), HOST_A, asks(V, 41_000, A));
}

#[test]
fn s11_a_large_ping_is_answered_in_the_pieces_it_came_in() {
    for layout in LAYOUTS {
        let mut lab = Lab::new(layout);
        let outer = lab.outer_ip();
        for (from, host, to) in [(ROUTER, PHONE, V), (ROUTER, PHONE, outer), (HOST_B, B, G), (HOST_A, A, V)] {
            let ping = Build::echo_request(host, to, 7, 3).id(5).payload(&text(60_000));
            let mut pieces = lab.pieces(from, &ping, PIECE);
            pieces.swap(0, 3);
            let (out, moved) = lab.send_all(from, &pieces);
            let (count, events) = (pieces.len() as u64, vec![EngineEvent::Reassembled]);
            assert_eq!(moved, Moved { received: count, transmitted: count, events, ..Moved::default() });
            let pong = Build::echo_reply(to, host, 7, 3).id(5).payload(&text(60_000));
            let expected = lab.undress(from, &pong).fragments(PIECE);
            assert_eq!(out.len(), expected.len());
            out.iter().zip(&expected).for_each(|((_, got), expected)| assert_same(got, expected));
        }
    }
}

#[test]
fn a_datagram_in_pieces_that_nobody_takes_is_refused_once() {
    let mut lab = lab();
    lab.rig.switch_over(None, false);
    let sent = request(V, 4_000);
    let pieces = lab.pieces(ROUTER, &sent, PIECE);
    let (out, moved) = lab.send_all(ROUTER, &pieces);
    assert_eq!((moved.dropped, moved.transmitted), (vec![DropReason::NoActiveMember; 3], 1));
    let quoted = Packet::parse(&pieces[0]).unwrap();
    let quote = &pieces[0][usize::from(quoted.l3)..usize::from(quoted.l3) + 548];
    lab.expect_own(&out, ROUTER, Build::icmp(V, PHONE, 3, 3).payload(quote));
    lab.rig.switch_over(Some(MEMBER_A), false);
    let expired = request(V, 4_000).ttl(1);
    let (out, moved) = lab.send_all(ROUTER, &lab.pieces(ROUTER, &expired, PIECE));
    assert_eq!((moved.dropped, out.len()), (vec![DropReason::TtlExceeded; 3], 1));
}

#[test]
fn s78_a_large_datagram_waits_for_the_neighbour_as_a_whole() {
    let mut lab = lab();
    let hop = NextHop { interface: InterfaceId(1), address: addr(A) };
    let known = lab.rig.adjacency.remove(&hop).unwrap();
    lab.rig.publish();
    let (out, moved) = lab.send_all(ROUTER, &lab.pieces(ROUTER, &request(V, 40_000), PIECE));
    assert_eq!((out.len(), moved.dropped.len()), (0, 0));
    lab.rig.adjacency.insert(hop, known);
    let out = lab.rig.publish();
    lab.expect_pieces(&out, HOST_A, request(A, 40_000).ttl(63), PIECE);
    lab.rig.adjacency.remove(&hop);
    lab.rig.publish();
    lab.send_all(ROUTER, &lab.pieces(ROUTER, &request(V, 4_000), PIECE));
    let before = lab.rig.counters();
    let out = lab.rig.command(|| Command::GiveUp(hop));
    let moved = Moved::between(&before, &lab.rig.counters());
    assert_eq!((moved.dropped, out.len()), (vec![DropReason::HostUnreachable; 3], 1));
}

#[test]
fn an_answer_to_a_probe_reaches_management_whole() {
    let mut lab = lab();
    let answer = Build::udp(at(A, 5060), at(G, 50_000)).payload(&text(4_000));
    let (out, moved) = lab.send_all(HOST_A, &lab.pieces(HOST_A, &answer, PIECE));
    assert_eq!((out.len(), moved.punted), (0, vec![PuntReason::Local; 3]));
    let punted = lab.rig.events.iter().find_map(|event| match event {
        Event::Punt { frame, .. } => Some(frame.to_vec()),
        _ => None,
    });
    assert_eq!(punted, Some(lab.arriving(HOST_A, &answer)));
}

#[test]
fn pieces_still_waiting_at_the_end_are_counted() {
    let mut lab = lab();
    lab.send_all(ROUTER, &lab.pieces(ROUTER, &request(V, 4_000), PIECE)[..2]);
    lab.rig.command(|| Command::Stop);
    assert_eq!(lab.rig.counters().drops(DropReason::Stopping), 2);
}

/// The identification of a frame's datagram.
fn id_of(frame: &[u8]) -> u16 {
    Packet::parse(frame).unwrap().id(frame)
}
