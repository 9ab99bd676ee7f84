//! How many connections a member, a virtual server or all of these have, how many they may have, half-open or not, and how many may begin in
//! a second; and the same for each client of a virtual server.
//!
//! Owns [`ConnectionLimit`]: what the file says, and what is counted against it, over all workers. It is counted where flows come and
//! go, by the workers, without a lock; of one and the same member or virtual server the next snapshot has the same count, whatever a
//! reload says the limit is now. Points in time are nanoseconds since the start. Decides about no packet.

use super::client_counts::{ClientChange, ClientCounts};
use super::intent::{Intent, MemberId, NewConnections, VirtualServerId};
use super::slots::{Id, Life, Slots};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a new connection would exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exceeded {
    /// As many connections stand as may.
    Connections,
    /// As many have begun lately as may.
    Rate,
    /// As many handshakes are under way as may.
    HalfOpen,
    /// The same of one client, whichever it is.
    Client,
}

impl Exceeded {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// All.
    pub const ALL: [Exceeded; 4] = [Exceeded::Connections, Exceeded::Rate, Exceeded::HalfOpen, Exceeded::Client];
}

/// How a client's connection is counted where those of each are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comes {
    /// It stands in what its client has.
    Counted,
    /// It does not, as too many others do.
    NoPlace,
    /// Nothing limits it.
    Unlimited,
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
    /// Handshakes under way, at most; 0: no limit.
    pub half_open: u32,
    /// The same for each client.
    pub client: NewConnections,
    /// Since when that member or virtual server has been there.
    since: Life,
    counted: Arc<Counted>,
}

/// What all workers count together, and management reads.
#[derive(Debug, Default)]
struct Counted {
    connections: AtomicU64,
    half_open: AtomicU64,
    /// When the next connection is due if they come no faster than they may: the theoretical arrival time of the generic cell rate
    /// algorithm (ITU-T I.371), in nanoseconds.
    due: AtomicU64,
    /// By [`Exceeded`]: when that was met last, in nanoseconds, and one more; zero: never.
    exceeded: [AtomicU64; Exceeded::COUNT],
    /// Which client met what of its own limits last: its address, above that [`Exceeded`], and one more; zero: none has.
    client: AtomicU64,
}

impl ConnectionLimit {
    fn new(all: NewConnections, client: NewConnections, since: Life) -> ConnectionLimit {
        let NewConnections { most, per_second, half_open } = all;
        ConnectionLimit { most, per_second, half_open, client, since, counted: Arc::default() }
    }

    /// One that has counted the same, and counts for itself from now on.
    fn detached(&self) -> ConnectionLimit {
        let Counted { connections, half_open, due, exceeded, client } = &*self.counted;
        let copied = |cell: &AtomicU64| AtomicU64::new(cell.load(Ordering::Relaxed));
        let exceeded = exceeded.each_ref().map(copied);
        let (connections, half_open) = (copied(connections), copied(half_open));
        let counted = Counted { connections, half_open, due: copied(due), exceeded, client: copied(client) };
        ConnectionLimit { counted: Arc::new(counted), ..*self }
    }

    /// How many connections stand, of all workers that read a snapshot with this limit.
    pub fn connections(&self) -> u64 {
        self.counted.connections.load(Ordering::Relaxed)
    }

    /// How many of them are half-open.
    pub fn half_open_now(&self) -> u64 {
        self.counted.half_open.load(Ordering::Relaxed)
    }

