//! Persistence that workers tell each other: what any of them has chosen lately.
//!
//! Owns a table in which the workers leave each other which member of a pool they gave something to, so that another one that meets it by
//! another of its ends gives it to the same. It is written and read by all without a lock, a word at a time: what is overwritten is not
//! found, and who is found is only one of those that could be chosen anyway. Decides nothing, and is never the only place where a choice
//! is kept.

use super::health::Generation;
use super::intent::MemberId;
use std::sync::atomic::{AtomicU64, Ordering};

/// Cells, 8 bytes each.
const CELLS: usize = 1 << 18;
/// Seconds by which a worker's turn may have begun after another's.
const EARLIER: i64 = 60;

/// The table. Each cell: 24 bits of what was given, the last 8 of its pool's generation, the member, and the second.
pub struct PersistenceHints(Box<[AtomicU64]>);

impl Default for PersistenceHints {
    fn default() -> PersistenceHints {
        PersistenceHints((0..CELLS).map(|_| AtomicU64::new(u64::MAX)).collect())
    }
}

impl std::fmt::Debug for PersistenceHints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PersistenceHints")
    }
}

impl PersistenceHints {
    /// A table of its own in which the same stands.
    pub fn detached(&self) -> PersistenceHints {
        PersistenceHints(self.0.iter().map(|cell| AtomicU64::new(cell.load(Ordering::Relaxed))).collect())
    }

    /// `what`, a well mixed number, was given to the member in this second, or is its own still; `generation` is its pool's.
    #[inline]
    pub fn note(&self, what: u64, member: MemberId, generation: Generation, second: u64) {
        let (cell, word) = (self.cell(what), word(what, member, generation, second));
        // It is mostly there already: a cell that is not written stays in everybody's cache.
        if cell.load(Ordering::Relaxed) != word {
            cell.store(word, Ordering::Relaxed);
        }
    }

    /// Whom `what` was given to, unless that is more than `age` seconds ago at `second`; and whether that was before a generation, of
    /// which there are not so many in that time that eight bits do not tell.
    #[inline]
    pub fn find(&self, what: u64, second: u64, age: u64) -> Option<(MemberId, impl Fn(Generation) -> bool)> {
        let word = self.cell(what).load(Ordering::Relaxed);
        // Another worker's second may have begun a little earlier.
        let ago = i64::from((second as u16).wrapping_sub(word as u16) as i16);
        let is_recent = if ago < 0 { ago >= -EARLIER } else { u64::try_from(ago).is_ok_and(|ago| ago <= age) };
        let before = move |generation: Generation| (((word >> 32) as u8).wrapping_sub(generation.0 as u8) as i8) < 0;
        (word >> 40 == what >> 40 && is_recent).then_some((MemberId((word >> 16) as u16), before))
    }

    fn cell(&self, what: u64) -> &AtomicU64 {
        &self.0[what as usize % CELLS]
    }
}

fn word(what: u64, member: MemberId, generation: Generation, second: u64) -> u64 {
    let generation = u64::from(generation.0 & 0xff) << 32;
    what & 0xffff_ff00_0000_0000 | generation | u64::from(member.0) << 16 | second & 0xffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_about_a_number_counts_for_a_while() {
        let table = PersistenceHints::default();
        let what = 0x0123_4567_89ab_cdef;
        let other = what ^ 1 << 40;
        let find = |what, second, age| table.find(what, second, age).map(|(member, _)| member);
        assert_eq!(find(what, 0, 300), None);
        table.note(what, MemberId(7), Generation(3), 30_000);
        assert_eq!(
            [29_990, 30_300, 30_301].map(|second| find(what, second, 300)),
            [Some(MemberId(7)), Some(MemberId(7)), None]
        );
        assert_eq!(find(other, 30_000, 300), None, "another number of the same cell");
        table.note(what, MemberId(9), Generation(3), 30_001);
        assert_eq!(find(what, 30_001, 300), Some(MemberId(9)));
        table.note(other, MemberId(3), Generation(3), 30_001);
        assert_eq!(find(what, 30_001, 300), None, "overwritten");
    }

    #[test]
    fn a_copy_finds_the_same_and_is_written_apart() {
        let (table, find) = (PersistenceHints::default(), |table: &PersistenceHints, what| {
            table.find(what, 5, 300).map(|(member, _)| member)
        });
        table.note(7, MemberId(1), Generation(3), 5);
        let copy = table.detached();
        copy.note(8, MemberId(2), Generation(3), 5);
        assert_eq!([7, 8].map(|what| find(&copy, what)), [Some(MemberId(1)), Some(MemberId(2))]);
        assert_eq!([7, 8].map(|what| find(&table, what)), [Some(MemberId(1)), None]);
    }

    #[test]
    fn what_was_given_before_a_generation_is_told() {
        let table = PersistenceHints::default();
        for (given, generation, is_before) in
            [(3, 3, false), (3, 4, true), (3, 0, false), (255, 256, true), (256, 255, false)]
        {
            table.note(1, MemberId(7), Generation(given), 5);
            let (_, before) = table.find(1, 5, 300).unwrap();
            assert_eq!(before(Generation(generation)), is_before, "{given} {generation}");
        }
    }
}
