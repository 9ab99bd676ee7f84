//! Who is on the link: address resolution (RFC 826) with its timers (RFC 1122 2.3.2.1).
//!
//! Owns the table of next hops, what is asked and when it is asked again, what is learnt from ARP that arrives, and the
//! [`Adjacency`] that snapshots are compiled from. Sends nothing and reads no clock: what is to be sent and what is to
//! be told comes out of [`Neighbours::next_outgoing`] and [`Neighbours::next_notice`]. Members and routers are *permanent*:
//! resolved from the start, refreshed, asked for ever. Others come because a packet waits for them or because they ask
//! for us, and go when they do not answer. Read first: [`Addresses`], then [`Neighbours::on_arp`].

mod told;

pub use told::{Notice, Outgoing, Row};

use crate::monitor::random::Random;
use crate::policy::Addresses;
use crate::policy::adjacency::{Adjacency, Neighbour, NextHop};
use crate::policy::intent::{InterfaceId, PortId};
use crate::time::{Duration, Instant};
use crate::wire::Mac;
use crate::wire::arp::{Arp, Operation};
use std::collections::{BTreeSet, HashMap, VecDeque};

/// Next hops known at most, permanent ones aside.
pub const MOST: usize = 65_536;
/// Next hops being asked for at once at most, permanent ones aside: a scan of our networks cannot become an ARP flood.
pub const MOST_RESOLVING: usize = 1_024;
/// From one request to the next: RFC 1122 2.3.2.1 recommends at most one a second for an address.
pub const RETRY: Duration = Duration::from_secs(1);
/// Requests without an answer that make a next hop fail.
pub const REQUESTS: u32 = 3;
/// How long a failure is remembered; a permanent next hop is asked again each time.
pub const NEGATIVE: Duration = Duration::from_secs(5);
/// A next hop that was heard so lately is not verified again.
pub const TRUSTED: Duration = Duration::from_secs(5);
/// The least age at which a permanent next hop is asked again; up to half as much is added, by chance.
pub const REFRESH_PERMANENT: Duration = Duration::from_secs(20);
/// The same for the others.
pub const REFRESH: Duration = Duration::from_secs(60);

/// What is known of a next hop, in the words of Linux's neighbour table.
#[derive(Clone, Copy, Debug)]
enum NudState {
    /// No answer yet; so many requests are out.
    Incomplete(u32),
    /// Answered; asked again when due.
    Reachable(Mac),
    /// Answered, and is being asked again; so many requests are out.
    Probe(Mac, u32),
    /// Did not answer.
    Failed,
}

#[derive(Clone, Copy, Debug)]
struct Host {
    state: NudState,
    since: Instant,
    heard: Instant,
    due: Instant,
    permanent: bool,
}

/// The table.
#[derive(Debug)]
pub struct Neighbours {
    hosts: HashMap<NextHop, Host>,
    timers: BTreeSet<(Instant, NextHop)>,
    adjacency: Adjacency,
    outgoing: VecDeque<Outgoing>,
    notices: VecDeque<Notice>,
    resolving: usize,
    refused: u64,
    random: Random,
}

impl Neighbours {
    /// An empty table; `seed` spreads the refreshes.
    pub fn new(seed: u64) -> Neighbours {
        Neighbours {
            hosts: HashMap::new(),
            timers: BTreeSet::new(),
            adjacency: Adjacency::default(),
            outgoing: VecDeque::new(),
            notices: VecDeque::new(),
            resolving: 0,
            refused: 0,
            random: Random::new(seed),
        }
    }

    /// Exactly these next hops are permanent from now on; forgets what is no longer on a link of ours.
    pub fn keep(&mut self, permanent: &BTreeSet<NextHop>, addresses: &Addresses, now: Instant) {
        let known: Vec<NextHop> = self.hosts.keys().copied().collect();
        for hop in known {
            let on_link = addresses.find(hop.interface).is_some_and(|interface| interface.holds(hop.address));
            if permanent.contains(&hop) || (on_link && !addresses.is_ours(hop.address)) {
                self.make_permanent(hop, permanent.contains(&hop));
            } else {
                self.forget(hop);
            }
        }
        for &hop in permanent {
            if !self.hosts.contains_key(&hop) {
                self.begin(hop, true, addresses, now);
            }
        }
    }

    /// A packet waits for this next hop.
    pub fn want(&mut self, hop: NextHop, addresses: &Addresses, now: Instant) {
        match self.hosts.get(&hop).map(|host| host.state) {
            Some(NudState::Incomplete(_) | NudState::Reachable(_) | NudState::Probe(..)) => {}
            Some(NudState::Failed) => self.notices.push_back(Notice::Hopeless(hop)),
            None => {
                let on_link = addresses.find(hop.interface).is_some_and(|interface| interface.holds(hop.address));
                if on_link && self.hosts.len() < MOST && self.resolving < MOST_RESOLVING {
                    self.begin(hop, false, addresses, now);
                } else {
                    self.refused += 1;
                    self.notices.push_back(Notice::Hopeless(hop));
                }
            }
        }
    }

