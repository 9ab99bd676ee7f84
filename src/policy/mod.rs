//! Floor 1: what is meant.
//!
//! Owns the operator's meaning ([`intent`]), who is alive as far as is known ([`health`]), what lies on the link
//! ([`adjacency`]), and the one immutable object the workers read ([`snapshot`]), compiled from the three. Knows no
//! file format, no packet bytes and no flow.

mod address_map;
pub mod addresses;
pub mod adjacency;
pub mod client_counts;
pub mod connection_limits;
mod follow;
pub mod health;
pub mod ids;
pub mod intent;
pub mod multipath;
pub mod persistence_hints;
pub mod prefix;
pub mod sharing;
pub mod slots;
pub mod snapshot;
pub mod sources;
pub mod spread;
pub mod words;

pub use addresses::{Addresses, InterfaceView};
pub use follow::Spare;
pub use intent::Intent;
pub use slots::{Life, Slots};
pub use snapshot::{Epoch, Snapshot};
