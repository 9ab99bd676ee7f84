//! Neighbours, announcements, links: scenarios 15, 36, 76 to 78.

use super::*;
use crate::wire::facts::Link;

#[test]
fn scenario_36_a_member_that_does_not_answer_arp_is_down_and_the_reason_says_so() {
    let mut bench = Bench::settled();
    bench.run(25_000);
    bench.hosts[A].manner = Manner::Dead;
    bench.run(5_000);
    let hop = NextHop { interface: InterfaceId(1), address: bench.hosts[A].address };
    assert_eq!(bench.snapshot().neighbour(hop), Some(Neighbour::Failed));
    assert!(bench.given_up.contains(&hop));
    let rows = members(&mut bench);
    assert_eq!(rows[A].state, MemberState::Down);
    assert!(rows[A].reason.contains("does not answer ARP"), "{}", rows[A].reason);
    assert_eq!(bench.logged("member sip-a does not answer ARP"), 1);
    bench.hosts[A].manner = Manner::Answers(200);
    bench.run(7_000);
    assert_eq!(bench.active().as_deref(), Some("sip-a"), "asked for ever, it comes back");
}

/// Frames sent on a port since `since`, without those that carry a probe.
fn arp_frames(bench: &Bench, since: Instant, port: PortId) -> Vec<(u64, Vec<u8>)> {
    let arp = |frame: &[u8]| matches!(Packet::parse(frame).unwrap().kind, Kind::Arp(_));
    let sent = bench.frames.iter().filter(|(at, on, frame)| *at >= since && *on == port && arp(frame));
    sent.map(|(at, _, frame)| (at.since(since).as_millis() as u64, frame.clone())).collect()
}

/// "I have `address`", to everyone: what RFC 826 and RFC 5227 3 say, byte by byte, padded to the least frame.
fn announcement(mac: Mac, address: Ipv4Addr) -> Vec<u8> {
    let [a, b, c, d] = address.octets();
    let mut frame = vec![0xff; 6];
    frame.extend(mac.0);
    frame.extend([0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]);
    frame.extend(mac.0);
    frame.extend([a, b, c, d, 0, 0, 0, 0, 0, 0, a, b, c, d]);
    frame.resize(60, 0);
    frame
}

#[test]
fn s15_addresses_are_announced_twice_two_seconds_apart_by_the_true_mac_once_the_link_is_up() {
    let [g, e] = [Ipv4Addr::new(10, 20, 0, 1), Ipv4Addr::new(192, 0, 2, 2)];
    let mut bench = Bench::linked(&[]);
    bench.run(2_500);
    assert_eq!(bench.announced(Instant::ZERO), [], "no link is up");
    let announced = |bench: &Bench, since, port: u8, address| {
        let frame = announcement(MACS[usize::from(port)], address);
        let sent = arp_frames(bench, since, PortId(port)).into_iter().filter(|(_, one)| *one == frame);
        sent.map(|(millis, _)| millis).collect::<Vec<_>>()
    };
    let inner = bench.now;
    bench.give(Input::Link { port: PortId(1), up: true });
    bench.run(1_000);
    let outer = bench.now;
    bench.give(Input::Link { port: PortId(0), up: true });
    bench.run(3_000);
    for (since, port, address) in [(inner, 1, g), (inner, 1, V), (outer, 0, e)] {
        assert_eq!(announced(&bench, since, port, address), [0, 2_000], "{address}");
    }
    assert_eq!(bench.announced(Instant::ZERO).len(), 6, "each on its own link and nothing else");
}

#[test]
fn s15_a_virtual_address_of_its_own_network_is_announced_on_every_link() {
    let mut intent = two_arm();
    let own = Ipv4Addr::new(203, 0, 113, 7);
    (intent.virtual_servers[0].address, intent.snats[0].address) = (own, own);
    let mut bench = Bench::of(&intent);
    bench.run(3_000);
    for port in 0..2_u8 {
        let frame = announcement(MACS[usize::from(port)], own);
        let sent = arp_frames(&bench, Instant::ZERO, PortId(port)).into_iter().filter(|(_, one)| *one == frame);
        assert_eq!(sent.map(|(millis, _)| millis).collect::<Vec<_>>(), [0, 2_000], "port {port}");
    }
}

