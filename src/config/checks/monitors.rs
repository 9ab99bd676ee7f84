//! Monitors: what their kind allows, what they ask, and on which port.

use super::span_of;
use crate::config::reader::{At, Field, Meant};
use crate::config::report::Report;
use crate::config::schema::{Document, Monitor, Pool, Probe};
use crate::config::value::duration_text;
use crate::policy::intent::SipTransport;
use crate::wire::Protocol;

/// Which kinds a key is for; keys that are not listed are for all.
const ONLY_FOR: [(&str, &[Probe]); 8] = [
    ("transport", &[Probe::Sip]),
    ("up_codes", &[Probe::Sip]),
    ("down_codes", &[Probe::Sip]),
    ("host", &[Probe::Sip]),
    ("user", &[Probe::Sip]),
    ("send", &[Probe::Udp]),
    ("receive", &[Probe::Udp]),
    ("port", &[Probe::Tcp, Probe::TcpHalfOpen, Probe::Sip, Probe::Udp]),
];

/// Reports monitors that cannot work, and those nobody uses.
pub(super) fn check(document: &Document, report: &mut Report) {
    for monitor in &document.monitors {
        foreign_keys(monitor, report);
        patience(monitor, report);
        codes(monitor, report);
        uri_part(monitor, "host", &monitor.host, report);
        uri_part(monitor, "user", &monitor.user, report);
        unused(document, monitor, report);
    }
    for pool in &document.pools {
        pool.monitors.iter().for_each(|name| port(document, pool, name, report));
    }
}

/// The member's port that `monitor` asks in `pool`: its own, else the matching service port of the pool's virtual
/// servers, else for SIP the port of RFC 3261 19.1.2. `None` for icmp, and when nothing tells.
pub(in crate::config) fn resolved_port(document: &Document, pool: &Pool, monitor: &Monitor) -> Option<u16> {
    if let Some(port) = &monitor.port {
        return Some(port.value);
    }
    let name = pool.name.as_ref().map(|at| &at.value);
    let servers = document.virtual_servers.iter().filter(|server| server.pool.as_ref().map(|at| &at.value) == name);
    let listens: Vec<_> = servers.flat_map(|server| server.listen.iter().map(|at| at.value)).collect();
    let ports = |protocol| listens.iter().filter(move |listen| listen.protocol == protocol).map(|listen| listen.port);
    let udp: Vec<u16> = ports(Protocol::Udp).collect();
    let plain = || {
        ports(Protocol::Tcp).find(|port| udp.contains(port)).or_else(|| ports(Protocol::Tcp).find(|port| *port != 5061))
    };
    let secure = || {
        ports(Protocol::Tcp)
            .find(|port| *port == 5061)
            .or_else(|| ports(Protocol::Tcp).rfind(|port| !udp.contains(port) && *port != 5060))
    };
    match (monitor.kind.meant()?, monitor.transport.meant()) {
        (Probe::Sip, Some(SipTransport::Tls)) => Some(secure().unwrap_or(5061)),
        (Probe::Sip, Some(SipTransport::Tcp)) => Some(plain().unwrap_or(5060)),
        (Probe::Sip, Some(SipTransport::Udp) | None) => Some(udp.first().copied().unwrap_or(5060)),
        (Probe::Tcp | Probe::TcpHalfOpen, _) => plain().or_else(|| ports(Protocol::Tcp).next()),
        (Probe::Udp, _) => udp.first().copied(),
        (Probe::Icmp, _) => None,
    }
}

fn foreign_keys(monitor: &Monitor, report: &mut Report) {
    let Some(kind) = &monitor.kind else { return };
    for (key, kinds) in ONLY_FOR.iter().filter(|(_, kinds)| !kinds.contains(&kind.value)) {
        let Some(span) = monitor.head.written(key) else { continue };
        let title = &monitor.head.title;
        let message = format!("{title}: the key {key} does not apply to a monitor of kind \"{}\"", kind.value);
        let finding = report.error(span, &format!("monitor.{key}"), message);
        let kinds: Vec<String> = kinds.iter().map(|kind| format!("\"{kind}\"")).collect();
        finding.allowed(format!("{key} with kind = {}", kinds.join(", "))).remedy("remove the key, or change the kind");
        report.see(&kind.span, "the kind");
    }
}

