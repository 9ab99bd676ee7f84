//! When a member that is listed before the active one takes over again.
//!
//! Owns the moment: the member has been up for long enough, and it is a time of the day at which the pool may switch. The choice
//! itself is the election's.

use crate::admin::rows::Wall;
use crate::policy::intent::{FailBack, Pool};
use crate::time::{Duration, Instant};

/// A moment that lies further off is looked at again after so long: the calendar may have been set.
pub(super) const REVIEW: Duration = Duration::from_secs(600);
const DAY: u64 = 86_400_000_000;

/// From when on a member that has been up since `up` takes over again, as seen `now`, at `wall` by the calendar; `None`: not by itself.
pub(super) fn due(pool: &Pool, up: Instant, (now, wall): (Instant, Wall)) -> Option<Instant> {
    if pool.fail_back == FailBack::Never {
        return None;
    }
    let held = now.max(up + pool.fail_back_after);
    let time = Duration::from_micros(wall.plus(held.since(now)).0 % DAY);
    Some(held + pool.fail_back_window.map_or(Duration::ZERO, |window| window.wait(time)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::harness;
    use crate::policy::intent::{DayWindow, PoolId};

    #[test]
    fn the_moment_is_after_the_hold_down_and_in_the_window() {
        let hour = |hours: u64| Duration::from_secs(3_600 * hours);
        let window = |from: u16, to: u16| Some(DayWindow { from: 60 * from, to: 60 * to });
        // Hours: of the day it is now, since it is up, of the hold-down; the window; until it takes over.
        let rows = [
            (1, 0, 0, None, 0),
            (1, 0, 5, None, 5),
            (1, 7, 5, None, 0),
            (1, 2, 5, None, 3),
            (1, 0, 0, window(2, 4), 1),
            (2, 0, 0, window(2, 4), 0),
            (3, 0, 0, window(2, 4), 0),
            (4, 0, 0, window(2, 4), 22),
            (1, 0, 2, window(2, 4), 2),
            (1, 0, 5, window(2, 4), 25),
            (23, 0, 0, window(22, 2), 0),
            (1, 0, 0, window(22, 2), 0),
            (12, 0, 0, window(22, 2), 10),
        ];
        let mut pool = harness::two_arm().pools[PoolId(0)].clone();
        for (of_day, up_for, after, window, wait) in rows {
            pool.fail_back = FailBack::Immediate;
            (pool.fail_back_after, pool.fail_back_window) = (hour(after), window);
            let (now, wall) = (Instant::ZERO + hour(100), Wall::default().plus(hour(24 * 20_000 + of_day)));
            let up = Instant::ZERO + hour(100 - up_for);
            assert_eq!(due(&pool, up, (now, wall)), Some(now + hour(wait)), "{of_day} {up_for} {after} {window:?}");
            pool.fail_back = FailBack::Never;
            assert_eq!(due(&pool, up, (now, wall)), None);
        }
    }
}
