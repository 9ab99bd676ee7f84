//! The reference documentation, as the table of keys tells it.

use super::form::{Fallback, Kind, SectionRow};
use super::schema::SECTIONS;
use std::fmt::Write;

const HEAD: &str = "\
# Every key of the configuration file

Generated from the table of keys in the code; a test keeps it so. The file is TOML. A duration is whole
numbers with a unit in quotes: `\"500ms\"`, `\"5m\"`, `\"2h4m\"`; the units are ms, s, m, h and d. An address is IPv4.
A reload applies a change of a live key at once; one that changes a key marked restart is rejected as a whole.
";

/// The reference of every key, as Markdown.
pub fn reference() -> String {
    let mut out = HEAD.to_string();
    for row in SECTIONS {
        section(row, &mut out);
    }
    out
}

fn section(row: &SectionRow, out: &mut String) {
    let times = match (row.most, row.path.split_once('.')) {
        (None, None) => "Once.".into(),
        (Some(most), None) => format!("Once for each, up to {most}."),
        (None, Some((_, key))) => format!("A table inside, as `{key} = {{ ... }}`."),
        (Some(most), Some((_, key))) => format!("A list inside, as `{key} = [{{ ... }}, ...]`, up to {most}."),
    };
    let _ = write!(out, "\n## `{}`\n\n{} {times}\n\n", row.header(), row.note);
    out.push_str("| key | default | allowed | change | meaning |\n|---|---|---|---|---|\n");
    for key in row.keys {
        let default = match key.fallback {
            Fallback::Required(_) => "required".into(),
            Fallback::Value(text) => format!("`{text}`"),
            Fallback::Derived(words) => format!("absent: {words}"),
        };
        let change = if key.live { "live" } else { "restart" };
        let cells = [format!("`{}`", key.name), default, allowed(&key.kind), change.into(), key.note.into()];
        let _ = writeln!(out, "| {} |", cells.map(|cell: String| cell.replace('|', "\\|")).join(" | "));
    }
}

fn allowed(kind: &Kind) -> String {
    match kind {
        Kind::Inside(row) => format!("see `{}` below", row.path),
        kind => kind.form(),
    }
}
