//! How a destination is reached.
//!
//! Owns [`Egress`], all that a frame needs to leave, and [`AdjacencyTable`]: the egress of every destination whose next hop is
//! known, worked out when a snapshot is compiled. Never says why there is none: the snapshot's routes and neighbours do.

use super::address_map::AddressMap;
use super::addresses::InterfaceView;
use super::adjacency::{Adjacency, Neighbour, NextHop};
use super::intent::{InterfaceId, PortId};
use super::prefix::PrefixMap;
use super::slots::Slots;
use crate::wire::Mac;
use crate::wire::ethernet::LinkHeader;
use std::net::Ipv4Addr;

/// Where and how a frame leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Egress {
    /// The NIC.
    pub port: PortId,
    /// From our MAC on that interface to the next hop's, with the interface's tag.
    pub link: LinkHeader,
    /// The largest IP datagram that may leave this way, in bytes; a larger one leaves in pieces.
    pub mtu: u16,
}

impl Egress {
    /// Out of `interface` to the neighbour with this MAC.
    #[inline]
    pub fn of(interface: &InterfaceView, dst: Mac) -> Egress {
        let &InterfaceView { port, vlan, mac, mtu, .. } = interface;
        Egress { port, link: LinkHeader::new(dst, mac, vlan), mtu }
    }
}

/// A place among the ways out of one snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EgressId(pub u32);

/// What a route leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hop {
    /// The destination is on the interface's link.
    OnLink(InterfaceId),
    /// A router: a place in the list of routers.
    Via(u16),
}

/// The ways that are open now, each with a number that is good as long as this object.
#[derive(Clone, Debug)]
pub(super) struct AdjacencyTable {
    all: Box<[Egress]>,
    /// To hosts on our links, by number.
    hosts: AddressMap<EgressId>,
    /// Through routers, by their place in the list of routers: numbers.
    gateways: Box<[Option<EgressId>]>,
}

impl AdjacencyTable {
    /// From what lies on the links, and how destinations are routed.
    pub(super) fn new(
        adjacency: &Adjacency,
        routes: &PrefixMap<Hop>,
        routers: &[NextHop],
        interfaces: &Slots<InterfaceId, InterfaceView>,
    ) -> AdjacencyTable {
        let egress = |hop: &NextHop| match adjacency.get(hop) {
            Some(Neighbour::Reachable(mac)) => {
                let interface = &interfaces[hop.interface];
                (!interface.broadcasts(hop.address)).then(|| Egress::of(interface, *mac))
            }
            _ => None,
        };
        // A host that is on a link, but reached through a router all the same, goes the way of the route.
        let on_link = |hop: &&NextHop| routes.find(hop.address) == Some(Hop::OnLink(hop.interface));
        let mut all = Vec::new();
        let mut number = |hop: &NextHop| {
            all.push(egress(hop)?);
            Some(EgressId(all.len() as u32 - 1))
        };
        let hosts: Vec<_> =
            adjacency.keys().filter(on_link).filter_map(|hop| Some((hop.address, number(hop)?))).collect();
        let gateways = routers.iter().map(number).collect();
        AdjacencyTable { hosts: AddressMap::new(hosts), gateways, all: all.into() }
    }

    /// The way to `destination`, if it is open.
    #[inline]
    pub(super) fn lookup(&self, destination: Ipv4Addr, routes: &PrefixMap<Hop>) -> Option<EgressId> {
        if let Some(number) = self.hosts.get(destination) {
            return Some(*number);
        }
        match routes.find(destination)? {
            Hop::Via(router) => *self.gateways.get(usize::from(router))?,
            Hop::OnLink(_) => None,
        }
    }

    /// The way out at a place that [`AdjacencyTable::lookup`] has named.
    #[inline]
    pub(super) fn egress(&self, id: EgressId) -> &Egress {
        &self.all[id.0 as usize]
    }
}
