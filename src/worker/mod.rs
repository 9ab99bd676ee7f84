//! Floor 3: one turn of the loop.
//!
//! Owns [`Worker`], which is composed of parts that each own their state: bytes and decisions meet here, and every frame is counted
//! to its end. No clock, no lock, no system call: `turn(now)` is called by a pinned thread in the field and by a test here. Read
//! first: [`Worker::turn`], then `burst` (frames on their way to their verdicts), `pipeline` (a datagram from its facts to its end,
//! and while it waits), `execute` (what a verdict asks for), `ports` (how a frame leaves), [`hand_off`] (which packets are this
//! worker's, and where others go), [`counters`] (what is counted, and the sum that must come out), [`arrivals`] (whether NICs
//! spread frames as asked), [`latency`] (how long it took), [`sip`] (what SIP messages say that pass, where that is counted), [`tap`]
//! (what captures see), [`tape`] (what the recorder has seen last), [`handing_over`] (what it
//! leaves to the next process), [`sync`] (what it tells another appliance), [`host`] (what the kernel sees of an interface, and sends there).

mod allowance;
pub mod arrivals;
mod burst;
mod copies;
mod count_sip;
pub mod counters;
mod event_queue;
mod execute;
mod feeder;
mod for_host;
mod frames;
pub mod hand_off;
pub mod handing_over;
mod held;
pub mod host;
mod intake;
pub mod latency;
mod leaving;
pub mod mailbox;
mod meant;
mod pipeline;
mod ports;
mod query;
mod redelivery;
pub mod sip;
pub mod sync;
pub mod tap;
pub mod tape;
mod tapping;
mod taps;
mod withheld;

pub use copies::CopyCount;
pub use counters::{Counters, Shared};
pub use frames::{Frames, Received};
pub use hand_off::{HandOff, hand_offs};
pub use latency::Latency;
pub use mailbox::{Command, Event, WorkerId};

use crate::engine::{Engine, ResetOrder, Steering};
use crate::io::Port;
use crate::time::{Duration, Instant};
use crate::wire::compose;
use burst::Batch;
use counters::{Owned, Publisher};
use event_queue::EventQueue;
use execute::Executor;
use host::HostLink;
use latency::Timing;
use pipeline::Pipeline;
use ports::Ports;
use query::Queries;
use std::sync::Arc;
use sync::SyncEnd;

/// Flows looked at in one turn for what is due: expiry, what a reload took, resets; and fragments that have waited too long.
const CHORES: usize = 256;
/// Commands executed in one turn, at most, but in the last: what management has sent before it is done then.
const COMMANDS: usize = 32;

/// What a turn did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Nothing was there to do.
    Idle,
    /// No frame came, but flows were looked at for management, which waits for the rest: it is no time to sleep.
    Walked,
    /// So many frames were received, handed in or built.
    Busy(usize),
    /// [`Command::Stop`] was executed: everything is returned, the worker is to be dropped.
    Ended,
}

/// A worker, with one queue pair of each port.
pub struct Worker<P: Port> {
    id: WorkerId,
    commands: mailbox::Commands,
    batch: Batch<P::Frame>,
    pipeline: Pipeline<P>,
    queries: Queries,
    timing: Timing,
    publisher: Publisher,
    /// Empty between two turns; only its memory stays.
    resets: Vec<ResetOrder>,
    /// What it tells another appliance, and takes in of it.
    sync: Option<Box<SyncEnd>>,
    stopping: bool,
}

impl Work {
    /// It was about frames.
    #[inline]
    pub fn is_busy(self) -> bool {
        matches!(self, Work::Busy(_))
    }

    /// Nothing is lost if the next turn comes a moment later.
    #[inline]
    pub fn may_sleep(self) -> bool {
        self == Work::Idle
    }
}

impl<P: Port> Worker<P> {
    /// A worker for `ports` (one queue pair each, in the order of the configuration).
    pub fn new(
        id: WorkerId,
        engine: Engine,
        ports: Vec<P>,
        hand_off: HandOff<P::Frame>,
        mailbox: mailbox::WorkerEnd,
        shared: Arc<Shared>,
    ) -> Worker<P> {
        let out = Executor { ports: Ports::new(ports), events: EventQueue::new(id, mailbox.events), host: None };
        let publisher = Publisher::new(shared, Owned::of(&engine));
        Worker {
            id,
            commands: mailbox.commands,
            batch: Batch::new(),
            pipeline: Pipeline::new(engine, hand_off, out),
            queries: Queries::default(),
            timing: Timing::default(),
            publisher,
            resets: Vec::with_capacity(4 * CHORES),
            sync: None,
            stopping: false,
        }
    }

    /// One whose packets belong to workers by this steering, which must be the same for all, not by our own hash.
    pub fn under(mut self, steering: Steering) -> Worker<P> {
        self.pipeline.hand_off.steering = steering;
        self
    }

    /// One that serves the kernel's devices of interfaces as well.
    #[must_use]
    pub fn with_host(mut self, link: HostLink) -> Worker<P> {
        self.pipeline.out.host = Some(link);
        self
    }

