use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const PATIENCE: Duration = Duration::from_secs(10);

fn datagram(id: u16) -> Datagram {
    Datagram { src: [172, 16, 5, 5].into(), dst: [10, 20, 0, 100].into(), protocol: 17, id }
}

fn span(offset: u16, length: u16, more: bool) -> Span {
    Span { offset, length, more }
}

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// Fragments and the caller's side of them: who lies where, and what was lost.
struct Bench {
    fragments: Fragments,
    places: BTreeMap<u32, (u16, Span)>,
    lost: Vec<(u16, Loss)>,
}

impl Bench {
    fn new(capacity: usize) -> Bench {
        Bench { fragments: Fragments::new(capacity, PATIENCE, 5), places: BTreeMap::new(), lost: Vec::new() }
    }

    /// The fragments of the datagram, if this one makes it whole.
    fn arrive(&mut self, id: u16, span: Span, now: Instant) -> Option<Vec<Span>> {
        let (places, lost) = (&mut self.places, &mut self.lost);
        let gone = |place, loss| lost.push((places.remove(&place).expect("somebody lay there").0, loss));
        match self.fragments.arrive(&datagram(id), span, now, gone) {
            Arrival::Waits(place) => {
                assert_eq!(self.places.insert(place, (id, span)), None);
                None
            }
            Arrival::Completes(place, whole) => {
                assert_eq!(self.places.insert(place, (id, span)), None);
                let mut taken = Vec::new();
                self.fragments.take(whole, |place| taken.push(self.places.remove(&place).expect("it lay there")));
                assert!(taken.iter().all(|(of, _)| *of == id));
                Some(taken.into_iter().map(|(_, span)| span).collect())
            }
            Arrival::Refused(loss) => {
                self.lost.push((id, loss));
                None
            }
        }
    }

    fn expire(&mut self, now: Instant) {
        let (places, lost) = (&mut self.places, &mut self.lost);
        self.fragments
            .expire(now, 1000, |place, loss| lost.push((places.remove(&place).expect("it lay there").0, loss)));
    }
}

#[test]
fn a_datagram_is_whole_in_any_order() {
    let fragments = [span(0, 1480, true), span(1480, 1480, true), span(2960, 1048, false)];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut bench = Bench::new(16);
        assert_eq!(bench.arrive(7, fragments[order[0]], at(0)), None);
        assert_eq!(bench.arrive(7, fragments[order[0]], at(1)), None, "again");
        assert_eq!(bench.arrive(7, fragments[order[1]], at(2_000)), None);
        assert_eq!(bench.arrive(7, fragments[order[2]], at(4_000)), Some(fragments.to_vec()));
        assert_eq!((bench.fragments.len(), bench.places.len()), (0, 0));
        assert_eq!(bench.lost, [(7, Loss::Duplicate)]);
    }
}

#[test]
fn datagrams_are_told_apart() {
    let mut bench = Bench::new(16);
    for id in 1..=3 {
        assert_eq!(bench.arrive(id, span(0, 8, true), at(0)), None);
    }
    let mut other = datagram(1);
    other.protocol = 1;
    assert!(matches!(bench.fragments.arrive(&other, span(8, 8, false), at(0), |_, _| ()), Arrival::Waits(_)));
    for id in 1..=3 {
        assert!(bench.arrive(id, span(8, 8, false), at(0)).is_some());
    }
}

#[test]
fn fragments_that_overlap_or_contradict_lose_all_of_their_datagram() {
    let teardrops: [&[Span]; 7] = [
        &[span(0, 1480, true), span(1472, 100, false)],
        &[span(1480, 100, false), span(0, 1488, true)],
        &[span(0, 1480, true), span(8, 16, true)],
        &[span(0, 1480, true), span(0, 1472, true)],
        &[span(1480, 100, false), span(2960, 100, true)],
        &[span(1480, 100, false), span(2960, 100, false)],
        &[span(2960, 100, true), span(1480, 100, false)],
    ];
    for fragments in teardrops {
        let mut bench = Bench::new(16);
        for &fragment in fragments {
            assert_eq!(bench.arrive(7, fragment, at(0)), None, "{fragments:?}");
        }
        assert_eq!(bench.lost, [(7, Loss::Overlap); 2], "{fragments:?}");
        assert_eq!(bench.arrive(7, span(0, 8, true), at(9_999)), None, "what still comes is lost as well");
        assert_eq!(bench.lost.len(), 3);
        bench.expire(at(10_000));
        assert_eq!(bench.arrive(7, span(0, 8, true), at(10_001)), None);
        assert!(bench.arrive(7, span(8, 8, false), at(10_002)).is_some(), "and forgotten in time");
    }
}

