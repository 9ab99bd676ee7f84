//! What is read of a file, before anything is known of it.

use super::report::{ConfigErrors, Report};
use std::io::{self, Read};

/// The largest file that is read, in bytes.
pub(super) const LARGEST: u64 = 64 << 20;

/// All that comes from what `open` opens, which messages call `name`.
pub(super) fn bytes_from<R: Read>(name: &str, open: impl FnOnce() -> io::Result<R>) -> Result<Vec<u8>, ConfigErrors> {
    let mut bytes = Vec::new();
    match open().and_then(|from| from.take(LARGEST + 1).read_to_end(&mut bytes)) {
        Ok(length) if length as u64 > LARGEST => {
            Err(unread(name, "it is larger than 64 MiB", "pass the configuration file; this is not one"))
        }
        Ok(_) => Ok(bytes),
        Err(error) => Err(unread(name, &error.to_string(), "pass a file that exists and that this user may read")),
    }
}

/// `bytes` as text, of the file that messages call `name`.
pub(super) fn text_of<'b>(name: &str, bytes: &'b [u8]) -> Result<&'b str, ConfigErrors> {
    std::str::from_utf8(bytes).map_err(|error| {
        let (text, at) = (String::from_utf8_lossy(bytes), error.valid_up_to());
        let mut report = Report::new(name, &text);
        let note = report.error(&(at..at + 1), "", "this is not UTF-8 text");
        note.instead("TOML in UTF-8", "save the file as UTF-8; look at the character marked");
        report.refusal("", "")
    })
}

/// That `name` cannot be used, and why.
pub(super) fn unread(name: &str, why: &str, remedy: &str) -> ConfigErrors {
    Report::new(name, "").refusal(&format!("cannot use {name}: {why}"), remedy)
}
