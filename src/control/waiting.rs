//! Operators who wait for an answer.
//!
//! Owns each open request, what it still lacks, and how long it may wait: for workers to install a change, to list or
//! clear flows, to report what they measured; for a member to be probed. Nobody waits for ever: an answer that does not come in
//! time is taken as far as it has come. Gives no answer itself: `requests` does.

use super::proposed::Proposed;
use crate::admin::configurations::LostServiceRow;
use crate::admin::request::EventSelection;
use crate::admin::rows::{Reloaded, SettingRow};
use crate::config::Change;
use crate::engine::{Excerpt, Impacts};
use crate::explain::Case;
use crate::monitor::ProbeId;
use crate::policy::intent::MemberId;
use crate::policy::{Epoch, Snapshot};
use crate::time::{Duration, Instant};
use crate::worker::mailbox::{FlowRow, WorkerId};
use std::sync::Arc;

/// How long an operator waits for the workers to install a change.
pub(super) const INSTALL_PATIENCE: Duration = Duration::from_secs(5);
/// How long he waits for them to tell something.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// What somebody waits for.
pub(super) enum Pending {
    /// That every worker has installed this epoch, and that this change of what the operator has set is saved, and this one of what is
    /// kept of configurations.
    Installed { epoch: Epoch, saved: [u64; 2], then: Then },
    /// Rows of flows, at most so many, and how many there are.
    Flows { limit: usize, rows: Vec<FlowRow>, matching: u64, from: Parts },
    /// That flows are cleared, and how many were.
    Cleared { count: u64, from: Parts },
    /// That flows are compared with what another file would make of them, which is then taken over.
    Preview { comparing: Comparing, then: Option<Box<Proposed>> },
    /// That the worker which decides about a packet says what it knows of it.
    Explained { case: Box<Case>, found: Option<Found>, missing: usize },
    /// That these workers report what they measured; then to forget all that, if it is a reset.
    Latency { reset: bool, missing: Vec<WorkerId> },
    /// That these workers report what they counted of SIP.
    Sip { missing: Vec<WorkerId> },
    /// That this recording is frozen.
    Frozen { recording: u64 },
    /// That an event that is meant happens after this one.
    Events { filter: EventSelection, after: u64 },
    /// That the other appliance of the pair says what came of a configuration.
    Pushed { outcome: Option<Result<Box<Reloaded>, String>> },
    /// That each monitor of the member has been answered, to this probe or a later one.
    Probed(MemberId, ProbeId),
}

/// The answer once a change is installed. Names, because a reload may come between.
pub(super) enum Then {
    /// The members of a pool.
    Members(String),
    /// A pool's drill.
    Drill(String),
    /// A pool's exclusion group.
    Excluded(String),
    /// What was dropped.
    Dropped(Vec<SettingRow>),
    /// The differences, and within which time they must be confirmed.
    Reloaded(Vec<Change>, Option<Duration>),
    /// What is confirmed.
    Confirmed,
    /// What this appliance is in its pair.
    Pair,
}

/// What is asked of the workers about another file.
pub(super) struct Comparing {
    /// In what it differs.
    pub(super) changes: Vec<Change>,
    /// Pools whose active member it takes away.
    pub(super) lose_active: Vec<String>,
    /// Service ports that it takes away.
    pub(super) lose_services: Vec<LostServiceRow>,
    /// What they have found until now.
    pub(super) impacts: Impacts,
    /// Who has not answered.
    pub(super) from: Parts,
    /// Who has answered has looked at all of its flows.
    pub(super) whole: bool,
}

/// A comparison that not every worker has returned, whether or not somebody still waits for it.
pub(super) struct Outstanding {
    query: u64,
    missing: usize,
}

impl Outstanding {
    /// Of so many workers.
    pub(super) fn of(query: u64, workers: usize) -> Outstanding {
        Outstanding { query, missing: workers }
    }

    /// A worker has returned its part of `query`; whether that was the last one of this.
    pub(super) fn is_over_with(&mut self, query: u64) -> bool {
        self.missing -= usize::from(query == self.query && self.missing > 0);
        self.missing == 0
    }
}

/// The parts of an answer that each worker gives its own of.
pub(super) struct Parts {
    /// Workers that have not finished.
    pub(super) missing: usize,
    /// Whether any worker said anything.
    pub(super) heard: bool,
}

/// What a worker knows of a packet, and by which snapshot it decides.
pub(super) struct Found {
    pub(super) worker: WorkerId,
    pub(super) excerpt: Box<Excerpt>,
    pub(super) snapshot: Arc<Snapshot>,
}

/// All who wait, in the order they came.
#[derive(Default)]
pub(super) struct Waiting {
    open: Vec<Open>,
}

