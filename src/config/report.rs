//! What is wrong with a file, in the shape a compiler gives it.
//!
//! Owns the collection of findings and how one reads: file, line, column, the line itself with a caret, the key, what is
//! allowed, the remedy. Decides nothing about what is right: the reader and the checks do.

use super::origins::origins;
use super::visible::is_obeyed;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

/// Where something stands in the file: byte offsets.
pub(super) type Span = Range<usize>;

/// Errors that are kept and shown; more are only counted. Each holds its line, and in one that is very long there may be a mistake in
/// every word.
const SHOWN: usize = 100;
/// Errors that fit in one line of a log.
const BRIEF: usize = 3;
/// Widest line of a rendering, in columns.
const WIDTH: usize = 100;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is accepted; somebody should look.
    Warning,
}

/// A place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file that is included there; `None`: the one that was named.
    pub file: Option<String>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// How many characters are meant, at least 1.
    pub width: usize,
    /// The whole line, without control characters.
    pub source: String,
}

/// One thing to tell the operator about the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Refusal or advice.
    pub severity: Severity,
    /// The file as the operator named it.
    pub file: String,
    /// Where; `None` when the file as a whole is meant.
    pub place: Option<Place>,
    /// The key as the reference names it, such as `pool.monitors`; empty when no key is meant.
    pub key: String,
    /// What is wrong, with the name of the thing and the value.
    pub message: String,
    /// What is allowed instead; may be empty.
    pub allowed: String,
    /// What to do.
    pub remedy: String,
    /// Other places that have to do with it, and why.
    pub related: Vec<(Place, String)>,
    offset: usize,
}

/// Something that does not stop the file from being used.
pub type Warning = Finding;

/// Why a file was refused: every error in it. Warnings wait until there is none, for errors make some of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    /// The file as the operator named it.
    pub file: String,
    /// What must be changed, in the order of the file. Never empty, and not all of it where there is very much.
    pub errors: Vec<Finding>,
    /// So many more errors were found.
    pub beyond: usize,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.errors {
            writeln!(f, "{finding}")?;
        }
        write!(f, "{}: {}", self.file, count(self.count(), "error"))?;
        match self.count() > SHOWN {
            true => write!(f, ", of which {SHOWN} are shown"),
            false => Ok(()),
        }
    }
}

impl std::error::Error for ConfigErrors {}

impl ConfigErrors {
    /// How many errors the file has.
    pub fn count(&self) -> usize {
        self.errors.len() + self.beyond
    }

    /// The first few errors in one line, for a log: `lead.toml:3:1: unknown key; lead.toml:9:5: ...; and 2 more`.
    pub fn brief(&self) -> String {
        let mut parts: Vec<String> = self.errors.iter().take(BRIEF).map(Finding::brief).collect();
        let more = self.count().saturating_sub(BRIEF);
        if more > 0 {
            let how_many = if self.count() > SHOWN { format!("{SHOWN} of them") } else { "all".into() };
            parts.push(format!("and {more} more: `fairlead check {}` lists {how_many}", self.file));
        }
        parts.join("; ")
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.severity == Severity::Error { "error" } else { "warning" };
        writeln!(f, "{}", wrapped(&format!("{word}: "), &self.message, "  "))?;
        let margin = self.margin();
        match &self.place {
            Some(place) => write_place(f, &self.file, place, &margin, "-->")?,
            None => writeln!(f, "{margin}--> {}", self.file)?,
        }
        for (place, why) in &self.related {
            writeln!(f, "{margin} = {why}:")?;
            write_place(f, &self.file, place, &margin, ":::")?;
        }
        for (label, text) in [("key", &self.key), ("allowed", &self.allowed), ("remedy", &self.remedy)] {
            if !text.is_empty() {
                let head = format!("{margin} = {label}: ");
                writeln!(f, "{}", wrapped(&head, text, &" ".repeat(head.len())))?;
            }
        }
        Ok(())
    }
}

impl Finding {
    /// Place and message, in one line.
    fn brief(&self) -> String {
        let message = self.message.split_whitespace().collect::<Vec<_>>().join(" ");
        match &self.place {
            Some(place) => {
                let file = place.file.as_ref().unwrap_or(&self.file);
                format!("{file}:{}:{}: {message}", place.line, place.column)
            }
            None => format!("{}: {message}", self.file),
        }
    }

    fn margin(&self) -> String {
        let lines = self.place.iter().chain(self.related.iter().map(|(place, _)| place)).map(|place| place.line);
        " ".repeat(lines.max().map_or(1, |line| line.to_string().len()))
    }
}

/// A finding that was just added, to be completed.
pub(super) struct Note<'r> {
    finding: &'r mut Finding,
    is_kept: bool,
    text: &'r str,
    lines: &'r Lines,
}

