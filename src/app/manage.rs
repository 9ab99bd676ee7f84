//! The management core's loop: what happens reaches the controller, what it wants is done.
//!
//! Owns the waiting: for workers' mail, operators, signals, links and the controller's own deadlines. Everything that
//! happens becomes an input; everything the controller wants becomes an act here. Decides nothing.

use super::advertiser::Advertiser;
use super::clock::Clock;
use super::handover::Writing;
use super::log::Log;
use super::mail::{self, Backlog, EVENTS, Outgoing};
use super::plane::Plane;
use super::reader::Reader;
use super::route_follower::RouteFollower;
use super::scraping::Scraping;
use super::state_store::{Kept, Saved, StateStore};
use crate::admin::{Answer, Asked};
use crate::control::{Controller, DeviceEvent, Input, Output};
use crate::dpdk::{DeviceEvents, Link};
use crate::keepalived::{Heard, Keepalived};
use crate::peer::Peer;
use crate::policy::intent::PortId;
use crate::programs::{Ended, OURSELVES, Programs};
use crate::time::{Duration, Instant};
use crate::worker::mailbox::{Command, WorkerId};
use std::collections::HashMap;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};

/// Workers' mail is read this often.
const ROUND: Duration = Duration::from_millis(1);
/// A worker that has not begun a turn for so long is not reported as alive. Being kept from its core is no reason: that is shorter.
const PATIENCE: Duration = Duration::from_secs(10);
/// Links are checked this often.
const LINKS: Duration = Duration::from_millis(500);

/// What the loop runs with.
pub struct Manager {
    clock: Clock,
    controller: Controller,
    plane: Plane,
    asked: mpsc::Receiver<Asked>,
    reader: Reader,
    store: StateStore,
    scraping: Scraping,
    advertiser: Advertiser,
    keepalived: Keepalived,
    follower: RouteFollower,
    /// The connection to the other appliance.
    peer: Option<Peer>,
    /// What is left for the next start, while it is written.
    writing: Option<Writing>,
    programs: Programs,
    log: Log,
    outgoing: Vec<Outgoing>,
    answers: HashMap<u64, oneshot::Sender<Answer>>,
    requests: u64,
    /// By port, as they were when last looked at.
    links: Vec<Link>,
    devices: Vec<DeviceEvents>,
    /// The controller has nothing more to say.
    stopped: bool,
}

/// Who says something to the loop, beside workers and signals.
pub struct Sources {
    pub asked: mpsc::Receiver<Asked>,
    pub reader: Reader,
    pub store: StateStore,
    pub scraping: Scraping,
    pub advertiser: Advertiser,
    pub keepalived: Keepalived,
    pub follower: RouteFollower,
    /// The connection to the other appliance, and what each worker has to get for it.
    pub peer: Option<(Peer, Vec<Command>)>,
}

/// How the loop ended.
pub enum Ending {
    /// Somebody asked for it.
    Asked,
    /// A worker's thread is gone: nothing is forwarded on its core any more.
    WorkerLost,
}

impl Manager {
    pub fn new(
        controller: Controller,
        plane: Plane,
        Sources { asked, reader, store, scraping, advertiser, keepalived, follower, peer }: Sources,
        log: Log,
        clock: Clock,
    ) -> Manager {
        let mut outgoing: Vec<Outgoing> = plane.mail.iter().map(|_| Outgoing::new(plane.unsent())).collect();
        let (peer, commands) = peer.unzip();
        for (outgoing, command) in outgoing.iter_mut().zip(commands.unwrap_or_default()) {
            outgoing.push(command);
        }
        let links = vec![Link::default(); plane.macs.len()];
        let devices = vec![DeviceEvents::default(); plane.macs.len()];
        let (answers, requests, stopped) = (HashMap::new(), 0, false);
        Manager {
            clock,
            controller,
            plane,
            asked,
            reader,
            store,
            scraping,
            advertiser,
            keepalived,
            follower,
            peer,
            writing: None,
            programs: Programs::new(OURSELVES),
            log,
            outgoing,
            answers,
            requests,
            links,
            devices,
            stopped,
        }
    }