#[test]
fn s76_a_foreign_mac_that_claims_an_address_of_ours_is_an_alarm_and_met_once_in_ten_seconds() {
    let mut bench = Bench::settled();
    bench.run(70_000);
    let (begin, foreign, epoch) = (bench.now, Mac([2, 9, 9, 9, 9, 9]), bench.snapshot().epoch);
    let claim = |second: u64| match second % 3 {
        0 => Build::arp_request(foreign, V, V).bytes(),
        1 => Build::arp_reply(foreign, V, Mac::BROADCAST, V).bytes(),
        _ => Build::arp_request(foreign, V, Ipv4Addr::new(10, 20, 0, 11)).bytes(),
    };
    for second in 0..35 {
        bench.arp(InterfaceId(1), claim(second));
        bench.run(1_000);
    }
    let defence = announcement(MACS[1], V);
    let sent = arp_frames(&bench, begin, PortId(1)).into_iter().filter(|(_, frame)| *frame == defence);
    assert_eq!(sent.map(|(millis, _)| millis).collect::<Vec<_>>(), [0, 10_000, 20_000, 30_000]);
    assert_eq!(bench.announced(begin).len(), 4, "and no other address is announced");
    let message = "duplicate address: 02:09:09:09:09:09 on interface servers claims 10.20.0.100, which is ours: find \
                   the host with that MAC and remove the address from it";
    let Data::Status(status) = bench.ask(Request::Status {}).unwrap().unwrap().data else { panic!() };
    assert_eq!(status.alarms.iter().map(|alarm| alarm.message.as_str()).collect::<Vec<_>>(), [message]);
    assert_eq!(bench.logged(&format!("alarm: {message}")), 4);
    assert_eq!((bench.active().as_deref(), bench.snapshot().epoch), (Some("sip-a"), epoch), "forwarding goes on");
    bench.run(300_000);
    let Data::Status(status) = bench.ask(Request::Status {}).unwrap().unwrap().data else { panic!() };
    assert!(status.alarms.is_empty(), "nobody claims it any more");
}

/// A host that has one of our addresses and says nothing is found by being asked, as often as the address is announced.
#[test]
fn s182_who_has_an_address_of_ours_is_asked_for_as_often_as_it_is_announced() {
    let mut bench = Bench::linked(&[]);
    bench.run(2_500);
    let since = bench.now;
    bench.give(Input::Link { port: PortId(1), up: true });
    bench.run(70_000);
    let probe = Build::arp_request(MACS[1], Ipv4Addr::UNSPECIFIED, V).bytes();
    let asked = |bench: &Bench| {
        let sent = arp_frames(bench, since, PortId(1)).into_iter().filter(|(_, frame)| *frame == probe);
        sent.map(|(millis, _)| millis).collect::<Vec<_>>()
    };
    assert_eq!(asked(&bench), [0, 2_000, 15_000, 30_000, 45_000, 60_000]);
    let silent = Mac([2, 9, 9, 9, 9, 9]);
    bench.arp(InterfaceId(1), Build::arp_reply(silent, V, MACS[1], Ipv4Addr::UNSPECIFIED).bytes());
    bench.run(100);
    let Data::Status(status) = bench.ask(Request::Status {}).unwrap().unwrap().data else { panic!() };
    let found =
        |alarm: &str| alarm.contains("02:09:09:09:09:09 on interface servers claims 10.20.0.100, which is ours");
    assert!(status.alarms.iter().any(|alarm| found(&alarm.message)), "{:?}", status.alarms);
}

