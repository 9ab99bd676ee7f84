//! What the workers read: one immutable object for one epoch.
//!
//! Owns [`Snapshot`], compiled from intent, health and adjacency. Everything a packet needs to ask is answered in constant
//! or logarithmic time, with rewrites and ways out worked out beforehand. Never changed once built: a new one replaces
//! it, and the old one travels home to be dropped where it was made.

mod parts;

use super::address_map::AddressMap;
use super::adjacency::{Adjacency, Neighbour, NextHop};
use super::health::{Generation, Health, State};
use super::intent::*;
use super::prefix::PrefixMap;
use super::way::{Egress, Hop, Ways};
use crate::wire::{Mac, Protocol, Rewrite, VlanId};
use ipnet::Ipv4Net;
use std::collections::HashMap;
use std::net::Ipv4Addr;

type FastMap<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// Words of 64 bits that have a bit for every port.
const PORT_WORDS: usize = 1024;

/// Counts published snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// The workers' view of the world.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Which one this is.
    pub epoch: Epoch,
    /// The interfaces; an [`InterfaceId`] is a place in this list.
    pub interfaces: Vec<InterfaceView>,
    /// The members; a [`MemberId`] is a place in this list.
    pub members: Vec<MemberView>,
    /// The pools; a [`PoolId`] is a place in this list.
    pub pools: Vec<PoolView>,
    /// The virtual addresses.
    pub virtuals: Vec<VirtualView>,
    /// How long idle flows are kept.
    pub timeouts: Timeouts,
    /// Bounds.
    pub limits: Limits,
    known: AddressMap<Known>,
    /// Service ports of UDP, of whichever address: a bit for each port.
    datagram_ports: Box<[u64; PORT_WORDS]>,
    tags: Vec<Vec<(Option<VlanId>, InterfaceId)>>,
    routes: PrefixMap<Hop>,
    routers: Vec<NextHop>,
    neighbours: FastMap<NextHop, Neighbour>,
    ways: Ways,
}

/// Whose an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A self-IP of the appliance, on this interface.
    Appliance(InterfaceId),
    /// A virtual address: a place in [`Snapshot::virtuals`].
    Virtual(u16),
    /// A member's physical address.
    Member(MemberId),
}

/// What is known of an address.
#[derive(Clone, Copy, Debug)]
enum Known {
    Owned(Owner),
    /// All hosts of one of our networks: nobody's, and on that network's interface no address of a packet.
    Broadcast,
}

/// Whose the two addresses of a packet are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The source's owner.
    pub from: Option<Owner>,
    /// The destination's.
    pub to: Option<Owner>,
    /// One of them is the broadcast address of a network of ours.
    pub broadcast: bool,
}

/// An interface as the workers need it.
#[derive(Clone, Debug)]
pub struct InterfaceView {
    /// The NIC.
    pub port: PortId,
    /// The tag.
    pub vlan: Option<VlanId>,
    /// Our MAC on it.
    pub mac: Mac,
    /// Self-IPs with their networks; never empty.
    pub addresses: Vec<Ipv4Net>,
    /// In bytes.
    pub mtu: u16,
}

impl InterfaceView {
    /// The self-IP that speaks to `peer`: the one in its network, else the first.
    pub fn address_towards(&self, peer: Ipv4Addr) -> Ipv4Addr {
        self.addresses.iter().find(|net| net.contains(&peer)).unwrap_or(&self.addresses[0]).addr()
    }

    /// One of the interface's networks holds `address`.
    pub fn holds(&self, address: Ipv4Addr) -> bool {
        self.addresses.iter().any(|net| net.contains(&address))
    }

    /// `address` is the directed broadcast address of one of the interface's networks.
    pub fn broadcasts(&self, address: Ipv4Addr) -> bool {
        self.addresses.iter().any(|net| net.prefix_len() < 31 && net.broadcast() == address)
    }
}

/// A member as the workers need it.
#[derive(Clone, Debug)]
pub struct MemberView {
    /// Its physical address.
    pub address: Ipv4Addr,
    /// Its pool.
    pub pool: PoolId,
    /// Where it lives.
    pub interface: InterfaceId,
    /// Its state.
    pub state: State,
    /// It does not answer on the link: its host is dead, or cut off.
    pub gone: bool,
    /// See [`super::health::MemberHealth::may_claim`].
    pub may_claim: bool,
    /// See [`super::health::MemberHealth::lost_before`].
    pub lost_before: Generation,
    /// The virtual address the world knows it by; its own when its pool has none. Steering sees only this one, so both
    /// ends of a hairpin name the same worker.
    pub public: Ipv4Addr,
    /// Its service ports, with what a packet from there becomes.
    pub serves: Vec<Served>,
}

impl MemberView {
    /// What its packets from `protocol`/`port` become, if that is a service port.
    #[inline]
    pub fn served(&self, protocol: Protocol, port: u16) -> Option<&Served> {
        self.serves.iter().find(|served| served.listen.port == port && served.listen.protocol == protocol)
    }
}

