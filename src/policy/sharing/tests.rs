//! Shares, order, and what moves when a member goes.

use super::*;

fn target(at: u16, weight: u32) -> Target {
    Target { member: MemberId(at), address: Ipv4Addr::from(0x0a14_000b + u32::from(at)), weight }
}

fn equal(count: u16) -> Vec<Target> {
    (0..count).map(|at| target(at, 1)).collect()
}

fn by_source(targets: Vec<Target>) -> Sharing {
    Sharing::new(Mode::SourceHash, targets, CELLS)
}

fn in_rounds(weights: &[u32]) -> Sharing {
    let targets = weights.iter().zip(0..).map(|(weight, at)| target(at, *weight)).collect();
    Sharing::new(Mode::RoundRobin, targets, CELLS)
}

fn turns(sharing: &Sharing, count: u32) -> Vec<u16> {
    let chosen = |turn| sharing.choose(Ipv4Addr::LOCALHOST, turn).map(|member| member.0);
    (0..count).filter_map(chosen).collect()
}

/// How many cells each member has.
fn shares(sharing: &Sharing) -> Vec<usize> {
    let count = |at: usize| sharing.table.iter().filter(|place| usize::from(**place) == at).count();
    (0..sharing.targets.len()).map(count).collect()
}

#[test]
fn rounds_are_as_even_as_weights_allow() {
    assert_eq!(turns(&in_rounds(&[1, 1, 1]), 7), [0, 1, 2, 0, 1, 2, 0]);
    assert_eq!(turns(&in_rounds(&[5, 1, 1]), 7), [0, 0, 1, 0, 2, 0, 0], "not five times the first in a row");
    assert_eq!(turns(&in_rounds(&[10, 20]), 3), [1, 0, 1], "only their proportion counts");
    assert_eq!(turns(&in_rounds(&[]), 9), [0_u16; 0]);
    assert_eq!(in_rounds(&[100, 99]).table.len(), 199);
}

#[test]
fn a_part_of_a_weight_is_exact_and_spread_over_the_round() {
    let sharing = in_rounds(&[20, 1, 20]);
    assert_eq!((sharing.table.len(), shares(&sharing)), (41, vec![20, 1, 20]));
    let sharing = in_rounds(&[20 * 100, 3 * 7, 20]);
    assert_eq!((sharing.table.len(), shares(&sharing)), (2_041, vec![2_000, 21, 20]));
    let places: Vec<usize> = (0..2_041).filter(|at| sharing.table[*at] == 1).collect();
    assert!(places.windows(2).all(|pair| (90..=105).contains(&(pair[1] - pair[0]))), "{places:?}");
    // As for a whole weight, one cell more or less.
    let cells = shares(&by_source(vec![target(0, 20), target(1, 1), target(2, 20)]));
    for (cells, parts) in cells.into_iter().zip([20.0, 1.0, 20.0]) {
        assert!((cells as f64 - CELLS as f64 * parts / 41.0).abs() <= 1.0, "{cells} for {parts}");
    }
}

#[test]
fn every_member_has_its_share_of_the_sources() {
    for count in [2, 3, 10, 64, 100] {
        let even = CELLS as f64 / f64::from(count);
        let worst = shares(&by_source(equal(count))).into_iter().map(|share| (share as f64 / even - 1.0).abs());
        assert!(worst.fold(0.0, f64::max) < 0.01, "{count} members");
    }
    let weighted = by_source(vec![target(0, 1), target(1, 3), target(2, 6)]);
    for (share, part) in shares(&weighted).into_iter().zip([0.1, 0.3, 0.6]) {
        assert!((share as f64 / CELLS as f64 - part).abs() < 0.001, "{share} for {part}");
    }
    let hosts = 100_000;
    let mut served = [0_u32; 4];
    let sharing = by_source(equal(4));
    for host in 0..hosts {
        let chosen = sharing.choose(Ipv4Addr::from(0xac10_0000 + host), 0).unwrap();
        served[usize::from(chosen.0)] += 1;
    }
    assert!(served.iter().all(|count| count.abs_diff(hosts / 4) < hosts / 4 / 50), "{served:?} of neighbouring hosts");
}

