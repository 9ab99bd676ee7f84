//! Pools and nodes: pools of Fairlead, each member in one of them.
//!
//! Owns which pools of BIG-IP are one here: a server with several services is one member, so pools of the same nodes are joined,
//! and what each asked of its port becomes a monitor with that port. How its members share the work is [`sharing`]'s and
//! [`persistence`]'s to say.

mod listed;
mod persistence;
mod sharing;

use super::health::{Health, rule};
use super::limits::{self, Limited, Words};
use super::objects::{Object, Objects, absolute};
use crate::import::draft::{self, Draft, Entry};
use crate::import::findings::Findings;
use crate::import::findings::Severity::{Check, Note, Severe};
use crate::import::syntax::{all_words, word};
use crate::policy::intent::AdminState;
use listed::{Listed, Member, members};
pub use persistence::report_dropped;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use toml::{Table, Value};

/// What the pools have become.
#[derive(Default)]
pub struct Pools {
    /// By name with partition: what Fairlead calls it, and the port its members listen on.
    pub known: BTreeMap<String, (String, BTreeSet<u16>)>,
    /// By what Fairlead calls it: the members' addresses.
    pub members: BTreeMap<String, Vec<Ipv4Addr>>,
    /// By what Fairlead calls it: those of which several members are active.
    pub shared: BTreeSet<String>,
    /// By what Fairlead calls it: those of which one is, as nothing says that both of them work at once.
    pub guessed: BTreeSet<String>,
}

/// Writes the pools of these virtual servers, and the monitors they use.
pub fn convert<'o>(servers: &[&'o Object], objects: &'o Objects, draft: &mut Draft, findings: &mut Findings) -> Pools {
    let mut groups: Vec<(BTreeSet<Ipv4Addr>, Vec<Listed<'_>>)> = Vec::new();
    let mut seen = BTreeSet::new();
    for name in servers.iter().filter_map(|server| server.word("pool")) {
        let Some(pool) = objects.find("ltm pool", name) else {
            findings.add(
                Severe,
                format!("ltm pool {}", absolute(name)),
                "it is in none of these files",
                "pass the file that has it",
            );
            continue;
        };
        if !seen.insert(pool.name.clone()) {
            continue;
        }
        let members = members(objects, pool, findings);
        let addresses: BTreeSet<Ipv4Addr> = members.iter().map(|member| member.address).collect();
        match groups.iter_mut().find(|(known, _)| *known == addresses) {
            _ if addresses.is_empty() => {
                findings.add(Severe, pool.title(), "it has no member of IPv4", "add a [[pool]] by hand")
            }
            Some((_, pools)) => pools.push((pool, members)),
            None => groups.push((addresses, vec![(pool, members)])),
        }
    }
    let (mut pools, mut health, mut taken) = (Pools::default(), Health::default(), BTreeMap::new());
    for (addresses, group) in groups {
        let (first, _) = &group[0];
        if let Some((other, address)) = addresses.iter().find_map(|at| taken.get(at).map(|other: &String| (other, at)))
        {
            let message =
                format!("{address} is in {other} as well, with other members beside it: a server is in one pool");
            findings.add(
                Severe,
                first.title(),
                message,
                "make one pool of both, or add it by hand with other addresses",
            );
            continue;
        }
        taken.extend(addresses.iter().map(|at| (*at, first.title())));
        write((&group, servers), objects, &mut health, &mut pools, draft, findings);
    }
    pools
}

