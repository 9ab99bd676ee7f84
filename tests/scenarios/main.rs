//! Acceptance scenarios that need the whole appliance: controller, workers, probes, members, router and operator in one
//! thread, with one worker and with three.
//!
//! Each test says a scenario's own words with whole frames and counters. Scenarios about packets alone are in `rows.rs`.

mod admin_states;
mod boot;
mod choice;
mod connections;
mod drain;
mod exclusion;
mod explained;
mod groups;
mod link;
mod monitors;
mod operator;
mod pair;
mod pair_sync;
mod pressure;
mod redelivery;
mod reload;
mod restart;
mod standing;
mod switchover;

use testbench::bench::{Bench, File};

/// Tells `scenario` of an appliance of `file` with one worker and with three, and lets it end well.
fn with_workers(file: &File, scenario: impl Fn(&mut Bench)) {
    for workers in [1, 3] {
        run(Bench::new(file, workers, 7), workers, &scenario);
    }
}

/// The same when sip-a is active and sip-b closed.
fn with_a_active(file: &File, scenario: impl Fn(&mut Bench)) {
    with_workers(file, |bench| {
        bench.until(std::time::Duration::from_secs(30), |bench| bench.active().as_deref() == Some("sip-a"));
        scenario(bench);
    });
}

fn run(mut bench: Bench, workers: usize, scenario: impl Fn(&mut Bench)) {
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        scenario(&mut bench);
        bench.shut_down();
    }));
    if let Err(fault) = outcome {
        eprintln!("{workers} workers, at {:?}; the log says:", bench.now());
        bench.lead.log.iter().for_each(|line| eprintln!("{:?} {:?} {}", line.at, line.level, line.message));
        std::panic::resume_unwind(fault);
    }
}
