//! One packet on its way to its verdict.
//!
//! Owns [`Walk`]: what every path reads, and the tools that all paths share. The paths themselves are in files of their own.

use super::account::Account;
use super::events::EngineEvent;
use super::path::Classified;
use super::state::State;
use super::verdict::{DropReason, Verdict};
use crate::flow::key::Key;
use crate::flow::{Direction, Flow, FlowId, MemberRef, PathKind, Tag};
use crate::policy::intent::MemberId;
use crate::policy::multipath::Conversation;
use crate::policy::snapshot::{AddressClass, PoolView};
use crate::policy::{InterfaceView, Snapshot};
use crate::time::Instant;
use crate::wire::reply::{IcmpError, Reply};
use crate::wire::sip;
use crate::wire::{Kind, Packet, Tuple};
use std::net::Ipv4Addr;

/// One packet on its way to a verdict.
pub(super) struct Walk<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) state: &'a mut State,
    pub(super) packet: &'a Packet,
    pub(super) classified: Classified,
    /// What a datagram says of itself, where [`super::Engine::needs_sip`] said that it matters.
    pub(super) sip: sip::Facts,
    pub(super) now: Instant,
    /// What a member refuses may have to wait; not once it has.
    pub(super) withholds: bool,
}

/// How what outlives this snapshot refers to a member.
pub(super) fn reference(snapshot: &Snapshot, member: MemberId) -> MemberRef {
    MemberRef { id: member.0, since: snapshot.members.since(member).0 }
}

impl<'a> Walk<'a> {
    /// The interface the packet came in on.
    #[inline]
    pub(super) fn ingress(&self) -> &'a InterfaceView {
        self.snapshot.interface(self.classified.interface)
    }

    /// What packets of this account are counted under that leave at once; 0, which is nobody's, where nothing is counted. `None`: there is
    /// no number left, so each has to be asked about.
    pub(super) fn number(&mut self, account: impl FnOnce(&Self) -> Option<Account>) -> Option<u16> {
        match self.snapshot.limits.counts_traffic() {
            true => self.state.sums.number(account(self)?).or_else(|| self.note_accounts_full()),
            false => Some(0),
        }
    }

    #[cold]
    fn note_accounts_full(&mut self) -> Option<u16> {
        self.count_event(EngineEvent::AccountsFull);
        None
    }

    /// The packet is from a member.
    pub(super) fn is_from_member(&self) -> bool {
        matches!(self.snapshot.class(self.packet.src()), AddressClass::Member(..))
    }

    /// The packet is dropped and its sender gets an ICMP error from `from`, within the limit on rejects.
    pub(super) fn reject(&mut self, error: IcmpError, from: Ipv4Addr, reason: DropReason) -> Verdict {
        self.reject_with(Reply::IcmpError { error, from }, reason)
    }

    /// The TCP segment is dropped and its sender gets a reset, within the limit on rejects.
    pub(super) fn reject_with(&mut self, with: Reply, reason: DropReason) -> Verdict {
        // A router's errors about a packet's size and hops hold whoever is active.
        let refuses = !matches!(
            with,
            Reply::IcmpError { error: IcmpError::TtlExceeded | IcmpError::FragmentationNeeded { .. }, .. }
        );
        if self.snapshot.pair.is_settling && refuses {
            return Verdict::Drop(DropReason::PairSettling);
        }
        // Whoever scans us must not cost a sender its path MTU, or a client the news that its member was lost.
        let told = match reason {
            DropReason::NotListening | DropReason::ProtocolUnsupported => {
                self.state.rejects.allows_low_priority(self.now)
            }
            _ => self.state.rejects.allows(self.now),
        };
        if told { Verdict::Reject { with, reason } } else { Verdict::Drop(DropReason::RateLimited) }
    }

    /// The sender is refused as its protocol has it: a segment by a reset (RFC 9293 3.5.2), a datagram by port unreachable.
    pub(super) fn reject_by_protocol(&mut self, reason: DropReason) -> Verdict {
        match self.packet.kind {
            Kind::Tcp(segment) if !segment.flags.rst() => self.reject_with(Reply::Reset, reason),
            // Never towards a member: it would stop the receive loop of some servers.
            Kind::Udp if !self.is_from_member() => self.reject(IcmpError::PortUnreachable, self.packet.dst(), reason),
            _ => Verdict::Drop(reason),
        }
    }

    /// As [`Walk::reject`], from a self-IP of the interface that the error leaves by (RFC 1812 4.3.2.4).
    pub(super) fn reject_from_here(&mut self, error: IcmpError, reason: DropReason) -> Verdict {
        let conversation = Conversation::of_answer(self.packet);
        let from = self.snapshot.own_address_towards(self.packet.src(), conversation, self.classified.interface);
        self.reject(error, from, reason)
    }

    /// The flow that the packet, whose tuple this is, belongs to.
    #[inline]
    pub(super) fn flow_of(&mut self, tuple: &Tuple) -> Option<(FlowId, Direction)> {
        let key = Key::of(tuple);
        let tag = self.classified.tag.unwrap_or_else(|| self.state.flows.tag_of(&key));
        self.state.flows.find_live_key(self.snapshot, tag, &key)
    }

    /// What the packet's flow is looked up by.
    #[inline]
    pub(super) fn tag(&self) -> Tag {
        self.classified.tag.unwrap_or_else(|| self.state.flows.tag_of(&Key::of_packet(self.packet)))
    }

    /// A flow that is to be kept, as [`Flow::new`]. The index cell of its answers is prefetched: that of its opener was looked at.
    pub(super) fn new_flow(&self, path: PathKind, opener: Tuple, answer: Tuple) -> Flow {
        let flows = &self.state.flows;
        flows.prefetch_bucket(flows.tag(&answer));
        Flow::new(path, opener, answer)
    }

    /// The flow is one of `member`'s, which is on its `inside`, from now on.
    pub(super) fn belongs(&self, flow: &mut Flow, member: MemberId, inside: Direction) {
        (flow.member, flow.inside) = (member.0, inside);
        (flow.generation, flow.life) = (self.pool_of(member).generation.0, self.snapshot.life.0);
    }

    /// How what outlives this snapshot refers to a member.
    pub(super) fn reference(&self, member: MemberId) -> MemberRef {
        reference(self.snapshot, member)
    }

    /// The pool a member belongs to.
    #[inline]
    pub(super) fn pool_of(&self, member: MemberId) -> &'a PoolView {
        let snapshot = self.snapshot;
        snapshot.pool(snapshot.member(member).pool)
    }

    pub(super) fn count_event(&mut self, event: EngineEvent) {
        self.state.events.count(event);
    }

    pub(super) fn hint_at(&mut self, member: MemberId) {
        self.state.events.hint_at(member);
    }
}
