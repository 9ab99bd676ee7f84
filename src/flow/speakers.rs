//! Which members other than the active one speak to a remote endpoint, and what they have asked it.
//!
//! Owns one worker's small table of exceptions. Normally it is empty: replies go to the active member. An entry is made
//! when a member that is not active sends (its answers must reach it), or when replies to a remote must not be translated
//! as the rule says (it visited a member physically, or is excluded and called a virtual server). Each pair of servers has
//! entries of its own: a gateway talks to several. Never decides whether an entry still counts: the caller compares
//! generations, and finds nobody behind a member that has gone.

use super::entry::NO_MEMBER;
use super::key::{HashKey, KeyAddress};
use super::lru::{Lru, LruKey};
use super::record::{ASKED, AskedRecord, SpeakerRecord, VISITS};
use crate::time::{Duration, Instant};
use crate::wire::sip::Branch;
use crate::wire::{Endpoint, Protocol, Tuple};
use std::net::Ipv4Addr;

/// A remote endpoint, and the virtual address by which it knows the pair it talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Peer<A = Ipv4Addr> {
    /// The remote endpoint.
    pub remote: Endpoint<A>,
    /// The public address of the pool.
    pub home: A,
    /// Since when it has been there, as the caller counts: what is known of a peer of an address that was away in between
    /// is not found.
    pub since: u32,
}

/// A member: the caller's id for it, and since when it has been that member's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberRef {
    /// [`NO_MEMBER`] if it is none.
    pub id: u16,
    /// As the caller counts.
    pub since: u32,
}

impl MemberRef {
    /// No member.
    pub const NONE: MemberRef = MemberRef { id: NO_MEMBER, since: 0 };
}

/// A request that a member sent though another was active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Which one; none in a place that is free.
    branch: Option<Branch>,
    member: MemberRef,
    while_down: bool,
    /// Its final answer has come.
    answered: bool,
}

impl Asked {
    const NOTHING: Asked = Asked { branch: None, member: MemberRef::NONE, while_down: false, answered: false };
}

/// What is known of a remote endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speaker {
    /// The member that last sent to it though another was active.
    pub member: MemberRef,
    /// The caller's count of that member's lives when it did.
    pub generation: u32,
    /// It was known to be down when it did: a standby whose port is closed.
    pub while_down: bool,
    /// The remote is answered untranslated by rule and has sent to a virtual server.
    pub called: bool,
    /// The members it has sent to by their physical addresses since it last sent to a virtual server, the latest first;
    /// [`MemberRef::NONE`] behind them.
    pub visited: [MemberRef; VISITS],
    /// When the member last spoke. What the remote sends does not renew it.
    pub claimed: Instant,
    /// The active member has spoken to the remote since.
    pub superseded: bool,
    /// The requests that members sent to it though another was active, the latest first; a repetition takes no second place.
    asked: [Asked; ASKED],
    /// When one of them last gave way to a newer one that had not been answered yet.
    pub forgot: Option<Instant>,
}

impl Speaker {
    const NOTHING: Speaker = Speaker {
        member: MemberRef::NONE,
        generation: 0,
        while_down: false,
        called: false,
        visited: [MemberRef::NONE; VISITS],
        claimed: Instant::ZERO,
        superseded: false,
        asked: [Asked::NOTHING; ASKED],
        forgot: None,
    };

    /// The remote has visited this member, and called no virtual server since.
    #[inline]
    pub fn has_visited(&self, member: MemberRef) -> bool {
        self.visited.contains(&member)
    }

    /// Who sent the request with this branch, if it was not the active member and the request is remembered.
    pub fn asker(&self, branch: Branch) -> Option<MemberRef> {
        self.asked.iter().find(|asked| asked.branch == Some(branch)).map(|asked| asked.member)
    }

    /// The member has spoken to the remote though it was known to be down: that it is says nothing about whether it hears.
    pub fn has_spoken_while_down(&self, member: MemberRef) -> bool {
        let claims = self.member == member && self.while_down;
        claims || self.asked.iter().any(|asked| asked.member == member && asked.while_down)
    }

    /// What is known of `peer`, as data; `name` says who a member is.
    fn record(&self, peer: &Peer, renewed: Instant, name: &impl Fn(MemberRef) -> Option<Ipv4Addr>) -> SpeakerRecord {
        let asked = |asked: Asked| {
            let Asked { branch, member, while_down, answered } = asked;
            Some(AskedRecord { branch: branch?, member: name(member)?, while_down, answered })
        };
        SpeakerRecord {
            remote: peer.remote,
            home: peer.home,
            member: name(self.member),
            generation: self.generation,
            while_down: self.while_down,
            called: self.called,
            visited: self.visited.map(name),
            claimed: self.claimed,
            superseded: self.superseded,
            asked: self.asked.map(asked),
            forgot: self.forgot,
            renewed,
        }
    }

