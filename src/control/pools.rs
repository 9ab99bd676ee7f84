//! Who is active in each pool, and what the workers are told of it.
//!
//! Owns the operator's word on members and pools, laid over what the monitors say; the active member and its
//! generation; and what follows from losing the role: whose TCP is lost, and who may not claim peers for a while. The
//! choice itself is [`election::choose`]'s. Probes nothing and publishes nothing.

use crate::admin::request::MemberWord;
use crate::monitor::Verdict;
use crate::monitor::election::{self, Ballot, Candidate, Choice};
use crate::policy::Intent;
use crate::policy::health::{Generation, Health, MemberHealth, PoolHealth, State};
use crate::policy::intent::{Member, MemberId, Pool, PoolId};
use crate::time::{Duration, Instant};
use std::net::Ipv4Addr;

/// How long a member that lost the active role cannot claim peers by speaking: what it sends may be an echo from its
/// queue, or a retransmission (64·T1, RFC 3261 17.1.1.2, when every transaction of it has ended).
pub const ECHO: Duration = Duration::from_secs(32);

/// A member as it stands now.
#[derive(Clone, Debug)]
pub struct MemberStanding {
    /// Its name.
    pub name: String,
    /// Its address.
    address: Ipv4Addr,
    /// The name of its pool, whose generations it counts by.
    pool: String,
    /// The operator's word.
    pub word: MemberWord,
    /// What the monitors say, with the word laid over.
    pub state: State,
    /// Why.
    pub reason: String,
    /// Since when it is in that state.
    pub since: Instant,
    lost_role: Option<Instant>,
    lost_before: Generation,
    /// It lost the role while it still answered: its connections live on. Its flows of earlier generations are lost
    /// when it is.
    released: Option<Generation>,
}

/// A pool as it stands now.
#[derive(Clone, Debug)]
pub struct PoolStanding {
    /// Its name.
    pub name: String,
    /// Where clients go.
    pub active: Option<MemberId>,
    /// Counts changes of `active`.
    pub generation: Generation,
    /// Whom the operator wants.
    pub forced: Option<MemberId>,
    /// Why this member is active, or why none.
    pub reason: String,
    /// Since when.
    pub since: Instant,
    /// What an operator should look at, and since when.
    pub alarm: Option<(Instant, String)>,
}

/// The active member of a pool is another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switched {
    /// Which pool.
    pub pool: PoolId,
    /// Who was active.
    pub from: Option<MemberId>,
    /// Who is.
    pub to: Option<MemberId>,
    /// Why.
    pub reason: String,
}

/// What a look at all pools brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Active members that are others now.
    pub switched: Vec<Switched>,
    /// Alarms that were not there before.
    pub raised: Vec<(PoolId, String)>,
    /// Alarms that are gone.
    pub cleared: Vec<PoolId>,
}

/// All pools and members; the lists run parallel to those of the intent.
#[derive(Clone, Debug)]
pub struct Pools {
    /// The members.
    pub members: Vec<MemberStanding>,
    /// The pools.
    pub pools: Vec<PoolStanding>,
}

impl Pools {
    /// Nobody is active yet and the operator has said nothing.
    pub fn new(intent: &Intent, now: Instant) -> Pools {
        let mut pools = Pools { members: Vec::new(), pools: Vec::new() };
        pools.reconfigure(intent, now);
        pools
    }

