//! A new file, all or nothing.
//!
//! Owns what a reload refuses and the order in which it takes effect. What the operator said by hand and what probes
//! found stays with the names that survive. Reads no file: the text has become a [`Configuration`] elsewhere.

use super::requests::Then;
use super::switchovers::Switchover;
use super::{Controller, Haste, Output};
use crate::admin::answer::{AdminError, Code};
use crate::admin::rows::{ChangeKind, ChangeRow, Reloaded};
use crate::config::{Change, Configuration, LogLevel, difference};
use crate::control::addresses::Addresses;
use crate::policy::Intent;
use crate::policy::intent::{MemberId, PoolId};
use crate::time::Instant;
use crate::worker::mailbox::Command;

impl Controller {
    /// The file was read.
    pub(super) fn reload(&mut self, ticket: Option<u64>, read: Result<Box<Configuration>, String>, now: Instant) {
        if self.stopping.is_some() {
            return self.refuse_reload(ticket, Code::Stopping, "the appliance is shutting down".into());
        }
        let file = match read {
            Ok(file) => file,
            Err(errors) => return self.refuse_reload(ticket, Code::BadFile, errors),
        };
        let changes = difference(&self.file, &file);
        if let Err(why) = acceptable(&changes) {
            return self.refuse_reload(ticket, Code::Refused, why);
        }
        for change in &changes {
            self.log(LogLevel::Info, format!("reload: {change}"));
        }
        let differences = match changes.len() {
            1 => "1 difference".to_owned(),
            number => format!("{number} differences"),
        };
        self.log(LogLevel::Info, format!("the file was read again: {differences}"));
        if !changes.is_empty() {
            self.take_over(*file, now);
        }
        if let Some(ticket) = ticket {
            let reloaded = Reloaded { changes: changes.iter().map(row).collect() };
            self.when_installed(ticket, Then::Reloaded(reloaded), now);
        }
    }

    fn refuse_reload(&mut self, ticket: Option<u64>, code: Code, why: String) {
        self.log(LogLevel::Error, format!("the file was not taken over, the old one stays in force: {why}"));
        if let Some(ticket) = ticket {
            self.tell(ticket, Err(AdminError::new(code, why)));
        }
    }

    /// From here on nothing can fail.
    fn take_over(&mut self, file: Configuration, now: Instant) {
        self.exclusions.renew(&file.intent);
        let mut intent = self.exclusions.laid_over(&file.intent);
        self.exclusions.settle(&self.intent, &mut intent);
        let addresses = Addresses::new(&intent, &self.macs);
        self.announcements.renew(&self.addresses, &addresses, now);
        self.neighbours.renumber(&self.addresses.heirs(&addresses));
        let old = std::mem::replace(&mut self.intent, intent);
        (self.file, self.addresses) = (file, addresses);
        for (pool, gone) in self.pools.reconfigure(&self.intent, now) {
            self.tell_removed(pool, gone, &old, now);
        }
        self.probing.reconfigure(&self.intent, &old, now);
        self.keep_neighbours(now);
        self.claims = self.claims.renewed(self.intent.snats.iter().map(|snat| snat.address));
        for worker in self.publisher.workers() {
            self.outputs.push_back(Output::ToWorker(worker, Command::Claims(self.claims.clone())));
        }
        self.health = self.pools.health();
        self.publisher.changed(Haste::Now, now);
    }

    /// The active member of a pool is no longer in the file, or in another pool now.
    fn tell_removed(&mut self, pool: PoolId, gone: MemberId, old: &Intent, now: Instant) {
        let name = old.members[gone.index()].name.clone();
        let switchover = Switchover {
            pool: self.intent.pools[pool.index()].name.clone(),
            reason: format!("{name} is no longer a member: the file was reloaded"),
            from: Some(name),
            to: None,
            last_good_answer: self.probing.monitors().last_good_answer(gone),
            detected: now,
        };
        self.tell_switchover(switchover, now);
    }
}

/// A reload is refused as a whole when any part of it needs a restart.
fn acceptable(changes: &[Change]) -> Result<(), String> {
    let restart: Vec<&str> = changes.iter().filter(|change| change.needs_restart).map(|c| c.text.as_str()).collect();
    if restart.is_empty() {
        return Ok(());
    }
    Err(format!("only a restart can take this over: {}. Nothing was changed", restart.join("; ")))
}

fn row(change: &Change) -> ChangeRow {
    let (kind, what) = match () {
        () if change.text.ends_with(" added") => (ChangeKind::Added, change.text.trim_end_matches(" added")),
        () if change.text.ends_with(" removed") => (ChangeKind::Removed, change.text.trim_end_matches(" removed")),
        () => (ChangeKind::Changed, change.text.as_str()),
    };
    ChangeRow { kind, what: what.into(), before: None, after: None }
}
