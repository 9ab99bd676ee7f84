//! What is known of single addresses and endpoints.
//!
//! Owns [`WordMap`]: open addressing with linear probing, three cells of four empty at least, and of a small map nearly
//! all, so that a question takes one look, whatever the answer: a stranger's address that meets an occupied cell costs a
//! mispredicted branch. Built whole; never changed. What is in it is the operator's, or answers on
//! a link of ours: a stranger can ask for the longest cluster, but not make one.

use crate::wire::Endpoint;
use std::collections::HashMap;
use std::net::Ipv4Addr;

/// Cells per entry, of a map of up to [`FEW`] entries: 2,048 cells at most, 16 to 32 kB.
const ROOM_OF_FEW: usize = 32;
/// See [`ROOM_OF_FEW`].
const FEW: usize = 64;
/// Cells per entry, of a larger map.
const ROOM: usize = 4;

/// What something can be looked up by: a word, in the order of memory.
pub trait Word: Copy {
    /// The word.
    type Bits: Copy + PartialEq + std::fmt::Debug;
    /// Its bits.
    fn bits(self) -> Self::Bits;
    /// The place of these bits among 2^(32 - `shift`): multiplication by the fractional part of the golden ratio, of which the
    /// upper bits are the best (Knuth, volume 3, 6.4).
    fn home(bits: Self::Bits, shift: u32) -> usize;
}

impl Word for Ipv4Addr {
    type Bits = u32;

    #[inline(always)]
    fn bits(self) -> u32 {
        u32::from_ne_bytes(self.octets())
    }

    #[inline(always)]
    fn home(bits: u32, shift: u32) -> usize {
        (bits.wrapping_mul(0x9e37_79b9) >> shift) as usize
    }
}

impl Word for Endpoint {
    type Bits = u64;

    #[inline(always)]
    fn bits(self) -> u64 {
        u64::from(self.addr.bits()) << 16 | u64::from(self.port)
    }

    #[inline(always)]
    fn home(bits: u64, shift: u32) -> usize {
        ((bits.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32 >> shift) as usize
    }
}

/// A map by anything else.
pub type FastMap<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// A map from addresses to what is known of them.
pub type AddressMap<T> = WordMap<Ipv4Addr, T>;

/// What is known of a key; `None`: empty.
type Cell<K, T> = Option<(<K as Word>::Bits, T)>;

/// A map from addresses, or endpoints, to what is known of them.
#[derive(Clone, Debug)]
pub struct WordMap<K: Word, T> {
    /// A power of two of them, one at least always empty.
    cells: Box<[Cell<K, T>]>,
    shift: u32,
}

impl<K: Word, T: Copy> WordMap<K, T> {
    /// The map of `entries`. Of two entries with the same key the later one counts.
    pub fn new(entries: impl IntoIterator<Item = (K, T)>) -> WordMap<K, T> {
        let entries: Vec<_> = entries.into_iter().collect();
        let room = if entries.len() <= FEW { ROOM_OF_FEW } else { ROOM };
        let bits = (room * entries.len()).max(2).next_power_of_two().trailing_zeros();
        let mut map = WordMap { cells: vec![None; 1 << bits].into_boxed_slice(), shift: u32::BITS - bits };
        for (key, value) in entries {
            let at = map.place(key.bits());
            map.cells[at] = Some((key.bits(), value));
        }
        map
    }

    /// What is known of `key`.
    #[inline(always)]
    pub fn get(&self, key: K) -> Option<&T> {
        let bits = key.bits();
        let mut at = K::home(bits, self.shift);
        loop {
            match self.cells.get(at)? {
                Some((of, value)) if *of == bits => return Some(value),
                Some(_) => at = self.after(at),
                None => return None,
            }
        }
    }

    /// The bits of every key in it, in no order.
    pub fn bits(&self) -> impl Iterator<Item = K::Bits> {
        self.cells.iter().filter_map(|cell| cell.map(|(bits, _)| bits))
    }

    /// Where `bits` are, or may be put.
    fn place(&self, bits: K::Bits) -> usize {
        let mut at = K::home(bits, self.shift);
        while self.cells[at].is_some_and(|(of, _)| of != bits) {
            at = self.after(at);
        }
        at
    }

    #[inline]
    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.cells.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn nothing_is_known_of_anybody() {
        let map = AddressMap::<u8>::new([]);
        assert_eq!(map.get(Ipv4Addr::UNSPECIFIED), None);
        assert_eq!(map.get(Ipv4Addr::BROADCAST), None);
    }

    #[test]
    fn a_network_of_neighbours_stays_in_short_clusters() {
        let hosts = 0x0a14_0000..0x0a14_4000_u32;
        let map = AddressMap::new(hosts.map(|host| (Ipv4Addr::from_bits(host), ())));
        let mut longest = (0, 0);
        for cell in &map.cells {
            longest = if cell.is_some() { (longest.0 + 1, longest.1.max(longest.0 + 1)) } else { (0, longest.1) };
        }
        assert!(longest.1 <= 16, "{} cells in a row", longest.1);
    }

    proptest! {
        #[test]
        fn agrees_with_a_tree(entries in prop::collection::vec((0..40_u32, any::<u8>()), 0..60), seed: u32) {
            let address = |at: u32| Ipv4Addr::from_bits(at.wrapping_mul(seed | 1));
            let map = AddressMap::new(entries.iter().map(|&(at, value)| (address(at), value)));
            let model: BTreeMap<_, _> = entries.into_iter().collect();
            for at in 0..50 {
                prop_assert_eq!(map.get(address(at)), model.get(&at));
            }
        }
    }
}
