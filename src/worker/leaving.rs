//! Copies on their way to members that have taken over.
//!
//! Owns [`LeavingQueue`]: for each pool the numbers of its copies, and when the next one may leave: at the pace at which a member that
//! has just been promoted can take them. A pool has one choice to serve at a time, and a turn looks at a bounded number of copies, however
//! many pools have switched at once. Holds no copy and delivers none: `redelivery` does.

use crate::policy::health::Generation;
use crate::policy::intent::PoolId;
use crate::time::{Duration, Instant};
use std::collections::{BTreeSet, VecDeque};

/// From one request to the next towards one member, all workers together.
const PACE: Duration = Duration::from_millis(1);
/// So many that are late leave together, at most.
const LATE: u64 = 8;
/// Pools and copies looked at in one turn, at most.
const AT_ONCE: usize = 64;

/// What came of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivered {
    /// It has left.
    Yes,
    /// Nobody can have it any more.
    Never,
    /// There is no buffer.
    NotNow,
}

/// Which choice of which pool copies leave by.
pub(super) type Choice = (PoolId, Generation);

struct Leaving {
    choice: Choice,
    numbers: VecDeque<u64>,
    /// When the next one may leave.
    due: Instant,
}

/// All that are on their way.
#[derive(Default)]
pub(super) struct LeavingQueue {
    /// Those in front have waited longest for a look.
    pools: VecDeque<Leaving>,
    pace: Duration,
}

impl LeavingQueue {
    /// None yet. Each of so many workers takes its part of the pace.
    pub(super) fn new(workers: usize) -> LeavingQueue {
        LeavingQueue { pools: VecDeque::new(), pace: PACE * u32::try_from(workers).unwrap_or(u32::MAX) }
    }

