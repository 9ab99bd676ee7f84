//! Cells by id, of which there can be many and mostly are few.
//!
//! Owns that room is made a page at a time and never taken away, so that whoever reads may do so at any time. What is in a cell is its user's
//! to know.

use std::sync::OnceLock;

/// Ids in a page, and pages: together every id there can be.
const PAGE: usize = 256;
const PAGES: usize = 256;

/// The cells that there is room for.
pub(super) struct Pages<T>([OnceLock<Box<[T; PAGE]>>; PAGES]);

impl<T> Default for Pages<T> {
    fn default() -> Pages<T> {
        Pages([const { OnceLock::new() }; PAGES])
    }
}

impl<T: Default> Pages<T> {
    /// Room for the ids below `bound`.
    pub(super) fn reserve(&self, bound: usize) {
        for page in self.0.iter().take(bound.div_ceil(PAGE)) {
            page.get_or_init(|| Box::new(std::array::from_fn(|_| T::default())));
        }
    }

    /// How many ids there is room for.
    pub(super) fn bound(&self) -> usize {
        self.0.iter().take_while(|page| page.get().is_some()).count() * PAGE
    }

    /// The cell of an id; `None`: there is no room for it.
    #[inline]
    pub(super) fn at(&self, id: u16) -> Option<&T> {
        let id = usize::from(id);
        self.0[id / PAGE].get().map(|page| &page[id % PAGE])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_made_by_pages_and_what_is_there_stays() {
        let pages = Pages::<std::sync::atomic::AtomicU64>::default();
        assert!(pages.at(0).is_none() && pages.bound() == 0);
        pages.reserve(1);
        pages.at(255).unwrap().store(7, std::sync::atomic::Ordering::Relaxed);
        assert!(pages.at(256).is_none());
        pages.reserve(65_536);
        assert_eq!((pages.bound(), pages.at(255).unwrap().load(std::sync::atomic::Ordering::Relaxed)), (65_536, 7));
        assert!(pages.at(u16::MAX).is_some());
    }
}
