//! From a tuple or a datagram to the 32 bits it is looked up by.
//!
//! Owns the keyed hash. The key is drawn from a random seed, so that nobody outside can choose packets that share a
//! place in a table; whoever guesses wrong gets the ordinary spread. It is not a cryptographic hash.

use crate::wire::{Address, Endpoint, Packet, Ports, Protocol, Rewrite, Tuple};
use std::net::Ipv4Addr;

/// What an address must offer to be part of a flow.
pub trait KeyAddress: Address {
    /// All bits of a pair mixed into 64, under `key`. The order of the two matters.
    fn mix(pair: Self::Pair, key: u64) -> u64;

    /// What makes a packet with one tuple into one with the other.
    fn rewrite(from: &Tuple<Self>, to: &Tuple<Self>) -> Rewrite<Self>;
}

impl KeyAddress for Ipv4Addr {
    #[inline]
    fn mix(pair: u64, key: u64) -> u64 {
        pair ^ key
    }

    fn rewrite(from: &Tuple, to: &Tuple) -> Rewrite {
        Rewrite::between(from, to)
    }
}

/// A tuple as a table keeps it: in whole words, which are compared and mixed as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key<A: KeyAddress = Ipv4Addr> {
    addresses: A::Pair,
    /// Both ports and the protocol, from the top of the lower 40 bits.
    rest: u64,
}

impl<A: KeyAddress> Key<A> {
    /// The key of a tuple.
    #[inline]
    pub fn of(tuple: &Tuple<A>) -> Key<A> {
        let ports = Ports::new(tuple.src.port, tuple.dst.port);
        Key { addresses: A::pair(tuple.src.addr, tuple.dst.addr), rest: rest(ports, tuple.protocol as u8) }
    }

    /// The key of a packet that has a tuple. Of any other it is no flow's, or that of a flow its datagram may belong to.
    #[inline(always)]
    pub fn of_packet(packet: &Packet<A>) -> Key<A> {
        Key { addresses: packet.addresses, rest: rest(packet.ports, packet.protocol) }
    }

    /// The tuple of the key.
    #[inline]
    pub fn tuple(&self) -> Tuple<A> {
        let (src, dst) = A::unpair(self.addresses);
        let ports = self.ports();
        Tuple::new(self.protocol(), Endpoint::new(src, ports.src()), Endpoint::new(dst, ports.dst()))
    }

    /// What makes a packet with this key leave as the answer to one with the other key. `deltas` are the checksum differences
    /// that this causes.
    #[inline]
    pub fn change(&self, answer: &Key<A>, deltas: (u16, u16)) -> Rewrite<A> {
        let addresses = A::difference(self.addresses, A::swapped(answer.addresses));
        Rewrite::of_bits(addresses, self.ports().difference(answer.ports().swapped()), deltas)
    }

    #[inline]
    fn ports(&self) -> Ports {
        Ports::of_bits((self.rest >> 8) as u32)
    }

    /// Its protocol.
    #[inline]
    pub fn protocol(&self) -> Protocol {
        match self.rest as u8 {
            6 => Protocol::Tcp,
            17 => Protocol::Udp,
            _ => Protocol::Icmp,
        }
    }
}

#[inline(always)]
fn rest(ports: Ports, protocol: u8) -> u64 {
    u64::from(ports.bits()) << 8 | u64::from(protocol)
}

/// What a tuple is looked up by in one table: 32 bits that say nothing to anybody who does not know the table's secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag(pub(super) u32);

/// What the pieces of one datagram have in common (RFC 791 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<A = Ipv4Addr> {
    /// Its source.
    pub src: A,
    /// Its destination.
    pub dst: A,
    /// Its IP protocol.
    pub protocol: u8,
    /// Its identification.
    pub id: u16,
}

/// The secret of one table.
#[derive(Clone, Copy)]
pub(super) struct HashKey {
    addresses: u64,
    ports: u64,
    finish: u64,
}

