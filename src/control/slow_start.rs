//! Slow start: a member that has come up gets to its share of what is new little by little.
//!
//! Owns when that begins and ends, and its steps. They are at the same moments for all members of a pool, so that its table is worked out
//! at most once in each, and at others for other pools. A step is a multiple of the weight, so that any weight can have a part. Knows no
//! other member: what a part means beside them is [`super::sharing`]'s.

use crate::policy::health::State;
use crate::policy::intent::{Pool, PoolId};
use crate::time::{Duration, Instant};

/// So many steps, unless they would be shorter than [`STEP`].
const STEPS: u64 = 10;
const STEP: Duration = Duration::from_secs(1);
/// So many places in a step at which those of pools begin.
const PLACES: u64 = 64;

/// How far a member has come since it came up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlowStart {
    /// Nothing has been heard of it, and when it came into its pool nobody there had taken anything.
    is_first: bool,
    /// It is up and not held back.
    is_up: bool,
    /// When that began, and how long it lasts: as long as the pool had it then, or as short as it has had it since. `None`: it is not
    /// so, or it had its whole share at once.
    began: Option<(Instant, Duration)>,
}

impl SlowStart {
    /// That of a member of which nothing is known; `pool_serves`: others of its pool have taken something.
    pub fn new(pool_serves: bool) -> SlowStart {
        SlowStart { is_first: !pool_serves, is_up: false, began: None }
    }

    /// The member is in this state now, and held back or not; `span`: how long its pool has a slow start last, zero while nobody there
    /// has taken anything.
    pub fn follow(&mut self, state: State, is_held: bool, span: Duration, now: Instant) {
        let is_up = match state {
            State::Up => !is_held,
            // Its monitors are new: it is what it was.
            State::Unknown => self.is_up,
            State::Down | State::Drained | State::Offline => false,
        };
        if is_up != self.is_up {
            let is_slow = is_up && !self.is_first;
            (self.is_up, self.began) = (is_up, is_slow.then_some((now, span)));
        }
        // A longer one is for whoever comes up later.
        self.began = self.began.map(|(at, held)| (at, held.min(span))).filter(|(_, held)| !held.is_zero());
        self.is_first &= state == State::Unknown;
    }
}

/// The steps of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    id: PoolId,
    count: u64,
    /// From one to the next, in nanoseconds.
    each: u64,
    /// By how much earlier than a whole number of those since the start.
    ahead: u64,
}

impl Steps {
    /// Those of the pool; `None`: its members have their whole share at once.
    pub fn of(id: PoolId, pool: &Pool) -> Option<Steps> {
        Steps::new(id, pool.slow_start)
    }

    fn new(id: PoolId, span: Duration) -> Option<Steps> {
        let span = u64::try_from(span.as_nanos()).ok().filter(|span| *span > 0)?;
        let count = (span / STEP.as_nanos() as u64).clamp(1, STEPS);
        let each = span / count;
        Some(Steps { id, count, each, ahead: each / PLACES * (u64::from(id.0) % PLACES) })
    }

    /// Those of a member that is up: others than its pool's where these have become longer since. And when they began.
    fn own(&self, member: &SlowStart) -> Option<(Steps, Instant)> {
        let (began, span) = member.began?;
        Some((Steps::new(self.id, span)?, began))
    }

    /// How many parts the whole share has.
    pub fn whole(&self) -> u32 {
        2 * self.count as u32
    }

    /// How many of them the member has: one in the first step, two more in each. `None`: it is not in slow start.
    pub fn parts(&self, member: &SlowStart, now: Instant) -> Option<u32> {
        let (own, began) = self.own(member)?;
        let done = own.number(now).saturating_sub(own.first(began));
        (done < own.count).then(|| (2 * done as u32 + 1) * self.whole() / own.whole())
    }

    /// When a member that began then has its whole share.
    pub fn end(&self, member: &SlowStart) -> Option<Instant> {
        let (own, began) = self.own(member)?;
        Some(own.begin(own.first(began) + own.count))
    }

    /// When the member has another part next. `None`: it is not in slow start.
    pub fn changes(&self, member: &SlowStart, now: Instant) -> Option<Instant> {
        self.parts(member, now)?;
        Some(self.own(member)?.0.next(now))
    }

    /// When the next step begins.
    fn next(&self, now: Instant) -> Instant {
        self.begin(self.number(now) + 1)
    }

    /// The step in which `at` is.
    fn number(&self, at: Instant) -> u64 {
        (at.nanos() + self.ahead) / self.each
    }

    /// The first that begins at `at` or later: what is left of the one before is the member's as well.
    fn first(&self, at: Instant) -> u64 {
        (at.nanos() + self.ahead).div_ceil(self.each)
    }

