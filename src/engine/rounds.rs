//! How far the rounds among several active members have come, and what was given to whom lately.
//!
//! Owns what one worker counts for that. Who may be chosen, and by which rule, says [`Sharing`].

use super::identification::mix;
use crate::policy::Snapshot;
use crate::policy::intent::{MemberId, Mode, PoolId};
use crate::policy::sharing::Sharing;
use std::sync::Arc;

/// How far the rounds have come, by pool, and what was given to whom since flows were last counted: each worker counts for itself.
pub(super) struct Rounds {
    turns: Vec<u32>,
    given: Vec<Given>,
    /// How many workers there are.
    workers: u64,
    seed: u64,
}

/// New flows of one worker and pool since management counted all flows last, by the member's place. As the others give away as much
/// meanwhile, as far as anybody knows, each stands for as many as there are workers: they do not all run after the same member.
#[derive(Clone, Default)]
struct Given {
    counted: u32,
    flows: Vec<u64>,
}

/// How far one pool has come at one worker.
#[derive(Clone)]
pub(super) struct Standing {
    turn: u32,
    given: Given,
    workers: u64,
}

impl Rounds {
    /// Those of one worker, for pools with ids below `bound`; its seed says where it begins, so that workers do not all begin with the
    /// same member.
    pub(super) fn new(seed: u64, bound: usize) -> Rounds {
        let mut rounds = Rounds { turns: Vec::new(), given: Vec::new(), workers: 1, seed };
        rounds.reserve(bound);
        rounds
    }

    /// How far these pools have come, as of one of as many workers.
    pub(super) fn of_pools(&self, pools: &[PoolId]) -> Vec<(PoolId, Standing)> {
        let of = |pool: &PoolId| {
            let (turn, given) = (*self.turns.get(pool.index())?, self.given.get(pool.index())?.clone());
            Some((*pool, Standing { turn, given, workers: self.workers }))
        };
        pools.iter().filter_map(of).collect()
    }

    /// A pool has come as far as another worker says.
    pub(super) fn take_over(&mut self, pool: PoolId, Standing { turn, given, workers }: Standing) {
        if let (Some(own), Some(known)) = (self.turns.get_mut(pool.index()), self.given.get_mut(pool.index())) {
            (*own, *known, self.workers) = (turn, given, workers);
        }
    }

    /// How many workers there are.
    pub(super) fn workers(&self) -> u64 {
        self.workers
    }

    /// One of so many workers.
    pub(super) fn share(&mut self, workers: usize) {
        self.workers = workers as u64;
    }

    /// Another set of members may take what is new: nothing has been given to them yet.
    pub(super) fn follow(&mut self, before: &Snapshot, snapshot: &Snapshot) {
        self.reserve(snapshot.pools.bound());
        match snapshot.changed_pools() {
            Some(changed) => changed.iter().for_each(|id| self.follow_pool(*id, before, snapshot)),
            None => snapshot.pools.ids().for_each(|id| self.follow_pool(id, before, snapshot)),
        }
    }

    fn follow_pool(&mut self, id: PoolId, before: &Snapshot, snapshot: &Snapshot) {
        let of = |snapshot: &Snapshot| snapshot.pools.get(id).and_then(|pool| pool.sharing.clone());
        let Some(sharing) = of(snapshot).filter(|it| it.mode() == Mode::LeastConnections) else { return };
        let given = &mut self.given[id.index()];
        let is_same = of(before).is_some_and(|before| Arc::ptr_eq(&before, &sharing));
        if !is_same || given.flows.len() != sharing.targets().len() {
            given.flows.clear();
            given.flows.resize(sharing.targets().len(), 0);
        }
    }

    /// There are pools with ids below `bound`.
    pub(super) fn reserve(&mut self, bound: usize) {
        while self.turns.len() < bound {
            let at = mix(self.seed.wrapping_add(self.turns.len() as u64));
            self.turns.push(at);
            self.given.push(Given::default());
        }
    }

    /// The member with the fewest flows for its weight, of those that `may`.
    pub(super) fn least(
        &mut self,
        pool: PoolId,
        sharing: &Sharing,
        may: impl Fn(MemberId) -> bool,
    ) -> Option<MemberId> {
        let turn = self.next(pool);
        let given = self.given.get_mut(pool.index())?;
        let counted = sharing.counted();
        if given.counted != counted {
            given.counted = counted;
            given.flows.fill(0);
        }
        let place = sharing.least(|at| given.flows.get(at).map_or(0, |flows| flows * self.workers), turn, may)?;
        given.flows.get_mut(place).into_iter().for_each(|flows| *flows += 1);
        Some(sharing.targets().get(place)?.member)
    }

    /// The count of questions before this one.
    pub(super) fn next(&mut self, pool: PoolId) -> u32 {
        let Some(turn) = self.turns.get_mut(pool.index()) else { return 0 };
        let now = *turn;
        *turn = now.wrapping_add(1);
        now
    }
}
