//! What an operator may do, and when it is answered.
//!
//! Owns the meaning of each request: names are resolved here, tables are answered at once, a change is answered when
//! every worker has installed it, a question to the workers when they have answered.

use super::exclusions::Unchanged;
use super::publisher::Urgency;
use super::queries::{Answered, Kind};
use super::{Controller, Output};
use crate::admin::answer::{AdminError, Code, Data, Told};
use crate::admin::request::{AdminState, FlowSelection};
use crate::admin::rows::{Cleared, ExcludeRow, Reloaded};
use crate::admin::{Answer, Request};
use crate::config::LogLevel;
use crate::policy::Epoch;
use crate::policy::health::State;
use crate::policy::intent::{MemberId, PoolId, Snat, VirtualServer};
use crate::time::{Duration, Instant};
use crate::worker::mailbox::{Command, FlowFilter, ServedAt};
use ipnet::Ipv4Net;

/// How long an operator waits for the workers to install a change.
pub const INSTALL_PATIENCE: Duration = Duration::from_secs(5);
/// Names an error message lists at most.
const NAMES: usize = 20;

/// An operator waits for a change to be installed everywhere.
pub(super) struct Waiting {
    request_id: u64,
    epoch: Epoch,
    then: Then,
    pub(super) until: Instant,
}

/// The answer then. Names, because a reload may come between.
pub(super) enum Then {
    /// The members of a pool.
    Members(String),
    /// A pool's exclusion group.
    Excluded(String),
    /// The differences.
    Reloaded(Reloaded),
}

/// How a request is answered.
enum Reply {
    /// At once.
    Now(Data),
    /// By [`Output::Answer`], once it is done.
    Later,
}

type Begun = Result<Reply, AdminError>;

impl Controller {
    /// An operator wants something.
    pub(super) fn ask(&mut self, request_id: u64, request: Request, now: Instant) {
        let begun = if self.stopping.is_some() { Err(stopping()) } else { self.begin(request_id, request, now) };
        match begun {
            Ok(Reply::Now(data)) => self.tell(request_id, Ok(data)),
            Ok(Reply::Later) => {}
            Err(error) => self.answer(request_id, Err(error)),
        }
    }

    fn begin(&mut self, request_id: u64, request: Request, now: Instant) -> Begun {
        Ok(Reply::Now(match request {
            Request::Status {} => Data::Status(Box::new(self.view().status(now))),
            Request::Members {} => Data::Members(self.view().member_rows(None)),
            Request::VirtualServers {} => Data::VirtualServers(self.view().virtual_server_rows()),
            Request::Probes {} => Data::Probes(self.view().probe_rows(None)),
            Request::Snat {} => Data::Snat(self.view().snat_rows()),
            Request::Neighbours {} => Data::Neighbours(self.view().neighbour_rows()),
            Request::Routes {} => Data::Routes(self.view().route_rows()),
            Request::Ports {} => Data::Ports(self.view().port_rows()),
            Request::Counters { all } => Data::Counters(self.view().counter_rows(all)),
            Request::Switchovers {} => Data::Switchovers(self.switchovers.rows(self.machine.start)),
            Request::ExcludeList { pool } => Data::Excluded(self.excluded(&pool)?),
            Request::MemberSet { member, admin } => return self.set_member(request_id, &member, admin, now),
            Request::PoolForce { pool, member } => return self.force(request_id, &pool, &member, now),
            Request::PoolAuto { pool } => return self.auto(request_id, &pool, now),
            Request::ExcludeAdd { pool, prefix } => return self.exclude(request_id, &pool, prefix, true, now),
            Request::ExcludeRemove { pool, prefix } => return self.exclude(request_id, &pool, prefix, false, now),
            Request::Flows { filter, limit } => return self.query(request_id, &filter, Kind::List(limit), now),
            Request::FlowsClear { filter } => return self.query(request_id, &filter, Kind::Clear, now),
            Request::Latency { reset } => {
                self.latencies.ask(request_id, reset, &mut self.outputs, now);
                return Ok(Reply::Later);
            }
            Request::ProbeNow { member } => return self.probe_now(request_id, &member, now),
            Request::Reload {} => {
                self.outputs.push(Output::ReadFile { request_id: Some(request_id) });
                return Ok(Reply::Later);
            }
        }))
    }

    fn set_member(&mut self, request_id: u64, name: &str, admin: AdminState, now: Instant) -> Begun {
        let member = self.member_named(name)?;
        self.pools.set_word(member, admin);
        self.log(LogLevel::Info, format!("member {name}: set to {admin} by the operator"));
        let pool = self.intent.members[member.index()].pool;
        self.when_installed(request_id, Then::Members(self.pool_name(pool)), now);
        Ok(Reply::Later)
    }

