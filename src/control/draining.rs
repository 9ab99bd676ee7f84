//! Drains, done: whose time is up, who has nothing left, and what an operator is told of it.
//!
//! Owns the end of a limit: the member is taken offline as by an operator, unless nobody else of its pool is up, which is an alarm until
//! somebody is. And owns when a drain is complete. What is remembered of a drain is in [`drains`](super::drains).

use super::controller::Controller;
use super::drains::{Drain, Drains, FIRST_VERDICTS, Left, OVER, PERIOD, counted, overdue_key};
use super::pools::MemberStatus;
use super::tables::uses_of;
use crate::admin::answer::AdminError;
use crate::admin::drain::DrainReport;
use crate::admin::events::Subject;
use crate::admin::rows::{AdminState, Cause, DrainState};
use crate::config::{LogLevel, count};
use crate::engine::Uses;
use crate::events::{AlarmCode, EventName};
use crate::policy::health::State;
use crate::policy::intent::{MemberId, Pool};
use crate::time::{Duration, Instant};
use std::collections::BTreeSet;

impl Controller {
    /// Takes those offline whose time is up, and says, once a second, who has nothing left.
    pub(super) fn poll_drains(&mut self, now: Instant) {
        if self.pools.drained().next().is_none() && self.drains.overdue.is_empty() {
            self.drains = Drains::default();
            return;
        }
        // Looked at each second, when a limit comes, and when the operator has said something: what monitors say can wait so long.
        if self.drains.look.is_some() && self.drains.next_deadline().is_some_and(|due| now < due) {
            return;
        }
        self.end_due_drains(now);
        if self.drains.look.is_none_or(|look| look <= now) {
            self.report_completed(now);
        }
        let until = |id: &MemberId| self.pools.member(*id).drain.until;
        let wall = self.wall(now);
        let next = self.pools.drained().filter_map(|id| until(&id)).filter(|until| *until > wall).min();
        self.drains.ends = next.map(|until| now + until.since(wall));
        let next = self.drains.look.filter(|look| *look > now).unwrap_or(now + PERIOD);
        self.drains.look = self.pools.drained().next().map(|_| next);
    }

    fn end_due_drains(&mut self, now: Instant) {
        let wall = self.wall(now);
        let is_due = |id: &MemberId| self.pools.member(*id).drain.until.is_some_and(|until| until <= wall);
        let due: Vec<MemberId> = self.pools.drained().filter(is_due).collect();
        let (ends, stays): (Vec<MemberId>, Vec<MemberId>) = due.into_iter().partition(|id| self.another_is_up(*id));
        let stays = BTreeSet::from_iter(stays);
        for id in &ends {
            self.end_drain(*id, now);
        }
        if !ends.is_empty() {
            self.saves.changed();
            self.choose(Cause::Operator, now);
        }
        self.follow_overdue(&stays, now);
    }

    /// As an operator would.
    fn end_drain(&mut self, id: MemberId, now: Instant) {
        let left = Left::of(&uses_of(&self.member_uses(), id));
        let member = &self.intent.members[id];
        let fate = left.fate(&self.intent.pools[member.pool]);
        let message = format!("member {}: its time to drain is up: taken offline; {fate}", member.name);
        let about = Subject::member(&member.name, self.pool_name(member.pool));
        self.pools.end_drain(id, left, self.machine.wall(now));
        self.outputs.log_of(EventName::MemberDrainEnded, LogLevel::Warn, about, message);
    }

    /// Of those whose time is up and who are needed an alarm stands, and of nobody else.
    fn follow_overdue(&mut self, stays: &BTreeSet<MemberId>, now: Instant) {
        let before = std::mem::take(&mut self.drains.overdue);
        for (id, name) in before {
            match stays.contains(&id) {
                true => _ = self.drains.overdue.insert(id, name),
                false => _ = self.outputs.clear(&overdue_key(id), || format!("member {name} is not overdue any more")),
            }
        }
        for id in stays.iter().filter(|_| self.machine.uptime(now) >= FIRST_VERDICTS) {
            let member = &self.intent.members[*id];
            if self.drains.overdue.get(id).is_some_and(|known| *known == member.name) {
                continue;
            }
            let pool = &self.intent.pools[member.pool].name;
            let message = format!(
                "member {}: its time to drain is up, but no other member of pool {pool} is up: it is taken offline once \
                 another is; `fairlead member offline {} --yes` does it at once",
                member.name, member.name
            );
            self.drains.overdue.insert(*id, member.name.clone());
            let of = (AlarmCode::MemberDrainOverdue, Subject::member(&member.name, pool));
            self.outputs.raise(&overdue_key(*id), of, message, now);
        }
    }

    pub(super) fn is_wanted(&self, member: MemberId) -> bool {
        self.pools.pool(self.intent.members[member].pool).forced == Some(member)
    }

