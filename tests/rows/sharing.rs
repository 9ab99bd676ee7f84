//! Scenario 92: pools of several active members. Who takes what is new, who keeps what it has, and what happens to each when one
//! is lost, drained, or comes back.

mod groups;
mod loss;
mod lost_peers;
mod services;

use super::*;
use fairlead::engine::{DropReason, EngineEvent};
use fairlead::policy::Intent;
use fairlead::policy::health::State;
use fairlead::policy::intent::{EchoPolicy, MemberId, Mode, Pool};
use fairlead::time::Duration;
use fairlead::wire::Endpoint;
use fairlead::wire::build::Build;
use std::net::Ipv4Addr;

const C: &str = "10.20.0.13";
const HOST_C: Far = Far::Server(13);
pub const MEMBER_C: MemberId = MemberId(2);
pub const ALL: [MemberId; 3] = [MEMBER_A, MEMBER_B, MEMBER_C];

pub fn three(intent: &mut Intent, mode: Mode) {
    intent.members.push(member("sip-c", C, 0));
    intent.pools[0].members.push(MEMBER_C);
    intent.pools[0].mode = mode;
    intent.virtual_servers[0].redeliver = Duration::ZERO;
}

fn lab(mode: Mode) -> Lab {
    Lab::with(|intent| three(intent, mode))
}

/// The address of a host on the servers' network.
pub fn ip(far: Far) -> &'static str {
    match far {
        Far::Server(11) => A,
        Far::Server(12) => B,
        Far::Server(13) => C,
        Far::Server(31) => RM1,
        Far::Server(32) => RM2,
        other => panic!("{other:?} is no member"),
    }
}

fn id(far: Far) -> MemberId {
    [HOST_A, HOST_B, HOST_C].into_iter().zip(ALL).find(|(host, _)| *host == far).unwrap().1
}

fn client(number: u32) -> Endpoint {
    Endpoint::new(Ipv4Addr::from(0xac10_0a00 + number), 5060)
}

fn request(from: Endpoint, dst: &str) -> Build {
    Build::udp(from, at(dst, 5060)).payload(b"OPTIONS sip:10.20.0.100 SIP/2.0\r\n\r\n")
}

fn answer(src: &str, to: Endpoint) -> Build {
    Build::udp(at(src, 5060), to).payload(b"SIP/2.0 200 OK\r\n\r\n")
}

fn syn(from: Endpoint, dst: &str) -> Build {
    Build::tcp(from, at(dst, 5060), SYN, 1000, 0)
}

/// What `from` sends to V is taken by a member of the appliance's choice, as it must be: which one.
#[track_caller]
pub fn taken_from(
    lab: &mut Lab,
    from: Far,
    sent: impl Fn(&str) -> Build,
    arrives: impl Fn(&str) -> Build,
    to: &str,
) -> Far {
    let (out, moved) = lab.send(from, &sent(to));
    assert_eq!(moved, Moved { received: 1, transmitted: 1, ..Moved::default() });
    let member = Far::Server(out[0].1[5]);
    lab.expect(&out, member, arrives(ip(member)).ttl(63));
    member
}

#[track_caller]
fn taken(lab: &mut Lab, sent: impl Fn(&str) -> Build) -> Far {
    taken_from(lab, ROUTER, &sent, &sent, V)
}

/// A client's datagram goes to this member.
#[track_caller]
fn served_by(lab: &mut Lab, client: Endpoint, member: Far) {
    lab.forwards(ROUTER, request(client, V), member, request(client, ip(member)));
}

/// How many of these each member took.
pub fn spread(taken: &[Far]) -> [usize; 3] {
    [HOST_A, HOST_B, HOST_C].map(|host| taken.iter().filter(|member| **member == host).count())
}

