//! Which path a packet takes: the first question, asked once, before any table is.
//!
//! Owns [`Path`], worked out from the interface a packet came in on, the owners of its two addresses, and its ports; and what
//! follows from the path alone: whether a flow is looked up, whether a fragment has to wait for the others, and which of its
//! addresses names the worker. Looks into no table that packets change.

use super::Engine;
use super::verdict::DropReason;
use crate::flow::key::Key;
use crate::flow::{SlotHint, Tag};
use crate::policy::Snapshot;
use crate::policy::intent::{InterfaceId, MemberId, PortId};
use crate::policy::snapshot::{AddressOwners, Owner};
use crate::wire::{Kind, Packet, Protocol, ipv4};

/// The paths through the appliance. *Outside* is whoever is neither ours, nor virtual, nor a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// ARP.
    Arp,
    /// To a self-IP; from this member, if from one.
    Local(Option<MemberId>),
    /// A datagram from outside to a service port: a place among the services of a virtual address.
    ServiceIn {
        /// A place in [`Snapshot::virtuals`].
        server: u16,
        /// A place in its services.
        service: u16,
    },
    /// A datagram that a member sends outside from a service port: a place in [`crate::policy::snapshot::MemberView::serves`].
    ServiceOut {
        /// Who.
        sender: MemberId,
        /// The place.
        served: u16,
    },
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
    /// No honest packet is addressed so, or it is not for us.
    Invalid(DropReason),
}

/// A packet's path, and where its flow is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classified {
    /// The path.
    pub path: Path,
    /// Where it came in; of no meaning where the path is invalid.
    pub interface: InterfaceId,
    /// What its flow is looked up by, if one will be.
    pub tag: Option<Tag>,
    /// Where its flow very probably is, once its index cell was read.
    pub hint: Option<SlotHint>,
}

impl Classified {
    /// Nothing was found out.
    pub const NOTHING: Classified =
        Classified { path: Path::Transit, interface: InterfaceId(0), tag: None, hint: None };
}

impl Path {
    /// The path of a packet that came in on `interface`.
    #[inline]
    pub fn of(packet: &Packet, interface: InterfaceId, snapshot: &Snapshot) -> Path {
        let owners = snapshot.owners(packet.src(), packet.dst());
        if matches!(packet.kind, Kind::Arp(_)) {
            return Path::Arp;
        }
        if let Some(reason) = martian(packet, &owners, interface, snapshot) {
            return Path::Invalid(reason);
        }
        let is_datagram = matches!(packet.kind, Kind::Udp);
        match Path::between(&owners) {
            Path::Inward(server) if is_datagram && snapshot.serves_datagrams(packet.dst_port()) => {
                let services = &snapshot.server(server).services;
                let at = services.iter().position(|it| it.listen.is(Protocol::Udp, packet.dst_port()));
                at.map_or(Path::Inward(server), |at| Path::ServiceIn { server, service: at as u16 })
            }
            Path::Outward(sender) if is_datagram && snapshot.serves_datagrams(packet.src_port()) => {
                let serves = &snapshot.member(sender).serves;
                let at = serves.iter().position(|it| it.listen.is(Protocol::Udp, packet.src_port()));
                at.map_or(Path::Outward(sender), |at| Path::ServiceOut { sender, served: at as u16 })
            }
            path => path,
        }
    }

    /// The path between two addresses, as far as their owners say.
    #[inline]
    pub fn between(owners: &AddressOwners) -> Path {
        match (owners.src, owners.dst) {
            (Some(Owner::Appliance(_) | Owner::Virtual(_)), _) => Path::Invalid(DropReason::SpoofedSource),
            (Some(Owner::Member(sender)), Some(Owner::Appliance(_))) => Path::Local(Some(sender)),
            (None, Some(Owner::Appliance(_))) => Path::Local(None),
            (None, Some(Owner::Virtual(server))) => Path::Inward(server),
            (None, Some(Owner::Member(member))) => Path::Direct(member),
            (Some(Owner::Member(sender)), Some(Owner::Virtual(server))) => Path::Hairpin { sender, server },
            (Some(Owner::Member(sender)), Some(Owner::Member(receiver))) => Path::Peer(sender, receiver),
            (Some(Owner::Member(sender)), None) => Path::Outward(sender),
            (None, None) => Path::Transit,
        }
    }

