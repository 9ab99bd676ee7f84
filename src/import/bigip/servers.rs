//! Virtual servers that clients talk to.
//!
//! Owns which of BIG-IP's are one here (those of an address and a pool that take the same clients), which port each of them listens
//! on, and what they do to traffic that Fairlead does not.

use super::limits::{self, Limited, Words};
use super::names::{Unusable, address, text, widest};
use super::objects::{Object, Objects, absolute, leaf};
use super::place::{EVERYWHERE, place, source};
use super::pools::{Pools, report_dropped};
use super::tos;
use crate::import::draft::{Draft, Entry};
use crate::import::findings::Findings;
use crate::import::findings::Severity::{Check, Note, Severe};
use crate::import::syntax::{names, word};
use ipnet::Ipv4Net;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// Profiles that read or change what is inside connections.
const LAYER_7: &[&str] = &[
    "http",
    "http2",
    "sip",
    "ssl",
    "clientssl",
    "serverssl",
    "client-ssl",
    "server-ssl",
    "oneconnect",
    "one-connect",
    "fix",
    "diameter",
    "dns",
    "ftp",
    "radius",
    "rtsp",
    "stream",
    "websocket",
    "httpcompression",
    "webacceleration",
    "html",
    "xml",
];

/// What a virtual server is for.
pub enum Purpose<'o> {
    /// Clients talk to this address and port; 0 is any.
    Service(&'o Object, Ipv4Addr, u16),
    /// It forwards whatever passes, from or to networks.
    Passage(&'o Object),
}

/// Tells the virtual servers apart; those of IPv6 or of no use here are reported.
pub fn purposes<'o>(objects: &'o Objects, findings: &mut Findings) -> Vec<Purpose<'o>> {
    let mut purposes = Vec::new();
    for server in objects.of("ltm virtual") {
        if server.has("traffic-matching-criteria") {
            let message = "its addresses and ports are lists (`traffic-matching-criteria`), which are not carried over";
            findings.add(Severe, server.title(), message, "add a [[virtual_server]] for each address by hand");
            continue;
        }
        let text = server.word("destination").unwrap_or(EVERYWHERE);
        let is_network = server.word("mask").is_some_and(|mask| !matches!(mask, "255.255.255.255" | "any6"));
        match place(server, objects) {
            Ok((address, _)) if address.is_unspecified() || is_network || server.has("ip-forward") => {
                match server.has("disabled") {
                    true => findings.add(Check, server.title(), "it is disabled on BIG-IP: nothing is made of it", ""),
                    false => purposes.push(Purpose::Passage(server)),
                }
            }
            Ok((address, port)) => purposes.push(Purpose::Service(server, address, port)),
            Err(Unusable::V6) => {
                findings.add(Severe, server.title(), format!("{text} is of IPv6, which is not forwarded"), "");
            }
            Err(Unusable::Other) => {
                let message = format!("`{text}` is no address and port");
                findings.add(Severe, server.title(), message, "add a [[virtual_server]] by hand");
            }
        }
    }
    purposes
}

/// Ports of one address that go to one pool, and that the same clients may send to.
struct Together<'o, 'p> {
    address: Ipv4Addr,
    pool: &'p str,
    /// Empty: everybody.
    allow: Vec<Ipv4Net>,
    is_off: bool,
    servers: Vec<&'o Object>,
    listen: Vec<String>,
}

/// A port that is carried over, and whoever may send to it.
struct Port<'o, 'p> {
    address: Ipv4Addr,
    listen: String,
    pool: &'p str,
    is_off: bool,
    from: Vec<Ipv4Net>,
    servers: Vec<&'o Object>,
}

