//! Scenarios 18 to 21: who gets a client's datagrams while probes find out that the pair has changed its mind.

use crate::with_a_active;
use fairlead::time::{Duration, Instant};
use fairlead::wire::Endpoint;
use fairlead::wire::build::Build;
use std::net::Ipv4Addr;
use testbench::bench::frames::*;
use testbench::bench::{Bench, File, OUTER, Seen, Service};

/// A client sends a datagram every 20 ms for `span`; each must come to somebody. What left is returned.
fn steady(bench: &mut Bench, span: Duration) -> Vec<Seen> {
    let (end, mut seen) = (bench.now() + span, Vec::new());
    while bench.now() < end {
        bench.send(ROUTER, &request(at(PHONE, 5060), V));
        bench.run(ms(20));
        seen.extend(bench.look());
    }
    seen
}

/// A steady client while sip-a ends as `end` says and sip-b begins.
fn a_steady_client_follows(end: impl Fn(&mut Bench)) {
    with_a_active(&File::two_arm(), |bench| {
        let client = at(PHONE, 5060);
        let before = steady(bench, secs(1));
        let (to_a, to_b) = (request(client, A).ttl(63), request(client, B).ttl(63));
        before.iter().for_each(|seen| bench.expect(std::slice::from_ref(seen), HOST_A, &to_a));
        let ended = bench.now();
        end(bench);
        bench.members[1].serve();
        let seen = steady(bench, secs(3));
        let record = bench.last_switchover();
        let installed = Instant::from_nanos(record.installed.expect("every worker knows") * 1_000);
        assert_eq!(record.to.as_deref(), Some("sip-b"));
        assert!(installed.since(ended) <= secs(2), "it took {:?}", installed.since(ended));
        let (before, after): (Vec<_>, Vec<_>) = seen.into_iter().partition(|seen| seen.at <= installed);
        assert!(before.len() + after.len() >= 150, "every datagram came to somebody");
        assert!(after.len() > 50);
        after.iter().for_each(|seen| bench.expect(std::slice::from_ref(seen), HOST_B, &to_b));
        let gap = after[0].at.since(installed);
        assert!(gap <= ms(21), "the next datagram already goes to sip-b, not one {gap:?} later");
    });
}

#[test]
fn s18_a_steady_client_follows_when_the_port_is_closed() {
    a_steady_client_follows(|bench| bench.members[0].retire());
}

#[test]
fn s18_a_steady_client_follows_when_the_server_hangs() {
    a_steady_client_follows(|bench| bench.members[0].udp = Service::Swallows);
}

#[test]
fn s18_a_steady_client_follows_when_the_host_is_gone() {
    a_steady_client_follows(|bench| bench.members[0].powered = false);
}

#[test]
fn s18_in_the_worst_phase_of_the_probes_detection_takes_no_more_than_two_seconds() {
    for phase in [0, 1, 250, 499] {
        with_a_active(&File::two_arm(), |bench| {
            let heard = bench.members[0].probes.len();
            bench.until(secs(1), |bench| bench.members[0].probes.len() > heard);
            bench.run(ms(2 + phase));
            let ended = bench.now();
            bench.members[0].powered = false;
            bench.members[1].serve();
            bench.until(secs(2), |bench| bench.switchovers().iter().any(|row| row.to.as_deref() == Some("sip-b")));
            let installed = Instant::from_nanos(bench.last_switchover().installed.unwrap() * 1_000);
            assert!(installed.since(ended) <= secs(2), "{:?} in phase {phase}", installed.since(ended));
        });
    }
}

