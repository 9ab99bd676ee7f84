//! `keepalived.conf`: its virtual servers, and the addresses that its VRRP instances hold.
//!
//! Owns what keepalived takes for granted where the file is silent (`protocol`, `lb_kind`, `delay_loop`), its checkers, and
//! groups of addresses.

use super::draft::{Draft, Entry};
use super::findings::Findings;
use super::findings::Severity::{Check, Note, Severe};
use super::services::{self, Http, Probe, Server, Service};
use super::source::{Source, Unreadable};
use super::syntax::{Dialect, Item, block, items, word, words};
use ipnet::Ipv4Net;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Seconds between two checks, where `delay_loop` is not set.
const DELAY: u64 = 60;
/// The longest interval of a Fairlead file.
const LONGEST: u64 = 3_600;

/// Reads the files and writes the draft.
///
/// # Errors
/// A file whose braces or quotes do not match.
pub fn convert(
    files: &[Source],
    draft: &mut Draft,
    findings: &mut Findings,
) -> Result<Vec<(String, String)>, Unreadable> {
    let (mut all, mut places): (Vec<Item>, Vec<(String, String)>) = Default::default();
    for file in files {
        let read = items(&file.name, &file.text, Dialect::Keepalived)?;
        places.extend(read.iter().map(|item| (title(item), format!("{}:{}", file.name, item.line))));
        all.extend(read);
    }
    networks(&all, draft, findings);
    let services: Vec<Service> = of(&all, "virtual_server").flat_map(|item| service(item, &all, findings)).collect();
    services::convert(&services, "keepalived", draft, findings);
    for item in of(&all, "include") {
        findings.add(Severe, title(item), "included files are not followed", "pass them as well");
    }
    Ok(places)
}

fn title(item: &Item) -> String {
    item.words.join(" ")
}

fn of<'i>(items: &'i [Item], key: &'i str) -> impl Iterator<Item = &'i Item> {
    items.iter().filter(move |item| item.words.first().is_some_and(|first| first == key))
}

/// An interface for each that a VRRP instance names, with the addresses it holds that have a length; those without one are virtual.
fn networks(all: &[Item], draft: &mut Draft, findings: &mut Findings) {
    let mut links: BTreeMap<String, (Vec<String>, Vec<Ipv4Net>)> = BTreeMap::new();
    for instance in of(all, "vrrp_instance") {
        let own = word(&instance.block, "interface").unwrap_or("eth0");
        for held in block(&instance.block, "virtual_ipaddress") {
            let Some(net) = held.words.first().and_then(|text| text.parse::<Ipv4Net>().ok()) else { continue };
            let at = held.words.iter().position(|word| word == "dev").and_then(|at| held.words.get(at + 1));
            let (from, nets) = links.entry(at.map_or(own, String::as_str).to_owned()).or_default();
            if net.prefix_len() < 32 && !nets.iter().any(|known| known.addr() == net.addr()) {
                nets.push(net);
                from.push(title(instance));
            }
        }
        let message =
            "election between two balancers is not carried over: the appliance of this file holds its addresses alone";
        let remedy = "use them on one appliance only; for two write them under `floating` of the interfaces, addresses of each one's own \
                      under `addresses`, and [pair], as in the chapter \"Two appliances, with keepalived\"";
        findings.add(Severe, title(instance), message, remedy);
    }
    links.retain(|_, (_, nets)| !nets.is_empty());
    if links.is_empty() {
        let message =
            "no VRRP instance holds an address with its network's length, so nothing is known of the networks";
        findings.add(Severe, "keepalived", message, "add [[port]], [[interface]] and [[route]] by hand");
        return;
    }
    for (number, (link, (from, nets))) in (1..).zip(links) {
        let origin = format!("interface {link}");
        let mut port = Entry::new("port", &origin);
        port.set("name", link.as_str());
        port.set_because(
            "device",
            format!("0000:{number:02x}:00.0"),
            "write the PCI address of the NIC that takes its place",
        );
        let mut interface = Entry::new("interface", &origin);
        from.iter().for_each(|title| interface.also_from(title));
        interface.set("name", link.as_str()).set("port", link.as_str());
        interface.set("addresses", nets.iter().map(Ipv4Net::to_string).collect::<Vec<_>>());
        draft.add(port);
        draft.add(interface);
        let message = format!("the PCI address of port `{link}` is made up, and a VLAN on it is not known");
        findings.add(Severe, origin, message, "write it into `device`; `dpdk-devbind.py --status` lists the NICs");
    }
}

