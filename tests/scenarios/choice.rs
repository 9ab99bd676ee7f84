//! Scenarios 29 to 32 and 37: who may become active, and who may not although something answers.

use crate::with_a_active;
use fairlead::admin::request::AdminState;
use fairlead::admin::rows::MemberState;
use fairlead::wire::build::Build;
use testbench::bench::frames::*;
use testbench::bench::{Bench, Connection, File, OUTER, Service};

const B_ACTIVE: Option<&str> = Some("sip-b");
const A_ACTIVE: Option<&str> = Some("sip-a");

/// Probes decide for sip-b while sip-a is closed.
fn move_to_b(bench: &mut Bench) {
    bench.members[0].retire();
    bench.members[1].serve();
    bench.until(secs(5), |bench| bench.active().as_deref() == B_ACTIVE);
    bench.look();
}

#[test]
fn s29_a_member_that_recovers_takes_nothing_back_until_it_is_forced() {
    with_a_active(&File::two_arm(), |bench| {
        move_to_b(bench);
        bench.members[0].serve();
        bench.rest(secs(10));
        assert_eq!((bench.state("sip-a"), bench.active().as_deref()), (MemberState::Up, B_ACTIVE));
        bench.served_by(at(PHONE, 5060), HOST_B);
        bench.force("sip-a");
        assert_eq!(bench.active().as_deref(), A_ACTIVE);
        bench.served_by(at(PHONE, 5060), HOST_A);
        bench.auto();
        bench.run(secs(5));
        bench.look();
        assert_eq!(bench.active().as_deref(), A_ACTIVE);
        bench.served_by(at(PHONE, 5060), HOST_A);
    });
}

#[test]
fn s29_with_immediate_fail_back_the_first_member_takes_over_again() {
    let monitors = "monitors = [\"sip-options\"]";
    let file = File::two_arm().with(monitors, &format!("{monitors}\nfail_back = \"immediate\""));
    with_a_active(&file, |bench| {
        move_to_b(bench);
        bench.members[0].serve();
        bench.run(secs(2));
        assert_eq!(bench.active().as_deref(), A_ACTIVE);
    });
}

#[test]
fn s29_a_forced_member_stays_whatever_its_probes_say() {
    with_a_active(&File::two_arm(), |bench| {
        bench.force("sip-b");
        bench.run(secs(5));
        bench.look();
        assert_eq!((bench.state("sip-b"), bench.active().as_deref()), (MemberState::Down, B_ACTIVE));
        bench.served_by(at(PHONE, 5060), HOST_B);
        bench.auto();
        bench.run(secs(2));
        assert_eq!(bench.active().as_deref(), A_ACTIVE, "given back, the choice is the monitors'");
    });
}

#[test]
fn s30_two_that_answer_raise_an_alarm_within_a_round_and_share_nothing() {
    with_a_active(&File::two_arm(), |bench| {
        bench.run(secs(3));
        bench.look();
        let client = Connection::inward(bench, at(PHONE, 40_001), 5060, HOST_A).open(bench);
        bench.members[1].serve();
        let took = bench.until(secs(5), |bench| bench.alarms().iter().any(|alarm| alarm.contains("2 members answer")));
        // Two answers in a row are a member that answers: the second comes within a round of the first.
        assert!(took <= ms(1_010), "{took:?}");
        for number in 0..500 {
            let from = at(PHONE, 5060 + number);
            bench.forwards(ROUTER, request(from, V), HOST_A, request(from, A));
        }
        client.says(bench, |src, dst| Build::tcp(src, dst, DATA, 1001, 9001).payload(b"INVITE"));
        Connection::inward(bench, at(PHONE, 40_002), 5061, HOST_A).open(bench).exchange(bench);
        assert_eq!(bench.active().as_deref(), A_ACTIVE);
        assert_eq!(bench.switchovers().len(), 1);
        bench.members[1].retire();
        bench.until(secs(5), |bench| bench.alarms().is_empty());
    });
}

#[test]
fn s30_replies_to_what_the_other_one_sends_itself_are_all_it_gets() {
    with_a_active(&File::two_arm(), |bench| {
        bench.members[1].serve();
        bench.run(secs(2));
        bench.look();
        let (peer, phone) = (at(PEER, 5060), at(PHONE, 5060));
        bench.forwards(HOST_B, call(B, peer), ROUTER, call(V, peer));
        bench.forwards(ROUTER, answer(peer, V), HOST_B, answer(peer, B));
        bench.forwards(ROUTER, request(peer, V), HOST_A, request(peer, A));
        bench.forwards(ROUTER, request(phone, V), HOST_A, request(phone, A));
        Connection::outward(bench, HOST_B, 41_000, peer).open(bench).exchange(bench);
        Connection::inward(bench, at(PEER, 40_001), 5060, HOST_A).open(bench).exchange(bench);
        assert_eq!(bench.active().as_deref(), A_ACTIVE);
    });
}

