//! Routes of the kernel's through the whole controller: what is ordered, what workers get, and what an operator reads.

use super::*;
use crate::admin::rows::{RouteKind, RouteRow};
use crate::control::RoutesRead;
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