impl HashKey {
    /// The key that `seed` gives; the same for the same seed.
    pub fn new(seed: u64) -> HashKey {
        HashKey { addresses: spread(seed, 1), ports: spread(seed, 2), finish: spread(seed, 3) }
    }

    /// The tag of a tuple's key.
    #[inline]
    pub fn tag<A: KeyAddress>(&self, key: &Key<A>) -> Tag {
        Tag(self.finish(A::mix(key.addresses, self.addresses), key.rest))
    }

    /// The tag of a tuple, as a number.
    #[inline]
    pub fn tuple<A: KeyAddress>(&self, tuple: &Tuple<A>) -> u32 {
        self.tag(&Key::of(tuple)).0
    }

    /// The tag of a datagram that comes in pieces, as a number.
    #[inline]
    pub fn datagram<A: KeyAddress>(&self, datagram: &Datagram<A>) -> u32 {
        let rest = u64::from(datagram.id) << 8 | u64::from(datagram.protocol);
        self.finish(A::mix(A::pair(datagram.src, datagram.dst), self.addresses), rest)
    }

    #[inline]
    fn finish(&self, addresses: u64, ports: u64) -> u32 {
        let mixed = fold_multiply(fold_multiply(addresses, ports ^ self.ports) ^ self.finish, MULTIPLIER);
        (mixed >> 32) as u32 ^ mixed as u32
    }
}

/// The fractional part of the golden ratio: odd, with its bits well mixed.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Both halves of the 128-bit product: every bit of the input reaches every bit of the output.
#[inline]
fn fold_multiply(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// The `nth` number that `seed` gives (SplitMix64: Steele, Lea, Flood 2014).
pub(super) fn spread(seed: u64, nth: u64) -> u64 {
    let mut z = seed.wrapping_add(MULTIPLIER.wrapping_mul(nth));
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(src: u32, src_port: u16, protocol: Protocol) -> Tuple {
        let dst = Endpoint::new(Ipv4Addr::new(10, 20, 0, 100), 5060);
        Tuple::new(protocol, Endpoint::new(Ipv4Addr::from_bits(src), src_port), dst)
    }

    #[test]
    fn every_part_of_a_tuple_counts() {
        let key = HashKey::new(7);
        let one = tuple(0x0a00_0001, 5060, Protocol::Udp);
        let others = [
            tuple(0x0a00_0002, 5060, Protocol::Udp),
            tuple(0x0a00_0001, 5061, Protocol::Udp),
            tuple(0x0a00_0001, 5060, Protocol::Tcp),
            one.reversed(),
        ];
        for other in others {
            assert_ne!(key.tuple(&one), key.tuple(&other), "{other}");
        }
        assert_eq!(key.tuple(&one), HashKey::new(7).tuple(&one));
        assert_ne!(key.tuple(&one), HashKey::new(8).tuple(&one));
    }

    #[test]
    fn a_key_is_its_tuple() {
        for protocol in [Protocol::Icmp, Protocol::Tcp, Protocol::Udp] {
            let one = tuple(0xfffe_0102, 0xfedc, protocol);
            assert_eq!(Key::of(&one).tuple(), one);
            assert_ne!(Key::of(&one), Key::of(&one.reversed()));
            assert_eq!(Key::of(&one).protocol(), protocol);
        }
    }

    #[test]
    fn neighbouring_peers_spread_evenly() {
        let key = HashKey::new(1);
        let mut buckets = [0_u32; 64];
        for host in 0..64_000 {
            let tag = key.tuple(&tuple(0xac10_0000 + host, 5060, Protocol::Udp));
            buckets[((u64::from(tag) * 64) >> 32) as usize] += 1;
        }
        // 1,000 are expected in each; the standard deviation is 31.
        assert!(buckets.iter().all(|&count| (800..1200).contains(&count)), "{buckets:?}");
    }
}
