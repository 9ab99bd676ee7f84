//! Scenario 110: the process is ended and leaves what it remembers, and the next one takes it up. The same frames go the same way,
//! whatever of the file has moved, whoever of the workers has them then.

use super::standing::{REMOTES, Standing, UDP, datagram};
use super::*;
use fairlead::engine::{EngineEvent, LeftOut};
use fairlead::policy::intent::{MemberId, Mode, Persistence};
use fairlead::time::Duration;
use fairlead::wire::build::Build;
use fairlead::wire::tcp::Flags;

fn lab() -> Lab {
    Lab::new(Layout::TwoArm)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// What stands before, visitors of A's own address among it.
fn begin<S: Setting>(lab: &mut LabOn<S>) -> Standing {
    for remote in REMOTES {
        let visit = Build::udp(at(remote, 50_000), at(A, 161));
        lab.forwards(ROUTER, visit.clone(), HOST_A, visit);
    }
    Standing::begin(lab)
}

/// It continues, and visitors are answered as they were.
#[track_caller]
fn exchange<S: Setting>(standing: &Standing, lab: &mut LabOn<S>) {
    standing.exchange(lab);
    for remote in REMOTES {
        let report = Build::udp(at(A, 161), at(remote, 50_000));
        lab.forwards(HOST_A, report.clone(), ROUTER, report);
    }
}

/// Flows of [`begin`].
const FLOWS: u64 = 4 * REMOTES.len() as u64 + 2 * UDP.len() as u64 + 2;

#[test]
fn s110_after_a_restart_the_same_frames_are_translated_as_before() {
    let mut lab = lab();
    let standing = begin(&mut lab);
    exchange(&standing, &mut lab);
    let (mut lab, taken) = lab.restart::<super::super::Setting>(|_| {});
    assert_eq!((taken.flows, taken.skipped.sum()), (FLOWS, 0), "{}", taken.skipped);
    assert!(lab.rig.settle().is_empty());
    assert_eq!(lab.rig.counters().flows, FLOWS);
    exchange(&standing, &mut lab);
    standing.has_its_ports(&mut lab);
    // And once more.
    let (mut lab, _) = lab.restart::<super::super::Setting>(|_| {});
    exchange(&standing, &mut lab);
}

#[test]
fn s110_another_number_of_workers_takes_up_the_same() {
    let mut lab = lab();
    let standing = begin(&mut lab);
    let (mut three, taken) = lab.restart::<InMemory<3>>(|_| {});
    assert_eq!((taken.flows, taken.skipped.sum()), (FLOWS, 0));
    exchange(&standing, &mut three);
    let shares = three.rig.workers.iter().map(|worker| worker.engine().flows().len()).collect::<Vec<_>>();
    assert!(shares.iter().all(|flows| *flows > 0), "{shares:?}");
    let (mut two, _) = three.restart::<InMemory<2>>(|_| {});
    exchange(&standing, &mut two);
    let (mut one, taken) = two.restart::<InMemory<1>>(|_| {});
    assert_eq!(taken.flows, FLOWS);
    exchange(&standing, &mut one);
    standing.has_its_ports(&mut one);
}

#[test]
fn s110_members_are_known_by_address_wherever_they_stand_and_whatever_they_are_called() {
    let mut lab = lab();
    let standing = begin(&mut lab);
    let (mut lab, taken) = lab.restart::<super::super::Setting>(|intent| {
        intent.members.reverse();
        intent.members.iter_mut().for_each(|member| member.name += "-renamed");
        intent.pools[0].name = "renamed".into();
        // The rig takes the first one for the active member.
        intent.pools[0].members = vec![MemberId(1), MemberId(0)];
    });
    assert_eq!((taken.flows, taken.skipped.sum()), (FLOWS, 0), "{}", taken.skipped);
    exchange(&standing, &mut lab);
}

#[test]
fn s110_what_is_not_in_the_file_any_more_is_left_out_and_counted() {
    let mut lab = lab();
    begin(&mut lab);
    let (remotes, udp) = (REMOTES.len() as u64, UDP.len() as u64);
    let of_b = remotes + udp + 1;
    let (mut lab, taken) = lab.restart::<super::super::Setting>(|intent| {
        intent.members.remove(1);
        intent.pools[0].members = vec![MemberId(0)];
    });
    // Its TCP and UDP outward, and its call to its own virtual address.
    assert_eq!((taken.skipped.of(LeftOut::Member), taken.skipped.sum()), (of_b, of_b));
    assert_eq!(taken.flows, FLOWS - of_b);
    let reply = |dst, port| Build::udp(at(REMOTES[0], 53), at(dst, port)).payload(b"got");
    lab.forwards(ROUTER, reply(V, 41_000), HOST_A, reply(A, 41_000));
    let (_, taken) = lab.restart::<super::super::Setting>(|intent| {
        intent.snats.clear();
        intent.virtual_servers[0].address = "10.20.0.101".parse().unwrap();
    });
    assert_eq!(taken.flows, remotes, "visitors are not translated");
    assert_eq!(taken.skipped.of(LeftOut::Address), 2 * remotes + udp + 1);
}

#[test]
fn s110_a_port_that_is_a_service_s_now_is_given_to_no_flow() {
    let mut lab = lab();
    let peer = at(PEER, 53);
    lab.forwards(HOST_A, datagram(A, 7_000, peer), ROUTER, datagram(V, 7_000, peer));
    let (_, taken) = lab.restart::<super::super::Setting>(|intent| {
        let listen = fairlead::policy::intent::Listen { protocol: fairlead::wire::Protocol::Udp, port: 7_000 };
        intent.virtual_servers[0].listen.push(listen);
    });
    assert_eq!((taken.flows, taken.skipped.of(LeftOut::Port)), (0, 1));
}

/// 300 s after its last packet, wherever the restart was.
#[test]
fn s110_a_flow_is_forgotten_when_it_would_have_been_without_the_restart() {
    for (before, after, stays) in [(200, 97, true), (200, 103, false), (298, 5, false), (10, 287, true)] {
        let mut lab = lab();
        let peer = at(PEER, 162);
        lab.forwards(HOST_A, datagram(A, 33_000, peer), ROUTER, datagram(V, 33_000, peer));
        let other = at(PEER, 163);
        lab.rig.wait(secs(before));
        lab.forwards(HOST_A, datagram(A, 33_001, other), ROUTER, datagram(V, 33_001, other));
        let (mut lab, taken) = lab.restart::<super::super::Setting>(|_| {});
        assert_eq!(taken.flows, 2);
        lab.rig.wait(secs(after));
        assert_eq!(lab.rig.counters().flows, if stays { 2 } else { 1 }, "{before} s before, {after} s after");
    }
    let mut lab = lab();
    lab.forwards(HOST_A, datagram(A, 33_000, at(PEER, 162)), ROUTER, datagram(V, 33_000, at(PEER, 162)));
    let left = lab.rig.begin_to_leave();
    let left = lab.rig.end(left);
    let mut next = Lab::new(Layout::TwoArm);
    next.rig.now = lab.rig.now + secs(20);
    next.rig.intent.timeouts.udp = secs(10);
    next.rig.publish();
    let taken = next.rig.take_up(left);
    assert_eq!((taken.flows, taken.skipped.of(LeftOut::Expired)), (0, 1));
}

#[test]
fn s110_what_happens_while_flows_are_written_is_not_lost() {
    let mut lab = lab();
    let standing = begin(&mut lab);
    let (late, over) = (at("172.16.9.77", 40_001), at(REMOTES[0], 40_001));
    let reset = |dst: &str| Build::tcp(over, at(dst, 5060), Flags::RST, 1001, 0);
    let meanwhile = |lab: &mut Lab| {
        lab.connect(late, 5060, HOST_A);
        lab.forwards(ROUTER, reset(V), HOST_A, reset(A));
        // A flow is forgotten, and another one takes its place.
        let filter =
            fairlead::worker::mailbox::FlowFilter { client: Some(REMOTES[1].parse().unwrap()), ..Default::default() };
        let clear = || fairlead::worker::Command::ClearFlows { query: 3, filter: filter.clone() };
        assert!(lab.rig.command(clear).is_empty());
        (0..8).for_each(|_| assert!(lab.rig.settle().is_empty()));
        lab.rig.events.clear();
        lab.connect(at("172.16.9.78", 40_001), 5060, HOST_A);
    };
    let (mut lab, taken) = lab.restart_after::<super::super::Setting>(meanwhile, |_| {});
    assert_eq!((taken.flows, taken.skipped.sum()), (FLOWS + 2 - 6, 0), "{}", taken.skipped);
    for client in [late, at("172.16.9.78", 40_001)] {
        let there = |dst| Build::tcp(client, at(dst, 5060), DATA, 1001, 9001).payload(b"INVITE");
        lab.forwards(ROUTER, there(V), HOST_A, there(A));
    }
    // The port of what was forgotten is still others'.
    standing.has_its_ports(&mut lab);
    // The connection that was reset is over: its client's next SYN begins another one.
    let again = |dst: &str| Build::tcp(over, at(dst, 5060), SYN, 7_000, 0);
    lab.forwards(ROUTER, again(V), HOST_A, again(A));
}

#[test]
fn s110_a_reload_and_then_a_restart_keep_what_neither_concerns() {
    let mut lab = lab();
    let standing = begin(&mut lab);
    lab.rig.intent.members.push(member("sip-z", "10.20.0.19", 0));
    lab.rig.intent.pools[0].members.push(MemberId(2));
    lab.rig.intent.members.reverse();
    lab.rig.intent.pools[0].members = vec![MemberId(2), MemberId(1), MemberId(0)];
    lab.rig.health.members.push(lab.rig.health.members[0]);
    lab.rig.health.pools[0].active = Some(MemberId(2));
    lab.rig.adjacency = neighbours(&lab.rig.intent);
    lab.rig.publish();
    exchange(&standing, &mut lab);
    let (mut lab, taken) = lab.restart::<super::super::Setting>(|_| {});
    assert_eq!((taken.flows, taken.skipped.sum()), (FLOWS, 0), "{}", taken.skipped);
    exchange(&standing, &mut lab);
    standing.has_its_ports(&mut lab);
}

/// A connection that had lost its member is not taken for one of the next choice.
#[test]
fn s110_a_connection_of_a_lost_member_is_still_lost() {
    let mut lab = lab();
    lab.connect(at(PHONE, 40_001), 5060, HOST_A);
    let (mut lab, taken) = lab.restart::<super::super::Setting>(|_| {});
    assert_eq!(taken.flows, 1);
    let out = lab.rig.switch_over(Some(MEMBER_B), true);
    let out = out.into_iter().chain((0..8).flat_map(|_| lab.rig.settle())).collect::<Vec<_>>();
    let resets = out.iter().filter(|(port, _)| *port == lab.port(ROUTER)).count();
    assert!(resets >= 1, "its client hears of it: {} frames", out.len());
}

fn sip(start: &str) -> String {
    format!("{start}\r\nVia: SIP/2.0/UDP {V};branch=z9hG4bKb\r\nCall-ID: of-b\r\n\r\n")
}

#[test]
fn s110_who_asked_gets_the_answer_after_the_restart() {
    let mut lab = lab();
    let peers = REMOTES.map(|remote| at(remote, 6200));
    let asked = |src, peer| Build::udp(at(src, 5060), peer).payload(sip("OPTIONS sip:b SIP/2.0").as_bytes());
    for peer in peers {
        lab.forwards_noting(&[EngineEvent::StandbySpoke], HOST_B, asked(B, peer), ROUTER, asked(V, peer));
    }
    let (mut lab, taken) = lab.restart::<InMemory<2>>(|_| {});
    assert_eq!((taken.speakers, taken.skipped.sum()), (peers.len() as u64, 0));
    let answer = |dst, peer| Build::udp(peer, at(dst, 5060)).payload(sip("SIP/2.0 200 OK").as_bytes());
    for peer in peers {
        lab.forwards_noting(&[EngineEvent::SpeakerAnswered], ROUTER, answer(V, peer), HOST_B, answer(B, peer));
    }
    // As long as it would have been: 300 s from when anything of it was heard.
    lab.rig.wait(secs(305));
    lab.forwards(ROUTER, answer(V, peers[0]), HOST_A, answer(A, peers[0]));
}

#[test]
fn s110_a_call_stays_with_its_member_whichever_worker_has_it_then() {
    let mut lab = Lab::with(|intent| {
        super::sharing::three(intent, Mode::RoundRobin);
        intent.pools[0].persistence = Persistence::CallId;
    });
    let invite = |from, dst: &str, call: usize| {
        let text =
            format!("INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP p;branch=z9hG4bK{call}\r\nCall-ID: {call}-x\r\n\r\n");
        Build::udp(from, at(dst, 5060)).payload(text.as_bytes())
    };
    let members: Vec<Far> = (0..30)
        .map(|call| {
            let (out, _) = lab.send(ROUTER, &invite(at(PHONE, 5060), V, call));
            let to = fairlead::wire::Packet::parse(&out[0].1).unwrap().dst();
            Far::Server(to.octets()[3])
        })
        .collect();
    assert!([HOST_A, HOST_B].iter().all(|host| members.contains(host)), "{members:?}");
    let (mut lab, taken) = lab.restart::<InMemory<3>>(|_| {});
    assert_eq!((taken.stays, taken.skipped.sum()), (30, 0), "{}", taken.skipped);
    // Management's first snapshot of its own brings the table in which workers leave each other what they chose.
    lab.rig.publish();
    for (call, member) in members.into_iter().enumerate() {
        for client in [at(PHONE, 5060), at(VISITOR, 5071)] {
            lab.forwards(ROUTER, invite(client, V, call), member, invite(client, super::sharing::ip(member), call));
        }
    }
}

/// Datagrams from another port of whom a member talks to are let in, as many as before (RFC 4787 REQ-8).
#[test]
fn s110_who_may_answer_from_another_port_still_may() {
    let mut lab = lab();
    let peer = at(PEER, 53);
    lab.forwards(HOST_A, datagram(A, 41_000, peer), ROUTER, datagram(V, 41_000, peer));
    let other = |dst| Build::udp(at(PEER, 54), at(dst, 41_000)).payload(b"from another port");
    lab.forwards(ROUTER, other(V), HOST_A, other(A));
    let (mut lab, taken) = lab.restart::<super::super::Setting>(|_| {});
    assert_eq!(taken.flows, 2);
    lab.forwards(ROUTER, other(V), HOST_A, other(A));
    let third = |dst| Build::udp(at(PEER, 55), at(dst, 41_000));
    lab.forwards(ROUTER, third(V), HOST_A, third(A));
    let (out, _) = lab.send(ROUTER, &Build::udp(at(PHONE, 54), at(V, 41_000)));
    assert!(out.iter().all(|(port, _)| *port == lab.port(ROUTER)), "a stranger is not let in");
}
