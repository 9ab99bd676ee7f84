//! ICMP on the wire (RFC 792): which messages are errors, which are echo, and what an error quotes.
//!
//! Follows RFC 5508 REQ-3: the message's checksum and that of the quoted IP header are verified, the quoted options
//! walked over, the quoted transport's checksum left alone, RFC 4884 extensions ignored.

use super::addr::{Endpoint, Ports, Protocol, Tuple};
use super::bytes::{addr, be16, put16};
use super::checksum;
use super::facts::{Kind, Malformed, Quoted};
use super::ipv4;
use std::net::Ipv4Addr;

/// The length of the header in bytes.
pub const HEADER: usize = 8;
/// Type of an echo reply.
pub const ECHO_REPLY: u8 = 0;
/// Type of an echo request.
pub const ECHO_REQUEST: u8 = 8;
/// Type of "destination unreachable".
pub const UNREACHABLE: u8 = 3;
/// Code of "protocol unreachable".
pub const PROTOCOL: u8 = 2;
/// Code of "port unreachable".
pub const PORT: u8 = 3;
/// Type of "source quench" (deprecated by RFC 6633, routed all the same).
pub const SOURCE_QUENCH: u8 = 4;
/// Type of "redirect".
pub const REDIRECT: u8 = 5;
/// Type of "time exceeded".
pub const TIME_EXCEEDED: u8 = 11;
/// Type of "parameter problem".
pub const PARAMETER_PROBLEM: u8 = 12;
/// Where in the header the checksum lies.
pub(super) const CHECKSUM: usize = 2;
/// Where in the header of an echo message the identifier lies.
pub(super) const IDENTIFIER: usize = 4;

/// The least of a quoted transport header that an error must show (RFC 792).
const LEAST_QUOTED: usize = 8;

/// A message of this type is about another packet, which it quotes.
#[inline]
pub const fn is_error(kind: u8) -> bool {
    matches!(kind, UNREACHABLE | SOURCE_QUENCH | REDIRECT | TIME_EXCEEDED | PARAMETER_PROBLEM)
}

/// An echo message, and its identifier as the port of the side that asks.
fn echo(header: &[u8; HEADER]) -> (Kind, Ports) {
    let (request, id) = (header[0] == ECHO_REQUEST, be16(header, IDENTIFIER));
    (Kind::Echo { request }, if request { Ports::new(id, 0) } else { Ports::new(0, id) })
}

/// What the message from `l4` to the end of `datagram` is; `datagram` is the frame up to the datagram's end, so that
/// offsets count from the frame's start. With it the ports that an identifier counts as.
#[inline]
pub(super) fn read(datagram: &[u8], l4: usize) -> Result<(Kind, Ports), Malformed> {
    let message = &datagram[l4..];
    let header: &[u8; HEADER] = message.first_chunk().ok_or(Malformed::Icmp)?;
    match header[0] {
        ECHO_REQUEST | ECHO_REPLY => Ok(echo(header)),
        kind if is_error(kind) => read_error(datagram, l4),
        _ => Ok((Kind::Other, Ports::default())),
    }
}

/// What the message is whose first fragment `payload` begins it (eight bytes at least: a fragment that is not the last has as
/// many). An error in fragments is refused: its checksum covers what is not in one place (RFC 5508 REQ-3).
pub(super) fn read_first_piece(payload: &[u8]) -> Result<(Kind, Ports), Malformed> {
    let header: &[u8; HEADER] = payload.first_chunk().ok_or(Malformed::Icmp)?;
    match header[0] {
        ECHO_REQUEST | ECHO_REPLY => Ok(echo(header)),
        kind if is_error(kind) => Err(Malformed::Fragment),
        _ => Ok((Kind::Other, Ports::default())),
    }
}

