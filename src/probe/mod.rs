//! The user-space host stack that carries probes: IP datagrams in, IP datagrams and outcomes out.
//!
//! Owns the probes under way, their source ports, and TCP (smoltcp) and TLS (OpenSSL) under them. Probes leave from a
//! self-IP through the data path, so that the appliance knows who is alive without any kernel interface. Never decides
//! what an outcome means (`monitor` does), never resolves a next hop (the caller does), reads no clock and touches no NIC.
//! Each probe is one question: nothing is sent twice, except by TCP itself. Everything a probe holds is released when it ends.
//! A silence that an absence of the appliance itself explains ([`absence`]) is [`Outcome::AWAY`].
//!
//! Read first: [`HostStack::start`], then [`probe`], then [`connection`].

mod absence;
mod connection;
mod exchange;
mod packet;
mod pipe;
mod ports;
mod stack;
#[cfg(test)]
mod tests;
mod tls;

use crate::monitor::http::HttpExchange;
use crate::monitor::random::Random;
use crate::monitor::sip::Question;
use crate::monitor::{Outcome, ProbeId};
use crate::policy::adjacency::NextHop;
use crate::policy::intent::{Handshake, InterfaceId, Monitor, MonitorKind, SipTransport, TlsProbe};
use crate::time::{Duration, Instant};
use crate::wire::facts::Segment;
use crate::wire::{Endpoint, Kind, Packet, Protocol, Tuple};
use absence::Absences;
pub use absence::LOOK;
use connection::{Asks, Connection};
use exchange::{Probe, Task};
use foldhash::fast::RandomState;
use openssl::error::ErrorStack;
use openssl::ssl::SslContext;
use packet::failed;
use ports::Ports;
use stack::Stack;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::Ipv4Addr;
use tls::Tls;

/// The host stack.
pub struct HostStack {
    /// The self-IPs, and the interface of each.
    addresses: HashMap<Ipv4Addr, InterfaceId, RandomState>,
    /// The next hop towards whom is asked, where that is not itself on the link of the self-IP that asks.
    hops: HashMap<Ipv4Addr, NextHop>,
    stack: Stack,
    probes: BTreeMap<ProbeId, Probe>,
    /// The same by when their time is up.
    deadlines: BTreeSet<(Instant, ProbeId)>,
    /// The same by whom they ask.
    by_member: BTreeSet<(Ipv4Addr, ProbeId)>,
    /// The probe that has a source port; for an echo it is the identifier.
    by_port: HashMap<u16, ProbeId, RandomState>,
    ports: Ports,
    random: Random,
    /// What TLS connections are made from, by what the file says of them.
    contexts: Vec<(TlsProbe, SslContext)>,
    outcomes: VecDeque<(ProbeId, Outcome)>,
    absences: Absences,
    /// Until when all has been heard that came in; `None`: until now.
    heard: Option<Instant>,
    now: Instant,
}

impl HostStack {
    /// A stack without addresses. `seed` determines ports, identifiers and sequence numbers, though not TLS keys.
    pub fn new(seed: u64, now: Instant) -> HostStack {
        let mut random = Random::new(seed);
        HostStack {
            addresses: HashMap::default(),
            hops: HashMap::new(),
            stack: Stack::new(random.draw(), now),
            probes: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            by_member: BTreeSet::new(),
            by_port: HashMap::default(),
            ports: Ports::new(random.draw()),
            random,
            contexts: Vec::new(),
            outcomes: VecDeque::new(),
            absences: Absences::new(now),
            heard: None,
            now,
        }
    }

    /// All self-IPs, each with its interface. Probes from an address that is gone or has moved fail.
    pub fn set_addresses(&mut self, addresses: impl Iterator<Item = (InterfaceId, Ipv4Addr)>, now: Instant) {
        self.look(now);
        self.contexts.clear();
        let addresses = addresses.map(|(interface, address)| (address, interface)).collect();
        for (address, interface) in std::mem::replace(&mut self.addresses, addresses) {
            if self.addresses.get(&address) != Some(&interface) {
                let reason = format!("the self-IP {address} was taken away");
                let from = |(_, probe): &(&ProbeId, &Probe)| probe.tuple.src.addr == address;
                let ids = self.probes.iter().filter(from).map(|(id, _)| *id).collect();
                self.end_all(ids, &reason);
            }
        }
        self.release_closed();
    }

