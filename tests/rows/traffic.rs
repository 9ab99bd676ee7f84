//! Scenarios 162 to 164: what is forwarded is counted once for whom it is, in its direction, on every path, the first packet of a flow as
//! those that leave by its cached route; what does not leave is not.

use super::*;
use fairlead::engine::{Connections, DropReason, Forwarded};
use fairlead::policy::adjacency::NextHop;
use fairlead::policy::intent::{InterfaceId, MemberId, Mode, VirtualServerId};
use fairlead::time::Duration;
use fairlead::wire::build::Build;

/// So long after it left at once a packet is in the sums that management reads.
const SHOWN: Duration = Duration::from_millis(10);
const SERVER: VirtualServerId = VirtualServerId(0);

fn lab() -> Lab {
    Lab::with(|intent| intent.limits.traffic_counters = true)
}

/// What is to be counted of these datagrams to somebody, and from him.
fn of<'b>(to: impl IntoIterator<Item = &'b Build>, from: impl IntoIterator<Item = &'b Build>) -> Forwarded {
    let sum = |builds: &mut dyn Iterator<Item = &'b Build>| {
        builds.fold((0, 0), |(packets, bytes), build| (packets + 1, bytes + build.datagram().len() as u64))
    };
    let (packets_in, bytes_in) = sum(&mut to.into_iter());
    let (packets_out, bytes_out) = sum(&mut from.into_iter());
    Forwarded { packets_in, packets_out, bytes_in, bytes_out }
}

/// A, B and the virtual server have this, and nobody else has anything.
#[track_caller]
fn expect(lab: &mut Lab, a: Forwarded, b: Forwarded, server: Forwarded) {
    lab.rig.wait(SHOWN);
    assert_eq!(lab.rig.forwarded(MEMBER_A), a, "A");
    assert_eq!(lab.rig.forwarded(MEMBER_B), b, "B");
    assert_eq!(lab.rig.forwarded_of(SERVER), server, "the virtual server");
    for id in 2..6 {
        assert_eq!(lab.rig.forwarded(MemberId(id)), Forwarded::default(), "member {id}");
        assert_eq!(lab.rig.forwarded_of(VirtualServerId(id - 1)), Forwarded::default(), "virtual server {}", id - 1);
    }
}

/// Each passes three times: what makes a flow, what meets it, what leaves by its cached route.
fn thrice(lab: &mut Lab, from: Far, sent: &Build, to: Far, expected: &Build) {
    (0..3).for_each(|_| lab.forwards(from, sent.clone(), to, expected.clone()));
}

#[test]
fn s162_datagrams_of_a_service_count_for_the_member_and_the_virtual_server() {
    let mut lab = lab();
    let request = |dst| Build::udp(at(PHONE, 5060), at(dst, 5060)).payload(&[b'x'; 300]);
    let answer = |src| Build::udp(at(src, 5060), at(PHONE, 5060)).payload(b"SIP/2.0 200 OK\r\n\r\n");
    thrice(&mut lab, ROUTER, &request(V), HOST_A, &request(A));
    thrice(&mut lab, HOST_A, &answer(A), ROUTER, &answer(V));
    let [request, answer] = [request(V), answer(V)];
    let counted = of([&request; 3], [&answer; 3]);
    assert_eq!((counted.bytes_in, counted.bytes_out), (3 * 328, 3 * 46), "from the IP header on");
    expect(&mut lab, counted, Forwarded::default(), counted);
    // To the exclusion group the service does not answer: the member's own address does.
    let own = Build::udp(at(A, 5060), at(CONFIG, 5060)).payload(b"NOTIFY");
    thrice(&mut lab, HOST_A, &own, ROUTER, &own);
    let member = of([&request; 3], [&answer, &answer, &answer, &own, &own, &own]);
    expect(&mut lab, member, Forwarded::default(), counted);
    // Another member takes over.
    lab.rig.switch_over(Some(MEMBER_B), true);
    let later = |dst| Build::udp(at(PHONE, 5060), at(dst, 5060)).payload(b"INVITE");
    thrice(&mut lab, ROUTER, &later(V), HOST_B, &later(B));
    let later = later(V);
    let server = of([&request, &request, &request, &later, &later, &later], [&answer; 3]);
    expect(&mut lab, member, of([&later; 3], []), server);
}