#[test]
fn s92_new_peers_are_taken_in_turn_and_stay_with_their_member() {
    let mut lab = lab(Mode::RoundRobin);
    let members: Vec<Far> = (0..90).map(|at| taken(&mut lab, |dst| request(client(at), dst))).collect();
    assert!(spread(&members).iter().all(|count| count.abs_diff(30) <= 3), "{:?}", spread(&members));
    for (at, member) in (0..).zip(members.iter().copied()) {
        served_by(&mut lab, client(at), member);
        served_by(&mut lab, client(at), member);
        lab.forwards(member, answer(ip(member), client(at)), ROUTER, answer(V, client(at)));
    }
    assert_eq!(lab.rig.counters().flows, 90);
    lab.rig.wait(Duration::from_secs(299));
    served_by(&mut lab, client(7), members[7]);
    lab.rig.wait(Duration::from_secs(299));
    lab.rig.settle();
    assert_eq!(lab.rig.counters().flows, 1, "a peer is forgotten as any UDP flow is");
}

#[test]
fn s92_connections_are_taken_in_turn_and_stay_with_their_member() {
    let mut lab = lab(Mode::RoundRobin);
    let from = |at: u32| Endpoint::new(client(at).addr, 40_000);
    let members: Vec<Far> = (0..90).map(|at| taken(&mut lab, |dst| syn(from(at), dst))).collect();
    assert!(spread(&members).iter().all(|count| count.abs_diff(30) <= 3), "{:?}", spread(&members));
    for (at, member) in (0..).zip(members) {
        let accepts = |src: &str| Build::tcp(at_port(src), from(at), SYN_ACK, 9000, 1001);
        lab.forwards(member, accepts(ip(member)), ROUTER, accepts(V));
        let data = |dst: &str| Build::tcp(from(at), at_port(dst), DATA, 1001, 9001).payload(b"INVITE");
        lab.forwards(ROUTER, data(V), member, data(ip(member)));
    }
}

fn at_port(address: &str) -> Endpoint {
    at(address, 5060)
}

#[test]
fn s92_weights_say_how_often_a_member_takes_its_turn() {
    let mut lab = Lab::with(|intent| {
        three(intent, Mode::RoundRobin);
        intent.members.iter_mut().find(|member| member.name == "sip-c").unwrap().weight = 4;
    });
    let members: Vec<Far> = (0..180).map(|at| taken(&mut lab, |dst| request(client(at), dst))).collect();
    for (count, expected) in spread(&members).into_iter().zip([30_usize, 30, 120]) {
        assert!(count.abs_diff(expected) <= 6, "{:?}", spread(&members));
    }
}

#[test]
fn s92_whoever_has_fewest_flows_is_next_and_workers_do_not_all_run_after_it() {
    let mut lab = lab(Mode::LeastConnections);
    let begin = |lab: &mut Lab, from: u32, count: u32| {
        let members: Vec<Far> = (from..from + count).map(|at| taken(lab, |dst| request(client(at), dst))).collect();
        lab.rig.count_flows(0);
        spread(&members)
    };
    assert!(begin(&mut lab, 0, 60).iter().all(|count| count.abs_diff(20) <= 3));
    lab.rig.share(0, &[MEMBER_A, MEMBER_C], &[]);
    lab.rig.count_flows(0);
    assert_eq!(begin(&mut lab, 100, 60)[1], 0);
    // B is back, 30 behind the others: 60 new ones, none of them counted meanwhile, make all even.
    lab.rig.share(0, &ALL, &[]);
    lab.rig.count_flows(0);
    let [a, b, c] = begin(&mut lab, 200, 60);
    assert!(b.abs_diff(40) <= 8 && a.abs_diff(10) <= 6 && c.abs_diff(10) <= 6, "{a} {b} {c}");
}

#[test]
fn s92_a_clients_address_says_who_takes_its_flows() {
    let (mut one, mut other) = (lab(Mode::SourceHash), lab(Mode::SourceHash));
    let mut members = Vec::new();
    for at in 0..60 {
        let member = taken(&mut one, |dst| request(client(at), dst));
        for port in [5070, 40_001] {
            let from = Endpoint::new(client(at).addr, port);
            one.forwards(ROUTER, request(from, V), member, request(from, ip(member)));
            one.forwards(ROUTER, syn(from, V), member, syn(from, ip(member)));
        }
        assert_eq!(taken(&mut other, |dst| request(client(at), dst)), member, "after a restart as well");
        members.push(member);
    }
    assert!(spread(&members).iter().all(|count| *count >= 10), "{:?}", spread(&members));
    // A connection that nobody remembers goes to whom it was with.
    let data = |dst: &str| Build::tcp(Endpoint::new(client(3).addr, 41_000), at(dst, 5060), DATA, 7, 8).payload(b"BYE");
    one.forwards_noting(&[EngineEvent::LoosePickup], ROUTER, data(V), members[3], data(ip(members[3])));
}

