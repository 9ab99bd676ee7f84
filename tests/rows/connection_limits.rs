//! Scenario 97: connection limits and connection rate limits of members and virtual servers. What begins beyond them goes elsewhere or is
//! refused, what stands is never touched, and every way in which a connection ends makes room.

mod ends;
mod half_open;

use super::sharing::{ALL, MEMBER_C, W, ip, managers, spread, taken_from, three};
use super::*;
use fairlead::engine::{DropReason, EngineEvent, Steering};
use fairlead::policy::Intent;
use fairlead::policy::health::State;
use fairlead::policy::intent::{MemberId, Mode, Persistence, VirtualServerId};
use fairlead::time::Duration;
use fairlead::wire::Endpoint;
use fairlead::wire::Kind;
use fairlead::wire::build::Build;
use fairlead::wire::tcp::Flags;
use std::net::Ipv4Addr;

/// A client of its own for each number; several workers have some each.
pub fn client(number: u32) -> Endpoint {
    Endpoint::new(Ipv4Addr::from(0xac10_0a00 + number), 40_000)
}

pub fn syn(from: Endpoint, dst: &str) -> Build {
    Build::tcp(from, at(dst, 5060), SYN, 1000, 0)
}

fn request(from: Endpoint, dst: &str) -> Build {
    Build::udp(from, at(dst, 5060)).payload(b"OPTIONS sip:10.20.0.100 SIP/2.0\r\n\r\n")
}

/// The client's SYN is answered by a reset that acknowledges it, counted for this reason, and reaches nobody.
#[track_caller]
pub fn refused(lab: &mut Lab, from: Endpoint, reason: DropReason) {
    let (out, moved) = lab.send(ROUTER, &syn(from, V));
    assert_eq!(moved, Moved { received: 1, transmitted: 1, dropped: vec![reason], ..Moved::default() });
    assert_eq!(out.len(), 1);
    let reset = lab.expect_reset(&out[0], ROUTER, at(V, 5060), from, 0);
    assert!(matches!(reset.kind, Kind::Tcp(segment) if segment.flags.ack() && segment.ack == 1001), "{reset:?}");
}

/// The client sends, and the member answers, on a connection that [`Lab::connect`] has made.
#[track_caller]
pub fn stands(lab: &mut Lab, from: Endpoint, member: Far) {
    let asks = |dst: &str| Build::tcp(from, at(dst, 5060), DATA, 1001, 9001).payload(b"INVITE");
    lab.forwards(ROUTER, asks(V), member, asks(ip(member)));
    let answers = |src: &str| Build::tcp(at(src, 5060), from, DATA, 9001, 1007).payload(b"200");
    lab.forwards(member, answers(ip(member)), ROUTER, answers(V));
}

/// The client and then the member say goodbye.
#[track_caller]
pub fn closes(lab: &mut Lab, from: Endpoint, member: Far) {
    let fin = |dst: &str| Build::tcp(from, at(dst, 5060), FIN_ACK, 1001, 9001);
    lab.forwards(ROUTER, fin(V), member, fin(ip(member)));
    let fin = |src: &str| Build::tcp(at(src, 5060), from, FIN_ACK, 9001, 1002);
    lab.forwards(member, fin(ip(member)), ROUTER, fin(V));
}

/// What is counted of the first virtual server, over all workers.
pub fn of_server(lab: &Lab) -> u64 {
    lab.rig.workers[0].engine().snapshot().connection_limits.server(VirtualServerId(0)).unwrap().connections()
}

pub fn of_member(lab: &Lab, id: MemberId) -> u64 {
    lab.rig.workers[0].engine().snapshot().connection_limits.member(id).unwrap().connections()
}

fn pair(limit: impl FnOnce(&mut Intent)) -> Lab {
    Lab::with(limit)
}

fn shared(mode: Mode, limit: impl FnOnce(&mut Intent)) -> Lab {
    Lab::with(|intent| {
        three(intent, mode);
        limit(intent);
    })
}

