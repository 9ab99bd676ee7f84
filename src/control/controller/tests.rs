//! The controller in a world of fake workers and members: the acceptance scenarios' control part.

use super::harness::{file_of, two_arm};
use super::world::{Host, Manner, World};
use super::*;
use crate::control::admin::answer::{Code, Data, Told};
use crate::control::admin::request::{FlowSelection, MemberWord};
use crate::control::admin::rows::{MemberRow, MemberState, NeighbourState, Origin, Role, ServiceState};
use crate::policy::adjacency::{Neighbour, NextHop};
use crate::policy::health::State;
use crate::policy::intent::InterfaceId;
use crate::wire::build::Build;
use crate::wire::{Endpoint, Headers, Kind, Protocol, Tuple};
use crate::worker::mailbox::{FlowRow, Hint};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

const A: usize = 0;
const B: usize = 1;
const ROUTER: usize = 2;
const V: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 100);

fn members(world: &mut World) -> Vec<MemberRow> {
    match world.ask(Request::Members) {
        Some(Ok(Told { data: Data::Members(rows), .. })) => rows,
        other => panic!("{other:?}"),
    }
}

fn member_set(name: &str, word: MemberWord) -> Request {
    Request::MemberSet { name: name.into(), word }
}

fn force(member: &str) -> Request {
    Request::PoolForce { pool: "pair-1".into(), member: member.into() }
}

#[test]
fn scenario_16_who_answers_is_active_who_refuses_is_standby_and_the_reasons_say_so() {
    let mut world = World::new();
    assert!(world.ready);
    world.run(700);
    assert_eq!(world.active().as_deref(), Some("sip-a"));
    let rows = members(&mut world);
    assert_eq!((rows[A].state, rows[A].role), (MemberState::Up, Role::Active));
    assert_eq!((rows[B].state, rows[B].role), (MemberState::Down, Role::Standby));
    assert!(rows[A].reason.contains("200"), "{}", rows[A].reason);
    assert!(rows[B].reason.contains("unreachable"), "{}", rows[B].reason);
    assert_eq!((rows[A].flows, rows[B].flows), (6, 2), "of both workers");
    assert!(rows[A].probes[0].last_rtt_us.is_some_and(|rtt| rtt >= 300));
}

