//! What the workers read: one immutable object for one epoch.
//!
//! Owns [`Snapshot`], compiled from intent, health and adjacency. Everything a packet needs to ask is answered in constant
//! or logarithmic time, with rewrites and ways out worked out beforehand. Never changed once built: a new one replaces
//! it, and the old one travels home to be dropped where it was made.

mod parts;
mod views;

pub use views::{
    AccessRules, AddressClass, AddressOwners, DatagramPort, DatagramsIn, DatagramsOut, Exclusion, Guarded, MemberView,
    PoolView, Ready, Served, ServiceView, SnatView, VirtualView, Visit,
};

use super::address_map::{AddressMap, FastMap, WordMap};
use super::addresses::{Addresses, InterfaceView};
use super::adjacency::{Adjacency, Egress, EgressId, Hop, Mark, Neighbour, NextHop};
use super::connection_limits::ConnectionLimits;
use super::health::{Health, PairHealth, State};
use super::intent::*;
use super::multipath::Conversation;
use super::persistence_hints::PersistenceHints;
use super::prefix::PrefixMap;
use super::slots::{Life, Slots};
use crate::wire::{Endpoint, Mac, Packet, Protocol, RxKey, VlanId};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// Counts published snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// What the workers read.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Which one this is.
    pub epoch: Epoch,
    /// The life of the file that it is of. What is made under this snapshot refers to things by it.
    pub life: Life,
    /// The interfaces, and which addresses are ours on them.
    pub addresses: Addresses,
    /// The members.
    pub members: Slots<MemberId, MemberView>,
    /// The pools.
    pub pools: Slots<PoolId, PoolView>,
    /// The virtual addresses.
    pub virtuals: Vec<VirtualView>,
    /// How long idle flows are kept.
    pub timeouts: Timeouts,
    /// Bounds.
    pub limits: Limits,
    /// The virtual servers: the pool behind each.
    pub virtual_servers: Slots<VirtualServerId, PoolId>,
    /// What members and virtual servers may have of connections, and what they have.
    pub connection_limits: Arc<ConnectionLimits>,
    /// What is read of SIP to be counted.
    pub sip: SipStatistics,
    /// What this appliance is in its pair.
    pub pair: PairHealth,
    /// An interface says how large a segment may be offered over it at most.
    pub lowers_mss: bool,
    /// Some of what leaves gets another code point (DSCP).
    pub marks: bool,
    /// Who may reach members at their own addresses; `None`: everybody.
    visitors: Option<PrefixMap<()>>,
    /// Who else may reach some of them; `None`: nobody.
    access_rules: Option<AccessRules>,
    /// What workers have chosen lately; `None` where no pool keeps more together than an endpoint's.
    hints: Option<Arc<PersistenceHints>>,
    classes: AddressMap<AddressClass>,
    /// Of each address in there its last six bits: most strangers are told apart by them.
    class_bits: u64,
    /// Service ports of UDP, at virtual addresses.
    pub(super) datagrams_in: Vec<DatagramsIn>,
    /// The same at the members.
    pub(super) datagrams_out: Vec<DatagramsOut>,
    datagram_ports: WordMap<Endpoint, DatagramPort>,
    /// Of each such port its last six bits: most others are told apart by them.
    datagram_bits: u64,
    /// By interface: what frames for us are addressed to, and the port.
    ingress: Box<[(RxKey, PortId)]>,
    /// The same by what is looked for, where there are more interfaces than are looked through as fast.
    ingress_of_many: Option<FastMap<(RxKey, PortId), InterfaceId>>,
    links: FastMap<(PortId, Option<VlanId>), InterfaceId>,
    routes: PrefixMap<Hop>,
    /// In order.
    routers: Vec<NextHop>,
    neighbours: FastMap<NextHop, Neighbour>,
    ways: parts::Ways,
    /// Since when addresses have been there that members' traffic is translated to.
    translated: AddressMap<Life>,
    /// What it has changed, if it was not compiled.
    followed: Option<Followed>,
}

