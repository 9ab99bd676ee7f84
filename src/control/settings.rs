//! What the operator has set: over a restart and back, beside what the file says, and dropped.
//!
//! Owns how what was kept is laid over the file at a start, and what is said of it. Nothing here keeps the appliance from starting
//! or an operator from his answer.

use super::controller::Controller;
use super::drains::Drain;
use super::operator_state::{OperatorState, SavedAcknowledgement, SavedChoice, SavedMember, SavedPool, SavedState};
use super::outbox::Output;
use super::pools::{MemberStatus, Switched};
use super::proposed::Transaction;
use super::requests::Begun;
use super::restored::Restored;
use super::waiting::Then;
use crate::admin::events::Subject;
use crate::admin::rows::{AdminState, Cause, SettingKind, SettingRow, Wall};
use crate::config::{LogLevel, count};
use crate::events::{AlarmCode, EventName};
use crate::policy::Intent;
use crate::policy::intent::{Member, MemberId, PoolId};
use crate::time::Instant;
use ipnet::Ipv4Net;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// Prefixes of one pool, and settings that are lost, of which each has its own line in the log.
pub(super) const LINES: usize = 20;
/// What came between a setting and its being taken up again.
const RESTART: &str = "the restart";
pub(super) const UNCONFIRMED: &str = "a configuration that was not confirmed";
/// The alarms.
const UNREAD: &str = "operator-state-unread";
const UNSAVED: &str = "operator-state-unsaved";

impl Controller {
    /// Lays what was kept over the file; called once, before anything else happens.
    pub(super) fn restore(&mut self, now: Instant) {
        let Some(SavedState { place, found }) = self.machine.saved.take() else { return };
        self.saves.place = Some(place.clone());
        match found {
            Ok(found) => {
                self.restore_all(&found.unwrap_or_default(), now);
                // Also shows at once whether anything can be saved there.
                self.saves.changed();
            }
            Err(why) => {
                let message = format!(
                    "{place} cannot be used: {why}. Nothing that the operator had set before the restart is in force: look \
                     at `fairlead members` and `fairlead exclude list`. The file is moved aside by the next change"
                );
                self.outputs.raise(UNREAD, (AlarmCode::StateUnread, Subject::none()), message, now);
            }
        }
    }

    fn restore_all(&mut self, kept: &OperatorState, now: Instant) {
        self.outputs.alarms.restore(kept.acknowledged.iter().filter_map(SavedAcknowledgement::parts), now);
        let members = Members::of(&self.file.intent);
        for member in &kept.members {
            let SavedMember { address, admin, since, until, .. } = *member;
            match members.find(address, &member.name) {
                Some(id) => {
                    self.pools.set_admin(id, admin, since);
                    self.pools.limit_drain(id, until.filter(|_| admin == AdminState::Draining));
                    if !self.pools.member(id).is_set() {
                        continue;
                    }
                    let (name, admin) = (&self.intent.members[id].name, set_text(self.pools.member(id)));
                    let message = format!("member {name}: {admin}, as the operator had set it before the restart");
                    self.outputs.log_of(EventName::StateRestored, LogLevel::Warn, self.subject_of_member(id), message);
                }
                None => self.not_restored(&format!("member {address} was {admin}"), "no member has that address"),
            }
        }
        let found = pools_kept(&kept.pools, &self.file.intent);
        for (pool, id) in kept.pools.iter().zip(found) {
            match id {
                Some(id) => self.restore_pool(pool, id, &members, now),
                None => {
                    let which = pool.name.escape_debug();
                    self.not_restored(&format!("something was set of pool {which}"), "the file has no such pool");
                }
            }
        }
        self.lay_exclusions();
    }

    /// A member, as events have it.
    pub(super) fn subject_of_member(&self, id: MemberId) -> Subject {
        let member = &self.intent.members[id];
        Subject::member(&member.name, self.pool_name(member.pool))
    }

    fn not_restored(&mut self, what: &str, why: &str) {
        let message = format!("{what} before the restart, set by the operator; {why} now: forgotten");
        self.log(EventName::StateForgotten, LogLevel::Warn, message);
    }

