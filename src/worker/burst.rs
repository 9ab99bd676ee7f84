//! A burst, in passes.
//!
//! Owns [`Batch`], and with it the way of frames from the NIC, or from another worker, to their verdicts: all are read, then what
//! their flows need from memory is prefetched, then each leaves by its flow's cached route, or is classified and decided about. So
//! the waits for memory of a burst overlap, and the code of one pass stays in the cache for all. A flow is only in the table
//! of the worker it belongs to: which worker decides has to be worked out only where there is no flow. Read next: `pipeline`.

use super::frames::{Frames, Received};
use super::latency::Timing;
use super::pipeline::Pipeline;
use super::taps::{Arrived, Come};
use crate::engine::{Classified, Departure, Engine, Lookup, Watched};
use crate::io::{BURST, Frame, Port};
use crate::policy::intent::PortId;
use crate::policy::snapshot::DatagramPort;
use crate::time::Instant;
use crate::wire::{Endpoint, Malformed, Packet};
use prefetch_index::prefetch_index;

/// The frames of a burst, and what is known of each, at the same place of the other list. The latter is overwritten by every
/// burst: what is known of a frame is written once and never copied.
pub(super) struct Batch<F> {
    pub(super) frames: Vec<F>,
    pub(super) places: Box<[Place]>,
    /// Empty between two turns; only its memory stays.
    handed_in: Vec<Received<F>>,
}

/// What is known of a frame.
pub(super) struct Place {
    packet: Packet,
    lookup: Lookup,
    pub(super) port: PortId,
    malformed: Option<Malformed>,
}

impl<F: Frame> Batch<F> {
    pub(super) fn new() -> Batch<F> {
        let blank = |_| Place { packet: Packet::BLANK, lookup: Lookup::NOTHING, port: PortId(0), malformed: None };
        let places = (0..BURST).map(blank).collect();
        Batch { frames: Vec::with_capacity(BURST), places, handed_in: Vec::with_capacity(BURST) }
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
    /// What is known of a frame that can be read.
    #[inline(always)]
    pub(super) fn arrived(&self) -> Option<Arrived<'_>> {
        let Place { packet, lookup, port, malformed } = self;
        if malformed.is_none() { Some(Arrived { packet, lookup, port: *port }) } else { None }
    }

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

impl<P: Port> Pipeline<P> {
    /// Frames from a NIC.
    pub(super) fn receive(&mut self, batch: &mut Batch<P::Frame>, port: PortId, now: Instant) -> usize {
        let count = self.out.ports.receive(port, &mut batch.frames);
        if count > 0 {
            self.out.ports.counters.received += count as u64;
            // The first look at every frame brings its bytes near; nothing waits for them yet.
            self.out.ports.counters.received_bytes += batch.frames.iter().map(prefetch_header).sum::<u64>();
            batch.read(port, &self.engine);
            self.decide_all(batch, Origin::Nic, now);
        }
        count
    }

    /// Frames that other workers received and this one decides about.
    pub(super) fn take_handed_in(&mut self, batch: &mut Batch<P::Frame>, timing: &mut Timing, now: Instant) -> usize {
        let mut handed_in = std::mem::take(&mut batch.handed_in);
        self.hand_off.take(&mut handed_in, BURST);
        let mut count = 0;
        for Received { frames, port, at } in handed_in.drain(..) {
            count += frames.count();
            timing.handed_in(at, frames.count() as u64);
            match frames {
                Frames::One(frame) => batch.push(frame, port, &self.engine),
                // What came before it must leave before it.
                frames => {
                    self.decide_all(batch, Origin::Worker, now);
                    let whole = Received { frames, port, at };
                    self.watched_end(whole, Come::HandedIn, |here, whole| here.process_whole(whole, now));
                }
            }
        }
        self.out.ports.counters.handed_in += count as u64;
        batch.handed_in = handed_in;
        self.decide_all(batch, Origin::Worker, now);
        count
    }

