use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const V: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 100);

fn peer(host: u8) -> Peer {
    Peer { remote: Endpoint::new(Ipv4Addr::new(172, 16, 9, host), 5060), home: V, since: 0 }
}

fn member(id: u16) -> MemberRef {
    MemberRef { id, since: 1 }
}

fn second(count: u64) -> Instant {
    Instant::from_millis(1000 * count)
}

fn visits(members: &[u16]) -> [MemberRef; VISITS] {
    let mut visited = [MemberRef::NONE; VISITS];
    visited.iter_mut().zip(members).for_each(|(place, id)| *place = member(*id));
    visited
}

#[test]
fn a_claim_is_found_and_renewed_and_the_active_member_ends_no_row() {
    let mut speakers = Speakers::new(4, 1);
    assert!(speakers.is_empty() && speakers.find(&peer(1)).is_none());
    speakers.claim(peer(1), member(7), false, 3, second(1));
    speakers.claim(peer(1), member(8), false, 4, second(2));
    let expected = Speaker { member: member(8), generation: 4, claimed: second(2), ..Speaker::NOTHING };
    assert_eq!(speakers.find(&peer(1)), Some(&expected));
    assert_eq!((speakers.len(), speakers.find(&peer(2))), (1, None));
    speakers.note_active(&peer(1), member(9));
    speakers.note_active(&peer(2), member(9));
    assert_eq!(speakers.find(&peer(1)), Some(&Speaker { superseded: true, ..expected }));
    speakers.claim(peer(1), member(8), false, 4, second(2));
    assert_eq!((speakers.len(), speakers.find(&peer(1))), (1, Some(&expected)));
}

fn branch(number: u8) -> Branch {
    Branch::of(&[number]).unwrap()
}

#[test]
fn eight_requests_are_remembered_and_a_repetition_takes_one_place() {
    let mut speakers = Speakers::new(4, 1);
    for at in [1, 2, 1, 3, 4, 5, 6, 7, 8, 8, 1] {
        speakers.note_request(peer(1), member(at.into()), false, branch(at), second(at.into()));
    }
    let asker = |speakers: &Speakers, at: u8| speakers.find(&peer(1)).unwrap().asker(branch(at)).map(|it| it.id);
    let all = |speakers: &Speakers| (1..=9).filter_map(|at| asker(speakers, at)).collect::<Vec<_>>();
    assert_eq!((all(&speakers), speakers.find(&peer(1)).unwrap().forgot), ((1..=8).collect(), None));
    speakers.note_request(peer(1), member(9), true, branch(9), second(20));
    let expected = [1, 3, 4, 5, 6, 7, 8, 9].to_vec();
    assert_eq!((all(&speakers), speakers.find(&peer(1)).unwrap().forgot), (expected, Some(second(20))));
    let while_down = |speakers: &Speakers, id| speakers.find(&peer(1)).unwrap().has_spoken_while_down(member(id));
    assert_eq!((while_down(&speakers, 9), while_down(&speakers, 1)), (true, false));
    speakers.claim(peer(1), member(1), true, 1, second(20));
    assert!(while_down(&speakers, 1));
    speakers.note_request(peer(1), member(5), false, branch(9), second(21));
    assert_eq!((asker(&speakers, 9), speakers.find(&peer(1)).unwrap().forgot), (Some(5), Some(second(20))));
    speakers.note_virtual(&peer(1));
    assert_eq!(asker(&speakers, 9), Some(5), "who asked is answered, whomever the remote calls");
}

#[test]
fn a_request_that_was_answered_gives_way_first_and_is_not_missed() {
    let mut speakers = Speakers::new(4, 1);
    let asker = |speakers: &Speakers, at: u8| speakers.find(&peer(1)).unwrap().asker(branch(at)).map(|it| it.id);
    for at in 1..=30 {
        speakers.note_request(peer(1), member(at.into()), false, branch(at), second(at.into()));
        if at > 3 {
            speakers.note_answer(&peer(1), branch(at));
        }
    }
    let known: Vec<_> = (1..=30).filter_map(|at| asker(&speakers, at)).collect();
    assert_eq!((known, speakers.find(&peer(1)).unwrap().forgot), (vec![1, 2, 3, 26, 27, 28, 29, 30], None));
    speakers.note_answer(&peer(2), branch(1));
    assert_eq!(asker(&speakers, 30), Some(30), "an answer may be repeated");
}

#[test]
fn pairs_do_not_see_each_others_entries() {
    let mut speakers = Speakers::new(4, 1);
    let other = Peer { home: Ipv4Addr::new(10, 20, 0, 200), ..peer(1) };
    speakers.claim(peer(1), member(7), false, 3, second(1));
    speakers.note_excluded_caller(other, second(1));
    speakers.note_active(&other, member(9));
    assert_eq!(speakers.find(&peer(1)).map(|it| (it.member, it.called)), Some((member(7), false)));
    assert_eq!(speakers.find(&other).map(|it| (it.member, it.called)), Some((MemberRef::NONE, true)));
}

