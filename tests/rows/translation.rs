//! Scenarios 1 to 14: what is translated, what is not, and what is answered; in every way the appliance is connected
//! (87).

use super::*;
use fairlead::engine::{EngineEvent, IgnoreReason, PuntReason};
use fairlead::wire::Mac;
use fairlead::wire::build::Build;
use fairlead::wire::tcp::Flags;

macro_rules! in_every_layout {
    ($($row:ident)*) => {
        in_every_layout!(@ two_arm TwoArm: $($row)*);
        in_every_layout!(@ s87_tagged_servers TaggedServers: $($row)*);
        in_every_layout!(@ s87_two_vlans_of_one_port OnePort: $($row)*);
        in_every_layout!(@ s87_priority_tags PriorityTags: $($row)*);
        in_every_layout!(@ one_arm OneArm: $($row)*);
    };
    (@ $module:ident $layout:ident: $($row:ident)*) => {
        mod $module {
            $(#[test] fn $row() { super::$row(super::Lab::new(super::Layout::$layout)); })*
        }
    };
}

in_every_layout! {
    s01_a_datagram_to_the_vip_reaches_the_active_member
    s02_the_answer_comes_from_the_virtual_address
    s03_an_answer_to_another_port_of_the_client_keeps_the_service_port
    s04_a_request_of_the_member_and_its_answer_keep_the_service_port
    s05_a_connection_through_the_vip_is_translated_and_nothing_else
    s06_a_connection_from_a_member_comes_from_the_virtual_address
    s07_what_goes_to_the_exclusion_group_is_not_translated
    s08_what_is_not_in_the_exclusion_group_is_translated
    s09_a_visitor_of_a_physical_address_is_not_translated
    s10_the_standby_can_be_visited_as_the_active_can
    s11_pings_to_members_pass_and_pings_to_the_vip_are_answered
    s12_pings_of_members_to_the_outside_get_their_own_replies
    s13_the_gateway_answers_its_members
    s14_arp_is_answered_for_our_own_addresses_and_no_others
}

const REGISTER: &[u8] = b"REGISTER sip:10.20.0.100 SIP/2.0\r\nVia: SIP/2.0/UDP 172.16.5.5:5060\r\n\r\n";

fn s01_a_datagram_to_the_vip_reaches_the_active_member(mut lab: Lab) {
    for (payload, dscp) in [(REGISTER, 24), (b"\r\n\r\n", 0), (&[0x55; 1400], 46)] {
        let datagram = |dst| Build::udp(at(PHONE, 5060), at(dst, 5060)).dscp(dscp).id(0x1234).payload(payload);
        lab.forwards(ROUTER, datagram(V), HOST_A, datagram(A));
        lab.forwards(ROUTER, datagram(V).df(), HOST_A, datagram(A).df());
    }
    assert_eq!(lab.rig.counters().flows, 0, "the service port needs no flow");
}

fn s02_the_answer_comes_from_the_virtual_address(mut lab: Lab) {
    s01_request(&mut lab);
    let answer = |src| Build::udp(at(src, 5060), at(PHONE, 5060)).dscp(24).payload(b"SIP/2.0 200 OK\r\n\r\n");
    lab.forwards(HOST_A, answer(A), ROUTER, answer(V));
}

fn s01_request(lab: &mut Lab) {
    let request = |dst| Build::udp(at(PHONE, 5060), at(dst, 5060)).payload(REGISTER);
    lab.forwards(ROUTER, request(V), HOST_A, request(A));
}

fn s03_an_answer_to_another_port_of_the_client_keeps_the_service_port(mut lab: Lab) {
    let answer = |src| Build::udp(at(src, 5060), at(PHONE, 6070)).payload(b"SIP/2.0 200 OK\r\n\r\n");
    lab.forwards(HOST_A, answer(A), ROUTER, answer(V));
    s01_request(&mut lab);
    lab.forwards(HOST_A, answer(A), ROUTER, answer(V));
}

fn s04_a_request_of_the_member_and_its_answer_keep_the_service_port(mut lab: Lab) {
    let invite = |src| Build::udp(at(src, 5060), at(PEER, 5060)).payload(b"INVITE sip:b SIP/2.0\r\n\r\n");
    lab.forwards(HOST_A, invite(A), ROUTER, invite(V));
    let trying = |dst| Build::udp(at(PEER, 5060), at(dst, 5060)).payload(b"SIP/2.0 100 Trying\r\n\r\n");
    lab.forwards(ROUTER, trying(V), HOST_A, trying(A));
}

fn s05_a_connection_through_the_vip_is_translated_and_nothing_else(mut lab: Lab) {
    let hello: Vec<u8> = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3].into_iter().chain(0..=255).collect();
    for port in [5060, 5061] {
        let client = at(PHONE, 40001);
        lab.connect(client, port, HOST_A);
        let there = |dst, flags, seq, ack, data: &[u8]| {
            Build::tcp(client, at(dst, port), flags, seq, ack)
                .tcp_options(&[1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 8])
                .payload(data)
        };
        let back = |src, flags, seq, ack, data: &[u8]| {
            Build::tcp(at(src, port), client, flags, seq, ack)
                .tcp_options(&[1, 1, 5, 10, 0, 0, 4, 1, 0, 0, 4, 2])
                .payload(data)
        };
        lab.forwards(ROUTER, there(V, DATA, 1001, 9001, &hello), HOST_A, there(A, DATA, 1001, 9001, &hello));
        let next = 1001 + hello.len() as u32;
        lab.forwards(HOST_A, back(A, DATA, 9001, next, b"odd"), ROUTER, back(V, DATA, 9001, next, b"odd"));
        lab.forwards(ROUTER, there(V, FIN_ACK, next, 9004, b""), HOST_A, there(A, FIN_ACK, next, 9004, b""));
        lab.forwards(HOST_A, back(A, FIN_ACK, 9004, next + 1, b""), ROUTER, back(V, FIN_ACK, 9004, next + 1, b""));
        lab.forwards(ROUTER, there(V, ACK, next + 1, 9005, b""), HOST_A, there(A, ACK, next + 1, 9005, b""));
    }
    assert_eq!(lab.rig.counters().flows, 2);
}