    /// Takes a new intent. The operator's words, the active member and the generation stay with the pools whose names
    /// survive and the members whose addresses do. Told are the pools that have lost their active member to the new
    /// intent, with that member's place in the old one.
    pub fn reconfigure(&mut self, intent: &Intent, now: Instant) -> Vec<(PoolId, MemberId)> {
        let mut bereft = Vec::new();
        // A new pool counts on from the highest generation, so that no flow of an earlier one looks current; and one that
        // is joined by a member of another, so that no new flow of that member looks like one it has lost there.
        let highest = self.pools.iter().map(|pool| pool.generation).max().unwrap_or_default();
        let old = std::mem::replace(self, Pools { members: Vec::new(), pools: Vec::new() });
        let moved =
            |id: MemberId, pool: PoolId| old.moved(id, intent).filter(|new| intent.members[new.index()].pool == pool);
        self.members = intent.members.iter().map(|member| old.heir_of(member, intent, now)).collect();
        for (at, meant) in intent.pools.iter().enumerate() {
            let id = PoolId(at as u16);
            let mut pool = match old.pools.iter().find(|pool| pool.name == meant.name) {
                Some(known) => known.clone(),
                None => fresh_pool(&meant.name, highest, now),
            };
            if old.is_joined(&pool, meant, intent) {
                pool.generation = pool.generation.max(highest);
            }
            let before = pool.active;
            pool.active = pool.active.and_then(|member| moved(member, id));
            pool.forced = pool.forced.and_then(|member| moved(member, id));
            if before.is_some() && pool.active.is_none() {
                pool.generation.0 += 1;
                pool.since = now;
                bereft.extend(before.map(|before| (id, before)));
            }
            self.pools.push(pool);
        }
        bereft
    }

