//! Scenario 109: members that the file drains or has offline, and what an operator sets over that.

use crate::with_a_active;
use fairlead::admin::Request;
use fairlead::admin::request::AdminState;
use fairlead::admin::rows::MemberState;
use testbench::bench::frames::*;
use testbench::bench::{Bench, Connection, File, INNER};

/// The file has sip-a so from now on.
fn write(bench: &mut Bench, admin: &str) {
    let address = "address = \"10.20.0.11\"";
    bench.lead.file = File::two_arm().with(address, &format!("{address}, admin_state = \"{admin}\""));
    bench.ask(Request::reload()).expect("the file is good");
}

fn reload(bench: &mut Bench, admin: &str) {
    write(bench, admin);
    bench.run(ms(20));
    bench.look();
}

#[test]
fn s109_a_member_that_the_file_drains_gets_nothing_new_and_keeps_what_it_has() {
    with_a_active(&File::two_arm(), |bench| {
        bench.members[1].serve();
        bench.until(secs(5), |bench| bench.state("sip-b") == MemberState::Up);
        let mut service = Connection::inward(bench, at(PHONE, 40_001), 5060, HOST_A).open(bench);
        reload(bench, "draining");
        assert_eq!((bench.admin("sip-a"), bench.active().as_deref()), (AdminState::Draining, Some("sip-b")));
        bench.served_by(at(PHONE, 5060), HOST_B);
        service.exchange(bench);
        // What an operator sets goes over it, until he drops that.
        bench.set("sip-a", AdminState::Enabled);
        bench.force("sip-a");
        bench.auto();
        bench.look();
        bench.served_by(at(PHONE, 5060), HOST_A);
        service.exchange(bench);
        bench.ask(Request::StateDrop {}).expect("it can be dropped");
        bench.run(ms(20));
        bench.look();
        bench.served_by(at(PHONE, 5060), HOST_B);
        // Offline, what it has is lost.
        bench.look();
        write(bench, "offline");
        bench.run(secs(2));
        let seen = bench.look();
        let (inner, outer): (Vec<_>, Vec<_>) =
            seen.iter().filter(|seen| service.owns(seen)).partition(|seen| seen.port == INNER);
        assert!(!inner.is_empty() && !outer.is_empty(), "both ends are reset");
        bench.served_by(at(PHONE, 5060), HOST_B);
    });
}

/// Also when nobody else is up, until an operator enables it.
#[test]
fn s109_a_start_with_a_file_that_has_a_member_offline_gives_it_nothing() {
    with_a_active(&File::two_arm(), |bench| {
        bench.members[1].serve();
        bench.until(secs(5), |bench| bench.state("sip-b") == MemberState::Up);
        reload(bench, "offline");
        bench.restart(ms(300));
        bench.until(secs(5), |bench| bench.active().as_deref() == Some("sip-b"));
        bench.look();
        bench.served_by(at(PHONE, 5060), HOST_B);
        bench.members[1].retire();
        bench.run(secs(10));
        assert_eq!((bench.admin("sip-a"), bench.state("sip-a")), (AdminState::Offline, MemberState::Up));
        assert_ne!(bench.active().as_deref(), Some("sip-a"));
        bench.set("sip-a", AdminState::Enabled);
        bench.run(ms(20));
        bench.look();
        bench.served_by(at(PHONE, 5060), HOST_A);
    });
}
