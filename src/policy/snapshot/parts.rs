//! The parts of a snapshot, each from what is meant, known and seen.
//!
//! Owns the compilation of every list and table of a snapshot; how they are asked is the snapshot's.

use super::views::{
    AccessRuleView, AccessRules, AddressClass, DatagramsIn, DatagramsOut, Exclusion, MemberView, PoolView, Served,
    ServiceView, SnatView, VirtualView,
};
use crate::policy::address_map::{AddressMap, FastMap};
use crate::policy::addresses::InterfaceView;
use crate::policy::adjacency::{Adjacency, Egress, EgressId, Hop, Marks, Neighbour, NextHop};
use crate::policy::connection_limits::ConnectionLimits;
use crate::policy::health::{Generation, PairHealth, State};
use crate::policy::intent::*;
use crate::policy::multipath::Paths;
use crate::policy::persistence_hints::PersistenceHints;
use crate::policy::prefix::PrefixMap;
use crate::policy::slots::{Life, Slots};
use crate::policy::sources::Sources;
use crate::wire::{Endpoint, Protocol, Rewrite, RxKey, Tuple, VlanId};
use ipnet::Ipv4Net;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// More interfaces than these are not looked through one by one.
pub(super) const FEW: u16 = 8;

/// What the file says about pools and addresses, found without looking through it.
pub(super) struct Index<'i> {
    pools: Vec<OfPool<'i>>,
    on_address: FastMap<Ipv4Addr, Vec<&'i VirtualServer>>,
    pub(super) marks: Marks,
}

#[derive(Clone, Default)]
struct OfPool<'i> {
    servers: Vec<(VirtualServerId, &'i VirtualServer)>,
    snat: Option<&'i Snat>,
}

impl<'i> Index<'i> {
    pub(super) fn new(intent: &'i Intent) -> Index<'i> {
        let pools = vec![OfPool::default(); intent.pools.bound()];
        let mut index = Index { pools, on_address: FastMap::default(), marks: Marks::of(intent) };
        for (id, server) in intent.virtual_servers.entries() {
            index.pools[server.pool.index()].servers.push((id, server));
            index.on_address.entry(server.address).or_default().push(server);
        }
        // Of two the first counts.
        intent.snats.iter().rev().for_each(|snat| index.pools[snat.pool.index()].snat = Some(snat));
        index
    }

    fn of(&self, pool: PoolId) -> &OfPool<'i> {
        &self.pools[pool.index()]
    }

    /// The address that what a pool's members send outward is translated to, else that of its first virtual server.
    fn public(&self, pool: PoolId) -> Option<Ipv4Addr> {
        let OfPool { servers, snat } = self.of(pool);
        snat.map(|snat| snat.address).or_else(|| servers.first().map(|(_, server)| server.address))
    }
}

/// The exclusion groups: one for all pools that exclude the same, and the one of the snapshot before if it was that already.
pub(super) struct Groups<'i> {
    before: Option<&'i Slots<PoolId, PoolView>>,
    known: FastMap<&'i [Ipv4Net], Exclusion>,
}

