//! Scenarios 24 to 28: what happens to connections when probes find their member lost, demoted or drained.

use crate::with_a_active;
use fairlead::wire::Endpoint;
use fairlead::wire::build::Build;
use testbench::bench::frames::*;
use testbench::bench::{Bench, Connection, File, INNER, OUTER, Seen, Service};

fn client() -> Endpoint {
    at(PHONE, 40_001)
}

/// Lets probes decide that sip-b is the active one, and returns what left meanwhile.
#[track_caller]
fn until_b_is_active(bench: &mut Bench) -> Vec<Seen> {
    bench.until(secs(5), |bench| bench.active().as_deref() == Some("sip-b"));
    bench.run(ms(20));
    bench.look()
}

/// The client has heard everything and says so.
#[track_caller]
fn acknowledged(connection: &Connection, bench: &mut Bench) {
    let (seq, ack) = connection.next;
    connection.says(bench, |src, dst| Build::tcp(src, dst, ACK, seq, ack));
}

#[test]
fn s24_when_the_host_loses_power_the_client_is_reset_at_what_it_expects_next() {
    with_a_active(&File::two_arm(), |bench| {
        for port in [5060, 5061] {
            let mut connection = Connection::inward(bench, client(), port, HOST_A).open(bench);
            connection.exchange(bench);
            acknowledged(&connection, bench);
            bench.members[0].powered = false;
            bench.members[1].serve();
            let seen = until_b_is_active(bench);
            let resets: Vec<_> = seen.iter().filter(|seen| seen.port == OUTER).collect();
            assert_eq!(resets.len(), 1, "one reset to the client");
            assert_eq!(resets[0].reset(at(V, port), client()), connection.next.1, "RFC 5961: RCV.NXT");
            let event =
                bench.switchovers().iter().rev().find(|row| row.from.as_deref() == Some("sip-a")).unwrap().detected;
            assert!(resets[0].at.nanos() / 1_000 <= event + 5_000, "as soon as sip-a is lost, not with its next word");
            Connection::inward(bench, client(), port, HOST_B).open(bench).exchange(bench);
            bench.members[0].serve();
            bench.members[1].retire();
            bench.until(secs(5), |bench| bench.active().as_deref() == Some("sip-a"));
            bench.run(ms(20));
            bench.look();
        }
    });
}

/// A connection with sip-a stands when that loses power, and all that came out until sip-b is active.
fn connected_to_a_that_loses_power(bench: &mut Bench) -> (Connection, Vec<Seen>) {
    let mut connection = Connection::inward(bench, client(), 5060, HOST_A).open(bench);
    connection.exchange(bench);
    bench.members[0].powered = false;
    bench.members[1].serve();
    let seen = until_b_is_active(bench);
    (connection, seen)
}

#[test]
fn s24_a_client_that_answers_the_reset_with_a_challenge_is_reset_at_what_it_acknowledges() {
    with_a_active(&File::two_arm(), |bench| {
        let (connection, seen) = connected_to_a_that_loses_power(bench);
        let reset = seen.iter().find(|seen| seen.port == OUTER).expect("a reset to the client");
        let (next, acknowledged) = (connection.next.1, connection.next.1 - 8);
        assert!([next, acknowledged].contains(&reset.reset(at(V, 5060), client())), "what it last acknowledged");
        let challenge = Build::tcp(client(), at(V, 5060), ACK, connection.next.0, next);
        let seen = bench.pass(ROUTER, &challenge);
        assert_eq!(seen.len(), 1, "RFC 5961 3.2: the challenge is answered");
        assert_eq!((seen[0].port, seen[0].reset(at(V, 5060), client())), (OUTER, next));
    });
}

#[test]
fn s24_many_silent_clients_are_all_reset_exactly() {
    with_a_active(&File::two_arm(), |bench| {
        let connections: Vec<_> = (0..100)
            .map(|number| {
                let client = Endpoint::new([172, 16, 5, number as u8].into(), 40_000 + number);
                let mut connection = Connection::inward(bench, client, 5060, HOST_A);
                connection.next = (1_000 * u32::from(number), u32::MAX - 20 * u32::from(number));
                open_anywhere(&mut connection, bench);
                connection
            })
            .collect();
        bench.members[0].powered = false;
        bench.members[1].serve();
        let seen = until_b_is_active(bench);
        for connection in &connections {
            let mine: Vec<_> = seen.iter().filter(|seen| seen.port == OUTER && connection.owns(seen)).collect();
            assert_eq!(mine.len(), 1, "{connection:?}");
            assert_eq!(mine[0].reset(at(V, 5060), connection.caller.1), connection.next.1);
        }
    });
}

