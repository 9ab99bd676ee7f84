//! Probes on their way: from a monitor that is due to the datagram that leaves, and from the answer back to the monitor.
//!
//! Owns the monitors, the host stack that carries their probes, and the datagrams that wait for a member's MAC. Decides
//! nothing about pools. One [`Probing::poll`] does everything that is due.

use super::facts::Machine;
use super::link::Link;
use super::outbox::Outbox;
use super::program_run::ProgramExit;
use super::programs::Programs;
use crate::monitor::{Monitors, Outcome, ProbeId, Start};
use crate::policy::Intent;
use crate::policy::adjacency::{Neighbour, NextHop};
use crate::policy::intent::{InterfaceId, Member, MemberId, MonitorKind, PoolId};
use crate::probe::HostStack;
use crate::time::{Duration, Instant};
use crate::wire::Packet;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::Ipv4Addr;

/// Datagrams that wait for one member's MAC, at most.
const WAITING: usize = 8;
/// Rounds of one poll: a probe that fails at once may make another one due, but not for ever.
const ROUNDS: usize = 8;
/// How often it is looked whether workers are turning.
const LOOK: Duration = Duration::from_millis(5);

/// The probes.
pub struct Probing {
    monitors: Monitors,
    host: HostStack,
    programs: Programs,
    /// Datagrams to members whose MAC is not known yet, oldest first.
    waiting: HashMap<NextHop, Vec<Vec<u8>>>,
    /// Those whose MAC has become known since.
    ready: Vec<(NextHop, Vec<u8>)>,
    hints: u64,
    /// Members of which a sign has come, with the first probe that was started after it.
    hinted: BTreeMap<MemberId, ProbeId>,
    /// Those of them that have answered since.
    confirmed: Vec<MemberId>,
    /// Pools with members of which something new is known.
    news: BTreeSet<PoolId>,
    workers_seen: Instant,
}

impl Probing {
    /// Nothing is under way.
    pub fn new(intent: &Intent, seed: u64, now: Instant) -> Probing {
        let mut probing = Probing {
            monitors: Monitors::new(intent, seed, now),
            host: HostStack::new(seed.rotate_left(32), now),
            programs: Programs::default(),
            waiting: HashMap::new(),
            ready: Vec::new(),
            hints: 0,
            hinted: BTreeMap::new(),
            confirmed: Vec::new(),
            news: all_pools(intent),
            workers_seen: now,
        };
        probing.host.set_addresses(self_ips(intent), now);
        probing.host.set_hops(intent.probed_hops());
        probing
    }

    /// Takes a new intent. Probes under way to monitors that are gone are forgotten.
    pub fn reconfigure(&mut self, intent: &Intent, now: Instant) {
        self.monitors.reconfigure(intent, now);
        self.programs.keep(|probe| self.monitors.is_under_way(probe));
        self.news = all_pools(intent);
        self.host.set_addresses(self_ips(intent), now);
        let hops = intent.probed_hops();
        let members: HashSet<NextHop> = intent.members.iter().map(Member::hop).chain(hops.values().copied()).collect();
        self.host.set_hops(hops);
        self.waiting.retain(|hop, _| members.contains(hop));
        self.hinted.retain(|member, _| intent.members.contains(*member));
    }

    /// Routes have been learned or withdrawn: probes of monitors with an address of their own go by them.
    pub fn follow_routes(&mut self, intent: &Intent) {
        let hops = intent.probed_hops();
        let asked: HashSet<NextHop> = intent.members.iter().map(Member::hop).chain(hops.values().copied()).collect();
        self.host.set_hops(hops);
        self.waiting.retain(|hop, _| asked.contains(hop));
    }

