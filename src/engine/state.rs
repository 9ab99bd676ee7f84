//! What one worker remembers, and what its owner may ask of it.
//!
//! Owns [`Engine`] and the parts of its state. How a packet is decided about is in other files: `decide` and what follows it.

use super::account::Account;
use super::connection_use::ConnectionUse;
use super::events::{EngineEvent, EngineEvents};
use super::flow_book::{FlowBook, is_live};
use super::hints::leave_hints;
use super::identification::{Identifications, Share};
use super::limiter::Limiter;
use super::member_use::MemberUse;
use super::punts::Punts;
use super::rounds::Rounds;
use super::sums::Sums;
use super::traffic::Traffic;
use crate::flow::{Flow, FlowId, FlowTable, PersistenceKey, PersistenceTable, RouteCache, SnatPorts, Speakers};
use crate::policy::intent::MemberId;
use crate::policy::{Epoch, Life, Snapshot};
use crate::time::{Duration, Instant};
use crate::wire::{Rewrite, Tuple};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// Remote endpoints whose last speaker is remembered, at most.
const SPEAKERS: usize = 65_536;
/// The same where several members are active.
const ASKERS: usize = 16_384;
/// Keys their table apart from that of the flows.
const SPEAKERS_SEED: u64 = 0x5bea_4e55;
/// Persistence records, unless a worker may have fewer flows.
const RECORDS: usize = 262_144;
/// Keys their table apart.
const RECORDS_SEED: u64 = 0x9c1d_0ca1;
/// A claim ends when the last transaction that the member's datagram can have begun is over (64·T1, RFC 3261 17). What
/// the remote sends does not prolong it: a standby that spoke once would keep the peer for ever. As long a branch that gave way
/// may yet be answered.
pub(super) const CLAIM_AGE: Duration = Duration::from_secs(32);
/// What a remote endpoint addressed is forgotten when nothing has been heard from it for this long.
const SPEAKER_AGE: Duration = Duration::from_secs(300);

/// One worker's decisions, and what they rest on: a snapshot that all read, and what this worker remembers.
pub struct Engine {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) state: State,
}

/// What one worker remembers, in parts that each keep their own order.
pub(super) struct State {
    pub(super) flows: FlowBook,
    pub(super) speakers: Speakers,
    /// Of pools with several active members, who has asked a remote that another one keeps. A table of its own, as it is seldom empty.
    pub(super) askers: Speakers,
    /// What stays with one of their members beyond one endpoint; none as long as no pool asks for that.
    pub(super) persistence: Option<PersistenceTable>,
    /// What the packet begins that is decided about, and with whom: remembered there if it leaves.
    pub(super) begun: Option<(PersistenceKey, MemberId)>,
    /// The packet that is decided about goes to who asked what it answers, or claims its sender: counted when it leaves, once.
    pub(super) speaker_answered: bool,
    /// What the packet would become that did not leave at once: for whoever asks why.
    pub(super) barred: Option<Rewrite>,
    /// How far the rounds of such pools have come.
    pub(super) rounds: Rounds,
    pub(super) rejects: Limiter,
    pub(super) punts: Punts,
    /// ICMP errors passed on: from outside, from members.
    pub(super) errors: [Limiter; 2],
    pub(super) identifications: Identifications,
    pub(super) events: EngineEvents,
    /// How far the walk has come that resets the connections of lost members; none while nobody was lost.
    pub(super) resets: Option<u32>,
    /// Counts installed snapshots, from 1: what cached routes are good in. It comes round after 2^32, which no flow outlives.
    pub(super) snapshot_number: u32,
    /// How packets leave that have no flow.
    pub(super) routes: RouteCache,
    pub(super) caches_routes: bool,
    /// What packets are counted in that leave at once.
    pub(super) sums: Sums,
    /// Who has spoken from a service port last, and when: in one turn it need not be noted twice.
    pub(super) spoke: Option<(MemberId, Instant)>,
    /// What was taken up is left to the other workers with the next snapshot.
    pub(super) hints_are_due: bool,
    pub(super) seed: u64,
}

impl Engine {
    /// An engine that reads `snapshot`. `snat_ports` is shared by all workers; `seed` keys the hash tables.
    pub fn new(snapshot: Arc<Snapshot>, snat_ports: SnatPorts, seed: u64) -> Engine {
        let mut engine = Engine::with_room(snapshot, snat_ports, seed, [SPEAKERS, ASKERS]);
        engine.state.routes = RouteCache::new();
        engine
    }

