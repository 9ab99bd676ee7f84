//! All rows. Whoever includes this file says before it what they run on: `TestBench`, `bench()` and `WORKERS`.

use crate::rig::Rig;
use fairlead::policy::intent::Intent;

mod asked;
mod basic;
mod connections;
mod cutting;
mod fallen;
mod findings;
mod fragments;
mod icmp;
mod lab;
mod live_edits;
mod odd;
mod pieces;
mod placement;
mod review;
mod snat;
mod switchover;
mod unmatched;

/// The box the rows run on.
pub type TestRig = Rig<super::TestBench>;

/// A box for `intent`, with as many workers as the includer says.
pub fn rig_of(intent: Intent) -> TestRig {
    Rig::new(super::bench(), intent, super::WORKERS)
}
