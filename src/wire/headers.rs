//! The facts of one packet, read once at the door.
//!
//! Owns [`Headers`] and the only parser. After `parse` nothing about the packet's shape can fail: every offset in
//! [`Headers`] lies inside the bytes it was read from. Never changes a byte.

use super::addr::{Address, Endpoint, Mac, Protocol, Tuple, VlanId};
use super::arp::{self, Arp};
use super::ipv4::{self, Ip};
use super::tcp::{self, Flags};
use super::usual::Usual;
use super::{bytes, ethernet, icmp, udp};
use std::net::Ipv4Addr;

/// The Ethernet header and its one optional 802.1Q tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Destination.
    pub dst: Mac,
    /// Source.
    pub src: Mac,
    /// The VLAN, if the frame carries a tag. A priority tag (VLAN 0) counts as no VLAN, though its four bytes are there.
    pub vlan: Option<VlanId>,
}

/// What a frame says of itself. Offsets count bytes from the start of the frame.
///
/// For ARP, `src` and `dst` are the sender's and the target's protocol address, and `ttl` is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers<A = Ipv4Addr> {
    /// The Ethernet header.
    pub link: Link,
    /// Source address.
    pub src: A,
    /// Destination address.
    pub dst: A,
    /// Where the network header begins: 14, or 18 behind a tag.
    pub l3: u16,
    /// Where the transport header begins; for a fragment that is not the first, where its payload begins; for ARP, its
    /// end.
    pub l4: u16,
    /// Just past the datagram; bytes of the frame behind it are Ethernet padding.
    pub end: u16,
    /// The length of the IP datagram in bytes, which must fit the link it leaves on; when it came in pieces, that of the
    /// longest one.
    pub size: u16,
    /// The IP identification (RFC 791 3.1); 0 for ARP.
    pub id: u16,
    /// Time to live as received; of several pieces the least.
    pub ttl: u8,
    /// The DF bit.
    pub dont_fragment: bool,
    /// It came in several pieces, and these are the facts of the whole ([`super::fragment::whole`]).
    pub in_pieces: bool,
    /// What the datagram carries.
    pub kind: Kind<A>,
}

/// What a datagram carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<A = Ipv4Addr> {
    /// A TCP segment.
    Tcp(Segment),
    /// A UDP datagram.
    Udp {
        /// Source port.
        src_port: u16,
        /// Destination port.
        dst_port: u16,
    },
    /// An ICMP echo request or reply.
    Echo {
        /// Request (type 8) or reply (type 0).
        request: bool,
        /// The identifier.
        id: u16,
    },
    /// An ICMP error; its checksum and that of the quoted IP header were found right (RFC 5508 REQ-3).
    IcmpError(Quoted<A>),
    /// A piece of a datagram: more pieces follow, or its offset is not 0.
    Fragment(Piece),
    /// An ARP packet for IPv4 over Ethernet.
    Arp(Arp),
    /// Another IP protocol, by its number; also ICMP that is neither echo nor an error we know.
    Other(u8),
}

/// The facts of a TCP segment (RFC 9293 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Sequence number of the first octet.
    pub seq: u32,
    /// Acknowledgement number; meaningful when ACK is set.
    pub ack: u32,
    /// Control bits.
    pub flags: Flags,
    /// Octets of payload.
    pub payload: u16,
}

impl Segment {
    /// How much of the sequence space the segment takes: its payload, and one each for SYN and FIN (RFC 9293 3.4).
    pub fn length(&self) -> u32 {
        u32::from(self.payload) + u32::from(self.flags.syn()) + u32::from(self.flags.fin())
    }
}

/// What an ICMP error says, and about which packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted<A = Ipv4Addr> {
    /// The ICMP type of the error: 3, 4, 5, 11 or 12.
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// The tuple of the quoted packet, as it was when it met the trouble. A query that is quoted keeps the convention
    /// of [`Tuple`].
    pub tuple: Tuple<A>,
    /// Where the quoted IP header begins.
    pub l3: u16,
    /// Where the quoted transport header begins (its options walked).
    pub l4: u16,
}

