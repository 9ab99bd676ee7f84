//! Admin states of members: what the file says, and what the operator has set over it.

use super::*;
use crate::control::OperatorState;
use crate::policy::Intent;

/// The file with one member so.
fn file(member: usize, admin: AdminState) -> Intent {
    let mut file = two_arm();
    file.members[member].admin_state = admin;
    file
}

/// Both members answer.
fn both_up(bench: &mut Bench) {
    bench.hosts.iter_mut().take(2).for_each(|host| host.manner = Manner::Answers(200));
    bench.run(1_000);
}

fn set(bench: &mut Bench, name: &str, admin: AdminState) {
    let request = Request::MemberSet { member: name.into(), admin, yes: true, for_s: None };
    bench.ask(request).expect("an answer").unwrap();
}

fn admin(bench: &mut Bench, member: usize) -> (AdminState, AdminState) {
    let row = &members(bench)[member];
    (row.admin, row.admin_file)
}

/// What differs from the file: of whom, how it is set, what the file says.
fn differs(bench: &mut Bench) -> Vec<[String; 3]> {
    let Some(Ok(Answered { data: Data::Settings(rows), .. })) = bench.ask(Request::StateShow {}) else { panic!() };
    assert_eq!(bench.controller.settings(), rows.len());
    rows.into_iter().map(|row| [row.what, row.setting, row.file]).collect()
}

fn row(what: &str, setting: &str, file: &str) -> Vec<[String; 3]> {
    vec![[what, setting, file].map(String::from)]
}

#[test]
fn a_member_is_from_the_start_on_as_the_file_has_it() {
    for (word, reason) in [
        (AdminState::Draining, "drained by the file; sip-options: 200 Whatever"),
        (AdminState::Offline, "taken offline by the file; sip-options: 200 Whatever"),
    ] {
        let mut bench = Bench::of(&file(A, word));
        both_up(&mut bench);
        let rows = members(&mut bench);
        assert_eq!((rows[A].admin, rows[A].admin_file, rows[A].role), (word, word, Role::None));
        assert_eq!((rows[A].state, rows[A].reason.as_str()), (MemberState::Up, reason), "it is probed all the same");
        assert_eq!(bench.active().as_deref(), Some("sip-b"));
        assert!(differs(&mut bench).is_empty(), "nobody has set anything");
        // As by the command: whoever is drained serves when nobody else is up, whoever is offline never does.
        bench.hosts[B].manner = Manner::Refuses;
        bench.run(3_000);
        let mut other = Bench::of(&two_arm());
        set(&mut other, "sip-a", word);
        both_up(&mut other);
        other.hosts[B].manner = Manner::Refuses;
        other.run(3_000);
        assert_eq!(bench.active(), other.active(), "{word}");
    }
}

#[test]
fn a_reload_applies_it_and_takes_it_back() {
    let mut bench = Bench::settled();
    both_up(&mut bench);
    assert_eq!(bench.active().as_deref(), Some("sip-a"));
    reload(&mut bench, Ok(file_of(&file(A, AdminState::Draining)))).unwrap();
    assert_eq!(bench.active().as_deref(), Some("sip-b"));
    let Data::Switchovers(rows) = bench.ask(Request::Switchovers {}).unwrap().unwrap().data else { panic!() };
    let last = rows.last().unwrap();
    assert_eq!(last.cause, Cause::Reload);
    assert_eq!(last.reason, "sip-b takes over: sip-a is drained (drained by the file; sip-options: 200 Whatever)");
    assert!(bench.snapshot().members[A].lost_before < bench.snapshot().pools[0].generation, "its TCP survives");
    reload(&mut bench, Ok(file_of(&file(A, AdminState::Offline)))).unwrap();
    assert_eq!(bench.snapshot().members[A].state, State::Offline);
    reload(&mut bench, Ok(file_of(&two_arm()))).unwrap();
    assert_eq!(admin(&mut bench, A), (AdminState::Enabled, AdminState::Enabled));
    set(&mut bench, "sip-b", AdminState::Offline);
    assert_eq!(bench.active().as_deref(), Some("sip-a"), "it serves again");
}

#[test]
fn what_the_operator_sets_goes_over_the_file_both_ways_and_is_dropped() {
    let mut bench = Bench::of(&file(A, AdminState::Offline));
    both_up(&mut bench);
    set(&mut bench, "sip-a", AdminState::Enabled);
    assert_eq!(admin(&mut bench, A), (AdminState::Enabled, AdminState::Offline));
    assert_eq!(differs(&mut bench), row("sip-a", "enabled", "offline"));
    set(&mut bench, "sip-b", AdminState::Offline);
    assert_eq!(bench.active().as_deref(), Some("sip-a"));
    set(&mut bench, "sip-b", AdminState::Enabled);
    assert_eq!(differs(&mut bench).len(), 1, "what the file says too is no difference");
    bench.ask(Request::StateDrop {}).expect("an answer").unwrap();
    assert_eq!(admin(&mut bench, A), (AdminState::Offline, AdminState::Offline));
    assert_eq!((bench.active().as_deref(), differs(&mut bench).len()), (Some("sip-b"), 0));
    // A drain that ends at a time is no drain of the file's.
    let mut bench = Bench::of(&file(A, AdminState::Draining));
    both_up(&mut bench);
    let request =
        Request::MemberSet { member: "sip-a".into(), admin: AdminState::Draining, yes: false, for_s: Some(60) };
    bench.ask(request).expect("an answer").unwrap();
    let [what, setting, in_file] = &differs(&mut bench)[0];
    assert!(what == "sip-a" && setting.starts_with("draining until ") && in_file == "draining", "{setting}");
    bench.run(61_000);
    assert_eq!(differs(&mut bench), row("sip-a", "offline", "draining"));
}

