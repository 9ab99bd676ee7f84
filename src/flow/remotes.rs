//! Whom outside a mapping has been used to talk to: who may answer from another of its ports (RFC 4787 REQ-8).
//!
//! Owns four cells beside each port of an allocator, shared by all workers without a lock: a remote address, and how many flows
//! there are between it and the mapping. A cell is of one epoch of its port, as is the mark that there were more than four
//! addresses; an epoch ends before the port is given to another inside endpoint, so what is known of one is never believed of the
//! next. Never says whether a port is held, or by whom.

use prefetch_index::prefetch_index;
use std::net::Ipv4Addr;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::{AcqRel, Acquire};
use std::sync::atomic::{AtomicU32, AtomicU64};

/// Remote addresses that are told apart; a fifth opens the mapping to all.
const CELLS: usize = 4;
/// Ports whose cells are made at once, when one of them is first used: 64 KiB.
const PAGE: usize = 1024;
/// Flows that a remote address may begin at once through one mapping.
const ADMITTED: u64 = 16;
/// More than four addresses were talked to in this epoch. Below it stands the epoch.
const OPEN: u32 = 1 << 16;

/// The cells of all ports.
pub(super) struct Remotes {
    pages: Box<[OnceLock<Box<[Known]>>]>,
}

/// What is known of one port, in one cache line.
#[derive(Default)]
#[repr(align(64))]
struct Known {
    /// The epoch, and whether the mapping is open in it. Written by the worker that takes the port, or that finds no cell.
    state: AtomicU32,
    /// See [`Cell`]. Written by the worker that makes or removes a flow, read by one that gets a datagram of no flow.
    cells: [AtomicU64; CELLS],
}

/// How a datagram was let in: in which epoch.
#[derive(Clone, Copy)]
pub(super) struct Admission(u16);

impl Remotes {
    pub(super) fn new() -> Remotes {
        Remotes { pages: (0..=usize::from(u16::MAX) / PAGE).map(|_| OnceLock::new()).collect() }
    }

    /// The same in memory of their own.
    pub(super) fn copied(&self) -> Remotes {
        let page = |page: &OnceLock<Box<[Known]>>| {
            let page = page.get().map(|page| page.iter().map(Known::copied).collect::<Box<[_]>>());
            page.map_or_else(OnceLock::new, OnceLock::from)
        };
        Remotes { pages: self.pages.iter().map(page).collect() }
    }

    /// The port is about to be another mapping's.
    pub(super) fn begin(&self, port: u16) {
        let page = self.pages[usize::from(port) / PAGE].get_or_init(|| (0..PAGE).map(|_| Known::default()).collect());
        let next = |state: u32| Some(u32::from((state as u16).wrapping_add(1)));
        let _ = page[usize::from(port) % PAGE].state.fetch_update(AcqRel, Acquire, next);
    }

    /// The holder of the port has a flow to `remote`. `true`: the mapping is open to all from now on, as that is one too many.
    pub(super) fn enter(&self, port: u16, remote: Ipv4Addr) -> bool {
        let Some(known) = self.known(port) else { return false };
        let epoch = known.epoch();
        let again = |cell: Cell| cell.is(remote, epoch).then(|| cell.with(1, 0)).flatten();
        let first = |cell: Cell| cell.is_free(epoch).then_some(Cell { remote, epoch, opened: 1, admitted: 0 });
        if known.change(again) || known.change(first) {
            return false;
        }
        let open = |state: u32| (state == u32::from(epoch)).then_some(state | OPEN);
        known.state.fetch_update(AcqRel, Acquire, open).is_ok()
    }

    /// A datagram of `remote` may make a flow to the holder of the port, and is counted as one.
    pub(super) fn admit(&self, port: u16, remote: Ipv4Addr) -> Option<Admission> {
        let known = self.known(port)?;
        let epoch = known.epoch();
        let more = |cell: Cell| {
            let may = cell.is(remote, epoch) && cell.opened > 0 && cell.admitted < ADMITTED;
            may.then(|| cell.with(0, 1)).flatten()
        };
        (known.is_open(epoch) || known.change(more)).then_some(Admission(epoch))
    }

    /// The port is still that of the epoch in which a datagram was let in.
    pub(super) fn is_current(&self, port: u16, admission: Admission) -> bool {
        self.known(port).is_some_and(|known| known.epoch() == admission.0)
    }

    /// A flow to `remote` is no more, which the holder of the port has opened, or which was let in.
    pub(super) fn leave(&self, port: u16, remote: Ipv4Addr, was_admitted: bool) {
        let Some(known) = self.known(port) else { return };
        let epoch = known.epoch();
        let fewer = |cell: Cell| match was_admitted {
            _ if !cell.is(remote, epoch) => None,
            true => Some(Cell { admitted: cell.admitted.checked_sub(1)?, ..cell }),
            false => Some(Cell { opened: cell.opened.checked_sub(1)?, ..cell }),
        };
        known.change(fewer);
    }

    /// Prefetches what is known of a port.
    pub(super) fn prefetch(&self, port: u16) {
        if let Some(page) = self.pages[usize::from(port) / PAGE].get() {
            prefetch_index(page, usize::from(port) % PAGE);
        }
    }

    fn known(&self, port: u16) -> Option<&Known> {
        self.pages[usize::from(port) / PAGE].get().map(|page| &page[usize::from(port) % PAGE])
    }
}

