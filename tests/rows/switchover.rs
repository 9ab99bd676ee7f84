//! Scenarios 17 to 19, 21, 29 and 37: who gets a client's packets before, during and after a switchover, and what a
//! client hears when nobody does. Datagrams and opening packets; connections are in `connections.rs`.

use super::*;
use fairlead::engine::{DropReason, EngineEvent};
use fairlead::policy::health::State;
use fairlead::policy::intent::NoMember;
use fairlead::time::Duration;
use fairlead::wire::build::Build;
use fairlead::wire::{Endpoint, Packet};
use std::net::Ipv4Addr;

fn lab() -> Lab {
    Lab::new(Layout::TwoArm)
}

fn request(from: Endpoint, dst: &str) -> Build {
    Build::udp(from, at(dst, 5060)).payload(b"OPTIONS sip:10.20.0.100 SIP/2.0\r\n\r\n")
}

fn of_member(src: &str, to: Endpoint) -> Build {
    Build::udp(at(src, 5060), to).payload(b"INVITE sip:b SIP/2.0\r\n\r\n")
}

/// A client's datagram to the VIP goes to this member, and that is nothing special.
#[track_caller]
fn served_by(lab: &mut Lab, client: Endpoint, member: Far) {
    lab.forwards(ROUTER, request(client, V), member, request(client, member.ip()));
}

#[test]
fn s17_without_an_active_member_a_datagram_is_answered_with_port_unreachable() {
    let mut lab = lab();
    assert_eq!(lab.rig.switch_over(None, true), []);
    let sent = request(at(PHONE, 5060), V);
    lab.rejects(ROUTER, sent.clone(), DropReason::NoActiveMember, Build::icmp_error(V, PHONE, 3, 3, &sent));
}

#[test]
fn s17_without_an_active_member_a_connection_is_reset() {
    let mut lab = lab();
    lab.rig.switch_over(None, true);
    let (client, vip) = (at(PHONE, 40001), at(V, 5061));
    let syn = Build::tcp(client, vip, SYN, 1000, 0);
    let (out, moved) = lab.send(ROUTER, &syn);
    assert_eq!(moved.dropped, [DropReason::NoActiveMember]);
    assert_eq!(out.len(), 1);
    let reset = lab.expect_reset(&out[0], ROUTER, vip, client, 0);
    let fairlead::wire::Kind::Tcp(segment) = reset.kind else { unreachable!() };
    assert_eq!((segment.flags.ack(), segment.ack), (true, 1001), "RFC 9293 3.10.7.1");
    let (out, _) = lab.send(ROUTER, &Build::tcp(client, vip, ACK, 1001, 5555));
    lab.expect_reset(&out[0], ROUTER, vip, client, 5555);
    let (out, _) = lab.send(ROUTER, &Build::tcp(client, vip, fairlead::wire::tcp::Flags::RST, 1001, 0));
    assert_eq!(out, [], "RFC 9293 3.5.2: a reset is never answered");
}

#[test]
fn s82_until_the_probes_have_decided_nobody_is_rejected() {
    let mut lab = lab();
    lab.rig.switch_over(None, false);
    lab.rig.health.members.iter_mut().for_each(|member| member.state = State::Unknown);
    lab.rig.publish();
    let client = at(PHONE, 40001);
    let early = [
        request(at(PHONE, 5060), V),
        Build::tcp(client, at(V, 5060), SYN, 1, 0),
        Build::tcp(client, at(V, 5060), DATA, 7, 8).payload(b"INVITE"),
    ];
    for sent in early {
        lab.drops(ROUTER, sent, DropReason::MemberUndecided);
    }
    lab.rig.health.members[1].state = State::Up;
    lab.rig.switch_over(Some(MEMBER_B), false);
    served_by(&mut lab, at(PHONE, 5060), HOST_B);
    let exchange = |dst| Build::tcp(client, at(dst, 5060), DATA, 7, 8).payload(b"INVITE");
    lab.forwards_noting(&[EngineEvent::LoosePickup], ROUTER, exchange(V), HOST_B, exchange(B));
}

