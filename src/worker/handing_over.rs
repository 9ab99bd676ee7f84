//! What a worker remembers on its way to whoever writes it down.
//!
//! Owns the ring from a worker to the writer, which management does not look into, and the order of what goes through it: flows while
//! packets pass, a bounded number a turn and only as far as there is room; after the last packet what has changed of them, then speakers and
//! persistence records, then that this is all. Nobody waits for a writer who has given up.

use crate::engine::{Engine, FlowsShown};
use crate::flow::{FlowRecord, SpeakerRecord, StaysRecord};
use crate::time::Instant;
use rtrb::{Consumer, Producer, RingBuffer};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// So many places of the flow table are looked at in one turn while packets pass.
const SLOTS: u32 = 64;
/// The same at once after the last packet.
const SLOTS_AT_THE_END: u32 = 512;
/// Records that travel together, about.
const TOGETHER: usize = 512;
/// Such parts that a ring holds: some 4 MiB.
const ROOM: usize = 64;

/// A part of what a worker remembers.
#[derive(Debug)]
pub enum Given {
    /// Some flows: each in place of the one that was given before from the same place.
    Flows(Vec<FlowRecord>),
    /// From these places flows were given that are no more.
    Gone(Vec<u32>),
    /// Some speakers.
    Speakers(Vec<SpeakerRecord>),
    /// The same where several members are active.
    Askers(Vec<SpeakerRecord>),
    /// Some persistence records.
    Stays(Vec<StaysRecord>),
    /// That was all.
    All,
}

/// The worker's end.
pub struct Giver {
    to: Producer<Given>,
    given_up: Arc<AtomicBool>,
    /// Since the first turn in which anything was given.
    shown: Option<FlowsShown>,
    flows: Vec<FlowRecord>,
    gone: Vec<u32>,
    /// What comes after the flows, once these are given.
    rest: Option<VecDeque<Given>>,
}

/// The writer's end.
pub struct Receiver {
    from: Consumer<Given>,
}

/// Both ends of a ring; nobody has to give anything any more once `given_up` is true.
pub fn giving(given_up: Arc<AtomicBool>) -> (Box<Giver>, Receiver) {
    let (to, from) = RingBuffer::new(ROOM);
    let (flows, gone) = (Vec::with_capacity(TOGETHER), Vec::new());
    (Box::new(Giver { to, given_up, shown: None, flows, gone, rest: None }), Receiver { from })
}

impl Receiver {
    /// The next part.
    pub fn pop(&mut self) -> Option<Given> {
        self.from.pop().ok()
    }
}

impl Giver {
    /// Gives some flows more, while packets pass. `false`: all were given once, or nobody wants them.
    pub(super) fn walk(&mut self, engine: &Engine, now: Instant) -> bool {
        if self.is_unwanted() {
            return false;
        }
        if self.to.is_full() {
            return true;
        }
        let shown = self.shown.get_or_insert_with(|| FlowsShown::begin(now));
        let more = shown.show(engine, SLOTS, &mut self.flows);
        if self.flows.len() >= TOGETHER {
            self.push_flows();
        }
        more
    }

    /// Gives all that is left, after the last packet, as far as there is room. `true`: that was all.
    pub(super) fn finish(&mut self, engine: &Engine, now: Instant) -> bool {
        while !self.is_unwanted() {
            // Flows and places that are vacant are two parts.
            if self.to.slots() < 2 {
                return false;
            }
            match &mut self.rest {
                Some(rest) => match rest.pop_front() {
                    Some(part) => self.push(part),
                    None => return true,
                },
                None => self.show_changed(engine, now),
            }
        }
        true
    }

    fn show_changed(&mut self, engine: &Engine, now: Instant) {
        let shown = self.shown.get_or_insert_with(|| FlowsShown::begin(now));
        let more = shown.show_changed(engine, SLOTS_AT_THE_END, &mut self.flows, &mut self.gone);
        if self.flows.len() >= TOGETHER || !more {
            self.push_flows();
        }
        if self.gone.len() >= TOGETHER || !more {
            let gone = std::mem::take(&mut self.gone);
            self.push(Given::Gone(gone));
        }
        if !more {
            self.rest = Some(rest(engine));
        }
    }

    fn push_flows(&mut self) {
        let flows = std::mem::replace(&mut self.flows, Vec::with_capacity(TOGETHER));
        self.push(Given::Flows(flows));
    }

    /// There is room.
    fn push(&mut self, part: Given) {
        let pushed = self.to.push(part);
        debug_assert!(pushed.is_ok(), "the room was looked for before");
    }

    fn is_unwanted(&self) -> bool {
        self.given_up.load(Ordering::Relaxed) || self.to.is_abandoned()
    }
}

fn rest(engine: &Engine) -> VecDeque<Given> {
    let [speakers, askers] = engine.speaker_records();
    let speakers = speakers.chunks(TOGETHER).map(|part| Given::Speakers(part.to_vec()));
    let askers = askers.chunks(TOGETHER).map(|part| Given::Askers(part.to_vec()));
    let stays = engine.stays_records();
    let stays = stays.chunks(4 * TOGETHER).map(|part| Given::Stays(part.to_vec()));
    speakers.chain(askers).chain(stays).chain([Given::All]).collect()
}
