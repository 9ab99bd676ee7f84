//! No packet makes the flow floor ask for memory: everything is taken when a table is made.
//!
//! An allocator that counts stands in for the system's. It counts by thread, so that tests may run side by side.

use super::counting;
use fairlead::flow::{
    Direction, Flow, FlowTable, Lifetimes, MemberRef, PathKind, Peer, ReservedPorts, SnatPorts, Speakers, TimeoutClass,
};
use fairlead::time::{Duration, Instant};
use fairlead::wire::sip::Branch;
use fairlead::wire::{Endpoint, Protocol, Tuple};
use std::net::Ipv4Addr;

/// How often `work` asked for memory or gave some back.
fn asked_by(work: impl FnOnce()) -> usize {
    let before = counting::asked();
    work();
    counting::asked() - before
}

fn outbound(n: u16) -> Flow {
    let (member, peer) =
        (Endpoint::new(Ipv4Addr::new(10, 20, 0, 11), n), Endpoint::new(Ipv4Addr::new(172, 16, 9, 9), 5060));
    let outside = Endpoint::new(Ipv4Addr::new(10, 20, 0, 100), n);
    Flow::new(PathKind::Outbound, Tuple::new(Protocol::Udp, member, peer), Tuple::new(Protocol::Udp, peer, outside))
}

fn second(count: u64) -> Instant {
    Instant::from_millis(1000 * count)
}

#[test]
fn the_counter_counts() {
    assert!(asked_by(|| drop(std::hint::black_box(Box::new(1_u64)))) >= 2);
}

#[test]
fn flows_come_and_go_without_allocations() {
    let mut table = FlowTable::new(10_000, 1, Lifetimes::default());
    let mut removed = 0;
    let asked = asked_by(|| {
        for n in 0..10_000 {
            let flow = outbound(n);
            let Ok(id) = table.insert(flow, second(0)) else { continue };
            table.prefetch_bucket(table.tag(&flow.key(Direction::Reply)));
            if table.find(&flow.key(Direction::Reply)).is_some() {
                table.touch(id, second(20));
            }
        }
        table.insert(outbound(10_001), second(20)).unwrap_err();
        removed += usize::from(table.evict(TimeoutClass::Udp).is_some());
        removed += table.expire(second(1000), 20_000, |_| (), |_| ());
    });
    assert_eq!((asked, removed, table.len()), (0, 10_000, 0));
}

#[test]
fn ports_and_speakers_are_had_without_memory() {
    let address = Ipv4Addr::new(10, 20, 0, 100);
    let snat_ports = SnatPorts::new([address], 1);
    let reserved = ReservedPorts::new([5060, 5061]);
    let mut speakers = Speakers::new(100, 1);
    // What is known of the remotes of 1,024 ports is made when one of them is first used.
    for port in (0..=u16::MAX).step_by(1024).map(|first| first.max(1)) {
        let table = snat_ports.table(address, Protocol::Udp).unwrap();
        let inside = Endpoint::new(Ipv4Addr::new(10, 20, 0, 11), port);
        assert!(table.allocate(inside, &reserved).is_some_and(|port| table.release(port, inside)));
    }
    let mut granted = 0;
    // The first port of 1,024 that is ever given away makes room for them all.
    for n in 5_000..10_000 {
        let inside = Endpoint::new(Ipv4Addr::new(10, 20, 0, 11), n);
        let table = snat_ports.table(address, Protocol::Udp).unwrap();
        table.allocate(inside, &reserved).map(|port| table.release(port, inside));
    }
    let asked = asked_by(|| {
        let Some(table) = snat_ports.table(address, Protocol::Udp) else { return };
        for n in 0..10_000_u16 {
            let inside = Endpoint::new(Ipv4Addr::new(10, 20, 0, 11), 5000 + n / 2);
            granted += usize::from(table.allocate(inside, &reserved).is_some_and(|port| table.release(port, inside)));
            let peer = Peer { remote: inside, home: address, since: 0 };
            let member = MemberRef { id: 1, since: 0 };
            speakers.claim(peer, member, false, 1, second(n.into()));
            speakers.note_member(peer, member, second(n.into()));
            speakers.note_active(&peer, member);
            Branch::of(&n.to_be_bytes())
                .into_iter()
                .for_each(|it| speakers.note_request(peer, member, false, it, second(0)));
            speakers.note_virtual(&peer);
        }
        speakers.expire(second(20_000), Duration::from_secs(60), Duration::from_secs(32), 1000);
    });
    assert_eq!((asked, granted, speakers.len()), (0, 10_000, 0));
}
