//! Scenarios 24 to 28: what happens to connections when probes find their member lost, demoted or drained.

use crate::told_with_a_active;
use fairlead::wire::Endpoint;
use fairlead::wire::build::Build;
use testbench::world::frames::*;
use testbench::world::{Connection, File, INNER, OUTER, Seen, Service, World};

fn client() -> Endpoint {
    at(PHONE, 40_001)
}

/// Lets probes decide that sip-b is the active one, and returns what left meanwhile.
#[track_caller]
fn until_b_is_active(world: &mut World) -> Vec<Seen> {
    world.until(secs(5), |world| world.active().as_deref() == Some("sip-b"));
    world.run(ms(20));
    world.look()
}

/// The client has heard everything and says so.
#[track_caller]
fn acknowledged(connection: &Connection, world: &mut World) {
    let (seq, ack) = connection.next;
    connection.says(world, |src, dst| Build::tcp(src, dst, ACK, seq, ack));
}

#[test]
fn s24_when_the_host_loses_power_the_client_is_reset_at_what_it_expects_next() {
    told_with_a_active(&File::two_arm(), |world| {
        for port in [5060, 5061] {
            let mut connection = Connection::inward(world, client(), port, HOST_A).open(world);
            connection.goes_on(world);
            acknowledged(&connection, world);
            world.members[0].powered = false;
            world.members[1].serve();
            let seen = until_b_is_active(world);
            let resets: Vec<_> = seen.iter().filter(|seen| seen.port == OUTER).collect();
            assert_eq!(resets.len(), 1, "one reset to the client");
            assert_eq!(resets[0].reset(at(V, port), client()), connection.next.1, "RFC 5961: RCV.NXT");
            let event =
                world.switchovers().iter().rev().find(|row| row.from.as_deref() == Some("sip-a")).unwrap().detected;
            assert!(resets[0].at.nanos() / 1_000 <= event + 5_000, "as soon as sip-a is lost, not with its next word");
            Connection::inward(world, client(), port, HOST_B).open(world).goes_on(world);
            world.members[0].serve();
            world.members[1].retire();
            world.until(secs(5), |world| world.active().as_deref() == Some("sip-a"));
            world.run(ms(20));
            world.look();
        }
    });
}

/// A connection with sip-a stands when that loses power, and all that came out until sip-b is active.
fn connected_to_a_that_loses_power(world: &mut World) -> (Connection, Vec<Seen>) {
    let mut connection = Connection::inward(world, client(), 5060, HOST_A).open(world);
    connection.goes_on(world);
    world.members[0].powered = false;
    world.members[1].serve();
    let seen = until_b_is_active(world);
    (connection, seen)
}

#[test]
fn s24_data_that_the_client_has_but_did_not_acknowledge_yet_is_counted() {
    told_with_a_active(&File::two_arm(), |world| {
        let (connection, seen) = connected_to_a_that_loses_power(world);
        let resets = seen.iter().filter(|seen| seen.port == OUTER);
        let told: Vec<_> = resets.map(|seen| seen.reset(at(V, 5060), client())).collect();
        assert!(told.contains(&connection.next.1), "RFC 5961: one of {told:?} is RCV.NXT");
        assert!(told.iter().all(|seq| connection.next.1 - seq <= 8), "and none is anywhere else");
    });
}

#[test]
fn s24_a_client_that_answers_the_reset_with_a_challenge_is_reset_at_what_it_acknowledges() {
    told_with_a_active(&File::two_arm(), |world| {
        let (connection, seen) = connected_to_a_that_loses_power(world);
        let reset = seen.iter().find(|seen| seen.port == OUTER).expect("a reset to the client");
        let (next, acknowledged) = (connection.next.1, connection.next.1 - 8);
        assert!([next, acknowledged].contains(&reset.reset(at(V, 5060), client())), "what it last acknowledged");
        let challenge = Build::tcp(client(), at(V, 5060), ACK, connection.next.0, next);
        let seen = world.pass(ROUTER, &challenge);
        assert_eq!(seen.len(), 1, "RFC 5961 3.2: the challenge is answered");
        assert_eq!((seen[0].port, seen[0].reset(at(V, 5060), client())), (OUTER, next));
    });
}