/// The standby's port is open for 50 ms at a time without a SIP answer, in every phase of the probes; it never becomes
/// active, neither beside an active member nor alone.
fn a_port_check_makes_nobody_active(file: &File, opens: impl Fn(&mut Bench)) {
    with_a_active(file, |bench| {
        for alone in [false, true] {
            if alone {
                bench.members[0].powered = false;
                bench.until(secs(10), |bench| bench.state("sip-a") == MemberState::Down);
            }
            let there = bench.active();
            let before = bench.switchovers().len();
            for _ in 0..100 {
                opens(bench);
                bench.run(ms(50));
                bench.members[1].retire();
                bench.run(ms(37));
                assert_eq!(bench.active(), there);
            }
            assert_eq!(bench.switchovers().len(), before);
            let row = bench.row("sip-b");
            assert_ne!(row.state, MemberState::Up, "{row:?}");
        }
    });
}

#[test]
fn s31_a_socket_that_swallows_requests_makes_nobody_active() {
    a_port_check_makes_nobody_active(&File::two_arm(), |bench| bench.members[1].udp = Service::Swallows);
}

#[test]
fn s31_a_connection_that_is_accepted_makes_nobody_active_where_sip_is_asked_over_tcp() {
    let file = File::two_arm().with("transport = \"udp\"", "transport = \"tcp\"").probing(100, 2);
    a_port_check_makes_nobody_active(&file, |bench| bench.members[1].tcp = Service::Swallows);
}

#[test]
fn s31_a_connection_that_is_accepted_makes_nobody_active_where_all_monitors_must_be_good() {
    let file = File::two_arm()
        .with("monitors = [\"sip-options\"]", "monitors = [\"sip-options\", \"listens\", \"half\"]")
        .and("[[monitor]]\nname = \"listens\"\nkind = \"tcp\"\ninterval = \"100ms\"\n")
        .and("[[monitor]]\nname = \"half\"\nkind = \"tcp-half-open\"\ninterval = \"100ms\"\n");
    a_port_check_makes_nobody_active(&file, |bench| {
        (bench.members[1].udp, bench.members[1].tcp) = (Service::Swallows, Service::Swallows);
    });
}

#[test]
fn s31_a_monitor_over_tcp_distinguishes_a_member_that_answers_from_one_that_does_not() {
    let file = File::two_arm().with("transport = \"udp\"", "transport = \"tcp\"");
    with_a_active(&file, |bench| {
        assert!(bench.row("sip-a").reason.contains("200"), "{:?}", bench.row("sip-a"));
        bench.members[0].tcp = Service::Swallows;
        bench.members[1].tcp = Service::Answers(200);
        bench.until(secs(3), |bench| bench.active().as_deref() == B_ACTIVE);
    });
}

#[test]
fn s32_one_lost_answer_moves_nobody() {
    with_a_active(&File::two_arm(), |bench| {
        bench.members[1].serve();
        bench.run(secs(2));
        for _ in 0..10 {
            bench.members[0].lose = 1;
            bench.run(secs(2));
            assert_eq!((bench.members[0].lose, bench.active().as_deref()), (0, A_ACTIVE));
        }
        assert_eq!(bench.probe_row("sip-a", "sip-options").failed, 10);
        assert_eq!(bench.switchovers().len(), 1);
    });
}

#[test]
fn s32_only_as_many_lost_answers_in_a_row_as_fall_says_make_a_member_down() {
    with_a_active(&File::two_arm(), |bench| {
        bench.members[0].lose = 2;
        bench.run(secs(4));
        assert_eq!((bench.state("sip-a"), bench.active().as_deref()), (MemberState::Up, A_ACTIVE));
        bench.members[0].lose = 3;
        bench.until(secs(4), |bench| bench.state("sip-a") == MemberState::Down);
        assert_eq!((bench.members[0].lose, bench.active().as_deref()), (0, A_ACTIVE), "nobody else could");
    });
}

#[test]
fn s32_one_good_answer_of_the_standby_is_not_enough() {
    with_a_active(&File::two_arm(), |bench| {
        for _ in 0..5 {
            let good = bench.probe_row("sip-b", "sip-options").ok;
            bench.members[1].serve();
            bench.until(secs(2), |bench| bench.probe_row("sip-b", "sip-options").ok > good);
            bench.members[1].retire();
            assert_ne!(bench.state("sip-b"), MemberState::Up);
            bench.run(secs(1));
            assert_eq!(bench.active().as_deref(), A_ACTIVE);
        }
    });
}

