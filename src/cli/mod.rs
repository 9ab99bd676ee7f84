//! The command: what an operator types and reads.
//!
//! Owns the [`commands`], how they are parsed and how answers are shown. Holds no knowledge of the appliance:
//! all but `run`, `check`, `import`, `replay`, `backup`, `restore`, `pair init` and `explain --file` (and what `doctor` and `support` read of the box) go through the admin
//! socket, and so can do no more than any other client. Read
//! [`commands`] first.

mod backup;
mod capture;
pub mod check;
pub mod checked;
mod client;
pub mod commands;
mod completion;
mod doctor;
mod exit;
mod file_manual;
mod following;
mod gather;
#[cfg(test)]
mod golden;
mod grid;
mod here;
mod import;
mod kept;
mod manual;
mod owners;
mod pair_init;
mod parse;
mod readable;
mod replay;
mod restore;
mod save;
mod support;
mod top;
mod waiting;
mod whole;

use crate::admin::request::{CONTENT_MAX, FILE_MAX, FileText, NAME_MAX};
use crate::admin::rows::Wall;
use crate::admin::{Code, Request};
use crate::config::{self, visible};
use crate::control::explain_by_file;
pub use gather::Joins;

use client::Failure;
use commands::{Command, Question, growth};
use exit::{BAD, FAILED, UNREACHABLE, fail, json, json_line, print, write};
use gather::Sources;
use parse::Program;
use serde_json::Value;
use std::cell::Cell;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

/// How long an answer to `doctor` or `support` may take, in seconds.
const PATIENCE: u64 = 5;

/// What `run` was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunArgs {
    /// The appliance's file.
    pub config: PathBuf,
    /// `--socket`: used instead of the file's `admin_socket`.
    pub socket: Option<PathBuf>,
}

/// The whole program: parses what was typed and does it. `run` becomes the appliance, until it ends.
///
/// `joins`: what joins segments that an interface receives, which only the data plane may ask the kernel.
pub fn main(run: fn(RunArgs) -> ExitCode, joins: Joins) -> ExitCode {
    grid::fit_terminal();
    let Program { socket, typed, timeout, command } = match parse::program(std::env::args_os()) {
        Ok(program) => program,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(BAD));
        }
    };
    match command {
        // What the environment says is for those who ask; where the appliance listens stands in its file.
        Command::Run { config } => run(RunArgs { config, socket: socket.filter(|_| typed) }),
        Command::Check { file, here, quiet, json } => checked::run(&file, checked::How { here, quiet, json }),
        Command::Import(import) => import::run(&import),
        Command::Backup(asked) => backup::run(&asked, restore::can_restore),
        Command::Restore(asked) => restore::run(&asked),
        Command::Replay(asked) => replay::run(&asked),
        Command::Completion { shell } => print(&completion::script(shell)),
        Command::Manual { file } => print(&if file { file_manual::page() } else { manual::page() }),
        Command::Capture(wanted) => capture::run(&socket.unwrap_or(parse::DEFAULT_SOCKET.into()), timeout, &wanted)
            .unwrap_or_else(|failure| failed(&failure)),
        Command::Pair(asked) => match asked.question() {
            Ok(question) => show(&socket.unwrap_or(parse::DEFAULT_SOCKET.into()), timeout, &question),
            Err(init) => pair_init::run(&init),
        },
        Command::Recorder(asked) => {
            let socket = socket.unwrap_or(parse::DEFAULT_SOCKET.into());
            match asked.what.question() {
                Ok(question) => show(&socket, timeout, &question),
                Err((id, file)) => {
                    capture::save(&socket, timeout, id, &file).unwrap_or_else(|failure| failed(&failure))
                }
            }
        }
        Command::Top(wanted) => top::run(&socket.unwrap_or(parse::DEFAULT_SOCKET.into()), timeout, &wanted)
            .unwrap_or_else(|failure| failed(&failure)),
        Command::Save(once) => save::run(&socket.unwrap_or(parse::DEFAULT_SOCKET.into()), timeout, once.json)
            .unwrap_or_else(|failure| failed(&failure)),
        Command::Doctor(asked) => {
            doctor::run(&asked, &sources(socket.as_deref(), timeout, asked.config.as_deref(), joins))
        }
        Command::Support(asked) => {
            support::run(&asked, &sources(socket.as_deref(), timeout, asked.config.as_deref(), joins))
        }
        Command::Ask(ask) => {
            let mut question = ask.question();
            if let Some(file) = question.file.take()
                && let Err(code) = carry(&file, &mut question)
            {
                return code;
            }
            show(&socket.unwrap_or(parse::DEFAULT_SOCKET.into()), timeout, &question)
        }
    }
}