#[track_caller]
fn taken(lab: &mut Lab, from: Endpoint) -> Far {
    taken_from(lab, ROUTER, |dst| syn(from, dst), |dst| syn(from, dst), V)
}

#[test]
fn s97_a_virtual_server_at_its_limit_refuses_what_is_new_and_keeps_what_stands() {
    let mut lab = pair(|intent| intent.virtual_servers[0].connection_limit = 3);
    (0..3).for_each(|number| lab.connect(client(number), 5060, HOST_A));
    assert_eq!(of_server(&lab), 3);
    for number in 3..9 {
        refused(&mut lab, client(number), DropReason::ConnectionLimit);
    }
    (0..3).for_each(|number| stands(&mut lab, client(number), HOST_A));
    // A SYN that is sent again is nothing new, nor is UDP of a pair, nor what a member begins, from any port.
    let again = |dst: &str| Build::tcp(client(0), at(dst, 5060), SYN, 999, 0);
    lab.forwards(ROUTER, again(V), HOST_A, again(A));
    (0..9).for_each(|number| lab.forwards(ROUTER, request(client(number), V), HOST_A, request(client(number), A)));
    lab.connect_out(HOST_A, 41_000, at(PEER, 5060));
    lab.connect_out(HOST_A, 5060, at(PEER, 5061));
    assert_eq!(of_server(&lab), 3);
    closes(&mut lab, client(1), HOST_A);
    assert_eq!(of_server(&lab), 2, "its flow lingers, and is no connection any more");
    lab.connect(client(7), 5060, HOST_A);
    refused(&mut lab, client(8), DropReason::ConnectionLimit);
    stands(&mut lab, client(2), HOST_A);
}

#[test]
fn s97_a_client_that_begins_again_on_the_same_port_takes_its_own_place() {
    let mut lab = pair(|intent| {
        intent.virtual_servers[0].connection_limit = 1;
        intent.members[0].connection_limit = 1;
    });
    let other = |seq: u32| move |dst: &str| Build::tcp(client(0), at(dst, 5060), SYN, seq, 0);
    for seq in [1_000, 77_000, 154_000] {
        // Another SYN than the one before, whose handshake was not finished.
        lab.forwards(ROUTER, other(seq)(V), HOST_A, other(seq)(A));
        assert_eq!((of_server(&lab), of_member(&lab, MEMBER_A)), (1, 1));
    }
    refused(&mut lab, client(1), DropReason::ConnectionLimit);
}

#[test]
fn s97_an_active_member_at_its_limit_refuses_what_is_new() {
    let mut lab = pair(|intent| intent.members[0].connection_limit = 2);
    (0..2).for_each(|number| lab.connect(client(number), 5060, HOST_A));
    refused(&mut lab, client(2), DropReason::ConnectionLimit);
    // The limit is A's: the member that takes over has none.
    lab.rig.switch_over(Some(MEMBER_B), true);
    assert_eq!(of_member(&lab, MEMBER_A), 0);
    (0..5).for_each(|number| lab.connect(Endpoint::new(client(number).addr, 40_001), 5060, HOST_B));
}

#[test]
fn s97_of_several_active_members_another_one_takes_what_one_has_no_room_for() {
    for mode in [Mode::RoundRobin, Mode::LeastConnections, Mode::SourceHash] {
        let mut lab = shared(mode, |intent| {
            intent.members.iter_mut().for_each(|member| match member.name.as_str() {
                "sip-a" => member.connection_limit = 2,
                "sip-b" => member.connection_limit = 5,
                _ => member.connection_limit = 20,
            });
        });
        let members: Vec<Far> = (0..27).map(|number| taken(&mut lab, client(number))).collect();
        assert_eq!(spread(&members), [2, 5, 20], "{mode}");
        assert_eq!(ALL.map(|member| of_member(&lab, member)), [2, 5, 20]);
        for number in 27..33 {
            refused(&mut lab, client(number), DropReason::ConnectionLimit);
        }
        let freed = (0..27).find(|number| members[*number as usize] == HOST_B).unwrap();
        let reset = |src: &str| Build::tcp(at(src, 5060), client(freed), Flags::RST.with(ACK), 0, 1001);
        lab.forwards(HOST_B, reset(B), ROUTER, reset(V));
        assert_eq!(taken(&mut lab, client(33)), HOST_B, "the only one that has room");
    }
}