#[test]
fn traffic_to_a_virtual_server_makes_no_entry() {
    let mut speakers = Speakers::new(4, 1);
    speakers.note_virtual(&peer(1));
    assert!(speakers.is_empty());
    speakers.note_member(peer(1), member(5), second(1));
    assert!(speakers.find(&peer(1)).is_some_and(|it| it.has_visited(member(5)) && !it.has_visited(member(6))));
    speakers.note_virtual(&peer(1));
    assert!(speakers.is_empty(), "it said nothing but the opposite");
    speakers.claim(peer(1), member(7), false, 1, second(3));
    speakers.note_virtual(&peer(1));
    assert_eq!(speakers.find(&peer(1)).map(|it| (it.member, it.called)), Some((member(7), false)));
}

#[test]
fn several_members_are_visited_at_once_and_the_oldest_visit_gives_way() {
    let mut speakers = Speakers::new(4, 1);
    for id in [1, 2, 1, 3, 4, 5] {
        speakers.note_member(peer(1), member(id), second(1));
    }
    assert_eq!(speakers.find(&peer(1)).map(|it| it.visited), Some(visits(&[5, 4, 3, 1])));
    speakers.note_excluded_caller(peer(1), second(2));
    assert_eq!(speakers.find(&peer(1)).map(|it| (it.called, it.visited)), Some((true, visits(&[]))));
    speakers.note_member(peer(1), member(2), second(3));
    assert_eq!(speakers.find(&peer(1)).map(|it| (it.called, it.visited)), Some((true, visits(&[2]))));
}

#[test]
fn what_the_active_member_had_claimed_and_asked_itself_needs_no_entry() {
    let mut speakers = Speakers::new(4, 1);
    for host in 1..=3 {
        speakers.claim(peer(host), member(7), false, 3, second(1));
        speakers.note_request(peer(host), member(7), false, branch(host), second(1));
    }
    speakers.note_member(peer(2), member(7), second(2));
    speakers.note_request(peer(3), member(8), false, branch(9), second(2));
    speakers.note_active(&peer(1), member(8));
    assert_eq!(speakers.len(), 3, "another one's");
    (1..=3).for_each(|host| speakers.note_active(&peer(host), member(7)));
    assert_eq!((speakers.len(), speakers.find(&peer(1))), (2, None));
    assert!(speakers.find(&peer(2)).is_some_and(|it| it.has_visited(member(7)) && it.asker(branch(2)).is_none()));
    assert!(
        speakers
            .find(&peer(3))
            .is_some_and(|it| it.asker(branch(9)) == Some(member(8)) && it.asker(branch(3)).is_none())
    );
}

/// While there is any entry, all datagrams are read: none stays for the sake of a claim that is over.
#[test]
fn what_only_claims_is_forgotten_with_its_claim() {
    let mut speakers = Speakers::new(8, 1);
    speakers.claim(peer(1), member(7), false, 3, second(1));
    speakers.claim(peer(2), member(7), true, 3, second(1));
    speakers.claim(peer(3), member(7), false, 3, second(1));
    speakers.note_request(peer(3), member(7), false, branch(1), second(1));
    let expire =
        |speakers: &mut Speakers, at| speakers.expire(second(at), Duration::from_secs(300), Duration::from_secs(32), 8);
    assert_eq!(expire(&mut speakers, 32), 0);
    assert_eq!((expire(&mut speakers, 33), speakers.find(&peer(1))), (1, None));
    assert_eq!(expire(&mut speakers, 300), 0);
    assert_eq!(expire(&mut speakers, 301), 2);
}

#[test]
fn what_was_known_in_the_name_of_an_address_or_a_member_that_was_away_is_not_found() {
    let mut speakers = Speakers::new(4, 1);
    speakers.note_member(peer(1), member(7), second(1));
    assert_eq!(speakers.find(&Peer { since: 2, ..peer(1) }), None);
    let back = MemberRef { since: 2, ..member(7) };
    assert!(speakers.find(&peer(1)).is_some_and(|it| it.has_visited(member(7)) && !it.has_visited(back)));
}

#[test]
fn the_oldest_gives_way_and_the_old_expire() {
    let mut speakers = Speakers::new(3, 1);
    for host in 1..=3 {
        speakers.claim(peer(host), member(7), false, 1, second(host.into()));
    }
    speakers.claim(peer(1), member(7), false, 1, second(4));
    speakers.claim(peer(4), member(7), false, 1, second(5));
    assert!(speakers.find(&peer(2)).is_none() && speakers.len() == 3);
    let age = Duration::from_secs(4);
    assert_eq!(speakers.expire(second(8), age, age, 8), 2);
    assert!(speakers.find(&peer(4)).is_some() && speakers.len() == 1);
    assert_eq!(speakers.expire(second(100), age, age, 0), 0);
}

