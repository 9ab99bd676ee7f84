//! What `fairlead pair` and `fairlead health` print.

use super::samples::{NOW, ago, status};
use super::shown;
use crate::admin::pair::{HealthReport, PairLinkRow, PairPeerRow, PairReport, PairRole, SyncWord, TakeoverRow};
use crate::admin::rows::{Change, ChangeKind, Fitness, Reloaded, RoleCause, Status};
use crate::cli::commands::Command;
use crate::cli::parse;
use std::net::Ipv4Addr;

fn link() -> PairLinkRow {
    PairLinkRow {
        peer: ([192, 0, 2, 3], 7_601).into(),
        connected: Some(([192, 0, 2, 3], 49_152).into()),
        name: Some("lead-2".into()),
        state: SyncWord::InSync,
        last_error: None,
        records_sent: 1_234_567,
        records_received: 12,
        bytes_sent: 150_000_000,
        bytes_received: 4_000,
        copies_begun: 3,
        copies_whole: 2,
        breaks: 0,
        flows_taken: 9,
        flows_left_out: 0,
        differences: Vec::new(),
        differences_count: Some(0),
    }
}

fn report() -> PairReport {
    PairReport {
        role: PairRole::Active,
        cause: RoleCause::Keepalived,
        reason: "keepalived said so".into(),
        since: ago(90),
        settling_ms: 0,
        priority: 100,
        floating: [1, 100].map(|last| Ipv4Addr::new(10, 20, 0, last)).to_vec(),
        peer: Some(PairPeerRow {
            role: PairRole::Standby,
            priority: 90,
            address: Ipv4Addr::new(192, 0, 2, 3),
            heard: ago(1),
        }),
        in_sync: Some(true),
        lag_flows: Some(12_345),
        lag_ms: Some(7),
        link: Some(link()),
        split_since: None,
        unknown_lines: 0,
        takeovers: 2,
        last_takeover: Some(TakeoverRow {
            time: ago(90),
            cause: RoleCause::Keepalived,
            published_us: Some(140),
            installed_us: Some(410),
            announced_first_us: Some(520),
            announced_last_us: Some(2_600),
        }),
    }
}

#[test]
fn the_pair_is_shown_with_its_last_takeover() {
    insta::assert_snapshot!("pair", shown("pair", report()));
    let alone = PairReport {
        role: PairRole::Standby,
        peer: None,
        in_sync: None,
        lag_flows: None,
        link: None,
        settling_ms: 1_500,
        split_since: Some(ago(3)),
        unknown_lines: 4,
        takeovers: 0,
        last_takeover: None,
        ..report()
    };
    insta::assert_snapshot!("pair_alone", shown("pair standby", alone.clone()));
    let away = PairLinkRow {
        connected: None,
        name: None,
        state: SyncWord::Away,
        last_error: Some("192.0.2.3:7601 cannot be reached: Connection refused (os error 111)\u{1b}".into()),
        breaks: 1,
        flows_left_out: 1_000,
        differences: vec!["pool pair-1: mode".into(), "timeouts: udp".into()],
        differences_count: Some(2),
        ..link()
    };
    insta::assert_snapshot!("pair_away", shown("pair", PairReport { link: Some(away), ..alone }));
    let status = shown("status", Status { pair: Some(report()), ..status() });
    assert!(status.contains("The active appliance of its pair for 1m30s: keepalived said so\n"), "{status}");
}

#[test]
fn health_is_one_line_and_an_exit_code() {
    let health = |state, reasons: &[&str]| {
        let reasons = reasons.iter().map(|&reason| reason.to_owned()).collect();
        let data = serde_json::to_value(HealthReport { state, reasons }).unwrap();
        let program = parse::program("fairlead health".split(' ').map(Into::into)).unwrap();
        let Command::Ask(ask) = program.command else { panic!() };
        let question = ask.question();
        ((question.exit.unwrap())(&data), (question.show)(data, NOW).unwrap())
    };
    assert_eq!(health(Fitness::Fit, &[]), (0, "fit\n".into()));
    assert_eq!(health(Fitness::NotYet, &["it has just started"]), (1, "not-yet: it has just started\n".into()));
    let unfit = (2, "unfit: port outer has no link; it is\u{3f} late\n".to_owned());
    assert_eq!(health(Fitness::Unfit, &["port outer has no link", "it is\u{1b} late"]), unfit);
}

#[test]
fn what_was_sent_to_the_other_appliance_is_said_to_be_confirmed_there() {
    let change = |what: &str, live| Change {
        kind: ChangeKind::Changed,
        what: what.into(),
        before: Some("2m".into()),
        after: Some("3m".into()),
        live,
    };
    let changes = vec![change("timeouts: udp", true)];
    let reloaded = Reloaded { changes, number: 12, confirm_within_s: Some(300), ..Reloaded::default() };
    insta::assert_snapshot!("pair_push", shown("pair push", reloaded));
    let same = "the other appliance says the same already: no difference\n";
    assert_eq!(shown("pair push", Reloaded::default()), same);
}
