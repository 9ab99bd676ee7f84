//! The packet as it nearly always is.
//!
//! Owns [`Usual`]: a whole UDP datagram or TCP segment without IP options, in every way as it should be, whose headers lie
//! where they always do. Its facts are few, and kept in the words that flows are looked up by. Never says what is wrong with
//! another packet: [`super::Headers`] does, from the beginning.

use super::addr::{Address, Endpoint, Mac, Protocol, Tuple, VlanId};
use super::headers::Segment;
use super::tcp::Flags;
use super::{bytes, checksum, ethernet, ipv4, tcp, udp};
use std::net::Ipv4Addr;

/// The longest front that is looked at: a tag, and TCP. A shorter frame is read with care.
const FRONT: usize = 18 + HEADERS;
/// Network and transport header.
const HEADERS: usize = ipv4::HEADER + tcp::HEADER;

/// Whom a frame is for on its link: destination MAC and VLAN in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Door(u64);

impl Door {
    /// That of frames to this MAC in this VLAN.
    pub fn of(mac: Mac, vlan: Option<VlanId>) -> Door {
        let [a, b, c, d, e, f] = mac.0;
        Door::at(u64::from_be_bytes([a, b, c, d, e, f, 0, 0]), vlan.map_or(0, VlanId::get))
    }

    /// The MAC stands above.
    #[inline]
    const fn at(front: u64, tag: u16) -> Door {
        Door(front >> 16 << 16 | tag as u64)
    }

    /// The VLAN.
    #[inline]
    pub const fn vlan(self) -> Option<VlanId> {
        VlanId::new(self.0 as u16)
    }
}

/// What a usual packet says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usual {
    /// Source and destination address, as [`Address::pair`] joins them.
    pub addresses: u64,
    /// Source port (upper half) and destination port.
    pub ports: u32,
    /// Of TCP: the sequence number.
    pub seq: u32,
    /// Of TCP: the acknowledgement number.
    pub ack: u32,
    /// Whom the frame is for; of its tag see [`super::headers::Link::vlan`].
    pub door: Door,
    /// The length of the IP datagram in bytes.
    pub size: u16,
    /// Of TCP: octets of payload.
    pub payload: u16,
    /// Where the network header begins: 14, or 18 behind a tag.
    pub l3: u8,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Of TCP: control bits.
    pub flags: Flags,
    /// Time to live as received.
    pub ttl: u8,
    /// The DF bit: it stays in one piece, and its identification means nothing (RFC 6864 4).
    pub dont_fragment: bool,
}

impl Usual {
    /// The facts of no packet: where some will be written.
    pub const BLANK: Usual = Usual {
        addresses: 0,
        ports: 0,
        seq: 0,
        ack: 0,
        door: Door(0),
        size: 0,
        payload: 0,
        l3: 14,
        protocol: Protocol::Udp,
        flags: Flags(0),
        ttl: 0,
        dont_fragment: false,
    };

    /// Reads a frame without its check sequence to where the facts shall be: nothing is copied. `None`: it is something
    /// else, or something is wrong, and what stands there means nothing.
    #[inline(always)]
    pub fn read(into: &mut Usual, bytes: &[u8]) -> Option<()> {
        let front: &[u8; FRONT] = bytes.first_chunk()?;
        let (packet, l3, tag): (&[u8; HEADERS], u8, _) = match bytes::be16(front, 12) {
            ethernet::IPV4 => (front[14..].first_chunk()?, 14, 0),
            // The reserved identifier 4095 is refused with care.
            ethernet::TAG if bytes::be16(front, 16) == ethernet::IPV4 && bytes::be16(front, 14) & 0x0fff != 0x0fff => {
                (front[18..].first_chunk()?, 18, bytes::be16(front, 14) & 0x0fff)
            }
            _ => return None,
        };
        let total = bytes::be16(packet, 2);
        let place = bytes::be16(packet, 6);
        let room = bytes.len() - usize::from(l3);
        // Version 4, a header of five words, and neither more fragments nor an offset.
        let fits = usize::from(total) <= room && bytes.len() <= usize::from(u16::MAX);
        if packet[0] != 0x45 || place & 0x3fff != 0 || !fits || !checksum::is_right_of_twenty(packet.first_chunk()?) {
            return None;
        }
        let payload = total.checked_sub(ipv4::HEADER as u16)?;
        let (protocol, seq, ack, flags, payload) = match packet[9] {
            ipv4::UDP => {
                let length = bytes::be16(packet, ipv4::HEADER + 4);
                if length < udp::HEADER as u16 || length > payload {
                    return None;
                }
                (Protocol::Udp, 0, 0, Flags(0), 0)
            }
            ipv4::TCP => {
                let header = u16::from(packet[ipv4::HEADER + 12] >> 4) * 4;
                if header < tcp::HEADER as u16 || header > payload {
                    return None;
                }
                let (seq, ack) = (bytes::be32(packet, ipv4::HEADER + 4), bytes::be32(packet, ipv4::HEADER + 8));
                (Protocol::Tcp, seq, ack, Flags(packet[ipv4::HEADER + 13]), payload - header)
            }
            _ => return None,
        };
        *into = Usual {
            addresses: bytes::be64(packet, 12),
            ports: bytes::be32(packet, ipv4::HEADER),
            seq,
            ack,
            door: Door::at(bytes::be64(front, 0), tag),
            size: total,
            payload,
            l3,
            protocol,
            flags,
            ttl: packet[8],
            dont_fragment: place & 0x4000 != 0,
        };
        Some(())
    }

    /// Source address.
    #[inline]
    pub fn src(&self) -> Ipv4Addr {
        Ipv4Addr::unpair(self.addresses).0
    }

    /// Destination address.
    #[inline]
    pub fn dst(&self) -> Ipv4Addr {
        Ipv4Addr::unpair(self.addresses).1
    }

    /// Source port.
    #[inline]
    pub const fn src_port(&self) -> u16 {
        (self.ports >> 16) as u16
    }

    /// Destination port.
    #[inline]
    pub const fn dst_port(&self) -> u16 {
        self.ports as u16
    }

    /// Its tuple.
    #[inline]
    pub fn tuple(&self) -> Tuple {
        let src = Endpoint::new(self.src(), self.src_port());
        Tuple::new(self.protocol, src, Endpoint::new(self.dst(), self.dst_port()))
    }

    /// The facts of its segment, if it is one.
    #[inline]
    pub fn segment(&self) -> Option<Segment> {
        let &Usual { seq, ack, flags, payload, .. } = self;
        let segment = Segment { src_port: self.src_port(), dst_port: self.dst_port(), seq, ack, flags, payload };
        (self.protocol == Protocol::Tcp).then_some(segment)
    }

    /// Just past the datagram in the frame.
    #[inline]
    pub const fn end(&self) -> usize {
        self.l3 as usize + self.size as usize
    }
}
