//! Routes of the kernel's through the whole controller: what is ordered, what workers get, and what an operator reads.

use super::*;
use crate::admin::rows::{RouteKind, RouteRow};
use crate::control::RoutesRead;
use crate::handover::{Remembered, RememberedHop, RememberedRoute};
use crate::netlink::{Changes, KernelHop, KernelRoute, KernelRoutes, RouteProtocol};
use crate::policy::multipath::Conversation;

fn file() -> Configuration {
    let mut intent = two_arm();
    intent.interfaces[InterfaceId(0)].host = Some("fl-clients".into());
    let mut file = file_of(&intent);
    file.settings.routes.from_kernel = true;
    file
}

fn by(to: &str, gateways: &[u8]) -> KernelRoute {
    let hop = |last: &u8| {
        let gateway = Ipv4Addr::new(192, 0, 2, *last);
        KernelHop { device: "fl-clients".into(), gateway, weight: 1, usable: true }
    };
    let hops = gateways.iter().map(hop).collect();
    KernelRoute { to: to.parse().unwrap(), metric: 20, protocol: RouteProtocol(186), hops }
}

fn tell(bench: &mut Bench, routes: Vec<KernelRoute>) {
    let number = bench.followed_routes.last().expect("an order").number;
    let found = KernelRoutes { routes, ..KernelRoutes::default() };
    let read = RoutesRead { found, changes: Changes { any: true, ..Changes::default() }, is_first: false };
    bench.give(Input::KernelRoutes { number, read: Ok(read) });
}

fn rows(bench: &mut Bench) -> Vec<RouteRow> {
    let Data::Routes(rows) = bench.ask(Request::Routes {}).unwrap().unwrap().data else { panic!() };
    rows.into_iter().filter(|row| row.kind == RouteKind::Kernel).collect()
}

fn hop(bench: &Bench, to: [u8; 4]) -> Option<NextHop> {
    bench.snapshot().next_hop(to.into(), Conversation::of_hosts(to.into(), [10, 20, 0, 100].into()))
}

fn router(last: u8) -> Host {
    let address = Ipv4Addr::new(192, 0, 2, last);
    Host { interface: InterfaceId(0), address, mac: Mac([2, 0, 0, 0, 2, last]), manner: Manner::Mute }
}

/// The appliance with `[routes] from_kernel`, and another router beside the one of the file.
fn bench() -> Bench {
    let mut bench = Bench::settled();
    bench.hosts.push(router(3));
    assert_eq!(bench.followed_routes, [], "nothing is followed unless the file says so");
    reload(&mut bench, Ok(file())).unwrap();
    let filter = bench.followed_routes[0].filter.clone().expect("routes are followed");
    assert_eq!((filter.table, filter.devices.into_iter().collect::<Vec<_>>()), (254, vec!["fl-clients".to_owned()]));
    bench
}

#[test]
fn s119_workers_get_what_the_kernel_learns_and_lose_what_it_withdraws() {
    let mut bench = bench();
    let default = hop(&bench, [172, 16, 5, 9]);
    tell(&mut bench, vec![by("172.16.5.0/24", &[3])]);
    bench.run(200);
    let learned = NextHop { interface: InterfaceId(0), address: Ipv4Addr::new(192, 0, 2, 3) };
    assert_eq!(hop(&bench, [172, 16, 5, 9]), Some(learned));
    assert_eq!(bench.snapshot().neighbour(learned), Some(Neighbour::Reachable(router(3).mac)));
    assert_eq!(bench.logged("1 route of the kernel's learned: 1 in all"), 1);
    let row = &rows(&mut bench)[0];
    let said = row.learned.as_ref().unwrap();
    assert_eq!(
        (row.via, row.interface.as_str(), row.next_hop),
        (Some(learned.address), "clients", Some(NeighbourState::Reachable))
    );
    assert_eq!((row.mac.as_deref(), said.protocol.as_str(), said.used), (Some("02:00:00:00:02:03"), "bgp", true));
    tell(&mut bench, vec![]);
    bench.run(200);
    assert_eq!(hop(&bench, [172, 16, 5, 9]), default);
    assert_eq!(rows(&mut bench), []);
    bench.run(1_000);
    assert_eq!(bench.logged("1 route of the kernel's withdrawn: 0 in all"), 1);
}

#[test]
fn s119_a_next_hop_that_does_not_answer_is_an_alarm_until_nothing_leads_to_it() {
    let mut bench = bench();
    tell(&mut bench, vec![by("172.16.5.0/24", &[1, 77]), by("172.16.6.0/24", &[77])]);
    bench.run(6_000);
    let message = "next hop 192.0.2.77 of routes 172.16.5.0/24, 172.16.6.0/24 is unreachable: it does not answer ARP";
    assert_eq!(bench.logged(&format!("alarm: {message}")), 1);
    let states: Vec<_> = rows(&mut bench).iter().map(|row| row.next_hop).collect();
    assert_eq!(states, [NeighbourState::Reachable, NeighbourState::Failed, NeighbourState::Failed].map(Some));
    for last in 0..50 {
        assert_eq!(hop(&bench, [172, 16, 5, last]).unwrap().address, Ipv4Addr::new(192, 0, 2, 1));
    }
    tell(&mut bench, vec![by("172.16.5.0/24", &[1])]);
    bench.run(500);
    assert_eq!(bench.logged("alarm cleared: nothing depends on its ARP any more"), 1);
}

