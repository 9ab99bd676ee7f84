//! What an operator has set at the active appliance of a pair, in force at the one that stands by.
//!
//! Owns that the active one's word replaces what was set here: after a take-over it is as it was. Who stands by refuses to be told otherwise
//! while the active one is heard.

use super::controller::Controller;
use super::operator_state::{OperatorState, SavedMember};
use super::settings::{Members, pools_kept};
use crate::admin::Request;
use crate::admin::answer::{AdminError, Code};
use crate::admin::rows::{AdminState, Cause, Wall};
use crate::config::{LogLevel, count};
use crate::events::EventName;
use crate::policy::intent::{MemberId, PairRole, PoolId};
use crate::time::Instant;
use std::collections::BTreeMap;

impl Controller {
    /// What was set there is set here.
    pub(super) fn follow_settings(&mut self, settings: &OperatorState, now: Instant) {
        let before = self.operator_state();
        let members = Members::of(&self.file.intent);
        self.follow_members(settings, &members);
        let found = pools_kept(&settings.pools, &self.file.intent);
        let set: BTreeMap<PoolId, _> =
            found.into_iter().zip(&settings.pools).filter_map(|(id, set)| Some((id?, set))).collect();
        let all: Vec<PoolId> = self.intent.pools.ids().collect();
        for id in all {
            let set = set.get(&id).copied();
            let forced = set.and_then(|set| set.forced.as_ref()).and_then(|choice| {
                let member = members.find(choice.address, &choice.name)?;
                let is_here = self.intent.pools[id].members.contains(&member) && self.shares_work(id).is_none();
                is_here.then_some((member, choice.since))
            });
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
        let after = self.operator_state();
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
        let peer = self.pairing.as_ref().and_then(|pairing| pairing.peer());
        let follows =
            self.pair_link.is_up() && !self.is_active() && peer.is_some_and(|(peer, _)| peer.role == PairRole::Active);
        if !sets || !follows {
            return Ok(());
        }
        let message = format!(
            "this appliance stands by, and is as {}, the active one, has been set: set it there, and it will be so here as well",
            self.pair_link.name()
        );
        Err(AdminError::new(Code::Refused, message))
    }
}
