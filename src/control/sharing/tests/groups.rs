//! Priority groups and slow start: who takes part, with what weight, and when that changes.

use super::*;
use crate::policy::sharing::Sharing;
use std::net::Ipv4Addr;

const SLOW: Duration = Duration::from_secs(10);

/// All three are up, with these priorities.
fn grouped(priorities: [u16; 3], change: impl FnOnce(&mut Pool)) -> Bench {
    let mut bench = Bench::new(change);
    bench.intent.members.iter_mut().zip(priorities).for_each(|(member, priority)| member.priority = priority);
    bench.see([Up; 3]);
    bench
}

impl Bench {
    fn sharing(&self) -> Arc<Sharing> {
        self.pools.pool(POOL).sharing.clone().unwrap()
    }

    /// The weights of those that take new work.
    fn weights(&self) -> Vec<(MemberId, u32)> {
        self.sharing().targets().iter().map(|target| (target.member, target.weight)).collect()
    }

    /// How many of the next `count` turns each has.
    fn round(&self, count: u32) -> [usize; 3] {
        let sharing = self.sharing();
        let taken: Vec<_> = (7..7 + count).filter_map(|turn| sharing.choose(Ipv4Addr::LOCALHOST, turn)).collect();
        [A, B, C].map(|member| taken.iter().filter(|one| **one == member).count())
    }

    /// Time passes up to this moment, in steps of 50 ms.
    fn pass_until(&mut self, millis: u64) {
        while self.now < Instant::from_millis(millis) {
            self.pass(50);
        }
    }

    fn share_of(&self, member: MemberId) -> Share {
        self.pools.member(member).share
    }
}

#[test]
fn the_highest_priority_takes_what_is_new_and_the_next_one_while_too_few_are_up() {
    let mut bench = grouped([10, 10, 5], |pool| pool.min_active = 2);
    assert_eq!((bench.targets(), bench.alarms(), bench.share_of(C)), (vec![A, B], 0, Share::Spare));
    assert_eq!(bench.reason(), "2 of 3 members take new work: priority 10 (counted: 2, min_active: 2); spare: sip-c");
    assert_eq!(bench.see([Up, Down, Up]), [A, C]);
    assert_eq!((bench.lost(), bench.alarms(), bench.share_of(C)), (([0, 1, 0], 1), 1, Share::Plain));
    assert_eq!(
        bench.reason(),
        "2 of 3 members take new work: priorities 10 and 5 (counted above 5: 1, min_active: 2); sip-b is down (said down)"
    );
    assert_eq!(bench.see([Up; 3]), [A, B], "the lower one takes nothing new");
    assert_eq!((bench.lost(), bench.alarms()), (([0, 1, 0], 1), 0), "and loses nothing");
    assert!(bench.pools.health().members[C.index()].may_claim, "nor is what it says an echo");
    assert_eq!((bench.see([Up, Up, Down]), bench.lost()), (vec![A, B], ([0, 1, 2], 2)), "now what it has is lost");
    assert_eq!(bench.standing(), ["pool pair-1: 2 of 3 members take new work"]);
    assert_eq!(bench.see([Down, Down, Up]), [C]);
    assert!(
        bench.reason().starts_with("1 of 3 members take new work: priority 5 (counted: 1, min_active: 2); sip-a is")
    );
    assert_eq!(bench.see([Down, Up, Up]), [B, C]);
}

#[test]
fn drained_and_held_back_members_do_not_count() {
    let mut bench = grouped([10, 5, 0], |pool| pool.manual_resume = true);
    assert_eq!(bench.targets(), [A]);
    assert_eq!(bench.set(A, AdminState::Draining), [B]);
    assert_eq!((bench.lost(), bench.alarms()), (([0; 3], 0), 0));
    assert_eq!(bench.set(A, AdminState::Enabled), [A]);
    bench.see([Down, Up, Up]);
    assert_eq!(bench.see([Up; 3]), [B], "it is held back");
    assert_eq!(bench.see([Up, Down, Up]), [C]);
    assert_eq!(bench.see([Up, Down, Down]), [A], "nobody else is up");
    assert_eq!(bench.see([Up; 3]), [A, B, C], "all are held back: of none there is enough");
    assert_eq!(bench.set(B, AdminState::Enabled), [B], "of a lower priority, but not held back");
    assert_eq!(bench.set(A, AdminState::Enabled), [A]);
}

