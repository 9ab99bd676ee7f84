//! From the table of commands to clap, and from what was typed back to a row of the table.
//!
//! Owns help, the version and the global options. Does nothing itself.

use super::commands::{COMMANDS, Command, Does, GROUPS};
use clap::{ArgAction, ArgMatches, ValueHint, value_parser};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::LazyLock;

/// Where the admin socket is unless said otherwise.
pub const DEFAULT_SOCKET: &str = "/run/fairlead/admin.sock";

const ABOUT: &str = "A packet appliance that stands in front of pairs of SIP Servers";

const AFTER: &str = "\
Exit codes:
  0  done
  1  refused or failed
  2  bad usage, or bad file
  3  the appliance cannot be reached";

/// The version, and which DPDK is built in.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let dpdk = match (cfg!(feature = "dpdk"), option_env!("FAIRLEAD_DPDK")) {
        (true, Some(version)) => version.to_owned(),
        (true, None) => "DPDK, version not recorded by the build".to_owned(),
        (false, _) => "built without DPDK: this program can query an appliance, not run one".to_owned(),
    };
    format!("{}\n{dpdk}", env!("CARGO_PKG_VERSION"))
});

/// The whole command line as clap sees it.
pub fn program() -> clap::Command {
    let program = clap::Command::new("fairlead")
        .about(ABOUT)
        .version(env!("CARGO_PKG_VERSION"))
        .long_version(VERSION.as_str())
        .after_help(AFTER)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .max_term_width(100)
        .arg(socket());
    COMMANDS.iter().filter(|command| !command.words.contains(' ')).fold(program, |program, command| {
        let program = groups_before(command).fold(program, |program, word| program.subcommand(group(word)));
        program.subcommand(leaf(command.words, command))
    })
}

/// What was typed, with `--watch 5` written as `--watch=5`: people type the one, clap takes an optional value only as
/// the other.
pub fn joined(typed: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<OsString> = Vec::new();
    for word in typed {
        let is_number = word.to_str().is_some_and(|text| text.parse::<u64>().is_ok());
        match words.last_mut() {
            Some(last) if last == "--watch" && is_number => {
                last.push("=");
                last.push(word);
            }
            _ => words.push(word),
        }
    }
    words
}

/// The row that was typed, and its arguments. `None` cannot be as long as clap knows only what the table holds.
pub fn chosen(matches: &ArgMatches) -> Option<(&'static Command, &ArgMatches)> {
    let (mut words, mut args) = matches.subcommand().map(|(word, args)| (word.to_owned(), args))?;
    while let Some((word, deeper)) = args.subcommand() {
        words = format!("{words} {word}");
        args = deeper;
    }
    COMMANDS.iter().find(|command| command.words == words).map(|command| (command, args))
}

