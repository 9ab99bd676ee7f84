//! Regressions: what the seeds found, each as short as it can be, with whole frames from the specification.

use fairlead::engine::{DropReason, EngineEvent};
use fairlead::wire::build::Build;
use testbench::lab::*;
use testbench::plan::{Plan, host};
use testbench::rig::*;

const W: &str = "10.20.0.200";
const C: &str = "10.20.0.21";
const D: &str = "10.20.0.22";
const SPOKE: &[EngineEvent] = &[EngineEvent::StandbySpoke];
const ANSWERED: &[EngineEvent] = &[EngineEvent::SpeakerAnswered];

/// Two pairs on one box.
struct Two {
    lab: Lab,
    plan: Plan,
}

impl Two {
    fn new() -> Two {
        let plan = Plan::new(Layout::TwoArm, 1_500);
        let lab = Lab { rig: Rig::new(Memory::default(), plan.intent(), 1), layout: Layout::TwoArm };
        let mut two = Two { lab, plan };
        two.publish();
        two
    }

    fn publish(&mut self) -> usize {
        let rig = &mut self.lab.rig;
        (rig.intent, rig.health) = (self.plan.intent(), self.plan.health());
        rig.adjacency = neighbours(&rig.intent);
        rig.publish().len()
    }

    fn switch_over(&mut self, pair: usize, to: Option<usize>, lost: bool) {
        self.plan.switch_over(pair, to, lost);
        self.publish();
    }
}

fn call(src: &str, src_port: u16, dst: &str, dst_port: u16) -> Build {
    Build::udp(at(src, src_port), at(dst, dst_port)).payload(b"INVITE")
}

/// A standby's request with the virtual address in its Via, or the answer to that.
fn sip(start: &str, src: (&str, u16), dst: (&str, u16)) -> Build {
    let text = format!("{start}\r\nVia: SIP/2.0/UDP 10.20.0.100;branch=z9hG4bKb\r\nCSeq: 1 OPTIONS\r\n\r\n");
    Build::udp(at(src.0, src.1), at(dst.0, dst.1)).payload(text.as_bytes())
}

fn ask(src: &str, dst: &str, dst_port: u16) -> Build {
    sip("OPTIONS sip:b SIP/2.0", (src, 5060), (dst, dst_port))
}

fn answer(src: &str, dst: &str) -> Build {
    sip("SIP/2.0 200 OK", (src, 5060), (dst, 5060))
}

#[test]
fn an_excluded_host_that_called_one_pair_sees_the_members_of_the_other() {
    let mut two = Two::new();
    two.lab.forwards(ROUTER, call(CONFIG, 5060, V, 5060), HOST_A, call(CONFIG, 5060, A, 5060));
    two.lab.forwards(host(2), call(C, 5060, CONFIG, 5060), ROUTER, call(C, 5060, CONFIG, 5060));
}

/// A gateway is a peer of both pairs, as gateways are. What a member of one pair sends to it does not concern the other pair.
fn both_speak_to_one_gateway(second: usize, events: &[EngineEvent]) {
    let mut two = Two::new();
    let other = if second == 2 { C } else { D };
    two.lab.forwards_noting(SPOKE, HOST_B, ask(B, PEER, 5060), ROUTER, ask(V, PEER, 5060));
    two.lab.forwards_noting(ANSWERED, ROUTER, answer(PEER, V), HOST_B, answer(PEER, B));
    two.lab.forwards_noting(events, host(second), call(other, 5060, PEER, 5060), ROUTER, call(W, 5060, PEER, 5060));
    two.lab.forwards_noting(ANSWERED, ROUTER, answer(PEER, V), HOST_B, answer(PEER, B));
}

#[test]
fn a_standby_that_spoke_first_is_answered_although_the_active_one_of_another_pair_speaks_too() {
    both_speak_to_one_gateway(2, &[]);
}

#[test]
fn a_standby_that_spoke_first_is_answered_although_the_standby_of_another_pair_speaks_too() {
    both_speak_to_one_gateway(3, SPOKE);
}

