//! In which order the ports of an address are tried.
//!
//! Owns the ranges that ports are replaced within, the ports that are never handed out, and the order of the rest. Knows
//! nobody who holds a port: see [`super::ports`].

use crate::wire::Protocol;

/// Ports that are never handed out: those of the services on the address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReservedPorts {
    /// In order, each once.
    ports: Box<[u16]>,
}

impl ReservedPorts {
    /// The set of these ports.
    pub fn new(ports: impl IntoIterator<Item = u16>) -> ReservedPorts {
        let mut ports: Vec<u16> = ports.into_iter().collect();
        ports.sort_unstable();
        ports.dedup();
        ReservedPorts { ports: ports.into() }
    }

    /// The port is one of them.
    pub fn contains(&self, port: u16) -> bool {
        self.ports.binary_search(&port).is_ok()
    }

    /// How many are in a range.
    pub fn count_in(&self, range: Range) -> usize {
        self.ports.iter().filter(|&&port| range.contains(port)).count()
    }
}

/// Ports that stand for each other: a port is replaced by one of its own range only (RFC 4787 REQ-3a).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    /// The lowest port.
    pub first: u16,
    /// The highest port.
    pub last: u16,
}

impl Range {
    /// The ranges of a protocol: the well-known ports and the others; port 0 is none. An ICMP identifier is a number as
    /// good as any other. What has no ports has port 0.
    pub const fn of(protocol: Protocol) -> &'static [Range] {
        match protocol {
            Protocol::Icmp => &[Range { first: 0, last: u16::MAX }],
            Protocol::Tcp | Protocol::Udp => &[Range { first: 1, last: 1023 }, Range { first: 1024, last: u16::MAX }],
            Protocol::Other(_) => &[Range { first: 0, last: 0 }],
        }
    }

    /// The range that hosts take their ports from, which is the one that runs out.
    pub const fn main(protocol: Protocol) -> Range {
        let ranges = Range::of(protocol);
        ranges[ranges.len() - 1]
    }

    /// The port is in it.
    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }

    /// How many ports it has.
    pub const fn size(self) -> usize {
        (self.last - self.first) as usize + 1
    }

    /// Every port of the range once: `own`, which is one of them, then those of its parity (RFC 4787 REQ-4), then the
    /// others. `draw` decides the order.
    pub(super) fn choices(self, own: u16, draw: u64) -> impl Iterator<Item = u16> {
        let same = Walk::new(self, own & 1, draw);
        let other = Walk::new(self, (own & 1) ^ 1, draw.rotate_left(32));
        std::iter::once(own).chain(same.filter(move |&port| port != own)).chain(other)
    }
}

/// Every port of one parity in a range once, from a start and by a stride that the draw decides (after RFC 6056 3.3.4).
/// Hosts use ports in blocks: with a stride of one, all who must move would pile up behind the same block.
struct Walk {
    first: u32,
    count: u32,
    stride: u32,
    at: u32,
    left: u32,
}

/// Primes that divide none of the counts of ports of a parity (512, 511, 32256, 32768), so a stride meets every port.
const STRIDES: [u32; 16] = [113, 151, 199, 257, 331, 421, 547, 701, 907, 1171, 1511, 1949, 2503, 3217, 4133, 5309];

impl Walk {
    fn new(range: Range, parity: u16, mixed: u64) -> Walk {
        let first = u32::from(range.first) + u32::from((range.first & 1) ^ parity);
        let count = (u32::from(range.last) - first) / 2 + 1;
        let stride = STRIDES[(mixed & 15) as usize] % count;
        Walk { first, count, stride, at: (mixed >> 8) as u32 % count, left: count }
    }
}

impl Iterator for Walk {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        self.left = self.left.checked_sub(1)?;
        let port = self.first + 2 * self.at;
        self.at += self.stride;
        if self.at >= self.count {
            self.at -= self.count;
        }
        Some(port as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn an_order_meets_every_port_of_its_range_once() {
        for range in [Range::of(Protocol::Tcp), Range::of(Protocol::Icmp)].concat() {
            for draw in (0..64_u64).map(|nth| nth.wrapping_mul(0x9e37_79b9_7f4a_7c15)) {
                let own = range.first + 77 + (draw & 1) as u16;
                let order: Vec<u16> = range.choices(own, draw).collect();
                assert_eq!(order[0], own);
                assert!(order[..order.len() / 2 - 1].iter().all(|port| port & 1 == own & 1));
                assert!(order.iter().all(|&port| range.contains(port)));
                assert_eq!(order.len(), range.size());
                assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), range.size());
            }
        }
    }

    #[test]
    fn reserved_ports_are_a_set() {
        let reserved = ReservedPorts::new([5061, 443, 5060, 5060]);
        assert!(reserved.contains(443) && reserved.contains(5060) && !reserved.contains(5062));
        let counts: Vec<_> = Range::of(Protocol::Udp).iter().map(|&range| reserved.count_in(range)).collect();
        assert_eq!(counts, [1, 2]);
    }
}
