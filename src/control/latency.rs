//! How long all workers take to forward frames, and whether every worker still turns.
//!
//! Owns what the workers have measured so far. Twice a second, and when an operator asks, each is sent an empty
//! [`Latency`] and returns the one it had; so a worker neither copies nor takes memory, and nobody locks. That it is
//! returned is the sign that the worker turns: one that is not until the second check after it was sent for is an alarm.
//! Two checks, so that a pause of the management core itself, with the worker's mail still unread after it, is none.

use super::facts::Machine;
use super::outbox::Outbox;
use super::waiting::PATIENCE;
use crate::admin::answer::{AdminError, Code, Data};
use crate::admin::events::Subject;
use crate::admin::rows::{Bucket, LatencyRow, Spread};
use crate::config::{CpuCores, LogLevel, count, duration_text};
use crate::events::{AlarmCode, EventName};
use crate::time::{Duration, Instant};
use crate::worker::Latency;
use crate::worker::latency::Histogram;
use crate::worker::mailbox::{Command, WorkerId};

/// How often workers are checked.
const CHECK: Duration = Duration::from_millis(500);
/// Checks without a report of a worker after which it is an alarm.
const CHECKS: u32 = 2;
/// Stalls are logged at most once in this time.
const QUIET: Duration = Duration::from_secs(60);
/// Bounds of the buckets, in microseconds.
const BOUNDS: [u64; 17] =
    [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 1_000_000];

/// What all workers have measured.
pub(super) struct Latencies {
    workers: Vec<Reports>,
    since: Instant,
    /// Of frames sent since this was last taken, whatever was reset.
    recent: Histogram,
    /// Stalls since the start, whatever was reset.
    stalls: u64,
    next_check: Instant,
    next_log: Instant,
}

struct Reports {
    total: Latency,
    /// The next one to be sent out, empty; `None`: it is outstanding.
    spare: Option<Box<Latency>>,
    /// When the worker returned one last.
    reported: Instant,
    /// Checks since it was sent for.
    checks: u32,
    unlogged: Unlogged,
}

/// Stalls that are not in the log yet.
#[derive(Default)]
struct Unlogged {
    stalls: u64,
    longest: Duration,
}

impl Latencies {
    pub(super) fn new(workers: usize, now: Instant) -> Latencies {
        let none = |_| Reports {
            total: Latency::default(),
            spare: Some(Box::default()),
            reported: now,
            checks: 0,
            unlogged: Unlogged::default(),
        };
        Latencies {
            workers: (0..workers).map(none).collect(),
            since: now,
            recent: Histogram::default(),
            stalls: 0,
            next_check: now + CHECK,
            next_log: now,
        }
    }

    /// Stalls of all workers since the start.
    pub(super) fn stalls(&self) -> u64 {
        self.stalls
    }

    /// Forwarding latency that half, and 99 in 100, of the frames did not exceed that were reported since this was last called, and the
    /// longest, in nanoseconds; `None`: there was no frame.
    pub(super) fn take_recent(&mut self) -> Option<[u64; 3]> {
        let recent = &self.recent;
        let found = (recent.count() > 0).then(|| [recent.at_quantile(0.5), recent.at_quantile(0.99), recent.longest()]);
        self.recent.clear();
        found
    }

    /// When workers are to be checked.
    pub(super) fn next_deadline(&self) -> Instant {
        self.next_check
    }

    /// A worker has returned its measurements.
    pub(super) fn on_latency(&mut self, worker: WorkerId, mut latency: Box<Latency>, out: &mut Outbox, now: Instant) {
        let at = usize::from(worker.0);
        let Some(known) = self.workers.get_mut(at) else { return };
        known.total.add(&latency);
        self.recent.add(&latency.forwarding);
        known.unlogged.stalls += latency.stalls;
        known.unlogged.longest = known.unlogged.longest.max(latency.longest);
        self.stalls += latency.stalls;
        latency.clear();
        (known.spare, known.reported, known.checks) = (Some(latency), now, 0);
        out.clear(&alarm_key(at), || format!("worker {at} is running again"));
    }

    /// Twice a second: who does not turn, and who turned too slowly.
    pub(super) fn poll(&mut self, cores: &CpuCores, out: &mut Outbox, now: Instant) {
        if now >= self.next_check {
            self.next_check = now + CHECK;
            self.check_silence(cores, out, now);
            self.log_stalls(cores, out, now);
            self.collect(out);
        }
    }

