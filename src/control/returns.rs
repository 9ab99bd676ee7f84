//! Fail-back: the preferred member takes over again from the one that is active.
//!
//! Owns who that would be, and when the pool is looked at for it. When it is due says [`fail_back`](super::fail_back).

use super::fail_back;
use super::pools::{MemberStatus, Pools};
use crate::admin::rows::Wall;
use crate::policy::health::State;
use crate::policy::intent::{FailBack, MemberId, Pool, PoolId, Says};
use crate::time::Instant;

impl Pools {
    /// Whether a member that is listed before the active one takes over again now; if it does later, the pool is
    /// reconsidered then.
    pub(super) fn fail_back(&mut self, id: PoolId, meant: &Pool, time: (Instant, Wall)) -> FailBack {
        let due = self.who_returns(id, meant).and_then(|first| fail_back::due(meant, self.members[&first].since, time));
        let review = due.filter(|due| *due > time.0).map(|due| (due, due.min(time.0 + fail_back::REVIEW)));
        let Some(pool) = self.pools.get_mut(&id) else { return FailBack::Never };
        if let Some((_, before)) = std::mem::replace(&mut pool.returns, review) {
            self.reviews.remove(&(before, id));
        }
        self.reviews.extend(review.map(|(_, at)| (at, id)));
        if due.is_some_and(|due| due <= time.0) { FailBack::Immediate } else { FailBack::Never }
    }

    /// The member that would take over again from the active one, if one would: not where the operator, a drill or the pair itself has
    /// chosen, nor where the active one is not up, since then the choice does not wait.
    fn who_returns(&self, id: PoolId, meant: &Pool) -> Option<MemberId> {
        let pool = self.pools.get(&id).filter(|pool| !pool.is_forced() && pool.preferred.is_none())?;
        let active = pool.active?;
        let MemberStatus { state, says, .. } = self.members.get(&active)?;
        if *state != State::Up || *says == Says::Active {
            return None;
        }
        let mut before = meant.members.iter().take_while(|member| **member != active).map(|&id| self.candidate(id));
        let first = before.find(|one| one.state == State::Up && !one.is_reserve && one.says == Says::Nothing)?;
        Some(first.member)
    }

    /// Says in the reason when the preferred member takes over again.
    pub(super) fn announce_return(&mut self, id: PoolId, meant: &Pool, (now, wall): (Instant, Wall)) {
        let Some(first) = self.who_returns(id, meant) else { return };
        if let Some(pool) = self.pools.get_mut(&id)
            && let Some((due, _)) = pool.returns
        {
            let (name, at) = (&self.members[&first].name, wall.plus(due.since(now)));
            pool.reason += &format!("; {name} takes over again at {at} if it stays up");
        }
    }
}
