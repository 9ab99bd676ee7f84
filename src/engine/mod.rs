//! Floor 2: the decision. What becomes of a packet, from its facts and what is known.
//!
//! Owns [`Engine`]: one per worker, with that worker's flows and speakers. It sees [`crate::wire::Packet`], never bytes; it is
//! told the time; it knows no NIC. Read first: [`path`] (what kind of packet it is), `decide` (the fork), then the path that
//! interests you: `service`, `outbound`, `hairpin`, `direct`, `local`, `icmp_error`; `on_flow` for packets of flows that
//! stand, `revalidate` for what they meet when a member was lost, `stale` for what a reload takes; `forward` for how a
//! packet leaves; [`steer`] for which worker decides; [`verdict`] for every verdict there is.

mod affinity;
mod decide;
mod direct;
mod forward;
mod hairpin;
mod icmp_error;
mod identification;
mod limiter;
mod local;
pub mod notice;
mod on_flow;
mod outbound;
pub mod path;
mod resets;
mod revalidate;
mod service;
mod stale;
pub mod steer;
pub mod verdict;
mod walk;

pub use identification::Share;
pub use notice::Notice;
pub use path::{Classified, Lookup, Path};
pub use resets::ResetOrder;
pub use steer::Steering;
pub use verdict::{Departure, DropReason, Egress, EgressId, Forward, PuntReason, Verdict};

use crate::flow::{
    Claims, Direction, Flow, FlowId, FlowTable, Lifetimes, PathKind, Refused, ReservedPorts, Speakers, TimeoutClass,
};
use crate::policy::intent::{MemberId, PoolId, Timeouts};
use crate::policy::{Epoch, Life, Slots, Snapshot};
use crate::time::{Duration, Instant};
use crate::wire::{Protocol, Tuple};
use identification::Identifications;
use limiter::Limiter;
use notice::Noticed;
use resets::Resets;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// Remote endpoints whose last speaker is remembered, at most.
const SPEAKERS: usize = 65_536;
/// Keys their table apart from that of the flows.
const SPEAKERS_SEED: u64 = 0x5bea_4e55;
/// What a remote endpoint addressed is forgotten when it has not been heard of for this long.
const SPEAKER_AGE: Duration = Duration::from_secs(300);

/// Which flows give way when the table is full, in this order: connections that are half-open, or over, then markers of
/// visitors, UDP. An established connection never does. All that a stranger can make alone is among them (scenario 86).
const GIVES_WAY: [TimeoutClass; 4] =
    [TimeoutClass::TcpOpening, TimeoutClass::TcpClosing, TimeoutClass::Routed, TimeoutClass::Udp];

/// One worker's power of decision.
pub struct Engine {
    snapshot: Arc<Snapshot>,
    state: State,
}

/// What one worker remembers.
struct State {
    flows: FlowTable,
    speakers: Speakers,
    claims: Claims,
    /// By pool: ports of its SNAT address that are never claimed.
    reserved: Slots<PoolId, ReservedPorts>,
    rejects: Limiter,
    /// ICMP errors passed on: from outside, from members.
    errors: [Limiter; 2],
    identifications: Identifications,
    noticed: Noticed,
    resets: Resets,
    /// Flows, by the id of the member each belongs to.
    by_member: Vec<u64>,
    /// Where the walk stands that forgets stale flows; none while there is nothing to forget.
    stale: Option<u32>,
    /// Counts installed snapshots, from 1: what cached routes are good in. It comes round after 2^32, which no flow outlives.
    snapshot_number: u32,
    caches_routes: bool,
    seed: u64,
}

impl Engine {
    /// An engine that reads `snapshot`. `claims` holds the port tables shared by all workers; `seed` keys the hash tables.
    pub fn new(snapshot: Arc<Snapshot>, claims: Claims, seed: u64) -> Engine {
        let state = State {
            flows: FlowTable::new(snapshot.limits.flows_per_worker, seed, lifetimes(&snapshot.timeouts)),
            speakers: Speakers::new(SPEAKERS, seed ^ SPEAKERS_SEED),
            claims,
            reserved: reserved(&snapshot),
            rejects: Limiter::new(snapshot.limits.rejects_per_second),
            errors: std::array::from_fn(|_| Limiter::new(snapshot.limits.icmp_errors_per_second)),
            identifications: Identifications::new(Share { worker: 0, of: 1 }, seed),
            noticed: Noticed::default(),
            resets: Resets::default(),
            by_member: vec![0; snapshot.members.bound()],
            stale: None,
            snapshot_number: 1,
            caches_routes: true,
            seed,
        };
        Engine { snapshot, state }
    }

