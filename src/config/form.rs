//! The forms of sections, keys and values, and how each is put in words: what is allowed, an example to copy, the known
//! word nearest to an unknown one, the reference.
//!
//! Owns the types that the table in [`super::schema`] is made of. Reads no file.

use crate::netlink::RouteProtocol;
use std::fmt::{Display, Write};
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
    /// The whole path of a PEM file.
    PemPath,
    /// A whole number of a unit; the unit may be empty.
    Integer { least: i64, most: i64, unit: &'static str },
    /// A duration, and where its least value comes from (may be empty).
    Span { least: Duration, most: Duration, source: &'static str },
    /// One of these words. Words that are understood but not supported yet come second.
    Choice(&'static [&'static str], &'static [&'static str]),
    /// An IPv4 address of one host.
    Address,
    /// The MAC address of one host.
    Station,
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
    /// Who has made a route of the kernel's.
    Protocol,
    /// `"all"` or a number.
    Require,
    /// A part of the day, such as `02:00-04:00`.
    Window,
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

    /// The names of its keys.
    pub(super) fn names(&self) -> Vec<&'static str> {
        self.keys.iter().map(|key| key.name).collect()
    }

    /// As the file writes it: `[cores]`, `[[pool]]`.
    pub(super) fn header(&self) -> String {
        if self.most.is_some() { format!("[[{}]]", self.path) } else { format!("[{}]", self.path) }
    }
}

impl Kind {
    /// What is allowed, as a phrase: `a whole number, 576 to 9216 (bytes)`; a value as the file would have it; the kind of
    /// thing in a word or two.
    pub(super) fn words(&self) -> (String, String, &'static str) {
        let quoted_text = |form: &str, example: &str| (form.into(), format!("\"{example}\""), "a quoted string");
        match self {
            Kind::Flag => ("true or false".into(), "true".into(), "true or false"),
            Kind::Name => quoted_text("a name of 1 to 32 letters, digits, `-`, `_` and `.`", "name-1"),
            Kind::Text => quoted_text("a non-empty string", "text"),
            Kind::PemPath => quoted_text("the path of a PEM file, from the root", "/etc/fairlead/probe.pem"),
            Kind::Choice(words, _) => quoted_text(&quoted(*words), words[0]),
            Kind::Station => quoted_text("the MAC address of one host", "02:00:00:00:00:01"),
            Kind::Address => quoted_text("an IPv4 address of one host", "192.0.2.1"),
            Kind::SelfAddress => quoted_text("an IPv4 address with its prefix length, 1 to 31", "192.0.2.2/24"),
            Kind::Network => quoted_text("an IPv4 network, one address, or \"default\"", "172.16.2.0/24"),
            Kind::Socket => quoted_text("an address and a port", "127.0.0.1:9469"),
            Kind::Listen => quoted_text("udp/PORT or tcp/PORT, PORT from 1 to 65535", "udp/5060"),
            Kind::Codes => quoted_text("a class \"2xx\", a code \"404\", a range \"200-299\", or \"any\"", "2xx"),
            Kind::Protocol => {
                let names: Vec<&str> = RouteProtocol::names().collect();
                quoted_text(&format!("a protocol of routes ({}), or its number", names.join(", ")), "bgp")
            }
            Kind::Window => quoted_text("a part of the day, FROM-TO in hours and minutes of UTC", "02:00-04:00"),
            Kind::Require => quoted_text("\"all\", or a whole number from 1 to the number of monitors", "all"),
            Kind::Integer { least, most, unit } => {
                (format!("a whole number, {least} to {most} ({unit})"), least.to_string(), "a whole number")
            }
            Kind::Span { least, most, source } => {
                let source = if source.is_empty() { "" } else { &format!("; the minimum is from {source}") };
                let (least, most) = (duration_text(*least), duration_text(*most));
                let form = format!("a duration such as \"500ms\", \"5m\" or \"2h4m\", {least} to {most}{source}");
                (form, format!("\"{least}\""), "a quoted duration")
            }
            Kind::Many(kind, least, most) => {
                let number = if *least == 0 { format!("up to {most}") } else { format!("{least} to {most}") };
                let (form, example, _) = kind.words();
                (format!("a list of {number}, each {form}"), format!("[{example}]"), "a list")
            }
            Kind::Inside(row) => {
                let (keys, example) = (row.names().join(", "), inside_example(row));
                match row.most {
                    None => (format!("a table with the keys {keys}"), example, "a table"),
                    Some(most) => {
                        let form = format!("a list of 1 to {most} tables with the keys {keys}");
                        (form, format!("[{example}]"), "a list of tables")
                    }
                }
            }
        }
    }
}

/// What must be written, or the last key where nothing must.
fn inside_example(row: &SectionRow) -> String {
    let required = |key: &&Key| matches!(key.fallback, Fallback::Required(_));
    let written = |key: &Key| match key.fallback {
        Fallback::Required(text) | Fallback::Value(text) => format!("{} = {text}", key.name),
        Fallback::Derived(_) => String::new(),
    };
    let mut keys: Vec<String> = row.keys.iter().filter(required).map(written).collect();
    if keys.is_empty() {
        keys.extend(row.keys.last().map(written));
    }
    format!("{{ {} }}", keys.join(", "))
}

