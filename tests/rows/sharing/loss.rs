//! Scenario 92: what the pool's policy does to those whose member is lost while nobody takes anything, and to connections that nobody
//! remembers.

use super::*;
use fairlead::policy::intent::{NoMember, OnDownTcp};
use fairlead::wire::tcp::Flags;

const RST: Flags = Flags::RST;

#[test]
fn s92_the_last_one_that_is_taken_offline_gets_nothing_more_and_drop_is_silence() {
    let mut lab = Lab::with(|intent| {
        three(intent, Mode::RoundRobin);
        intent.pools[0].no_member = NoMember::Drop;
    });
    lab.rig.share(0, &[MEMBER_B], &[]);
    served_by(&mut lab, client(0), HOST_B);
    lab.rig.share(0, &[], &[MEMBER_B]);
    lab.rig.health.members[1].state = State::Offline;
    lab.rig.publish();
    lab.drops(ROUTER, request(client(0), V), DropReason::NoActiveMember);
    lab.rig.share(0, &[MEMBER_B], &[]);
    served_by(&mut lab, client(0), HOST_B);
}

#[test]
fn s92_a_drained_member_that_lives_keeps_its_peers_though_nobody_takes_new_ones() {
    let mut lab = lab(Mode::RoundRobin);
    let member = taken(&mut lab, |dst| request(client(0), dst));
    lab.rig.health.members.iter_mut().for_each(|member| member.state = State::Drained);
    lab.rig.share(0, &[], &[]);
    served_by(&mut lab, client(0), member);
}

/// Of a call between members it is who takes it that counts: the caller was lost and is back, as who might have the next one.
#[test]
fn s92_who_calls_as_a_member_stays_with_whom_it_reached_though_it_was_lost_itself() {
    let mut lab = lab(Mode::RoundRobin);
    lab.rig.share(0, &[MEMBER_A], &[]);
    let ask = |src: &str, dst: &str, port: u16| Build::udp(at(src, port), at(dst, 5060)).payload(b"OPTIONS");
    let (out, _) = lab.send(HOST_B, &ask(B, V, 33_001));
    let port = u16::from_be_bytes([out[0].1[34], out[0].1[35]]);
    lab.expect(&out, HOST_A, ask(V, A, port).ttl(63));
    lab.rig.health.members[0].state = State::Drained;
    lab.rig.share(0, &[], &[MEMBER_B]);
    lab.forwards(HOST_B, ask(B, V, 33_001), HOST_A, ask(V, A, port));
    lab.rig.share(0, &[MEMBER_B], &[]);
    lab.forwards(HOST_B, ask(B, V, 33_001), HOST_A, ask(V, A, port));
}

#[test]
fn s92_a_pair_is_refused_when_the_managers_that_kept_it_are_lost() {
    let mut lab = managers(Mode::RoundRobin);
    let from = |port: u16, src: &str, dst: &str| Build::udp(at(src, port), at(dst, 5060)).payload(b"OPTIONS");
    for port in [5060, 41_000] {
        taken_from(&mut lab, HOST_A, |dst| from(port, A, dst), |dst| from(port, V, dst), W);
    }
    lab.rig.share(1, &[], &[MemberId(2), MemberId(3)]);
    for port in [5060, 41_000, 5060, 41_000] {
        lab.drops(HOST_A, from(port, A, W), DropReason::NoActiveMember);
    }
    lab.rig.share(1, &[MemberId(3)], &[]);
    for port in [5060, 41_000] {
        lab.forwards(HOST_A, from(port, A, W), Far::Server(32), from(port, V, RM2));
    }
}

#[test]
fn s92_what_a_pair_says_to_managers_is_dropped_where_no_flow_can_be_kept() {
    let mut lab = Lab::with(|intent| {
        manage(intent, Mode::RoundRobin);
        intent.limits.flows_per_worker = 4;
    });
    for port in 20_000..20_060 {
        let from = at(PHONE, port);
        for (host, sent) in [
            (ROUTER, syn(from, V)),
            (HOST_A, Build::tcp(at_port(A), from, SYN_ACK, 9000, 1001)),
            (ROUTER, Build::tcp(from, at_port(V), ACK, 1001, 9001)),
        ] {
            lab.send(host, &sent);
        }
    }
    lab.drops(HOST_A, call(A, W, A, "a1"), DropReason::FlowTableFull);
}

/// A segment in the middle of a connection is answered by a reset.
#[track_caller]
fn refused(lab: &mut Lab, host: Far, from: Endpoint, to: Endpoint) {
    let (out, moved) = lab.send(host, &Build::tcp(from, to, DATA, 7, 8).payload(b"BYE"));
    assert_eq!(moved, Moved { received: 1, transmitted: 1, dropped: vec![DropReason::NoFlow], ..Moved::default() });
    lab.expect_reset(&out[0], host, to, from, 8);
}

#[test]
fn s92_a_connection_that_nobody_remembers_goes_to_nobody_by_chance() {
    for mode in [Mode::RoundRobin, Mode::LeastConnections] {
        let mut lab = lab(mode);
        let from = at(PHONE, 41_000);
        refused(&mut lab, ROUTER, from, at_port(V));
        lab.drops(ROUTER, Build::tcp(from, at_port(V), RST, 7, 8), DropReason::NoFlow);
        // If its member speaks first, it continues.
        let sent = |src: &str| Build::tcp(at_port(src), from, DATA, 7, 8).payload(b"BYE");
        lab.forwards_noting(&[EngineEvent::LoosePickup], HOST_C, sent(C), ROUTER, sent(V));
        let ack = |dst: &str| Build::tcp(from, at_port(dst), ACK, 8, 10);
        lab.forwards(ROUTER, ack(V), HOST_C, ack(C));
    }
    // A pair's connection to managers, by its own service port.
    let mut lab = managers(Mode::RoundRobin);
    refused(&mut lab, HOST_A, at(A, 5061), at_port(W));
}

