//! How long frames are in the box, of all workers; and whether every worker still turns.
//!
//! Owns what the workers have measured so far. Twice a second, and when an operator asks, each is sent an empty
//! [`Latency`] to go on with and sends home the one it had; so a worker neither copies nor takes memory, and nobody
//! locks. That it comes home is the sign that the worker turns: one that did not come until the second look after it
//! was sent for is an alarm. Two looks, so that a pause of the management core itself, with the worker's mail still
//! unread after it, is none.

use super::{Controller, Output};
use crate::admin::answer::{AdminError, Code, Data};
use crate::admin::rows::{Bucket, LatencyRow, Spread};
use crate::config::{LogLevel, duration_text};
use crate::time::{Duration, Instant};
use crate::worker::Latency;
use crate::worker::latency::Spans;
use crate::worker::mailbox::{Command, WorkerId};

/// How long an operator waits for the workers.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often workers are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// Looks without a sign of a worker after which it is an alarm.
const LOOKS: u32 = 2;
/// Stalls are told in the log at most once in this time.
const QUIET: Duration = Duration::from_secs(60);
/// Bounds of the buckets, in microseconds.
const BOUNDS: [u64; 17] =
    [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 1_000_000];

/// What all workers have measured.
pub(super) struct Latencies {
    homes: Vec<Home>,
    asked: Vec<Asked>,
    /// Since when.
    since: Instant,
    /// Stalls since the start, whatever was reset.
    stalls: u64,
    next_look: Instant,
    next_word: Instant,
}

/// One worker's.
struct Home {
    total: Latency,
    /// The next one to be sent out, empty; `None`: it is out.
    spare: Option<Box<Latency>>,
    /// When the worker sent one home last.
    heard: Instant,
    /// Looks since it was sent for.
    looks: u32,
    alarmed: bool,
    untold: Untold,
}

/// Stalls of which the log has not told yet.
#[derive(Default)]
struct Untold {
    stalls: u64,
    longest: Duration,
}

/// An operator waits.
struct Asked {
    ticket: u64,
    reset: bool,
    missing: Vec<usize>,
    until: Instant,
}

impl Latencies {
    /// Nothing yet.
    pub(super) fn new(workers: usize, now: Instant) -> Latencies {
        let home = |_| Home {
            total: Latency::default(),
            spare: Some(Box::default()),
            heard: now,
            looks: 0,
            alarmed: false,
            untold: Untold::default(),
        };
        Latencies {
            homes: (0..workers).map(home).collect(),
            asked: Vec::new(),
            since: now,
            stalls: 0,
            next_look: now + LOOK,
            next_word: now,
        }
    }

    /// Stalls of all workers since the start.
    pub(super) fn stalls(&self) -> u64 {
        self.stalls
    }

    /// When workers are to be looked at, or patience with one ends.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.asked.iter().map(|asked| asked.until).chain([self.next_look]).min()
    }

    /// Tickets of all who wait; nobody does afterwards.
    pub(super) fn abandon(&mut self) -> Vec<u64> {
        self.asked.drain(..).map(|asked| asked.ticket).collect()
    }

    fn clear(&mut self, now: Instant) {
        self.homes.iter_mut().for_each(|home| home.total.clear());
        self.since = now;
    }
}

impl Controller {
    /// An operator wants to know; answered when every worker has told.
    pub(super) fn ask_latency(&mut self, ticket: u64, reset: bool, now: Instant) {
        let missing = (0..self.latencies.homes.len()).collect();
        self.latencies.asked.push(Asked { ticket, reset, missing, until: now + PATIENCE });
        self.send_for_latency();
    }

    /// A worker's came home.
    pub(super) fn take_home(&mut self, worker: WorkerId, mut latency: Box<Latency>, now: Instant) {
        let at = usize::from(worker.0);
        let Some(home) = self.latencies.homes.get_mut(at) else { return };
        home.total.add(&latency);
        home.untold.stalls += latency.stalls;
        home.untold.longest = home.untold.longest.max(latency.longest);
        self.latencies.stalls += latency.stalls;
        latency.clear();
        (home.spare, home.heard, home.looks) = (Some(latency), now, 0);
        let was_alarmed = std::mem::take(&mut home.alarmed);
        self.latencies.asked.iter_mut().for_each(|asked| asked.missing.retain(|missing| *missing != at));
        if was_alarmed {
            self.alarms.clear(&alarm_key(at));
            self.log(LogLevel::Info, format!("alarm is over: worker {at} turns again"));
        }
    }

    /// Twice a second: who does not turn, and who turned too slowly.
    pub(super) fn look_at_workers(&mut self, now: Instant) {
        if now < self.latencies.next_look {
            return;
        }
        self.latencies.next_look = now + LOOK;
        for at in 0..self.latencies.homes.len() {
            let home = &mut self.latencies.homes[at];
            home.looks += u32::from(home.spare.is_none());
            if home.looks >= LOOKS {
                self.raise_silent(at, now);
            }
        }
        self.tell_stalls(now);
        self.send_for_latency();
    }

