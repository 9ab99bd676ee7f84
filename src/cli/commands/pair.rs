//! `fairlead pair ...` and `fairlead health`

use super::arguments::{Once, View};
use super::kit::*;
use super::question::Question;
use crate::admin::Request;
use crate::admin::pair::{HealthReport, PairPeerRow, PairReport, PairRole, TakeoverRow};
use crate::admin::rows::Fitness;
use clap::{Args, Subcommand};

/// What stands below the options.
const MORE: &str = "\
Who is active has the virtual addresses, the SNAT addresses and those under `floating`; the other one stands by. keepalived says who it is,
by its notify FIFO; `pair active` and `pair standby` are for people and for scripts, and count until anybody says something else. Either may
be said twice.

  fairlead pair
  fairlead pair standby";

/// `pair ...`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, after_help = MORE)]
pub struct Pair {
    /// How it is shown.
    #[command(flatten)]
    view: View,
    /// What is done with it.
    #[command(subcommand)]
    instead: Option<Instead>,
}

/// What is done with the pair.
#[derive(Debug, Subcommand)]
pub enum Instead {
    /// Make this appliance the active one
    Active {
        /// How the answer is shown.
        #[command(flatten)]
        once: Once,
        /// Even if the other one is active and this one does not have what it knows
        #[arg(long)]
        yes: bool,
    },
    /// Make this appliance the standby
    Standby(Once),
}

impl Pair {
    /// What is asked.
    pub fn question(self) -> Question {
        let role = |role, yes| Request::PairRole { role, yes };
        match self.instead {
            None => self.view.of(Request::Pair {}, show),
            Some(Instead::Active { once, yes }) => once.of(role(PairRole::Active, yes), show),
            Some(Instead::Standby(once)) => once.of(role(PairRole::Standby, false), show),
        }
    }
}

/// `health`: what it ends with follows from the answer.
pub(super) fn health_question(once: Once) -> Question {
    Question { exit: Some(health_state), ..once.of(Request::Health {}, health) }
}

pub(super) fn show(data: Value, now: Wall) -> Shown {
    let report: PairReport = from_value(data)?;
    let mut lines = vec![
        ("Role", report.role.to_string()),
        ("Why", report.reason.clone()),
        ("Since", format!("{} UTC, {}", moment(report.since), span(now.since(report.since)))),
        ("Priority", report.priority.to_string()),
        ("Floating", report.floating.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
        ("Peer", peer(report.peer.as_ref(), now)),
        ("Sync", sync(&report)),
    ];
    if report.settling_ms > 0 {
        lines.push(("Settling", format!("another {} ms", exact(report.settling_ms))));
    }
    if let Some(since) = report.split_since {
        lines.push(("SPLIT", format!("both are active for {}", span(now.since(since)))));
    }
    if report.unknown_lines > 0 {
        lines.push(("FIFO", format!("{} lines were not understood", exact(report.unknown_lines))));
    }
    lines.push(("Take-overs", exact(report.takeovers)));
    lines.extend(report.last_takeover.as_ref().map(|last| ("Last", takeover(last))));
    Ok(lines.into_iter().map(|(what, text)| paragraph(&format!("{what:<11} {text}"))).collect())
}

fn peer(row: Option<&PairPeerRow>, now: Wall) -> String {
    match row {
        None => "nothing is heard of it".into(),
        Some(PairPeerRow { role, priority, address, heard }) => {
            format!("{role}, {address}, priority {priority}, heard {} ago", span(now.since(*heard)))
        }
    }
}

fn sync(report: &PairReport) -> String {
    let lag = match (report.lag_flows, report.lag_ms) {
        (Some(flows), Some(ms)) => format!(", {} flows and {} ms behind", exact(flows), exact(ms)),
        _ => String::new(),
    };
    match report.in_sync {
        None => "none: what one knows of connections is not passed on to the other".into(),
        Some(true) => format!("in sync{lag}"),
        Some(false) => format!("not in sync{lag}"),
    }
}

/// `12:00:00 by keepalived: published +0.1 ms, installed +0.4 ms, announced +0.5 to +0.6 ms`
fn takeover(row: &TakeoverRow) -> String {
    let at = |us: Option<u64>| us.map_or("-".to_owned(), |us| format!("+{:.1} ms", us as f64 / 1_000.0));
    format!(
        "{} UTC by {}: published {}, installed {}, announced {} to {}",
        moment(row.time),
        row.cause,
        at(row.published_us),
        at(row.installed_us),
        at(row.announced_first_us),
        at(row.announced_last_us)
    )
}

fn health(data: Value, _: Wall) -> Shown {
    let HealthReport { state, reasons } = from_value(data)?;
    Ok(match reasons.is_empty() {
        true => format!("{state}\n"),
        false => visible(&format!("{state}: {}", reasons.join("; "))) + "\n",
    })
}

fn health_state(data: &Value) -> u8 {
    match from_value::<HealthReport>(data.clone()).map(|report| report.state) {
        Ok(Fitness::Fit) => 0,
        Ok(Fitness::NotYet) => 1,
        Ok(Fitness::Unfit) | Err(_) => 2,
    }
}
