//! Scenario 172: who may call a virtual server; and 173: who may reach members at some of their ports.

use super::reload::with_a_connection_of_every_kind;
use super::sharing::three;
use super::*;
use fairlead::engine::DropReason;
use fairlead::policy::Intent;
use fairlead::policy::intent::{AccessRule, AccessTarget, DirectAccess, Listen, MemberId, Mode, PoolId};
use fairlead::wire::Protocol;
use fairlead::wire::build::Build;
use fairlead::wire::tcp::Flags;

const DENIED: DropReason = DropReason::VirtualServerDenied;
const DIRECT: DropReason = DropReason::DirectAccessDenied;
const LAYOUTS: [Layout; 4] = [Layout::TwoArm, Layout::TaggedServers, Layout::OnePort, Layout::OneArm];

/// Phones may call, nobody else.
fn phones(intent: &mut Intent) {
    intent.virtual_servers.iter_mut().for_each(|server| server.allow = vec!["172.16.5.0/24".parse().unwrap()]);
}

fn allow(lab: &mut Lab, networks: &[&str]) {
    lab.rig.intent.virtual_servers[0].allow = networks.iter().map(|net| net.parse().unwrap()).collect();
    lab.rig.publish();
}

fn call(src: &'static str) -> impl Fn(&str) -> Build {
    move |dst| Build::udp(at(src, 5060), at(dst, 5060)).payload(b"INVITE sip:10.20.0.100 SIP/2.0\r\n\r\n")
}

fn syn(src: &'static str) -> impl Fn(&str) -> Build {
    move |dst| Build::tcp(at(src, 40_001), at(dst, 5060), SYN, 1000, 0)
}

#[test]
fn s172_whom_allow_does_not_name_reaches_no_service_port() {
    for layout in LAYOUTS {
        let mut lab = Lab::new(layout);
        allow(&mut lab, &["172.16.5.0/24", "198.51.100.7/32"]);
        for _ in 0..3 {
            lab.drops(ROUTER, call(PEER)(V), DENIED);
            lab.drops(ROUTER, syn(PEER)(V), DENIED);
            lab.forwards(ROUTER, call(PHONE)(V), HOST_A, call(PHONE)(A));
            lab.forwards(ROUTER, call("198.51.100.7")(V), HOST_A, call("198.51.100.7")(A));
        }
        for flags in [ACK, DATA, FIN_ACK, Flags::RST] {
            lab.drops(ROUTER, Build::tcp(at(PEER, 40_001), at(V, 5060), flags, 5, 5), DENIED);
        }
        lab.connect(at(PHONE, 40_001), 5060, HOST_A);
        // Even those of the exclusion group call the virtual address only if they are named.
        lab.drops(ROUTER, call(CONFIG)(V), DENIED);
    }
}

#[test]
fn s172_a_datagram_in_pieces_is_judged_when_it_is_whole() {
    let mut lab = Lab::with(phones);
    let large = |src: &'static str| move |dst: &str| Build::udp(at(src, 5060), at(dst, 5060)).payload(&[7; 4_000]);
    lab.forwards_pieces(ROUTER, &large(PHONE)(V), HOST_A, large(PHONE)(A));
    let pieces = lab.pieces(ROUTER, &large(PEER)(V), PIECE);
    let (out, moved) = lab.send_all(ROUTER, &pieces);
    assert_eq!((out, moved.dropped), (vec![], vec![DENIED; pieces.len()]));
}

/// What is not sent to a service port by somebody outside is not filtered.
#[test]
fn s172_members_and_what_answers_them_pass() {
    let mut lab = Lab::with(phones);
    // A datagram of the member's to somebody who may not call leaves; so does what it opens, and that is answered.
    let says = |src: &str| Build::udp(at(src, 5060), at(PEER, 5060)).payload(b"OPTIONS");
    lab.forwards(HOST_A, says(A), ROUTER, says(V));
    lab.connect_out(HOST_A, 41_000, at(PEER, 5060));
    // Also from a service port.
    lab.connect_out(HOST_A, 5060, at(PEER, 5061));
    let more = |dst: &str| Build::tcp(at(PEER, 5061), at(dst, 5060), DATA, 701, 501).payload(b"200");
    lab.forwards(ROUTER, more(V), HOST_A, more(A));
    lab.forwards(ROUTER, more(V), HOST_A, more(A));
    // A new connection from there, once that one is over, is none of that.
    let reset = |dst: &str| Build::tcp(at(PEER, 5061), at(dst, 5060), Flags::RST, 704, 0);
    lab.forwards(ROUTER, reset(V), HOST_A, reset(A));
    lab.drops(ROUTER, Build::tcp(at(PEER, 5061), at(V, 5060), SYN, 90_000, 0), DENIED);
    lab.answers(ROUTER, Build::echo_request(PEER, V, 7, 1), Build::echo_reply(V, PEER, 7, 1));
}

