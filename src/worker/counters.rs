//! Every frame counted to its end.
//!
//! Owns [`Counters`], which a worker adds to, and [`Shared`], where its [`Publisher`] publishes them for management to read. The
//! sum that must come out, over any worker, at the end of any turn:
//!
//! ```text
//! received + originated + handed_in = transmitted + dropped + ignored + punted + handed_off + held
//! ```

use super::arrivals::{Arrivals, Arrived};
use super::copies::CopyCount;
use crate::engine::verdict::ways;
use crate::engine::{ConnectionUse, DropReason, Engine, EngineEvent, IgnoreReason, MemberUse, PuntReason, Traffic};
use crate::policy::intent::PortId;
use crossbeam::utils::CachePadded;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

ways! {
    /// Sums of frames and bytes that are not reasons. One counter each.
    Total {
        Received = "received": "Frames received from the NICs.",
        ReceivedBytes = "received_bytes": "Bytes received from the NICs.",
        Originated = "originated": "Frames the appliance built itself: probes, ARP, resets, ICMP errors.",
        HandedIn = "handed_in": "Frames another worker received and handed off to this one.",
        Transmitted = "transmitted": "Frames the NICs accepted for transmission.",
        TransmittedBytes = "transmitted_bytes": "Bytes the NICs accepted for transmission.",
        HandedOff = "handed_off": "Frames handed off to the worker that owns their flow.",
        Held = "queued": "Frames waiting now for a next hop's MAC, for reassembly, or for a deferred reject.",
        Flows = "flows": "Entries in the flow table now.",
    }
}

/// What one worker has counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames received from the NICs.
    pub received: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Frames built here.
    pub originated: u64,
    /// Frames other workers handed off to this one.
    pub handed_in: u64,
    /// Frames the NICs accepted.
    pub transmitted: u64,
    /// Their bytes.
    pub transmitted_bytes: u64,
    /// Frames handed off to other workers.
    pub handed_off: u64,
    /// Frames waiting now for a MAC, for the rest of their datagram, or for a deferred reject.
    pub held: u64,
    /// Flows now.
    pub flows: u64,
    /// Fragments waiting now for the rest of their datagrams: of [`Counters::held`].
    pub fragments: u64,
    /// By [`CopyCount`]: copies are no frames.
    pub copies: ByReason<{ CopyCount::COUNT }>,
    /// By [`DropReason`].
    pub dropped: ByReason<{ DropReason::COUNT }>,
    /// By [`IgnoreReason`].
    pub ignored: ByReason<{ IgnoreReason::COUNT }>,
    /// By [`PuntReason`].
    pub punted: ByReason<{ PuntReason::COUNT }>,
    /// By [`EngineEvent`].
    pub events: ByReason<{ EngineEvent::COUNT }>,
}

/// A counter for each reason, by its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByReason<const N: usize>(pub [u64; N]);

impl<const N: usize> Default for ByReason<N> {
    fn default() -> ByReason<N> {
        ByReason([0; N])
    }
}

