//! Pools, members, monitors, virtual servers and SNAT.

use super::network::{off_link, own};
use crate::config::document::{Document, repeated, same};
use crate::config::form::{duration_text, quoted};
use crate::config::reader::{At, Field, Section};
use crate::config::report::{Report, count};
use crate::config::schema::{Member, Monitor, Pool, Probe, Route, Snat, VirtualServer};
use crate::config::value::listen_text;
use crate::policy::intent::{HeaderRule, Listen};
use crate::wire::Protocol;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Which kinds of monitor a key is for; keys that are not listed are for all.
const ONLY_FOR: [(&str, &[Probe]); 26] = [
    ("transport", &[Probe::Sip]),
    ("up_codes", &[Probe::Sip, Probe::Http, Probe::Https]),
    ("down_codes", &[Probe::Sip, Probe::Http, Probe::Https]),
    ("standby_codes", &[Probe::Sip]),
    ("active_header", &[Probe::Sip]),
    ("standby_header", &[Probe::Sip]),
    ("host", &[Probe::Sip, Probe::Http, Probe::Https]),
    ("user", &[Probe::Sip]),
    ("to", &[Probe::Sip]),
    ("from", &[Probe::Sip]),
    ("user_agent", &[Probe::Sip, Probe::Http, Probe::Https]),
    ("certificate", &[Probe::Sip, Probe::Https]),
    ("key", &[Probe::Sip, Probe::Https]),
    ("verify", &[Probe::Sip, Probe::Https]),
    ("ca", &[Probe::Sip, Probe::Https]),
    ("server_name", &[Probe::Sip, Probe::Https]),
    ("handshake", &[Probe::Sip, Probe::Https]),
    ("send", &[Probe::Udp]),
    ("receive", &[Probe::Udp, Probe::Http, Probe::Https]),
    ("command", &[Probe::External]),
    ("arguments", &[Probe::External]),
    ("up_when", &[Probe::External]),
    // A program asks by the kernel's network, which chooses.
    ("source", &[Probe::Icmp, Probe::Tcp, Probe::TcpHalfOpen, Probe::Sip, Probe::Udp, Probe::Http, Probe::Https]),
    ("method", &[Probe::Http, Probe::Https]),
    ("path", &[Probe::Http, Probe::Https]),
    ("port", &[Probe::Tcp, Probe::TcpHalfOpen, Probe::Sip, Probe::Udp, Probe::Http, Probe::Https, Probe::External]),
];

/// Reports pools, monitors, addresses and ports that contradict one another.
pub(super) fn check(document: &Document, report: &mut Report) {
    for monitor in &document.monitors {
        foreign_keys(monitor, report);
        patience(monitor, report);
        codes(monitor, report);
        match monitor.kind.as_deref() {
            Some(Probe::Http | Probe::Https) => header(monitor, "host", &monitor.host, report),
            _ => uri_part(monitor, "host", &monitor.host, report),
        }
        uri_part(monitor, "user", &monitor.user, report);
        uri(monitor, "to", &monitor.to, report);
        uri(monitor, "from", &monitor.from, report);
        header(monitor, "user_agent", &monitor.user_agent, report);
        ends(document, monitor, report);
        path(monitor, report);
        command(monitor, report);
        header_rule(monitor, "active_header", &monitor.active_header, report);
        header_rule(monitor, "standby_header", &monitor.standby_header, report);
        unused(document, monitor, report);
    }
    for pool in &document.pools {
        pool.monitors.iter().for_each(|name| port(document, pool, name, report));
    }
    for pool in &document.pools {
        monitors(document, pool, report);
        incomplete(document, pool, report);
    }
    members(document, report);
    let members: BTreeMap<Ipv4Addr, &Member> =
        document.members().filter_map(|member| Some((member.address.as_ref()?.value, member))).collect();
    let routes: BTreeMap<Ipv4Addr, &Route> =
        document.routes.iter().rev().filter_map(|route| Some((route.via.as_ref()?.value, route))).collect();
    for server in &document.virtual_servers {
        virtual_address(document, server, (&members, &routes), report);
    }
    datagram_ports(document, report);
    service_ports(document, report);
    snats(document, report);
}

/// The key means something to a monitor of this kind.
pub(super) fn applies(key: &str, kind: Probe) -> bool {
    ONLY_FOR.iter().all(|(name, kinds)| *name != key || kinds.contains(&kind))
}

