//! Packet rows on ports in memory: frames in, frames out, counters. One test for each acceptance scenario, each run with
//! one worker and with three, of which only the first receives and hands the others what is theirs; and once more with captures on that see
//! everything, which changes nothing.
//!
//! A test function cannot be generic, so every row is compiled once for each setting: `#[path]` says that both modules are made
//! of the same files, as `tests/dpdk/rows.rs` does with two more.
#![allow(clippy::duplicate_mod)] // On purpose: see above.

#[path = "."]
mod one_worker {
    type Setting = testbench::lab::InMemory<1>;

    #[path = "all.rs"]
    mod rows;
}

#[path = "."]
mod three_workers {
    type Setting = testbench::lab::InMemory<3>;

    #[path = "all.rs"]
    mod rows;
}

#[path = "."]
mod captured {
    type Setting = testbench::lab::Captured;

    #[path = "all.rs"]
    mod rows;
}
