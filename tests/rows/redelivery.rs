//! Scenario 91: requests that the active member has not answered when monitors find it dead.

use super::*;
use fairlead::engine::DropReason;
use fairlead::policy::health::Generation;
use fairlead::policy::intent::{Mode, PortId, Unreachable};
use fairlead::time::{Duration, Instant};
use fairlead::wire::build::Build;
use fairlead::worker::CopyCount::{self, *};
use fairlead::worker::Event;

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// What a client says of this port says so in its Via: there the answer goes.
fn said(method: &str, client: u16, call: &str) -> String {
    let via = format!("Via: SIP/2.0/UDP {PHONE}:{client};branch=z9hG4bK{call}");
    format!("{method} sip:1@{V} SIP/2.0\r\n{via}\r\nCSeq: 7 {method}\r\nContent-Length: 0\r\n\r\n")
}

/// A request, as it leaves the client for V or arrives at a member.
fn request(method: &str, client: u16, call: &str, dst: &str) -> Build {
    Build::udp(at(PHONE, client), at(dst, 5060)).id(99).tos(0xb8).payload(said(method, client, call).as_bytes())
}

fn answer(code: u16, method: &str, client: u16, call: &str, src: &str) -> Build {
    let start = format!("SIP/2.0 {code} Said\r\n");
    let fields = said(method, client, call).split_once("\r\n").unwrap().1.to_owned();
    Build::udp(at(src, 5060), at(PHONE, client)).payload((start + &fields).as_bytes())
}

/// The client asks A, and is not answered.
#[track_caller]
fn ask(lab: &mut Lab, method: &str, client: u16, call: &str) {
    lab.forwards(ROUTER, request(method, client, call, V), HOST_A, request(method, client, call, A));
}

/// A answers the client.
#[track_caller]
fn answered(lab: &mut Lab, code: u16, method: &str, client: u16, call: &str) {
    lab.forwards(HOST_A, answer(code, method, client, call, A), ROUTER, answer(code, method, client, call, V));
}

/// Everything that comes out in so many milliseconds, with the millisecond, after what came out of the last event.
fn within(lab: &mut Lab, span: u64, first: Out) -> Vec<(u64, (PortId, Vec<u8>))> {
    let mut seen: Vec<_> = first.into_iter().map(|out| (0, out)).collect();
    for passed in 1..=span {
        lab.rig.now += ms(1);
        seen.extend(lab.rig.settle().into_iter().map(|out| (passed, out)));
    }
    seen
}

/// A has been dead since `since`, and B is active: these requests come to B, and nothing else comes to anybody.
#[track_caller]
fn only(lab: &mut Lab, since: Instant, expected: &[Build]) {
    let out = lab.rig.find_dead(since, Some(MEMBER_B));
    let mut frames: Vec<_> = within(lab, 100, out).into_iter().map(|(_, frame)| frame).collect();
    assert_eq!(frames.len(), expected.len(), "{:?}", counted(lab));
    for expected in expected {
        let meant = lab.leaving(HOST_B, &expected.clone().ttl(63));
        let at = frames.iter().position(|(port, frame)| *port == INNER && *frame == meant);
        frames.remove(at.unwrap_or_else(|| panic!("not among what came out: {expected:?}")));
    }
    let sum: u64 =
        [Answered, Provisional, Redelivered, Full, Expired, Discarded].iter().map(|end| count(lab, *end)).sum();
    assert_eq!(count(lab, Kept), sum, "every copy came to its end: {:?}", counted(lab));
}

fn count(lab: &Lab, what: CopyCount) -> u64 {
    lab.rig.counters().copies(what)
}

fn counted(lab: &Lab) -> Vec<(CopyCount, u64)> {
    CopyCount::ALL.iter().map(|what| (*what, count(lab, *what))).filter(|(_, count)| *count > 0).collect()
}

