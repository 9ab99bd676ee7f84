//! What management asks about flows, and about one packet.
//!
//! Owns the walks over the flow table that an operator sets off: a bounded number of flows a turn, so that no query, however
//! large, delays a packet. What a decision about one packet would rest on is found by a few looks for each member that may get it: for one
//! packet a turn, and in that turn no walk goes on.

use super::handing_over::Giver;
use super::mailbox::{Asked, Event, FlowFilter, FlowRow, WorkerId};
use super::pipeline::Pipeline;
use crate::engine::{Engine, Excerpt, Impacts, impact};
use crate::flow::{Direction, Flow, FlowName, PathKind};
use crate::io::Port;
use crate::policy::Snapshot;
use crate::policy::intent::Listen;
use crate::time::{Duration, Instant};
use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// Slots of the flow table looked at in one turn for a list, and so rows in one event, or to be compared, at most.
const ROWS: usize = 64;
/// Slots looked at in one turn to clear flows, or to count those that a list has no room for.
const SLOTS: usize = 256;

/// Queries under way; the first one of each kind is being answered.
#[derive(Default)]
pub(super) struct Queries {
    waiting: VecDeque<Query>,
    /// Packets that are asked about, each by its query. No walk is in front of them.
    packets: VecDeque<(u64, Box<Asked>)>,
    /// Who has been given all flows once, and gets the rest at the end.
    giver: Option<Box<Giver>>,
}

struct Query {
    id: u64,
    filter: FlowFilter,
    cursor: u32,
    kind: QueryKind,
}

/// Flows that match are said at least this often, so that a list that is not waited for to its end has its "at least".
const SAY: u64 = 10_000;

enum QueryKind {
    /// `found`: that match so far, said or not.
    List {
        left: usize,
        unsaid: u64,
        found: u64,
    },
    Clear {
        count: u64,
    },
    /// `next`: `None` once it is on its way back. `until`: nobody waits for it longer.
    Impact {
        next: Option<Arc<Snapshot>>,
        impacts: Impacts,
        until: Instant,
    },
    /// All flows are given away, to be written down.
    HandOver(Box<Giver>),
}

impl Queries {
    /// Answers `query` after those that came before it: up to `limit` rows, and how many flows match.
    pub(super) fn list(&mut self, id: u64, filter: FlowFilter, limit: usize) {
        self.waiting.push_back(Query {
            id,
            filter,
            cursor: 0,
            kind: QueryKind::List { left: limit, unsaid: 0, found: 0 },
        });
    }

    /// Clears flows, after the queries that came before.
    pub(super) fn clear(&mut self, id: u64, filter: FlowFilter) {
        self.waiting.push_back(Query { id, filter, cursor: 0, kind: QueryKind::Clear { count: 0 } });
    }

    /// Counts what `next` would do to the flows, after the queries that came before and not after `until`.
    pub(super) fn impact(&mut self, id: u64, next: Arc<Snapshot>, until: Instant) {
        let kind = QueryKind::Impact { next: Some(next), impacts: Impacts::new(), until };
        self.waiting.push_back(Query { id, filter: FlowFilter::default(), cursor: 0, kind });
    }

    /// Gives all flows away, after the queries that came before.
    pub(super) fn hand_over(&mut self, giver: Box<Giver>) {
        let (filter, kind) = (FlowFilter::default(), QueryKind::HandOver(giver));
        self.waiting.push_back(Query { id: 0, filter, cursor: 0, kind });
    }

    /// The last packet has passed: whoever is to have all that is remembered gets the rest. `true`: that was all, or nobody is.
    pub(super) fn finish_giving(&mut self, engine: &Engine, now: Instant) -> bool {
        for query in std::mem::take(&mut self.waiting) {
            self.keep_giver(Some(query));
        }
        self.giver.as_mut().is_none_or(|giver| giver.finish(engine, now))
    }

    /// Of a query that is over, or is not answered any more, whoever is to have the rest.
    fn keep_giver(&mut self, query: Option<Query>) {
        if let Some(Query { kind: QueryKind::HandOver(giver), .. }) = query {
            self.giver = Some(giver);
        }
    }

    /// Says what a decision about this packet would rest on, after those that were asked about before.
    pub(super) fn excerpt(&mut self, id: u64, about: Box<Asked>) {
        self.packets.push_back((id, about));
    }

    /// Works on one query, as long as there is room for its answer. Says whether there was anything to do.
    pub(super) fn work<P: Port>(&mut self, worker: WorkerId, pipeline: &mut Pipeline<P>, now: Instant) -> bool {
        if !pipeline.out.events.has_room() {
            return false;
        }
        match self.packets.pop_front() {
            Some((query, about)) => {
                let (excerpt, snapshot) = pipeline.excerpt(&about, now);
                pipeline.out.events.send(Event::Excerpt { worker, query, excerpt, snapshot });
                true
            }
            None => self.walk(worker, pipeline, now),
        }
    }