#[test]
fn s37_a_member_taken_offline_is_as_good_as_down() {
    with_a_active(&File::two_arm(), |bench| {
        let mut inward = Connection::inward(bench, at(PHONE, 40_001), 5060, HOST_A).open(bench);
        let mut routed = Connection::visit(bench, at(VISITOR, 50_000), HOST_A, 7000).open(bench);
        inward.exchange(bench);
        bench.members[1].serve();
        bench.run(secs(2));
        bench.look();
        bench.set("sip-a", AdminState::Offline);
        bench.run(ms(20));
        let seen = bench.look();
        assert_eq!((bench.admin("sip-a"), bench.active().as_deref()), (AdminState::Offline, B_ACTIVE));
        let (vip, client) = (at(V, 5060), at(PHONE, 40_001));
        let mut resets = seen.iter().filter(|seen| seen.port == OUTER).map(|seen| seen.reset(vip, client));
        assert!(resets.any(|seq| seq == inward.next.1), "its client is reset");
        assert!(seen.iter().all(|seen| inward.owns(seen)), "nobody else is sent anything");
        bench.served_by(at(PHONE, 5060), HOST_B);
        routed.exchange(bench);
        bench.set("sip-a", AdminState::Enabled);
        bench.run(secs(5));
        bench.look();
        assert_eq!((bench.state("sip-a"), bench.active().as_deref()), (MemberState::Up, B_ACTIVE));
        bench.served_by(at(PHONE, 5060), HOST_B);
    });
}

#[test]
fn s37_of_a_drained_member_only_connections_survive() {
    with_a_active(&File::two_arm(), |bench| {
        let mut inward = Connection::inward(bench, at(PHONE, 40_001), 5060, HOST_A).open(bench);
        let mut outward = Connection::outward(bench, HOST_A, 41_000, at(PEER, 5060)).open(bench);
        bench.members[1].serve();
        bench.run(secs(2));
        bench.look();
        bench.set("sip-a", AdminState::Draining);
        bench.run(secs(5));
        let seen = bench.look();
        assert!(seen.is_empty(), "{:?}", seen[0].headers());
        assert_eq!((bench.admin("sip-a"), bench.active().as_deref()), (AdminState::Draining, B_ACTIVE));
        inward.exchange(bench);
        outward.exchange(bench);
        bench.served_by(at(PHONE, 5060), HOST_B);
        Connection::inward(bench, at(PHONE, 40_002), 5060, HOST_B).open(bench).exchange(bench);
        bench.set("sip-a", AdminState::Enabled);
        bench.run(secs(5));
        bench.look();
        assert_eq!(bench.active().as_deref(), B_ACTIVE, "no automatic takeover");
        inward.exchange(bench);
    });
}

#[test]
fn s37_the_last_member_taken_offline_leaves_nobody() {
    with_a_active(&File::two_arm(), |bench| {
        bench.set("sip-a", AdminState::Offline);
        bench.run(secs(2));
        bench.look();
        assert_eq!(bench.active(), None);
        bench.refused(at(PHONE, 5060));
        bench.set("sip-a", AdminState::Enabled);
        bench.run(secs(2));
        bench.look();
        assert_eq!(bench.active().as_deref(), A_ACTIVE, "nobody else could");
        bench.served_by(at(PHONE, 5060), HOST_A);
    });
}

#[test]
fn s37_a_drained_member_keeps_the_role_and_new_work_until_another_is_up() {
    with_a_active(&File::two_arm(), |bench| {
        let mut old = Connection::inward(bench, at(PHONE, 40_001), 5060, HOST_A).open(bench);
        bench.set("sip-a", AdminState::Draining);
        bench.run(secs(6));
        assert!(bench.look().is_empty());
        assert_eq!(bench.active().as_deref(), A_ACTIVE);
        old.exchange(bench);
        bench.served_by(at(PHONE, 5060), HOST_A);
        let mut new = Connection::inward(bench, at(PHONE, 40_002), 5060, HOST_A).open(bench);
        bench.members[1].serve();
        bench.until(secs(3), |bench| bench.active().as_deref() == B_ACTIVE);
        bench.look();
        bench.served_by(at(PHONE, 5060), HOST_B);
        old.exchange(bench);
        new.exchange(bench);
    });
}

#[test]
fn s37_a_drained_member_whose_host_fails_loses_its_connections() {
    with_a_active(&File::two_arm(), |bench| {
        bench.members[1].serve();
        bench.run(secs(2));
        bench.look();
        let mut old = Connection::inward(bench, at(PHONE, 40_001), 5060, HOST_A).open(bench);
        bench.set("sip-a", AdminState::Draining);
        bench.run(secs(2));
        old.exchange(bench);
        bench.members[0].powered = false;
        bench.run(secs(5));
        let seen = bench.look();
        let resets = seen.iter().filter(|seen| seen.port == OUTER && old.owns(seen));
        assert!(resets.map(|seen| seen.reset(at(V, 5060), at(PHONE, 40_001))).any(|seq| seq == old.next.1));
    });
}