#[test]
fn s24_many_silent_clients_are_all_reset_exactly() {
    told_with_a_active(&File::two_arm(), |world| {
        let connections: Vec<_> = (0..100)
            .map(|number| {
                let client = Endpoint::new([172, 16, 5, number as u8].into(), 40_000 + number);
                let mut connection = Connection::inward(world, client, 5060, HOST_A);
                connection.next = (1_000 * u32::from(number), u32::MAX - 20 * u32::from(number));
                open_anywhere(&mut connection, world);
                connection
            })
            .collect();
        world.members[0].powered = false;
        world.members[1].serve();
        let seen = until_b_is_active(world);
        for connection in &connections {
            let mine: Vec<_> = seen.iter().filter(|seen| seen.port == OUTER && connection.owns(seen)).collect();
            assert_eq!(mine.len(), 1, "{connection:?}");
            assert_eq!(mine[0].reset(at(V, 5060), connection.caller.1), connection.next.1);
        }
    });
}

#[test]
fn s24_resets_of_a_switchover_do_not_count_as_refusals() {
    let file = File::two_arm().with("rejects_per_second = 1000", "rejects_per_second = 50");
    told_with_a_active(&file, |world| {
        let client = |number: u16| Endpoint::new([172, 16, 5, (number % 200) as u8].into(), 40_000 + number);
        let connections: Vec<_> =
            (0..500).map(|number| Connection::inward(world, client(number), 5060, HOST_A).open(world)).collect();
        world.members[0].powered = false;
        world.members[1].serve();
        let seen = until_b_is_active(world);
        let told = |connection: &&Connection| seen.iter().any(|seen| seen.port == OUTER && connection.owns(seen));
        assert_eq!(connections.iter().filter(told).count(), 500, "at once, whatever limits refusals");
    });
}

#[test]
fn s24_each_switchover_resets_what_its_own_loser_had() {
    told_with_a_active(&File::two_arm(), |world| {
        let of_a = Connection::inward(world, client(), 5060, HOST_A).open(world);
        world.members[0].retire();
        world.members[1].serve();
        let seen = until_b_is_active(world);
        assert!(seen.iter().any(|seen| seen.port == OUTER && of_a.owns(seen)));
        let of_b = Connection::inward(world, at(PHONE, 40_002), 5060, HOST_B).open(world);
        let outward_b = Connection::outward(world, HOST_B, 41_000, at(PEER, 5060)).open(world);
        let mut outward_a = Connection::outward(world, HOST_A, 41_001, at(PEER, 5060)).open(world);
        world.run(secs(5));
        assert!(world.look().is_empty(), "what sip-a has opened since is its own");
        world.members[1].retire();
        world.members[0].serve();
        world.until(secs(5), |world| world.active().as_deref() == Some("sip-a"));
        world.run(ms(20));
        let seen = world.look();
        let told = |connection: &Connection| seen.iter().any(|seen| seen.port == OUTER && connection.owns(seen));
        assert_eq!((told(&of_b), told(&outward_b), told(&outward_a)), (true, true, false));
        outward_a.goes_on(world);
    });
}

#[test]
fn s24_a_member_that_was_connected_to_the_lost_one_through_the_vip_is_reset_too() {
    told_with_a_active(&File::two_arm(), |world| {
        let (own, vip) = (at(B, 45_000), at(V, 5060));
        let seen = world.pass(HOST_B, &Build::tcp(own, vip, SYN, 100, 0));
        let worn = seen[0].tuple().unwrap().src;
        assert_eq!(worn.addr, vip.addr);
        world.expect(&seen, HOST_A, &Build::tcp(worn, at(A, 5060), SYN, 100, 0).ttl(63));
        let back = |src, dst| Build::tcp(src, dst, SYN_ACK, 900, 101);
        world.forwards(HOST_A, back(at(A, 5060), worn), HOST_B, back(vip, own));
        let there = |src, dst| Build::tcp(src, dst, ACK, 101, 901);
        world.forwards(HOST_B, there(own, vip), HOST_A, there(worn, at(A, 5060)));
        world.members[0].powered = false;
        world.members[1].serve();
        let seen = until_b_is_active(world);
        let told: Vec<_> = seen.iter().filter(|seen| seen.is_for(own)).collect();
        assert_eq!((told.len(), told[0].reset(vip, own)), (1, 901));
    });
}

/// A handshake whose numbers are anywhere in the sequence space.
#[track_caller]
fn open_anywhere(connection: &mut Connection, world: &mut World) {
    let seq = connection.next.0;
    connection.says(world, |src, dst| Build::tcp(src, dst, SYN, seq, 0));
    connection.next.0 = seq.wrapping_add(1);
    let (seq, ack) = (connection.next.1, connection.next.0);
    connection.hears(world, |src, dst| Build::tcp(src, dst, SYN_ACK, seq, ack));
    connection.next.1 = seq.wrapping_add(1);
    let (seq, ack) = connection.next;
    connection.says(world, |src, dst| Build::tcp(src, dst, ACK, seq, ack));
}

