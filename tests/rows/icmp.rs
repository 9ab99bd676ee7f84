//! Scenarios 22, 23, 56 to 62 and 64: ICMP errors about what is translated, both ways, and those the appliance makes.

use super::*;
use fairlead::engine::{DropReason, EngineEvent, IgnoreReason, PuntReason};
use fairlead::time::Duration;
use fairlead::wire::build::Build;
use fairlead::worker::Event;

fn lab() -> Lab {
    Lab::new(Layout::TwoArm)
}

/// A request as a client sent it, or as it arrived at a member.
fn request(dst: &str) -> Build {
    Build::udp(at(PHONE, 5060), at(dst, 5060)).ttl(63).id(99).payload(b"INVITE sip:1 SIP/2.0\r\n\r\n")
}

fn of_member(src: &str) -> Build {
    Build::udp(at(src, 5060), at(PEER, 5060)).ttl(61).payload(b"OPTIONS sip:b SIP/2.0\r\n\r\n")
}

#[test]
fn s22_port_unreachable_of_a_member_comes_from_the_vip_about_the_vip() {
    let mut lab = lab();
    for code in [3, 1, 10, 13] {
        let sent = Build::icmp_error(A, PHONE, 3, code, &request(A)).id(5);
        lab.forwards(HOST_A, sent, ROUTER, Build::icmp_error(V, PHONE, 3, code, &request(V)).id(5));
    }
    assert_eq!(lab.rig.counters().flows, 0);
    let hints = lab.rig.events.iter().filter(|event| matches!(event, Event::Hint(MEMBER_A)));
    assert_eq!(hints.count(), 1, "a closed port hastens a probe");
}

#[test]
fn s22_the_least_quotation_and_a_connection_are_translated_too() {
    let mut lab = lab();
    let least = |from, quoted: Build| Build::icmp(from, PHONE, 3, 3).payload(&quoted.datagram()[..28]);
    lab.forwards(HOST_A, least(A, request(A)), ROUTER, least(V, request(V)));
    let client = at(PHONE, 40001);
    let syn = |dst| Build::tcp(client, at(dst, 5060), SYN, 7, 0);
    lab.forwards(ROUTER, syn(V), HOST_A, syn(A));
    let sent = Build::icmp_error(A, PHONE, 3, 3, &syn(A));
    lab.forwards(HOST_A, sent, ROUTER, Build::icmp_error(V, PHONE, 3, 3, &syn(V)));
}

#[test]
fn s22_an_error_of_the_old_member_still_passes_after_a_switchover() {
    let mut lab = lab();
    lab.rig.switch_over(Some(MEMBER_B), true);
    let sent = Build::icmp_error(A, PHONE, 3, 3, &request(A));
    lab.forwards(HOST_A, sent, ROUTER, Build::icmp_error(V, PHONE, 3, 3, &request(V)));
    let next = |dst| Build::udp(at(PHONE, 5060), at(dst, 5060));
    lab.forwards(ROUTER, next(V), HOST_B, next(B));
}

#[test]
fn s56_fragmentation_needed_reaches_the_member_with_the_mtu() {
    let mut lab = lab();
    for (kind, code) in [(3, 4), (3, 3), (11, 0)] {
        let error = |to, about| Build::icmp_error("198.51.100.7", to, kind, code, &of_member(about)).rest(1400);
        lab.forwards(ROUTER, error(V, V), HOST_A, error(A, A));
    }
}

/// A router from before RFC 1191 says 0; what a member makes of that is the member's (RFC 1191 5).
#[test]
fn s56_fragmentation_needed_without_an_mtu_is_passed_on_as_it_is() {
    let mut lab = lab();
    let error = |to, about| Build::icmp_error("198.51.100.7", to, 3, 4, &of_member(about)).rest(0);
    lab.forwards(ROUTER, error(V, V), HOST_A, error(A, A));
}

