//! Which virtual addresses routing daemons on this machine are told of, and since when.
//!
//! Owns the decision for each address, from what its virtual servers say and whether they are up; what was ordered last and what the kernel
//! has confirmed; and of the end, that addresses are withdrawn first and how long is waited then. Gives no address to the kernel: whoever
//! obeys [`Output::Advertise`] does, and says so by [`Input::Advertised`](super::Input::Advertised).

use super::advertise_order::AdvertiseOrder;
use super::outbox::{Outbox, Output};
use crate::admin::events::Subject;
use crate::config::LogLevel;
use crate::events::{AlarmCode, EventName};
use crate::policy::Intent;
use crate::policy::intent::{Advertise, VirtualServerId};
use crate::time::{Duration, Instant};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// What could not be done is tried again after this.
const RETRY: Duration = Duration::from_secs(2);
/// What was done is looked at again: somebody may have taken an address, or the device.
const REVIEW: Duration = Duration::from_secs(10);
/// How long the kernel may take to withdraw everything at the end.
const PATIENCE: Duration = Duration::from_secs(1);
const ALARM: &str = "routes";

/// What is known of a virtual server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Serving {
    Up,
    Down,
    /// A member that might serve has not answered or failed often enough yet.
    Unknown,
}

/// A virtual server that is advertised at times.
#[derive(Clone, Debug)]
struct Advertised {
    address: Ipv4Addr,
    advertise: Advertise,
    delay: Duration,
    /// It was up, or known to be down, since it is there: before, what stands of it is left so.
    is_known: bool,
    is_up: bool,
    /// When its address goes, after it was up.
    until: Option<Instant>,
}

/// What was decided, ordered and done.
#[derive(Default)]
pub(super) struct Advertising {
    servers: BTreeMap<VirtualServerId, Advertised>,
    /// Every worker forwards.
    is_ready: bool,
    /// Something may have changed since it was last looked at.
    is_touched: bool,
    /// When the first address goes whose delay is over.
    leaves: Option<Instant>,
    order: AdvertiseOrder,
    /// When the same is ordered again.
    again: Option<Instant>,
    /// What the kernel has, by when it was given.
    standing: BTreeMap<Ipv4Addr, Instant>,
    /// The appliance ends, and may from then on.
    ends: Option<Instant>,
    has_ended: bool,
}

impl Advertising {
    /// What `intent` says of it. What was left by the process before is looked at with the next [`Advertising::poll`].
    pub(super) fn new(intent: &Intent) -> Advertising {
        let mut advertising = Advertising { again: Some(Instant::ZERO), ..Advertising::default() };
        advertising.reconfigure(intent);
        advertising
    }

    /// Another intent: what is known stays with the ids.
    pub(super) fn reconfigure(&mut self, intent: &Intent) {
        let mut before = std::mem::take(&mut self.servers);
        let meant = intent.virtual_servers.entries().filter(|(_, server)| server.advertise != Advertise::Never);
        self.servers = meant
            .map(|(id, server)| {
                let fresh = (false, false, None);
                let (is_known, is_up, until) = before.remove(&id).map_or(fresh, |it| (it.is_known, it.is_up, it.until));
                let (address, advertise, delay) = (server.address, server.advertise, server.withdraw_delay);
                (id, Advertised { address, advertise, delay, is_known, is_up, until })
            })
            .collect();
        self.is_touched = true;
    }

    /// Who is up may have changed.
    pub(super) fn touch(&mut self) {
        self.is_touched = true;
    }

    /// Every worker forwards from now on.
    pub(super) fn on_ready(&mut self) {
        (self.is_ready, self.is_touched) = (true, true);
    }

    /// Orders what has changed, or is to be looked at again. Nothing stands unless it `is_active`, the one of its pair that has the addresses.
    pub(super) fn poll(
        &mut self,
        is_active: bool,
        serving: impl Fn(VirtualServerId) -> Serving,
        out: &mut Outbox,
        now: Instant,
    ) {
        if self.ends.is_some() || (!self.is_touched && self.next_deadline().is_none_or(|due| now < due)) {
            return;
        }
        self.is_touched = false;
        let (mut addresses, mut kept) = (BTreeSet::new(), BTreeSet::new());
        for (id, server) in &mut self.servers {
            match server.decide(serving(*id), self.is_ready, now) {
                _ if !is_active => {}
                Decision::Stands => _ = addresses.insert(server.address),
                Decision::Stays => _ = kept.insert(server.address),
                Decision::Goes => {}
            }
        }
        self.leaves = self.servers.values().filter_map(|server| server.until).min();
        let is_due = self.again.is_some_and(|again| again <= now);
        if is_due || addresses != self.order.addresses || kept != self.order.kept {
            self.order(addresses, kept, out);
        }
    }

