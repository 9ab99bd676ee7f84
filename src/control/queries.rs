//! Questions that every worker must answer: lists of flows, and clearing flows.
//!
//! Owns what has come so far and who has not finished. Workers answer a bounded number of rows a turn, so an answer
//! comes in parts; a worker that does not answer holds nobody up longer than [`PATIENCE`].

use crate::time::{Duration, Instant};
use crate::worker::mailbox::FlowRow;

/// How long the workers may take.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Rows, at most so many.
    List(usize),
    /// To clear, and how many.
    Clear,
}

/// A question that has been answered as far as it will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Who asked.
    pub request_id: u64,
    /// What was asked.
    pub kind: Kind,
    /// Rows that came, at most as many as asked for.
    pub rows: Vec<FlowRow>,
    /// Flows cleared.
    pub cleared: u64,
    /// Workers that did not finish.
    pub missing: usize,
    /// Whether any worker said anything.
    pub heard: bool,
}

#[derive(Debug)]
struct Query {
    id: u64,
    until: Instant,
    answer: Answered,
}

/// The questions under way.
#[derive(Debug)]
pub struct Queries {
    workers: usize,
    next: u64,
    open: Vec<Query>,
}

impl Queries {
    /// None yet.
    pub fn new(workers: usize) -> Queries {
        Queries { workers, next: 1, open: Vec::new() }
    }

    /// A new question; returned is its number for the workers.
    pub fn open(&mut self, request_id: u64, kind: Kind, now: Instant) -> u64 {
        let id = self.next;
        self.next += 1;
        let answer = Answered { request_id, kind, rows: Vec::new(), cleared: 0, missing: self.workers, heard: false };
        self.open.push(Query { id, until: now + PATIENCE, answer });
        id
    }

    /// A worker sent rows.
    pub fn on_flows(&mut self, id: u64, rows: Vec<FlowRow>, last: bool) {
        let Some(answer) = self.find(id) else { return };
        answer.heard = true;
        answer.missing = answer.missing.saturating_sub(usize::from(last));
        if let Kind::List(limit) = answer.kind {
            let room = limit.saturating_sub(answer.rows.len());
            answer.rows.extend(rows.into_iter().take(room));
        }
    }

    /// A worker has cleared flows.
    pub fn on_cleared(&mut self, id: u64, count: u64) {
        let Some(answer) = self.find(id) else { return };
        answer.heard = true;
        answer.missing = answer.missing.saturating_sub(1);
        answer.cleared += count;
    }

    /// The next question that is answered, or as far as patience goes.
    pub fn next_answered(&mut self, now: Instant) -> Option<Answered> {
        let done = |query: &Query| query.answer.missing == 0 || query.until <= now;
        let place = self.open.iter().position(done)?;
        Some(self.open.remove(place).answer)
    }

    /// Drops all that are open; given are the requests behind them.
    pub fn abandon(&mut self) -> Vec<u64> {
        self.open.drain(..).map(|query| query.answer.request_id).collect()
    }

    /// When patience with a question ends.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.open.iter().map(|query| query.until).min()
    }

    fn find(&mut self, id: u64) -> Option<&mut Answered> {
        self.open.iter_mut().find(|query| query.id == id).map(|query| &mut query.answer)
    }
}
