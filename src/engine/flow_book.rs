//! What one worker remembers of connections: its flows, the ports they hold, and whose they are.
//!
//! Owns the flow table with all that must move with it, so that a flow that leaves, for whatever reason, gives its port back
//! and is counted off its member, and off the connections of that and of its virtual server. And owns the question whether a
//! flow is live: a reload may have taken its member, or the address it is translated to. A bounded walk between bursts, begun
//! by such a reload, forgets stale flows; it may come late: what a flow refers to is found by id and life, so whoever looks a
//! stale flow up meanwhile does not find it, though its member or its address has come back (scenario 83).

use super::connection_counts::{ConnectionCounts, HalfOpen, is_connection, is_half_open};
use super::connection_use::ConnectionUse;
use super::events::EngineEvent;
use super::giving_way::GivingWay;
use super::limiter::Limiter;
use super::member_use::MemberUse;
use crate::flow::key::Key;
use crate::flow::{
    CachedRoute, Direction, Fate, Flow, FlowId, FlowTable, Lifetimes, MemberRef, NO_MEMBER, PathKind,
    PersistenceRecord, Refused, ReservedPorts, SlotHint, SnatPorts, Tag, TimeoutClass,
};
use crate::policy::intent::{MemberId, PoolId, Timeouts, VirtualServerId};
use crate::policy::{Life, Slots, Snapshot};
use crate::time::{Duration, Instant};
use crate::wire::facts::Segment;
use crate::wire::{Endpoint, Packet, Protocol, Rewrite, Tuple};
use std::ops::Deref;
use std::sync::Arc;

/// Which flows give way when the table is full, in this order: connections that are half-open, or over, then markers of
/// visitors, UDP. An established connection never does. All that a stranger can make alone is among them (scenario 86).
const GIVES_WAY: [TimeoutClass; 4] =
    [TimeoutClass::TcpOpening, TimeoutClass::TcpClosing, TimeoutClass::Routed, TimeoutClass::Udp];

/// Half-open connections that are looked at for one that may give way to another of the same member, virtual server or client.
pub(super) const LOOKED_AT: usize = 256;
/// Flows that open but are no connections to services, such as what members and visitors open, that are passed over on the way.
const PASSED_OVER: usize = 1_024;
/// Flows that open, whatever they are, that each search looks at: they cost next to nothing.
const SHALLOW: usize = 16;
/// Searches that look further, in a second. Each may wait for memory a thousand times, some 100 µs: all together 2 to 3 % of a core,
/// whoever sends how many SYNs.
const DEEP_SEARCHES: u32 = 250;

/// The flows of one worker, with their ports and their members. The table itself can be read by all, and changed here only.
pub(super) struct FlowBook {
    table: FlowTable,
    snat_ports: SnatPorts,
    /// By pool: ports of its SNAT address that are never given to a flow.
    reserved: Slots<PoolId, ReservedPorts>,
    /// What each member has of them.
    uses: Arc<MemberUse>,
    /// Which are connections, of each member and virtual server.
    connections: ConnectionCounts,
    /// How many flows have given way to others since that was asked last.
    given_way: u64,
    /// Searches for half-open connections that may look further than usual.
    deep_searches: Limiter,
    /// How far the walk has come that forgets stale flows; none while there is nothing to forget.
    stale: Option<u32>,
}

impl Deref for FlowBook {
    type Target = FlowTable;

    #[inline(always)]
    fn deref(&self) -> &FlowTable {
        &self.table
    }
}

impl FlowBook {
    pub(super) fn new(snapshot: &Snapshot, snat_ports: SnatPorts, seed: u64) -> FlowBook {
        let uses = Arc::<MemberUse>::default();
        uses.reserve(snapshot.members.bound());
        let table = FlowTable::new(snapshot.limits.flows_per_worker, seed, lifetimes(&snapshot.timeouts));
        FlowBook {
            table: if snapshot.limits.flow_counters { table.counting() } else { table },
            snat_ports,
            reserved: reserved(snapshot),
            uses,
            connections: ConnectionCounts::new(snapshot),
            given_way: 0,
            deep_searches: Limiter::new(DEEP_SEARCHES),
            stale: None,
        }
    }

