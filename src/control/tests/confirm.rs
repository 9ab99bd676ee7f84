//! A configuration that must be confirmed: it is in force once the one before is kept, and not for long without a confirmation, whatever
//! happens meanwhile.

use super::*;
use crate::admin::configurations::Confirmed;
use crate::admin::rows::{AwaitedRow, ConfigurationCause, Reloaded};
use crate::admin::save::{SavedExclusionsRow, SavedMemberRow};
use crate::control::{Configurations, SavedConfigurations};
use crate::policy::Intent;

const PLACE: &str = "/var/lib/fairlead/configurations.json";
const OLD: &str = "# the old one\n";
const NEW: &str = "# the new one\n";

/// What `NEW` means.
fn new() -> Intent {
    let mut intent = two_arm();
    intent.timeouts.udp *= 2;
    intent
}

fn meaning(text: &str) -> Intent {
    match text {
        OLD => two_arm(),
        NEW => new(),
        other => panic!("no file says {other:?}"),
    }
}

/// The appliance and its disk.
pub(super) struct Kept {
    pub(super) bench: Bench,
    /// What the folder holds.
    pub(super) disk: Option<Configurations>,
    /// What the file says.
    pub(super) file: &'static str,
}

impl Kept {
    /// It starts as it would be started by `app`.
    pub(super) fn start(disk: Option<Configurations>, file: &'static str) -> Kept {
        let in_force = starts_with(disk.as_ref(), file);
        let (found, place) = (Ok(disk.clone()), PLACE.to_owned());
        let path = "/etc/fairlead/fairlead.toml".to_owned();
        let saved = SavedConfigurations { place, found, path, file: file.into(), in_force: in_force.into() };
        let mut kept = Kept { bench: Bench::keeping(&meaning(in_force), saved), disk, file };
        kept.save(Ok(()));
        kept.bench.run(1_000);
        kept
    }

    /// The save that is due or under way ends.
    pub(super) fn save(&mut self, outcome: Result<(), String>) {
        self.bench.give(Input::Tick);
        let (change, all) = self.bench.kept.pop().expect("something is being saved");
        assert!(self.bench.kept.is_empty(), "one save at a time");
        if outcome.is_ok() {
            self.disk = Some(Configurations::parse(all.text().as_bytes()).expect("it can be read"));
        }
        self.bench.give(Input::ConfigurationsSaved { change, outcome });
    }

    /// The operator reloads, and the file is read.
    pub(super) fn reload(&mut self, confirm_s: Option<u64>) -> Option<Answer> {
        if let Some(answer) = self.bench.ask(Request::Reload { confirm_s, max_impact: None, yes: false }) {
            return Some(answer);
        }
        let request_id = self.bench.reads.pop().expect("the file is asked for");
        let file = read_as(self.file, Ok(file_of(&meaning(self.file))));
        self.bench.give(Input::Reload { request_id, file });
        self.answer()
    }

    pub(super) fn answer(&mut self) -> Option<Answer> {
        self.bench.answers.pop_last().map(|(_, answer)| answer)
    }

    fn udp_timeout(&self) -> Duration {
        self.bench.controller.intent.timeouts.udp
    }

    fn is_new(&self) -> bool {
        let is_new = self.udp_timeout() == new().timeouts.udp;
        assert!(is_new || self.udp_timeout() == two_arm().timeouts.udp);
        is_new
    }

    fn awaited(&mut self) -> Option<AwaitedRow> {
        match self.bench.ask(Request::Status {}) {
            Some(Ok(Answered { data: Data::Status(status), .. })) => status.awaited,
            other => panic!("{other:?}"),
        }
    }