#[test]
fn s172_errors_about_what_members_sent_pass() {
    let mut lab = Lab::with(phones);
    let sent = |src: &str, dst: &str| Build::udp(at(src, 5060), at(dst, 5060)).payload(&[1; 400]);
    let error = |to: &str, about: &str| Build::icmp_error("198.51.100.1", to, 3, 4, &sent(to, about));
    for about in [PHONE, PEER] {
        lab.forwards(ROUTER, error(V, about), HOST_A, error(A, about));
    }
}

#[test]
fn s172_a_reload_shuts_out_and_lets_in_what_stands() {
    let mut lab = Lab::new(Layout::TwoArm);
    let client = at(PEER, 40_001);
    lab.connect(client, 5060, HOST_A);
    let says = |dst: &str| Build::tcp(client, at(dst, 5060), DATA, 1001, 9001).payload(b"x");
    let answers = |src: &str| Build::tcp(at(src, 5060), client, DATA, 9001, 1002).payload(b"y");
    for _ in 0..2 {
        lab.forwards(ROUTER, says(V), HOST_A, says(A));
        lab.forwards(ROUTER, call(PEER)(V), HOST_A, call(PEER)(A));
    }
    allow(&mut lab, &["172.16.5.0/24"]);
    for _ in 0..2 {
        lab.drops(ROUTER, says(V), DENIED);
        lab.drops(ROUTER, call(PEER)(V), DENIED);
    }
    // Its member is not concerned.
    lab.forwards(HOST_A, answers(A), ROUTER, answers(V));
    allow(&mut lab, &["172.16.0.0/16"]);
    lab.forwards(ROUTER, says(V), HOST_A, says(A));
    lab.forwards(ROUTER, call(PEER)(V), HOST_A, call(PEER)(A));
}

#[test]
fn s172_a_client_that_is_denied_gets_nothing_where_the_virtual_server_is_disabled() {
    let mut lab = Lab::with(|intent| {
        phones(intent);
        intent.virtual_servers[0].enabled = false;
    });
    lab.drops(ROUTER, syn(PEER)(V), DENIED);
    lab.drops(ROUTER, call(PEER)(V), DENIED);
}

#[test]
fn s172_where_several_are_active_datagrams_are_judged_too() {
    let mut lab = Lab::with(|intent| {
        three(intent, Mode::SourceHash);
        phones(intent);
    });
    lab.drops(ROUTER, call(PEER)(V), DENIED);
    lab.drops(ROUTER, syn(PEER)(V), DENIED);
    let (out, moved) = lab.send(ROUTER, &call(PHONE)(V));
    assert_eq!((out.len(), moved.dropped), (1, vec![]));
    assert_eq!(lab.rig.counters().flows, 1, "who was denied has no flow");
}

#[test]
fn s172_members_of_other_pools_always_may() {
    let mut lab = with_a_connection_of_every_kind(PHONE);
    phones(&mut lab.rig.intent);
    lab.rig.publish();
    // A member calls the other pair, on a connection that stands and on a new one.
    for port in [42_000, 42_001] {
        let syn = |src: &str, dst: &str| Build::tcp(at(src, port), at(dst, 5060), SYN, 1, 0);
        lab.forwards(HOST_B, syn(B, "10.20.0.200"), Far::Server(21), syn(V, "10.20.0.21"));
    }
}

#[test]
fn s172_a_request_of_whom_a_reload_shuts_out_is_not_delivered_again() {
    let mut lab = Lab::new(Layout::TwoArm);
    lab.forwards(ROUTER, call(PEER)(V), HOST_A, call(PEER)(A));
    allow(&mut lab, &["172.16.5.0/24"]);
    lab.drops(ROUTER, call(PEER)(V), DENIED);
    lab.forwards(ROUTER, call(PHONE)(V), HOST_A, call(PHONE)(A));
    let explained = lab.explained(ROUTER, &call(PEER)(V), None);
    assert_eq!(explained.reason.as_deref(), Some("virtual_server_denied"));
    let step = explained.steps.iter().find(|step| step.step == "allow").expect("the rule is named");
    assert_eq!(step.says, "denied: no entry of allow of virtual server sip-1 holds 172.16.9.9");
    let explained = lab.explained(ROUTER, &call(PHONE)(V), None);
    let step = explained.steps.iter().find(|step| step.step == "allow").expect("the rule is named");
    assert_eq!(step.says, "allowed by 172.16.5.0/24 of virtual server sip-1");
}

