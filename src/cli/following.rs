//! `events --follow`: what happens is a line at once, until interrupted.
//!
//! Owns the asking: for what is after the last event that was shown. The appliance answers when there is one, and keeps nothing for who
//! asks: whoever reads too slowly is told how many he has missed. A restart of the appliance is waited for.

use super::client::{self, Failure};
use super::commands::{Question, followed};
use super::exit::write;
use crate::admin::events::{EventRow, EventsPage};
use crate::admin::{Code, Request};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// An answer that says that there is nothing comes later than that, if nobody has too much to do.
const SOON: Duration = Duration::from_secs(1);
/// How long the appliance waits for the next event, and a little more.
const PATIENCE: Duration = Duration::from_secs(30);
/// So many questions in a row may stay without an answer, a second each.
const RETRIES: u32 = 120;

/// Shows what `question` asks for, as it happens.
///
/// # Errors
/// When the appliance cannot be asked at first, or for too long.
pub fn run(socket: &Path, question: &Question, patience: Duration) -> Result<ExitCode, Failure> {
    let Request::Events { filter, since_s } = &question.request else {
        return Err(Failure::Unreadable("only events are followed".into()));
    };
    let next = |after| Request::EventsFollow { filter: filter.clone(), after };
    let start: EventsPage = read(client::ask(socket, &next(None), patience)?)?;
    let mut last = start.last;
    if since_s.is_some() {
        let mut events: Vec<EventRow> = read(client::ask(socket, &question.request, patience)?)?;
        events.retain(|row| row.number <= last);
        if let Err(code) = write(followed(&EventsPage { events, lost: 0, last }, question.json).as_bytes()) {
            return Ok(code);
        }
    }
    let mut silent = 0;
    loop {
        let asked = Instant::now();
        let page: EventsPage = match client::ask(socket, &next(Some(last)), patience.max(PATIENCE)) {
            Ok(data) => read(data)?,
            Err(why) if silent < RETRIES && may_pass(&why) => {
                if silent == 0 {
                    _ = writeln!(io::stderr(), "fairlead: waiting for the appliance: {why}");
                }
                silent += 1;
                std::thread::sleep(SOON);
                continue;
            }
            Err(why) => return Err(why),
        };
        (silent, last) = (0, page.last);
        if let Err(code) = write(followed(&page, question.json).as_bytes()) {
            return Ok(code);
        }
        if page.events.is_empty() && asked.elapsed() < SOON {
            std::thread::sleep(SOON);
        }
    }
}

/// A restart ends it, or less to do.
fn may_pass(why: &Failure) -> bool {
    match why {
        Failure::Unreachable(_) | Failure::Silent(_) => true,
        Failure::Refused(refusal) => matches!(refusal.code, Code::Busy | Code::NoAnswer | Code::Stopping),
        Failure::Forbidden { .. } | Failure::Unreadable(_) => false,
    }
}

fn read<T: DeserializeOwned>(data: Value) -> Result<T, Failure> {
    serde_json::from_value(data)
        .map_err(|why| Failure::Unreadable(format!("the appliance's answer cannot be shown: {why}")))
}
