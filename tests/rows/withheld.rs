//! Scenarios 22, 23, 36 and 78 under `unreachable = "hold"`: what the active member refuses, and what cannot reach it, while another
//! member may take over.

use super::*;
use fairlead::engine::DropReason;
use fairlead::policy::adjacency::{Neighbour, NextHop};
use fairlead::policy::health::State;
use fairlead::policy::intent::{InterfaceId, Unreachable};
use fairlead::time::Duration;
use fairlead::wire::build::Build;
use fairlead::wire::tcp::Flags;
use fairlead::worker::{Command, Event};

const GAP: Duration = Duration::from_secs(4);
const HOP_A: NextHop = NextHop { interface: InterfaceId(1), address: std::net::Ipv4Addr::new(10, 20, 0, 11) };
const HOP_B: NextHop = NextHop { interface: InterfaceId(1), address: std::net::Ipv4Addr::new(10, 20, 0, 12) };

fn lab() -> Lab {
    Lab::with(|intent| intent.virtual_servers.iter_mut().for_each(|server| server.unreachable = Unreachable::Hold))
}

/// A request as a client sent it, or as it arrived at a member.
fn request(client: u16, dst: &str) -> Build {
    Build::udp(at(PHONE, client), at(dst, 5060)).ttl(63).id(99).payload(b"INVITE sip:1 SIP/2.0\r\n\r\n")
}

/// As A says it, or as the client hears it.
fn refusal(code: u8, client: u16, from: &str) -> Build {
    Build::icmp_error(from, PHONE, 3, code, &request(client, from)).id(5)
}

/// Nothing comes out, and the frame waits.
#[track_caller]
fn waits(lab: &mut Lab, from: Far, sent: &Build) {
    let held = lab.rig.counters().held;
    let (out, moved) = lab.send(from, sent);
    assert_eq!((out, moved), (vec![], Moved { received: 1, ..Moved::default() }));
    assert_eq!(lab.rig.counters().held, held + 1);
}

#[test]
fn s22_held_port_and_protocol_unreachable_of_the_active_member_hasten_the_probe_and_wait() {
    for code in [2, 3] {
        let mut lab = lab();
        waits(&mut lab, HOST_A, &refusal(code, 5060, A));
        assert_eq!(lab.rig.events.iter().filter(|event| matches!(event, Event::Hint(MEMBER_A))).count(), 1);
        assert_eq!(lab.rig.switch_over(Some(MEMBER_B), true), [], "a switchover: nobody is answered");
        let counters = lab.rig.counters();
        assert_eq!((counters.held, counters.drops(DropReason::UnreachableSuperseded)), (0, 1));
        lab.forwards(ROUTER, request(5060, V).ttl(64), HOST_B, request(5060, B).ttl(64));
    }
}

#[test]
fn s22_held_it_is_passed_on_when_the_member_answers_or_the_gap_is_over() {
    let mut lab = lab();
    waits(&mut lab, HOST_A, &refusal(3, 5060, A));
    assert_eq!(lab.rig.command(|| Command::ConfirmedUp(MEMBER_B)), [], "not the one");
    let out = lab.rig.command(|| Command::ConfirmedUp(MEMBER_A));
    lab.expect(&out, ROUTER, refusal(3, 5060, V).ttl(63));
    assert_eq!(lab.rig.counters().held, 0);

    waits(&mut lab, HOST_A, &refusal(3, 5060, A));
    lab.rig.wait(GAP - Duration::from_millis(1));
    assert_eq!(lab.rig.settle(), []);
    lab.rig.wait(Duration::from_millis(1));
    let out = lab.rig.settle();
    lab.expect(&out, ROUTER, refusal(3, 5060, V).ttl(63));
}

/// The newest for each client and port; the switchover drops one for each.
#[test]
fn s22_held_the_newest_stands_for_a_client() {
    let mut lab = lab();
    waits(&mut lab, HOST_A, &refusal(3, 5060, A));
    waits(&mut lab, HOST_A, &refusal(3, 5061, A));
    lab.drops(HOST_A, refusal(3, 5060, A).id(6), DropReason::UnreachableSuperseded);
    assert_eq!(lab.rig.counters().held, 2);
    let out = lab.rig.command(|| Command::ConfirmedUp(MEMBER_A));
    assert_eq!(out.len(), 2);
    lab.expect(&out[..1], ROUTER, refusal(3, 5060, V).id(6).ttl(63));
    lab.expect(&out[1..], ROUTER, refusal(3, 5061, V).ttl(63));
}

/// Others than the active member itself, other codes, and what nobody could come for.
#[test]
fn s22_held_is_nothing_else() {
    let mut lab = lab();
    for code in [0, 1, 4, 10, 13] {
        lab.forwards(HOST_A, refusal(code, 5060, A), ROUTER, refusal(code, 5060, V));
    }
    let router = Build::icmp_error("10.20.0.77", PHONE, 3, 3, &request(5060, A));
    let (out, _) = lab.send(Far::Server(77), &router);
    assert_eq!((out.len(), lab.rig.counters().held), (1, 0), "a router's");
    lab.forwards(HOST_B, refusal(3, 5060, B), ROUTER, refusal(3, 5060, V));
    let visitor = |dst| Build::udp(at(VISITOR, 50_000), at(dst, 7000)).payload(b"get");
    lab.forwards(ROUTER, visitor(A), HOST_A, visitor(A));
    let error = Build::icmp_error(A, VISITOR, 3, 3, &visitor(A));
    lab.forwards(HOST_A, error.clone(), ROUTER, error);

    for nobody in [State::Drained, State::Offline] {
        let mut lab = self::lab();
        lab.rig.health.members[1].state = nobody;
        lab.rig.publish();
        lab.forwards(HOST_A, refusal(3, 5060, A), ROUTER, refusal(3, 5060, V));
    }
    let mut lab = self::lab();
    lab.rig.adjacency.insert(HOP_B, Neighbour::Failed);
    lab.rig.publish();
    lab.forwards(HOST_A, refusal(3, 5060, A), ROUTER, refusal(3, 5060, V));
}

