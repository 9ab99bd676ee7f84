//! What has passed in the last minutes, for who begins to look now.
//!
//! Owns a bounded ring of samples, one each two seconds: sums over all workers, nothing of single members. What it costs does not depend
//! on how much the appliance serves.

use super::facts::Machine;
use super::latency::Latencies;
use crate::admin::overview::{DropRow, TrendRow};
use crate::engine::DropReason;
use crate::explain::remedy_for_drop;
use crate::time::{Duration, Instant};
use crate::worker::counters::ByReason;
use std::collections::VecDeque;

/// From one sample to the next.
const EVERY: Duration = Duration::from_secs(2);
/// So many are kept: ten minutes.
const MOST: usize = 300;
/// So many are a minute.
const MINUTE: usize = 30;

type Drops = ByReason<{ DropReason::COUNT }>;

/// The samples.
pub(super) struct Trend {
    samples: VecDeque<Sample>,
    /// What had been dropped at the end of the samples of the last minute, and at its beginning.
    drops: VecDeque<Drops>,
    last: Sums,
    looked: Instant,
}

/// All workers together.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    received: u64,
    sent: u64,
    dropped: u64,
    received_bytes: u64,
    sent_bytes: u64,
    flows: u64,
}

/// What a span of time was like: rates are a second's, latencies nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Sample {
    rates: Sums,
    flows: u64,
    forwarding: Option<[u64; 3]>,
}

impl Trend {
    pub(super) fn new(now: Instant) -> Trend {
        Trend { samples: VecDeque::new(), drops: VecDeque::new(), last: Sums::default(), looked: now }
    }

    /// When the next sample is due.
    pub(super) fn next_deadline(&self) -> Instant {
        self.looked + EVERY
    }

    /// Takes a sample if it is time to. One that is late stands for all that should have been taken meanwhile,
    /// to the nearest number of them.
    pub(super) fn poll(&mut self, machine: &Machine, latencies: &mut Latencies, now: Instant) {
        if now < self.next_deadline() {
            return;
        }
        let (sums, drops) = read(machine);
        let over = now.since(self.looked).as_secs_f64();
        let per_second = |of: fn(&Sums) -> u64| (of(&sums).saturating_sub(of(&self.last)) as f64 / over).round() as u64;
        let rates = Sums {
            received: per_second(|sums| sums.received),
            sent: per_second(|sums| sums.sent),
            dropped: per_second(|sums| sums.dropped),
            received_bytes: per_second(|sums| sums.received_bytes),
            sent_bytes: per_second(|sums| sums.sent_bytes),
            flows: 0,
        };
        let sample = Sample { rates, flows: sums.flows, forwarding: latencies.take_recent() };
        let missed = ((now.since(self.looked) + EVERY / 2).as_nanos() / EVERY.as_nanos()).min(MOST as u128) as usize;
        for _ in 0..missed {
            keep(&mut self.samples, sample, MOST);
            keep(&mut self.drops, drops.clone(), MINUTE + 1);
        }
        (self.last, self.looked) = (sums, now);
    }

    /// All samples, column by column.
    pub(super) fn row(&self, machine: &Machine) -> TrendRow {
        let column = |of: fn(&Sample) -> u64| self.samples.iter().map(of).collect();
        let latency = |at: usize| self.samples.iter().map(|sample| Some(sample.forwarding?[at])).collect();
        TrendRow {
            every_ms: EVERY.as_millis() as u64,
            until: machine.wall(self.looked),
            received_frames_per_s: column(|sample| sample.rates.received),
            sent_frames_per_s: column(|sample| sample.rates.sent),
            dropped_frames_per_s: column(|sample| sample.rates.dropped),
            received_bits_per_s: column(|sample| sample.rates.received_bytes.saturating_mul(8)),
            sent_bits_per_s: column(|sample| sample.rates.sent_bytes.saturating_mul(8)),
            flows: column(|sample| sample.flows),
            forwarding_p50_ns: latency(0),
            forwarding_p99_ns: latency(1),
            forwarding_max_ns: latency(2),
        }
    }

