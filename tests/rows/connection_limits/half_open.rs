//! Scenarios 174 to 176: half-open connections, what each client may have, and what all virtual servers may have together; with several
//! workers also where whoever floods has chosen his ports so that one of them has it all.

use super::*;
use fairlead::policy::intent::VirtualServer;

const OTHER: &str = "10.20.0.200";

fn server(limit: impl Fn(&mut VirtualServer)) -> Lab {
    pair(|intent| limit(&mut intent.virtual_servers[0]))
}

/// A SYN whose handshake is not finished.
#[track_caller]
fn opens(lab: &mut Lab, from: Endpoint, events: &[EngineEvent]) {
    lab.forwards_noting(events, ROUTER, syn(from, V), HOST_A, syn(from, A));
}

fn port(of: Endpoint, port: u16) -> Endpoint {
    Endpoint::new(of.addr, port)
}

/// From ports of one address that this worker has.
fn of_worker(lab: &Lab, worker: usize, address: Ipv4Addr) -> impl Iterator<Item = Endpoint> + use<> {
    let steering = Steering::ours(lab.rig.workers.len());
    (10_000..).map(move |port| Endpoint::new(address, port)).filter(move |from| steering.worker_of(*from) == worker)
}

fn other_server(intent: &Intent) -> VirtualServer {
    let first = intent.virtual_servers[0].clone();
    VirtualServer { name: "other".into(), address: addr(OTHER), half_open_limit: 0, ..first }
}

/// What comes to `worker` while `flood` fills a limit of `limit` half-open connections of all on the first one: its part passes, and then
/// the oldest of its own give way.
#[track_caller]
fn has_its_share(lab: &mut Lab, worker: usize, limit: usize, address: Ipv4Addr) {
    let share = (limit / lab.rig.workers.len()).max(1);
    let mut next = of_worker(lab, worker, address);
    for from in next.by_ref().take(share) {
        opens(lab, from, &[]);
    }
    for from in next.take(2 * limit) {
        opens(lab, from, &[EngineEvent::HalfOpenGaveWay]);
    }
}

/// The first worker has as many as may be, and has them all the time; then come the others.
#[track_caller]
fn skewed(mut lab: Lab, limit: usize, flood: Ipv4Addr, others: Ipv4Addr) {
    let mut all = of_worker(&lab, 0, flood);
    all.by_ref().take(limit).for_each(|from| opens(&mut lab, from, &[]));
    all.take(limit).for_each(|from| opens(&mut lab, from, &[EngineEvent::HalfOpenGaveWay]));
    let workers = lab.rig.workers.len();
    (1..workers).for_each(|worker| has_its_share(&mut lab, worker, limit, others));
    let share = (limit / workers).max(1);
    assert_eq!(flows(&lab), (limit + share * (workers - 1)) as u64, "less than twice the limit");
}

/// The same number of flows, over all workers, as there are connections that were not made to give way.
fn flows(lab: &Lab) -> u64 {
    lab.rig.counters().flows
}

fn half_open(lab: &Lab) -> u64 {
    let snapshot = lab.rig.workers[0].engine().snapshot();
    snapshot.connection_limits.server(VirtualServerId(0)).unwrap().half_open_now()
}

