//! Scenario 93: who may reach the members at their own addresses, and that it changes nothing for anybody else.

use super::*;
use fairlead::engine::{DropReason, EngineEvent};
use fairlead::policy::intent::DirectAccess;
use fairlead::wire::build::Build;

const DENIED: DropReason = DropReason::DirectAccessDenied;

/// Only these may, beside the exclusion group (172.16.1.20 and 172.16.2.0/24).
fn lab_for(layout: Layout, allow: &[&str]) -> Lab {
    let mut lab = Lab::new(layout);
    allow_only(&mut lab, allow);
    lab
}

fn allow_only(lab: &mut Lab, allow: &[&str]) {
    let allow = allow.iter().map(|net| net.parse().unwrap()).collect();
    lab.rig.intent.direct_access = DirectAccess { allow: Some(allow), rules: vec![] };
    lab.rig.publish();
}

/// One packet of each kind that may come to a member's own address.
fn visits(src: &str) -> [Build; 5] {
    [
        Build::tcp(at(src, 50_123), at(A, 7000), SYN, 5, 0),
        Build::udp(at(src, 50_124), at(A, 161)).payload(b"get"),
        Build::udp(at(src, 5060), at(A, 5060)).payload(b"OPTIONS"),
        Build::echo_request(src, A, 77, 3).payload(&[0xa5; 56]),
        Build::other(src, A, 47).payload(&[7; 20]),
    ]
}

#[test]
fn s93_who_is_not_allowed_does_not_reach_a_members_own_address() {
    for layout in [Layout::TwoArm, Layout::TaggedServers, Layout::OnePort, Layout::OneArm] {
        let mut lab = lab_for(layout, &["172.16.7.0/24"]);
        for visit in visits(PEER) {
            lab.drops(ROUTER, visit, DENIED);
        }
        for visit in visits(VISITOR).into_iter().chain(visits(CONFIG)).chain(visits("172.16.2.9")) {
            lab.forwards(ROUTER, visit.clone(), HOST_A, visit);
        }
    }
}

#[test]
fn an_empty_list_lets_in_the_exclusion_group_alone() {
    let mut lab = lab_for(Layout::TwoArm, &[]);
    visits(VISITOR).into_iter().for_each(|visit| lab.drops(ROUTER, visit, DENIED));
    visits(CONFIG).into_iter().for_each(|visit| lab.forwards(ROUTER, visit.clone(), HOST_A, visit));
    // What a member begins towards the group is answered at its own address.
    lab.exchange(HOST_A, at(A, 40_200), at(CONFIG, 2020));
}

#[test]
fn services_and_what_members_begin_are_not_concerned() {
    let mut lab = lab_for(Layout::TwoArm, &[]);
    let call = |dst| Build::udp(at(PHONE, 5060), at(dst, 5060)).payload(b"INVITE");
    lab.forwards(ROUTER, call(V), HOST_A, call(A));
    lab.connect(at(PHONE, 40_001), 5060, HOST_A);
    lab.connect_out(HOST_A, 41_000, at(PEER, 5060));
    // The answer to a visitor whose request came past us.
    let syn_ack = Build::tcp(at(A, 7000), at(PEER, 50_123), SYN_ACK, 50, 6);
    lab.forwards_noting(&[EngineEvent::UnmatchedFromMember], HOST_A, syn_ack.clone(), ROUTER, syn_ack);
}

#[test]
fn a_routers_error_passes_if_what_it_quotes_was_for_somebody_allowed() {
    let mut lab = lab_for(Layout::TwoArm, &["172.16.7.0/24"]);
    let sent = |dst| Build::tcp(at(A, 7000), at(dst, 50_123), DATA, 9, 9).payload(&[1; 600]);
    let error = |about: &'static str| Build::icmp_error("198.51.100.1", A, 3, 4, &sent(about));
    for about in [VISITOR, CONFIG] {
        lab.forwards(ROUTER, error(about), HOST_A, error(about));
    }
    lab.drops(ROUTER, error(PEER), DENIED);
}

#[test]
fn a_reload_shuts_out_whoever_is_no_longer_named_and_lets_in_whoever_is() {
    let mut lab = lab_for(Layout::TwoArm, &["172.16.7.0/24"]);
    let (visitor, own) = (at(VISITOR, 50_123), at(A, 7000));
    let syn = Build::tcp(visitor, own, SYN, 5, 0);
    lab.forwards(ROUTER, syn.clone(), HOST_A, syn);
    lab.exchange(HOST_A, own, visitor);
    // Its route was kept with its flow.
    lab.exchange(HOST_A, own, visitor);
    allow_only(&mut lab, &["172.16.9.0/24"]);
    let data = Build::tcp(visitor, own, DATA, 6, 51).payload(b"x");
    lab.drops(ROUTER, data.clone(), DENIED);
    visits(PEER).into_iter().for_each(|visit| lab.forwards(ROUTER, visit.clone(), HOST_A, visit));
    lab.rig.intent.direct_access = DirectAccess::default();
    lab.rig.publish();
    lab.forwards(ROUTER, data.clone(), HOST_A, data);
}
