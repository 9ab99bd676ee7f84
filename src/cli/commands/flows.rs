//! `fairlead flows` and `fairlead flows clear`

use super::args::{address, option, typed};
use super::kit::*;
use crate::admin::request::{FLOWS_DEFAULT, FLOWS_MAX, FlowSelection};
use clap::value_parser;

pub const FLOWS: Command = Command {
    words: "flows",
    about: "The flow table: original and translated addresses",
    args: || {
        let limit = option("limit", "ROWS", "At most so many rows [default: 1000]");
        [selection(), vec![limit.value_parser(value_parser!(u64).range(1..=FLOWS_MAX as u64))]].concat()
    },
    does: Does::Ask {
        request: |args| {
            let limit = typed::<u64>(args, "limit").map_or(FLOWS_DEFAULT, |rows| rows as usize);
            Request::Flows { filter: selected(args), limit }
        },
        show,
        watch: true,
    },
};

pub const CLEAR: Command = Command {
    words: "flows clear",
    about: "Clear the flows that match, or all of them",
    args: selection,
    does: Does::Ask { request: |args| Request::FlowsClear { filter: selected(args) }, show: cleared, watch: false },
};

fn selection() -> Vec<Arg> {
    vec![
        address("client", "Only flows with this outside address"),
        option("member", "NAME", "Only flows of this member, or opened by it"),
        option("virtual-server", "NAME", "Only flows of this virtual server"),
    ]
}

fn selected(args: &ArgMatches) -> FlowSelection {
    FlowSelection {
        client: typed(args, "client"),
        member: typed(args, "member"),
        virtual_server: typed(args, "virtual-server"),
    }
}

fn show(data: Value, _: Wall) -> Shown {
    table(data, "no flows", |row: &FlowRow| {
        [
            left("PATH", &row.path),
            left("PROTO", &row.protocol),
            prose("ORIGINAL", format!("{} > {}", row.original.src, row.original.dst)),
            prose("TRANSLATED", difference(row.original, row.translated)),
            left("MEMBER", or_dash(row.member.as_deref())),
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

fn cleared(data: Value, _: Wall) -> Shown {
    let Cleared { count } = from_value(data)?;
    Ok(format!("{} flow{} cleared\n", exact(count), if count == 1 { "" } else { "s" }))
}
