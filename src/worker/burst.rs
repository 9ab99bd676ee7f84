//! A burst, in passes.
//!
//! Owns the way of frames from the NIC, or from another worker, to their verdicts: all are read, then what their flows need
//! from far away in memory is prefetched, then each leaves by its flow's cached route, or is classified and decided about. So
//! the waits for memory of a burst overlap, and the code of one pass stays in the cache for all. A flow is only in the table
//! of the worker it belongs to: whose worker a frame is has to be asked only where no flow says it. Read next: `execute`.

use super::Worker;
use super::execute::reason;
use super::frames::{Frames, Received};
use crate::engine::{Classified, Departure, Engine, Lookup};
use crate::io::{BURST, Frame, Port};
use crate::policy::intent::PortId;
use crate::time::Instant;
use crate::wire::{Malformed, Packet};
use prefetch_index::prefetch_index;

/// The frames of a burst, and what is known of each, at the same place of the other list. The latter stays where it is and is
/// written anew for every burst: what is known of a frame is written once and copied never.
pub(super) struct Batch<F> {
    frames: Vec<F>,
    places: Box<[Place]>,
}

/// What is known of a frame.
struct Place {
    packet: Packet,
    lookup: Lookup,
    port: PortId,
    malformed: Option<Malformed>,
}

impl<F: Frame> Batch<F> {
    pub(super) fn new() -> Batch<F> {
        let blank = |_| Place { packet: Packet::BLANK, lookup: Lookup::NOTHING, port: PortId(0), malformed: None };
        Batch { frames: Vec::with_capacity(BURST), places: (0..BURST).map(blank).collect() }
    }

    /// First pass, over frames that all came in on `port`: each is read, and its flow's index cell prefetched.
    #[inline]
    fn read(&mut self, port: PortId, engine: &Engine) {
        for (frame, place) in self.frames.iter().zip(&mut self.places) {
            place.read(frame, port, engine);
        }
    }

    /// Takes in a frame that another worker received. There are never more than [`BURST`].
    fn push(&mut self, frame: F, port: PortId, engine: &Engine) {
        if let Some(place) = self.places.get_mut(self.frames.len()) {
            place.read(&frame, port, engine);
        }
        self.frames.push(frame);
    }
}

impl Place {
    #[inline(always)]
    fn read<F: Frame>(&mut self, frame: &F, port: PortId, engine: &Engine) {
        self.port = port;
        self.malformed = self.packet.read(frame.bytes()).err();
        match self.malformed {
            None => engine.look_up(&self.packet, &mut self.lookup),
            Some(_) => self.lookup = Lookup::NOTHING,
        }
    }
}

impl<P: Port> Worker<P> {
    /// What the NIC has for us.
    pub(super) fn receive(&mut self, port: PortId, now: Instant) -> usize {
        let count = self.pipeline.out.ports.receive(port, &mut self.batch.frames);
        if count > 0 {
            self.pipeline.out.ports.counters.received += count as u64;
            // The first look at every frame brings its bytes near; nothing waits for them yet.
            self.pipeline.out.ports.counters.received_bytes += self.batch.frames.iter().map(look_at).sum::<u64>();
            self.batch.read(port, &self.pipeline.engine);
            self.decide_all(Origin::Nic, now);
            self.publisher.add_arrivals(port, self.pipeline.hand_off.take_arrived());
        }
        count
    }

    /// Frames other workers received and this one decides about.
    pub(super) fn take_handed_in(&mut self, now: Instant) -> usize {
        let mut handed_in = std::mem::take(&mut self.handed_in);
        self.pipeline.hand_off.take(&mut handed_in, BURST);
        let mut count = 0;
        for Received { frames, port, at } in handed_in.drain(..) {
            count += frames.count();
            self.timing.handed_in(at, frames.count() as u64);
            match frames {
                Frames::One(frame) => self.batch.push(frame, port, &self.pipeline.engine),
                // What came before it must leave before it.
                frames => {
                    self.decide_all(Origin::Worker, now);
                    self.pipeline.process_whole(Received { frames, port, at }, now);
                }
            }
        }
        self.pipeline.out.ports.counters.handed_in += count as u64;
        self.handed_in = handed_in;
        self.decide_all(Origin::Worker, now);
        count
    }

    /// The other passes: prefetch flows, then send each frame by its cached route, or decide about it.
    #[inline]
    fn decide_all(&mut self, origin: Origin, now: Instant) {
        let (mut frames, mut places) = (std::mem::take(&mut self.batch.frames), std::mem::take(&mut self.batch.places));
        places[..frames.len()].iter_mut().for_each(|place| self.pipeline.engine.prefetch_entry(&mut place.lookup));
        let mut cached = 0;
        for (frame, place) in frames.drain(..).zip(&places) {
            match self.pipeline.engine.by_cached_route(&place.packet, place.port, &place.lookup, now) {
                Some(Departure { forward, egress }) => {
                    cached += 1;
                    self.pipeline.out.ports.depart(frame, &place.packet, &forward.rewrite, egress);
                }
                None => self.decide(frame, place, origin, now),
            }
        }
        // Whose flow is here is this worker's.
        if origin == Origin::Nic {
            self.pipeline.hand_off.arrived_here(cached);
        }
        (self.batch.frames, self.batch.places) = (frames, places);
    }

    /// A frame that leaves by no cached route is classified, handed to its worker, or decided about here. Not inlined: the loop
    /// over the burst keeps the registers.
    #[inline(never)]
    fn decide(&mut self, frame: P::Frame, place: &Place, origin: Origin, now: Instant) {
        let Place { packet, lookup, port, malformed } = place;
        if let Some(malformed) = *malformed {
            return self.pipeline.out.ports.counters.dropped(reason(malformed));
        }
        let classified = self.pipeline.engine.classify_found(packet, *port, lookup);
        if origin == Origin::Nic
            && let Some(worker) =
                self.pipeline.hand_off.arrives(packet, classified.path, self.pipeline.engine.snapshot())
        {
            return self.pipeline.hand_off.queue(worker, Received { frames: Frames::One(frame), port: *port, at: now });
        }
        match self.pipeline.engine.decide_at_once(packet, classified, now) {
            Some(Departure { forward, egress }) => {
                self.pipeline.out.ports.depart(frame, packet, &forward.rewrite, egress);
            }
            None => self.decide_in_full(frame, packet, classified, *port, now),
        }
    }

    #[inline(never)]
    fn decide_in_full(&mut self, frame: P::Frame, packet: &Packet, classified: Classified, port: PortId, now: Instant) {
        let verdict = self.pipeline.engine.decide_in_full(packet, classified, now);
        self.pipeline.process(Received { frames: Frames::One(frame), port, at: now }, packet, verdict, now);
    }
}

/// Who received a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// This worker, from a NIC: it may be another worker's.
    Nic,
    /// Another worker, which has found it to be ours.
    Worker,
}

/// The frame's length. Its first byte is asked for on the way.
#[inline]
fn look_at<F: Frame>(frame: &F) -> u64 {
    let bytes = frame.bytes();
    prefetch_index(bytes, 0);
    bytes.len() as u64
}
