//! A new file, all or nothing.
//!
//! Owns what a reload refuses and the order in which it takes effect. What the operator said by hand and what probes
//! found stays with the names that survive. Reads no file: the text has become a [`Configuration`] elsewhere.

use super::controller::Controller;
use super::outbox::Output;
use super::preview::PATIENCE;
use super::proposed::{FileRead, How, Proposed, Reading, acceptable};
use super::requests::Begun;
use super::waiting::{Comparing, Pending, Then};
use crate::admin::answer::{AdminError, Code};
use crate::admin::configurations::LostServiceRow;
use crate::admin::named::listed;
use crate::admin::request::FileText;
use crate::admin::rows::{AdminState, Cause};
use crate::config::{Configuration, LogLevel, count, difference};
use crate::events::EventName;
use crate::policy::health::State;
use crate::policy::ids::carry_over;
use crate::policy::intent::{MemberId, PoolId};
use crate::time::Instant;
use std::sync::Arc;

impl Controller {
    /// An operator wants to know what a file would change: this one, or the appliance's own.
    pub(super) fn begin_diff(&mut self, request_id: u64, name: Option<String>, text: Option<FileText>) -> Begun {
        if let Some(why) = self.another_comparison() {
            return Err(AdminError::new(Code::Busy, why));
        }
        self.readings.insert(request_id, Reading::Diff);
        self.outputs.push(match text {
            Some(FileText(text)) => {
                let name = name.unwrap_or_else(|| "the file".into());
                Output::ReadText { request_id, name, text: text.into() }
            }
            None => Output::ReadFile { request_id: Some(request_id) },
        });
        Ok(None)
    }

    /// An operator wants the file to be taken over.
    pub(super) fn begin_reload(&mut self, request_id: u64, how: How, now: Instant) -> Result<(), AdminError> {
        if let Some(why) = self.in_the_way(now) {
            return Err(AdminError::new(Code::Refused, why));
        }
        self.readings.insert(request_id, Reading::TakeOver(how));
        self.outputs.push(Output::ReadFile { request_id: Some(request_id) });
        Ok(())
    }

    /// A file was read.
    pub(super) fn on_read(&mut self, request_id: Option<u64>, file: FileRead, now: Instant) {
        let reading = request_id.and_then(|id| Some((id, self.readings.remove(&id)?)));
        match (reading, file.read) {
            (Some((id, Reading::Diff)), _) if self.stopping.is_some() => {
                self.tell(id, Err(AdminError::new(Code::Stopping, "the appliance is shutting down")));
            }
            (Some((id, Reading::Diff)), Ok(configuration)) => self.preview(id, &configuration, now),
            (Some((id, Reading::Diff)), Err(errors)) => {
                self.tell(id, Err(AdminError::new(Code::BadFile, errors.to_string())));
            }
            (reading, read) => {
                let how = match reading {
                    Some((_, Reading::TakeOver(how))) => how,
                    _ => How::default(),
                };
                self.reload(request_id, FileRead { read, ..file }, how, now);
            }
        }
    }

