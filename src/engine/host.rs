//! What goes to the kernel's device of an interface.
//!
//! Owns the split of what is sent to the appliance itself, on an interface that has such a device: what is Fairlead's own is never seen by
//! the kernel, but for copies from which it learns its neighbours and whom its pings reach. Each class has a budget of its own, so that
//! no flood costs a routing daemon its neighbours.

use super::Engine;
use super::path::{Classified, Path};
use super::verdict::{IgnoreReason, PuntReason, Verdict};
use super::walk::Walk;
use crate::policy::snapshot::AddressClass;
use crate::time::Instant;
use crate::wire::arp::{Arp, Operation};
use crate::wire::{Kind, Packet, sip};
use std::net::Ipv4Addr;

/// RFC 4271 4.
const BGP: u16 = 179;
/// One hop, its echo, and several hops (RFC 5881 4, RFC 5883 5).
const BFD: [u16; 3] = [3784, 3785, 4784];
/// RFC 2328 A.1.
const OSPF: u8 = 89;
/// RFC 9568 5.1.1.4.
const VRRP: u8 = 112;

impl Engine {
    /// Whether the kernel gets a copy of a packet that was decided about, as a verdict of its own; `None`: it does not concern it.
    pub fn copy_to_host(&mut self, packet: &Packet, classified: Classified, now: Instant) -> Option<Verdict> {
        let mut walk = Walk::new(self, packet, classified, sip::Facts::Other, now);
        let reason = match packet.kind {
            Kind::Arp(arp) if walk.teaches_the_kernel(&arp) => PuntReason::HostArp,
            Kind::Echo { request: false } if matches!(classified.path, Path::Local(_)) => PuntReason::HostEcho,
            _ => return None,
        };
        walk.ingress().has_host.then(|| walk.punt(reason))
    }
}

impl Walk<'_> {
    /// The frame goes to the kernel, within the budget of its class.
    pub(super) fn hand_to_host(&mut self) -> Verdict {
        match self.is_of_routing() {
            true => self.punt_of_routing(),
            false => self.punt(PuntReason::Host),
        }
    }

    /// What comes from beyond the link, where anybody is, takes nothing from the neighbours on it, nor one of these, or another link, from the
    /// others.
    fn punt_of_routing(&mut self) -> Verdict {
        let sender = self.packet.src();
        match self.ingress().holds(sender) {
            true => self.state.punts.punt_of_neighbour(self.classified.interface, sender, self.now),
            false => self.punt(PuntReason::HostRoutingFar),
        }
    }

    /// To a group that routers of one link speak to (RFC 5771 4), where the kernel listens for them; anything else to many is ignored.
    pub(super) fn background(&mut self, reason: IgnoreReason) -> Verdict {
        let to_routers = reason == IgnoreReason::Multicast && self.packet.dst().octets().starts_with(&[224, 0, 0]);
        match to_routers && self.ingress().has_host {
            true => self.punt_of_routing(),
            false => Verdict::Ignore(reason),
        }
    }

    /// The quoted packet was sent by the kernel, and not to probe.
    pub(super) fn is_of_the_kernel(&self, from: Ipv4Addr) -> bool {
        self.ingress().has_host && matches!(self.snapshot.class(from), AddressClass::SelfIp(_))
    }

    fn is_of_routing(&self) -> bool {
        let ports = [self.packet.src_port(), self.packet.dst_port()];
        match self.packet.kind {
            Kind::Tcp(_) => ports.contains(&BGP),
            Kind::Udp => BFD.contains(&self.packet.dst_port()),
            _ => matches!(self.packet.protocol, OSPF | VRRP),
        }
    }

    /// A reply, a request for a self-IP, or an announcement, from another station than ourselves.
    fn teaches_the_kernel(&self, arp: &Arp) -> bool {
        let for_a_self_ip = matches!(self.snapshot.class(arp.target), AddressClass::SelfIp(_));
        let is_meant = arp.operation == Operation::Reply || for_a_self_ip || arp.sender == arp.target;
        is_meant && !self.snapshot.addresses.is_our_mac(arp.sender_mac)
    }
}
