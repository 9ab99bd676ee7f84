//! Scenarios 18 to 21: who gets a client's datagrams while probes find out that the pair has changed its mind.

use crate::told_with_a_active;
use fairlead::time::{Duration, Instant};
use fairlead::wire::Endpoint;
use fairlead::wire::build::Build;
use std::net::Ipv4Addr;
use testbench::world::frames::*;
use testbench::world::{File, Seen, Service, World};

/// A client sends a datagram every 20 ms for `span`; each must come to somebody. What left is returned.
fn steady(world: &mut World, span: Duration) -> Vec<Seen> {
    let (end, mut seen) = (world.now() + span, Vec::new());
    while world.now() < end {
        world.send(ROUTER, &request(at(PHONE, 5060), V));
        world.run(ms(20));
        seen.extend(world.look());
    }
    seen
}

/// A steady client while sip-a ends as `end` says and sip-b begins.
fn a_steady_client_follows(end: impl Fn(&mut World)) {
    told_with_a_active(&File::two_arm(), |world| {
        let client = at(PHONE, 5060);
        let before = steady(world, secs(1));
        let (to_a, to_b) = (request(client, A).ttl(63), request(client, B).ttl(63));
        before.iter().for_each(|seen| world.expect(std::slice::from_ref(seen), HOST_A, &to_a));
        let ended = world.now();
        end(world);
        world.members[1].serve();
        let seen = steady(world, secs(3));
        let record = world.last_switchover();
        let installed = Instant::from_nanos(record.installed.expect("every worker knows") * 1_000);
        assert_eq!(record.to.as_deref(), Some("sip-b"));
        assert!(installed.since(ended) <= secs(2), "it took {:?}", installed.since(ended));
        let (before, after): (Vec<_>, Vec<_>) = seen.into_iter().partition(|seen| seen.at <= installed);
        assert!(before.len() + after.len() >= 150, "every datagram came to somebody");
        assert!(after.len() > 50);
        after.iter().for_each(|seen| world.expect(std::slice::from_ref(seen), HOST_B, &to_b));
        let gap = after[0].at.since(installed);
        assert!(gap <= ms(21), "the next datagram already goes to sip-b, not one {gap:?} later");
    });
}

#[test]
fn s18_a_steady_client_follows_when_the_port_is_closed() {
    a_steady_client_follows(|world| world.members[0].retire());
}

#[test]
fn s18_a_steady_client_follows_when_the_server_hangs() {
    a_steady_client_follows(|world| world.members[0].udp = Service::Swallows);
}

#[test]
fn s18_a_steady_client_follows_when_the_host_is_gone() {
    a_steady_client_follows(|world| world.members[0].powered = false);
}

#[test]
fn s18_in_the_worst_phase_of_the_probes_detection_takes_no_more_than_two_seconds() {
    for phase in [0, 1, 250, 499] {
        told_with_a_active(&File::two_arm(), |world| {
            let heard = world.members[0].probes.len();
            world.until(secs(1), |world| world.members[0].probes.len() > heard);
            world.run(ms(2 + phase));
            let ended = world.now();
            world.members[0].powered = false;
            world.members[1].serve();
            world.until(secs(2), |world| world.switchovers().iter().any(|row| row.to.as_deref() == Some("sip-b")));
            let installed = Instant::from_nanos(world.last_switchover().installed.unwrap() * 1_000);
            assert!(installed.since(ended) <= secs(2), "{:?} in phase {phase}", installed.since(ended));
        });
    }
}

/// Datagrams that a step carries.
const AT_ONCE: u32 = 50;

/// One of many remote endpoints.
fn remote(at: u32) -> Endpoint {
    Endpoint::new(Ipv4Addr::from(0xad10_0000 + at / 4), 5000 + (at % 4) as u16)
}

/// When datagrams came to sip-a and to sip-b.
#[derive(Default)]
struct Came {
    to_a: Vec<Instant>,
    to_b: Vec<Instant>,
}

impl Came {
    /// Remotes from `first` on each send a datagram, as many as fit into a step.
    fn speak(&mut self, world: &mut World, first: u32) {
        for number in first..first + AT_ONCE {
            world.send(ROUTER, &Build::udp(remote(number), at(V, 5060)).payload(b"OPTIONS"));
        }
        world.turn();
        self.sort(world);
    }

    /// `count` remotes each send a datagram.
    fn all_speak(world: &mut World, count: u32) -> Came {
        let mut came = Came::default();
        (0..count).step_by(AT_ONCE as usize).for_each(|first| came.speak(world, first));
        (0..3).for_each(|_| world.turn());
        came.sort(world);
        came
    }

    fn sort(&mut self, world: &mut World) {
        for seen in world.look() {
            match seen.tuple() {
                Some(tuple) if tuple.dst == at(A, 5060) => self.to_a.push(seen.at),
                Some(tuple) if tuple.dst == at(B, 5060) => self.to_b.push(seen.at),
                _ => assert_eq!(seen.headers().src().to_string(), V, "refused while nobody is active"),
            }
        }
    }

    fn count(&self) -> (usize, usize) {
        (self.to_a.len(), self.to_b.len())
    }
}

