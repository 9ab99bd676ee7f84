//! Who is active in each pool, and what workers must know of it.
//!
//! Owns the active member and its generation; how long a lost one stays the target; and what follows from losing the role: whose TCP is
//! lost, and who may not claim peers for a while. What the operator has set (`operator_choices`) is laid over what the monitors say. The choice
//! itself is [`election::choose`]'s. Probes nothing and publishes nothing.

mod member;

pub use member::{MemberStatus, Share};

use super::drains::Drain;
use super::outbox::Outbox;
use super::restored::{Binding, Restored};
use super::slow_start::SlowStart;
use crate::admin::events::Subject;
use crate::admin::rows::{AdminState, Wall};
use crate::events::AlarmCode;
use crate::monitor::Verdict;
use crate::monitor::election::{self, Ballot, Candidate, Choice, Keeps};
use crate::policy::Intent;
use crate::policy::health::{Generation, Health, MemberHealth, PairHealth, PoolHealth, Silence, State};
use crate::policy::intent::{MemberId, Mode, NoMember, Pool, PoolId};
use crate::policy::sharing::Sharing;
use crate::time::{Duration, Instant};
use member::{fresh_member, held_key};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How long a member that lost the active role cannot claim peers by speaking: what it sends may be an echo from its
/// queue, or a retransmission (64·T1, RFC 3261 17.1.1.2, when every transaction of it has ended).
pub const CLAIM_HOLDOFF: Duration = Duration::from_secs(32);

/// A pool as it stands now.
#[derive(Clone, Debug)]
pub struct PoolStatus {
    /// Where clients go.
    pub active: Option<MemberId>,
    /// Counts changes of `active`; where several members are, their losses.
    pub generation: Generation,
    /// Whom the operator wants.
    pub forced: Option<MemberId>,
    /// Since when that is so.
    pub forced_since: Wall,
    /// Whom a drill wants, if nobody is forced.
    pub(super) preferred: Option<MemberId>,
    /// The active appliance of the pair has chosen, and this one stands by.
    pub(super) follows: bool,
    /// He wanted it before the appliance was started again.
    pub(super) restored: Option<Restored>,
    /// Who takes new work, where several members are active.
    pub(super) sharing: Option<Arc<Sharing>>,
    /// When the first of them no longer wait for the others.
    pub(super) opens: Option<Instant>,
    /// What the member before has not answered may be delivered to the next.
    pub silence: Option<Silence>,
    /// Why this member is active, or why none.
    pub reason: String,
    /// Since when.
    pub since: Instant,
    /// It has had an active member.
    pub(super) served: bool,
    /// When the active member, which is lost, ceases to be the target.
    pub(super) gap_ends: Option<Instant>,
    /// When a member that is preferred takes over again, and when that is looked at next.
    pub(super) returns: Option<(Instant, Instant)>,
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
    /// The pool never had an active member before.
    pub first: bool,
}

/// All pools and members of the intent.
#[derive(Clone, Debug, Default)]
pub struct Pools {
    pub(super) members: BTreeMap<MemberId, MemberStatus>,
    pub(super) pools: BTreeMap<PoolId, PoolStatus>,
    /// Members that are drained.
    pub(super) drained: BTreeSet<MemberId>,
    /// Pools of which something may have changed since they were last reconsidered.
    pub(super) touched: BTreeSet<PoolId>,
    /// Those that were reconsidered since this was last asked.
    reconsidered: Vec<PoolId>,
    /// Those that were since the other appliance of the pair was last given them.
    unsaid: BTreeSet<PoolId>,
    /// How many pools share their work by source address: where there are very many, their tables are smaller.
    pub(super) by_source: usize,
    /// Members that cannot claim peers, by when that ends.
    holdoffs: BTreeSet<(Instant, MemberId)>,
    /// Pools whose lost member is the target for a while, by when that ends.
    pub(super) gaps: BTreeSet<(Instant, PoolId)>,
    /// Pools to be reconsidered because of what was restored, of who is held back, takes over again or is in slow start, by when.
    pub(super) reviews: BTreeSet<(Instant, PoolId)>,
}

impl Pools {
    /// No member is active yet, and all are as the file has them.
    pub fn new(intent: &Intent, now: Instant) -> Pools {
        let mut pools = Pools::default();
        pools.reconfigure(intent, &mut Outbox::default(), now);
        pools
    }