    /// The next hops towards whom is asked that is not, itself, on the link of the self-IP that asks.
    pub fn set_hops(&mut self, hops: HashMap<Ipv4Addr, NextHop>) {
        self.hops = hops;
    }

    /// Starts a probe of `member` as `monitor` says, from the self-IP `source`. What cannot be started fails at once, with
    /// an outcome.
    pub fn start(&mut self, probe: ProbeId, monitor: &Monitor, source: Ipv4Addr, member: Ipv4Addr, now: Instant) {
        self.look(now);
        if !self.addresses.contains_key(&source) {
            return self.reject(probe, format!("{source} is not a self-IP: no probe can leave from it"));
        }
        let Some(port) = self.ports.take() else {
            return self.reject(probe, format!("no free source port: {} probes are under way", self.probes.len()));
        };
        match self.open(&monitor.kind, Endpoint::new(source, port), member) {
            Ok((tuple, task)) => {
                self.by_port.insert(port, probe);
                let (timeout, extra) = (monitor.timeout, Duration::ZERO);
                let started = Probe { tuple, started: now, timeout, extra, task, arrived: None, heard: None };
                self.deadlines.insert((started.deadline(), probe));
                self.by_member.insert((tuple.dst.addr, probe));
                self.probes.insert(probe, started);
            }
            Err(reason) => {
                self.ports.release(port);
                self.reject(probe, reason);
            }
        }
    }

    /// Takes a frame that came in `at` and was punted because it is for a self-IP. What no probe asked for is ignored; what is damaged is no
    /// answer, but a reason.
    pub fn receive(&mut self, packet: &Packet, frame: &[u8], at: Instant, now: Instant) {
        self.look(now);
        let Some(payload) = packet::payload(packet, frame) else {
            let asked = packet.tuple().and_then(|tuple| self.asked(&tuple.reversed()));
            if let Some(probe) = asked.and_then(|id| self.probes.get_mut(&id)) {
                probe.on_damaged();
            }
            return;
        };
        match (packet.kind, packet.tuple().map(Tuple::reversed)) {
            (kind @ (Kind::Udp | Kind::Echo { request: false }), Some(asked)) => match self.asked(&asked) {
                Some(id) if kind == Kind::Udp => self.on_answer(id, |probe| probe.on_datagram(payload, at)),
                Some(id) => self.on_answer(id, |probe| probe.on_echo(payload, at)),
                None => self.on_stray(asked, payload),
            },
            (Kind::Tcp(segment), Some(asked)) => {
                self.receive_segment(asked, segment, &frame[packet.l3.into()..packet.end.into()], at);
            }
            (Kind::IcmpError(error), _) if error.tuple.src.addr == packet.dst() => {
                if let Some(id) = self.asked(&error.tuple) {
                    self.on_answer(id, |_| packet::error_in_words(&error, packet.src()).map(failed));
                }
            }
            _ => {}
        }
    }

    /// Nothing can reach `hop` (such as: it does not answer ARP): every probe under way to it or by it fails.
    pub fn unreachable(&mut self, hop: NextHop, reason: &str, now: Instant) {
        self.look(now);
        let behind = self.hops.iter().filter(|(address, by)| **by == hop && **address != hop.address);
        let asked = std::iter::once(hop.address).chain(behind.map(|(address, _)| *address));
        let probes = |member| self.by_member.range((member, ProbeId(0))..=(member, ProbeId(u64::MAX)));
        let ids = asked.flat_map(probes).map(|(_, id)| *id).collect();
        self.end_all(ids, reason);
    }

    /// Drives connections, and ends the probes whose time is up.
    pub fn poll(&mut self, now: Instant) {
        self.look(now);
        self.stack.poll(now);
        self.drive_connections(now);
        let heard = self.heard.map_or(now, |heard| heard.min(now));
        while let Some(&(_, id)) = self.deadlines.first().filter(|(due, _)| *due <= heard) {
            self.deadlines.pop_first();
            if !self.is_prolonged(id)
                && let Some(outcome) = self.probes.get(&id).map(|probe| self.silence(probe))
            {
                self.end(id, outcome);
            }
        }
        self.absences.forget_before(self.probes.values().next().map_or(now, |oldest| oldest.started), now);
        // Sends what the connections have said, and the segments that end them.
        self.release_closed();
    }

