//! A captured frame as a line.
//!
//! Owns what is read of a frame for that: addresses, ports, protocol, the first line of a SIP message. Reads as far as the frame was kept,
//! and says less where it ends.

use crate::admin::capture::{CaptureLine, CaptureSide, CapturedRow};
use crate::admin::rows::Wall;
use std::net::Ipv4Addr;

/// Characters shown of what a SIP message begins with, at most.
const SUMMARY: usize = 60;

/// What is read of a frame.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Its source, with the port where there is one.
    pub source: Option<String>,
    /// Its destination.
    pub destination: Option<String>,
    /// What it carries: `udp`, `arp`, `ip6`.
    pub protocol: String,
    /// What it says, in a few words.
    pub summary: Option<String>,
}

/// Reads a frame, or its beginning.
pub fn read(frame: &[u8]) -> Read {
    let half = |at: usize| Some(u16::from_be_bytes(*frame.get(at..)?.first_chunk()?));
    let (mut kind, mut l3) = (half(12).unwrap_or(0), 14);
    while matches!(kind, 0x8100 | 0x88a8 | 0x9100) && l3 < 30 {
        (kind, l3) = (half(l3 + 2).unwrap_or(0), l3 + 4);
    }
    match kind {
        0x0800 => ipv4(frame.get(l3..).unwrap_or_default()),
        0x0806 => arp(frame.get(l3..).unwrap_or_default()),
        0x86dd => Read { protocol: "ip6".into(), ..Read::default() },
        ..0x0600 => Read { protocol: "802.3".into(), ..Read::default() },
        other => Read { protocol: format!("{other:#06x}"), ..Read::default() },
    }
}

fn address(bytes: &[u8], at: usize) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(*bytes.get(at..)?.first_chunk::<4>()?))
}

fn ipv4(bytes: &[u8]) -> Read {
    let (Some(src), Some(dst), Some(number)) = (address(bytes, 12), address(bytes, 16), bytes.get(9)) else {
        return Read { protocol: "ip".into(), ..Read::default() };
    };
    let header = usize::from(bytes[0] & 0xf) * 4;
    let flags = u16::from_be_bytes([bytes[6], bytes[7]]);
    let (offset, more) = (flags & 0x1fff, flags & 0x2000 != 0);
    let l4 = bytes.get(header..).unwrap_or_default();
    let protocol = match number {
        1 => "icmp",
        6 => "tcp",
        17 => "udp",
        _ => "",
    };
    let protocol = if protocol.is_empty() { format!("proto {number}") } else { protocol.to_owned() };
    let has_ports = offset == 0 && matches!(number, 6 | 17);
    let ports = l4.first_chunk::<4>().filter(|_| has_ports);
    let end = |address: Ipv4Addr, port: Option<[u8; 2]>| match port.map(u16::from_be_bytes) {
        Some(port) => format!("{address}:{port}"),
        None => address.to_string(),
    };
    let summary = match number {
        _ if offset != 0 => Some(format!("fragment at {}", u32::from(offset) * 8)),
        17 => sip(l4.get(8..).unwrap_or_default()),
        6 => l4.get(13).map(|flags| tcp(*flags)),
        1 => l4.first_chunk::<2>().map(|[kind, code]| icmp(*kind, *code)),
        _ => None,
    };
    let summary = match (summary, more && offset == 0) {
        (Some(text), true) => Some(format!("first fragment: {text}")),
        (None, true) => Some("first fragment".into()),
        (summary, false) => summary,
    };
    let [source, destination] =
        [end(src, ports.map(|[a, b, ..]| [*a, *b])), end(dst, ports.map(|[.., a, b]| [*a, *b]))];
    Read { source: Some(source), destination: Some(destination), protocol, summary }
}

fn arp(bytes: &[u8]) -> Read {
    let protocol = "arp".to_owned();
    let [Some(sender), Some(target)] = [address(bytes, 14), address(bytes, 24)] else {
        return Read { protocol, ..Read::default() };
    };
    let summary = match bytes.get(7) {
        Some(1) => Some(format!("who has {target}")),
        Some(2) => Some(format!("{sender} is here")),
        _ => None,
    };
    Read { source: Some(sender.to_string()), destination: Some(target.to_string()), protocol, summary }
}

fn tcp(flags: u8) -> String {
    let names = [(0x02, "SYN"), (0x10, "ACK"), (0x01, "FIN"), (0x04, "RST"), (0x08, "PSH")];
    let set: Vec<&str> = names.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| *name).collect();
    set.join(" ")
}

