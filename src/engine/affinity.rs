//! Reply affinity: answers go to the member that asked, whichever is active.
//!
//! Owns the questions to the speakers' table, and what is noted there. While that is empty, nobody but the active member has
//! asked anybody anything. Else the answer to a SIP request goes to the address that its topmost Via names, or, as both members
//! may write the virtual address there, to whoever used its branch (RFC 3261 8.1.1.7); all else is the active member's.

use super::events::EngineEvent;
use super::state::CLAIM_AGE;
use super::verdict::Verdict;
use super::walk::{Walk, reference};
use crate::flow::{MemberRef, Peer, Speaker};
use crate::policy::health::State;
use crate::policy::intent::{MemberId, PoolId};
use crate::policy::snapshot::{AddressClass, PoolView};
use crate::policy::{Life, Snapshot};
use crate::wire::sip::{self, Branch};
use crate::wire::{Endpoint, Tuple};
use std::net::Ipv4Addr;

/// Somebody outside, as one that talks to this pool.
pub(super) fn peer_of(pool: &PoolView, remote: Endpoint) -> Peer {
    Peer { remote, home: pool.public, since: pool.public_since.0 }
}

/// See [`Walk::asker`]; `speaker` is what is known of whom it talks to.
pub(super) fn may_be_reached(snapshot: &Snapshot, member: MemberId, speaker: Option<&Speaker>) -> bool {
    let view = snapshot.member(member);
    match view.state {
        State::Offline => false,
        State::Down if view.gone => false,
        State::Down => speaker.is_some_and(|it| it.has_spoken_while_down(reference(snapshot, member))),
        _ => true,
    }
}

