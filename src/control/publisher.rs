//! Handing snapshots out, and taking them back.
//!
//! Owns the epoch, which worker has installed which, and a hold on every snapshot until no worker has it any more, so
//! that each is dropped here and never on a worker's core. At most [`IN_FLIGHT`] epochs are on their way at once: changes
//! that come faster share the next one. Compiles nothing: the controller brings the snapshot when
//! [`Publisher::is_due`] says so.

use crate::policy::{Epoch, Snapshot};
use crate::time::{Duration, Instant};
use crate::worker::mailbox::WorkerId;
use std::collections::VecDeque;
use std::sync::Arc;

/// Epochs on their way at once, at most.
pub const IN_FLIGHT: usize = 4;
/// How long a change that nobody waits for may wait for others to share its snapshot.
pub const COALESCE: Duration = Duration::from_millis(20);

/// At most one snapshot in this time is made for hosts that come and go as they like.
pub const PACE: Duration = Duration::from_millis(100);

/// The publishing side of the snapshots.
#[derive(Debug)]
pub struct Publisher {
    epoch: Epoch,
    installed: Vec<Epoch>,
    flights: VecDeque<Flight>,
    held: Vec<Arc<Snapshot>>,
    due: Option<Instant>,
    published: Option<Instant>,
    latency: Latency,
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    epoch: Epoch,
    published: Instant,
    last: Instant,
}

/// From publishing an epoch to its installation by the last worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// Epochs that every worker has installed.
    pub epochs: u64,
    pub latest: Duration,
    pub longest: Duration,
}

impl Publisher {
    /// Nothing is published yet; the first snapshot is due.
    ///
    /// # Panics
    /// When there are no workers: a fault of the caller's.
    pub fn new(workers: usize, now: Instant) -> Publisher {
        assert!(workers > 0, "an appliance has at least one worker");
        Publisher {
            epoch: Epoch(0),
            installed: vec![Epoch(0); workers],
            flights: VecDeque::new(),
            held: Vec::new(),
            due: Some(now),
            published: None,
            latency: Latency::default(),
        }
    }

    /// What the workers read has changed: they get it in this turn.
    pub fn changed(&mut self, now: Instant) {
        self.due = Some(self.due.map_or(now, |due| due.min(now)));
    }

    /// The same for what nobody waits for: within [`COALESCE`].
    pub fn changed_soon(&mut self, now: Instant) {
        self.changed(now + COALESCE);
    }

    /// The same for what others may bring about as often as they like: at once, but `pause` after the snapshot before.
    pub fn changed_paced(&mut self, pause: Duration, now: Instant) {
        self.changed(self.published.map_or(now, |at| now.max(at + pause)));
    }

    /// The same for what others bring about and nobody waits for: within [`PACE`].
    pub fn changed_at_leisure(&mut self, now: Instant) {
        self.changed(now + PACE);
    }

