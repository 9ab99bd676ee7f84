//! Scenario 78: what happens to packets while the MAC of their next hop is not known.

use super::*;
use fairlead::engine::DropReason;
use fairlead::policy::adjacency::{Neighbour, NextHop};
use fairlead::policy::intent::{InterfaceId, Route};
use fairlead::wire::build::Build;
use fairlead::worker::{Command, Event};

fn lab() -> Lab {
    Lab::new(Layout::TwoArm)
}

const HOP_A: NextHop = NextHop { interface: InterfaceId(1), address: std::net::Ipv4Addr::new(10, 20, 0, 11) };

fn wanted(lab: &Lab) -> usize {
    lab.rig.events.iter().filter(|event| matches!(event, Event::Wanted(HOP_A))).count()
}

/// A lab in which nobody knows yet where A is.
fn without_a() -> (Lab, Neighbour) {
    let mut lab = lab();
    let known = lab.rig.adjacency.remove(&HOP_A).unwrap();
    lab.rig.publish();
    (lab, known)
}

fn invite(dst: &str) -> Build {
    Build::udp(at(PHONE, 5060), at(dst, 5060)).payload(b"INVITE")
}

#[test]
fn s78_the_first_packet_waits_for_the_neighbour_and_is_not_lost() {
    let (mut lab, known) = without_a();
    let (out, moved) = lab.send(ROUTER, &invite(V));
    assert_eq!((out.len(), moved), (0, Moved { received: 1, ..Moved::default() }));
    assert_eq!((lab.rig.counters().held, wanted(&lab)), (1, 1));
    lab.send(ROUTER, &invite(V));
    assert_eq!((lab.rig.counters().held, wanted(&lab)), (2, 1), "asked once, not for every packet");
    lab.rig.adjacency.insert(HOP_A, known);
    let out = lab.rig.publish();
    assert_eq!((out.len(), lab.rig.counters().held), (2, 0));
    for one in out {
        lab.expect(&[one], HOST_A, invite(A).ttl(63));
    }
    lab.forwards(ROUTER, invite(V), HOST_A, invite(A));
}

#[test]
fn s78_s36_a_neighbour_that_never_answers_makes_its_packets_unreachable() {
    let (mut lab, known) = without_a();
    let visit = Build::udp(at(VISITOR, 50000), at(A, 161)).payload(b"get");
    lab.send(ROUTER, &visit);
    assert_eq!(lab.rig.counters().held, 1);
    let out = lab.rig.command(|| Command::GiveUp(HOP_A));
    lab.expect_own(&out, ROUTER, Build::icmp_error(E, VISITOR, 3, 1, &visit));
    let counters = lab.rig.counters();
    assert_eq!((counters.held, counters.drops(DropReason::HostUnreachable)), (0, 1));
    lab.rig.adjacency.insert(HOP_A, Neighbour::Failed);
    lab.rig.publish();
    lab.rejects(ROUTER, visit.clone(), DropReason::HostUnreachable, Build::icmp_error(E, VISITOR, 3, 1, &visit));
    lab.rig.adjacency.insert(HOP_A, known);
    lab.rig.publish();
    lab.forwards(ROUTER, visit.clone(), HOST_A, visit);
}

#[test]
fn s78_only_a_few_packets_wait() {
    let (mut lab, _) = without_a();
    for _ in 0..200 {
        lab.send(ROUTER, &invite(V));
    }
    let counters = lab.rig.counters();
    assert!((1..=64).contains(&counters.held), "{} wait", counters.held);
    assert_eq!(counters.drops(DropReason::NeighbourQueueFull), 200 - counters.held);
}

#[test]
fn s78_what_waits_asks_for_the_router_that_a_new_route_names() {
    let mut lab = lab();
    let via = |via| Route { to: "172.16.9.0/24".parse().unwrap(), via: addr(via), interface: InterfaceId(0) };
    let opens = |src| Build::tcp(at(src, 41_000), at(PEER, 80), SYN, 1, 0);
    lab.rig.intent.routes.push(via("192.0.2.8"));
    lab.rig.publish();
    assert_eq!(lab.send(HOST_A, &opens(A)).0, []);
    lab.rig.intent.routes[1] = via("192.0.2.9");
    lab.rig.publish();
    let wanted = |last: u8, lab: &Lab| {
        let address = std::net::Ipv4Addr::new(192, 0, 2, last);
        let hop = NextHop { interface: InterfaceId(0), address };
        lab.rig.events.iter().any(|event| matches!(event, Event::Wanted(one) if *one == hop))
    };
    assert_eq!((wanted(8, &lab), wanted(9, &lab)), (true, true));
}
