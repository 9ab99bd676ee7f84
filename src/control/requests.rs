//! What an operator may do, and when it is answered.
//!
//! Owns the meaning of each request: names are resolved here, tables are answered at once, a change is answered when
//! every worker has installed it, a question to the workers when they have answered.

use super::controller::Controller;
use super::exclusions::{MOST_ADDED, Refused};
use super::outbox::Output;
use super::proposed::How;
use super::waiting::{INSTALL_PATIENCE, PATIENCE, Parts, Pending, Then};
use crate::admin::answer::{AdminError, Answered, Code, Data};
use crate::admin::events::Subject;
use crate::admin::named::{self, listed};
use crate::admin::request::{AdminState, FlowSelection};
use crate::admin::rows::{Announced, Cause, Cleared, ExcludeRow, Logging, Reloaded, StateLines, Total};
use crate::admin::{Answer, Request};
use crate::config::LogLevel;
use crate::events::EventName;
use crate::policy::Epoch;
use crate::policy::health::State;
use crate::policy::intent::{MemberId, Pool, PoolId, Snat};
use crate::time::{Duration, Instant};
use crate::worker::mailbox::{Command, FlowFilter, ServedAt};
use ipnet::Ipv4Net;

/// The answer, or `None`: it is given by [`Output::Answer`] once all is done.
pub(super) type Begun = Result<Option<Data>, AdminError>;

impl Controller {
    /// An operator wants something.
    pub(super) fn ask(&mut self, request_id: u64, request: Request, now: Instant) {
        self.outputs.debug(|| format!("request {request_id}: {request:?}"));
        let begun = match self.stopping.is_some() {
            true => Err(stopping()),
            false => self.check_is_not_following(&request).and_then(|()| self.begin(request_id, request, now)),
        };
        match begun {
            Ok(Some(data)) => self.tell(request_id, Ok(data)),
            Ok(None) => {}
            Err(error) => self.answer(request_id, Err(error)),
        }
    }