fn s06_a_connection_from_a_member_comes_from_the_virtual_address(mut lab: Lab) {
    lab.connect_out(HOST_A, 41000, at(PEER, 5060));
    let there = |src| Build::tcp(at(src, 41000), at(PEER, 5060), DATA, 501, 701).payload(b"INVITE").df();
    lab.forwards(HOST_A, there(A), ROUTER, there(V));
    let back = |dst| Build::tcp(at(PEER, 5060), at(dst, 41000), DATA, 701, 507).payload(b"100 Trying");
    lab.forwards(ROUTER, back(V), HOST_A, back(A));
    assert_eq!(lab.rig.counters().flows, 1);
}

fn s07_what_goes_to_the_exclusion_group_is_not_translated(mut lab: Lab) {
    for other in [CONFIG, "172.16.2.200"] {
        for host in HOSTS {
            let (own, other) = (at(host.ip(), 40200), at(other, 2020));
            let syn = Build::tcp(own, other, SYN, 1, 0).df();
            lab.forwards(host, syn.clone(), ROUTER, syn);
            let syn_ack = Build::tcp(other, own, SYN_ACK, 7, 2);
            lab.forwards(ROUTER, syn_ack.clone(), host, syn_ack);
            lab.exchange(host, own, other);
            let trap = Build::udp(at(host.ip(), 40300), at(CONFIG, 514)).payload(b"<14>up");
            lab.forwards(host, trap.clone(), ROUTER, trap);
        }
    }
}

fn s08_what_is_not_in_the_exclusion_group_is_translated(mut lab: Lab) {
    for (port, outside) in [(40201, "172.16.1.99"), (40202, "172.16.1.21"), (40203, "172.16.3.0")] {
        let syn = |src| Build::tcp(at(src, port), at(outside, 2020), SYN, 1, 0);
        lab.forwards(HOST_A, syn(A), ROUTER, syn(V));
        let trap = |src| Build::udp(at(src, port), at(outside, 162)).payload(b"trap");
        lab.forwards(HOST_A, trap(A), ROUTER, trap(V));
        let answer = |dst| Build::udp(at(outside, 162), at(dst, port)).payload(b"noted");
        lab.forwards(ROUTER, answer(V), HOST_A, answer(A));
    }
}

fn s09_a_visitor_of_a_physical_address_is_not_translated(mut lab: Lab) {
    visits(&mut lab, HOST_A, 7000);
}

