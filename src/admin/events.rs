//! What has happened and what is wrong, as an operator reads it.
//!
//! Owns the rows of `events` and `alarms`, one shape for the admin socket, the JSON log, the program of `[notify]` and the file they are
//! kept in. Names are texts here, so that a reader of another version passes over those it does not know.

use super::wall::Wall;
use super::words::Cause;
use crate::config::LogLevel;
use crate::events::{AlarmCode, EventName, Severity};
use serde::{Deserialize, Serialize};

/// Events that are kept in memory.
pub const EVENTS_KEPT: usize = 4_096;
/// Events in one page of `events --follow`.
pub const EVENTS_PAGE: usize = 200;
/// Longest comment of an acknowledgement, in bytes.
pub const COMMENT_MAX: usize = 250;
/// Longest message of an event, in bytes; what is longer is cut.
const MESSAGE_MAX: usize = 4_096;

/// Something that has happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRow {
    /// Counts the events, also over restarts; 0: it is in the log only.
    pub number: u64,
    /// When.
    pub time: Wall,
    /// What, by the names of the reference.
    pub event: String,
    /// How grave it is, as in the log.
    pub level: LogLevel,
    /// In words.
    pub message: String,
    /// The pool it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// The member it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// The interface or port it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// What else it is about: a virtual server, an address, a worker, a configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Of a switchover: who was active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Of a switchover: who is active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Of a switchover: what made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Of an alarm: its code, by the names of the reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<String>,
    /// Of an alarm: its number, which is that of the event that raised it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm_id: Option<u64>,
    /// Of an alarm: how grave it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Of an alarm that is over: how long it stood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasted_ms: Option<u64>,
    /// Of what an operator did: the user of the command, as the kernel says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_uid: Option<u32>,
    /// Of what an operator did: the process of the command, as the kernel says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_pid: Option<u32>,
}

/// Some events after a known one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsPage {
    /// Oldest first.
    pub events: Vec<EventRow>,
    /// How many events after the known one are gone: they came faster than they were read.
    pub lost: u64,
    /// The number of the last event that was looked at: where the next page begins after.
    pub last: u64,
}

/// What an operator should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmRow {
    /// Its number: that of the event that raised it.
    #[serde(default)]
    pub id: u64,
    /// What is wrong, by the names of the reference.
    #[serde(default)]
    pub code: String,
    /// How grave it is.
    #[serde(default = "warning")]
    pub severity: Severity,
    /// Since when it stands.
    pub since: Wall,
    /// The pool it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// The member it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// The interface or port it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// What else it is about: a virtual server, an address, a worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// What it is, and what may be done.
    pub message: String,
    /// What may be done about any of its code.
    #[serde(default)]
    pub remedy: String,
    /// Who has acknowledged it, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<AcknowledgedRow>,
}

/// That somebody knows of an alarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcknowledgedRow {
    /// When.
    pub since: Wall,
    /// The user of the command, as the kernel says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_uid: Option<u32>,
    /// What he said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// What an event or an alarm is about. Names, because what they name may be gone when they are read.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subject {
    /// A pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// A member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// An interface or a port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
}

impl Subject {
    /// The appliance as a whole.
    pub fn none() -> Subject {
        Subject::default()
    }

    /// A pool.
    pub fn pool(name: impl Into<String>) -> Subject {
        Subject { pool: Some(name.into()), ..Subject::default() }
    }

    /// A member of a pool.
    pub fn member(name: impl Into<String>, pool: impl Into<String>) -> Subject {
        Subject { member: Some(name.into()), ..Subject::pool(pool) }
    }

    /// An interface or a port.
    pub fn interface(name: impl Into<String>) -> Subject {
        Subject { interface: Some(name.into()), ..Subject::default() }
    }

    /// Something else.
    pub fn object(what: impl ToString) -> Subject {
        Subject::default().and(what)
    }

    /// And this.
    pub fn and(self, what: impl ToString) -> Subject {
        Subject { object: Some(what.to_string()), ..self }
    }
}

fn warning() -> Severity {
    Severity::Warning
}

