//! Pools of several active members: who takes new work, and whose flows are lost.
//!
//! Owns the set of members that take what is new, and says why it is that set. A member that is up and that the operator lets work is
//! in it, unless it is held back and another is not. One that leaves it alive keeps what it has; one that is lost has its connections
//! reset and its UDP peers sent to others, unless nobody is left to take them: then it stays, as the active member of a pair does.

use super::outbox::Outbox;
use super::pools::{MemberStatus, PoolStatus, Pools, alarm_key, missing_key, restored_key};
use crate::admin::rows::AdminState;
use crate::config::LogLevel;
use crate::policy::Intent;
use crate::policy::health::State;
use crate::policy::intent::{Member, MemberId, NoMember, Pool, PoolId};
use crate::policy::sharing::{Sharing, Target, cells};
use crate::time::{Duration, Instant};
use std::sync::Arc;

/// At the start the first members that answer wait so long for the first answers of the others, or every peer would begin with one.
const FIRST_ANSWERS: Duration = Duration::from_millis(300);

/// Who takes new work, and in what words.
struct Chosen {
    members: Vec<MemberId>,
    /// Why these although none of them is up.
    kept: Option<&'static str>,
}

impl Pools {
    /// Chooses who takes new work in a pool of several active members, as all stand now; the pool's alarm follows.
    pub(super) fn share(&mut self, id: PoolId, meant: &Pool, intent: &Intent, out: &mut Outbox, now: Instant) {
        // Of those whom a reload has removed nothing is known any more.
        let before: Vec<MemberId> = self.pools.get(&id).into_iter().flat_map(PoolStatus::shared_by).collect();
        let is_there = |member: &MemberId| meant.members.contains(member);
        let (before, removed): (Vec<MemberId>, Vec<MemberId>) = before.into_iter().partition(is_there);
        let chosen = self.targets(id, meant, &before, now);
        let reason = self.sharing_reason(meant, &chosen);
        self.lose(id, meant, &chosen.members, now);
        let cells = cells(self.by_source, meant.members.len());
        let targets: Vec<Target> = chosen.members.iter().map(|member| target(*member, intent)).collect();
        let Some(pool) = self.pools.get_mut(&id) else { return };
        let is_first = !pool.served;
        (pool.served, pool.active, pool.forced, pool.restored) = (pool.served || !targets.is_empty(), None, None, None);
        if !pool.sharing.as_ref().is_some_and(|sharing| sharing.is_of(meant.mode, &targets, cells)) {
            pool.sharing = Some(Arc::new(Sharing::new(meant.mode, targets, cells)));
        }
        let left = !removed.is_empty() || before.iter().any(|member| !chosen.members.contains(member));
        let came = chosen.members.iter().any(|member| !before.contains(member));
        pool.reason.clone_from(&reason);
        if left || came {
            pool.since = now;
        }
        let is_logged = self.follow_alarms((id, meant), &chosen, &reason, out, now);
        if !is_logged && (left || came) {
            let level = if left && !is_first { LogLevel::Warn } else { LogLevel::Info };
            out.log(level, format!("pool {}: {reason}", meant.name));
        }
    }

    /// Those that are up; if none is, those that were last, as far as the pool's policy goes. `before` are the members that took new
    /// work until now.
    fn targets(&mut self, id: PoolId, meant: &Pool, before: &[MemberId], now: Instant) -> Chosen {
        let Some(pool) = self.pools.get(&id) else { return Chosen { members: Vec::new(), kept: None } };
        let known = |member: &MemberId| &self.members[member];
        let is_up = |member: &&MemberId| known(member).state == State::Up;
        let spares_reserve = meant.members.iter().filter(is_up).any(|member| !known(member).reserve.is_held());
        // One whose monitors are new has not been heard of again yet.
        let stays = |member: &MemberId| {
            known(member).state == State::Unknown && !known(member).was_down && before.contains(member)
        };
        let takes = |member: &MemberId| match known(member).state {
            State::Up => !(spares_reserve && known(member).reserve.is_held()),
            _ => stays(member),
        };
        let members: Vec<MemberId> = meant.members.iter().copied().filter(takes).collect();
        let awaited = meant.members.iter().any(|member| known(member).state == State::Unknown);
        if !members.is_empty() {
            let waits = !pool.served && awaited && now < pool.opens.unwrap_or(now + FIRST_ANSWERS);
            self.end_gap(id);
            return Chosen { members: if waits { self.wait_for_others(id, now) } else { members }, kept: None };
        }
        let last = |is_kept: &dyn Fn(&MemberId) -> bool| before.iter().copied().filter(is_kept).collect::<Vec<_>>();
        let alive = last(&|member| known(member).state == State::Drained && !known(member).is_dead());
        let lost = last(&|member| known(member).state != State::Offline);
        let enabled = meant.members.iter().filter(|member| known(member).admin == AdminState::Enabled).count();
        match meant.no_member {
            _ if !alive.is_empty() => {
                self.end_gap(id);
                Chosen { members: alive, kept: Some("no other member is up") }
            }
            NoMember::KeepLast => {
                self.end_gap(id);
                Chosen { members: lost, kept: Some("no member is up and no_member is keep-last") }
            }
            _ if enabled > 1 && self.is_in_gap(id, meant, now) => {
                Chosen { members: lost, kept: Some("others have the gap to come up") }
            }
            _ => Chosen { members: Vec::new(), kept: None },
        }
    }

