//! Routes that the kernel has and that are followed.
//!
//! Owns which are known, and for how long one is kept that nobody has withdrawn: a route that the kernel deletes is gone at once; one that
//! goes with a link or a device, which the kernel does not tell, or of which nothing is heard any more, stays for a while. Asks no kernel
//! and sends nothing. What the data path does with them follows by [`usable`].

use super::outbox::{Outbox, Output};
use super::route_order::{RouteOrder, RoutesRead};
use crate::admin::events::Subject;
use crate::config::{LogLevel, Routes, count};
use crate::events::{AlarmCode, EventName};
use crate::handover::{Remembered, RememberedHop, RememberedRoute};
use crate::netlink::{KernelHop, KernelRoute, RouteFilter, RouteProtocol, SkippedRoutes};
use crate::policy::Intent;
use crate::policy::adjacency::NextHop;
use crate::policy::intent::{Interface, InterfaceId, LearnedRoute};
use crate::time::{Duration, Instant};
use ipnet::Ipv4Net;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// Next hops of all routes together: each is asked for by ARP once a second.
pub(super) const MOST_HOPS: usize = 1_024;
/// How often changes are logged.
const PACE: Duration = Duration::from_secs(1);
/// The alarms' names.
const LIMIT: &str = "routes limit";
const UNREAD: &str = "routes unread";

/// A route that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) route: KernelRoute,
    /// Since when nothing says that it is there.
    pub(super) stale: Option<Instant>,
}

/// The routes, and how they have changed.
#[derive(Default)]
pub(super) struct Learning {
    /// In the order of destinations and metrics.
    known: Vec<Known>,
    skipped: SkippedRoutes,
    order: RouteOrder,
    stale_time: Duration,
    /// Not logged yet: learned, and withdrawn.
    unsaid: (usize, usize),
    said: Option<Instant>,
}

impl Learning {
    /// What is known, in the order of destinations and metrics.
    pub(super) fn known(&self) -> &[Known] {
        &self.known
    }

    /// The file says what is to be followed. Says whether the routes that are known have changed.
    pub(super) fn reconfigure(&mut self, meant: &Routes, intent: &Intent, out: &mut Outbox) -> bool {
        self.stale_time = meant.stale_time;
        let devices: BTreeSet<String> = intent.interfaces.iter().filter_map(|one| one.host.clone()).collect();
        let filter = (meant.from_kernel && !devices.is_empty()).then(|| RouteFilter {
            table: meant.table,
            protocols: meant.protocols.clone(),
            devices,
            limit: meant.limit,
        });
        if filter == self.order.filter {
            return false;
        }
        let before = self.known.len();
        match &filter {
            Some(filter) if self.order.filter.as_ref().is_some_and(|old| old.table == filter.table) => {
                let leads = |hop: &KernelHop| filter.devices.contains(&hop.device);
                self.known.retain(|known| filter.allows(known.route.protocol) && known.route.hops.iter().any(leads));
            }
            _ => self.known.clear(),
        }
        if filter.is_none() {
            self.skipped = SkippedRoutes::default();
            [LIMIT, UNREAD]
                .into_iter()
                .for_each(|alarm| _ = out.clear(alarm, || "no routes are followed any more".into()));
        }
        self.unsaid.1 += before - self.known.len();
        self.order = RouteOrder { number: self.order.number + 1, filter };
        out.push(Output::FollowRoutes(Box::new(self.order.clone())));
        before != self.known.len()
    }

    /// What is known of which table, for the next process.
    pub(super) fn remembered(&self) -> (Option<u32>, Vec<RememberedRoute>) {
        let of = |known: &Known| RememberedRoute {
            to: known.route.to,
            metric: known.route.metric,
            protocol: known.route.protocol.0,
            stale: known.stale.map(Instant::nanos),
            hops: known.route.hops.iter().map(remembered_hop).collect(),
        };
        (self.order.filter.as_ref().map(|filter| filter.table), self.known.iter().map(of).collect())
    }

    /// What the process before knew at its end, `age` before `now`, is known until the kernel has been read. Since then nothing says that it
    /// is there: it stays for as long as what goes with its device. Says how many routes that are.
    pub(super) fn take_up(&mut self, before: &Remembered, age: Duration, now: Instant) -> usize {
        let Some(filter) = self.order.filter.as_ref().filter(|filter| before.table == Some(filter.table)) else {
            return 0;
        };
        let end = Instant::from_nanos(now.nanos().saturating_sub(u64::try_from(age.as_nanos()).unwrap_or(u64::MAX)));
        let known = |route: &RememberedRoute| {
            let stale = route.stale.map_or(end, Instant::from_nanos);
            let route = route_before(route);
            let leads = |hop: &KernelHop| filter.devices.contains(&hop.device);
            let is_fresh = age < self.stale_time && now < stale + self.stale_time;
            let counts = is_fresh && filter.allows(route.protocol) && route.hops.iter().any(leads);
            counts.then_some(Known { route, stale: Some(stale) })
        };
        self.known = before.routes.iter().filter_map(known).take(filter.limit).collect();
        self.known.sort_by_key(|known| (known.route.to, known.route.metric));
        self.known.dedup_by_key(|known| (known.route.to, known.route.metric));
        self.known.len()
    }

