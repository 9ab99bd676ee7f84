//! Scenario 91: what reached a dead member is delivered to the next one, as probes find out.

use crate::with_a_active;
use fairlead::admin::Request;
use fairlead::admin::request::AdminState;
use fairlead::admin::rows::MemberState;
use fairlead::policy::intent::PortId;
use fairlead::wire::build::Build;
use testbench::bench::frames::*;
use testbench::bench::{Bench, File, INNER, OUTER, Service};

/// A client's request, with its transaction.
fn invite(client: u16, to: &str) -> Build {
    let via = format!("Via: SIP/2.0/UDP {PHONE}:{client};branch=z9hG4bK{client}");
    let text = format!("INVITE sip:1@{V} SIP/2.0\r\n{via}\r\nCSeq: 1 INVITE\r\n\r\n");
    Build::udp(at(PHONE, client), at(to, 5060)).payload(text.as_bytes())
}

/// sip-a ends as `end` says, clients send one request each meanwhile, and `then` sip-b serves. What came to sip-b, and to clients.
fn requests_while(
    bench: &mut Bench,
    end: impl Fn(&mut Bench),
    during: impl Fn(&mut Bench),
) -> [Vec<(PortId, Vec<u8>)>; 2] {
    bench.members[0].answers_peers = true;
    bench.send(ROUTER, &invite(7_000, V));
    bench.send(HOST_A, &Build::udp(at(A, 5060), at(PHONE, 7_000)).payload(ANSWER.as_bytes()));
    bench.run(ms(10));
    end(bench);
    let mut seen = Vec::new();
    for client in 7_001..=7_010 {
        bench.send(ROUTER, &invite(client, V));
        bench.run(ms(60));
        seen.extend(bench.look());
    }
    during(bench);
    bench.members[1].serve();
    bench.until(secs(5), |bench| bench.active().as_deref() == Some("sip-b"));
    bench.run(ms(200));
    seen.extend(bench.look());
    let mac = bench.members[1].mac;
    let (inner, outer): (Vec<_>, Vec<_>) = seen.into_iter().partition(|seen| seen.port == INNER);
    let to_b = inner.into_iter().filter(|seen| seen.headers().dst_mac() == mac && seen.is_for(at(B, 5060)));
    let to_clients = outer.into_iter().filter(|seen| seen.port == OUTER && seen.frame[23] == 1);
    [to_b.map(|seen| (seen.port, seen.frame)).collect(), to_clients.map(|seen| (seen.port, seen.frame)).collect()]
}

const ANSWER: &str = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 172.16.5.5:7000;branch=z9hG4bK7000\r\nCSeq: 1 INVITE\r\n\r\n";

/// Each request but the one that was answered comes to sip-b once, whole, and no client is refused.
fn all_are_delivered(end: impl Fn(&mut Bench)) {
    with_a_active(&File::two_arm(), |bench| {
        let [to_b, refused] = requests_while(bench, &end, |_| {});
        let mut expected: Vec<_> =
            (7_001..=7_010).map(|client| bench.leaving(HOST_B, &invite(client, B).ttl(63))).collect();
        let mut got: Vec<_> = to_b.into_iter().map(|(_, frame)| frame).collect();
        got.sort();
        expected.sort();
        assert!(got == expected, "{} frames came to sip-b", got.len());
        assert_eq!(refused, []);
        // Those that find the host gone wait as they are.
        let (delivered, answered) = (bench.counter("redelivery_delivered"), bench.counter("redelivery_answered"));
        assert!(delivered == 10 || (!bench.members[0].powered && delivered > 0), "{delivered}");
        assert_eq!((answered, bench.counter("redelivery_kept")), (1, delivered + 1));
        let record = bench.last_switchover();
        assert_eq!((record.redelivered, record.redelivery_too_old, record.redelivery_no_room), (delivered, 0, 0));
    });
}

#[test]
fn s91_all_are_delivered_when_the_port_is_closed() {
    all_are_delivered(|bench| bench.members[0].retire());
}

#[test]
fn s91_all_are_delivered_when_the_server_hangs() {
    all_are_delivered(|bench| bench.members[0].udp = Service::Swallows);
}

#[test]
fn s91_all_are_delivered_when_the_host_is_gone() {
    all_are_delivered(|bench| bench.members[0].powered = false);
}

/// It answers no probe any more, but says something to somebody else: that may be decided about by another worker.
#[test]
fn s91_none_is_delivered_when_the_member_has_spoken_since() {
    for speaks in [true, false] {
        with_a_active(&File::two_arm(), |bench| {
            let hangs = |bench: &mut Bench| bench.members[0].udp = Service::Swallows;
            let [to_b, _] = requests_while(bench, hangs, |bench| {
                if speaks {
                    for port in 5_060..5_070 {
                        bench.send(HOST_A, &call(A, at(PEER, port)));
                    }
                    bench.run(ms(10));
                }
            });
            assert_eq!(to_b.len(), if speaks { 0 } else { 10 });
            let discarded = bench.counter("redelivery_discarded");
            assert_eq!((discarded, bench.counter("redelivery_delivered")), if speaks { (10, 0) } else { (0, 10) });
        });
    }
}