    /// Weighs what the monitors and the operator say now.
    pub fn reconsider<'a>(
        &mut self,
        intent: &Intent,
        verdict: impl Fn(MemberId) -> &'a Verdict,
        now: Instant,
    ) -> Changes {
        let lost: Vec<bool> =
            (0..self.members.len()).map(|at| self.overlay(at, verdict(MemberId(at as u16)), now)).collect();
        let mut changes = Changes::default();
        for (at, meant) in intent.pools.iter().enumerate() {
            let candidates: Vec<Candidate<'_>> = meant.members.iter().map(|&id| self.candidate(id)).collect();
            let choice = election::choose(&Ballot {
                candidates: &candidates,
                current: self.pools[at].active,
                forced: self.pools[at].forced,
                fail_back: meant.fail_back,
                no_member: meant.no_member,
            });
            self.apply(PoolId(at as u16), choice, &lost, &mut changes, now);
        }
        self.lose_released(&lost);
        self.forget_echoes(now);
        changes
    }

    /// What the workers are to know.
    pub fn health(&self) -> Health {
        let member = |standing: &MemberStanding| MemberHealth {
            state: standing.state,
            may_claim: standing.word != MemberWord::Offline && standing.lost_role.is_none(),
            lost_before: standing.lost_before,
        };
        let pool = |standing: &PoolStanding| PoolHealth { active: standing.active, generation: standing.generation };
        Health { members: self.members.iter().map(member).collect(), pools: self.pools.iter().map(pool).collect() }
    }

    /// When time alone changes something: [`Pools::reconsider`] is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.members.iter().filter_map(|member| member.lost_role).map(|lost| lost + ECHO).min()
    }

    /// The operator's word on a member. Drained or offline, it is no longer forced.
    pub fn set_word(&mut self, member: MemberId, word: MemberWord) {
        self.members[member.index()].word = word;
        if word != MemberWord::Enable {
            self.pools.iter_mut().filter(|pool| pool.forced == Some(member)).for_each(|pool| pool.forced = None);
        }
    }

    /// Whom the operator wants; `None` gives the choice back.
    pub fn force(&mut self, pool: PoolId, member: Option<MemberId>) {
        self.pools[pool.index()].forced = member;
    }

    /// The member's standing.
    pub fn member(&self, id: MemberId) -> &MemberStanding {
        &self.members[id.index()]
    }

    /// The pool's standing.
    pub fn pool(&self, id: PoolId) -> &PoolStanding {
        &self.pools[id.index()]
    }

    /// Lays the word over the verdict; returned is whether the member is lost: what it had is gone.
    fn overlay(&mut self, at: usize, verdict: &Verdict, now: Instant) -> bool {
        let member = &mut self.members[at];
        let (state, reason) = match member.word {
            MemberWord::Enable => (verdict.state, verdict.reason.clone()),
            MemberWord::Drain => (State::Drained, format!("drained by the operator; {}", verdict.reason)),
            MemberWord::Offline => (State::Offline, format!("taken offline by the operator; {}", verdict.reason)),
        };
        if state != member.state {
            member.since = if member.word == MemberWord::Enable { verdict.since.max(member.since) } else { now };
        }
        (member.state, member.reason) = (state, reason);
        member.word == MemberWord::Offline || verdict.state == State::Down
    }

    fn candidate(&self, id: MemberId) -> Candidate<'_> {
        let member = &self.members[id.index()];
        Candidate { member: id, name: &member.name, state: member.state, reason: &member.reason }
    }

    fn apply(&mut self, id: PoolId, choice: Choice, lost: &[bool], changes: &mut Changes, now: Instant) {
        let pool = &mut self.pools[id.index()];
        match (&choice.alarm, pool.alarm.take()) {
            (Some(message), Some((since, _))) => pool.alarm = Some((since, message.clone())),
            (Some(message), None) => {
                pool.alarm = Some((now, message.clone()));
                changes.raised.push((id, message.clone()));
            }
            (None, Some(_)) => changes.cleared.push(id),
            (None, None) => {}
        }
        pool.reason.clone_from(&choice.reason);
        if choice.active != pool.active {
            let from = std::mem::replace(&mut pool.active, choice.active);
            pool.since = now;
            pool.generation.0 += 1;
            let generation = pool.generation;
            self.hand_over(from, choice.active, generation, lost, now);
            changes.switched.push(Switched { pool: id, from, to: choice.active, reason: choice.reason });
        }
    }

    fn hand_over(
        &mut self,
        from: Option<MemberId>,
        to: Option<MemberId>,
        generation: Generation,
        lost: &[bool],
        now: Instant,
    ) {
        if let Some(from) = from {
            let member = &mut self.members[from.index()];
            member.lost_role = Some(now);
            if lost[from.index()] {
                member.lost_before = generation;
            } else {
                member.released = Some(generation);
            }
        }
        if let Some(to) = to {
            let member = &mut self.members[to.index()];
            (member.lost_role, member.released) = (None, None);
        }
    }

    fn lose_released(&mut self, lost: &[bool]) {
        for (member, _) in self.members.iter_mut().zip(lost).filter(|(_, lost)| **lost) {
            if let Some(generation) = member.released.take() {
                member.lost_before = generation;
            }
        }
    }

    fn forget_echoes(&mut self, now: Instant) {
        for member in &mut self.members {
            member.lost_role = member.lost_role.filter(|&lost| now.since(lost) < ECHO);
        }
    }

    /// Where the member is now: an address is one member's for as long as it is in the file, whatever its name.
    fn moved(&self, id: MemberId, intent: &Intent) -> Option<MemberId> {
        let address = self.members.get(id.index())?.address;
        intent.members.iter().position(|new| new.address == address).map(|at| MemberId(at as u16))
    }

    /// A member that was in another pool is in this one now.
    fn is_joined(&self, pool: &PoolStanding, meant: &Pool, intent: &Intent) -> bool {
        let came = |id: &MemberId| {
            let address = intent.members[id.index()].address;
            self.members.iter().any(|old| old.address == address && old.pool != pool.name)
        };
        meant.members.iter().any(came)
    }

    /// All goes with the address; the operator's word also with the name.
    fn heir_of(&self, member: &Member, intent: &Intent, now: Instant) -> MemberStanding {
        let pool = intent.pools[member.pool.index()].name.clone();
        if let Some(known) = self.members.iter().find(|old| old.address == member.address) {
            return MemberStanding { name: member.name.clone(), pool, ..known.clone() };
        }
        let namesake = self.members.iter().find(|old| old.name == member.name);
        fresh_member(member, pool, namesake.map_or(MemberWord::Enable, |old| old.word), now)
    }
}

fn fresh_member(member: &Member, pool: String, word: MemberWord, now: Instant) -> MemberStanding {
    MemberStanding {
        name: member.name.clone(),
        address: member.address,
        pool,
        word,
        state: State::Unknown,
        reason: "not probed yet".into(),
        since: now,
        lost_role: None,
        lost_before: Generation(0),
        released: None,
    }
}

fn fresh_pool(name: &str, generation: Generation, now: Instant) -> PoolStanding {
    PoolStanding {
        name: name.into(),
        active: None,
        generation,
        forced: None,
        reason: "no member was probed yet".into(),
        since: now,
        alarm: None,
    }
}

#[cfg(test)]
mod tests;
