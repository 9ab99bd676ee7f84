//! What a kernel (Linux 6) has sent, as bytes: `ip route add` and `ip nexthop add` in a namespace, read back by a dump. Little-endian.

use super::*;

/// `default proto 77 nexthop via 192.0.2.1 dev 3 weight 1 nexthop via 192.0.2.3 dev 3 weight 5`
const SEVERAL: &str = "02000000fe4d00010000000008000f00fe00000024000900100000000300000008000500c0000201\
                       100000040300000008000500c0000203";
/// The same with `linkdown` at both.
const SEVERAL_DOWN: &str = "02000000fe4d00011000000008000f00fe00000024000900100010000300000008000500c0000201\
                            100010040300000008000500c0000203";
/// `172.16.0.0/12 via 192.0.2.1 dev 3 proto bgp metric 20`
const ONE: &str =
    "020c0000feba00010000000008000f00fe00000008000100ac100000080006001400000008000500c00002010800040003000000";
/// `10.1.0.0/16 nhid 20 proto ospf`, with what that means and without (`nexthop_compat_mode = 0`).
const BY_GROUP: &str = "02100000febc00010000000008000f00fe000000080001000a01000008001e001400000024000900\
                        100000000300000008000500c0000201100000020300000008000500c0000203";
const BY_GROUP_ALONE: &str = "02100000febc00010000000008000f00fe000000080001000a01000008001e0014000000";
/// `10.2.0.0/16 nhid 11 proto ospf` without.
const BY_ONE_ALONE: &str = "02100000febc00010000000008000f00fe000000080001000a02000008001e000b000000";
/// `10.3.0.0/16 via 192.0.2.1 dev 3 table 100`
const OTHER_TABLE: &str = "02100000640300010000000008000f0064000000080001000a03000008000500c00002010800040003000000";
/// `10.4.0.0/16 via inet6 fe80::1 dev 3`
const BY_IPV6: &str = "02100000fe0300010000000008000f00fe000000080001000a040000160012000a00fe80000000000000000000000000\
                       000100000800040003000000";
/// `10.98.0.0/16 dev 3 scope link`
const ON_LINK: &str = "02100000fe03fd010000000008000f00fe000000080001000a6200000800040003000000";
/// `blackhole 10.99.0.0/16`
const BLACKHOLE: &str = "02100000fe0300060000000008000f00fe000000080001000a630000";
/// `192.0.2.0/24 dev 3 proto kernel scope link src 192.0.2.2`
const CONNECTED: &str = "02180000fe02fd010000000008000f00fe00000008000100c000020008000700c00002020800040003000000";
/// `local 192.0.2.2 dev 3 table local`
const LOCAL: &str = "02200000ff02fe020000000008000f00ff00000008000100c000020208000700c00002020800040003000000";
/// `id 11 via 192.0.2.1 dev 3`, `id 12 via 192.0.2.3 dev 3`, `id 20 group 11/12,3`
const OBJECTS: [&str; 3] = [
    "02fd000000000000080001000b000000080005000300000008000600c0000201",
    "02fd000000000000080001000c000000080005000300000008000600c0000203",
    "000000000000000008000100140000000600030000000000140002000b000000000000000c0000000200000008000e0000000080",
];

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn filter() -> RouteFilter {
    RouteFilter { table: 254, protocols: Vec::new(), devices: BTreeSet::from(["fl-a".into()]), limit: 100 }
}

fn context() -> Context {
    let devices = BTreeMap::from([(3, ("fl-a".into(), true)), (4, ("eth0".into(), true))]);
    let objects = OBJECTS.iter().map(|one| object(&bytes(one)).expect("a next hop")).collect();
    Context { devices, objects }
}

fn read_one(hex: &str) -> Read {
    read(&bytes(hex), &filter(), &context())
}

fn hop(gateway: [u8; 4], weight: u16) -> KernelHop {
    KernelHop { device: "fl-a".into(), gateway: gateway.into(), weight, usable: true }
}

