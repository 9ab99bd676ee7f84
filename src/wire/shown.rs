//! A frame as one line of text, for assertion messages and logs.
//!
//! ```
//! use fairlead::wire::{build::Build, shown::Shown};
//! let frame = Build::udp("10.0.0.1:5060", "10.0.0.2:5060").vlan(5).payload(b"OPTIONS").bytes();
//! assert_eq!(
//!     Shown(&frame).to_string(),
//!     "02:00:00:00:00:01 > 02:00:00:00:00:02 vlan 5 | udp 10.0.0.1:5060 > 10.0.0.2:5060 | ttl 64 | 7 bytes \"OPTIONS\"",
//! );
//! ```

use super::arp::Operation;
use super::facts::{Kind, Link, Segment};
use super::packet::Packet;
use super::{check, tcp, udp};
use std::fmt;

/// How much of a payload is shown, in bytes.
const MOST: usize = 40;

/// Shows the frame it holds: link, what the datagram carries, time to live, payload. A frame that cannot be read is
/// shown in hexadecimal with the reason; a wrong checksum is marked.
pub struct Shown<'a>(pub &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Packet::parse(self.0) {
            Ok(headers) => {
                show(f, self.0, &headers)?;
                check::whole(self.0).or_else(|wrong| write!(f, " | BROKEN: {wrong}"))
            }
            Err(why) => write!(f, "{why:?}: {:02x?}", self.0),
        }
    }
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn show(f: &mut fmt::Formatter<'_>, frame: &[u8], headers: &Packet) -> fmt::Result {
    let link = Link::of(frame);
    write!(f, "{} > {}", link.src, link.dst)?;
    if let Some(vlan) = link.vlan {
        write!(f, " vlan {vlan}")?;
    }
    f.write_str(" | ")?;
    if let Kind::Arp(arp) = headers.kind {
        return match arp.operation {
            Operation::Request => write!(f, "arp who has {} says {} at {}", arp.target, arp.sender, arp.sender_mac),
            Operation::Reply => write!(f, "arp {} is at {} to {}", arp.sender, arp.sender_mac, arp.target),
        };
    }
    match headers.tuple() {
        Some(tuple) => write!(f, "{tuple}")?,
        None => write!(f, "{} > {}", headers.src(), headers.dst())?,
    }
    show_kind(f, headers)?;
    write!(f, " | ttl {}{}", headers.ttl, if headers.dont_fragment { " df" } else { "" })?;
    let data = &frame[data_at(frame, headers)..usize::from(headers.end)];
    write!(f, " | {} bytes \"{}\"", data.len(), data[..data.len().min(MOST)].escape_ascii())?;
    if data.len() > MOST { f.write_str("...") } else { Ok(()) }
}

fn show_kind(f: &mut fmt::Formatter<'_>, packet: &Packet) -> fmt::Result {
    match packet.kind {
        Kind::Tcp(Segment { seq, ack, flags, .. }) => write!(f, " {flags:?} seq {seq} ack {ack}"),
        Kind::Echo { request, .. } => f.write_str(if request { " request" } else { " reply" }),
        Kind::IcmpError(quoted) => write!(f, " icmp {}/{} about [{}]", quoted.kind, quoted.code, quoted.tuple),
        Kind::Fragment(fragment) => {
            let more = if fragment.more { "+" } else { "" };
            write!(f, " fragment of {} (protocol {}) at {}{more}", fragment.id, packet.protocol, fragment.offset)
        }
        Kind::Other => write!(f, " protocol {}", packet.protocol),
        Kind::Udp | Kind::Arp(_) => Ok(()),
    }
}

/// Where the payload begins: behind the transport header, for an error behind its own.
fn data_at(frame: &[u8], headers: &Packet) -> usize {
    let l4 = usize::from(headers.l4);
    match headers.kind {
        Kind::Tcp(_) => l4 + usize::from(frame[l4 + tcp::HEADER - 8] >> 4) * 4,
        Kind::Udp | Kind::Echo { .. } | Kind::IcmpError(_) => l4 + udp::HEADER,
        _ => l4,
    }
}
