//! Who is on the link: address resolution (RFC 826) with its timers (RFC 1122 2.3.2.1).
//!
//! Owns the table of next hops, what is asked of each and what is learnt from ARP that arrives. Sends nothing and reads no clock: what is to be sent and what others must
//! know comes out of [`Neighbours::next_event`]. Members and routers are *permanent*: resolved from the start, refreshed, asked
//! for ever. Others come because a packet waits for them, and go when they do not answer; who only asks for us is one of the
//! [`strangers`](super::strangers). Read first: [`Addresses`], then [`Neighbours::on_arp`]; every change of an entry is a
//! [`Neighbours::put`]. How often hosts are asked is [`cadence`]'s.

mod cadence;
mod check;
mod event;
mod host;
mod table;

use super::strangers::Strangers;
use crate::policy::Addresses;
use crate::policy::adjacency::{Adjacency, Neighbour, NextHop};
use crate::policy::intent::{InterfaceId, PortId};
use crate::time::Instant;
use crate::wire::Mac;
use crate::wire::arp::{Arp, Operation};
use cadence::{Cadence, NEGATIVE, REQUESTS, RETRY, TRUSTED};
use check::{Check, PATIENCE, Step};
pub use event::NeighbourEvent;
pub use host::Given;
use host::{Host, NudState};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use table::Table;

/// Next hops known at most, permanent ones aside.
pub const MOST: usize = 65_536;
/// Next hops being asked for at once at most, permanent ones aside: a scan of our networks cannot become an ARP flood.
pub const MOST_RESOLVING: usize = 1_024;

/// The table.
#[derive(Debug)]
pub struct Neighbours {
    table: Table,
    given: BTreeMap<NextHop, Given>,
    strangers: Strangers,
    events: VecDeque<NeighbourEvent>,
    cadence: Cadence,
    refused: u64,
}

impl Neighbours {
    /// An empty table; `seed` spreads the refreshes.
    pub fn new(seed: u64) -> Neighbours {
        Neighbours {
            table: Table::default(),
            given: BTreeMap::new(),
            strangers: Strangers::default(),
            events: VecDeque::new(),
            cadence: Cadence::new(seed),
            refused: 0,
        }
    }

    /// Exactly these next hops are permanent from now on, and this is what the file says of hosts; forgets what is no longer on a
    /// link of ours.
    pub fn keep(
        &mut self,
        permanent: &BTreeSet<NextHop>,
        given: BTreeMap<NextHop, Given>,
        addresses: &Addresses,
        now: Instant,
    ) {
        self.given = given;
        self.cadence.set_permanent(permanent.len());
        let known: Vec<(NextHop, Host)> = self.table.all().map(|(hop, host)| (hop, *host)).collect();
        for (hop, host) in known {
            let permanent = permanent.contains(&hop);
            let stays = permanent || (on_link(hop, addresses) && !addresses.is_ours(hop.address));
            // The file no longer says where it is: it is forgotten, and asked for again.
            let stays = stays && (!host.is_static() || matches!(self.given.get(&hop), Some(Given::At(_))));
            // Who was asked now and then is asked from now on as often as the others that are permanent.
            let due = match permanent && !host.permanent && !host.is_static() {
                true => host.due.min(now + self.cadence.refresh(true)),
                false => host.due,
            };
            self.put(hop, stays.then_some(Host { permanent, due, ..host }));
        }
        for (hop, given) in self.given.clone() {
            if let Given::At(mac) = given {
                self.place(hop, mac, permanent.contains(&hop), now);
            }
        }
        let new: Vec<NextHop> = permanent.iter().copied().filter(|hop| self.table.get(*hop).is_none()).collect();
        for (place, hop) in new.into_iter().enumerate() {
            let host = Host { permanent: true, ..Host::unknown(now) };
            self.fire_in_turn(place, hop, host, addresses, now);
        }
        let known = &self.table;
        let stays =
            |hop: NextHop| on_link(hop, addresses) && !addresses.is_ours(hop.address) && known.get(hop).is_none();
        self.strangers.keep(stays);
    }

    /// A packet waits for this next hop.
    pub fn want(&mut self, hop: NextHop, addresses: &Addresses, now: Instant) {
        match self.table.get(hop).map(|host| host.state) {
            Some(NudState::Failed) => self.events.push_back(NeighbourEvent::Unreachable(hop)),
            Some(_) => {}
            None if on_link(hop, addresses) && self.table.len() < MOST && self.table.resolving() < MOST_RESOLVING => {
                match self.strangers.take(hop, now) {
                    Some(mac) => self.learn(hop, mac, Some(Host::unknown(now)), now),
                    None => self.begin(hop, addresses, now),
                }
            }
            None => {
                self.refused += 1;
                self.events.push_back(NeighbourEvent::Unreachable(hop));
            }
        }
    }

