//! A worker's loop on one path, under control from outside: what `scripts/bench against` times in two revisions in turn, and in what
//! `scripts/instructions --files` looks for the files that a frame crosses.
//!
//! `pace PATH CONVERSATIONS` sets up that many conversations of a path, says `ready`, and answers every line of its input, a number
//! of milliseconds, with the nanoseconds a packet took in about that time. `pace PATH CONVERSATIONS ITERATIONS BURST` goes through the
//! loop so often, with bursts of that length, and ends. Without arguments it lists the paths; besides these it knows `new_PATH`, flows
//! that were not there and die as fast as they are made, and `hand_off`, where half of the frames are another worker's.
//!
//! A program of its own, because what two callers share is inlined less: in `instructions` it would change the counts.
//! It is also built inside revisions that do not have it, so it uses only what `benches/support` of `benches/baseline` has.

#[path = "../benches/support/mod.rs"] // It may stand in examples/, as a copy.
mod support;

use fairlead::io::BURST;
use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};
use std::process::exit;
use std::rc::Rc;
use std::time::{Duration, Instant};
use support::{Appliance, Frames, Traffic, intent};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [path, conversations, iterations @ ..] = &words[..] else {
        Traffic::ALL.iter().for_each(|traffic| println!("{}", traffic.name()));
        return Ok(());
    };
    let Some(load) = Load::named(path) else {
        eprintln!("pace: there is no path `{path}`; without arguments the paths are listed");
        exit(2);
    };
    let mut pace = Pace::new(load, conversations.parse()?);
    if let [iterations, burst] = iterations {
        pace.appliance.supply.in_bursts_of(burst.parse()?);
        (0..iterations.parse()?).for_each(|_: u32| once(&mut pace.appliance));
        return Ok(());
    }
    say("ready")?;
    for line in stdin().lock().lines() {
        let spent = pace.measure(Duration::from_millis(line?.trim().parse()?));
        say(&format!("{spent:.3}"))?;
    }
    Ok(())
}

fn say(line: &str) -> std::io::Result<()> {
    let mut output = stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()
}

/// One iteration of the loop, once everything is set up; a function of its own, so that a debugger finds where it begins.
#[inline(never)]
fn once(appliance: &mut Appliance) {
    appliance.round();
}

/// How long this thread has run: what else a busy machine does is not in it. The kernel brings the figure up to date when a thread
/// gives way (proc(5), `schedstat`).
fn cpu_time() -> Duration {
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("a kernel with CONFIG_SCHED_INFO");
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok()).expect("a number");
    Duration::from_nanos(nanoseconds)
}

/// What an appliance is given to do.
enum Load {
    /// Packets of standing conversations.
    Steady(Traffic),
    /// First packets of conversations, looked for, admitted, kept on both sides, and forgotten when their time is over.
    New(Traffic),
    /// Datagrams of a service, all received by one of two workers in one thread.
    HandOff,
}

impl Load {
    fn named(name: &str) -> Option<Load> {
        let traffic = |name: &str| Traffic::ALL.into_iter().find(|traffic| traffic.name() == name);
        match name.strip_prefix("new_") {
            Some(name) => traffic(name).map(Load::New),
            None if name == "hand_off" => Some(Load::HandOff),
            None => traffic(name).map(Load::Steady),
        }
    }
}

/// An appliance, and the frames of its conversations, which come again and again.
struct Pace {
    appliance: Appliance,
    /// Loop iterations in which every conversation is met once.
    lap: usize,
}

impl Pace {
    fn new(load: Load, conversations: usize) -> Pace {
        let lap = conversations.div_ceil(BURST);
        let intent = match load {
            Load::New(_) => intent(2 * conversations),
            _ => intent(conversations + conversations / 8 + 1_000),
        };
        let mut appliance = Appliance::new(&intent, if matches!(load, Load::HandOff) { 2 } else { 1 });
        let (port, frames) = match load {
            Load::Steady(traffic) => {
                appliance.open(traffic, 0..conversations);
                (traffic.port(), Frames::steady(traffic, conversations))
            }
            Load::New(traffic) => {
                let is_tcp = traffic != Traffic::OutboundUdp;
                let lifetime = if is_tcp { intent.timeouts.tcp_opening } else { intent.timeouts.udp };
                // When a frame comes again, the flow it made has just been forgotten.
                appliance.step = lifetime.mul_f64(1.1) / lap as u32;
                (traffic.opening(0)[0].0, Frames::opening(traffic, 0..conversations))
            }
            Load::HandOff => (Traffic::ServiceUdpIn.port(), Frames::steady(Traffic::ServiceUdpIn, conversations)),
        };
        appliance.supply.feed(port, &Rc::new(frames));
        let mut pace = Pace { appliance, lap };
        // The first packet of a flow may take the slow path, and only from the second lap on do flows die.
        pace.lap();
        pace
    }

    /// Nanoseconds a packet, over whole laps that take at least `least`; a quarter of that goes before unmeasured, while the caches
    /// forget what ran in the meantime.
    fn measure(&mut self, least: Duration) -> f64 {
        self.laps(least / 4);
        let before = cpu_time();
        let laps = self.laps(least);
        let spent = cpu_time().saturating_sub(before);
        spent.as_nanos() as f64 / (laps * self.lap * BURST) as f64
    }

    fn laps(&mut self, least: Duration) -> usize {
        let (begun, mut laps) = (Instant::now(), 0);
        while laps == 0 || begun.elapsed() < least {
            self.lap();
            laps += 1;
        }
        laps
    }

    fn lap(&mut self) {
        let sent = self.appliance.supply.sent();
        (0..self.lap).for_each(|_| self.appliance.round());
        assert_eq!(self.appliance.supply.sent() - sent, (self.lap * BURST) as u64, "every frame left");
    }
}
