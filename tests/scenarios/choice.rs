//! Scenarios 29 to 32 and 37: who may become active, and who may not although something answers.

use crate::told_with_a_active;
use fairlead::admin::request::AdminState;
use fairlead::admin::rows::MemberState;
use fairlead::wire::build::Build;
use testbench::world::frames::*;
use testbench::world::{Connection, File, OUTER, Service, World};

const B_ACTIVE: Option<&str> = Some("sip-b");
const A_ACTIVE: Option<&str> = Some("sip-a");

/// Probes decide for sip-b while sip-a is closed.
fn move_to_b(world: &mut World) {
    world.members[0].retire();
    world.members[1].serve();
    world.until(secs(5), |world| world.active().as_deref() == B_ACTIVE);
    world.look();
}

#[test]
fn s29_a_member_that_recovers_takes_nothing_back_until_it_is_forced() {
    told_with_a_active(&File::two_arm(), |world| {
        move_to_b(world);
        world.members[0].serve();
        world.rest(secs(10));
        assert_eq!((world.state("sip-a"), world.active().as_deref()), (MemberState::Up, B_ACTIVE));
        world.served_by(at(PHONE, 5060), HOST_B);
        world.force("sip-a");
        assert_eq!(world.active().as_deref(), A_ACTIVE);
        world.served_by(at(PHONE, 5060), HOST_A);
        world.auto();
        world.run(secs(5));
        world.look();
        assert_eq!(world.active().as_deref(), A_ACTIVE);
        world.served_by(at(PHONE, 5060), HOST_A);
    });
}

#[test]
fn s29_with_immediate_fail_back_the_first_member_takes_over_again() {
    let monitors = "monitors = [\"sip-options\"]";
    let file = File::two_arm().with(monitors, &format!("{monitors}\nfail_back = \"immediate\""));
    told_with_a_active(&file, |world| {
        move_to_b(world);
        world.members[0].serve();
        world.run(secs(2));
        assert_eq!(world.active().as_deref(), A_ACTIVE);
    });
}

#[test]
fn s29_a_forced_member_stays_whatever_its_probes_say() {
    told_with_a_active(&File::two_arm(), |world| {
        world.force("sip-b");
        world.run(secs(5));
        world.look();
        assert_eq!((world.state("sip-b"), world.active().as_deref()), (MemberState::Down, B_ACTIVE));
        world.served_by(at(PHONE, 5060), HOST_B);
        world.auto();
        world.run(secs(2));
        assert_eq!(world.active().as_deref(), A_ACTIVE, "given back, the choice is the monitors'");
    });
}

#[test]
fn s30_two_that_answer_raise_an_alarm_within_a_round_and_share_nothing() {
    told_with_a_active(&File::two_arm(), |world| {
        world.run(secs(3));
        world.look();
        let client = Connection::inward(world, at(PHONE, 40_001), 5060, HOST_A).open(world);
        world.members[1].serve();
        let took = world.until(secs(5), |world| world.alarms().iter().any(|alarm| alarm.contains("2 members answer")));
        // Two answers in a row are a member that answers: the second comes within a round of the first.
        assert!(took <= ms(1_010), "{took:?}");
        for number in 0..500 {
            let from = at(PHONE, 5060 + number);
            world.forwards(ROUTER, request(from, V), HOST_A, request(from, A));
        }
        client.says(world, |src, dst| Build::tcp(src, dst, DATA, 1001, 9001).payload(b"INVITE"));
        Connection::inward(world, at(PHONE, 40_002), 5061, HOST_A).open(world).goes_on(world);
        assert_eq!(world.active().as_deref(), A_ACTIVE);
        assert_eq!(world.switchovers().len(), 1);
        world.members[1].retire();
        world.until(secs(5), |world| world.alarms().is_empty());
    });
}

#[test]
fn s30_replies_to_what_the_other_one_sends_itself_are_all_it_gets() {
    told_with_a_active(&File::two_arm(), |world| {
        world.members[1].serve();
        world.run(secs(2));
        world.look();
        let (peer, phone) = (at(PEER, 5060), at(PHONE, 5060));
        world.forwards(HOST_B, call(B, peer), ROUTER, call(V, peer));
        world.forwards(ROUTER, request(peer, V), HOST_B, request(peer, B));
        world.forwards(ROUTER, request(phone, V), HOST_A, request(phone, A));
        Connection::outward(world, HOST_B, 41_000, peer).open(world).goes_on(world);
        Connection::inward(world, at(PEER, 40_001), 5060, HOST_A).open(world).goes_on(world);
        assert_eq!(world.active().as_deref(), A_ACTIVE);
    });
}