#[test]
fn s174_the_oldest_half_open_connection_gives_way_to_a_new_one() {
    let mut lab = server(|server| server.half_open_limit = 4);
    let mut clients = of_worker(&lab, 0, client(0).addr);
    let clients: Vec<Endpoint> = std::iter::repeat_with(|| clients.next().unwrap()).take(23).collect();
    let client = |number: usize| if number == 900 { super::client(900) } else { clients[number] };
    lab.connect(client(900), 5060, HOST_A);
    (0..4).for_each(|number| opens(&mut lab, client(number), &[]));
    assert_eq!((half_open(&lab), flows(&lab)), (4, 5));
    lab.rig.wait(Duration::from_millis(10));
    (4..20).for_each(|number| opens(&mut lab, client(number), &[EngineEvent::HalfOpenGaveWay]));
    assert_eq!((half_open(&lab), flows(&lab)), (4, 5));
    // Client 15 has given way, client 16 has not: what its member answers finds its flow.
    let answer = |src: &str, to: Endpoint| Build::tcp(at(src, 5060), to, SYN_ACK, 9000, 1001);
    lab.forwards(HOST_A, answer(A, client(16)), ROUTER, answer(V, client(16)));
    let ack = |dst: &str| Build::tcp(client(16), at(dst, 5060), ACK, 1001, 9001);
    lab.forwards(ROUTER, ack(V), HOST_A, ack(A));
    assert_eq!(half_open(&lab), 3, "its handshake is finished");
    opens(&mut lab, client(21), &[]);
    opens(&mut lab, client(22), &[EngineEvent::HalfOpenGaveWay]);
    // A member that refuses makes room.
    let reset = |src: &str| Build::tcp(at(src, 5060), client(22), Flags::RST.with(Flags::ACK), 0, 1001);
    lab.forwards(HOST_A, reset(A), ROUTER, reset(V));
    assert_eq!(half_open(&lab), 3);
    stands(&mut lab, client(900), HOST_A);
    stands(&mut lab, client(16), HOST_A);
    // A SYN that is sent again is no new one.
    opens(&mut lab, client(21), &[]);
    opens(&mut lab, client(21), &[]);
    assert_eq!(half_open(&lab), 3);
}

#[test]
fn s174_time_ends_half_open_connections_and_a_reload_counts_what_there_is() {
    let mut lab = pair(|intent| intent.timeouts.tcp_opening = Duration::from_secs(30));
    (0..3).for_each(|number| opens(&mut lab, client(number), &[]));
    lab.rig.intent.virtual_servers[0].half_open_limit = 10;
    lab.rig.publish();
    assert_eq!(half_open(&lab), 3);
    lab.rig.wait(Duration::from_secs(40));
    assert_eq!((half_open(&lab), flows(&lab)), (0, 0));
}

#[test]
fn s174_who_floods_one_worker_keeps_nobody_out_who_comes_to_another() {
    for limit in [1, 2, 6] {
        let lab = server(|server| server.half_open_limit = limit);
        skewed(lab, limit as usize, client(1).addr, client(2).addr);
    }
}

#[test]
fn s174_all_virtual_servers_together_have_a_limit_of_half_open_ones() {
    for limit in [1, 3, 7] {
        let lab = pair(|intent| intent.limits.half_open_limit = limit);
        skewed(lab, limit as usize, client(1).addr, client(2).addr);
    }
}

/// Of what a client sees nothing of: members that call somebody who is silent, and SYNs to another virtual server.
#[test]
fn s174_what_others_open_does_not_hide_the_half_open_connection_that_gives_way() {
    let mut lab = pair(|intent| {
        intent.virtual_servers[0].half_open_limit = 2;
        let other = other_server(intent);
        intent.virtual_servers.push(other);
    });
    for (peer, own) in of_worker(&lab, 0, addr(PEER)).take(300).zip(41_000..) {
        let out = |src: &str| Build::tcp(at(src, own), peer, SYN, 500, 0);
        lab.forwards(HOST_A, out(A), ROUTER, out(V));
    }
    for from in of_worker(&lab, 0, client(7).addr).take(100) {
        lab.forwards(ROUTER, syn(from, OTHER), HOST_A, syn(from, A));
    }
    lab.rig.wait(Duration::from_millis(10));
    let mut all = of_worker(&lab, 0, client(1).addr);
    all.by_ref().take(2).for_each(|from| opens(&mut lab, from, &[]));
    all.take(20).for_each(|from| opens(&mut lab, from, &[EngineEvent::HalfOpenGaveWay]));
    assert_eq!((half_open(&lab), flows(&lab)), (2, 402));
}

