//! Addresses as they are in a packet: MAC, VLAN, protocol, endpoint, tuple.
//!
//! Everything that holds an IP address takes it as a parameter (`A`, IPv4 unless said), so that IPv6 is a second
//! instance of the same code and the IPv4 types do not grow for it.

use std::fmt;
use std::net::Ipv4Addr;
use std::num::NonZeroU16;
use std::str::FromStr;

/// What an IP address must be for the types of this floor.
pub trait Address: Copy + Eq + Ord + std::hash::Hash + fmt::Debug + fmt::Display {
    /// Two addresses in as few words as hold them, in the order of their bytes in a packet.
    type Pair: Copy + Eq + Default + fmt::Debug;

    /// Both, the first one first.
    fn pair(first: Self, second: Self) -> Self::Pair;

    /// The two that [`Address::pair`] was given.
    fn unpair(pair: Self::Pair) -> (Self, Self);

    /// The same two, the second one first.
    fn swapped(pair: Self::Pair) -> Self::Pair;

    /// The bits in which two pairs differ.
    fn difference(a: Self::Pair, b: Self::Pair) -> Self::Pair;
}

impl Address for Ipv4Addr {
    type Pair = u64;

    #[inline]
    fn pair(first: Ipv4Addr, second: Ipv4Addr) -> u64 {
        let ([a, b, c, d], [e, f, g, h]) = (first.octets(), second.octets());
        u64::from_ne_bytes([a, b, c, d, e, f, g, h])
    }

    #[inline]
    fn unpair(pair: u64) -> (Ipv4Addr, Ipv4Addr) {
        let [a, b, c, d, e, f, g, h] = pair.to_ne_bytes();
        (Ipv4Addr::new(a, b, c, d), Ipv4Addr::new(e, f, g, h))
    }

    #[inline]
    fn swapped(pair: u64) -> u64 {
        pair.rotate_left(32)
    }

    #[inline]
    fn difference(a: u64, b: u64) -> u64 {
        a ^ b
    }
}

/// Source and destination port, in the order of their bytes in a packet; also the bits in which two of these differ.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Ports(u32);

impl Ports {
    /// Those of a packet from one to the other.
    #[inline]
    pub const fn new(src: u16, dst: u16) -> Ports {
        let ([a, b], [c, d]) = (src.to_be_bytes(), dst.to_be_bytes());
        Ports(u32::from_ne_bytes([a, b, c, d]))
    }

    /// Source port.
    #[inline]
    pub const fn src(self) -> u16 {
        let [a, b, _, _] = self.0.to_ne_bytes();
        u16::from_be_bytes([a, b])
    }

    /// Destination port.
    #[inline]
    pub const fn dst(self) -> u16 {
        let [_, _, c, d] = self.0.to_ne_bytes();
        u16::from_be_bytes([c, d])
    }

    /// One of the two is this. Both are compared at once: where halves of a word are equal to those of another, their difference has a
    /// half that is zero.
    #[inline(always)]
    pub const fn holds(self, port: u16) -> bool {
        let differ = self.0 ^ Ports::new(port, port).0;
        differ.wrapping_sub(0x0001_0001) & !differ & 0x8000_8000 != 0
    }

    /// The same two, the second one first.
    #[inline]
    pub const fn swapped(self) -> Ports {
        Ports(self.0.rotate_left(16))
    }

    /// The bits in which the two differ; or these ports changed by a difference.
    #[inline]
    pub const fn difference(self, other: Ports) -> Ports {
        Ports(self.0 ^ other.0)
    }

    /// All bits, in unspecified order.
    #[inline]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// From [`Ports::bits`].
    #[inline]
    pub const fn of_bits(bits: u32) -> Ports {
        Ports(bits)
    }
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {}", self.src(), self.dst())
    }
}

/// A 48-bit Ethernet address.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// ff:ff:ff:ff:ff:ff
    pub const BROADCAST: Mac = Mac([0xff; 6]);
    /// 00:00:00:00:00:00, the target of an ARP request.
    pub const ZERO: Mac = Mac([0; 6]);

    /// Broadcast or multicast: the group bit is set.
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not six hexadecimal octets joined by colons.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a MAC address: write six hexadecimal octets joined by colons, such as 02:00:00:00:00:01")]
pub struct BadMac(pub String);

impl FromStr for Mac {
    type Err = BadMac;
    fn from_str(text: &str) -> Result<Mac, BadMac> {
        let mut octets = [0; 6];
        let mut parts = text.split(':');
        for octet in &mut octets {
            let part = parts.next().filter(|part| part.len() == 2).ok_or_else(|| BadMac(text.into()))?;
            *octet = u8::from_str_radix(part, 16).map_err(|_| BadMac(text.into()))?;
        }
        if parts.next().is_some() { Err(BadMac(text.into())) } else { Ok(Mac(octets)) }
    }
}

/// An 802.1Q VLAN identifier, 1 to 4094.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VlanId(NonZeroU16);

impl VlanId {
    /// `None` unless `id` is 1 to 4094 (0 marks priority-tagged frames, 4095 is reserved: IEEE 802.1Q 9.6).
    pub const fn new(id: u16) -> Option<VlanId> {
        match NonZeroU16::new(id) {
            Some(id) if id.get() <= 4094 => Some(VlanId(id)),
            _ => None,
        }
    }