fn s10_the_standby_can_be_visited_as_the_active_can(mut lab: Lab) {
    visits(&mut lab, HOST_B, 22);
    visits(&mut lab, HOST_A, 22);
}

fn visits(lab: &mut Lab, host: Far, port: u16) {
    let (visitor, own) = (at(VISITOR, 50123), at(host.ip(), port));
    let syn = Build::tcp(visitor, own, SYN, 5, 0).df();
    lab.forwards(ROUTER, syn.clone(), host, syn);
    let syn_ack = Build::tcp(own, visitor, SYN_ACK, 50, 6);
    lab.forwards(host, syn_ack.clone(), ROUTER, syn_ack);
    lab.exchange(host, own, visitor);
    let (asks, snmp) = (at(VISITOR, 50124), at(host.ip(), 161));
    let request = Build::udp(asks, snmp).payload(b"get");
    lab.forwards(ROUTER, request.clone(), host, request);
    let response = Build::udp(snmp, asks).payload(b"response");
    lab.forwards(host, response.clone(), ROUTER, response);
}

fn s11_pings_to_members_pass_and_pings_to_the_vip_are_answered(mut lab: Lab) {
    for host in HOSTS {
        let request = Build::echo_request(VISITOR, host.ip(), 77, 3).payload(&[0xa5; 56]);
        lab.forwards(ROUTER, request.clone(), host, request);
        let reply = Build::echo_reply(host.ip(), VISITOR, 77, 3).payload(&[0xa5; 56]);
        lab.forwards(host, reply.clone(), ROUTER, reply);
    }
    let outer = lab.outer_ip();
    for own in [V, outer] {
        let request = Build::echo_request(VISITOR, own, 78, 4).id(7).payload(&[0x5a; 57]);
        lab.answers(ROUTER, request, Build::echo_reply(own, VISITOR, 78, 4).payload(&[0x5a; 57]));
    }
}

fn s12_pings_of_members_to_the_outside_get_their_own_replies(mut lab: Lab) {
    let mut translated = Vec::new();
    for host in HOSTS {
        let request = |src, id| Build::echo_request(src, PEER, id, 1).payload(b"ping");
        let id = lab.forwards_as(host, request(host.ip(), 600), ROUTER, |id| request(V, id));
        assert_eq!(lab.forwards_as(host, request(host.ip(), 600), ROUTER, |id| request(V, id)), id);
        translated.push(id);
    }
    assert_ne!(translated[0], translated[1], "two hosts, one virtual address, one destination");
    for (host, id) in HOSTS.into_iter().zip(translated) {
        let reply = |dst, id| Build::echo_reply(PEER, dst, id, 1).payload(b"ping");
        lab.forwards(ROUTER, reply(V, id), host, reply(host.ip(), 600));
    }
    let excluded = Build::echo_request(A, CONFIG, 600, 1);
    lab.forwards(HOST_A, excluded.clone(), ROUTER, excluded);
    let reply = Build::echo_reply(CONFIG, A, 600, 1);
    lab.forwards(ROUTER, reply.clone(), HOST_A, reply);
}

fn s13_the_gateway_answers_its_members(mut lab: Lab) {
    for host in HOSTS {
        let request = Build::echo_request(host.ip(), G, 9, 9).payload(b"are you there");
        lab.answers(host, request, Build::echo_reply(G, host.ip(), 9, 9).payload(b"are you there"));
    }
}

