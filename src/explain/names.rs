//! How things are called.

use crate::config::{duration_text, listen_text, network_text};
use crate::policy::Intent;
use crate::policy::adjacency::{NextHop, Way};
use crate::policy::intent::{AccessRule, AccessTarget, InterfaceId, Listen, MemberId, PoolId, Snat, VirtualServerId};
use crate::policy::snapshot::Visit;
use crate::time::Duration;
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// The names of the file, by id.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) intent: &'a Intent,
}

impl<'a> Names<'a> {
    pub(super) fn member(self, id: MemberId) -> String {
        self.intent.members.get(id).map_or_else(|| format!("member {}", id.0), |member| member.name.clone())
    }

    pub(super) fn pool(self, id: PoolId) -> String {
        self.intent.pools.get(id).map_or_else(|| format!("pool {}", id.0), |pool| pool.name.clone())
    }

    pub(super) fn server(self, id: VirtualServerId) -> String {
        self.intent.virtual_servers.get(id).map_or_else(|| format!("virtual server {}", id.0), |it| it.name.clone())
    }

    pub(super) fn interface(self, id: InterfaceId) -> String {
        self.intent.interfaces.get(id).map_or_else(|| format!("interface {}", id.0), |it| it.name.clone())
    }

    /// The virtual servers at an address.
    pub(super) fn servers_at(self, address: Ipv4Addr) -> String {
        let here = self.intent.virtual_servers.iter().filter(|server| server.address == address);
        listed(here.map(|server| server.name.clone()))
    }

    /// What listens at an address.
    pub(super) fn listens_at(self, address: Ipv4Addr) -> String {
        let here = self.intent.virtual_servers.iter().filter(|server| server.address == address);
        listed(here.flat_map(|server| &server.listen).map(|listen: &Listen| listen_text(*listen)))
    }

    pub(super) fn snat(self, pool: PoolId) -> Option<&'a Snat> {
        self.intent.snats.iter().find(|snat| snat.pool == pool)
    }

    /// The entry of a pool's exclusion group that holds the address: the longest.
    pub(super) fn exclusion(self, pool: PoolId, address: Ipv4Addr) -> Option<Ipv4Net> {
        let entries = self.snat(pool)?.exclude.iter().filter(|net| net.contains(&address));
        entries.max_by_key(|net| net.prefix_len()).copied()
    }

    /// The number in the file of the first rule of `[direct_access]` that lets somebody at `src` do this at a member.
    pub(super) fn access_rule(self, member: MemberId, src: Ipv4Addr, visit: Visit) -> Option<usize> {
        let pool = self.intent.members.get(member)?.pool;
        let is_to = |rule: &AccessRule| {
            let is = |target: &AccessTarget| {
                matches!(target, AccessTarget::Member(id) if *id == member)
                    || matches!(target, AccessTarget::Pool(id) if *id == pool)
            };
            rule.to.is_empty() || rule.to.iter().any(is)
        };
        let is_of_port = |rule: &AccessRule| match visit {
            _ if rule.ports.is_empty() => true,
            Visit::Port(protocol, port) => rule.ports.iter().any(|listen| listen.is(protocol, port)),
            Visit::AnyPort => true,
            Visit::WithoutPorts => false,
        };
        let allows =
            |rule: &AccessRule| is_to(rule) && is_of_port(rule) && rule.from.iter().any(|net| net.contains(&src));
        self.intent.direct_access.rules.iter().position(allows).map(|at| at + 1)
    }

    /// The interface whose network has the address and members.
    pub(super) fn beside_members(self, address: Ipv4Addr) -> Option<String> {
        let Some(Way::OnLink(interface)) = self.intent.way_towards(address) else { return None };
        let networks = self.intent.interfaces.get(interface)?.addresses.iter().filter(|net| net.contains(&address));
        let has_members = |net: &Ipv4Net| self.intent.members.iter().any(|member| net.contains(&member.address));
        networks.clone().any(has_members).then(|| self.interface(interface))
    }

    /// How a packet gets to an address: the network it is on, or the route, static or learned.
    pub(super) fn way(self, address: Ipv4Addr) -> String {
        match self.intent.way_towards(address) {
            Some(Way::OnLink(interface)) => format!("on the network of interface {}", self.interface(interface)),
            Some(Way::By(route)) => {
                let (to, interface) = (network_text(route.to), self.interface(route.interface));
                format!("by the route {to} via {} on interface {interface}", route.via)
            }
            Some(Way::Learned(route)) => {
                let name = |(hop, _): &(NextHop, u16)| format!("{hop} on interface {}", self.interface(hop.interface));
                let (to, hops) = (network_text(route.to), listed(route.hops.iter().map(name)));
                format!("by the kernel's route {to} via {hops}")
            }
            None => "there is no route to it".into(),
        }
    }
}

/// With commas between.
pub(super) fn listed(names: impl IntoIterator<Item = String>) -> String {
    let all: Vec<String> = names.into_iter().collect();
    if all.is_empty() { "none".into() } else { all.join(", ") }
}

/// To the second.
pub(super) fn span(span: Duration) -> String {
    duration_text(Duration::from_secs(span.as_secs()))
}
