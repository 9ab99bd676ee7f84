//! Scenarios 148 to 155: two whole appliances that tell each other what they know.

use fairlead::admin::pair::{PairReport, PairRole, SyncWord};
use fairlead::admin::request::AdminState;
use fairlead::admin::rows::{DrillState, ExcludeRow, Fitness, MemberRow, Reloaded, Role};
use fairlead::admin::{Data, Request};
use fairlead::control::{Input, LinkFacts, PairNews};
use fairlead::sync::{Report, State};
use fairlead::wire::build::Build;
use testbench::bench::frames::*;
use testbench::bench::{File, INNER, OUTER, Seen, Twins};

const MASTER: &str = "INSTANCE \"VI_1\" MASTER 100";
const BACKUP: &str = "INSTANCE \"VI_1\" BACKUP 100";

fn pem(name: &str) -> String {
    format!("{}/src/config/tests/pem/{name}.pem", env!("CARGO_MANIFEST_DIR"))
}

/// The two files: alike but for what is each one's own.
fn two_files() -> [File; 2] {
    let file = |last: usize, priority: u16, [own, key, other]: [&str; 3]| {
        let [own, key, other] = [own, key, other].map(pem);
        File::two_arm()
            .with("\"192.0.2.2/24\"]", &format!("\"192.0.2.{last}/24\"]\nfloating = [\"192.0.2.10/24\"]"))
            .with("\"10.20.0.1/24\"]", &format!("\"10.20.0.{last}/24\"]\nfloating = [\"10.20.0.1/24\"]"))
            .and(&format!(
                "\n[appliance]\nname = \"lead-{}\"\n\n[pair]\npriority = {priority}\nsettle = \"2s\"\npeer = \"10.99.0.{}:7601\"\ncertificate = \"{own}\"\n\
                 key = \"{key}\"\npeer_certificate = \"{other}\"\n",
                last - 1,
                5 - last
            ))
    };
    [file(2, 100, ["probe", "probe-key", "other"]), file(3, 90, ["other", "other-key", "probe"])]
}

/// Both with a wire between, the first of which is active, and in sync.
fn twins(workers: usize) -> Twins {
    let files = two_files();
    let mut twins = Twins::new([&files[0], &files[1]], ["10.20.0.2", "10.20.0.3"], workers, workers as u64);
    twins.connect();
    become_active(&mut twins, 0);
    twins.rest(secs(8));
    assert_eq!(roles(&mut twins), [PairRole::Active, PairRole::Standby]);
    twins
}

/// keepalived has moved the addresses to this one, and the other one knows it.
fn become_active(twins: &mut Twins, lead: usize) {
    twins.tell(1 - lead, PairNews::Keepalived(BACKUP.into()));
    twins.tell(lead, PairNews::Keepalived(MASTER.into()));
    twins.run(ms(50));
}

fn report(twins: &mut Twins, lead: usize) -> PairReport {
    let Ok(Data::Pair(report)) = twins.ask(lead, Request::Pair {}) else { panic!("there is a pair") };
    *report
}

fn roles(twins: &mut Twins) -> [PairRole; 2] {
    [0, 1].map(|lead| report(twins, lead).role)
}

fn state(twins: &mut Twins, lead: usize) -> SyncWord {
    report(twins, lead).link.expect("a connection is wanted").state
}

/// Codes and messages of the alarms that stand there.
fn alarms(twins: &mut Twins, lead: usize) -> Vec<(String, String)> {
    let Ok(Data::Alarms(rows)) = twins.ask(lead, Request::Alarms {}) else { panic!("no alarms") };
    rows.into_iter().map(|row| (row.code, row.message)).collect()
}

fn alarm(twins: &mut Twins, lead: usize, code: &str) -> Option<String> {
    alarms(twins, lead).into_iter().find(|(known, _)| known == code).map(|(_, message)| message)
}

fn members(twins: &mut Twins, lead: usize) -> Vec<MemberRow> {
    let Ok(Data::Members(rows)) = twins.ask(lead, Request::Members {}) else { panic!("no members") };
    rows
}

fn admin(twins: &mut Twins, lead: usize, name: &str) -> AdminState {
    members(twins, lead).into_iter().find(|row| row.name == name).expect("it is there").admin
}