#[test]
fn s17_policy_drop_is_silent() {
    let mut lab = Lab::with(|intent| intent.pools[0].no_member = NoMember::Drop);
    lab.rig.switch_over(None, true);
    lab.drops(ROUTER, request(at(PHONE, 5060), V), DropReason::NoActiveMember);
    lab.drops(ROUTER, Build::tcp(at(PHONE, 40001), at(V, 5060), SYN, 1, 0), DropReason::NoActiveMember);
}

#[test]
fn s17_policy_keep_last_keeps_forwarding_to_the_last_one() {
    let mut lab = Lab::with(|intent| intent.pools[0].no_member = NoMember::KeepLast);
    lab.rig.health.members[0].state = State::Down;
    lab.rig.health.members[1].state = State::Down;
    lab.rig.publish();
    served_by(&mut lab, at(PHONE, 5060), HOST_A);
    let syn = |dst| Build::tcp(at(PHONE, 40001), at(dst, 5060), SYN, 1, 0);
    lab.forwards(ROUTER, syn(V), HOST_A, syn(A));
}

#[test]
fn s17_refusals_are_limited() {
    let mut lab = Lab::with(|intent| intent.limits.rejects_per_second = 50);
    lab.rig.switch_over(None, true);
    for _second in 0..3 {
        let before = lab.rig.counters();
        let mut sent = 0;
        for at_id in 0..400 {
            let (out, _) = lab.send(ROUTER, &request(at(PHONE, 5060), V).id(at_id));
            sent += out.len() as u64;
        }
        assert!((1..=50).contains(&sent), "{sent} refusals of 400");
        let after = lab.rig.counters();
        let moved = |reason| after.drops(reason) - before.drops(reason);
        assert_eq!((moved(DropReason::NoActiveMember), moved(DropReason::RateLimited)), (sent, 400 - sent));
        lab.rig.wait(Duration::from_secs(1));
    }
}

#[test]
fn s18_after_a_switchover_every_datagram_of_a_steady_client_goes_to_the_new_one() {
    let mut lab = lab();
    let client = at(PHONE, 5060);
    for _ in 0..50 {
        served_by(&mut lab, client, HOST_A);
        lab.forwards(HOST_A, of_member(A, client), ROUTER, of_member(V, client));
    }
    assert_eq!(lab.rig.switch_over(Some(MEMBER_B), true), [], "datagram flows get no reset");
    for _ in 0..50 {
        served_by(&mut lab, client, HOST_B);
        lab.forwards(HOST_B, of_member(B, client), ROUTER, of_member(V, client));
    }
    assert_eq!(lab.rig.counters().flows, 0);
}

/// The `at`th of many remote endpoints.
fn remote(at: u32) -> Endpoint {
    Endpoint::new(Ipv4Addr::from(0xad10_0000 + at / 4), 5000 + (at % 4) as u16)
}

/// Sends one datagram of each of `count` remotes; all of them come out at the inner port for `member`.
fn all_served_by(lab: &mut Lab, count: u32, member: Far) {
    let (_, member_mac) = (member.ip(), lab.leaving(member, &Build::echo_request(A, B, 1, 1))[..6].to_vec());
    for first in (0..count).step_by(100) {
        for at in first..first + 100 {
            let frame = lab.arriving(ROUTER, &request(remote(at), V));
            lab.rig.ports.inject(OUTER, &frame);
        }
        let out = lab.rig.settle();
        assert_eq!(out.len(), 100);
        for (port, frame) in out {
            let tuple = Packet::parse(&frame).unwrap().tuple().unwrap();
            assert_eq!((port, tuple.dst), (INNER, at(member.ip(), 5060)));
            assert_eq!(frame[..6], member_mac);
        }
    }
}

