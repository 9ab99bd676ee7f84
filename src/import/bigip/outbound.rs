//! What members send outward: SNAT and its exclusion group.
//!
//! Owns where BIG-IP may say it: an iRule on a virtual server that forwards, that server's own translation, a `snat` object with
//! origins; and what an address is that is said by a name.

use super::irule::{Exclusion, Translation, exclusion};
use super::names::{address, endpoint, network};
use super::objects::{Object, Objects};
use super::pools::Pools;
use crate::import::draft::{Draft, Entry};
use crate::import::findings::Findings;
use crate::import::findings::Severity::{Check, Note, Severe};
use crate::import::syntax::{Item, block, names, word};
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;
use toml::Value;

/// How what comes from some sources is translated.
struct Rule {
    title: String,
    origins: Vec<Ipv4Net>,
    /// What it is translated to; `None`: to the self-IP of the way out.
    addresses: Option<Vec<Ipv4Addr>>,
    exclude: Vec<Ipv4Net>,
}

/// Writes a `[[snat]]` for each pool whose members BIG-IP translates.
pub fn convert(passages: &[&Object], pools: &Pools, objects: &Objects, draft: &mut Draft, findings: &mut Findings) {
    // A virtual server takes a packet before any `snat` does; among its equals the more exact one comes first.
    let mut rules: Vec<Rule> = passages.iter().filter_map(|server| of_passage(server, objects, findings)).collect();
    let mut snats: Vec<Rule> = objects.of("ltm snat").filter_map(|snat| of_snat(snat, objects, findings)).collect();
    for group in [&mut rules, &mut snats] {
        group.sort_by_key(|rule| std::cmp::Reverse(rule.origins.iter().map(Ipv4Net::prefix_len).min()));
    }
    rules.append(&mut snats);
    for nat in objects.of("ltm nat") {
        let message = "a translation one to one has no counterpart";
        findings.add(Severe, nat.title(), message, "members go out with the address of their virtual server");
    }
    for (pool, members) in &pools.members {
        let servers =
            draft.of("virtual_server").filter(|server| server.get("pool").and_then(Value::as_str) == Some(pool));
        let own: Vec<Ipv4Addr> =
            servers.filter_map(|server| server.get("address").and_then(Value::as_str)?.parse().ok()).collect();
        let Some(first) = own.first() else { continue };
        let of_member =
            |member: &Ipv4Addr| rules.iter().find(|rule| rule.origins.iter().any(|net| net.contains(member)));
        let found: Vec<Option<&Rule>> = members.iter().map(of_member).collect();
        let Some(rule) = found.iter().flatten().next() else {
            let message = format!("nothing translates what the members of pool `{pool}` send outward");
            let remedy = format!(
                "add [[snat]] with pool = \"{pool}\" and address = \"{first}\" if peers are to see the virtual address"
            );
            findings.add(Check, format!("pool {pool}"), message, remedy);
            continue;
        };
        if found.iter().any(|other| other.is_none_or(|other| !other.does_as(rule))) {
            let message =
                format!("the members of pool `{pool}` go out in different ways on BIG-IP; here all go out alike");
            findings.add(Severe, &rule.title, message, "look at the [[snat]] of the pool");
        }
        let mut entry = Entry::new("snat", &rule.title);
        found.iter().flatten().for_each(|other| entry.also_from(&other.title));
        let at = rule.addresses.iter().flatten().find(|address| own.contains(address)).unwrap_or(first);
        different_source(rule, *at, pool, findings);
        entry.set("pool", pool.as_str()).set("address", at.to_string());
        if !rule.exclude.is_empty() {
            entry.set("exclude", rule.exclude.iter().map(|net| net.trunc().to_string()).collect::<Vec<_>>());
        }
        draft.add(entry);
    }
}

/// Peers see another address than before.
fn different_source(rule: &Rule, at: Ipv4Addr, pool: &str, findings: &mut Findings) {
    let others: Vec<String> = match &rule.addresses {
        None => vec!["the self-IP of the way out".into()],
        Some(addresses) => addresses.iter().filter(|other| **other != at).map(ToString::to_string).collect(),
    };
    if !others.is_empty() {
        let message =
            format!("pool `{pool}` goes out as {} on BIG-IP; here as {at}, its virtual address", others.join(", "));
        findings.add(Severe, &rule.title, message, "tell whoever filters by source address");
    }
}

impl Rule {
    /// Whatever their origins, the two do the same.
    fn does_as(&self, other: &Rule) -> bool {
        (&self.addresses, &self.exclude) == (&other.addresses, &other.exclude)
    }
}

