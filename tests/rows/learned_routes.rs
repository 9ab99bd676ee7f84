//! Scenario 118: routes that the kernel has learned. Which route a packet goes by, and which of several next hops.

use super::*;
use fairlead::engine::DropReason;
use fairlead::policy::adjacency::{Neighbour, NextHop};
use fairlead::policy::intent::{InterfaceId, LearnedRoute, Route, Unmatched};
use fairlead::wire::Mac;
use fairlead::wire::build::Build;
use std::collections::BTreeMap;

/// Other routers of the clients' network, by the last octet of address and MAC, beside R.
const OTHERS: [u8; 2] = [3, 4];

fn hop(last: u8) -> NextHop {
    NextHop { interface: InterfaceId(0), address: std::net::Ipv4Addr::new(192, 0, 2, last) }
}

fn learned(to: &str, hops: &[(u8, u16)]) -> LearnedRoute {
    LearnedRoute { to: to.parse().unwrap(), hops: hops.iter().map(|(last, weight)| (hop(*last), *weight)).collect() }
}

fn lab(routes: Vec<LearnedRoute>) -> Lab {
    let mut lab = Lab::new(Layout::TwoArm);
    lab.rig.intent.virtual_servers.iter_mut().for_each(|server| server.unmatched = Unmatched::RejectNow);
    lab.rig.intent.learned = routes.into();
    for last in OTHERS {
        lab.rig.adjacency.insert(hop(last), Neighbour::Reachable(Mac([2, 0, 0, 0, 0, last])));
    }
    lab.rig.publish();
    lab
}

/// `from` sends a packet with a TTL of 64, and `expected` leaves to one of the routers, one hop older: which?
#[track_caller]
fn taken(lab: &mut Lab, from: Far, sent: &Build, expected: Build) -> u8 {
    let (out, moved) = lab.send(from, sent);
    assert_eq!(moved, Moved { received: 1, transmitted: 1, ..Moved::default() }, "{sent:?}");
    assert_eq!((out.len(), out[0].0), (1, lab.port(ROUTER)));
    let mut whole = lab.leaving(ROUTER, &lab.identified(expected.ttl(63), &out[0].1));
    let by = if out[0].1[..6] == whole[..6] { 1 } else { out[0].1[5] };
    if by != 1 {
        whole[..6].copy_from_slice(&[2, 0, 0, 0, 0, by]);
    }
    assert_same(&out[0].1, &whole);
    by
}

/// A host behind the routers.
fn peer(at: u8) -> String {
    format!("172.16.5.{at}")
}

/// What the active member says to a peer of the service leaves by:
#[track_caller]
fn sent_by(lab: &mut Lab, peer: &str) -> u8 {
    taken(lab, HOST_A, &options(A, peer), options(V, peer))
}

fn options(src: &str, peer: &str) -> Build {
    Build::udp(at(src, 5060), at(peer, 5060)).payload(b"OPTIONS sip:x SIP/2.0\r\n\r\n")
}

fn shares(lab: &mut Lab) -> BTreeMap<u8, Vec<u8>> {
    let mut shares = BTreeMap::<u8, Vec<u8>>::new();
    (1..=250).for_each(|at| shares.entry(sent_by(lab, &peer(at))).or_default().push(at));
    shares
}

#[test]
fn s118_of_two_routes_the_longer_counts_and_of_equals_the_files() {
    let mut lab = lab(vec![learned("0.0.0.0/0", &[(3, 1)]), learned("172.16.5.0/24", &[(4, 1)])]);
    assert_eq!(sent_by(&mut lab, "172.16.5.9"), 4);
    assert_eq!(sent_by(&mut lab, "172.16.6.9"), 1, "the default route is the file's");
    lab.rig.intent.routes.clear();
    lab.rig.publish();
    assert_eq!(sent_by(&mut lab, "172.16.6.9"), 3, "there is no other one any more");
    let to = "172.16.5.0/24".parse().unwrap();
    lab.rig.intent.routes.push(Route { to, via: addr(R), interface: InterfaceId(0) });
    lab.rig.publish();
    assert_eq!(sent_by(&mut lab, "172.16.5.9"), 1);
    lab.rig.intent.learned = vec![].into();
    lab.rig.publish();
    let sent = options(A, "172.16.6.9");
    lab.rejects(HOST_A, sent.clone(), DropReason::NoRoute, Build::icmp_error(G, A, 3, 0, &sent));
}

#[test]
fn s118_peers_are_spread_over_next_hops_by_weight_and_each_stays() {
    let mut lab = lab(vec![learned("172.16.5.0/24", &[(1, 1), (3, 1), (4, 2)])]);
    let shares = shares(&mut lab);
    let counts: Vec<usize> = [1, 3, 4].map(|router| shares[&router].len()).into();
    assert!(counts[0].abs_diff(62) < 25 && counts[1].abs_diff(62) < 25 && counts[2].abs_diff(125) < 30, "{counts:?}");
    assert_eq!(self::shares(&mut lab), shares, "the same again");
    lab.rig.publish();
    assert_eq!(self::shares(&mut lab), shares, "and after another snapshot");
}

#[test]
fn s118_a_next_hop_that_does_not_answer_is_left_out_and_only_its_peers_move() {
    let mut lab = lab(vec![learned("172.16.5.0/24", &[(1, 1), (3, 1)])]);
    let before = shares(&mut lab);
    for known in [Some(Neighbour::Failed), None] {
        match known {
            Some(failed) => lab.rig.adjacency.insert(hop(3), failed),
            None => lab.rig.adjacency.remove(&hop(3)),
        };
        lab.rig.publish();
        assert_eq!(shares(&mut lab), BTreeMap::from([(1, (1..=250).collect::<Vec<u8>>())]), "{known:?}");
    }
    lab.rig.adjacency.insert(hop(3), Neighbour::Reachable(Mac([2, 0, 0, 0, 0, 3])));
    lab.rig.publish();
    assert_eq!(shares(&mut lab), before);
}

