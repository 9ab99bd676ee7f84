//! The choice among several next hops of a route.
//!
//! Owns [`Conversation`], by which packets that belong together take the same next hop, and [`Paths`], the next hops of one route by weight.

use super::adjacency::EgressId;
use crate::wire::{Endpoint, Packet, Protocol, Rewrite, Tuple};
use std::net::Ipv4Addr;

/// What is the same of all packets of a conversation, in both directions: its two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversation(u32);

impl Conversation {
    /// Between these endpoints, as packets leave.
    #[inline]
    pub fn between(one: Endpoint, other: Endpoint) -> Conversation {
        let word = |end: Endpoint| u64::from(end.addr.to_bits()) << 16 | u64::from(end.port);
        // A sum is the same whichever comes first; each end is mixed before, or ends that swap a bit would be one.
        let sum = mix(word(one)).wrapping_add(mix(word(other)));
        Conversation((mix(sum) >> 32) as u32)
    }

    /// Between these hosts: of packets that leave as they came, of whose fragments only the first has ports.
    #[inline]
    pub fn of_hosts(one: Ipv4Addr, other: Ipv4Addr) -> Conversation {
        Conversation::between(Endpoint::new(one, 0), Endpoint::new(other, 0))
    }

    /// Of a packet that has come with the tuple `came` and leaves with this one.
    #[inline]
    pub fn of(tuple: &Tuple, came: &Tuple) -> Conversation {
        match tuple == came {
            true => Conversation::of_hosts(tuple.src.addr, tuple.dst.addr),
            false => Conversation::between(tuple.src, tuple.dst),
        }
    }

    /// Of a packet that leaves changed so.
    #[inline]
    pub fn of_packet(packet: &Packet, rewrite: &Rewrite) -> Conversation {
        let ends = [(packet.src(), packet.src_port()), (packet.dst(), packet.dst_port())];
        let [src, dst] = ends.map(|(address, port)| Endpoint::new(address, port));
        // Which protocol it is does not matter here.
        let came = Tuple::new(Protocol::Udp, src, dst);
        Conversation::of(&rewrite.changed(&came), &came)
    }

    /// Of what we say ourselves to whom has sent the packet.
    #[inline]
    pub fn of_answer(packet: &Packet) -> Conversation {
        let end = |address, port| Endpoint::new(address, port);
        Conversation::between(end(packet.src(), packet.src_port()), end(packet.dst(), packet.dst_port()))
    }

    /// Another number of it, as independent of the first as may be.
    fn again(self) -> u32 {
        (mix(u64::from(self.0) ^ 0x9e37_79b9_7f4a_7c15) >> 32) as u32
    }
}

/// The finalizer of MurmurHash3 (Appleby), which spreads each bit over all.
#[inline]
const fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let word = (word ^ (word >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    word ^ (word >> 33)
}

/// The next hops of a route, and which of them are open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Paths {
    /// Each router, as its place in the list of those, with the upper end of its share (hash-threshold, RFC 2992).
    all: Box<[(u16, u32)]>,
    /// The ways through those that are open, likewise.
    open: Box<[(EgressId, u32)]>,
    /// By place in `all`.
    ways: Box<[Option<EgressId>]>,
}

impl Paths {
    /// Through these routers, each with its weight; `way` is the way through one, if it is open.
    pub(super) fn new(hops: &[(u16, u16)], way: impl Fn(u16) -> Option<EgressId>) -> Paths {
        let ways: Box<[_]> = hops.iter().map(|(router, _)| way(*router)).collect();
        let open = hops.iter().zip(&ways).filter_map(|((_, weight), way)| Some(((*way)?, *weight)));
        Paths { all: thresholds(hops.iter().copied()), open: thresholds(open), ways }
    }

    /// The way that a conversation takes. One whose own next hop is closed is given to another, so that those of the others stay.
    pub(super) fn way(&self, conversation: Conversation) -> Option<EgressId> {
        let own = place(&self.all, conversation.0).and_then(|at| self.ways[at]);
        own.or_else(|| Some(self.open[place(&self.open, conversation.again())?].0))
    }

    /// The router that a conversation takes, as a place in the list of routers; where none is open, the one that it would.
    pub(super) fn router(&self, conversation: Conversation) -> Option<u16> {
        let taken = self.way(conversation);
        let of_way = self.ways.iter().position(|way| way.is_some() && *way == taken);
        let at = of_way.or_else(|| place(&self.all, conversation.0))?;
        Some(self.all[at].0)
    }
}