#[test]
fn s22_held_is_passed_on_at_once_when_nobody_can_come_any_more() {
    let mut lab = lab();
    waits(&mut lab, HOST_A, &refusal(3, 5060, A));
    lab.rig.health.members[1].state = State::Offline;
    let out = lab.rig.publish();
    lab.expect(&out, ROUTER, refusal(3, 5060, V).ttl(63));
}

/// A storm is bounded, whatever of it is passed on keeps to the rate of the file, and another queue loses no place.
#[test]
fn s23_held_a_storm_is_bounded_and_takes_no_other_frames_place() {
    let mut lab = lab();
    let most = lab.rig.intent.limits.fragments_per_worker as u64 / 2;
    for client in 0..6_000 {
        lab.send(HOST_A, &refusal(3, 10_000 + client, A));
    }
    let held = lab.rig.counters().held;
    assert!(held > 0 && held <= most * 3, "{held}");
    assert_eq!(lab.rig.counters().drops(DropReason::WithheldFull), 6_000 - held);
    let known = lab.rig.adjacency.remove(&HOP_A).unwrap();
    lab.rig.publish();
    let (out, moved) = lab.send(ROUTER, &request(5060, V));
    assert_eq!((out, moved.dropped), (vec![], vec![]), "it waits for a MAC");
    lab.rig.adjacency.insert(HOP_A, known);
    assert_eq!(lab.rig.publish().len(), 1);
}

/// The answer to a bare SYN; of a connection that stands a reset is passed on.
#[test]
fn s22_held_a_reset_of_a_syn_waits_and_one_of_a_connection_does_not() {
    let mut lab = lab();
    let (client, syn) = (at(PHONE, 40_001), |dst| Build::tcp(at(PHONE, 40_001), at(dst, 5060), SYN, 7, 0));
    let reset = |src| Build::tcp(at(src, 5060), client, Flags::RST.with(Flags::ACK), 0, 8);
    lab.forwards(ROUTER, syn(V), HOST_A, syn(A));
    waits(&mut lab, HOST_A, &reset(A));
    let out = lab.rig.command(|| Command::ConfirmedUp(MEMBER_A));
    lab.expect(&out, ROUTER, reset(V).ttl(63));

    lab.forwards(ROUTER, syn(V), HOST_A, syn(A));
    waits(&mut lab, HOST_A, &reset(A));
    let out = lab.rig.switch_over(Some(MEMBER_B), true);
    assert_eq!(out, [], "the client hears nothing");
    let (out, _) = lab.send(ROUTER, &syn(V));
    lab.expect(&out, HOST_B, syn(B).ttl(63));

    lab.rig.switch_over(Some(MEMBER_A), false);
    lab.connect(at(PHONE, 40_002), 5060, HOST_A);
    let reset = |src| Build::tcp(at(src, 5060), at(PHONE, 40_002), Flags::RST, 9001, 0);
    lab.forwards(HOST_A, reset(A), ROUTER, reset(V));
}

#[test]
fn s36_held_a_datagram_to_a_member_that_is_gone_waits_for_another_and_goes_there() {
    let mut lab = lab();
    lab.rig.adjacency.insert(HOP_A, Neighbour::Failed);
    lab.rig.publish();
    let sent = request(5060, V).ttl(64);
    waits(&mut lab, ROUTER, &sent);
    waits(&mut lab, ROUTER, &sent.clone().id(100));
    let out = lab.rig.switch_over(Some(MEMBER_B), true);
    assert_eq!((out.len(), lab.rig.counters().held), (2, 0));
    lab.expect(&out[..1], HOST_B, request(5060, B).ttl(63));
    lab.expect(&out[1..], HOST_B, request(5060, B).ttl(63).id(100));
}

#[test]
fn s36_held_after_the_gap_its_sender_is_refused() {
    let mut lab = lab();
    lab.rig.adjacency.insert(HOP_A, Neighbour::Failed);
    lab.rig.publish();
    let sent = request(5060, V).ttl(64);
    waits(&mut lab, ROUTER, &sent);
    lab.rig.wait(GAP);
    let out = lab.rig.settle();
    lab.expect_own(&out, ROUTER, Build::icmp_error(E, PHONE, 3, 1, &sent));
    assert_eq!(lab.rig.counters().drops(DropReason::HostUnreachable), 1);
}

#[test]
fn s78_held_what_waited_for_a_mac_that_never_came_waits_for_another_member() {
    let mut lab = lab();
    lab.rig.adjacency.remove(&HOP_A);
    lab.rig.publish();
    waits(&mut lab, ROUTER, &request(5060, V).ttl(64));
    assert_eq!(lab.rig.command(|| Command::GiveUp(HOP_A)), []);
    lab.rig.adjacency.insert(HOP_A, Neighbour::Failed);
    assert_eq!((lab.rig.publish(), lab.rig.counters().held), (vec![], 1));
    let out = lab.rig.switch_over(Some(MEMBER_B), true);
    lab.expect(&out, HOST_B, request(5060, B).ttl(63));
}
