//! How many of a worker's flows are connections of a member, and of a virtual server.
//!
//! Owns that every flow which holds such a place is counted when it comes and when it goes: by this worker, always, and into the
//! [`ConnectionLimit`] of all workers, where there is one. What all of them count is the sum of what each does that reads a snapshot with
//! that limit. A connection that is over holds no place, though its flow lingers.

use super::connection_use::{Cells, ConnectionUse};
use crate::flow::{Flow, NO_MEMBER, NO_VIRTUAL_SERVER, State, TimeoutClass, Track};
use crate::policy::connection_limits::ConnectionLimit;
use crate::policy::intent::{MemberId, VirtualServerId};
use crate::policy::slots::Id;
use crate::policy::{Life, Slots, Snapshot};
use crate::time::Instant;
use std::sync::Arc;

/// What one worker counts, by id.
#[derive(Default)]
pub(super) struct ConnectionCounts {
    uses: Arc<ConnectionUse>,
}

/// The flow is a connection to a service, and not over: neither have both ends said goodbye nor has one reset it.
pub(super) fn is_connection(flow: &Flow) -> bool {
    flow.virtual_server != NO_VIRTUAL_SERVER && flow.track.is_none_or(|track| track.class() != TimeoutClass::TcpClosing)
}

impl ConnectionCounts {
    /// Of a worker that reads `snapshot`, and has no flow.
    pub(super) fn new(snapshot: &Snapshot) -> ConnectionCounts {
        let counts = ConnectionCounts::default();
        counts.reserve(snapshot);
        counts
    }

    /// `new` takes the place of `old`. Whose id has become somebody else's has none any more; a limit that is new counts what there is.
    pub(super) fn follow(&mut self, old: &Snapshot, new: &Snapshot) {
        if new.life != old.life {
            self.reserve(new);
            clear_others(&self.uses.members, &new.members, old.life);
            clear_others(&self.uses.servers, &new.virtual_servers, old.life);
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
            }
        }
    }

    /// A flow has been made that may hold a place. One that begins a connection counts for the rates.
    pub(super) fn on_kept(&mut self, snapshot: &Snapshot, flow: &Flow, now: Instant) {
        if !is_connection(flow) {
            return;
        }
        self.count(snapshot, flow, true);
        let begins = flow.track.as_ref().map(Track::state).is_none_or(|state| state == State::Opening);
        if !begins {
            return;
        }
        let (member, server) = owners(snapshot, flow);
        member.into_iter().for_each(|id| self.uses.members.begin(id.0));
        server.into_iter().for_each(|id| self.uses.servers.begin(id.0));
        if !snapshot.connection_limits.is_empty() {
            let limits = &snapshot.connection_limits;
            let member = member.and_then(|id| limits.member(id));
            let server = server.and_then(|id| limits.server(id));
            member.into_iter().chain(server).for_each(|limit| limit.begin(now.nanos()));
        }
    }

    /// A flow is here that all workers have counted where there is a limit.
    pub(super) fn on_copied(&mut self, snapshot: &Snapshot, flow: &Flow) {
        if is_connection(flow) {
            let (member, server) = owners(snapshot, flow);
            member.into_iter().for_each(|id| self.uses.members.count(id.0, true));
            server.into_iter().for_each(|id| self.uses.servers.count(id.0, true));
        }
    }

    /// The flow, which held a place, is forgotten or over; or that was an error, and it holds its place again.
    pub(super) fn count(&mut self, snapshot: &Snapshot, flow: &Flow, comes: bool) {
        let (member, server) = owners(snapshot, flow);
        let limits = &snapshot.connection_limits;
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
    }

    /// What is counted; to be read by whoever likes.
    pub(super) fn uses(&self) -> &Arc<ConnectionUse> {
        &self.uses
    }

    fn reserve(&self, snapshot: &Snapshot) {
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

fn clear_others<K: Id, T>(counts: &Cells, list: &Slots<K, T>, life: Life) {
    (0..counts.bound()).filter(|id| list.find(*id, life).is_none()).for_each(|id| counts.clear(id as u16));
}
