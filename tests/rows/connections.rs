//! Scenarios 24 to 28, 37, 38: connections whose member is lost, demoted or drained.

use super::*;
use fairlead::engine::{DropReason, EngineEvent};
use fairlead::policy::health::{Generation, PoolHealth, State};
use fairlead::policy::intent::OnDownTcp;
use fairlead::time::Duration;
use fairlead::wire::Endpoint;
use fairlead::wire::build::Build;

fn lab() -> Lab {
    Lab::new(Layout::TwoArm)
}

fn client() -> Endpoint {
    at(PHONE, 40001)
}

/// Data of the client's through the VIP.
fn asks(dst: &str, seq: u32, ack: u32, data: &[u8]) -> Build {
    Build::tcp(client(), at(dst, 5060), DATA, seq, ack).payload(data)
}

/// Data of the member's.
fn says(src: &str, seq: u32, ack: u32, data: &[u8]) -> Build {
    Build::tcp(at(src, 5060), client(), DATA, seq, ack).payload(data)
}

/// A client's connection with A, ten bytes each way, all acknowledged: the client's next is 1011, the member's 9011.
fn established() -> Lab {
    let mut lab = lab();
    lab.connect(client(), 5060, HOST_A);
    lab.forwards(ROUTER, asks(V, 1001, 9001, b"0123456789"), HOST_A, asks(A, 1001, 9001, b"0123456789"));
    lab.forwards(HOST_A, says(A, 9001, 1011, b"abcdefghij"), ROUTER, says(V, 9001, 1011, b"abcdefghij"));
    let ack = |dst| Build::tcp(client(), at(dst, 5060), ACK, 1011, 9011);
    lab.forwards(ROUTER, ack(V), HOST_A, ack(A));
    lab
}

/// Both ends of the one connection of `out` are reset, and nobody else: the client hears from the VIP, the member from
/// the client, each with these sequence numbers. Two are needed where data is on its way: the number the receiver
/// acknowledged last, and the one it has when the data arrived; RFC 5961 acts on the exact one and no other.
#[track_caller]
fn both_reset(lab: &Lab, out: &[(fairlead::policy::intent::PortId, Vec<u8>)], to_client: &[u32], to_member: &[u32]) {
    assert_eq!(out.len(), to_client.len() + to_member.len(), "counted: {:?}", lab.rig.counted());
    let (first, second) = out.split_at(to_client.len());
    for (frame, seq) in first.iter().zip(to_client) {
        lab.expect_reset(frame, ROUTER, at(V, 5060), client(), *seq);
    }
    for (frame, seq) in second.iter().zip(to_member) {
        lab.expect_reset(frame, HOST_A, client(), at(A, 5060), *seq);
    }
}

#[test]
fn s24_both_ends_of_a_lost_connection_are_reset_with_the_exact_number() {
    let mut lab = established();
    let out = lab.rig.switch_over(Some(MEMBER_B), true);
    both_reset(&lab, &out, &[9011], &[1011]);
    assert_eq!(lab.rig.events(EngineEvent::LostConnection), 1);
    let syn = |dst| Build::tcp(at(PHONE, 40002), at(dst, 5060), SYN, 5, 0);
    lab.forwards(ROUTER, syn(V), HOST_B, syn(B));
}

#[test]
fn s24_data_not_acknowledged_yet_counts_as_received() {
    let mut lab = established();
    lab.forwards(HOST_A, says(A, 9011, 1011, b"xyz"), ROUTER, says(V, 9011, 1011, b"xyz"));
    lab.forwards(ROUTER, asks(V, 1011, 9011, b"uv"), HOST_A, asks(A, 1011, 9011, b"uv"));
    let out = lab.rig.switch_over(Some(MEMBER_B), true);
    both_reset(&lab, &out, &[9011, 9014], &[1011, 1013]);
}

#[test]
fn s24_a_retransmission_does_not_turn_the_number_back() {
    let mut lab = established();
    lab.forwards(HOST_A, says(A, 9001, 1011, b"abcdefghij"), ROUTER, says(V, 9001, 1011, b"abcdefghij"));
    lab.forwards(ROUTER, asks(V, 1001, 9001, b"0123456789"), HOST_A, asks(A, 1001, 9001, b"0123456789"));
    let out = lab.rig.switch_over(Some(MEMBER_B), true);
    both_reset(&lab, &out, &[9011], &[1011]);
}

