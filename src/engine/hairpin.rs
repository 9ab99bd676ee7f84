//! A member talks to a virtual address: its own, another pair's, a Resource Manager's.
//!
//! Owns the double translation: the sender is translated to its pool's virtual address, the destination becomes a member. Without
//! the first, the answer would bypass us on the link, or a host would meet its own address as source.

use super::events::EngineEvent;
use super::verdict::{DropReason, Verdict};
use super::walk::Walk;
use crate::flow::{Direction, FlowId, NO_VIRTUAL_SERVER, PathKind, Track};
use crate::policy::intent::MemberId;
use crate::policy::snapshot::{ServiceView, VirtualView};
use crate::wire::reply::IcmpError;
use crate::wire::{Endpoint, Kind, Protocol, Tuple};

impl Walk<'_> {
    /// From a member to a virtual address.
    pub(super) fn hairpin_with_ports(&mut self, sender: MemberId, server: &VirtualView, tuple: Tuple) -> Verdict {
        match server.service(tuple.protocol, tuple.dst.port) {
            Some(service) if !service.enabled => self.reject_by_protocol(DropReason::VirtualServerDisabled),
            Some(service) => self.hairpin_to_service(sender, service, tuple),
            None => match self.answer_between_pairs(sender, tuple) {
                Some(verdict) => verdict,
                None => self.answer_to_flow(tuple, server),
            },
        }
    }

    fn hairpin_to_service(&mut self, sender: MemberId, service: &ServiceView, tuple: Tuple) -> Verdict {
        let own_service = self.pool_of(sender).service(tuple.protocol, tuple.src.port);
        if let (Protocol::Udp, Some(address)) = (tuple.protocol, own_service) {
            let source = Endpoint::new(address, tuple.src.port);
            return self.hairpin_between_services(sender, service, tuple, source);
        }
        let known = self.flow_of(&tuple);
        if let Some((id, side)) = known {
            if !self.hairpin_reopens(service, id, side) {
                let is_shared = tuple.protocol == Protocol::Udp && self.snapshot.pool(service.pool).is_shared;
                if is_shared && side == Direction::Original {
                    let kept = self.kept(service.pool, id);
                    let verdict = self.not_taken(service.pool, kept);
                    return verdict.unwrap_or_else(|| self.on_kept_flow(kept, id, side, tuple));
                }
                self.count_speaker_answer(service, id);
                return self.on_flow(id, side, tuple);
            }
            // While nobody can take it, the old one is not forgotten: its member may still speak.
            if !self.snapshot.pool(service.pool).is_shared && self.hairpin_receiver(service, id).is_none() {
                return self.no_member(service.pool);
            }
        }
        // A datagram that goes on with another member is nothing new.
        let stood = known.is_some() && tuple.protocol == Protocol::Udp;
        self.open_hairpin(sender, service, tuple, stood)
    }

    /// A member answers, from its service port, a datagram that a member of another pair (or its own) sent from any other
    /// port: whoever of the pair answers is known as the pair, and answered in turn.
    fn answer_between_pairs(&mut self, sender: MemberId, tuple: Tuple) -> Option<Verdict> {
        if tuple.protocol != Protocol::Udp {
            return None;
        }
        let server = self.pool_of(sender).service(Protocol::Udp, tuple.src.port)?;
        let asker = self.state.flows.owner_of_port(Protocol::Udp, tuple.dst)?;
        let asked = Tuple::new(Protocol::Udp, asker, Endpoint::new(server, tuple.src.port));
        let (id, side) = self.state.flows.find_live(self.snapshot, &asked)?;
        let verdict = self.forward_as(&tuple, &asked.reversed());
        if verdict.is_forwarded() {
            // Where several members are active, the asker's flow says who is answered.
            if !self.pool_of(sender).is_shared {
                self.note_speaker(sender, tuple.dst);
            }
            self.state.flows.refresh(self.snapshot, id, side, None, self.now);
        }
        Some(verdict)
    }

    /// Both ends are service ports: the bijection holds on either side and no flow is needed, but to know who of several active members
    /// talks to the other pool.
    fn hairpin_between_services(
        &mut self,
        sender: MemberId,
        service: &ServiceView,
        tuple: Tuple,
        source: Endpoint,
    ) -> Verdict {
        let outside = Tuple { src: source, ..tuple };
        let receiver = match self.snapshot.pool(service.pool).is_shared {
            true => self.shared_receiver(service, outside),
            false => {
                let receiver = self.member_for(service.pool, source);
                receiver.map(|member| (member, None)).ok_or_else(|| self.no_member(service.pool))
            }
        };
        let (receiver, begun) = match receiver {
            Ok(receiver) => receiver,
            Err(verdict) => return verdict,
        };
        let inside = Endpoint::new(self.snapshot.member(receiver).address, tuple.dst.port);
        let verdict = self.forward_as(&tuple, &Tuple { dst: inside, ..outside });
        if verdict.is_forwarded() {
            if begun.is_some_and(|flow| self.state.flows.keep(self.snapshot, flow, self.now).is_err()) {
                return Verdict::Drop(DropReason::FlowTableFull);
            }
            match self.pool_of(sender).is_shared {
                true => self.shared_spoke(sender, outside.reversed()),
                false => self.note_speaker(sender, tuple.dst),
            }
        }
        verdict
    }

    fn open_hairpin(&mut self, sender: MemberId, service: &ServiceView, tuple: Tuple, stood: bool) -> Verdict {
        let pool = self.snapshot.pool(service.pool);
        if !pool.takes_new() && tuple.protocol == Protocol::Tcp {
            return self.no_member(service.pool);
        }
        let from_service = self.pool_of(sender).service(tuple.protocol, tuple.src.port).is_some();
        if !self.opens() && !from_service && !self.continues_without_flow() {
            return Verdict::Drop(DropReason::NoFlow);
        }
        if !self.opens() && !pool.knows_who_took {
            return self.reject_by_protocol(DropReason::NoFlow);
        }
        let (source, port) = match self.hairpin_source(sender, tuple) {
            Ok(source) => source,
            Err(verdict) => return verdict,
        };
        let is_connection = tuple.protocol == Protocol::Tcp || pool.is_shared;
        let receiver = match is_connection {
            false => self.member_for(service.pool, source).ok_or_else(|| self.no_member(service.pool)),
            true if stood => self.target(service.pool, source.addr).ok_or_else(|| self.no_member(service.pool)),
            true => self.receiver_of_new(service, &tuple, source.addr),
        };
        let receiver = match receiver {
            Ok(receiver) => receiver,
            Err(verdict) => {
                if port.is_some() {
                    self.state.flows.release_port(tuple.protocol, tuple.src, source);
                }
                return verdict;
            }
        };
        let inside = Endpoint::new(self.snapshot.member(receiver).address, tuple.dst.port);
        let became = Tuple { src: source, dst: inside, ..tuple };
        let mut flow = self.new_flow(PathKind::Hairpin, tuple, became.reversed());
        self.belongs(&mut flow, receiver, Direction::Reply);
        (flow.opener, flow.opener_generation) = (sender.0, self.pool_of(sender).generation.0);
        flow.set_snat_port(port);
        flow.virtual_server = if is_connection { service.virtual_server.0 } else { NO_VIRTUAL_SERVER };
        if let Kind::Tcp(segment) = self.packet.kind
            && !segment.flags.opens()
        {
            if source.port != tuple.src.port {
                // It was known by another port, and by which nobody remembers: the member gets a reset, and opens a new one.
                self.state.flows.release_port_of(&flow);
                return self.reject_by_protocol(DropReason::NoFlow);
            }
            flow.track = Some(Track::midstream(Direction::Original, &segment));
            self.count_event(EngineEvent::LoosePickup);
        }
        self.begin(flow, tuple, became)
    }

    /// A segment of a connection that stood before we forgot it, by a restart or in silence: it is for a service port, so
    /// its sender has opened it.
    fn continues_without_flow(&self) -> bool {
        matches!(self.packet.kind, Kind::Tcp(segment) if !segment.flags.syn() && !segment.flags.rst())
    }

    /// What the sender is known as at the other end: its service port is kept, any other is replaced.
    fn hairpin_source(&mut self, sender: MemberId, tuple: Tuple) -> Result<(Endpoint, Option<u16>), Verdict> {
        let pool = self.pool_of(sender);
        if let Some(address) = pool.service(tuple.protocol, tuple.src.port) {
            return Ok((Endpoint::new(address, tuple.src.port), None));
        }
        let Some(address) = pool.snat.as_ref().map(|snat| snat.address) else {
            return Err(Verdict::Drop(DropReason::NoSnat));
        };
        match self.state.flows.allocate_port(self.snapshot, sender, &tuple) {
            Some(port) => Ok((Endpoint::new(address, port), Some(port))),
            None => Err(self.reject_from_here(IcmpError::Prohibited, DropReason::PortsExhausted)),
        }
    }

    /// The flow's packet begins a new one: a SYN on a connection that is over, or a datagram that goes to another member by
    /// now, because the pool has chosen again or another one has spoken.
    fn hairpin_reopens(&self, service: &ServiceView, id: FlowId, side: Direction) -> bool {
        if let Kind::Tcp(segment) = self.packet.kind {
            return self.reopens(id, side, &segment);
        }
        let Some(flow) = self.state.flows.at(id) else { return true };
        let pool = self.snapshot.pool(service.pool);
        if side != Direction::Original {
            return false;
        }
        if pool.is_shared {
            let is_of_another = self.snapshot.member(MemberId(flow.member)).pool != service.pool;
            return is_of_another || self.is_over(service.pool, flow);
        }
        flow.generation != pool.generation.0 || self.hairpin_receiver(service, id) != Some(MemberId(flow.member))
    }

    /// Who would take what the flow's packet begins.
    fn hairpin_receiver(&self, service: &ServiceView, id: FlowId) -> Option<MemberId> {
        match self.state.flows.at(id).filter(|flow| flow.protocol() == Protocol::Udp) {
            Some(flow) => self.receiver(service.pool, flow.translated(Direction::Original).src),
            None => self.snapshot.pool(service.pool).active,
        }
    }

    /// A datagram of the flow goes to whoever asked instead of the active member: that is counted if it leaves.
    fn count_speaker_answer(&mut self, service: &ServiceView, id: FlowId) {
        if !self.snapshot.pool(service.pool).is_shared
            && self.hairpin_receiver(service, id) != self.snapshot.pool(service.pool).active
        {
            self.state.speaker_answered = true;
        }
    }
}
