//! Packet rows on ports in memory: frames in, frames out, counters. One test for each acceptance scenario, each run with
//! one worker and with three, of which only the first receives and hands the others what is theirs.
#![allow(clippy::duplicate_mod)]

macro_rules! with_workers {
    ($($name:ident: $workers:literal)*) => {$(
        #[path = "."]
        mod $name {
            type Setting = testbench::lab::InMemory<$workers>;

            #[path = "all.rs"]
            mod rows;
        }
    )*};
}

with_workers! {
    one_worker: 1
    three_workers: 3
}