    /// Looks at some more flows for the first query that needs a walk.
    fn walk<P: Port>(&mut self, worker: WorkerId, pipeline: &mut Pipeline<P>, now: Instant) -> bool {
        let Pipeline { engine, out, .. } = pipeline;
        let Some(Query { id: query, filter, cursor, kind }) = self.waiting.front_mut() else { return false };
        let (next, event) = match kind {
            QueryKind::List { left, unsaid, found } => {
                let said = *unsaid;
                let (rows, mut next) = list(worker, engine, filter, *cursor, *left, unsaid, now);
                *left -= rows.len();
                *found += *unsaid - said;
                // Of all flows it is known how many there are: none has to be looked at for that.
                if *left == 0
                    && *filter == FlowFilter::default()
                    && let Some(all) = engine.live_flows()
                {
                    *unsaid += all.saturating_sub(*found);
                    next = None;
                }
                let answers = !rows.is_empty() || *unsaid >= SAY || next.is_none();
                let event = answers.then(|| Event::Flows {
                    query: *query,
                    rows,
                    matching: std::mem::take(unsaid),
                    last: next.is_none(),
                });
                (next, event)
            }
            QueryKind::Clear { count } => {
                let next = clear(engine, filter, *cursor, count);
                (next, next.is_none().then_some(Event::Cleared { query: *query, count: *count }))
            }
            QueryKind::Impact { next, impacts, until } => {
                let in_time = now < *until;
                let more =
                    next.as_deref().filter(|_| in_time).and_then(|next| count_impacts(engine, next, *cursor, impacts));
                let done = if more.is_none() { next.take() } else { None };
                let whole = in_time;
                let event = |next| Event::Impact { query: *query, impacts: std::mem::take(impacts), whole, next };
                (more, done.map(event))
            }
            QueryKind::HandOver(giver) => match giver.walk(engine, now) {
                true => (Some(0), None),
                false => (None, Some(Event::FlowsGiven(worker))),
            },
        };
        match next {
            Some(next) => *cursor = next,
            None => {
                let over = self.waiting.pop_front();
                self.keep_giver(over);
            }
        }
        event.into_iter().for_each(|event| out.events.send(event));
        true
    }
}

impl<P: Port> Pipeline<P> {
    /// What a decision about a packet would rest on, if it is made here; and the snapshot it is made by.
    pub(super) fn excerpt(&self, about: &Asked, now: Instant) -> (Option<Box<Excerpt>>, Arc<Snapshot>) {
        let snapshot = Arc::clone(self.engine.snapshot());
        let Asked { packet, port, sip, members } = about;
        let classified = self.engine.classify(packet, *port);
        let is_here = self.hand_off.elsewhere(packet, classified.path, &snapshot).is_none();
        let excerpt = is_here.then(|| Box::new(self.engine.excerpt(packet, classified, (sip, &**members), now)));
        (excerpt, snapshot)
    }
}

/// Up to `left` rows from the flows at `cursor` on, how many matched, added to `matching`, and where to continue.
fn list(
    worker: WorkerId,
    engine: &Engine,
    filter: &FlowFilter,
    cursor: u32,
    left: usize,
    matching: &mut u64,
    now: Instant,
) -> (Vec<FlowRow>, Option<u32>) {
    let (flows, mut rows) = (engine.flows(), Vec::new());
    let slots = if left == 0 { SLOTS } else { ROWS };
    let next = engine.scan(cursor, slots, |id, flow, members| {
        if !matches(flow, members, filter) {
            return;
        }
        *matching += 1;
        if rows.len() < left {
            let members = if flow.path == PathKind::Routed { [members[1]; 2] } else { members };
            let times = (flows.idle(id, now), flows.expires_in(id, now));
            let counted = flows.counted(id);
            rows.extend(flows.name(id).map(|name| FlowRow { counted, ..row((worker, name), flow, members[0], times) }));
        }
    });
    (rows, next)
}

/// Clears flows from `cursor` on, adds how many to `count`, and says where to continue.
fn clear(engine: &mut Engine, filter: &FlowFilter, cursor: u32, count: &mut u64) -> Option<u32> {
    engine.clear(cursor, SLOTS, |flow, members| {
        let chosen = matches(flow, members, filter);
        *count += u64::from(chosen);
        chosen
    })
}

/// Adds what `next` does to the flows from `cursor` on, and says where to continue. Each takes a few look-ups in both snapshots.
fn count_impacts(engine: &Engine, next: &Snapshot, cursor: u32, impacts: &mut Impacts) -> Option<u32> {
    engine.scan(cursor, ROWS, |_, flow, _| {
        let (on, impact) = impact(engine.snapshot(), next, flow);
        impacts.entry(on).or_default().count(impact);
    })
}

/// `members` are the addresses of the one it belongs to and of the other one.
fn matches(flow: &Flow, members: [Option<Ipv4Addr>; 2], filter: &FlowFilter) -> bool {
    let outside = flow.key(flow.inside.other());
    filter.client.is_none_or(|client| client == outside.src.addr)
        && filter.member.is_none_or(|wanted| members.contains(&Some(wanted)))
        && filter.service.as_ref().is_none_or(|service| {
            let listens = Listen { protocol: flow.protocol(), port: outside.dst.port };
            let served = matches!(flow.path, PathKind::Service | PathKind::Hairpin);
            served && outside.dst.addr == service.address && service.listen.contains(&listens)
        })
}

fn row(
    (worker, name): (WorkerId, FlowName),
    flow: &Flow,
    member: Option<Ipv4Addr>,
    (idle, expires_in): (Duration, Duration),
) -> FlowRow {
    FlowRow {
        worker,
        name,
        path: flow.path.name(),
        protocol: flow.protocol(),
        opened_by: flow.key(Direction::Original),
        became: flow.translated(Direction::Original),
        member,
        state: flow.state(),
        idle,
        expires_in,
        counted: None,
    }
}
