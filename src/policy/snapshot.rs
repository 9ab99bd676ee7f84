//! What the workers read.
/// Counts published snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);
/// One immutable object.
pub struct Snapshot;