#[test]
fn s92_the_only_member_takes_up_what_nobody_remembers() {
    let mut lab = Lab::with(|intent| {
        three(intent, Mode::RoundRobin);
        while intent.members.len() > 1 {
            intent.members.pop();
        }
        intent.pools[0].members.truncate(1);
    });
    let data = |dst: &str| Build::tcp(at(PHONE, 41_000), at_port(dst), DATA, 7, 8).payload(b"BYE");
    lab.forwards_noting(&[EngineEvent::LoosePickup], ROUTER, data(V), HOST_A, data(A));
}

#[test]
fn s92_a_member_that_returns_keeps_the_peer_that_was_lost_with_it_when_it_speaks_to_it_first() {
    for mode in [Mode::RoundRobin, Mode::SourceHash] {
        for at in 0..6 {
            let mut lab = lab(mode);
            let peer = client(at);
            let gone = taken(&mut lab, |dst| request(peer, dst));
            let rest: Vec<MemberId> = ALL.into_iter().filter(|member| *member != id(gone)).collect();
            lab.rig.share(0, &rest, &[id(gone)]);
            lab.rig.share(0, &ALL, &[]);
            let asks = |src: &str| Build::udp(testbench::lab::at(src, 5060), peer).payload(b"OPTIONS sip:peer SIP/2.0");
            lab.forwards(gone, asks(ip(gone)), ROUTER, asks(V));
            served_by(&mut lab, peer, gone);
        }
    }
}

/// The connection of one end that is lost continues; when the other end is lost as well, nobody is left at either.
#[test]
fn s92_a_connection_between_pools_is_reset_when_its_second_end_is_lost_though_the_first_drains() {
    for drains in [0, 1] {
        let mut lab = managers(Mode::RoundRobin);
        lab.rig.intent.pools[drains].on_down_tcp = OnDownTcp::Drain;
        lab.rig.publish();
        let there = |src: &str, dst: &str, flags, seq, ack| Build::tcp(at(src, 41_000), at(dst, 5060), flags, seq, ack);
        let syn = |src: &'static str| move |dst: &str| there(src, dst, SYN, 1000, 0);
        let manager = taken_from(&mut lab, HOST_A, syn(A), syn(V), W);
        let accepts = |src: &str, dst: &str| Build::tcp(at(src, 5060), at(dst, 41_000), SYN_ACK, 9000, 1001);
        lab.forwards(manager, accepts(ip(manager), V), HOST_A, accepts(W, A));
        lab.forwards(HOST_A, there(A, W, ACK, 1001, 9001), manager, there(V, ip(manager), ACK, 1001, 9001));
        let (gone, rest) = match manager == Far::Server(31) {
            true => (MemberId(2), MemberId(3)),
            false => (MemberId(3), MemberId(2)),
        };
        let mut out = Vec::new();
        for end in [drains, 1 - drains] {
            assert!(out.is_empty(), "it continues as long as one end is there");
            out = if end == 0 { lab.rig.switch_over(Some(MEMBER_B), true) } else { lab.rig.share(1, &[rest], &[gone]) };
        }
        assert_eq!(out.len(), 2, "{drains}");
        lab.expect_reset(&out[0], HOST_A, at_port(W), at(A, 41_000), 9001);
        lab.expect_reset(&out[1], manager, at(V, 41_000), at_port(ip(manager)), 1001);
    }
}

/// Nobody needs to end for a manager what that has ended itself; the member at the other end has not.
#[test]
fn s92_a_connection_between_pools_is_reset_when_an_end_is_lost_though_the_other_had_said_goodbye() {
    let mut lab = managers(Mode::RoundRobin);
    let there = |src: &str, dst: &str, flags, seq, ack| Build::tcp(at(src, 41_000), at(dst, 5060), flags, seq, ack);
    let manager = taken_from(&mut lab, HOST_A, |dst| there(A, dst, SYN, 1000, 0), |dst| there(V, dst, SYN, 1000, 0), W);
    let back = |src: &str, dst: &str, flags, seq| Build::tcp(at(src, 5060), at(dst, 41_000), flags, seq, 1001);
    lab.forwards(manager, back(ip(manager), V, SYN_ACK, 9000), HOST_A, back(W, A, SYN_ACK, 9000));
    lab.forwards(HOST_A, there(A, W, ACK, 1001, 9001), manager, there(V, ip(manager), ACK, 1001, 9001));
    lab.forwards(manager, back(ip(manager), V, FIN_ACK, 9001), HOST_A, back(W, A, FIN_ACK, 9001));
    lab.forwards(HOST_A, there(A, W, ACK, 1001, 9002), manager, there(V, ip(manager), ACK, 1001, 9002));
    let (gone, rest) = match manager == Far::Server(31) {
        true => (MemberId(2), MemberId(3)),
        false => (MemberId(3), MemberId(2)),
    };
    assert_eq!(lab.rig.share(1, &[rest], &[gone]), []);
    let out = lab.rig.switch_over(Some(MEMBER_B), true);
    assert_eq!(out.len(), 2);
    lab.expect_reset(&out[0], HOST_A, at_port(W), at(A, 41_000), 9002);
    lab.expect_reset(&out[1], manager, at(V, 41_000), at_port(ip(manager)), 1001);
}