fn sources<'a>(socket: Option<&'a Path>, timeout: Option<u64>, config: Option<&'a Path>, joins: Joins) -> Sources<'a> {
    let socket = socket.unwrap_or(Path::new(parse::DEFAULT_SOCKET));
    Sources {
        socket,
        patience: Duration::from_secs(timeout.unwrap_or(PATIENCE)),
        config,
        joins,
        silent: Cell::default(),
    }
}

/// Puts the text of a file into a question: whoever asks reads it, for the appliance may not.
fn carry(file: &Path, question: &mut Question) -> Result<(), ExitCode> {
    let name = file.display().to_string();
    let is_said = matches!(question.request, Request::Explain(_));
    let text = match is_said && file == Path::new("-") {
        true => io::read_to_string(io::stdin().take(CONTENT_MAX as u64 + 1)),
        false if is_said => std::fs::read_to_string(file),
        false => match config::bytes_of(file) {
            Ok(bytes) => String::from_utf8(bytes).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why)),
            Err(errors) => return Err(fail(BAD, &errors.to_string())),
        },
    };
    let text = text.map_err(|why| {
        fail(BAD, &format!("cannot use {name}: {why}: pass a file that exists, that is text, and that you may read"))
    })?;
    if let Request::Explain(packet) = &mut question.request {
        if text.len() > CONTENT_MAX {
            let message =
                format!("{name} is larger than {CONTENT_MAX} bytes, more than a datagram holds: leave the body out");
            return Err(fail(BAD, &message));
        }
        packet.content = Some(FileText(text));
        return Ok(());
    }
    if text.len() > FILE_MAX {
        let most = FILE_MAX >> 20;
        let message = format!(
            "{name} is larger than {most} MiB, too much to be sent: put it in the place of the appliance's own"
        );
        return Err(fail(BAD, &format!("{message}, and leave FILE out")));
    }
    let name = if name.len() > NAME_MAX { "the file".into() } else { name };
    question.request = Request::Diff { name: Some(name), text: Some(FileText(text)) };
    Ok(())
}

/// Shows the answer; to be watched, again and again until interrupted, the pipe breaks, or the appliance does not answer.
fn show(socket: &Path, timeout: Option<u64>, question: &Question) -> ExitCode {
    const HOME_AND_CLEAR: &str = "\x1b[H\x1b[2J";
    let patience = timeout.map_or(question.patience(), Duration::from_secs);
    if let Some(asks) = &question.confirm
        && let Err(why) = confirmed(asks)
    {
        return fail(BAD, why);
    }
    if let Some(file) = &question.candidate {
        return candidate(file, question);
    }
    if question.stream {
        return following::run(socket, question, patience).unwrap_or_else(|failure| failed(&failure));
    }
    if let Some(report) = &question.wait {
        return waiting::run(socket, question, report, patience).unwrap_or_else(|failure| failed(&failure));
    }
    loop {
        let (text, code) = match answer(socket, question, patience) {
            Ok(answer) => answer,
            Err(failure) => return unanswered(question, &failure),
        };
        let Some(seconds) = question.watch else {
            return write(text.as_bytes()).err().unwrap_or(ExitCode::from(code));
        };
        let head = if question.json { String::new() } else { format!("{HOME_AND_CLEAR}{}\n\n", watched(seconds)) };
        if let Err(code) = write((head + &text).as_bytes()) {
            return code;
        }
        std::thread::sleep(Duration::from_secs(seconds));
    }
}