#[test]
fn a_call_from_another_port_to_another_pair_follows_the_switchover() {
    let mut two = Two::new();
    two.lab.forwards(HOST_A, call(A, 33_000, W, 5060), host(2), call(V, 33_000, C, 5060));
    two.switch_over(1, Some(3), true);
    two.lab.forwards(HOST_A, call(A, 33_000, W, 5060), host(3), call(V, 33_000, D, 5060));
}

#[test]
fn a_call_from_another_port_to_another_pair_is_dropped_when_nobody_is_active() {
    let mut two = Two::new();
    two.lab.forwards(HOST_A, call(A, 33_000, W, 5060), host(2), call(V, 33_000, C, 5060));
    two.switch_over(1, None, true);
    two.lab.drops(HOST_A, call(A, 33_000, W, 5060), DropReason::NoActiveMember);
}

#[test]
fn the_member_that_takes_over_answers_a_call_from_another_pair() {
    let mut two = Two::new();
    two.lab.forwards(HOST_A, call(A, 33_000, W, 5060), host(2), call(V, 33_000, C, 5060));
    two.switch_over(1, Some(3), true);
    two.lab.forwards(host(3), call(D, 5060, V, 33_000), HOST_A, call(W, 5060, A, 33_000));
}

#[test]
fn a_members_own_connection_to_another_pair_survives_a_restart() {
    let mut two = Two::new();
    let there = |src, dst| Build::tcp(at(src, 41_000), at(dst, 5060), DATA, 501, 701).payload(b"INVITE");
    let (out, moved) = two.lab.send(HOST_A, &there(A, W));
    assert_eq!(moved.dropped, []);
    two.lab.expect(&out, host(2), there(V, C).ttl(63));
}

#[test]
fn a_call_that_was_refused_leaves_nothing_behind() {
    let mut two = Two::new();
    two.switch_over(0, None, false);
    let sent = call(CONFIG, 5060, V, 5060);
    two.lab.rejects(ROUTER, sent.clone(), DropReason::NoActiveMember, Build::icmp_error(V, CONFIG, 3, 3, &sent));
    two.switch_over(0, Some(0), false);
    two.lab.forwards(HOST_A, call(A, 5060, CONFIG, 5060), ROUTER, call(A, 5060, CONFIG, 5060));
}

#[test]
fn a_standby_that_asks_a_caller_from_another_pair_is_answered_and_the_active_one_is_called_again() {
    let mut two = Two::new();
    let answer = |src, dst| sip("SIP/2.0 200 OK", (src, 33_000), (dst, 5060));
    for _ in 0..2 {
        two.lab.forwards(HOST_A, call(A, 33_000, W, 5060), host(2), call(V, 33_000, C, 5060));
        two.lab.forwards_noting(SPOKE, host(3), ask(D, V, 33_000), HOST_A, ask(W, A, 33_000));
        two.lab.forwards_noting(ANSWERED, HOST_A, answer(A, W), host(3), answer(V, D));
        two.lab.forwards_noting(ANSWERED, HOST_A, answer(A, W), host(3), answer(V, D));
    }
}

/// Both ends are service ports.
#[test]
fn a_standby_that_asks_another_pair_is_answered() {
    let mut two = Two::new();
    let request = |src, dst| ask(src, dst, 5060);
    for _ in 0..2 {
        two.lab.forwards_noting(SPOKE, HOST_B, request(B, W), host(2), request(V, C));
        two.lab.forwards_noting(ANSWERED, host(2), answer(C, V), HOST_B, answer(W, B));
        two.lab.forwards(host(2), call(C, 5060, V, 5060), HOST_A, call(W, 5060, A, 5060));
    }
}

