//! Scenarios 39, 40 and 44 to 49: ports outward, how long a connection is
//! remembered, checksums and short packets.

use super::*;
use fairlead::time::Duration;
use fairlead::wire::build::Build;
use fairlead::wire::tcp::Flags;
use fairlead::wire::{Endpoint, Packet};

fn lab() -> Lab {
    Lab::new(Layout::TwoArm)
}

fn syn(src: &str, port: u16, to: Endpoint) -> Build {
    Build::tcp(at(src, port), to, SYN, 10, 0)
}

#[test]
fn s39_two_members_with_one_port_to_one_peer_both_get_through() {
    let (mut lab, peer) = (lab(), at(PEER, 5060));
    lab.connect_out(HOST_A, 41000, peer);
    let translated = lab.forwards_as(HOST_B, syn(B, 41000, peer), ROUTER, |port| syn(V, port, peer));
    assert!(translated >= 1024 && ![5060, 5061, 41000].contains(&translated), "{translated}");
    for (host, port) in [(HOST_A, 41000), (HOST_B, translated)] {
        let back = |dst, port| Build::tcp(peer, at(dst, port), SYN_ACK, 70, 11);
        lab.forwards(ROUTER, back(V, port), host, back(host.ip(), 41000));
        let there = |src, port| Build::tcp(at(src, port), peer, ACK, 11, 71);
        lab.forwards(host, there(host.ip(), 41000), ROUTER, there(V, port));
    }
    assert_eq!(lab.rig.counters().flows, 2);
}

#[test]
fn s39_a_service_port_is_never_handed_out() {
    let mut lab = lab();
    for (at_peer, port) in [(1, 5060), (2, 5061)] {
        let peer = at(PEER, 6000 + at_peer);
        let translated = lab.forwards_as(HOST_B, syn(B, port, peer), ROUTER, |port| syn(V, port, peer));
        let service = port == translated;
        // A connection from the service port of a member keeps it (the ports of SIP and SIP over TLS never change).
        assert!(service || ![5060, 5061].contains(&translated), "{port} became {translated}");
    }
}

#[test]
fn s40_one_port_of_a_member_is_translated_to_one_port_for_every_peer() {
    let mut lab = lab();
    let peers = [at("172.16.9.1", 5060), at("172.16.9.2", 5060), at("172.16.9.3", 5070), at("172.16.9.4", 80)];
    lab.connect_out(HOST_A, 41000, peers[0]);
    lab.forwards(HOST_A, syn(A, 41000, peers[1]), ROUTER, syn(V, 41000, peers[1]));
    let translated: Vec<_> = peers
        .iter()
        .map(|&peer| lab.forwards_as(HOST_B, syn(B, 41000, peer), ROUTER, |port| syn(V, port, peer)))
        .collect();
    assert!(translated.iter().all(|port| *port == translated[0] && *port != 41000), "{translated:?}");
    let datagram = |src, port, peer| Build::udp(at(src, port), peer);
    let translated: Vec<_> = peers
        .iter()
        .map(|&peer| lab.forwards_as(HOST_B, datagram(B, 41000, peer), ROUTER, |port| datagram(V, port, peer)))
        .collect();
    assert!(translated.iter().all(|port| *port == translated[0]), "{translated:?}");
}

#[test]
fn s42_a_datagram_mapping_lives_for_five_minutes_and_a_service_for_ever() {
    let (mut lab, peer) = (lab(), at(PEER, 162));
    let trap = |src| Build::udp(at(src, 33000), peer).payload(b"trap");
    let answer = |dst| Build::udp(peer, at(dst, 33000)).payload(b"noted");
    lab.forwards(HOST_A, trap(A), ROUTER, trap(V));
    for idle in [119, 299] {
        lab.rig.wait(Duration::from_secs(idle));
        lab.forwards(HOST_A, trap(A), ROUTER, trap(V));
        lab.forwards(ROUTER, answer(V), HOST_A, answer(A));
    }
    lab.rig.wait(Duration::from_secs(302));
    assert_eq!(lab.rig.counters().flows, 0);
    let gone = Build::icmp_error(V, PEER, 3, 3, &answer(V));
    lab.rejects(ROUTER, answer(V), fairlead::engine::DropReason::NotListening, gone);
    let sip = |dst| Build::udp(at(PEER, 5060), at(dst, 5060));
    lab.forwards(ROUTER, sip(V), HOST_A, sip(A));
}