    /// One of several workers, which draw from the same numbers.
    pub fn sharing(mut self, share: Share) -> Engine {
        self.state.identifications = Identifications::new(share, self.state.seed);
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

    /// From now on `snapshot` is what is read, and ports are claimed in `claims`: tables for its SNAT addresses. Returns the
    /// snapshot it replaces, to be returned to who made it.
    pub fn install(&mut self, snapshot: Arc<Snapshot>, claims: Claims) -> Arc<Snapshot> {
        self.state.snapshot_number = self.state.snapshot_number.wrapping_add(1).max(1);
        self.state.flows.set_lifetimes(lifetimes(&snapshot.timeouts));
        self.state.rejects.set_rate(snapshot.limits.rejects_per_second);
        self.state.errors.iter_mut().for_each(|errors| errors.set_rate(snapshot.limits.icmp_errors_per_second));
        self.state.reserved = reserved(&snapshot);
        if resets::loses_somebody(&self.snapshot, &snapshot) {
            self.state.resets.begin();
        }
        self.state.follow(&self.snapshot, &snapshot);
        self.state.claims = claims;
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

    /// Counts something worth telling that the caller has seen.
    pub fn notice(&mut self, notice: Notice) {
        self.state.noticed.count(notice);
    }

    /// Which snapshot is read now.
    pub fn epoch(&self) -> Epoch {
        self.snapshot.epoch
    }

    /// How many flows each member has, by its id.
    pub fn flows_by_member(&self) -> &[u64] {
        &self.state.by_member
    }

    /// The flows, to be listed.
    pub fn flows(&self) -> &FlowTable {
        &self.state.flows
    }

    /// Forgets up to `budget` flows whose time is over, and gives their ports back. Returns how many.
    pub fn expire(&mut self, now: Instant, budget: usize) -> usize {
        let State { flows, claims, speakers, by_member, .. } = &mut self.state;
        speakers.expire(now, SPEAKER_AGE, budget);
        flows.expire(now, budget, |flow| bury(claims, by_member, &self.snapshot, &flow))
    }

    /// Looks at up to `budget` places of the flow table and forgets the flows whose member or address a reload has taken
    /// away. Nothing to do, nearly always.
    #[inline]
    pub fn forget_stale(&mut self, budget: usize) {
        self.state.forget_stale(&self.snapshot, budget);
    }

    /// Shows the flows in the next `count` slots of the flow table from `cursor` on, 0 to begin, with the addresses of the member
    /// each belongs to and of the one that opened it, if that is another. Says where to go on; `None` at the end.
    pub fn scan(
        &self,
        cursor: u32,
        count: usize,
        mut show: impl FnMut(FlowId, &Flow, [Option<Ipv4Addr>; 2]),
    ) -> Option<u32> {
        self.state.flows.scan(cursor, count, |id, flow| {
            if stale::is_live(&self.snapshot, flow) {
                let address = |id| self.snapshot.members.find(usize::from(id), Life(flow.life)).map(|it| it.address);
                show(id, flow, [flow.member, flow.opener].map(address));
            }
        })
    }

    /// Walks `count` slots of the flow table from `cursor` and forgets the flows that `chosen` says. Returns where to go
    /// on, `None` at the end.
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
            self.state.forget(&self.snapshot, id);
        }
        next
    }

    /// The next reset that is due because a member was lost; `None` when there is none now. Looks at `budget` flows at
    /// most.
    pub fn next_resets(&mut self, now: Instant, budget: usize, orders: &mut Vec<ResetOrder>) {
        resets::sweep(&self.snapshot, &mut self.state, now, budget, orders);
    }

