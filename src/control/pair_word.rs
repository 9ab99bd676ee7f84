//! What the management of one appliance of a pair says to the other's.
//!
//! Owns [`PairWord`], a text of JSON. Each is said again when there is another
//! connection. Moments in it are the sender's, and nobody reads them.

use super::operator_state::OperatorState;
use super::pair_facts::PeerState;
use crate::admin::rows::Reloaded;
use crate::handover::Remembered;
use serde::{Deserialize, Serialize};

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PairWord {
    /// What who speaks is.
    State(PeerState),
    /// The active one: who is active in some of its pools, and what was lost with whom.
    Pools(Remembered),
    /// The active one: all that an operator has set there.
    Settings(Box<OperatorState>),
    /// A configuration that the other one is to take over, as far as it is not its own.
    Push {
        /// Comes back with what came of it.
        number: u64,
        /// What the file of the configuration says.
        text: String,
        /// Within so many seconds it must be confirmed.
        confirm_s: u64,
    },
    /// What came of that, or why nothing did.
    Pushed {
        /// As it was sent.
        number: u64,
        /// In words for an operator where nothing did.
        outcome: Result<Box<Reloaded>, String>,
    },
}

impl PairWord {
    /// As it is written.
    pub fn text(&self) -> String {
        // Nothing in it can fail to be written: keys are texts, numbers are whole.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What was written so.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(super) fn read(text: &str) -> Result<PairWord, String> {
        serde_json::from_str(text).map_err(|why| why.to_string())
    }
}