fn route(to: &str, protocol: u8, metric: u32, hops: Vec<KernelHop>) -> Read {
    Read::Route(KernelRoute { to: to.parse().unwrap(), metric, protocol: RouteProtocol(protocol), hops })
}

const A: [u8; 4] = [192, 0, 2, 1];
const B: [u8; 4] = [192, 0, 2, 3];

#[test]
fn a_route_says_where_it_leads_and_by_whom_it_is() {
    assert_eq!(read_one(ONE), route("172.16.0.0/12", 186, 20, vec![hop(A, 1)]));
    assert_eq!(read_one(SEVERAL), route("0.0.0.0/0", 77, 0, vec![hop(A, 1), hop(B, 5)]));
}

#[test]
fn next_hops_are_found_by_their_numbers_whether_or_not_the_route_says_what_they_are() {
    let expected = route("10.1.0.0/16", 188, 0, vec![hop(A, 1), hop(B, 3)]);
    assert_eq!(read_one(BY_GROUP), expected);
    assert_eq!(read_one(BY_GROUP_ALONE), expected);
    assert_eq!(read_one(BY_ONE_ALONE), route("10.2.0.0/16", 188, 0, vec![hop(A, 1)]));
    let unknown = Context { objects: BTreeMap::new(), ..context() };
    assert_eq!(read(&bytes(BY_GROUP_ALONE), &filter(), &unknown), Read::Other);
}

#[test]
fn a_next_hop_without_a_link_is_not_usable() {
    let down = |gateway, weight| KernelHop { usable: false, ..hop(gateway, weight) };
    assert_eq!(read_one(SEVERAL_DOWN), route("0.0.0.0/0", 77, 0, vec![down(A, 1), down(B, 5)]));
    let mut lost = context();
    lost.devices.insert(3, ("fl-a".into(), false));
    assert_eq!(read(&bytes(ONE), &filter(), &lost), route("172.16.0.0/12", 186, 20, vec![down(A, 1)]));
}

#[test]
fn what_is_not_looked_for_is_passed_over_and_what_cannot_be_taken_is_said() {
    for other in [OTHER_TABLE, CONNECTED, LOCAL] {
        assert_eq!(read_one(other), Read::Other);
    }
    assert_eq!([BY_IPV6, ON_LINK].map(read_one), [Read::WithoutRouter, Read::WithoutRouter]);
    assert_eq!(read_one(BLACKHOLE), Read::Discarding);
    let elsewhere = RouteFilter { devices: BTreeSet::from(["eth0".into()]), ..filter() };
    assert_eq!(read(&bytes(ONE), &elsewhere, &context()), Read::Other);
    let of_ospf = RouteFilter { protocols: vec![RouteProtocol(188)], ..filter() };
    assert_eq!(read(&bytes(ONE), &of_ospf, &context()), Read::Other);
    assert!(matches!(read(&bytes(BY_GROUP), &of_ospf, &context()), Read::Route(_)));
    let table = RouteFilter { table: 100, ..filter() };
    assert!(matches!(read(&bytes(OTHER_TABLE), &table, &context()), Read::Route(_)));
}

#[test]
fn a_route_that_is_deleted_is_known_by_destinations_and_metric() {
    assert_eq!(identity(&bytes(ONE), 254), Some(("172.16.0.0/12".parse().unwrap(), 20)));
    assert_eq!(identity(&bytes(ONE), 100), None);
    assert_eq!(identity(&bytes(OTHER_TABLE), 100), Some(("10.3.0.0/16".parse().unwrap(), 0)));
}

/// Whatever a kernel of another version says.
#[test]
fn bytes_that_end_too_early_are_no_route_and_no_fault() {
    for whole in [SEVERAL, ONE, BY_GROUP, BY_IPV6, OBJECTS[0], OBJECTS[2]] {
        let whole = bytes(whole);
        for end in 0..whole.len() {
            _ = read(&whole[..end], &filter(), &context());
            _ = identity(&whole[..end], 254);
            _ = object(&whole[..end]);
        }
    }
}
