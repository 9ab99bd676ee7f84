//! Drills, done: from the request over the switchovers to the report.
//!
//! Owns what a drill would move, why one is refused, and its report. A drill prefers a member for a time, as an operator may, but
//! holds nobody up: whoever it prefers is active only while an election may choose it, so that elections decide as usual.

use super::controller::Controller;
use super::drills::{Drill, Seen, Stage, Step};
use super::requests::Begun;
use super::switchovers::mark;
use super::tables::uses_of;
use super::waiting::Then;
use crate::admin::answer::{AdminError, Code};
use crate::admin::drill::{DrillPlan, DrillReport};
use crate::admin::events::Subject;
use crate::admin::rows::{Cause, DrillState};
use crate::config::LogLevel;
use crate::events::EventName;
use crate::policy::intent::{MemberId, PoolId};
use crate::time::{Duration, Instant};
use crate::worker::{CopyCount, Counters};

impl Controller {
    /// What a switchover would move now.
    pub(super) fn drill_plan(&self, pool: &str, now: Instant) -> Result<DrillPlan, AdminError> {
        let id = self.pool_named(pool)?;
        let meant = &self.intent.pools[id];
        let (from, to) = (self.pools.pool(id).active, self.pools.successor(id, meant));
        let name = |member: MemberId| self.intent.members[member].name.clone();
        let unanswered_requests: u64 =
            self.machine.workers().map(|worker| waiting(&self.machine.counters.worker(worker).counters)).sum();
        Ok(DrillPlan {
            pool: pool.into(),
            from: from.map(name),
            to: to.map(name),
            reason: match to {
                Some(to) => format!("{} is up: {}", name(to), self.pools.member(to).reason),
                None => "no other member is up".into(),
            },
            refused: self.drill_refusal(id),
            on_down_tcp: meant.on_down_tcp.to_string(),
            unanswered_requests,
            members: self.member_rows(Some(id), now),
            virtual_servers: self.virtual_server_rows().into_iter().filter(|row| row.pool == pool).collect(),
        })
    }

    /// The pool's latest drill.
    pub(super) fn drill_report(&self, pool: &str, now: Instant) -> Result<DrillReport, AdminError> {
        let id = self.pool_named(pool)?;
        let Some(drill) = self.drills.get(&id) else {
            return Err(AdminError::new(Code::Refused, format!("pool `{pool}` has had no drill since the start")));
        };
        let span = mark(drill.began)..=mark(drill.ended.unwrap_or(now));
        let of_it = self.switchovers.since_start(now).filter(|row| row.pool == pool && span.contains(&row.detected));
        let from_lost = drill.report.from_lost || (drill.ended.is_none() && self.has_lost(drill, id));
        Ok(DrillReport { switchovers: of_it.collect(), from_lost, ..drill.report.clone() })
    }

    /// Answered when every worker has installed the switchover there.
    pub(super) fn begin_drill(&mut self, request_id: u64, pool: &str, back_after_s: u64, now: Instant) -> Begun {
        let id = self.pool_named(pool)?;
        let to = self.pools.successor(id, &self.intent.pools[id]);
        let (Some(from), Some(to), None) = (self.pools.pool(id).active, to, self.drill_refusal(id)) else {
            let why = self.drill_refusal(id).unwrap_or_default();
            return Err(AdminError::new(Code::Refused, format!("no drill of pool `{pool}`: {why}")));
        };
        let name = |member: MemberId| self.intent.members[member].name.clone();
        let report = DrillReport {
            pool: pool.into(),
            from: name(from),
            to: name(to),
            state: DrillState::Running,
            outcome: format!("{} is to be active again in {back_after_s} s", name(from)),
            began: self.wall(now),
            back_after_s,
            flows: uses_of(&self.member_uses(), from).flows,
            from_lost: false,
            flows_back: None,
            switchovers: Vec::new(),
        };
        let message = format!(
            "pool {pool}: drill by the operator: {} -> {}, and back after {back_after_s} s",
            report.from, report.to
        );
        self.outputs.log_of(EventName::DrillBegun, LogLevel::Info, Subject::pool(pool), message);
        let back_at = now + Duration::from_secs(back_after_s);
        let lost_before = self.pools.member(from).lost_before();
        let (stage, back_in, ended) = (Stage::There, None, None);
        let drill = Drill { from, to, lost_before, stage, began: now, back_at, back_in, ended, report };
        self.drills.insert(id, drill);
        self.pools.prefer(id, Some(to));
        self.choose(Cause::Drill, now);
        self.when_installed(request_id, Then::Drill(pool.into()), now);
        Ok(None)
    }

    /// Does what is due in the drills that run. Those of pools and members that another file has taken away end.
    pub(super) fn poll_drills(&mut self, now: Instant) {
        let pools = &self.intent.pools;
        self.drills.retain(|id, _| pools.contains(*id));
        let running: Vec<PoolId> =
            self.drills.iter().filter(|(_, drill)| drill.stage != Stage::Over).map(|(id, _)| *id).collect();
        for id in running {
            let step = match self.seen_of(id) {
                Some(seen) => self.drills[&id].step(&seen, now),
                None => Step::Ended("another file has taken a member out of the pool".into()),
            };
            match step {
                Step::Wait => {}
                Step::SwitchBack => self.switch_back(id, now),
                Step::Done(outcome) => self.end_drill(id, DrillState::Done, outcome, now),
                Step::Ended(outcome) => self.end_drill(id, DrillState::Ended, outcome, now),
            }
        }
    }