    /// Everything that is due at `now`: answers, timeouts, new probes, datagrams.
    pub fn poll(&mut self, intent: &Intent, link: &mut Link, out: &mut Outbox, now: Instant) {
        for _ in 0..ROUNDS {
            self.host.poll(now);
            self.monitors.set_away(self.host.away());
            let mut busy = false;
            for (probe, outcome) in self.programs.take_outcomes(out, now) {
                self.on_outcome(probe, outcome, intent, link, out, now);
                busy = true;
            }
            while let Some((probe, outcome)) = self.host.next_outcome() {
                self.on_outcome(probe, outcome, intent, link, out, now);
                busy = true;
            }
            while let Some(start) = self.monitors.poll(now) {
                self.begin(start, intent, link, out, now);
                busy = true;
            }
            let news = self.monitors.take_news().into_iter().filter_map(|member| intent.members.get(member));
            self.news.extend(news.map(|member| member.pool));
            self.transmit(link, out, now);
            if !busy {
                return;
            }
        }
    }

    /// Management is here; looks, now and then, whether the workers that carry probes are turning.
    pub fn look(&mut self, machine: &Machine, now: Instant) {
        self.host.look(now);
        self.programs.look(now);
        if now.since(self.workers_seen) < LOOK {
            return;
        }
        self.workers_seen = now;
        for worker in machine.workers() {
            if let Some(turned) = machine.counters.latest_turn(worker) {
                self.host.see_worker(worker.0.into(), turned, now);
            }
        }
    }

    /// The appliance itself was away while an answer was due: see [`HostStack::was_away`].
    pub fn was_away(&self, asked: Instant, due: Instant) -> bool {
        self.host.was_away(asked, due)
    }

    /// The pools of members of whom something new is known since this was last asked.
    pub fn take_news(&mut self) -> BTreeSet<PoolId> {
        std::mem::take(&mut self.news)
    }

    /// A frame that is for a self-IP came in `at`.
    pub fn receive(&mut self, packet: &Packet, frame: &[u8], at: Instant, now: Instant) {
        self.host.receive(packet, frame, at, now);
    }

    /// See [`HostStack::heard_until`].
    pub fn heard_until(&mut self, at: Instant) {
        self.host.heard_until(at);
    }

    /// The wire says that something changed with the member: it is asked at once.
    pub fn hint(&mut self, member: MemberId) {
        self.monitors.hint(member);
    }

    /// A sign that the member's state may have changed. Its whole pool is asked: if it lost the role, another has it.
    pub fn hint_pool(&mut self, member: MemberId, intent: &Intent) {
        let Some(pool) = intent.members.get(member).map(|member| member.pool) else { return };
        self.hints += 1;
        self.hinted.entry(member).or_insert(self.monitors.next_probe());
        intent.pools[pool].members.iter().for_each(|&each| self.monitors.hint(each));
    }

    /// Members that have answered a probe well which such a sign has hastened, since this was last asked.
    pub fn take_confirmed(&mut self) -> Vec<MemberId> {
        std::mem::take(&mut self.confirmed)
    }

    /// How many such signs there were.
    pub fn hints(&self) -> u64 {
        self.hints
    }

    /// See [`Monitors::watch_active`].
    pub fn watch_active(&mut self, pool: PoolId, active: Vec<MemberId>, candidates: Vec<MemberId>) {
        self.monitors.watch_active(pool, active, candidates);
    }

    /// An operator wants the member probed. Returns the first probe that may be an answer to that.
    pub fn probe_now(&mut self, member: MemberId) -> ProbeId {
        self.monitors.probe_now(member)
    }

    /// The MAC of the next hop is known: what waited for it can be sent.
    pub fn resolved(&mut self, hop: NextHop) {
        let waited = self.waiting.remove(&hop).unwrap_or_default();
        self.ready.extend(waited.into_iter().map(|datagram| (hop, datagram)));
    }

    /// A program that carries a probe has ended.
    pub fn on_program(&mut self, probe: ProbeId, exit: ProgramExit) {
        self.programs.on_end(probe, exit);
    }

    /// The next hop does not answer: probes under way to it have failed. A member there is asked again at once until enough have:
    /// no probe can leave before it answers ARP, so there is nothing to wait an interval for.
    pub fn unresolved(&mut self, hop: NextHop, member: Option<MemberId>, now: Instant) {
        self.waiting.remove(&hop);
        self.host.unreachable(hop, &format!("{} does not answer ARP", hop.address), now);
        if let Some(member) = member
            && !self.monitors.has_failed(member)
        {
            self.monitors.probe_now(member);
        }
    }