#[test]
fn s24_each_switchover_resets_what_its_own_loser_had() {
    with_a_active(&File::two_arm(), |bench| {
        let of_a = Connection::inward(bench, client(), 5060, HOST_A).open(bench);
        bench.members[0].retire();
        bench.members[1].serve();
        let seen = until_b_is_active(bench);
        assert!(seen.iter().any(|seen| seen.port == OUTER && of_a.owns(seen)));
        let of_b = Connection::inward(bench, at(PHONE, 40_002), 5060, HOST_B).open(bench);
        let outward_b = Connection::outward(bench, HOST_B, 41_000, at(PEER, 5060)).open(bench);
        let mut outward_a = Connection::outward(bench, HOST_A, 41_001, at(PEER, 5060)).open(bench);
        bench.run(secs(5));
        assert!(bench.look().is_empty(), "what sip-a has opened since is its own");
        bench.members[1].retire();
        bench.members[0].serve();
        bench.until(secs(5), |bench| bench.active().as_deref() == Some("sip-a"));
        bench.run(ms(20));
        let seen = bench.look();
        let is_reset = |connection: &Connection| seen.iter().any(|seen| seen.port == OUTER && connection.owns(seen));
        assert_eq!((is_reset(&of_b), is_reset(&outward_b), is_reset(&outward_a)), (true, true, false));
        outward_a.exchange(bench);
    });
}

#[test]
fn s24_a_member_that_was_connected_to_the_lost_one_through_the_vip_is_reset_too() {
    with_a_active(&File::two_arm(), |bench| {
        let (own, vip) = (at(B, 45_000), at(V, 5060));
        let seen = bench.pass(HOST_B, &Build::tcp(own, vip, SYN, 100, 0));
        let translated = seen[0].tuple().unwrap().src;
        assert_eq!(translated.addr, vip.addr);
        bench.expect(&seen, HOST_A, &Build::tcp(translated, at(A, 5060), SYN, 100, 0).ttl(63));
        let back = |src, dst| Build::tcp(src, dst, SYN_ACK, 900, 101);
        bench.forwards(HOST_A, back(at(A, 5060), translated), HOST_B, back(vip, own));
        let there = |src, dst| Build::tcp(src, dst, ACK, 101, 901);
        bench.forwards(HOST_B, there(own, vip), HOST_A, there(translated, at(A, 5060)));
        bench.members[0].powered = false;
        bench.members[1].serve();
        let seen = until_b_is_active(bench);
        let resets: Vec<_> = seen.iter().filter(|seen| seen.is_for(own)).collect();
        assert_eq!((resets.len(), resets[0].reset(vip, own)), (1, 901));
    });
}

/// A handshake whose numbers are anywhere in the sequence space.
#[track_caller]
fn open_anywhere(connection: &mut Connection, bench: &mut Bench) {
    let seq = connection.next.0;
    connection.says(bench, |src, dst| Build::tcp(src, dst, SYN, seq, 0));
    connection.next.0 = seq.wrapping_add(1);
    let (seq, ack) = (connection.next.1, connection.next.0);
    connection.hears(bench, |src, dst| Build::tcp(src, dst, SYN_ACK, seq, ack));
    connection.next.1 = seq.wrapping_add(1);
    let (seq, ack) = connection.next;
    connection.says(bench, |src, dst| Build::tcp(src, dst, ACK, seq, ack));
}

