//! Virtual servers that clients talk to.
//!
//! Owns which of BIG-IP's are one here (those of an address and a pool), which port each of them listens on, and what they do
//! to traffic that Fairlead does not.

use super::limits::{self, Limited, Words};
use super::names::{Unusable, address, endpoint, network};
use super::objects::{Object, Objects, absolute, leaf};
use super::pools::{Pools, report_dropped};
use crate::config::network_text;
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
        let destination = server.word("destination").unwrap_or("0.0.0.0:0");
        let place = endpoint(destination).and_then(|(host, port)| {
            let partition = destination.rfind('/').map_or("", |at| &destination[..=at]);
            virtual_address(objects, &format!("{partition}{host}")).map(|address| (address, port))
        });
        let is_network = server.word("mask").is_some_and(|mask| !matches!(mask, "255.255.255.255" | "any6"));
        match place {
            Ok((address, _)) if address.is_unspecified() || is_network || server.has("ip-forward") => {
                purposes.push(Purpose::Passage(server));
            }
            Ok((address, port)) => purposes.push(Purpose::Service(server, address, port)),
            Err(Unusable::V6) => {
                findings.add(Severe, server.title(), format!("{destination} is of IPv6, which is not forwarded"), "");
            }
            Err(Unusable::Other) => {
                let message = format!("`{destination}` is no address and port");
                findings.add(Severe, server.title(), message, "add a [[virtual_server]] by hand");
            }
        }
    }
    purposes
}

/// The address may have a name of its own.
fn virtual_address(objects: &Objects, name: &str) -> Result<Ipv4Addr, Unusable> {
    let object = objects.find("ltm virtual-address", name).and_then(|object| object.word("address"));
    address(object.unwrap_or(name)).map(|(address, _)| address)
}

/// Writes the virtual servers of services.
pub fn convert(
    services: &[(&Object, Ipv4Addr, u16)],
    pools: &Pools,
    objects: &Objects,
    draft: &mut Draft,
    findings: &mut Findings,
) {
    let mut done: Vec<(Ipv4Addr, &str)> = Vec::new();
    for (server, address, _) in services {
        let Some((pool, _)) = pool_of(server, pools) else {
            lost(server, findings);
            continue;
        };
        if done.contains(&(*address, pool)) {
            continue;
        }
        done.push((*address, pool));
        let together: Vec<_> = services
            .iter()
            .filter(|(other, at, _)| at == address && pool_of(other, pools).is_some_and(|(name, _)| name == pool))
            .collect();
        let mut entry = Entry::new("virtual_server", server.title());
        entry.set("name", draft.free_name("virtual_server", &server.name));
        entry.set("address", address.to_string()).set("pool", pool);
        let mut listen = Vec::new();
        for (other, _, port) in &together {
            entry.also_from(other.title());
            ports(other, *port, pools, &mut listen, findings);
            treatment(other, objects, pools, findings);
        }
        let is_off = |(other, ..): &&&(&Object, Ipv4Addr, u16)| other.has("disabled");
        if together.iter().any(|one| is_off(&one)) {
            match together.iter().all(|one| is_off(&one)) {
                true => _ = entry.set("enabled", false),
                false => findings.add(
                    Check,
                    server.title(),
                    "some of its ports are disabled on BIG-IP",
                    "take them out of `listen`",
                ),
            }
        }
        if listen.is_empty() {
            findings.add(
                Severe,
                server.title(),
                "none of its ports could be carried over",
                "add a [[virtual_server]] by hand",
            );
            continue;
        }
        let limited = Limited {
            title: server.title(),
            whose: String::new(),
            has_connections: pools.shared.contains(pool) || listen.iter().any(|service| service.starts_with("tcp/")),
            parts: together.iter().map(|(other, ..)| Box::new(move |key: &str| other.word(key)) as Words<'_>).collect(),
        };
        for (key, limit) in limits::carried(&limited, findings) {
            entry.set(key, limit);
        }
        entry.set("listen", listen);
        clients(server, &together, &mut entry, findings);
        echo(objects, *address, &mut entry, findings);
        draft.add(entry);
    }
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
fn ports(server: &Object, port: u16, pools: &Pools, listen: &mut Vec<String>, findings: &mut Findings) {
    if port == 0 {
        let message = "it takes every port, and Fairlead's service ports are named one by one";
        return findings.add(Severe, server.title(), message, "write the ports that clients use into `listen`");
    }
    if let Some((_, members)) = pool_of(server, pools)
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
    for protocol in protocols {
        let text = format!("{protocol}/{port}");
        if !listen.contains(&text) {
            listen.push(text);
        }
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
    if server.word("translate-address") == Some("disabled") || server.word("translate-port") == Some("disabled") {
        severe(
            "it does not translate the destination".into(),
            "see whether the servers answer at the virtual address themselves",
        );
    }
    limits::report_mode(server, findings);
    if server.has("vlans-enabled") {
        findings.add(
            Check,
            server.title(),
            "it listens on some VLANs only; Fairlead's answers on all interfaces",
            "filter elsewhere if that matters",
        );
    }
    let is_among = |names: &BTreeSet<String>| pool_of(server, pools).is_some_and(|(name, _)| names.contains(name));
    if is_among(&pools.guessed) {
        report_dropped(server, objects, findings);
    } else if !server.block("persist").is_empty() && !is_among(&pools.shared) {
        findings.add(Note, server.title(), "persistence has no meaning where one member has all the work", "");
    }
}

/// Whom it takes as clients, where that is not everybody: on BIG-IP each port may have its own.
fn clients(server: &Object, together: &[&(&Object, Ipv4Addr, u16)], entry: &mut Entry, findings: &mut Findings) {
    let source = |one: &Object| one.word("source").and_then(|source| network(source).ok()).unwrap_or_default();
    let mut all: Vec<Ipv4Net> = together.iter().map(|(other, ..)| source(other)).collect();
    all.sort_unstable();
    all.dedup();
    if all.iter().all(|net| net.prefix_len() == 0) {
        return;
    }
    if all.len() > 1 {
        let message = "its ports take clients of different networks: all of them may send to each port";
        findings.add(Check, server.title(), message, "make a [[virtual_server]] of its own for each, and see `allow`");
    }
    if all.iter().all(|net| net.prefix_len() > 0) {
        entry.set("allow", all.iter().map(|net| network_text(*net)).collect::<Vec<_>>());
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
