//! Probes on their way: from a monitor that is due to the frame that leaves, and from the answer back to the monitor.
//!
//! Owns the monitors, the host stack that carries their probes, and the datagrams that wait for a member's MAC. Decides
//! nothing about pools. One turn does everything that is due; see [`Probing::turn`] for its order.

use crate::control::neighbours::Neighbours;
use crate::monitor::{Monitors, Outcome, ProbeId, Start};
use crate::policy::adjacency::{Neighbour, NextHop};
use crate::policy::health::State;
use crate::policy::intent::{InterfaceId, MemberId, MonitorId};
use crate::policy::{Addresses, Intent};
use crate::probe::HostStack;
use crate::time::{Duration, Instant};
use crate::wire::Mac;
use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;

/// Datagrams that wait for one member's MAC, at most.
const WAITING: usize = 8;
/// Rounds of one turn: a probe that fails at once may make another one due, but not for ever.
const ROUNDS: usize = 8;

/// A datagram ready to leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    /// On which interface.
    pub interface: InterfaceId,
    /// To whom.
    pub to: Mac,
    /// The IP datagram.
    pub datagram: Vec<u8>,
}

/// What a monitor of a member has done since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Probes sent.
    pub sent: u64,
    /// Good answers.
    pub good: u64,
    /// Failures.
    pub failed: u64,
    /// What it says.
    pub state: State,
    /// Since when.
    pub since: Instant,
}

/// How a probe ended, as far as the link is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Good,
    Refused,
    Silent,
}

/// An operator waits for a member to be probed.
#[derive(Debug)]
struct ProbeRequest {
    request_id: u64,
    member: MemberId,
    /// Monitors that have not answered yet, each with the probe it was asked with.
    open: BTreeMap<MonitorId, Option<ProbeId>>,
    until: Instant,
}

/// The probes.
pub struct Probing {
    monitors: Monitors,
    host: HostStack,
    under_way: HashMap<ProbeId, (MemberId, MonitorId)>,
    waiting: HashMap<NextHop, Vec<Vec<u8>>>,
    tallies: BTreeMap<(MemberId, MonitorId), Tally>,
    requests: Vec<ProbeRequest>,
    completed: Vec<(u64, MemberId)>,
    hints: u64,
    news: bool,
}

/// What a turn looks at.
pub struct Surroundings<'a> {
    /// What is meant.
    pub intent: &'a Intent,
    /// Our addresses.
    pub addresses: &'a Addresses,
}

impl Probing {
    /// Nothing is under way.
    pub fn new(intent: &Intent, seed: u64, now: Instant) -> Probing {
        let mut probing = Probing {
            monitors: Monitors::new(intent, seed, now),
            host: HostStack::new(seed.rotate_left(32), now),
            under_way: HashMap::new(),
            waiting: HashMap::new(),
            tallies: BTreeMap::new(),
            requests: Vec::new(),
            completed: Vec::new(),
            hints: 0,
            news: true,
        };
        probing.host.set_addresses(self_ips(intent), now);
        probing
    }

    /// Takes a new intent. Probes under way to monitors that are gone are forgotten; who waited for one is answered with
    /// what is known.
    pub fn reconfigure(&mut self, intent: &Intent, now: Instant) {
        self.monitors.reconfigure(intent, now);
        self.news = true;
        self.host.set_addresses(self_ips(intent), now);
        self.completed.extend(self.requests.drain(..).map(|request| (request.request_id, request.member)));
        let asks = |(member, monitor): &(MemberId, MonitorId)| {
            intent.members.get(*member).is_some_and(|member| intent.pools[member.pool].monitors.contains(monitor))
        };
        self.under_way.retain(|_, of| asks(of));
        self.tallies.retain(|of, _| asks(of));
        let kept =
            |hop: &NextHop| intent.members.iter().any(|m| (m.interface, m.address) == (hop.interface, hop.address));
        self.waiting.retain(|hop, _| kept(hop));
    }

