//! A new file, all or nothing.
//!
//! Owns what a reload refuses and the order in which it takes effect. What the operator said by hand and what probes
//! found stays with the names that survive. Reads no file: the text has become a [`Configuration`] elsewhere.

use super::controller::Controller;
use super::outbox::Output;
use super::proposed::Reading;
use super::waiting::Then;
use crate::admin::answer::{AdminError, Code};
use crate::admin::request::FileText;
use crate::admin::rows::Cause;
use crate::config::{Change, ConfigErrors, Configuration, LogLevel, count, difference};
use crate::policy::ids::carry_over;
use crate::time::Instant;

impl Controller {
    /// An operator wants to know what a file would change: this one, or the appliance's own.
    pub(super) fn begin_diff(&mut self, request_id: u64, name: Option<String>, text: Option<FileText>) {
        self.readings.insert(request_id, Reading::Diff);
        self.outputs.push(match text {
            Some(FileText(text)) => {
                let name = name.unwrap_or_else(|| "the file".into());
                Output::ReadText { request_id, name, text: text.into() }
            }
            None => Output::ReadFile { request_id: Some(request_id) },
        });
    }

    /// A file was read.
    pub(super) fn on_read(
        &mut self,
        request_id: Option<u64>,
        read: Result<Box<Configuration>, ConfigErrors>,
        now: Instant,
    ) {
        let wanted = request_id.and_then(|id| Some((id, self.readings.remove(&id)?)));
        match (wanted, read) {
            (Some((id, _)), _) if self.stopping.is_some() => {
                self.tell(id, Err(AdminError::new(Code::Stopping, "the appliance is shutting down")));
            }
            (Some((id, Reading::Diff)), Ok(file)) => self.preview(id, &file, now),
            (Some((id, Reading::Diff)), Err(errors)) => {
                self.tell(id, Err(AdminError::new(Code::BadFile, errors.to_string())));
            }
            (None, read) => self.reload(request_id, read, now),
        }
    }

    /// The file was read, to be taken over.
    pub(super) fn reload(
        &mut self,
        request_id: Option<u64>,
        read: Result<Box<Configuration>, ConfigErrors>,
        now: Instant,
    ) {
        if self.stopping.is_some() {
            let why = "the appliance is shutting down";
            return self.refuse_reload(request_id, Code::Stopping, why, why.into());
        }
        let file = match read {
            Ok(file) => file,
            Err(errors) => {
                return self.refuse_reload(request_id, Code::BadFile, &errors.brief(), errors.to_string());
            }
        };
        let changes = difference(&self.file, &file);
        if let Err(why) = acceptable(&changes) {
            return self.refuse_reload(request_id, Code::Refused, &why.clone(), why);
        }
        for change in &changes {
            self.log(LogLevel::Info, format!("reload: {change}"));
        }
        self.log(LogLevel::Info, format!("configuration reloaded: {}", count(changes.len(), "difference")));
        if !changes.is_empty() {
            self.take_over(*file, now);
        }
        if let Some(request_id) = request_id {
            self.when_installed(request_id, Then::Reloaded(changes), now);
        }
    }

    /// `brief` is one line, for the log; `why` is what the operator reads.
    fn refuse_reload(&mut self, request_id: Option<u64>, code: Code, brief: &str, why: String) {
        self.log(LogLevel::Error, format!("reload rejected, running configuration kept: {brief}"));
        if let Some(request_id) = request_id {
            self.tell(request_id, Err(AdminError::new(code, why)));
        }
    }

    /// From here on nothing can fail.
    fn take_over(&mut self, mut file: Configuration, now: Instant) {
        file.intent = carry_over(&self.file.intent, file.intent);
        self.exclusions.renew(&file.intent);
        if file.settings.log != self.file.settings.log {
            self.outputs.set_level(file.settings.log);
        }
        if file.settings.metrics != self.file.settings.metrics {
            self.outputs.push(Output::Metrics(file.settings.metrics));
        }
        let mut intent = self.exclusions.laid_over(&file.intent);
        self.exclusions.settle(&self.intent, &mut intent);
        self.link.reconfigure(&intent, &self.machine.macs, now);
        let old = std::mem::replace(&mut self.intent, intent);
        self.file = file;
        self.review_silence();
        self.review_direct_access(now);
        self.plan_loads(now);
        for (pool, gone) in self.pools.reconfigure(&self.intent, &mut self.outputs, now) {
            let name = old.members[gone].name.clone();
            let reason = format!("{name} is no longer a member: the file was reloaded");
            self.record_switchover(pool, Some((gone, name)), None, (Cause::Reload, reason), now);
        }
        self.probing.reconfigure(&self.intent, now);
        self.checks.ports.reconfigure(&self.intent);
        self.sip.reconfigure(&self.intent, now);
        self.health = self.pools.health();
        self.probing.take_news().into_iter().for_each(|pool| self.pools.touch(pool));
        self.choose(Cause::Reload, now);
        self.publisher.changed(now);
        // What was set of things that are gone is forgotten, and so is what the file says itself by now.
        self.saves.changed();
    }
}

/// A reload is refused as a whole when any part of it needs a restart.
pub(super) fn acceptable(changes: &[Change]) -> Result<(), String> {
    let restart: Vec<String> = changes.iter().filter(|change| !change.live).map(Change::to_string).collect();
    if restart.is_empty() {
        return Ok(());
    }
    Err(format!("only a restart can apply this: {}. Nothing was changed", restart.join("; ")))
}
