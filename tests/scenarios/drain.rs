//! Scenario 99: a member that is drained for a time, with its connections, whole frames.

use crate::with_a_active;
use fairlead::admin::request::AdminState;
use fairlead::admin::rows::{DrainState, MemberState};
use fairlead::wire::build::Build;
use testbench::bench::frames::*;
use testbench::bench::{Bench, Connection, File, INNER};

/// sip-a has a connection with a client, and is drained for ten seconds.
fn draining(bench: &mut Bench) -> Connection {
    let service = Connection::inward(bench, at(PHONE, 40_001), 5060, HOST_A).open(bench);
    bench.drain("sip-a", Some(10));
    service
}

#[test]
fn s99_connections_of_a_drained_member_live_until_its_time_is_up_and_are_reset_then() {
    with_a_active(&File::two_arm(), |bench| {
        bench.members[1].serve();
        bench.until(secs(5), |bench| bench.state("sip-b") == MemberState::Up);
        let mut service = draining(bench);
        assert_eq!(bench.active().as_deref(), Some("sip-b"));
        bench.served_by(at(PHONE, 5060), HOST_B);
        bench.run(secs(9));
        service.exchange(bench);
        // All is acknowledged: one number is the exact one.
        let (seq, ack) = service.next;
        service.says(bench, |src, dst| Build::tcp(src, dst, ACK, seq, ack).df());
        let report = bench.drain_report("sip-a");
        assert_eq!((report.state, report.connections, report.others), (DrainState::Running, 1, 0));
        assert_eq!(report.left_s, Some(1));
        bench.look();
        bench.run(secs(2));
        let seen = bench.look();
        let (inner, outer): (Vec<_>, Vec<_>) =
            seen.iter().filter(|seen| service.owns(seen)).partition(|seen| seen.port == INNER);
        assert_eq!((inner.len(), outer.len()), (1, 1), "both ends are reset");
        assert_eq!(outer[0].reset(at(V, 5060), at(PHONE, 40_001)), service.next.1);
        assert_eq!(inner[0].reset(at(PHONE, 40_001), at(A, 5060)), service.next.0);
        assert_eq!(
            (bench.admin("sip-a"), bench.drain_report("sip-a").state),
            (AdminState::Offline, DrainState::Offline)
        );
        bench.served_by(at(PHONE, 5060), HOST_B);
    });
}

#[test]
fn s99_a_drained_member_without_another_keeps_its_clients_past_its_time_until_one_is_up() {
    with_a_active(&File::two_arm(), |bench| {
        let mut service = draining(bench);
        bench.run(secs(12));
        service.exchange(bench);
        bench.served_by(at(PHONE, 5060), HOST_A);
        let report = bench.drain_report("sip-a");
        assert_eq!((report.state, report.left_s), (DrainState::Active, Some(0)));
        let overdue = "member sip-a: its time to drain is up, but no other member of pool pair-1 is up";
        assert!(bench.alarms().iter().any(|alarm| alarm.starts_with(overdue)));
        bench.members[1].serve();
        bench.until(secs(5), |bench| bench.admin("sip-a") == AdminState::Offline);
        assert_eq!(bench.active().as_deref(), Some("sip-b"));
        bench.run(ms(20));
        bench.look();
        bench.served_by(at(PHONE, 5060), HOST_B);
        assert!(!bench.alarms().iter().any(|alarm| alarm.starts_with(overdue)));
    });
}

#[test]
fn s99_a_drained_member_whose_last_connection_ends_is_drained_completely_once_its_transactions_are_over() {
    with_a_active(&File::two_arm(), |bench| {
        bench.members[1].serve();
        bench.until(secs(5), |bench| bench.state("sip-b") == MemberState::Up);
        bench.drain("sip-a", None);
        bench.rest(secs(25));
        assert_eq!((bench.drain_report("sip-a").state, bench.row("sip-a").drained), (DrainState::Running, false));
        bench.rest(secs(12));
        assert_eq!((bench.drain_report("sip-a").state, bench.row("sip-a").drained), (DrainState::Drained, true));
        let complete = bench.lead.log.iter().filter(|line| line.message == "member sip-a: drained completely").count();
        assert_eq!(complete, 1);
    });
}
