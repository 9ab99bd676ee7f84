//! What a worker takes in of another appliance's flows.
//!
//! Owns [`Intake`] and the thread's end of its ring: of each batch the records that are this worker's by the steering of now, a bounded number a
//! turn; and after a full copy the walk that forgets what was not told in it.

use crate::engine::{Engine, LeftOut, Steering, TakingIn, TakingUp, owner_of_flow};
use crate::flow::{FlowId, FlowRecord, Peer, SpeakerRecord};
use crate::time::Instant;
use crate::wire::Tuple;
use rtrb::{Consumer, Producer, RingBuffer};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Batches that a ring holds.
const BATCHES: usize = 64;
/// Records that are looked at in one turn, and that are taken in.
const LOOKED_AT: usize = 256;
const TAKEN_IN: usize = 64;
/// Slots that are looked at in one turn for what was not told.
const SWEPT: usize = 256;
/// No copy has told of the flow.
const NOT_TOLD: u32 = 0;

/// What the other appliance has told, with moments of the clock here.
#[derive(Debug)]
pub enum Batch {
    /// All of it is told anew from here on.
    Begin,
    /// Flows that are there.
    Flows(Vec<FlowRecord>),
    /// First keys of flows that are no more.
    Gone(Vec<Tuple>),
    /// Speakers that one of its workers knows; `true`: of those who ask where several members are active.
    Speakers(bool, u16, Vec<SpeakerRecord>),
    /// That worker knows no others.
    AllSpeakers(u16),
    /// All flows have been told.
    Copied,
}

/// What the thread sees of what workers take in. Written by the worker, but for the first.
#[derive(Debug, Default)]
pub struct IntakeState {
    /// This appliance stands by. What comes after it has become active is of before: it adds to what is here, and ends nothing. Written by
    /// the thread.
    stands_by: AtomicBool,
    /// Batches that are taken in.
    batches: AtomicU64,
    /// Full copies that are here: what was not told is forgotten.
    copies: AtomicU64,
    /// Flows that were taken in, or became what was told.
    flows: AtomicU64,
    /// Flows that were told and are not here, for whatever reason.
    left_out: AtomicU64,
}

/// The worker's end of what it takes in.
pub struct Intake {
    from: Consumer<Arc<Batch>>,
    by: Arc<TakingUp>,
    state: Arc<IntakeState>,
    /// The batch that is being taken in, and how far.
    at: Option<(Arc<Batch>, usize)>,
    /// Counts full copies that were begun, from 1.
    copy: u32,
    /// By place: the copy in which the flow there was told last.
    told: Vec<u32>,
    /// How far the walk has come that forgets what was not told.
    sweep: Option<u32>,
    /// By whose and what kind: in which round of that worker's it was told last.
    speakers: BTreeMap<(u16, bool, Peer), u32>,
    rounds: BTreeMap<u16, u32>,
}

/// The thread's end of it.
pub struct Delivery {
    to: Producer<Arc<Batch>>,
    state: Arc<IntakeState>,
    delivered: u64,
}

impl Delivery {
    /// Whether this appliance stands by from now on, so that the other one says what is here.
    pub fn set_stands_by(&self, stands_by: bool) {
        self.state.stands_by.store(stands_by, Relaxed);
    }

    /// There is room for another one.
    pub fn has_room(&self) -> bool {
        !self.to.is_full()
    }

    /// Delivers a batch.
    ///
    /// # Errors
    /// The batch, where there is no room.
    pub fn push(&mut self, batch: Arc<Batch>) -> Result<(), Arc<Batch>> {
        self.to.push(batch).map_err(|rtrb::PushError::Full(batch)| batch)?;
        self.delivered += 1;
        Ok(())
    }

    /// How many batches were delivered and are not taken in yet.
    pub fn open(&self) -> u64 {
        self.delivered.saturating_sub(self.state.batches.load(Relaxed))
    }

    /// How many full copies are here.
    pub fn copies(&self) -> u64 {
        self.state.copies.load(Relaxed)
    }

    /// Flows that were taken in, and those that were told and are not here.
    pub fn flows(&self) -> [u64; 2] {
        [&self.state.flows, &self.state.left_out].map(|count| count.load(Relaxed))
    }
}

impl Intake {
    /// Both ends of a ring; all workers take in by the same `by`.
    pub(super) fn connected(by: &Arc<TakingUp>) -> (Intake, Delivery) {
        let ((to, from), state) = (RingBuffer::new(BATCHES), Arc::<IntakeState>::default());
        let intake = Intake {
            from,
            by: Arc::clone(by),
            state: Arc::clone(&state),
            at: None,
            copy: NOT_TOLD,
            told: Vec::new(),
            sweep: None,
            speakers: BTreeMap::new(),
            rounds: BTreeMap::new(),
        };
        (intake, Delivery { to, state, delivered: 0 })
    }