    /// A next hop that is thought to be reachable may not be any more: it is asked now, unless it was heard a moment ago.
    pub fn reverify(&mut self, hop: NextHop, addresses: &Addresses, now: Instant) {
        if let Some(Host { state: NudState::Reachable(_), heard, .. }) = self.table.get(hop)
            && now.since(*heard) >= TRUSTED
        {
            self.fire(hop, addresses, now);
        }
    }

    /// A packet to us came from a next hop: one that is at this MAC need not be asked for a while.
    pub fn confirm(&mut self, hop: NextHop, mac: Mac, now: Instant) {
        match self.table.get(hop).map(|host| host.state) {
            Some(NudState::Reachable(known)) if known == mac => self.table.set_heard(hop, now),
            Some(NudState::Probe(known, _)) if known == mac => self.learn(hop, mac, None, now),
            _ => {}
        }
    }

    /// The link of a NIC came up: what is permanent behind it is asked at once, whatever came of it before.
    pub fn link_up(&mut self, port: PortId, addresses: &Addresses, now: Instant) {
        let there = |hop: &NextHop| addresses.find(hop.interface).is_some_and(|interface| interface.port == port);
        let mut permanent: Vec<NextHop> =
            self.table.all().filter(|(hop, host)| host.permanent && there(hop)).map(|(hop, _)| hop).collect();
        permanent.sort_unstable();
        for (place, hop) in permanent.into_iter().enumerate() {
            if let Some(host) = self.table.get(hop).copied().filter(|host| !host.is_static()) {
                let host = Host { state: host.state.unasked(), ..host };
                self.fire_in_turn(place, hop, host, addresses, now);
            }
        }
    }

    /// Asks the one at `place` of many who are asked at once, or when it is his turn.
    fn fire_in_turn(&mut self, place: usize, hop: NextHop, host: Host, addresses: &Addresses, now: Instant) {
        let due = now + Cadence::wait_of(place);
        self.put(hop, Some(Host { due, ..host }));
        if due == now {
            self.fire(hop, addresses, now);
        }
    }

    /// An ARP packet came in on an interface (RFC 826, packet reception).
    pub fn on_arp(&mut self, interface: InterfaceId, arp: &Arp, addresses: &Addresses, now: Instant) {
        if addresses.find(interface).is_none() || addresses.is_our_mac(arp.sender_mac) || !is_station(arp.sender_mac) {
            return;
        }
        let asked = addresses.answers(interface, arp.target);
        if addresses.answers(interface, arp.sender) {
            let (address, mac, operation) = (arp.sender, arp.sender_mac, arp.operation);
            self.events.push_back(NeighbourEvent::Claimed { interface, address, mac, operation });
            // A member that uses our address itself has a gateway all the same (RFC 826); an announcement asks nothing.
            if asked && arp.operation == Operation::Request && arp.target != arp.sender {
                self.answer(interface, arp, addresses);
            }
            return;
        }
        let hop = NextHop { interface, address: arp.sender };
        if let Some(host) = self.table.get(hop).copied() {
            self.on_known(hop, host, arp, addresses, now);
        } else if (asked || self.strangers.knows(hop)) && on_link(hop, addresses) {
            self.strangers.hear(hop, arp.sender_mac, now);
        }
        if asked && arp.operation == Operation::Request {
            self.answer(interface, arp, addresses);
        }
    }

    /// ARP of a host in the table. One that is at another MAC than before is not believed before the old MAC has been asked.
    fn on_known(&mut self, hop: NextHop, host: Host, arp: &Arp, addresses: &Addresses, now: Instant) {
        match host.state {
            NudState::Claimed(mac, mut check) if arp.sender_mac == mac => {
                if arp.operation == Operation::Reply
                    && let Some(due) = check.on_answer(now)
                {
                    self.put(hop, Some(Host { state: NudState::Claimed(mac, check), heard: now, due, ..host }));
                }
            }
            // One check at a time, and one begun a second.
            NudState::Claimed(..) => {}
            NudState::Static(at) if at != arp.sender_mac && !host.was_checked(now) => {
                self.put(hop, Some(Host { checked: Some(now), ..host }));
                self.events.push_back(NeighbourEvent::Stays { hop, at, claimed: arp.sender_mac });
            }
            NudState::Static(_) => {}
            state
                if state.mac().is_none_or(|mac| mac == arp.sender_mac)
                    || host.is_silent(now)
                    || self.given.get(&hop) == Some(&Given::Trusted) =>
            {
                self.learn(hop, arp.sender_mac, None, now);
            }
            NudState::Reachable(mac) | NudState::Probe(mac, _) if !host.was_checked(now) => {
                let state = NudState::Claimed(mac, Check::begin(arp.sender_mac, now));
                self.put(hop, Some(Host { state, checked: Some(now), ..host }));
                self.fire(hop, addresses, now);
            }
            _ => {}
        }
    }

