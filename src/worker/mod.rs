//! Floor 3: one turn of the loop.
//!
//! Owns [`Worker`]: its ports, its engine, its mailbox, and the frames that are in its hands. It brings bytes and
//! decisions together and counts every frame to its end. No clock, no lock, no system call: `turn(now)` is called by a
//! pinned thread in the field and by a test here. Read first: [`Worker::turn`], then `burst` (frames on their way to their
//! verdicts), `execute` (a frame and its verdict), `pieces` (a datagram that came in several), `send` (how it leaves),
//! [`counters`] (what is counted, and the sum that must come out), [`arrivals`] (whether NICs spread frames as asked),
//! [`latency`] (how long it took).

pub mod arrivals;
mod burst;
pub mod counters;
mod event_queue;
mod execute;
mod frames;
pub mod hand_off;
mod held;
pub mod latency;
pub mod mailbox;
mod pieces;
mod query;
mod send;

pub use counters::{Counters, Shared};
pub use frames::Frames;
pub use hand_off::{HandOff, hand_offs};
pub use latency::Latency;
pub use mailbox::{Command, Event, WorkerId};

use crate::engine::{Engine, ResetOrder, Steering};
use crate::io::{BURST, Port};
use crate::policy::intent::PortId;
use crate::time::{Duration, Instant};
use burst::Batch;
use event_queue::EventQueue;
use hand_off::HandedOff;
use held::Held;
use query::Queries;
use rtrb::Consumer;
use send::Outgoing;
use std::sync::Arc;

/// Flows looked at in one turn for what is due: expiry, what a reload took, resets, queries.
const CHORES: usize = 256;

/// What a turn did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Nothing was there to do.
    Idle,
    /// So many frames were received, taken over or made.
    Busy(usize),
    /// [`Command::Stop`] was executed: everything is returned, the worker is to be dropped.
    Ended,
}

/// A worker, with one queue pair of each port.
pub struct Worker<P: Port> {
    id: WorkerId,
    engine: Engine,
    steering: Steering,
    /// Frames that arrived here and belong here.
    mine: u64,
    /// Frames that are another worker's.
    theirs: u64,
    ports: Vec<P>,
    outgoing: Outgoing<P::Frame>,
    held: Held<P::Frame>,
    hand_off: HandOff<P::Frame>,
    commands: Consumer<Command>,
    events: EventQueue,
    queries: Queries,
    counters: Counters,
    /// As [`Counters::reasons`] stood when the counters of reasons were published last.
    reasons: u64,
    timing: latency::Timing,
    /// When this turn began.
    began: Instant,
    shared: Arc<Shared>,
    /// Lists that are empty between two bursts; only their memory stays.
    batch: Batch<P::Frame>,
    handed_off: Vec<HandedOff<P::Frame>>,
    orders: Vec<ResetOrder>,
    stopping: bool,
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
        let snapshot = engine.snapshot();
        Worker {
            held: Held::new(&snapshot.limits, &snapshot.timeouts, engine.seed()),
            id,
            engine,
            steering: Steering::ours(hand_off.workers()),
            mine: 0,
            theirs: 0,
            outgoing: Outgoing::new(ports.len()),
            ports,
            hand_off,
            commands: mailbox.commands,
            events: EventQueue::new(id, mailbox.events),
            queries: Queries::default(),
            counters: Counters::default(),
            reasons: 0,
            timing: latency::Timing::default(),
            began: Instant::ZERO,
            shared,
            batch: Batch::new(),
            handed_off: Vec::with_capacity(BURST),
            orders: Vec::with_capacity(4 * CHORES),
            stopping: false,
        }
    }

    /// One whose packets belong to workers by another law than our own hash. To be the same for all.
    pub fn under(mut self, steering: Steering) -> Worker<P> {
        self.steering = steering;
        self
    }

    /// One turn: mail, frames from the NICs, frames from other workers, chores, and out with it all.
    pub fn turn(&mut self, now: Instant) -> Work {
        self.began = now;
        let mut done = self.read_mail(now);
        for port in 0..self.ports.len() {
            done += self.receive(PortId(port as u8), now);
        }
        done += self.take_over(now);
        done += self.do_chores(now);
        self.send_all();
        self.hand_over_all();
        self.counters.set_gauges(&self.engine, self.held.frames());
        let reasons = self.counters.reasons();
        let given = std::mem::replace(&mut self.reasons, reasons) != reasons;
        self.shared.publish(&self.counters, self.engine.flows_by_member(), given);
        match (self.stopping, done) {
            (true, _) => self.end(),
            (false, 0) => Work::Idle,
            (false, done) => Work::Busy(done),
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
        self.timing.note(matches!(work, Work::Busy(_)), self.counters.transmitted, began, ended);
    }

    /// What is decided here, to be looked at.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What is due whether or not packets come, a bounded part of it.
    fn do_chores(&mut self, now: Instant) -> usize {
        self.engine.expire(now, CHORES);
        self.engine.forget_stale(CHORES);
        self.order_resets(now);
        self.report(now);
        self.answer_queries(now);
        self.give_up_pieces(now);
        self.give_up_waiting(now) + self.finish_deferred(now)
    }
}
