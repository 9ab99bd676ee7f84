//! The cells of a SNAT address's ports, made where they are wanted.
//!
//! Owns pages of 1,024 cells, each made when a port of it is first given away and kept from then on: an address of which few ports are
//! ever used takes a thousandth of what all would. And owns what stands in a cell: whose the port is, and how many use it. Changes none by
//! itself, and knows nothing of which port is whose to take: that is said by [`super::ports`].

use crate::wire::Endpoint;
use prefetch_index::prefetch_index;
use std::net::Ipv4Addr;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire};

/// Ports in a page.
const PAGE: usize = 1_024;

/// What stands in a cell whose port is free.
pub(super) const FREE: u64 = 0;

/// What a cell holds: inside address (32 bits), inside port (16), users (16). 0 users: the port is free.
pub(super) struct Cell {
    pub(super) inside: Endpoint,
    pub(super) users: u16,
}

impl Cell {
    pub(super) fn bits(&self) -> u64 {
        u64::from(self.inside.addr.to_bits()) << 32 | u64::from(self.inside.port) << 16 | u64::from(self.users)
    }

    /// `None`: the port is free.
    pub(super) fn of(bits: u64) -> Option<Cell> {
        let inside = Endpoint::new(Ipv4Addr::from_bits((bits >> 32) as u32), (bits >> 16) as u16);
        (bits as u16 != 0).then_some(Cell { inside, users: bits as u16 })
    }
}

/// A cell for each port.
pub(super) struct PortCells {
    pages: Box<[OnceLock<Box<[AtomicU64]>>]>,
}

impl PortCells {
    /// All are free.
    pub(super) fn new() -> PortCells {
        PortCells { pages: (0..=usize::from(u16::MAX) / PAGE).map(|_| OnceLock::new()).collect() }
    }

    /// The same in memory of their own.
    pub(super) fn copied(&self) -> PortCells {
        let copied = |cell: &AtomicU64| AtomicU64::new(cell.load(Acquire));
        let page = |page: &OnceLock<Box<[AtomicU64]>>| {
            let page = page.get().map(|cells| cells.iter().map(copied).collect::<Box<[_]>>());
            page.map_or_else(OnceLock::new, OnceLock::from)
        };
        PortCells { pages: self.pages.iter().map(page).collect() }
    }

    /// What stands in the cell of a port.
    pub(super) fn load(&self, port: u16) -> u64 {
        let page = self.pages[usize::from(port) / PAGE].get();
        page.map_or(FREE, |page| page[usize::from(port) % PAGE].load(Acquire))
    }

    /// Prefetches the cell of a port.
    pub(super) fn prefetch(&self, port: u16) {
        if let Some(page) = self.pages[usize::from(port) / PAGE].get() {
            prefetch_index(page, usize::from(port) % PAGE);
        }
    }

    /// As [`AtomicU64::fetch_update`] of the cell of a port: whoever reads what was changed sees all that its writer did before.
    pub(super) fn update(&self, port: u16, mut change: impl FnMut(u64) -> Option<u64>) -> Result<u64, u64> {
        let place = &self.pages[usize::from(port) / PAGE];
        let page = match place.get() {
            Some(page) => page,
            None if change(FREE).is_none() => return Err(FREE),
            None => place.get_or_init(|| (0..PAGE).map(|_| AtomicU64::new(FREE)).collect()),
        };
        page[usize::from(port) % PAGE].fetch_update(AcqRel, Acquire, change)
    }

    /// Pages that were made.
    #[cfg(test)]
    pub(super) fn pages(&self) -> usize {
        self.pages.iter().filter(|page| page.get().is_some()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_page_is_made_for_the_first_port_that_is_given_away() {
        let cells = PortCells::new();
        assert_eq!((cells.load(5_060), cells.update(5_060, |_| None), cells.pages()), (FREE, Err(FREE), 0));
        assert_eq!(cells.update(5_060, |old| Some(old + 7)), Ok(FREE));
        assert_eq!((cells.load(5_060), cells.load(5_061), cells.pages()), (7, FREE, 1));
        assert_eq!(cells.update(5_060, |old| (old == 7).then_some(FREE)), Ok(7));
        assert_eq!(cells.update(u16::MAX, |_| Some(1)), Ok(FREE));
        assert_eq!(cells.update(0, |_| Some(1)), Ok(FREE));
        assert_eq!(cells.pages(), 3);
    }

    /// Whoever comes to a page first, no change is lost.
    #[test]
    fn several_workers_make_one_page() {
        for _ in 0..200 {
            let cells = Arc::new(PortCells::new());
            let workers = (0..4).map(|_| {
                let cells = Arc::clone(&cells);
                std::thread::spawn(move || cells.update(9, |old| Some(old + 1)).is_ok())
            });
            let workers: Vec<_> = workers.collect();
            assert!(workers.into_iter().all(|worker| worker.join().unwrap()));
            assert_eq!((cells.load(9), cells.pages()), (4, 1));
        }
    }
}
