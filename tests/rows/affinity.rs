//! Scenario 20: two members talk to the same peers, one of them active. Answers go to who asked, requests to the active one.

use super::*;
use fairlead::engine::{DropReason, EngineEvent};
use fairlead::policy::adjacency::NextHop;
use fairlead::policy::health::State;
use fairlead::policy::intent::InterfaceId;
use fairlead::time::Duration;
use fairlead::wire::Endpoint;
use fairlead::wire::build::Build;
use fairlead::worker::Event;

const SPOKE: &[EngineEvent] = &[EngineEvent::StandbySpoke];
const ANSWERED: &[EngineEvent] = &[EngineEvent::SpeakerAnswered];

fn peer() -> Endpoint {
    at(PEER, 6200)
}

fn text(start: &str, via: &str, branch: &str) -> String {
    format!(
        "{start}\r\nVia: SIP/2.0/UDP {via};branch=z9hG4bK{branch}\r\nFrom: <sip:a@{via}>;tag=1\r\nTo: <sip:b@{PEER}>\r\n\
         Call-ID: {branch}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

/// A member asks, and has written `via` into its Via.
fn asks(src: &str, via: &str, branch: &str) -> Build {
    let text = text(&format!("OPTIONS sip:{PEER}:6200 SIP/2.0"), via, branch);
    Build::udp(at(src, 5060), peer()).payload(text.as_bytes())
}

fn answers(dst: &str, via: &str, branch: &str) -> Build {
    Build::udp(peer(), at(dst, 5060)).payload(text("SIP/2.0 200 OK", via, branch).as_bytes())
}

/// The peer calls; what it wrote into its Via is its own.
fn calls(dst: &str) -> Build {
    Build::udp(peer(), at(dst, 5060)).payload(text("INVITE sip:10.20.0.100 SIP/2.0", A, "fromthepeer").as_bytes())
}

#[track_caller]
fn standby_asks(lab: &mut Lab, via: &str, branch: &str) {
    lab.forwards_noting(SPOKE, HOST_B, asks(B, via, branch), ROUTER, asks(V, via, branch));
}

#[track_caller]
fn active_asks(lab: &mut Lab, via: &str, branch: &str) {
    lab.forwards(HOST_A, asks(A, via, branch), ROUTER, asks(V, via, branch));
}

#[track_caller]
fn answered_to_b(lab: &mut Lab, via: &str, branch: &str) {
    lab.forwards_noting(ANSWERED, ROUTER, answers(V, via, branch), HOST_B, answers(B, via, branch));
}

#[track_caller]
fn answered_to_a(lab: &mut Lab, via: &str, branch: &str) {
    lab.forwards(ROUTER, answers(V, via, branch), HOST_A, answers(A, via, branch));
}

#[track_caller]
fn served_by_a(lab: &mut Lab) {
    lab.forwards(ROUTER, calls(V), HOST_A, calls(A));
}

fn lab() -> Lab {
    Lab::new(Layout::TwoArm)
}

/// An answer that waits for the member's MAC is decided about again, and counted when it leaves; one that does not leave is not.
#[test]
fn s20_an_answer_for_who_asked_is_counted_when_it_leaves_and_once() {
    let mut lab = lab();
    standby_asks(&mut lab, B, "first");
    let hop = NextHop { interface: InterfaceId(1), address: addr(B) };
    let known = lab.rig.adjacency.remove(&hop).unwrap();
    lab.rig.publish();
    let (out, moved) = lab.send(ROUTER, &answers(V, B, "first"));
    assert_eq!((out, moved), (vec![], Moved { received: 1, ..Moved::default() }));
    lab.rig.publish();
    assert_eq!(lab.rig.events(EngineEvent::SpeakerAnswered), 0, "it waits");
    lab.rig.adjacency.insert(hop, known);
    let out = lab.rig.publish();
    lab.expect(&out, HOST_B, answers(B, B, "first").ttl(63));
    assert_eq!(lab.rig.events(EngineEvent::SpeakerAnswered), 1);
    let last_hop = answers(V, B, "first").ttl(1);
    let error = Build::icmp_error(E, PEER, 11, 0, &last_hop);
    lab.rejects(ROUTER, last_hop, DropReason::TtlExceeded, error);
    assert_eq!(lab.rig.events(EngineEvent::SpeakerAnswered), 1);
}

/// Both ping one gateway, as Kamailio's dispatcher does on both nodes of a pair, and know each other's answers by nothing else.
#[test]
fn s20_each_gets_the_answers_to_what_it_asked_and_requests_stay_with_the_active() {
    for (via_a, via_b) in [(A, B), (V, V), ("pair.example.com", "pair.example.com"), (V, B)] {
        let mut lab = lab();
        for round in 0..3 {
            let (to_a, to_b) = (format!("a{round}"), format!("b{round}"));
            active_asks(&mut lab, via_a, &to_a);
            standby_asks(&mut lab, via_b, &to_b);
            served_by_a(&mut lab);
            answered_to_a(&mut lab, via_a, &to_a);
            answered_to_b(&mut lab, via_b, &to_b);
            standby_asks(&mut lab, via_b, &to_b);
            active_asks(&mut lab, via_a, &to_a);
            answered_to_b(&mut lab, via_b, &to_b);
            answered_to_a(&mut lab, via_a, &to_a);
            served_by_a(&mut lab);
        }
    }
}

#[test]
fn s20_a_standby_that_speaks_first_is_answered_and_probed_until_it_is_active_itself() {
    let mut lab = lab();
    standby_asks(&mut lab, V, "b");
    let hints = lab.rig.events.iter().filter(|event| matches!(event, Event::Hint(MEMBER_B)));
    assert_eq!(hints.count(), 1, "probes are to fire at once");
    answered_to_b(&mut lab, V, "b");
    let other_port = |dst| Build::udp(at(PEER, 6201), at(dst, 5060)).payload(text("SIP/2.0 200 OK", V, "b").as_bytes());
    lab.forwards(ROUTER, other_port(V), HOST_A, other_port(A));
    lab.rig.switch_over(Some(MEMBER_B), true);
    for sent in [calls as fn(&str) -> Build, |dst| answers(dst, V, "b"), |dst| answers(dst, V, "a")] {
        lab.forwards(ROUTER, sent(V), HOST_B, sent(B));
    }
}

#[test]
fn s20_what_does_not_say_whose_answer_it_is_goes_to_the_active() {
    let mut lab = lab();
    standby_asks(&mut lab, V, "b");
    for (via, branch) in [(V, "another"), (PEER, "another"), ("10.20.0.99", "c")] {
        answered_to_a(&mut lab, via, branch);
    }
    let rows: [&[u8]; 4] = [b"SIP/2.0 200 OK\r\n\r\n", b"SIP/2.0 200", b"\x80\x01", b""];
    for payload in rows {
        let sent = |dst| Build::udp(peer(), at(dst, 5060)).payload(payload);
        lab.forwards(ROUTER, sent(V), HOST_A, sent(A));
    }
    // Whoever else is answered, the address of a member is that member's.
    let elsewhere = |dst| Build::udp(at(PHONE, 5060), at(dst, 5060)).payload(text("SIP/2.0 200 OK", B, "x").as_bytes());
    lab.forwards_noting(ANSWERED, ROUTER, elsewhere(V), HOST_B, elsewhere(B));
}

#[test]
fn s20_eight_unanswered_branches_are_remembered_and_a_repetition_takes_no_place() {
    let mut lab = lab();
    let branches: Vec<String> = (0..8).map(|number| format!("b{number}")).collect();
    for _ in 0..3 {
        branches.iter().for_each(|branch| standby_asks(&mut lab, V, branch));
    }
    let ringing =
        |dst, branch| Build::udp(peer(), at(dst, 5060)).payload(text("SIP/2.0 180 Ringing", V, branch).as_bytes());
    for branch in &branches {
        lab.forwards_noting(ANSWERED, ROUTER, ringing(V, branch), HOST_B, ringing(B, branch));
    }
    answered_to_a(&mut lab, V, "a");
    // The ninth takes the place of the first: now a branch that is not found may have been the standby's.
    standby_asks(&mut lab, V, "b8");
    answered_to_b(&mut lab, V, "b8");
    answered_to_b(&mut lab, V, "b0");
    answered_to_b(&mut lab, V, "a");
    served_by_a(&mut lab);
    lab.rig.wait(Duration::from_secs(33));
    answered_to_a(&mut lab, V, "a");
    answered_to_b(&mut lab, V, "b8");
}

/// A ping each second for as long as one likes.
#[test]
fn s20_what_was_answered_need_not_be_remembered() {
    let mut lab = lab();
    for round in 0..40 {
        let (to_a, to_b) = (format!("a{round}"), format!("b{round}"));
        active_asks(&mut lab, V, &to_a);
        standby_asks(&mut lab, V, &to_b);
        answered_to_a(&mut lab, V, &to_a);
        answered_to_b(&mut lab, V, &to_b);
        answered_to_b(&mut lab, V, &to_b);
        lab.rig.wait(Duration::from_secs(1));
    }
}

#[test]
fn s20_a_member_that_is_down_or_offline_gets_no_answers() {
    for via in [B, V] {
        for state in [State::Down, State::Offline] {
            let mut lab = lab();
            standby_asks(&mut lab, via, "b");
            lab.rig.health.members[1].state = state;
            lab.rig.publish();
            answered_to_a(&mut lab, via, "b");
            served_by_a(&mut lab);
            lab.rig.health.members[1].state = State::Up;
            lab.rig.publish();
            answered_to_b(&mut lab, via, "b");
        }
    }
}

/// Where the standby's port is closed, it is down for its monitors. It asks all the same, and hears the answer.
#[test]
fn s20_a_standby_that_asks_while_it_is_down_is_answered() {
    for via in [B, V] {
        let mut lab = lab();
        lab.rig.health.members[1].state = State::Down;
        lab.rig.publish();
        standby_asks(&mut lab, via, "b");
        answered_to_b(&mut lab, via, "b");
        served_by_a(&mut lab);
        // To another peer it has said nothing.
        let other = |dst| Build::udp(at(PHONE, 5060), at(dst, 5060)).payload(text("SIP/2.0 200 OK", B, "b").as_bytes());
        lab.forwards(ROUTER, other(V), HOST_A, other(A));
        lab.rig.health.members[1].state = State::Offline;
        lab.rig.publish();
        answered_to_a(&mut lab, via, "b");
    }
}

#[test]
fn s20_while_the_active_is_down_the_one_that_spoke_gets_everything() {
    let mut lab = lab();
    standby_asks(&mut lab, V, "b");
    lab.rig.health.members[0].state = State::Down;
    lab.rig.publish();
    lab.forwards_noting(ANSWERED, ROUTER, calls(V), HOST_B, calls(B));
    answered_to_b(&mut lab, V, "a");
    answered_to_b(&mut lab, A, "a");
    // It was another peer's.
    let other = |dst| Build::udp(at(PHONE, 5060), at(dst, 5060)).payload(b"OPTIONS sip:x SIP/2.0\r\n\r\n");
    lab.forwards(ROUTER, other(V), HOST_A, other(A));
    lab.rig.switch_over(None, false);
    lab.rig.health.members[1].may_claim = true;
    lab.rig.publish();
    standby_asks(&mut lab, V, "b2");
    lab.forwards_noting(ANSWERED, ROUTER, calls(V), HOST_B, calls(B));
}

#[test]
fn s21_what_the_old_one_still_asks_is_answered_to_it_and_claims_nothing() {
    for via in [A, V] {
        let mut lab = lab();
        lab.rig.switch_over(Some(MEMBER_B), false);
        lab.forwards_noting(SPOKE, HOST_A, asks(A, via, "bye"), ROUTER, asks(V, via, "bye"));
        lab.forwards(ROUTER, calls(V), HOST_B, calls(B));
        lab.forwards_noting(ANSWERED, ROUTER, answers(V, via, "bye"), HOST_A, answers(A, via, "bye"));
        lab.forwards(ROUTER, answers(V, V, "b"), HOST_B, answers(B, V, "b"));
    }
}

#[test]
fn s20_an_answer_in_fragments_goes_to_who_asked() {
    let mut lab = lab();
    let long = |start: &str, branch: &str| text(start, V, branch) + &"x".repeat(2500);
    let ask = |src| Build::udp(at(src, 5060), peer()).payload(long("OPTIONS sip:x SIP/2.0", "b").as_bytes());
    let answer = |dst| Build::udp(peer(), at(dst, 5060)).payload(long("SIP/2.0 200 OK", "b").as_bytes());
    for (from, sent, to, expected, event) in [
        (HOST_B, ask(B), ROUTER, ask(V), EngineEvent::StandbySpoke),
        (ROUTER, answer(V), HOST_B, answer(B), EngineEvent::SpeakerAnswered),
    ] {
        let fragments = lab.pieces(from, &sent, PIECE);
        let (out, moved) = lab.send_all(from, &fragments);
        assert_eq!(moved.dropped, []);
        assert!(moved.events.contains(&event), "{moved:?}");
        lab.expect_pieces(&out, to, expected.ttl(63), PIECE);
    }
}

/// After a restart under load: what members have said before one was chosen keeps no datagram from the fast path afterwards.
#[test]
fn what_the_active_member_said_before_it_was_chosen_slows_nothing_down() {
    let mut lab = Lab::new(Layout::TwoArm);
    lab.rig.switch_over(None, false);
    lab.rig.health.members.iter_mut().for_each(|member| member.state = State::Unknown);
    lab.rig.publish();
    let says = |src: &str| Build::udp(at(src, 5060), peer()).payload(b"no SIP");
    let reads = |lab: &Lab| lab.rig.workers.iter().any(|worker| worker.engine().reads_sip());
    lab.forwards_noting(SPOKE, HOST_A, says(A), ROUTER, says(V));
    lab.forwards_noting(SPOKE, HOST_A, asks(A, V, "early"), ROUTER, asks(V, V, "early"));
    assert!(reads(&lab));
    lab.rig.switch_over(Some(MEMBER_A), false);
    answered_to_a(&mut lab, V, "early");
    lab.forwards(HOST_A, says(A), ROUTER, says(V));
    assert!(!reads(&lab), "what it claims and asks is its own anyway");
    // Of somebody it does not speak to again, as long as the claim may count.
    let other = |dst: &str| Build::udp(at(dst, 5060), at(PHONE, 5060)).payload(b"no SIP");
    lab.rig.switch_over(None, false);
    lab.forwards_noting(SPOKE, HOST_B, other(B), ROUTER, other(V));
    lab.rig.switch_over(Some(MEMBER_A), false);
    lab.rig.wait(Duration::from_secs(33));
    lab.rig.settle();
    assert!(!reads(&lab));
}