#[test]
fn s24_numbers_that_wrap_are_numbers_still() {
    let mut lab = lab();
    let syn = |dst| Build::tcp(client(), at(dst, 5060), SYN, u32::MAX - 1, 0);
    lab.forwards(ROUTER, syn(V), HOST_A, syn(A));
    let syn_ack = |src| Build::tcp(at(src, 5060), client(), SYN_ACK, u32::MAX, u32::MAX);
    lab.forwards(HOST_A, syn_ack(A), ROUTER, syn_ack(V));
    lab.forwards(ROUTER, asks(V, u32::MAX, 0, b"abcd"), HOST_A, asks(A, u32::MAX, 0, b"abcd"));
    lab.forwards(HOST_A, says(A, 0, 3, b"efghi"), ROUTER, says(V, 0, 3, b"efghi"));
    let out = lab.rig.switch_over(Some(MEMBER_B), true);
    both_reset(&lab, &out, &[0, 5], &[3]);
}

#[test]
fn s24_whoever_missed_the_reset_gets_another_at_its_next_segment() {
    let mut lab = established();
    lab.rig.switch_over(Some(MEMBER_B), true);
    for _ in 0..2 {
        let (out, moved) = lab.send(ROUTER, &Build::tcp(client(), at(V, 5060), ACK, 1011, 9007));
        assert_eq!((out.len(), moved.dropped.as_slice()), (1, &[DropReason::MemberLost][..]));
        lab.expect_reset(&out[0], ROUTER, at(V, 5060), client(), 9007);
    }
    let (out, _) = lab.send(HOST_A, &says(A, 9011, 1011, b"late"));
    assert_eq!(out.len(), 1);
    lab.expect_reset(&out[0], HOST_A, client(), at(A, 5060), 1011);
}

#[test]
fn s24_many_connections_are_all_reset_and_none_twice() {
    let mut lab = Lab::with(|intent| intent.limits.rejects_per_second = 1);
    for port in 0..300 {
        lab.connect(at(PHONE, 20000 + port), 5061, HOST_A);
    }
    let mut out = lab.rig.switch_over(Some(MEMBER_B), true);
    out.extend(lab.rig.settle());
    let mut resets: Vec<_> =
        out.iter().map(|(port, frame)| (*port, source_port(frame).max(other_port(frame)))).collect();
    resets.sort();
    let expected: Vec<_> = [OUTER, INNER].iter().flat_map(|port| (0..300).map(|at| (*port, 20000 + at))).collect();
    assert_eq!(resets, expected, "no limit on refusals holds back what a connection is owed");
}

fn other_port(frame: &[u8]) -> u16 {
    fairlead::wire::Packet::parse(frame).unwrap().tuple().unwrap().dst.port
}

#[test]
fn s25_a_member_that_is_only_demoted_ends_its_connections_itself() {
    let mut lab = established();
    assert_eq!(lab.rig.switch_over(Some(MEMBER_B), false), []);
    let fin = |src| Build::tcp(at(src, 5060), client(), FIN_ACK, 9011, 1011);
    lab.forwards(HOST_A, fin(A), ROUTER, fin(V));
    let fin = |dst| Build::tcp(client(), at(dst, 5060), FIN_ACK, 1011, 9012);
    lab.forwards(ROUTER, fin(V), HOST_A, fin(A));
    let ack = |src| Build::tcp(at(src, 5060), client(), ACK, 9012, 1012);
    lab.forwards(HOST_A, ack(A), ROUTER, ack(V));
}

#[test]
fn s26_policy_drain_keeps_connections() {
    let mut lab = Lab::with(|intent| intent.pools[0].on_down_tcp = OnDownTcp::Drain);
    lab.connect(client(), 5060, HOST_A);
    assert_eq!(lab.rig.switch_over(Some(MEMBER_B), true), []);
    lab.forwards(ROUTER, asks(V, 1001, 9001, b"x"), HOST_A, asks(A, 1001, 9001, b"x"));
    lab.forwards(HOST_A, says(A, 9001, 1002, b"y"), ROUTER, says(V, 9001, 1002, b"y"));
    lab.connect(at(PHONE, 40002), 5060, HOST_B);
}

