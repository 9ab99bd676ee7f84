//! Arguments that several commands have, and how an answer is shown.
//!
//! Owns what each is called, its help, and what it puts into a question.

use super::question::{Question, Show};
use super::{drill, members};
use crate::admin::Request;
use crate::admin::request::{COMMENT_MAX, CONFIRM_MAX, DRAIN_MAX, DRILL_MAX, FlowSelection};
use crate::admin::rows::{AdminState, LogLevel};
use crate::config::parse_prefix;
use crate::events::EventName;
use crate::policy::words::Word;
use clap::Args;
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Seconds back that events are asked for at most: a year.
const SINCE_MAX: u64 = 366 * 86_400;

/// How the answer to a command that changes something is shown.
#[derive(Debug, Args)]
pub struct Once {
    /// Print the answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// How the answer to a command that changes nothing is shown.
#[derive(Debug, Args)]
pub struct View {
    #[command(flatten)]
    pub(super) once: Once,
    /// Refresh every so many seconds; with --json a line each time [default: 2]
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "2")]
    #[arg(value_parser = number::<u64>(1..=3600))]
    pub(super) watch: Option<u64>,
}

/// Which flows.
#[derive(Debug, Args)]
pub struct Only {
    /// Only flows with this outside address
    #[arg(long, value_name = "ADDRESS")]
    pub(super) client: Option<Ipv4Addr>,
    /// Only flows of this member, opened by it, or to its own address
    #[arg(long, value_name = "NAME")]
    pub(super) member: Option<String>,
    /// Only flows of this virtual server
    #[arg(long, value_name = "NAME")]
    pub(super) virtual_server: Option<String>,
}

/// A member.
#[derive(Debug, Args)]
pub struct OfMember {
    #[command(flatten)]
    pub(super) once: Once,
    /// The member
    pub(super) member: String,
}

/// A pool.
#[derive(Debug, Args)]
pub struct OfPool {
    #[command(flatten)]
    pub(super) once: Once,
    /// The pool
    pub(super) pool: String,
}

/// A prefix of a pool's exclusion group.
#[derive(Debug, Args)]
pub struct OfPrefix {
    #[command(flatten)]
    pub(super) of: OfPool,
    /// Destinations, such as 172.16.2.0/24, or one address
    #[arg(value_parser = parse_prefix)]
    pub(super) prefix: Ipv4Net,
}

impl Once {
    pub(super) fn of(self, request: Request, show: Show) -> Question {
        Question {
            request,
            show,
            json: self.json,
            watch: None,
            confirm: None,
            file: None,
            follow: None,
            candidate: None,
            wait: None,
            exit: None,
            narrow: None,
            during: None,
            stream: false,
            unanswered: None,
        }
    }

    pub(super) fn drill(self, pool: String, back_after_s: u64, yes: bool) -> Question {
        let asks = format!("Switch pool {pool} over to another member now, and back after {back_after_s} s?");
        Question {
            confirm: (!yes).then_some(asks),
            follow: Some(Request::DrillReport { pool: pool.clone() }),
            ..self.of(Request::DrillBegin { pool, back_after_s }, drill::report)
        }
    }
}

impl View {
    pub(super) fn of(self, request: Request, show: Show) -> Question {
        Question { watch: self.watch, ..self.once.of(request, show) }
    }
}

impl Only {
    pub(super) fn filter(self) -> FlowSelection {
        FlowSelection { client: self.client, member: self.member, virtual_server: self.virtual_server }
    }
}

impl OfPool {
    /// What is known of a drill, or would be.
    pub(super) fn drill_told(self, is_report: bool) -> Question {
        let OfPool { once, pool } = self;
        match is_report {
            true => once.of(Request::DrillReport { pool }, drill::report),
            false => once.of(Request::DrillPlan { pool }, drill::plan),
        }
    }
}

impl OfMember {
    pub(super) fn set(self, admin: AdminState, yes: bool) -> Question {
        self.once.of(Request::MemberSet { member: self.member, admin, yes, for_s: None }, members::show)
    }

    pub(super) fn drain(self, for_s: Option<u64>, wait: bool) -> Question {
        let wait = wait.then(|| Request::DrainReport { member: self.member.clone() });
        let request = Request::MemberSet { member: self.member, admin: AdminState::Draining, yes: false, for_s };
        Question { wait, ..self.once.of(request, members::show) }
    }
}

/// A whole number within bounds; whatever is none is answered in words.
pub fn number<T: TryFrom<u64>>(within: RangeInclusive<u64>) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text: &str| {
        let known = text.parse::<u64>().ok().filter(|number| within.contains(number));
        known.and_then(|number| T::try_from(number).ok()).ok_or_else(|| match (*within.start(), *within.end()) {
            (0, u64::MAX) => "write a whole number".to_owned(),
            (least, u64::MAX) => format!("write a whole number, {least} or more"),
            (least, most) => format!("write a whole number, {least} to {most}"),
        })
    }
}

/// A prefix, or one address.
pub(super) fn parse_client(text: &str) -> Result<Ipv4Net, String> {
    parse_prefix(text).map_err(|why| why.to_string())
}

pub(super) fn event(word: &str) -> Result<EventName, String> {
    word.parse().map_err(|_| format!("`{word}` is no event: dpdk-config/reference.md lists them"))
}

pub(super) fn comment(text: &str) -> Result<String, String> {
    match text.len() {
        length if length > COMMENT_MAX => Err(format!("it has {length} bytes: write at most {COMMENT_MAX}")),
        _ => Ok(text.to_owned()),
    }
}

pub(super) fn since(text: &str) -> Result<u64, String> {
    whole_seconds(text, SINCE_MAX, "write 1s to 366d, such as 10m or 2h")
}

pub(super) fn level(word: &str) -> Result<LogLevel, String> {
    word.parse().map_err(|_| format!("`{word}` is none of {}", LogLevel::WORDS.join(", ")))
}

pub(super) fn drill_time(text: &str) -> Result<u64, String> {
    whole_seconds(text, DRILL_MAX, "write 1s to 1h, such as 30s or 5m")
}

pub(super) fn confirm_time(text: &str) -> Result<u64, String> {
    whole_seconds(text, CONFIRM_MAX, "write 1s to 24h, such as 60s or 5m")
}

pub(super) fn drain_time(text: &str) -> Result<u64, String> {
    whole_seconds(text, DRAIN_MAX, "write 1s to 30d, such as 30m or 2h")
}

pub(super) fn top_interval(text: &str) -> Result<Duration, String> {
    const WANTED: &str = "write 500ms to 1m, such as 1s or 10s";
    let span = humantime::parse_duration(text).map_err(|why| format!("{why}: {WANTED}"))?;
    let is_within = (Duration::from_millis(500)..=Duration::from_secs(60)).contains(&span);
    if is_within { Ok(span) } else { Err(WANTED.into()) }
}

fn whole_seconds(text: &str, most: u64, wanted: &str) -> Result<u64, String> {
    let span = humantime::parse_duration(text).map_err(|why| format!("{why}: {wanted}"))?;
    let is_whole = span.subsec_nanos() == 0 && (1..=most).contains(&span.as_secs());
    if is_whole { Ok(span.as_secs()) } else { Err(wanted.into()) }
}
