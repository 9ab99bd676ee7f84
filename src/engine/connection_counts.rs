//! How many of a worker's flows are connections of a member, and of a virtual server.
//!
//! Owns that every flow which holds such a place is counted when it comes and when it goes: by this worker, always, and into the
//! [`ConnectionLimit`] of all workers, where there is one. What all of them count is the sum of what each does that reads a snapshot with
//! that limit. A connection that is over holds no place, though its flow lingers.

use super::connection_use::{Cells, ConnectionUse};
use crate::flow::{Direction, Flow, NO_MEMBER, NO_VIRTUAL_SERVER, PathKind, State, TimeoutClass, Track};
use crate::policy::client_counts::ClientChange;
use crate::policy::connection_limits::{Comes, ConnectionLimit, ConnectionLimits};
use crate::policy::intent::{MemberId, VirtualServerId};
use crate::policy::slots::Id;
use crate::policy::{Life, Slots, Snapshot};
use crate::time::Instant;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// What one worker counts, by id.
#[derive(Default)]
pub(super) struct ConnectionCounts {
    uses: Arc<ConnectionUse>,
    /// How many connections there are of all virtual servers together.
    all: u64,
    half_open: HalfOpen,
    /// Connections of clients that found no place to be counted.
    uncounted: u64,
    /// When a flow was kept last, in nanoseconds.
    now: u64,
}

/// How many half-open connections a worker has.
#[derive(Clone, Default)]
pub(super) struct HalfOpen {
    all: u64,
    servers: Vec<u64>,
}

impl HalfOpen {
    /// Of a virtual server; `None`: of all of them together.
    pub(super) fn of(&self, server: Option<VirtualServerId>) -> u64 {
        server.map_or(self.all, |id| self.servers.get(id.index()).copied().unwrap_or_default())
    }
}

/// The flow is a connection to a service, and not over: neither have both ends said goodbye nor has one reset it.
pub(super) fn is_connection(flow: &Flow) -> bool {
    flow.virtual_server != NO_VIRTUAL_SERVER && flow.track.is_none_or(|track| track.class() != TimeoutClass::TcpClosing)
}

/// It is one whose handshake is not finished. What its member continues of its own accord, after a restart, is no handshake, whoever has
/// not answered yet: a stranger cannot make that alone, while he can make a member answer a SYN and acknowledge blindly what it says.
pub(super) fn is_half_open(flow: &Flow) -> bool {
    let begins_inside = flow.inside == Direction::Original;
    let is_continued = || begins_inside && flow.track.is_some_and(|track| track.is_continued_by(flow.inside));
    is_connection(flow) && flow.class() == TimeoutClass::TcpOpening && !is_continued()
}

/// The client whose connection it is, where it is one of somebody outside.
pub(super) fn client(flow: &Flow) -> Option<Ipv4Addr> {
    (flow.path == PathKind::Service).then(|| flow.key(flow.inside.other()).src.addr)
}

impl ConnectionCounts {
    /// Of a worker that reads `snapshot`, and has no flow.
    pub(super) fn new(snapshot: &Snapshot) -> ConnectionCounts {
        let mut counts = ConnectionCounts::default();
        counts.reserve(snapshot);
        counts
    }

    /// `new` takes the place of `old`. Whose id has become somebody else's has none any more; a limit that is new counts what there is.
    pub(super) fn follow(&mut self, old: &Snapshot, new: &Snapshot) {
        if new.life != old.life {
            self.reserve(new);
            clear_others(&self.uses.members, &new.members, old.life);
            clear_others(&self.uses.servers, &new.virtual_servers, old.life);
            for (id, half_open) in self.half_open.servers.iter_mut().enumerate() {
                if new.virtual_servers.find(id, old.life).is_none() {
                    *half_open = 0;
                }
            }
        }
        let (before, limits) = (&old.connection_limits, &new.connection_limits);
        if Arc::ptr_eq(before, limits) {
            return;
        }
        for (id, limit) in limits.members() {
            if !before.member(id).is_some_and(|before| before.is_same(limit)) {
                limit.add(self.uses.members.now(id.0));
            }
        }
        for (id, limit) in limits.servers() {
            if !before.server(id).is_some_and(|before| before.is_same(limit)) {
                limit.add(self.uses.servers.now(id.0));
                limit.add_half_open(self.half_open.of(Some(id)));
            }
        }
        if let Some(limit) = limits.all()
            && !before.all().is_some_and(|before| before.is_same(limit))
        {
            limit.add(self.all);
            limit.add_half_open(self.half_open.all);
        }
    }

