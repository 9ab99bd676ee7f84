//! The service ports: what clients send to a virtual server, and what its members answer from there.
//!
//! Owns the bijection `V:P ⇔ member:P`. UDP needs no flow: only which member is a question, and it is asked packet by
//! packet, so a switchover is one assignment for every peer at once. TCP is pinned by a flow that its SYN makes. Where several members
//! are active, so are datagrams (`sharing`).

use super::events::EngineEvent;
use super::sums::Counted;
use super::verdict::{Departure, DropReason, Verdict};
use super::walk::Walk;
use crate::flow::{Direction, Flow, FlowId, NO_VIRTUAL_SERVER, PathKind, Refused, Track};
use crate::policy::adjacency::Mark;
use crate::policy::intent::{MemberId, NoMember, PoolId};
use crate::policy::multipath::Conversation;
use crate::policy::snapshot::{Ready, ServiceView, VirtualView};
use crate::wire::facts::Segment;
use crate::wire::{Endpoint, Kind, Rewrite, Tuple};
use std::net::Ipv4Addr;

impl<'a> Walk<'a> {
    /// To a virtual address but no service of it: the answer to something a member sent outward, or nothing of ours.
    pub(super) fn answer_to_flow(&mut self, tuple: Tuple, server: &VirtualView) -> Verdict {
        if let Some((id, side)) = self.flow_of(&tuple) {
            return self.on_flow(id, side, tuple);
        }
        match self.packet.kind {
            // A segment of a connection nobody remembers. A reset would kill what the member may still hold.
            Kind::Tcp(segment) if !segment.flags.opens() => Verdict::Drop(DropReason::NoFlow),
            Kind::Echo { .. } => Verdict::Drop(DropReason::NoFlow),
            Kind::Udp => self.admitted(tuple).unwrap_or_else(|| self.unmatched(server)),
            _ => self.unmatched(server),
        }
    }