    /// `new` takes the place of `old`, and the ports of its SNAT addresses are those of `snat_ports`.
    pub(super) fn follow_snapshot(&mut self, old: &Snapshot, new: &Snapshot, snat_ports: SnatPorts) {
        self.table.set_lifetimes(lifetimes(&new.timeouts));
        self.snat_ports = snat_ports;
        self.connections.follow(old, new);
        if new.life == old.life {
            return;
        }
        self.reserved = reserved(new);
        self.uses.reserve(new.members.bound());
        for id in 0..new.members.bound() {
            // An id that was vacant is somebody else's.
            if new.members.find(id, old.life).is_none() {
                self.uses.clear(id as u16);
            }
        }
        if old.loses_to(new) {
            self.stale = Some(0);
        }
    }

    /// What each member has of them; to be read by whoever likes.
    pub(super) fn uses(&self) -> &Arc<MemberUse> {
        &self.uses
    }

    /// How many of them are connections, of each member and virtual server; likewise.
    pub(super) fn connection_use(&self) -> &Arc<ConnectionUse> {
        self.connections.uses()
    }

    /// Keeps a flow; under pressure, the longest idle of those that are missed least gives way to it. A flow that cannot be
    /// kept gives its port back.
    pub(super) fn keep(&mut self, snapshot: &Snapshot, flow: Flow, now: Instant) -> Result<(), Refused> {
        let mut kept = self.table.insert(flow, now);
        // A visitor that turns to the virtual address with the port it visited from: the marker is stale. A host that was asked and
        // now visits whoever asked it: its visitor is answered untranslated from now on. Or the old flow is stale, and the walk has
        // not come by yet. Each side may meet one.
        while let Err(Refused::Duplicate(id)) = kept
            && self.at(id).is_some_and(|old| gives_way_to(old, &flow) || !is_live(snapshot, old))
        {
            self.forget(snapshot, id);
            kept = self.table.insert(flow, now);
        }
        if let Err(Refused::Full) = kept
            && let Some(given_way) = GIVES_WAY.iter().find_map(|class| self.table.evict(*class))
        {
            self.on_removed(snapshot, &given_way);
            self.given_way += 1;
            kept = self.table.insert(flow, now);
        }
        match kept {
            Ok(id) => {
                count(&self.uses, snapshot, &flow, true);
                let counts = self.connections.on_kept(snapshot, &flow, now);
                self.set_counts_for_client(id, counts);
            }
            Err(_) => self.release_port_of(&flow),
        }
        kept.map(|_| ())
    }

    /// Takes in a flow of another worker's, of which nothing was heard since `seen`: its port is held and it is counted already.
    pub(super) fn put(&mut self, snapshot: &Snapshot, flow: Flow, seen: Instant) {
        if self.table.insert(flow, seen).is_ok() {
            count(&self.uses, snapshot, &flow, true);
            self.connections.on_copied(snapshot, &flow);
        }
    }

    /// Takes in a flow that another process has left, of which nothing was heard since `seen`. It is nothing new: it counts, but for no
    /// rate. One that cannot be kept gives its port back.
    pub(super) fn take_up(&mut self, snapshot: &Snapshot, flow: Flow, seen: Instant) -> Result<(), Refused> {
        let id = self.table.insert(flow, seen).inspect_err(|_| self.release_port_of(&flow))?;
        count(&self.uses, snapshot, &flow, true);
        let counts = is_connection(&flow) && self.connections.count(snapshot, &flow, true);
        self.set_counts_for_client(id, counts);
        Ok(())
    }

    fn set_counts_for_client(&mut self, id: FlowId, counts: bool) {
        if let Some(flow) = self.table.at_mut(id) {
            flow.counts_for_client = counts;
        }
    }

    /// This is known of a flow now that has the same keys and holds the same port.
    pub(super) fn replace(&mut self, snapshot: &Snapshot, id: FlowId, mut flow: Flow, seen: Instant) {
        let Some(old) = self.table.at(id).copied() else { return };
        for (flow, comes) in [(&old, false), (&flow, true)] {
            count(&self.uses, snapshot, flow, comes);
        }
        if is_connection(&old) {
            self.connections.count(snapshot, &old, false);
        }
        flow.counts_for_client = is_connection(&flow) && self.connections.count(snapshot, &flow, true);
        self.table.replace(id, flow, seen);
    }