    /// The other passes: prefetch flows, then send each frame by its cached route, or decide about it.
    #[inline]
    fn decide_all(&mut self, batch: &mut Batch<P::Frame>, origin: Origin, now: Instant) {
        let Batch { frames, places, .. } = batch;
        let taps = &mut self.out.ports.taps;
        taps.meet(frames.len());
        let only = if taps.is_on() { taps.only_port() } else { None };
        taps.is_glanced = prefetch_all(&mut places[..frames.len()], only, &self.engine);
        let is_watched = taps.is_on()
            && !taps.is_glanced
            && !taps.pass_over_all(places[..frames.len()].iter().map(Place::arrived), &self.engine);
        let limits = &self.engine.snapshot().limits;
        let cached = match (is_watched, limits.traffic_counters || limits.flow_counters) {
            (false, false) => self.decide_each::<false>(batch, origin, now),
            (false, true) => self.decide_each_counted(batch, origin, now),
            (true, false) => self.decide_all_watched::<false>(batch, origin, now),
            (true, true) => self.decide_all_watched::<true>(batch, origin, now),
        };
        // Whose flow is here, or whose route, is this worker's.
        if origin == Origin::Nic {
            self.hand_off.arrived_here(cached);
        }
    }

    /// The last pass. Says how many frames have left by a cached route.
    #[inline(always)]
    fn decide_each<const COUNTS: bool>(&mut self, batch: &mut Batch<P::Frame>, origin: Origin, now: Instant) -> u64 {
        let Batch { frames, places, .. } = batch;
        let mut cached = 0;
        for (frame, place) in frames.drain(..).zip(&*places) {
            cached += u64::from(self.decide_one::<COUNTS>(frame, place, origin, now));
        }
        cached
    }

    /// The same where what leaves is counted for somebody: code of its own, so that it costs nothing where it is not.
    #[inline(never)]
    fn decide_each_counted(&mut self, batch: &mut Batch<P::Frame>, origin: Origin, now: Instant) -> u64 {
        self.decide_each::<true>(batch, origin, now)
    }

    /// The last pass, for one frame. Says whether it has left by a cached route.
    #[inline(always)]
    pub(super) fn decide_one<const COUNTS: bool>(
        &mut self,
        frame: P::Frame,
        place: &Place,
        origin: Origin,
        now: Instant,
    ) -> bool {
        match self.engine.by_cached_route::<COUNTS>(&place.packet, place.port, &place.lookup, now) {
            Some(Departure { forward, egress }) => {
                self.out.ports.depart(frame, &place.packet, &forward.rewrite, egress);
                true
            }
            None => {
                match place.lookup.service_port() {
                    Some(DatagramPort::In(_)) => self.decide_service::<true, COUNTS>(frame, place, origin, now),
                    Some(DatagramPort::Out(_)) => self.decide_service::<false, COUNTS>(frame, place, origin, now),
                    None => self.decide::<COUNTS>(frame, place, origin, now),
                }
                false
            }
        }
    }

    /// A datagram to a service port of a pair, or from one: with the path known, nothing is asked that another would need.
    #[inline(never)]
    fn decide_service<const IN: bool, const COUNTS: bool>(
        &mut self,
        frame: P::Frame,
        place: &Place,
        origin: Origin,
        now: Instant,
    ) {
        let Place { packet, lookup, port, .. } = place;
        let found = match IN {
            true => self.engine.service_in(packet, *port, lookup),
            false => self.engine.service_out(packet, *port, lookup),
        };
        let Some((at, classified)) = found else {
            return match self.out.ports.taps.is_glanced {
                true => self.watch_late::<COUNTS>(frame, place, origin, now),
                false => self.decide::<COUNTS>(frame, place, origin, now),
            };
        };
        let outside = match IN {
            true => Endpoint::new(packet.src(), packet.src_port()),
            false => Endpoint::new(packet.dst(), packet.dst_port()),
        };
        if origin == Origin::Nic
            && let Some(worker) = self.hand_off.arrives_of(outside)
        {
            return self.hand_off.queue(worker, Received { frames: Frames::One(frame), port: *port, at: now });
        }
        let watched = self.watched(&frame, packet, classified.path, now);
        if watched != Watched::Nothing {
            self.watch(watched, (&frame, true), packet, classified, *port, now);
        }
        let departure = match IN {
            true => self.engine.service_in_at_once::<COUNTS>(packet, (at, classified), now),
            false => self.engine.service_out_at_once::<COUNTS>(packet, (at, classified), now),
        };
        match departure {
            Some(Departure { forward, egress }) => {
                self.out.ports.depart(frame, packet, &forward.rewrite, egress);
            }
            None => self.decide_in_full(frame, packet, classified, *port, now),
        }
    }