#[test]
fn policy_drop_swallows_the_segments_of_a_lost_connection() {
    let mut lab = Lab::with(|intent| intent.pools[0].on_down_tcp = OnDownTcp::Drop);
    lab.connect(client(), 5060, HOST_A);
    lab.connect_out(HOST_A, 41000, at(PEER, 5060));
    assert_eq!(lab.rig.switch_over(Some(MEMBER_B), true), []);
    lab.drops(ROUTER, asks(V, 1001, 9001, b"x"), DropReason::MemberLost);
    lab.drops(HOST_A, says(A, 9001, 1002, b"y"), DropReason::MemberLost);
    lab.drops(ROUTER, Build::tcp(at(PEER, 5060), at(V, 41000), DATA, 701, 501).payload(b"z"), DropReason::MemberLost);
    lab.connect(at(PHONE, 40002), 5060, HOST_B);
}

#[test]
fn s27_a_connection_the_lost_member_opened_is_reset_both_ways() {
    let (mut lab, peer) = (lab(), at(PEER, 5060));
    lab.connect_out(HOST_A, 41000, peer);
    let there = |src| Build::tcp(at(src, 41000), peer, DATA, 501, 701).payload(b"INVITE");
    lab.forwards(HOST_A, there(A), ROUTER, there(V));
    let out = lab.rig.switch_over(Some(MEMBER_B), true);
    assert_eq!(out.len(), 3);
    lab.expect_reset(&out[0], ROUTER, at(V, 41000), peer, 501);
    lab.expect_reset(&out[1], ROUTER, at(V, 41000), peer, 507);
    lab.expect_reset(&out[2], HOST_A, peer, at(A, 41000), 701);
    let syn = |src| Build::tcp(at(src, 41001), peer, SYN, 1, 0);
    lab.forwards(HOST_B, syn(B), ROUTER, syn(V));
}

#[test]
fn s28_a_new_syn_on_the_old_tuple_goes_to_the_new_member() {
    let mut lab = established();
    assert_eq!(lab.rig.switch_over(Some(MEMBER_B), true).len(), 2);
    lab.connect(client(), 5060, HOST_B);
    lab.forwards(ROUTER, asks(V, 1001, 9001, b"x"), HOST_B, asks(B, 1001, 9001, b"x"));
    lab.forwards(HOST_B, says(B, 9001, 1002, b"y"), ROUTER, says(V, 9001, 1002, b"y"));
    let (out, moved) = lab.send(HOST_A, &says(A, 9011, 1011, b"ghost"));
    assert_eq!((out.len(), moved.dropped.as_slice()), (1, &[DropReason::MemberLost][..]));
    lab.expect_reset(&out[0], HOST_A, client(), at(A, 5060), 1011);
    let reset = Build::tcp(at(A, 5060), client(), fairlead::wire::tcp::Flags::RST, 9002, 0);
    lab.drops(HOST_A, reset, DropReason::MemberLost);
    lab.forwards(ROUTER, asks(V, 1002, 9002, b"z"), HOST_B, asks(B, 1002, 9002, b"z"));
}

#[test]
fn s28_a_new_syn_that_nobody_can_take_does_not_revive_the_old_connection() {
    let mut lab = established();
    assert_eq!(lab.rig.switch_over(None, true).len(), 2);
    let (out, moved) = lab.send(ROUTER, &Build::tcp(client(), at(V, 5060), SYN, 1000, 0));
    assert_eq!((out.len(), moved.dropped.as_slice()), (1, &[DropReason::NoActiveMember][..]));
    let (out, moved) = lab.send(HOST_A, &says(A, 9011, 1011, b"late"));
    assert_eq!((out.len(), moved.dropped.as_slice()), (1, &[DropReason::MemberLost][..]));
    lab.expect_reset(&out[0], HOST_A, client(), at(A, 5060), 1011);
}