    /// Nobody is active until the other members have been heard of, for a moment.
    fn wait_for_others(&mut self, id: PoolId, now: Instant) -> Vec<MemberId> {
        if let Some(pool) = self.pools.get_mut(&id) {
            let opens = *pool.opens.get_or_insert(now + FIRST_ANSWERS);
            self.reviews.insert((opens, id));
        }
        Vec::new()
    }

    fn is_in_gap(&mut self, id: PoolId, meant: &Pool, now: Instant) -> bool {
        let Some(pool) = self.pools.get_mut(&id) else { return false };
        let until = *pool.gap_ends.get_or_insert(now + meant.gap);
        if now < until {
            self.gaps.insert((until, id));
        }
        now < until
    }

    fn end_gap(&mut self, id: PoolId) {
        if let Some(until) = self.pools.get_mut(&id).and_then(|pool| pool.gap_ends.take()) {
            self.gaps.remove(&(until, id));
        }
    }

    /// Whoever is lost and takes no new work has lost what it had: also what it began itself while others took what was new.
    fn lose(&mut self, id: PoolId, meant: &Pool, targets: &[MemberId], now: Instant) {
        let is_cut_off = |member: &&MemberId| {
            let known = &self.members[member];
            known.is_dead() && known.has_flows && !targets.contains(member)
        };
        let lost: Vec<MemberId> = meant.members.iter().filter(is_cut_off).copied().collect();
        let Some(pool) = self.pools.get_mut(&id) else { return };
        if !lost.is_empty() {
            pool.generation.0 += 1;
        }
        let generation = pool.generation;
        for member in lost {
            if self.members.get(&member).is_some_and(|known| known.took_new) {
                self.set_lost_role(member, Some(now));
            }
            if let Some(member) = self.members.get_mut(&member) {
                (member.lost_before, member.released) = (generation, None);
                (member.has_flows, member.took_new) = (false, false);
            }
        }
        for member in &meant.members {
            let is_target = targets.contains(member);
            if is_target {
                self.set_lost_role(*member, None);
            }
            let lives = |known: &mut MemberStatus| {
                known.has_flows |= is_target || !known.is_dead();
                known.took_new |= is_target;
            };
            self.members.entry(*member).and_modify(lives);
        }
    }

    /// The pool's members are active one at a time from now on, or all of them: nobody loses anything by that, nor does who was the
    /// target of a pool without anybody up cease to be.
    pub(super) fn change_mode(
        &mut self,
        (id, meant): (PoolId, &Pool),
        intent: &Intent,
        out: &mut Outbox,
        now: Instant,
    ) {
        let cells = cells(self.by_source, meant.members.len());
        let Some(pool) = self.pools.get_mut(&id) else { return };
        if meant.is_shared() == pool.sharing.is_some() {
            return;
        }
        let members = || meant.members.iter();
        if meant.is_shared() {
            out.clear(&restored_key(id), || format!("pool {}: nobody can be forced from now on", meant.name));
            let active: Vec<Target> = pool.active.take().into_iter().map(|one| target(one, intent)).collect();
            pool.sharing = (!active.is_empty()).then(|| Arc::new(Sharing::new(meant.mode, active, cells)));
            let served = pool.served;
            members().for_each(|member| {
                self.members.entry(*member).and_modify(|member| member.has_flows |= served);
            });
            return;
        }
        out.clear(&missing_key(id), || format!("pool {}: one member is active at a time from now on", meant.name));
        let before: Vec<MemberId> = pool.shared_by().collect();
        let takes = |member: &&MemberId| before.contains(member);
        pool.active = members().find(takes).copied();
        (pool.sharing, pool.since) = (None, now);
        pool.generation.0 += 1;
        let (generation, active) = (pool.generation, pool.active);
        for member in members() {
            let is_released = active != Some(*member);
            let released = |known: &mut MemberStatus| {
                known.released = (known.has_flows && is_released).then_some(generation);
            };
            self.members.entry(*member).and_modify(released);
        }
    }

