//! A worker's loop on one path, under control from outside: what `scripts/bench against` times in two revisions in turn, and in what
//! `scripts/instructions --files` looks for the files that a frame crosses.
//!
//! `pace PATH CONVERSATIONS` sets up that many conversations of a path, says `ready`, and answers every line of its input, a number
//! of milliseconds, with the nanoseconds a packet took in about that time. `pace PATH CONVERSATIONS ITERATIONS BURST` goes through the
//! loop so often, with bursts of that length, and ends. Without arguments it lists the paths.
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
    let Some(traffic) = Traffic::ALL.into_iter().find(|traffic| traffic.name() == path) else {
        eprintln!("pace: there is no path `{path}`; without arguments the paths are listed");
        exit(2);
    };
    let mut pace = Pace::new(traffic, conversations.parse()?);
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

/// An appliance with one worker, and the steady frames of its conversations.
struct Pace {
    appliance: Appliance,
    /// Loop iterations in which every conversation is met once.
    lap: usize,
}

impl Pace {
    fn new(traffic: Traffic, conversations: usize) -> Pace {
        let mut appliance = Appliance::new(&intent(conversations + conversations / 8 + 1_000), 1);
        appliance.open(traffic, 0..conversations);
        let frames = Rc::new(Frames::steady(traffic, conversations));
        appliance.supply.feed(traffic.port(), &frames);
        let mut pace = Pace { appliance, lap: conversations.div_ceil(BURST) };
        // The first packet of a flow may take the slow path.
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
