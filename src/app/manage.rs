//! The management core's loop: what happens reaches the controller, what it wants is done.
//!
//! Owns the waiting: for workers' mail, operators, signals, links and the controller's own deadlines. Everything that
//! happens becomes an input; everything the controller wants becomes an act here. Decides nothing.

use super::clock::Clock;
use super::log::Log;
use super::plane::Plane;
use crate::admin::{Answer, Asked};
use crate::config;
use crate::control::{Controller, Input, Output};
use crate::policy::intent::PortId;
use crate::time::{Duration, Instant};
use crate::worker::mailbox::Command;
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};

/// Workers' mail is read this often.
const ROUND: Duration = Duration::from_millis(1);
/// Links are checked this often.
const LINKS: Duration = Duration::from_millis(500);

/// What the loop runs with.
pub struct Manager {
    clock: Clock,
    controller: Controller,
    plane: Plane,
    asked: mpsc::Receiver<Asked>,
    file: PathBuf,
    log: Log,
    /// Commands that found a worker's ring full, oldest first.
    backlog: Vec<VecDeque<Command>>,
    answers: HashMap<u64, oneshot::Sender<Answer>>,
    requests: u64,
    links: Vec<bool>,
    /// The controller has nothing more to say.
    stopped: bool,
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
        asked: mpsc::Receiver<Asked>,
        file: PathBuf,
        log: Log,
        clock: Clock,
    ) -> Manager {
        let backlog = plane.mail.iter().map(|_| VecDeque::new()).collect();
        let links = vec![false; plane.macs.len()];
        let (answers, requests, stopped) = (HashMap::new(), 0, false);
        Manager { clock, controller, plane, asked, file, log, backlog, answers, requests, links, stopped }
    }

    /// Runs until a signal ends it or a worker is lost, then stops the workers in order.
    pub async fn run(mut self, stop: watch::Sender<bool>) -> std::io::Result<Ending> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let ending = self.serve(&mut terminate, &mut interrupt, &mut hangup).await;
        tracing::info!("stopping");
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
                if self.plane.has_lost_a_worker() {
                    return Ending::WorkerLost;
                }
            }
            self.read_mail(now);
            self.handle(Input::Tick);
            let pause = self.pause(now);
            tokio::select! {
                biased;
                _ = terminate.recv() => return Ending::Asked,
                _ = interrupt.recv() => return Ending::Asked,
                _ = hangup.recv() => self.handle(Input::Hangup),
                Some(asked) = self.asked.recv() => self.ask(asked),
                () = tokio::time::sleep(pause) => {}
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

    /// Does what the controller wants, workers' commands first: a switchover does not wait for its line in the log.
    fn act_on_all(&mut self) {
        let mut outputs: Vec<Output> = std::iter::from_fn(|| self.controller.poll_output()).collect();
        outputs.sort_by_key(|output| !matches!(output, Output::ToWorker(..)));
        outputs.into_iter().for_each(|output| self.act(output));
        self.flush();
    }

    fn act(&mut self, output: Output) {
        match output {
            Output::ToWorker(worker, command) => {
                self.backlog[usize::from(worker.0)].push_back(command);
                self.flush();
            }
            Output::Answer { request_id, answer } => {
                if let Some(asker) = self.answers.remove(&request_id) {
                    let _ = asker.send(answer);
                }
            }
            Output::ReadFile { request_id } => self.read_file(request_id),
            Output::Log { level, message } => super::log::write(level, &message),
            Output::LogLevel(level) => self.log.set_level(level),
            Output::Ready => {
                tracing::info!("ready");
                let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
            }
            Output::Stopped => self.stopped = true,
        }
    }

    /// Gives workers their commands as far as their rings have room; in order.
    fn flush(&mut self) {
        for (backlog, mail) in self.backlog.iter_mut().zip(&mut self.plane.mail) {
            while !mail.commands.is_full()
                && let Some(command) = backlog.pop_front()
            {
                let _ = mail.commands.push(command);
            }
        }
    }

    fn read_mail(&mut self, now: Instant) {
        for worker in 0..self.plane.mail.len() {
            while let Ok(event) = self.plane.mail[worker].events.pop() {
                self.controller.handle(Input::Event(event), now);
                self.act_on_all();
            }
        }
    }

    fn check_links(&mut self, now: Instant) {
        for at in 0..self.links.len() {
            let port = PortId(at as u8);
            let up = self.plane.link_up(port);
            if std::mem::replace(&mut self.links[at], up) != up {
                self.controller.handle(Input::Link { port, up }, now);
            }
        }
    }

    fn ask(&mut self, asked: Asked) {
        self.requests += 1;
        let request_id = self.requests;
        self.answers.insert(request_id, asked.answer);
        self.handle(Input::Asked { request_id, request: asked.request });
    }

    /// Reads the file again and tells the controller what stands there.
    fn read_file(&mut self, request_id: Option<u64>) {
        let read = config::load(&self.file).map(Box::new);
        self.controller.handle(Input::Reload { request_id, read }, self.clock.now());
    }

    /// Stops the workers and waits until their snapshots are returned, or the controller's patience is at its end.
    fn stop(mut self) {
        self.handle(Input::Stop);
        while !self.stopped {
            std::thread::sleep(ROUND);
            self.read_mail(self.clock.now());
            self.handle(Input::Tick);
        }
        self.plane.end();
    }
}
