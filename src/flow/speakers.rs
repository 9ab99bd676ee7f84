//! Which member last spoke to a remote endpoint, where that matters.
//!
//! Owns one worker's small table of exceptions. Normally it is empty: replies go to the active member. An entry is made
//! when a member that is not active sends (its answers must reach it), or when replies to a remote must not be translated
//! as the rule says (it addressed a member physically, or is excluded and called a virtual server). Never decides whether an entry still counts: the caller compares generations.

use super::entry::NO_MEMBER;
use super::index::Index;
use super::key::{HashKey, KeyAddress};
use super::list::{Linked, Links, List};
use crate::time::{Duration, Instant};
use crate::wire::Endpoint;
use std::net::Ipv4Addr;

/// What a remote endpoint last sent to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Addressed {
    /// It has sent nothing since the entry was made.
    #[default]
    Nothing,
    /// A virtual server.
    Virtual,
    /// This member, by its physical address.
    Member(u16),
}

/// What is known of a remote endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speaker {
    /// The member that last sent to it though another was active; [`NO_MEMBER`] if none.
    pub member: u16,
    /// The caller's count of that member's lives when it did.
    pub generation: u32,
    /// What the remote last sent to.
    pub addressed: Addressed,
    /// When the member last spoke. What the remote sends does not renew it.
    pub claimed: Instant,
    /// When the entry was last made or renewed.
    pub last_seen: Instant,
}

/// The exceptions of one worker. All memory is taken at creation; when it is full the oldest entry gives way.
pub struct Speakers<A = Ipv4Addr> {
    key: HashKey,
    index: Index,
    /// Filled from the front; none is ever left vacant between others.
    slots: Vec<Slot<A>>,
    capacity: usize,
    /// All entries, longest unseen in front.
    order: List,
}

struct Slot<A> {
    remote: Endpoint<A>,
    speaker: Speaker,
    links: Links,
}

impl<A> Linked for Slot<A> {
    fn links(&mut self) -> &mut Links {
        &mut self.links
    }
}

impl<A: KeyAddress> Speakers<A> {
    /// Room for `capacity` remote endpoints (at least 1, at most 2^30).
    pub fn new(capacity: usize, seed: u64) -> Speakers<A> {
        let capacity = capacity.clamp(1, 1 << 30);
        Speakers {
            key: HashKey::new(seed),
            index: Index::new(capacity),
            slots: Vec::with_capacity(capacity),
            capacity,
            order: List::EMPTY,
        }
    }

    /// There is no exception: the normal case.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// How many remote endpoints are known.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// How many there can be.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// What is known of a remote endpoint.
    #[inline]
    pub fn find(&self, remote: &Endpoint<A>) -> Option<&Speaker> {
        if self.is_empty() {
            return None;
        }
        self.place(remote).map(|at| &self.slots[at as usize].speaker)
    }

    /// A member that is not active has sent to this remote.
    pub fn claim(&mut self, remote: Endpoint<A>, member: u16, generation: u32, now: Instant) {
        let speaker = self.renew(remote, now);
        speaker.member = member;
        speaker.generation = generation;
        speaker.claimed = now;
    }

    /// No member speaks to this remote any more. What the remote addressed is kept.
    pub fn release(&mut self, remote: &Endpoint<A>) {
        let Some(at) = self.place(remote) else { return };
        let speaker = &mut self.slots[at as usize].speaker;
        speaker.member = NO_MEMBER;
        if speaker.addressed == Addressed::Nothing {
            self.remove(at);
        }
    }

    /// A remote that is normally answered untranslated has sent to a virtual server: here the rule does need an entry.
    pub fn note_excluded_caller(&mut self, remote: Endpoint<A>, now: Instant) {
        self.renew(remote, now).addressed = Addressed::Virtual;
    }

    /// The remote has sent to a member by its physical address.
    pub fn note_member(&mut self, remote: Endpoint<A>, member: u16, now: Instant) {
        self.renew(remote, now).addressed = Addressed::Member(member);
    }

    /// The remote has sent to a virtual server. That is the rule, so it makes no entry, and ends one that says nothing
    /// more than the opposite.
    pub fn note_virtual(&mut self, remote: &Endpoint<A>, now: Instant) {
        let Some(at) = self.place(remote) else { return };
        if self.slots[at as usize].speaker.member == NO_MEMBER {
            self.remove(at);
        } else {
            self.renew(*remote, now).addressed = Addressed::Virtual;
        }
    }

    /// Forgets entries not renewed for `age`, at most `budget` of them. Says how many.
    pub fn expire(&mut self, now: Instant, age: Duration, budget: usize) -> usize {
        for died in 0..budget {
            match self.order.front() {
                Some(at) if now.since(self.slots[at as usize].speaker.last_seen) >= age => self.remove(at),
                _ => return died,
            }
        }
        budget
    }