#[test]
fn what_holds_while_nobody_is_up_holds_for_the_whole_pool() {
    let mut bench = grouped([10, 10, 5], |pool| pool.no_member = NoMember::KeepLast);
    bench.see([Down, Down, Up]);
    assert_eq!(bench.see([Down; 3]), [C], "the last one");
    assert!(bench.reason().starts_with("1 of 3 members keep their work: "), "{}", bench.reason());
    assert_eq!(bench.see([Down, Up, Down]), [B]);
    let mut bench = grouped([10, 10, 5], |pool| pool.no_member = NoMember::Reject);
    assert_eq!(bench.see([Down; 3]), [A, B], "those that took what was new have the gap");
    assert_eq!((bench.pass(3_999), bench.pass(1)), (vec![A, B], vec![]));
    assert_eq!(bench.see([Down, Down, Up]), [C]);
}

#[test]
fn another_priority_moves_nobody_and_new_monitors_make_no_group_needed() {
    let mut bench = grouped([10, 5, 5], |_| {});
    assert_eq!(bench.see([Unknown, Up, Up]), [A], "it is what it was");
    bench.see([Up; 3]);
    assert_eq!(bench.reload(|intent| intent.members[2].priority = 20), [C]);
    assert_eq!((bench.lost(), bench.alarms()), (([0; 3], 0), 0));
    bench.logged();
    assert_eq!(bench.reload(|intent| intent.pools[0].min_active = 3), [A, B, C]);
    assert_eq!(
        bench.reason(),
        "all 3 members take new work: priorities 20, 10 and 5 (counted above 5: 2, min_active: 3)"
    );
    assert_eq!(bench.logged(), ["pool pair-1: all 3 members take new work: priorities 20, 10 and 5 (counted above 5"]);
    assert_eq!(bench.reload(|intent| intent.members.iter_mut().for_each(|member| member.priority = 7)), [A, B, C]);
    assert_eq!(bench.reason(), "all 3 members take new work");
}

#[test]
fn whoever_is_spare_is_watched_as_one_that_may_take_over() {
    let mut bench = grouped([10, 5, 5], |_| {});
    let intent = bench.intent.clone();
    assert_eq!(bench.pools.take_candidates(&intent), [(POOL, vec![A], vec![B, C])]);
    bench.see([Up, Up, Down]);
    assert_eq!(bench.pools.take_candidates(&intent), [(POOL, vec![A], vec![B])]);
    bench.change_mode(Mode::ActiveStandby);
    bench.reconsider(100);
    assert_eq!([A, B, C].map(|member| bench.share_of(member)), [Share::Plain; 3]);
}

#[test]
fn a_member_that_comes_back_has_a_part_that_grows_in_ten_steps() {
    let mut bench = Bench::settled(|pool| pool.slow_start = SLOW);
    assert_eq!((bench.round(3), bench.pools.next_deadline()), ([1, 1, 1], None), "the first start is not slow");
    bench.see([Up, Down, Up]);
    bench.see([Up; 3]);
    assert_eq!(bench.now, Instant::from_millis(300));
    assert_eq!(bench.reason(), "all 3 members take new work: sip-b is in slow start (5 % of its share)");
    assert_eq!(bench.share_of(B), Share::Part(5, Instant::from_millis(11_000)));
    for (second, parts) in (1..).zip([1, 3, 5, 7, 9, 11, 13, 15, 17, 19]) {
        bench.pass_until(second * 1_000);
        assert_eq!(bench.round(40 + parts), [20, parts as usize, 20], "{second}");
        assert_eq!(bench.pools.next_deadline(), Some(Instant::from_millis((second + 1) * 1_000)), "{second}");
    }
    bench.pass_until(11_000);
    assert_eq!((bench.round(3), bench.pools.next_deadline()), ([1, 1, 1], None));
    assert_eq!((bench.reason(), bench.lost()), ("all 3 members take new work", ([0, 1, 0], 1)));
}

