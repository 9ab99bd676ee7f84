//! Who may send: a set of networks, small however long the list is.
//!
//! Owns [`Sources`]: ranges of addresses in order, asked by halving. Unlike [`super::prefix::PrefixMap`] it takes eight bytes for each
//! network, so thousands of virtual servers may each have their own; it is asked only where the file has one.

use ipnet::Ipv4Net;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// A set of addresses. A clone is the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// First and last of each range; apart from each other, and in order.
    ranges: Arc<[(u32, u32)]>,
}

impl Sources {
    /// The addresses of these networks.
    pub fn new<'n>(networks: impl IntoIterator<Item = &'n Ipv4Net>) -> Sources {
        let mut all: Vec<(u32, u32)> =
            networks.into_iter().map(|net| (net.network().to_bits(), net.broadcast().to_bits())).collect();
        all.sort_unstable();
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for (first, last) in all {
            match ranges.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
                _ => ranges.push((first, last)),
            }
        }
        Sources { ranges: ranges.into() }
    }

    /// The same; `None` if it is everybody.
    pub fn unless_everybody(networks: &[Ipv4Net]) -> Option<Sources> {
        if networks.iter().any(|net| net.prefix_len() == 0) {
            return None;
        }
        Some(Sources::new(networks)).filter(|sources| *sources.ranges != [(0, u32::MAX)])
    }

    /// The address is one of them.
    #[inline]
    pub fn holds(&self, address: Ipv4Addr) -> bool {
        let bits = address.to_bits();
        let after = self.ranges.partition_point(|(first, _)| *first <= bits);
        self.ranges[..after].last().is_some_and(|(_, last)| bits <= *last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nets(all: &[&str]) -> Vec<Ipv4Net> {
        all.iter().map(|net| net.parse().unwrap()).collect()
    }

    #[test]
    fn what_touches_is_one_range() {
        let sources = Sources::new(&nets(&["10.0.0.128/25", "10.0.0.0/25", "10.0.0.7/32", "10.0.2.0/24"]));
        assert_eq!(sources.ranges.len(), 2);
        for (address, holds) in [
            ("9.255.255.255", false),
            ("10.0.0.0", true),
            ("10.0.0.255", true),
            ("10.0.1.0", false),
            ("10.0.2.255", true),
            ("10.0.3.0", false),
        ] {
            assert_eq!(sources.holds(address.parse().unwrap()), holds, "{address}");
        }
    }

    #[test]
    fn everybody_is_no_set() {
        assert_eq!(Sources::unless_everybody(&nets(&["10.0.0.0/8", "0.0.0.0/0"])), None);
        assert_eq!(Sources::unless_everybody(&nets(&["0.0.0.0/1", "128.0.0.0/1"])), None);
        assert!(!Sources::new(&[]).holds(Ipv4Addr::UNSPECIFIED));
        let ends = Sources::new(&nets(&["255.255.255.255/32", "0.0.0.0/32"]));
        assert!(ends.holds(Ipv4Addr::BROADCAST) && ends.holds(Ipv4Addr::UNSPECIFIED));
    }

    proptest! {
        #[test]
        fn it_holds_what_one_of_its_networks_holds(
            of in proptest::collection::vec((0_u32..1 << 12, 20_u8..=32), 0..12),
            asked in proptest::collection::vec(0_u32..1 << 12, 32),
        ) {
            let of: Vec<Ipv4Net> =
                of.into_iter().map(|(bits, length)| Ipv4Net::new(bits.into(), length).unwrap()).collect();
            let sources = Sources::new(&of);
            for address in asked.into_iter().map(Ipv4Addr::from) {
                prop_assert_eq!(sources.holds(address), of.iter().any(|net| net.contains(&address)));
            }
        }
    }
}
