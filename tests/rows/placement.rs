//! Where things lie: the virtual address in the servers' network, the clients', or one of its own (87); and how many
//! prefixes an exclusion group may hold (51).

use super::*;
use fairlead::engine::{DropReason, EngineEvent};
use fairlead::wire::Mac;
use fairlead::wire::build::Build;
use fairlead::wire::facts::Link;
use std::net::Ipv4Addr;

/// In the servers' network, in the clients', in one of its own.
const PLACES: [&str; 3] = ["10.20.0.100", "192.0.2.100", "203.0.113.100"];

fn lab_with(vip: &str) -> Lab {
    Lab::with(|intent| {
        intent.virtual_servers[0].address = addr(vip);
        intent.snats[0].address = addr(vip);
    })
}

#[test]
fn s87_the_virtual_address_may_lie_in_any_network() {
    for vip in PLACES {
        let mut lab = lab_with(vip);
        let client = at(PHONE, 5060);
        let request = |dst| Build::udp(client, at(dst, 5060)).payload(b"REGISTER");
        lab.forwards(ROUTER, request(vip), HOST_A, request(A));
        let answer = |src| Build::udp(at(src, 5060), client).payload(b"200");
        lab.forwards(HOST_A, answer(A), ROUTER, answer(vip));
        let syn = |dst| Build::tcp(at(PHONE, 40_001), at(dst, 5061), SYN, 1, 0);
        lab.forwards(ROUTER, syn(vip), HOST_A, syn(A));
        let opens = |src| Build::tcp(at(src, 41_000), at(PEER, 5060), SYN, 1, 0);
        lab.forwards(HOST_B, opens(B), ROUTER, opens(vip));
        let back = |dst| Build::tcp(at(PEER, 5060), at(dst, 41_000), SYN_ACK, 9, 2);
        lab.forwards(ROUTER, back(vip), HOST_B, back(B));
        lab.answers(
            ROUTER,
            Build::echo_request(PHONE, vip, 7, 1).payload(b"ping"),
            Build::echo_reply(vip, PHONE, 7, 1).payload(b"ping"),
        );
        let call = |src, dst| Build::udp(at(src, 5060), at(dst, 5060)).payload(b"INVITE");
        lab.forwards(HOST_A, call(A, vip), HOST_A, call(vip, A));
        let sent = Build::icmp_error(A, PHONE, 3, 3, &request(A).ttl(63));
        lab.forwards(HOST_A, sent, ROUTER, Build::icmp_error(vip, PHONE, 3, 3, &request(vip).ttl(63)));
        let visit = Build::tcp(at(VISITOR, 50_000), at(A, 22), SYN, 1, 0);
        lab.forwards(ROUTER, visit.clone(), HOST_A, visit);
    }
}

#[test]
fn s87_the_virtual_address_is_answered_for_where_it_lies() {
    let asked = |lab: &mut Lab, far: Far, sender: &str, vip: &str| {
        let mac = if far == ROUTER { MAC_R } else { MAC_A };
        let question = Build::arp_request(mac, sender, vip).bytes();
        let (out, moved) = lab.raw(far, &question);
        let mine = |frame: &[u8]| Link::of(frame).src;
        assert_eq!(out.len() + moved.ignored.len(), 1, "{moved:?}");
        out.first().map(|(_, frame)| mine(frame))
    };
    let expected: [[Option<Mac>; 2]; 3] =
        [[None, Some(MAC_INNER)], [Some(MAC_OUTER), None], [Some(MAC_OUTER), Some(MAC_INNER)]];
    for (vip, [outside, inside]) in PLACES.into_iter().zip(expected) {
        let mut lab = lab_with(vip);
        assert_eq!(asked(&mut lab, ROUTER, R, vip), outside, "{vip} asked for from outside");
        assert_eq!(asked(&mut lab, HOST_A, A, vip), inside, "{vip} asked for by a member");
    }
}

#[test]
fn s87_each_interface_has_an_mtu_of_its_own() {
    let mut lab = Lab::with(|intent| {
        intent.interfaces[0].mtu = 1_300;
        intent.interfaces[1].mtu = 1_400;
    });
    let datagram = |src, dst, length: usize| Build::udp(at(src, 5060), at(dst, 5060)).df().payload(&vec![7; length]);
    lab.forwards(ROUTER, datagram(PHONE, V, 1_372), HOST_A, datagram(PHONE, A, 1_372));
    lab.forwards(HOST_A, datagram(A, PHONE, 1_272), ROUTER, datagram(V, PHONE, 1_272));
    for (from, sent, mtu) in [(ROUTER, datagram(PHONE, V, 1_373), 1_400), (HOST_A, datagram(A, PHONE, 1_273), 1_300)] {
        let (sender, hop) = if from == ROUTER { (PHONE, E) } else { (A, G) };
        let error = Build::icmp_error(hop, sender, 3, 4, &sent).rest(mtu);
        lab.rejects(from, sent, DropReason::TooBig, error);
    }
}

/// A number that looks drawn, the same each time.
fn drawn(at: u32) -> u32 {
    let mixed = (u64::from(at) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 24) as u32
}

#[test]
fn s51_ten_thousand_prefixes_match_as_a_plain_search_does() {
    // Networks of every length under 172.16/12 and hosts, so that many lie inside others.
    let prefix = |at: u32| {
        let length = [32, 32, 32, 31, 30, 28, 26, 24][(at % 8) as usize];
        let address = Ipv4Addr::from(0xac10_0000 | (drawn(at) & 0x000f_ffff));
        ipnet::Ipv4Net::new(address, length).unwrap().trunc()
    };
    let group: Vec<_> = (0..10_000).map(prefix).collect();
    let mut lab = Lab::with(|intent| {
        intent.snats[0].exclude = group.clone();
        intent.limits.flows_per_worker = 100_000;
    });
    let (mut kept, mut translated) = (0, 0);
    for at_ in 0..3_000 {
        // A quarter of them at the edge of an entry, or just behind it.
        let near = u32::from(group[at_ as usize * 3].broadcast()) + at_ / 4 % 2;
        let address = if at_ % 4 == 0 { near } else { 0xac10_0000 | (drawn(at_ + 77_777) & 0x000f_ffff) };
        let peer = at(&Ipv4Addr::from(address).to_string(), 80);
        let excluded = group.iter().any(|net| net.contains(&peer.addr));
        let syn = |src| Build::tcp(at(src, 41_000), peer, SYN, at_, 0);
        lab.forwards(HOST_A, syn(A), ROUTER, syn(if excluded { A } else { V }));
        *(if excluded { &mut kept } else { &mut translated }) += 1;
    }
    assert!(kept > 500 && translated > 300, "{kept} and {translated}");
    assert_eq!(lab.rig.events(EngineEvent::UnmatchedFromMember), 0);
}
