//! What happened to the active members: the last thousand changes and how long each took.
//!
//! Owns the record of a switchover and its seven marks: the last good answer of the one who was active, when the first probe was
//! sent that it failed, when it was found lost and the other one up, the decision, the publication, and the installation by the last worker. Decides nothing.

use crate::admin::events::{EventRow, Subject};
use crate::admin::rows::{Cause, SwitchoverRow, Wall};
use crate::config::LogLevel;
use crate::events::EventName;
use crate::policy::Epoch;
use crate::policy::health::Generation;
use crate::policy::intent::PoolId;
use crate::time::Instant;
use crate::worker::mailbox::RedeliveryCounts;
use std::collections::VecDeque;

/// Records kept; the oldest goes first.
pub const MOST: usize = 1_000;

#[derive(Clone, Debug)]
struct Record {
    row: SwitchoverRow,
    /// Which choice of which pool it is.
    choice: (PoolId, Generation),
    /// Whose requests were unanswered: the one who was lost, though nobody may have been active since.
    lost: Option<String>,
    /// The epoch that carries it.
    epoch: Option<Epoch>,
}

/// The records.
#[derive(Debug, Default)]
pub struct Switchovers {
    records: VecDeque<Record>,
    /// Of before the restart; their marks are of that start.
    before: Vec<SwitchoverRow>,
    /// Since the start, by [`Cause`].
    counts: [u64; 5],
    /// How many of the last ones nobody was told of yet.
    untold: usize,
}

impl Switchovers {
    /// One was decided. `lost` is the member whose silence it follows, if it does.
    pub fn record(&mut self, row: SwitchoverRow, choice: (PoolId, Generation), lost: Option<String>) {
        if self.records.len() == MOST {
            self.records.pop_front();
        }
        self.counts[row.cause as usize] += 1;
        self.records.push_back(Record { row, choice, lost, epoch: None });
        self.untold += 1;
    }

    /// There are some that nobody was told of yet.
    pub fn has_untold(&self) -> bool {
        self.untold > 0
    }

    /// Those, oldest first; they are told.
    pub fn take_untold(&mut self) -> impl Iterator<Item = &SwitchoverRow> {
        let untold = std::mem::take(&mut self.untold);
        let told = self.records.len().saturating_sub(untold);
        self.records.range(told..).map(|record| &record.row)
    }

    /// A worker has delivered, or lost, what the one who was active had not answered. Returns the line to be logged, if there is its
    /// record.
    pub fn on_redelivery_ended(&mut self, choice: (PoolId, Generation), requests: RedeliveryCounts) -> Option<String> {
        let Record { row, lost, .. } = self.records.iter_mut().rev().find(|record| record.choice == choice)?;
        let RedeliveryCounts { delivered, too_old, no_room } = requests;
        row.redelivered += delivered;
        row.redelivery_too_old += too_old;
        row.redelivery_no_room += no_room;
        let SwitchoverRow { pool, from, to, .. } = row;
        let name = |member: &Option<String>| member.clone().unwrap_or_else(|| "none".into());
        Some(format!(
            "pool {pool}: of the requests that {} had not answered {delivered} were delivered to {}, {too_old} were too old, for {no_room} \
             there was no room",
            lost.clone().unwrap_or_else(|| name(from)),
            name(to)
        ))
    }

    /// An epoch went out: it carries all that was decided before.
    pub fn on_published(&mut self, epoch: Epoch, now: Instant) {
        for record in self.records.iter_mut().rev().take_while(|record| record.epoch.is_none()) {
            (record.epoch, record.row.published) = (Some(epoch), Some(mark(now)));
        }
    }

    /// The last worker has installed this epoch.
    pub fn on_completed(&mut self, epoch: Epoch, at: Instant) {
        for record in self.records.iter_mut().rev().take_while(|record| record.row.installed.is_none()) {
            if record.epoch.is_some_and(|published| published <= epoch) {
                record.row.installed = Some(mark(at));
            }
        }
    }

    /// Those of before a restart, before any other.
    pub fn restore(&mut self, rows: Vec<SwitchoverRow>) {
        self.before = rows;
    }