#[test]
fn s97_a_clients_address_gives_way_to_the_next_member_by_address() {
    let with = |limit: u32| {
        shared(Mode::SourceHash, |intent| intent.members.iter_mut().for_each(|it| it.connection_limit = limit))
    };
    let from = |port: u16| Endpoint::new(client(0).addr, port);
    let mut lab = with(1);
    let first = taken(&mut lab, from(40_000));
    let hosts = [HOST_A, HOST_B, Far::Server(13)];
    let place = hosts.iter().position(|host| *host == first).unwrap();
    for step in 1..3 {
        assert_eq!(taken(&mut lab, from(40_000 + step as u16)), hosts[(place + step) % 3]);
    }
    refused(&mut lab, from(40_009), DropReason::ConnectionLimit);
    assert_eq!(taken(&mut with(1), from(40_000)), first, "the same on another appliance");
}

#[test]
fn s97_persistence_gives_way_to_a_member_that_has_room_and_follows_it() {
    let mut lab = shared(Mode::RoundRobin, |intent| {
        intent.pools[0].persistence = Persistence::Source;
        intent.members.iter_mut().for_each(|member| member.connection_limit = 2);
    });
    let mut from = of_first_worker(&lab, client(0).addr);
    let first = from.next().unwrap();
    let mut take = |lab: &mut Lab| taken(lab, from.next().unwrap());
    let mut members = vec![taken(&mut lab, first), take(&mut lab), take(&mut lab)];
    // A place is free again where the address was; it stays where it went.
    let reset = |src: &str| Build::tcp(at(src, 5060), first, Flags::RST.with(ACK), 0, 1001);
    lab.forwards(members[0], reset(ip(members[0])), ROUTER, reset(V));
    members.extend([take(&mut lab), take(&mut lab), take(&mut lab)]);
    assert!(members.chunks(2).all(|pair| pair[0] == pair[1]), "{members:?}");
    assert_eq!((spread(&members), take(&mut lab)), ([2, 2, 2], members[0]), "the last that has room");
    refused(&mut lab, client(0), DropReason::ConnectionLimit);
}

/// Endpoints of an address that the first worker decides about: each looks among what is its own first.
fn of_first_worker(lab: &Lab, address: Ipv4Addr) -> impl Iterator<Item = Endpoint> + use<> {
    let steering = Steering::ours(lab.rig.workers.len());
    let all = (50_000..).map(move |port| Endpoint::new(address, port));
    all.filter(move |from| steering.worker_of(*from) == 0)
}

#[test]
fn s97_datagrams_of_new_peers_are_dropped_in_silence_and_known_ones_pass() {
    let mut lab = shared(Mode::RoundRobin, |intent| intent.virtual_servers[0].connection_limit = 4);
    let sent = |number: u32| move |dst: &str| request(client(number), dst);
    let members: Vec<Far> = (0..4).map(|number| taken_from(&mut lab, ROUTER, sent(number), sent(number), V)).collect();
    for number in 4..8 {
        lab.drops(ROUTER, request(client(number), V), DropReason::ConnectionLimit);
    }
    refused(&mut lab, client(9), DropReason::ConnectionLimit);
    for (number, member) in (0..).zip(members.iter().copied()) {
        lab.forwards(ROUTER, request(client(number), V), member, request(client(number), ip(member)));
    }
    // A peer to which a member speaks first is none that has begun anything.
    let spoken = |src: &str| Build::udp(at(src, 5060), client(8)).payload(b"OPTIONS sip:x SIP/2.0\r\n\r\n");
    lab.forwards(HOST_B, spoken(B), ROUTER, spoken(V));
    lab.forwards(ROUTER, request(client(8), V), HOST_B, request(client(8), B));
    assert_eq!(of_server(&lab), 4);
    lab.rig.wait(Duration::from_secs(400));
    assert_eq!(of_server(&lab), 0);
    taken_from(&mut lab, ROUTER, sent(7), sent(7), V);
}

