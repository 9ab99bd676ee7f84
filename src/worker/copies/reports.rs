//! How many requests of members that have died were delivered, and how many were lost.
//!
//! Owns [`Reports`], two counts for each pool: of copies that wait for an answer, since its member last answered one, and of copies
//! on their way to the one that took over. What is lost on the way belongs to the switchover that sent it there, not to the next.

use super::super::mailbox::RedeliveryCounts;
use super::count::CopyCount;
use crate::policy::ids::POOL_IDS;
use crate::policy::intent::PoolId;

/// The counts, by pool.
pub(super) struct Reports {
    waiting: Box<[RedeliveryCounts]>,
    leaving: Box<[RedeliveryCounts]>,
}

impl Reports {
    /// Nothing yet.
    pub(super) fn new() -> Reports {
        let none = || vec![RedeliveryCounts::default(); POOL_IDS].into();
        Reports { waiting: none(), leaving: none() }
    }

    /// A copy has ended so, on its way or not.
    pub(super) fn count(&mut self, pool: PoolId, is_leaving: bool, how: CopyCount) {
        let (Some(waiting), Some(leaving)) = (self.waiting.get_mut(pool.index()), self.leaving.get_mut(pool.index()))
        else {
            return;
        };
        let counts = if is_leaving { leaving } else { &mut *waiting };
        match how {
            CopyCount::Redelivered => counts.delivered += 1,
            CopyCount::Expired => counts.too_old += 1,
            CopyCount::Full => counts.no_room += 1,
            CopyCount::Answered | CopyCount::Provisional => *waiting = RedeliveryCounts::default(),
            CopyCount::Kept | CopyCount::Discarded | CopyCount::Unread => {}
        }
    }

    /// Somebody has taken over: what was lost until now is of that switchover.
    pub(super) fn begin(&mut self, pool: PoolId) {
        let RedeliveryCounts { delivered, too_old, no_room } = take(&mut self.waiting, pool);
        if let Some(leaving) = self.leaving.get_mut(pool.index()) {
            leaving.delivered += delivered;
            leaving.too_old += too_old;
            leaving.no_room += no_room;
        }
    }

    /// All that is known of the switchover that has begun.
    pub(super) fn finish(&mut self, pool: PoolId) -> RedeliveryCounts {
        take(&mut self.leaving, pool)
    }

    /// Another was chosen although the member lives, or it is back: what it has not answered, and what was on its way from one that
    /// was lost before it, is of no later death.
    pub(super) fn discard(&mut self, pool: PoolId) {
        take(&mut self.waiting, pool);
        take(&mut self.leaving, pool);
    }
}

fn take(counts: &mut [RedeliveryCounts], pool: PoolId) -> RedeliveryCounts {
    counts.get_mut(pool.index()).map(std::mem::take).unwrap_or_default()
}