#[test]
fn a_reload_keeps_what_the_operator_has_set_until_the_file_says_so_itself() {
    let mut bench = Bench::settled();
    both_up(&mut bench);
    set(&mut bench, "sip-b", AdminState::Draining);
    reload(&mut bench, Ok(file_of(&file(B, AdminState::Offline)))).unwrap();
    assert_eq!(differs(&mut bench), row("sip-b", "draining", "offline"));
    let kept = "member sip-b stays draining, as the operator has set it, though the file has offline";
    assert_eq!(bench.logged(kept), 1, "{:?}", bench.logs);
    let mut other = file(B, AdminState::Offline);
    other.timeouts.udp *= 2;
    reload(&mut bench, Ok(file_of(&other))).unwrap();
    assert_eq!(bench.logged(kept), 1, "not again, where the file says the same of it");
    reload(&mut bench, Ok(file_of(&file(B, AdminState::Draining)))).unwrap();
    assert!(differs(&mut bench).is_empty());
    reload(&mut bench, Ok(file_of(&two_arm()))).unwrap();
    assert_eq!(admin(&mut bench, B), (AdminState::Enabled, AdminState::Enabled), "it is the file's from then on");
}

#[test]
fn whoever_is_forced_stays_so_unless_the_file_takes_him_offline() {
    let mut bench = Bench::settled();
    both_up(&mut bench);
    bench.ask(force("sip-b")).expect("an answer").unwrap();
    reload(&mut bench, Ok(file_of(&file(B, AdminState::Draining)))).unwrap();
    assert_eq!(bench.active().as_deref(), Some("sip-b"));
    reload(&mut bench, Ok(file_of(&file(B, AdminState::Offline)))).unwrap();
    assert_eq!((bench.active().as_deref(), differs(&mut bench).len()), (Some("sip-a"), 0));
    assert_eq!(bench.logged("pool pair-1: sip-b is not forced active any more: the file has it offline"), 1);
}

/// What is kept when that is set of a member of this file.
fn kept(file: &Intent, member: &str, admin: AdminState) -> OperatorState {
    let mut bench = Bench::of(file);
    set(&mut bench, member, admin);
    OperatorState::parse(bench.controller.operator_state().text().as_bytes()).unwrap()
}

#[test]
fn what_the_operator_has_set_over_the_file_outlives_a_restart() {
    let offline = file(A, AdminState::Offline);
    let enabled = kept(&offline, "sip-a", AdminState::Enabled);
    assert_eq!(enabled.members.len(), 1);
    let mut bench = Bench::restarted(&offline, Ok(Some(enabled.clone())));
    assert_eq!(bench.logged("member sip-a: enabled, as the operator had set it before the restart"), 1);
    assert_eq!(differs(&mut bench), row("sip-a", "enabled", "offline"));
    bench.run(1_000);
    assert_eq!(bench.active().as_deref(), Some("sip-a"));
    // The file says so itself by now, or says it otherwise.
    let mut bench = Bench::restarted(&two_arm(), Ok(Some(enabled.clone())));
    assert!(differs(&mut bench).is_empty());
    assert_eq!(bench.logged("as the operator had set it before the restart"), 0);
    let mut bench = Bench::restarted(&file(A, AdminState::Draining), Ok(Some(enabled)));
    assert_eq!(differs(&mut bench), row("sip-a", "enabled", "draining"));
    // As the file has it is nothing that is kept.
    assert!(kept(&offline, "sip-a", AdminState::Offline).members.is_empty());
}

#[test]
fn a_member_at_another_address_is_as_the_operator_has_set_it_else_as_the_file_has_it() {
    let moved = |admin| {
        let mut file = file(B, admin);
        file.members[B].address = Ipv4Addr::new(10, 20, 0, 13);
        file
    };
    let mut bench = Bench::of(&file(B, AdminState::Offline));
    reload(&mut bench, Ok(file_of(&moved(AdminState::Draining)))).unwrap();
    assert_eq!(admin(&mut bench, B), (AdminState::Draining, AdminState::Draining));
    set(&mut bench, "sip-b", AdminState::Enabled);
    reload(&mut bench, Ok(file_of(&file(B, AdminState::Draining)))).unwrap();
    assert_eq!(admin(&mut bench, B), (AdminState::Enabled, AdminState::Draining));
}
