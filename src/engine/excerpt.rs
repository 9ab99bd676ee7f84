//! What one worker remembers that concerns one packet, for a decision that changes nothing.
//!
//! Owns [`Excerpt`]: a copy of the flows, speakers, persistence records, turns and budgets that a decision about the packet can ask for,
//! and the engine of its own that is made of them ([`Excerpt::engine`]). That one decides as the worker would, by the same code, and
//! whatever it remembers by that is thrown away with it: ports, limits and hints are copies as well. Reads the worker's tables and
//! changes none; of a service those members are looked at that are asked about, of all else a few.

use super::admission::MET_AT_MOST;
use super::affinity::{may_be_reached, peer_of};
use super::connection_counts::HalfOpen;
use super::flow_book::is_live;
use super::limiter::Limiter;
use super::lost_peers;
use super::path::{Classified, Path};
use super::punts::Punts;
use super::revalidate::lost;
use super::rounds::Standing;
use super::state::{Engine, State};
use crate::flow::{
    Direction, Flow, FlowId, MemberRef, Peer, PersistenceKey, PersistenceRecord, PersistenceTable, SnatPorts, Speaker,
    Speakers, TimeoutClass,
};
use crate::policy::Snapshot;
use crate::policy::intent::{MemberId, PoolId};
use crate::policy::snapshot::AddressClass;
use crate::time::{Duration, Instant};
use crate::wire::sip::{self, CallId};
use crate::wire::{Endpoint, Packet, Tuple};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// Room for what the packet itself begins.
const ROOM: usize = 8;

/// The copy.
pub struct Excerpt {
    /// When it was made.
    pub at: Instant,
    /// Those that are looked at by age first, in that order.
    flows: Vec<(FlowId, Flow, Duration)>,
    has_room: bool,
    speakers: Known,
    askers: Known,
    records: Vec<(PersistenceKey, PersistenceRecord)>,
    /// For one more record another gives way.
    records_are_full: bool,
    turns: Vec<(PoolId, Standing)>,
    /// How many half-open connections the worker has, and how many workers there are.
    half_open: Option<(HalfOpen, usize)>,
    budgets: Option<Budgets>,
    /// The addresses whose ports may be asked for.
    addresses: BTreeSet<Ipv4Addr>,
    seed: u64,
}

/// What is left of what the appliance says of its own accord.
struct Budgets {
    rejects: Limiter,
    punts: Punts,
    errors: [Limiter; 2],
}

/// Of a table of speakers.
#[derive(Default)]
struct Known {
    is_empty: bool,
    peers: Vec<(Peer, Speaker)>,
}

impl Known {
    fn of(speakers: &Speakers, peers: impl Iterator<Item = Peer>) -> Known {
        let found = peers.filter_map(|peer| Some((peer, *speakers.find(&peer)?)));
        Known { is_empty: speakers.is_empty(), peers: found.collect() }
    }

    fn put_into(&self, speakers: &mut Speakers, now: Instant) {
        for (peer, speaker) in &self.peers {
            speakers.put(*peer, *speaker, now);
        }
        if !self.is_empty && self.peers.is_empty() {
            // That there are others matters: datagrams are read then. Nobody has this address.
            let nobody = Endpoint::new(Ipv4Addr::UNSPECIFIED, 0);
            speakers.note_excluded_caller(Peer { remote: nobody, home: nobody.addr, since: 0 }, now);
        }
    }
}

impl Excerpt {
    /// That of a worker which remembers nothing.
    pub fn of_nobody(now: Instant) -> Excerpt {
        let nothing = || Known { is_empty: true, peers: Vec::new() };
        Excerpt {
            at: now,
            flows: Vec::new(),
            has_room: true,
            speakers: nothing(),
            askers: nothing(),
            records: Vec::new(),
            records_are_full: false,
            turns: Vec::new(),
            half_open: None,
            budgets: None,
            addresses: BTreeSet::new(),
            seed: 0,
        }
    }

    /// What this source address begins in the pool has a record.
    pub fn persists(&self, pool: PoolId, source: Ipv4Addr) -> bool {
        self.has_record(PersistenceKey { pool: pool.0, number: source.to_bits().into() })
    }