    /// A datagram from outside to a service port, where nobody but the active member has spoken to anybody, the way to it is
    /// open, and nothing has to be noted or counted.
    #[inline(always)]
    pub(super) fn datagram_in_at_once<const COUNTS: bool>(&mut self, at: u16) -> Option<Departure<'a>> {
        let service = self.snapshot.datagrams_in(at);
        let Ready { rewrite, egress } = service.ready.as_ref().or_else(|| service.ready_for(self.packet.src()))?;
        let is_noted = !self.state.speakers.is_empty() || service.noted.holds(self.packet.src());
        let departure = if is_noted { None } else { self.departs(*rewrite, *egress) }?;
        if COUNTS {
            self.state.sums.count(Counted::In, at, self.packet.size);
        }
        Some(departure)
    }

    /// A datagram from outside to a service port.
    pub(super) fn datagram_in(&mut self, at: u16) -> Verdict {
        let (server, service) = self.snapshot.datagrams_in(at).place;
        let service = &self.snapshot.server(server).services[usize::from(service)];
        let verdict = self.datagram_to_member(service);
        if verdict.is_forwarded() {
            let pool = self.snapshot.pool(service.pool);
            self.note_caller(pool, Endpoint::new(self.packet.src(), self.packet.src_port()));
        }
        verdict
    }

    fn datagram_to_member(&mut self, service: &ServiceView) -> Verdict {
        if !service.admits(self.packet.src()) {
            return Verdict::Drop(DropReason::VirtualServerDenied);
        }
        if !service.enabled {
            return self.reject_by_protocol(DropReason::VirtualServerDisabled);
        }
        let Some(tuple) = self.packet.tuple() else { return Verdict::Drop(DropReason::NotListening) };
        let Some(member) = self.member_for(service.pool, tuple.src) else {
            return self.no_member(service.pool);
        };
        if let Some(waits) = self.withhold_datagram(member, &tuple) {
            return waits;
        }
        self.forward_inside(tuple, member)
    }

    /// A datagram to a service port goes to this member, without a flow.
    pub(super) fn forward_inside(&mut self, tuple: Tuple, member: MemberId) -> Verdict {
        let inside = Endpoint::new(self.snapshot.member(member).address, tuple.dst.port);
        self.forward_as(&tuple, &Tuple { dst: inside, ..tuple })
    }

    /// The active member sends a datagram outside from a service port, nobody else has spoken to anybody, the way is open, and nothing is
    /// counted.
    #[inline(always)]
    pub(super) fn datagram_out_at_once<const COUNTS: bool>(&mut self, at: u16) -> Option<Departure<'a>> {
        let (served, destination) = (self.snapshot.datagrams_out(at), self.packet.dst());
        if !self.state.speakers.is_empty() || !served.is_plain {
            return None;
        }
        let stays = served.exclude.holds(destination);
        let (rewrite, mark) = if stays { (Rewrite::default(), Mark::default()) } else { (served.rewrite, served.mark) };
        let egress = self.snapshot.lookup(destination, || Conversation::of_packet(self.packet, &rewrite))?;
        let departure = self.departs(rewrite, self.snapshot.marked(egress, mark))?;
        if COUNTS && stays {
            self.state.sums.count(Counted::OutUnchanged, at, self.packet.size);
        } else if COUNTS {
            self.state.sums.count(Counted::Out, at, self.packet.size);
        }
        Some(departure)
    }

    /// A member sends a datagram outside from a service port.
    pub(super) fn datagram_out(&mut self, at: u16) -> Verdict {
        let served = self.snapshot.datagrams_out(at);
        let (sender, destination) = (served.sender, self.packet.dst());
        let remote = Endpoint::new(destination, self.packet.dst_port());
        if self.pool_of(sender).active != Some(sender) {
            self.state.flows.uses().saw_datagram(sender, self.now);
        }
        let stays = self.leaves_untranslated(sender, remote);
        let verdict = self.forward(if stays { Rewrite::default() } else { served.rewrite }, destination);
        if verdict.is_forwarded() && !stays {
            self.note_speaker(sender, remote);
        }
        verdict
    }

    /// A segment from outside to a service port.
    pub(super) fn segment_in(&mut self, service: &ServiceView, tuple: Tuple, segment: &Segment) -> Verdict {
        let known = self.flow_of(&tuple);
        let standing = known.filter(|(id, side)| !self.reopens(*id, *side, segment));
        if !service.admits(tuple.src.addr) && !standing.is_some_and(|(id, _)| self.is_opened_by_member(id)) {
            return Verdict::Drop(DropReason::VirtualServerDenied);
        }
        if !service.enabled {
            return self.reject_by_protocol(DropReason::VirtualServerDisabled);
        }
        if let Some((id, side)) = standing {
            return self.on_flow(id, side, tuple);
        }
        let pool = self.snapshot.pool(service.pool);
        if !segment.flags.opens() && !pool.knows_who_took && pool.takes_new() {
            // Nobody remembers the connection, and another member than it was with would end it all the same: its client is told
            // at once (RFC 9293 3.10.7.1), and opens a new one. If the member speaks first it goes on (`segment_out`).
            return self.reject_by_protocol(DropReason::NoFlow);
        }
        // While nobody can take the new connection, the old one is not forgotten: its member may still speak.
        let member = match self.receiver_of_new(service, &tuple, tuple.src.addr) {
            Ok(member) => member,
            Err(verdict) => return verdict,
        };
        if let Some((id, _)) = known {
            self.state.flows.forget(self.snapshot, id);
        }
        let inside = Endpoint::new(self.snapshot.member(member).address, tuple.dst.port);
        let mut flow = self.new_flow(PathKind::Service, tuple, Tuple { dst: inside, ..tuple }.reversed());
        self.belongs(&mut flow, member, Direction::Reply);
        flow.virtual_server = service.virtual_server.0;
        self.admit(flow, segment)
    }

    /// What comes for it answers a member, whoever may call the service.
    fn is_opened_by_member(&self, id: FlowId) -> bool {
        self.state.flows.at(id).is_some_and(|flow| flow.virtual_server == NO_VIRTUAL_SERVER)
    }

    /// A member opens a connection from its service port, or continues one that nobody remembers.
    pub(super) fn segment_out(
        &mut self,
        sender: MemberId,
        tuple: Tuple,
        server: Ipv4Addr,
        segment: &Segment,
    ) -> Verdict {
        let pool = self.pool_of(sender);
        // A SYN-ACK that matches nothing answers a SYN that came past us: from a visitor of the member's own address.
        let answers_elsewhere = segment.flags.syn() && segment.flags.ack();
        if answers_elsewhere && self.snapshot.pair.is_settling {
            // The other appliance has seen the SYN, and so whether it was to the virtual address. Its sender repeats it, here.
            return Verdict::Drop(DropReason::PairSettling);
        }
        if answers_elsewhere || pool.exclude.holds(tuple.dst.addr) {
            return self.route_unchanged();
        }
        let outside = Tuple { src: Endpoint::new(server, tuple.src.port), ..tuple };
        let mut flow = self.new_flow(PathKind::Service, tuple, outside.reversed());
        self.belongs(&mut flow, sender, Direction::Original);
        if !segment.flags.opens()
            && let Some(service) = self.snapshot.service_at(outside.protocol, outside.src)
        {
            // Its client has opened it.
            flow.virtual_server = service.virtual_server.0;
        }
        self.admit(flow, segment)
    }

    /// Forwards the first segment seen of a connection and keeps the flow: made by its SYN, or adopted in mid-stream
    /// (the port is not translated, so a wrong guess is answered by a reset). A reset alone adopts nothing.
    fn admit(&mut self, mut flow: Flow, segment: &Segment) -> Verdict {
        let (from, to) = (flow.key(Direction::Original), flow.translated(Direction::Original));
        if self.belongs_to_another(&to) {
            return self.reject_by_protocol(DropReason::MemberLost);
        }
        if segment.flags.rst() {
            return self.forward_as(&from, &to);
        }
        flow.track = Some(match segment.flags.opens() {
            true => Track::opening(segment),
            false => Track::midstream(Direction::Original, segment),
        });
        let verdict = self.forward_as(&from, &to);
        if !verdict.is_forwarded() {
            return verdict;
        }
        if let Err(Refused::Full) = self.state.flows.keep(self.snapshot, flow, self.now) {
            return Verdict::Drop(DropReason::FlowTableFull);
        }
        if !segment.flags.opens() {
            self.count_event(EngineEvent::LoosePickup);
        }
        verdict
    }

    /// The connection that `to` is of has gone to another member since: its client opened a new one on the same tuple. What
    /// the member before still sends must not reach it.
    fn belongs_to_another(&mut self, to: &Tuple) -> bool {
        let taken =
            self.state.flows.find_live(self.snapshot, &to.reversed()).and_then(|(id, _)| self.state.flows.at(id));
        taken.is_some_and(|flow| flow.path == PathKind::Service)
    }

    /// No member is active: the pool's policy says what clients get, members among them.
    pub(super) fn no_member(&mut self, pool: PoolId) -> Verdict {
        let pool = self.snapshot.pool(pool);
        match pool.no_member {
            // A refusal now would end calls and connections that outlive a restart; a retransmission finds the member.
            _ if pool.undecided => Verdict::Drop(DropReason::MemberUndecided),
            NoMember::Drop => Verdict::Drop(DropReason::NoActiveMember),
            // There is no last one to keep, or `active` would name it. Refused, a client fails over at once instead of waiting
            // (RFC 3261 18.4).
            NoMember::Reject | NoMember::KeepLast => self.reject_by_protocol(DropReason::NoActiveMember),
        }
    }
}