    #[expect(clippy::too_many_lines, reason = "one table, a row a request")]
    fn begin(&mut self, request_id: u64, request: Request, now: Instant) -> Begun {
        Ok(Some(match request {
            Request::Status {} => {
                self.in_force.is(&self.configurations.last().text);
                Data::Status(Box::new(self.status(now)))
            }
            Request::Members {} => Data::Members(self.member_rows(None, now)),
            Request::VirtualServers {} => Data::VirtualServers(self.virtual_server_rows()),
            Request::Probes {} => Data::Probes(self.probe_rows(None)),
            Request::Snat {} => Data::Snat(self.snat_rows(now)),
            Request::Neighbours {} => Data::Neighbours(self.neighbour_rows(now)),
            Request::Routes {} => Data::Routes(self.route_rows()),
            Request::Ports {} => Data::Ports(self.port_rows()),
            Request::Interfaces {} => Data::Interfaces(self.interface_rows()),
            Request::Counters { all } => Data::Counters(self.counter_rows(all)),
            Request::Switchovers {} => Data::Switchovers(self.switchovers.rows(now, self.wall(now)).collect()),
            Request::Alarms {} => Data::Alarms(self.alarm_rows()),
            Request::AlarmAcknowledge { id, comment } => Data::Alarms(self.acknowledge(id, comment, now)?),
            Request::Events { filter, since_s } => Data::Events(self.event_rows(&filter, since_s, now)),
            Request::EventsFollow { filter, after } => return self.follow_events(request_id, filter, after, now),
            Request::ExcludeList { pool } => Data::Excluded(self.excluded(&pool)?),
            Request::MemberSet { member, admin, yes, for_s } => {
                return self.set_member(request_id, &member, (admin, yes, for_s), now);
            }
            Request::DrainReport { member } => Data::DrainReport(self.drain_report(&member, now)?),
            Request::PoolForce { pool, member } => return self.force(request_id, &pool, &member, now),
            Request::PoolAuto { pool } => return self.auto(request_id, &pool, now),
            Request::DrillPlan { pool } => Data::DrillPlan(Box::new(self.drill_plan(&pool, now)?)),
            Request::DrillReport { pool } => Data::DrillReport(Box::new(self.drill_report(&pool, now)?)),
            Request::DrillBegin { pool, back_after_s: back } => return self.begin_drill(request_id, &pool, back, now),
            Request::ExcludeLists {} => Data::Excluded(self.all_excluded()),
            Request::ExcludeAdd { pool, prefix } => return self.exclude(request_id, &pool, prefix, true, now),
            Request::ExcludeRemove { pool, prefix } => return self.exclude(request_id, &pool, prefix, false, now),
            Request::Flows { filter, limit } => return self.list_flows(request_id, &filter, limit, now),
            Request::FlowsClear { filter } => return self.clear_flows(request_id, &filter, now),
            Request::Explain(packet) => return self.begin_explanation(request_id, &packet, now),
            Request::Capture(asked) => Data::Capture(Box::new(self.begin_capture(*asked, now)?)),
            Request::RecorderList {} => Data::Recordings(self.recording_rows()),
            Request::RecorderFreeze {} => return self.freeze_recorder(request_id, now),
            Request::RecorderSave { id } => Data::Capture(Box::new(self.save_recording(id)?)),
            Request::Latency { reset } => return self.begin_latency(request_id, reset, now),
            Request::Traffic {} => Data::Traffic(self.traffic.rows(&self.intent, &self.machine)),
            Request::Overview {} => Data::Overview(Box::new(self.overview(now))),
            Request::Sip {} => return self.begin_sip(request_id, now),
            Request::Pair {} => Data::Pair(Box::new(self.pair_report(now)?)),
            Request::PairRole { role, yes } => return self.set_role(request_id, role, yes, now),
            Request::PairPush { confirm_s, yes } => return self.begin_push(request_id, (confirm_s, yes), now),
            Request::Health {} => Data::Health(self.health_report(now)),
            Request::Announce {} => Data::Announced(self.announce(now)),
            Request::LogLevel { level } => Data::Logging(self.set_log_level(level)),
            Request::StateShow {} => Data::Settings(self.setting_rows()),
            Request::StateLines {} => Data::StateLines(StateLines { lines: self.setting_lines() }),
            Request::StateDrop {} => return self.drop_state(request_id, now),
            Request::ProbeHistory { member } => Data::ProbeHistory(self.past_probe_rows(self.member_named(&member)?)),
            Request::ProbeNow { member } => return self.probe_now(request_id, &member, now),
            Request::Diff { name, text } => return self.begin_diff(request_id, name, text),
            Request::Reload { confirm_s: span, max_impact: most, yes } => {
                return self.reread(request_id, span, (most, yes), now);
            }
            Request::Confirm {} => return self.confirm(request_id, now),
            Request::SavePlan {} => Data::SavePlan(Box::new(self.save_plan(now)?)),
            Request::History {} => Data::History(self.history_rows()),
            Request::HistoryShow { number } => Data::HistoryText(Box::new(self.history_text(number)?)),
            Request::Rollback { number, confirm_s: span, max_impact: most, yes } => {
                return self.begin_rollback(request_id, number, span, (most, yes), now).map(|()| None);
            }
        }))
    }

    fn reread(
        &mut self,
        request_id: u64,
        confirm_s: Option<u64>,
        (max_impact, yes): (Option<u64>, bool),
        now: Instant,
    ) -> Begun {
        let how = How { confirm: confirm_s.map(Duration::from_secs), max_impact, yes, ..How::default() };
        self.begin_reload(request_id, how, now).map(|()| None)
    }

    fn begin_latency(&mut self, request_id: u64, reset: bool, now: Instant) -> Begun {
        self.latencies.collect(&mut self.outputs);
        let missing = self.machine.workers().collect();
        self.waiting.push(request_id, Pending::Latency { reset, missing }, now + PATIENCE);
        Ok(None)
    }

    fn begin_sip(&mut self, request_id: u64, now: Instant) -> Begun {
        if !self.sip.collect(&mut self.outputs) {
            return Ok(Some(self.sip_report(now)));
        }
        let missing = self.machine.workers().collect();
        self.waiting.push(request_id, Pending::Sip { missing }, now + PATIENCE);
        Ok(None)
    }

    fn sip_report(&self, now: Instant) -> Data {
        Data::Sip(Box::new(self.sip.report(&self.intent, &self.machine, now)))
    }

    fn announce(&mut self, now: Instant) -> Announced {
        let addresses = self.link.announce_everything(now) as u64;
        self.log(
            EventName::AddressesAnnounced,
            LogLevel::Info,
            format!("{addresses} addresses announced by the operator"),
        );
        Announced { addresses }
    }