    /// The call has a record in the pool.
    pub fn knows_call(&self, pool: PoolId, call: CallId) -> bool {
        self.has_record(PersistenceKey { pool: pool.0, number: call.0.get() })
    }

    fn has_record(&self, key: PersistenceKey) -> bool {
        self.records.iter().any(|(known, _)| *known == key)
    }

    /// An engine that knows what is in here, reads a copy of `snapshot`, which is the one the excerpt was made by, and allocates from a
    /// copy of `snat_ports`.
    pub fn engine(&self, snapshot: &Snapshot, snat_ports: &SnatPorts, packet: &Packet) -> Engine {
        let mut snapshot = snapshot.detached();
        snapshot.limits.flows_per_worker = self.flows.len() + if self.has_room { ROOM } else { 0 };
        let protocol = packet.tuple().map(|tuple| tuple.protocol);
        let wanted = |address| self.addresses.is_empty() || self.addresses.contains(&address);
        let snat_ports = match protocol {
            Some(protocol) => snat_ports.copied(protocol, wanted),
            None => SnatPorts::new([], self.seed),
        };
        let rooms = [&self.speakers, &self.askers].map(|known| known.peers.len() + ROOM);
        let mut engine = Engine::with_room(Arc::new(snapshot), snat_ports, self.seed, rooms).without_cache();
        let (now, Engine { snapshot, state }) = (self.at, &mut engine);
        for (_, flow, idle) in &self.flows {
            let seen = now.nanos().saturating_sub(u64::try_from(idle.as_nanos()).unwrap_or(u64::MAX));
            state.flows.put(snapshot, *flow, Instant::from_nanos(seen));
        }
        self.speakers.put_into(&mut state.speakers, now);
        self.askers.put_into(&mut state.askers, now);
        if let Some(table) = &mut state.persistence {
            let nobodys = (
                PersistenceKey { pool: u16::MAX, number: 0 },
                PersistenceRecord { member: MemberRef::NONE, generation: 0 },
            );
            let gives_way = self.records_are_full.then_some(nobodys);
            let room = if self.records_are_full { 1 } else { ROOM };
            *table = PersistenceTable::new(self.records.len() + room, self.seed);
            let records = gives_way.iter().chain(&self.records);
            records.for_each(|(key, record)| _ = table.keep(*key, *record, now));
        }
        self.turns.iter().for_each(|(pool, standing)| state.rounds.take_over(*pool, standing.clone()));
        if let Some((half_open, workers)) = &self.half_open {
            state.flows.set_half_open(half_open.clone());
            state.rounds.share(*workers);
        }
        if let Some(Budgets { rejects, punts, errors }) = &self.budgets {
            (state.rejects, state.punts, state.errors) = (rejects.clone(), punts.clone(), errors.clone());
        }
        engine
    }
}

