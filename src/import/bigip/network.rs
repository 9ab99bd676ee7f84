//! VLANs, self-IPs and routes: ports, interfaces and routes.
//!
//! Owns what is done with trunks, with networks in several route domains, and with self-IPs that float. Which NIC takes
//! the place of an interface stands in no file: a PCI address is made up for each, and said to be.

use super::names::{Unusable, address, network};
use super::objects::{Object, Objects};
use super::pair;
use crate::import::draft::{Draft, Entry};
use crate::import::findings::Findings;
use crate::import::findings::Severity::{Check, Note, Severe};
use crate::import::syntax::{names, word};
use ipnet::Ipv4Net;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

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
        let is_first = |trunk: &&Object| names(trunk.block("interfaces")).next() == Some(interface.as_str());
        objects.of("net trunk").filter(is_first).for_each(|trunk| entry.has_part_of(trunk.title()));
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
    let SelfIps { addresses, floating } = self_ips(objects, vlan, &mut entry, findings);
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
    if !floating.is_empty() {
        entry.set("floating", floating.iter().map(Ipv4Net::to_string).collect::<Vec<_>>());
    }
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
            "use one of its links, and take LACP off the switch port; a bond that the hardware or the hypervisor forms is one NIC as well. Against \
             the loss of a link or a switch there is a second appliance ([pair]): the chapter \"Bonding\"",
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

/// What an interface has.
#[derive(Default)]
struct SelfIps {
    addresses: Vec<Ipv4Net>,
    /// Those of whichever appliance of a pair is active.
    floating: Vec<Ipv4Net>,
}

/// The self-IPs of a VLAN. Those that float come first where they are written as fixed ones: they are what hosts have as their gateway.
fn self_ips(objects: &Objects, vlan: &Object, entry: &mut Entry, findings: &mut Findings) -> SelfIps {
    let on_vlan = |own: &&Object| is_on(own, vlan, objects);
    let (moving, staying): (Vec<_>, Vec<_>) = objects.of("net self").filter(on_vlan).partition(|own| floats(own));
    let mut read = |all: Vec<&'_ Object>| -> Vec<(String, Ipv4Net)> {
        all.into_iter().filter_map(|own| Some((own.title(), self_ip(own, findings)?))).collect()
    };
    let (moving, staying) = (read(moving), read(staying));
    let mut all = SelfIps::default();
    let is_pair = pair::is_one(objects);
    for (title, net) in moving {
        entry.also_from(&title);
        if is_pair && staying.iter().any(|(_, own)| own.trunc() == net.trunc()) {
            all.floating.push(net);
            continue;
        }
        all.addresses.push(net);
        let (message, remedy) = match is_pair {
            true => (
                "it floats between two BIG-IPs, but no fixed self-IP is in its network beside it: it is written under `addresses`",
                "write an address of the appliance's own under `addresses`, and this one under `floating`".to_owned(),
            ),
            false => (
                "it floats, but no device group of these files says between whom: it is written under `addresses`",
                format!("with a second appliance write it under `floating`, and [pair], as in {}", pair::CHAPTER),
            ),
        };
        findings.add(Check, title, message, remedy);
    }
    for (title, net) in staying {
        entry.also_from(title);
        all.addresses.push(net);
    }
    for nets in [&mut all.addresses, &mut all.floating] {
        let mut seen = BTreeSet::new();
        nets.retain(|net| seen.insert(net.addr()));
    }
    all.floating.retain(|net| all.addresses.iter().all(|own| own.addr() != net.addr()));
    all
}

fn is_on(own: &Object, vlan: &Object, objects: &Objects) -> bool {
    own.word("vlan").and_then(|name| objects.find("net vlan", name)).is_some_and(|at| at.name == vlan.name)
}

fn floats(own: &Object) -> bool {
    own.word("floating") == Some("enabled")
        || own.word("traffic-group").is_some_and(|group| !group.ends_with("traffic-group-local-only"))
}

/// Its address, with the length of its network.
fn self_ip(own: &Object, findings: &mut Findings) -> Option<Ipv4Net> {
    let text = own.word("address").unwrap_or_default();
    let net = match network(text) {
        Ok(net) => net,
        Err(Unusable::V6) => {
            findings.add(Severe, own.title(), format!("{text} is an address of IPv6, which is not forwarded"), "");
            return None;
        }
        Err(Unusable::Other) => {
            findings.add(Severe, own.title(), format!("`{text}` is no address"), "write it into the [[interface]]");
            return None;
        }
    };
    if text.contains('%') {
        let message = format!("{text} is in a route domain of its own, which Fairlead does not have");
        let remedy = "see that no two networks of this file overlap; else split it between two appliances";
        findings.add(Check, own.title(), message, remedy);
    }
    Some(net)
}

/// The networks of a VLAN's self-IPs.
pub fn networks<'o>(objects: &'o Objects, vlan: &'o Object) -> impl Iterator<Item = Ipv4Net> + 'o {
    let here = objects.of("net self").filter(move |own| is_on(own, vlan, objects));
    here.filter_map(|own| network(own.word("address")?).ok()).map(|net| net.trunc())
}

/// Where a route leads, and by whom.
pub fn hop(route: &Object) -> Option<(Ipv4Net, Ipv4Addr)> {
    let to = network(route.word("network").unwrap_or(leaf_network(&route.name))).ok()?;
    let (via, _) = address(route.word("gw")?).ok()?;
    Some((to.trunc(), via))
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
