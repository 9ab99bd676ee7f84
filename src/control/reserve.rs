//! Members that are chosen only if nobody else is up: one that goes up and down too often, and one that was down and must not come
//! back by itself.
//!
//! Owns when that begins and ends, and the words for it. What it means for the choice is [`crate::monitor::election`]'s: a pool
//! is never left without a target for it, and who is active and up stays.

use crate::policy::health::State;
use crate::policy::intent::Pool;
use crate::time::{Duration, Instant};
use std::collections::VecDeque;

/// What holds a member back.
#[derive(Clone, Debug, Default)]
pub struct Reserve {
    /// When it went down last, newest last; at most as many as it takes.
    downs: VecDeque<Instant>,
    /// It went down too often: until when it must be quiet.
    until: Option<Instant>,
    /// It was down, and the operator has not enabled it since.
    stays_out: bool,
}

impl Reserve {
    /// Its monitors say that it is `after`, and said that it was `before`.
    pub fn on_change(&mut self, before: State, after: State, pool: &Pool, now: Instant) {
        if (before, after) == (State::Up, State::Down) {
            self.stays_out |= pool.manual_resume;
            self.on_down(pool, now);
        }
        if before != after {
            self.until = self.until.map(|_| now + pool.flap_quiet);
        }
    }

    fn on_down(&mut self, pool: &Pool, now: Instant) {
        let most = pool.flap_count as usize;
        self.downs.push_back(now);
        while self.downs.len() > most.max(1) {
            self.downs.pop_front();
        }
        let is_often = self.downs.front().is_some_and(|first| now.since(*first) <= pool.flap_window);
        if most > 0 && self.downs.len() == most && is_often {
            self.until = Some(now + pool.flap_quiet);
        }
    }

    /// Time has passed, or the file is another. Whoever is held back by a rule that is gone is free.
    pub fn review(&mut self, pool: &Pool, now: Instant) {
        let is_over = pool.flap_count == 0 || self.until.is_some_and(|until| until <= now);
        if is_over && self.until.take().is_some() {
            self.downs.clear();
        }
        self.stays_out &= pool.manual_resume;
    }

    /// The operator wants it back.
    pub fn release(&mut self) {
        *self = Reserve::default();
    }

    /// It is chosen only if nobody else is up.
    pub fn is_held(&self) -> bool {
        self.stays_out || self.until.is_some()
    }

    /// When that may end by itself.
    pub fn ends(&self) -> Option<Instant> {
        self.until
    }

    /// Why it is held back, and what ends that.
    pub fn reason(&self, name: &str, pool: &Pool) -> Option<String> {
        let often = self.until.map(|_| {
            format!(
                "it went down {} times in {}, and is held back until it has been quiet for {}",
                pool.flap_count,
                span(pool.flap_window),
                span(pool.flap_quiet)
            )
        });
        let out = self.stays_out.then(|| format!("it was down and stays out until `fairlead member enable {name}`"));
        let reasons: Vec<String> = often.into_iter().chain(out).collect();
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }
}

fn span(span: Duration) -> String {
    crate::config::duration_text(span)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::harness::two_arm;
    use State::{Down, Up};

    fn pool(flap_count: u32, manual_resume: bool) -> Pool {
        let (flap_window, flap_quiet) = (Duration::from_secs(60), Duration::from_secs(300));
        Pool { flap_count, flap_window, flap_quiet, manual_resume, ..two_arm().pools[0].clone() }
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1_000)
    }

    /// Goes down at these seconds, and up again a second later.
    fn flaps(reserve: &mut Reserve, pool: &Pool, downs: &[u64]) {
        for &down in downs {
            reserve.on_change(Up, Down, pool, at(down));
            reserve.on_change(Down, Up, pool, at(down + 1));
        }
    }

    #[test]
    fn who_goes_down_too_often_in_the_window_is_held_back_until_it_is_quiet() {
        let pool = pool(3, false);
        for (downs, held) in [
            (&[0, 10, 20][..], true),
            (&[0, 30, 60], true),
            (&[0, 30, 61], false),
            (&[0, 30, 61, 70], true),
            (&[0, 10], false),
        ] {
            let mut reserve = Reserve::default();
            flaps(&mut reserve, &pool, downs);
            assert_eq!(reserve.is_held(), held, "{downs:?}");
            // The last sign is that it came up again.
            let quiet = downs.last().unwrap() + 1 + 300;
            assert_eq!(reserve.ends(), held.then(|| at(quiet)), "{downs:?}");
            reserve.review(&pool, at(quiet - 1));
            assert_eq!(reserve.is_held(), held, "{downs:?}");
            reserve.review(&pool, at(quiet));
            assert!(!reserve.is_held(), "{downs:?}");
            flaps(&mut reserve, &pool, &[quiet + 1]);
            assert!(!reserve.is_held() || !held, "it begins from nothing");
        }
    }

    #[test]
    fn every_change_begins_the_quiet_time_again() {
        let pool = pool(2, false);
        let mut reserve = Reserve::default();
        flaps(&mut reserve, &pool, &[0, 10, 200]);
        assert_eq!(reserve.ends(), Some(at(501)));
        reserve.on_change(Up, Up, &pool, at(400));
        assert_eq!(reserve.ends(), Some(at(501)), "the same again is no change");
        let words = "it went down 2 times in 60s, and is held back until it has been quiet for 5m";
        assert_eq!(reserve.reason("sip-a", &pool).as_deref(), Some(words));
        reserve.review(&self::pool(0, false), at(402));
        assert!(!reserve.is_held(), "the file does not ask for it any more");
    }

    #[test]
    fn who_was_down_stays_out_until_it_is_enabled_if_the_file_says_so() {
        let mut reserve = Reserve::default();
        flaps(&mut reserve, &pool(0, false), &[0]);
        assert!(!reserve.is_held());
        let pool = pool(0, true);
        reserve.on_change(State::Unknown, Down, &pool, at(1));
        assert!(!reserve.is_held(), "a standby that was never up was not lost");
        flaps(&mut reserve, &pool, &[2]);
        reserve.review(&pool, at(100_000));
        let words = "it was down and stays out until `fairlead member enable sip-a`";
        assert_eq!((reserve.reason("sip-a", &pool).as_deref(), reserve.ends()), (Some(words), None));
        reserve.release();
        assert!(!reserve.is_held());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let (mut reserve, pool) = (Reserve::default(), pool(100, true));
        (0..10_000).for_each(|at| flaps(&mut reserve, &pool, &[at * 2]));
        assert_eq!(reserve.downs.len(), 100);
    }
}