/// What a snapshot that was not compiled has changed.
#[derive(Clone, Debug)]
struct Followed {
    /// Relative to the snapshot of this epoch.
    since: Epoch,
    pools: BTreeSet<PoolId>,
    /// The members of these pools.
    members: Vec<MemberId>,
}

impl Snapshot {
    /// The snapshot of what is meant, who is alive and what lies on the link. `macs` holds our MAC on each port, in the
    /// order of [`Intent::ports`].
    ///
    /// # Panics
    /// When `health` or `macs` do not cover the intent: a fault of the caller's, not of any input.
    pub fn compile(intent: &Intent, health: &Health, adjacency: &Adjacency, macs: &[Mac], epoch: Epoch) -> Snapshot {
        Snapshot::compile_after(None, intent, health, adjacency, macs, epoch)
    }

    /// As [`Snapshot::compile`], and what is large and has not changed since the snapshot `before` is shared with that one: a
    /// switchover waits for none of it, and it stays in the workers' caches.
    ///
    /// # Panics
    /// As [`Snapshot::compile`].
    pub fn compile_after(
        before: Option<&Snapshot>,
        intent: &Intent,
        health: &Health,
        adjacency: &Adjacency,
        macs: &[Mac],
        epoch: Epoch,
    ) -> Snapshot {
        assert_eq!(
            (health.members.len(), health.pools.len(), macs.len()),
            (intent.members.bound(), intent.pools.bound(), intent.ports.len()),
        );
        let addresses = Addresses::held(intent, macs, !health.pair.is_standby);
        let routers = parts::routers(intent);
        let shared = parts::shared(intent);
        let routes = parts::routes(intent, &routers, &shared, before.map(|before| &before.routes));
        let (index, mut groups) = (parts::Index::new(intent), parts::Groups::new(before.map(|before| &before.pools)));
        let connection_limits = ConnectionLimits::new(intent, before.map(|before| &before.connection_limits));
        let virtuals = parts::virtuals(intent, &connection_limits);
        let mut snapshot = Snapshot {
            epoch,
            life: intent.lives.now,
            members: intent.members.map(|id, _| parts::member(intent, &index, id)),
            pools: intent.pools.map(|id, _| parts::pool(intent, &index, id, &mut groups)),
            translated: parts::translated(intent),
            timeouts: intent.timeouts,
            limits: intent.limits,
            virtual_servers: intent.virtual_servers.map(|_, server| server.pool),
            connection_limits,
            sip: intent.sip,
            pair: health.pair,
            lowers_mss: intent.interfaces.iter().any(|interface| interface.mss.is_some()),
            marks: !index.marks.is_empty(),
            visitors: parts::visitors(intent, before.and_then(|before| before.visitors.as_ref())),
            access_rules: parts::access_rules(intent),
            hints: parts::persistence_hints(intent, before.and_then(|before| before.hints.as_ref())),
            class_bits: 0,
            classes: parts::classes(intent, &virtuals),
            datagrams_in: Vec::new(),
            datagrams_out: Vec::new(),
            datagram_ports: WordMap::new([]),
            datagram_bits: 0,
            ingress: parts::ingress(addresses.interfaces(), health.pair),
            links: parts::links(addresses.interfaces()),
            ingress_of_many: parts::ingress_of_many(addresses.interfaces(), health.pair),
            ways: parts::Ways::new(adjacency, &routes, (&routers, &shared), addresses.interfaces(), &index.marks),
            neighbours: adjacency.iter().map(|(hop, neighbour)| (*hop, *neighbour)).collect(),
            addresses,
            routes,
            routers,
            virtuals,
            followed: None,
        };
        snapshot.class_bits =
            snapshot.classes.bits().fold(0, |all, bits| all | bit_of(Ipv4Addr::from(bits.to_ne_bytes())));
        snapshot.place_services();
        intent.pools.ids().for_each(|pool| snapshot.take_over(pool, intent, health, adjacency));
        snapshot
    }