    /// This appliance stands by from now on: nobody here switches back any more.
    pub(super) fn leave_drills(&mut self, now: Instant) {
        let running: Vec<PoolId> =
            self.drills.iter().filter(|(_, drill)| drill.stage != Stage::Over).map(|(id, _)| *id).collect();
        for id in running {
            let (drill, DrillReport { pool, from, to, .. }) = (&self.drills[&id], &self.drills[&id].report);
            let outcome = match drill.stage {
                Stage::There => format!(
                    "this appliance stands by now, and {to} stays active: `fairlead pool force {pool} {from}` at the active \
                     appliance returns to {from}"
                ),
                _ => format!("this appliance stands by now; {from} is active again"),
            };
            self.end_drill(id, DrillState::Ended, outcome, now);
        }
    }

    /// When [`Controller::poll_drills`] has something to do.
    pub(super) fn next_of_drills(&self) -> Option<Instant> {
        self.drills.values().filter_map(Drill::next_deadline).min()
    }

    /// Why a drill of the pool would be refused now.
    fn drill_refusal(&self, id: PoolId) -> Option<String> {
        let (pool, meant) = (self.pools.pool(id), &self.intent.pools[id]);
        if let Some(why) = self.shares_work(id) {
            return Some(why);
        }
        if self.drills.get(&id).is_some_and(|drill| drill.stage != Stage::Over) {
            return Some(format!("one runs already: `fairlead drill {} --report` shows it", meant.name));
        }
        if let Some(forced) = pool.forced {
            let name = &self.intent.members[forced].name;
            return Some(format!("{name} is forced by the operator: `fairlead pool auto {}` first", meant.name));
        }
        let Some(active) = pool.active else { return Some(format!("no member is active: {}", pool.reason)) };
        if let Some(why) = self.pools.member(active).unfit(meant) {
            return Some(format!("{why}, and a drill could not switch back to it"));
        }
        let others = meant.members.iter().filter(|one| **one != active);
        let others: Vec<String> = others.filter_map(|one| self.pools.member(*one).unfit(meant)).collect();
        match (self.pools.successor(id, meant), others.is_empty()) {
            (Some(next), _) => self.pools.member(next).unfit(meant),
            (None, true) => Some("the pool has no other member".into()),
            (None, false) => Some(format!("no other member is healthy: {}", others.join("; "))),
        }
    }

    /// `None`: a member of it is no longer in the pool.
    fn seen_of(&self, id: PoolId) -> Option<Seen> {
        let drill = self.drills.get(&id)?;
        let (meant, pool) = (&self.intent.pools[id], self.pools.pool(id));
        let unfit = |id: MemberId| meant.members.contains(&id).then(|| self.pools.member(id).unfit(meant));
        Some(Seen {
            active: pool.active,
            forced: pool.forced.is_some(),
            installed: self.publisher.installed(),
            reason: pool.reason.clone(),
            from_unfit: unfit(drill.from)?,
            to_unfit: unfit(drill.to)?,
        })
    }

    fn switch_back(&mut self, id: PoolId, now: Instant) {
        let workers = self.member_uses();
        let Some(drill) = self.drills.get_mut(&id) else { return };
        drill.stage = Stage::Back;
        drill.report.flows_back = Some(uses_of(&workers, drill.to).flows);
        self.pools.prefer(id, Some(drill.from));
        self.choose(Cause::Drill, now);
        let epoch = self.publisher.epoch_of_changes();
        self.drills.entry(id).and_modify(|drill| drill.back_in = Some(epoch));
    }

    /// The member before has been lost since the drill began, or has left the pool: its flows did not stay with it.
    fn has_lost(&self, drill: &Drill, id: PoolId) -> bool {
        let is_member = self.intent.pools[id].members.contains(&drill.from);
        !is_member || self.pools.member(drill.from).lost_before() != drill.lost_before
    }

    fn end_drill(&mut self, id: PoolId, state: DrillState, outcome: String, now: Instant) {
        let from_lost = self.drills.get(&id).is_some_and(|drill| self.has_lost(drill, id));
        let Some(drill) = self.drills.get_mut(&id) else { return };
        drill.report.from_lost = from_lost;
        (drill.stage, drill.ended) = (Stage::Over, Some(now));
        let line = format!("pool {}: drill {state}: {outcome}", drill.report.pool);
        let about = Subject::pool(&drill.report.pool);
        (drill.report.state, drill.report.outcome) = (state, outcome);
        let level = if state == DrillState::Done { LogLevel::Info } else { LogLevel::Warn };
        self.outputs.log_of(EventName::DrillEnded, level, about, line);
        self.pools.prefer(id, None);
        self.choose(Cause::Monitor, now);
    }
}

/// Copies of requests that nobody has answered yet.
fn waiting(counters: &Counters) -> u64 {
    use CopyCount::{Answered, Discarded, Expired, Full, Kept, Provisional, Redelivered};
    let ended = [Answered, Provisional, Redelivered, Full, Expired, Discarded].map(|end| counters.copies(end));
    counters.copies(Kept).saturating_sub(ended.iter().sum())
}
