//! Why a file is not taken up.

use std::time::Duration;

/// A larger file is neither written nor read: some fourteen million flows.
pub const LARGEST_FILE: u64 = 1 << 30;

/// Why nothing of a file is taken up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It does not begin as such a file does.
    #[error("it is no file that Fairlead has left")]
    NotOurs,
    /// Another version wrote it.
    #[error("it is of format {found}, and this version knows format {known}")]
    Format {
        /// Which one.
        found: u16,
        /// What this version writes.
        known: u16,
    },
    /// Its end is missing.
    #[error("its end is missing")]
    Cut,
    /// Something in it is not as it was written.
    #[error("it is damaged in chunk {chunk}: {what}")]
    Damaged {
        /// Counted from 0.
        chunk: u32,
        /// What is not right.
        what: &'static str,
    },
    /// More than is ever written.
    #[error("it is larger than {} MiB", LARGEST_FILE >> 20)]
    TooLarge,
    /// The host has been started since.
    #[error("the host was started again since it was written")]
    OtherBoot,
    /// Too much time has passed.
    #[error("it was written {} s ago, and counts for {} s", age.as_secs(), fresh.as_secs())]
    Stale {
        /// How long ago it was written.
        age: Duration,
        /// How long it counts.
        fresh: Duration,
    },
    /// It is of a time that has not come.
    #[error("it says that it was written {} s from now", ahead.as_secs())]
    NotYet {
        /// By how much.
        ahead: Duration,
    },
    /// Another appliance wrote it.
    #[error("appliance `{name}` has written it: this one is called otherwise")]
    Foreign {
        /// What that is called.
        name: String,
    },
}
