//! Ports, interfaces, self-IPs and routes.

use super::{repeated, span_of};
use crate::config::reader::At;
use crate::config::report::{Report, Span};
use crate::config::schema::{Document, Interface, Route};
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// Reports what cannot be a network.
pub(super) fn check(document: &Document, report: &mut Report) {
    presence(document, report);
    devices(document, report);
    same_link(document, report);
    mtus(document, report);
    self_addresses(document, report);
    overlaps(document, report);
    routes(document, report);
}

/// No interface has a network that holds `address`. `false` while the networks are not all known.
pub(super) fn off_link(document: &Document, address: Ipv4Addr) -> bool {
    let holds = |interface: &Interface| interface.addresses.iter().any(|net| net.value.contains(&address));
    let known = document.interfaces.iter().all(|interface| !interface.addresses.is_empty());
    known && !document.interfaces.is_empty() && !document.interfaces.iter().any(holds)
}

/// The self-IP that `address` is, if it is one.
pub(super) fn self_address(document: &Document, address: Ipv4Addr) -> Option<(&Interface, &At<Ipv4Net>)> {
    let mut all = document.interfaces.iter().flat_map(|entry| entry.addresses.iter().map(move |net| (entry, net)));
    all.find(|(_, net)| net.value.addr() == address)
}

/// The connected network of which `address` is the network or broadcast address.
pub(super) fn edge(document: &Document, address: Ipv4Addr) -> Option<Ipv4Net> {
    let nets = document.interfaces.iter().flat_map(|entry| &entry.addresses).map(|net| net.value);
    nets.filter(|net| net.prefix_len() < 31).find(|net| address == net.network() || address == net.broadcast())
}

/// The connected networks in words: `10.20.0.0/24 ("servers")`.
pub(super) fn networks(document: &Document) -> String {
    let entries = document.interfaces.iter().flat_map(|entry| entry.addresses.iter().map(move |net| (entry, net)));
    let words: Vec<String> =
        entries.map(|(entry, net)| format!("{} ({})", net.value.trunc(), entry.head.title)).collect();
    words.join(", ")
}

fn presence(document: &Document, report: &mut Report) {
    if document.ports.is_empty() && !report.refused() {
        let finding = report.error_of_file("port", "no [[port]] is defined: there is nothing to receive packets on");
        finding.allowed("at least one [[port]] and one [[interface]]");
        finding.remedy("add [[port]] with a name and a device, and an [[interface]] on it");
    } else if document.interfaces.is_empty() && !report.refused() {
        let finding =
            report.error_of_file("interface", "no [[interface]] is defined: the appliance would have no address");
        finding.allowed("at least one [[interface]]");
        finding.remedy("add [[interface]] with a name, a port and addresses");
    }
}

fn devices(document: &Document, report: &mut Report) {
    let devices = document.ports.iter().filter_map(|port| port.device.as_ref());
    let base = |at: &At<String>| at.value.split(',').next().unwrap_or_default().trim().to_ascii_lowercase();
    for (first, second) in repeated(devices.map(|at| (base(at), at))) {
        let message = format!("two ports use the device {}", base(second));
        let finding = report.error(&second.span, "port.device", message);
        finding.allowed("each port has a device of its own; virtual devices of one driver differ in their number");
        finding
            .remedy("name another device; two networks on one NIC are two [[interface]] entries with different vlan");
        report.see(&first.span, "the first one");
    }
}

fn same_link(document: &Document, report: &mut Report) {
    let links = document.interfaces.iter().filter_map(|entry| {
        let port = entry.port.as_ref()?;
        let broken_vlan = entry.vlan.is_none() && entry.head.written("vlan").is_some();
        (!broken_vlan).then(|| ((port.value.clone(), entry.vlan.as_ref().map(|at| at.value)), entry))
    });
    for (first, second) in repeated(links) {
        let vlan = second.vlan.as_ref().map_or("untagged".into(), |at| format!("VLAN {}", at.value));
        let port = second.port.as_ref().map_or("", |at| &at.value);
        let message = format!("{} and {} are both {vlan} on port \"{port}\"", first.head.title, second.head.title);
        let key = if second.vlan.is_some() { "interface.vlan" } else { "interface.port" };
        let span = second.vlan.as_ref().map_or_else(|| span_of(&second.port, second), |at| &at.span);
        let finding = report.error(span, key, message);
        finding.allowed("one interface for each port and VLAN");
        finding.remedy("give one of them another vlan or port, or put all addresses into one interface");
        report.see(&first.head.span, "the first one");
    }
}

