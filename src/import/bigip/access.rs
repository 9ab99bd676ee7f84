//! Who may reach the members at their own addresses.
//!
//! Owns which of BIG-IP's forwarding virtual servers lead inward, whom each of them takes and to which ports, and what of that
//! `[direct_access]` can say. Without one nobody comes in: BIG-IP forwards only what a virtual server takes.

use super::names::{endpoint, text, widest};
use super::network::{hop, networks};
use super::objects::{Object, Objects, absolute};
use super::place::{destination, source};
use crate::import::draft::{Draft, Entry};
use crate::import::findings::Findings;
use crate::import::findings::Severity::{Check, Note, Severe};
use crate::import::syntax::names;
use ipnet::Ipv4Net;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use toml::{Table, Value};

/// What some virtual server lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Opening {
    from: Vec<Ipv4Net>,
    to: BTreeSet<Ipv4Addr>,
    /// As in `listen`; empty: every port.
    ports: Vec<String>,
}

impl Opening {
    fn covers(&self, other: &Opening) -> bool {
        let is_from = |net: &Ipv4Net| self.from.iter().any(|own| own.contains(net));
        let is_at =
            self.ports.is_empty() || (!other.ports.is_empty() && other.ports.iter().all(|at| self.ports.contains(at)));
        is_at && self.to.is_superset(&other.to) && other.from.iter().all(is_from)
    }

    fn takes_everybody(&self) -> bool {
        self.from.iter().any(|net| net.prefix_len() == 0)
    }
}

/// Whom `[direct_access]` lets in: `None` is everybody, else it is as messages say it.
pub type LetIn = Option<String>;

/// Writes it, by these virtual servers that forward.
pub fn convert(passages: &[&Object], objects: &Objects, draft: &mut Draft, findings: &mut Findings) -> LetIn {
    let all: BTreeSet<Ipv4Addr> = draft.members().map(|(.., address)| address).collect();
    if all.is_empty() {
        return None;
    }
    let mut entry =
        Entry::new("direct_access", "who may reach the members at their own addresses, beside the exclusion groups");
    let openings = openings(passages, &all, objects, (&*draft, &mut entry), findings);
    let (whole, parts): (Vec<Opening>, Vec<Opening>) =
        openings.into_iter().partition(|opening| opening.ports.is_empty() && opening.to == all);
    let allow = widest(whole.into_iter().flat_map(|opening| opening.from).collect());
    let whole = Opening { from: allow.clone(), to: all, ports: Vec::new() };
    let mut rules: Vec<Opening> = Vec::new();
    for part in parts {
        if !whole.covers(&part) && !rules.contains(&part) {
            rules.push(part);
        }
    }
    if allow.is_empty() && rules.is_empty() {
        let message = "no virtual server forwards to the members' own addresses: nobody may reach them there but the exclusion groups";
        let remedy = "name in `allow` of [direct_access] who must: T-clients, monitoring, administrators";
        findings.add(Note, "the new file", message, remedy);
    }
    entry.set("allow", allow.iter().map(|net| text(*net)).collect::<Vec<_>>());
    if !rules.is_empty() {
        entry.set("rules", rules.iter().map(|rule| table(rule, draft)).collect::<Vec<_>>());
    }
    draft.add(entry);
    (!whole.takes_everybody()).then(|| match (&allow[..], &rules[..]) {
        ([], []) => "nobody".to_owned(),
        _ => "only whom it names".to_owned(),
    })
}