fn foreign_keys(monitor: &Monitor, report: &mut Report) {
    let Some(kind) = &monitor.kind else { return };
    for (key, kinds) in ONLY_FOR.iter().filter(|(_, kinds)| !kinds.contains(&kind.value)) {
        let Some(span) = monitor.head.written(key) else { continue };
        monitor
            .error(report, key, span, format!("the key {key} does not apply to a monitor of kind \"{kind}\""))
            .instead(format!("{key} with kind = {}", quoted(*kinds)), "remove the key, or change the kind")
            .see(&kind.span, "the kind");
    }
}

fn patience(monitor: &Monitor, report: &mut Report) {
    let (Some(interval), Some(timeout)) = (&monitor.interval, &monitor.timeout) else { return };
    if timeout.value <= interval.value {
        return;
    }
    let (wish, most) = (duration_text(timeout.value), duration_text(interval.value));
    let message = format!("timeout = \"{wish}\" is longer than interval = \"{most}\"");
    let note = monitor.error(report, "timeout", &timeout.span, message).instead(
        format!("at most the interval, \"{most}\""),
        "shorten the timeout or leave it out, or lengthen the interval",
    );
    if interval.written {
        note.see(&interval.span, "the interval");
    }
}

fn codes(monitor: &Monitor, report: &mut Report) {
    let good = |code: u16| monitor.up_codes.iter().chain(&monitor.standby_codes).any(|range| range.contains(code));
    let bad = |code: u16| monitor.down_codes.iter().any(|range| range.contains(code));
    let has_codes = matches!(monitor.kind.as_deref(), Some(Probe::Sip | Probe::Http | Probe::Https));
    if !has_codes || monitor.up_codes.is_empty() || (100..700).any(|code| good(code) && !bad(code)) {
        return;
    }
    let Some(first) = monitor.down_codes.first() else { return };
    monitor
        .error(report, "down_codes", &first.span, "down_codes covers all of up_codes: no answer could count as good")
        .instead("at least one status code in up_codes that is not in down_codes", "narrow down_codes");
}

fn uri_part(monitor: &Monitor, key: &str, field: &Field<String>, report: &mut Report) {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.!~*'()&=+$,;?/%".contains(c);
    let Some(at) = field else { return };
    let Some(bad) = at.chars().find(|c| !fits(*c)) else { return };
    monitor.error(report, key, &at.span, format!("{key} = \"{at}\": {bad:?} cannot stand in a SIP URI")).instead(
        "letters, digits and the unreserved marks of RFC 3261 25.1",
        "write the bare part, without \"sip:\", `@`, `:` or spaces; the port has a key of its own",
    );
}

/// A URI stands between angle brackets in its field (RFC 3261 20.10).
fn uri(monitor: &Monitor, key: &str, field: &Field<String>, report: &mut Report) {
    let Some(at) = field else { return };
    let fits = |c: char| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '"');
    let is_sip = at.strip_prefix("sip:").or(at.strip_prefix("sips:")).is_some_and(|rest| !rest.is_empty());
    if !is_sip || !at.chars().all(fits) {
        monitor.error(report, key, &at.span, format!("{key} = \"{at}\" is not a SIP URI")).instead(
            "sip: or sips:, then what RFC 3261 19.1 allows",
            "write it bare, such as \"sip:ping@sip.example\"",
        );
    }
}

/// One line of a request (RFC 3261 7.3.1).
fn header(monitor: &Monitor, key: &str, field: &Field<String>, report: &mut Report) {
    let Some(at) = field else { return };
    if at.len() > 256 || at.chars().any(char::is_control) {
        monitor
            .error(report, key, &at.span, format!("{key} does not fit into one line of a request"))
            .instead("at most 256 bytes without control characters", "shorten it, or leave it out");
    }
}

/// The target of an HTTP request (RFC 9112 3.2.1).
fn path(monitor: &Monitor, report: &mut Report) {
    let Some(at) = &monitor.path else { return };
    if !at.starts_with('/') || at.len() > 1_024 || !at.chars().all(|c| c.is_ascii_graphic()) {
        monitor
            .error(report, "path", &at.span, format!("path = \"{at}\" is not the target of a request"))
            .instead("a slash, then at most 1023 visible characters of ASCII", "write blanks and others as %20");
    }
}

