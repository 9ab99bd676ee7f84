//! `fairlead routes`

use super::kit::*;

pub(super) fn show(data: Value, _: Wall) -> Shown {
    table(data, "no routes", |row: &RouteRow| {
        [
            left("TO", if row.to.prefix_len() == 0 { "default".to_owned() } else { row.to.to_string() }),
            left("VIA", or_dash(row.via)),
            left("INTERFACE", &row.interface),
            left("KIND", row.kind),
            left("NEXT HOP", or_dash(row.next_hop)),
        ]
    })
}