#[test]
fn s92_the_loss_of_a_member_concerns_only_its_own() {
    for mode in [Mode::RoundRobin, Mode::SourceHash] {
        let mut lab = lab(mode);
        let of = |at: u32| Endpoint::new(client(at).addr, 40_000);
        let peers: Vec<Far> = (0..30).map(|at| taken(&mut lab, |dst| request(client(at), dst))).collect();
        let connections: Vec<Far> = (0..30).map(|at| taken(&mut lab, |dst| syn(of(at), dst))).collect();
        for (at, member) in (0..).zip(&connections) {
            let accepts = |src: &str| Build::tcp(at_port(src), of(at), SYN_ACK, 9000, 1001);
            lab.forwards(*member, accepts(ip(*member)), ROUTER, accepts(V));
            let ack = |dst: &str| Build::tcp(of(at), at_port(dst), ACK, 1001, 9001);
            lab.forwards(ROUTER, ack(V), *member, ack(ip(*member)));
        }
        let (gone, rest) = (HOST_B, [MEMBER_A, MEMBER_C]);
        let lost = connections.iter().filter(|member| **member == gone).count();
        let out = lab.rig.share(0, &rest, &[MEMBER_B]);
        assert_eq!(out.len(), 2 * lost, "both ends of its connections are reset, and nobody else's");
        for (at, member) in (0..).zip(&peers) {
            let now = match *member == gone {
                true => taken(&mut lab, |dst| request(client(at), dst)),
                false => *member,
            };
            assert_ne!(now, gone);
            served_by(&mut lab, client(at), now);
        }
        for (at, member) in (0..).zip(&connections).filter(|(_, member)| **member != gone) {
            let data = |dst: &str| Build::tcp(of(at), at_port(dst), DATA, 1001, 9001).payload(b"OPTIONS");
            lab.forwards(ROUTER, data(V), *member, data(ip(*member)));
        }
        // It is back: what is new may go to it, what has moved stays.
        lab.rig.share(0, &ALL, &[]);
        for (at, member) in (0..).zip(&peers).filter(|(_, member)| **member != gone) {
            served_by(&mut lab, client(at), *member);
        }
        let moved = (0..).zip(&peers).find(|(_, member)| **member == gone).unwrap().0;
        assert_ne!(taken(&mut lab, |dst| request(client(moved), dst)), gone);
        let new: Vec<Far> = (100..160).map(|at| taken(&mut lab, |dst| request(client(at), dst))).collect();
        assert!(spread(&new)[1] >= 10, "{:?}", spread(&new));
    }
}

#[test]
fn s92_a_client_whose_syn_met_a_dying_member_hears_no_reset_and_is_taken_by_another() {
    let mut lab = Lab::with(|intent| {
        three(intent, Mode::RoundRobin);
        intent.virtual_servers[0].unreachable = fairlead::policy::intent::Unreachable::Hold;
    });
    let from = at(PHONE, 40_000);
    let gone = taken(&mut lab, |dst| syn(from, dst));
    let rest: Vec<MemberId> = ALL.into_iter().filter(|member| *member != id(gone)).collect();
    assert_eq!(lab.rig.share(0, &rest, &[id(gone)]), []);
    assert_ne!(taken(&mut lab, |dst| syn(from, dst)), gone);
}

#[test]
fn s92_a_drained_member_keeps_what_it_has_and_gets_nothing_new() {
    let mut lab = lab(Mode::RoundRobin);
    let peers: Vec<Far> = (0..30).map(|at| taken(&mut lab, |dst| request(client(at), dst))).collect();
    lab.rig.health.members[0].state = State::Drained;
    assert_eq!(lab.rig.share(0, &[MEMBER_B, MEMBER_C], &[]), []);
    for (at, member) in (0..).zip(&peers) {
        served_by(&mut lab, client(at), *member);
    }
    let new: Vec<Far> = (100..130).map(|at| taken(&mut lab, |dst| request(client(at), dst))).collect();
    assert_eq!(spread(&new)[0], 0);
    assert!(spread(&peers)[0] >= 1, "{:?}", spread(&peers));
}