/// A program is named so that nothing around decides which one is run.
fn command(monitor: &Monitor, report: &mut Report) {
    let Some(kind) = monitor.kind.as_ref().filter(|kind| kind.value == Probe::External) else { return };
    let allowed = "the whole path of a program";
    match &monitor.command {
        None => {
            let message = format!("{}: kind = \"external\" without command", monitor.head.title);
            report
                .error(&kind.span, "monitor.command", message)
                .instead(allowed, "add command = \"/usr/local/lib/fairlead/probe\"");
        }
        Some(at) if !at.starts_with('/') || at.chars().any(char::is_control) => {
            monitor
                .error(report, "command", &at.span, format!("command = \"{at}\" is not a whole path"))
                .instead(allowed, "write the path from the root; what follows the program belongs in arguments");
        }
        Some(_) => {}
    }
    if let Some(at) = monitor.arguments.iter().find(|at| at.chars().any(|c| c == '\0')) {
        monitor
            .error(report, "arguments", &at.span, "an argument holds the character NUL")
            .instead("text without it", "remove it");
    }
}

fn header_rule(monitor: &Monitor, key: &str, field: &Field<String>, report: &mut Report) {
    let Some(at) = field else { return };
    if HeaderRule::parse(at).is_none() {
        monitor
            .error(report, key, &at.span, format!("{key} = \"{at}\" does not name a header"))
            .instead("a header's name, a colon, and what it contains", "write it as \"Server-Role: primary\"");
    }
}

/// From where to where it asks, if not from the nearest self-IP to the member.
fn ends(document: &Document, monitor: &Monitor, report: &mut Report) {
    // Whom a program asks, it reaches by the kernel's network or not at all.
    let is_program = monitor.kind.as_deref() == Some(&Probe::External);
    if let Some(at) = &monitor.address
        && !own(document, monitor, at, report)
        && !is_program
        && !document.routes.iter().any(|route| route.to.as_ref().is_none_or(|to| to.contains(&at.value)))
    {
        let remedy = "correct the address, or add a [[route]] to it";
        off_link(document, monitor, ("address", at), remedy, report);
    }
    let Some(at) = &monitor.source else { return };
    if document.self_ip(at.value).is_none() {
        let all: Vec<_> = document.self_ips().map(|(_, net)| net.addr()).collect();
        monitor
            .error(report, "source", &at.span, format!("source = \"{at}\" is not a self-IP"))
            .instead(format!("one of {}", quoted(all)), "name an address of an [[interface]]");
    }
}

fn unused(document: &Document, monitor: &Monitor, report: &mut Report) {
    let Some(name) = &monitor.name else { return };
    if !document.is_used(name) {
        monitor
            .warning(report, "name", &name.span, "no pool uses it")
            .remedy("put its name into the monitors of a [[pool]], or remove it");
    }
}

fn port(document: &Document, pool: &Pool, name: &At<String>, report: &mut Report) {
    let Some(monitor) = document.monitor(name) else { return };
    let (Some(kind), Some(own)) = (&monitor.kind, &monitor.name) else { return };
    if matches!(kind.value, Probe::Icmp | Probe::External) || document.port_asked(pool, monitor).is_some() {
        return;
    }
    let protocol = if kind.value == Probe::Udp { "udp" } else { "tcp" };
    let message = format!("{}: monitor \"{name}\" (kind \"{kind}\") has no port to probe", pool.head.title);
    report
        .error(&name.span, "monitor.port", message)
        .instead(
            format!("a port of its own, or a {protocol}/PORT among the service ports of the pool's virtual server"),
            format!("add port = ... to monitor \"{name}\""),
        )
        .see(&own.span, "the monitor");
}

fn monitors(document: &Document, pool: &Pool, report: &mut Report) {
    for (first, second) in repeated(&pool.monitors, |at| Some(&at.value)) {
        let message = format!("{}: monitor \"{second}\" is listed twice", pool.head.title);
        let note = report.twice([&first.span, &second.span], "pool.monitors", message);
        note.instead("each monitor once", "remove one of them");
    }
    let Some(first) = pool.monitors.first() else { return };
    let number = pool.monitors.len();
    if let Some((at, wish)) = pool.require.as_ref().and_then(|at| Some((at, at.0?)))
        && wish > number
    {
        let message = format!("require = {wish}, but it has {}: no member could ever be up", count(number, "monitor"));
        let note = pool.error(report, "require", &at.span, message);
        note.instead(format!("\"all\", or a number up to {number}"), "write \"all\", or add monitors");
    }
    let asks_sip = |monitor: &Monitor| monitor.kind.as_deref().is_none_or(|kind| *kind == Probe::Sip);
    if pool.name.is_some() && !pool.monitors.iter().any(|name| document.monitor(name).is_some_and(asks_sip)) {
        pool.warning(report, "monitors", &first.span, "no monitor of kind \"sip\" is among its monitors").remedy(
            "add one: a standby opens its SIP port briefly to test it, and only a SIP answer proves which server is the primary",
        );
    }
}

