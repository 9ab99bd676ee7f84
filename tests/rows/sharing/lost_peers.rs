//! Scenario 98: `on_down = { udp = ... }`. Peers of a lost member that are left with it: sent there, or dropped, until it is back or they
//! hear nothing of it for too long.

use super::*;
use fairlead::policy::adjacency::{Neighbour, NextHop};
use fairlead::policy::intent::{InterfaceId, Listen, NoMember, OnDownUdp, VirtualServer};
use fairlead::wire::Protocol;

const MODES: [Mode; 3] = [Mode::RoundRobin, Mode::LeastConnections, Mode::SourceHash];
/// Those that leave a peer where it is.
const POLICIES: [OnDownUdp; 2] = [OnDownUdp::Drop, OnDownUdp::Drain];
const HOP_B: NextHop = NextHop { interface: InterfaceId(1), address: Ipv4Addr::new(10, 20, 0, 12) };

fn leaving(mode: Mode, policy: OnDownUdp) -> Lab {
    Lab::with(|intent| {
        three(intent, mode);
        intent.pools[0].on_down_udp = policy;
    })
}

/// Sixty peers, and who takes each.
fn peers(lab: &mut Lab) -> Vec<Far> {
    (0..60).map(|at| taken(lab, |dst| request(client(at), dst))).collect()
}

/// Those of B.
fn of_b(peers: &[Far]) -> Vec<Endpoint> {
    (0..).zip(peers).filter(|(_, member)| **member == HOST_B).map(|(at, _)| client(at)).collect()
}

#[track_caller]
fn dropped(lab: &mut Lab, client: Endpoint) {
    lab.drops(ROUTER, request(client, V), DropReason::MemberLost);
}

/// B is lost, and the others take what is new.
fn lose_b(lab: &mut Lab) {
    lab.rig.share(0, &[MEMBER_A, MEMBER_C], &[MEMBER_B]);
}

#[track_caller]
fn nothing_new_for_b(lab: &mut Lab) {
    let new: Vec<Far> = (100..130).map(|at| taken(lab, |dst| request(client(at), dst))).collect();
    assert_eq!(spread(&new)[1], 0);
}

#[test]
fn s98_dropped_peers_wait_for_their_member_and_nobody_else_is_concerned() {
    for mode in MODES {
        let mut lab = leaving(mode, OnDownUdp::Drop);
        let peers = peers(&mut lab);
        for _ in 0..2 {
            lose_b(&mut lab);
            for (at, member) in (0..).zip(&peers) {
                match *member == HOST_B {
                    true => dropped(&mut lab, client(at)),
                    false => served_by(&mut lab, client(at), *member),
                }
            }
            nothing_new_for_b(&mut lab);
            lab.rig.share(0, &ALL, &[]);
            for (at, member) in (0..).zip(&peers) {
                served_by(&mut lab, client(at), *member);
            }
        }
    }
}

#[test]
fn s98_a_peer_that_is_dropped_for_as_long_as_a_flow_lives_is_anybodys() {
    let mut lab = leaving(Mode::RoundRobin, OnDownUdp::Drop);
    let peer = of_b(&peers(&mut lab))[0];
    lose_b(&mut lab);
    for _ in 0..2 {
        lab.rig.wait(Duration::from_secs(145));
        dropped(&mut lab, peer);
    }
    lab.rig.wait(Duration::from_secs(15));
    let now = taken(&mut lab, |dst| request(peer, dst));
    assert_ne!(now, HOST_B, "what is dropped renews nothing");
    lab.rig.share(0, &ALL, &[]);
    served_by(&mut lab, peer, now);
}

#[test]
fn s98_drained_peers_go_on_to_their_lost_member_as_long_as_it_sends_to_them() {
    for mode in MODES {
        let mut lab = leaving(mode, OnDownUdp::Drain);
        let peers = peers(&mut lab);
        lose_b(&mut lab);
        for (at, member) in (0..).zip(&peers) {
            served_by(&mut lab, client(at), *member);
            served_by(&mut lab, client(at), *member);
        }
        nothing_new_for_b(&mut lab);
        let (heard, silent) = (of_b(&peers)[0], of_b(&peers)[1]);
        lab.rig.wait(Duration::from_secs(200));
        [heard, silent].into_iter().for_each(|peer| served_by(&mut lab, peer, HOST_B));
        lab.forwards(HOST_B, answer(B, heard), ROUTER, answer(V, heard));
        lab.rig.wait(Duration::from_secs(200));
        served_by(&mut lab, heard, HOST_B);
        assert_ne!(taken(&mut lab, |dst| request(silent, dst)), HOST_B);
        // It is back: what it has is its own as before, and what comes from there renews it.
        lab.rig.share(0, &ALL, &[]);
        for _ in 0..3 {
            served_by(&mut lab, heard, HOST_B);
            lab.rig.wait(Duration::from_secs(200));
        }
        served_by(&mut lab, heard, HOST_B);
    }
}