    /// What would be learned with another file.
    pub(super) fn forecast(&self, meant: &Routes, next: &Intent) -> Arc<[LearnedRoute]> {
        let is_followed = |filter: &RouteFilter| meant.from_kernel && meant.table == filter.table;
        let then = RouteFilter { protocols: meant.protocols.clone(), ..RouteFilter::default() };
        let of =
            |known: &&Known| self.order.filter.as_ref().is_some_and(is_followed) && then.allows(known.route.protocol);
        learned(&self.known.iter().filter(of).cloned().collect::<Vec<_>>(), next)
    }

    /// What has been read, or why nothing can be. Says whether the routes that are known have changed.
    pub(super) fn on_read(
        &mut self,
        number: u64,
        read: Result<RoutesRead, String>,
        out: &mut Outbox,
        now: Instant,
    ) -> bool {
        if number != self.order.number || self.order.filter.is_none() {
            return false;
        }
        match read {
            Ok(read) => {
                _ = out.clear(UNREAD, || "the kernel's routes are followed".into());
                self.skipped = read.found.skipped;
                let has_changed = self.take(read, out, now);
                self.review_limit(out, now);
                has_changed
            }
            Err(why) => {
                let message = format!("{why}: the routes that are known stay for {:?}", self.stale_time);
                out.raise(UNREAD, (AlarmCode::RoutesUnread, Subject::none()), message, now);
                self.known.iter_mut().for_each(|known| _ = known.stale.get_or_insert(now));
                false
            }
        }
    }

    fn take(&mut self, RoutesRead { found, changes, is_first }: RoutesRead, out: &mut Outbox, now: Instant) -> bool {
        if changes.overrun {
            let message = "the kernel has told of more changes of routes than could be read: all were read anew".into();
            out.log_of(EventName::RoutesOverrun, LogLevel::Warn, Subject::none(), message);
        }
        let before = std::mem::take(&mut self.known);
        let fresh: BTreeSet<Ipv4Net> = found.routes.iter().map(|route| route.to).collect();
        let may_stay = is_first || (changes.links && !changes.overrun);
        let was_withdrawn = |route: &KernelRoute| !may_stay || changes.deleted.contains(&(route.to, route.metric));
        let is_missing = |known: &&Known| !fresh.contains(&known.route.to);
        let (gone, stay): (Vec<&Known>, Vec<&Known>) =
            before.iter().filter(is_missing).partition(|known| known.stale.is_none() && was_withdrawn(&known.route));
        let mut known: Vec<Known> = stay.into_iter().cloned().collect();
        for one in &mut known {
            one.stale = one.stale.or(Some(now));
            one.route.hops.iter_mut().for_each(|hop| hop.usable &= !found.without_link.contains(&hop.device));
        }
        known.extend(found.routes.into_iter().map(|route| Known { route, stale: None }));
        known.sort_by_key(|known| (known.route.to, known.route.metric));
        known.dedup_by_key(|known| (known.route.to, known.route.metric));
        let had: BTreeSet<Ipv4Net> = before.iter().map(|known| known.route.to).collect();
        self.unsaid.0 += fresh.difference(&had).count();
        self.unsaid.1 += gone.iter().map(|known| known.route.to).collect::<BTreeSet<_>>().len();
        self.known = known;
        self.known != before
    }

    fn review_limit(&mut self, out: &mut Outbox, now: Instant) {
        let Some(filter) = &self.order.filter else { return };
        let hops = self.known.iter().flat_map(|known| known.route.hops.iter().map(|hop| (&hop.device, hop.gateway)));
        let hops = hops.collect::<BTreeSet<_>>().len();
        let beyond = self.skipped.beyond_limit;
        if beyond == 0 && hops <= MOST_HOPS {
            out.clear(LIMIT, || "all routes of the kernel's have room".into());
            return;
        }
        let message = match beyond {
            0 => format!("{hops} next hops of the kernel's routes: those beyond {MOST_HOPS} are left out"),
            _ => format!(
                "{} of the kernel's left out: there are {} already",
                count(beyond as usize, "route"),
                filter.limit
            ),
        };
        out.raise(LIMIT, (AlarmCode::RoutesLimit, Subject::none()), message, now);
    }

    /// Forgets what has been stale for too long, and logs what has changed. Says whether the routes that are known have changed.
    pub(super) fn poll(&mut self, out: &mut Outbox, now: Instant) -> bool {
        let before = self.known.len();
        let stale_time = self.stale_time;
        self.known.retain(|known| known.stale.is_none_or(|since| now < since + stale_time));
        let gone = before - self.known.len();
        self.unsaid.1 += gone;
        if self.said.is_none_or(|said| now >= said + PACE) {
            self.say(out, now);
        }
        gone > 0
    }