    /// Everything that is due at `now`: answers, ends of patience, new probes, datagrams.
    pub fn turn(&mut self, around: &Surroundings<'_>, neighbours: &mut Neighbours, now: Instant) -> Vec<Departure> {
        let mut departures = Vec::new();
        for _ in 0..ROUNDS {
            self.host.poll(now);
            let mut busy = false;
            while let Some((probe, outcome)) = self.host.next_outcome() {
                self.end(probe, outcome, around, neighbours, now);
                busy = true;
            }
            while let Some(expired) = self.monitors.expire(now) {
                self.host.cancel(expired);
                self.note_end(expired, End::Silent, around, neighbours, now);
            }
            while let Some(start) = self.monitors.poll(now) {
                self.begin(start, around, now);
                busy = true;
            }
            self.send(around, neighbours, &mut departures, now);
            if !busy {
                break;
            }
        }
        self.complete(|request| request.until <= now);
        departures
    }

    /// Whether a probe has ended, or members are others, since this was last asked.
    pub fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    /// A datagram came in that is for a self-IP.
    pub fn receive(&mut self, datagram: &[u8], now: Instant) {
        self.host.receive(datagram, now);
    }

    /// The wire says that something changed with the member: it is asked at once.
    pub fn hint(&mut self, member: MemberId) {
        self.monitors.hint(member);
    }

    /// A sign that the member's state may have changed. Its whole pool is asked: if it lost the role, another has it.
    pub fn hint_pool(&mut self, member: MemberId, intent: &Intent) {
        let Some(pool) = intent.members.get(member).map(|member| member.pool) else { return };
        self.hints += 1;
        intent.pools[pool].members.iter().for_each(|&each| self.monitors.hint(each));
    }

    /// How many such signs there were.
    pub fn hints(&self) -> u64 {
        self.hints
    }

    /// An operator wants the member probed; its id comes out of [`Probing::next_completed`].
    pub fn request(&mut self, request_id: u64, member: MemberId, intent: &Intent, now: Instant) {
        let asks = &intent.pools[intent.members[member].pool].monitors;
        let longest = asks.iter().map(|id| intent.monitors[*id].timeout).max().unwrap_or_default();
        self.monitors.probe_now(member);
        self.requests.push(ProbeRequest {
            request_id,
            member,
            open: asks.iter().map(|&monitor| (monitor, None)).collect(),
            // One probe may be under way, the next comes after it.
            until: now + longest * 2 + Duration::from_secs(1),
        });
    }

    /// Tickets of all who still wait; nobody does afterwards.
    pub fn abandon(&mut self) -> Vec<u64> {
        self.requests.drain(..).map(|request| request.request_id).collect()
    }

    /// A request whose probes have ended, and the member.
    pub fn next_completed(&mut self) -> Option<(u64, MemberId)> {
        self.completed.pop()
    }

    /// The next hop answers now: what waited for it leaves.
    pub fn resolved(&mut self, hop: NextHop, mac: Mac) -> Vec<Departure> {
        let waiting = self.waiting.remove(&hop).unwrap_or_default();
        let depart = |datagram| Departure { interface: hop.interface, to: mac, datagram };
        waiting.into_iter().map(depart).collect()
    }

    /// The next hop does not answer: probes under way to it have failed.
    pub fn unresolved(&mut self, hop: NextHop, now: Instant) {
        self.waiting.remove(&hop);
        self.host.unreachable(hop.address, &format!("{} does not answer ARP", hop.address), now);
    }

    /// Nobody will ask for the next hop: what waits for it is dropped.
    pub fn forget_waiting(&mut self, hop: NextHop) {
        self.waiting.remove(&hop);
    }

    /// When [`Probing::turn`] has something to do.
    pub fn next_deadline(&mut self, now: Instant) -> Option<Instant> {
        let requests = self.requests.iter().map(|request| request.until);
        self.monitors.next_due().into_iter().chain(self.host.next_deadline(now)).chain(requests).min()
    }

    /// The monitors.
    pub fn monitors(&self) -> &Monitors {
        &self.monitors
    }

