//! What an operator, or keepalived's track script, asks about the pair.
//!
//! Owns the answers, and what stands in the way of an operator's word. Who is active is decided by [`super::pair`].

use super::controller::Controller;
use super::pair::{PairNews, Takeover, why};
use super::requests::Begun;
use super::waiting::Then;
use crate::admin::answer::{AdminError, Code};
use crate::admin::pair::{HealthReport, PairPeerRow, PairReport, TakeoverRow};
use crate::admin::rows::Fitness;
use crate::config::visible;
use crate::policy::Epoch;
use crate::policy::health::State;
use crate::policy::intent::{PairRole, VirtualServer};
use crate::time::{Duration, Instant};
use std::collections::BTreeSet;

/// A worker whose latest turn began longer ago does not work.
const SILENT: Duration = Duration::from_secs(1);

impl Controller {
    /// What is known of the pair.
    pub(super) fn pair_report(&self, now: Instant) -> Result<PairReport, AdminError> {
        let (Some(pairing), Some(pair)) = (&self.pairing, &self.intent.pair) else { return Err(alone()) };
        let standing = pairing.standing();
        let settling = pairing.settles_until(pair).map_or(Duration::ZERO, |until| until.since(now));
        let floats = self.intent.interfaces.iter().flat_map(|interface| &interface.floating).map(|net| net.addr());
        let floating: BTreeSet<_> = self.intent.translated_addresses().chain(floats).collect();
        let peer = pairing.peer().map(|(peer, heard)| PairPeerRow {
            role: peer.role,
            priority: peer.priority,
            address: peer.address,
            heard: self.wall(*heard),
        });
        let sync = pairing.sync();
        Ok(PairReport {
            role: standing.role,
            cause: standing.cause,
            reason: why(standing.cause).into(),
            since: self.wall(standing.since),
            settling_ms: settling.as_millis() as u64,
            priority: pair.priority,
            floating: floating.into_iter().collect(),
            peer,
            in_sync: sync.map(|sync| sync.is_in_sync),
            lag_flows: sync.map(|sync| sync.lag_flows),
            lag_ms: sync.map(|sync| sync.lag.as_millis() as u64),
            link: self.link_row(),
            split_since: pairing.split_since().map(|since| self.wall(since)),
            unknown_lines: pairing.unknown_lines,
            takeovers: self.takeovers,
            last_takeover: self.takeover.as_ref().map(|takeover| self.takeover_row(takeover)),
        })
    }

    fn takeover_row(&self, takeover: &Takeover) -> TakeoverRow {
        let &Takeover { heard, cause, published, installed, announced } = takeover;
        let after = |at: Option<Instant>| at.map(|at| at.since(heard).as_micros() as u64);
        TakeoverRow {
            time: self.wall(heard),
            cause,
            published_us: after(published.map(|(_, at)| at)),
            installed_us: after(installed),
            announced_first_us: after(announced.0),
            announced_last_us: after(announced.1),
        }
    }

    /// An operator says what this appliance is. What it is already it stays, and that is said as well.
    pub(super) fn set_role(&mut self, request_id: u64, role: PairRole, yes: bool, now: Instant) -> Begun {
        let Some(pairing) = &self.pairing else { return Err(alone()) };
        let is_new = pairing.standing().role != role;
        if is_new
            && role == PairRole::Active
            && !yes
            && let Some(message) = self.against_being_active()
        {
            return Err(AdminError::new(Code::Refused, message));
        }
        self.hear_of_pair(PairNews::Operator(role), now);
        self.when_installed(request_id, Then::Pair, now);
        Ok(None)
    }

    /// Why an operator has to mean it, if anything is against this appliance becoming active. keepalived and the kernel are not asked.
    fn against_being_active(&self) -> Option<String> {
        let pairing = self.pairing.as_ref()?;
        if let Some(why) = pairing.behind() {
            return Some(format!("{why}: connections would be lost. `--yes` makes it active all the same"));
        }
        let peer = self.intent.pair.as_ref()?.peer.filter(|_| !self.pair_link.is_up())?;
        Some(format!(
            "whether the other appliance is active is not known, as there is no connection to it at {peer} ({}): if it is, both answer for the \
             same addresses, and its connections are lost. See `fairlead pair` there; where it is active, type `fairlead pair standby` there \
             first. `fairlead pair active --yes` makes this one active all the same",
            visible(self.pair_link.failure())
        ))
    }

    /// Whether this appliance is fit to be the active one.
    pub(super) fn health_report(&self, now: Instant) -> HealthReport {
        let unfit = [self.silent_worker(now), self.missing_link(), self.nothing_to_serve()];
        let not_yet = [
            (self.publisher.installed() == Epoch(0)).then(|| "it has just started, and does not forward yet".into()),
            self.pairing.as_ref().and_then(|pairing| pairing.behind()),
            self.has_just_begun_alone(now),
            self.stands_by_since_a_moment_ago(now),
        ];
        let [unfit, not_yet] = [&unfit[..], &not_yet].map(|all| all.iter().flatten().cloned().collect::<Vec<String>>());
        let state = match (unfit.is_empty(), not_yet.is_empty()) {
            (false, _) => Fitness::Unfit,
            (true, false) => Fitness::NotYet,
            (true, true) => Fitness::Fit,
        };
        HealthReport { state, reasons: unfit.into_iter().chain(not_yet).collect() }
    }

    fn silent_worker(&self, now: Instant) -> Option<String> {
        let turned = |worker| self.machine.counters.latest_turn(worker);
        let silent = self.machine.workers().find(|at| turned(*at).is_some_and(|turn| now.since(turn) >= SILENT))?;
        Some(format!("worker {} has completed no loop iteration for more than a second", silent.0))
    }

    fn missing_link(&self) -> Option<String> {
        let down = self.intent.ports.iter().zip(self.link.links()).find(|(_, is_up)| !is_up)?;
        Some(format!("port {} has no link", down.0.name))
    }

    /// What cannot be served here may be by the other appliance. What is not known yet may be served.
    fn nothing_to_serve(&self) -> Option<String> {
        let could_serve = |server: &VirtualServer| {
            let members = &self.intent.pools[server.pool].members;
            let state = |member| self.probing.monitors().verdict(member).state;
            server.enabled && members.iter().any(|member| state(*member) != State::Down)
        };
        let servers = &self.intent.virtual_servers;
        let is_any = servers.iter().next().is_some();
        (is_any && !servers.iter().any(could_serve)).then(|| "no virtual server has a member that is not down".into())
    }

    /// Two that are told by turns to take over would do so for ever.
    fn stands_by_since_a_moment_ago(&self, now: Instant) -> Option<String> {
        let (standing, pair) = (self.standing()?, self.intent.pair.as_ref()?);
        let is_fresh = standing.role == PairRole::Standby && now.since(standing.since) < pair.settle;
        is_fresh.then(|| format!("it stands by for less than {:?} ([pair] settle)", pair.settle))
    }
}

fn alone() -> AdminError {
    AdminError::new(Code::Refused, "this appliance is alone: its file has no [pair]")
}