fn rule(from: &str, to: &[AccessTarget], ports: &[(Protocol, u16)]) -> AccessRule {
    let ports = ports.iter().map(|&(protocol, port)| Listen { protocol, port }).collect();
    AccessRule { from: vec![from.parse().unwrap()], to: to.to_vec(), ports }
}

/// 172.16.7.0/24 reaches A by ssh and SNMP; 172.16.5.0/24 reaches the pair with whatever it sends.
fn rules(intent: &mut Intent) {
    let admins =
        rule("172.16.7.0/24", &[AccessTarget::Member(MemberId(0))], &[(Protocol::Tcp, 22), (Protocol::Udp, 161)]);
    let phones = rule("172.16.5.0/24", &[AccessTarget::Pool(PoolId(0))], &[]);
    intent.direct_access = DirectAccess { allow: Some(vec![]), rules: vec![admins, phones] };
}

#[test]
fn s173_a_rule_lets_in_whom_it_names_to_whom_it_names_at_the_ports_that_it_names() {
    for layout in LAYOUTS {
        let mut lab = Lab::new(layout);
        rules(&mut lab.rig.intent);
        lab.rig.publish();
        let ssh = |dst: &str| Build::tcp(at(VISITOR, 50_000), at(dst, 22), SYN, 1, 0);
        let snmp = |dst: &str| Build::udp(at(VISITOR, 50_001), at(dst, 161)).payload(b"get");
        let ping = |dst: &str| Build::echo_request(VISITOR, dst, 9, 1);
        for visit in [ssh, snmp, ping as fn(&str) -> Build] {
            lab.forwards(ROUTER, visit(A), HOST_A, visit(A));
            lab.drops(ROUTER, visit(B), DIRECT);
        }
        for (protocol, port) in [(Protocol::Udp, 22), (Protocol::Tcp, 161), (Protocol::Tcp, 23)] {
            let (from, to) = (at(VISITOR, 50_002), at(A, port));
            let visit = if protocol == Protocol::Tcp { Build::tcp(from, to, SYN, 1, 0) } else { Build::udp(from, to) };
            lab.drops(ROUTER, visit, DIRECT);
        }
        lab.drops(ROUTER, Build::other(VISITOR, A, 47).payload(&[7; 20]), DIRECT);
        lab.forwards(
            ROUTER,
            Build::other(PHONE, B, 47).payload(&[7; 20]),
            HOST_B,
            Build::other(PHONE, B, 47).payload(&[7; 20]),
        );
        lab.drops(ROUTER, Build::echo_request(PEER, A, 9, 1), DIRECT);
    }
}

#[test]
fn s173_a_reload_of_the_rules_holds_for_what_stands_and_fragments_pass_by_the_first() {
    let mut lab = Lab::new(Layout::TwoArm);
    rules(&mut lab.rig.intent);
    lab.rig.publish();
    let (visitor, own) = (at(VISITOR, 50_000), at(A, 22));
    let syn = Build::tcp(visitor, own, SYN, 1, 0);
    lab.forwards(ROUTER, syn.clone(), HOST_A, syn);
    lab.exchange(HOST_A, own, visitor);
    lab.exchange(HOST_A, own, visitor);
    let large = |port| Build::udp(at(VISITOR, 50_001), at(A, port)).payload(&[7; 4_000]);
    let sent = lab.pieces(ROUTER, &large(161), PIECE);
    assert_eq!(lab.send_all(ROUTER, &sent).0.len(), sent.len());
    let sent = lab.pieces(ROUTER, &large(162), PIECE);
    let (out, moved) = lab.send_all(ROUTER, &sent[..1]);
    assert_eq!((out, moved.dropped), (vec![], vec![DIRECT]), "without its first piece the rest is of no use");
    lab.rig.intent.direct_access.rules[0].ports.remove(0);
    lab.rig.publish();
    lab.drops(ROUTER, Build::tcp(visitor, own, DATA, 6, 51).payload(b"x"), DIRECT);
    let said = lab.explained(ROUTER, &Build::tcp(visitor, own, SYN, 6, 0), None);
    let says = |said: &fairlead::admin::explain::Explanation| {
        said.steps.iter().find(|step| step.step == "direct access").map(|step| step.says.clone()).unwrap_or_default()
    };
    assert_eq!(
        says(&said),
        "denied: no entry of [direct_access] allow holds 172.16.7.70, no rule lets it do this there, nor does the exclusion \
         group"
    );
    let said = lab.explained(ROUTER, &Build::udp(visitor, at(A, 161)), None);
    assert_eq!(says(&said), "allowed by rule 1 of [direct_access]");
}