fn patience(monitor: &Monitor, report: &mut Report) {
    let (Some(interval), Some(timeout)) = (&monitor.interval, &monitor.timeout) else { return };
    if timeout.value <= interval.value {
        return;
    }
    let (title, most) = (&monitor.head.title, duration_text(interval.value));
    let message =
        format!("{title}: timeout = \"{}\" is longer than interval = \"{most}\"", duration_text(timeout.value));
    let finding = report.error(&timeout.span, "monitor.timeout", message);
    finding.allowed(format!("at most the interval, \"{most}\""));
    finding.remedy("shorten the timeout or leave it out, or lengthen the interval");
    if interval.written {
        report.see(&interval.span, "the interval");
    }
}

fn codes(monitor: &Monitor, report: &mut Report) {
    let good = |code: u16| monitor.up_codes.iter().any(|range| range.value.contains(code));
    let bad = |code: u16| monitor.down_codes.iter().any(|range| range.value.contains(code));
    let asks_sip = monitor.kind.as_ref().is_some_and(|kind| kind.value == Probe::Sip);
    if !asks_sip || monitor.up_codes.is_empty() || (100..700).any(|code| good(code) && !bad(code)) {
        return;
    }
    let Some(first) = monitor.down_codes.first() else { return };
    let message = format!("{}: down_codes covers all of up_codes: no answer could count as good", monitor.head.title);
    let finding = report.error(&first.span, "monitor.down_codes", message);
    finding.allowed("at least one status code in up_codes that is not in down_codes").remedy("narrow down_codes");
}

fn uri_part(monitor: &Monitor, key: &str, field: &Field<String>, report: &mut Report) {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.!~*'()&=+$,;?/%".contains(c);
    let Some(at) = field else { return };
    let Some(bad) = at.value.chars().find(|c| !fits(*c)) else { return };
    let message = format!("{}: {key} = \"{}\": {bad:?} cannot stand in a SIP URI", monitor.head.title, at.value);
    let finding = report.error(&at.span, &format!("monitor.{key}"), message);
    finding.allowed("letters, digits and the unreserved marks of RFC 3261 25.1");
    finding.remedy("write the bare part, without \"sip:\", `@`, `:` or spaces; the port has a key of its own");
}

fn unused(document: &Document, monitor: &Monitor, report: &mut Report) {
    let Some(name) = &monitor.name else { return };
    if document.pools.iter().flat_map(|pool| &pool.monitors).any(|used| used.value == name.value) {
        return;
    }
    let finding = report.warning(&name.span, "monitor.name", format!("{}: no pool uses it", monitor.head.title));
    finding.remedy("put its name into the monitors of a [[pool]], or remove it");
}

fn port(document: &Document, pool: &Pool, name: &At<String>, report: &mut Report) {
    let named = |monitor: &&Monitor| monitor.name.as_ref().is_some_and(|at| at.value == name.value);
    let Some(monitor) = document.monitors.iter().find(named) else { return };
    let Some(kind) = monitor.kind.as_ref().map(|at| at.value) else { return };
    if kind == Probe::Icmp || resolved_port(document, pool, monitor).is_some() {
        return;
    }
    let protocol = if kind == Probe::Udp { "udp" } else { "tcp" };
    let message = format!("{}: monitor \"{}\" (kind \"{kind}\") has no port to probe", pool.head.title, name.value);
    let finding = report.error(&name.span, "monitor.port", message);
    finding.allowed(format!(
        "a port of its own, or a {protocol}/PORT among the service ports of the pool's virtual server"
    ));
    finding.remedy(format!("add port = ... to monitor \"{}\"", name.value));
    report.see(span_of(&monitor.name, monitor), "the monitor");
}
