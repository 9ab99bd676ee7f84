//! Which service ports another file would take away from those whom they serve.
//!
//! Owns that comparison. It looks at no flow: datagrams to the service ports of a pair are in none.

use super::controller::Controller;
use crate::admin::configurations::LostServiceRow;
use crate::admin::rows::ServiceLoss;
use crate::config::listen_text;
use crate::policy::Intent;
use crate::policy::intent::{Listen, PoolId, VirtualServer};
use std::collections::HashMap;
use std::net::Ipv4Addr;

impl Controller {
    /// The service ports of virtual servers that are enabled and have an active member, as far as they would not be the same pool's in
    /// `next`.
    pub(super) fn lost_services(&self, next: &Intent) -> Vec<LostServiceRow> {
        let mut services = HashMap::<(Ipv4Addr, Listen), &VirtualServer>::new();
        for server in next.virtual_servers.iter() {
            // Of two at one place the first counts.
            server.listen.iter().for_each(|listen| _ = services.entry((server.address, *listen)).or_insert(server));
        }
        let is_served = |pool: PoolId| self.intent.pools[pool].members.iter().any(|id| self.pools.takes_new(*id));
        let served =
            self.intent.virtual_servers.entries().filter(|(_, server)| server.enabled && is_served(server.pool));
        let rows = served.flat_map(|(id, server)| {
            let is_there = next.virtual_servers.contains(id);
            server.listen.iter().map(move |listen| (server, *listen, is_there))
        });
        rows.filter_map(|(server, listen, is_there)| {
            let why = loss(server, services.get(&(server.address, listen)).copied(), is_there)?;
            let (virtual_server, service) = (server.name.clone(), listen_text(listen));
            Some(LostServiceRow { virtual_server, address: server.address, service, why })
        })
        .collect()
    }
}

/// `after` has the service port that `before` has now.
fn loss(before: &VirtualServer, after: Option<&VirtualServer>, is_there: bool) -> Option<ServiceLoss> {
    match after {
        None if is_there => Some(ServiceLoss::NotListening),
        None => Some(ServiceLoss::Removed),
        Some(after) if !after.enabled => Some(ServiceLoss::Disabled),
        Some(after) => (after.pool != before.pool).then_some(ServiceLoss::AnotherPool),
    }
}
