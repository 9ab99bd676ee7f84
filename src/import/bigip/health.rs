//! Monitors: how a member is asked.
//!
//! Owns what BIG-IP leaves out because it is the default, what a monitor inherits, and which answers count. A monitor is written
//! when a pool first uses it, once for each port it asks.

use super::names::endpoint;
use super::objects::{Object, Objects, absolute, leaf};
use crate::import::draft::{Draft, Entry, label};
use crate::import::findings::Findings;
use crate::import::findings::Severity::{Check, Note, Severe};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// Seconds, unless the monitor says otherwise: BIG-IP's own default.
const INTERVAL: u64 = 5;
/// Likewise; without an answer for so long a member is down.
const TIMEOUT: u64 = 16;
/// The longest interval of a Fairlead file.
const LONGEST: u64 = 3_600;
/// How deep monitors inherit from each other.
const DEEPEST: usize = 16;

/// The monitors written so far: by name and port, what Fairlead calls them.
#[derive(Default)]
pub struct Health {
    written: BTreeMap<(String, Option<u16>), Option<String>>,
    /// Those whose members come back only by hand.
    manual: BTreeSet<String>,
}

/// A monitor with all it inherits.
struct Inherited<'o> {
    /// Such as `sip`.
    kind: String,
    /// Itself, then what it inherits from.
    line: Vec<&'o Object>,
    title: String,
}

impl Inherited<'_> {
    fn word(&self, key: &str) -> Option<&str> {
        self.line.iter().find(|object| object.has(key)).and_then(|object| object.word(key))
    }

    fn seconds(&self, key: &str, default: u64) -> u64 {
        self.word(key).and_then(|text| text.parse().ok()).unwrap_or(default)
    }
}

impl Health {
    /// What Fairlead calls the monitor `name` where the member's service port is `port`; `None`: it was not carried over.
    pub fn monitor(
        &mut self,
        name: &str,
        port: u16,
        objects: &Objects,
        draft: &mut Draft,
        findings: &mut Findings,
    ) -> Option<String> {
        let monitor = inherited(objects, name);
        let (asked, elsewhere) = destination(&monitor, port);
        let key = (absolute(name), asked);
        if let Some(written) = self.written.get(&key) {
            return written.clone();
        }
        let address = elsewhere.as_ref().and_then(|text| text.parse::<Ipv4Addr>().ok());
        if let Some(elsewhere) = &elsewhere {
            let message = format!("it asks {elsewhere} instead of each member");
            match address {
                Some(_) => findings.add(Check, &monitor.title, message, "see that Fairlead has a route to it"),
                None => findings.add(Severe, &monitor.title, message, "write an IPv4 address into `address`"),
            }
        }
        let known = self.written.keys().any(|(other, _)| *other == key.0);
        let wished = match asked {
            Some(port) if known => format!("{}-{port}", label(name)),
            _ => label(name),
        };
        let label = draft.free_name("monitor", &wished);
        let mut entry = entry(&monitor, &label, asked, findings);
        if let (Some(entry), Some(address)) = (&mut entry, address) {
            entry.set("address", address.to_string());
        }
        if monitor.word("manual-resume") == Some("enabled") {
            self.manual.insert(label.clone());
        }
        let written = entry.is_some().then_some(label);
        entry.into_iter().for_each(|entry| draft.add(entry));
        self.written.insert(key, written.clone());
        written
    }
}

impl Health {
    /// A member that this monitor, as Fairlead calls it, has found down comes back only by hand.
    pub fn is_manual(&self, label: &str) -> bool {
        self.manual.contains(label)
    }
}

/// The names in a pool's or node's `monitor`, and of how many an answer is enough; `None`: of all.
pub fn rule(words: &[String]) -> (Vec<String>, Option<usize>) {
    let least = match words {
        [min, number, ..] if min == "min" => number.parse().ok(),
        _ => None,
    };
    let skipped = if least.is_some() { 3 } else { 0 };
    let is_name = |word: &&String| !matches!(word.as_str(), "and" | "none" | "of");
    (words.iter().skip(skipped).filter(is_name).cloned().collect(), least)
}

