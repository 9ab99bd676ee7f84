//! Scenarios 81 and 82: the process is killed and started again while traffic flows.

use crate::with_a_active;
use fairlead::wire::build::Build;
use testbench::bench::frames::*;
use testbench::bench::{Connection, File, Host, OUTER, Service};

/// sip-b is active when the process is killed; `a` is what sip-a does then. Nothing ever goes to sip-a.
fn after_a_restart_nothing_goes_to_a(a: impl Fn(&mut Host)) {
    with_a_active(&File::two_arm(), |bench| {
        bench.members[0].retire();
        bench.members[1].serve();
        bench.until(secs(5), |bench| bench.active().as_deref() == Some("sip-b"));
        a(&mut bench.members[0]);
        bench.look();
        bench.restart(ms(300));
        let (begin, mut seen) = (bench.now(), Vec::new());
        let client = at(PHONE, 5060);
        for port in 0..2_000 {
            bench.send(ROUTER, &request(client, V));
            bench.send(ROUTER, &Build::tcp(at(PHONE, 10_000 + port), at(V, 5060), SYN, 1000, 0));
            bench.turn();
            seen.extend(bench.look());
        }
        let to_b = request(client, B).ttl(63);
        let served: Vec<_> = seen.iter().filter(|seen| seen.is_for(at(B, 5060))).collect();
        assert!(!seen.iter().any(|seen| seen.headers().dst().to_string() == A), "something went to sip-a");
        let first = served.first().expect("sip-b was found").at.since(begin);
        assert!(first <= ms(1_020), "sip-b was found after {first:?}");
        let datagrams = served.iter().filter(|seen| seen.frame[23] == 17);
        datagrams.for_each(|seen| bench.expect(std::slice::from_ref(*seen), HOST_B, &to_b));
        assert_eq!(bench.active().as_deref(), Some("sip-b"));
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
    with_a_active(&file, |bench| {
        bench.members[0].retire();
        bench.members[1].serve();
        bench.until(secs(5), |bench| bench.active().as_deref() == Some("sip-b"));
        bench.look();
        bench.restart(ms(300));
        let mut seen = Vec::new();
        for _ in 0..2_000 {
            bench.send(ROUTER, &request(at(PHONE, 5060), V));
            bench.turn();
            seen.extend(bench.look());
        }
        assert!(!seen.iter().any(|seen| seen.headers().dst().to_string() == A), "something went to sip-a");
        assert!(seen.iter().filter(|seen| seen.is_for(at(B, 5060))).count() > 900);
    });
}

#[test]
fn s81_after_a_restart_connections_to_the_active_member_and_to_hosts_go_on() {
    with_a_active(&File::two_arm(), |bench| {
        let mut inward = Connection::inward(bench, at(PHONE, 40_001), 5060, HOST_A).open(bench);
        let mut visit = Connection::visit(bench, at(VISITOR, 50_000), HOST_A, 7000).open(bench);
        let mut plain = Connection::plain(bench, HOST_A, 42_000, at(CONFIG, 2020)).open(bench);
        inward.exchange(bench);
        bench.look();
        bench.restart(ms(300));
        bench.until(secs(2), |bench| bench.active().as_deref() == Some("sip-a"));
        bench.look();
        inward.exchange(bench);
        visit.exchange(bench);
        plain.exchange(bench);
        bench.steady(ms(500), HOST_A);
    });
}

#[test]
fn s81_a_client_that_speaks_before_probes_have_decided_keeps_its_connection() {
    with_a_active(&File::two_arm(), |bench| {
        let mut connection = Connection::inward(bench, at(PHONE, 40_001), 5060, HOST_A).open(bench);
        connection.exchange(bench);
        bench.restart(ms(300));
        bench.run(ms(20));
        bench.look();
        let (seq, ack) = connection.next;
        let segment = Build::tcp(at(PHONE, 40_001), at(V, 5060), DATA, seq, ack).payload(b"INVITE");
        let seen = bench.pass(ROUTER, &segment);
        assert!(!seen.iter().any(|seen| seen.port == OUTER), "was sent {:?}", seen[0].headers());
    });
}

#[test]
fn s81_a_connection_of_a_member_outward_keeps_its_port_after_a_restart() {
    with_a_active(&File::two_arm(), |bench| {
        let mut outward = Connection::outward(bench, HOST_A, 41_000, at(PEER, 5060)).open(bench);
        outward.exchange(bench);
        bench.restart(ms(300));
        bench.until(secs(2), |bench| bench.active().as_deref() == Some("sip-a"));
        bench.look();
        outward.exchange(bench);
    });
}
