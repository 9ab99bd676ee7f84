//! What a member sends by UDP may be answered from another port of the same host (RFC 4787 REQ-8: filtering is
//! address-dependent), and by nobody else.

use super::*;
use fairlead::engine::{DropReason, EngineEvent};
use fairlead::time::Duration;
use fairlead::wire::build::Build;

fn lab() -> Lab {
    Lab::new(Layout::TwoArm)
}

/// A reads a file by TFTP: the answer comes from a port that nobody has addressed.
fn asks(src: &str, peer: &str) -> Build {
    Build::udp(at(src, 40_000), at(peer, 69)).payload(b"read")
}

fn answers(peer: &str, port: u16, dst: &str) -> Build {
    Build::udp(at(peer, port), at(dst, 40_000)).payload(b"data")
}

#[track_caller]
fn refused(lab: &mut Lab, peer: &str, port: u16) {
    let sent = answers(peer, port, V);
    lab.rejects(ROUTER, sent.clone(), DropReason::NotListening, Build::icmp_error(V, peer, 3, 3, &sent));
}

#[test]
fn an_answer_from_another_port_of_the_same_host_reaches_the_member() {
    let mut lab = lab();
    refused(&mut lab, PEER, 50_123);
    lab.forwards(HOST_A, asks(A, PEER), ROUTER, asks(V, PEER));
    for port in [50_123, 50_124] {
        for _ in 0..2 {
            lab.forwards(ROUTER, answers(PEER, port, V), HOST_A, answers(PEER, port, A));
            let acknowledges = |src| Build::udp(at(src, 40_000), at(PEER, port)).payload(b"ack");
            lab.forwards(HOST_A, acknowledges(A), ROUTER, acknowledges(V));
        }
    }
    lab.forwards(ROUTER, answers(PEER, 69, V), HOST_A, answers(PEER, 69, A));
    refused(&mut lab, PHONE, 50_123);
    let elsewhere = Build::udp(at(PEER, 50_123), at(V, 40_002)).payload(b"data");
    lab.rejects(ROUTER, elsewhere.clone(), DropReason::NotListening, Build::icmp_error(V, PEER, 3, 3, &elsewhere));
    assert_eq!(lab.rig.counters().flows, 3);
}

#[test]
fn one_host_makes_sixteen_flows_at_most() {
    let mut lab = lab();
    lab.forwards(HOST_A, asks(A, PEER), ROUTER, asks(V, PEER));
    for port in 50_000..50_016 {
        lab.forwards(ROUTER, answers(PEER, port, V), HOST_A, answers(PEER, port, A));
    }
    refused(&mut lab, PEER, 50_016);
    lab.forwards(ROUTER, answers(PEER, 50_003, V), HOST_A, answers(PEER, 50_003, A));
    assert_eq!(lab.rig.counters().flows, 17);
}

#[test]
fn what_comes_from_outside_keeps_no_flow_alive() {
    let mut lab = lab();
    lab.forwards(HOST_A, asks(A, PEER), ROUTER, asks(V, PEER));
    lab.forwards(ROUTER, answers(PEER, 50_123, V), HOST_A, answers(PEER, 50_123, A));
    for _ in 0..6 {
        lab.rig.wait(Duration::from_secs(45));
        lab.forwards(ROUTER, answers(PEER, 50_123, V), HOST_A, answers(PEER, 50_123, A));
    }
    lab.rig.wait(Duration::from_secs(45));
    lab.rig.settle();
    assert_eq!(lab.rig.counters().flows, 0);
    refused(&mut lab, PEER, 50_123);
    // What the member sends does.
    lab.forwards(HOST_A, asks(A, PEER), ROUTER, asks(V, PEER));
    for _ in 0..6 {
        lab.forwards(ROUTER, answers(PEER, 50_123, V), HOST_A, answers(PEER, 50_123, A));
        let acknowledges = |src| Build::udp(at(src, 40_000), at(PEER, 50_123)).payload(b"ack");
        lab.forwards(HOST_A, acknowledges(A), ROUTER, acknowledges(V));
        lab.rig.wait(Duration::from_secs(100));
    }
    assert_eq!(lab.rig.counters().flows, 1, "the first flow is over, and the port is still held");
}

#[test]
fn a_fifth_address_opens_the_port_until_it_is_given_up() {
    let mut lab = lab();
    for last in 1..=5 {
        let peer = format!("172.16.7.{last}");
        refused(&mut lab, PHONE, 50_123);
        let opened: &[EngineEvent] = if last == 5 { &[EngineEvent::FilterOpened] } else { &[] };
        lab.forwards_noting(opened, HOST_A, asks(A, &peer), ROUTER, asks(V, &peer));
    }
    lab.forwards(ROUTER, answers(PHONE, 50_123, V), HOST_A, answers(PHONE, 50_123, A));
    lab.rig.wait(Duration::from_secs(301));
    lab.rig.settle();
    assert_eq!(lab.rig.counters().flows, 0);
    lab.forwards(HOST_B, asks(B, PEER), ROUTER, asks(V, PEER));
    refused(&mut lab, PHONE, 50_123);
    lab.forwards(ROUTER, answers(PEER, 50_123, V), HOST_B, answers(PEER, 50_123, B));
}

#[test]
fn connections_are_answered_by_the_very_port_alone() {
    let mut lab = lab();
    lab.connect_out(HOST_A, 41_000, at(PEER, 5060));
    lab.drops(ROUTER, Build::tcp(at(PEER, 5070), at(V, 41_000), DATA, 1, 2), DropReason::NoFlow);
}
