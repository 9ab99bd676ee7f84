//! What a packet costs a worker beside what else it does: a capture that waits for what does not come, the recorder, another appliance
//! that is kept up to date. To be run under `valgrind --tool=callgrind --toggle-collect='*::once'`, which counts the worker's loop and
//! nothing else: neither setting up, nor what the other ends do with what they get.
//!
//! `beside PATH WHAT ITERATIONS` goes through the loop so often with full bursts of the path, and says how many packets that were. PATH
//! is one of `pace`'s, `new_PATH` (flows that were not there, and die as fast as they are made) among them; WHAT is `alone`, `host`,
//! `port`, `recorder` or `feed`. Without arguments both are listed.

mod support;

use fairlead::io::BURST;
use fairlead::policy::Intent;
use fairlead::sync::{Hello, State, Sync};
use fairlead::time::{Duration, Instant};
use fairlead::worker::mailbox::Command;
use fairlead::worker::sync::sync_links;
use fairlead::worker::tap::{Only, Selection, TapEnd, tap};
use fairlead::worker::tape::Tape;
use std::process::exit;
use std::rc::Rc;
use std::sync::Arc;
use support::{Appliance, Frames, Traffic, intent};

/// Standing conversations of a path.
const STANDING: usize = 4_096;
/// New ones, each met once before the first comes again: so many that they live for some time at [`STEP`].
const NEW: usize = 1 << 16;
/// What an iteration adds to the time: 64 packets each, about three million a second.
const STEP: Duration = Duration::from_micros(20);
/// Bytes of the recorder, as `[recorder] memory` has it by default.
const RECORDER: usize = 16 << 20;
/// Turns of the other appliance for one that is counted.
const TURNS: usize = 8;
/// Iterations in which the other appliance has to be in step.
const PATIENCE: usize = 1_000_000;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let [path, what, iterations] = &words[..] else {
        let paths = Traffic::ALL.map(|traffic| format!("{0} new_{0}", traffic.name()));
        println!("{}\n{}", paths.join(" "), Beside::NAMES.join(" "));
        return;
    };
    let is_new = path.starts_with("new_");
    let name = path.strip_prefix("new_").unwrap_or(path);
    let traffic = Traffic::ALL.into_iter().find(|traffic| traffic.name() == name);
    let (Some(traffic), true, Ok(iterations)) =
        (traffic, Beside::NAMES.contains(&what.as_str()), iterations.parse::<usize>())
    else {
        eprintln!("beside: `{path}` is no path, `{what}` nothing beside it, or `{iterations}` no number");
        exit(2);
    };
    let intent = of(is_new);
    let mut appliance = Appliance::new(&intent, 1);
    let mut beside = Beside::begin(what, &mut appliance, &intent);
    // A feed begins with a copy, which does not end while everything is new.
    beside.settle(&mut appliance);
    let lap = begin(&mut appliance, traffic, is_new);
    // What is met for the first time is on the slow path, and only from the second lap on do flows die.
    (0..2 * lap).for_each(|_| beside.turn(&mut appliance));
    if !is_new {
        beside.settle(&mut appliance);
    }
    let sent = appliance.supply.sent();
    for _ in 0..iterations {
        once(&mut appliance);
        beside.after(&appliance);
    }
    println!("{} packets {}", appliance.supply.sent() - sent, beside.report(appliance.now));
}

fn of(is_new: bool) -> Intent {
    let mut intent = intent(2 * if is_new { NEW } else { STANDING });
    if is_new {
        // When a frame comes again, the flow it made has just been forgotten.
        let lifetime = (STEP * (NEW / BURST) as u32).div_f64(1.1);
        (intent.timeouts.udp, intent.timeouts.tcp_opening) = (lifetime, lifetime);
    }
    intent
}

/// Feeds the frames of the path, and says in how many iterations each has been met.
fn begin(appliance: &mut Appliance, traffic: Traffic, is_new: bool) -> usize {
    appliance.step = STEP;
    let (port, frames) = if is_new {
        (traffic.opening(0)[0].0, Frames::opening(traffic, 0..NEW))
    } else {
        appliance.open(traffic, 0..STANDING);
        (traffic.port(), Frames::steady(traffic, STANDING))
    };
    let lap = frames.count() / BURST;
    appliance.supply.feed(port, &Rc::new(frames));
    lap
}

