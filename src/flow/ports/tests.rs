use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

fn inside(host: u8, port: u16) -> Endpoint {
    Endpoint::new(Ipv4Addr::new(10, 20, 0, host), port)
}

fn sip() -> ReservedPorts {
    ReservedPorts::new([5061, 5060, 5060])
}

#[test]
fn a_free_port_is_kept_and_a_taken_one_replaced_in_kind() {
    let table = PortAllocator::new(Protocol::Tcp, 1);
    assert_eq!(table.allocate(inside(11, 41_000), &sip()), Some(41_000));
    for host in 12..250 {
        let port = table.allocate(inside(host, 41_000), &sip()).unwrap();
        assert!(port != 41_000 && port >= 1024 && port & 1 == 0, "{port}");
    }
    assert_eq!(table.allocate(inside(11, 1023), &sip()), Some(1023));
    let low = table.allocate(inside(12, 1023), &sip()).unwrap();
    assert!((1..1023).contains(&low) && low & 1 == 1, "{low}");
    assert_eq!(table.used(), 1 + 238 + 2);
    assert_eq!(table.owner(low), Some(inside(12, 1023)));
}

#[test]
fn a_service_port_is_never_handed_out() {
    let table = PortAllocator::new(Protocol::Udp, 1);
    let port = table.allocate(inside(11, 5060), &sip()).unwrap();
    assert!(!sip().contains(port) && port >= 1024);
    assert_eq!(table.allocate(inside(11, 0), &sip()), None, "port 0 is none");
    // A port that becomes one of a service is not shared any more, though its mapping lives on.
    assert_eq!(table.allocate(inside(11, 6000), &sip()), Some(6000));
    assert_ne!(table.allocate(inside(11, 6000), &ReservedPorts::new([6000])), Some(6000));
    assert!(table.release(6000, inside(11, 6000)));
}

#[test]
fn an_endpoint_has_one_port_even_when_a_better_one_falls_free() {
    let table = PortAllocator::new(Protocol::Udp, 9);
    let first = inside(11, 41_000);
    let moved = inside(12, 41_000);
    assert_eq!(table.allocate(first, &sip()), Some(41_000));
    let port = table.allocate(moved, &sip()).unwrap();
    assert!(table.release(41_000, first));
    assert_eq!(table.allocate(moved, &sip()), Some(port), "the kept port is free again, but the mapping stays");
    assert_eq!(table.used(), 1);
    assert!(table.release(port, moved) && table.release(port, moved));
    assert_eq!(table.used(), 0);
    assert!(!table.release(port, moved), "nobody holds it");
    assert_eq!(table.allocate(moved, &sip()), Some(41_000));
}

#[test]
fn a_copy_gives_away_what_the_original_would_and_neither_sees_the_other() {
    let table = PortAllocator::new(Protocol::Udp, 9);
    for host in 11..60 {
        table.allocate(inside(host, 41_000), &sip());
    }
    table.enter(41_000, Ipv4Addr::new(172, 16, 9, 1));
    for endpoint in [inside(11, 41_000), inside(30, 41_000), inside(99, 41_000), inside(99, 5060), inside(99, 0)] {
        let (copy, before) = (table.copied(), table.used());
        let promised = table.preview(endpoint, &sip());
        assert_eq!((copy.allocate(endpoint, &sip()), table.used()), (promised, before), "{endpoint}");
        assert_eq!(table.preview(endpoint, &sip()), promised);
        assert_eq!(table.allocate(endpoint, &sip()), promised);
    }
    let copy = table.copied();
    assert_eq!(copy.admit(41_000, Ipv4Addr::new(172, 16, 9, 1)), Some(inside(11, 41_000)));
    assert_eq!(copy.admit(41_000, Ipv4Addr::new(172, 16, 9, 2)), None);
    while copy.release(41_000, inside(11, 41_000)) {}
    assert_eq!((copy.owner(41_000), copy.used() + 1), (None, table.used()));
    assert_eq!(table.owner(41_000), Some(inside(11, 41_000)), "it is held all the same");
}

