//! The kernel is a list that a test gives; time is moved by hand.

use super::*;
use crate::control::harness::two_arm;
use crate::netlink::{Changes, KernelRoutes, RouteProtocol};

fn settings() -> Routes {
    Routes {
        device: "fl-vips".into(),
        stop_delay: std::time::Duration::ZERO,
        from_kernel: true,
        table: 254,
        protocols: Vec::new(),
        limit: 100,
        stale_time: std::time::Duration::from_secs(10),
    }
}

/// Both interfaces have a device.
fn intent() -> Intent {
    let mut intent = two_arm();
    for (interface, name) in intent.interfaces.iter_mut().zip(["fl-clients", "fl-servers"]) {
        interface.host = Some(name.into());
    }
    intent
}

fn hop(device: &str, gateway: [u8; 4]) -> KernelHop {
    KernelHop { device: device.into(), gateway: gateway.into(), weight: 1, usable: true }
}

fn route(to: &str, metric: u32, hops: Vec<KernelHop>) -> KernelRoute {
    KernelRoute { to: to.parse().unwrap(), metric, protocol: RouteProtocol(186), hops }
}

/// By the router at 192.0.2.x.
fn by(to: &str, last: u8) -> KernelRoute {
    route(to, 20, vec![hop("fl-clients", [192, 0, 2, last])])
}

fn found(routes: &[KernelRoute]) -> RoutesRead {
    let found = KernelRoutes { routes: routes.to_vec(), ..KernelRoutes::default() };
    RoutesRead { found, changes: Changes { any: true, ..Changes::default() }, is_first: false }
}

fn with_links(read: RoutesRead) -> RoutesRead {
    RoutesRead { changes: Changes { links: true, ..read.changes.clone() }, ..read }
}

struct Setting {
    learning: Learning,
    out: Outbox,
    now: Instant,
}

impl Setting {
    /// The kernel has these routes, and that is known.
    fn with(routes: &[KernelRoute]) -> Setting {
        let mut setting =
            Setting { learning: Learning::default(), out: Outbox::default(), now: Instant::from_millis(1_000) };
        setting.learning.reconfigure(&settings(), &intent(), &mut setting.out);
        setting.read(RoutesRead { is_first: true, ..found(routes) });
        setting
    }

    fn read(&mut self, read: RoutesRead) -> bool {
        self.learning.on_read(self.learning.order.number, Ok(read), &mut self.out, self.now)
    }

    fn wait(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.learning.poll(&mut self.out, self.now);
    }

    fn known(&self) -> Vec<(String, bool)> {
        self.learning.known().iter().map(|known| (known.route.to.to_string(), known.stale.is_some())).collect()
    }

    fn standing(&self) -> Vec<String> {
        self.out.alarms.iter().map(|(_, message)| message.to_owned()).collect()
    }
}

fn known(all: &[(&str, bool)]) -> Vec<(String, bool)> {
    all.iter().map(|(to, stale)| ((*to).to_owned(), *stale)).collect()
}

#[test]
fn s119_what_is_withdrawn_is_gone_at_once() {
    let mut setting = Setting::with(&[by("172.16.1.0/24", 1), by("172.16.2.0/24", 1)]);
    assert_eq!(setting.known(), known(&[("172.16.1.0/24", false), ("172.16.2.0/24", false)]));
    assert!(setting.read(found(&[by("172.16.2.0/24", 1)])));
    assert_eq!(setting.known(), known(&[("172.16.2.0/24", false)]));
    assert!(!setting.read(found(&[by("172.16.2.0/24", 1)])), "nothing has changed");
    assert!(setting.read(found(&[by("172.16.2.0/24", 3)])), "it leads elsewhere");
}

#[test]
fn s119_what_goes_with_a_link_stays_for_a_while_and_what_was_deleted_then_does_not() {
    let mut setting = Setting::with(&[by("172.16.1.0/24", 1), by("172.16.2.0/24", 1), by("172.16.3.0/24", 1)]);
    let mut read = with_links(found(&[]));
    read.changes.deleted.insert(("172.16.2.0/24".parse().unwrap(), 20));
    assert!(setting.read(read));
    assert_eq!(setting.known(), known(&[("172.16.1.0/24", true), ("172.16.3.0/24", true)]));
    setting.wait(5_000);
    // The daemon is back with one, by another router.
    assert!(setting.read(found(&[by("172.16.1.0/24", 3)])));
    assert_eq!(setting.known(), known(&[("172.16.1.0/24", false), ("172.16.3.0/24", true)]));
    assert_eq!(setting.learning.next_deadline(), Some(Instant::from_millis(11_000)));
    setting.wait(4_999);
    assert_eq!(setting.known().len(), 2);
    setting.wait(1);
    assert_eq!(setting.known(), known(&[("172.16.1.0/24", false)]));
}

#[test]
fn s119_a_route_by_a_device_without_a_link_is_not_used_while_it_is_kept() {
    let mut setting = Setting::with(&[by("172.16.1.0/24", 1)]);
    assert_eq!(learned(setting.learning.known(), &intent()).len(), 1);
    let mut read = with_links(found(&[]));
    read.found.without_link.insert("fl-clients".into());
    setting.read(read);
    assert_eq!(setting.known(), known(&[("172.16.1.0/24", true)]));
    assert_eq!(learned(setting.learning.known(), &intent()).len(), 0);
}

