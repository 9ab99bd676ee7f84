//! `fairlead pair ...` and `fairlead health`

use super::arguments::{Once, View, confirm_time};
use super::drain::seconds;
use super::kit::*;
use super::question::Question;
use crate::admin::Request;
use crate::admin::pair::{HealthReport, PairLinkRow, PairPeerRow, PairReport, PairRole, TakeoverRow};
use crate::admin::rows::{Fitness, Reloaded};
use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

/// What stands below the options.
const MORE: &str = "\
Who is active has the virtual addresses, the SNAT addresses and those under `floating`; the other one stands by. keepalived says who it is,
by its notify FIFO; `pair active` and `pair standby` are for people and for scripts, and count until anybody says something else. Either may
be said twice. Where the two are connected, `pair active` at the standby makes the other one stand by at once, whatever the priorities. Where
they should be and are not, it is refused without `--yes`: the other one may be active.

`pair init` asks no appliance: it makes the key and the certificate by which the other appliance of the pair knows this one.

  fairlead pair
  fairlead pair standby
  fairlead pair init --folder /etc/fairlead";

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
        /// Even if this one does not have what the active one knows, or whether the other one is active is not known
        #[arg(long)]
        yes: bool,
    },
    /// Make this appliance the standby
    Standby(Once),
    /// Send the configuration in force to the other appliance, which checks it, keeps what is its own, and takes over the rest
    Push {
        /// How the answer is shown.
        #[command(flatten)]
        once: Once,
        /// How long it is in force there without `fairlead confirm` there, such as 90s [default: 5m]
        #[arg(long, value_name = "TIME", value_parser = confirm_time)]
        confirm: Option<u64>,
        /// Even if the other one is active and this one stands by
        #[arg(long)]
        yes: bool,
    },
    /// Make a key and a certificate for the connection to the other appliance, and say what to do next
    Init(Init),
}

/// What is made where.
#[derive(Debug, Args)]
pub struct Init {
    /// Where pair.pem and pair-key.pem are written; neither may be there
    #[arg(long, value_name = "FOLDER", default_value = "/etc/fairlead", value_hint = ValueHint::DirPath)]
    pub folder: PathBuf,
    /// What the certificate calls this appliance, for people [default: the host's name]
    #[arg(long)]
    pub name: Option<String>,
}

impl Pair {
    /// What is asked, if anything is.
    ///
    /// # Errors
    /// What is made instead.
    pub fn question(self) -> Result<Question, Init> {
        let role = |role, yes| Request::PairRole { role, yes };
        Ok(match self.instead {
            None => self.view.of(Request::Pair {}, show),
            Some(Instead::Init(init)) => return Err(init),
            Some(Instead::Active { once, yes }) => once.of(role(PairRole::Active, yes), show),
            Some(Instead::Push { once, confirm, yes }) => {
                once.of(Request::PairPush { confirm_s: confirm, yes }, pushed)
            }
            Some(Instead::Standby(once)) => once.of(role(PairRole::Standby, false), show),
        })
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
    if let Some(link) = &report.link {
        lines.push(("Connection", connection(link)));
        lines.push(("Records", told(link)));
        lines.extend(link.last_error.as_ref().map(|why| ("Last error", visible(why))));
        if let Some(count @ 1..) = link.differences_count {
            lines.push(("DIFFERENT", different(link, count, report.role)));
        }
    }
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
        None if report.link.is_some() => "none now: neither is told what the other knows".into(),
        None => "none: what one knows of connections is not passed on to the other".into(),
        Some(true) => format!("in sync{lag}"),
        Some(false) => format!("not in sync{lag}"),
    }
}

/// `lead-2 at 192.0.2.3:7601, in-sync`
fn connection(link: &PairLinkRow) -> String {
    match (&link.connected, &link.name) {
        (Some(at), name) => format!("{} at {at}, {}", visible(name.as_deref().unwrap_or("-")), link.state),
        (None, _) => format!("none with {}", link.peer),
    }
}

fn told(link: &PairLinkRow) -> String {
    let PairLinkRow { records_sent, records_received, copies_begun, copies_whole, breaks, .. } = link;
    let (sent, received) = (exact(*records_sent), exact(*records_received));
    let copies = format!("{} of {} full copies whole", exact(*copies_whole), exact(*copies_begun));
    let breaks = if *breaks > 0 { format!(", {} broken off", exact(*breaks)) } else { String::new() };
    let left_out = match link.flows_left_out {
        0 => String::new(),
        flows => format!(", {} flows of the other one's have no place here", exact(flows)),
    };
    format!("{sent} records sent, {received} received; {copies}{breaks}{left_out}")
}

fn different(link: &PairLinkRow, count: u64, role: PairRole) -> String {
    let named = link.differences.iter().take(8).map(|key| visible(key)).collect::<Vec<_>>().join(", ");
    let more = count.saturating_sub(8);
    let more = if more > 0 { format!(" and {} more", exact(more)) } else { String::new() };
    let push = match role {
        PairRole::Active => "`fairlead pair push` sends this one's to the other",
        PairRole::Standby => "`fairlead pair push` at the active one sends that one's here",
    };
    format!("the configurations differ in {named}{more}: {push}")
}

fn pushed(data: Value, _: Wall) -> Shown {
    let Reloaded { changes, number, confirm_within_s, .. } = from_value(data)?;
    if changes.is_empty() {
        return Ok("the other appliance says the same already: no difference\n".into());
    }
    let text: String = changes.iter().map(|change| visible(&change.to_string()) + "\n").collect();
    let within = confirm_within_s.map_or_else(String::new, |within| {
        paragraph(&format!(
            "configuration {number} is in force at the other appliance for {}: `fairlead confirm` there keeps it, else the one before \
             comes back. Its file is not written",
            seconds(within)
        ))
    });
    Ok(text + &within)
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
