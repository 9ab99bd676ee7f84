//! Links and addresses of a real kernel, in a network namespace of the test's own: compared with what `ip` says of them.

use fairlead::netlink::{
    Changes, Holder, KernelHop, KernelRoute, Kind, Link, Monitor, Netlink, RouteFilter, RouteProtocol, SkippedRoutes,
};
use fairlead::wire::Mac;
use ipnet::Ipv4Net;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use testbench::namespace::{in_namespace, ip, started_by};

/// A link of whatever kind this kernel has.
fn made(netlink: &mut Netlink, name: &str) -> Link {
    let kind = [Kind::Dummy, Kind::Ifb].into_iter().find(|kind| netlink.can_make(*kind).unwrap());
    netlink.make(name, kind.expect("a dummy or an ifb")).unwrap()
}

fn nets(all: &[&str]) -> Vec<Ipv4Net> {
    all.iter().map(|one| one.parse().unwrap()).collect()
}

#[test]
fn a_link_is_made_changed_found_and_removed() {
    in_namespace("a_link_is_made_changed_found_and_removed", || {
        let mut netlink = Netlink::open().unwrap();
        assert_eq!(netlink.link("fl-vips").unwrap(), None);
        let link = made(&mut netlink, "fl-vips");
        assert_eq!((link.up, link.name.as_str()), (false, "fl-vips"));
        netlink.set_mtu(&link, 1_280).unwrap();
        netlink.set_up(&link, true).unwrap();
        let now = netlink.link("fl-vips").unwrap().unwrap();
        assert_eq!((now.index, now.up, now.carrier, now.mtu), (link.index, true, true, 1_280));
        let said = ip("-d -o link show fl-vips");
        assert!(said.contains("mtu 1280") && said.contains("UP"), "{said}");
        assert!(said.contains(&now.mac.unwrap().to_string()), "{said}");
        assert!(said.contains(now.kind.as_deref().unwrap()), "{said}");
        netlink.set_up(&link, false).unwrap();
        assert!(!netlink.link("fl-vips").unwrap().unwrap().up);
        netlink.remove(&link).unwrap();
        assert_eq!(netlink.link("fl-vips").unwrap(), None);
        netlink.remove(&link).expect("what is gone need not be removed");
    });
}

/// Not every kind lets its MAC be changed; both ends of a pair do, and one that is alone has no carrier.
#[test]
fn a_link_gets_a_mac_and_shows_whether_anything_is_at_its_other_end() {
    in_namespace("a_link_gets_a_mac_and_shows_whether_anything_is_at_its_other_end", || {
        let mut netlink = Netlink::open().unwrap();
        ip("link add near type veth peer name far");
        let near = netlink.link("near").unwrap().unwrap();
        let mac = Mac([2, 0xf1, 0, 0, 0, 7]);
        netlink.set_mac(&near, mac).unwrap();
        netlink.set_up(&near, true).unwrap();
        let now = netlink.link("near").unwrap().unwrap();
        assert_eq!((now.mac, now.up, now.carrier, now.kind.as_deref()), (Some(mac), true, false, Some("veth")));
        ip("link set far up");
        assert!(netlink.link("near").unwrap().unwrap().carrier);
    });
}

/// Neither makes the peer of a /31 a broadcast address, nor gives a /32 a second entry among the local ones.
#[test]
fn addresses_stand_as_ip_would_have_given_them() {
    in_namespace("addresses_stand_as_ip_would_have_given_them", || {
        let mut netlink = Netlink::open().unwrap();
        let link = made(&mut netlink, "ours");
        netlink.set_up(&link, true).unwrap();
        let all = ["192.0.2.0/31", "198.51.100.7/32", "203.0.113.9/24"];
        netlink.change_addresses(&link, &[], &nets(&all)).unwrap();
        assert_eq!(netlink.addresses(&link).unwrap(), nets(&all));
        assert!(!ip("-o -4 addr show dev ours").contains("brd"));
        let (ours_shown, ours_routed) = shown("ours");
        netlink.remove(&link).unwrap();
        ip(&format!("link add ours type {}", link.kind.as_deref().unwrap()));
        ip("link set ours up");
        all.iter().for_each(|address| _ = ip(&format!("addr add {address} dev ours")));
        assert_eq!((ours_shown, ours_routed), shown("ours"));
    });
}