    fn restore_pool(&mut self, kept: &SavedPool, id: PoolId, members: &Members, now: Instant) {
        if let Some(choice) = &kept.forced {
            self.restore_choice(choice, id, members, now);
        }
        let name = self.pool_name(id);
        let changes = [(&kept.added, true), (&kept.removed, false)];
        if changes.iter().all(|(prefixes, _)| prefixes.is_empty()) {
            return;
        }
        let Some(snat) = self.file.intent.snats.iter().find(|snat| snat.pool == id).cloned() else {
            return self.not_restored(
                &format!("pool {name}: its exclusion group was changed"),
                "the file has no [[snat]] for the pool",
            );
        };
        for (prefixes, add) in changes {
            let restored = self.exclusions.restore(&snat, prefixes, add);
            self.log_restored_prefixes(&name, &restored, add);
        }
    }

    fn restore_choice(&mut self, choice: &SavedChoice, id: PoolId, members: &Members, now: Instant) {
        if let Err(why) = self.take_up_choice(choice, id, members, RESTART, now) {
            let what = format!("pool {}: member {} was forced active", self.pool_name(id), choice.address);
            self.not_restored(&what, &why);
        }
    }

    /// Whoever was forced before `before` is forced again, once he answers: he may not have been probed since, or be gone.
    fn take_up_choice(
        &mut self,
        choice: &SavedChoice,
        id: PoolId,
        members: &Members,
        before: &'static str,
        now: Instant,
    ) -> Result<(), String> {
        let member = members.find(choice.address, &choice.name);
        let member = member.filter(|member| self.intent.members[*member].pool == id);
        let member = member.ok_or("it is no member of the pool")?;
        if let Some(why) = self.shares_work(id) {
            return Err(why);
        }
        if self.pools.member(member).admin == AdminState::Offline {
            return Err("it is offline".into());
        }
        let asks = &self.intent.pools[id].monitors;
        let first = asks.iter().map(|id| self.intent.monitors[*id].timeout).max().unwrap_or_default();
        let first = first.min(self.intent.pools[id].gap);
        self.pools.restore_force(id, member, choice.since, Restored::new(first, before, now));
        let pool = self.pool_name(id);
        let (about, member) = (self.subject_of_member(member), &self.intent.members[member].name);
        let message =
            format!("pool {pool}: {member} forced active once it answers, as by the operator before {before}");
        self.outputs.log_of(EventName::StateRestored, LogLevel::Warn, about, message);
        Ok(())
    }

    fn log_restored_prefixes(&mut self, pool: &str, prefixes: &[Ipv4Net], add: bool) {
        let said = if add { "added to" } else { "removed from" };
        let how = format!("{said} the exclusion group, as by the operator before the restart");
        for prefix in prefixes.iter().take(LINES) {
            let message = format!("pool {pool}: {prefix} {how}");
            self.outputs.log_of(EventName::StateRestored, LogLevel::Warn, Subject::pool(pool).and(prefix), message);
        }
        if prefixes.len() > LINES {
            let more = prefixes.len() - LINES;
            let message = format!("pool {pool}: {more} more {how}");
            self.outputs.log_of(EventName::StateRestored, LogLevel::Warn, Subject::pool(pool), message);
        }
    }

    /// What the operator had set is set again, as far as it has gone with what another configuration has taken away; of what he has
    /// set since, the later word counts. `before` is what came between.
    pub(super) fn set_again(&mut self, lost: OperatorState, before: &'static str, now: Instant) {
        let set = lost.without(&self.operator_state());
        let members = Members::of(&self.file.intent);
        for SavedMember { address, name, admin, since, until } in &set.members {
            if let Some(id) = members.find(*address, name) {
                self.pools.set_admin(id, *admin, *since);
                self.pools.limit_drain(id, until.filter(|_| *admin == AdminState::Draining));
            }
        }
        let found = pools_kept(&set.pools, &self.file.intent);
        for (pool, id) in set.pools.iter().zip(found).filter_map(|(pool, id)| Some((pool, id?))) {
            let choice = pool.forced.as_ref().map(|choice| self.take_up_choice(choice, id, &members, before, now));
            if let Some(Err(why)) = choice {
                let name = self.pool_name(id);
                self.log(
                    EventName::StateForgotten,
                    LogLevel::Warn,
                    format!("pool {name}: the member that was forced active is not any more: {why}"),
                );
            }
            if let Some(snat) = self.file.intent.snats.iter().find(|snat| snat.pool == id).cloned() {
                self.exclusions.restore(&snat, &pool.added, true);
                self.exclusions.restore(&snat, &pool.removed, false);
            }
        }
        self.lay_exclusions_over(now);
        self.choose(Cause::Operator, now);
        self.saves.changed();
    }

