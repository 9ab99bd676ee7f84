//! Scenarios 50, 52, 81 and 83: the file changes under traffic, and the appliance restarts; what a change does not
//! concern events nothing.

use super::*;
use fairlead::engine::{DropReason, EngineEvent};
use fairlead::policy::health::{Generation, MemberHealth, PoolHealth, State};
use fairlead::policy::intent::{InterfaceId, MemberId, Route};
use fairlead::wire::Endpoint;
use fairlead::wire::build::Build;
use fairlead::wire::tcp::Flags;

const W: &str = "10.20.0.200";
const C: &str = "10.20.0.21";
const HOST_C: Far = Far::Server(21);
const RST: Flags = Flags::RST;

fn lab() -> Lab {
    Lab::new(Layout::TwoArm)
}

/// A visitor's, a client's, a member's and an excluded connection, and what stands beside the flows; all of them go on.
struct Standing {
    client: Endpoint,
    peer: Endpoint,
    visitor: Endpoint,
}

fn sip(start: &str) -> String {
    format!("{start}\r\nVia: SIP/2.0/UDP {V};branch=z9hG4bKb\r\n\r\n")
}

impl Standing {
    fn begin(lab: &mut Lab) -> Standing {
        let standing = Standing { client: at(PHONE, 40_001), peer: at(PEER, 5060), visitor: at(VISITOR, 50_000) };
        lab.connect(standing.client, 5060, HOST_A);
        lab.connect_out(HOST_A, 41_000, standing.peer);
        let get = Build::udp(standing.visitor, at(A, 161));
        lab.forwards(ROUTER, get.clone(), HOST_A, get);
        let said = |src| Build::udp(at(src, 5060), at(PEER, 5070)).payload(sip("OPTIONS sip:b SIP/2.0").as_bytes());
        lab.forwards_noting(&[EngineEvent::StandbySpoke], HOST_B, said(B), ROUTER, said(V));
        standing
    }

    #[track_caller]
    fn exchange(&self, lab: &mut Lab) {
        self.translated(lab);
        let report = Build::udp(at(A, 161), self.visitor);
        lab.forwards(HOST_A, report.clone(), ROUTER, report);
        let answer = |dst| Build::udp(at(PEER, 5070), at(dst, 5060)).payload(sip("SIP/2.0 200 OK").as_bytes());
        lab.forwards_noting(&[EngineEvent::SpeakerAnswered], ROUTER, answer(V), HOST_B, answer(B));
        let call = |dst| Build::udp(at(PHONE, 5060), at(dst, 5060));
        lab.forwards(ROUTER, call(V), HOST_A, call(A));
        lab.exchange(HOST_A, at(A, 40_200), at(CONFIG, 2020));
    }

    /// The client's connection and the member's, a segment each way.
    #[track_caller]
    fn translated(&self, lab: &mut Lab) {
        let there = |dst| Build::tcp(self.client, at(dst, 5060), ACK, 1001, 9001);
        lab.forwards(ROUTER, there(V), HOST_A, there(A));
        let back = |src| Build::tcp(at(src, 5060), self.client, ACK, 9001, 1001);
        lab.forwards(HOST_A, back(A), ROUTER, back(V));
        let out = |src| Build::tcp(at(src, 41_000), self.peer, ACK, 501, 701);
        lab.forwards(HOST_A, out(A), ROUTER, out(V));
        let answer = |dst| Build::tcp(self.peer, at(dst, 41_000), ACK, 701, 501);
        lab.forwards(ROUTER, answer(V), HOST_A, answer(A));
    }
}

