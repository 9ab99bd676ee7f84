//! What the operator has set outlives a restart: saved before it is answered, laid over the file again, and dropped when he says so.

use super::*;
use crate::admin::rows::{Choice, SettingKind, SettingRow};
use crate::control::OperatorState;
use crate::control::{Output, harness};
use crate::events::EventName;
use crate::worker::Command;

fn exclude(prefix: &str, add: bool) -> Request {
    let (pool, prefix) = ("pair-1".to_owned(), net(prefix));
    if add { Request::ExcludeAdd { pool, prefix } } else { Request::ExcludeRemove { pool, prefix } }
}

/// The save that is due or under way ends.
fn end_save(bench: &mut Bench, outcome: Result<(), String>) -> OperatorState {
    bench.give(Input::Tick);
    let (change, state) = bench.saves.pop().expect("something is being saved");
    assert!(bench.saves.is_empty(), "one save at a time");
    bench.give(Input::Saved { change, outcome });
    state
}

/// One that keeps what is set, and has saved all of it.
fn keeping(found: OperatorState) -> Bench {
    let mut bench = Bench::restarted(&two_arm(), Ok(Some(found)));
    end_save(&mut bench, Ok(()));
    bench
}

/// Obeyed, saved and answered; what was saved.
fn executed(bench: &mut Bench, request: Request) -> OperatorState {
    assert!(bench.ask(request.clone()).is_none(), "no answer before it is saved: {request:?}");
    let state = end_save(bench, Ok(()));
    let (_, answer) = bench.answers.pop_last().expect("an answer");
    answer.unwrap_or_else(|error| panic!("{request:?}: {error}"));
    state
}

fn settings(bench: &mut Bench) -> Vec<(SettingKind, String, String, String)> {
    let Some(Ok(Answered { data: Data::Settings(rows), .. })) = bench.ask(Request::StateShow {}) else { panic!() };
    let Some(Ok(Answered { data: Data::Status(status), .. })) = bench.ask(Request::Status {}) else { panic!() };
    assert_eq!(status.settings, rows.len() as u64);
    rows.into_iter().map(|SettingRow { kind, what, setting, file, .. }| (kind, what, setting, file)).collect()
}

fn alarms(bench: &mut Bench) -> Vec<String> {
    let Some(Ok(Answered { data: Data::Status(status), .. })) = bench.ask(Request::Status {}) else { panic!() };
    status.alarms.into_iter().map(|alarm| alarm.message).collect()
}

fn choice(bench: &mut Bench) -> Choice {
    let Some(Ok(Answered { data: Data::VirtualServers(rows), .. })) = bench.ask(Request::VirtualServers {}) else {
        panic!()
    };
    rows[0].choice
}

/// What is kept after `requests`.
fn set(requests: impl IntoIterator<Item = Request>) -> OperatorState {
    let mut bench = keeping(OperatorState::default());
    bench.run(1_000);
    requests.into_iter().fold(OperatorState::default(), |_, request| executed(&mut bench, request))
}

#[test]
fn what_the_operator_has_set_is_in_force_again_after_a_restart_and_said() {
    let kept = set([
        member_set("sip-b", AdminState::Offline),
        force("sip-a"),
        exclude("10.99.0.0/16", true),
        exclude("172.16.2.0/24", false),
    ]);
    let kept = OperatorState::parse(kept.text().as_bytes()).unwrap();
    let mut bench = keeping(kept);
    for line in [
        "member sip-b: offline, as the operator had set it before the restart",
        "pool pair-1: sip-a forced active once it answers, as by the operator before the restart",
        "pool pair-1: 10.99.0.0/16 added to the exclusion group, as by the operator before the restart",
        "pool pair-1: 172.16.2.0/24 removed from the exclusion group, as by the operator before the restart",
    ] {
        assert_eq!(bench.logged(line), 1, "{line}");
    }
    bench.run(1_000);
    let rows = members(&mut bench);
    assert_eq!((rows[1].admin, rows[1].role), (AdminState::Offline, Role::None));
    assert_eq!((bench.active().as_deref(), choice(&mut bench)), (Some("sip-a"), Choice::Forced));
    let excluded = |host: [u8; 4]| bench.snapshot().pools[0].exclude.holds(host.into());
    assert_eq!([[10, 99, 1, 1], [172, 16, 2, 7], [172, 16, 1, 20]].map(excluded), [true, false, true]);
    let row =
        |kind, what: &str, setting: &str, file: &str| (kind, what.to_owned(), setting.to_owned(), file.to_owned());
    assert_eq!(
        settings(&mut bench),
        [
            row(SettingKind::Member, "sip-b", "offline", "enabled"),
            row(SettingKind::Choice, "sip-a", "forced active", "automatic selection"),
            row(SettingKind::Exclusion, "10.99.0.0/16", "excluded", "not excluded"),
            row(SettingKind::Exclusion, "172.16.2.0/24", "not excluded", "excluded"),
        ]
    );
    assert_eq!(alarms(&mut bench), [""; 0]);
}