    /// A snapshot is to be compiled, for [`Publisher::next_epoch`], and handed to [`Publisher::publish`].
    pub fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now) && self.flights.len() < IN_FLIGHT
    }

    /// When [`Publisher::is_due`] becomes true without anything else happening.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.due.filter(|_| self.flights.len() < IN_FLIGHT)
    }

    /// The epoch of the next snapshot.
    pub fn next_epoch(&self) -> Epoch {
        Epoch(self.epoch.0 + 1)
    }

    /// The snapshot goes out; returns one hold on it for each worker.
    pub fn publish(
        &mut self,
        snapshot: Snapshot,
        now: Instant,
    ) -> impl Iterator<Item = (WorkerId, Arc<Snapshot>)> + use<> {
        debug_assert_eq!(snapshot.epoch, self.next_epoch());
        self.epoch = snapshot.epoch;
        (self.due, self.published) = (None, Some(now));
        self.flights.push_back(Flight { epoch: self.epoch, published: now, last: now });
        let snapshot = Arc::new(snapshot);
        self.held.push(snapshot.clone());
        (0..self.installed.len()).map(move |worker| (WorkerId(worker as u16), snapshot.clone()))
    }

    /// A worker has installed a snapshot and returns the one before. Says which epoch every worker has now, the latest if there
    /// are several, and since when.
    pub fn on_installed(
        &mut self,
        worker: WorkerId,
        epoch: Epoch,
        at: Instant,
        old: Option<Arc<Snapshot>>,
    ) -> Option<(Epoch, Instant)> {
        drop(old);
        self.sweep();
        let place = self.installed.get_mut(usize::from(worker.0))?;
        *place = epoch.max(*place);
        for flight in self.flights.iter_mut().filter(|flight| flight.epoch <= epoch) {
            flight.last = flight.last.max(at);
        }
        let everywhere = self.installed();
        let mut completed = None;
        while let Some(flight) = self.flights.front().copied().filter(|flight| flight.epoch <= everywhere) {
            self.flights.pop_front();
            let took = flight.last.since(flight.published);
            self.latency.epochs += 1;
            self.latency.latest = took;
            self.latency.longest = self.latency.longest.max(took);
            completed = Some((flight.epoch, flight.last));
        }
        completed
    }

    /// The snapshot that went out last.
    pub fn latest(&self) -> Option<&Snapshot> {
        self.held.last().map(|snapshot| &**snapshot)
    }

    /// The epoch that every worker has installed; 0: none yet.
    pub fn installed(&self) -> Epoch {
        self.installed.iter().copied().min().unwrap_or_default()
    }

    /// The epoch that holds every change made so far: the latest, or the next if one is due.
    pub fn epoch_of_changes(&self) -> Epoch {
        if self.due.is_some() { self.next_epoch() } else { self.epoch }
    }

    /// How long installations took.
    pub fn latency(&self) -> Latency {
        self.latency
    }

    /// Snapshots that some worker may still read.
    pub fn outstanding(&mut self) -> usize {
        self.sweep();
        self.held.iter().filter(|snapshot| Arc::strong_count(snapshot) > 1).count()
    }

    /// Drops what no worker has any more, except the latest.
    fn sweep(&mut self) {
        let latest = self.epoch;
        self.held.retain(|snapshot| snapshot.epoch == latest || Arc::strong_count(snapshot) > 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::harness;
    use crate::policy::adjacency::Adjacency;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn snapshot(epoch: Epoch) -> Snapshot {
        let intent = harness::two_arm();
        Snapshot::compile(&intent, &harness::health_of(&intent), &Adjacency::default(), &harness::MACS, epoch)
    }

    fn send(publisher: &mut Publisher, now: Instant) -> Vec<Arc<Snapshot>> {
        assert!(publisher.is_due(now));
        let made = snapshot(publisher.next_epoch());
        publisher.publish(made, now).map(|(_, snapshot)| snapshot).collect()
    }

    #[test]
    fn an_epoch_is_complete_when_the_last_worker_says_so() {
        let mut publisher = Publisher::new(2, at(0));
        let first = send(&mut publisher, at(0));
        assert_eq!((first.len(), publisher.is_due(at(100))), (2, false));
        assert_eq!(publisher.on_installed(WorkerId(1), Epoch(1), at(3), None), None);
        assert_eq!(publisher.installed(), Epoch(0));
        let completed = publisher.on_installed(WorkerId(0), Epoch(1), at(5), None);
        assert_eq!(completed, Some((Epoch(1), at(5))));
        let took = Duration::from_millis(5);
        assert_eq!(publisher.latency(), Latency { epochs: 1, latest: took, longest: took });
        assert_eq!(publisher.on_installed(WorkerId(9), Epoch(1), at(5), None), None, "no such worker");
    }

    #[test]
    fn changes_that_come_fast_share_an_epoch_and_few_are_under_way() {
        let mut publisher = Publisher::new(1, at(0));
        let mut sent = vec![send(&mut publisher, at(0))];
        for _ in 0..IN_FLIGHT + 3 {
            publisher.changed(at(1));
            if publisher.is_due(at(1)) {
                sent.push(send(&mut publisher, at(1)));
            }
        }
        assert_eq!((sent.len(), publisher.epoch_of_changes()), (IN_FLIGHT, Epoch(IN_FLIGHT as u64 + 1)));
        publisher.on_installed(WorkerId(0), Epoch(1), at(2), None);
        assert!(publisher.is_due(at(2)));
    }

    #[test]
    fn what_nobody_waits_for_is_coalesced() {
        let mut publisher = Publisher::new(1, at(0));
        send(&mut publisher, at(0));
        publisher.changed_soon(at(10));
        assert_eq!((publisher.is_due(at(10)), publisher.next_deadline()), (false, Some(at(30))));
        publisher.changed(at(15));
        assert!(publisher.is_due(at(15)));
    }

    #[test]
    fn what_strangers_bring_about_is_paced() {
        let mut publisher = Publisher::new(1, at(0));
        send(&mut publisher, at(0));
        publisher.changed_paced(PACE, at(500));
        assert!(publisher.is_due(at(500)), "nothing was published for long");
        send(&mut publisher, at(500));
        (501..590).for_each(|millis| publisher.changed_paced(PACE, at(millis)));
        assert_eq!(publisher.next_deadline(), Some(at(600)));
        publisher.changed(at(550));
        assert!(publisher.is_due(at(550)), "others do not wait for them");
    }

    #[test]
    fn every_snapshot_is_returned() {
        let mut publisher = Publisher::new(2, at(0));
        let mut workers: Vec<Option<Arc<Snapshot>>> = vec![None, None];
        for round in 0..20 {
            publisher.changed(at(round));
            let sent = send(&mut publisher, at(round));
            let weak = Arc::downgrade(&sent[0]);
            for (worker, snapshot) in sent.into_iter().enumerate() {
                let (epoch, old) = (snapshot.epoch, workers[worker].replace(snapshot));
                publisher.on_installed(WorkerId(worker as u16), epoch, at(round), old);
            }
            assert_eq!((publisher.outstanding(), publisher.held.len()), (1, 1), "only the latest is out");
            assert_eq!(weak.strong_count(), 3);
        }
        for (worker, snapshot) in workers.into_iter().enumerate() {
            publisher.on_installed(WorkerId(worker as u16), Epoch(20), at(99), snapshot);
        }
        assert_eq!(publisher.outstanding(), 0);
        assert_eq!(Arc::strong_count(&publisher.held[0]), 1);
    }
}
