//! Why a connection to the other appliance is ended.

/// Why nothing more of a connection is believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It does not begin as such a stream does.
    #[error("what answers is no Fairlead of a pair")]
    NotOurs,
    /// Another version sent it.
    #[error(
        "the other appliance speaks format {found} of the sync, and this version knows format {known}: run the same version on both"
    )]
    Format {
        /// Which one.
        found: u16,
        /// What this version speaks.
        known: u16,
    },
    /// Something in it is not as it was sent.
    #[error("frame {frame} is damaged: {what}")]
    Damaged {
        /// Counted from 0 in its direction.
        frame: u32,
        /// What is not right.
        what: &'static str,
    },
    /// Something that may not come there.
    #[error("frame {frame} may not come there: {what}")]
    OutOfPlace {
        /// Counted from 0 in its direction.
        frame: u32,
        /// What it is.
        what: &'static str,
    },
    /// Nothing has come, not even what says that somebody is there.
    #[error("nothing was heard for {} ms", silence.as_millis())]
    Silent {
        /// For how long.
        silence: std::time::Duration,
    },
    /// It takes nothing of what is sent to it.
    #[error("the other appliance reads too little: {bytes} bytes wait to be sent to it")]
    NotRead {
        /// So many wait.
        bytes: usize,
    },
    /// It is this appliance itself, or one that calls itself so and was made by it.
    #[error("it is this appliance itself: `peer` is the other one's address")]
    Ourselves,
}