#[test]
fn s56_it_goes_to_the_one_that_spoke() {
    let mut lab = lab();
    let error = |to, about| Build::icmp_error("198.51.100.7", to, 3, 4, &of_member(about)).rest(1400);
    let said = |src| Build::udp(at(src, 5060), at(PEER, 5060));
    lab.forwards_noting(&[EngineEvent::StandbySpoke], HOST_B, said(B), ROUTER, said(V));
    let (out, moved) = lab.send(ROUTER, &error(V, V));
    assert_eq!((moved.transmitted, moved.dropped.len()), (1, 0));
    lab.expect(&out, HOST_B, error(B, B).ttl(63));
    lab.rig.switch_over(Some(MEMBER_B), true);
    lab.forwards(HOST_B, said(B), ROUTER, said(V));
    lab.forwards(ROUTER, error(V, V), HOST_B, error(B, B));
}

#[test]
fn s57_an_error_about_a_connection_outward_reaches_its_own_port() {
    let (mut lab, peer) = (lab(), at(PEER, 80));
    lab.connect_out(HOST_A, 41000, peer);
    let syn = |src, port| Build::tcp(at(src, port), peer, SYN, 3, 0);
    let translated = lab.forwards_as(HOST_B, syn(B, 41000), ROUTER, |port| syn(V, port));
    assert_ne!(translated, 41000);
    for (host, port) in [(HOST_A, 41000), (HOST_B, translated)] {
        let error = |to, about, port| Build::icmp_error("198.51.100.7", to, 3, 4, &syn(about, port)).rest(1400);
        lab.forwards(ROUTER, error(V, V, port), host, error(host.ip(), host.ip(), 41000));
    }
    let echo = |src, id| Build::echo_request(src, PEER, id, 1);
    let id = lab.forwards_as(HOST_B, echo(B, 41000), ROUTER, |id| echo(V, id));
    let error = |to, about, id| Build::icmp_error("198.51.100.7", to, 11, 0, &echo(about, id));
    lab.forwards(ROUTER, error(V, V, id), HOST_B, error(B, B, 41000));
}

#[test]
fn s58_an_error_with_a_wrong_checksum_is_dropped() {
    let mut lab = lab();
    let error = lab.arriving(ROUTER, &Build::icmp_error("198.51.100.7", V, 3, 4, &of_member(V)));
    let mut bad = error.clone();
    bad[14 + 20 + 2] ^= 0x55;
    lab.drops_frame(ROUTER, &bad, DropReason::BadIcmpChecksum);
    let bad = altered(error, |datagram| datagram[20 + 8 + 10] ^= 0x55);
    lab.drops_frame(ROUTER, &bad, DropReason::BadIcmpQuote);
}

#[test]
fn s58_an_error_about_no_known_flow_is_dropped_and_makes_none() {
    let mut lab = lab();
    let unknown = [
        Build::tcp(at(V, 41000), at(PEER, 80), SYN, 3, 0),
        Build::udp(at(V, 41000), at(PEER, 80)),
        Build::echo_request(V, PEER, 7, 1),
    ];
    for quoted in unknown {
        lab.drops(ROUTER, Build::icmp_error("198.51.100.7", V, 3, 4, &quoted), DropReason::NoFlowForError);
    }
    // Nor does anybody know whom a member means that has lost one to another member: it waits for nobody's MAC.
    for quoted in [Build::tcp(at(V, 41000), at(A, 5060), DATA, 3, 4), Build::udp(at(V, 41000), at(A, 5060))] {
        lab.drops(HOST_A, Build::icmp_error(A, V, 3, 3, &quoted), DropReason::NoFlowForError);
    }
    assert_eq!(lab.rig.counters().flows, 0);
}

#[test]
fn s58_a_quotation_with_options_or_an_extension_is_read_rightly() {
    let mut lab = lab();
    let quoted = |about| of_member(about).ip_options(&[7, 7, 4, 0, 0, 0, 0]);
    let error = |to, about| Build::icmp_error("198.51.100.7", to, 3, 4, &quoted(about)).rest(1400);
    lab.forwards(ROUTER, error(V, V), HOST_A, error(A, A));
    // RFC 4884: 32 words of quotation, then an extension structure of version 2 with one object.
    let extended = |to, about| {
        let mut payload = of_member(about).datagram();
        payload.resize(128, 0);
        payload.extend_from_slice(&[0x20, 0, 0xdb, 0xff, 0, 8, 1, 1, 4, 5, 6, 7]);
        Build::icmp("198.51.100.7", to, 11, 0).rest(32 << 16).payload(&payload)
    };
    lab.forwards(ROUTER, extended(V, V), HOST_A, extended(A, A));
}

