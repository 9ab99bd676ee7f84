//! What is known of single addresses.
//!
//! Owns [`AddressMap`]: open addressing with linear probing, three cells of four empty at least, and of a small map nearly
//! all, so that a question takes one look, whatever the answer: a stranger's address that meets an occupied cell costs a
//! mispredicted branch. Built whole; never changed. What is in it is the operator's, or answers on
//! a link of ours: a stranger can ask for the longest cluster, but not make one.

use std::net::Ipv4Addr;

/// Cells per entry, of a map of up to [`FEW`] entries: 2,048 cells at most, 16 or 24 kB.
const ROOM_OF_FEW: usize = 32;
/// See [`ROOM_OF_FEW`].
const FEW: usize = 64;
/// Cells per entry, of a larger map.
const ROOM: usize = 4;

/// A map from addresses to what is known of them.
#[derive(Clone, Debug)]
pub struct AddressMap<T> {
    /// A power of two of them, one at least always empty.
    cells: Box<[Option<(u32, T)>]>,
    shift: u32,
}

impl<T: Copy> AddressMap<T> {
    /// The map of `entries`. Of two entries with the same address the later one counts.
    pub fn new(entries: impl IntoIterator<Item = (Ipv4Addr, T)>) -> AddressMap<T> {
        let entries: Vec<_> = entries.into_iter().collect();
        let room = if entries.len() <= FEW { ROOM_OF_FEW } else { ROOM };
        let bits = (room * entries.len()).max(2).next_power_of_two().trailing_zeros();
        let mut map = AddressMap { cells: vec![None; 1 << bits].into_boxed_slice(), shift: u32::BITS - bits };
        for (address, value) in entries {
            let at = map.place(address.to_bits());
            map.cells[at] = Some((address.to_bits(), value));
        }
        map
    }

    /// What is known of `address`.
    #[inline]
    pub fn get(&self, address: Ipv4Addr) -> Option<&T> {
        let address = address.to_bits();
        let mut at = self.home(address);
        loop {
            match self.cells.get(at)? {
                Some((of, value)) if *of == address => return Some(value),
                Some(_) => at = self.after(at),
                None => return None,
            }
        }
    }

    /// Where `address` is, or may be put.
    fn place(&self, address: u32) -> usize {
        let mut at = self.home(address);
        while self.cells[at].is_some_and(|(of, _)| of != address) {
            at = self.after(at);
        }
        at
    }

    /// Multiplication by the fractional part of the golden ratio, of which the upper bits are the best (Knuth, volume 3,
    /// 6.4).
    #[inline]
    fn home(&self, address: u32) -> usize {
        (address.wrapping_mul(0x9e37_79b9) >> self.shift) as usize
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
