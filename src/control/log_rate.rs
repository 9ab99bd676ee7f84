//! How many lines of one event go to the log.
//!
//! Owns a budget for each name: a burst, then so many a second. What is beyond is counted, and the count is a line of its own, once a
//! second. The list of events has all of them.

use crate::events::EventName;
use crate::time::{Duration, Instant};

/// Lines of one event that may come at once: a switchover of as many pools is told of each.
pub(super) const BURST: u64 = 1_000;
/// Lines of it a second after that.
pub(super) const A_SECOND: u64 = 20;

/// What is left of the budgets, by name.
#[derive(Debug)]
pub(super) struct LogRate {
    of: Vec<Budget>,
}

#[derive(Clone, Copy, Debug)]
struct Budget {
    left: u64,
    /// Until when it was filled.
    filled: Instant,
    left_out: u64,
}

impl Default for LogRate {
    fn default() -> LogRate {
        let full = Budget { left: BURST, filled: Instant::ZERO, left_out: 0 };
        LogRate { of: vec![full; EventName::ALL.len()] }
    }
}

impl LogRate {
    /// Whether a line of this event is logged now.
    pub(super) fn admits(&mut self, name: EventName, now: Instant) -> bool {
        let Some(budget) = self.of.get_mut(name as usize) else { return true };
        budget.fill(now);
        let admitted = budget.left > 0;
        budget.left = budget.left.saturating_sub(1);
        budget.left_out += u64::from(!admitted);
        admitted
    }

    /// What was left out of each since this was last asked.
    pub(super) fn take_left_out(&mut self) -> Vec<(EventName, u64)> {
        let left_out = EventName::ALL.iter().zip(&mut self.of).filter(|(_, budget)| budget.left_out > 0);
        left_out.map(|(name, budget)| (*name, std::mem::take(&mut budget.left_out))).collect()
    }
}

impl Budget {
    fn fill(&mut self, now: Instant) {
        let each = Duration::from_nanos(1_000_000_000 / A_SECOND);
        let more = now.since(self.filled).as_nanos() as u64 / each.as_nanos() as u64;
        if self.left.saturating_add(more) >= BURST {
            (self.left, self.filled) = (BURST, now);
        } else {
            (self.left, self.filled) = (self.left + more, self.filled + each * more as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_too_fast_is_counted_and_told_and_other_events_are_not_concerned() {
        let (mut rate, at) = (LogRate::default(), Instant::from_millis);
        let mut admitted = |name, count, now| (0..count).filter(|_| rate.admits(name, now)).count();
        assert_eq!(admitted(EventName::MemberDown, 1_300, at(0)), 1_000);
        assert_eq!(admitted(EventName::MemberUp, 5, at(0)), 5);
        assert_eq!(admitted(EventName::MemberDown, 10, at(100)), 2, "20 a second");
        assert_eq!(rate.take_left_out(), [(EventName::MemberDown, 308)], "also while it lasts");
        assert_eq!(rate.take_left_out(), []);
        assert_eq!((0..2_000).filter(|_| rate.admits(EventName::MemberDown, at(3_600_000))).count(), 1_000);
    }
}