/// A second pair behind W, in front of the first one in the file.
pub fn add_a_pair_in_front(lab: &mut Lab) {
    let rig = &mut lab.rig;
    let intent = &mut rig.intent;
    intent.pools[0].members = vec![MemberId(1), MemberId(2)];
    intent.members.iter_mut().for_each(|member| member.pool.0 = 1);
    intent.members.insert(0, member("sip-c", C, 0));
    intent.pools.insert(0, pool("pair-2", &[0]));
    intent.virtual_servers.iter_mut().for_each(|server| server.pool.0 = 1);
    intent.virtual_servers.insert(0, virtual_server("sip-2", W, 0));
    intent.snats.iter_mut().for_each(|snat| snat.pool.0 = 1);
    intent.snats.insert(0, snat(W, 0, &[]));
    let up = MemberHealth { state: State::Up, may_claim: true, lost_before: Generation(0), is_back: true };
    rig.health.members.insert(0, up);
    rig.health.pools[0].active = Some(MemberId(1));
    rig.health
        .pools
        .insert(0, PoolHealth { active: Some(MemberId(0)), generation: Generation(5), ..PoolHealth::default() });
    rig.adjacency = neighbours(&rig.intent);
}

/// Another virtual address of the first pair.
const REST: &str = "10.20.0.101";

/// Two virtual servers before the first pair, another pair, and a connection of every kind; `third` calls the other pair.
pub fn with_a_connection_of_every_kind(third: &str) -> Lab {
    let mut lab = Lab::new(Layout::TwoArm);
    add_a_pair_in_front(&mut lab);
    lab.rig.intent.virtual_servers.push(virtual_server("sip-3", REST, 1));
    lab.rig.publish();
    let syn = |src: Endpoint, dst: &str| Build::tcp(src, at(dst, 5060), SYN, 1, 0);
    lab.forwards(ROUTER, syn(at(PHONE, 40_001), V), HOST_A, syn(at(PHONE, 40_001), A));
    lab.forwards(ROUTER, syn(at(PHONE, 40_002), REST), HOST_A, syn(at(PHONE, 40_002), A));
    lab.forwards(ROUTER, syn(at(third, 40_003), W), Far::Server(21), syn(at(third, 40_003), C));
    let out = |src: &str| Build::tcp(at(src, 41_000), at(PEER, 80), SYN, 1, 0);
    lab.forwards(HOST_A, out(A), ROUTER, out(V));
    lab.forwards(HOST_B, syn(at(B, 42_000), W), Far::Server(21), syn(at(V, 42_000), C));
    let visit = Build::tcp(at(VISITOR, 50_000), at(A, 22), SYN, 1, 0);
    lab.forwards(ROUTER, visit.clone(), HOST_A, visit);
    lab
}

#[test]
fn s83_a_pair_that_is_added_concerns_nobody_else() {
    let mut lab = lab();
    let standing = Standing::begin(&mut lab);
    add_a_pair_in_front(&mut lab);
    assert_eq!(lab.rig.publish(), []);
    standing.exchange(&mut lab);
    let call = |dst| Build::udp(at(PHONE, 5060), at(dst, 5060));
    lab.forwards(ROUTER, call(W), HOST_C, call(C));
    assert_eq!(lab.rig.counters().dropped.sum(), 0);
}

#[test]
fn s83_a_pair_that_is_removed_takes_its_own_flows_and_no_others() {
    let mut lab = lab();
    let standing = Standing::begin(&mut lab);
    add_a_pair_in_front(&mut lab);
    lab.rig.publish();
    let opens = |src| Build::tcp(at(src, 41_000), at(PEER, 80), SYN, 1, 0);
    lab.forwards(HOST_C, opens(C), ROUTER, opens(W));
    let knocks = |dst| Build::tcp(at(PHONE, 40_002), at(dst, 5060), SYN, 1, 0);
    lab.forwards(ROUTER, knocks(W), HOST_C, knocks(C));
    let flows = lab.rig.counters().flows;
    let rig = &mut lab.rig;
    (rig.intent, rig.adjacency) = (two_arm(), neighbours(&two_arm()));
    rig.health.members.remove(0);
    rig.health.pools.remove(0);
    rig.health.pools[0].active = Some(MEMBER_A);
    assert_eq!(rig.publish(), []);
    assert_eq!(lab.rig.counters().flows, flows - 2);
    standing.exchange(&mut lab);
    // What comes for the address now is a stranger's to the appliance: routed, to nobody.
    let (out, moved) = lab.send(ROUTER, &Build::udp(at(PHONE, 5060), at(W, 5060)));
    assert_eq!((out.len(), moved.dropped.len(), lab.rig.counters().held), (0, 0, 1));
}

