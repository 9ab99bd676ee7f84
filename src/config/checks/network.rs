//! Ports, interfaces, self-IPs and routes.

use crate::config::document::{Document, repeated, same};
use crate::config::reader::{At, Section};
use crate::config::report::Report;
use crate::config::schema::{Neighbour, Route, VirtualServer};
use crate::config::value::network_text;
use ipnet::Ipv4Net;
use std::collections::HashMap;
use std::net::Ipv4Addr;

/// Reports what cannot be a network.
pub(super) fn check(document: &Document, report: &mut Report) {
    presence(document, report);
    devices(document, report);
    same_link(document, report);
    mtus(document, report);
    hosts(document, report);
    routing_device(document, report);
    self_addresses(document, report);
    overlaps(document, report);
    routes(document, report);
    neighbours(document, report);
}

/// Reports that `what` of `entry` is the address of no other host on a link of ours, and says whether it did.
/// Says nothing while the networks are not all known.
pub(super) fn off_link(
    document: &Document,
    entry: &impl Section,
    (key, at): (&str, &At<Ipv4Addr>),
    remedy: &str,
    report: &mut Report,
) {
    let interfaces = &document.interfaces;
    let known = !interfaces.is_empty() && interfaces.iter().all(|interface| !interface.addresses.is_empty());
    if !known || document.link_of(at.value).is_some() {
        return;
    }
    let nets = document.self_ips().map(|(entry, net)| format!("{} ({})", net.trunc(), entry.head.title));
    entry
        .error(report, key, &at.span, format!("{key} = \"{at}\" is in no interface's network"))
        .instead(format!("an address in {}", nets.collect::<Vec<_>>().join(", ")), remedy);
}

/// Reports that the address of `entry` is one of ours, or no host's, and says whether it did.
pub(super) fn own(document: &Document, entry: &impl Section, at: &At<Ipv4Addr>, report: &mut Report) -> bool {
    let what = format!("address = \"{at}\"");
    if let Some((interface, net)) = document.self_ip(at.value) {
        entry
            .error(report, "address", &at.span, format!("{what} is a self-IP of {}", interface.head.title))
            .instead("an address that nothing else has", "correct one of the two")
            .see(&net.span, "the self-IP");
        return true;
    }
    let Some(net) = document.network_ending(at.value) else { return false };
    entry
        .error(report, "address", &at.span, format!("{what} is the network or broadcast address of {}", net.trunc()))
        .instead("the address of one host", "correct the address");
    true
}

fn presence(document: &Document, report: &mut Report) {
    if report.refused() {
        return;
    }
    if document.ports.is_empty() {
        report.error_of_file("port", "no [[port]] is defined: there is nothing to receive packets on").instead(
            "at least one [[port]] and one [[interface]]",
            "add [[port]] with a name and a device, and an [[interface]] on it",
        );
    } else if document.interfaces.is_empty() {
        report
            .error_of_file("interface", "no [[interface]] is defined: the appliance would have no address")
            .instead("at least one [[interface]]", "add [[interface]] with a name, a port and addresses");
    }
}

fn devices(document: &Document, report: &mut Report) {
    let base = |at: &At<String>| at.split(',').next().unwrap_or_default().trim().to_ascii_lowercase();
    for (first, second) in repeated(document.ports.iter().flat_map(|port| &port.device), |at| Some(base(at))) {
        let message = format!("two ports use the device {}", base(second));
        report.twice([&first.span, &second.span], "port.device", message).instead(
            "each port has a device of its own; virtual devices of one driver differ in their number",
            "name another device; two networks on one NIC are two [[interface]] entries with different vlan",
        );
    }
}