    /// See [`FlowTable::keep_journal`].
    pub(super) fn keep_journal(&mut self, keep: bool) {
        self.table.keep_journal(keep);
    }

    /// See [`FlowTable::next_changed`].
    pub(super) fn next_changed(&mut self) -> Option<FlowId> {
        self.table.next_changed()
    }

    /// See [`FlowTable::next_gone`].
    pub(super) fn next_gone(&mut self) -> Option<Tuple> {
        self.table.next_gone()
    }

    /// What the flow refers to is there.
    pub(super) fn may_live(&self, snapshot: &Snapshot, flow: &Flow) -> bool {
        is_live(snapshot, flow)
    }

    /// The flow holds the port that it says from now on; its inner end is of this pool. `false`: it cannot. See
    /// [`PortAllocator::claim`](crate::flow::PortAllocator).
    pub(super) fn claim_port(&self, pool: PoolId, flow: &Flow) -> bool {
        let (inside, outside) = port_ends(flow);
        let Some(table) = self.snat_ports.table(outside.dst.addr, flow.protocol()) else { return false };
        if !table.claim(outside.dst.port, inside, &self.reserved[pool]) {
            return false;
        }
        match (flow.path, was_admitted(flow)) {
            (PathKind::Outbound, false) => _ = table.enter(outside.dst.port, outside.src.addr),
            (PathKind::Outbound, true) => table.readmit(outside.dst.port, outside.src.addr),
            _ => {}
        }
        true
    }

    /// The port of the SNAT address of the sender's pool that [`FlowBook::allocate_port`] would give now.
    pub(super) fn preview_port(&self, snapshot: &Snapshot, sender: MemberId, tuple: &Tuple) -> Option<Endpoint> {
        let pool = snapshot.member(sender).pool;
        let address = snapshot.pool(pool).snat.as_ref()?.address;
        let port = self.snat_ports.table(address, tuple.protocol)?.preview(tuple.src, &self.reserved[pool])?;
        Some(Endpoint::new(address, port))
    }

    /// No flow may give way to another one, and there is no room for one.
    pub(super) fn has_no_room(&self) -> bool {
        let may_give_way = |class: &TimeoutClass| self.table.longest_idle(*class).next().is_some();
        self.table.len() == self.table.capacity() && !GIVES_WAY.iter().any(may_give_way)
    }

    /// The live flow with this tuple, and the side that sends such packets.
    #[inline]
    pub(super) fn find_live(&mut self, snapshot: &Snapshot, tuple: &Tuple) -> Option<(FlowId, Direction)> {
        let key = Key::of(tuple);
        self.find_live_key(snapshot, self.tag_of(&key), &key)
    }

    /// As [`FlowBook::find_live`], for a key whose tag is known. A flow that is found stale is forgotten.
    #[inline]
    pub(super) fn find_live_key(&mut self, snapshot: &Snapshot, tag: Tag, key: &Key) -> Option<(FlowId, Direction)> {
        let (id, side) = self.find_key(tag, key)?;
        if self.at(id).is_some_and(|flow| is_live(snapshot, flow)) {
            return Some((id, side));
        }
        self.forget(snapshot, id);
        None
    }

    /// See [`FlowTable::pass`].
    #[inline(always)]
    pub(super) fn pass<T>(
        &mut self,
        hint: SlotHint,
        packet: &Packet,
        now: Instant,
        may: impl FnOnce(CachedRoute) -> Option<T>,
    ) -> Option<(Rewrite, T, u16)> {
        self.table.pass(hint, packet, now, may)
    }

    /// See [`FlowTable::count_hinted`].
    #[inline(always)]
    pub(super) fn count_hinted(&mut self, hint: SlotHint, bytes: u16) {
        self.table.count_hinted(hint, bytes);
    }

    /// A packet with this tuple has left; it counts for its flow, if there is one and that is asked for.
    pub(super) fn count(&mut self, tuple: &Tuple, bytes: u16) {
        if let Some((id, side)) = self.table.find(tuple) {
            self.table.count(id, side, bytes);
        }
    }

