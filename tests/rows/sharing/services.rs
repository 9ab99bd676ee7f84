//! Scenario 92: the services of a pool of several active members change under its peers, and one pool has two virtual addresses.

use super::*;
use fairlead::policy::health::PoolHealth;
use fairlead::policy::intent::{Listen, PoolId, VirtualServer};
use fairlead::wire::{Packet, Protocol};

/// The services of the first virtual server from now on, and another one for the same pool with the others.
fn serve(lab: &mut Lab, first: &[(Protocol, u16)], other: &[(Protocol, u16)]) {
    let listens = |services: &[(Protocol, u16)]| {
        services.iter().map(|&(protocol, port)| Listen { protocol, port }).collect::<Vec<_>>()
    };
    let servers = &mut lab.rig.intent.virtual_servers;
    while servers.len() > 1 {
        servers.pop();
    }
    servers[0].listen = listens(first);
    if !other.is_empty() {
        servers.push(VirtualServer {
            listen: listens(other),
            redeliver: Duration::ZERO,
            ..virtual_server("other", W, 0)
        });
    }
    lab.rig.publish();
}

const UDP: (Protocol, u16) = (Protocol::Udp, 5060);
const TCP: (Protocol, u16) = (Protocol::Tcp, 5060);

#[test]
fn s92_a_peers_flow_ends_with_its_service() {
    let mut lab = lab(Mode::RoundRobin);
    let member = taken(&mut lab, |dst| request(client(0), dst));
    serve(&mut lab, &[TCP], &[]);
    assert_eq!(lab.rig.counters().flows, 0);
    let (out, _) = lab.send(member, &answer(ip(member), client(0)));
    let sent = Packet::parse(&out[0].1).unwrap();
    assert_ne!((sent.src(), sent.src_port()), (addr(V), 5060), "what it sends now is its own");
    lab.rig.wait(Duration::from_secs(301));
    serve(&mut lab, &[TCP, UDP], &[]);
    let members: Vec<Far> = (0..9).map(|_| taken(&mut lab, |dst| request(client(0), dst))).collect();
    assert_eq!(members, [members[0]; 9]);
}

#[test]
fn s92_a_service_that_moves_to_another_virtual_address_takes_its_peers_there() {
    let mut lab = lab(Mode::SourceHash);
    let member = taken(&mut lab, |dst| request(client(0), dst));
    serve(&mut lab, &[TCP], &[UDP]);
    lab.forwards(ROUTER, request(client(0), W), member, request(client(0), ip(member)));
    lab.forwards(member, answer(ip(member), client(0)), ROUTER, answer(W, client(0)));
    assert_eq!(lab.rig.counters().flows, 1);
}

#[test]
fn s92_who_calls_two_virtual_addresses_of_a_pool_is_answered_by_the_last() {
    let mut lab = lab(Mode::SourceHash);
    serve(&mut lab, &[TCP, UDP], &[UDP]);
    let member = taken(&mut lab, |dst| request(client(0), dst));
    for address in [W, V, W] {
        lab.forwards(ROUTER, request(client(0), address), member, request(client(0), ip(member)));
        lab.forwards(member, answer(ip(member), client(0)), ROUTER, answer(address, client(0)));
    }
    assert_eq!(lab.rig.counters().flows, 1);
}

#[test]
fn s92_a_port_that_becomes_a_service_takes_over_what_its_member_had_begun_there() {
    let mut lab = lab(Mode::SourceHash);
    serve(&mut lab, &[TCP], &[]);
    lab.rig.share(0, &[MEMBER_A], &[]);
    let (out, _) = lab.send(HOST_A, &answer(A, client(0)));
    assert_eq!(out.len(), 1);
    serve(&mut lab, &[TCP, UDP], &[]);
    served_by(&mut lab, client(0), HOST_A);
    lab.forwards(HOST_A, answer(A, client(0)), ROUTER, answer(V, client(0)));
}

#[test]
fn s92_an_error_about_what_a_pair_sends_does_not_meet_a_flow_of_before() {
    let mut lab = lab(Mode::RoundRobin);
    lab.rig.share(0, &[MEMBER_A], &[]);
    let phone = at(PHONE, 5060);
    served_by(&mut lab, phone, HOST_A);
    lab.rig.intent.pools[0].mode = Mode::ActiveStandby;
    (lab.rig.health.pools[0].sharing, lab.rig.health.pools[0].active) = (None, Some(MEMBER_B));
    lab.rig.publish();
    assert_eq!(lab.rig.counters().flows, 0);
    served_by(&mut lab, phone, HOST_B);
    lab.forwards(HOST_B, answer(B, phone), ROUTER, answer(V, phone));
    let lost = |to: &str| Build::icmp_error("198.51.100.7", to, 3, 4, &answer(to, phone)).rest(1400);
    lab.forwards(ROUTER, lost(V), HOST_B, lost(B));
}