#[test]
fn a_stranger_cannot_release() {
    let table = PortAllocator::new(Protocol::Tcp, 9);
    table.allocate(inside(11, 41_000), &sip());
    assert!(!table.release(41_000, inside(12, 41_000)));
    assert_eq!(table.owner(41_000), Some(inside(11, 41_000)));
}

#[test]
fn a_mapping_with_all_the_users_it_can_count_gets_a_second_port() {
    let table = PortAllocator::new(Protocol::Udp, 9);
    for _ in 0..u16::MAX {
        assert_eq!(table.allocate(inside(11, 41_000), &sip()), Some(41_000));
    }
    let second = table.allocate(inside(11, 41_000), &sip()).unwrap();
    assert_ne!(second, 41_000);
    assert_eq!(table.allocate(inside(11, 41_000), &sip()), Some(second));
    for _ in 0..u16::MAX {
        assert!(table.release(41_000, inside(11, 41_000)));
    }
    assert_eq!((table.owner(41_000), table.used()), (None, 1));
}

/// Scenario 41.
#[test]
fn sixty_thousand_are_unique_and_the_last_port_is_found() {
    let table = PortAllocator::new(Protocol::Tcp, 5);
    let mut seen = BTreeSet::new();
    // Three members with overlapping blocks of ports, as hosts choose them.
    let mut hosts = (0..64_510_u32).map(|n| inside(11 + (n % 3) as u8, (30_000 + n / 3) as u16));
    for host in hosts.by_ref().take(60_000) {
        assert!(seen.insert(table.allocate(host, &sip()).unwrap()));
    }
    assert_eq!(table.used(), 60_000);
    for host in hosts {
        assert!(seen.insert(table.allocate(host, &sip()).unwrap()));
    }
    assert_eq!(seen.len(), 65_536 - 1024 - 2);
    assert!(seen.iter().all(|&port| port >= 1024 && !sip().contains(port)));
    assert_eq!(table.allocate(inside(200, 40_000), &sip()), None);
    assert_eq!(table.allocate(inside(11, 30_000), &sip()), Some(30_000), "who has a port keeps it");
    assert_eq!(table.allocate(inside(200, 900), &sip()), Some(900), "another range is not touched");
    assert!(table.release(50_000, table.owner(50_000).unwrap()));
    assert_eq!(table.allocate(inside(200, 40_001), &sip()), Some(50_000), "though its parity is not the same");
}

#[test]
fn every_identifier_serves_for_icmp() {
    let table = PortAllocator::new(Protocol::Icmp, 5);
    let none = ReservedPorts::default();
    assert_eq!(table.allocate(inside(11, 0), &none), Some(0));
    let ids: BTreeSet<_> =
        (0..65_535).map(|n: u32| table.allocate(inside(12 + (n & 1) as u8, (n >> 1) as u16), &none).unwrap()).collect();
    assert_eq!((ids.len(), table.used(), table.capacity()), (65_535, 65_536, 65_536));
    assert_eq!(table.allocate(inside(99, 7), &none), None);
}

proptest! {
    /// Against a map of endpoint to port and users, with few ports for many.
    #[test]
    fn agrees_with_a_map(steps in prop::collection::vec((any::<bool>(), 0..6_u8, 1..4_u16), 0..150), seed: u64) {
        let table = PortAllocator::new(Protocol::Udp, seed);
        let mut model: BTreeMap<Endpoint, (u16, u16)> = BTreeMap::new();
        for (allocates, host, port) in steps {
            let host = inside(host, port);
            if allocates {
                let port = table.allocate(host, &sip()).unwrap();
                let held = model.entry(host).or_insert((port, 0));
                prop_assert_eq!(held.0, port, "endpoint-independent");
                held.1 += 1;
            } else if let Some((port, users)) = model.remove(&host) {
                prop_assert!(table.release(port, host));
                if users > 1 {
                    model.insert(host, (port, users - 1));
                }
            }
            prop_assert_eq!(table.used(), model.len());
            for (host, (port, _)) in &model {
                prop_assert_eq!(table.owner(*port), Some(*host));
            }
        }
    }
}