    /// The last ones, at most so many, as they are kept.
    pub fn tail(&self, most: usize) -> Vec<SwitchoverRow> {
        let all = self.before.iter().chain(self.records.iter().map(|record| &record.row));
        let over = (self.before.len() + self.records.len()).saturating_sub(most);
        all.skip(over).cloned().collect()
    }

    /// How many there were since the start for this cause.
    pub fn count(&self, cause: Cause) -> u64 {
        self.counts[cause as usize]
    }

    /// All that are kept, oldest first, with their age; of one of before a restart by the calendar, which says that it is `wall`.
    pub fn rows(&self, now: Instant, wall: Wall) -> impl DoubleEndedIterator<Item = SwitchoverRow> {
        let since = move |row: &SwitchoverRow| wall.since(row.time).as_millis() as u64;
        let before = self.before.iter().map(move |row| SwitchoverRow { age_ms: since(row), ..row.clone() });
        before.chain(self.since_start(now))
    }

    /// Those since the start, likewise.
    pub fn since_start(&self, now: Instant) -> impl DoubleEndedIterator<Item = SwitchoverRow> {
        let age = move |row: &SwitchoverRow| mark(now).saturating_sub(row.detected) / 1_000;
        self.records.iter().map(move |record| SwitchoverRow { age_ms: age(&record.row), ..record.row.clone() })
    }
}

/// A moment as rows have it: microseconds since the host started.
pub fn mark(at: Instant) -> u64 {
    at.nanos() / 1_000
}

/// What is logged of it: one line (scenario 85).
pub fn event(row: &SwitchoverRow) -> EventRow {
    // That the first member of a pool is chosen after a start is no loss of anybody's.
    let level = if row.cause == Cause::Start { LogLevel::Info } else { LogLevel::Warn };
    EventRow {
        from: row.from.clone(),
        to: row.to.clone(),
        cause: Some(row.cause),
        ..EventRow::new(EventName::Switchover, level, line(row)).about(Subject::pool(&row.pool))
    }
}

fn line(row: &SwitchoverRow) -> String {
    let SwitchoverRow { pool, from, to, cause, reason, last_good_answer, lost, up, detected, .. } = row;
    let name = |member: &Option<String>| member.clone().unwrap_or_else(|| "none".into());
    let latency = match (from, last_good_answer) {
        _ if *cause != Cause::Monitor => format!(" ({cause})"),
        (None, _) => String::new(),
        (_, Some(answer)) => {
            let found = lost.unwrap_or(*detected);
            format!("; detected {} after its last good answer", millis(found.saturating_sub(*answer)))
        }
        // It answers still, and says that it is not active.
        (_, None) if lost.is_none() => String::new(),
        (_, None) => "; it never gave a good answer".into(),
    };
    let gap = match (to, lost, up) {
        (Some(to), Some(lost), Some(up)) if up > lost => format!(", {to} was up {} later", millis(up - lost)),
        _ => String::new(),
    };
    format!("switchover of pool {pool}: {} -> {}: {reason}{latency}{gap}", name(from), name(to))
}

/// Microseconds as milliseconds with one digit, as a person reads them.
fn millis(micros: u64) -> String {
    format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100)
}