#[test]
fn s19_a_hundred_thousand_remotes_follow_at_one_instant() {
    let mut lab = lab();
    all_served_by(&mut lab, 100_000, HOST_A);
    for at in (0..100_000).step_by(1000) {
        lab.forwards(HOST_A, of_member(A, remote(at)), ROUTER, of_member(V, remote(at)));
    }
    assert_eq!(lab.rig.switch_over(Some(MEMBER_B), true), []);
    all_served_by(&mut lab, 100_000, HOST_B);
}

#[test]
fn s21_what_the_old_one_still_sends_passes_and_claims_nothing() {
    let mut lab = lab();
    let peer = at(PEER, 5060);
    lab.rig.switch_over(Some(MEMBER_B), true);
    let (out, moved) = lab.send(HOST_A, &of_member(A, peer));
    assert_eq!((moved.transmitted, moved.dropped.len()), (1, 0));
    lab.expect(&out, ROUTER, of_member(V, peer).ttl(63));
    served_by(&mut lab, peer, HOST_B);
}

#[test]
fn s21_what_the_old_one_still_sends_takes_no_peer_from_the_speaker() {
    let mut lab = lab();
    let peer = at(PEER, 5060);
    lab.rig.switch_over(None, true);
    let spoke = [EngineEvent::StandbySpoke];
    lab.forwards_noting(&spoke, HOST_B, of_member(B, peer), ROUTER, of_member(V, peer));
    lab.forwards_noting(&spoke, HOST_A, of_member(A, peer), ROUTER, of_member(V, peer));
    lab.forwards_noting(&[EngineEvent::SpeakerAnswered], ROUTER, request(peer, V), HOST_B, request(peer, B));
}

#[test]
fn s29_a_member_that_recovers_gets_nothing_until_it_is_chosen() {
    let mut lab = lab();
    let client = at(PHONE, 5060);
    lab.rig.switch_over(Some(MEMBER_B), true);
    lab.rig.health.members[0].state = State::Up;
    lab.rig.publish();
    served_by(&mut lab, client, HOST_B);
    lab.rig.switch_over(Some(MEMBER_A), false);
    served_by(&mut lab, client, HOST_A);
    let syn = |dst| Build::tcp(at(PHONE, 40009), at(dst, 5060), SYN, 1, 0);
    lab.forwards(ROUTER, syn(V), HOST_A, syn(A));
}

#[test]
fn s37_a_member_taken_offline_gets_nothing_and_claims_nothing() {
    let mut lab = lab();
    let client = at(PHONE, 5060);
    lab.rig.switch_over(Some(MEMBER_B), true);
    lab.rig.health.members[0].state = State::Offline;
    lab.rig.publish();
    served_by(&mut lab, client, HOST_B);
    let (out, _) = lab.send(HOST_A, &of_member(A, client));
    lab.expect(&out, ROUTER, of_member(V, client).ttl(63));
    served_by(&mut lab, client, HOST_B);
    lab.rig.health.members[0].state = State::Up;
    lab.rig.publish();
    served_by(&mut lab, client, HOST_B);
}

#[test]
fn s82_until_the_probes_have_decided_no_member_is_rejected_either() {
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
fn claim_of_a_silent_standby_ends() {
    let mut lab = Lab::new(Layout::TwoArm);
    let peer = at(PEER, 5060);
    lab.forwards_noting(&[EngineEvent::StandbySpoke], HOST_B, of_member(B, peer), ROUTER, of_member(V, peer));
    lab.rig.health.members[0].state = State::Down;
    lab.rig.publish();
    for _ in 0..3 {
        lab.rig.wait(Duration::from_secs(10));
        lab.forwards_noting(&[EngineEvent::SpeakerAnswered], ROUTER, request(peer, V), HOST_B, request(peer, B));
    }
    lab.rig.wait(Duration::from_secs(3));
    served_by(&mut lab, peer, HOST_A);
}