#[test]
fn s97_so_many_begin_in_a_second_and_no_more() {
    let mut lab = pair(|intent| {
        intent.virtual_servers[0].connection_rate_limit = 4;
        intent.members[0].connection_rate_limit = 100;
    });
    (0..4).for_each(|number| lab.connect(client(number), 5060, HOST_A));
    refused(&mut lab, client(4), DropReason::ConnectionRateLimit);
    lab.rig.now += Duration::from_millis(250);
    lab.connect(client(5), 5060, HOST_A);
    // What was refused does not count.
    (6..20).for_each(|number| refused(&mut lab, client(number), DropReason::ConnectionRateLimit));
    lab.rig.now += Duration::from_millis(1_000);
    (6..10).for_each(|number| lab.connect(client(number), 5060, HOST_A));
    refused(&mut lab, client(10), DropReason::ConnectionRateLimit);
    (0..4).for_each(|number| stands(&mut lab, client(number), HOST_A));
}

#[test]
fn s97_a_member_that_has_taken_enough_in_a_second_leaves_the_rest_to_others() {
    for mode in [Mode::RoundRobin, Mode::LeastConnections] {
        let mut lab = shared(mode, |intent| intent.members[0].connection_rate_limit = 2);
        let members: Vec<Far> = (0..30).map(|number| taken(&mut lab, client(number))).collect();
        assert_eq!(spread(&members)[0], 2, "{mode}: {:?}", spread(&members));
        lab.rig.now += Duration::from_secs(1);
        let members: Vec<Far> = (30..60).map(|number| taken(&mut lab, client(number))).collect();
        assert_eq!(spread(&members)[0], 2, "{mode}: {:?}", spread(&members));
    }
}

/// A rate that the first packet of a connection has used up is not used once more because it waited for a MAC.
#[test]
fn s97_a_syn_that_waits_for_its_members_mac_counts_once() {
    let mut lab = pair(|intent| intent.virtual_servers[0].connection_rate_limit = 1);
    let hop = *lab.rig.adjacency.keys().find(|hop| hop.address == addr(A)).unwrap();
    let known = lab.rig.adjacency.remove(&hop).unwrap();
    lab.rig.publish();
    assert_eq!(lab.send(ROUTER, &syn(client(0), V)).0, []);
    lab.rig.adjacency.insert(hop, known);
    let out = lab.rig.publish();
    lab.expect(&out, HOST_A, syn(client(0), A).ttl(63));
    assert_eq!(of_server(&lab), 1);
    refused(&mut lab, client(1), DropReason::ConnectionRateLimit);
}

#[test]
fn s97_refusals_are_made_within_the_limit_on_rejects() {
    let mut lab = pair(|intent| {
        intent.virtual_servers[0].connection_limit = 1;
        intent.limits.rejects_per_second = 1;
    });
    lab.connect(client(0), 5060, HOST_A);
    let workers = lab.rig.workers.len() as u64;
    (1..50).for_each(|number| drop(lab.send(ROUTER, &syn(client(number), V))));
    let counters = lab.rig.counters();
    let reset = counters.drops(DropReason::ConnectionLimit);
    assert!((1..=workers).contains(&reset), "{reset}");
    assert_eq!(counters.drops(DropReason::RateLimited), 49 - reset);
}