    fn set_log_level(&mut self, level: Option<LogLevel>) -> Logging {
        if let Some(level) = level.filter(|level| *level != self.outputs.level()) {
            self.outputs.set_level(level);
            self.log(EventName::LogLevel, LogLevel::Info, format!("log level set to {level} by the operator"));
        }
        Logging { level: self.outputs.level(), file: self.file.settings.log }
    }

    fn set_member(
        &mut self,
        request_id: u64,
        name: &str,
        (admin, yes, for_s): (AdminState, bool, Option<u64>),
        now: Instant,
    ) -> Begun {
        let member = self.member_named(name)?;
        if for_s.is_some() && admin != AdminState::Draining {
            let message = format!("`for_s` limits a drain: `{name}` is to be {admin}");
            return Err(AdminError::new(Code::BadRequest, message));
        }
        if admin == AdminState::Offline && !yes {
            self.check_another_is_up(member)?;
        }
        let wall = self.wall(now);
        let until = for_s.map(|seconds| wall.plus(Duration::from_secs(seconds)));
        self.pools.set_admin(member, admin, wall);
        self.pools.limit_drain(member, until);
        self.drains.look = None;
        self.saves.changed();
        let limit = until.map_or_else(String::new, |until| format!(", to be taken offline at {until}"));
        let pool = self.intent.members[member.index()].pool;
        let (about, message) = (
            Subject::member(name, self.pool_name(pool)),
            format!("member {name}: set to {admin} by the operator{limit}"),
        );
        self.outputs.log_of(EventName::MemberSet, LogLevel::Info, about, message);
        self.when_installed(request_id, Then::Members(self.pool_name(pool)), now);
        Ok(None)
    }

    /// Offline takes the active role away at once: with nobody to take over that ends the service.
    fn check_another_is_up(&self, member: MemberId) -> Result<(), AdminError> {
        if !self.pools.takes_new(member) || self.another_is_up(member) {
            return Ok(());
        }
        let (name, pool) = (&self.intent.members[member].name, self.pool_name(self.intent.members[member].pool));
        let message = format!(
            "`{name}` is active and no other member of pool `{pool}` is up: offline would leave nobody. `fairlead member drain \
             {name}` hands over once another is up; `fairlead member offline {name} --yes` takes it away all the same"
        );
        Err(AdminError::new(Code::Refused, message))
    }

    fn force(&mut self, request_id: u64, pool: &str, member: &str, now: Instant) -> Begun {
        let pool_id = self.pool_named(pool)?;
        self.check_one_is_active(pool_id)?;
        let known = &self.intent.pools[pool_id.index()].members;
        let Some(&id) = known.iter().find(|id| self.intent.members[id.index()].name == member) else {
            let names = known.iter().map(|id| self.intent.members[id.index()].name.as_str());
            let message = format!("pool `{pool}` has no member `{member}`; it has {}", listed(names));
            return Err(AdminError::new(Code::UnknownMember, message));
        };
        if self.pools.member(id).state == State::Offline {
            let message = format!("`{member}` is offline: `fairlead member enable {member}` first");
            return Err(AdminError::new(Code::Refused, message));
        }
        self.pools.force(pool_id, Some(id), self.wall(now));
        // Whoever is wanted is not taken offline by an earlier word.
        let had_limit = self.pools.limit_drain(id, None);
        self.drains.look = None;
        self.saves.changed();
        let (level, although) = match self.is_down(id) {
            true => (LogLevel::Warn, " although it is down"),
            false => (LogLevel::Info, ""),
        };
        let limit = if had_limit { "; it is drained without a limit from now on" } else { "" };
        let message = format!("pool {pool}: {member} forced active by the operator{although}{limit}");
        self.outputs.log_of(EventName::PoolForced, level, Subject::member(member, pool), message);
        self.when_installed(request_id, Then::Members(pool.into()), now);
        Ok(None)
    }

    /// Where several members are active nobody chooses the one.
    fn check_one_is_active(&self, pool: PoolId) -> Result<(), AdminError> {
        match self.shares_work(pool) {
            Some(why) => {
                Err(AdminError::new(Code::Refused, format!("{why}; `fairlead member drain` takes one out of new work")))
            }
            None => Ok(()),
        }
    }

    /// Why no member of the pool takes over from another, if none does.
    pub(super) fn shares_work(&self, pool: PoolId) -> Option<String> {
        let meant = &self.intent.pools[pool];
        let Pool { name, mode, .. } = meant;
        let why = format!(
            "pool `{name}` is of mode \"{mode}\": its members share the work, and none of them is the active one"
        );
        meant.is_shared().then_some(why)
    }

