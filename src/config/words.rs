//! Parts of a configuration in words, as `check` and `reload` print them.

use super::value::{codes_text, duration_text, listen_text};
use crate::policy::intent::{
    CodeRange, EchoPolicy, FailBack, Intent, Interface, Listen, MonitorKind, NoMember, OnDownTcp, Pool, Route,
    SipTransport, Unmatched,
};
use ipnet::Ipv4Net;

/// `SIP OPTIONS over udp to port 5060`
pub(crate) fn question(kind: &MonitorKind) -> String {
    match kind {
        MonitorKind::Icmp => "ICMP echo".into(),
        MonitorKind::Tcp { port } => format!("TCP handshake with port {port}"),
        MonitorKind::TcpHalfOpen { port } => format!("TCP SYN to port {port}"),
        MonitorKind::Udp { port, send, .. } => format!("{}-byte datagram to port {port}", send.len()),
        MonitorKind::Sip(probe) => {
            let transport = match probe.transport {
                SipTransport::Udp => "udp",
                SipTransport::Tcp => "tcp",
                SipTransport::Tls => "tls",
            };
            format!("SIP OPTIONS over {transport} to port {}", probe.port)
        }
    }
}

/// What counts as a good answer: `1xx, 2xx, 3xx but not 302`.
pub(crate) fn good_answer(kind: &MonitorKind) -> String {
    match kind {
        MonitorKind::Icmp => "echo reply".into(),
        MonitorKind::Tcp { .. } => "it completes".into(),
        MonitorKind::TcpHalfOpen { .. } => "SYN-ACK".into(),
        MonitorKind::Udp { receive, .. } if receive.is_empty() => "any datagram".into(),
        MonitorKind::Udp { receive, .. } => format!("a datagram with \"{}\"", receive.escape_ascii()),
        MonitorKind::Sip(probe) if probe.down_codes.is_empty() => codes(&probe.up_codes),
        MonitorKind::Sip(probe) => format!("{} but not {}", codes(&probe.up_codes), codes(&probe.down_codes)),
    }
}

pub(crate) fn codes(ranges: &[CodeRange]) -> String {
    ranges.iter().map(|range| codes_text(*range)).collect::<Vec<_>>().join(", ")
}

pub(crate) fn listens(listens: &[Listen]) -> Vec<String> {
    listens.iter().map(|listen| listen_text(*listen)).collect()
}

/// `120`, or `untagged`.
pub(crate) fn vlan(interface: &Interface) -> String {
    interface.vlan.map_or("untagged".into(), |vlan| vlan.to_string())
}

/// `default`, or the network.
pub(crate) fn destination(route: &Route) -> String {
    network(route.to)
}

/// `default`, one address without its length, or the network.
pub(crate) fn network(net: Ipv4Net) -> String {
    match net.prefix_len() {
        0 => "default".into(),
        32 => net.addr().to_string(),
        _ => net.to_string(),
    }
}

pub(crate) const fn fail_back(pool: &Pool) -> &'static str {
    match pool.fail_back {
        FailBack::Never => "never",
        FailBack::Immediate => "immediate",
    }
}

pub(crate) const fn on_down_tcp(pool: &Pool) -> &'static str {
    match pool.on_down_tcp {
        OnDownTcp::Reset => "reset",
        OnDownTcp::Drain => "drain",
        OnDownTcp::Drop => "drop",
    }
}

pub(crate) const fn no_member(pool: &Pool) -> &'static str {
    match pool.no_member {
        NoMember::Reject => "reject",
        NoMember::KeepLast => "keep-last",
        NoMember::Drop => "drop",
    }
}

pub(crate) const fn echo(policy: EchoPolicy) -> &'static str {
    match policy {
        EchoPolicy::Always => "always",
        EchoPolicy::WhenActive => "when-active",
    }
}

pub(crate) const fn unmatched(policy: Unmatched) -> &'static str {
    match policy {
        Unmatched::Reject => "reject",
        Unmatched::RejectNow => "reject-now",
        Unmatched::Drop => "drop",
    }
}

pub(crate) fn monitor_names(intent: &Intent, pool: &Pool) -> Vec<String> {
    pool.monitors.iter().filter_map(|id| Some(intent.monitors.get(id.index())?.name.clone())).collect()
}

/// Names to the timeouts, in the order of the file.
pub(crate) fn timeouts(intent: &Intent) -> [(&'static str, String); 6] {
    let times = &intent.timeouts;
    [
        ("udp", duration_text(times.udp)),
        ("tcp_established", duration_text(times.tcp_established)),
        ("tcp_opening", duration_text(times.tcp_opening)),
        ("tcp_closing", duration_text(times.tcp_closing)),
        ("icmp", duration_text(times.icmp)),
        ("fragments", duration_text(times.fragments)),
    ]
}