    /// See [`FlowTable::set_idle`].
    pub(super) fn set_idle(&mut self, id: FlowId, idle: Duration, now: Instant) {
        self.table.set_idle(id, idle, now);
    }

    /// A packet of the flow has passed: a segment, if it is TCP.
    #[inline]
    pub(super) fn refresh(
        &mut self,
        snapshot: &Snapshot,
        id: FlowId,
        side: Direction,
        segment: Option<&Segment>,
        now: Instant,
    ) {
        match segment {
            Some(segment) => self.change(snapshot, id, |table| table.follow(id, side, segment, now)),
            None => self.table.touch(id, now),
        }
    }

    /// See [`FlowTable::abort`].
    pub(super) fn abort(&mut self, snapshot: &Snapshot, id: FlowId, now: Instant) {
        self.change(snapshot, id, |table| table.abort(id, now));
    }

    /// Does what may end the connection of a flow, or show that it has not ended: it gives its place back by that, or takes it again.
    #[inline]
    fn change(&mut self, snapshot: &Snapshot, id: FlowId, change: impl FnOnce(&mut FlowTable)) {
        let was = self.table.at(id).map(|flow| (is_connection(flow), is_half_open(flow)));
        change(&mut self.table);
        let (Some(flow), Some((held, was_half_open))) = (self.table.at(id), was) else { return };
        let (holds, is_half_open, counted) = (is_connection(flow), is_half_open(flow), flow.counts_for_client);
        let counts = if holds != held { self.connections.count_place(snapshot, flow, holds) } else { counted };
        if was_half_open != is_half_open {
            self.connections.count_half_open(snapshot, flow, is_half_open, counts || counted);
        }
        if counts != counted {
            self.set_counts_for_client(id, counts);
        }
    }

    /// What has happened since this was asked last, and how often.
    pub(super) fn take_events(&mut self) -> [(EngineEvent, u64); 2] {
        let given_way = std::mem::take(&mut self.given_way);
        [(EngineEvent::FlowGaveWay, given_way), (EngineEvent::ClientUncounted, self.connections.take_uncounted())]
    }

    /// One of the half-open connections that `is_counted`, of which nothing was heard for `quiet`, and that do not give way already: it is
    /// looked for among the [`LOOKED_AT`] that were idle longest, or, where too many such searches were made lately, among the first few
    /// alone.
    pub(super) fn half_open_that_may_give_way(
        &mut self,
        snapshot: &Snapshot,
        quiet: Duration,
        now: Instant,
        given: &GivingWay,
        is_counted: impl Fn(&Flow) -> bool,
    ) -> Option<FlowId> {
        let may = |id: FlowId, table: &FlowTable| {
            let flow = table.at(id).filter(|_| table.idle(id, now) >= quiet);
            flow.is_some_and(|flow| is_counted(flow) && is_live(snapshot, flow))
        };
        let found = self.half_open_among(SHALLOW, Some(given)).find(|id| may(*id, &self.table));
        if found.is_some() || !self.has_more_that_open(SHALLOW, given) || !self.deep_searches.allows(now) {
            return found;
        }
        self.half_open_among(PASSED_OVER + LOOKED_AT, Some(given)).take(LOOKED_AT).find(|id| may(*id, &self.table))
    }

    /// Half-open connections, as many at most, those idle longest in front.
    pub(super) fn longest_half_open(&self, most: usize) -> impl Iterator<Item = FlowId> {
        self.half_open_among(PASSED_OVER + most, None).take(most)
    }

    /// Those among so many flows that open, the longest idle in front, but for those that give way already.
    fn half_open_among(&self, looked_at: usize, given: Option<&GivingWay>) -> impl Iterator<Item = FlowId> {
        let opening = self.table.longest_idle(TimeoutClass::TcpOpening);
        let left = opening.filter(move |id| !given.is_some_and(|given| given.passes_over(*id)));
        left.take(looked_at).filter(|id| self.table.at(*id).is_some_and(is_half_open))
    }

    fn has_more_that_open(&self, than: usize, given: &GivingWay) -> bool {
        self.table.longest_idle(TimeoutClass::TcpOpening).nth(than + given.count()).is_some()
    }

    /// How many half-open connections this worker has of a virtual server; `None`: of all.
    pub(super) fn half_open_of(&self, server: Option<VirtualServerId>) -> u64 {
        self.connections.half_open().of(server)
    }