fn active(twins: &mut Twins, lead: usize) -> Option<String> {
    members(twins, lead).into_iter().find(|row| row.role == Role::Active).map(|row| row.name)
}

fn set(member: &str, admin: AdminState) -> Request {
    Request::MemberSet { member: member.into(), admin, yes: false, for_s: None }
}

/// What passes: who forwards it, from where, to where.
fn passes(twins: &mut Twins, port: fairlead::policy::intent::PortId, sent: &Build) -> Vec<(usize, String, String)> {
    twins.look();
    let hop = if port == OUTER { "192.0.2.10" } else { G };
    twins.send(port, hop.parse().unwrap(), sent);
    twins.run(ms(3));
    let end = |seen: &Seen| (seen.headers().src().to_string(), seen.headers().dst().to_string());
    let seen = twins.look().into_iter().filter(|(_, seen)| !seen.is_arp());
    seen.map(|(lead, seen)| (lead, end(&seen).0, end(&seen).1)).collect()
}

fn one(lead: usize, src: &str, dst: &str) -> Vec<(usize, String, String)> {
    vec![(lead, src.into(), dst.into())]
}

#[test]
fn s148_what_stands_at_one_goes_on_at_the_other_after_each_takeover() {
    for workers in [1, 3] {
        let mut twins = twins(workers);
        let (client, service) = (at(PHONE, 40_001), at(V, 5060));
        assert_eq!(passes(&mut twins, OUTER, &Build::tcp(client, service, SYN, 1_000, 0)), one(0, PHONE, A));
        let answer = Build::tcp(at(A, 5060), client, SYN_ACK, 9_000, 1_001);
        assert_eq!(passes(&mut twins, INNER, &answer), one(0, V, PHONE));
        let data = Build::tcp(client, service, DATA, 1_001, 9_001);
        assert_eq!(passes(&mut twins, OUTER, &data), one(0, PHONE, A));
        // Two members with the same port of their own: one is given another.
        let outward = |member: &str| Build::udp(at(member, 7_000), at(PEER, 9_000)).payload(b"of its own");
        for member in [A, B] {
            assert_eq!(passes(&mut twins, INNER, &outward(member)), one(0, V, PEER));
        }
        twins.run(ms(300));
        assert_eq!(twins.leads[0].flows(), twins.leads[1].flows());
        let says = report(&mut twins, 0);
        let link = says.link.unwrap();
        assert_eq!((says.in_sync, says.lag_flows, link.state), (Some(true), Some(0), SyncWord::InSync));
        assert_eq!((link.name.as_deref(), link.differences_count), (Some("lead-2"), Some(0)), "{:?}", link.differences);
        let taken = report(&mut twins, 1).link.unwrap();
        assert!(taken.flows_taken >= 3 && taken.flows_left_out == 0 && taken.records_received > 0, "{taken:?}");
        for active in [1, 0, 1] {
            become_active(&mut twins, active);
            assert_eq!(passes(&mut twins, OUTER, &data), one(active, PHONE, A), "the connection");
            assert_eq!(passes(&mut twins, INNER, &outward(A)), one(active, V, PEER), "a mapping");
            let back = Build::udp(at(PEER, 9_000), at(V, 7_000)).payload(b"and back");
            assert_eq!(passes(&mut twins, OUTER, &back), one(active, PEER, A), "its port is still claimed");
            twins.rest(secs(6));
            assert_eq!([0, 1].map(|lead| state(&mut twins, lead)), [SyncWord::InSync; 2]);
        }
        for lead in 0..2 {
            assert_eq!(alarm(&mut twins, lead, "pair.unsynchronised"), None);
            assert_eq!(alarm(&mut twins, lead, "pair.configuration"), None);
        }
        twins.shut_down();
    }
}