/// Writes the virtual servers of services.
pub fn convert(
    services: &[(&Object, Ipv4Addr, u16)],
    pools: &Pools,
    objects: &Objects,
    draft: &mut Draft,
    findings: &mut Findings,
) {
    for together in grouped(all_ports(services, pools, objects, findings)) {
        let [first, ..] = together.servers[..] else { continue };
        let mut entry = Entry::new("virtual_server", first.title());
        together.servers.iter().for_each(|server| entry.also_from(server.title()));
        entry.set("name", draft.free_name("virtual_server", &first.name));
        entry.set("address", together.address.to_string()).set("pool", together.pool);
        if together.is_off {
            entry.set("enabled", false);
        }
        let is_tcp = |service: &String| service.starts_with("tcp/");
        let limited = Limited {
            title: first.title(),
            whose: String::new(),
            has_connections: pools.shared.contains(together.pool) || together.listen.iter().any(is_tcp),
            parts: together
                .servers
                .iter()
                .map(|other| Box::new(move |key: &str| other.word(key)) as Words<'_>)
                .collect(),
        };
        for (key, limit) in limits::carried(&limited, findings) {
            entry.set(key, limit);
        }
        entry.set("listen", together.listen.clone());
        clients(&together, &mut entry, findings);
        echo(objects, together.address, &mut entry, findings);
        draft.add(entry);
    }
}

/// The ports of all services. One that two have is there once: enabled if either is, and for the clients of both.
fn all_ports<'o, 'p>(
    services: &[(&'o Object, Ipv4Addr, u16)],
    pools: &'p Pools,
    objects: &Objects,
    findings: &mut Findings,
) -> Vec<Port<'o, 'p>> {
    let mut all: Vec<Port<'_, '_>> = Vec::new();
    // Of two of one port the enabled one counts.
    let (off, on): (Vec<_>, Vec<_>) = services.iter().partition(|(server, ..)| server.has("disabled"));
    for &(server, address, port) in on.into_iter().chain(off) {
        let Some((pool, _)) = pool_of(server, pools) else {
            lost(server, findings);
            continue;
        };
        let found = ports(server, port, pools, findings);
        treatment(server, objects, pools, findings);
        let Ok(from) = source(server) else {
            let message = format!("its source `{}` is no network of IPv4", server.word("source").unwrap_or_default());
            findings.add(Severe, server.title(), message, "add a [[virtual_server]] with `allow` by hand");
            continue;
        };
        if found.is_empty() {
            let message = "none of its ports could be carried over";
            findings.add(Severe, server.title(), message, "add a [[virtual_server]] by hand");
        }
        let is_off = server.has("disabled");
        for listen in found {
            match all.iter_mut().find(|known| known.address == address && known.listen == listen) {
                None => all.push(Port { address, listen, pool, is_off, from: vec![from], servers: vec![server] }),
                Some(known) if known.pool == pool && known.is_off == is_off => {
                    known.from.push(from);
                    known.servers.push(server);
                }
                Some(known) if is_off && !known.is_off => {
                    let message = format!("it is disabled on BIG-IP, and {} has its port", known.servers[0].title());
                    findings.add(Note, server.title(), message, "");
                }
                Some(known) => {
                    let message = format!(
                        "its clients' {listen} goes to another pool than that of {}, which has the port here: one pool has an \
                         address, protocol and port, whoever the clients are",
                        known.servers[0].title()
                    );
                    findings.add(Severe, server.title(), message, "give one of them another address or port");
                }
            }
        }
    }
    all
}

/// Those that are one virtual server here, in the order of their first port.
fn grouped<'o, 'p>(ports: Vec<Port<'o, 'p>>) -> Vec<Together<'o, 'p>> {
    let mut all: Vec<Together<'_, '_>> = Vec::new();
    for Port { address, listen, pool, is_off, from, servers } in ports {
        let allow: Vec<Ipv4Net> = widest(from).into_iter().filter(|net| net.prefix_len() > 0).collect();
        let is_it = |known: &&mut Together<'_, '_>| {
            (known.address, known.pool, known.is_off) == (address, pool, is_off) && known.allow == allow
        };
        match all.iter_mut().find(is_it) {
            Some(known) => {
                known.listen.push(listen);
                for server in servers {
                    if !known.servers.iter().any(|other| std::ptr::eq(*other, server)) {
                        known.servers.push(server);
                    }
                }
            }
            None => all.push(Together { address, pool, allow, is_off, servers, listen: vec![listen] }),
        }
    }
    all
}

fn pool_of<'p>(server: &Object, pools: &'p Pools) -> Option<(&'p str, &'p BTreeSet<u16>)> {
    let (name, ports) = pools.known.get(&absolute(server.word("pool")?))?;
    Some((name, ports))
}

/// A virtual server without a pool here.
fn lost(server: &Object, findings: &mut Findings) {
    let (message, remedy) = match server.word("pool") {
        Some(pool) => (format!("its pool {pool} was not carried over"), "see what is said of the pool"),
        None if server.has("reject") => {
            return findings.add(Note, server.title(), "it rejects; so does Fairlead where nobody listens", "");
        }
        None if !server.block("rules").is_empty() => {
            ("it has no pool: an iRule chooses".into(), "add a [[virtual_server]] for the pool that it chooses")
        }
        None => ("it has no pool".into(), "add a [[virtual_server]] by hand if clients use it"),
    };
    findings.add(Severe, server.title(), message, remedy);
}

/// The service ports: the member's port is the same as the virtual one.
fn ports(server: &Object, port: u16, pools: &Pools, findings: &mut Findings) -> Vec<String> {
    if port == 0 {
        let message = "it takes every port, and Fairlead's service ports are named one by one";
        findings.add(Severe, server.title(), message, "write the ports that clients use into `listen`");
        return Vec::new();
    }
    // Without translation the members' port is the clients', whatever the pool says.
    if let Some((_, members)) = pool_of(server, pools)
        && server.word("translate-port") != Some("disabled")
        && !members.contains(&port)
        && !members.contains(&0)
    {
        let members: Vec<String> = members.iter().map(u16::to_string).collect();
        let message = format!(
            "its port {port} is port {} of the members, and Fairlead translates no service port",
            members.join(", ")
        );
        findings.add(Severe, server.title(), message, "have the members listen on the port that clients use");
    }
    let protocols: &[&str] = match server.word("ip-protocol") {
        Some("udp") => &["udp"],
        Some("tcp") => &["tcp"],
        None | Some("any") => {
            findings.add(
                Check,
                server.title(),
                "it takes every protocol: UDP and TCP are carried over",
                "remove what is not used",
            );
            &["udp", "tcp"]
        }
        Some(other) => {
            findings.add(Severe, server.title(), format!("protocol {other} has no service ports in Fairlead"), "");
            &[]
        }
    };
    protocols.iter().map(|protocol| format!("{protocol}/{port}")).collect()
}

/// What it lets through by rules of a firewall.
pub fn report_policy(server: &Object, findings: &mut Findings) {
    if let Some(policy) = server.word("fw-enforced-policy") {
        let message = format!("firewall policy {policy} is not carried over");
        let remedy = "filter on the router, or by `allow` of [[virtual_server]] and [direct_access]";
        findings.add(Severe, server.title(), message, remedy);
    }
}

/// What it does to traffic that Fairlead does not.
fn treatment(server: &Object, objects: &Objects, pools: &Pools, findings: &mut Findings) {
    let mut severe = |message: String, remedy: &str| findings.add(Severe, server.title(), message, remedy);
    for item in server.block("profiles") {
        let Some(name) = item.words.first() else { continue };
        let kind = objects.find_below("ltm profile", name).and_then(|profile| profile.kind.rsplit(' ').next());
        if LAYER_7.contains(&kind.unwrap_or(leaf(name))) {
            severe(
                format!("profile {name} looks into connections, which Fairlead passes through"),
                "the servers themselves must do what it did",
            );
        }
    }
    for rule in names(server.block("rules")) {
        severe(format!("iRule {rule} is not carried over"), "read what it does to this virtual server's traffic");
    }
    match word(server.block("source-address-translation"), "type") {
        None => {}
        Some(kind) => severe(
            format!("it translates clients' addresses ({kind}); Fairlead leaves them as they are"),
            "the servers need Fairlead as their default gateway, and see the clients' own addresses",
        ),
    }
    if server.word("translate-address") == Some("disabled") {
        severe(
            "it does not translate the destination's address".into(),
            "see whether the servers answer at the virtual address themselves",
        );
    }
    report_policy(server, findings);
    limits::report_mode(server, findings);
    tos::report(server, tos::Opener::Client, objects, findings);
    if server.has("vlans-enabled") {
        findings.add(
            Check,
            server.title(),
            "it listens on some VLANs only; Fairlead's answers on all interfaces",
            "name the networks behind these VLANs in `allow`, if others must not reach it",
        );
    }
    let is_among = |names: &BTreeSet<String>| pool_of(server, pools).is_some_and(|(name, _)| names.contains(name));
    if is_among(&pools.guessed) {
        report_dropped(server, objects, findings);
    } else if !server.block("persist").is_empty() && !is_among(&pools.shared) {
        findings.add(Note, server.title(), "persistence has no meaning where one member has all the work", "");
    }
}

/// Whom it takes as clients, where that is not everybody.
fn clients(together: &Together<'_, '_>, entry: &mut Entry, findings: &mut Findings) {
    if together.allow.is_empty() {
        return;
    }
    entry.set("allow", together.allow.iter().map(|net| text(*net)).collect::<Vec<_>>());
    for server in together.servers.iter().filter(|server| server.word("ip-protocol") != Some("tcp")) {
        let message =
            "over UDP `allow` holds for what answers the members, too: BIG-IP lets that pass whoever sends it";
        findings.add(
            Check,
            server.title(),
            message,
            "add to `allow` whom the members call by UDP from their service ports",
        );
    }
}

/// Who answers a ping to the address.
fn echo(objects: &Objects, at: Ipv4Addr, entry: &mut Entry, findings: &mut Findings) {
    let is_it = |object: &&Object| {
        let text = object.word("address").unwrap_or(&object.name);
        address(text).is_ok_and(|(address, _)| address == at)
    };
    let Some(object) = objects.of("ltm virtual-address").find(is_it) else { return };
    match object.word("icmp-echo") {
        Some("selective") => _ = entry.set("icmp_echo", "selective"),
        Some("disabled") => {
            findings.add(
                Check,
                object.title(),
                "its ping is not answered on BIG-IP; Fairlead answers",
                "filter it elsewhere if that matters",
            );
        }
        _ => {}
    }
    if object.word("arp") == Some("disabled") {
        findings.add(
            Check,
            object.title(),
            "it answers no ARP on BIG-IP; Fairlead does if it is in an interface's network",
            "",
        );
    }
    entry.also_from(object.title());
}