/// How many were delivered by which choice, as workers said.
fn reports(lab: &Lab) -> Vec<(Generation, u64)> {
    let report = |event: &Event| match event {
        Event::RedeliveryEnded { generation, requests, .. } => Some((*generation, requests.delivered)),
        _ => None,
    };
    lab.rig.events.iter().filter_map(report).collect()
}

fn lab() -> Lab {
    Lab::new(Layout::TwoArm)
}

fn now(lab: &Lab) -> Instant {
    lab.rig.now
}

#[test]
fn s91_what_the_dead_member_has_not_answered_is_delivered_to_the_next() {
    for layout in [Layout::TwoArm, Layout::TaggedServers, Layout::OnePort, Layout::PriorityTags, Layout::OneArm] {
        let mut lab = Lab::new(layout);
        let inner = lab.port(HOST_B);
        ask(&mut lab, "INVITE", 5060, "a");
        let since = now(&lab);
        lab.rig.now += ms(400);
        ask(&mut lab, "OPTIONS", 5061, "b");
        let before = lab.rig.counters();
        let out = lab.rig.find_dead(since, Some(MEMBER_B));
        let seen = within(&mut lab, 10, out);
        let frames: Vec<_> = seen.into_iter().map(|(_, (port, frame))| (port == inner, frame)).collect();
        let invite = lab.leaving(HOST_B, &request("INVITE", 5060, "a", B).ttl(63));
        let options = lab.leaving(HOST_B, &request("OPTIONS", 5061, "b", B).ttl(63));
        assert_eq!(frames.len(), 2);
        assert!(frames.contains(&(true, invite)) && frames.contains(&(true, options)), "{layout:?}");
        let after = lab.rig.counters();
        assert_eq!((after.originated - before.originated, after.received - before.received), (2, 0));
        assert_eq!(counted(&lab), [(Kept, 2), (Redelivered, 2)]);
        assert_eq!(within(&mut lab, 40, vec![]).len(), 0, "once");
    }
}

#[test]
fn s91_what_was_answered_is_not_provisionally_or_by_the_end_and_by_no_other_answer() {
    let mut lab = lab();
    for (method, call) in [("INVITE", "a"), ("INVITE", "b"), ("BYE", "c"), ("INVITE", "d"), ("CANCEL", "d")] {
        ask(&mut lab, method, 5060, call);
    }
    answered(&mut lab, 100, "INVITE", 5060, "a");
    answered(&mut lab, 180, "INVITE", 5060, "a");
    answered(&mut lab, 486, "INVITE", 5060, "b");
    answered(&mut lab, 200, "CANCEL", 5060, "d");
    answered(&mut lab, 200, "INVITE", 5060, "e");
    assert_eq!(counted(&lab), [(Kept, 5), (Answered, 2), (Provisional, 1)]);
    lab.rig.now += ms(1);
    let since = now(&lab);
    only(&mut lab, since, &[request("BYE", 5060, "c", B), request("INVITE", 5060, "d", B)]);
}

/// The client's Via names another port, where another worker may see the answer: only where that is the same one is it kept.
#[test]
fn s91_an_answer_to_the_port_in_the_via_ends_it_as_well() {
    let mut lab = lab();
    let asked = |dst| {
        let text = said("INVITE", 5062, "a");
        Build::udp(at(PHONE, 40_000), at(dst, 5060)).payload(text.as_bytes())
    };
    lab.forwards(ROUTER, asked(V), HOST_A, asked(A));
    answered(&mut lab, 200, "INVITE", 5062, "a");
    assert!(counted(&lab) == [(Kept, 1), (Answered, 1)] || counted(&lab) == [(Unread, 1)]);
    if <super::super::Setting as Setting>::WORKERS == 1 {
        assert_eq!(count(&lab, Kept), 1);
    }
    lab.rig.now += ms(1);
    let since = now(&lab);
    only(&mut lab, since, &[]);
}

