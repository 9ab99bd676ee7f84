//! Which member of a pool takes what belongs together: all that one source address begins, or the datagrams of one SIP call.
//!
//! Owns one worker's bounded table of persistence records. The one unused longest gives way when there is no room. Never decides whether a
//! record still counts: the caller finds nobody behind a member that has gone, and compares generations.

use super::key::HashKey;
use super::lru::{Lru, LruKey};
use super::speakers::MemberRef;
use crate::time::{Duration, Instant};
use crate::wire::{Endpoint, Protocol, Tuple};
use std::net::Ipv4Addr;

/// What belongs together, and where: to one pool, by the caller's id for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PersistenceKey {
    /// The pool.
    pub pool: u16,
    /// The number that all of it has in common.
    pub number: u64,
}

impl LruKey for PersistenceKey {
    fn tag(&self, key: &HashKey) -> u32 {
        let [high, low] = [(self.number >> 32) as u32, self.number as u32].map(Ipv4Addr::from_bits);
        key.tuple(&Tuple::new(Protocol::Udp, Endpoint::new(high, self.pool), Endpoint::new(low, 0)))
    }
}

/// Who takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PersistenceRecord {
    /// The member.
    pub member: MemberRef,
    /// The caller's count of that member's losses when it was chosen.
    pub generation: u32,
}

/// The records of one worker. Memory is taken at creation.
pub struct PersistenceTable(Lru<PersistenceKey, PersistenceRecord>);

impl PersistenceTable {
    /// Room for `capacity` records (at least 1, at most 2^30).
    pub fn new(capacity: usize, seed: u64) -> PersistenceTable {
        PersistenceTable(Lru::new(capacity, seed))
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// One more would take the place of another.
    pub fn is_full(&self) -> bool {
        self.0.len() == self.0.capacity()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Who takes it, if that is known.
    pub fn find(&self, key: &PersistenceKey) -> Option<PersistenceRecord> {
        self.0.find(key).copied()
    }

    /// From now on `record` says so. The one it takes the place of is returned, be it of the same or of what was unused longest.
    pub fn keep(&mut self, key: PersistenceKey, record: PersistenceRecord, now: Instant) -> Option<PersistenceRecord> {
        let mut gone = None;
        let kept = self.0.renew(key, now, || record, |oldest| gone = Some(oldest));
        let before = std::mem::replace(kept, record);
        gone.or((before != record).then_some(before))
    }

    /// It was used again.
    pub fn renew(&mut self, key: PersistenceKey, record: PersistenceRecord, now: Instant) {
        self.0.renew(key, now, || record, drop);
    }

    /// All records and when each was used last, the one unused longest first.
    pub fn oldest_first(&self) -> impl Iterator<Item = (PersistenceKey, PersistenceRecord, Instant)> {
        self.0.oldest_first().map(|(key, record, used)| (*key, *record, used))
    }

    /// Forgets what was not used for `age`, at most `budget` records, each handed to `gone`. Says how many.
    pub fn expire(&mut self, now: Instant, age: Duration, budget: usize, gone: impl FnMut(PersistenceRecord)) -> usize {
        self.0.expire(now, |_| age, budget, gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: u16) -> PersistenceRecord {
        PersistenceRecord { member: MemberRef { id, since: 1 }, generation: 0 }
    }

    #[test]
    fn each_pool_has_its_own_and_what_gives_way_is_told() {
        let (mut table, at) = (PersistenceTable::new(2, 7), Instant::from_millis);
        let key = |pool, number| PersistenceKey { pool, number };
        assert_eq!(table.keep(key(1, 5), record(3), at(1)), None);
        assert_eq!(table.keep(key(1, 5), record(3), at(2)), None, "as it was");
        assert_eq!(table.keep(key(2, 5), record(4), at(3)), None);
        assert_eq!([1, 2, 3].map(|pool| table.find(&key(pool, 5))), [Some(record(3)), Some(record(4)), None]);
        assert_eq!(table.keep(key(1, 5), record(6), at(4)), Some(record(3)), "it is another's now");
        assert_eq!(table.keep(key(1, 9), record(7), at(5)), Some(record(4)), "unused longest");
        table.renew(key(1, 5), record(6), at(10));
        let mut gone = Vec::new();
        assert_eq!(table.expire(at(12), Duration::from_millis(5), 8, |record| gone.push(record)), 1);
        assert_eq!((gone, table.len()), (vec![record(7)], 1));
    }
}
