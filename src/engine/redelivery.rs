//! A request that a dying member has not answered is for the one that takes over.
//!
//! Owns which requests are kept against that, and what is done with each by another snapshot. UDP may duplicate, and a server
//! matches a copy to its transaction (RFC 3261 17.2.3); but a request that was answered, or that a living member may still
//! answer, must not reach another one. So copies leave only after monitors have found their member dead, and only if that has sent
//! nothing from a service port since the first of the probes that decided it: whatever arrived since then, and all that came
//! before and was not answered, reached nobody who can answer. Holds no copy: that is the worker's.

use super::path::{Classified, Path};
use super::state::Engine;
use super::walk::Walk;
use crate::policy::health::{Generation, Silence};
use crate::policy::intent::{MemberId, PoolId};
use crate::policy::snapshot::PoolView;
use crate::time::{Duration, Instant};
use crate::wire::{Endpoint, Kind, Packet, Protocol, sip};

/// Whom a request was for when it was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Whose service.
    pub pool: PoolId,
    /// Who was active, and got it.
    pub member: MemberId,
    /// The choice of its pool by which that was so.
    pub generation: Generation,
}

/// What a packet may be that redelivery is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// Nothing.
    Nothing,
    /// A request to be kept.
    Request,
    /// An answer to one that is kept.
    Answer,
    /// What one member says to another pair.
    Hairpin,
}

/// What is done with a copy by another snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyAction {
    /// It is kept on.
    Keep,
    /// It is delivered to the member that is active now.
    Redeliver(Recipient),
    /// It is dropped.
    Drop,
}

/// What a pool's choice says of the requests that its member before has not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takeover {
    /// That member is dead; nobody has taken over yet.
    Awaited,
    /// This one has taken over from it.
    By(MemberId),
    /// They are for nobody else: the member lives, or is back, or the pool is gone.
    No,
}

impl Engine {
    /// Requests to the service port at this place are kept.
    #[inline(always)]
    pub fn keeps_requests(&self, at: u16) -> bool {
        !self.snapshot.datagrams_in(at).redeliver.is_zero()
    }

    /// What a member sends from the service port at this place may be answers to requests that are kept. If so, that it speaks is noted.
    #[inline(always)]
    pub fn awaits_answers(&mut self, at: u16, now: Instant) -> bool {
        let served = self.snapshot.datagrams_out(at);
        let spoke = Some((served.sender, now));
        if served.redelivers && self.state.spoke != spoke {
            self.state.spoke = spoke;
            self.state.flows.uses().spoke(served.sender, now);
        }
        served.redelivers
    }

    /// The packet is for a service whose requests are kept.
    #[inline]
    pub fn may_ask(&self, packet: &Packet, classified: Classified) -> bool {
        let Path::ServiceIn(at) = classified.path else { return false };
        matches!(packet.kind, Kind::Udp) && !self.snapshot.datagrams_in(at).redeliver.is_zero()
    }

    /// For whom the packet is, which is a request to a service: the active member, if it can be sent there now. And how long it is
    /// kept.
    pub fn recipient(
        &mut self,
        packet: &Packet,
        classified: Classified,
        now: Instant,
    ) -> Option<(Recipient, Duration)> {
        let Path::ServiceIn(at) = classified.path else { return None };
        let service = self.snapshot.datagrams_in(at);
        let (pool, redeliver) = (service.pool, service.redeliver);
        let view = self.snapshot.pool(pool);
        let is_open = service.ready.is_some() || service.ready_for(packet.src()).is_some();
        let (member, generation) = (view.active.filter(|_| is_open)?, view.generation);
        let remote = Endpoint::new(packet.src(), packet.src_port());
        let walk = Walk::new(self, packet, classified, sip::Facts::Request { branch: None, call: None }, now);
        let is_meant = walk.receiver(pool, remote) == Some(member);
        is_meant.then_some((Recipient { pool, member, generation }, redeliver))
    }

    /// The pool of the member that speaks: what it says from a service port may answer a request that is kept.
    pub fn answering(&self, classified: Classified) -> Option<PoolId> {
        let Path::ServiceOut(at) = classified.path else { return None };
        Some(self.snapshot.member(self.snapshot.datagrams_out(at).sender).pool)
    }

    /// A member speaks to a virtual address of ours, which is noted if it does so from a service port.
    pub fn note_hairpin(&mut self, packet: &Packet, classified: Classified, now: Instant) {
        let Path::Hairpin { sender, .. } = classified.path else { return };
        let served = self.snapshot.member(sender).served(Protocol::Udp, packet.src_port());
        if matches!(packet.kind, Kind::Udp) && served.is_some_and(|served| served.redelivers) {
            self.state.flows.uses().spoke(sender, now);
        }
    }

    /// What is done with a copy by the snapshot that is read now.
    pub fn copy_action(&self, recipient: &Recipient) -> CopyAction {
        let Some(pool) = self.snapshot.pools.get(recipient.pool) else { return CopyAction::Drop };
        if pool.generation == recipient.generation {
            return CopyAction::Keep;
        }
        match self.takeover_from(pool, recipient.member) {
            Takeover::Awaited => CopyAction::Keep,
            Takeover::By(member) => {
                CopyAction::Redeliver(Recipient { member, generation: pool.generation, ..*recipient })
            }
            Takeover::No => CopyAction::Drop,
        }
    }

    /// Whether somebody has taken over in this pool by its present choice.
    pub fn takeover(&self, pool: PoolId) -> Takeover {
        let pool = self.snapshot.pools.get(pool);
        let lost = pool.and_then(|pool| Some((pool, pool.silence?.member)));
        lost.map_or(Takeover::No, |(pool, member)| self.takeover_from(pool, member))
    }

    fn takeover_from(&self, pool: &PoolView, lost: MemberId) -> Takeover {
        let is_silent = |silence: &Silence| silence.member == lost && !self.has_spoken(silence);
        match (pool.silence.filter(is_silent), pool.active) {
            (Some(_), None) => Takeover::Awaited,
            (Some(_), Some(member)) if member != lost => Takeover::By(member),
            _ => Takeover::No,
        }
    }

    /// It has sent something from a service port after all, here.
    fn has_spoken(&self, silence: &Silence) -> bool {
        let spoke = self.member_use().of(silence.member).spoke;
        spoke.is_some_and(|at| at.since(Instant::ZERO) >= silence.since)
    }
}