    fn sharing_reason(&self, meant: &Pool, chosen: &Chosen) -> String {
        let (count, all) = (chosen.members.len(), meant.members.len());
        let known = |member: &MemberId| shown(&self.members[member]);
        let others: Vec<String> =
            meant.members.iter().filter(|member| !chosen.members.contains(member)).map(known).collect();
        match (chosen.kept, others.is_empty()) {
            (Some(why), _) if count > 0 => {
                let kept: Vec<String> = chosen.members.iter().map(known).collect();
                format!("{} of {all} members keep their work: {why}: {}", count, [kept, others].concat().join("; "))
            }
            (_, true) => format!("all {all} members take new work"),
            _ if count == 0 => format!("no member takes new work: {}", others.join("; ")),
            _ => format!("{count} of {all} members take new work: {}", others.join("; ")),
        }
    }

    /// That nobody is up, and that somebody is missing whom the operator has not taken out himself, are an alarm each, and each ends
    /// by itself. Before all have been heard of neither is known. Says whether there was anything to log.
    fn follow_alarms(
        &self,
        (id, meant): (PoolId, &Pool),
        chosen: &Chosen,
        reason: &str,
        out: &mut Outbox,
        now: Instant,
    ) -> bool {
        let is_awaited = |known: &MemberStatus| known.state == State::Unknown && !known.was_down;
        let members = || meant.members.iter().map(|member| (member, &self.members[member]));
        if chosen.members.is_empty() && members().any(|(_, known)| is_awaited(known)) {
            return false;
        }
        let nobody = chosen.members.is_empty() || chosen.kept.is_some();
        let is_missed = |(member, known): &(&MemberId, &MemberStatus)| {
            let takes = !nobody && chosen.members.contains(member);
            known.admin == AdminState::Enabled && !is_awaited(known) && !takes
        };
        let missed: Vec<String> = members().filter(is_missed).map(|(_, known)| shown(known)).collect();
        let about = |what: &str| format!("pool {}: {what}", meant.name);
        let missing =
            if nobody { about(&format!("members are missing: {}", missed.join("; "))) } else { about(reason) };
        let alarms = [(alarm_key(id), nobody, about(reason)), (missing_key(id), !missed.is_empty(), missing)];
        let mut is_logged = false;
        for (key, stands, message) in alarms {
            let (is_new, word, level) = match stands {
                true => (out.alarms.raise(&key, message.clone(), None, now), "alarm", LogLevel::Warn),
                false => (out.alarms.clear(&key), "alarm cleared", LogLevel::Info),
            };
            if is_new {
                out.log(level, format!("{word}: {}", if stands { message } else { about(reason) }));
                is_logged = true;
            }
        }
        is_logged
    }

    /// The member takes new work: it is the active one, or one of those.
    pub fn takes_new(&self, member: MemberId) -> bool {
        let pool = self.members.get(&member).and_then(|member| self.pools.get(&member.pool));
        pool.is_some_and(|pool| pool.active == Some(member) || pool.shared_by().any(|one| one == member))
    }
}

impl PoolStatus {
    /// The same with the table that workers read.
    pub fn sharing(&self) -> Option<&Sharing> {
        self.sharing.as_deref()
    }

    /// The members that take new work where several are active.
    pub fn shared_by(&self) -> impl Iterator<Item = MemberId> {
        self.sharing.iter().flat_map(|sharing| sharing.targets()).map(|target| target.member)
    }
}

/// The member as it is listed in a message.
fn shown(member: &MemberStatus) -> String {
    format!("{} is {} ({})", member.name, member.state, member.reason)
}

/// The member as one that takes new work.
fn target(member: MemberId, intent: &Intent) -> Target {
    let Member { address, weight, .. } = intent.members[member];
    Target { member, address, weight }
}

#[cfg(test)]
mod tests;
