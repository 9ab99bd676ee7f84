//! `fairlead routes`

use super::kit::*;

pub(super) fn show(data: Value, _: Wall) -> Shown {
    let rows: Vec<RouteRow> = from_value(data)?;
    if rows.is_empty() {
        return Ok("no routes\n".to_owned());
    }
    if rows.iter().all(|row| row.learned.is_none()) {
        return Ok(grid(&rows, cells));
    }
    Ok(grid(&rows, |row| {
        let [to, via, interface, kind, hop, mac] = cells(row);
        let weight = right("WEIGHT", or_dash(row.learned.as_ref().map(|learned| learned.weight)));
        [to, via, interface, kind, weight, hop, mac, left("NOTE", row.learned.as_ref().map_or("", note))]
    }))
}

fn cells(row: &RouteRow) -> [Cell; 6] {
    [
        left("TO", if row.to.prefix_len() == 0 { "default".to_owned() } else { row.to.to_string() }),
        left("VIA", or_dash(row.via)),
        left("INTERFACE", &row.interface),
        left("KIND", kind(row)),
        left("NEXT HOP", or_dash(row.next_hop)),
        left("MAC", or_dash(row.mac.as_ref())),
    ]
}

/// Where it comes from, and of the kernel's who has made it.
fn kind(row: &RouteRow) -> String {
    match &row.learned {
        Some(learned) => format!("{} {}", row.kind, learned.protocol),
        None => row.kind.to_string(),
    }
}

/// Why packets do not go by it, or will not for long.
fn note(learned: &LearnedRow) -> &'static str {
    match learned {
        LearnedRow { usable: false, .. } => "no link",
        LearnedRow { used: false, .. } => "not used",
        LearnedRow { stale: Some(_), .. } => "stale",
        _ => "",
    }
}
