//! How many flows the members have that share work by that, told to the workers.
//!
//! Owns when they are counted: each worker counts its own, and here the sums are laid into the table that all of them read.

use super::controller::Controller;
use super::tables::uses_of;
use crate::policy::intent::Mode;
use crate::time::{Duration, Instant};

/// So old is what a worker knows of the flows of others, at most.
const PERIOD: Duration = Duration::from_millis(100);

impl Controller {
    /// Counts the flows if it is time to: never where no pool shares its work by them.
    pub(super) fn count_loads(&mut self, now: Instant) {
        if self.loads_due.is_none_or(|due| due > now) {
            return;
        }
        let workers = self.member_uses();
        for (id, _) in self.intent.pools.entries().filter(|(_, pool)| pool.mode == Mode::LeastConnections) {
            if let Some(sharing) = self.pools.pool(id).sharing() {
                sharing.count(|member| uses_of(&workers, member).flows);
            }
        }
        self.loads_due = Some(now + PERIOD);
    }

    /// A file has been taken over: it may have such a pool, or have none any more.
    pub(super) fn plan_loads(&mut self, now: Instant) {
        let is_needed = self.intent.pools.iter().any(|pool| pool.mode == Mode::LeastConnections);
        self.loads_due = is_needed.then_some(now);
    }
}
