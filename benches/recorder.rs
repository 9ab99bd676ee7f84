//! What the recorder takes: a worker's loop with datagrams of a path, with a tape to write on or without.
//!
//! `recorder PATH MIB ITERATIONS` goes through the loop so often and ends: what callgrind is run on, with two numbers of iterations,
//! whose difference is the datagrams' alone, and with 0 MiB and some, whose difference is the recorder's. It says how many nanoseconds a
//! datagram took.

mod support;

use fairlead::io::BURST;
use fairlead::worker::mailbox::Command;
use fairlead::worker::tape::Tape;
use std::error::Error;
use std::process::exit;
use std::rc::Rc;
use std::time::Instant;
use support::{Appliance, Frames, Traffic, intent};

const CONVERSATIONS: usize = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [path, mib, iterations] = &words[..] else {
        eprintln!("usage: recorder PATH MIB ITERATIONS");
        exit(2);
    };
    let Some(traffic) = Traffic::ALL.into_iter().find(|traffic| traffic.name() == path) else {
        eprintln!("recorder: there is no path `{path}`; `pace` without arguments lists them");
        exit(2);
    };
    let mut appliance = Appliance::new(&intent(4 * CONVERSATIONS), 1);
    appliance.open(traffic, 0..CONVERSATIONS);
    let (mib, iterations): (usize, u32) = (mib.parse()?, iterations.parse()?);
    if mib > 0 {
        let tape = Command::Tape { recording: 0, tape: Some(Tape::first(mib << 20)) };
        assert!(appliance.mail[0].commands.push(tape).is_ok(), "there is room");
    }
    appliance.supply.feed(traffic.port(), &Rc::new(Frames::steady(traffic, CONVERSATIONS)));
    appliance.round();
    let (before, begun) = (appliance.counters(), Instant::now());
    (0..iterations).for_each(|_| appliance.round());
    let (spent, after) = (begun.elapsed(), appliance.counters());
    let datagrams = u64::from(iterations) * BURST as u64;
    assert_eq!((after.dropped.sum(), after.imbalance()), (0, 0), "no datagram is lost");
    assert_eq!(after.transmitted - before.transmitted, datagrams, "every one leaves");
    println!("{:.1}", spent.as_nanos() as f64 / datagrams as f64);
    Ok(())
}