/// An error, and the tuple of the packet it quotes. A quoted packet that has no tuple (a later fragment of a datagram, ICMP that
/// is not echo) makes it [`Kind::Other`]: such an error can be routed, not translated.
fn read_error(datagram: &[u8], l4: usize) -> Result<(Kind, Ports), Malformed> {
    if !checksum::is_right(&datagram[l4..]) {
        return Err(Malformed::IcmpChecksum);
    }
    let l3 = l4 + HEADER;
    let header: &[u8; ipv4::HEADER] = datagram[l3..].first_chunk().ok_or(Malformed::IcmpQuote)?;
    let header_length = usize::from(header[0] & 0x0f) * 4;
    let inside = l3 + header_length <= datagram.len();
    if header[0] >> 4 != 4 || header_length < ipv4::HEADER || !inside {
        return Err(Malformed::IcmpQuote);
    }
    let quoted_l4 = l3 + header_length;
    if !checksum::is_right(&datagram[l3..quoted_l4]) {
        return Err(Malformed::IcmpQuote);
    }
    let later_piece = be16(header, 6) & 0x1fff != 0;
    if later_piece {
        return Ok((Kind::Other, Ports::default()));
    }
    let (src, dst) = (addr(header, 12), addr(header, 16));
    let tuple = match header[9] {
        ipv4::ICMP | ipv4::TCP | ipv4::UDP => {
            let transport: &[u8; LEAST_QUOTED] = datagram[quoted_l4..].first_chunk().ok_or(Malformed::IcmpQuote)?;
            quoted_tuple(header, transport)
        }
        other => Some(Tuple::new(Protocol::Other(other), Endpoint::new(src, 0), Endpoint::new(dst, 0))),
    };
    let kind = match tuple {
        Some(tuple) => Kind::IcmpError(Quoted {
            kind: datagram[l4],
            code: datagram[l4 + 1],
            tuple,
            l3: l3 as u16,
            l4: quoted_l4 as u16,
        }),
        None => Kind::Other,
    };
    Ok((kind, Ports::default()))
}

/// The tuple of a quoted packet; `None` for ICMP that is not echo.
fn quoted_tuple(header: &[u8; ipv4::HEADER], transport: &[u8; LEAST_QUOTED]) -> Option<Tuple<Ipv4Addr>> {
    let (protocol, src_port, dst_port) = match (header[9], transport[0]) {
        (ipv4::TCP, _) => (Protocol::Tcp, be16(transport, 0), be16(transport, 2)),
        (ipv4::UDP, _) => (Protocol::Udp, be16(transport, 0), be16(transport, 2)),
        (ipv4::ICMP, ECHO_REQUEST) => (Protocol::Icmp, be16(transport, IDENTIFIER), 0),
        (ipv4::ICMP, ECHO_REPLY) => (Protocol::Icmp, 0, be16(transport, IDENTIFIER)),
        _ => return None,
    };
    let (src, dst) = (addr(header, 12), addr(header, 16));
    Some(Tuple::new(protocol, Endpoint::new(src, src_port), Endpoint::new(dst, dst_port)))
}

/// Makes an echo request the reply to it (RFC 792): by difference, so that a request damaged on its way is not made good.
pub(super) fn turn_into_reply(message: &mut [u8]) {
    let asked = be16(message, 0);
    message[0] = ECHO_REPLY;
    let delta = checksum::delta(&[asked], &[be16(message, 0)]);
    let field = update_echo(message, be16(message, CHECKSUM), delta);
    put16(message, CHECKSUM, field);
}

/// The checksum field of an echo message after `delta` happened to `message`, which holds the new bytes.
///
/// A message of zeros alone has the sum 0 and so the field 0xFFFF; equation 3 of RFC 1624 would leave the other zero,
/// which a receiver takes for damage.
#[inline]
pub(super) fn update_echo(message: &[u8], field: u16, delta: u16) -> u16 {
    let new = checksum::update(field, delta);
    let (before, behind) = (&message[..CHECKSUM], &message[CHECKSUM + 2..]);
    if new == 0 && before.iter().chain(behind).all(|byte| *byte == 0) { 0xffff } else { new }
}
