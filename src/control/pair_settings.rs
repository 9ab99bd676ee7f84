//! What an operator has set at the active appliance of a pair, in force at the one that stands by.
//!
//! Owns that the active one's word replaces what was set here, with a line of the log for each: after a take-over it is as it was. What it
//! says of things that are not here is kept until they are, and said again by whoever is active. Who stands by refuses to be told otherwise
//! while the active one is heard.

use super::controller::Controller;
use super::operator_state::{OperatorState, SavedChoice, SavedMember};
use super::proposed::Transaction;
use super::settings::{LINES, Members, pools_kept};
use crate::admin::Request;
use crate::admin::answer::{AdminError, Code};
use crate::admin::rows::{AdminState, Cause, Wall};
use crate::config::{LogLevel, count};
use crate::events::EventName;
use crate::policy::intent::{MemberId, PairRole, PoolId};
use crate::time::Instant;
use std::collections::BTreeMap;

/// What came between a setting at the active appliance and its being in force here.
const PLACED: &str = "this file was taken over";

impl Controller {
    /// What was set there is set here, as far as it is about what is here.
    pub(super) fn follow_settings(&mut self, settings: &OperatorState, now: Instant) {
        let before = self.operator_state();
        let members = Members::of(&self.file.intent);
        self.follow_members(settings, &members);
        self.follow_pools(settings, &members);
        let after = self.operator_state();
        self.log_replaced(&before, &after, settings);
        let unplaced = self.not_here(settings, &members);
        let mut is_other = std::mem::replace(&mut self.pair_link.unplaced, unplaced) != self.pair_link.unplaced;
        // What a configuration that waits to be confirmed has taken away is as that one has it as well.
        if let Some(Transaction::Awaiting { lost, .. }) = &mut self.transaction {
            is_other |= std::mem::take(&mut **lost) != OperatorState::default();
        }
        self.pair_link.heard = settings.clone();
        if is_other {
            self.saves.changed();
        }
        if (&before.members, &before.pools) == (&after.members, &after.pools) {
            return;
        }
        self.lay_exclusions_over(now);
        self.drains.look = None;
        self.saves.changed();
        self.choose(Cause::Operator, now);
        let message = format!(
            "as the active appliance of the pair has it: {} of the operator in force",
            count(self.settings(), "setting")
        );
        self.log(EventName::StateRestored, LogLevel::Info, message);
    }

    fn follow_pools(&mut self, settings: &OperatorState, members: &Members) {
        let found = pools_kept(&settings.pools, &self.file.intent);
        let set: BTreeMap<PoolId, _> =
            found.into_iter().zip(&settings.pools).filter_map(|(id, set)| Some((id?, set))).collect();
        let all: Vec<PoolId> = self.intent.pools.ids().collect();
        for id in all {
            let set = set.get(&id).copied();
            let forced = set.and_then(|set| set.forced.as_ref());
            let forced = forced.and_then(|choice| Some((self.chosen_here(choice, id, members)?, choice.since)));
            let pool = self.pools.pool(id);
            if pool.forced != forced.map(|(member, _)| member) || pool.restored.is_some() {
                self.pools.force(
                    id,
                    forced.map(|(member, _)| member),
                    forced.map_or(Wall::default(), |(_, since)| since),
                );
            }
            let (added, removed) = set.map(|set| (set.added.clone(), set.removed.clone())).unwrap_or_default();
            if self.exclusions.of(id) != (added.clone(), removed.clone())
                && let Some(snat) = self.file.intent.snats.iter().find(|snat| snat.pool == id)
            {
                self.exclusions.follow(snat, &added, &removed);
            }
        }
    }

    /// The member that is forced so, if it can be in this pool here.
    fn chosen_here(&self, choice: &SavedChoice, pool: PoolId, members: &Members) -> Option<MemberId> {
        let member = members.find(choice.address, &choice.name)?;
        let is_here = self.intent.pools[pool].members.contains(&member) && self.shares_work(pool).is_none();
        is_here.then_some(member)
    }