#[test]
fn s91_without_a_readable_branch_any_answer_to_that_sender_ends_it() {
    let mut lab = lab();
    let asked = |client, dst| Build::udp(at(PHONE, client), at(dst, 5060)).payload(b"OPTIONS sip:1 SIP/2.0\r\n\r\n");
    for client in [5060, 5061] {
        lab.forwards(ROUTER, asked(client, V), HOST_A, asked(client, A));
    }
    answered(&mut lab, 200, "INVITE", 5060, "x");
    lab.rig.now += ms(1);
    let since = now(&lab);
    only(&mut lab, since, &[asked(5061, B)]);
}

/// A datagram of this text to A's service: what the client says, and where the answer goes.
fn asked_as(text: &str, client: u16, dst: &str) -> Build {
    Build::udp(at(PHONE, client), at(dst, 5060)).payload(text.as_bytes())
}

/// Its answer goes to the address in `maddr`, or to that in the Via's sent-by: an answered request is for nobody else, wherever the answer
/// went (RFC 3261 18.2.2).
#[test]
fn s91_what_was_answered_is_not_though_the_answer_went_elsewhere() {
    for (host, parameter, kept) in [(PHONE, &*format!(";maddr={PEER}"), [Unread, Unread]), (PEER, "", [Kept, Answered])]
    {
        let mut lab = lab();
        let branch = "branch=z9hG4bKa";
        let fields = format!("Via: SIP/2.0/UDP {host}:5062;{branch}{parameter}\r\nCSeq: 7 INVITE\r\n\r\n");
        let text = format!("INVITE sip:1@{V} SIP/2.0\r\n{fields}");
        lab.forwards(ROUTER, asked_as(&text, 5062, V), HOST_A, asked_as(&text, 5062, A));
        let answer =
            |src| Build::udp(at(src, 5060), at(PEER, 5062)).payload(format!("SIP/2.0 200 OK\r\n{fields}").as_bytes());
        lab.forwards(HOST_A, answer(A), ROUTER, answer(V));
        if <super::super::Setting as Setting>::WORKERS == 1 {
            assert_eq!(kept.map(|what| count(&lab, what)), [1, 1], "{host}{parameter}");
            lab.rig.now += ms(1);
            let since = now(&lab);
            only(&mut lab, since, &[]);
        }
    }
}

/// Without a branch its answer is known only by where it goes, and it may go to the address in the Via's sent-by.
#[test]
fn s91_without_a_readable_branch_nothing_is_kept_whose_answer_may_go_to_another_address() {
    let mut lab = lab();
    let text = format!("OPTIONS sip:1 SIP/2.0\r\nVia: SIP/2.0/UDP {PEER}:5062\r\n\r\n");
    lab.forwards(ROUTER, asked_as(&text, 5062, V), HOST_A, asked_as(&text, 5062, A));
    assert_eq!(counted(&lab), [(Unread, 1)]);
    let answer = |src| Build::udp(at(src, 5060), at(PEER, 5062)).payload(b"SIP/2.0 200 OK\r\n\r\n");
    lab.forwards(HOST_A, answer(A), ROUTER, answer(V));
    lab.rig.now += ms(1);
    let since = now(&lab);
    only(&mut lab, since, &[]);
}

/// Its answer goes to the port in the Via.
#[test]
fn s91_without_a_readable_branch_the_answer_may_go_to_another_port() {
    let mut lab = lab();
    let text = format!("OPTIONS sip:1 SIP/2.0\r\nVia: SIP/2.0/UDP {PHONE}:5062\r\n\r\n");
    lab.forwards(ROUTER, asked_as(&text, 40_000, V), HOST_A, asked_as(&text, 40_000, A));
    answered(&mut lab, 200, "INVITE", 5062, "x");
    lab.rig.now += ms(1);
    let since = now(&lab);
    only(&mut lab, since, &[]);
}

/// What comes beyond the limit is not kept; what is kept already is what a death must not take.
#[test]
fn s91_a_source_that_says_too_much_keeps_what_is_kept_of_it() {
    let mut lab = lab();
    ask(&mut lab, "INVITE", 5060, "a");
    let again = lab.arriving(ROUTER, &request("INVITE", 5060, "b", V));
    for _ in 0..3_000 {
        lab.rig.pass(OUTER, &again);
    }
    lab.rig.now += ms(1);
    let since = now(&lab);
    only(&mut lab, since, &[request("INVITE", 5060, "a", B), request("INVITE", 5060, "b", B)]);
}