/// The search has an end. The SYN that has no place by it is dropped in silence: it may be forged.
#[test]
fn s174_a_syn_for_which_none_is_found_is_dropped_in_silence() {
    let mut lab = pair(|intent| {
        intent.virtual_servers[0].half_open_limit = 1;
        let other = other_server(intent);
        intent.virtual_servers.push(other);
    });
    for from in of_worker(&lab, 0, client(7).addr).take(256) {
        lab.forwards(ROUTER, syn(from, OTHER), HOST_A, syn(from, A));
    }
    lab.rig.wait(Duration::from_millis(10));
    let mut all = of_worker(&lab, 0, client(1).addr);
    opens(&mut lab, all.next().unwrap(), &[]);
    for from in all.take(20) {
        let (out, moved) = lab.send(ROUTER, &syn(from, V));
        assert_eq!((out.len(), moved.dropped), (0, vec![DropReason::HalfOpenLimit]));
    }
    assert_eq!(half_open(&lab), 1);
}

/// Who puts what never gives way in front of what may, and then sends SYNs without end, does not have the worker search for each.
#[test]
fn s174_searches_that_look_far_are_bounded() {
    let mut lab = server(|server| server.half_open_limit = 2);
    for (peer, own) in of_worker(&lab, 0, addr(PEER)).take(100).zip(41_000..) {
        let out = |src: &str| Build::tcp(at(src, own), peer, SYN, 500, 0);
        lab.forwards(HOST_A, out(A), ROUTER, out(V));
    }
    lab.rig.wait(Duration::from_secs(2));
    let mut all = of_worker(&lab, 0, client(1).addr);
    let came: Vec<_> = all.by_ref().take(1_000).map(|from| lab.send(ROUTER, &syn(from, V)).1).collect();
    let passed = came.iter().filter(|moved| moved.transmitted == 1).count();
    let dropped = came.iter().filter(|moved| moved.dropped == [DropReason::HalfOpenLimit]).count();
    assert_eq!(passed + dropped, 1_000);
    // Two had room, 250 had a second's searches, and more those of the time that the rest took.
    assert!((252..500).contains(&passed), "{passed}");
    lab.rig.wait(Duration::from_secs(1));
    all.take(20).for_each(|from| opens(&mut lab, from, &[EngineEvent::HalfOpenGaveWay]));
}

/// Limits are asked one after the other: nobody gives way to what a later one refuses.
#[test]
fn s174_for_what_another_limit_refuses_nobody_gives_way() {
    type Limits = fn(&mut Intent);
    let rows: [(&str, Limits, DropReason); 4] = [
        ("all and a client", |of| of.virtual_servers[0].client_connection_limit = 1, DropReason::ClientLimit),
        (
            "all and a client's rate",
            |of| of.virtual_servers[0].client_connection_rate_limit = 1,
            DropReason::ClientLimit,
        ),
        ("all and a virtual server", |of| of.virtual_servers[0].connection_limit = 1, DropReason::ConnectionLimit),
        (
            "all and a virtual server's rate",
            |of| of.virtual_servers[0].connection_rate_limit = 1,
            DropReason::ConnectionRateLimit,
        ),
    ];
    for (about, limit, reason) in rows {
        let mut lab = pair(|intent| {
            intent.limits.half_open_limit = 3;
            let other = other_server(intent);
            intent.virtual_servers.push(other);
            limit(intent);
        });
        let one = of_worker(&lab, 0, client(1).addr).next().unwrap();
        lab.connect(one, 5060, HOST_A);
        let others: Vec<Endpoint> = of_worker(&lab, 0, client(2).addr).take(3).collect();
        for from in &others {
            lab.forwards(ROUTER, syn(*from, OTHER), HOST_A, syn(*from, A));
        }
        for from in of_worker(&lab, 0, one.addr).skip(1).take(9) {
            refused(&mut lab, from, reason);
        }
        assert_eq!(flows(&lab), 4, "{about}");
        // A member's limit is asked last, and those of others were lowered or not: it is the same.
        let intent = &mut lab.rig.intent;
        (intent.virtual_servers[0], intent.members[0].connection_limit) = (intent.virtual_servers[1].clone(), 2);
        intent.virtual_servers[0].address = addr(V);
        lab.rig.publish();
        refused(&mut lab, client(3), DropReason::ConnectionLimit);
        assert_eq!(flows(&lab), 4, "{about}");
    }
}

