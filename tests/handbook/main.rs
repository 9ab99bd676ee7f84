//! The handbook's pages of commands, counters and metrics say what the program says: they are made from its own tables.

mod metrics;
mod sizing;

use clap::Command;
use fairlead::cli::commands;
use fairlead::control::remedy_for_drop;
use fairlead::engine::{DropReason, EngineEvent, IgnoreReason, PuntReason};
use fairlead::worker::CopyCount;
use fairlead::worker::counters::Total;
use std::fmt::Write;
use std::fs;
use std::path::Path;

const MADE: &str = "Made from the source (`tests/handbook`): do not edit.";

/// Compares a page with what it should say, and writes it if that is asked for.
fn compare(name: &str, page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src/reference").join(name);
    if std::env::var_os("FAIRLEAD_BLESS").is_some() {
        fs::write(&path, page).expect("the page is written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == page,
        "docs/src/reference/{name} is not what the program says: run this test with FAIRLEAD_BLESS=1"
    );
}

/// A cell of a table. What looks like HTML is none.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn row(cells: &[&str]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

fn head(cells: &[&str]) -> String {
    row(cells) + &"|---".repeat(cells.len()) + "|\n"
}

/// What `fairlead counters` calls each, with its meaning: of workers, by kind.
fn counters() -> Vec<(&'static str, Vec<(String, &'static str)>)> {
    macro_rules! rows {
        ($of:ident, $prefix:literal) => {
            $of::ALL.iter().map(|each| (format!("{}{}", $prefix, each.name()), each.explanation())).collect()
        };
    }
    vec![
        ("Sums", rows!(Total, "")),
        ("Copies for redelivery", rows!(CopyCount, "redelivery_")),
        ("Ignored", rows!(IgnoreReason, "ignored_")),
        ("Passed to management or to the kernel", rows!(PuntReason, "punt_")),
        ("Events of forwarded traffic", rows!(EngineEvent, "event_")),
    ]
}

/// The counters of the management core, as `management_counters` has them: names and meanings are all its literals.
fn of_management() -> Vec<(String, String)> {
    let source = include_str!("../../src/control/tables.rs");
    let (_, from) = source.split_once("fn management_counters").expect("the function");
    let (rows, _) = from.split_once("rows.map(").expect("its end");
    let literals: Vec<_> = rows.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    literals.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
}

#[test]
fn the_page_of_counters_is_what_the_program_counts() {
    let mut page = format!(
        "# Counters and drop reasons\n\n{MADE} `fairlead counters` shows those that are not zero, `--all` all of them.\n"
    );
    page += "Metrics have the same names as labels: `drop_no_route` is `fairlead_dropped_frames_total{reason=\"no_route\"}`.\n";
    page +=
        "\n## Dropped\n\nThe reason is also what `fairlead capture --reason`, `explain`, `replay` and `top` say.\n\n";
    page += &head(&["counter", "reason", "meaning", "what to do"]);
    for reason in DropReason::ALL {
        let remedy = remedy_for_drop(reason.name()).unwrap_or_default();
        let name = format!("`drop_{}`", reason.name());
        page += &row(&[&name, &format!("`{}`", reason.name()), &cell(reason.explanation()), &cell(&remedy)]);
    }
    for (title, rows) in counters() {
        _ = write!(page, "\n## {title}\n\n{}", head(&["counter", "meaning"]));
        rows.iter().for_each(|(name, meaning)| page += &row(&[&format!("`{name}`"), &cell(meaning)]));
    }
    _ = write!(page, "\n## Of the management core\n\n{}", head(&["counter", "meaning"]));
    of_management().iter().for_each(|(name, meaning)| page += &row(&[&format!("`{name}`"), &cell(meaning)]));
    for part in ["`drop_no_route`", "`redelivery_kept`", "| `epochs` |", "| `neighbours_refused` |"] {
        assert!(page.contains(part), "{part}");
    }
    compare("counters.md", &page);
}