    /// What a record says, of the members that `find` knows; `None`: nothing is left of it.
    pub fn of_record(record: &SpeakerRecord, find: &impl Fn(Ipv4Addr) -> Option<MemberRef>) -> Option<Speaker> {
        let mut speaker = Speaker {
            member: record.member.and_then(find).unwrap_or(MemberRef::NONE),
            generation: record.generation,
            while_down: record.while_down,
            called: record.called,
            claimed: record.claimed,
            superseded: record.superseded,
            forgot: record.forgot,
            ..Speaker::NOTHING
        };
        let visited = record.visited.iter().flatten().filter_map(|member| find(*member));
        speaker.visited.iter_mut().zip(visited).for_each(|(place, member)| *place = member);
        let asked = record.asked.iter().flatten().filter_map(|asked| {
            let AskedRecord { branch, member, while_down, answered } = *asked;
            Some(Asked { branch: Some(branch), member: find(member)?, while_down, answered })
        });
        speaker.asked.iter_mut().zip(asked).for_each(|(place, asked)| *place = asked);
        (!speaker.says_nothing()).then_some(speaker)
    }

    /// The member has claimed the remote, or asked it something.
    fn is_of(&self, member: MemberRef) -> bool {
        self.member == member || self.asked.iter().any(|asked| asked.member == member)
    }

    fn forget_member(&mut self, member: MemberRef) {
        if self.member == member {
            self.member = MemberRef::NONE;
        }
        let others = self.asked;
        self.asked = [Asked::NOTHING; ASKED];
        let others = others.iter().filter(|asked| asked.member != member);
        self.asked.iter_mut().zip(others).for_each(|(place, asked)| *place = *asked);
    }

    /// The claim is all it says, and of a member that was heard.
    fn only_claims(&self) -> bool {
        let is_plain = !self.while_down && !self.called && self.forgot.is_none();
        is_plain && self.asked[0] == Asked::NOTHING && self.visited[0] == MemberRef::NONE
    }

    fn says_nothing(&self) -> bool {
        let says_who = self.member != MemberRef::NONE || self.asked[0] != Asked::NOTHING;
        !says_who && !self.called && self.visited[0] == MemberRef::NONE
    }
}

/// The exceptions of one worker. All memory is taken at creation; when it is full the oldest entry gives way.
pub struct Speakers<A: KeyAddress = Ipv4Addr>(Lru<Peer<A>, Speaker>);

impl<A: KeyAddress> LruKey for Peer<A> {
    /// Since when it has been there is compared, and does not spread.
    fn tag(&self, key: &HashKey) -> u32 {
        key.tuple(&Tuple::new(Protocol::Udp, self.remote, Endpoint::new(self.home, 0)))
    }
}

impl Speakers {
    /// All that is known, as data, what was not renewed for longest first; `name` says who a member is.
    pub fn records(&self, name: impl Fn(MemberRef) -> Option<Ipv4Addr>) -> Vec<SpeakerRecord> {
        self.0.oldest_first().map(|(peer, speaker, renewed)| speaker.record(peer, renewed, &name)).collect()
    }

    /// Shows up to `count` of them from the place `from` on, 0 to begin, in no order. Says where to continue; `None` at the end.
    pub fn show(
        &self,
        from: usize,
        count: usize,
        name: impl Fn(MemberRef) -> Option<Ipv4Addr>,
        mut show: impl FnMut(SpeakerRecord),
    ) -> Option<usize> {
        let end = from.saturating_add(count).min(self.len());
        (from..end)
            .filter_map(|at| self.0.at(at))
            .for_each(|(peer, speaker, renewed)| show(speaker.record(peer, renewed, &name)));
        (end < self.len()).then_some(end)
    }
}

impl<A: KeyAddress> Speakers<A> {
    /// Room for `capacity` remote endpoints (at least 1, at most 2^30).
    pub fn new(capacity: usize, seed: u64) -> Speakers<A> {
        Speakers(Lru::new(capacity, seed))
    }

