//! A configuration that is not in force, and may come to be, or is in force and may not stay.
//!
//! Owns what is known of one on its way, and whether it may be taken over at all. Does nothing with it.

use super::operator_state::OperatorState;
use crate::admin::rows::ConfigurationCause;
use crate::config::{Change, ConfigErrors, Configuration};
use crate::policy::Life;
use crate::time::{Duration, Instant};
use std::sync::Arc;

/// Why a file is read.
pub(super) enum Reading {
    /// To say what it would change.
    Diff,
    /// To be taken over.
    TakeOver(How),
}

/// How a configuration is taken over.
#[derive(Clone, Copy, Debug)]
pub(super) struct How {
    /// What it is called in the history.
    pub(super) cause: ConfigurationCause,
    /// It must be confirmed within this time.
    pub(super) confirm: Option<Duration>,
    /// It may re-steer or cut so many flows.
    pub(super) max_impact: Option<u64>,
    /// It may take the last member that is up away from a pool. Nobody can be asked about what comes by a signal; what the other appliance
    /// sends is confirmed there.
    pub(super) yes: bool,
    /// The number of the one that it was before.
    pub(super) back_to: Option<u64>,
    /// It was made from the one in force then: with another in force by now it would take that back.
    pub(super) life: Option<Life>,
}

impl Default for How {
    fn default() -> How {
        How { cause: ConfigurationCause::Reload, confirm: None, max_impact: None, yes: true, back_to: None, life: None }
    }
}

/// What is read of a file.
pub struct FileRead {
    /// What it means, or everything that is wrong with it.
    pub read: Result<Box<Configuration>, ConfigErrors>,
    /// What was read.
    pub text: Arc<str>,
    /// What the appliance's own file says, where that could be read.
    pub file: Option<Arc<str>>,
}

/// A configuration that passed all checks.
pub(super) struct Proposed {
    pub(super) request_id: Option<u64>,
    pub(super) configuration: Box<Configuration>,
    /// Of the configuration it was compared with.
    pub(super) life: Life,
    pub(super) changes: Vec<Change>,
    pub(super) how: How,
    /// What was read.
    pub(super) text: Arc<str>,
    /// What the appliance's own file says.
    pub(super) file: Arc<str>,
}

/// A change that is under way.
pub(super) enum Transaction {
    /// How to have the one before again is being saved.
    Preparing {
        /// The save.
        change: u64,
        /// It may take so long.
        until: Instant,
        /// What comes then.
        proposed: Box<Proposed>,
        /// What the file said before.
        file: Arc<str>,
    },
    /// It is in force and waits for a confirmation.
    Awaiting {
        /// For so long.
        until: Instant,
        /// The one before, as it was read.
        before: Arc<Configuration>,
        /// What the operator had set that it has taken away: kept until it is confirmed, and set again if it is not.
        lost: Box<OperatorState>,
    },
}

/// A reload is refused as a whole when any part of it needs a restart.
pub(super) fn acceptable(changes: &[Change]) -> Result<(), String> {
    let restart: Vec<String> = changes.iter().filter(|change| !change.live).map(Change::to_string).collect();
    if restart.is_empty() {
        return Ok(());
    }
    Err(format!("only a restart can apply this: {}. Nothing was changed", restart.join("; ")))
}
