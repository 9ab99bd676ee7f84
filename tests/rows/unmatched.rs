//! Scenarios 47 and 80: what nobody takes at a virtual address, and what its sender hears.

use super::*;
use fairlead::engine::DropReason;
use fairlead::policy::intent::{Listen, Unmatched};
use fairlead::time::Duration;
use fairlead::wire::Protocol;
use fairlead::wire::build::Build;

fn lab() -> Lab {
    Lab::new(Layout::TwoArm)
}

#[test]
fn s80_a_port_nobody_listens_on_is_refused_and_never_routed_onward() {
    let mut lab = lab();
    for port in [443, 53] {
        let sent = Build::udp(at(PHONE, 5060), at(V, port)).payload(b"hello");
        lab.rejects(ROUTER, sent.clone(), DropReason::NotListening, Build::icmp_error(V, PHONE, 3, 3, &sent));
    }
    let sent = Build::udp(at(VISITOR, 50000), at(V, 33434)).ttl(1).payload(&[0x40; 32]);
    let (out, _) = lab.send(ROUTER, &sent);
    lab.expect_own(&out, ROUTER, Build::icmp_error(V, VISITOR, 3, 3, &sent));
}

/// A client asks for a connection to a port of V on which nobody listens.
fn knock(lab: &mut Lab) -> (Vec<(fairlead::policy::intent::PortId, Vec<u8>)>, Moved) {
    lab.send(ROUTER, &Build::tcp(at(PHONE, 40001), at(V, 443), SYN, 7, 0))
}

#[test]
fn s80_a_connection_nobody_takes_is_reset_without_snat_or_by_policy() {
    let nobody_goes_out = Lab::with(|intent| intent.snats.clear());
    let at_once = Lab::with(|intent| intent.virtual_servers[0].unmatched = Unmatched::RejectNow);
    for mut lab in [nobody_goes_out, at_once] {
        let (out, moved) = knock(&mut lab);
        assert_eq!(moved.dropped, [DropReason::NotListening]);
        lab.expect_reset(&out[0], ROUTER, at(V, 443), at(PHONE, 40001), 0);
    }
}

#[test]
fn s80_policy_drop_is_silent() {
    let mut lab = Lab::with(|intent| intent.virtual_servers[0].unmatched = Unmatched::Drop);
    assert_eq!((knock(&mut lab).0.len(), lab.rig.counters().drops(DropReason::NotListening)), (0, 1));
    lab.drops(ROUTER, Build::udp(at(PHONE, 5060), at(V, 53)), DropReason::NotListening);
    lab.rig.wait(Duration::from_secs(10));
    assert_eq!((lab.rig.settle(), lab.rig.counters().originated), (vec![], 0));
}

#[test]
fn s47_a_connection_nobody_asked_for_is_refused_after_six_seconds() {
    let mut lab = lab();
    let syn = Build::tcp(at(PEER, 5060), at(V, 41000), SYN, 7, 0);
    let (out, moved) = lab.send(ROUTER, &syn);
    assert_eq!((out.len(), moved), (0, Moved { received: 1, ..Moved::default() }));
    lab.rig.wait(Duration::from_millis(5_900));
    assert_eq!((lab.rig.settle(), lab.rig.counters().held), (vec![], 1));
    lab.rig.now += Duration::from_millis(100);
    let out = lab.rig.settle();
    lab.expect_own(&out, ROUTER, Build::icmp_error(V, PEER, 3, 3, &syn));
    let counters = lab.rig.counters();
    assert_eq!((counters.drops(DropReason::NotListening), counters.held, counters.flows), (1, 0, 0));
}

#[test]
fn s47_both_ends_may_open_at_once() {
    let (mut lab, peer) = (lab(), at(PEER, 5060));
    lab.send(ROUTER, &Build::tcp(peer, at(V, 41000), SYN, 7, 0));
    let opens = |src| Build::tcp(at(src, 41000), peer, SYN, 500, 0);
    lab.forwards(HOST_A, opens(A), ROUTER, opens(V));
    // The peer has heard nothing and asks again: now it is heard (RFC 5382 REQ-2, RFC 9293 3.5 figure 7).
    let again = |dst| Build::tcp(peer, at(dst, 41000), SYN, 7, 0);
    lab.forwards(ROUTER, again(V), HOST_A, again(A));
    let accepts = |src| Build::tcp(at(src, 41000), peer, SYN_ACK, 500, 8);
    lab.forwards(HOST_A, accepts(A), ROUTER, accepts(V));
    lab.rig.wait(Duration::from_secs(7));
    assert_eq!(lab.rig.settle(), [], "the first SYN is dropped in silence");
    assert_eq!((lab.rig.counters().drops(DropReason::NotListening), lab.rig.counters().held), (1, 0));
}

#[test]
fn s47_only_so_many_wait_and_a_member_is_rejected_at_once() {
    let mut lab = lab();
    for port in 0..2_000 {
        lab.send(ROUTER, &Build::tcp(at(PEER, 20_000 + port), at(V, 41000), SYN, 7, 0));
    }
    let counters = lab.rig.counters();
    assert!(counters.held <= 1_024 * lab.rig.workers.len() as u64, "{}", counters.held);
    assert_eq!(counters.held + counters.drops(DropReason::NotListening), 2_000);
    let mut lab = Lab::new(Layout::TwoArm);
    let (out, moved) = lab.send(HOST_B, &Build::tcp(at(B, 41000), at(V, 443), SYN, 7, 0));
    assert_eq!(moved.dropped, [DropReason::NotListening]);
    lab.expect_reset(&out[0], HOST_B, at(V, 443), at(B, 41000), 0);
}

#[test]
fn s80_a_disabled_virtual_server_is_refused_and_never_routed_onward() {
    let mut lab = Lab::with(|intent| intent.virtual_servers[0].enabled = false);
    let sent = Build::udp(at(PHONE, 5060), at(V, 5060)).payload(b"OPTIONS");
    lab.rejects(ROUTER, sent.clone(), DropReason::VirtualServerDisabled, Build::icmp_error(V, PHONE, 3, 3, &sent));
    let (client, vip) = (at(PHONE, 40001), at(V, 5060));
    let (out, moved) = lab.send(ROUTER, &Build::tcp(client, vip, SYN, 7, 0));
    assert_eq!(moved.dropped, [DropReason::VirtualServerDisabled]);
    lab.expect_reset(&out[0], ROUTER, vip, client, 0);
}

#[test]
fn s47_a_port_that_has_become_a_services_is_not_called_closed() {
    let mut lab = lab();
    lab.send(ROUTER, &Build::tcp(at(PHONE, 40_001), at(V, 443), SYN, 7, 0));
    let listen = Listen { protocol: Protocol::Tcp, port: 443 };
    lab.rig.intent.virtual_servers[0].listen.push(listen);
    lab.rig.publish();
    lab.rig.wait(Duration::from_secs(7));
    assert_eq!(lab.rig.settle(), []);
}

#[test]
fn no_port_unreachable_towards_a_member() {
    let mut lab = Lab::new(Layout::TwoArm);
    let (out, _) = lab.send(HOST_A, &Build::udp(at(A, 5060), at(V, 9999)).payload(b"q"));
    assert_eq!(out.len(), 0, "an error would stop the receive loop of some servers");
}
