//! Events and alarms towards operators, and over a restart.
//!
//! Owns what `events` and `alarms` answer, who follows, and when events are saved: at most once a second, and at the end.

use super::alarms::{Alarm, Of};
use super::controller::Controller;
use super::outbox::Output;
use super::requests::Begun;
use super::saved_events::{EVENTS, EventsFound, SWITCHOVERS, SavedEvents};
use super::waiting::Pending;
use crate::admin::answer::{AdminError, Code, Data};
use crate::admin::events::{AcknowledgedRow, AlarmRow, EventRow, Subject};
use crate::admin::request::EventSelection;
use crate::config::LogLevel;
use crate::events::{AlarmCode, EventName};
use crate::time::{Duration, Instant};
use std::cmp::Reverse;

/// How long one who follows waits for the next event before he is told that there is none.
const FOLLOWS: Duration = Duration::from_secs(20);
/// Who wait at once; a further one is answered at once.
const FOLLOWERS: usize = 32;
/// Between two saves.
const SAVES: Duration = Duration::from_secs(1);
/// The alarms.
const UNREAD: &str = "events-unread";
const UNSAVED: &str = "events-unsaved";

impl Controller {
    /// What happened before the restart is known again; called before anything else happens.
    pub(super) fn restore_events(&mut self, now: Instant) {
        let Some(EventsFound { place, found }) = self.machine.events.take() else { return };
        self.recorded.place = Some(place.clone());
        match found {
            Ok(found) => {
                let SavedEvents { last, events, switchovers, unread } = found.unwrap_or_default();
                self.outputs.events.restore(events, last);
                self.switchovers.restore(switchovers);
                if unread > 0 {
                    let message =
                        format!("{place}: {unread} events and switchovers are of another version and left out");
                    self.log(EventName::Note, LogLevel::Warn, message);
                }
            }
            Err(why) => {
                let message = format!(
                    "{place} cannot be used: {why}. Events and switchovers of before the restart are not known. The file is moved aside"
                );
                self.outputs.raise(UNREAD, (AlarmCode::EventsUnread, Subject::none()), message, now);
            }
        }
    }

    /// Has the latest events saved, if they are not and the last save was long enough ago.
    pub(super) fn save_events(&mut self, now: Instant) {
        self.look_for_events();
        if self.stopping.is_none() && now < self.record_at {
            return;
        }
        if let Some(change) = self.recorded.next(now) {
            self.record_at = now + SAVES;
            let events = Box::new(SavedEvents {
                last: self.outputs.events.last(),
                events: self.outputs.events.tail(EVENTS),
                switchovers: self.switchovers.tail(SWITCHOVERS),
                unread: 0,
            });
            self.outputs.push(Output::SaveEvents { change, events });
        }
    }

    /// What has happened is to be saved, and that an alarm has ended which somebody had acknowledged.
    pub(super) fn look_for_events(&mut self) {
        if self.outputs.alarms.has_forgotten() {
            self.saves.changed();
        }
        if self.outputs.events.last() != self.recorded_last {
            self.recorded_last = self.outputs.events.last();
            self.recorded.changed();
        }
    }

    /// When they are saved next.
    pub(super) fn next_record(&self, now: Instant) -> Option<Instant> {
        self.recorded.next_deadline(now).map(|due| due.max(self.record_at))
    }

    /// A save has ended.
    pub(super) fn on_events_saved(&mut self, change: u64, outcome: Result<(), String>, now: Instant) {
        self.recorded.ended(change, outcome.is_ok(), now);
        match outcome {
            Ok(()) => {
                self.outputs.clear(UNSAVED, || "events are saved".into());
                self.outputs.clear(UNREAD, || "events are saved again".into());
            }
            Err(why) => {
                let place = self.recorded.place.as_deref().unwrap_or_default();
                let message = format!(
                    "events and switchovers are not saved and would be lost by a restart: {place}: {why}. It is tried again every few \
                     seconds; `state` under [appliance] names another folder"
                );
                self.outputs.raise(UNSAVED, (AlarmCode::EventsUnsaved, Subject::none()), message, now);
            }
        }
    }

