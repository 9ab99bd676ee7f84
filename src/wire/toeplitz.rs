//! The hash by which NICs spread packets over their queues (receive-side scaling), and keys for it.
//!
//! Owns [`hash`], as Microsoft published it and every NIC reckons it; and [`RssKeys`] drawn at the start: a key
//! for each port and, for software, the [`Indirection`] of endpoints. What makes this worth the trouble: a NIC
//! hashes both ends of a packet, and we want one only, the one that lies outside. The hash is linear, and a queue is
//! chosen by its lowest bits alone; so a key whose bits are zero where the other end meets those lowest bits makes any
//! NIC that takes a key spread by the source only, or by the destination only, and by the same function of either. No
//! driver has to know a special mode for it, and where source and destination sit in what is hashed is the same on all.
//!
//! Read as bits, numbered from the left, the 12 bytes that are hashed are source address 0, destination address 32,
//! source port 64, destination port 80. Bit `i` of them adds bits `i..i + 32` of the key to the hash, so its lowest six
//! bits take in key bits `i + 26..=i + 31`.

use super::Endpoint;

/// How many of the hash's lowest bits choose a queue. The smallest table of queues a driver has, where it has one, is 64
/// long (Intel's virtual functions); longer ones repeat it.
const BITS: u32 = 6;

/// How many parts the endpoints outside are divided into. Each belongs to one worker.
pub const PLACES: usize = 1 << BITS;

/// The longest key a driver takes, in bytes, rounded up. Drivers take as much of it as they want: IPv4 needs 16.
pub const KEY: usize = 64;

/// Key bits that source addresses alone bring into the lowest six bits of the hash, and that are zero for a
/// destination address 32 bits further on.
const ADDRESS: std::ops::RangeInclusive<u32> = 31..=57;
/// The same of source ports; 16 bits further on it is destination ports.
const PORT: std::ops::RangeInclusive<u32> = 95..=105;

/// Which end of a packet says at which queue it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashOn {
    /// The one it comes from.
    Source,
    /// The one it goes to.
    Destination,
    /// Both, and either way round it is the same queue.
    Both,
}

/// The hash of `input` under `key`; what lies beyond the key counts as zero.
pub fn hash(key: &[u8], input: &[u8]) -> u32 {
    let bit = |bytes: &[u8], at: usize| bytes.get(at / 8).is_some_and(|byte| byte << (at % 8) & 0x80 != 0);
    let window = |at: usize| (0..32).fold(0, |window, more| window << 1 | u32::from(bit(key, at + more)));
    (0..8 * input.len()).filter(|&at| bit(input, at)).fold(0, |hash, at| hash ^ window(at))
}

/// What nobody outside may know: who does can aim all he sends at one worker.
#[derive(Clone)]
pub struct RssKeys {
    /// The first 16 bytes of a key that spreads by source, the first bit highest.
    source: u128,
    /// What follows, for protocols with longer addresses.
    rest: [u8; KEY - 16],
}

impl RssKeys {
    /// Draws one from random numbers.
    pub fn draw(mut random: impl FnMut() -> u64) -> RssKeys {
        let drawn = u128::from(random()) << 64 | u128::from(random());
        // The ends of both ranges are set: then every bit of an endpoint counts, and neighbours, 64 at a time, lie evenly.
        let ends = [ADDRESS, PORT].iter().fold(0, |ends, bits| ends | one(*bits.start()) | one(*bits.end()));
        let mut rest = [0; KEY - 16];
        rest.chunks_mut(8).for_each(|bytes| bytes.copy_from_slice(&random().to_be_bytes()));
        RssKeys { source: drawn & (mask(ADDRESS) | mask(PORT)) | ends, rest }
    }

    /// The key by which a NIC spreads so.
    pub fn of(&self, on: HashOn) -> [u8; KEY] {
        let destination = (self.source & mask(ADDRESS)) >> 32 | (self.source & mask(PORT)) >> 16;
        let first = match on {
            HashOn::Source => self.source,
            HashOn::Destination => destination,
            HashOn::Both => self.source | destination,
        };
        let mut key = [0; KEY];
        key[..16].copy_from_slice(&first.to_be_bytes());
        key[16..].copy_from_slice(&self.rest);
        key
    }