#[test]
fn whichever_link_has_an_address_it_is_found() {
    in_namespace("whichever_link_has_an_address_it_is_found", || {
        let mut netlink = Netlink::open().unwrap();
        let [own, other] = ["10.20.0.1", "10.20.0.100"].map(|one| one.parse::<Ipv4Addr>().unwrap());
        let holds = |netlink: &mut Netlink, all: &[Ipv4Addr]| netlink.holds_any(all).unwrap();
        assert!(!holds(&mut netlink, &[own, other]));
        let link = made(&mut netlink, "ours");
        netlink.change_addresses(&link, &[], &nets(&["10.20.0.1/24"])).unwrap();
        assert_eq!(
            [holds(&mut netlink, &[own]), holds(&mut netlink, &[other]), holds(&mut netlink, &[])],
            [true, false, false]
        );
        assert!(holds(&mut netlink, &[other, own]));
        netlink.remove(&link).unwrap();
        assert!(!holds(&mut netlink, &[own]));
    });
}

/// Addresses without the number of their link, and the local routes they make.
fn shown(link: &str) -> (Vec<String>, String) {
    let addresses = ip(&format!("-o -4 addr show dev {link}"));
    let lines = addresses.lines().map(|line| line.split_once(' ').unwrap().1.to_owned());
    (lines.collect(), ip(&format!("route show table local dev {link}")))
}

#[test]
fn many_addresses_come_and_go_at_once_and_what_is_so_already_is_no_error() {
    in_namespace("many_addresses_come_and_go_at_once_and_what_is_so_already_is_no_error", || {
        let mut netlink = Netlink::open().unwrap();
        let link = made(&mut netlink, "fl-vips");
        netlink.set_up(&link, true).unwrap();
        let all: Vec<Ipv4Net> = (0..1_000_u32).map(|at| Ipv4Net::new((0x0a00_0001 + at).into(), 32).unwrap()).collect();
        netlink.change_addresses(&link, &[], &all).unwrap();
        assert_eq!(netlink.addresses(&link).unwrap().len(), 1_000);
        netlink.change_addresses(&link, &all[..998], &all[900..]).unwrap();
        assert_eq!(netlink.addresses(&link).unwrap().len(), 100);
        netlink.set_up(&link, false).unwrap();
        assert_eq!(netlink.addresses(&link).unwrap().len(), 100, "they wait for it to be up again");
        netlink.change_addresses(&link, &all, &[]).unwrap();
        assert_eq!(netlink.addresses(&link).unwrap(), []);
    });
}

fn set(all: &[&str]) -> BTreeSet<Ipv4Addr> {
    all.iter().map(|one| one.parse().unwrap()).collect()
}