    /// A flow has been made that may hold a place. One that begins a connection counts for the rates. Says whether it counts for its client.
    pub(super) fn on_kept(&mut self, snapshot: &Snapshot, flow: &Flow, now: Instant) -> bool {
        if !is_connection(flow) {
            return false;
        }
        self.now = now.nanos();
        let counts_for_client = self.count(snapshot, flow, true);
        let begins = flow.track.as_ref().map(Track::state).is_none_or(|state| state == State::Opening);
        if begins {
            self.count_begun(snapshot, flow, now);
        }
        counts_for_client
    }

    fn count_begun(&self, snapshot: &Snapshot, flow: &Flow, now: Instant) {
        let (member, server) = owners(snapshot, flow);
        member.into_iter().for_each(|id| self.uses.members.begin(id.0));
        server.into_iter().for_each(|id| self.uses.servers.begin(id.0));
        if !snapshot.connection_limits.is_empty() {
            let limits = &snapshot.connection_limits;
            let member = member.and_then(|id| limits.member(id));
            let server = server.and_then(|id| limits.server(id));
            member.into_iter().chain(server).chain(limits.all()).for_each(|limit| limit.begin(now.nanos()));
            if let Some((server, client)) = owners(snapshot, flow).1.zip(client(flow)) {
                limits.client_begins(server, client, now.nanos());
            }
        }
    }

    /// A flow is here that all workers have counted where there is a limit.
    pub(super) fn on_copied(&mut self, snapshot: &Snapshot, flow: &Flow) {
        if is_connection(flow) {
            let (member, server) = owners(snapshot, flow);
            member.into_iter().for_each(|id| self.uses.members.count(id.0, true));
            server.into_iter().for_each(|id| self.uses.servers.count(id.0, true));
            self.all += 1;
            if is_half_open(flow) {
                self.half_open.all += 1;
                server.and_then(|id| self.half_open.servers.get_mut(id.index())).into_iter().for_each(|it| *it += 1);
            }
        }
    }

    /// The flow, which held a place and was half-open if it is, is forgotten or over; or that was an error, and it holds its place again.
    /// Says whether it counts for its client from now on.
    pub(super) fn count(&mut self, snapshot: &Snapshot, flow: &Flow, comes: bool) -> bool {
        let counts_for_client = self.count_place(snapshot, flow, comes);
        if is_half_open(flow) {
            self.count_half_open(snapshot, flow, comes, counts_for_client || flow.counts_for_client);
        }
        counts_for_client
    }

    /// The handshake of a flow is under way, or not so any more; it counts for its client, or did until now.
    pub(super) fn count_half_open(&mut self, snapshot: &Snapshot, flow: &Flow, comes: bool, counts_for_client: bool) {
        let limits = &snapshot.connection_limits;
        step(&mut self.half_open.all, comes, limits.all());
        let server = owners(snapshot, flow).1;
        if let Some((id, half_open)) = server.and_then(|id| Some((id, self.half_open.servers.get_mut(id.index())?))) {
            step(half_open, comes, limits.server(id));
        }
        if let Some(client) = client(flow).filter(|_| counts_for_client) {
            let change = if comes { ClientChange::HalfOpens } else { ClientChange::HalfEnds };
            limits.count_client(VirtualServerId(flow.virtual_server), client, change, self.now);
        }
    }