/// The standby's port is open for 50 ms at a time without a SIP answer, in every phase of the probes; it never becomes
/// active, neither beside an active member nor alone.
fn a_port_check_makes_nobody_active(file: &File, opens: impl Fn(&mut World)) {
    told_with_a_active(file, |world| {
        for alone in [false, true] {
            if alone {
                world.members[0].powered = false;
                world.until(secs(10), |world| world.active().is_none());
            }
            let there = world.active();
            let before = world.switchovers().len();
            for _ in 0..100 {
                opens(world);
                world.run(ms(50));
                world.members[1].retire();
                world.run(ms(37));
                assert_eq!(world.active(), there);
            }
            assert_eq!(world.switchovers().len(), before);
            let row = world.row("sip-b");
            assert_ne!(row.state, MemberState::Up, "{row:?}");
        }
    });
}

#[test]
fn s31_a_socket_that_swallows_requests_makes_nobody_active() {
    a_port_check_makes_nobody_active(&File::two_arm(), |world| world.members[1].udp = Service::Swallows);
}

#[test]
fn s31_a_connection_that_is_accepted_makes_nobody_active_where_sip_is_asked_over_tcp() {
    let file = File::two_arm().with("transport = \"udp\"", "transport = \"tcp\"").probing(100, 2);
    a_port_check_makes_nobody_active(&file, |world| world.members[1].tcp = Service::Swallows);
}

#[test]
fn s31_a_connection_that_is_accepted_makes_nobody_active_where_all_monitors_must_be_good() {
    let file = File::two_arm()
        .with("monitors = [\"sip-options\"]", "monitors = [\"sip-options\", \"listens\", \"half\"]")
        .and("[[monitor]]\nname = \"listens\"\nkind = \"tcp\"\ninterval = \"100ms\"\n")
        .and("[[monitor]]\nname = \"half\"\nkind = \"tcp-half-open\"\ninterval = \"100ms\"\n");
    a_port_check_makes_nobody_active(&file, |world| {
        (world.members[1].udp, world.members[1].tcp) = (Service::Swallows, Service::Swallows);
    });
}

#[test]
fn s31_a_monitor_over_tcp_tells_a_member_that_answers_from_one_that_does_not() {
    let file = File::two_arm().with("transport = \"udp\"", "transport = \"tcp\"");
    told_with_a_active(&file, |world| {
        assert!(world.row("sip-a").reason.contains("200"), "{:?}", world.row("sip-a"));
        world.members[0].tcp = Service::Swallows;
        world.members[1].tcp = Service::Answers(200);
        world.until(secs(3), |world| world.active().as_deref() == B_ACTIVE);
    });
}

#[test]
fn s32_one_lost_answer_moves_nobody() {
    told_with_a_active(&File::two_arm(), |world| {
        world.members[1].serve();
        world.run(secs(2));
        for _ in 0..10 {
            world.members[0].lose = 1;
            world.run(secs(2));
            assert_eq!((world.members[0].lose, world.active().as_deref()), (0, A_ACTIVE));
        }
        assert_eq!(world.probe_row("sip-a", "sip-options").failed, 10);
        assert_eq!(world.switchovers().len(), 1);
    });
}

#[test]
fn s32_only_as_many_lost_answers_in_a_row_as_fall_says_make_a_member_down() {
    told_with_a_active(&File::two_arm(), |world| {
        world.members[0].lose = 2;
        world.run(secs(4));
        assert_eq!((world.state("sip-a"), world.active().as_deref()), (MemberState::Up, A_ACTIVE));
        world.members[0].lose = 3;
        world.until(secs(4), |world| world.state("sip-a") == MemberState::Down);
        assert_eq!(world.members[0].lose, 0);
        assert_eq!(world.active(), None);
    });
}

#[test]
fn s32_one_good_answer_of_the_standby_is_not_enough() {
    told_with_a_active(&File::two_arm(), |world| {
        for _ in 0..5 {
            let good = world.probe_row("sip-b", "sip-options").ok;
            world.members[1].serve();
            world.until(secs(2), |world| world.probe_row("sip-b", "sip-options").ok > good);
            world.members[1].retire();
            assert_ne!(world.state("sip-b"), MemberState::Up);
            world.run(secs(1));
            assert_eq!(world.active().as_deref(), A_ACTIVE);
        }
    });
}