/// Where a limit is lowered, or was met before a restart, more stand than may: they give way to it, a few for each that comes.
#[test]
fn s174_what_stands_beyond_a_limit_that_was_lowered_gives_way() {
    let mut lab = server(|server| server.half_open_limit = 50);
    let mut all = of_worker(&lab, 0, client(1).addr);
    all.by_ref().take(50).for_each(|from| opens(&mut lab, from, &[]));
    lab.rig.intent.virtual_servers[0].half_open_limit = 6;
    lab.rig.publish();
    let came: Vec<_> = all.by_ref().take(3).map(|from| lab.send(ROUTER, &syn(from, V)).1).collect();
    assert_eq!(came.iter().map(|moved| moved.transmitted).collect::<Vec<_>>(), [0, 0, 1]);
    let gave_way = came.iter().map(|moved| moved.events.len() as u64).sum::<u64>();
    assert_eq!((half_open(&lab), gave_way), (6, 45));
    all.take(9).for_each(|from| opens(&mut lab, from, &[EngineEvent::HalfOpenGaveWay]));
}

/// Whoever acknowledges blindly what he does not see is as forged as before.
#[test]
fn s174_a_blind_acknowledgement_keeps_no_half_open_connection() {
    let mut lab = server(|server| server.half_open_limit = 1);
    let mut all = of_worker(&lab, 0, client(1).addr);
    let mut events = vec![];
    for from in all.by_ref().take(9) {
        opens(&mut lab, from, &events);
        let answer = |src: &str| Build::tcp(at(src, 5060), from, SYN_ACK, 9000, 1001);
        lab.forwards(HOST_A, answer(A), ROUTER, answer(V));
        let blind = |dst: &str| Build::tcp(from, at(dst, 5060), ACK, 1001, 7_000_000);
        lab.forwards(ROUTER, blind(V), HOST_A, blind(A));
        assert_eq!(half_open(&lab), 1);
        events = vec![EngineEvent::HalfOpenGaveWay];
    }
}

#[test]
fn s175_one_client_has_no_more_than_its_share() {
    let mut lab = server(|server| server.client_connection_limit = 3);
    let (one, other) = (client(1), client(2));
    for number in 0..3 {
        lab.connect(port(one, 40_000 + number), 5060, HOST_A);
    }
    for number in 3..9 {
        refused(&mut lab, port(one, 40_000 + number), DropReason::ClientLimit);
    }
    lab.connect(port(other, 40_000), 5060, HOST_A);
    (0..3).for_each(|number| stands(&mut lab, port(one, 40_000 + number), HOST_A));
    closes(&mut lab, port(one, 40_001), HOST_A);
    lab.connect(port(one, 41_000), 5060, HOST_A);
    refused(&mut lab, port(one, 41_001), DropReason::ClientLimit);
    // A SYN on the same port takes its own place.
    let again = |dst: &str| Build::tcp(port(one, 41_000), at(dst, 5060), SYN, 77_000, 0);
    assert_eq!(lab.send(ROUTER, &again(V)).1.dropped, []);
    // What a member begins is not limited, nor UDP of a pair.
    lab.connect_out(HOST_A, 5060, port(one, 5061));
    (0..9).for_each(|_| lab.forwards(ROUTER, request(one, V), HOST_A, request(one, A)));
    let said = lab.explained(ROUTER, &syn(port(one, 41_001), V), None);
    assert_eq!(said.reason.as_deref(), Some("client_limit"));
}

