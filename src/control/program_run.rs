//! A program that carries a probe or is told of an event, as it is asked for and as it ends.
//!
//! Owns the words between the controller and whoever runs programs. Runs none.

pub use crate::monitor::ProbeId;
use crate::time::Duration;

/// A program to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramRun {
    /// To be given back.
    pub probe: ProbeId,
    /// Its file.
    pub program: String,
    /// Address and port of whom to ask, then what the file says.
    pub arguments: Vec<String>,
    /// The whole of its environment.
    pub environment: Vec<(&'static str, String)>,
    /// What it reads from its standard input, at most what a pipe holds: 64 KiB.
    pub input: Vec<u8>,
    /// It is killed when it takes longer.
    pub limit: Duration,
}

/// How a program ended, once it is there no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramExit {
    /// In which way.
    pub how: Exit,
    /// From its start until it ended or was killed, by the clock of whoever ran it.
    pub took: Duration,
}

/// In which way a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself.
    Status {
        /// Its exit status; `None`: a signal ended it.
        status: Option<i32>,
        /// The first bytes that it printed.
        output: Vec<u8>,
    },
    /// It was killed when its time was up.
    Killed,
    /// It cannot be run, which is for whoever named it or set Fairlead up to mend; why not.
    NotStarted(String),
    /// Fairlead could not run it this time, which says nothing of the program nor of whom it asks; why not.
    NotRun(String),
}
