//! The names of events and alarms, as the reference lists them.
//!
//! Owns the layout of the two lists; what stands in them is written once, in [`crate::events`].

use crate::events::{AlarmCode, EventName};
use std::fmt::Write;

/// Both, as Markdown.
pub(super) fn lists() -> String {
    let mut out = String::from(
        "
## Events

What can stand behind `event=` in the log, in `fairlead events` and in `events` of `[notify]`. The names never change their meaning;
there may be more in a later version.

| event | what has happened |
|---|---|
",
    );
    for name in EventName::ALL {
        let _ = writeln!(out, "| `{name}` | {} |", name.note());
    }
    out += "
## Alarms

What `fairlead alarms` lists. `critical` is 2 for `fairlead alarms --check`, `warning` is 1.

| alarm | severity | meaning | what to do |
|---|---|---|---|
";
    for code in AlarmCode::ALL {
        let _ = writeln!(out, "| `{code}` | {} | {} | {} |", code.severity(), code.note(), code.remedy());
    }
    out
}
