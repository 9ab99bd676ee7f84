//! The connection to the other appliance of a pair, as management keeps it.
//!
//! Owns what was said over it, and what is known of it. What follows from that is done elsewhere.

use super::operator_state::OperatorState;
use super::pair_facts::{LinkFacts, PeerState};
use crate::sync::Differences;
use crate::time::Instant;
use std::collections::BTreeMap;
use std::sync::Arc;

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
    /// Words of the other one's over this connection that could not be read.
    pub(super) unread: u64,
    /// By what it was last judged whether the configurations differ.
    pub(super) compared: Option<Compared>,
    /// Configurations that were sent here and are being read: by request, the number that goes back.
    pub(super) pushes: BTreeMap<u64, u64>,
    /// How many were.
    pub(super) pushed: u64,
}

/// By what it is judged whether the configurations differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Compared {
    /// A connection is wanted.
    pub(super) has_peer: bool,
    /// By which this appliance gives away ports, and the other one, if there is a connection.
    pub(super) seeds: (u64, Option<u64>),
    /// What the sync has found.
    pub(super) found: Option<Arc<Differences>>,
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