    fn auto(&mut self, request_id: u64, pool: &str, now: Instant) -> Begun {
        let id = self.pool_named(pool)?;
        self.check_one_is_active(id)?;
        self.pools.force(id, None, self.wall(now));
        self.saves.changed();
        let message = format!("pool {pool}: returned to automatic selection by the operator");
        self.outputs.log_of(EventName::PoolAuto, LogLevel::Info, Subject::pool(pool), message);
        self.when_installed(request_id, Then::Members(pool.into()), now);
        Ok(None)
    }

    fn exclude(&mut self, request_id: u64, pool: &str, prefix: Ipv4Net, add: bool, now: Instant) -> Begun {
        let snat = self.snat_of(pool)?.clone();
        let wall = self.wall(now);
        let changed = match add {
            true => self.exclusions.add(&snat, prefix, wall),
            false => self.exclusions.remove(&snat, prefix, wall),
        };
        if changed.map_err(|why| not_excluded(pool, prefix, why))? {
            self.lay_exclusions_over(now);
            self.saves.changed();
            let (event, said) = match add {
                true => (EventName::ExclusionAdded, "added to"),
                false => (EventName::ExclusionRemoved, "removed from"),
            };
            let message = format!("pool {pool}: {prefix} {said} the exclusion group by the operator");
            self.outputs.log_of(event, LogLevel::Info, Subject::pool(pool).and(prefix), message);
        }
        self.when_installed(request_id, Then::Excluded(pool.into()), now);
        Ok(None)
    }

    fn list_flows(&mut self, request_id: u64, filter: &FlowSelection, limit: usize, now: Instant) -> Begun {
        let filter = self.resolved(filter)?;
        self.ask_workers(|| Command::ListFlows { query: request_id, filter: filter.clone(), limit });
        let from = Parts::of(self.machine.workers);
        self.waiting.push(request_id, Pending::Flows { limit, rows: Vec::new(), matching: 0, from }, now + PATIENCE);
        Ok(None)
    }

    fn clear_flows(&mut self, request_id: u64, filter: &FlowSelection, now: Instant) -> Begun {
        let filter = self.resolved(filter)?;
        self.ask_workers(|| Command::ClearFlows { query: request_id, filter: filter.clone() });
        let from = Parts::of(self.machine.workers);
        self.waiting.push(request_id, Pending::Cleared { count: 0, from }, now + PATIENCE);
        Ok(None)
    }

    pub(super) fn ask_workers(&mut self, command: impl Fn() -> Command) {
        self.machine.workers().for_each(|worker| self.outputs.send(worker, command()));
    }

    fn resolved(&self, filter: &FlowSelection) -> Result<FlowFilter, AdminError> {
        let member = filter.member.as_deref().map(|name| self.member_named(name)).transpose()?;
        let member = member.map(|id| self.intent.members[id].address);
        let service = filter.virtual_server.as_deref().map(|name| self.virtual_server_named(name)).transpose()?;
        Ok(FlowFilter { client: filter.client, member, service })
    }

    fn probe_now(&mut self, request_id: u64, name: &str, now: Instant) -> Begun {
        let member = self.member_named(name)?;
        let asks = &self.intent.pools[self.intent.members[member].pool].monitors;
        let longest = asks.iter().map(|id| self.intent.monitors[*id].timeout).max().unwrap_or_default();
        let first = self.probing.probe_now(member);
        // One probe may be under way, the next comes after it.
        let until = now + longest * 2 + Duration::from_secs(1);
        self.waiting.push(request_id, Pending::Probed(member, first), until);
        Ok(None)
    }

    /// The change just made is answered when every worker has it and it is saved, or could not be. Called before the turn that
    /// publishes it, so the active members are chosen here already.
    pub(super) fn when_installed(&mut self, request_id: u64, then: Then, now: Instant) {
        self.choose(Cause::Operator, now);
        let epoch = self.publisher.epoch_of_changes();
        let pending = Pending::Installed { epoch, saved: [self.saves.latest(), self.kept.latest()], then };
        self.waiting.push(request_id, pending, now + INSTALL_PATIENCE);
    }

