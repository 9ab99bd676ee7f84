//! What an operator should look at.
//!
//! Owns the standing alarms by a key, each with its code, the moment it began, and who has acknowledged it. One that strangers can bring
//! about has a term, and goes away by itself when it is not raised again. What was acknowledged before a restart is so again as soon as
//! it is raised anew, for a while.

use crate::admin::events::{AcknowledgedRow, Subject};
use crate::events::AlarmCode;
use crate::time::{Duration, Instant};
use std::collections::BTreeMap;

/// Alarms that strangers can bring about are kept while fewer than so many of them stand; further ones are only told.
const MOST: usize = 256;
/// After a start, what stood before it is raised again within this time, or it was over.
const ANEW: Duration = Duration::from_secs(300);

/// What an alarm is about: the same one after a restart.
pub(super) type Of = (AlarmCode, Subject);

/// The alarms that stand.
#[derive(Clone, Debug, Default)]
pub(super) struct Alarms {
    standing: BTreeMap<String, Alarm>,
    /// Acknowledged before the restart, and not raised since.
    before: BTreeMap<Of, AcknowledgedRow>,
    /// Until when that may be.
    before_until: Instant,
    /// Of those that stand, how many have a term.
    terms: usize,
    /// When one for which there is no room is told of next.
    told: Instant,
    /// Something acknowledged is over since this was last asked.
    has_forgotten: bool,
}

/// One alarm.
#[derive(Clone, Debug)]
pub(super) struct Alarm {
    /// The number of the event that raised it.
    pub(super) id: u64,
    pub(super) of: Of,
    pub(super) since: Instant,
    until: Option<Instant>,
    pub(super) message: String,
    pub(super) acknowledged: Option<AcknowledgedRow>,
}

impl Alarms {
    /// The alarm stands, for `term` if it is not raised again. Returns whether it is to be told; then `id` is its number. One of another
    /// code under the same key must have been cleared. Of those for which there is no room, one a second is told.
    pub(super) fn raise(
        &mut self,
        key: &str,
        (of, message): (Of, String),
        term: Option<Duration>,
        (id, now): (u64, Instant),
    ) -> bool {
        let until = term.map(|term| now + term);
        if let Some(alarm) = self.standing.get_mut(key) {
            self.terms = self.terms + usize::from(until.is_some()) - usize::from(alarm.until.is_some());
            (alarm.message, alarm.until) = (message, until);
            return false;
        }
        if term.is_some() && self.terms >= MOST {
            let is_told = now >= self.told;
            self.told = if is_told { now + Duration::from_secs(1) } else { self.told };
            return is_told;
        }
        let acknowledged = self.before.remove(&of);
        self.terms += usize::from(term.is_some());
        self.standing.insert(key.into(), Alarm { id, of, since: now, until, message, acknowledged });
        true
    }

    /// The alarm does not stand any more. Returns it if it did.
    pub(super) fn clear(&mut self, key: &str) -> Option<Alarm> {
        let alarm = self.standing.remove(key)?;
        self.terms -= usize::from(alarm.until.is_some());
        self.has_forgotten |= alarm.acknowledged.is_some();
        Some(alarm)
    }

    /// Something acknowledged is over since this was last asked: what is kept for the next start has to go as well.
    pub(super) fn has_forgotten(&mut self) -> bool {
        std::mem::take(&mut self.has_forgotten)
    }

    /// The one that stands under this key.
    pub(super) fn get(&self, key: &str) -> Option<&Alarm> {
        self.standing.get(key)
    }

