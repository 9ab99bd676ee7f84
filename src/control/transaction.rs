//! A configuration that must be confirmed, or is not in force for long.
//!
//! Owns how far such a change has come: how to have the one before again is on the disk before the new one is taken over, so that a crash
//! at any moment leaves an appliance that starts with a confirmed one. Owns what is kept of configurations, too, and the alarms about
//! that. The appliance's own file is never written here.

use super::configurations::{Configurations, Entry, MOST, NewEntry, SavedConfigurations};
use super::controller::Controller;
use super::outbox::Output;
use super::proposed::{How, Proposed, Reading, Transaction};
use super::requests::Begun;
use super::settings::UNCONFIRMED;
use super::waiting::Then;
use crate::admin::answer::{AdminError, Code, Data};
use crate::admin::configurations::{AwaitedRow, Confirmed, HistoryRow, HistoryText};
use crate::admin::events::Subject;
use crate::admin::rows::ConfigurationCause;
use crate::config::{Change, LogLevel, visible};
use crate::events::{AlarmCode, EventName};
use crate::time::{Duration, Instant};
use std::sync::Arc;

/// The alarms.
const UNREAD: &str = "configurations-unread";
const UNSAVED: &str = "configurations-unsaved";
const DIFFERS: &str = "configuration-differs";
/// How long the one before may take to be written down. Nobody waits longer for the answer, and nothing is taken over unwatched.
const SAVED_WITHIN: Duration = Duration::from_secs(10);
/// Longest line about what a configuration changes, in characters.
const LINE: usize = 160;

impl Controller {
    /// What was kept before the start is gone on with; called once.
    pub(super) fn restore_configurations(&mut self, now: Instant) {
        let Some(SavedConfigurations { place, found, path, file, in_force }) = self.machine.configurations.take()
        else {
            return;
        };
        let wall = self.wall(now);
        (self.kept.place, self.path) = (Some(place.clone()), path);
        match found {
            Ok(Some(mut found)) => {
                found.started(&in_force, &file, wall);
                self.configurations = found;
            }
            // Beside a file that is not what is in force, if only the spare was there.
            Ok(None) => self.configurations = Configurations::begin_beside(in_force, &file, wall),
            Err(why) => {
                let with = match in_force == file {
                    true => "its file: nothing is kept beside it that says otherwise",
                    false => "the last one confirmed, which is kept beside it as well",
                };
                self.configurations = Configurations::begin_beside(in_force, &file, wall);
                let message = format!(
                    "{place} cannot be used: {why}. Earlier configurations are not known; the appliance has started with \
                     {with}. What is there is moved aside"
                );
                self.outputs.raise(UNREAD, (AlarmCode::ConfigurationsUnread, Subject::none()), message, now);
            }
        }
        self.kept.changed();
        self.review_file(now);
    }

    /// The configurations that were in force, as an operator sees them.
    pub(super) fn history_rows(&self) -> Vec<HistoryRow> {
        // What is being prepared is not in force yet.
        let pending = matches!(self.transaction, Some(Transaction::Preparing { .. }));
        let all = self.configurations.entries();
        let shown = &all[..all.len() - usize::from(pending)];
        let row = |(place, entry): (usize, &Entry)| HistoryRow {
            number: entry.number,
            since: entry.since,
            cause: entry.cause,
            changes: entry.changes.clone(),
            in_force: place + 1 == shown.len(),
            unconfirmed: place + 1 == shown.len() && !pending && self.configurations.unconfirmed().is_some(),
        };
        shown.iter().enumerate().map(row).collect()
    }

    /// The one of this number.
    pub(super) fn configuration_named(&self, number: u64) -> Result<&Entry, AdminError> {
        let kept = self.configurations.entries();
        self.configurations.get(number).ok_or_else(|| {
            let (first, last) = (kept.first().map_or(1, |entry| entry.number), self.configurations.last().number);
            let message = format!(
                "there is no configuration {number}: {first} to {last} are kept, the last {MOST} at most; `fairlead history` lists them"
            );
            AdminError::new(Code::Refused, message)
        })
    }

