//! `fairlead flows` and `fairlead flows clear`

use super::arguments::{Only, View};
use super::kit::{exact as exact_count, *};
use super::narrow::Narrow;
use super::question::Question;
use crate::admin::Request;
use crate::admin::request::{FLOWS_DEFAULT, FLOWS_MAX};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Who has opened flows, of `flows --top`.
#[derive(Debug, Serialize, Deserialize)]
pub struct TalkerRow {
    /// Who sent the packet that opened them.
    pub source: Ipv4Addr,
    /// The member they belong to.
    pub member: Option<String>,
    /// What kind of traffic: `service`, `outbound`, `hairpin` or `routed`.
    pub path: String,
    /// How many there are.
    pub flows: u64,
    /// Milliseconds since the last packet of any of them.
    pub idle_ms: u64,
}

/// Flows, or who has opened most of them. What is chosen here is chosen among as many as the appliance lists.
pub(super) fn question(
    view: View,
    only: Only,
    limit: Option<u64>,
    (port, top): (Option<u16>, Option<u64>),
) -> Question {
    let rows = limit.map_or(FLOWS_DEFAULT, |rows| rows as usize);
    let (filter, most) = (only.filter(), if port.or(top.map(|_| 1)).is_some() { FLOWS_MAX } else { rows });
    let narrow = match top {
        Some(most) => Some(Narrow::Talkers { port, most: most as usize }),
        None => port.map(|port| Narrow::Port { port, most: rows }),
    };
    let show = if top.is_some() { talkers } else { show };
    Question { narrow, ..view.of(Request::Flows { filter, limit: most }, show) }
}

/// Only the flows with this port, and of those at most so many.
pub(super) fn with_port(mut data: Value, port: u16, most: usize) -> Value {
    let of =
        |end: &Value| end.as_str().and_then(|end| end.rsplit_once(':')).is_some_and(|(_, of)| of.parse() == Ok(port));
    let has = |ends: &Value| of(&ends["src"]) || of(&ends["dst"]);
    let listed = data["rows"].as_array().map_or(0, Vec::len) as u64;
    let all_listed = data["exact"] == true && data["total"].as_u64().is_none_or(|total| total <= listed);
    let Some(rows) = data["rows"].as_array_mut() else { return data };
    rows.retain(|row| has(&row["original"]) || has(&row["translated"]));
    let found = rows.len();
    rows.truncate(most);
    data["total"] = found.into();
    data["exact"] = all_listed.into();
    data
}

/// Who has opened most of the flows.
pub(super) fn most_of(data: &Value, most: usize) -> Value {
    let rows: Vec<FlowRow> = from_value(data["rows"].clone()).unwrap_or_default();
    let mut by_source: BTreeMap<(Ipv4Addr, Option<String>, String), (u64, u64)> = BTreeMap::new();
    for row in rows {
        let entry = by_source.entry((*row.original.src.ip(), row.member, row.path)).or_insert((0, u64::MAX));
        *entry = (entry.0 + 1, entry.1.min(row.idle_ms));
    }
    let talker = |((source, member, path), (flows, idle_ms))| TalkerRow { source, member, path, flows, idle_ms };
    let mut talkers: Vec<TalkerRow> = by_source.into_iter().map(talker).collect();
    talkers.sort_by_key(|row| Reverse(row.flows));
    talkers.truncate(most);
    serde_json::to_value(talkers).unwrap_or_default()
}

fn talkers(data: Value, _: Wall) -> Shown {
    table(data, "no flows", |row: &TalkerRow| {
        [
            left("SOURCE", row.source),
            left("MEMBER", or_dash(row.member.as_ref())),
            left("PATH", &row.path),
            right("FLOWS", exact_count(row.flows)),
            right("IDLE", span(Duration::from_millis(row.idle_ms))),
        ]
    })
}

/// As many as were asked for, of so many.
#[derive(Deserialize)]
struct Listed {
    rows: Vec<FlowRow>,
    total: u64,
    exact: bool,
}

pub(super) fn show(data: Value, _: Wall) -> Shown {
    let Listed { rows, total, exact } = from_value(data)?;
    if rows.is_empty() && exact {
        return Ok("no flows\n".to_owned());
    }
    let shown = rows.len() as u64;
    let more = match (total.saturating_sub(shown), exact) {
        (0, true) => String::new(),
        (more, true) => paragraph(&format!(
            "{} more flows are not shown, {} in all: --limit shows more, --client, --member and --virtual-server choose",
            exact_count(more),
            exact_count(total)
        )),
        (_, false) => paragraph(&format!(
            "at least {} flows: not every worker had looked at all of its flows in time",
            exact_count(total)
        )),
    };
    Ok(grid(&rows, |row| {
        [
            left("PATH", &row.path),
            left("PROTO", &row.protocol),
            prose("ORIGINAL", format!("{} > {}", row.original.src, row.original.dst)),
            prose("TRANSLATED", difference(row.original, row.translated)),
            left("MEMBER", or_dash(row.member.as_ref())),
            left("STATE", &row.state),
            right("IDLE", span(Duration::from_millis(row.idle_ms))),
        ]
    }) + &more)
}

/// The ends that differ.
fn difference(original: Ends, translated: Ends) -> String {
    match (original.src != translated.src, original.dst != translated.dst) {
        (false, false) => "unchanged".to_owned(),
        (true, false) => format!("{} >", translated.src),
        (false, true) => format!("> {}", translated.dst),
        (true, true) => format!("{} > {}", translated.src, translated.dst),
    }
}

pub(super) fn cleared(data: Value, _: Wall) -> Shown {
    let Cleared { count } = from_value(data)?;
    Ok(format!("{} flow{} cleared\n", exact_count(count), if count == 1 { "" } else { "s" }))
}
