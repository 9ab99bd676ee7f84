//! ICMP errors about packets that were translated.
//!
//! Owns the translation of the packet an error quotes (RFC 5508 REQ-4, 5, 7). An error never makes, refreshes or ends a
//! flow (RFC 5508 REQ-6, RFC 4787 REQ-12); one that quotes nothing we know is dropped when it would have to be
//! translated, and routed as it is otherwise.

use super::flow_book::is_visited;
use super::verdict::{DropReason, Verdict};
use super::walk::Walk;
use super::withhold::is_refusal;
use crate::policy::snapshot::AddressClass;
use crate::wire::facts::Quoted;
use crate::wire::{Endpoint, Protocol, Rewrite, Tuple, icmp};

impl Walk<'_> {
    /// An error from a member, or to a virtual address.
    pub(super) fn error(&mut self, quoted: &Quoted) -> Verdict {
        self.hint_at_closed_port(quoted);
        if let Some((id, side)) = self.state.flows.find_live(self.snapshot, &quoted.tuple.reversed()) {
            let flow = self.state.flows.at(id);
            if flow.is_some_and(|flow| is_visited(flow) && side == flow.inside) {
                return self.route_unchanged();
            }
            // What is quoted had been translated for this side to receive; its sender knows it as the other key.
            let original = flow.map(|flow| flow.key(side.other()));
            match original {
                // Between two pools of which one has several active members: it is known who takes it, not who sent it.
                Some(original) if matches!(self.snapshot.class(original.src.addr), AddressClass::Virtual(_)) => {}
                Some(original) => return self.translate_error(quoted, original),
                None => return Verdict::Drop(DropReason::NoFlowForError),
            }
        }
        match self.original_of_service(quoted.tuple) {
            Some(original) => self.translate_error(quoted, original),
            None if matches!(self.snapshot.class(self.packet.dst()), AddressClass::Virtual(_)) => {
                Verdict::Drop(DropReason::NoFlowForError)
            }
            None => self.route_unchanged(),
        }
    }

    /// The packet as its sender sent it, when it crossed a service port without a flow: on the side of its destination,
    /// of its source, or both (a hairpin).
    fn original_of_service(&mut self, quoted: Tuple) -> Option<Tuple> {
        let mut original = quoted;
        if let AddressClass::Member(member, _) = self.snapshot.class(quoted.dst.addr)
            && let Some(server) = self.pool_of(member).service(quoted.protocol, quoted.dst.port)
            && !self.leaves_untranslated(member, quoted.src)
        {
            original.dst = Endpoint::new(server, quoted.dst.port);
        }
        if let AddressClass::Virtual(at) = self.snapshot.class(quoted.src.addr) {
            // Of a connection, or a call from another port, that nobody remembers nobody knows whom the error concerns.
            let is_datagram = quoted.protocol == Protocol::Udp;
            let service = self.snapshot.server(at).service(quoted.protocol, quoted.src.port).filter(|_| is_datagram)?;
            let answer = Tuple::new(quoted.protocol, original.dst, quoted.src);
            let member = self.spoke_last(service.pool, &answer)?;
            original.src = Endpoint::new(self.snapshot.member(member).address, quoted.src.port);
        }
        (original != quoted).then_some(original)
    }

    /// The error goes to the sender of the packet it quotes, which sees that packet as it sent it. The outer source
    /// becomes public when it is the quoted destination, or any other host of ours that must not be seen.
    fn translate_error(&mut self, quoted: &Quoted, original: Tuple) -> Verdict {
        // RFC 5508 REQ-10c; a redirect is meant for us, the router's neighbour, and not for the sender that we translate.
        if matches!(quoted.kind, icmp::SOURCE_QUENCH | icmp::REDIRECT) {
            return Verdict::Drop(DropReason::IcmpUnsupported);
        }
        if let Some(waits) = self.withhold_error(quoted, &original) {
            return waits;
        }
        let from_member = self.is_from_member();
        let [outside, members] = &mut self.state.errors;
        // Strangers can invent errors; those of our members must pass all the same (scenario 22).
        if !(if from_member { members } else { outside }).allows(self.now) {
            return Verdict::Drop(DropReason::IcmpLimited);
        }
        let (src, dst) = (self.packet.src(), self.packet.dst());
        let seen_as = if src == quoted.tuple.dst.addr { original.dst.addr } else { src };
        let receiver = original.src.addr;
        let outer = Rewrite::addresses((src, dst), (seen_as, receiver));
        match self.forward(outer, receiver) {
            Verdict::Forward(outer) => {
                Verdict::ForwardError { outer, quoted: Rewrite::between(&quoted.tuple, &original) }
            }
            verdict => verdict,
        }
    }

    /// A member says that its service port is closed.
    fn hint_at_closed_port(&mut self, quoted: &Quoted) {
        let AddressClass::Member(member, _) = self.snapshot.class(self.packet.src()) else { return };
        let about = quoted.tuple.dst;
        let closed = is_refusal(quoted) && about.addr == self.packet.src();
        if closed && self.pool_of(member).service(quoted.tuple.protocol, about.port).is_some() {
            self.hint_at(member);
        }
    }
}
