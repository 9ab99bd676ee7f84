//! What a member that may be dying says to clients waits.
//!
//! Owns when it does, and for how long. A member whose process has ended answers datagrams with port unreachable and SYNs with
//! resets for as long as its host lives, and a client that hears either gives the call up (RFC 3261 18.4, RFC 1122 4.2.3.9);
//! one that hears nothing repeats its request, and the next member answers. So while another member may come, such a refusal is
//! kept until it is known which it is to be. RFC 5508 REQ-5 leaves that to local policy. Never kept: what a router says, "too
//! big" (RFC 1191), anything about an established connection.

use super::path::{Classified, Path};
use super::state::Engine;
use super::verdict::{Verdict, Withheld};
use super::walk::Walk;
use crate::flow::tcp::State;
use crate::flow::{Direction, Flow, PathKind};
use crate::policy::intent::MemberId;
use crate::policy::snapshot::AddressClass;
use crate::policy::{Life, Snapshot};
use crate::wire::facts::Quoted;
use crate::wire::{Endpoint, Packet, Protocol, Tuple, icmp};
use std::net::Ipv4Addr;

impl Engine {
    /// Whether a datagram to a member whose MAC has just been given up is to wait for another member.
    pub fn withholds(&self, packet: &Packet, classified: Classified) -> Option<Withheld> {
        let Path::ServiceIn(at) = classified.path else { return None };
        let (server, service) = self.snapshot.datagrams_in(at).place;
        let service = &self.snapshot.server(server).services[usize::from(service)];
        let (tuple, pool) = (packet.tuple()?, self.snapshot.pool(service.pool));
        let waits = pool.another_may_come && service.holds && service.enabled;
        let about = (Protocol::Udp, tuple.src, tuple.dst.port);
        Some(Withheld { member: pool.active.filter(|_| waits)?, about, undelivered: true, patience: pool.gap })
    }
}

impl Walk<'_> {
    /// An ICMP error of the active member itself, that nobody takes a datagram for the service: it waits.
    pub(super) fn withhold_error(&self, quoted: &Quoted, original: &Tuple) -> Option<Verdict> {
        let AddressClass::Member(member, _) = self.snapshot.class(self.packet.src()) else { return None };
        let refused = is_refusal(quoted) && quoted.tuple.protocol == Protocol::Udp;
        if !refused || quoted.tuple.dst.addr != self.packet.src() {
            return None;
        }
        self.withhold(member, original.dst.addr, (Protocol::Udp, original.src, original.dst.port), false)
    }

    /// The active member's reset that answers a client's SYN and nothing else: it waits.
    pub(super) fn withhold_reset(&self, flow: &Flow, side: Direction) -> Option<Verdict> {
        let opening = flow.track.is_some_and(|track| track.state() == State::Opening);
        if !opening || flow.path != PathKind::Service || side != flow.inside || side == Direction::Original {
            return None;
        }
        let client = flow.key(Direction::Original);
        self.withhold(MemberId(flow.member), client.dst.addr, (Protocol::Tcp, client.src, client.dst.port), false)
    }

    /// A datagram to the active member, which does not answer on the link: it waits.
    pub(super) fn withhold_datagram(&self, member: MemberId, tuple: &Tuple) -> Option<Verdict> {
        if !self.snapshot.member(member).gone {
            return None;
        }
        self.withhold(member, tuple.dst.addr, (Protocol::Udp, tuple.src, tuple.dst.port), true)
    }

    fn withhold(
        &self,
        member: MemberId,
        server: Ipv4Addr,
        about: (Protocol, Endpoint, u16),
        undelivered: bool,
    ) -> Option<Verdict> {
        let pool = self.pool_of(member);
        let holds = self.withholds && holds(self.snapshot, server, about.0, about.2);
        let waits = holds && pool.active == Some(member) && pool.another_may_come;
        waits.then_some(Verdict::Withhold(Withheld { member, about, undelivered, patience: pool.gap }))
    }
}

/// The client of this connection has sent a SYN and heard nothing: it will repeat it, and another member is there to take it. A
/// reset because the first one was lost would end what it is about to get.
pub(super) fn will_be_repeated(snapshot: &Snapshot, flow: &Flow) -> bool {
    let opening = flow.track.is_some_and(|track| track.state() == State::Opening);
    if !opening || flow.path != PathKind::Service || flow.inside == Direction::Original {
        return false;
    }
    let vip = flow.key(Direction::Original).dst;
    let member = snapshot.members.find(usize::from(flow.member), Life(flow.life));
    let is_served = member.is_some_and(|member| snapshot.pool(member.pool).takes_new());
    is_served && holds(snapshot, vip.addr, Protocol::Tcp, vip.port)
}

/// This service is there, and what is refused about it waits.
fn holds(snapshot: &Snapshot, server: Ipv4Addr, protocol: Protocol, port: u16) -> bool {
    let AddressClass::Virtual(at) = snapshot.class(server) else { return false };
    snapshot.server(at).service(protocol, port).is_some_and(|service| service.holds)
}

/// Destination unreachable: nobody there takes this protocol, or listens at this port (RFC 1122 3.2.2.1).
pub(super) fn is_refusal(quoted: &Quoted) -> bool {
    quoted.kind == icmp::UNREACHABLE && matches!(quoted.code, icmp::PROTOCOL | icmp::PORT)
}
