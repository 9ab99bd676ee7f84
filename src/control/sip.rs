//! What all workers have counted of SIP, and what an operator is told of it.
//!
//! Owns the sums since counting began. Twice a second, and when an operator asks, each worker is sent an empty [`Statistics`] and returns
//! the one it had; while nothing is counted, none is sent. Another sample begins anew: sums of two would mean nothing. Decides nothing.

use super::facts::Machine;
use super::outbox::Outbox;
use crate::admin::rows::{Bucket, SipCountRow, SipRefreshRow, SipReport, SipRow, SipSide, Spread};
use crate::policy::Intent;
use crate::policy::intent::{Listen, MemberId, VirtualServer};
use crate::time::{Duration, Instant};
use crate::wire::summary::Method;
use crate::wire::{Endpoint, Protocol};
use crate::worker::mailbox::{Command, WorkerId};
use crate::worker::sip::{AskedBy, CODES, Histogram, Refreshes, Row, RowKey, Statistics};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// How often workers are asked.
const CHECK: Duration = Duration::from_millis(500);
/// Bounds of the buckets, in milliseconds.
const BOUNDS: [u64; 15] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000];

/// What all workers have counted.
pub(super) struct SipCounts {
    workers: Vec<Reports>,
    rows: BTreeMap<RowKey, Row>,
    refreshes: BTreeMap<Endpoint, Refreshes>,
    /// By service port, the name of its virtual server; those that were taken out of a virtual server that is in the file among them.
    services: BTreeMap<Endpoint, String>,
    not_counted: u64,
    /// See [`crate::policy::intent::SipStatistics`].
    sample: u32,
    since: Instant,
    next_check: Instant,
}

/// What goes to and fro between here and a worker.
#[derive(Default)]
struct Reports {
    /// The worker has something to count into.
    counts: bool,
    /// It has been sent another one, or none, and has not returned what it had.
    outstanding: bool,
    /// The next one to be sent, empty.
    spare: Option<Box<Statistics>>,
    /// So many of those that it returns next were counted by another sample.
    stale: u8,
}

impl SipCounts {
    pub(super) fn new(workers: usize, intent: &Intent, now: Instant) -> SipCounts {
        SipCounts {
            workers: (0..workers).map(|_| Reports::default()).collect(),
            rows: BTreeMap::new(),
            refreshes: BTreeMap::new(),
            services: Names::of(intent, &BTreeMap::new()).services(),
            not_counted: 0,
            sample: intent.sip.sample,
            since: now,
            next_check: now,
        }
    }

    /// The file is another one: what is gone is forgotten, and all of it where another sample begins. What was counted at a port that is
    /// gone stays with its virtual server: sums that are read from time to time do not fall.
    pub(super) fn reconfigure(&mut self, intent: &Intent, now: Instant) {
        let names = Names::of(intent, &self.services);
        self.rows.retain(|key, _| names.place(key).is_some());
        self.refreshes.retain(|service, _| names.servers.contains_key(service));
        self.services = names.services();
        if self.sample == intent.sip.sample {
            return;
        }
        self.rows.clear();
        self.refreshes.clear();
        (self.sample, self.not_counted, self.since, self.next_check) = (intent.sip.sample, 0, now, now);
        for known in &mut self.workers {
            known.stale = u8::from(known.counts) + u8::from(known.outstanding);
        }
    }

    /// When workers are to be asked; `None`: nothing is counted.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let is_due = self.sample > 0 || self.workers.iter().any(|known| known.counts);
        is_due.then_some(self.next_check)
    }

    /// Twice a second.
    pub(super) fn poll(&mut self, out: &mut Outbox, now: Instant) {
        if self.next_deadline().is_some_and(|due| due <= now) {
            self.next_check = now + CHECK;
            self.collect(out);
        }
    }

    /// Asks every worker for what it has counted, except those that have still to return something. Whether anything is counted.
    pub(super) fn collect(&mut self, out: &mut Outbox) -> bool {
        for (at, known) in self.workers.iter_mut().enumerate().filter(|(_, known)| !known.outstanding) {
            let fresh = match (self.sample > 0, known.counts) {
                (false, false) => continue,
                (false, true) => None,
                (true, false) => Some(Box::new(Statistics::first())),
                (true, true) => Some(known.spare.take().unwrap_or_default()),
            };
            (known.counts, known.outstanding) = (fresh.is_some(), true);
            out.send(WorkerId(at as u16), Command::Sip(fresh));
        }
        self.sample > 0
    }

    /// A worker has returned what it had.
    pub(super) fn on_statistics(&mut self, worker: WorkerId, statistics: Option<Box<Statistics>>) {
        let Some(known) = self.workers.get_mut(usize::from(worker.0)) else { return };
        known.outstanding = false;
        let is_stale = known.stale > 0;
        known.stale = known.stale.saturating_sub(1);
        let Some(mut statistics) = statistics else { return };
        if self.sample > 0 && !is_stale {
            for row in statistics.rows() {
                self.rows.entry(row.key).and_modify(|sum| sum.add(row)).or_insert_with(|| row.clone());
            }
            for seen in statistics.refreshes() {
                self.refreshes.entry(seen.service).and_modify(|sum| sum.add(seen)).or_insert_with(|| seen.clone());
            }
            self.not_counted += statistics.not_counted;
        }
        statistics.clear();
        known.spare = Some(statistics).filter(|_| known.counts);
    }

    /// What an operator is told, by the names that the file has now.
    pub(super) fn report(&self, intent: &Intent, machine: &Machine, now: Instant) -> SipReport {
        if self.sample == 0 {
            return SipReport { since: machine.wall(self.since), ..SipReport::default() };
        }
        let names = Names::of(intent, &self.services);
        let (refreshes, counted) = (names.refreshes(&self.refreshes), now.since(self.since));
        SipReport {
            sample: self.sample,
            since: machine.wall(self.since),
            rows: names.rows(&self.rows),
            warnings: refreshes.iter().filter_map(|(row, seen)| warning(row, seen, (counted, self.sample))).collect(),
            refreshes: refreshes.into_iter().map(|(row, _)| row).collect(),
            not_counted: self.not_counted,
        }
    }
}