    /// How many it has that `is_counted` and do not give way already, if no more than [`LOOKED_AT`] are half-open, and few such questions
    /// were asked lately; else they are too many to be counted, which is the most there can be.
    pub(super) fn half_open_found(
        &mut self,
        now: Instant,
        given: &GivingWay,
        is_counted: impl Fn(&Flow) -> bool,
    ) -> u64 {
        if self.has_more_that_open(SHALLOW, given) && !self.deep_searches.allows(now) {
            return u64::MAX;
        }
        let (mut looked_at, mut found) = (given.count() as u64, 0_u64);
        let half_open = self.half_open_among(PASSED_OVER + LOOKED_AT, Some(given)).take(LOOKED_AT);
        for flow in half_open.filter_map(|id| self.table.at(id)) {
            looked_at += 1;
            found += u64::from(is_counted(flow));
        }
        if looked_at < self.half_open_of(None) { u64::MAX } else { found }
    }

    /// How many half-open connections this worker has.
    pub(super) fn half_open(&self) -> &HalfOpen {
        self.connections.half_open()
    }

    /// So many are half-open, whichever of them are here.
    pub(super) fn set_half_open(&mut self, half_open: HalfOpen) {
        self.connections.set_half_open(half_open);
    }

    /// See [`FlowTable::cache_route`].
    pub(super) fn cache_route(&mut self, id: FlowId, side: Direction, route: CachedRoute, counted: u16) {
        self.table.cache_route(id, side, route, counted);
    }

    /// See [`FlowTable::forget_route`].
    pub(super) fn forget_route(&mut self, id: FlowId, side: Direction) {
        self.table.forget_route(id, side);
    }

    /// The client of a shared service has called the member that keeps it at that's own address; or not so any more, as it has called
    /// the virtual one again. Neither side's next packet leaves by a cached route.
    pub(super) fn set_visits(&mut self, id: FlowId, visits: bool) {
        if let Some(flow) = self.table.at_mut(id) {
            (flow.opener, flow.opener_generation) =
                if visits { (flow.member, flow.generation) } else { (NO_MEMBER, 0) };
            self.table.note_changed(id);
        }
        Direction::BOTH.into_iter().for_each(|side| self.table.forget_route(id, side));
    }

    /// The member of a flow that was lost has taken it up again, by this choice of its pool.
    pub(super) fn renew(&mut self, id: FlowId, generation: u32) {
        if let Some(flow) = self.table.at_mut(id) {
            flow.generation = generation;
            self.table.note_changed(id);
        }
    }

    /// Forgets a flow.
    pub(super) fn forget(&mut self, snapshot: &Snapshot, id: FlowId) {
        if let Some(flow) = self.table.remove(id) {
            self.on_removed(snapshot, &flow);
        }
    }

    /// Forgets up to `budget` flows whose time is over. Says how many.
    pub(super) fn expire(&mut self, snapshot: &Snapshot, now: Instant, budget: usize) -> usize {
        let FlowBook { table, snat_ports, uses, connections, .. } = self;
        let prefetch = |flow: &Flow| prefetch_port(snat_ports, flow);
        table.expire(now, budget, prefetch, |flow| on_removed(snat_ports, uses, connections, snapshot, &flow))
    }

    /// A persistence record, counted like a flow of its member, is no more.
    pub(super) fn forget_record(&self, snapshot: &Snapshot, record: PersistenceRecord) {
        let MemberRef { id, since } = record.member;
        if snapshot.members.find(usize::from(id), Life(since)).is_some() {
            self.uses.count_flow(id, false);
        }
    }

    /// How many flows there are; `None` while the walk that forgets stale ones is under way.
    pub(super) fn live_count(&self) -> Option<u64> {
        self.stale.is_none().then(|| self.table.len() as u64)
    }

    /// Looks at up to `budget` slots from `cursor` on and forgets the flows there that `judge` says. Says where to continue.
    pub(super) fn forget_where(
        &mut self,
        snapshot: &Snapshot,
        cursor: u32,
        budget: usize,
        judge: impl Fn(FlowId, &Flow) -> Fate,
    ) -> Option<u32> {
        let FlowBook { table, snat_ports, uses, connections, .. } = self;
        table.sweep(cursor, budget, |id, flow| {
            let fate = judge(id, flow);
            if fate == Fate::Remove {
                on_removed(snat_ports, uses, connections, snapshot, flow);
            }
            fate
        })
    }

