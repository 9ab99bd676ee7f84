//! A burst, in passes.
//!
//! Owns the way of frames from the NIC, or from another worker, to their verdicts: all are read, then what their flows need
//! from far away in memory is reached for, then each is decided about and changed. So the waits for memory of a burst
//! overlap, and the code of one pass stays in the cache for all. Read next: `dispose`.

use super::Worker;
use super::cargo::Cargo;
use super::dispose::reason;
use super::hand_off::Parcel;
use crate::engine::{Ahead, steer};
use crate::io::{BURST, Frame, Port};
use crate::policy::intent::PortId;
use crate::time::Instant;
use crate::wire::Headers;
use std::hint::black_box;

/// Places for the frames of a burst that are ours to decide about. They stay where they are and are filled anew for every
/// burst: what is known of a frame is written once and copied never.
pub(super) struct Arrivals<F> {
    places: Box<[Arrival<F>]>,
    taken: usize,
}

/// A frame, and what is known of it.
pub(super) struct Arrival<F> {
    frame: Option<F>,
    pub port: PortId,
    pub headers: Headers,
    pub ahead: Ahead,
}

impl<F> Arrivals<F> {
    pub(super) fn new() -> Arrivals<F> {
        let empty = |_| Arrival { frame: None, port: PortId(0), headers: Headers::BLANK, ahead: Ahead::NOTHING };
        Arrivals { places: (0..BURST).map(empty).collect(), taken: 0 }
    }

    /// The next free place. A burst is never longer than there are places.
    #[inline]
    fn next(&mut self) -> &mut Arrival<F> {
        &mut self.places[self.taken]
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
        let place = self.arrivals.next();
        if let Err(malformed) = Headers::parse_into(&mut place.headers, frame.bytes()) {
            return self.tally.dropped(reason(malformed));
        }
        place.ahead = self.engine.look_ahead(&place.headers);
        match steer::owner(&place.headers, &place.ahead.ends, self.engine.world(), &self.law) {
            Some(worker) if worker != usize::from(self.id.0) => {
                self.theirs += 1;
                self.hand_over(worker, Cargo::Frame(frame), port);
            }
            owner => {
                self.mine += u64::from(owner.is_some());
                (place.frame, place.port) = (Some(frame), port);
                self.arrivals.taken += 1;
            }
        }
    }

    /// First pass, for a frame that another worker has found to be ours.
    #[inline]
    fn keep(&mut self, frame: P::Frame, port: PortId) {
        let place = self.arrivals.next();
        match Headers::parse_into(&mut place.headers, frame.bytes()) {
            Ok(()) => {
                place.ahead = self.engine.look_ahead(&place.headers);
                (place.frame, place.port) = (Some(frame), port);
                self.arrivals.taken += 1;
            }
            Err(malformed) => self.tally.dropped(reason(malformed)),
        }
    }

    /// The other passes: reach for index cells, reach for flows, decide.
    #[inline]
    fn decide_all(&mut self, now: Instant) {
        let mut places = std::mem::take(&mut self.arrivals.places);
        let taken = std::mem::take(&mut self.arrivals.taken);
        let arrivals = &mut places[..taken];
        arrivals.iter().for_each(|arrival| self.engine.reach_for_index(&arrival.ahead));
        arrivals.iter().for_each(|arrival| self.engine.reach_for_flow(&arrival.ahead));
        for arrival in arrivals {
            if let Some(frame) = arrival.frame.take() {
                self.judge(frame, &arrival.headers, &arrival.ahead, arrival.port, now);
            }
        }
        self.arrivals.places = places;
    }
}

/// The frame's length. Its first byte is asked for on the way.
#[inline]
fn look_at<F: Frame>(frame: &F) -> u64 {
    let bytes = frame.bytes();
    black_box(bytes.first().copied());
    bytes.len() as u64
}
