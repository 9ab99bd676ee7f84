//! What a second reading of the code with fresh eyes found wrong, each as the packets that showed it.

use super::*;
use fairlead::engine::{DropReason, Notice};
use fairlead::policy::health::State;
use fairlead::policy::adjacency::NextHop;
use fairlead::policy::intent::{InterfaceId, Listen, Route};
use fairlead::time::Duration;
use fairlead::wire::Protocol;
use fairlead::wire::build::Build;
use fairlead::wire::tcp::Flags;
use fairlead::worker::Event;

fn lab() -> Lab {
    Lab::new(Layout::TwoArm)
}

/// A table in which few flows have room.
fn small() -> (Lab, u16) {
    let lab = Lab::with(|intent| intent.limits.flows_per_worker = 64);
    let flood = 64 * 8 * lab.rig.workers.len() as u16;
    (lab, flood)
}

/// Scenario 86: what strangers forge gives way to a call.
#[track_caller]
fn a_call_gets_through(lab: &mut Lab) {
    for client in 1..=20 {
        let caller = at(&format!("172.16.6.{client}"), 40_001);
        lab.connect(caller, 5060, HOST_A);
    }
}

#[test]
fn s86_a_flood_of_forged_acknowledgements_keeps_no_call_out() {
    let (mut lab, flood) = small();
    for port in 0..flood {
        lab.send(ROUTER, &Build::tcp(at(PHONE, 10_000 + port), at(V, 5060), ACK, 7, 9));
    }
    a_call_gets_through(&mut lab);
}

#[test]
fn s86_a_flood_of_connections_the_member_resets_keeps_no_call_out() {
    for (flags, ack) in [(ACK, 9), (SYN, 0)] {
        let (mut lab, flood) = small();
        for port in 0..flood {
            let client = at(PHONE, 10_000 + port);
            lab.send(ROUTER, &Build::tcp(client, at(V, 5060), flags, 7, ack));
            let reset = match flags {
                ACK => Build::tcp(at(A, 5060), client, Flags::RST, 9, 0),
                _ => Build::tcp(at(A, 5060), client, Flags::RST.with(ACK), 0, 8),
            };
            lab.send(HOST_A, &reset);
        }
        a_call_gets_through(&mut lab);
    }
}

/// Who forges his address sees no answer, but can send what a whole handshake takes, and more.
#[test]
fn s86_a_flood_of_forged_handshakes_keeps_no_call_out() {
    for with_reset in [false, true] {
        let (mut lab, flood) = small();
        for port in 0..flood {
            let client = at(PHONE, 10_000 + port);
            lab.send(ROUTER, &Build::tcp(client, at(V, 5060), SYN, 7, 0));
            lab.send(HOST_A, &Build::tcp(at(A, 5060), client, SYN_ACK, 0x8000_0000, 8));
            if with_reset {
                lab.send(ROUTER, &Build::tcp(client, at(V, 5060), Flags::RST, 8, 0));
            }
            lab.send(ROUTER, &Build::tcp(client, at(V, 5060), ACK, 8, 77));
        }
        a_call_gets_through(&mut lab);
    }
}

#[test]
fn s82_until_the_probes_have_decided_no_member_is_told_anything_either() {
    let mut lab = lab();
    lab.rig.health.members.iter_mut().for_each(|member| member.state = State::Unknown);
    lab.rig.health.pools[0].active = None;
    lab.rig.publish();
    for port in [5060, 41_000] {
        let standing = Build::tcp(at(B, port), at(V, 5060), DATA, 500, 700).payload(b"INVITE");
        lab.drops(HOST_B, standing, DropReason::MemberUndecided);
        lab.drops(HOST_B, Build::tcp(at(B, port), at(V, 5060), SYN, 500, 0), DropReason::MemberUndecided);
    }
    lab.drops(HOST_B, Build::udp(at(B, 5060), at(V, 5060)), DropReason::MemberUndecided);
}

