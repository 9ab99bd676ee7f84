//! Scenarios 174 to 176: half-open connections, what each client may have, and what all virtual servers may have together.

use super::*;
use fairlead::policy::intent::VirtualServer;

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
    // One source address and port after another: all are one worker's, or each has some.
    lab.connect(client(900), 5060, HOST_A);
    (0..4).for_each(|number| opens(&mut lab, client(number), &[]));
    assert_eq!((half_open(&lab), flows(&lab)), (4, 5));
    if lab.rig.workers.len() > 1 {
        return;
    }
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
fn s174_all_virtual_servers_together_have_a_limit_of_half_open_ones() {
    let mut lab = pair(|intent| intent.limits.half_open_limit = 3);
    (0..3).for_each(|number| opens(&mut lab, client(number), &[]));
    if lab.rig.workers.len() == 1 {
        (3..9).for_each(|number| opens(&mut lab, client(number), &[EngineEvent::HalfOpenGaveWay]));
        assert_eq!(flows(&lab), 3);
    }
}

/// Where none of a worker's own can give way, the SYN is dropped in silence: it may be forged.
#[test]
fn s174_a_syn_for_which_none_can_give_way_is_dropped_in_silence() {
    let mut lab = server(|server| server.half_open_limit = 1);
    opens(&mut lab, client(0), &[]);
    // What its member has continued is no handshake any more, but counts as long as its client has not.
    for number in 1..200 {
        let (out, moved) = lab.send(ROUTER, &syn(client(number), V));
        match moved.dropped.as_slice() {
            [] => assert_eq!((out.len(), moved.events), (1, vec![EngineEvent::HalfOpenGaveWay])),
            dropped => assert_eq!((out.len(), dropped), (0, &[DropReason::HalfOpenLimit][..])),
        }
    }
    assert_eq!(half_open(&lab), 1);
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
    opens(&mut lab, port(one, 1), &[]);
    opens(&mut lab, port(one, 2), &[]);
    if lab.rig.workers.len() > 1 {
        return;
    }
    (3..9).for_each(|number| opens(&mut lab, port(one, number), &[EngineEvent::HalfOpenGaveWay]));
    assert_eq!(flows(&lab), 3, "the other's stands");
    let answer = |src: &str| Build::tcp(at(src, 5060), port(other, 1), SYN_ACK, 9000, 1001);
    lab.forwards(HOST_A, answer(A), ROUTER, answer(V));
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
        let other =
            VirtualServer { name: "other".into(), address: addr("10.20.0.200"), ..intent.virtual_servers[0].clone() };
        intent.virtual_servers.push(other);
    });
    lab.connect(client(0), 5060, HOST_A);
    let at_other = |dst: &str| Build::tcp(client(1), at(dst, 5060), SYN, 1000, 0);
    lab.forwards(ROUTER, at_other("10.20.0.200"), HOST_A, at_other(A));
    refused(&mut lab, client(2), DropReason::ConnectionLimit);
    closes(&mut lab, client(0), HOST_A);
    lab.connect(client(2), 5060, HOST_A);
    lab.rig.intent.limits.connection_limit = 0;
    lab.rig.intent.limits.connection_rate_limit = 1;
    lab.rig.publish();
    opens(&mut lab, client(3), &[]);
    refused(&mut lab, client(4), DropReason::ConnectionRateLimit);
}