/// What stood before a client was limited counts for nothing when it ends, nor does a handshake of then that is over: the client has no more
/// by that than it may, though its limit goes and comes again.
#[test]
fn s191_what_was_never_counted_for_a_client_makes_no_room_for_it_when_it_ends() {
    let mut lab = server(|_| {});
    let one = client(1);
    let before = |number: u16| port(one, 30_000 + number);
    let counted = |number: u16| port(one, 40_000 + number);
    (0..8).for_each(|number| lab.connect(before(number), 5060, HOST_A));
    (8..12).for_each(|number| opens(&mut lab, before(number), &[]));
    let set = |lab: &mut Lab, connections, half_open| {
        let server = &mut lab.rig.intent.virtual_servers[0];
        (server.client_connection_limit, server.client_half_open_limit) = (connections, half_open);
        lab.rig.publish();
    };
    let is_full = |lab: &mut Lab| refused(lab, port(one, 50_000), DropReason::ClientLimit);
    set(&mut lab, 10, 0);
    (0..10).for_each(|number| lab.connect(counted(number), 5060, HOST_A));
    is_full(&mut lab);
    (0..4).for_each(|number| closes(&mut lab, before(number), HOST_A));
    is_full(&mut lab);
    // What has a place gives it back.
    closes(&mut lab, counted(0), HOST_A);
    lab.connect(counted(10), 5060, HOST_A);
    is_full(&mut lab);
    // For a while nobody is limited: what was counted before that still is, and what comes meanwhile is not.
    set(&mut lab, 0, 0);
    lab.connect(before(20), 5060, HOST_A);
    closes(&mut lab, counted(1), HOST_A);
    set(&mut lab, 10, 0);
    lab.connect(counted(11), 5060, HOST_A);
    is_full(&mut lab);
    (4..8).chain([20]).for_each(|number| closes(&mut lab, before(number), HOST_A));
    is_full(&mut lab);
    let closed: Vec<_> = (2..12).map(counted).collect();
    closed.iter().for_each(|from| closes(&mut lab, *from, HOST_A));
    // Likewise of handshakes: those of before are over by a reset.
    set(&mut lab, 0, 2);
    let mut ports = of_worker(&lab, 0, one.addr);
    ports.by_ref().take(2).for_each(|from| opens(&mut lab, from, &[]));
    for number in 8..12 {
        let reset = |dst: &str| Build::tcp(before(number), at(dst, 5060), Flags::RST, 1001, 0);
        lab.forwards(ROUTER, reset(V), HOST_A, reset(A));
    }
    ports.take(3).for_each(|from| opens(&mut lab, from, &[EngineEvent::HalfOpenGaveWay]));
}

#[test]
fn s175_a_client_begins_no_more_in_a_second_than_it_may() {
    let mut lab = server(|server| server.client_connection_rate_limit = 2);
    let (one, other) = (client(1), client(2));
    opens(&mut lab, port(one, 1), &[]);
    opens(&mut lab, port(one, 2), &[]);
    refused(&mut lab, port(one, 3), DropReason::ClientLimit);
    opens(&mut lab, port(other, 1), &[]);
    lab.rig.wait(Duration::from_millis(500));
    opens(&mut lab, port(one, 4), &[]);
    refused(&mut lab, port(one, 5), DropReason::ClientLimit);
}

#[test]
fn s175_a_clients_own_half_open_connection_gives_way() {
    let mut lab = server(|server| server.client_half_open_limit = 2);
    let (one, other) = (client(1), client(2));
    opens(&mut lab, port(other, 1), &[]);
    let mut ports = of_worker(&lab, 0, one.addr);
    ports.by_ref().take(2).for_each(|from| opens(&mut lab, from, &[]));
    ports.take(6).for_each(|from| opens(&mut lab, from, &[EngineEvent::HalfOpenGaveWay]));
    let workers = lab.rig.workers.len();
    (1..workers).for_each(|worker| has_its_share(&mut lab, worker, 2, one.addr));
    assert_eq!(flows(&lab), 3 + (workers as u64 - 1), "the other's stands");
    let answer = |src: &str| Build::tcp(at(src, 5060), port(other, 1), SYN_ACK, 9000, 1001);
    lab.forwards(HOST_A, answer(A), ROUTER, answer(V));
}