#[test]
fn the_lines_for_the_file_make_it_say_the_same() {
    let requests = [
        exclude("10.99.0.0/16", true),
        exclude("172.16.2.0/24", false),
        member_set("sip-b", AdminState::Draining),
        force("sip-a"),
    ];
    let mut bench = keeping(set(requests));
    let lines = |bench: &mut Bench| match bench.ask(Request::StateLines {}) {
        Some(Ok(Answered { data: Data::StateLines(lines), .. })) => lines.lines,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        lines(&mut bench),
        [
            "# in the [[snat]] of pool pair-1:",
            r#"exclude = ["172.16.1.20/32", "10.99.0.0/16"]"#,
            "# at member sip-b of pool pair-1:",
            r#"admin_state = "draining""#,
            "# The file has no key for these; they are kept over restarts in /var/lib/fairlead/operator.json:",
            "# pool pair-1: sip-a forced active",
        ]
    );
    let mut file = two_arm();
    file.snats[0].exclude = vec![net("172.16.1.20/32"), net("10.99.0.0/16")];
    file.members[B].admin_state = AdminState::Draining;
    assert!(bench.ask(Request::reload()).is_none());
    let request_id = bench.reads.pop().unwrap();
    bench.give(Input::Reload { request_id, file: harness::read_as("", Ok(harness::file_of(&file))) });
    let kept = end_save(&mut bench, Ok(()));
    assert_eq!((kept.pools.len(), kept.members.len()), (1, 0), "the file says it itself");
    let (_, answer) = bench.answers.pop_last().unwrap();
    let Data::Reloaded(reloaded) = answer.unwrap().data else { panic!() };
    let still: Vec<&str> = reloaded.settings.iter().map(|row| row.what.as_str()).collect();
    assert_eq!(still, ["sip-a"], "the answer to a reload says what still differs");
}

#[test]
fn dropping_it_all_leaves_what_the_file_says() {
    let offline = Request::MemberSet { member: "sip-a".into(), admin: AdminState::Offline, yes: true, for_s: None };
    let mut bench =
        keeping(set([offline, force("sip-b"), exclude("10.99.0.0/16", true), exclude("172.16.2.0/24", false)]));
    bench.run(1_000);
    assert!(bench.ask(Request::StateDrop {}).is_none());
    assert_eq!(end_save(&mut bench, Ok(())), OperatorState::default());
    let (_, answer) = bench.answers.pop_last().unwrap();
    let Data::Settings(dropped) = answer.unwrap().data else { panic!() };
    assert_eq!(dropped.len(), 4);
    assert_eq!((settings(&mut bench).len(), alarms(&mut bench).len()), (0, 0));
    bench.run(1_000);
    assert_eq!((bench.active().as_deref(), choice(&mut bench)), (Some("sip-a"), Choice::Auto));
    let excluded = |host: [u8; 4]| bench.snapshot().pools[0].exclude.holds(host.into());
    assert_eq!([[10, 99, 1, 1], [172, 16, 2, 7]].map(excluded), [false, true]);
}

