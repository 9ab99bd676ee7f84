//! Scenario 98: `on_down = { udp = ... }` with `persistence`. The calls of a lost member are left with it, or dropped; what an address
//! begins goes to others in any case.

use super::*;
use fairlead::policy::intent::OnDownUdp;

fn leaving(persistence: Persistence, policy: OnDownUdp) -> Lab {
    Lab::with(|intent| {
        three(intent, Mode::RoundRobin);
        (intent.pools[0].persistence, intent.pools[0].on_down_udp) = (persistence, policy);
    })
}

/// Sixty calls of the proxy, and the member of each; B is lost.
fn calls_with_b_lost(lab: &mut Lab) -> Vec<(String, Far)> {
    let calls: Vec<(String, Far)> =
        names(60).into_iter().map(|call| (call.clone(), called(lab, proxy(), &call))).collect();
    lab.rig.share(0, &[MEMBER_A, MEMBER_C], &[MEMBER_B]);
    calls
}

fn of_b(calls: &[(String, Far)]) -> impl Iterator<Item = &str> {
    calls.iter().filter(|(_, member)| *member == HOST_B).map(|(call, _)| call.as_str())
}

/// Messages of other calls go to others.
#[track_caller]
fn nothing_new_for_b(lab: &mut Lab) {
    for call in &names(90)[60..] {
        assert_ne!(called(lab, proxy(), call), HOST_B);
    }
}

/// Where the calls' messages come from: two endpoints of the proxy, and another host, which may be another worker's.
fn senders() -> [Endpoint; 3] {
    [proxy(), at(PHONE, 5071), at(VISITOR, 5060)]
}

#[test]
fn s98_the_calls_of_a_lost_member_are_dropped_until_it_is_back() {
    let mut lab = leaving(Persistence::CallId, OnDownUdp::Drop);
    let calls = calls_with_b_lost(&mut lab);
    for (call, member) in &calls {
        for (from, line) in senders().into_iter().flat_map(|from| [BYE, OK, INVITE].map(|line| (from, line))) {
            match *member == HOST_B {
                true => lab.drops(ROUTER, sent(from, V, line, call), DropReason::MemberLost),
                false => arrives(&mut lab, from, (line, call), *member),
            }
        }
    }
    nothing_new_for_b(&mut lab);
    lab.rig.share(0, &ALL, &[]);
    for (call, member) in &calls {
        senders().into_iter().for_each(|from| arrives(&mut lab, from, (BYE, call), *member));
    }
    // It is lost again: so are its calls.
    lab.rig.share(0, &[MEMBER_A, MEMBER_C], &[MEMBER_B]);
    for call in of_b(&calls) {
        lab.drops(ROUTER, sent(proxy(), V, BYE, call), DropReason::MemberLost);
    }
}

#[test]
fn s98_a_call_that_is_dropped_for_as_long_as_a_flow_lives_is_anybodys() {
    let mut lab = leaving(Persistence::CallId, OnDownUdp::Drop);
    let calls = calls_with_b_lost(&mut lab);
    let call = of_b(&calls).next().unwrap();
    for _ in 0..2 {
        lab.rig.wait(Duration::from_secs(145));
        lab.drops(ROUTER, sent(proxy(), V, BYE, call), DropReason::MemberLost);
    }
    lab.rig.wait(Duration::from_secs(15));
    assert_ne!(called(&mut lab, proxy(), call), HOST_B);
}

#[test]
fn s98_the_calls_of_a_lost_member_go_on_to_it_as_long_as_it_sends_in_them() {
    let mut lab = leaving(Persistence::CallId, OnDownUdp::Drain);
    let calls = calls_with_b_lost(&mut lab);
    for (call, member) in &calls {
        for (from, line) in senders().into_iter().flat_map(|from| [BYE, OK, INVITE].map(|line| (from, line))) {
            arrives(&mut lab, from, (line, call), *member);
        }
    }
    nothing_new_for_b(&mut lab);
    let (heard, silent) = (of_b(&calls).next().unwrap(), of_b(&calls).nth(1).unwrap());
    lab.rig.wait(Duration::from_secs(200));
    [heard, silent].into_iter().for_each(|call| arrives(&mut lab, proxy(), (BYE, call), HOST_B));
    let ok = |src| said(src, proxy(), OK, heard);
    lab.forwards(HOST_B, ok(B), ROUTER, ok(V));
    lab.rig.wait(Duration::from_secs(200));
    senders().into_iter().for_each(|from| arrives(&mut lab, from, (BYE, heard), HOST_B));
    assert_ne!(called(&mut lab, proxy(), silent), HOST_B);
}

#[test]
fn s98_a_member_that_asks_in_a_lost_ones_call_takes_it_and_one_that_answers_does_not() {
    for policy in [OnDownUdp::Drop, OnDownUdp::Drain] {
        let mut lab = leaving(Persistence::CallId, policy);
        let calls = calls_with_b_lost(&mut lab);
        let call = of_b(&calls).next().unwrap();
        let says = |src, line| said(src, proxy(), line, call);
        lab.forwards(HOST_A, says(A, OK), ROUTER, says(V, OK));
        match policy {
            OnDownUdp::Drop => lab.drops(ROUTER, sent(proxy(), V, BYE, call), DropReason::MemberLost),
            _ => arrives(&mut lab, proxy(), (BYE, call), HOST_B),
        }
        lab.forwards(HOST_A, says(A, BYE), ROUTER, says(V, BYE));
        senders().into_iter().for_each(|from| arrives(&mut lab, from, (BYE, call), HOST_A));
    }
}

#[test]
fn s98_what_an_address_begins_goes_to_others_and_its_peers_are_left_with_the_lost_one() {
    for policy in [OnDownUdp::Drop, OnDownUdp::Drain] {
        let mut lab = leaving(Persistence::Source, policy);
        let peer = |number: u32, port: u16| Endpoint::new(Ipv4Addr::from(0xac10_0a00 + number), port);
        let datagram = |from: Endpoint, dst: &str| sent(from, dst, INVITE, "c");
        let members: Vec<Far> = (0..40)
            .map(|number| {
                let first = |dst: &str| datagram(peer(number, 5060), dst);
                taken_from(&mut lab, ROUTER, first, first, V)
            })
            .collect();
        lab.rig.share(0, &[MEMBER_A, MEMBER_C], &[MEMBER_B]);
        let number = (0..).zip(&members).find(|(_, member)| **member == HOST_B).unwrap().0;
        let from = peer(number, 5060);
        match policy {
            OnDownUdp::Drop => lab.drops(ROUTER, datagram(from, V), DropReason::MemberLost),
            _ => lab.forwards(ROUTER, datagram(from, V), HOST_B, datagram(from, B)),
        }
        let first = |dst: &str| datagram(peer(number, 5070), dst);
        let now = taken_from(&mut lab, ROUTER, first, first, V);
        assert_ne!(now, HOST_B);
        let second = |dst: &str| datagram(peer(number, 5071), dst);
        lab.forwards(ROUTER, second(V), now, second(ip(now)));
    }
}