impl Engine {
    /// What a decision about this packet may ask for: `classified` is what [`Engine::classify`] said, `sip` what the packet says of itself,
    /// and `members` are those of the pool whose service it is to. Costs a few looks for each of them.
    pub fn excerpt(
        &self,
        packet: &Packet,
        classified: Classified,
        (sip, members): (&sip::Facts, &[MemberId]),
        now: Instant,
    ) -> Excerpt {
        let State { flows, speakers, askers, persistence, rounds, rejects, punts, errors, seed, .. } = &self.state;
        let tuple = packet.tuple().or_else(|| packet.portless_tuple());
        let ends = tuple.map(|tuple| self.ends(&tuple, classified.path, members)).unwrap_or_default();
        let met = self.flows_between(&ends);
        let found = self.with_those_that_give_way(&met, now);
        let pools = self.pools_of(&ends);
        // Nobody talks to a pool from its members' own addresses.
        let keys =
            met.iter().filter_map(|id| flows.at(*id)).flat_map(|flow| Direction::BOTH.map(|side| flow.key(side)));
        let remotes = ends.all().chain(keys.flat_map(|key| [key.src, key.dst]));
        let remotes: BTreeSet<Endpoint> = remotes.collect();
        let peers = || {
            let peers = |pool: &PoolId| {
                let view = self.snapshot.pool(*pool);
                remotes.iter().map(|remote| Peer { remote: *remote, home: view.public, since: view.public_since.0 })
            };
            pools.iter().flat_map(peers).collect::<Vec<_>>().into_iter()
        };
        let call = sip.call().map(|call| call.0.get());
        let numbers = remotes.iter().map(|remote| u64::from(remote.addr.to_bits())).chain(call);
        let numbers: BTreeSet<u64> = numbers.collect();
        let keys =
            pools.iter().flat_map(|pool| numbers.iter().map(|number| PersistenceKey { pool: pool.0, number: *number }));
        let record = |key: PersistenceKey| Some((key, persistence.as_ref()?.find(&key)?));
        Excerpt {
            at: now,
            has_room: !flows.has_no_room(),
            speakers: Known::of(speakers, peers()),
            askers: Known::of(askers, peers()),
            records: keys.filter_map(record).collect(),
            records_are_full: persistence.as_ref().is_some_and(PersistenceTable::is_full),
            turns: rounds.of_pools(&pools),
            half_open: Some((flows.half_open().clone(), rounds.workers() as usize)),
            budgets: Some(Budgets { rejects: rejects.clone(), punts: punts.clone(), errors: errors.clone() }),
            addresses: remotes.iter().map(|remote| remote.addr).collect(),
            flows: found,
            seed: *seed,
        }
    }

    /// The flow that packets with this tuple belong to, the side that sends them, and for how long it has been idle.
    pub fn live_flow(&self, tuple: &Tuple, now: Instant) -> Option<(Flow, Direction, Duration)> {
        let (id, side) = self.state.flows.find(tuple)?;
        let flow = *self.state.flows.at(id).filter(|flow| is_live(&self.snapshot, flow))?;
        Some((flow, side, self.state.flows.idle(id, now)))
    }

    /// The member of a flow was lost after it began.
    pub fn has_lost_its_member(&self, flow: &Flow) -> bool {
        lost(&self.snapshot, flow).is_some()
    }

    /// What a packet with this tuple would become, that was decided about last and did not leave.
    pub fn would_become(&self, tuple: &Tuple) -> Option<Tuple> {
        self.state.barred.map(|rewrite| rewrite.changed(tuple))
    }

    /// The packet that was decided about last goes to whoever asked what it answers, or claims its sender, and not to whom it would go else.
    pub fn went_to_speaker(&self) -> bool {
        self.state.speaker_answered
    }

    /// The member of this flow, of which nothing was heard for `idle`, takes the datagrams of its remote endpoint, here and at the pool's
    /// other addresses.
    pub fn keeps_its_peer(&self, flow: &Flow, idle: Duration) -> bool {
        lost_peers::keeps(&self.snapshot, flow, idle)
    }

    /// An answer from `remote` may be the member's, if that has asked for it.
    pub fn may_be_answered(&self, member: MemberId, remote: Endpoint) -> bool {
        let pool = self.snapshot.pool(self.pool_of(member));
        let table = if pool.is_shared { &self.state.askers } else { &self.state.speakers };
        may_be_reached(&self.snapshot, member, table.find(&peer_of(pool, remote)))
    }

    /// Flows with a key between any of these ends.
    fn flows_between(&self, ends: &Ends) -> Vec<FlowId> {
        let tuples = ends.tuples();
        tuples.iter().filter_map(|tuple| self.state.flows.find(tuple)).map(|(id, _)| id).collect()
    }

    /// Those flows, behind the half-open ones that were idle longest.
    fn with_those_that_give_way(&self, found: &[FlowId], now: Instant) -> Vec<(FlowId, Flow, Duration)> {
        let flows = &self.state.flows;
        // The first of all gives way where the table is full.
        let by_age = flows.longest_idle(TimeoutClass::TcpOpening).take(1).chain(flows.longest_half_open(MET_AT_MOST));
        // Where there is room for nobody, somebody is there who gives way to nobody.
        let steady = flows.has_no_room().then(|| flows.longest_idle(TimeoutClass::TcpEstablished).next()).flatten();
        let mut seen = BTreeSet::new();
        let each = by_age.chain(found.iter().copied()).chain(steady).filter(|id| seen.insert(*id));
        each.filter_map(|id| Some((id, *flows.at(id)?, flows.idle(id, now)))).collect()
    }