#[test]
fn s149_a_connection_that_is_cut_is_an_alarm_at_both_until_all_is_there_again() {
    let mut twins = twins(2);
    twins.wire.as_mut().unwrap().is_cut = true;
    twins.rest(secs(3));
    for lead in 0..2 {
        let report = report(&mut twins, lead);
        assert_eq!((report.peer, report.in_sync, report.link.as_ref().unwrap().state), (None, None, SyncWord::Away));
        let why = report.link.unwrap().last_error.unwrap();
        assert!(why.contains("nothing was heard") || why.contains("has closed"), "{why}");
        assert_eq!(alarm(&mut twins, lead, "pair.unsynchronised"), None, "not at once");
    }
    twins.rest(secs(4));
    for lead in 0..2 {
        let message = alarm(&mut twins, lead, "pair.unsynchronised").expect("an alarm");
        assert!(message.contains("there is no connection: "), "{message}");
    }
    let call = Build::udp(at(A, 7_000), at(PEER, 9_000)).payload(b"meanwhile");
    assert_eq!(passes(&mut twins, INNER, &call), one(0, V, PEER), "it costs the active one nothing");
    twins.wire.as_mut().unwrap().is_cut = false;
    twins.rest(secs(4));
    assert_eq!([0, 1].map(|lead| state(&mut twins, lead)), [SyncWord::InSync; 2]);
    assert_eq!(twins.leads[0].flows(), twins.leads[1].flows());
    for lead in 0..2 {
        assert_eq!(alarm(&mut twins, lead, "pair.unsynchronised"), None);
        let said = |what: &str| twins.leads[lead].log.iter().any(|line| line.message.contains(what));
        assert!(said("connected to lead-") && said("is lost: ") && said("all that the active one knows"));
    }
    twins.shut_down();
}

/// However many there are, and however long.
#[test]
fn s136_words_that_cannot_be_read_are_an_event_a_connection_and_a_count() {
    let mut twins = twins(1);
    for _ in 0..500 {
        twins.tell(0, PairNews::Unread(format!("no such word: {}", "x".repeat(100_000))));
    }
    twins.run(ms(50));
    let said = |twins: &Twins, what: &str| -> Vec<String> {
        let lines = twins.leads[0].log.iter().filter(|line| line.message.contains(what));
        lines.map(|line| line.message.clone()).collect()
    };
    let lines = said(&twins, "cannot be read");
    assert_eq!(lines.len(), 1);
    assert!(
        lines[0].starts_with("what lead-2 says cannot be read: no such word: xxx") && lines[0].len() < 300,
        "{lines:?}"
    );
    assert_eq!(said(&twins, "could not be read").len(), 0);
    twins.wire.as_mut().unwrap().is_cut = true;
    twins.rest(secs(2));
    assert_eq!(said(&twins, "could not be read"), ["500 words of lead-2 could not be read over that connection"]);
    twins.wire.as_mut().unwrap().is_cut = false;
    twins.rest(secs(1));
    twins.tell(0, PairNews::Unread("again".into()));
    twins.run(ms(50));
    assert_eq!(said(&twins, "cannot be read").len(), 2);
    twins.shut_down();
}

#[test]
fn s150_files_that_differ_are_an_alarm_with_the_keys_and_only_those_that_should_be_the_same() {
    let mut twins = twins(1);
    twins.leads[1].file =
        two_files()[1].clone().with("settle = \"2s\"", "settle = \"4s\"").with("fall = 3", "fall = 4");
    twins.ask(1, Request::reload()).unwrap();
    twins.run(ms(500));
    let expected = "the configurations of the two appliances differ in monitor sip-options: fall, pair: settle";
    for lead in 0..2 {
        assert_eq!(alarm(&mut twins, lead, "pair.configuration").as_deref(), Some(expected));
        assert_eq!(report(&mut twins, lead).link.unwrap().differences, ["monitor sip-options: fall", "pair: settle"]);
    }
    // While they do not hear each other, and one changes, nobody knows better.
    twins.wire.as_mut().unwrap().is_cut = true;
    twins.rest(secs(2));
    twins.leads[1].file = two_files()[1].clone();
    twins.ask(1, Request::reload()).unwrap();
    twins.rest(secs(1));
    for lead in 0..2 {
        assert_eq!(alarm(&mut twins, lead, "pair.configuration").as_deref(), Some(expected));
        let link = report(&mut twins, lead).link.unwrap();
        assert_eq!((link.state, link.differences_count, link.differences.len()), (SyncWord::Away, None, 0));
    }
    twins.wire.as_mut().unwrap().is_cut = false;
    twins.run(ms(500));
    assert_eq!([0, 1].map(|lead| report(&mut twins, lead).link.unwrap().differences_count), [Some(0); 2]);
    assert_eq!([0, 1].map(|lead| alarm(&mut twins, lead, "pair.configuration")), [None, None]);
    twins.shut_down();
}