#[test]
fn s92_without_a_member_that_is_up_peers_of_the_lost_are_refused_as_new_ones_are() {
    let mut lab = lab(Mode::RoundRobin);
    for at in 0..3 {
        taken(&mut lab, |dst| request(client(at), dst));
    }
    lab.rig.share(0, &[], &ALL);
    for at in [0, 1, 2, 7] {
        let sent = request(client(at), V);
        let error = Build::icmp_error(V, client(at).addr, 3, 3, &sent);
        lab.rejects(ROUTER, sent, DropReason::NoActiveMember, error);
    }
    assert_eq!(lab.rig.counters().flows, 3);
    let (out, moved) = lab.send(ROUTER, &syn(at(PHONE, 40_000), V));
    assert_eq!((out.len(), moved.dropped), (1, vec![DropReason::NoActiveMember]));
    lab.rig.share(0, &[MEMBER_C], &[]);
    served_by(&mut lab, client(0), HOST_C);
}

#[test]
fn s92_nobody_is_refused_before_the_probes_have_decided() {
    let mut lab = lab(Mode::SourceHash);
    lab.rig.health.members.iter_mut().for_each(|member| member.state = State::Unknown);
    lab.rig.health.pools[0].sharing = None;
    lab.rig.publish();
    lab.drops(ROUTER, request(client(0), V), DropReason::MemberUndecided);
    lab.drops(ROUTER, syn(at(PHONE, 40_000), V), DropReason::MemberUndecided);
}

#[test]
fn s92_a_selective_ping_is_answered_while_any_member_is_up() {
    let mut lab = Lab::with(|intent| {
        three(intent, Mode::RoundRobin);
        intent.virtual_servers[0].icmp_echo = EchoPolicy::Selective;
    });
    lab.rig.share(0, &[MEMBER_C], &[MEMBER_A, MEMBER_B]);
    let ping = Build::echo_request(PHONE, V, 7, 1);
    lab.answers(ROUTER, ping.clone(), Build::echo_reply(V, PHONE, 7, 1));
    lab.rig.share(0, &[], &[MEMBER_C]);
    lab.drops(ROUTER, ping, DropReason::NoActiveMember);
}

fn text(start: &str, via: &str, branch: &str) -> String {
    format!("{start}\r\nVia: SIP/2.0/UDP {via};branch=z9hG4bK{branch}\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n")
}

fn invite(src: &str, via: &str, branch: &str) -> Build {
    let text = text("INVITE sip:peer SIP/2.0", via, branch);
    Build::udp(at(src, 5060), at(PEER, 5060)).payload(text.as_bytes())
}

fn ok(dst: &str, via: &str, branch: &str) -> Build {
    Build::udp(at(PEER, 5060), at(dst, 5060)).payload(text("SIP/2.0 200 OK", via, branch).as_bytes())
}

#[test]
fn s92_a_peer_stays_with_the_member_that_spoke_to_it_and_answers_go_to_who_asked() {
    let mut lab = lab(Mode::RoundRobin);
    let (peer, answered) = (at(PEER, 5060), [EngineEvent::SpeakerAnswered]);
    lab.forwards(HOST_B, invite(B, B, "b1"), ROUTER, invite(V, B, "b1"));
    lab.forwards(ROUTER, ok(V, B, "b1"), HOST_B, ok(B, B, "b1"));
    for _ in 0..3 {
        served_by(&mut lab, peer, HOST_B);
    }
    // Another member asks the same peer, and writes its own address or the virtual one.
    for (via, branch) in [(C, "c1"), (V, "c2")] {
        lab.forwards(HOST_C, invite(C, via, branch), ROUTER, invite(V, via, branch));
        served_by(&mut lab, peer, HOST_B);
        lab.forwards_noting(&answered, ROUTER, ok(V, via, branch), HOST_C, ok(C, via, branch));
        served_by(&mut lab, peer, HOST_B);
        lab.forwards(HOST_B, invite(B, V, "b2"), ROUTER, invite(V, V, "b2"));
        lab.forwards(ROUTER, ok(V, V, "b2"), HOST_B, ok(B, V, "b2"));
    }
    assert_eq!(lab.rig.counters().flows, 1);
    // Its member is lost, and another one speaks first.
    lab.rig.share(0, &[MEMBER_A, MEMBER_C], &[MEMBER_B]);
    lab.forwards(HOST_C, invite(C, V, "c3"), ROUTER, invite(V, V, "c3"));
    served_by(&mut lab, peer, HOST_C);
    lab.forwards(ROUTER, ok(V, V, "c3"), HOST_C, ok(C, V, "c3"));
    // What the lost one still says leaves, and moves nobody.
    lab.forwards(HOST_B, invite(B, V, "b3"), ROUTER, invite(V, V, "b3"));
    served_by(&mut lab, peer, HOST_C);
}

