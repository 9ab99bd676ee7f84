//! The program.

use fairlead::cli::{self, RunArgs};
use std::process::ExitCode;

#[cfg(feature = "dpdk")]
#[global_allocator]
static MEMORY: fairlead::dpdk::LargePages = fairlead::dpdk::LargePages;

fn main() -> ExitCode {
    cli::main(run)
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
