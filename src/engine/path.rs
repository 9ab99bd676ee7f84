//! Which path a packet takes: the first question, asked once, before any table is.
//!
//! Owns [`Path`], worked out from the interface a packet came in on, the owners of its two addresses, and its ports; and what
//! follows from the path alone: whether a flow is looked up, whether a fragment has to wait for the others, and which of its
//! addresses names the worker. Looks into no table that packets change.

use super::Engine;
use super::verdict::{DropReason, IgnoreReason};
use crate::flow::key::Key;
use crate::flow::{SlotHint, Tag};
use crate::policy::Snapshot;
use crate::policy::intent::{InterfaceId, MemberId, PortId};
use crate::policy::snapshot::{AddressClass, AddressOwners, DatagramPort};
use crate::wire::{Kind, Mac, Packet, ipv4};
use std::net::Ipv4Addr;

/// The paths through the appliance. *Outside* is whoever is neither ours, nor virtual, nor a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// ARP.
    Arp,
    /// To a self-IP; from this member, if from one.
    Local(Option<MemberId>),
    /// A datagram from outside to a service port of a pair, by its place: see [`Snapshot::datagrams_in`].
    ServiceIn(u16),
    /// A datagram that a member sends outside from a service port, by its place: see [`Snapshot::datagrams_out`].
    ServiceOut(u16),
    /// Anything else from outside to a virtual address, a place in [`Snapshot::virtuals`].
    Inward(u16),
    /// Anything else from a member to somebody outside.
    Outward(MemberId),
    /// From outside to a member's own address.
    Direct(MemberId),
    /// From a member to a virtual address.
    Hairpin {
        /// Who.
        sender: MemberId,
        /// A place in [`Snapshot::virtuals`].
        server: u16,
    },
    /// From member to member: never seen when netmasks are right.
    Peer(MemberId, MemberId),
    /// From outside to outside.
    Transit,
    /// To all hosts of a link, or some, and nothing to us.
    Background(IgnoreReason),
    /// No honest packet is addressed so, or it is not for us.
    Invalid(DropReason),
}

/// A packet's path, and where it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classified {
    /// The path.
    pub path: Path,
    /// Where it came in; of no meaning where the path is invalid.
    pub interface: InterfaceId,
    /// See [`Lookup`].
    pub(super) tag: Option<Tag>,
}

/// Where a packet is found: asked before anything is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The service port that a datagram is to or from.
    port: Option<DatagramPort>,
    /// What its flow is looked up by, if it can have one; and if it has none, its kept route.
    tag: Option<Tag>,
    /// Where its flow very probably is, once its index cell was read.
    pub(super) hint: SlotHint,
}

impl Lookup {
    /// Nothing was found out.
    pub const NOTHING: Lookup = Lookup { port: None, tag: None, hint: SlotHint::NONE };

    /// What a datagram is to or from, if to or from a service port.
    #[inline(always)]
    pub const fn service_port(&self) -> Option<DatagramPort> {
        self.port
    }

    /// What a kept route is looked up by, of a packet that can have one and certainly has no flow.
    #[inline(always)]
    pub(super) fn without_flow(&self) -> Option<Tag> {
        self.tag.filter(|_| self.hint == SlotHint::NONE)
    }
}

impl Classified {
    /// Of a datagram that came in on `interface` and takes the path of its service port.
    const fn service(path: Path, interface: InterfaceId) -> Classified {
        Classified { path, interface, tag: None }
    }
}

impl Path {
    /// The path of a packet that came in on `interface`; `port` is what [`Snapshot::datagram_port`] says, of a datagram.
    #[inline(always)]
    pub fn of(packet: &Packet, interface: InterfaceId, snapshot: &Snapshot, port: Option<DatagramPort>) -> Path {
        match port {
            Some(DatagramPort::In(at)) if is_service_in(packet, interface, snapshot) => return Path::ServiceIn(at),
            Some(DatagramPort::Out(at)) if is_service_out(packet, at, interface, snapshot) => {
                return Path::ServiceOut(at);
            }
            _ => {}
        }
        if matches!(packet.kind, Kind::Arp(_)) {
            return Path::Arp;
        }
        let owners = snapshot.owners(packet.src(), packet.dst());
        let path = martian(packet, &owners, interface, snapshot).map_or_else(|| Path::between(&owners), Path::Invalid);
        if snapshot.pair.is_standby { path.on_standby(packet, snapshot) } else { path }
    }

