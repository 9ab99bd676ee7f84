//! From a packet to the place of its flow: its key, the 32 bits that the key is looked up by, and the index of those.
//!
//! Owns the keyed hash, whose secret is drawn from a random seed, so that nobody outside can choose packets that share a
//! place in a table; whoever guesses wrong gets the ordinary spread. It is not a cryptographic hash. And owns the [`Index`],
//! open addressing with linear probing: cells of 64 bits, the tag above, the caller's 31-bit value and side below. It knows
//! no keys: the caller says whether a value is the one it looks for. It never grows and never leaves tombstones: a removal
//! moves the cells behind it back, so a table that lives for years looks like a fresh one.

use crate::chance;
use crate::wire::{Address, Endpoint, Packet, Ports, Protocol, Rewrite, Tuple};
use prefetch_index::prefetch_index;
use std::net::Ipv4Addr;

/// Whose packets are meant: those of the direction that opened the flow, or those that answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Direction {
    /// The direction of the packet that opened the flow.
    Original = 0,
    /// The direction of its answers.
    Reply = 1,
}

impl Direction {
    /// Both, in the order of [`Direction::index`].
    pub const BOTH: [Direction; 2] = [Direction::Original, Direction::Reply];

    /// 0 for the opener, 1 for the answerer.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The opposite side.
    pub const fn other(self) -> Direction {
        match self {
            Direction::Original => Direction::Reply,
            Direction::Reply => Direction::Original,
        }
    }
}

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

impl<A: KeyAddress> Default for Key<A> {
    /// The key of no packet.
    fn default() -> Key<A> {
        Key { addresses: A::Pair::default(), rest: 0 }
    }
}

impl<A: KeyAddress> Key<A> {
    /// The key of a tuple.
    #[inline]
    pub fn of(tuple: &Tuple<A>) -> Key<A> {
        let ports = Ports::new(tuple.src.port, tuple.dst.port);
        Key { addresses: A::pair(tuple.src.addr, tuple.dst.addr), rest: rest(ports, tuple.protocol.number()) }
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
    pub(super) fn ports(&self) -> Ports {
        Ports::of_bits((self.rest >> 8) as u32)
    }

    /// Its protocol.
    #[inline]
    pub fn protocol(&self) -> Protocol {
        Protocol::of(self.rest as u8)
    }
}

#[inline(always)]
fn rest(ports: Ports, protocol: u8) -> u64 {
    u64::from(ports.bits()) << 8 | u64::from(protocol)
}

/// What a tuple is looked up by in one table: 32 bits that say nothing to anybody who does not know the table's secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag(pub(super) u32);

/// What the fragments of one datagram have in common (RFC 791 3.2).
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
        HashKey { addresses: chance::number(seed, 1), ports: chance::number(seed, 2), finish: chance::number(seed, 3) }
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

    /// The tag of a datagram that comes in fragments, as a number.
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

/// Cells per expected entry, as a fraction: three cells for two entries keep probes short.
const CELLS: usize = 3;
const ENTRIES: usize = 2;

const EMPTY: u64 = u64::MAX;

/// The cells. A value may be any number below `u32::MAX`.
pub(super) struct Index {
    cells: Box<[u64]>,
}

impl Index {
    /// Room for `entries`; inserting more is the caller's mistake.
    pub fn new(entries: usize) -> Index {
        Index { cells: vec![EMPTY; (entries.div_ceil(ENTRIES) * CELLS).max(CELLS)].into_boxed_slice() }
    }

    /// The value with this tag of which `is_it` says yes.
    #[inline]
    pub fn find(&self, tag: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut at = self.home(tag);
        loop {
            let cell = self.cells[at];
            if cell == EMPTY {
                return None;
            }
            if tag_of(cell) == tag && is_it(value_of(cell)) {
                return Some(value_of(cell));
            }
            at = self.after(at);
        }
    }

    /// Brings the cell near where the search for `tag` begins.
    #[inline]
    pub fn prefetch(&self, tag: u32) {
        prefetch_index(&self.cells, self.home(tag));
    }

    /// The first value with this tag, whether or not it is the one that is looked for.
    #[inline]
    pub fn candidate(&self, tag: u32) -> Option<u32> {
        self.find(tag, |_| true)
    }

    /// Adds a value. At least one cell must be empty afterwards.
    pub fn insert(&mut self, tag: u32, value: u32) {
        let mut at = self.home(tag);
        while self.cells[at] != EMPTY {
            at = self.after(at);
        }
        self.cells[at] = u64::from(tag) << 32 | u64::from(value);
    }

    /// Takes a value out, if it is there.
    pub fn remove(&mut self, tag: u32, value: u32) {
        let sought = u64::from(tag) << 32 | u64::from(value);
        let mut at = self.home(tag);
        while self.cells[at] != sought {
            if self.cells[at] == EMPTY {
                return;
            }
            at = self.after(at);
        }
        self.close(at);
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.cells)
    }

    /// Empties a cell and moves back whatever could then no longer be reached (Knuth, volume 3, 6.4 algorithm R).
    fn close(&mut self, mut hole: usize) {
        let mut at = hole;
        loop {
            at = self.after(at);
            let cell = self.cells[at];
            if cell == EMPTY {
                break;
            }
            if self.distance(self.home(tag_of(cell)), at) >= self.distance(hole, at) {
                self.cells[hole] = cell;
                hole = at;
            }
        }
        self.cells[hole] = EMPTY;
    }

    #[inline]
    fn home(&self, tag: u32) -> usize {
        ((u64::from(tag) * self.cells.len() as u64) >> 32) as usize
    }

    #[inline]
    fn after(&self, at: usize) -> usize {
        if at + 1 == self.cells.len() { 0 } else { at + 1 }
    }

    fn distance(&self, from: usize, to: usize) -> usize {
        if to >= from { to - from } else { to + self.cells.len() - from }
    }
}

#[inline]
fn tag_of(cell: u64) -> u32 {
    (cell >> 32) as u32
}

#[inline]
fn value_of(cell: u64) -> u32 {
    cell as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

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

    #[test]
    fn entries_that_all_want_the_same_cell_are_found_and_removed() {
        let mut index = Index::new(10);
        for value in 0..10 {
            index.insert(u32::MAX, value);
        }
        for gone in [0, 9, 5, 4] {
            index.remove(u32::MAX, gone);
            assert_eq!(index.find(u32::MAX, |value| value == gone), None);
        }
        for left in [1, 2, 3, 6, 7, 8] {
            assert_eq!(index.find(u32::MAX, |value| value == left), Some(left));
        }
    }

    proptest! {
        /// Tags from a tiny range force every kind of cluster, including one that wraps round the end.
        #[test]
        fn agrees_with_a_set(steps in prop::collection::vec((any::<bool>(), 0..6_u32, 0..12_u32), 0..200)) {
            let mut index = Index::new(72);
            let mut model = BTreeSet::new();
            for (adds, tag, value) in steps {
                let tag = tag.wrapping_mul(0x3333_3333);
                if adds && model.insert((tag, value)) {
                    index.insert(tag, value);
                } else if !adds {
                    model.remove(&(tag, value));
                    index.remove(tag, value);
                }
                for tag in (0..6_u32).map(|tag| tag.wrapping_mul(0x3333_3333)) {
                    for value in 0..12 {
                        let found = index.find(tag, |it| it == value).is_some();
                        prop_assert_eq!(found, model.contains(&(tag, value)));
                    }
                }
            }
        }
    }
}
