//! `fairlead events`

use super::kit::*;

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