#[test]
fn s91_nothing_but_whole_requests_over_udp_that_want_an_answer() {
    let mut lab = lab();
    ask(&mut lab, "ACK", 5060, "a");
    let junk = |dst| Build::udp(at(PHONE, 5060), at(dst, 5060)).payload(b"\r\n\r\n");
    lab.forwards(ROUTER, junk(V), HOST_A, junk(A));
    let other = |dst| Build::udp(at(PHONE, 5060), at(dst, 5060)).payload(b"SIP/2.0 200 OK\r\n\r\n");
    lab.forwards(ROUTER, other(V), HOST_A, other(A));
    lab.connect(at(PHONE, 40_001), 5060, HOST_A);
    let segment = |dst| {
        Build::tcp(at(PHONE, 40_001), at(dst, 5060), DATA, 1001, 9001).payload(said("INVITE", 40_001, "t").as_bytes())
    };
    lab.forwards(ROUTER, segment(V), HOST_A, segment(A));
    let long = [said("INVITE", 5060, "long").into_bytes(), vec![b'x'; 3_000]].concat();
    let whole = Build::udp(at(PHONE, 5060), at(V, 5060)).payload(&long);
    let pieces = lab.pieces(ROUTER, &whole, PIECE);
    let (out, _) = lab.send_all(ROUTER, &pieces);
    assert_eq!(out.len(), 3);
    let visitor = |dst| Build::udp(at(VISITOR, 5060), at(dst, 5060)).payload(said("INVITE", 5060, "v").as_bytes());
    lab.forwards(ROUTER, visitor(A), HOST_A, visitor(A));
    assert_eq!(counted(&lab), []);
    let since = now(&lab);
    let out = lab.rig.find_dead(since, Some(MEMBER_B));
    let seen = within(&mut lab, 40, out);
    let is_segment = |frame: &[u8]| frame[23] == 6;
    assert!(seen.iter().all(|(_, (_, frame))| is_segment(frame)), "the connection is reset, and B gets nothing");
}

#[test]
fn s91_an_answer_in_fragments_ends_it() {
    let mut lab = lab();
    ask(&mut lab, "INVITE", 5060, "a");
    let fields = said("INVITE", 5060, "a").split_once("\r\n").unwrap().1.to_owned();
    let long = ["SIP/2.0 200 OK\r\n".as_bytes(), fields.as_bytes(), &vec![b'x'; 3_000]].concat();
    let pieces = lab.pieces(HOST_A, &Build::udp(at(A, 5060), at(PHONE, 5060)).payload(&long), PIECE);
    assert_eq!(lab.send_all(HOST_A, &pieces).0.len(), 3);
    assert_eq!(counted(&lab), [(Kept, 1), (Answered, 1)]);
}

#[test]
fn s91_the_same_datagram_of_one_sender_is_delivered_once() {
    let mut lab = lab();
    for _ in 0..3 {
        ask(&mut lab, "INVITE", 5060, "a");
    }
    let other = |dst| Build::udp(at(PEER, 5060), at(dst, 5060)).payload(said("INVITE", 5060, "a").as_bytes());
    lab.forwards(ROUTER, other(V), HOST_A, other(A));
    lab.rig.now += ms(1);
    let since = now(&lab);
    only(&mut lab, since, &[request("INVITE", 5060, "a", B), other(B)]);
}

/// Force, drain, offline, fail_back and a reload: management says nothing of silence then.
#[test]
fn s91_never_when_the_member_was_not_found_dead() {
    for lost in [false, true] {
        let mut lab = lab();
        ask(&mut lab, "INVITE", 5060, "a");
        let out = lab.rig.switch_over(Some(MEMBER_B), lost);
        assert_eq!(within(&mut lab, 40, out), []);
        assert_eq!(counted(&lab), [(Kept, 1), (Discarded, 1)]);
    }
}

