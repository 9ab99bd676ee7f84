//! IP datagrams as probes send and receive them.
//!
//! Owns the building of UDP, echo and TCP control datagrams and the reading of what was punted: one of [`Received`].
//! Whatever is malformed, fragmented or has a wrong checksum is `None`, never a panic.

use crate::monitor::Outcome;
use crate::wire::{Endpoint, Protocol, Tuple};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    Icmpv4Message, Icmpv4Packet, Icmpv4Repr, IpAddress, IpProtocol, Ipv4Packet, Ipv4Repr, TcpControl, TcpPacket,
    TcpRepr, TcpSeqNumber, UdpPacket, UdpRepr,
};
use std::net::Ipv4Addr;

const TTL: u8 = 64;
const IPV4_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
/// The segment size announced: no link on the way to a server carries less, whatever its MTU.
const SEGMENT: u16 = 1240;

#[derive(Debug, PartialEq, Eq)]
pub enum Received<'a> {
    Datagram {
        /// As it came in.
        tuple: Tuple,
        payload: &'a [u8],
    },
    /// An echo reply; its tuple is `(member, 0) → (self, identifier)`.
    EchoReply {
        /// As it came in.
        tuple: Tuple,
        sequence: u16,
        /// What the request carried.
        payload: &'a [u8],
    },
    Segment {
        /// As it came in.
        tuple: Tuple,
        /// Its flags and numbers.
        marks: Marks,
    },
    Error {
        /// The packet it quotes, as we sent it.
        quoted: Tuple,
        /// What it says, in words; `None` for one that ends nothing (RFC 1122 3.2.2: fragmentation needed).
        reason: Option<String>,
    },
}

/// The flags and numbers of a TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// SYN and ACK are set and RST is not.
    pub syn_ack: bool,
    pub reset: bool,
    /// The acknowledgement number, if ACK is set.
    pub acknowledges: Option<u32>,
}

/// Reads an IP datagram; bytes after its end are padding.
pub fn read(datagram: &[u8]) -> Option<Received<'_>> {
    let packet = Ipv4Packet::new_checked(datagram).ok()?;
    let fragment = packet.more_frags() || packet.frag_offset() != 0;
    if packet.version() != 4 || fragment || !packet.verify_checksum() {
        return None;
    }
    let (src, dst) = (packet.src_addr(), packet.dst_addr());
    match packet.next_header() {
        IpProtocol::Udp => read_udp(src, dst, packet.payload()),
        IpProtocol::Tcp => read_tcp(src, dst, packet.payload()),
        IpProtocol::Icmp => read_icmp(src, dst, packet.payload()),
        _ => None,
    }
}

fn read_udp(src: Ipv4Addr, dst: Ipv4Addr, bytes: &[u8]) -> Option<Received<'_>> {
    let udp = UdpPacket::new_checked(bytes).ok()?;
    if !udp.verify_checksum(&IpAddress::Ipv4(src), &IpAddress::Ipv4(dst)) {
        return None;
    }
    let tuple = Tuple::new(Protocol::Udp, Endpoint::new(src, udp.src_port()), Endpoint::new(dst, udp.dst_port()));
    Some(Received::Datagram { tuple, payload: udp.payload() })
}

fn read_tcp(src: Ipv4Addr, dst: Ipv4Addr, bytes: &[u8]) -> Option<Received<'_>> {
    let tcp = TcpPacket::new_checked(bytes).ok()?;
    if !tcp.verify_checksum(&IpAddress::Ipv4(src), &IpAddress::Ipv4(dst)) {
        return None;
    }
    let tuple = Tuple::new(Protocol::Tcp, Endpoint::new(src, tcp.src_port()), Endpoint::new(dst, tcp.dst_port()));
    let marks = Marks {
        syn_ack: tcp.syn() && tcp.ack() && !tcp.rst(),
        reset: tcp.rst(),
        acknowledges: tcp.ack().then(|| tcp.ack_number().0 as u32),
    };
    Some(Received::Segment { tuple, marks })
}

fn read_icmp(src: Ipv4Addr, dst: Ipv4Addr, bytes: &[u8]) -> Option<Received<'_>> {
    let icmp = Icmpv4Packet::new_checked(bytes).ok()?;
    if !icmp.verify_checksum() {
        return None;
    }
    match (icmp.msg_type(), icmp.msg_code()) {
        (Icmpv4Message::EchoReply, 0) => Some(Received::EchoReply {
            tuple: Tuple::new(Protocol::Icmp, Endpoint::new(src, 0), Endpoint::new(dst, icmp.echo_ident())),
            sequence: icmp.echo_seq_no(),
            payload: icmp.data(),
        }),
        (Icmpv4Message::DstUnreachable, code) => {
            let quoted = read_quote(icmp.data()).filter(|quoted| quoted.src.addr == dst)?;
            Some(Received::Error { quoted, reason: unreachable_in_words(code, src, quoted) })
        }
        (Icmpv4Message::TimeExceeded, _) => {
            let quoted = read_quote(icmp.data()).filter(|quoted| quoted.src.addr == dst)?;
            Some(Received::Error { quoted, reason: Some(format!("unreachable (ICMP time exceeded from {src})")) })
        }
        _ => None,
    }
}

