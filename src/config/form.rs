//! The forms of sections, keys and values, and how each is put in words: what is allowed, and an example to copy.
//!
//! Owns the types that the table in [`super::schema`] is made of. Reads no file.

use super::suggest::quoted;
use super::value::duration_text;
use std::time::Duration;

/// A `[table]`, an `[[array of tables]]`, or a table inside one.
#[derive(Debug)]
pub(super) struct SectionRow {
    /// Its path in the file: `pool`, `pool.members`.
    pub(super) path: &'static str,
    /// How often it may stand: `None` once as `[path]`, else as `[[path]]` at most that many times.
    pub(super) most: Option<usize>,
    /// One line of explanation.
    pub(super) note: &'static str,
    /// What may stand in it.
    pub(super) keys: &'static [Key],
}

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    /// As the file has it.
    pub(super) name: &'static str,
    /// What its value is.
    pub(super) kind: Kind,
    /// What holds when it is not written.
    pub(super) fallback: Fallback,
    /// A reload applies it; `false`: it needs a restart.
    pub(super) live: bool,
    /// One line of explanation.
    pub(super) note: &'static str,
}

/// What holds when a key is not written.
#[derive(Debug)]
pub(super) enum Fallback {
    /// It must be written; such as this TOML text.
    Required(&'static str),
    /// The value of this TOML text.
    Value(&'static str),
    /// Something that follows from the rest, in words.
    Derived(&'static str),
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Kind {
    /// `true` or `false`.
    Flag,
    /// A name that commands use: letters, digits, `-`, `_` and `.`, at most 32.
    Name,
    /// Any text that is not empty.
    Text,
    /// A whole number of a unit; the unit may be empty.
    Integer { least: i64, most: i64, unit: &'static str },
    /// A duration, and where its least value comes from (may be empty).
    Span { least: Duration, most: Duration, source: &'static str },
    /// One of these words. Words that are understood but not supported yet come second.
    Choice(&'static [&'static str], &'static [&'static str]),
    /// An IPv4 address of one host.
    Address,
    /// An IPv4 address of ours with its prefix length.
    SelfAddress,
    /// An IPv4 network, a host, or `default`.
    Network,
    /// An address and a port.
    Socket,
    /// A service port such as `udp/5060`.
    Listen,
    /// SIP status codes such as `2xx`.
    Codes,
    /// `"all"` or a number.
    Require,
    /// Several, at least and at most so many.
    Many(&'static Kind, usize, usize),
    /// The table inside, or a list of them.
    Inside(&'static SectionRow),
}

impl SectionRow {
    /// The key of this name.
    pub(super) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// As the file writes it: `[cores]`, `[[pool]]`.
    pub(super) fn header(&self) -> String {
        match self.most {
            None => format!("[{}]", self.path),
            Some(_) => format!("[[{}]]", self.path),
        }
    }
}

impl Kind {
    /// What is allowed, as a phrase: `a whole number of bytes, 576 to 9216`.
    pub(super) fn form(&self) -> String {
        match self {
            Kind::Flag => "true or false".into(),
            Kind::Name => "a name of 1 to 32 letters, digits, `-`, `_` and `.`".into(),
            Kind::Text => "a non-empty string".into(),
            Kind::Integer { least, most, unit } => format!("a whole number, {least} to {most} ({unit})"),
            Kind::Span { least, most, source } => span_form(&duration_text(*least), &duration_text(*most), source),
            Kind::Choice(words, _) => quoted(*words),
            Kind::Address => "an IPv4 address of one host".into(),
            Kind::SelfAddress => "an IPv4 address with its prefix length, 1 to 31".into(),
            Kind::Network => "an IPv4 network, one address, or \"default\"".into(),
            Kind::Socket => "an address and a port".into(),
            Kind::Listen => "udp/PORT or tcp/PORT, PORT from 1 to 65535".into(),
            Kind::Codes => "a class \"2xx\", a code \"404\", a range \"200-299\", or \"any\"".into(),
            Kind::Require => "\"all\", or a whole number from 1 to the number of monitors".into(),
            Kind::Many(kind, least, most) => format!("{}, each {}", how_many(*least, *most), kind.form()),
            Kind::Inside(row) => inside_form(row),
        }
    }

    /// A value as the file would have it.
    pub(super) fn example(&self) -> String {
        match self {
            Kind::Flag => "true".into(),
            Kind::Name => "\"name-1\"".into(),
            Kind::Text => "\"text\"".into(),
            Kind::Integer { least, .. } => least.to_string(),
            Kind::Span { least, .. } => format!("\"{}\"", duration_text(*least)),
            Kind::Choice(words, _) => format!("\"{}\"", words[0]),
            Kind::Address => "\"192.0.2.1\"".into(),
            Kind::SelfAddress => "\"192.0.2.2/24\"".into(),
            Kind::Network => "\"172.16.2.0/24\"".into(),
            Kind::Socket => "\"127.0.0.1:9469\"".into(),
            Kind::Listen => "\"udp/5060\"".into(),
            Kind::Codes => "\"2xx\"".into(),
            Kind::Require => "\"all\"".into(),
            Kind::Many(kind, ..) => format!("[{}]", kind.example()),
            Kind::Inside(row) if row.most.is_some() => format!("[{}]", inside_example(row)),
            Kind::Inside(row) => inside_example(row),
        }
    }

    /// The kind of thing in one word or two: `a whole number`.
    pub(super) fn noun(&self) -> &'static str {
        match self {
            Kind::Flag => "true or false",
            Kind::Integer { .. } => "a whole number",
            Kind::Many(..) => "a list",
            Kind::Inside(row) if row.most.is_some() => "a list of tables",
            Kind::Inside(_) => "a table",
            Kind::Span { .. } => "a quoted duration",
            _ => "a quoted string",
        }
    }
}

fn span_form(least: &str, most: &str, source: &str) -> String {
    let source = if source.is_empty() { String::new() } else { format!("; the minimum is from {source}") };
    format!("a duration such as \"500ms\", \"5m\" or \"2h4m\", {least} to {most}{source}")
}

fn how_many(least: usize, most: usize) -> String {
    match least {
        0 => format!("a list of up to {most}"),
        _ => format!("a list of {least} to {most}"),
    }
}

fn inside_form(row: &SectionRow) -> String {
    let keys: Vec<&str> = row.keys.iter().map(|key| key.name).collect();
    match row.most {
        Some(most) => format!("a list of 1 to {most} tables with the keys {}", keys.join(", ")),
        None => format!("a table with the keys {}", keys.join(", ")),
    }
}

/// What must be written, or the last key where nothing must.
fn inside_example(row: &SectionRow) -> String {
    let written = |key: &Key| match key.fallback {
        Fallback::Required(text) | Fallback::Value(text) => format!("{} = {text}", key.name),
        Fallback::Derived(_) => String::new(),
    };
    let required = row.keys.iter().filter(|key| matches!(key.fallback, Fallback::Required(_)));
    let mut keys: Vec<String> = required.map(written).collect();
    if keys.is_empty() {
        keys.extend(row.keys.last().map(written));
    }
    format!("{{ {} }}", keys.join(", "))
}
