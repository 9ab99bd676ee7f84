//! The service ports: what the world sends to a virtual server, and what its members answer from there.
//!
//! Owns the bijection `V:P ⇔ member:P`. UDP needs no flow: only which member is a question, and it is asked packet by
//! packet, so a switchover is one assignment for every peer at once. TCP is pinned by a flow that its SYN makes.

use super::decide::Walk;
use super::notice::Notice;
use super::verdict::{DropReason, Verdict};
use crate::flow::{Flow, PathKind, Peer, Refused, Side, Speaker, Track};
use crate::policy::Life;
use crate::policy::intent::{MemberId, NoMember, PoolId};
use crate::policy::snapshot::{PoolView, Ready, Served, ServiceView, VirtualView};
use crate::time::Duration;
use crate::wire::headers::Segment;
use crate::wire::reply::{IcmpError, Reply};
use crate::wire::{Endpoint, Kind, Tuple};
use std::net::Ipv4Addr;

/// A claim ends when the last transaction that the member's datagram can have begun is over (64·T1, RFC 3261 17). What
/// the remote sends does not prolong it: a standby that spoke once would keep the peer for ever.
const CLAIM_AGE: Duration = Duration::from_secs(32);

/// Somebody outside, as one that talks to this pool.
pub(super) fn peer_of(pool: &PoolView, remote: Endpoint) -> Peer {
    Peer { remote, home: pool.public, since: pool.public_since.0 }
}

/// Why nothing is said to whoever calls a pool in which nobody is active, if nothing is to be said.
pub(super) fn silence_without_member(pool: &PoolView) -> Option<DropReason> {
    match pool.no_member {
        // A refusal now would end calls and connections that outlive a restart; a retransmission finds the member.
        _ if pool.undecided => Some(DropReason::MemberUndecided),
        NoMember::Drop => Some(DropReason::NoActiveMember),
        // There is no last one to keep, or `active` would name it.
        NoMember::Reject | NoMember::KeepLast => None,
    }
}

