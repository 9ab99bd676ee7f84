//! What a worker remembers from the start on, as another process has left it.
//!
//! Owns [`TakingUp`], how a record becomes a flow, a speaker or a persistence record of this process, and what stands in the way of that.
//! Ids, lives and ports are those of now: a record is found a place by addresses, and what has none is left out. Taken up before the
//! first packet; by several workers at once, which share the ports of SNAT addresses.

use super::flow_book::port_ends;
use super::left_out::LeftOut;
use super::state::Engine;
use super::steer::Steering;
use crate::flow::{
    Flow, FlowRecord, MemberRef, NO_MEMBER, NO_VIRTUAL_SERVER, Peer, PersistenceKey, PersistenceRecord, Refused,
    Speaker, SpeakerRecord, StaysRecord, Track,
};
use crate::policy::Snapshot;
use crate::policy::intent::{MemberId, PoolId};
use crate::policy::snapshot::AddressClass;
use crate::time::Instant;
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// Who is who, and what workers that take up at once must do one after the other.
pub struct TakingUp {
    /// `None`: whoever has the address.
    members: Option<HashMap<Ipv4Addr, MemberId>>,
    /// Public addresses of pools; `None`: as the snapshot has them.
    homes: Option<HashMap<Ipv4Addr, PoolId>>,
    /// Held by who makes the first use of a port: see [`PortAllocator::claim`](crate::flow::PortAllocator::claim).
    ports: Mutex<()>,
}

impl TakingUp {
    /// Of those members that are still in the pool that they were in, by address.
    pub fn new(members: HashMap<Ipv4Addr, MemberId>, snapshot: &Snapshot) -> TakingUp {
        let homes = snapshot.pools.entries().map(|(id, pool)| (pool.public, id)).collect();
        TakingUp { members: Some(members), homes: Some(homes), ports: Mutex::new(()) }
    }

    /// Of whoever has a member's address by the snapshot that a worker reads when it takes something up.
    pub fn by_address() -> TakingUp {
        TakingUp { members: None, homes: None, ports: Mutex::new(()) }
    }

    fn find(&self, address: Ipv4Addr, snapshot: &Snapshot) -> Option<MemberId> {
        match (&self.members, snapshot.class(address)) {
            (Some(members), _) => members.get(&address).copied(),
            (None, AddressClass::Member(id, _)) => Some(id),
            (None, _) => None,
        }
    }

    fn member(&self, address: Option<Ipv4Addr>, snapshot: &Snapshot) -> Result<u16, LeftOut> {
        match address {
            None => Ok(NO_MEMBER),
            Some(address) => self.find(address, snapshot).map(|id| id.0).ok_or(LeftOut::Member),
        }
    }

    fn reference(&self, address: Ipv4Addr, snapshot: &Snapshot) -> Option<MemberRef> {
        self.find(address, snapshot).map(|id| MemberRef { id: id.0, since: snapshot.life.0 })
    }

    fn home(&self, address: Ipv4Addr, snapshot: &Snapshot) -> Option<PoolId> {
        match &self.homes {
            Some(homes) => homes.get(&address).copied(),
            None => snapshot.pools.find_id(|pool| pool.public == address),
        }
    }

