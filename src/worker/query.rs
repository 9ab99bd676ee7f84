//! Reading mail, and answering what management asks about flows.
//!
//! Owns the walks over the flow table that an operator sets off: a bounded number of flows a turn, so that no question,
//! however large, delays a packet.

use super::mailbox::{Command, Event, FlowFilter, FlowRow};
use super::{CHORES, Work, Worker};
use crate::engine::DropReason;
use crate::flow::{Direction, Flow, PathKind};
use crate::io::Port;
use crate::policy::intent::Listen;
use crate::time::{Duration, Instant};
use std::collections::VecDeque;
use std::net::Ipv4Addr;

/// Commands executed in one turn, at most.
const MAIL: usize = 32;
/// Rows in one event, at most.
const ROWS: usize = 64;

/// Questions under way; the first one is being answered.
#[derive(Default)]
pub(super) struct Queries {
    waiting: VecDeque<Query>,
}

struct Query {
    id: u64,
    filter: FlowFilter,
    cursor: u32,
    kind: QueryKind,
}

enum QueryKind {
    List { left: usize },
    Clear { count: u64 },
}

impl<P: Port> Worker<P> {
    /// Executes what management has sent.
    pub(super) fn read_mail(&mut self, now: Instant) -> usize {
        let mut count = 0;
        while count < MAIL
            && let Some(command) = self.commands.pop().ok()
        {
            self.handle(command, now);
            count += 1;
        }
        self.events.flush();
        count
    }

    fn handle(&mut self, command: Command, now: Instant) {
        match command {
            Command::Install(snapshot, claims) => {
                let epoch = snapshot.epoch;
                self.held.reassembly.set_patience(snapshot.timeouts.reassembly);
                let old = Some(self.engine.install(snapshot, claims));
                self.events.send(Event::Installed { worker: self.id, epoch, at: now, old });
                self.decide_waiting(now);
            }
            Command::Transmit { port, frame } => self.originate(port, &frame),
            Command::GiveUp(hop) => self.give_up(hop),
            Command::ListFlows { query, filter, limit } => {
                self.ask(query, filter, QueryKind::List { left: limit });
            }
            Command::ClearFlows { query, filter } => self.ask(query, filter, QueryKind::Clear { count: 0 }),
            Command::Latency(fresh) => {
                let latency = self.timing.exchange(fresh);
                self.events.send(Event::Latency { worker: self.id, latency });
            }
            Command::Stop => self.stopping = true,
        }
    }

    fn ask(&mut self, id: u64, filter: FlowFilter, kind: QueryKind) {
        self.queries.waiting.push_back(Query { id, filter, cursor: 0, kind });
    }

    /// Passes on what the engine saw of members.
    pub(super) fn report(&mut self, now: Instant) {
        while let Some(member) = self.engine.next_passive_hint() {
            self.events.hint(member, now);
        }
    }

    /// Goes on with the first question that waits.
    pub(super) fn answer_queries(&mut self, now: Instant) {
        if !self.events.has_room() {
            return;
        }
        let Some(mut query) = self.queries.waiting.pop_front() else { return };
        let next = match &mut query.kind {
            QueryKind::List { left } => self.list(query.id, &query.filter, query.cursor, left, now),
            QueryKind::Clear { count } => self.clear(query.id, &query.filter, query.cursor, count),
        };
        if let Some(cursor) = next {
            query.cursor = cursor;
            self.queries.waiting.push_front(query);
        }
    }

    fn list(&mut self, query: u64, filter: &FlowFilter, cursor: u32, left: &mut usize, now: Instant) -> Option<u32> {
        let (flows, worker) = (self.engine.flows(), self.id);
        let mut rows = Vec::new();
        let take = ROWS.min(*left);
        let mut next = self.engine.scan(cursor, ROWS, |id, flow, members| {
            if rows.len() < take && matches(flow, members, filter) {
                rows.push(row(worker, flow, members[0], flows.idle(id, now), flows.expires_in(id, now)));
            }
        });
        *left -= rows.len();
        if *left == 0 {
            next = None;
        }
        if !rows.is_empty() || next.is_none() {
            self.events.send(Event::Flows { query, rows, last: next.is_none() });
        }
        next
    }

    fn clear(&mut self, query: u64, filter: &FlowFilter, cursor: u32, count: &mut u64) -> Option<u32> {
        let next = self.engine.clear(cursor, CHORES, |flow, members| {
            let chosen = matches(flow, members, filter);
            *count += u64::from(chosen);
            chosen
        });
        if next.is_none() {
            self.events.send(Event::Cleared { query, count: *count });
        }
        next
    }

    /// What waits is dropped and counted; [`Work::Ended`] once management knows.
    pub(super) fn end(&mut self) -> Work {
        self.counters.dropped_all(self.held.frames(), DropReason::Stopping);
        self.held.clear();
        let mut handed_off = std::mem::take(&mut self.handed_off);
        self.hand_off.take(&mut handed_off, usize::MAX);
        for datagram in handed_off {
            self.counters.taken_over += datagram.frames.count() as u64;
            self.counters.dropped_all(datagram.frames.count(), DropReason::Stopping);
        }
        self.counters.set_gauges(&self.engine, 0);
        self.shared.publish(&self.counters, self.engine.flows_by_member(), true);
        match self.events.send_stopped() {
            0 => Work::Ended,
            waiting => Work::Busy(waiting),
        }
    }
}

/// `members` are the addresses of the one it belongs to and of the one that opened it.
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
    worker: super::WorkerId,
    flow: &Flow,
    member: Option<Ipv4Addr>,
    idle: Duration,
    expires_in: Duration,
) -> FlowRow {
    FlowRow {
        worker,
        path: flow.path.name(),
        protocol: flow.protocol(),
        opened_by: flow.key(Direction::Original),
        became: flow.translated(Direction::Original),
        member,
        state: flow.state(),
        idle,
        expires_in,
    }
}