impl Walk<'_> {
    /// From outside to a virtual address.
    pub(super) fn inward(&mut self, at: u16) -> Verdict {
        let server = self.world.server(at);
        match (self.packet.kind, self.packet.tuple()) {
            (Kind::IcmpError(quoted), _) => self.error(&quoted),
            (Kind::Echo { request: true, .. }, _) => self.ping(server),
            (_, Some(tuple)) => match server.service(tuple.protocol, tuple.dst.port) {
                Some(service) => self.service_in(service, tuple),
                None => self.answer_to_flow(tuple, server),
            },
            _ => self.refuse_local(),
        }
    }

    /// To a virtual address but no service of it: the answer to something a member sent outward, or nothing of ours.
    pub(super) fn answer_to_flow(&mut self, tuple: Tuple, server: &VirtualView) -> Verdict {
        if let Some((id, side)) = self.flow_of(&tuple) {
            return self.on_flow(id, side, tuple);
        }
        match self.packet.kind {
            // A segment of a connection nobody remembers. A reset would kill what the member may still hold.
            Kind::Tcp(segment) if !segment.flags.opens() => Verdict::Drop(DropReason::NoFlow),
            Kind::Echo { .. } => Verdict::Drop(DropReason::NoFlow),
            _ => self.unmatched(server),
        }
    }

    /// To a service port.
    fn service_in(&mut self, service: &ServiceView, tuple: Tuple) -> Verdict {
        if !service.enabled {
            return self.reject(DropReason::VirtualServerDisabled);
        }
        match self.packet.kind {
            Kind::Tcp(segment) => self.segment_in(service, tuple, &segment),
            _ => self.datagram_in(service, tuple),
        }
    }

    fn datagram_in(&mut self, service: &ServiceView, tuple: Tuple) -> Verdict {
        let pool = self.world.pool(service.pool);
        let verdict = match &service.ready {
            // Nobody but the active member has spoken to anybody, and the way to it is open.
            Some(Ready { rewrite, egress }) if self.state.speakers.is_empty() && self.may_leave(egress) => {
                Verdict::Forward { rewrite: *rewrite, quoted: None, egress: *egress }
            }
            _ => self.datagram_to_whom_it_concerns(service, tuple),
        };
        if verdict.goes_on() {
            self.note_caller(pool, tuple.src);
        }
        verdict
    }

    fn datagram_to_whom_it_concerns(&mut self, service: &ServiceView, tuple: Tuple) -> Verdict {
        let Some(member) = self.member_for(service.pool, tuple.src) else {
            return self.no_member(self.world.pool(service.pool));
        };
        let inside = Endpoint::new(self.world.member(member).address, tuple.dst.port);
        self.forward_as(&tuple, &Tuple { dst: inside, ..tuple })
    }

    /// The member that a datagram from `remote` goes to: the one that last spoke to it under the pool's present
    /// generation, else the active one.
    pub(super) fn member_for(&mut self, pool: PoolId, remote: Endpoint) -> Option<MemberId> {
        let claimed = self.claimant(pool, remote);
        if claimed.is_some() {
            self.notice(Notice::SpeakerAnswered);
        }
        claimed.or(self.world.pool(pool).active)
    }

    /// The member that last spoke to `remote` though another is active, if that still counts.
    pub(super) fn claimant(&self, pool: PoolId, remote: Endpoint) -> Option<MemberId> {
        if self.state.speakers.is_empty() {
            return None;
        }
        let speaker = self.state.speakers.find(&peer_of(self.world.pool(pool), remote))?;
        self.current_claim(pool, speaker)
    }

    /// The member behind a speaker's claim, if the claim still counts.
    fn current_claim(&self, pool: PoolId, speaker: &Speaker) -> Option<MemberId> {
        let view = self.world.members.find(usize::from(speaker.member.id), Life(speaker.member.since))?;
        let current = speaker.generation == self.world.pool(pool).generation.0;
        if !current || self.now.since(speaker.claimed) > CLAIM_AGE {
            return None;
        }
        (view.pool == pool && view.may_claim).then_some(MemberId(speaker.member.id))
    }

    /// Somebody talks to the virtual address. That is the rule and needs no note, except for one in the exclusion
    /// group or one that visited the member's own address: replies must now wear the virtual address.
    fn note_caller(&mut self, pool: &PoolView, remote: Endpoint) {
        if pool.snat.as_ref().is_some_and(|snat| snat.excludes(remote.addr)) {
            self.state.speakers.note_excluded_caller(peer_of(pool, remote), self.now);
        } else if !self.state.speakers.is_empty() {
            self.state.speakers.note_virtual(&peer_of(pool, remote));
        }
    }

    /// A member sends a datagram from a service port towards `tuple.dst`.
    pub(super) fn datagram_out(&mut self, sender: MemberId, tuple: Tuple, served: &Served) -> Verdict {
        if self.leaves_untranslated(sender, tuple.dst) {
            return self.route_unchanged();
        }
        let verdict = self.forward(served.rewrite, None, tuple.dst.addr);
        if verdict.goes_on() {
            self.note_speaker(sender, tuple.dst);
        }
        verdict
    }

    /// Whether what `sender` sends from its service port to `remote` keeps its own address: to a visitor of that
    /// address, and to the exclusion group unless it called the virtual address.
    pub(super) fn leaves_untranslated(&self, sender: MemberId, remote: Endpoint) -> bool {
        let pool = self.pool_of(sender);
        let excluded = || pool.snat.as_ref().is_some_and(|snat| snat.excludes(remote.addr));
        if self.state.speakers.is_empty() {
            return excluded();
        }
        match self.state.speakers.find(&peer_of(pool, remote)) {
            Some(speaker) if speaker.has_visited(self.reference(sender)) => true,
            Some(speaker) if speaker.called => false,
            _ => excluded(),
        }
    }

    /// Who spoke last to `remote`. The active member needs no entry; another one makes a claim, if it may.
    pub(super) fn note_speaker(&mut self, sender: MemberId, remote: Endpoint) {
        let (pool, member) = (self.pool_of(sender), self.world.member(sender));
        if pool.active == Some(sender) {
            if !self.state.speakers.is_empty() {
                self.state.speakers.release(&peer_of(pool, remote));
            }
            return;
        }
        self.notice(Notice::StandbySpoke);
        if member.may_claim {
            let sender = self.reference(sender);
            self.state.speakers.claim(peer_of(pool, remote), sender, pool.generation.0, self.now);
            self.sight(MemberId(sender.id));
        }
    }

    fn segment_in(&mut self, service: &ServiceView, tuple: Tuple, segment: &Segment) -> Verdict {
        let known = self.flow_of(&tuple);
        if let Some((id, side)) = known
            && !self.begins_anew(id, side, segment)
        {
            return self.on_flow(id, side, tuple);
        }
        let pool = self.world.pool(service.pool);
        // While nobody can take the new connection, the old one is not forgotten: its member may still speak.
        let Some(member) = pool.active else { return self.no_member(pool) };
        if let Some((id, _)) = known {
            self.state.forget(self.world, id);
        }
        let inside = Endpoint::new(self.world.member(member).address, tuple.dst.port);
        let mut flow = Flow::new(PathKind::Service, tuple, Tuple { dst: inside, ..tuple }.reversed());
        self.belongs(&mut flow, member, Side::Answerer);
        self.admit(flow, segment)
    }

    /// A member opens a connection from its service port, or goes on with one that nobody remembers.
    pub(super) fn segment_out(
        &mut self,
        sender: MemberId,
        tuple: Tuple,
        server: Ipv4Addr,
        segment: &Segment,
    ) -> Verdict {
        let pool = self.pool_of(sender);
        if pool.snat.as_ref().is_some_and(|snat| snat.excludes(tuple.dst.addr)) {
            return self.route_unchanged();
        }
        let outside = Tuple { src: Endpoint::new(server, tuple.src.port), ..tuple };
        let mut flow = Flow::new(PathKind::Service, tuple, outside.reversed());
        self.belongs(&mut flow, sender, Side::Opener);
        self.admit(flow, segment)
    }

    /// Forwards the first segment seen of a connection and keeps the flow: made by its SYN, or adopted in mid-stream
    /// (the port is not translated, so a wrong guess is answered by a reset). A reset alone adopts nothing.
    fn admit(&mut self, mut flow: Flow, segment: &Segment) -> Verdict {
        let (from, to) = (flow.key(Side::Opener), flow.translated(Side::Opener));
        if self.belongs_to_another(&to) {
            return self.reject(DropReason::MemberLost);
        }
        if segment.flags.rst() {
            return self.forward_as(&from, &to);
        }
        flow.track = Some(match segment.flags.opens() {
            true => Track::opening(segment),
            false => Track::midstream(Side::Opener, segment),
        });
        let verdict = self.forward_as(&from, &to);
        if !verdict.goes_on() {
            return verdict;
        }
        if let Err(Refused::Full) = self.state.keep(self.world, flow, self.now) {
            return Verdict::Drop(DropReason::FlowTableFull);
        }
        if !segment.flags.opens() {
            self.notice(Notice::LoosePickup);
        }
        verdict
    }

    /// The connection that `to` is of has gone to another member since: its client began anew on the same tuple. What
    /// the member before still sends must not reach it.
    fn belongs_to_another(&mut self, to: &Tuple) -> bool {
        let taken = self.state.find(self.world, &to.reversed()).and_then(|(id, _)| self.state.flows.at(id));
        taken.is_some_and(|flow| flow.path == PathKind::Service)
    }

    /// No member is active: the pool's policy says what becomes of clients.
    fn no_member(&mut self, pool: &PoolView) -> Verdict {
        match silence_without_member(pool) {
            Some(reason) => Verdict::Drop(reason),
            None => self.reject(DropReason::NoActiveMember),
        }
    }

    /// A client of a service is refused, so that it fails over at once instead of waiting (RFC 3261 18.4).
    fn reject(&mut self, reason: DropReason) -> Verdict {
        match self.packet.kind {
            Kind::Tcp(segment) if segment.flags.rst() => Verdict::Drop(reason),
            Kind::Tcp(_) => self.refuse_with(Reply::Reset, reason),
            _ => self.refuse(IcmpError::PortUnreachable, self.packet.dst, reason),
        }
    }
}