#[test]
fn s151_what_an_operator_has_set_follows_the_active_appliance_and_is_in_force_after_a_takeover() {
    let mut twins = twins(2);
    // What was set at the standby while nobody else was there gives way.
    let excluded = |twins: &mut Twins, lead: usize| -> Vec<ExcludeRow> {
        let asked = twins.ask(lead, Request::ExcludeList { pool: "pair-1".into() });
        let Ok(Data::Excluded(rows)) = asked else { panic!("{asked:?}") };
        rows
    };
    let prefix = "172.16.9.0/24".parse().unwrap();
    twins.members[1].serve();
    twins.rest(secs(3));
    twins.ask(0, set("sip-b", AdminState::Draining)).unwrap();
    twins.ask(0, Request::ExcludeAdd { pool: "pair-1".into(), prefix }).unwrap();
    twins.run(ms(200));
    assert_eq!(admin(&mut twins, 1, "sip-b"), AdminState::Draining);
    assert_eq!(excluded(&mut twins, 1).len(), excluded(&mut twins, 0).len());
    let why = twins.ask(1, set("sip-a", AdminState::Draining)).unwrap_err();
    assert!(why.contains("stands by") && why.contains("lead-1"), "{why}");
    assert!(twins.ask(1, Request::PoolForce { pool: "pair-1".into(), member: "sip-b".into() }).is_err());
    // A drained member is enabled again, and the other one forced: both follow.
    twins.ask(0, set("sip-b", AdminState::Enabled)).unwrap();
    twins.ask(0, Request::PoolForce { pool: "pair-1".into(), member: "sip-b".into() }).unwrap();
    twins.run(ms(200));
    assert_eq!(admin(&mut twins, 1, "sip-b"), AdminState::Enabled);
    assert_eq!(active(&mut twins, 1).as_deref(), Some("sip-b"));
    become_active(&mut twins, 1);
    twins.rest(secs(5));
    assert_eq!(active(&mut twins, 1).as_deref(), Some("sip-b"), "it binds");
    let sent = Build::udp(at(B, 40_000), at("172.16.9.9", 2020)).payload(b"excluded");
    assert_eq!(passes(&mut twins, INNER, &sent), one(1, B, "172.16.9.9"));
    // Now the second one says what is set.
    twins.ask(1, Request::PoolAuto { pool: "pair-1".into() }).unwrap();
    twins.ask(1, Request::ExcludeRemove { pool: "pair-1".into(), prefix }).unwrap();
    twins.run(ms(200));
    let Ok(Data::Settings(rows)) = twins.ask(0, Request::StateShow {}) else { panic!("no settings") };
    assert_eq!(rows, []);
    assert_eq!(excluded(&mut twins, 0).len(), excluded(&mut twins, 1).len());
    // While nobody is heard a standby takes what is set there.
    twins.wire.as_mut().unwrap().is_cut = true;
    twins.rest(secs(3));
    twins.ask(0, set("sip-a", AdminState::Draining)).unwrap();
    twins.wire.as_mut().unwrap().is_cut = false;
    twins.rest(secs(4));
    assert_eq!(admin(&mut twins, 0, "sip-a"), AdminState::Enabled, "the active one's word counts");
    let said = |what: &str| twins.leads[0].log.iter().filter(|line| line.message.contains(what)).count();
    assert_eq!(said("`fairlead member drain sip-a` there sets it again"), 1);
    assert_eq!(said("gives way"), 1, "what has been taken back there is lost to nobody");
    twins.shut_down();
}

#[test]
fn s152_a_switchover_at_the_active_one_is_one_at_the_standby_whatever_that_one_finds() {
    let mut twins = twins(2);
    twins.members[1].serve();
    twins.rest(secs(3));
    twins.members[0].powered = false;
    twins.rest(secs(10));
    assert_eq!([0, 1].map(|lead| active(&mut twins, lead)), [Some("sip-b".into()), Some("sip-b".into())]);
    twins.members[0].powered = true;
    twins.rest(secs(5));
    become_active(&mut twins, 1);
    twins.rest(secs(5));
    assert_eq!([0, 1].map(|lead| active(&mut twins, lead)), [Some("sip-b".into()), Some("sip-b".into())]);
    twins.shut_down();
}

