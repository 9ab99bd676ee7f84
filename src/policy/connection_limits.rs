//! How many connections a member or a virtual server has, how many it may have, and how many may begin in a second.
//!
//! Owns [`ConnectionLimit`]: what the file says, and what is counted against it, over all workers. It is counted where flows come and
//! go, by the workers, without a lock; of one and the same member or virtual server the next snapshot has the same count, whatever a
//! reload says the limit is now. Points in time are nanoseconds since the start. Decides about no packet.

use super::intent::{Intent, MemberId, VirtualServerId};
use super::slots::{Id, Life, Slots};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a new connection would exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exceeded {
    /// As many connections stand as may.
    Connections,
    /// As many have begun lately as may.
    Rate,
}

impl Exceeded {
    /// Both.
    pub const BOTH: [Exceeded; 2] = [Exceeded::Connections, Exceeded::Rate];
}

/// One second of the rate may begin at once.
const BURST: u64 = 1_000_000_000;
/// That a limit was met is noted at most so often: under a flood nobody waits for that cell.
const NOTED_EVERY: u64 = 10_000_000;

/// The limits of a member or virtual server that has any.
#[derive(Clone, Debug)]
pub struct ConnectionLimit {
    /// Connections at a time, at most; 0: no limit.
    pub most: u32,
    /// New ones a second, at most; 0: no limit.
    pub per_second: u32,
    /// Since when that member or virtual server has been there.
    since: Life,
    counted: Arc<Counted>,
}

/// What all workers count together, and management reads.
#[derive(Debug, Default)]
struct Counted {
    connections: AtomicU64,
    /// When the next connection is due if they come no faster than they may: the theoretical arrival time of the generic cell rate
    /// algorithm (ITU-T I.371), in nanoseconds.
    due: AtomicU64,
    /// By [`Exceeded`]: when that was met last, in nanoseconds, and one more; zero: never.
    exceeded: [AtomicU64; 2],
}

impl ConnectionLimit {
    fn new(most: u32, per_second: u32, since: Life) -> ConnectionLimit {
        ConnectionLimit { most, per_second, since, counted: Arc::default() }
    }

    /// One that has counted the same, and counts for itself from now on.
    fn detached(&self) -> ConnectionLimit {
        let Counted { connections, due, exceeded } = &*self.counted;
        let copied = |cell: &AtomicU64| AtomicU64::new(cell.load(Ordering::Relaxed));
        let exceeded = exceeded.each_ref().map(copied);
        let counted = Counted { connections: copied(connections), due: copied(due), exceeded };
        ConnectionLimit { counted: Arc::new(counted), ..*self }
    }

    /// How many connections stand, of all workers that read a snapshot with this limit.
    pub fn connections(&self) -> u64 {
        self.counted.connections.load(Ordering::Relaxed)
    }

    /// A connection more has room at `now`, where `freed` of those that stand end by it. What lacks room is noted.
    ///
    /// # Errors
    /// What it would exceed.
    pub fn room(&self, freed: u64, now: u64) -> Result<(), Exceeded> {
        // The rate first: for what it refuses nothing gives way.
        let lacks = if self.interval().is_some_and(|interval| self.due_after(interval, now) > now + BURST) {
            Exceeded::Rate
        } else if self.most > 0 && self.connections().saturating_sub(freed) >= u64::from(self.most) {
            Exceeded::Connections
        } else {
            return Ok(());
        };
        self.note(lacks, now);
        Err(lacks)
    }

    /// What the file says of this; 0: no limit.
    pub fn of(&self, what: Exceeded) -> u32 {
        match what {
            Exceeded::Connections => self.most,
            Exceeded::Rate => self.per_second,
        }
    }

    /// When it was last found that a new connection would exceed this.
    pub fn exceeded(&self, what: Exceeded) -> Option<u64> {
        self.counted.exceeded[what as usize].load(Ordering::Relaxed).checked_sub(1)
    }

    /// A connection has begun: it counts for the rate. What began although the rate was exceeded, as what goes on with another member
    /// does, keeps others out no longer than for one connection more.
    pub fn begin(&self, now: u64) {
        if let Some(interval) = self.interval() {
            let next = |due: u64| Some((due.max(now) + interval).min(now + BURST + interval));
            // What is always `Some` is always stored.
            let _ = self.counted.due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        }
    }

    /// So many connections more stand.
    pub fn add(&self, connections: u64) {
        self.counted.connections.fetch_add(connections, Ordering::Relaxed);
    }

