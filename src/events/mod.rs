//! What can happen and what can be wrong, by name: one table of events, one of alarms.
//!
//! Owns the names that programs of the operator's look for (`event=` in the log, `alarm` in JSON), which never change their meaning,
//! with what each means, how grave it is and what may be done. The reference is made from these tables. Knows nothing of when they come.

mod alarm_codes;
mod names;

pub use alarm_codes::{AlarmCode, Severity};
pub use names::EventName;
