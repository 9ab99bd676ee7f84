//! How the command ends: exit codes, and what is written before.
//!
//! Owns the standard output and the standard error.

use std::io::{self, Write};
use std::process::ExitCode;

/// Refused or failed.
pub const FAILED: u8 = 1;
/// Bad usage, or bad file.
pub const BAD: u8 = 2;
/// The appliance cannot be reached, or does not answer.
pub const UNREACHABLE: u8 = 3;

/// Says why on the standard error; control characters of whoever is quoted are not passed on.
pub fn fail(code: u8, message: &str) -> ExitCode {
    let clean: String = message.chars().map(|c| if c.is_control() && c != '\n' { '?' } else { c }).collect();
    let _ = writeln!(io::stderr(), "fairlead: {}", clean.trim_end());
    ExitCode::from(code)
}

/// Prints it whole, and ends.
pub fn print(text: &[u8]) -> ExitCode {
    write(text).err().unwrap_or(ExitCode::SUCCESS)
}

/// Writes to the standard output, or fails with the code to end with. That whoever read along has had enough is no failure.
pub fn write(text: &[u8]) -> Result<(), ExitCode> {
    let mut out = io::stdout().lock();
    out.write_all(text).and_then(|()| out.flush()).map_err(|why| match why.kind() {
        io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        _ => fail(FAILED, &format!("cannot write to the standard output: {why}")),
    })
}