    /// What a monitor of a member has done.
    pub fn tally(&self, member: MemberId, monitor: MonitorId) -> Tally {
        self.tallies.get(&(member, monitor)).copied().unwrap_or_default()
    }

    fn begin(&mut self, start: Start, around: &Surroundings<'_>, now: Instant) {
        let Start { probe, member: id, monitor } = start;
        let (member, asks) = (&around.intent.members[id], &around.intent.monitors[monitor]);
        let source = around.addresses.interfaces()[member.interface].address_towards(member.address);
        self.under_way.insert(probe, (id, monitor));
        self.tallies.entry((id, monitor)).or_default().sent += 1;
        for request in self.requests.iter_mut().filter(|request| request.member == id) {
            if let Some(place @ None) = request.open.get_mut(&monitor) {
                *place = Some(probe);
            }
        }
        self.host.start(probe, asks, member.interface, source, member.address, now);
    }

    fn end(
        &mut self,
        probe: ProbeId,
        outcome: Outcome,
        around: &Surroundings<'_>,
        neighbours: &mut Neighbours,
        now: Instant,
    ) {
        let end = match outcome {
            Outcome::Good { .. } => End::Good,
            Outcome::Failed { .. } => End::Refused,
            Outcome::Timeout => End::Silent,
        };
        self.monitors.on_outcome(probe, outcome, now);
        self.note_end(probe, end, around, neighbours, now);
    }

    /// Counts, and looks at the link when there was silence: a host that died does not answer ARP either.
    fn note_end(
        &mut self,
        probe: ProbeId,
        end: End,
        around: &Surroundings<'_>,
        neighbours: &mut Neighbours,
        now: Instant,
    ) {
        self.news = true;
        let Some((id, monitor)) = self.under_way.remove(&probe) else { return };
        let member = &around.intent.members[id];
        for row in self.monitors.rows(id) {
            let tally = self.tallies.entry((id, row.monitor)).or_default();
            if row.monitor == monitor {
                tally.good += u64::from(end == End::Good);
                tally.failed += u64::from(end != End::Good);
            }
            if tally.state != row.state {
                (tally.state, tally.since) = (row.state, now);
            }
        }
        let hop = NextHop { interface: member.interface, address: member.address };
        if end == End::Silent {
            neighbours.doubt(hop, around.addresses, now);
        }
        for request in &mut self.requests {
            request.open.retain(|_, asked| *asked != Some(probe));
        }
        self.complete(|request| request.open.is_empty());
    }

    fn complete(&mut self, done: impl Fn(&ProbeRequest) -> bool) {
        for request in self.requests.extract_if(.., |request| done(request)) {
            self.completed.push((request.request_id, request.member));
        }
    }

    fn send(
        &mut self,
        around: &Surroundings<'_>,
        neighbours: &mut Neighbours,
        departures: &mut Vec<Departure>,
        now: Instant,
    ) {
        while let Some((interface, datagram)) = self.host.next_transmit() {
            let Some(address) = destination(&datagram) else { continue };
            let hop = NextHop { interface, address };
            match neighbours.neighbour(hop) {
                Some(Neighbour::Reachable(to)) => departures.push(Departure { interface, to, datagram }),
                Some(Neighbour::Failed) => self.unresolved(hop, now),
                None => {
                    let waiting = self.waiting.entry(hop).or_default();
                    if waiting.len() < WAITING {
                        waiting.push(datagram);
                    }
                    neighbours.want(hop, around.addresses, now);
                }
            }
        }
    }
}

/// The destination of an IP datagram (RFC 791 3.1).
fn destination(datagram: &[u8]) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = datagram.get(16..20)?.try_into().ok()?;
    Some(Ipv4Addr::from(octets))
}

fn self_ips(intent: &Intent) -> Vec<(InterfaceId, ipnet::Ipv4Net)> {
    let all = intent.interfaces.entries();
    all.flat_map(|(id, interface)| interface.addresses.iter().map(move |net| (id, *net))).collect()
}
