//! Random traffic from a seed, through one to four workers, frame by frame against a model that is simple enough to be
//! right: two pairs, or pools of three members that share the work, whole datagrams and pieces, connections, hairpins and
//! ICMP errors about all of them, with switchovers, losses, drains, reloads and restarts in between, and idle times in which
//! everything is forgotten.
//!
//! `FAIRLEAD_SEED=7` replays one seed, and `FAIRLEAD_TRACE=1` prints what happens in it.
//! `FAIRLEAD_SEEDS=400` runs seeds 1 to 400 instead of a few, and `FAIRLEAD_FRAMES=10000000` runs seeds until so many frames
//! went in, as `scripts/test --long` does:
//! `FAIRLEAD_SEEDS=400 cargo test --release --no-default-features --test seeded -- --nocapture`.

mod admission;
mod asks;
mod damaged;
mod dialogs;
mod errors;
mod events;
mod features;
mod flow;
mod flows;
mod frames;
mod keeper;
mod met;
mod model;
mod packet;
mod receivers;
mod regressions;
mod run;
mod segments;
mod send;
mod shares;
mod sip;
mod skipped;
mod skipped_shares;
mod traffic;

use run::Run;
use std::collections::BTreeMap;

/// Says which seed to replay when a test fails.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("replay with FAIRLEAD_SEED={}", self.0);
        }
    }
}

/// How many groups the seeds are dealt out to, each a test of its own so that they run beside each other.
const GROUPS: u64 = 4;

/// A number that the environment may say.
fn said(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// The seeds of a group: of `few`, of as many as the environment says, or the one it says.
fn seeds(few: u64, group: u64) -> impl Iterator<Item = u64> {
    let all = match said("FAIRLEAD_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=said("FAIRLEAD_SEEDS").unwrap_or(few),
    };
    all.filter(move |seed| seed % GROUPS == group)
}

fn every_frame_is_what_a_simple_model_says(group: u64) {
    let (mut packets, mut skipped, mut met) = (0, BTreeMap::<_, u64>::new(), BTreeMap::<_, u64>::new());
    let enough = said("FAIRLEAD_FRAMES").map(|frames| frames.div_ceil(GROUPS));
    for seed in seeds(if enough.is_some() { u64::MAX } else { 8 }, group) {
        if enough.is_some_and(|enough| packets >= enough) {
            break;
        }
        let _say = Seed(seed);
        let mut run = Run::new(seed, 1 + (seed / 2) as usize % 4);
        for _phase in 0..3 {
            for turn in 0..16 {
                for _ in 0..400 {
                    run.step();
                }
                if turn % 6 == 5 { run.jump() } else { run.event() }
            }
            run.rest();
        }
        packets += run.packets;
        run.skipped.iter().for_each(|(reason, count)| *skipped.entry(*reason).or_default() += count);
        run.met.iter().for_each(|(what, count)| *met.entry(*what).or_default() += count);
    }
    println!("group {group}: {packets} frames went in; met: {met:#?}; left out: {skipped:#?}");
}

#[test]
fn every_frame_is_what_a_simple_model_says_in_the_first_seeds() {
    every_frame_is_what_a_simple_model_says(0);
}

#[test]
fn every_frame_is_what_a_simple_model_says_in_the_second_seeds() {
    every_frame_is_what_a_simple_model_says(1);
}

#[test]
fn every_frame_is_what_a_simple_model_says_in_the_third_seeds() {
    every_frame_is_what_a_simple_model_says(2);
}

#[test]
fn every_frame_is_what_a_simple_model_says_in_the_fourth_seeds() {
    every_frame_is_what_a_simple_model_says(3);
}
