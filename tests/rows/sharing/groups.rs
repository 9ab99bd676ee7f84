//! Scenarios 95 and 96, the workers' part: members of lower priority keep what they have when they take nothing new any more, and a
//! member in slow start gets a part of its share while nobody moves.

use super::*;
use fairlead::policy::intent::Persistence;
use fairlead::policy::sharing::{Sharing, Target, cells};
use std::sync::Arc;

fn opens(lab: &mut Lab, from: Endpoint, member: Far) {
    lab.forwards(ROUTER, syn(from, V), member, syn(from, ip(member)));
    let accepts = |src: &str| Build::tcp(at_port(src), from, SYN_ACK, 9000, 1001);
    lab.forwards(member, accepts(ip(member)), ROUTER, accepts(V));
    let ack = |dst: &str| Build::tcp(from, at_port(dst), ACK, 1001, 9001);
    lab.forwards(ROUTER, ack(V), member, ack(ip(member)));
}

/// A and B, of the higher priority, are away, and C has begun something; then they are back.
fn back(persistence: Persistence, mode: Mode, begun: impl Fn(&mut Lab)) -> Lab {
    let mut lab = Lab::with(|intent| {
        three(intent, mode);
        intent.pools[0].persistence = persistence;
    });
    lab.rig.share(0, &[MEMBER_C], &[MEMBER_A, MEMBER_B]);
    begun(&mut lab);
    assert_eq!(lab.rig.share(0, &[MEMBER_A, MEMBER_B], &[]), [], "nothing is reset");
    lab
}

#[test]
fn s95_a_lower_group_keeps_what_it_has_when_the_higher_is_back_and_gets_nothing_new() {
    for mode in [Mode::RoundRobin, Mode::LeastConnections, Mode::SourceHash] {
        let from = |at: u32| Endpoint::new(client(at).addr, 40_000);
        let mut lab = back(Persistence::Endpoint, mode, |lab| {
            for at in 0..12 {
                served_by(lab, client(at), HOST_C);
                opens(lab, from(at), HOST_C);
            }
        });
        for at in 0..12 {
            served_by(&mut lab, client(at), HOST_C);
            lab.forwards(HOST_C, answer(C, client(at)), ROUTER, answer(V, client(at)));
            let data = |dst: &str| Build::tcp(from(at), at_port(dst), DATA, 1001, 9001).payload(b"INVITE");
            lab.forwards(ROUTER, data(V), HOST_C, data(C));
        }
        let new: Vec<Far> = (100..148).map(|at| taken(&mut lab, |dst| request(client(at), dst))).collect();
        let [a, b, c] = spread(&new);
        assert!(a >= 12 && b >= 12 && c == 0, "{mode}: {a} {b} {c}");
        // A connection is new, whoever opens it.
        let connections: Vec<Far> =
            (0..12).map(|at| taken(&mut lab, |dst| syn(Endpoint::new(client(at).addr, 40_001), dst))).collect();
        assert_eq!(spread(&connections)[2], 0, "{mode}");
    }
}

#[test]
fn s95_calls_stay_with_a_lower_group_and_what_an_address_begins_does_not() {
    let message = |src: Endpoint, dst: &str, line: &str, call: &str| {
        let text = format!("{line}\r\nVia: SIP/2.0/UDP p;branch=z9hG4bK{call}\r\nCall-ID: {call}\r\n\r\n");
        Build::udp(src, at(dst, 5060)).payload(text.as_bytes())
    };
    const INVITE: &str = "INVITE sip:a@b SIP/2.0";
    let proxy = client(0);
    let mut lab = back(Persistence::CallId, Mode::RoundRobin, |lab| {
        lab.forwards(ROUTER, message(proxy, V, INVITE, "first"), HOST_C, message(proxy, C, INVITE, "first"));
    });
    let bye = |dst: &str| message(proxy, dst, "BYE sip:a@b SIP/2.0", "first");
    lab.forwards(ROUTER, bye(V), HOST_C, bye(C));
    for call in ["second", "third", "fourth", "fifth"] {
        assert_ne!(taken(&mut lab, |dst| message(proxy, dst, INVITE, call)), HOST_C, "{call}");
    }
    lab.forwards(ROUTER, bye(V), HOST_C, bye(C));

    let mut lab = back(Persistence::Source, Mode::RoundRobin, |lab| served_by(lab, client(0), HOST_C));
    served_by(&mut lab, client(0), HOST_C);
    let member = taken(&mut lab, |dst| syn(Endpoint::new(client(0).addr, 40_000), dst));
    assert_ne!(member, HOST_C);
    let other = Endpoint::new(client(0).addr, 40_001);
    lab.forwards(ROUTER, syn(other, V), member, syn(other, ip(member)));
}

/// The members take new work with these weights.
fn weigh(lab: &mut Lab, weights: [u32; 3]) {
    let mode = lab.rig.intent.pools[0].mode;
    let target =
        |(member, weight): (MemberId, u32)| Target { member, address: lab.rig.intent.members[member].address, weight };
    let targets = ALL.into_iter().zip(weights).map(target).collect();
    lab.rig.health.pools[0].sharing = Some(Arc::new(Sharing::new(mode, targets, cells(1, 3))));
    assert_eq!(lab.rig.publish(), []);
}

#[test]
fn s96_a_member_in_slow_start_gets_a_part_of_what_is_new_and_nobody_moves() {
    for mode in [Mode::RoundRobin, Mode::SourceHash] {
        let mut lab = lab(mode);
        lab.rig.share(0, &[MEMBER_A, MEMBER_C], &[MEMBER_B]);
        let peers: Vec<Far> = (0..20).map(|at| taken(&mut lab, |dst| request(client(at), dst))).collect();
        lab.rig.share(0, &ALL, &[]);
        let mut next = 1_000;
        // Of 20 parts B has 1, then 9, then all.
        for (parts, least, most) in [(1, 0, 10), (9, 20, 55), (20, 45, 75)] {
            weigh(&mut lab, [20, parts, 20]);
            let new: Vec<Far> = (next..next + 180).map(|at| taken(&mut lab, |dst| request(client(at), dst))).collect();
            assert!((least..=most).contains(&spread(&new)[1]), "{mode}, {parts}: {:?}", spread(&new));
            (0..).zip(&peers).for_each(|(at, member)| served_by(&mut lab, client(at), *member));
            next += 180;
        }
    }
}

#[test]
fn s96_with_least_connections_it_has_a_part_of_the_flows_and_is_not_flooded() {
    let mut lab = lab(Mode::LeastConnections);
    lab.rig.share(0, &[MEMBER_A, MEMBER_C], &[MEMBER_B]);
    (0..200).for_each(|at| _ = taken(&mut lab, |dst| request(client(at), dst)));
    let (mut next, mut has) = (1_000, 0);
    for (parts, share) in [(1, 6), (5, 29), (9, 53)] {
        weigh(&mut lab, [20, parts, 20]);
        lab.rig.count_flows(0);
        for _ in 0..6 {
            let new: Vec<Far> = (next..next + 5).map(|at| taken(&mut lab, |dst| request(client(at), dst))).collect();
            (next, has) = (next + 5, has + spread(&new)[1]);
            lab.rig.count_flows(0);
        }
        // Of what the others have, 100 each and what is new; workers know of each other only what was counted.
        assert!(has <= share + 6, "{parts}: {has}");
    }
    assert!(has >= 30, "{has}");
}