#[test]
fn s98_a_member_that_is_gone_from_the_link_drains_nobody() {
    for (policy, stays) in [(OnDownUdp::Drain, false), (OnDownUdp::Drop, true)] {
        let mut lab = leaving(Mode::RoundRobin, policy);
        let peer = of_b(&peers(&mut lab))[0];
        lab.rig.adjacency.insert(HOP_B, Neighbour::Failed);
        lose_b(&mut lab);
        match stays {
            true => dropped(&mut lab, peer),
            false => assert_ne!(taken(&mut lab, |dst| request(peer, dst)), HOST_B),
        }
    }
}

#[test]
fn s98_what_a_lost_member_says_leaves_and_takes_its_peers_out_of_nothing() {
    let mut lab = leaving(Mode::RoundRobin, OnDownUdp::Drop);
    let peer = of_b(&peers(&mut lab))[0];
    lose_b(&mut lab);
    lab.forwards(HOST_B, answer(B, peer), ROUTER, answer(V, peer));
    dropped(&mut lab, peer);
    // It speaks first when it is back.
    lab.rig.share(0, &ALL, &[]);
    lab.forwards(HOST_B, answer(B, peer), ROUTER, answer(V, peer));
    served_by(&mut lab, peer, HOST_B);
}

#[test]
fn s98_a_drained_member_that_lives_again_has_its_peers_again() {
    let mut lab = leaving(Mode::RoundRobin, OnDownUdp::Drop);
    let peer = of_b(&peers(&mut lab))[0];
    lose_b(&mut lab);
    lab.rig.health.members[1].state = State::Drained;
    lab.rig.publish();
    dropped(&mut lab, peer);
    lab.rig.health.members[1].is_back = true;
    lab.rig.publish();
    served_by(&mut lab, peer, HOST_B);
    nothing_new_for_b(&mut lab);
}

#[test]
fn s98_what_is_left_with_a_lost_member_stays_so_while_nobody_takes_anything() {
    for policy in POLICIES {
        let mut lab = leaving(Mode::RoundRobin, policy);
        lab.rig.intent.pools[0].no_member = NoMember::Reject;
        lab.rig.publish();
        let member = taken(&mut lab, |dst| request(client(0), dst));
        lab.rig.share(0, &[], &ALL);
        match policy {
            OnDownUdp::Drop => dropped(&mut lab, client(0)),
            _ => served_by(&mut lab, client(0), member),
        }
        let sent = request(client(1), V);
        let error = Build::icmp_error(V, client(1).addr, 3, 3, &sent);
        lab.rejects(ROUTER, sent, DropReason::NoActiveMember, error);
    }
}

#[test]
fn s98_another_member_that_asks_such_a_peer_gets_its_answer_and_not_the_peer() {
    for policy in POLICIES {
        let mut lab = leaving(Mode::RoundRobin, policy);
        let peer = at(PEER, 5060);
        lab.forwards(HOST_B, invite(B, B, "b1"), ROUTER, invite(V, B, "b1"));
        lose_b(&mut lab);
        lab.forwards(HOST_C, invite(C, V, "c1"), ROUTER, invite(V, V, "c1"));
        let answered = [EngineEvent::SpeakerAnswered];
        lab.forwards_noting(&answered, ROUTER, ok(V, V, "c1"), HOST_C, ok(C, V, "c1"));
        match policy {
            OnDownUdp::Drop => dropped(&mut lab, peer),
            _ => served_by(&mut lab, peer, HOST_B),
        }
    }
}