/// What [`Speakers`] ought to say, in the plainest words; each with when it was made or renewed.
#[derive(Default)]
struct Model(BTreeMap<Peer, (Speaker, Instant)>);

impl Model {
    fn oldest(&self) -> Option<Peer> {
        self.0.iter().min_by_key(|(_, (_, seen))| *seen).map(|(key, _)| *key)
    }

    /// The entry of a peer, made if need be in the place of the oldest of five.
    fn renew(&mut self, key: Peer, now: Instant) -> &mut Speaker {
        if !self.0.contains_key(&key) && self.0.len() == 5 {
            self.oldest().map(|oldest| self.0.remove(&oldest));
        }
        let (speaker, seen) = self.0.entry(key).or_insert((Speaker::NOTHING, now));
        *seen = now;
        speaker
    }

    fn change(&mut self, key: &Peer, change: impl FnOnce(&mut Speaker)) {
        if let Some((speaker, _)) = self.0.get_mut(key) {
            change(speaker);
        }
        let says_who = |it: &Speaker| it.member != MemberRef::NONE || it.asked != [Asked::NOTHING; ASKED];
        self.0.retain(|_, (it, _)| says_who(it) || it.called || it.visited != visits(&[]));
    }

    fn expire(&mut self, now: Instant, age: Duration, claim: Duration) -> usize {
        let says_more = |it: &Speaker| {
            it.while_down
                || it.called
                || it.forgot.is_some()
                || it.asked != [Asked::NOTHING; ASKED]
                || it.visited != visits(&[])
        };
        let age_of = |it: &Speaker| if says_more(it) { age } else { claim };
        let is_old = |key: &Peer| now - self.0[key].1 >= age_of(&self.0[key].0);
        let old = self.oldest().filter(is_old);
        old.map_or(0, |oldest| usize::from(self.0.remove(&oldest).is_some()))
    }
}

proptest! {
    /// Against a map, with more peers than places.
    #[test]
    fn agrees_with_a_map(steps in prop::collection::vec((0..7_u8, 0..9_u8), 0..200), seed: u64) {
        let (mut speakers, mut model) = (Speakers::new(5, seed), Model::default());
        for (tick, (step, host)) in steps.into_iter().enumerate() {
            let (now, key) = (second(tick as u64 + 1), peer(host));
            let (age, claim) = (Duration::from_secs(6), Duration::from_secs(3));
            match step {
                0 => {
                    speakers.claim(key, member(host.into()), false, 9, now);
                    let speaker = model.renew(key, now);
                    (speaker.member, speaker.generation, speaker.claimed) = (member(host.into()), 9, now);
                    speaker.superseded = false;
                }
                1 => {
                    speakers.note_member(key, member(3), now);
                    model.renew(key, now).visited = visits(&[3]);
                }
                2 => {
                    speakers.note_excluded_caller(key, now);
                    let speaker = model.renew(key, now);
                    (speaker.called, speaker.visited) = (true, visits(&[]));
                }
                3 => {
                    speakers.note_virtual(&key);
                    model.change(&key, |speaker| speaker.visited = visits(&[]));
                }
                4 => {
                    let active = member(if tick % 2 == 0 { host.into() } else { tick as u16 / 2 });
                    speakers.note_active(&key, active);
                    model.change(&key, |speaker| {
                        speaker.superseded = true;
                        if speaker.member == active {
                            speaker.member = MemberRef::NONE;
                        }
                        let mut others: Vec<_> = speaker.asked.into_iter().filter(|one| one.member != active).collect();
                        others.resize(ASKED, Asked::NOTHING);
                        speaker.asked.copy_from_slice(&others);
                    });
                }
                5 => {
                    let asked = Asked { branch: Some(branch(tick as u8 % 11)), member: member(tick as u16), while_down: tick % 2 == 0, answered: false };
                    speakers.note_request(key, asked.member, tick % 2 == 0, branch(tick as u8 % 11), now);
                    let speaker = model.renew(key, now);
                    let others = speaker.asked.into_iter().filter(|one| one.branch != asked.branch);
                    let mut all: Vec<_> = std::iter::once(asked).chain(others).collect();
                    if all.get(ASKED).is_some_and(|last| *last != Asked::NOTHING) {
                        speaker.forgot = Some(now);
                    }
                    all.resize(ASKED, Asked::NOTHING);
                    speaker.asked.copy_from_slice(&all);
                }
                _ => prop_assert_eq!(speakers.expire(now, age, claim, 1), model.expire(now, age, claim)),
            }
            prop_assert_eq!(speakers.len(), model.0.len());
            for host in 0..9 {
                prop_assert_eq!(speakers.find(&peer(host)), model.0.get(&peer(host)).map(|(speaker, _)| speaker));
            }
        }
    }
}