    /// Where endpoints are.
    pub fn indirection(&self) -> Indirection {
        let key = self.of(HashOn::Source);
        // Where the bytes of a source are in what is hashed.
        let tables = [0, 1, 2, 3, 8, 9].map(|at| {
            std::array::from_fn(|byte| {
                let mut input = [0; 12];
                input[at] = byte as u8;
                hash(&key, &input) as u8 & (PLACES - 1) as u8
            })
        });
        Indirection { tables }
    }
}

/// Bit `at` of a key.
const fn one(at: u32) -> u128 {
    1 << (127 - at)
}

fn mask(bits: std::ops::RangeInclusive<u32>) -> u128 {
    bits.fold(0, |mask, at| mask | one(at))
}

/// The place of endpoints in the indirection table: what a NIC with these keys finds, in software.
#[derive(Clone, Debug)]
pub struct Indirection {
    /// What each byte of an endpoint adds, by its place in it.
    tables: [[u8; 256]; 6],
}

impl Indirection {
    /// Below [`PLACES`]: the lowest bits of the NIC's hash.
    #[inline]
    pub fn of(&self, endpoint: Endpoint) -> usize {
        let ([a, b, c, d], [e, f]) = (endpoint.addr.octets(), endpoint.port.to_be_bytes());
        let add = |at: usize, byte: u8| self.tables[at][usize::from(byte)];
        usize::from(add(0, a) ^ add(1, b) ^ add(2, c) ^ add(3, d) ^ add(4, e) ^ add(5, f))
    }
}

/// A place as a number of 32 bits whose highest say the worker. The product carries every bit of the place upward: with
/// two workers none of them is lost.
#[inline]
pub const fn spread_out(place: usize) -> u32 {
    ((place as u32) << (32 - BITS)).wrapping_mul(39)
}

/// Which of `workers` a number of 32 bits names, by its high end and without a division.
#[inline]
pub const fn worker(number: u32, workers: usize) -> usize {
    ((number as u64 * workers as u64) >> 32) as usize
}