    fn begin(&self, number: u64) -> Instant {
        Instant::from_nanos((number * self.each).saturating_sub(self.ahead))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use State::{Down, Drained, Offline, Unknown, Up};

    fn steps(id: u16, millis: u64) -> Steps {
        let pool = Pool { slow_start: Duration::from_millis(millis), ..Pool::default() };
        Steps::of(PoolId(id), &pool).unwrap()
    }

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    const SPAN: Duration = Duration::from_secs(10);

    /// Comes up at this time, beside others.
    fn up_at(millis: u64) -> SlowStart {
        up_for(SPAN, millis)
    }

    fn up_for(span: Duration, millis: u64) -> SlowStart {
        let mut member = SlowStart::new(true);
        member.follow(Up, false, span, at(millis));
        member
    }

    #[test]
    fn the_share_grows_in_ten_equal_steps_of_a_second_or_more() {
        let (steps, member) = (steps(0, 10_000), up_at(5_000));
        let parts: Vec<_> = (5..16).map(|second| steps.parts(&member, at(second * 1_000))).collect();
        let expected = [1, 3, 5, 7, 9, 11, 13, 15, 17, 19].map(Some);
        assert_eq!((&parts[..10], parts[10], steps.whole()), (&expected[..], None, 20));
        assert_eq!(steps.parts(&member, at(5_999)), Some(1));
        assert_eq!(
            (steps.next(at(5_000)), steps.next(at(5_999)), steps.end(&member)),
            (at(6_000), at(6_000), Some(at(15_000)))
        );
        for (span, whole, each) in [(3_000, 6, 1_000), (1_500, 2, 1_500), (400, 2, 400), (60_000, 20, 6_000)] {
            let steps = self::steps(0, span);
            assert_eq!((steps.whole(), steps.next(at(0))), (whole, at(each)), "{span}");
            assert_eq!(steps.end(&up_for(Duration::from_millis(span), 0)), Some(at(span)), "{span}");
        }
        assert_eq!(Steps::of(PoolId(0), &Pool::default()), None);
    }

    #[test]
    fn members_of_a_pool_step_together_and_other_pools_at_other_moments() {
        let steps = steps(0, 10_000);
        let (early, late) = (up_at(5_100), up_at(5_900));
        for millis in (5_900..17_000).step_by(50) {
            assert_eq!(steps.parts(&early, at(millis)), steps.parts(&late, at(millis)), "{millis}");
        }
        assert_eq!((steps.end(&early), steps.end(&late)), (Some(at(16_000)), Some(at(16_000))), "a step later at most");
        let other = self::steps(32, 10_000);
        assert_eq!(
            (other.next(at(0)), other.next(at(500)), other.end(&up_at(500))),
            (at(500), at(1_500), Some(at(10_500)))
        );
        assert_eq!(other.parts(&up_at(0), at(0)), Some(1));
    }

    #[test]
    fn it_begins_when_a_member_comes_up_and_ends_when_it_goes() {
        let steps = steps(0, 10_000);
        let mut member = up_at(0);
        member.follow(Unknown, false, SPAN, at(1_000));
        assert_eq!(steps.parts(&member, at(2_000)), Some(5), "new monitors begin nothing");
        for gone in [Down, Drained, Offline] {
            member.follow(gone, false, SPAN, at(20_000));
            assert_eq!(steps.parts(&member, at(20_000)), None, "{gone:?}");
            member.follow(Unknown, false, SPAN, at(20_500));
            assert_eq!(steps.parts(&member, at(20_500)), None, "{gone:?}");
            member.follow(Up, false, SPAN, at(21_000));
            assert_eq!(steps.parts(&member, at(21_000)), Some(1), "{gone:?}");
        }
        member.follow(Down, false, SPAN, at(30_000));
        member.follow(Up, true, SPAN, at(31_000));
        assert_eq!(steps.parts(&member, at(31_000)), None, "it is held back");
        member.follow(Up, false, SPAN, at(40_000));
        assert_eq!(steps.parts(&member, at(40_000)), Some(1), "released, it begins");
    }

    #[test]
    fn who_is_there_from_the_start_has_its_share_at_once() {
        let steps = steps(0, 10_000);
        let mut first = SlowStart::new(false);
        first.follow(Unknown, false, Duration::ZERO, at(0));
        // Others were heard sooner.
        first.follow(Up, false, SPAN, at(1_000));
        assert_eq!(steps.parts(&first, at(1_000)), None);
        let mut booted = SlowStart::new(false);
        booted.follow(Down, false, Duration::ZERO, at(0));
        booted.follow(Up, false, Duration::ZERO, at(1_000));
        assert_eq!(steps.parts(&booted, at(1_000)), None, "nobody has taken anything yet");
        let mut late = SlowStart::new(false);
        late.follow(Down, false, Duration::ZERO, at(0));
        late.follow(Up, false, SPAN, at(1_000));
        assert_eq!(steps.parts(&late, at(1_000)), Some(1), "it was down, others work");
        assert_eq!(steps.parts(&up_at(1_000), at(1_000)), Some(1), "a new member of a pool that works");
    }
    #[test]
    fn a_longer_slow_start_is_for_whoever_comes_up_later() {
        let pools = [0, 10_000, 60_000].map(Duration::from_millis);
        let (ten, sixty) = (steps(0, 10_000), steps(0, 60_000));
        let mut before = up_for(pools[0], 0);
        before.follow(Up, false, pools[1], at(1_000));
        assert_eq!((ten.parts(&before, at(1_000)), ten.changes(&before, at(1_000))), (None, None), "it has it all");
        // Halfway it goes its own pace.
        let mut half = up_at(0);
        half.follow(Up, false, pools[2], at(5_000));
        assert_eq!([5_000, 9_999, 10_000].map(|now| sixty.parts(&half, at(now))), [Some(11), Some(19), None]);
        assert_eq!((sixty.changes(&half, at(5_000)), sixty.end(&half)), (Some(at(6_000)), Some(at(10_000))));
        assert_eq!(sixty.changes(&half, at(10_000)), None);
        // Fewer steps of its own are as many parts of the whole.
        let mut short = up_for(Duration::from_secs(2), 0);
        short.follow(Up, false, pools[2], at(1_000));
        assert_eq!([1_000, 2_000].map(|now| sixty.parts(&short, at(now))), [Some(15), None]);
        // Made shorter it ends sooner, and never begins again.
        let mut long = up_for(pools[2], 0);
        long.follow(Up, false, pools[1], at(5_000));
        assert_eq!(ten.parts(&long, at(5_000)), Some(11));
        long.follow(Up, false, pools[2], at(11_000));
        assert_eq!(sixty.parts(&long, at(11_000)), None);
    }
}