#[test]
fn s97_what_a_reload_limits_counts_what_stands_and_lets_it_be() {
    let mut lab = pair(|_| {});
    (0..5).for_each(|number| lab.connect(client(number), 5060, HOST_A));
    lab.rig.intent.virtual_servers[0].connection_limit = 3;
    lab.rig.intent.members[0].connection_limit = 9;
    lab.rig.publish();
    assert_eq!((of_server(&lab), of_member(&lab, MEMBER_A)), (5, 5));
    refused(&mut lab, client(5), DropReason::ConnectionLimit);
    (0..5).for_each(|number| stands(&mut lab, client(number), HOST_A));
    // Called otherwise, it is the same one, and a higher limit counts at once.
    let server = &mut lab.rig.intent.virtual_servers[0];
    (server.name, server.connection_limit) = ("other".into(), 6);
    lab.rig.publish();
    assert_eq!(of_server(&lab), 5);
    lab.connect(client(5), 5060, HOST_A);
    refused(&mut lab, client(6), DropReason::ConnectionLimit);
    lab.rig.intent.virtual_servers[0].connection_limit = 0;
    lab.rig.publish();
    lab.connect(client(6), 5060, HOST_A);
    lab.rig.intent.virtual_servers[0].connection_limit = 7;
    lab.rig.publish();
    assert_eq!(of_server(&lab), 7);
    refused(&mut lab, client(7), DropReason::ConnectionLimit);
}

/// Scenario 81: what stands is taken up after a restart, whatever the limit says, and counts.
#[test]
fn s97_connections_that_stood_before_a_restart_are_taken_up_beyond_the_limit() {
    let mut lab = pair(|intent| intent.virtual_servers[0].connection_limit = 2);
    let data = |number: u32| move |dst: &str| Build::tcp(client(number), at(dst, 5060), DATA, 7, 8).payload(b"BYE");
    for number in 0..3 {
        lab.forwards_noting(&[EngineEvent::LoosePickup], ROUTER, data(number)(V), HOST_A, data(number)(A));
    }
    let says = |src: &str| Build::tcp(at(src, 5060), client(3), DATA, 8, 10).payload(b"200");
    lab.forwards_noting(&[EngineEvent::LoosePickup], HOST_A, says(A), ROUTER, says(V));
    assert_eq!(of_server(&lab), 4);
    refused(&mut lab, client(4), DropReason::ConnectionLimit);
}

/// Scenario 86: whoever forges his address cannot keep others out for longer than a handshake takes.
#[test]
fn s97_a_half_open_connection_of_which_nothing_is_heard_gives_way_to_a_new_one() {
    let mut lab = pair(|intent| intent.virtual_servers[0].connection_limit = 8);
    lab.connect(client(0), 5060, HOST_A);
    let mut all = of_first_worker(&lab, client(1).addr);
    let mut next = || all.next().unwrap();
    for _ in 0..7 {
        let from = next();
        lab.forwards(ROUTER, syn(from, V), HOST_A, syn(from, A));
    }
    lab.rig.now += Duration::from_millis(2_900);
    refused(&mut lab, next(), DropReason::ConnectionLimit);
    lab.rig.now += Duration::from_millis(100);
    for _ in 0..7 {
        let from = next();
        lab.forwards(ROUTER, syn(from, V), HOST_A, syn(from, A));
        assert_eq!(of_server(&lab), 8, "each takes the place of another");
    }
    refused(&mut lab, next(), DropReason::ConnectionLimit);
    stands(&mut lab, client(0), HOST_A);
}

/// A stranger can make a member answer a SYN, but not speak of a connection in its middle.
#[test]
fn s97_a_connection_that_its_member_continues_after_a_restart_gives_way_to_nobody() {
    let mut lab = shared(Mode::RoundRobin, |intent| intent.virtual_servers[0].connection_limit = 1);
    let from = client(1);
    let says = |src: &str| Build::tcp(at(src, 5060), from, DATA, 8, 10).payload(b"NOTIFY");
    lab.forwards_noting(&[EngineEvent::LoosePickup], HOST_B, says(B), ROUTER, says(V));
    lab.rig.now += Duration::from_secs(60);
    let next = of_first_worker(&lab, client(2).addr).next().unwrap();
    refused(&mut lab, next, DropReason::ConnectionLimit);
    let answers = |dst: &str| Build::tcp(from, at(dst, 5060), DATA, 10, 14).payload(b"200");
    lab.forwards(ROUTER, answers(V), HOST_B, answers(B));
}