#[test]
fn s44_a_handshake_nobody_answers_is_forgotten_after_four_minutes() {
    let mut lab = lab();
    let client = |dst| Build::tcp(at(PHONE, 40001), at(dst, 5060), SYN, 1, 0);
    lab.forwards(ROUTER, client(V), HOST_A, client(A));
    lab.forwards(HOST_A, syn(A, 41000, at(PEER, 80)), ROUTER, syn(V, 41000, at(PEER, 80)));
    lab.rig.wait(Duration::from_secs(238));
    assert_eq!(lab.rig.counters().flows, 2);
    lab.rig.wait(Duration::from_secs(4));
    assert_eq!(lab.rig.counters().flows, 0);
}

/// One segment of a client's connection with A, each way.
fn there(dst: &str, flags: Flags, seq: u32, ack: u32) -> Build {
    Build::tcp(at(PHONE, 40001), at(dst, 5060), flags, seq, ack)
}

fn back(src: &str, flags: Flags, seq: u32, ack: u32) -> Build {
    Build::tcp(at(src, 5060), at(PHONE, 40001), flags, seq, ack)
}

#[test]
fn s45_after_a_reset_a_retransmission_is_still_translated() {
    let mut lab = lab();
    lab.connect(at(PHONE, 40001), 5060, HOST_A);
    lab.forwards(HOST_A, back(A, Flags::RST, 9001, 0), ROUTER, back(V, Flags::RST, 9001, 0));
    lab.rig.wait(Duration::from_secs(60));
    lab.forwards(HOST_A, back(A, Flags::RST, 9001, 0), ROUTER, back(V, Flags::RST, 9001, 0));
    lab.forwards(ROUTER, there(V, DATA, 1001, 9001), HOST_A, there(A, DATA, 1001, 9001));
    lab.rig.wait(Duration::from_secs(245));
    assert_eq!(lab.rig.counters().flows, 0, "and four minutes later it is over");
}

#[test]
fn s46_the_last_acknowledgement_may_come_three_minutes_late() {
    let mut lab = lab();
    lab.connect(at(PHONE, 40001), 5060, HOST_A);
    lab.forwards(ROUTER, there(V, FIN_ACK, 1001, 9001), HOST_A, there(A, FIN_ACK, 1001, 9001));
    lab.forwards(HOST_A, back(A, FIN_ACK, 9001, 1002), ROUTER, back(V, FIN_ACK, 9001, 1002));
    lab.forwards(ROUTER, there(V, ACK, 1002, 9002), HOST_A, there(A, ACK, 1002, 9002));
    lab.rig.wait(Duration::from_secs(180));
    lab.forwards(HOST_A, back(A, FIN_ACK, 9001, 1002), ROUTER, back(V, FIN_ACK, 9001, 1002));
    lab.forwards(ROUTER, there(V, ACK, 1002, 9002), HOST_A, there(A, ACK, 1002, 9002));
}

#[test]
fn a_fin_is_never_swallowed_and_the_reset_after_it_passes() {
    let mut lab = lab();
    lab.connect(at(PHONE, 40001), 5060, HOST_A);
    for _ in 0..3 {
        lab.forwards(ROUTER, there(V, FIN_ACK, 1001, 9001), HOST_A, there(A, FIN_ACK, 1001, 9001));
    }
    lab.rig.wait(Duration::from_secs(200));
    lab.forwards(ROUTER, there(V, FIN_ACK, 1001, 9001), HOST_A, there(A, FIN_ACK, 1001, 9001));
    let reset = Flags::RST.with(Flags::ACK);
    lab.forwards(ROUTER, there(V, reset, 1002, 9001), HOST_A, there(A, reset, 1002, 9001));
}

