//! One packet, read once.
//!
//! Owns [`Packet`] and the only parser. After `read` nothing about the packet's shape can fail: every offset in
//! [`Packet`] lies inside the bytes it was read from. A whole UDP datagram or TCP segment without IP options, as nearly every
//! packet is, is read by [`read_common`]; whatever else there is, and everything that can be wrong, by `read_any`. Never
//! changes a byte.

use super::addr::{Address, Endpoint, Mac, Ports, Protocol, Tuple, VlanId};
use super::ethernet::{self, RxKey};
use super::facts::{Arp, Fragment, Kind, Link, Malformed, Segment};
use super::ipv4::{self, Ip};
use super::tcp::{self, Flags};
use super::{arp, bytes, checksum, icmp, udp};
use std::net::Ipv4Addr;

/// The longest front that the common reader looks at: a tag, and TCP. A shorter frame is read by the other one.
const FRONT: usize = 18 + HEADERS;
/// Network and transport header.
const HEADERS: usize = ipv4::HEADER + tcp::HEADER;

/// What a frame says of itself, in one cache line. Offsets count bytes from the start of the frame.
///
/// For ARP, source and destination are the sender's and the target's protocol address, and `ttl` is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub struct Packet<A: Address = Ipv4Addr> {
    /// Source and destination address, as [`Address::pair`] joins them.
    pub addresses: A::Pair,
    /// Whom the frame is for on its link.
    pub rx: RxKey,
    /// Source and destination port; of ICMP echo as [`Tuple`] has them; 0 where there are none.
    pub ports: Ports,
    /// Where the network header begins: 14, or 18 behind a tag.
    pub l3: u16,
    /// Where the transport header begins; for a fragment that is not the first, where its payload begins; for ARP, its
    /// end.
    pub l4: u16,
    /// Just past the datagram; bytes of the frame behind it are Ethernet padding.
    pub end: u16,
    /// The length of the IP datagram in bytes, which must fit the link it leaves on; when it came in fragments, that of the
    /// longest one.
    pub size: u16,
    /// Time to live as received; of several fragments the least.
    pub ttl: u8,
    /// The IP protocol; 0 for ARP.
    pub protocol: u8,
    /// The DF bit.
    pub dont_fragment: bool,
    /// It is whole and stays so, and never was in fragments ([`super::fragment::whole`]): its identification means nothing (RFC
    /// 6864 4).
    pub atomic: bool,
    /// A UDP datagram or TCP segment that is no fragment, behind an IP header without options, with a hop to live.
    pub plain: bool,
    /// What the datagram carries.
    pub kind: Kind<A>,
}

impl Packet {
    /// The facts of no packet: where some will be written.
    pub const BLANK: Packet = Packet {
        addresses: 0,
        rx: RxKey::NONE,
        ports: Ports::new(0, 0),
        l3: 14,
        l4: 14,
        end: 14,
        size: 0,
        ttl: 0,
        protocol: 0,
        dont_fragment: false,
        atomic: false,
        plain: false,
        kind: Kind::Other,
    };

    /// The facts of a frame, which has no check sequence: Ethernet II, at most one tag, ARP or IPv4 and what it carries.
    /// Padding behind the datagram is not looked at. Allocates nothing.
    ///
    /// # Errors
    /// [`Malformed`]: the first thing that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Packet, Malformed> {
        let mut packet = Packet::BLANK;
        packet.read(bytes)?;
        Ok(packet)
    }

    /// As [`Packet::parse`], written over what stood here: nothing is copied.
    ///
    /// # Errors
    /// As [`Packet::parse`]; what is here then means nothing.
    #[inline(always)]
    pub fn read(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        match read_common(self, bytes) {
            Some(()) => Ok(()),
            None => read_any(bytes).map(|packet| *self = packet),
        }
    }
}

