//! What it takes to count SIP: a worker's loop with SIP requests and answers of 500 bytes, of which one transaction of so many is read.
//!
//! `sip SAMPLE ITERATIONS` goes through the loop so often and ends: what callgrind is run on, with two numbers of iterations, whose
//! difference is the datagrams' alone. A sample of 0 reads none. Nothing is kept for redelivery, which is measured by `redelivery`.

mod support;

use fairlead::io::BURST;
use fairlead::worker::mailbox::Command;
use fairlead::worker::sip::Statistics;
use std::error::Error;
use std::process::exit;
use std::time::Duration;
use support::{Appliance, calls, intent};

const CLIENTS: usize = 4_096;
/// Datagrams a second, both directions together.
const RATE: u32 = 1_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [sample, iterations] = &words[..] else {
        eprintln!("usage: sip SAMPLE ITERATIONS");
        exit(2);
    };
    let mut intent = intent(10_000);
    intent.sip.sample = sample.parse()?;
    intent.virtual_servers.iter_mut().for_each(|server| server.redeliver = Duration::ZERO);
    let mut appliance = Appliance::new(&intent, 1);
    if intent.sip.sample > 0 {
        let first = Command::Sip(Some(Box::new(Statistics::first())));
        assert!(appliance.mail[0].commands.push(first).is_ok(), "there is room");
    }
    let frames = calls(CLIENTS);
    appliance.supply.feed_both(&frames);
    appliance.step = Duration::from_secs(1) * (2 * BURST as u32) / RATE;
    let iterations: u32 = iterations.parse()?;
    (0..iterations).for_each(|_| appliance.round());
    let counters = appliance.counters();
    assert_eq!((counters.dropped.sum(), counters.imbalance()), (0, 0), "no datagram is lost");
    assert_eq!(counters.transmitted, u64::from(iterations) * 2 * BURST as u64, "every one leaves");
    Ok(())
}