/// A fragment (RFC 791 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The datagram's identification.
    pub id: u16,
    /// Its IP protocol.
    pub protocol: u8,
    /// Offset of this piece in the datagram's payload, in bytes.
    pub offset: u16,
    /// More fragments follow.
    pub more: bool,
    /// The ports, if this is the first piece of a UDP or TCP datagram and long enough to show them.
    pub ports: Option<(u16, u16)>,
}

impl Headers<Ipv4Addr> {
    /// Reads a frame without its check sequence: Ethernet II, at most one tag, ARP or IPv4 and what it carries. Padding
    /// behind the datagram is not looked at. Allocates nothing.
    pub fn parse(bytes: &[u8]) -> Result<Headers, Malformed> {
        let mut usual = Usual::BLANK;
        match Usual::read(&mut usual, bytes) {
            Some(()) => Ok(Headers::of_usual(&usual, bytes)),
            None => Headers::parse_with_care(bytes),
        }
    }

    /// All facts of a usual packet; `bytes` is the frame it was read from.
    #[inline]
    pub fn of_usual(packet: &Usual, bytes: &[u8]) -> Headers {
        let front = bytes.first_chunk().unwrap_or(&[0; 18 + 6]);
        let l3 = u16::from(packet.l3);
        let (src_port, dst_port) = (packet.src_port(), packet.dst_port());
        Headers {
            link: Link { dst: bytes::mac(front, 0), src: bytes::mac(front, 6), vlan: packet.door.vlan() },
            src: packet.src(),
            dst: packet.dst(),
            l3,
            l4: l3 + ipv4::HEADER as u16,
            end: packet.end() as u16,
            size: packet.size,
            id: bytes::be16(front, usize::from(l3) + 4),
            ttl: packet.ttl,
            dont_fragment: packet.dont_fragment,
            in_pieces: false,
            kind: packet.segment().map_or(Kind::Udp { src_port, dst_port }, Kind::Tcp),
        }
    }

    /// As [`Headers::parse`], of a frame that is no usual packet: in the order in which things can be wrong.
    pub fn parse_with_care(bytes: &[u8]) -> Result<Headers, Malformed> {
        let (link, ethertype, l3) = ethernet::read(bytes)?;
        match ethertype {
            ethernet::IPV4 => {}
            ethernet::ARP => return parse_arp(bytes, link, l3),
            _ => return Err(Malformed::UnknownEtherType),
        }
        let ip = ipv4::read(bytes, l3)?;
        let datagram = &bytes[..ip.end];
        let payload = &datagram[ip.l4..];
        let kind = match ip.protocol {
            _ if ip.is_piece() => Kind::Fragment(parse_piece(&ip, payload)?),
            ipv4::UDP => udp::read(payload, payload.len())?,
            ipv4::TCP => Kind::Tcp(tcp::read(payload, payload.len())?),
            ipv4::ICMP => icmp::read(datagram, ip.l4)?,
            other => Kind::Other(other),
        };
        Ok(facts(link, l3, &ip, kind))
    }
}

fn facts(link: Link, l3: usize, ip: &Ip, kind: Kind) -> Headers {
    Headers {
        link,
        src: ip.src,
        dst: ip.dst,
        l3: l3 as u16,
        l4: ip.l4 as u16,
        end: ip.end as u16,
        size: (ip.end - l3) as u16,
        id: ip.id,
        ttl: ip.ttl,
        dont_fragment: ip.dont_fragment,
        in_pieces: false,
        kind,
    }
}

fn parse_piece(ip: &Ip, payload: &[u8]) -> Result<Piece, Malformed> {
    ip.check_piece()?;
    let shows_ports = ip.offset == 0 && matches!(ip.protocol, ipv4::TCP | ipv4::UDP) && payload.len() >= udp::HEADER;
    let ports = shows_ports.then(|| (bytes::be16(payload, 0), bytes::be16(payload, 2)));
    Ok(Piece { id: ip.id, protocol: ip.protocol, offset: ip.offset as u16, more: ip.more, ports })
}