    /// Members have other numbers from now on: `now` gives them, [`NO_MEMBER`] for one that is gone. What an entry said of
    /// that one is forgotten.
    pub fn renumber(&mut self, now: impl Fn(u16) -> u16) {
        for at in (0..self.slots.len() as u32).rev() {
            let speaker = &mut self.slots[at as usize].speaker;
            speaker.member = if speaker.member == NO_MEMBER { NO_MEMBER } else { now(speaker.member) };
            if let Addressed::Member(member) = speaker.addressed {
                let member = now(member);
                speaker.addressed = if member == NO_MEMBER { Addressed::Nothing } else { Addressed::Member(member) };
            }
            if speaker.member == NO_MEMBER && speaker.addressed == Addressed::Nothing {
                self.remove(at);
            }
        }
    }

    fn place(&self, remote: &Endpoint<A>) -> Option<u32> {
        self.index.find(self.key.endpoint(remote), |at| self.slots[at as usize].remote == *remote)
    }

    /// The entry of a remote, made if need be, as the one seen last.
    fn renew(&mut self, remote: Endpoint<A>, now: Instant) -> &mut Speaker {
        let at = match self.place(&remote) {
            Some(at) => {
                self.order.unlink(&mut self.slots, at);
                at
            }
            None => self.add(remote),
        };
        self.order.push_back(&mut self.slots, at);
        let speaker = &mut self.slots[at as usize].speaker;
        speaker.last_seen = now;
        speaker
    }

    /// A new entry, not yet in order; the oldest gives way to it when there is no room.
    fn add(&mut self, remote: Endpoint<A>) -> u32 {
        if self.slots.len() == self.capacity
            && let Some(oldest) = self.order.front()
        {
            self.remove(oldest);
        }
        let speaker = Speaker {
            member: NO_MEMBER,
            generation: 0,
            addressed: Addressed::Nothing,
            claimed: Instant::ZERO,
            last_seen: Instant::ZERO,
        };
        let at = self.slots.len() as u32;
        self.slots.push(Slot { remote, speaker, links: Links::NONE });
        self.index.insert(self.key.endpoint(&remote), at);
        at
    }