    /// What it says.
    pub(super) fn history_text(&self, number: u64) -> Result<HistoryText, AdminError> {
        Ok(HistoryText { number, text: Arc::clone(&self.configuration_named(number)?.text) })
    }

    /// An operator wants one of them in force again. It is read as the file is.
    pub(super) fn begin_rollback(
        &mut self,
        request_id: u64,
        number: u64,
        confirm_s: Option<u64>,
        (max_impact, yes): (Option<u64>, bool),
        now: Instant,
    ) -> Result<(), AdminError> {
        if let Some(why) = self.in_the_way(now) {
            return Err(AdminError::new(Code::Refused, why));
        }
        let entry = self.configuration_named(number)?;
        if number == self.configurations.last().number {
            let message = format!("configuration {number} is the one in force: `fairlead history` lists those before");
            return Err(AdminError::new(Code::Refused, message));
        }
        let (name, text) = (format!("configuration {number}"), Arc::clone(&entry.text));
        let (cause, confirm) = (ConfigurationCause::Rollback, confirm_s.map(Duration::from_secs));
        let how = How { cause, confirm, max_impact, yes, back_to: Some(number), ..How::default() };
        self.readings.insert(request_id, Reading::TakeOver(how));
        self.outputs.push(Output::ReadText { request_id, name, text });
        Ok(())
    }

    /// Why another configuration cannot be taken over now, if one cannot.
    pub(super) fn in_the_way(&self, now: Instant) -> Option<String> {
        match self.transaction.as_ref()? {
            Transaction::Preparing { .. } => {
                Some("another configuration is being taken over at this moment: try again".into())
            }
            Transaction::Awaiting { until, .. } => {
                let (number, left) = (self.configurations.last().number, until.since(now).as_secs());
                Some(format!(
                    "configuration {number} waits for its confirmation: `fairlead confirm` keeps it; in {left} s the one before \
                     is in force again, and then another can be taken over"
                ))
            }
        }
    }

    /// The one before is written down, and comes back unless the new one is confirmed in time.
    pub(super) fn prepare(&mut self, proposed: Box<Proposed>, now: Instant) {
        let file = Arc::clone(self.configurations.file());
        self.record(&proposed, false, now);
        let (change, until) = (self.kept.latest(), now + SAVED_WITHIN);
        self.transaction = Some(Transaction::Preparing { change, until, proposed, file });
        if self.kept.place.is_none() {
            self.finish_preparing(Ok(()), now);
        }
    }

    /// What is taken over goes into the history.
    pub(super) fn record(&mut self, proposed: &Proposed, is_confirmed: bool, now: Instant) {
        let changes = summary(proposed);
        let entry = NewEntry { cause: proposed.how.cause, changes, text: Arc::clone(&proposed.text), is_confirmed };
        self.configurations.record(entry, &proposed.file, self.wall(now));
        self.kept.changed();
    }

    /// A save of what is kept has ended.
    pub(super) fn on_configurations_saved(&mut self, change: u64, outcome: Result<(), String>, now: Instant) {
        self.kept.ended(change, outcome.is_ok(), now);
        match &outcome {
            Ok(()) => {
                self.outputs.clear(UNSAVED, || "the configuration in force is kept for a restart".into());
                self.outputs.clear(UNREAD, || "configurations are kept again".into());
            }
            Err(why) => {
                let place = self.kept.place.as_deref().unwrap_or_default();
                let message = format!(
                    "the configuration in force is not kept for a restart: {place}: {why}. It is tried again every few \
                     seconds; `state` under [appliance] names another folder"
                );
                self.outputs.raise(UNSAVED, (AlarmCode::ConfigurationsUnsaved, Subject::none()), message, now);
            }
        }
        if matches!(&self.transaction, Some(Transaction::Preparing { change: wanted, .. }) if *wanted <= change) {
            self.finish_preparing(outcome, now);
        }
    }

