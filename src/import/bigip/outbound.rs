//! What members send outward: SNAT and its exclusion group.
//!
//! Owns where BIG-IP may say it: an iRule on a virtual server that forwards, that server's own translation, a `snat` object with
//! origins; and what an address is that is said by a name. Who comes in by such servers is [`super::access`]'s.

use super::access::LetIn;
use super::irule::{Exclusion, Translation, exclusion};
use super::names::{address, network};
use super::objects::{Object, Objects};
use super::place::{destination, source};
use super::pools::Pools;
use super::servers::report_policy;
use super::tos;
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
    /// Other objects that say so.
    parts: Vec<String>,
    origins: Vec<Ipv4Net>,
    /// What it is translated to; `None`: to the self-IP of the way out.
    addresses: Option<Vec<Ipv4Addr>>,
    exclude: Vec<Ipv4Net>,
}

/// Writes a `[[snat]]` for each pool whose members BIG-IP translates.
pub fn convert(
    passages: &[&Object],
    (pools, let_in): (&Pools, &LetIn),
    objects: &Objects,
    draft: &mut Draft,
    findings: &mut Findings,
) {
    let mut untranslated: Vec<Ipv4Net> = Vec::new();
    // A virtual server takes a packet before any `snat` does; among its equals the more exact one comes first.
    let of_passage = |server: &&Object| of_passage(server, objects, &mut untranslated, findings);
    let mut rules: Vec<Rule> = passages.iter().filter_map(of_passage).collect();
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
            let is_forwarded = untranslated.iter().any(|net| members.iter().any(|member| net.contains(member)));
            not_translated((pool, *first), is_forwarded, let_in, findings);
            continue;
        };
        if found.iter().any(|other| other.is_none_or(|other| !other.does_as(rule))) {
            let message =
                format!("the members of pool `{pool}` go out in different ways on BIG-IP; here all go out alike");
            findings.add(Severe, &rule.title, message, "look at the [[snat]] of the pool");
        }
        let mut entry = Entry::new("snat", &rule.title);
        for other in found.iter().flatten() {
            entry.also_from(&other.title);
            other.parts.iter().for_each(|part| entry.has_part_of(part));
        }
        let at = rule.addresses.iter().flatten().find(|address| own.contains(address)).unwrap_or(first);
        different_source(rule, *at, pool, findings);
        entry.set("pool", pool.as_str()).set("address", at.to_string());
        if !rule.exclude.is_empty() {
            entry.set("exclude", rule.exclude.iter().map(|net| net.trunc().to_string()).collect::<Vec<_>>());
        }
        draft.add(entry);
    }
}

/// Members whose packets leave with their own addresses, where answers come to.
fn not_translated(
    (pool, virtual_address): (&str, Ipv4Addr),
    is_forwarded: bool,
    let_in: &LetIn,
    findings: &mut Findings,
) {
    let message = format!("nothing translates what the members of pool `{pool}` send outward");
    let snat = format!("add [[snat]] with pool = \"{pool}\" and address = \"{virtual_address}\"");
    let Some(whom) = let_in else {
        let remedy = format!("{snat} if peers are to see the virtual address");
        return findings.add(Check, format!("pool {pool}"), message, remedy);
    };
    let dropped = format!("what answers it comes to their own addresses, where [direct_access] lets in {whom}");
    let remedy = format!("{snat}, or name in `allow` of [direct_access] whom they call");
    match is_forwarded {
        true => findings.add(
            Severe,
            format!("pool {pool}"),
            format!("{message}, and BIG-IP forwards it: {dropped}"),
            remedy,
        ),
        false => findings.add(Check, format!("pool {pool}"), format!("{message}, nor forwards it: {dropped}"), remedy),
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
fn of_passage(
    server: &Object,
    objects: &Objects,
    untranslated: &mut Vec<Ipv4Net>,
    findings: &mut Findings,
) -> Option<Rule> {
    report_policy(server, findings);
    if server.has("reject") {
        let message = "it rejects what goes there; Fairlead drops what goes to members and [direct_access] does not allow, and routes the rest";
        findings.add(
            Check,
            server.title(),
            message,
            "see that `allow` of [direct_access] names nobody whom it rejects",
        );
        return None;
    }
    // By what is said of whom it lets in, nothing can be said of one whose source is not of IPv4.
    let origins = vec![source(server).ok()?];
    let (to, _) = destination(server, objects).ok()?;
    if to.prefix_len() > 0 {
        inward(server, to, findings);
        return None;
    }
    tos::report(server, tos::Opener::Member, objects, findings);
    if server.word("pool").is_some() {
        let message = "it sends what passes to a pool of gateways; Fairlead has one route for each destination";
        findings.add(Severe, server.title(), message, "write [[route]] entries for the gateways");
    }
    let (mut found, mut parts) = (None, vec![server.title()]);
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
    let (title, Exclusion { mut prefixes, groups, source }) = found.unwrap_or((server.title(), Exclusion::default()));
    for group in groups {
        prefixes.extend(data_group(&group, &title, objects, findings));
        parts.extend(objects.find("ltm data-group internal", &group).map(Object::title));
    }
    prefixes.sort();
    prefixes.dedup();
    let Some(source) = source.or(own) else {
        untranslated.extend(&origins);
        let message = "it forwards what members send, untranslated; so does Fairlead, between all its interfaces";
        findings.add(Note, server.title(), message, "");
        return None;
    };
    let addresses = addresses(&source, &title, objects, (&mut parts, findings));
    Some(Rule { title, parts, origins, addresses, exclude: prefixes })
}

/// It forwards to networks behind it. What it does besides is not done here: direct access is never translated.
fn inward(server: &Object, to: Ipv4Net, findings: &mut Findings) {
    if let Some(pool) = server.word("pool") {
        let message = format!("it takes all of {to} for pool {pool}; a [[virtual_server]] has one address");
        return findings.add(Severe, server.title(), message, "add a [[virtual_server]] for each address that is used");
    }
    let is_plain =
        translation(server.block("source-address-translation")).is_none() && server.block("rules").is_empty();
    if is_plain {
        let message = format!("it forwards to {to}; so does Fairlead, and to hosts that are no members whoever sends");
        return findings.add(Note, server.title(), message, "");
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
    let mut parts = Vec::new();
    let addresses = addresses(&source, &title, objects, (&mut parts, findings));
    Some(Rule { title, parts, origins, addresses, exclude: Vec::new() })
}

/// The addresses of a translation: by address, by the name of a translation, or all of a pool. Adds the objects that say so to `parts`.
fn addresses(
    source: &Translation,
    title: &str,
    objects: &Objects,
    (parts, findings): (&mut Vec<String>, &mut Findings),
) -> Option<Vec<Ipv4Addr>> {
    let mut translation = |name: &str| {
        let object = objects.find("ltm snat-translation", name);
        parts.extend(object.map(Object::title));
        address(object.and_then(|object| object.word("address")).unwrap_or(name)).ok().map(|(address, _)| address)
    };
    let (name, found) = match source {
        Translation::Automap => return None,
        Translation::Address(name) => (name, translation(name).into_iter().collect()),
        Translation::Pool(name) => {
            let pool = objects.find("ltm snatpool", name);
            let members = pool.map_or(&[][..], |pool| block(&pool.items, "members"));
            let found = names(members).filter_map(&mut translation).collect::<Vec<_>>();
            parts.extend(pool.map(Object::title));
            (name, found)
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