impl Walk<'_> {
    /// The member that a datagram from `remote` goes to.
    #[inline]
    pub(super) fn member_for(&mut self, pool: PoolId, remote: Endpoint) -> Option<MemberId> {
        let receiver = self.receiver(pool, remote);
        if let Some(member) = receiver
            && receiver != self.snapshot.pool(pool).active
        {
            self.state.speaker_answered = true;
            self.state.flows.uses().saw_datagram(member, self.now);
        }
        if let sip::Facts::Answer { branch: Some(branch), is_final: true, .. } = self.sip {
            self.state.speakers.note_answer(&peer_of(self.snapshot.pool(pool), remote), branch);
        }
        receiver
    }

    /// What goes to somebody else than the active member is counted when it leaves: what waits for a MAC is decided about again.
    #[inline]
    pub(super) fn count_answered(&mut self, verdict: &Verdict) {
        if self.state.speaker_answered && matches!(verdict, Verdict::Forward(_)) {
            self.count_event(EngineEvent::SpeakerAnswered);
        }
    }

    /// As [`Walk::member_for`], of which nothing is noted.
    #[inline]
    pub(super) fn receiver(&self, pool: PoolId, remote: Endpoint) -> Option<MemberId> {
        match self.state.speakers.is_empty() {
            true => self.snapshot.pool(pool).active,
            false => self.receiver_among_speakers(pool, remote),
        }
    }

    /// An answer goes to who asked; anything else to the active member, while that is down to the one that spoke last.
    #[cold]
    fn receiver_among_speakers(&self, pool: PoolId, remote: Endpoint) -> Option<MemberId> {
        let active = self.snapshot.pool(pool).active;
        let asker = match self.sip {
            sip::Facts::Answer { sent_by, branch, .. } => self.asker(pool, remote, sent_by, branch),
            _ => None,
        };
        let living = || active.filter(|active| self.is_reachable(*active, None));
        asker.or_else(living).or_else(|| self.claimant(pool, remote)).or(active)
    }

    /// Who sent the request that is answered, if it can be told and is there: whoever wrote its own address into the topmost Via,
    /// else the standby that used the branch. Where so many of a standby's requests are unanswered that the row has forgotten some,
    /// it was rather the one that spoke last than the active member.
    pub(super) fn asker(
        &self,
        pool: PoolId,
        remote: Endpoint,
        sent_by: Option<Ipv4Addr>,
        branch: Option<Branch>,
    ) -> Option<MemberId> {
        let view = self.snapshot.pool(pool);
        let speakers = if view.is_shared { &self.state.askers } else { &self.state.speakers };
        let speaker = speakers.find(&peer_of(view, remote));
        let reachable = |member: &MemberId| self.is_reachable(*member, speaker);
        if let Some(AddressClass::Member(member, _)) = sent_by.map(|address| self.snapshot.class(address))
            && self.snapshot.member(member).pool == pool
        {
            return Some(member).filter(reachable);
        }
        let speaker = speaker?;
        match branch.and_then(|branch| speaker.asker(branch)) {
            Some(asker) => self.present(asker, pool).filter(reachable),
            None if speaker.forgot.is_some_and(|at| self.now.since(at) <= CLAIM_AGE) => {
                self.current_claim(pool, speaker)
            }
            None => None,
        }
    }

    /// The member is neither taken away nor down. One that spoke to the remote although it was known to be down is reached: a
    /// standby's closed port, or a server that was promoted a moment ago.
    fn is_reachable(&self, member: MemberId, speaker: Option<&Speaker>) -> bool {
        may_be_reached(self.snapshot, member, speaker)
    }

    /// The member, if it is still there and of this pool.
    pub(super) fn present(&self, member: MemberRef, pool: PoolId) -> Option<MemberId> {
        let view = self.snapshot.members.find(usize::from(member.id), Life(member.since))?;
        (view.pool == pool).then_some(MemberId(member.id))
    }

    /// The member that last spoke to `remote`, the active one if no other may claim that. `answer` is how the remote's answers come.
    pub(super) fn spoke_last(&mut self, pool: PoolId, answer: &Tuple) -> Option<MemberId> {
        let (view, remote) = (self.snapshot.pool(pool), answer.src);
        if view.is_shared {
            return self.keeper(pool, answer).map(|(_, member)| member);
        }
        let speaker = self.state.speakers.find(&peer_of(view, remote)).filter(|speaker| !speaker.superseded);
        speaker.and_then(|speaker| self.current_claim(pool, speaker)).or(view.active)
    }

    /// The member other than the active one that last spoke to `remote`, if that still counts.
    fn claimant(&self, pool: PoolId, remote: Endpoint) -> Option<MemberId> {
        let speaker = self.state.speakers.find(&peer_of(self.snapshot.pool(pool), remote))?;
        self.current_claim(pool, speaker)
    }

    /// The member behind a speaker's claim, if the claim still counts.
    fn current_claim(&self, pool: PoolId, speaker: &Speaker) -> Option<MemberId> {
        let member = self.present(speaker.member, pool)?;
        let current = speaker.generation == self.snapshot.pool(pool).generation.0;
        if !current || self.now.since(speaker.claimed) > CLAIM_AGE {
            return None;
        }
        Some(member).filter(|member| self.snapshot.member(*member).may_claim)
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

    /// Who speaks to `remote`. The active member needs no entry; another one makes a claim, if it may, and what it asks is
    /// remembered.
    #[inline]
    pub(super) fn note_speaker(&mut self, sender: MemberId, remote: Endpoint) {
        let pool = self.pool_of(sender);
        if pool.active != Some(sender) {
            self.note_standby(pool, sender, remote);
        } else if !self.state.speakers.is_empty() {
            self.state.speakers.note_active(&peer_of(pool, remote), self.reference(sender));
        }
    }

    #[cold]
    fn note_standby(&mut self, pool: &PoolView, sender: MemberId, remote: Endpoint) {
        self.count_event(EngineEvent::StandbySpoke);
        let (peer, speaker) = (peer_of(pool, remote), self.reference(sender));
        // Whoever has just lost its role claims nothing, but may ask: the answer is known by its branch.
        let view = self.snapshot.member(sender);
        let while_down = view.state == State::Down;
        if let sip::Facts::Request { branch: Some(branch), .. } = self.sip
            && view.state != State::Offline
        {
            self.state.speakers.note_request(peer, speaker, while_down, branch, self.now);
        }
        if view.may_claim {
            self.state.speakers.claim(peer, speaker, while_down, pool.generation.0, self.now);
            self.hint_at(sender);
        }
    }
}