    /// Looks at up to `budget` slots and forgets the stale flows there.
    pub(super) fn forget_stale(&mut self, snapshot: &Snapshot, budget: usize) {
        let FlowBook { table, snat_ports, uses, connections, stale, .. } = self;
        let Some(cursor) = *stale else { return };
        *stale = table.sweep(cursor, budget, |_, flow| {
            if is_live(snapshot, flow) {
                return Fate::Keep;
            }
            on_removed(snat_ports, uses, connections, snapshot, flow);
            Fate::Remove
        });
    }

    /// A port of the SNAT address of the sender's pool for the source of `tuple`.
    pub(super) fn allocate_port(&self, snapshot: &Snapshot, sender: MemberId, tuple: &Tuple) -> Option<u16> {
        let pool = snapshot.member(sender).pool;
        let address = snapshot.pool(pool).snat.as_ref()?.address;
        self.snat_ports.table(address, tuple.protocol)?.allocate(tuple.src, &self.reserved[pool])
    }

    /// The flow, whose port was allocated, is to a remote address that may answer from another port from now on. `true`: so may
    /// everybody, as there are too many to be told apart.
    pub(super) fn enter_remote(&self, flow: &Flow) -> bool {
        let outside = flow.key(flow.inside.other());
        let table = self.snat_ports.table(outside.dst.addr, flow.protocol());
        table.is_some_and(|table| table.enter(outside.dst.port, outside.src.addr))
    }

    /// Whom a datagram of no flow is for that has come to a SNAT address: see [`PortAllocator::admit`](crate::flow::PortAllocator).
    pub(super) fn admit(&self, tuple: &Tuple) -> Option<Endpoint> {
        self.snat_ports.table(tuple.dst.addr, tuple.protocol)?.admit(tuple.dst.port, tuple.src.addr)
    }

    /// The port that `inside` was given is not needed after all.
    pub(super) fn release_port(&self, protocol: Protocol, inside: Endpoint, outside: Endpoint) {
        if let Some(table) = self.snat_ports.table(outside.addr, protocol) {
            table.release(outside.port, inside);
        }
    }

    /// As [`FlowBook::release_port`], for a flow that is not kept.
    pub(super) fn release_port_of(&self, flow: &Flow) {
        release(&self.snat_ports, flow);
    }

    /// Who inside has the port of a SNAT address.
    pub(super) fn owner_of_port(&self, protocol: Protocol, outside: Endpoint) -> Option<Endpoint> {
        self.snat_ports.table(outside.addr, protocol)?.owner(outside.port)
    }

    fn on_removed(&mut self, snapshot: &Snapshot, flow: &Flow) {
        on_removed(&self.snat_ports, &self.uses, &mut self.connections, snapshot, flow);
    }
}

/// Its members, and the addresses it is translated to, have been there since before the flow was made; of datagrams to a service of
/// several active members, or of a member to any, the service is its member's.
#[inline]
pub(super) fn is_live(snapshot: &Snapshot, flow: &Flow) -> bool {
    let life = Life(flow.life);
    let member = |id: u16| id == NO_MEMBER || snapshot.members.find(usize::from(id), life).is_some();
    let translated =
        |side: Direction| snapshot.translated_since(flow.key(side).dst.addr).is_some_and(|since| since <= life);
    member(flow.member)
        && match flow.path {
            PathKind::Routed => true,
            PathKind::Service if flow.protocol() == Protocol::Udp => {
                translated(flow.inside.other()) && is_served(snapshot, flow)
            }
            PathKind::Service | PathKind::Outbound => translated(flow.inside.other()),
            PathKind::Hairpin => {
                let is_there = member(flow.opener) && Direction::BOTH.into_iter().all(translated);
                is_there && (flow.protocol() != Protocol::Udp || is_called(snapshot, flow))
            }
        }
}