#[test]
fn errors_about_what_is_only_routed_are_routed_untouched() {
    let mut lab = lab();
    let there = Build::tcp(at(A, 40200), at(CONFIG, 2020), SYN, 1, 0);
    lab.forwards(HOST_A, there.clone(), ROUTER, there.clone());
    let error = Build::icmp_error("198.51.100.7", A, 3, 4, &there.ttl(60)).rest(1400);
    lab.forwards(ROUTER, error.clone(), HOST_A, error);
    let visit = Build::udp(at(VISITOR, 50000), at(A, 161));
    lab.forwards(ROUTER, visit.clone(), HOST_A, visit.clone());
    let error = Build::icmp_error(A, VISITOR, 3, 3, &visit.ttl(63));
    lab.forwards(HOST_A, error.clone(), ROUTER, error);
}

#[test]
fn s59_no_error_is_made_about_an_error_a_broadcast_or_a_later_fragment() {
    let mut lab = lab();
    let expired = request(V).ttl(1);
    let error = Build::icmp_error(A, PHONE, 3, 3, &request(A)).ttl(1);
    lab.drops(HOST_A, error, DropReason::TtlExceeded);
    let mut to_all = lab.arriving(ROUTER, &expired);
    to_all[..6].fill(0xff);
    let (out, moved) = lab.raw(ROUTER, &to_all);
    assert_eq!((out.len(), &moved.ignored[..]), (0, &[IgnoreReason::Broadcast][..]), "{moved:?}");
    let big = Build::udp(at(VISITOR, 9), at(A, 9)).ttl(1).payload(&[1; 3000]).fragments(1480);
    let mut later = big[1].clone();
    later[..14].copy_from_slice(&lab.arriving(ROUTER, &expired)[..14]);
    lab.drops_frame(ROUTER, &later, DropReason::TtlExceeded);
}

#[test]
fn s62_what_runs_out_of_hops_is_answered_from_the_side_it_came_from() {
    let mut lab = lab();
    let (visit, visitor) = (at(A, 7000), at(VISITOR, 50123));
    let classes = [
        (ROUTER, PHONE, request(V)),
        (ROUTER, PHONE, Build::tcp(at(PHONE, 40001), at(V, 5060), SYN, 1, 0)),
        (ROUTER, VISITOR, Build::tcp(visitor, visit, SYN, 1, 0)),
        (ROUTER, VISITOR, Build::echo_request(VISITOR, A, 1, 1)),
        (HOST_A, A, of_member(A)),
        (HOST_A, A, Build::tcp(at(A, 41000), at(PEER, 80), SYN, 1, 0)),
        (HOST_A, A, Build::udp(at(A, 33000), at(PEER, 33434)).payload(&[0; 32])),
        (HOST_A, A, Build::echo_request(A, PEER, 1, 1).payload(&[0; 32])),
        (HOST_A, A, Build::tcp(at(A, 40200), at(CONFIG, 2020), SYN, 1, 0)),
        (HOST_B, B, Build::tcp(at(B, 40200), at(CONFIG, 2020), DATA, 1, 1)),
    ];
    for (from, sender, sent) in classes {
        let hop = if from == ROUTER { E } else { G };
        for ttl in [1, 0] {
            let sent = sent.clone().ttl(ttl);
            lab.rejects(from, sent.clone(), DropReason::TtlExceeded, Build::icmp_error(hop, sender, 11, 0, &sent));
        }
    }
    assert_eq!(lab.rig.counters().flows, 0, "what goes nowhere leaves nothing behind");
    lab.answers(ROUTER, Build::echo_request(PHONE, V, 1, 1).ttl(1), Build::echo_reply(V, PHONE, 1, 1));
}