    /// A flow is looked up. Not for a datagram of a service port, whose place is known without one.
    #[inline]
    pub const fn needs_flow(&self) -> bool {
        matches!(self, Path::Inward(_) | Path::Outward(_) | Path::Direct(_) | Path::Hairpin { .. })
    }

    /// Where a datagram goes, and as what, cannot be told from one fragment of it: what is for us, for a virtual address, or
    /// from a member that may be translated. All other fragments are routed one by one. (Even what goes to the exclusion
    /// group may be translated: a connection that stood before the exclusion.)
    pub const fn whole_only(&self) -> bool {
        matches!(self, Path::Local(_) | Path::Inward(_) | Path::Hairpin { .. } | Path::Outward(_))
    }

    /// The members that the packet is from, and to.
    pub(super) const fn members(&self) -> [Option<MemberId>; 2] {
        match *self {
            Path::Outward(sender) | Path::ServiceOut { sender, .. } | Path::Hairpin { sender, .. } => {
                [Some(sender), None]
            }
            Path::Local(sender) => [sender, None],
            Path::Direct(receiver) => [None, Some(receiver)],
            Path::Peer(sender, receiver) => [Some(sender), Some(receiver)],
            Path::Arp | Path::ServiceIn { .. } | Path::Inward(_) | Path::Transit | Path::Invalid(_) => [None, None],
        }
    }
}

/// Why no honest packet has these addresses here, if none has (RFC 1812 5.3.7, 5.3.8; RFC 1122 3.2.1.3).
#[inline]
fn martian(packet: &Packet, owners: &AddressOwners, at: InterfaceId, snapshot: &Snapshot) -> Option<DropReason> {
    let (src, dst) = (packet.src(), packet.dst());
    let here = || snapshot.interface(at);
    // What is owned is no martian: the file would have been refused.
    let stranger = owners.src.is_none() && ipv4::is_martian(src);
    if stranger || (owners.broadcast && here().broadcasts(src)) {
        return Some(DropReason::MartianSource);
    }
    if matches!(owners.src, Some(Owner::Member(member)) if snapshot.member(member).interface != at) {
        return Some(DropReason::SpoofedSource);
    }
    let nowhere = owners.dst.is_none() && ipv4::is_martian(dst);
    let lost = nowhere || (owners.broadcast && here().broadcasts(dst));
    if !lost || matches!(owners.src, Some(Owner::Appliance(_) | Owner::Virtual(_))) {
        return None;
    }
    Some(DropReason::MartianDestination)
}

impl Engine {
    /// The path of a packet that came in on `port`, for [`super::Steering`] and for [`Engine::decide`].
    #[inline]
    pub fn classify(&self, packet: &Packet, port: PortId) -> Classified {
        let Some(interface) = self.snapshot.ingress_interface(port, packet.rx) else {
            return self.classify_stray(packet, port);
        };
        let path = Path::of(packet, interface, &self.snapshot);
        Classified { path, interface, tag: self.tag(packet, &path), hint: None }
    }

    /// The frame is for another MAC: ARP may be broadcast, all else is not for us.
    #[cold]
    fn classify_stray(&self, packet: &Packet, port: PortId) -> Classified {
        let invalid = |reason| Classified { path: Path::Invalid(reason), ..Classified::NOTHING };
        match (self.snapshot.interface_of(port, packet.vlan()), packet.kind) {
            (None, _) => invalid(DropReason::UnknownInterface),
            (Some(interface), Kind::Arp(_)) => Classified { path: Path::Arp, interface, ..Classified::NOTHING },
            (Some(_), _) => invalid(DropReason::NotForUs),
        }
    }

    #[inline]
    fn tag(&self, packet: &Packet, path: &Path) -> Option<Tag> {
        let protocol = if path.needs_flow() { packet.transport()? } else { return None };
        Some(self.state.flows.tag_of(&Key::of_words(packet.addresses, packet.ports, protocol)))
    }

    /// Prefetches the index cell of the packet's flow.
    #[inline]
    pub fn prefetch_bucket(&self, classified: &Classified) {
        if let Some(tag) = classified.tag {
            self.state.flows.prefetch_bucket(tag);
        }
    }

    /// Prefetches the packet's flow, once its index cell is near.
    #[inline]
    pub fn prefetch_entry(&self, classified: &mut Classified) {
        if let Some(tag) = classified.tag {
            classified.hint = self.state.flows.prefetch_entry(tag);
        }
    }
}