#[test]
fn s119_while_the_kernel_cannot_be_asked_routes_stay_for_a_while() {
    let mut setting = Setting::with(&[by("172.16.1.0/24", 1), by("172.16.2.0/24", 1)]);
    let number = setting.learning.order.number;
    for _ in 0..3 {
        setting.learning.on_read(
            number,
            Err("the kernel's routes cannot be read".into()),
            &mut setting.out,
            setting.now,
        );
        setting.wait(1_000);
    }
    assert_eq!(setting.standing(), ["the kernel's routes cannot be read: the routes that are known stay for 10s"]);
    assert_eq!(setting.known(), known(&[("172.16.1.0/24", true), ("172.16.2.0/24", true)]));
    setting.read(RoutesRead { is_first: true, ..found(&[by("172.16.1.0/24", 1)]) });
    assert_eq!(setting.standing(), [""; 0]);
    assert_eq!(setting.known(), known(&[("172.16.1.0/24", false), ("172.16.2.0/24", true)]));
    setting.wait(7_000);
    assert_eq!(setting.known(), known(&[("172.16.1.0/24", false)]));
}

#[test]
fn s119_after_an_overrun_what_is_read_counts() {
    let mut setting = Setting::with(&[by("172.16.1.0/24", 1), by("172.16.2.0/24", 1)]);
    let mut read = with_links(found(&[by("172.16.1.0/24", 1)]));
    read.changes.overrun = true;
    assert!(setting.read(read));
    assert_eq!(setting.known(), known(&[("172.16.1.0/24", false)]));
}

#[test]
fn s119_beyond_the_limit_is_an_alarm_as_long_as_it_lasts() {
    let mut setting = Setting::with(&[]);
    let mut read = found(&[by("172.16.1.0/24", 1)]);
    read.found.skipped.beyond_limit = 7;
    setting.read(read);
    assert_eq!(setting.standing(), ["7 routes of the kernel's left out: there are 100 already"]);
    setting.read(found(&[by("172.16.1.0/24", 1)]));
    assert_eq!(setting.standing(), [""; 0]);
}

#[test]
fn s119_a_reload_is_followed() {
    let mut setting = Setting::with(&[by("172.16.1.0/24", 1)]);
    let (old, intent) = (setting.learning.order.clone(), intent());
    let mut meant = settings();
    assert!(!setting.learning.reconfigure(&meant, &intent, &mut setting.out));
    assert_eq!(setting.learning.order, old, "nothing has changed");
    meant.protocols = vec![RouteProtocol(188)];
    assert!(setting.learning.reconfigure(&meant, &intent, &mut setting.out), "it is BGP's");
    assert_eq!(setting.known(), []);
    let late =
        setting.learning.on_read(old.number, Ok(found(&[by("172.16.1.0/24", 1)])), &mut setting.out, setting.now);
    assert!(!late && setting.known().is_empty(), "what was read for the file before does not count");
    meant.from_kernel = false;
    setting.learning.reconfigure(&meant, &intent, &mut setting.out);
    assert_eq!(setting.learning.order.filter, None);
}

fn used(routes: &[KernelRoute]) -> Vec<LearnedRoute> {
    let known: Vec<Known> = routes.iter().map(|route| Known { route: route.clone(), stale: None }).collect();
    learned(&known, &intent()).to_vec()
}

fn at(interface: u16, address: [u8; 4]) -> NextHop {
    NextHop { interface: InterfaceId(interface), address: address.into() }
}

#[test]
fn s119_the_smallest_metric_with_a_next_hop_counts() {
    let down = KernelHop { usable: false, ..hop("fl-clients", [192, 0, 2, 1]) };
    let first = route("172.16.1.0/24", 10, vec![down.clone()]);
    let second =
        route("172.16.1.0/24", 20, vec![hop("fl-clients", [192, 0, 2, 3]), down, hop("fl-servers", [10, 20, 0, 9])]);
    let third = route("172.16.1.0/24", 30, vec![hop("fl-clients", [192, 0, 2, 4])]);
    let hops = [(at(0, [192, 0, 2, 3]), 1), (at(1, [10, 20, 0, 9]), 1)];
    let expected = LearnedRoute { to: "172.16.1.0/24".parse().unwrap(), hops: hops.into() };
    assert_eq!(used(&[first, second, third]), [expected]);
}

#[test]
fn s119_what_lies_on_our_links_and_what_leads_nowhere_is_not_taken() {
    for taken in ["10.20.0.0/24", "10.20.0.11/32", "192.0.2.128/25"] {
        assert_eq!(used(&[by(taken, 1)]), [], "{taken} is on a link");
    }
    assert_eq!(used(&[by("10.0.0.0/8", 1)]).len(), 1, "what is on a link has the longer prefix");
    for gateway in [[192, 0, 2, 2], [192, 0, 2, 0], [192, 0, 2, 255], [198, 51, 100, 1], [10, 20, 0, 9]] {
        assert_eq!(
            used(&[route("172.16.1.0/24", 0, vec![hop("fl-clients", gateway)])]),
            [],
            "{gateway:?} is no router there"
        );
    }
    assert_eq!(used(&[route("172.16.1.0/24", 0, vec![hop("eth0", [192, 0, 2, 1])])]), []);
}

#[test]
fn s119_more_next_hops_than_are_asked_for_are_skipped() {
    let mut wide = intent();
    wide.interfaces[InterfaceId(0)].addresses = vec!["10.64.0.1/12".parse().unwrap()];
    let routes: Vec<Known> = (0..2_000_u32)
        .map(|at| {
            let to = Ipv4Net::new(Ipv4Addr::from(0xac10_0000 + at * 256), 24).unwrap().to_string();
            let gateway = Ipv4Addr::from(0x0a40_0002 + at).octets();
            Known { route: route(&to, 0, vec![hop("fl-clients", gateway)]), stale: None }
        })
        .collect();
    assert_eq!(learned(&routes, &wide).len(), MOST_HOPS);
}
