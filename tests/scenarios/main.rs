//! Acceptance scenarios that need the whole appliance: controller, workers, probes, members, router and operator in one
//! thread, with one worker and with three.
//!
//! Each test says a scenario's own words with whole frames and counters. Scenarios about packets alone are in `rows.rs`.

mod boot;
mod choice;
mod connections;
mod exclusion;
mod link;
mod monitors;
mod operator;
mod pressure;
mod reload;
mod restart;
mod standing;
mod switchover;

use testbench::world::{File, World};

/// Tells `story` of an appliance of `file` with one worker and with three, and lets it end well.
fn told(file: &File, story: impl Fn(&mut World)) {
    for workers in [1, 3] {
        tell(World::new(file, workers, 7), workers, &story);
    }
}

/// The same when sip-a is active and sip-b closed.
fn told_with_a_active(file: &File, story: impl Fn(&mut World)) {
    told(file, |world| {
        world.until(std::time::Duration::from_secs(30), |world| world.active().as_deref() == Some("sip-a"));
        story(world);
    });
}

fn tell(mut world: World, workers: usize, story: impl Fn(&mut World)) {
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        story(&mut world);
        world.farewell();
    }));
    if let Err(fault) = outcome {
        eprintln!("{workers} workers, at {:?}; the log says:", world.now());
        world.lead.log.iter().for_each(|line| eprintln!("{:?} {:?} {}", line.at, line.level, line.message));
        std::panic::resume_unwind(fault);
    }
}
