//! What a worker tells another appliance of its flows.
//!
//! Owns [`Feeder`] and the thread's end of its ring: what the flow table has noted goes into the ring once a turn, and beside it a full copy, a
//! bounded number of places a turn and only while half of the ring is free; then walks that say which flows live on. When there is no room
//! in time, or more changes than a worker may spend its time on, nobody waits: the feed is broken, which the thread sees, and asks for all
//! of it anew. While nobody is fed the flow table notes nothing.

use super::allowance::Allowance;
use crate::engine::{Engine, FlowChange, TOLD_AGAIN, UsedSince};
use crate::flow::{SpeakerRecord, TimeoutClass};
use crate::time::{Duration, Instant};
use rtrb::{Consumer, Producer, RingBuffer};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Slots of the flow table that are copied in one turn, or looked at by a walk.
const SLOTS: usize = 64;
/// Changes that are told in a second at most. Each costs some 280 instructions: so all of them take 2 to
/// 3 % of a core (benches/README.md), however many flows come and go.
const CHANGES_A_SECOND: u64 = 250_000;
/// Speakers that are told in one turn.
const SPEAKERS: usize = 128;
/// Speakers that are told in a second, at most, and how often at most.
const SPEAKERS_A_SECOND: u64 = 2_048;
const SPEAKERS_AGAIN: Duration = Duration::from_secs(1);
/// Walks that tell which flows live on begin so far apart at least.
const SHORTEST_ROUND: Duration = Duration::from_secs(5);

/// What a worker tells.
#[derive(Clone, Debug)]
pub enum Update {
    /// From here on it is of this feed.
    Begin(u32),
    /// Of a flow.
    Flow(FlowChange),
    /// Of a speaker; `true`: of those who ask where several members are active.
    Speaker(bool, Box<SpeakerRecord>),
    /// All speakers of either kind have been told that there are, since the last of these.
    AllSpeakers,
    /// All flows have been told once.
    Copied,
}

/// What both ends of a feeder see. Written by who is said.
#[derive(Debug, Default)]
pub struct FeedState {
    /// Which feed is wanted, from 1; 0: none. Written by the thread.
    wanted: AtomicU32,
    /// The last feed that broke as its changes had no room. Written by the worker.
    broken: AtomicU32,
    /// Changes that were noted and not told, or more. Written by the worker.
    missed: AtomicU64,
}

/// The worker's end of what it tells.
pub struct Feeder {
    to: Producer<Update>,
    state: Arc<FeedState>,
    /// Which feed it tells; 0: none.
    feed: u32,
    /// Where the full copy continues; `None`: it is made.
    copy: Option<u32>,
    allowance: Allowance<CHANGES_A_SECOND>,
    round: Round,
    speakers: SpeakerRound,
}

/// The thread's end of it.
pub struct Feed {
    from: Consumer<Update>,
    state: Arc<FeedState>,
}

/// A walk that tells which flows live on.
struct Round {
    /// Where it continues; `None`: it is over.
    cursor: Option<u32>,
    since: UsedSince,
    /// When the last walk began that told flows of a class.
    told: [Instant; TimeoutClass::COUNT],
    began: Instant,
}

/// A round over the speakers.
struct SpeakerRound {
    /// Of which kind, and where it continues.
    cursor: Option<(bool, usize)>,
    next: Instant,
    /// In the last round there were some: one without them has to be told as well.
    had_some: bool,
    has_some: bool,
}

impl FeedState {
    /// A feed that broke: see [`Feed::is_broken`].
    fn break_off(&self, feed: u32) {
        self.broken.store(feed, Relaxed);
        self.missed.fetch_add(1, Relaxed);
    }
}

impl Feed {
    /// The worker is to tell this feed from now on, from 1; 0: none.
    pub fn want(&self, feed: u32) {
        self.state.wanted.store(feed, Relaxed);
    }

    /// The next that the worker tells.
    pub fn pop(&mut self) -> Option<Update> {
        self.from.pop().ok()
    }

    /// What waits.
    pub fn waiting(&self) -> usize {
        self.from.slots()
    }

    /// This feed has broken off: not everything was told.
    pub fn is_broken(&self, feed: u32) -> bool {
        self.state.broken.load(Relaxed) == feed
    }

    /// How often a feed has broken off.
    pub fn breaks(&self) -> u64 {
        self.state.missed.load(Relaxed)
    }
}

impl Feeder {
    /// Both ends of a ring with room for so many changes, made `now`.
    pub(super) fn connected(room: usize, now: Instant) -> (Feeder, Feed) {
        let ((to, from), state) = (RingBuffer::new(room), Arc::<FeedState>::default());
        let (round, speakers) = (Round::new(now), SpeakerRound::new(now));
        let allowance = Allowance::default();
        let feeder = Feeder { to, state: Arc::clone(&state), feed: 0, copy: None, allowance, round, speakers };
        (feeder, Feed { from, state })
    }

    /// Somebody is fed.
    pub(super) fn feeds(&self) -> bool {
        self.feed != 0
    }