/// One, for tests of what keeps them.
#[cfg(test)]
pub(super) fn example() -> SwitchoverRow {
    tests::switch(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn switch(detected: u64) -> SwitchoverRow {
        SwitchoverRow {
            age_ms: 0,
            time: Wall(1_795_352_645_000_000),
            pool: "pair-1".into(),
            from: Some("sip-a".into()),
            to: Some("sip-b".into()),
            cause: Cause::Monitor,
            reason: "sip-b takes over: sip-a is down".into(),
            last_good_answer: Some((detected - 450) * 1_000),
            first_failed_probe: Some((detected - 300) * 1_000),
            lost: Some((detected - 100) * 1_000),
            up: Some(detected * 1_000),
            detected: detected * 1_000,
            published: None,
            installed: None,
            redelivered: 0,
            redelivery_too_old: 0,
            redelivery_no_room: 0,
        }
    }

    const CHOICE: (PoolId, Generation) = (PoolId(0), Generation(7));

    #[test]
    fn requests_delivered_by_all_workers_are_counted_in_the_record_of_their_switchover() {
        let mut switchovers = Switchovers::default();
        switchovers.record(switch(1_000), CHOICE, None);
        switchovers.record(switch(2_000), (PoolId(1), Generation(7)), None);
        let one = RedeliveryCounts { delivered: 5, too_old: 2, no_room: 1 };
        let said = switchovers.on_redelivery_ended(CHOICE, one);
        assert_eq!(
            said.as_deref(),
            Some(
                "pool pair-1: of the requests that sip-a had not answered 5 were delivered to sip-b, 2 were too old, for 1 there was no room"
            )
        );
        assert!(
            switchovers.on_redelivery_ended(CHOICE, RedeliveryCounts { delivered: 3, ..Default::default() }).is_some()
        );
        assert_eq!(switchovers.on_redelivery_ended((PoolId(0), Generation(6)), one), None);
        let counts = |row: SwitchoverRow| (row.redelivered, row.redelivery_too_old, row.redelivery_no_room);
        let rows: Vec<_> = switchovers.rows(Instant::ZERO, Wall(0)).map(counts).collect();
        assert_eq!(rows, [(8, 2, 1), (0, 0, 0)]);
    }

    #[test]
    fn whose_requests_they_were_is_said_though_nobody_was_active_in_between() {
        let mut switchovers = Switchovers::default();
        let row = SwitchoverRow { from: None, ..switch(1_000) };
        switchovers.record(row, CHOICE, Some("sip-a".into()));
        let said =
            switchovers.on_redelivery_ended(CHOICE, RedeliveryCounts { delivered: 0, too_old: 2, no_room: 0 }).unwrap();
        assert!(said.contains("of the requests that sip-a had not answered 0 were delivered to sip-b, 2 were too old"));
    }

    #[test]
    fn the_marks_are_filled_in_as_they_come() {
        let mut switchovers = Switchovers::default();
        switchovers.record(switch(1_000), CHOICE, None);
        let marks = |switchovers: &Switchovers| {
            let row = switchovers.rows(Instant::ZERO, Wall(0)).next_back().unwrap();
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
        let mut switchovers = Switchovers::default();
        (0..1_500).for_each(|at| switchovers.record(switch(1_000 + at), CHOICE, None));
        let rows: Vec<_> = switchovers.rows(Instant::from_millis(2_000), Wall(0)).collect();
        assert_eq!((rows[0].age_ms, rows[MOST - 1].age_ms), (500, 0));
        assert_eq!((rows.len(), rows[0].detected), (MOST, 1_500_000));
        let counts = [Cause::Monitor, Cause::Operator].map(|cause| switchovers.count(cause));
        assert_eq!(counts, [1_500, 0]);
    }

    #[test]
    fn those_of_before_a_restart_come_first_and_have_their_age_by_the_calendar() {
        let mut switchovers = Switchovers::default();
        switchovers.restore(vec![switch(9_000_000)]);
        switchovers.record(switch(1_000), CHOICE, None);
        let wall = switch(1_000).time.plus(std::time::Duration::from_secs(60));
        let ages: Vec<u64> = switchovers.rows(Instant::from_millis(1_500), wall).map(|row| row.age_ms).collect();
        assert_eq!(ages, [60_000, 500]);
        assert_eq!((switchovers.tail(1)[0].detected, switchovers.tail(256).len()), (1_000_000, 2));
        assert_eq!(switchovers.count(Cause::Monitor), 1, "counted is what was since the start");
    }

    #[test]
    fn s85_one_line_names_time_pool_members_reason_and_latency() {
        assert_eq!(
            line(&switch(1_000)),
            "switchover of pool pair-1: sip-a -> sip-b: sip-b takes over: sip-a is down; \
             detected 350.0 ms after its last good answer, sip-b was up 100.0 ms later"
        );
        let ready = SwitchoverRow { up: Some(7), ..switch(1_000) };
        assert!(line(&ready).ends_with("detected 350.0 ms after its last good answer"), "it was up before");
        let again = SwitchoverRow { from: None, last_good_answer: None, lost: None, ..switch(1_000) };
        assert!(line(&again).ends_with("none -> sip-b: sip-b takes over: sip-a is down"));
        let forced = SwitchoverRow { cause: Cause::Operator, last_good_answer: None, lost: None, ..switch(1_000) };
        assert!(line(&forced).ends_with("sip-a -> sip-b: sip-b takes over: sip-a is down (operator)"));
    }
}
