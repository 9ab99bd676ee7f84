//! What any worker has chosen lately, for the others.
//!
//! Owns a table in which the workers leave each other which member of a pool they gave something to, so that another one that meets it by
//! another of its ends gives it to the same. It is written and read by all without a lock, a word at a time: what is overwritten is not
//! found, and who is found is only one of those that could be chosen anyway. Decides nothing, and is never the only place where a choice
//! is kept.

use super::intent::MemberId;
use std::sync::atomic::{AtomicU64, Ordering};

/// Cells, 8 bytes each.
const CELLS: usize = 1 << 18;

/// The table. Each cell: 32 bits of what was given, the member, and the second.
pub struct ChosenLately(Box<[AtomicU64]>);

impl Default for ChosenLately {
    fn default() -> ChosenLately {
        ChosenLately((0..CELLS).map(|_| AtomicU64::new(u64::MAX)).collect())
    }
}

impl std::fmt::Debug for ChosenLately {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChosenLately")
    }
}

impl ChosenLately {
    /// `what`, a well mixed number, was given to the member in this second, or is its own still.
    #[inline]
    pub fn note(&self, what: u64, member: MemberId, second: u64) {
        let (cell, word) = (self.cell(what), word(what, member, second));
        // It is mostly there already: a cell that is not written stays in everybody's cache.
        if cell.load(Ordering::Relaxed) != word {
            cell.store(word, Ordering::Relaxed);
        }
    }

    /// Whom `what` was given to, unless that is more than `age` seconds ago at `second`.
    #[inline]
    pub fn find(&self, what: u64, second: u64, age: u64) -> Option<MemberId> {
        let word = self.cell(what).load(Ordering::Relaxed);
        let ago = u64::from((second as u16).wrapping_sub(word as u16));
        (word >> 32 == what >> 32 && ago <= age).then_some(MemberId((word >> 16) as u16))
    }

    fn cell(&self, what: u64) -> &AtomicU64 {
        &self.0[what as usize % CELLS]
    }
}

fn word(what: u64, member: MemberId, second: u64) -> u64 {
    what & 0xffff_ffff_0000_0000 | u64::from(member.0) << 16 | second & 0xffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_about_a_number_counts_for_a_while() {
        let table = ChosenLately::default();
        let what = 0x0123_4567_89ab_cdef;
        assert_eq!(table.find(what, 0, 300), None);
        table.note(what, MemberId(7), 70_000);
        assert_eq!(table.find(what, 70_300, 300), Some(MemberId(7)));
        assert_eq!(table.find(what, 70_301, 300), None);
        assert_eq!(table.find(what ^ 1 << 40, 70_000, 300), None, "another number of the same cell");
        table.note(what, MemberId(9), 70_001);
        assert_eq!(table.find(what, 70_001, 300), Some(MemberId(9)));
        table.note(what ^ 1 << 40, MemberId(3), 70_001);
        assert_eq!(table.find(what, 70_001, 300), None, "overwritten");
    }
}