#[test]
fn s25_a_demoted_member_that_ends_its_connections_itself_is_not_helped() {
    with_a_active(&File::two_arm(), |bench| {
        let mut connection = Connection::inward(bench, client(), 5060, HOST_A).open(bench);
        connection.exchange(bench);
        bench.members[0].retire();
        bench.members[1].serve();
        let (seq, ack) = (connection.next.1, connection.next.0);
        connection.hears(bench, |src, dst| Build::tcp(src, dst, FIN_ACK, seq, ack));
        connection.next.1 += 1;
        let seen = until_b_is_active(bench);
        assert!(!seen.iter().any(|seen| connection.owns(seen)), "no reset is made up");
        let (seq, ack) = connection.next;
        connection.says(bench, |src, dst| Build::tcp(src, dst, FIN_ACK, seq, ack));
        let (seq, ack) = (connection.next.1, connection.next.0 + 1);
        connection.hears(bench, |src, dst| Build::tcp(src, dst, ACK, seq, ack));
        bench.run(secs(1));
        assert!(!bench.look().iter().any(|seen| connection.owns(seen)));
        Connection::inward(bench, at(PHONE, 40_002), 5060, HOST_B).open(bench).exchange(bench);
    });
}

fn draining() -> File {
    let monitors = "monitors = [\"sip-options\"]";
    File::two_arm().with(monitors, &format!("{monitors}\non_down = {{ tcp = \"drain\" }}"))
}

#[test]
fn s26_with_the_policy_drain_connections_continue_and_new_ones_go_to_the_new_member() {
    with_a_active(&draining(), |bench| {
        let mut old = Connection::inward(bench, client(), 5060, HOST_A).open(bench);
        let mut outward = Connection::outward(bench, HOST_A, 41_000, at(PEER, 5060)).open(bench);
        bench.members[0].udp = Service::Closed;
        bench.members[1].serve();
        let seen = until_b_is_active(bench);
        assert!(!seen.iter().any(|seen| old.owns(seen) || outward.owns(seen)), "no reset is made up");
        for second in 0..5 {
            old.exchange(bench);
            outward.exchange(bench);
            Connection::inward(bench, at(PHONE, 41_001 + second), 5060, HOST_B).open(bench).exchange(bench);
            bench.run(secs(1));
            bench.look();
        }
    });
}

#[test]
fn s27_a_connection_of_the_lost_member_outward_is_reset_towards_the_peer() {
    with_a_active(&File::two_arm(), |bench| {
        let peer = at(PEER, 5060);
        let mut connection = Connection::outward(bench, HOST_A, 41_000, peer).open(bench);
        connection.exchange(bench);
        let (seq, ack) = connection.next;
        connection.says(bench, |src, dst| Build::tcp(src, dst, ACK, seq, ack));
        bench.members[0].powered = false;
        bench.members[1].serve();
        let seen = until_b_is_active(bench);
        let resets: Vec<_> = seen.iter().filter(|seen| seen.port == OUTER).collect();
        assert_eq!(resets.len(), 1);
        assert_eq!(resets[0].reset(at(V, 41_000), peer), connection.next.0, "RFC 5961: RCV.NXT");
        let own = bench.ip(HOST_A);
        for seen in seen.iter().filter(|seen| seen.port == INNER) {
            assert_eq!(seen.reset(peer, at(&own, 41_000)), connection.next.1, "the member's end too");
        }
    });
}

#[test]
fn s28_a_client_that_comes_again_from_the_same_port_reaches_the_new_member() {
    with_a_active(&draining(), |bench| {
        Connection::inward(bench, client(), 5060, HOST_A).open(bench).exchange(bench);
        bench.members[0].powered = false;
        bench.members[1].serve();
        until_b_is_active(bench);
        let mut again = Connection::inward(bench, client(), 5060, HOST_B);
        again.next = (77_000, 88_000);
        again.open(bench).exchange(bench);
    });
}

#[test]
fn s26_a_drained_connection_is_reset_once_its_host_does_not_answer_at_all() {
    let monitors = "monitors = [\"sip-options\"]";
    let file = File::two_arm().with(monitors, &format!("{monitors}\non_down = {{ tcp = \"drain\" }}"));
    with_a_active(&file, |bench| {
        let mut connection = Connection::inward(bench, at(PHONE, 40_001), 5060, HOST_A).open(bench);
        connection.exchange(bench);
        bench.members[0].powered = false;
        bench.members[1].serve();
        bench.rest(secs(60));
        let is_reset = bench.look().iter().any(|seen| seen.port == OUTER && connection.owns(seen));
        assert!(is_reset, "a minute after sip-a was lost its client has no reset");
    });
}