    /// Takes a new intent: what is known of members and pools stays with their ids. Returns the pools that have lost their
    /// active member to the new intent, and that member.
    pub fn reconfigure(&mut self, intent: &Intent, out: &mut Outbox, now: Instant) -> Vec<(PoolId, MemberId)> {
        // A new pool counts on from the highest generation, so that no flow of an earlier one looks current; and one that
        // is joined by a member of another, so that no new flow of that member looks like one it has lost there.
        let highest = self.pools.values().map(|pool| pool.generation).max().unwrap_or_default();
        self.pools.retain(|id, _| {
            let stays = intent.pools.contains(*id);
            if !stays {
                let keys = [alarm_key(*id), missing_key(*id), restored_key(*id)];
                keys.iter().for_each(|key| _ = out.clear(key, || "the pool is in the file no more".into()));
            }
            stays
        });
        let mut lost_active = Vec::new();
        for (id, meant) in intent.pools.entries() {
            let joins = |member: &MemberId| self.members.get(member).is_some_and(|known| known.pool != id);
            let joined = meant.members.iter().any(joins);
            let pool = self.pools.entry(id).or_insert_with(|| fresh_pool(highest, now));
            if joined {
                pool.generation = highest;
            }
            pool.forced = pool.forced.filter(|member| meant.members.contains(member));
            pool.preferred = pool.preferred.filter(|member| meant.members.contains(member));
            // While nobody is active, it is still for whoever takes over.
            let waits = pool.active.is_none();
            pool.silence = pool.silence.filter(|silence| waits && meant.members.contains(&silence.member));
            if let Some(gone) = pool.active.take_if(|member| !meant.members.contains(member)) {
                pool.generation.0 += 1;
                pool.since = now;
                lost_active.push((id, gone));
            }
        }
        self.follow_members(intent, out, now);
        self.by_source = intent.pools.iter().filter(|pool| pool.mode == Mode::SourceHash).count();
        intent.pools.entries().for_each(|(id, meant)| self.change_mode((id, meant), intent, out, now));
        self.holdoffs.retain(|(_, id)| intent.members.contains(*id));
        self.gaps.retain(|(_, id)| intent.pools.contains(*id));
        self.reviews.retain(|(_, id)| intent.pools.contains(*id));
        self.touched = intent.pools.entries().map(|(id, _)| id).collect();
        lost_active
    }

    /// Something may have changed for a member of this pool.
    pub fn touch(&mut self, pool: PoolId) {
        self.touched.insert(pool);
    }

    /// A member at a new address is another one; but what the operator has set goes with the name as well. What he has not set is as
    /// the file has it.
    fn follow_members(&mut self, intent: &Intent, out: &mut Outbox, now: Instant) {
        let of = |known: &MemberStatus| (known.name.clone(), (known.admin, known.admin_since, known.drain));
        let set = self.members.values().filter(|known| known.is_set());
        let set: BTreeMap<String, (AdminState, Wall, Drain)> = set.map(of).collect();
        self.members.retain(|id, _| {
            let stays = intent.members.contains(*id);
            if !stays {
                out.clear(&held_key(*id), || "the member is in the file no more".into());
            }
            stays
        });
        for (id, meant) in intent.members.entries() {
            let unset = (meant.admin_state, Wall::default(), Drain::default());
            let admin = || set.get(&meant.name).copied().unwrap_or(unset);
            let serves = self.pools.get(&meant.pool).is_some_and(|pool| pool.served);
            let member = self.members.entry(id).or_insert_with(|| fresh_member(meant, admin(), serves, now));
            if member.pool != meant.pool {
                member.slow_start = SlowStart::new(serves);
            }
            (member.pool, member.name) = (meant.pool, meant.name.clone());
            let pool = intent.pools.get(meant.pool).map_or("", |pool| &pool.name);
            self.follow_file((id, meant), pool, out);
        }
        let is_drained = |(_, known): &(&MemberId, &MemberStatus)| known.admin == AdminState::Draining;
        self.drained = self.members.iter().filter(is_drained).map(|(id, _)| *id).collect();
    }

