//! What a line of the log is: text for people, a JSON object, or an entry of the journal.
//!
//! Owns all three, for events and for what else the process says, which has the name `note`. In none of them anything in a value can end a
//! line or begin another field.

use super::queue::{LINE_BYTES, Queue};
use crate::admin::events::EventRow;
use crate::config::{LogFormat, LogLevel};
use crate::events::EventName;
use std::fmt::{Debug, Write};
use std::sync::Arc;
use std::time::SystemTime;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Between the fields of an entry on its way through the queue, which makes one line of it.
pub(super) const BETWEEN: u8 = 0x1e;

/// What lines look like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) format: LogFormat,
    /// Text begins with the time.
    pub(super) stamped: bool,
    /// The level is colored, for a terminal.
    pub(super) colored: bool,
}

impl Style {
    /// An event. One that would be too long for a line has a shorter message, so that what is behind it is whole.
    pub(super) fn entry(self, row: &EventRow) -> Vec<u8> {
        let line = self.line(row);
        if line.len() <= LINE_BYTES {
            return line;
        }
        let ends: Vec<usize> = row.message.char_indices().map(|(at, _)| at).collect();
        let cut = |end: usize| self.line(&EventRow { message: format!("{}...", &row.message[..end]), ..row.clone() });
        let fit = ends.partition_point(|end| cut(*end).len() <= LINE_BYTES);
        cut(ends.get(fit.saturating_sub(1)).copied().unwrap_or_default())
    }

    fn line(self, row: &EventRow) -> Vec<u8> {
        match self.format {
            LogFormat::Journald => journal_entry(row),
            LogFormat::Json => row.json().into_bytes(),
            LogFormat::Text => self.text(row).into_bytes(),
        }
    }

    fn text(self, row: &EventRow) -> String {
        let time = if self.stamped { format!("{} ", row.time) } else { String::new() };
        let level = row.level.to_string().to_uppercase();
        let level = match (self.colored, row.level) {
            (false, _) => format!("{level:>5}"),
            (true, LogLevel::Error) => format!("\x1b[31m{level:>5}\x1b[0m"),
            (true, LogLevel::Warn) => format!("\x1b[33m{level:>5}\x1b[0m"),
            (true, LogLevel::Info) => format!("\x1b[32m{level:>5}\x1b[0m"),
            (true, LogLevel::Debug | LogLevel::Trace) => format!("\x1b[34m{level:>5}\x1b[0m"),
        };
        // Line feeds are the queue's to join.
        let message = row.message.replace(|c: char| c.is_control() && c != '\n' && c != '\r', "?");
        format!("{time}{level} {} {}", message.trim_end(), row.fields())
    }
}

/// Fields as systemd.journal-fields(7) has them: our own begin with FAIRLEAD_.
fn journal_entry(row: &EventRow) -> Vec<u8> {
    let mut fields = vec![
        ("PRIORITY".to_owned(), priority(row.level).to_owned()),
        ("SYSLOG_IDENTIFIER".to_owned(), "fairlead".to_owned()),
        ("FAIRLEAD_EVENT".to_owned(), row.event.clone()),
        ("FAIRLEAD_NUMBER".to_owned(), row.number.to_string()),
    ];
    fields.extend(row.pairs().map(|(key, value)| (format!("FAIRLEAD_{}", key.to_ascii_uppercase()), value)));
    // Last: only it can be so long that its end is cut off.
    fields.push(("MESSAGE".to_owned(), row.message.clone()));
    let clean = |value: &str| value.replace(|c: char| c.is_control(), " ");
    let parts: Vec<String> = fields.iter().map(|(key, value)| format!("{key}={}", clean(value))).collect();
    parts.join(std::str::from_utf8(&[BETWEEN]).unwrap_or(" ")).into_bytes()
}

/// syslog(3).
fn priority(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "3",
        LogLevel::Warn => "4",
        LogLevel::Info => "6",
        LogLevel::Debug | LogLevel::Trace => "7",
    }
}