/// Nor for long after a flood, as the rate holds while it lasts.
#[test]
fn s97_the_rate_holds_while_half_open_connections_give_way_and_keeps_nobody_out_afterwards() {
    let mut lab = pair(|intent| {
        (intent.virtual_servers[0].connection_limit, intent.virtual_servers[0].connection_rate_limit) = (8, 2);
    });
    let mut all = of_first_worker(&lab, client(1).addr);
    let mut next = || all.next().unwrap();
    for second in 0..60 {
        for _ in 0..2 {
            let from = next();
            lab.forwards(ROUTER, syn(from, V), HOST_A, syn(from, A));
        }
        assert_eq!(of_server(&lab), 8.min(2 * (second + 1)), "in the end each takes the place of another");
        refused(&mut lab, next(), DropReason::ConnectionRateLimit);
        assert_eq!(of_server(&lab), 8.min(2 * (second + 1)), "and for what is refused nobody goes");
        lab.rig.now += Duration::from_secs(1);
    }
    lab.rig.wait(Duration::from_secs(250));
    assert_eq!(of_server(&lab), 0);
    (0..2).for_each(|_| lab.connect(next(), 5060, HOST_A));
}

#[test]
fn s97_while_more_stand_than_a_lowered_limit_says_no_more_begin_than_go() {
    let mut lab = pair(|intent| intent.virtual_servers[0].connection_limit = 8);
    (0..3).for_each(|number| lab.connect(client(number), 5060, HOST_A));
    let mut all = of_first_worker(&lab, client(9).addr);
    let mut next = || all.next().unwrap();
    for _ in 0..5 {
        let from = next();
        lab.forwards(ROUTER, syn(from, V), HOST_A, syn(from, A));
    }
    lab.rig.intent.virtual_servers[0].connection_limit = 2;
    lab.rig.publish();
    lab.rig.now += Duration::from_secs(4);
    refused(&mut lab, next(), DropReason::ConnectionLimit);
    assert_eq!(of_server(&lab), 3, "what is not finished has gone, what stands has not");
    (0..3).for_each(|number| stands(&mut lab, client(number), HOST_A));
    (0..2).for_each(|number| closes(&mut lab, client(number), HOST_A));
    lab.connect(next(), 5060, HOST_A);
}

#[test]
fn s97_who_goes_on_with_another_member_because_its_own_was_lost_is_nothing_new() {
    let mut lab = shared(Mode::RoundRobin, |intent| {
        (intent.virtual_servers[0].connection_limit, intent.virtual_servers[0].connection_rate_limit) = (12, 3);
        intent.members.iter_mut().for_each(|member| member.connection_limit = 4);
    });
    let sent = |number: u32| move |dst: &str| request(client(number), dst);
    let mut members = Vec::new();
    for number in 0..12 {
        members.push(taken_from(&mut lab, ROUTER, sent(number), sent(number), V));
        lab.rig.now += Duration::from_millis(400);
    }
    assert_eq!(spread(&members), [4, 4, 4]);
    lab.rig.share(0, &[MEMBER_B, MEMBER_C], &[MEMBER_A]);
    for number in 0..12 {
        assert_ne!(taken_from(&mut lab, ROUTER, sent(number), sent(number), V), HOST_A);
    }
    assert_eq!(of_server(&lab), 12);
    lab.drops(ROUTER, request(client(20), V), DropReason::ConnectionRateLimit);
}

/// That somebody else speaks to it meanwhile does not make it new.
#[test]
fn s97_a_peer_of_a_lost_member_is_nothing_new_though_one_that_takes_nothing_has_asked_it() {
    let mut lab = shared(Mode::RoundRobin, |intent| intent.virtual_servers[0].connection_limit = 12);
    let sent = |number: u32| move |dst: &str| request(client(number), dst);
    let members: Vec<Far> = (0..12).map(|number| taken_from(&mut lab, ROUTER, sent(number), sent(number), V)).collect();
    lab.rig.health.members[2].state = State::Drained;
    lab.rig.share(0, &[MEMBER_B], &[MEMBER_A]);
    for (number, _) in (0..).zip(&members).filter(|(_, member)| **member == HOST_A) {
        let asks = |src: &str| Build::udp(at(src, 5060), client(number)).payload(b"OPTIONS sip:x SIP/2.0\r\n\r\n");
        lab.forwards(Far::Server(13), asks(ip(Far::Server(13))), ROUTER, asks(V));
        lab.forwards(ROUTER, request(client(number), V), HOST_B, request(client(number), B));
    }
}

