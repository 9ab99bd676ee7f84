//! Two BIG-IPs that stand in for each other: a pair here.
//!
//! Owns how they are known: by a device group that fails over. Every BIG-IP has device groups and traffic groups of its own, also
//! one that is alone.

use super::objects::{Object, Objects};
use crate::import::draft::{Draft, Entry};
use crate::import::findings::Findings;
use crate::import::findings::Severity::{Check, Note, Severe};

/// Where a pair is described.
pub const CHAPTER: &str = "the chapter \"Two appliances, with keepalived\"";

/// Writes the pair, if the BIG-IP is one of two.
pub fn convert(objects: &Objects, draft: &mut Draft, findings: &mut Findings) {
    for group in objects.of("cm device-group").filter(|group| !fails_over(group)) {
        findings.add(Note, group.title(), "nothing fails over in it, and nothing is lost without it", "");
    }
    for score in objects.of("sys ha-group") {
        let message =
            "it says by pools and trunks which of two BIG-IPs is active: here keepalived does, by `fairlead health`";
        findings.add(Check, score.title(), message, format!("see {CHAPTER}"));
    }
    let mut groups = objects.of("cm device-group").filter(|group| fails_over(group));
    let Some(first) = groups.next() else { return };
    let mut entry = Entry::new("pair", first.title());
    groups.for_each(|other| entry.also_from(other.title()));
    entry.set_because("role", "active", "from the start until keepalived or an operator says otherwise");
    draft.add(entry);
    let message = "two BIG-IPs stand in for each other; in this file nothing says yet who is active, and the appliance of it is, from its start";
    let remedy = format!(
        "for two, set both up as in {CHAPTER}, the other one with role = \"standby\" and `addresses` of its own; for one alone, remove \
         [pair] and write what is `floating` under `addresses`"
    );
    findings.add(Severe, first.title(), message, remedy);
}

/// The BIG-IP is one of two.
pub fn is_one(objects: &Objects) -> bool {
    objects.of("cm device-group").any(fails_over)
}

fn fails_over(group: &Object) -> bool {
    group.word("type") == Some("sync-failover") && group.block("devices").len() != 1
}