#[test]
fn s162_a_connection_of_a_service_counts_whole() {
    let mut lab = lab();
    lab.connect(at(PHONE, 40001), 5060, HOST_A);
    lab.rig.wait(SHOWN);
    let before = lab.rig.forwarded(MEMBER_A);
    assert_eq!((before.packets_in, before.packets_out), (2, 1), "the handshake");
    let data = |dst, seq| Build::tcp(at(PHONE, 40001), at(dst, 5060), DATA, seq, 9001).payload(&[1; 100]);
    let says = |src, seq| Build::tcp(at(src, 5060), at(PHONE, 40001), DATA, seq, 1301).payload(&[2; 50]);
    for at in 0..3 {
        lab.forwards(ROUTER, data(V, 1001 + 100 * at), HOST_A, data(A, 1001 + 100 * at));
    }
    for at in 0..3 {
        lab.forwards(HOST_A, says(A, 9001 + 50 * at), ROUTER, says(V, 9001 + 50 * at));
    }
    let (to, from) = (data(V, 1).datagram().len() as u64, says(V, 1).datagram().len() as u64);
    let after = Forwarded {
        packets_in: before.packets_in + 3,
        packets_out: before.packets_out + 3,
        bytes_in: before.bytes_in + 3 * to,
        bytes_out: before.bytes_out + 3 * from,
    };
    expect(&mut lab, after, Forwarded::default(), after);
}

#[test]
fn s162_what_members_open_and_visitors_send_counts_for_the_member_alone() {
    let mut lab = lab();
    let asks = |src| Build::udp(at(src, 33_000), at(PEER, 162)).payload(b"trap");
    let answers = |dst| Build::udp(at(PEER, 162), at(dst, 33_000)).payload(b"response");
    thrice(&mut lab, HOST_A, &asks(A), ROUTER, &asks(V));
    thrice(&mut lab, ROUTER, &answers(V), HOST_A, &answers(A));
    let excluded = Build::udp(at(A, 33_001), at(CONFIG, 2020)).payload(b"hello");
    let back = Build::udp(at(CONFIG, 2020), at(A, 33_001)).payload(b"hello, you");
    thrice(&mut lab, HOST_A, &excluded, ROUTER, &excluded);
    thrice(&mut lab, ROUTER, &back, HOST_A, &back);
    let visit = Build::udp(at(VISITOR, 50_124), at(B, 161)).payload(b"get");
    let reply = Build::udp(at(B, 161), at(VISITOR, 50_124)).payload(b"what was asked for");
    thrice(&mut lab, ROUTER, &visit, HOST_B, &visit);
    thrice(&mut lab, HOST_B, &reply, ROUTER, &reply);
    let ping = |dst, id| Build::echo_request(dst, PEER, id, 1).payload(&[7; 56]);
    lab.forwards(HOST_A, ping(A, 7), ROUTER, ping(V, 7));
    let (asks, answers, ping) = (asks(V), answers(V), ping(V, 7));
    let a = of(
        [&answers, &answers, &answers, &back, &back, &back],
        [&asks, &asks, &asks, &excluded, &excluded, &excluded, &ping],
    );
    expect(&mut lab, a, of([&visit; 3], [&reply; 3]), Forwarded::default());
}

