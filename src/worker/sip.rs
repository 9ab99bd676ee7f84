//! What is counted of SIP over UDP that passes service ports.
//!
//! Owns [`Statistics`], what a worker has counted since it was last asked, and [`Sampling`], the worker's end. Management makes them,
//! sends a worker an empty one for the one it has, and adds up what is returned: so a worker neither takes memory nor locks, and without
//! any it counts nothing. What is counted is one of so many transactions, by a hash of its branch: all messages of it are, at whichever
//! worker. Decides nothing. Which datagrams these are is said by `count_sip`.

mod histogram;
mod keep_alives;
mod open;
mod rows;

pub use histogram::Histogram;
pub use rows::{ANSWERS, AskedBy, CODES, Refreshes, Row, RowKey, place_of};

use crate::engine::Party;
use crate::time::{Duration, Instant};
use crate::wire::Endpoint;
use crate::wire::summary::{Content, Method, Said, Summary, sampled_by};
use crate::wire::transaction::AnsweredAt;
use keep_alives::{KeepAlive, KeepAlives};
use open::{Answered, Asked, Lost, OpenTransactions, Transaction};
use rows::Rows;
use std::net::Ipv4Addr;

/// Rows of one worker between two reports, at most: of service ports, members and who asks.
const ROWS: usize = 1_024;
/// Service ports of which refreshes are counted, likewise.
const SERVICES: usize = 256;

/// What is read of a datagram that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// A message of a transaction that is one of those.
    message: Option<Summary>,
    /// It keeps a way open, of whichever endpoint.
    keep_alive: Option<KeepAlive>,
    /// It is a request whose answer does not come by this worker, or nobody knows.
    is_answered_elsewhere: bool,
    sample: u32,
}

impl Sample {
    /// What there is to count in a datagram of which one transaction of `sample` is read; `None`: nothing.
    pub(super) fn of(datagram: &[u8], sample: u32) -> Option<Sample> {
        let of = |message, keep_alive| Some(Sample { message, keep_alive, is_answered_elsewhere: false, sample });
        let message = match Content::of(datagram) {
            Content::Message(message) => message,
            Content::KeepAlive => return of(None, Some(KeepAlive { branch: None })),
            Content::Other => return None,
        };
        let is_chosen = sampled_by(&message).is_some_and(|number| is_chosen(number, sample));
        let branch = || message.top_via().and_then(|via| via.branch());
        let keep_alive = message.is_request(b"OPTIONS").then(|| KeepAlive { branch: branch() });
        match is_chosen {
            true => of(Some(Summary::of(&message)), keep_alive),
            false => keep_alive.and_then(|keep_alive| of(None, Some(keep_alive))),
        }
    }

    /// Where the answer goes, of a request.
    pub(super) fn answered_at(&self) -> Option<AnsweredAt> {
        let Summary { said, answered_at, .. } = self.message?;
        matches!(said, Said::Request(_)).then_some(answered_at)
    }

    /// The same, of a request whose answer comes by this worker if `is_here`.
    pub(super) fn answered_here(self, is_here: bool) -> Sample {
        Sample { is_answered_elsewhere: !is_here, ..self }
    }
}

/// One number of `sample` is, whoever asks.
fn is_chosen(number: u64, sample: u32) -> bool {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    sample > 0 && (mixed * u64::from(sample)) >> 32 == 0
}

/// What was counted since the last report, and what a worker remembers from one report to the next.
#[derive(Debug)]
pub struct Statistics {
    rows: Rows<Row>,
    refreshes: Rows<Refreshes>,
    /// Messages for which there was no row.
    pub not_counted: u64,
    memory: Option<Box<Memory>>,
}

/// What a worker remembers.
#[derive(Debug, Default)]
struct Memory {
    open: OpenTransactions,
    keep_alives: KeepAlives,
}

impl Default for Statistics {
    /// Nothing was counted.
    fn default() -> Statistics {
        let nobody = Endpoint::new(Ipv4Addr::UNSPECIFIED, 0);
        let row = RowKey { service: nobody, member: None, asked_by: AskedBy::Clients };
        let (rows, refreshes) = (Rows::new(ROWS, row), Rows::new(SERVICES, nobody));
        Statistics { rows, refreshes, not_counted: 0, memory: None }
    }
}

impl Statistics {
    /// The first that a worker is sent: what it remembers is in it as well.
    pub fn first() -> Statistics {
        Statistics { memory: Some(Box::default()), ..Statistics::default() }
    }