    fn say(&mut self, out: &mut Outbox, now: Instant) {
        let (learned, withdrawn) = std::mem::take(&mut self.unsaid);
        let all = self.known.len();
        if learned > 0 {
            let message =
                format!("{} of the kernel's learned: {all} in all{}", count(learned, "route"), self.skipped_text());
            out.log_of(EventName::RouteLearned, LogLevel::Info, Subject::none(), message);
        }
        if withdrawn > 0 {
            let message = format!("{} of the kernel's withdrawn: {all} in all", count(withdrawn, "route"));
            out.log_of(EventName::RouteWithdrawn, LogLevel::Info, Subject::none(), message);
        }
        if learned + withdrawn > 0 {
            self.said = Some(now);
        }
    }

    fn skipped_text(&self) -> String {
        let SkippedRoutes { without_router, discarding, .. } = self.skipped;
        let parts = [(without_router, "without a router's IPv4 address"), (discarding, "that discard")];
        let said: Vec<String> =
            parts.iter().filter(|(many, _)| *many > 0).map(|(many, why)| format!("{many} {why}")).collect();
        if said.is_empty() { String::new() } else { format!("; left out: {}", said.join(", ")) }
    }

    /// When [`Learning::poll`] has something to do.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let stale = self.known.iter().filter_map(|known| known.stale).min().map(|since| since + self.stale_time);
        let said = self.said.filter(|_| self.unsaid != (0, 0)).map(|said| said + PACE);
        stale.into_iter().chain(said).min()
    }
}

fn remembered_hop(hop: &KernelHop) -> RememberedHop {
    let KernelHop { device, gateway, weight, usable } = hop.clone();
    RememberedHop { device, gateway, weight, usable }
}

fn route_before(route: &RememberedRoute) -> KernelRoute {
    let hop = |RememberedHop { device, gateway, weight, usable }: RememberedHop| KernelHop {
        device,
        gateway,
        weight: weight.max(1),
        usable,
    };
    let RememberedRoute { to, metric, protocol, hops, .. } = route.clone();
    KernelRoute { to, metric, protocol: RouteProtocol(protocol), hops: hops.into_iter().map(hop).collect() }
}

/// The part of a route that packets can be sent by.
pub(super) struct Usable<'k> {
    pub(super) known: &'k Known,
    /// In order, none twice.
    pub(super) hops: Vec<(NextHop, u16)>,
}

/// Which of the routes packets go by: to each destination the one of the smallest metric that leads to a router on a network of an
/// interface, over a link that is there. None that lies within such a network: who is on a link of ours is reached there.
pub(super) fn usable<'k>(known: &'k [Known], intent: &Intent) -> Vec<Usable<'k>> {
    let by_device: HashMap<&str, (InterfaceId, &Interface)> = intent
        .interfaces
        .entries()
        .filter_map(|(id, interface)| Some((interface.host.as_deref()?, (id, interface))))
        .collect();
    let networks: Vec<Ipv4Net> =
        intent.interfaces.iter().flat_map(|one| one.addresses.iter().map(Ipv4Net::trunc)).collect();
    let is_connected = |to: &Ipv4Net| networks.iter().any(|net| net.contains(to));
    let (mut all, mut taken) = (Vec::<Usable<'k>>::new(), BTreeSet::new());
    for known in known.iter().filter(|known| !is_connected(&known.route.to)) {
        if all.last().is_some_and(|last| last.known.route.to == known.route.to) {
            continue;
        }
        let mut hops = BTreeMap::<NextHop, u16>::new();
        for hop in known.route.hops.iter().filter(|hop| hop.usable) {
            let Some((interface, meant)) = by_device.get(hop.device.as_str()) else { continue };
            let at = NextHop { interface: *interface, address: hop.gateway };
            if faces(meant, hop.gateway) && (taken.contains(&at) || taken.len() < MOST_HOPS) {
                taken.insert(at);
                let weight = hops.entry(at).or_default();
                *weight = weight.saturating_add(hop.weight);
            }
        }
        if !hops.is_empty() {
            all.push(Usable { known, hops: hops.into_iter().collect() });
        }
    }
    all
}

/// The address may be a router's on a network of the interface.
fn faces(interface: &Interface, router: Ipv4Addr) -> bool {
    interface.addresses.iter().any(|net| {
        let is_whole = net.prefix_len() < 31 && (router == net.network() || router == net.broadcast());
        net.contains(&router) && router != net.addr() && !is_whole
    })
}

/// The same as the snapshot takes it.
pub(super) fn learned(known: &[Known], intent: &Intent) -> Arc<[LearnedRoute]> {
    let route = |usable: Usable<'_>| LearnedRoute { to: usable.known.route.to, hops: usable.hops.into() };
    usable(known, intent).into_iter().map(route).collect()
}

#[cfg(test)]
mod tests;