#[test]
fn s25_a_demoted_member_that_ends_its_connections_itself_is_not_helped() {
    told_with_a_active(&File::two_arm(), |world| {
        let mut connection = Connection::inward(world, client(), 5060, HOST_A).open(world);
        connection.goes_on(world);
        world.members[0].retire();
        world.members[1].serve();
        let (seq, ack) = (connection.next.1, connection.next.0);
        connection.hears(world, |src, dst| Build::tcp(src, dst, FIN_ACK, seq, ack));
        connection.next.1 += 1;
        let seen = until_b_is_active(world);
        assert!(!seen.iter().any(|seen| connection.owns(seen)), "no reset is made up");
        let (seq, ack) = connection.next;
        connection.says(world, |src, dst| Build::tcp(src, dst, FIN_ACK, seq, ack));
        let (seq, ack) = (connection.next.1, connection.next.0 + 1);
        connection.hears(world, |src, dst| Build::tcp(src, dst, ACK, seq, ack));
        world.run(secs(1));
        assert!(!world.look().iter().any(|seen| connection.owns(seen)));
        Connection::inward(world, at(PHONE, 40_002), 5060, HOST_B).open(world).goes_on(world);
    });
}

fn draining() -> File {
    let monitors = "monitors = [\"sip-options\"]";
    File::two_arm().with(monitors, &format!("{monitors}\non_down = {{ tcp = \"drain\" }}"))
}

#[test]
fn s26_with_the_policy_drain_connections_live_on_and_new_ones_go_to_the_new_member() {
    told_with_a_active(&draining(), |world| {
        let mut old = Connection::inward(world, client(), 5060, HOST_A).open(world);
        let mut outward = Connection::outward(world, HOST_A, 41_000, at(PEER, 5060)).open(world);
        world.members[0].udp = Service::Closed;
        world.members[1].serve();
        let seen = until_b_is_active(world);
        assert!(!seen.iter().any(|seen| old.owns(seen) || outward.owns(seen)), "no reset is made up");
        for second in 0..5 {
            old.goes_on(world);
            outward.goes_on(world);
            Connection::inward(world, at(PHONE, 41_001 + second), 5060, HOST_B).open(world).goes_on(world);
            world.run(secs(1));
            world.look();
        }
    });
}

#[test]
fn s27_a_connection_of_the_lost_member_outward_is_reset_towards_the_peer() {
    told_with_a_active(&File::two_arm(), |world| {
        let peer = at(PEER, 5060);
        let mut connection = Connection::outward(world, HOST_A, 41_000, peer).open(world);
        connection.goes_on(world);
        let (seq, ack) = connection.next;
        connection.says(world, |src, dst| Build::tcp(src, dst, ACK, seq, ack));
        world.members[0].powered = false;
        world.members[1].serve();
        let seen = until_b_is_active(world);
        let resets: Vec<_> = seen.iter().filter(|seen| seen.port == OUTER).collect();
        assert_eq!(resets.len(), 1);
        assert_eq!(resets[0].reset(at(V, 41_000), peer), connection.next.0, "RFC 5961: RCV.NXT");
        let own = world.ip(HOST_A);
        for seen in seen.iter().filter(|seen| seen.port == INNER) {
            assert_eq!(seen.reset(peer, at(&own, 41_000)), connection.next.1, "the member's end too");
        }
    });
}

#[test]
fn s28_a_client_that_comes_again_from_the_same_port_reaches_the_new_member() {
    told_with_a_active(&draining(), |world| {
        Connection::inward(world, client(), 5060, HOST_A).open(world).goes_on(world);
        world.members[0].powered = false;
        world.members[1].serve();
        until_b_is_active(world);
        let mut again = Connection::inward(world, client(), 5060, HOST_B);
        again.next = (77_000, 88_000);
        again.open(world).goes_on(world);
    });
}

#[test]
fn s26_a_drained_connection_is_reset_once_its_host_does_not_answer_at_all() {
    let monitors = "monitors = [\"sip-options\"]";
    let file = File::two_arm().with(monitors, &format!("{monitors}\non_down = {{ tcp = \"drain\" }}"));
    told_with_a_active(&file, |world| {
        let mut connection = Connection::inward(world, at(PHONE, 40_001), 5060, HOST_A).open(world);
        connection.goes_on(world);
        world.members[0].powered = false;
        world.members[1].serve();
        world.rest(secs(60));
        let told = world.look().iter().any(|seen| seen.port == OUTER && connection.owns(seen));
        assert!(told, "a minute after sip-a died its client knows nothing");
    });
}
