//! A bound on what the appliance says of its own accord (RFC 1812 4.3.2.8).

use crate::time::Instant;

/// A token bucket that holds one second's worth.
#[derive(Clone)]
pub(super) struct Limiter {
    per_second: u64,
    /// In billionths of a token.
    level: u64,
    filled: Instant,
}

const TOKEN: u64 = 1_000_000_000;

impl Limiter {
    /// A full bucket.
    pub(super) fn new(per_second: u32) -> Limiter {
        let per_second = u64::from(per_second);
        Limiter { per_second, level: per_second * TOKEN, filled: Instant::ZERO }
    }

    /// Another rate from now on; what is in the bucket stays, up to the new brim.
    pub(super) fn set_rate(&mut self, per_second: u32) {
        self.per_second = u64::from(per_second);
        self.level = self.level.min(self.per_second * TOKEN);
    }

    /// Takes a token; `false` when there is none.
    pub(super) fn allows(&mut self, now: Instant) -> bool {
        self.takes(now, 0)
    }

    /// Takes a token unless that would leave less than half of a full bucket: what strangers can ask for without end must
    /// not use up what others need.
    pub(super) fn allows_low_priority(&mut self, now: Instant) -> bool {
        self.takes(now, self.per_second * TOKEN / 2)
    }

    /// Takes a token of each of two, or none of either: whoever has used up the one takes nothing from those who share the other.
    pub(super) fn both_allow(&mut self, other: &mut Limiter, now: Instant) -> bool {
        other.fill(now);
        other.level >= TOKEN && self.allows(now) && other.allows(now)
    }

    fn fill(&mut self, now: Instant) {
        let elapsed = now.nanos().saturating_sub(self.filled.nanos()).min(TOKEN);
        self.filled = self.filled.max(now);
        self.level = (self.level + elapsed * self.per_second).min(self.per_second * TOKEN);
    }

    fn takes(&mut self, now: Instant, left: u64) -> bool {
        self.fill(now);
        let enough = self.level >= left + TOKEN;
        if enough {
            self.level -= TOKEN;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holds_so_many_and_no_more() {
        let mut limiter = Limiter::new(3);
        let at = |ms| Instant::from_millis(ms);
        let taken = (0..10).filter(|_| limiter.allows(at(5_000))).count();
        assert_eq!(taken, 3);
        assert!(!limiter.allows(at(5_300)));
        assert!(limiter.allows(at(5_340)));
        assert!(!limiter.allows(at(5_340)));
        assert_eq!((0..10).filter(|_| limiter.allows(at(60_000))).count(), 3);
    }

    #[test]
    fn half_of_the_bucket_is_spared_and_the_rate_is_the_same() {
        let mut limiter = Limiter::new(10);
        let at = |ms| Instant::from_millis(ms);
        assert_eq!((0..20).filter(|_| limiter.allows_low_priority(at(5_000))).count(), 5);
        assert_eq!((0..20).filter(|_| limiter.allows_low_priority(at(5_300))).count(), 3);
        assert_eq!((0..20).filter(|_| limiter.allows(at(5_300))).count(), 5);
    }

    #[test]
    fn of_two_neither_gives_anything_where_one_has_nothing() {
        let (mut few, mut many, now) = (Limiter::new(2), Limiter::new(5), Instant::from_millis(5_000));
        assert_eq!((0..10).filter(|_| few.both_allow(&mut many, now)).count(), 2);
        assert_eq!((0..10).filter(|_| many.allows(now)).count(), 3);
        let later = Instant::from_millis(7_000);
        assert_eq!((0..10).filter(|_| many.both_allow(&mut few, later)).count(), 2);
        assert_eq!((0..10).filter(|_| many.allows(later)).count(), 3);
    }

    #[test]
    fn a_rate_of_nothing_allows_nothing() {
        let mut limiter = Limiter::new(0);
        assert!(!limiter.allows(Instant::from_millis(1_000_000)));
    }
}
