//! `fairlead flows` and `fairlead flows clear`

use super::arguments::{Only, View};
use super::kit::{exact as exact_count, *};
use super::narrow::Narrow;
use super::question::Question;
use super::talkers::Talkers;
use crate::admin::Request;
use crate::admin::request::{FLOWS_DEFAULT, FLOWS_MAX};
use serde::Deserialize;

/// Flows, or who has opened most of them. What is chosen here is chosen among as many as the appliance lists.
pub(super) fn question(
    view: View,
    only: Only,
    limit: Option<u64>,
    (port, top): (Option<u16>, Option<u64>),
) -> Question {
    let rows = limit.map_or(FLOWS_DEFAULT, |rows| rows as usize);
    let (filter, most) = (only.filter(), if port.is_some() || top.is_some() { FLOWS_MAX } else { rows });
    let narrow = match top {
        Some(most) => Some(Narrow::Talkers { port, most: most as usize }),
        None => port.map(|port| Narrow::Port { port, most: rows }),
    };
    let show = if top.is_some() { talkers } else { show };
    Question { narrow, ..view.of(Request::Flows { filter, limit: most }, show) }
}

fn talkers(data: Value, _: Wall) -> Shown {
    let Talkers { rows, counted, exact, .. } = from_value(data)?;
    let more = match exact {
        true => String::new(),
        false => paragraph(&format!(
            "{} flows were counted, and there may be more: --client, --member and --virtual-server choose which",
            exact_count(counted)
        )),
    };
    if rows.is_empty() {
        return Ok(if exact { "no flows\n".to_owned() } else { more });
    }
    Ok(grid(&rows, |row| {
        [
            left("SOURCE", row.source),
            left("MEMBER", or_dash(row.member.as_ref())),
            left("PATH", &row.path),
            right("FLOWS", exact_count(row.flows)),
            right("IDLE", span(Duration::from_millis(row.idle_ms))),
        ]
    }) + &more)
}

/// As many as were asked for, of so many.
#[derive(Deserialize)]
struct Listed {
    rows: Vec<FlowRow>,
    total: u64,
    exact: bool,
    /// They were looked for among so many of all.
    #[serde(default)]
    searched: Option<u64>,
}

pub(super) fn show(data: Value, _: Wall) -> Shown {
    let Listed { rows, total, exact, searched } = from_value(data)?;
    if rows.is_empty() && exact {
        return Ok("no flows\n".to_owned());
    }
    let shown = rows.len() as u64;
    let more = match (total.saturating_sub(shown), exact) {
        _ if let Some(searched) = searched => paragraph(&format!(
            "{} flows were looked through for the port, and there are more: --client, --member and --virtual-server choose which",
            exact_count(searched)
        )),
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
    let cells = |row: &FlowRow| {
        [
            left("PATH", &row.path),
            left("PROTO", &row.protocol),
            prose("ORIGINAL", format!("{} > {}", row.original.src, row.original.dst)),
            prose("TRANSLATED", difference(row.original, row.translated)),
            left("MEMBER", or_dash(row.member.as_ref())),
            left("STATE", &row.state),
            right("IDLE", span(Duration::from_millis(row.idle_ms))),
        ]
    };
    let counted_cells = |row: &FlowRow| {
        let [path, protocol, original, translated, member, state, idle] = cells(row);
        let [sent, answered] = [row.sent, row.answered].map(Option::unwrap_or_default);
        let [packets, bytes] = [right("PKT >", exact_count(sent.packets)), right("BYTES >", exact_count(sent.bytes))];
        let answers = right("PKT <", exact_count(answered.packets));
        let answer_bytes = right("BYTES <", exact_count(answered.bytes));
        [path, protocol, original, translated, member, state, idle, packets, bytes, answers, answer_bytes]
    };
    let is_counted = rows.iter().any(|row| row.sent.is_some());
    Ok(if is_counted { grid(&rows, counted_cells) } else { grid(&rows, cells) } + &more)
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