struct Open {
    request_id: u64,
    until: Instant,
    what: Pending,
}

impl Waiting {
    /// How many wait for events.
    pub(super) fn followers(&self) -> usize {
        self.open.iter().filter(|open| matches!(open.what, Pending::Events { .. })).count()
    }

    pub(super) fn push(&mut self, request_id: u64, what: Pending, until: Instant) {
        self.open.push(Open { request_id, until, what });
    }

    /// A worker sent rows, and said how many more flows match; the last ones, or more are to come.
    pub(super) fn on_flows(&mut self, request_id: u64, more: Vec<FlowRow>, also: u64, last: bool) {
        if let Some(Pending::Flows { limit, rows, matching, from }) = self.find(request_id) {
            from.heard(last);
            *matching += also;
            rows.extend(more.into_iter().take(limit.saturating_sub(rows.len())));
        }
    }

    /// A worker has cleared flows.
    pub(super) fn on_cleared(&mut self, request_id: u64, more: u64) {
        if let Some(Pending::Cleared { count, from }) = self.find(request_id) {
            from.heard(true);
            *count += more;
        }
    }

    /// A worker has compared its flows, all of them or those it came to in time.
    pub(super) fn on_impact(&mut self, request_id: u64, more: Impacts, whole: bool) {
        if let Some(Pending::Preview { comparing, .. }) = self.find(request_id) {
            comparing.from.heard(true);
            comparing.whole &= whole;
            more.into_iter().for_each(|(on, counts)| comparing.impacts.entry(on).or_default().add(counts));
        }
    }

    /// A worker has said what it knows of a packet, if it decides about it.
    pub(super) fn on_excerpt(
        &mut self,
        request_id: u64,
        worker: WorkerId,
        excerpt: Option<Box<Excerpt>>,
        snapshot: Arc<Snapshot>,
    ) {
        let Some(Pending::Explained { found, missing, .. }) = self.find(request_id) else { return };
        *missing = missing.saturating_sub(1);
        if let (Some(excerpt), none @ None) = (excerpt, found) {
            *none = Some(Found { worker, excerpt, snapshot });
        }
    }

    /// The other appliance has said what came of the configuration that was sent to it for this request.
    pub(super) fn on_pushed(&mut self, request_id: u64, what: &Result<Box<Reloaded>, String>) {
        if let Some(Pending::Pushed { outcome }) = self.find(request_id) {
            *outcome = Some(what.clone());
        }
    }

    /// A configuration was sent to the other appliance, and it has not said what came of that.
    pub(super) fn has_push(&self) -> bool {
        self.open.iter().any(|open| matches!(open.what, Pending::Pushed { outcome: None }))
    }

    /// There is no connection any more over which it could.
    pub(super) fn push_is_lost(&mut self, why: &str) {
        for open in &mut self.open {
            if let Pending::Pushed { outcome: outcome @ None } = &mut open.what {
                *outcome = Some(Err(format!("the connection was lost before it answered: {why}")));
            }
        }
    }

    /// A worker has reported what it measured.
    pub(super) fn on_latency(&mut self, worker: WorkerId) {
        for open in &mut self.open {
            if let Pending::Latency { missing, .. } = &mut open.what {
                missing.retain(|other| *other != worker);
            }
        }
    }

    /// A worker has reported what it counted of SIP.
    pub(super) fn on_sip(&mut self, worker: WorkerId) {
        for open in &mut self.open {
            if let Pending::Sip { missing } = &mut open.what {
                missing.retain(|other| *other != worker);
            }
        }
    }

    /// Those whose wait is over: what they wait for is `done`, or their time is up.
    pub(super) fn take(&mut self, now: Instant, done: impl Fn(&Pending) -> bool) -> Vec<(u64, Pending)> {
        let over = self.open.extract_if(.., |open| open.until <= now || done(&open.what));
        over.map(|open| (open.request_id, open.what)).collect()
    }

    /// Nobody waits any more; returns the requests of those who did, and for what.
    pub(super) fn abandon(&mut self) -> Vec<(u64, Pending)> {
        self.open.drain(..).map(|open| (open.request_id, open.what)).collect()
    }

    /// When somebody's time is up.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.open.iter().map(|open| open.until).min()
    }

    fn find(&mut self, request_id: u64) -> Option<&mut Pending> {
        self.open.iter_mut().find(|open| open.request_id == request_id).map(|open| &mut open.what)
    }
}

impl Parts {
    /// Nothing has come from any of so many workers.
    pub(super) fn of(workers: usize) -> Parts {
        Parts { missing: workers, heard: false }
    }

    fn heard(&mut self, last: bool) {
        self.heard = true;
        self.missing = self.missing.saturating_sub(usize::from(last));
    }
}
