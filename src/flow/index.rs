//! From a tag to the place of an entry: open addressing with linear probing.
//!
//! Owns cells of 64 bits: the tag above, the caller's 31-bit value and side below. Knows no keys: the caller says
//! whether a value is the one it looks for. Never grows and never leaves tombstones: a removal moves the cells behind it
//! back, so a table that lives for years looks like a fresh one.

use prefetch_index::prefetch_index;

/// Cells per expected entry, as a fraction: three cells for two entries keep probes short.
const CELLS: usize = 3;
const ENTRIES: usize = 2;

const EMPTY: u64 = u64::MAX;

/// The cells. A value may be any number below `u32::MAX`.
pub(super) struct Index {
    cells: Box<[u64]>,
}

impl Index {
    /// Room for `entries`; inserting more is the caller's mistake.
    pub fn new(entries: usize) -> Index {
        Index { cells: vec![EMPTY; (entries.div_ceil(ENTRIES) * CELLS).max(CELLS)].into_boxed_slice() }
    }

    /// The value with this tag of which `is_it` says yes.
    #[inline]
    pub fn find(&self, tag: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut at = self.home(tag);
        loop {
            let cell = self.cells[at];
            if cell == EMPTY {
                return None;
            }
            if tag_of(cell) == tag && is_it(value_of(cell)) {
                return Some(value_of(cell));
            }
            at = self.after(at);
        }
    }

    /// Brings the cell near where the search for `tag` begins.
    #[inline]
    pub fn reach_for(&self, tag: u32) {
        prefetch_index(&self.cells, self.home(tag));
    }

    /// The first value with this tag, whether or not it is the one that is looked for.
    #[inline]
    pub fn candidate(&self, tag: u32) -> Option<u32> {
        self.find(tag, |_| true)
    }

    /// Adds a value. At least one cell must be empty afterwards.
    pub fn insert(&mut self, tag: u32, value: u32) {
        let mut at = self.home(tag);
        while self.cells[at] != EMPTY {
            at = self.after(at);
        }
        self.cells[at] = u64::from(tag) << 32 | u64::from(value);
    }

    /// Takes a value out, if it is there.
    pub fn remove(&mut self, tag: u32, value: u32) {
        let sought = u64::from(tag) << 32 | u64::from(value);
        let mut at = self.home(tag);
        while self.cells[at] != sought {
            if self.cells[at] == EMPTY {
                return;
            }
            at = self.after(at);
        }
        self.close(at);
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.cells)
    }

    /// Empties a cell and moves back whatever could then no longer be reached (Knuth, volume 3, 6.4 algorithm R).
    fn close(&mut self, mut hole: usize) {
        let mut at = hole;
        loop {
            at = self.after(at);
            let cell = self.cells[at];
            if cell == EMPTY {
                break;
            }
            if self.distance(self.home(tag_of(cell)), at) >= self.distance(hole, at) {
                self.cells[hole] = cell;
                hole = at;
            }
        }
        self.cells[hole] = EMPTY;
    }

    #[inline]
    fn home(&self, tag: u32) -> usize {
        ((u64::from(tag) * self.cells.len() as u64) >> 32) as usize
    }

    #[inline]
    fn after(&self, at: usize) -> usize {
        if at + 1 == self.cells.len() { 0 } else { at + 1 }
    }

    fn distance(&self, from: usize, to: usize) -> usize {
        if to >= from { to - from } else { to + self.cells.len() - from }
    }
}

#[inline]
fn tag_of(cell: u64) -> u32 {
    (cell >> 32) as u32
}

#[inline]
fn value_of(cell: u64) -> u32 {
    cell as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn entries_that_all_want_the_same_cell_are_found_and_removed() {
        let mut index = Index::new(10);
        for value in 0..10 {
            index.insert(u32::MAX, value);
        }
        for gone in [0, 9, 5, 4] {
            index.remove(u32::MAX, gone);
            assert_eq!(index.find(u32::MAX, |value| value == gone), None);
        }
        for left in [1, 2, 3, 6, 7, 8] {
            assert_eq!(index.find(u32::MAX, |value| value == left), Some(left));
        }
    }

    proptest! {
        /// Tags from a tiny range force every kind of cluster, including one that wraps round the end.
        #[test]
        fn agrees_with_a_set(steps in prop::collection::vec((any::<bool>(), 0..6_u32, 0..12_u32), 0..200)) {
            let mut index = Index::new(72);
            let mut model = BTreeSet::new();
            for (adds, tag, value) in steps {
                let tag = tag.wrapping_mul(0x3333_3333);
                if adds && model.insert((tag, value)) {
                    index.insert(tag, value);
                } else if !adds {
                    model.remove(&(tag, value));
                    index.remove(tag, value);
                }
                for tag in (0..6_u32).map(|tag| tag.wrapping_mul(0x3333_3333)) {
                    for value in 0..12 {
                        let found = index.find(tag, |it| it == value).is_some();
                        prop_assert_eq!(found, model.contains(&(tag, value)));
                    }
                }
            }
        }
    }
}