    fn force(&mut self, request_id: u64, pool: &str, member: &str, now: Instant) -> Begun {
        let pool_id = self.pool_named(pool)?;
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
        self.pools.force(pool_id, Some(id));
        self.log(LogLevel::Info, format!("pool {pool}: {member} forced active by the operator"));
        self.when_installed(request_id, Then::Members(pool.into()), now);
        Ok(Reply::Later)
    }

    fn auto(&mut self, request_id: u64, pool: &str, now: Instant) -> Begun {
        let id = self.pool_named(pool)?;
        self.pools.force(id, None);
        self.log(LogLevel::Info, format!("pool {pool}: returned to automatic selection by the operator"));
        self.when_installed(request_id, Then::Members(pool.into()), now);
        Ok(Reply::Later)
    }

    fn exclude(&mut self, request_id: u64, pool: &str, prefix: Ipv4Net, add: bool, now: Instant) -> Begun {
        let snat = self.snat_of(pool)?.clone();
        let file = &self.file.intent;
        let changed = if add { self.exclusions.add(&snat, prefix) } else { self.exclusions.remove(&snat, prefix) };
        match changed {
            Ok(()) => {
                let mut intent = self.exclusions.laid_over(file);
                self.exclusions.settle(&self.intent, &mut intent);
                self.intent = intent;
                self.publisher.changed(Urgency::Now, now);
                let said = if add { "added to" } else { "removed from" };
                self.log(LogLevel::Info, format!("pool {pool}: {prefix} {said} the exclusion group by the operator"));
            }
            // Already as wanted: told once that is installed, like any other.
            Err(Unchanged::Held) => {}
            Err(why) => return Err(self.not_excluded(pool, prefix, why)),
        }
        self.when_installed(request_id, Then::Excluded(pool.into()), now);
        Ok(Reply::Later)
    }

    fn not_excluded(&self, pool: &str, prefix: Ipv4Net, why: Unchanged) -> AdminError {
        match why {
            Unchanged::Full => AdminError::new(
                Code::Refused,
                format!(
                    "the exclusion group of `{pool}` holds {} prefixes added by hand, the limit: write them to the file and \
                     run `fairlead reload`",
                    super::exclusions::MOST_ADDED
                ),
            ),
            Unchanged::Held | Unchanged::NotHeld => AdminError::new(
                Code::UnknownPrefix,
                format!(
                    "the exclusion group of `{pool}` does not hold {prefix}: `fairlead exclude list {pool}` shows what it \
                     holds"
                ),
            ),
        }
    }

    fn query(&mut self, request_id: u64, filter: &FlowSelection, kind: Kind, now: Instant) -> Begun {
        let filter = self.resolved(filter)?;
        let query = self.queries.open(request_id, kind, now);
        for worker in self.machine.workers() {
            let filter = filter.clone();
            let command = match kind {
                Kind::List(limit) => Command::ListFlows { query, filter, limit },
                Kind::Clear => Command::ClearFlows { query, filter },
            };
            self.outputs.send(worker, command);
        }
        Ok(Reply::Later)
    }

    fn resolved(&self, filter: &FlowSelection) -> Result<FlowFilter, AdminError> {
        let member = filter.member.as_deref().map(|name| self.member_named(name)).transpose()?;
        let member = member.map(|id| self.intent.members[id].address);
        let service = filter.virtual_server.as_deref().map(|name| self.virtual_server_named(name)).transpose()?;
        Ok(FlowFilter { client: filter.client, member, service })
    }

    fn probe_now(&mut self, request_id: u64, name: &str, now: Instant) -> Begun {
        let member = self.member_named(name)?;
        self.probing.request(request_id, member, &self.intent, now);
        Ok(Reply::Later)
    }

    /// The change just made is told when every worker has it. To be called before the turn that publishes it, hence the
    /// choice is drawn here already.
    pub(super) fn when_installed(&mut self, request_id: u64, then: Then, now: Instant) {
        self.choose(now);
        let epoch = self.publisher.epoch_of_changes();
        self.waiting.push(Waiting { request_id, epoch, then, until: now + INSTALL_PATIENCE });
    }

    /// Tells those whose change is installed everywhere, and those whose patience is at its end.
    pub(super) fn answer_waiting(&mut self, now: Instant) {
        let installed = self.publisher.installed();
        let done: Vec<Waiting> =
            self.waiting.extract_if(.., |one| one.epoch <= installed || one.until <= now).collect();
        for Waiting { request_id, epoch, then, .. } in done {
            let answer = if epoch <= installed { self.outcome(then) } else { Err(not_installed(epoch, installed)) };
            self.tell(request_id, answer);
        }
        while let Some((request_id, member)) = self.probing.next_completed() {
            let rows = match self.intent.members.contains(member) {
                true => Ok(Data::Probes(self.view().probe_rows(Some(member)))),
                false => Err(AdminError::new(Code::UnknownMember, "the member is no longer in the file")),
            };
            self.tell(request_id, rows);
        }
    }

