//! A file that is imported, and why one cannot be.

use std::fmt;

/// A file's name, as the operator typed it, and its text.
pub struct Source {
    /// For messages.
    pub name: String,
    /// What stands in it.
    pub text: String,
}

/// Why a file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its name.
    pub file: String,
    /// Where, from 1.
    pub line: usize,
    /// Why.
    pub why: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.why)
    }
}

impl std::error::Error for Unreadable {}