/// What all of them let in. One that is limited to a protocol counts where others let in the same, as F5's for UDP beside one for all.
fn openings(
    passages: &[&Object],
    all: &BTreeSet<Ipv4Addr>,
    objects: &Objects,
    (draft, entry): (&Draft, &mut Entry),
    findings: &mut Findings,
) -> Vec<Opening> {
    let (mut openings, mut limited) = (Vec::new(), Vec::new());
    for &server in passages {
        let found = openings_of(server, all, objects, findings);
        match protocol_alone(server) {
            _ if found.is_empty() => {}
            Some(protocol) => limited.push((server, protocol, found)),
            None => {
                found.iter().for_each(|opening| said(server, opening, all, draft, findings));
                entry.also_from(server.title());
                openings.extend(found);
            }
        }
    }
    for (server, protocol, found) in limited {
        if found.iter().all(|part| openings.iter().any(|known| known.covers(part))) {
            entry.has_part_of(server.title());
            continue;
        }
        let message = format!(
            "it lets {protocol} alone reach members at their own addresses, at every port, which no rule here can say: it lets nobody \
             in here"
        );
        findings.add(Severe, server.title(), message, "write a rule of [direct_access] with the ports that are used");
    }
    openings
}

/// What a virtual server lets in, by members whom the same may reach; what cannot be said is reported.
fn openings_of(server: &Object, all: &BTreeSet<Ipv4Addr>, objects: &Objects, findings: &mut Findings) -> Vec<Opening> {
    // Where it goes is not where it is sent: to gateways, or nowhere.
    if server.word("pool").is_some() || server.has("reject") {
        return Vec::new();
    }
    let Ok((net, port)) = destination(server, objects) else { return Vec::new() };
    let to: Vec<Ipv4Addr> = all.iter().copied().filter(|member| net.contains(member)).collect();
    let Ok(from) = source(server) else {
        let message = format!(
            "its source `{}` is no network of IPv4: it lets nobody in here",
            server.word("source").unwrap_or_default()
        );
        findings.add(Severe, server.title(), message, "write the networks into `allow` of [direct_access]");
        return Vec::new();
    };
    let from = by_vlan(from, server, objects);
    let ports = match port {
        0 => Vec::new(),
        port => {
            let protocols = match server.word("ip-protocol") {
                None | Some("any") => vec!["udp", "tcp"],
                Some(one) => vec![one],
            };
            protocols.into_iter().map(|protocol| format!("{protocol}/{port}")).collect()
        }
    };
    let links: Vec<Ipv4Net> = objects.of("net vlan").flat_map(|vlan| networks(objects, vlan)).collect();
    let mut found: BTreeMap<Vec<Ipv4Net>, BTreeSet<Ipv4Addr>> = BTreeMap::new();
    for member in to {
        let far = from.iter().copied().filter(|net| !is_near(*net, member, &links)).collect();
        found.entry(far).or_default().insert(member);
    }
    let found = found.into_iter().filter(|(from, _)| !from.is_empty());
    found.map(|(from, to)| Opening { from, to, ports: ports.clone() }).collect()
}

/// The protocol to which a virtual server is limited in a way that no rule can say: all ports of one, or one without ports.
fn protocol_alone(server: &Object) -> Option<&str> {
    let protocol = server.word("ip-protocol").filter(|protocol| *protocol != "any")?;
    let has_port = server.word("destination").and_then(|text| endpoint(text).ok()).is_some_and(|(_, port)| port != 0);
    (!has_port || !matches!(protocol, "udp" | "tcp")).then_some(protocol)
}

/// Of those from whom it takes packets, whoever comes by its VLANs: their own networks, and those that are routed that way.
fn by_vlan(from: Ipv4Net, server: &Object, objects: &Objects) -> Vec<Ipv4Net> {
    let Some(vlans) = vlans_of(server, objects) else { return vec![from] };
    let mut reached: Vec<Ipv4Net> = vlans.into_iter().flat_map(|vlan| networks(objects, vlan)).collect();
    let routed: Vec<Ipv4Net> = objects
        .of("net route")
        .filter_map(hop)
        .filter(|(_, via)| reached.iter().any(|net| net.contains(via)))
        .map(|(to, _)| to)
        .collect();
    reached.extend(routed);
    let common = |net: &Ipv4Net| match (from.contains(net), net.contains(&from)) {
        (true, _) => Some(*net),
        (_, true) => Some(from),
        _ => None,
    };
    widest(reached.iter().filter_map(common).collect())
}

