//! The fork in the road.
//!
//! Owns [`Walk`]: one packet's way to its verdict. Here only the first question is asked, whose packet it is and whom it
//! is for; each answer is a road of its own in a file of its own.

use super::State;
use super::ahead::Ahead;
use super::notice::Notice;
use super::verdict::{DropReason, Ingress, PuntReason, Verdict};
use crate::flow::{Flow, FlowId, MemberRef, Side};
use crate::policy::adjacency::{Neighbour, NextHop};
use crate::policy::intent::MemberId;
use crate::policy::snapshot::{Ends, Owner, PoolView};
use crate::policy::{InterfaceView, Snapshot};
use crate::time::Instant;
use crate::wire::arp::{Arp, Operation};
use crate::wire::ipv4;
use crate::wire::reply::{IcmpError, Reply};
use crate::wire::{Headers, Kind, Mac, Tuple};
use std::net::Ipv4Addr;

/// One packet on its way to a verdict.
pub(super) struct Walk<'a> {
    pub(super) world: &'a Snapshot,
    pub(super) state: &'a mut State,
    pub(super) packet: &'a Headers,
    pub(super) ahead: Ahead,
    pub(super) at: Ingress,
    /// Where the packet came in, in the world.
    pub(super) interface: &'a InterfaceView,
    pub(super) now: Instant,
}

impl<'a> Walk<'a> {
    /// What becomes of the packet.
    #[inline]
    pub(super) fn verdict(mut self) -> Verdict {
        if let Kind::Arp(arp) = self.packet.kind {
            return self.arp(&arp);
        }
        if self.packet.link.dst != self.ingress().mac {
            return Verdict::Drop(DropReason::NotForUs);
        }
        let ends @ Ends { from, to, .. } = self.ahead.ends;
        if let Some(reason) = self.impossible(&ends) {
            return Verdict::Drop(reason);
        }
        if matches!(self.packet.kind, Kind::Fragment(_)) && self.must_be_whole(from, to) {
            return Verdict::Gather;
        }
        match (from, to) {
            (_, Some(Owner::Appliance(_))) => self.local(from),
            (Some(Owner::Member(sender)), Some(Owner::Virtual(at))) => self.hairpin(sender, at),
            (Some(Owner::Member(_)), Some(Owner::Member(_))) => self.misrouted(),
            (Some(Owner::Member(sender)), None) => self.outward(sender),
            (_, Some(Owner::Virtual(at))) => self.inward(at),
            (_, Some(Owner::Member(member))) => self.visitor(member),
            (_, None) => self.route_unchanged(),
        }
    }

    /// Where a datagram goes, and as what, cannot be told from one piece of it: what is for us, for a virtual address, or
    /// from a member that may wear one. All other pieces are routed one by one.
    fn must_be_whole(&self, from: Option<Owner>, to: Option<Owner>) -> bool {
        match (from, to) {
            (_, Some(Owner::Appliance(_) | Owner::Virtual(_))) => true,
            // Even what goes to the exclusion group may wear it: a connection that stood before the exclusion.
            (Some(Owner::Member(_)), None) => true,
            _ => false,
        }
    }

