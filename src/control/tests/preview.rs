//! What another file would change is said, and nothing is changed by asking.

use super::*;
use crate::admin::configurations::{ImpactRow, Preview};
use crate::admin::request::FileText;
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

/// A reload that may do so much, while the workers say that it would do 14: the file is read, and what is asked of them is answered.
fn limited(bench: &mut Bench, max_impact: u64) -> Option<Answer> {
    assert!(bench.ask(Request::Reload { confirm_s: None, max_impact: Some(max_impact) }).is_none());
    let request_id = bench.reads.pop().expect("the file is asked for");
    let mut file = two_arm();
    file.timeouts.udp *= 2;
    bench.give(Input::Reload { request_id, file: read_as("", Ok(file_of(&file))) });
    bench.answers.remove(&request_id.expect("with the request's id"))
}

/// SIP over UDP is in no flow: whom it would lose is no number.
#[test]
fn a_reload_that_takes_the_active_member_away_is_refused_whatever_number_it_may_do() {
    let mut bench = Bench::settled();
    assert!(bench.ask(Request::Reload { confirm_s: None, max_impact: Some(1_000) }).is_none());
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