#[test]
fn s76_each_address_is_defended_for_itself() {
    let mut bench = Bench::settled();
    bench.run(70_000);
    let (begin, foreign, g) = (bench.now, Mac([2, 9, 9, 9, 9, 9]), Ipv4Addr::new(10, 20, 0, 1));
    for address in [V, g, V, g] {
        bench.arp(InterfaceId(1), Build::arp_request(foreign, address, address).bytes());
    }
    let sent: Vec<_> = arp_frames(&bench, begin, PortId(1)).into_iter().map(|(_, frame)| frame).collect();
    assert_eq!(sent, [V, g].map(|address| announcement(MACS[1], address)));
}

/// The router after a failover of its own (VRRP), and a member that got another NIC. Both forms of a gratuitous ARP.
#[test]
fn s77_a_router_or_member_that_moves_is_followed_within_150_ms_by_one_snapshot() {
    let moves = [(ROUTER, "router", Mac([0, 0, 0x5e, 0, 1, 7])), (A, "member sip-a at", Mac([2, 0, 0, 0, 9, 9]))];
    for (at, who, other) in moves {
        let mut bench = Bench::settled();
        bench.run(1_000);
        let (interface, address, old) = (bench.hosts[at].interface, bench.hosts[at].address, bench.hosts[at].mac);
        let hop = NextHop { interface, address };
        let claims = [
            (other, Build::arp_request(other, address, address).bytes()),
            (old, Build::arp_reply(old, address, Mac::BROADCAST, address).bytes()),
            (other, Build::arp_reply(other, address, Mac::BROADCAST, address).bytes()),
        ];
        assert_eq!(bench.snapshot().neighbour(hop), Some(Neighbour::Reachable(old)));
        for (mac, frame) in claims {
            let epoch = bench.snapshot().epoch;
            bench.hosts[at].mac = mac;
            bench.arp(interface, frame);
            bench.run(99);
            assert_eq!(bench.snapshot().epoch, epoch, "the old MAC is asked first");
            bench.run(51);
            let snapshot = bench.snapshot();
            assert_eq!(snapshot.neighbour(hop), Some(Neighbour::Reachable(mac)), "{address}");
            assert_eq!(snapshot.epoch.0, epoch.0 + 1, "one snapshot");
            bench.run(2_000);
        }
        let line = format!("{who} {address} moved from {old} to {other}");
        assert_eq!(bench.logs.iter().filter(|log| **log == (LogLevel::Warn, line.clone())).count(), 2, "{line}");
    }
}

/// Whoever says so: the member or router is where it answers.
#[test]
fn a_stranger_that_claims_to_be_a_router_or_member_moves_nothing_and_is_an_alarm() {
    let foreign = Mac([2, 9, 9, 9, 9, 9]);
    for (at, who) in [(ROUTER, "router 192.0.2.1"), (A, "member sip-a at 10.20.0.11")] {
        let mut bench = Bench::settled();
        let (interface, address, mac) = (bench.hosts[at].interface, bench.hosts[at].address, bench.hosts[at].mac);
        let name = ["clients", "servers"][interface.index()];
        for half in 0..10 {
            let claim = [
                Build::arp_request(foreign, address, address).bytes(),
                Build::arp_reply(
                    foreign,
                    address,
                    MACS[interface.index()],
                    [V, [192, 0, 2, 2].into()][1 - interface.index()],
                )
                .bytes(),
            ];
            bench.arp(interface, claim[half % 2].clone());
            bench.run(500);
            let hop = NextHop { interface, address };
            assert_eq!(bench.snapshot().neighbour(hop), Some(Neighbour::Reachable(mac)), "{address}");
        }
        let message = format!(
            "{who} answers at {mac}, but {foreign} on interface {name} claims to be it and is not believed: find the host \
             with that MAC"
        );
        let Data::Status(status) = bench.ask(Request::Status {}).unwrap().unwrap().data else { panic!() };
        assert_eq!(status.alarms.iter().map(|alarm| &alarm.message).collect::<Vec<_>>(), [&message]);
        assert_eq!((bench.logged(&format!("alarm: {message}")), bench.logged("switchover")), (1, 1));
    }
}

