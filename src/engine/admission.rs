//! What begins at a service: who takes it, within what the file allows.
//!
//! Owns the use of limits of connections, of half-open ones and of new ones in a second, for all, a virtual server, a client and a member. They are asked only where a flow begins, and only of what begins a
//! connection: what stands is never touched, and what a member begins itself is not limited. A member at its limit is passed over; where
//! nobody else has room, or a virtual server is at its own, what begins is refused, unless a connection gives way of which nothing has
//! come for a while but what a stranger can make alone; no connection does for one that another limit refuses.

use super::connection_counts::{client, is_connection, is_half_open, owners};
use super::events::EngineEvent;
use super::flow_book::{FlowBook, LOOKED_AT};
use super::giving_way::{Found, GIVE_WAY, GivingWay};
use super::verdict::{DropReason, Verdict};
use super::walk::Walk;
use crate::flow::{Flow, FlowId};
use crate::policy::Snapshot;
use crate::policy::connection_limits::{ConnectionLimit, Exceeded};
use crate::policy::intent::{MemberId, Mode, PoolId, VirtualServerId};
use crate::policy::snapshot::ServiceView;
use crate::time::{Duration, Instant};
use crate::wire::{Kind, Tuple};
use std::net::Ipv4Addr;

/// A handshake of which nothing was heard for so long is not being made: its SYN would have been repeated twice (RFC 6298 2.1, 5.5).
const HANDSHAKE: Duration = Duration::from_secs(3);
/// A new connection can meet so many of those that were idle longest: each that gives way lets another one be looked at.
pub(super) const MET_AT_MOST: usize = LOOKED_AT + GIVE_WAY;

/// What of a limit is free again by what a connection that begins anew takes the place of.
#[derive(Clone, Copy, Default)]
struct Freed {
    connections: u64,
    half_open: u64,
}

impl Freed {
    /// So many of what `whose` limit counts end where the new connection begins.
    fn of(whose: Whose, snapshot: &Snapshot, flows: &FlowBook, given: &GivingWay) -> Freed {
        let mut freed = Freed::default();
        let replaced = given.replaced.as_ref().map(|(_, flow)| flow);
        let ends = replaced.into_iter().chain(given.after(0).filter_map(|found| flows.at(found.id)));
        for flow in ends.filter(|flow| whose.has(snapshot, flow)) {
            freed.connections += 1;
            freed.half_open += u64::from(is_half_open(flow));
        }
        freed
    }
}

/// Whose connections a limit counts.
#[derive(Clone, Copy)]
enum Whose {
    All,
    Server(VirtualServerId),
    Client(VirtualServerId, Ipv4Addr),
    Member(MemberId),
}

impl Whose {
    fn has(self, snapshot: &Snapshot, flow: &Flow) -> bool {
        match self {
            Whose::All => true,
            Whose::Server(id) => owners(snapshot, flow).1 == Some(id),
            Whose::Client(id, of) => {
                flow.counts_for_client && client(flow) == Some(of) && owners(snapshot, flow).1 == Some(id)
            }
            Whose::Member(id) => owners(snapshot, flow).0 == Some(id),
        }
    }
}