impl Note<'_> {
    /// What is allowed instead, and what to do.
    pub(super) fn instead(self, allowed: impl Into<String>, remedy: impl Into<String>) -> Self {
        self.finding.allowed = allowed.into();
        self.remedy(remedy)
    }

    /// What to do.
    pub(super) fn remedy(self, text: impl Into<String>) -> Self {
        self.finding.remedy = text.into();
        self
    }

    /// Another place that has to do with it.
    pub(super) fn see(self, span: &Span, why: impl Into<String>) -> Self {
        if self.is_kept {
            self.finding.related.push((place(self.text, self.lines, span), why.into()));
        }
        self
    }
}

/// Collects what is found in one file.
pub(super) struct Report<'t> {
    file: &'t str,
    /// What it holds.
    pub(super) text: &'t str,
    lines: Lines,
    findings: Vec<Finding>,
    /// The last error, once so many are kept that it is not, and how many those are.
    beyond: Option<Finding>,
    more: usize,
    kept: usize,
    /// Where its errors are.
    errors: HashSet<usize>,
}

impl<'t> Report<'t> {
    /// Nothing found so far in `text`, which the operator knows as `file`.
    pub(super) fn new(file: &'t str, text: &'t str) -> Report<'t> {
        Report {
            file,
            text,
            lines: Lines::of(text),
            findings: Vec::new(),
            beyond: None,
            more: 0,
            kept: 0,
            errors: HashSet::new(),
        }
    }

    /// Adds an error at `span`.
    pub(super) fn error(&mut self, span: &Span, key: &str, message: impl Into<String>) -> Note<'_> {
        self.add(Severity::Error, Some(span), key, message.into())
    }

    /// Adds an error about the second of two things of which there may be one.
    pub(super) fn twice(&mut self, [first, second]: [&Span; 2], key: &str, message: impl Into<String>) -> Note<'_> {
        self.error(second, key, message).see(first, "the first one")
    }

    /// Adds an error about the whole file.
    pub(super) fn error_of_file(&mut self, key: &str, message: impl Into<String>) -> Note<'_> {
        self.add(Severity::Error, None, key, message.into())
    }

    /// Adds a warning about the whole file.
    pub(super) fn warning_of_file(&mut self, key: &str, message: impl Into<String>) -> Note<'_> {
        self.add(Severity::Warning, None, key, message.into())
    }

    /// Adds a warning at `span`.
    pub(super) fn warning(&mut self, span: &Span, key: &str, message: impl Into<String>) -> Note<'_> {
        self.add(Severity::Warning, Some(span), key, message.into())
    }

    /// An error was added.
    pub(super) fn refused(&self) -> bool {
        !self.errors.is_empty()
    }

    /// An error was added whose place begins where `span` does.
    pub(super) fn marked(&self, span: &Span) -> bool {
        self.errors.contains(&span.start)
    }

    /// The warnings, in the order of the file.
    pub(super) fn warnings(self) -> Vec<Warning> {
        self.sorted(Severity::Warning)
    }

    /// The errors, or where none was found `message` as the only one.
    pub(super) fn refusal(mut self, message: &str, remedy: &str) -> ConfigErrors {
        if !self.refused() {
            self.error_of_file("", message).remedy(remedy);
        }
        let beyond = self.more;
        ConfigErrors { file: printable(self.file), errors: self.sorted(Severity::Error), beyond }
    }

    fn sorted(mut self, severity: Severity) -> Vec<Finding> {
        self.findings.retain(|finding| finding.severity == severity);
        self.findings.sort_by_key(|finding| finding.offset);
        self.findings
    }

    fn add(&mut self, severity: Severity, span: Option<&Span>, key: &str, message: String) -> Note<'_> {
        let is_kept = severity == Severity::Warning || self.kept < SHOWN;
        let finding = Finding {
            severity,
            file: printable(self.file),
            place: span.filter(|_| is_kept).map(|span| place(self.text, &self.lines, span)),
            key: key.into(),
            message: printable(&message),
            allowed: String::new(),
            remedy: String::new(),
            related: Vec::new(),
            offset: span.map_or(0, |span| span.start),
        };
        if severity == Severity::Error {
            self.errors.insert(finding.offset);
        }
        self.kept += usize::from(is_kept && severity == Severity::Error);
        if !is_kept {
            self.more += 1;
            return Note { finding: self.beyond.insert(finding), is_kept, text: self.text, lines: &self.lines };
        }
        let place = self.findings.len();
        self.findings.push(finding);
        Note { finding: &mut self.findings[place], is_kept, text: self.text, lines: &self.lines }
    }
}

/// `1 error`, `2 errors`
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// `text` after `head`; lines after the first start with `indent`. None is wider than [`WIDTH`].
fn wrapped(head: &str, text: &str, indent: &str) -> String {
    let room = |before: &str| WIDTH.saturating_sub(before.chars().count());
    head.to_string() + &wrap(text, room(head), room(indent)).join(&format!("\n{indent}"))
}

