//! Frames that captures and the recorder look at, on their way.
//!
//! Owns where a worker looks: at each frame before it is decided about and after, and at what had to wait when it leaves or dies. While
//! neither is on, none of this runs. Who is asked what matches, and where it is recorded: [`super::taps`].

use super::burst::{Batch, Origin, Place};
use super::frames::{Frames, Received};
use super::mailbox::{Event, WorkerId};
use super::pipeline::Pipeline;
use super::ports::Ports;
use super::tap::Tap;
use super::tape::Tape;
use super::taps::Come;
use crate::engine::Engine;
use crate::io::Port;
use crate::time::Instant;

impl<P: Port> Pipeline<P> {
    /// As the last pass of [`Pipeline::decide_all`], with a look at each frame before and after.
    #[inline(never)]
    pub(super) fn decide_all_watched<const COUNTS: bool>(
        &mut self,
        batch: &mut Batch<P::Frame>,
        origin: Origin,
        now: Instant,
    ) -> u64 {
        let (mut cached, mut is_begun) = (0, false);
        let Batch { frames, places, .. } = batch;
        for (frame, place) in frames.drain(..).zip(&*places) {
            if place.arrived().is_some_and(|arrived| self.out.ports.taps.pass_over(&arrived, &self.engine)) {
                cached += u64::from(self.decide_one::<COUNTS>(frame, place, origin, now));
                is_begun = false;
                continue;
            }
            if !is_begun {
                self.out.ports.begin_watch();
                is_begun = true;
            }
            let does = |here: &mut Self, frame| here.decide_one::<COUNTS>(frame, place, origin, now);
            cached += u64::from(self.watch_one(frame, place, now, does));
        }
        cached
    }

    /// A datagram of a burst that was glanced over, and is no stranger's: it is looked at after all, before it is decided about.
    #[cold]
    pub(super) fn watch_late<const COUNTS: bool>(
        &mut self,
        frame: P::Frame,
        place: &Place,
        origin: Origin,
        now: Instant,
    ) {
        self.out.ports.begin_watch();
        self.watch_one(frame, place, now, |here, frame| here.decide::<COUNTS>(frame, place, origin, now));
    }

    /// A frame that has just come is noted before something is done with it, and what came of it afterwards.
    #[inline(always)]
    fn watch_one<T>(
        &mut self,
        frame: P::Frame,
        place: &Place,
        now: Instant,
        does: impl FnOnce(&mut Self, P::Frame) -> T,
    ) -> T {
        self.out.ports.taps.note(&frame, place.port, now, Come::Now);
        let waiting = self.hand_off.waiting();
        let done = does(self, frame);
        let is_elsewhere = self.hand_off.waiting() != waiting;
        self.out.ports.end_watch(&self.engine, is_elsewhere);
        done
    }

    /// Has something done with a datagram that has waited, or came from another worker in fragments, or was made here from a copy.
    pub(super) fn watched_end(
        &mut self,
        datagram: Received<P::Frame>,
        come: Come,
        does: impl FnOnce(&mut Self, Received<P::Frame>),
    ) {
        if !self.out.ports.taps.is_on() {
            return does(self, datagram);
        }
        self.out.ports.begin_watch();
        let Received { frames, port, at } = &datagram;
        match frames {
            Frames::One(frame) => self.out.ports.taps.note(frame, *port, *at, come),
            // Each is seen as it came; what is done with the first is done with all.
            Frames::Fragments(all) => {
                for (number, frame) in all.iter().enumerate().rev() {
                    self.out.ports.taps.note(frame, *port, *at, come);
                    if number > 0 {
                        self.out.ports.end_watch(&self.engine, false);
                    }
                }
            }
        }
        self.out.ports.watch_whole(&datagram.frames);
        does(self, datagram);
        self.out.ports.end_watch(&self.engine, false);
    }

    /// A capture begins here.
    pub(super) fn begin_capture(&mut self, worker: WorkerId, tap: Box<Tap>) {
        if let Some(tap) = self.out.ports.taps.open(tap) {
            tap.end();
            self.out.events.send(Event::CaptureEnded { worker, capture: tap.capture, tap });
        }
        self.out.ports.taps.learn(self.engine.snapshot());
    }

    /// The recorder writes on another tape from now on, or nothing. Returns the one before.
    pub(super) fn exchange_tape(&mut self, tape: Option<Box<Tape>>) -> Option<Box<Tape>> {
        let before = self.out.ports.taps.exchange_tape(tape);
        self.out.ports.taps.learn(self.engine.snapshot());
        before
    }

    /// Captures that nobody wants any more end, or all of them; what was counted is said.
    #[inline]
    pub(super) fn end_captures(&mut self, worker: WorkerId, all: bool) {
        if self.out.ports.taps.has_captures() {
            self.end_those(worker, all);
        }
    }

    #[cold]
    fn end_those(&mut self, worker: WorkerId, all: bool) {
        self.out.ports.taps.publish();
        while let Some(tap) = self.out.ports.taps.next_ended(all) {
            self.out.events.send(Event::CaptureEnded { worker, capture: tap.capture, tap });
            self.out.ports.taps.learn(self.engine.snapshot());
        }
    }
}

impl<P: Port> Ports<P> {
    pub(super) fn begin_watch(&mut self) {
        self.taps.begin(&self.counters, &self.queues);
    }

    /// What is done from now on is done with all of these: one datagram's, of which the one that is watched is one.
    pub(super) fn watch_whole(&mut self, frames: &Frames<P::Frame>) {
        if self.taps.is_on() {
            self.taps.are_whole(frames.all());
        }
    }

    pub(super) fn end_watch(&mut self, engine: &Engine, is_elsewhere: bool) {
        self.taps.conclude(&self.counters, &self.queues, engine, is_elsewhere);
    }
}
