//! A snapshot that differs from an earlier one only by who is alive and who is active.
//!
//! Owns [`Spare`]: an earlier snapshot that is brought up to date in the place of a new one. A switchover among thousands of pools
//! changes a handful of entries, and waits for no other.

use super::Intent;
use super::adjacency::Adjacency;
use super::health::Health;
use super::intent::PoolId;
use super::snapshot::{Epoch, Snapshot};
use std::collections::BTreeSet;

/// An earlier snapshot, and what has changed since.
#[derive(Clone, Debug)]
pub struct Spare {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// Pools of which health has said something else since. Nothing else has changed.
    pub behind: BTreeSet<PoolId>,
}

impl Spare {
    /// The snapshot for the epoch after `since`: what health says of the pools `changed` is new, everything else as in that of
    /// `since`. Intent, MACs and adjacency are those it was compiled from, but for members that have gone from the link since,
    /// or have come back: the ways to them are those of then.
    pub fn follow(
        self,
        since: Epoch,
        changed: BTreeSet<PoolId>,
        intent: &Intent,
        health: &Health,
        adjacency: &Adjacency,
    ) -> Snapshot {
        let Spare { mut snapshot, behind } = self;
        behind.union(&changed).for_each(|pool| snapshot.take_over(*pool, intent, health, adjacency));
        let of = |pool: &PoolId| intent.pools.get(*pool).map_or(&[][..], |pool| &pool.members);
        let members = changed.iter().flat_map(of).copied().collect();
        snapshot.follow(since, changed, members);
        snapshot
    }
}

#[cfg(test)]
mod tests;
