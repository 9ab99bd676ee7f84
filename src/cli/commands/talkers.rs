//! Some of many flows, and who has opened most of them.
//!
//! Owns what is counted for `flows --top` and chosen for `flows --port`, among the rows of an answer. Shows nothing.

use super::kit::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
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

/// Who has opened most of the flows that were looked at.
#[derive(Debug, Serialize, Deserialize)]
pub struct Talkers {
    /// The most flows first.
    pub rows: Vec<TalkerRow>,
    /// Flows that they were counted among.
    pub counted: u64,
    /// Flows that there are.
    pub total: u64,
    /// False: there may be more.
    pub exact: bool,
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
    // There are more than the appliance lists.
    if data["total"].as_u64().is_some_and(|total| total > listed) {
        data["searched"] = listed.into();
    }
    data["total"] = found.into();
    data["exact"] = all_listed.into();
    data
}

/// Who has opened most of the flows.
pub(super) fn most_of(data: &Value, most: usize) -> Value {
    // What cannot be read is shown as that.
    let Ok(rows) = from_value::<Vec<FlowRow>>(data["rows"].clone()) else { return data.clone() };
    let (counted, total) = (rows.len() as u64, data["total"].as_u64().unwrap_or_default());
    let exact = data["exact"] == true && total <= counted;
    let mut by_source: BTreeMap<(Ipv4Addr, Option<String>, String), (u64, u64)> = BTreeMap::new();
    for row in rows {
        let entry = by_source.entry((*row.original.src.ip(), row.member, row.path)).or_insert((0, u64::MAX));
        *entry = (entry.0 + 1, entry.1.min(row.idle_ms));
    }
    let talker = |((source, member, path), (flows, idle_ms))| TalkerRow { source, member, path, flows, idle_ms };
    let mut talkers: Vec<TalkerRow> = by_source.into_iter().map(talker).collect();
    talkers.sort_by_key(|row| Reverse(row.flows));
    talkers.truncate(most);
    json!(Talkers { rows: talkers, counted, total, exact })
}
