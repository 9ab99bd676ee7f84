//! The table of next hops, step by step.

use super::cadence::BURST;
use super::*;
use crate::control::harness;
use crate::policy::adjacency::Neighbour::{Failed, Reachable};
use crate::time::Duration;
use std::net::Ipv4Addr;

const OUTER: InterfaceId = InterfaceId(0);
const INNER: InterfaceId = InterfaceId(1);
const A: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 11);
const V: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 100);
const G: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 1);
const R: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const STRANGER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 77);

struct Bench {
    table: Neighbours,
    addresses: Addresses,
    now: Instant,
    packets: Vec<(InterfaceId, Mac, Arp)>,
    news: Vec<NeighbourEvent>,
}

fn mac(last: u8) -> Mac {
    Mac([2, 0, 0, 0, 9, last])
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn hop(interface: InterfaceId, address: Ipv4Addr) -> NextHop {
    NextHop { interface, address }
}

impl Bench {
    fn new(permanent: &[NextHop]) -> Bench {
        let addresses = Addresses::new(&harness::two_arm(), &harness::MACS);
        let (table, now) = (Neighbours::new(1), Instant::ZERO);
        let mut bench = Bench { table, addresses, now, packets: Vec::new(), news: Vec::new() };
        bench.table.keep(&permanent.iter().copied().collect(), BTreeMap::new(), &bench.addresses, bench.now);
        bench
    }

    fn want(&mut self, hop: NextHop) {
        self.table.want(hop, &self.addresses, self.now);
    }

    fn hear(&mut self, interface: InterfaceId, operation: Operation, from: (Mac, Ipv4Addr), target: Ipv4Addr) {
        let arp = Arp { operation, sender_mac: from.0, sender: from.1, target_mac: Mac::ZERO, target };
        self.table.on_arp(interface, &arp, &self.addresses, self.now);
    }

    /// Time passes, from one deadline to the next.
    fn to(&mut self, millis: u64) {
        let end = Instant::from_millis(millis);
        while let Some(due) = self.table.next_deadline().filter(|due| *due < end) {
            self.now = self.now.max(due);
            self.table.poll(&self.addresses, |_, _| false, self.now);
        }
        self.now = end;
        self.table.poll(&self.addresses, |_, _| false, self.now);
    }

    fn drain(&mut self) {
        while let Some(event) = self.table.next_event() {
            match event {
                NeighbourEvent::Send { interface, to, arp } => self.packets.push((interface, to, arp)),
                news => self.news.push(news),
            }
        }
    }

    fn packets(&mut self) -> Vec<(InterfaceId, Mac, Arp)> {
        self.drain();
        std::mem::take(&mut self.packets)
    }

    fn sent(&mut self) -> Vec<(Ipv4Addr, Mac)> {
        self.packets().into_iter().map(|(_, to, arp)| (arp.target, to)).collect()
    }

    fn news(&mut self) -> Vec<NeighbourEvent> {
        self.drain();
        std::mem::take(&mut self.news)
    }
}

#[test]
fn scenario_78_a_wanted_host_is_asked_three_times_then_given_up_and_forgotten() {
    let mut bench = Bench::new(&[]);
    let stranger = hop(OUTER, STRANGER);
    bench.want(stranger);
    bench.want(stranger);
    let (_, _, first) = bench.packets()[0];
    assert_eq!((first.sender, first.sender_mac), (Ipv4Addr::new(192, 0, 2, 2), harness::MACS[0]));
    for millis in [1_000, 2_000] {
        bench.to(millis);
        assert_eq!(bench.sent(), [(STRANGER, Mac::BROADCAST)], "{millis}");
    }
    assert_eq!(bench.news(), []);
    bench.to(3_000);
    assert_eq!((bench.sent(), bench.news()), (vec![], vec![NeighbourEvent::Failed(stranger)]));
    assert_eq!(bench.table.neighbour(stranger), Some(Failed));
    bench.want(stranger);
    assert_eq!(bench.news(), [NeighbourEvent::Unreachable(stranger)]);
    bench.to(8_000);
    assert_eq!((bench.news(), bench.table.neighbour(stranger)), (vec![NeighbourEvent::Forgotten(stranger)], None));
    assert_eq!(bench.table.next_deadline(), None);
}

#[test]
fn an_answer_makes_it_reachable_at_once() {
    let mut bench = Bench::new(&[]);
    bench.want(hop(OUTER, STRANGER));
    bench.hear(OUTER, Operation::Reply, (mac(7), STRANGER), Ipv4Addr::new(192, 0, 2, 2));
    assert_eq!(bench.news(), [NeighbourEvent::Reachable(hop(OUTER, STRANGER), mac(7))]);
    assert_eq!(bench.table.neighbour(hop(OUTER, STRANGER)), Some(Reachable(mac(7))));
}

#[test]
fn only_who_asks_for_us_is_learnt_unasked() {
    let mut bench = Bench::new(&[]);
    bench.hear(OUTER, Operation::Request, (mac(7), STRANGER), R);
    bench.hear(OUTER, Operation::Request, (mac(8), STRANGER), STRANGER);
    assert!(bench.table.rows(bench.now).is_empty());
    bench.hear(INNER, Operation::Request, (mac(7), STRANGER), G);
    assert!(bench.table.rows(bench.now).is_empty(), "its address is not of that link");
    assert_eq!(bench.sent(), [(STRANGER, mac(7))], "but it is answered");
    bench.hear(INNER, Operation::Request, (mac(8), A), V);
    bench.hear(INNER, Operation::Request, (mac(9), A), A);
    assert_eq!(bench.sent(), [(A, mac(8))]);
    assert_eq!(bench.table.rows(bench.now), [(hop(INNER, A), Some(Reachable(mac(9))), bench.now)]);
    assert_eq!((bench.table.neighbour(hop(INNER, A)), bench.news()), (None, vec![]), "no snapshot need hold it yet");
    bench.want(hop(INNER, A));
    assert_eq!(bench.news(), [NeighbourEvent::Reachable(hop(INNER, A), mac(9))], "a packet does not wait for ARP");
    assert_eq!((bench.table.neighbour(hop(INNER, A)), bench.sent()), (Some(Reachable(mac(9))), vec![]));
}

#[test]
fn scenario_14_requests_for_our_addresses_are_answered_where_they_live_and_no_others() {
    let mut bench = Bench::new(&[]);
    bench.hear(INNER, Operation::Request, (mac(9), A), V);
    let answer = bench.packets()[0];
    let arp =
        Arp { operation: Operation::Reply, sender_mac: harness::MACS[1], sender: V, target_mac: mac(9), target: A };
    assert_eq!(answer, (INNER, mac(9), arp));
    bench.hear(OUTER, Operation::Request, (mac(1), R), V);
    bench.hear(OUTER, Operation::Request, (mac(1), R), G);
    bench.hear(INNER, Operation::Request, (mac(9), A), Ipv4Addr::new(10, 20, 0, 12));
    assert_eq!(bench.sent(), []);
    bench.hear(INNER, Operation::Request, (mac(3), Ipv4Addr::UNSPECIFIED), V);
    assert_eq!(bench.sent(), [(Ipv4Addr::UNSPECIFIED, mac(3))], "a probe for our address (RFC 5227 2.1.1)");
}

/// A router at `mac(1)`, heard at 0 s.
fn with_router() -> (Bench, NextHop) {
    let router = hop(OUTER, R);
    let mut bench = Bench::new(&[router]);
    bench.hear(OUTER, Operation::Reply, (mac(1), R), Ipv4Addr::new(192, 0, 2, 2));
    bench.sent();
    bench.news();
    (bench, router)
}

/// Each form of saying it, that of keepalived (a request to everyone) among them.
#[test]
fn s77_a_known_host_that_moves_is_followed_when_its_old_mac_does_not_answer() {
    let e = Ipv4Addr::new(192, 0, 2, 2);
    for (operation, target) in [(Operation::Request, R), (Operation::Reply, R), (Operation::Request, e)] {
        let (mut bench, router) = with_router();
        bench.to(400);
        bench.hear(OUTER, operation, (mac(2), R), target);
        let asked: Vec<_> = bench.sent().into_iter().filter(|(_, to)| *to == mac(1)).collect();
        assert_eq!(asked, [(R, mac(1))], "the old one alone is asked");
        bench.to(499);
        bench.hear(OUTER, Operation::Reply, (mac(2), R), e);
        assert_eq!((bench.news(), bench.table.neighbour(router)), (vec![], Some(Reachable(mac(1)))), "not yet");
        bench.to(500);
        let moved = NeighbourEvent::Moved { hop: router, from: mac(1), to: mac(2), after: ms(500) };
        assert_eq!((bench.news(), bench.table.neighbour(router)), (vec![moved], Some(Reachable(mac(2)))));
    }
}

#[test]
fn a_known_host_stays_where_it_answers_whoever_claims_to_be_it() {
    let (mut bench, router) = with_router();
    let e = Ipv4Addr::new(192, 0, 2, 2);
    let mut asked = Vec::new();
    for millis in 400..=1_500 {
        bench.to(millis);
        if millis < 1_400 {
            bench.hear(OUTER, Operation::Reply, (mac(66), R), e);
        }
        for (_, to) in bench.sent() {
            assert_eq!(to, mac(1));
            asked.push(millis);
            bench.hear(OUTER, Operation::Reply, (mac(1), R), e);
        }
        assert_eq!(bench.table.neighbour(router), Some(Reachable(mac(1))));
    }
    assert_eq!(asked, [400, 500, 700, 1_400], "one check, and one begun a second");
    assert_eq!(bench.news(), [NeighbourEvent::Stays { hop: router, at: mac(1), claimed: mac(66) }]);
}

#[test]
fn a_request_of_the_old_mac_is_no_answer_and_silence_at_any_step_moves_the_host() {
    for step in 0..4_usize {
        let (mut bench, router) = with_router();
        let mut left = step;
        for millis in 400..=1_600 {
            bench.to(millis);
            if millis == 400 {
                bench.hear(OUTER, Operation::Request, (mac(2), R), R);
            }
            for _ in bench.sent() {
                let answer = if left > 0 { Operation::Reply } else { Operation::Request };
                left = left.saturating_sub(1);
                bench.hear(OUTER, answer, (mac(1), R), Ipv4Addr::new(192, 0, 2, 2));
                bench.sent();
            }
        }
        let begun = [400, 500, 700, 1_400][step];
        let moved = NeighbourEvent::Moved { hop: router, from: mac(1), to: mac(2), after: ms(begun + 100) };
        assert_eq!((step, bench.news()), (step, vec![moved]));
    }
}

#[test]
fn s77_who_moves_after_he_was_silent_is_followed_at_once() {
    let (mut bench, router) = with_router();
    let asked = bench.table.next_deadline().unwrap().nanos() / 1_000_000 + 1;
    bench.to(asked);
    bench.sent();
    bench.to(asked + 100);
    bench.hear(OUTER, Operation::Request, (mac(2), R), R);
    assert_eq!(bench.table.neighbour(router), Some(Reachable(mac(2))));
    assert_eq!(bench.news().len(), 1);
}

#[test]
fn a_check_while_the_appliance_is_away_decides_nothing() {
    let (mut bench, router) = with_router();
    bench.to(400);
    bench.hear(OUTER, Operation::Request, (mac(2), R), R);
    bench.sent();
    bench.now = Instant::from_millis(700);
    bench.table.poll(&bench.addresses, |_, _| true, bench.now);
    assert_eq!((bench.sent(), bench.news()), (vec![(R, mac(1))], vec![]), "the same question again");
    bench.to(800);
    assert_eq!(bench.table.neighbour(router), Some(Reachable(mac(2))));
}

/// Says that the file knows this of the router.
fn give(bench: &mut Bench, router: NextHop, given: Option<Given>) {
    let given = given.map(|given| (router, given)).into_iter().collect();
    bench.table.keep(&BTreeSet::from([router]), given, &bench.addresses, bench.now);
}

/// Such as after the link was away, or management.
#[test]
fn many_who_are_due_at_once_are_asked_one_after_the_other() {
    let mut wide = harness::two_arm();
    wide.interfaces[1].addresses = vec!["10.20.0.1/8".parse().unwrap()];
    let hops: BTreeSet<NextHop> = (0..16_384).map(|host| hop(INNER, Ipv4Addr::from(0x0a28_0000 + host))).collect();
    let mut bench = Bench::new(&[]);
    bench.addresses = Addresses::new(&wide, &harness::MACS);
    let count = |bench: &mut Bench, from: u64| {
        let (mut all, mut most) = (bench.sent().len(), 0);
        for millis in from..from + 2_000 {
            bench.now = Instant::from_millis(millis);
            bench.table.poll(&bench.addresses, |_, _| false, bench.now);
            let sent = bench.sent();
            (all, most) = (all + sent.len(), most.max(sent.len()));
            sent.iter().for_each(|(address, _)| bench.hear(INNER, Operation::Reply, (mac(9), *address), G));
        }
        assert!(most <= 2 * BURST as usize, "{most} at once");
        all
    };
    bench.table.keep(&hops, BTreeMap::new(), &bench.addresses, bench.now);
    assert_eq!(bench.table.adjacency().len(), 0);
    assert!(count(&mut bench, 1) >= 16_384 - BURST as usize);
    // Management was away for a minute, and all are due.
    count(&mut bench, 62_001);
    bench.table.link_up(PortId(1), &bench.addresses, bench.now);
    count(&mut bench, 64_002);
    bench.news.clear();
    assert!(bench.table.adjacency().values().all(|known| *known == Reachable(mac(9))), "nobody seemed silent");
}

#[test]
fn a_host_that_the_file_places_is_never_asked_nor_moved_by_arp_and_found_again_without_the_file() {
    let router = hop(OUTER, R);
    let mut bench = Bench::new(&[]);
    give(&mut bench, router, Some(Given::At(mac(5))));
    assert_eq!(bench.news(), [NeighbourEvent::Reachable(router, mac(5))]);
    let mut claims = 0;
    for second in 1..=10 {
        bench.to(second * 1_000);
        for _ in 0..3 {
            bench.hear(OUTER, Operation::Reply, (mac(66), R), Ipv4Addr::new(192, 0, 2, 2));
            bench.hear(OUTER, Operation::Reply, (mac(5), R), Ipv4Addr::new(192, 0, 2, 2));
        }
        let stays = NeighbourEvent::Stays { hop: router, at: mac(5), claimed: mac(66) };
        claims += bench.news().iter().filter(|event| **event == stays).count();
        bench.table.reverify(router, &bench.addresses, bench.now);
        bench.table.link_up(PortId(0), &bench.addresses, bench.now);
        give(&mut bench, router, Some(Given::At(mac(5))));
    }
    assert_eq!((claims, bench.sent(), bench.news()), (10, vec![], vec![]));
    assert!(bench.table.is_static(router) && !bench.table.is_waiting());
    give(&mut bench, router, None);
    assert_eq!((bench.table.neighbour(router), bench.sent()), (None, vec![(R, Mac::BROADCAST)]));
    give(&mut bench, router, Some(Given::At(mac(6))));
    assert_eq!(bench.table.neighbour(router), Some(Reachable(mac(6))));
}

#[test]
fn a_trusted_host_moves_at_once() {
    let (mut bench, router) = with_router();
    give(&mut bench, router, Some(Given::Trusted));
    for (number, at) in [(2, 400), (1, 401)] {
        bench.to(at);
        bench.hear(OUTER, Operation::Request, (mac(number), R), R);
        assert_eq!(bench.table.neighbour(router), Some(Reachable(mac(number))));
    }
    assert_eq!(bench.sent(), []);
}

/// RFC 1812 3.3.2.
#[test]
fn a_group_address_or_none_is_never_a_hosts_mac() {
    let (mut bench, router) = with_router();
    for mac in [Mac::BROADCAST, Mac([1, 0, 0x5e, 0, 0, 18]), Mac::ZERO] {
        bench.hear(OUTER, Operation::Reply, (mac, R), Ipv4Addr::new(192, 0, 2, 2));
        bench.hear(OUTER, Operation::Request, (mac, STRANGER), Ipv4Addr::new(192, 0, 2, 2));
    }
    assert_eq!((bench.sent(), bench.news()), (vec![], vec![]));
    assert_eq!(bench.table.rows(bench.now).len(), 1);
    assert_eq!(bench.table.neighbour(router), Some(Reachable(mac(1))));
}

#[test]
fn a_permanent_host_is_refreshed_alone_first_then_by_everyone_and_asked_for_ever() {
    let member = hop(INNER, A);
    let mut bench = Bench::new(&[member]);
    assert_eq!(bench.sent(), [(A, Mac::BROADCAST)]);
    bench.hear(INNER, Operation::Reply, (mac(9), A), G);
    bench.news();
    let due = bench.table.next_deadline().unwrap();
    assert!((1_000..=1_500).contains(&(due.nanos() / 1_000_000)), "{due:?}");
    let at = due.nanos() / 1_000_000 + 1;
    bench.to(at);
    assert_eq!(bench.sent(), [(A, mac(9))]);
    bench.to(at + 1_000);
    bench.to(at + 2_000);
    assert_eq!(bench.sent(), [(A, Mac::BROADCAST), (A, Mac::BROADCAST)]);
    assert_eq!(bench.table.neighbour(member), Some(Reachable(mac(9))), "still used while it is asked");
    bench.to(at + 3_000);
    assert_eq!((bench.news(), bench.table.neighbour(member)), (vec![NeighbourEvent::Failed(member)], Some(Failed)));
    for step in 1..=3 {
        bench.to(at + 3_000 + step * 1_000);
        assert_eq!(bench.sent(), [(A, Mac::BROADCAST)]);
    }
    bench.hear(INNER, Operation::Reply, (mac(9), A), G);
    assert_eq!(bench.news(), [NeighbourEvent::Reachable(member, mac(9))]);
}

#[test]
fn reverifying_asks_at_once_but_not_one_that_was_heard_a_moment_ago() {
    let member = hop(INNER, A);
    let mut bench = Bench::new(&[member]);
    bench.hear(INNER, Operation::Reply, (mac(9), A), G);
    bench.sent();
    for (millis, asked) in [(500, vec![]), (1_000, vec![(A, mac(9))]), (1_100, vec![])] {
        bench.to(millis);
        bench.table.reverify(member, &bench.addresses, bench.now);
        assert_eq!(bench.sent(), asked, "{millis}");
    }
}

#[test]
fn s76_a_foreign_mac_that_claims_an_address_of_ours_is_told_and_never_learnt() {
    let mut bench = Bench::new(&[]);
    bench.hear(INNER, Operation::Reply, (mac(66), V), A);
    let claimed = NeighbourEvent::Claimed { interface: INNER, address: V, mac: mac(66), operation: Operation::Reply };
    assert_eq!((bench.news(), bench.sent()), (vec![claimed], vec![]));
    bench.hear(INNER, Operation::Request, (harness::MACS[1], V), V);
    assert_eq!(bench.news(), [], "our own announcement come back");
    assert!(bench.table.rows(bench.now).is_empty());
}

#[test]
fn who_asks_for_the_gateway_in_the_name_of_an_address_of_ours_is_answered() {
    let mut bench = Bench::new(&[]);
    bench.hear(INNER, Operation::Request, (mac(9), V), G);
    let arp =
        Arp { operation: Operation::Reply, sender_mac: harness::MACS[1], sender: G, target_mac: mac(9), target: V };
    assert_eq!(bench.packets(), [(INNER, mac(9), arp)]);
    bench.hear(INNER, Operation::Request, (mac(9), V), V);
    assert_eq!(bench.sent(), [], "an announcement asks nothing");
}

#[test]
fn a_scan_cannot_fill_the_table_or_flood_the_link() {
    let mut bench = Bench::new(&[hop(OUTER, R)]);
    let mut wide = harness::two_arm();
    wide.interfaces[0].addresses = vec!["192.0.2.2/8".parse().unwrap()];
    bench.addresses = Addresses::new(&wide, &harness::MACS);
    for host in 0..5_000u32 {
        bench.want(hop(OUTER, Ipv4Addr::from(0xc010_0000 + host)));
    }
    assert_eq!(bench.sent().len(), MOST_RESOLVING + 1);
    assert_eq!(bench.news().len(), 5_000 - MOST_RESOLVING);
    assert_eq!(bench.table.refused(), 5_000 - MOST_RESOLVING as u64);
    for millis in [1_000, 2_000, 3_000, 8_500] {
        bench.to(millis);
    }
    assert_eq!((bench.table.rows(bench.now).len(), bench.table.table.resolving()), (1, 0));
}

#[test]
fn a_reload_forgets_what_is_on_no_link_of_ours_any_more() {
    let mut bench = Bench::new(&[hop(INNER, A)]);
    bench.hear(INNER, Operation::Reply, (mac(9), A), G);
    for address in [STRANGER, Ipv4Addr::new(192, 0, 2, 78)] {
        bench.hear(OUTER, Operation::Request, (mac(7), address), Ipv4Addr::new(192, 0, 2, 2));
    }
    bench.want(hop(OUTER, STRANGER));
    let mut moved = harness::two_arm();
    moved.interfaces[0].addresses = vec!["198.51.100.2/24".parse().unwrap()];
    bench.addresses = Addresses::new(&moved, &harness::MACS);
    bench.table.keep(&BTreeSet::new(), BTreeMap::new(), &bench.addresses, bench.now);
    let left: Vec<_> = bench.table.rows(bench.now).iter().map(|(hop, ..)| *hop).collect();
    assert_eq!(left, [hop(INNER, A)], "on the link, though no longer permanent");
    assert!(bench.news().contains(&NeighbourEvent::Forgotten(hop(OUTER, STRANGER))));
}

#[test]
fn a_link_that_comes_up_asks_for_what_is_permanent_whatever_came_of_it_before() {
    let (member, router) = (hop(INNER, A), hop(OUTER, R));
    let mut bench = Bench::new(&[member, router]);
    [1_000, 2_000, 3_000].into_iter().for_each(|millis| bench.to(millis));
    assert_eq!(bench.table.neighbour(member), Some(Failed));
    bench.sent();
    bench.now = Instant::from_millis(3_500);
    bench.table.link_up(PortId(1), &bench.addresses, bench.now);
    assert_eq!(bench.sent(), [(A, Mac::BROADCAST)], "and nobody behind another NIC");
    bench.hear(INNER, Operation::Reply, (mac(9), A), G);
    assert_eq!(bench.table.neighbour(member), Some(Reachable(mac(9))));
    bench.table.link_up(PortId(1), &bench.addresses, bench.now);
    assert_eq!(bench.sent(), [(A, mac(9))], "still used, and asked");
}

/// When a host that was met as any other is asked next, in milliseconds, after it was heard at 0 and then at each of these.
fn asked_next(bench: &mut Bench, heard: &[u64]) -> u64 {
    bench.want(hop(OUTER, STRANGER));
    bench.hear(OUTER, Operation::Reply, (mac(7), STRANGER), Ipv4Addr::new(192, 0, 2, 2));
    bench.sent();
    for millis in heard {
        bench.to(*millis);
        bench.hear(OUTER, Operation::Request, (mac(7), STRANGER), Ipv4Addr::new(192, 0, 2, 2));
        // The answer to it alone.
        assert_eq!(bench.sent().len(), 1, "not asked before {millis}");
    }
    until_asked(bench)
}

/// Lets time pass until something is sent, and says when.
fn until_asked(bench: &mut Bench) -> u64 {
    loop {
        bench.now = bench.table.next_deadline().expect("somebody is asked some day").max(bench.now);
        bench.table.poll(&bench.addresses, |_, _| false, bench.now);
        if !bench.sent().is_empty() {
            return bench.now.nanos() / 1_000_000;
        }
    }
}

/// Its timer is not set anew whenever it is heard, but looked at when it ends.
#[test]
fn who_comes_and_goes_is_asked_a_minute_or_so_after_it_was_heard_last() {
    for last in [0, 30_000, 59_000, 200_000] {
        let mut bench = Bench::new(&[]);
        let heard: Vec<u64> = (1..=last / 1_000).map(|second| second * 1_000).collect();
        let due = bench.table.next_deadline();
        let asked = asked_next(&mut bench, &heard);
        assert!((last + 60_000..=last + 90_000).contains(&asked), "heard last at {last} ms, asked at {asked} ms");
        assert_eq!(due, None);
    }
}

#[test]
fn a_timer_is_not_moved_by_what_is_heard() {
    let mut bench = Bench::new(&[]);
    bench.want(hop(OUTER, STRANGER));
    bench.hear(OUTER, Operation::Reply, (mac(7), STRANGER), Ipv4Addr::new(192, 0, 2, 2));
    let due = bench.table.next_deadline();
    for second in 1..=50 {
        bench.to(second * 1_000);
        bench.hear(OUTER, Operation::Request, (mac(7), STRANGER), Ipv4Addr::new(192, 0, 2, 2));
        bench.table.confirm(hop(OUTER, STRANGER), mac(7), bench.now);
        assert_eq!(bench.table.next_deadline(), due);
    }
}

/// Such as one that talked to us, and is a member by the next file: whether it lives matters from then on.
#[test]
fn who_becomes_permanent_is_asked_as_soon_as_any_other_that_is() {
    let stranger = hop(OUTER, STRANGER);
    for answers in [true, false] {
        let mut bench = Bench::new(&[]);
        bench.want(stranger);
        match answers {
            true => bench.hear(OUTER, Operation::Reply, (mac(7), STRANGER), Ipv4Addr::new(192, 0, 2, 2)),
            // It has failed, and would be forgotten in five seconds.
            false => bench.to(3_000),
        }
        let begin = if answers { 0 } else { 3_000 };
        bench.sent();
        bench.table.keep(&BTreeSet::from([stranger]), BTreeMap::new(), &bench.addresses, bench.now);
        assert_eq!(bench.sent(), [], "not at once");
        let asked = until_asked(&mut bench);
        assert!((begin + 1_000..=begin + 1_500).contains(&asked), "asked at {asked} ms, answers: {answers}");
    }
}

#[test]
fn who_is_permanent_no_longer_is_asked_as_seldom_as_others() {
    let router = hop(OUTER, R);
    let (mut bench, _) = with_router();
    bench.to(900);
    bench.hear(OUTER, Operation::Request, (mac(1), R), Ipv4Addr::new(192, 0, 2, 2));
    bench.sent();
    bench.table.keep(&BTreeSet::new(), BTreeMap::new(), &bench.addresses, bench.now);
    let asked = until_asked(&mut bench);
    assert!((60_900..=90_900).contains(&asked), "{asked} ms");
    assert_eq!(bench.table.neighbour(router), Some(Reachable(mac(1))));
}

#[test]
fn a_permanent_host_that_was_heard_within_a_second_is_not_asked() {
    let member = hop(INNER, A);
    let mut bench = Bench::new(&[member]);
    bench.hear(INNER, Operation::Reply, (mac(9), A), G);
    bench.sent();
    for step in 1..=20 {
        bench.to(step * 500);
        bench.table.confirm(member, mac(9), bench.now);
    }
    assert_eq!(bench.sent(), [], "its answers to probes are enough");
    bench.table.confirm(member, mac(8), bench.now);
    (21..=29).for_each(|step| bench.to(step * 500));
    assert_eq!(bench.sent(), [(A, mac(9)), (A, Mac::BROADCAST), (A, Mac::BROADCAST)], "another MAC proves nothing");
    assert_eq!(bench.news().last(), Some(&NeighbourEvent::Failed(member)));
}

#[test]
fn many_permanent_hosts_are_verified_at_a_bounded_rate() {
    let mut wide = harness::two_arm();
    wide.interfaces[1].addresses = vec!["10.20.0.1/8".parse().unwrap()];
    let hops: Vec<NextHop> = (0..16_384).map(|host| hop(INNER, Ipv4Addr::from(0x0a28_0000 + host))).collect();
    let mut bench = Bench::new(&[]);
    bench.addresses = Addresses::new(&wide, &harness::MACS);
    bench.table.keep(&hops.iter().copied().collect(), BTreeMap::new(), &bench.addresses, bench.now);
    hops.iter().for_each(|hop| bench.hear(INNER, Operation::Reply, (mac(9), hop.address), G));
    bench.sent();
    bench.to(1_999);
    assert_eq!(bench.sent(), []);
    bench.to(2_500);
    let first = bench.sent();
    assert!((4_000..4_700).contains(&first.len()), "{}", first.len());
    assert!(first.iter().all(|(_, to)| *to == mac(9)), "none to everyone");
}

#[test]
fn a_request_whose_answer_the_appliance_may_have_missed_counts_for_nothing() {
    let member = hop(INNER, A);
    for known in [true, false] {
        let mut bench = Bench::new(&[member]);
        if known {
            bench.hear(INNER, Operation::Reply, (mac(9), A), G);
        }
        bench.sent();
        let mut asked = 0;
        for second in 2..=20 {
            bench.now = Instant::from_millis(second * 1_000);
            bench.table.poll(&bench.addresses, |from, until| from < until, bench.now);
            asked += bench.sent().len();
        }
        assert_eq!((asked, bench.table.neighbour(member)), (19, known.then_some(Reachable(mac(9)))));
        for second in 21..=23 {
            bench.to(second * 1_000);
        }
        assert_eq!(bench.table.neighbour(member), Some(Failed), "silence counts again");
    }
}
