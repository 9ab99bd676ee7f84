//! Longest prefix match, flattened.
//!
//! Owns [`PrefixMap`]: prefixes of any nesting turned once into sorted, disjoint ranges, so that a lookup is one binary
//! search over a dense list, whatever the nesting and however many prefixes. Built whole; never changed.

use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// A map from addresses to the value of the longest prefix that holds them.
#[derive(Clone, Debug)]
pub struct PrefixMap<T> {
    /// First address of each range, ascending; the ranges cover everything.
    starts: Vec<u32>,
    /// The value of each range, `None` where no prefix holds it.
    values: Vec<Option<T>>,
}

impl<T: Copy> PrefixMap<T> {
    /// The map of `entries`. Of two entries with the same prefix the later one counts.
    pub fn new(entries: impl IntoIterator<Item = (Ipv4Net, T)>) -> PrefixMap<T> {
        let mut entries: Vec<_> = entries.into_iter().map(|(net, value)| (net.trunc(), value)).collect();
        // Outer prefixes first, so that walking the list keeps a stack of the prefixes that hold the current address.
        entries.sort_by_key(|(net, _)| (u32::from(net.network()), net.prefix_len()));
        let mut map = PrefixMap { starts: vec![0], values: vec![None] };
        let mut open: Vec<(u32, T)> = Vec::new();
        for (net, value) in entries {
            let first = u32::from(net.network());
            map.close_before(&mut open, Some(first));
            open.push((u32::from(net.broadcast()), value));
            map.begin(first, Some(value));
        }
        map.close_before(&mut open, None);
        map
    }

    /// The value of the longest prefix that holds `address`.
    #[inline]
    pub fn find(&self, address: Ipv4Addr) -> Option<T> {
        let address = u32::from(address);
        self.values[self.starts.partition_point(|&start| start <= address) - 1]
    }

    /// No prefix holds any address.
    pub fn is_empty(&self) -> bool {
        self.values.iter().all(Option::is_none)
    }

    /// Ends the open prefixes whose last address lies before `next` (all of them for `None`).
    fn close_before(&mut self, open: &mut Vec<(u32, T)>, next: Option<u32>) {
        while let Some(&(last, _)) = open.last() {
            if next.is_some_and(|next| next <= last) {
                break;
            }
            open.pop();
            if let Some(after) = last.checked_add(1) {
                self.begin(after, open.last().map(|&(_, value)| value));
            }
        }
    }

    /// A range begins at `start`; one that began there already is replaced.
    fn begin(&mut self, start: u32, value: Option<T>) {
        if self.starts.last() == Some(&start) {
            self.starts.pop();
            self.values.pop();
        }
        self.starts.push(start);
        self.values.push(value);
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