#[test]
fn a_holder_is_brought_in_line() {
    in_namespace("a_holder_is_brought_in_line", || {
        let (mut netlink, holder, none) = (Netlink::open().unwrap(), Holder::new("fl-vips"), BTreeSet::new());
        assert_eq!(holder.hold(&mut netlink, &none, &set(&["192.0.2.9"])).unwrap(), none);
        assert_eq!(netlink.link("fl-vips").unwrap(), None, "nothing is made for nothing");
        let three = set(&["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
        assert_eq!(holder.hold(&mut netlink, &three, &none).unwrap(), three);
        let link = netlink.link("fl-vips").unwrap().unwrap();
        assert!(link.up && ip("-o -4 addr show dev fl-vips up").matches("/32").count() == 3);
        assert_eq!(holder.hold(&mut netlink, &three, &none).unwrap(), three);
        // As after a crash: another process finds it, and somebody has given it an address of a network.
        ip("addr add 198.51.100.1/24 dev fl-vips");
        let (wanted, kept) = (set(&["192.0.2.2", "192.0.2.4"]), set(&["192.0.2.3", "192.0.2.9"]));
        let after = Holder::new("fl-vips").hold(&mut Netlink::open().unwrap(), &wanted, &kept).unwrap();
        assert_eq!(after, set(&["192.0.2.2", "192.0.2.3", "192.0.2.4"]));
        assert_eq!(netlink.addresses(&link).unwrap().len(), 3);
        assert_eq!(holder.hold(&mut netlink, &none, &none).unwrap(), none);
        let left = netlink.link("fl-vips").unwrap().unwrap();
        assert_eq!((left.index, left.up, netlink.addresses(&left).unwrap()), (link.index, false, Vec::new()));
    });
}

#[test]
fn a_device_of_somebody_elses_is_left_as_it_is() {
    in_namespace("a_device_of_somebody_elses_is_left_as_it_is", || {
        ip("link add fl-vips type veth peer name far");
        let (mut netlink, holder, none) = (Netlink::open().unwrap(), Holder::new("fl-vips"), BTreeSet::new());
        assert_eq!(holder.hold(&mut netlink, &none, &set(&["192.0.2.1"])).unwrap(), none, "nothing is wanted of it");
        let error = holder.hold(&mut netlink, &set(&["192.0.2.1"]), &none).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with("fl-vips is a veth, neither dummy nor ifb, and is left as it is"), "{error}");
        assert!(error.ends_with("remove the other one of this name, or choose another name"), "{error}");
        assert_eq!(ip("-o -4 addr show dev fl-vips"), "");
    });
}

/// A link with a network, and a router at its other end, as far as the kernel knows.
fn with_a_network() {
    for words in [
        "link add fl-a type veth peer name far",
        "address add 192.0.2.2/24 dev fl-a",
        "link set far up",
        "link set fl-a up",
        "link add other type veth peer name beyond",
        "address add 198.51.100.2/24 dev other",
        "link set other up",
        "link set beyond up",
    ] {
        ip(words);
    }
}

fn filter(limit: usize) -> RouteFilter {
    RouteFilter { table: 254, protocols: Vec::new(), devices: BTreeSet::from(["fl-a".into()]), limit }
}

fn route(to: &str, (protocol, metric): (u8, u32), hops: &[(u8, u16)]) -> KernelRoute {
    let hop = |(last, weight): &(u8, u16)| {
        let gateway = Ipv4Addr::new(192, 0, 2, *last);
        KernelHop { device: "fl-a".into(), gateway, weight: *weight, usable: true }
    };
    let hops = hops.iter().map(hop).collect();
    KernelRoute { to: to.parse().unwrap(), metric, protocol: RouteProtocol(protocol), hops }
}

#[test]
fn routes_over_devices_that_are_looked_for_are_read_as_ip_has_added_them() {
    in_namespace("routes_over_devices_that_are_looked_for_are_read_as_ip_has_added_them", || {
        with_a_network();
        for words in [
            "route add default via 192.0.2.1 proto static",
            "route add 172.16.0.0/12 proto bgp metric 20 nexthop via 192.0.2.1 weight 2 nexthop via 192.0.2.3 nexthop via 198.51.100.1",
            "route add 172.16.0.0/12 via 192.0.2.4 proto ospf metric 30",
            "nexthop add id 11 via 192.0.2.1 dev fl-a",
            "nexthop add id 12 via 192.0.2.3 dev fl-a",
            "nexthop add id 20 group 11,5/12",
            "route add 10.1.0.0/16 nhid 20 proto 77",
            "route add 10.2.0.0/16 via 198.51.100.1",
            "route add 10.3.0.0/16 via 192.0.2.1 table 100",
            "route add 10.4.0.0/16 dev fl-a",
            "route add blackhole 10.5.0.0/16",
        ] {
            ip(words);
        }
        let expected = [
            route("0.0.0.0/0", (4, 0), &[(1, 1)]),
            route("10.1.0.0/16", (77, 0), &[(1, 5), (3, 1)]),
            route("172.16.0.0/12", (186, 20), &[(1, 2), (3, 1)]),
            route("172.16.0.0/12", (188, 30), &[(4, 1)]),
        ];
        let found = Netlink::open().unwrap().routes(&filter(100)).unwrap();
        assert_eq!(found.routes, expected);
        assert_eq!(found.skipped, SkippedRoutes { beyond_limit: 0, without_router: 1, discarding: 1 });
        let few = Netlink::open().unwrap().routes(&filter(3)).unwrap();
        assert_eq!((few.routes.len(), few.skipped.beyond_limit), (3, 1));
        let of_bgp = RouteFilter { protocols: vec![RouteProtocol(186)], ..filter(100) };
        assert_eq!(Netlink::open().unwrap().routes(&of_bgp).unwrap().routes, [expected[2].clone()]);
        // Where routes do not say what their next hops are.
        std::fs::write("/proc/sys/net/ipv4/nexthop_compat_mode", "0").unwrap();
        assert_eq!(Netlink::open().unwrap().routes(&filter(100)).unwrap().routes, expected);
    });
}

#[test]
fn what_a_lost_link_takes_is_seen_by_reading_and_what_is_deleted_is_told() {
    in_namespace("what_a_lost_link_takes_is_seen_by_reading_and_what_is_deleted_is_told", || {
        with_a_network();
        let (monitor, mut netlink) = (Monitor::open().unwrap(), Netlink::open().unwrap());
        assert_eq!(monitor.read(254).unwrap(), Changes::default());
        ip("route add 172.16.1.0/24 via 192.0.2.1 proto bgp metric 20");
        ip("route add 172.16.2.0/24 via 192.0.2.1");
        let changes = monitor.read(254).unwrap();
        assert!(changes.any && changes.deleted.is_empty(), "{changes:?}");
        ip("route delete 172.16.1.0/24");
        let deleted = BTreeSet::from([("172.16.1.0/24".parse().unwrap(), 20)]);
        assert_eq!(monitor.read(254).unwrap().deleted, deleted);
        assert_eq!(netlink.routes(&filter(9)).unwrap().routes.len(), 1);
        ip("link set far down");
        let without = netlink.routes(&filter(9)).unwrap();
        assert!(without.without_link.contains("fl-a") && !without.routes[0].hops[0].usable, "{without:?}");
        ip("link set far up");
        assert!(monitor.read(254).unwrap().links);
        ip("link set fl-a down");
        let changes = monitor.read(254).unwrap();
        assert!(
            changes.links && !changes.deleted.iter().any(|(to, _)| to.to_string() == "172.16.2.0/24"),
            "{changes:?}"
        );
        assert_eq!(netlink.routes(&filter(9)).unwrap().routes, []);
    });
}

/// A socket that nobody reads overflows: that is said, and what is there can be read.
#[test]
fn more_changes_than_have_room_are_said_to_be_lost() {
    in_namespace("more_changes_than_have_room_are_said_to_be_lost", || {
        with_a_network();
        let monitor = Monitor::open().unwrap();
        let routes: String =
            (0..20_000_u32).map(|at| format!("route add 10.{}.{}.0/24 via 192.0.2.1\n", at / 250, at % 250)).collect();
        let batch = std::env::temp_dir().join(format!("fairlead-routes-{}", std::process::id()));
        std::fs::write(&batch, routes).unwrap();
        ip(&format!("-batch {}", batch.display()));
        std::fs::remove_file(&batch).unwrap();
        assert!(monitor.read(254).unwrap().overrun);
        assert_eq!(Netlink::open().unwrap().routes(&filter(50_000)).unwrap().routes.len(), 20_000);
        assert_eq!(monitor.read(254).unwrap(), Changes::default());
    });
}

#[test]
fn what_the_kernel_refuses_names_the_thing_and_the_remedy() {
    in_namespace("what_the_kernel_refuses_names_the_thing_and_the_remedy", || {
        let mut netlink = Netlink::open().unwrap();
        let link = made(&mut netlink, "fl-vips");
        let again = netlink.make("fl-vips", Kind::Ifb).unwrap_err().to_string();
        assert!(again.starts_with("link fl-vips cannot be made as an ifb: File exists"), "{again}");
        let low = netlink.set_mtu(&Link { index: 4_000, ..link.clone() }, 1_280).unwrap_err();
        assert!(low.is_missing(), "{low}");
        netlink.remove(&link).unwrap();
        let gone = netlink.change_addresses(&link, &[], &nets(&["192.0.2.1/32"])).unwrap_err();
        assert!(
            gone.is_missing() && gone.to_string().contains("192.0.2.1/32 cannot be given to link fl-vips"),
            "{gone}"
        );
    });
}

#[test]
fn without_permission_the_sentence_says_which() {
    let nobody = ["setpriv", "--reuid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"];
    let starter = if is_root() { &nobody[..] } else { &["env"] };
    started_by(starter, "without_permission_the_sentence_says_which", || {
        let mut netlink = Netlink::open().unwrap();
        assert!(netlink.link("lo").unwrap().is_some(), "everybody may look");
        let error = netlink.make("fl-vips", Kind::Dummy).unwrap_err().to_string();
        assert!(error.ends_with("run as root, or give the program CAP_NET_ADMIN"), "{error}");
    });
}

fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status").unwrap().lines().any(|line| line.starts_with("Uid:\t0\t"))
}
