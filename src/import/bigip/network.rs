//! VLANs, self-IPs and routes: ports, interfaces and routes.
//!
//! Owns what is done with trunks, with networks in several route domains, and with what only a pair of BIG-IPs has. Which NIC takes
//! the place of an interface stands in no file: a PCI address is made up for each, and said to be.

use super::names::{Unusable, address, network};
use super::objects::{Object, Objects};
use crate::import::draft::{Draft, Entry};
use crate::import::findings::Findings;
use crate::import::findings::Severity::{Check, Note, Severe};
use crate::import::syntax::{names, word};
use ipnet::Ipv4Net;
use std::collections::BTreeMap;

/// A port's MTU unless a VLAN needs more.
const MTU: i64 = 1_500;

/// Writes ports, interfaces and routes.
pub fn convert(objects: &Objects, draft: &mut Draft, findings: &mut Findings) {
    if objects.of("net self").next().is_none() {
        findings.add(
            Severe,
            "net self",
            "there is no self-IP in these files, so nothing is known of the networks",
            "pass bigip_base.conf as well: BIG-IP keeps VLANs, self-IPs and their interfaces there",
        );
    }
    let ports = ports(objects, draft, findings);
    for vlan in objects.of("net vlan") {
        interface(objects, vlan, &ports, draft, findings);
    }
    for own in objects.of("net self") {
        let vlan = own.word("vlan").unwrap_or_default();
        if objects.find("net vlan", vlan).is_none() {
            let message = format!("it is on `{vlan}`, which is no VLAN of these files (a tunnel, perhaps)");
            findings.add(Severe, own.title(), message, "pass the file that has it, or add an [[interface]] by hand");
        }
    }
    objects.of("net route").for_each(|it| route(it, draft, findings));
}

/// A port for each physical interface that a VLAN is on, by its name, with the name of the port.
fn ports(objects: &Objects, draft: &mut Draft, findings: &mut Findings) -> BTreeMap<String, String> {
    let mut ports = BTreeMap::new();
    for vlan in objects.of("net vlan") {
        let interface = physical(objects, vlan).unwrap_or_else(|| vlan.name.clone());
        if ports.contains_key(&interface) {
            continue;
        }
        let name = draft.free_name("port", &interface);
        let number = ports.len() + 1;
        let origin = format!("net interface {interface}");
        let mut entry = Entry::new("port", &origin);
        entry.set("name", name.as_str());
        entry.set_because(
            "device",
            format!("0000:{number:02x}:00.0"),
            "write the PCI address of the NIC that takes its place",
        );
        let mtu =
            objects.of("net vlan").filter(|other| physical(objects, other).as_ref() == Some(&interface)).map(mtu).max();
        if let Some(mtu) = mtu.filter(|mtu| *mtu > MTU) {
            entry.set("mtu", mtu);
        }
        draft.add(entry);
        findings.add(
            Severe,
            origin,
            format!("the PCI address of port `{name}` is made up: no file says which NIC takes its place"),
            "write it into `device`; `dpdk-devbind.py --status` lists the NICs",
        );
        ports.insert(interface, name);
    }
    ports
}

/// The interface a VLAN is on: its first one, or the first of its trunk.
fn physical(objects: &Objects, vlan: &Object) -> Option<String> {
    let first = names(vlan.block("interfaces")).next()?;
    let Some(trunk) = objects.find("net trunk", first) else { return Some(first.to_owned()) };
    names(trunk.block("interfaces")).next().map(str::to_owned)
}

fn mtu(vlan: &Object) -> i64 {
    vlan.word("mtu").and_then(|mtu| mtu.parse().ok()).unwrap_or(MTU)
}

fn interface(
    objects: &Objects,
    vlan: &Object,
    ports: &BTreeMap<String, String>,
    draft: &mut Draft,
    findings: &mut Findings,
) {
    let mut entry = Entry::new("interface", vlan.title());
    let addresses = self_ips(objects, vlan, &mut entry, findings);
    if addresses.is_empty() {
        findings.add(Note, vlan.title(), "it has no self-IP of IPv4, so there is no interface of it", "");
        return;
    }
    let interface = physical(objects, vlan).unwrap_or_else(|| vlan.name.clone());
    warn_of_links(objects, vlan, findings);
    entry.set("name", draft.free_name("interface", &vlan.name));
    entry.set("port", ports.get(&interface).map(String::as_str).unwrap_or_default());
    let tagged = vlan.block("interfaces").iter().any(|link| names(&link.block).any(|mode| mode == "tagged"));
    match vlan.word("tag").and_then(|tag| tag.parse::<i64>().ok()) {
        Some(tag) if tagged => _ = entry.set("vlan", tag),
        None if tagged => {
            findings.add(Severe, vlan.title(), "it is tagged but has no tag", "add vlan = ... to its [[interface]]")
        }
        _ => {}
    }
    entry.set("addresses", addresses.iter().map(Ipv4Net::to_string).collect::<Vec<_>>());
    if mtu(vlan) != MTU {
        entry.set("mtu", mtu(vlan));
    }
    draft.add(entry);
}