/// A connection of a member's to the virtual address of a pair, `ending` as it ends; then nobody is active, and the same
/// one is opened again: outside, a client hears at once that nobody takes it (s28).
fn reopened_with_nobody_active(pair: usize, (address, who): (&str, usize), ending: bool, lost: bool) {
    let mut two = Two::new();
    let callee = host(who);
    let own = if who == 0 { A } else { C };
    let there = |src, dst, flags, seq, ack| Build::tcp(at(src, 41_000), at(dst, 5060), flags, seq, ack);
    let back = |src, dst, flags, seq, ack| Build::tcp(at(src, 5060), at(dst, 41_000), flags, seq, ack);
    two.lab.forwards(HOST_B, there(B, address, SYN, 500, 0), callee, there(V, own, SYN, 500, 0));
    two.lab.forwards(callee, back(own, V, SYN_ACK, 700, 501), HOST_B, back(address, B, SYN_ACK, 700, 501));
    two.lab.forwards(HOST_B, there(B, address, ACK, 501, 701), callee, there(V, own, ACK, 501, 701));
    if ending {
        two.lab.forwards(HOST_B, there(B, address, FIN_ACK, 501, 701), callee, there(V, own, FIN_ACK, 501, 701));
        two.lab.forwards(callee, back(own, V, FIN_ACK, 701, 502), HOST_B, back(address, B, FIN_ACK, 701, 502));
        two.lab.forwards(HOST_B, there(B, address, ACK, 502, 702), callee, there(V, own, ACK, 502, 702));
    }
    two.switch_over(pair, None, lost);
    let (out, moved) = two.lab.send(HOST_B, &there(B, address, SYN, 90_000, 0));
    assert_eq!(moved.dropped.len(), 1, "{moved:?}");
    two.lab.expect_reset(&out[0], HOST_B, at(address, 5060), at(B, 41_000), 0);
}

#[test]
fn a_connection_that_ended_is_not_opened_again_with_nobody_active() {
    for (pair, address, who) in [(0, V, 0), (1, W, 2)] {
        for (ending, lost) in [(false, true), (true, false), (true, true)] {
            reopened_with_nobody_active(pair, (address, who), ending, lost);
        }
    }
}

fn exclude(two: &mut Two, net: &str) {
    two.plan.excluded = vec![net.parse().unwrap()];
    two.publish();
}

fn include(two: &mut Two) {
    two.plan.excluded.clear();
    two.plan.narrowed = true;
    two.publish();
}

#[test]
fn a_connection_to_an_excluded_host_survives_the_end_of_the_exclusion() {
    let (mut two, peer) = (Two::new(), at(PEER, 5060));
    exclude(&mut two, "172.16.9.9/32");
    let there = |flags, seq, ack| Build::tcp(at(A, 41_000), peer, flags, seq, ack);
    let back = |flags, seq, ack| Build::tcp(peer, at(A, 41_000), flags, seq, ack);
    two.lab.forwards(HOST_A, there(SYN, 500, 0), ROUTER, there(SYN, 500, 0));
    two.lab.forwards(ROUTER, back(SYN_ACK, 700, 501), HOST_A, back(SYN_ACK, 700, 501));
    two.lab.forwards(HOST_A, there(ACK, 501, 701), ROUTER, there(ACK, 501, 701));
    include(&mut two);
    let (out, _) = two.lab.send(HOST_A, &there(DATA, 501, 701).payload(b"INVITE"));
    two.lab.expect(&out, ROUTER, there(DATA, 501, 701).payload(b"INVITE").ttl(63));
}

#[test]
fn a_visitor_of_both_service_ports_is_answered_by_both_members_themselves() {
    let mut two = Two::new();
    for (host, own) in [(HOST_A, A), (HOST_B, B)] {
        two.lab.forwards(ROUTER, call(VISITOR, 50_000, own, 5060), host, call(VISITOR, 50_000, own, 5060));
    }
    for (host, own) in [(HOST_B, B), (HOST_A, A)] {
        two.lab.forwards(host, call(own, 5060, VISITOR, 50_000), ROUTER, call(own, 5060, VISITOR, 50_000));
    }
}