    /// All that came in until then has been given to [`HostStack::receive`]: nobody is silent who may have answered in time. Until
    /// this is said for the first time it is so whenever [`HostStack::poll`] is called.
    pub fn heard_until(&mut self, at: Instant) {
        self.heard = self.heard.max(Some(at));
    }

    /// A datagram leaves only now. Unless it belongs to a connection, which sends several, it is answered from now on.
    pub fn sent(&mut self, datagram: &[u8], now: Instant) {
        let Some((id, probe)) = packet::source_port(datagram)
            .and_then(|port| self.by_port.get(&port))
            .and_then(|id| Some((*id, self.probes.get_mut(id)?)))
            .filter(|(_, probe)| !matches!(probe.task, Task::Connection { .. }))
        else {
            return;
        };
        self.deadlines.remove(&(probe.deadline(), id));
        probe.started = now;
        self.deadlines.insert((probe.deadline(), id));
    }

    /// A worker began its latest turn at `turned`. To be told now and then: one that is not turning neither sends probes nor
    /// brings their answers.
    pub fn see_worker(&mut self, worker: usize, turned: Instant, now: Instant) {
        self.absences.see_worker(worker, turned, now);
    }

    /// The next IP datagram to be sent, and where. One from an address that is no longer ours is not.
    pub fn next_transmit(&mut self) -> Option<(NextHop, Vec<u8>)> {
        loop {
            let datagram = self.stack.pop()?;
            let (source, address) = packet::ends(&datagram);
            if let Some(&interface) = self.addresses.get(&source) {
                let hop = self.hops.get(&address).copied();
                return Some((hop.unwrap_or(NextHop { interface, address }), datagram));
            }
        }
    }

    /// The next probe that has ended. Each does, in time.
    pub fn next_outcome(&mut self) -> Option<(ProbeId, Outcome)> {
        self.outcomes.pop_front()
    }

