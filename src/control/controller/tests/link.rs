//! Neighbours, announcements, links: scenarios 15, 36, 76 to 78.

use super::*;

#[test]
fn scenario_36_a_member_that_does_not_answer_arp_is_down_and_the_reason_says_so() {
    let mut world = World::settled();
    world.run(25_000);
    world.hosts[A].manner = Manner::Dead;
    world.run(5_000);
    let hop = NextHop { interface: InterfaceId(1), address: world.hosts[A].address };
    assert_eq!(world.snapshot().neighbour(hop), Some(Neighbour::Failed));
    assert!(world.given_up.contains(&hop));
    let rows = members(&mut world);
    assert_eq!(rows[A].state, MemberState::Down);
    assert!(rows[A].reason.contains("does not answer ARP"), "{}", rows[A].reason);
    assert_eq!(world.logged("member sip-a does not answer ARP"), 1);
    world.hosts[A].manner = Manner::Answers(200);
    world.run(7_000);
    assert_eq!(world.active().as_deref(), Some("sip-a"), "asked for ever, it comes back");
}

#[test]
fn scenario_15_addresses_are_announced_twice_two_seconds_apart() {
    let mut world = World::new();
    world.run(3_000);
    let of = |address| world.announced(Instant::ZERO).into_iter().filter(move |(_, one)| *one == address);
    for address in [V, Ipv4Addr::new(10, 20, 0, 1), Ipv4Addr::new(192, 0, 2, 2)] {
        let times: Vec<u64> = of(address).map(|(at, _)| at.nanos() / 1_000_000).collect();
        assert_eq!(times, [0, 2_000], "{address}");
    }
}

#[test]
fn scenario_76_a_duplicate_address_is_an_alarm_and_defended_once_in_ten_seconds() {
    let mut world = World::settled();
    world.run(70_000);
    let (begin, foreign) = (world.now, Mac([2, 9, 9, 9, 9, 9]));
    for _ in 0..5 {
        world.arp(InterfaceId(1), Build::arp_request(foreign, V, V).bytes());
        world.run(1_000);
    }
    assert_eq!((world.announced(begin).len(), world.logged("claims 10.20.0.100")), (1, 1));
    world.run(6_000);
    world.arp(InterfaceId(1), Build::arp_request(foreign, V, V).bytes());
    assert_eq!(world.announced(begin).len(), 2);
    let Data::Status(status) = world.ask(Request::Status).unwrap().unwrap().data else { panic!() };
    assert!(status.alarms.iter().any(|alarm| alarm.message.contains("02:09:09:09:09:09")));
    assert_eq!(world.active().as_deref(), Some("sip-a"), "service goes on");
}

#[test]
fn scenario_77_a_router_that_moves_is_followed_with_the_next_snapshot() {
    let mut world = World::settled();
    let hop = NextHop { interface: InterfaceId(0), address: world.hosts[ROUTER].address };
    assert_eq!(world.snapshot().neighbour(hop), Some(Neighbour::Reachable(world.hosts[ROUTER].mac)));
    let other = Mac([0, 0, 0x5e, 0, 1, 7]);
    world.arp(InterfaceId(0), Build::arp_request(other, hop.address, hop.address).bytes());
    assert_eq!(world.snapshot().neighbour(hop), Some(Neighbour::Reachable(other)));
}

#[test]
fn scenario_78_a_wanted_host_is_resolved_or_given_up() {
    let mut world = World::settled();
    let here = NextHop { interface: InterfaceId(0), address: Ipv4Addr::new(192, 0, 2, 50) };
    let gone = NextHop { interface: InterfaceId(0), address: Ipv4Addr::new(192, 0, 2, 51) };
    world.hosts.push(Host {
        interface: here.interface,
        address: here.address,
        mac: Mac([2, 0, 0, 0, 3, 1]),
        manner: Manner::Mute,
    });
    world.give(Input::Event(Event::Wanted(here)));
    world.give(Input::Event(Event::Wanted(gone)));
    world.run(1);
    assert_eq!(world.snapshot().neighbour(here), Some(Neighbour::Reachable(Mac([2, 0, 0, 0, 3, 1]))));
    assert_eq!(world.given_up, []);
    world.run(4_000);
    assert_eq!((world.given_up.clone(), world.snapshot().neighbour(gone)), (vec![gone], Some(Neighbour::Failed)));
    world.run(6_000);
    assert_eq!(world.snapshot().neighbour(gone), None, "it may be asked for again");
}

#[test]
fn a_link_that_is_lost_is_an_alarm_and_hastens_the_probes_behind_it() {
    let mut world = World::settled();
    world.run(60);
    let sent = world.options.len();
    world.give(Input::Link { port: PortId(1), up: false });
    assert_eq!(world.options.len(), sent + 2);
    let alarms = |world: &mut World| match world.ask(Request::Status).unwrap().unwrap().data {
        Data::Status(status) => status.alarms.iter().filter(|alarm| alarm.message.contains("link is down")).count(),
        other => panic!("{other:?}"),
    };
    assert_eq!(alarms(&mut world), 1);
    let begin = world.now;
    world.give(Input::Link { port: PortId(1), up: true });
    assert_eq!((alarms(&mut world), world.announced(begin).len()), (0, 2));
}

#[test]
fn a_link_that_comes_up_late_costs_nothing() {
    let mut world = World::settled();
    for host in &mut world.hosts {
        host.manner = Manner::Dead;
    }
    world.run(40_000);
    assert_eq!(world.active(), None);
    world.hosts[A].manner = Manner::Answers(200);
    world.give(Input::Link { port: PortId(1), up: false });
    world.give(Input::Link { port: PortId(1), up: true });
    world.run(700);
    assert_eq!(world.active().as_deref(), Some("sip-a"));
}

#[test]
fn a_link_that_never_came_up_is_an_alarm_after_a_while() {
    let mut world = World::linked(&[PortId(1)]);
    world.run(4_900);
    assert_eq!(world.logged("port outer: the link is down"), 0);
    world.run(5_000);
    assert_eq!(world.logged("port outer: the link is down"), 1);
}