    /// There is doubt about a next hop that is thought to be reachable: it is asked now, unless it was heard a moment ago.
    pub fn reverify(&mut self, hop: NextHop, addresses: &Addresses, now: Instant) {
        if let Some(Host { state: NudState::Reachable(_), heard, .. }) = self.hosts.get(&hop)
            && now.since(*heard) >= TRUSTED
        {
            self.fire(hop, addresses, now);
        }
    }

    /// The link of a NIC came up: what is permanent behind it is asked at once, whatever came of it before.
    pub fn link_up(&mut self, port: PortId, addresses: &Addresses, now: Instant) {
        let there = |hop: &NextHop| addresses.find(hop.interface).is_some_and(|interface| interface.port == port);
        let mut permanent: Vec<NextHop> =
            self.hosts.iter().filter(|(hop, host)| host.permanent && there(hop)).map(|(hop, _)| *hop).collect();
        permanent.sort_unstable();
        for hop in permanent {
            if let Some(Host { state: state @ NudState::Incomplete(_), .. }) = self.hosts.get_mut(&hop) {
                *state = NudState::Incomplete(0);
            }
            self.fire(hop, addresses, now);
        }
    }

    /// An ARP packet came in on an interface (RFC 826, packet reception).
    pub fn on_arp(&mut self, interface: InterfaceId, arp: &Arp, addresses: &Addresses, now: Instant) {
        if addresses.find(interface).is_none() || addresses.is_our_mac(arp.sender_mac) || !is_station(arp.sender_mac) {
            return;
        }
        if addresses.answers(interface, arp.sender) {
            self.notices.push_back(Notice::Claimed { interface, address: arp.sender, mac: arp.sender_mac });
            return;
        }
        let asked = addresses.answers(interface, arp.target);
        self.learn(NextHop { interface, address: arp.sender }, arp.sender_mac, asked, addresses, now);
        if asked && arp.operation == Operation::Request {
            self.answer(interface, arp, addresses);
        }
    }

    /// Runs what is due.
    pub fn poll(&mut self, addresses: &Addresses, now: Instant) {
        while let Some(&(due, hop)) = self.timers.first() {
            if due > now {
                return;
            }
            self.fire(hop, addresses, now);
        }
    }

