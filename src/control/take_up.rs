//! A file of the process before on its way into the workers.
//!
//! Owns [`TakeUp`]: which worker owns what of it, by the steering of now and not by whose it was, and in which order. Each worker takes up
//! its own part before its first turn, all at once; what is left out is counted.

use crate::engine::{Engine, LeftOut, LeftOutCounts, Steering, TakingUp, owner_of_flow};
use crate::flow::{SpeakerRecord, StaysRecord};
use crate::handover::{Contents, FlowAt, Remembered, Who};
use crate::policy::{Intent, Snapshot};
use crate::time::{Duration, Instant};

/// Flows that are taken up between two looks at the clock.
const PART: usize = 1_024;

/// What there is to be taken up, and by whom.
pub struct TakeUp {
    contents: Contents,
    from: TakingUp,
    shares: Vec<Share>,
}

/// What is one worker's.
#[derive(Default)]
struct Share {
    /// Longest idle first.
    flows: Vec<(Instant, FlowAt)>,
    /// Longest unrenewed first.
    speakers: Vec<SpeakerRecord>,
    askers: Vec<SpeakerRecord>,
    /// Longest unused first.
    stays: Vec<StaysRecord>,
}

/// What workers have taken up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Flows.
    pub flows: u64,
    /// Speakers, of either kind.
    pub speakers: u64,
    /// Persistence records.
    pub stays: u64,
    /// What was left out.
    pub skipped: LeftOutCounts,
}

/// What was found at the start.
#[derive(Clone, Debug)]
pub struct HandoverFound {
    /// The file, for messages.
    pub place: String,
    /// What was taken up, or why nothing was.
    pub outcome: Result<TakenUp, String>,
}

/// What was taken up.
#[derive(Clone, Debug)]
pub struct TakenUp {
    /// What management remembers.
    pub remembered: Remembered,
    /// How long before the start it was written.
    pub age: Duration,
    /// What workers have.
    pub taken: Taken,
    /// How long that took.
    pub took: Duration,
}

impl Taken {
    /// And what another worker has.
    pub fn add(&mut self, other: &Taken) {
        self.flows += other.flows;
        self.speakers += other.speakers;
        self.stays += other.stays;
        self.skipped.add_all(&other.skipped);
    }

    /// One thing was taken up, counted by `of`, or not.
    fn count(&mut self, outcome: Result<(), LeftOut>, of: impl FnOnce(&mut Taken) -> &mut u64) {
        match outcome {
            Ok(()) => *of(self) += 1,
            Err(why) => self.skipped.count(why),
        }
    }
}

impl TakeUp {
    /// What `contents` say, for `workers` workers that begin with `snapshot`, which is of `intent`.
    pub fn new(
        contents: Contents,
        intent: &Intent,
        snapshot: &Snapshot,
        steering: &Steering,
        workers: usize,
    ) -> TakeUp {
        let who = Who::of(contents.remembered(), intent);
        let mut shares: Vec<Share> = (0..workers.max(1)).map(|_| Share::default()).collect();
        for at in contents.flows() {
            let record = contents.flow(at);
            shares[owner_of_flow(&record, steering, snapshot)].flows.push((record.seen, at));
        }
        for (_, speaker) in contents.speakers() {
            shares[steering.worker_of(speaker.remote)].speakers.push(speaker);
        }
        for (_, asker) in contents.askers() {
            shares[steering.worker_of(asker.remote)].askers.push(asker);
        }
        // What stays together has several ends: any worker may have it, and the others find it by hints.
        for (worker, stays) in contents.stays() {
            shares[usize::from(worker) % workers.max(1)].stays.push(stays);
        }
        TakeUp { contents, from: TakingUp::new(who.members, snapshot), shares }
    }

    /// A worker takes up what is its own; flows only until `is_late`. To be called once for each, at the same time or one after the
    /// other.
    pub fn fill(&self, worker: usize, engine: &mut Engine, now: Instant, is_late: impl Fn() -> bool) -> Taken {
        let mut taken = Taken::default();
        let Some(share) = self.shares.get(worker) else { return taken };
        let mut flows = share.flows.clone();
        flows.sort_unstable();
        // Those that were heard last are missed most.
        let too_many = flows.len().saturating_sub(engine.room());
        taken.skipped.add(LeftOut::Full, too_many as u64);
        for part in flows[too_many..].chunks(PART) {
            if is_late() {
                taken.skipped.add(LeftOut::Late, part.len() as u64);
                continue;
            }
            for (_, at) in part {
                let outcome = engine.take_up_flow(&self.from, &self.contents.flow(*at), now);
                taken.count(outcome, |taken| &mut taken.flows);
            }
        }
        let by_age = |records: &[SpeakerRecord]| {
            let mut records = records.to_vec();
            records.sort_by_key(|record| record.renewed);
            records
        };
        for speaker in by_age(&share.speakers) {
            taken.count(engine.take_up_speaker(&self.from, &speaker), |taken| &mut taken.speakers);
        }
        for asker in by_age(&share.askers) {
            taken.count(engine.take_up_asker(&self.from, &asker), |taken| &mut taken.speakers);
        }
        let mut stays = share.stays.clone();
        stays.sort_by_key(|record| record.used);
        for record in stays {
            taken.count(engine.take_up_stays(&self.from, &record, now), |taken| &mut taken.stays);
        }
        taken
    }
}