/// Probes go where the member is now, and find it there.
#[test]
fn s77_probes_follow_a_member_that_moves() {
    let mut bench = Bench::settled();
    let (address, other) = (bench.hosts[A].address, Mac([2, 0, 0, 0, 9, 9]));
    bench.hosts[A].mac = other;
    bench.arp(InterfaceId(1), Build::arp_request(other, address, address).bytes());
    bench.run(150);
    let begin = bench.now;
    bench.run(5_000);
    let probes = bench.frames.iter().filter(|(at, ..)| *at > begin).map(|(_, _, frame)| frame);
    let links: BTreeSet<(Mac, Mac)> = probes
        .filter(|frame| Packet::parse(frame).is_ok_and(|probe| probe.dst() == address && probe.kind == Kind::Udp))
        .map(|frame| (Link::of(frame).src, Link::of(frame).dst))
        .collect();
    assert_eq!(links, BTreeSet::from([(MACS[1], other)]));
    assert_eq!((bench.active().as_deref(), bench.logged("switchover")), (Some("sip-a"), 1));
}

#[test]
fn scenario_78_a_wanted_host_is_resolved_or_given_up() {
    let mut bench = Bench::settled();
    let here = NextHop { interface: InterfaceId(0), address: Ipv4Addr::new(192, 0, 2, 50) };
    let gone = NextHop { interface: InterfaceId(0), address: Ipv4Addr::new(192, 0, 2, 51) };
    bench.hosts.push(Host {
        interface: here.interface,
        address: here.address,
        mac: Mac([2, 0, 0, 0, 3, 1]),
        manner: Manner::Mute,
    });
    bench.give(Input::Event(Event::Wanted(here)));
    bench.give(Input::Event(Event::Wanted(gone)));
    bench.run(1);
    assert_eq!(bench.snapshot().neighbour(here), Some(Neighbour::Reachable(Mac([2, 0, 0, 0, 3, 1]))));
    assert_eq!(bench.given_up, []);
    bench.run(4_000);
    assert_eq!((bench.given_up.clone(), bench.snapshot().neighbour(gone)), (vec![gone], Some(Neighbour::Failed)));
    bench.run(6_000);
    assert_eq!(bench.snapshot().neighbour(gone), None, "it may be asked for again");
}

#[test]
fn a_link_that_is_lost_is_an_alarm_and_hastens_the_probes_behind_it() {
    let mut bench = Bench::settled();
    bench.run_between_probes();
    let sent = bench.options.len();
    bench.give(Input::Link { port: PortId(1), up: false });
    assert_eq!(bench.options.len(), sent + 2);
    let alarms = |bench: &mut Bench| match bench.ask(Request::Status {}).unwrap().unwrap().data {
        Data::Status(status) => status.alarms.iter().filter(|alarm| alarm.message.contains("link is down")).count(),
        other => panic!("{other:?}"),
    };
    assert_eq!(alarms(&mut bench), 1);
    let begin = bench.now;
    bench.give(Input::Link { port: PortId(1), up: true });
    assert_eq!((alarms(&mut bench), bench.announced(begin).len()), (0, 2));
}

#[test]
fn a_link_that_comes_up_late_costs_nothing() {
    let mut bench = Bench::settled();
    for host in &mut bench.hosts {
        host.manner = Manner::Dead;
    }
    bench.run(40_000);
    assert_eq!(members(&mut bench)[A].state, MemberState::Down);
    bench.hosts[A].manner = Manner::Answers(200);
    bench.give(Input::Link { port: PortId(1), up: false });
    bench.give(Input::Link { port: PortId(1), up: true });
    bench.run(700);
    assert_eq!(members(&mut bench)[A].state, MemberState::Up);
}

#[test]
fn a_link_that_never_came_up_is_an_alarm_after_a_while() {
    let mut bench = Bench::linked(&[PortId(1)]);
    bench.run(4_900);
    assert_eq!(bench.logged("port outer: the link is down"), 0);
    bench.run(5_000);
    assert_eq!(bench.logged("port outer: the link is down"), 1);
}

