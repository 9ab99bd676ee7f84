//! The flow table against rows, a model and a clock.

use super::*;
use crate::flow::{PathKind, Track};
use crate::time::Duration;
use crate::wire::facts::Segment;
use crate::wire::tcp::Flags;
use crate::wire::{Endpoint, Protocol, Rewrite};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn second(count: u64) -> Instant {
    Instant::from_millis(1000 * count)
}

fn segment(flags: Flags, seq: u32, ack: u32) -> Segment {
    Segment { seq, ack, flags, payload: 0 }
}

fn endpoint(host: u8, port: u16) -> Endpoint {
    Endpoint::new(Ipv4Addr::new(10, 0, 0, host), port)
}

/// An outbound flow of member `n`, whose outside port is `n` too.
fn flow(protocol: Protocol, n: u16) -> Flow {
    let (member, peer) = (endpoint(11, n), endpoint(99, 5060));
    let opener = Tuple::new(protocol, member, peer);
    Flow::new(PathKind::Outbound, opener, Tuple::new(protocol, peer, endpoint(100, n)))
}

fn opening(n: u16) -> Flow {
    let mut flow = flow(Protocol::Tcp, n);
    flow.track = Some(Track::opening(&segment(Flags::SYN, 1000, 0)));
    flow
}

fn table(capacity: usize) -> FlowTable {
    FlowTable::new(capacity, 7, Lifetimes::default())
}

#[test]
fn a_flow_that_is_put_off_and_seen_again_does_not_overtake_those_put_off_with_it() {
    let mut table: FlowTable = FlowTable::new(4, 1, Lifetimes::default());
    let [one, other] = [1, 2].map(|n| table.insert(flow(Protocol::Icmp, n), second(1)).unwrap());
    // Both are due to move in their list, and put off.
    [one, other].into_iter().for_each(|id| table.touch(id, second(3)));
    // The first is seen again before they have moved.
    table.touch(one, second(61));
    let mut gone = Vec::new();
    table.expire(second(65), 9, |_| (), |flow| gone.push(flow.key(Direction::Original)));
    assert_eq!(gone, [flow(Protocol::Icmp, 2).key(Direction::Original)], "62 seconds idle, and 60 are its time");
    assert_eq!(table.evict(TimeoutClass::Icmp).map(|flow| flow.key(Direction::Original).src.port), Some(1));
}

#[test]
fn both_sides_are_found_until_it_dies() {
    let mut table = table(2);
    let flow = flow(Protocol::Udp, 1);
    let id = table.insert(flow, second(0)).unwrap();
    assert_eq!(table.find(&flow.key(Direction::Original)), Some((id, Direction::Original)));
    assert_eq!(table.find(&flow.key(Direction::Reply)), Some((id, Direction::Reply)));
    assert_eq!(table.find(&flow.key(Direction::Original).reversed()), None);
    table.prefetch_bucket(table.tag(&flow.key(Direction::Original)));
    table.prefetch_entry(table.tag(&flow.key(Direction::Original)));
    assert_eq!(table.remove(id), Some(flow));
    assert!(Direction::BOTH.iter().all(|&side| table.find(&flow.key(side)).is_none()));
    assert_eq!((table.remove(id), table.at(id), table.len()), (None, None, 0));
}

#[test]
fn a_key_belongs_to_one_flow() {
    let mut table = table(4);
    let first = flow(Protocol::Udp, 1);
    let id = table.insert(first, second(0)).unwrap();
    let [opener, answer] = first.keys();
    let other = flow(Protocol::Udp, 2).keys();
    for keys in [[opener, other[1]], [other[0], answer], [answer, other[1]], [other[0], opener]] {
        let refused = table.insert(Flow::new(PathKind::Hairpin, keys[0], keys[1]), second(0));
        assert_eq!(refused, Err(Refused::Duplicate(id)));
    }
    assert_eq!((table.len(), table.find(&other[0]), table.find(&other[1])), (1, None, None));
}

