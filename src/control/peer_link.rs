//! The connection to the other appliance of a pair, as management keeps it.
//!
//! Owns what was said over it, and what is known of it. What follows from that is done elsewhere.

use super::operator_state::OperatorState;
use super::pair_facts::{LinkFacts, PeerState};
use crate::time::Instant;
use std::collections::BTreeMap;

/// What was said, and what is known of the connection.
#[derive(Debug, Default)]
pub(super) struct PairLink {
    pub(super) facts: LinkFacts,
    /// There is a connection: to whom, and by which seed that one gives away ports.
    pub(super) other: Option<(String, u64)>,
    /// There was one since the start.
    pub(super) was_connected: bool,
    pub(super) was_in_sync: bool,
    /// Since when what one knows is not at the other.
    pub(super) trouble: Option<Instant>,
    /// What was said last over this connection.
    pub(super) said: Option<PeerState>,
    pub(super) said_settings: Option<u64>,
    /// What an operator has set at the other one, as that said it last.
    pub(super) heard: OperatorState,
    /// What of it is about things that are not here.
    pub(super) unplaced: OperatorState,
    /// Configurations that were sent here and are being read: by request, the number that goes back.
    pub(super) pushes: BTreeMap<u64, u64>,
    /// How many were.
    pub(super) pushed: u64,
}

impl PairLink {
    /// There is a connection.
    pub(super) fn is_up(&self) -> bool {
        self.other.is_some()
    }

    /// Why there is none.
    pub(super) fn failure(&self) -> &str {
        self.facts.failure()
    }

    /// What the other one calls itself.
    pub(super) fn name(&self) -> &str {
        self.other.as_ref().map_or("the other appliance", |(name, _)| name)
    }
}