impl<const N: usize> ByReason<N> {
    /// Their sum.
    #[inline]
    pub fn sum(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl Counters {
    pub(super) fn dropped(&mut self, reason: DropReason) {
        self.dropped.0[reason as usize] += 1;
    }

    pub(super) fn dropped_all(&mut self, frames: usize, reason: DropReason) {
        self.dropped.0[reason as usize] += frames as u64;
    }

    pub(super) fn ignored(&mut self, frames: usize, reason: IgnoreReason) {
        self.ignored.0[reason as usize] += frames as u64;
    }

    pub(super) fn punted(&mut self, frames: usize, reason: PuntReason) {
        self.punted.0[reason as usize] += frames as u64;
    }

    pub(super) fn set_gauges(&mut self, engine: &Engine, held: usize, fragments: usize) {
        (self.held, self.fragments) = (held as u64, fragments as u64);
        self.flows = engine.flows().len() as u64;
        self.events.0 = *engine.event_counts();
    }

    /// How many frames were dropped for `reason`.
    pub fn drops(&self, reason: DropReason) -> u64 {
        self.dropped.0[reason as usize]
    }

    /// How many frames were ignored for `reason`.
    pub fn ignores(&self, reason: IgnoreReason) -> u64 {
        self.ignored.0[reason as usize]
    }

    /// How many frames went to management for `reason`.
    pub fn punts(&self, reason: PuntReason) -> u64 {
        self.punted.0[reason as usize]
    }

    /// How often `event` happened.
    pub fn events(&self, event: EngineEvent) -> u64 {
        self.events.0[event as usize]
    }

    /// How many copies were counted so.
    pub fn copies(&self, what: CopyCount) -> u64 {
        self.copies.0[what as usize]
    }

    /// Frames that came into this worker's hands less frames that left them: zero, or a frame was lost or made up.
    pub fn imbalance(&self) -> i64 {
        let came = self.received + self.originated + self.handed_in;
        let ended = self.dropped.sum() + self.ignored.sum() + self.punted.sum();
        let went = self.transmitted + ended + self.handed_off + self.held;
        came as i64 - went as i64
    }

    /// How often any reason was given: while it stays the same, no counter of a reason has changed, since none goes back.
    pub(super) fn reasons(&self) -> u64 {
        self.dropped.sum() + self.ignored.sum() + self.punted.sum() + self.events.sum()
    }

    /// One of the sums.
    pub fn total(&self, total: Total) -> u64 {
        self.totals()[total as usize]
    }

    /// The sums, in the order of [`Total::ALL`].
    fn totals(&self) -> [u64; Total::COUNT] {
        [
            self.received,
            self.received_bytes,
            self.originated,
            self.handed_in,
            self.transmitted,
            self.transmitted_bytes,
            self.handed_off,
            self.held,
            self.flows,
        ]
    }
}

/// Those of several workers together.
impl<'a> std::iter::Sum<&'a Counters> for Counters {
    fn sum<I: Iterator<Item = &'a Counters>>(each: I) -> Counters {
        each.fold(Counters::default(), |sum, counters| {
            let mut cells = sum.cells();
            cells.iter_mut().zip(counters.cells()).for_each(|(cell, more)| *cell += more);
            Counters { fragments: sum.fragments + counters.fragments, ..Counters::from_cells(&cells) }
        })
    }
}

/// Those that change with traffic in which nothing is remarkable.
const COMMON: usize = Total::COUNT + CopyCount::COUNT;
const CELLS: usize = COMMON + DropReason::COUNT + IgnoreReason::COUNT + PuntReason::COUNT + EngineEvent::COUNT;

impl Counters {
    fn common(&self) -> impl Iterator<Item = u64> {
        self.totals().into_iter().chain(self.copies.0)
    }

    fn cells(&self) -> [u64; CELLS] {
        let mut cells = [0; CELLS];
        let frames = self.common().chain(self.dropped.0).chain(self.ignored.0).chain(self.punted.0);
        let all = frames.chain(self.events.0);
        cells.iter_mut().zip(all).for_each(|(cell, value)| *cell = value);
        cells
    }

    fn from_cells(cells: &[u64; CELLS]) -> Counters {
        let mut cells = cells.iter().copied();
        let mut next = || cells.next().unwrap_or(0);
        Counters {
            received: next(),
            received_bytes: next(),
            originated: next(),
            handed_in: next(),
            transmitted: next(),
            transmitted_bytes: next(),
            handed_off: next(),
            held: next(),
            flows: next(),
            fragments: 0,
            copies: ByReason(std::array::from_fn(|_| next())),
            dropped: ByReason(std::array::from_fn(|_| next())),
            ignored: ByReason(std::array::from_fn(|_| next())),
            punted: ByReason(std::array::from_fn(|_| next())),
            events: ByReason(std::array::from_fn(|_| next())),
        }
    }
}

/// What a worker counts by whose it is. Written by that worker alone; read by management at any time.
#[derive(Clone, Default)]
pub struct Owned {
    /// What each member has of its flows.
    pub members: Arc<MemberUse>,
    /// The connections of each member and virtual server.
    pub connections: Arc<ConnectionUse>,
    /// What it has forwarded for each.
    pub traffic: Arc<Traffic>,
}

impl Owned {
    pub(super) fn of(engine: &Engine) -> Owned {
        Owned {
            members: Arc::clone(engine.member_use()),
            connections: Arc::clone(engine.connection_use()),
            traffic: Arc::clone(engine.traffic()),
        }
    }
}

/// Where a worker publishes its sums. Written by that worker alone, once a turn; read by management at any time. Each cell is
/// true by itself; together they may be one turn apart.
pub struct Shared {
    cells: CachePadded<[AtomicU64; CELLS]>,
    /// See [`Counters::fragments`].
    fragments: AtomicU64,
    /// What is counted by whose it is, once there is a worker.
    owned: OnceLock<Owned>,
    /// Written apart from the sums, once a burst.
    pub arrivals: Arrivals,
}

impl Default for Shared {
    fn default() -> Shared {
        Shared {
            cells: CachePadded::new([const { AtomicU64::new(0) }; CELLS]),
            fragments: AtomicU64::new(0),
            owned: OnceLock::new(),
            arrivals: Arrivals::default(),
        }
    }
}

impl Shared {
    /// What each member has of the worker's traffic; `None` before there is a worker.
    pub fn members(&self) -> Option<Arc<MemberUse>> {
        self.owned.get().map(|owned| Arc::clone(&owned.members))
    }