/// What is counted.
#[inline(never)]
fn once(appliance: &mut Appliance) {
    appliance.round();
}

/// What happens beside the packets, with the other end of it.
enum Beside {
    Nothing,
    Capture(#[expect(dead_code, reason = "a capture ends with it")] TapEnd),
    Feed(Box<Feed>),
}

/// Both ends of a connection, and the appliance that takes in what comes over it.
struct Feed {
    ends: [Sync; 2],
    standby: Appliance,
}

impl Beside {
    const NAMES: [&str; 5] = ["alone", "host", "port", "recorder", "feed"];

    fn begin(what: &str, appliance: &mut Appliance, intent: &Intent) -> Beside {
        let mut give = |command| assert!(appliance.mail[0].commands.push(command).is_ok(), "there is room");
        match what {
            "host" => Beside::capture(Only { addresses: Some(vec![[203, 0, 113, 253].into()]), ports: None }, give),
            "port" => Beside::capture(Only { ports: Some(vec![9]), addresses: None }, give),
            "recorder" => {
                give(Command::Tape { recording: 0, tape: Some(Tape::first(RECORDER)) });
                Beside::Nothing
            }
            "feed" => Beside::Feed(Box::new(Feed::between(appliance, intent))),
            _ => Beside::Nothing,
        }
    }

    fn capture(only: Only, give: impl FnOnce(Command)) -> Beside {
        let (tap, end) = tap(0, Arc::new(Selection { only, snap: 256, ..Selection::default() }), 64);
        give(Command::Capture(tap));
        Beside::Capture(end)
    }

    fn turn(&mut self, appliance: &mut Appliance) {
        appliance.round();
        self.after(appliance);
    }

    /// What the other ends do after a turn.
    fn after(&mut self, appliance: &Appliance) {
        if let Beside::Feed(feed) = self {
            feed.turn(appliance.now);
        }
    }

    fn settle(&mut self, appliance: &mut Appliance) {
        let mut turns = 0;
        while let Beside::Feed(feed) = self
            && feed.ends[0].report(appliance.now).state != State::InSync
        {
            assert!(turns < PATIENCE, "{:?}", feed.ends[0].report(appliance.now));
            turns += 1;
            self.turn(appliance);
        }
    }

    fn report(&self, now: Instant) -> String {
        match self {
            Beside::Feed(feed) => {
                let report = feed.ends[0].report(now);
                format!("{:?} {} records {} breaks", report.state, report.records[0], report.breaks)
            }
            _ => String::new(),
        }
    }
}

impl Feed {
    fn between(appliance: &mut Appliance, intent: &Intent) -> Feed {
        let mut standby = Appliance::new(intent, 1);
        let now = appliance.now;
        let mut number = 0;
        let ends = [&mut *appliance, &mut standby].map(|side| {
            let (ends, links): (Vec<_>, Vec<_>) = sync_links(1, now).into_iter().unzip();
            for end in ends {
                assert!(side.mail[0].commands.push(Command::Sync(Some(end))).is_ok(), "there is room");
            }
            number += 1;
            let mut sync = Sync::new(links, Hello { process: number, ..Hello::default() });
            sync.connected(now);
            sync
        });
        Feed { ends, standby }
    }

    /// The other appliance keeps up, as one with a core to itself and management beside it would.
    fn turn(&mut self, now: Instant) {
        self.standby.now = now;
        self.standby.step = Duration::ZERO;
        for _ in 0..TURNS {
            self.exchange(now);
            self.standby.round();
        }
    }

    fn exchange(&mut self, now: Instant) {
        for from in [0, 1] {
            self.ends[from].set_active(from == 0, now);
            self.ends[from].poll(now).expect("the other one is there");
            let bytes = self.ends[from].output().map(|output| output.clone()).unwrap_or_default();
            if self.ends[1 - from].wants_bytes() {
                self.ends[from].sent(bytes.len());
                self.ends[1 - from].receive(&bytes, now).expect("nothing is wrong with the wire");
            }
            self.ends[from].next_news();
        }
    }
}