    /// Each reason for which frames were dropped since the start; what has most of the last minute first, then most of all.
    pub(super) fn drops(&self, machine: &Machine) -> Vec<DropRow> {
        let (_, drops) = read(machine);
        // A minute that is not over yet begins with nothing.
        let before = self.drops.front().filter(|_| self.drops.len() > MINUTE);
        let mut rows: Vec<DropRow> = DropReason::ALL
            .iter()
            .zip(drops.0)
            .enumerate()
            .filter(|(_, (_, frames))| *frames > 0)
            .map(|(at, (reason, frames))| DropRow {
                reason: reason.name().into(),
                explanation: reason.explanation().into(),
                remedy: remedy_for_drop(reason.name()),
                frames,
                last_minute_frames: frames.saturating_sub(before.map_or(0, |before| before.0[at])),
            })
            .collect();
        rows.sort_by_key(|row| std::cmp::Reverse((row.last_minute_frames, row.frames)));
        rows
    }
}

fn keep<T>(ring: &mut VecDeque<T>, one: T, most: usize) {
    if ring.len() == most {
        ring.pop_front();
    }
    ring.push_back(one);
}

fn read(machine: &Machine) -> (Sums, Drops) {
    let (mut sums, mut drops) = (Sums::default(), Drops::default());
    for worker in machine.workers() {
        let counters = machine.counters.worker(worker).counters;
        sums.received += counters.received;
        sums.sent += counters.transmitted;
        sums.dropped += counters.dropped.sum();
        sums.received_bytes += counters.received_bytes;
        sums.sent_bytes += counters.transmitted_bytes;
        sums.flows += counters.flows;
        drops.0.iter_mut().zip(counters.dropped.0).for_each(|(sum, more)| *sum += more);
    }
    (sums, drops)
}

#[cfg(test)]
mod tests {
    use super::super::facts::{CounterSource, HostDevice, PortCounters, WorkerCounters};
    use super::super::outbox::Outbox;
    use super::*;
    use crate::admin::rows::Wall;
    use crate::config::LogLevel;
    use crate::engine::MemberUse;
    use crate::policy::intent::PortId;
    use crate::worker::counters::Owned;
    use crate::worker::mailbox::WorkerId;
    use crate::worker::{Counters, Latency};
    use std::sync::{Arc, Mutex};

    /// Counters of one worker that a test sets.
    #[derive(Clone, Default)]
    struct Set(Arc<Mutex<Counters>>);

    impl CounterSource for Set {
        fn worker(&self, _: WorkerId) -> WorkerCounters {
            WorkerCounters { busy_percent: 0.0, counters: self.0.lock().unwrap().clone() }
        }

        fn members(&self, _: WorkerId) -> Option<Arc<MemberUse>> {
            None
        }

        fn owned(&self, _: WorkerId) -> Option<Owned> {
            None
        }

        fn port(&self, _: PortId) -> PortCounters {
            PortCounters::default()
        }

        fn latest_turn(&self, _: WorkerId) -> Option<Instant> {
            None
        }

        fn hosts(&self) -> Vec<HostDevice> {
            Vec::new()
        }

        fn host_frames_unclaimed(&self) -> u64 {
            0
        }

        fn log_lines_lost(&self) -> u64 {
            0
        }

        fn frames_unsent(&self) -> u64 {
            0
        }
    }

    struct Rig {
        set: Set,
        machine: Machine,
        latencies: Latencies,
        trend: Trend,
        now: Instant,
    }

    impl Rig {
        fn new() -> Rig {
            let set = Set::default();
            let machine = Machine {
                macs: Vec::new(),
                ports: Vec::new(),
                workers: 1,
                counters: Box::new(set.clone()),
                log: LogLevel::Info,
                began: Instant::ZERO,
                start: Wall(1_795_352_645_000_000),
                saved: None,
                configurations: None,
                events: None,
                handover: None,
            };
            let (latencies, trend) = (Latencies::new(1, Instant::ZERO), Trend::new(Instant::ZERO));
            Rig { set, machine, latencies, trend, now: Instant::ZERO }
        }

        /// So many frames are received, and dropped as `reason`, while so many seconds pass; then it is looked at.
        fn pass(&mut self, seconds: u64, received: u64, (reason, dropped): (DropReason, u64)) {
            let mut counters = self.set.0.lock().unwrap();
            counters.received += received;
            counters.received_bytes += 100 * received;
            counters.flows = received;
            let at = DropReason::ALL.iter().position(|one| *one == reason).unwrap();
            counters.dropped.0[at] += dropped;
            drop(counters);
            self.now += Duration::from_secs(seconds);
            self.trend.poll(&self.machine, &mut self.latencies, self.now);
        }

