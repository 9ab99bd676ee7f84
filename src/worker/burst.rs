//! A burst, in passes.
//!
//! Owns the way of frames from the NIC, or from another worker, to their verdicts: all are read, then what their flows need
//! from far away in memory is reached for, then each is decided about and changed. So the waits for memory of a burst
//! overlap, and the code of one pass stays in the cache for all. Read next: `dispose`.

use super::Worker;
use super::cargo::Cargo;
use super::dispose::reason;
use super::hand_off::Parcel;
use crate::engine::{Ahead, Engine, Law, steer};
use crate::io::{BURST, Frame, Port};
use crate::policy::intent::PortId;
use crate::time::Instant;
use crate::wire::{Headers, Malformed, Usual};
use prefetch_index::prefetch_index;

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
    /// `packet` holds its facts. Another one's are read when it is decided about.
    is_usual: bool,
    packet: Usual,
    ahead: Ahead,
}

impl<F: Frame> Batch<F> {
    pub(super) fn new() -> Batch<F> {
        let (packet, ahead) = (Usual::BLANK, Ahead::NOTHING);
        let empty = |_| Place { frame: None, port: PortId(0), is_usual: false, packet, ahead };
        Batch { places: (0..BURST).map(empty).collect(), taken: 0 }
    }

    /// Writes what is known of `frame` into the next free place. A burst is never longer than there are places.
    #[inline]
    fn read(&mut self, frame: &F, engine: &Engine) -> &mut Place<F> {
        let place = &mut self.places[self.taken];
        place.is_usual = Usual::read(&mut place.packet, frame.bytes()).is_some();
        if place.is_usual {
            place.ahead = engine.look_ahead_usual(&place.packet);
        }
        place
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
        for Parcel { cargo, port, received } in parcels.drain(..) {
            count += cargo.frames();
            self.timing.taken_over(received, cargo.frames() as u64);
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
        let place = self.batch.read(&frame, &self.engine);
        let owner = if place.is_usual {
            steer::owner_of_usual(&place.packet, &place.ahead.ends, self.engine.world(), &self.law)
        } else {
            match look_with_care(&frame, &self.engine, &self.law) {
                Ok((owner, ahead)) => {
                    place.ahead = ahead;
                    owner
                }
                Err(malformed) => return self.tally.dropped(reason(malformed)),
            }
        };
        match owner {
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
        let place = self.batch.read(&frame, &self.engine);
        if !place.is_usual {
            match look_with_care(&frame, &self.engine, &self.law) {
                Ok((_, ahead)) => place.ahead = ahead,
                Err(malformed) => return self.tally.dropped(reason(malformed)),
            }
        }
        self.batch.take(frame, port);
    }

    /// The other passes: reach for index cells, reach for flows, pass on what only has to be, decide about the rest.
    #[inline]
    fn decide_all(&mut self, now: Instant) {
        let mut places = std::mem::take(&mut self.batch.places);
        let taken = std::mem::take(&mut self.batch.taken);
        let batch = &mut places[..taken];
        batch.iter().for_each(|place| self.engine.reach_for_index(&place.ahead));
        batch.iter_mut().for_each(|place| self.engine.reach_for_flow(&mut place.ahead));
        for Place { frame, port, is_usual, packet, ahead } in batch {
            let Some(frame) = frame.take() else { continue };
            let left = if *is_usual { self.pass_on(frame, packet, ahead, *port, now) } else { Some(frame) };
            if let Some(frame) = left {
                self.decide_ahead(frame, ahead, *port, now);
            }
        }
        self.batch.places = places;
    }
}

/// Whose a frame is that is no usual packet, and what is known of it ahead of the decision.
#[cold]
fn look_with_care<F: Frame>(frame: &F, engine: &Engine, law: &Law) -> Result<(Option<usize>, Ahead), Malformed> {
    let headers = Headers::parse(frame.bytes())?;
    let ahead = engine.look_ahead(&headers);
    Ok((steer::owner(&headers, &ahead.ends, engine.world(), law), ahead))
}

/// The frame's length. Its first byte is asked for on the way.
#[inline]
fn look_at<F: Frame>(frame: &F) -> u64 {
    let bytes = frame.bytes();
    prefetch_index(bytes, 0);
    bytes.len() as u64
}
