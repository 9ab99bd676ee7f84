//! `fairlead events`

use super::arguments::{Once, event, since};
use super::kit::*;
use super::question::Question;
use crate::admin::Request;
use crate::admin::request::EventSelection;
use crate::events::EventName;
use crate::policy::words::Word;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

/// `events`
#[derive(Debug, Args)]
pub struct Events {
    /// How they are shown.
    #[command(flatten)]
    once: Once,
    /// Go on: show what happens as it happens; with --json an object a line
    #[arg(long, short)]
    follow: bool,
    /// Not what is longer ago, such as 10m or 2h [default: all that are kept; with --follow none]
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<u64>,
    /// Only events of this name; may be repeated
    #[arg(long, value_name = "NAME", hide_possible_values = true)]
    #[arg(value_parser = PossibleValuesParser::new(EventName::WORDS).try_map(|word| event(&word)))]
    event: Vec<EventName>,
    /// Only events about this pool or a member of it
    #[arg(long, value_name = "NAME")]
    pool: Option<String>,
}

impl Events {
    pub(super) fn question(self) -> Question {
        let Events { once, follow, since, event, pool } = self;
        let request = Request::Events { filter: EventSelection { event, pool }, since_s: since };
        Question { stream: follow, ..once.of(request, show) }
    }
}

pub(super) fn show(data: Value, _: Wall) -> Shown {
    let rows: Vec<EventRow> = from_value(data)?;
    Ok(if rows.is_empty() { "no such event is kept\n".into() } else { rows.iter().map(line).collect() })
}

/// A page of those that are followed: a line for each, and one for those that are gone. In JSON an object a line.
pub fn followed(page: &EventsPage, json: bool) -> String {
    let lost = match (page.lost, json) {
        (0, _) => String::new(),
        (lost, true) => format!("{{\"lost\":{lost}}}\n"),
        (lost, false) => format!("... {} events lost: they came faster than they were read\n", exact(lost)),
    };
    let rows = page.events.iter().map(|row| if json { row.json() + "\n" } else { line(row) });
    lost + &rows.collect::<String>()
}

fn line(row: &EventRow) -> String {
    let level = row.level.to_string().to_uppercase();
    let by = match (row.by_uid, row.by_pid) {
        (Some(uid), Some(pid)) => format!(" (uid {uid}, pid {pid})"),
        (Some(uid), None) => format!(" (uid {uid})"),
        (None, _) => String::new(),
    };
    let line = format!("{} {level:<5} {:<18} {}{by}", moment(row.time), row.event, row.message);
    visible(&line) + "\n"
}
