//! The choice of active members as the monitors and the operator stand, and the record of each that changes one.
//!
//! Owns what is the cause of a switchover, and when it is told. Who is active is decided by [`super::pools`].

use super::controller::Controller;
use super::switchovers;
use crate::admin::rows::{Cause, SwitchoverRow};
use crate::events::EventName;
use crate::policy::health::State;
use crate::policy::intent::{MemberId, PoolId};
use crate::time::Instant;

impl Controller {
    /// Who is active now, by what monitors and the operator say. `cause` is what has changed since the last choice.
    pub(super) fn choose(&mut self, cause: Cause, now: Instant) {
        let monitors = self.probing.monitors();
        let verdict = |member| monitors.verdict(member);
        let time = (now, self.machine.wall(now));
        let (switched, news) = self.pools.reconsider(&self.intent, verdict, &mut self.health, &mut self.outputs, time);
        for switched in switched {
            let name = |id: MemberId| (id, self.intent.members[id].name.clone());
            let (from, to) = (switched.from.map(name), switched.to.map(name));
            // Who was drained has kept the role until a monitor found another one up.
            let is_drained = |from: MemberId| self.pools.member(from).state == State::Drained && !self.is_down(from);
            let cause = match cause {
                Cause::Monitor if switched.first => Cause::Start,
                Cause::Monitor if switched.from.is_some_and(is_drained) => Cause::Operator,
                // One of before the restart, whose member answers now.
                Cause::Monitor if self.is_forced(&switched) => Cause::Operator,
                cause => cause,
            };
            let silence = self.silence_of_lost(switched.pool, switched.from, cause);
            self.pools.set_silence(switched.pool, silence, &mut self.health);
            self.record_switchover(switched.pool, from, to, (cause, switched.reason), now);
        }
        for (pool, active, candidates) in self.pools.take_candidates(&self.intent) {
            self.probing.watch_active(pool, active, candidates);
        }
        self.advertising.touch();
        // Of another set of members the flows are not counted yet.
        self.loads_due = self.loads_due.map(|_| now);
        self.publisher.changed_health(news, now);
    }

    /// Keeps that a pool's active member is another one. It is told later: workers come first.
    pub(super) fn record_switchover(
        &mut self,
        pool: PoolId,
        from: Option<(MemberId, String)>,
        to: Option<(MemberId, String)>,
        (cause, reason): (Cause, String),
        now: Instant,
    ) {
        let monitors = self.probing.monitors();
        let detected = from.as_ref().filter(|_| cause == Cause::Monitor);
        let deciding = detected.and_then(|(from, _)| monitors.deciding(*from));
        let last_good = deciding.and_then(|check| check.last_good);
        let failing_since = deciding.and_then(|check| check.failing_since);
        let since = |who: &Option<(MemberId, String)>, state: State| {
            let verdict = who.as_ref().map(|(member, _)| monitors.verdict(*member));
            verdict.filter(|verdict| verdict.state == state).map(|verdict| switchovers::mark(verdict.since))
        };
        let (lost, up) = (since(&from, State::Down), since(&to, State::Up));
        let row = SwitchoverRow {
            time: self.machine.wall(now),
            pool: self.intent.pools[pool].name.clone(),
            from: from.map(|(_, name)| name),
            to: to.map(|(_, name)| name),
            cause,
            reason,
            last_good_answer: last_good.map(switchovers::mark),
            first_failed_probe: failing_since.map(switchovers::mark),
            lost,
            up,
            age_ms: 0,
            detected: switchovers::mark(now),
            published: None,
            installed: None,
            redelivered: 0,
            redelivery_too_old: 0,
            redelivery_no_room: 0,
        };
        let status = self.pools.pool(pool);
        let lost = status.silence.map(|silence| self.intent.members[silence.member].name.clone());
        self.switchovers.record(row, (pool, status.generation), lost);
    }

    /// What was recorded of switchovers and not told yet is an event, and logged.
    pub(super) fn tell_of_switchovers(&mut self) {
        for row in self.switchovers.take_untold() {
            self.outputs.happened(EventName::Switchover, switchovers::event(row));
        }
    }
}