    /// One handshake more may be under way at `now`, where `freed` of those that are end by it. If not, that is noted.
    ///
    /// # Errors
    /// [`Exceeded::HalfOpen`].
    pub fn half_open_room(&self, freed: u64, now: u64) -> Result<(), Exceeded> {
        if self.half_open == 0 || self.half_open_now().saturating_sub(freed) < u64::from(self.half_open) {
            return Ok(());
        }
        self.note(Exceeded::HalfOpen, now);
        Err(Exceeded::HalfOpen)
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
            Exceeded::HalfOpen => self.half_open,
            Exceeded::Client => u32::from(self.client != NewConnections::default()),
        }
    }

    /// When it was last found that a new connection would exceed this.
    pub fn exceeded(&self, what: Exceeded) -> Option<u64> {
        self.counted.exceeded[what as usize].load(Ordering::Relaxed).checked_sub(1)
    }

    /// The client that was found last to have all that each may have, and of what.
    pub fn client_at_its_limit(&self) -> Option<(Ipv4Addr, Exceeded)> {
        let noted = self.counted.client.load(Ordering::Relaxed).checked_sub(1)?;
        Some((Ipv4Addr::from_bits(noted as u32), *Exceeded::ALL.get((noted >> 32) as usize)?))
    }

    /// What the file says of that for each client; 0: no limit.
    pub fn of_client(&self, what: Exceeded) -> u32 {
        match what {
            Exceeded::Connections | Exceeded::Client => self.client.most,
            Exceeded::Rate => self.client.per_second,
            Exceeded::HalfOpen => self.client.half_open,
        }
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

    /// So many half-open ones more.
    pub fn add_half_open(&self, connections: u64) {
        self.counted.half_open.fetch_add(connections, Ordering::Relaxed);
    }

    /// One is half-open no more.
    pub fn end_half_open(&self) {
        self.counted.half_open.fetch_sub(1, Ordering::Relaxed);
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

    /// Says whether it was noted: it may have been a moment ago.
    fn note(&self, what: Exceeded, now: u64) -> bool {
        let (cell, now) = (&self.counted.exceeded[what as usize], now + 1);
        let before = cell.load(Ordering::Relaxed);
        let is_due = before == 0 || now.saturating_sub(before) >= NOTED_EVERY;
        if is_due {
            cell.store(now, Ordering::Relaxed);
        }
        is_due
    }

    fn note_client(&self, client: Ipv4Addr, what: Exceeded, now: u64) {
        if self.note(Exceeded::Client, now) {
            let noted = (what as u64) << 32 | u64::from(client.to_bits());
            self.counted.client.store(noted + 1, Ordering::Relaxed);
        }
    }
}

/// The limits of everybody who has one, by id.
#[derive(Clone, Debug, Default)]
pub struct ConnectionLimits {
    members: Vec<Option<ConnectionLimit>>,
    servers: Vec<Option<ConnectionLimit>>,
    /// That of all virtual servers together.
    all: Option<ConnectionLimit>,
    /// What each client has of a virtual server that limits its clients; `None` where none ever did: what has been counted is there as long as
    /// it stands, though its limit is taken out of the file and comes back.
    clients: Option<Arc<ClientCounts>>,
}

impl ConnectionLimits {
    /// Those of a file. Whoever had one `before` counts on; the same ones, if nothing is new.
    pub fn new(intent: &Intent, before: Option<&Arc<ConnectionLimits>>) -> Arc<ConnectionLimits> {
        let known = before.map(|before| &**before);
        let none = NewConnections::default();
        let members = each(&intent.members, known.map(|known| &*known.members), |member| {
            let (most, per_second) = (member.connection_limit, member.connection_rate_limit);
            (NewConnections { most, per_second, half_open: 0 }, none)
        });
        let servers = each(&intent.virtual_servers, known.map(|known| &*known.servers), |server| {
            (server.all(), server.each_client())
        });
        let all = Some(intent.limits.new_connections()).filter(|limits| *limits != none).map(|limits| {
            let counted = known.and_then(|known| known.all.as_ref()).map(|known| Arc::clone(&known.counted));
            ConnectionLimit {
                counted: counted.unwrap_or_default(),
                ..ConnectionLimit::new(limits, none, Life::default())
            }
        });
        let clients = servers.iter().flatten().any(|server| server.client != none);
        let clients = known.and_then(|known| known.clients.clone()).or_else(|| clients.then(Arc::default));
        let made = ConnectionLimits { members, servers, all, clients };
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
        ConnectionLimits {
            members: each(&self.members),
            servers: each(&self.servers),
            all: self.all.as_ref().map(ConnectionLimit::detached),
            clients: self.clients.as_ref().map(|clients| Arc::new(clients.detached())),
        }
    }

    /// Nobody has one.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.servers.is_empty() && self.all.is_none()
    }

    /// That of all virtual servers together.
    #[inline]
    pub fn all(&self) -> Option<&ConnectionLimit> {
        self.all.as_ref()
    }

    /// What `client` has of this virtual server has room for a connection more at `now`; if `is_handshake`, one that begins half-open.
    /// Of what it has, `freed` connections and half-open ones end by it. That a client has none is noted.
    ///
    /// # Errors
    /// The limit of the virtual server for each client that it would exceed.
    pub fn client_room(
        &self,
        server: VirtualServerId,
        client: Ipv4Addr,
        (connections, half_open): (u64, u64),
        is_handshake: bool,
        now: u64,
    ) -> Result<(), Exceeded> {
        let (Some(limit), Some(clients)) = (self.server(server), &self.clients) else { return Ok(()) };
        let NewConnections { most, per_second, half_open: half_open_limit } = limit.client;
        let has = clients.of(client, server);
        let is_met = |limit: u32, has: u64| limit > 0 && has >= u64::from(limit);
        let lacks = match () {
            () if BURST.checked_div(per_second.into()).is_some_and(|it| has.due.max(now) + it > now + BURST) => {
                Exceeded::Rate
            }
            () if is_met(most, has.connections.saturating_sub(connections)) => Exceeded::Connections,
            () if is_handshake && is_met(half_open_limit, has.half_open.saturating_sub(half_open)) => {
                Exceeded::HalfOpen
            }
            () => return Ok(()),
        };
        limit.note_client(client, lacks, now);
        Err(lacks)
    }

    /// A client has one connection more of a virtual server, which counts for it if that limits its clients.
    pub fn client_comes(&self, server: VirtualServerId, client: Ipv4Addr, now: u64) -> Comes {
        let is_limited = self.server(server).is_some_and(|limit| limit.client != NewConnections::default());
        match self.clients.as_ref().filter(|_| is_limited) {
            None => Comes::Unlimited,
            Some(clients) if clients.count(client, server, ClientChange::Comes, now) => Comes::Counted,
            Some(_) => Comes::NoPlace,
        }
    }

    /// Something of a connection has changed that was counted for its client when it came.
    pub fn count_client(&self, server: VirtualServerId, client: Ipv4Addr, change: ClientChange, now: u64) {
        self.clients.iter().for_each(|clients| _ = clients.count(client, server, change, now));
    }

    /// A client has begun a connection, which counts for its rate.
    pub fn client_begins(&self, server: VirtualServerId, client: Ipv4Addr, now: u64) {
        let (Some(limit), Some(clients)) = (self.server(server), &self.clients) else { return };
        if let Some(interval) = BURST.checked_div(limit.client.per_second.into()) {
            clients.begin(client, server, interval, now);
        }
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
                let says = |it: &ConnectionLimit| (it.most, it.per_second, it.half_open, it.client);
                one.is_same(other) && says(one) == says(other)
            }
            (one, other) => one.is_none() && other.is_none(),
        };
        let all = |ours: &[Option<ConnectionLimit>], theirs: &[Option<ConnectionLimit>]| {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(one, other)| is_as(one, other))
        };
        let same_clients = match (&self.clients, &other.clients) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        all(&self.members, &other.members)
            && all(&self.servers, &other.servers)
            && is_as(&self.all, &other.all)
            && same_clients
    }
}

fn entries<K: Id>(limits: &[Option<ConnectionLimit>]) -> impl Iterator<Item = (K, &ConnectionLimit)> {
    limits.iter().enumerate().filter_map(|(id, limit)| Some((K::of(id), limit.as_ref()?)))
}

/// By id; no longer than it must be.
fn each<K: Id, T>(
    list: &Slots<K, T>,
    before: Option<&[Option<ConnectionLimit>]>,
    limits: impl Fn(&T) -> (NewConnections, NewConnections),
) -> Vec<Option<ConnectionLimit>> {
    let mut made = Vec::new();
    for (id, entry) in list.entries() {
        let ((all, client), at): (_, usize) = (limits(entry), id.into());
        if [all, client] == [NewConnections::default(); 2] {
            continue;
        }
        if made.len() <= at {
            made.resize(at + 1, None);
        }
        let since = list.since(id);
        let known = before.and_then(|before| before.get(at)?.as_ref()).filter(|known| known.since == since);
        let counted = known.map_or_else(Arc::default, |known| Arc::clone(&known.counted));
        made[at] = Some(ConnectionLimit { counted, ..ConnectionLimit::new(all, client, since) });
    }
    made
}

#[cfg(test)]
mod tests;
