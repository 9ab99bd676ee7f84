//! Whether another member may be given the requests that a lost one has not answered.
//!
//! Owns that question, which workers cannot answer alone: only monitors say that a member is dead, and all workers together that
//! it has been silent. It is not asked after force, drain, offline, fail_back or a reload: there the member lives, and answers.

use super::controller::Controller;
use super::tables::uses_of;
use crate::admin::rows::Cause;
use crate::policy::health::{Silence, State};
use crate::policy::intent::{MemberId, PoolId};
use crate::time::Instant;

impl Controller {
    /// How long the member has been silent that monitors have found dead: the one that was active, or the last one if none was.
    /// `None`: it has sent something from a service port since the first of the probes that decided it, or the cause is another.
    /// Answers to probes are not among what it sent: they go to addresses of our own.
    pub(super) fn silence_of_lost(&self, pool: PoolId, from: Option<MemberId>, cause: Cause) -> Option<Silence> {
        let last = || Some(self.pools.pool(pool).silence?.member);
        let member = from.or_else(last).filter(|member| self.intent.members.contains(*member))?;
        if cause != Cause::Monitor || self.pools.member(member).state != State::Down {
            return None;
        }
        let since = self.probing.monitors().deciding(member)?.failing_since?;
        let spoke = uses_of(&self.member_uses(), member).spoke;
        let is_silent = spoke.is_none_or(|at| at < since);
        is_silent.then(|| Silence { member, since: since.since(Instant::ZERO) })
    }
}