impl<'i> Groups<'i> {
    pub(super) fn new(before: Option<&'i Slots<PoolId, PoolView>>) -> Groups<'i> {
        Groups { before, known: FastMap::default() }
    }

    fn group(&mut self, pool: PoolId, networks: &'i [Ipv4Net]) -> Exclusion {
        let before = self.before.and_then(|pools| pools.get(pool)).map(|pool| &pool.exclude);
        self.known.entry(networks).or_insert_with(|| Exclusion::new(networks, before)).clone()
    }
}

/// What workers have chosen lately, if a pool needs it: the table of the snapshot before, if it had one.
pub(super) fn persistence_hints(
    intent: &Intent,
    before: Option<&Arc<PersistenceHints>>,
) -> Option<Arc<PersistenceHints>> {
    let needs = intent.pools.iter().any(|pool| pool.persistence != Persistence::Endpoint);
    needs.then(|| before.cloned().unwrap_or_default())
}

/// Who may reach members at their own addresses: the networks of the snapshot before, if they are the same.
pub(super) fn visitors(intent: &Intent, before: Option<&PrefixMap<()>>) -> Option<PrefixMap<()>> {
    let allow = intent.direct_access.allow.as_ref()?;
    Some(PrefixMap::one_of(before, allow.iter().map(|net| (*net, ()))))
}

/// Who may reach some of them.
pub(super) fn access_rules(intent: &Intent) -> Option<AccessRules> {
    let rules = &intent.direct_access.rules;
    let members = |target: &AccessTarget| match target {
        AccessTarget::Pool(pool) => intent.pools[*pool].members.clone(),
        AccessTarget::Member(member) => vec![*member],
    };
    let rule = |rule: &AccessRule| {
        let mut to: Vec<MemberId> = rule.to.iter().flat_map(members).collect();
        to.sort_unstable();
        let to = Some(to).filter(|_| !rule.to.is_empty());
        AccessRuleView { from: Sources::new(&rule.from), to, ports: rule.ports.clone() }
    };
    let anybody = Sources::new(rules.iter().flat_map(|rule| &rule.from));
    (!rules.is_empty()).then(|| AccessRules { anybody, rules: rules.iter().map(rule).collect() })
}

pub(super) fn member(intent: &Intent, index: &Index<'_>, id: MemberId) -> MemberView {
    let meant = &intent.members[id];
    MemberView {
        address: meant.address,
        pool: meant.pool,
        interface: meant.interface,
        state: State::default(),
        gone: false,
        may_claim: false,
        lost_before: Generation::default(),
        is_back: false,
        public: index.public(meant.pool).unwrap_or(meant.address),
        serves: serves(index, meant),
        exclude: Exclusion::default(),
        datagrams: 0..0,
    }
}

/// The service ports of a member, and what its packets from there are translated to.
fn serves(index: &Index<'_>, member: &Member) -> Vec<Served> {
    let servers = &index.of(member.pool).servers;
    let served = |listen: Listen, virtual_server: VirtualServerId, server: &VirtualServer| {
        let address = server.address;
        let anybody = Endpoint::new(Ipv4Addr::UNSPECIFIED, 0);
        let tuple = |address| Tuple::new(listen.protocol, Endpoint::new(address, listen.port), anybody);
        let rewrite = Rewrite::between(&tuple(member.address), &tuple(address));
        let mark = index.marks.mark(server.dscp);
        Served { listen, address, rewrite, mark, virtual_server, redelivers: !server.redeliver.is_zero() }
    };
    let of = |&(id, server): &(VirtualServerId, &'_ VirtualServer)| -> Vec<Served> {
        server.listen.iter().map(|listen| served(*listen, id, server)).collect()
    };
    servers.iter().flat_map(of).collect()
}

/// What makes a packet to `port` of one address a packet to the same port of another.
pub(super) fn readdressed(protocol: Protocol, from: Ipv4Addr, to: Ipv4Addr, port: u16) -> Rewrite {
    let anybody = Endpoint::new(Ipv4Addr::UNSPECIFIED, 0);
    let tuple = |address| Tuple::new(protocol, anybody, Endpoint::new(address, port));
    Rewrite::between(&tuple(from), &tuple(to))
}

pub(super) fn pool<'i>(intent: &'i Intent, index: &Index<'i>, id: PoolId, groups: &mut Groups<'i>) -> PoolView {
    let meant = &intent.pools[id];
    let public = index.public(id).unwrap_or(Ipv4Addr::UNSPECIFIED);
    let OfPool { servers, snat: translation } = index.of(id);
    PoolView {
        active: None,
        undecided: false,
        generation: Generation::default(),
        is_shared: meant.is_shared(),
        knows_who_took: matches!(meant.mode, Mode::ActiveStandby | Mode::SourceHash) || meant.members.len() == 1,
        persistence: meant.persistence,
        sharing: None,
        silence: None,
        no_member: meant.no_member,
        another_may_come: false,
        gap: meant.gap,
        on_down_tcp: meant.on_down_tcp,
        on_down_udp: meant.on_down_udp,
        public,
        public_since: intent.lives.of(public),
        services: servers
            .iter()
            .flat_map(|(_, server)| server.listen.iter().map(|listen| (*listen, server.address)))
            .collect(),
        exclude: translation.map_or_else(Exclusion::default, |meant| groups.group(id, &meant.exclude)),
        snat: translation.map(|meant| snat(index, meant)),
        served_at: Vec::new(),
    }
}

fn snat(index: &Index<'_>, meant: &Snat) -> SnatView {
    let servers = index.on_address.get(&meant.address).into_iter().flatten();
    SnatView {
        address: meant.address,
        reserved: servers.flat_map(|server| server.listen.iter().map(|listen| listen.port)).collect(),
        no_snat_udp_ports: meant.no_snat_udp_ports.clone(),
        mark: index.marks.mark(meant.dscp),
        resumes: meant.resumes,
    }
}

