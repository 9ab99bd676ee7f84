//! One conversation: who talks to whom, and how its packets are changed.
//!
//! Owns [`Flow`]. Its two keys are the whole translation; the checksum differences are worked out once, when it is made.
//! Member, generation, epoch and hops are the caller's: nothing here looks into them.

use super::key::KeyAddress;
use super::lifetime::Class;
use super::side::Side;
use super::tcp::{State, Track};
use crate::wire::{Endpoint, Protocol, Rewrite, Tuple};
use std::net::Ipv4Addr;

/// The flow, or the remote endpoint, belongs to no member.
pub const NO_MEMBER: u16 = u16::MAX;

/// What kind of traffic a flow is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathKind {
    /// To or from a service port of a virtual server.
    Service,
    /// Opened by a member, with the SNAT address outside.
    Outbound,
    /// From a member to a virtual server: both ends change.
    Hairpin,
    /// Not translated; a marker that its replies are not either.
    Routed,
}

impl PathKind {
    /// The word an operator sees.
    pub const fn name(self) -> &'static str {
        match self {
            PathKind::Service => "service",
            PathKind::Outbound => "outbound",
            PathKind::Hairpin => "hairpin",
            PathKind::Routed => "routed",
        }
    }
}

/// One conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow<A = Ipv4Addr> {
    keys: [Tuple<A>; 2],
    /// Checksum differences for a packet of the opener: IPv4 header, transport. The answerer's are their negatives.
    l3_delta: u16,
    l4_delta: u16,
    /// What kind of traffic it is.
    pub path: PathKind,
    /// The side whose packets the member sends.
    pub inside: Side,
    /// The member it belongs to; [`NO_MEMBER`] if none.
    pub member: u16,
    /// The caller's count of that member's lives.
    pub generation: u32,
    /// When the caller last found the flow still right.
    pub epoch: u64,
    /// The way out for packets that arrive from each side, by [`Side::index`].
    pub hops: [u32; 2],
    /// The outside port or identifier to give back when the flow dies.
    pub claim: Option<u16>,
    /// The state of a TCP connection.
    pub track: Option<Track>,
}

impl<A: KeyAddress> Flow<A> {
    /// A flow from the tuples of its two directions, both as their packets arrive. A packet of one side leaves as the
    /// reverse of the other side's tuple. Belongs to no member, opened from inside, until the caller says otherwise.
    pub fn new(path: PathKind, opener: Tuple<A>, answer: Tuple<A>) -> Flow<A> {
        let becomes = answer.reversed();
        let addresses = difference(&[
            (opener.src.addr.word_sum(), becomes.src.addr.word_sum()),
            (opener.dst.addr.word_sum(), becomes.dst.addr.word_sum()),
        ]);
        let ports = difference(&[
            (opener.src.port.into(), becomes.src.port.into()),
            (opener.dst.port.into(), becomes.dst.port.into()),
        ]);
        Flow {
            keys: [opener, answer],
            l3_delta: addresses,
            // An ICMP query has no pseudo-header: of the tuple only its identifier is summed (RFC 792).
            l4_delta: if opener.protocol == Protocol::Icmp { ports } else { add(addresses, ports) },
            path,
            inside: Side::Opener,
            member: NO_MEMBER,
            generation: 0,
            epoch: 0,
            hops: [0; 2],
            claim: None,
            track: None,
        }
    }

    /// A flow whose packets are not changed: the reply to `opener` passes as it is.
    pub fn routed(opener: Tuple<A>) -> Flow<A> {
        Flow::new(PathKind::Routed, opener, opener.reversed())
    }

    /// Both keys, by [`Side::index`].
    pub const fn keys(&self) -> &[Tuple<A>; 2] {
        &self.keys
    }

    /// The tuple of a packet of this side as it arrives.
    pub const fn key(&self, side: Side) -> Tuple<A> {
        self.keys[side.index()]
    }

    /// The tuple of a packet of this side as it leaves.
    pub const fn translated(&self, side: Side) -> Tuple<A> {
        self.keys[side.other().index()].reversed()
    }

    /// The change that makes a packet of this side leave as it shall.
    #[inline]
    pub fn rewrite(&self, side: Side) -> Rewrite<A> {
        let (arrives, leaves) = (self.key(side), self.translated(side));
        let (l3_delta, l4_delta) = match side {
            Side::Opener => (self.l3_delta, self.l4_delta),
            Side::Answerer => (negative(self.l3_delta), negative(self.l4_delta)),
        };
        Rewrite { src: changed(arrives.src, leaves.src), dst: changed(arrives.dst, leaves.dst), l3_delta, l4_delta }
    }

    /// TCP, UDP, or ICMP echo.
    pub const fn protocol(&self) -> Protocol {
        self.keys[0].protocol
    }

    /// What decides its lifetime. A routed connection counts as one while it opens and after it has closed, so that a
    /// flood of half-open ones leaves first.
    #[inline]
    pub fn class(&self) -> Class {
        let tcp = self.track.map(|track| track.class());
        match (self.path, tcp, self.protocol()) {
            (PathKind::Routed, None | Some(Class::TcpEstablished), _) => Class::Routed,
            (_, Some(class), _) => class,
            (_, None, Protocol::Tcp) => Class::TcpEstablished,
            (_, None, Protocol::Udp) => Class::Udp,
            (_, None, Protocol::Icmp) => Class::Icmp,
        }
    }

    /// The state in the word an operator sees.
    pub fn state(&self) -> &'static str {
        self.track.map_or("open", |track| State::name(track.state()))
    }
}

fn changed<A: KeyAddress>(from: Endpoint<A>, to: Endpoint<A>) -> Option<Endpoint<A>> {
    (from != to).then_some(to)
}

/// What is added to the complement of a checksum when sums `from` become `to` (RFC 1624 equation 3); 0 if nothing changes.
fn difference(changes: &[(u32, u32)]) -> u16 {
    let changed = changes.iter().filter(|(from, to)| from != to);
    changed.fold(0, |sum, &(from, to)| add(sum, add(!fold(from), fold(to))))
}

/// One's complement addition.
fn add(a: u16, b: u16) -> u16 {
    fold(u32::from(a) + u32::from(b))
}

/// The difference of the way back. "Nothing" stays 0, never its other form 0xffff.
fn negative(delta: u16) -> u16 {
    if delta == 0 { 0 } else { !delta }
}

fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
