//! How the command ends: exit codes, and what is written before.
//!
//! Owns the standard output and the standard error.

use crate::config::{escaped, is_obeyed};
use serde_json::Value;
use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

/// Refused or failed.
pub const FAILED: u8 = 1;
/// Bad usage, or bad file.
pub const BAD: u8 = 2;
/// The appliance cannot be reached, or does not answer.
pub const UNREACHABLE: u8 = 3;
/// `doctor`: the worst that was found is a warning.
pub const FOUND_WARNING: u8 = 4;
/// `doctor`: an error was found.
pub const FOUND_ERROR: u8 = 5;

/// Says why on the standard error; control characters of whoever is quoted are not passed on.
pub fn fail(code: u8, message: &str) -> ExitCode {
    let clean: String = message.chars().map(|c| if is_obeyed(c) && c != '\n' { '?' } else { c }).collect();
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

/// An answer as JSON, on several lines. What a terminal would obey is escaped, which JSON may: it reads as the same.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn json(data: &Value) -> serde_json::Result<String> {
    Ok(escaped(&serde_json::to_string_pretty(data)?).into_owned() + "\n")
}

/// The same on one line.
///
/// # Errors
/// Likewise.
pub fn json_line(data: &Value) -> serde_json::Result<String> {
    Ok(escaped(&serde_json::to_string(data)?).into_owned() + "\n")
}

/// A file's text as it is written to the standard output: exactly, unless that is a terminal, which might obey it.
pub fn file_text(text: &str) -> Cow<'_, str> {
    shown_to(io::stdout().is_terminal(), text)
}

fn shown_to(is_terminal: bool, text: &str) -> Cow<'_, str> {
    if is_terminal { escaped(text) } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_printed_exactly_but_on_a_terminal() {
        let text = "# \u{9b}2J\n\tname = \"lead\"\n";
        assert_eq!(shown_to(false, text), text);
        assert_eq!(shown_to(true, text), "# \\u009b2J\n\tname = \"lead\"\n");
    }
}