#[test]
fn s81_a_members_own_connection_to_a_virtual_address_goes_on_after_a_restart() {
    let mut lab = lab();
    let early = |dst| Build::tcp(at(A, 5060), at(dst, 41_000), DATA, 700, 500).payload(b"early");
    lab.drops(HOST_A, early(V), DropReason::NoFlow);
    let asks = |src, dst| Build::tcp(at(src, 41_000), at(dst, 5060), DATA, 500, 700).payload(b"INVITE");
    lab.forwards_noting(&[Notice::LoosePickup], HOST_B, asks(B, V), HOST_A, asks(V, A));
    let answers = |src, dst| Build::tcp(at(src, 5060), at(dst, 41_000), DATA, 700, 506).payload(b"100");
    lab.forwards(HOST_A, answers(A, V), HOST_B, answers(V, B));
    // Another member's with the same port cannot have worn it: it is told, and opens anew (RFC 9293 3.5.2).
    let (out, moved) = lab.send(HOST_A, &asks(A, V));
    assert_eq!(moved.dropped, [DropReason::NoFlow]);
    lab.expect_reset(&out[0], HOST_A, at(V, 5060), at(A, 41_000), 700);
}

#[test]
fn a_datagram_to_all_hosts_of_a_network_of_ours_is_not_passed_on() {
    let mut lab = lab();
    // RFC 2644 2, RFC 1812 4.2.2.11 and 5.3.5.2; and nobody is told (RFC 1812 4.3.2.7).
    lab.drops(ROUTER, Build::udp(at(PHONE, 5060), at("10.20.0.255", 5060)), DropReason::MartianDestination);
    lab.drops(HOST_A, Build::udp(at(A, 4000), at("192.0.2.255", 5060)), DropReason::MartianDestination);
    assert_eq!(lab.rig.tally().flows, 0);
}

#[test]
fn nobody_is_all_hosts_of_a_network() {
    let mut lab = lab();
    // RFC 1122 3.2.1.3 (d) and (e): never a source.
    lab.drops(ROUTER, Build::echo_request("192.0.2.255", V, 1, 1), DropReason::MartianSource);
    lab.drops(HOST_A, Build::udp(at("10.20.0.255", 9), at(V, 5060)), DropReason::MartianSource);
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

/// RFC 1191: whoever scans ports costs nobody the path MTU.
#[test]
fn s80_a_scan_of_ports_leaves_room_for_other_refusals() {
    let mut lab = Lab::with(|intent| intent.interfaces[0].mtu = 1_400);
    for port in 0..2_000 {
        lab.send(ROUTER, &Build::udp(at(PHONE, 20_000 + port), at(V, 9_999)));
    }
    assert!(lab.rig.tally().drops(DropReason::RateLimited) > 1_000);
    let big = Build::udp(at(A, 5060), at(PHONE, 5060)).df().payload(&[7; 1_472]);
    lab.refuses(HOST_A, big.clone(), DropReason::TooBig, Build::icmp_error(G, A, 3, 4, &big).rest(1_400));
}

/// Scenario 22 holds while strangers invent errors.
#[test]
fn s22_invented_errors_do_not_use_up_what_members_may_say() {
    let mut lab = Lab::new(Layout::TwoArm);
    for port in 0..4_000 {
        let quoted = Build::udp(at(V, 5060), at(PHONE, 10_000 + port));
        lab.send(ROUTER, &Build::icmp_error("198.51.100.7", V, 3, 1, &quoted));
    }
    assert!(lab.rig.tally().drops(DropReason::IcmpLimited) > 0);
    let request = |dst| Build::udp(at(PHONE, 5060), at(dst, 5060)).ttl(63).payload(b"INVITE");
    let closed = Build::icmp_error(A, PHONE, 3, 3, &request(A));
    lab.forwards(HOST_A, closed, ROUTER, Build::icmp_error(V, PHONE, 3, 3, &request(V)));
}

/// A scan of a network of ours fills the queue for its own hosts only.
#[test]
fn s78_a_scan_leaves_room_for_members_whose_mac_is_missing() {
    let mut lab = Lab::new(Layout::TwoArm);
    for host in 120..=250 {
        for _ in 0..16 {
            lab.send(ROUTER, &Build::udp(at(VISITOR, 50_000), at(&format!("10.20.0.{host}"), 9)));
        }
    }
    assert!(lab.rig.tally().drops(DropReason::NeighbourQueueFull) > 0);
    let hop = NextHop { interface: InterfaceId(1), address: addr(A) };
    let known = lab.rig.adjacency.remove(&hop).unwrap();
    lab.rig.publish();
    let invite = |dst| Build::udp(at(PHONE, 5060), at(dst, 5060)).payload(b"INVITE");
    assert_eq!(lab.send(ROUTER, &invite(V)).0, []);
    lab.rig.adjacency.insert(hop, known);
    let out = lab.rig.publish();
    lab.expect(&out, HOST_A, invite(A).ttl(63));
}
