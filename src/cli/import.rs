//! `fairlead import`: files read, the new one written, and what is said about it.
//!
//! Owns where each of the three goes: the file to the standard output or a name, findings to the standard error, unless JSON is asked
//! for. Asks no appliance.

use super::commands::Import;
use super::exit::{BAD, FAILED, fail, file_text, print, write};
use crate::config::{count, escaped, visible, wrap};
use crate::import::{Explained, Finding, Imported, Origin, Severity, Source, import};
use serde_json::json;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

/// The largest file that is read, in bytes.
const LARGEST: u64 = 64 << 20;
/// Widest line.
const WIDTH: usize = 100;

/// Does it.
pub fn run(asked: &Import) -> ExitCode {
    let mut sources = Vec::new();
    for file in &asked.files {
        match read(file) {
            Ok(source) => sources.push(source),
            Err(why) => return fail(BAD, &format!("cannot read {}: {why}", file.display())),
        }
    }
    let name = asked.output.as_deref().unwrap_or(Path::new("fairlead.toml")).display().to_string();
    let origin = asked.from.or_else(|| sources.first().map(|first| Origin::of(&first.text))).unwrap_or(Origin::BigIp);
    let imported = match import(origin, &sources, &name) {
        Ok(imported) => imported,
        Err(error) => return fail(BAD, &format!("{error}; it was read as a file of {origin}, --from says otherwise")),
    };
    match &asked.explain {
        Some(object) => explain(&imported, object, asked.json),
        None => result(&imported, asked),
    }
}

/// What is not UTF-8 stands in descriptions and iRules, and is replaced.
fn read(file: &Path) -> io::Result<Source> {
    let mut bytes = Vec::new();
    File::open(file)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other(format!("it is larger than {} MiB", LARGEST >> 20)));
    }
    let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
    Ok(Source { name: file.display().to_string(), text })
}

fn result(imported: &Imported, asked: &Import) -> ExitCode {
    if let Some(output) = &asked.output
        && let Err(why) = create(output, &imported.text)
    {
        let why = match why.kind() {
            io::ErrorKind::AlreadyExists => "it is there already: name another file".to_owned(),
            _ => why.to_string(),
        };
        return fail(FAILED, &format!("cannot write {}: {why}", output.display()));
    }
    let refusal = imported.refusal.as_ref().map(ToString::to_string);
    let written = match (asked.json, &asked.output) {
        (true, output) => {
            let text = output.is_none().then_some(&imported.text);
            let report = json!({ "file": text, "refused": refusal, "findings": imported.findings });
            write(escaped(&format!("{report:#}\n")).as_bytes())
        }
        (false, None) => write(file_text(&imported.text).as_bytes()),
        (false, Some(_)) => Ok(()),
    };
    if let Err(code) = written {
        return code;
    }
    if !asked.json {
        let _ = io::stderr().write_all(report(&imported.findings).as_bytes());
    }
    match refusal {
        Some(why) => fail(FAILED, &format!("`check` refuses the new file until this is mended:\n{why}")),
        None => ExitCode::SUCCESS,
    }
}

fn create(output: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(output)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(output);
    }
    written
}

/// All findings, and how many there are of each kind.
fn report(findings: &[Finding]) -> String {
    let of = |severity: Severity| findings.iter().filter(move |finding| finding.severity == severity).count();
    let lines: String = findings.iter().map(shown).collect();
    let [severe, check, note] = [Severity::Severe, Severity::Check, Severity::Note].map(of);
    format!("{lines}{severe} severe, {check} to check, {}\n", count(note, "note"))
}

fn shown(finding: &Finding) -> String {
    let text: String = finding.to_string().lines().map(visible).collect::<Vec<_>>().join("\n");
    text.lines().map(|line| wrap(line, WIDTH, WIDTH - 4).join("\n    ") + "\n").collect()
}

fn explain(imported: &Imported, object: &str, json: bool) -> ExitCode {
    let explained = imported.explain(object);
    if explained.is_empty() {
        return fail(FAILED, &format!("no object of these files is called `{object}`"));
    }
    match json {
        true => print(escaped(&format!("{:#}\n", json!(explained))).as_bytes()),
        false => print(escaped(&explained.iter().map(explanation).collect::<Vec<_>>().join("\n")).as_bytes()),
    }
}

fn explanation(explained: &Explained) -> String {
    let Explained { object, place, becomes, findings } = explained;
    let mut text = format!("{object}\n  stands at {place}\n");
    match (becomes.is_empty(), findings.is_empty()) {
        (true, true) => {
            text += "  becomes nothing of its own: what names it says what it counts for, if anything does\n"
        }
        (true, false) => text += "  becomes nothing of its own\n",
        _ => {}
    }
    for entry in becomes {
        text += "  becomes\n";
        text.extend(entry.lines().map(|line| format!("    {line}\n")));
    }
    for line in findings.iter().map(shown).collect::<String>().lines() {
        text += &format!("  {line}\n");
    }
    text
}
