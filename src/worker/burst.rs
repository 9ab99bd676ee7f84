//! A burst, in passes.
//!
//! Owns the way of frames from the NIC, or from another worker, to their verdicts: all are read, then what their flows need
//! from far away in memory is reached for, then each is decided about and changed. So the waits for memory of a burst
//! overlap, and the code of one pass stays in the cache for all. Read next: `dispose`.

use super::Worker;
use super::cargo::Cargo;
use super::dispose::reason;
use super::hand_off::Parcel;
use crate::engine::{Ahead, Engine, steer};
use crate::io::{BURST, Frame, Port};
use crate::policy::intent::PortId;
use crate::time::Instant;
use crate::wire::{Headers, Malformed};
use std::hint::black_box;

/// Places for the frames of a burst that are ours to decide about. They stay where they are and are filled anew for every
/// burst: what is known of a frame is written once and copied never.
pub(super) struct Batch<F> {
    places: Box<[Place<F>]>,
    taken: usize,
}

/// A frame, and what is known of it.
struct Place<F> {
    frame: Option<F>,
    port: PortId,
    headers: Headers,
    ahead: Ahead,
}

impl<F: Frame> Batch<F> {
    pub(super) fn new() -> Batch<F> {
        let empty = |_| Place { frame: None, port: PortId(0), headers: Headers::BLANK, ahead: Ahead::NOTHING };
        Batch { places: (0..BURST).map(empty).collect(), taken: 0 }
    }

    /// Writes what is known of `frame` into the next free place. A burst is never longer than there are places.
    #[inline]
    fn read(&mut self, frame: &F, engine: &Engine) -> Result<&mut Place<F>, Malformed> {
        let place = &mut self.places[self.taken];
        Headers::parse_into(&mut place.headers, frame.bytes())?;
        place.ahead = engine.look_ahead(&place.headers);
        Ok(place)
    }

    /// The frame that was read last is ours.
    #[inline]
    fn take(&mut self, frame: F, port: PortId) {
        let place = &mut self.places[self.taken];
        (place.frame, place.port) = (Some(frame), port);
        self.taken += 1;
    }
}

impl<P: Port> Worker<P> {
    /// What the NIC has for us.
    pub(super) fn receive(&mut self, port: PortId, now: Instant) -> usize {
        let before = self.arrived();
        let mut burst = std::mem::take(&mut self.burst);
        let count = self.ports[port.index()].receive(&mut burst);
        if count > 0 {
            self.tally.received += count as u64;
            // The first look at every frame brings its bytes near; nothing waits for them yet.
            self.tally.received_bytes += burst.iter().map(look_at).sum::<u64>();
            burst.drain(..).for_each(|frame| self.sort_out(frame, port));
            self.decide_all(now);
            self.note_arrivals(port, before);
        }
        self.burst = burst;
        count
    }

    /// Frames other workers received and this one decides about.
    pub(super) fn take_over(&mut self, now: Instant) -> usize {
        let mut parcels = std::mem::take(&mut self.parcels);
        self.hand_off.take(&mut parcels, BURST);
        let mut count = 0;
        for Parcel { cargo, port } in parcels.drain(..) {
            count += cargo.frames();
            match cargo {
                Cargo::Frame(frame) => self.keep(frame, port),
                // What came before it shall leave before it.
                pieces => {
                    self.decide_all(now);
                    self.decide(pieces, port, now);
                }
            }
        }
        self.tally.taken_over += count as u64;
        self.parcels = parcels;
        self.decide_all(now);
        count
    }

    /// First pass, for a frame as the NIC gave it: what is it, and whose?
    #[inline]
    fn sort_out(&mut self, frame: P::Frame, port: PortId) {
        let place = match self.batch.read(&frame, &self.engine) {
            Ok(place) => place,
            Err(malformed) => return self.tally.dropped(reason(malformed)),
        };
        match steer::owner(&place.headers, &place.ahead.ends, self.engine.world(), &self.law) {
            Some(worker) if worker != usize::from(self.id.0) => {
                self.theirs += 1;
                self.hand_over(worker, Cargo::Frame(frame), port);
            }
            owner => {
                self.mine += u64::from(owner.is_some());
                self.batch.take(frame, port);
            }
        }
    }

    /// First pass, for a frame that another worker has found to be ours.
    #[inline]
    fn keep(&mut self, frame: P::Frame, port: PortId) {
        match self.batch.read(&frame, &self.engine) {
            Ok(_) => self.batch.take(frame, port),
            Err(malformed) => self.tally.dropped(reason(malformed)),
        }
    }

    /// The other passes: reach for index cells, reach for flows, decide.
    #[inline]
    fn decide_all(&mut self, now: Instant) {
        let mut places = std::mem::take(&mut self.batch.places);
        let taken = std::mem::take(&mut self.batch.taken);
        let batch = &mut places[..taken];
        batch.iter().for_each(|place| self.engine.reach_for_index(&place.ahead));
        batch.iter().for_each(|place| self.engine.reach_for_flow(&place.ahead));
        for place in batch {
            if let Some(frame) = place.frame.take() {
                self.judge(frame, &place.headers, &place.ahead, place.port, now);
            }
        }
        self.batch.places = places;
    }
}

/// The frame's length. Its first byte is asked for on the way.
#[inline]
fn look_at<F: Frame>(frame: &F) -> u64 {
    let bytes = frame.bytes();
    black_box(bytes.first().copied());
    bytes.len() as u64
}