    /// Answers those who have waited long enough.
    pub(super) fn answer_waiting(&mut self, now: Instant) {
        let (installed, monitors) = (self.publisher.installed(), self.probing.monitors());
        let (events, followed, recorder) = (&self.outputs.events, self.followed(), &self.recorder);
        let is_settled = |saved: [u64; 2]| self.saves.is_settled(saved[0]) && self.kept.is_settled(saved[1]);
        let over = self.waiting.take(now, |pending| match pending {
            Pending::Installed { epoch, saved, .. } => *epoch <= installed && is_settled(*saved),
            Pending::Flows { from, .. } | Pending::Cleared { from, .. } => from.missing == 0,
            Pending::Preview { comparing, .. } => comparing.from.missing == 0,
            Pending::Explained { found, missing, .. } => found.is_some() || *missing == 0,
            Pending::Latency { missing, .. } | Pending::Sip { missing } => missing.is_empty(),
            Pending::Pushed { outcome } => outcome.is_some(),
            Pending::Frozen { recording } => recorder.kept(*recording).is_some(),
            Pending::Probed(member, first) => monitors.have_probed(*member, *first),
            Pending::Events { filter, after } => events.after(followed.max(*after)).any(|row| filter.wants(row)),
        });
        for (request_id, pending) in over {
            self.act_for(Some(request_id));
            match pending {
                Pending::Preview { comparing, then: Some(proposed) } => self.on_impact_known(comparing, proposed, now),
                pending => {
                    let data = self.outcome(pending, now);
                    self.tell(request_id, data);
                }
            }
        }
    }

    fn outcome(&mut self, pending: Pending, now: Instant) -> Result<Data, AdminError> {
        match pending {
            Pending::Installed { epoch, then, .. } => self.installed_or_not(epoch, then, now),
            Pending::Flows { rows, matching, from, .. } => {
                self.check_heard(&from, PATIENCE)?;
                let total = Total { count: matching, exact: from.missing == 0 };
                Ok(Data::Flows(self.flow_rows(&rows), total))
            }
            Pending::Cleared { count, from } => {
                self.check_heard(&from, PATIENCE)?;
                Ok(Data::Cleared(Cleared { count }))
            }
            Pending::Preview { comparing, .. } => {
                self.check_heard(&comparing.from, super::preview::PATIENCE)?;
                Ok(Data::Preview(Box::new(self.previewed(comparing))))
            }
            Pending::Events { filter, after } => {
                Ok(Data::EventsPage(Box::new(self.outputs.events.page(after, |row| filter.wants(row)))))
            }
            Pending::Explained { case, found, missing } => self.explanation(&case, found, missing, now),
            Pending::Pushed { outcome } => self.pushed(outcome),
            Pending::Frozen { recording } => self.recording_frozen(recording),
            Pending::Latency { reset, missing } => {
                self.latencies.answer(reset, &missing, &self.machine, &self.file.settings.cores, now)
            }
            Pending::Sip { .. } => Ok(self.sip_report(now)),
            Pending::Probed(member, _) if self.intent.members.contains(member) => {
                Ok(Data::Probes(self.probe_rows(Some(member))))
            }
            Pending::Probed(..) => Err(AdminError::new(Code::UnknownMember, "the member is no longer in the file")),
        }
    }

    fn installed_or_not(&self, epoch: Epoch, then: Then, now: Instant) -> Result<Data, AdminError> {
        let installed = self.publisher.installed();
        match then {
            _ if epoch > installed => Err(not_installed(epoch, installed)),
            Then::Members(pool) => self.pool_named(&pool).map(|id| Data::Members(self.member_rows(Some(id), now))),
            Then::Drill(pool) => self.drill_report(&pool, now).map(|report| Data::DrillReport(Box::new(report))),
            Then::Excluded(pool) => self.excluded(&pool).map(Data::Excluded),
            Then::Dropped(rows) => Ok(Data::Settings(rows)),
            Then::Reloaded(changes, within) => Ok(Data::Reloaded(Reloaded {
                changes,
                settings: self.setting_rows(),
                number: self.configurations.last().number,
                confirm_within_s: within.map(|within| within.as_secs()),
                differs_from_file: self.configurations.differ_from_file(),
            })),
            Then::Confirmed => self.confirmed(),
            Then::Pair => self.pair_report(now).map(|report| Data::Pair(Box::new(report))),
        }
    }

