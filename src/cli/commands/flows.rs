//! `fairlead flows` and `fairlead flows clear`

use super::kit::*;

pub(super) fn show(data: Value, _: Wall) -> Shown {
    table(data, "no flows", |row: &FlowRow| {
        [
            left("PATH", &row.path),
            left("PROTO", &row.protocol),
            prose("ORIGINAL", format!("{} > {}", row.original.src, row.original.dst)),
            prose("TRANSLATED", difference(row.original, row.translated)),
            left("MEMBER", or_dash(row.member.as_ref())),
            left("STATE", &row.state),
            right("IDLE", span(Duration::from_millis(row.idle_ms))),
        ]
    })
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
    Ok(format!("{} flow{} cleared\n", exact(count), if count == 1 { "" } else { "s" }))
}
