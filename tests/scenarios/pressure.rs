//! Scenarios 41 and 86: every SNAT port taken, and a flow table that a flood of SYNs has filled.

use crate::with_a_active;
use fairlead::admin::request::FlowSelection;
use fairlead::admin::rows::SnatRow;
use fairlead::admin::{Data, Request};
use fairlead::wire::build::Build;
use fairlead::wire::{Endpoint, Protocol};
use std::collections::HashSet;
use std::net::Ipv4Addr;
use testbench::bench::frames::*;
use testbench::bench::{Bench, Connection, File, INNER, OUTER};

/// The ports that may be handed out: above 1023, but for those of the service.
fn ports() -> impl Iterator<Item = u16> {
    (1024..=u16::MAX).filter(|port| ![5060, 5061].contains(port))
}

/// How many they are.
const PORTS: usize = 64_510;

/// What a member says to open a flow.
fn opening(protocol: Protocol, src: Endpoint, dst: Endpoint) -> Build {
    match protocol {
        Protocol::Udp => Build::udp(src, dst).payload(b"?"),
        _ => Build::tcp(src, dst, SYN, 1, 0),
    }
}

/// The answer to it.
fn answering(protocol: Protocol, src: Endpoint, dst: Endpoint) -> Build {
    match protocol {
        Protocol::Udp => Build::udp(src, dst).payload(b"!"),
        _ => Build::tcp(src, dst, SYN_ACK, 7, 2),
    }
}

/// Whom the member answers_peers to from this port.
fn far(port: u16) -> Endpoint {
    Endpoint::new(Ipv4Addr::new(172, 16, 9, (port % 200) as u8 + 1), 53)
}

/// sip-a opens a flow from each of these ports; the ports they came out with.
fn open(bench: &mut Bench, protocol: Protocol, ports: &[u16]) -> Vec<u16> {
    let mut translated = Vec::new();
    for some in ports.chunks(60) {
        for port in some {
            bench.send(HOST_A, &opening(protocol, at(A, *port), far(*port)));
        }
        (0..2).for_each(|_| bench.turn());
        for seen in bench.look() {
            let tuple = seen.tuple().expect("a packet of a flow");
            assert_eq!((seen.port, tuple.src.addr.to_string().as_str()), (OUTER, V));
            translated.push(tuple.src.port);
        }
    }
    translated
}

fn snat(bench: &mut Bench, protocol: Protocol) -> SnatRow {
    let Ok(Data::Snat(rows)) = bench.ask(Request::Snat {}) else { panic!("no rows") };
    let name = if protocol == Protocol::Udp { "udp" } else { "tcp" };
    rows.into_iter().find(|row| row.protocol == name).expect("the protocol has a row")
}

/// Something stands that an operator should look at, about ports.
fn alarmed(bench: &mut Bench) -> bool {
    bench.run(ms(1_100));
    bench.look();
    bench.alarms().iter().any(|alarm| alarm.contains(V) && alarm.contains("port"))
}

fn exhaustion(protocol: Protocol) {
    let file = File::two_arm().with("flows_per_worker = 10000", "flows_per_worker = 70000");
    with_a_active(&file, |bench| {
        let all: Vec<u16> = ports().collect();
        assert_eq!(all.len(), PORTS);
        let mut translated = open(bench, protocol, &all[..PORTS * 79 / 100]);
        assert!(!alarmed(bench), "79 %: {:?}", bench.alarms());
        translated.extend(open(bench, protocol, &all[translated.len()..PORTS * 82 / 100]));
        assert!(alarmed(bench), "82 %: {:?}", bench.alarms());
        translated.extend(open(bench, protocol, &all[translated.len()..]));
        assert_eq!(translated.len(), PORTS);
        let unique: HashSet<u16> = translated.iter().copied().collect();
        assert_eq!(unique, all.iter().copied().collect(), "each port once, and none of the service");
        assert_eq!(snat(bench, protocol).used, PORTS as u64);
        nothing_is_left(bench, protocol);
        let row = snat(bench, protocol);
        assert_eq!((row.used, row.exhausted), (PORTS as u64, 3));
        for port in (1024..=u16::MAX).step_by(997).filter(|port| *port != 5060) {
            let back = |dst: &str| answering(protocol, far(port), at(dst, port));
            bench.forwards(ROUTER, back(V), HOST_A, back(A));
        }
        bench.ask(Request::FlowsClear { filter: FlowSelection::default() }).expect("they can be forgotten");
        let (src, dst) = (at(B, 30_000), at(PEER, 53));
        bench.forwards(HOST_B, opening(protocol, src, dst), ROUTER, opening(protocol, at(V, 30_000), dst));
    });
}