    /// Weighs what the monitors and the operator say now of the pools that were touched, and updates what workers are to know of
    /// them. Returns those that have another active member since, and those of which the workers are to know anything new.
    pub fn reconsider<'a>(
        &mut self,
        intent: &Intent,
        verdict: impl Fn(MemberId) -> &'a Verdict,
        health: &mut Health,
        out: &mut Outbox,
        (now, wall): (Instant, Wall),
    ) -> (Vec<Switched>, Vec<PoolId>) {
        self.end_holdoffs(now);
        self.end_gaps(now);
        self.begin_reviews(now);
        let (mut switched, mut news) = (Vec::new(), Vec::new());
        for id in std::mem::take(&mut self.touched) {
            let Some(meant) = intent.pools.get(id) else { continue };
            let serves = meant.is_shared() && self.pools.get(&id).is_some_and(|pool| pool.served);
            let slow_start = if serves { meant.slow_start } else { Duration::ZERO };
            for member in &meant.members {
                if let Some(known) = self.members.get_mut(member) {
                    let verdict = verdict(*member);
                    let before = known.report(verdict, meant, out);
                    let ends = known.hold_back((*member, before, verdict.state), meant, out, now);
                    self.reviews.extend(ends.map(|ends| (ends, id)));
                    known.overlay(verdict, meant, now);
                    known.slow_start.follow(known.state, known.reserve.is_held(), slow_start, now);
                    known.share = Share::Plain;
                }
            }
            if meant.is_shared() {
                self.share(id, meant, intent, out, now);
            } else if !self.pools.get(&id).is_some_and(|pool| pool.follows) {
                let choice = self.elect(id, meant, &verdict, out, (now, wall));
                switched.extend(self.apply(id, choice, now));
                self.announce_return(id, meant, (now, wall));
            }
            for at in &meant.members {
                if let Some(member) = self.members.get_mut(at).filter(|member| member.is_lost)
                    && let Some(generation) = member.released.take()
                {
                    member.lost_before = generation;
                }
            }
            news.extend(self.update(id, meant, health).then_some(id));
            self.reconsidered.push(id);
            self.unsaid.insert(id);
        }
        (switched, news)
    }

    /// Who is active, as all stand now; the pool's alarm follows.
    fn elect<'a>(
        &mut self,
        id: PoolId,
        meant: &Pool,
        verdict: &impl Fn(MemberId) -> &'a Verdict,
        out: &mut Outbox,
        time: (Instant, Wall),
    ) -> Choice {
        let now = time.0;
        let keeps = self.keeps(id, meant, now);
        let binding = self.binding(id, meant, verdict, out, now);
        let fail_back = self.fail_back(id, meant, time);
        let candidates: Vec<Candidate<'_>> = meant.members.iter().map(|&id| self.candidate(id)).collect();
        let PoolStatus { active: current, forced, preferred, .. } = self.pools[&id];
        let forced = forced.filter(|_| binding == Binding::Binds);
        let preferred = preferred.filter(|one| forced.is_none() && self.member(*one).unfit(meant).is_none());
        let ballot = Ballot { candidates: &candidates, current, forced: forced.or(preferred), fail_back, keeps };
        let mut choice = if binding == Binding::Held { waits_for_forced() } else { election::choose(&ballot) };
        if let Some(one) = preferred.filter(|_| binding != Binding::Held).map(|one| self.member(one)) {
            choice.reason = format!("{} is active for a drill: {}", one.name, one.reason);
        }
        match &choice.alarm {
            Some(alarm) => {
                let code = self.alarm_code(choice.active);
                let ends = match code == AlarmCode::PoolActiveDown && forced == choice.active {
                    true => {
                        format!("; it is forced: `fairlead pool auto {}` returns to automatic selection", meant.name)
                    }
                    false => String::new(),
                };
                let of = (code, Subject::pool(&meant.name));
                out.raise(&alarm_key(id), of, format!("pool {}: {alarm}{ends}", meant.name), now);
            }
            None => _ = out.clear(&alarm_key(id), || format!("pool {}", meant.name)),
        }
        choice
    }

    /// What is wrong with a pool whose active member this is.
    fn alarm_code(&self, active: Option<MemberId>) -> AlarmCode {
        match active.and_then(|active| self.members.get(&active)) {
            None => AlarmCode::PoolNoMember,
            Some(active) if active.is_lost => AlarmCode::PoolActiveDown,
            Some(active) if active.state != State::Up => AlarmCode::PoolActiveUnfit,
            Some(_) => AlarmCode::PoolRoles,
        }
    }

    /// All pools are to be said to the other appliance of the pair.
    pub(super) fn say_all(&mut self) {
        self.unsaid = self.pools.keys().copied().collect();
    }

    /// Some pools are.
    pub(super) fn has_unsaid(&self) -> bool {
        !self.unsaid.is_empty()
    }

    /// Some of those pools, at most so many.
    pub(super) fn take_unsaid(&mut self, most: usize) -> Vec<PoolId> {
        let some: Vec<PoolId> = self.unsaid.iter().copied().take(most).collect();
        some.iter().for_each(|id| _ = self.unsaid.remove(id));
        some
    }

    /// The pools that were reconsidered since this was last asked, each with its active members and who may take over from one that is
    /// alone.
    pub fn take_candidates(&mut self, intent: &Intent) -> Vec<(PoolId, Vec<MemberId>, Vec<MemberId>)> {
        let reconsidered = std::mem::take(&mut self.reconsidered);
        let enabled = |member: &MemberId| self.members.get(member).is_some_and(|it| it.admin == AdminState::Enabled);
        let of = |id: PoolId| {
            let (meant, pool) = (intent.pools.get(id)?, self.pools.get(&id)?);
            if meant.is_shared() {
                let is_spare = |member: &MemberId| self.members.get(member).is_some_and(|it| it.share == Share::Spare);
                let spare = meant.members.iter().copied().filter(is_spare).collect();
                return Some((id, pool.shared_by().collect(), spare));
            }
            let active = pool.active;
            let candidates = meant.members.iter().copied().filter(|member| Some(*member) != active && enabled(member));
            Some((id, active.into_iter().collect(), candidates.collect()))
        };
        reconsidered.into_iter().filter_map(of).collect()
    }

    /// Whether the active member, if it is lost, stays the target, and from now on for how long.
    fn keeps(&mut self, id: PoolId, meant: &Pool, now: Instant) -> Keeps {
        let Some(pool) = self.pools.get_mut(&id) else { return Keeps::Nobody };
        let known = |member: &MemberId| self.members.get(member);
        let is_lost = pool.active.as_ref().and_then(known).is_some_and(|active| active.is_lost);
        let others = meant.members.iter().filter(|member| Some(**member) != pool.active);
        let another_may_come = others.filter_map(known).any(|other| other.admin == AdminState::Enabled);
        let waits = is_lost && another_may_come && meant.no_member != NoMember::KeepLast;
        let until = waits.then(|| pool.gap_ends.unwrap_or(now + meant.gap));
        if let Some(before) = std::mem::replace(&mut pool.gap_ends, until) {
            self.gaps.remove(&(before, id));
        }
        match until {
            _ if meant.no_member == NoMember::KeepLast => Keeps::Last,
            Some(until) if now < until => {
                self.gaps.insert((until, id));
                Keeps::ForGap(meant.gap)
            }
            _ => Keeps::Nobody,
        }
    }

    /// A lost member has been the target for long enough.
    fn end_gaps(&mut self, now: Instant) {
        while let Some(&(until, id)) = self.gaps.first().filter(|(until, _)| *until <= now) {
            self.gaps.remove(&(until, id));
            self.touched.insert(id);
        }
    }

    /// Who lost the role long ago can claim again.
    fn end_holdoffs(&mut self, now: Instant) {
        while let Some(&(_, id)) = self.holdoffs.first().filter(|(until, _)| *until <= now) {
            self.set_lost_role(id, None);
            if let Some(member) = self.members.get(&id) {
                self.touched.insert(member.pool);
            }
        }
    }

    /// Pools whose time has come are reconsidered.
    fn begin_reviews(&mut self, now: Instant) {
        while let Some(&review) = self.reviews.first().filter(|(due, _)| *due <= now) {
            self.reviews.remove(&review);
            self.touched.insert(review.1);
        }
    }

    pub(super) fn set_lost_role(&mut self, id: MemberId, lost: Option<Instant>) {
        let Some(member) = self.members.get_mut(&id) else { return };
        member.served_until = lost.or(member.served_until);
        if let Some(before) = std::mem::replace(&mut member.lost_role, lost) {
            self.holdoffs.remove(&(before + CLAIM_HOLDOFF, id));
        }
        if let Some(at) = lost {
            self.holdoffs.insert((at + CLAIM_HOLDOFF, id));
        }
    }

    /// What the workers are to know.
    pub fn health(&self) -> Health {
        let bound = |last: Option<usize>| last.map_or(0, |last| last + 1);
        let mut health = Health {
            members: vec![MemberHealth::default(); bound(self.members.keys().last().map(|id| id.index()))],
            pools: vec![PoolHealth::default(); bound(self.pools.keys().last().map(|id| id.index()))],
            pair: PairHealth::default(),
        };
        for (id, status) in &self.members {
            health.members[id.index()] = status.health();
        }
        for (id, status) in &self.pools {
            health.pools[id.index()] = status.health();
        }
        health
    }

    /// The part of that which is about one pool. Says whether it is another than before.
    fn update(&self, id: PoolId, meant: &Pool, health: &mut Health) -> bool {
        let mut news = false;
        for member in &meant.members {
            if let (Some(place), Some(status)) = (health.members.get_mut(member.index()), self.members.get(member)) {
                let now = status.health();
                news |= std::mem::replace(place, now) != now;
            }
        }
        if let (Some(place), Some(status)) = (health.pools.get_mut(id.index()), self.pools.get(&id)) {
            let now = status.health();
            news |= *place != now;
            *place = now;
        }
        news
    }

    /// When time alone changes something: [`Pools::reconsider`] is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        let due = [self.holdoffs.first().map(|first| first.0), self.gaps.first().map(|first| first.0)];
        due.into_iter().chain([self.reviews.first().map(|first| first.0)]).flatten().min()
    }

    /// Whether another member may be given what the one before has not answered, from the last switchover on.
    pub fn set_silence(&mut self, pool: PoolId, silence: Option<Silence>, health: &mut Health) {
        if let (Some(status), Some(place)) = (self.pools.get_mut(&pool), health.pools.get_mut(pool.index())) {
            (status.silence, place.silence) = (silence, silence);
        }
    }

    /// How the member stands.
    pub fn member(&self, id: MemberId) -> &MemberStatus {
        &self.members[&id]
    }

    /// Who takes over when the active member is lost, as all stand now.
    pub fn successor(&self, id: PoolId, meant: &Pool) -> Option<MemberId> {
        let active = self.pools[&id].active;
        let others = meant.members.iter().filter(|member| Some(**member) != active);
        let candidates: Vec<Candidate<'_>> = others.map(|&member| self.candidate(member)).collect();
        election::best_up(&candidates).map(|best| best.member)
    }

    /// How the pool stands.
    pub fn pool(&self, id: PoolId) -> &PoolStatus {
        &self.pools[&id]
    }

    pub(super) fn candidate(&self, id: MemberId) -> Candidate<'_> {
        let member = &self.members[&id];
        let MemberStatus { name, state, reason, is_lost, says, reserve, .. } = member;
        let is_reserve = reserve.is_held();
        Candidate { member: id, name, state: *state, reason, is_lost: *is_lost, says: *says, is_reserve }
    }

    fn apply(&mut self, id: PoolId, choice: Choice, now: Instant) -> Option<Switched> {
        let pool = self.pools.get_mut(&id)?;
        pool.reason.clone_from(&choice.reason);
        if choice.active == pool.active {
            return None;
        }
        let from = std::mem::replace(&mut pool.active, choice.active);
        let first = !std::mem::replace(&mut pool.served, true);
        pool.since = now;
        pool.generation.0 += 1;
        let generation = pool.generation;
        self.hand_over(from, choice.active, generation, now);
        Some(Switched { pool: id, from, to: choice.active, reason: choice.reason, first })
    }

    fn hand_over(&mut self, from: Option<MemberId>, to: Option<MemberId>, generation: Generation, now: Instant) {
        from.into_iter().for_each(|from| self.set_lost_role(from, Some(now)));
        if let Some(member) = from.and_then(|from| self.members.get_mut(&from)) {
            if member.is_lost {
                member.lost_before = generation;
            } else {
                member.released = Some(generation);
            }
        }
        to.into_iter().for_each(|to| self.set_lost_role(to, None));
        if let Some(member) = to.and_then(|to| self.members.get_mut(&to)) {
            member.released = None;
        }
    }
}