fn icmp(kind: u8, code: u8) -> String {
    match (kind, code) {
        (8, _) => "echo request".into(),
        (0, _) => "echo reply".into(),
        (3, 1) => "host unreachable".into(),
        (3, 3) => "port unreachable".into(),
        (3, 4) => "fragmentation needed".into(),
        (11, _) => "time exceeded".into(),
        _ => format!("type {kind} code {code}"),
    }
}

/// The first line of a message, if it is one of SIP.
fn sip(payload: &[u8]) -> Option<String> {
    let line = payload.split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
    let is_sip = line.starts_with(b"SIP/2.0 ") || line.ends_with(b" SIP/2.0");
    // It is a stranger's text.
    let printable = |byte: &u8| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '?' };
    is_sip.then(|| line.iter().take(SUMMARY).map(printable).collect())
}

/// The frame as a line for people.
pub fn line(row: &CapturedRow, frame: &[u8]) -> String {
    let Read { source, destination, protocol, summary } = read(frame);
    let time = Wall(row.at_ns / 1_000).to_string();
    let time = time.get(11..26).unwrap_or(&time);
    let way = if row.side == CaptureSide::Before { "in " } else { "out" };
    let ends = match (source, destination) {
        (Some(source), Some(destination)) => format!("{source} > {destination}"),
        _ => "-".into(),
    };
    let verdict = match &row.reason {
        Some(reason) => format!("{} ({reason})", row.verdict),
        None => row.verdict.to_string(),
    };
    let (length, member) = (row.length, row.member.as_deref().unwrap_or("-"));
    let lost = if row.lost > 0 { format!("  [{} lost before this]", row.lost) } else { String::new() };
    let summary = summary.map_or_else(String::new, |summary| format!("  {summary}"));
    let flow = row.flow.as_ref().map_or_else(String::new, |flow| format!(" flow {flow}"));
    let (interface, packet) = (&row.interface, &row.packet);
    format!("{time} {interface} {way} {ends} {protocol} {length} {verdict} {member} #{packet}{flow}{summary}{lost}\n")
}

/// The frame as an object.
pub fn object(row: &CapturedRow, frame: &[u8]) -> CaptureLine {
    let Read { source, destination, protocol, summary } = read(frame);
    CaptureLine { frame: row.clone(), source, destination, protocol, summary }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::capture::CaptureVerdict;

    fn row() -> CapturedRow {
        CapturedRow {
            packet: "0-17".into(),
            at_ns: 1_795_352_645_123_456_789,
            interface: "clients".into(),
            side: CaptureSide::Before,
            verdict: CaptureVerdict::Drop,
            reason: Some("no_route".into()),
            member: Some("sip-a".into()),
            flow: Some("0-5.1".into()),
            worker: 0,
            length: 66,
            lost: 3,
        }
    }

    /// A datagram from 192.0.2.1:5060 to 192.0.2.2:5061, as it stands on the link.
    fn datagram(tag: &[u8], payload: &[u8]) -> Vec<u8> {
        let ip =
            [0x45, 0, 0, 60, 0, 1, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 0x13, 0xc4, 0x13, 0xc5, 0, 40, 0, 0];
        [&[2; 12][..], tag, &[8, 0], &ip, payload].concat()
    }

    #[test]
    fn a_line_says_who_sent_what_to_whom_and_what_came_of_it() {
        let frame = datagram(&[0x81, 0, 0, 20], b"INVITE sip:a@b SIP/2.0\r\nVia: x");
        let expected = "13:04:05.123456 clients in  192.0.2.1:5060 > 192.0.2.2:5061 udp 66 drop (no_route) sip-a #0-17 flow 0-5.1  \
                        INVITE sip:a@b SIP/2.0  [3 lost before this]\n";
        assert_eq!(line(&row(), &frame), expected);
        let object = serde_json::to_value(object(&row(), &frame)).unwrap();
        assert_eq!((&object["source"], &object["verdict"]), (&"192.0.2.1:5060".into(), &"drop".into()));
    }

    #[test]
    fn of_any_beginning_of_a_frame_what_is_there_is_read() {
        let frame = datagram(&[], b"\x1b[2JINVITE SIP/2.0\r\n");
        for length in 0..=frame.len() {
            let read = read(&frame[..length]);
            assert!(!read.protocol.is_empty());
            assert_eq!(read.source.is_some(), length >= 34, "{length}");
        }
        assert_eq!(read(&frame).summary.unwrap(), "?[2JINVITE SIP/2.0", "no control character passes");
        let mut later = datagram(&[], b"");
        later[21] = 4;
        let read = read(&later);
        assert_eq!((read.source.as_deref(), read.summary.as_deref()), (Some("192.0.2.1"), Some("fragment at 32")));
    }
}