    /// There is no exception: the normal case.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.slots.is_empty()
    }

    /// How many remote endpoints are known.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// How many there can be.
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// What is known of a remote endpoint.
    #[inline]
    pub fn find(&self, peer: &Peer<A>) -> Option<&Speaker> {
        self.0.find(peer)
    }

    /// When what is known of a remote endpoint was last renewed.
    pub fn renewed(&self, peer: &Peer<A>) -> Option<Instant> {
        self.0.renewed(peer)
    }

    /// This is known of a remote endpoint, as another table says.
    pub fn put(&mut self, peer: Peer<A>, speaker: Speaker, now: Instant) {
        *self.renew(peer, now) = speaker;
    }

    /// A member that is not active has sent to this remote, perhaps while it was known to be down.
    pub fn claim(&mut self, peer: Peer<A>, member: MemberRef, while_down: bool, generation: u32, now: Instant) {
        let speaker = self.renew(peer, now);
        (speaker.member, speaker.while_down) = (member, while_down);
        speaker.generation = generation;
        (speaker.claimed, speaker.superseded) = (now, false);
    }

    /// A member that is not active has sent a request with this branch to this remote, perhaps again.
    pub fn note_request(&mut self, peer: Peer<A>, member: MemberRef, while_down: bool, branch: Branch, now: Instant) {
        let speaker = self.renew(peer, now);
        let asked = &mut speaker.asked;
        let known = asked.iter().position(|asked| asked.branch == Some(branch));
        let is_spare = |asked: &Asked| *asked == Asked::NOTHING || asked.answered;
        let place = known.or_else(|| asked.iter().rposition(is_spare)).unwrap_or_else(|| {
            speaker.forgot = Some(now);
            ASKED - 1
        });
        asked[..=place].rotate_right(1);
        asked[0] = Asked { branch: Some(branch), member, while_down, answered: false };
    }

    /// The remote has given the final answer to the request with this branch: it is missed least.
    pub fn note_answer(&mut self, peer: &Peer<A>, branch: Branch) {
        let Some(Speaker { asked, .. }) = self.0.find_mut(peer) else { return };
        asked.iter_mut().filter(|asked| asked.branch == Some(branch)).for_each(|asked| asked.answered = true);
    }

    /// `member`, the active one, has sent to this remote. What others have asked it is still to be answered to them. What it has claimed and
    /// asked itself, before it was active, needs no entry any more.
    pub fn note_active(&mut self, peer: &Peer<A>, member: MemberRef) {
        let Some(speaker) = self.0.find_mut(peer) else { return };
        speaker.superseded = true;
        if speaker.is_of(member) {
            speaker.forget_member(member);
            self.remove_if_empty(peer);
        }
    }

    /// A remote that is normally answered untranslated has sent to a virtual server: here the rule does need an entry.
    pub fn note_excluded_caller(&mut self, peer: Peer<A>, now: Instant) {
        let speaker = self.renew(peer, now);
        (speaker.called, speaker.visited) = (true, [MemberRef::NONE; VISITS]);
    }

    /// The remote has sent to a member by its physical address.
    pub fn note_member(&mut self, peer: Peer<A>, member: MemberRef, now: Instant) {
        let visited = &mut self.renew(peer, now).visited;
        let place = visited.iter().position(|&known| known == member).unwrap_or(VISITS - 1);
        visited[..=place].rotate_right(1);
        visited[0] = member;
    }

    /// The remote has sent to a virtual server. That is the rule, so it makes no entry, and ends one that says nothing
    /// more than the opposite.
    pub fn note_virtual(&mut self, peer: &Peer<A>) {
        let Some(speaker) = self.0.find_mut(peer) else { return };
        speaker.visited = [MemberRef::NONE; VISITS];
        self.remove_if_empty(peer);
    }

    /// Nothing is known of a remote endpoint any more.
    pub fn forget(&mut self, peer: &Peer<A>) {
        self.0.remove(peer);
    }

    /// Forgets entries not renewed for `age`, those that hold nothing but a claim after `claim` already, at most `budget` of them. Says how
    /// many.
    pub fn expire(&mut self, now: Instant, age: Duration, claim: Duration, budget: usize) -> usize {
        self.0.expire(now, |speaker| if speaker.only_claims() { claim } else { age }, budget, drop)
    }

    fn remove_if_empty(&mut self, peer: &Peer<A>) {
        if self.find(peer).is_some_and(Speaker::says_nothing) {
            self.0.remove(peer);
        }
    }

    /// The entry of a remote, made if need be, as the one seen last.
    fn renew(&mut self, peer: Peer<A>, now: Instant) -> &mut Speaker {
        self.0.renew(peer, now, || Speaker::NOTHING, drop)
    }
}

#[cfg(test)]
mod tests;
