//! No packet that hits makes a worker ask for memory, whatever its path; nor does SIP that is read to be counted.
//!
//! An allocator that counts stands in for the system's, by thread. The frames are those of the
//! benches, whose support is a folder and no crate: the programs `instructions` and `pace` are built from it as well, without
//! what only tests depend on.

use super::counting;
#[path = "../../benches/support/mod.rs"]
mod support;

use fairlead::io::memory::{FarEnd, MemoryPort, Pool};
use fairlead::policy::Intent;
use fairlead::policy::intent::PortId;
use fairlead::time::{Duration, Instant};
use fairlead::worker::mailbox::{Command, Event, ManagementEnd, mailbox};
use fairlead::worker::sip::Statistics;
use fairlead::worker::tap::{Selection, tap};
use fairlead::worker::tape::Tape;
use fairlead::worker::{HandOff, Shared, Worker, WorkerId, hand_offs};
use std::sync::Arc;
use support::Traffic;

const CONVERSATIONS: usize = 200;
const BURST: usize = 64;

/// Workers on two ports in memory; frames come in at the first worker and are handed to whom they belong.
struct Bench {
    workers: Vec<Worker<MemoryPort>>,
    mail: Vec<ManagementEnd>,
    ends: Vec<FarEnd>,
    now: Instant,
}

impl Bench {
    fn new(workers: usize) -> Bench {
        Bench::of(workers, &support::intent(4_000))
    }

    fn of(workers: usize, intent: &Intent) -> Bench {
        let pool = Pool::default();
        let (outer, inner) = (MemoryPort::connected(&pool), MemoryPort::connected(&pool));
        let mut queues: Vec<_> = (1..workers).map(|_| vec![outer.0.transmit_only(), inner.0.transmit_only()]).collect();
        queues.insert(0, vec![outer.0, inner.0]);
        let mut mail = Vec::new();
        let make = |(at, (ports, hands)): (usize, (Vec<MemoryPort>, HandOff<_>))| {
            let (management, end) = mailbox(64);
            mail.push(management);
            Worker::new(WorkerId(at as u16), support::engine(intent), ports, hands, end, Arc::new(Shared::default()))
        };
        let workers = queues.into_iter().zip(hand_offs(workers, 1_024)).enumerate().map(make).collect();
        Bench { workers, mail, ends: vec![outer.1, inner.1], now: Instant::from_millis(1) }
    }

    /// All conversations have begun; and the next frame of each.
    fn with(traffic: Traffic, workers: usize) -> (Bench, Vec<(usize, Vec<u8>)>) {
        let mut bench = Bench::new(workers);
        for at in 0..CONVERSATIONS {
            for (port, frame) in traffic.opening(at) {
                bench.pass(&[(port.index(), frame.bytes())]);
            }
        }
        let frames = (0..CONVERSATIONS).map(|at| (traffic.port().index(), traffic.frame(at).bytes())).collect();
        (bench, frames)
    }

    /// Gives frames in, takes turns, and says how often those asked for memory and how many frames came out.
    fn pass(&mut self, frames: &[(usize, Vec<u8>)]) -> (usize, usize) {
        frames.iter().for_each(|(port, bytes)| assert!(self.ends[*port].inject(bytes)));
        let before = counting::asked();
        for worker in &mut self.workers {
            self.now += Duration::from_micros(10);
            worker.turn(self.now);
        }
        let asked = counting::asked() - before;
        // One by one: the port keeps the memory of its list.
        (asked, self.ends.iter().map(|end| std::iter::from_fn(|| end.collect_one()).count()).sum())
    }
}

#[test]
fn a_turn_asks_for_no_memory_on_any_road() {
    for workers in [1, 2] {
        for traffic in Traffic::ALL {
            let (mut bench, frames) = Bench::with(traffic, workers);
            // Lists grow to their size once.
            bench.pass(&frames[..BURST]);
            for burst in frames.chunks_exact(BURST) {
                assert_eq!(bench.pass(burst), (0, BURST), "{} with {workers} workers", traffic.name());
            }
            assert!(bench.workers.iter().all(|worker| worker.engine().flows().len() <= CONVERSATIONS));
        }
    }
}

/// Nor does what two captures record, of which nobody reads the one: its frames are lost. Nor their beginning and end.
#[test]
fn what_is_captured_asks_for_no_memory() {
    for workers in [1, 2] {
        for traffic in Traffic::ALL {
            let (mut bench, frames) = Bench::with(traffic, workers);
            // Lists grow to their size once.
            let selection = || Arc::new(Selection { snap: 256, ..Selection::default() });
            for mail in &mut bench.mail {
                assert!(mail.commands.push(Command::Capture(tap(0, selection(), 16).0)).is_ok());
            }
            bench.pass(&frames[..BURST]);
            let mut ends = Vec::new();
            for mail in &mut bench.mail {
                for room in [16, 1_024] {
                    let (tap, end) = tap(0, selection(), room);
                    assert!(mail.commands.push(Command::Capture(tap)).is_ok());
                    ends.push(end);
                }
            }
            assert_eq!(bench.pass(&frames[..BURST]), (0, BURST), "they begin");
            for burst in frames.chunks_exact(BURST) {
                assert_eq!(bench.pass(burst), (0, BURST), "{} with {workers} workers", traffic.name());
                for end in ends.iter_mut().skip(1).step_by(2) {
                    while end.read(|_| ()).is_some() {}
                }
            }
            let lost: Vec<bool> = ends.iter().map(|end| end.counts().1 > 0).collect();
            assert!(lost.iter().step_by(2).any(|lost| *lost), "there was room for 16");
            assert!(lost.iter().skip(1).step_by(2).all(|lost| !lost));
            drop(ends);
            assert_eq!(bench.pass(&frames[..BURST]), (0, BURST), "they end");
        }
    }
}

