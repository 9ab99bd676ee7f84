//! Whether the pair and what floats between its two appliances fit together.

use super::tls::{certificates, private_key};
use crate::config::document::{Document, repeated};
use crate::config::reader::{At, Section};
use crate::config::report::Report;
use crate::config::schema::{Interface, Pair};
use crate::policy::intent::PemFile;
use ipnet::Ipv4Net;
use openssl::x509::X509;

/// Reports what does not.
pub(super) fn check(document: &Document, report: &mut Report) {
    floating(document, report);
    match &document.pair {
        Some(pair) => {
            fixed(document, report);
            virtual_routers(document, pair, report);
            gateways(document, report);
            peer(pair, report);
            other_address(document, pair, report);
        }
        None => document.interfaces.iter().for_each(|interface| alone(interface, report)),
    }
}

fn all(document: &Document) -> impl Iterator<Item = (&Interface, &At<Ipv4Net>)> {
    document.interfaces.iter().flat_map(|interface| interface.floating.iter().map(move |net| (interface, net)))
}

/// Each is in a network of its interface, and nobody else's.
fn floating(document: &Document, report: &mut Report) {
    for (first, second) in repeated(all(document).map(|(_, net)| net), |net| Some(net.addr())) {
        let message = format!("the floating address {} is listed twice", second.addr());
        let note = report.twice([&first.span, &second.span], "interface.floating", message);
        note.instead("each floating address once", "remove one of them");
    }
    for (interface, net) in all(document) {
        let networks: Vec<String> = interface.addresses.iter().map(|net| net.trunc().to_string()).collect();
        let taken = |what: &str| format!("the floating address {} is {what}", net.addr());
        if let Some((_, fixed)) = document.self_ip(net.addr()) {
            interface
                .error(report, "floating", &net.span, taken("also a fixed one"))
                .instead(
                    "an address that neither of the two appliances has for itself",
                    "remove it from one of the two",
                )
                .see(&fixed.span, "the fixed address");
        } else if !interface.addresses.is_empty() && !interface.addresses.iter().any(|own| own.trunc() == net.trunc()) {
            interface
                .error(report, "floating", &net.span, format!("floating = \"{}\" is in no network of it", net.value))
                .instead(
                    format!("an address in {}, with that length", networks.join(", ")),
                    "correct the address or its length",
                );
        }
        let member = document.members().find(|member| member.address.as_deref() == Some(&net.addr()));
        let server = document.virtual_servers.iter().find(|server| server.address.as_deref() == Some(&net.addr()));
        let others = [member.map(|it| &it.head.title), server.map(|it| &it.head.title)];
        for title in others.into_iter().flatten() {
            let note = interface.error(report, "floating", &net.span, taken(&format!("that of {title}")));
            note.instead("virtual addresses float by themselves; members keep theirs", "remove it here");
        }
        if let Some(route) = document.routes.iter().find(|route| route.via.as_deref() == Some(&net.addr())) {
            interface
                .error(report, "floating", &net.span, taken("the next hop of a route"))
                .instead(
                    "an address of the two appliances, which routers and servers send to",
                    "correct one of the two: a next hop is another router",
                )
                .see(&route.head.span, "the route");
        }
    }
}

/// Nothing floats where there is nobody else.
fn alone(interface: &Interface, report: &mut Report) {
    if let Some(first) = interface.floating.first() {
        let note = interface.error(report, "floating", &first.span, "floating needs [pair]: the appliance is alone");
        note.instead("floating addresses in a file with [pair]", "add [pair], or write the address under addresses");
    }
    if let Some(vrid) = &interface.vrid {
        let note = interface.error(report, "vrid", &vrid.span, "vrid needs [pair]: the appliance is alone");
        note.instead("vrid in a file with [pair]", "add [pair], or remove it");
    }
}

/// What members are translated to goes to the other appliance with them.
fn fixed(document: &Document, report: &mut Report) {
    for at in document.snats.iter().filter_map(|snat| snat.address.as_ref()) {
        let Some((_, own)) = document.self_ip(at.value) else { continue };
        report
            .error(
                &at.span,
                "snat.address",
                format!("{at} is fixed to this appliance, and the other one cannot take it over"),
            )
            .instead("with [pair], an address of a virtual server that is no self-IP", "write a virtual address")
            .see(&own.span, "the self-IP");
    }
}

fn virtual_routers(document: &Document, pair: &Pair, report: &mut Report) {
    let with = || document.interfaces.iter().filter_map(|entry| Some((entry, entry.vrid.as_ref()?)));
    let is_wanted = pair.virtual_mac.as_deref() == Some(&true);
    if is_wanted && with().next().is_none() {
        pair.error(report, "virtual_mac", &pair.head.span, "virtual_mac = true, but no [[interface]] has a vrid")
            .instead(
                "vrid = 1 to 255 on interfaces with floating addresses",
                "add vrid, keepalived's virtual_router_id",
            );
    }
    for (entry, vrid) in with().filter(|_| !is_wanted) {
        entry
            .warning(report, "vrid", &vrid.span, "vrid has no effect without [pair] virtual_mac = true")
            .remedy("write virtual_mac = true, or remove it");
    }
    let by_port = |(entry, vrid): (&Interface, &At<u16>)| Some((entry.port.as_deref()?.clone(), vrid.value));
    for ((_, first), (_, second)) in repeated(with(), by_port) {
        let message = format!("two interfaces of one port have vrid {second}, and so the same MAC");
        report
            .twice([&first.span, &second.span], "interface.vrid", message)
            .instead("a virtual router of its own on each", "give one of them another number");
    }
}