    /// Tells what there is to tell, as far as there is room. Says whether a walk goes on.
    pub(super) fn work(&mut self, engine: &mut Engine, now: Instant) -> bool {
        let wanted = self.state.wanted.load(Relaxed);
        if wanted != self.feed {
            return self.begin(wanted, engine, now);
        }
        if self.feed == 0 || self.state.broken.load(Relaxed) == self.feed {
            return false;
        }
        let (to, allowance) = (&mut self.to, &mut self.allowance);
        allowance.renew(now);
        engine.tell_changes(to.slots().min(allowance.left()), |change| {
            allowance.spend();
            push(to, Update::Flow(change));
        });
        if engine.has_missed_changes() {
            self.state.break_off(self.feed);
            engine.keep_journal(false);
            return false;
        }
        // What changes comes first: what is told of all only has the other half.
        if self.to.slots() < self.to.buffer().capacity() / 2 {
            return self.copy.is_some();
        }
        self.tell_speakers(engine, now);
        match self.copy {
            Some(cursor) => self.copy(cursor, engine),
            None => self.walk(engine, now),
        }
    }

    fn begin(&mut self, wanted: u32, engine: &mut Engine, now: Instant) -> bool {
        if wanted != 0 && self.to.slots() < 1 {
            return false;
        }
        self.feed = wanted;
        engine.keep_journal(wanted != 0);
        if wanted == 0 {
            return false;
        }
        push(&mut self.to, Update::Begin(wanted));
        self.copy = Some(0);
        self.round = Round::new(now);
        self.speakers = SpeakerRound::new(now);
        true
    }

    fn copy(&mut self, cursor: u32, engine: &Engine) -> bool {
        let to = &mut self.to;
        let all = [Some(Instant::ZERO); TimeoutClass::COUNT];
        self.copy = engine.tell_standing(cursor, SLOTS, &all, |change| push(to, Update::Flow(change)));
        if self.copy.is_none() {
            push(&mut self.to, Update::Copied);
        }
        true
    }

    fn walk(&mut self, engine: &Engine, now: Instant) -> bool {
        let Some(cursor) = self.round.next(engine, now) else { return false };
        let to = &mut self.to;
        let since = self.round.since;
        self.round.cursor = engine.tell_standing(cursor, SLOTS, &since, |change| push(to, Update::Flow(change)));
        // Nobody waits for it.
        false
    }

    fn tell_speakers(&mut self, engine: &Engine, now: Instant) {
        let Some((asks, from)) = self.speakers.next(now) else { return };
        let (to, mut count) = (&mut self.to, 0);
        let tell = |record| {
            count += 1;
            push(to, Update::Speaker(asks, Box::new(record)));
        };
        let more = match asks {
            false => engine.tell_speakers(from, SPEAKERS, tell),
            true => engine.tell_askers(from, SPEAKERS, tell),
        };
        if self.speakers.told((asks, more), count, now) {
            push(&mut self.to, Update::AllSpeakers);
        }
    }
}

impl Round {
    fn new(now: Instant) -> Round {
        Round { cursor: None, since: [None; TimeoutClass::COUNT], told: [now; TimeoutClass::COUNT], began: now }
    }

    /// Where a walk continues, or begins that is due: for the classes of which so large a part of a lifetime has passed since the last.
    fn next(&mut self, engine: &Engine, now: Instant) -> Option<u32> {
        if self.cursor.is_some() || now.since(self.began) < SHORTEST_ROUND {
            return self.cursor;
        }
        self.began = now;
        self.since = [None; TimeoutClass::COUNT];
        for class in TimeoutClass::ALL {
            let told = &mut self.told[class as usize];
            if now.since(*told) >= engine.lifetime(class) / TOLD_AGAIN {
                self.since[class as usize] = Some(std::mem::replace(told, now));
                self.cursor = Some(0);
            }
        }
        self.cursor
    }
}

impl SpeakerRound {
    fn new(now: Instant) -> SpeakerRound {
        SpeakerRound { cursor: Some((false, 0)), next: now, had_some: true, has_some: false }
    }

    /// Of which kind some are told now, and from where on.
    fn next(&mut self, now: Instant) -> Option<(bool, usize)> {
        if self.cursor.is_none() && now >= self.next {
            self.cursor = Some((false, 0));
        }
        self.cursor
    }

    /// So many of a kind were told, and there are more from `more` on. Says whether the round is over and has to be told of.
    fn told(&mut self, (asks, more): (bool, Option<usize>), count: u64, now: Instant) -> bool {
        self.has_some |= count > 0;
        // As many as may be told in a second take a second.
        let pause = Duration::from_nanos(count * 1_000_000_000 / SPEAKERS_A_SECOND);
        self.next = self.next.max(now) + pause;
        self.cursor = match (asks, more) {
            (_, Some(from)) => Some((asks, from)),
            (false, None) => Some((true, 0)),
            (true, None) => None,
        };
        if self.cursor.is_some() {
            return false;
        }
        self.next = self.next.max(now + SPEAKERS_AGAIN);
        let had_some = std::mem::replace(&mut self.had_some, std::mem::take(&mut self.has_some));
        had_some || self.had_some
    }
}

/// There is room: whoever pushes has looked before.
fn push(to: &mut Producer<Update>, told: Update) {
    let pushed = to.push(told);
    debug_assert!(pushed.is_ok(), "the room was looked for before");
}
