//! Scenario 62 and its like: what the appliance says itself goes the way of any packet to the same host, not back to the frame
//! that provoked it (RFC 1812 4.3.2.4, 5.2). Where there is no way, it does go back.

use super::*;
use fairlead::engine::DropReason;
use fairlead::policy::intent::Unmatched;
use fairlead::wire::build::Build;

/// A pair of routers sends from the MACs of its own; the next hop is their virtual one, which the lab knows as the router's.
const REAL_MAC: [u8; 6] = [0x00, 0x24, 0xf7, 0, 0, 1];

fn lab(layout: Layout) -> Lab {
    let mut lab = Lab::new(layout);
    lab.rig.intent.virtual_servers.iter_mut().for_each(|server| server.unmatched = Unmatched::RejectNow);
    lab.rig.publish();
    lab
}

fn ping() -> Build {
    Build::echo_request(PHONE, V, 1, 1).payload(&[7; 32])
}

fn closed() -> Build {
    Build::udp(at(PHONE, 5080), at(V, 5999)).payload(b"OPTIONS")
}

/// What is sent, why it is dropped, and what its sender gets, a reset if nothing else: all four kinds of answer.
fn provoked(hop: &str) -> [(Build, Option<DropReason>, Option<Build>); 4] {
    let syn = Build::tcp(at(PHONE, 40_001), at(V, 5999), SYN, 1000, 0);
    let unreachable = Build::icmp_error(V, PHONE, 3, 3, &closed());
    let transit = Build::udp(at(PHONE, 5060), at(A, 5060)).ttl(1).payload(b"OPTIONS");
    [
        (ping(), None, Some(Build::echo_reply(V, PHONE, 1, 1).payload(&[7; 32]))),
        (syn, Some(DropReason::NotListening), None),
        (closed(), Some(DropReason::NotListening), Some(unreachable)),
        (transit.clone(), Some(DropReason::TtlExceeded), Some(Build::icmp_error(hop, PHONE, 11, 0, &transit))),
    ]
}

/// Whoever the frames come from, the answers go to `to`.
#[track_caller]
fn answered_to(lab: &mut Lab, from: Far, src_mac: Option<[u8; 6]>, hop: &str, to: Far) {
    for (sent, reason, expected) in provoked(hop) {
        let mut frame = lab.arriving(from, &sent);
        frame[6..12].copy_from_slice(&src_mac.unwrap_or([2, 0, 0, 0, 0, 0x66]));
        let (out, moved) = lab.raw(from, &frame);
        let dropped = reason.into_iter().collect();
        assert_eq!(moved, Moved { received: 1, transmitted: 1, dropped, ..Moved::default() }, "{sent:?}");
        match expected {
            Some(expected) => lab.expect_own(&out, to, expected),
            None => {
                lab.expect_reset(&out[0], to, at(V, 5999), at(PHONE, 40_001), 0);
            }
        }
    }
}

#[test]
fn s62_answers_go_to_the_next_hop_whichever_router_sent_the_frame() {
    for layout in [Layout::TwoArm, Layout::TaggedServers, Layout::OnePort, Layout::PriorityTags, Layout::OneArm] {
        let mut lab = lab(layout);
        let hop = lab.outer_ip();
        answered_to(&mut lab, ROUTER, Some(REAL_MAC), hop, ROUTER);
    }
}

#[test]
fn s62_answers_to_who_comes_in_by_another_interface_leave_by_the_route() {
    for layout in [Layout::TwoArm, Layout::TaggedServers, Layout::OnePort] {
        let mut lab = lab(layout);
        answered_to(&mut lab, HOST_B, None, E, ROUTER);
    }
}

#[test]
fn s62_without_a_way_answers_go_back_where_the_frame_came_from() {
    for forgets_the_router in [false, true] {
        let mut lab = lab(Layout::TwoArm);
        match forgets_the_router {
            false => lab.rig.intent.routes.clear(),
            true => lab.rig.adjacency.retain(|hop, _| hop.address != addr("192.0.2.1")),
        }
        lab.rig.publish();
        for (far, hop) in [(ROUTER, E), (HOST_B, G)] {
            let theirs = lab.arriving(far, &ping())[6..12].to_vec();
            answered_to(&mut lab, far, theirs.first_chunk().copied(), hop, far);
        }
    }
}

#[test]
fn s62_an_answer_is_cut_for_the_way_it_takes() {
    let mut lab = Lab::with(|intent| intent.interfaces[0].mtu = 600);
    let large = |build: Build| build.id(0x77).payload(&[7; 1200]);
    let sent = large(Build::echo_request(PHONE, V, 1, 1));
    let frame = lab.arriving(HOST_B, &sent);
    let (out, moved) = lab.raw(HOST_B, &frame);
    assert_eq!((moved.received, moved.dropped.len(), out.len()), (1, 0, 3));
    let expected = lab.undress(ROUTER, &large(Build::echo_reply(V, PHONE, 1, 1))).fragments(576);
    for ((port, got), expected) in out.iter().zip(&expected) {
        assert_eq!((*port, &got[..12]), (OUTER, &expected[..12]));
        assert_same(got, expected);
    }
    // A whole ping in fragments is answered in fragments, by the same way.
    let pieces = lab.pieces(HOST_B, &sent, 400);
    let (out, _) = lab.send_all(HOST_B, &pieces);
    lab.expect_pieces(&out, ROUTER, large(Build::echo_reply(V, PHONE, 1, 1)), 400);
}