    /// A copy that shares nothing with this one that workers change: what connection limits have counted, and the hints of persistence.
    pub fn detached(&self) -> Snapshot {
        let hints = self.hints.as_ref().map(|hints| Arc::new(hints.detached()));
        Snapshot { connection_limits: Arc::new(self.connection_limits.detached()), hints, ..self.clone() }
    }

    /// Where datagrams of services are found, and which services are whose.
    fn place_services(&mut self) {
        for member in self.members.iter_mut() {
            member.exclude = self.pools[member.pool].exclude.clone();
        }
        for (server, at) in self.virtuals.iter().zip(0..) {
            for (service, place) in server.services.iter().zip(0..) {
                self.pools[service.pool].served_at.push((at, place));
            }
        }
        self.datagrams_in = parts::datagrams_in(&self.virtuals, &self.pools, self.counts_sip());
        self.datagrams_out = parts::datagrams_out(&mut self.members, &self.pools);
        let ins = self.datagrams_in.iter().zip(0..);
        let ins = ins.map(|(it, at)| (self.server(it.place.0).address, it.port, DatagramPort::In(at)));
        let outs = self.datagrams_out.iter().zip(0..);
        let outs = outs.map(|(it, at)| (self.member(it.sender).address, it.port, DatagramPort::Out(at)));
        // A standby serves none: all that it gets is told apart by its path.
        let all: Vec<_> = ins.chain(outs).filter(|_| !self.pair.is_standby).collect();
        self.datagram_bits = all.iter().fold(0, |bits, (_, port, _)| bits | 1 << (port & 63));
        // Of two services at one endpoint the first counts.
        self.datagram_ports = WordMap::new(all.into_iter().rev().map(|(at, port, it)| (Endpoint::new(at, port), it)));
    }

    /// SIP is read to be counted.
    #[inline]
    pub fn counts_sip(&self) -> bool {
        self.sip.sample > 0
    }

    /// What any worker has chosen lately; `None` where no pool keeps more together than what an endpoint sends.
    #[inline]
    pub fn persistence_hints(&self) -> Option<&PersistenceHints> {
        self.hints.as_deref()
    }

    /// Somebody at `address` outside may do this at `member`'s own address: by `[direct_access]`, or as one of the exclusion group.
    #[inline]
    pub fn may_visit(&self, address: Ipv4Addr, member: MemberId, visit: Visit) -> bool {
        let is_allowed = self.visitors.as_ref().is_none_or(|allowed| allowed.find(address).is_some());
        let by_rule = || self.access_rules.as_ref().is_some_and(|rules| rules.allow(address, member, visit));
        is_allowed || self.member(member).exclude.holds(address) || by_rule()
    }

    /// Who owns `address`.
    #[inline(always)]
    pub fn class(&self, address: Ipv4Addr) -> AddressClass {
        if self.class_bits & bit_of(address) == 0 {
            return AddressClass::Other;
        }
        self.classes.get(address).copied().unwrap_or(AddressClass::Other)
    }

    /// Who owns the addresses of a packet from `src` to `dst`.
    #[inline(always)]
    pub fn owners(&self, src: Ipv4Addr, dst: Ipv4Addr) -> AddressOwners {
        AddressOwners { src: self.class(src), dst: self.class(dst) }
    }

    /// What a datagram is to or from, if one of its endpoints is a service port.
    #[inline(always)]
    pub fn datagram_port(&self, packet: &Packet) -> Option<DatagramPort> {
        let at = |address, port| match self.datagram_bits >> (port & 63) & 1 {
            0 => None,
            _ => self.datagram_ports.get(Endpoint::new(address, port)).copied(),
        };
        // Who visits a member's service port is no peer of the service: there the source alone counts.
        match at(packet.dst(), packet.dst_port()) {
            Some(DatagramPort::In(place)) => Some(DatagramPort::In(place)),
            _ => at(packet.src(), packet.src_port()).filter(|port| matches!(port, DatagramPort::Out(_))),
        }
    }

