//! What happened to the active members: the last thousand changes and how long each took.
//!
//! Owns the record of a switchover and its four marks: the last good answer of the one who was active, the decision, the
//! publication, and the installation by the last worker. Decides nothing.

use crate::admin::rows::{SwitchoverRow, Wall};
use crate::policy::Epoch;
use crate::time::{Duration, Instant};
use std::collections::VecDeque;

/// Records kept; the oldest goes first.
pub const KEPT: usize = 1_000;

/// A change of a pool's active member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switchover {
    /// The pool's name.
    pub pool: String,
    /// Who was active.
    pub from: Option<String>,
    /// Who is since.
    pub to: Option<String>,
    /// Why.
    pub reason: String,
    /// The last good answer of the one who was active.
    pub last_good_answer: Option<Instant>,
    /// When it was decided.
    pub detected: Instant,
}

impl Switchover {
    /// The one line that is logged (scenario 85).
    pub fn line(&self, wall: Wall) -> String {
        let name = |member: &Option<String>| member.clone().unwrap_or_else(|| "none".into());
        let latency = match self.last_good_answer {
            Some(answer) => format!("{} us after its last good answer", micros(self.detected.since(answer))),
            None => "it never gave a good answer".into(),
        };
        let (from, to, pool, reason) = (name(&self.from), name(&self.to), &self.pool, &self.reason);
        let latency = if self.from.is_some() { format!("; detected {latency}") } else { String::new() };
        format!("{wall} switchover of pool {pool}: {from} -> {to}: {reason}{latency}")
    }
}

#[derive(Clone, Debug)]
struct Record {
    what: Switchover,
    published: Option<(Epoch, Instant)>,
    installed: Option<Instant>,
}

/// The records.
#[derive(Debug, Default)]
pub struct Switchovers {
    records: VecDeque<Record>,
    count: u64,
}

impl Switchovers {
    /// None yet.
    pub fn new() -> Switchovers {
        Switchovers::default()
    }

    /// One was decided.
    pub fn record(&mut self, what: Switchover) {
        if self.records.len() == KEPT {
            self.records.pop_front();
        }
        self.count += 1;
        self.records.push_back(Record { what, published: None, installed: None });
    }

    /// An epoch went out: it carries all that was decided before.
    pub fn on_published(&mut self, epoch: Epoch, now: Instant) {
        for record in self.records.iter_mut().rev().take_while(|record| record.published.is_none()) {
            record.published = Some((epoch, now));
        }
    }

    /// The last worker has installed this epoch.
    pub fn on_completed(&mut self, epoch: Epoch, at: Instant) {
        for record in self.records.iter_mut().rev().take_while(|record| record.installed.is_none()) {
            if record.published.is_some_and(|(published, _)| published <= epoch) {
                record.installed = Some(at);
            }
        }
    }

    /// How many there were since the start.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The latest.
    pub fn latest(&self, start: Wall) -> Option<SwitchoverRow> {
        self.records.back().map(|record| row(record, start))
    }

    /// All that are kept, oldest first. `start` is the wall clock at [`Instant::ZERO`].
    pub fn rows(&self, start: Wall) -> Vec<SwitchoverRow> {
        self.records.iter().map(|record| row(record, start)).collect()
    }
}

fn row(record: &Record, start: Wall) -> SwitchoverRow {
    let Switchover { pool, from, to, reason, last_good_answer, detected } = record.what.clone();
    let mark = |at: Instant| at.nanos() / 1_000;
    SwitchoverRow {
        time: start.plus(detected.since(Instant::ZERO)),
        pool,
        from,
        to,
        reason,
        last_good_answer: last_good_answer.map(mark),
        detected: mark(detected),
        published: record.published.map(|(_, at)| mark(at)),
        installed: record.installed.map(mark),
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switch(detected: u64) -> Switchover {
        Switchover {
            pool: "pair-1".into(),
            from: Some("sip-a".into()),
            to: Some("sip-b".into()),
            reason: "sip-b takes over: sip-a is down".into(),
            last_good_answer: Some(Instant::from_millis(detected - 450)),
            detected: Instant::from_millis(detected),
        }
    }

    #[test]
    fn the_marks_are_filled_in_as_they_come() {
        let mut switchovers = Switchovers::new();
        switchovers.record(switch(1_000));
        let marks = |switchovers: &Switchovers| {
            let row = switchovers.latest(Wall(0)).unwrap();
            (row.last_good_answer, row.detected, row.published, row.installed)
        };
        assert_eq!(marks(&switchovers), (Some(550_000), 1_000_000, None, None));
        switchovers.on_completed(Epoch(6), Instant::from_millis(1_001));
        assert_eq!(marks(&switchovers).3, None, "an epoch from before");
        switchovers.on_published(Epoch(7), Instant::from_millis(1_001));
        switchovers.on_published(Epoch(8), Instant::from_millis(1_002));
        switchovers.on_completed(Epoch(6), Instant::from_millis(1_002));
        assert_eq!(marks(&switchovers).3, None);
        switchovers.on_completed(Epoch(8), Instant::from_millis(1_003));
        assert_eq!(marks(&switchovers), (Some(550_000), 1_000_000, Some(1_001_000), Some(1_003_000)));
    }

    #[test]
    fn the_last_thousand_are_kept() {
        let mut switchovers = Switchovers::new();
        (0..1_500).for_each(|at| switchovers.record(switch(1_000 + at)));
        let rows = switchovers.rows(Wall(0));
        assert_eq!((rows.len(), rows[0].detected, switchovers.count()), (KEPT, 1_500_000, 1_500));
    }

    #[test]
    fn s85_one_line_names_time_pool_members_reason_and_latency() {
        assert_eq!(
            switch(1_000).line(Wall(1_795_352_645_000_000)),
            "2026-11-22T13:04:05.000000Z switchover of pool pair-1: sip-a -> sip-b: sip-b takes over: sip-a is down; \
             detected 450000 us after its last good answer"
        );
        let first = Switchover { from: None, last_good_answer: None, ..switch(1_000) };
        assert!(first.line(Wall(0)).ends_with("none -> sip-b: sip-b takes over: sip-a is down"));
    }
}