impl EventRow {
    /// This has happened; number and time are given by whoever keeps it.
    pub fn new(event: EventName, level: LogLevel, mut message: String) -> EventRow {
        if message.len() > MESSAGE_MAX {
            let end = (0..=MESSAGE_MAX).rev().find(|end| message.is_char_boundary(*end));
            message.truncate(end.unwrap_or_default());
        }
        EventRow {
            number: 0,
            time: Wall::default(),
            event: event.to_string(),
            level,
            message,
            pool: None,
            member: None,
            interface: None,
            object: None,
            from: None,
            to: None,
            cause: None,
            alarm: None,
            alarm_id: None,
            severity: None,
            lasted_ms: None,
            by_uid: None,
            by_pid: None,
        }
    }

    /// It is about this.
    pub fn about(self, subject: Subject) -> EventRow {
        let Subject { pool, member, interface, object } = subject;
        EventRow { pool, member, interface, object, ..self }
    }

    /// It is about an alarm of this code.
    pub fn of_alarm(self, code: AlarmCode, id: u64) -> EventRow {
        let (alarm, severity) = (Some(code.to_string()), Some(code.severity()));
        EventRow { alarm, severity, alarm_id: Some(id), ..self }
    }

    /// It is of that name.
    pub fn is(&self, name: EventName) -> bool {
        self.event.parse() == Ok(name)
    }

    /// What it is about, in one word.
    pub fn shown(&self) -> &str {
        let all = [&self.member, &self.interface, &self.object, &self.pool];
        all.into_iter().flatten().next().map_or("-", String::as_str)
    }

    /// As JSON on one line, without a line feed.
    pub fn json(&self) -> String {
        // Nothing in it can fail to be written: keys are texts, numbers are whole.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What is behind the message on a line of text: `event=member.down pool=pair-1 member=sip-a`.
    pub fn fields(&self) -> String {
        let mut text = format!("event={}", self.event);
        for (key, value) in self.pairs() {
            text.push_str(&format!(" {key}={}", quoted(&value)));
        }
        text
    }

    /// All of it but time, level, message and name, as key and value.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, String)> {
        let text = |value: &Option<String>| value.clone();
        let number = |value: Option<u64>| value.map(|number| number.to_string());
        let pairs = [
            ("pool", text(&self.pool)),
            ("member", text(&self.member)),
            ("interface", text(&self.interface)),
            ("object", text(&self.object)),
            ("from", text(&self.from)),
            ("to", text(&self.to)),
            ("cause", self.cause.map(|cause| cause.to_string())),
            ("alarm", text(&self.alarm)),
            ("alarm_id", number(self.alarm_id)),
            ("severity", self.severity.map(|severity| severity.to_string())),
            ("lasted_ms", number(self.lasted_ms)),
            ("by_uid", number(self.by_uid.map(u64::from))),
            ("by_pid", number(self.by_pid.map(u64::from))),
        ];
        pairs.into_iter().filter_map(|(key, value)| Some((key, value?)))
    }
}

/// A value with spaces in it, or none, stands between quotes.
fn quoted(value: &str) -> String {
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '"' && c != '=';
    match !value.is_empty() && value.chars().all(is_plain) {
        true => value.to_owned(),
        false => format!("{value:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_object_and_one_end_of_a_line() {
        let row = EventRow::new(EventName::AlarmRaised, LogLevel::Warn, "alarm: two\nlines".into())
            .about(Subject::member("sip-a", "pair-1").and("a b"))
            .of_alarm(AlarmCode::MemberUnreachable, 7);
        let row = EventRow { number: 7, by_uid: Some(1_000), ..row };
        assert_eq!(
            row.fields(),
            "event=alarm.raised pool=pair-1 member=sip-a object=\"a b\" alarm=member.unreachable alarm_id=7 severity=warning \
             by_uid=1000"
        );
        assert!(!row.json().contains('\n'));
        assert_eq!(serde_json::from_str::<EventRow>(&row.json()).unwrap(), row);
        assert_eq!(row.shown(), "sip-a");
        assert!(EventRow::new(EventName::Note, LogLevel::Info, "é".repeat(9_000)).message.len() <= MESSAGE_MAX);
    }

    /// What a later version calls something is passed on, not refused.
    #[test]
    fn a_name_of_another_version_is_read() {
        let text = r#"{"number":1,"time":"2026-11-22T13:04:05.000000Z","event":"moon.rises","level":"info","message":"x","phase":3}"#;
        let row: EventRow = serde_json::from_str(text).unwrap();
        assert!(row.event == "moon.rises" && EventName::ALL.iter().all(|name| !row.is(*name)));
    }
}
