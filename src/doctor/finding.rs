//! What a check says.
//!
//! Owns the JSON of `doctor`, and the order of severities.

use crate::policy::words::words;
use serde::{Deserialize, Serialize};

words! {
    /// How much a finding matters.
    #[derive(PartialOrd, Ord, Default)]
    FindingSeverity {
        /// Nothing to find fault with.
        #[default]
        Ok = "ok",
        /// Worth knowing; nothing needs to be done.
        Info = "info",
        /// Somebody should look: it costs speed, or will cost calls some day.
        Warning = "warning",
        /// It costs calls, or will as soon as there are some.
        Error = "error",
    }
}

/// What `doctor` found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// Fairlead's version: of the command.
    pub version: String,
    /// The configuration that was looked at: a path, and whether it is the one in force; `None`: there was none.
    pub file: Option<String>,
    /// An appliance has answered.
    pub running: bool,
    /// The worst of the findings.
    pub worst: FindingSeverity,
    /// What was found, the worst first; of a check that found nothing one that says so.
    pub findings: Vec<FindingRow>,
    /// Checks, or parts of them, that could not be made.
    pub left_out: Vec<LeftOutRow>,
}

/// A finding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingRow {
    /// How much it matters.
    pub severity: FindingSeverity,
    /// The check that found it, as `--only` and `--list` name it.
    pub check: String,
    /// What is wrong.
    pub what: String,
    /// The value that was read, and where.
    pub evidence: String,
    /// What to do: the command, or the key of the file; may be empty.
    pub remedy: String,
}

/// What could not be checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOutRow {
    /// The check.
    pub check: String,
    /// Why.
    pub why: String,
}
