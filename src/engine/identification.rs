//! IP identifications of our own (RFC 6864 5.3.1).
//!
//! Owns the numbers given to datagrams that leave with another source than they came with and are, or may yet be, in
//! fragments: two members that go out with one address choose their identifications without knowing of each other, and a
//! receiver would join fragments of the one's datagram with fragments of the other's (scenario 70). Every worker has numbers of
//! its own, so that nothing is shared.

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
    /// Which destinations share a counter: whoever could tell would read the numbers of others off their own, and put fragments
    /// of their own into other datagrams (RFC 7739 3, for the reason).
    secret: u64,
}

impl Identifications {
    /// Numbers that begin where `seed` says and are `worker` modulo the number of workers.
    pub(super) fn new(share: Share, seed: u64) -> Identifications {
        let span = 0x1_0000 / u32::from(share.of.max(1));
        let begin = |at: usize| ((u64::from(mix(seed ^ at as u64)) * u64::from(span)) >> 32) as u16;
        let counters = Box::new(std::array::from_fn(begin));
        Identifications { counters, share, span, secret: u64::from(mix(seed)) << 32 | u64::from(mix(!seed)) }
    }

    /// The next number for datagrams of `protocol` from `src` to `dst`.
    #[inline(never)]
    pub(super) fn next(&mut self, src: Ipv4Addr, dst: Ipv4Addr, protocol: u8) -> u16 {
        let pair = u64::from(src.to_bits()) << 32 | u64::from(dst.to_bits());
        let at = mix((pair ^ self.secret).wrapping_add(u64::from(protocol))) as usize;
        let counter = &mut self.counters[at % COUNTERS];
        let given = *counter;
        *counter = if u32::from(given) + 1 == self.span { 0 } else { given + 1 };
        given * self.share.of + self.share.worker
    }
}

/// Spreads 64 bits over 32 (the finalizer of MurmurHash3).
#[inline]
pub(super) fn mix(mut bits: u64) -> u32 {
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    (bits ^ (bits >> 33)) as u32
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
    fn nobody_can_tell_whose_numbers_are_near_his() {
        let near = |seed| {
            let mut numbers = Identifications::new(Share { worker: 0, of: 1 }, seed);
            let victim = Ipv4Addr::new(172, 16, 9, 9);
            let shares = |host: u32, numbers: &mut Identifications| {
                let before = numbers.next(V, victim, 17);
                numbers.next(V, Ipv4Addr::from_bits(0xc633_6400 + host), 17);
                numbers.next(V, victim, 17) != before.wrapping_add(1)
            };
            (0..20_000).filter(|&host| shares(host, &mut numbers)).collect::<Vec<_>>()
        };
        let (one, other) = (near(1), near(2));
        assert!(!one.is_empty() && !other.is_empty());
        let both = one.iter().filter(|host| other.contains(host)).count();
        assert!(both * 10 < one.len(), "{both} of {} share a counter whatever the seed", one.len());
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