#[test]
fn s97_what_is_refused_leaves_no_record() {
    let mut lab = shared(Mode::RoundRobin, |intent| {
        intent.pools[0].persistence = Persistence::Source;
        intent.members.iter_mut().for_each(|member| member.connection_limit = 1);
    });
    let has = |lab: &Lab| -> u64 {
        let of = |id: &MemberId| lab.rig.workers.iter().map(|it| it.engine().member_use().of(*id).flows).sum::<u64>();
        ALL.iter().map(of).sum()
    };
    (0..3).for_each(|number| _ = taken(&mut lab, client(number)));
    let before = has(&lab);
    (3..40).for_each(|number| refused(&mut lab, client(number), DropReason::ConnectionLimit));
    assert_eq!(has(&lab), before);
}

#[test]
fn s97_members_that_call_a_virtual_server_are_clients_like_others() {
    let mut lab = managers(Mode::RoundRobin);
    lab.rig.intent.virtual_servers[1].connection_limit = 2;
    lab.rig.publish();
    let second = |lab: &Lab| {
        lab.rig.workers[0].engine().snapshot().connection_limits.server(VirtualServerId(1)).unwrap().connections()
    };
    // From any port, by TCP: V is who calls.
    let (out, moved) = lab.send(HOST_A, &Build::tcp(at(A, 42_000), at(W, 5060), SYN, 1000, 0));
    assert_eq!((out.len(), moved.transmitted, second(&lab)), (1, 1, 1));
    // From a service port, by UDP: the flow says who keeps the pair.
    let options =
        |src: &str, dst: &str| Build::udp(at(src, 5060), at(dst, 5060)).payload(b"OPTIONS sip:w SIP/2.0\r\n\r\n");
    let (out, moved) = lab.send(HOST_A, &options(A, W));
    assert_eq!((out.len(), moved.transmitted, second(&lab)), (1, 1, 2));
    let (out, _) = lab.send(HOST_A, &options(A, W));
    assert_eq!(out.len(), 1, "it is known");
    // A third is refused: a member hears a reset, and nothing of a datagram.
    let (out, moved) = lab.send(HOST_B, &Build::tcp(at(B, 42_000), at(W, 5060), SYN, 1000, 0));
    assert_eq!(moved.dropped, [DropReason::ConnectionLimit]);
    lab.expect_reset(&out[0], HOST_B, at(W, 5060), at(B, 42_000), 0);
    lab.drops(HOST_B, Build::udp(at(B, 42_001), at(W, 5060)).payload(b"x"), DropReason::ConnectionLimit);
    assert_eq!(second(&lab), 2);
}

#[test]
fn s97_a_member_is_limited_over_all_its_virtual_servers() {
    let mut lab = pair(|intent| {
        intent.virtual_servers.push(virtual_server("other", W, 0));
        intent.virtual_servers[1].listen.retain(|listen| listen.port == 5061);
        intent.virtual_servers[0].listen.retain(|listen| listen.port == 5060);
        intent.members[0].connection_limit = 2;
    });
    lab.connect(client(0), 5060, HOST_A);
    let there = |port: u16, dst: &str| Build::tcp(client(port.into()), at(dst, 5061), SYN, 1000, 0);
    lab.forwards(ROUTER, there(1, W), HOST_A, there(1, A));
    refused(&mut lab, client(2), DropReason::ConnectionLimit);
    assert_eq!(of_member(&lab, MEMBER_A), 2);
    // The other members have no limit, and a third one is not asked.
    assert!(lab.rig.workers[0].engine().snapshot().connection_limits.member(MEMBER_C).is_none());
}