#[test]
fn s60_a_traceroute_of_a_member_shows_every_hop_to_the_member() {
    let mut lab = lab();
    let probe = |src, port| Build::udp(at(src, 33000), at(PEER, port)).ttl(2).payload(&[0x40; 32]);
    let (out, _) = lab.send(HOST_A, &probe(A, 33435));
    lab.expect(&out, ROUTER, probe(V, 33435).ttl(1));
    let hop = |to, about| Build::icmp_error(R, to, 11, 0, &probe(about, 33435).ttl(1));
    lab.forwards(ROUTER, hop(V, V), HOST_A, hop(A, A));
    let (out, _) = lab.send(HOST_A, &probe(A, 33440));
    lab.expect(&out, ROUTER, probe(V, 33440).ttl(1));
    let end = |to, about| Build::icmp_error(PEER, to, 3, 3, &probe(about, 33440).ttl(1));
    lab.forwards(ROUTER, end(V, V), HOST_A, end(A, A));
}

#[test]
fn s64_an_error_inside_a_hairpin_is_translated_on_both_sides() {
    let mut lab = Lab::with(|intent| {
        intent.members.push(member("sip-c", "10.20.0.21", 1));
        intent.members.push(member("sip-d", "10.20.0.22", 1));
        intent.pools.push(pool("pair-2", &[2, 3]));
        intent.virtual_servers.push(virtual_server("sip-2", "10.20.0.200", 1));
        intent.snats.push(snat("10.20.0.200", 1, &[]));
    });
    const V2: &str = "10.20.0.200";
    const A2: &str = "10.20.0.21";
    let there = |src, dst| Build::udp(at(src, 41000), at(dst, 5060)).payload(b"INVITE");
    lab.forwards(HOST_A, there(A, V2), Far::Server(21), there(V, A2));
    let sent = Build::icmp_error(A2, V, 3, 3, &there(V, A2).ttl(63));
    lab.forwards(Far::Server(21), sent, HOST_A, Build::icmp_error(V2, A, 3, 3, &there(A, V2).ttl(63)));
}

#[test]
fn s23_a_storm_of_errors_passes_at_the_rate_of_the_file_and_touches_no_mapping() {
    let mut lab = Lab::with(|intent| intent.limits.icmp_errors_per_second = 100);
    let trap = |src| Build::udp(at(src, 33_000), at(PEER, 162));
    lab.forwards(HOST_A, trap(A), ROUTER, trap(V));
    let storm = |lab: &mut Lab, from, sent: Build, to, expected: Build| {
        let before = lab.rig.counters();
        let mut passed = 0;
        for _ in 0..10_000 {
            lab.rig.now += Duration::from_micros(100);
            let (out, moved) = lab.send(from, &sent);
            match out.is_empty() {
                true => assert_eq!(moved.dropped, [DropReason::IcmpLimited]),
                false => lab.expect(&out, to, expected.clone().ttl(63)),
            }
            passed += out.len() as u64;
        }
        let limited = lab.rig.counters().drops(DropReason::IcmpLimited) - before.drops(DropReason::IcmpLimited);
        assert_eq!(limited + passed, 10_000, "the rest is counted");
        assert!((100..=201).contains(&passed), "{passed} in a second");
    };
    let error = |from, about| Build::icmp_error(from, PHONE, 3, 3, &request(about));
    storm(&mut lab, HOST_A, error(A, A), ROUTER, error(V, V));
    lab.rig.wait(Duration::from_secs(297));
    let gone = |to, about| Build::icmp_error(PEER, to, 3, 3, &trap(about).ttl(60));
    storm(&mut lab, ROUTER, gone(V, V), HOST_A, gone(A, A));
    assert_eq!(lab.rig.counters().flows, 1, "not removed");
    lab.rig.wait(Duration::from_secs(3));
    assert_eq!(lab.rig.counters().flows, 0, "nor refreshed");
}