    /// Another member of its pool is up.
    pub(super) fn another_is_up(&self, member: MemberId) -> bool {
        let pool = &self.intent.pools[self.intent.members[member].pool];
        pool.members.iter().any(|other| *other != member && self.pools.member(*other).state == State::Up)
    }

    /// Who has nothing left is logged once.
    fn report_completed(&mut self, now: Instant) {
        let workers = self.member_uses();
        let is_news = |id: &MemberId| {
            !self.pools.member(*id).drain.is_reported && self.has_nothing_left(*id, &uses_of(&workers, *id), now)
        };
        let news: Vec<MemberId> = self.pools.drained().filter(is_news).collect();
        for id in news {
            self.pools.drain_reported(id);
            let member = &self.intent.members[id];
            let about = Subject::member(&member.name, self.pool_name(member.pool));
            let message = format!("member {}: drained completely", member.name);
            self.outputs.log_of(EventName::MemberDrained, LogLevel::Info, about, message);
        }
    }

    /// The member is drained and has nothing left: it does not take what is new, has no flow, and no transaction of a service port
    /// can be open. What it had before a restart of the appliance is not known at once.
    pub(super) fn has_nothing_left(&self, id: MemberId, uses: &Uses, now: Instant) -> bool {
        let status = self.pools.member(id);
        status.admin == AdminState::Draining
            && !self.pools.takes_new(id)
            && uses.flows == 0
            && self.service_idle(id, uses, now).is_none_or(|idle| idle > OVER)
            && self.machine.uptime(now) > OVER
    }

    /// How long no datagram of a service port has come from it or gone to it: none, while it is the active member of a pair.
    pub(super) fn service_idle(&self, id: MemberId, uses: &Uses, now: Instant) -> Option<Duration> {
        let is_shared = self.intent.pools[self.intent.members[id].pool].is_shared();
        match self.pools.takes_new(id) {
            true => (!is_shared).then_some(Duration::ZERO),
            false => uses.datagram.max(self.pools.member(id).served_until).map(|at| now.since(at)),
        }
    }

    /// For how many seconds it is drained yet, if for a time; begun ones count.
    pub(super) fn drain_left_s(&self, id: MemberId, now: Instant) -> Option<u64> {
        let until = self.pools.member(id).drain.until?;
        Some(until.since(self.wall(now)).as_micros().div_ceil(1_000_000) as u64)
    }

    pub(super) fn drain_report(&self, name: &str, now: Instant) -> Result<DrainReport, AdminError> {
        let id = self.member_named(name)?;
        let (status, uses) = (self.pools.member(id), uses_of(&self.member_uses(), id));
        let pool = &self.intent.pools[self.intent.members[id].pool];
        let Left { connections, others } = Left::of(&uses);
        let state = self.drain_state(id, &uses, now);
        Ok(DrainReport {
            member: name.into(),
            pool: pool.name.clone(),
            state,
            outcome: outcome(state, status, &uses, pool, self.is_wanted(id)),
            connections,
            others,
            counted: counted(others, pool).into(),
            direct: uses.direct,
            udp_idle_ms: self.service_idle(id, &uses, now).map(|idle| idle.as_millis() as u64),
            until: status.drain.until,
            left_s: self.drain_left_s(id, now),
        })
    }

    fn drain_state(&self, id: MemberId, uses: &Uses, now: Instant) -> DrainState {
        match self.pools.member(id) {
            MemberStatus { drain: Drain { ended: Some(_), .. }, .. } => DrainState::Offline,
            MemberStatus { admin: AdminState::Enabled | AdminState::Offline, .. } => DrainState::Ended,
            _ if self.pools.takes_new(id) => DrainState::Active,
            _ if self.has_nothing_left(id, uses, now) => DrainState::Drained,
            _ => DrainState::Running,
        }
    }
}

fn outcome(state: DrainState, status: &MemberStatus, uses: &Uses, pool: &Pool, is_forced: bool) -> String {
    match (state, status.drain.ended) {
        (DrainState::Offline, ended) => {
            let had = ended.unwrap_or_default().fate(pool);
            format!("taken offline, as its time was up: {had}")
        }
        (DrainState::Active, _) if pool.is_shared() => "takes new work all the same: no other member is up".into(),
        (DrainState::Active, _) if is_forced => "keeps the active role: the operator has forced it".into(),
        (DrainState::Active, _) => "keeps the active role: no other member is up".into(),
        (DrainState::Drained, _) if uses.direct > 0 => {
            let visits = count(uses.direct as usize, "flow");
            format!("drained completely, but for {visits} of visitors of its own address")
        }
        (DrainState::Drained, _) => "drained completely".into(),
        (DrainState::Running, _) => format!("draining: {}", Left::of(uses).text(pool)),
        (DrainState::Ended, _) => match status.admin {
            AdminState::Offline => format!("taken offline {}", status.whose()),
            admin => format!("not drained: it is {admin}"),
        },
    }
}
