//! Events and alarms as an operator asks for them, and over a restart.

use super::*;
use crate::admin::events::{AlarmRow, EventRow, EventsPage};
use crate::admin::request::{EventSelection, Peer};
use crate::config::Notify;
use crate::events::EventName;

fn events(bench: &mut Bench, filter: EventSelection, since_s: Option<u64>) -> Vec<EventRow> {
    let Data::Events(rows) = bench.ask(Request::Events { filter, since_s }).unwrap().unwrap().data else { panic!() };
    rows
}

fn named(bench: &mut Bench, name: EventName) -> Vec<EventRow> {
    events(bench, EventSelection { event: vec![name], pool: None }, None)
}

fn alarms(bench: &mut Bench) -> Vec<AlarmRow> {
    let Data::Alarms(rows) = bench.ask(Request::Alarms {}).unwrap().unwrap().data else { panic!() };
    rows
}

fn alarm(bench: &mut Bench, code: &str) -> Option<AlarmRow> {
    alarms(bench).into_iter().find(|row| row.code == code)
}

fn page(answer: Option<Answer>) -> Option<EventsPage> {
    let Data::EventsPage(page) = answer?.unwrap().data else { panic!() };
    Some(*page)
}

fn follow(after: Option<u64>) -> Request {
    Request::EventsFollow { filter: EventSelection::default(), after }
}

/// The first member is lost and the other one takes over.
fn switched(bench: &mut Bench) {
    bench.run(3_000);
    bench.hosts[0].manner = Manner::Mute;
    bench.run(2_000);
    bench.hosts[1].manner = Manner::Answers(200);
    bench.run(3_000);
    assert_eq!(bench.active().as_deref(), Some("sip-b"));
}

/// What the operator has set is on the disk.
fn save(bench: &mut Bench) {
    let change = bench.saves.last().expect("something to save").0;
    bench.give(Input::Saved { change, outcome: Ok(()) });
}

#[test]
fn s104_a_switchover_is_one_event_with_who_and_why_and_so_is_each_member() {
    let mut bench = Bench::new();
    switched(&mut bench);
    let all = named(&mut bench, EventName::Switchover);
    let last = all.last().unwrap();
    assert_eq!((last.pool.as_deref(), last.to.as_deref()), (Some("pair-1"), Some("sip-b")));
    assert!(last.message.starts_with("switchover of pool pair-1: ") && last.cause == Some(Cause::Monitor), "{last:?}");
    assert_eq!((all[0].cause, all[0].level), (Some(Cause::Start), LogLevel::Info), "nobody has lost anything");
    let down = named(&mut bench, EventName::MemberDown);
    assert!(down.iter().any(|row| row.member.as_deref() == Some("sip-a") && row.pool.as_deref() == Some("pair-1")));
    let numbers: Vec<u64> = events(&mut bench, EventSelection::default(), None).iter().map(|row| row.number).collect();
    assert!(numbers.is_sorted_by(|one, other| one < other) && numbers[0] == 1, "{numbers:?}");
    let none = EventSelection { pool: Some("pair-9".into()), ..EventSelection::default() };
    assert_eq!(events(&mut bench, none, None), []);
    bench.run(2_000);
    assert_eq!(events(&mut bench, EventSelection::default(), Some(1)), [], "nothing has happened for a second");
}

#[test]
fn what_an_operator_does_carries_who_it_was_also_where_the_answer_comes_later() {
    let mut bench = Bench::new();
    bench.run(3_000);
    let request = Request::MemberSet { member: "sip-b".into(), admin: AdminState::Draining, yes: false, for_s: None };
    bench.give(Input::Asked { request_id: 900, request, by: Some(Peer { uid: 1_000, pid: Some(4_242) }) });
    bench.give(Input::Asked { request_id: 901, request: Request::reload(), by: Some(Peer { uid: 7, pid: None }) });
    let file = read_as("the same", Ok(file_of(&two_arm())));
    bench.give(Input::Reload { request_id: Some(901), file });
    bench.run(100);
    let set = named(&mut bench, EventName::MemberSet);
    assert_eq!((set[0].by_uid, set[0].by_pid), (Some(1_000), Some(4_242)));
    let applied = named(&mut bench, EventName::ReloadApplied);
    assert_eq!((applied[0].by_uid, applied[0].by_pid), (Some(7), None));
    bench.hosts[0].manner = Manner::Mute;
    bench.run(4_000);
    let down = named(&mut bench, EventName::MemberDown);
    assert!(!down.is_empty() && down.iter().all(|row| row.by_uid.is_none()), "nobody did that");
}

