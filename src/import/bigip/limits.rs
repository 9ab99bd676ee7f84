//! Limits of connections: of virtual servers, of pool members and of nodes.
//!
//! Owns what the limits of several are together that are one thing here, and where a limit would limit nothing.

use super::objects::{Object, Objects, absolute};
use crate::import::findings::Findings;
use crate::import::findings::Severity::{Check, Note, Severe};

/// What BIG-IP calls a limit and what Fairlead does, and the most that can be written.
const KEYS: [(&str, &str, u64); 2] =
    [("connection-limit", "connection_limit", 1_000_000_000), ("rate-limit", "connection_rate_limit", 1_000_000)];

/// The word behind a key.
pub type Words<'o> = Box<dyn Fn(&str) -> Option<&'o str> + 'o>;

/// What is limited.
pub struct Limited<'o> {
    /// The object that it is said of.
    pub title: String,
    /// What it is in a message; empty: the object itself.
    pub whose: String,
    /// TCP goes there: UDP to a pair is in no connection.
    pub has_connections: bool,
    /// Those that are one thing here.
    pub parts: Vec<Words<'o>>,
}

/// The keys to write, each with the limit of all parts together.
pub fn carried(limited: &Limited<'_>, findings: &mut Findings) -> Vec<(&'static str, i64)> {
    let all = KEYS.into_iter().filter_map(|(theirs, ours, most)| {
        let parts: Vec<u64> = limited.parts.iter().map(|word| number(word(theirs))).collect();
        Some((ours, one(limited, (theirs, ours, most), &parts, findings)?))
    });
    all.collect()
}

fn one(
    limited: &Limited<'_>,
    (theirs, ours, most): (&str, &str, u64),
    parts: &[u64],
    findings: &mut Findings,
) -> Option<i64> {
    let of = if limited.whose.is_empty() { String::new() } else { format!(" of {}", limited.whose) };
    let mut add = |severity, message: String, remedy: &str| findings.add(severity, &*limited.title, message, remedy);
    let sum: u64 = parts.iter().sum();
    if sum == 0 {
        return None;
    }
    if !limited.has_connections {
        let message =
            format!("`{theirs}`{of} is not carried over: here UDP is in no connection where one member is active");
        add(Severe, message, "it can be limited in a pool whose mode has several active members");
        return None;
    }
    if parts.contains(&0) {
        let message = format!(
            "`{theirs}`{of} is on some of its ports only, and is not carried over: here all are counted together"
        );
        add(Severe, message, &format!("set {ours} by hand"));
        return None;
    }
    if sum > most {
        add(Note, format!("`{theirs}`{of} is {sum}, beyond what can be limited here"), "");
        return None;
    }
    if parts.len() > 1 {
        let message = format!(
            "`{theirs}`{of} was counted for each of its ports; here all are counted together, and the sum is the limit"
        );
        add(Check, message, &format!("see whether {ours} is right"));
    }
    i64::try_from(sum).ok()
}

/// `disabled`, and nothing, is no limit.
fn number(word: Option<&str>) -> u64 {
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// Limits that are counted otherwise than for the whole object.
pub fn report_mode(server: &Object, findings: &mut Findings) {
    if number(server.word("rate-limit")) > 0
        && let Some(mode) = server.word("rate-limit-mode").filter(|mode| *mode != "object")
    {
        let message =
            format!("`rate-limit-mode {mode}` is not carried over: here the rate is that of the whole virtual server");
        findings.add(Check, server.title(), message, "see whether connection_rate_limit is right");
    }
}

/// A virtual server in front of one of these pools takes TCP.
pub fn takes_tcp<'p>(objects: &Objects, pools: impl Iterator<Item = &'p str> + Clone) -> bool {
    objects.of("ltm virtual").any(|server| {
        let pool = server.word("pool").map(absolute);
        server.word("ip-protocol") != Some("udp") && pools.clone().any(|name| pool.as_deref() == Some(name))
    })
}
