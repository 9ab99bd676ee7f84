//! The order in which what is due is done: first what workers wait for, then its words, then what is saved of it.
//!
//! Owns that order, and how far it is done: a snapshot with another active member leaves before its switchover is put into words,
//! before metrics and alarms are looked at and before anything is saved ([`Controller::poll_command`]). Decides nothing.

use super::controller::Controller;
use super::handing_over::HandingOver;
use super::outbox::Output;
use super::publisher::Work;
use super::rest::Rest;
use crate::admin::rows::Cause;
use crate::policy::Snapshot;
use crate::time::Instant;
use crate::worker::mailbox::{Command, WorkerId};

impl Controller {
    /// What a worker is to get before anything else is done: to be called until `None` after each [`Controller::handle`], and sent before
    /// the first [`Controller::poll_output`]. Whoever does not hurry gets the same there.
    pub fn poll_command(&mut self) -> Option<(WorkerId, Command)> {
        self.outputs.pop_command()
    }

    /// The next thing to do, workers' commands first; to be called until `None` after each [`Controller::handle`].
    pub fn poll_output(&mut self) -> Option<Output> {
        while !matches!(self.rest, Rest::Nothing) {
            if matches!(self.rest, Rest::Saves(_)) && !self.outputs.is_empty() {
                break;
            }
            self.go_on();
        }
        self.outputs.pop()
    }

    /// Something was taken in: what workers wait for is done, and the rest by [`Controller::poll_output`].
    pub(super) fn begin_turn(&mut self, now: Instant) {
        if self.switchovers.has_untold() && self.publisher.follows(now) {
            self.publish(now);
            self.deadline = Some(now);
            self.rest = Rest::Turn(now);
        } else {
            self.turn(now);
        }
    }

    /// What is left of the last turn, whether or not anybody asked for it.
    pub(super) fn end_turn(&mut self) {
        while self.rest != Rest::Nothing {
            self.go_on();
        }
    }

    fn go_on(&mut self) {
        self.tell_of_switchovers();
        self.outputs.set_actor(None);
        match std::mem::take(&mut self.rest) {
            Rest::Turn(now) => self.turn(now),
            Rest::Words(now) => self.finish(now),
            Rest::Stopping(now) => self.poll_stopping(now),
            Rest::Saves(now) => {
                self.save(now);
                self.deadline = self.earliest(now);
            }
            Rest::Nothing => {}
        }
    }

    /// Everything that is due and that workers wait for: the link first, because a probe may need a MAC; then probes, then the choice
    /// they lead to, then the snapshot that tells of it all.
    fn turn(&mut self, now: Instant) {
        self.deadline = Some(now);
        if self.stopping.is_some() {
            self.rest = Rest::Stopping(now);
            return;
        }
        self.poll_transaction(now);
        self.poll_pair(now);
        self.probing.look(&self.machine, now);
        self.link.poll(|asked, due| self.probing.was_away(asked, due), now);
        self.on_link_events(now);
        self.probing.poll(&self.intent, &mut self.link, &mut self.outputs, now);
        self.on_link_events(now);
        self.report_confirmed();
        let news = self.probing.take_news();
        if !news.is_empty() {
            news.into_iter().for_each(|pool| self.pools.touch(pool));
            self.choose(Cause::Monitor, now);
        }
        self.choose_what_is_due(now);
        if self.switchovers.has_untold() {
            self.publish(now);
        }
        self.rest = Rest::Words(now);
    }

    /// All that is due and that no switchover waits for.
    fn finish(&mut self, now: Instant) {
        self.poll_drains(now);
        self.poll_drills(now);
        self.poll_one_way(now);
        self.link.transmit(&mut self.outputs, now);
        self.note_announced();
        let meant = (&self.intent, self.publisher.latest());
        self.checks.poll(meant, &self.link, &self.machine, &mut self.outputs, now);
        self.count_loads(now);
        self.publish(now);
        self.tell_of_switchovers();
        self.publisher.prepare();
        self.latencies.poll(&self.file.settings.cores, &mut self.outputs, now);
        self.sip.poll(&mut self.outputs, now);
        self.traffic.poll(&self.intent, &self.machine, now);
        self.trend.poll(&self.machine, &mut self.latencies, now);
        self.notifier.poll(&self.file.settings.notify, &mut self.outputs, now);
        self.poll_recorder(now);
        self.poll_advertising(now);
        self.poll_routes(now);
        self.poll_pair_link(now);
        self.answer_waiting(now);
        self.outputs.set_actor(None);
        self.followed = self.outputs.events.last();
        self.rest = if self.poll_ending(now) { Rest::Stopping(now) } else { Rest::Saves(now) };
    }

    /// What is set, in force and has happened is saved, as far as it is due; workers have it by then.
    fn save(&mut self, now: Instant) {
        self.save_events(now);
        self.save_state(now);
        self.save_configurations(now);
    }

    fn poll_stopping(&mut self, now: Instant) {
        let awaited = self.wait_for_handing_over(now);
        self.save(now);
        if let Some(stopping) = &mut self.stopping {
            let saves = [&self.saves, &self.kept, &self.recorded];
            self.deadline = stopping.poll(saves, awaited, &mut self.outputs, now);
        }
    }

    pub(super) fn publish(&mut self, now: Instant) {
        let Some(work) = self.publisher.take_work(now) else { return };
        let epoch = self.publisher.next_epoch();
        let (intent, health, adjacency) = (&self.intent, &self.health, self.link.neighbours.adjacency());
        let snapshot = match work {
            Work::Follow(spare, latest, pools) => spare.follow(latest, pools, intent, health, adjacency),
            Work::Compile => {
                let before = self.publisher.latest();
                Snapshot::compile_after(before, intent, health, adjacency, &self.machine.macs, epoch)
            }
        };
        for (worker, snapshot) in self.publisher.publish(snapshot, now) {
            let snat_ports = self.checks.ports.snat_ports.clone();
            self.outputs.send(worker, Command::Install(snapshot, snat_ports));
        }
        self.switchovers.on_published(epoch, now);
        self.note_published(epoch, now);
    }

    fn earliest(&mut self, now: Instant) -> Option<Instant> {
        [
            self.link.next_deadline(now),
            self.probing.next_deadline(now),
            self.pools.next_deadline(),
            self.loads_due,
            self.drains.next_deadline(),
            self.next_of_drills(),
            self.publisher.next_deadline(),
            self.saves.next_deadline(now),
            self.kept.next_deadline(now),
            self.next_record(now),
            self.notifier.next_deadline(),
            self.next_of_transaction(),
            self.waiting.next_deadline(),
            Some(self.latencies.next_deadline()),
            self.sip.next_deadline(),
            Some(self.traffic.next_deadline()),
            Some(self.trend.next_deadline()),
            self.recorder.next_deadline(),
            self.advertising.next_deadline(),
            self.next_of_pair(now),
            self.next_of_pair_link(now),
            self.learning.next_deadline(),
            self.handing_over.as_ref().and_then(HandingOver::next_deadline),
            Some(self.checks.next_deadline()),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
