//! What workers do before their first turn: each takes up what is its own of what the process before has left.
//!
//! Owns how that is given to their threads, so that they do it all at once and each on its own core, and how long it may take.

use super::clock::Clock;
use crate::control::{TakeUp, Taken, TakenUp};
use crate::engine::{Engine, Steering};
use crate::handover::{Contents, Remembered};
use crate::policy::{Intent, Snapshot};
use crate::time::{Duration, Instant};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

/// How long all of it may take: what is not taken up by then is left out.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a worker is to do first.
pub type First = Box<dyn FnOnce(&mut Engine) + Send>;

/// The workers take up what is theirs.
pub struct TakingUp {
    all: Arc<TakeUp>,
    remembered: Remembered,
    age: Duration,
    begun: Instant,
    clock: Clock,
    taken: (Sender<Taken>, Receiver<Taken>),
}

impl TakingUp {
    /// Says whose is what.
    pub fn plan(
        contents: Contents,
        age: Duration,
        (intent, snapshot, steering): (&Intent, &Snapshot, &Steering),
        workers: usize,
        clock: Clock,
    ) -> TakingUp {
        let (begun, remembered) = (clock.now(), contents.remembered().clone());
        let all = Arc::new(TakeUp::new(contents, intent, snapshot, steering, workers));
        TakingUp { all, remembered, age, begun, clock, taken: mpsc::channel() }
    }

    /// What a worker has to do.
    pub fn first_of(&self, worker: usize) -> First {
        let (all, taken) = (Arc::clone(&self.all), self.taken.0.clone());
        let (clock, until) = (self.clock, self.begun + PATIENCE);
        Box::new(move |engine: &mut Engine| {
            let found = all.fill(worker, engine, clock.now(), || clock.now() >= until);
            drop(all);
            // Whoever starts waits for it.
            _ = taken.send(found);
        })
    }

    /// Waits until all of them have.
    pub fn end(self) -> TakenUp {
        let TakingUp { all, remembered, age, begun, clock, taken: (own, taken) } = self;
        drop((own, all));
        let mut sum = Taken::default();
        // It ends with the last worker that has anything to do, or is no more.
        taken.iter().for_each(|more| sum.add(&more));
        TakenUp { remembered, age, taken: sum, took: clock.now().since(begun) }
    }
}
