//! Scenario 63: datagrams larger than the link they leave by, refused or cut.

use super::*;
use fairlead::engine::{DropReason, EngineEvent};
use fairlead::wire::build::Build;
use fairlead::wire::fragment;

/// The servers' network carries less than the clients'.
fn narrow(mtu: u16) -> Lab {
    Lab::with(|intent| intent.interfaces[1].mtu = mtu)
}

#[test]
fn s63_what_may_not_be_cut_is_refused_with_the_mtu() {
    let mut lab = Lab::with(|intent| intent.interfaces[0].mtu = 1_400);
    for (sent, length) in
        [(answer(A, 1_472), 1_500), (Build::udp(at(A, 33_000), at(PEER, 162)).payload(&text(1_400)), 1_428)]
    {
        let sent = sent.df();
        assert_eq!(sent.datagram().len(), length);
        let expected = Build::icmp_error(G, A, 3, 4, &sent).rest(1_400);
        lab.rejects(HOST_A, sent, DropReason::TooBig, expected);
    }
    assert_eq!(lab.rig.counters().flows, 0);
    let fits = |src| answer(src, 1_372).df();
    lab.forwards(HOST_A, fits(A), ROUTER, fits(V));
    let mut lab = narrow(1_400);
    let sent = request(V, 1_472).df();
    lab.rejects(ROUTER, sent.clone(), DropReason::TooBig, Build::icmp_error(E, PHONE, 3, 4, &sent).rest(1_400));
}

#[test]
fn s63_what_may_be_cut_is_cut_in_order_and_is_the_same_when_joined() {
    let mut lab = narrow(1_400);
    let (out, moved) = lab.send(ROUTER, &request(V, 1_472));
    assert_eq!(moved, Moved { received: 1, transmitted: 2, events: vec![EngineEvent::Fragmented], ..Moved::default() });
    lab.expect_pieces(&out, HOST_A, request(A, 1_472).ttl(63), 1_376);
    // A visitor's as well, and pieces are cut again.
    let visit = Build::udp(at(VISITOR, 50_000), at(B, 161)).id(9).payload(&text(1_472));
    let (out, _) = lab.send(ROUTER, &visit);
    lab.expect_pieces(&out, HOST_B, visit.ttl(63), 1_376);
    let (out, moved) = lab.send_all(ROUTER, &lab.pieces(ROUTER, &request(V, 2_952), PIECE));
    assert_eq!((out.len(), moved.dropped.len()), (4, 0));
    let frames: Vec<&[u8]> = out.iter().map(|(_, frame)| frame.as_slice()).collect();
    assert_eq!(fragment::join(&frames), Some(lab.leaving(HOST_A, &request(A, 2_952).ttl(63))));
}

#[test]
fn s63_what_a_member_sends_is_cut_under_a_number_of_our_own() {
    let mut lab = Lab::with(|intent| intent.interfaces[0].mtu = 1_400);
    let (out, moved) = lab.send(HOST_A, &answer(A, 1_472));
    assert_eq!((moved.transmitted, moved.events), (2, vec![EngineEvent::Fragmented]));
    lab.expect_pieces(&out, ROUTER, answer(V, 1_472).ttl(63), 1_376);
}

#[test]
fn bytes_behind_the_datagram_are_not_carried_over_the_mtu() {
    let mut lab = Lab::with(|intent| intent.interfaces[1].mtu = 600);
    let mut frame = lab.arriving(ROUTER, &Build::udp(at(PHONE, 5060), at(V, 5060)).payload(b"x"));
    frame.resize(1400, 0);
    let (out, _) = lab.raw(ROUTER, &frame);
    assert!(out[0].1.len() <= 614, "{} bytes left on a link of mtu 600", out[0].1.len());
}