    /// What is asked about datagrams to a service port.
    #[inline]
    pub fn datagrams_in(&self, at: u16) -> &DatagramsIn {
        &self.datagrams_in[usize::from(at)]
    }

    /// What is asked about datagrams from a member's service port.
    #[inline]
    pub fn datagrams_out(&self, at: u16) -> &DatagramsOut {
        &self.datagrams_out[usize::from(at)]
    }

    /// How many service ports datagrams come to, and how many they come from.
    pub fn datagram_ports(&self) -> (usize, usize) {
        (self.datagrams_in.len(), self.datagrams_out.len())
    }

    /// Who gets datagrams to the service port at this place, if anybody, and whose service it is.
    pub fn receives(&self, at: u16) -> (Option<MemberId>, VirtualServerId) {
        let (server, service) = self.datagrams_in(at).place;
        let service = &self.server(server).services[usize::from(service)];
        (self.pool(service.pool).active, service.virtual_server)
    }

    /// Who sends datagrams from the service port at this place, and whose service it is.
    pub fn sends(&self, at: u16) -> (MemberId, Option<VirtualServerId>) {
        let sender = self.datagrams_out(at).sender;
        let member = self.member(sender);
        let mut served = member.serves.iter().filter(|it| it.listen.protocol == Protocol::Udp);
        let service = served.nth(usize::from(at.saturating_sub(member.datagrams.start)));
        (sender, service.map(|served| served.virtual_server))
    }

    /// The interface that frames with this tag on this port belong to.
    #[inline]
    pub fn interface_of(&self, port: PortId, vlan: Option<VlanId>) -> Option<InterfaceId> {
        self.links.get(&(port, vlan)).copied()
    }

    /// The interface that a frame which came in on this port with this address is for: of the tag, and to our MAC.
    #[inline]
    pub fn ingress_interface(&self, port: PortId, rx: RxKey) -> Option<InterfaceId> {
        let first = self.ingress.iter().zip(0..parts::FEW).find(|(of, _)| **of == (rx, port));
        first.map(|(_, id)| InterfaceId(id)).or_else(|| self.ingress_among_many(port, rx))
    }

    #[cold]
    fn ingress_among_many(&self, port: PortId, rx: RxKey) -> Option<InterfaceId> {
        self.ingress_of_many.as_ref()?.get(&(rx, port)).copied()
    }

    /// Frames that come in on this port with this address are for `interface`: [`Snapshot::ingress_interface`] says so too.
    #[inline(always)]
    pub fn is_ingress(&self, interface: InterfaceId, port: PortId, rx: RxKey) -> bool {
        self.ingress.get(usize::from(interface.0)).is_some_and(|of| *of == (rx, port))
    }

    /// The largest segment that a SYN may offer that came in on `port` with this tag and leaves this way, if the file says one.
    pub fn mss_between(&self, port: PortId, vlan: Option<VlanId>, egress: EgressId) -> Option<u16> {
        let out = self.egress(egress);
        let ends = [(port, vlan), (out.port, out.link.link().vlan)];
        let interfaces = ends.into_iter().filter_map(|(port, vlan)| self.interface_of(port, vlan));
        interfaces.filter_map(|id| self.interface(id).mss).min()
    }

    /// How a packet is marked that this end sends and whose source is translated.
    pub fn mark_of(&self, protocol: Protocol, sender: Endpoint) -> Mark {
        let AddressClass::Member(member, _) = self.class(sender.addr) else { return Mark::default() };
        let member = self.member(member);
        let of_pool = || self.pool(member.pool).snat.as_ref().map(|snat| snat.mark);
        member.served(protocol, sender.port).map(|served| served.mark).or_else(of_pool).unwrap_or_default()
    }

