//! A forced choice of before a restart, or before its member was gone for a while, and when it binds.
//!
//! Owns one question, [`Restored::evaluate`]. Who forced a member may be gone when the appliance comes back, and so may the member:
//! such a choice binds once its member has answered, and no longer than the member goes on answering while another could serve.

use crate::policy::health::State;
use crate::time::{Duration, Instant};

/// What is known of such a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What has come between.
    before: &'static str,
    /// Until then nobody else is made active first: the member's own first answer is on its way.
    hold: Instant,
    /// Its member has answered, and has not been silent for too long since.
    answered: bool,
    /// Since when it is silent while another answers.
    silent: Option<Instant>,
}

/// What a forced choice means now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// It is executed.
    Binds,
    /// The choice is free, as if nobody were forced.
    Free,
    /// Nobody is made active yet.
    Held,
}

impl Restored {
    /// One of which nothing is known yet, taken up again after `before`, such as "the restart". `first` is how long the member's first
    /// answer may take.
    pub fn new(first: Duration, before: &'static str, now: Instant) -> Restored {
        Restored { before, hold: now + first, answered: false, silent: None }
    }

    /// Its member's monitors say `member`; `another` is up or not, and somebody is active or not. `gap` is how long the member
    /// may be silent while another answers.
    pub fn evaluate(&mut self, member: State, another: bool, is_active: bool, gap: Duration, now: Instant) -> Binding {
        if member == State::Up {
            (self.answered, self.silent) = (true, None);
        } else if self.answered && another {
            let since = *self.silent.get_or_insert(now);
            self.answered = now.since(since) < gap;
        } else {
            self.silent = None;
        }
        match self.answered {
            true => Binding::Binds,
            false if !is_active && member == State::Unknown && now < self.hold => Binding::Held,
            false => Binding::Free,
        }
    }

    /// What has come between.
    pub fn before(&self) -> &'static str {
        self.before
    }

    /// It is executed.
    pub fn binds(&self) -> bool {
        self.answered
    }

    /// When time alone changes what it means.
    pub fn next_deadline(&self, gap: Duration, now: Instant) -> Option<Instant> {
        let ends = self.silent.filter(|_| self.answered).map(|since| since + gap);
        ends.or(Some(self.hold)).filter(|due| *due > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Binding::{Binds, Free, Held};
    use State::{Down, Unknown, Up};

    const GAP: Duration = Duration::from_secs(4);

    #[test]
    fn it_binds_while_its_member_answers_or_nobody_else_does() {
        // At which millisecond; what the member's monitors say; another is up; somebody is active; what follows.
        let rows = [
            (0, Unknown, true, false, Held),
            (399, Unknown, true, false, Held),
            (399, Unknown, true, true, Free),
            (399, Down, true, false, Free),
            (400, Unknown, true, false, Free),
            (500, Up, true, true, Binds),
            (600, Down, true, true, Binds),
            (4_599, Down, true, true, Binds),
            (4_600, Down, true, true, Free),
            (9_000, Down, false, true, Free),
            (9_100, Up, true, true, Binds),
            (10_000, Down, true, true, Binds),
            (13_000, Down, false, true, Binds),
            (20_000, Down, false, true, Binds),
            (20_001, Unknown, true, true, Binds),
            (24_000, Down, true, true, Binds),
            (24_001, Down, true, true, Free),
        ];
        let mut choice = Restored::new(Duration::from_millis(400), "the restart", Instant::ZERO);
        for (at, member, another, is_active, expected) in rows {
            let found = choice.evaluate(member, another, is_active, GAP, Instant::from_millis(at));
            assert_eq!(found, expected, "at {at} ms");
        }
    }

    #[test]
    fn time_alone_ends_the_wait() {
        let at = Instant::from_millis;
        let mut choice = Restored::new(Duration::from_millis(400), "the restart", at(0));
        assert_eq!(choice.next_deadline(GAP, at(0)), Some(at(400)));
        choice.evaluate(Up, true, true, GAP, at(100));
        choice.evaluate(Down, true, true, GAP, at(5_000));
        assert_eq!(choice.next_deadline(GAP, at(5_000)), Some(at(9_000)));
        choice.evaluate(Down, true, true, GAP, at(9_000));
        assert_eq!(choice.next_deadline(GAP, at(9_000)), None);
    }
}
