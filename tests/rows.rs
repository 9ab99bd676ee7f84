//! Packet rows on ports in memory: frames in, frames out, counters. One test for each acceptance scenario, each run with
//! one worker and with three, of which only the first receives and hands the others what is theirs.
#![allow(clippy::duplicate_mod)]

#[path = "rows/rig.rs"]
#[allow(dead_code)]
mod rig;

macro_rules! with_workers {
    ($($name:ident: $workers:literal)*) => {$(
        #[path = "."]
        mod $name {
            pub type TestBench = crate::rig::Memory;
            pub const WORKERS: usize = $workers;

            pub fn bench() -> TestBench {
                TestBench::default()
            }

            #[path = "rows/all.rs"]
            #[allow(dead_code)]
            mod rows;
        }
    )*};
}

with_workers! {
    one_worker: 1
    three_workers: 3
}
