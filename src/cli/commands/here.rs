//! The commands that ask no appliance.

use super::args;
use super::kit::*;
use clap::value_parser;
use clap_complete::Shell;

pub const RUN: Command = Command {
    words: "run",
    about: "Run the appliance in the foreground, log to stderr, notify systemd when ready",
    args: || vec![args::file("config").long("config")],
    does: Does::Run,
};

pub const CHECK: Command = Command {
    words: "check",
    about: "Validate a file and print what it configures; exit 0 or 2",
    args: || vec![args::file("file")],
    does: Does::Check,
};

pub const COMPLETION: Command = Command {
    words: "completion",
    about: "Print the completion script of a shell",
    args: || vec![Arg::new("shell").required(true).value_parser(value_parser!(Shell)).help("The shell")],
    does: Does::Completion,
};

pub const MANUAL: Command =
    Command { words: "manual", about: "Print the manual page (roff)", args: args::none, does: Does::Manual };