#[test]
fn a_full_table_refuses_and_takes_again() {
    let mut table = table(3);
    let ids: Vec<_> = (0..3).map(|n| table.insert(flow(Protocol::Udp, n), second(0)).unwrap()).collect();
    assert_eq!(table.insert(flow(Protocol::Udp, 3), second(0)), Err(Refused::Full));
    assert!(table.find(&flow(Protocol::Udp, 3).key(Direction::Original)).is_none());
    table.remove(ids[1]);
    assert_eq!(table.insert(flow(Protocol::Udp, 3), second(0)), Ok(ids[1]));
    assert_eq!((table.len(), table.capacity()), (3, 3));
}

/// A member that calls its own virtual server from the service port: both directions arrive with one tuple.
#[test]
fn a_flow_that_mirrors_itself_is_found_once_and_dies_whole() {
    let mut table = table(2);
    let itself = Tuple::new(Protocol::Udp, endpoint(11, 5060), endpoint(100, 5060));
    let flow = Flow::new(PathKind::Hairpin, itself, itself);
    assert_eq!(flow.translated(Direction::Original), itself.reversed());
    let id = table.insert(flow, second(0)).unwrap();
    assert_eq!(table.find(&itself), Some((id, Direction::Original)));
    assert_eq!(table.insert(flow, second(0)), Err(Refused::Duplicate(id)));
    table.remove(id);
    assert_eq!(table.find(&itself), None);
}

/// Scenario 42.
#[test]
fn an_idle_flow_dies_when_its_lifetime_is_over_and_not_before() {
    let mut table = table(4);
    let udp = table.insert(flow(Protocol::Udp, 1), second(0)).unwrap();
    table.insert(flow(Protocol::Icmp, 2), second(0)).unwrap();
    assert_eq!(table.expire(second(59), 9, |_| (), |_| panic!("too early")), 0);
    assert_eq!(table.expire(second(60), 9, |_| (), |gone| assert_eq!(gone.protocol(), Protocol::Icmp)), 1);
    table.touch(udp, second(200));
    assert_eq!((table.idle(udp, second(260)), table.expires_in(udp, second(260))).0, Duration::from_secs(60));
    assert_eq!(table.expires_in(udp, second(260)), Duration::from_secs(240));
    assert_eq!(table.expire(second(499), 9, |_| (), |_| panic!("too early")), 0);
    assert_eq!(table.expire(second(500), 9, |_| (), |_| ()), 1);
    assert!(table.is_empty());
}

#[test]
fn a_stale_name_of_a_dead_flow_harms_nobody() {
    let mut table = table(1);
    let id = table.insert(flow(Protocol::Udp, 1), second(0)).unwrap();
    table.remove(id);
    table.touch(id, second(1));
    table.follow(id, Direction::Original, &segment(Flags::ACK, 1, 1), second(1));
    assert!(table.at_mut(id).is_none() && table.expire(second(9999), 9, |_| (), |_| ()) == 0);
    let unknown = FlowId(77);
    table.touch(unknown, second(1));
    assert!(table.at(unknown).is_none() && table.remove(unknown).is_none());
    assert_eq!(table.idle(unknown, second(1)), Duration::ZERO);
}