#[test]
fn s162_a_visitor_counts_for_whom_it_calls_though_the_id_has_become_another_member_s() {
    let mut lab = lab();
    let visit = Build::udp(at(VISITOR, 50_124), at(B, 161)).payload(b"get");
    thrice(&mut lab, ROUTER, &visit, HOST_B, &visit);
    let rig = &mut lab.rig;
    let (b, health) = (rig.intent.members.pop().unwrap(), rig.health.members.pop().unwrap());
    rig.intent.pools[0].members.pop();
    rig.publish();
    // Each takes the lowest id that is free: C has that of B now, and B, who is back, another one.
    for (place, one) in [(1, member("sip-c", "10.20.0.19", 0)), (2, b)] {
        rig.intent.members.push(one);
        rig.intent.pools[0].members.push(MemberId(place));
        rig.health.members.push(health);
        rig.publish();
    }
    let ids = [B, "10.20.0.19"].map(|it| rig.installed().members.find_id(|member| member.address == addr(it)).unwrap());
    assert_eq!(ids, [MemberId(2), MEMBER_B]);
    rig.wait(SHOWN);
    let before = ids.map(|id| lab.rig.forwarded(id));
    assert_eq!(before[0], Forwarded::default());
    thrice(&mut lab, ROUTER, &visit, HOST_B, &visit);
    lab.rig.wait(SHOWN);
    assert_eq!(ids.map(|id| lab.rig.forwarded(id)), [of([&visit; 3], []), before[1]]);
    // Who comes now is a visitor of B's, by the id that it has now.
    let another = Build::udp(at(VISITOR, 50_125), at(B, 161)).payload(b"get");
    thrice(&mut lab, ROUTER, &another, HOST_B, &another);
    let direct = |id| lab.rig.workers.iter().map(|it| it.engine().member_use().of(id).direct).sum::<u64>();
    assert_eq!(ids.map(direct), [1, 0]);
}

#[test]
fn s162_a_hairpin_counts_for_both_members_and_for_the_virtual_server_that_was_called() {
    let mut lab = lab();
    let syn = |src, port, dst| Build::tcp(at(src, port), at(dst, 5060), SYN, 1, 0);
    let translated = lab.forwards_as(HOST_B, syn(B, 41000, V), HOST_A, |port| syn(V, port, A));
    let back = |src, dst, port| Build::tcp(at(src, 5060), at(dst, port), SYN_ACK, 9, 2);
    lab.forwards(HOST_A, back(A, V, translated), HOST_B, back(V, B, 41000));
    let data = |src, port, dst, seq| Build::tcp(at(src, port), at(dst, 5060), DATA, seq, 10).payload(b"INVITE");
    for at in 0..3 {
        lab.forwards(HOST_B, data(B, 41000, V, 2 + 6 * at), HOST_A, data(V, translated, A, 2 + 6 * at));
    }
    let asks = |src, dst| Build::udp(at(src, 41000), at(dst, 5060)).payload(b"OPTIONS");
    let port =
        lab.forwards_as(HOST_B, asks(B, V), HOST_A, |port| Build::udp(at(V, port), at(A, 5060)).payload(b"OPTIONS"));
    let answers = |src, dst, port| Build::udp(at(src, 5060), at(dst, port)).payload(b"200");
    lab.forwards(HOST_A, answers(A, V, port), HOST_B, answers(V, B, 41000));
    let (syn, back, data) = (syn(B, 41000, V), back(V, B, 41000), data(B, 41000, V, 2));
    let (asks, answers) = (asks(B, V), answers(V, B, 41000));
    let (called, answered) = ([&syn, &data, &data, &data, &asks], [&back, &answers]);
    expect(&mut lab, of(called, answered), of(answered, called), of(called, answered));
}

