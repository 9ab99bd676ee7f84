//! The command: what an operator types and reads.
//!
//! Owns the table of [`commands`], how they are parsed and how answers are shown. Holds no knowledge of the appliance:
//! all but `run` and `check` go through the admin socket, and so can do no more than any other client. Read
//! [`commands`] first.

pub mod check;
mod client;
pub mod commands;
#[cfg(test)]
mod golden;
mod grid;
mod manual;
mod parse;
mod readable;

use crate::admin::rows::Wall;
use crate::admin::{Code, Request};
use crate::config;
use clap::ArgMatches;
use clap::parser::ValueSource;
use clap_complete::Shell;
use client::Failure;
use commands::{Does, Shown};
use serde_json::Value;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

/// Refused or failed.
pub const FAILED: u8 = 1;
/// Bad usage, or bad file.
pub const BAD: u8 = 2;
/// The appliance cannot be reached.
pub const UNREACHABLE: u8 = 3;

/// What `run` was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunArgs {
    /// The appliance's file.
    pub config: PathBuf,
    /// `--socket`: used instead of the file's `admin_socket`.
    pub socket: Option<PathBuf>,
}

/// The whole program: parses what was typed and does it. `run` becomes the appliance, until it ends.
pub fn main(run: fn(RunArgs) -> ExitCode) -> ExitCode {
    let matches = match parse::program().try_get_matches_from(parse::joined(std::env::args_os())) {
        Ok(matches) => matches,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(BAD));
        }
    };
    let Some((command, args)) = parse::chosen(&matches) else { return ExitCode::from(BAD) };
    match command.does {
        Does::Run => run(run_args(args)),
        Does::Check => check(&file(args, "file")),
        Does::Completion => print(&completion(args)),
        Does::Manual => match manual::page() {
            Ok(page) => print(&page),
            Err(why) => fail(FAILED, &why.to_string()),
        },
        Does::Ask { request, show, watch: again } => {
            let question = Question { request: request(args), show, args };
            match args.try_get_one::<u64>("watch") {
                Ok(Some(seconds)) if again => watch(&question, Duration::from_secs(*seconds)),
                _ => once(&question),
            }
        }
    }
}

/// What is asked, and how the answer is shown.
struct Question<'a> {
    request: Request,
    show: fn(Value, Wall) -> Shown,
    args: &'a ArgMatches,
}

fn file(args: &ArgMatches, name: &str) -> PathBuf {
    args.get_one::<PathBuf>(name).cloned().unwrap_or_default()
}

fn run_args(args: &ArgMatches) -> RunArgs {
    // What the environment says is for those who ask; where the appliance listens stands in its file.
    let typed = args.value_source("socket") == Some(ValueSource::CommandLine);
    let socket = args.get_one::<PathBuf>("socket").filter(|_| typed).cloned();
    RunArgs { config: file(args, "config"), socket }
}

fn check(file: &Path) -> ExitCode {
    match config::load(file) {
        Ok(configuration) => print(check::text(&configuration).as_bytes()),
        Err(errors) => {
            let _ = writeln!(io::stderr(), "{}", errors.to_string().trim_end());
            ExitCode::from(BAD)
        }
    }
}

fn completion(args: &ArgMatches) -> Vec<u8> {
    let mut script = Vec::new();
    if let Some(shell) = args.get_one::<Shell>("shell") {
        clap_complete::generate(*shell, &mut parse::program(), "fairlead", &mut script);
    }
    script
}

fn once(question: &Question) -> ExitCode {
    match answer(question) {
        Ok(text) => print(text.as_bytes()),
        Err(failure) => failed(&failure),
    }
}

/// Shows it again and again until interrupted, the pipe breaks, or the appliance does not answer.
fn watch(question: &Question, pause: Duration) -> ExitCode {
    const HOME_AND_CLEAR: &str = "\x1b[H\x1b[2J";
    loop {
        let text = match answer(question) {
            Ok(text) => text,
            Err(failure) => return failed(&failure),
        };
        match write(format!("{HOME_AND_CLEAR}{text}").as_bytes()) {
            Ok(()) => std::thread::sleep(pause),
            Err(why) => return unwritten(&why),
        }
    }
}

fn answer(question: &Question) -> Result<String, Failure> {
    let Question { request, show, args } = question;
    let socket = args.get_one::<PathBuf>("socket").map_or(Path::new(parse::DEFAULT_SOCKET), PathBuf::as_path);
    let data = client::ask(socket, request)?;
    let text = match args.get_flag("json") {
        true => serde_json::to_string_pretty(&data).map(|text| text + "\n"),
        false => show(data, Wall::from(SystemTime::now())),
    };
    text.map_err(|why| Failure::Unreadable(format!("the appliance's answer cannot be shown: {why}; try --json")))
}

fn failed(failure: &Failure) -> ExitCode {
    let code = match failure {
        Failure::Unreachable(_) => UNREACHABLE,
        Failure::Refused(error) if matches!(error.code, Code::BadFile | Code::BadRequest) => BAD,
        Failure::Refused(_) | Failure::Unreadable(_) => FAILED,
    };
    fail(code, &failure.to_string())
}

fn fail(code: u8, message: &str) -> ExitCode {
    let clean: String = message.chars().map(|c| if c.is_control() && c != '\n' { '?' } else { c }).collect();
    let _ = writeln!(io::stderr(), "fairlead: {}", clean.trim_end());
    ExitCode::from(code)
}

fn print(text: &[u8]) -> ExitCode {
    match write(text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => unwritten(&why),
    }
}

fn write(text: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text)?;
    out.flush()
}

/// Whoever read along has had enough: that is no failure.
fn unwritten(why: &io::Error) -> ExitCode {
    match why.kind() {
        io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        _ => fail(FAILED, &format!("cannot write to the standard output: {why}")),
    }
}