#[test]
fn loose_pickup_an_unknown_connection_is_taken_up_by_the_active_member() {
    let mut lab = lab();
    let pickup = [EngineEvent::LoosePickup];
    lab.forwards_noting(&pickup, ROUTER, asks(V, 1001, 9001, b"x"), HOST_A, asks(A, 1001, 9001, b"x"));
    lab.forwards(HOST_A, says(A, 9001, 1002, b"y"), ROUTER, says(V, 9001, 1002, b"y"));
    let other = |src| Build::tcp(at(src, 5060), at(PHONE, 40002), DATA, 5, 6).payload(b"z");
    lab.forwards_noting(&pickup, HOST_A, other(A), ROUTER, other(V));
    assert_eq!(lab.rig.counters().flows, 2);
    let out = lab.rig.switch_over(Some(MEMBER_B), true);
    assert!(out.len() >= 4, "they are reset like any other: {}", out.len());
}

#[test]
fn s37_a_drained_member_keeps_its_connections_and_gets_no_others() {
    let mut lab = established();
    assert_eq!(lab.rig.switch_over(Some(MEMBER_B), false), []);
    lab.rig.health.members[0].state = State::Drained;
    assert_eq!(lab.rig.publish(), []);
    lab.forwards(ROUTER, asks(V, 1011, 9011, b"x"), HOST_A, asks(A, 1011, 9011, b"x"));
    lab.connect(at(PHONE, 40002), 5060, HOST_B);
    let request = |dst| Build::udp(at(PHONE, 5060), at(dst, 5060));
    lab.forwards(ROUTER, request(V), HOST_B, request(B));
}

#[test]
fn s37_a_member_taken_offline_loses_its_connections() {
    let mut lab = established();
    lab.rig.health.members[0].state = State::Offline;
    let out = lab.rig.switch_over(Some(MEMBER_B), true);
    both_reset(&lab, &out, &[9011], &[1011]);
}

#[test]
fn s38_connections_to_the_physical_addresses_are_unaffected_by_a_switchover() {
    let (mut lab, config, visitor) = (lab(), at(CONFIG, 2020), at(VISITOR, 50123));
    for host in HOSTS {
        let (own, listener) = (at(host.ip(), 40200), at(host.ip(), 7000));
        let syn = Build::tcp(own, config, SYN, 1, 0);
        lab.forwards(host, syn.clone(), ROUTER, syn);
        let syn = Build::tcp(visitor, listener, SYN, 1, 0);
        lab.forwards(ROUTER, syn.clone(), host, syn);
        lab.exchange(host, listener, visitor);
    }
    for (member, lost) in [(Some(MEMBER_B), true), (None, true), (Some(MEMBER_A), true), (Some(MEMBER_B), false)] {
        assert_eq!(lab.rig.switch_over(member, lost), [], "nobody of groups C and D hears of it");
        for host in HOSTS {
            lab.exchange(host, at(host.ip(), 40200), config);
            lab.exchange(host, at(host.ip(), 7000), visitor);
        }
    }
}

#[test]
fn s43_an_idle_connection_is_not_forgotten_for_two_hours() {
    let (mut lab, peer) = (established(), at(PEER, 5060));
    lab.connect_out(HOST_A, 41000, peer);
    lab.rig.wait(Duration::from_secs(7439));
    lab.forwards(HOST_A, says(A, 9011, 1011, b"x"), ROUTER, says(V, 9011, 1011, b"x"));
    let there = |src| Build::tcp(at(src, 41000), peer, DATA, 501, 701).payload(b"x");
    lab.forwards(HOST_A, there(A), ROUTER, there(V));
    lab.rig.wait(Duration::from_secs(7439));
    let back = |dst| Build::tcp(peer, at(dst, 41000), ACK, 701, 502);
    lab.forwards(ROUTER, back(V), HOST_A, back(A));
    assert_eq!(lab.rig.counters().flows, 2);
}