fn same_link(document: &Document, report: &mut Report) {
    let sound = document.interfaces.iter().filter(|at| at.vlan.is_some() || at.head.written("vlan").is_none());
    let link = |vlan: Option<&u16>| vlan.map_or("untagged".into(), |tag| format!("VLAN {tag}"));
    for (first, second) in repeated(sound, |entry| Some((entry.port.as_deref()?, entry.vlan.as_deref()))) {
        let (Some(port), vlan) = (&second.port, &second.vlan) else { continue };
        let (one, two, link) = (&first.head.title, &second.head.title, link(vlan.as_deref()));
        let (key, span) = vlan.as_ref().map_or(("port", &port.span), |vlan| ("vlan", &vlan.span));
        let message = format!("{one} and {two} are both {link} on port \"{port}\"");
        report.twice([&first.head.span, span], &format!("interface.{key}"), message).instead(
            "one interface for each port and VLAN",
            "give one of them another vlan or port, or put all addresses into one interface",
        );
    }
}

fn mtus(document: &Document, report: &mut Report) {
    for interface in &document.interfaces {
        let Some(port) = document.ports.iter().find(|port| same(&port.name, &interface.port)) else { continue };
        let (Some(mtu), Some(limit)) = (&interface.mtu, &port.mtu) else { continue };
        if mtu.value > limit.value {
            interface
                .error(report, "mtu", &mtu.span, format!("mtu = {mtu} is above the {limit} bytes of its port"))
                .instead(format!("576 to {limit} bytes"), format!("write mtu = {limit} here, or raise the port's"))
                .see(&limit.span, "the port's");
        }
    }
}

/// The longest name that the kernel takes for a device (IFNAMSIZ, less its end).
const LONGEST_DEVICE: usize = 15;

fn too_long(what: &str, name: &str) -> String {
    format!("{what} has {} characters: the kernel takes no such name for a device", name.len())
}

/// The device that holds virtual addresses.
fn routing_device(document: &Document, report: &mut Report) {
    let Some(name) = document.routing.device.as_ref().filter(|name| name.len() > LONGEST_DEVICE) else { return };
    document
        .routing
        .error(report, "device", &name.span, too_long(&format!("device = \"{name}\""), name))
        .instead(format!("at most {LONGEST_DEVICE} characters"), "write \"fl-vips\"");
}

fn hosts(document: &Document, report: &mut Report) {
    let named = || document.interfaces.iter().filter_map(|entry| Some((entry, entry.host.as_ref()?)));
    for (interface, host) in named() {
        let what = format!("host = \"{host}\"");
        if host.len() > LONGEST_DEVICE {
            interface
                .error(report, "host", &host.span, too_long(&what, host))
                .instead(format!("at most {LONGEST_DEVICE} characters"), "shorten it");
        } else if document.routing.device.as_deref() == Some(&host.value) {
            interface
                .error(
                    report,
                    "host",
                    &host.span,
                    format!("{what} is the device of [routes] that holds virtual addresses"),
                )
                .instead("a device of its own", "write another name, such as \"fl-clients\"");
        } else if ["lo", ".", "..", "all", "default"].contains(&host.as_str()) {
            interface
                .error(report, "host", &host.span, format!("{what} is no name for a device that is made"))
                .instead("a name that nothing else has in the kernel", "write another name, such as \"fl-clients\"");
        }
    }
    for (first, second) in repeated(named().map(|(_, host)| host), |at| Some(&at.value)) {
        let message = format!("two interfaces have the host device \"{second}\"");
        report
            .twice([&first.span, &second.span], "interface.host", message)
            .instead("a device of its own for each interface", "give one of them another name");
    }
}

fn self_addresses(document: &Document, report: &mut Report) {
    for (first, second) in repeated(document.self_ips().map(|(_, net)| net), |net| Some(net.addr())) {
        let message = format!("the self-IP {} is listed twice", second.addr());
        let note = report.twice([&first.span, &second.span], "interface.addresses", message);
        note.instead("each self-IP once", "remove one of them");
    }
}

fn overlaps(document: &Document, report: &mut Report) {
    let overlap = |a: &Ipv4Net, b: &Ipv4Net| a.addr() != b.addr() && (a.contains(&b.trunc()) || b.contains(&a.trunc()));
    for (place, second) in document.interfaces.iter().enumerate() {
        for first in &document.interfaces[..place] {
            let mut pairs = second.addresses.iter().flat_map(|b| first.addresses.iter().map(move |a| (a, b)));
            let Some((a, b)) = pairs.find(|(a, b)| overlap(a, b)) else { continue };
            let (one, two) = (&first.head.title, &second.head.title);
            let message = format!("the networks of {one} and {two} overlap: {} and {}", a.trunc(), b.trunc());
            report
                .error(&b.span, "interface.addresses", message)
                .instead(
                    "an address is reached over one interface only",
                    "correct a prefix length, or move both addresses to one interface",
                )
                .see(&a.span, "the other network");
        }
    }
}