/// The tuple of a quoted packet, of which eight bytes after its IP header are enough (RFC 792).
fn read_quote(quote: &[u8]) -> Option<Tuple> {
    let first = *quote.first()?;
    let header = usize::from(first & 0x0f) * 4;
    if first >> 4 != 4 || header < IPV4_HEADER {
        return None;
    }
    let address = |at: usize| quote.get(at..at + 4)?.try_into().ok().map(|octets: [u8; 4]| Ipv4Addr::from(octets));
    let transport = quote.get(header..header + 8)?;
    let word = |at: usize| u16::from_be_bytes([transport[at], transport[at + 1]]);
    let (protocol, from, to) = match quote.get(9)? {
        17 => (Protocol::Udp, word(0), word(2)),
        6 => (Protocol::Tcp, word(0), word(2)),
        1 if transport[0] == 8 => (Protocol::Icmp, word(4), 0),
        _ => return None,
    };
    Some(Tuple::new(protocol, Endpoint::new(address(12)?, from), Endpoint::new(address(16)?, to)))
}

fn unreachable_in_words(code: u8, from: Ipv4Addr, quoted: Tuple) -> Option<String> {
    Some(match code {
        3 => format!("port {}/{} is closed (ICMP port unreachable)", quoted.dst.port, quoted.protocol),
        // Not the end of a question: our datagrams are small, and TCP has its own remedy.
        4 => return None,
        2 => format!("{} is refused (ICMP protocol unreachable from {from})", quoted.protocol),
        0 | 6 | 11 => format!("unreachable (ICMP network unreachable from {from})"),
        9 | 10 | 13 => format!("filtered (ICMP administratively prohibited from {from})"),
        _ => format!("unreachable (ICMP host unreachable from {from})"),
    })
}

/// A failure of the words that were read.
pub fn failed(reason: impl Into<String>) -> Outcome {
    Outcome::Failed { reason: reason.into() }
}

/// Where a datagram of ours goes.
pub fn destination(datagram: &[u8]) -> Ipv4Addr {
    Ipv4Packet::new_unchecked(datagram).dst_addr()
}

pub fn udp(local: Endpoint, remote: Endpoint, payload: &[u8]) -> Vec<u8> {
    let udp = UdpRepr { src_port: local.port, dst_port: remote.port };
    datagram(local.addr, remote.addr, IpProtocol::Udp, UDP_HEADER + payload.len(), |buffer| {
        let (src, dst) = (IpAddress::Ipv4(local.addr), IpAddress::Ipv4(remote.addr));
        let mut packet = UdpPacket::new_unchecked(buffer);
        let fill = |place: &mut [u8]| place.copy_from_slice(payload);
        udp.emit(&mut packet, &src, &dst, payload.len(), fill, &ChecksumCapabilities::default());
    })
}

/// An echo request (RFC 792).
pub fn echo(local: Ipv4Addr, remote: Ipv4Addr, identifier: u16, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let echo = Icmpv4Repr::EchoRequest { ident: identifier, seq_no: sequence, data: payload };
    datagram(local, remote, IpProtocol::Icmp, echo.buffer_len(), |buffer| {
        echo.emit(&mut Icmpv4Packet::new_unchecked(buffer), &ChecksumCapabilities::default());
    })
}

/// A SYN with sequence number `sequence`.
pub fn syn(local: Endpoint, remote: Endpoint, sequence: u32) -> Vec<u8> {
    segment(local, remote, TcpControl::Syn, sequence, Some(SEGMENT))
}

/// A reset with sequence number `sequence` (RFC 9293 3.5.2: an acceptable one ends the half-open connection).
pub fn reset(local: Endpoint, remote: Endpoint, sequence: u32) -> Vec<u8> {
    segment(local, remote, TcpControl::Rst, sequence, None)
}

fn segment(
    local: Endpoint,
    remote: Endpoint,
    control: TcpControl,
    sequence: u32,
    max_seg_size: Option<u16>,
) -> Vec<u8> {
    let tcp = TcpRepr {
        src_port: local.port,
        dst_port: remote.port,
        control,
        seq_number: TcpSeqNumber(sequence as i32),
        ack_number: None,
        window_len: if control == TcpControl::Syn { 8192 } else { 0 },
        window_scale: None,
        max_seg_size,
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    };
    datagram(local.addr, remote.addr, IpProtocol::Tcp, tcp.buffer_len(), |buffer| {
        let (src, dst) = (IpAddress::Ipv4(local.addr), IpAddress::Ipv4(remote.addr));
        tcp.emit(&mut TcpPacket::new_unchecked(buffer), &src, &dst, &ChecksumCapabilities::default());
    })
}

fn datagram(
    src: Ipv4Addr,
    dst: Ipv4Addr,
    protocol: IpProtocol,
    payload_len: usize,
    fill: impl FnOnce(&mut [u8]),
) -> Vec<u8> {
    let ip = Ipv4Repr { src_addr: src, dst_addr: dst, next_header: protocol, payload_len, hop_limit: TTL };
    let mut buffer = vec![0; IPV4_HEADER + payload_len];
    fill(&mut buffer[IPV4_HEADER..]);
    ip.emit(&mut Ipv4Packet::new_unchecked(&mut buffer[..]), &ChecksumCapabilities::default());
    buffer
}
