//! Pools of several active members: who takes new work, and whose flows are lost.
//!
//! Owns the set of members that take what is new, and says why it is that set. A member that is up and that the operator lets work is
//! in it, unless it is held back and another is not. One that leaves it alive keeps what it has; one that is lost has its connections
//! reset and its UDP peers sent to others, unless nobody is left to take them: then it stays, as the active member of a pair does.

use super::outbox::Outbox;
use super::pools::{MemberStatus, PoolStatus, Pools, alarm_key};
use crate::admin::rows::AdminState;
use crate::config::LogLevel;
use crate::policy::Intent;
use crate::policy::health::State;
use crate::policy::intent::{Member, MemberId, Mode, NoMember, Pool, PoolId};
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
        let of_mode = intent.pools.iter().filter(|pool| pool.mode == Mode::SourceHash).count();
        let cells = cells(of_mode, meant.members.len());
        let target = |member: &MemberId| {
            let Member { address, weight, .. } = intent.members[*member];
            Target { member: *member, address, weight }
        };
        let targets: Vec<Target> = chosen.members.iter().map(target).collect();
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
        let message = format!("pool {}: {reason}", meant.name);
        if self.sharing_alarm(meant, &chosen) {
            return out.raise(&alarm_key(id), LogLevel::Warn, message, now);
        }
        match out.alarms.clear(&alarm_key(id)) {
            true => out.log(LogLevel::Info, format!("alarm cleared: {message}")),
            false if left && !is_first => out.log(LogLevel::Warn, message),
            false if came || left => out.log(LogLevel::Info, message),
            false => {}
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
        let stays = |member: &MemberId| known(member).state == State::Unknown && before.contains(member);
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
        let alive = last(&|member| known(member).state == State::Drained && !known(member).is_lost);
        let lost = last(&|member| known(member).state != State::Offline);
        let enabled = meant.members.iter().filter(|member| known(member).admin == AdminState::Enabled).count();
        match meant.no_member {
            _ if !alive.is_empty() => Chosen { members: alive, kept: Some("no other member is up") },
            NoMember::KeepLast => Chosen { members: lost, kept: Some("no member is up and no_member is keep-last") },
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

    /// Whoever is lost and takes no new work has lost what it had.
    fn lose(&mut self, id: PoolId, meant: &Pool, targets: &[MemberId], now: Instant) {
        let is_cut_off = |member: &&MemberId| {
            let known = &self.members[member];
            known.is_lost && known.has_flows && !targets.contains(member)
        };
        let lost: Vec<MemberId> = meant.members.iter().filter(is_cut_off).copied().collect();
        let Some(pool) = self.pools.get_mut(&id) else { return };
        if !lost.is_empty() {
            pool.generation.0 += 1;
        }
        let generation = pool.generation;
        for member in lost {
            self.set_lost_role(member, Some(now));
            if let Some(member) = self.members.get_mut(&member) {
                (member.lost_before, member.has_flows, member.released) = (generation, false, None);
            }
        }
        for member in targets {
            self.set_lost_role(*member, None);
            self.members.entry(*member).and_modify(|member| member.has_flows = true);
        }
    }

    /// The pool's members are active one at a time from now on, or all of them: nobody loses anything by that.
    pub(super) fn change_mode(&mut self, id: PoolId, meant: &Pool) {
        let Some(pool) = self.pools.get_mut(&id) else { return };
        if meant.is_shared() == pool.sharing.is_some() {
            return;
        }
        let members = || meant.members.iter();
        if meant.is_shared() {
            pool.active = None;
            let served = pool.served;
            members().for_each(|member| {
                self.members.entry(*member).and_modify(|member| member.has_flows |= served);
            });
            return;
        }
        pool.sharing = None;
        pool.generation.0 += 1;
        let generation = pool.generation;
        for member in members() {
            let released = |member: &mut MemberStatus| member.released = member.has_flows.then_some(generation);
            self.members.entry(*member).and_modify(released);
        }
    }

    fn sharing_reason(&self, meant: &Pool, chosen: &Chosen) -> String {
        let (count, all) = (chosen.members.len(), meant.members.len());
        let known = |member: &MemberId| {
            let member = &self.members[member];
            format!("{} is {} ({})", member.name, member.state, member.reason)
        };
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

    /// Somebody is missing whom the operator has not taken out himself.
    fn sharing_alarm(&self, meant: &Pool, chosen: &Chosen) -> bool {
        let mut others = meant.members.iter().filter(|member| !chosen.members.contains(member));
        let is_missed = |member: &MemberId| {
            let known = &self.members[member];
            known.admin == AdminState::Enabled && known.state != State::Unknown
        };
        let is_waiting =
            chosen.members.is_empty() && meant.members.iter().any(|one| self.members[one].state == State::Unknown);
        !is_waiting && (others.any(is_missed) || chosen.kept.is_some() || chosen.members.is_empty())
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

#[cfg(test)]
mod tests;