/// Reads a packet that is in every way as it should be and whose headers are where they always are. `None`: it is something
/// else, or something is wrong.
#[inline(always)]
fn read_common(into: &mut Packet, bytes: &[u8]) -> Option<()> {
    let front: &[u8; FRONT] = bytes.first_chunk()?;
    let (packet, l3, tag): (&[u8; HEADERS], u16, _) = if ethernet::is(front, 12, ethernet::IPV4) {
        (front[14..].first_chunk()?, 14, 0)
    } else if ethernet::is(front, 12, ethernet::TAG) && ethernet::is(front, 16, ethernet::IPV4) {
        (front[18..].first_chunk()?, 18, bytes::be16(front, 14) & 0x0fff)
    } else {
        return None;
    };
    let total = bytes::be16(packet, 2);
    let room = bytes.len() - usize::from(l3);
    // Version 4, a header of five words, neither more fragments nor an offset; and not the reserved VLAN identifier.
    let fits = usize::from(total) <= room && bytes.len() <= usize::from(u16::MAX) && tag != 0x0fff;
    let is_fragment = u16::from_ne_bytes([packet[6], packet[7]]) & u16::from_be(0x3fff) != 0;
    if packet[0] != 0x45 || is_fragment || !fits {
        return None;
    }
    if !checksum::is_right_of_twenty(packet.first_chunk()?) {
        return None;
    }
    let payload = total.checked_sub(ipv4::HEADER as u16)?;
    let protocol = packet[9];
    match protocol {
        ipv4::UDP => {
            let length = bytes::be16(packet, ipv4::HEADER + 4);
            if length < udp::HEADER as u16 || length > payload {
                return None;
            }
            into.kind = Kind::Udp;
        }
        ipv4::TCP => {
            let header = u16::from(packet[ipv4::HEADER + 12] >> 4) * 4;
            if header < tcp::HEADER as u16 || header > payload {
                return None;
            }
            into.kind = Kind::Tcp(Segment {
                seq: bytes::be32(packet, ipv4::HEADER + 4),
                ack: bytes::be32(packet, ipv4::HEADER + 8),
                flags: Flags(packet[ipv4::HEADER + 13]),
                payload: payload - header,
            });
        }
        _ => return None,
    }
    into.addresses = bytes::ne64(packet, 12);
    into.rx = RxKey::at(front.first_chunk()?, tag);
    into.ports = bytes::ports(packet, ipv4::HEADER);
    into.l3 = l3;
    into.l4 = l3 + ipv4::HEADER as u16;
    into.end = l3 + total;
    into.size = total;
    into.ttl = packet[8];
    into.protocol = protocol;
    into.dont_fragment = packet[6] & 0x40 != 0;
    into.atomic = into.dont_fragment;
    into.plain = into.ttl > 0;
    Some(())
}

/// Reads any frame, in the order in which things can be wrong.
#[cold]
fn read_any(bytes: &[u8]) -> Result<Packet, Malformed> {
    let (link, ethertype, l3) = ethernet::read(bytes)?;
    match ethertype {
        ethernet::IPV4 => {}
        ethernet::ARP => return read_arp(bytes, link, l3),
        _ => return Err(Malformed::UnknownEtherType),
    }
    let ip = ipv4::read(bytes, l3)?;
    let datagram = &bytes[..ip.end];
    let payload = &datagram[ip.l4..];
    let (kind, ports) = match ip.protocol {
        _ if ip.is_fragment() => read_fragment(&ip, payload)?,
        ipv4::UDP => (Kind::Udp, udp::read(payload, payload.len())?),
        ipv4::TCP => {
            let segment = tcp::read(payload, payload.len())?;
            (Kind::Tcp(segment), bytes::ports(payload, 0))
        }
        ipv4::ICMP => icmp::read(datagram, ip.l4)?,
        _ => (Kind::Other, Ports::default()),
    };
    Ok(Packet {
        addresses: Address::pair(ip.src, ip.dst),
        rx: RxKey::of(link.dst, link.vlan),
        ports,
        l3: l3 as u16,
        l4: ip.l4 as u16,
        end: ip.end as u16,
        size: (ip.end - l3) as u16,
        ttl: ip.ttl,
        protocol: ip.protocol,
        dont_fragment: ip.dont_fragment,
        atomic: ip.dont_fragment && !ip.is_fragment(),
        plain: ip.ttl > 0 && ip.l4 == l3 + ipv4::HEADER && matches!(kind, Kind::Udp | Kind::Tcp(_)),
        kind,
    })
}

fn read_fragment(ip: &Ip, payload: &[u8]) -> Result<(Kind, Ports), Malformed> {
    ip.check_fragment()?;
    let shows_ports = ip.offset == 0 && matches!(ip.protocol, ipv4::TCP | ipv4::UDP) && payload.len() >= udp::HEADER;
    let ports = if shows_ports { bytes::ports(payload, 0) } else { Ports::default() };
    Ok((Kind::Fragment(Fragment { id: ip.id, offset: ip.offset as u16, more: ip.more, shows_ports }), ports))
}