#[test]
fn who_goes_moves_its_own_share_and_little_else() {
    for (count, most) in [(2, 0.0001), (3, 0.004), (10, 0.004), (20, 0.005), (64, 0.006), (100, 0.007)] {
        let all = by_source(equal(count));
        for gone in [0, count / 2, count - 1] {
            let rest = by_source(equal(count).into_iter().filter(|target| target.member.0 != gone).collect());
            let member = |sharing: &Sharing, cell: usize| sharing.targets[usize::from(sharing.table[cell])].member;
            let moved = (0..CELLS).filter(|cell| member(&all, *cell) != member(&rest, *cell)).count();
            let extra = moved as f64 / CELLS as f64 - 1.0 / f64::from(count);
            assert!(extra < most, "{count} members: {extra} more than the share of the one that went");
        }
    }
}

#[test]
fn only_addresses_and_weights_decide() {
    let mut renamed: Vec<Target> =
        equal(9).into_iter().map(|one| Target { member: MemberId(100 - one.member.0), ..one }).collect();
    renamed.rotate_left(4);
    let (one, other) = (by_source(equal(9)), by_source(renamed));
    assert_eq!(one.table, other.table);
    assert!(one.holds(MemberId(8)) && !one.holds(MemberId(9)));
    let source = Ipv4Addr::new(192, 0, 2, 77);
    let chosen = |sharing: &Sharing| sharing.choose(source, 0).unwrap().0;
    assert_eq!(chosen(&one), 100 - chosen(&other));
    assert!((0..100).all(|turn| one.choose(source, turn) == one.choose(source, 0)), "no round counts");
}

#[test]
fn cells_are_a_prime_and_fewer_where_there_are_very_many_pools() {
    assert_eq!([cells(1, 2), cells(LARGE_TABLES, 64)], [CELLS; 2]);
    assert_eq!([2, 3, 16, 64, 1_000].map(|members| cells(4_096, members)), [211, 307, 1_601, 6_421, CELLS]);
    let few = Sharing::new(Mode::SourceHash, equal(64), cells(4_096, 64));
    assert_eq!(few.table.len(), 6_421);
    let even = 6_421.0 / 64.0;
    assert!(shares(&few).into_iter().all(|share| (share as f64 - even).abs() <= 1.0));
}

#[test]
fn the_others_follow_by_address_and_come_round() {
    let sharing = Sharing::new(Mode::RoundRobin, equal(4), CELLS);
    let members: Vec<MemberId> = sharing.targets().iter().map(|target| target.member).collect();
    let others = |of: usize| sharing.others(members[of]).collect::<Vec<_>>();
    assert_eq!(others(0), members[1..]);
    assert_eq!(others(2), [members[3], members[0], members[1]]);
}

#[test]
fn whoever_has_fewest_flows_for_its_weight_is_next_and_of_several_the_next_in_turn() {
    let targets = || [3, 1, 1].into_iter().zip(0..).map(|(weight, at)| target(at, weight)).collect();
    let sharing = Sharing::new(Mode::LeastConnections, targets(), CELLS);
    let least = |flows: [u64; 3], turn| {
        sharing.count(|member| flows[usize::from(member.0)]);
        sharing.least(|_| 0, turn, |_| true).unwrap()
    };
    assert_eq!(least([0, 0, 0], 0), 0, "a third of the load that the others would have");
    assert_eq!(least([3, 0, 0], 0), 1);
    assert_eq!(least([3, 0, 0], 2), 2);
    assert_eq!(least([29, 10, 9], 0), 0, "10 for each part, as the last has");
    assert_eq!([1, 2, 3].map(|turn| least([2, 0, 0], turn)), [1, 2, 0], "all the same: by turns");
    assert_eq!(sharing.least(|at| [9, 9, 0][at], 0, |_| true), Some(2), "what was given since counts");
    assert_eq!(sharing.counted(), 7);
    assert_eq!(sharing, Sharing::new(Mode::LeastConnections, targets(), CELLS), "counts are not what it is");
    assert_eq!(Sharing::new(Mode::LeastConnections, vec![], CELLS).least(|_| 0, 7, |_| true), None);
    let may = |member: MemberId| member != sharing.targets()[0].member;
    assert_eq!(sharing.least(|_| 0, 0, may), Some(1), "of those that may");
    assert_eq!(sharing.least(|_| 0, 0, |_| false), None);
    sharing.count(|_| u64::MAX);
    assert!(sharing.least(|_| 0, 0, |_| true).is_some(), "no number is too large");
}

#[test]
fn the_greatest_divisor_of_all_parts_is_never_zero() {
    for (parts, divisor) in [(&[][..], 1), (&[0], 1), (&[7], 7), (&[10, 20, 30], 10), (&[6, 10, 15], 1), (&[0, 8], 8)] {
        assert_eq!(common_divisor(parts.iter().copied()), divisor, "{parts:?}");
    }
}
