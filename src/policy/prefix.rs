//! Longest prefix match in at most three looks.
//!
//! Owns [`PrefixMap`]: a tree that branches by the first half of the address and then by octets, its prefixes pushed down to
//! the leaves, so that the first look mostly finds the answer and the third always does, however many prefixes there are.
//! 256 kB for the root, of which few lines are ever touched, and a kilobyte for any other node; there are no more of those
//! than prefixes longer than 16 and 24 bits ask for. Built whole; never changed; shared by all who ask for the same.

use ipnet::Ipv4Net;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// How many entries the root has: one for every first half of an address.
const HALVES: usize = 1 << 16;
/// How many entries another node has: one for every octet.
const OCTETS: usize = 256;
/// In an entry: the rest is the number of a node, not of a value.
const NODE: u32 = 1 << 31;
/// An entry of no prefix.
const NOTHING: u32 = 0;

/// A map from addresses to the value of the longest prefix that holds them. A clone is the same one.
#[derive(Clone, Debug)]
pub struct PrefixMap<T> {
    /// One node behind the other, the root first. An entry is [`NOTHING`], the first entry of another node (with the bit
    /// [`NODE`]), or one more than the place of a value.
    entries: Arc<[u32]>,
    values: Arc<[T]>,
    /// What it is the map of.
    of: Arc<[(Ipv4Net, T)]>,
}

impl<T: Copy + PartialEq> PrefixMap<T> {
    /// The map of `entries`. Of two entries with the same prefix the later one counts.
    pub fn new(entries: impl IntoIterator<Item = (Ipv4Net, T)>) -> PrefixMap<T> {
        PrefixMap::one_of([], entries)
    }

    /// The map of `entries`: one of those that there are, if it is of the same.
    pub fn one_of<'a>(
        known: impl IntoIterator<Item = &'a PrefixMap<T>>,
        entries: impl IntoIterator<Item = (Ipv4Net, T)>,
    ) -> PrefixMap<T>
    where
        T: 'a,
    {
        let of: Vec<_> = entries.into_iter().collect();
        known.into_iter().find(|map| *map.of == *of).cloned().unwrap_or_else(|| PrefixMap::built_of(of))
    }

    fn built_of(of: Vec<(Ipv4Net, T)>) -> PrefixMap<T> {
        let mut nets: Vec<_> = of.iter().map(|&(net, value)| (net.trunc(), value)).collect();
        // Shorter prefixes first: longer ones then lie over them. The order of equals stays.
        nets.sort_by_key(|(net, _)| net.prefix_len());
        let mut tree = Tree { entries: vec![NOTHING; HALVES] };
        (1..).zip(&nets).for_each(|(entry, (net, _))| tree.lay_over(*net, entry));
        let values = nets.into_iter().map(|(_, value)| value).collect();
        PrefixMap { entries: tree.entries.into(), values, of: of.into() }
    }

    /// It is the very same map, not only of the same.
    #[cfg(test)]
    pub(super) fn is(&self, other: &PrefixMap<T>) -> bool {
        Arc::ptr_eq(&self.entries, &other.entries)
    }

    /// The value of the longest prefix that holds `address`.
    #[inline(always)]
    pub fn find(&self, address: Ipv4Addr) -> Option<T> {
        let bits = address.to_bits();
        let mut entry = *self.entries.get((bits >> 16) as usize)?;
        for octet in [bits >> 8, bits] {
            if entry & NODE == 0 {
                break;
            }
            entry = *self.entries.get((entry & !NODE) as usize + (octet & 0xff) as usize)?;
        }
        // `NOTHING` wraps round, and there is no such place.
        self.values.get(entry.wrapping_sub(1) as usize).copied()
    }

    /// No prefix holds any address.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

/// A map that is being built.
struct Tree {
    entries: Vec<u32>,
}

impl Tree {
    /// What `net` holds has the value `entry` from now on.
    fn lay_over(&mut self, net: Ipv4Net, entry: u32) {
        let (bits, length) = (net.network().to_bits(), u32::from(net.prefix_len()));
        // The node that the prefix ends in, its place there, and for how many bits the places of that node stand.
        let (node, place, depth) = match length {
            0..=16 => (0, bits >> 16, 16),
            17..=24 => (self.child(bits >> 16), bits >> 8 & 0xff, 24),
            _ => {
                let third = self.child(bits >> 16) + (bits >> 8 & 0xff);
                (self.child(third), bits & 0xff, 32)
            }
        };
        let first = (node + place) as usize;
        // No longer prefix has come yet, so there is no node below.
        self.entries[first..first + (1 << (depth - length))].fill(entry);
    }