    /// The same at the standby of a pair: what it has itself is served, and nothing else, as what it forwarded would be half of a
    /// conversation whose other half the active one sees.
    #[cold]
    fn on_standby(self, packet: &Packet, snapshot: &Snapshot) -> Path {
        let is_floating = |address| {
            let is_known = matches!(snapshot.class(address), AddressClass::SelfIp(_) | AddressClass::Virtual(_));
            is_known && !snapshot.addresses.is_ours(address)
        };
        match self {
            Path::Local(_) | Path::Invalid(_) if ![packet.src(), packet.dst()].into_iter().any(is_floating) => self,
            Path::Arp | Path::Background(_) => self,
            _ => Path::Invalid(DropReason::PairStandby),
        }
    }

    /// The path between two addresses, as far as their owners say.
    #[inline(always)]
    pub fn between(owners: &AddressOwners) -> Path {
        use AddressClass::{Broadcast, Member, Other, SelfIp, Virtual};
        match (owners.src, owners.dst) {
            (Other | Broadcast, Virtual(server)) => Path::Inward(server),
            (Member(sender, _), Other | Broadcast) => Path::Outward(sender),
            (Other | Broadcast, Other | Broadcast) => Path::Transit,
            (Other | Broadcast, Member(member, _)) => Path::Direct(member),
            (Member(sender, _), Virtual(server)) => Path::Hairpin { sender, server },
            (Member(sender, _), Member(receiver, _)) => Path::Peer(sender, receiver),
            (Member(sender, _), SelfIp(_)) => Path::Local(Some(sender)),
            (Other | Broadcast, SelfIp(_)) => Path::Local(None),
            (SelfIp(_) | Virtual(_), _) => Path::Invalid(DropReason::SpoofedSource),
        }
    }

    /// Where a datagram goes, and as what, cannot be known from one fragment of it: what is for us, for a virtual address, or
    /// from a member that may be translated. All other fragments are routed one by one. (Even what goes to the exclusion
    /// group may be translated: a connection that stood before the exclusion.)
    pub const fn whole_only(&self) -> bool {
        matches!(self, Path::Local(_) | Path::Inward(_) | Path::Hairpin { .. } | Path::Outward(_))
    }

    /// The members that the packet is from, and to.
    pub(super) const fn members(&self) -> [Option<MemberId>; 2] {
        match *self {
            Path::Outward(sender) | Path::Hairpin { sender, .. } => [Some(sender), None],
            Path::Local(sender) => [sender, None],
            Path::Direct(receiver) => [None, Some(receiver)],
            Path::Peer(sender, receiver) => [Some(sender), Some(receiver)],
            Path::Arp
            | Path::ServiceIn(_)
            | Path::ServiceOut(_)
            | Path::Inward(_)
            | Path::Transit
            | Path::Background(_)
            | Path::Invalid(_) => [None, None],
        }
    }
}

/// Why no honest packet has these addresses here, if none has (RFC 1812 5.3.7, 5.3.8; RFC 1122 3.2.1.3). What is owned is no
/// martian: the file would have been refused.
#[inline(always)]
fn martian(packet: &Packet, owners: &AddressOwners, at: InterfaceId, snapshot: &Snapshot) -> Option<DropReason> {
    let never = |class, address| is_never(class, address, at, snapshot);
    match owners.src {
        AddressClass::Member(_, interface) if interface != at => Some(DropReason::SpoofedSource),
        // It is dropped for its source.
        AddressClass::SelfIp(_) | AddressClass::Virtual(_) => None,
        class if never(class, packet.src()) => Some(DropReason::MartianSource),
        _ if never(owners.dst, packet.dst()) => Some(DropReason::MartianDestination),
        _ => None,
    }
}

/// A datagram to a service port is from outside.
#[inline(always)]
fn is_service_in(packet: &Packet, at: InterfaceId, snapshot: &Snapshot) -> bool {
    is_stranger(packet.src(), at, snapshot)
}

/// A datagram from this service port of a member comes from where that lives, and goes outside.
#[inline(always)]
fn is_service_out(packet: &Packet, place: u16, at: InterfaceId, snapshot: &Snapshot) -> bool {
    snapshot.datagrams_out(place).interface == at && is_stranger(packet.dst(), at, snapshot)
}

/// The address is neither ours, nor virtual, nor a member's, and a packet on this interface may have it.
#[inline(always)]
fn is_stranger(address: Ipv4Addr, at: InterfaceId, snapshot: &Snapshot) -> bool {
    let class = snapshot.class(address);
    matches!(class, AddressClass::Other | AddressClass::Broadcast) && !is_never(class, address, at, snapshot)
}