impl Walk<'_> {
    /// The member that takes what `source` sends to a service, of a flow that is not there yet, and is not refused; `tuple` is the
    /// packet's.
    ///
    /// # Errors
    /// There is none, or it may not begin: what is done with the packet.
    #[inline]
    pub(super) fn receiver_of_new(
        &mut self,
        service: &ServiceView,
        tuple: &Tuple,
        source: Ipv4Addr,
    ) -> Result<MemberId, Verdict> {
        if service.is_limited && self.opens() {
            return self.receiver_within_limits(service, tuple, source);
        }
        self.target(service.pool, source).ok_or_else(|| self.no_member(service.pool))
    }

    #[cold]
    fn receiver_within_limits(
        &mut self,
        service: &ServiceView,
        tuple: &Tuple,
        source: Ipv4Addr,
    ) -> Result<MemberId, Verdict> {
        let limits = &self.snapshot.connection_limits;
        // A connection that begins again on the same tuple takes its own place.
        let replaced = self.state.flows.find_live(self.snapshot, tuple);
        let replaced = replaced.and_then(|(id, _)| Some((id, *self.state.flows.at(id)?)));
        let mut given = GivingWay::to(replaced.filter(|(_, flow)| is_connection(flow)));
        // All are asked before anybody gives way: nobody does for what is refused then.
        self.room_of(limits.all(), Whose::All, &mut given)?;
        self.room_of(limits.server(service.virtual_server), Whose::Server(service.virtual_server), &mut given)?;
        self.room_of_client(service.virtual_server, tuple.src.addr, &mut given)?;
        let first = self.preferred(service.pool, source).ok_or_else(|| self.no_member(service.pool))?;
        let receiver = if has_room(self.snapshot, &self.state.flows, first, &given, self.now) {
            first
        } else if let Some(other) = self.another_with_room(service.pool, first, &given) {
            other
        } else {
            self.room_of(limits.member(first), Whose::Member(first), &mut given)?;
            first
        };
        given.after(0).for_each(|found| self.gives_way(found));
        self.stays_with(service.pool, source, receiver);
        Ok(receiver)
    }

    /// There is room for a connection more, or one may give way to it.
    fn room_of(&mut self, limit: Option<&ConnectionLimit>, whose: Whose, given: &mut GivingWay) -> Result<(), Verdict> {
        let (Some(limit), now, is_handshake) = (limit, self.now.nanos(), self.is_handshake()) else { return Ok(()) };
        self.room_by(whose, given, |freed| {
            limit.room(freed.connections, now)?;
            if is_handshake { limit.half_open_room(freed.half_open, now) } else { Ok(()) }
        })
    }

    /// The same of what a client has of a virtual server; members that call each other are none.
    fn room_of_client(
        &mut self,
        server: VirtualServerId,
        source: Ipv4Addr,
        given: &mut GivingWay,
    ) -> Result<(), Verdict> {
        if self.is_from_member() {
            return Ok(());
        }
        let (snapshot, now, is_handshake) = (self.snapshot, self.now.nanos(), self.is_handshake());
        let room = |freed: Freed| {
            let freed = (freed.connections, freed.half_open);
            snapshot.connection_limits.client_room(server, source, freed, is_handshake, now)
        };
        self.room_by(Whose::Client(server, source), given, room).map_err(|verdict| match verdict {
            Verdict::Drop(reason) if reason != DropReason::RateLimited => Verdict::Drop(DropReason::ClientLimit),
            Verdict::Reject { with, .. } => Verdict::Reject { with, reason: DropReason::ClientLimit },
            other => other,
        })
    }

    /// What `room` says has room; or it is a handshake, and this worker has less than its share of them; or something may give way, and is
    /// added to `given`.
    fn room_by(
        &mut self,
        whose: Whose,
        given: &mut GivingWay,
        room: impl Fn(Freed) -> Result<(), Exceeded>,
    ) -> Result<(), Verdict> {
        let before = given.count();
        loop {
            let freed = Freed::of(whose, self.snapshot, &self.state.flows, given);
            let Err(exceeded) = room(freed) else { return Ok(()) };
            // More may stand than the limit says: it was lowered, or they stood before a restart.
            let quiet = match exceeded {
                Exceeded::Connections => Some(HANDSHAKE),
                Exceeded::HalfOpen => Some(Duration::ZERO),
                Exceeded::Rate | Exceeded::Client => None,
            };
            // What a client has here is found by a search alone: that comes last.
            let (is_half_open, is_searched) = (exceeded == Exceeded::HalfOpen, matches!(whose, Whose::Client(..)));
            if is_half_open && !is_searched && self.has_less_than_its_share(whose, freed, given) {
                return Ok(());
            }
            if let Some(id) = quiet.and_then(|quiet| self.may_give_way(quiet, whose, given)) {
                given.add(Found { id, to: exceeded });
                continue;
            }
            if is_half_open && is_searched && self.has_less_than_its_share(whose, freed, given) {
                return Ok(());
            }
            // Those that make no room for it are beyond the limit without it: they give way to that.
            given.after(before).filter(|found| found.to == exceeded).for_each(|found| self.gives_way(found));
            return Err(self.refuse_new(exceeded));
        }
    }

    fn gives_way(&mut self, found: Found) {
        self.state.flows.forget(self.snapshot, found.id);
        if found.to == Exceeded::HalfOpen {
            self.count_event(EngineEvent::HalfOpenGaveWay);
        }
    }

    /// It begins a TCP connection, which is half-open by that.
    fn is_handshake(&self) -> bool {
        matches!(self.packet.kind, Kind::Tcp(_))
    }

    /// A handshake, for another one: a datagram, which anybody can forge as well, takes no place that it would not give back as soon.
    fn may_give_way(&mut self, quiet: Duration, whose: Whose, given: &GivingWay) -> Option<FlowId> {
        if !self.is_handshake() || given.is_full() {
            return None;
        }
        let snapshot = self.snapshot;
        let is_counted = |flow: &Flow| whose.has(snapshot, flow);
        self.state.flows.half_open_that_may_give_way(snapshot, quiet, self.now, given, is_counted)
    }

    /// Half-open connections fill a limit of all workers, and give way on their own only: who chooses his ports so that one worker has
    /// them all must not keep out what comes to the others. Each may have its part of the limit whatever the others have.
    fn has_less_than_its_share(&mut self, whose: Whose, freed: Freed, given: &GivingWay) -> bool {
        let (snapshot, flows) = (self.snapshot, &mut self.state.flows);
        let limits = &snapshot.connection_limits;
        let (limit, has) = match whose {
            Whose::All => {
                (limits.all().map(|it| it.half_open), flows.half_open_of(None).saturating_sub(freed.half_open))
            }
            Whose::Server(id) => {
                let has = flows.half_open_of(Some(id)).saturating_sub(freed.half_open);
                (limits.server(id).map(|it| it.half_open), has)
            }
            Whose::Client(id, _) => {
                let has = flows.half_open_found(self.now, given, |flow| whose.has(snapshot, flow));
                (limits.server(id).map(|it| it.client.half_open), has)
            }
            Whose::Member(_) => return false,
        };
        limit.is_some_and(|limit| has < (u64::from(limit) / self.state.rounds.workers()).max(1))
    }

    /// Who of several active members takes it instead: whoever has fewest flows, or the next one by address.
    fn another_with_room(&mut self, pool: PoolId, first: MemberId, given: &GivingWay) -> Option<MemberId> {
        let sharing = self.snapshot.pool(pool).sharing.as_ref()?;
        let (snapshot, flows, now) = (self.snapshot, &self.state.flows, self.now);
        let has_room = |member: MemberId| member != first && has_room(snapshot, flows, member, given, now);
        match sharing.mode() {
            Mode::LeastConnections => self.state.rounds.least(pool, sharing, has_room),
            _ => sharing.others(first).find(|member| has_room(*member)),
        }
    }

    /// A SYN is answered by a reset, within the limit on rejects; a datagram is dropped in silence, as its sender would take a refusal
    /// for the end of a service that it uses. A SYN among too many that are half-open is dropped in silence as well: it may be forged,
    /// and its sender repeats it.
    fn refuse_new(&mut self, exceeded: Exceeded) -> Verdict {
        let reason = match exceeded {
            Exceeded::Connections => DropReason::ConnectionLimit,
            Exceeded::Rate => DropReason::ConnectionRateLimit,
            Exceeded::HalfOpen => DropReason::HalfOpenLimit,
            Exceeded::Client => DropReason::ClientLimit,
        };
        match self.packet.kind {
            Kind::Tcp(_) if exceeded != Exceeded::HalfOpen => self.reject_by_protocol(reason),
            _ => Verdict::Drop(reason),
        }
    }
}

fn has_room(snapshot: &Snapshot, flows: &FlowBook, member: MemberId, given: &GivingWay, now: Instant) -> bool {
    let Some(limit) = snapshot.connection_limits.member(member) else { return true };
    limit.room(Freed::of(Whose::Member(member), snapshot, flows, given).connections, now.nanos()).is_ok()
}