#[test]
fn s61_a_traceroute_to_the_virtual_address_ends_there_and_one_to_a_member_passes() {
    let mut lab = lab();
    let probe = |dst, ttl| Build::udp(at(VISITOR, 50_000), at(dst, 33_434)).ttl(ttl).payload(&[0x40; 32]);
    let hop = Build::icmp_error(E, VISITOR, 11, 0, &probe(A, 1));
    lab.rejects(ROUTER, probe(A, 1), DropReason::TtlExceeded, hop);
    let (out, _) = lab.send(ROUTER, &probe(A, 2));
    lab.expect(&out, HOST_A, probe(A, 1));
    let end = Build::icmp_error(A, VISITOR, 3, 3, &probe(A, 1));
    lab.forwards(HOST_A, end.clone(), ROUTER, end);
    for ttl in [1, 2] {
        let end = Build::icmp_error(V, VISITOR, 3, 3, &probe(V, ttl));
        lab.rejects(ROUTER, probe(V, ttl), DropReason::NotListening, end);
    }
}

#[test]
fn s58_a_source_quench_or_redirect_about_a_translated_packet_is_dropped() {
    let mut lab = lab();
    for (kind, code) in [(4, 0), (5, 1)] {
        let error = Build::icmp_error(R, V, kind, code, &of_member(V));
        lab.drops(ROUTER, error, DropReason::IcmpUnsupported);
    }
}

#[test]
fn icmp_errors_of_strangers_are_not_punted() {
    let mut lab = Lab::new(Layout::TwoArm);
    let quoted = Build::udp(at(G, 50000), at(A, 5060)).payload(b"q");
    let before = lab.rig.counters().punted.sum();
    lab.send(ROUTER, &Build::icmp_error(PHONE, G, 3, 3, &quoted));
    assert_eq!(lab.rig.counters().punted.sum(), before, "a stranger ends a probe");
}

#[test]
fn an_answer_to_a_probe_from_an_address_that_is_no_members_goes_to_management_and_is_never_refused() {
    let mut lab = lab();
    let other = Far::Server(13);
    let from_other = |port| Build::udp(at("10.20.0.13", 5060), at(G, port)).payload(b"SIP/2.0 200 OK\r\n\r\n");
    let echo = Build::echo_reply("10.20.0.13", G, 50_000, 0);
    for stray in [from_other(50_000), echo] {
        let (out, moved) = lab.send(other, &stray);
        assert_eq!((out.len(), moved.punted, moved.dropped), (0, vec![PuntReason::Stray], vec![]));
    }
    // A member's other port is its own affair as well.
    let (out, moved) = lab.send(HOST_A, &Build::udp(at(A, 5099), at(G, 50_000)).payload(b"x"));
    assert_eq!((out.len(), moved.punted), (0, vec![PuntReason::Local]));
    // Where no probe leaves from, a stranger is refused as ever.
    let unreachable = |from, to, about| Build::icmp_error(from, to, 3, 3, &about);
    lab.rejects(other, from_other(5060), DropReason::NotListening, unreachable(G, "10.20.0.13", from_other(5060)));
    let outside = Build::udp(at(PHONE, 5060), at(E, 50_000)).payload(b"x");
    let about = outside.clone();
    lab.rejects(ROUTER, outside, DropReason::NotListening, unreachable(E, PHONE, about));
}

#[test]
fn strangers_who_send_to_probe_ports_reach_management_at_a_bounded_rate_and_cost_members_nothing() {
    let mut lab = lab();
    let mut punted = 0;
    for port in 50_000..55_000 {
        let stray = Build::udp(at("10.20.0.13", 5060), at(G, port)).payload(b"x");
        let (out, moved) = lab.send(Far::Server(13), &stray);
        assert_eq!(out, []);
        punted += moved.punted.len();
        assert!(moved.punted == [PuntReason::Stray] || moved.dropped == [DropReason::StrayLimited], "{moved:?}");
    }
    assert_eq!(punted, 512 * lab.rig.workers.len());
    let (_, moved) = lab.send(HOST_A, &Build::udp(at(A, 5060), at(G, 50_000)).payload(b"SIP/2.0 200 OK\r\n\r\n"));
    assert_eq!(moved.punted, [PuntReason::Local]);
}