/// keepalived makes both active: seen over the connection, one yields by its priority, and the alarm names the other one.
#[test]
fn s154_of_two_active_ones_that_hear_each_other_the_lower_priority_yields() {
    let mut twins = twins(2);
    twins.members[1].serve();
    twins.rest(secs(3));
    twins.tell(1, PairNews::Keepalived(MASTER.into()));
    twins.run(ms(400));
    assert_eq!(roles(&mut twins), [PairRole::Active; 2]);
    for (lead, member) in [(0, "sip-b"), (1, "sip-a")] {
        twins.ask(lead, set(member, AdminState::Draining)).unwrap();
    }
    twins.run(ms(50));
    for (lead, other) in [(0, "192.0.2.3"), (1, "192.0.2.2")] {
        let message = alarm(&mut twins, lead, "pair.split").expect("an alarm");
        assert!(message.starts_with("both appliances of the pair are active: "), "{message}");
        assert!(message.contains(other) || message.contains("answers for"), "{message}");
    }
    twins.run(ms(1_500));
    assert_eq!(roles(&mut twins), [PairRole::Active, PairRole::Standby]);
    for lead in 0..2 {
        let set = ["sip-a", "sip-b"].map(|name| admin(&mut twins, lead, name));
        assert_eq!(set, [AdminState::Enabled, AdminState::Draining], "as set at the one that has stayed active");
    }
    twins.rest(secs(6));
    assert_eq!([0, 1].map(|lead| state(&mut twins, lead)), [SyncWord::InSync; 2]);
    let call = Build::udp(at(A, 7_000), at(PEER, 9_000)).payload(b"once");
    assert_eq!(passes(&mut twins, INNER, &call), one(0, V, PEER));
    twins.shut_down();
}

/// Whoever becomes active hears it before the other one: what is set then is in force at both, as soon as the other one stands by.
#[test]
fn s151_what_is_set_while_the_other_one_is_still_active_follows_as_well() {
    let mut twins = twins(2);
    twins.members[1].serve();
    twins.rest(secs(3));
    twins.tell(1, PairNews::Keepalived(MASTER.into()));
    twins.run(ms(100));
    assert_eq!(roles(&mut twins), [PairRole::Active; 2]);
    twins.ask(1, Request::PoolForce { pool: "pair-1".into(), member: "sip-b".into() }).unwrap();
    twins.ask(1, set("sip-a", AdminState::Draining)).unwrap();
    twins.run(ms(100));
    twins.tell(0, PairNews::Keepalived(BACKUP.into()));
    twins.run(ms(200));
    assert_eq!(roles(&mut twins), [PairRole::Standby, PairRole::Active]);
    assert_eq!([0, 1].map(|lead| admin(&mut twins, lead, "sip-a")), [AdminState::Draining; 2]);
    assert_eq!([0, 1].map(|lead| active(&mut twins, lead)), [Some("sip-b".into()), Some("sip-b".into())]);
    twins.shut_down();
}

/// The file with a third member.
fn with_c(file: &File) -> File {
    let b = "address = \"10.20.0.12\" },\n";
    file.clone().with(b, &format!("{b}  {{ name = \"sip-c\", address = \"10.20.0.13\" }},\n"))
}

fn reload(twins: &mut Twins, lead: usize, file: File) {
    twins.leads[lead].file = file;
    twins.ask(lead, Request::reload()).unwrap();
    twins.run(ms(300));
}

/// The active one has a member more. What is set of it is not lost by a take-over, and is in force at the other one once that has it as well.
#[test]
fn s151_what_is_set_of_a_member_that_the_standby_does_not_have_is_kept_there() {
    let (mut twins, files) = (twins(2), two_files());
    let both = |twins: &mut Twins| [0, 1].map(|lead| admin(twins, lead, "sip-c"));
    reload(&mut twins, 0, with_c(&files[0]));
    twins.ask(0, set("sip-c", AdminState::Offline)).unwrap();
    twins.run(ms(200));
    become_active(&mut twins, 1);
    twins.rest(secs(3));
    assert_eq!(
        admin(&mut twins, 0, "sip-c"),
        AdminState::Offline,
        "who has taken over does not have it, and says it all the same"
    );
    become_active(&mut twins, 0);
    twins.rest(secs(3));
    push(&mut twins, 0).unwrap();
    twins.run(ms(300));
    assert_eq!(both(&mut twins), [AdminState::Offline; 2]);
    // Nobody confirms it. What is taken back until the standby has the member again is taken back there.
    twins.rest(secs(12));
    twins.ask(0, set("sip-c", AdminState::Enabled)).unwrap();
    reload(&mut twins, 1, with_c(&files[1]));
    assert_eq!(both(&mut twins), [AdminState::Enabled; 2]);
    // While they do not hear each other a file without the member takes away what is set only as long as it is in force.
    twins.ask(0, set("sip-c", AdminState::Offline)).unwrap();
    twins.run(ms(200));
    twins.wire.as_mut().unwrap().is_cut = true;
    twins.rest(secs(2));
    reload(&mut twins, 1, files[1].clone());
    reload(&mut twins, 1, with_c(&files[1]));
    assert_eq!(both(&mut twins), [AdminState::Offline; 2]);
    twins.shut_down();
}

