//! What another file would change is said, and nothing is changed by asking.

use super::*;
use crate::admin::configurations::{ImpactRow, Preview};
use crate::admin::request::FileText;
use crate::admin::rows::ServiceLoss;
use crate::engine::{ImpactCounts, ImpactOn, Impacts};
use crate::policy::Intent;
use crate::policy::intent::{PoolId, VirtualServerId};

fn impacts() -> Impacts {
    let on = |server: Option<u16>| ImpactOn { pool: Some(PoolId(0)), virtual_server: server.map(VirtualServerId) };
    Impacts::from([
        (on(None), ImpactCounts { unchanged: 5, keeps_source: 1, ..ImpactCounts::default() }),
        (on(Some(0)), ImpactCounts { unchanged: 2, resteered: 3, cut: 4, keeps_source: 0 }),
    ])
}

fn asked(bench: &mut Bench, file: &Intent) -> Answer {
    assert!(bench.ask(Request::Diff { name: None, text: None }).is_none());
    let request_id = bench.reads.pop().expect("the file is asked for");
    bench.give(Input::Reload { request_id, file: read_as("", Ok(file_of(file))) });
    bench.answers.remove(&request_id.expect("with the request's id")).expect("an answer")
}

fn preview(bench: &mut Bench, file: &Intent) -> Preview {
    match asked(bench, file) {
        Ok(Answered { data: Data::Preview(preview), .. }) => *preview,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_sums_of_all_workers_are_said_by_pool_and_virtual_server_and_nothing_changes() {
    let mut bench = Bench::settled();
    bench.impacts = impacts();
    let (before, epochs) = (bench.snapshot().epoch, bench.epochs.len());
    let mut file = two_arm();
    file.timeouts.udp *= 2;
    let row = |virtual_server: Option<&str>, resteered, cut, keep_source, unchanged| ImpactRow {
        pool: Some("pair-1".into()),
        virtual_server: virtual_server.map(Into::into),
        resteered,
        cut,
        keep_source,
        unchanged,
    };
    let found = preview(&mut bench, &file);
    assert_eq!(found.changes.len(), 1);
    assert_eq!((found.resteered, found.cut, found.keep_source, found.unchanged), (6, 8, 2, 14), "of two workers");
    assert_eq!(found.impact, [row(Some("sip-1"), 6, 8, 0, 4), row(None, 0, 0, 2, 10)], "the most concerned first");
    assert_eq!((found.exact, found.refused, found.lose_active), (true, None, Vec::new()));
    assert_eq!(found.lose_services, []);
    assert_eq!((bench.snapshot().epoch, bench.epochs.len()), (before, epochs), "nothing was installed");
    assert_eq!(bench.logged("reload"), 0);
    assert_eq!(reload(&mut bench, Ok(file_of(&file))).map(|_| ()), Ok(()), "it is still to be taken over");
}

#[test]
fn who_loses_his_active_member_is_named_and_what_a_reload_refuses_is_said() {
    let mut bench = Bench::settled();
    let mut file = two_arm();
    file.members.remove(A);
    file.pools[0].members = vec![MemberId(0)];
    assert_eq!(preview(&mut bench, &file).lose_active, ["pair-1"]);
    let mut file = two_arm();
    file.ports[0].device = "net_null7".into();
    let found = preview(&mut bench, &file);
    assert_eq!((found.changes.len(), found.changes[0].live, found.exact), (1, false, true));
    assert!(found.refused.unwrap().starts_with("only a restart can apply this"));
    assert_eq!(found.impact, []);
}

#[test]
fn whoever_would_be_drained_loses_the_role_if_another_is_up_and_whoever_would_be_offline_does_at_once() {
    const EN: AdminState = AdminState::Enabled;
    const DR: AdminState = AdminState::Draining;
    const OF: AdminState = AdminState::Offline;
    // Alone, with another that is up, and forced beside that one.
    let rows = [
        ([DR, EN], [false, true, false]),
        ([OF, EN], [true, true, true]),
        ([DR, DR], [false, false, false]),
        ([EN, OF], [false, false, false]),
    ];
    for (states, expected) in rows {
        let mut file = two_arm();
        file.members.iter_mut().zip(states).for_each(|(member, admin)| member.admin_state = admin);
        let mut bench = Bench::settled();
        let loses = |bench: &mut Bench| !preview(bench, &file).lose_active.is_empty();
        let alone = loses(&mut bench);
        bench.hosts[B].manner = Manner::Answers(200);
        bench.run(1_000);
        let beside = loses(&mut bench);
        bench.ask(force("sip-a")).expect("an answer").unwrap();
        assert_eq!([alone, beside, loses(&mut bench)], expected, "{states:?}");
    }
}

#[test]
fn a_text_that_was_sent_is_read_and_its_faults_are_answered() {
    let mut bench = Bench::settled();
    let text = Some(FileText("[appliance]\nnmae = 1\n".into()));
    assert!(bench.ask(Request::Diff { name: Some("new.toml".into()), text }).is_none());
    let (request_id, text) = bench.texts.pop().expect("it is to be read");
    let read = crate::config::parse("new.toml", &text);
    bench.give(Input::Reload { request_id: Some(request_id), file: read_as(&text, read) });
    let error = bench.answers.remove(&request_id).expect("an answer").unwrap_err();
    assert_eq!(error.code, Code::BadFile);
    assert!(error.message.contains("new.toml:2:1"), "{}", error.message);
    assert_eq!(bench.logged("reload rejected"), 0, "nobody wanted to reload");
}

/// The service ports of the file, as they are asked about: why each would not be served any more.
fn lost(edit: fn(&mut Intent)) -> Vec<(String, String, ServiceLoss)> {
    let mut file = two_arm();
    edit(&mut file);
    let rows = preview(&mut Bench::settled(), &file).lose_services;
    assert!(rows.iter().all(|row| row.address == V));
    rows.into_iter().map(|row| (row.virtual_server, row.service, row.why)).collect()
}

/// What comes to them is in no flow where it is UDP: it must be said all the same.
#[test]
fn service_ports_that_nobody_would_serve_any_more_are_named() {
    let all = two_arm().virtual_servers[0].listen.len();
    let removed = lost(|file| drop(file.virtual_servers.remove(0)));
    assert_eq!(removed.len(), all);
    assert!(removed.contains(&("sip-1".into(), "udp/5060".into(), ServiceLoss::Removed)), "{removed:?}");
    let disabled = lost(|file| file.virtual_servers[0].enabled = false);
    assert!(disabled.len() == all && disabled.iter().all(|row| row.2 == ServiceLoss::Disabled), "{disabled:?}");
    let one = lost(|file| file.virtual_servers[0].listen.retain(|it| it.port != 5060 || it.protocol != Protocol::Udp));
    assert_eq!(one, [("sip-1".into(), "udp/5060".into(), ServiceLoss::NotListening)]);
    let moved = lost(|file| file.virtual_servers[0].address = [10, 20, 0, 101].into());
    assert!(moved.len() == all && moved.iter().all(|row| row.2 == ServiceLoss::NotListening), "{moved:?}");
    assert_eq!(lost(|file| file.virtual_servers[0].name = "other".into()), [], "the same by another name");
}

#[test]
fn a_reload_that_takes_a_virtual_server_away_is_refused_whatever_number_it_may_do() {
    let mut bench = Bench::settled();
    let mut file = two_arm();
    file.virtual_servers[0].enabled = false;
    let error = limited_to(&mut bench, 1_000, &file).expect("an answer").unwrap_err();
    assert_eq!(error.code, Code::Refused);
    assert!(error.message.contains("sip-1 (udp/5060 at 10.20.0.100)"), "{}", error.message);
    assert!(error.message.contains("would not be served any more as now"), "{}", error.message);
    assert!(bench.controller.intent.virtual_servers[0].enabled);
}

/// A worker holds one snapshot more for each, and looks at all of its flows.
#[test]
fn a_second_comparison_is_refused_until_every_worker_has_returned_the_first() {
    let mut bench = Bench::settled();
    bench.sleep(1, true);
    let mut file = two_arm();
    file.timeouts.udp *= 2;
    assert_eq!(limited_to(&mut bench, 1_000, &file), None);
    let busy = |answer: Option<Answer>| {
        let error = answer.expect("an answer").unwrap_err();
        assert_eq!(error.code, Code::Busy);
        assert!(error.message.starts_with("another comparison is under way; it ends within 8 s"), "{}", error.message);
    };
    busy(bench.ask(Request::Diff { name: None, text: None }));
    busy(limited_to(&mut bench, 1_000, &file));
    // Whoever waited has his answer; the worker that hangs still has its part.
    bench.run(11_000);
    assert!(bench.answers.pop_last().is_some());
    busy(bench.ask(Request::Diff { name: None, text: None }));
    bench.sleep(1, false);
    assert_eq!(preview(&mut bench, &file).changes.len(), 1);
    assert!(preview(&mut bench, &file).exact, "and again");
}

/// One that began before and one that was read meanwhile.
#[test]
fn a_file_that_was_read_while_another_comparison_began_is_refused_too() {
    let mut bench = Bench::settled();
    let mut file = two_arm();
    file.timeouts.udp *= 2;
    let ids: Vec<_> = (0..2)
        .map(|_| {
            assert!(bench.ask(Request::Diff { name: None, text: None }).is_none());
            bench.reads.pop().expect("the file is asked for")
        })
        .collect();
    bench.sleep(1, true);
    for request_id in ids.iter().copied() {
        bench.give(Input::Reload { request_id, file: read_as("", Ok(file_of(&file))) });
    }
    let error = bench.answers.remove(&ids[1].unwrap()).expect("an answer").unwrap_err();
    assert_eq!(error.code, Code::Busy);
}

/// What is large and has not changed is not made again: nothing of management's waits for it.
#[test]
fn what_is_compared_with_shares_what_has_not_changed() {
    let mut bench = Bench::settled();
    let mut file = two_arm();
    file.timeouts.udp *= 2;
    preview(&mut bench, &file);
    let next = bench.compared.take().expect("a snapshot");
    let now = bench.snapshot();
    assert!(next.pools[0].exclude.is(&now.pools[0].exclude));
}

/// A worker that hangs: what the others have found is said, as what it is.
#[test]
fn what_is_not_counted_in_time_is_said_to_be_more() {
    let mut bench = Bench::settled();
    bench.impacts = impacts();
    bench.sleep(1, true);
    assert!(bench.ask(Request::Diff { name: None, text: None }).is_none());
    let request_id = bench.reads.pop().expect("the file is asked for");
    let mut file = two_arm();
    file.timeouts.udp *= 2;
    bench.give(Input::Reload { request_id, file: read_as("", Ok(file_of(&file))) });
    assert!(bench.answers.is_empty());
    bench.run(11_000);
    let Some(Ok(Answered { data: Data::Preview(found), .. })) = bench.answers.remove(&request_id.unwrap()) else {
        panic!()
    };
    assert_eq!((found.cut, found.exact), (4, false));
}

/// A reload that may do so much: the file is read, and what is asked of the workers is answered.
fn limited_to(bench: &mut Bench, max_impact: u64, file: &Intent) -> Option<Answer> {
    assert!(bench.ask(Request::Reload { confirm_s: None, max_impact: Some(max_impact), yes: false }).is_none());
    let request_id = bench.reads.pop().expect("the file is asked for");
    bench.give(Input::Reload { request_id, file: read_as("", Ok(file_of(file))) });
    bench.answers.remove(&request_id.expect("with the request's id"))
}

/// The same, while the workers say that it would do 14.
fn limited(bench: &mut Bench, max_impact: u64) -> Option<Answer> {
    let mut file = two_arm();
    file.timeouts.udp *= 2;
    limited_to(bench, max_impact, &file)
}

/// SIP over UDP is in no flow: whom it would lose is no number.
#[test]
fn a_reload_that_takes_the_active_member_away_is_refused_whatever_number_it_may_do() {
    let mut bench = Bench::settled();
    assert!(bench.ask(Request::Reload { confirm_s: None, max_impact: Some(1_000), yes: false }).is_none());
    let request_id = bench.reads.pop().expect("the file is asked for");
    let mut file = two_arm();
    // Another stands in its place.
    file.members[0].address = [10, 20, 0, 15].into();
    bench.give(Input::Reload { request_id, file: read_as("", Ok(file_of(&file))) });
    let error = bench.answers.remove(&request_id.unwrap()).expect("an answer").unwrap_err();
    assert_eq!(error.code, Code::Refused);
    assert!(error.message.starts_with("pair-1 would lose its active member"), "{}", error.message);
    assert_eq!(bench.controller.intent.members[0].address, two_arm().members[0].address);
}

/// As `member offline` does.
#[test]
fn s194_a_reload_that_leaves_a_pool_without_a_member_that_is_up_wants_a_yes() {
    type Edit = fn(&mut Intent);
    let gone: Edit = |file| file.members[0].address = [10, 20, 0, 15].into();
    let offline: Edit = |file| file.members[0].admin_state = AdminState::Offline;
    let draining: Edit = |file| file.members[0].admin_state = AdminState::Draining;
    let other: Edit = |file| file.members[1].address = [10, 20, 0, 15].into();
    let taken = |bench: &mut Bench, edit: Edit, yes: bool| {
        let mut file = two_arm();
        edit(&mut file);
        reload_as(bench, Request::Reload { confirm_s: None, max_impact: None, yes }, Ok(file_of(&file))).map(|_| ())
    };
    for edit in [gone, offline] {
        let mut bench = Bench::settled();
        let error = taken(&mut bench, edit, false).unwrap_err();
        assert_eq!(error.code, Code::Refused);
        let expected = "no member of pair-1 would be up any more: the file takes away the last one that is. ";
        assert!(error.message.starts_with(expected) && error.message.contains("--yes"), "{}", error.message);
        assert_eq!(bench.active().as_deref(), Some("sip-a"));
        assert_eq!(taken(&mut bench, edit, true), Ok(()));
        assert_eq!(bench.active(), None);
    }
    for edit in [draining, other] {
        assert_eq!(taken(&mut Bench::settled(), edit, false), Ok(()), "it keeps the role");
    }
    let mut bench = Bench::settled();
    bench.hosts[B].manner = Manner::Answers(200);
    bench.run(3_000);
    assert_eq!(taken(&mut bench, gone, false), Ok(()), "another one is up");
    let mut bench = Bench::settled();
    bench.hosts[A].manner = Manner::Refuses;
    bench.run(4_000);
    assert_eq!(taken(&mut bench, gone, false), Ok(()), "it serves nobody");
}

#[test]
fn a_reload_that_would_do_more_than_it_may_is_refused_with_how_much() {
    let mut bench = Bench::settled();
    bench.impacts = impacts();
    let error = limited(&mut bench, 13).expect("an answer").unwrap_err();
    assert_eq!(error.code, Code::Refused);
    assert!(error.message.starts_with("6 flows would be re-steered and 8 cut, more than the 13 of --max-impact"));
    assert_eq!(bench.logged("reload rejected, running configuration kept: 6 flows"), 1);
    assert_eq!(bench.controller.intent.timeouts, two_arm().timeouts);
    limited(&mut bench, 14).expect("an answer").expect("it may do so much");
    assert_ne!(bench.controller.intent.timeouts, two_arm().timeouts);
    assert_eq!(bench.logged("configuration reloaded: 1 difference"), 1);
}

#[test]
fn what_is_not_counted_in_time_or_not_for_this_file_is_refused() {
    let mut bench = Bench::settled();
    bench.impacts = impacts();
    bench.sleep(1, true);
    assert_eq!(limited(&mut bench, 1_000), None);
    bench.run(11_000);
    let (_, answer) = bench.answers.pop_last().expect("an answer");
    assert!(answer.unwrap_err().message.starts_with("not every worker had looked at all of its flows within 8s"));
    bench.sleep(1, false);
    bench.sleep(1, true);
    // Another one comes between.
    assert_eq!(limited(&mut bench, 1_000), None);
    bench.give(Input::Hangup);
    let request_id = bench.reads.pop().expect("the file is asked for");
    let mut file = two_arm();
    file.timeouts.udp *= 3;
    bench.give(Input::Reload { request_id, file: read_as("", Ok(file_of(&file))) });
    bench.sleep(1, false);
    let (_, answer) = bench.answers.pop_last().expect("an answer");
    assert!(answer.unwrap_err().message.starts_with("another configuration was taken over meanwhile"));
    assert_eq!(bench.controller.intent.timeouts, file.timeouts);
}
