//! What members send outward: the VIP as source, except to the exclusion group.
//!
//! Owns the rule that only an opening packet makes translation state: a SYN without ACK, a datagram, an echo request.
//! A segment that matches nothing is routed as it is if it answers a visitor whose request came past us (the one-arm trap) or
//! before a restart, is translated again if the member opened the connection before that, and else does not leave.

use super::events::EngineEvent;
use super::flow_book::is_visited;
use super::path::Path;
use super::verdict::{DropReason, Verdict};
use super::walk::Walk;
use crate::flow::{Direction, Flow, FlowId, PathKind, Track};
use crate::policy::intent::MemberId;
use crate::policy::snapshot::AddressClass;
use crate::wire::facts::Segment;
use crate::wire::reply::{IcmpError, Reply};
use crate::wire::{Endpoint, Kind, Tuple};

/// Hosts open connections from ports at and above this one (Linux; RFC 6335 6 begins at 49,152), and serve below it.
const FIRST_CLIENT_PORT: u16 = 32_768;

/// Whoever sends packets with this tuple has opened the connection, as far as the ports tell.
pub(super) fn opens_towards(tuple: &Tuple) -> bool {
    tuple.src.port >= FIRST_CLIENT_PORT && tuple.dst.port < FIRST_CLIENT_PORT
}

