//! `fairlead doctor`: what was found, in words or as JSON, and how it ends.
//!
//! Owns how findings read. The checks are [`crate::doctor`]'s, the facts [`super::gather`]'s.

use super::commands::Doctor;
use super::exit::{BAD, FOUND_ERROR, FOUND_WARNING, fail, write};
use super::gather::Sources;
use super::grid::{WIDTH, grid, left, prose};
use crate::config::{count, visible, wrap};
use crate::doctor::checks::{self, CHECKS};
use crate::doctor::{Diagnosis, ELSEWHERE, Elsewhere, FindingRow, FindingSeverity, LeftOutRow};
use std::process::ExitCode;

/// Does it.
pub fn run(asked: &Doctor, sources: &Sources<'_>) -> ExitCode {
    if asked.list {
        let rows = grid(CHECKS, |check| {
            [left("CHECK", check.name), left("WORST", check.worst), prose("LOOKS AT", check.about)]
        });
        return super::exit::print(rows.as_bytes());
    }
    let facts = match sources.facts(&mut |_| {}) {
        Ok(facts) => facts,
        Err(why) => return fail(BAD, &why),
    };
    let diagnosis = checks::run(&facts, &asked.only);
    let shown = match asked.json {
        true => match serde_json::to_string_pretty(&diagnosis) {
            Ok(text) => text + "\n",
            Err(why) => return fail(super::exit::FAILED, &why.to_string()),
        },
        false => text(&diagnosis, facts.tables.absent(), facts.elsewhere.as_ref()),
    };
    match write(shown.as_bytes()) {
        Ok(()) => ended(diagnosis.worst),
        Err(code) => code,
    }
}

fn ended(worst: FindingSeverity) -> ExitCode {
    match worst {
        FindingSeverity::Ok | FindingSeverity::Info => ExitCode::SUCCESS,
        FindingSeverity::Warning => ExitCode::from(FOUND_WARNING),
        FindingSeverity::Error => ExitCode::from(FOUND_ERROR),
    }
}

/// As a person reads it: that it was asked in the wrong place, the worst first, then what is well, and what could not be looked at.
pub fn text(diagnosis: &Diagnosis, nobody: Option<&str>, elsewhere: Option<&Elsewhere>) -> String {
    let is_of_elsewhere = |row: &&LeftOutRow| elsewhere.is_some() && row.why == ELSEWHERE;
    let mut out = String::new();
    let not_here: Vec<&str> = diagnosis.left_out.iter().filter(is_of_elsewhere).map(|row| row.check.as_str()).collect();
    if let Some(elsewhere) = elsewhere.filter(|_| !not_here.is_empty()) {
        out += &labelled("left out", &format!("{}: {}", not_here.join(", "), elsewhere.shown()), "");
        out.push('\n');
    }
    let of = |severity: FindingSeverity| diagnosis.findings.iter().filter(move |row| row.severity == severity);
    let found = diagnosis.findings.iter().filter(|row| row.severity != FindingSeverity::Ok);
    found.for_each(|row| out += &finding(row));
    let well: Vec<&str> = of(FindingSeverity::Ok).map(|row| row.check.as_str()).collect();
    if !well.is_empty() {
        out += &labelled("ok", &well.join(", "), "");
    }
    for row in diagnosis.left_out.iter().filter(|row| !is_of_elsewhere(row)) {
        out += &labelled("left out", &format!("{}: {}", row.check, row.why), "");
    }
    if let Some(why) = nobody {
        out += &labelled("no appliance", why, "");
    }
    let file = diagnosis.file.as_deref().unwrap_or("no configuration");
    let [errors, warnings, infos, well] =
        [FindingSeverity::Error, FindingSeverity::Warning, FindingSeverity::Info, FindingSeverity::Ok]
            .map(|it| of(it).count());
    let sums = format!(
        "{}, {}, {} to know, {well} fine, {} left out; {file}",
        count(errors, "error"),
        count(warnings, "warning"),
        infos,
        diagnosis.left_out.len()
    );
    out + &labelled("", &sums, "")
}

fn finding(row: &FindingRow) -> String {
    let mut out = labelled(&row.severity.to_string(), &format!("{}: {}", row.check, row.what), "");
    for (label, text) in [("evidence", &row.evidence), ("remedy", &row.remedy)] {
        if !text.is_empty() {
            out += &labelled(label, text, "  ");
        }
    }
    out + "\n"
}

/// A label and what it stands before, wrapped beneath itself.
fn labelled(label: &str, text: &str, inset: &str) -> String {
    let head = if label.is_empty() { inset.to_owned() } else { format!("{inset}{label}: ") };
    let width = WIDTH - head.chars().count();
    let hang = " ".repeat(if label.is_empty() { 0 } else { inset.len() + 2 });
    // A line of somebody else's may hold line feeds.
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines = wrap(&visible(&text), width, WIDTH - hang.len());
    let mut out = String::new();
    for (at, line) in lines.iter().enumerate() {
        out += if at == 0 { &head } else { &hang };
        out += line;
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_read_the_worst_first_with_evidence_and_remedy() {
        let row = |severity, check: &str, what: &str| FindingRow {
            severity,
            check: check.into(),
            what: what.into(),
            evidence: "interface outer0: gro is on".into(),
            remedy: "ethtool -K outer0 gro off".into(),
        };
        let ok = FindingRow { severity: FindingSeverity::Ok, check: "swap".into(), ..FindingRow::default() };
        let diagnosis = Diagnosis {
            version: "1".into(),
            file: Some("/etc/fairlead/fairlead.toml".into()),
            running: false,
            worst: FindingSeverity::Error,
            findings: vec![row(FindingSeverity::Error, "offloads", "port outer: the kernel joins\nTCP segments"), ok],
            left_out: vec![LeftOutRow { check: "rss".into(), why: "no appliance answers".into() }],
        };
        assert_eq!(
            text(&diagnosis, Some("/run/fairlead/admin.sock: there is no such socket"), None),
            "error: offloads: port outer: the kernel joins TCP segments\n  evidence: interface outer0: gro is on\n  \
             remedy: ethtool -K outer0 gro off\n\nok: swap\nleft out: rss: no appliance answers\nno appliance: \
             /run/fairlead/admin.sock: there is no such socket\n1 error, 0 warnings, 0 to know, 1 fine, 1 left out; \
             /etc/fairlead/fairlead.toml\n"
        );
        assert_eq!(ended(FindingSeverity::Info), ExitCode::SUCCESS);
        assert_eq!(ended(FindingSeverity::Error), ExitCode::from(FOUND_ERROR));
    }

    #[test]
    fn that_it_was_asked_in_the_wrong_place_is_said_once_and_first() {
        let left_out = |check: &str| LeftOutRow { check: check.into(), why: ELSEWHERE.into() };
        let ok = FindingRow { severity: FindingSeverity::Ok, check: "swap".into(), ..FindingRow::default() };
        let diagnosis = Diagnosis {
            findings: vec![ok],
            left_out: vec![left_out("mtu"), left_out("kernel-addresses")],
            ..Diagnosis::default()
        };
        let said = text(&diagnosis, None, Some(&Elsewhere::Process(4711)));
        let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            words.starts_with("left out: mtu, kernel-addresses: the appliance, process 4711, is in another network"),
            "{words}"
        );
        assert!(words.contains("sudo nsenter -t 4711 -n fairlead doctor ok: swap 0 errors"), "{words}");
        assert_eq!(words.matches("left out: ").count(), 1, "{words}");
    }
}