    /// What of it is about members, pools and exclusion groups that the file here does not have.
    fn not_here(&self, settings: &OperatorState, members: &Members) -> OperatorState {
        let is_gone = |set: &&SavedMember| members.find(set.address, &set.name).is_none();
        let found = pools_kept(&settings.pools, &self.file.intent);
        let pools = settings.pools.iter().zip(found).filter_map(|(set, id)| {
            let Some(id) = id else { return Some(set.clone()) };
            let mut left = set.clone();
            left.forced.take_if(|choice| self.chosen_here(choice, id, members).is_some());
            if self.file.intent.snats.iter().any(|snat| snat.pool == id) {
                (left.added, left.removed) = Default::default();
            }
            (!left.is_empty()).then_some(left)
        });
        let (members, pools) = (settings.members.iter().filter(is_gone).cloned().collect(), pools.collect());
        OperatorState { members, pools, acknowledged: Vec::new() }
    }

    /// Another file is in force, before which `set` was in force of the operator's settings. Of the other appliance's, what has come to be
    /// here is set; of a standby's, what has gone may still be in force at the active one, and is kept for when it says so.
    pub(super) fn place_settings(&mut self, set: &OperatorState, now: Instant) {
        let mut all = std::mem::take(&mut self.pair_link.unplaced);
        if self.pairing.is_some() && !self.is_active() {
            all = all.with(&set.clone().without(&self.operator_state()));
        }
        if all == OperatorState::default() {
            return;
        }
        self.pair_link.unplaced = self.not_here(&all, &Members::of(&self.file.intent));
        let here = all.without(&self.pair_link.unplaced);
        if here != OperatorState::default() {
            self.set_again(here, PLACED, now);
        }
    }

    /// What was set here and not there is lost: each with what has to be typed to have it again.
    fn log_replaced(&mut self, before: &OperatorState, after: &OperatorState, settings: &OperatorState) {
        let kept = [after, &self.pair_link.heard, settings].map(OperatorState::commands);
        let is_lost = |line: &String| kept.iter().all(|known| !known.contains(line));
        let lost: Vec<String> = before.commands().into_iter().filter(is_lost).collect();
        let name = self.pair_link.name().to_owned();
        for line in lost.iter().take(LINES) {
            let message =
                format!("set here, but not at {name}, which is active: it gives way. `{line}` there sets it again");
            self.log(EventName::StateForgotten, LogLevel::Warn, message);
        }
        if lost.len() > LINES {
            let message =
                format!("{} more were set here, but not at {name}, and give way", count(lost.len() - LINES, "setting"));
            self.log(EventName::StateForgotten, LogLevel::Warn, message);
        }
    }

    fn follow_members(&mut self, settings: &OperatorState, members: &Members) {
        let found = settings.members.iter().filter_map(|set| Some((members.find(set.address, &set.name)?, set)));
        let set: BTreeMap<MemberId, &SavedMember> = found.collect();
        let all: Vec<MemberId> = self.intent.members.ids().collect();
        for id in all {
            let status = self.pools.member(id);
            match set.get(&id) {
                Some(SavedMember { admin, since, until, .. }) => {
                    let until = until.filter(|_| *admin == AdminState::Draining);
                    if (status.admin, status.drain.until) != (*admin, until) {
                        self.pools.set_admin(id, *admin, *since);
                        self.pools.limit_drain(id, until);
                    }
                }
                None if status.is_set() => _ = self.pools.unset_admin(id),
                None => {}
            }
        }
    }

    /// This one stands by, and the other one is connected and active.
    pub(super) fn follows_peer(&self) -> bool {
        let peer = self.pairing.as_ref().and_then(|pairing| pairing.peer());
        self.pair_link.is_up() && !self.is_active() && peer.is_some_and(|(peer, _)| peer.role == PairRole::Active)
    }

    /// What is set here while this appliance stands by would be replaced by what the active one says.
    ///
    /// # Errors
    /// It is, and that one is heard.
    pub(super) fn check_is_not_following(&self, request: &Request) -> Result<(), AdminError> {
        let sets = matches!(
            request,
            Request::MemberSet { .. }
                | Request::PoolForce { .. }
                | Request::PoolAuto { .. }
                | Request::ExcludeAdd { .. }
                | Request::ExcludeRemove { .. }
                | Request::StateDrop {}
                | Request::DrillBegin { .. }
        );
        if !sets || !self.follows_peer() {
            return Ok(());
        }
        let message = format!(
            "this appliance stands by, and is as {}, the active one, has been set: set it there, and it will be so here as well",
            self.pair_link.name()
        );
        Err(AdminError::new(Code::Refused, message))
    }
}