#[test]
fn s37_a_member_taken_offline_is_as_good_as_down() {
    told_with_a_active(&File::two_arm(), |world| {
        let mut inward = Connection::inward(world, at(PHONE, 40_001), 5060, HOST_A).open(world);
        let mut routed = Connection::visit(world, at(VISITOR, 50_000), HOST_A, 7000).open(world);
        inward.goes_on(world);
        world.members[1].serve();
        world.run(secs(2));
        world.look();
        world.set("sip-a", AdminState::Offline);
        world.run(ms(20));
        let seen = world.look();
        assert_eq!((world.admin("sip-a"), world.active().as_deref()), (AdminState::Offline, B_ACTIVE));
        let (vip, client) = (at(V, 5060), at(PHONE, 40_001));
        let mut resets = seen.iter().filter(|seen| seen.port == OUTER).map(|seen| seen.reset(vip, client));
        assert!(resets.any(|seq| seq == inward.next.1), "its client is reset");
        assert!(seen.iter().all(|seen| inward.owns(seen)), "nobody else is told anything");
        world.served_by(at(PHONE, 5060), HOST_B);
        routed.goes_on(world);
        world.set("sip-a", AdminState::Enabled);
        world.run(secs(5));
        world.look();
        assert_eq!((world.state("sip-a"), world.active().as_deref()), (MemberState::Up, B_ACTIVE));
        world.served_by(at(PHONE, 5060), HOST_B);
    });
}

#[test]
fn s37_of_a_drained_member_only_connections_survive() {
    told_with_a_active(&File::two_arm(), |world| {
        let mut inward = Connection::inward(world, at(PHONE, 40_001), 5060, HOST_A).open(world);
        let mut outward = Connection::outward(world, HOST_A, 41_000, at(PEER, 5060)).open(world);
        world.members[1].serve();
        world.run(secs(2));
        world.look();
        world.set("sip-a", AdminState::Draining);
        world.run(secs(5));
        let seen = world.look();
        assert!(seen.is_empty(), "{:?}", seen[0].headers());
        assert_eq!((world.admin("sip-a"), world.active().as_deref()), (AdminState::Draining, B_ACTIVE));
        inward.goes_on(world);
        outward.goes_on(world);
        world.served_by(at(PHONE, 5060), HOST_B);
        Connection::inward(world, at(PHONE, 40_002), 5060, HOST_B).open(world).goes_on(world);
        world.set("sip-a", AdminState::Enabled);
        world.run(secs(5));
        world.look();
        assert_eq!(world.active().as_deref(), B_ACTIVE, "no automatic takeover");
        inward.goes_on(world);
    });
}

#[test]
fn s37_the_last_member_taken_offline_leaves_nobody() {
    told_with_a_active(&File::two_arm(), |world| {
        world.set("sip-a", AdminState::Offline);
        world.run(secs(2));
        world.look();
        assert_eq!(world.active(), None);
        world.refused(at(PHONE, 5060));
        world.set("sip-a", AdminState::Enabled);
        world.run(secs(2));
        world.look();
        assert_eq!(world.active().as_deref(), A_ACTIVE, "nobody else could");
        world.served_by(at(PHONE, 5060), HOST_A);
    });
}

#[test]
fn s37_a_drained_member_without_another_keeps_its_connections_and_gets_nothing_new() {
    told_with_a_active(&File::two_arm(), |world| {
        let mut old = Connection::inward(world, at(PHONE, 40_001), 5060, HOST_A).open(world);
        world.set("sip-a", AdminState::Draining);
        world.run(secs(1));
        assert!(world.look().is_empty());
        assert_eq!(world.active(), None);
        old.goes_on(world);
        world.refused(at(PHONE, 5060));
        let client = at(PHONE, 40_002);
        let seen = world.pass(ROUTER, &Build::tcp(client, at(V, 5060), SYN, 1, 0));
        assert_eq!((seen.len(), seen[0].reset(at(V, 5060), client)), (1, 0));
        old.goes_on(world);
    });
}

#[test]
fn s37_a_drained_member_whose_host_dies_loses_its_connections() {
    told_with_a_active(&File::two_arm(), |world| {
        world.members[1].serve();
        world.run(secs(2));
        world.look();
        let mut old = Connection::inward(world, at(PHONE, 40_001), 5060, HOST_A).open(world);
        world.set("sip-a", AdminState::Draining);
        world.run(secs(2));
        old.goes_on(world);
        world.members[0].powered = false;
        world.run(secs(5));
        let seen = world.look();
        let resets = seen.iter().filter(|seen| seen.port == OUTER && old.owns(seen));
        assert!(resets.map(|seen| seen.reset(at(V, 5060), at(PHONE, 40_001))).any(|seq| seq == old.next.1));
    });
}