    /// When [`Probing::poll`] has something to do.
    pub fn next_deadline(&mut self, now: Instant) -> Option<Instant> {
        let others = self.host.next_deadline(now).into_iter().chain(self.programs.next_deadline(now));
        self.monitors.next_due().into_iter().chain(others).min()
    }

    /// The monitors.
    pub fn monitors(&self) -> &Monitors {
        &self.monitors
    }

    fn begin(&mut self, start: Start, intent: &Intent, link: &Link, out: &mut Outbox, now: Instant) {
        let (member, monitor) = (&intent.members[start.member], &intent.monitors[start.monitor]);
        let asked = monitor.address.unwrap_or(member.address);
        if let MonitorKind::External(external) = &monitor.kind {
            out.trace(|| format!("probe {}: {} of {}", start.probe.0, monitor.name, member.name));
            return self.programs.begin(start, (monitor, external), (member, asked), out, now);
        }
        let source = monitor.source.unwrap_or_else(|| {
            let hop = monitor.address.and_then(|address| intent.hop_towards(address)).unwrap_or_else(|| member.hop());
            link.addresses.interfaces()[hop.interface].address_towards(hop.address)
        });
        out.trace(|| format!("probe {}: {} of {} from {source}", start.probe.0, monitor.name, member.name));
        self.host.start(start.probe, monitor, source, asked, now);
    }

    /// After a timeout the MAC is verified as well: a host that died does not answer ARP either.
    fn on_outcome(
        &mut self,
        probe: ProbeId,
        outcome: Outcome,
        intent: &Intent,
        link: &mut Link,
        out: &mut Outbox,
        now: Instant,
    ) {
        let silent = outcome == Outcome::Timeout;
        match &outcome {
            Outcome::Good { rtt, detail, .. } => {
                out.trace(|| format!("probe {}: {} in {rtt:?}", probe.0, detail.words))
            }
            Outcome::Failed { reason } => out.debug(|| format!("probe {} failed: {reason}", probe.0)),
            Outcome::Inconclusive { why } => out.debug(|| format!("probe {} decides nothing: {why}", probe.0)),
            Outcome::Timeout => out.debug(|| format!("probe {} failed: no answer", probe.0)),
        }
        let Some(id) = self.monitors.on_outcome(probe, outcome, now) else { return };
        if self.hinted.get(&id).is_some_and(|first| self.monitors.answers_since(id, *first)) {
            self.hinted.remove(&id);
            self.confirmed.push(id);
        }
        if silent {
            link.reverify(intent.members[id].hop(), now);
        }
    }

    /// Sends what can be sent. What is for a member whose MAC is being asked for waits.
    fn transmit(&mut self, link: &Link, out: &mut Outbox, now: Instant) {
        let mut datagrams = std::mem::take(&mut self.ready);
        datagrams.iter().for_each(|(_, datagram)| self.host.sent(datagram, now));
        datagrams.extend(std::iter::from_fn(|| self.host.next_transmit()));
        for (hop, datagram) in datagrams {
            match link.neighbours.neighbour(hop) {
                Some(Neighbour::Reachable(mac)) => link.send(hop.interface, mac, &datagram, out),
                Some(Neighbour::Failed) => self.unresolved(hop, link.member(hop), now),
                None => {
                    let waiting = self.waiting.entry(hop).or_default();
                    if waiting.len() < WAITING {
                        waiting.push(datagram);
                    }
                }
            }
        }
    }
}

fn all_pools(intent: &Intent) -> BTreeSet<PoolId> {
    intent.pools.entries().map(|(id, _)| id).collect()
}

fn self_ips(intent: &Intent) -> impl Iterator<Item = (InterfaceId, Ipv4Addr)> {
    let all = intent.interfaces.entries();
    all.flat_map(|(id, interface)| interface.addresses.iter().map(move |net| (id, net.addr())))
}