    /// What was noticed since the last call about a member, if anything.
    pub fn next_sighting(&mut self) -> Option<MemberId> {
        self.state.noticed.next_sighting()
    }

    /// How often each [`Notice`] was made, by its place.
    pub fn notices(&self) -> &[u64; Notice::COUNT] {
        self.state.noticed.counts()
    }
}

impl State {
    /// Keeps a flow; under pressure, the longest idle of those that are missed least gives way to it.
    fn keep(&mut self, snapshot: &Snapshot, flow: Flow, now: Instant) -> Result<FlowId, Refused> {
        let mut kept = self.flows.insert(flow, now);
        match kept {
            Err(Refused::Full) => {
                if let Some(given_way) = GIVES_WAY.iter().find_map(|class| self.flows.evict(*class)) {
                    bury(&self.claims, &mut self.by_member, snapshot, &given_way);
                    kept = self.flows.insert(flow, now);
                }
            }
            // A visitor that turns to the virtual address with the port it visited from: the marker is stale. A host that
            // was asked and now visits whoever asked it: its visitor is answered untranslated from now on.
            // Or what stands there is stale, and the walk has not come by yet.
            Err(Refused::Duplicate(id))
                if self.flows.at(id).is_some_and(|old| gives_way_to(old, &flow) || !stale::is_live(snapshot, old)) =>
            {
                self.forget(snapshot, id);
                kept = self.flows.insert(flow, now);
            }
            _ => {}
        }
        if kept.is_ok()
            && let Some(flows) = self.by_member.get_mut(usize::from(flow.member))
        {
            *flows += 1;
        }
        kept
    }

    /// The flow with this tuple, and the side that sends such packets.
    #[inline]
    fn find(&mut self, snapshot: &Snapshot, tuple: &Tuple) -> Option<(FlowId, Direction)> {
        let found = self.flows.find(tuple)?;
        self.live(snapshot, found)
    }

    /// Forgets a flow and gives its port back.
    fn forget(&mut self, snapshot: &Snapshot, id: FlowId) {
        if let Some(flow) = self.flows.remove(id) {
            bury(&self.claims, &mut self.by_member, snapshot, &flow);
        }
    }
}

/// The flow that stands is over where `new` begins: of a remote and a member's port only the latest word counts, and a
/// call between pairs that begins anew has claimed its port again by now, so its mapping stays (RFC 4787 REQ-1).
fn gives_way_to(old: &Flow, new: &Flow) -> bool {
    let visits = new.path == PathKind::Routed && new.protocol() == Protocol::Udp;
    let begun_anew = old.path == PathKind::Hairpin && old.key(Direction::Original) == new.key(Direction::Original);
    old.path == PathKind::Routed || (visits && old.path == PathKind::Outbound) || begun_anew
}

/// The flow has left the table.
fn bury(claims: &Claims, by_member: &mut [u64], snapshot: &Snapshot, flow: &Flow) {
    release(claims, flow);
    if snapshot.members.find(usize::from(flow.member), Life(flow.life)).is_some() {
        let flows = &mut by_member[usize::from(flow.member)];
        *flows = flows.saturating_sub(1);
    }
}

/// Gives the port back that a flow claimed.
fn release(claims: &Claims, flow: &Flow) {
    let Some(port) = flow.claim else { return };
    let [opener, answer] = flow.keys();
    if let Some(table) = claims.table_of(answer.dst.addr, flow.protocol(), flow.life) {
        table.release(port, opener.src);
    }
}

fn reserved(snapshot: &Snapshot) -> Slots<PoolId, ReservedPorts> {
    snapshot.pools.map(|_, pool| ReservedPorts::new(pool.snat.iter().flat_map(|snat| snat.reserved.iter().copied())))
}

fn lifetimes(timeouts: &Timeouts) -> Lifetimes {
    Lifetimes {
        tcp_opening: timeouts.tcp_opening,
        tcp_established: timeouts.tcp_established,
        tcp_closing: timeouts.tcp_closing,
        udp: timeouts.udp,
        icmp: timeouts.icmp,
        // A marker is forgotten silently and made anew by the next opening packet; nothing is ever reset for it.
        routed: timeouts.tcp_established,
    }
}