/// For a while the standby has a configuration without the member. What is taken back meanwhile does not come back with the one before.
#[test]
fn s155_what_is_taken_back_at_the_active_one_does_not_come_back_with_the_configuration_before() {
    let (mut twins, files) = (twins(2), two_files());
    [0, 1].into_iter().for_each(|lead| reload(&mut twins, lead, with_c(&files[lead])));
    twins.ask(0, set("sip-c", AdminState::Offline)).unwrap();
    twins.run(ms(200));
    assert_eq!(admin(&mut twins, 1, "sip-c"), AdminState::Offline);
    twins.leads[1].file = files[1].clone();
    twins.ask(1, Request::Reload { confirm_s: Some(5), max_impact: None, yes: false }).unwrap();
    assert_eq!(members(&mut twins, 1).len(), 2);
    twins.ask(0, set("sip-c", AdminState::Enabled)).unwrap();
    twins.rest(secs(7));
    assert_eq!(admin(&mut twins, 1, "sip-c"), AdminState::Enabled);
    twins.shut_down();
}

/// Who stands by can switch nothing back: the drill is over, and says how the pool gets its member back.
#[test]
fn s151_a_take_over_ends_a_drill_and_says_how_to_get_back() {
    let mut twins = twins(2);
    twins.members[1].serve();
    twins.rest(secs(3));
    twins.ask(0, Request::DrillBegin { pool: "pair-1".into(), back_after_s: 5 }).unwrap();
    assert_eq!(active(&mut twins, 0).as_deref(), Some("sip-b"));
    become_active(&mut twins, 1);
    let Ok(Data::DrillReport(report)) = twins.ask(0, Request::DrillReport { pool: "pair-1".into() }) else { panic!() };
    assert_eq!(report.state, DrillState::Ended);
    assert!(report.outcome.contains("`fairlead pool force pair-1 sip-a` at the active"), "{}", report.outcome);
    twins.rest(secs(8));
    assert_eq!([0, 1].map(|lead| active(&mut twins, lead)), [Some("sip-b".into()), Some("sip-b".into())]);
    twins.shut_down();
}

/// An operator's word at the standby makes the other one yield at once, whatever the priorities, and a later one there takes it back.
#[test]
fn s154_of_two_active_ones_the_one_yields_that_an_operator_has_not_made_active_last() {
    let mut twins = twins(2);
    for (lead, expected) in [
        (1, [PairRole::Standby, PairRole::Active]),
        (0, [PairRole::Active, PairRole::Standby]),
        (1, [PairRole::Standby, PairRole::Active]),
    ] {
        twins.ask(lead, Request::PairRole { role: PairRole::Active, yes: false }).unwrap();
        twins.run(ms(50));
        assert_eq!(roles(&mut twins), expected, "not for a second both");
        twins.rest(secs(8));
        assert_eq!(roles(&mut twins), expected);
        assert_eq!([0, 1].map(|lead| alarm(&mut twins, lead, "pair.split")), [None, None]);
        assert_eq!([0, 1].map(|lead| state(&mut twins, lead)), [SyncWord::InSync; 2]);
    }
    // keepalived's word at the other one does not go before it: that one yields after a second, although its priority is higher.
    twins.tell(0, PairNews::Keepalived(BACKUP.into()));
    twins.tell(0, PairNews::Keepalived(MASTER.into()));
    twins.run(ms(1_200));
    assert_eq!(roles(&mut twins), [PairRole::Standby, PairRole::Active]);
    // It has its end with the role, and the one that had yielded is active as keepalived has it.
    twins.tell(1, PairNews::Keepalived(BACKUP.into()));
    twins.run(ms(50));
    assert_eq!(roles(&mut twins), [PairRole::Active, PairRole::Standby]);
    twins.shut_down();
}