/// The other one listens at an address that is its own, and stays there whoever is active.
fn other_address(document: &Document, pair: &Pair, report: &mut Report) {
    let Some(peer) = &pair.peer else { return };
    let std::net::IpAddr::V4(address) = peer.value.ip() else { return };
    let own = document.self_ip(address).map(|(_, own)| (&own.span, "fixed to this appliance"));
    let floats = all(document).find(|(_, net)| net.addr() == address);
    let floating = floats.map(|(_, net)| (&net.span, "floating: whoever is active has it"));
    let mut servers = document.virtual_servers.iter().filter_map(|server| server.address.as_ref());
    let virtual_address = servers.find(|at| at.value == address).map(|at| (&at.span, "that of a virtual server"));
    let Some((span, what)) = own.or(floating).or(virtual_address) else { return };
    pair.error(report, "peer", &peer.span, format!("peer = \"{}\": {address} is {what}", peer.value))
        .instead(
            "an address that the other appliance has for itself",
            "write its fixed address, or that of a management NIC",
        )
        .see(span, "the address");
}

/// All keys of the connection to the other one, or none; and each file holds what it is named for.
fn peer(pair: &Pair, report: &mut Report) {
    // What is written and cannot be read has an error of its own.
    let keys = ["peer", "certificate", "key", "peer_certificate"].map(|name| (name, pair.head.written(name)));
    let missing: Vec<&str> = keys.iter().filter(|(_, span)| span.is_none()).map(|(name, _)| *name).collect();
    let first = keys.iter().find_map(|(name, span)| Some((*name, (*span)?)));
    if let Some((name, span)) = first.filter(|_| !missing.is_empty()) {
        let message = format!("{name} without {}: nothing can be told to the other appliance", missing.join(", "));
        pair.error(report, name, span, message).instead(
            "peer, certificate, key and peer_certificate, or none of them",
            "write what is missing; `fairlead pair init` makes a key and a certificate",
        );
    }
    if let Some(span) = pair.head.written("listen").filter(|_| pair.head.written("peer").is_none()) {
        let note = pair.error(report, "listen", span, "listen without peer: nobody is let in");
        note.instead("listen with peer, certificate, key and peer_certificate", "write what is missing, or remove it");
    }
    if let Some(at) = pair.peer.as_ref().filter(|at| at.ip().is_unspecified()) {
        pair.error(report, "peer", &at.span, format!("peer = \"{}\" is nowhere", at.value))
            .instead("an address of the other appliance and a port", "write such as \"192.0.2.3:7601\"");
    }
    identity(pair, report);
}

/// The key is the certificate's, and the other one has another.
fn identity(pair: &Pair, report: &mut Report) {
    let own = certificate(pair, ("certificate", pair.certificate.as_ref()), report);
    let other = certificate(pair, ("peer_certificate", pair.peer_certificate.as_ref()), report);
    if let Some(file) = &pair.key {
        match (private_key(file), &own) {
            (None, _) => unreadable(pair, ("key", file), "private key without a passphrase", report),
            (Some(key), Some((at, own))) if !own.public_key().is_ok_and(|public| public.public_eq(&key)) => {
                let message = format!("the key in {} does not belong to the certificate", file.path);
                pair.error(report, "key", &file.span, message)
                    .instead("the key that the certificate was made for", "make both anew with `fairlead pair init`")
                    .see(&at.span, "the certificate");
            }
            _ => {}
        }
    }
    if let (Some((at, own)), Some((file, other))) = (own, other)
        && own.to_der().ok() == other.to_der().ok()
    {
        let message = format!("{} holds this appliance's own certificate", file.path);
        pair.error(report, "peer_certificate", &file.span, message)
            .instead("the certificate of the other appliance", "copy the file that `fairlead pair init` made there")
            .see(&at.span, "its own");
    }
}

fn certificate<'p>(
    pair: &Pair,
    (name, file): (&str, Option<&'p At<PemFile>>),
    report: &mut Report,
) -> Option<(&'p At<PemFile>, X509)> {
    let file = file?;
    let found = certificates(file).into_iter().next();
    if found.is_none() {
        unreadable(pair, (name, file), "certificate", report);
    }
    found.map(|found| (file, found))
}

fn unreadable(pair: &Pair, (name, file): (&str, &At<PemFile>), what: &str, report: &mut Report) {
    let message = format!("{} holds no {what} that can be read", file.path);
    pair.error(report, name, &file.span, message)
        .instead(format!("a PEM file with a {what}"), "make one with `fairlead pair init`");
}

/// Members send what they answer to their default gateway, which has to be on whichever appliance is active.
fn gateways(document: &Document, report: &mut Report) {
    let has_members = |interface: &Interface| {
        let mut members = document.members().filter_map(|member| member.address.as_deref());
        members.any(|address| interface.addresses.iter().any(|net| net.contains(address)))
    };
    for interface in document.interfaces.iter().filter(|entry| entry.floating.is_empty() && has_members(entry)) {
        interface
            .warning(
                report,
                "floating",
                &interface.head.span,
                "members live there, and no address floats: their default gateway stays where it is when the other appliance \
                 becomes active",
            )
            .remedy("write the members' default gateway as floating = [\"...\"], and another address under addresses");
    }
}
