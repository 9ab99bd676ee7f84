//! Scenarios 72 to 75: members that call their own virtual address, another pair's, or each other.

use super::*;
use fairlead::engine::EngineEvent;
use fairlead::policy::health::{Generation, PoolHealth, State};
use fairlead::policy::intent::MemberId;
use fairlead::wire::build::Build;

const LAYOUTS: [Layout; 5] =
    [Layout::TwoArm, Layout::TaggedServers, Layout::OnePort, Layout::PriorityTags, Layout::OneArm];

#[test]
fn s72_the_standby_calls_its_own_vip() {
    for layout in LAYOUTS {
        let mut lab = Lab::new(layout);
        let there = |src, port, dst| Build::udp(at(src, port), at(dst, 5060)).payload(b"OPTIONS");
        let translated = lab.forwards_as(HOST_B, there(B, 41000, V), HOST_A, |port| there(V, port, A));
        let back = |src, dst, port| Build::udp(at(src, 5060), at(dst, port)).payload(b"200");
        lab.forwards(HOST_A, back(A, V, translated), HOST_B, back(V, B, 41000));
        let syn = |src, port, dst| Build::tcp(at(src, port), at(dst, 5060), SYN, 1, 0);
        let translated = lab.forwards_as(HOST_B, syn(B, 41000, V), HOST_A, |port| syn(V, port, A));
        let back = |src, dst, port| Build::tcp(at(src, 5060), at(dst, port), SYN_ACK, 9, 2);
        lab.forwards(HOST_A, back(A, V, translated), HOST_B, back(V, B, 41000));
        let data = |src, port, dst| Build::tcp(at(src, port), at(dst, 5060), DATA, 2, 10).payload(b"INVITE");
        lab.forwards(HOST_B, data(B, 41000, V), HOST_A, data(V, translated, A));
    }
}

#[test]
fn s73_the_active_member_calls_its_own_vip() {
    for layout in LAYOUTS {
        let mut lab = Lab::new(layout);
        let call = |src, dst| Build::udp(at(src, 5060), at(dst, 5060)).payload(b"INVITE");
        lab.forwards(HOST_A, call(A, V), HOST_A, call(V, A));
        lab.forwards(HOST_A, call(A, V), HOST_A, call(V, A));
        let syn = |src, port, dst| Build::tcp(at(src, port), at(dst, 5060), SYN, 1, 0);
        let translated = lab.forwards_as(HOST_A, syn(A, 41000, V), HOST_A, |port| syn(V, port, A));
        let back = |src, dst, port| Build::tcp(at(src, 5060), at(dst, port), SYN_ACK, 9, 2);
        lab.forwards(HOST_A, back(A, V, translated), HOST_A, back(V, A, 41000));
    }
}

/// Two pairs: the SIP Servers, and the resource managers .31 and .32 behind W.
fn two_pairs() -> Lab {
    Lab::with(|intent| {
        intent.members.push(member("rm-1", RM1, 1));
        intent.members.push(member("rm-2", RM2, 1));
        intent.pools.push(pool("managers", &[2, 3]));
        intent.virtual_servers.push(virtual_server("rm", W, 1));
        intent.snats.push(snat(W, 1, &[]));
    })
}

const W: &str = "10.20.0.150";

const RM1: &str = "10.20.0.31";

const RM2: &str = "10.20.0.32";

#[test]
fn s74_a_server_and_a_resource_manager_meet_as_two_vips() {
    let mut lab = two_pairs();
    let invite = |src, dst| Build::udp(at(src, 5060), at(dst, 5060)).payload(b"INVITE");
    let ok = |src, dst| Build::udp(at(src, 5060), at(dst, 5060)).payload(b"SIP/2.0 200 OK");
    lab.forwards(HOST_A, invite(A, W), Far::Server(31), invite(V, RM1));
    lab.forwards(Far::Server(31), ok(RM1, V), HOST_A, ok(W, A));
    lab.rig.health.pools[1] =
        PoolHealth { active: Some(MemberId(3)), generation: Generation(2), ..PoolHealth::default() };
    lab.rig.health.members[2].state = State::Down;
    lab.rig.health.members[2].may_claim = false;
    lab.rig.publish();
    lab.forwards(HOST_A, invite(A, W), Far::Server(32), invite(V, RM2));
    lab.forwards(Far::Server(32), ok(RM2, V), HOST_A, ok(W, A));
    lab.rig.switch_over(Some(MEMBER_B), true);
    lab.forwards(Far::Server(32), ok(RM2, V), HOST_B, ok(W, B));
    let syn = |src, port, dst| Build::tcp(at(src, port), at(dst, 5060), SYN, 1, 0);
    lab.forwards(HOST_B, syn(B, 41000, W), Far::Server(32), syn(V, 41000, RM2));
    let syn_ack = |src, dst| Build::tcp(at(src, 5060), at(dst, 41000), SYN_ACK, 5, 2);
    lab.forwards(Far::Server(32), syn_ack(RM2, V), HOST_B, syn_ack(W, B));
}

#[test]
fn s75_member_to_member_by_mistake_is_routed_and_counted() {
    for layout in LAYOUTS {
        let mut lab = Lab::new(layout);
        let misrouted = [EngineEvent::MisroutedPeer];
        for sent in [
            Build::udp(at(A, 40000), at(B, 7777)).payload(b"ha"),
            Build::tcp(at(A, 40000), at(B, 7777), SYN, 1, 0),
            Build::udp(at(A, 5060), at(B, 5060)),
            Build::echo_request(A, B, 1, 1),
        ] {
            lab.forwards_noting(&misrouted, HOST_A, sent.clone(), HOST_B, sent);
        }
        let back = Build::tcp(at(B, 7777), at(A, 40000), SYN_ACK, 1, 2);
        lab.forwards_noting(&misrouted, HOST_B, back.clone(), HOST_A, back);
    }
}

#[test]
fn hairpin_to_a_second_address_of_the_pool_is_answered() {
    let mut failed = Vec::new();
    for last in 101..121 {
        let second = format!("10.20.0.{last}");
        let mut lab = Lab::with(|intent| {
            let mut server = virtual_server("sip-2", &second, 0);
            server.listen.retain(|listen| listen.port == 5061);
            intent.virtual_servers[0].listen.retain(|listen| listen.port == 5060);
            intent.virtual_servers.push(server);
        });
        let (out, _) = lab.send(HOST_B, &Build::tcp(at(B, 41000), at(&second, 5061), SYN, 5, 0));
        assert_eq!(out.len(), 1);
        let port = source_port(&out[0].1);
        let (out, _) = lab.send(HOST_A, &Build::tcp(at(A, 5061), at(V, port), SYN_ACK, 7, 6));
        if out.len() != 1 {
            failed.push((last, lab.rig.counted()));
        }
    }
    assert!(failed.is_empty(), "{} of 20: {:?}", failed.len(), failed[0]);
}
