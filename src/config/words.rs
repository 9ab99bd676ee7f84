//! What a monitor does, as `check` and `reload` print it.

use super::value::codes_text;
use crate::policy::intent::{CodeRange, MonitorKind};

/// `SIP OPTIONS over udp to port 5060`
pub(crate) fn question(kind: &MonitorKind) -> String {
    match kind {
        MonitorKind::Icmp => "ICMP echo".into(),
        MonitorKind::Tcp { port } => format!("TCP handshake with port {port}"),
        MonitorKind::TcpHalfOpen { port } => format!("TCP SYN to port {port}"),
        MonitorKind::Udp { port, send, .. } => format!("{}-byte datagram to port {port}", send.len()),
        MonitorKind::Sip(probe) => format!("SIP OPTIONS over {} to port {}", probe.transport, probe.port),
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

fn codes(ranges: &[CodeRange]) -> String {
    ranges.iter().map(|range| codes_text(*range)).collect::<Vec<_>>().join(", ")
}