/// The member may live, and answer.
#[test]
fn s91_none_is_delivered_after_the_operator_has_chosen() {
    let ways: [fn(&mut Bench); 3] = [
        |bench| bench.force("sip-b"),
        |bench| bench.set("sip-a", AdminState::Draining),
        |bench| bench.set("sip-a", AdminState::Offline),
    ];
    for choose in ways {
        with_a_active(&File::two_arm(), |bench| {
            bench.members[1].serve();
            bench.run(secs(2));
            (bench.members[0].answers_peers, bench.members[1].answers_peers) = (false, true);
            bench.send(ROUTER, &invite(7_001, V));
            bench.run(ms(10));
            choose(bench);
            bench.until(secs(5), |bench| bench.active().as_deref() == Some("sip-b"));
            bench.run(ms(200));
            assert_eq!((bench.counter("redelivery_kept"), bench.counter("redelivery_discarded")), (1, 1));
            assert_eq!(bench.members[1].requests, 0);
        });
    }
}

/// Why a client's request was lost is said where it was: with the switchover to the next member, even if that could be given none.
#[test]
fn s91_what_was_too_old_is_booked_to_the_switchover_that_came_too_late() {
    let file = File::two_arm().with("pool = \"pair-1\"\nlisten", "pool = \"pair-1\"\nredeliver = \"500ms\"\nlisten");
    with_a_active(&file, |bench| {
        bench.members[0].udp = Service::Swallows;
        bench.send(ROUTER, &invite(7_001, V));
        bench.until(secs(5), |bench| bench.state("sip-a") == MemberState::Down);
        bench.members[1].serve();
        bench.until(secs(5), |bench| bench.active().as_deref() == Some("sip-b"));
        bench.run(ms(200));
        let record = bench.last_switchover();
        assert_eq!((record.redelivered, record.redelivery_too_old, record.redelivery_no_room), (0, 1, 0));
    });
}

/// A living member has left a request unanswered when the operator chose another: no later death has to do with that.
#[test]
fn s91_what_a_living_member_left_unanswered_is_booked_to_no_later_death() {
    with_a_active(&File::two_arm(), |bench| {
        bench.members[1].serve();
        bench.send(ROUTER, &invite(7_001, V));
        bench.run(ms(4_500));
        assert_eq!(bench.counter("redelivery_expired"), 1);
        bench.force("sip-b");
        bench.run(secs(1));
        bench.auto();
        bench.members[1].udp = Service::Swallows;
        bench.send(ROUTER, &invite(7_002, V));
        bench.until(secs(5), |bench| bench.active().as_deref() == Some("sip-a"));
        bench.run(ms(200));
        let record = bench.last_switchover();
        assert_eq!((record.redelivered, record.redelivery_too_old, record.redelivery_no_room), (1, 0, 0));
    });
}

/// A pool whose clients are refused a moment after its active member was lost.
fn refusing_at_once() -> File {
    let monitors = "monitors = [\"sip-options\"]";
    File::two_arm().with(monitors, &format!("{monitors}\nno_member = \"reject\"\ngap = \"200ms\""))
}

/// A is asked, does not answer and is found dead, and nobody takes over.
fn a_dies_unanswered(bench: &mut Bench) {
    bench.members[0].udp = Service::Swallows;
    bench.send(ROUTER, &invite(7_001, V));
    bench.until(secs(5), |bench| bench.active().is_none());
}

/// Nobody was active in between: the requests are those of the member that was before.
#[test]
fn s91_the_log_names_the_member_that_was_lost_though_nobody_was_active_since() {
    let file = refusing_at_once();
    with_a_active(&file, |bench| {
        a_dies_unanswered(bench);
        bench.members[1].serve();
        bench.until(secs(5), |bench| bench.active().as_deref() == Some("sip-b"));
        bench.run(ms(200));
        let line = "of the requests that sip-a had not answered 1 were delivered to sip-b, 0 were too old";
        let lines = bench.lead.log.iter().filter(|logged| logged.message.contains(line)).count();
        assert_eq!((bench.last_switchover().from, bench.last_switchover().redelivered, lines), (None, 1, 1));
    });
}

/// Another file is read while nobody is active: what the dead member has not answered is for whoever takes over all the same.
#[test]
fn s91_a_reload_while_nobody_is_active_drops_nothing() {
    let file = refusing_at_once();
    with_a_active(&file, |bench| {
        a_dies_unanswered(bench);
        bench.lead.file = file.clone().with("gap = \"200ms\"", "gap = \"300ms\"");
        bench.ask(Request::reload()).expect("a file that can be taken over");
        bench.run(ms(50));
        assert_eq!(bench.counter("redelivery_discarded"), 0);
        bench.members[1].serve();
        bench.until(secs(5), |bench| bench.active().as_deref() == Some("sip-b"));
        bench.run(ms(200));
        assert_eq!((bench.counter("redelivery_delivered"), bench.last_switchover().redelivered), (1, 1));
    });
}