    /// The interface itself.
    #[inline]
    pub fn interface(&self, id: InterfaceId) -> &InterfaceView {
        &self.addresses.interfaces()[id]
    }

    /// The member itself.
    #[inline]
    pub fn member(&self, id: MemberId) -> &MemberView {
        &self.members[id]
    }

    /// The virtual address itself.
    #[inline]
    pub fn server(&self, at: u16) -> &VirtualView {
        &self.virtuals[usize::from(at)]
    }

    /// The pool itself.
    #[inline]
    pub fn pool(&self, id: PoolId) -> &PoolView {
        &self.pools[id]
    }

    /// The next hop on the way to `destination`: the most specific of connected networks and routes; where a route has several, the one
    /// that this conversation takes.
    #[inline]
    pub fn next_hop(&self, destination: Ipv4Addr, conversation: Conversation) -> Option<NextHop> {
        match self.routes.find(destination)? {
            Hop::OnLink(interface) => Some(NextHop { interface, address: destination }),
            Hop::Via(router) => {
                let place = self.ways.paths(router).map_or(Some(router), |paths| paths.router(conversation))?;
                self.routers.get(usize::from(place)).copied()
            }
        }
    }

    /// The way out to `destination`, if its next hop is known. If not, [`Snapshot::next_hop`] and [`Snapshot::neighbour`] tell
    /// why. The conversation is asked for only where there are several.
    #[inline]
    pub fn lookup(&self, destination: Ipv4Addr, conversation: impl FnOnce() -> Conversation) -> Option<EgressId> {
        match self.routes.find(destination)? {
            Hop::Via(router) => match *self.ways.gateways.get(usize::from(router))? {
                None => self.lookup_among(router, conversation),
                open => open,
            },
            Hop::OnLink(_) => self.ways.hosts.get(destination).copied(),
        }
    }

    #[cold]
    fn lookup_among(&self, router: u16, conversation: impl FnOnce() -> Conversation) -> Option<EgressId> {
        self.ways.paths(router)?.way(conversation())
    }

    /// The way out that [`Snapshot::lookup`] of this snapshot has named.
    #[inline]
    pub fn egress(&self, id: EgressId) -> &Egress {
        &self.ways.all[id.0 as usize]
    }

    /// The same way out, for packets that leave with this mark.
    #[inline(always)]
    pub fn marked(&self, id: EgressId, mark: Mark) -> EgressId {
        EgressId(id.0 + u32::from(mark.0))
    }

    /// The self-IP of the interface by which what we say ourselves leaves to `peer`; there is no way, or none is open: of
    /// `ingress`, by which it goes back.
    pub fn own_address_towards(&self, peer: Ipv4Addr, conversation: Conversation, ingress: InterfaceId) -> Ipv4Addr {
        match self.lookup(peer, || conversation).and_then(|_| self.next_hop(peer, conversation)) {
            Some(hop) => self.interface(hop.interface).address_towards(hop.address),
            None => self.interface(ingress).address_towards(peer),
        }
    }

    /// What is known of a next hop.
    #[inline]
    pub fn neighbour(&self, hop: NextHop) -> Option<Neighbour> {
        self.neighbours.get(&hop).copied()
    }

    /// The next hop is a member or a router: much depends on it, and nobody can choose it.
    pub fn is_kept(&self, hop: NextHop) -> bool {
        matches!(self.class(hop.address), AddressClass::Member(..)) || self.routers.binary_search(&hop).is_ok()
    }

    /// Since when members' traffic has been translated to `address`, if it is.
    pub fn translated_since(&self, address: Ipv4Addr) -> Option<Life> {
        self.translated.get(address).copied()
    }

    /// The service at this endpoint, if it is one of a virtual server.
    pub fn service_at(&self, protocol: Protocol, at: Endpoint) -> Option<&ServiceView> {
        let AddressClass::Virtual(server) = self.class(at.addr) else { return None };
        self.server(server).service(protocol, at.port)
    }

