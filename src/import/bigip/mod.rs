//! BIG-IP's `bigip.conf` and `bigip_base.conf`.
//!
//! Owns the order: what stands in the files, then networks, pools with their monitors, virtual servers, who comes in, what goes outward,
//! time-outs; and what is said of objects that have no counterpart. Read first: [`objects`].

mod access;
mod health;
mod irule;
mod limits;
mod names;
mod network;
mod objects;
mod outbound;
mod pair;
mod place;
mod pools;
mod profiles;
mod servers;
mod timeouts;
mod tos;

#[cfg(test)]
mod tests;

use super::draft::{Draft, Entry, label};
use super::findings::Findings;
use super::findings::Severity::{Check, Note, Severe};
use super::source::{Source, Unreadable};
use super::syntax::{Dialect, items};
use objects::{Object, Objects};
use servers::Purpose;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Kinds of objects that something is made of, or that say by themselves that nothing is.
const KNOWN: &[&str] = &[
    "ltm virtual",
    "ltm virtual-address",
    "ltm pool",
    "ltm node",
    "ltm default-node-monitor",
    "ltm rule",
    "ltm snat",
    "ltm nat",
    "ltm snatpool",
    "ltm snat-translation",
    "ltm data-group internal",
    "ltm data-group external",
    "net self",
    "net vlan",
    "net trunk",
    "net route",
    "net interface",
    "cm device-group",
    "sys ha-group",
    "sys global-settings",
];
/// The beginnings of others.
const KNOWN_BELOW: &[&str] = &["ltm monitor", "ltm profile", "ltm persistence"];
/// What says who may send what, for all of a BIG-IP.
const FILTERS: &[&str] = &["net packet-filter", "security firewall policy", "security firewall global-rules"];

/// All titles, each with the place where the object stands.
pub type Titles = Vec<(String, String)>;

/// Reads the files and writes the draft.
///
/// # Errors
/// A file whose braces or quotes do not match.
pub fn convert(files: &[Source], draft: &mut Draft, findings: &mut Findings) -> Result<Titles, Unreadable> {
    let mut objects = Objects::default();
    for file in files {
        objects.add(&file.name, items(&file.name, &file.text, Dialect::Tmsh)?);
    }
    appliance(&objects, draft);
    network::convert(&objects, draft, findings);
    pair::convert(&objects, draft, findings);
    let (mut services, mut passages): (Vec<(&Object, Ipv4Addr, u16)>, Vec<&Object>) = Default::default();
    for purpose in servers::purposes(&objects, findings) {
        match purpose {
            Purpose::Service(server, address, port) => services.push((server, address, port)),
            Purpose::Passage(server) => passages.push(server),
        }
    }
    if services.is_empty() {
        findings.add(
            Severe,
            "ltm virtual",
            "there is no virtual server with an address of its own in these files",
            "pass bigip.conf as well",
        );
    }
    let servers: Vec<&Object> = services.iter().map(|(server, ..)| *server).collect();
    let pools = pools::convert(&servers, &objects, draft, findings);
    servers::convert(&services, &pools, &objects, draft, findings);
    let let_in = access::convert(&passages, &objects, draft, findings);
    outbound::convert(&passages, (&pools, &let_in), &objects, draft, findings);
    routed(draft, findings);
    let all: Vec<&Object> = servers.into_iter().chain(passages).collect();
    timeouts::convert(&all, &objects, draft, findings);
    for pool in objects.of("ltm pool").filter(|pool| !pools.known.contains_key(&pool.name)) {
        let used = services
            .iter()
            .any(|(server, ..)| server.word("pool").is_some_and(|name| objects::absolute(name) == pool.name));
        if !used {
            findings.add(Note, pool.title(), "no virtual server with an address of its own uses it", "");
        }
    }
    others(&objects, findings);
    Ok(objects.all().iter().map(|object| (object.title(), object.place.clone())).collect())
}

/// The appliance is called as the BIG-IP was.
fn appliance(objects: &Objects, draft: &mut Draft) {
    let Some(settings) = objects.of("sys global-settings").next() else { return };
    if let Some(host) = settings.word("hostname").and_then(|name| name.split('.').next()) {
        let mut entry = Entry::new("appliance", settings.title());
        entry.set("name", label(host));
        draft.add(entry);
    }
}

/// BIG-IP forwards only what a virtual server takes.
fn routed(draft: &Draft, findings: &mut Findings) {
    if draft.of("interface").nth(1).is_some() {
        let message = "what is neither to nor from members is routed between all interfaces, whoever sends it; BIG-IP forwards what a virtual \
                       server takes";
        findings.add(Check, "the new file", message, "filter on the router what other hosts must not be sent");
    }
}

/// Kinds without a counterpart, each once.
fn others(objects: &Objects, findings: &mut Findings) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for object in objects.all() {
        let is_below = |kind: &&str| object.kind.starts_with(*kind);
        if !KNOWN.contains(&object.kind.as_str()) && !KNOWN_BELOW.iter().any(is_below) {
            *counts.entry(&object.kind).or_default() += 1;
        }
    }
    for (kind, count) in counts {
        let objects = if count == 1 { "one object".into() } else { format!("{count} objects") };
        match FILTERS.contains(&kind) {
            true => findings.add(
                Severe,
                kind,
                format!("{objects} that say who may send what: filters are not carried over"),
                "filter on the router, or by `allow` of [[virtual_server]] and [direct_access]",
            ),
            false => findings.add(Note, kind, format!("{objects} without a counterpart in Fairlead"), ""),
        }
    }
}