    /// None is on its way.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.pools.is_empty()
    }

    /// Copies leave by this choice, the oldest at once.
    pub(super) fn begin(&mut self, choice: Choice, numbers: VecDeque<u64>, now: Instant) {
        self.pools.push_back(Leaving { choice, numbers, due: now });
    }

    /// These pools have chosen again: no copy leaves by an earlier choice any more. Returns those that are ended by it.
    pub(super) fn end(&mut self, switched: &BTreeSet<PoolId>) -> Vec<Choice> {
        let (ended, rest) = self.pools.drain(..).partition(|leaving| switched.contains(&leaving.choice.0));
        self.pools = rest;
        let ended: VecDeque<Leaving> = ended;
        ended.into_iter().map(|leaving| leaving.choice).collect()
    }

    /// Has copies delivered that are due, a bounded number of them. Returns how many were looked at, and the choices by which all have
    /// left.
    pub(super) fn work(&mut self, now: Instant, mut deliver: impl FnMut(u64) -> Delivered) -> (usize, Vec<Choice>) {
        let (mut count, mut done) = (0, Vec::new());
        let late = Instant::from_nanos(now.nanos().saturating_sub(LATE * self.pace.as_nanos() as u64));
        for _ in 0..self.pools.len().min(AT_ONCE) {
            // Who has not been looked at stays in front.
            if count == AT_ONCE {
                break;
            }
            let Some(mut leaving) = self.pools.pop_front() else { break };
            leaving.due = leaving.due.max(late);
            while count < AT_ONCE
                && leaving.due <= now
                && let Some(number) = leaving.numbers.front()
            {
                count += 1;
                match deliver(*number) {
                    Delivered::Yes => leaving.due += self.pace,
                    Delivered::Never => {}
                    Delivered::NotNow => break,
                }
                leaving.numbers.pop_front();
            }
            match leaving.numbers.is_empty() {
                true => done.push(leaving.choice),
                false => self.pools.push_back(leaving),
            }
        }
        (count, done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    /// 2,000 copies, spread over so many pools, all of which switch at 0.
    fn queue(pools: u64, workers: usize) -> LeavingQueue {
        let mut queue = LeavingQueue::new(workers);
        for pool in 0..pools.min(2_000) {
            let numbers = (0..2_000).filter(|number| number % pools == pool).collect();
            queue.begin((PoolId(pool as u16), Generation(2)), numbers, at(0));
        }
        queue
    }

    #[test]
    fn a_pool_is_served_at_its_pace_and_after_a_pause_a_few_leave_together() {
        let mut queue = queue(1, 2);
        let mut left = |millis| queue.work(at(millis), |_| Delivered::Yes).0;
        assert_eq!([0, 0, 1, 2, 3, 4].map(&mut left), [1, 0, 0, 1, 0, 1]);
        assert_eq!([1_000, 1_001, 1_002].map(&mut left), [9, 0, 1]);
    }

    #[test]
    fn what_nobody_can_have_takes_no_time_and_what_has_no_buffer_stays() {
        let mut queue = LeavingQueue::new(1);
        let choice = (PoolId(3), Generation(2));
        queue.begin(choice, (0..100).collect(), at(0));
        assert_eq!(queue.work(at(0), |_| Delivered::NotNow), (1, vec![]));
        assert_eq!(queue.work(at(0), |_| Delivered::Never), (64, vec![]));
        let mut seen = Vec::new();
        let mut take = |number| {
            seen.push(number);
            Delivered::Never
        };
        assert_eq!(queue.work(at(0), &mut take), (36, vec![choice]));
        assert_eq!((seen, queue.work(at(0), |_| Delivered::Yes)), ((64..100).collect(), (0, vec![])));
    }

    #[test]
    fn a_pool_that_chooses_again_ends_its_own_copies_way_and_no_others() {
        let mut queue = queue(4, 1);
        let switched = BTreeSet::from([PoolId(1), PoolId(3), PoolId(9)]);
        assert_eq!(queue.end(&switched), [(PoolId(1), Generation(2)), (PoolId(3), Generation(2))]);
        queue.begin((PoolId(1), Generation(3)), [1].into(), at(0));
        let mut seen = BTreeSet::new();
        let mut take = |number| {
            seen.insert(number % 4);
            Delivered::Yes
        };
        assert_eq!(queue.work(at(0), &mut take), (3, vec![(PoolId(1), Generation(3))]));
        assert_eq!(seen, BTreeSet::from([0, 1, 2]));
    }

    /// Whoever was not looked at stays in front, however much work those before it are.
    #[test]
    fn no_pool_waits_for_a_look_longer_than_one_round_of_all() {
        let mut queue = LeavingQueue::new(1);
        for pool in 0..AT_ONCE as u64 {
            let numbers = (0..1_000).map(|number| pool * 1_000 + number).collect();
            queue.begin((PoolId(pool as u16), Generation(2)), numbers, at(0));
        }
        let mut seen = Vec::new();
        for _ in 0..AT_ONCE {
            let mut take = |number| {
                seen.push(number / 1_000);
                Delivered::Never
            };
            assert_eq!(queue.work(at(0), &mut take).0, AT_ONCE);
        }
        seen.dedup();
        assert_eq!(seen, (0..AT_ONCE as u64).collect::<Vec<_>>(), "each in its turn");
    }

    /// The worst turn, and all turns until everything has left.
    #[test]
    fn a_turns_work_does_not_grow_with_the_pools_that_have_switched() {
        for pools in [16, 4_096] {
            let mut queue = queue(pools, 1);
            let (mut worst, mut sum, mut now) = (0, 0, 0);
            while sum < 2_000 {
                let count = queue.work(at(now), |_| Delivered::Yes).0;
                (worst, sum, now) = (worst.max(count), sum + count, now + 1);
            }
            assert!(worst <= AT_ONCE && sum == 2_000, "{pools} pools: {worst} in a turn, {sum} in all");
            assert_eq!(queue.work(at(now), |_| Delivered::Yes), (0, vec![]), "no choice is left");
        }
    }
}
