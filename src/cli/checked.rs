//! `fairlead check`: reads a file, prints what is wrong with it or what it configures, and ends with what came of it.
//!
//! Owns the verdict, for people and as JSON. What would be built is [`super::check`]'s to show.

use super::check;
use super::exit::{BAD, FAILED, fail, json, write};
use super::here::Machine;
use crate::config::{self, Configuration, Finding, Severity, count};
use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// What standard input is called in messages.
const STDIN: &str = "(standard input)";

/// How the verdict is shown.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// The file is compared with this machine.
    pub here: bool,
    /// Nothing is printed but what is wrong, and warnings.
    pub quiet: bool,
    /// The verdict is printed as JSON, and nothing else.
    pub json: bool,
}

/// What `check` has found.
#[derive(Debug, Serialize)]
pub struct CheckReport {
    /// The file as it was named.
    pub file: String,
    /// It can be used; with `--here`: on this machine.
    pub valid: bool,
    /// Errors in the file, also those that are not listed: a hundred are.
    pub error_count: u64,
    /// What must be changed, in the order of the file.
    pub errors: Vec<MistakeRow>,
    /// What somebody should look at; of a file with errors none.
    pub warnings: Vec<MistakeRow>,
    /// With `--here`: what this machine lacks for it.
    pub lacks: Vec<String>,
}

/// One thing that is wrong with the file, or unwise.
#[derive(Debug, Serialize)]
pub struct MistakeRow {
    /// The file that is included there; `None`: the one that was named.
    pub file: Option<String>,
    /// Line, from 1; `None`: the file as a whole is meant.
    pub line: Option<u64>,
    /// Column in characters, from 1; `None`: the file as a whole is meant.
    pub column: Option<u64>,
    /// The key as the reference names it; empty: no key is meant.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What is allowed instead; may be empty.
    pub allowed: String,
    /// What to do.
    pub remedy: String,
}

impl From<&Finding> for MistakeRow {
    fn from(finding: &Finding) -> MistakeRow {
        let place = finding.place.as_ref();
        MistakeRow {
            file: place.and_then(|place| place.file.clone()),
            line: place.map(|place| place.line as u64),
            column: place.map(|place| place.column as u64),
            key: finding.key.clone(),
            message: finding.message.clone(),
            allowed: finding.allowed.clone(),
            remedy: finding.remedy.clone(),
        }
    }
}

/// Checks `file`, or standard input where it is `-`.
pub fn run(file: &Path, how: How) -> ExitCode {
    let is_stdin = file == Path::new("-");
    let name = if is_stdin { STDIN.into() } else { file.display().to_string() };
    let read = if is_stdin { config::load_from(STDIN, io::stdin()) } else { config::load(file) };
    match read {
        Ok(configuration) => {
            let lacks = if how.here { Machine::this().lacks(&configuration) } else { Vec::new() };
            match how.json {
                true => accepted_as_json(name, &configuration, lacks),
                false => accepted(&name, &configuration, &lacks, how.quiet),
            }
        }
        Err(errors) if how.json => {
            let [all, warnings] = rows(&errors.errors);
            let error_count = errors.count() as u64;
            let report =
                CheckReport { file: name, valid: false, error_count, errors: all, warnings, lacks: Vec::new() };
            printed(&report, BAD)
        }
        Err(errors) => {
            let _ = writeln!(io::stderr(), "{}", errors.to_string().trim_end());
            ExitCode::from(BAD)
        }
    }
}

fn accepted(name: &str, configuration: &Configuration, lacks: &[String], quiet: bool) -> ExitCode {
    let text = match quiet {
        true => configuration.warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        false => format!("{}\n{}\n", check::text(configuration), verdict(name, configuration.warnings.len())),
    };
    if let Err(code) = write(text.as_bytes()) {
        return code;
    }
    match lacks.is_empty() {
        true => ExitCode::SUCCESS,
        false => fail(FAILED, &format!("this machine cannot run {name}:\n{}", lacks.join("\n"))),
    }
}

fn verdict(name: &str, warnings: usize) -> String {
    match warnings {
        0 => format!("{name}: valid"),
        warnings => format!("{name}: valid ({})", count(warnings, "warning")),
    }
}

fn accepted_as_json(file: String, configuration: &Configuration, lacks: Vec<String>) -> ExitCode {
    let [errors, warnings] = rows(&configuration.warnings);
    let code = if lacks.is_empty() { 0 } else { FAILED };
    printed(&CheckReport { file, valid: lacks.is_empty(), error_count: 0, errors, warnings, lacks }, code)
}

/// Errors and warnings apart.
fn rows(findings: &[Finding]) -> [Vec<MistakeRow>; 2] {
    let of = |severity| findings.iter().filter(move |one| one.severity == severity).map(MistakeRow::from).collect();
    [of(Severity::Error), of(Severity::Warning)]
}

fn printed(report: &CheckReport, code: u8) -> ExitCode {
    match serde_json::to_value(report).and_then(|value| json(&value)) {
        Ok(text) => write(text.as_bytes()).err().unwrap_or(ExitCode::from(code)),
        Err(why) => fail(FAILED, &format!("the findings cannot be written as JSON: {why}")),
    }
}
