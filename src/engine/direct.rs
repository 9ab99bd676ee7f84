//! What is not translated though a member is at one end: visitors of a member's own address, and peers astray.
//!
//! Owns who may visit, and the mark of a visitor. A flow here is only a marker: "do not translate the reply".

use super::affinity::peer_of;
use super::events::EngineEvent;
use super::outbound::opens_towards;
use super::verdict::{DropReason, Verdict};
use super::walk::Walk;
use crate::flow::{Direction, Flow, FlowId, NO_MEMBER, PathKind, Refused, Track};
use crate::policy::intent::MemberId;
use crate::policy::snapshot::Visit;
use crate::wire::{Kind, Protocol, Tuple};

impl Walk<'_> {
    /// From outside to a member's own address: never translated, nor is the reply.
    pub(super) fn visitor(&mut self, member: MemberId) -> Verdict {
        if !self.may_visit(member) {
            return Verdict::Drop(DropReason::DirectAccessDenied);
        }
        let verdict = self.route_unchanged();
        // Fragments pass one by one; the first shows whom the answer goes to.
        if verdict.is_forwarded()
            && let Some(tuple) = self.addressed_by()
        {
            self.mark_visitor(member, tuple);
        }
        verdict
    }

    /// An error may be any router's: what counts is to whom the member had sent what it quotes. Fragments without ports are of no use
    /// without the first one, which has them.
    fn may_visit(&self, member: MemberId) -> bool {
        let allows = |address, visit| self.snapshot.may_visit(address, member, visit);
        let visit = self.addressed_by().map_or(Visit::AnyPort, |tuple| Visit::of(&tuple));
        match self.packet.kind {
            Kind::IcmpError(quoted) => {
                allows(quoted.tuple.dst.addr, Visit::AnyPort) || allows(self.packet.src(), Visit::AnyPort)
            }
            _ => allows(self.packet.src(), visit),
        }
    }

    /// What the answer to a visitor's packet is known by.
    fn addressed_by(&self) -> Option<Tuple> {
        self.packet.tuple().or_else(|| self.packet.fragment_tuple()).or_else(|| self.packet.portless_tuple())
    }

    /// Remembers a visitor, so that the reply is known for one.
    fn mark_visitor(&mut self, member: MemberId, tuple: Tuple) {
        if let Some((id, side)) = self.flow_of(&tuple) {
            match self.packet.kind {
                Kind::Tcp(segment) if self.reopens(id, side, &segment) => self.state.flows.forget(self.snapshot, id),
                _ => {
                    self.refresh(id, side);
                    return self.cache_visitors_route(id, side);
                }
            }
        }
        match (tuple.protocol, self.packet.kind) {
            // What a member sends from a service port is translated without a look at the flows; there the mark is
            // among the speakers.
            // Nor where several are active, for a flow says there that its member has been called at the virtual address.
            (Protocol::Udp, _) if self.pool_of(member).service(Protocol::Udp, tuple.dst.port).is_some() => {
                if self.pool_of(member).is_shared {
                    return self.mark_visit(member, tuple);
                }
                let peer = peer_of(self.pool_of(member), tuple.src);
                self.state.speakers.note_member(peer, self.reference(member), self.now);
                self.state.flows.uses().saw_datagram(member, self.now);
            }
            // What goes to the exclusion group keeps its source anyway.
            (Protocol::Udp | Protocol::Other(_), _)
                if self.snapshot.member(member).exclude.holds(self.packet.src()) => {}
            (Protocol::Udp | Protocol::Other(_), _) => self.mark(member, tuple),
            (_, Kind::Tcp(segment)) if segment.flags.opens() => self.mark(member, tuple),
            (_, Kind::Tcp(segment))
                if !segment.flags.rst() && !self.snapshot.member(member).exclude.holds(self.packet.src()) =>
            {
                self.mark_midstream(member, tuple, Direction::Original);
            }
            // A reply to an echo request is known by its type.
            _ => {}
        }
    }

    /// A datagram to a service port of a member that shares its work. Whom it keeps stays with it, though what it answers next keeps its
    /// own address.
    fn mark_visit(&mut self, member: MemberId, tuple: Tuple) {
        let kept = self.state.flows.find_live(self.snapshot, &tuple.reversed());
        let is_service = |id: FlowId| self.state.flows.at(id).is_some_and(|flow| flow.path == PathKind::Service);
        match kept.filter(|(id, _)| is_service(*id)) {
            Some((id, side)) => {
                self.refresh(id, side.other());
                self.state.flows.set_visits(id, true);
            }
            None => self.mark(member, tuple),
        }
    }

    /// A visitor's connection, which we have not seen begin: by a restart, or as its SYN came past us. Where the ports say who is
    /// answered, no mark is needed. `tuple` is that of the visitor's packets, `side` who sent this one.
    pub(super) fn mark_midstream(&mut self, member: MemberId, tuple: Tuple, side: Direction) {
        if let Kind::Tcp(segment) = self.packet.kind
            && !opens_towards(&tuple)
        {
            self.keep_mark(member, tuple, Some(Track::midstream(side, &segment)));
        }
    }

    fn mark(&mut self, member: MemberId, tuple: Tuple) {
        let track = if let Kind::Tcp(segment) = self.packet.kind { Some(Track::opening(&segment)) } else { None };
        self.keep_mark(member, tuple, track);
    }

    fn keep_mark(&mut self, member: MemberId, tuple: Tuple, track: Option<Track>) {
        let mut flow = Flow::routed(tuple);
        (flow.member, flow.opener, flow.inside) = (NO_MEMBER, member.0, Direction::Reply);
        flow.life = self.snapshot.life.0;
        flow.track = track;
        if let Err(Refused::Full) = self.state.flows.keep(self.snapshot, flow, self.now) {
            self.count_event(EngineEvent::FlowTableFullRouted);
        }
    }

    /// From member to member: never on this path when netmasks are right; harmless all the same.
    pub(super) fn misrouted(&mut self) -> Verdict {
        self.count_event(EngineEvent::MisroutedPeer);
        self.route_unchanged()
    }
}
