//! One conversation: who talks to whom, and how its packets are changed.
//!
//! Owns [`Flow`]. Its two keys are the whole translation; the checksum differences are worked out once, when it is made.
//! Members and generations are the caller's: nothing here looks into them.

use super::key::{Direction, Key, KeyAddress};
use super::lifetime::TimeoutClass;
use super::tcp::Track;
use super::tcp_state::State;
use crate::wire::{Protocol, Rewrite, Tuple};
use std::net::Ipv4Addr;

/// The flow belongs to no member.
pub const NO_MEMBER: u16 = u16::MAX;

/// The flow is no connection to a virtual server, or none that counts.
pub const NO_VIRTUAL_SERVER: u16 = u16::MAX;

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
///
/// In the order written here: for IPv4 the keys are 32 bytes, which with what the table puts before them are one cache line;
/// what follows is the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Flow<A: KeyAddress = Ipv4Addr> {
    keys: [Key<A>; 2],
    /// Checksum differences of each side's packets, by [`Direction::index`]: network header, transport.
    deltas: [(u16, u16); 2],
    /// The caller's count of the member's lives.
    pub generation: u32,
    /// The caller's id of the member it belongs to; [`NO_MEMBER`] if none.
    pub member: u16,
    /// What kind of traffic it is.
    pub path: PathKind,
    /// The side whose packets the member sends.
    pub inside: Direction,
    /// The generation of the member that opened it, if that is another one.
    pub opener_generation: u32,
    /// The member that opened a hairpin, or that a visitor calls: of a service, at its own address since it was called at the
    /// virtual one; [`NO_MEMBER`] otherwise.
    pub opener: u16,
    /// The port or identifier of a SNAT address to give back when the flow is removed, if `has_snat_port`.
    snat_port: u16,
    has_snat_port: bool,
    /// The connection stands in what its client has of its virtual server, so that it is taken off there when it ends. What had begun before
    /// clients were limited, or found no place among them, does not.
    pub counts_for_client: bool,
    /// The caller's id of the virtual server whose connection it is, where those are counted; [`NO_VIRTUAL_SERVER`] otherwise.
    pub virtual_server: u16,
    /// When it was made, as the caller counts: what it refers to is what its ids and addresses meant then, and nothing that
    /// has come since.
    pub life: u32,
    /// The state of a TCP connection.
    pub track: Option<Track>,
    /// By [`Direction::index`], what the caller counts packets under that leave by the cached route of their side.
    pub(super) counted: CountedUnder,
}

/// What packets of each side are counted under. It is no part of what a flow is: two that differ in it are the same.
#[derive(Clone, Copy, Debug)]
pub(super) struct CountedUnder(pub(super) [u16; 2]);

impl PartialEq for CountedUnder {
    fn eq(&self, _: &CountedUnder) -> bool {
        true
    }
}

impl Eq for CountedUnder {}

impl<A: KeyAddress> Flow<A> {
    /// A flow from the tuples of its two directions, both as their packets arrive. A packet of one side leaves as the
    /// reverse of the other side's tuple. Belongs to no member, opened from inside, until the caller says otherwise.
    pub fn new(path: PathKind, opener: Tuple<A>, answer: Tuple<A>) -> Flow<A> {
        let deltas = [(opener, answer.reversed()), (answer, opener.reversed())]
            .map(|(arrives, leaves)| A::rewrite(&arrives, &leaves).deltas());
        Flow {
            keys: [Key::of(&opener), Key::of(&answer)],
            deltas,
            path,
            inside: Direction::Original,
            member: NO_MEMBER,
            generation: 0,
            opener: NO_MEMBER,
            opener_generation: 0,
            snat_port: 0,
            has_snat_port: false,
            counts_for_client: false,
            virtual_server: NO_VIRTUAL_SERVER,
            life: 0,
            track: None,
            counted: CountedUnder([0; 2]),
        }
    }

    /// A flow whose packets are not changed: the reply to `opener` passes as it is.
    pub fn routed(opener: Tuple<A>) -> Flow<A> {
        Flow::new(PathKind::Routed, opener, opener.reversed())
    }

    /// The port or identifier of a SNAT address to give back when the flow is removed.
    #[inline]
    pub fn snat_port(&self) -> Option<u16> {
        self.has_snat_port.then_some(self.snat_port)
    }

    /// That port is this one from now on.
    #[inline]
    pub fn set_snat_port(&mut self, port: Option<u16>) {
        (self.snat_port, self.has_snat_port) = (port.unwrap_or_default(), port.is_some());
    }

    /// Both keys, by [`Direction::index`].
    pub fn keys(&self) -> [Tuple<A>; 2] {
        [self.keys[0].tuple(), self.keys[1].tuple()]
    }

    /// The key of a side, as the table keeps it.
    #[inline]
    pub(super) fn stored(&self, side: Direction) -> &Key<A> {
        &self.keys[side.index()]
    }

    /// The tuple of a packet of this side as it arrives.
    #[inline]
    pub fn key(&self, side: Direction) -> Tuple<A> {
        self.keys[side.index()].tuple()
    }

