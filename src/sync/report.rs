//! How the sync stands, and what happened, for management.

use super::hello::Hello;
use super::texts::Differences;
use crate::time::Duration;
use std::sync::Arc;

/// How things stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// There is no connection.
    #[default]
    Away,
    /// Nobody is fed: both stand by, or both are active.
    Idle,
    /// All is being told.
    Copying,
    /// The one that stands by has all.
    InSync,
    /// More has changed than could be told: all has to be told anew.
    CopyDue,
}

/// What an operator may want to know. Counts are from the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How things stand.
    pub state: State,
    /// This appliance feeds the other.
    pub feeds: bool,
    /// Who the other one is.
    pub other: Option<Hello>,
    /// In what the configurations of the two differ; `None`: that is not known, or not yet.
    pub differences: Option<Arc<Differences>>,
    /// Records told and not taken in yet, where this appliance feeds.
    pub lag_records: u64,
    /// For how long the first of them has been on its way.
    pub lag: Duration,
    /// Records of flows and speakers sent, and received.
    pub records: [u64; 2],
    /// Bytes likewise.
    pub bytes: [u64; 2],
    /// Full copies begun, and those that are whole on the other side or here.
    pub copies: [u64; 2],
    /// Feeds that broke off as there was no room for changes.
    pub breaks: u64,
    /// Of what was told: flows that were taken in, and that are not here for whatever reason, by all workers.
    pub taken: [u64; 2],
    /// Why the last connection ended.
    pub last_error: Option<String>,
}

/// What happened that management has to hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The other one is there, or says something else of itself.
    Up(Box<Hello>),
    /// It is away, and why.
    Down(String),
    /// Its management says.
    Word(String),
}

impl News {
    /// Bytes of text in it that somebody else has chosen.
    pub fn weight(&self) -> usize {
        match self {
            News::Word(text) => text.len(),
            News::Up(_) | News::Down(_) => 0,
        }
    }
}