    /// The file was read, to be taken over.
    fn reload(&mut self, request_id: Option<u64>, file: FileRead, how: How, now: Instant) {
        if self.stopping.is_some() {
            let why = "the appliance is shutting down";
            return self.refuse_reload(request_id, Code::Stopping, why, why.into());
        }
        if let Some(why) = self.in_the_way(now) {
            return self.refuse_reload(request_id, Code::Refused, &why.clone(), why);
        }
        if how.life.is_some_and(|life| life != self.file.intent.lives.now) {
            let why = "another configuration was taken over meanwhile: try again";
            return self.refuse_reload(request_id, Code::Refused, why, why.into());
        }
        let configuration = match file.read {
            Ok(configuration) => configuration,
            Err(errors) => {
                return self.refuse_reload(request_id, Code::BadFile, &errors.brief(), errors.to_string());
            }
        };
        let changes = difference(&self.file, &configuration);
        if let Err(why) = acceptable(&changes) {
            return self.refuse_reload(request_id, Code::Refused, &why.clone(), why);
        }
        // With a limit on what it may do that is refused anyway, once it is known.
        if !how.yes
            && how.max_impact.is_none()
            && let Some(why) = self.leaves_nobody(&configuration)
        {
            return self.refuse_reload(request_id, Code::Refused, &why.clone(), why);
        }
        let (life, text) = (self.file.intent.lives.now, file.text);
        let known = || Arc::clone(self.configurations.file());
        let file = file.file.unwrap_or_else(known);
        let proposed = Box::new(Proposed { request_id, configuration, life, changes, how, text, file });
        match (how.max_impact, request_id) {
            (Some(_), Some(request_id)) => {
                if let Some(why) = self.another_comparison() {
                    return self.refuse_reload(Some(request_id), Code::Busy, &why.clone(), why);
                }
                let asked = self.ask_impact(request_id, &proposed.configuration, proposed.changes.clone(), now);
                let pending = Pending::Preview { comparing: asked, then: Some(proposed) };
                self.waiting.push(request_id, pending, now + PATIENCE);
            }
            _ => self.execute(proposed, now),
        }
    }

    /// Why somebody has to agree: pools would be left without a member that is up, which have one now.
    fn leaves_nobody(&self, file: &Configuration) -> Option<String> {
        let next = carry_over(&self.file.intent, file.intent.clone());
        let is_up = |member: &MemberId| {
            self.intent.members.contains(*member)
                && matches!(self.pools.member(*member).state, State::Up | State::Drained)
                && !self.is_down(*member)
        };
        // One that is drained keeps the role while nobody else is up.
        let stays = |member: &MemberId| {
            is_up(member)
                && (self.pools.member(*member).is_set() || next.members[*member].admin_state != AdminState::Offline)
        };
        let is_left = |id: &PoolId| {
            let (before, after) = (&self.intent.pools[*id].members, &next.pools[*id].members);
            before.iter().any(is_up) && !after.iter().any(stays)
        };
        let both = next.pools.ids().filter(|id| self.intent.pools.contains(*id));
        let left: Vec<String> = both.filter(is_left).map(|id| next.pools[id].name.clone()).collect();
        (!left.is_empty()).then(|| {
            format!(
                "no member of {} would be up any more: the file takes away the last one that is. `fairlead diff` says more; --yes does it \
                 all the same. Nothing was changed",
                listed(left)
            )
        })
    }

    /// What another file would do to flows has been counted: it is taken over if that is not too much.
    pub(super) fn on_impact_known(&mut self, asked: Comparing, proposed: Box<Proposed>, now: Instant) {
        let found = self.previewed(asked);
        let most = proposed.how.max_impact.unwrap_or(u64::MAX);
        let why = if let Some(why) = self.in_the_way(now) {
            why
        } else if proposed.life != self.file.intent.lives.now {
            "another configuration was taken over meanwhile: try again".into()
        } else if found.resteered + found.cut > most {
            format!(
                "{} flows would be re-steered and {} cut, more than the {most} of --max-impact: `fairlead diff` says whose. Nothing \
                 was changed",
                found.resteered, found.cut
            )
        } else if !found.lose_active.is_empty() {
            format!(
                "{} would lose its active member, and with it all that is in no flow, such as SIP over UDP: `fairlead diff` says more; \
                 reload without --max-impact if that is meant. Nothing was changed",
                listed(found.lose_active)
            )
        } else if !found.lose_services.is_empty() {
            format!(
                "{} would not be served any more as now, which is in no number of flows: `fairlead diff` says why; reload \
                 without --max-impact if that is meant. Nothing was changed",
                listed(found.lose_services.iter().map(LostServiceRow::to_string))
            )
        } else if !found.exact {
            format!(
                "not every worker had looked at all of its flows within {:?}, so that more than the {most} of --max-impact may be \
                 re-steered or cut: try again when there is less to do. Nothing was changed",
                PATIENCE
            )
        } else {
            return self.execute(proposed, now);
        };
        self.refuse_reload(proposed.request_id, Code::Refused, &why.clone(), why);
    }

