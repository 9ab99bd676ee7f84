//! What lies on the link: next hops and their MAC addresses, and how frames leave towards them.
//!
//! Owns the input [`Adjacency`] to compiling a snapshot, and [`Egress`], all that a frame needs to leave. Resolution itself
//! (ARP, timers) lives in `control`.

pub use super::intent::NextHop;

use super::addresses::InterfaceView;
use super::intent::{
    Dscp, Intent, Interface, InterfaceId, LearnedRoute, Member, MonitorKind, NeighbourEntry, Pool, PortId, Route,
};
use crate::wire::Mac;
use crate::wire::ethernet::LinkHeader;
use std::collections::HashMap;
use std::fmt;
use std::net::Ipv4Addr;

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl Member {
    /// Where frames for it go.
    pub fn hop(&self) -> NextHop {
        NextHop { interface: self.interface, address: self.address }
    }
}

impl Route {
    /// Where frames by it go.
    pub fn hop(&self) -> NextHop {
        NextHop { interface: self.interface, address: self.via }
    }
}

impl NeighbourEntry {
    /// Where frames for it go.
    pub fn hop(&self) -> NextHop {
        NextHop { interface: self.interface, address: self.address }
    }
}

impl Intent {
    /// Where probes go that do not just go to a member, from its own link: by whom is asked.
    pub fn probed_hops(&self) -> HashMap<Ipv4Addr, NextHop> {
        let asked = |pool: &Pool| -> Vec<Ipv4Addr> {
            let monitors = pool.monitors.iter().map(|id| &self.monitors[*id]);
            // A program asks by the kernel's network.
            let ours = monitors.filter(|monitor| !matches!(monitor.kind, MonitorKind::External(_)));
            let apart = ours.filter(|monitor| monitor.address.or(monitor.source).is_some());
            let members = || pool.members.iter().map(|id| self.members[*id].address);
            apart.flat_map(|monitor| monitor.address.map_or_else(|| members().collect(), |one| vec![one])).collect()
        };
        let all = self.pools.iter().flat_map(asked);
        all.filter_map(|address| Some((address, self.hop_towards(address)?))).collect()
    }

    /// The host that a packet to `address` is handed to; of several that share the work, the first.
    pub fn hop_towards(&self, address: Ipv4Addr) -> Option<NextHop> {
        self.way_towards(address).map(|way| match way {
            Way::OnLink(interface) => NextHop { interface, address },
            Way::By(route) => route.hop(),
            Way::Learned(route) => route.hops[0].0,
        })
    }

    /// Every router that a route leads to; some come twice.
    pub fn routers(&self) -> impl Iterator<Item = NextHop> + '_ {
        let learned = self.learned.iter().flat_map(|route| route.hops.iter().map(|(hop, _)| *hop));
        self.routes.iter().map(Route::hop).chain(learned)
    }

    /// How a packet gets to `address`: by itself on a link of ours, else by the route with the longest prefix, of two the file's.
    pub fn way_towards(&self, address: Ipv4Addr) -> Option<Way<'_>> {
        let on_link = |interface: &Interface| interface.addresses.iter().any(|net| net.contains(&address));
        let link = self.interfaces.entries().find(|(_, interface)| on_link(interface));
        let by = || {
            let fixed = self.routes.iter().map(|route| (route.to, Way::By(route)));
            let learned = self.learned.iter().map(|route| (route.to, Way::Learned(route)));
            // Of equals the last one counts.
            let all = learned.chain(fixed).filter(|(to, _)| to.contains(&address));
            all.max_by_key(|(to, _)| to.prefix_len()).map(|(_, way)| way)
        };
        link.map(|(interface, _)| Way::OnLink(interface)).or_else(by)
    }
}

/// How a packet gets to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way<'a> {
    /// The host is on the network of this interface.
    OnLink(InterfaceId),
    /// This route names the router.
    By(&'a Route),
    /// This one was learned, and names one or several.
    Learned(&'a LearnedRoute),
}

/// What is known of a next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbour {
    /// It answers at this MAC.
    Reachable(Mac),
    /// It was asked often enough and does not answer.
    Failed,
}

/// All next hops of which anything is known. One that is missing has not been asked for, or is being asked.
pub type Adjacency = HashMap<NextHop, Neighbour, foldhash::fast::RandomState>;

/// Where and how a frame leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Egress {
    /// The NIC.
    pub port: PortId,
    /// From our MAC on that interface to the next hop's, with the interface's tag.
    pub link: LinkHeader,
    /// The largest IP datagram that may leave this way, in bytes; a larger one leaves in fragments.
    pub mtu: u16,
    /// What every packet has that leaves this way; `None`: what it came with.
    dscp: Option<Dscp>,
    /// The length in bytes of the link header that a frame has to have already to leave without another step; 0: each needs one.
    pub straight: u8,
}

impl Egress {
    /// Out of `interface` to the neighbour with this MAC.
    #[inline]
    pub fn of(interface: &InterfaceView, dst: Mac) -> Egress {
        let &InterfaceView { port, vlan, mac, mtu, .. } = interface;
        Egress::by(port, LinkHeader::new(dst, mac, vlan), mtu)
    }

    /// Out of the port with this link header.
    #[inline]
    pub fn by(port: PortId, link: LinkHeader, mtu: u16) -> Egress {
        Egress { port, link, mtu, dscp: None, straight: link.length() as u8 }
    }

    /// The same way; all that leaves by it has this code point.
    pub(super) fn marking(self, dscp: Dscp) -> Egress {
        Egress { dscp: Some(dscp), straight: 0, ..self }
    }

    /// What every packet has that leaves by it; `None`: what it came with.
    pub fn dscp(&self) -> Option<Dscp> {
        self.dscp
    }
}

/// A place among the ways out of one snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EgressId(pub u32);

/// Which code point packets leave with: a place among those of one snapshot, behind 0, which leaves them what they came with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark(pub(super) u8);

/// The code points that something leaves with, in order, each once.
#[derive(Clone, Debug)]
pub(super) struct Marks(Vec<Dscp>);

impl Marks {
    pub(super) fn of(intent: &Intent) -> Marks {
        let served = intent.virtual_servers.iter().filter_map(|server| server.dscp);
        let mut all: Vec<_> = served.chain(intent.snats.iter().filter_map(|snat| snat.dscp)).collect();
        all.sort_unstable_by_key(|dscp| dscp.value());
        all.dedup();
        Marks(all)
    }

    /// Which of them this one is.
    pub(super) fn mark(&self, dscp: Option<Dscp>) -> Mark {
        let place = dscp.and_then(|dscp| self.0.binary_search_by_key(&dscp.value(), |it| it.value()).ok());
        Mark(place.map_or(0, |place| place as u8 + 1))
    }

    /// A way out, and then the same with each of them.
    pub(super) fn variants(&self, egress: Egress) -> impl Iterator<Item = Egress> {
        std::iter::once(egress).chain(self.0.iter().map(move |dscp| egress.marking(*dscp)))
    }

    /// Nothing is marked.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a route leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hop {
    /// The destination is on the interface's link.
    OnLink(InterfaceId),
    /// A router: a place in the list of routers; or, from its end on, one of several: a place in the list of those.
    Via(u16),
}