#[test]
fn s43_an_idle_connection_that_is_only_routed_lives_for_a_day() {
    let (mut lab, config, visitor) = (lab(), at(CONFIG, 2020), at(VISITOR, 50123));
    let syn = Build::tcp(at(A, 40200), config, SYN, 1, 0);
    lab.forwards(HOST_A, syn.clone(), ROUTER, syn);
    let syn = Build::tcp(visitor, at(A, 7000), SYN, 1, 0);
    lab.forwards(ROUTER, syn.clone(), HOST_A, syn);
    lab.exchange(HOST_A, at(A, 7000), visitor);
    lab.rig.wait(Duration::from_secs(24 * 3600));
    assert_eq!(lab.rig.settle(), [], "nobody is reset for being quiet");
    for (own, other) in [(at(A, 40200), config), (at(A, 7000), visitor)] {
        let data = Build::tcp(own, other, DATA, 5000, 6000).payload(b"still here");
        let (out, moved) = lab.send(HOST_A, &data);
        assert_eq!((moved.transmitted, moved.dropped.len()), (1, 0));
        lab.expect(&out, ROUTER, data.ttl(63));
        let data = Build::tcp(other, own, DATA, 6000, 5010).payload(b"so am I");
        lab.forwards(ROUTER, data.clone(), HOST_A, data);
    }
}

/// A manager's pair behind W, with RM1 active.
fn with_managers() -> Lab {
    Lab::with(|intent| {
        intent.members.push(member("rm-1", "10.20.0.31", 1));
        intent.pools.push(pool("managers", &[2]));
        intent.virtual_servers.push(virtual_server("rm", "10.20.0.30", 1));
        intent.snats.push(snat("10.20.0.30", 1, &[]));
    })
}

/// Both ends of a hairpin learn of the loss, whichever of the two members it was.
#[test]
fn s24_s74_a_connection_between_two_pairs_is_reset_when_either_end_is_lost() {
    const W: &str = "10.20.0.30";
    const RM1: &str = "10.20.0.31";
    let manager = Far::Server(31);
    for caller_is_lost in [true, false] {
        let mut lab = with_managers();
        let syn = |src, dst| Build::tcp(at(src, 41000), at(dst, 5060), SYN, 500, 0);
        lab.forwards(HOST_A, syn(A, W), manager, syn(V, RM1));
        let syn_ack = |src, dst| Build::tcp(at(src, 5060), at(dst, 41000), SYN_ACK, 700, 501);
        lab.forwards(manager, syn_ack(RM1, V), HOST_A, syn_ack(W, A));
        let ack = |src, dst| Build::tcp(at(src, 41000), at(dst, 5060), ACK, 501, 701);
        lab.forwards(HOST_A, ack(A, W), manager, ack(V, RM1));
        let out = match caller_is_lost {
            true => lab.rig.switch_over(Some(MEMBER_B), true),
            false => {
                let generation = Generation(lab.rig.health.pools[1].generation.0 + 1);
                lab.rig.health.pools[1] = PoolHealth { active: None, generation, ..PoolHealth::default() };
                lab.rig.health.members[2].lost_before = generation;
                lab.rig.publish()
            }
        };
        assert_eq!(out.len(), 2, "{caller_is_lost}");
        let to_a = out.iter().find(|(_, frame)| frame[30..34] == addr(A).octets()).unwrap();
        let to_manager = out.iter().find(|(_, frame)| frame[30..34] == addr(RM1).octets()).unwrap();
        lab.expect_reset(to_a, HOST_A, at(W, 5060), at(A, 41000), 701);
        lab.expect_reset(to_manager, manager, at(V, 41000), at(RM1, 5060), 501);
    }
}

#[test]
fn client_is_reset_although_the_member_spoke_first() {
    let mut lab = Lab::new(Layout::TwoArm);
    let client = at(PHONE, 40001);
    lab.connect(client, 5060, HOST_A);
    let seg = Build::tcp(at(A, 5060), client, DATA, 9001, 1001).payload(b"abc");
    let frame = lab.arriving(HOST_A, &seg);
    let port = lab.port(HOST_A);
    lab.rig.ports.inject(port, &frame);
    let out = lab.rig.switch_over(Some(MEMBER_B), true);
    let to_client = out.iter().filter(|(port, _)| *port == OUTER).count();
    assert!(to_client > 0, "{} frames out, none to the client", out.len());
}
