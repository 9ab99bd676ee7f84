//! What the status page is made of: a selection of all tables whose size has a bound, so that whoever looks keeps management from nothing.
//!
//! Owns the choice of what is in it where there is more than fits: what is wrong comes first. Changes nothing.

use super::alarms::Alarm;
use super::controller::Controller;
use super::tables::uses_of;
use crate::admin::overview::{ALARMS_MAX, MEMBERS_MAX, Overview, SERVERS_MAX, SWITCHOVERS_MAX};
use crate::admin::rows::{MemberRow, SwitchoverRow, VirtualServerState};
use crate::events::Severity;
use crate::policy::health::State;
use crate::policy::intent::{Member, MemberId, PoolId, VirtualServer, VirtualServerId};
use crate::time::Instant;
use std::collections::BTreeSet;

impl Controller {
    pub(super) fn overview(&self, now: Instant) -> Overview {
        let mut servers: Vec<(VirtualServerState, VirtualServerId, &VirtualServer)> =
            self.intent.virtual_servers.entries().map(|(id, meant)| (self.server_state(meant), id, meant)).collect();
        let in_state = |state| servers.iter().filter(|(found, ..)| *found == state).count() as u64;
        let (count, up) = (servers.len() as u64, in_state(VirtualServerState::Up));
        let disabled = in_state(VirtualServerState::Disabled);
        servers.sort_by_key(|(state, ..)| *state != VirtualServerState::Down);
        servers.truncate(SERVERS_MAX);
        let pools: BTreeSet<PoolId> = servers.iter().map(|(_, _, meant)| meant.pool).collect();
        let is_up = |id: MemberId| self.probing.monitors().verdict(id).state == State::Up;
        let alarms =
            |which: &dyn Fn(&Alarm) -> bool| self.outputs.alarms.standing().filter(|alarm| which(alarm)).count() as u64;
        Overview {
            version: env!("CARGO_PKG_VERSION").into(),
            name: self.file.settings.name.clone(),
            time: self.wall(now),
            uptime_s: self.machine.uptime(now).as_secs(),
            epoch: self.publisher.installed().0,
            pair: self.pair_report(now).ok(),
            workers: self.machine.workers().map(|worker| self.worker_row(worker)).collect(),
            ports: self.port_rows(),
            virtual_servers: servers.iter().map(|(_, id, meant)| self.virtual_server_row(*id, meant)).collect(),
            virtual_servers_count: count,
            virtual_servers_up: up,
            virtual_servers_disabled: disabled,
            members: self.members_first_of(&pools, now),
            members_count: self.intent.members.ids().count() as u64,
            members_up: self.intent.members.ids().filter(|id| is_up(*id)).count() as u64,
            alarms: self.gravest_alarms(ALARMS_MAX),
            alarms_count: alarms(&|_| true),
            alarms_acknowledged: alarms(&|alarm| alarm.acknowledged.is_some()),
            alarms_critical_open: alarms(&|alarm| {
                alarm.acknowledged.is_none() && alarm.of.0.severity() == Severity::Critical
            }),
            switchovers: self.last_switchovers(now),
            drops: self.trend.drops(&self.machine),
            trend: self.trend.row(&self.machine),
        }
    }

    /// Those that should serve and are down, then those of these pools, then the others, as many as may be shown.
    fn members_first_of(&self, pools: &BTreeSet<PoolId>, now: Instant) -> Vec<MemberRow> {
        let rank = |(id, meant): (MemberId, &Member)| ((!self.is_missed(id, meant), !pools.contains(&meant.pool)), id);
        let mut chosen: Vec<((bool, bool), MemberId)> = self.intent.members.entries().map(rank).collect();
        chosen.sort_by_key(|(rank, _)| *rank);
        let workers = self.member_uses();
        let chosen = chosen.into_iter().take(MEMBERS_MAX);
        chosen.map(|(_, id)| self.member_row(id, uses_of(&workers, id), now)).collect()
    }

    /// It is down and no standby: one of those may be down until it is promoted.
    fn is_missed(&self, id: MemberId, meant: &Member) -> bool {
        let serves = self.pools.takes_new(id) || self.intent.pools[meant.pool].is_shared();
        serves && self.pools.member(id).state == State::Down
    }

    fn last_switchovers(&self, now: Instant) -> Vec<SwitchoverRow> {
        let mut last: Vec<SwitchoverRow> =
            self.switchovers.rows(now, self.wall(now)).rev().take(SWITCHOVERS_MAX).collect();
        last.reverse();
        last
    }
}