    fn alarms(&mut self) -> Vec<String> {
        match self.bench.ask(Request::Status {}) {
            Some(Ok(Answered { data: Data::Status(status), .. })) => {
                status.alarms.into_iter().map(|alarm| alarm.message).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    /// What a start would be made with, if the appliance died now.
    fn starts_with(&self) -> &'static str {
        starts_with(self.disk.as_ref(), self.file)
    }
}

fn starts_with(disk: Option<&Configurations>, file: &'static str) -> &'static str {
    let kept = disk.and_then(|disk| disk.instead_of(file)).map(|entry| entry.text.clone());
    [OLD, NEW].into_iter().find(|text| kept.as_deref() == Some(text)).unwrap_or(file)
}

fn reloaded(answer: Option<Answer>) -> Reloaded {
    match answer {
        Some(Ok(Answered { data: Data::Reloaded(reloaded), .. })) => reloaded,
        other => panic!("{other:?}"),
    }
}

fn refusal(answer: Option<Answer>) -> String {
    let error = answer.expect("an answer").expect_err("a refusal");
    assert_eq!(error.code, Code::Refused);
    error.message
}

/// The new file is in force and waits.
fn awaiting() -> Kept {
    let mut kept = Kept::start(None, OLD);
    kept.file = NEW;
    assert_eq!(kept.reload(Some(60)), None);
    kept.save(Ok(()));
    let answer = reloaded(kept.answer());
    assert_eq!((answer.changes.len(), answer.number, answer.confirm_within_s), (1, 2, Some(60)));
    kept
}

#[test]
fn without_a_confirmation_the_one_before_is_in_force_again() {
    let mut kept = awaiting();
    assert!(kept.is_new());
    assert_eq!(kept.bench.logged("configuration 2 is in force and waits 60 s for `fairlead confirm`"), 1);
    kept.bench.run(29_500);
    let awaited = kept.awaited().expect("it waits");
    assert_eq!((awaited.number, awaited.back_to, awaited.left_s), (2, 1, 31));
    kept.bench.run(30_499);
    assert!(kept.is_new() && kept.awaited().is_some_and(|row| row.left_s == 1));
    kept.bench.run(1);
    assert!(!kept.is_new(), "after 60 s and not later");
    assert_eq!(
        (kept.awaited(), kept.bench.logged("configuration 2 was not confirmed in time: configuration 1")),
        (None, 1)
    );
    kept.save(Ok(()));
    let last = kept.disk.as_ref().unwrap().last().clone();
    assert_eq!((last.number, last.cause, &*last.text), (3, ConfigurationCause::Rollback, OLD));
    assert_eq!(last.changes, "back to 1: 2 was not confirmed in time");
    assert_eq!(kept.starts_with(), OLD, "the file is still the new one");
    assert!(kept.alarms()[0].starts_with("the file is not what is in force, configuration 3"));
    // The members have noticed nothing.
    assert_eq!(kept.bench.active().as_deref(), Some("sip-a"));
    // Whoever reloads it now wants it.
    assert_eq!(kept.reload(None), None, "it waits to be saved");
    kept.save(Ok(()));
    reloaded(kept.answer());
    assert_eq!((kept.is_new(), kept.starts_with(), kept.alarms()), (true, NEW, Vec::new()));
}

#[test]
fn what_is_confirmed_stays() {
    let mut kept = awaiting();
    kept.bench.run(59_000);
    assert!(kept.bench.ask(Request::Confirm {}).is_none(), "no answer before it is saved");
    assert_eq!(kept.starts_with(), OLD);
    kept.save(Ok(()));
    let Some(Ok(Answered { data: Data::Confirmed(confirmed), .. })) = kept.answer() else { panic!() };
    assert_eq!(confirmed, Confirmed { number: 2, differs_from_file: false });
    assert_eq!((kept.awaited(), kept.starts_with()), (None, NEW));
    kept.bench.run(120_000);
    assert!(kept.is_new());
    assert_eq!(kept.bench.logged("configuration 2 confirmed by the operator"), 1);
    assert!(refusal(kept.bench.ask(Request::Confirm {})).contains("configuration 2 is in force and confirmed"));
}

#[test]
fn while_one_waits_another_is_refused_and_what_to_do_is_said() {
    let mut kept = awaiting();
    kept.bench.run(10_000);
    let why = refusal(kept.reload(None));
    assert!(why.contains("configuration 2 waits for its confirmation: `fairlead confirm` keeps it; in 50 s"), "{why}");
    assert!(refusal(kept.reload(Some(30))).contains("`fairlead confirm`"));
    kept.bench.give(Input::Hangup);
    let request_id = kept.bench.reads.pop().expect("the file is asked for");
    kept.bench.give(Input::Reload { request_id, file: read_as(OLD, Ok(file_of(&two_arm()))) });
    assert_eq!(kept.bench.logged("reload rejected, running configuration kept: configuration 2 waits"), 1);
    assert!(kept.is_new());
    kept.bench.run(50_000);
    assert!(!kept.is_new(), "none of that changed the time");
}

#[test]
fn what_cannot_be_kept_is_not_taken_over() {
    let mut kept = Kept::start(None, OLD);
    kept.file = NEW;
    assert_eq!(kept.reload(Some(60)), None);
    assert!(refusal(kept.bench.ask(Request::Confirm {})).contains("not in force yet"));
    assert!(refusal(kept.reload(None)).contains("try again"));
    kept.save(Err("No space left on device".into()));
    let why = refusal(kept.answer());
    assert!(why.contains("No space left on device") && why.contains("Nothing was changed"), "{why}");
    assert!(!kept.is_new() && kept.awaited().is_none());
    assert_eq!(kept.alarms().len(), 1);
    kept.save(Ok(()));
    assert_eq!((kept.starts_with(), kept.alarms()), (NEW, Vec::new()), "the file was never refused");
    // A plain one is taken over all the same, and an alarm says that it is not kept.
    assert_eq!(kept.reload(None), None);
    kept.save(Err("No space left on device".into()));
    reloaded(kept.answer());
    assert!(kept.is_new());
    assert!(kept.alarms()[0].starts_with("the configuration in force is not kept for a restart"));
}

/// A disk that takes hours does not have a configuration taken over when nobody looks any more.
#[test]
fn what_the_disk_does_not_take_in_time_is_not_taken_over_later() {
    let mut kept = Kept::start(None, OLD);
    kept.file = NEW;
    assert_eq!(kept.reload(Some(60)), None);
    kept.bench.run(9_900);
    assert_eq!(kept.answer(), None);
    kept.bench.run(200);
    let why = refusal(kept.answer());
    assert!(why.contains("the disk has not taken it within 10 s") && why.contains("Nothing was changed"), "{why}");
    kept.save(Ok(()));
    assert!(!kept.is_new() && kept.awaited().is_none());
    assert_eq!(kept.reload(Some(60)), None, "another is not refused for it");
    kept.save(Ok(()));
    kept.save(Ok(()));
    reloaded(kept.answer());
    assert!(kept.is_new());
}

#[test]
fn a_confirmation_that_cannot_be_written_says_so() {
    let mut kept = awaiting();
    assert!(kept.bench.ask(Request::Confirm {}).is_none());
    kept.save(Err("Input/output error".into()));
    assert!(refusal(kept.answer()).contains("configuration 2 is confirmed, but that is not written"));
    kept.bench.run(11_000);
    kept.save(Ok(()));
    assert_eq!((kept.starts_with(), kept.is_new()), (NEW, true), "it was tried again");
}

/// The appliance dies at any moment, and starts with what was confirmed last; then it does the same again.
#[test]
fn a_crash_at_any_moment_leaves_what_was_confirmed() {
    let check = |kept: &Kept, expected: &str| {
        assert_eq!(kept.starts_with(), expected);
        let mut after = Kept::start(kept.disk.clone(), kept.file);
        assert_eq!((after.is_new(), after.awaited()), (expected == NEW, None));
        assert_eq!(after.starts_with(), expected, "and at the start after that");
        let differs = expected != kept.file;
        assert_eq!(after.alarms().len(), usize::from(differs), "{:?}", after.alarms());
    };
    let mut kept = Kept::start(None, OLD);
    check(&kept, OLD);
    kept.file = NEW;
    check(&kept, NEW);
    kept.file = OLD;
    // Each step of a reload that must be confirmed. The file is written first; until the reload it is what an operator wants.
    kept.file = NEW;
    assert_eq!(kept.reload(Some(60)), None);
    check(&kept, NEW);
    kept.save(Ok(()));
    check(&kept, OLD);
    reloaded(kept.answer());
    check(&kept, OLD);
    let mut other = Kept { bench: awaiting().bench, disk: kept.disk.clone(), file: NEW };
    // One is confirmed.
    kept.bench.run(30_000);
    assert!(kept.bench.ask(Request::Confirm {}).is_none());
    check(&kept, OLD);
    kept.save(Ok(()));
    check(&kept, NEW);
    // The other is not.
    other.bench.run(61_000);
    check(&other, OLD);
    other.save(Ok(()));
    check(&other, OLD);
    // Whoever writes the file meanwhile wants that.
    other.file = OLD;
    check(&other, OLD);
}

#[test]
fn a_shutdown_says_what_the_next_start_is_with() {
    let mut kept = awaiting();
    kept.bench.give(Input::Stop);
    assert_eq!(kept.bench.logged("configuration 2 was not confirmed: the next start is with configuration 1"), 1);
    assert_eq!(kept.starts_with(), OLD);
    let mut kept = Kept::start(None, OLD);
    kept.file = NEW;
    assert_eq!(kept.reload(Some(60)), None);
    kept.bench.give(Input::Stop);
    assert_eq!(kept.answer().expect("an answer").unwrap_err().code, Code::Stopping);
    // The save under way ends, and the one that takes it back comes after it.
    kept.save(Ok(()));
    kept.save(Ok(()));
    assert_eq!(kept.starts_with(), NEW);
}

/// What a configuration takes away that does not stay is not lost by it.
#[test]
fn what_the_operator_had_set_is_set_again() {
    let mut kept = Kept::start(None, OLD);
    let exclude = |prefix: &str| Request::ExcludeAdd { pool: "pair-1".into(), prefix: net(prefix) };
    kept.bench.ask(exclude("10.99.0.0/16")).expect("an answer").unwrap();
    kept.bench.ask(member_set("sip-b", AdminState::Offline)).expect("an answer").unwrap();
    assert_eq!(kept.bench.controller.settings(), 2);
    // The file has neither the member nor the pool's SNAT.
    let mut file = two_arm();
    file.members.remove(B);
    file.pools[0].members.pop();
    file.snats.clear();
    kept.file = NEW;
    assert!(kept.bench.ask(Request::Reload { confirm_s: Some(60), max_impact: None, yes: false }).is_none());
    let request_id = kept.bench.reads.pop().unwrap();
    kept.bench.give(Input::Reload { request_id, file: read_as(NEW, Ok(file_of(&file))) });
    kept.save(Ok(()));
    reloaded(kept.answer());
    assert_eq!(kept.bench.controller.settings(), 0);
    // What is set meanwhile stays, and stands in the way of nothing.
    kept.bench.ask(member_set("sip-a", AdminState::Draining)).expect("an answer").unwrap();
    kept.bench.run(61_000);
    assert_eq!(kept.bench.controller.settings(), 3);
    assert_eq!(members(&mut kept.bench)[0].admin, AdminState::Draining);
    assert!(kept.bench.snapshot().pools[0].exclude.holds([10, 99, 1, 1].into()));
    assert_eq!(members(&mut kept.bench)[B].admin, AdminState::Offline);
}

/// The file says for a minute what the operator had set: it is his again when the file does not, unless he has said otherwise since.
#[test]
fn what_the_file_has_said_for_a_while_is_the_operators_again() {
    for (since, [operator, settings]) in [(None, ["draining", "1"]), (Some(AdminState::Enabled), ["enabled", "0"])] {
        let mut kept = Kept::start(None, OLD);
        kept.bench.ask(member_set("sip-b", AdminState::Draining)).expect("an answer").unwrap();
        let mut file = two_arm();
        file.members[B].admin_state = AdminState::Draining;
        kept.file = NEW;
        assert!(kept.bench.ask(Request::Reload { confirm_s: Some(60), max_impact: None, yes: false }).is_none());
        let request_id = kept.bench.reads.pop().unwrap();
        kept.bench.give(Input::Reload { request_id, file: read_as(NEW, Ok(file_of(&file))) });
        kept.save(Ok(()));
        assert!(reloaded(kept.answer()).settings.is_empty());
        since.into_iter().for_each(|word| _ = kept.bench.ask(member_set("sip-b", word)).expect("an answer").unwrap());
        kept.bench.run(61_000);
        assert_eq!(members(&mut kept.bench)[B].admin.to_string(), operator);
        assert_eq!(kept.bench.controller.settings().to_string(), settings);
    }
}

/// It was made with what was this appliance's own when it came, and would take back what was taken over since.
#[test]
fn a_configuration_of_the_other_appliance_is_refused_where_another_was_taken_over_meanwhile() {
    let mut kept = Kept::start(None, OLD);
    kept.bench.give(Input::Pair(PairNews::Word(PairWord::Push { number: 7, text: OLD.into(), confirm_s: 60 })));
    let (request_id, _) = kept.bench.texts.pop().expect("it is read");
    kept.file = NEW;
    _ = kept.reload(None);
    kept.save(Ok(()));
    assert!(kept.is_new());
    let file = read_as(OLD, Ok(file_of(&two_arm())));
    kept.bench.give(Input::Reload { request_id: Some(request_id), file });
    let Some(PairWord::Pushed { number: 7, outcome: Err(why) }) = kept.bench.said.pop() else { panic!("no answer") };
    assert!(why.contains("meanwhile: try again"), "{why}");
    assert!(kept.is_new());
}

/// Who watches from outside sees which configuration is in force, and that the last one that was meant to be is not.
#[test]
fn the_configuration_in_force_has_a_digest_and_a_refused_one_leaves_it() {
    let mut kept = Kept::start(None, OLD);
    let shown = |kept: &mut Kept| {
        let Data::Status(status) = kept.bench.ask(Request::Status {}).unwrap().unwrap().data else { panic!() };
        status.configuration
    };
    let digest = |text: &str| {
        openssl::sha::sha256(text.as_bytes())[..8].iter().fold(String::new(), |all, it| format!("{all}{it:02x}"))
    };
    let first = shown(&mut kept);
    assert_eq!((first.digest.clone(), first.last_reload_successful), (digest(OLD), true));
    kept.bench.run(2_000);
    kept.file = NEW;
    assert!(kept.bench.ask(Request::reload()).is_none());
    let request_id = kept.bench.reads.pop().unwrap();
    let bad = crate::config::parse("fairlead.toml", "[pool").unwrap_err();
    kept.bench.give(Input::Reload { request_id, file: read_as("[pool", Err(bad)) });
    assert!(kept.answer().expect("an answer").is_err());
    let refused = shown(&mut kept);
    assert_eq!((&refused.digest, refused.last_reload_successful), (&first.digest, false));
    assert!(refused.last_reload > first.last_reload);
    _ = kept.reload(None);
    kept.save(Ok(()));
    let taken = shown(&mut kept);
    assert_eq!((taken.digest.clone(), taken.last_reload_successful), (digest(NEW), true));
    // What the other appliance sends is another one's file.
    kept.bench.give(Input::Pair(PairNews::Word(PairWord::Push { number: 7, text: OLD.into(), confirm_s: 60 })));
    let (request_id, _) = kept.bench.texts.pop().expect("it is read");
    let bad = crate::config::parse("fairlead.toml", "[pool").unwrap_err();
    kept.bench.give(Input::Reload { request_id: Some(request_id), file: read_as("[pool", Err(bad)) });
    assert_eq!(shown(&mut kept), taken);
}

/// The new file, without the second member, is in force for a minute.
fn without_b(kept: &mut Kept) {
    let mut file = two_arm();
    file.members.remove(B);
    file.pools[0].members.pop();
    kept.file = NEW;
    assert!(kept.bench.ask(Request::Reload { confirm_s: Some(60), max_impact: None, yes: false }).is_none());
    let request_id = kept.bench.reads.pop().unwrap();
    kept.bench.give(Input::Reload { request_id, file: read_as(NEW, Ok(file_of(&file))) });
    kept.save(Ok(()));
    reloaded(kept.answer());
}

/// Its member was gone meanwhile and may not answer: as after a restart, that is seen first.
#[test]
fn whoever_was_forced_is_forced_again_once_he_answers() {
    let mut kept = Kept::start(None, OLD);
    kept.bench.hosts[B].manner = Manner::Answers(200);
    kept.bench.run(1_000);
    kept.bench.ask(force("sip-b")).expect("an answer").unwrap();
    assert_eq!(kept.bench.active().as_deref(), Some("sip-b"));
    without_b(&mut kept);
    assert_eq!(kept.bench.active().as_deref(), Some("sip-a"));
    kept.bench.hosts[B].manner = Manner::Mute;
    kept.bench.run(63_000);
    assert_eq!((kept.is_new(), kept.bench.active().as_deref()), (false, Some("sip-a")), "sip-b says nothing");
    let why = "sip-b was forced by the operator before a configuration that was not confirmed but does not answer";
    assert_eq!(kept.alarms().iter().filter(|alarm| alarm.contains(why)).count(), 1);
    assert_eq!(kept.bench.controller.settings(), 1);
    kept.bench.hosts[B].manner = Manner::Answers(200);
    kept.bench.run(2_000);
    assert_eq!(kept.bench.active().as_deref(), Some("sip-b"));
}

#[test]
fn what_is_forced_meanwhile_stays_forced() {
    let mut kept = Kept::start(None, OLD);
    kept.bench.hosts[B].manner = Manner::Answers(200);
    kept.bench.run(1_000);
    kept.bench.ask(force("sip-b")).expect("an answer").unwrap();
    without_b(&mut kept);
    kept.bench.ask(force("sip-a")).expect("an answer").unwrap();
    kept.bench.run(63_000);
    assert_eq!((kept.bench.active().as_deref(), kept.bench.controller.settings()), (Some("sip-a"), 1));
}

fn history(kept: &mut Kept) -> Vec<(u64, ConfigurationCause, bool, bool)> {
    match kept.bench.ask(Request::History {}) {
        Some(Ok(Answered { data: Data::History(rows), .. })) => {
            rows.into_iter().map(|row| (row.number, row.cause, row.in_force, row.unconfirmed)).collect()
        }
        other => panic!("{other:?}"),
    }
}

/// The operator rolls back, and what was kept is read, while the file says what it says.
fn rollback(kept: &mut Kept, number: u64, confirm_s: Option<u64>) -> Option<Answer> {
    let asked = kept.bench.ask(Request::Rollback { number, confirm_s, max_impact: None, yes: false });
    if asked.is_some() {
        return asked;
    }
    let (request_id, text) = kept.bench.texts.pop().expect("it is read");
    let read = file_of(&meaning([OLD, NEW].into_iter().find(|known| **known == *text).expect("a known text")));
    let file = FileRead { read: Ok(Box::new(read)), text, file: Some(kept.file.into()) };
    kept.bench.give(Input::Reload { request_id: Some(request_id), file });
    kept.answer()
}

#[test]
fn one_of_the_history_is_put_in_force_again_and_the_file_stays() {
    let (reload, back) = (ConfigurationCause::Reload, ConfigurationCause::Rollback);
    let mut kept = Kept::start(None, OLD);
    kept.file = NEW;
    assert_eq!(kept.reload(None), None);
    kept.save(Ok(()));
    let answer = reloaded(kept.answer());
    assert_eq!((answer.number, answer.differs_from_file), (2, false));
    assert_eq!(history(&mut kept), [(1, ConfigurationCause::Start, false, false), (2, reload, true, false)]);
    let Some(Ok(Answered { data: Data::HistoryText(text), .. })) = kept.bench.ask(Request::HistoryShow { number: 1 })
    else {
        panic!()
    };
    assert_eq!((text.number, &*text.text), (1, OLD));
    assert_eq!(rollback(&mut kept, 1, None), None, "it waits to be saved");
    assert!(!kept.is_new());
    kept.save(Ok(()));
    let answer = reloaded(kept.answer());
    assert_eq!((answer.changes.len(), answer.number, answer.differs_from_file), (1, 3, true));
    assert_eq!(history(&mut kept)[1..], [(2, reload, false, false), (3, back, true, false)]);
    assert!(kept.disk.as_ref().unwrap().last().changes.starts_with("back to 1: timeouts: udp "));
    assert_eq!(kept.bench.logged("rolled back to configuration 1 by the operator: 1 difference"), 1);
    assert_eq!(kept.starts_with(), OLD, "also after a crash");
    assert!(kept.alarms()[0].starts_with("the file is not what is in force, configuration 3"));
    // And the other way, for a time.
    assert_eq!(rollback(&mut kept, 2, Some(10)), None);
    assert_eq!(history(&mut kept).last(), Some(&(3, back, true, false)), "it is not in force before it is saved");
    kept.save(Ok(()));
    assert_eq!(reloaded(kept.answer()).confirm_within_s, Some(10));
    assert_eq!(history(&mut kept).last(), Some(&(4, back, true, true)));
    assert!(kept.is_new() && kept.starts_with() == OLD);
    kept.bench.run(10_000);
    assert!(!kept.is_new());
    kept.save(Ok(()));
    assert_eq!(kept.starts_with(), OLD);
}

#[test]
fn what_is_not_there_or_is_in_force_or_needs_a_restart_is_refused() {
    let mut kept = awaiting();
    assert!(refusal(rollback(&mut kept, 1, None)).contains("`fairlead confirm`"), "one waits");
    assert!(kept.bench.ask(Request::Confirm {}).is_none());
    kept.save(Ok(()));
    kept.answer();
    let why = refusal(rollback(&mut kept, 7, None));
    assert!(why.starts_with("there is no configuration 7: 1 to 2 are kept, the last 10 at most"), "{why}");
    assert!(refusal(kept.bench.ask(Request::HistoryShow { number: 0 })).starts_with("there is no configuration 0"));
    assert!(refusal(rollback(&mut kept, 2, None)).starts_with("configuration 2 is the one in force"));
    assert!(kept.bench.ask(Request::Rollback { number: 1, confirm_s: None, max_impact: None, yes: false }).is_none());
    let (request_id, text) = kept.bench.texts.pop().expect("it is read");
    let mut file = two_arm();
    file.ports[0].device = "net_null7".into();
    let file = FileRead { read: Ok(Box::new(file_of(&file))), text, file: None };
    kept.bench.give(Input::Reload { request_id: Some(request_id), file });
    assert!(refusal(kept.answer()).starts_with("only a restart can apply this"));
    assert_eq!(history(&mut kept).len(), 2);
}

#[test]
fn what_an_operator_has_set_is_said_as_it_is_written_into_the_file() {
    let mut kept = Kept::start(None, OLD);
    let plan = |kept: &mut Kept| match kept.bench.ask(Request::SavePlan {}) {
        Some(Ok(Answered { data: Data::SavePlan(plan), .. })) => *plan,
        other => panic!("{other:?}"),
    };
    let found = plan(&mut kept);
    assert_eq!((found.file.as_str(), &*found.text), ("/etc/fairlead/fairlead.toml", OLD));
    assert_eq!((found.exclusions, found.settings), (Vec::new(), Vec::new()));
    let pool = || "pair-1".to_owned();
    let (one, other) = (net("10.99.0.0/16"), net("172.16.2.0/24"));
    kept.bench.ask(Request::ExcludeAdd { pool: pool(), prefix: one }).expect("an answer").unwrap();
    kept.bench.ask(Request::ExcludeRemove { pool: pool(), prefix: other }).expect("an answer").unwrap();
    kept.bench.ask(member_set("sip-b", AdminState::Offline)).expect("an answer").unwrap();
    let drain =
        Request::MemberSet { member: "sip-a".into(), admin: AdminState::Draining, yes: false, for_s: Some(600) };
    kept.bench.ask(drain).expect("an answer").unwrap();
    let found = plan(&mut kept);
    let offline = SavedMemberRow { pool: pool(), member: "sip-b".into(), admin: AdminState::Offline };
    assert_eq!(found.members, [offline]);
    assert_eq!(found.exclusions, [SavedExclusionsRow { pool: pool(), added: vec![one], removed: vec![other] }]);
    let left: Vec<&str> = found.settings.iter().map(|row| row.what.as_str()).collect();
    assert_eq!(left, ["sip-a"], "the file has no key for a drain that ends at a time");
    assert_eq!((found.kept_in, found.log_level), (None, None), "nothing is kept here");
    kept.bench.ask(Request::LogLevel { level: Some(LogLevel::Trace) }).expect("an answer").unwrap();
    assert_eq!(plan(&mut kept).log_level, Some(LogLevel::Trace));
    // It is written, and read again: nothing but that drain is different from it.
    let mut file = two_arm();
    file.members[B].admin_state = AdminState::Offline;
    file.snats[0].exclude = vec![net("172.16.1.20/32"), one];
    assert!(kept.bench.ask(Request::reload()).is_none());
    let request_id = kept.bench.reads.pop().unwrap();
    let snapshot = kept.bench.snapshot().epoch;
    kept.bench.give(Input::Reload { request_id, file: read_as(NEW, Ok(file_of(&file))) });
    kept.save(Ok(()));
    assert_eq!(reloaded(kept.answer()).settings.len(), 1);
    assert_eq!(kept.bench.controller.settings(), 1);
    let after = kept.bench.snapshot();
    assert!(after.epoch > snapshot && after.pools[0].exclude.holds([10, 99, 1, 1].into()));
    assert!(!after.pools[0].exclude.holds([172, 16, 2, 7].into()));
}

#[test]
fn a_file_that_is_not_in_force_is_not_saved_to() {
    let mut kept = awaiting();
    assert!(refusal(kept.bench.ask(Request::SavePlan {})).contains("`fairlead confirm`"));
    kept.bench.run(61_000);
    let why = refusal(kept.bench.ask(Request::SavePlan {}));
    assert!(why.contains("`fairlead diff`") && why.contains("`fairlead reload`"), "{why}");
}