/// The groups whose first member stands right before `command` in the table, so that help keeps the table's order.
fn groups_before(command: &'static Command) -> impl Iterator<Item = &'static str> {
    let place = COMMANDS.iter().position(|other| other.words == command.words).unwrap_or_default();
    let run = COMMANDS[..place].iter().rev().take_while(|other| other.words.contains(' ')).count();
    let mut words: Vec<&str> = Vec::new();
    for other in &COMMANDS[place - run..place] {
        let first = other.words.split(' ').next().unwrap_or_default();
        if GROUPS.iter().any(|group| group.word == first) && !words.contains(&first) {
            words.push(first);
        }
    }
    words.into_iter()
}

fn group(word: &'static str) -> clap::Command {
    let about = GROUPS.iter().find(|group| group.word == word).map_or("", |group| group.about);
    let command = clap::Command::new(word).about(about).subcommand_required(true).arg_required_else_help(true);
    with_second_words(command, word)
}

fn leaf(name: &'static str, row: &'static Command) -> clap::Command {
    let mut command = clap::Command::new(name).about(row.about);
    if let Does::Ask { watch: again, .. } = row.does {
        command = command.arg(json());
        if again {
            command = command.arg(watch());
        }
    }
    let command = command.args((row.args)());
    let branching = COMMANDS.iter().any(|other| other.words.split_once(' ').is_some_and(|(first, _)| first == name));
    if branching && !row.words.contains(' ') {
        return with_second_words(command.args_conflicts_with_subcommands(true), name);
    }
    command
}

fn with_second_words(command: clap::Command, first: &str) -> clap::Command {
    COMMANDS
        .iter()
        .filter_map(|row| row.words.split_once(' ').map(|(word, second)| (word, second, row)))
        .filter(|(word, _, _)| *word == first)
        .fold(command, |command, (_, second, row)| command.subcommand(leaf(second, row)))
}

fn socket() -> clap::Arg {
    clap::Arg::new("socket")
        .long("socket")
        .global(true)
        .env("FAIRLEAD_SOCKET")
        .value_name("PATH")
        .value_hint(ValueHint::FilePath)
        .value_parser(value_parser!(PathBuf))
        .help(format!("The admin socket [default: {DEFAULT_SOCKET}]"))
}

fn json() -> clap::Arg {
    clap::Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print the answer as JSON")
}

fn watch() -> clap::Arg {
    clap::Arg::new("watch")
        .long("watch")
        .value_name("SECONDS")
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("2")
        .value_parser(value_parser!(u64).range(1..=3600))
        .conflicts_with("json")
        .help("Refresh every so many seconds [default: 2]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Request;
    use crate::admin::request::{AdminState, FlowSelection};

    fn typed(line: &str) -> Request {
        let matches = program().try_get_matches_from(line.split(' ')).unwrap_or_else(|why| panic!("{line}: {why}"));
        let (command, args) = chosen(&matches).expect(line);
        let Does::Ask { request, .. } = command.does else { panic!("{line} asks nothing") };
        request(args)
    }

    #[test]
    fn clap_finds_no_fault_with_the_table() {
        program().debug_assert();
    }

    #[test]
    fn every_command_is_reachable_by_its_words() {
        for command in COMMANDS {
            let line = format!("fairlead {} --help", command.words);
            let shown = program().try_get_matches_from(line.split(' ')).unwrap_err();
            assert_eq!(shown.kind(), clap::error::ErrorKind::DisplayHelp, "{line}");
            assert!(shown.to_string().contains(command.about.split(':').next().unwrap()), "{line}: {shown}");
        }
    }

    #[test]
    fn help_keeps_the_order_of_the_table() {
        let names: Vec<_> = program().get_subcommands().map(|command| command.get_name().to_owned()).collect();
        let mut expected: Vec<&str> = Vec::new();
        for command in COMMANDS {
            let first = command.words.split(' ').next().unwrap();
            if !expected.contains(&first) {
                expected.push(first);
            }
        }
        assert_eq!(names, expected);
    }

    #[test]
    fn what_is_typed_becomes_what_is_asked() {
        let all = FlowSelection::default;
        let rows = [
            ("fairlead status", Request::Status {}),
            ("fairlead counters --all --json", Request::Counters { all: true }),
            ("fairlead latency --reset", Request::Latency { reset: true }),
            ("fairlead flows", Request::Flows { filter: all(), limit: 1000 }),
            (
                "fairlead flows --client 172.16.5.5 --limit 5",
                Request::Flows { filter: FlowSelection { client: Some([172, 16, 5, 5].into()), ..all() }, limit: 5 },
            ),
            (
                "fairlead flows clear --member sip-a --virtual-server sip-1",
                Request::FlowsClear {
                    filter: FlowSelection {
                        member: Some("sip-a".into()),
                        virtual_server: Some("sip-1".into()),
                        ..all()
                    },
                },
            ),
            ("fairlead member drain sip-a", Request::MemberSet { member: "sip-a".into(), admin: AdminState::Draining }),
            ("fairlead pool force pair-1 sip-b", Request::PoolForce { pool: "pair-1".into(), member: "sip-b".into() }),
            (
                "fairlead exclude add p 172.16.1.20",
                Request::ExcludeAdd { pool: "p".into(), prefix: "172.16.1.20/32".parse().unwrap() },
            ),
            ("fairlead --socket /x members", Request::Members {}),
            ("fairlead members --socket /x", Request::Members {}),
        ];
        for (line, request) in rows {
            assert_eq!(typed(line), request, "{line}");
        }
    }

    #[test]
    fn the_seconds_of_watch_may_stand_apart() {
        for (line, seconds) in [
            ("fairlead members --watch 5", Some(5)),
            ("fairlead members --watch=7 --socket /x", Some(7)),
            ("fairlead status --watch", Some(2)),
            ("fairlead flows --limit 5 --watch", Some(2)),
            ("fairlead status", None),
        ] {
            let matches = program().try_get_matches_from(joined(line.split(' ').map(OsString::from))).expect(line);
            let (_, args) = chosen(&matches).expect(line);
            assert_eq!(args.get_one::<u64>("watch").copied(), seconds, "{line}");
        }
        let never = joined("fairlead members --watch 0".split(' ').map(OsString::from));
        assert!(program().try_get_matches_from(never).is_err());
    }

    #[test]
    fn bad_usage_is_refused() {
        for line in [
            "fairlead frobnicate",
            "fairlead member",
            "fairlead member enable",
            "fairlead member paint sip-a",
            "fairlead flows --client me",
            "fairlead flows --limit 0",
            "fairlead flows --limit 5 clear",
            "fairlead exclude add p 10.1.0.0/8",
            "fairlead run",
            "fairlead status --watch --json",
            "fairlead completion tcsh",
        ] {
            let error = program().try_get_matches_from(line.split(' ')).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}: {error}");
        }
    }
}
