//! What is counted of SIP, in rows of which there is a bounded number.
//!
//! Owns [`Row`], of a service port, a member and who asks, [`Refreshes`] of a service port, and [`Rows`], where either is found by
//! its key. Nothing here asks for memory once it was made.

use super::histogram::Histogram;
use crate::wire::Endpoint;
use crate::wire::summary::Method;
use std::net::Ipv4Addr;

/// The statuses that are counted one by one.
pub const CODES: [u16; 9] = [401, 404, 407, 408, 480, 486, 487, 500, 503];
/// Counters of answers: those, and the others of each class.
pub const ANSWERS: usize = CODES.len() + 6;

/// The counter of an answer with this status, 100 to 699.
pub fn place_of(code: u16) -> usize {
    let class = usize::from(code / 100).clamp(1, 6);
    CODES.iter().position(|one| *one == code).unwrap_or(CODES.len() + class - 1)
}

/// Who sends requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AskedBy {
    /// Somebody outside, at the virtual address.
    Clients,
    /// A member.
    Members,
}

/// What a row is of: requests one way, and the answers to them the other way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// The service port, at its virtual address.
    pub service: Endpoint,
    /// The member; `None`: there was nobody to get it.
    pub member: Option<Ipv4Addr>,
    /// Who asks.
    pub asked_by: AskedBy,
}

/// What was counted of a service port, a member and who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it is of.
    pub key: RowKey,
    /// Requests by [`Method`], repetitions among them.
    pub requests: [u64; Method::COUNT],
    /// Answers by [`place_of`], repetitions among them.
    pub answers: [u64; ANSWERS],
    /// Requests that their sender had sent before.
    pub repeated_requests: u64,
    /// Final answers that their sender had sent before.
    pub repeated_answers: u64,
    /// Requests of which no answer was seen in 32 s.
    pub unanswered: u64,
    /// Requests of which the time to the first answer is not known: there was no room, nothing to know the answer by, or it
    /// goes where this worker does not see it.
    pub not_timed: u64,
    /// From the first request of a transaction to its first answer, in nanoseconds.
    pub times: Histogram,
}

impl Row {
    /// Adds what was counted in another row of the same key.
    pub fn add(&mut self, other: &Row) {
        self.requests.iter_mut().zip(other.requests).for_each(|(one, more)| *one += more);
        self.answers.iter_mut().zip(other.answers).for_each(|(one, more)| *one += more);
        self.repeated_requests += other.repeated_requests;
        self.repeated_answers += other.repeated_answers;
        self.unanswered += other.unanswered;
        self.not_timed += other.not_timed;
        self.times.add(&other.times);
    }
}

/// What was seen of how remote endpoints stay reachable at a service port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refreshes {
    /// The service port, at its virtual address.
    pub service: Endpoint,
    /// Between one keep-alive of a remote endpoint and the next, in microseconds.
    pub keep_alives: Histogram,
    /// For how long registrations are granted, in microseconds.
    pub registrations: Histogram,
}

impl Refreshes {
    /// Adds what was seen at the same service port.
    pub fn add(&mut self, other: &Refreshes) {
        self.keep_alives.add(&other.keep_alives);
        self.registrations.add(&other.registrations);
    }
}

/// Something that is found by a key.
pub trait Keyed {
    /// By what.
    type Key: Copy + Eq;
    /// A number that follows from the key, well mixed.
    fn mixed(key: Self::Key) -> u64;
    /// Nothing yet, of this key.
    fn of(key: Self::Key) -> Self;
    /// Its key.
    fn key(&self) -> Self::Key;
}