/// Scenarios 43 to 46: each state has its own lifetime, and a change of state begins a new one.
#[test]
fn a_connection_moves_between_lifetimes() {
    let mut table = table(4);
    table.insert(opening(1), second(0)).unwrap();
    let id = table.insert(opening(2), second(0)).unwrap();
    table.follow(id, Direction::Reply, &segment(Flags::SYN.with(Flags::ACK), 9000, 1001), second(1));
    let last = segment(Flags::ACK, 1001, 9001);
    table.follow(id, Direction::Original, &last, second(2));
    assert_eq!(table.at(id).map(Flow::state), Some("established"));
    assert_eq!(table.expire(second(240), 9, |_| (), |gone| assert_eq!(gone.key(Direction::Original).src.port, 1)), 1);
    assert_eq!(table.expire(second(7441), 9, |_| (), |_| panic!("7,439 seconds idle are not enough")), 0);
    let stray = segment(Flags::RST, 0x5000_0000, 0);
    table.follow(id, Direction::Reply, &stray, second(7441));
    assert_eq!(table.idle(id, second(7441)), Duration::from_secs(7439), "it refreshes nothing");
    let reset = segment(Flags::RST, 9001, 0);
    table.follow(id, Direction::Reply, &reset, second(7441));
    assert_eq!(table.at(id).map(Flow::state), Some("reset"));
    table.follow(id, Direction::Original, &last, second(7600));
    assert_eq!(table.expire(second(7839), 9, |_| (), |_| panic!("it lingers")), 0);
    assert_eq!(table.expire(second(7840), 9, |_| (), |_| ()), 1);
}

/// An aborted connection is remembered for four minutes, not for the two hours of a living one.
#[test]
fn an_aborted_connection_lingers_as_a_reset_one() {
    let mut table = table(4);
    let mut flow = flow(Protocol::Tcp, 1);
    flow.track = Some(Track::midstream(Direction::Original, &segment(Flags::ACK, 1000, 9000)));
    let id = table.insert(flow, second(0)).unwrap();
    table.abort(id, second(100));
    assert!(table.at(id).and_then(|flow| flow.track).is_some_and(|track| track.is_aborted()));
    assert_eq!(table.expire(second(339), 9, |_| (), |_| panic!("too early")), 0);
    assert_eq!(table.expire(second(340), 9, |_| (), |_| ()), 1);
    table.abort(id, second(341));
}

#[test]
fn lifetimes_change_for_the_living() {
    let mut table = table(4);
    table.insert(flow(Protocol::Udp, 1), second(0)).unwrap();
    table.set_lifetimes(Lifetimes { udp: Duration::from_secs(120), ..Lifetimes::default() });
    assert_eq!(table.expire(second(119), 9, |_| (), |_| panic!("too early")), 0);
    assert_eq!(table.expire(second(120), 9, |_| (), |_| ()), 1);
}

#[test]
fn no_class_starves_another_of_its_budget() {
    let mut table = table(200);
    for n in 0..100 {
        table.insert(opening(n), second(0)).unwrap();
        table.insert(flow(Protocol::Udp, n), second(0)).unwrap();
    }
    let mut udp = 0;
    for _ in 0..TimeoutClass::COUNT {
        assert_eq!(table.expire(second(9000), 10, |_| (), |gone| udp += usize::from(gone.track.is_none())), 10);
    }
    assert!((10..=50).contains(&udp), "{udp}");
}

/// Scenario 86: half-open connections make room first.
#[test]
fn the_longest_idle_of_a_class_makes_room() {
    let mut table = table(4);
    let first = table.insert(opening(1), second(0)).unwrap();
    table.insert(opening(2), second(1)).unwrap();
    table.insert(flow(Protocol::Udp, 3), second(0)).unwrap();
    table.touch(first, second(100));
    let ports: Vec<_> = std::iter::from_fn(|| table.evict(TimeoutClass::TcpOpening))
        .map(|gone| gone.key(Direction::Original).src.port)
        .collect();
    assert_eq!((ports, table.len()), (vec![2, 1], 1));
}