fn warn_of_links(objects: &Objects, vlan: &Object, findings: &mut Findings) {
    let links: Vec<&str> =
        vlan.block("interfaces").iter().flat_map(|item| item.words.first()).map(String::as_str).collect();
    for trunk in links.iter().filter_map(|link| objects.find("net trunk", link)) {
        let count = trunk.block("interfaces").len();
        let lacp = if trunk.word("lacp") == Some("enabled") { ", with LACP" } else { "" };
        findings.add(
            Severe,
            trunk.title(),
            format!("a trunk of {count} interfaces{lacp}: Fairlead's port is one NIC"),
            "use one NIC, as Fairlead does not bond ports, and a second appliance against its loss; take LACP off at the switch",
        );
    }
    if links.len() > 1 {
        let message = format!(
            "it is on {} interfaces, and Fairlead does not switch between ports: the first is used",
            links.len()
        );
        findings.add(Severe, vlan.title(), message, "connect the others to the switch instead");
    }
}

/// The self-IPs of a VLAN, those that float first: they are what hosts have as their gateway.
fn self_ips(objects: &Objects, vlan: &Object, entry: &mut Entry, findings: &mut Findings) -> Vec<Ipv4Net> {
    let floats =
        |own: &&Object| own.word("traffic-group").is_some_and(|group| !group.ends_with("traffic-group-local-only"));
    let on_vlan = |own: &&Object| {
        own.word("vlan").and_then(|name| objects.find("net vlan", name)).is_some_and(|at| at.name == vlan.name)
    };
    let (floating, fixed): (Vec<_>, Vec<_>) = objects.of("net self").filter(on_vlan).partition(floats);
    let mut addresses = Vec::new();
    for (own, is_floating) in
        floating.into_iter().map(|own| (own, true)).chain(fixed.into_iter().map(|own| (own, false)))
    {
        let text = own.word("address").unwrap_or_default();
        match network(text) {
            Ok(net) if !addresses.iter().any(|known: &Ipv4Net| known.addr() == net.addr()) => {
                addresses.push(net);
                entry.also_from(own.title());
            }
            Ok(_) => {}
            Err(Unusable::V6) => {
                findings.add(Severe, own.title(), format!("{text} is an address of IPv6, which is not forwarded"), "");
                continue;
            }
            Err(Unusable::Other) => {
                findings.add(Severe, own.title(), format!("`{text}` is no address"), "write it into the [[interface]]");
                continue;
            }
        }
        if text.contains('%') {
            let message = format!("{text} is in a route domain of its own, which Fairlead does not have");
            let remedy = "see that no two networks of this file overlap; else split it between two appliances";
            findings.add(Check, own.title(), message, remedy);
        }
        if is_floating {
            let message = "it floats between two BIG-IPs; the appliance of this file holds it alone";
            findings.add(Check, own.title(), message, "use it on one appliance only");
        }
    }
    addresses
}

fn route(route: &Object, draft: &mut Draft, findings: &mut Findings) {
    let to = route.word("network").unwrap_or(leaf_network(&route.name));
    let unusable = |what: &str| format!("{what}: only a route to a gateway of IPv4 is carried over");
    let (to, via) = match (network(to), route.word("gw").map(address)) {
        (Ok(to), Some(Ok((via, _)))) => (to, via),
        (Err(Unusable::V6), _) | (_, Some(Err(Unusable::V6))) => {
            return findings.add(Severe, route.title(), "it is a route of IPv6, which is not forwarded", "");
        }
        (_, None) => {
            let how = ["pool", "interface", "blackhole"].into_iter().find(|key| route.has(key)).unwrap_or("no gateway");
            return findings.add(Severe, route.title(), unusable(how), "write a [[route]] with the gateway's address");
        }
        _ => return findings.add(Severe, route.title(), unusable(to), "write the [[route]] by hand"),
    };
    let mut entry = Entry::new("route", route.title());
    entry.set("to", if to.prefix_len() == 0 { "default".to_owned() } else { to.trunc().to_string() });
    entry.set("via", via.to_string());
    draft.add(entry);
    if word(&route.items, "mtu").is_some_and(|mtu| mtu != "0") {
        findings.add(Check, route.title(), "its MTU is not carried over", "set mtu on the [[interface]] it leaves by");
    }
}

/// An old file names the network in the route's own name.
fn leaf_network(name: &str) -> &str {
    let name = name.strip_prefix("/Common/").unwrap_or(name);
    if name.starts_with("default") { "default" } else { name }
}