    /// Everything that the operator has set, as it is kept.
    pub(super) fn operator_state(&self) -> OperatorState {
        let members = self.intent.members.entries().filter_map(|(id, member)| {
            let status = self.pools.member(id);
            let MemberStatus { admin, admin_since: since, drain: Drain { until, .. }, .. } = *status;
            let kept = || SavedMember { address: member.address, name: member.name.clone(), admin, since, until };
            status.is_set().then(kept)
        });
        let pools = self.intent.pools.entries().filter_map(|(id, pool)| {
            let status = self.pools.pool(id);
            let forced = status.forced.map(|member| {
                let member = &self.intent.members[member];
                SavedChoice { address: member.address, name: member.name.clone(), since: status.forced_since }
            });
            let (added, removed) = self.exclusions.of(id);
            (forced.is_some() || !added.is_empty() || !removed.is_empty()).then(|| SavedPool {
                name: pool.name.clone(),
                members: pool.members.iter().map(|id| self.intent.members[*id].address).collect(),
                forced,
                added,
                removed,
            })
        });
        let acknowledged = self.acknowledged().into_iter().map(SavedAcknowledgement::new).collect();
        OperatorState { members: members.collect(), pools: pools.collect(), acknowledged }
    }

    /// Has the latest change saved, if one is not.
    pub(super) fn save_state(&mut self, now: Instant) {
        if let Some(change) = self.saves.next(now) {
            let mut state = self.operator_state().with(&self.pair_link.unplaced);
            if let Some(Transaction::Awaiting { lost, .. }) = &self.transaction {
                state = state.with(lost);
            }
            let state = Box::new(state);
            self.outputs.push(Output::SaveState { change, state });
        }
    }

    /// A save has ended.
    pub(super) fn on_saved(&mut self, change: u64, outcome: Result<(), String>, now: Instant) {
        self.saves.ended(change, outcome.is_ok(), now);
        match outcome {
            Ok(()) => {
                self.outputs.clear(UNSAVED, || "what the operator has set is saved".into());
                self.outputs.clear(UNREAD, || "what the operator has set is saved again".into());
            }
            Err(why) => {
                let place = self.saves.place.as_deref().unwrap_or_default();
                let message = format!(
                    "what the operator sets is not saved and would be lost by a restart: {place}: {why}. It is tried again \
                     every few seconds; `state` under [appliance] names another folder"
                );
                self.outputs.raise(UNSAVED, (AlarmCode::StateUnsaved, Subject::none()), message, now);
            }
        }
    }

    /// Everything in which the appliance differs from its file because an operator said so.
    pub(super) fn setting_rows(&self) -> Vec<SettingRow> {
        let set = |(id, _): &(MemberId, &Member)| self.pools.member(*id).is_set();
        let members = self.intent.members.entries().filter(set).map(|(id, member)| SettingRow {
            kind: SettingKind::Member,
            pool: self.pool_name(member.pool),
            what: member.name.clone(),
            setting: set_text(self.pools.member(id)),
            file: self.pools.member(id).admin_file.to_string(),
            since: self.pools.member(id).admin_since,
        });
        let pools = self.operator_state().pools.into_iter().flat_map(|pool| {
            let row = |kind, what: String, setting: &str, file: &str, since| {
                let (setting, file) = (setting.to_owned(), file.to_owned());
                SettingRow { kind, pool: pool.name.clone(), what, setting, file, since }
            };
            let forced = pool.forced.iter().map(|choice| {
                row(SettingKind::Choice, choice.name.clone(), "forced active", "automatic selection", choice.since)
            });
            let prefix =
                |setting, file| move |(prefix, since): (&Ipv4Net, &Wall)| (prefix.to_string(), setting, file, *since);
            let added = pool.added.iter().map(prefix("excluded", "not excluded"));
            let removed = pool.removed.iter().map(prefix("not excluded", "excluded"));
            let exclusions = added
                .chain(removed)
                .map(|(what, setting, file, since)| row(SettingKind::Exclusion, what, setting, file, since));
            forced.chain(exclusions).collect::<Vec<_>>()
        });
        members.chain(pools).collect()
    }

