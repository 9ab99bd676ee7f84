//! The program.

use fairlead::cli::{self, RunArgs};
use fairlead::programs::starter;
use std::io;
use std::process::ExitCode;

#[cfg(feature = "dpdk")]
#[global_allocator]
static MEMORY: fairlead::dpdk::LargePages = fairlead::dpdk::LargePages;

fn main() -> ExitCode {
    // Before there is a thread, or anything of DPDK but what it has linked.
    starter::start(std::env::args_os(), keep_files).unwrap_or_else(|| cli::main(run, joins_segments))
}

#[cfg(feature = "dpdk")]
fn keep_files() -> io::Result<()> {
    fairlead::dpdk::keep_files_from_programs()
}

/// What std opens is kept from programs by itself, and nobody else opens any here.
#[cfg(not(feature = "dpdk"))]
fn keep_files() -> io::Result<()> {
    Ok(())
}

#[cfg(feature = "dpdk")]
fn joins_segments(interface: &str) -> Option<Vec<&'static str>> {
    fairlead::dpdk::joins_segments(interface)
}

/// The kernel is asked by the data plane.
#[cfg(not(feature = "dpdk"))]
fn joins_segments(_: &str) -> Option<Vec<&'static str>> {
    None
}

#[cfg(feature = "dpdk")]
fn run(args: RunArgs) -> ExitCode {
    fairlead::app::run(&args.config, args.socket)
}

#[cfg(not(feature = "dpdk"))]
fn run(args: RunArgs) -> ExitCode {
    let file = args.config.display();
    eprintln!("fairlead: {file} cannot be run: this build has no data plane; build it with the feature `dpdk`");
    ExitCode::FAILURE
}
