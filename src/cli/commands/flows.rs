//! `fairlead flows` and `fairlead flows clear`

use super::kit::{exact as exact_count, *};
use serde::Deserialize;

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