#[test]
fn members_are_known_by_address_and_pools_by_name_else_by_members() {
    let kept = set([member_set("sip-b", AdminState::Offline), force("sip-a"), exclude("10.99.0.0/16", true)]);
    let renamed = |pool: &str, names: [&str; 2]| {
        let mut file = two_arm();
        file.pools.iter_mut().for_each(|one| one.name = pool.into());
        file.members.iter_mut().zip(names).for_each(|(member, name)| member.name = name.into());
        file
    };
    // Names swapped, and a pool of another name with the same members.
    for pool in ["pair-1", "pair-x"] {
        let mut bench = Bench::restarted(&renamed(pool, ["sip-b", "sip-a"]), Ok(Some(kept.clone())));
        let rows = members(&mut bench);
        let admin: Vec<_> = rows.iter().map(|row| (row.address.octets()[3], row.admin)).collect();
        assert_eq!(admin, [(11, AdminState::Enabled), (12, AdminState::Offline)]);
        bench.run(1_000);
        assert_eq!(bench.active().as_deref(), Some("sip-b"), "the one at 10.20.0.11");
        assert!(bench.snapshot().pools[0].exclude.holds([10, 99, 1, 1].into()));
    }
    // Nobody has that name or those members any more.
    let mut other = renamed("pair-x", ["sip-a", "sip-c"]);
    other.members.iter_mut().last().unwrap().address = Ipv4Addr::new(10, 20, 0, 13);
    let mut bench = Bench::restarted(&other, Ok(Some(kept)));
    assert_eq!(bench.logged("member 10.20.0.12 was offline before the restart"), 1);
    assert_eq!(bench.logged("something was set of pool pair-1 before the restart"), 1);
    assert!(settings(&mut bench).is_empty());
}

#[test]
fn a_forced_choice_of_before_binds_when_its_member_answers() {
    let kept = set([force("sip-b")]);
    let found = || Ok(Some(kept.clone()));
    // Both answer: the forced one from the first, whoever is quicker.
    let mut bench = Bench::restarted(&two_arm(), found());
    bench.hosts[B].manner = Manner::Answers(200);
    bench.run(1_000);
    assert_eq!((bench.active().as_deref(), choice(&mut bench)), (Some("sip-b"), Choice::Forced));
    assert_eq!(bench.logged("switchover of pool"), 1, "{:?}", bench.logs);

    // It does not: the choice is free, and an alarm says so until it does.
    let mut bench = Bench::restarted(&two_arm(), found());
    bench.hosts[B].manner = Manner::Mute;
    bench.run(1_000);
    assert_eq!((bench.active().as_deref(), choice(&mut bench)), (Some("sip-a"), Choice::Auto));
    let free = "sip-b was forced by the operator before the restart but does not answer";
    assert_eq!(alarms(&mut bench).iter().filter(|alarm| alarm.contains(free)).count(), 1);
    bench.hosts[B].manner = Manner::Answers(200);
    bench.run(1_000);
    assert_eq!((bench.active().as_deref(), choice(&mut bench)), (Some("sip-b"), Choice::Forced));
    assert!(!alarms(&mut bench).iter().any(|alarm| alarm.contains(free)));
    let Some(Ok(Answered { data: Data::Switchovers(switchovers), .. })) = bench.ask(Request::Switchovers {}) else {
        panic!()
    };
    assert_eq!(switchovers.last().map(|row| (row.cause, row.last_good_answer)), Some((Cause::Operator, None)));
}

#[test]
fn a_forced_choice_of_before_ends_when_its_member_is_silent_for_the_gap_and_another_answers() {
    let mut bench = keeping(set([force("sip-b")]));
    bench.hosts[B].manner = Manner::Answers(200);
    bench.run(1_000);
    assert_eq!(bench.active().as_deref(), Some("sip-b"));
    bench.hosts[B].manner = Manner::Mute;
    bench.run(3_000);
    assert_eq!(bench.active().as_deref(), Some("sip-b"), "it is forced");
    bench.run(2_000);
    assert_eq!((bench.active().as_deref(), choice(&mut bench)), (Some("sip-a"), Choice::Auto));
    // Said again by the operator, it binds as any does.
    assert!(bench.ask(force("sip-b")).is_none());
    end_save(&mut bench, Ok(()));
    bench.run(10_000);
    assert_eq!((bench.active().as_deref(), choice(&mut bench)), (Some("sip-b"), Choice::Forced));
}

