//! How far the last turn has come.
//!
//! Owns the parts of a turn by name. What is done in each, and in which order, is [`super::turn`]'s.

use crate::time::Instant;

/// What is still to be done at the time that was given last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Rest {
    /// All of a turn: a choice was made before it, and is published.
    Turn(Instant),
    /// What no worker waits for.
    Words(Instant),
    /// The same of an appliance that ends.
    Stopping(Instant),
    /// What is set, in force and has happened is to be saved once all else is done that came before.
    Saves(Instant),
    /// Nothing.
    #[default]
    Nothing,
}