impl PoolStatus {
    /// The operator has chosen, and it binds.
    pub fn is_forced(&self) -> bool {
        self.forced.is_some() && self.restored.is_none_or(|restored| restored.binds())
    }

    fn health(&self) -> PoolHealth {
        PoolHealth {
            active: self.active,
            generation: self.generation,
            sharing: self.sharing.clone(),
            silence: self.silence,
        }
    }
}

fn fresh_pool(generation: Generation, now: Instant) -> PoolStatus {
    PoolStatus {
        active: None,
        generation,
        forced: None,
        forced_since: Wall::default(),
        preferred: None,
        follows: false,
        restored: None,
        sharing: None,
        opens: None,
        silence: None,
        reason: "no member was probed yet".into(),
        since: now,
        served: false,
        gap_ends: None,
        returns: None,
    }
}

/// Nobody is active as long as a member whose forced choice was taken up again may give its first answer.
fn waits_for_forced() -> Choice {
    let reason = "the first answer of the member that the operator has forced is waited for".into();
    Choice { active: None, reason, alarm: None }
}

pub(super) fn restored_key(pool: PoolId) -> String {
    format!("pool {} restored", pool.0)
}

/// Of a pool of several active members: some of them are missing.
pub(super) fn missing_key(pool: PoolId) -> String {
    format!("pool {} members", pool.0)
}

/// Nobody is up, or the one that is active is not who should be.
pub(super) fn alarm_key(pool: PoolId) -> String {
    format!("pool {}", pool.0)
}

#[cfg(test)]
mod tests;