#[test]
fn s162_peers_that_members_share_count_whoever_has_begun() {
    let mut lab = Lab::with(|intent| {
        intent.limits.traffic_counters = true;
        intent.pools[0].mode = Mode::RoundRobin;
        intent.virtual_servers[0].redeliver = fairlead::time::Duration::ZERO;
    });
    lab.rig.share(0, &[MEMBER_A, MEMBER_B], &[]);
    let says = |src| Build::udp(at(src, 5060), at(PEER, 5060)).payload(b"OPTIONS");
    let answers = |dst| Build::udp(at(PEER, 5060), at(dst, 5060)).payload(b"SIP/2.0 200 OK\r\n\r\n");
    thrice(&mut lab, HOST_B, &says(B), ROUTER, &says(V));
    thrice(&mut lab, ROUTER, &answers(V), HOST_B, &answers(B));
    let (says, answers) = (says(V), answers(V));
    let counted = of([&answers; 3], [&says; 3]);
    expect(&mut lab, Forwarded::default(), counted, counted);
}

#[test]
fn s162_all_that_leaves_is_somebodys_once_over_switchovers_and_reloads() {
    let mut lab = lab();
    let (began, mut of_service, mut bytes) = (lab.rig.counters().transmitted, 0, 0);
    for (round, port) in (0..6).zip(33_000..) {
        let (host, member, next) = if round % 2 == 0 { (HOST_A, A, MEMBER_B) } else { (HOST_B, B, MEMBER_A) };
        let request = |dst| Build::udp(at(PHONE, port), at(dst, 5060)).payload(&[b'x'; 200]);
        let answer = |src| Build::udp(at(src, 5060), at(PHONE, port)).payload(b"SIP/2.0 200 OK\r\n\r\n");
        let asks = |src| Build::udp(at(src, port), at(PEER, 162)).payload(b"trap");
        let excluded = Build::udp(at(member, port), at(CONFIG, 2020)).payload(b"hello");
        let visit = Build::udp(at(VISITOR, port), at(B, 161)).payload(b"get");
        for (from, sent, to, left) in [
            (ROUTER, request(V), host, request(member)),
            (host, answer(member), ROUTER, answer(V)),
            (host, asks(member), ROUTER, asks(V)),
            (host, excluded.clone(), ROUTER, excluded),
            (ROUTER, visit.clone(), HOST_B, visit),
        ] {
            bytes += 3 * sent.datagram().len() as u64;
            thrice(&mut lab, from, &sent, to, &left);
        }
        of_service += 6;
        // No time has passed: what is counted has not been shown yet.
        lab.rig.intent.timeouts.udp += Duration::from_secs(u64::from(round == 3));
        lab.rig.switch_over(Some(next), true);
    }
    lab.rig.wait(SHOWN);
    let members = [MEMBER_A, MEMBER_B].map(|id| lab.rig.forwarded(id));
    assert_eq!(
        lab.rig.counters().transmitted - began,
        members.iter().map(|it| it.packets_in + it.packets_out).sum::<u64>()
    );
    assert_eq!(bytes, members.iter().map(|it| it.bytes_in + it.bytes_out).sum::<u64>());
    let Forwarded { packets_in, packets_out, .. } = lab.rig.forwarded_of(SERVER);
    assert_eq!([packets_in, packets_out], [of_service / 2; 2]);
}

#[test]
fn s162_errors_count_for_the_member_and_fragments_one_by_one() {
    let mut lab = lab();
    let request = |dst| Build::udp(at(PHONE, 5060), at(dst, 5060)).ttl(63).id(99).payload(b"INVITE");
    let error = |src, about| Build::icmp_error(src, PHONE, 3, 3, &request(about)).id(5);
    lab.forwards(HOST_A, error(A, A), ROUTER, error(V, V));
    let errors = of([], [&error(V, V)]);
    expect(&mut lab, errors, Forwarded::default(), Forwarded::default());
    let large = |dst| Build::udp(at(PHONE, 5060), at(dst, 5060)).id(9).payload(&[3; 4_000]);
    lab.forwards_pieces(ROUTER, &large(V), HOST_A, large(A));
    let (pieces, bytes) = (lab.pieces(ROUTER, &large(V), PIECE).len() as u64, 20 + 8 + 4_000);
    let server = Forwarded { packets_in: pieces, bytes_in: bytes + 20 * (pieces - 1), ..Forwarded::default() };
    let member = Forwarded { packets_out: errors.packets_out, bytes_out: errors.bytes_out, ..server };
    expect(&mut lab, member, Forwarded::default(), server);
}