    /// The same with room for so many speakers and askers, and none for routes of what has no flow.
    pub(super) fn with_room(
        snapshot: Arc<Snapshot>,
        snat_ports: SnatPorts,
        seed: u64,
        [speakers, askers]: [usize; 2],
    ) -> Engine {
        let mut rounds = Rounds::new(seed, snapshot.pools.bound());
        rounds.follow(&snapshot, &snapshot);
        let state = State {
            flows: FlowBook::new(&snapshot, snat_ports, seed),
            speakers: Speakers::new(speakers, seed ^ SPEAKERS_SEED),
            askers: Speakers::new(askers, seed ^ SPEAKERS_SEED),
            begun: None,
            speaker_answered: false,
            barred: None,
            persistence: persistence_table(&snapshot, seed),
            rounds,
            rejects: Limiter::new(snapshot.limits.rejects_per_second),
            punts: Punts::new(snapshot.limits.host_packets_per_second, seed),
            errors: std::array::from_fn(|_| Limiter::new(snapshot.limits.icmp_errors_per_second)),
            identifications: Identifications::new(Share { worker: 0, of: 1 }, seed),
            events: EngineEvents::default(),
            resets: None,
            snapshot_number: 1,
            routes: RouteCache::none(),
            caches_routes: true,
            sums: Sums::new(&snapshot),
            spoke: None,
            hints_are_due: false,
            seed,
        };
        Engine { snapshot, state }
    }

    /// One of several workers, which draw from the same numbers.
    pub fn sharing(mut self, share: Share) -> Engine {
        self.state.identifications = Identifications::new(share, self.state.seed);
        self.state.rounds.share(share.of.into());
        self
    }

    /// One that caches no routes: every packet is decided about in full.
    pub fn without_cache(mut self) -> Engine {
        self.state.caches_routes = false;
        self
    }

    /// The route of packets with this tuple is cached.
    pub fn is_cached(&self, tuple: &Tuple) -> bool {
        let State { flows, snapshot_number, .. } = &self.state;
        flows.find(tuple).is_some_and(|(id, side)| flows.route(id, side).snapshot == *snapshot_number)
    }

    /// From now on `snapshot` is read, and `snat_ports`, which has the ports of its SNAT addresses, allocates. Returns the snapshot
    /// it replaces, which its maker drops.
    pub fn install(&mut self, snapshot: Arc<Snapshot>, snat_ports: SnatPorts) -> Arc<Snapshot> {
        self.state.snapshot_number = self.state.snapshot_number.wrapping_add(1).max(1);
        self.state.sums.follow(&self.snapshot, &snapshot);
        self.state.spoke = None;
        self.state.rejects.set_rate(snapshot.limits.rejects_per_second);
        self.state.punts.set_host_rate(snapshot.limits.host_packets_per_second);
        self.state.errors.iter_mut().for_each(|errors| errors.set_rate(snapshot.limits.icmp_errors_per_second));
        if self.snapshot.connections_are_lost_by(&snapshot) {
            self.state.resets = Some(0);
        }
        if self.state.persistence.is_none() && snapshot.life != self.snapshot.life {
            self.state.persistence = persistence_table(&snapshot, self.state.seed);
        }
        self.state.rounds.follow(&self.snapshot, &snapshot);
        self.state.flows.follow_snapshot(&self.snapshot, &snapshot, snat_ports);
        if std::mem::take(&mut self.state.hints_are_due) {
            leave_hints(&snapshot, self.state.persistence.as_ref());
        }
        std::mem::replace(&mut self.snapshot, snapshot)
    }

    /// What is read now.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// What keys its tables.
    pub fn seed(&self) -> u64 {
        self.state.seed
    }

    /// Counts an event that the caller has seen.
    pub fn count_event(&mut self, event: EngineEvent) {
        self.state.events.count(event);
    }

    /// Which snapshot is read now.
    pub fn epoch(&self) -> Epoch {
        self.snapshot.epoch
    }

    /// How much of the traffic each member has; to be read by whoever likes.
    pub fn member_use(&self) -> &Arc<MemberUse> {
        self.state.flows.uses()
    }

    /// How many connections members and virtual servers have; likewise.
    pub fn connection_use(&self) -> &Arc<ConnectionUse> {
        self.state.flows.connection_use()
    }