    /// Runs until a signal ends it or a worker is lost, then stops the workers in order.
    pub async fn run(mut self, stop: watch::Sender<bool>) -> std::io::Result<Ending> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let ending = self.serve(&mut terminate, &mut interrupt, &mut hangup).await;
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
        let _ = stop.send(true);
        self.stop();
        Ok(ending)
    }

    async fn serve(&mut self, terminate: &mut Signal, interrupt: &mut Signal, hangup: &mut Signal) -> Ending {
        let mut links_checked = Instant::ZERO;
        loop {
            let now = self.clock.now();
            if now.since(links_checked) >= LINKS || links_checked == Instant::ZERO {
                links_checked = now;
                self.check_links(now);
                self.plane.pass_vlans(self.controller.intent());
                self.plane.follow_hosts(self.controller.intent(), &self.links);
                self.keepalived.follow(self.controller.intent());
                if self.plane.has_lost_a_worker() {
                    return Ending::WorkerLost;
                }
                // Whoever hangs, this loop or a worker, is noticed by who counts these.
                if self.plane.turns_since(now) < PATIENCE {
                    let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
                }
            }
            self.controller.set_calendar(self.clock.wall().into());
            let more = self.read_mail(now);
            let pause = self.pause(now);
            let wait = async {
                match more {
                    true => tokio::task::yield_now().await,
                    false => tokio::time::sleep(pause).await,
                }
            };
            // One of those who are ready, by chance: none can keep another from its turn.
            tokio::select! {
                _ = terminate.recv() => return Ending::Asked,
                _ = interrupt.recv() => return Ending::Asked,
                _ = hangup.recv() => self.handle(Input::Hangup),
                Some(asked) = self.asked.recv() => self.ask(asked),
                (request_id, file) = self.reader.reading() => self.handle(Input::Reload { request_id, file }),
                saved = self.store.saved() => self.on_saved(saved),
                (number, outcome) = self.advertiser.outcome() => self.handle(Input::Advertised { number, outcome }),
                heard = self.keepalived.heard() => self.handle(match heard {
                    Heard::News(news) => Input::Pair(news),
                    Heard::Trouble(trouble) => Input::PairTrouble(trouble),
                }),
                (number, read) = self.follower.news() => self.handle(Input::KernelRoutes { number, read }),
                ended = self.programs.ended() => self.handle(match ended {
                    Ended::Probe(probe, exit) => Input::ProgramEnded { probe, exit },
                    Ended::Notified(exit) => Input::Notified(exit),
                }),
                Some(trouble) = self.scraping.trouble.recv() => self.handle(Input::Metrics(trouble)),
                () = wait => {}
            }
        }
    }

    /// How long nothing is due; workers' mail is read in between anyway.
    fn pause(&self, now: Instant) -> Duration {
        self.controller.next_deadline().map_or(ROUND, |due| due.since(now)).min(ROUND)
    }

    fn handle(&mut self, input: Input) {
        let now = self.clock.now();
        self.controller.handle(input, now);
        self.act_on_all();
    }

    /// Does what the controller wants, workers' commands first: a switchover waits neither for its line in the log nor for those to be made.
    fn act_on_all(&mut self) {
        while let Some((worker, command)) = self.controller.poll_command() {
            self.send(worker, command);
        }
        self.flush();
        let mut is_flushed = true;
        while let Some(output) = self.controller.poll_output() {
            let is_command = matches!(output, Output::ToWorker(..));
            if !is_command && !is_flushed {
                self.flush();
            }
            is_flushed = !is_command;
            self.act(output);
        }
        self.flush();
    }

    fn send(&mut self, worker: WorkerId, command: Command) {
        self.outgoing[usize::from(worker.0)].push(command);
    }

    fn act(&mut self, output: Output) {
        match output {
            Output::ToWorker(worker, command) => self.send(worker, command),
            Output::Answer { request_id, answer } => {
                if let Some(asker) = self.answers.remove(&request_id) {
                    let _ = asker.send(answer);
                }
            }
            Output::ReadFile { request_id } => self.reader.read(request_id),
            Output::ReadText { request_id, name, text } => self.reader.read_text(request_id, name, text),
            Output::SaveState { change, state } => self.store.save(change, state),
            Output::SaveConfigurations { change, all } => self.store.save_configurations(change, all),
            Output::SaveEvents { change, events } => self.store.save_events(change, events),
            Output::HandOver(order) => self.writing = Some(Writing::begin(*order, self.clock)),
            Output::Remember(rest) => {
                if let Some(writing) = &self.writing {
                    writing.remember(*rest);
                }
            }
            Output::ReadPushed { request_id, name, text, own } => self.reader.read_pushed(request_id, name, text, own),
            Output::TellPeer(word) => {
                if let Some(peer) = &self.peer {
                    peer.say(*word);
                }
            }
            Output::Log(row) => self.log.write(&row),
            Output::Notify(run) => self.programs.notify(*run),
            Output::RunProgram(run) => self.programs.run(*run),
            Output::Advertise(order) => self.advertiser.order(*order),
            Output::FollowRoutes(order) => self.follower.order(*order),
            Output::Metrics(address) => _ = self.scraping.address.send(address),
            Output::LogLevel(level) => self.log.set_level(level),
            Output::Ready => {
                let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
            }
            Output::Stopped => self.stopped = true,
        }
    }

    /// Gives workers their commands as far as their rings have room: in order, but frames after all others.
    fn flush(&mut self) {
        for (outgoing, mail) in self.outgoing.iter_mut().zip(&mut self.plane.mail) {
            outgoing.flush(mail);
        }
    }

    /// Passes on a bounded part of the workers' mail, and has done what is due. Says whether there is more.
    fn read_mail(&mut self, now: Instant) -> bool {
        let (events, left) = mail::read(&mut self.plane.mail, EVENTS);
        if left != Backlog::Urgent {
            self.controller.heard_until(now);
        }
        let heard = self.peer.as_mut().map(|peer| peer.news(now)).unwrap_or_default();
        let inputs = events.into_iter().map(Input::Event).chain(heard.into_iter().map(Input::Pair));
        self.controller.handle_all(inputs, now);
        self.act_on_all();
        if let Some(peer) = &mut self.peer {
            peer.follow(&self.controller);
        }
        left != Backlog::Nothing
    }

    fn check_links(&mut self, now: Instant) {
        for at in 0..self.links.len() {
            let port = PortId(at as u8);
            let link = self.plane.link(port);
            let before = std::mem::replace(&mut self.links[at], link);
            if link.up != before.up || (link.up && link.changes != before.changes) {
                self.controller.handle(Input::Link { port, up: link.up }, now);
            }
            let device = self.plane.device_events(port);
            let before = std::mem::replace(&mut self.devices[at], device);
            if device.resets != before.resets {
                self.controller.handle(Input::Device { port, event: DeviceEvent::Reset }, now);
            }
            if device.removals != before.removals {
                self.controller.handle(Input::Device { port, event: DeviceEvent::Removed }, now);
            }
        }
    }

    fn on_saved(&mut self, (kept, change, outcome): Saved) {
        self.handle(match kept {
            Kept::Operator => Input::Saved { change, outcome },
            Kept::Configurations => Input::ConfigurationsSaved { change, outcome },
            Kept::Events => Input::EventsSaved { change, outcome },
        });
    }

    fn ask(&mut self, asked: Asked) {
        self.requests += 1;
        let request_id = self.requests;
        self.answers.insert(request_id, asked.answer);
        self.handle(Input::Asked { request_id, request: asked.request, by: asked.by });
    }

    /// Stops the workers, and waits until they have ended and what the operator has set is saved, or the controller's patience is at
    /// its end.
    fn stop(mut self) {
        self.handle(Input::Stop);
        while !self.stopped {
            std::thread::sleep(ROUND);
            while let Some(saved) = self.store.take_saved() {
                self.on_saved(saved);
            }
            while let Some((number, outcome)) = self.advertiser.take_outcome() {
                self.handle(Input::Advertised { number, outcome });
            }
            if let Some(outcome) = self.writing.as_ref().and_then(Writing::ended) {
                self.handle(Input::HandedOver(outcome));
            }
            self.read_mail(self.clock.now());
        }
        let unsent: u64 =
            self.outgoing.iter_mut().zip(&self.plane.mail).map(|(outgoing, mail)| outgoing.end(mail)).sum();
        if unsent > 0 {
            tracing::warn!(
                "{unsent} frames of management were not sent before the end: the workers ended with them in their rings"
            );
        }
        self.plane.end();
    }
}