/// The member's pool has the service at the outer end of a flow of datagrams, and its members share it.
fn is_served(snapshot: &Snapshot, flow: &Flow) -> bool {
    let outer = flow.key(flow.inside.other()).dst;
    snapshot.shares_datagrams(outer) == snapshot.members.get(MemberId(flow.member)).map(|member| member.pool)
}

/// The member's pool has the service that a member calls with datagrams.
fn is_called(snapshot: &Snapshot, flow: &Flow) -> bool {
    let service = flow.key(Direction::Original).dst;
    snapshot.serves_datagrams(service) == snapshot.members.get(MemberId(flow.member)).map(|member| member.pool)
}

/// The old flow is over where `new` begins: of a remote and a member's port only the latest word counts, be it said to another
/// virtual address or before the port was one of a service, and a call between pairs that begins again has been given its port
/// again by now, so its mapping stays (RFC 4787 REQ-1).
fn gives_way_to(old: &Flow, new: &Flow) -> bool {
    let visits = new.path == PathKind::Routed && matches!(new.protocol(), Protocol::Udp | Protocol::Other(_));
    let serves = new.path == PathKind::Service && new.protocol() == Protocol::Udp;
    let begins_again = old.path == PathKind::Hairpin && old.key(Direction::Original) == new.key(Direction::Original);
    let is_translated = matches!(old.path, PathKind::Outbound | PathKind::Service);
    old.path == PathKind::Routed || (visits && is_translated) || serves || begins_again
}

/// See [`FlowBook::set_visits`]: what the member answers keeps its own address.
pub(super) fn is_visited(flow: &Flow) -> bool {
    flow.path == PathKind::Service && flow.opener != NO_MEMBER
}

/// The flow was begun from outside, by an address that a member had talked to from the same port.
pub(super) fn was_admitted(flow: &Flow) -> bool {
    flow.path == PathKind::Outbound && flow.inside == Direction::Reply
}

/// The flow has left the table.
fn on_removed(
    snat_ports: &SnatPorts,
    uses: &MemberUse,
    connections: &mut ConnectionCounts,
    snapshot: &Snapshot,
    flow: &Flow,
) {
    release(snat_ports, flow);
    count(uses, snapshot, flow, false);
    if is_connection(flow) {
        connections.count(snapshot, flow, false);
    }
}

/// The flow has come or gone: of the member it belongs to, or of the one it calls, if that is still who it was.
fn count(uses: &MemberUse, snapshot: &Snapshot, flow: &Flow, comes: bool) {
    let is_there = |id: u16| snapshot.members.find(usize::from(id), Life(flow.life)).is_some();
    match flow.path {
        PathKind::Routed if is_there(flow.opener) => uses.count_direct(flow.opener, comes),
        _ if is_there(flow.member) => match flow.protocol() {
            Protocol::Tcp => uses.count_connection(flow.member, comes),
            _ => uses.count_flow(flow.member, comes),
        },
        _ => {}
    }
}

/// Gives a flow's port back, if it has one.
fn release(snat_ports: &SnatPorts, flow: &Flow) {
    let Some(port) = flow.snat_port() else { return };
    let (inside, outside) = port_ends(flow);
    if let Some(table) = snat_ports.table_of(outside.dst.addr, flow.protocol(), flow.life) {
        if flow.path == PathKind::Outbound {
            table.leave(port, outside.src.addr, was_admitted(flow));
        }
        table.release(port, inside);
    }
}

/// Prefetches what is known of a flow's port, if it has one.
fn prefetch_port(snat_ports: &SnatPorts, flow: &Flow) {
    let Some(port) = flow.snat_port() else { return };
    let (_, outside) = port_ends(flow);
    if let Some(table) = snat_ports.table(outside.dst.addr, flow.protocol()) {
        table.prefetch(port);
    }
}

/// Who inside holds the port of a flow that has one, and the tuple of what comes to that port.
pub(super) fn port_ends(flow: &Flow) -> (Endpoint, Tuple) {
    // Of a hairpin, whose member answers, the port is the opener's.
    let opener = if flow.path == PathKind::Outbound { flow.inside } else { Direction::Original };
    (flow.key(opener).src, flow.key(opener.other()))
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
        // A marker is forgotten silently and made again by the next opening packet; nothing is ever reset for it.
        routed: timeouts.tcp_established,
    }
}