    /// The alarms that stand, oldest first.
    pub(super) fn alarm_rows(&self) -> Vec<AlarmRow> {
        let mut alarms: Vec<&Alarm> = self.outputs.alarms.standing().collect();
        alarms.sort_by_key(|alarm| (alarm.since, alarm.id));
        alarms.into_iter().map(|alarm| self.alarm_row(alarm)).collect()
    }

    /// At most so many: the gravest first, then the oldest.
    pub(super) fn gravest_alarms(&self, most: usize) -> Vec<AlarmRow> {
        let mut alarms: Vec<&Alarm> = self.outputs.alarms.standing().collect();
        alarms.sort_by_key(|alarm| (Reverse(alarm.of.0.severity()), alarm.since, alarm.id));
        alarms.into_iter().take(most).map(|alarm| self.alarm_row(alarm)).collect()
    }

    fn alarm_row(&self, alarm: &Alarm) -> AlarmRow {
        let (code, Subject { pool, member, interface, object }) = alarm.of.clone();
        AlarmRow {
            id: alarm.id,
            code: code.to_string(),
            severity: code.severity(),
            since: self.machine.wall(alarm.since),
            pool,
            member,
            interface,
            object,
            message: alarm.message.clone(),
            remedy: code.remedy().into(),
            acknowledged: alarm.acknowledged.clone(),
        }
    }

    /// An operator knows of an alarm.
    pub(super) fn acknowledge(
        &mut self,
        id: u64,
        comment: Option<String>,
        now: Instant,
    ) -> Result<Vec<AlarmRow>, AdminError> {
        let by = AcknowledgedRow {
            since: self.machine.wall(now),
            by_uid: self.outputs.actor().map(|by| by.uid),
            comment: comment.clone(),
        };
        let Some(alarm) = self.outputs.alarms.acknowledge(id, by).cloned() else {
            let ids: Vec<String> = self.alarm_rows().iter().map(|row| row.id.to_string()).collect();
            let which = if ids.is_empty() { "none stands".into() } else { format!("these stand: {}", ids.join(", ")) };
            return Err(AdminError::new(Code::Refused, format!("no alarm {id} stands; {which} (`fairlead alarms`)")));
        };
        let (row, (code, subject)) = (self.alarm_row(&alarm), alarm.of.clone());
        let said = comment.map_or_else(String::new, |comment| format!(" ({})", comment.escape_debug()));
        let event = EventName::AlarmAcknowledged;
        let message = format!("alarm {id} acknowledged by the operator{said}: {}", row.message);
        self.outputs.happened(event, EventRow::new(event, LogLevel::Info, message).about(subject).of_alarm(code, id));
        self.saves.changed();
        Ok(vec![row])
    }

    /// What is acknowledged, as it is kept.
    pub(super) fn acknowledged(&self) -> Vec<(Of, AcknowledgedRow)> {
        self.outputs.alarms.acknowledged().map(|(of, by)| (of.clone(), by.clone())).collect()
    }

    /// The events that are kept, oldest first.
    pub(super) fn event_rows(&self, filter: &EventSelection, since_s: Option<u64>, now: Instant) -> Vec<EventRow> {
        let since = since_s.map(|seconds| self.machine.wall(now).minus(Duration::from_secs(seconds)));
        let recent = |row: &EventRow| since.is_none_or(|since| row.time >= since);
        let rows = self.outputs.events.after(0).filter(|row| recent(row) && filter.wants(row));
        rows.map(|row| EventRow::clone(row)).collect()
    }

    /// The events after a known one; where there are none, the first that comes.
    pub(super) fn follow_events(
        &mut self,
        request_id: u64,
        filter: EventSelection,
        after: Option<u64>,
        now: Instant,
    ) -> Begun {
        let last = self.outputs.events.last();
        // Of a number that is still to come, as after a restart that has lost its file, all that comes is new.
        let page = self.outputs.events.page(after.unwrap_or(last).min(last), |row| filter.wants(row));
        if after.is_none() || !page.events.is_empty() || page.lost > 0 || self.waiting.followers() >= FOLLOWERS {
            return Ok(Some(Data::EventsPage(Box::new(page))));
        }
        self.waiting.push(request_id, Pending::Events { filter, after: page.last }, now + FOLLOWS);
        Ok(None)
    }
}