#[test]
fn a_walk_shows_every_flow_once_and_a_sweep_forgets_some() {
    let mut table = table(100);
    for n in 0..50 {
        table.insert(flow(Protocol::Udp, n), second(0)).unwrap();
    }
    let mut shown = Vec::new();
    let mut cursor = Some(0);
    while let Some(from) = cursor {
        let before = shown.len();
        cursor = table.scan(from, 7, |_, flow| shown.push(flow.key(Direction::Original).src.port));
        assert!(shown.len() - before <= 7);
    }
    assert_eq!(shown, (0..50).collect::<Vec<_>>());
    let judge = |_, flow: &mut Flow| {
        flow.opener_generation = 3;
        if flow.key(Direction::Original).src.port & 1 == 0 { Fate::Remove } else { Fate::Keep }
    };
    assert_eq!(table.sweep(0, usize::MAX, judge), None);
    assert_eq!(table.len(), 25);
    table.scan(0, 100, |_, flow| {
        assert!(flow.opener_generation == 3 && flow.key(Direction::Original).src.port & 1 == 1)
    });
    assert_eq!(table.scan(u32::MAX, 9, |_, _| ()), None);
}

/// P5: a slot, its share of the index, and the cell of its claim.
#[test]
fn a_flow_takes_at_most_160_bytes_with_everything() {
    assert_eq!(size_of::<Slot<Ipv4Addr>>(), 128);
    assert_eq!((table(1000).bytes() + 1000 * size_of::<u64>()).div_ceil(1000), 160);
}

/// IPv6 is a second instance of the same code.
#[test]
fn another_kind_of_address_will_do() {
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    struct Wide(u128);
    impl std::fmt::Display for Wide {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "{:x}", self.0)
        }
    }
    impl crate::wire::Address for Wide {
        type Pair = (u128, u128);
        fn pair(first: Wide, second: Wide) -> (u128, u128) {
            (first.0, second.0)
        }
        fn unpair(pair: (u128, u128)) -> (Wide, Wide) {
            (Wide(pair.0), Wide(pair.1))
        }
        fn swapped(pair: (u128, u128)) -> (u128, u128) {
            (pair.1, pair.0)
        }
        fn difference(a: (u128, u128), b: (u128, u128)) -> (u128, u128) {
            (a.0 ^ b.0, a.1 ^ b.1)
        }
    }
    impl KeyAddress for Wide {
        fn mix(pair: (u128, u128), key: u64) -> u64 {
            let mix = |seed: u64, bits: u128| crate::chance::number(seed ^ bits as u64 ^ (bits >> 64) as u64, 1);
            mix(mix(key, pair.0), pair.1)
        }
        fn rewrite(_: &Tuple<Wide>, _: &Tuple<Wide>) -> Rewrite<Wide> {
            Rewrite::default()
        }
    }
    let mut table = FlowTable::new(2, 1, Lifetimes::default());
    let end = |host: u128| Endpoint::new(Wide(0x2001_0db8 << 96 | host), 5060);
    let flow = Flow::routed(Tuple::new(Protocol::Udp, end(1), end(2)));
    let id = table.insert(flow, second(0)).unwrap();
    assert_eq!(table.find(&flow.key(Direction::Reply)), Some((id, Direction::Reply)));
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u16, bool),
    Remove(u16),
    Touch(u16),
    Advance(u64),
    Expire(usize),
    Evict,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..24_u16, any::<bool>()).prop_map(|(n, udp)| Step::Insert(n, udp)),
        2 => (0..24_u16).prop_map(Step::Remove),
        4 => (0..24_u16).prop_map(Step::Touch),
        3 => (0..120_u64).prop_map(Step::Advance),
        2 => (0..5_usize).prop_map(Step::Expire),
        1 => Just(Step::Evict),
    ]
}

/// The table's shadow: flows by their number, each with its last packet.
struct Model(BTreeMap<u16, (Flow, Instant)>);

impl Model {
    fn lifetime(&self, n: u16) -> Duration {
        Lifetimes::default().of(self.0[&n].0.class())
    }

    fn overdue(&self, now: Instant, late: u32) -> usize {
        let is_over = |n: &&u16| now - self.0[n].1 >= self.lifetime(**n) * (32 + late) / 32;
        self.0.keys().filter(is_over).count()
    }
}