#[test]
fn s92_a_drained_member_that_asks_gets_its_answer_and_no_new_peer() {
    let mut lab = lab(Mode::RoundRobin);
    lab.rig.share(0, &[MEMBER_C], &[]);
    for at in [0, 1] {
        lab.rig.health.members[at].state = State::Drained;
    }
    lab.rig.publish();
    lab.forwards(HOST_A, invite(A, V, "a1"), ROUTER, invite(V, V, "a1"));
    let answered = [EngineEvent::SpeakerAnswered];
    lab.forwards_noting(&answered, ROUTER, ok(V, V, "a1"), HOST_A, ok(A, V, "a1"));
    served_by(&mut lab, at(PEER, 5060), HOST_C);
    lab.forwards_noting(&answered, ROUTER, ok(V, V, "a1"), HOST_A, ok(A, V, "a1"));
}

#[test]
fn s92_an_answer_that_meets_no_flow_goes_to_the_member_its_via_names() {
    let mut lab = lab(Mode::RoundRobin);
    for (member, via) in [(HOST_C, C), (HOST_A, A), (HOST_B, B)] {
        lab.forwards_noting(&[EngineEvent::SpeakerAnswered], ROUTER, ok(V, via, "x"), member, ok(via, via, "x"));
    }
}

#[test]
fn s92_errors_go_to_the_member_of_the_flow_and_come_from_the_virtual_address() {
    let mut lab = lab(Mode::RoundRobin);
    let phone = at(PHONE, 5060);
    let member = taken(&mut lab, |dst| request(phone, dst));
    let refused = Build::icmp_error(ip(member), PHONE, 3, 3, &request(phone, ip(member)));
    lab.forwards(member, refused, ROUTER, Build::icmp_error(V, PHONE, 3, 3, &request(phone, V)));
    lab.forwards(member, answer(ip(member), phone), ROUTER, answer(V, phone));
    let lost = |to: &str| Build::icmp_error("198.51.100.7", to, 3, 4, &answer(to, phone)).rest(1400);
    lab.forwards(ROUTER, lost(V), member, lost(ip(member)));
}

#[test]
fn s92_who_visits_a_members_service_port_is_answered_by_its_own_address_until_it_calls_the_virtual_one() {
    let mut lab = lab(Mode::SourceHash);
    for visitor in [at(VISITOR, 5060), at(CONFIG, 5060)] {
        let member = taken(&mut lab, |dst| request(visitor, dst));
        let own = ip(member);
        for _ in 0..2 {
            lab.forwards(ROUTER, request(visitor, own), member, request(visitor, own));
            lab.forwards(member, answer(own, visitor), ROUTER, answer(own, visitor));
            served_by(&mut lab, visitor, member);
            lab.forwards(member, answer(own, visitor), ROUTER, answer(V, visitor));
        }
    }
    let asks = Build::udp(at(A, 5060), at(CONFIG, 7000)).payload(b"OPTIONS");
    lab.forwards(HOST_A, asks.clone(), ROUTER, asks);
}