fn routes(document: &Document, report: &mut Report) {
    let learns = document.routing.from_kernel.as_deref() == Some(&true);
    if document.routes.is_empty() && !learns && !document.interfaces.is_empty() && !report.refused() {
        report
            .warning_of_file("route", "no [[route]] is defined: only hosts on the interfaces' networks can be reached")
            .remedy("add [[route]] with via = the router's address, unless no client and no peer is behind a router");
    }
    for (first, second) in repeated(document.routes.iter().flat_map(|route| &route.to), |to| Some(to.value)) {
        let message = format!("there are two routes, both to \"{}\"", network_text(second.value));
        let note = report.twice([&first.span, &second.span], "route.to", message);
        note.instead("one route for each destination", "remove one of them");
    }
    for route in &document.routes {
        connected_destination(document, route, report);
        let Some(via) = &route.via else { continue };
        if let Some((interface, _)) = document.self_ip(via.value) {
            let message = format!("via = \"{via}\" is the appliance itself ({})", interface.head.title);
            let note = route.error(report, "via", &via.span, message);
            note.instead("the address of another router", "write the router's address");
        } else {
            let remedy = "correct the next hop, or the prefix length of the interface that faces it";
            off_link(document, route, ("via", via), remedy, report);
        }
    }
}

fn neighbours(document: &Document, report: &mut Report) {
    for (first, second) in repeated(document.neighbours.iter().flat_map(|entry| &entry.address), |at| Some(at.value)) {
        let note = report.twice(
            [&first.span, &second.span],
            "neighbour.address",
            format!("neighbour {second} is listed twice"),
        );
        note.instead("each host once", "remove one of them");
    }
    let servers: HashMap<Ipv4Addr, &VirtualServer> = document
        .virtual_servers
        .iter()
        .rev()
        .filter_map(|server| Some((server.address.as_ref()?.value, server)))
        .collect();
    for entry in &document.neighbours {
        neighbour(document, entry, &servers, report);
        let trusted = entry.trusted.as_deref() == Some(&true);
        if let Some(mac) = entry.mac.as_ref().filter(|_| trusted) {
            entry
                .error(report, "mac", &mac.span, "mac and trusted = true contradict each other")
                .instead("a MAC that stays, or one that ARP may change", "remove one of the two");
        } else if !trusted && entry.head.written("mac").is_none() {
            entry
                .error(
                    report,
                    "mac",
                    &entry.head.span,
                    "neither mac nor trusted = true is written: the entry says nothing",
                )
                .instead(
                    "where the host is, or that ARP about it is believed at once",
                    "add one of the two, or remove it",
                );
        }
    }
}

fn neighbour(document: &Document, entry: &Neighbour, servers: &HashMap<Ipv4Addr, &VirtualServer>, report: &mut Report) {
    let Some(at) = &entry.address else { return };
    if own(document, entry, at, report) {
        return;
    }
    match servers.get(&at.value) {
        Some(server) => {
            let message = format!("address = \"{at}\" is that of {}", server.head.title);
            let note = entry.error(report, "address", &at.span, message);
            note.instead("the address of another host", "correct the address, or remove the entry");
        }
        None => {
            let remedy = "correct the address: only hosts on our links have a MAC here";
            off_link(document, entry, ("address", at), remedy, report);
        }
    }
}

fn connected_destination(document: &Document, route: &Route, report: &mut Report) {
    let Some(to) = &route.to else { return };
    for (interface, net) in document.self_ips().filter(|(_, net)| net.trunc() == to.value) {
        let message = format!("route to \"{to}\": that is the network of {}", interface.head.title);
        report
            .error(&to.span, "route.to", message)
            .instead("networks behind a router; those of interfaces need no route", "remove the route")
            .see(&net.span, "the interface's network");
    }
}