    /// What was forwarded for members and virtual servers; likewise.
    pub fn traffic(&self) -> &Arc<Traffic> {
        self.state.sums.traffic()
    }

    /// A packet of so many bytes leaves that was decided about in full, and is counted for this account.
    pub fn count_traffic(&self, account: &Account, bytes: u16) {
        self.state.sums.traffic().add(account, [1, bytes.into()]);
    }

    /// Such a packet, whose tuple this is, counts for its flow, where flows are counted.
    pub fn count_for_flow(&mut self, tuple: Option<Tuple>, bytes: u16) {
        if let Some(tuple) = tuple.filter(|_| self.snapshot.limits.flow_counters) {
            self.state.flows.count(&tuple, bytes);
        }
    }

    /// What has been counted as packets left at once is shown, if it is time: a bounded part of it.
    #[inline]
    pub fn settle_traffic(&mut self, now: Instant) {
        if self.snapshot.limits.counts_traffic() {
            self.state.sums.settle(&self.snapshot, now);
        }
    }

    /// The flows, to be listed.
    pub fn flows(&self) -> &FlowTable {
        &self.state.flows
    }

    /// Forgets up to `budget` flows whose time is over, and gives their ports back. Returns how many.
    pub fn expire(&mut self, now: Instant, budget: usize) -> usize {
        self.state.speakers.expire(now, SPEAKER_AGE, CLAIM_AGE, budget);
        self.state.askers.expire(now, SPEAKER_AGE, CLAIM_AGE, budget);
        let State { persistence, flows, .. } = &mut self.state;
        if let Some(table) = persistence {
            let gone = |record| flows.forget_record(&self.snapshot, record);
            table.expire(now, self.snapshot.timeouts.udp, budget, gone);
        }
        for (event, times) in self.state.flows.take_events() {
            self.state.events.count_times(event, times);
        }
        self.state.flows.expire(&self.snapshot, now, budget)
    }

    /// Looks at up to `budget` slots of the flow table and forgets the flows whose member or address a reload has taken
    /// away. Nothing to do, nearly always.
    #[inline]
    pub fn forget_stale(&mut self, budget: usize) {
        self.state.flows.forget_stale(&self.snapshot, budget);
    }

    /// How many flows there are; `None` while some of them may be stale.
    pub fn live_flows(&self) -> Option<u64> {
        self.state.flows.live_count()
    }

    /// Shows the flows in the next `count` slots of the flow table from `cursor` on, 0 to begin, with the addresses of the
    /// member each belongs to and of the other one, if there is: who opened it, or whom a visitor calls. Says where to
    /// continue; `None` at the end.
    pub fn scan(
        &self,
        cursor: u32,
        count: usize,
        mut show: impl FnMut(FlowId, &Flow, [Option<Ipv4Addr>; 2]),
    ) -> Option<u32> {
        self.state.flows.scan(cursor, count, |id, flow| {
            if is_live(&self.snapshot, flow) {
                let address = |id| self.snapshot.members.find(usize::from(id), Life(flow.life)).map(|it| it.address);
                show(id, flow, [flow.member, flow.opener].map(address));
            }
        })
    }

    /// Walks `count` slots of the flow table from `cursor` and forgets the flows that `chosen` says. Returns where to
    /// continue, `None` at the end.
    pub fn clear(
        &mut self,
        cursor: u32,
        count: usize,
        mut chosen: impl FnMut(&Flow, [Option<Ipv4Addr>; 2]) -> bool,
    ) -> Option<u32> {
        let mut doomed = Vec::new();
        let next = self.scan(cursor, count, |id, flow, members| {
            if chosen(flow, members) {
                doomed.push(id);
            }
        });
        for id in doomed {
            self.state.flows.forget(&self.snapshot, id);
        }
        next
    }

    /// A member about which a packet has said something since the last call, if any.
    pub fn next_passive_hint(&mut self) -> Option<MemberId> {
        self.state.events.next_passive_hint()
    }

    /// How often each [`EngineEvent`] happened, by its place.
    pub fn event_counts(&self) -> &[u64; EngineEvent::COUNT] {
        self.state.events.counts()
    }
}

/// The table of a worker that reads `snapshot`: none as long as no pool needs one.
fn persistence_table(snapshot: &Snapshot, seed: u64) -> Option<PersistenceTable> {
    let records = RECORDS.min(snapshot.limits.flows_per_worker);
    snapshot.persistence_hints().map(|_| PersistenceTable::new(records, seed ^ RECORDS_SEED))
}