/// The VLANs by which it takes packets; `None`: by all, or by one that is not in these files.
fn vlans_of<'o>(server: &Object, objects: &'o Objects) -> Option<Vec<&'o Object>> {
    let named: BTreeSet<String> = names(server.block("vlans")).map(absolute).collect();
    let is_named = |vlan: &&Object| named.contains(&vlan.name);
    let vlans = objects.of("net vlan");
    match () {
        () if server.has("vlans-enabled") => {
            Some(vlans.filter(is_named).collect::<Vec<_>>()).filter(|found| found.len() == named.len())
        }
        () if server.has("vlans-disabled") && !named.is_empty() => Some(vlans.filter(|vlan| !is_named(vlan)).collect()),
        () => None,
    }
}

/// Whoever is there sends to the member directly, not through the appliance. Where nothing is known of networks, sources that a member
/// is among are those of members.
fn is_near(from: Ipv4Net, member: Ipv4Addr, links: &[Ipv4Net]) -> bool {
    match links.iter().find(|net| net.contains(&member)) {
        Some(own) => own.contains(&from),
        None => from.prefix_len() > 0 && from.contains(&member),
    }
}

/// Says of a virtual server whom it lets in.
fn said(server: &Object, opening: &Opening, all: &BTreeSet<Ipv4Addr>, draft: &Draft, findings: &mut Findings) {
    let whom = match opening.takes_everybody() {
        true => "everybody".to_owned(),
        false => opening.from.iter().map(|net| text(*net)).collect::<Vec<_>>().join(", "),
    };
    let to = match opening.to == *all {
        true => "the members".to_owned(),
        false => targets(&opening.to, draft).join(", "),
    };
    let at = if opening.ports.is_empty() { String::new() } else { format!(" at {}", opening.ports.join(", ")) };
    let message = format!("it lets {whom} reach {to} at their own addresses{at}, and so does [direct_access]");
    let is_by_vlan = !opening.takes_everybody() && source(server).is_ok_and(|source| opening.from != [source]);
    match (opening.takes_everybody(), is_by_vlan) {
        (true, _) => {
            let remedy = "name the networks that must instead: T-clients, monitoring, administrators";
            findings.add(Check, server.title(), message, remedy);
        }
        (_, true) => {
            let message = format!("{message}: they are those whom its VLANs lead to");
            findings.add(Check, server.title(), message, "see that these are all who must");
        }
        _ => findings.add(Note, server.title(), message, ""),
    }
}

/// A rule as the file has it.
fn table(rule: &Opening, draft: &Draft) -> Value {
    let list = |texts: Vec<String>| Value::Array(texts.into_iter().map(Value::from).collect());
    let mut table = Table::new();
    table.insert("from".into(), list(rule.from.iter().map(|net| text(*net)).collect()));
    table.insert("to".into(), list(targets(&rule.to, draft)));
    if !rule.ports.is_empty() {
        table.insert("ports".into(), list(rule.ports.clone()));
    }
    Value::Table(table)
}

/// The names of these members, and of pools of which all members are among them.
fn targets(to: &BTreeSet<Ipv4Addr>, draft: &Draft) -> Vec<String> {
    let mut pools: Vec<(&str, Vec<(&str, Ipv4Addr)>)> = Vec::new();
    for (pool, member, address) in draft.members() {
        match pools.last_mut() {
            Some((known, members)) if *known == pool => members.push((member, address)),
            _ => pools.push((pool, vec![(member, address)])),
        }
    }
    let mut names = Vec::new();
    for (pool, members) in pools {
        let is_in = |(_, address): &&(&str, Ipv4Addr)| to.contains(address);
        match members.iter().all(|member| is_in(&member)) {
            true => names.push(pool.to_owned()),
            false => names.extend(members.iter().filter(is_in).map(|(name, _)| (*name).to_owned())),
        }
    }
    names
}
