//! `fairlead routes`

use super::args;
use super::kit::*;

pub const ROUTES: Command = Command {
    words: "routes",
    about: "Routing table",
    args: args::none,
    does: Does::Ask { request: |_| Request::Routes {}, show, watch: true },
};

fn show(data: Value, _: Wall) -> Shown {
    table(data, "no routes", |row: &RouteRow| {
        [
            left("TO", if row.to.prefix_len() == 0 { "default".to_owned() } else { row.to.to_string() }),
            left("VIA", row.via.map_or_else(|| "-".to_owned(), |via| via.to_string())),
            left("INTERFACE", &row.interface),
            left("KIND", row.kind),
            left("NEXT HOP", row.next_hop.map_or_else(|| "-".to_owned(), |state| state.to_string())),
        ]
    })
}