    /// When [`Neighbours::poll`] has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.first().map(|&(due, _)| due)
    }

    /// The next packet to send.
    pub fn next_outgoing(&mut self) -> Option<Outgoing> {
        self.outgoing.pop_front()
    }

    /// The next thing to tell.
    pub fn next_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// What snapshots are compiled from.
    pub fn adjacency(&self) -> &Adjacency {
        &self.adjacency
    }

    /// What is known of one next hop.
    pub fn neighbour(&self, hop: NextHop) -> Option<Neighbour> {
        self.adjacency.get(&hop).copied()
    }

    /// The table, in the order of interfaces and addresses.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = self.hosts.iter().map(|(hop, host)| row(*hop, host)).collect();
        rows.sort_unstable_by_key(|row| row.hop);
        rows
    }

    /// How many next hops are known or being asked for.
    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Next hops that were not asked for because the table, or the number being asked for, was at its bound.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn begin(&mut self, hop: NextHop, permanent: bool, addresses: &Addresses, now: Instant) {
        self.hosts.insert(hop, Host { state: NudState::Incomplete(1), since: now, heard: now, due: now, permanent });
        self.resolving += usize::from(!permanent);
        self.request(hop, Mac::BROADCAST, addresses);
        self.set_due(hop, now + RETRY);
    }

    fn make_permanent(&mut self, hop: NextHop, permanent: bool) {
        let Some(host) = self.hosts.get_mut(&hop) else { return };
        if host.permanent != permanent && matches!(host.state, NudState::Incomplete(_)) {
            self.resolving = if permanent { self.resolving - 1 } else { self.resolving + 1 };
        }
        host.permanent = permanent;
    }

    /// The entry's time has come: ask, ask again, or give up.
    fn fire(&mut self, hop: NextHop, addresses: &Addresses, now: Instant) {
        let Some(host) = self.hosts.get(&hop).copied() else { return };
        match host.state {
            NudState::Incomplete(asked) | NudState::Probe(_, asked) if asked >= REQUESTS => self.fail(hop, host, now),
            NudState::Incomplete(asked) => {
                self.ask(hop, NudState::Incomplete(asked + 1), Mac::BROADCAST, addresses, now)
            }
            // The first request of a refresh goes to the MAC alone (RFC 1122 2.3.2.1 (2)), the others to everyone.
            NudState::Reachable(mac) => self.ask(hop, NudState::Probe(mac, 1), mac, addresses, now),
            NudState::Probe(mac, asked) => {
                self.ask(hop, NudState::Probe(mac, asked + 1), Mac::BROADCAST, addresses, now);
            }
            NudState::Failed if host.permanent => {
                self.request(hop, Mac::BROADCAST, addresses);
                self.set_due(hop, now + NEGATIVE);
            }
            NudState::Failed => self.forget(hop),
        }
    }

    fn ask(&mut self, hop: NextHop, state: NudState, to: Mac, addresses: &Addresses, now: Instant) {
        if let Some(host) = self.hosts.get_mut(&hop) {
            host.state = state;
        }
        self.request(hop, to, addresses);
        self.set_due(hop, now + RETRY);
    }

    fn fail(&mut self, hop: NextHop, host: Host, now: Instant) {
        if !host.permanent && matches!(host.state, NudState::Probe(..)) {
            return self.forget(hop);
        }
        self.resolving -= usize::from(!host.permanent);
        if let Some(host) = self.hosts.get_mut(&hop) {
            (host.state, host.since) = (NudState::Failed, now);
        }
        self.adjacency.insert(hop, Neighbour::Failed);
        self.notices.push_back(Notice::Failed(hop));
        self.set_due(hop, now + NEGATIVE);
    }

    fn forget(&mut self, hop: NextHop) {
        let Some(host) = self.hosts.remove(&hop) else { return };
        self.timers.remove(&(host.due, hop));
        self.resolving -= usize::from(!host.permanent && matches!(host.state, NudState::Incomplete(_)));
        if self.adjacency.remove(&hop).is_some() {
            self.notices.push_back(Notice::Forgotten(hop));
        }
    }

    /// RFC 826: a known sender is merged whatever the packet is for; a new one is taken only when it is for us.
    fn learn(&mut self, hop: NextHop, mac: Mac, asked: bool, addresses: &Addresses, now: Instant) {
        let Some(host) = self.hosts.get_mut(&hop) else {
            if asked && addresses.interfaces()[hop.interface].holds(hop.address) && self.hosts.len() < MOST {
                self.hosts.insert(
                    hop,
                    Host { state: NudState::Reachable(mac), since: now, heard: now, due: now, permanent: false },
                );
                self.settle(hop, mac, now);
                self.notices.push_back(Notice::Reachable(hop, mac));
            }
            return;
        };
        let before = host.state;
        (host.state, host.heard) = (NudState::Reachable(mac), now);
        match before {
            NudState::Reachable(old) | NudState::Probe(old, _) if old == mac => {}
            NudState::Reachable(from) | NudState::Probe(from, _) => {
                let after = now.since(host.since);
                host.since = now;
                self.notices.push_back(Notice::Moved { hop, from, to: mac, after });
            }
            NudState::Incomplete(_) | NudState::Failed => {
                host.since = now;
                self.resolving -= usize::from(!host.permanent && matches!(before, NudState::Incomplete(_)));
                self.notices.push_back(Notice::Reachable(hop, mac));
            }
        }
        self.settle(hop, mac, now);
    }

    /// The next hop has just answered: it is in the adjacency, and is asked again much later.
    fn settle(&mut self, hop: NextHop, mac: Mac, now: Instant) {
        self.adjacency.insert(hop, Neighbour::Reachable(mac));
        let base = if self.hosts.get(&hop).is_some_and(|host| host.permanent) { REFRESH_PERMANENT } else { REFRESH };
        let spread = self.random.below(base.as_nanos() as u64 / 2);
        self.set_due(hop, now + base + Duration::from_nanos(spread));
    }

    fn set_due(&mut self, hop: NextHop, due: Instant) {
        if let Some(host) = self.hosts.get_mut(&hop) {
            self.timers.remove(&(host.due, hop));
            host.due = due;
            self.timers.insert((due, hop));
        }
    }

    fn request(&mut self, hop: NextHop, to: Mac, addresses: &Addresses) {
        let Some(interface) = addresses.find(hop.interface) else { return };
        let arp = Arp {
            operation: Operation::Request,
            sender_mac: interface.mac,
            sender: interface.address_towards(hop.address),
            target_mac: Mac::ZERO,
            target: hop.address,
        };
        self.outgoing.push_back(Outgoing { interface: hop.interface, to, arp });
    }

    fn answer(&mut self, interface: InterfaceId, asked: &Arp, addresses: &Addresses) {
        let arp = Arp {
            operation: Operation::Reply,
            sender_mac: addresses.interfaces()[interface].mac,
            sender: asked.target,
            target_mac: asked.sender_mac,
            target: asked.sender,
        };
        self.outgoing.push_back(Outgoing { interface, to: asked.sender_mac, arp });
    }
}

fn row(hop: NextHop, host: &Host) -> Row {
    let (mac, failed) = match host.state {
        NudState::Reachable(mac) | NudState::Probe(mac, _) => (Some(mac), false),
        NudState::Incomplete(_) => (None, false),
        NudState::Failed => (None, true),
    };
    Row { hop, mac, failed, since: host.since }
}

/// The MAC can be a station's own: neither a group's nor zero.
fn is_station(mac: Mac) -> bool {
    !mac.is_group() && mac != Mac::ZERO
}

#[cfg(test)]
mod tests;