    fn execute(&mut self, proposed: Box<Proposed>, now: Instant) {
        if proposed.how.confirm.is_some() && !proposed.changes.is_empty() {
            return self.prepare(proposed, now);
        }
        self.record(&proposed, true, now);
        self.take_over_proposed(*proposed, now);
        self.review_file(now);
    }

    /// From here on nothing can fail.
    pub(super) fn take_over_proposed(&mut self, proposed: Proposed, now: Instant) {
        let Proposed { request_id, configuration, changes, how, .. } = proposed;
        for change in &changes {
            self.log(EventName::ReloadChange, LogLevel::Info, format!("reload: {change}"));
        }
        let done = match how.back_to {
            Some(number) => format!("rolled back to configuration {number} by the operator"),
            None => "configuration reloaded".into(),
        };
        self.log(EventName::ReloadApplied, LogLevel::Info, format!("{done}: {}", count(changes.len(), "difference")));
        self.in_force.reloaded(true, self.outputs.wall());
        if !changes.is_empty() {
            self.take_over(*configuration, now);
        }
        if let Some(request_id) = request_id {
            let within = how.confirm.filter(|_| !changes.is_empty());
            self.when_installed(request_id, Then::Reloaded(changes, within), now);
        }
    }

    /// `brief` is one line, for the log; `why` is what the operator reads.
    pub(super) fn refuse_reload(&mut self, request_id: Option<u64>, code: Code, brief: &str, why: String) {
        let message = format!("reload rejected, running configuration kept: {brief}");
        self.log(EventName::ReloadRefused, LogLevel::Error, message);
        // What the other appliance has sent is no file of this one's, and whoever sent it hears why.
        let is_sent = request_id.is_some_and(|id| self.pair_link.pushes.contains_key(&id));
        if !is_sent {
            self.in_force.reloaded(false, self.outputs.wall());
        }
        if let Some(request_id) = request_id {
            self.tell(request_id, Err(AdminError::new(code, why)));
        }
    }

    pub(super) fn take_over(&mut self, mut file: Configuration, now: Instant) {
        let set = self.operator_state();
        self.raw = Arc::new(file.clone());
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
        self.file = file;
        self.lay_routes_over(&mut intent);
        self.link.reconfigure(&intent, &self.machine.macs, now);
        let old = std::mem::replace(&mut self.intent, intent);
        self.review_silence();
        self.review_direct_access(now);
        self.plan_loads(now);
        for (pool, gone) in self.pools.reconfigure(&self.intent, &mut self.outputs, now) {
            let name = old.members[gone].name.clone();
            let reason = format!("{name} is no longer a member: the file was reloaded");
            self.record_switchover(pool, Some((gone, name)), None, (Cause::Reload, reason), now);
        }
        self.advertising.reconfigure(&self.intent);
        self.reconfigure_pair(now);
        self.drains.look = None;
        self.probing.reconfigure(&self.intent, now);
        self.checks.ports.reconfigure(&self.intent);
        self.sip.reconfigure(&self.intent, now);
        self.traffic.reconfigure(&old, &self.intent, &self.machine);
        self.health = self.fresh_health(now);
        self.probing.take_news().into_iter().for_each(|pool| self.pools.touch(pool));
        self.choose(Cause::Reload, now);
        self.publisher.changed(now);
        self.place_settings(&set, now);
        // Who is active then says again what this one did not know until now.
        self.pair_link.said = None;
        // What was set of things that are gone is forgotten, and so is what the file says itself by now.
        self.saves.changed();
    }
}
