//! The kernel's routes in the data path: what is learned becomes what is meant, and workers get it.
//!
//! Owns how the parts meet for that. Which routes are known is decided by [`super::learning`].

use super::controller::Controller;
use super::learning::{self, Known};
use super::publisher::PACE;
use super::route_order::RoutesRead;
use crate::admin::rows::{LearnedRow, RouteKind, RouteRow};
use crate::handover::Remembered;
use crate::netlink::KernelHop;
use crate::policy::Intent;
use crate::policy::adjacency::NextHop;
use crate::time::{Duration, Instant};
use ipnet::Ipv4Net;
use std::collections::HashSet;

impl Controller {
    /// What the kernel has was read, or cannot be.
    pub(super) fn on_routes(&mut self, number: u64, read: Result<RoutesRead, String>, now: Instant) {
        if self.learning.on_read(number, read, &mut self.outputs, now) {
            self.follow_routes(now);
        }
    }

    /// Those that the process before had, in the first snapshot already. Says how many.
    pub(super) fn take_up_routes(&mut self, before: &Remembered, age: Duration, now: Instant) -> usize {
        let taken = self.learning.take_up(before, age, now);
        self.follow_routes(now);
        taken
    }

    /// What is due of them.
    pub(super) fn poll_routes(&mut self, now: Instant) {
        if self.learning.poll(&mut self.outputs, now) {
            self.follow_routes(now);
        }
    }

    /// The first file says which are to be followed.
    pub(super) fn begin_following_routes(&mut self) {
        _ = self.learning.reconfigure(&self.file.settings.routes, &self.intent, &mut self.outputs);
    }

    /// The file says which are to be followed; `intent` is to be the intent.
    pub(super) fn lay_routes_over(&mut self, intent: &mut Intent) {
        _ = self.learning.reconfigure(&self.file.settings.routes, intent, &mut self.outputs);
        intent.learned = learning::learned(self.learning.known(), intent);
    }

    /// A row for each next hop of each.
    pub(super) fn learned_rows(&self) -> Vec<RouteRow> {
        let known = self.learning.known();
        let fixed: HashSet<Ipv4Net> = self.intent.routes.iter().map(|route| route.to.trunc()).collect();
        let usable = learning::usable(known, &self.intent);
        let used: HashSet<(Ipv4Net, u32, NextHop)> = usable
            .iter()
            .filter(|one| !fixed.contains(&one.known.route.to))
            .flat_map(|one| one.hops.iter().map(|(hop, _)| (one.known.route.to, one.known.route.metric, *hop)))
            .collect();
        let row = |known: &Known, hop: &KernelHop| {
            let interface = self.intent.interfaces.entries().find(|(_, one)| one.host.as_ref() == Some(&hop.device));
            let at = interface.map(|(interface, _)| NextHop { interface, address: hop.gateway });
            let is_used = at.is_some_and(|at| used.contains(&(known.route.to, known.route.metric, at)));
            RouteRow {
                to: known.route.to,
                via: Some(hop.gateway),
                interface: interface.map_or_else(|| hop.device.clone(), |(_, one)| one.name.clone()),
                kind: RouteKind::Kernel,
                next_hop: at.filter(|_| is_used).map(|at| self.state_of(at)),
                mac: at.and_then(|at| self.mac_of(at)),
                learned: Some(LearnedRow {
                    protocol: known.route.protocol.to_string(),
                    metric: known.route.metric,
                    weight: hop.weight,
                    usable: hop.usable,
                    used: is_used && hop.usable,
                    stale: known.stale.map(|since| self.wall(since)),
                }),
            }
        };
        let row = &row;
        known.iter().flat_map(|known| known.route.hops.iter().map(move |hop| row(known, hop))).collect()
    }

    /// Of many changes at once there is one snapshot.
    fn follow_routes(&mut self, now: Instant) {
        let learned = learning::learned(self.learning.known(), &self.intent);
        if learned != self.intent.learned {
            self.intent.learned = learned;
            self.link.follow_routes(&self.intent, now);
            self.review_silence();
            self.probing.follow_routes(&self.intent);
            self.publisher.changed_paced(PACE, now);
        }
    }
}