/// One that no file has is one of BIG-IP's own, named after its kind.
fn inherited<'o>(objects: &'o Objects, name: &str) -> Inherited<'o> {
    let mut line = Vec::new();
    let mut next = Some(name.to_owned());
    let mut root = name.to_owned();
    while let Some(name) = next.take().filter(|_| line.len() < DEEPEST) {
        root.clone_from(&name);
        if let Some(object) = objects.find_below("ltm monitor", &name) {
            next = object.word("defaults-from").map(str::to_owned);
            line.push(object);
        }
    }
    let kind = match line.first() {
        Some(object) => object.kind.rsplit(' ').next().unwrap_or_default().to_owned(),
        None => leaf(&root).replace('_', "-"),
    };
    let title = line.first().map_or_else(|| format!("ltm monitor {kind} {}", absolute(name)), |object| object.title());
    Inherited { kind, line, title }
}

/// The port asked, where one is, and the address if it is not the member's own.
fn destination(monitor: &Inherited<'_>, port: u16) -> (Option<u16>, Option<String>) {
    let (host, alias) = monitor.word("destination").and_then(|text| endpoint(text).ok()).unwrap_or(("*", 0));
    let asked = if alias == 0 { port } else { alias };
    let asked = Some(asked).filter(|port| *port != 0 && !is_echo(&monitor.kind));
    (asked, Some(host).filter(|host| *host != "*").map(str::to_owned))
}

fn is_echo(kind: &str) -> bool {
    matches!(kind, "icmp" | "gateway-icmp")
}

fn entry(monitor: &Inherited<'_>, label: &str, port: Option<u16>, findings: &mut Findings) -> Option<Entry> {
    let mut entry = Entry::new("monitor", &monitor.title);
    entry.set("name", label);
    match monitor.kind.as_str() {
        "sip" => sip(monitor, &mut entry, findings),
        kind if is_echo(kind) => _ = entry.set("kind", "icmp"),
        "tcp-half-open" => _ = entry.set("kind", "tcp-half-open"),
        "tcp" => {
            entry.set("kind", "tcp");
            if monitor.word("send").or(monitor.word("recv")).is_some_and(|text| !text.is_empty()) {
                let message = "what it sends and expects is not carried over: only the handshake is asked for";
                findings.add(Check, &monitor.title, message, "a monitor of kind \"sip\" proves more than either");
            }
        }
        "udp" => {
            entry.set("kind", "udp");
            for (theirs, ours) in [("send", "send"), ("recv", "receive")] {
                if let Some(text) = monitor.word(theirs).filter(|text| !text.is_empty()) {
                    entry.set(ours, text);
                }
            }
        }
        "http" | "https" => http(monitor, &mut entry, findings),
        "external" => {
            let message = "the program that it runs is in no file that was passed";
            let remedy =
                "copy it here and add a [[monitor]] with kind = \"external\", command and up_when = \"output\"";
            findings.add(Severe, &monitor.title, message, remedy);
            return None;
        }
        "inband" => {
            findings.add(Note, &monitor.title, "Fairlead takes signs in passing traffic without being asked to", "");
            return None;
        }
        other => {
            let message = format!("a monitor of kind `{other}` has no counterpart");
            findings.add(
                Severe,
                &monitor.title,
                message,
                "add a [[monitor]] of kind sip, http, https, external, tcp, tcp-half-open, udp or icmp",
            );
            return None;
        }
    }
    if let Some(port) = port {
        entry.set("port", i64::from(port));
    }
    times(monitor, &mut entry, findings);
    for key in ["reverse", "transparent"].into_iter().filter(|key| monitor.word(key) == Some("enabled")) {
        findings.add(Severe, &monitor.title, format!("`{key} enabled` is not carried over"), "");
    }
    Some(entry)
}