#[test]
fn s92_a_visit_to_its_member_takes_nobody_from_it() {
    let mut lab = lab(Mode::RoundRobin);
    let visitor = at(VISITOR, 5060);
    let member = taken(&mut lab, |dst| request(visitor, dst));
    let own = ip(member);
    for at in 0..4 {
        lab.forwards(ROUTER, request(visitor, own), member, request(visitor, own));
        for _ in 0..2 {
            lab.forwards(member, answer(own, visitor), ROUTER, answer(own, visitor));
        }
        let refused = Build::icmp_error(own, VISITOR, 3, 3, &request(visitor, own));
        lab.forwards(member, refused.clone(), ROUTER, refused);
        taken(&mut lab, |dst| request(client(at), dst));
        for _ in 0..2 {
            served_by(&mut lab, visitor, member);
            lab.forwards(member, answer(own, visitor), ROUTER, answer(V, visitor));
        }
    }
    assert_eq!(lab.rig.counters().flows, 5);
    // Nor a visit to another one.
    let other = [HOST_A, HOST_B, HOST_C].into_iter().find(|host| *host != member).unwrap();
    lab.forwards(ROUTER, request(visitor, ip(other)), other, request(visitor, ip(other)));
    served_by(&mut lab, visitor, member);
    lab.forwards(other, answer(ip(other), visitor), ROUTER, answer(ip(other), visitor));
}

pub const W: &str = "10.20.0.150";
const RM1: &str = "10.20.0.31";
const RM2: &str = "10.20.0.32";

/// Behind W two resource managers share the work.
fn manage(intent: &mut Intent, mode: Mode) {
    intent.members.push(member("rm-1", RM1, 1));
    intent.members.push(member("rm-2", RM2, 1));
    intent.pools.push(Pool { mode, ..pool("managers", &[2, 3]) });
    intent.virtual_servers.push(virtual_server("rm", W, 1));
    intent.virtual_servers[1].redeliver = Duration::ZERO;
    intent.snats.push(snat(W, 1, &[]));
}

/// A pair of SIP Servers behind V, of which A is active, and the two behind W.
pub fn managers(mode: Mode) -> Lab {
    Lab::with(|intent| manage(intent, mode))
}

fn call(src: &str, dst: &str, via: &str, branch: &str) -> Build {
    let text = text("INVITE sip:rm SIP/2.0", via, branch);
    Build::udp(at(src, 5060), at(dst, 5060)).payload(text.as_bytes())
}

fn accepted(src: &str, dst: &str, via: &str, branch: &str) -> Build {
    Build::udp(at(src, 5060), at(dst, 5060)).payload(text("SIP/2.0 200 OK", via, branch).as_bytes())
}

#[test]
fn s92_what_does_not_leave_is_not_taken_by_a_manager() {
    let mut lab = managers(Mode::RoundRobin);
    let last_hop = call(A, W, A, "a1").ttl(1);
    lab.rejects(HOST_A, last_hop.clone(), DropReason::TtlExceeded, Build::icmp_error(G, A, 11, 0, &last_hop));
    assert_eq!(lab.rig.counters().flows, 0);
    // So whoever speaks to the pair first is the one it is with.
    let manager = Far::Server(32);
    lab.forwards(manager, call(RM2, V, RM2, "r1"), HOST_A, call(W, A, RM2, "r1"));
    lab.forwards(HOST_A, call(A, W, A, "a2"), manager, call(V, RM2, A, "a2"));
}

