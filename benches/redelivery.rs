//! What it takes to keep requests against their member's death: a worker's loop with SIP requests and answers at an offered rate, by a
//! clock that is moved by hand, beside the same loop in which nothing is kept.
//!
//! `redelivery RATE PAIRS` measures so many pairs at that many datagrams a second, both directions together, and says for each pair
//! what a datagram took with and without, in nanoseconds of this thread's time. `redelivery RATE on|off ITERATIONS` goes
//! through the loop so often and ends: what callgrind is run on.

mod support;

use fairlead::io::BURST;
use std::error::Error;
use std::process::exit;
use std::rc::Rc;
use std::time::Duration;
use support::{Appliance, Frames, calls, intent};

const CLIENTS: usize = 4_096;
/// A pair is measured in so many pieces of either side, in turn: what disturbs the machine disturbs both.
const PIECES: usize = 20;
/// Loop iterations in a piece.
const ITERATIONS: usize = 500;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match &words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [rate, pairs] => measure(rate.parse()?, pairs.parse()?),
        [rate, which @ ("on" | "off"), iterations] => {
            let mut side = Side::new(*which == "on", rate.parse()?);
            (0..iterations.parse()?).for_each(|_: usize| side.appliance.round());
            side.check();
        }
        _ => {
            eprintln!("usage: redelivery RATE PAIRS, or redelivery RATE on|off ITERATIONS");
            exit(2);
        }
    }
    Ok(())
}

fn measure(rate: u32, pairs: usize) {
    let [mut on, mut off] = [true, false].map(|keeps| Side::new(keeps, rate));
    // Caches, and the rest that follows a second in which too much came.
    [&mut on, &mut off].into_iter().for_each(|side| (0..4 * ITERATIONS).for_each(|_| side.appliance.round()));
    for _ in 0..pairs {
        let mut spent = [Duration::ZERO; 2];
        for piece in 0..PIECES {
            // A B, B A: a machine that grows slower favours neither.
            let order = if piece % 2 == 0 { [0, 1] } else { [1, 0] };
            for at in order {
                spent[at] += [&mut on, &mut off][at].piece();
            }
        }
        let datagrams = (PIECES * ITERATIONS * 2 * BURST) as f64;
        let [on, off] = spent.map(|spent| spent.as_nanos() as f64 / datagrams);
        println!("{on:.3} {off:.3}");
    }
    on.check();
    off.check();
}

/// An appliance with one worker, and calls through it.
struct Side {
    appliance: Appliance,
    _frames: [Rc<Frames>; 2],
}

impl Side {
    fn new(keeps: bool, rate: u32) -> Side {
        let mut intent = intent(10_000);
        if !keeps {
            intent.virtual_servers.iter_mut().for_each(|server| server.redeliver = Duration::ZERO);
        }
        let mut appliance = Appliance::new(&intent, 1);
        let frames = calls(CLIENTS);
        appliance.supply.feed_both(&frames);
        appliance.step = Duration::from_secs(1) * (2 * BURST as u32) / rate;
        Side { appliance, _frames: frames }
    }

    fn piece(&mut self) -> Duration {
        let begun = cpu_time();
        (0..ITERATIONS).for_each(|_| self.appliance.round());
        cpu_time() - begun
    }

    /// Nothing was lost.
    fn check(&self) {
        let counters = self.appliance.counters();
        assert_eq!((counters.dropped.sum(), counters.imbalance()), (0, 0), "no datagram is lost");
        assert_eq!(counters.received, counters.transmitted, "every one leaves");
    }
}

/// How long this thread has run: what else a busy machine does is not in it. The kernel brings the figure up to date when a thread
/// gives way (proc(5), `schedstat`).
fn cpu_time() -> Duration {
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("a kernel with CONFIG_SCHED_INFO");
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok()).expect("a number");
    Duration::from_nanos(nanoseconds)
}