/// The worker of each place: what a NIC's table of queues has to say.
pub fn owners(workers: usize) -> Vec<u16> {
    (0..PLACES).map(|place| worker(spread_out(place), workers) as u16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::build::ToEndpoint;
    use std::net::Ipv4Addr;

    /// What a NIC hashes of a packet with ports.
    fn input(src: Endpoint, dst: Endpoint) -> [u8; 12] {
        let mut input = [0; 12];
        input[..4].copy_from_slice(&src.addr.octets());
        input[4..8].copy_from_slice(&dst.addr.octets());
        input[8..10].copy_from_slice(&src.port.to_be_bytes());
        input[10..].copy_from_slice(&dst.port.to_be_bytes());
        input
    }

    fn keys(seed: u64) -> RssKeys {
        RssKeys::draw(dice(seed))
    }

    fn dice(mut state: u64) -> impl FnMut() -> u64 {
        move || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            let mixed = (state ^ state >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
            mixed ^ mixed >> 32
        }
    }

    fn any(random: &mut impl FnMut() -> u64) -> Endpoint {
        let bits = random();
        Endpoint::new(Ipv4Addr::from(bits as u32), (bits >> 40) as u16)
    }

    /// The queue a NIC chooses: its table may be longer than there are places.
    fn queue(key: &[u8], input: &[u8], workers: usize, table: usize) -> u16 {
        let owners: Vec<u16> = (0..table).map(|at| owners(workers)[at % PLACES]).collect();
        owners[hash(key, input) as usize % table]
    }

    /// "Verifying the RSS hash calculation", Microsoft: source, destination, hash of the addresses, hash with ports.
    const PUBLISHED: [(&str, &str, u32, u32); 5] = [
        ("66.9.149.187:2794", "161.142.100.80:1766", 0x323e_8fc2, 0x51cc_c178),
        ("199.92.111.2:14230", "65.69.140.83:4739", 0xd718_262a, 0xc626_b0ea),
        ("24.19.198.95:12898", "12.22.207.184:38024", 0xd2d0_a5de, 0x5c2b_394a),
        ("38.27.205.30:48228", "209.142.163.6:2217", 0x8298_9176, 0xafc7_327f),
        ("153.39.163.191:44251", "202.188.127.2:1303", 0x5d18_09c5, 0x10e8_28a2),
    ];

    const PUBLISHED_KEY: [u8; 40] = [
        0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca,
        0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b,
        0xbe, 0xac, 0x01, 0xfa,
    ];

    #[test]
    fn the_hash_is_the_published_one() {
        for (src, dst, addresses, ports) in PUBLISHED {
            let input = input(src.endpoint(), dst.endpoint());
            assert_eq!(hash(&PUBLISHED_KEY, &input[..8]), addresses, "{src} {dst}");
            assert_eq!(hash(&PUBLISHED_KEY, &input), ports, "{src} {dst}");
        }
    }

    #[test]
    fn both_directions_of_whoever_is_outside_arrive_at_his_worker() {
        let mut random = dice(1);
        for (seed, workers, table) in [(1, 2, 64), (2, 3, 128), (3, 4, 512), (4, 7, 64), (5, 16, 2048)] {
            let keys = keys(seed);
            let (from, to) = (keys.of(HashOn::Source), keys.of(HashOn::Destination));
            let indirection = keys.indirection();
            for _ in 0..500 {
                let (outside, vip, member) = (any(&mut random), any(&mut random), any(&mut random));
                let owner = worker(spread_out(indirection.of(outside)), workers);
                let arrives = queue(&from, &input(outside, vip), workers, table);
                let returns = queue(&to, &input(member, outside), workers, table);
                assert_eq!((usize::from(arrives), usize::from(returns)), (owner, owner), "{outside}");
            }
        }
    }

    #[test]
    fn pieces_arrive_by_the_address_outside_alone() {
        let (keys, mut random) = (keys(9), dice(2));
        for _ in 0..200 {
            let (outside, other) = (any(&mut random), any(&mut random));
            let without_port = Endpoint::new(outside.addr, 0);
            let arrives = hash(&keys.of(HashOn::Source), &input(outside, other)[..8]) as usize % PLACES;
            let returns = hash(&keys.of(HashOn::Destination), &input(other, outside)[..8]) as usize % PLACES;
            assert_eq!((arrives, returns), (keys.indirection().of(without_port), keys.indirection().of(without_port)));
        }
    }

    #[test]
    fn a_key_for_both_ends_is_the_same_either_way_round() {
        let (keys, mut random) = (keys(3), dice(3));
        let key = keys.of(HashOn::Both);
        for _ in 0..200 {
            let (a, b) = (any(&mut random), any(&mut random));
            let place = |a, b| hash(&key, &input(a, b)) as usize % PLACES;
            assert_eq!(place(a, b), place(b, a));
            assert_eq!(place(a, b), keys.indirection().of(a) ^ keys.indirection().of(b));
        }
    }

    #[test]
    fn neighbours_in_address_or_port_are_spread_evenly() {
        for seed in 0..50 {
            let indirection = keys(seed).indirection();
            let by_address = |low: u32| Endpoint::new(Ipv4Addr::from(0xac10_0500 + low), 5060);
            let by_port = |low: u32| Endpoint::new(Ipv4Addr::new(172, 16, 5, 9), 0x4e00 + low as u16);
            let strided = |low: u32| Endpoint::new(Ipv4Addr::from(0xac10_0001 + (low << 8)), 5060);
            for workers in [2, 3, 4, 8] {
                for (what, of) in [("addresses", &by_address as &dyn Fn(u32) -> Endpoint), ("ports", &by_port)] {
                    let mut met = vec![0usize; workers];
                    (0..64).for_each(|low| met[worker(spread_out(indirection.of(of(low))), workers)] += 1);
                    assert!(met.iter().all(|n| n.abs_diff(64 / workers) <= 1), "seed {seed}: {what}: {met:?}");
                }
                let met: std::collections::BTreeSet<_> =
                    (0..256).map(|low| worker(spread_out(indirection.of(strided(low))), workers)).collect();
                // The eight bits that differ meet thirteen drawn bits of the key: now and then they fill half the places.
                assert!(4 * met.len() >= 3 * workers, "seed {seed}: one host of each network: {met:?} of {workers}");
            }
        }
    }

    #[test]
    fn every_worker_owns_its_part() {
        for workers in 1..=16 {
            let owners = owners(workers);
            let of = |worker: usize| owners.iter().filter(|owner| usize::from(**owner) == worker).count();
            assert!((0..workers).all(|worker| of(worker).abs_diff(PLACES / workers) <= 1), "{workers}: {owners:?}");
        }
    }

    #[test]
    fn two_starts_have_two_sets_of_keys() {
        let (one, other) = (keys(1), keys(2));
        assert_ne!(one.of(HashOn::Source)[..16], other.of(HashOn::Source)[..16]);
        assert_ne!(one.of(HashOn::Source)[16..40], other.of(HashOn::Source)[16..40]);
    }
}
