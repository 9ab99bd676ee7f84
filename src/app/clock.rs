//! The only place where a clock is read.

use crate::time::Instant;
use std::time::SystemTime;

/// Monotonic time since the appliance started, and the calendar. A copy reads the same clocks.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: std::time::Instant,
    calendar: fn() -> SystemTime,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Clock {
        Clock { start: std::time::Instant::now(), calendar: SystemTime::now }
    }

    #[inline]
    pub fn now(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// What the calendar of now says of [`Instant::ZERO`]: another moment once the calendar was set, as NTP does.
    pub fn wall(&self) -> SystemTime {
        let (now, since) = ((self.calendar)(), self.start.elapsed());
        now.checked_sub(since).unwrap_or(SystemTime::UNIX_EPOCH).max(SystemTime::UNIX_EPOCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;
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
        while clock.now() == Instant::ZERO {}
        assert_eq!(clock.wall(), SystemTime::UNIX_EPOCH, "before the calendar begins");
    }
}
