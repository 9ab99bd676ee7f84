//! The file: from text to what is meant, or to everything that is wrong with it.
//!
//! Owns the steps from text to meaning: [`syntax`], TOML → [`reader`], sections by the table of keys in [`schema`] →
//! [`checks`], contradictions → [`resolve`], what is meant: a [`Configuration`]. Starts nothing and changes nothing. Read
//! first: [`schema`].

mod checks;
mod difference;
mod document;
mod edit;
mod edit_members;
mod form;
mod include;
mod index;
mod names;
mod origins;
mod pem;
mod reader;
mod report;
mod resolve;
mod schema;
mod settings;
mod shared;
mod source;
mod syntax;
#[cfg(test)]
mod tests;
mod value;
mod visible;

pub use difference::{Change, ChangeKind, bounds, difference, good_answer, open_servers, question};
pub use edit::{ExclusionEdit, with_edits};
pub use edit_members::MemberEdit;
pub use form::duration_text;
pub use include::{files_included, files_matched, folder_of, names_from_the_root};
pub use origins::is_of_several;
pub use report::{ConfigErrors, Finding, Place, Severity, Warning, count, wrap};
pub use settings::{Configuration, CpuCores, Dpdk, Idle, LogFormat, LogLevel, Notify, Routes, Settings};
pub use shared::{digests, for_this_one};
pub use value::{codes_text, listen_text, network_text, parse_prefix};
pub use visible::{escaped, is_obeyed, visible};

use document::Document;
use report::Report;
use source::{bytes_from, text_of, unread};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The reference of every key, as Markdown.
pub fn reference() -> String {
    form::reference(schema::SECTIONS) + include::ABOUT + &names::lists()
}

/// Reads the file at `path`.
///
/// # Errors
/// Everything that is wrong with it: that it cannot be read, its syntax, its values, its contradictions.
pub fn load(path: &Path) -> Result<Configuration, ConfigErrors> {
    parse_bytes(&path.display().to_string(), &bytes_of(path)?)
}

/// Reads all that comes from `from`, which messages call `name`.
///
/// # Errors
/// As [`load`].
pub fn load_from(name: &str, from: impl Read) -> Result<Configuration, ConfigErrors> {
    parse_bytes(name, &bytes_from(name, || Ok(from))?)
}

/// The bytes of the file at `path`, with those of the files that it includes behind them.
///
/// # Errors
/// That one of them cannot be read, or is not what may be included.
pub fn bytes_of(path: &Path) -> Result<Vec<u8>, ConfigErrors> {
    include::whole(path, bytes_from(&path.display().to_string(), || File::open(path))?)
}

/// Reads `bytes`, which must be UTF-8, as the file that messages call `name`.
///
/// # Errors
/// As [`load`].
pub fn parse_bytes(name: &str, bytes: &[u8]) -> Result<Configuration, ConfigErrors> {
    parse(name, text_of(name, bytes)?)
}

/// Reads `text` as the file that messages call `name`, for the machine this runs on.
///
/// # Errors
/// As [`load`].
pub fn parse(name: &str, text: &str) -> Result<Configuration, ConfigErrors> {
    parse_for(std::thread::available_parallelism().map_or(1, usize::from), name, text)
}

/// Reads the text of another appliance's file as this one may use it ([`for_this_one`]); the text as well.
///
/// # Errors
/// As [`load`].
pub fn parse_pushed(name: &str, text: &str, own: &str) -> (String, Result<Configuration, ConfigErrors>) {
    match for_this_one(text, own) {
        Ok(text) => {
            let read = parse(name, &text);
            (text, read)
        }
        Err(why) => (text.to_owned(), Err(unread(name, &why, "write both files by hand"))),
    }
}

/// Reads `text` as the file that messages call `name`, for a machine of `cores` CPU cores.
///
/// # Errors
/// As [`load`].
pub fn parse_for(cores: usize, name: &str, text: &str) -> Result<Configuration, ConfigErrors> {
    let mut report = Report::new(name, text);
    let document = Document::read(&mut report);
    if let Some(document) = &document {
        checks::check(document, cores, &mut report);
    }
    match document.filter(|_| !report.refused()).as_ref().and_then(resolve::meaning) {
        Some((settings, intent)) => Ok(Configuration { settings, intent, warnings: report.warnings() }),
        None => {
            Err(report
                .refusal("a value is missing that no check has named", "report this file: this is a bug in Fairlead"))
        }
    }
}