#[test]
fn a_new_syn_is_taken_up_by_a_connection_that_never_stood_or_has_ended() {
    let mut lab = lab();
    let again = |dst, isn| there(dst, SYN, isn, 0);
    lab.forwards(ROUTER, again(V, 1000), HOST_A, again(A, 1000));
    lab.rig.switch_over(Some(MEMBER_B), false);
    lab.forwards(ROUTER, again(V, 77_000), HOST_B, again(B, 77_000));
    lab.forwards(HOST_B, back(B, SYN_ACK, 5, 77_001), ROUTER, back(V, SYN_ACK, 5, 77_001));
    lab.forwards(ROUTER, there(V, FIN_ACK, 77_001, 6), HOST_B, there(B, FIN_ACK, 77_001, 6));
    lab.forwards(HOST_B, back(B, FIN_ACK, 6, 77_002), ROUTER, back(V, FIN_ACK, 6, 77_002));
    lab.forwards(ROUTER, there(V, ACK, 77_002, 7), HOST_B, there(B, ACK, 77_002, 7));
    lab.rig.switch_over(Some(MEMBER_A), false);
    lab.forwards(ROUTER, again(V, 99_000), HOST_A, again(A, 99_000));
    lab.forwards(HOST_A, back(A, SYN_ACK, 8, 99_001), ROUTER, back(V, SYN_ACK, 8, 99_001));
}

#[test]
fn a_syn_on_a_connection_that_stands_goes_to_its_member_which_challenges_it() {
    let mut lab = lab();
    lab.connect(at(PHONE, 40001), 5060, HOST_A);
    lab.rig.switch_over(Some(MEMBER_B), false);
    let syn = |dst| there(dst, SYN, 500_000, 0);
    lab.forwards(ROUTER, syn(V), HOST_A, syn(A));
    lab.forwards(HOST_A, back(A, ACK, 9001, 1001), ROUTER, back(V, ACK, 9001, 1001));
    lab.forwards(ROUTER, there(V, DATA, 1001, 9001), HOST_A, there(A, DATA, 1001, 9001));
}

#[test]
fn an_old_acknowledgement_that_answers_a_new_syn_passes() {
    let mut lab = lab();
    lab.connect(at(PHONE, 40001), 5060, HOST_A);
    lab.forwards(ROUTER, there(V, FIN_ACK, 1001, 9001), HOST_A, there(A, FIN_ACK, 1001, 9001));
    lab.forwards(HOST_A, back(A, FIN_ACK, 9001, 1002), ROUTER, back(V, FIN_ACK, 9001, 1002));
    lab.forwards(ROUTER, there(V, ACK, 1002, 9002), HOST_A, there(A, ACK, 1002, 9002));
    lab.forwards(ROUTER, there(V, SYN, 600, 0), HOST_A, there(A, SYN, 600, 0));
    lab.forwards(HOST_A, back(A, ACK, 9002, 1002), ROUTER, back(V, ACK, 9002, 1002));
    lab.forwards(ROUTER, there(V, Flags::RST, 1002, 0), HOST_A, there(A, Flags::RST, 1002, 0));
    lab.forwards(ROUTER, there(V, SYN, 600, 0), HOST_A, there(A, SYN, 600, 0));
    lab.forwards(HOST_A, back(A, SYN_ACK, 40_000, 601), ROUTER, back(V, SYN_ACK, 40_000, 601));
}

#[test]
fn s48_no_checksum_stays_none() {
    let mut lab = lab();
    let request = |dst| Build::udp(at(PHONE, 5060), at(dst, 5060)).no_checksum().payload(b"x");
    lab.forwards(ROUTER, request(V), HOST_A, request(A));
    let answer = |src| Build::udp(at(src, 5060), at(PHONE, 5060)).no_checksum().payload(b"x");
    lab.forwards(HOST_A, answer(A), ROUTER, answer(V));
    let trap = |src| Build::udp(at(src, 33000), at(PEER, 162)).no_checksum();
    lab.forwards(HOST_A, trap(A), ROUTER, trap(V));
}

#[test]
fn s48_a_sum_of_zero_is_written_as_ones() {
    let mut lab = lab();
    let request = |dst, word: u16| Build::udp(at(PHONE, 5060), at(dst, 5060)).payload(&word.to_be_bytes());
    let answer = |src, word: u16| Build::udp(at(src, 5060), at(PHONE, 5060)).payload(&word.to_be_bytes());
    let ones = |build: Build| build.bytes()[40..42] == [0xff, 0xff];
    let word = (0..=u16::MAX).find(|word| ones(request(A, *word))).unwrap();
    lab.forwards(ROUTER, request(V, word), HOST_A, request(A, word));
    let word = (0..=u16::MAX).find(|word| ones(answer(V, *word))).unwrap();
    lab.forwards(HOST_A, answer(A, word), ROUTER, answer(V, word));
    let word = (0..=u16::MAX).find(|word| ones(request(V, *word))).unwrap();
    lab.forwards(ROUTER, request(V, word), HOST_A, request(A, word));
}