/// The services of a `virtual_server`: one, or one for each address of its group.
fn service(item: &Item, all: &[Item], findings: &mut Findings) -> Vec<Service> {
    let title = title(item);
    let protocol = match word(&item.block, "protocol").unwrap_or("UDP").to_ascii_uppercase().as_str() {
        "TCP" => "tcp",
        "UDP" => "udp",
        other => {
            findings.add(Severe, title, format!("protocol {other} has no service ports in Fairlead"), "");
            return Vec::new();
        }
    };
    let places = addresses(item, all, &title, findings);
    let mut servers = Vec::new();
    for real in of(&item.block, "real_server") {
        match place(&real.words[1..]) {
            Some((address, port)) => {
                servers.push(Server { address, port, is_drained: word(&real.block, "weight") == Some("0") });
            }
            None => findings.add(Severe, &title, format!("{} is not of IPv4", self::title(real)), ""),
        }
    }
    services::passes_by(word(&item.block, "lb_kind").is_some_and(|kind| kind != "NAT"), &title, findings);
    for (key, why) in
        [("sorry_server", "no server stands in when all are down"), ("quorum", "one member that is up is enough")]
    {
        if !words(&item.block, key).is_empty() {
            findings.add(Severe, &title, format!("`{key}` is not carried over: {why}"), "");
        }
    }
    if !words(&item.block, "persistence_timeout").is_empty() {
        findings.add(Note, &title, "persistence has no meaning where one member has all the work", "");
    }
    let service = |(address, port): (Ipv4Addr, u16)| {
        let probes = probes(item, port, &title, findings);
        Service { title: title.clone(), protocol, address, port, servers: servers.clone(), probes }
    };
    places.into_iter().map(service).collect()
}

fn addresses(item: &Item, all: &[Item], title: &str, findings: &mut Findings) -> Vec<(Ipv4Addr, u16)> {
    match &item.words[1..] {
        [kind, name, ..] if kind == "group" => {
            let group = of(all, "virtual_server_group").find(|group| group.words.get(1) == Some(name));
            let entries = group.map_or(&[][..], |group| &group.block);
            let found: Vec<_> = entries.iter().filter_map(|entry| place(&entry.words)).collect();
            if found.len() < entries.len() || found.is_empty() {
                let message = "its group has entries that are no address and port of IPv4 (a range, a firewall mark)";
                findings.add(Severe, title, message, "add a [[virtual_server]] for each by hand");
            }
            found
        }
        words => {
            let found = place(words);
            if found.is_none() {
                findings.add(Severe, title, "it is no address and port of IPv4", "add a [[virtual_server]] by hand");
            }
            found.into_iter().collect()
        }
    }
}

/// An address and a port; without one it is any, which no service port is.
fn place(words: &[String]) -> Option<(Ipv4Addr, u16)> {
    let [address, port, ..] = words else { return None };
    Some((address.parse().ok()?, port.parse().ok().filter(|port| *port != 0)?))
}

/// The checkers of the first server stand for all.
fn probes(item: &Item, port: u16, title: &str, findings: &mut Findings) -> Vec<Probe> {
    let number = |items: &[Item], key: &str| word(items, key).and_then(|text| text.parse::<u64>().ok());
    let delay = number(&item.block, "delay_loop").unwrap_or(DELAY).clamp(1, LONGEST);
    let Some(real) = of(&item.block, "real_server").next() else { return Vec::new() };
    let mut probes = Vec::new();
    for checker in &real.block {
        let Some(name) = checker.words.first() else { continue };
        let kind = match name.as_str() {
            "TCP_CHECK" => "tcp",
            "UDP_CHECK" => "udp",
            "PING_CHECK" => "icmp",
            "HTTP_GET" => "http",
            "SSL_GET" => "https",
            "SMTP_CHECK" | "DNS_CHECK" => {
                let message = format!("what {name} asks is not carried over: only a handshake is asked for");
                findings.add(Severe, title, message, "a monitor of kind \"sip\" proves that a SIP Server lives");
                if name == "DNS_CHECK" { "udp" } else { "tcp" }
            }
            "MISC_CHECK" => {
                let message =
                    "MISC_CHECK is not carried over: a program is given address and port in front of its arguments";
                findings.add(Severe, title, message, "add a [[monitor]] with kind = \"external\" and command");
                continue;
            }
            "BFD_CHECK" | "FILE_CHECK" => {
                let message = format!("{name} has no counterpart");
                findings.add(Severe, title, message, "a monitor of kind \"sip\" proves that a SIP Server lives");
                continue;
            }
            _ => continue,
        };
        let asked = number(&checker.block, "connect_port").and_then(|port| u16::try_from(port).ok()).unwrap_or(port);
        let fall = 1 + number(&checker.block, "retry").unwrap_or(0).min(99);
        let interval = number(&checker.block, "delay_loop").unwrap_or(delay).clamp(1, LONGEST);
        let http = matches!(kind, "http" | "https").then(|| http(checker, title, findings));
        probes.push(Probe { kind, port: Some(asked).filter(|_| kind != "icmp"), interval, fall, http });
    }
    probes
}

/// The first page that it asks for; a digest of it is not known to Fairlead.
fn http(checker: &Item, title: &str, findings: &mut Findings) -> Http {
    let pages: Vec<&Item> = of(&checker.block, "url").collect();
    let page = pages.first().map_or(&[][..], |page| &page.block);
    if pages.len() > 1 {
        findings.add(Check, title, "only the first `url` of a checker is asked", "add a [[monitor]] for each other");
    }
    if word(page, "digest").is_some() {
        let message = "the `digest` of a page is not carried over: its status is asked for";
        findings.add(Severe, title, message, "write a text that the page contains into `receive`");
    }
    let host = word(page, "virtualhost").or(word(&checker.block, "virtualhost"));
    Http {
        path: word(page, "path").unwrap_or("/").to_owned(),
        host: host.map(str::to_owned),
        codes: word(page, "status_code").map(str::to_owned),
    }
}
