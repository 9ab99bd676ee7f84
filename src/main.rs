//! The program.

use fairlead::cli::{self, RunArgs};
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(run)
}

fn run(args: RunArgs) -> ExitCode {
    eprintln!("fairlead: {} cannot be run: this build has no data plane", args.config.display());
    ExitCode::FAILURE
}