#[test]
fn s98_a_peer_at_one_virtual_address_is_left_with_its_member_at_the_other() {
    for policy in POLICIES {
        let mut lab = Lab::with(|intent| {
            three(intent, Mode::RoundRobin);
            intent.pools[0].on_down_udp = policy;
            let listen = vec![Listen { protocol: Protocol::Udp, port: 5060 }];
            let other = virtual_server("other", W, 0);
            intent.virtual_servers.push(VirtualServer { listen, redeliver: Duration::ZERO, ..other });
        });
        let peer = of_b(&peers(&mut lab))[0];
        lose_b(&mut lab);
        if policy == OnDownUdp::Drop {
            lab.drops(ROUTER, request(peer, W), DropReason::MemberLost);
            continue;
        }
        lab.forwards(ROUTER, request(peer, W), HOST_B, request(peer, B));
        lab.forwards(HOST_B, answer(B, peer), ROUTER, answer(W, peer));
        lab.rig.wait(Duration::from_secs(200));
        lab.forwards(ROUTER, request(peer, W), HOST_B, request(peer, B));
        lab.rig.wait(Duration::from_secs(101));
        assert_ne!(taken_from(&mut lab, ROUTER, |dst| request(peer, dst), |dst| request(peer, dst), W), HOST_B);
    }
}

/// Each address would be begun anew by the flow of the other, and so on.
#[test]
fn s98_a_peer_at_two_virtual_addresses_is_not_left_with_a_silent_member_for_longer_than_at_one() {
    let mut lab = Lab::with(|intent| {
        three(intent, Mode::RoundRobin);
        intent.pools[0].on_down_udp = OnDownUdp::Drain;
        let listen = vec![Listen { protocol: Protocol::Udp, port: 5060 }];
        intent.virtual_servers.push(VirtualServer {
            listen,
            redeliver: Duration::ZERO,
            ..virtual_server("other", W, 0)
        });
    });
    let peer = of_b(&peers(&mut lab))[0];
    lose_b(&mut lab);
    for _ in 0..14 {
        lab.forwards(ROUTER, request(peer, W), HOST_B, request(peer, B));
        lab.rig.wait(Duration::from_secs(10));
        lab.forwards(ROUTER, request(peer, V), HOST_B, request(peer, B));
        lab.rig.wait(Duration::from_secs(10));
    }
    lab.rig.wait(Duration::from_secs(21));
    for address in [W, V] {
        assert_ne!(taken_from(&mut lab, ROUTER, |dst| request(peer, dst), |dst| request(peer, dst), address), HOST_B);
    }
}

/// It is at both ends of its call.
#[test]
fn s98_a_member_that_calls_its_own_address_has_its_call_again_when_it_is_back() {
    let mut lab = leaving(Mode::RoundRobin, OnDownUdp::Drop);
    lab.rig.share(0, &[MEMBER_B], &[]);
    let ask = |src: &str, dst: &str| Build::udp(at(src, 33_001), at(dst, 5060)).payload(b"OPTIONS");
    lab.forwards(HOST_B, ask(B, V), HOST_B, ask(V, B));
    lose_b(&mut lab);
    lab.drops(HOST_B, ask(B, V), DropReason::MemberLost);
    lab.rig.share(0, &ALL, &[]);
    lab.forwards(HOST_B, ask(B, V), HOST_B, ask(V, B));
}

/// What the pair says to managers that share their work, from its service port and from another.
#[test]
fn s98_a_pair_is_left_with_its_lost_manager() {
    let from = |port: u16, src: &str, dst: &str| Build::udp(at(src, port), at(dst, 5060)).payload(b"OPTIONS");
    for (port, policy) in [5060, 41_000].into_iter().flat_map(|port| POLICIES.map(|policy| (port, policy))) {
        let mut lab = managers(Mode::RoundRobin);
        lab.rig.intent.pools[1].on_down_udp = policy;
        lab.rig.publish();
        let manager = taken_from(&mut lab, HOST_A, |dst| from(port, A, dst), |dst| from(port, V, dst), W);
        let (gone, rest) = match manager == Far::Server(31) {
            true => (MemberId(2), MemberId(3)),
            false => (MemberId(3), MemberId(2)),
        };
        lab.rig.share(1, &[rest], &[gone]);
        for _ in 0..2 {
            match policy {
                OnDownUdp::Drop => lab.drops(HOST_A, from(port, A, W), DropReason::MemberLost),
                _ => lab.forwards(HOST_A, from(port, A, W), manager, from(port, V, ip(manager))),
            }
        }
        lab.rig.wait(Duration::from_secs(200));
        if policy == OnDownUdp::Drain {
            lab.forwards(HOST_A, from(port, A, W), manager, from(port, V, ip(manager)));
            lab.rig.wait(Duration::from_secs(101));
            let now = taken_from(&mut lab, HOST_A, |dst| from(port, A, dst), |dst| from(port, V, dst), W);
            assert_ne!(now, manager, "it has heard nothing of it");
            continue;
        }
        lab.rig.share(1, &[rest, gone], &[]);
        lab.forwards(HOST_A, from(port, A, W), manager, from(port, V, ip(manager)));
    }
}
