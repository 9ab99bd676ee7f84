//! A burst, in passes.
//!
//! Owns the way of frames from the NIC, or from another worker, to their verdicts: all are read, then what their flows need
//! from far away in memory is reached for, then each is decided about and changed. So the waits for memory of a burst
//! overlap, and the code of one pass stays in the cache for all. Read next: `execute`.

use super::Worker;
use super::cargo::Cargo;
use super::execute::reason;
use super::hand_off::Parcel;
use crate::engine::{Classified, Engine, Verdict};
use crate::io::{BURST, Frame, Port};
use crate::policy::intent::PortId;
use crate::time::Instant;
use crate::wire::{Malformed, Packet};
use prefetch_index::prefetch_index;

/// Places for the frames of a burst that are ours to decide about. They stay where they are and are filled anew for every
/// burst: what is known of a frame is written once and copied never.
pub(super) struct Batch<F> {
    places: Box<[Place<F>]>,
    taken: usize,
}

/// A frame, and what is known of it.
struct Place<F> {
    packet: Packet,
    classified: Classified,
    frame: Option<F>,
    port: PortId,
}

impl<F: Frame> Batch<F> {
    pub(super) fn new() -> Batch<F> {
        let empty = |_| Place { packet: Packet::BLANK, classified: Classified::NOTHING, frame: None, port: PortId(0) };
        Batch { places: (0..BURST).map(empty).collect(), taken: 0 }
    }

    /// Writes what is known of `frame` into the next free place. A burst is never longer than there are places.
    #[inline]
    fn read(&mut self, frame: &F, port: PortId, engine: &Engine) -> Result<&mut Place<F>, Malformed> {
        let place = &mut self.places[self.taken];
        place.packet.read(frame.bytes())?;
        place.classified = engine.classify(&place.packet, port);
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
        for Parcel { cargo, port, received } in parcels.drain(..) {
            count += cargo.frames();
            self.timing.taken_over(received, cargo.frames() as u64);
            match cargo {
                Cargo::Frame(frame) => self.keep(frame, port),
                // What came before it shall leave before it.
                Cargo::Pieces(pieces) => {
                    self.decide_all(now);
                    self.take_over_whole(pieces, port, now);
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
        let place = match self.batch.read(&frame, port, &self.engine) {
            Ok(place) => place,
            Err(malformed) => return self.tally.dropped(reason(malformed)),
        };
        match self.steering.worker(&place.packet, &place.classified.path, self.engine.world()) {
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
        match self.batch.read(&frame, port, &self.engine) {
            Ok(_) => self.batch.take(frame, port),
            Err(malformed) => self.tally.dropped(reason(malformed)),
        }
    }

    /// The other passes: prefetch index cells, prefetch flows, decide about each and do what the verdict says.
    #[inline]
    fn decide_all(&mut self, now: Instant) {
        let mut places = std::mem::take(&mut self.batch.places);
        let taken = std::mem::take(&mut self.batch.taken);
        let batch = &mut places[..taken];
        batch.iter().for_each(|place| self.engine.prefetch_bucket(&place.classified));
        batch.iter_mut().for_each(|place| self.engine.prefetch_entry(&mut place.classified));
        for Place { packet, classified, frame, port } in batch {
            let Some(frame) = frame.take() else { continue };
            match self.engine.decide(packet, classified, now) {
                Verdict::Forward(forward) => self.forward(frame, packet, &forward),
                verdict => self.process(frame, packet, verdict, *port, now),
            }
        }
        self.batch.places = places;
    }
}

/// The frame's length. Its first byte is asked for on the way.
#[inline]
fn look_at<F: Frame>(frame: &F) -> u64 {
    let bytes = frame.bytes();
    prefetch_index(bytes, 0);
    bytes.len() as u64
}