#[test]
fn weights_are_scaled_exactly() {
    let mut bench = Bench::new(|pool| pool.slow_start = SLOW);
    bench.intent.members.iter_mut().zip([1, 7, 100]).for_each(|(member, weight)| member.weight = weight);
    bench.see([Up; 3]);
    bench.see([Down, Down, Up]);
    bench.see([Up, Down, Up]);
    assert_eq!(bench.weights(), [(A, 1), (C, 2_000)]);
    assert_eq!(bench.round(2_001), [1, 0, 2_000], "a weight of one has a part as well");
    bench.see([Up; 3]);
    assert_eq!(bench.weights(), [(A, 1), (B, 7), (C, 2_000)]);
    bench.pass_until(2_000);
    assert_eq!(bench.weights(), [(A, 3), (B, 21), (C, 2_000)]);
    assert_eq!(bench.round(2_024), [3, 21, 2_000]);
    bench.pass_until(20_000);
    assert_eq!(bench.weights(), [(A, 1), (B, 7), (C, 100)]);
}

#[test]
fn with_least_connections_a_part_of_the_flows_is_enough() {
    let mut bench = Bench::settled(|pool| (pool.mode, pool.slow_start) = (Mode::LeastConnections, SLOW));
    bench.see([Up, Down, Up]);
    bench.see([Up; 3]);
    let sharing = bench.sharing();
    let next = |flows: [u64; 3]| {
        sharing.count(|member| flows[member.index()]);
        sharing.targets()[sharing.least(|_| 0, 0, |_| true).unwrap()].member
    };
    // A twentieth of the others' thousand.
    assert_eq!([next([1_000, 0, 1_000]), next([1_000, 49, 1_000]), next([1_000, 50, 1_000])], [B, B, A]);
}

#[test]
fn with_a_table_by_source_it_has_a_part_of_the_addresses_and_others_keep_theirs() {
    let mut bench = Bench::settled(|pool| (pool.mode, pool.slow_start) = (Mode::SourceHash, SLOW));
    bench.see([Up, Down, Up]);
    let addresses = || (0..20_000_u32).map(|at| Ipv4Addr::from(0xac10_0000 + at));
    let chosen = |bench: &Bench| {
        let sharing = bench.sharing();
        addresses().filter_map(|address| sharing.choose(address, 0)).collect::<Vec<_>>()
    };
    let mut before = chosen(&bench);
    bench.see([Up; 3]);
    for parts in [1, 3, 5] {
        let now = chosen(&bench);
        let share = now.iter().filter(|member| **member == B).count() as f64 / 20_000.0;
        let meant = f64::from(parts) / f64::from(40 + parts);
        assert!((share - meant).abs() < 0.01, "{parts}: {share} for {meant}");
        let moved = before.iter().zip(&now).filter(|(before, now)| before != now && **now != B).count();
        assert!(moved < 400, "{parts}: {moved} of 20000 go to another one than B");
        before = now;
        let next = bench.pools.next_deadline().unwrap() + Duration::from_secs(u64::from(parts == 1));
        bench.pass_until(next.nanos() / 1_000_000);
    }
}

