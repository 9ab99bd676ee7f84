//! What the TOML parser found, said so that an operator can mend it.
//!
//! Owns which of its errors are reported: one for each line, and none that only follows from an earlier one.

use super::report::{Report, Span, floor};
use toml::de::{DeTable, Error};

/// The file as TOML; `None` if it is none, which is reported.
pub(super) fn parsed<'t>(report: &mut Report<'t>) -> Option<DeTable<'t>> {
    let (root, errors) = DeTable::parse_recoverable(report.text);
    let (text, mut explained_up_to) = (report.text, 0);
    // The parser finds what is unclosed after what follows from it.
    let mut found: Vec<_> = errors.iter().map(|error| (span_of(error, text), error)).collect();
    found.sort_by_key(|(span, _)| span.start);
    for (span, error) in found {
        if span.start >= explained_up_to {
            report_error(error, &span, text, report);
            explained_up_to = if swallows(error.message()) { usize::MAX } else { explained(error, &span, text) };
        }
    }
    errors.is_empty().then(|| root.into_inner())
}

/// Where the next error begins that does not follow from this one: on the next line; after a table that stands twice,
/// at the next header.
fn explained(error: &Error, span: &Span, text: &str) -> usize {
    let end_of_line = |from: usize| text[from..].find('\n').map_or(text.len() + 1, |at| from + at + 1);
    let start_of_line = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let next = end_of_line(span.start);
    if !(error.message().contains("duplicate key") && text[start_of_line..].starts_with('[')) {
        return next;
    }
    text.get(next..).and_then(|rest| rest.find("\n[")).map_or(text.len() + 1, |at| next + at + 1)
}

/// Everything after the error was read as a part of something that was not closed.
fn swallows(message: &str) -> bool {
    ["array", "inline table", "multi-line", "multiline"].iter().any(|word| message.contains(word))
}

fn span_of(error: &Error, text: &str) -> Span {
    let end = text.trim_end().len();
    let start = floor(text, error.span().map_or(end, |span| span.start.min(end)));
    start..error.span().map_or(end, |span| span.end.clamp(start, end.max(start)))
}

fn report_error(error: &Error, span: &Span, text: &str, report: &mut Report) {
    if lacks_value(text, span.start) && !swallows(error.message()) {
        let remedy = "write the value behind the equals sign, or remove the key";
        report.error(span, "", "this is not TOML: a value is missing after `=`").remedy(remedy);
        return;
    }
    if lacks_comma(error.message(), span, text) {
        let remedy = "put a comma between the pairs in braces; outside braces each pair has a line of its own";
        report.error(span, "", "this is not TOML: a comma is missing between two pairs").remedy(remedy);
        return;
    }
    let message: Vec<&str> = error.message().lines().filter(|line| !line.trim().is_empty()).collect();
    let message = in_words(&message.join("; "));
    let remedy = match () {
        () if message.contains("array") => "close the list with ] where it ends, and separate its items with commas",
        () if message.contains("inline table") => {
            "close the table with } where it ends, and separate its keys with commas"
        }
        () if message.contains("duplicate key") => {
            "remove one of the two; a table that may be repeated is written [[...]]"
        }
        () if message.contains("a quoted string") => {
            "put double quotes around the word; only numbers, true and false have none"
        }
        () if message.contains("string") => "close the string with a double quote on the same line",
        () => "write key = value lines under [table] headers; strings and durations go in double quotes",
    };
    let note = report.error(span, "", format!("this is not TOML: {message}")).remedy(remedy);
    if let Some(opening) = opening(text, span.start).filter(|_| swallows(&message)) {
        note.see(&opening, "it may begin here");
    }
}

/// Another pair follows on the same line: the parser finds that, or takes its key for a part of the value before it.
fn lacks_comma(message: &str, span: &Span, text: &str) -> bool {
    let is_key_next = text[span.end..].trim_start_matches([' ', '\t']).starts_with('=');
    let read_as_value = text[span.clone()].trim_end().contains([' ', '\t']) && is_key_next;
    message.contains("missing comma between key-value pairs") || read_as_value
}

/// Nothing but a comment stands behind `=` on this line.
fn lacks_value(text: &str, at: usize) -> bool {
    let begin = text[..at].rfind('\n').map_or(0, |at| at + 1);
    let line = text[begin..].lines().next().unwrap_or_default();
    line.split_once('=').is_some_and(|(_, value)| value.trim().is_empty() || value.trim_start().starts_with('#'))
}

/// A bare word is taken for the beginning of whatever value starts with its first letter; that says nothing to anybody.
fn in_words(message: &str) -> String {
    let bare =
        ["invalid float", "invalid boolean", "string values must be quoted", "invalid mantissa", "invalid integer"];
    match bare.iter().any(|start| message.starts_with(start)) {
        true => "this is not a number, true, false, or a quoted string".into(),
        false => message.into(),
    }
}

/// The nearest line at or above `offset` that opens a bracket after `=` and does not close it.
fn opening(text: &str, offset: usize) -> Option<Span> {
    let end = text[offset..].find('\n').map_or(text.len(), |at| offset + at);
    let opens = |line: &str| {
        let (_, value) = line.split_once('=')?;
        let number = |brackets: [char; 2]| value.matches(brackets).count();
        line.find(['[', '{']).filter(|_| number(['[', '{']) > number([']', '}']))
    };
    let mut starts = std::iter::once(0).chain(text[..end].match_indices('\n').map(|(at, _)| at + 1)).rev();
    let opened = starts.find_map(|start| Some(start + opens(text[start..end].lines().next()?)?))?;
    Some(opened..opened + 1)
}
