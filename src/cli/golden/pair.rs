//! What `fairlead pair` and `fairlead health` print.

use super::samples::{NOW, ago, status};
use super::shown;
use crate::admin::pair::{HealthReport, PairPeerRow, PairReport, PairRole, TakeoverRow};
use crate::admin::rows::{Fitness, RoleCause, Status};
use crate::cli::commands::Command;
use crate::cli::parse;
use std::net::Ipv4Addr;

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
        settling_ms: 1_500,
        split_since: Some(ago(3)),
        unknown_lines: 4,
        takeovers: 0,
        last_takeover: None,
        ..report()
    };
    insta::assert_snapshot!("pair_alone", shown("pair standby", alone));
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
