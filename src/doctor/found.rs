//! How a check adds what it finds, and says what it could not look at.

use super::finding::{FindingRow, FindingSeverity, LeftOutRow};

/// Why a check could not be made, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut(pub String);

impl LeftOut {
    /// For this reason.
    pub fn because(why: impl Into<String>) -> LeftOut {
        LeftOut(why.into())
    }
}

/// A check has looked at all of what it looks at, or not.
pub type Looked = Result<(), LeftOut>;

/// Where a check puts what it finds.
#[derive(Debug, Default)]
pub struct Found {
    check: &'static str,
    rows: Vec<FindingRow>,
    left_out: Vec<LeftOutRow>,
}

impl Found {
    /// For the check of this name.
    pub fn by(check: &'static str) -> Found {
        Found { check, rows: Vec::new(), left_out: Vec::new() }
    }

    /// A finding: what is wrong, the evidence, the remedy.
    pub fn add(
        &mut self,
        severity: FindingSeverity,
        what: impl Into<String>,
        evidence: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (what, evidence, remedy) = (what.into(), evidence.into(), remedy.into());
        self.rows.push(FindingRow { severity, check: self.check.into(), what, evidence, remedy });
    }

    /// It costs calls.
    pub fn error(&mut self, what: impl Into<String>, evidence: impl Into<String>, remedy: impl Into<String>) {
        self.add(FindingSeverity::Error, what, evidence, remedy);
    }

    /// Somebody should look.
    pub fn warning(&mut self, what: impl Into<String>, evidence: impl Into<String>, remedy: impl Into<String>) {
        self.add(FindingSeverity::Warning, what, evidence, remedy);
    }

    /// Worth knowing.
    pub fn info(&mut self, what: impl Into<String>, evidence: impl Into<String>, remedy: impl Into<String>) {
        self.add(FindingSeverity::Info, what, evidence, remedy);
    }

    /// A part of the check could not be made.
    pub fn left_out(&mut self, why: impl Into<String>) {
        self.left_out.push(LeftOutRow { check: self.check.into(), why: why.into() });
    }

    /// What a part of the check came to.
    pub fn part(&mut self, looked: Looked) {
        if let Err(LeftOut(why)) = looked {
            self.left_out(why);
        }
    }

    /// All of it; that nothing was found is a finding as well, if everything was looked at.
    pub fn rows(mut self, about: &str) -> (Vec<FindingRow>, Vec<LeftOutRow>) {
        if self.rows.is_empty() && self.left_out.is_empty() {
            self.add(FindingSeverity::Ok, about, "", "");
        }
        (self.rows, self.left_out)
    }
}