fn parse_arp(bytes: &[u8], link: Link, l3: usize) -> Result<Headers, Malformed> {
    let arp = Arp::read(&bytes[l3..])?;
    let end = (l3 + arp::LENGTH) as u16;
    let (l3, l4) = (l3 as u16, end);
    let (src, dst, size, kind) = (arp.sender, arp.target, end - l3, Kind::Arp(arp));
    Ok(Headers { link, src, dst, l3, l4, end, size, id: 0, ttl: 0, dont_fragment: false, in_pieces: false, kind })
}

impl<A: Address> Headers<A> {
    /// The datagram is in one piece and stays so: its identification means nothing (RFC 6864 4).
    #[inline]
    pub fn is_atomic(&self) -> bool {
        self.dont_fragment && !self.in_pieces && !matches!(self.kind, Kind::Fragment(_))
    }

    /// The IP protocol; 0 for ARP.
    pub fn protocol(&self) -> u8 {
        match self.kind {
            Kind::Tcp(_) => ipv4::TCP,
            Kind::Udp { .. } => ipv4::UDP,
            Kind::Echo { .. } | Kind::IcmpError(_) => ipv4::ICMP,
            Kind::Fragment(piece) => piece.protocol,
            Kind::Other(protocol) => protocol,
            Kind::Arp(_) => 0,
        }
    }

    /// The tuple that the first piece of a UDP or TCP datagram shows.
    pub fn piece_tuple(&self) -> Option<Tuple<A>> {
        let Kind::Fragment(Piece { protocol, ports: Some((src_port, dst_port)), .. }) = self.kind else { return None };
        let protocol = if protocol == ipv4::TCP { Protocol::Tcp } else { Protocol::Udp };
        Some(Tuple::new(protocol, Endpoint::new(self.src, src_port), Endpoint::new(self.dst, dst_port)))
    }

    /// The tuple of a packet that has one: TCP, UDP, and ICMP echo (see [`Tuple`] for echo).
    #[inline]
    pub fn tuple(&self) -> Option<Tuple<A>> {
        let (protocol, src_port, dst_port) = match self.kind {
            Kind::Tcp(segment) => (Protocol::Tcp, segment.src_port, segment.dst_port),
            Kind::Udp { src_port, dst_port } => (Protocol::Udp, src_port, dst_port),
            Kind::Echo { request: true, id } => (Protocol::Icmp, id, 0),
            Kind::Echo { request: false, id } => (Protocol::Icmp, 0, id),
            _ => return None,
        };
        Some(Tuple::new(protocol, Endpoint::new(self.src, src_port), Endpoint::new(self.dst, dst_port)))
    }
}

/// Why a frame cannot be read. The worker counts each as a drop of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Shorter than its headers or the length they declare.
    Truncated,
    /// Neither IPv4 nor ARP; also a second tag, and the reserved VLAN identifier 4095.
    UnknownEtherType,
    /// The IP version is not 4.
    IpVersion,
    /// IHL below 5 or beyond the datagram (RFC 1812 5.2.2), or an option that runs past the header.
    IpHeaderLength,
    /// Total length below the header's or beyond the frame.
    IpLength,
    /// The header checksum is wrong.
    IpChecksum,
    /// A loose or strict source route option (RFC 1812 5.3.13.4 lets us refuse).
    SourceRoute,
    /// TCP data offset below 5 or beyond the segment.
    TcpHeader,
    /// UDP length below 8 or beyond the datagram.
    UdpLength,
    /// Too short for its type.
    Icmp,
    /// The ICMP checksum is wrong.
    IcmpChecksum,
    /// The quoted packet is too short or its header checksum is wrong (RFC 5508 REQ-3).
    IcmpQuote,
    /// Too short, not IPv4 over Ethernet, or neither request nor reply.
    Arp,
    /// An offset and length that cannot be (empty, beyond 65,535 bytes, cut within eight bytes), or a piece that cuts
    /// or overlaps the TCP header (RFC 1858 3).
    Fragment,
}

#[cfg(test)]
mod tests;
