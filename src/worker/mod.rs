//! Floor 3: one turn of the loop.
pub mod mailbox;
