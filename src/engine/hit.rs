//! The hit path: usual packets about which nothing new is to be decided.
//!
//! Owns [`Engine::hit`], and the giving of tickets. A packet whose flow holds one leaves by it; one whose road needs no flow
//! leaves when nothing stands in its way. What is said here is what [`Engine::decide`] would say, and what is left behind is
//! the same (`tests/fast_path.rs` holds the two together). In doubt nothing is said, nothing has happened, and `decide` is asked.
//!
//! A ticket is given, by `revalidate` and `routed`, to a side of a flow that its packet has met on the long way (not by the
//! packet that makes the flow): from then on, until another snapshot is installed, its data needs no question about owners,
//! lost members, routes or neighbours.

use super::decide::Walk;
use super::revalidate::lost;
use super::{Ahead, Egress, Engine, State};
use crate::flow::key::Key;
use crate::flow::{FlowId, PathKind, Side, Tag, Ticket};
use crate::policy::Snapshot;
use crate::policy::intent::{InterfaceId, MemberId, PoolId, PortId};
use crate::policy::snapshot::{Ends, Owner, Ready};
use crate::time::Instant;
use crate::wire::{Kind, Protocol, Rewrite, Usual, ipv4};
use std::net::Ipv4Addr;

/// How a packet leaves.
#[derive(Clone, Copy, Debug)]
pub struct Hit<'a> {
    /// How it is changed. Its identification stays.
    pub rewrite: Rewrite,
    /// The way out, whose MTU it fits.
    pub egress: &'a Egress,
}

impl Engine {
    /// How a packet that came in on `port` leaves, if nothing new is to be decided about it; `ahead` is what
    /// [`Engine::look_ahead_usual`] said of it, in this world. `None`: [`Engine::decide`] is to be asked, and nothing has
    /// happened yet.
    #[inline]
    pub fn hit(&mut self, packet: &Usual, ahead: &Ahead, port: PortId, now: Instant) -> Option<Hit<'_>> {
        let world = &*self.world;
        let interface = world.behind(port, packet.door)?;
        if packet.ttl <= 1 {
            return None;
        }
        match ahead.tag {
            Some(tag) => along_flow(world, &mut self.state, packet, (tag, ahead), interface, now),
            None => Glance { world, state: &self.state, packet, interface }.without_flow(&ahead.ends),
        }
    }
}

/// The packet's flow holds a ticket; or it has none, and needs none.
#[inline]
fn along_flow<'a>(
    world: &'a Snapshot,
    state: &mut State,
    packet: &Usual,
    (tag, ahead): (Tag, &Ahead),
    interface: InterfaceId,
    now: Instant,
) -> Option<Hit<'a>> {
    let key = Key::of_words(packet.addresses, packet.ports, packet.protocol);
    let Some((id, side)) = state.flows.find_guessed(ahead.guess, tag, &key) else {
        return Glance { world, state, packet, interface }.beside_flows(&ahead.ends);
    };
    let number = state.world_number;
    state.flows.hit(id, side, packet.segment().as_ref(), now, |ticket, rewrite| {
        if ticket.world != number || ticket.interface != interface.0 {
            return None;
        }
        let egress = world.way_numbered(ticket.way.into())?;
        leaves(packet, rewrite, egress)
    })
}

/// The packet fits the link, and its identification may stay.
#[inline]
fn leaves<'a>(packet: &Usual, rewrite: Rewrite, egress: &'a Egress) -> Option<Hit<'a>> {
    let stays = packet.dont_fragment || !rewrite.changes_source();
    (packet.size <= egress.mtu && stays).then_some(Hit { rewrite, egress })
}

/// A packet without a flow, looked at and left as it is.
struct Glance<'a, 'b> {
    world: &'a Snapshot,
    state: &'b State,
    packet: &'b Usual,
    interface: InterfaceId,
}