/// What the file calls things.
struct Names<'i> {
    intent: &'i Intent,
    /// In the order of the file.
    virtual_servers: Vec<&'i VirtualServer>,
    /// By service port: the place of its virtual server among them.
    servers: BTreeMap<Endpoint, usize>,
    /// By a port that is gone: the place of its virtual server.
    former: BTreeMap<Endpoint, usize>,
    members: BTreeMap<Ipv4Addr, MemberId>,
}

/// A row's virtual server, by its place in the file, its member, and who asks.
type Place = (usize, Option<MemberId>, AskedBy);

impl<'i> Names<'i> {
    /// `services`: by service port, the name of its virtual server before.
    fn of(intent: &'i Intent, services: &BTreeMap<Endpoint, String>) -> Names<'i> {
        let virtual_servers: Vec<&VirtualServer> = intent.virtual_servers.iter().collect();
        let mut servers = BTreeMap::new();
        for (at, VirtualServer { address, listen, .. }) in virtual_servers.iter().enumerate() {
            let datagrams = listen.iter().filter(|Listen { protocol, .. }| *protocol == Protocol::Udp);
            for Listen { port, .. } in datagrams {
                // Of two at one endpoint the first counts.
                servers.entry(Endpoint::new(*address, *port)).or_insert(at);
            }
        }
        let members = intent.members.entries().map(|(id, member)| (member.address, id)).collect();
        let named = |name: &str| virtual_servers.iter().position(|server| server.name == name);
        let gone = services.iter().filter(|(service, _)| !servers.contains_key(service));
        let former = gone.filter_map(|(service, name)| Some((*service, named(name)?))).collect();
        Names { intent, virtual_servers, servers, former, members }
    }

    fn services(&self) -> BTreeMap<Endpoint, String> {
        let name = |at: usize| self.virtual_servers[at].name.clone();
        self.servers.iter().chain(&self.former).map(|(service, at)| (*service, name(*at))).collect()
    }

    /// `None`: it is not in the file any more.
    fn place(&self, key: &RowKey) -> Option<Place> {
        let member = match key.member {
            Some(address) => Some(*self.members.get(&address)?),
            None => None,
        };
        let server = self.servers.get(&key.service).or_else(|| self.former.get(&key.service))?;
        Some((*server, member, key.asked_by))
    }

    /// The service ports of a virtual server together.
    fn rows(&self, counted: &BTreeMap<RowKey, Row>) -> Vec<SipRow> {
        let mut sums: BTreeMap<Place, Row> = BTreeMap::new();
        for (place, row) in counted.iter().filter_map(|(key, row)| Some((self.place(key)?, row))) {
            sums.entry(place).and_modify(|sum| sum.add(row)).or_insert_with(|| row.clone());
        }
        sums.iter().map(|(place, row)| self.row(*place, row)).collect()
    }

    fn row(&self, (server, member, asked_by): Place, row: &Row) -> SipRow {
        SipRow {
            virtual_server: self.virtual_servers[server].name.clone(),
            member: member.map(|id| self.intent.members[id].name.clone()),
            asked_by: match asked_by {
                AskedBy::Clients => SipSide::Clients,
                AskedBy::Members => SipSide::Members,
            },
            requests: seen(Method::ALL.iter().map(|method| method.name().to_owned()).zip(row.requests)),
            responses: seen(answer_names().zip(row.answers)),
            repeated_requests: row.repeated_requests,
            repeated_responses: row.repeated_answers,
            unanswered: row.unanswered,
            not_timed: row.not_timed,
            first_response: spread(&row.times),
        }
    }

    fn refreshes(&self, seen: &BTreeMap<Endpoint, Refreshes>) -> Vec<(SipRefreshRow, Refreshes)> {
        let mut sums: BTreeMap<usize, Refreshes> = BTreeMap::new();
        for (place, seen) in seen.iter().filter_map(|(service, seen)| Some((*self.servers.get(service)?, seen))) {
            sums.entry(place).and_modify(|sum| sum.add(seen)).or_insert_with(|| seen.clone());
        }
        sums.into_iter().map(|(server, seen)| (self.refresh_row(server, &seen), seen)).collect()
    }

    fn refresh_row(&self, server: usize, seen: &Refreshes) -> SipRefreshRow {
        let server = self.virtual_servers[server];
        let is_shared = self.intent.pools[server.pool].is_shared();
        let Refreshes { keep_alives, registrations, .. } = seen;
        SipRefreshRow {
            virtual_server: server.name.clone(),
            udp_timeout_s: is_shared.then_some(self.intent.timeouts.udp.as_secs()),
            keep_alives: keep_alives.count(),
            keep_alive_p50_s: seconds(keep_alives.at_least(1, 2)),
            keep_alive_longest_s: seconds(keep_alives.longest()),
            registrations: registrations.count(),
            registration_p50_s: seconds(registrations.at_least(1, 2)),
            registration_shortest_s: seconds(registrations.shortest()),
            registration_longest_s: seconds(registrations.longest()),
        }
    }
}

/// Of microseconds: what has begun counts, so that a flow that is as old is over.
fn seconds(micros: u64) -> u64 {
    micros.div_ceil(1_000_000)
}

/// Of fewer keep-alives than these, what half of them, or nine of ten, did not exceed is the longest: one phone that was off.
const ENOUGH: [u64; 2] = [2, 10];

/// What keeps a client's UDP flow alive comes too seldom for that, if it does: half of what was seen in the time that was `counted`, of one
/// client in `sample`, or a tenth. Registrations that last no longer than a flow renew it, whether or not there is anything else.
fn warning(row: &SipRefreshRow, seen: &Refreshes, (counted, sample): (Duration, u32)) -> Option<String> {
    let limit = row.udp_timeout_s?;
    let beyond = |micros: u64| Some(seconds(micros)).filter(|_| micros > limit.saturating_mul(1_000_000));
    let registrations = beyond(seen.registrations.at_least(1, 2));
    if seen.registrations.count() > 0 && registrations.is_none() {
        return None;
    }
    let keep_alives =
        |(parts, of), enough| beyond(seen.keep_alives.at_least(parts, of)).filter(|_| row.keep_alives >= enough);
    let (half, most) = (keep_alives((1, 2), ENOUGH[0]), keep_alives((9, 10), ENOUGH[1]));
    // A client that sends one in each timeout has sent two by then.
    let none = registrations.filter(|_| row.keep_alives == 0 && counted >= Duration::from_secs(limit) * 2);
    let (span, what) = if let Some(span) = half {
        (span, format!("half of the keep-alives that were seen come {span} s or more after the one before"))
    } else if let Some(span) = most {
        (span, format!("one in ten of the keep-alives that were seen comes {span} s or more after the one before"))
    } else {
        let (span, counted) = (none?, counted.as_secs());
        let of = if sample == 1 { String::new() } else { format!(" of the one client in {sample} that is looked at") };
        let registrations = format!("half of the registrations that were seen last {span} s or more");
        (span, format!("in {counted} s no keep-alive{of} followed another, and {registrations}"))
    };
    Some(format!(
        "virtual server {}: {what}, [timeouts] udp is {limit} s: too short by {} s; a client loses its flow in between, and may go to \
         another member: write a longer [timeouts] udp, or have clients send more often",
        row.virtual_server,
        span - limit
    ))
}

/// In the order of their counters.
fn answer_names() -> impl Iterator<Item = String> {
    let codes = CODES.iter().map(u16::to_string);
    codes.chain((1..=6).map(|class| format!("{class}xx")))
}

fn seen(counts: impl Iterator<Item = (String, u64)>) -> Vec<SipCountRow> {
    counts.filter(|(_, count)| *count > 0).map(|(name, count)| SipCountRow { name, count }).collect()
}

fn spread(spans: &Histogram) -> Spread {
    let bucket = |ms: u64| Bucket { up_to_ns: ms * 1_000_000, count: spans.within(ms * 1_000_000) };
    Spread {
        count: spans.count(),
        sum_ns: spans.sum(),
        p50_ns: spans.up_to(1, 2),
        p90_ns: spans.up_to(9, 10),
        p99_ns: spans.up_to(99, 100),
        p999_ns: spans.up_to(999, 1_000),
        max_ns: spans.longest(),
        buckets: BOUNDS.map(bucket).into(),
    }
}