/// Nor does what the recorder writes, and freezes.
#[test]
fn what_is_recorded_asks_for_no_memory() {
    for workers in [1, 2] {
        for traffic in Traffic::ALL {
            let (mut bench, frames) = Bench::with(traffic, workers);
            let exchange = |bench: &mut Bench, tape: fn() -> Option<Box<Tape>>| {
                for mail in &mut bench.mail {
                    assert!(mail.commands.push(Command::Tape { recording: 1, tape: tape() }).is_ok());
                }
            };
            exchange(&mut bench, || Some(Tape::first(10_000)));
            // Lists grow to their size once.
            bench.pass(&frames[..BURST]);
            exchange(&mut bench, || Some(Tape::new(10_000)));
            assert_eq!(bench.pass(&frames[..BURST]), (0, BURST), "it is frozen");
            for burst in frames.chunks_exact(BURST) {
                assert_eq!(bench.pass(burst), (0, BURST), "{} with {workers} workers", traffic.name());
            }
            exchange(&mut bench, || None);
            assert_eq!(bench.pass(&frames[..BURST]), (0, BURST), "it is off");
        }
    }
}

/// A connection that begins within limits takes a place, and no memory.
#[test]
fn connections_begin_within_limits_without_memory() {
    let mut intent = support::intent(4_000);
    let limit = CONVERSATIONS as u32 / 2;
    (intent.virtual_servers[0].connection_limit, intent.virtual_servers[0].connection_rate_limit) = (limit, 1_000_000);
    intent.members.iter_mut().for_each(|member| member.connection_limit = 1_000);
    let mut bench = Bench::of(1, &intent);
    for at in 0..CONVERSATIONS {
        let (port, syn) = Traffic::ServiceTcpIn.opening(at).swap_remove(0);
        let (asked, out) = bench.pass(&[(port.index(), syn.bytes())]);
        // Lists grow to their size once; what is refused makes a frame of our own.
        if (10..limit as usize).contains(&at) {
            assert_eq!((asked, out), (0, 1), "{at}");
        }
    }
    assert_eq!(bench.workers[0].engine().flows().len(), limit as usize);
}

/// Every transaction is read, more transactions and callers than there is room for.
#[test]
fn sip_that_is_counted_asks_for_no_memory() {
    const CALLS: usize = 20_000;
    for workers in [1, 2] {
        let mut intent = support::intent(4_000);
        intent.sip.sample = 1;
        let mut bench = Bench::of(workers, &intent);
        for mail in &mut bench.mail {
            assert!(mail.commands.push(Command::Sip(Some(Box::new(Statistics::first())))).is_ok());
        }
        bench.pass(&[]);
        let calls = support::calls(CALLS);
        let pings = support::Traffic::ServiceUdpIn;
        let frames = (0..CALLS).flat_map(|at| {
            let [asked, answered] = calls.each_ref().map(|frames| frames.at(at).to_vec());
            let mut ping = pings.frame(at).payload(b"\r\n\r\n").bytes();
            ping.resize(ping.len().max(60), 0);
            [(PortId(0).index(), asked), (PortId(1).index(), answered), (PortId(0).index(), ping)]
        });
        let frames: Vec<_> = frames.collect();
        // Lists grow to their size once.
        let (first, rest) = frames.split_at(20 * BURST);
        first.chunks_exact(BURST).for_each(|burst| _ = bench.pass(burst));
        for (at, burst) in rest.chunks_exact(BURST).enumerate() {
            assert_eq!(bench.pass(burst), (0, BURST), "burst {at} with {workers} workers");
        }
        for mail in &mut bench.mail {
            assert!(mail.commands.push(Command::Sip(None)).is_ok());
        }
        bench.pass(&[]);
        let counted =
            bench.mail.iter_mut().flat_map(|mail| std::iter::from_fn(|| mail.events.pop())).filter_map(|event| {
                let Event::Sip { statistics: Some(statistics), .. } = event else { return None };
                Some(statistics.rows().map(|row| row.requests.iter().sum::<u64>()).sum::<u64>())
            });
        let counted: u64 = counted.sum();
        assert!(counted >= (CALLS - BURST) as u64, "{counted} were counted");
    }
}