/// What stands above what is watched: when it was asked, where, and how often it is.
fn watched(seconds: u64) -> String {
    let now = Wall::from(SystemTime::now()).to_string().replace('T', " ");
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { String::new() } else { format!(" · {}", visible(host.trim())) };
    format!("{} UTC{host} · every {seconds}s", now.get(..19).unwrap_or(&now))
}

/// What is asked of a file, which no appliance has.
fn candidate(file: &Path, question: &Question) -> ExitCode {
    let configuration = match config::load(file) {
        Ok(configuration) => configuration,
        Err(errors) => {
            let _ = writeln!(io::stderr(), "{}", errors.to_string().trim_end());
            return ExitCode::from(BAD);
        }
    };
    let Request::Explain(packet) = &question.request else { return fail(BAD, "only `explain` is answered by a file") };
    let said = explain_by_file(&configuration, packet).map_err(Failure::Refused);
    let value = said.and_then(|said| serde_json::to_value(said).map_err(unshown));
    match value.and_then(|value| text_of(question, value)) {
        Ok(text) => print(text.as_bytes()),
        Err(failure) => failed(&failure),
    }
}

/// Somebody at a terminal agrees.
fn confirmed(asks: &str) -> Result<(), &'static str> {
    if !io::stdin().is_terminal() {
        return Err("nothing was done: nobody is at a terminal to be asked; add --yes");
    }
    let mut said = String::new();
    let _ = write!(io::stderr(), "{asks} [y/N] ");
    match io::stdin().read_line(&mut said) {
        Ok(_) if matches!(said.trim(), "y" | "Y" | "yes") => Ok(()),
        _ => Err("nothing was done"),
    }
}

/// The text, and what the command ends with.
fn answer(socket: &Path, question: &Question, patience: Duration) -> Result<(String, u8), Failure> {
    let mut data = client::ask(socket, &question.request, patience)?;
    if let Some(report) = &question.follow {
        let _ = writeln!(io::stderr(), "it runs in the appliance: Ctrl-C ends this command, not what was begun");
        while data["state"] == "running" {
            std::thread::sleep(Duration::from_secs(1));
            data = client::ask(socket, report, patience)?;
        }
    }
    if let Some(seconds) = question.during {
        std::thread::sleep(Duration::from_secs(seconds));
        data = growth(&data, client::ask(socket, &question.request, patience)?);
    }
    if let Some(narrow) = &question.narrow {
        data = narrow.of(data);
    }
    let code = question.exit.map_or(0, |exit| exit(&data));
    Ok((text_of(question, data)?, code))
}

fn text_of(question: &Question, data: Value) -> Result<String, Failure> {
    let text = match question.json {
        // Watched, an answer is a line: who reads them knows where one ends.
        true if question.watch.is_some() => json_line(&data),
        true => json(&data),
        false => (question.show)(data, Wall::from(SystemTime::now())),
    };
    text.map_err(unshown)
}

fn unshown(why: serde_json::Error) -> Failure {
    Failure::Unreadable(format!("the appliance's answer cannot be shown: {why}; try --json"))
}

/// Why there is no answer, where whoever asks reads it.
fn unanswered(question: &Question, failure: &Failure) -> ExitCode {
    let Some(said) = question.unanswered else { return failed(failure) };
    let (line, code) = said(failure);
    write(line.as_bytes()).err().unwrap_or(ExitCode::from(code))
}

fn failed(failure: &Failure) -> ExitCode {
    let code = match failure {
        Failure::Unreachable(_) | Failure::Forbidden { .. } | Failure::Silent(_) => UNREACHABLE,
        Failure::Refused(error) if matches!(error.code, Code::BadFile | Code::BadRequest) => BAD,
        Failure::Refused(_) | Failure::Unreadable(_) => FAILED,
    };
    fail(code, &failure.to_string())
}