impl Walk<'_> {
    /// From a member to somebody outside, but no datagram from a service port.
    pub(super) fn outward_with_ports(&mut self, sender: MemberId, kind: Kind, tuple: Tuple) -> Verdict {
        if let Some(verdict) = self.datagram_of_call_out(sender, tuple) {
            return verdict;
        }
        if let Some((id, side)) = self.flow_of(&tuple) {
            if !matches!(kind, Kind::Tcp(segment) if self.reopens(id, side, &segment)) {
                return self.outward_on_flow(sender, id, side, tuple);
            }
            self.state.flows.forget(self.snapshot, id);
        }
        let served = self.snapshot.member(sender).served(tuple.protocol, tuple.src.port);
        match (kind, served) {
            (Kind::Tcp(segment), Some(served)) => self.segment_out(sender, tuple, served.address, &segment),
            (Kind::Udp, Some(served)) => self.shared_datagram_out(sender, tuple, served),
            _ if !self.would_translate(sender) => self.route_unchanged(),
            // The answer to a visitor's ping leaves no trace on its way in: that it matches nothing says nothing.
            (Kind::Echo { request: false }, _) => self.route_unchanged(),
            (Kind::Tcp(segment), _) if self.may_resume(sender, &tuple, &segment) => {
                self.resume_outward(sender, tuple, &segment)
            }
            (Kind::Tcp(segment), _) if !segment.flags.opens() => self.unmatched_outward(sender, tuple, &segment),
            _ => self.open_outward(sender, tuple),
        }
    }

    /// What a member sends on a flow; to a visitor of its own address untranslated, though it keeps that peer.
    fn outward_on_flow(&mut self, sender: MemberId, id: FlowId, side: Direction, tuple: Tuple) -> Verdict {
        let flow = self.state.flows.at(id);
        if !flow.is_some_and(is_visited) {
            let as_virtual = flow.is_some_and(|flow| flow.path == PathKind::Service);
            let verdict = self.on_flow(id, side, tuple);
            if as_virtual && verdict.is_forwarded() {
                self.keep_again(sender, id);
                if let Some(call) = self.call(self.snapshot.member(sender).pool) {
                    self.spoke_in_call(sender, call);
                }
            }
            return verdict;
        }
        let verdict = self.route_unchanged();
        if verdict.is_forwarded() {
            self.refresh(id, side);
        }
        verdict
    }

    /// The segment is one of a standing connection that its sender has opened, as far as the ports tell.
    fn may_resume(&self, sender: MemberId, tuple: &Tuple, segment: &Segment) -> bool {
        self.resumes(sender) && opens_towards(tuple) && !segment.flags.syn() && !segment.flags.rst()
    }

    /// A segment of a connection that a member opened before we forgot it, by a restart or in silence: it continues as it
    /// was, if its port was kept and still can be. A wrong guess would hide a visitor's answer, so ports must speak for it.
    fn resume_outward(&mut self, sender: MemberId, tuple: Tuple, segment: &Segment) -> Verdict {
        let Some((mut flow, outside)) = self.outward_flow(sender, tuple) else {
            return self.unmatched_outward(sender, tuple, segment);
        };
        if outside.src.port != tuple.src.port {
            self.state.flows.release_port_of(&flow);
            return self.unmatched_outward(sender, tuple, segment);
        }
        flow.track = Some(Track::midstream(Direction::Original, segment));
        self.count_event(EngineEvent::LoosePickup);
        self.begin(flow, tuple, outside)
    }

    /// Of a member's, opens nothing and matches nothing. A SYN-ACK answers a request that came another way; else the ports must
    /// say that a visitor is answered, or an exclusion was taken away under which it may stand untranslated. All other segments
    /// would show an outsider the member's own address, and be answered there by a reset (RFC 9293 3.10.7.1).
    fn unmatched_outward(&mut self, sender: MemberId, tuple: Tuple, segment: &Segment) -> Verdict {
        let accepts = segment.flags.syn() && segment.flags.ack();
        if accepts || opens_towards(&tuple.reversed()) || !self.resumes(sender) {
            self.count_event(EngineEvent::UnmatchedFromMember);
            let verdict = self.route_unchanged();
            if accepts && verdict.is_forwarded() {
                self.mark_midstream(sender, tuple.reversed(), Direction::Reply);
            }
            return verdict;
        }
        // Opened before we forgot it, with another port, or one that another member has by now: it has to be opened again.
        match opens_towards(&tuple) && !segment.flags.rst() {
            true => self.reject_with(Reply::Reset, DropReason::OutwardNoFlow),
            false => Verdict::Drop(DropReason::OutwardNoFlow),
        }
    }

    /// A connection that a member opened before we forgot it may be taken up again.
    fn resumes(&self, sender: MemberId) -> bool {
        self.pool_of(sender).snat.as_ref().is_some_and(|snat| snat.resumes)
    }

    /// The packet is one that may make translation state.
    pub(super) fn opens(&self) -> bool {
        match self.packet.kind {
            Kind::Tcp(segment) => segment.flags.opens(),
            Kind::Udp => true,
            Kind::Echo { request } => request,
            _ => false,
        }
    }

    /// What `sender` opens towards the packet's destination gets another source.
    pub(super) fn would_translate(&self, sender: MemberId) -> bool {
        let Some(snat) = &self.pool_of(sender).snat else { return false };
        let left = match self.packet.kind {
            Kind::Udp => snat.leaves_udp_port(self.packet.src_port()),
            _ => false,
        };
        !left && !self.snapshot.member(sender).exclude.holds(self.packet.dst())
    }

    /// A flow outward begins: a port is allocated, both sides are kept, the packet goes out.
    fn open_outward(&mut self, sender: MemberId, tuple: Tuple) -> Verdict {
        match self.outward_flow(sender, tuple) {
            Some((flow, outside)) => self.begin(flow, tuple, outside),
            None => self.reject_from_here(IcmpError::Prohibited, DropReason::PortsExhausted),
        }
    }

    /// A flow outward with a port of its own, and the tuple that what `sender` sends leaves with.
    fn outward_flow(&mut self, sender: MemberId, tuple: Tuple) -> Option<(Flow, Tuple)> {
        let address = self.pool_of(sender).snat.as_ref()?.address;
        let port = self.state.flows.allocate_port(self.snapshot, sender, &tuple)?;
        let outside = Tuple { src: Endpoint::new(address, port), ..tuple };
        let mut flow = self.new_flow(PathKind::Outbound, tuple, outside.reversed());
        self.belongs(&mut flow, sender, Direction::Original);
        flow.set_snat_port(Some(port));
        if self.state.flows.enter_remote(&flow) {
            self.state.events.count(EngineEvent::FilterOpened);
        }
        Some((flow, outside))
    }

    /// A datagram to a port of a SNAT address, of no flow: an address that the holder of the port has talked to may send from
    /// another port (RFC 4787 REQ-8). What comes from outside does not renew the flow it makes (REQ-6).
    pub(super) fn admitted(&mut self, tuple: Tuple) -> Option<Verdict> {
        // Members are known outside by another address than that in their packets.
        let from_outside = matches!(self.classified.path, Path::Inward(_));
        let inside = if from_outside { self.state.flows.admit(&tuple)? } else { return None };
        let became = Tuple { dst: inside, ..tuple };
        let mut flow = self.new_flow(PathKind::Outbound, tuple, became.reversed());
        flow.set_snat_port(Some(tuple.dst.port));
        (flow.inside, flow.life) = (Direction::Reply, self.snapshot.life.0);
        let AddressClass::Member(member, _) = self.snapshot.class(inside.addr) else {
            self.state.flows.release_port_of(&flow);
            return None;
        };
        self.belongs(&mut flow, member, Direction::Reply);
        Some(self.begin(flow, tuple, became))
    }

    /// Keeps `flow` and sends its first packet on; gives its port back if either cannot be.
    pub(super) fn begin(&mut self, mut flow: Flow, from: Tuple, to: Tuple) -> Verdict {
        if let (Kind::Tcp(segment), None) = (self.packet.kind, flow.track) {
            flow.track = Some(Track::opening(&segment));
        }
        let verdict = self.forward_as(&from, &to);
        if !verdict.is_forwarded() {
            self.state.flows.release_port_of(&flow);
            return verdict;
        }
        match self.state.flows.keep(self.snapshot, flow, self.now) {
            Ok(()) => verdict,
            Err(_) => Verdict::Drop(DropReason::FlowTableFull),
        }
    }
}
