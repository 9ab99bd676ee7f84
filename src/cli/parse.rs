//! From what was typed to what is meant.
//!
//! Owns help, the version and the global options; the commands are [`super::commands`]'s. Does nothing itself.

use super::commands;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command, CommandFactory, FromArgMatches, Parser, ValueHint, value_parser};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::LazyLock;

/// Where the admin socket is unless said otherwise.
pub const DEFAULT_SOCKET: &str = "/run/fairlead/admin.sock";

/// The environment's word for it.
const SOCKET_VARIABLE: &str = "FAIRLEAD_SOCKET";
/// Commands that ask no appliance: `--socket` and `--timeout` mean nothing to them, and whoever types these is not refused.
const OFFLINE: [&str; 7] = ["backup", "check", "completion", "import", "manual", "replay", "restore"];

/// Where the package puts the handbook.
pub const HANDBOOK: &str = "/usr/share/doc/fairlead/handbook";

/// What the program may end with.
pub const EXIT_CODES: &str = "  0  done
  1  refused or failed
  2  bad usage, or bad file
  3  the appliance cannot be reached, or does not answer in time
  4  doctor: it found warnings, and no error
  5  doctor: it found errors";

/// The version, and which DPDK is built in.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let dpdk = match (cfg!(feature = "dpdk"), option_env!("FAIRLEAD_DPDK")) {
        (true, Some(version)) => version.to_owned(),
        (true, None) => "DPDK, version not recorded by the build".to_owned(),
        (false, _) => "built without DPDK: this program can query an appliance, not run one".to_owned(),
    };
    format!("{}\n{dpdk}", env!("CARGO_PKG_VERSION"))
});

/// The version of the program, and which DPDK is built in.
pub fn version() -> &'static str {
    VERSION.as_str()
}

/// A packet appliance that stands in front of pairs of SIP Servers
#[derive(Debug, Parser)]
#[command(name = "fairlead", version, long_version = VERSION.as_str(), max_term_width = 100)]
#[command(after_help = format!("Exit codes:\n{EXIT_CODES}\n\nHandbook: {HANDBOOK}"))]
pub struct Program {
    /// The admin socket [env: FAIRLEAD_SOCKET] [default: /run/fairlead/admin.sock]
    #[arg(long, global = true, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub socket: Option<PathBuf>,
    /// Give up when nothing comes for so long [default: 5; 15 for changes, 120 for `probe now`]
    #[arg(long, global = true, value_name = "SECONDS", value_parser = commands::number::<u64>(1..=3600))]
    pub timeout: Option<u64>,
    /// `socket` was typed, and is not what the environment says.
    #[arg(skip)]
    pub typed: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: commands::Command,
}

/// What was typed, `typed` being the program's own name and the words behind it.
///
/// # Errors
/// What clap has to say: bad usage, or help that was asked for.
pub fn program(typed: impl Iterator<Item = OsString>) -> Result<Program, clap::Error> {
    let matches = command().try_get_matches_from(joined(typed)).map_err(with_near_tips)?;
    let program = Program::from_arg_matches(&matches)?;
    let typed = program.socket.is_some();
    // Read here and not by clap, which would show it in every usage line as if it had to be typed.
    let said = || std::env::var_os(SOCKET_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    Ok(Program { typed, socket: program.socket.or_else(said), ..program })
}

/// A tip is for a word that was mistyped or cut short: a command that is far from it leads astray.
fn with_near_tips(mut error: clap::Error) -> clap::Error {
    let typed = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(typed)) => typed.clone(),
        _ => return error,
    };
    let is_near = |name: &String| {
        let mistakes = strsim::damerau_levenshtein(&typed, name);
        mistakes <= 1.max(typed.chars().count() / 3) || (typed.len() > 2 && name.starts_with(&typed))
    };
    if let Some(ContextValue::Strings(mut names)) = error.remove(ContextKind::SuggestedSubcommand) {
        names.retain(is_near);
        if !names.is_empty() {
            error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(names));
        }
    }
    error
}

/// All commands; those that ask no appliance do not offer what is only for asking one.
pub fn command() -> Command {
    OFFLINE.iter().fold(Program::command(), |program, name| program.mut_subcommand(name, without_asking))
}