pub(super) fn virtuals(intent: &Intent, limits: &ConnectionLimits) -> Vec<VirtualView> {
    let snats: HashSet<Ipv4Addr> = intent.snats.iter().map(|snat| snat.address).collect();
    let (mut views, mut places) = (Vec::<VirtualView>::new(), FastMap::<Ipv4Addr, usize>::default());
    let mut sets = FastMap::<&[Ipv4Net], Option<Sources>>::default();
    for (id, server) in intent.virtual_servers.entries() {
        let allow = sets.entry(&server.allow).or_insert_with(|| Sources::unless_everybody(&server.allow)).clone();
        let of_members = intent.pools[server.pool].members.iter().any(|member| limits.member(*member).is_some());
        let services = server.listen.iter().map(|&listen| ServiceView {
            allow: allow.clone(),
            listen,
            virtual_server: id,
            is_limited: of_members || limits.server(id).is_some() || limits.all().is_some(),
            pool: server.pool,
            enabled: server.enabled,
            holds: server.unreachable == Unreachable::Hold,
            redeliver: server.redeliver,
            ready: None,
        });
        match places.entry(server.address) {
            Entry::Occupied(place) => views[*place.get()].services.extend(services),
            Entry::Vacant(place) => {
                place.insert(views.len());
                views.push(VirtualView {
                    address: server.address,
                    services: services.collect(),
                    echo: server.icmp_echo,
                    pool: server.pool,
                    unmatched: server.unmatched,
                    is_snat_source: snats.contains(&server.address),
                });
            }
        }
    }
    views
}

/// In the order of their places. Where several members are active, a datagram is found by its flow.
pub(super) fn datagrams_in(
    virtuals: &[VirtualView],
    pools: &Slots<PoolId, PoolView>,
    counts_sip: bool,
) -> Vec<DatagramsIn> {
    let everybody = counts_sip.then(Exclusion::everybody);
    let places = virtuals
        .iter()
        .zip(0..)
        .flat_map(|(server, at)| server.services.iter().zip(0..).map(move |(service, place)| ((at, place), service)));
    places
        .filter(|(_, service)| service.listen.protocol == Protocol::Udp && !pools[service.pool].is_shared)
        .map(|(place, service)| DatagramsIn {
            place,
            port: service.listen.port,
            ready: None,
            guarded: None,
            noted: everybody.as_ref().unwrap_or(&pools[service.pool].exclude).clone(),
            pool: service.pool,
            redeliver: service.redeliver,
        })
        .collect()
}

/// Those of a member lie together: it notes where.
pub(super) fn datagrams_out(
    members: &mut Slots<MemberId, MemberView>,
    pools: &Slots<PoolId, PoolView>,
) -> Vec<DatagramsOut> {
    let mut all = Vec::new();
    for sender in members.ids().filter(|id| !pools[members[*id].pool].is_shared).collect::<Vec<_>>() {
        let (member, first) = (&mut members[sender], all.len() as u16);
        let served = member.serves.iter().filter(|it| it.listen.protocol == Protocol::Udp);
        all.extend(served.map(|served| DatagramsOut {
            sender,
            interface: member.interface,
            is_plain: false,
            redelivers: served.redelivers,
            port: served.listen.port,
            rewrite: served.rewrite,
            mark: served.mark,
            exclude: member.exclude.clone(),
        }));
        member.datagrams = first..all.len() as u16;
    }
    all
}

pub(super) fn classes(intent: &Intent, virtuals: &[VirtualView]) -> AddressMap<AddressClass> {
    let networks = intent.interfaces.iter().flat_map(|interface| &interface.addresses);
    let broadcasts = networks
        .filter(|net| net.prefix_len() < 31)
        .map(|net| (net.broadcast(), AddressClass::Broadcast))
        .collect::<Vec<_>>();
    let appliance = intent.interfaces.entries().flat_map(|(id, interface)| {
        let all = interface.addresses.iter().chain(&interface.floating);
        all.map(move |net| (net.addr(), AddressClass::SelfIp(id)))
    });
    let virtuals = virtuals.iter().enumerate().map(|(at, view)| (view.address, AddressClass::Virtual(at as u16)));
    let members =
        intent.members.entries().map(|(id, member)| (member.address, AddressClass::Member(id, member.interface)));
    AddressMap::new(broadcasts.into_iter().chain(appliance).chain(virtuals).chain(members))
}

pub(super) fn translated(intent: &Intent) -> AddressMap<Life> {
    AddressMap::new(intent.translated_addresses().map(|address| (address, intent.lives.of(address))))
}

/// By interface: what most frames for us are addressed to, and the port; no frame's where there is no interface.
pub(super) fn ingress(interfaces: &Slots<InterfaceId, InterfaceView>, pair: PairHealth) -> Box<[(RxKey, PortId)]> {
    let mut of = vec![(RxKey::NONE, PortId(u8::MAX)); interfaces.bound()];
    for (id, interface) in interfaces.entries() {
        let mac = if pair.is_standby { interface.mac } else { interface.floating_mac };
        of[id.index()] = (RxKey::of(mac, interface.vlan), interface.port);
    }
    of.into()
}