    /// The answer to an operator, once all workers but `missing` have reported.
    pub(super) fn answer(
        &mut self,
        reset: bool,
        missing: &[WorkerId],
        machine: &Machine,
        cores: &CpuCores,
        now: Instant,
    ) -> Result<Data, AdminError> {
        if reset && !missing.is_empty() {
            return Err(not_reset(missing));
        }
        let rows = self.rows(machine, cores);
        if reset {
            self.workers.iter_mut().for_each(|known| known.total.clear());
            self.since = now;
        }
        Ok(Data::Latency(rows))
    }

    /// Sends every worker an empty one for the one it has, except those that have still to return one.
    pub(super) fn collect(&mut self, out: &mut Outbox) {
        for (at, known) in self.workers.iter_mut().enumerate() {
            if let Some(spare) = known.spare.take() {
                out.send(WorkerId(at as u16), Command::Latency(spare));
            }
        }
    }

    fn check_silence(&mut self, cores: &CpuCores, out: &mut Outbox, now: Instant) {
        for (at, known) in self.workers.iter_mut().enumerate() {
            known.checks += u32::from(known.spare.is_none());
            if known.checks < CHECKS {
                continue;
            }
            let silent = now.since(known.reported).as_secs();
            let core = cores.workers.get(at).copied().unwrap_or_default();
            let message = format!(
                "worker {at} has not completed a loop iteration for {silent}s, so it forwards nothing: see what takes \
                 core {core} away from it, and report a bug if nothing does"
            );
            let of = (AlarmCode::WorkerSilent, Subject::object(format!("worker {at}")));
            out.raise(&alarm_key(at), of, message, now);
        }
    }

    fn log_stalls(&mut self, cores: &CpuCores, out: &mut Outbox, now: Instant) {
        if now < self.next_log || self.workers.iter().all(|known| known.unlogged.stalls == 0) {
            return;
        }
        self.next_log = now + QUIET;
        let limit = duration_text(cores.stall_threshold);
        for (at, known) in self.workers.iter_mut().enumerate() {
            let Unlogged { stalls, longest } = std::mem::take(&mut known.unlogged);
            if stalls > 0 {
                let stalls = count(stalls as usize, "loop iteration");
                let message = format!(
                    "worker {at} had {stalls} longer than {limit}, the longest {longest:.1?}: is its core \
                     shared with other work? See `fairlead latency`"
                );
                out.log_of(EventName::WorkerStalls, LogLevel::Warn, Subject::object(format!("worker {at}")), message);
            }
        }
    }

    /// Each worker's, then all together.
    fn rows(&self, machine: &Machine, cores: &CpuCores) -> Vec<LatencyRow> {
        let mut sum = Latency::default();
        self.workers.iter().for_each(|known| sum.add(&known.total));
        let oldest = self.workers.iter().map(|known| known.reported).min().unwrap_or_default();
        let row = |worker, of: &Latency, until| LatencyRow {
            worker,
            since: machine.wall(self.since),
            until: machine.wall(until),
            forwarding: spread(&of.forwarding),
            loops: spread(&of.turns),
            stalls: of.stalls,
            stall_ns: nanos(cores.stall_threshold),
            longest_ns: nanos(of.longest),
            longest_at: (of.longest > Duration::ZERO).then(|| machine.wall(of.longest_at)),
        };
        let each = self.workers.iter().enumerate();
        each.map(|(at, known)| row(Some(at as u16), &known.total, known.reported))
            .chain([row(None, &sum, oldest)])
            .collect()
    }
}

fn spread(histogram: &Histogram) -> Spread {
    let bucket = |us: u64| {
        let up_to = Duration::from_micros(us);
        Bucket { up_to_ns: nanos(up_to), count: histogram.up_to(up_to) }
    };
    Spread {
        count: histogram.count(),
        sum_ns: histogram.sum(),
        p50_ns: histogram.at_quantile(0.5),
        p90_ns: histogram.at_quantile(0.9),
        p99_ns: histogram.at_quantile(0.99),
        p999_ns: histogram.at_quantile(0.999),
        max_ns: histogram.longest(),
        buckets: BOUNDS.map(bucket).into(),
    }
}

fn alarm_key(worker: usize) -> String {
    format!("worker {worker}")
}

fn not_reset(missing: &[WorkerId]) -> AdminError {
    let workers: Vec<String> = missing.iter().map(|worker| worker.0.to_string()).collect();
    let message = format!(
        "nothing was reset: worker {} did not answer within {PATIENCE:?}; see the alarms of `fairlead status`",
        workers.join(", ")
    );
    AdminError::new(Code::NoAnswer, message)
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