    /// The tuple of a packet of this side as it leaves.
    #[inline]
    pub fn translated(&self, side: Direction) -> Tuple<A> {
        self.keys[side.other().index()].tuple().reversed()
    }

    /// The change that makes a packet of this side leave as it should.
    #[inline]
    pub fn rewrite(&self, side: Direction) -> Rewrite<A> {
        self.stored(side).change(self.stored(side.other()), self.deltas[side.index()])
    }

    /// TCP, UDP, ICMP echo, or one without ports.
    #[inline]
    pub fn protocol(&self) -> Protocol {
        self.keys[0].protocol()
    }

    /// What decides its lifetime. A routed connection counts as one while it opens and after it has closed, so that a
    /// flood of half-open ones leaves first.
    #[inline]
    pub fn class(&self) -> TimeoutClass {
        let tcp = self.track.map(|track| track.class());
        match (self.path, tcp, self.protocol()) {
            (PathKind::Routed, None, Protocol::Udp | Protocol::Other(_)) => TimeoutClass::Udp,
            (PathKind::Routed, None | Some(TimeoutClass::TcpEstablished), _) => TimeoutClass::Routed,
            (_, Some(class), _) => class,
            (_, None, Protocol::Tcp) => TimeoutClass::TcpEstablished,
            (_, None, Protocol::Udp | Protocol::Other(_)) => TimeoutClass::Udp,
            (_, None, Protocol::Icmp) => TimeoutClass::Icmp,
        }
    }

    /// Another appliance has to know it to go on with it. Not what a stranger can begin alone, of which a flood may come: a handshake
    /// under way, whose ends say all of it again, and the marker of a visitor, which the next datagram makes again.
    #[inline]
    pub fn is_standing(&self) -> bool {
        match (self.path, &self.track) {
            (PathKind::Service | PathKind::Routed, Some(track)) => track.is_mutual(),
            (PathKind::Routed, None) => false,
            (PathKind::Service | PathKind::Outbound | PathKind::Hairpin, _) => true,
        }
    }

    /// The state in the word an operator sees.
    pub fn state(&self) -> &'static str {
        self.track.map_or("open", |track| State::name(track.state()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Endpoint;
    use proptest::prelude::*;

    fn endpoint(addr: [u8; 4], port: u16) -> Endpoint {
        Endpoint::new(addr.into(), port)
    }

    /// A:41000 → b:5060, seen outside as V:41000.
    fn outbound(protocol: Protocol) -> Flow {
        let (member, peer) = (endpoint([10, 20, 0, 11], 41_000), endpoint([172, 16, 9, 9], 5060));
        let opener = Tuple::new(protocol, member, peer);
        Flow::new(PathKind::Outbound, opener, Tuple::new(protocol, peer, endpoint([10, 20, 0, 100], 41_000)))
    }

    #[test]
    fn two_keys_are_the_whole_translation() {
        let flow = outbound(Protocol::Tcp);
        assert_eq!(flow.translated(Direction::Original).to_string(), "tcp 10.20.0.100:41000 > 172.16.9.9:5060");
        assert_eq!(flow.translated(Direction::Reply).to_string(), "tcp 172.16.9.9:5060 > 10.20.0.11:41000");
        for side in Direction::BOTH {
            assert_eq!(flow.rewrite(side).changed(&flow.key(side)), flow.translated(side));
            assert_eq!(flow.rewrite(side).changes_source(), side == Direction::Original);
        }
    }

    #[test]
    fn a_routed_flow_changes_nothing_either_way() {
        let flow = Flow::routed(outbound(Protocol::Udp).key(Direction::Original));
        for side in Direction::BOTH {
            assert_eq!(flow.rewrite(side), Rewrite::default());
            assert_eq!(flow.translated(side), flow.key(side));
        }
        assert_eq!((flow.class(), flow.state()), (TimeoutClass::Udp, "open"));
    }

    #[test]
    fn a_flow_is_small() {
        assert!(size_of::<Flow>() <= 88, "{}", size_of::<Flow>());
        assert!(std::mem::offset_of!(Flow, deltas) <= 32, "what a packet is compared with is in the first cache line");
    }

    proptest! {
        /// The stored differences give what the keys give.
        #[test]
        fn a_rewrite_turns_one_key_into_the_other(addrs: [u32; 4], ports: [u16; 4], icmp: bool) {
            let protocol = if icmp { Protocol::Icmp } else { Protocol::Udp };
            let end = |i: usize| Endpoint::new(Ipv4Addr::from_bits(addrs[i]), ports[i]);
            let (opener, answer) = (Tuple::new(protocol, end(0), end(1)), Tuple::new(protocol, end(2), end(3)));
            let flow = Flow::new(PathKind::Hairpin, opener, answer);
            prop_assert_eq!(flow.rewrite(Direction::Original), Rewrite::between(&opener, &answer.reversed()));
            prop_assert_eq!(flow.rewrite(Direction::Reply), Rewrite::between(&answer, &opener.reversed()));
        }
    }
}
