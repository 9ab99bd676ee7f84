//! What another file would change: the differences, and what it would do to the flows that stand.
//!
//! Owns the snapshot that would follow from a file and is never installed: workers compare their flows with it. Changes nothing.

use super::controller::Controller;
use super::pools::MemberStatus;
use super::proposed::acceptable;
use super::waiting::{Comparing, Outstanding, Parts, Pending};
use crate::admin::answer::{AdminError, Code, Data};
use crate::admin::configurations::{ImpactRow, Preview};
use crate::admin::rows::{AdminState, Change};
use crate::config::{Configuration, difference};
use crate::engine::{ImpactCounts, Impacts};
use crate::policy::health::{Generation, Health, MemberHealth, PoolHealth, State};
use crate::policy::ids::carry_over;
use crate::policy::intent::{MemberId, PoolId};
use crate::policy::{Epoch, Intent, Snapshot};
use crate::time::{Duration, Instant};
use crate::worker::Command;
use std::cmp::Reverse;
use std::sync::Arc;

/// How long workers may take to look at all of their flows.
pub(super) const PATIENCE: Duration = Duration::from_secs(8);

impl Controller {
    /// An operator wants to know what `file` would change. Answered once the workers have looked at their flows.
    pub(super) fn preview(&mut self, request_id: u64, file: &Configuration, now: Instant) {
        let changes = difference(&self.file, file);
        if let Err(why) = acceptable(&changes) {
            let refused = Preview { changes, refused: Some(why), exact: true, ..Preview::default() };
            return self.tell(request_id, Ok(Data::Preview(Box::new(refused))));
        }
        if let Some(why) = self.another_comparison() {
            return self.tell(request_id, Err(AdminError::new(Code::Busy, why)));
        }
        let asked = self.ask_impact(request_id, file, changes, now);
        self.waiting.push(request_id, Pending::Preview { comparing: asked, then: None }, now + PATIENCE);
    }

    /// Why flows cannot be compared now, if they cannot: each worker holds one snapshot more for it and looks at all of its flows.
    pub(super) fn another_comparison(&self) -> Option<String> {
        self.compared.as_ref().map(|_| {
            let most = PATIENCE.as_secs();
            format!("another comparison is under way; it ends within {most} s, unless a worker hangs: try again then")
        })
    }

    /// Has the workers compare their flows with what would follow from `file`, under the number `query`; none may be under way.
    pub(super) fn ask_impact(
        &mut self,
        query: u64,
        file: &Configuration,
        changes: Vec<Change>,
        now: Instant,
    ) -> Comparing {
        let next = carry_over(&self.file.intent, file.intent.clone());
        let mut exclusions = self.exclusions.clone();
        exclusions.renew(&next);
        let mut next = exclusions.laid_over(&next);
        next.learned = self.learning.forecast(&file.settings.routes, &next);
        let mut health = health_after(&self.intent, &self.health, &next);
        self.take_out(&next, &mut health);
        let loses = |id: &PoolId| self.pools.pool(*id).active.is_some() && health.pools[id.index()].active.is_none();
        let stay = next.pools.ids().filter(|id| self.intent.pools.contains(*id));
        let lose_active = stay.filter(loses).map(|id| next.pools[id].name.clone()).collect();
        let lose_services = self.lost_services(&next);
        let (before, adjacency) = (self.publisher.latest(), self.link.neighbours.adjacency());
        let macs = &self.machine.macs;
        let next = Arc::new(Snapshot::compile_after(before, &next, &health, adjacency, macs, Epoch::default()));
        self.ask_workers(|| Command::Impact { query, next: Arc::clone(&next), until: now + PATIENCE });
        self.compared = Some(Outstanding::of(query, self.machine.workers));
        let from = Parts::of(self.machine.workers);
        Comparing { changes, lose_active, lose_services, impacts: Impacts::new(), from, whole: true }
    }

    /// Whom `next` drains or takes offline, as far as the operator has not said otherwise: one that is drained keeps the role while nobody
    /// else is up, or while it is forced.
    fn take_out(&self, next: &Intent, health: &mut Health) {
        let stay = next.members.entries().filter(|(id, _)| self.intent.members.contains(*id));
        for (id, member) in stay {
            let (known, admin) = (self.pools.member(id), member.admin_state);
            if known.is_set() || admin == known.admin || admin == AdminState::Enabled {
                continue;
            }
            let mut others = next.pools[member.pool].members.iter().filter(|other| **other != id);
            let keeps = self.is_wanted(id) || !others.any(|other| self.would_be_up(*other, next));
            let Some(pool) = health.pools.get_mut(member.pool.index()) else { continue };
            let is_lost = admin == AdminState::Offline;
            let after = &mut health.members[id.index()];
            if is_lost {
                (after.state, after.lost_before) = (State::Offline, Generation(pool.generation.0 + 1));
            } else {
                after.state = State::Drained;
            }
            pool.active = pool.active.filter(|active| *active != id || (keeps && !is_lost));
        }
    }

    /// The member is up, and no less with `next`.
    fn would_be_up(&self, member: MemberId, next: &Intent) -> bool {
        let known = self.intent.members.get(member).map(|_| self.pools.member(member));
        let stays = |known: &MemberStatus| known.is_set() || next.members[member].admin_state == AdminState::Enabled;
        known.is_some_and(|known| known.state == State::Up && stays(known))
    }

    /// What the workers have found.
    pub(super) fn previewed(&self, asked: Comparing) -> Preview {
        let mut total = ImpactCounts::default();
        asked.impacts.values().for_each(|counts| total.add(*counts));
        let mut impact: Vec<ImpactRow> = asked
            .impacts
            .iter()
            .map(|(on, counts)| ImpactRow {
                pool: on.pool.and_then(|id| self.intent.pools.get(id)).map(|pool| pool.name.clone()),
                virtual_server: on
                    .virtual_server
                    .and_then(|id| self.intent.virtual_servers.get(id))
                    .map(|server| server.name.clone()),
                resteered: counts.resteered,
                cut: counts.cut,
                keep_source: counts.keeps_source,
                unchanged: counts.unchanged,
            })
            .collect();
        impact.sort_by_key(|row| Reverse((row.cut + row.resteered, row.keep_source)));
        Preview {
            changes: asked.changes,
            refused: None,
            resteered: total.resteered,
            cut: total.cut,
            keep_source: total.keeps_source,
            unchanged: total.unchanged,
            exact: asked.whole && asked.from.missing == 0,
            impact,
            lose_active: asked.lose_active,
            lose_services: asked.lose_services,
        }
    }
}

/// What is known of members and pools, as far as they are in `next` too. A member that is gone is active nowhere.
fn health_after(before: &Intent, health: &Health, next: &Intent) -> Health {
    let mut after = Health {
        members: vec![MemberHealth::default(); next.members.bound()],
        pools: vec![PoolHealth::default(); next.pools.bound()],
        pair: health.pair,
    };
    for id in next.members.ids().filter(|id: &MemberId| before.members.contains(*id)) {
        after.members[id.index()] = health.members[id.index()];
    }
    for (id, pool) in next.pools.entries().filter(|(id, _)| before.pools.contains(*id)) {
        let known = health.pools[id.index()].clone();
        let active = known.active.filter(|member| pool.members.contains(member));
        let sharing = known.sharing.filter(|_| pool.is_shared());
        after.pools[id.index()] = PoolHealth { active, sharing, ..known };
    }
    after
}