/// The MAC of a host that nobody knows.
fn strange(number: u32) -> Mac {
    let [_, a, b, c] = number.to_be_bytes();
    Mac([2, 7, 7, a, b, c])
}

#[test]
fn four_thousand_strangers_who_ask_for_us_are_answered_and_cost_no_snapshot() {
    let mut bench = Bench::settled();
    bench.run(70_000);
    let (begin, epoch) = (bench.now, bench.snapshot().epoch);
    let g = Ipv4Addr::new(10, 20, 0, 1);
    for number in 0..4_000 {
        let address = Ipv4Addr::from(0x0a14_0014 + number % 50);
        bench.arp(InterfaceId(1), Build::arp_request(strange(number), address, g).bytes());
    }
    bench.run(1_000);
    assert_eq!(bench.snapshot().epoch, epoch);
    assert_eq!(arp_frames(&bench, begin, PortId(1)).len(), 4_000, "each is answered");
    let hop = NextHop { interface: InterfaceId(1), address: Ipv4Addr::new(10, 20, 0, 20) };
    let sent = bench.now;
    bench.give(Input::Event(Event::Wanted(hop)));
    assert_eq!(bench.snapshot().neighbour(hop), Some(Neighbour::Reachable(strange(3_950))), "where it was heard last");
    assert_eq!((bench.snapshot().epoch.0, arp_frames(&bench, sent, PortId(1)).len()), (epoch.0 + 1, 0));
}

#[test]
fn hosts_that_move_as_they_like_cost_ten_snapshots_a_second_and_a_member_is_followed_20_ms_after_its_check() {
    let mut bench = Bench::settled();
    let address = |host: u32| Ipv4Addr::from(0x0a14_0064 + 1 + host);
    for host in 0..100 {
        bench.arp(InterfaceId(1), Build::arp_request(strange(host), address(host), V).bytes());
        bench.give(Input::Event(Event::Wanted(NextHop { interface: InterfaceId(1), address: address(host) })));
    }
    bench.run(1_000);
    let epoch = bench.snapshot().epoch;
    for number in 0..1_000 {
        let (host, mac) = (address(number % 100), strange(1_000 + number));
        bench.arp(InterfaceId(1), Build::arp_request(mac, host, host).bytes());
        bench.run(1);
    }
    let made = bench.snapshot().epoch.0 - epoch.0;
    assert!((1..=11).contains(&made), "{made} snapshots in a second");
    let moved = NextHop { interface: InterfaceId(1), address: address(7) };
    assert_eq!(bench.snapshot().neighbour(moved), Some(Neighbour::Reachable(strange(1_007))));
    let (member, other) = (bench.hosts[A].address, Mac([2, 0, 0, 0, 9, 9]));
    bench.hosts[A].mac = other;
    bench.arp(InterfaceId(1), Build::arp_request(other, member, member).bytes());
    bench.run(120);
    let hop = NextHop { interface: InterfaceId(1), address: member };
    assert_eq!(bench.snapshot().neighbour(hop), Some(Neighbour::Reachable(other)));
}