#[test]
fn s49_empty_and_tiny_datagrams_in_padded_frames_pass_with_right_lengths() {
    for layout in [Layout::TwoArm, Layout::TaggedServers, Layout::OnePort, Layout::PriorityTags, Layout::OneArm] {
        let mut lab = Lab::new(layout);
        for payload in [&b""[..], b"\r\n\r\n", b"x"] {
            let request = |dst| Build::udp(at(PHONE, 5060), at(dst, 5060)).payload(payload);
            lab.forwards(ROUTER, request(V), HOST_A, request(A));
            let answer = |src| Build::udp(at(src, 5060), at(PHONE, 5060)).payload(payload);
            lab.forwards(HOST_A, answer(A), ROUTER, answer(V));
        }
        lab.connect(at(PHONE, 40001), 5060, HOST_A);
        let ping = |dst| there(dst, DATA, 1001, 9001).payload(b"\r\n\r\n");
        lab.forwards(ROUTER, ping(V), HOST_A, ping(A));
        let pong = |src| back(src, DATA, 9001, 1005).payload(b"\r\n");
        lab.forwards(HOST_A, pong(A), ROUTER, pong(V));
        let out = lab.rig.switch_over(Some(MEMBER_B), true);
        assert_eq!(out.len(), 3, "padding is no data");
        lab.expect_reset(&out[0], ROUTER, at(V, 5060), at(PHONE, 40001), 9001);
        lab.expect_reset(&out[1], ROUTER, at(V, 5060), at(PHONE, 40001), 9003);
        lab.expect_reset(&out[2], HOST_A, at(PHONE, 40001), at(A, 5060), 1005);
    }
}

#[test]
fn s49_a_frame_shorter_than_ethernet_allows_is_taken_and_sent_full() {
    let mut lab = lab();
    let request = |dst| Build::udp(at(PHONE, 5060), at(dst, 5060));
    let mut short = lab.arriving(ROUTER, &request(V));
    short.truncate(42);
    let (out, moved) = lab.raw(ROUTER, &short);
    assert_eq!((moved.transmitted, moved.dropped.len()), (1, 0));
    assert_eq!(out[0].0, INNER);
    let expected = lab.leaving(HOST_A, &request(A).ttl(63));
    assert_eq!(out[0].1[..42], expected[..42]);
    assert!(out[0].1[42..].iter().all(|byte| *byte == 0));
    assert_eq!(Packet::parse(&out[0].1).unwrap().end, 42);
}

#[test]
fn answers_of_the_exclusion_group_leave_no_flows_for_hours() {
    let mut lab = Lab::new(Layout::TwoArm);
    for port in 30000..30050 {
        lab.send(HOST_A, &Build::udp(at(A, port), at(CONFIG, 53)).payload(b"q"));
        lab.send(ROUTER, &Build::udp(at(CONFIG, 53), at(A, port)).payload(b"a"));
    }
    lab.rig.wait(Duration::from_secs(3600));
    assert_eq!(lab.rig.counters().flows, 0, "after an hour");
}

/// Service ports are found by address and port: that a peer serves SIP at the same number makes nobody's datagram slower.
#[test]
fn a_datagram_to_a_port_that_others_serve_has_a_cached_route() {
    let (mut lab, peer) = (lab(), at(PEER, 5060));
    let there = |src| Build::udp(at(src, 33_000), peer);
    let back = |dst| Build::udp(peer, at(dst, 33_000));
    for _ in 0..2 {
        lab.forwards(HOST_A, there(A), ROUTER, there(V));
        lab.forwards(ROUTER, back(V), HOST_A, back(A));
    }
    for frame in [there(A), back(V)] {
        let tuple = Packet::parse(&frame.bytes()).unwrap().tuple().unwrap();
        assert!(lab.rig.workers.iter().any(|worker| worker.engine().is_cached(&tuple)), "{tuple}");
    }
    // Its own service ports need no flow at all.
    lab.forwards(ROUTER, Build::udp(peer, at(V, 5060)), HOST_A, Build::udp(peer, at(A, 5060)));
    assert_eq!(lab.rig.counters().flows, 1);
}