    /// The kernel has done what was ordered, and holds these now; or why it has not.
    pub(super) fn on_outcome(
        &mut self,
        (number, outcome): (u64, Result<BTreeSet<Ipv4Addr>, String>),
        (intent, device): (&Intent, &str),
        stop_delay: Duration,
        out: &mut Outbox,
        now: Instant,
    ) {
        if number != self.order.number {
            return;
        }
        match outcome {
            Ok(held) => {
                out.clear(ALARM, || format!("{device} holds the addresses that are to be advertised"));
                self.again = (!held.is_empty()).then_some(now + REVIEW);
                self.tell(&held, (intent, device), out);
                self.standing.retain(|address, _| held.contains(address));
                held.into_iter().for_each(|address| _ = self.standing.entry(address).or_insert(now));
                self.ends = self.ends.map(|_| now + stop_delay);
            }
            Err(why) => {
                self.again = Some(now + RETRY);
                let seconds = RETRY.as_secs();
                let message = format!(
                    "the kernel does not hold what routing daemons are to announce: {why}. It is tried again every {seconds} \
                     seconds"
                );
                out.raise(ALARM, (AlarmCode::RoutesUnadvertised, Subject::interface(device)), message, now);
                self.ends = self.ends.map(|_| now);
            }
        }
    }

    /// The appliance is to end. Says whether anything has to be withdrawn first: then [`Advertising::take_ended`] says when it is.
    pub(super) fn begin_end(&mut self, stop_delay: Duration, out: &mut Outbox, now: Instant) -> bool {
        if self.standing.is_empty() && self.order.addresses.is_empty() {
            return false;
        }
        self.ends = Some(now + PATIENCE + stop_delay);
        self.order(BTreeSet::new(), BTreeSet::new(), out);
        true
    }

    /// The end has begun.
    pub(super) fn is_ending(&self) -> bool {
        self.ends.is_some()
    }

    /// Everything was withdrawn, and there was time to tell routers. Once.
    pub(super) fn take_ended(&mut self, now: Instant) -> bool {
        let has_ended = self.ends.is_some_and(|ends| ends <= now);
        has_ended && !std::mem::replace(&mut self.has_ended, true)
    }

    /// Since when an address stands, as the kernel has confirmed.
    pub(super) fn since(&self, address: Ipv4Addr) -> Option<Instant> {
        self.standing.get(&address).copied()
    }

    /// When something is to be done though nothing happens.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match self.ends {
            Some(ends) => (!self.has_ended).then_some(ends),
            None => self.leaves.into_iter().chain(self.again).min(),
        }
    }

    fn order(&mut self, addresses: BTreeSet<Ipv4Addr>, kept: BTreeSet<Ipv4Addr>, out: &mut Outbox) {
        self.again = None;
        self.order = AdvertiseOrder { number: self.order.number + 1, addresses, kept };
        out.push(Output::Advertise(Box::new(self.order.clone())));
    }

    /// A line for each address that has come or gone.
    fn tell(&self, held: &BTreeSet<Ipv4Addr>, (intent, device): (&Intent, &str), out: &mut Outbox) {
        for address in held.iter().filter(|address| !self.standing.contains_key(address)) {
            let ids = self.servers.iter().filter(|(_, server)| server.address == *address).map(|(id, _)| *id);
            let names: Vec<&str> =
                ids.filter_map(|id| intent.virtual_servers.get(id)).map(|one| one.name.as_str()).collect();
            let message = format!("{address} is advertised: it stands on {device} for {}", names.join(", "));
            out.log_of(EventName::AddressAdvertised, LogLevel::Info, Subject::object(address), message);
        }
        for address in self.standing.keys().filter(|address| !held.contains(address)) {
            let why = match self.ends {
                Some(_) => "Fairlead stops",
                None if self.servers.values().any(|server| server.address == *address) => {
                    "no virtual server of it is up"
                }
                None => "the file does not say any more that it is to be advertised",
            };
            let message = format!("{address} is withdrawn from {device}: {why}");
            out.log_of(EventName::AddressWithdrawn, LogLevel::Info, Subject::object(address), message);
        }
    }
}

/// What is done with an address, as far as one virtual server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Stands,
    /// If it is there.
    Stays,
    Goes,
}

impl Advertised {
    fn decide(&mut self, serving: Serving, is_ready: bool, now: Instant) -> Decision {
        let was_up = std::mem::replace(&mut self.is_up, serving == Serving::Up);
        self.is_known |= serving != Serving::Unknown;
        self.until = match self.until {
            _ if self.is_up => None,
            None if was_up => Some(now + self.delay),
            until => until,
        };
        self.until = self.until.filter(|until| now < *until);
        match self.advertise {
            Advertise::Never => Decision::Goes,
            Advertise::Always if is_ready => Decision::Stands,
            Advertise::WhenActive if self.is_up && is_ready => Decision::Stands,
            Advertise::WhenActive if self.until.is_some() => Decision::Stands,
            Advertise::WhenActive if self.is_known => Decision::Goes,
            Advertise::Always | Advertise::WhenActive => Decision::Stays,
        }
    }
}

#[cfg(test)]
mod tests;
