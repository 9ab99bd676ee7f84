//! What the process before has left, in force again.
//!
//! Owns what is done with its pools and members: who was active is, from the first snapshot on, until probes confirm or refute it, and who
//! was up is assumed to be until they say. What workers remember they have taken up by then ([`super::take_up`]); what the operator has set is
//! kept elsewhere, and goes before.

use super::controller::Controller;
use super::pools::Pools;
use super::take_up::{HandoverFound, TakenUp};
use crate::admin::rows::Cause;
use crate::config::{LogLevel, count};
use crate::events::EventName;
use crate::handover::{RememberedPool, Who};
use crate::policy::health::Generation;
use crate::policy::intent::{Pool, PoolId};
use crate::time::Instant;

impl Controller {
    /// Takes up what was left; called once, before anything else happens but that what the operator has set is laid over the file.
    pub(super) fn take_up(&mut self, now: Instant) {
        let Some(HandoverFound { place, outcome }) = self.machine.handover.take() else { return };
        match outcome {
            Ok(found) => self.take_up_pools(&found, now),
            Err(why) => {
                let message = format!("{place} does not count, nothing was taken up: {why}");
                self.log(EventName::HandoverRefused, LogLevel::Warn, message);
            }
        }
    }

    fn take_up_pools(&mut self, TakenUp { remembered, age, taken, took }: &TakenUp, now: Instant) {
        let who = Who::of(remembered, &self.file.intent);
        for (known, id) in remembered.pools.iter().zip(&who.pools) {
            if let Some((id, meant)) = id.and_then(|id| Some((id, self.intent.pools.get(id)?))) {
                self.pools.take_up(id, meant, (known, &who), now);
            }
        }
        let routes = self.take_up_routes(remembered, *age, now);
        self.health = self.fresh_health(now);
        self.choose(Cause::Start, now);
        let mut what = vec![
            count(taken.flows as usize, "flow"),
            count(taken.speakers as usize, "speaker"),
            count(taken.stays as usize, "persistence record"),
        ];
        what.extend((routes > 0).then(|| format!("{} of the kernel's", count(routes, "route"))));
        let gone = who.pools.iter().filter(|id| id.is_none()).count();
        let gone =
            if gone == 0 { String::new() } else { format!("; {} not in the file any more", count(gone, "pool")) };
        let message = format!(
            "{} of the process before taken up in {} ms, written {:.1} s before: {}{gone}",
            what.join(", "),
            took.as_millis(),
            age.as_secs_f64(),
            taken.skipped
        );
        self.log(EventName::HandoverTaken, LogLevel::Info, message);
    }
}

impl Pools {
    /// The pool stands as the active appliance of the pair has it, as far as its members are there; verdicts are ours.
    pub(super) fn follow(&mut self, id: PoolId, meant: &Pool, (known, who): (&RememberedPool, &Who), now: Instant) {
        for member in &known.members {
            if let Some(status) = who.members.get(&member.address).and_then(|at| self.members.get_mut(at)) {
                status.lost_before = Generation(member.lost_before);
                status.released = member.released.map(Generation);
            }
        }
        let Some(pool) = self.pools.get_mut(&id) else { return };
        pool.generation = Generation(known.generation);
        let active = known.active.and_then(|address| who.members.get(&address)).copied();
        if !meant.is_shared() {
            if pool.active != active {
                (pool.active, pool.since) = (active, now);
            }
            (pool.follows, pool.served) = (true, pool.served || active.is_some());
            pool.reason = "the active appliance of the pair has chosen it".into();
        }
        self.touched.insert(id);
    }

    /// The choice is this appliance's own again, and begins with whoever is active.
    pub(super) fn end_following(&mut self) {
        for (id, pool) in self.pools.iter_mut().filter(|(_, pool)| pool.follows) {
            pool.follows = false;
            self.touched.insert(*id);
        }
    }

    /// The pool stands as it stood, as far as its members are there.
    fn take_up(&mut self, id: PoolId, meant: &Pool, (known, who): (&RememberedPool, &Who), now: Instant) {
        for member in &known.members {
            let Some(at) = who.members.get(&member.address) else { continue };
            if let Some(lost) = member.lost_role {
                self.set_lost_role(*at, Some(Instant::from_nanos(lost)));
            }
            if let Some(status) = self.members.get_mut(at) {
                status.lost_before = Generation(member.lost_before);
                status.released = member.released.map(Generation);
                status.served_until = member.served_until.map(Instant::from_nanos).or(status.served_until);
                // Who was up beside the active one has to say so first: nobody is chosen by what was known before.
                let had_work = meant.is_shared() || known.active == Some(member.address);
                (status.is_assumed, status.was_down) = (member.up && had_work, member.down);
                status.has_flows = meant.is_shared() && member.up;
            }
        }
        let Some(pool) = self.pools.get_mut(&id) else { return };
        pool.generation = Generation(known.generation);
        if meant.is_shared() && known.members.iter().any(|member| member.up) {
            // Whose first answers would be waited for is known.
            pool.opens = Some(now);
        }
        let active = known.active.and_then(|address| who.members.get(&address));
        if let Some(active) = active.filter(|_| !meant.is_shared()) {
            (pool.active, pool.served) = (Some(*active), true);
            pool.since = Instant::from_nanos(known.since).min(now);
        }
        self.touched.insert(id);
    }
}