#[test]
fn s18_where_the_standby_answers_detection_takes_no_more_than_1200_ms() {
    for phase in [0, 1, 125, 250, 375, 499] {
        with_a_active(&File::two_arm(), |bench| {
            bench.members[1].serve();
            bench.run(secs(2) + ms(phase));
            let ended = bench.now();
            bench.members[0].udp = Service::Swallows;
            bench.until(secs(2), |bench| bench.switchovers().iter().any(|row| row.to.as_deref() == Some("sip-b")));
            let installed = Instant::from_nanos(bench.last_switchover().installed.unwrap() * 1_000);
            assert!(installed.since(ended) <= ms(1_200), "{:?} in phase {phase}", installed.since(ended));
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
    fn speak(&mut self, bench: &mut Bench, first: u32) {
        for number in first..first + AT_ONCE {
            bench.send(ROUTER, &Build::udp(remote(number), at(V, 5060)).payload(b"OPTIONS"));
        }
        bench.turn();
        self.sort(bench);
    }

    /// `count` remotes each send a datagram.
    fn all_speak(bench: &mut Bench, count: u32) -> Came {
        let mut came = Came::default();
        (0..count).step_by(AT_ONCE as usize).for_each(|first| came.speak(bench, first));
        (0..3).for_each(|_| bench.turn());
        came.sort(bench);
        came
    }

    fn sort(&mut self, bench: &mut Bench) {
        for seen in bench.look() {
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
    with_a_active(&File::two_arm().probing(100, 2), |bench| {
        bench.step = Duration::from_micros(100);
        assert_eq!(Came::all_speak(bench, 100_000).count(), (100_000, 0));
        bench.members[0].retire();
        bench.members[1].serve();
        let (mut during, mut first) = (Came::default(), 0);
        while !bench.lead.log.iter().any(|line| line.message.contains("-> sip-b")) {
            during.speak(bench, first);
            first = (first + AT_ONCE) % 99_950;
        }
        let after = Came::all_speak(bench, 100_000);
        assert_eq!(after.count(), (0, 100_000));
        let rows = bench.switchovers();
        let event = rows.iter().find(|row| row.from.as_deref() == Some("sip-a")).expect("sip-a lost its role");
        let event = Instant::from_nanos(event.detected * 1_000);
        let last = *during.to_a.last().expect("sip-a was spoken to until the event");
        assert!(last.since(event) <= ms(1), "sip-a was sent a datagram {:?} after the event", last.since(event));
    });
}

#[test]
fn s19_forced_by_the_operator_all_follow_without_losing_one() {
    with_a_active(&File::two_arm(), |bench| {
        bench.members[1].serve();
        bench.run(secs(2));
        bench.look();
        bench.step = Duration::from_micros(100);
        assert_eq!(Came::all_speak(bench, 50_000).count(), (50_000, 0));
        bench.force("sip-b");
        let row = bench.last_switchover();
        assert!(row.installed.unwrap() - row.detected <= 1_000, "{row:?}");
        assert_eq!(Came::all_speak(bench, 50_000).count(), (0, 50_000));
    });
}

#[test]
fn s20_a_standby_that_speaks_is_answered_and_probes_fire_at_once() {
    let file = File::two_arm().probing(10_000, 3);
    with_a_active(&file, |bench| {
        bench.rest(secs(25));
        bench.look();
        let (peer, phone) = (at(PEER, 5060), at(PHONE, 5060));
        bench.forwards(ROUTER, request(peer, V), HOST_A, request(peer, A));
        let heard = (bench.members[0].probes.len(), bench.members[1].probes.len());
        bench.forwards(HOST_B, call(B, peer), ROUTER, call(V, peer));
        bench.run(ms(20));
        assert!(bench.members[1].probes.len() > heard.1, "sip-b is probed at once");
        assert!(bench.members[0].probes.len() > heard.0, "and so is sip-a");
        bench.look();
        bench.forwards(ROUTER, answer(peer, V), HOST_B, answer(peer, B));
        bench.forwards(ROUTER, request(peer, V), HOST_A, request(peer, A));
        bench.forwards(ROUTER, request(phone, V), HOST_A, request(phone, A));
        assert_eq!(bench.active().as_deref(), Some("sip-a"));
    });
}

#[test]
fn s20_a_standby_that_has_been_promoted_is_active_soon_after_its_first_word() {
    let file = File::two_arm().probing(10_000, 3);
    with_a_active(&file, |bench| {
        bench.rest(secs(25));
        bench.look();
        bench.members[0].retire();
        bench.members[1].serve();
        let peer = at(PEER, 5060);
        bench.forwards(HOST_B, call(B, peer), ROUTER, call(V, peer));
        bench.members[0].answers_peers = true;
        let took = bench.until(secs(25), |bench| {
            bench.send(ROUTER, &request(at(PHONE, 5060), V));
            bench.run(ms(100));
            bench.active().as_deref() == Some("sip-b")
        });
        assert!(took <= secs(2), "what is closed and who speaks are hints, but it took {took:?}");
    });
}

#[test]
fn s20_a_standby_that_speaks_without_end_gets_its_answers_and_is_not_probed_without_end() {
    with_a_active(&File::two_arm(), |bench| {
        bench.members[1].udp = Service::Swallows;
        let begin = bench.now();
        for number in 0..200 {
            let (peer, phone) = (at(PEER, 5060 + number), at(PHONE, 5060 + number));
            bench.forwards(HOST_B, call(B, peer), ROUTER, call(V, peer));
            bench.forwards(ROUTER, answer(peer, V), HOST_B, answer(peer, B));
            bench.forwards(ROUTER, request(phone, V), HOST_A, request(phone, A));
        }
        let (heard, tenths) = (bench.members[1].probes.len(), bench.now().since(begin).as_millis() / 100);
        assert!(heard as u128 <= tenths + 10, "{heard} probes in {tenths} tenths of a second");
        assert_eq!(bench.active().as_deref(), Some("sip-a"));
    });
}

#[test]
fn s21_what_the_old_one_still_sends_is_translated_and_claims_nobody() {
    with_a_active(&File::two_arm(), |bench| {
        let peer = at(PEER, 5060);
        bench.forwards(HOST_A, call(A, peer), ROUTER, call(V, peer));
        bench.members[0].retire();
        bench.members[1].serve();
        bench.until(secs(3), |bench| bench.active().as_deref() == Some("sip-b"));
        bench.look();
        bench.forwards(HOST_A, call(A, peer), ROUTER, call(V, peer));
        bench.forwards(ROUTER, request(peer, V), HOST_B, request(peer, B));
    });
}

/// The ICMP errors that a client got.
fn errors_heard(bench: &mut Bench) -> usize {
    bench.look().iter().filter(|seen| seen.port == OUTER && seen.frame[23] == 1).count()
}

/// The usual course: the process of sip-a ends, sip-b opens its ports some time later; clients send meanwhile.
#[test]
fn s22_what_the_kernel_of_a_dead_process_says_reaches_no_client_that_the_switchover_serves() {
    with_a_active(&File::two_arm(), |bench| {
        let client = at(PHONE, 5060);
        bench.members[0].answers_peers = true;
        bench.members[0].retire();
        for step in 0..40 {
            if step == 30 {
                bench.members[1].serve();
            }
            bench.send(ROUTER, &request(client, V));
            bench.run(ms(50));
            assert_eq!(errors_heard(bench), 0, "after {step} steps");
        }
        bench.until(secs(3), |bench| bench.active().as_deref() == Some("sip-b"));
        assert_eq!(errors_heard(bench), 0);
        assert!(bench.counter("drop_unreachable_superseded") > 0 && bench.counter("queued") == 0);
        bench.served_by(client, HOST_B);
    });
}

/// Its monitor asks elsewhere and finds it well: the client hears within a round trip, not after the gap.
#[test]
fn s22_what_a_living_member_says_is_passed_on_when_it_has_answered_a_probe() {
    let file = File::two_arm().with("transport = \"udp\"", "transport = \"tcp\"");
    with_a_active(&file, |bench| {
        (bench.members[0].udp, bench.members[0].answers_peers) = (Service::Closed, true);
        bench.send(ROUTER, &request(at(PHONE, 5060), V));
        bench.run(ms(100));
        assert_eq!((errors_heard(bench), bench.counter("queued")), (1, 0));
    });
}