    /// A frame that leaves by no flow's cached route leaves by the one kept for it, or is classified, handed off to its worker, or
    /// decided about here. Not inlined: the loop over the burst keeps the registers.
    #[inline(never)]
    pub(super) fn decide<const COUNTS: bool>(&mut self, frame: P::Frame, place: &Place, origin: Origin, now: Instant) {
        let Place { packet, lookup, port, malformed } = place;
        if let Some(malformed) = *malformed {
            return self.out.unreadable(&frame, malformed);
        }
        if let Some(Departure { forward, egress }) = self.engine.by_kept_route::<COUNTS>(packet, *port, lookup) {
            if origin == Origin::Nic {
                self.hand_off.arrived_here(1);
            }
            return self.out.ports.depart(frame, packet, &forward.rewrite, egress);
        }
        let classified = self.engine.classify_found(packet, *port, lookup);
        if origin == Origin::Nic
            && let Some(worker) = self.hand_off.arrives(packet, classified.path, self.engine.snapshot())
        {
            return self.hand_off.queue(worker, Received { frames: Frames::One(frame), port: *port, at: now });
        }
        let watched = self.watched(&frame, packet, classified.path, now);
        if watched != Watched::Nothing {
            self.watch(watched, (&frame, true), packet, classified, *port, now);
        }
        match self.engine.decide_at_once::<COUNTS>(packet, classified, now) {
            Some(Departure { forward, egress }) => {
                self.out.ports.depart(frame, packet, &forward.rewrite, egress);
            }
            None => self.decide_in_full(frame, packet, classified, *port, now),
        }
    }

    #[inline(never)]
    fn decide_in_full(&mut self, frame: P::Frame, packet: &Packet, classified: Classified, port: PortId, now: Instant) {
        let sip = self.sip(&frame, packet, classified);
        let verdict = self.engine.decide_in_full(packet, classified, sip, now);
        if self.engine.snapshot().counts_sip() {
            self.count_sip(&frame, packet, classified, &verdict, now);
        }
        self.process(Received { frames: Frames::One(frame), port, at: now }, packet, verdict, now);
    }
}

/// Prefetches the flow of each. Says whether none of them has this port, which is all that captures ask, and all are to service ports or
/// from them: such a one leaves with the ports that it came with if its other end is a stranger, which is found out when it is decided
/// about.
#[inline(always)]
fn prefetch_all(places: &mut [Place], port: Option<u16>, engine: &Engine) -> bool {
    let Some(port) = port else {
        places.iter_mut().for_each(|place| engine.prefetch_entry(&mut place.lookup));
        return false;
    };
    let glance = |asked, place: &mut Place| {
        engine.prefetch_entry(&mut place.lookup);
        asked | place.lookup.service_port().is_none() | place.packet.ports.holds(port)
    };
    !places.iter_mut().fold(false, glance)
}

/// Who received a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// This worker, from a NIC: it may be another worker's.
    Nic,
    /// Another worker, which handed it off to this one.
    Worker,
}

/// The frame's length. Its first byte is prefetched on the way.
#[inline]
fn prefetch_header<F: Frame>(frame: &F) -> u64 {
    let bytes = frame.bytes();
    prefetch_index(bytes, 0);
    bytes.len() as u64
}