/// The shortest text that a key reads as `span`.
pub fn duration_text(span: Duration) -> String {
    const DAY: u128 = 86_400_000;
    let mut millis = span.as_millis();
    if millis < 120_000 && millis.is_multiple_of(1_000) {
        return format!("{}s", millis / 1_000);
    }
    if millis >= 2 * DAY && millis.is_multiple_of(DAY) {
        return format!("{}d", millis / DAY);
    }
    let mut text = String::new();
    for (unit, size) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        if millis >= size {
            text += &format!("{}{unit}", millis / size);
            millis %= size;
        }
    }
    text
}

/// What a file written before the first release may hold, or what BIG-IP calls it, and the word for it now.
const RENAMED: &[(&str, &str)] = &[
    ("stall", "stall_threshold"),
    ("memory", "memory_mib"),
    ("echo", "icmp_echo"),
    ("untranslated_udp_ports", "no_snat_udp_ports"),
    ("fragments", "reassembly"),
    ("pause", "sleep"),
    ("when-active", "selective"),
    ("redelivery", "redeliver"),
    ("disabled", "draining"),
    ("drained", "draining"),
    ("drain", "draining"),
    ("forced-offline", "offline"),
    ("user-down", "offline"),
];

/// The candidate that `word` was renamed to or is a typing mistake away from, if one is near enough.
pub(super) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let folded = |word: &str| word.replace('-', "_").to_ascii_lowercase();
    let word: String = word.chars().take(64).collect();
    let distance = |candidate| match RENAMED.contains(&(word.as_str(), candidate)) {
        true => 0,
        false => strsim::osa_distance(&folded(&word), &folded(candidate)),
    };
    let ranked = candidates.into_iter().map(|candidate| (distance(candidate), candidate));
    let limit = (word.chars().count() / 3).clamp(1, 3);
    ranked.filter(|(distance, _)| *distance <= limit).min_by_key(|(distance, _)| *distance).map(|(_, found)| found)
}

/// `did you mean "x"?` when a candidate is near, else `otherwise`.
pub(super) fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>, otherwise: &str) -> String {
    match nearest(word, candidates) {
        Some(candidate) => format!("did you mean \"{candidate}\"?"),
        None => otherwise.into(),
    }
}

/// `"a", "b" and "c"`
pub(super) fn listed(words: &[&str]) -> String {
    match words.split_last() {
        None => "none is defined".into(),
        Some((last, [])) => quoted([last]),
        Some((last, rest)) => format!("{} and {}", quoted(rest), quoted([last])),
    }
}

/// `"a", "b"`
pub(super) fn quoted<W: Display>(words: impl IntoIterator<Item = W>) -> String {
    words.into_iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}

const HEAD: &str = "\
# Every key of the configuration file

Generated from the table of keys in the code; a test keeps it so. The file is TOML. A duration is whole
numbers with a unit in quotes: `\"500ms\"`, `\"5m\"`, `\"2h4m\"`; the units are ms, s, m, h and d. An address is IPv4.
A reload applies a change of a live key at once; one that changes a key marked restart is rejected as a whole.
";

/// What there is to know about monitors beyond their keys.
const MONITORS: &str = include_str!("monitors.md");

/// The reference of every key of `sections`, as Markdown.
pub(super) fn reference(sections: &[&SectionRow]) -> String {
    HEAD.to_string() + &sections.iter().map(|row| section(row)).collect::<String>()
}

fn section(row: &SectionRow) -> String {
    let times = match (row.most, row.path.split_once('.')) {
        (None, None) => "Once.".into(),
        (Some(most), None) => format!("Once for each, up to {most}."),
        (None, Some((_, key))) => format!("A table inside, as `{key} = {{ ... }}`."),
        (Some(most), Some((_, key))) => format!("A list inside, as `{key} = [{{ ... }}, ...]`, up to {most}."),
    };
    let mut out = format!("\n## `{}`\n\n{} {times}\n\n", row.header(), row.note);
    out += "| key | default | allowed | change | meaning |\n|---|---|---|---|---|\n";
    for key in row.keys {
        let default = match key.fallback {
            Fallback::Required(_) => "required".into(),
            Fallback::Value(text) => format!("`{text}`"),
            Fallback::Derived(words) => format!("absent: {words}"),
        };
        let change = if key.live { "live" } else { "restart" };
        let allowed = match key.kind {
            Kind::Inside(row) => format!("see `{}` below", row.path),
            _ => key.kind.words().0,
        };
        let cells = [format!("`{}`", key.name), default, allowed, change.into(), key.note.into()];
        let _ = writeln!(out, "| {} |", cells.map(|cell: String| cell.replace('|', "\\|")).join(" | "));
    }
    if row.path == "monitor" {
        out += MONITORS;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_mistakes_are_near_and_other_words_are_not() {
        let words = ["address", "addresses", "fail_back", "mtu", "workers"];
        assert_eq!(nearest("adress", words), Some("address"));
        assert_eq!(nearest("fail-back", words), Some("fail_back"));
        assert_eq!(nearest("mut", words), Some("mtu"));
        assert_eq!(nearest("Workers", words), Some("workers"));
        assert_eq!(nearest("gateway", words), None);
        assert_eq!(nearest("fragments", ["icmp", "reassembly"]), Some("reassembly"));
        assert_eq!(nearest("fragments", words), None);
        assert_eq!(nearest("", words), None);
    }
}
