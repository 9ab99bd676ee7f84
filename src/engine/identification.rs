//! IP identifications of our own (RFC 6864 5.3.1).
//!
//! Owns the numbers given to datagrams that leave with another source than they came with and are, or may yet be, in
//! pieces: two members that go out with one address choose their identifications without knowing of each other, and a
//! receiver would join pieces of the one's datagram with pieces of the other's (trouble T-32). Every worker has numbers of
//! its own, so that nothing is shared.

use super::steer::mix;
use std::net::Ipv4Addr;

/// Counters; destinations are spread over them, so that one busy peer does not use up the numbers of the others.
const COUNTERS: usize = 1024;

/// A worker's part of a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Which worker, from 0.
    pub worker: u16,
    /// How many there are; not 0.
    pub of: u16,
}

/// One worker's numbers.
pub(super) struct Identifications {
    /// How many numbers this worker has given to the destinations of a counter, modulo `span`.
    counters: Box<[u16; COUNTERS]>,
    share: Share,
    span: u32,
}

impl Identifications {
    /// Numbers that begin where `seed` says and are `worker` modulo the number of workers.
    pub(super) fn new(share: Share, seed: u64) -> Identifications {
        let span = 0x1_0000 / u32::from(share.of.max(1));
        let begin = |at: usize| ((u64::from(mix(seed ^ at as u64)) * u64::from(span)) >> 32) as u16;
        Identifications { counters: Box::new(std::array::from_fn(begin)), share, span }
    }

    /// The next number for datagrams of `protocol` from `src` to `dst`.
    #[inline]
    pub(super) fn next(&mut self, src: Ipv4Addr, dst: Ipv4Addr, protocol: u8) -> u16 {
        let pair = u64::from(src.to_bits()) << 32 | u64::from(dst.to_bits());
        let counter = &mut self.counters[mix(pair ^ u64::from(protocol) << 24) as usize % COUNTERS];
        let given = *counter;
        *counter = if u32::from(given) + 1 == self.span { 0 } else { given + 1 };
        given * self.share.of + self.share.worker
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const V: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 100);

    #[test]
    fn no_number_comes_twice_until_all_were_given() {
        for of in [1, 2, 3, 7, 64] {
            let mut seen = BTreeSet::new();
            for worker in 0..of {
                let mut numbers = Identifications::new(Share { worker, of }, 9);
                for _ in 0..0x1_0000 / u32::from(of) {
                    assert!(seen.insert(numbers.next(V, Ipv4Addr::new(172, 16, 9, 9), 17)), "{worker} of {of}");
                }
            }
            assert!(seen.len() > 65_000);
        }
    }

    #[test]
    fn a_busy_peer_does_not_use_up_the_numbers_of_another() {
        let mut numbers = Identifications::new(Share { worker: 0, of: 1 }, 9);
        let quiet = Ipv4Addr::new(172, 16, 9, 9);
        let before = numbers.next(V, quiet, 17);
        for _ in 0..1_000 {
            numbers.next(V, Ipv4Addr::new(172, 16, 9, 10), 17);
        }
        assert_eq!(numbers.next(V, quiet, 17), before.wrapping_add(1));
    }
}