/// Each host has remotes of its own. Workers begin and end flows to them while others send from all remotes to all ports: what
/// is let in is let in to whom that remote was talked to by.
#[test]
fn a_remote_is_never_let_in_to_another_host_that_has_the_port_now() {
    let table = PortAllocator::new(Protocol::Udp, 11);
    let remote = |host: u8| Ipv4Addr::new(172, 16, 9, host);
    let admitted = std::sync::atomic::AtomicU32::new(0);
    let open_and_end = |worker: u64| {
        for step in 0..30_000 {
            let host = (chance::number(worker, step) >> 8) as u8 & 7;
            // All want the same two ports.
            let port = table.allocate(inside(host, 2_000 + (step & 1) as u16), &sip()).unwrap();
            assert!(!table.enter(port, remote(host)));
            let again = table.admit(port, remote(host));
            assert_eq!(again.map_or(host, |it| it.addr.octets()[3]), host);
            if let Some(known) = again {
                table.leave(port, remote(host), true);
                assert!(table.release(port, known));
            }
            table.leave(port, remote(host), false);
            assert!(table.release(port, inside(host, 2_000 + (step & 1) as u16)));
        }
    };
    let knock = |worker: u64| {
        for step in 0..60_000 {
            let draw = chance::number(worker, step);
            let (port, host) = (2_000 + (draw & 1) as u16, (draw >> 8) as u8 & 7);
            if let Some(known) = table.admit(port, remote(host)) {
                assert_eq!(known.addr.octets()[3], host);
                admitted.fetch_add(1, Relaxed);
                table.leave(port, remote(host), true);
                assert!(table.release(port, known));
            }
        }
    };
    let (open_and_end, knock) = (&open_and_end, &knock);
    std::thread::scope(|scope| {
        (0..2).for_each(|worker| drop(scope.spawn(move || open_and_end(worker))));
        (2..4).for_each(|worker| drop(scope.spawn(move || knock(worker))));
    });
    assert_eq!(table.used(), 0);
    assert!((0..8).all(|host| table.admit(2_000, remote(host)).is_none()));
}

/// Four workers allocate and release the same few endpoints at once. A ledger, locked and therefore certain, says who
/// holds each port while it is held: no two endpoints ever share one, and all ports are free in the end.
#[test]
fn workers_never_share_a_port_between_endpoints() {
    let table = PortAllocator::new(Protocol::Tcp, 11);
    let ledger = Mutex::new(BTreeMap::<u16, (Endpoint, u32)>::new());
    let give_back = |(port, host): (u16, Endpoint)| {
        let mut ledger = ledger.lock().unwrap();
        let entry = ledger.get_mut(&port).unwrap();
        entry.1 -= 1;
        if entry.1 == 0 {
            ledger.remove(&port);
        }
        drop(ledger);
        assert!(table.release(port, host));
    };
    let work = |worker: u64| {
        let mut held = Vec::new();
        for step in 0..20_000 {
            let draw = chance::number(worker, step);
            if draw & 1 == 0 || held.len() > 40 {
                held.pop().into_iter().for_each(give_back);
                continue;
            }
            let host = inside((draw >> 8) as u8 & 7, 1 + (draw >> 16) as u16 % 3);
            let port = table.allocate(host, &sip()).unwrap();
            held.push((port, host));
            let mut ledger = ledger.lock().unwrap();
            let entry = ledger.entry(port).or_insert((host, 0));
            assert_eq!(entry.0, host, "port {port}");
            entry.1 += 1;
        }
        held.into_iter().for_each(give_back);
    };
    std::thread::scope(|scope| {
        for worker in 0..4 {
            scope.spawn(move || work(worker));
        }
    });
    assert_eq!(table.used(), 0);
    assert!((0..=u16::MAX).all(|port| table.owner(port).is_none()));
}
