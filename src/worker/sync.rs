//! What a worker has to do with the other appliance of a pair.
//!
//! Owns that both directions go by rings of their own between a worker and the thread that serves the connection, which management does not
//! look into: what it tells is in [`super::feeder`], what it takes in is in [`super::intake`].

use super::feeder::Feeder;
pub use super::feeder::{Feed, Update};
use super::intake::Intake;
pub use super::intake::{Batch, Delivery};
use crate::engine::{Engine, Steering, TakingUp};
use crate::time::Instant;
use std::sync::Arc;

/// Changes that a worker's ring has room for: some 2 MiB.
const ROOM: usize = 16_384;

/// A worker's ends of both rings.
pub struct SyncEnd {
    feeder: Feeder,
    intake: Intake,
}

/// The thread's ends of both rings of one worker.
pub struct SyncLink {
    /// What the worker tells.
    pub feed: Feed,
    /// What it takes in.
    pub delivery: Delivery,
}

impl SyncEnd {
    /// Tells and takes in some more. Says whether somebody waits for the rest.
    pub(super) fn work(&mut self, me: usize, steering: &Steering, engine: &mut Engine, now: Instant) -> bool {
        let tells = self.feeder.work(engine, now);
        self.intake.work((me, steering), engine, now) || tells
    }

    /// Nobody is fed any more.
    pub(super) fn end(self, engine: &mut Engine) {
        if self.feeder.feeds() {
            engine.keep_journal(false);
        }
    }
}

/// The ends of so many workers' rings, and the thread's; `now` is when they are made.
pub fn sync_links(workers: usize, now: Instant) -> Vec<(Box<SyncEnd>, SyncLink)> {
    sync_links_with(ROOM, workers, now)
}

/// The same with room for so many changes.
pub fn sync_links_with(room: usize, workers: usize, now: Instant) -> Vec<(Box<SyncEnd>, SyncLink)> {
    let by = Arc::new(TakingUp::by_address());
    let link = |_| {
        let ((feeder, feed), (intake, delivery)) = (Feeder::connected(room, now), Intake::connected(&by));
        (Box::new(SyncEnd { feeder, intake }), SyncLink { feed, delivery })
    };
    (0..workers).map(link).collect()
}