#[test]
fn s163_what_does_not_leave_is_not_counted_and_what_waits_is_counted_when_it_leaves() {
    let mut lab = lab();
    let nobody = |dst| Build::udp(at(PHONE, 5060), at(dst, 5060)).payload(b"INVITE");
    let syn = |dst| Build::tcp(at(PHONE, 40001), at(dst, 5060), SYN, 1000, 0);
    lab.drops(ROUTER, Build::tcp(at(PHONE, 40001), at(V, 5090), ACK, 1, 1), DropReason::NoFlow);
    let dying = nobody(V).ttl(1);
    let reply = Build::icmp_error(E, PHONE, 11, 0, &dying);
    lab.rejects(ROUTER, dying, DropReason::TtlExceeded, reply);
    expect(&mut lab, Forwarded::default(), Forwarded::default(), Forwarded::default());
    let hop = NextHop { interface: InterfaceId(1), address: addr(A) };
    let known = lab.rig.adjacency.remove(&hop).unwrap();
    lab.rig.publish();
    let (out, _) = lab.send(ROUTER, &syn(V));
    assert_eq!(out, []);
    expect(&mut lab, Forwarded::default(), Forwarded::default(), Forwarded::default());
    lab.rig.adjacency.insert(hop, known);
    let out = lab.rig.publish();
    lab.expect(&out, HOST_A, syn(A).ttl(63));
    let counted = of([&syn(V)], []);
    expect(&mut lab, counted, Forwarded::default(), counted);
}

#[test]
fn s163_while_it_is_off_nothing_is_counted_and_a_reload_turns_it_on() {
    let mut lab = Lab::new(Layout::TwoArm);
    let request = |dst| Build::udp(at(PHONE, 5060), at(dst, 5060)).payload(b"INVITE");
    lab.rig.intent.limits.traffic_counters = false;
    lab.rig.publish();
    thrice(&mut lab, ROUTER, &request(V), HOST_A, &request(A));
    lab.connect(at(PHONE, 40001), 5060, HOST_A);
    expect(&mut lab, Forwarded::default(), Forwarded::default(), Forwarded::default());
    lab.rig.intent.limits.traffic_counters = true;
    lab.rig.publish();
    thrice(&mut lab, ROUTER, &request(V), HOST_A, &request(A));
    let counted = of([&request(V); 3], []);
    expect(&mut lab, counted, Forwarded::default(), counted);
}

#[test]
fn s164_connections_are_counted_as_they_begin_and_while_they_stand() {
    let mut lab = Lab::new(Layout::TwoArm);
    for port in 40_001..40_004 {
        lab.connect(at(PHONE, port), 5060, HOST_A);
    }
    assert_eq!(lab.rig.connections(MEMBER_A), Connections { now: 3, begun: 3 });
    assert_eq!(lab.rig.connections_of(SERVER), Connections { now: 3, begun: 3 });
    let reset = |dst| Build::tcp(at(PHONE, 40_001), at(dst, 5060), fairlead::wire::tcp::Flags::RST, 1001, 0);
    lab.forwards(ROUTER, reset(V), HOST_A, reset(A));
    assert_eq!(lab.rig.connections(MEMBER_A), Connections { now: 2, begun: 3 });
    assert_eq!(lab.rig.connections_of(SERVER), Connections { now: 2, begun: 3 });
    // What a member opens itself is no connection to a service.
    lab.connect_out(HOST_A, 41_000, at(PEER, 443));
    assert_eq!(lab.rig.connections(MEMBER_A), Connections { now: 2, begun: 3 });
    assert_eq!(lab.rig.connections(MEMBER_B), Connections::default());
}