/// What is logged elsewhere than by the controller.
pub(super) struct Others {
    pub(super) queue: Arc<Queue>,
    pub(super) style: Style,
}

impl<S: Subscriber> Layer<S> for Others {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = match *event.metadata().level() {
            Level::ERROR => LogLevel::Error,
            Level::WARN => LogLevel::Warn,
            Level::INFO => LogLevel::Info,
            Level::DEBUG => LogLevel::Debug,
            Level::TRACE => LogLevel::Trace,
        };
        let mut words = Words::default();
        event.record(&mut words);
        let name = if level > LogLevel::Info { EventName::Detail } else { EventName::Note };
        let row = EventRow::new(name, level, words.message + &words.others);
        let row = EventRow { time: SystemTime::now().into(), ..row };
        self.queue.line(&self.style.entry(&row));
    }
}

/// The message, and the fields behind it.
#[derive(Default)]
struct Words {
    message: String,
    others: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.others, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::events::Subject;

    fn row() -> EventRow {
        let row = EventRow::new(EventName::MemberDown, LogLevel::Warn, "member sip-a is down:\nMESSAGE=forged".into());
        EventRow { number: 7, ..row.about(Subject::member("sip-a", "pair-1")) }
    }

    fn style(format: LogFormat) -> Style {
        Style { format, stamped: true, colored: false }
    }

    #[test]
    fn a_line_of_text_is_time_level_message_and_what_it_is_about() {
        let mut row = row();
        row.message = "member sip-a is down: \x1b[2J".into();
        let text = String::from_utf8(style(LogFormat::Text).entry(&row)).unwrap();
        assert_eq!(
            text,
            "1970-01-01T00:00:00.000000Z  WARN member sip-a is down: ?[2J event=member.down pool=pair-1 member=sip-a"
        );
        let bare = Style { stamped: false, ..style(LogFormat::Text) };
        assert!(String::from_utf8(bare.entry(&row)).unwrap().starts_with(" WARN member"));
    }

    #[test]
    fn an_entry_of_the_journal_has_fields_and_nobody_can_add_one() {
        let entry = String::from_utf8(style(LogFormat::Journald).entry(&row())).unwrap();
        assert_eq!(
            entry.split('\u{1e}').collect::<Vec<_>>(),
            [
                "PRIORITY=4",
                "SYSLOG_IDENTIFIER=fairlead",
                "FAIRLEAD_EVENT=member.down",
                "FAIRLEAD_NUMBER=7",
                "FAIRLEAD_POOL=pair-1",
                "FAIRLEAD_MEMBER=sip-a",
                "MESSAGE=member sip-a is down: MESSAGE=forged",
            ]
        );
    }

    /// Each control character takes six bytes in JSON.
    #[test]
    fn a_line_that_is_too_long_has_a_shorter_message_and_all_of_its_fields() {
        let long = EventRow { message: "é\u{1}".repeat(1_300), ..row() };
        let line = style(LogFormat::Json).entry(&long);
        assert!((LINE_BYTES - 16..=LINE_BYTES).contains(&line.len()), "{}", line.len());
        let read: EventRow = serde_json::from_slice(&line).unwrap();
        let kept = read.message.strip_suffix("...").unwrap();
        assert!(long.message.starts_with(kept) && kept.len() > 2_800, "{}", kept.len());
        assert_eq!(EventRow { message: long.message.clone(), ..read }, long);
        let whole = EventRow { message: "x".repeat(4_096), ..row() };
        assert_eq!(serde_json::from_slice::<EventRow>(&style(LogFormat::Json).entry(&whole)).unwrap(), whole);
    }

    #[test]
    fn a_line_of_json_is_the_event() {
        let line = style(LogFormat::Json).entry(&row());
        assert!(!line.contains(&b'\n'));
        assert_eq!(serde_json::from_slice::<EventRow>(&line).unwrap(), row());
    }
}