    /// The one before is on the disk: the new one is taken over. Or it is not, and nothing is.
    fn finish_preparing(&mut self, outcome: Result<(), String>, now: Instant) {
        let Some(Transaction::Preparing { proposed, file, .. }) = self.transaction.take() else { return };
        if let Err(why) = outcome {
            self.configurations.forget_unconfirmed(&file);
            self.kept.changed();
            let why = format!(
                "the configuration before could not be kept, so that a restart would not bring it back: {why}. Nothing was \
                 changed; free the disk, or reload without --confirm"
            );
            return self.refuse_reload(proposed.request_id, Code::Refused, &why.clone(), why);
        }
        let within = proposed.how.confirm.unwrap_or_default();
        let (before, set) = (Arc::clone(&self.raw), self.operator_state());
        let (number, back_to) = (self.configurations.last().number, self.configurations.confirmed().number);
        self.take_over_proposed(*proposed, now);
        let lost = Box::new(set.without(&self.operator_state()));
        self.transaction = Some(Transaction::Awaiting { until: now + within, before, lost });
        let message = format!(
            "configuration {number} is in force and waits {} s for `fairlead confirm`; without it, configuration {back_to} is \
             in force again then",
            within.as_secs()
        );
        self.log(EventName::ConfigurationAwaited, LogLevel::Warn, message);
    }

    /// The operator keeps it.
    pub(super) fn confirm(&mut self, request_id: u64, now: Instant) -> Begun {
        match &self.transaction {
            None => {
                let number = self.configurations.last().number;
                let message =
                    format!("nothing waits for a confirmation: configuration {number} is in force and confirmed");
                return Err(AdminError::new(Code::Refused, message));
            }
            Some(Transaction::Preparing { .. }) => {
                let message = "the configuration is not in force yet: confirm it when the reload has answered";
                return Err(AdminError::new(Code::Refused, message));
            }
            Some(Transaction::Awaiting { .. }) => self.transaction = None,
        }
        self.configurations.confirm();
        self.kept.changed();
        // What it has taken away of the operator's settings is not kept any longer.
        self.saves.changed();
        self.review_file(now);
        self.log(
            EventName::ConfigurationConfirmed,
            LogLevel::Info,
            format!("configuration {} confirmed by the operator", self.configurations.last().number),
        );
        self.when_installed(request_id, Then::Confirmed, now);
        Ok(None)
    }

    /// The answer to who has confirmed.
    pub(super) fn confirmed(&self) -> Result<Data, AdminError> {
        let number = self.configurations.last().number;
        if !self.kept.is_saved() {
            let place = self.kept.place.as_deref().unwrap_or_default();
            let message = format!(
                "configuration {number} is confirmed, but that is not written to {place}: a restart would bring the one before \
                 back. It is tried until it is; `fairlead status` says while it fails"
            );
            return Err(AdminError::new(Code::Refused, message));
        }
        Ok(Data::Confirmed(Confirmed { number, differs_from_file: self.configurations.differ_from_file() }))
    }

    /// The one before is in force again if nobody has confirmed in time.
    pub(super) fn poll_transaction(&mut self, now: Instant) {
        if matches!(&self.transaction, Some(Transaction::Preparing { until, .. }) if *until <= now) {
            let why = format!("the disk has not taken it within {} s", SAVED_WITHIN.as_secs());
            return self.finish_preparing(Err(why), now);
        }
        let is_late = |one: &mut Transaction| matches!(one, Transaction::Awaiting { until, .. } if *until <= now);
        let Some(Transaction::Awaiting { before, lost, .. }) = self.transaction.take_if(is_late) else { return };
        let (number, back) = (self.configurations.last().number, self.configurations.confirmed().clone());
        let message = format!(
            "configuration {number} was not confirmed in time: configuration {} is in force again. The file is as it was \
             written: `fairlead diff` compares it",
            back.number
        );
        self.log(EventName::ConfigurationExpired, LogLevel::Warn, message);
        // What was set under the one that goes may be what the one before says itself.
        let set = self.operator_state();
        self.take_over((*before).clone(), now);
        self.set_again(lost.without(&set), UNCONFIRMED, now);
        let changes = Some(format!("back to {}: {number} was not confirmed in time", back.number));
        let file = Arc::clone(self.configurations.file());
        let cause = ConfigurationCause::Rollback;
        self.configurations.record(
            NewEntry { cause, changes, text: back.text, is_confirmed: true },
            &file,
            self.wall(now),
        );
        self.kept.changed();
        self.review_file(now);
    }