    /// Takes in some more, as far as no other worker does in this moment. Says whether there is more.
    pub(super) fn work(&mut self, (me, steering): (usize, &Steering), engine: &mut Engine, now: Instant) -> bool {
        let stands_by = self.state.stands_by.load(Relaxed);
        if !stands_by && self.sweep.take().is_some() {
            self.end_batch();
        }
        if let Some(cursor) = self.sweep {
            let (told, copy) = (&self.told, self.copy);
            let is_told = |id: FlowId| told.get(id.place() as usize) == Some(&copy);
            self.sweep = engine.forget_untold(cursor, SWEPT, is_told);
            if self.sweep.is_none() {
                self.state.copies.fetch_add(1, Relaxed);
                self.end_batch();
            }
            return true;
        }
        if self.at.is_none() {
            let Ok(batch) = self.from.pop() else { return false };
            self.at = Some((batch, 0));
        }
        let by = Arc::clone(&self.by);
        let Some(by) = TakingIn::begin(&by) else { return true };
        let Some((batch, at)) = self.at.clone() else { return false };
        match &*batch {
            Batch::Begin | Batch::Gone(_) | Batch::AllSpeakers(_) | Batch::Copied if !stands_by => self.end_batch(),
            Batch::Begin => {
                self.copy = self.copy.wrapping_add(1).max(NOT_TOLD + 1);
                self.told.resize(engine.flows().capacity(), NOT_TOLD);
                self.end_batch();
            }
            Batch::Flows(records) => {
                let rest = &records[at..records.len().min(at + LOOKED_AT)];
                let end = at + self.take_in(rest, (me, steering, &by), engine, now);
                self.go_on(end, records.len());
            }
            Batch::Gone(keys) => {
                let end = keys.len().min(at + TAKEN_IN);
                keys[at..end].iter().for_each(|key| _ = engine.forget_told(key));
                self.go_on(end, keys.len());
            }
            Batch::Speakers(asks, whose, records) => {
                let end = records.len().min(at + TAKEN_IN);
                for record in records[at..end].iter().filter(|it| steering.worker_of(it.remote) == me) {
                    self.take_in_speaker((*whose, *asks), record, &by, engine);
                }
                self.go_on(end, records.len());
            }
            Batch::AllSpeakers(whose) => {
                self.forget_speakers(*whose, engine);
                self.end_batch();
            }
            Batch::Copied => self.sweep = Some(0),
        }
        true
    }

    /// Takes in those that are this worker's, as many as one turn may. Says how many were looked at.
    fn take_in(
        &mut self,
        records: &[FlowRecord],
        (me, steering, by): (usize, &Steering, &TakingIn),
        engine: &mut Engine,
        now: Instant,
    ) -> usize {
        let mut taken = 0;
        for (looked, record) in records.iter().enumerate() {
            if owner_of_flow(record, steering, engine.snapshot()) != me {
                continue;
            }
            if taken == TAKEN_IN {
                return looked;
            }
            taken += 1;
            if !self.state.stands_by.load(Relaxed) && engine.was_used_since(record) {
                continue;
            }
            match engine.take_in_flow(by, record, now) {
                Ok(id) => {
                    if let Some(told) = self.told.get_mut(id.place() as usize) {
                        *told = self.copy;
                    }
                    self.state.flows.fetch_add(1, Relaxed);
                }
                // Its time is up here as it is there.
                Err(LeftOut::Expired) => {}
                Err(_) => _ = self.state.left_out.fetch_add(1, Relaxed),
            }
        }
        records.len()
    }

    fn take_in_speaker(
        &mut self,
        (whose, asks): (u16, bool),
        record: &SpeakerRecord,
        by: &TakingIn,
        engine: &mut Engine,
    ) {
        // What was said before this appliance became active is no news where something has happened here since.
        if !self.state.stands_by.load(Relaxed) && engine.knows_peer_since(by, record, asks) {
            return;
        }
        let taken = match asks {
            false => engine.take_in_speaker(by, record),
            true => engine.take_in_asker(by, record),
        };
        let round = self.rounds.get(&whose).copied().unwrap_or_default();
        match taken {
            Ok(peer) => _ = self.speakers.insert((whose, asks, peer), round),
            Err(_) => _ = self.state.left_out.fetch_add(1, Relaxed),
        }
    }

    /// What the other's worker has not told in its round is no more.
    fn forget_speakers(&mut self, whose: u16, engine: &mut Engine) {
        let round = self.rounds.entry(whose).or_default();
        let mut over = Vec::new();
        self.speakers.retain(|key, told| {
            let is_over = key.0 == whose && *told != *round;
            if is_over {
                over.push(*key);
            }
            !is_over
        });
        for asks in [false, true] {
            engine.forget_peers(asks, over.iter().filter(|key| key.1 == asks).map(|key| key.2));
        }
        *round = round.wrapping_add(1);
    }

    fn go_on(&mut self, end: usize, of: usize) {
        match &mut self.at {
            Some((_, at)) if end < of => *at = end,
            _ => self.end_batch(),
        }
    }

    fn end_batch(&mut self) {
        self.at = None;
        self.state.batches.fetch_add(1, Relaxed);
    }
}
