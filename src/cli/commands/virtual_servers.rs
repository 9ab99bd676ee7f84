//! `fairlead virtual-servers`

use super::kit::*;

pub(super) fn show(data: Value, now: Wall) -> Shown {
    let rows: Vec<VirtualServerRow> = from_value(data.clone())?;
    let servers = table(data, "no virtual servers", |row: &VirtualServerRow| {
        [
            left("VIRTUAL SERVER", &row.name),
            left("ADDRESS", row.address),
            prose("LISTEN", row.listen.join(" ")),
            left("POOL", &row.pool),
            left("STATE", row.state),
            left("ACTIVE", active(row)),
            left("CHOICE", row.choice),
            right("FOR", span(now.since(row.since))),
            prose("REASON", &row.reason),
        ]
    })?;
    let advertised = advertised(&rows, now);
    Ok(servers + &advertised + &connections("VIRTUAL SERVER", rows.iter().map(|row| (&row.name, row.connections))))
}

/// Whose addresses routing daemons are told of, at times; nothing where nobody's are.
fn advertised(rows: &[VirtualServerRow], now: Wall) -> String {
    let text = grid(rows.iter().filter(|row| row.advertise != Advertise::Never), |row| {
        let since = row.advertised_since;
        [
            left("VIRTUAL SERVER", &row.name),
            left("ADVERTISE", row.advertise),
            left("ADVERTISED", if since.is_some() { "yes" } else { "no" }),
            right("FOR", or_dash(since.map(|since| span(now.since(since))))),
        ]
    });
    if text.is_empty() { text } else { format!("\n{text}") }
}

/// Who is active, or how many of the members.
pub(super) fn active(row: &VirtualServerRow) -> String {
    match (&row.active, row.active_members.len()) {
        (Some(name), _) => name.clone(),
        (None, 0) => "-".to_owned(),
        (None, number) => format!("{number} of {}", row.members),
    }
}
