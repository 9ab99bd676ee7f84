//! Scenarios 81 and 82: the process dies and begins again while traffic flows.

use crate::told_with_a_active;
use fairlead::wire::build::Build;
use testbench::world::frames::*;
use testbench::world::{Connection, File, Host, OUTER, Service};

/// sip-b is active when the process dies; `a` is what sip-a does then. Nothing ever goes to sip-a.
fn after_a_restart_nothing_goes_to_a(a: impl Fn(&mut Host)) {
    told_with_a_active(&File::two_arm(), |world| {
        world.members[0].retire();
        world.members[1].serve();
        world.until(secs(5), |world| world.active().as_deref() == Some("sip-b"));
        a(&mut world.members[0]);
        world.look();
        world.restart(ms(300));
        let (begin, mut seen) = (world.now(), Vec::new());
        let client = at(PHONE, 5060);
        for port in 0..2_000 {
            world.send(ROUTER, &request(client, V));
            world.send(ROUTER, &Build::tcp(at(PHONE, 10_000 + port), at(V, 5060), SYN, 1000, 0));
            world.turn();
            seen.extend(world.look());
        }
        let to_b = request(client, B).ttl(63);
        let served: Vec<_> = seen.iter().filter(|seen| seen.is_for(at(B, 5060))).collect();
        assert!(!seen.iter().any(|seen| seen.headers().dst().to_string() == A), "something went to sip-a");
        let first = served.first().expect("sip-b was found").at.since(begin);
        assert!(first <= ms(1_020), "sip-b was found after {first:?}");
        let datagrams = served.iter().filter(|seen| seen.frame[23] == 17);
        datagrams.for_each(|seen| world.expect(std::slice::from_ref(*seen), HOST_B, &to_b));
        assert_eq!(world.active().as_deref(), Some("sip-b"));
        for refused in seen.iter().filter(|seen| !seen.is_for(at(B, 5060))) {
            assert_eq!(refused.headers().src().to_string(), V, "until then clients are refused by the VIP");
        }
    });
}

#[test]
fn s82_after_a_restart_probes_decide_before_a_packet_is_forwarded_when_a_is_closed() {
    after_a_restart_nothing_goes_to_a(Host::retire);
}

#[test]
fn s82_after_a_restart_probes_decide_before_a_packet_is_forwarded_when_a_hangs() {
    after_a_restart_nothing_goes_to_a(|host| (host.udp, host.tcp) = (Service::Swallows, Service::Swallows));
}

#[test]
fn s82_after_a_restart_probes_decide_before_a_packet_is_forwarded_when_a_is_off() {
    after_a_restart_nothing_goes_to_a(|host| host.powered = false);
}

#[test]
fn s82_with_the_policy_keep_last_nobody_is_the_last_after_a_restart() {
    let monitors = "monitors = [\"sip-options\"]";
    let file = File::two_arm().with(monitors, &format!("{monitors}\nno_member = \"keep-last\""));
    told_with_a_active(&file, |world| {
        world.members[0].retire();
        world.members[1].serve();
        world.until(secs(5), |world| world.active().as_deref() == Some("sip-b"));
        world.look();
        world.restart(ms(300));
        let mut seen = Vec::new();
        for _ in 0..2_000 {
            world.send(ROUTER, &request(at(PHONE, 5060), V));
            world.turn();
            seen.extend(world.look());
        }
        assert!(!seen.iter().any(|seen| seen.headers().dst().to_string() == A), "something went to sip-a");
        assert!(seen.iter().filter(|seen| seen.is_for(at(B, 5060))).count() > 900);
    });
}

#[test]
fn s81_after_a_restart_connections_to_the_active_member_and_to_hosts_go_on() {
    told_with_a_active(&File::two_arm(), |world| {
        let mut inward = Connection::inward(world, at(PHONE, 40_001), 5060, HOST_A).open(world);
        let mut visit = Connection::visit(world, at(VISITOR, 50_000), HOST_A, 7000).open(world);
        let mut plain = Connection::plain(world, HOST_A, 42_000, at(CONFIG, 2020)).open(world);
        inward.goes_on(world);
        world.look();
        world.restart(ms(300));
        world.until(secs(2), |world| world.active().as_deref() == Some("sip-a"));
        world.look();
        inward.goes_on(world);
        visit.goes_on(world);
        plain.goes_on(world);
        world.steady(ms(500), HOST_A);
    });
}

#[test]
fn s81_a_client_that_speaks_before_probes_have_decided_keeps_its_connection() {
    told_with_a_active(&File::two_arm(), |world| {
        let mut connection = Connection::inward(world, at(PHONE, 40_001), 5060, HOST_A).open(world);
        connection.goes_on(world);
        world.restart(ms(300));
        world.run(ms(20));
        world.look();
        let (seq, ack) = connection.next;
        let segment = Build::tcp(at(PHONE, 40_001), at(V, 5060), DATA, seq, ack).payload(b"INVITE");
        let seen = world.pass(ROUTER, &segment);
        assert!(!seen.iter().any(|seen| seen.port == OUTER), "was told {:?}", seen[0].headers());
    });
}

#[test]
fn s81_a_connection_of_a_member_outward_goes_on_at_its_port_after_a_restart() {
    told_with_a_active(&File::two_arm(), |world| {
        let mut outward = Connection::outward(world, HOST_A, 41_000, at(PEER, 5060)).open(world);
        outward.goes_on(world);
        world.restart(ms(300));
        world.until(secs(2), |world| world.active().as_deref() == Some("sip-a"));
        world.look();
        outward.goes_on(world);
    });
}
