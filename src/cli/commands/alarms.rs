//! `fairlead alarms`, and the acknowledgement of one

use super::arguments::{Once, View, comment, number};
use super::kit::*;
use super::question::Question;
use crate::admin::Request;
use crate::cli::client::Failure;
use crate::events::Severity;
use clap::Subcommand;

/// `alarms ...`
#[derive(Debug, Subcommand)]
pub enum Alarms {
    /// Say that somebody knows of an alarm, until it is over; kept over a restart
    Acknowledge {
        /// How the answer is shown.
        #[command(flatten)]
        once: Once,
        /// Its ID, as `alarms` has it
        #[arg(value_parser = number::<u64>(0..=u64::MAX))]
        id: u64,
        /// What others should know, at most 250 bytes
        #[arg(long, value_name = "TEXT", value_parser = comment)]
        comment: Option<String>,
    },
}

/// What is asked, with `--check` or what stands `instead`.
pub(super) fn question(view: View, check: bool, instead: Option<Alarms>) -> Question {
    match instead {
        Some(Alarms::Acknowledge { once, id, comment }) => {
            once.of(Request::AlarmAcknowledge { id, comment }, acknowledged)
        }
        None if check => {
            Question { exit: Some(state), unanswered: Some(unanswered), ..view.of(Request::Alarms {}, checked) }
        }
        None => view.of(Request::Alarms {}, show),
    }
}

pub(super) fn show(data: Value, now: Wall) -> Shown {
    let rows: Vec<AlarmRow> = from_value(data)?;
    if rows.is_empty() {
        return Ok("no alarms\n".into());
    }
    let table = grid(&rows, |row| {
        [
            right("ID", row.id),
            left("SEVERITY", row.severity),
            left("ALARM", &row.code),
            left("OBJECT", object(row)),
            right("FOR", span(now.since(row.since))),
            left("ACK", if row.acknowledged.is_some() { "yes" } else { "-" }),
            prose("WHAT", &row.message),
        ]
    });
    let mut told: Vec<&str> = Vec::new();
    let mut text = table + "\n";
    for row in &rows {
        if !row.remedy.is_empty() && !told.contains(&row.code.as_str()) {
            told.push(&row.code);
            text += &paragraph(&format!("{}: {}", row.code, row.remedy));
        }
        if let Some(AcknowledgedRow { since, by_uid, comment }) = &row.acknowledged {
            let by = by_uid.map_or_else(String::new, |uid| format!(" by uid {uid}"));
            let comment = comment.as_ref().map_or_else(String::new, |comment| format!(": {comment}"));
            text += &paragraph(&format!("{} acknowledged{by} {} UTC{comment}", row.id, moment(*since)));
        }
    }
    Ok(text)
}

pub(super) fn acknowledged(data: Value, _: Wall) -> Shown {
    let rows: Vec<AlarmRow> = from_value(data)?;
    Ok(rows.iter().map(|row| paragraph(&format!("acknowledged {} ({}): {}", row.id, row.code, row.message))).collect())
}

/// One line, as a plugin of Nagios prints it.
pub(super) fn checked(data: Value, _: Wall) -> Shown {
    let word = ["OK", "WARNING", "CRITICAL"][usize::from(state(&data)).min(2)];
    let rows: Vec<AlarmRow> = from_value(data)?;
    let (known, open): (Vec<&AlarmRow>, Vec<&AlarmRow>) = rows.iter().partition(|row| row.acknowledged.is_some());
    let known = if known.is_empty() { String::new() } else { format!(" ({} acknowledged)", known.len()) };
    let mut open = open;
    open.sort_by_key(|row| std::cmp::Reverse(row.severity));
    let what = match open.as_slice() {
        [] => "no alarms".to_owned(),
        [one] => one.message.clone(),
        [first, rest @ ..] => format!("{} alarms: {}; and {} more", open.len(), first.message, rest.len()),
    };
    Ok(visible(&format!("{word}: {what}{known}")) + "\n")
}

/// The exit code for that: 0, 1 or 2. Those that somebody knows of do not count.
pub(super) fn state(data: &Value) -> u8 {
    let rows: Vec<AlarmRow> = from_value(data.clone()).unwrap_or_default();
    let open = rows.iter().filter(|row| row.acknowledged.is_none()).map(|row| row.severity);
    open.max().map_or(0, |worst| if worst == Severity::Critical { 2 } else { 1 })
}

/// The same line where there is no answer, and the exit code: without an appliance nothing is forwarded, which is as grave as anything;
/// of one that may not be asked nothing is known.
pub(super) fn unanswered(failure: &Failure) -> (String, u8) {
    let (line, code) = match failure {
        Failure::Unreachable(why) | Failure::Silent(why) => (format!("CRITICAL: no appliance answers at {why}"), 2),
        Failure::Forbidden { .. } | Failure::Refused(_) | Failure::Unreadable(_) => (format!("UNKNOWN: {failure}"), 3),
    };
    (visible(&line) + "\n", code)
}

/// What it is about, in one word.
fn object(row: &AlarmRow) -> &str {
    let all = [&row.member, &row.interface, &row.object, &row.pool];
    all.into_iter().flatten().next().map_or("-", String::as_str)
}