    /// Workers that have not finished are logged; if none has said anything, it is no answer.
    fn check_heard(&mut self, Parts { missing, heard }: &Parts, patience: Duration) -> Result<(), AdminError> {
        if *missing == 0 {
            return Ok(());
        }
        let message = format!("{missing} workers did not answer a flow query within {patience:?}");
        self.log(EventName::WorkerSilent, LogLevel::Warn, message.clone());
        match heard {
            true => Ok(()),
            false => Err(AdminError::new(Code::NoAnswer, format!("{message}: is the appliance overloaded?"))),
        }
    }

    /// The appliance ends: nobody is left without an answer.
    pub(super) fn refuse_all_waiting(&mut self) {
        for (request_id, pending) in self.waiting.abandon() {
            let error = match pending {
                Pending::Installed { saved: [saved, kept], .. }
                    if !self.saves.is_settled(saved) || !self.kept.is_settled(kept) =>
                {
                    stopping_before_saved()
                }
                _ => stopping(),
            };
            self.answer(request_id, Err(error));
        }
    }

    pub(super) fn tell(&mut self, request_id: u64, data: Result<Data, AdminError>) {
        let epoch = self.publisher.installed().0;
        self.answer(request_id, data.map(|data| Answered { epoch, data }));
    }

    fn answer(&mut self, request_id: u64, answer: Answer) {
        self.askers.remove(&request_id);
        if self.answer_push(request_id, &answer) {
            return;
        }
        self.outputs.push(Output::Answer { request_id, answer });
    }

    pub(super) fn member_named(&self, name: &str) -> Result<MemberId, AdminError> {
        named::member_named(&self.intent, name)
    }

    pub(super) fn pool_named(&self, name: &str) -> Result<PoolId, AdminError> {
        named::pool_named(&self.intent, name)
    }

    pub(super) fn virtual_server_named(&self, name: &str) -> Result<ServedAt, AdminError> {
        let server = named::virtual_server_named(&self.intent, name)?;
        Ok(ServedAt { address: server.address, listen: server.listen.clone() })
    }

    /// The SNAT of a pool as the file has it.
    pub(super) fn snat_of(&self, pool: &str) -> Result<&Snat, AdminError> {
        let id = self.pool_named(pool)?;
        self.file.intent.snats.iter().find(|snat| snat.pool == id).ok_or_else(|| {
            let message = format!(
                "pool `{pool}` has no exclusion group: the file has no [[snat]] for it, so nothing is translated"
            );
            AdminError::new(Code::Refused, message)
        })
    }

    /// The exclusion group of a pool.
    fn excluded(&self, pool: &str) -> Result<Vec<ExcludeRow>, AdminError> {
        let id = self.snat_of(pool)?.pool;
        Ok(self.exclude_rows(pool, id))
    }

    /// The exclusion groups of all pools, in the order of the file.
    fn all_excluded(&self) -> Vec<ExcludeRow> {
        let groups = self.intent.snats.iter().map(|snat| (&self.intent.pools[snat.pool].name, snat.pool));
        groups.flat_map(|(name, pool)| self.exclude_rows(name, pool)).collect()
    }
}

fn not_excluded(pool: &str, prefix: Ipv4Net, why: Refused) -> AdminError {
    let (code, message) = match why {
        Refused::Full => (
            Code::Refused,
            format!(
                "the exclusion group of `{pool}` holds {MOST_ADDED} prefixes added by hand, the limit: write them to the file \
                 and run `fairlead reload`"
            ),
        ),
        Refused::NotHeld => (
            Code::UnknownPrefix,
            format!(
                "the exclusion group of `{pool}` does not hold {prefix}: `fairlead exclude list {pool}` shows what it holds"
            ),
        ),
    };
    AdminError::new(code, message)
}

fn stopping() -> AdminError {
    AdminError::new(Code::Stopping, "the appliance is shutting down")
}

/// Who asked for a change must not take it for one that was never made.
fn stopping_before_saved() -> AdminError {
    let message = "the appliance is shutting down; the change was made and is still being saved: `fairlead state show` says \
                   after the next start whether it is in force";
    AdminError::new(Code::Stopping, message)
}

fn not_installed(epoch: Epoch, installed: Epoch) -> AdminError {
    let message = format!(
        "the change was made (epoch {}) but not every worker uses it after {INSTALL_PATIENCE:?} (the slowest is at {}): is a \
         worker's core overloaded or taken away?",
        epoch.0, installed.0
    );
    AdminError::new(Code::NoAnswer, message)
}