    /// One has ended.
    pub fn end(&self) {
        self.counted.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Both count the same.
    pub fn is_same(&self, other: &ConnectionLimit) -> bool {
        Arc::ptr_eq(&self.counted, &other.counted)
    }

    /// From one new connection to the next, in nanoseconds.
    fn interval(&self) -> Option<u64> {
        BURST.checked_div(self.per_second.into())
    }

    /// When the one after the next is due.
    fn due_after(&self, interval: u64, now: u64) -> u64 {
        self.counted.due.load(Ordering::Relaxed).max(now) + interval
    }

    fn note(&self, what: Exceeded, now: u64) {
        let (cell, now) = (&self.counted.exceeded[what as usize], now + 1);
        let before = cell.load(Ordering::Relaxed);
        if before == 0 || now.saturating_sub(before) >= NOTED_EVERY {
            cell.store(now, Ordering::Relaxed);
        }
    }
}

/// The limits of everybody who has one, by id.
#[derive(Clone, Debug, Default)]
pub struct ConnectionLimits {
    members: Vec<Option<ConnectionLimit>>,
    servers: Vec<Option<ConnectionLimit>>,
}

impl ConnectionLimits {
    /// Those of a file. Whoever had one `before` counts on; the same ones, if nothing is new.
    pub fn new(intent: &Intent, before: Option<&Arc<ConnectionLimits>>) -> Arc<ConnectionLimits> {
        let known = before.map(|before| &**before);
        let members = each(&intent.members, known.map(|known| &*known.members), |member| {
            (member.connection_limit, member.connection_rate_limit)
        });
        let servers = each(&intent.virtual_servers, known.map(|known| &*known.servers), |server| {
            (server.connection_limit, server.connection_rate_limit)
        });
        let made = ConnectionLimits { members, servers };
        match before {
            Some(before) if before.is_as(&made) => Arc::clone(before),
            _ => Arc::new(made),
        }
    }

    /// Those that have counted the same, and count for themselves from now on.
    pub fn detached(&self) -> ConnectionLimits {
        let each = |limits: &[Option<ConnectionLimit>]| {
            limits.iter().map(|limit| limit.as_ref().map(ConnectionLimit::detached)).collect()
        };
        ConnectionLimits { members: each(&self.members), servers: each(&self.servers) }
    }

    /// Nobody has one.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.servers.is_empty()
    }

    /// That of a member.
    #[inline]
    pub fn member(&self, id: MemberId) -> Option<&ConnectionLimit> {
        self.members.get(id.index())?.as_ref()
    }

    /// That of a virtual server.
    #[inline]
    pub fn server(&self, id: VirtualServerId) -> Option<&ConnectionLimit> {
        self.servers.get(id.index())?.as_ref()
    }

    /// The members that have one.
    pub fn members(&self) -> impl Iterator<Item = (MemberId, &ConnectionLimit)> {
        entries(&self.members)
    }

    /// The virtual servers that have one.
    pub fn servers(&self) -> impl Iterator<Item = (VirtualServerId, &ConnectionLimit)> {
        entries(&self.servers)
    }

    fn is_as(&self, other: &ConnectionLimits) -> bool {
        let is_as = |one: &Option<ConnectionLimit>, other: &Option<ConnectionLimit>| match (one, other) {
            (Some(one), Some(other)) => {
                one.is_same(other) && (one.most, one.per_second) == (other.most, other.per_second)
            }
            (one, other) => one.is_none() && other.is_none(),
        };
        let all = |ours: &[Option<ConnectionLimit>], theirs: &[Option<ConnectionLimit>]| {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(one, other)| is_as(one, other))
        };
        all(&self.members, &other.members) && all(&self.servers, &other.servers)
    }
}

fn entries<K: Id>(limits: &[Option<ConnectionLimit>]) -> impl Iterator<Item = (K, &ConnectionLimit)> {
    limits.iter().enumerate().filter_map(|(id, limit)| Some((K::of(id), limit.as_ref()?)))
}

/// By id; no longer than it must be.
fn each<K: Id, T>(
    list: &Slots<K, T>,
    before: Option<&[Option<ConnectionLimit>]>,
    limits: impl Fn(&T) -> (u32, u32),
) -> Vec<Option<ConnectionLimit>> {
    let mut made = Vec::new();
    for (id, entry) in list.entries() {
        let ((most, per_second), at): (_, usize) = (limits(entry), id.into());
        if (most, per_second) == (0, 0) {
            continue;
        }
        if made.len() <= at {
            made.resize(at + 1, None);
        }
        let since = list.since(id);
        let known = before.and_then(|before| before.get(at)?.as_ref()).filter(|known| known.since == since);
        let counted = known.map_or_else(Arc::default, |known| Arc::clone(&known.counted));
        made[at] = Some(ConnectionLimit { counted, ..ConnectionLimit::new(most, per_second, since) });
    }
    made
}

#[cfg(test)]
mod tests;
