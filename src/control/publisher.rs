//! Handing snapshots out, and taking them back.
//!
//! Owns the epoch, which worker has installed which, and a hold on every snapshot until no worker has it any more, so
//! that each is dropped here and never on a worker's core. At most [`IN_FLIGHT`] epochs are on their way at once: changes
//! that come faster share the next one. Compiles nothing: the controller makes the snapshot as [`Publisher::take_work`] says.
//!
//! A [`Spare`] is at hand, of what workers had before: where only health has changed, it is brought up to date and goes out again.

use crate::policy::intent::PoolId;
use crate::policy::{Epoch, Snapshot, Spare};
use crate::time::{Duration, Instant};
use crate::worker::mailbox::WorkerId;
use std::collections::{BTreeSet, VecDeque};
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
    latest: Option<Arc<Snapshot>>,
    /// Earlier ones that some worker may still read.
    held: Vec<Held>,
    spare: Option<Box<Spare>>,
    /// When a snapshot is to be compiled.
    due: Option<Instant>,
    /// Pools of which health has changed, and since when.
    pools: BTreeSet<PoolId>,
    pools_due: Option<Instant>,
    published: Option<Instant>,
    latency: Latency,
}

/// How the next snapshot is made.
#[derive(Debug)]
pub enum Work {
    /// Compiled, from everything.
    Compile,
    /// The spare one follows the latest, of this epoch, and health has changed in these pools.
    Follow(Box<Spare>, Epoch, BTreeSet<PoolId>),
}

#[derive(Debug)]
struct Held {
    snapshot: Arc<Snapshot>,
    /// Pools that health has changed since; `None`: other things have changed as well.
    behind: Option<BTreeSet<PoolId>>,
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
            latest: None,
            held: Vec::new(),
            spare: None,
            due: Some(now),
            pools: BTreeSet::new(),
            pools_due: None,
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

    /// Health has changed of these pools, and nothing else: workers get it in this turn.
    pub fn changed_health(&mut self, pools: impl IntoIterator<Item = PoolId>, now: Instant) {
        self.pools.extend(pools);
        if !self.pools.is_empty() {
            self.pools_due.get_or_insert(now);
        }
    }

    /// What is to be made now, for [`Publisher::next_epoch`], and handed to [`Publisher::publish`].
    pub fn take_work(&mut self, now: Instant) -> Option<Work> {
        let next = self.next_deadline().filter(|due| *due <= now);
        next?;
        let pools = std::mem::take(&mut self.pools);
        self.pools_due = None;
        match &self.latest {
            Some(latest) if self.due.is_none_or(|due| due > now) => {
                let spare = self.spare.take().unwrap_or_else(|| Box::new(spare_of(latest)));
                Some(Work::Follow(spare, self.epoch, pools))
            }
            _ => {
                self.due = None;
                Some(Work::Compile)
            }
        }
    }

    /// What is to be made now is the latest with other health: little work.
    pub fn follows(&self, now: Instant) -> bool {
        self.latest.is_some() && self.due.is_none_or(|due| due > now)
    }

    /// When [`Publisher::take_work`] has something to do without anything else happening.
    pub fn next_deadline(&self) -> Option<Instant> {
        let due = [self.due, self.pools_due].into_iter().flatten().min();
        due.filter(|_| self.flights.len() < IN_FLIGHT)
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
        self.published = Some(now);
        self.flights.push_back(Flight { epoch: self.epoch, published: now, last: now });
        let before = self.latest.take().map(|snapshot| Held { snapshot, behind: Some(BTreeSet::new()) });
        self.held.extend(before);
        self.note_changes(snapshot.changed_pools());
        let snapshot = Arc::new(snapshot);
        self.latest = Some(snapshot.clone());
        (0..self.installed.len()).map(move |worker| (WorkerId(worker as u16), snapshot.clone()))
    }

    /// Those of before are so much further behind.
    fn note_changes(&mut self, pools: Option<&BTreeSet<PoolId>>) {
        let Some(pools) = pools else {
            self.held.iter_mut().for_each(|held| held.behind = None);
            self.spare = None;
            return;
        };
        let spare = self.spare.iter_mut().map(|spare| &mut spare.behind);
        let held = self.held.iter_mut().filter_map(|held| held.behind.as_mut());
        held.chain(spare).for_each(|behind| behind.extend(pools));
    }

    /// Has a spare snapshot ready, if there is a moment for it: every worker has the latest, and none of before has come back.
    pub fn prepare(&mut self) {
        if let Some(latest) = &self.latest
            && self.spare.is_none()
            && self.flights.is_empty()
        {
            self.spare = Some(Box::new(spare_of(latest)));
        }
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
        self.latest.as_deref()
    }

    /// The epoch that every worker has installed; 0: none yet.
    pub fn installed(&self) -> Epoch {
        self.installed.iter().copied().min().unwrap_or_default()
    }

    /// The epoch that holds every change made so far: the latest, or the next if one is due.
    pub fn epoch_of_changes(&self) -> Epoch {
        if self.due.or(self.pools_due).is_some() { self.next_epoch() } else { self.epoch }
    }

    /// How long installations took.
    pub fn latency(&self) -> Latency {
        self.latency
    }

    /// Snapshots that some worker may still read.
    pub fn outstanding(&mut self) -> usize {
        self.sweep();
        let latest = self.latest.iter().filter(|snapshot| Arc::strong_count(snapshot) > 1);
        latest.count() + self.held.len()
    }

    /// What no worker has any more is the spare one from now on, if it can be, or dropped.
    fn sweep(&mut self) {
        for Held { snapshot, behind } in std::mem::take(&mut self.held) {
            match Arc::try_unwrap(snapshot) {
                Err(snapshot) => self.held.push(Held { snapshot, behind }),
                Ok(snapshot) => {
                    if let Some(behind) = behind {
                        self.spare = Some(Box::new(Spare { snapshot, behind }));
                    }
                }
            }
        }
    }
}

fn spare_of(latest: &Snapshot) -> Spare {
    Spare { snapshot: latest.clone(), behind: BTreeSet::new() }
}

#[cfg(test)]
mod tests;