/// A service port of a member's.
#[derive(Clone, Debug)]
pub struct Served {
    /// Protocol and port.
    pub listen: Listen,
    /// The virtual address it is reached at.
    pub address: Ipv4Addr,
    /// Makes a packet from there wear the virtual address.
    pub rewrite: Rewrite,
}

/// A pool as the workers need it.
#[derive(Clone, Debug)]
pub struct PoolView {
    /// Where clients go.
    pub active: Option<MemberId>,
    /// Counts changes of `active`.
    pub generation: Generation,
    /// Nobody is active because not every member has been heard of yet: whether one is will be known in a moment.
    pub undecided: bool,
    /// What becomes of clients while `active` is `None`.
    pub no_member: NoMember,
    /// What becomes of a lost member's TCP.
    pub on_down_tcp: OnDownTcp,
    /// The virtual address the world knows its members by; unspecified when there is none.
    pub public: Ipv4Addr,
    /// Service ports of the pool's virtual servers, with the address each is reached at.
    pub services: Vec<(Listen, Ipv4Addr)>,
    /// Source translation of what its members send.
    pub snat: Option<SnatView>,
}

impl PoolView {
    /// The virtual address that `protocol`/`port` is a service port of.
    #[inline]
    pub fn service(&self, protocol: Protocol, port: u16) -> Option<Ipv4Addr> {
        self.services.iter().find(|(l, _)| l.port == port && l.protocol == protocol).map(|&(_, address)| address)
    }
}

/// Source translation of a pool.
#[derive(Clone, Debug)]
pub struct SnatView {
    /// The source address given.
    pub address: Ipv4Addr,
    /// Ports of that address that are never handed out: the service ports of every virtual server on it.
    pub reserved: Vec<u16>,
    exclude: PrefixMap<()>,
    untranslated_udp_ports: Vec<u16>,
    /// See [`Snat::resumes`].
    pub resumes: bool,
}

impl SnatView {
    /// `destination` is in the exclusion group.
    #[inline]
    pub fn excludes(&self, destination: Ipv4Addr) -> bool {
        self.exclude.find(destination).is_some()
    }

    /// Datagrams a member sends from this port are not translated.
    pub fn leaves_udp_port(&self, port: u16) -> bool {
        self.untranslated_udp_ports.contains(&port)
    }
}

/// A virtual address and what listens there.
#[derive(Clone, Debug)]
pub struct VirtualView {
    /// The address.
    pub address: Ipv4Addr,
    /// Its service ports.
    pub services: Vec<ServiceView>,
    /// When echo requests are answered: by the first virtual server on the address.
    pub echo: EchoPolicy,
    /// The pool that policy looks at.
    pub pool: PoolId,
    /// What becomes of packets that match nothing: as the first virtual server on the address says.
    pub unmatched: Unmatched,
    /// Members go out with this address.
    pub wears: bool,
}

impl VirtualView {
    /// The service at `protocol`/`port`.
    #[inline]
    pub fn service(&self, protocol: Protocol, port: u16) -> Option<&ServiceView> {
        self.services.iter().find(|s| s.listen.port == port && s.listen.protocol == protocol)
    }
}

/// A service port of a virtual address.
#[derive(Clone, Debug)]
pub struct ServiceView {
    /// Protocol and port.
    pub listen: Listen,
    /// Who serves it.
    pub pool: PoolId,
    /// `false`: refused, never routed onward.
    pub enabled: bool,
    /// What becomes of a packet that goes to the active member, if there is one and it is on the link.
    pub ready: Option<Ready>,
}

/// What becomes of a packet to a service port, worked out beforehand.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Makes the member its destination; its port stays.
    pub rewrite: Rewrite,
    /// The way to the member.
    pub egress: Egress,
}

impl Snapshot {
    /// The snapshot of what is meant, who is alive and what lies on the link. `macs` holds our MAC on each port, in the
    /// order of [`Intent::ports`].
    ///
    /// # Panics
    /// When `health` or `macs` are not parallel to the intent: a fault of the caller's, not of any input.
    pub fn compile(intent: &Intent, health: &Health, adjacency: &Adjacency, macs: &[Mac], epoch: Epoch) -> Snapshot {
        assert_eq!(
            (health.members.len(), health.pools.len(), macs.len()),
            (intent.members.len(), intent.pools.len(), intent.ports.len()),
        );
        let interfaces: Vec<_> = intent.interfaces.iter().map(|i| parts::interface(i, macs)).collect();
        let (routers, virtuals) = (parts::routers(intent), parts::virtuals(intent));
        let routes = parts::routes(intent, &routers);
        let mut world = Snapshot {
            epoch,
            members: (0..intent.members.len()).map(|at| parts::member(intent, health, adjacency, at)).collect(),
            pools: (0..intent.pools.len()).map(|at| parts::pool(intent, health, at)).collect(),
            timeouts: intent.timeouts,
            limits: intent.limits,
            known: parts::known(intent, &virtuals),
            datagram_ports: parts::datagram_ports(&virtuals),
            tags: parts::tags(intent),
            ways: Ways::new(adjacency, &routes, &routers, &interfaces),
            neighbours: adjacency.iter().map(|(hop, neighbour)| (*hop, *neighbour)).collect(),
            interfaces,
            routes,
            routers,
            virtuals,
        };
        world.make_ready();
        world
    }

