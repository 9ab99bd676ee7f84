//! Scenarios 81 and 82: the process is killed and started again while traffic flows. Scenario 110: it is asked to end, and leaves what it
//! remembers.

use crate::with_a_active;
use fairlead::wire::build::Build;
use testbench::bench::frames::*;
use testbench::bench::{Bench, Connection, File, Host, OUTER, Service};

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

/// The file of a bench that leaves what it remembers.
fn leaving() -> File {
    let cores = "[cores]\n";
    File::two_arm().with(cores, &format!("[appliance]\nhandover = \"/run/fairlead/state\"\n\n{cores}"))
}

/// An event of this name.
fn happened(bench: &Bench, event: &str) -> bool {
    bench.lead.log.iter().any(|line| line.row.event == event)
}

#[test]
fn s110_after_a_handover_traffic_goes_on_before_a_probe_has_come_back() {
    with_a_active(&leaving(), |bench| {
        bench.members[0].retire();
        bench.members[1].serve();
        bench.until(secs(5), |bench| bench.active().as_deref() == Some("sip-b"));
        let mut inward = Connection::inward(bench, at(PHONE, 40_001), 5060, HOST_B).open(bench);
        let mut outward = Connection::outward(bench, HOST_B, 41_000, at(PEER, 5060)).open(bench);
        inward.exchange(bench);
        outward.exchange(bench);
        // Nobody answers a probe at first.
        (bench.members[1].udp, bench.members[1].tcp) = (Service::Swallows, Service::Swallows);
        bench.look();
        for workers in [3, 1] {
            bench.succeed(ms(300), workers, |_| {});
            assert!(happened(bench, "handover.taken"), "{:?}", bench.lead.log);
            bench.run(ms(5));
            assert_eq!(bench.active().as_deref(), Some("sip-b"), "before the first answer");
            let client = at(PHONE, 5060);
            let seen = bench.pass(ROUTER, &request(client, V));
            bench.expect(&seen, HOST_B, &request(client, B).ttl(63));
        }
        bench.members[1].serve();
        bench.run(ms(50));
        bench.look();
        inward.exchange(bench);
        outward.exchange(bench);
        bench.steady(ms(500), HOST_B);
    });
}

#[test]
fn s110_a_member_that_is_dead_by_then_is_refuted_by_the_probes() {
    with_a_active(&leaving(), |bench| {
        bench.members[0].retire();
        bench.members[1].serve();
        bench.succeed(ms(300), 1, |_| {});
        bench.run(ms(5));
        assert_eq!(bench.active().as_deref(), Some("sip-a"), "as it was");
        let took = bench.until(secs(5), |bench| bench.active().as_deref() == Some("sip-b"));
        assert!(took <= ms(2_000), "{took:?}");
    });
}

#[test]
fn s110_a_file_that_is_damaged_is_named_and_the_start_is_as_any_other() {
    with_a_active(&leaving(), |bench| {
        let mut inward = Connection::inward(bench, at(PHONE, 40_001), 5060, HOST_A).open(bench);
        inward.exchange(bench);
        bench.succeed(ms(300), 1, |left| left[40] ^= 1);
        assert!(happened(bench, "handover.refused") && !happened(bench, "handover.taken"));
        assert_eq!(bench.active(), None);
        bench.until(secs(2), |bench| bench.active().as_deref() == Some("sip-a"));
        bench.look();
        inward.exchange(bench);
    });
}

#[test]
fn s110_a_file_that_is_too_old_is_not_taken_up() {
    with_a_active(&leaving(), |bench| {
        bench.succeed(secs(31), 1, |_| {});
        assert!(happened(bench, "handover.refused"));
        assert_eq!(bench.active(), None);
    });
}
