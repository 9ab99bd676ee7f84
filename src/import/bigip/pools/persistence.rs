//! Persistence: what a virtual server keeps together, as its pool says it here.
//!
//! Owns which profiles have a counterpart (by source address, and by the Call-ID of SIP), and what is said of all others.

use super::listed::Listed;
use crate::import::bigip::objects::{Object, Objects, absolute, leaf};
use crate::import::draft::Entry;
use crate::import::findings::Findings;
use crate::import::findings::Severity::{Check, Note, Severe};
use crate::import::syntax::{Item, word};

/// How deep profiles inherit from each other.
const DEEPEST: usize = 16;
/// Seconds, unless the profile says otherwise: BIG-IP's own default.
const TIMEOUT: u64 = 180;

/// Writes it for a pool whose members share the work: that of the virtual servers before these pools of BIG-IP.
pub fn convert(
    group: &[Listed<'_>],
    servers: &[&Object],
    objects: &Objects,
    entry: &mut Entry,
    findings: &mut Findings,
) {
    let is_before = |server: &&&Object| {
        let name = server.word("pool").map(absolute);
        group.iter().any(|(pool, _)| name.as_ref() == Some(&pool.name))
    };
    let mut kept: Option<(&'static str, String)> = None;
    let mut without: Vec<&Object> = Vec::new();
    for server in servers.iter().filter(is_before) {
        match (of_server(server, objects, findings), &kept) {
            (None, _) => without.push(server),
            (Some(key), None) => {
                let profile = named(server).and_then(|name| objects.find_below("ltm persistence", name));
                profile.into_iter().for_each(|profile| entry.has_part_of(profile.title()));
                kept = Some((key, server.title()));
            }
            (Some(key), Some((known, first))) if key != *known => {
                let message = format!("its persistence (\"{key}\") is not that of {first}, which the pool has");
                findings.add(Severe, server.title(), message, "make two pools of the members, or choose one");
            }
            _ => {}
        }
        if server.word("fallback-persistence").is_some() {
            findings.add(Check, server.title(), "`fallback-persistence` is not carried over", "");
        }
    }
    let Some((key, first)) = kept else { return };
    entry.set("persistence", key);
    // Calls are kept together over UDP only.
    let is_concerned = |server: &&Object| key != "call-id" || server.word("ip-protocol") != Some("tcp");
    for server in without.into_iter().filter(is_concerned) {
        let message = format!("it keeps nothing together on BIG-IP; here its pool does, as {first} says");
        findings.add(Note, server.title(), message, "");
    }
}

/// Says of a virtual server whose pool is taken for a pair what is to be added if it is none.
pub fn report_dropped(server: &Object, objects: &Objects, findings: &mut Findings) {
    let Some(name) = named(server) else { return };
    let message =
        format!("persistence {name} has no meaning where one member has all the work, and is not carried over");
    let remedy = match Profile::of(name, objects).key() {
        Some(key) => format!("for servers that all work at once, add persistence = \"{key}\" to the [[pool]]"),
        None => "for servers that all work at once, choose `persistence` of the [[pool]]: Fairlead keeps by source address or Call-ID".into(),
    };
    findings.add(Check, server.title(), message, remedy);
}

/// The profile by which a virtual server keeps something together.
fn named(server: &Object) -> Option<&str> {
    let named = server.block("persist");
    let is_default = |item: &&Item| word(&item.block, "default") == Some("yes");
    named.iter().find(is_default).or(named.first())?.words.first().map(String::as_str)
}

/// What a virtual server keeps together, as the file calls it; what has no counterpart is reported.
fn of_server(server: &Object, objects: &Objects, findings: &mut Findings) -> Option<&'static str> {
    let name = named(server)?;
    let profile = Profile::of(name, objects);
    let Some(key) = profile.key() else {
        let kind = &profile.kind;
        let message =
            format!("persistence {name} ({kind}) is not carried over: Fairlead keeps by source address or Call-ID");
        findings.add(Severe, server.title(), message, "choose `persistence` of the [[pool]], or none");
        return None;
    };
    if key == "call-id" && server.word("ip-protocol") != Some("udp") {
        let message =
            "calls are kept together by Call-ID over UDP; over TCP, what one connection carries stays together";
        findings.add(Check, server.title(), message, "see whether one connection carries the calls of many");
    }
    let is_host = |mask: &str| matches!(mask, "255.255.255.255" | "any");
    if profile.word("mask").is_some_and(|mask| !is_host(mask)) {
        let message = format!("persistence {name} keeps networks together by a mask; here each address is one");
        findings.add(Check, server.title(), message, "");
    }
    let seconds = profile.word("timeout").and_then(|text| text.parse().ok()).unwrap_or(TIMEOUT);
    let message =
        format!("persistence {name} ends after {seconds} s of silence on BIG-IP, and here after [timeouts] udp");
    findings.add(Note, server.title(), message, "");
    Some(key)
}

/// A profile with all it inherits.
struct Profile<'o> {
    /// Such as `source-addr`.
    kind: String,
    /// Itself, then what it inherits from; BIG-IP's own stand in no file.
    line: Vec<&'o Object>,
}

impl<'o> Profile<'o> {
    fn of(name: &str, objects: &'o Objects) -> Profile<'o> {
        let (mut line, mut next): (Vec<&Object>, _) = (Vec::new(), Some(name));
        while let Some(profile) =
            next.and_then(|name| objects.find_below("ltm persistence", name)).filter(|_| line.len() < DEEPEST)
        {
            line.push(profile);
            next = profile.word("defaults-from");
        }
        let kind = match line.first() {
            Some(profile) => profile.kind.rsplit(' ').next().unwrap_or_default().to_owned(),
            None if leaf(name) == "source_addr" => "source-addr".to_owned(),
            None if leaf(name) == "sip_info" => "sip".to_owned(),
            None => leaf(name).to_owned(),
        };
        Profile { kind, line }
    }

    /// As the file calls it; `None`: it has no counterpart.
    fn key(&self) -> Option<&'static str> {
        match (self.kind.as_str(), self.word("sip-info")) {
            ("source-addr", _) => Some("source"),
            ("sip", None) => Some("call-id"),
            ("sip", Some(header)) if header.eq_ignore_ascii_case("call-id") => Some("call-id"),
            _ => None,
        }
    }

    fn word(&self, key: &str) -> Option<&'o str> {
        self.line.iter().find(|profile| profile.has(key)).and_then(|profile| profile.word(key))
    }
}
