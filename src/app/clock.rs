//! The only place where a clock is read.

use crate::time::Instant;
use std::time::SystemTime;

/// Monotonic time since the appliance started. A copy reads the same clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: std::time::Instant,
    wall: SystemTime,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Clock {
        Clock { start: std::time::Instant::now(), wall: SystemTime::now() }
    }

    #[inline]
    pub fn now(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// The wall time of [`Instant::ZERO`].
    pub fn wall(&self) -> SystemTime {
        self.wall
    }
}
