//! Floor 2: the decision.
pub mod verdict;
pub use verdict::{DropReason, Verdict};