#[test]
fn s92_a_pair_calls_managers_that_share_the_work_and_is_called_by_them() {
    let mut lab = managers(Mode::RoundRobin);
    let sent = |dst: &str| call(A, dst, A, "a1");
    let first = taken_from(&mut lab, HOST_A, sent, |dst| call(V, dst, A, "a1"), W);
    lab.forwards(first, accepted(ip(first), V, A, "a1"), HOST_A, accepted(W, A, A, "a1"));
    // The pair is one endpoint to them: it stays with one, whichever of its members is active.
    lab.forwards(HOST_A, call(A, W, A, "a2"), first, call(V, ip(first), A, "a2"));
    lab.rig.switch_over(Some(MEMBER_B), true);
    lab.forwards(HOST_B, call(B, W, B, "b1"), first, call(V, ip(first), B, "b1"));
    lab.forwards(first, accepted(ip(first), V, B, "b1"), HOST_B, accepted(W, B, B, "b1"));
    // The other manager calls the pair: the answer comes back to it, requests stay with the first.
    let other = if first == Far::Server(31) { Far::Server(32) } else { Far::Server(31) };
    for via in [ip(other), W] {
        lab.forwards(other, call(ip(other), V, via, "m1"), HOST_B, call(W, B, via, "m1"));
        let answered = [EngineEvent::SpeakerAnswered];
        lab.forwards_noting(&answered, HOST_B, accepted(B, W, via, "m1"), other, accepted(V, ip(other), via, "m1"));
        lab.forwards(HOST_B, call(B, W, B, "b2"), first, call(V, ip(first), B, "b2"));
    }
    // An error about what a manager sent goes to it, and one about what the pair sent to the pair.
    let refused = Build::icmp_error(B, W, 3, 3, &call(W, B, W, "m2"));
    lab.forwards(HOST_B, refused, first, Build::icmp_error(V, ip(first), 3, 3, &call(ip(first), V, W, "m2")));
    let refused = Build::icmp_error(ip(first), V, 3, 3, &call(V, ip(first), B, "b3"));
    lab.forwards(first, refused, HOST_B, Build::icmp_error(W, B, 3, 3, &call(B, W, B, "b3")));
    // The manager is lost: its work goes to the other.
    let gone = if first == Far::Server(31) { MemberId(2) } else { MemberId(3) };
    let rest = if gone == MemberId(2) { MemberId(3) } else { MemberId(2) };
    lab.rig.share(1, &[rest], &[gone]);
    lab.forwards(HOST_B, call(B, W, B, "b4"), other, call(V, ip(other), B, "b4"));
}

#[test]
fn s92_calls_from_other_ports_of_a_member_keep_their_manager() {
    let mut lab = managers(Mode::RoundRobin);
    let tcp = |src: Endpoint, dst: &str| Build::tcp(src, at(dst, 5060), SYN, 1, 0);
    let udp = |src: Endpoint, dst: &str| Build::udp(src, at(dst, 5060)).payload(b"OPTIONS");
    let mut managers = Vec::new();
    for port in 41_000..41_008 {
        let (own, translated) = (at(A, port), at(V, port));
        managers.push(taken_from(&mut lab, HOST_A, |dst| tcp(own, dst), |dst| tcp(translated, dst), W));
        let member = taken_from(&mut lab, HOST_A, |dst| udp(own, dst), |dst| udp(translated, dst), W);
        lab.forwards(HOST_A, udp(own, W), member, udp(translated, ip(member)));
        let back = |src: &str, dst| Build::udp(at(src, 5060), dst).payload(b"200");
        lab.forwards(member, back(ip(member), translated), HOST_A, back(W, own));
        managers.push(member);
    }
    let of_first = managers.iter().filter(|member| **member == Far::Server(31)).count();
    assert!((4..=12).contains(&of_first), "{of_first} of 16");
    // One of them is lost: the calls of the other are not concerned.
    lab.rig.share(1, &[MemberId(3)], &[MemberId(2)]);
    for (port, member) in (41_000..41_008).zip(managers.iter().skip(1).step_by(2)) {
        let now = Far::Server(32);
        let expected = udp(at(V, port), ip(now));
        let (out, _) = lab.send(HOST_A, &udp(at(A, port), W));
        assert_eq!(out.len(), 1, "{member:?}");
        lab.expect(&out, now, expected.ttl(63));
    }
}

#[test]
fn s92_a_manager_calls_its_own_virtual_address() {
    let mut lab = managers(Mode::RoundRobin);
    let (one, via) = (Far::Server(31), RM1);
    let taker = taken_from(&mut lab, one, |dst| call(RM1, dst, via, "m1"), |dst| call(W, dst, via, "m1"), W);
    let (out, _) = lab.send(taker, &accepted(ip(taker), W, via, "m1"));
    lab.expect(&out, one, accepted(W, RM1, via, "m1").ttl(63));
}

#[test]
fn s92_a_large_datagram_in_fragments_makes_and_meets_one_flow() {
    let mut lab = lab(Mode::RoundRobin);
    let phone = at(PHONE, 5060);
    let member = taken(&mut lab, |dst| request(phone, dst));
    let large = |dst: &str| testbench::fragments::request(dst, 3_000);
    lab.forwards_pieces(ROUTER, &large(V), member, large(ip(member)));
    assert_eq!(lab.rig.counters().flows, 1);
}