fn push(twins: &mut Twins, lead: usize) -> Result<Reloaded, String> {
    twins.ask(lead, Request::PairPush { confirm_s: Some(10), yes: false }).map(|data| match data {
        Data::Reloaded(reloaded) => reloaded,
        other => panic!("{other:?}"),
    })
}

#[test]
fn s155_a_configuration_that_is_sent_is_in_force_at_the_other_one_until_it_has_to_be_confirmed() {
    let mut twins = twins(2);
    assert_eq!(push(&mut twins, 0).unwrap().changes, [], "both say the same");
    // What it would change at the active one it changes for all traffic: that has to be meant.
    let why = push(&mut twins, 1).unwrap_err();
    assert!(why.contains("stands by") && why.contains("lead-1") && why.contains("`--yes`"), "{why}");
    twins.ask(1, Request::PairPush { confirm_s: Some(10), yes: true }).unwrap();
    twins.leads[0].file = two_files()[0].clone().with("fall = 3", "fall = 4");
    twins.ask(0, Request::reload()).unwrap();
    let reloaded = push(&mut twins, 0).unwrap();
    let changes: Vec<String> = reloaded.changes.iter().map(ToString::to_string).collect();
    assert_eq!(changes, ["monitor sip-options: fall 3 \u{2192} 4"]);
    assert_eq!(reloaded.confirm_within_s, Some(10));
    twins.run(ms(500));
    assert_eq!(alarm(&mut twins, 0, "pair.configuration"), None);
    let own = &twins.leads[1].controller().configuration().intent.interfaces;
    let own: Vec<String> = own.iter().map(|one| one.addresses[0].addr().to_string()).collect();
    assert_eq!(own, ["192.0.2.3", "10.20.0.3"], "what is its own stays");
    let why = push(&mut twins, 0).unwrap_err();
    assert!(why.starts_with("the other appliance has not taken it: configuration") && why.contains("confirm"), "{why}");
    twins.rest(secs(12));
    assert!(alarm(&mut twins, 0, "pair.configuration").is_some(), "nobody has confirmed");
    push(&mut twins, 0).unwrap();
    twins.ask(1, Request::Confirm {}).unwrap();
    twins.rest(secs(12));
    assert_eq!(alarm(&mut twins, 0, "pair.configuration"), None);
    // What the other one refuses comes back in its words.
    twins.leads[0].file =
        two_files()[0].clone().with("fall = 3", "fall = 4").with("name = \"clients\"", "name = \"others\"");
    twins.ask(0, Request::reload()).unwrap();
    let why = push(&mut twins, 0).unwrap_err();
    assert!(why.contains("interface others is not there yet"), "{why}");
    twins.wire.as_mut().unwrap().is_cut = true;
    twins.rest(secs(2));
    let why = push(&mut twins, 0).unwrap_err();
    assert!(why.starts_with("there is no connection to the other appliance: "), "{why}");
    twins.shut_down();
}

/// Two operators, one at each: neither configuration takes the place of the other one, and each hears why.
#[test]
fn s189_two_configurations_that_are_sent_at_once_are_not_exchanged() {
    let mut twins = twins(1);
    for (lead, fall) in [(0, "fall = 4"), (1, "fall = 5")] {
        twins.leads[lead].file = two_files()[lead].clone().with("fall = 3", fall);
        twins.ask(lead, Request::reload()).unwrap();
    }
    let now = twins.now();
    let sends = || Request::PairPush { confirm_s: Some(10), yes: true };
    let asked = [0, 1].map(|lead| twins.leads[lead].ask(sends(), now));
    twins.run(ms(500));
    for (lead, request_id) in asked.into_iter().enumerate() {
        let answer = twins.leads[lead].answer(request_id).expect("it is answered at once");
        let why = answer.unwrap_err().message;
        assert!(why.contains("not taken it: it is sending its own"), "{why}");
    }
    let falls = |twins: &Twins| {
        [0, 1].map(|lead| twins.leads[lead].controller().configuration().intent.monitors.iter().next().unwrap().fall)
    };
    assert_eq!(falls(&twins), [4, 5]);
    // One of them tries again.
    push(&mut twins, 0).unwrap();
    assert_eq!(falls(&twins), [4, 4]);
    twins.shut_down();
}

