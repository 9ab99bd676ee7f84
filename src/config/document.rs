//! The whole file, entry by entry, and how one entry finds another.
//!
//! Owns the order in which sections are read, and what names and places in the file refer to. Refuses nothing.

use super::index::Index;
use super::reader::{At, Field, Meant, Reader};
use super::report::Report;
use super::schema::{
    Appliance, Cores, DirectAccess, Dpdk, Interface, Limits, Member, Monitor, Neighbour, Notify, Pair, Pool, Port,
    Probe, Route, Routes, SECTIONS, Sip, Snat, Timeouts, VirtualServer,
};
use super::syntax;
use crate::policy::intent::{InterfaceId, Listen, PoolId, SipTransport};
use crate::policy::slots::Id;
use crate::wire::Protocol;
use ipnet::Ipv4Net;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::Ipv4Addr;

/// Every entry with typed values and their places.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) appliance: Appliance,
    pub(super) notify: Notify,
    pub(super) cores: Cores,
    pub(super) dpdk: Dpdk,
    pub(super) routing: Routes,
    pub(super) ports: Vec<Port>,
    pub(super) interfaces: Vec<Interface>,
    pub(super) routes: Vec<Route>,
    pub(super) neighbours: Vec<Neighbour>,
    pub(super) monitors: Vec<Monitor>,
    pub(super) pools: Vec<Pool>,
    pub(super) virtual_servers: Vec<VirtualServer>,
    pub(super) snats: Vec<Snat>,
    pub(super) direct_access: DirectAccess,
    pub(super) timeouts: Timeouts,
    pub(super) limits: Limits,
    pub(super) sip: Sip,
    /// `None`: the appliance is alone.
    pub(super) pair: Option<Pair>,
    index: Index,
}

impl Document {
    /// Reads the file; `None` if its syntax is wrong, which is reported.
    pub(super) fn read(report: &mut Report) -> Option<Document> {
        let file = syntax::parsed(report)?;
        let mut reader = Reader::new(report, SECTIONS, &file);
        let mut document = Document {
            appliance: reader.once(),
            notify: reader.once(),
            cores: reader.once(),
            dpdk: reader.once(),
            routing: reader.once(),
            ports: reader.many(),
            interfaces: reader.many(),
            routes: reader.many(),
            neighbours: reader.many(),
            monitors: reader.many(),
            pools: reader.many(),
            virtual_servers: reader.many(),
            snats: reader.many(),
            direct_access: reader.once(),
            timeouts: reader.once(),
            limits: reader.once(),
            sip: reader.once(),
            pair: reader.many().pop(),
            index: Index::default(),
        };
        let Document { interfaces, monitors, pools, virtual_servers, snats, .. } = &document;
        document.index = Index::of(interfaces, monitors, pools, virtual_servers, snats);
        Some(document)
    }

    /// The members of all pools.
    pub(super) fn members(&self) -> impl Iterator<Item = &Member> {
        self.pools.iter().flat_map(|pool| &pool.members)
    }

    /// The monitor of this name.
    pub(super) fn monitor(&self, name: &str) -> Option<&Monitor> {
        self.index.monitor(name).map(|at| &self.monitors[at])
    }

    /// The self-IPs, each with its interface.
    pub(super) fn self_ips(&self) -> impl Iterator<Item = (&Interface, &At<Ipv4Net>)> {
        self.interfaces.iter().flat_map(|entry| entry.addresses.iter().map(move |net| (entry, net)))
    }

    /// The interface whose network holds `address`; networks of two interfaces do not overlap.
    pub(super) fn link_of(&self, address: Ipv4Addr) -> Option<InterfaceId> {
        self.index.link_of(address)
    }

    /// The self-IP that is this address, with its interface.
    pub(super) fn self_ip(&self, address: Ipv4Addr) -> Option<(&Interface, &At<Ipv4Net>)> {
        self.index.self_ip(address).map(|place| self.network(place))
    }

