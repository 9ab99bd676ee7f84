//! What all workers have forwarded for each member and virtual server, and how many connections these have.
//!
//! Owns the sums by whose they are: who stays over a reload keeps them, whoever comes begins at zero, though the id was another's and the
//! workers' cells only grow. Reads them once a second for the rates and the most connections at once, and whenever an operator asks.

use super::facts::Machine;
use crate::admin::rows::{TrafficOf, TrafficRates, TrafficRow};
use crate::engine::{Connections, Forwarded};
use crate::policy::intent::{MemberId, PoolId, VirtualServerId};
use crate::policy::slots::Id;
use crate::policy::{Intent, Life, Slots};
use crate::time::{Duration, Instant};
use crate::worker::counters::Owned;
use std::collections::BTreeMap;

const INTERVAL: Duration = Duration::from_secs(1);

/// What is known of all of them.
pub(super) struct TrafficCounts {
    members: BTreeMap<MemberId, Known>,
    servers: BTreeMap<VirtualServerId, Known>,
    looked: Instant,
}

/// What is known of one.
#[derive(Clone, Copy, Default)]
struct Known {
    /// What the cells held when it came.
    before: Counts,
    /// What they held when they were looked at last.
    last: Counts,
    rates: Counts,
    most: u64,
}

/// Packets in and out, bytes in and out, connections that have begun.
type Counts = [u64; 5];

/// What the cells of all workers hold together: counts, and the connections that stand.
type Sum = (Counts, u64);

impl TrafficCounts {
    pub(super) fn new(now: Instant) -> TrafficCounts {
        TrafficCounts { members: BTreeMap::new(), servers: BTreeMap::new(), looked: now }
    }

    /// When the cells are to be looked at.
    pub(super) fn next_deadline(&self) -> Instant {
        self.looked + INTERVAL
    }

    /// `intent` takes the place of `before`. Whoever has an id that was vacant is new: nobody has been counted there since that was
    /// another's, and what is there is not his.
    pub(super) fn reconfigure(&mut self, before: &Intent, intent: &Intent, machine: &Machine) {
        let (workers, life) = (owned(machine), before.lives.now);
        renew(&mut self.members, &intent.members, life, |id| member(&workers, id));
        renew(&mut self.servers, &intent.virtual_servers, life, |id| server(&workers, id));
    }

    /// Once a second.
    pub(super) fn poll(&mut self, intent: &Intent, machine: &Machine, now: Instant) {
        if now < self.next_deadline() {
            return;
        }
        let (workers, over) = (owned(machine), now.since(self.looked));
        self.looked = now;
        intent.members.ids().for_each(|id| self.members.entry(id).or_default().look(member(&workers, id), over));
        intent
            .virtual_servers
            .ids()
            .for_each(|id| self.servers.entry(id).or_default().look(server(&workers, id), over));
    }

    /// Virtual servers, then members, each in the order of the file.
    pub(super) fn rows(&self, intent: &Intent, machine: &Machine) -> Vec<TrafficRow> {
        let (workers, counting) = (owned(machine), intent.limits.counts_traffic());
        let pool = |id: PoolId| intent.pools[id].name.clone();
        let servers = intent.virtual_servers.entries().map(|(id, meant)| {
            let known = self.servers.get(&id).copied().unwrap_or_default();
            known.row((TrafficOf::VirtualServer, &meant.name, pool(meant.pool)), counting, server(&workers, id))
        });
        let members = intent.members.entries().map(|(id, meant)| {
            let known = self.members.get(&id).copied().unwrap_or_default();
            known.row((TrafficOf::Member, &meant.name, pool(meant.pool)), counting, member(&workers, id))
        });
        servers.chain(members).collect()
    }
}

impl Known {
    fn look(&mut self, (counts, standing): Sum, over: Duration) {
        let per_second = |grown: u64| (grown as f64 / over.as_secs_f64()).round() as u64;
        self.rates = std::array::from_fn(|at| per_second(counts[at].wrapping_sub(self.last[at])));
        (self.last, self.most) = (counts, self.most.max(standing));
    }

    fn row(&self, (of, name, pool): (TrafficOf, &str, String), counting: bool, (counts, standing): Sum) -> TrafficRow {
        let [packets_in, packets_out, bytes_in, bytes_out, connections_total] =
            std::array::from_fn(|at| counts[at].wrapping_sub(self.before[at]));
        let rates = self.rates;
        TrafficRow {
            of,
            name: name.to_owned(),
            pool,
            counting,
            packets_in,
            packets_out,
            bytes_in,
            bytes_out,
            per_second: TrafficRates {
                packets_in: rates[0],
                packets_out: rates[1],
                bytes_in: rates[2],
                bytes_out: rates[3],
                connections: rates[4],
            },
            connections: standing,
            connections_max: self.most.max(standing),
            connections_total,
        }
    }
}

/// Whoever is not in the list any more is forgotten; whoever has come since `life` begins.
fn renew<K: Id, T>(known: &mut BTreeMap<K, Known>, list: &Slots<K, T>, life: Life, sum: impl Fn(K) -> Sum) {
    known.retain(|id, _| list.find(*id, life).is_some());
    for id in list.ids().filter(|id| list.find(*id, life).is_none()) {
        let (before, _) = sum(id);
        known.insert(id, Known { before, last: before, ..Known::default() });
    }
}

fn owned(machine: &Machine) -> Vec<Owned> {
    machine.workers().filter_map(|worker| machine.counters.owned(worker)).collect()
}

fn member(workers: &[Owned], id: MemberId) -> Sum {
    sum(workers.iter().map(|worker| (worker.traffic.member(id), worker.connections.member(id))))
}

fn server(workers: &[Owned], id: VirtualServerId) -> Sum {
    sum(workers.iter().map(|worker| (worker.traffic.virtual_server(id), worker.connections.virtual_server(id))))
}

fn sum(each: impl Iterator<Item = (Forwarded, Connections)>) -> Sum {
    each.fold(Sum::default(), |(counts, standing), (forwarded, connections)| {
        let Forwarded { packets_in, packets_out, bytes_in, bytes_out } = forwarded;
        let more = [packets_in, packets_out, bytes_in, bytes_out, connections.begun];
        (std::array::from_fn(|at| counts[at].wrapping_add(more[at])), standing + connections.now)
    })
}