/// No packet on this interface has an address of this class.
#[inline(always)]
fn is_never(class: AddressClass, address: Ipv4Addr, at: InterfaceId, snapshot: &Snapshot) -> bool {
    match class {
        AddressClass::Other => ipv4::is_martian(address),
        AddressClass::Broadcast => ipv4::is_martian(address) || snapshot.interface(at).broadcasts(address),
        _ => false,
    }
}

impl Engine {
    /// Where a packet is found: a datagram by its service port, or whatever can have a flow by its flow's tag. Prefetches the
    /// flow's index cell.
    #[inline(always)]
    pub fn look_up(&self, packet: &Packet, into: &mut Lookup) {
        *into = Lookup::NOTHING;
        if matches!(packet.kind, Kind::Udp) {
            into.port = self.snapshot.datagram_port(packet);
        }
        if packet.plain && into.port.is_none() {
            let tag = self.state.flows.tag_of(&Key::of_packet(packet));
            self.state.flows.prefetch_bucket(tag);
            into.tag = Some(tag);
        }
    }

    /// Prefetches the packet's flow, once its index cell is near.
    #[inline(always)]
    pub fn prefetch_entry(&self, lookup: &mut Lookup) {
        if let Some(tag) = lookup.tag {
            lookup.hint = self.state.flows.prefetch_entry(tag);
        }
    }

    /// The place of a datagram to a service port that takes the path of it, [`Path::ServiceIn`]; what [`Engine::classify_found`] says
    /// of it as well.
    #[inline(always)]
    pub fn service_in(&self, packet: &Packet, port: PortId, lookup: &Lookup) -> Option<(u16, Classified)> {
        let Some(DatagramPort::In(at)) = lookup.port else { return None };
        let interface = self.snapshot.ingress_interface(port, packet.rx)?;
        let takes = is_service_in(packet, interface, &self.snapshot);
        takes.then(|| (at, Classified::service(Path::ServiceIn(at), interface)))
    }

    /// The same of a datagram from a member's service port, and [`Path::ServiceOut`].
    #[inline(always)]
    pub fn service_out(&self, packet: &Packet, port: PortId, lookup: &Lookup) -> Option<(u16, Classified)> {
        let Some(DatagramPort::Out(at)) = lookup.port else { return None };
        let interface = self.snapshot.ingress_interface(port, packet.rx)?;
        let takes = is_service_out(packet, at, interface, &self.snapshot);
        takes.then(|| (at, Classified::service(Path::ServiceOut(at), interface)))
    }

    /// The path of a packet that came in on `port`.
    #[inline]
    pub fn classify(&self, packet: &Packet, port: PortId) -> Classified {
        let mut lookup = Lookup::NOTHING;
        self.look_up(packet, &mut lookup);
        self.classify_found(packet, port, &lookup)
    }

    /// As [`Engine::classify`], of a packet whose flow was looked for.
    #[inline(always)]
    pub fn classify_found(&self, packet: &Packet, port: PortId, lookup: &Lookup) -> Classified {
        match self.snapshot.ingress_interface(port, packet.rx) {
            Some(interface) => {
                let path = Path::of(packet, interface, &self.snapshot, lookup.port);
                Classified { path, interface, tag: lookup.tag }
            }
            None => self.classify_stray(packet, port),
        }
    }

    /// The frame is for another MAC: ARP may be broadcast, all else is not for us.
    #[cold]
    fn classify_stray(&self, packet: &Packet, port: PortId) -> Classified {
        let (interface, dst) = (self.snapshot.interface_of(port, packet.vlan()), packet.dst_mac());
        let path = match (interface, packet.kind) {
            (Some(_), Kind::Arp(_)) => Path::Arp,
            (Some(_), _) if dst == Mac::BROADCAST => Path::Background(IgnoreReason::Broadcast),
            (Some(_), _) if dst.is_group() => Path::Background(IgnoreReason::Multicast),
            (Some(_), _) => Path::Invalid(DropReason::NotForUs),
            (None, _) if dst.is_group() => Path::Background(IgnoreReason::OtherVlan),
            (None, _) => Path::Invalid(DropReason::UnknownInterface),
        };
        Classified { path, interface: interface.unwrap_or(InterfaceId(0)), tag: None }
    }
}
