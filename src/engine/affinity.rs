//! Reply affinity: which member last spoke to somebody outside.
//!
//! Owns the questions to the speakers' table, and what is noted there. The active member needs no entry; another one that
//! speaks first is answered by whomever it spoke to, for a while.

use super::events::EngineEvent;
use super::walk::Walk;
use crate::flow::{Peer, Speaker};
use crate::policy::Life;
use crate::policy::intent::{MemberId, PoolId};
use crate::policy::snapshot::PoolView;
use crate::time::Duration;
use crate::wire::Endpoint;

/// A claim ends when the last transaction that the member's datagram can have begun is over (64·T1, RFC 3261 17). What
/// the remote sends does not prolong it: a standby that spoke once would keep the peer for ever.
const CLAIM_AGE: Duration = Duration::from_secs(32);

/// Somebody outside, as one that talks to this pool.
pub(super) fn peer_of(pool: &PoolView, remote: Endpoint) -> Peer {
    Peer { remote, home: pool.public, since: pool.public_since.0 }
}

impl Walk<'_> {
    /// The member that a datagram from `remote` goes to: the one that last spoke to it under the pool's present
    /// generation, else the active one.
    pub(super) fn member_for(&mut self, pool: PoolId, remote: Endpoint) -> Option<MemberId> {
        let claimed = self.claimant(pool, remote);
        if claimed.is_some() {
            self.count_event(EngineEvent::SpeakerAnswered);
        }
        claimed.or(self.snapshot.pool(pool).active)
    }

    /// The member that last spoke to `remote` though another is active, if that still counts.
    pub(super) fn claimant(&self, pool: PoolId, remote: Endpoint) -> Option<MemberId> {
        if self.state.speakers.is_empty() {
            return None;
        }
        let speaker = self.state.speakers.find(&peer_of(self.snapshot.pool(pool), remote))?;
        self.current_claim(pool, speaker)
    }

    /// The member behind a speaker's claim, if the claim still counts.
    fn current_claim(&self, pool: PoolId, speaker: &Speaker) -> Option<MemberId> {
        let view = self.snapshot.members.find(usize::from(speaker.member.id), Life(speaker.member.since))?;
        let current = speaker.generation == self.snapshot.pool(pool).generation.0;
        if !current || self.now.since(speaker.claimed) > CLAIM_AGE {
            return None;
        }
        (view.pool == pool && view.may_claim).then_some(MemberId(speaker.member.id))
    }

    /// Somebody talks to the virtual address. That is the rule and needs no note, except for one in the exclusion
    /// group or one that visited the member's own address: replies are translated to the virtual address from now on.
    pub(super) fn note_caller(&mut self, pool: &PoolView, remote: Endpoint) {
        if pool.exclude.holds(remote.addr) {
            self.state.speakers.note_excluded_caller(peer_of(pool, remote), self.now);
        } else if !self.state.speakers.is_empty() {
            self.state.speakers.note_virtual(&peer_of(pool, remote));
        }
    }

    /// Whether what `sender` sends from its service port to `remote` keeps its own address: to a visitor of that
    /// address, and to the exclusion group unless it called the virtual address.
    #[inline]
    pub(super) fn leaves_untranslated(&self, sender: MemberId, remote: Endpoint) -> bool {
        let pool = self.pool_of(sender);
        let heard = if self.state.speakers.is_empty() { None } else { self.heard_of(pool, sender, remote) };
        heard.unwrap_or_else(|| pool.exclude.holds(remote.addr))
    }

    /// Whether the table of speakers says that what goes to `remote` keeps its source, or that it does not.
    #[cold]
    fn heard_of(&self, pool: &PoolView, sender: MemberId, remote: Endpoint) -> Option<bool> {
        match self.state.speakers.find(&peer_of(pool, remote))? {
            speaker if speaker.has_visited(self.reference(sender)) => Some(true),
            speaker => speaker.called.then_some(false),
        }
    }

    /// Who spoke last to `remote`. The active member needs no entry; another one makes a claim, if it may.
    #[inline]
    pub(super) fn note_speaker(&mut self, sender: MemberId, remote: Endpoint) {
        let pool = self.pool_of(sender);
        if pool.active != Some(sender) {
            self.note_standby(pool, sender, remote);
        } else if !self.state.speakers.is_empty() {
            self.state.speakers.release(&peer_of(pool, remote));
        }
    }

    #[cold]
    fn note_standby(&mut self, pool: &PoolView, sender: MemberId, remote: Endpoint) {
        self.count_event(EngineEvent::StandbySpoke);
        if self.snapshot.member(sender).may_claim {
            let speaker = self.reference(sender);
            self.state.speakers.claim(peer_of(pool, remote), speaker, pool.generation.0, self.now);
            self.hint_at(sender);
        }
    }
}
