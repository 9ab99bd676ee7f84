//! Pools of several active members: who takes new work, and whose flows are lost.
//!
//! Owns the set of members that take what is new, and says why it is that set. A member that is up and that the operator lets work is in
//! it, unless it is held back and another is not, or enough of higher priority are ([`super::groups`]); one that has just come up has a
//! part of its weight beside others ([`super::slow_start`]). One that leaves it alive keeps what it has; one that is lost has its
//! connections reset and its UDP peers sent to others, unless nobody is left to take them: then it stays, as the active member of a pair
//! does.

use super::groups::{Eligible, Groups};
use super::outbox::Outbox;
use super::pools::{MemberStatus, PoolStatus, Pools, Share, alarm_key, missing_key, restored_key};
use super::slow_start::Steps;
use crate::admin::events::Subject;
use crate::admin::rows::AdminState;
use crate::config::LogLevel;
use crate::events::{AlarmCode, EventName};
use crate::policy::Intent;
use crate::policy::health::State;
use crate::policy::intent::{Member, MemberId, NoMember, Pool, PoolId};
use crate::policy::sharing::{Sharing, Target, cells};
use crate::time::{Duration, Instant};
use std::sync::Arc;

/// At the start the first members that answer wait so long for the first answers of the others, or every peer would begin with one.
const FIRST_ANSWERS: Duration = Duration::from_millis(300);

/// Who takes new work, and in what words.
#[derive(Default)]
struct Chosen {
    members: Vec<MemberId>,
    /// Why these although none of them is up.
    kept: Option<&'static str>,
    /// Who could as well, but is not needed.
    spare: Vec<MemberId>,
    /// Of which priorities they are, and why, where there are several.
    groups: Option<String>,
}

impl Chosen {
    fn kept(members: Vec<MemberId>, why: &'static str) -> Chosen {
        Chosen { members, kept: Some(why), ..Chosen::default() }
    }

    /// The member takes new work, or could.
    fn is_fit(&self, member: &MemberId) -> bool {
        self.members.contains(member) || self.spare.contains(member)
    }
}