    /// The network of ours whose network or broadcast address this is.
    pub(super) fn network_ending(&self, address: Ipv4Addr) -> Option<&At<Ipv4Net>> {
        self.index.network_ending(address).map(|place| self.network(place).1)
    }

    fn network(&self, (interface, net): (usize, usize)) -> (&Interface, &At<Ipv4Net>) {
        let interface = &self.interfaces[interface];
        (interface, &interface.addresses[net])
    }

    /// The pool of this name.
    pub(super) fn pool_id(&self, name: &Field<String>) -> Option<PoolId> {
        self.index.pool(name).map(Id::of)
    }

    /// The pool called `name`.
    pub(super) fn pool_named(&self, name: &str) -> Option<PoolId> {
        self.index.pool_named(name).map(Id::of)
    }

    /// Some pool is asked by the monitor of this name.
    pub(super) fn is_used(&self, monitor: &str) -> bool {
        self.index.is_used(monitor)
    }

    /// There is a SNAT for the pool of this name.
    pub(super) fn is_translated(&self, pool: &Field<String>) -> bool {
        self.index.is_translated(pool)
    }

    /// The virtual servers of the pool of this name.
    pub(super) fn servers_of(&self, pool: &Field<String>) -> impl Iterator<Item = &VirtualServer> {
        self.index.servers_of(pool).iter().map(|at| &self.virtual_servers[*at])
    }

    /// The member's port that `monitor` asks in `pool`: its own, else the matching service port of the pool's virtual
    /// servers, else for SIP the port of RFC 3261 19.1.2. `None` for icmp, and when nothing tells.
    pub(super) fn port_asked(&self, pool: &Pool, monitor: &Monitor) -> Option<u16> {
        if monitor.port.is_some() {
            return monitor.port.meant();
        }
        let listens: Vec<&At<Listen>> = self.servers_of(&pool.name).flat_map(|server| &server.listen).collect();
        let ports = |protocol| listens.iter().filter(move |at| at.protocol == protocol).map(|at| at.port);
        let (tcp, udp): (Vec<u16>, Vec<u16>) = (ports(Protocol::Tcp).collect(), ports(Protocol::Udp).collect());
        let first = |fits: &dyn Fn(&u16) -> bool| tcp.iter().copied().find(fits);
        let plain = || first(&|port| udp.contains(port)).or_else(|| first(&|port| *port != 5061));
        let secure = || {
            let last = || tcp.iter().copied().rfind(|port| !udp.contains(port) && *port != 5060);
            first(&|port| *port == 5061).or_else(last)
        };
        match (monitor.kind.meant()?, monitor.transport.meant()) {
            (Probe::Sip, Some(SipTransport::Tls)) => secure().or(Some(5061)),
            (Probe::Sip, Some(SipTransport::Tcp)) => plain().or(Some(5060)),
            (Probe::Sip, Some(SipTransport::Udp) | None) => udp.first().copied().or(Some(5060)),
            (Probe::Tcp | Probe::TcpHalfOpen, _) => plain().or(tcp.first().copied()),
            (Probe::Udp, _) => udp.first().copied(),
            (Probe::Http, _) => Some(80),
            (Probe::Https, _) => Some(443),
            (Probe::Icmp | Probe::External, _) => None,
        }
    }
}

/// Both say the same, wherever they stand.
pub(super) fn same<T: PartialEq>(one: &Field<T>, other: &Field<T>) -> bool {
    one.as_deref() == other.as_deref()
}

/// The entries of which an earlier one has the same key, each behind that earlier one. What has no key is passed over.
pub(super) fn repeated<T: Copy, K: Ord>(
    entries: impl IntoIterator<Item = T>,
    key: impl Fn(T) -> Option<K>,
) -> Vec<(T, T)> {
    let (mut firsts, mut found) = (BTreeMap::new(), Vec::new());
    for (key, entry) in entries.into_iter().filter_map(|entry| Some((key(entry)?, entry))) {
        match firsts.entry(key) {
            Entry::Occupied(first) => found.push((*first.get(), entry)),
            Entry::Vacant(place) => _ = place.insert(entry),
        }
    }
    found
}
