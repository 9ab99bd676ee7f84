//! A configuration that is not in force, and may come to be.
//!
//! Owns what is known of one on its way. Does nothing with it.

/// Why a file is read for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// To say what it would change.
    Diff,
}