fn mixed(service: Endpoint, more: u64) -> u64 {
    let service = u64::from(service.addr.to_bits()) << 16 | u64::from(service.port);
    let number = (service ^ more.rotate_left(31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    number ^ number >> 32
}

impl Keyed for Row {
    type Key = RowKey;

    fn mixed(key: RowKey) -> u64 {
        let member = key.member.map_or(0, |member| u64::from(member.to_bits()));
        mixed(key.service, member << 1 | u64::from(key.asked_by == AskedBy::Members))
    }

    fn of(key: RowKey) -> Row {
        Row {
            key,
            requests: [0; Method::COUNT],
            answers: [0; ANSWERS],
            repeated_requests: 0,
            repeated_answers: 0,
            unanswered: 0,
            not_timed: 0,
            times: Histogram::default(),
        }
    }

    fn key(&self) -> RowKey {
        self.key
    }
}

impl Keyed for Refreshes {
    type Key = Endpoint;

    fn mixed(key: Endpoint) -> u64 {
        mixed(key, 0)
    }

    fn of(key: Endpoint) -> Refreshes {
        Refreshes { service: key, keep_alives: Histogram::default(), registrations: Histogram::default() }
    }

    fn key(&self) -> Endpoint {
        self.service
    }
}

/// Rows by their keys. All of their memory is there from the start.
#[derive(Debug)]
pub struct Rows<R> {
    rows: Box<[R]>,
    used: usize,
    /// The place of a row, and one more; 0: none. Twice as many as there are rows, so a search ends.
    index: Box<[u16]>,
}

impl<R: Keyed + Clone> Rows<R> {
    /// Room for `capacity` rows, a power of two below 2^15; `blank` is anybody's key.
    pub fn new(capacity: usize, blank: R::Key) -> Rows<R> {
        let capacity = capacity.next_power_of_two().min(1 << 14);
        // Each page is touched now, so that none is first touched between two packets.
        Rows { rows: vec![R::of(blank); capacity].into(), used: 0, index: vec![0; 2 * capacity].into() }
    }

    /// The row of this key; `None`: there is no room for one more.
    pub fn row(&mut self, key: R::Key) -> Option<&mut R> {
        let mask = self.index.len() - 1;
        let mut cell = R::mixed(key) as usize & mask;
        while let Some(at) = usize::from(self.index[cell]).checked_sub(1) {
            if self.rows[at].key() == key {
                return Some(&mut self.rows[at]);
            }
            cell = (cell + 1) & mask;
        }
        let row = self.rows.get_mut(self.used)?;
        *row = R::of(key);
        self.used += 1;
        self.index[cell] = self.used as u16;
        Some(row)
    }

    /// All that there are.
    pub fn iter(&self) -> impl Iterator<Item = &R> {
        self.rows[..self.used].iter()
    }

    /// There are none any more.
    pub fn clear(&mut self) {
        if self.used > 0 {
            self.used = 0;
            self.index.fill(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32, asked_by: AskedBy) -> RowKey {
        let service = Endpoint::new(Ipv4Addr::new(10, 20, 0, 100), 5060);
        RowKey { service, member: number.checked_sub(1).map(Ipv4Addr::from), asked_by }
    }

    #[test]
    fn each_key_has_its_own_row_as_long_as_there_is_room() {
        let keys: Vec<RowKey> =
            (0..8).flat_map(|at| [AskedBy::Clients, AskedBy::Members].map(|by| key(at, by))).collect();
        let mut rows = Rows::<Row>::new(16, keys[0]);
        for times in 1..=3 {
            for key in &keys {
                rows.row(*key).expect("there is room").not_timed += 1;
            }
            assert!(rows.row(key(99, AskedBy::Clients)).is_none(), "and no more");
            assert_eq!(
                rows.iter().map(|row| (row.key, row.not_timed)).collect::<Vec<_>>(),
                keys.iter().map(|key| (*key, times)).collect::<Vec<_>>()
            );
        }
        rows.clear();
        assert_eq!(rows.iter().count(), 0);
        assert_eq!(rows.row(keys[5]).expect("there is room again").not_timed, 0);
    }

    #[test]
    fn a_status_has_its_own_counter_or_that_of_its_class() {
        let places: Vec<usize> = CODES.iter().map(|code| place_of(*code)).collect();
        assert_eq!(places, (0..9).collect::<Vec<_>>());
        let classes = [100, 200, 302, 400, 403, 501, 603].map(|code| place_of(code) - CODES.len() + 1);
        assert_eq!(classes, [1, 2, 3, 4, 4, 5, 6]);
        assert!((0..=u16::MAX).all(|code| place_of(code) < ANSWERS));
    }
}