/// Whatever it is, and to whomever: it was not dead then, and may yet answer.
#[test]
fn s91_never_when_it_has_spoken_since_the_first_probe_that_it_missed() {
    for (pause, delivered) in [(0, false), (1, true)] {
        let mut lab = lab();
        ask(&mut lab, "INVITE", 5060, "a");
        let notify = |src| Build::udp(at(src, 5060), at(PHONE, 5060)).payload(b"NOTIFY sip:1 SIP/2.0\r\n\r\n");
        lab.forwards(HOST_A, notify(A), ROUTER, notify(V));
        lab.rig.now += ms(pause);
        let since = now(&lab);
        let expected = [request("INVITE", 5060, "a", B)];
        only(&mut lab, since, if delivered { &expected } else { &[] });
    }
}

#[test]
fn s91_it_waits_while_no_other_member_is_up_and_not_for_one_that_comes_back() {
    let mut lab = lab();
    ask(&mut lab, "INVITE", 5060, "a");
    lab.rig.now += ms(1);
    let since = now(&lab);
    let out = lab.rig.find_dead(since, None);
    assert_eq!(within(&mut lab, 10, out), []);
    only(&mut lab, since, &[request("INVITE", 5060, "a", B)]);

    let mut lab = self::lab();
    ask(&mut lab, "INVITE", 5060, "a");
    lab.rig.now += ms(1);
    let since = now(&lab);
    lab.rig.find_dead(since, None);
    let out = lab.rig.find_dead(since, Some(MEMBER_A));
    assert_eq!(within(&mut lab, 40, out), []);
    assert_eq!(count(&lab, Discarded), 1);
}

/// A has not answered 30 requests when it is found dead and B takes over: what leaves at once.
fn thirty_are_left(lab: &mut Lab) -> Vec<(PortId, Vec<u8>)> {
    for call in 0..30 {
        ask(lab, "INVITE", 5060, &format!("n{call}"));
    }
    lab.rig.now += ms(1);
    let since = now(lab);
    lab.rig.find_dead(since, Some(MEMBER_B))
}

/// A thousand a second towards a member, in the order in which they came.
#[test]
fn s91_a_member_that_takes_over_gets_them_at_its_pace() {
    let mut lab = lab();
    let out = thirty_are_left(&mut lab);
    let pace = <super::super::Setting as Setting>::WORKERS as u64;
    let seen = within(&mut lab, 30 * pace, out);
    let expected: Vec<_> = (0..30)
        .map(|call| (call * pace, request("INVITE", 5060, &format!("n{call}"), B).ttl(63)))
        .map(|(at, sent)| (at, (INNER, lab.leaving(HOST_B, &sent))))
        .collect();
    assert!(seen == expected, "{:?}", seen.iter().map(|(at, _)| at).collect::<Vec<_>>());
}

/// The client has repeated it meanwhile, or another member is found dead before all have left.
#[test]
fn s91_what_waits_for_its_turn_may_be_answered_or_go_on() {
    let mut lab = lab();
    assert_eq!(thirty_are_left(&mut lab).len(), 1);
    let again = |dst| request("INVITE", 5060, "n20", dst);
    lab.forwards(ROUTER, again(V), HOST_B, again(B));
    let trying = |src| answer(100, "INVITE", 5060, "n20", src);
    lab.forwards(HOST_B, trying(B), ROUTER, trying(V));
    assert_eq!(counted(&lab), [(Kept, 30), (Provisional, 1), (Redelivered, 1)]);
    lab.rig.now += ms(1);
    let since = now(&lab);
    let out = lab.rig.find_dead(since, Some(MEMBER_A));
    let seen = within(&mut lab, 100, out);
    assert_eq!(seen.len(), 28);
    let to_a = lab.leaving(HOST_A, &request("INVITE", 5060, "n1", A).ttl(63));
    assert!(seen[0].1.1 == to_a);
    // No faster than one member may have them, however many have died.
    let pace = <super::super::Setting as Setting>::WORKERS as u64;
    assert!(
        seen.windows(2).all(|pair| pair[1].0 >= pair[0].0 + pace),
        "{:?}",
        seen.iter().map(|it| it.0).collect::<Vec<_>>()
    );
    let reports: Vec<_> = reports(&lab);
    assert_eq!(reports, [(Generation(2), 1), (Generation(3), 28)]);
}