fn mtus(document: &Document, report: &mut Report) {
    for interface in &document.interfaces {
        let Some(mtu) = &interface.mtu else { continue };
        let name = interface.port.as_ref().map(|at| &at.value);
        let port = document.ports.iter().find(|port| port.name.as_ref().map(|at| &at.value) == name);
        let Some(limit) = port.and_then(|port| port.mtu.as_ref()).filter(|limit| limit.value < mtu.value) else {
            continue;
        };
        let title = &interface.head.title;
        let message = format!("{title}: mtu = {} is above the {} bytes of its port", mtu.value, limit.value);
        let finding = report.error(&mtu.span, "interface.mtu", message);
        finding.allowed(format!("576 to {} bytes", limit.value));
        finding.remedy(format!("write mtu = {} here, or raise the port's", limit.value));
        report.see(&limit.span, "the port's");
    }
}

fn self_addresses(document: &Document, report: &mut Report) {
    let all = document.interfaces.iter().flat_map(|entry| &entry.addresses);
    for (first, second) in repeated(all.map(|net| (net.value.addr(), net))) {
        let message = format!("the self-IP {} is listed twice", second.value.addr());
        let finding = report.error(&second.span, "interface.addresses", message);
        finding.allowed("each self-IP once").remedy("remove one of them");
        report.see(&first.span, "the first one");
    }
}

fn overlaps(document: &Document, report: &mut Report) {
    for (place, second) in document.interfaces.iter().enumerate() {
        for first in &document.interfaces[..place] {
            let pairs = second.addresses.iter().flat_map(|b| first.addresses.iter().map(move |a| (a, b)));
            let overlap = |(a, b): &(&At<Ipv4Net>, &At<Ipv4Net>)| {
                a.value.addr() != b.value.addr()
                    && (a.value.contains(&b.value.trunc()) || b.value.contains(&a.value.trunc()))
            };
            let Some((a, b)) = pairs.into_iter().find(overlap) else { continue };
            let (a_net, b_net) = (a.value.trunc(), b.value.trunc());
            let message =
                format!("the networks of {} and {} overlap: {a_net} and {b_net}", first.head.title, second.head.title);
            let finding = report.error(&b.span, "interface.addresses", message);
            finding.allowed("an address is reached over one interface only");
            finding.remedy("correct a prefix length, or move both addresses to one interface");
            report.see(&a.span, "the other network");
        }
    }
}

fn routes(document: &Document, report: &mut Report) {
    let ways = document.routes.iter().filter_map(|route| Some((route.to.as_ref()?.value, route)));
    for (first, second) in repeated(ways) {
        let span = written_to(second).unwrap_or(&second.head.span);
        let finding = report.error(
            span,
            "route.to",
            format!("there are two routes, both {}", &second.head.title["route ".len()..]),
        );
        finding.allowed("one route for each destination").remedy("remove one of them");
        report.see(written_to(first).unwrap_or(&first.head.span), "the first one");
    }
    for route in &document.routes {
        let title = &route.head.title;
        connected_destination(document, route, report);
        let Some(via) = &route.via else { continue };
        if let Some((interface, _)) = self_address(document, via.value) {
            let message =
                format!("{title}: via = \"{}\" is the appliance itself ({})", via.value, interface.head.title);
            let finding = report.error(&via.span, "route.via", message);
            finding.allowed("the address of another router").remedy("write the router's address");
        } else if off_link(document, via.value) {
            let message = format!("{title}: via = \"{}\" is in no interface's network", via.value);
            let finding = report.error(&via.span, "route.via", message);
            finding.allowed(format!("an address in {}", networks(document)));
            finding.remedy("correct the next hop, or the prefix length of the interface that faces it");
        }
    }
}

fn written_to(route: &Route) -> Option<&Span> {
    route.to.as_ref().filter(|to| to.written).map(|to| &to.span)
}

fn connected_destination(document: &Document, route: &Route, report: &mut Report) {
    let Some(to) = &route.to else { return };
    let nets = document.interfaces.iter().flat_map(|entry| entry.addresses.iter().map(move |net| (entry, net)));
    for (interface, net) in nets.filter(|(_, net)| net.value.trunc() == to.value) {
        let message = format!("route to \"{}\": that is the network of {}", to.value, interface.head.title);
        let finding = report.error(&to.span, "route.to", message);
        finding.allowed("networks behind a router; those of interfaces need no route").remedy("remove the route");
        report.see(&net.span, "the interface's network");
    }
}