#[test]
fn if_all_that_are_up_are_in_slow_start_each_has_its_own_part() {
    let mut bench = Bench::settled(|pool| (pool.slow_start, pool.no_member) = (SLOW, NoMember::Reject));
    bench.see([Down; 3]);
    bench.pass(4_000);
    bench.see([Up, Down, Down]);
    assert_eq!((bench.weights(), bench.share_of(A)), (vec![(A, 1)], Share::Plain));
    bench.pass(4_000);
    bench.see([Up, Up, Down]);
    assert_eq!(bench.weights(), [(A, 7), (B, 1)], "the first is further");
    assert_eq!((bench.round(8), bench.share_of(A)), ([7, 1, 0], Share::Part(35, Instant::from_millis(15_000))));
    bench.pass_until(9_000);
    let mut last = 0.0;
    while bench.now < Instant::from_millis(20_000) {
        bench.pass(50);
        let [(_, a), (_, b)] = bench.weights()[..] else { panic!() };
        let part = f64::from(b) / f64::from(a);
        assert!(part >= last, "{:?}: nobody is cut later", bench.now);
        last = part;
        if bench.now == Instant::from_millis(15_000) {
            assert_eq!((a, b), (20, 13), "the first has its share");
        }
    }
    assert_eq!(bench.weights(), [(A, 1), (B, 1)]);
}

#[test]
fn members_that_come_up_together_share_by_their_weights() {
    let mut bench = Bench::settled(|pool| (pool.slow_start, pool.no_member) = (SLOW, NoMember::Reject));
    bench.intent.members[0].weight = 3;
    bench.see([Down; 3]);
    bench.pass(4_000);
    bench.see([Up; 3]);
    for _ in 0..150 {
        assert_eq!((bench.weights(), bench.share_of(A)), (vec![(A, 3), (B, 1), (C, 1)], Share::Plain));
        assert!(!bench.reason().contains("slow start"), "{}", bench.reason());
        bench.pass(100);
    }
}

#[test]
fn whoever_is_in_slow_start_does_not_count_for_min_active() {
    let mut bench = grouped([10, 5, 0], |pool| pool.slow_start = SLOW);
    assert_eq!(bench.targets(), [A]);
    assert_eq!(bench.see([Down, Up, Up]), [B], "which was up, and starts at once");
    assert_eq!((bench.see([Up; 3]), bench.weights()), (vec![A, B], vec![(A, 1), (B, 20)]));
    assert_eq!(
        bench.reason(),
        "2 of 3 members take new work: priorities 10 and 5 (counted above 5: 0, min_active: 1); spare: sip-c; \
         sip-a is in slow start (5 % of its share)"
    );
    bench.logged();
    bench.pass_until(11_000);
    assert_eq!((bench.targets(), bench.weights()), (vec![A], vec![(A, 1)]));
    assert_eq!(bench.logged(), ["pool pair-1: 1 of 3 members take new work: priority 10 (counted"]);
    assert_eq!(bench.lost().0, [1, 0, 0], "it leaves alive");
}

#[test]
fn after_an_outage_of_all_those_in_slow_start_count_as_long_as_nobody_else_is_up() {
    let outage = || {
        let change = |pool: &mut Pool| {
            (pool.slow_start, pool.min_active, pool.no_member) = (SLOW, 2, NoMember::Reject);
        };
        let mut bench = grouped([10, 10, 5], change);
        bench.see([Down; 3]);
        assert_eq!(bench.pass(4_000), []);
        bench
    };
    let mut bench = outage();
    assert_eq!(bench.see([Up; 3]), [A, B], "as at the start");
    assert_eq!(bench.reason(), "2 of 3 members take new work: priority 10 (counted: 2, min_active: 2); spare: sip-c");
    assert_eq!(bench.pass(20_000), [A, B]);
    let mut bench = outage();
    assert_eq!(bench.see([Up, Down, Up]), [A, C], "one of the higher is away");
    bench.pass(1_000);
    assert_eq!(bench.see([Up; 3]), [A, B]);
    bench.pass_until(15_000);
    assert_eq!(bench.targets(), [A, B, C], "the second came back less than ten seconds ago, and C has its share");
    bench.pass_until(16_000);
    assert_eq!(bench.targets(), [A, B]);
}