#[test]
fn many_who_claim_one_address_are_one_alarm_with_their_number_and_the_last_of_them() {
    let mut bench = Bench::settled();
    let alarms = |bench: &mut Bench| match bench.ask(Request::Status {}).unwrap().unwrap().data {
        Data::Status(status) => status.alarms.into_iter().map(|alarm| alarm.message).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    for number in 0..128 {
        bench.arp(InterfaceId(1), Build::arp_request(strange(number), V, V).bytes());
    }
    let folded = "duplicate address: 128 MACs on interface servers claim 10.20.0.100, which is ours, the last \
                  02:07:07:00:00:7f: find the hosts with these MACs and remove the address from them";
    assert_eq!(alarms(&mut bench), [folded]);
    assert_eq!(bench.logged("alarm: duplicate address"), 1);
    for number in 0..4_000 {
        bench.arp(InterfaceId(1), Build::arp_request(strange(number), V, V).bytes());
    }
    let [alarm] = &alarms(&mut bench)[..] else { panic!() };
    assert!(
        alarm.starts_with("duplicate address: at least 1000 MACs on interface servers claim 10.20.0.100"),
        "{alarm}"
    );
    bench.run(301_000);
    assert!(alarms(&mut bench).is_empty());
    bench.arp(InterfaceId(1), Build::arp_request(strange(7), V, V).bytes());
    let [alarm] = &alarms(&mut bench)[..] else { panic!() };
    assert!(alarm.starts_with("duplicate address: 02:07:07:00:00:07 on interface servers claims"), "{alarm}");
}

/// None of them is spoken to: the router carries no packet here, and a standby's host may be dead for weeks.
#[test]
fn a_router_or_standby_that_dies_without_traffic_is_an_alarm_and_its_return_is_logged() {
    let rows = [
        (ROUTER, Manner::Mute, "next hop 192.0.2.1 of route default", "is unreachable: it does not answer ARP"),
        (B, Manner::Refuses, "member sip-b", "does not answer ARP: pool pair-1 has less redundancy"),
    ];
    let alarms = |bench: &mut Bench| match bench.ask(Request::Status {}).unwrap().unwrap().data {
        Data::Status(status) => status.alarms.into_iter().map(|alarm| alarm.message).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    for (at, alive, who, what) in rows {
        let mut bench = Bench::settled();
        bench.run(10_000);
        assert_eq!(alarms(&mut bench), [""; 0]);
        bench.hosts[at].manner = Manner::Dead;
        bench.run(4_600);
        assert_eq!(alarms(&mut bench), [format!("{who} {what}")]);
        bench.run(20_000);
        let level = if at == ROUTER { LogLevel::Error } else { LogLevel::Warn };
        let warned = (level, format!("alarm: {who} {what}"));
        assert_eq!(bench.logs.iter().filter(|line| **line == warned).count(), 1);
        bench.hosts[at].manner = alive;
        bench.run(1_100);
        assert_eq!((alarms(&mut bench), bench.logged(&format!("{who} answers ARP again"))), (vec![], 1));
    }
}

#[test]
fn a_reload_ends_the_alarm_of_a_next_hop_that_it_takes_away() {
    let mut bench = Bench::settled();
    bench.hosts[ROUTER].manner = Manner::Dead;
    bench.run(6_000);
    assert_eq!(bench.controller.outputs.alarms.iter().count(), 1);
    let mut without = two_arm();
    without.routes.clear();
    reload(&mut bench, Ok(file_of(&without))).unwrap();
    assert_eq!(bench.controller.outputs.alarms.iter().count(), 0);
}

#[test]
fn a_router_that_the_file_places_is_shown_so_and_stays_there() {
    let (mac, foreign) = (Mac([2, 0, 0, 0, 2, 1]), Mac([2, 9, 9, 9, 9, 9]));
    let mut file = two_arm();
    let via = file.routes[0].via;
    file.neighbours.push(NeighbourEntry { address: via, interface: InterfaceId(0), mac: Some(mac), trusted: false });
    let mut bench = Bench::of(&file);
    bench.hosts[ROUTER].manner = Manner::Dead;
    bench.run(10_000);
    bench.arp(InterfaceId(0), Build::arp_request(foreign, via, via).bytes());
    bench.run(1_000);
    let hop = NextHop { interface: InterfaceId(0), address: via };
    assert_eq!(bench.snapshot().neighbour(hop), Some(Neighbour::Reachable(mac)));
    let Data::Neighbours(rows) = bench.ask(Request::Neighbours {}).unwrap().unwrap().data else { panic!() };
    assert_eq!(rows.iter().find(|row| row.address == via).unwrap().state, NeighbourState::Static);
    let Data::Routes(rows) = bench.ask(Request::Routes {}).unwrap().unwrap().data else { panic!() };
    assert!(rows.iter().any(|row| row.next_hop == Some(NeighbourState::Static)));
    let message = "router 192.0.2.1 is at 02:00:00:00:02:01 by the file, but 02:09:09:09:09:09 on interface clients claims to be \
                   it: correct [[neighbour]], or find the host with that MAC";
    let Data::Status(status) = bench.ask(Request::Status {}).unwrap().unwrap().data else { panic!() };
    assert_eq!(status.alarms.iter().map(|alarm| alarm.message.as_str()).collect::<Vec<_>>(), [message]);
    assert_eq!(bench.logged(&format!("alarm: {message}")), 1);
    reload(&mut bench, Ok(file_of(&two_arm()))).unwrap();
    bench.run(4_000);
    assert_eq!(bench.snapshot().neighbour(hop), Some(Neighbour::Failed), "it is asked, and dead");
}

#[test]
fn a_router_that_answers_for_an_address_of_ours_is_an_alarm_that_names_proxy_arp_and_starts_no_duel() {
    let mut bench = Bench::settled();
    bench.run(70_000);
    let (begin, router, e) = (bench.now, bench.hosts[ROUTER].mac, Ipv4Addr::new(192, 0, 2, 2));
    for _ in 0..30 {
        bench.arp(InterfaceId(0), Build::arp_reply(router, e, MACS[0], e).bytes());
        bench.run(1_000);
    }
    let message = "router 192.0.2.1 at 02:00:00:00:02:01 answers ARP for 192.0.2.2, which is ours: switch proxy ARP off at its \
                   interface towards clients, or remove the address from it if it has it itself";
    let Data::Status(status) = bench.ask(Request::Status {}).unwrap().unwrap().data else { panic!() };
    assert_eq!(status.alarms.iter().map(|alarm| alarm.message.as_str()).collect::<Vec<_>>(), [message]);
    assert_eq!((bench.logged(&format!("alarm: {message}")), bench.announced(begin).len()), (1, 0));
    // One that announces it has the address.
    bench.arp(InterfaceId(0), Build::arp_request(router, e, e).bytes());
    assert_eq!((bench.logged("alarm: duplicate address"), bench.announced(begin).len()), (1, 1));
}

/// Such as one that had the virtual address on its loopback for a balancer that did not translate.
#[test]
fn a_member_that_uses_the_virtual_address_itself_is_named_and_has_its_gateway() {
    let mut bench = Bench::settled();
    bench.run(70_000);
    let (begin, mac, g) = (bench.now, bench.hosts[A].mac, Ipv4Addr::new(10, 20, 0, 1));
    bench.arp(InterfaceId(1), Build::arp_request(mac, V, g).bytes());
    let answer = Build::arp_reply(MACS[1], g, mac, V).bytes();
    assert!(arp_frames(&bench, begin, PortId(1)).iter().any(|(_, frame)| *frame == answer));
    let message = "member sip-a at 10.20.0.11 uses 10.20.0.100 itself, which is ours: remove the address from its interfaces, or \
                   keep it out of ARP (on Linux arp_ignore = 1, arp_announce = 2)";
    let Data::Status(status) = bench.ask(Request::Status {}).unwrap().unwrap().data else { panic!() };
    assert_eq!(status.alarms.iter().map(|alarm| alarm.message.as_str()).collect::<Vec<_>>(), [message]);
}

#[test]
fn a_link_that_was_away_unseen_and_an_operator_who_asks_begin_the_announcements_again() {
    let mut bench = Bench::settled();
    bench.run(70_000);
    let begin = bench.now;
    bench.give(Input::Link { port: PortId(1), up: true });
    bench.run(3_000);
    let said = |bench: &Bench, since| {
        bench.announced(since).iter().map(|(at, _)| at.since(since).as_secs()).collect::<Vec<_>>()
    };
    assert_eq!(said(&bench, begin), [0, 0, 2, 2], "the gateway and the virtual address");
    bench.run(60_000);
    let begin = bench.now;
    let Data::Announced(announced) = bench.ask(Request::Announce {}).unwrap().unwrap().data else { panic!() };
    bench.run(3_000);
    assert_eq!((announced.addresses, said(&bench, begin)), (3, vec![0, 0, 0, 2, 2, 2]));
}