impl Known {
    fn copied(&self) -> Known {
        let cells = self.cells.each_ref().map(|cell| AtomicU64::new(cell.load(Acquire)));
        Known { state: AtomicU32::new(self.state.load(Acquire)), cells }
    }

    fn epoch(&self) -> u16 {
        self.state.load(Acquire) as u16
    }

    fn is_open(&self, epoch: u16) -> bool {
        self.state.load(Acquire) == u32::from(epoch) | OPEN
    }

    /// Changes the first cell for which `to` has something else. `false`: none.
    fn change(&self, to: impl Fn(Cell) -> Option<Cell>) -> bool {
        let change = |bits| to(Cell::of(bits)).map(Cell::bits);
        self.cells.iter().any(|cell| cell.fetch_update(AcqRel, Acquire, change).is_ok())
    }
}

/// A remote address (32 bits), the epoch it is known in (16), flows the member opened to it (11), and flows it was let in by (5).
#[derive(Clone, Copy)]
struct Cell {
    remote: Ipv4Addr,
    epoch: u16,
    opened: u64,
    admitted: u64,
}

impl Cell {
    const ADMITTED_BITS: u32 = 5;
    const MOST_OPENED: u64 = (1 << 11) - 1;

    fn of(bits: u64) -> Cell {
        Cell {
            remote: Ipv4Addr::from_bits((bits >> 32) as u32),
            epoch: (bits >> 16) as u16,
            opened: bits >> Cell::ADMITTED_BITS & Cell::MOST_OPENED,
            admitted: bits & ((1 << Cell::ADMITTED_BITS) - 1),
        }
    }

    fn bits(self) -> u64 {
        let counts = self.opened << Cell::ADMITTED_BITS | self.admitted;
        u64::from(self.remote.to_bits()) << 32 | u64::from(self.epoch) << 16 | counts
    }

    fn is(&self, remote: Ipv4Addr, epoch: u16) -> bool {
        self.remote == remote && self.epoch == epoch && self.opened + self.admitted > 0
    }

    fn is_free(&self, epoch: u16) -> bool {
        self.epoch != epoch || self.opened + self.admitted == 0
    }

    /// With more flows; `None`: more than it can count.
    fn with(self, opened: u64, admitted: u64) -> Option<Cell> {
        let more = Cell { opened: self.opened + opened, admitted: self.admitted + admitted, ..self };
        (more.opened <= Cell::MOST_OPENED).then_some(more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(172, 16, 9, last)
    }

    fn admits(remotes: &Remotes, last: u8) -> bool {
        remotes.admit(7, host(last)).is_some()
    }

    #[test]
    fn who_was_talked_to_is_let_in_sixteen_times_and_nobody_else() {
        let remotes = Remotes::new();
        assert!(!admits(&remotes, 1), "nothing is known");
        remotes.begin(7);
        assert!(!remotes.enter(7, host(1)) && !remotes.enter(7, host(1)));
        assert_eq!((0..20).filter(|_| admits(&remotes, 1)).count(), 16);
        assert!(!admits(&remotes, 2) && remotes.admit(8, host(1)).is_none());
        remotes.leave(7, host(1), true);
        assert!(admits(&remotes, 1) && !admits(&remotes, 1));
        remotes.leave(7, host(1), true);
        remotes.leave(7, host(1), false);
        assert!(admits(&remotes, 1), "one flow of the member's is left");
        remotes.leave(7, host(1), true);
        remotes.leave(7, host(1), false);
        assert!(!admits(&remotes, 1), "what came from outside keeps nothing open");
    }

    #[test]
    fn a_fifth_address_opens_the_mapping_until_the_port_is_anothers() {
        let remotes = Remotes::new();
        remotes.begin(7);
        assert!((1..=4).all(|last| !remotes.enter(7, host(last))));
        assert!(!admits(&remotes, 9));
        remotes.leave(7, host(4), false);
        assert!(!remotes.enter(7, host(5)), "a cell that was left is free");
        assert!(remotes.enter(7, host(6)) && !remotes.enter(7, host(7)), "told once");
        assert!(admits(&remotes, 9));
        remotes.begin(7);
        assert!((1..=9).all(|last| !admits(&remotes, last)));
        assert!(!remotes.enter(7, host(9)) && admits(&remotes, 9));
    }

    #[test]
    fn what_is_known_of_an_epoch_is_not_believed_of_the_next() {
        let remotes = Remotes::new();
        remotes.begin(7);
        remotes.enter(7, host(1));
        let admission = remotes.admit(7, host(1)).unwrap();
        assert!(remotes.is_current(7, admission));
        remotes.begin(7);
        assert!(!remotes.is_current(7, admission) && !admits(&remotes, 1));
        // A flow of the epoch before leaves late: it takes nothing from this one.
        remotes.enter(7, host(2));
        remotes.leave(7, host(1), false);
        assert!(admits(&remotes, 2));
    }

    #[test]
    fn more_flows_than_a_cell_counts_are_counted_in_another() {
        let remotes = Remotes::new();
        remotes.begin(7);
        assert!((0..3_000).all(|_| !remotes.enter(7, host(1))));
        for _ in 0..2_999 {
            remotes.leave(7, host(1), false);
        }
        assert!(admits(&remotes, 1));
    }
}
