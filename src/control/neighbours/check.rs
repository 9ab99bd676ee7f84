//! Is a known host still where it was, when ARP says that it has moved?
//!
//! Owns the timetable of a check: the MAC it was at is asked four times within a second, and frames go there meanwhile. A host
//! that has really moved does not answer at the old MAC, and is followed a tenth of a second later; one in whose name a
//! stranger spoke answers each time, and stays. Only answers from the old MAC count: whoever claims the address can answer too.

use crate::time::{Duration, Instant};
use crate::wire::Mac;

/// When the old MAC is asked, counted from the claim.
pub const TIMETABLE: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(100), Duration::from_millis(300), Duration::from_millis(1_000)];
/// How long it may take to answer.
pub const PATIENCE: Duration = Duration::from_millis(100);
/// From the beginning of a check of a host to that of the next.
pub const PAUSE: Duration = Duration::from_secs(1);

/// A check under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Check {
    /// The new MAC.
    pub claimed: Mac,
    begun: Instant,
    asked: usize,
    waiting: bool,
}

/// What is next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Ask, and look again in [`PATIENCE`].
    Ask,
    /// A request was not answered: the new MAC is right.
    Gone,
    /// All were answered: the old one is.
    Stays,
}

impl Check {
    pub(super) fn begin(claimed: Mac, now: Instant) -> Check {
        Check { claimed, begun: now, asked: 0, waiting: false }
    }

    /// A request is out.
    pub(super) fn is_waiting(self) -> bool {
        self.waiting
    }

    /// As if the request that is out had not been sent.
    pub(super) fn without_latest(self) -> Check {
        Check { asked: self.asked - usize::from(self.waiting), waiting: false, ..self }
    }

    /// Time has come for the next step.
    pub(super) fn step(&mut self) -> Step {
        match self.waiting {
            true => Step::Gone,
            false if self.asked == TIMETABLE.len() => Step::Stays,
            false => {
                (self.asked, self.waiting) = (self.asked + 1, true);
                Step::Ask
            }
        }
    }

    /// The old MAC has answered. Returns when the next step is due, if it was asked.
    pub(super) fn on_answer(&mut self, now: Instant) -> Option<Instant> {
        let next = TIMETABLE.get(self.asked).map_or(now, |after| now.max(self.begun + *after));
        std::mem::take(&mut self.waiting).then_some(next)
    }
}