/// `text` in lines, the first of at most `first` characters and the others of at most `rest`, broken at spaces where that
/// can be. At least one line.
pub fn wrap(text: &str, first: usize, rest: usize) -> Vec<String> {
    let (mut lines, mut line, mut room) = (Vec::new(), String::new(), first.max(1));
    for (place, word) in text.split(' ').enumerate() {
        if place > 0 && word.chars().count() < room {
            line.push(' ');
            room -= 1;
        } else if place > 0 {
            lines.push(std::mem::take(&mut line));
            room = rest.max(1);
        }
        for character in word.chars() {
            if room == 0 {
                lines.push(std::mem::take(&mut line));
                room = rest.max(1);
            }
            line.push(character);
            room -= 1;
        }
    }
    lines.push(line);
    lines
}

/// Where the lines of a text begin, and where those of files that are included.
struct Lines {
    all: Vec<usize>,
    /// See [`origins`].
    origins: Vec<(usize, String)>,
}

impl Lines {
    fn of(text: &str) -> Lines {
        let all = [0].into_iter().chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Lines { all, origins: origins(text) }
    }
}

fn place(text: &str, lines: &Lines, span: &Span) -> Place {
    let start = floor(text, span.start);
    let number = lines.all.partition_point(|at| *at <= start);
    let line_start = lines.all[number - 1];
    let origin = lines.origins[..lines.origins.partition_point(|(at, _)| *at <= start)].last();
    let before = origin.map_or(0, |(at, _)| lines.all.partition_point(|line| line < at));
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let end = floor(text, span.end).clamp(start, line_end.max(start));
    Place {
        file: origin.map(|(_, name)| printable(name)),
        line: number - before,
        column: text[line_start..start].chars().count() + 1,
        width: text[start..end].trim_end().chars().count().max(1),
        source: printable(text[line_start..line_end.max(line_start)].trim_end()),
    }
}

/// The last character boundary at or before `offset`.
pub(super) fn floor(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// One character for each, none of which moves the cursor or colours the terminal.
fn printable(text: &str) -> String {
    let shown = |c: char| match c {
        '\t' => ' ',
        c if is_obeyed(c) => '\u{fffd}',
        c => c,
    };
    text.chars().map(shown).collect()
}

fn write_place(f: &mut fmt::Formatter<'_>, file: &str, place: &Place, margin: &str, arrow: &str) -> fmt::Result {
    let file = place.file.as_deref().unwrap_or(file);
    let (source, column) = window(place);
    let width = place.width.min(source.chars().count().saturating_sub(column - 1).max(1));
    writeln!(f, "{margin}{arrow} {file}:{}:{}", place.line, place.column)?;
    writeln!(f, "{margin} |")?;
    writeln!(f, "{:>width$} | {source}", place.line, width = margin.len())?;
    writeln!(f, "{margin} | {}{}", " ".repeat(column - 1), "^".repeat(width))
}

/// The part of the line around the place that fits, and the place's column in it.
fn window(place: &Place) -> (String, usize) {
    const ROOM: usize = WIDTH - 10;
    let length = place.source.chars().count();
    if length <= ROOM {
        return (place.source.clone(), place.column);
    }
    let skip = place.column.saturating_sub(ROOM / 2).min(length - ROOM);
    (place.source.chars().skip(skip).take(ROOM).collect(), place.column - skip)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, span: Span) -> Place {
        place(text, &Lines::of(text), &span)
    }

    #[test]
    fn a_place_counts_characters_and_lines() {
        let text = "a = 1\nnäme = \"x\"\n";
        let at = text.find('"').unwrap();
        let place = found(text, at..at + 3);
        assert_eq!((place.line, place.column, place.width), (2, 8, 3));
        assert_eq!(place.source, "näme = \"x\"");
    }

    #[test]
    fn a_place_never_leaves_the_text() {
        for text in ["", "\n", "a", "é", "\r\n\r\n"] {
            for start in 0..6 {
                for end in 0..6 {
                    let place = found(text, start..end);
                    assert!(place.width >= 1 && place.column >= 1, "{text:?} {start} {end}");
                }
            }
        }
    }

    #[test]
    fn a_long_line_is_shown_around_the_place() {
        let text = format!("eal = [{}\"here\"]", "\"-a\", ".repeat(60));
        let at = text.find("here").unwrap();
        let mut report = Report::new("f", &text);
        report.error(&(at..at + 4), "dpdk.eal", "m").remedy("r");
        let shown = report.refusal("", "").to_string();
        assert!(shown.lines().all(|line| line.chars().count() <= WIDTH), "{shown}");
        assert!(shown.contains("here") && shown.contains("^^^^"), "{shown}");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let mut report = Report::new("f", "x = \u{1b}[31m");
        report.error(&(4..5), "", "bad \u{7}");
        let shown = report.refusal("", "").to_string();
        assert!(!shown.contains('\u{1b}') && !shown.contains('\u{7}'), "{shown:?}");
    }
}