impl Pools {
    /// Chooses who takes new work in a pool of several active members, as all stand now; the pool's alarm follows.
    pub(super) fn share(&mut self, id: PoolId, meant: &Pool, intent: &Intent, out: &mut Outbox, now: Instant) {
        // Of those whom a reload has removed nothing is known any more.
        let before: Vec<MemberId> = self.pools.get(&id).into_iter().flat_map(PoolStatus::shared_by).collect();
        let is_there = |member: &MemberId| meant.members.contains(member);
        let (before, removed): (Vec<MemberId>, Vec<MemberId>) = before.into_iter().partition(is_there);
        let chosen = self.targets((id, meant), intent, &before, now);
        let targets = self.weigh((id, meant), intent, &chosen, now);
        let reason = self.sharing_reason(meant, &chosen);
        self.lose(id, meant, &chosen.members, now);
        let cells = cells(self.by_source, meant.members.len());
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
            // Of a group that is not needed any more nobody has gone.
            let lost = !removed.is_empty() || before.iter().any(|member| !chosen.is_fit(member));
            let level = if lost && !is_first { LogLevel::Warn } else { LogLevel::Info };
            let message = format!("pool {}: {reason}", meant.name);
            out.log_of(EventName::PoolMembers, level, Subject::pool(&meant.name), message);
        }
    }

    /// Those that are up, of the priorities that are needed; if none is, those that were last, as far as the pool's policy goes. `before`
    /// are the members that took new work until now.
    fn targets(&mut self, (id, meant): (PoolId, &Pool), intent: &Intent, before: &[MemberId], now: Instant) -> Chosen {
        let Some(pool) = self.pools.get(&id) else { return Chosen::default() };
        let known = |member: &MemberId| &self.members[member];
        let eligible = self.eligible((id, meant), intent, before, now);
        let awaited = meant.members.iter().any(|member| known(member).state == State::Unknown);
        if !eligible.is_empty() {
            let waits = !pool.served && awaited && now < pool.opens.unwrap_or(now + FIRST_ANSWERS);
            self.end_gap(id);
            if waits {
                self.wait_for_others(id, now);
                return Chosen::default();
            }
            return needed(meant, intent, &eligible);
        }
        let last = |is_kept: &dyn Fn(&MemberId) -> bool| before.iter().copied().filter(is_kept).collect::<Vec<_>>();
        let alive = last(&|member| known(member).state == State::Drained && !known(member).is_dead());
        let lost = last(&|member| known(member).state != State::Offline);
        let enabled = meant.members.iter().filter(|member| known(member).admin == AdminState::Enabled).count();
        match meant.no_member {
            _ if !alive.is_empty() => {
                self.end_gap(id);
                Chosen::kept(alive, "no other member is up")
            }
            NoMember::KeepLast => {
                self.end_gap(id);
                Chosen::kept(lost, "no member is up and no_member is keep-last")
            }
            _ if enabled > 1 && self.is_in_gap(id, meant, now) => Chosen::kept(lost, "others have the gap to come up"),
            _ => Chosen::default(),
        }
    }

    /// The members that could take new work: who is up and not held back, or who is up if all of those are held back; and whoever took
    /// it and has new monitors, which have not heard of it again yet.
    fn eligible(
        &self,
        (id, meant): (PoolId, &Pool),
        intent: &Intent,
        before: &[MemberId],
        now: Instant,
    ) -> Vec<Eligible> {
        let known = |member: &MemberId| &self.members[member];
        let is_up = |member: &&MemberId| known(member).state == State::Up;
        let spares_reserve = meant.members.iter().filter(is_up).any(|member| !known(member).reserve.is_held());
        let stays = |member: &MemberId| {
            known(member).state == State::Unknown && !known(member).was_down && before.contains(member)
        };
        let takes = |member: &&MemberId| match known(member).state {
            State::Up => !(spares_reserve && known(member).reserve.is_held()),
            _ => stays(member),
        };
        let steps = Steps::of(id, meant);
        let is_slow = |member: &MemberStatus| steps.and_then(|steps| steps.parts(&member.slow_start, now)).is_some();
        let members: Vec<MemberId> = meant.members.iter().filter(takes).copied().collect();
        // If all have come up just now, no lower group is further than the higher are.
        let are_all_slow = members.iter().all(|member| is_slow(known(member)));
        let eligible = |member: MemberId| Eligible {
            member,
            priority: intent.members[member].priority,
            counts: !known(&member).reserve.is_held() && (are_all_slow || !is_slow(known(&member))),
        };
        members.into_iter().map(eligible).collect()
    }

    /// The chosen with their weights: each has its part of it, another one from the next step on; where all are as far as each other they
    /// share by their weights alone.
    fn weigh(&mut self, (id, meant): (PoolId, &Pool), intent: &Intent, chosen: &Chosen, now: Instant) -> Vec<Target> {
        for spare in &chosen.spare {
            self.members.entry(*spare).and_modify(|member| member.share = Share::Spare);
        }
        let targets: Vec<Target> = chosen.members.iter().map(|member| target(*member, intent)).collect();
        let Some(steps) = Steps::of(id, meant) else { return targets };
        let parts = |member: &MemberId| steps.parts(&self.members[member].slow_start, now);
        let changes = |member: &MemberId| steps.changes(&self.members[member].slow_start, now);
        self.reviews.extend(meant.members.iter().filter_map(changes).min().map(|next| (next, id)));
        let whole = steps.whole();
        let parts: Vec<u32> = chosen.members.iter().map(|member| parts(member).unwrap_or(whole)).collect();
        if parts.windows(2).all(|pair| pair[0] == pair[1]) {
            return targets;
        }
        let weighed = |(target, parts): (Target, u32)| {
            if let Some(known) = self.members.get_mut(&target.member).filter(|_| parts < whole) {
                known.share = Share::Part(100 * parts / whole, steps.end(&known.slow_start).unwrap_or(now));
            }
            Target { weight: target.weight * parts, ..target }
        };
        targets.into_iter().zip(parts).map(weighed).collect()
    }

    /// Nobody is active until the other members have been heard of, for a moment.
    fn wait_for_others(&mut self, id: PoolId, now: Instant) {
        if let Some(pool) = self.pools.get_mut(&id) {
            let opens = *pool.opens.get_or_insert(now + FIRST_ANSWERS);
            self.reviews.insert((opens, id));
        }
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
        let others = meant.members.iter().filter(|member| !chosen.is_fit(member)).map(known);
        if let Some(why) = chosen.kept.filter(|_| count > 0) {
            let about: Vec<String> = chosen.members.iter().map(known).chain(others).collect();
            return format!("{count} of {all} members keep their work: {why}: {}", about.join("; "));
        }
        let names: Vec<&str> = chosen.spare.iter().map(|member| self.members[member].name.as_str()).collect();
        let spare = (!names.is_empty()).then(|| format!("spare: {}", names.join(", ")));
        let slow = chosen.members.iter().filter_map(|member| slow_start(&self.members[member]));
        let about: Vec<String> = chosen.groups.clone().into_iter().chain(others).chain(spare).chain(slow).collect();
        let who = match count {
            0 => String::from("no member takes new work"),
            _ if count == all => format!("all {all} members take new work"),
            _ => format!("{count} of {all} members take new work"),
        };
        if about.is_empty() { who } else { format!("{who}: {}", about.join("; ")) }
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
            let is_spare = chosen.spare.contains(member);
            known.admin == AdminState::Enabled && !is_awaited(known) && !takes && !is_spare
        };
        let missed: Vec<String> = members().filter(is_missed).map(|(_, known)| shown(known)).collect();
        let about = |what: &str| format!("pool {}: {what}", meant.name);
        let missing =
            if nobody { about(&format!("members are missing: {}", missed.join("; "))) } else { about(reason) };
        let alarms = [
            (alarm_key(id), AlarmCode::PoolNoMember, nobody, about(reason)),
            (missing_key(id), AlarmCode::PoolMemberMissing, !missed.is_empty(), missing),
        ];
        let mut is_logged = false;
        for (key, code, stands, message) in alarms {
            is_logged |= match stands {
                true => out.raise_for(&key, (code, Subject::pool(&meant.name)), message, None, now),
                false => out.clear(&key, || about(reason)),
            };
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

/// What is said of a member that has a part of its share.
fn slow_start(member: &MemberStatus) -> Option<String> {
    match member.share {
        Share::Part(part, _) => Some(format!("{} is in slow start ({part} % of its share)", member.name)),
        Share::Plain | Share::Spare => None,
    }
}

/// Of those that could take new work, whoever is of a priority that is needed.
fn needed(meant: &Pool, intent: &Intent, eligible: &[Eligible]) -> Chosen {
    let groups = Groups::choose(eligible, meant.min_active);
    let (takes, spare): (Vec<Eligible>, Vec<Eligible>) = eligible.iter().copied().partition(|one| groups.hold(one));
    let members = |all: Vec<Eligible>| all.into_iter().map(|one| one.member).collect();
    let mut priorities = meant.members.iter().map(|member| intent.members[*member].priority);
    let first = priorities.next();
    let differ = priorities.any(|priority| Some(priority) != first);
    let reason = differ.then(|| groups.reason(meant.min_active));
    Chosen { members: members(takes), kept: None, spare: members(spare), groups: reason }
}

/// The member as one that takes new work.
fn target(member: MemberId, intent: &Intent) -> Target {
    let Member { address, weight, .. } = intent.members[member];
    Target { member, address, weight }
}

#[cfg(test)]
mod tests;
