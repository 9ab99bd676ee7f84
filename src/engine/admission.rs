//! What begins at a service: who takes it, within what the file allows.
//!
//! Owns the use of limits of connections, of half-open ones and of new ones in a second, for all, a virtual server, a client and a member. They are asked only where a flow begins, and only of what begins a
//! connection: what stands is never touched, and what a member begins itself is not limited. A member at its limit is passed over; where
//! nobody else has room, or a virtual server is at its own, what begins is refused, unless a connection gives way of which nothing has
//! come for a while but what a stranger can make alone.

use super::connection_counts::{client, is_connection, is_half_open, owners};
use super::events::EngineEvent;
use super::flow_book::LOOKED_AT;
use super::verdict::{DropReason, Verdict};
use super::walk::Walk;
use crate::flow::Flow;
use crate::policy::Snapshot;
use crate::policy::connection_limits::{ConnectionLimit, Exceeded};
use crate::policy::intent::{MemberId, Mode, PoolId, VirtualServerId};
use crate::policy::snapshot::ServiceView;
use crate::time::Duration;
use crate::wire::{Kind, Tuple};
use std::net::Ipv4Addr;

/// A handshake of which nothing was heard for so long is not being made: its SYN would have been repeated twice (RFC 6298 2.1, 5.5).
const HANDSHAKE: Duration = Duration::from_secs(3);
/// So many of them give way to one new connection, at most, to each of four limits: of all virtual servers, of its own, of its client, and
/// of its member.
const GIVE_WAY: usize = 16;
/// A new connection can meet so many of those that were idle longest: each that gives way lets another one be looked at.
pub(super) const MET_AT_MOST: usize = LOOKED_AT + 4 * GIVE_WAY;

/// What of a limit is free again by what a connection that begins anew takes the place of.
#[derive(Clone, Copy)]
struct Freed {
    connections: u64,
    half_open: u64,
}

impl Freed {
    fn by(replaced: Option<&Flow>) -> Freed {
        Freed { connections: replaced.is_some().into(), half_open: replaced.is_some_and(is_half_open).into() }
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
        let replaced = self.state.flows.find_live(self.snapshot, tuple).and_then(|(id, _)| self.state.flows.at(id));
        let replaced = replaced.copied().filter(is_connection);
        let server = Whose::Server(service.virtual_server);
        let freed = |whose: Whose| Freed::by(replaced.as_ref().filter(|flow| whose.has(self.snapshot, flow)));
        let (of_server, of_all) = (freed(server), freed(Whose::All));
        let of_client = freed(Whose::Client(service.virtual_server, tuple.src.addr));
        self.room_of(limits.all(), of_all, Whose::All)?;
        self.room_of(limits.server(service.virtual_server), of_server, server)?;
        self.room_of_client(service.virtual_server, tuple.src.addr, of_client)?;
        let first = self.preferred(service.pool, source).ok_or_else(|| self.no_member(service.pool))?;
        if self.has_room(first, replaced) {
            self.stays_with(service.pool, source, first);
            return Ok(first);
        }
        if let Some(other) = self.another_with_room(service.pool, first, replaced) {
            self.stays_with(service.pool, source, other);
            return Ok(other);
        }
        let member = Whose::Member(first);
        let freed = Freed::by(replaced.as_ref().filter(|flow| member.has(self.snapshot, flow)));
        self.room_of(limits.member(first), freed, member)?;
        self.stays_with(service.pool, source, first);
        Ok(first)
    }

    /// There is room for a connection more, or one gives way to it.
    fn room_of(&mut self, limit: Option<&ConnectionLimit>, freed: Freed, whose: Whose) -> Result<(), Verdict> {
        let (Some(limit), now, is_handshake) = (limit, self.now.nanos(), self.is_handshake()) else { return Ok(()) };
        self.room_by(whose, || {
            limit.room(freed.connections, now)?;
            if is_handshake { limit.half_open_room(freed.half_open, now) } else { Ok(()) }
        })
    }