/// What a virtual server that forwards does to sources.
fn of_passage(server: &Object, objects: &Objects, findings: &mut Findings) -> Option<Rule> {
    let origins = vec![server.word("source").and_then(|source| network(source).ok()).unwrap_or_default()];
    let destination = server.word("destination").unwrap_or("any:any");
    if endpoint(destination).and_then(|(host, _)| address(host)).is_ok_and(|(to, _)| !to.is_unspecified()) {
        inward(server, destination, findings);
        return None;
    }
    if server.word("pool").is_some() {
        let message = "it sends what passes to a pool of gateways; Fairlead has one route for each destination";
        findings.add(Severe, server.title(), message, "write [[route]] entries for the gateways");
    }
    let mut found = None;
    for name in names(server.block("rules")) {
        let rule = objects.find("ltm rule", name);
        match rule.and_then(|rule| exclusion(&rule.text)) {
            Some(exclusion) if found.is_none() => found = Some((rule.map_or(server.title(), Object::title), exclusion)),
            _ => {
                let message = format!("what iRule {name} does was not understood");
                findings.add(
                    Severe,
                    server.title(),
                    message,
                    "write the destinations it does not translate into `exclude` of [[snat]]",
                );
            }
        }
    }
    let own = translation(server.block("source-address-translation"));
    let Some((title, Exclusion { mut prefixes, groups, source })) = found else {
        let title = server.title();
        let Some(source) = own else {
            findings.add(Note, title, "it forwards; so does Fairlead, between all its interfaces", "");
            return None;
        };
        let addresses = addresses(&source, &title, objects, findings);
        return Some(Rule { title, origins, addresses, exclude: Vec::new() });
    };
    for group in groups {
        prefixes.extend(data_group(&group, &title, objects, findings));
    }
    prefixes.sort();
    prefixes.dedup();
    let source = source.or(own)?;
    let addresses = addresses(&source, &title, objects, findings);
    Some(Rule { title, origins, addresses, exclude: prefixes })
}

/// It forwards to networks behind it. What it does besides is not done here: direct access is never translated.
fn inward(server: &Object, to: &str, findings: &mut Findings) {
    let is_plain =
        translation(server.block("source-address-translation")).is_none() && server.block("rules").is_empty();
    if is_plain {
        return findings.add(Note, server.title(), "it forwards; so does Fairlead, between all its interfaces", "");
    }
    let message = format!("it translates or rules what goes to {to}; Fairlead routes that as it is");
    findings.add(
        Severe,
        server.title(),
        message,
        "the hosts there see the real sources, and need a route back through Fairlead",
    );
}

/// `source-address-translation { type snat pool /Common/p }`
fn translation(items: &[Item]) -> Option<Translation> {
    match word(items, "type")? {
        "automap" => Some(Translation::Automap),
        "snat" => word(items, "pool").map(|pool| Translation::Pool(pool.to_owned())),
        _ => None,
    }
}

/// `ltm snat`: by where packets come from.
fn of_snat(snat: &Object, objects: &Objects, findings: &mut Findings) -> Option<Rule> {
    let title = snat.title();
    let origins: Vec<Ipv4Net> = names(snat.block("origins")).filter_map(|text| network(text).ok()).collect();
    let source = match (snat.word("translation"), snat.word("snatpool")) {
        (Some(translation), _) => Translation::Address(translation.to_owned()),
        (_, Some(pool)) => Translation::Pool(pool.to_owned()),
        // A bare word.
        _ if snat.has("automap") => Translation::Automap,
        _ => {
            findings.add(Severe, title, "it does not say what it translates to", "write a [[snat]] by hand");
            return None;
        }
    };
    let addresses = addresses(&source, &title, objects, findings);
    Some(Rule { title, origins, addresses, exclude: Vec::new() })
}

/// The addresses of a translation: by address, by the name of a translation, or all of a pool.
fn addresses(source: &Translation, title: &str, objects: &Objects, findings: &mut Findings) -> Option<Vec<Ipv4Addr>> {
    let translation = |name: &str| {
        let object = objects.find("ltm snat-translation", name).and_then(|object| object.word("address"));
        address(object.unwrap_or(name)).ok().map(|(address, _)| address)
    };
    let (name, found) = match source {
        Translation::Automap => return None,
        Translation::Address(name) => (name, translation(name).into_iter().collect()),
        Translation::Pool(name) => {
            let pool = objects.find("ltm snatpool", name);
            let members = pool.map_or(&[][..], |pool| block(&pool.items, "members"));
            (name, names(members).filter_map(translation).collect::<Vec<_>>())
        }
    };
    if found.is_empty() {
        findings.add(
            Severe,
            title,
            format!("no address of IPv4 is known of `{name}`"),
            "look at the address of the [[snat]]",
        );
    }
    Some(found)
}

/// The networks of a data group.
fn data_group(name: &str, title: &str, objects: &Objects, findings: &mut Findings) -> Vec<Ipv4Net> {
    let Some(group) = objects.find("ltm data-group internal", name) else {
        let message = match objects.find("ltm data-group external", name) {
            Some(_) => format!("data group {name} is kept in a file of its own, which was not passed"),
            None => format!("data group {name} is in none of these files"),
        };
        findings.add(Severe, title, message, "write its networks into `exclude` of the [[snat]]");
        return Vec::new();
    };
    let mut found = Vec::new();
    for record in group.block("records") {
        // Old files say `host` or `network` first; one was seen with the group's type among its records.
        let text = match record.words.as_slice() {
            [kind, text, ..] if matches!(kind.as_str(), "host" | "network") => text,
            [kind, _] if kind == "type" => continue,
            [text, ..] => text,
            [] => continue,
        };
        match network(text) {
            Ok(net) => found.push(net),
            Err(_) => findings.add(
                Severe,
                group.title(),
                format!("{text} is no network of IPv4"),
                "see `exclude` of the [[snat]]",
            ),
        }
    }
    found
}
