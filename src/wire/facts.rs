//! The facts that packets are made of, each by the name its RFC gives it.
//!
//! Owns the plain types that readers return and writers take; reads nothing itself. Read next: [`super::packet`].

use super::addr::{Mac, Tuple, VlanId};
use std::fmt;
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

/// What a datagram carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<A = Ipv4Addr> {
    /// A TCP segment.
    Tcp(Segment),
    /// A UDP datagram.
    Udp,
    /// An ICMP echo request (type 8) or reply (type 0).
    Echo {
        /// A request.
        request: bool,
    },
    /// An ICMP error; its checksum and that of the quoted IP header were found right (RFC 5508 REQ-3).
    IcmpError(Quoted<A>),
    /// A fragment: more follow, or its offset is not 0.
    Fragment(Fragment),
    /// An ARP packet for IPv4 over Ethernet.
    Arp(Arp),
    /// Another IP protocol; also ICMP that is neither echo nor an error we know.
    Other,
}

/// The facts of a TCP segment (RFC 9293 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Sequence number of the first octet.
    pub seq: u32,
    /// Acknowledgement number; meaningful when ACK is set.
    pub ack: u32,
    /// Octets of payload.
    pub payload: u16,
    /// Control bits.
    pub flags: Flags,
}

impl Segment {
    /// How much of the sequence space the segment takes: its payload, and one each for SYN and FIN (RFC 9293 3.4).
    pub fn length(&self) -> u32 {
        u32::from(self.payload) + u32::from(self.flags.syn()) + u32::from(self.flags.fin())
    }
}

/// The control bits of a segment.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// No more data from the sender.
    pub const FIN: Flags = Flags(0x01);
    /// Synchronize sequence numbers.
    pub const SYN: Flags = Flags(0x02);
    /// Reset the connection.
    pub const RST: Flags = Flags(0x04);
    /// Push.
    pub const PSH: Flags = Flags(0x08);
    /// The acknowledgement number is meaningful.
    pub const ACK: Flags = Flags(0x10);

    /// Both sets of bits.
    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
    /// FIN is set.
    pub const fn fin(self) -> bool {
        self.0 & Flags::FIN.0 != 0
    }
    /// SYN is set.
    pub const fn syn(self) -> bool {
        self.0 & Flags::SYN.0 != 0
    }
    /// RST is set.
    pub const fn rst(self) -> bool {
        self.0 & Flags::RST.0 != 0
    }
    /// ACK is set.
    pub const fn ack(self) -> bool {
        self.0 & Flags::ACK.0 != 0
    }
    /// Neither begins nor ends anything: data, or a mere acknowledgement.
    #[inline]
    pub const fn is_data(self) -> bool {
        self.0 & (Flags::SYN.0 | Flags::FIN.0 | Flags::RST.0) == 0
    }
    /// The segment asks for a new connection: SYN without ACK or RST.
    pub const fn opens(self) -> bool {
        self.syn() && !self.ack() && !self.rst()
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];
        let set: Vec<_> = names.iter().enumerate().filter(|(bit, _)| self.0 >> bit & 1 == 1).map(|(_, n)| *n).collect();
        f.write_str(&set.join("|"))
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
pub struct Fragment {
    /// The datagram's identification.
    pub id: u16,
    /// Its offset in the datagram's payload, in bytes.
    pub offset: u16,
    /// More fragments follow.
    pub more: bool,
    /// The ports are known: it is the first one of a UDP or TCP datagram, and long enough to show them.
    pub shows_ports: bool,
}

/// An ARP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// Request or reply.
    pub operation: Operation,
    /// The sender's hardware address.
    pub sender_mac: Mac,
    /// The sender's protocol address; 0.0.0.0 in a probe (RFC 5227 1.1).
    pub sender: Ipv4Addr,
    /// The target's hardware address; zero in a request.
    pub target_mac: Mac,
    /// The target's protocol address.
    pub target: Ipv4Addr,
}

/// What an ARP packet is: its operation code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Who has the target address?
    Request,
    /// The sender has its address.
    Reply,
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
    /// An offset and length that cannot be (empty, beyond 65,535 bytes, cut within eight bytes), or a fragment that cuts
    /// or overlaps the TCP header (RFC 1858 3).
    Fragment,
}