proptest! {
    /// A tiny table against a map and a clock: the same flows are found, none is removed early, and none is left that is
    /// later than the lists are exact to.
    #[test]
    fn agrees_with_a_map_and_a_clock(steps in prop::collection::vec(step(), 0..200), seed: u64) {
        let mut table: FlowTable = FlowTable::new(12, seed, Lifetimes::default());
        let mut model = Model(BTreeMap::new());
        let mut now = second(1);
        let place = |table: &FlowTable, n: u16| {
            let udp = table.find(&flow(Protocol::Udp, n).key(Direction::Original));
            udp.or(table.find(&flow(Protocol::Icmp, n).key(Direction::Original))).map(|(id, _)| id)
        };
        for step in steps {
            match step {
                Step::Insert(n, udp) => {
                    let flow = flow(if udp { Protocol::Udp } else { Protocol::Icmp }, n);
                    if place(&table, n).is_some() {
                        let known = model.0[&n].0;
                        let duplicate = matches!(table.insert(known, now), Err(Refused::Duplicate(_)));
                        prop_assert!(duplicate);
                    } else if model.0.len() == 12 {
                        prop_assert_eq!(table.insert(flow, now), Err(Refused::Full));
                    } else {
                        prop_assert!(table.insert(flow, now).is_ok());
                        model.0.insert(n, (flow, now));
                    }
                }
                Step::Remove(n) => {
                    let gone = place(&table, n).and_then(|id| table.remove(id));
                    prop_assert_eq!(gone, model.0.remove(&n).map(|(flow, _)| flow));
                }
                Step::Touch(n) => {
                    if let Some(id) = place(&table, n) {
                        table.touch(id, now);
                        model.0.get_mut(&n).unwrap().1 = now;
                    }
                }
                Step::Advance(seconds) => now += Duration::from_secs(seconds),
                Step::Expire(budget) => {
                    let mut gone = Vec::new();
                    let removed = table.expire(now, budget, |_| (), |flow| gone.push(flow.key(Direction::Original).src.port));
                    prop_assert!(removed == gone.len() && removed <= budget);
                    for n in gone {
                        prop_assert!(now - model.0[&n].1 >= model.lifetime(n), "{} removed early", n);
                        model.0.remove(&n);
                    }
                    prop_assert!(removed == budget || model.overdue(now, 1) == 0);
                }
                Step::Evict => {
                    let Some(gone) = table.evict(TimeoutClass::Udp) else { continue };
                    model.0.remove(&gone.key(Direction::Original).src.port);
                }
            }
            prop_assert_eq!(table.len(), model.0.len());
            for n in 0..24 {
                let id = place(&table, n);
                prop_assert_eq!(id.is_some(), model.0.contains_key(&n));
                if let (Some(id), Some((flow, seen))) = (id, model.0.get(&n)) {
                    prop_assert_eq!(table.at(id), Some(flow));
                    prop_assert_eq!(table.find(&flow.key(Direction::Reply)), Some((id, Direction::Reply)));
                    prop_assert_eq!(table.idle(id, now), now - *seen);
                }
            }
        }
    }
}

#[test]
fn a_flow_keeps_its_name_and_the_next_one_in_its_place_gets_another() {
    let mut table = table(4);
    let flows = [1, 2].map(|n| flow(Protocol::Udp, n));
    let id = table.insert(flows[0], second(0)).unwrap();
    let name = table.name(id).unwrap();
    table.touch(id, second(5));
    assert_eq!((table.name(id), name.to_string()), (Some(name), "0.1".to_owned()));
    table.remove(id);
    assert_eq!(table.name(id), None);
    for flow in flows {
        let next = table.insert(flow, second(6)).unwrap();
        assert_eq!(next, id, "the place is used again");
        assert_ne!(table.name(next), Some(name));
        table.remove(next);
    }
    let names = [[0, 0, 0], [255, 0, 0], [255, 255, 255]].map(|bytes| number_of(number_after(bytes)));
    assert_eq!(names, [1, 256, 1], "it comes round, and is never 0");
}