    fn outcome(&self, then: Then) -> Result<Data, AdminError> {
        match then {
            Then::Members(pool) => self.pool_named(&pool).map(|id| Data::Members(self.view().member_rows(Some(id)))),
            Then::Excluded(pool) => self.excluded(&pool).map(Data::Excluded),
            Then::Reloaded(reloaded) => Ok(Data::Reloaded(reloaded)),
        }
    }

    /// Tells those whose questions the workers have answered.
    pub(super) fn answer_queries(&mut self, now: Instant) {
        while let Some(answered) = self.queries.next_answered(now) {
            self.answer_query(answered);
        }
    }

    fn answer_query(&mut self, answered: Answered) {
        let Answered { request_id, kind, rows, cleared, missing, heard } = answered;
        if missing > 0 {
            let message =
                format!("{missing} workers did not answer a flow query within {:?}", super::queries::PATIENCE);
            self.log(LogLevel::Warn, message.clone());
            if !heard {
                return self.tell(
                    request_id,
                    Err(AdminError::new(Code::NoAnswer, format!("{message}: is the appliance overloaded?"))),
                );
            }
        }
        let data = match kind {
            Kind::List(_) => Data::Flows(rows.iter().map(|row| self.view().flow_row(row)).collect()),
            Kind::Clear => Data::Cleared(Cleared { count: cleared }),
        };
        self.tell(request_id, Ok(data));
    }

    /// The appliance ends: nobody is left without an answer.
    pub(super) fn refuse_all_waiting(&mut self) {
        let mut request_ids: Vec<u64> = self.waiting.drain(..).map(|one| one.request_id).collect();
        request_ids.extend(self.queries.abandon());
        request_ids.extend(self.latencies.abandon());
        request_ids.extend(self.probing.abandon());
        for request_id in request_ids {
            self.answer(request_id, Err(stopping()));
        }
    }

    pub(super) fn tell(&mut self, request_id: u64, data: Result<Data, AdminError>) {
        let epoch = self.publisher.installed().0;
        self.answer(request_id, data.map(|data| Told { epoch, data }));
    }

    fn answer(&mut self, request_id: u64, answer: Answer) {
        self.outputs.push(Output::Answer { request_id, answer });
    }

    fn member_named(&self, name: &str) -> Result<MemberId, AdminError> {
        self.intent.members.find_id(|member| member.name == name).ok_or_else(|| {
            let names = self.intent.members.iter().map(|member| member.name.as_str());
            AdminError::new(Code::UnknownMember, format!("there is no member `{name}`; there are {}", listed(names)))
        })
    }

    pub(super) fn pool_named(&self, name: &str) -> Result<PoolId, AdminError> {
        self.intent.pools.find_id(|pool| pool.name == name).ok_or_else(|| {
            let names = self.intent.pools.iter().map(|pool| pool.name.as_str());
            AdminError::new(Code::UnknownPool, format!("there is no pool `{name}`; there are {}", listed(names)))
        })
    }

    fn virtual_server_named(&self, name: &str) -> Result<ServedAt, AdminError> {
        let server = self.intent.virtual_servers.iter().find(|server| server.name == name);
        let at = |server: &VirtualServer| ServedAt { address: server.address, listen: server.listen.clone() };
        server.map(at).ok_or_else(|| {
            let names = self.intent.virtual_servers.iter().map(|server| server.name.as_str());
            AdminError::new(
                Code::UnknownVirtualServer,
                format!("there is no virtual server `{name}`; there are {}", listed(names)),
            )
        })
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
        Ok(self.view().exclude_rows(pool, id))
    }

    fn pool_name(&self, id: PoolId) -> String {
        self.intent.pools[id].name.clone()
    }
}

fn stopping() -> AdminError {
    AdminError::new(Code::Stopping, "the appliance is shutting down")
}

fn not_installed(epoch: Epoch, installed: Epoch) -> AdminError {
    let message = format!(
        "the change was made (epoch {}) but not every worker uses it after {INSTALL_PATIENCE:?} (the slowest is at {}): is a \
         worker's core overloaded or taken away?",
        epoch.0, installed.0
    );
    AdminError::new(Code::NoAnswer, message)
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<&str> = names.collect();
    match all.len() {
        0 => "none".into(),
        count if count > NAMES => format!("{} and {} more", all[..NAMES].join(", "), count - NAMES),
        _ => all.join(", "),
    }
}