    /// The node below an entry, by the place of its first one; made if need be, with what the entry said so far everywhere.
    fn child(&mut self, at: u32) -> u32 {
        let said = self.entries[at as usize];
        if said & NODE != 0 {
            return said & !NODE;
        }
        let child = self.entries.len() as u32;
        self.entries.resize(self.entries.len() + OCTETS, said);
        self.entries[at as usize] = NODE | child;
        child
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    #[test]
    fn the_longest_prefix_wins_and_gaps_are_gaps() {
        let map = PrefixMap::new([
            (net("10.0.0.0/8"), 8),
            (net("10.20.0.0/16"), 16),
            (net("10.20.0.11/32"), 32),
            (net("255.255.255.255/32"), 1),
        ]);
        for (address, expected) in [
            ("9.255.255.255", None),
            ("10.0.0.0", Some(8)),
            ("10.20.0.10", Some(16)),
            ("10.20.0.11", Some(32)),
            ("10.20.0.12", Some(16)),
            ("10.21.0.0", Some(8)),
            ("11.0.0.0", None),
            ("255.255.255.255", Some(1)),
        ] {
            assert_eq!(map.find(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn nothing_and_everything() {
        assert!(PrefixMap::<()>::new([]).is_empty());
        let map = PrefixMap::new([(net("0.0.0.0/0"), 7)]);
        assert_eq!(map.find(Ipv4Addr::BROADCAST), Some(7));
        assert_eq!(map.find(Ipv4Addr::UNSPECIFIED), Some(7));
    }

    #[test]
    fn one_that_there_is_does_for_the_same_and_only_for_the_same() {
        let entries = [(net("10.0.0.0/8"), 8), (net("10.20.0.0/16"), 16)];
        let known = [PrefixMap::new([]), PrefixMap::new(entries)];
        assert!(PrefixMap::one_of(&known, entries).is(&known[1]));
        assert!(PrefixMap::one_of(&known, []).is(&known[0]));
        for other in [
            vec![entries[0]],
            vec![entries[0], (net("10.20.0.0/16"), 17)],
            vec![entries[0], (net("10.21.0.0/16"), 16)],
            vec![entries[0], entries[1], entries[1]],
        ] {
            let map = PrefixMap::one_of(&known, other.clone());
            assert!(!map.is(&known[0]) && !map.is(&known[1]));
            assert_eq!(
                map.find("10.20.0.1".parse().unwrap()),
                PrefixMap::new(other).find("10.20.0.1".parse().unwrap())
            );
        }
    }

    #[test]
    fn prefixes_that_end_between_octets_fill_their_part() {
        let map = PrefixMap::new([(net("10.16.0.0/12"), 12), (net("10.20.4.0/22"), 22), (net("10.20.6.128/25"), 25)]);
        for (address, expected) in [
            ("10.15.255.255", None),
            ("10.16.0.0", Some(12)),
            ("10.31.255.255", Some(12)),
            ("10.32.0.0", None),
            ("10.20.3.255", Some(12)),
            ("10.20.4.0", Some(22)),
            ("10.20.6.127", Some(22)),
            ("10.20.6.128", Some(25)),
            ("10.20.7.255", Some(22)),
            ("10.20.8.0", Some(12)),
        ] {
            assert_eq!(map.find(address.parse().unwrap()), expected, "{address}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_walk_over_all_prefixes(
            nets in prop::collection::vec((any::<u32>(), 0u8..=32), 0..40),
            near in prop::collection::vec((0usize..40, -2i64..3), 40),
            far in prop::collection::vec(any::<u32>(), 40),
        ) {
            let nets: Vec<_> = nets
                .into_iter()
                // Few distinct networks, so that they nest.
                .map(|(bits, length)| Ipv4Net::new(Ipv4Addr::from(bits & 0xc003_0303), length).unwrap())
                .collect();
            let map = PrefixMap::new(nets.iter().enumerate().map(|(at, net)| (*net, at)));
            let edges = near.iter().filter_map(|&(at, off)| {
                nets.get(at).map(|net| (i64::from(u32::from(net.network())) + off) as u32)
            });
            for address in edges.chain(far.iter().copied()).map(Ipv4Addr::from) {
                let expected = nets
                    .iter()
                    .enumerate()
                    .filter(|(_, net)| net.contains(&address))
                    .max_by_key(|(at, net)| (net.prefix_len(), *at))
                    .map(|(at, _)| at);
                prop_assert_eq!(map.find(address), expected);
            }
        }
    }
}
