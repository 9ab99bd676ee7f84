//! IP protocols without ports: GRE, ESP, SCTP, and all the rest.
//!
//! Owns the rule that they never leave with a member's own address but to the exclusion group, or in reply to a visitor, whose
//! marker (`direct`) is known by addresses and protocol. What works behind another address is translated by addresses alone, so
//! of the members of a pool one at a time can talk to a remote; the rest is dropped (RFC 5508 REQ-11 allows that, not leaking).
//!
//! AH authenticates the addresses (RFC 4302 3.3.3.1.1), UDP-Lite and DCCP sum them in a way of their own. SCTP's checksum has no
//! pseudo-header, but an INIT that lists addresses (RFC 9260 3.3.2.1) names the member's own: multihoming fails.

use super::verdict::{DropReason, Verdict};
use super::walk::Walk;
use crate::flow::{Direction, FlowId, PathKind};
use crate::policy::health::State;
use crate::policy::intent::MemberId;
use crate::wire::{Endpoint, Protocol, Tuple};

impl Walk<'_> {
    /// From a member to somebody outside.
    pub(super) fn outward_without_ports(&mut self, sender: MemberId) -> Verdict {
        let Some(tuple) = self.packet.portless_tuple() else { return Verdict::Drop(DropReason::ProtocolUntranslated) };
        if let Some((id, side)) = self.flow_of(&tuple) {
            return self.on_flow(id, side, tuple);
        }
        if !self.would_translate(sender) {
            return self.route_unchanged();
        }
        match tuple.protocol {
            Protocol::GRE | Protocol::ESP | Protocol::SCTP => self.open_by_addresses(sender, tuple),
            _ => Verdict::Drop(DropReason::ProtocolUntranslated),
        }
    }

    /// From outside to a virtual address: to the member that talks to this remote by this protocol.
    pub(super) fn inward_without_ports(&mut self) -> Verdict {
        let tuple = self.packet.portless_tuple();
        match tuple.and_then(|tuple| Some((self.flow_of(&tuple)?, tuple))) {
            Some(((id, side), tuple)) => self.on_flow(id, side, tuple),
            None => self.reject_local(),
        }
    }

    fn open_by_addresses(&mut self, sender: MemberId, tuple: Tuple) -> Verdict {
        let Some(snat) = &self.pool_of(sender).snat else { return self.route_unchanged() };
        let outside = Tuple { src: Endpoint::new(snat.address, 0), ..tuple };
        if let Some((id, _)) = self.flow_of(&outside.reversed()) {
            if !self.may_take_over(sender, id) {
                return Verdict::Drop(DropReason::ProtocolUntranslated);
            }
            self.state.flows.forget(self.snapshot, id);
        }
        let mut flow = self.new_flow(PathKind::Outbound, tuple, outside.reversed());
        self.belongs(&mut flow, sender, Direction::Original);
        self.begin(flow, tuple, outside)
    }

    /// The pair of addresses is another member's, and goes to `sender`: that one is down, or `sender` is the active one.
    fn may_take_over(&self, sender: MemberId, id: FlowId) -> bool {
        let owner = self.state.flows.at(id).map(|flow| self.snapshot.member(MemberId(flow.member)));
        let is_lost = owner.is_none_or(|owner| owner.gone || matches!(owner.state, State::Down | State::Offline));
        is_lost || self.pool_of(sender).active == Some(sender)
    }
}