#[test]
fn s92_who_calls_two_virtual_addresses_of_a_pool_is_with_one_member_at_both() {
    for mode in [Mode::RoundRobin, Mode::LeastConnections] {
        let mut lab = lab(mode);
        serve(&mut lab, &[TCP, UDP], &[UDP]);
        for number in 0..12 {
            let member = taken(&mut lab, |dst| request(client(number), dst));
            for address in [W, V, V, W, V] {
                lab.forwards(ROUTER, request(client(number), address), member, request(client(number), ip(member)));
                lab.forwards(member, answer(ip(member), client(number)), ROUTER, answer(address, client(number)));
            }
        }
        // Unless that one is lost.
        lab.rig.share(0, &[MEMBER_C], &[MEMBER_A, MEMBER_B]);
        for (number, address) in (0..12).zip([V, W].into_iter().cycle()) {
            lab.forwards(ROUTER, request(client(number), address), HOST_C, request(client(number), C));
        }
    }
}

#[test]
fn s92_a_pair_that_calls_two_virtual_addresses_of_managers_is_with_one_of_them_at_both() {
    const OTHER: &str = "10.20.0.151";
    for turn in 0..4 {
        let mut lab = Lab::with(|intent| {
            manage(intent, Mode::RoundRobin);
            let other = VirtualServer { redeliver: Duration::ZERO, ..virtual_server("other", OTHER, 1) };
            intent.virtual_servers.push(other);
        });
        for before in 0..turn {
            taken_from(&mut lab, ROUTER, |dst| request(client(before), dst), |dst| request(client(before), dst), W);
        }
        let sent = |dst: &str| call(A, dst, A, "a1");
        let first = taken_from(&mut lab, HOST_A, sent, |dst| call(V, dst, A, "a1"), W);
        for address in [OTHER, W, W, OTHER, W] {
            lab.forwards(HOST_A, sent(address), first, call(V, ip(first), A, "a1"));
        }
    }
}

/// What A sends to W from a port that is no service's, and what arrives at `to`.
#[track_caller]
fn called(lab: &mut Lab, to: Far, its: &str) {
    let sent = |src: &str, dst: &str| Build::udp(at(src, 41_000), at(dst, 5060)).payload(b"OPTIONS");
    lab.forwards(HOST_A, sent(A, W), to, sent(V, its));
    let back = |src: &str, dst: &str| Build::udp(at(src, 5060), at(dst, 41_000)).payload(b"200");
    lab.forwards(to, back(its, V), HOST_A, back(W, A));
}

/// Two managers, and a third in a pool of its own, of this mode.
fn three_managers(mode: Mode) -> Lab {
    let mut lab = Lab::with(|intent| {
        manage(intent, Mode::RoundRobin);
        intent.members.push(member("rm-3", C, 2));
        intent.pools.push(Pool { mode, ..pool("others", &[4]) });
    });
    if mode == Mode::ActiveStandby {
        lab.rig.health.pools[2] = PoolHealth { active: Some(MemberId(4)), ..lab.rig.health.pools[2].clone() };
        lab.rig.publish();
    } else {
        lab.rig.share(2, &[MemberId(4)], &[]);
    }
    lab
}

#[test]
fn s92_a_call_from_another_port_of_a_member_goes_to_the_pool_that_has_the_service_now() {
    for mode in [Mode::RoundRobin, Mode::ActiveStandby] {
        let mut lab = three_managers(mode);
        lab.rig.share(1, &[MemberId(2)], &[]);
        for _ in 0..2 {
            lab.rig.intent.virtual_servers[1].pool = PoolId(1);
            lab.rig.publish();
            called(&mut lab, Far::Server(31), RM1);
            lab.rig.intent.virtual_servers[1].pool = PoolId(2);
            lab.rig.publish();
            called(&mut lab, HOST_C, C);
        }
    }
}

#[test]
fn s92_a_call_from_another_port_of_a_member_ends_with_the_service() {
    for mode in [Mode::RoundRobin, Mode::ActiveStandby] {
        let mut lab = three_managers(mode);
        lab.rig.intent.virtual_servers[1].pool = PoolId(2);
        lab.rig.publish();
        called(&mut lab, HOST_C, C);
        lab.rig.intent.virtual_servers[1].listen = vec![Listen { protocol: Protocol::Tcp, port: 5060 }];
        lab.rig.publish();
        let sent = Build::udp(at(A, 41_000), at(W, 5060)).payload(b"OPTIONS");
        let (_, moved) = lab.send(HOST_A, &sent);
        assert_eq!(moved.dropped, [DropReason::NotListening], "{mode:?}");
        assert_eq!(lab.rig.counters().flows, 0, "{mode:?}");
    }
}