    /// The same of what a client has of a virtual server; members that call each other are none.
    fn room_of_client(&mut self, server: VirtualServerId, source: Ipv4Addr, freed: Freed) -> Result<(), Verdict> {
        if self.is_from_member() {
            return Ok(());
        }
        let (snapshot, now, is_handshake) = (self.snapshot, self.now.nanos(), self.is_handshake());
        let freed = (freed.connections, freed.half_open);
        let room = || snapshot.connection_limits.client_room(server, source, freed, is_handshake, now);
        self.room_by(Whose::Client(server, source), room).map_err(|verdict| match verdict {
            Verdict::Drop(reason) if reason != DropReason::RateLimited => Verdict::Drop(DropReason::ClientLimit),
            Verdict::Reject { with, .. } => Verdict::Reject { with, reason: DropReason::ClientLimit },
            other => other,
        })
    }

    /// What `room` says has room; or it is a handshake, and this worker has less than its share of them; or something gives way.
    fn room_by(&mut self, whose: Whose, room: impl Fn() -> Result<(), Exceeded>) -> Result<(), Verdict> {
        let mut given_way = 0;
        loop {
            let Err(exceeded) = room() else { return Ok(()) };
            // More may stand than the limit says: it was lowered, or they stood before a restart.
            let quiet = match exceeded {
                Exceeded::Connections => Some(HANDSHAKE),
                Exceeded::HalfOpen => Some(Duration::ZERO),
                Exceeded::Rate | Exceeded::Client => None,
            };
            // What a client has here is found by a search alone: that comes last.
            let (is_half_open, is_searched) = (exceeded == Exceeded::HalfOpen, matches!(whose, Whose::Client(..)));
            if is_half_open && !is_searched && self.has_less_than_its_share(whose) {
                return Ok(());
            }
            let gives_way = given_way < GIVE_WAY && quiet.is_some_and(|it| self.half_open_gives_way(it, whose));
            if !gives_way && is_half_open && is_searched && self.has_less_than_its_share(whose) {
                return Ok(());
            }
            if !gives_way {
                return Err(self.refuse_new(exceeded));
            }
            if is_half_open {
                self.count_event(EngineEvent::HalfOpenGaveWay);
            }
            given_way += 1;
        }
    }

    /// It begins a TCP connection, which is half-open by that.
    fn is_handshake(&self) -> bool {
        matches!(self.packet.kind, Kind::Tcp(_))
    }

    /// A handshake, for another one: a datagram, which anybody can forge as well, takes no place that it would not give back as soon.
    fn half_open_gives_way(&mut self, quiet: Duration, whose: Whose) -> bool {
        let snapshot = self.snapshot;
        let is_counted = |flow: &Flow| whose.has(snapshot, flow);
        self.is_handshake() && self.state.flows.half_open_gives_way(snapshot, quiet, self.now, is_counted)
    }

    /// Half-open connections fill a limit of all workers, and give way on their own only: who chooses his ports so that one worker has
    /// them all must not keep out what comes to the others. Each may have its part of the limit whatever the others have.
    fn has_less_than_its_share(&mut self, whose: Whose) -> bool {
        let (snapshot, flows) = (self.snapshot, &mut self.state.flows);
        let limits = &snapshot.connection_limits;
        let (limit, has) = match whose {
            Whose::All => (limits.all().map(|it| it.half_open), flows.half_open_of(None)),
            Whose::Server(id) => (limits.server(id).map(|it| it.half_open), flows.half_open_of(Some(id))),
            Whose::Client(id, _) => {
                let has = flows.half_open_found(self.now, |flow| whose.has(snapshot, flow));
                (limits.server(id).map(|it| it.client.half_open), has)
            }
            Whose::Member(_) => return false,
        };
        limit.is_some_and(|limit| has < (u64::from(limit) / self.state.rounds.workers()).max(1))
    }

    fn has_room(&self, member: MemberId, replaced: Option<Flow>) -> bool {
        let is_freed = replaced.is_some_and(|flow| flow.member == member.0);
        let limit = self.snapshot.connection_limits.member(member);
        limit.is_none_or(|limit| limit.room(is_freed.into(), self.now.nanos()).is_ok())
    }

    /// Who of several active members takes it instead: whoever has fewest flows, or the next one by address.
    fn another_with_room(&mut self, pool: PoolId, first: MemberId, replaced: Option<Flow>) -> Option<MemberId> {
        let sharing = self.snapshot.pool(pool).sharing.as_ref()?;
        let (limits, now) = (&self.snapshot.connection_limits, self.now.nanos());
        let has_room = |member: MemberId| {
            let is_freed = replaced.is_some_and(|flow| flow.member == member.0);
            member != first && limits.member(member).is_none_or(|limit| limit.room(is_freed.into(), now).is_ok())
        };
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