#[test]
fn s118_where_no_next_hop_answers_the_packet_waits_or_its_sender_is_told() {
    let mut lab = lab(vec![learned("172.16.5.0/24", &[(3, 1), (4, 1)])]);
    let sent = options(A, "172.16.5.9");
    for last in OTHERS {
        lab.rig.adjacency.insert(hop(last), Neighbour::Failed);
    }
    lab.rig.publish();
    lab.rejects(HOST_A, sent.clone(), DropReason::HostUnreachable, Build::icmp_error(G, A, 3, 1, &sent));
    OTHERS.iter().for_each(|last| _ = lab.rig.adjacency.remove(&hop(*last)));
    lab.rig.publish();
    let (out, moved) = lab.send(HOST_A, &sent);
    assert_eq!((out, moved), (vec![], Moved { received: 1, ..Moved::default() }));
    assert_eq!(lab.rig.counters().held, 1);
    for last in OTHERS {
        lab.rig.adjacency.insert(hop(last), Neighbour::Reachable(Mac([2, 0, 0, 0, 0, last])));
    }
    assert_eq!(lab.rig.publish().len(), 1, "it leaves as soon as one answers");
}

/// What a client sends over TCP, its answers, what is cached of it, and what the appliance says itself in the member's name.
#[test]
fn s118_all_packets_of_a_conversation_take_one_next_hop() {
    let mut lab = lab(vec![learned("172.16.5.0/24", &[(1, 1), (3, 1)])]);
    let mut seen = BTreeMap::<u8, usize>::new();
    for port in 20_000..20_060 {
        let (client, service, member) = (at("172.16.5.9", port), at(V, 5060), at(A, 5060));
        let syn = Build::tcp(client, service, SYN, 1_000, 0);
        lab.forwards(ROUTER, syn, HOST_A, Build::tcp(client, member, SYN, 1_000, 0));
        let by = taken(
            &mut lab,
            HOST_A,
            &Build::tcp(member, client, SYN_ACK, 5_000, 1_001),
            Build::tcp(service, client, SYN_ACK, 5_000, 1_001),
        );
        *seen.entry(by).or_default() += 1;
        for seq in 0..4 {
            let ack = Build::tcp(client, service, ACK, 1_001 + seq, 5_001 + seq);
            lab.forwards(ROUTER, ack, HOST_A, Build::tcp(client, member, ACK, 1_001 + seq, 5_001 + seq));
            let data = |src| Build::tcp(src, client, ACK, 5_001 + seq, 1_002 + seq).payload(b"x");
            assert_eq!(taken(&mut lab, HOST_A, &data(member), data(service)), by);
        }
    }
    assert!(seen.values().all(|count| *count > 15) && seen.len() == 2, "by both: {seen:?}");
}

/// The ports are only in the first fragment.
#[test]
fn s118_fragments_take_the_next_hop_of_whole_datagrams_and_so_do_our_own_answers() {
    let mut lab = lab(vec![learned("172.16.5.0/24", &[(1, 1), (3, 1)])]);
    for last in 1..=20 {
        let peer = peer(last);
        let by = sent_by(&mut lab, &peer);
        let long = Build::udp(at(A, 5060), at(&peer, 5060)).payload(&[7; 2_000]).id(77);
        let (out, _) = lab.send_all(HOST_A, &lab.pieces(HOST_A, &long, 1_000));
        assert!(out.len() > 1, "{}", out.len());
        assert!(out.iter().all(|(_, frame)| router_of(&lab, frame) == by), "{peer}");
        let closed = Build::udp(at(&peer, 5060), at(V, 5999)).payload(b"OPTIONS");
        let answer = lab.send(ROUTER, &closed).0;
        let again = lab.send(ROUTER, &closed).0;
        assert_eq!(router_of(&lab, &answer[0].1), router_of(&lab, &again[0].1));
    }
}

fn router_of(lab: &Lab, frame: &[u8]) -> u8 {
    let by_r = lab.leaving(ROUTER, &Build::udp(at(V, 1), at(PHONE, 1)));
    if frame[..6] == by_r[..6] { 1 } else { frame[5] }
}

/// What is routed as it is, such as what goes to the exclusion group, goes by its two hosts.
#[test]
fn s118_what_is_not_translated_goes_by_its_hosts() {
    let excluded = "172.16.5.0/24";
    let mut lab = lab(vec![learned(excluded, &[(1, 1), (3, 1)])]);
    lab.rig.intent.snats.iter_mut().for_each(|snat| snat.exclude.push(excluded.parse().unwrap()));
    lab.rig.publish();
    let mut seen = BTreeMap::<u8, usize>::new();
    for last in 1..=60 {
        let peer = peer(last);
        let by: Vec<u8> = (40_000..40_005)
            .map(|port| {
                let sent = Build::udp(at(A, port), at(&peer, 53)).payload(b"query");
                taken(&mut lab, HOST_A, &sent, sent.clone())
            })
            .collect();
        assert!(by.iter().all(|one| *one == by[0]), "{by:?}");
        *seen.entry(by[0]).or_default() += 1;
    }
    assert!(seen.values().all(|count| *count > 15) && seen.len() == 2, "by both: {seen:?}");
}