#[test]
fn what_was_found_and_cannot_be_used_keeps_nobody_from_starting() {
    let mut bench = Bench::restarted(&two_arm(), Err("it is damaged: EOF".into()));
    bench.run(1_000);
    assert_eq!(bench.active().as_deref(), Some("sip-a"));
    let unread = "/var/lib/fairlead/operator.json cannot be used: it is damaged: EOF";
    assert_eq!(alarms(&mut bench).iter().filter(|alarm| alarm.contains(unread)).count(), 1);
    assert_eq!(bench.saves.len(), 0, "it is not written over before the operator sets something");
    assert!(bench.ask(member_set("sip-b", AdminState::Offline)).is_none());
    end_save(&mut bench, Ok(()));
    assert_eq!(alarms(&mut bench), [""; 0]);
}

#[test]
fn a_save_that_fails_is_answered_alarmed_and_tried_again() {
    let mut bench = keeping(OperatorState::default());
    bench.run(1_000);
    assert!(bench.ask(member_set("sip-b", AdminState::Offline)).is_none());
    end_save(&mut bench, Err("Read-only file system".into()));
    assert!(bench.answers.pop_last().is_some_and(|(_, answer)| answer.is_ok()), "the operator is executed");
    let unsaved = |bench: &mut Bench| alarms(bench).iter().filter(|alarm| alarm.contains("Read-only")).count();
    assert_eq!(unsaved(&mut bench), 1);
    bench.run(9_000);
    assert_eq!(bench.saves.len(), 0);
    bench.run(2_000);
    end_save(&mut bench, Err("Read-only file system".into()));
    assert_eq!((unsaved(&mut bench), bench.logged("alarm: what the operator sets is not saved")), (1, 1));
    bench.run(11_000);
    assert_eq!(end_save(&mut bench, Ok(())).members.len(), 1);
    assert_eq!(unsaved(&mut bench), 0);
    bench.run(60_000);
    assert_eq!(bench.saves.len(), 0, "once is enough");
}

#[test]
fn a_disk_that_hangs_holds_up_no_operator_for_ever() {
    let mut bench = keeping(OperatorState::default());
    bench.run(1_000);
    let answer = bench.ask_and_wait(member_set("sip-b", AdminState::Offline), 5_100);
    assert!(answer.is_ok(), "{answer:?}");
    assert!(bench.ask(member_set("sip-b", AdminState::Enabled)).is_none());
    assert_eq!(end_save(&mut bench, Ok(())).members.len(), 1, "the first of the two");
    assert_eq!(end_save(&mut bench, Ok(())), OperatorState::default(), "the other one after it");
}

#[test]
fn a_switchover_is_with_the_workers_before_it_is_put_into_words_and_saved() {
    let mut bench = keeping(OperatorState::default());
    bench.run(1_000);
    let events = bench.controller.outputs.events.last();
    bench.controller.handle(Input::Asked { request_id: 77, request: force("sip-b"), by: None }, bench.now);
    let commands: Vec<_> = std::iter::from_fn(|| bench.controller.poll_command()).collect();
    assert!(!commands.is_empty() && commands.iter().all(|(_, command)| matches!(command, Command::Install(..))));
    let told = bench.controller.outputs.events.after(events).map(|row| row.event.clone()).collect::<Vec<_>>();
    assert!(!told.contains(&EventName::Switchover.to_string()), "{told:?}");

    let named = |output| match output {
        Output::Log(row) => row.event.clone(),
        Output::SaveState { state, .. } if state.text().contains("sip-b") => "state".into(),
        Output::ToWorker(..) => "command".into(),
        _ => "another".into(),
    };
    let outputs: Vec<String> = std::iter::from_fn(|| bench.controller.poll_output()).map(named).collect();
    let at = |name: &str| outputs.iter().position(|output| output == name);
    assert!(at("switchover").is_some() && at("switchover") < at("state"), "{outputs:?}");
}