#[test]
fn s119_many_changes_share_a_snapshot() {
    let mut bench = bench();
    bench.run(1_000);
    let before = bench.epochs.len();
    for many in 0..100_u8 {
        tell(&mut bench, (0..=many).map(|at| by(&format!("172.17.{at}.0/24"), &[3])).collect());
        bench.run(2);
    }
    bench.run(300);
    assert_eq!(rows(&mut bench).len(), 100);
    assert!(bench.epochs.len() - before < 20, "{} snapshots", bench.epochs.len() - before);
    assert!(bench.logged("of the kernel's learned") <= 3, "no line for each");
}

#[test]
fn s119_a_reload_keeps_what_is_known_and_ends_it_where_the_file_says_so() {
    let mut bench = bench();
    tell(&mut bench, vec![by("172.16.5.0/24", &[3])]);
    bench.run(300);
    let learned = hop(&bench, [172, 16, 5, 9]);
    let mut other = file();
    other.intent.timeouts.udp *= 2;
    reload(&mut bench, Ok(other)).unwrap();
    assert_eq!((hop(&bench, [172, 16, 5, 9]), bench.followed_routes.len()), (learned, 1));
    let mut without = file();
    without.settings.routes.from_kernel = false;
    reload(&mut bench, Ok(without)).unwrap();
    assert_ne!(hop(&bench, [172, 16, 5, 9]), learned);
    assert_eq!(bench.followed_routes.last().unwrap().filter, None);
    assert_eq!(rows(&mut bench), []);
}

/// What the process before has left: routes beside pools that nobody knows.
fn left(age: u64, edit: impl FnOnce(&mut Remembered)) -> Option<HandoverFound> {
    let hop = |last: u8| RememberedHop {
        device: "fl-clients".into(),
        gateway: Ipv4Addr::new(192, 0, 2, last),
        weight: 1,
        usable: true,
    };
    let route = |to: &str, last| RememberedRoute {
        to: to.parse().unwrap(),
        metric: 20,
        protocol: 186,
        stale: None,
        hops: vec![hop(last)],
    };
    let routes = vec![route("172.16.5.0/24", 3), route("172.16.6.0/24", 3)];
    let mut remembered = Remembered { table: Some(254), routes, ..Remembered::default() };
    edit(&mut remembered);
    let (age, took) = (Duration::from_millis(age), Duration::from_millis(12));
    let outcome = Ok(TakenUp { remembered, age, taken: Taken::default(), took });
    Some(HandoverFound { place: "/run/fairlead/state".into(), outcome })
}

fn after(left: Option<HandoverFound>) -> Bench {
    let mut bench = Bench::succeeding_with(file(), left);
    bench.hosts.push(router(3));
    bench
}

const FIRST: [u8; 4] = [172, 16, 5, 9];
const SECOND: [u8; 4] = [172, 16, 6, 9];

#[test]
fn s158_after_a_restart_packets_go_by_the_routes_of_before_until_the_kernel_is_read() {
    let mut bench = after(left(1_500, |_| {}));
    let router = NextHop { interface: InterfaceId(0), address: Ipv4Addr::new(192, 0, 2, 3) };
    assert_eq!([hop(&bench, FIRST), hop(&bench, SECOND)], [Some(router); 2], "in the first snapshot");
    assert_eq!(bench.logged("2 routes of the kernel's of the process before taken up"), 1, "{:?}", bench.logs);
    assert!(rows(&mut bench).iter().all(|row| row.learned.as_ref().is_some_and(|it| it.stale.is_some() && it.used)));
    // The kernel has one of them by now; the other one stays for stale_time, as what goes with its device. The bench's clock begins here.
    let number = bench.followed_routes.last().expect("an order").number;
    let found = KernelRoutes { routes: vec![by("172.16.5.0/24", &[3])], ..KernelRoutes::default() };
    let read = RoutesRead { found, changes: Changes { any: true, ..Changes::default() }, is_first: true };
    bench.give(Input::KernelRoutes { number, read: Ok(read) });
    bench.run(9_500);
    assert_eq!([hop(&bench, FIRST), hop(&bench, SECOND)], [Some(router); 2]);
    bench.run(1_000);
    let default = hop(&bench, [172, 16, 7, 9]);
    assert_eq!([hop(&bench, FIRST), hop(&bench, SECOND)], [Some(router), default]);
    assert_ne!(default, Some(router));
}

#[test]
fn s158_routes_that_are_too_old_or_of_another_table_are_not_taken_up() {
    let first = |left| hop(&after(left), FIRST);
    let default = first(None);
    assert_ne!(first(left(9_900, |_| {})), default);
    assert_eq!(first(left(10_000, |_| {})), default, "older than stale_time");
    assert_eq!(first(left(1_000, |before| before.table = Some(100))), default);
    assert_eq!(first(left(1_000, |before| before.routes[0].hops[0].device = "fl-other".into())), default);
}

#[test]
fn s158_what_is_known_at_the_end_is_left_for_the_next_process() {
    let mut bench = bench();
    tell(&mut bench, vec![by("172.16.5.0/24", &[3])]);
    bench.run(200);
    let (table, routes) = bench.controller.learning.remembered();
    let Some(RememberedRoute { metric: 20, protocol: 186, stale: None, hops, to }) = routes.first() else {
        panic!("{routes:?}")
    };
    assert_eq!((table, to.to_string().as_str(), hops.len(), routes.len()), (Some(254), "172.16.5.0/24", 1, 1));
    let mut next = after(left(100, |before| before.routes = routes));
    assert_eq!((hop(&next, FIRST), rows(&mut next).len()), (hop(&bench, FIRST), 1));
}
