//! IP datagrams as probes send and receive them.
//!
//! Owns the building of UDP, echo and TCP control datagrams, what there is to know of an answer beyond `wire`'s facts, and the
//! words for ICMP errors.

use crate::monitor::Outcome;
use crate::wire::facts::Quoted;
use crate::wire::{Endpoint, Kind, Packet};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    Icmpv4Packet, Icmpv4Repr, IpAddress, IpProtocol, Ipv4Packet, Ipv4Repr, TcpControl, TcpPacket, TcpRepr,
    TcpSeqNumber, UdpPacket, UdpRepr,
};
use std::net::Ipv4Addr;

const TTL: u8 = 64;
const IPV4_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
/// The segment size announced: no link on the way to a server carries less, whatever its MTU.
const SEGMENT: u16 = 1240;

/// What a datagram carries beyond its transport header and an echo's identifier and sequence number; `None` when its checksum is
/// wrong.
pub fn payload<'a>(packet: &Packet, frame: &'a [u8]) -> Option<&'a [u8]> {
    let (src, dst) = (IpAddress::Ipv4(packet.src()), IpAddress::Ipv4(packet.dst()));
    let bytes = frame.get(packet.l4.into()..packet.end.into())?;
    match packet.kind {
        Kind::Udp => {
            UdpPacket::new_checked(bytes).ok().filter(|udp| udp.verify_checksum(&src, &dst)).map(|udp| udp.payload())
        }
        Kind::Tcp(_) => TcpPacket::new_checked(bytes).ok().filter(|tcp| tcp.verify_checksum(&src, &dst)).map(|_| bytes),
        _ => Icmpv4Packet::new_checked(bytes).ok().filter(Icmpv4Packet::verify_checksum).map(|icmp| icmp.data()),
    }
}

/// What an error from `from` says; `None` for one that ends nothing (RFC 1122 3.2.2: fragmentation needed).
pub fn error_in_words(error: &Quoted, from: Ipv4Addr) -> Option<String> {
    let Quoted { tuple, .. } = error;
    Some(match (error.kind, error.code) {
        (11, _) => format!("unreachable (ICMP time exceeded from {from})"),
        (3, 3) => format!("port {}/{} is closed (ICMP port unreachable)", tuple.dst.port, tuple.protocol),
        // Not the end of a question: our datagrams are small, and TCP has its own remedy.
        (3, 4) => return None,
        (3, 2) => format!("{} is refused (ICMP protocol unreachable from {from})", tuple.protocol),
        (3, 0 | 6 | 11) => format!("unreachable (ICMP network unreachable from {from})"),
        (3, 9 | 10 | 13) => format!("filtered (ICMP administratively prohibited from {from})"),
        (3, _) => format!("unreachable (ICMP host unreachable from {from})"),
        _ => return None,
    })
}

/// A failure of the words that were read.
pub fn failed(reason: impl Into<String>) -> Outcome {
    Outcome::Failed { reason: reason.into() }
}

/// The port a datagram of ours leaves from; of an echo request, its identifier.
pub fn source_port(datagram: &[u8]) -> Option<u16> {
    let packet = Ipv4Packet::new_checked(datagram).ok()?;
    let at = if packet.next_header() == IpProtocol::Icmp { 4 } else { 0 };
    let bytes = packet.payload().get(at..at + 2)?;
    Some(u16::from_be_bytes([bytes[0], bytes[1]]))
}

/// From where to where a datagram of ours goes.
pub fn ends(datagram: &[u8]) -> (Ipv4Addr, Ipv4Addr) {
    let packet = Ipv4Packet::new_unchecked(datagram);
    (packet.src_addr(), packet.dst_addr())
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
pub fn echo(local: Ipv4Addr, remote: Ipv4Addr, identifier: u16, payload: &[u8]) -> Vec<u8> {
    let echo = Icmpv4Repr::EchoRequest { ident: identifier, seq_no: 0, data: payload };
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
