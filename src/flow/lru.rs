//! A bounded table whose entries stand in the order in which they were renewed last.
//!
//! Owns how an entry is found, that the one unrenewed longest gives way when there is no room, and what is too old. Memory is taken at
//! creation. What an entry says is the caller's.

use super::key::{HashKey, Index};
use super::list::{Linked, Links, List};
use crate::time::{Duration, Instant};

/// What an entry is known by.
pub(super) trait LruKey: Copy + Eq {
    /// All of it mixed into a number, under `key`.
    fn tag(&self, key: &HashKey) -> u32;
}

/// The table.
pub(super) struct Lru<K, V> {
    key: HashKey,
    index: Index,
    /// Filled from the front; none is ever left vacant between others.
    pub slots: Vec<Slot<K, V>>,
    capacity: usize,
    /// All entries, longest unrenewed in front.
    order: List,
}

pub(super) struct Slot<K, V> {
    key: K,
    value: V,
    renewed: Instant,
    links: Links,
}

impl<K, V> Linked for Slot<K, V> {
    fn links(&mut self) -> &mut Links {
        &mut self.links
    }
}

impl<K: LruKey, V> Lru<K, V> {
    /// Room for `capacity` entries (at least 1, at most 2^30).
    pub fn new(capacity: usize, seed: u64) -> Lru<K, V> {
        let capacity = capacity.clamp(1, 1 << 30);
        Lru {
            key: HashKey::new(seed),
            index: Index::new(capacity),
            slots: Vec::with_capacity(capacity),
            capacity,
            order: List::EMPTY,
        }
    }

    /// There is no entry.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// How many there can be.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// What is known of `key`.
    #[inline]
    pub fn find(&self, key: &K) -> Option<&V> {
        if self.is_empty() {
            return None;
        }
        self.place(key).map(|at| &self.slots[at as usize].value)
    }

    /// When the entry of `key` was renewed.
    pub fn renewed(&self, key: &K) -> Option<Instant> {
        self.place(key).map(|at| self.slots[at as usize].renewed)
    }

    /// What is known of `key`, to be changed; it is not renewed by that.
    pub fn find_mut(&mut self, key: &K) -> Option<&mut V> {
        self.place(key).map(|at| &mut self.slots[at as usize].value)
    }

    /// The entry in a slot: all below [`Lru::len`] have one.
    pub fn at(&self, slot: usize) -> Option<(&K, &V, Instant)> {
        self.slots.get(slot).map(|slot| (&slot.key, &slot.value, slot.renewed))
    }

    /// All entries and when each was renewed, longest unrenewed first.
    pub fn oldest_first(&self) -> impl Iterator<Item = (&K, &V, Instant)> {
        let next = |at: &u32| self.slots.get(*at as usize).map(|slot| slot.links.next);
        let places = std::iter::successors(self.order.front(), next);
        places.map_while(|at| self.slots.get(at as usize)).map(|slot| (&slot.key, &slot.value, slot.renewed))
    }

    /// The entry of `key`, made as `first` says if need be, as the one renewed last. What had to give way to it is handed to `gone`.
    pub fn renew(&mut self, key: K, now: Instant, first: impl FnOnce() -> V, gone: impl FnOnce(V)) -> &mut V {
        let at = match self.place(&key) {
            Some(at) => {
                self.order.unlink(&mut self.slots, at);
                at
            }
            None => {
                if self.slots.len() == self.capacity
                    && let Some(oldest) = self.order.front()
                {
                    gone(self.take(oldest));
                }
                let at = self.slots.len() as u32;
                self.slots.push(Slot { key, value: first(), renewed: now, links: Links::NONE });
                self.index.insert(key.tag(&self.key), at);
                at
            }
        };
        self.order.push_back(&mut self.slots, at);
        let slot = &mut self.slots[at as usize];
        slot.renewed = now;
        &mut slot.value
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.place(key).map(|at| self.take(at))
    }

    /// Takes out what was not renewed for its age, in that order, at most `budget` entries, each handed to `gone`. Says how many.
    pub fn expire(
        &mut self,
        now: Instant,
        age: impl Fn(&V) -> Duration,
        budget: usize,
        mut gone: impl FnMut(V),
    ) -> usize {
        for removed in 0..budget {
            let Some(at) = self.order.front() else { return removed };
            let slot = &self.slots[at as usize];
            if now.since(slot.renewed) < age(&slot.value) {
                return removed;
            }
            gone(self.take(at));
        }
        budget
    }

    fn place(&self, key: &K) -> Option<u32> {
        self.index.find(key.tag(&self.key), |at| self.slots[at as usize].key == *key)
    }

    /// The last slot moves into the place of the one taken.
    fn take(&mut self, at: u32) -> V {
        self.order.unlink(&mut self.slots, at);
        self.index.remove(self.slots[at as usize].key.tag(&self.key), at);
        let last = self.slots.len() as u32 - 1;
        if at != last {
            let tag = self.slots[last as usize].key.tag(&self.key);
            self.index.remove(tag, last);
            self.index.insert(tag, at);
            self.order.renumber(&mut self.slots, last, at);
        }
        self.slots.swap_remove(at as usize).value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl LruKey for u32 {
        /// Many collide.
        fn tag(&self, _: &HashKey) -> u32 {
            self % 3
        }
    }

    proptest! {
        /// Beside a list that is looked through.
        #[test]
        fn it_is_what_a_list_in_order_of_renewal_would_be(
            steps in proptest::collection::vec((0..4_u8, 0..12_u32, 0..5_u64), 1..200),
        ) {
            let (mut table, mut list, mut now) = (Lru::new(7, 1), Vec::<(u32, u64, Instant)>::new(), Instant::ZERO);
            for (step, key, wait) in steps {
                now += Duration::from_millis(wait);
                match step {
                    0 | 1 => {
                        let mut gone = None;
                        *table.renew(key, now, || 0, |value| gone = Some(value)) += 1;
                        let known = list.iter().position(|(known, ..)| *known == key).map(|at| list.remove(at));
                        let given_way = (known.is_none() && list.len() == 7).then(|| list.remove(0).1);
                        prop_assert_eq!(gone, given_way);
                        list.push((key, known.map_or(0, |(_, value, _)| value) + 1, now));
                    }
                    2 => {
                        let known = list.iter().position(|(known, ..)| *known == key).map(|at| list.remove(at).1);
                        prop_assert_eq!(table.remove(&key), known);
                    }
                    _ => {
                        let age = Duration::from_millis(20);
                        let mut gone = Vec::new();
                        table.expire(now, |_| age, 2, |value| gone.push(value));
                        let old = list.iter().take(2).take_while(|(_, _, at)| now.since(*at) >= age).count();
                        prop_assert_eq!(gone, list.drain(..old).map(|(_, value, _)| value).collect::<Vec<_>>());
                    }
                }
                prop_assert_eq!(table.len(), list.len());
                let in_order = table.oldest_first().map(|(key, value, renewed)| (*key, *value, renewed));
                prop_assert_eq!(in_order.collect::<Vec<_>>(), list.clone());
                for key in 0..12 {
                    let known = list.iter().find(|(known, ..)| *known == key).map(|(_, value, _)| value);
                    prop_assert_eq!(table.find(&key), known);
                }
            }
        }
    }
}