fn read_arp(bytes: &[u8], link: Link, l3: usize) -> Result<Packet, Malformed> {
    let arp = Arp::read(&bytes[l3..])?;
    let end = (l3 + arp::LENGTH) as u16;
    Ok(Packet {
        addresses: Address::pair(arp.sender, arp.target),
        rx: RxKey::of(link.dst, link.vlan),
        l3: l3 as u16,
        l4: end,
        end,
        size: arp::LENGTH as u16,
        kind: Kind::Arp(arp),
        ..Packet::BLANK
    })
}

impl<A: Address> Packet<A> {
    /// Source address.
    #[inline]
    pub fn src(&self) -> A {
        A::unpair(self.addresses).0
    }

    /// Destination address.
    #[inline]
    pub fn dst(&self) -> A {
        A::unpair(self.addresses).1
    }

    /// Source port.
    #[inline]
    pub const fn src_port(&self) -> u16 {
        self.ports.src()
    }

    /// Destination port.
    #[inline]
    pub const fn dst_port(&self) -> u16 {
        self.ports.dst()
    }

    /// The VLAN, if the frame carries a tag; see [`Link::vlan`].
    #[inline]
    pub const fn vlan(&self) -> Option<VlanId> {
        self.rx.vlan()
    }

    /// Destination MAC.
    pub fn dst_mac(&self) -> Mac {
        self.rx.mac()
    }

    /// Source MAC in `frame`, which these are the facts of.
    pub fn src_mac(&self, frame: &[u8]) -> Mac {
        frame.get(6..12).and_then(|mac| mac.try_into().ok()).map_or(Mac::ZERO, Mac)
    }

    /// The identification in `frame`, which these are the facts of (RFC 791 3.1).
    pub fn id(&self, frame: &[u8]) -> u16 {
        bytes::be16(frame, usize::from(self.l3) + 4)
    }

    /// The protocol of a packet that has a tuple: TCP, UDP, and ICMP echo.
    #[inline]
    pub fn transport(&self) -> Option<Protocol> {
        match self.kind {
            Kind::Tcp(_) => Some(Protocol::Tcp),
            Kind::Udp => Some(Protocol::Udp),
            Kind::Echo { .. } => Some(Protocol::Icmp),
            _ => None,
        }
    }

    /// The tuple that the first fragment of a UDP or TCP datagram shows.
    pub fn fragment_tuple(&self) -> Option<Tuple<A>> {
        let Kind::Fragment(Fragment { shows_ports: true, .. }) = self.kind else { return None };
        Some(self.tuple_of(if self.protocol == ipv4::TCP { Protocol::Tcp } else { Protocol::Udp }))
    }

    /// The tuple of a packet that is known by its addresses alone: of a protocol without ports, whole or a fragment. ICMP that is
    /// neither echo nor an error counts as protocol 255 (reserved by IANA), as echo has identifiers for ports.
    pub fn portless_tuple(&self) -> Option<Tuple<A>> {
        let number = match (&self.kind, self.protocol) {
            (Kind::Other, ipv4::ICMP) => 255,
            (Kind::Fragment(_), ipv4::ICMP | ipv4::TCP | ipv4::UDP) => return None,
            (Kind::Other | Kind::Fragment(_), other) => other,
            _ => return None,
        };
        let (src, dst) = A::unpair(self.addresses);
        Some(Tuple::new(Protocol::Other(number), Endpoint::new(src, 0), Endpoint::new(dst, 0)))
    }

    /// The tuple of a packet that has one: TCP, UDP, and ICMP echo (see [`Tuple`] for echo).
    #[inline]
    pub fn tuple(&self) -> Option<Tuple<A>> {
        self.transport().map(|protocol| self.tuple_of(protocol))
    }

    #[inline]
    fn tuple_of(&self, protocol: Protocol) -> Tuple<A> {
        let (src, dst) = A::unpair(self.addresses);
        Tuple::new(protocol, Endpoint::new(src, self.src_port()), Endpoint::new(dst, self.dst_port()))
    }
}

#[cfg(test)]
mod tests;