    /// How many rows that are.
    pub(super) fn settings(&self) -> usize {
        let members = self.intent.members.ids().filter(|id| self.pools.member(*id).is_set()).count();
        let pools = self
            .intent
            .pools
            .entries()
            .map(|(id, _)| usize::from(self.pools.pool(id).forced.is_some()) + self.exclusions.count(id));
        members + pools.sum::<usize>()
    }

    /// The file alone counts from now on.
    pub(super) fn drop_state(&mut self, request_id: u64, now: Instant) -> Begun {
        let rows = self.setting_rows();
        let wall = self.wall(now);
        let members: Vec<MemberId> = self.intent.members.ids().collect();
        members.into_iter().for_each(|id| _ = self.pools.unset_admin(id));
        let pools: Vec<PoolId> = self.intent.pools.entries().map(|(id, _)| id).collect();
        pools.into_iter().for_each(|id| self.pools.force(id, None, wall));
        self.exclusions.clear();
        if let Some(Transaction::Awaiting { lost, .. }) = &mut self.transaction {
            **lost = OperatorState::default();
        }
        self.pair_link.unplaced = OperatorState::default();
        self.lay_exclusions_over(now);
        self.saves.changed();
        let message = format!("{} of the operator dropped by the operator", count(rows.len(), "setting"));
        self.log(EventName::StateDropped, LogLevel::Warn, message);
        self.when_installed(request_id, Then::Dropped(rows), now);
        Ok(None)
    }

    /// The operator's exclusions have changed: so does what is meant.
    pub(super) fn lay_exclusions_over(&mut self, now: Instant) {
        self.lay_exclusions();
        self.publisher.changed(now);
    }

    fn lay_exclusions(&mut self) {
        let mut intent = self.exclusions.laid_over(&self.file.intent);
        self.exclusions.settle(&self.intent, &mut intent);
        intent.learned = Arc::clone(&self.intent.learned);
        self.intent = intent;
    }

    /// The operator's choice made this switchover, not a monitor.
    pub(super) fn is_forced(&self, switched: &Switched) -> bool {
        let pool = self.pools.pool(switched.pool);
        pool.is_forced() && pool.forced == switched.to
    }
}

/// How the operator has set a member, such as `offline`, or `draining until 2026-11-22T13:34:05.000000Z`.
fn set_text(member: &MemberStatus) -> String {
    match member.drain.until {
        Some(until) => format!("{} until {until}, then offline", member.admin),
        None => member.admin.to_string(),
    }
}

/// The members of a file, by what they are known by.
pub(super) struct Members {
    addresses: HashMap<Ipv4Addr, MemberId>,
    names: HashMap<String, MemberId>,
}

impl Members {
    pub(super) fn of(file: &Intent) -> Members {
        let all = || file.members.entries();
        Members {
            addresses: all().map(|(id, member)| (member.address, id)).collect(),
            names: all().map(|(id, member)| (member.name.clone(), id)).collect(),
        }
    }

    /// By its address, else by its name.
    pub(super) fn find(&self, address: Ipv4Addr, name: &str) -> Option<MemberId> {
        self.addresses.get(&address).or_else(|| self.names.get(name)).copied()
    }
}

/// Which pool of the file each is: by its name, else the one with the same members whose name nobody has.
pub(super) fn pools_kept(kept: &[SavedPool], file: &Intent) -> Vec<Option<PoolId>> {
    let mut by_name: BTreeMap<&str, PoolId> = file.pools.entries().map(|(id, pool)| (pool.name.as_str(), id)).collect();
    let named: Vec<Option<PoolId>> = kept.iter().map(|one| by_name.remove(one.name.as_str())).collect();
    let mut by_members: BTreeMap<BTreeSet<Ipv4Addr>, PoolId> = by_name
        .into_values()
        .map(|id| (file.pools[id].members.iter().map(|member| file.members[*member].address).collect(), id))
        .collect();
    let of = |one: &SavedPool| one.members.iter().copied().collect::<BTreeSet<_>>();
    kept.iter().zip(named).map(|(one, id)| id.or_else(|| by_members.remove(&of(one)))).collect()
}
