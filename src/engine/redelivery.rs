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
use crate::time::Instant;
use crate::wire::{Endpoint, Kind, Packet, Protocol, sip};

/// Whom a request was for when it was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Whose service.
    pub pool: PoolId,
    /// Who was active, and got it.
    pub member: MemberId,
    /// The choice of its pool by which that was so.
    pub generation: Generation,
}

/// What is done with a copy by another snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is kept on.
    Waits,
    /// It is delivered to the member that is active now.
    Leaves(Asked),
    /// It is dropped.
    Ends,
}

impl Engine {
    /// A packet on this path may be a request to be kept, or answer one.
    #[inline(always)]
    pub fn watches(&self, path: Path) -> bool {
        self.snapshot.redelivers && matches!(path, Path::ServiceIn(_) | Path::ServiceOut(_) | Path::Hairpin { .. })
    }

    /// The packet is for a service whose requests are kept.
    #[inline]
    pub fn may_ask(&self, packet: &Packet, classified: Classified) -> bool {
        let Path::ServiceIn(at) = classified.path else { return false };
        matches!(packet.kind, Kind::Udp) && self.snapshot.datagrams_in(at).redelivers
    }

    /// For whom the packet is, which is a request to a service: the active member, if it can be sent there now.
    pub fn asked(&mut self, packet: &Packet, classified: Classified, now: Instant) -> Option<Asked> {
        let Path::ServiceIn(at) = classified.path else { return None };
        let service = self.snapshot.datagrams_in(at);
        let pool = service.pool;
        let view = self.snapshot.pool(pool);
        let (member, generation) = (view.active.filter(|_| service.ready.is_some())?, view.generation);
        let remote = Endpoint::new(packet.src(), packet.src_port());
        let walk = Walk::new(self, packet, classified, sip::Facts::Request { branch: None }, now);
        (walk.receiver(pool, remote) == Some(member)).then_some(Asked { pool, member, generation })
    }

    /// A member speaks from a service port, which is noted. Its pool, if what it says may be an answer to a request that is kept.
    #[inline]
    pub fn hears(&mut self, packet: &Packet, classified: Classified, now: Instant) -> Option<PoolId> {
        if !matches!(packet.kind, Kind::Udp) {
            return None;
        }
        let (sender, answers) = match classified.path {
            Path::ServiceOut(at) => {
                let served = self.snapshot.datagrams_out(at);
                (Some(served.sender).filter(|_| served.redelivers)?, true)
            }
            Path::Hairpin { sender, .. } => {
                let served = self.snapshot.member(sender).served(Protocol::Udp, packet.src_port());
                (served.filter(|served| served.redelivers).map(|_| sender)?, false)
            }
            _ => return None,
        };
        self.state.flows.uses().spoke(sender, now);
        answers.then(|| self.snapshot.member(sender).pool)
    }

    /// What is done with a copy by the snapshot that is read now.
    pub fn fate(&self, asked: &Asked) -> Fate {
        let Some(pool) = self.snapshot.pools.get(asked.pool) else { return Fate::Ends };
        if pool.generation == asked.generation {
            return Fate::Waits;
        }
        let is_silent = |silence: &Silence| silence.member == asked.member && !self.has_spoken(silence);
        match (pool.silence.filter(is_silent), pool.active) {
            (Some(_), None) => Fate::Waits,
            (Some(_), Some(member)) if member != asked.member => {
                Fate::Leaves(Asked { member, generation: pool.generation, ..*asked })
            }
            _ => Fate::Ends,
        }
    }

    /// It has sent something from a service port after all, here.
    fn has_spoken(&self, silence: &Silence) -> bool {
        let spoke = self.member_use().of(silence.member).spoke;
        spoke.is_some_and(|at| at.since(Instant::ZERO) >= silence.since)
    }
}
