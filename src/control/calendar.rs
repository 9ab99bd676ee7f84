//! The calendar is set while the appliance runs.
//!
//! Owns what is said of it. Nothing that is decided depends on the calendar: only what is written does.

use super::controller::Controller;
use crate::admin::events::Subject;
use crate::admin::rows::Wall;
use crate::events::AlarmCode;
use crate::time::{Duration, Instant};

/// What is set by less is kept right, not set: a clock is slewed by half a millisecond in a second.
const STEP: Duration = Duration::from_secs(1);
/// How long it is shown after the last time.
const SHOWN: Duration = Duration::from_secs(900);
const KEY: &str = "calendar";

impl Controller {
    /// What the calendar, as it is set now, says of [`Instant::ZERO`]. To be called before [`Controller::handle`], since it may be
    /// set at any time.
    pub fn set_calendar(&mut self, start: Wall) {
        let before = self.calendar.replace(start);
        self.machine.start = start;
        if let Some(before) = before.filter(|before| start.since(*before).max(before.since(start)) >= STEP) {
            // Of several before the next turn the first is what it was set from.
            self.calendar_was.get_or_insert(before);
        }
    }

    /// Says that it was set.
    pub(super) fn tell_of_calendar(&mut self, now: Instant) {
        let Some(before) = self.calendar_was.take() else { return };
        let start = self.machine.start;
        let (by, to) = match start > before {
            true => (start.since(before), "forward"),
            false => (before.since(start), "back"),
        };
        if by < STEP {
            return;
        }
        let message = format!(
            "the clock of this box was set {to} by {}: what was logged before has the time of the old one; probes and timeouts do \
             not go by it",
            words(by)
        );
        let of = (AlarmCode::ClockStepped, Subject::none());
        if !self.outputs.raise_for(KEY, of, message.clone(), Some(SHOWN), now) {
            self.outputs.repeat(KEY, &message);
        }
    }
}

/// With parts of a second below a minute.
fn words(by: Duration) -> String {
    match by.as_secs() {
        0..60 => format!("{:.1} s", by.as_secs_f64()),
        _ => humantime::format_duration(Duration::from_secs(by.as_secs())).to_string(),
    }
}
