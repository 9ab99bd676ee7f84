//! Pools of several active members: what goes to one of them beyond one endpoint.
//!
//! Owns the use of persistence records: whatever one source address begins, or the SIP messages of one Call-ID, which any of the call's
//! ends may have sent first. A Call-ID is believed as far as to choose among members that are up, and no further: who invents one gets a
//! member like anybody else. A record counts as long as its member is there and has not been lost since; of a drained one it counts for a
//! call, which is what it has, and not for what an address begins. So does that of a lost one where the pool leaves calls with it
//! (`lost_peers`).

use super::events::EngineEvent;
use super::hints::{mixed, second};
use super::lost_peers::{self, Kept};
use super::verdict::{DropReason, Verdict};
use super::walk::Walk;
use crate::flow::{PersistenceKey, PersistenceRecord};
use crate::policy::health::{Generation, State};
use crate::policy::intent::{MemberId, Mode, OnDownUdp, Persistence, PoolId};
use crate::wire::sip::{self, CallId};
use crate::wire::{Endpoint, Tuple};
use std::net::Ipv4Addr;

impl Walk<'_> {
    /// The member that takes what `source` begins now.
    pub(super) fn target(&mut self, pool: PoolId, source: Ipv4Addr) -> Option<MemberId> {
        let member = self.preferred(pool, source)?;
        self.stays_with(pool, source, member);
        Some(member)
    }

    /// The member that is to take what `source` begins now. That it has taken it is remembered by [`Walk::stays_with`].
    pub(super) fn preferred(&mut self, pool: PoolId, source: Ipv4Addr) -> Option<MemberId> {
        let Some(key) = self.key_of(pool, source) else { return self.chosen(pool, source) };
        match self.persisted(key) {
            Some((member, _)) => Some(member),
            None => self.chosen_for(key, source),
        }
    }

    /// `member` takes what `source` begins: if that leaves, it takes what the source begins from now on, if the pool keeps it together.
    pub(super) fn stays_with(&mut self, pool: PoolId, source: Ipv4Addr, member: MemberId) {
        if let Some(key) = self.key_of(pool, source)
            && self.recorded(key).is_none_or(|(_, known)| known != member)
        {
            self.state.begun = Some((key, member));
        }
    }

    /// The packet has its verdict: what it has begun is remembered if it leaves.
    #[inline]
    pub(super) fn remember_begun(&mut self, verdict: &Verdict) {
        if let Some((key, member)) = self.state.begun.take()
            && verdict.is_forwarded()
        {
            self.takes(key, member);
        }
    }

    /// A packet leaves to the member, or from it, that belongs to this: it stays with the member for as long again.
    fn takes(&mut self, key: PersistenceKey, member: MemberId) {
        let Some((record, _)) = self.recorded(key).filter(|(_, known)| *known == member) else {
            return self.persist(key, member);
        };
        if let Some(table) = &mut self.state.persistence {
            table.renew(key, record, self.now);
        }
        self.leave_hint(key, member);
    }

    /// What stands for all that `source` begins, where that is kept together by a record.
    fn key_of(&self, pool: PoolId, source: Ipv4Addr) -> Option<PersistenceKey> {
        let view = self.snapshot.pool(pool);
        let goes_by_source = view.sharing.as_ref().is_some_and(|sharing| sharing.mode() == Mode::SourceHash);
        let has_record = view.persistence == Persistence::Source && !goes_by_source;
        has_record.then(|| PersistenceKey { pool: pool.0, number: source.to_bits().into() })
    }

    /// The datagram is of a call, and the pool goes by that.
    pub(super) fn call(&self, pool: PoolId) -> Option<CallId> {
        self.sip.call().filter(|_| self.snapshot.pool(pool).persistence == Persistence::CallId)
    }

    /// Who takes a datagram of this call: whoever asked what it answers, or has the call, or else is chosen for it; or the verdict, if
    /// nobody does. What begins nothing leaves no record.
    pub(super) fn receiver_of_call(&mut self, pool: PoolId, call: CallId, tuple: &Tuple) -> Result<MemberId, Verdict> {
        let key = of_call(pool, call);
        let known = self.persisted(key);
        if let Some(asker) = self.other_asker(pool, tuple.src, known.map(|(member, _)| member)) {
            return Ok(asker);
        }
        if let Some((member, kept)) = known {
            return self.not_taken(pool, kept).map_or(Ok(member), Err);
        }
        let begins = matches!(self.sip, sip::Facts::Request { .. });
        if !begins && let Some((id, keeper)) = self.keeper(pool, tuple) {
            return match self.kept(pool, id) {
                Kept::Dropped => Err(Verdict::Drop(DropReason::MemberLost)),
                _ => Ok(keeper),
            };
        }
        let Some(member) = self.chosen_for(key, tuple.src.addr) else { return Err(self.no_member(pool)) };
        if begins {
            self.state.begun = Some((key, member));
        }
        Ok(member)
    }

    /// Who takes it, if nobody has it: by its number, so that whoever meets it at the same time, from another of a call's ends, or after a
    /// restart, chooses the same; unless it is whoever has fewest flows.
    fn chosen_for(&mut self, key: PersistenceKey, source: Ipv4Addr) -> Option<MemberId> {
        let pool = PoolId(key.pool);
        match &self.snapshot.pool(pool).sharing {
            Some(sharing) if sharing.mode() != Mode::LeastConnections => sharing.by_number(key.number),
            _ => self.chosen(pool, source),
        }
    }

    /// A datagram that a member sends outside from a service port, of a call that is one of the virtual address: it leaves as that
    /// address's, whether or not its receiver is excluded, or visits the member beside. `None`: the call is of nobody that is known.
    pub(super) fn datagram_of_call_out(&mut self, sender: MemberId, tuple: Tuple) -> Option<Verdict> {
        let view = self.snapshot.member(sender);
        let call = self.call(view.pool)?;
        let served = view.served(tuple.protocol, tuple.src.port)?;
        self.known(of_call(view.pool, call))?;
        let outside = Tuple { src: Endpoint::new(served.address, tuple.src.port), ..tuple };
        let verdict = self.forward_as(&tuple, &outside);
        if verdict.is_forwarded() {
            self.shared_spoke(sender, outside.reversed());
        }
        Some(verdict)
    }

    /// `sender` sends a datagram of this call as the virtual address: the call is its own if it asks, or if it is nobody's. Not so for one
    /// that was lost a moment ago or is down: what it sends may be a late echo. Says whether the call is its own now.
    pub(super) fn spoke_in_call(&mut self, sender: MemberId, call: CallId) -> bool {
        let view = self.snapshot.member(sender);
        let key = of_call(view.pool, call);
        let known = self.known(key);
        let asks = matches!(self.sip, sip::Facts::Request { .. });
        match known {
            Some((member, Kept::Served)) => self.takes(key, member),
            Some((member, _)) if member == sender => self.renew_left(key, sender),
            _ => {}
        }
        if known.is_some_and(|(member, _)| member == sender) {
            return true;
        }
        let may = view.may_claim && view.is_back;
        let lives = may && matches!(view.state, State::Up | State::Unknown | State::Drained);
        if !lives || (known.is_some() && !asks) {
            return false;
        }
        self.persist(key, sender);
        true
    }

    /// Who has it, and how that takes what comes. If the packet leaves, it stays there for as long again.
    fn persisted(&mut self, key: PersistenceKey) -> Option<(MemberId, Kept)> {
        let known = self.known(key);
        if let Some((member, Kept::Served)) = known {
            self.state.begun = Some((key, member));
        }
        known
    }

    /// The member of the record, if there is one that counts. Else the one that another worker has given it to; else the one that was lost
    /// since, if the pool leaves it with that. And how it takes what comes.
    fn known(&self, key: PersistenceKey) -> Option<(MemberId, Kept)> {
        let served = self.recorded(key).map(|(_, member)| member).or_else(|| self.hinted(key));
        served.map(|member| (member, Kept::Served)).or_else(|| self.left_with_lost(key))
    }

    /// A call of a member that was lost, in a pool that leaves it with that.
    fn left_with_lost(&self, key: PersistenceKey) -> Option<(MemberId, Kept)> {
        let view = self.snapshot.pool(PoolId(key.pool));
        if view.persistence != Persistence::CallId || view.on_down_udp == OnDownUdp::Reselect {
            return None;
        }
        let member = self.lost_with(key)?;
        if self.snapshot.member(member).is_back {
            return Some((member, Kept::Served));
        }
        match lost_peers::policy(self.snapshot, member) {
            OnDownUdp::Reselect => None,
            OnDownUdp::Drain => Some((member, Kept::Drained)),
            OnDownUdp::Drop => Some((member, Kept::Dropped)),
        }
    }

    /// The member that had it and was lost since, by a record, or by what another worker says.
    fn lost_with(&self, key: PersistenceKey) -> Option<MemberId> {
        let pool = PoolId(key.pool);
        let record = self.state.persistence.as_ref().and_then(|table| table.find(&key));
        let recorded = record.and_then(|record| {
            let member = self.present(record.member, pool)?;
            (record.generation < self.snapshot.member(member).lost_before.0).then_some(member)
        });
        recorded.or_else(|| {
            let age = self.snapshot.timeouts.udp.as_secs();
            let (member, before) = self.snapshot.persistence_hints()?.find(mixed(key), second(self.now), age)?;
            let view = self.snapshot.members.get(member).filter(|view| view.pool == pool)?;
            before(view.lost_before).then_some(member)
        })
    }

    /// A lost member has sent a message of a call that is left with it, which is as lost as before.
    fn renew_left(&mut self, key: PersistenceKey, member: MemberId) {
        if let Some(table) = &mut self.state.persistence
            && let Some(record) = table.find(&key)
        {
            table.renew(key, record, self.now);
        }
        if let Some(hints) = self.snapshot.persistence_hints() {
            let before = Generation(self.snapshot.member(member).lost_before.0.saturating_sub(1));
            hints.note(mixed(key), member, before, second(self.now));
        }
    }

    fn recorded(&self, key: PersistenceKey) -> Option<(PersistenceRecord, MemberId)> {
        let record = self.state.persistence.as_ref()?.find(&key)?;
        let pool = PoolId(key.pool);
        let member = self.present(record.member, pool)?;
        let is_lost = record.generation < self.snapshot.member(member).lost_before.0;
        (!is_lost && self.may_stay(pool, member)).then_some((record, member))
    }

    /// The member that another worker says: endpoints name workers, and a call has several. Believed of one that has not been lost since,
    /// and could be chosen or have it.
    fn hinted(&self, key: PersistenceKey) -> Option<MemberId> {
        let (pool, age) = (PoolId(key.pool), self.snapshot.timeouts.udp.as_secs());
        let (member, before) = self.snapshot.persistence_hints()?.find(mixed(key), second(self.now), age)?;
        let view = self.snapshot.members.get(member).filter(|view| view.pool == pool && !before(view.lost_before))?;
        let sharing = self.snapshot.pool(pool).sharing.as_ref();
        let has_calls = self.may_stay(pool, member) && matches!(view.state, State::Up | State::Drained);
        (has_calls || sharing.is_some_and(|sharing| sharing.holds(member))).then_some(member)
    }

    /// What an address begins is new work; a message of a call is not.
    fn may_stay(&self, pool: PoolId, member: MemberId) -> bool {
        let view = self.snapshot.pool(pool);
        view.persistence == Persistence::CallId || view.sharing.as_ref().is_some_and(|sharing| sharing.holds(member))
    }

    fn leave_hint(&self, key: PersistenceKey, member: MemberId) {
        if let Some(hints) = self.snapshot.persistence_hints() {
            hints.note(mixed(key), member, self.pool_of(member).generation, second(self.now));
        }
    }

    /// From now on the member takes it.
    fn persist(&mut self, key: PersistenceKey, member: MemberId) {
        let generation = self.pool_of(member).generation.0;
        let record = PersistenceRecord { member: self.reference(member), generation };
        let Some(table) = &mut self.state.persistence else { return };
        let before = table.find(&key);
        let gone = table.keep(key, record, self.now);
        self.leave_hint(key, member);
        if gone.is_some() && before.is_none() {
            self.state.events.count(EngineEvent::PersistenceFull);
        }
        if before.is_none_or(|before| gone == Some(before)) {
            self.state.flows.uses().count_flow(member.0, true);
        }
        gone.into_iter().for_each(|gone| self.state.flows.forget_record(self.snapshot, gone));
    }
}

fn of_call(pool: PoolId, call: CallId) -> PersistenceKey {
    PersistenceKey { pool: pool.0, number: call.0.get() }
}