    /// The same of its place alone.
    pub(super) fn count_place(&mut self, snapshot: &Snapshot, flow: &Flow, comes: bool) -> bool {
        let (member, server) = owners(snapshot, flow);
        let limits = &snapshot.connection_limits;
        self.count_in_all(limits, comes);
        let counts_for_client = self.count_for_client(snapshot, flow, server.filter(|_| comes));
        for (counts, id, limit) in [
            (&self.uses.members, member.map(|id| id.0), member.and_then(|id| limits.member(id))),
            (&self.uses.servers, server.map(|id| id.0), server.and_then(|id| limits.server(id))),
        ] {
            let Some(id) = id else { continue };
            let has_any = counts.now(id) > 0;
            counts.count(id, comes);
            match comes {
                true => limit.into_iter().for_each(|limit| limit.add(1)),
                false if has_any => limit.into_iter().for_each(ConnectionLimit::end),
                false => {}
            }
        }
        counts_for_client
    }

    /// The connection comes, and is one of `server`; or goes, and is taken off where it was counted, though its virtual server has left the
    /// file meanwhile, or the id is another one's: what clients have is no number of a worker's, to be cleared with the id. Says whether it
    /// counts for its client from now on.
    fn count_for_client(&mut self, snapshot: &Snapshot, flow: &Flow, server: Option<VirtualServerId>) -> bool {
        let (limits, Some(client)) = (&snapshot.connection_limits, client(flow)) else { return false };
        if flow.counts_for_client {
            limits.count_client(VirtualServerId(flow.virtual_server), client, ClientChange::Goes, self.now);
        }
        let comes = server.map(|server| limits.client_comes(server, client, self.now));
        self.uncounted += u64::from(comes == Some(Comes::NoPlace));
        comes == Some(Comes::Counted)
    }

    fn count_in_all(&mut self, limits: &ConnectionLimits, comes: bool) {
        let connections = &mut self.all;
        match (comes, limits.all()) {
            (true, limit) => {
                *connections += 1;
                limit.into_iter().for_each(|limit| limit.add(1));
            }
            (false, limit) if *connections > 0 => {
                *connections -= 1;
                limit.into_iter().for_each(ConnectionLimit::end);
            }
            (false, _) => {}
        }
    }

    /// Connections of clients that found no place to be counted, since this was asked last.
    pub(super) fn take_uncounted(&mut self) -> u64 {
        std::mem::take(&mut self.uncounted)
    }

    /// How many are half-open.
    pub(super) fn half_open(&self) -> &HalfOpen {
        &self.half_open
    }

    /// So many are, whatever was counted.
    pub(super) fn set_half_open(&mut self, half_open: HalfOpen) {
        self.half_open = half_open;
    }

    /// What is counted; to be read by whoever likes.
    pub(super) fn uses(&self) -> &Arc<ConnectionUse> {
        &self.uses
    }

    fn reserve(&mut self, snapshot: &Snapshot) {
        let bound = snapshot.virtual_servers.bound();
        if self.half_open.servers.len() < bound {
            self.half_open.servers.resize(bound, 0);
        }
        self.uses.members.reserve(snapshot.members.bound());
        self.uses.servers.reserve(snapshot.virtual_servers.bound());
    }
}

/// The member and the virtual server whose connection it is, if they are still who they were.
pub(super) fn owners(snapshot: &Snapshot, flow: &Flow) -> (Option<MemberId>, Option<VirtualServerId>) {
    let life = Life(flow.life);
    let member = (flow.member != NO_MEMBER && snapshot.members.find(usize::from(flow.member), life).is_some())
        .then_some(MemberId(flow.member));
    let server = snapshot.virtual_servers.find(usize::from(flow.virtual_server), life).is_some();
    (member, server.then_some(VirtualServerId(flow.virtual_server)))
}

/// One half-open connection more, or fewer, here and in what all workers count against a limit.
fn step(half_open: &mut u64, comes: bool, limit: Option<&ConnectionLimit>) {
    match comes {
        true => {
            *half_open += 1;
            limit.into_iter().for_each(|limit| limit.add_half_open(1));
        }
        false if *half_open > 0 => {
            *half_open -= 1;
            limit.into_iter().for_each(ConnectionLimit::end_half_open);
        }
        false => {}
    }
}

fn clear_others<K: Id, T>(counts: &Cells, list: &Slots<K, T>, life: Life) {
    (0..counts.bound()).filter(|id| list.find(*id, life).is_none()).for_each(|id| counts.clear(id as u16));
}