    /// Takes an entry out; the last slot moves into its place.
    fn remove(&mut self, at: u32) {
        self.order.unlink(&mut self.slots, at);
        self.index.remove(self.key.endpoint(&self.slots[at as usize].remote), at);
        let last = self.slots.len() as u32 - 1;
        if at != last {
            let tag = self.key.endpoint(&self.slots[last as usize].remote);
            self.index.remove(tag, last);
            self.index.insert(tag, at);
            self.order.renumber(&mut self.slots, last, at);
        }
        self.slots.swap_remove(at as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn remote(host: u8) -> Endpoint {
        Endpoint::new(Ipv4Addr::new(172, 16, 9, host), 5060)
    }

    fn second(count: u64) -> Instant {
        Instant::from_millis(1000 * count)
    }

    #[test]
    fn a_claim_is_found_renewed_and_released() {
        let mut speakers = Speakers::new(4, 1);
        assert!(speakers.is_empty() && speakers.find(&remote(1)).is_none());
        speakers.claim(remote(1), 7, 3, second(1));
        speakers.claim(remote(1), 8, 4, second(2));
        let expected = Speaker {
            member: 8,
            generation: 4,
            addressed: Addressed::Nothing,
            claimed: second(2),
            last_seen: second(2),
        };
        assert_eq!(speakers.find(&remote(1)), Some(&expected));
        assert_eq!((speakers.len(), speakers.find(&remote(2))), (1, None));
        speakers.release(&remote(1));
        assert!(speakers.is_empty());
    }

    #[test]
    fn traffic_to_a_virtual_server_makes_no_entry() {
        let mut speakers = Speakers::new(4, 1);
        speakers.note_virtual(&remote(1), second(1));
        assert!(speakers.is_empty());
        speakers.note_member(remote(1), 5, second(1));
        assert_eq!(speakers.find(&remote(1)).map(|it| it.addressed), Some(Addressed::Member(5)));
        speakers.note_virtual(&remote(1), second(2));
        assert!(speakers.is_empty(), "it said nothing but the opposite");
        speakers.claim(remote(1), 7, 1, second(3));
        speakers.note_virtual(&remote(1), second(4));
        assert_eq!(speakers.find(&remote(1)).map(|it| it.addressed), Some(Addressed::Virtual));
    }

    #[test]
    fn a_release_keeps_what_the_remote_addressed() {
        let mut speakers = Speakers::new(4, 1);
        speakers.claim(remote(1), 7, 1, second(1));
        speakers.note_member(remote(1), 5, second(1));
        speakers.release(&remote(1));
        let kept = speakers.find(&remote(1)).copied();
        assert_eq!(kept.map(|it| (it.member, it.addressed)), Some((NO_MEMBER, Addressed::Member(5))));
    }

    #[test]
    fn members_change_their_numbers_and_what_is_gone_is_forgotten() {
        let mut speakers = Speakers::new(8, 1);
        speakers.claim(remote(1), 0, 1, second(1));
        speakers.claim(remote(2), 1, 1, second(1));
        speakers.note_member(remote(3), 0, second(1));
        speakers.note_member(remote(4), 1, second(1));
        speakers.claim(remote(4), 0, 1, second(1));
        speakers.note_excluded_caller(remote(5), second(1));
        speakers.renumber(|member| if member == 1 { 7 } else { NO_MEMBER });
        let told: Vec<_> =
            (1..=5).map(|host| speakers.find(&remote(host)).map(|it| (it.member, it.addressed))).collect();
        let fourth = Some((NO_MEMBER, Addressed::Member(7)));
        let fifth = Some((NO_MEMBER, Addressed::Virtual));
        assert_eq!(told, [None, Some((7, Addressed::Nothing)), None, fourth, fifth]);
        assert_eq!(speakers.len(), 3);
    }

    #[test]
    fn the_oldest_gives_way_and_the_old_expire() {
        let mut speakers = Speakers::new(3, 1);
        for host in 1..=3 {
            speakers.claim(remote(host), 7, 1, second(host.into()));
        }
        speakers.claim(remote(1), 7, 1, second(4));
        speakers.claim(remote(4), 7, 1, second(5));
        assert!(speakers.find(&remote(2)).is_none() && speakers.len() == 3);
        assert_eq!(speakers.expire(second(8), Duration::from_secs(4), 8), 2);
        assert!(speakers.find(&remote(4)).is_some() && speakers.len() == 1);
        assert_eq!(speakers.expire(second(100), Duration::from_secs(4), 0), 0);
    }

    /// What [`Speakers`] ought to say, in the plainest words.
    #[derive(Default)]
    struct Model(BTreeMap<Endpoint, Speaker>);

    impl Model {
        fn oldest(&self) -> Option<Endpoint> {
            self.0.iter().min_by_key(|(_, speaker)| speaker.last_seen).map(|(key, _)| *key)
        }

        /// The entry of a remote, made if need be in the place of the oldest of five.
        fn renew(&mut self, key: Endpoint, now: Instant) -> &mut Speaker {
            if !self.0.contains_key(&key) && self.0.len() == 5 {
                self.oldest().map(|oldest| self.0.remove(&oldest));
            }
            let new = Speaker {
                member: NO_MEMBER,
                generation: 0,
                addressed: Addressed::Nothing,
                claimed: Instant::ZERO,
                last_seen: now,
            };
            let speaker = self.0.entry(key).or_insert(new);
            speaker.last_seen = now;
            speaker
        }

        fn release(&mut self, key: &Endpoint) {
            if let Some(speaker) = self.0.get_mut(key) {
                speaker.member = NO_MEMBER;
            }
            self.0.retain(|it, speaker| it != key || speaker.addressed != Addressed::Nothing);
        }

        fn note_virtual(&mut self, key: Endpoint, now: Instant) {
            match self.0.get(&key).map(|speaker| speaker.member) {
                Some(NO_MEMBER) => drop(self.0.remove(&key)),
                Some(_) => self.renew(key, now).addressed = Addressed::Virtual,
                None => (),
            }
        }

        fn expire(&mut self, now: Instant, age: Duration) -> usize {
            let is_old = |key: &Endpoint| now - self.0[key].last_seen >= age;
            let old = self.oldest().filter(is_old);
            old.map_or(0, |oldest| usize::from(self.0.remove(&oldest).is_some()))
        }
    }

    proptest! {
        /// Against a map, with more remotes than places.
        #[test]
        fn agrees_with_a_map(steps in prop::collection::vec((0..6_u8, 0..9_u8), 0..200), seed: u64) {
            let (mut speakers, mut model) = (Speakers::new(5, seed), Model::default());
            for (tick, (step, host)) in steps.into_iter().enumerate() {
                let (now, key, age) = (second(tick as u64), remote(host), Duration::from_secs(6));
                match step {
                    0 => {
                        speakers.claim(key, host.into(), 9, now);
                        let speaker = model.renew(key, now);
                        (speaker.member, speaker.generation, speaker.claimed) = (host.into(), 9, now);
                    }
                    1 => {
                        speakers.note_member(key, 3, now);
                        model.renew(key, now).addressed = Addressed::Member(3);
                    }
                    2 => {
                        speakers.note_excluded_caller(key, now);
                        model.renew(key, now).addressed = Addressed::Virtual;
                    }
                    3 => {
                        speakers.note_virtual(&key, now);
                        model.note_virtual(key, now);
                    }
                    4 => {
                        speakers.release(&key);
                        model.release(&key);
                    }
                    _ => prop_assert_eq!(speakers.expire(now, age, 1), model.expire(now, age)),
                }
                prop_assert_eq!(speakers.len(), model.0.len());
                for host in 0..9 {
                    prop_assert_eq!(speakers.find(&remote(host)), model.0.get(&remote(host)));
                }
            }
        }
    }
}