    /// Runs what is due. A request whose answer the appliance itself may have missed, since it was `away` between two
    /// instants, counts for nothing.
    pub fn poll(&mut self, addresses: &Addresses, away: impl Fn(Instant, Instant) -> bool, now: Instant) {
        while let Some((due, hop)) = self.table.first() {
            if due > now || self.cadence.is_ahead(now) {
                return;
            }
            let Some(host) = self.table.get(hop).copied() else { return };
            match host.state {
                // It was heard since this was set.
                NudState::Reachable(_) if now.since(host.heard) < self.cadence.least(host.permanent) => {
                    let due = host.heard + self.cadence.refresh(host.permanent);
                    self.put(hop, Some(Host { due, ..host }));
                    continue;
                }
                // It was not answered in time; nor has the answer lain unread for a while.
                state if state.is_waiting() && away(host.asked, now) => {
                    self.put(hop, Some(Host { state: state.without_latest(), ..host }));
                }
                _ => {}
            }
            self.fire(hop, addresses, now);
            self.cadence.step(now);
        }
    }

    /// When [`Neighbours::poll`] has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.table.first().map(|(due, _)| self.cadence.earliest(due))
    }

    /// Answers are due.
    pub fn is_waiting(&self) -> bool {
        self.table.waiting() > 0
    }

    /// The next thing to do or to know.
    pub fn next_event(&mut self) -> Option<NeighbourEvent> {
        self.events.pop_front()
    }

    /// What snapshots are compiled from.
    pub fn adjacency(&self) -> &Adjacency {
        self.table.adjacency()
    }

    /// What is known of one next hop.
    pub fn neighbour(&self, hop: NextHop) -> Option<Neighbour> {
        self.table.adjacency().get(&hop).copied()
    }

    /// A member or a router: resolved from the start, and for ever.
    pub fn is_permanent(&self, hop: NextHop) -> bool {
        self.table.get(hop).is_some_and(|host| host.permanent)
    }

    /// The file says where it is.
    pub fn is_static(&self, hop: NextHop) -> bool {
        self.table.get(hop).is_some_and(Host::is_static)
    }

    /// What is known of each, `None` while it is being asked for, and since when; in the order of interfaces and addresses.
    pub fn rows(&self, now: Instant) -> Vec<(NextHop, Option<Neighbour>, Instant)> {
        let strangers = self.strangers.rows(now).map(|(hop, mac, heard)| (hop, Some(Neighbour::Reachable(mac)), heard));
        let hosts = self.table.all().map(|(hop, host)| (hop, host.neighbour(), host.since));
        let mut rows: Vec<_> = hosts.chain(strangers).collect();
        rows.sort_unstable_by_key(|(hop, ..)| *hop);
        rows
    }

    /// How many next hops are known or being asked for.
    pub fn len(&self) -> usize {
        self.table.len() + self.strangers.len()
    }

    /// Next hops that were not asked for because the table, or the number being asked for, was at its bound.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn begin(&mut self, hop: NextHop, addresses: &Addresses, now: Instant) {
        self.put(hop, Some(Host::unknown(now)));
        self.fire(hop, addresses, now);
    }

    /// The host is where the file says.
    fn place(&mut self, hop: NextHop, mac: Mac, permanent: bool, now: Instant) {
        let before = self.neighbour(hop);
        let since = self.table.get(hop).filter(|host| host.state.mac() == Some(mac)).map_or(now, |host| host.since);
        let (state, due) = (NudState::Static(mac), Instant::from_nanos(u64::MAX));
        self.put(hop, Some(Host { state, since, due, permanent, ..Host::unknown(now) }));
        if before != Some(Neighbour::Reachable(mac)) {
            self.events.push_back(NeighbourEvent::Reachable(hop, mac));
        }
    }

    /// The entry's time has come: ask, ask again, or give up.
    fn fire(&mut self, hop: NextHop, addresses: &Addresses, now: Instant) {
        let Some(host) = self.table.get(hop).copied() else { return };
        let (state, to, pause) = match host.state {
            NudState::Incomplete(asked) | NudState::Probe(_, asked) if asked >= REQUESTS => {
                return self.fail(hop, host, now);
            }
            NudState::Incomplete(asked) => (NudState::Incomplete(asked + 1), Mac::BROADCAST, RETRY),
            // The first request of a refresh goes to the MAC alone (RFC 1122 2.3.2.1 (2)), the others to everyone.
            NudState::Reachable(mac) => (NudState::Probe(mac, 1), mac, RETRY),
            NudState::Probe(mac, asked) => (NudState::Probe(mac, asked + 1), Mac::BROADCAST, RETRY),
            NudState::Claimed(mac, mut check) => match check.step() {
                Step::Ask => (NudState::Claimed(mac, check), mac, PATIENCE),
                Step::Gone => return self.learn(hop, check.claimed, None, now),
                Step::Stays => {
                    self.events.push_back(NeighbourEvent::Stays { hop, at: mac, claimed: check.claimed });
                    return self.learn(hop, mac, None, now);
                }
            },
            NudState::Failed if host.permanent => (NudState::Failed, Mac::BROADCAST, self.cadence.pause_of_failed()),
            NudState::Failed => return self.put(hop, None),
            NudState::Static(_) => return,
        };
        self.request(hop, to, addresses);
        self.put(hop, Some(Host { state, asked: now, due: now + pause, ..host }));
    }

    fn fail(&mut self, hop: NextHop, host: Host, now: Instant) {
        if !host.permanent && matches!(host.state, NudState::Probe(..)) {
            return self.put(hop, None);
        }
        let pause = if host.permanent { self.cadence.pause_of_failed() } else { NEGATIVE };
        self.put(hop, Some(Host { state: NudState::Failed, since: now, due: now + pause, ..host }));
        self.events.push_back(NeighbourEvent::Failed(hop));
    }

    /// RFC 826: a known sender is merged whatever the packet is for; one that is not known is taken as `new`, if at all. It is
    /// asked again much later.
    fn learn(&mut self, hop: NextHop, mac: Mac, new: Option<Host>, now: Instant) {
        let Some(mut host) = self.table.get(hop).copied().or(new) else { return };
        let news = match host.neighbour() {
            // When it is asked again is seen to when its timer ends: who repeats himself costs little.
            Some(Neighbour::Reachable(old)) if old == mac && matches!(host.state, NudState::Reachable(_)) => {
                return self.table.set_heard(hop, now);
            }
            Some(Neighbour::Reachable(old)) if old == mac => None,
            Some(Neighbour::Reachable(from)) => {
                Some(NeighbourEvent::Moved { hop, from, to: mac, after: now.since(host.since) })
            }
            Some(Neighbour::Failed) | None => Some(NeighbourEvent::Reachable(hop, mac)),
        };
        if news.is_some() {
            host.since = now;
        }
        self.events.extend(news);
        let (state, due) = (NudState::Reachable(mac), now + self.cadence.refresh(host.permanent));
        self.put(hop, Some(Host { state, heard: now, due, ..host }));
    }

    /// The entry is this from now on, or gone.
    fn put(&mut self, hop: NextHop, after: Option<Host>) {
        if self.table.put(hop, after) {
            self.events.push_back(NeighbourEvent::Forgotten(hop));
        }
    }

    fn request(&mut self, hop: NextHop, to: Mac, addresses: &Addresses) {
        let Some(interface) = addresses.find(hop.interface) else { return };
        let (sender_mac, sender) = (interface.mac, interface.address_towards(hop.address));
        let (operation, target_mac, target) = (Operation::Request, Mac::ZERO, hop.address);
        let arp = Arp { operation, sender_mac, sender, target_mac, target };
        self.events.push_back(NeighbourEvent::Send { interface: hop.interface, to, arp });
    }

    fn answer(&mut self, interface: InterfaceId, asked: &Arp, addresses: &Addresses) {
        let (sender_mac, sender) = (addresses.mac_of(interface, asked.target), asked.target);
        let (operation, target_mac, target) = (Operation::Reply, asked.sender_mac, asked.sender);
        let arp = Arp { operation, sender_mac, sender, target_mac, target };
        self.events.push_back(NeighbourEvent::Send { interface, to: asked.sender_mac, arp });
    }
}

/// The next hop can be a host on its link.
fn on_link(hop: NextHop, addresses: &Addresses) -> bool {
    addresses.find(hop.interface).is_some_and(|interface| interface.holds(hop.address))
}

/// The MAC can be a station's own: neither a group's nor zero.
fn is_station(mac: Mac) -> bool {
    !mac.is_group() && mac != Mac::ZERO
}

#[cfg(test)]
mod tests;
