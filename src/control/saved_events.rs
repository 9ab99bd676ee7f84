//! The events and switchovers, as they are kept over a restart.
//!
//! Owns the text in which they are kept: JSON with a header that tells whose it is and of which format. Bounded: the last of each. Reads
//! and writes no file.

use crate::admin::events::EventRow;
use crate::admin::rows::SwitchoverRow;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// The format that is written. One with a higher number is not read.
const FORMAT: u32 = 1;
/// Events that are kept, and switchovers.
pub(super) const EVENTS: usize = 1_024;
pub(super) const SWITCHOVERS: usize = 256;

/// Where they are kept, and what was found there at the start.
#[derive(Clone, Debug)]
pub struct EventsFound {
    /// The file, for messages.
    pub place: String,
    /// What it held; `None`: there was none; else why it cannot be used.
    pub found: Result<Option<SavedEvents>, String>,
}

/// The highest number that an event may have: a million a second for centuries.
const HIGHEST: u64 = 1 << 53;

/// The last events and switchovers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SavedEvents {
    /// The number of the last event there was.
    pub last: u64,
    /// The last ones, oldest first.
    pub events: Vec<Arc<EventRow>>,
    /// Likewise.
    pub switchovers: Vec<SwitchoverRow>,
    /// How many of both were there and could not be read, as another version writes them.
    pub unread: usize,
}

#[derive(Serialize)]
struct Written<'a> {
    fairlead_events: u32,
    written_by: &'static str,
    last: u64,
    events: Vec<&'a EventRow>,
    switchovers: &'a [SwitchoverRow],
}

#[derive(Deserialize)]
struct Header {
    fairlead_events: u32,
    #[serde(default)]
    written_by: String,
}

#[derive(Deserialize)]
struct Read {
    #[serde(default)]
    last: u64,
    #[serde(default)]
    events: Vec<Value>,
    #[serde(default)]
    switchovers: Vec<Value>,
}

/// Those that can be read.
fn rows<Row: DeserializeOwned>(values: Vec<Value>, most: usize) -> Vec<Row> {
    let first = values.len().saturating_sub(most);
    values.into_iter().skip(first).filter_map(|value| serde_json::from_value(value).ok()).collect()
}

impl SavedEvents {
    /// The text in which they are kept.
    pub fn text(&self) -> String {
        let written = Written {
            fairlead_events: FORMAT,
            written_by: env!("CARGO_PKG_VERSION"),
            last: self.last,
            events: self.events.iter().map(|row| &**row).collect(),
            switchovers: &self.switchovers,
        };
        // Nothing in it can fail to be written: keys are texts, numbers are whole.
        serde_json::to_string(&written).unwrap_or_default() + "\n"
    }

    /// Reads such a text.
    ///
    /// # Errors
    /// Why it cannot be used, in words for an operator.
    pub fn parse(bytes: &[u8]) -> Result<SavedEvents, String> {
        let header: Header = serde_json::from_slice(bytes).map_err(|why| match why.classify() {
            serde_json::error::Category::Data => "it holds no events of Fairlead's".to_owned(),
            _ => format!("it is damaged: {why}"),
        })?;
        if header.fairlead_events > FORMAT {
            return Err(format!(
                "it is of format {}, written by Fairlead {}; this is {}, which knows format {FORMAT}",
                header.fairlead_events,
                header.written_by.escape_debug(),
                env!("CARGO_PKG_VERSION")
            ));
        }
        let Read { last, events, switchovers } =
            serde_json::from_slice(bytes).map_err(|why| format!("it is damaged: {why}"))?;
        let there = events.len().min(EVENTS) + switchovers.len().min(SWITCHOVERS);
        let events: Vec<Arc<EventRow>> = rows(events, EVENTS);
        let switchovers: Vec<SwitchoverRow> = rows(switchovers, SWITCHOVERS);
        if last.max(events.iter().map(|row| row.number).max().unwrap_or_default()) > HIGHEST {
            return Err("it is damaged: an event has a number that none can have".into());
        }
        let unread = there - events.len() - switchovers.len();
        Ok(SavedEvents { last, events, switchovers, unread })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::rows::LogLevel;
    use crate::events::EventName;

    fn events() -> SavedEvents {
        let row = |number| {
            Arc::new(EventRow { number, ..EventRow::new(EventName::MemberUp, LogLevel::Info, "member up".into()) })
        };
        SavedEvents {
            last: 9,
            events: vec![row(7), row(9)],
            switchovers: vec![super::super::switchovers::example()],
            unread: 0,
        }
    }

    #[test]
    fn they_are_read_as_they_were_written() {
        for events in [SavedEvents::default(), events()] {
            assert_eq!(SavedEvents::parse(events.text().as_bytes()), Ok(events));
        }
    }

    #[test]
    fn what_cannot_be_used_says_why_and_no_damage_does_more() {
        let text = events().text();
        let newer = text.replacen("\"fairlead_events\":1", "\"fairlead_events\":2", 1);
        let rows: [(&[u8], &str); 4] = [
            (b"", "it is damaged: EOF"),
            (b"{}", "it holds no events of Fairlead's"),
            (newer.as_bytes(), "it is of format 2, written by Fairlead"),
            (
                text.replacen("\"last\":9", "\"last\":9007199254740993", 1).leak().as_bytes(),
                "it is damaged: an event has",
            ),
        ];
        for (bytes, expected) in rows {
            let why = SavedEvents::parse(bytes).unwrap_err();
            assert!(why.starts_with(expected), "{why}");
        }
        for length in 0..text.len() - 1 {
            assert!(SavedEvents::parse(&text.as_bytes()[..length]).is_err(), "cut at {length}");
        }
    }

    /// A version before or after this one has events that are not known here.
    #[test]
    fn what_another_version_writes_is_left_out_and_counted() {
        let all = events();
        let other = all.text().replacen("\"info\"", "\"loud\"", 1);
        let expected = SavedEvents { events: all.events[1..].to_vec(), unread: 1, ..all };
        assert_eq!(SavedEvents::parse(other.as_bytes()), Ok(expected));
    }
}
