//! Health without probes: who is up is said by whoever asks.
//!
//! Owns the verdicts that are assumed. Who is active follows from them by the same choice as in the field; nobody is probed, logged or
//! alarmed.

use super::outbox::Outbox;
use super::pools::Pools;
use crate::admin::rows::{AdminState, Wall};
use crate::monitor::Verdict;
use crate::policy::health::{Health, State};
use crate::policy::intent::{Intent, MemberId, Mode, PoolId};
use crate::time::Instant;
use std::collections::HashSet;

/// Members that are up but for those said to be down, and who is active by that. Who is drained or offline in the file is, unless it is
/// said to be active.
pub struct AssumedHealth {
    pools: Pools,
    health: Health,
    down: HashSet<MemberId>,
    verdicts: [Verdict; 2],
}

impl AssumedHealth {
    /// Every member of the intent is up since `now`.
    pub fn everybody_up(intent: &Intent, now: Instant) -> AssumedHealth {
        AssumedHealth::of(intent, &[], &[], now)
    }

    /// Every member is up but `down`; in pools of one active member it is one of `active` where that is theirs, else who is chosen.
    pub fn of(intent: &Intent, down: &[MemberId], active: &[MemberId], now: Instant) -> AssumedHealth {
        let verdict =
            |state| Verdict { state, reason: format!("assumed to be {state}"), since: now, says: Default::default() };
        let mut pools = Pools::new(intent, now);
        for (member, meant) in active.iter().filter_map(|id| Some((*id, intent.members.get(*id)?))) {
            pools.set_admin(member, AdminState::Enabled, Wall::default());
            pools.force(meant.pool, Some(member), Wall::default());
        }
        let health = pools.health();
        let verdicts = [verdict(State::Up), verdict(State::Down)];
        let mut assumed = AssumedHealth { pools, health, down: down.iter().copied().collect(), verdicts };
        assumed.reconsider(intent, now);
        assumed
    }

    /// The active member of the member's pool is lost, and this one, which is up from now on, takes over.
    pub fn switch_over(&mut self, intent: &Intent, to: MemberId, now: Instant) {
        let Some(pool) = intent.members.get(to).map(|member| member.pool) else { return };
        let lost = self.active(pool).filter(|active| *active != to);
        self.down.extend(lost);
        self.down.remove(&to);
        self.pools.set_admin(to, AdminState::Enabled, Wall::default());
        self.pools.force(pool, Some(to), Wall::default());
        self.reconsider(intent, now);
    }

    /// What time alone changes. Says whether it did.
    pub fn poll(&mut self, intent: &Intent, now: Instant) -> bool {
        self.pools.next_deadline().is_some_and(|due| due <= now) && self.reconsider(intent, now)
    }

    /// What the workers are to know.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Who is active in a pool of one active member.
    pub fn active(&self, pool: PoolId) -> Option<MemberId> {
        self.pools.pool(pool).active
    }

    /// Why who is active there is.
    pub fn reason(&self, pool: PoolId) -> &str {
        &self.pools.pool(pool).reason
    }

    /// The flows that each member has are counted, where that says who gets the next one; `of` says how many.
    pub fn count_flows(&self, of: impl Fn(MemberId) -> u64) {
        let shared = self.health.pools.iter().filter_map(|pool| pool.sharing.as_ref());
        shared.filter(|sharing| sharing.mode() == Mode::LeastConnections).for_each(|sharing| sharing.count(&of));
    }

    fn reconsider(&mut self, intent: &Intent, now: Instant) -> bool {
        let AssumedHealth { pools, health, down, verdicts: [up, lost] } = self;
        let (up, lost): (&Verdict, &Verdict) = (up, lost);
        intent.pools.entries().for_each(|(id, _)| pools.touch(id));
        let verdict = |member: MemberId| if down.contains(&member) { lost } else { up };
        let (_, news) = pools.reconsider(intent, verdict, health, &mut Outbox::default(), (now, Wall::default()));
        !news.is_empty()
    }
}