/// What the members of a pool of this name are called.
fn labels_of(members: &[Member<'_>], pool: &String, draft: &Draft) -> Vec<String> {
    let mut labels = Vec::new();
    for member in members {
        // A rule that names it does not mean the pool.
        let others: Vec<String> = labels.iter().chain([pool]).cloned().collect();
        labels.push(draft.free_member(&member.node, &others));
    }
    labels
}

fn write(
    (group, servers): (&[Listed<'_>], &[&Object]),
    objects: &Objects,
    health: &mut Health,
    pools: &mut Pools,
    draft: &mut Draft,
    findings: &mut Findings,
) {
    let [(first, members), others @ ..] = group else { return };
    let name = draft.free_name("pool", &first.name);
    let mut entry = Entry::new("pool", first.title());
    entry.set("name", name.as_str());
    let labels = labels_of(members, &name, draft);
    let nodes = group.iter().flat_map(|(_, members)| members).filter_map(|it| objects.find("ltm node", &it.node));
    nodes.for_each(|node| entry.has_part_of(node.title()));
    let sharing = sharing::decide(group, objects, findings);
    let has_connections =
        sharing.is_shared() || limits::takes_tcp(objects, group.iter().map(|(pool, _)| pool.name.as_str()));
    let mut limited: Vec<&str> = Vec::new();
    let tables = labels.iter().zip(members).zip(&sharing.each).map(|((label, member), share)| {
        let mut table = draft::member_with(label, member.address, *share);
        for (key, limit) in limits_of(member, group, has_connections, objects, findings) {
            limited.push(key);
            table.as_table_mut().into_iter().for_each(|table| _ = table.insert(key.into(), limit.into()));
        }
        if let Some(state) = admin_state(member, group, objects, findings) {
            report_state(member, label, (group, state), objects, findings);
            table
                .as_table_mut()
                .into_iter()
                .for_each(|table| _ = table.insert("admin_state".into(), state.to_string().into()));
        }
        table
    });
    entry.set("members", tables.collect::<Vec<_>>());
    sharing.report_limits(first, limited.into_iter(), findings);
    for (other, _) in others {
        entry.also_from(other.title());
        let message = format!("it has the members of {}, so both are pool `{name}`", first.title());
        findings.add(Note, other.title(), message, "");
    }
    let mut monitors = monitors(group, &mut entry, objects, health, draft, findings);
    if monitors.is_empty() {
        let message = "nothing that was carried over asks its members whether they live: they are asked by SIP OPTIONS";
        findings.add(Severe, first.title(), message, "try `fairlead probe now MEMBER` before you rely on it");
        monitors.push(draft.sip_options(&first.title()));
    }
    if monitors.iter().any(|label| health.is_manual(label)) {
        entry.set("manual_resume", true);
    }
    entry.set("monitors", monitors);
    sharing.write(first, &mut entry, findings);
    if sharing.is_guessed() {
        pools.guessed.insert(name.clone());
    }
    if sharing.is_shared() {
        persistence::convert(group, servers, objects, &mut entry, findings);
        pools.shared.insert(name.clone());
    }
    service_down(first, &mut entry, findings);
    group.iter().for_each(|(pool, members)| report(pool, members, findings));
    draft.add(entry);
    pools.members.insert(name.clone(), members.iter().map(|member| member.address).collect());
    for (pool, members) in group {
        pools.known.insert(pool.name.clone(), (name.clone(), members.iter().map(|member| member.port).collect()));
    }
}

/// What may be of connections of a member, on all its ports together, or of its node.
fn limits_of(
    member: &Member<'_>,
    group: &[Listed<'_>],
    has_connections: bool,
    objects: &Objects,
    findings: &mut Findings,
) -> Vec<(&'static str, i64)> {
    let [(first, _), ..] = group else { return Vec::new() };
    let same = group.iter().flat_map(|(_, members)| members).filter(|other| other.address == member.address);
    let name = member.item.words.first().map_or("", String::as_str);
    let of_member = Limited {
        title: first.title(),
        whose: format!("member {name}"),
        has_connections,
        parts: same.map(|other| Box::new(move |key: &str| word(&other.item.block, key)) as Words<'_>).collect(),
    };
    let mut carried = limits::carried(&of_member, findings);
    let Some(node) = objects.find("ltm node", &member.node) else { return carried };
    let of_node = Limited {
        title: first.title(),
        whose: format!("node {}", node.name),
        has_connections,
        parts: vec![Box::new(move |key: &str| node.word(key))],
    };
    for (key, limit) in limits::carried(&of_node, findings) {
        match carried.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = limit.min(*known),
            None => carried.push((key, limit)),
        }
    }
    carried
}

/// Says by which object, so that it is found from there.
fn report_state(
    member: &Member<'_>,
    label: &str,
    (group, state): (&[Listed<'_>], AdminState),
    objects: &Objects,
    findings: &mut Findings,
) {
    let [(pool, _), ..] = group else { return };
    let is_off =
        |node: &&Object| node.word("session") == Some("user-disabled") || node.word("state") == Some("user-down");
    let title = objects.find("ltm node", &member.node).filter(is_off).map_or_else(|| pool.title(), Object::title);
    let what = if state == AdminState::Offline { "forced offline" } else { "disabled" };
    let message = format!("member {label} is {what} on BIG-IP, and so here: admin_state = \"{state}\"");
    findings.add(Check, title, message, format!("remove that if {label} is to serve after the move"));
}

/// What a member is let do on all its ports, or its node is; `None`: whatever its monitors allow.
fn admin_state(
    member: &Member<'_>,
    group: &[Listed<'_>],
    objects: &Objects,
    findings: &mut Findings,
) -> Option<AdminState> {
    let state = |state: Option<&str>, session: Option<&str>| match (state, session) {
        (Some("user-down"), _) => Some(AdminState::Offline),
        (_, Some("user-disabled")) => Some(AdminState::Draining),
        _ => None,
    };
    let same = group.iter().flat_map(|(_, members)| members).filter(|other| other.address == member.address);
    let of_port = |other: &Member<'_>| state(word(&other.item.block, "state"), word(&other.item.block, "session"));
    let ports: BTreeSet<Option<AdminState>> = same.map(of_port).collect();
    let node = objects.find("ltm node", &member.node);
    let node = node.and_then(|node| state(node.word("state"), node.word("session")));
    // The least of them: what is served by one of its ports is served.
    let least = ports.first().copied().flatten();
    let is_partly = ports.len() > 1 && ports.contains(&None) && node.is_none();
    if let ([(pool, _), ..], true) = (group, is_partly) {
        let name = member.item.words.first().map_or("", String::as_str);
        let message = format!("member {name} is disabled on BIG-IP on some of its ports only: here it is one member");
        findings.add(Check, pool.title(), message, "set its admin_state by hand, if it is to serve none of them");
    }
    least.max(node)
}

/// What Fairlead calls the monitors of all pools of the group, and of their nodes.
fn monitors(
    group: &[Listed<'_>],
    entry: &mut Entry,
    objects: &Objects,
    health: &mut Health,
    draft: &mut Draft,
    findings: &mut Findings,
) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut ports = BTreeSet::new();
    for (pool, members) in group {
        let port = members.first().map_or(0, |member| member.port);
        ports.insert(port);
        let (names, least) = rule(&all_words(&pool.items, "monitor"));
        if let Some(least) = least {
            match group {
                [_] => _ = entry.set("require", i64::try_from(least).unwrap_or(1)),
                _ => findings.add(
                    Check,
                    pool.title(),
                    "`min` of its monitors is not carried over into the joined pool",
                    "set `require`",
                ),
            }
        }
        let nodes = members.iter().filter_map(|member| objects.find("ltm node", &member.node));
        let common: Vec<String> =
            objects.of("ltm default-node-monitor").flat_map(|default| all_words(&default.items, "rule")).collect();
        let of_nodes: Vec<String> = nodes
            .flat_map(|node| {
                let own = all_words(&node.items, "monitor");
                let is_common = own.first().is_none_or(|first| first == "default");
                if is_common { common.clone() } else { own }
            })
            .collect();
        for name in names.into_iter().chain(rule(&of_nodes).0) {
            if let Some(label) = health.monitor(&name, port, objects, draft, findings)
                && !found.contains(&label)
            {
                found.push(label);
            }
        }
    }
    if ports.len() > 1 && found.len() > 1 {
        let message = "its ports were judged one by one on BIG-IP; here a member is up when all its monitors are good";
        findings.add(Check, group[0].0.title(), message, "set `require` to the number that is enough");
    }
    found
}

/// What happens to the connections of a member that is lost.
fn service_down(pool: &Object, entry: &mut Entry, findings: &mut Findings) {
    match pool.word("service-down-action") {
        Some("drop") => {
            let table = Table::from_iter([("tcp".to_owned(), Value::from("drop"))]);
            entry.set_because("on_down", Value::Table(table), "\"reset\" tells both ends at once");
        }
        Some(_) => {}
        None => {
            let message = "connections of a lost member are reset on both sides; BIG-IP leaves them as they are";
            findings.add(Note, pool.title(), message, "on_down = { tcp = \"drain\" } in the [[pool]] does as BIG-IP");
        }
    }
}

/// What of the members and the pool is not carried over.
fn report(pool: &Object, members: &[Member<'_>], findings: &mut Findings) {
    for member in members {
        let name = member.item.words.first().map_or("", String::as_str);
        if word(&member.item.block, "monitor").is_some_and(|monitor| monitor != "default") {
            let message = format!("member {name} has a monitor of its own, which is not carried over");
            findings.add(Check, pool.title(), message, "all members of a [[pool]] have its monitors");
        }
    }
}