/// One that has been told to set this, and is saving it.
fn saving(request: Request) -> (Bench, u64) {
    let mut bench = keeping(OperatorState::default());
    bench.run(1_000);
    assert!(bench.ask(request).is_none());
    bench.give(Input::Tick);
    let (change, _) = bench.saves.pop().expect("a save under way");
    (bench, change)
}

#[test]
fn what_was_set_while_a_save_was_under_way_is_saved_before_the_end() {
    let (mut bench, first) = saving(member_set("sip-b", AdminState::Offline));
    assert!(bench.ask(exclude("10.99.0.0/16", true)).is_none());
    bench.give(Input::Stop);
    bench.run(100);
    assert!(bench.saves.is_empty() && !bench.stopped, "one save at a time");
    bench.give(Input::Saved { change: first, outcome: Ok(()) });
    let (second, state) = bench.saves.pop().expect("the newest is saved");
    assert!(state.text().contains("10.99.0.0/16") && !bench.stopped);
    bench.give(Input::Saved { change: second, outcome: Ok(()) });
    assert!(bench.stopped && bench.saves.is_empty());
    assert_eq!(bench.logged("not saved"), 0);
}

#[test]
fn what_was_set_in_the_last_moment_is_saved_before_the_end() {
    let mut bench = keeping(OperatorState::default());
    bench.run(1_000);
    assert!(bench.ask(member_set("sip-b", AdminState::Offline)).is_none());
    bench.give(Input::Stop);
    assert!(!bench.stopped);
    assert!(end_save(&mut bench, Ok(())).text().contains("sip-b"));
    assert!(bench.stopped);
}

/// It is in force after the next start, though he has no answer.
#[test]
fn who_waits_for_a_save_at_the_end_is_told_that_the_change_was_made() {
    let (mut bench, _) = saving(member_set("sip-b", AdminState::Offline));
    assert!(bench.ask(Request::ProbeNow { member: "sip-a".into() }).is_none());
    bench.give(Input::Stop);
    let said: Vec<String> = bench.answers.values().map(|answer| answer.as_ref().unwrap_err().message.clone()).collect();
    let made = "the appliance is shutting down; the change was made and is still being saved: `fairlead state show` says \
                after the next start whether it is in force";
    assert_eq!(said, [made, "the appliance is shutting down"]);
}

#[test]
fn a_disk_that_does_not_answer_holds_the_end_up_for_a_while_and_that_is_said() {
    let (mut bench, _) = saving(member_set("sip-b", AdminState::Offline));
    bench.give(Input::Stop);
    bench.run(4_900);
    assert!(!bench.stopped);
    bench.run(200);
    assert!(bench.stopped);
    let line = "what the operator has set is not saved within 5s and may be lost: /var/lib/fairlead/operator.json";
    assert_eq!(bench.logged(line), 1, "{:?}", bench.logs);
}

/// Such as when the disk was full, and is not any more.
#[test]
fn what_could_not_be_saved_is_tried_once_more_at_the_end() {
    for (outcome, said) in [(Ok(()), 0), (Err("No space left on device".to_owned()), 1)] {
        let (mut bench, first) = saving(member_set("sip-b", AdminState::Offline));
        bench.give(Input::Saved { change: first, outcome: Err("No space left on device".into()) });
        bench.give(Input::Stop);
        assert!(!bench.stopped);
        assert!(end_save(&mut bench, outcome).text().contains("sip-b"));
        assert!(bench.stopped && bench.saves.is_empty());
        assert_eq!(bench.logged("what the operator has set is not saved and may be lost"), said);
    }
}

#[test]
fn what_is_saved_already_holds_nothing_up() {
    let mut bench = keeping(OperatorState::default());
    bench.give(Input::Stop);
    assert!(bench.stopped && bench.saves.is_empty());
}
