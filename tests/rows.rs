//! Packet rows on ports in memory: frames in, frames out, counters. One test for each acceptance scenario.

#[path = "rows/basic.rs"]
mod basic;
#[path = "rows/rig.rs"]
#[allow(dead_code)]
mod rig;