/// BIG-IP sends what `send` says, and is content with any answer that has `recv` in it, which is a regular expression.
fn http(monitor: &Inherited<'_>, entry: &mut Entry, findings: &mut Findings) {
    entry.set("kind", if monitor.kind == "https" { "https" } else { "http" });
    let sent = monitor.word("send").unwrap_or("GET /").replace("\\r", "\r").replace("\\n", "\n");
    let mut lines = sent.lines();
    let mut words = lines.next().unwrap_or_default().split_whitespace();
    match (words.next(), words.next()) {
        (Some(method @ ("GET" | "HEAD" | "OPTIONS")), Some(path)) if path.starts_with('/') => {
            entry.set("method", method).set("path", path);
        }
        (None, None) => {}
        _ => {
            let message = "what it sends is not carried over: Fairlead asks GET /";
            findings.add(Severe, &monitor.title, message, "set `method` and `path`");
        }
    }
    let host = lines.filter_map(|line| line.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("host"));
    if let Some((_, host)) = host.filter(|(_, host)| !host.trim().is_empty()) {
        entry.set("host", host.trim());
    }
    entry.set_because("up_codes", vec!["any"], "as on BIG-IP");
    if let Some(text) = monitor.word("recv").filter(|text| !text.is_empty() && *text != "none") {
        entry.set("receive", text);
        if text.chars().any(|c| "^$*+?()[]{}|\\".contains(c)) {
            let message = "`recv` is a regular expression on BIG-IP, and here a text that the answer contains";
            findings.add(Severe, &monitor.title, message, "write the plain text into `receive`");
        }
    }
    if monitor.word("recv-disable").is_some_and(|text| !text.is_empty() && text != "none") {
        findings.add(Severe, &monitor.title, "`recv-disable` is not carried over", "");
    }
}

/// SIP OPTIONS: 1xx to 3xx count unless more is said.
fn sip(monitor: &Inherited<'_>, entry: &mut Entry, findings: &mut Findings) {
    entry.set("kind", "sip");
    entry.set(
        "transport",
        match monitor.word("mode") {
            Some("tcp") => "tcp",
            Some("tls" | "sips") => "tls",
            _ => "udp",
        },
    );
    let listed = |key: &str| -> Vec<String> {
        let words = monitor.line.iter().find(|object| object.has(key)).map_or(&[][..], |object| object.words(key));
        words
            .iter()
            .map(|code| code.trim_matches('"').to_owned())
            .filter(|code| code != "none" && !code.is_empty())
            .collect()
    };
    let (up, down) = (listed("filter"), listed("filter-neg"));
    let is_any = |codes: &[String]| codes.iter().any(|code| matches!(code.as_str(), "any" | "0"));
    match () {
        () if is_any(&up) => _ = entry.set("up_codes", vec!["any"]),
        () if !up.is_empty() => {
            let codes = ["1xx", "2xx", "3xx"].map(str::to_owned).into_iter().chain(up);
            entry.set("up_codes", codes.collect::<Vec<_>>());
        }
        () => {}
    }
    if !down.is_empty() && !is_any(&down) {
        entry.set("down_codes", down);
    }
    for key in ["request", "headers"].into_iter().filter(|key| monitor.word(key).is_some()) {
        let message = format!("its own `{key}` is not carried over: Fairlead sends an OPTIONS of its own");
        findings.add(Check, &monitor.title, message, "try `fairlead probe now MEMBER` before you rely on it");
    }
    if monitor.word("cert").is_some() {
        let remedy = "put certificate and key in one PEM file and name it as `certificate`";
        findings.add(Severe, &monitor.title, "its client certificate is in no file that was passed", remedy);
    }
}

/// BIG-IP counts the seconds since the last good answer, Fairlead the answers that failed to come.
fn times(monitor: &Inherited<'_>, entry: &mut Entry, findings: &mut Findings) {
    let interval = monitor.seconds("interval", INTERVAL).clamp(1, LONGEST);
    // Asked as seldom as that, a member would be lost by the first answer that does not come.
    if let while_up @ 1.. = monitor.seconds("up-interval", 0) {
        let message =
            format!("`up-interval {while_up}` is not carried over: a member is asked every {interval} s, up or not");
        findings.add(Note, &monitor.title, message, "nothing, unless a server minds being asked");
    }
    let timeout = monitor.seconds("timeout", TIMEOUT);
    let wait = monitor.seconds("time-until-up", 0);
    let fall = (timeout.saturating_sub(1) / interval).clamp(1, 100);
    let rise = (1 + wait.div_ceil(interval)).clamp(1, 100);
    entry.set("interval", format!("{interval}s"));
    entry.set_because("fall", fall.cast_signed(), &format!("down after {timeout} s on BIG-IP"));
    entry.set("rise", rise.cast_signed());
    if timeout > 3 {
        let message = format!("a dead member is found after {timeout} s, as on BIG-IP");
        let remedy = "remove interval and fall from the [[monitor]]: with Fairlead's defaults it takes 2 s";
        findings.add(Note, &monitor.title, message, remedy);
    }
}
