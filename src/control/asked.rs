//! Members for whom requests have waited too long, since when, and how often.
//!
//! Owns what is noted of each, until it sends something. What follows from it is said by `one_way`.

use crate::policy::intent::MemberId;
use crate::time::{Duration, Instant};
use std::collections::BTreeMap;

const SECOND: Duration = Duration::from_secs(1);

/// What is known of a member that is asked.
pub(super) struct Asked {
    /// When a request had waited too long first, since it last sent something.
    pub(super) since: Instant,
    pub(super) last: Instant,
    /// In how many different seconds one had.
    pub(super) seconds: u32,
    /// What it is called in the alarm, if there is one.
    pub(super) alarm: Option<String>,
}

/// Members that are asked and silent.
#[derive(Default)]
pub(super) struct OneWay {
    pub(super) asked: BTreeMap<MemberId, Asked>,
    /// When they are looked at again.
    pub(super) next: Instant,
}

impl OneWay {
    /// A request for it has waited too long.
    pub(super) fn note(&mut self, member: MemberId, now: Instant) {
        let asked = self.asked.entry(member).or_insert(Asked { since: now, last: now, seconds: 1, alarm: None });
        if now.since(asked.last) >= SECOND {
            (asked.last, asked.seconds) = (now, asked.seconds + 1);
        }
    }
}