#[test]
fn s193_with_all_servers_down_automatic_selection_is_advised_only_where_one_is_forced() {
    let mut bench = Bench::new();
    bench.run(3_000);
    bench.hosts[0].manner = Manner::Refuses;
    bench.run(4_000);
    let free = alarm(&mut bench, "pool.active-down").expect("nobody is up");
    let begins = "pool pair-1: no SIP Server of the pool answers: sip-a is active but down (";
    let ends = "and datagrams still go to it, the last one that was chosen";
    assert!(free.message.starts_with(begins) && free.message.ends_with(ends), "{}", free.message);
    assert!(!free.remedy.contains("pool auto"), "{}", free.remedy);
    bench.ask(Request::PoolForce { pool: "pair-1".into(), member: "sip-a".into() });
    bench.run(100);
    let forced = alarm(&mut bench, "pool.active-down").unwrap();
    let ends = format!("{ends}; it is forced: `fairlead pool auto pair-1` returns to automatic selection");
    assert!(forced.message.starts_with(begins) && forced.message.ends_with(&ends), "{}", forced.message);
    bench.ask(Request::PoolAuto { pool: "pair-1".into() });
    bench.run(100);
    assert_eq!(alarm(&mut bench, "pool.active-down").unwrap().message, free.message);
}

#[test]
fn an_alarm_has_code_severity_and_remedy_and_is_acknowledged_until_it_is_over() {
    let mut bench = Bench::new();
    bench.run(3_000);
    bench.hosts[0].manner = Manner::Refuses;
    bench.run(4_000);
    let first = alarm(&mut bench, "pool.active-down").expect("nobody else is up");
    assert_eq!((first.severity.to_string().as_str(), first.pool.as_deref()), ("critical", Some("pair-1")));
    assert!(first.remedy.contains("start a SIP Server of the pool"), "{}", first.remedy);
    let raised = named(&mut bench, EventName::AlarmRaised);
    assert!(raised.iter().any(|row| row.number == first.id && row.alarm.as_deref() == Some("pool.active-down")));
    let acknowledge = |id| Request::AlarmAcknowledge { id, comment: Some("known".into()) };
    let refused = bench.ask(acknowledge(first.id + 999)).unwrap().unwrap_err();
    assert!(refused.code == Code::Refused && refused.message.contains(&first.id.to_string()), "{refused}");
    assert!(bench.ask(acknowledge(first.id)).unwrap().is_ok());
    let known = alarm(&mut bench, "pool.active-down").unwrap().acknowledged.unwrap();
    assert_eq!(known.comment.as_deref(), Some("known"));
    bench.hosts[0].manner = Manner::Answers(200);
    bench.run(4_000);
    assert_eq!(alarm(&mut bench, "pool.active-down"), None);
    let cleared = named(&mut bench, EventName::AlarmCleared);
    let cleared = cleared.iter().find(|row| row.alarm_id == Some(first.id)).expect("its end");
    assert!(cleared.lasted_ms.unwrap() >= 1_000, "{cleared:?}");
    bench.hosts[0].manner = Manner::Refuses;
    bench.run(4_000);
    let again = alarm(&mut bench, "pool.active-down").unwrap();
    assert!(again.id > first.id && again.acknowledged.is_none(), "it is a new one");
}

#[test]
fn who_follows_is_answered_by_the_next_event_and_in_time_without_one() {
    let mut bench = Bench::new();
    bench.run(3_000);
    let last = page(bench.ask(follow(None))).expect("where it begins, at once").last;
    let asked = |request_id, request| Input::Asked { request_id, request, by: None };
    bench.give(asked(900, follow(Some(last))));
    bench.run(1_000);
    assert!(!bench.answers.contains_key(&900), "nothing has happened");
    _ = bench.ask(Request::PoolForce { pool: "pair-1".into(), member: "sip-b".into() });
    bench.run(10);
    let found = page(bench.answers.remove(&900)).expect("an answer");
    assert!(found.events.iter().any(|row| row.event == "pool.forced") && found.last > last && found.lost == 0);
    bench.run(3_000);
    let last = page(bench.ask(follow(None))).unwrap().last;
    let of_none = EventSelection { pool: Some("pair-9".into()), ..EventSelection::default() };
    bench.give(asked(901, Request::EventsFollow { filter: of_none, after: Some(last) }));
    bench.run(20_100);
    let found = page(bench.answers.remove(&901)).expect("an answer when its time is up");
    assert!(found.events.is_empty() && found.last >= last);
    (0..32).for_each(|at| bench.give(asked(1_000 + at, follow(Some(u64::MAX)))));
    assert!((0..32).all(|at| !bench.answers.contains_key(&(1_000 + at))));
    assert!(page(bench.ask(follow(Some(u64::MAX)))).is_some(), "not more wait at once than may");
}