    /// When [`poll`](HostStack::poll) will have something to do; `now` while outcomes or datagrams wait to be taken.
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        if !self.outcomes.is_empty() {
            return Some(now);
        }
        let probes = self.deadlines.first().map(|(due, _)| (*due).max(now));
        let look = probes.map(|_| (self.now + LOOK).max(now));
        probes.into_iter().chain(look).chain(self.stack.next_deadline(now)).min()
    }

    /// The appliance itself was away while somebody waited from `asked` until `due` for an answer: that none came means nothing.
    /// Of the last two seconds at least.
    pub fn was_away(&self, asked: Instant, due: Instant) -> bool {
        self.absences.explain(asked, due, due.since(asked))
    }

    /// How long it has been away in all since the start, as far as something was waited for.
    pub fn away(&self) -> Duration {
        self.absences.total()
    }

    /// Management is here at `now`, and has been away since this was last called. It is to be called at least each [`LOOK`] while
    /// anything is waited for.
    pub fn look(&mut self, now: Instant) {
        self.now = now;
        self.absences.look(!self.probes.is_empty(), now);
    }

    /// Its time is up, but for a part of it the appliance was away: that much is added.
    fn is_prolonged(&mut self, id: ProbeId) -> bool {
        let Some(probe) = self.probes.get(&id).filter(|probe| !self.explains(probe)) else { return false };
        let away = self.absences.within(probe.started, probe.deadline());
        if away <= probe.extra {
            return false;
        }
        if let Some(probe) = self.probes.get_mut(&id) {
            probe.extra = away;
            self.deadlines.insert((probe.deadline(), id));
        }
        true
    }

    /// What it comes to that nothing has answered the probe in its time.
    fn silence(&self, probe: &Probe) -> Outcome {
        if self.explains(probe) { Outcome::AWAY } else { probe.silence() }
    }

    /// The appliance was away for long enough that an answer which came late may have come in time.
    fn may_be_in_time(&self, probe: &Probe) -> bool {
        self.explains(probe) || self.absences.within(probe.started, self.now) > Duration::ZERO
    }

    /// The appliance itself was away while it waited for the probe's answer.
    fn explains(&self, probe: &Probe) -> bool {
        self.absences.explain(probe.started, probe.deadline(), probe.timeout)
    }

    /// Sends the first packet of a probe, or opens its connection.
    fn open(&mut self, kind: &MonitorKind, local: Endpoint, member: Ipv4Addr) -> Result<(Tuple, Task), String> {
        let remote = |port| Endpoint::new(member, port);
        let (protocol, remote, task, datagram) = match kind {
            MonitorKind::Icmp => {
                let mut payload = [0; 16];
                payload[..8].copy_from_slice(&self.random.draw().to_be_bytes());
                payload[8..].copy_from_slice(&self.random.draw().to_be_bytes());
                let datagram = packet::echo(local.addr, member, local.port, &payload);
                (Protocol::Icmp, remote(0), Task::Echo { payload }, datagram)
            }
            &MonitorKind::TcpHalfOpen { port } => {
                let sequence = self.random.draw() as u32;
                let datagram = packet::syn(local, remote(port), sequence);
                (Protocol::Tcp, remote(port), Task::HalfOpen { sequence }, datagram)
            }
            MonitorKind::Udp { port, send, receive } => {
                let datagram = packet::udp(local, remote(*port), send);
                (Protocol::Udp, remote(*port), Task::Datagram { expects: receive.clone() }, datagram)
            }
            &MonitorKind::Tcp { port } => return self.connect(local, remote(port), None, None),
            MonitorKind::Sip(sip) if sip.transport != SipTransport::Udp => {
                let remote = remote(sip.port);
                let tls = self.tls(kind.tls(), sip.host.as_ref(), member)?;
                let question = Question::new(sip, &mut self.random);
                let request = question.write(sip, local, remote);
                return self.connect(local, remote, asked(kind, || Asks::sip(question, request)), tls);
            }
            // A program is run by whoever calls, not here.
            MonitorKind::External(_) => return Err("a program carries no packets".into()),
            MonitorKind::Http(http) => {
                let remote = remote(http.port);
                let tls = self.tls(kind.tls(), http.host.as_ref(), member)?;
                return self.connect(local, remote, asked(kind, || Asks::http(HttpExchange::new(http), remote)), tls);
            }
            MonitorKind::Sip(sip) => {
                let question = Question::new(sip, &mut self.random);
                let datagram = packet::udp(local, remote(sip.port), &question.write(sip, local, remote(sip.port)));
                (Protocol::Udp, remote(sip.port), Task::Sip { question: Box::new(question) }, datagram)
            }
        };
        self.stack.send(datagram);
        Ok((Tuple::new(protocol, local, remote), task))
    }

    fn tls(
        &mut self,
        probe: Option<&TlsProbe>,
        host: Option<&String>,
        member: Ipv4Addr,
    ) -> Result<Option<Tls>, String> {
        let Some(probe) = probe else { return Ok(None) };
        let tls = self.context(probe).and_then(|context| Tls::new(&context, (probe, host), member));
        tls.map(Some).map_err(|error| format!("TLS is not available: {error}"))
    }

    /// Opens the connection of a probe. Its SYN is sent by the next [`poll`](HostStack::poll), or here and now.
    fn connect(
        &mut self,
        local: Endpoint,
        remote: Endpoint,
        asks: Option<Asks>,
        tls: Option<Tls>,
    ) -> Result<(Tuple, Task), String> {
        let opened = self.stack.connect(local, remote, self.now);
        opened.map_err(|error| format!("cannot connect to {remote}: {error}"))?;
        self.stack.poll(self.now);
        let connection = Box::new(Connection::new(remote.port, asks, tls));
        Ok((Tuple::new(Protocol::Tcp, local, remote), Task::Connection { connection }))
    }

    fn context(&mut self, probe: &TlsProbe) -> Result<SslContext, ErrorStack> {
        if let Some((_, known)) = self.contexts.iter().find(|(of, _)| of == probe) {
            return Ok(known.clone());
        }
        let context = tls::context(probe)?;
        self.contexts.push((probe.clone(), context.clone()));
        Ok(context)
    }

    fn reject(&mut self, probe: ProbeId, reason: String) {
        self.outcomes.push_back((probe, failed(reason)));
    }

    /// The probe whose packets go out with `tuple`.
    fn asked(&self, tuple: &Tuple) -> Option<ProbeId> {
        let id = *self.by_port.get(&tuple.src.port)?;
        self.probes.get(&id).is_some_and(|probe| probe.tuple == *tuple).then_some(id)
    }

    /// Lets a probe judge what came back.
    fn on_answer(&mut self, id: ProbeId, judge: impl FnOnce(&mut Probe) -> Option<Outcome>) {
        if let Some(outcome) = self.probes.get_mut(&id).and_then(judge) {
            self.end(id, outcome);
        }
    }

    /// What came to a probe's port answers another tuple than went out.
    fn on_stray(&mut self, answers: Tuple, payload: &[u8]) {
        let probe = self.by_port.get(&answers.src.port).and_then(|id| self.probes.get_mut(id));
        if let Some(probe) =
            probe.filter(|probe| (probe.tuple.protocol, probe.tuple.src) == (answers.protocol, answers.src))
        {
            probe.on_stray(answers.dst, payload);
        }
    }

    fn receive_segment(&mut self, asked: Tuple, segment: Segment, datagram: &[u8], at: Instant) {
        let probe = self.asked(&asked).and_then(|id| Some((id, self.probes.get(&id)?)));
        match probe {
            Some((id, probe)) if matches!(probe.task, Task::HalfOpen { .. }) => {
                let Some((reset, outcome)) = probe.on_segment(segment, at) else { return };
                reset.into_iter().for_each(|reset| self.stack.send(reset));
                self.end(id, outcome);
            }
            _ => {
                let connection = self.asked(&asked).and_then(|id| self.probes.get_mut(&id));
                connection.into_iter().for_each(|probe| probe.arrived = Some(at));
                self.stack.push(asked.src.port, datagram);
            }
        }
    }

    fn drive_connections(&mut self, now: Instant) {
        for port in self.stack.take_heard() {
            let Some(id) = self.by_port.get(&port).copied() else { continue };
            let Some(probe) = self.probes.get_mut(&id) else { continue };
            let Task::Connection { connection } = &mut probe.task else { continue };
            let end = self.stack.socket(port).and_then(|socket| connection.drive(socket));
            if let Some(outcome) = end.map(|end| probe.outcome(end, probe.arrived.unwrap_or(now))) {
                self.end(id, outcome);
            }
        }
    }

    fn end_all(&mut self, ids: Vec<ProbeId>, reason: &str) {
        ids.into_iter().for_each(|id| self.end(id, failed(reason)));
    }

    /// Releases all that the probe holds. Its connection is reset unless all is well.
    fn end(&mut self, id: ProbeId, mut outcome: Outcome) {
        let Some(probe) = self.probes.remove(&id) else { return };
        self.deadlines.remove(&(probe.deadline(), id));
        self.by_member.remove(&(probe.tuple.dst.addr, id));
        // It may have come in time and lain unread where no time is taken.
        if matches!(outcome, Outcome::Good { rtt, .. } if rtt > probe.timeout) && self.may_be_in_time(&probe) {
            outcome = Outcome::AWAY;
        }
        self.by_port.remove(&probe.tuple.src.port);
        let (port, abort) = (probe.tuple.src.port, !matches!(outcome, Outcome::Good { .. }));
        match probe.task {
            Task::Connection { .. } => self.stack.leave(port, abort, self.now),
            _ => self.ports.release(port),
        }
        self.outcomes.push_back((id, outcome));
    }

    fn release_closed(&mut self) {
        self.stack.reap(self.now).into_iter().for_each(|port| self.ports.release(port));
    }
}

/// Where the handshake is enough, nothing is asked.
fn asked(kind: &MonitorKind, asks: impl FnOnce() -> Asks) -> Option<Asks> {
    let is_enough = kind.tls().is_some_and(|tls| tls.handshake == Handshake::Enough);
    (!is_enough).then(asks)
}