#[test]
fn s83_a_virtual_server_that_is_removed_takes_its_connections() {
    let mut lab = lab();
    let standing = Standing::begin(&mut lab);
    let (rest, gone) = ("10.20.0.101", "10.20.0.102");
    lab.rig.intent.virtual_servers.push(virtual_server("sip-3", rest, 0));
    lab.rig.intent.virtual_servers.push(virtual_server("sip-4", gone, 0));
    lab.rig.publish();
    for (port, address) in [(40_010, rest), (40_011, gone)] {
        let syn = |dst| Build::tcp(at(PHONE, port), at(dst, 5060), SYN, 1, 0);
        lab.forwards(ROUTER, syn(address), HOST_A, syn(A));
    }
    let flows = lab.rig.counters().flows;
    lab.rig.intent.virtual_servers.pop();
    lab.rig.publish();
    assert_eq!(lab.rig.counters().flows, flows - 1);
    standing.exchange(&mut lab);
    let answer = |src| Build::tcp(at(src, 5060), at(PHONE, 40_010), SYN_ACK, 9, 2);
    lab.forwards(HOST_A, answer(A), ROUTER, answer(rest));
}

#[test]
fn s83_a_member_that_is_removed_takes_its_own_flows_and_no_others() {
    let mut lab = lab();
    let standing = Standing::begin(&mut lab);
    lab.connect_out(HOST_B, 41_500, at(PEER, 80));
    let flows = lab.rig.counters().flows;
    let rig = &mut lab.rig;
    rig.intent.members.pop();
    rig.intent.pools[0].members.pop();
    rig.health.members.pop();
    rig.publish();
    assert_eq!(lab.rig.counters().flows, flows - 1);
    standing.translated(&mut lab);
    let answer = |dst| Build::udp(at(PEER, 5070), at(dst, 5060));
    lab.forwards(ROUTER, answer(V), HOST_A, answer(A));
}

#[test]
fn s83_routes_and_limits_change_under_traffic() {
    let mut lab = lab();
    let standing = Standing::begin(&mut lab);
    let other = "192.0.2.9";
    let via = |to: &str, via| Route { to: to.parse().unwrap(), via: addr(via), interface: InterfaceId(0) };
    lab.rig.intent.routes.insert(0, via("172.16.9.0/24", other));
    lab.rig.intent.limits.rejects_per_second = 7;
    lab.rig.adjacency = neighbours(&lab.rig.intent);
    lab.rig.publish();
    let (out, moved) = lab.send(HOST_A, &Build::tcp(at(A, 41_000), standing.peer, ACK, 501, 701));
    assert_eq!((out.len() as u64, moved.transmitted), (1, 1));
    assert_ne!(out[0].1[..6], MAC_R.0, "by the new router");
    lab.rig.intent.routes.remove(0);
    lab.rig.publish();
    standing.exchange(&mut lab);
}