    /// Forgets those whose term is over, and returns them.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Alarm> {
        if now >= self.before_until {
            self.has_forgotten |= !self.before.is_empty();
            self.before.clear();
        }
        let is_over = |alarm: &Alarm| alarm.until.is_some_and(|until| until <= now);
        let over = self.standing.iter().filter(|(_, alarm)| is_over(alarm)).map(|(key, _)| key.clone());
        over.collect::<Vec<_>>().into_iter().filter_map(|key| self.clear(&key)).collect()
    }

    /// Since when, and what.
    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (Instant, &str)> {
        self.standing.values().map(|alarm| (alarm.since, alarm.message.as_str()))
    }

    /// All that stand.
    pub(super) fn standing(&self) -> impl Iterator<Item = &Alarm> {
        self.standing.values()
    }

    /// Somebody knows of this one. `None`: it does not stand.
    pub(super) fn acknowledge(&mut self, id: u64, by: AcknowledgedRow) -> Option<&Alarm> {
        let alarm = self.standing.values_mut().find(|alarm| alarm.id == id)?;
        alarm.acknowledged = Some(by);
        Some(alarm)
    }

    /// What was acknowledged before the restart.
    pub(super) fn restore(&mut self, acknowledged: impl IntoIterator<Item = (Of, AcknowledgedRow)>, now: Instant) {
        self.before_until = now + ANEW;
        for (of, by) in acknowledged {
            match self.standing.values_mut().find(|alarm| alarm.of == of) {
                Some(alarm) => alarm.acknowledged = Some(by),
                None => _ = self.before.insert(of, by),
            }
        }
    }

    /// All that are acknowledged, as they are kept.
    pub(super) fn acknowledged(&self) -> impl Iterator<Item = (&Of, &AcknowledgedRow)> {
        let standing = self.standing.values().filter_map(|alarm| Some((&alarm.of, alarm.acknowledged.as_ref()?)));
        standing.chain(&self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::rows::Wall;

    const TERM: Option<Duration> = Some(Duration::from_secs(60));

    fn of() -> Of {
        (AlarmCode::MemberUnreachable, Subject::member("sip-a", "pair-1"))
    }

    fn said() -> AcknowledgedRow {
        AcknowledgedRow { since: Wall(1), by_uid: Some(0), comment: Some("a disk is on its way".into()) }
    }

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    #[test]
    fn an_alarm_keeps_its_beginning_and_ends_with_its_term() {
        let mut alarms = Alarms::default();
        assert!(alarms.raise("x", (of(), "one".into()), TERM, (7, at(0))));
        assert!(!alarms.raise("x", (of(), "two".into()), TERM, (8, at(50_000))));
        assert!(alarms.expire(at(100_000)).is_empty());
        assert_eq!(alarms.iter().collect::<Vec<_>>(), [(at(0), "two")]);
        let over: Vec<u64> = alarms.expire(at(110_000)).iter().map(|alarm| alarm.id).collect();
        assert_eq!((over, alarms.iter().count()), (vec![7], 0));
    }

    #[test]
    fn what_ends_and_returns_is_new_and_nobody_knows_of_it() {
        let mut alarms = Alarms::default();
        alarms.raise("x", (of(), "one".into()), None, (7, at(0)));
        assert!(alarms.acknowledge(6, said()).is_none());
        assert_eq!(alarms.acknowledge(7, said()).unwrap().acknowledged, Some(said()));
        assert!(!alarms.raise("x", (of(), "still".into()), None, (8, at(1))));
        assert_eq!(alarms.acknowledged().count(), 1, "it is the same one");
        alarms.clear("x");
        assert!(alarms.raise("x", (of(), "again".into()), None, (9, at(2))));
        assert_eq!(alarms.acknowledged().count(), 0);
    }

    #[test]
    fn who_knew_of_it_before_a_restart_knows_it_after_if_it_still_stands() {
        for (raised, known) in [(1_000, 1), (301_000, 0)] {
            let mut alarms = Alarms::default();
            alarms.restore([(of(), said())], at(0));
            assert_eq!(alarms.acknowledged().count(), 1, "kept until it is known whether it stands");
            alarms.expire(at(raised));
            alarms.raise("x", (of(), "one".into()), None, (1, at(raised)));
            assert_eq!(alarms.acknowledged().count(), known);
        }
        let mut alarms = Alarms::default();
        alarms.raise("x", (of(), "one".into()), None, (1, at(0)));
        alarms.restore([(of(), said())], at(0));
        assert!(alarms.standing().next().unwrap().acknowledged.is_some(), "raised before that was read");
    }
}