#[test]
fn s91_what_the_dying_member_says_of_it_reaches_nobody() {
    let mut lab = Lab::with(|intent| intent.virtual_servers[0].unreachable = Unreachable::Hold);
    ask(&mut lab, "INVITE", 5060, "a");
    let refusal = Build::icmp_error(A, PHONE, 3, 3, &request("INVITE", 5060, "a", A).ttl(63));
    let (out, moved) = lab.send(HOST_A, &refusal);
    assert_eq!((out, moved.dropped), (vec![], vec![]));
    lab.rig.now += ms(1);
    let since = now(&lab);
    only(&mut lab, since, &[request("INVITE", 5060, "a", B)]);
    assert_eq!(lab.rig.counters().drops(DropReason::UnreachableSuperseded), 1);
}

#[test]
fn s91_a_service_that_is_disabled_by_then_refuses_nobody_for_it() {
    let mut lab = lab();
    ask(&mut lab, "INVITE", 5060, "a");
    lab.rig.intent.virtual_servers[0].enabled = false;
    lab.rig.now += ms(1);
    let since = now(&lab);
    only(&mut lab, since, &[]);
    assert_eq!(count(&lab, Discarded), 1);
}

/// Several members are active from now on: nothing is sent to one of them that its client has not sent itself.
#[test]
fn s91_what_waits_for_its_turn_when_members_begin_to_share_the_work_leaves_nothing_behind() {
    let mut lab = lab();
    assert_eq!(thirty_are_left(&mut lab).len(), 1);
    lab.rig.intent.pools[0].mode = Mode::RoundRobin;
    lab.rig.health.pools[0].active = None;
    let out = lab.rig.share(0, &[MEMBER_A, MEMBER_B], &[]);
    assert_eq!(within(&mut lab, 100, out), []);
    assert_eq!(counted(&lab), [(Kept, 30), (Redelivered, 1), (Discarded, 29)]);
    assert_eq!(lab.rig.counters().flows, 0);
}

/// Management hears of it: the member may be dead, or its answers take another way.
#[test]
fn s91_that_a_request_waits_too_long_is_said_unless_somebody_is_answered_meanwhile() {
    let reported =
        |lab: &Lab| lab.rig.events.iter().filter(|event| matches!(event, Event::Unanswered(MEMBER_A))).count();
    let mut lab = lab();
    ask(&mut lab, "INVITE", 5071, "first");
    within(&mut lab, 240, vec![]);
    assert_eq!(reported(&lab), 0);
    within(&mut lab, 20, vec![]);
    assert_eq!(reported(&lab), 1, "250 ms");
    ask(&mut lab, "INVITE", 5072, "second");
    ask(&mut lab, "INVITE", 5073, "third");
    answered(&mut lab, 100, "INVITE", 5073, "third");
    within(&mut lab, 400, vec![]);
    // Each worker knows of its own.
    let most = if lab.rig.workers.len() == 1 { 1 } else { 2 };
    assert!((1..=most).contains(&reported(&lab)), "somebody of the pool answers: {}", reported(&lab));
}

#[test]
fn s91_switched_off_nothing_is_kept() {
    let mut lab =
        Lab::with(|intent| intent.virtual_servers.iter_mut().for_each(|server| server.redeliver = Duration::ZERO));
    ask(&mut lab, "INVITE", 5060, "a");
    lab.rig.now += ms(1);
    let since = now(&lab);
    only(&mut lab, since, &[]);
    assert_eq!(counted(&lab), []);
}