#[test]
fn s50_an_exclusion_is_for_new_flows_and_standing_ones_keep_their_source() {
    let mut lab = lab();
    let standing = Standing::begin(&mut lab);
    let peer: ipnet::Ipv4Net = "172.16.9.9/32".parse().unwrap();
    let opens = |src, port| Build::tcp(at(src, port), at(PEER, 80), SYN, 1, 0);
    lab.rig.intent.snats[0].exclude.push(peer);
    lab.rig.publish();
    standing.translated(&mut lab);
    lab.forwards(HOST_A, opens(A, 42_000), ROUTER, opens(A, 42_000));
    let asks = Build::udp(at(B, 33_000), at(PEER, 162));
    lab.forwards(HOST_B, asks.clone(), ROUTER, asks);
    lab.rig.intent.snats[0].exclude.pop();
    lab.rig.intent.snats[0].resumes = false;
    lab.rig.publish();
    standing.exchange(&mut lab);
    lab.forwards(HOST_A, opens(A, 43_000), ROUTER, opens(V, 43_000));
    // What was opened under the exclusion stands as it is.
    let stands = Build::tcp(at(A, 42_000), at(PEER, 80), DATA, 2, 9).payload(b"GET");
    lab.forwards_noting(&[EngineEvent::UnmatchedFromMember], HOST_A, stands.clone(), ROUTER, stands);
}

#[test]
fn s52_the_exclusion_group_does_not_hold_for_another_pairs_virtual_address() {
    let mut lab = lab();
    add_a_pair_in_front(&mut lab);
    // C, the other pair's member, is excluded by its own address.
    lab.rig.intent.snats[1].exclude.push("10.20.0.21/32".parse().unwrap());
    lab.rig.publish();
    let call = |src, dst| Build::udp(at(src, 5060), at(dst, 5060)).payload(b"INVITE");
    lab.forwards(HOST_A, call(A, W), HOST_C, call(V, C));
    lab.forwards(HOST_C, call(C, V), HOST_A, call(W, A));
    let syn = |src, dst| Build::tcp(at(src, 41_000), at(dst, 5060), SYN, 1, 0);
    lab.forwards(HOST_A, syn(A, W), HOST_C, syn(V, C));
}

#[test]
fn s81_traffic_continues_after_a_restart() {
    let mut before = lab();
    let standing = Standing::begin(&mut before);
    drop(before);
    let mut lab = lab();
    for _ in 0..2 {
        let call = |dst| Build::udp(at(PHONE, 5060), at(dst, 5060));
        lab.forwards(ROUTER, call(V), HOST_A, call(A));
        let answer = |src| Build::udp(at(src, 5060), at(PHONE, 5060));
        lab.forwards(HOST_A, answer(A), ROUTER, answer(V));
    }
    // Loose pickup: A is active again.
    let there = |dst| Build::tcp(standing.client, at(dst, 5060), DATA, 1001, 9001).payload(b"INVITE");
    lab.forwards_noting(&[EngineEvent::LoosePickup], ROUTER, there(V), HOST_A, there(A));
    // A visitor's connection; the member speaks first.
    let event = Build::tcp(at(A, 7000), at(VISITOR, 50_123), DATA, 1, 2).payload(b"event");
    lab.forwards_noting(&[EngineEvent::UnmatchedFromMember], HOST_A, event.clone(), ROUTER, event);
    // A member's own, whose port was kept.
    let early = Build::tcp(standing.peer, at(V, 41_000), DATA, 701, 501).payload(b"early");
    lab.drops(ROUTER, early, DropReason::NoFlow);
    let out = |src| Build::tcp(at(src, 41_000), standing.peer, DATA, 501, 701).payload(b"INVITE");
    lab.forwards_noting(&[EngineEvent::LoosePickup], HOST_A, out(A), ROUTER, out(V));
    let back = |dst| Build::tcp(standing.peer, at(dst, 41_000), DATA, 701, 507).payload(b"100");
    lab.forwards(ROUTER, back(V), HOST_A, back(A));
    // Another member's with the same port cannot be taken up: it is reset, and opened again.
    let (out, moved) = lab.send(HOST_B, &Build::tcp(at(B, 41_000), standing.peer, DATA, 1, 1));
    assert_eq!(moved.dropped, [DropReason::OutwardNoFlow]);
    lab.expect_reset(&out[0], HOST_B, standing.peer, at(B, 41_000), 1);
    lab.exchange(HOST_A, at(A, 40_200), at(CONFIG, 2020));
}

