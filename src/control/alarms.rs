//! What an operator should look at.
//!
//! Owns the standing alarms by a key, each with the moment it began. One that strangers can bring about has a term, and
//! goes away by itself when it is not raised again.

use crate::time::{Duration, Instant};
use std::collections::BTreeMap;

/// Alarms that strangers can bring about are kept while fewer than so many stand; further ones are only logged.
const MOST: usize = 256;

#[derive(Clone, Debug, Default)]
pub(super) struct Alarms {
    standing: BTreeMap<String, Alarm>,
}

#[derive(Clone, Debug)]
struct Alarm {
    since: Instant,
    until: Option<Instant>,
    message: String,
}

impl Alarms {
    /// The alarm stands, for `term` if it is not raised again. Returns whether it is new.
    pub(super) fn raise(&mut self, key: &str, message: String, term: Option<Duration>, now: Instant) -> bool {
        let until = term.map(|term| now + term);
        if let Some(alarm) = self.standing.get_mut(key) {
            (alarm.message, alarm.until) = (message, until);
            return false;
        }
        if term.is_none() || self.standing.len() < MOST {
            self.standing.insert(key.into(), Alarm { since: now, until, message });
        }
        true
    }

    /// The alarm does not stand any more. Returns whether it did.
    pub(super) fn clear(&mut self, key: &str) -> bool {
        self.standing.remove(key).is_some()
    }

    /// Forgets those whose term is over.
    pub(super) fn expire(&mut self, now: Instant) {
        self.standing.retain(|_, alarm| alarm.until.is_none_or(|until| until > now));
    }

    /// Since when, and what.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Instant, &str)> {
        self.standing.values().map(|alarm| (alarm.since, alarm.message.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_keeps_its_beginning_and_ends_with_its_term() {
        let mut alarms = Alarms::default();
        let at = Instant::from_millis;
        let term = Some(Duration::from_secs(60));
        assert!(alarms.raise("x", "one".into(), term, at(0)));
        assert!(!alarms.raise("x", "two".into(), term, at(50_000)));
        alarms.expire(at(100_000));
        assert_eq!(alarms.iter().collect::<Vec<_>>(), [(at(0), "two")]);
        alarms.expire(at(110_000));
        assert_eq!(alarms.iter().count(), 0);
    }
}