/// All by what is looked for, if there are more than [`FEW`], or if an interface has two MACs.
pub(super) fn ingress_of_many(
    interfaces: &Slots<InterfaceId, InterfaceView>,
    pair: PairHealth,
) -> Option<FastMap<(RxKey, PortId), InterfaceId>> {
    let is_virtual = |view: &InterfaceView| !pair.is_standby && view.floating_mac != view.mac;
    let of = |(id, view): (InterfaceId, &InterfaceView)| {
        let macs = [Some(view.mac), Some(view.floating_mac).filter(|_| is_virtual(view))];
        let (vlan, port) = (view.vlan, view.port);
        macs.into_iter().flatten().map(move |mac| ((RxKey::of(mac, vlan), port), id))
    };
    let are_several = interfaces.bound() > FEW.into() || interfaces.iter().any(is_virtual);
    are_several.then(|| interfaces.entries().flat_map(of).collect())
}

/// Each interface by its port and tag.
pub(super) fn links(interfaces: &Slots<InterfaceId, InterfaceView>) -> FastMap<(PortId, Option<VlanId>), InterfaceId> {
    interfaces.entries().map(|(id, view)| ((view.port, view.vlan), id)).collect()
}

pub(super) fn routers(intent: &Intent) -> Vec<NextHop> {
    let mut routers: Vec<_> = intent.routers().collect();
    routers.sort_unstable();
    routers.dedup();
    routers
}

/// Next hops, each with its weight, that share what goes by a route.
pub(super) type Shared<'i> = &'i [(NextHop, u16)];

/// Those of all routes that have several, in order.
pub(super) fn shared(intent: &Intent) -> Vec<Shared<'_>> {
    let all: BTreeSet<Shared<'_>> =
        intent.learned.iter().map(|route| &*route.hops).filter(|hops| hops.len() > 1).collect();
    all.into_iter().collect()
}

/// `routers` as [`routers`] gives them, `shared` as [`shared`] does.
pub(super) fn routes(
    intent: &Intent,
    routers: &[NextHop],
    shared: &[Shared<'_>],
    before: Option<&PrefixMap<Hop>>,
) -> PrefixMap<Hop> {
    let via = |place: usize| u16::try_from(place).ok().map(Hop::Via);
    let learned = intent.learned.iter().filter_map(|route| {
        let hop = match &*route.hops {
            [(hop, _)] => via(routers.binary_search(hop).ok()?)?,
            several => via(routers.len() + shared.binary_search(&several).ok()?)?,
        };
        Some((route.to, hop))
    });
    let fixed = intent.routes.iter().filter_map(|route| {
        let hop = route.hop();
        Some((route.to, Hop::Via(routers.binary_search(&hop).ok()? as u16)))
    });
    let connected = intent
        .interfaces
        .entries()
        .flat_map(|(id, interface)| interface.addresses.iter().map(move |net| (net.trunc(), Hop::OnLink(id))));
    // A connected network wins over a static route to the same prefix, and that over a learned one: the later entry counts.
    PrefixMap::one_of(before, learned.chain(fixed).chain(connected))
}

/// The ways that are open now.
#[derive(Clone, Debug)]
pub(super) struct Ways {
    pub(super) all: Box<[Egress]>,
    /// To hosts on our links.
    pub(super) hosts: AddressMap<EgressId>,
    /// Through routers, by their place in the list of routers; then a `None` for each of `paths`.
    pub(super) gateways: Box<[Option<EgressId>]>,
    /// Through one of several.
    paths: Box<[Paths]>,
}

impl Ways {
    pub(super) fn new(
        adjacency: &Adjacency,
        routes: &PrefixMap<Hop>,
        (routers, shared): (&[NextHop], &[Shared<'_>]),
        interfaces: &Slots<InterfaceId, InterfaceView>,
        marks: &Marks,
    ) -> Ways {
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
            let id = EgressId(all.len() as u32);
            all.extend(marks.variants(egress(hop)?));
            Some(id)
        };
        let hosts: Vec<_> =
            adjacency.keys().filter(on_link).filter_map(|hop| Some((hop.address, number(hop)?))).collect();
        let mut gateways: Vec<Option<EgressId>> = routers.iter().map(number).collect();
        let place = |hop: &NextHop| routers.binary_search(hop).ok().and_then(|place| u16::try_from(place).ok());
        let paths = |hops: &Shared<'_>| {
            let hops: Vec<_> = hops.iter().filter_map(|(hop, weight)| Some((place(hop)?, *weight))).collect();
            Paths::new(&hops, |router| gateways[usize::from(router)])
        };
        let paths = shared.iter().map(paths).collect();
        gateways.resize(routers.len() + shared.len(), None);
        Ways { hosts: AddressMap::new(hosts), gateways: gateways.into(), paths, all: all.into() }
    }

    /// The next hops of a route, if it has several.
    pub(super) fn paths(&self, router: u16) -> Option<&Paths> {
        self.paths.get(usize::from(router).checked_sub(self.gateways.len() - self.paths.len())?)
    }
}