/// sip-b finds no port, gets an error, and each time is counted.
#[track_caller]
fn nothing_is_left(bench: &mut Bench, protocol: Protocol) {
    let before = bench.lead.counters().dropped.sum();
    for port in [20_000, 20_001, 20_002] {
        let sent = opening(protocol, at(B, port), at(PEER, 53));
        bench.answers(HOST_B, &sent, Build::icmp_error(G, B, 3, 13, &sent));
    }
    assert_eq!(bench.lead.counters().dropped.sum() - before, 3, "{:?}", bench.lead.counted());
}

#[test]
fn s41_every_udp_port_is_given_once_and_the_next_flow_is_refused() {
    exhaustion(Protocol::Udp);
}

#[test]
fn s41_every_tcp_port_is_given_once_and_the_next_connection_is_refused() {
    exhaustion(Protocol::Tcp);
}

/// `count` SYNs from as many strangers, twenty a step; how many of them reached sip-a.
fn flood(bench: &mut Bench, first: u32, count: u32) -> usize {
    let mut passed = 0;
    for some in (first..first + count).step_by(20) {
        for number in some..some + 20 {
            let stranger = Endpoint::new(Ipv4Addr::from(0x0b00_0000 + number), 1024 + (number % 60_000) as u16);
            bench.send(ROUTER, &Build::tcp(stranger, at(V, 5060), SYN, number, 0));
        }
        bench.turn();
        passed += bench.look().iter().filter(|seen| seen.port == INNER).count();
    }
    bench.run(ms(3));
    passed + bench.look().iter().filter(|seen| seen.port == INNER).count()
}

#[test]
fn s86_a_flood_of_syns_takes_nothing_from_what_is_established() {
    let file = File::two_arm().with("flows_per_worker = 10000", "flows_per_worker = 1024");
    with_a_active(&file, |bench| {
        let mut established: Vec<_> = (0..200)
            .map(|number| Connection::inward(bench, at(PHONE, 40_000 + number), 5060, HOST_A).open(bench))
            .collect();
        established.extend(
            (0..50).map(|number| Connection::outward(bench, HOST_A, 41_000 + number, at(PEER, 5060)).open(bench)),
        );
        let probes = bench.probe_row("sip-a", "sip-options").ok;
        let begin = bench.now();
        for round in 0..10 {
            flood(bench, round * 4_000, 4_000);
            established.iter_mut().step_by(7).for_each(|connection| connection.exchange(bench));
            bench.served_by(at(PHONE, 5060), HOST_A);
        }
        established.iter_mut().for_each(|connection| connection.exchange(bench));
        let row = bench.probe_row("sip-a", "sip-options");
        let rounds = bench.now().since(begin).as_millis() as u64 / 500;
        assert_eq!(row.failed, 0);
        assert!(row.ok - probes >= rounds, "{} in {rounds} rounds", row.ok - probes);
        assert_eq!(bench.switchovers().len(), 1);
        let flows = bench.flows(FlowSelection::default());
        let open = flows.iter().filter(|row| row.state == "established").count();
        assert_eq!(open, established.len(), "those that are half open went first");
        assert!(flows.len() > 900, "{} flows", flows.len());
        assert!(bench.lead.counters().flows <= 3 * 1024);
    });
}

#[test]
fn s86_a_client_can_still_connect_in_the_middle_of_a_flood() {
    let file = File::two_arm().with("flows_per_worker = 10000", "flows_per_worker = 1024");
    with_a_active(&file, |bench| {
        flood(bench, 0, 10_000);
        for number in 0..20 {
            let mut connection = Connection::inward(bench, at(PHONE, 40_000 + number), 5061, HOST_A);
            connection.syn(bench);
            flood(bench, 20_000 + u32::from(number) * 400, 300);
            connection.answer(bench);
            flood(bench, 40_000 + u32::from(number) * 2_000, 2_000);
            connection.exchange(bench);
        }
    });
}