    /// Works out what becomes of packets to service ports.
    fn make_ready(&mut self) {
        for at in 0..self.virtuals.len() {
            let server = &self.virtuals[at];
            let ready: Vec<_> = server.services.iter().map(|service| self.ready(server.address, service)).collect();
            let services = &mut self.virtuals[at].services;
            services.iter_mut().zip(ready).for_each(|(service, ready)| service.ready = ready);
        }
    }

    fn ready(&self, address: Ipv4Addr, service: &ServiceView) -> Option<Ready> {
        let member = self.member(self.pool(service.pool).active?);
        let Listen { protocol, port } = service.listen;
        let egress = *self.way(member.address)?;
        Some(Ready { rewrite: parts::readdressed(protocol, address, member.address, port), egress })
    }

    /// Whose `address` is, if it is the appliance's, virtual, or a member's.
    #[inline]
    pub fn owner(&self, address: Ipv4Addr) -> Option<Owner> {
        match self.known.get(address) {
            Some(Known::Owned(owner)) => Some(*owner),
            Some(Known::Broadcast) | None => None,
        }
    }

    /// Whose the addresses of a packet from `src` to `dst` are.
    #[inline]
    pub fn ends(&self, src: Ipv4Addr, dst: Ipv4Addr) -> Ends {
        let mut broadcast = false;
        let mut owner = |address| match self.known.get(address) {
            Some(Known::Owned(owner)) => Some(*owner),
            Some(Known::Broadcast) => {
                broadcast = true;
                None
            }
            None => None,
        };
        let (from, to) = (owner(src), owner(dst));
        Ends { from, to, broadcast }
    }

    /// Some virtual server listens at this port for datagrams.
    #[inline]
    pub fn serves_datagrams(&self, port: u16) -> bool {
        self.datagram_ports[usize::from(port >> 6)] >> (port & 63) & 1 == 1
    }

    /// The interface that frames with this tag on this port belong to.
    #[inline]
    pub fn interface_of(&self, port: PortId, vlan: Option<VlanId>) -> Option<InterfaceId> {
        self.tags.get(port.index())?.iter().find(|(tag, _)| *tag == vlan).map(|&(_, id)| id)
    }

    /// The interface itself.
    #[inline]
    pub fn interface(&self, id: InterfaceId) -> &InterfaceView {
        &self.interfaces[id.index()]
    }

    /// The member itself.
    #[inline]
    pub fn member(&self, id: MemberId) -> &MemberView {
        &self.members[id.index()]
    }

    /// The virtual address itself.
    #[inline]
    pub fn server(&self, at: u16) -> &VirtualView {
        &self.virtuals[usize::from(at)]
    }

    /// The pool itself.
    #[inline]
    pub fn pool(&self, id: PoolId) -> &PoolView {
        &self.pools[id.index()]
    }

    /// The next hop on the way to `destination`: the most specific of connected networks and static routes.
    #[inline]
    pub fn next_hop(&self, destination: Ipv4Addr) -> Option<NextHop> {
        match self.routes.find(destination)? {
            Hop::OnLink(interface) => Some(NextHop { interface, address: destination }),
            Hop::Via(router) => self.routers.get(usize::from(router)).copied(),
        }
    }

    /// The way to `destination`, if its next hop is known. If not, [`Snapshot::next_hop`] and [`Snapshot::neighbour`] tell
    /// why.
    #[inline]
    pub fn way(&self, destination: Ipv4Addr) -> Option<&Egress> {
        self.ways.to(destination, &self.routes)
    }

    /// What is known of a next hop.
    #[inline]
    pub fn neighbour(&self, hop: NextHop) -> Option<Neighbour> {
        self.neighbours.get(&hop).copied()
    }

    /// The next hop is a member or a router: much depends on it, and nobody can choose it.
    pub fn is_kept(&self, hop: NextHop) -> bool {
        matches!(self.owner(hop.address), Some(Owner::Member(_))) || self.routers.contains(&hop)
    }

    /// Every address that traffic of the members' wears: virtual ones, and those given by SNAT.
    pub fn worn_addresses(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        self.virtuals.iter().map(|server| server.address).chain(self.snat_addresses())
    }

    /// `address` is one of them.
    pub fn wears(&self, address: Ipv4Addr) -> bool {
        self.worn_addresses().any(|worn| worn == address)
    }

    /// Every SNAT address: those that ports may be claimed at.
    pub fn snat_addresses(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        self.pools.iter().filter_map(|pool| pool.snat.as_ref()).map(|snat| snat.address)
    }
}