    /// The interface the packet came in on.
    #[inline]
    pub(super) fn ingress(&self) -> &'a InterfaceView {
        self.interface
    }

    /// An address that no honest packet carries here (RFC 1812 5.3.7, 5.3.8; RFC 1122 3.2.1.3).
    #[inline]
    fn impossible(&self, ends: &Ends) -> Option<DropReason> {
        let Headers { src, dst, .. } = *self.packet;
        // What is owned is no martian: the file would have been refused.
        let stranger = ends.from.is_none() && ipv4::martian_source(src);
        if stranger || (ends.broadcast && self.ingress().broadcasts(src)) {
            return Some(DropReason::MartianSource);
        }
        let spoofed = match ends.from {
            Some(Owner::Appliance(_) | Owner::Virtual(_)) => true,
            Some(Owner::Member(member)) => self.world.member(member).interface != self.at.interface,
            None => false,
        };
        if spoofed {
            return Some(DropReason::SpoofedSource);
        }
        let nowhere = ends.to.is_none() && ipv4::martian_destination(dst);
        let lost = nowhere || (ends.broadcast && self.ingress().broadcasts(dst));
        lost.then_some(DropReason::MartianDestination)
    }

    /// ARP: what is known is answered at once; what teaches or disputes something goes to management (RFC 826, 5227).
    fn arp(&self, arp: &Arp) -> Verdict {
        let interface = self.ingress();
        if arp.sender_mac == interface.mac || arp.sender_mac.is_group() || arp.sender_mac == Mac::ZERO {
            return Verdict::Drop(DropReason::ArpNotForUs);
        }
        let hop = NextHop { interface: self.at.interface, address: arp.sender };
        let known = self.world.neighbour(hop);
        let news = known != Some(Neighbour::Reachable(arp.sender_mac));
        let ours = self.world.addresses.answers(self.at.interface, arp.target);
        let disputed = matches!(self.world.owner(arp.sender), Some(Owner::Appliance(_) | Owner::Virtual(_)));
        match arp.operation {
            Operation::Request if ours && !news && !disputed => Verdict::Answer(Reply::Arp { mac: interface.mac }),
            _ if ours || disputed || (news && known.is_some()) => Verdict::Punt(PuntReason::Arp),
            _ => Verdict::Drop(DropReason::ArpNotForUs),
        }
    }

    /// The packet dies and its sender is told with an ICMP error from `from`, within the limit on refusals.
    pub(super) fn refuse(&mut self, error: IcmpError, from: Ipv4Addr, reason: DropReason) -> Verdict {
        self.refuse_with(Reply::IcmpError { error, from }, reason)
    }

    /// The TCP segment dies and its sender is told with a reset, within the limit on refusals.
    pub(super) fn refuse_with(&mut self, with: Reply, reason: DropReason) -> Verdict {
        // Whoever scans us must not cost a sender its path MTU, or a client the news that its member was lost.
        let told = match reason {
            DropReason::NotListening => self.state.refusals.spares(self.now),
            _ => self.state.refusals.allows(self.now),
        };
        if told { Verdict::Refuse { with, reason } } else { Verdict::Drop(DropReason::RateLimited) }
    }

    /// As [`Walk::refuse`], from the self-IP the sender knows us by (RFC 1812 4.3.2.4).
    pub(super) fn refuse_from_here(&mut self, error: IcmpError, reason: DropReason) -> Verdict {
        let from = self.ingress().address_towards(self.packet.src);
        self.refuse(error, from, reason)
    }

    /// The flow that the packet, whose tuple this is, belongs to.
    #[inline]
    pub(super) fn flow_of(&mut self, tuple: &Tuple) -> Option<(FlowId, Side)> {
        let found = match self.ahead.tag {
            Some(tag) => self.state.flows.find_tagged(tag, tuple),
            None => self.state.flows.find(tuple),
        };
        self.state.live(self.world, found?)
    }

    /// The flow is one of `member`'s, which is on its `inside`, from now on.
    pub(super) fn belongs(&self, flow: &mut Flow, member: MemberId, inside: Side) {
        (flow.member, flow.inside) = (member.0, inside);
        (flow.generation, flow.life) = (self.pool_of(member).generation.0, self.world.life.0);
    }

    /// How what outlives this snapshot refers to a member.
    pub(super) fn reference(&self, member: MemberId) -> MemberRef {
        MemberRef { id: member.0, since: self.world.members.since(member).0 }
    }

    /// The pool a member belongs to.
    #[inline]
    pub(super) fn pool_of(&self, member: MemberId) -> &'a PoolView {
        let world = self.world;
        world.pool(world.member(member).pool)
    }

    /// `address` is in the exclusion group of the member's pool.
    pub(super) fn excludes(&self, member: MemberId, address: Ipv4Addr) -> bool {
        self.pool_of(member).snat.as_ref().is_some_and(|snat| snat.excludes(address))
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        self.state.noticed.count(notice);
    }

    pub(super) fn sight(&mut self, member: MemberId) {
        self.state.noticed.sight(member);
    }
}
