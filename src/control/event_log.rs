//! The last events.
//!
//! Owns a bounded ring, numbered without end, and what a reader who comes late has missed. Whoever follows asks for what is after the
//! last one he has: so the ring is everybody's queue, and nobody who is slow holds anything up.

use crate::admin::events::{EVENTS_KEPT, EVENTS_PAGE, EventRow, EventsPage};
use std::collections::VecDeque;
use std::sync::Arc;

/// The events.
#[derive(Debug, Default)]
pub(super) struct EventLog {
    /// Oldest first, by number.
    ring: VecDeque<Arc<EventRow>>,
    /// The number of the last event there was.
    last: u64,
}

impl EventLog {
    /// The number that the next event will have.
    pub(super) fn next(&self) -> u64 {
        self.last + 1
    }

    /// The number of the last event.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Keeps one, and gives it its number.
    pub(super) fn push(&mut self, mut row: EventRow) -> Arc<EventRow> {
        self.last += 1;
        row.number = self.last;
        if self.ring.len() == EVENTS_KEPT {
            self.ring.pop_front();
        }
        let row = Arc::new(row);
        self.ring.push_back(Arc::clone(&row));
        row
    }

    /// Those of before a restart, before anything has happened; numbers go on behind `last`.
    pub(super) fn restore(&mut self, mut before: Vec<Arc<EventRow>>, last: u64) {
        before.retain(|row| row.number > 0);
        before.sort_by_key(|row| row.number);
        before.dedup_by_key(|row| row.number);
        self.last = before.last().map_or(0, |row| row.number).max(last);
        before.drain(..before.len().saturating_sub(EVENTS_KEPT));
        self.ring = before.into();
    }

    /// Those after this number, oldest first.
    pub(super) fn after(&self, number: u64) -> impl DoubleEndedIterator<Item = &Arc<EventRow>> + ExactSizeIterator {
        let from = self.ring.partition_point(|row| row.number <= number);
        self.ring.range(from..)
    }

    /// How many of those after this number are gone.
    pub(super) fn lost_after(&self, number: u64) -> u64 {
        let first = self.ring.front().map_or(self.next(), |row| row.number);
        first.saturating_sub(number.saturating_add(1))
    }

    /// A page of those after this number that are `wanted`.
    pub(super) fn page(&self, number: u64, wanted: impl Fn(&EventRow) -> bool) -> EventsPage {
        let mut page = EventsPage { events: Vec::new(), lost: self.lost_after(number), last: self.last };
        for row in self.after(number) {
            if wanted(row) {
                page.events.push(EventRow::clone(row));
            }
            if page.events.len() == EVENTS_PAGE {
                page.last = row.number;
                break;
            }
        }
        page
    }

    /// The last ones, at most so many.
    pub(super) fn tail(&self, most: usize) -> Vec<Arc<EventRow>> {
        self.ring.iter().skip(self.ring.len().saturating_sub(most)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::rows::LogLevel;
    use crate::events::EventName;

    fn event(message: &str) -> EventRow {
        EventRow::new(EventName::Note, LogLevel::Info, message.into())
    }

    fn filled(count: usize) -> EventLog {
        let mut log = EventLog::default();
        (0..count).for_each(|at| _ = log.push(event(&at.to_string())));
        log
    }

    #[test]
    fn who_is_slow_loses_the_oldest_and_learns_how_many() {
        let log = filled(EVENTS_KEPT + 100);
        let page = log.page(1, |_| true);
        assert_eq!((page.lost, page.events.len(), page.events[0].number), (99, EVENTS_PAGE, 101));
        assert_eq!(page.last, 100 + EVENTS_PAGE as u64, "the next page begins behind this one");
        assert_eq!(log.page(100, |_| true).lost, 0);
        let end = log.last();
        assert_eq!(log.page(end, |_| true), EventsPage { events: Vec::new(), lost: 0, last: end });
        assert_eq!(log.page(0, |_| false).last, end, "all were looked at");
        assert_eq!(log.tail(3).iter().map(|row| row.number).collect::<Vec<_>>(), [end - 2, end - 1, end]);
    }

    #[test]
    fn numbers_go_on_after_a_restart_in_whatever_order_the_file_has_them() {
        let mut before = filled(10).tail(4);
        before.swap(0, 3);
        before.push(Arc::clone(&before[1]));
        before.push(Arc::new(event("without a number")));
        let mut log = EventLog::default();
        log.restore(before, 12);
        log.push(event("after"));
        let numbers: Vec<u64> = log.after(0).map(|row| row.number).collect();
        assert_eq!((numbers, log.next()), (vec![7, 8, 9, 10, 13], 14));
        let mut full = EventLog::default();
        full.restore((1..=5_000).map(|number| Arc::new(EventRow { number, ..event("") })).collect(), 0);
        assert_eq!((full.after(0).len(), full.last()), (EVENTS_KEPT, 5_000));
    }
}
