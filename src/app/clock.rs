//! The only place where a clock is read.

use crate::time::Instant;
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, SystemTime};

/// Monotonic time since the host started, and the calendar. A copy reads the same clocks.
///
/// It counts from the start of the host, not of the process, so that what one process remembers has its age in the next one too.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: std::time::Instant,
    /// For how long the host had been up at the start.
    before: Duration,
    calendar: fn() -> SystemTime,
}

/// For how long the host has been up, suspended or not.
pub fn host_uptime() -> Duration {
    let up = clock_gettime(ClockId::Boottime);
    Duration::new(u64::try_from(up.tv_sec).unwrap_or_default(), u32::try_from(up.tv_nsec).unwrap_or_default())
}

impl Clock {
    /// The clock of a process that starts now.
    pub fn start() -> Clock {
        Clock { start: std::time::Instant::now(), before: host_uptime(), calendar: SystemTime::now }
    }

    #[inline]
    pub fn now(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// Since [`Instant::ZERO`].
    #[inline]
    fn elapsed(&self) -> Duration {
        self.before + self.start.elapsed()
    }

    /// What the calendar of now says of [`Instant::ZERO`]: another moment once the calendar was set, as NTP does.
    pub fn wall(&self) -> SystemTime {
        let (now, since) = ((self.calendar)(), self.elapsed());
        now.checked_sub(since).unwrap_or(SystemTime::UNIX_EPOCH).max(SystemTime::UNIX_EPOCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// The calendar of the test, in seconds since 1970.
    static CALENDAR: AtomicU64 = AtomicU64::new(1_000_000);

    fn calendar() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(CALENDAR.load(Ordering::Relaxed))
    }

    #[test]
    fn a_calendar_that_is_set_moves_every_moment_with_it_and_time_goes_on_as_before() {
        let clock = Clock { calendar, ..Clock::start() };
        let (before, now) = (clock.wall(), clock.now());
        CALENDAR.fetch_add(6 * 3_600, Ordering::Relaxed);
        let moved = clock.wall().duration_since(before).expect("later");
        let most = Duration::from_secs(6 * 3_600);
        assert!(moved <= most && moved > most - Duration::from_secs(600), "{moved:?}");
        assert!(clock.now().since(now) < Duration::from_secs(600), "six hours did not pass");
        CALENDAR.store(0, Ordering::Relaxed);
        assert_eq!(clock.wall(), SystemTime::UNIX_EPOCH, "before the calendar begins");
    }
    /// What was seen by a process that has ended is as old for the next one as it would have been for that.
    #[test]
    fn two_clocks_that_start_one_after_the_other_say_the_same_time() {
        let (first, up) = (Clock::start(), host_uptime());
        std::thread::yield_now();
        let second = Clock::start();
        let apart = [first.now(), second.now()].map(|now| now.nanos().abs_diff(up.as_nanos() as u64));
        assert!(apart.iter().all(|apart| *apart < 600_000_000_000), "{apart:?}");
        assert!(second.now() >= Instant::from_nanos(up.as_nanos() as u64));
    }
}
