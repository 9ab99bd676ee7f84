//! The end, where something is to be left for the next start.
//!
//! Owns the order of it: workers give away their flows while packets and probes go on as before; then forwarding stops, workers give the
//! rest and management what it remembers itself; then the file is written, or given up when its time is over, so that nobody waits for a
//! disk. Writes no file: whoever obeys [`Output::HandOver`] does.

use super::controller::Controller;
use super::handing_over::{FLOWS, HandingOver, WHOLE};
use super::handover_stream::{HandoverOrder, Written};
use super::outbox::Output;
use super::stopping::Stopping;
use crate::config::{LogLevel, count};
use crate::events::EventName;
use crate::handover::{Remembered, RememberedMember, RememberedPool};
use crate::policy::health::State;
use crate::policy::intent::{Member, MemberId, Pool, PoolId};
use crate::time::Instant;
use crate::worker::handing_over::giving;
use crate::worker::mailbox::{Command, WorkerId};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

impl Controller {
    /// Begins to leave what is remembered, if the file says so. Says whether it does.
    pub(super) fn begin_handing_over(&mut self, now: Instant) -> bool {
        let Some(place) = self.file.settings.handover.clone() else { return false };
        let given_up = Arc::<AtomicBool>::default();
        let (mut walking, mut receivers) = (Vec::new(), Vec::new());
        for worker in self.machine.workers() {
            let (giver, receiver) = giving(Arc::clone(&given_up));
            self.outputs.send(worker, Command::HandOver(giver));
            walking.push(worker);
            receivers.push(receiver);
        }
        let order = HandoverOrder {
            place: place.clone(),
            name: self.file.settings.name.clone(),
            epoch: self.publisher.installed().0,
            receivers,
            given_up: Arc::clone(&given_up),
        };
        self.outputs.push(Output::HandOver(Box::new(order)));
        self.handing_over = Some(HandingOver { place, walking, begun: now, stopped: None, given_up, is_over: false });
        true
    }

    /// A worker has given all flows once.
    pub(super) fn on_flows_given(&mut self, worker: WorkerId) {
        self.handing_over.iter_mut().for_each(|it| it.walking.retain(|walking| *walking != worker));
    }

    /// Forwarding stops once all workers have, or have had the time. Says whether it stops now.
    pub(super) fn poll_handing_over(&mut self, now: Instant) -> bool {
        let Some(it) = &mut self.handing_over else { return false };
        let has_time = now < it.begun + FLOWS && !it.walking.is_empty() && !it.is_over;
        if it.stopped.is_some() || has_time {
            return false;
        }
        it.stopped = Some(now);
        self.outputs.push(Output::Remember(Box::new(self.remembered())));
        self.stopping = Some(Stopping::begin(self.machine.workers(), &mut self.outputs, now));
        true
    }

    /// Until when what is written is waited for; `None`: nothing is.
    pub(super) fn wait_for_handing_over(&mut self, now: Instant) -> Option<Instant> {
        let until = self.handing_over.as_ref().and_then(HandingOver::next_deadline)?;
        if now < until {
            return Some(until);
        }
        self.on_handed_over(Err(format!("it took longer than {WHOLE:?}")), now);
        None
    }

    /// The file is written, or cannot be.
    pub(super) fn on_handed_over(&mut self, outcome: Result<Written, String>, now: Instant) {
        let Some(it) = self.handing_over.as_mut().filter(|it| !it.is_over) else { return };
        it.is_over = true;
        it.given_up.store(true, Ordering::Relaxed);
        let (place, stopped) = (it.place.display().to_string(), it.stopped.unwrap_or(now));
        let took = |since: Instant| now.since(since).as_millis();
        let (event, level, message) = match outcome {
            Ok(Written { counts, bytes }) => {
                let what = [
                    count((counts.flows - counts.gone.min(counts.flows)) as usize, "flow"),
                    count((counts.speakers + counts.askers) as usize, "speaker"),
                    count(counts.stays as usize, "persistence record"),
                ];
                let (all, end) = (took(it.begun), took(stopped));
                let text = format!(
                    "{} written to {place} for the next start: {bytes} bytes in {all} ms, {end} ms of it after forwarding stopped",
                    what.join(", ")
                );
                (EventName::HandoverWritten, LogLevel::Info, text)
            }
            Err(why) => {
                let text = format!("nothing is left for the next start: {place}: {why}");
                (EventName::HandoverFailed, LogLevel::Error, text)
            }
        };
        self.log(event, level, message);
    }

    /// What the next start is to know of pools and members.
    fn remembered(&self) -> Remembered {
        let pools = self.intent.pools.entries().map(|(id, pool)| self.remembered_pool(id, pool));
        let (table, routes) = self.learning.remembered();
        Remembered { snat_seed: self.snat_seed(), pools: pools.collect(), table, routes }
    }

    /// The same of one pool.
    pub(super) fn remembered_pool(&self, id: PoolId, pool: &Pool) -> RememberedPool {
        let status = self.pools.pool(id);
        RememberedPool {
            name: pool.name.clone(),
            active: status.active.and_then(|member| self.intent.members.get(member)).map(|member| member.address),
            since: status.since.nanos(),
            generation: status.generation.0,
            members: pool.members.iter().map(|id| self.remembered_member(*id)).collect(),
        }
    }

    fn remembered_member(&self, id: MemberId) -> RememberedMember {
        let (status, Member { address, .. }) = (self.pools.member(id), &self.intent.members[id]);
        let says = self.probing.monitors().verdict(id).state;
        RememberedMember {
            address: *address,
            up: says == State::Up || status.is_assumed,
            down: status.was_down,
            lost_before: status.lost_before().0,
            released: status.released.map(|generation| generation.0),
            lost_role: status.lost_role().map(Instant::nanos),
            served_until: status.served_until.map(Instant::nanos),
        }
    }
}