/// Each with the upper end of its share of all numbers.
fn thresholds<T>(weighed: impl Iterator<Item = (T, u16)> + Clone) -> Box<[(T, u32)]> {
    let total: u64 = weighed.clone().map(|(_, weight)| u64::from(weight)).sum();
    let share = |sum: &mut u64, (it, weight): (T, u16)| {
        *sum += u64::from(weight);
        // The last one ends at the largest number.
        Some((it, ((*sum << 32) / total - 1) as u32))
    };
    weighed.scan(0, share).collect()
}

fn place<T>(shares: &[(T, u32)], number: u32) -> Option<usize> {
    shares.iter().position(|(_, end)| number <= *end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversations() -> impl Iterator<Item = Conversation> {
        let ends = |at: u32| {
            let client = Endpoint::new(Ipv4Addr::from(0xc633_6401 + at % 50), (20_000 + at) as u16);
            (client, Endpoint::new(Ipv4Addr::new(192, 0, 2, 10), 5_060))
        };
        (0..20_000).map(move |at| Conversation::between(ends(at).0, ends(at).1))
    }

    fn open(closed: &[u16]) -> impl Fn(u16) -> Option<EgressId> {
        move |router| (!closed.contains(&router)).then_some(EgressId(u32::from(router) + 100))
    }

    #[test]
    fn both_directions_are_one_conversation_and_others_are_others() {
        let end = |last, port| Endpoint::new(Ipv4Addr::new(192, 0, 2, last), port);
        let (one, other) = (end(10, 5_060), end(9, 5_062));
        assert_eq!(Conversation::between(one, other), Conversation::between(other, one));
        assert_ne!(Conversation::between(one, other), Conversation::between(end(10, 5_062), end(9, 5_060)));
    }

    #[test]
    fn next_hops_get_their_weight_of_conversations() {
        let paths = Paths::new(&[(0, 1), (1, 3), (2, 4)], open(&[]));
        let mut counts = [0_u32; 3];
        for one in conversations() {
            let way = paths.way(one).unwrap();
            assert_eq!(paths.router(one).map(u32::from), Some(way.0 - 100));
            counts[way.0 as usize - 100] += 1;
        }
        for (count, expected) in counts.into_iter().zip([2_500_u32, 7_500, 10_000]) {
            assert!(count.abs_diff(expected) < expected / 10, "{counts:?}");
        }
    }

    #[test]
    fn where_one_is_closed_only_its_conversations_move_and_to_the_others_by_weight() {
        let hops = [(0, 1), (1, 1), (2, 2)];
        let (all, less) = (Paths::new(&hops, open(&[])), Paths::new(&hops, open(&[1])));
        let mut moved = [0_u32; 3];
        for one in conversations() {
            let (before, after) = (all.way(one).unwrap(), less.way(one).unwrap());
            if before == EgressId(101) {
                moved[after.0 as usize - 100] += 1;
            } else {
                assert_eq!(before, after);
            }
        }
        assert!(
            moved[1] == 0 && moved[0].abs_diff(5_000 / 3) < 200 && moved[2].abs_diff(10_000 / 3) < 300,
            "{moved:?}"
        );
    }

    #[test]
    fn where_none_is_open_there_is_no_way_but_one_to_ask_for() {
        let paths = Paths::new(&[(4, 1), (7, 1)], |_| None);
        let asked: Vec<_> = conversations().map(|one| (paths.way(one), paths.router(one).unwrap())).collect();
        assert!(asked.iter().all(|(way, router)| way.is_none() && [4, 7].contains(router)));
        assert!(asked.iter().any(|(_, router)| *router == 4) && asked.iter().any(|(_, router)| *router == 7));
    }

    #[test]
    fn the_largest_number_belongs_to_the_last() {
        for weights in [vec![1_u16], vec![1, 1, 1], vec![256; 16], vec![1, u16::MAX]] {
            let shares = thresholds(weights.iter().map(|weight| ((), *weight)));
            assert_eq!(shares.last().map(|(_, end)| *end), Some(u32::MAX));
            assert_eq!(place(&shares, 0), Some(0));
        }
    }
}
