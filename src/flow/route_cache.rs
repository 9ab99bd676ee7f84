//! How packets leave that have no flow and leave unchanged.
//!
//! Owns [`RouteCache`]: the route that the slow path found for a packet whatever came before it, kept under the packet's whole key
//! as a flow keeps it, and good as long as the caller's snapshot is the same. A line is lost when another packet takes its place:
//! the slow path is asked again, and nothing else happens. A byte of each line's tag lies apart, where it stays in the nearer caches: most
//! packets that have no route here, such as those that begin a flow, touch no line.

use super::key::{Key, KeyAddress, Tag};
use super::table::CachedRoute;
use std::net::Ipv4Addr;

/// Lines, a power of two: 1 MB of memory, and 32 kB of marks.
const LINES: usize = 1 << 15;
/// A line that is good is given to another packet one time in so many: of many more packets than lines most would only
/// overwrite each other, and of two that share a line one keeps it.
const PERSISTENCE: u32 = 8;

/// Of a packet whose route is not kept.
const NOTHING: (CachedRoute, u16) = (CachedRoute::NONE, 0);

/// The routes of packets without a flow that one worker has seen.
pub struct RouteCache<A: KeyAddress = Ipv4Addr> {
    kept: Option<Kept<A>>,
    refused: u32,
}

struct Kept<A: KeyAddress> {
    /// See [`mark`], by line.
    marks: Box<[u8; LINES]>,
    lines: Box<[Line<A>; LINES]>,
}

/// Two of them in a cache line.
#[derive(Clone, Copy)]
#[repr(align(32))]
struct Line<A: KeyAddress> {
    key: Key<A>,
    route: CachedRoute,
    /// What the caller counts such packets under.
    counted: u16,
}

impl<A: KeyAddress> RouteCache<A> {
    /// An empty one. All its memory is taken and touched here.
    pub fn new() -> RouteCache<A> {
        let lines = vec![Line { key: Key::default(), route: CachedRoute::NONE, counted: 0 }; LINES].into_boxed_slice();
        // 1, as 0 would not touch the memory.
        let marks = vec![1; LINES].into_boxed_slice();
        let kept = marks.try_into().ok().zip(lines.try_into().ok()).map(|(marks, lines)| Kept { marks, lines });
        RouteCache { kept, refused: 0 }
    }

    /// One that keeps nothing.
    pub fn none() -> RouteCache<A> {
        RouteCache { kept: None, refused: 0 }
    }

    /// The route of the packet with this key, in whatever snapshot, and what such packets are counted under.
    #[inline(always)]
    pub fn find(&self, tag: Tag, key: &Key<A>) -> (CachedRoute, u16) {
        let Some(Kept { marks, lines }) = &self.kept else { return NOTHING };
        let at = place(tag);
        if marks[at] == mark(tag) && lines[at].key == *key { (lines[at].route, lines[at].counted) } else { NOTHING }
    }

    /// Keeps the route of a packet, unless another one's that is good in the same snapshot has the line: see [`PERSISTENCE`].
    pub fn keep(&mut self, tag: Tag, key: Key<A>, route: CachedRoute, counted: u16) {
        let Some(Kept { marks, lines }) = &mut self.kept else { return };
        let at = place(tag);
        if lines[at].route.snapshot == route.snapshot && lines[at].key != key {
            self.refused = self.refused.wrapping_add(1);
            if !self.refused.is_multiple_of(PERSISTENCE) {
                return;
            }
        }
        (marks[at], lines[at]) = (mark(tag), Line { key, route, counted });
    }
}

impl<A: KeyAddress> Default for RouteCache<A> {
    fn default() -> RouteCache<A> {
        RouteCache::new()
    }
}

#[inline(always)]
fn place(tag: Tag) -> usize {
    tag.0 as usize % LINES
}

/// Other bits of the tag than [`place`] takes.
#[inline(always)]
fn mark(tag: Tag) -> u8 {
    (tag.0 >> 24) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Endpoint, Protocol, Tuple};

    const ROUTE: CachedRoute = CachedRoute { snapshot: 3, interface: 1, egress: 2 };

    fn key(port: u16) -> Key {
        let end = |last, port| Endpoint::new(Ipv4Addr::new(10, 20, 0, last), port);
        Key::of(&Tuple::new(Protocol::Udp, end(11, 5060), end(100, port)))
    }

    #[test]
    fn a_line_is_its_packets_and_of_one_snapshot() {
        let (mut cache, tag) = (RouteCache::new(), Tag(7));
        assert_eq!(cache.find(tag, &Key::default()), NOTHING);
        cache.keep(tag, key(1), ROUTE, 7);
        assert_eq!(cache.find(tag, &key(1)), (ROUTE, 7));
        assert_eq!(cache.find(tag, &key(2)), NOTHING, "another packet with the same tag");
        let next = CachedRoute { snapshot: 4, ..ROUTE };
        cache.keep(tag, key(2), next, 8);
        let found = [1, 2].map(|port| cache.find(tag, &key(port)));
        assert_eq!(found, [NOTHING, (next, 8)], "an old line gives way at once");
    }

    #[test]
    fn a_good_line_gives_way_one_time_in_a_few() {
        let (mut cache, tag) = (RouteCache::new(), Tag(u32::MAX));
        cache.keep(tag, key(0), ROUTE, 7);
        let mut taken = |port: &u16| {
            cache.keep(tag, key(*port), ROUTE, 7);
            cache.find(tag, &key(*port)) == (ROUTE, 7)
        };
        let given: Vec<u16> = (1..=2 * PERSISTENCE as u16).filter(|port| taken(port)).collect();
        assert_eq!(given, [PERSISTENCE as u16, 2 * PERSISTENCE as u16]);
        let moved = CachedRoute { egress: 9, ..ROUTE };
        cache.keep(tag, key(given[1]), moved, 8);
        assert_eq!(cache.find(tag, &key(given[1])), (moved, 8), "its own packet may change it");
    }
}