    /// One turn: commands, frames from the NICs, frames from other workers, chores, and out with it all.
    pub fn turn(&mut self, now: Instant) -> Work {
        if self.stopping {
            self.read_commands(now);
            return self.end(now);
        }
        self.pipeline.out.ports.taps.begin_turn(now);
        let mut done = self.read_commands(now);
        for port in self.pipeline.out.ports.ids() {
            done += self.pipeline.receive(&mut self.batch, port, now);
            self.publisher.add_arrivals(port, self.pipeline.hand_off.take_arrived());
        }
        done += self.pipeline.take_handed_in(&mut self.batch, &mut self.timing, now);
        done += self.pipeline.take_from_host(now);
        let (due, walked) = self.do_chores(now);
        done += due;
        if self.stopping {
            return self.end(now);
        }
        self.finish_turn();
        match done {
            0 if walked => Work::Walked,
            0 => Work::Idle,
            done => Work::Busy(done),
        }
    }

    /// What a turn leaves goes to the NICs, to other workers and to management.
    fn finish_turn(&mut self) {
        self.pipeline.finish_turn();
        self.pipeline.end_captures(self.id, self.stopping);
        self.publisher.publish(&self.pipeline.out.ports.counters);
    }

    /// No frame is received any more: what is remembered is given away if it is wanted, then what must be said is.
    #[cold]
    fn end(&mut self, now: Instant) -> Work {
        self.pipeline.stop();
        self.finish_turn();
        if !self.queries.finish_giving(&self.pipeline.engine, now) {
            self.pipeline.out.events.flush();
            return Work::Busy(1);
        }
        match self.pipeline.out.events.send_stopped() {
            0 => Work::Ended,
            waiting => Work::Busy(waiting),
        }
    }

    /// A turn longer than `span` is a stall.
    #[must_use]
    pub fn stalled_after(mut self, span: Duration) -> Worker<P> {
        self.timing.set_stall(span);
        self
    }

    /// What the turn that has just ended did, and when it began and ended. Called after each turn by whoever has a clock.
    #[inline]
    pub fn note_turn(&mut self, work: Work, began: Instant, ended: Instant) {
        let sent = self.pipeline.out.ports.counters.transmitted;
        self.timing.note(work.is_busy(), sent, began, ended);
    }

    /// Before the first turn: what is remembered from the start on.
    pub fn prepare(&mut self, first: impl FnOnce(&mut Engine)) {
        first(&mut self.pipeline.engine);
    }

    /// What is decided here, to be looked at.
    pub fn engine(&self) -> &Engine {
        &self.pipeline.engine
    }

    /// Executes what management has sent.
    fn read_commands(&mut self, now: Instant) -> usize {
        let mut count = 0;
        while (count < COMMANDS || self.stopping)
            && let Some(command) = self.commands.pop()
        {
            self.handle(command, now);
            count += 1;
        }
        self.pipeline.out.events.flush();
        count
    }

    fn handle(&mut self, command: Command, now: Instant) {
        let worker = self.id;
        match command {
            Command::Install(snapshot, ports) => {
                let epoch = snapshot.epoch;
                let old = Some(self.pipeline.install(snapshot, ports));
                self.pipeline.out.events.send(Event::Installed { worker, epoch, at: now, old });
                self.pipeline.decide_waiting(now);
                self.pipeline.decide_withheld(now);
                self.pipeline.sort_copies(now);
            }
            Command::Transmit { port, frame } => self.pipeline.out.ports.originate(port, &frame),
            Command::GiveUp(hop) => self.pipeline.give_up(hop, now),
            Command::ConfirmedUp(member) => self.pipeline.pass_on(member, now),
            Command::ListFlows { query, filter, limit } => self.queries.list(query, filter, limit),
            Command::ClearFlows { query, filter } => self.queries.clear(query, filter),
            Command::Impact { query, next, until } => self.queries.impact(query, next, until),
            Command::Excerpt { query, about } => self.queries.excerpt(query, about),
            Command::Latency(fresh) => {
                let latency = self.timing.exchange(fresh);
                self.pipeline.out.events.send(Event::Latency { worker, latency });
            }
            Command::Sip(fresh) => {
                let statistics = self.pipeline.sampling.exchange(fresh, now);
                self.pipeline.out.events.send(Event::Sip { worker, statistics });
            }
            Command::Capture(tap) => self.pipeline.begin_capture(worker, tap),
            Command::Tape { recording, tape } => {
                let tape = self.pipeline.exchange_tape(tape);
                self.pipeline.out.events.send(Event::Tape { worker, recording, tape });
            }
            Command::HandOver(giver) => self.queries.hand_over(giver),
            Command::Sync(end) => {
                if let Some(before) = std::mem::replace(&mut self.sync, end) {
                    before.end(&mut self.pipeline.engine);
                }
            }
            Command::Stop => self.stopping = true,
        }
    }

    /// What is due whether or not packets come, a bounded part of it: how many frames that were, and whether flows were looked at for
    /// management.
    fn do_chores(&mut self, now: Instant) -> (usize, bool) {
        let Pipeline { engine, out, .. } = &mut self.pipeline;
        engine.expire(now, CHORES);
        engine.forget_stale(CHORES);
        engine.settle_traffic(now);
        engine.next_resets(now, CHORES, &mut self.resets);
        for ResetOrder { tuple, seq, ack, egress } in self.resets.drain(..) {
            out.ports.originate(egress.port, &compose::tcp_reset(&egress.link.link(), &tuple, seq, ack));
        }
        while let Some(member) = engine.next_passive_hint() {
            out.events.hint(member, now);
        }
        let mut walked = self.queries.work(self.id, &mut self.pipeline, now);
        if let Some(sync) = &mut self.sync {
            let Pipeline { engine, hand_off, .. } = &mut self.pipeline;
            walked |= sync.work(usize::from(self.id.0), &hand_off.steering, engine, now);
        }
        (self.pipeline.expire_held(now, CHORES) + self.pipeline.redeliver(now), walked)
    }
}