#[test]
fn s104_events_switchovers_and_what_is_acknowledged_outlive_a_restart() {
    let mut bench = Bench::recording(&two_arm(), Ok(None), OperatorState::default());
    save(&mut bench);
    bench.run(3_000);
    bench.hosts[1].manner = Manner::Dead;
    bench.run(6_000);
    let first = alarm(&mut bench, "member.unreachable").unwrap();
    _ = bench.ask(Request::AlarmAcknowledge { id: first.id, comment: None });
    bench.run(3_000);
    let saves = bench.recorded.len();
    assert!((2..=13).contains(&saves), "{saves} saves in twelve seconds");
    let (_, kept) = bench.recorded.last().unwrap().clone();
    let (_, set) = bench.saves.last().unwrap().clone();
    assert_eq!(set.acknowledged.len(), 1);
    let before = events(&mut bench, EventSelection::default(), None);

    let again = SavedEvents::parse(kept.text().as_bytes()).unwrap();
    let mut after = Bench::recording(&two_arm(), Ok(Some(again)), set);
    after.hosts[1].manner = Manner::Dead;
    after.run(6_000);
    let found = events(&mut after, EventSelection::default(), None);
    assert_eq!(found[..before.len()], before[..]);
    assert!(found[before.len()..].iter().all(|row| row.number > before.last().unwrap().number));
    let Data::Switchovers(rows) = after.ask(Request::Switchovers {}).unwrap().unwrap().data else { panic!() };
    assert_eq!(rows[0].to.as_deref(), Some("sip-a"));
    let second = alarm(&mut after, "member.unreachable").unwrap();
    assert!(second.acknowledged.is_some(), "it never ended");
    assert!(second.id > before.last().unwrap().number);
}

#[test]
fn events_that_cannot_be_read_or_saved_are_an_alarm_and_hold_nothing_up() {
    let mut bench = Bench::recording(&two_arm(), Err("it is damaged: EOF".into()), OperatorState::default());
    let raised = named(&mut bench, EventName::AlarmRaised);
    assert_eq!(raised[0].alarm.as_deref(), Some("events.unread"));
    assert_eq!(alarm(&mut bench, "events.unread"), None, "over with the first save");
    bench.refuses_to_record = Some("No space left on device".into());
    bench.run(3_000);
    assert!(alarm(&mut bench, "events.unsaved").is_some());
    assert_eq!(bench.active().as_deref(), Some("sip-a"));
    bench.refuses_to_record = None;
    bench.run(13_000);
    assert_eq!((alarm(&mut bench, "events.unsaved"), alarm(&mut bench, "events.unread")), (None, None));
}

/// The last of all is that it stops.
#[test]
fn what_happens_at_the_end_is_saved_before_it() {
    let mut bench = Bench::recording(&two_arm(), Ok(None), OperatorState::default());
    save(&mut bench);
    bench.run(3_000);
    bench.give(Input::Stop);
    let (_, kept) = bench.recorded.last().unwrap();
    assert_eq!(kept.events.last().unwrap().event, "stop");
}

#[test]
fn s105_the_program_of_notify_is_told_of_a_switchover_and_one_that_hangs_delays_nothing() {
    let mut bench = Bench::new();
    bench.controller.file.settings.notify = Notify {
        command: vec!["/bin/tell".into()],
        events: vec![EventName::Switchover],
        timeout: Duration::from_secs(2),
    };
    bench.run(3_000);
    let told: EventRow = serde_json::from_slice(&bench.told[0].input).unwrap();
    assert_eq!((told.event.as_str(), told.to.as_deref()), ("switchover", Some("sip-a")));
    // Nothing is heard of its end.
    switched(&mut bench);
    bench.run(5_000);
    assert_eq!(bench.told.len(), 1);
    assert!(alarm(&mut bench, "notify.failing").is_some());
    bench.give(Input::Notified(ProgramExit { how: Exit::Killed, took: Duration::from_secs(9) }));
    bench.run(10);
    assert_eq!(bench.told.len(), 2, "the next one has its turn");
}
