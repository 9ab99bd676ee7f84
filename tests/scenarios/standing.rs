//! Scenario 38: what groups C and D have open with a member continues as long as its host lives.

use crate::with_a_active;
use fairlead::admin::request::AdminState;
use testbench::bench::frames::*;
use testbench::bench::{Bench, Connection, File, INNER, Service};

/// What groups C and D have open with sip-a, and with sip-b.
struct Standing(Vec<Connection>);

impl Standing {
    #[track_caller]
    fn begin(bench: &mut Bench) -> Standing {
        let mut all = Vec::new();
        for member in [HOST_A, HOST_B] {
            all.push(Connection::plain(bench, member, 42_000, at(CONFIG, 2020)).open(bench));
            all.push(Connection::visit(bench, at(VISITOR, 50_000), member, 7000).open(bench));
        }
        Standing(all)
    }

    #[track_caller]
    fn exchange(&mut self, bench: &mut Bench) {
        let meanwhile = bench.look();
        for connection in &mut self.0 {
            assert!(!meanwhile.iter().any(|seen| connection.owns(seen)), "nothing is made up for {connection:?}");
            connection.exchange(bench);
        }
    }
}

/// Runs `scenario` while C and D are connected to both members; nothing happens to them.
fn unbroken(file: &File, scenario: impl Fn(&mut Bench)) {
    with_a_active(file, |bench| {
        let mut standing = Standing::begin(bench);
        standing.exchange(bench);
        scenario(bench);
        standing.exchange(bench);
        bench.run(secs(3));
        standing.exchange(bench);
        bench.rest(secs(40));
        standing.exchange(bench);
    });
}

#[test]
fn s38_c_and_d_are_unbroken_by_a_switchover_there_and_back() {
    unbroken(&File::two_arm(), |bench| {
        bench.members[0].retire();
        bench.members[1].serve();
        bench.until(secs(5), |bench| bench.active().as_deref() == Some("sip-b"));
        bench.members[1].retire();
        bench.members[0].serve();
        bench.until(secs(5), |bench| bench.active().as_deref() == Some("sip-a"));
    });
}

#[test]
fn s38_c_and_d_are_unbroken_when_the_server_hangs_and_nobody_is_active() {
    let monitors = "monitors = [\"sip-options\"]";
    let file = File::two_arm().with(monitors, &format!("{monitors}\nno_member = \"reject\""));
    unbroken(&file, |bench| {
        bench.members[0].udp = Service::Swallows;
        bench.until(secs(9), |bench| bench.active().is_none());
    });
}

#[test]
fn s38_c_and_d_are_unbroken_by_a_split_brain_and_the_operator() {
    unbroken(&File::two_arm(), |bench| {
        bench.members[1].serve();
        bench.run(secs(2));
        bench.force("sip-b");
        bench.run(secs(1));
        bench.auto();
        bench.set("sip-b", AdminState::Draining);
        bench.run(secs(1));
        bench.set("sip-a", AdminState::Offline);
        bench.run(secs(1));
        bench.set("sip-b", AdminState::Enabled);
        bench.run(secs(1));
        bench.set("sip-a", AdminState::Enabled);
        bench.run(secs(1));
    });
}

#[test]
fn s38_c_and_d_are_unbroken_while_service_connections_are_reset() {
    unbroken(&File::two_arm(), |bench| {
        let client = at(PHONE, 40_001);
        let service = Connection::inward(bench, client, 5060, HOST_A).open(bench);
        bench.members[0].udp = Service::Swallows;
        bench.members[1].serve();
        bench.until(secs(5), |bench| bench.active().as_deref() == Some("sip-b"));
        bench.run(ms(20));
        let seen = bench.look();
        let (inner, outer): (Vec<_>, Vec<_>) = seen.iter().partition(|seen| seen.port == INNER);
        assert_eq!((inner.len(), outer.len()), (1, 1), "both ends are reset");
        assert_eq!(outer[0].reset(at(V, 5060), client), service.next.1);
        assert_eq!(inner[0].reset(client, at(A, 5060)), service.next.0);
    });
}

#[test]
fn s38_a_connection_of_d_survives_the_restart_of_the_appliance() {
    unbroken(&File::two_arm(), |bench| {
        bench.restart(ms(300));
        bench.until(secs(5), |bench| bench.active().as_deref() == Some("sip-a"));
    });
}