/// What clients of a virtual server had that has left the file is nobody's when its id is another one's.
#[test]
fn s175_a_virtual_server_that_leaves_and_comes_back_finds_its_clients_with_nothing() {
    let mut lab = pair(|intent| {
        intent.virtual_servers[0].client_connection_limit = 5;
        let mut other = other_server(intent);
        (other.client_connection_limit, other.client_half_open_limit) = (2, 2);
        intent.virtual_servers.push(other);
    });
    let one = client(1);
    let there = |number: u16, dst: &str| Build::tcp(port(one, number), at(dst, 5060), SYN, 1000, 0);
    for round in 0..3 {
        for number in [10 * round, 10 * round + 1] {
            lab.forwards(ROUTER, there(number, OTHER), HOST_A, there(number, A));
        }
        let (_, moved) = lab.send(ROUTER, &there(10 * round + 2, OTHER));
        assert_eq!(moved.dropped, [DropReason::ClientLimit]);
        let server = lab.rig.intent.virtual_servers.pop().unwrap();
        lab.rig.publish();
        lab.rig.wait(Duration::from_millis(100));
        lab.rig.intent.virtual_servers.push(server);
        lab.rig.publish();
    }
}

#[test]
fn s175_peers_of_a_pool_with_several_active_members_are_connections() {
    let mut lab = shared(Mode::SourceHash, |intent| intent.virtual_servers[0].client_connection_limit = 2);
    let one = client(1);
    let sends = |lab: &mut Lab, from| lab.send(ROUTER, &request(from, V)).1;
    (0..2).for_each(|number| assert_eq!(sends(&mut lab, port(one, 5_060 + number)).transmitted, 1));
    assert_eq!(sends(&mut lab, port(one, 6_000)).dropped, [DropReason::ClientLimit]);
    assert_eq!(sends(&mut lab, port(one, 5_061)).transmitted, 1, "it stands");
    assert_eq!(sends(&mut lab, client(2)).transmitted, 1);
}

#[test]
fn s175_a_reload_that_takes_the_limit_away_takes_it_at_once() {
    let mut lab = server(|server| server.client_connection_limit = 1);
    lab.connect(client(1), 5060, HOST_A);
    refused(&mut lab, port(client(1), 7), DropReason::ClientLimit);
    lab.rig.intent.virtual_servers[0].client_connection_limit = 2;
    lab.rig.publish();
    lab.connect(port(client(1), 7), 5060, HOST_A);
    refused(&mut lab, port(client(1), 8), DropReason::ClientLimit);
    lab.rig.intent.virtual_servers[0].client_connection_limit = 0;
    lab.rig.publish();
    (8..20).for_each(|number| lab.connect(port(client(1), number), 5060, HOST_A));
}

#[test]
fn s176_all_virtual_servers_together_have_a_limit() {
    let mut lab = pair(|intent| {
        intent.limits.connection_limit = 2;
        let other = other_server(intent);
        intent.virtual_servers.push(other);
    });
    lab.connect(client(0), 5060, HOST_A);
    let at_other = |dst: &str| Build::tcp(client(1), at(dst, 5060), SYN, 1000, 0);
    lab.forwards(ROUTER, at_other(OTHER), HOST_A, at_other(A));
    refused(&mut lab, client(2), DropReason::ConnectionLimit);
    closes(&mut lab, client(0), HOST_A);
    lab.connect(client(2), 5060, HOST_A);
    lab.rig.intent.limits.connection_limit = 0;
    lab.rig.intent.limits.connection_rate_limit = 1;
    lab.rig.publish();
    opens(&mut lab, client(3), &[]);
    refused(&mut lab, client(4), DropReason::ConnectionRateLimit);
}