#[test]
fn a_visitor_is_answered_untranslated_although_the_member_spoke_first() {
    let mut two = Two::new();
    two.lab.forwards(HOST_A, call(A, 7000, VISITOR, 50_000), ROUTER, call(V, 7000, VISITOR, 50_000));
    for _ in 0..2 {
        two.lab.forwards(ROUTER, call(VISITOR, 50_000, A, 7000), HOST_A, call(VISITOR, 50_000, A, 7000));
        two.lab.forwards(HOST_A, call(A, 7000, VISITOR, 50_000), ROUTER, call(A, 7000, VISITOR, 50_000));
    }
}

#[test]
fn a_standby_whose_datagram_ran_out_of_hops_has_not_spoken() {
    let mut two = Two::new();
    let (out, moved) = two.lab.send(HOST_B, &call(B, 5060, PEER, 5060).ttl(1));
    assert_eq!((out.len(), moved.dropped), (1, vec![DropReason::TtlExceeded]));
    two.lab.forwards(ROUTER, call(PEER, 5060, V, 5060), HOST_A, call(PEER, 5060, A, 5060));
}

#[test]
fn a_host_is_excluded_at_once_whoever_spoke_to_it_before() {
    let mut two = Two::new();
    two.lab.forwards_noting(SPOKE, HOST_B, call(B, 5060, PEER, 5060), ROUTER, call(V, 5060, PEER, 5060));
    two.switch_over(0, Some(1), false);
    two.lab.forwards(ROUTER, call(PEER, 5060, V, 5060), HOST_B, call(PEER, 5060, B, 5060));
    exclude(&mut two, "172.16.9.9/32");
    two.lab.forwards(HOST_B, call(B, 5060, PEER, 5060), ROUTER, call(B, 5060, PEER, 5060));
}

#[test]
fn a_standing_connection_keeps_its_source_in_pieces_too_when_its_peer_is_excluded() {
    let (mut two, peer) = (Two::new(), at(PEER, 5060));
    two.lab.connect_out(HOST_A, 41_000, peer);
    exclude(&mut two, "172.16.9.9/32");
    let data = |src| Build::tcp(at(src, 41_000), peer, DATA, 501, 701).payload(&[7; 900]);
    two.lab.forwards(HOST_A, data(A), ROUTER, data(V));
    let mut out = Vec::new();
    for piece in two.lab.dress(HOST_A, &data(A)).fragments(600) {
        out.extend(two.lab.raw(HOST_A, &piece).0);
    }
    let expected = two.lab.undress(ROUTER, &two.lab.identified_pieces(data(V).ttl(63), &out[0].1)).fragments(600);
    out.iter().zip(&expected).for_each(|((_, got), expected)| assert_same(got, expected));
}

#[test]
fn a_call_that_follows_a_switchover_keeps_its_port() {
    let mut two = Two::new();
    two.lab.forwards(HOST_A, call(A, 33_000, W, 5060), host(2), call(V, 33_000, C, 5060));
    let port = two.lab.forwards_as(HOST_B, call(B, 33_000, V, 5060), HOST_A, |port| call(V, port, A, 5060));
    two.plan.second = false;
    two.publish();
    two.lab.forwards(HOST_B, call(B, 33_000, V, 5060), HOST_A, call(V, port, A, 5060));
    two.switch_over(0, Some(1), false);
    two.lab.forwards(HOST_B, call(B, 33_000, V, 5060), HOST_B, call(V, port, B, 5060));
}

#[test]
fn a_datagram_that_does_not_get_through_ends_no_call_between_pairs() {
    let mut two = Two::new();
    let port = two.lab.forwards_as(HOST_B, call(B, 33_000, V, 5060), HOST_A, |port| call(V, port, A, 5060));
    two.switch_over(0, Some(1), false);
    let (_, moved) = two.lab.send(HOST_B, &call(B, 33_000, V, 5060).ttl(1));
    assert_eq!(moved.dropped, [DropReason::TtlExceeded]);
    two.lab.forwards(HOST_B, call(B, 5060, V, port), HOST_B, call(V, 5060, B, 33_000));
}
