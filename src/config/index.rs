//! Where in a document something stands, found without looking through it: the first of its kind, where there are several.
//!
//! Owns places only. What stands there is the document's.

use super::reader::Field;
use super::schema::{Interface, Monitor, Pool, Snat, VirtualServer};
use crate::policy::intent::InterfaceId;
use crate::policy::prefix::PrefixMap;
use crate::policy::slots::Id;
use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;

/// A name, or that there is none.
type Name = Option<String>;

/// The places.
#[derive(Debug, Default)]
pub(super) struct Index {
    monitors: HashMap<String, usize>,
    /// Names of monitors that pools have.
    used: HashSet<String>,
    pools: HashMap<Name, usize>,
    /// Virtual servers, by the pool they name.
    servers: HashMap<Name, Vec<usize>>,
    /// Pools that a SNAT names.
    translated: HashSet<Name>,
    /// Interface and network of each address of ours.
    self_ips: HashMap<Ipv4Addr, (usize, usize)>,
    /// The same by the network and broadcast addresses.
    ends: HashMap<Ipv4Addr, (usize, usize)>,
    links: Option<PrefixMap<InterfaceId>>,
}

impl Index {
    pub(super) fn of(
        interfaces: &[Interface],
        monitors: &[Monitor],
        pools: &[Pool],
        servers: &[VirtualServer],
        snats: &[Snat],
    ) -> Index {
        let mut index = Index::default();
        for (at, monitor) in monitors.iter().enumerate() {
            monitor.name.iter().for_each(|name| _ = index.monitors.entry(name.value.clone()).or_insert(at));
        }
        for (at, pool) in pools.iter().enumerate() {
            index.pools.entry(named(&pool.name)).or_insert(at);
            index.used.extend(pool.monitors.iter().map(|name| name.value.clone()));
        }
        for (at, server) in servers.iter().enumerate() {
            index.servers.entry(named(&server.pool)).or_default().push(at);
        }
        index.translated = snats.iter().map(|snat| named(&snat.pool)).collect();
        index.place_networks(interfaces);
        index
    }

    fn place_networks(&mut self, interfaces: &[Interface]) {
        let mut links = Vec::new();
        for (at, interface) in interfaces.iter().enumerate() {
            for (place, net) in interface.addresses.iter().enumerate() {
                self.self_ips.entry(net.addr()).or_insert((at, place));
                if net.prefix_len() < 31 {
                    for end in [net.network(), net.broadcast()] {
                        self.ends.entry(end).or_insert((at, place));
                    }
                }
                links.push((net.trunc(), InterfaceId::of(at)));
            }
        }
        // Networks of two interfaces do not overlap, or are reported; of two that are the same the first counts.
        self.links = Some(PrefixMap::new(links.into_iter().rev()));
    }

    pub(super) fn monitor(&self, name: &str) -> Option<usize> {
        self.monitors.get(name).copied()
    }

    pub(super) fn is_used(&self, monitor: &str) -> bool {
        self.used.contains(monitor)
    }

    pub(super) fn pool(&self, name: &Field<String>) -> Option<usize> {
        self.pools.get(&named(name)).copied()
    }

    pub(super) fn pool_named(&self, name: &str) -> Option<usize> {
        self.pools.get(&Some(name.to_owned())).copied()
    }

    pub(super) fn servers_of(&self, pool: &Field<String>) -> &[usize] {
        self.servers.get(&named(pool)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn is_translated(&self, pool: &Field<String>) -> bool {
        self.translated.contains(&named(pool))
    }

    pub(super) fn self_ip(&self, address: Ipv4Addr) -> Option<(usize, usize)> {
        self.self_ips.get(&address).copied()
    }

    pub(super) fn network_ending(&self, address: Ipv4Addr) -> Option<(usize, usize)> {
        self.ends.get(&address).copied()
    }

    pub(super) fn link_of(&self, address: Ipv4Addr) -> Option<InterfaceId> {
        self.links.as_ref()?.find(address)
    }
}

fn named(field: &Field<String>) -> Name {
    field.as_ref().map(|at| at.value.clone())
}