/// What a pool lacks to be of use.
fn incomplete(document: &Document, pool: &Pool, report: &mut Report) {
    let Some(name) = &pool.name else { return };
    if pool.members.len() == 1 {
        pool.warning(report, "members", &name.span, "it has one member, so nothing can take over from it")
            .remedy("add the standby to members");
    }
    if document.servers_of(&pool.name).next().is_none() {
        pool.warning(report, "name", &name.span, "no virtual server uses it")
            .remedy(format!("add a [[virtual_server]] with pool = \"{name}\", or remove the pool"));
    }
    if !document.is_translated(&pool.name) {
        let message = "it has no [[snat]]: what its members send outward shows their own addresses";
        report
            .warning(&name.span, "snat.pool", format!("{}: {message}", pool.head.title))
            .remedy(format!("add [[snat]] with pool = \"{name}\" and the address of its virtual server"));
    }
}

fn members(document: &Document, report: &mut Report) {
    let addresses = document.members().filter_map(|member| Some((member, member.address.as_ref()?)));
    for ((first, former), (second, at)) in repeated(addresses, |(_, at)| Some(at.value)) {
        let (one, two) = (&first.head.title, &second.head.title);
        let message = format!("{one} and {two} have the same address, {at}");
        report.twice([&former.span, &at.span], "pool.members.address", message).instead(
            "an address is one member, in one pool",
            "correct the address; one host with several services is one member with several service ports",
        );
    }
    for member in document.members() {
        let Some(at) = &member.address else { continue };
        if !own(document, member, at, report) {
            let remedy =
                "correct the address, or add an [[interface]] in the servers' network: it is their default gateway";
            off_link(document, member, ("address", at), remedy, report);
        }
    }
}

/// The data path counts what listens for datagrams, and whose members answer there, in 16 bits.
fn datagram_ports(document: &Document, report: &mut Report) {
    let is_udp = |at: &&At<Listen>| at.protocol == Protocol::Udp;
    let of_pool: BTreeMap<&str, usize> =
        document.pools.iter().filter_map(|pool| Some((pool.name.as_ref()?.as_str(), pool.members.len()))).collect();
    let mut left = usize::from(u16::MAX);
    for server in &document.virtual_servers {
        let members = server.pool.as_ref().and_then(|pool| of_pool.get(pool.as_str())).copied().unwrap_or(1).max(1);
        for at in server.listen.iter().filter(is_udp) {
            if left < members {
                let most = u16::MAX;
                let message = format!(
                    "{}: with it, members would answer at more than {most} UDP service ports in all",
                    listen_text(at.value)
                );
                server.error(report, "listen", &at.span, message).instead(
                    format!("at most {most}, each counted for each member"),
                    "have fewer pools, members or UDP ports",
                );
                return;
            }
            left -= members;
        }
    }
}

fn virtual_address(
    document: &Document,
    server: &VirtualServer,
    (members, routes): (&BTreeMap<Ipv4Addr, &Member>, &BTreeMap<Ipv4Addr, &Route>),
    report: &mut Report,
) {
    let Some(at) = &server.address else { return };
    if own(document, server, at, report) {
        return;
    }
    let member = members.get(&at.value).and_then(|entry| {
        let address = entry.address.as_ref()?;
        Some((format!("the address of {}", entry.head.title), address, "the member"))
    });
    let route = routes.get(&at.value).and_then(|entry| {
        let via = entry.via.as_ref()?;
        Some((format!("the next hop of {}", entry.head.title), via, "the route"))
    });
    for (what, other, name) in member.into_iter().chain(route) {
        server
            .error(report, "address", &at.span, format!("address = \"{at}\" is {what}"))
            .instead("an address that no host has", "choose a free address for the virtual server")
            .see(&other.span, name);
    }
}