#[test]
fn scenario_17_nobody_answers_at_boot() {
    let mut world = World::new();
    world.hosts[A].manner = Manner::Mute;
    world.run(2_000);
    assert_eq!(world.active(), None);
    match world.ask(Request::Status).unwrap().unwrap().data {
        Data::Status(status) => {
            assert_eq!(status.services[0].state, ServiceState::Down);
            assert!(status.alarms.iter().any(|alarm| alarm.message.contains("no member is up")), "{:?}", status.alarms);
            assert_eq!((status.name.as_str(), status.workers.len(), status.workers[1].core), ("lead-1", 2, 2));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn scenario_18_a_loss_is_detected_and_installed_within_700_ms() {
    let mut world = World::settled();
    let lost = world.now;
    (world.hosts[A].manner, world.hosts[B].manner) = (Manner::Mute, Manner::Answers(200));
    while world.active().as_deref() != Some("sip-b") {
        world.run(1);
        assert!(world.now.since(lost) < Duration::from_millis(700), "{:?}", world.now.since(lost));
    }
    let Data::Switchovers(rows) = world.ask(Request::Switchovers).unwrap().unwrap().data else { panic!() };
    let last = rows.last().unwrap();
    assert_eq!((last.from.as_deref(), last.to.as_deref()), (Some("sip-a"), Some("sip-b")));
    assert!(last.last_good_answer.unwrap() < last.detected);
    assert!(last.published.unwrap() >= last.detected && last.installed.unwrap() >= last.published.unwrap());
    assert_eq!(world.logged("switchover of pool pair-1: sip-a -> sip-b"), 1);
}

#[test]
fn scenario_20_a_hint_makes_the_whole_pair_be_asked_at_once() {
    let mut world = World::settled();
    world.run(60);
    let (before, sent) = (world.now, world.options.len());
    world.give(Input::Event(Event::Hint { member: MemberId(1), hint: Hint::StandbySpeaks }));
    let asked: Vec<Ipv4Addr> = world.options[sent..].iter().map(|(to, _)| *to).collect();
    assert_eq!((asked.len(), world.now), (2, before), "{asked:?}");
    assert_eq!(world.active().as_deref(), Some("sip-a"), "a hint decides nothing");
}

#[test]
fn scenario_21_and_24_the_lost_member_neither_claims_nor_keeps_its_tcp() {
    let mut world = World::settled();
    let while_active = world.snapshot().pools[0].generation;
    (world.hosts[A].manner, world.hosts[B].manner) = (Manner::Refuses, Manner::Answers(200));
    world.run(700);
    let member = |world: &World, at: usize| world.snapshot().members[at].clone();
    assert!(member(&world, A).lost_before > while_active && !member(&world, A).may_claim);
    assert!(member(&world, B).lost_before <= while_active && member(&world, B).may_claim);
    world.run(33_000);
    assert!(member(&world, A).may_claim, "an echo of 32 seconds ago is none");
}

#[test]
fn scenario_29_no_fail_back_until_forced() {
    let mut world = World::settled();
    (world.hosts[A].manner, world.hosts[B].manner) = (Manner::Refuses, Manner::Answers(200));
    world.run(1_000);
    world.hosts[A].manner = Manner::Answers(200);
    world.run(3_000);
    assert_eq!(world.active().as_deref(), Some("sip-b"));
    let told = world.ask(force("sip-a")).expect("workers are awake").unwrap();
    assert_eq!(world.active().as_deref(), Some("sip-a"));
    assert_eq!(told.epoch, world.snapshot().epoch.0);
    world.ask(Request::PoolAuto { pool: "pair-1".into() }).unwrap().unwrap();
    world.run(3_000);
    assert_eq!(world.active().as_deref(), Some("sip-a"));
}

#[test]
fn scenario_30_two_that_answer_raise_an_alarm_and_move_nothing() {
    let mut world = World::settled();
    world.hosts[B].manner = Manner::Answers(200);
    world.run(500);
    assert_eq!(world.active().as_deref(), Some("sip-a"));
    assert_eq!(world.logged("2 members answer"), 1);
    world.hosts[B].manner = Manner::Refuses;
    world.run(500);
    assert_eq!(world.logged("alarm is over: pool pair-1"), 1);
}

#[test]
fn scenario_31_an_open_port_without_an_answer_makes_nobody_active() {
    let mut world = World::settled();
    for _ in 0..20 {
        world.hosts[B].manner = Manner::Mute;
        world.run(50);
        world.hosts[B].manner = Manner::Refuses;
        world.run(150);
    }
    assert_eq!((world.active().as_deref(), world.logged("switchover")), (Some("sip-a"), 1));
}

#[test]
fn scenario_32_one_lost_answer_moves_nothing_and_one_success_neither() {
    let mut world = World::settled();
    world.hosts[A].manner = Manner::Mute;
    world.hosts[B].manner = Manner::Answers(200);
    world.run(200);
    world.hosts[A].manner = Manner::Answers(200);
    world.hosts[B].manner = Manner::Refuses;
    world.run(2_000);
    assert_eq!((world.active().as_deref(), world.logged("switchover")), (Some("sip-a"), 1));
}

#[test]
fn scenario_33_only_the_codes_of_the_filter_are_good() {
    let mut world = World::settled();
    world.hosts[A].manner = Manner::Answers(503);
    world.run(1_000);
    assert_eq!(world.active(), None);
    assert!(members(&mut world)[A].reason.contains("503"));
    world.hosts[A].manner = Manner::Answers(302);
    world.run(1_000);
    assert_eq!(world.active().as_deref(), Some("sip-a"));
}

#[test]
fn scenario_34_no_two_probes_share_a_call_id_and_they_leave_from_the_self_ip() {
    let mut world = World::settled();
    world.run(2_000);
    let line = |text: &str, name: &str| text.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    let ids: BTreeSet<String> =
        world.options.iter().map(|(_, text)| line(text, "Call-ID") + &line(text, "Via")).collect();
    assert_eq!(ids.len(), world.options.len());
    let probes = world.frames.iter().map(|(_, _, frame)| Headers::parse(frame).unwrap());
    for probe in probes.filter(|headers| matches!(headers.kind, Kind::Udp { .. })) {
        assert_eq!(probe.src, Ipv4Addr::new(10, 20, 0, 1));
    }
}

#[test]
fn scenario_36_a_member_that_does_not_answer_arp_is_down_and_the_reason_says_so() {
    let mut world = World::settled();
    world.run(25_000);
    world.hosts[A].manner = Manner::Dead;
    world.run(5_000);
    let hop = NextHop { interface: InterfaceId(1), address: world.hosts[A].address };
    assert_eq!(world.snapshot().neighbour(hop), Some(Neighbour::Failed));
    assert!(world.given_up.contains(&hop));
    let rows = members(&mut world);
    assert_eq!(rows[A].state, MemberState::Down);
    assert!(rows[A].reason.contains("does not answer ARP"), "{}", rows[A].reason);
    assert_eq!(world.logged("member sip-a does not answer ARP"), 1);
    world.hosts[A].manner = Manner::Answers(200);
    world.run(7_000);
    assert_eq!(world.active().as_deref(), Some("sip-a"), "asked for ever, it comes back");
}

#[test]
fn scenario_37_the_operators_word_is_installed_when_it_is_answered() {
    let mut world = World::settled();
    world.hosts[B].manner = Manner::Answers(200);
    world.run(1_000);
    let told = world.ask(member_set("sip-a", MemberWord::Offline)).unwrap().unwrap();
    assert_eq!((world.active().as_deref(), told.epoch), (Some("sip-b"), world.snapshot().epoch.0));
    let Data::Members(rows) = told.data else { panic!() };
    assert_eq!((rows[A].state, rows[A].role), (MemberState::Offline, Role::None));
    assert_eq!(world.snapshot().members[A].lost_before, world.snapshot().pools[0].generation);
    world.ask(member_set("sip-a", MemberWord::Enable)).unwrap().unwrap();
    world.run(2_000);
    assert_eq!(world.active().as_deref(), Some("sip-b"), "no automatic takeover");
    world.ask(force("sip-a")).unwrap().unwrap();
    world.ask(member_set("sip-a", MemberWord::Drain)).unwrap().unwrap();
    assert_eq!(world.active().as_deref(), Some("sip-b"));
    assert!(world.snapshot().members[A].lost_before < world.snapshot().pools[0].generation, "its TCP survives");
}

#[test]
fn a_change_is_answered_when_the_last_worker_has_it_or_patience_ends() {
    let mut world = World::settled();
    world.sleep(1, true);
    assert!(world.ask(member_set("sip-a", MemberWord::Drain)).is_none());
    world.run(100);
    assert!(world.answers.is_empty());
    world.sleep(1, false);
    assert_eq!(world.answers.len(), 1);
    world.answers.clear();
    world.sleep(1, true);
    let refused = world.ask_and_wait(member_set("sip-a", MemberWord::Enable), 6_000).unwrap_err();
    assert_eq!(refused.code, Code::NoAnswer);
    world.sleep(1, false);
}

#[test]
fn scenario_15_addresses_are_announced_twice_two_seconds_apart() {
    let mut world = World::new();
    world.run(3_000);
    let of = |address| world.announced(Instant::ZERO).into_iter().filter(move |(_, one)| *one == address);
    for address in [V, Ipv4Addr::new(10, 20, 0, 1), Ipv4Addr::new(192, 0, 2, 2)] {
        let times: Vec<u64> = of(address).map(|(at, _)| at.nanos() / 1_000_000).collect();
        assert_eq!(times, [0, 2_000], "{address}");
    }
}

#[test]
fn scenario_76_a_duplicate_address_is_an_alarm_and_defended_once_in_ten_seconds() {
    let mut world = World::settled();
    world.run(70_000);
    let (begin, foreign) = (world.now, Mac([2, 9, 9, 9, 9, 9]));
    for _ in 0..5 {
        world.arp(InterfaceId(1), Build::arp_request(foreign, V, V).bytes());
        world.run(1_000);
    }
    assert_eq!((world.announced(begin).len(), world.logged("claims 10.20.0.100")), (1, 1));
    world.run(6_000);
    world.arp(InterfaceId(1), Build::arp_request(foreign, V, V).bytes());
    assert_eq!(world.announced(begin).len(), 2);
    let Data::Status(status) = world.ask(Request::Status).unwrap().unwrap().data else { panic!() };
    assert!(status.alarms.iter().any(|alarm| alarm.message.contains("02:09:09:09:09:09")));
    assert_eq!(world.active().as_deref(), Some("sip-a"), "service goes on");
}

#[test]
fn scenario_77_a_router_that_moves_is_followed_with_the_next_snapshot() {
    let mut world = World::settled();
    let hop = NextHop { interface: InterfaceId(0), address: world.hosts[ROUTER].address };
    assert_eq!(world.snapshot().neighbour(hop), Some(Neighbour::Reachable(world.hosts[ROUTER].mac)));
    let other = Mac([0, 0, 0x5e, 0, 1, 7]);
    world.arp(InterfaceId(0), Build::arp_request(other, hop.address, hop.address).bytes());
    assert_eq!(world.snapshot().neighbour(hop), Some(Neighbour::Reachable(other)));
}

#[test]
fn scenario_78_a_wanted_host_is_resolved_or_given_up() {
    let mut world = World::settled();
    let here = NextHop { interface: InterfaceId(0), address: Ipv4Addr::new(192, 0, 2, 50) };
    let gone = NextHop { interface: InterfaceId(0), address: Ipv4Addr::new(192, 0, 2, 51) };
    world.hosts.push(Host {
        interface: here.interface,
        address: here.address,
        mac: Mac([2, 0, 0, 0, 3, 1]),
        manner: Manner::Mute,
    });
    world.give(Input::Event(Event::Wanted(here)));
    world.give(Input::Event(Event::Wanted(gone)));
    world.run(1);
    assert_eq!(world.snapshot().neighbour(here), Some(Neighbour::Reachable(Mac([2, 0, 0, 0, 3, 1]))));
    assert_eq!(world.given_up, []);
    world.run(4_000);
    assert_eq!((world.given_up.clone(), world.snapshot().neighbour(gone)), (vec![gone], Some(Neighbour::Failed)));
    world.run(6_000);
    assert_eq!(world.snapshot().neighbour(gone), None, "it may be asked for again");
}

#[test]
fn every_snapshot_comes_home_and_epochs_only_grow() {
    let mut world = World::settled();
    for round in 0..30 {
        let word = if round % 2 == 0 { MemberWord::Drain } else { MemberWord::Enable };
        world.sleep(1, round % 3 == 0);
        world.ask(member_set("sip-b", word));
        world.sleep(1, false);
        world.run(100);
    }
    assert!(world.epochs.is_sorted() && world.epochs.len() > 30);
    assert_eq!(world.controller.snapshots_abroad(), 1, "only the latest is out");
    world.give(Input::Stop);
    assert!(world.stopped);
    assert_eq!(world.controller.snapshots_abroad(), 0);
}

#[test]
fn at_the_end_nobody_is_left_without_an_answer() {
    let mut world = World::settled();
    world.sleep(1, true);
    assert!(world.ask(Request::ProbeNow { member: "sip-a".into() }).is_none());
    assert!(world.ask(member_set("sip-b", MemberWord::Drain)).is_none());
    assert!(world.ask(Request::FlowsClear { filter: FlowSelection::default() }).is_none());
    world.give(Input::Stop);
    assert_eq!(world.answers.len(), 3);
    assert!(world.answers.values().all(|answer| answer.as_ref().is_err_and(|error| error.code == Code::Stopping)));
    assert_eq!(world.ask(Request::Members).unwrap().unwrap_err().code, Code::Stopping);
    assert!(!world.stopped);
    world.run(5_000);
    assert!(world.stopped, "it does not wait for ever");
    assert_eq!(world.logged("1 workers did not end"), 1);
}

#[test]
fn exclusions_change_live_and_say_who_put_them_there() {
    let mut world = World::settled();
    let (pool, prefix) = ("pair-1".to_owned(), "10.99.0.0/16".parse().unwrap());
    let told = world.ask(Request::ExcludeAdd { pool: pool.clone(), prefix }).unwrap().unwrap();
    let Data::Excluded(rows) = told.data else { panic!() };
    assert_eq!((rows.len(), rows[2].origin, rows[0].origin), (3, Origin::Operator, Origin::File));
    assert!(world.snapshot().pools[0].snat.as_ref().unwrap().excludes(Ipv4Addr::new(10, 99, 1, 1)));
    world.ask(Request::ExcludeRemove { pool: pool.clone(), prefix }).unwrap().unwrap();
    assert!(!world.snapshot().pools[0].snat.as_ref().unwrap().excludes(Ipv4Addr::new(10, 99, 1, 1)));
    let refused = world.ask(Request::ExcludeRemove { pool, prefix }).unwrap().unwrap_err();
    assert_eq!(refused.code, Code::UnknownPrefix);
}

#[test]
fn unknown_names_are_refused_with_the_known_ones() {
    let mut world = World::settled();
    let flows = |filter| Request::Flows { filter, limit: 10 };
    let member = FlowSelection { member: Some("x".into()), ..FlowSelection::default() };
    let service = FlowSelection { service: Some("x".into()), ..FlowSelection::default() };
    let rows = [
        (member_set("x", MemberWord::Drain), Code::UnknownMember, "sip-a, sip-b"),
        (Request::ProbeNow { member: "x".into() }, Code::UnknownMember, "sip-a, sip-b"),
        (force("x"), Code::UnknownMember, "sip-a, sip-b"),
        (Request::PoolAuto { pool: "x".into() }, Code::UnknownPool, "pair-1"),
        (Request::ExcludeList { pool: "x".into() }, Code::UnknownPool, "pair-1"),
        (flows(member), Code::UnknownMember, "sip-a, sip-b"),
        (flows(service), Code::UnknownService, "sip-1"),
    ];
    for (request, code, known) in rows {
        let error = world.ask(request.clone()).unwrap().unwrap_err();
        assert_eq!(error.code, code, "{request:?}");
        assert!(error.message.contains(known), "{}", error.message);
    }
    world.ask(member_set("sip-b", MemberWord::Offline)).unwrap().unwrap();
    assert_eq!(world.ask(force("sip-b")).unwrap().unwrap_err().code, Code::Refused);
}

#[test]
fn probe_now_asks_at_once_and_tells_what_came() {
    let mut world = World::settled();
    let sent = world.options.len();
    let told = world.ask_and_wait(Request::ProbeNow { member: "sip-a".into() }, 2_000).unwrap();
    let Data::Probes(rows) = told.data else { panic!() };
    assert_eq!((rows.len(), rows[0].kind.as_str(), rows[0].state), (1, "sip/udp 5060", MemberState::Up));
    assert!(world.options.len() > sent);
    assert_eq!(rows[0].sent, rows[0].good + rows[0].failed);
    world.hosts[A].manner = Manner::Mute;
    let told = world.ask_and_wait(Request::ProbeNow { member: "sip-a".into() }, 2_000).unwrap();
    let Data::Probes(rows) = told.data else { panic!() };
    assert!(rows[0].failed > 0 && rows[0].reason.contains("no answer"), "{}", rows[0].reason);
}

#[test]
fn every_table_has_its_rows() {
    let mut world = World::settled();
    let count = |data: Data| match data {
        Data::Services(rows) => rows.len(),
        Data::Probes(rows) => rows.len(),
        Data::Snat(rows) => rows.len(),
        Data::Neighbours(rows) => {
            assert!(rows.iter().all(|row| row.state == NeighbourState::Reachable), "{rows:?}");
            assert_eq!(
                rows.iter().map(|row| row.who.as_str()).collect::<Vec<_>>(),
                ["router", "member sip-a", "member sip-b"]
            );
            rows.len()
        }
        Data::Routes(rows) => rows.len(),
        Data::Ports(rows) => rows.len(),
        Data::Switchovers(rows) => rows.len(),
        other => panic!("{other:?}"),
    };
    let rows = [
        (Request::Services, 1),
        (Request::Probes, 2),
        (Request::Snat, 3),
        (Request::Neighbours, 3),
        (Request::Routes, 3),
        (Request::Ports, 2),
        (Request::Switchovers, 1),
    ];
    for (request, expected) in rows {
        assert_eq!(count(world.ask(request.clone()).unwrap().unwrap().data), expected, "{request:?}");
    }
    let counters = |world: &mut World, all| match world.ask(Request::Counters { all }).unwrap().unwrap().data {
        Data::Counters(rows) => rows,
        other => panic!("{other:?}"),
    };
    let few = counters(&mut world, false);
    assert_eq!(few.iter().find(|row| row.name == "received").map(|row| row.value), Some(21), "of both workers");
    assert!(few.iter().all(|row| row.value > 0 && row.worker.is_none()));
    let all = counters(&mut world, true);
    assert!(all.iter().any(|row| row.name == "drop_no_route" && row.worker == Some(1)));
}

#[test]
fn flows_come_from_all_workers_within_the_limit_and_a_silent_worker_holds_nobody_up() {
    let mut world = World::settled();
    let tuple = Tuple::new(Protocol::Udp, Endpoint::new(Ipv4Addr::new(172, 16, 5, 5), 5060), Endpoint::new(V, 5060));
    world.flows = vec![
        FlowRow {
            worker: WorkerId(0),
            path: "service",
            protocol: Protocol::Udp,
            opened_by: tuple,
            became: tuple,
            member: Some(MemberId(0)),
            state: "open",
            idle: Duration::from_millis(3),
            expires_in: Duration::from_secs(9),
        };
        6
    ];
    let list = |limit| Request::Flows { filter: FlowSelection::default(), limit };
    for (limit, expected) in [(100, 12), (7, 7)] {
        let Data::Flows(rows) = world.ask(list(limit)).unwrap().unwrap().data else { panic!() };
        assert_eq!((rows.len(), rows[0].member.as_deref(), rows[0].idle_ms), (expected, Some("sip-a"), 3));
    }
    let clear = Request::FlowsClear { filter: FlowSelection::default() };
    let Data::Cleared(cleared) = world.ask(clear).unwrap().unwrap().data else { panic!() };
    assert_eq!(cleared.count, 12);
    world.sleep(1, true);
    let Data::Flows(rows) = world.ask_and_wait(list(100), 2_100).unwrap().data else { panic!() };
    assert_eq!((rows.len(), world.logged("1 workers did not answer")), (6, 1));
    world.sleep(0, true);
    assert_eq!(world.ask_and_wait(list(100), 2_100).unwrap_err().code, Code::NoAnswer);
}

fn reload(world: &mut World, read: Result<Configuration, String>) -> Answer {
    assert!(world.ask(Request::Reload).is_none());
    let ticket = world.reads.pop().expect("the file is asked for");
    world.give(Input::Reload { ticket, read: read.map(Box::new) });
    world.answers.remove(&ticket.expect("with the ticket")).expect("an answer")
}

#[test]
fn scenario_83_a_reload_takes_over_what_is_new_and_keeps_what_is_known() {
    let mut world = World::settled();
    world.hosts[B].manner = Manner::Answers(200);
    world.ask(member_set("sip-b", MemberWord::Drain)).unwrap().unwrap();
    let mut intent = two_arm();
    intent.monitors[0].interval = Duration::from_millis(300);
    let mut server = intent.virtual_servers[0].clone();
    (server.name, server.address) = ("sip-2".into(), Ipv4Addr::new(10, 20, 0, 101));
    intent.virtual_servers.push(server);
    let before = world.now;
    let told = reload(&mut world, Ok(file_of(&intent))).unwrap();
    let Data::Reloaded(reloaded) = told.data else { panic!() };
    assert_eq!(reloaded.changes.len(), 2, "{reloaded:?}");
    assert_eq!(world.snapshot().virtuals.len(), 2);
    assert_eq!(world.active().as_deref(), Some("sip-a"), "not for a moment without an active member");
    assert_eq!(members(&mut world)[B].state, MemberState::Drained, "the operator's word stands");
    assert_eq!(world.announced(before), [(before, Ipv4Addr::new(10, 20, 0, 101))]);
    let again = reload(&mut world, Ok(file_of(&intent))).unwrap();
    assert!(matches!(again.data, Data::Reloaded(reloaded) if reloaded.changes.is_empty()));
}

#[test]
fn scenario_83_a_bad_file_and_one_that_needs_a_restart_change_nothing() {
    let mut world = World::settled();
    let epoch = world.snapshot().epoch;
    let refused = reload(&mut world, Err("error: `poool` is not a key".into())).unwrap_err();
    assert_eq!((refused.code, refused.message.as_str()), (Code::BadFile, "error: `poool` is not a key"));
    let mut intent = two_arm();
    intent.ports[0].device = "0000:3b:00.1".into();
    intent.monitors[0].fall = 9;
    let refused = reload(&mut world, Ok(file_of(&intent))).unwrap_err();
    assert_eq!(refused.code, Code::Refused);
    assert!(refused.message.contains("0000:3b:00.1") && !refused.message.contains("fall"), "{}", refused.message);
    assert_eq!((world.snapshot().epoch, world.controller.intent.monitors[0].fall), (epoch, 2));
    world.give(Input::Hangup);
    assert_eq!(world.reads, [None]);
}

#[test]
fn a_link_that_is_lost_is_an_alarm_and_hastens_the_probes_behind_it() {
    let mut world = World::settled();
    world.run(60);
    let sent = world.options.len();
    world.give(Input::Link { port: PortId(1), up: false });
    assert_eq!(world.options.len(), sent + 2);
    let alarms = |world: &mut World| match world.ask(Request::Status).unwrap().unwrap().data {
        Data::Status(status) => status.alarms.iter().filter(|alarm| alarm.message.contains("link is down")).count(),
        other => panic!("{other:?}"),
    };
    assert_eq!(alarms(&mut world), 1);
    let begin = world.now;
    world.give(Input::Link { port: PortId(1), up: true });
    assert_eq!((alarms(&mut world), world.announced(begin).len()), (0, 2));
}

#[test]
fn a_link_that_comes_up_late_costs_nothing() {
    let mut world = World::settled();
    for host in &mut world.hosts {
        host.manner = Manner::Dead;
    }
    world.run(40_000);
    assert_eq!(world.active(), None);
    world.hosts[A].manner = Manner::Answers(200);
    world.give(Input::Link { port: PortId(1), up: false });
    world.give(Input::Link { port: PortId(1), up: true });
    world.run(700);
    assert_eq!(world.active().as_deref(), Some("sip-a"));
}

#[derive(Clone, Debug)]
enum Step {
    Manner(usize, usize),
    Word(usize, usize),
    Force(usize),
    Auto,
    Sleep(usize, bool),
    Hint(u16),
    Run(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..2usize, 0..4usize).prop_map(|(member, manner)| Step::Manner(member, manner)),
        1 => (0..2usize, 0..3usize).prop_map(|(member, word)| Step::Word(member, word)),
        1 => (0..2usize).prop_map(Step::Force),
        1 => Just(Step::Auto),
        1 => (0..2usize, any::<bool>()).prop_map(|(worker, asleep)| Step::Sleep(worker, asleep)),
        1 => (0..9u16).prop_map(Step::Hint),
        4 => (1..3_000u64).prop_map(Step::Run),
    ]
}

fn play(world: &mut World, step: Step) {
    let name = |member: usize| ["sip-a", "sip-b"][member];
    match step {
        Step::Manner(member, manner) => {
            world.hosts[member].manner = [Manner::Answers(200), Manner::Refuses, Manner::Mute, Manner::Dead][manner];
        }
        Step::Word(member, word) => {
            let word = [MemberWord::Enable, MemberWord::Drain, MemberWord::Offline][word];
            world.ask(member_set(name(member), word));
        }
        Step::Force(member) => {
            world.ask(force(name(member)));
        }
        Step::Auto => {
            world.ask(Request::PoolAuto { pool: "pair-1".into() });
        }
        Step::Sleep(worker, asleep) => world.sleep(worker, asleep),
        Step::Hint(member) => {
            world.give(Input::Event(Event::Hint { member: MemberId(member), hint: Hint::Reset }));
        }
        Step::Run(millis) => world.run(millis),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn whatever_happens_no_worker_sends_to_a_member_that_is_down_while_another_is_up(
        steps in prop::collection::vec(any_step(), 1..40),
    ) {
        let mut world = World::new();
        for step in steps {
            play(&mut world, step);
            let forced = world.controller.pools.pools[0].forced;
            world.sleep(0, false);
            world.sleep(1, false);
            let snapshot = world.snapshot();
            let state = |id: MemberId| snapshot.members[id.index()].state;
            let up = (0..2u16).map(MemberId).find(|id| state(*id) == State::Up);
            match snapshot.pools[0].active {
                Some(active) if forced != Some(active) => {
                    prop_assert!(state(active) != State::Offline && state(active) != State::Drained);
                    prop_assert!(state(active) != State::Down || up.is_none());
                }
                Some(active) => prop_assert!(state(active) != State::Offline),
                None => prop_assert!(up.is_none()),
            }
            prop_assert!(world.epochs.is_sorted());
            prop_assert_eq!(world.controller.snapshots_abroad(), 1);
        }
    }
}
