//! What an import could not carry over, or carried over by a choice somebody has to look at.
//!
//! Owns the list, its order, and how it reads.

use crate::policy::words::words;
use std::fmt;

words! {
    /// How much a finding matters.
    #[derive(PartialOrd, Ord)]
    Severity {
        /// Traffic would be treated differently than before, or not at all, until somebody acts.
        Severe = "severe",
        /// A choice was made that somebody should look at.
        Check = "check",
        /// Left out because nothing is lost by it.
        Note = "note",
    }
}

/// Something to know about an object.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// The object, by title, such as `ltm pool /Common/p`.
    pub object: String,
    /// What was not carried over, and why.
    pub message: String,
    /// What to do; may be empty.
    pub remedy: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.severity, self.object, self.message)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(f, "\n  = remedy: {}", self.remedy) }
    }
}

/// All findings of an import.
#[derive(Clone, Debug, Default)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// Adds a finding, once.
    pub fn add(
        &mut self,
        severity: Severity,
        object: impl Into<String>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let finding = Finding { severity, object: object.into(), message: message.into(), remedy: remedy.into() };
        if !self.0.contains(&finding) {
            self.0.push(finding);
        }
    }

    /// All of them, the most severe first, else in the order they were found.
    pub fn sorted(mut self) -> Vec<Finding> {
        self.0.sort_by_key(|finding| finding.severity);
        self.0
    }
}