#[test]
fn s19_a_hundred_thousand_remotes_follow_within_a_millisecond_of_the_event() {
    told_with_a_active(&File::two_arm().probing(100, 2), |world| {
        world.step = Duration::from_micros(100);
        assert_eq!(Came::all_speak(world, 100_000).count(), (100_000, 0));
        world.members[0].retire();
        world.members[1].serve();
        let (mut during, mut first) = (Came::default(), 0);
        while !world.lead.log.iter().any(|line| line.message.contains("-> sip-b")) {
            during.speak(world, first);
            first = (first + AT_ONCE) % 99_950;
        }
        let after = Came::all_speak(world, 100_000);
        assert_eq!(after.count(), (0, 100_000));
        let rows = world.switchovers();
        let event = rows.iter().find(|row| row.from.as_deref() == Some("sip-a")).expect("sip-a lost its role");
        let event = Instant::from_nanos(event.detected * 1_000);
        let last = *during.to_a.last().expect("sip-a was spoken to until the event");
        assert!(last.since(event) <= ms(1), "sip-a was sent a datagram {:?} after the event", last.since(event));
    });
}

#[test]
fn s19_forced_by_the_operator_all_follow_without_losing_one() {
    told_with_a_active(&File::two_arm(), |world| {
        world.members[1].serve();
        world.run(secs(2));
        world.look();
        world.step = Duration::from_micros(100);
        assert_eq!(Came::all_speak(world, 50_000).count(), (50_000, 0));
        world.force("sip-b");
        let row = world.last_switchover();
        assert!(row.installed.unwrap() - row.detected <= 1_000, "{row:?}");
        assert_eq!(Came::all_speak(world, 50_000).count(), (0, 50_000));
    });
}

#[test]
fn s20_a_standby_that_speaks_is_answered_and_probes_fire_at_once() {
    let file = File::two_arm().probing(10_000, 3);
    told_with_a_active(&file, |world| {
        world.rest(secs(25));
        world.look();
        let (peer, phone) = (at(PEER, 5060), at(PHONE, 5060));
        world.forwards(ROUTER, request(peer, V), HOST_A, request(peer, A));
        let heard = (world.members[0].probes.len(), world.members[1].probes.len());
        world.forwards(HOST_B, call(B, peer), ROUTER, call(V, peer));
        world.run(ms(20));
        assert!(world.members[1].probes.len() > heard.1, "sip-b is probed at once");
        assert!(world.members[0].probes.len() > heard.0, "and so is sip-a");
        world.look();
        world.forwards(ROUTER, request(peer, V), HOST_B, request(peer, B));
        world.forwards(ROUTER, request(phone, V), HOST_A, request(phone, A));
        assert_eq!(world.active().as_deref(), Some("sip-a"));
    });
}

#[test]
fn s20_a_standby_that_has_been_promoted_is_active_soon_after_its_first_word() {
    let file = File::two_arm().probing(10_000, 3);
    told_with_a_active(&file, |world| {
        world.rest(secs(25));
        world.look();
        world.members[0].retire();
        world.members[1].serve();
        let peer = at(PEER, 5060);
        world.forwards(HOST_B, call(B, peer), ROUTER, call(V, peer));
        world.members[0].talks = true;
        let took = world.until(secs(25), |world| {
            world.send(ROUTER, &request(at(PHONE, 5060), V));
            world.run(ms(100));
            world.active().as_deref() == Some("sip-b")
        });
        assert!(took <= secs(2), "what is closed and who speaks are hints, but it took {took:?}");
    });
}

#[test]
fn s20_a_standby_that_speaks_without_end_gets_its_answers_and_is_not_probed_without_end() {
    told_with_a_active(&File::two_arm(), |world| {
        world.members[1].udp = Service::Swallows;
        let begin = world.now();
        for number in 0..200 {
            let (peer, phone) = (at(PEER, 5060 + number), at(PHONE, 5060 + number));
            world.forwards(HOST_B, call(B, peer), ROUTER, call(V, peer));
            world.forwards(ROUTER, request(peer, V), HOST_B, request(peer, B));
            world.forwards(ROUTER, request(phone, V), HOST_A, request(phone, A));
        }
        let (heard, tenths) = (world.members[1].probes.len(), world.now().since(begin).as_millis() / 100);
        assert!(heard as u128 <= tenths + 10, "{heard} probes in {tenths} tenths of a second");
        assert_eq!(world.active().as_deref(), Some("sip-a"));
    });
}

#[test]
fn s21_what_the_old_one_still_says_wears_the_vip_and_claims_nobody() {
    told_with_a_active(&File::two_arm(), |world| {
        let peer = at(PEER, 5060);
        world.forwards(HOST_A, call(A, peer), ROUTER, call(V, peer));
        world.members[0].retire();
        world.members[1].serve();
        world.until(secs(3), |world| world.active().as_deref() == Some("sip-b"));
        world.look();
        world.forwards(HOST_A, call(A, peer), ROUTER, call(V, peer));
        world.forwards(ROUTER, request(peer, V), HOST_B, request(peer, B));
    });
}
