//! The facts of one packet, read once at the door.
//!
//! Owns [`Headers`] and the only parser. After `parse` nothing about the packet's shape can fail: every offset in
//! [`Headers`] lies inside the bytes it was read from. Never changes a byte.

use super::addr::{Address, Endpoint, Mac, Protocol, Tuple, VlanId};
use super::arp::Arp;
use super::tcp::Flags;
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
    /// Where the transport header begins; for a fragment that is not the first, where its payload begins.
    pub l4: u16,
    /// Just past the datagram; bytes of the frame behind it are Ethernet padding.
    pub end: u16,
    /// Time to live as received.
    pub ttl: u8,
    /// The DF bit.
    pub dont_fragment: bool,
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

impl<A: Address> Headers<A> {
    /// The tuple of a packet that has one: TCP, UDP, and ICMP echo (see [`Tuple`] for echo).
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
    /// Neither IPv4 nor ARP.
    UnknownEtherType,
    /// The IP version is not 4.
    IpVersion,
    /// IHL below 5 or beyond the datagram (RFC 1812 5.2.2).
    IpHeaderLength,
    /// Total length below the header's or beyond the frame.
    IpLength,
    /// The header checksum is wrong.
    IpChecksum,
    /// A loose or strict source route option (RFC 1812 5.3.13.4 lets us refuse).
    SourceRoute,
    /// TCP data offset below 5 or beyond the segment.
    TcpHeader,
    /// UDP length below 8 or not that of the datagram.
    UdpLength,
    /// Too short for its type.
    Icmp,
    /// The ICMP checksum is wrong.
    IcmpChecksum,
    /// The quoted packet is too short or its header checksum is wrong (RFC 5508 REQ-3).
    IcmpQuote,
    /// Too short, or not IPv4 over Ethernet.
    Arp,
    /// An offset and length that cannot be (beyond 65,535 bytes), or a piece that would overlap the transport header
    /// (RFC 1858).
    Fragment,
}