fn service_ports(document: &Document, report: &mut Report) {
    type Entry<'d> = (&'d VirtualServer, &'d At<Listen>);
    let all = || document.virtual_servers.iter().flat_map(|server| server.listen.iter().map(move |at| (server, at)));
    let address = |(server, _): Entry| server.address.as_deref().copied();
    for (first, second) in repeated(all(), |entry| Some((address(entry)?, entry.1.value))) {
        let (one, two, port) = (&first.0.head.title, &second.0.head.title, listen_text(second.1.value));
        let message = match (std::ptr::eq(first.0, second.0), address(second)) {
            (false, Some(address)) => format!("{one} and {two} both listen on {address} {port}"),
            _ => format!("{two}: {port} is listed twice"),
        };
        let note = report.twice([&first.1.span, &second.1.span], "virtual_server.listen", message);
        note.instead("one pool for each address, protocol and port", "give one of them another address or port");
    }
    let inside = repeated(all(), |(server, at)| Some((server.pool.as_deref()?, at.value)));
    for (first, second) in inside.into_iter().filter(|(first, second)| address(*first) != address(*second)) {
        let (one, two, port) = (&first.0.head.title, &second.0.head.title, listen_text(second.1.value));
        let message = format!("{one} and {two} map {port} of two addresses to one pool");
        report.twice([&first.1.span, &second.1.span], "virtual_server.listen", message).instead(
            "a service port of a member stands for one virtual address: what it sends must be translated to the right one",
            "give one of them another port, or a pool with other members",
        );
    }
}

fn snats(document: &Document, report: &mut Report) {
    for (first, second) in repeated(document.snats.iter().flat_map(|snat| &snat.pool), |pool| Some(&pool.value)) {
        let message = format!("there are two [[snat]] for pool \"{second}\"");
        let note = report.twice([&first.span, &second.span], "snat.pool", message);
        note.instead("one [[snat]] for each pool", "put all exclude entries into one of them and remove the other");
    }
    let addresses = document.snats.iter().filter_map(|snat| Some((snat, snat.address.as_ref()?)));
    let twice = repeated(addresses, |(_, at)| Some(at.value));
    for ((first, former), (second, at)) in twice.into_iter().filter(|(one, two)| !same(&one.0.pool, &two.0.pool)) {
        let (one, two) = (&first.head.title, &second.head.title);
        let message = format!("the {one} and the {two} translate to the same address, {at}");
        report.twice([&former.span, &at.span], "snat.address", message).instead(
            "each pool is translated to an address of its own: peers tell the pairs apart by it",
            "give one pool a virtual server with another address, and its [[snat]] that address",
        );
    }
    for snat in &document.snats {
        if let Some(all) = snat.exclude.iter().find(|net| net.prefix_len() == 0) {
            snat.warning(report, "exclude", &all.span, "exclude covers every destination: nothing would be translated")
                .remedy("name the hosts and networks of the exclusion group");
        }
    }
    foreign_addresses(document, report);
}

/// Addresses of SNATs that are none of their pool's virtual servers'. Says nothing where these are not all known.
fn foreign_addresses(document: &Document, report: &mut Report) {
    let sound = |server: &VirtualServer| {
        let places = (server.address.as_ref().map(|at| &at.span), server.pool.as_ref().map(|at| &at.span));
        matches!(places, (Some(address), Some(pool)) if !report.marked(address) && !report.marked(pool))
    };
    if document.virtual_servers.iter().all(sound) {
        document.snats.iter().for_each(|snat| foreign_address(document, snat, report));
    }
}

fn foreign_address(document: &Document, snat: &Snat, report: &mut Report) {
    let (Some(pool), Some(at)) = (&snat.pool, &snat.address) else { return };
    let known = document.pool_id(&snat.pool).is_some();
    let mut addresses: Vec<Ipv4Addr> =
        document.servers_of(&snat.pool).filter_map(|server| server.address.as_deref().copied()).collect();
    addresses.dedup();
    let nothing = addresses.is_empty() && report.refused();
    if !known || nothing || addresses.contains(&at.value) {
        return;
    }
    let (allowed, remedy) = match addresses.first() {
        None => (
            "the address of a virtual server of the pool, which has none".into(),
            format!("add [[virtual_server]] with pool = \"{pool}\" and address = \"{at}\""),
        ),
        Some(first) => (
            format!("an address of the pool's virtual servers: {}", quoted(&addresses)),
            format!("write address = \"{first}\": peers must see the address they send to"),
        ),
    };
    snat.error(
        report,
        "address",
        &at.span,
        format!("address = \"{at}\" is not the address of a virtual server of this pool"),
    )
    .instead(allowed, remedy);
}
