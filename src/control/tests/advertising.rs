//! Scenarios 115 and 116, the controller's part: when the kernel is told of a virtual address, and how the end waits for routers.

use super::*;
use crate::control::AdvertiseOrder;
use crate::policy::intent::Advertise;

const V: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 100);

fn advertised(advertise: Advertise) -> Bench {
    let mut intent = two_arm();
    intent.virtual_servers.iter_mut().for_each(|server| server.advertise = advertise);
    let mut bench = Bench::of(&intent);
    bench.hosts.iter_mut().for_each(|host| host.manner = Manner::Refuses);
    bench
}

/// The kernel does what was ordered last.
fn obey(bench: &mut Bench) -> AdvertiseOrder {
    let order = bench.advertised.pop().expect("an order");
    bench.advertised.clear();
    bench.give(Input::Advertised { number: order.number, outcome: Ok(order.addresses.clone()) });
    order
}

fn since(bench: &mut Bench) -> Option<Wall> {
    let Some(Ok(Answered { data: Data::VirtualServers(rows), .. })) = bench.ask(Request::VirtualServers {}) else {
        panic!()
    };
    rows[0].advertised_since
}

#[test]
fn s115_the_address_comes_with_the_first_active_member_and_goes_in_the_turn_that_loses_the_last() {
    let mut bench = advertised(Advertise::WhenActive);
    bench.run(1_000);
    assert!(obey(&mut bench).addresses.is_empty(), "nobody is up");
    bench.hosts[A].manner = Manner::Answers(200);
    bench.run(1_000);
    assert_eq!((bench.active().as_deref(), obey(&mut bench).addresses), (Some("sip-a"), BTreeSet::from([V])));
    assert!(since(&mut bench).is_some());
    bench.hosts[B].manner = Manner::Answers(200);
    bench.run(1_000);
    bench.hosts[A].manner = Manner::Refuses;
    bench.run(1_000);
    assert_eq!(bench.active().as_deref(), Some("sip-b"));
    assert!(bench.advertised.is_empty(), "a switchover is no concern of routers");
    bench.hosts[B].manner = Manner::Refuses;
    let alarms = bench.logged("alarm: pool pair-1: ");
    let lost = (0..2_000).any(|_| {
        bench.run(1);
        bench.logged("alarm: pool pair-1: ") > alarms
    });
    assert!(lost && bench.advertised[0].addresses.is_empty(), "in the same turn as the loss is told");
    obey(&mut bench);
    assert_eq!(since(&mut bench), None);
    assert_eq!(bench.logged("10.20.0.100 is withdrawn from fl-vips"), 1);
}

#[test]
fn a_member_that_an_operator_takes_away_takes_the_address_with_it() {
    let mut bench = advertised(Advertise::WhenActive);
    bench.hosts[A].manner = Manner::Answers(200);
    bench.run(1_000);
    assert_eq!(obey(&mut bench).addresses.len(), 1);
    bench.ask(Request::MemberSet { member: "sip-a".into(), admin: AdminState::Offline, yes: true, for_s: None });
    assert!(bench.advertised.last().is_some_and(|order| order.addresses.is_empty()));
}

#[test]
fn s116_at_the_end_routers_are_told_first_and_workers_go_on_meanwhile() {
    let mut bench = advertised(Advertise::Always);
    bench.run(100);
    assert_eq!(obey(&mut bench).addresses.len(), 1, "whoever is up");
    bench.give(Input::Stop);
    bench.run(50);
    assert!(obey(&mut bench).addresses.is_empty());
    bench.run(999);
    assert!(!bench.stopped && bench.logged("stopping") == 1);
    bench.give(Input::Stop);
    bench.run(2);
    assert!(bench.stopped, "a second after it was withdrawn");
    assert_eq!(bench.logged("stopping"), 1);
}

#[test]
fn where_nothing_is_advertised_the_end_is_at_once() {
    let mut bench = advertised(Advertise::Never);
    bench.run(100);
    assert!(obey(&mut bench).addresses.is_empty(), "what a process before may have left is taken away");
    bench.give(Input::Stop);
    bench.run(1);
    assert!(bench.stopped);
}