fn s14_arp_is_answered_for_our_own_addresses_and_no_others(mut lab: Lab) {
    let (outer, one_arm) = (lab.outer_ip(), lab.layout == Layout::OneArm);
    let router_ip = if one_arm { "10.20.0.254" } else { "192.0.2.1" };
    for (far, sender, target) in [(HOST_A, A, V), (HOST_A, A, G), (HOST_B, B, V), (ROUTER, router_ip, outer)] {
        let (out, moved) = ask(&mut lab, far, sender, target);
        let (ours, theirs) = macs_on(&lab, far);
        assert_eq!((moved.received, moved.transmitted), (1, 1), "{moved:?}");
        let expected = lab.leaving(far, &Build::arp_reply(ours, target, theirs, sender));
        assert_same(&out[0].1, &expected);
    }
    for (far, sender, target) in [(HOST_A, A, B), (HOST_A, A, PEER), (ROUTER, router_ip, A), (HOST_B, B, A)] {
        let (out, moved) = ask(&mut lab, far, sender, target);
        assert_eq!((out.len(), moved.ignored.len() + moved.punted.len(), moved.dropped.len()), (0, 1, 0), "{moved:?}");
        assert!(moved.ignored.iter().all(|reason| *reason == IgnoreReason::Arp));
    }
    // The frame comes through another host (a bond, a cluster that hides its MAC): the answer goes to ar$sha all the same.
    let (ours, theirs) = macs_on(&lab, HOST_A);
    let mut frame = lab.arriving(HOST_A, &Build::arp_request(theirs, A, V));
    frame[6..12].copy_from_slice(&[2, 0, 0, 0x99, 0x99, 0x99]);
    let (out, _) = lab.raw(HOST_A, &frame);
    let expected = lab.leaving(HOST_A, &Build::arp_reply(ours, V, theirs, A));
    assert_same(&out[0].1, &expected);
    let (out, moved) = ask(&mut lab, Far::Server(77), "10.20.0.77", V);
    assert_eq!(
        (out.len(), moved.punted),
        (0, vec![PuntReason::ArpRequest]),
        "who asks first is a neighbour to be learned"
    );
}

fn ask(
    lab: &mut Lab,
    far: Far,
    sender: &str,
    target: &str,
) -> (Vec<(fairlead::policy::intent::PortId, Vec<u8>)>, Moved) {
    let (_, theirs) = macs_on(lab, far);
    let mut frame = lab.arriving(far, &Build::arp_request(theirs, sender, target));
    frame[..6].copy_from_slice(&Mac::BROADCAST.0);
    lab.raw(far, &frame)
}

/// Our MAC and the neighbour's, as the frames between them say.
fn macs_on(lab: &Lab, far: Far) -> (Mac, Mac) {
    let frame = lab.arriving(far, &Build::echo_request(A, B, 1, 1));
    (Mac(frame[..6].try_into().unwrap()), Mac(frame[6..12].try_into().unwrap()))
}

#[test]
fn s54_an_answer_to_a_visitor_whose_request_came_another_way_is_routed_unchanged() {
    let mut lab = Lab::new(Layout::TwoArm);
    for flags in [SYN_ACK, DATA, FIN_ACK, Flags::RST] {
        let answer = Build::tcp(at(A, 7000), at(VISITOR, 50555), flags, 9, 10);
        lab.forwards_noting(&[EngineEvent::UnmatchedFromMember], HOST_A, answer.clone(), ROUTER, answer);
    }
    assert_eq!(lab.rig.counters().flows, 0, "only an opening packet creates state");
}

#[test]
fn s54_a_service_port_accepts_a_visitor_whose_syn_came_another_way() {
    let mut lab = Lab::new(Layout::OneArm);
    let answer = Build::tcp(at(A, 5060), at(VISITOR, 50555), SYN_ACK, 9, 10);
    lab.forwards(HOST_A, answer.clone(), ROUTER, answer);
    assert_eq!(lab.rig.counters().flows, 0, "nothing is known of the connection");
    lab.connect(at(VISITOR, 50556), 5060, HOST_A);
    assert_eq!(lab.rig.counters().flows, 1, "and connections to the virtual address are as ever");
}

#[test]
fn s55_an_echo_reply_without_a_request_is_routed_unchanged() {
    let mut lab = Lab::new(Layout::TwoArm);
    let reply = Build::echo_reply(A, VISITOR, 12, 1).payload(b"data");
    lab.forwards(HOST_A, reply.clone(), ROUTER, reply);
    assert_eq!(lab.rig.counters().flows, 0);
    let request = |src, id| Build::echo_request(src, VISITOR, id, 1);
    lab.forwards_as(HOST_A, request(A, 12), ROUTER, |id| request(V, id));
}

#[test]
fn s53_an_answer_from_a_listed_port_is_never_translated() {
    let answer = |src| Build::udp(at(src, 161), at(VISITOR, 50556)).payload(b"response");
    let mut lab = Lab::new(Layout::TwoArm);
    lab.forwards(HOST_A, answer(A), ROUTER, answer(V));
    let mut lab = Lab::with(|intent| intent.snats[0].no_snat_udp_ports = vec![161]);
    lab.forwards(HOST_A, answer(A), ROUTER, answer(A));
    lab.forwards(HOST_B, answer(B), ROUTER, answer(B));
}