    /// Tells those for whom every worker has told, and those whose patience is at its end.
    pub(super) fn answer_latency(&mut self, now: Instant) {
        let done = |asked: &mut Asked| asked.missing.is_empty() || asked.until <= now;
        let done: Vec<Asked> = self.latencies.asked.extract_if(.., done).collect();
        for Asked { ticket, reset, missing, .. } in done {
            if reset && !missing.is_empty() {
                self.tell(ticket, Err(not_reset(&missing)));
                continue;
            }
            let rows = self.latency_rows();
            if reset {
                self.latencies.clear(now);
            }
            self.tell(ticket, Ok(Data::Latency(rows)));
        }
    }

    /// Whoever is out already is on its way.
    fn send_for_latency(&mut self) {
        for (at, home) in self.latencies.homes.iter_mut().enumerate() {
            if let Some(spare) = home.spare.take() {
                self.outputs.push_back(Output::ToWorker(WorkerId(at as u16), Command::Latency(spare)));
            }
        }
    }

    fn raise_silent(&mut self, at: usize, now: Instant) {
        let silent = now.since(self.latencies.homes[at].heard).as_secs();
        self.latencies.homes[at].alarmed = true;
        let core = self.file.settings.cores.workers.get(at).copied().unwrap_or_default();
        let message = format!(
            "worker {at} has not come back from a turn for {silent}s, so nothing is forwarded by it: see what takes core \
             {core} away from it, and report a fault if nothing does"
        );
        if self.alarms.raise(&alarm_key(at), message.clone(), None, now) {
            self.log(LogLevel::Error, format!("alarm: {message}"));
        }
    }

    fn tell_stalls(&mut self, now: Instant) {
        if now < self.latencies.next_word || self.latencies.homes.iter().all(|home| home.untold.stalls == 0) {
            return;
        }
        self.latencies.next_word = now + QUIET;
        let limit = duration_text(self.file.settings.cores.stall_threshold);
        for at in 0..self.latencies.homes.len() {
            let Untold { stalls, longest } = std::mem::take(&mut self.latencies.homes[at].untold);
            if stalls > 0 {
                let message = format!(
                    "worker {at} had {stalls} turns longer than {limit}, the longest {longest:.1?}: does its core do \
                     other work as well? See `fairlead latency`"
                );
                self.log(LogLevel::Warn, message);
            }
        }
    }

    /// Each worker's, then all together.
    fn latency_rows(&self) -> Vec<LatencyRow> {
        let homes = &self.latencies.homes;
        let mut sum = Latency::default();
        homes.iter().for_each(|home| sum.add(&home.total));
        let heard = homes.iter().map(|home| home.heard).min().unwrap_or_default();
        let own = homes.iter().enumerate();
        own.map(|(at, home)| self.latency_row(Some(at as u16), &home.total, home.heard))
            .chain([self.latency_row(None, &sum, heard)])
            .collect()
    }

    fn latency_row(&self, worker: Option<u16>, of: &Latency, heard: Instant) -> LatencyRow {
        LatencyRow {
            worker,
            since: self.wall(self.latencies.since),
            until: self.wall(heard),
            in_box: spread(&of.in_box),
            turns: spread(&of.turns),
            stalls: of.stalls,
            stall_ns: nanos(self.file.settings.cores.stall_threshold),
            longest_ns: nanos(of.longest),
            longest_at: (of.longest > Duration::ZERO).then(|| self.wall(of.longest_at)),
        }
    }
}

fn spread(spans: &Spans) -> Spread {
    let bucket = |us: u64| {
        let up_to = Duration::from_micros(us);
        Bucket { up_to_ns: nanos(up_to), count: spans.up_to(up_to) }
    };
    Spread {
        count: spans.count(),
        sum_ns: spans.sum(),
        p50_ns: spans.at_quantile(0.5),
        p90_ns: spans.at_quantile(0.9),
        p99_ns: spans.at_quantile(0.99),
        p999_ns: spans.at_quantile(0.999),
        max_ns: spans.longest(),
        buckets: BOUNDS.map(bucket).into(),
    }
}

fn alarm_key(worker: usize) -> String {
    format!("worker {worker}")
}

fn not_reset(missing: &[usize]) -> AdminError {
    let workers: Vec<String> = missing.iter().map(usize::to_string).collect();
    let message = format!(
        "nothing was reset: worker {} did not answer in {PATIENCE:?}; `fairlead status` shows whether it is an alarm",
        workers.join(", ")
    );
    AdminError::new(Code::NoAnswer, message)
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