#[test]
fn enabled_or_released_a_member_starts_slowly_and_a_file_without_it_ends_it() {
    let mut bench = Bench::settled(|pool| (pool.slow_start, pool.manual_resume) = (SLOW, true));
    bench.set(B, AdminState::Draining);
    bench.pass_until(5_000);
    bench.set(B, AdminState::Enabled);
    assert_eq!(bench.weights(), [(A, 20), (B, 1), (C, 20)]);
    bench.reload(|intent| intent.pools[0].slow_start = Duration::ZERO);
    assert_eq!((bench.weights(), bench.share_of(B)), (vec![(A, 1), (B, 1), (C, 1)], Share::Plain));
    bench.reload(|intent| intent.pools[0].slow_start = SLOW);
    bench.see([Up, Down, Up]);
    bench.see([Up; 3]);
    bench.pass(20_000);
    assert_eq!(bench.targets(), [A, C], "held back it waits, and does not start");
    bench.set(B, AdminState::Enabled);
    assert_eq!(bench.weights(), [(A, 20), (B, 1), (C, 20)]);
}

#[test]
fn who_is_up_when_a_reload_brings_slow_start_or_makes_it_longer_is_not_slow() {
    let mut bench = Bench::settled(|_| {});
    bench.see([Up, Down, Up]);
    bench.see([Up; 3]);
    bench.reload(|intent| intent.pools[0].slow_start = SLOW);
    assert_eq!((bench.weights(), bench.share_of(B)), (vec![(A, 1), (B, 1), (C, 1)], Share::Plain));
    bench.see([Up, Down, Up]);
    bench.see([Up; 3]);
    bench.pass_until(3_000);
    assert_eq!(bench.weights(), [(A, 20), (B, 5), (C, 20)]);
    // What has begun takes no longer than it was to take.
    bench.reload(|intent| intent.pools[0].slow_start = 6 * SLOW);
    assert_eq!(bench.weights(), [(A, 20), (B, 5), (C, 20)]);
    assert_eq!(bench.pools.next_deadline(), Some(Instant::from_millis(4_000)));
    bench.pass_until(11_000);
    assert_eq!((bench.weights(), bench.pools.next_deadline()), (vec![(A, 1), (B, 1), (C, 1)], None));
    bench.reload(|intent| intent.pools[0].slow_start = 7 * SLOW);
    assert_eq!(bench.weights(), [(A, 1), (B, 1), (C, 1)]);

    // A pair has none, and members that have come up in one are up when it becomes something else.
    let mut bench = Bench::new(|pool| (pool.mode, pool.slow_start) = (Mode::ActiveStandby, SLOW));
    for states in [[Up; 3], [Up, Down, Up], [Up; 3]] {
        bench.states = states;
        bench.reconsider(100);
    }
    bench.change_mode(Mode::RoundRobin);
    assert_eq!((bench.pass(100), bench.weights()), (vec![A, B, C], vec![(A, 1), (B, 1), (C, 1)]));
}

#[test]
fn members_that_are_heard_late_at_the_start_have_their_share_and_whoever_was_down_has_not() {
    let mut bench = Bench::new(|pool| pool.slow_start = SLOW);
    bench.see([Up, Unknown, Unknown]);
    bench.pass(400);
    assert_eq!(bench.targets(), [A]);
    bench.see([Up, Up, Unknown]);
    assert_eq!(bench.weights(), [(A, 1), (B, 1)]);
    bench.see([Up, Up, Down]);
    bench.see([Up; 3]);
    assert_eq!(bench.weights(), [(A, 20), (B, 20), (C, 1)]);
}

#[test]
fn tables_are_worked_out_once_in_a_step_whenever_members_came_up() {
    let mut bench = Bench::settled(|pool| (pool.mode, pool.slow_start) = (Mode::SourceHash, SLOW));
    bench.see([Up, Down, Down]);
    bench.pass_until(5_000);
    bench.see([Up, Up, Down]);
    bench.pass(370);
    bench.see([Up; 3]);
    let (mut tables, mut last) = (1, bench.sharing());
    while bench.now < Instant::from_millis(30_000) {
        bench.pass(10);
        let now = bench.sharing();
        tables += u32::from(!Arc::ptr_eq(&now, &last));
        last = now;
    }
    assert_eq!(tables, 11, "ten steps and the whole");
    assert_eq!(bench.weights(), [(A, 1), (B, 1), (C, 1)]);
}
