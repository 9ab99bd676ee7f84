//! Scenario 83 with more flows than one look at them takes: what a reload concerns is gone for the next packet already, and
//! what it does not concern stays.

use super::*;
use fairlead::policy::intent::MemberId;
use fairlead::wire::build::Build;
use fairlead::wire::{Endpoint, Packet};

const REST: &str = "10.20.0.101";
const OTHER: &str = "10.20.0.102";
const FIRST: u16 = 20_000;
/// More than a worker looks at before a row's next packet comes, where one has them all.
const MANY: u16 = 2_600;

fn client(nth: u16) -> Endpoint {
    at(PHONE, FIRST + nth)
}

/// As many clients knock at `address`, and A gets it.
fn knock(lab: &mut Lab, address: &str, clients: std::ops::Range<u16>) {
    let syn = |nth, dst| Build::tcp(client(nth), at(dst, 5060), SYN, 1000, 0);
    clients.for_each(|nth| lab.forwards(ROUTER, syn(nth, address), HOST_A, syn(nth, A)));
}

fn with_a_second_server() -> Lab {
    let mut lab = Lab::new(Layout::TwoArm);
    lab.rig.intent.virtual_servers.push(virtual_server("sip-3", REST, 0));
    lab.rig.publish();
    lab
}

#[test]
fn s83_clients_of_a_server_with_a_new_address_reconnect_from_their_old_ports() {
    let mut lab = with_a_second_server();
    knock(&mut lab, REST, 0..MANY);
    assert_eq!(lab.rig.counters().flows, u64::from(MANY));
    lab.rig.intent.virtual_servers.pop();
    lab.rig.intent.virtual_servers.push(virtual_server("sip-3", OTHER, 0));
    lab.rig.publish();
    for nth in (0..MANY).rev() {
        knock(&mut lab, OTHER, nth..nth + 1);
        let answer = |src| Build::tcp(at(src, 5060), client(nth), SYN_ACK, 9000, 1001);
        lab.forwards(HOST_A, answer(A), ROUTER, answer(OTHER));
    }
    assert_eq!(lab.rig.counters().flows, u64::from(MANY), "of the old ones none is left");
}

#[test]
fn s83_an_address_that_comes_back_at_once_has_no_flows() {
    let mut lab = with_a_second_server();
    knock(&mut lab, REST, 0..MANY);
    knock(&mut lab, V, MANY..MANY + 5);
    let server = lab.rig.intent.virtual_servers.pop().unwrap();
    lab.rig.publish();
    lab.rig.intent.virtual_servers.push(server);
    lab.rig.publish();
    assert_eq!(lab.rig.counters().flows, 5);
    knock(&mut lab, REST, 0..7);
    lab.rig.settle();
    assert_eq!(lab.rig.counters().flows, 12);
}

#[test]
fn s83_no_reset_comes_from_an_address_that_was_removed() {
    let mut lab = with_a_second_server();
    knock(&mut lab, REST, 0..MANY);
    knock(&mut lab, V, MANY..MANY + 100);
    let named = |out: &[(_, Vec<u8>)], address: &str| {
        let from = |frame: &Vec<u8>| Packet::parse(frame).unwrap().src() == addr(address);
        out.iter().filter(|(_, frame)| from(frame)).count()
    };
    let first = lab.rig.switch_over(Some(MemberId(1)), true);
    assert!(named(&first, REST) > 0, "clients are reset at once");
    lab.rig.intent.virtual_servers.pop();
    let mut then = lab.rig.publish();
    (0..8).for_each(|_| then.extend(lab.rig.settle()));
    assert_eq!(named(&then, REST), 0);
    assert_eq!(named(&first, V) + named(&then, V), 100, "everybody else is reset");
}

#[test]
fn s83_a_removed_member_gets_no_reset_for_its_call_to_another_pair() {
    let mut lab = Lab::new(Layout::TwoArm);
    super::reload::add_a_pair_in_front(&mut lab);
    lab.rig.publish();
    knock(&mut lab, V, 0..MANY);
    let syn = |src, dst| Build::tcp(at(src, 41_000), at(dst, 5060), SYN, 1, 0);
    let (w, c, host_c) = ("10.20.0.200", "10.20.0.21", Far::Server(21));
    lab.forwards(HOST_B, syn(B, w), host_c, syn(V, c));
    let rig = &mut lab.rig;
    rig.intent.members.pop();
    rig.intent.pools[1].members.pop();
    rig.health.members.pop();
    rig.adjacency = neighbours(&rig.intent);
    rig.publish();
    let answer = Build::tcp(at(c, 5060), at(V, 41_000), SYN_ACK, 9, 2);
    let (out, moved) = lab.send(host_c, &answer);
    assert!(out.is_empty(), "{out:02x?}");
    assert_eq!((moved.received, moved.dropped.len()), (1, 1));
    lab.rig.settle();
    assert_eq!(lab.rig.counters().flows, u64::from(MANY), "and the others' are there");
    // The port it was known by is free again.
    let again = |src| Build::tcp(at(src, 41_000), at(PEER, 80), SYN, 1, 0);
    lab.forwards(HOST_A, again(A), ROUTER, again(V));
}