#[test]
fn s153_who_is_not_in_sync_does_not_become_active_by_itself() {
    let files = two_files();
    let mut twins = Twins::new([&files[0], &files[1]], ["10.20.0.2", "10.20.0.3"], 1, 1);
    let health = |twins: &mut Twins, lead: usize| {
        let Ok(Data::Health(report)) = twins.ask(lead, Request::Health {}) else { panic!("no health") };
        report.reasons.join("; ")
    };
    twins.run(secs(3));
    assert!(health(&mut twins, 1).contains("is not connected to the other appliance yet"));
    twins.connect();
    become_active(&mut twins, 0);
    twins.rest(secs(8));
    assert_eq!(health(&mut twins, 1), "");
    let copying = |state: State| {
        let report = Report { state, ..Report::default() };
        PairNews::Link(Box::new(LinkFacts { report, peer: None, listening: None }))
    };
    let ask = |twins: &mut Twins, yes| {
        // The wire says something else ten times a second.
        let request = Request::PairRole { role: PairRole::Active, yes };
        twins.leads[1].handle(Input::Pair(copying(State::Copying)), twins.now());
        let number = twins.leads[1].ask(request, twins.now());
        twins.run(ms(20));
        twins.leads[1].answer(number).expect("at once").map_err(|error| error.message)
    };
    let why = ask(&mut twins, false).unwrap_err();
    assert!(why.contains("a full copy is under way") && why.contains("--yes"), "{why}");
    assert_eq!(roles(&mut twins), [PairRole::Active, PairRole::Standby]);
    twins.leads[1].handle(Input::Pair(copying(State::Copying)), twins.now());
    let number = twins.leads[1].ask(Request::Health {}, twins.now());
    let Ok(Data::Health(found)) = twins.leads[1].answer(number).unwrap().map(|answer| answer.data) else { panic!() };
    assert_eq!(found.state, Fitness::NotYet);
    assert!(ask(&mut twins, true).is_ok());
    assert_eq!(report(&mut twins, 1).role, PairRole::Active);
    twins.shut_down();
}

/// Who does not hear the other one does not know whether it is active: an operator has to have looked.
#[test]
fn s153_an_operator_who_cannot_know_of_the_other_one_has_to_mean_it() {
    let mut twins = twins(1);
    let active = |twins: &mut Twins, yes| twins.ask(1, Request::PairRole { role: PairRole::Active, yes });
    twins.wire.as_mut().unwrap().is_cut = true;
    twins.run(secs(2));
    let why = active(&mut twins, false).unwrap_err();
    for said in ["is not known", "10.99.0.2:7601", "`fairlead pair` there", "`fairlead pair active --yes`"] {
        assert!(why.contains(said), "{said} in {why}");
    }
    assert_eq!(roles(&mut twins), [PairRole::Active, PairRole::Standby]);
    // What it is already is no news, and to stand by harms nobody.
    assert!(twins.ask(0, Request::PairRole { role: PairRole::Active, yes: false }).is_ok());
    assert!(twins.ask(1, Request::PairRole { role: PairRole::Standby, yes: false }).is_ok());
    // keepalived knows by its own means.
    twins.tell(1, PairNews::Keepalived(MASTER.into()));
    assert_eq!(report(&mut twins, 1).role, PairRole::Active);
    twins.tell(1, PairNews::Keepalived(BACKUP.into()));
    // As the refusal says: the other one stands by first.
    twins.ask(0, Request::PairRole { role: PairRole::Standby, yes: false }).unwrap();
    assert!(active(&mut twins, false).is_err(), "nothing is heard of that here");
    assert!(active(&mut twins, true).is_ok());
    assert_eq!(roles(&mut twins), [PairRole::Standby, PairRole::Active]);
    twins.wire.as_mut().unwrap().is_cut = false;
    twins.rest(secs(8));
    assert_eq!(roles(&mut twins), [PairRole::Standby, PairRole::Active]);
    twins.shut_down();
}