    /// What is counted by whose it is; likewise.
    pub fn owned(&self) -> Option<Owned> {
        self.owned.get().cloned()
    }

    /// The sums as they were published last.
    pub fn read(&self) -> Counters {
        let cells = std::array::from_fn(|at| self.cells[at].load(Ordering::Relaxed));
        Counters { fragments: self.fragments.load(Ordering::Relaxed), ..Counters::from_cells(&cells) }
    }
}

/// Publishes a worker's counters.
pub(super) struct Publisher {
    shared: Arc<Shared>,
    /// As [`Counters::reasons`] stood when the counters of reasons were published last.
    reasons: u64,
    /// Fragments that were waiting then.
    fragments: u64,
}

impl Publisher {
    pub(super) fn new(shared: Arc<Shared>, owned: Owned) -> Publisher {
        // A worker that takes the place of another in the same cells has its own.
        _ = shared.owned.set(owned);
        Publisher { shared, reasons: 0, fragments: 0 }
    }

    /// Only what changed is written, so that an idle worker disturbs no cache. There are many reasons, and in most turns none
    /// is given: then their cells are not even compared.
    pub(super) fn publish(&mut self, counters: &Counters) {
        let Shared { cells, fragments, .. } = &*self.shared;
        if self.fragments != counters.fragments {
            self.fragments = counters.fragments;
            fragments.store(counters.fragments, Ordering::Relaxed);
        }
        let reasons = counters.reasons();
        match std::mem::replace(&mut self.reasons, reasons) == reasons {
            true => store_changed(&cells[..COMMON], counters.common()),
            false => store_changed(&**cells, counters.cells()),
        }
    }

    /// Adds what arrived in a burst of `port`.
    #[inline]
    pub(super) fn add_arrivals(&self, port: PortId, burst: Arrived) {
        if burst.frames > 0 {
            self.shared.arrivals.add(port, burst);
        }
    }
}

fn store_changed(cells: &[AtomicU64], values: impl IntoIterator<Item = u64>) {
    for (cell, value) in cells.iter().zip(values) {
        if cell.load(Ordering::Relaxed) != value {
            cell.store(value, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_what_is_read() {
        let mut counters = Counters { received: 7, held: 2, fragments: 2, ..Counters::default() };
        counters.dropped(DropReason::NoRoute);
        counters.punted(1, PuntReason::ArpReply);
        counters.ignored(3, IgnoreReason::Multicast);
        let shared = Arc::new(Shared::default());
        assert!(shared.members().is_none());
        let owned = Owned::default();
        let members = Arc::clone(&owned.members);
        let mut publisher = Publisher::new(Arc::clone(&shared), owned);
        publisher.publish(&counters);
        assert_eq!(shared.read(), counters);
        assert!(shared.members().is_some_and(|read| Arc::ptr_eq(&read, &members)));
        let before = counters.reasons();
        counters.received = 8;
        assert_eq!(counters.reasons(), before);
        publisher.publish(&counters);
        assert_eq!(shared.read(), counters);
        counters.dropped(DropReason::TooBig);
        assert_ne!(counters.reasons(), before);
        counters = shared.read();
        assert_eq!([&counters, &counters].into_iter().sum::<Counters>().drops(DropReason::NoRoute), 2);
    }

    #[test]
    fn the_balance_shows_a_lost_frame() {
        let mut counters = Counters { received: 3, originated: 1, transmitted: 2, held: 1, ..Counters::default() };
        assert_eq!(counters.imbalance(), 1);
        counters.dropped(DropReason::NoRoute);
        assert_eq!(counters.imbalance(), 0);
    }
}