    /// When [`Controller::poll_transaction`] has something to do.
    pub(super) fn next_of_transaction(&self) -> Option<Instant> {
        match self.transaction.as_ref()? {
            Transaction::Awaiting { until, .. } | Transaction::Preparing { until, .. } => Some(*until),
        }
    }

    /// What waits for a confirmation, for `status`.
    pub(super) fn awaited(&self, now: Instant) -> Option<AwaitedRow> {
        let Some(Transaction::Awaiting { until, .. }) = &self.transaction else { return None };
        Some(AwaitedRow {
            number: self.configurations.last().number,
            back_to: self.configurations.confirmed().number,
            until: self.wall(*until),
            left_s: until.since(now).as_millis().div_ceil(1_000) as u64,
        })
    }

    /// The appliance ends: what is not in force yet never will be, and what is not confirmed will not be after the next start.
    pub(super) fn end_transaction(&mut self) {
        match self.transaction.take() {
            Some(Transaction::Preparing { proposed, file, .. }) => {
                self.configurations.forget_unconfirmed(&file);
                self.kept.changed();
                let why = "the appliance is shutting down";
                self.refuse_reload(proposed.request_id, Code::Stopping, why, why.into());
            }
            Some(awaiting @ Transaction::Awaiting { .. }) => {
                // What it has taken away is still to be saved.
                self.transaction = Some(awaiting);
                let [last, next] = [self.configurations.last().number, self.configurations.confirmed().number];
                let message = format!(
                    "configuration {last} was not confirmed: the next start is with configuration {next}, unless the file is \
                     written before"
                );
                self.log(EventName::ConfigurationExpired, LogLevel::Warn, message);
            }
            None => {}
        }
    }

    /// Has what is kept saved, if it is not.
    pub(super) fn save_configurations(&mut self, now: Instant) {
        if let Some(change) = self.kept.next(now) {
            let all = Box::new(self.configurations.clone());
            self.outputs.push(Output::SaveConfigurations { change, all });
        }
    }

    /// Says while the file is not what is in force.
    pub(super) fn review_file(&mut self, now: Instant) {
        let number = self.configurations.last().number;
        match self.configurations.differ_from_file() {
            true => {
                let message = format!(
                    "the file is not what is in force, configuration {number}, with which the appliance also starts as long as \
                     the file is not written: `fairlead diff` compares them, `fairlead reload` applies the file"
                );
                self.outputs.raise(DIFFERS, (AlarmCode::ConfigurationDiffers, Subject::none()), message, now);
            }
            false => {
                _ = self.outputs.clear(DIFFERS, || format!("the file says what is in force, configuration {number}"))
            }
        }
    }
}

/// The differences in one line of bounded length; `None`: there are none.
fn summary(proposed: &Proposed) -> Option<String> {
    let changes: Vec<String> = proposed.changes.iter().map(Change::to_string).collect();
    let back = proposed.how.back_to.map_or_else(String::new, |number| format!("back to {number}: "));
    (!changes.is_empty()).then(|| shortened(&format!("{back}{}", changes.join("; "))))
}

fn shortened(line: &str) -> String {
    let mut short: String = visible(line).chars().take(LINE).collect();
    if line.chars().nth(LINE).is_some() {
        short.push('…');
    }
    short
}