#[test]
fn s81_what_answers_a_visitor_is_not_taken_for_a_members_own() {
    let mut lab = lab();
    let answers = [
        Build::tcp(at(A, 7000), at(VISITOR, 50_123), SYN_ACK, 1, 2),
        Build::tcp(at(A, 22), at(VISITOR, 50_123), ACK, 1, 2),
        Build::tcp(at(A, 22), at(VISITOR, 50_123), RST, 1, 2),
    ];
    for answer in answers {
        lab.forwards_noting(&[EngineEvent::UnmatchedFromMember], HOST_A, answer.clone(), ROUTER, answer);
    }
    assert_eq!(lab.rig.counters().flows, 0);
    // Ports that say the opposite, or nothing: the rest of the connection is known by its SYN-ACK.
    for (own, visitors) in [(41_000, 5060), (41_001, 50_123), (3_000, 5060)] {
        let answer = |flags| Build::tcp(at(A, own), at(VISITOR, visitors), flags, 1, 2);
        lab.forwards_noting(&[EngineEvent::UnmatchedFromMember], HOST_A, answer(SYN_ACK), ROUTER, answer(SYN_ACK));
        for flags in [ACK, DATA, FIN_ACK] {
            lab.forwards(HOST_A, answer(flags), ROUTER, answer(flags));
        }
    }
}

/// Its peer would answer the member itself, by a reset.
#[test]
fn s81_a_forgotten_connection_shows_nobody_a_members_own_address() {
    let mut lab = lab();
    for (own, peers) in [(41_000, 50_000), (3_000, 5060)] {
        for flags in [ACK, DATA, FIN_ACK, RST] {
            lab.drops(HOST_A, Build::tcp(at(A, own), at(PEER, peers), flags, 501, 701), DropReason::OutwardNoFlow);
        }
        // Unless it was a visitor's, which says so by speaking to the member.
        let asks = Build::tcp(at(PEER, peers), at(A, own), ACK, 701, 501);
        lab.forwards(ROUTER, asks.clone(), HOST_A, asks);
        let answers = Build::tcp(at(A, own), at(PEER, peers), DATA, 501, 701).payload(b"event");
        lab.forwards(HOST_A, answers.clone(), ROUTER, answers);
    }
    lab.drops(HOST_A, Build::tcp(at(A, 41_500), at(PEER, 5060), RST, 501, 701), DropReason::OutwardNoFlow);
    let excluded = Build::tcp(at(A, 41_000), at(CONFIG, 50_000), DATA, 501, 701);
    lab.forwards(HOST_A, excluded.clone(), ROUTER, excluded);
}

#[test]
fn s81_a_members_own_connection_to_a_virtual_address_survives_a_restart() {
    let mut lab = lab();
    let early = |dst| Build::tcp(at(A, 5060), at(dst, 41_000), DATA, 700, 500).payload(b"early");
    lab.drops(HOST_A, early(V), DropReason::NoFlow);
    let asks = |src, dst| Build::tcp(at(src, 41_000), at(dst, 5060), DATA, 500, 700).payload(b"INVITE");
    lab.forwards_noting(&[EngineEvent::LoosePickup], HOST_B, asks(B, V), HOST_A, asks(V, A));
    let answers = |src, dst| Build::tcp(at(src, 5060), at(dst, 41_000), DATA, 700, 506).payload(b"100");
    lab.forwards(HOST_A, answers(A, V), HOST_B, answers(V, B));
    // Another member's with the same port cannot have used it: it is reset, and opened again (RFC 9293 3.5.2).
    let (out, moved) = lab.send(HOST_A, &asks(A, V));
    assert_eq!(moved.dropped, [DropReason::NoFlow]);
    lab.expect_reset(&out[0], HOST_A, at(V, 5060), at(A, 41_000), 700);
}