    /// The pool that this endpoint is a service of for datagrams, if it is one.
    pub fn serves_datagrams(&self, at: Endpoint) -> Option<PoolId> {
        Some(self.service_at(Protocol::Udp, at)?.pool)
    }

    /// The pool whose members share what comes as datagrams to this endpoint, if it is a service of such a pool.
    pub fn shares_datagrams(&self, at: Endpoint) -> Option<PoolId> {
        self.serves_datagrams(at).filter(|pool| self.pool(*pool).is_shared)
    }

    /// A member, an address or a service for datagrams of `self` is no longer there in `next`, or was away in between.
    pub fn loses_to(&self, next: &Snapshot) -> bool {
        let mut addresses = self.virtuals.iter().map(|server| server.address).chain(self.snat_addresses());
        let stays = |(id, was): (MemberId, &MemberView)| {
            next.members.find(id.index(), self.life).is_some_and(|member| member.pool == was.pool)
        };
        !self.members.entries().all(stays)
            || addresses.any(|address| next.translated_since(address).is_none_or(|since| since > self.life))
            || self.services_for_datagrams().any(|(at, pool)| {
                let is_shared = self.pools[pool].is_shared;
                let theirs = if is_shared { next.shares_datagrams(at) } else { next.serves_datagrams(at) };
                theirs != Some(pool)
            })
    }

    /// See [`Snapshot::serves_datagrams`].
    fn services_for_datagrams(&self) -> impl Iterator<Item = (Endpoint, PoolId)> {
        let all = self.virtuals.iter().flat_map(|server| server.services.iter().map(move |it| (server.address, it)));
        let datagrams = all.filter(|(_, it)| it.listen.protocol == Protocol::Udp);
        datagrams.map(|(address, it)| (Endpoint::new(address, it.listen.port), it.pool))
    }

    /// The pools that health has changed since the snapshot before; `None`: all may have changed, and everything else.
    pub fn changed_pools(&self) -> Option<&BTreeSet<PoolId>> {
        self.followed.as_ref().map(|followed| &followed.pools)
    }

    /// It is the next from now on: only what has been taken over of `pools`, with these members, is new since the one before.
    pub(super) fn follow(&mut self, before: Epoch, pools: BTreeSet<PoolId>, members: Vec<MemberId>) {
        self.epoch = Epoch(before.0 + 1);
        self.followed = Some(Followed { since: before, pools, members });
    }

    /// Some member has lost its connections in `next`, or has gone from the link while they drained.
    pub fn connections_are_lost_by(&self, next: &Snapshot) -> bool {
        // Nothing is reset by a standby, nor by whoever has become active a moment ago; then whatever was lost meanwhile is.
        if self.pair.is_quiet() || next.pair.is_quiet() {
            return !next.pair.is_quiet();
        }
        let loses = |id: MemberId| {
            let Some(member) = next.members.get(id) else { return false };
            let was = self.members.get(id).filter(|was| was.address == member.address);
            was.is_some_and(|was| was.lost_before < member.lost_before || (member.gone && !was.gone))
        };
        match &next.followed {
            Some(followed) if followed.since == self.epoch => followed.members.iter().copied().any(loses),
            _ => next.members.ids().any(loses),
        }
    }

    /// The pools of `before` that have chosen again since, or are gone.
    pub fn switched_since(&self, before: &Snapshot) -> Vec<PoolId> {
        let choice = |snapshot: &Snapshot, pool| snapshot.pools.get(pool).map(|pool| pool.generation);
        let has_switched = |pool: &PoolId| choice(self, *pool) != choice(before, *pool);
        match &self.followed {
            Some(followed) if followed.since == before.epoch => {
                followed.pools.iter().copied().filter(has_switched).collect()
            }
            _ => before.pools.ids().filter(has_switched).collect(),
        }
    }