    /// As what the packet's ends may be known: as they stand there, and translated.
    fn ends(&self, tuple: &Tuple, path: Path, members: &[MemberId]) -> Ends {
        let snapshot = &self.snapshot;
        let mut ends =
            Ends { protocol: Some(tuple.protocol), src: vec![tuple.src], dst: vec![tuple.dst], members: Vec::new() };
        if let AddressClass::Member(sender, _) = snapshot.class(tuple.src.addr) {
            let view = snapshot.member(sender);
            let served = view.served(tuple.protocol, tuple.src.port).map(|served| served.address);
            let given = snapshot.pool(view.pool).snat.as_ref().map(|snat| snat.address);
            ends.src.extend(served.into_iter().chain(given).map(|address| Endpoint::new(address, tuple.src.port)));
            ends.src.extend(given.map(|address| Endpoint::new(address, 0)));
            ends.src.extend(self.state.flows.preview_port(snapshot, sender, tuple));
        }
        if let Some(service) = snapshot.service_at(tuple.protocol, tuple.dst) {
            let of_pool =
                members.iter().filter_map(|id| snapshot.members.get(*id)).filter(|it| it.pool == service.pool);
            ends.members = of_pool.map(|member| Endpoint::new(member.address, tuple.dst.port)).collect();
            let same = snapshot.pool(service.pool).services.iter();
            let same =
                same.filter(|(listen, _)| listen.is(tuple.protocol, tuple.dst.port)).map(|(_, address)| *address);
            ends.dst.extend(same.map(|address| Endpoint::new(address, tuple.dst.port)));
        }
        ends.dst.extend(self.state.flows.owner_of_port(tuple.protocol, tuple.dst));
        if let Path::Direct(member) = path {
            let pool = snapshot.pool(snapshot.member(member).pool);
            ends.dst.extend(pool.service(tuple.protocol, tuple.dst.port).map(|at| Endpoint::new(at, tuple.dst.port)));
        }
        ends
    }

    /// The pools of those ends, and of their services.
    fn pools_of(&self, ends: &Ends) -> Vec<PoolId> {
        let snapshot = &self.snapshot;
        let of = |end: Endpoint| match snapshot.class(end.addr) {
            AddressClass::Member(member, _) => vec![self.pool_of(member)],
            AddressClass::Virtual(at) => {
                let server = snapshot.server(at);
                let services = server.services.iter().filter(|service| service.listen.port == end.port);
                services.map(|service| service.pool).chain([server.pool]).collect()
            }
            _ => Vec::new(),
        };
        ends.all().flat_map(of).collect::<BTreeSet<PoolId>>().into_iter().collect()
    }

    fn pool_of(&self, member: MemberId) -> PoolId {
        self.snapshot.member(member).pool
    }
}

/// What the two ends of a packet may be known as.
#[derive(Default)]
struct Ends {
    protocol: Option<crate::wire::Protocol>,
    src: Vec<Endpoint>,
    dst: Vec<Endpoint>,
    /// The members of the service that it is to, who are not known elsewhere by these.
    members: Vec<Endpoint>,
}

impl Ends {
    /// But the members.
    fn all(&self) -> impl Iterator<Item = Endpoint> {
        self.src.iter().chain(&self.dst).copied()
    }

    /// Packets between them, both ways.
    fn tuples(&self) -> BTreeSet<Tuple> {
        let Some(protocol) = self.protocol else { return BTreeSet::new() };
        let from = |src: &Endpoint| {
            let src = *src;
            self.dst.iter().chain(&self.members).flat_map(move |dst| {
                let tuple = Tuple::new(protocol, src, *dst);
                [tuple, tuple.reversed()]
            })
        };
        self.src.iter().flat_map(from).collect()
    }
}