        fn row(&self) -> TrendRow {
            self.trend.row(&self.machine)
        }
    }

    #[test]
    fn s169_rates_are_of_two_seconds_and_a_late_sample_stands_for_all_that_are_missed() {
        let mut rig = Rig::new();
        rig.pass(1, 10, (DropReason::NoFlow, 0));
        assert_eq!(rig.row().received_frames_per_s, [0; 0], "it is not time yet");
        rig.pass(1, 10, (DropReason::NoFlow, 6));
        rig.pass(6, 600, (DropReason::NoFlow, 0));
        rig.pass(3, 0, (DropReason::NoFlow, 0));
        let row = rig.row();
        assert_eq!((row.every_ms, row.until), (2_000, rig.machine.wall(rig.now)));
        assert_eq!(row.received_frames_per_s, [10, 100, 100, 100, 0, 0]);
        assert_eq!(row.received_bits_per_s, [8_000, 80_000, 80_000, 80_000, 0, 0]);
        assert_eq!((row.dropped_frames_per_s, row.flows), (vec![3, 0, 0, 0, 0, 0], vec![10, 600, 600, 600, 0, 0]));
        assert_eq!(row.forwarding_p50_ns, [None; 6], "nothing was sent");
    }

    #[test]
    fn s169_latencies_are_those_of_the_span() {
        let mut rig = Rig::new();
        let mut out = Outbox::default();
        for us in [10, 40] {
            let mut latency = Box::<Latency>::default();
            latency.forwarding.record(Duration::from_micros(us), 99);
            latency.forwarding.record(Duration::from_micros(us * 100), 1);
            rig.latencies.on_latency(WorkerId(0), latency, &mut out, rig.now);
            rig.pass(2, 0, (DropReason::NoFlow, 0));
        }
        let row = rig.row();
        let near = |found: &[Option<u64>], expected: [u64; 2]| {
            found.iter().zip(expected).all(|(found, us)| (us * 1_000..=us * 1_010).contains(&found.unwrap()))
        };
        assert!(near(&row.forwarding_p50_ns, [10, 40]) && near(&row.forwarding_p99_ns, [10, 40]), "{row:?}");
        assert!(near(&row.forwarding_max_ns, [1_000, 4_000]), "{row:?}");
    }

    #[test]
    fn s169_ten_minutes_are_kept_however_long_it_runs() {
        let mut rig = Rig::new();
        (0..1_000).for_each(|number| rig.pass(2, 2 * number, (DropReason::NoFlow, 0)));
        let row = rig.row();
        assert_eq!((row.received_frames_per_s.len(), row.forwarding_max_ns.len()), (300, 300));
        assert_eq!((row.received_frames_per_s[0], row.received_frames_per_s[299]), (700, 999));
        rig.pass(86_400, 0, (DropReason::NoFlow, 0));
        assert_eq!(rig.row().received_frames_per_s, [0; 300], "a day of which nothing is known");
    }

    #[test]
    fn what_is_dropped_now_comes_first_and_the_last_minute_ends() {
        let mut rig = Rig::new();
        rig.pass(2, 0, (DropReason::NoFlow, 1_000));
        let of = |rig: &Rig| -> Vec<(String, u64, u64)> {
            let rows = rig.trend.drops(&rig.machine).into_iter();
            rows.map(|row| (row.reason, row.frames, row.last_minute_frames)).collect()
        };
        assert_eq!(of(&rig), [("no_flow".into(), 1_000, 1_000)], "the first minute is that since the start");
        (0..30).for_each(|_| rig.pass(2, 0, (DropReason::NoRoute, 1)));
        assert_eq!(of(&rig), [("no_route".into(), 30, 30), ("no_flow".into(), 1_000, 0)]);
        (0..60).for_each(|_| rig.pass(2, 0, (DropReason::NoRoute, 0)));
        assert_eq!(of(&rig), [("no_flow".into(), 1_000, 0), ("no_route".into(), 30, 0)]);
        assert!(rig.trend.drops(&rig.machine).iter().all(|row| !row.explanation.is_empty()));
    }
}