impl<'a> Glance<'a, '_> {
    /// No flow is asked for: a datagram of a service port, or transit.
    #[inline]
    fn without_flow(&self, ends: &Ends) -> Option<Hit<'a>> {
        match (ends.from, ends.to) {
            _ if ends.broadcast => None,
            (None, Some(Owner::Virtual(at))) => self.datagram_in(at),
            (Some(Owner::Member(sender)), None) => self.datagram_out(sender),
            (None, None) if self.may_come() && self.may_go() => self.unchanged(),
            _ => None,
        }
    }

    /// There is no flow, and none will be made: what goes to the exclusion group, and its answers; what is in the middle of
    /// something that was never translated.
    #[inline]
    fn beside_flows(&self, ends: &Ends) -> Option<Hit<'a>> {
        let rests = match (ends.from, ends.to) {
            _ if ends.broadcast => false,
            (Some(Owner::Member(sender)), None) => self.may_go() && self.keeps_source(sender),
            (None, Some(Owner::Member(member))) => self.may_come() && self.marks_nothing(member),
            _ => false,
        };
        if rests { self.unchanged() } else { None }
    }

    /// To a service port, while nobody but the active member speaks to anybody.
    #[inline]
    fn datagram_in(&self, at: u16) -> Option<Hit<'a>> {
        let service = self.world.server(at).service(Protocol::Udp, self.packet.dst_port())?;
        let Ready { rewrite, egress } = service.ready.as_ref()?;
        let usual = service.enabled && self.may_come() && self.state.speakers.is_empty();
        if !usual || self.excludes(service.pool, self.packet.src()) {
            return None;
        }
        leaves(self.packet, *rewrite, egress)
    }

    /// From a service port of the active member, or to somebody excluded.
    #[inline]
    fn datagram_out(&self, sender: MemberId) -> Option<Hit<'a>> {
        let member = self.world.member(sender);
        let served = member.served(Protocol::Udp, self.packet.src_port())?;
        if member.interface != self.interface || !self.may_go() || !self.state.speakers.is_empty() {
            return None;
        }
        let destination = self.packet.dst();
        if self.excludes(member.pool, destination) {
            return self.unchanged();
        }
        if self.world.pool(member.pool).active != Some(sender) {
            return None;
        }
        leaves(self.packet, served.rewrite, self.world.way(destination)?)
    }

    /// What the member opens towards the destination is not translated, nor does it come from a service port.
    #[inline]
    fn keeps_source(&self, sender: MemberId) -> bool {
        let member = self.world.member(sender);
        let &Usual { protocol, .. } = self.packet;
        member.interface == self.interface
            && member.served(protocol, self.packet.src_port()).is_none()
            && match &self.world.pool(member.pool).snat {
                None => true,
                Some(snat) => {
                    snat.excludes(self.packet.dst())
                        || (protocol == Protocol::Udp && snat.leaves_udp_port(self.packet.src_port()))
                }
            }
    }

    /// Nothing is remembered about the visitor for this packet.
    #[inline]
    fn marks_nothing(&self, visited: MemberId) -> bool {
        let pool = self.world.member(visited).pool;
        match self.packet.protocol {
            Protocol::Tcp => !self.packet.flags.opens(),
            _ => {
                self.world.pool(pool).service(Protocol::Udp, self.packet.dst_port()).is_none()
                    && self.excludes(pool, self.packet.src())
            }
        }
    }

    #[inline]
    fn excludes(&self, pool: PoolId, address: Ipv4Addr) -> bool {
        self.world.pool(pool).snat.as_ref().is_some_and(|snat| snat.excludes(address))
    }

    /// The source is one that a stranger may have.
    #[inline]
    fn may_come(&self) -> bool {
        !ipv4::martian_source(self.packet.src())
    }

    /// The destination is one that a packet may leave for.
    #[inline]
    fn may_go(&self) -> bool {
        !ipv4::martian_destination(self.packet.dst())
    }

    #[inline]
    fn unchanged(&self) -> Option<Hit<'a>> {
        leaves(self.packet, Rewrite::default(), self.world.way(self.packet.dst())?)
    }
}

impl Walk<'_> {
    /// As [`Walk::give_ticket`], to one who is routed whatever flow it met.
    pub(super) fn give_visitor_ticket(&mut self, id: FlowId, side: Side) {
        if self.state.flows.at(id).is_some_and(|flow| flow.path == PathKind::Routed) {
            self.give_ticket(id, side);
        }
    }

    /// What the packet's side of the flow sends goes the same way from now on, as long as nothing changes in the world. Not
    /// so a datagram between two pairs: who takes it is asked anew each time.
    pub(super) fn give_ticket(&mut self, id: FlowId, side: Side) {
        let ends = &self.ahead.ends;
        let between_pairs = ends.from.is_some() && ends.to.is_some() && !matches!(self.packet.kind, Kind::Tcp(_));
        let flow = self.state.flows.at(id).filter(|flow| !between_pairs && lost(self.world, flow).is_none());
        let way = flow.and_then(|flow| self.world.way_number(flow.translated(side).dst.addr));
        if let Some(way) = way.and_then(|way| u16::try_from(way).ok()) {
            let ticket = Ticket { world: self.state.world_number, interface: self.at.interface.0, way };
            self.state.flows.give_ticket(id, side, ticket);
        }
    }
}