#[test]
fn s86_datagrams_that_are_answered_survive_a_flood() {
    let file = File::two_arm().with("flows_per_worker = 10000", "flows_per_worker = 1024");
    with_a_active(&file, |bench| {
        let ask = |src: &str, port: u16| Build::udp(at(src, port), at(PEER, 53)).payload(b"?");
        for port in 42_000..42_050 {
            bench.forwards(HOST_A, ask(A, port), ROUTER, ask(V, port));
        }
        flood(bench, 0, 20_000);
        for port in 42_000..42_050 {
            let back = |dst: &str| Build::udp(at(PEER, 53), at(dst, port)).payload(b"!");
            bench.forwards(ROUTER, back(V), HOST_A, back(A));
        }
    });
}

/// Strangers knock at a member's own address, which is routed; `knock` makes their packets.
fn knocked(knock: impl Fn(Endpoint) -> Build) {
    let file = File::two_arm().with("flows_per_worker = 10000", "flows_per_worker = 1024");
    with_a_active(&file, |bench| {
        let mut established: Vec<_> = (0..100)
            .map(|number| Connection::inward(bench, at(PHONE, 40_000 + number), 5060, HOST_A).open(bench))
            .collect();
        established.extend(
            (0..50).map(|number| Connection::outward(bench, HOST_A, 41_000 + number, at(PEER, 5060)).open(bench)),
        );
        for some in (0..20_000_u32).step_by(20) {
            for number in some..some + 20 {
                let stranger = Endpoint::new(Ipv4Addr::from(0x0b00_0000 + number), 1024 + number as u16);
                bench.send(ROUTER, &knock(stranger));
            }
            bench.turn();
            bench.look();
        }
        bench.run(ms(3));
        bench.look();
        established.iter_mut().for_each(|connection| connection.exchange(bench));
        let flows = bench.flows(FlowSelection::default());
        assert_eq!(flows.iter().filter(|row| row.state == "established").count(), 150);
    });
}

#[test]
fn s86_a_flood_of_syns_to_a_member_itself_takes_nothing_from_what_is_established() {
    knocked(|stranger| Build::tcp(stranger, at(A, 7000), SYN, 1, 0));
}

#[test]
fn s86_a_flood_of_datagrams_to_a_member_itself_takes_nothing_from_what_is_established() {
    knocked(|stranger| Build::udp(stranger, at(A, 161)).payload(b"get"));
}

/// Takes every port above 1023 of the VIP.
fn exhaust(bench: &mut Bench) -> SnatRow {
    let ports: Vec<u16> = (1024..=u16::MAX).filter(|port| ![5060, 5061].contains(port)).collect();
    for some in ports.chunks(60) {
        for port in some {
            bench.send(HOST_A, &Build::udp(at(A, *port), at(PEER, 53)).payload(b"?"));
        }
        (0..2).for_each(|_| bench.turn());
        bench.look();
    }
    let sent = Build::udp(at(B, 20_000), at(PEER, 53)).payload(b"?");
    bench.answers(HOST_B, &sent, Build::icmp_error(G, B, 3, 13, &sent));
    bench.run(ms(2_000));
    bench.look();
    let Ok(Data::Snat(rows)) = bench.ask(Request::Snat {}) else { panic!() };
    rows.into_iter().find(|row| row.protocol == "udp").unwrap()
}

fn room() -> File {
    File::two_arm().with("flows_per_worker = 10000", "flows_per_worker = 70000")
}

#[test]
fn s41_that_no_port_is_left_is_logged() {
    with_a_active(&room(), |bench| {
        assert_eq!(exhaust(bench).exhausted, 1);
        let about: Vec<_> =
            bench.lead.log.iter().filter(|line| line.message.contains("port") && line.message.contains(V)).collect();
        assert!(about.iter().any(|line| !line.message.contains("are in use")), "only the alarm of 80 %: {about:?}");
    });
}

#[test]
fn s41_ports_of_the_service_do_not_count_as_free() {
    with_a_active(&room(), |bench| {
        let row = exhaust(bench);
        assert_eq!((row.used, row.free), (PORTS as u64, 0), "5060 and 5061 are never handed out: {row:?}");
    });
}