    /// The identifier as a number.
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

impl fmt::Display for VlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The protocols whose packets have ports, or for ICMP echo an identifier that serves as one; and all others, whose packets are
/// told apart by their addresses alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// ICMP echo request and reply (IP protocol 1).
    Icmp,
    /// IP protocol 6.
    Tcp,
    /// IP protocol 17.
    Udp,
    /// Another one, by its number; see [`super::Packet::portless_tuple`].
    Other(u8),
}

impl Protocol {
    /// Generic Routing Encapsulation (RFC 2784).
    pub const GRE: Protocol = Protocol::Other(47);
    /// IP Encapsulating Security Payload (RFC 4303).
    pub const ESP: Protocol = Protocol::Other(50);
    /// Stream Control Transmission Protocol (RFC 9260), whose checksum has no pseudo-header.
    pub const SCTP: Protocol = Protocol::Other(132);

    /// The protocol with this number.
    #[inline]
    pub const fn of(number: u8) -> Protocol {
        match number {
            1 => Protocol::Icmp,
            6 => Protocol::Tcp,
            17 => Protocol::Udp,
            other => Protocol::Other(other),
        }
    }

    /// Its number in the IP header.
    #[inline]
    pub const fn number(self) -> u8 {
        match self {
            Protocol::Icmp => 1,
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
            Protocol::Other(number) => number,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Protocol::Icmp => f.pad("icmp"),
            Protocol::Tcp => f.pad("tcp"),
            Protocol::Udp => f.pad("udp"),
            Protocol::GRE => f.pad("gre"),
            Protocol::ESP => f.pad("esp"),
            Protocol::SCTP => f.pad("sctp"),
            Protocol::Other(number) => f.pad(&format!("ip-{number}")),
        }
    }
}

/// An address and a port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint<A = Ipv4Addr> {
    /// The IP address.
    pub addr: A,
    /// The port, host byte order.
    pub port: u16,
}

impl<A> Endpoint<A> {
    /// `addr:port`
    pub const fn new(addr: A, port: u16) -> Endpoint<A> {
        Endpoint { addr, port }
    }
}

impl<A: fmt::Display> fmt::Display for Endpoint<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.addr, self.port)
    }
}

impl<A: fmt::Debug> fmt::Debug for Endpoint<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}:{}", self.addr, self.port)
    }
}

/// Protocol, source and destination: what a flow is looked up by.
///
/// An ICMP query has one identifier and no ports. It counts as the port of the side that asks; the side that answers
/// has port 0. So an echo request is `(host, id) → (target, 0)` and its reply `(target, 0) → (host, id)`: reversing a
/// tuple gives the tuple of the answer, as it does for TCP and UDP.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tuple<A = Ipv4Addr> {
    /// TCP, UDP, or ICMP echo; another protocol has no ports, both are 0.
    pub protocol: Protocol,
    /// Where the packet says it comes from.
    pub src: Endpoint<A>,
    /// Where it goes.
    pub dst: Endpoint<A>,
}

impl<A: Copy> Tuple<A> {
    /// The tuple from its parts.
    pub const fn new(protocol: Protocol, src: Endpoint<A>, dst: Endpoint<A>) -> Tuple<A> {
        Tuple { protocol, src, dst }
    }

    /// The tuple of a packet that answers this one.
    pub const fn reversed(self) -> Tuple<A> {
        Tuple { protocol: self.protocol, src: self.dst, dst: self.src }
    }
}

impl<A: fmt::Display> fmt::Display for Tuple<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} > {}", self.protocol, self.src, self.dst)
    }
}

impl<A: fmt::Debug> fmt::Debug for Tuple<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} > {:?}", self.protocol, self.src, self.dst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With ports whose difference is 0, 1, 0x8000 or in one byte alone, above and below: where a borrow could go astray.
    #[test]
    fn ports_hold_their_two_and_no_other() {
        let near =
            [0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x101, 0x7fff, 0x8000, 0x8001, 0xff00, 0xfffe, 0xffff, 5060, 5061];
        for (src, dst) in near.iter().flat_map(|src| near.iter().map(move |dst| (*src, *dst))) {
            for port in 0..=u16::MAX {
                assert_eq!(Ports::new(src, dst).holds(port), port == src || port == dst, "{port} of {src} and {dst}");
            }
        }
    }

    #[test]
    fn a_mac_reads_back_as_it_was_written() {
        let mac: Mac = "02:00:5e:10:0a:ff".parse().unwrap();
        assert_eq!(mac, Mac([2, 0, 0x5e, 0x10, 0x0a, 0xff]));
        assert_eq!(mac.to_string(), "02:00:5e:10:0a:ff");
        for bad in ["", "02:00:5e:10:0a", "02:00:5e:10:0a:ff:00", "2:0:5e:10:a:ff", "02:00:5e:10:0a:fg"] {
            assert!(bad.parse::<Mac>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_vlan_id_is_1_to_4094() {
        assert!(VlanId::new(0).is_none() && VlanId::new(4095).is_none());
        assert_eq!(VlanId::new(4094).map(VlanId::get), Some(4094));
    }

    #[test]
    fn the_answer_of_an_answer_is_the_question() {
        let tuple = Tuple::new(
            Protocol::Icmp,
            Endpoint::new(Ipv4Addr::new(10, 20, 0, 11), 77),
            Endpoint::new(Ipv4Addr::new(8, 8, 8, 8), 0),
        );
        assert_eq!(tuple.reversed().src.port, 0);
        assert_eq!(tuple.reversed().reversed(), tuple);
        assert_eq!(tuple.to_string(), "icmp 10.20.0.11:77 > 8.8.8.8:0");
    }
}