fn without_asking(command: Command) -> Command {
    let hidden = |name: &'static str| Arg::new(name).long(name).hide(true);
    let socket = hidden("socket").value_parser(value_parser!(PathBuf));
    command.arg(socket).arg(hidden("timeout").value_parser(commands::number::<u64>(1..=3600)))
}

/// What was typed, with `--watch 5` written as `--watch=5`: people type the one, clap takes an optional value only as
/// the other.
fn joined(typed: impl Iterator<Item = OsString>) -> Vec<OsString> {
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

#[cfg(test)]
mod tests {
    use super::super::commands::{Command, Narrow, Question};
    use super::*;
    use crate::admin::Request;
    use crate::admin::request::{AdminState, EventSelection, FlowSelection, PacketAsked, TcpFlag, Transport};
    use crate::config::LogLevel;
    use crate::events::EventName;
    use crate::policy::intent::PairRole;

    fn parsed(line: &str) -> Result<Program, clap::Error> {
        program(line.split(' ').map(OsString::from))
    }

    fn asked(line: &str) -> Question {
        match parsed(line).unwrap_or_else(|why| panic!("{line}: {why}")).command {
            Command::Ask(ask) => ask.question(),
            Command::Pair(pair) => pair.question().unwrap_or_else(|_| panic!("{line} makes files")),
            _ => panic!("{line} asks nothing"),
        }
    }

    #[test]
    fn clap_finds_no_fault_with_the_commands() {
        super::command().debug_assert();
    }

    #[test]
    fn what_is_for_asking_an_appliance_is_offered_where_one_is_asked() {
        let help = |line: &str| parsed(line).expect_err(line).to_string();
        for name in OFFLINE {
            let text = help(&format!("fairlead {name} --help"));
            assert!(!text.contains("--socket") && !text.contains("--timeout"), "{name}: {text}");
        }
        assert!(help("fairlead members --help").contains("--socket <PATH>"));
        assert!(parsed("fairlead --socket /x check --socket /y --timeout 3 z.toml").is_ok(), "it is no mistake");
    }

    #[test]
    fn a_command_is_suggested_where_it_is_near() {
        for (typed, tip) in [
            ("show", None),
            ("list", None),
            ("statsu", Some("'status'")),
            ("neigbours", Some("'neighbours'")),
            ("switch", Some("'switchovers'")),
            ("member drian", Some("'drain'")),
        ] {
            let said = parsed(&format!("fairlead {typed}")).expect_err(typed).to_string();
            assert!(said.contains("unrecognized subcommand"), "{said}");
            assert_eq!(said.contains("similar subcommand"), tip.is_some(), "{said}");
            assert!(said.contains(tip.unwrap_or("")), "{said}");
        }
    }

    #[test]
    fn what_is_no_number_is_answered_in_words() {
        for (line, words) in [
            ("switchovers --last x", "write a whole number, 1 or more"),
            ("switchovers --last 0", "write a whole number, 1 or more"),
            ("flows --port 65536", "write a whole number, 1 to 65535"),
            ("flows --top ten", "write a whole number, 1 to 1000"),
            ("members --watch=0", "write a whole number, 1 to 3600"),
            ("members --timeout soon", "write a whole number, 1 to 3600"),
            ("reload --max-impact few", "write a whole number"),
            ("rollback last", "write a whole number"),
            ("history show last", "write a whole number"),
            ("alarms acknowledge all", "write a whole number"),
            ("recorder save x y", "write a whole number"),
            ("capture --snaplen x", "write a whole number"),
            ("capture -w x --file-size 10MB --files 1", "write a whole number, 2 to 1000"),
            ("explain icmp 10.20.0.11 172.16.9.9 --id x", "write a whole number, 0 to 65535"),
        ] {
            let said = parsed(&format!("fairlead {line}")).expect_err(line).to_string();
            assert!(said.contains(words) && !said.contains("digit"), "{line}: {said}");
        }
    }

    #[test]
    fn a_filter_stands_between_the_options_of_a_capture() {
        let line = "fairlead capture udp port 5060 --count 3 and not host 10.0.0.1 -w x.pcapng --file-size 10MB --client 10.0.0.0/8";
        let Command::Capture(capture) = parsed(line).unwrap().command else { panic!("{line}") };
        assert_eq!(capture.filter.join(" "), "udp port 5060 and not host 10.0.0.1");
        assert_eq!((capture.count, capture.file_size, capture.side()), (Some(3), Some(10_000_000), None));
        for wrong in [
            "--file-size 10MB",
            "-w x --files 3",
            "-w x --json",
            "--side left",
            "--verdict lost",
            "--snaplen 0",
            "--count 0",
            "--client here",
            "-w x --file-size 10MB --files 1",
        ] {
            assert!(parsed(&format!("fairlead capture {wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_recording_is_listed_frozen_or_saved_into_a_file() {
        let recorder = |line: &str| match parsed(line).unwrap_or_else(|why| panic!("{line}: {why}")).command {
            Command::Recorder(recorder) => recorder.what.question(),
            _ => panic!("{line}"),
        };
        for (line, request, json) in [
            ("fairlead recorder list", Request::RecorderList {}, false),
            ("fairlead recorder list --json", Request::RecorderList {}, true),
            ("fairlead recorder freeze --json", Request::RecorderFreeze {}, true),
        ] {
            assert_eq!(recorder(line).ok().map(|question| (question.request, question.json)), Some((request, json)));
        }
        assert_eq!(recorder("fairlead recorder save 3 a.pcapng").err(), Some((3, "a.pcapng".into())));
        assert_eq!(recorder("fairlead recorder save 3 -").err(), Some((3, "-".into())));
        for wrong in ["", " save", " save 3", " save x a.pcapng", " save 3 a.pcapng --json", " thaw"] {
            assert!(parsed(&format!("fairlead recorder{wrong}")).is_err(), "{wrong}");
        }
        let help = parsed("fairlead recorder --help").unwrap_err().to_string();
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for said in ["recorder_mib", "first 128 bytes", "recorder save 3 switchover.pcapng", "four recordings are kept"]
        {
            assert!(help.contains(said), "{said}: {help}");
        }
    }

    #[test]
    fn what_is_typed_becomes_what_is_asked() {
        let all = FlowSelection::default;
        let rows = [
            ("fairlead status", Request::Status {}),
            ("fairlead counters --all --json", Request::Counters { all: true }),
            ("fairlead announce", Request::Announce {}),
            ("fairlead log level", Request::LogLevel { level: None }),
            ("fairlead log level debug --json", Request::LogLevel { level: Some(LogLevel::Debug) }),
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
            ("fairlead flows clear --all", Request::FlowsClear { filter: all() }),
            (
                "fairlead member drain sip-a",
                Request::MemberSet { member: "sip-a".into(), admin: AdminState::Draining, yes: false, for_s: None },
            ),
            (
                "fairlead member drain sip-a --for 30m --wait --json",
                Request::MemberSet {
                    member: "sip-a".into(),
                    admin: AdminState::Draining,
                    yes: false,
                    for_s: Some(1_800),
                },
            ),
            (
                "fairlead member offline sip-a --yes",
                Request::MemberSet { member: "sip-a".into(), admin: AdminState::Offline, yes: true, for_s: None },
            ),
            ("fairlead pool force pair-1 sip-b", Request::PoolForce { pool: "pair-1".into(), member: "sip-b".into() }),
            (
                "fairlead exclude add p 172.16.1.20",
                Request::ExcludeAdd { pool: "p".into(), prefix: "172.16.1.20/32".parse().unwrap() },
            ),
            ("fairlead drill pair-1 --shadow", Request::DrillPlan { pool: "pair-1".into() }),
            ("fairlead drill pair-1 --report --json", Request::DrillReport { pool: "pair-1".into() }),
            (
                "fairlead drill pair-1 --for-real --back-after 2m --yes",
                Request::DrillBegin { pool: "pair-1".into(), back_after_s: 120 },
            ),
            ("fairlead --socket /x members", Request::Members {}),
        ];
        for (line, request) in rows {
            assert_eq!(asked(line).request, request, "{line}");
        }
    }

    #[test]
    fn what_is_typed_about_the_pair_becomes_what_is_asked() {
        let rows = [
            ("fairlead pair --json", Request::Pair {}),
            ("fairlead pair active", Request::PairRole { role: PairRole::Active, yes: false }),
            ("fairlead pair active --yes", Request::PairRole { role: PairRole::Active, yes: true }),
            ("fairlead pair push", Request::PairPush { confirm_s: None, yes: false }),
            ("fairlead pair push --confirm 90s --yes", Request::PairPush { confirm_s: Some(90), yes: true }),
            ("fairlead pair standby", Request::PairRole { role: PairRole::Standby, yes: false }),
            ("fairlead health", Request::Health {}),
        ];
        for (line, request) in rows {
            assert_eq!(asked(line).request, request, "{line}");
        }
    }

    #[test]
    fn what_is_typed_about_events_and_alarms_becomes_what_is_asked() {
        let rows = [
            ("fairlead alarms --watch 5", Request::Alarms {}),
            (
                "fairlead alarms acknowledge 17 --comment known",
                Request::AlarmAcknowledge { id: 17, comment: Some("known".into()) },
            ),
            (
                "fairlead events --follow --since 2h --event switchover --event alarm.raised --pool pair-1 --json",
                Request::Events {
                    filter: EventSelection {
                        event: vec![EventName::Switchover, EventName::AlarmRaised],
                        pool: Some("pair-1".into()),
                    },
                    since_s: Some(7_200),
                },
            ),
        ];
        for (line, request) in rows {
            assert_eq!(asked(line).request, request, "{line}");
        }
        assert!(asked("fairlead events -f").stream && asked("fairlead alarms --check").exit.is_some());
        for line in ["fairlead events --event switch", "fairlead events --since 0s", "fairlead alarms --check --json"] {
            assert!(parsed(line).is_err(), "{line}");
        }
        let long = format!("fairlead alarms acknowledge 1 --comment {}", "x".repeat(251));
        assert!(parsed(&long).is_err_and(|why| why.to_string().contains("at most 250")));
    }

    #[test]
    fn what_is_typed_about_configurations_becomes_what_is_asked() {
        let rows = [
            ("fairlead reload", Request::reload()),
            ("fairlead reload --confirm 2m", Request::Reload { confirm_s: Some(120), max_impact: None, yes: false }),
            ("fairlead reload --max-impact 10", Request::Reload { confirm_s: None, max_impact: Some(10), yes: false }),
            ("fairlead confirm --json", Request::Confirm {}),
            ("fairlead history --json", Request::History {}),
            ("fairlead history show 3", Request::HistoryShow { number: 3 }),
            ("fairlead rollback 3", Request::Rollback { number: 3, confirm_s: None, max_impact: None, yes: false }),
            (
                "fairlead rollback 3 --confirm 60s --max-impact 0",
                Request::Rollback { number: 3, confirm_s: Some(60), max_impact: Some(0), yes: false },
            ),
            ("fairlead diff --json", Request::Diff { name: None, text: None }),
        ];
        for (line, request) in rows {
            assert_eq!(asked(line).request, request, "{line}");
        }
    }

    #[test]
    fn a_packet_that_is_asked_about_has_ends_and_a_place() {
        let end = |text: &str| text.parse().unwrap();
        let rows = [
            (
                "fairlead explain tcp 172.16.5.5:40000 10.20.0.100:5061 --flags syn,ack --interface clients",
                Request::Explain(PacketAsked {
                    flags: vec![TcpFlag::Syn, TcpFlag::Ack],
                    interface: Some("clients".into()),
                    ..PacketAsked::between(Transport::Tcp, end("172.16.5.5:40000"), end("10.20.0.100:5061"))
                }),
            ),
            (
                "fairlead explain icmp 10.20.0.11 172.16.9.9 --id 7 --from sip-a",
                Request::Explain(PacketAsked {
                    from: Some("sip-a".into()),
                    ..PacketAsked::between(Transport::Icmp, end("10.20.0.11:7"), end("172.16.9.9:0"))
                }),
            ),
        ];
        for (line, request) in rows {
            assert_eq!(asked(line).request, request, "{line}");
        }
    }

    #[test]
    fn who_begins_a_drill_is_asked_and_it_is_followed_to_its_end() {
        let asks = |line: &str| {
            let question = asked(line);
            (question.confirm, question.follow)
        };
        let report = Some(Request::DrillReport { pool: "pair-1".into() });
        let line = "fairlead drill pair-1 --for-real --back-after 30s";
        let words = "Switch pool pair-1 over to another member now, and back after 30 s?";
        assert_eq!(asks(line), (Some(words.into()), report.clone()));
        assert_eq!(asks(&format!("{line} --yes")), (None, report));
        assert_eq!(asks("fairlead drill pair-1 --shadow"), (None, None));
    }

    #[test]
    fn who_waits_for_a_drain_asks_for_the_report_of_its_member() {
        let report = Some(Request::DrainReport { member: "sip-a".into() });
        assert_eq!(asked("fairlead member drain sip-a --wait").wait, report);
        assert_eq!(asked("fairlead member drain --wait --for 1d sip-a").wait, report);
        assert_eq!(asked("fairlead member drain sip-a --for 30d").wait, None);
    }

    #[test]
    fn of_an_answer_rows_may_be_chosen() {
        let narrow = |line: &str| asked(line).narrow;
        let pool = |pool: Option<&str>, last| Some(Narrow::Switchovers { pool: pool.map(str::to_owned), last });
        assert_eq!(narrow("fairlead switchovers"), pool(None, None));
        assert_eq!(narrow("fairlead switchovers --last 3 --pool pair-1 --json"), pool(Some("pair-1"), Some(3)));
        assert_eq!((narrow("fairlead counters"), narrow("fairlead counters --drops")), (None, Some(Narrow::Drops)));
        assert_eq!(asked("fairlead counters --drops --during 10").during, Some(10));
        let flows = |line: &str| match asked(line).request {
            Request::Flows { limit, .. } => (limit, narrow(line)),
            _ => panic!("{line}"),
        };
        assert_eq!(flows("fairlead flows --limit 5"), (5, None));
        let of_port = Narrow::Port { port: 5060, most: 5 };
        assert_eq!(flows("fairlead flows --port 5060 --limit 5"), (100_000, Some(of_port)));
        let most = Narrow::Talkers { port: None, most: 10 };
        assert_eq!(flows("fairlead flows --top 10 --member sip-a"), (100_000, Some(most)));
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
            assert_eq!(asked(line).watch, seconds, "{line}");
        }
        assert!(parsed("fairlead members --watch 0").is_err());
    }

    #[test]
    fn bad_usage_is_refused() {
        for line in [
            "fairlead frobnicate",
            "fairlead member",
            "fairlead member enable",
            "fairlead member paint sip-a",
            "fairlead member drain sip-a --yes",
            "fairlead member drain sip-a --for 0s",
            "fairlead member drain sip-a --for 1500ms",
            "fairlead member drain sip-a --for 31d",
            "fairlead member offline sip-a --for 30m",
            "fairlead member offline sip-a --wait",
            "fairlead flows --client me",
            "fairlead flows --limit 0",
            "fairlead flows --limit 5 clear",
            "fairlead flows --limit 5 --top 5",
            "fairlead flows clear",
            "fairlead flows clear --all --member sip-a",
            "fairlead switchovers --last 0",
            "fairlead counters --during 0",
            "fairlead exclude add p 10.1.0.0/8",
            "fairlead drill pair-1",
            "fairlead drill pair-1 --for-real",
            "fairlead drill pair-1 --for-real --back-after 0s",
            "fairlead drill pair-1 --for-real --back-after 1500ms",
            "fairlead drill pair-1 --for-real --back-after 61m",
            "fairlead drill pair-1 --shadow --for-real --back-after 30s",
            "fairlead drill pair-1 --shadow --back-after 30s",
            "fairlead drill pair-1 --report --yes",
            "fairlead run",
            "fairlead top --interval 100ms",
            "fairlead top --interval 2m",
            "fairlead top --interval 1",
            "fairlead top --watch",
            "fairlead reload --confirm",
            "fairlead reload --confirm 0s",
            "fairlead reload --confirm 25h",
            "fairlead reload --max-impact -1",
            "fairlead save pair-1",
            "fairlead confirm 60s",
            "fairlead history 3",
            "fairlead history show",
            "fairlead rollback",
            "fairlead rollback --confirm 60s",
            "fairlead log level loud",
            "fairlead completion tcsh",
        ] {
            let error = parsed(line).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}: {error}");
        }
    }

    #[test]
    fn the_socket_may_stand_anywhere() {
        for line in
            ["fairlead --socket /x members", "fairlead members --socket /x", "fairlead flows clear --all --socket=/x"]
        {
            let program = parsed(line).expect(line);
            assert_eq!((program.socket, program.typed), (Some("/x".into()), true), "{line}");
        }
        assert!(!parsed("fairlead members").expect("no socket").typed);
    }
}