#[test]
fn the_page_of_commands_is_what_can_be_typed() {
    let mut program = <commands::Command as clap::Subcommand>::augment_subcommands(Command::new("fairlead"));
    program.build();
    let mut page = format!("# Commands\n\n{MADE} `fairlead help COMMAND` says the same, and `man fairlead`.\n\n");
    page += "Every command that asks the appliance takes `--json`, `--socket PATH` and `--timeout SECONDS`, every table `--watch[=SECONDS]`\n";
    page += "([what `--json` prints](../dpdk-config/json.md)). Exit codes: 0 done, 1 refused or failed, 2 bad usage or bad file, 3 the appliance\n";
    page += "cannot be reached or does not answer in time; `doctor` ends with 4 for warnings and 5 for errors.\n";
    commands_below(&program, "fairlead", &mut page);
    for part in ["## `fairlead member drain", "`--for TIME`", "## `fairlead check"] {
        assert!(page.contains(part), "{part}");
    }
    compare("commands.md", &page);
}

fn commands_below(above: &Command, before: &str, page: &mut String) {
    for command in above.get_subcommands().filter(|command| command.get_name() != "help") {
        let words = format!("{before} {}", command.get_name());
        if !command.is_subcommand_required_set() {
            *page += &of_command(&words, command);
        }
        commands_below(command, &words, page);
    }
}

fn of_command(words: &str, command: &Command) -> String {
    // Those of every command, but for the one that asks nobody.
    let shared = ["watch", "socket", "timeout", "help", "version", if words.ends_with(" check") { "" } else { "json" }];
    let about = |text: Option<&clap::builder::StyledStr>| text.map(ToString::to_string).unwrap_or_default();
    let (mut usage, mut options) = (String::new(), String::new());
    for arg in command.get_arguments().filter(|arg| !shared.contains(&arg.get_id().as_str()) && !arg.is_hide_set()) {
        let typed = arg.to_string().replace(['<', '>'], "");
        let is_bracketed = arg.is_required_set() || typed.starts_with('[');
        usage += &if is_bracketed { format!(" {typed}") } else { format!(" [{typed}]") };
        options += &row(&[&format!("`{}`", typed.replace('|', "\\|")), &cell(&about(arg.get_help()))]);
    }
    let mut text = format!("\n## `{words}`\n\n{}.\n\n`{words}{usage}`\n", cell(&about(command.get_about())));
    if !options.is_empty() {
        text += &format!("\n{}{options}", head(&["argument", "meaning"]));
    }
    if let Some(example) = about(command.get_after_help()).strip_prefix("Example: ") {
        text += &format!("\nExample: `{example}`\n");
    }
    text
}

#[test]
fn the_page_of_metrics_is_what_is_served() {
    let mut page = format!(
        "# Metrics\n\n{MADE} Served at `metrics` of `[appliance]`, by the path `/metrics`; what is not in use\n"
    );
    page += "(a pair, limits, SIP statistics, host devices) has no samples. [Alerts and a dashboard](../dpdk-config/monitoring/README.md)\nare shipped.\n\n";
    page += &head(&["metric", "type", "labels", "meaning"]);
    let of_workers = counters().into_iter().flat_map(|(_, rows)| rows);
    let drops = DropReason::ALL.iter().map(|reason| (format!("drop_{}", reason.name()), reason.explanation()));
    let of_workers: Vec<_> = of_workers.chain(drops).map(|(name, meaning)| (name, meaning.to_owned())).collect();
    for metric in metrics::all(&of_workers, &of_management()) {
        let labels = metric.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        page += &row(&[&format!("`{}`", metric.name), metric.kind, &labels, &cell(&metric.help)]);
    }
    for part in [
        "| `fairlead_member_up` | gauge | `member`, `pool` |",
        "`fairlead_port_up` | gauge | `port` |",
        "`fairlead_dropped_frames_total`",
        "`fairlead_virtual_server_connection_limit`",
    ] {
        assert!(page.contains(part), "{part}");
    }
    compare("metrics.md", &page);
}