    /// Takes over what is known of a pool and its members.
    pub(super) fn take_over(&mut self, id: PoolId, intent: &Intent, health: &Health, adjacency: &Adjacency) {
        let Some(meant) = intent.pools.get(id) else { return };
        let known = &health.pools[id.index()];
        let of = |member: &MemberId| health.members[member.index()].state;
        let could_take_over = |member: &&MemberId| {
            // The operator lets it have work, and its host is not known to be dead.
            let is_enabled = !matches!(of(member), State::Drained | State::Offline);
            known.active != Some(**member) && is_enabled && !is_gone(adjacency, &intent.members[**member])
        };
        let pool = &mut self.pools[id];
        (pool.active, pool.generation, pool.silence) = (known.active, known.generation, known.silence);
        pool.sharing.clone_from(&known.sharing);
        pool.undecided = !pool.takes_new() && meant.members.iter().any(|member| of(member) == State::Unknown);
        pool.another_may_come = meant.members.iter().any(|member| could_take_over(&member));
        for &member in &meant.members {
            self.take_over_member(member, intent, health, adjacency);
        }
        self.make_ready(id);
    }

    fn take_over_member(&mut self, id: MemberId, intent: &Intent, health: &Health, adjacency: &Adjacency) {
        let (member, known) = (&mut self.members[id], &health.members[id.index()]);
        member.state = known.state;
        member.gone = is_gone(adjacency, &intent.members[id]);
        member.may_claim = known.may_claim && known.state != State::Offline;
        (member.lost_before, member.is_back) = (known.lost_before, known.is_back);
        let is_plain = self.pools[member.pool].active == Some(id) && self.sip.sample == 0;
        let sent = member.datagrams.clone();
        let sent = &mut self.datagrams_out[usize::from(sent.start)..usize::from(sent.end)];
        sent.iter_mut().for_each(|sent| sent.is_plain = is_plain);
    }

    /// Works out how packets to a pool's service ports are forwarded.
    fn make_ready(&mut self, id: PoolId) {
        for place in self.pools[id].served_at.clone() {
            let (at, service) = (usize::from(place.0), usize::from(place.1));
            let ready = self.ready(self.virtuals[at].address, &self.virtuals[at].services[service]);
            if let Ok(datagrams) = self.datagrams_in.binary_search_by_key(&place, |datagrams| datagrams.place) {
                let (allow, entry) = (&self.virtuals[at].services[service].allow, &mut self.datagrams_in[datagrams]);
                match allow {
                    None => entry.ready.clone_from(&ready),
                    Some(allow) => {
                        let guarded = ready.clone().map(|ready| Box::new(Guarded { ready, allow: allow.clone() }));
                        entry.guarded = guarded;
                    }
                }
            }
            self.virtuals[at].services[service].ready = ready;
        }
    }

    fn ready(&self, address: Ipv4Addr, service: &ServiceView) -> Option<Ready> {
        if !service.enabled {
            return None;
        }
        let member = self.member(self.pool(service.pool).active?);
        let Listen { protocol, port } = service.listen;
        // It is on a link.
        let egress = self.lookup(member.address, || Conversation::of_hosts(address, member.address))?;
        Some(Ready { rewrite: parts::readdressed(protocol, address, member.address, port), egress })
    }

    /// A packet may get this address by translation.
    pub fn may_make(&self, address: Ipv4Addr) -> bool {
        self.class(address) != AddressClass::Other || self.snat_addresses().any(|snat| snat == address)
    }

    /// Every SNAT address: those that ports are allocated at.
    pub fn snat_addresses(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        self.pools.iter().filter_map(|pool| pool.snat.as_ref()).map(|snat| snat.address)
    }
}

/// One of 64 bits, by the last six of the address.
#[inline(always)]
const fn bit_of(address: Ipv4Addr) -> u64 {
    1 << (address.octets()[3] & 63)
}

/// It does not answer on the link.
fn is_gone(adjacency: &Adjacency, member: &Member) -> bool {
    adjacency.get(&member.hop()) == Some(&Neighbour::Failed)
}