    /// Who holds it is the only one that may claim ports, until it is dropped. `None`: somebody else is.
    pub(super) fn try_hold(&self) -> Option<MutexGuard<'_, ()>> {
        match self.ports.try_lock() {
            Ok(guard) => Some(guard),
            // What guards nothing but an order is as good as before, whoever has panicked with it.
            Err(TryLockError::Poisoned(guard)) => Some(guard.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// The worker that decides about a flow.
pub fn owner_of_flow(record: &FlowRecord, steering: &Steering, snapshot: &Snapshot) -> usize {
    steering.owner(&record.keys[0], snapshot)
}

impl Engine {
    /// How many flows there is still room for.
    pub fn room(&self) -> usize {
        self.flows().capacity() - self.flows().len()
    }

    /// Takes up a flow; to be called with those longest idle first.
    ///
    /// # Errors
    /// Why it is left out.
    pub fn take_up_flow(&mut self, from: &TakingUp, record: &FlowRecord, now: Instant) -> Result<(), LeftOut> {
        let flow = self.flow_of(from, record, now)?;
        if !self.state.flows.may_live(&self.snapshot, &flow) {
            return Err(LeftOut::Address);
        }
        {
            // What guards nothing but an order is as good as before, whoever has panicked with it.
            let _first = from.ports.lock().unwrap_or_else(PoisonError::into_inner);
            self.claim_port(&flow)?;
        }
        self.state.flows.take_up(&self.snapshot, flow, record.seen).map_err(|refused| match refused {
            Refused::Full => LeftOut::Full,
            Refused::Duplicate(_) => LeftOut::Twice,
        })
    }

    /// The flow that a record tells of, as it is here.
    pub(super) fn flow_of(&self, from: &TakingUp, record: &FlowRecord, now: Instant) -> Result<Flow, LeftOut> {
        let mut flow = Flow::new(record.path, record.keys[0], record.keys[1]);
        flow.track = match record.track {
            Some(track) => Some(Track::of_record(track).ok_or(LeftOut::Damaged)?),
            None => None,
        };
        flow.inside = record.inside;
        (flow.member, flow.generation) = (from.member(record.member, &self.snapshot)?, record.generation);
        (flow.opener, flow.opener_generation) = (from.member(record.opener, &self.snapshot)?, record.opener_generation);
        flow.set_snat_port(record.snat_port);
        flow.life = self.snapshot.life.0;
        if record.is_counted {
            flow.virtual_server = self.virtual_server_of(&flow);
        }
        if now.since(record.seen) >= self.flows().lifetime(flow.class()) {
            return Err(LeftOut::Expired);
        }
        Ok(flow)
    }

    /// It has the port that it had, if it had one. Nobody else may do that for a first use of a port at the same time.
    pub(super) fn claim_port(&self, flow: &Flow) -> Result<(), LeftOut> {
        if flow.snat_port().is_none() {
            return Ok(());
        }
        let (inside, _) = port_ends(flow);
        let AddressClass::Member(sender, _) = self.snapshot.class(inside.addr) else { return Err(LeftOut::Member) };
        let pool = self.snapshot.member(sender).pool;
        if self.state.flows.claim_port(pool, flow) { Ok(()) } else { Err(LeftOut::Port) }
    }

    /// The virtual server that a flow is a connection of.
    fn virtual_server_of(&self, flow: &Flow) -> u16 {
        let called = flow.key(flow.inside.other()).dst;
        let service = self.snapshot.service_at(flow.protocol(), called);
        service.map_or(NO_VIRTUAL_SERVER, |service| service.virtual_server.0)
    }

    /// Takes up what is known of a speaker; to be called with those longest unrenewed first.
    ///
    /// # Errors
    /// Why it is left out.
    pub fn take_up_speaker(&mut self, from: &TakingUp, record: &SpeakerRecord) -> Result<(), LeftOut> {
        let (peer, speaker) = self.speaker_of(from, record)?;
        self.state.speakers.put(peer, speaker, record.renewed);
        Ok(())
    }

    /// The same where several members are active.
    ///
    /// # Errors
    /// Why it is left out.
    pub fn take_up_asker(&mut self, from: &TakingUp, record: &SpeakerRecord) -> Result<(), LeftOut> {
        let (peer, speaker) = self.speaker_of(from, record)?;
        self.state.askers.put(peer, speaker, record.renewed);
        Ok(())
    }

    pub(super) fn speaker_of(&self, from: &TakingUp, record: &SpeakerRecord) -> Result<(Peer, Speaker), LeftOut> {
        let snapshot = &self.snapshot;
        let pool = snapshot.pool(from.home(record.home, snapshot).ok_or(LeftOut::Address)?);
        let find = |address| from.reference(address, snapshot);
        let speaker = Speaker::of_record(record, &find).ok_or(LeftOut::Member)?;
        Ok((Peer { remote: record.remote, home: pool.public, since: pool.public_since.0 }, speaker))
    }

    /// Takes up a persistence record; to be called with those longest unused first.
    ///
    /// # Errors
    /// Why it is left out.
    pub fn take_up_stays(&mut self, from: &TakingUp, record: &StaysRecord, now: Instant) -> Result<(), LeftOut> {
        let member = from.reference(record.member, &self.snapshot).ok_or(LeftOut::Member)?;
        if now.since(record.used) >= self.snapshot.timeouts.udp {
            return Err(LeftOut::Expired);
        }
        let pool = self.snapshot.member(MemberId(member.id)).pool;
        let Some(table) = &mut self.state.persistence else { return Err(LeftOut::Unkept) };
        let key = PersistenceKey { pool: pool.0, number: record.number };
        if table.find(&key).is_some() {
            return Err(LeftOut::Twice);
        }
        let kept = PersistenceRecord { member, generation: record.generation };
        let gone = table.keep(key, kept, record.used);
        self.state.flows.uses().count_flow(member.id, true);
        self.state.hints_are_due = true;
        match gone {
            Some(gone) => {
                self.state.flows.forget_record(&self.snapshot, gone);
                Err(LeftOut::Full)
            }
            None => Ok(()),
        }
    }
}