    /// What was counted, by service port, member and who asks.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter()
    }

    /// What was seen of how remote endpoints stay reachable, by service port.
    pub fn refreshes(&self) -> impl Iterator<Item = &Refreshes> {
        self.refreshes.iter()
    }

    /// Forgets what was counted.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.refreshes.clear();
        self.not_counted = 0;
    }

    fn count(&mut self, sample: &Sample, party: &Party, now: Instant) {
        if let Some(keep_alive) = sample.keep_alive.filter(|_| !party.is_from_member) {
            self.note_keep_alive(keep_alive, party, sample.sample, now);
        }
        match sample.message {
            Some(Summary { said: Said::Request(method), transaction, .. }) => {
                let comes_here = !sample.is_answered_elsewhere;
                self.request((method, comes_here), transaction.map(|it| it.0), party, now);
            }
            Some(Summary { said: Said::Answer(code), transaction, expires, .. }) => {
                self.answer(code, transaction.map(|it| it.0), party, now);
                if let Some(seconds) = expires.filter(|_| party.is_from_member) {
                    self.note_refreshes(party.service, |seen| {
                        seen.registrations.record(u64::from(seconds) * 1_000_000)
                    });
                }
            }
            None => {}
        }
    }

    /// Whose answer does not come here is known, so that repetitions are seen, but nothing is waited for.
    fn request(&mut self, (method, comes_here): (Method, bool), number: Option<u64>, party: &Party, now: Instant) {
        let asked_by = if party.is_from_member { AskedBy::Members } else { AskedBy::Clients };
        let key = RowKey { service: party.service, member: party.member, asked_by };
        let is_due = method != Method::Ack;
        let asked = match (number, &mut self.memory) {
            (Some(number), Some(memory)) => {
                let of = Transaction { number, remote: party.remote.addr, asked_by };
                Some(memory.open.ask(of, party.sender(), key, is_due && comes_here, now))
            }
            _ => None,
        };
        let is_repeated = asked == Some(Asked::Repeated);
        let is_waited_for = asked.is_some() && (comes_here || is_repeated);
        self.row(key, |row| {
            row.requests[method as usize] += 1;
            row.repeated_requests += u64::from(is_repeated);
            row.not_timed += u64::from(is_due && !is_waited_for);
        });
        if let Some(Asked::First(Some(lost))) = asked {
            self.lose(lost);
        }
    }

    fn answer(&mut self, code: u16, number: Option<u64>, party: &Party, now: Instant) {
        let asked_by = if party.is_from_member { AskedBy::Clients } else { AskedBy::Members };
        let answered = match (number, &mut self.memory) {
            (Some(number), Some(memory)) => {
                memory.open.answer(Transaction { number, remote: party.remote.addr, asked_by }, code, now)
            }
            _ => Answered::Unknown,
        };
        self.row(RowKey { service: party.service, member: party.member, asked_by }, |row| {
            row.answers[place_of(code)] += 1;
            row.repeated_answers += u64::from(answered == Answered::Repeated);
            if let Answered::First(after) = answered {
                row.times.record(in_units(after, Duration::from_nanos(1)));
            }
        });
    }

    fn lose(&mut self, lost: Lost) {
        let (Lost::Unanswered(key) | Lost::GaveWay(key)) = lost;
        if let Some(row) = self.rows.row(key) {
            match lost {
                Lost::Unanswered(_) => row.unanswered += 1,
                Lost::GaveWay(_) => row.not_timed += 1,
            }
        }
    }

    fn note_keep_alive(&mut self, what: KeepAlive, party: &Party, sample: u32, now: Instant) {
        let Some(memory) = &mut self.memory else { return };
        if let Some(after) = memory.keep_alives.note(what, (party.remote, party.service), sample, now) {
            let after = in_units(after, Duration::from_micros(1));
            self.note_refreshes(party.service, |seen| seen.keep_alives.record(after));
        }
    }

    fn row(&mut self, key: RowKey, count: impl FnOnce(&mut Row)) {
        match self.rows.row(key) {
            Some(row) => count(row),
            None => self.not_counted += 1,
        }
    }

    fn note_refreshes(&mut self, service: Endpoint, note: impl FnOnce(&mut Refreshes)) {
        if let Some(refreshes) = self.refreshes.row(service) {
            note(refreshes);
        }
    }
}

fn in_units(span: Duration, unit: Duration) -> u64 {
    u64::try_from(span.as_nanos() / unit.as_nanos()).unwrap_or(u64::MAX)
}

/// What a worker counts into, if it counts.
#[derive(Debug, Default)]
pub struct Sampling(Option<Box<Statistics>>);

impl Sampling {
    /// Counts into `fresh` from now on, or not any more, and returns what was counted so far. What a worker remembers stays with it as
    /// long as it counts. Neither allocates nor copies.
    pub fn exchange(&mut self, mut fresh: Option<Box<Statistics>>, now: Instant) -> Option<Box<Statistics>> {
        let mut counted = self.0.take();
        if let Some(counted) = &mut counted {
            counted.sweep(now);
            if let Some(fresh) = &mut fresh {
                std::mem::swap(&mut counted.memory, &mut fresh.memory);
            }
        }
        self.0 = fresh;
        counted
    }

    /// Counts a datagram.
    pub(super) fn count(&mut self, sample: &Sample, party: &Party, now: Instant) {
        if let Some(statistics) = &mut self.0 {
            statistics.count(sample, party, now);
        }
    }

    /// Counts a datagram, of which all are read.
    #[cfg(test)]
    pub(crate) fn see(&mut self, datagram: &[u8], party: &Party, now: Instant) {
        let sample = Sample::of(datagram, 1);
        sample.into_iter().for_each(|sample| self.count(&sample, party, now));
    }

    /// It counts.
    #[cfg(test)]
    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }
}

impl Statistics {
    /// Requests whose time is over are counted as unanswered, a part of them.
    fn sweep(&mut self, now: Instant) {
        let Some(mut memory) = self.memory.take() else { return };
        memory.open.sweep(now, |lost| self.lose(lost));
        self.memory = Some(memory);
    }
}

#[cfg(test)]
mod tests;
