//! All entries, and what follows from each: its timer, its part of the adjacency, and how many are being asked.
//!
//! Owns that these agree with the entries: every change of one is a [`Table::put`].

use super::host::Host;
use crate::policy::adjacency::{Adjacency, Neighbour, NextHop};
use crate::time::Instant;
use std::collections::{BTreeSet, HashMap};

/// The entries.
#[derive(Debug, Default)]
pub(super) struct Table {
    hosts: HashMap<NextHop, Host, foldhash::fast::RandomState>,
    timers: BTreeSet<(Instant, NextHop)>,
    adjacency: Adjacency,
    resolving: usize,
    waiting: usize,
}

impl Table {
    pub(super) fn get(&self, hop: NextHop) -> Option<&Host> {
        self.hosts.get(&hop)
    }

    /// It was heard at `now`; nothing else changes.
    pub(super) fn set_heard(&mut self, hop: NextHop, now: Instant) {
        if let Some(host) = self.hosts.get_mut(&hop) {
            host.heard = now;
        }
    }

    /// All of them, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = (NextHop, &Host)> {
        self.hosts.iter().map(|(hop, host)| (*hop, host))
    }

    pub(super) fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Which is due first, and when.
    pub(super) fn first(&self) -> Option<(Instant, NextHop)> {
        self.timers.first().copied()
    }

    /// What snapshots are compiled from.
    pub(super) fn adjacency(&self) -> &Adjacency {
        &self.adjacency
    }

    /// How many are being asked for the first time, permanent ones aside.
    pub(super) fn resolving(&self) -> usize {
        self.resolving
    }

    /// How many have been asked something whose answer is due.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// The entry is this from now on, or gone. Says whether it is no longer in the adjacency.
    pub(super) fn put(&mut self, hop: NextHop, after: Option<Host>) -> bool {
        let before = match after {
            Some(host) => self.hosts.insert(hop, host),
            None => self.hosts.remove(&hop),
        };
        let due = |host: &Host| host.due;
        if before.as_ref().map(due) != after.as_ref().map(due) {
            before.iter().for_each(|host| _ = self.timers.remove(&(host.due, hop)));
            after.iter().for_each(|host| _ = self.timers.insert((host.due, hop)));
        }
        let count = |counts: fn(&Host) -> bool, host: Option<Host>| usize::from(host.as_ref().is_some_and(counts));
        self.resolving = self.resolving + count(Host::is_resolving, after) - count(Host::is_resolving, before);
        self.waiting = self.waiting + count(Host::is_waiting, after) - count(Host::is_waiting, before);
        let neighbour = |host: Option<Host>| host.and_then(|host| host.neighbour());
        if neighbour(before) != neighbour(after) {
            return self.set_neighbour(hop, neighbour(after));
        }
        false
    }

    fn set_neighbour(&mut self, hop: NextHop, neighbour: Option<Neighbour>) -> bool {
        match neighbour {
            Some(neighbour) => _ = self.adjacency.insert(hop, neighbour),
            None => return self.adjacency.remove(&hop).is_some(),
        }
        false
    }
}