#[test]
fn a_datagram_of_too_many_pieces_is_lost() {
    let mut bench = Bench::new(1000);
    for fragment in 0..=MOST_FRAGMENTS {
        assert_eq!(bench.arrive(7, span(fragment * 8, 8, true), at(0)), None);
    }
    assert_eq!(bench.lost, [(7, Loss::TooMany); MOST_FRAGMENTS as usize + 1]);
    assert_eq!(bench.fragments.len(), 0);
}

#[test]
fn the_rest_is_waited_for_in_time_and_no_longer() {
    let mut bench = Bench::new(16);
    bench.arrive(1, span(0, 8, true), at(0));
    bench.arrive(2, span(8, 8, false), at(1));
    bench.arrive(1, span(16, 8, true), at(9_000));
    bench.expire(at(9_999));
    assert_eq!(bench.lost, []);
    bench.expire(at(10_000));
    assert_eq!(bench.lost, [(1, Loss::Incomplete); 2]);
    bench.expire(at(10_001));
    assert_eq!((bench.lost.len(), bench.fragments.len()), (3, 0));
}

#[test]
fn the_oldest_give_way_and_a_datagram_that_follows_itself_gets_through() {
    let mut bench = Bench::new(8);
    for junk in 0..1_000 {
        bench.arrive(junk, span(0, 8, true), at(u64::from(junk)));
        assert!(bench.fragments.len() <= 8);
        if junk % 100 == 99 {
            bench.arrive(5_000, span(0, 8, true), at(u64::from(junk)));
            bench.arrive(5_001, span(0, 8, true), at(u64::from(junk)));
            assert!(bench.arrive(5_000, span(8, 8, false), at(u64::from(junk))).is_some());
        }
    }
    assert!(bench.lost.iter().all(|(_, loss)| *loss == Loss::GaveWay));
}

#[test]
fn one_datagram_that_fills_everything_gives_way_to_itself() {
    let mut bench = Bench::new(2);
    for fragment in 0..2 {
        bench.arrive(7, span(fragment * 8, 8, true), at(0));
    }
    assert_eq!(bench.arrive(7, span(16, 8, false), at(0)), None);
    assert_eq!((bench.lost.clone(), bench.fragments.len()), (vec![(7, Loss::GaveWay); 3], 0));
}

/// A datagram as sets of bytes, in units of eight.
#[derive(Default)]
struct Model {
    bytes: BTreeSet<u16>,
    total: Option<u16>,
    fragments: Vec<Span>,
    broken: bool,
}

proptest! {
    /// Against sets of bytes: a datagram is whole exactly when every byte up to its end was there once, and every fragment
    /// is taken, waits, or was lost.
    #[test]
    fn agrees_with_sets_of_bytes(
        steps in prop::collection::vec((0..3_u16, 0..6_u16, 1..3_u16, any::<bool>()), 0..80), seed: u64,
    ) {
        let mut bench = Bench::new(64);
        bench.fragments = Fragments::new(64, PATIENCE, seed);
        let mut model: BTreeMap<u16, Model> = BTreeMap::new();
        let mut arrived = 0;
        let mut taken = 0;
        for (id, offset, length, more) in steps {
            let fragment = span(offset * 8, length * 8, more);
            arrived += 1;
            let whole = bench.arrive(id, fragment, at(0));
            let Model { bytes, total, fragments, broken } = model.entry(id).or_default();
            if *broken || fragments.contains(&fragment) {
                prop_assert_eq!(whole, None);
                continue;
            }
            let mine: BTreeSet<u16> = (offset..offset + length).collect();
            let end = offset + length;
            let wrong = match (more, *total) {
                (true, Some(total)) => end >= total,
                (false, Some(_)) => true,
                (false, None) => bytes.iter().any(|&byte| byte >= end),
                (true, None) => false,
            };
            if wrong || !mine.is_disjoint(bytes) {
                *broken = true;
                prop_assert_eq!(whole, None);
                continue;
            }
            bytes.extend(&mine);
            fragments.push(fragment);
            if !more {
                *total = Some(end);
            }
            let complete = total.is_some_and(|total| usize::from(total) == bytes.len());
            prop_assert_eq!(whole.is_some(), complete);
            if let Some(whole) = whole {
                taken += whole.len();
                fragments.sort_by_key(|fragment| fragment.offset);
                prop_assert_eq!(&whole, &*fragments);
                model.remove(&id);
            }
        }
        prop_assert_eq!(arrived, taken + bench.lost.len() + bench.fragments.len());
        prop_assert_eq!(bench.fragments.len(), bench.places.len());
    }
}
